//! Colours, and the one gate through which all text goes to a terminal.
//!
//! Nothing here makes an escape sequence: a style is written as a mark, and only [`gate`], which is called
//! where bytes are written, turns marks into sequences. So every other escape in a text comes from others (a
//! name, a log line, an answer) and is shown instead of sent, even where the code that put it there has not
//! escaped it.
//!
//! To add a colour or a weight: a method of [`Painted`] and of [`Paint`].

use std::fmt;

use quill_admin_contract::invisible::{invisible, shown};

/// The mark that stands for `ESC [` before the numbers of a style. It is a noncharacter: Unicode reserves it
/// for use inside of a program, and no text has it.
const MARK: char = '\u{fdd0}';

/// The mark around the address of a link, and twice at the link's end: another noncharacter.
const LINK: char = '\u{fdd1}';

/// Whether a character is one of our marks, which no text from elsewhere may have.
pub(super) fn is_mark(c: char) -> bool {
    c == MARK || c == LINK
}

/// A text that leads to an address where the terminal shows links, and the text alone elsewhere.
pub(super) fn link(text: &str, address: &str) -> String {
    format!("{LINK}{address}{LINK}{text}{LINK}{LINK}")
}

/// Makes a text of others (a log, a database, a file, an argument) a part of ours: on one line, and without
/// characters that move the cursor, change colours or are invisible.
pub(super) fn clean(text: &str) -> String {
    shown(text).replace(MARK, "\\u{fdd0}").replace(LINK, "\\u{fdd1}")
}

/// A style: at most one colour, and a weight.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Paint {
    colour: Option<&'static str>,
    weight: Option<&'static str>,
}

impl Paint {
    /// The style that the terminal has by default.
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn red(self) -> Self {
        Self { colour: Some("31"), ..self }
    }

    pub(super) fn yellow(self) -> Self {
        Self { colour: Some("33"), ..self }
    }

    /// A value in this style.
    pub(super) fn apply_to<T>(self, value: T) -> Painted<T> {
        Painted { value, paint: self }
    }
}

/// A value in a style.
#[derive(Debug, Clone, Copy)]
pub(super) struct Painted<T> {
    value: T,
    paint: Paint,
}

/// Wraps a value, to give it a style.
pub(super) fn style<T>(value: T) -> Painted<T> {
    Paint::new().apply_to(value)
}

impl<T> Painted<T> {
    fn colour(mut self, code: &'static str) -> Self {
        self.paint.colour = Some(code);
        self
    }

    fn weight(mut self, code: &'static str) -> Self {
        self.paint.weight = Some(code);
        self
    }

    pub(super) fn red(self) -> Self {
        self.colour("31")
    }

    pub(super) fn green(self) -> Self {
        self.colour("32")
    }

    pub(super) fn yellow(self) -> Self {
        self.colour("33")
    }

    pub(super) fn cyan(self) -> Self {
        self.colour("36")
    }

    pub(super) fn bold(self) -> Self {
        self.weight("1")
    }

    pub(super) fn dim(self) -> Self {
        self.weight("2")
    }
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codes = [self.paint.colour, self.paint.weight];
        for code in codes.iter().flatten() {
            write!(f, "{MARK}{code}m")?;
        }
        self.value.fmt(f)?;
        if codes.iter().any(Option::is_some) {
            write!(f, "{MARK}0m")?;
        }
        Ok(())
    }
}

/// Turns the escape sequences of styles in clap's help into marks.
pub(super) fn from_ansi(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut marked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if style_length(part).is_some() {
            marked.push(MARK);
        } else {
            marked.push_str("\u{1b}[");
        }
        marked.push_str(part);
    }
    marked
}

/// The number of bytes after the mark that are a style: numbers and semicolons up to an `m`.
fn style_length(text: &str) -> Option<usize> {
    let end = text.bytes().take(16).position(|byte| byte == b'm')?;
    text[..end].bytes().all(|byte| byte.is_ascii_digit() || byte == b';').then_some(end + 1)
}

