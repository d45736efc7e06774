//! How much a help text says.

/// How much a help text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The command's own options, for `-h`.
    Short,
    /// All options, with explanations and examples, for `--help`.
    Long,
}
