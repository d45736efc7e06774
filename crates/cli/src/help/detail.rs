//! The two lengths of a help text.

/// The length of a help text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The command's own options, for `-h`.
    Short,
    /// All options, with explanations and examples, for `--help`.
    Long,
}