/// Whether a text is the address of a link, or nothing, with which a link ends.
fn is_address(text: &str) -> bool {
    text.is_empty() || text.starts_with("https://") && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The text as it is written where no links are shown.
pub(super) fn gate(text: &str, colours: bool) -> String {
    gate_with_links(text, colours, false)
}

/// The text as it is written: marks become styles, or are removed without `colours`, and become links, or are removed
/// without `links`; lines and tabs stay; every other invisible character is shown as its escape.
///
/// The sequence of a link is that of "Hyperlinks in Terminal Emulators" (OSC 8).
pub(super) fn gate_with_links(text: &str, colours: bool, links: bool) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' | '\t' => out.push(c),
            MARK => match style_length(rest) {
                Some(length) => {
                    if colours {
                        out.push_str("\u{1b}[");
                        out.push_str(&rest[..length]);
                    }
                    rest = &rest[length..];
                }
                None => out.extend(c.escape_unicode()),
            },
            LINK => match rest.split_once(LINK).filter(|(address, _)| is_address(address)) {
                Some((address, behind)) => {
                    if links {
                        out.extend(["\u{1b}]8;;", address, "\u{1b}\\"]);
                    }
                    rest = behind;
                }
                None => out.extend(c.escape_unicode()),
            },
            c if invisible(c).is_some() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_styles_pass_and_nobody_elses() {
        let text = format!("{} \u{1b}[31mred\u{1b}]0;title\u{7}\r\u{9b}2J\n", style("✔").green().bold());
        let shown = r"\u{1b}[31mred\u{1b}]0;title\u{7}\r\u{9b}2J";
        assert_eq!(gate(&text, true), format!("\u{1b}[32m\u{1b}[1m✔\u{1b}[0m {shown}\n"));
        assert_eq!(gate(&text, false), format!("✔ {shown}\n"));
        assert_eq!(gate(&format!("{}\n", style("plain")), true), "plain\n");
    }

    #[test]
    fn a_link_is_ours_alone_and_no_more_than_its_text_where_links_are_not_shown() {
        let text = link("doctor --explain job", "https://example.org/a#job");
        assert_eq!(gate(&text, true), "doctor --explain job");
        let shown = "\u{1b}]8;;https://example.org/a#job\u{1b}\\doctor --explain job\u{1b}]8;;\u{1b}\\";
        assert_eq!(gate_with_links(&text, false, true), shown);
        for foreign in ["\u{fdd1}x", "\u{fdd1}ftp://a\u{fdd1}", "\u{fdd1}https://a b\u{fdd1}"] {
            assert!(!gate_with_links(foreign, true, true).contains('\u{1b}'), "{foreign:?}");
            assert!(clean(foreign).starts_with("\\u{fdd1}"));
        }
    }

    /// `console` makes escape sequences at once, which the gate would show like those of others.
    #[test]
    fn nothing_here_is_styled_otherwise() {
        let files = [
            include_str!("actions.rs"),
            include_str!("backend.rs"),
            include_str!("build.rs"),
            include_str!("doctor.rs"),
            include_str!("history.rs"),
            include_str!("lines.rs"),
            include_str!("sign_in.rs"),
            include_str!("task.rs"),
        ];
        for foreign in ["console::style", "console::Style", "console::{", "use console"] {
            assert!(!files.iter().any(|text| text.contains(foreign)), "{foreign}: use paint::style");
        }
    }

    #[test]
    fn what_turns_or_hides_text_is_shown() {
        let text = "a\u{202e}b\u{200b}c\u{2028}d\u{feff}\tä 🙂";
        assert_eq!(gate(text, true), "a\\u{202e}b\\u{200b}c\\u{2028}d\\u{feff}\tä 🙂");
        assert_eq!(clean("a\nb\u{fdd0}31m"), "a\\nb\\u{fdd0}31m");
        // A mark that is not followed by a style is not ours.
        assert_eq!(gate("\u{fdd0}x \u{fdd0}", true), "\\u{fdd0}x \\u{fdd0}");
    }

    #[test]
    fn styles_of_clap_become_ours() {
        let text = "\u{1b}[1m\u{1b}[4mUsage:\u{1b}[0m \u{1b}[2Jx \u{1b}[38;5;9m";
        assert_eq!(
            gate(&from_ansi(text), true),
            "\u{1b}[1m\u{1b}[4mUsage:\u{1b}[0m \\u{1b}[2Jx \u{1b}[38;5;9m"
        );
        assert_eq!(gate(&from_ansi(text), false), "Usage: \\u{1b}[2Jx ");
    }
}
