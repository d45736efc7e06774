//! Decodes the bytes of a terminal into the keys that a person types, one at a time.
//!
//! Protocol: xterm's control sequences (`ESC [ A` for an arrow, `ESC [ 3 ~` for Delete) and its bracketed
//! paste, `ESC [ 200 ~` text `ESC [ 201 ~`
//! (<https://invisible-island.net/xterm/ctlseqs/ctlseqs.html>).
//!
//! To add a key: its variant of [`Key`], its bytes in `decode` or `escape`, and its effect in `edit.rs` and
//! `list.rs`.

use zeroize::{Zeroize as _, Zeroizing};

/// A key, or a paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A character that stands for itself.
    Char(char),
    Enter,
    Escape,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    /// Ctrl-U: removes the text before the cursor.
    KillLine,
    /// Ctrl-W: removes the word before the cursor.
    KillWord,
    /// Ctrl-D.
    EndOfInput,
    /// Ctrl-Z. Whoever gets it has been continued again, and shows the question anew.
    Suspend,
    /// A pasted text as one line, or the reason why it is not one.
    Pasted(Result<Zeroizing<String>, &'static str>),
    /// A key without a meaning here.
    Other,
}

/// The number of bytes that are read at once, and wait to be decoded.
const CAPACITY: usize = 4096;
/// The number of bytes of the longest paste: a longer one is not an answer.
const PASTE: usize = 16 * 1024;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Decodes bytes into keys. Its buffers have their full size from the start and are wiped, so that a password
/// leaves no copy behind.
pub(super) struct Decoder {
    bytes: Zeroizing<Vec<u8>>,
    /// The part so far of a paste that has begun.
    paste: Option<Paste>,
}

struct Paste {
    bytes: Zeroizing<Vec<u8>>,
    too_long: bool,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { bytes: Zeroizing::new(Vec::with_capacity(CAPACITY)), paste: None }
    }

    /// The number of bytes that it can take.
    pub(super) fn room(&self) -> usize {
        CAPACITY - self.bytes.len()
    }

    /// Takes bytes, at most as many as [`Self::room`] allows.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let room = self.room();
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Forgets everything; returns whether there was anything.
    pub(super) fn clear(&mut self) -> bool {
        let anything = !self.bytes.is_empty() || self.paste.is_some();
        // This also wipes bytes that were removed from the front.
        self.bytes.zeroize();
        self.paste = None;
        anything
    }

    /// The next key, or `None` where more bytes have to come. After a `pause` an unfinished sequence is taken
    /// as it is: Escape is a key, and also the beginning of other keys' sequences.
    pub(super) fn next(&mut self, pause: bool) -> Option<Key> {
        if self.paste.is_some() {
            return self.pasted();
        }
        let (length, key) = decode(&self.bytes, pause)?;
        self.take(length);
        if key.is_none() {
            self.paste = Some(Paste { bytes: Zeroizing::new(Vec::with_capacity(PASTE)), too_long: false });
            return self.pasted();
        }
        key
    }

    /// Reads on the paste that has begun; returns it once it has ended.
    fn pasted(&mut self) -> Option<Key> {
        let paste = self.paste.as_mut()?;
        let end = self.bytes.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS);
        // The last bytes may be the beginning of the end mark.
        let ready = end.unwrap_or_else(|| self.bytes.len().saturating_sub(PASTE_ENDS.len() - 1));
        let fits = ready.min(PASTE - paste.bytes.len());
        paste.bytes.extend_from_slice(&self.bytes[..fits]);
        paste.too_long |= fits < ready;
        self.take(if end.is_some() { ready + PASTE_ENDS.len() } else { ready });
        end?;
        let paste = self.paste.take()?;
        Some(Key::Pasted(if paste.too_long {
            Err("what was pasted is too long")
        } else {
            line(&paste.bytes)
        }))
    }

    fn take(&mut self, length: usize) {
        self.bytes.copy_within(length.., 0);
        let left = self.bytes.len() - length;
        self.bytes[left..].zeroize();
        self.bytes.truncate(left);
    }
}

