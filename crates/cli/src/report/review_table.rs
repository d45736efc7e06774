//! The table of `review --csv`: that of `history --csv`, with the marks of each run behind it.

use quill_admin_operations::review::{Mark, Reviewed, ReviewedRun};

use super::history_table::{self, csv_line};

/// The names of the further columns.
const COLUMNS: [&str; 3] = ["proven", "marks", "why"];

/// The cells of the further columns.
fn cells(one: &ReviewedRun) -> [String; COLUMNS.len()] {
    let codes: Vec<&str> = one.marks.iter().map(Mark::code).collect();
    let why: Vec<String> = one.marks.iter().map(ToString::to_string).collect();
    [one.proven.to_string(), codes.join("; "), why.join("; ")]
}

/// The table.
pub(super) fn table(reviewed: &Reviewed) -> String {
    let header = history_table::COLUMNS.iter().chain(&COLUMNS).map(|name| (*name).to_owned());
    let mut text = csv_line(header);
    for one in &reviewed.runs {
        text.push_str(&csv_line(history_table::cells(&one.run).into_iter().chain(cells(one))));
    }
    text
}
