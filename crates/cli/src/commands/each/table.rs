//! Reads a table that people have made with a spreadsheet: CSV with commas, semicolons or tabs, in UTF-8 or UTF-16.
//!
//! Excel writes a byte order mark, ends lines with CR and LF, separates with semicolons where a comma is the sign for
//! decimals, and puts `sep=;` before the header when it is asked to. All that is read as it is meant. A table in an
//! older encoding, such as Windows-1252, is refused with the line: which one it is cannot be known, and a name in the
//! wrong one would be another name.
//!
//! To read another form of tables: `decode` for encodings, `SEPARATORS` and `separator` for separators.

use std::borrow::Cow;

/// The separators that are tried.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// A table: its header, and its rows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// The names of the columns, as they stand there.
    pub(super) header: Vec<String>,
    /// The line of the header, counted from 1.
    pub(super) line: u64,
    /// The rows that are not empty.
    pub(super) rows: Vec<TableRow>,
}

/// A row of a table.
#[derive(PartialEq, Eq)]
pub(super) struct TableRow {
    /// The line on which it begins, counted from 1.
    pub(super) line: u64,
    /// The cells, as many as there are.
    pub(super) cells: Vec<String>,
}

/// Passwords may be in it.
impl std::fmt::Debug for TableRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TableRow").field("line", &self.line).finish_non_exhaustive()
    }
}

/// Something that is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// The line, counted from 1.
    pub(super) line: u64,
    /// The fault, in words.
    pub(super) what: String,
}

impl Fault {
    pub(super) fn new(line: u64, what: impl Into<String>) -> Self {
        Self { line, what: what.into() }
    }
}

/// Reads a table. `is_known` says whether there is a column of a name, which decides what separates the cells.
///
/// # Errors
///
/// Fails where the text cannot be read, and where there is no header.
pub(super) fn read(bytes: &[u8], is_known: impl Fn(&str) -> bool) -> Result<Table, Fault> {
    let text = decode(bytes)?;
    let (named, text, skipped) = named_separator(&text);
    let separator = named.unwrap_or_else(|| separator(text, is_known));
    if let Some((line, what)) = wrong_quotes(text, separator) {
        return Err(Fault::new(line + skipped, what));
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text.as_bytes());
    let mut rows = Vec::new();
    let mut at = Place { bytes: text.as_bytes(), offset: 0, line: 1 + skipped };
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = at.line_of(error.position());
            Fault::new(line, "it cannot be read as a row of a table")
        })?;
        let line = at.line_of(record.position());
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            rows.push(TableRow { line, cells });
        }
    }
    if rows.is_empty() {
        return Err(Fault::new(1, "the table is empty: it has no header with the names of the columns"));
    }
    let TableRow { line, cells } = rows.remove(0);
    let mut header: Vec<String> = cells.into_iter().map(|name| name.trim().to_owned()).collect();
    // Spreadsheets write a column that was emptied.
    let named = header.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
    header.truncate(named);
    Ok(Table { header, line, rows })
}

/// A place in a text, and its line. The reader's own count is one too low where lines end with CR and LF: it begins a
/// row between the two.
struct Place<'a> {
    bytes: &'a [u8],
    offset: usize,
    line: u64,
}

impl Place<'_> {
    /// The line of a row, which is not before the place.
    fn line_of(&mut self, position: Option<&csv::Position>) -> u64 {
        let from = position.map_or(0, csv::Position::byte);
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.bytes.len());
        let ends = self.bytes[from..].iter().take_while(|byte| b"\r\n".contains(byte)).count();
        let to = (from + ends).max(self.offset);
        self.line += line_ends(&self.bytes[self.offset..to]);
        self.offset = to;
        self.line
    }
}

fn line_ends(text: &[u8]) -> u64 {
    text.split(|byte| *byte == b'\n').skip(1).count() as u64
}

fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, rest) = bytes.as_chunks::<2>();
        let text: Result<String, _> = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect();
        text.ok()
            .filter(|_| rest.is_empty())
            .map(Cow::Owned)
            .ok_or_else(|| Fault::new(1, "the table is damaged UTF-16"))
    };
    match bytes {
        [0xff, 0xfe, text @ ..] => wide(text, u16::from_le_bytes),
        [0xfe, 0xff, text @ ..] => wide(text, u16::from_be_bytes),
        bytes => {
            let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            if text.contains(&0) {
                return Err(Fault::new(1, "the table is not in UTF-8: save it as \"CSV UTF-8\""));
            }
            std::str::from_utf8(text).map(Cow::Borrowed).map_err(|error| {
                let before = line_ends(&text[..error.valid_up_to()]);
                Fault::new(
                    before + 1,
                    "a character is not in UTF-8, so that it cannot be known which one is meant: save the table as \
                     \"CSV UTF-8\"",
                )
            })
        }
    }
}

/// The separator that a first line `sep=;` names, the text after that line, and how many lines were left out.
fn named_separator(text: &str) -> (Option<u8>, &str, u64) {
    let first = text.lines().next().unwrap_or_default();
    let named = first.strip_prefix("sep=").map(str::as_bytes);
    match named {
        Some([separator]) if SEPARATORS.contains(separator) => {
            let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
            (Some(*separator), rest, 1)
        }
        _ => (None, text, 0),
    }
}

