//! The stage that is served, as the environments file names it.

/// The stage of a Dockerfile that is served, as the environments file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The Dockerfile's path in the checkout.
    pub dockerfile: String,
    /// The stage.
    pub stage: String,
}
