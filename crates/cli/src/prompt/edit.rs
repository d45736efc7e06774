//! The line that is being typed: [`Line`] is visible, and [`Hidden`] holds a password, which is wiped.
//!
//! To add an editing key: its variant in `keys.rs`, and its arm in `press` here.

use quill_admin_contract::Secret;
use quill_admin_contract::invisible::shown;
use zeroize::Zeroizing;

use super::keys::Key;

/// A text, and the place in it where the next character goes.
#[derive(Debug, Default)]
pub(super) struct Line {
    text: Vec<char>,
    at: usize,
}

impl Line {
    /// The text of the line.
    pub(super) fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Whether the line is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Applies a key.
    pub(super) fn press(&mut self, key: &Key) {
        match key {
            Key::Char(c) => self.insert(*c),
            Key::Pasted(Ok(text)) => text.chars().for_each(|c| self.insert(c)),
            Key::Backspace if self.at > 0 => {
                self.at -= 1;
                self.text.remove(self.at);
            }
            Key::Delete if self.at < self.text.len() => {
                self.text.remove(self.at);
            }
            Key::Left => self.at = self.at.saturating_sub(1),
            Key::Right => self.at = (self.at + 1).min(self.text.len()),
            Key::Home => self.at = 0,
            Key::End => self.at = self.text.len(),
            Key::KillLine => {
                self.text.drain(..self.at);
                self.at = 0;
            }
            Key::KillWord => {
                let before = &self.text[..self.at];
                let word = before.iter().rposition(|c| !c.is_whitespace()).map_or(0, |last| last + 1);
                let start =
                    before[..word].iter().rposition(|c| c.is_whitespace()).map_or(0, |blank| blank + 1);
                self.text.drain(start..self.at);
                self.at = start;
            }
            _ => {}
        }
    }

    fn insert(&mut self, c: char) {
        self.text.insert(self.at, c);
        self.at += 1;
    }

    /// The part that fits into `width` columns, before and after the cursor.
    pub(super) fn visible(&self, width: usize) -> (String, String) {
        let draw = |c: &char| {
            let text = shown(c.encode_utf8(&mut [0; 4])).into_owned();
            let columns = console::measure_text_width(&text);
            (text, columns)
        };
        let mut left = width;
        let mut fits = |(text, columns): (String, usize)| {
            left = left.checked_sub(columns)?;
            Some(text)
        };
        let mut before: Vec<String> =
            self.text[..self.at].iter().rev().map(draw).map_while(&mut fits).collect();
        before.reverse();
        let after: Vec<String> = self.text[self.at..].iter().map(draw).map_while(&mut fits).collect();
        (before.concat(), after.concat())
    }
}

/// A text that is not shown, in memory that does not move while it grows, and is wiped.
pub(super) struct Hidden {
    text: Zeroizing<String>,
    too_long: bool,
}

/// The number of bytes that are kept: more than the longest password that is accepted.
const CAPACITY: usize = 8 * 1024;

impl Hidden {
    pub(super) fn new() -> Self {
        Self { text: Zeroizing::new(String::with_capacity(CAPACITY)), too_long: false }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Applies a key.
    pub(super) fn press(&mut self, key: &Key) {
        match key {
            Key::Char(c) => self.push(*c),
            Key::Pasted(Ok(text)) => text.chars().for_each(|c| self.push(c)),
            Key::Backspace => drop(self.text.pop()),
            // Nobody can see which part of it would be removed, so all of it is.
            Key::KillLine | Key::KillWord => *self = Self::new(),
            _ => {}
        }
    }

    fn push(&mut self, c: char) {
        if self.text.len() + c.len_utf8() > self.text.capacity() {
            self.too_long = true;
        } else {
            self.text.push(c);
        }
    }

    /// The text, if all of it could be kept.
    pub(super) fn finish(mut self) -> Result<Secret, &'static str> {
        if self.too_long {
            return Err("that is too long");
        }
        Ok(Secret::new(std::mem::take(&mut *self.text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: impl IntoIterator<Item = Key>) -> Line {
        let mut line = Line::default();
        keys.into_iter().for_each(|key| line.press(&key));
        line
    }

    fn text(text: &str) -> impl Iterator<Item = Key> {
        text.chars().map(Key::Char)
    }

    #[test]
    fn a_line_is_edited() {
        assert_eq!(typed(text("stve").chain([Key::Left, Key::Left, Key::Char('e')])).text(), "steve");
        assert_eq!(typed(text("one two ").chain([Key::KillWord])).text(), "one ");
        assert_eq!(typed(text("abc").chain([Key::Home, Key::Delete, Key::End, Key::Backspace])).text(), "b");
        assert_eq!(typed(text("abc").chain([Key::Left, Key::KillLine])).text(), "c");
        assert_eq!(typed([Key::Backspace, Key::Delete, Key::Left, Key::Right]).text(), "");
    }

    #[test]
    fn what_is_shown_of_a_line_fits_and_moves_no_cursor() {
        let line = typed(text("0123456789").chain([Key::Left, Key::Left]));
        assert_eq!(line.visible(20), ("01234567".to_owned(), "89".to_owned()));
        assert_eq!(line.visible(5), ("34567".to_owned(), String::new()));
        let line = typed([Key::Pasted(Ok(Zeroizing::new("a\u{1b}[2J\u{202e}".to_owned())))]);
        assert_eq!(line.visible(80).0, "a\\u{1b}[2J\\u{202e}");
    }

    #[test]
    fn a_hidden_text_stays_where_it_is() {
        let mut hidden = Hidden::new();
        let place = hidden.text.as_ptr();
        for key in text(&"ж".repeat(CAPACITY / 2)) {
            hidden.press(&key);
        }
        assert_eq!(hidden.text.as_ptr(), place);
        assert!(!hidden.too_long);
        hidden.press(&Key::Char('x'));
        assert!(hidden.finish().is_err());
        let mut hidden = Hidden::new();
        text("abc").chain([Key::Backspace]).for_each(|key| hidden.press(&key));
        assert_eq!(hidden.finish().expect("short").expose(), "ab");
    }
}
