//! The rows of a list: a table for people, lines for programs, objects in `--json`.
//!
//! To change how values are shown: `cells`.

use std::fmt::Write as _;
use std::mem;

use console::measure_text_width;
use quill_admin_contract::Row;
use quill_admin_operations::task::rows::Listing;
use serde_json::{Map, Value, json};

use super::lines::{TaskText, hint_line, problem, warning_line};
use super::paint::{clean, style};
use super::style::Style;
use crate::wrap;

/// Adds a list to the texts about its task.
///
/// At a terminal the list is a table below the task's headline. Elsewhere, and with `quiet`, it is one row on
/// each line, with tabs between its values and without a header, as `gh` does it: programs that read it
/// (`cut`, `while read`, `wc -l`) want neither padding nor a first line that is not a row. The headline goes
/// to stderr then. No value has a tab or a line break of its own: both are shown as `\t` and `\n`.
pub(super) fn into_text(
    listing: &Listing,
    text: &mut TaskText,
    terminal: bool,
    style: Style,
    hints: &[String],
) {
    if let Some(doubt) = listing.doubt() {
        warning_line(&mut text.warnings, &doubt);
    }
    match &listing.rows {
        Ok(rows) if terminal && !style.quiet => text.result.push_str(&table(rows)),
        Ok(rows) => {
            let headline = mem::replace(&mut text.result, lines(rows));
            if !style.quiet {
                text.warnings.insert_str(0, &headline);
            }
        }
        Err(lack) => {
            text.result.clear();
            problem(&mut text.problems, lack);
            for hint in hints {
                hint_line(&mut text.problems, hint);
            }
        }
    }
}

/// Adds a list to the document of its task. When two columns have the same name, the last one is used.
pub(super) fn into_document(listing: &Listing, document: &mut Value) {
    let object = |row: &Row| -> Map<String, Value> {
        row.columns.iter().zip(&row.values).map(|(column, value)| (column.clone(), json!(value))).collect()
    };
    match &listing.rows {
        Ok(rows) => document["rows"] = rows.iter().map(object).collect(),
        Err(lack) => document["reason"] = json!(lack),
    }
    if listing.refused > 0 {
        document["rows_refused"] = json!(listing.refused);
    }
}

fn cells(values: &[Option<String>]) -> impl Iterator<Item = String> {
    // Elsewhere a tab may stay as it is. Here it separates values.
    values.iter().map(|value| clean(value.as_deref().unwrap_or_default()).replace('\t', "\\t"))
}

fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(text, "{}", cells(&row.values).collect::<Vec<_>>().join("\t"));
    }
    text
}

fn table(rows: &[Row]) -> String {
    let Some(first) = rows.first() else { return String::new() };
    let header: Vec<String> =
        first.columns.iter().map(|column| clean(&column.replace('_', " ").to_uppercase())).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| cells(&row.values).collect()).collect();
    aligned(&header, &rows)
}

/// A table whose columns are as wide as their widest cell. Its cells are safe for a terminal.
pub(super) fn aligned(header: &[String], rows: &[Vec<String>]) -> String {
    flowing(header, rows, None)
}

