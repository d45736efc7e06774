//! The table of `history --csv`: one run on each row, for spreadsheets, and behind a run for many the rows of that.
//!
//! The form is that of RFC 4180: a header, lines that end with CR and LF, and quotes around a cell that needs them.
//! It is UTF-8 without a byte order mark. To add a column: its name in [`COLUMNS`], and its cell in [`cells`].

use quill_admin_contract::Signature;
use quill_admin_operations::actions;
use quill_admin_operations::history::{Past, PastRun, Record};

use super::history_unread::warn_of_unread;
use super::paint::clean;
use super::reporter::Reporter;
use super::{stream, subject};

/// The names of the columns, as in `--json`.
pub(super) const COLUMNS: [&str; 20] = [
    "time",
    "execution",
    "job",
    "account",
    "actor",
    "action",
    "user",
    "outcome",
    "preview",
    "exit_code",
    "record",
    "signature",
    "contradicted",
    "changes",
    "recorded",
    "reason",
    "origin",
    "seconds",
    "image",
    "row_number",
];

/// The cells of a run. What is not known is an empty cell.
pub(super) fn cells(run: &PastRun) -> [String; COLUMNS.len()] {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        run.time.to_string(),
        run.execution.clone(),
        run.job.job.to_string(),
        text(&run.account),
        text(&run.actor),
        text(&run.action),
        text(&run.user),
        run.outcome.clone(),
        run.preview.to_string(),
        run.exit_code.map(|code| code.to_string()).unwrap_or_default(),
        record(run.record).unwrap_or_default().to_owned(),
        signature(run.signature).unwrap_or_default().to_owned(),
        run.contradicted.to_string(),
        changes(run, "->").join("; "),
        run.recorded.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("; "),
        text(&run.reason),
        text(&run.origin),
        run.duration.map(|duration| format!("{:.1}", duration.as_secs_f64())).unwrap_or_default(),
        text(&run.image),
        run.row_number.map(|row| row.to_string()).unwrap_or_default(),
    ]
}

/// The changes of a run, in the words of its action, with this text for "became".
pub(super) fn changes(run: &PastRun, arrow: &str) -> Vec<String> {
    let words = run.kind.as_deref().and_then(|kind| actions::subject_words(run.action.as_deref(), kind));
    let changes = run.changes.iter().flatten();
    changes.map(|change| subject::change_with(change, words, arrow)).collect()
}

/// The name of a record's reliability, as in `--json`.
pub(super) fn record(record: Record) -> Option<&'static str> {
    match record {
        Record::Proven => Some("proven"),
        Record::Signed => Some("signed"),
        Record::NotProvable => Some("not_provable"),
        Record::None => None,
    }
}

/// The name of what came of a record's signature, as in `--json`.
pub(super) fn signature(signature: Signature) -> Option<&'static str> {
    match signature {
        Signature::Verified => Some("verified"),
        Signature::Refused => Some("refused"),
        Signature::None => None,
    }
}

fn table(past: &Past) -> String {
    let mut text = csv_line(COLUMNS.map(str::to_owned));
    for run in &past.runs {
        text.push_str(&csv_line(cells(run)));
        text.extend(run.each_row().iter().map(|row| csv_line(cells(row))));
    }
    text
}

/// A row of a table for spreadsheets.
pub(super) fn csv_line(cells: impl IntoIterator<Item = String>) -> String {
    let mut line = cells.into_iter().map(|value| cell(&value)).collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}

/// The characters that a formula begins with, also in the width of Chinese characters, which spreadsheets take as
/// well.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell. Spreadsheets take a text for a formula, and do what it says, if it begins with one of these characters;
/// an apostrophe before it makes it a text ("CSV Injection" of OWASP). Where a spreadsheet separates cells by
/// semicolons, another cell begins behind each one. Characters that are not seen are written as escapes, so that a
/// cell is one line.
fn cell(value: &str) -> String {
    let mut text = String::new();
    for (index, part) in value.split(';').enumerate() {
        if index > 0 {
            text.push(';');
        }
        let blank = part.len() - part.trim_start_matches(' ').len();
        text.push_str(&part[..blank]);
        if part[blank..].starts_with(FORMULA) {
            text.push('\'');
        }
        text.push_str(&part[blank..]);
    }
    let text = clean(&text).replace('\t', "\\t");
    if text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

impl Reporter {
    /// Shows the history of runs as a table for spreadsheets.
    pub fn history_table(&self, past: &Past) -> u8 {
        self.stop();
        stream::table(&table(past));
        warn_of_unread(past);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_text_and_no_formula() {
        for (value, written) in [
            ("", ""),
            ("steve", "steve"),
            ("a, b", "\"a, b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("+44 20", "'+44 20"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\\t=1"),
            ("ok; =1;-2", "ok; '=1;'-2"),
            ("＝1", "'＝1"),
            ("\r=1", "'\\r=1"),
            ("a\nb\u{202e}", "a\\nb\\u{202e}"),
            (" padded ", "\" padded \""),
            ("Zoë", "Zoë"),
        ] {
            assert_eq!(cell(value), written, "{value:?}");
        }
    }
}
