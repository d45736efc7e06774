//! The rows of a list: a table for people, lines for programs, objects in `--json`.

use std::fmt::Write as _;

use console::measure_text_width;
use serde_json::{Map, Value, json};

use super::human::{TaskText, hint_line, problem, warning_line};
use super::paint::{clean, style};
use super::results::Style;
use crate::flow::rows::Listing;

/// Puts a list into what is said of its task.
///
/// At a terminal it is a table under the task's headline. Elsewhere it is one row a line, with tabs between its
/// values and without a header, as `gh` does it: what reads that (`cut`, `while read`, `wc -l`) wants neither padding
/// nor a first line that is no row. The headline goes to stderr then. No value has a tab or a line break of its own:
/// both are shown by their numbers.
pub(super) fn into_text(
    listing: &Listing,
    text: &mut TaskText,
    terminal: bool,
    style: Style,
    hints: &[String],
) {
    if terminal {
        text.result.push_str(&table(listing));
    } else {
        let headline = std::mem::replace(&mut text.result, lines(listing));
        if !style.quiet {
            text.warnings.insert_str(0, &headline);
        }
    }
    if let Some(doubt) = listing.doubt() {
        warning_line(&mut text.warnings, &doubt);
    }
    if let Some(lack) = listing.lack() {
        problem(&mut text.warnings, &lack);
        for hint in hints {
            hint_line(&mut text.warnings, hint);
        }
    }
}

/// Puts a list into the document of its task. Two columns of one name are one there, the last.
pub(super) fn into_document(listing: &Listing, document: &mut Value) {
    let object = |columns: &[String], values: &[Option<String>]| -> Map<String, Value> {
        columns.iter().zip(values).map(|(column, value)| (column.clone(), json!(value))).collect()
    };
    let rows: Vec<_> = listing.rows.iter().map(|row| object(&row.columns, &row.values)).collect();
    document["rows"] = json!(rows);
    document["rows_are_whole"] = json!(listing.whole);
    if let Some(lack) = listing.lack() {
        document["reason"] = json!(lack);
    }
    if listing.refused > 0 {
        document["rows_refused"] = json!(listing.refused);
    }
}

fn cells(values: &[Option<String>]) -> impl Iterator<Item = String> {
    values.iter().map(|value| clean(value.as_deref().unwrap_or_default()))
}

fn lines(listing: &Listing) -> String {
    let mut text = String::new();
    for row in &listing.rows {
        let _ = writeln!(text, "{}", cells(&row.values).collect::<Vec<_>>().join("\t"));
    }
    text
}

fn table(listing: &Listing) -> String {
    let Some(first) = listing.rows.first() else { return String::new() };
    let header: Vec<String> =
        first.columns.iter().map(|column| clean(&column.replace('_', " ").to_uppercase())).collect();
    let rows: Vec<Vec<String>> = listing.rows.iter().map(|row| cells(&row.values).collect()).collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|place| {
            let cells = rows.iter().chain([&header]).filter_map(|row| row.get(place));
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
    let mut text = format!("\n{}\n", style(line(&header)).bold());
    for row in &rows {
        let _ = writeln!(text, "{}", line(row));
    }
    text
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::Row;

    use super::*;

    fn listing() -> Listing {
        let row = |index: u64, values: [Option<&str>; 3]| Row {
            index,
            columns: ["username", "base_profession", "active"].map(str::to_owned).to_vec(),
            values: values.map(|value| value.map(str::to_owned)).to_vec(),
        };
        let rows = vec![
            row(0, [Some("ada"), Some("nurse"), Some("true")]),
            row(1, [Some("李雷 a\tb\n\u{1b}[31m"), None, Some("false")]),
        ];
        Listing { rows, expected: Some(2), refused: 0, whole: true }
    }

    #[test]
    fn a_table_is_aligned_and_lines_have_a_tab_between_their_values() {
        assert_eq!(lines(&listing()), "ada\tnurse\ttrue\n李雷 a\\u{9}b\\u{a}\\u{1b}[31m\t\tfalse\n");
        let table =
            console::strip_ansi_codes(&super::super::paint::gate(&table(&listing()), false)).into_owned();
        let expected = [
            "",
            "USERNAME                   BASE PROFESSION  ACTIVE",
            "ada                        nurse            true",
            "李雷 a\\u{9}b\\u{a}\\u{1b}[31m                   false",
        ];
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{table}");
        for (line, expected) in lines.iter().zip(expected) {
            // The widths are the terminal's: of two columns for each of the two characters.
            assert_eq!(
                line.split_whitespace().collect::<Vec<_>>(),
                expected.split_whitespace().collect::<Vec<_>>()
            );
        }
        let column = |line: &str, word: &str| measure_text_width(&line[..line.find(word).expect(word)]);
        assert_eq!(column(lines[1], "ACTIVE"), column(lines[2], "true"));
        assert_eq!(column(lines[1], "ACTIVE"), column(lines[3], "false"));
    }

    #[test]
    fn a_document_has_an_object_for_each_row_and_says_what_is_missing() {
        let mut document = json!({});
        into_document(&listing(), &mut document);
        assert_eq!(
            document["rows"][0],
            json!({"username": "ada", "base_profession": "nurse", "active": "true"})
        );
        assert_eq!(document["rows"][1]["base_profession"], Value::Null);
        assert_eq!((&document["rows_are_whole"], document.get("rows_refused")), (&json!(true), None));
        let lacking = Listing { expected: Some(5), refused: 2, whole: false, ..listing() };
        into_document(&lacking, &mut document);
        assert_eq!(document["rows_are_whole"], false);
        assert!(document["reason"].as_str().expect("a reason").starts_with("3 of 5 rows did not arrive"));
        assert_eq!(document["rows_refused"], 2);
    }

    #[test]
    fn without_a_terminal_the_headline_is_not_between_the_rows() {
        let mut text = TaskText { result: "✔ 2 rows in staging\n".to_owned(), ..TaskText::default() };
        into_text(&listing(), &mut text, false, Style::default(), &[]);
        assert!(text.result.starts_with("ada\t") && text.warnings == "✔ 2 rows in staging\n");
        let mut text = TaskText { result: "✔ 2 rows in staging\n".to_owned(), ..TaskText::default() };
        into_text(&listing(), &mut text, false, Style { quiet: true, ..Style::default() }, &[]);
        assert_eq!(text.warnings, "");
        let lacking = Listing { whole: false, expected: Some(3), refused: 1, ..listing() };
        into_text(&lacking, &mut text, true, Style::default(), &["look again".to_owned()]);
        assert!(text.warnings.contains("1 of 3 rows did not arrive") && text.warnings.contains("look again"));
        assert!(text.warnings.contains("claims to be a row"));
    }
}