/// Makes one line of a pasted text. A line break at its end does not count as an answer: only Enter does.
fn line(bytes: &[u8]) -> Result<Zeroizing<String>, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "what was pasted is not text")?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.contains(['\r', '\n']) {
        return Err("what was pasted has several lines");
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// The first key of these bytes, with their number; `None` instead of a key where a paste begins.
fn decode(bytes: &[u8], pause: bool) -> Option<(usize, Option<Key>)> {
    let key = |length, key| Some((length, Some(key)));
    match *bytes.first()? {
        b'\r' | b'\n' => key(1, Key::Enter),
        0x1b => escape(bytes, pause),
        0x08 | 0x7f => key(1, Key::Backspace),
        0x01 => key(1, Key::Home),
        0x04 => key(1, Key::EndOfInput),
        0x05 => key(1, Key::End),
        0x15 => key(1, Key::KillLine),
        0x17 => key(1, Key::KillWord),
        0x1a => key(1, Key::Suspend),
        0x00..0x20 => key(1, Key::Other),
        first => {
            let length = match first {
                0xc2..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf4 => 4,
                _ => 1,
            };
            let Some(character) = bytes.get(..length) else { return pause.then_some((1, Some(Key::Other))) };
            match std::str::from_utf8(character).ok().and_then(|text| text.chars().next()) {
                Some(character) => key(length, Key::Char(character)),
                None => key(1, Key::Other),
            }
        }
    }
}

fn escape(bytes: &[u8], pause: bool) -> Option<(usize, Option<Key>)> {
    let unfinished = || pause.then_some((bytes.len(), Some(Key::Other)));
    let arrow = |last| match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => Key::Other,
    };
    match bytes.get(1) {
        None => pause.then_some((1, Some(Key::Escape))),
        Some(0x1b) => Some((1, Some(Key::Escape))),
        Some(b'O') => match bytes.get(2) {
            Some(last) => Some((3, Some(arrow(*last)))),
            None => unfinished(),
        },
        Some(b'[') => {
            // Parameters and intermediates come first, then one byte that ends the sequence (ECMA-48, 5.4).
            let Some(last) = bytes[2..].iter().position(|byte| !(0x20..0x40).contains(byte)) else {
                return unfinished();
            };
            let length = last + 3;
            let key = match &bytes[..length] {
                sequence if sequence == PASTE_BEGINS => return Some((length, None)),
                b"\x1b[3~" => Key::Delete,
                b"\x1b[1~" | b"\x1b[7~" => Key::Home,
                b"\x1b[4~" | b"\x1b[8~" => Key::End,
                [_, _, last] => arrow(*last),
                _ => Key::Other,
            };
            Some((length, Some(key)))
        }
        // This is a key together with Alt.
        Some(_) => Some((2, Some(Key::Other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of these bytes, which are the same when the bytes arrive one at a time.
    fn keys(bytes: &[u8]) -> Vec<Key> {
        let whole = read([bytes]);
        assert_eq!(read(bytes.chunks(1)), whole);
        whole
    }

    fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Key> {
        let mut decoder = Decoder::new();
        let mut keys = Vec::new();
        for chunk in chunks {
            decoder.feed(chunk);
            keys.extend(std::iter::from_fn(|| decoder.next(false)));
        }
        keys.extend(std::iter::from_fn(|| decoder.next(true)));
        keys
    }

    fn pasted(text: &str) -> Key {
        Key::Pasted(Ok(Zeroizing::new(text.to_owned())))
    }

    #[test]
    fn bytes_are_keys() {
        assert_eq!(keys(b"a\r"), [Key::Char('a'), Key::Enter]);
        assert_eq!(keys("ж🙂".as_bytes()), [Key::Char('ж'), Key::Char('🙂')]);
        assert_eq!(keys(b"\x1b[A\x1b[B\x1bOC\x1b[3~"), [Key::Up, Key::Down, Key::Right, Key::Delete]);
        assert_eq!(
            keys(b"\x7f\x15\x17\x04"),
            [Key::Backspace, Key::KillLine, Key::KillWord, Key::EndOfInput]
        );
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1b\x1b"), [Key::Escape, Key::Escape]);
        assert_eq!(keys(b"\x1b[1;5Ax"), [Key::Other, Key::Char('x')]);
        assert_eq!(keys(b"\xff\xc3"), [Key::Other, Key::Other]);
    }

    #[test]
    fn a_paste_is_one_line_or_refused_and_its_end_is_not_an_enter() {
        assert_eq!(keys(b"\x1b[200~steve.jones\x1b[201~\r"), [pasted("steve.jones"), Key::Enter]);
        assert_eq!(keys(b"\x1b[200~steve.jones\r\x1b[201~"), [pasted("steve.jones")]);
        assert_eq!(
            keys(b"\x1b[200~a\rb\x1b[201~x"),
            [Key::Pasted(Err("what was pasted has several lines")), Key::Char('x')]
        );
        assert_eq!(keys(b"\x1b[200~\xff\x1b[201~"), [Key::Pasted(Err("what was pasted is not text"))]);
        assert_eq!(keys("\x1b[200~a\x1b[Ab\x1b[201~".as_bytes()), [pasted("a\x1b[Ab")]);
        let long = [PASTE_BEGINS, &vec![b'x'; 3 * PASTE], PASTE_ENDS].concat();
        assert_eq!(read(long.chunks(1000)), [Key::Pasted(Err("what was pasted is too long"))]);
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let mut decoder = Decoder::new();
        assert!(!decoder.clear());
        decoder.feed(b"abc");
        assert!(decoder.clear());
        assert_eq!(decoder.next(true), None);
        decoder.feed(b"\x1b[200~abc");
        assert_eq!(decoder.next(true), None);
        assert!(decoder.clear());
        decoder.feed(b"x");
        assert_eq!(decoder.next(true), Some(Key::Char('x')));
    }
}
