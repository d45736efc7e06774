//! The table that is made of a results file, for spreadsheets or as a document.
//!
//! To add a column: its name and its cell in `cells`.

use std::io::{self, IsTerminal as _};

use quill_admin_actions::variable;
use quill_admin_operations::actions;
use quill_admin_operations::each::{Journal, NOT_BEGUN, UNKNOWN};
use quill_admin_operations::error::CliError;
use serde_json::{Value, json};

use super::history_table::csv_line;
use super::output::document_to_stdout;
use super::reporter::Reporter;
use super::stream;

/// A results file as a table for spreadsheets.
#[derive(Debug)]
pub struct EachResults<'a> {
    journal: &'a Journal,
}

impl<'a> EachResults<'a> {
    /// The table of a journal.
    #[must_use]
    pub const fn of(journal: &'a Journal) -> Self {
        Self { journal }
    }

    pub(super) fn has_passwords(&self) -> bool {
        self.journal.rows().iter().any(|row| row.password.is_some())
    }

    /// The same as a document.
    fn document(&self) -> Value {
        let (header, rows) = self.cells();
        let row = |row: &Vec<String>| -> Value {
            header
                .iter()
                .cloned()
                .zip(row.iter().map(|cell| json!(cell)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        json!({"exit_code": 0, "rows": rows.iter().map(row).collect::<Vec<_>>()})
    }

    fn table(&self) -> String {
        let (header, rows) = self.cells();
        [header].into_iter().chain(rows).map(csv_line).collect()
    }

    /// The names of the columns, and the cells of each row.
    fn cells(&self) -> (Vec<String>, Vec<Vec<String>>) {
        let rows = self.journal.rows();
        let is_hash = |name: &str| name.ends_with("_HASH");
        let mut names: Vec<&String> = rows.iter().flat_map(|row| row.values.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| !is_hash(name));
        // In the order of the questions, where the action is known here.
        let action = actions::known(&self.journal.header().action);
        let words = action.map(|action| action.words.parameters.as_slice()).unwrap_or_default();
        let place = |name: &str| words.iter().position(|words| variable(&words.parameter) == name);
        names.sort_by_key(|name| place(name).unwrap_or(usize::MAX));
        let spelled = |name: &&String| name.strip_prefix("ADMIN_").unwrap_or(name).to_lowercase();
        let with = self.has_passwords();
        let password = with.then(|| "password".to_owned());
        let last = ["outcome", "exit_code", "message", "execution"].map(str::to_owned);
        let header =
            ["line".to_owned()].into_iter().chain(names.iter().map(spelled)).chain(password).chain(last);
        let header = header.collect();
        let mut table = Vec::new();
        for row in rows {
            let known = self.journal.known(row.row);
            let values = names
                .iter()
                .map(|name| row.values.get(*name).cloned().unwrap_or_default().replace('\n', "|"));
            // A password that was not set must not be handed out.
            let may_be_set = known.map_or_else(
                || self.journal.may_be_done(row.row),
                |known| known.is_done() || known.exit_code.is_none(),
            );
            let password = row.password.as_ref().filter(|_| may_be_set);
            let password = with.then(|| password.map(|made| made.expose().to_owned()).unwrap_or_default());
            let of = known.map(|known| {
                let code = known.exit_code.map(|code| code.to_string()).unwrap_or_default();
                [
                    known.outcome.clone(),
                    code,
                    known.message.clone().unwrap_or_default(),
                    known.execution.clone(),
                ]
            });
            let of = of.unwrap_or_else(|| {
                let outcome = if self.journal.may_be_done(row.row) { UNKNOWN } else { NOT_BEGUN };
                [outcome.to_owned(), String::new(), String::new(), String::new()]
            });
            table.push([row.row.to_string()].into_iter().chain(values).chain(password).chain(of).collect());
        }
        (header, table)
    }
}

impl Reporter {
    /// Shows a results file as a table for spreadsheets. With passwords in it, it is not shown at a terminal.
    ///
    /// # Errors
    ///
    /// Fails at a terminal where passwords would be shown.
    pub fn results_table(&self, results: &EachResults<'_>) -> Result<u8, CliError> {
        self.stop();
        // What cannot be written to stdout is shown on stderr, which is a terminal as a rule.
        if results.has_passwords() && (io::stdout().is_terminal() || stream::is_nowhere()) {
            return Err(CliError::usage(
                "passwords are in the table, and stdout is a terminal or leads nowhere: nothing is shown",
            )
            .hint("write it to a file that only you can read: (umask 077; the same command > table.csv)"));
        }
        if self.style.json {
            document_to_stdout(&results.document());
        } else {
            stream::table(&results.table());
        }
        Ok(0)
    }
}
