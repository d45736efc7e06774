//! A line with a name and its value, as plans and results use it.

use std::fmt::Write as _;

use super::paint::clean;

/// Adds the line. The value, which may come from others, is made safe for a terminal.
pub(super) fn field(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<16} {}", clean(value));
}
