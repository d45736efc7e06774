//! The place in the file of each character of a value.
//!
//! YAML folds lines, removes indentation and reads escapes, so that a character of an SQL statement cannot be
//! found by counting from the statement's beginning.
//!
//! To change the reading of a style of YAML: `single_quoted` or `double_quoted`, or a function like these, which
//! `align` tries one after the other.

use quill_admin_yaml::{Document, Node, Place, Value};

/// The places of a text's characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// The place where the text begins, in case the places of its characters are unknown.
    start: Place,
    /// The places of all characters that are not white space, each with its number among all characters.
    places: Vec<(usize, Place)>,
}

impl Spelling {
    /// Finds the places of a text of a document.
    pub(crate) fn of(document: &Document, node: &Node) -> Self {
        let places = match (&node.value, node.written(&document.text)) {
            (Value::Text(value), Some(written)) => align(value, written).map(|offsets| {
                let from = node.span.map_or(0, |(start, _)| start);
                locate(document, from, &offsets)
            }),
            _ => None,
        };
        Self { start: node.place, places: places.unwrap_or_default() }
    }

    /// The place of a character, counted from 0. White space has the place of the next character that is not;
    /// a number beyond the end has that of the last character.
    pub(crate) fn place(&self, character: usize) -> Place {
        let index = self.places.partition_point(|(number, _)| *number < character);
        self.places.get(index).or(self.places.last()).map_or(self.start, |(_, place)| *place)
    }
}

/// The numbers of all characters of the value that are not white space, each with the byte of the spelling
/// that it comes from.
fn align(value: &str, written: &str) -> Option<Vec<(usize, usize)>> {
    let seen: Vec<(usize, char)> = value.chars().enumerate().filter(|(_, c)| !c.is_whitespace()).collect();
    // A block begins with its content, so that a quote at its beginning may be part of it: the reading that
    // gives the value is the right one.
    let plain: Read = written.char_indices().collect();
    [Some(plain), single_quoted(written), double_quoted(written)].into_iter().flatten().find_map(|read| {
        let read: Vec<(usize, char)> = read.into_iter().filter(|(_, c)| !c.is_whitespace()).collect();
        let same =
            read.len() == seen.len() && read.iter().zip(&seen).all(|((_, one), (_, other))| one == other);
        same.then(|| seen.iter().zip(read).map(|((number, _), (byte, _))| (*number, byte)).collect())
    })
}

/// Characters with the byte that each begins at.
type Read = Vec<(usize, char)>;

fn single_quoted(written: &str) -> Option<Read> {
    let inner = written.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut read = Vec::new();
    let mut characters = inner.char_indices().peekable();
    while let Some((byte, c)) = characters.next() {
        if c == '\'' {
            characters.next_if(|(_, next)| *next == '\'')?;
        }
        read.push((byte + 1, c));
    }
    Some(read)
}

fn double_quoted(written: &str) -> Option<Read> {
    let inner = written.strip_prefix('"')?.strip_suffix('"')?;
    let mut read = Vec::new();
    let mut characters = inner.char_indices();
    while let Some((byte, c)) = characters.next() {
        let c = if c == '\\' { escaped(&mut characters)? } else { c };
        read.push((byte + 1, c));
    }
    Some(read)
}

/// The character that follows a backslash; a blank if it is white space.
fn escaped(characters: &mut std::str::CharIndices<'_>) -> Option<char> {
    let digits = match characters.next()?.1 {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        'n' | 't' | 'r' | ' ' | '\n' | '\t' | 'N' | '_' | 'L' | 'P' | 'v' | 'f' => return Some(' '),
        '0' => return Some('\0'),
        'a' => return Some('\u{7}'),
        'b' => return Some('\u{8}'),
        'e' => return Some('\u{1b}'),
        other => return Some(other),
    };
    let mut number = 0;
    for _ in 0..digits {
        number = number * 16 + characters.next()?.1.to_digit(16)?;
    }
    char::from_u32(number)
}

/// The places of bytes that are in ascending order, counted from the byte `from` of a document.
fn locate(document: &Document, from: usize, offsets: &[(usize, usize)]) -> Vec<(usize, Place)> {
    let Place { mut line, mut column } = document.place(from);
    let mut wanted = offsets.iter().peekable();
    let mut places = Vec::with_capacity(offsets.len());
    for (byte, c) in document.text[from..].char_indices() {
        let Some((number, offset)) = wanted.peek() else { break };
        if byte == *offset {
            places.push((*number, Place { line, column }));
            wanted.next();
        }
        if c == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::YAML;

    /// The place of the character `#` in the value of the key `a`.
    fn of(text: &str) -> (u64, u64) {
        let document = quill_admin_yaml::read(text.as_bytes(), &YAML).expect("YAML");
        let Value::Map(entries) = &document.top.value else { panic!("{document:?}") };
        let (_, node) = entries.last().expect("a key");
        let Value::Text(value) = &node.value else { panic!("{node:?}") };
        let number = value.chars().position(|c| c == '#').expect("a #");
        let place = Spelling::of(&document, node).place(number);
        let line = text.split('\n').nth(usize::try_from(place.line).expect("small") - 1).expect("a line");
        let column = usize::try_from(place.column).expect("small") - 1;
        assert!(line.chars().nth(column).is_some_and(|c| c == '#' || c == '\\'), "{place} {text}");
        (place.line, place.column)
    }

    #[test]
    fn characters_are_found_in_every_style() {
        assert_eq!(of("a: plä#n"), (1, 7));
        assert_eq!(of("a: some plain\n  text that x#goes on"), (2, 14));
        assert_eq!(of("a: 'it''s #'"), (1, 11));
        assert_eq!(of("a: \"x\\ty \\u00e9 #\""), (1, 17));
        assert_eq!(of("a: \"folded \\\n   line #\""), (2, 9));
        assert_eq!(of("a: \"\\u0023\""), (1, 5));
        assert_eq!(of("a: >-\n  one\n  two\n    three\n\n  four #"), (6, 8));
        assert_eq!(of("a: |\n\n    one\n      #"), (4, 7));
        // Characters that look like quotes are part of the block.
        assert_eq!(of("a: >-\n  'x' ''\n  '#'"), (3, 4));
        assert_eq!(of("b: &b >-\n  one\n  #two\na: *b"), (3, 3));
    }

    #[test]
    fn beyond_the_end_is_the_last_character() {
        let document = quill_admin_yaml::read(b"a b", &YAML).expect("YAML");
        let spelling = Spelling::of(&document, &document.top);
        let column = |number| spelling.place(number).column;
        assert_eq!([0, 1, 2, 3, 9].map(column), [1, 3, 3, 3, 3]);
    }
}
