//! A line with a name and its value, as plans and results have them.

use std::fmt::Write as _;

use super::paint::clean;

/// Adds the line. What comes from elsewhere is made fit for a terminal.
pub(super) fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<16} {}", clean(value));
}
