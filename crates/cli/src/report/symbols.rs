//! The symbols that texts are decorated with, in one table: each has a form in ASCII.
//!
//! The form in ASCII is used where the locale says something else than UTF-8. The locale is that of the first
//! variable that is set and not empty: `LC_ALL`, `LC_CTYPE`, `LANG`. Where none is set nothing is known: POSIX has
//! the locale C then, but pipelines and containers, which set none, show UTF-8. What this program adds is changed;
//! what others wrote (logs, results, rows) is not, but for these symbols in a message that quotes it. Windows has no
//! such variables, and its terminals show Unicode.
//!
//! To add a symbol: its constant with both forms, and `IN_MESSAGES` where messages of other crates have it.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the forms in ASCII are used. A process has one locale.
static ASCII: AtomicBool = AtomicBool::new(false);

/// A symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    unicode: &'static str,
    ascii: &'static str,
}

/// Something was done, or is as it should be.
pub(crate) const DONE: Symbol = Symbol { unicode: "✔", ascii: "+" };
/// Something failed, or is wrong.
pub(crate) const FAILED: Symbol = Symbol { unicode: "✘", ascii: "x" };
/// Something was not run.
pub(crate) const LEFT_OUT: Symbol = Symbol { unicode: "–", ascii: "-" };
/// Something is worth knowing. It is in ASCII already, as the next two are.
pub(crate) const NOTICE: Symbol = Symbol { unicode: "!", ascii: "!" };
/// Nothing was done, or nothing was to be looked at.
pub(crate) const NOTHING: Symbol = Symbol { unicode: "-", ascii: "-" };
/// Something could not be decided.
pub(crate) const UNSURE: Symbol = Symbol { unicode: "?", ascii: "?" };
/// One value became another.
pub(crate) const ARROW: Symbol = Symbol { unicode: "→", ascii: "->" };
/// Something goes on, or was cut off.
pub(crate) const MORE: Symbol = Symbol { unicode: "…", ascii: "..." };
/// Stands before a line that another program printed.
pub(crate) const BAR: Symbol = Symbol { unicode: "│", ascii: "|" };
/// Stands between a question and its answer.
pub(crate) const DOT: Symbol = Symbol { unicode: "·", ascii: "-" };
/// Stands behind a question.
pub(crate) const ASKS: Symbol = Symbol { unicode: "›", ascii: ">" };
/// Stands before the chosen entry of a list.
pub(crate) const CHOSEN: Symbol = Symbol { unicode: "❯", ascii: ">" };
/// The arrow keys that move in a list.
pub(crate) const KEYS: Symbol = Symbol { unicode: "↑ ↓", ascii: "Up, Down" };

/// The symbols that stand in messages of other crates, and in pages of the guide.
const IN_MESSAGES: [Symbol; 6] = [ARROW, MORE, LEFT_OUT, DONE, FAILED, BAR];

/// The frames of the spinner in ASCII; the last one is shown at its end.
const FRAMES: &str = "|/-\\ ";

impl Symbol {
    /// The form that the locale can show.
    pub(crate) fn text(self) -> &'static str {
        self.form(is_ascii())
    }

    fn form(self, ascii: bool) -> &'static str {
        if ascii { self.ascii } else { self.unicode }
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

fn is_ascii() -> bool {
    ASCII.load(Ordering::Relaxed)
}

/// Chooses the form by the variables of the process.
pub(crate) fn use_locale<'a>(variable: impl Fn(&str) -> Option<&'a str>) {
    ASCII.store(!cfg!(windows) && !is_utf8(variable), Ordering::Relaxed);
}

/// Whether the locale's characters are written in UTF-8, as far as is known.
fn is_utf8<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> bool {
    let set = |name: &&str| variable(name).filter(|value| !value.is_empty());
    let Some(locale) = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set) else {
        return true;
    };
    // language_TERRITORY.charset@modifier; macOS writes the charset alone.
    let locale = locale.split('@').next().unwrap_or_default();
    let charset = locale.split_once('.').map_or(locale, |(_, charset)| charset);
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

/// A message of another crate, which knows no locale, with the symbols in it as this one can show them.
pub(super) fn in_message(text: &str) -> Cow<'_, str> {
    if is_ascii() { replaced(text) } else { text.into() }
}

fn replaced(text: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(text);
    for symbol in IN_MESSAGES {
        if shown.contains(symbol.unicode) {
            shown = Cow::Owned(shown.replace(symbol.unicode, symbol.ascii));
        }
    }
    shown
}

/// The frames of the spinner, where they are not those that it has by default.
pub(super) fn frames() -> Option<&'static str> {
    is_ascii().then_some(FRAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_is_the_locale() {
        let utf8 = |set: &[(&str, &'static str)]| {
            is_utf8(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
        };
        assert!(utf8(&[("LANG", "en_GB.UTF-8")]));
        assert!(utf8(&[("LANG", "C.utf8")]));
        assert!(utf8(&[("LC_CTYPE", "UTF-8")]));
        assert!(utf8(&[("LANG", "ca_ES.UTF-8@valencia")]));
        assert!(utf8(&[("LC_ALL", ""), ("LANG", "C.UTF-8")]));
        assert!(!utf8(&[("LC_ALL", "C"), ("LANG", "en_GB.UTF-8")]));
        assert!(!utf8(&[("LC_CTYPE", "POSIX"), ("LANG", "en_GB.UTF-8")]));
        assert!(!utf8(&[("LANG", "de_DE.ISO-8859-15@euro")]));
        assert!(!utf8(&[("LANG", "en_GB")]));
        assert!(utf8(&[]), "nothing is known");
    }

    #[test]
    fn every_symbol_has_a_form_in_ascii() {
        for symbol in [DONE, FAILED, LEFT_OUT, ARROW, MORE, BAR, DOT, ASKS, CHOSEN, KEYS] {
            assert!(symbol.form(true).is_ascii() && !symbol.form(false).is_ascii(), "{symbol:?}");
        }
        assert_eq!(replaced("image: a → b…"), "image: a -> b...");
        assert_eq!(replaced("Жанна"), "Жанна", "what others wrote stays");
    }

    /// No text is decorated past the table.
    #[test]
    fn symbols_are_written_in_this_file_alone() {
        let files = [
            include_str!("actions.rs"),
            include_str!("backend.rs"),
            include_str!("build.rs"),
            include_str!("cases.rs"),
            include_str!("doctor.rs"),
            include_str!("environments.rs"),
            include_str!("history.rs"),
            include_str!("lines.rs"),
            include_str!("sign_in.rs"),
            include_str!("task.rs"),
            include_str!("../prompt/terminal.rs"),
        ];
        for symbol in [DONE, FAILED, LEFT_OUT, ARROW, MORE, BAR, DOT, ASKS, CHOSEN, KEYS] {
            let written = |text: &&str| {
                let code = text.split("\n#[cfg(test)]").next().unwrap_or_default().lines();
                code.map(str::trim)
                    .filter(|line| !line.starts_with("//"))
                    .any(|line| line.contains(symbol.unicode))
            };
            assert!(!files.iter().any(written), "{symbol:?}");
        }
    }
}
