//! How wide a help text is, and how much it says.

/// The width of a help text, in characters.
pub(crate) const WIDTH: usize = 80;

/// How much a help text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// The command's own options, for `-h`.
    Short,
    /// All options, with explanations and examples, for `--help`.
    Long,
}
