//! The two builders of Docker engines.

/// The kind of builder that an engine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// `BuildKit`.
    BuildKit,
    /// The builder of old engines.
    Classic,
}