/// The separator with which the first line has the most names of columns, or else the most cells.
fn separator(text: &str, is_known: impl Fn(&str) -> bool) -> u8 {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let known = |separator: &u8| {
        let names = first.split(char::from(*separator)).map(|name| name.trim().trim_matches('"').trim());
        (names.clone().filter(|name| is_known(name)).count(), names.count())
    };
    // Of several that are as good, the last one would be taken.
    SEPARATORS.into_iter().rev().max_by_key(known).unwrap_or(b',')
}

/// The first cell whose quotes are wrong, by its line, and what is wrong with it. The reader takes what follows such
/// a quote into the cell, over the ends of lines, until it comes to another one.
fn wrong_quotes(text: &str, separator: u8) -> Option<(u64, &'static str)> {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        // A cell begins here.
        let begins_on = line;
        if bytes[at] == b'"' {
            at += 1;
            loop {
                match bytes[at..] {
                    [] => return Some((begins_on, "the quotes that open a cell here are never closed")),
                    [b'"', b'"', ..] => at += 2,
                    [b'"', ..] => break,
                    [byte, ..] => {
                        line += u64::from(byte == b'\n');
                        at += 1;
                    }
                }
            }
            at += 1;
            if bytes.get(at).is_some_and(|next| ![separator, b'\r', b'\n'].contains(next)) {
                return Some((begins_on, "a cell here has quotes that end before the cell does"));
            }
        }
        let rest = bytes[at..].iter().position(|byte| [separator, b'\n'].contains(byte));
        at = rest.map_or(bytes.len(), |rest| at + rest);
        line += u64::from(bytes.get(at) == Some(&b'\n'));
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(name: &str) -> bool {
        ["username", "email", "role"].contains(&name)
    }

    fn cells(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
        let table = read(bytes, known).expect("a table");
        assert_eq!(table.header, ["username", "email"]);
        table.rows.into_iter().map(|row| (row.line, row.cells)).collect()
    }

    #[test]
    fn tables_of_spreadsheets_are_read_as_they_are_meant() {
        let expected = |line: u64| vec![(line, vec!["ada; \"x\"".to_owned(), "ada@example.org".to_owned()])];
        let comma = "username,email\r\n\"ada; \"\"x\"\"\",ada@example.org\r\n";
        assert_eq!(cells(comma.as_bytes()), expected(2));
        assert_eq!(cells(format!("\u{feff}{comma}").as_bytes()), expected(2));
        let semicolon = "username;email\r\n\"ada; \"\"x\"\"\";ada@example.org\r\n;;\r\n\r\n";
        assert_eq!(cells(semicolon.as_bytes()), expected(2));
        assert_eq!(cells(format!("sep=;\r\n{semicolon}").as_bytes()), expected(3));
        let tab = "username\temail\n\"ada; \"\"x\"\"\"\tada@example.org\n";
        assert_eq!(cells(tab.as_bytes()), expected(2));
        for bytes in [u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes] {
            let wide: Vec<u8> = format!("\u{feff}{tab}").encode_utf16().flat_map(bytes).collect();
            assert_eq!(cells(&wide), expected(2));
        }
        // A line break in quotes does not begin a row; the line of a row is where it begins.
        let lines = "username,email\n\"a\nb\",x\n\"c\",y\n";
        assert_eq!(
            cells(lines.as_bytes())
                .into_iter()
                .map(|(line, cells)| (line, cells[0].clone()))
                .collect::<Vec<_>>(),
            [(2, "a\nb".to_owned()), (4, "c".to_owned())]
        );
    }

    #[test]
    fn quotes_that_are_not_closed_are_told_where_they_open() {
        let wrong = |text: &str| wrong_quotes(text, b',');
        let of = |line, what: &str| Some((line, what.to_owned()));
        let told = |text: &str| wrong(text).map(|(line, what)| (line, what.to_owned()));
        let (open, early) = (
            "the quotes that open a cell here are never closed",
            "a cell here has quotes that end before the cell does",
        );
        assert_eq!(told("username,email\n\"ada,a@b\nbob,b@b\n"), of(2, open));
        assert_eq!(told("username,email\nada,\"a@b\n\"bob\",b@b\n"), of(2, early));
        assert_eq!(told("username,email\r\n\"a\nb\",x\r\n\"ada\"\"\",a@b\r\n\"b\"o,x"), of(5, early));
        for right in ["", "\"\"", "a\"b,c\"\"\n", "\"a,\"\"b\"\"\",\"c\"\r\n\"d\"", "\"a\n\n\",b\n"] {
            assert_eq!(wrong(right), None, "{right:?}");
        }
        let fault = read(b"sep=;\nusername;email\nada;\"a@b\n", known).expect_err("not closed");
        assert_eq!((fault.line, fault.what.as_str()), (3, open));
    }

    #[test]
    fn another_encoding_is_refused_with_its_line() {
        let fault = read(b"username,email\nada,a@b\nM\xfcller,m@b\n", known).expect_err("Windows-1252");
        assert_eq!(fault.line, 3);
        assert!(fault.what.contains("CSV UTF-8"), "{fault:?}");
        let fault = read(b"\xff\xfea", known).expect_err("half of a character");
        assert!(fault.what.contains("UTF-16"), "{fault:?}");
        for empty in ["", "\u{feff}", "\r\n;;\r\n"] {
            assert_eq!(read(empty.as_bytes(), known).expect_err("empty").line, 1);
        }
    }
}
