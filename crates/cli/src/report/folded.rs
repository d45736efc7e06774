//! Checks of the doctor that looked at nothing, as few lines.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::lines::said;
use super::paint::style;
use super::symbols;

/// A check that looked at nothing: there was nothing, or it needs another check.
pub(super) struct Folded {
    /// The reason that several such checks have in common, as the end of a sentence about them.
    pub(super) why: String,
    /// Its line, where it is shown by itself.
    pub(super) row: String,
}

/// The lines of such checks: one line for all of them that have the same reason, from three on.
pub(super) fn text(folded: &[Folded]) -> String {
    let mut text = String::new();
    let mut done = BTreeSet::new();
    for one in folded {
        let same = folded.iter().filter(|other| other.why == one.why);
        match same.count() {
            ..=2 => text.push_str(&one.row),
            count if done.insert(&one.why) => {
                let why = said(&one.why);
                let _ = writeln!(
                    text,
                    "  {} {count} checks {why} (-v names them)",
                    style(symbols::NOTHING).dim()
                );
            }
            _ => {}
        }
    }
    text
}
