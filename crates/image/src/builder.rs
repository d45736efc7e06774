//! The two builders of Docker engines.

/// How the engine builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// `BuildKit`.
    BuildKit,
    /// The builder of old engines.
    Classic,
}
