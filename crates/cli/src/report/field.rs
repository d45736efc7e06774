//! A line with a name and its value, as plans and results use it.

use std::fmt::Write as _;

use console::measure_text_width;

use super::paint::clean;
use crate::wrap;

/// The columns before a value, unless its name is longer.
const BEFORE: usize = 19;

/// Adds the line. The value, which may come from others, is made safe for a terminal, where its further lines
/// begin below its first.
pub(super) fn field(text: &mut String, name: &str, value: &str) {
    field_in(text, wrap::columns(), name, value);
}

fn field_in(text: &mut String, columns: Option<usize>, name: &str, value: &str) {
    let before = format!("{:<BEFORE$}", format!("  {name} "));
    let indent = measure_text_width(&before);
    let value = clean(value);
    let broken = match wrap::room(columns, indent) {
        Some(room) => wrap::value(&value, room),
        None => vec![value],
    };
    let _ = writeln!(text, "{before}{}", broken.join(&format!("\n{:indent$}", "")));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_continues_below_itself_at_a_terminal() {
        let shown = |columns, value: &str| {
            let mut text = String::new();
            field_in(&mut text, columns, "reason", value);
            text
        };
        let reason = "left the surgery  in May, and comes back as a locum";
        assert_eq!(shown(None, reason), format!("  reason           {reason}\n"));
        assert_eq!(shown(Some(80), reason), shown(None, reason));
        assert_eq!(
            shown(Some(48), reason),
            "  reason           left the surgery  in May, and\n                   comes back as a locum\n"
        );
        let mut text = String::new();
        field_in(&mut text, Some(60), "the reason of the visit", "a word, and some more words after it");
        assert_eq!(
            text,
            "  the reason of the visit a word, and some more words after\n                          it\n"
        );
    }
}
