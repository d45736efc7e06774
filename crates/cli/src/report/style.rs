//! How much is shown, and in which form.

/// How much is shown, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// One JSON document instead of text.
    pub json: bool,
    /// Results, warnings and errors only.
    pub quiet: bool,
    /// More than usual.
    pub verbose: bool,
}