/// The same in a terminal of this many columns: the last column, which has sentences, is broken into lines that begin
/// below each other.
pub(super) fn flowing(header: &[String], rows: &[Vec<String>], columns: Option<usize>) -> String {
    let widths: Vec<usize> = (0..header.len())
        .map(|place| {
            let cells = rows.iter().map(Vec::as_slice).chain([header]).filter_map(|row| row.get(place));
            cells.map(|cell| measure_text_width(cell)).max().unwrap_or_default()
        })
        .collect();
    let line = |row: &[String]| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(measure_text_width(cell));
            format!("{cell}{:padding$}", "")
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let before: usize = widths.iter().rev().skip(1).map(|width| width + 2).sum();
    let room = wrap::room(columns, before);
    let mut text = format!("\n{}\n", style(line(header)).bold());
    for row in rows {
        let last = row.last().map_or("", String::as_str);
        let mut parts = room.map_or_else(Vec::new, |room| wrap::value(last, room)).into_iter();
        let mut first = row.clone();
        if let (Some(cell), Some(part)) = (first.last_mut(), parts.next()) {
            *cell = part;
        }
        let _ = writeln!(text, "{}", line(&first));
        for part in parts {
            let _ = writeln!(text, "{:before$}{part}", "");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::paint::gate;
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |index: u64, values: [Option<&str>; 3]| Row {
            index,
            columns: ["username", "base_profession", "active"].map(str::to_owned).to_vec(),
            values: values.map(|value| value.map(str::to_owned)).to_vec(),
        };
        vec![
            row(0, [Some("ada"), Some("nurse"), Some("true")]),
            row(1, [Some("李雷 a\tb\n\u{1b}[31m"), None, Some("false")]),
        ]
    }

    fn whole() -> Listing {
        Listing { rows: Ok(rows()), refused: 0 }
    }

    fn headline() -> TaskText {
        TaskText { result: "✔ 2 rows in staging\n".to_owned(), ..TaskText::default() }
    }

    #[test]
    fn lines_have_a_tab_between_their_values_and_no_other() {
        assert_eq!(lines(&rows()), "ada\tnurse\ttrue\n李雷 a\\tb\\n\\u{1b}[31m\t\tfalse\n");
        assert_eq!((lines(&[]), table(&[])), (String::new(), String::new()));
    }

    #[test]
    fn a_table_is_aligned_by_what_a_terminal_shows() {
        let table = console::strip_ansi_codes(&gate(&table(&rows()), false)).into_owned();
        let [_, header, ada, other] = table.lines().collect::<Vec<_>>()[..] else { panic!("{table}") };
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(header), ["USERNAME", "BASE", "PROFESSION", "ACTIVE"]);
        assert_eq!(words(ada), ["ada", "nurse", "true"]);
        assert_eq!(words(other), ["李雷", "a\\tb\\n\\u{1b}[31m", "false"]);
        // The two characters take two columns each.
        let column = |line: &str, word: &str| measure_text_width(&line[..line.find(word).expect(word)]);
        assert_eq!(column(header, "ACTIVE"), column(ada, "true"));
        assert_eq!(column(header, "ACTIVE"), column(other, "false"));
        assert_eq!(column(header, "BASE"), column(ada, "nurse"));
    }

    #[test]
    fn sentences_in_the_last_column_flow_within_the_terminal() {
        let header = ["LINE".to_owned(), "RESULT".to_owned()];
        let rows = [vec!["2".to_owned(), "failed (12): the email is taken by another user".to_owned()]];
        let plain =
            |columns| console::strip_ansi_codes(&gate(&flowing(&header, &rows, columns), false)).into_owned();
        assert_eq!(
            plain(Some(32)),
            "\nLINE  RESULT\n2     failed (12): the email is\n      taken by another user\n"
        );
        assert_eq!(plain(None), "\nLINE  RESULT\n2     failed (12): the email is taken by another user\n");
        assert_eq!(plain(Some(20)), plain(None), "too narrow to be read");
    }

    #[test]
    fn a_document_has_an_object_for_each_row() {
        let mut document = json!({});
        into_document(&whole(), &mut document);
        let expected = json!({"rows": [
            {"username": "ada", "base_profession": "nurse", "active": "true"},
            {"username": "李雷 a\tb\n\u{1b}[31m", "base_profession": null, "active": "false"},
        ]});
        assert_eq!(document, expected);
        let mut document = json!({});
        into_document(&Listing { rows: Err("1 of 3".to_owned()), refused: 2 }, &mut document);
        assert_eq!(document, json!({"reason": "1 of 3", "rows_refused": 2}));
    }

    #[test]
    fn the_headline_is_not_between_the_rows() {
        let quiet = Style { quiet: true, ..Style::default() };
        for (terminal, style, warnings) in
            [(false, Style::default(), "✔ 2 rows in staging\n"), (false, quiet, ""), (true, quiet, "")]
        {
            let mut text = headline();
            into_text(&whole(), &mut text, terminal, style, &[]);
            assert_eq!((text.result, text.warnings.as_str()), (lines(&rows()), warnings));
        }
        let mut text = headline();
        into_text(&whole(), &mut text, true, Style::default(), &[]);
        assert_eq!(text.result, format!("✔ 2 rows in staging\n{}", table(&rows())));
    }

    #[test]
    fn of_a_list_that_is_not_whole_nothing_is_shown_but_why_and_what_to_do() {
        for terminal in [true, false] {
            let mut text = headline();
            let lacking = Listing { rows: Err("1 of 3 rows did not arrive".to_owned()), refused: 1 };
            into_text(&lacking, &mut text, terminal, Style::default(), &["look again".to_owned()]);
            assert_eq!(text.result, "");
            let problems = console::strip_ansi_codes(&gate(&text.problems, false)).into_owned();
            assert_eq!(problems, "error: 1 of 3 rows did not arrive\n next: look again\n");
            assert!(text.warnings.contains("claims to be a row"), "{}", text.warnings);
        }
    }
}
