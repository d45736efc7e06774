//! The options that decide how much is shown, and in which form.

/// The options that decide how much is shown, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// Whether to write one JSON document instead of text.
    pub json: bool,
    /// Whether to show results, warnings and errors only.
    pub quiet: bool,
    /// Whether to show more than usual.
    pub verbose: bool,
}
