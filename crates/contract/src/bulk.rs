//! Many rows of values for one action, which one execution runs one after the other.
//!
//! The rows travel as lines of JSON in `ADMIN_ROWS_1`, `ADMIN_ROWS_2` and so on, because Cloud Run documents that a
//! variable holds 32 KiB at most. Each row is a transaction of its own, unless they are asked for together, and has a
//! result line of its own. Before a row is saved, the executor says in which transaction ([`crate::Saving`]): if the
//! row's result is lost afterwards, the next execution asks the database what became of that transaction
//! ([`BulkRow::began`]).
//!
//! To add an option of bulk runs: its field in [`Bulk`], its variable in `variable.rs`, both directions here, and
//! `Each` in `args.rs` of the command-line program.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Digest};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::arguments::{Arguments, Entered};
use crate::env_error::EnvProblem;
use crate::value::{InvalidValue, Problem};
use crate::variable::{ADMIN_ATOMIC, ADMIN_MAX_ERRORS, ROWS_VARIABLE};

/// The longest value of a variable that holds rows, in bytes. Cloud Run documents 32 KiB for the value of a variable;
/// a little is left for whatever counts with it.
pub const LONGEST_ROWS_VARIABLE: usize = 32_000;

/// The greatest number of such variables in one execution. Linux has room for 2 MiB of variables and arguments; what
/// Cloud Run takes in one request is not documented, so this stays far below: 128,000 bytes, which is some 500 rows
/// with the hash of a password.
pub const MOST_ROWS_VARIABLES: usize = 4;

/// The rows of a bulk run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bulk {
    /// The rows, in the order in which they are run.
    pub rows: Vec<BulkRow>,
    /// Whether all of them are one transaction: if one fails, none is done.
    pub atomic: bool,
    /// The number of failed rows after which no further row is begun; `None`: all rows are run.
    pub max_errors: Option<u64>,
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRow {
    /// The number of the row in the table that it comes from, counted from 1. Results and messages name the row by
    /// it.
    pub number: u64,
    /// The values of the action's parameters.
    pub arguments: Arguments,
    /// The plan that a preview of the row has told; where it would do something else, nothing is done.
    pub expect: Option<Digest>,
    /// The transaction in which an earlier execution has begun to save the row, and whose fate is not known.
    pub began: Option<i64>,
}

/// A row as it travels. The keys of its values are the names of their variables in small letters, without `ADMIN_`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    row: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expect: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    began: Option<i64>,
    values: BTreeMap<String, String>,
}

fn key(variable: &str) -> String {
    variable.strip_prefix("ADMIN_").unwrap_or(variable).to_ascii_lowercase()
}

impl BulkRow {
    /// The row as one line of JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        let values = self.arguments.to_env().into_iter().map(|(name, value)| (key(&name), value)).collect();
        let Self { number, expect, began, .. } = self;
        json!(Written { row: *number, expect: expect.clone(), began: *began, values }).to_string()
    }

    /// Reads the row from a line of `variable`, which is the line `place` there, counted from 1. No message quotes a
    /// value: a password's hash is among them.
    fn read(action: &Action, variable: &str, place: usize, line: &str) -> Result<Self, Vec<EnvProblem>> {
        let refused = |rule| {
            let what = format!("line {place}");
            vec![EnvProblem::Invalid(
                variable.to_owned().into(),
                InvalidValue::new(&what, Problem::MustBe(rule)),
            )]
        };
        let written: Written = serde_json::from_str(line).map_err(|_| {
            refused("a row: JSON with \"row\", its number from 1, and \"values\", all of them texts")
        })?;
        let Written { row: number, expect, began, values } = written;
        if number == 0 {
            return Err(refused("a row whose number is 1 or more"));
        }
        let in_row = |problem| EnvProblem::InRow { number, problem: Box::new(problem) };
        let entered = Entered::read(action, |name| {
            let value = values.get(&key(name)).map(String::as_str);
            Ok(value.filter(|value| !value.trim().is_empty()))
        })
        .map_err(|problems| problems.into_iter().map(in_row).collect::<Vec<_>>())?;
        if !entered.plaintext().is_empty() {
            return Err(refused("a row without a password in plain text: give its hash"));
        }
        let known: Vec<String> = entered.names().map(|name| key(&name)).collect();
        if values.keys().any(|given| !known.contains(given)) {
            return Err(refused("a row of this action, which has no other values than its parameters"));
        }
        Ok(Self { number, arguments: entered.hashed(), expect, began })
    }
}

