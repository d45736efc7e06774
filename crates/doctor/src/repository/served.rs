//! What is served, as the environments file names it.

/// What is served: a stage of a Dockerfile, as the environments file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The Dockerfile's path in the checkout.
    pub dockerfile: String,
    /// The stage.
    pub stage: String,
}
