//! Compares the result of a case with the expected one, and describes the differences in words.
//!
//! To compare another expectation: `performed_as`, and `Expect` in `examples.rs` of the crate `application`.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_application::examples::{Cell, Change, Expect, Given, Outcome, Row};
use quill_admin_engine::{Change as Difference, Listed, Performed, Value};
use tokio_postgres::{Client, Error};

use super::attempt::Ended;
use super::given::count;

/// The differences in the result of a run. If the exit code or the outcome differs, nothing else is reported.
pub(super) fn ended(expect: &Expect, ended: &Ended) -> Vec<String> {
    let message = &ended.message;
    let wrong_result = expect.result.is_some_and(|result| result != ended.outcome);
    if expect.exit != ended.exit || wrong_result {
        let expected = match expect.result {
            Some(outcome) => result(expect.exit, outcome),
            None => format!("exit code {}", expect.exit),
        };
        return vec![format!("expected {expected}, came {}: {message}", result(ended.exit, ended.outcome))];
    }
    let mut problems = Vec::new();
    if let Some(says) = expect.says.as_ref().filter(|says| !message.contains(*says)) {
        problems.push(format!("expected a message with \"{says}\" in it, came: {message}"));
    }
    if let Some(performed) = &ended.performed {
        problems.extend(performed_as(expect, performed));
    }
    problems
}

/// A result in words, as in "updated" and "exit code 12".
pub(super) fn result(exit: u8, outcome: Outcome) -> String {
    match outcome {
        Outcome::Created => "created".to_owned(),
        Outcome::Updated => "updated".to_owned(),
        Outcome::Unchanged => "unchanged".to_owned(),
        Outcome::Found => "found".to_owned(),
        Outcome::Failed => format!("exit code {exit}"),
    }
}

fn performed_as(expect: &Expect, performed: &Performed) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(expected) = &expect.changes {
        let came = changes(performed);
        let fields: BTreeSet<&String> = expected.keys().chain(came.keys()).collect();
        for field in fields {
            let (expected, came) = (expected.get(field), came.get(field));
            if expected != came {
                problems.push(format!(
                    "change of {field}: expected {}, came {}",
                    change_in_words(expected),
                    change_in_words(came)
                ));
            }
        }
    }
    if let Some(expected) = &expect.warnings {
        let came: BTreeSet<String> = performed.warnings.iter().map(|warning| warning.code.clone()).collect();
        if *expected != came {
            problems.push(format!("warnings: expected {}, came {}", list(expected), list(&came)));
        }
    }
    if let Some(expected) = &expect.listed {
        match &performed.listed {
            Some(came) => problems.extend(listed(came, expected)),
            None => problems.push("expected rows to be listed, came none".to_owned()),
        }
    }
    problems
}

/// The changes in the form of cases. The first values of a subject that was created are not changes.
fn changes(performed: &Performed) -> BTreeMap<String, Change> {
    let cell = |value: &Value| value.as_text().map_or(Cell::Null, Cell::Text);
    let mut changes = BTreeMap::new();
    for change in &performed.changes {
        let empty = || Change::List { added: BTreeSet::new(), removed: BTreeSet::new() };
        let new = match change {
            Difference::Field { old, new, .. } => {
                Change::Value { from: old.as_ref().map(cell), to: cell(new) }
            }
            Difference::Hidden { .. } => Change::Hidden,
            Difference::Added { field, item } => {
                let mut entry = changes.remove(field).unwrap_or_else(empty);
                if let Change::List { added, .. } = &mut entry {
                    added.insert(item.clone());
                }
                entry
            }
            Difference::Removed { field, item } => {
                let mut entry = changes.remove(field).unwrap_or_else(empty);
                if let Change::List { removed, .. } = &mut entry {
                    removed.insert(item.clone());
                }
                entry
            }
        };
        changes.insert(change.field().to_owned(), new);
    }
    changes
}

fn change_in_words(change: Option<&Change>) -> String {
    match change {
        None => "none".to_owned(),
        Some(Change::Hidden) => "changed".to_owned(),
        Some(Change::Value { from: Some(from), to }) => format!("{} → {}", words(from), words(to)),
        Some(Change::Value { from: None, to }) => words(to),
        Some(Change::List { added, removed }) => {
            format!("added {}, removed {}", list(added), list(removed))
        }
    }
}

fn listed(came: &Listed, expected: &[Row]) -> Vec<String> {
    let more = if came.more { " and more" } else { "" };
    if came.rows.len() != expected.len() || came.more {
        let came = came.rows.len();
        return vec![format!("expected {} rows to be listed, came {came}{more}", expected.len())];
    }
    let mut problems = Vec::new();
    for (number, (row, expected)) in came.rows.iter().zip(expected).enumerate() {
        for (column, expected) in expected {
            let place = came.columns.iter().position(|name| name == column);
            let came = place.and_then(|place| row[place].clone()).map_or(Cell::Null, Cell::Text);
            if came != *expected {
                let (expected, came) = (words(expected), words(&came));
                problems.push(format!("row {}: {column}: expected {expected}, came {came}", number + 1));
            }
        }
    }
    problems
}

/// The differences in the tables.
pub(super) async fn tables(
    client: &Client,
    schema: &str,
    expect: &Expect,
    columns: &BTreeSet<String>,
) -> Result<Vec<String>, Error> {
    let mut problems = Vec::new();
    let there = expect.rows.iter().map(|given| (given, 1, "one row"));
    for (given, wanted, expected) in there.chain(expect.gone.iter().map(|given| (given, 0, "no row"))) {
        let row = client.query_one(&count(schema, given, columns), &[]).await?;
        let found: i64 = row.try_get(0)?;
        if found != wanted {
            problems.push(format!("expected {expected} of {}, came {found}", row_in_words(given)));
        }
    }
    Ok(problems)
}

fn row_in_words(given: &Given) -> String {
    let cells: Vec<String> =
        given.row.iter().map(|(column, cell)| format!("{column} {}", words(cell))).collect();
    format!("{} with {}", given.table, cells.join(", "))
}

fn words(cell: &Cell) -> String {
    match cell {
        Cell::Null => "nothing (NULL)".to_owned(),
        Cell::Text(text) => text.clone(),
    }
}

fn list(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