impl Bulk {
    /// The variables that carry it into the container. [`Self::fitting`] says how many rows fit.
    pub(crate) fn to_env(&self) -> Vec<(String, String)> {
        let mut texts: Vec<String> = Vec::new();
        for line in self.rows.iter().map(BulkRow::to_line) {
            match texts.last_mut().filter(|last| last.len() + 1 + line.len() <= LONGEST_ROWS_VARIABLE) {
                Some(last) => {
                    last.push('\n');
                    last.push_str(&line);
                }
                None => texts.push(line),
            }
        }
        let variables = (1..).zip(texts).map(|(place, text)| (format!("{ROWS_VARIABLE}{place}"), text));
        let more = [
            self.atomic.then(|| (ADMIN_ATOMIC.name.to_owned(), "true".to_owned())),
            self.max_errors.map(|most| (ADMIN_MAX_ERRORS.name.to_owned(), most.to_string())),
        ];
        variables.chain(more.into_iter().flatten()).collect()
    }

    /// The number of these rows, from the first on, that fit into one execution. It is 0 only where the first row
    /// alone does not fit.
    #[must_use]
    pub fn fitting(rows: &[BulkRow]) -> usize {
        let (mut variables, mut length) = (1, 0);
        for (place, row) in rows.iter().enumerate() {
            let line = row.to_line().len();
            if line > LONGEST_ROWS_VARIABLE {
                return place;
            }
            length += if length == 0 { line } else { 1 + line };
            if length > LONGEST_ROWS_VARIABLE {
                (variables, length) = (variables + 1, line);
            }
            if variables > MOST_ROWS_VARIABLES {
                return place;
            }
        }
        rows.len()
    }

    /// Reads the rows from the texts of their variables, each with its name.
    pub(crate) fn read_rows(
        action: &Action,
        texts: &[(String, &str)],
    ) -> Result<Vec<BulkRow>, Vec<EnvProblem>> {
        let (mut rows, mut problems): (Vec<BulkRow>, _) = (Vec::new(), Vec::new());
        for (variable, text) in texts {
            for (place, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
                match BulkRow::read(action, variable, place, line) {
                    Ok(row) if rows.last().is_none_or(|before| before.number < row.number) => rows.push(row),
                    Ok(_) => {
                        let rule = Problem::MustBe("a row with a higher number than the row before");
                        let problem = InvalidValue::new(&format!("line {place}"), rule);
                        problems.push(EnvProblem::Invalid(variable.clone().into(), problem));
                    }
                    Err(found) => problems.extend(found),
                }
            }
        }
        if problems.is_empty() { Ok(rows) } else { Err(problems) }
    }

    /// The SHA-256 of the results of rows, in lower-case hexadecimal digits: over the texts of their result lines, in
    /// the order of the rows, each with a line break behind it. The result of the whole run holds it.
    #[must_use]
    pub fn digest<'a>(results: impl IntoIterator<Item = &'a str>) -> String {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        for result in results {
            hash.update(result);
            hash.update("\n");
        }
        hex::encode(hash.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64, length: usize) -> Vec<BulkRow> {
        let row = |number| {
            let text = crate::argument::Argument::Text("x".repeat(length));
            let arguments: Arguments = [("username".to_owned(), text)].into_iter().collect();
            BulkRow { number, arguments, expect: None, began: None }
        };
        (1..=count).map(row).collect()
    }

    #[test]
    fn as_many_rows_are_taken_as_their_variables_have_room_for() {
        for (count, length) in [(1, 10), (3, 20_000), (900, 150), (5_000, 3)] {
            let rows = rows(count, length);
            let fitting = Bulk::fitting(&rows);
            let variables = |count: usize| Bulk { rows: rows[..count].to_vec(), ..Bulk::default() }.to_env();
            let sent = variables(fitting);
            assert!(sent.len() <= MOST_ROWS_VARIABLES, "{count} rows of {length}");
            assert!(sent.iter().all(|(_, text)| text.len() <= LONGEST_ROWS_VARIABLE));
            let whole: usize = sent.iter().map(|(_, text)| text.lines().count()).sum();
            assert_eq!(whole, fitting);
            if fitting < rows.len() {
                assert_eq!(variables(fitting + 1).len(), MOST_ROWS_VARIABLES + 1, "one more does not fit");
            }
        }
        assert_eq!(Bulk::fitting(&rows(2, LONGEST_ROWS_VARIABLE)), 0);
        // A class of 200 with the hashes of passwords is one execution.
        assert_eq!(Bulk::fitting(&rows(200, 300)), 200);
    }
}
