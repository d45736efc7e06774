//! Judges the rows of a table: every value of every row, before anything is started.
//!
//! To add a source of passwords: [`credential`].

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use quill_admin_actions::{Action, Expected, Kind};
use quill_admin_contract::{
    Arguments, Entered, EnvError, ExitCode, Hasher, InvalidValue, Password, PasswordHash, Problem, Secret,
};
use quill_admin_operations::each::{Journal, Known, Passwords, Row};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::{Emit, Event};
use quill_admin_operations::nearest;
use sha2::{Digest as _, Sha256};

use super::table::{Fault, Table, TableRow};
use crate::password::{self, Owner, PasswordRules};
use crate::task_command::{TaskCommand, TaskParameter};

/// The sign between several values in one cell.
const BETWEEN: char = '|';

/// The longest that the values of a row may be together, in bytes. As JSON they are twice as long at most, and fit
/// into one variable with the hash of a password.
const LONGEST_ROW: usize = 14_000;

/// The rows of a table that were judged. Passwords are not hashed yet.
pub(super) struct Judged {
    pub(super) rows: Vec<JudgedRow>,
}

/// A row that was judged.
pub(super) struct JudgedRow {
    /// The line of the file.
    line: u64,
    /// The values that are not secret, by the names of their parameters.
    values: BTreeMap<String, String>,
    /// The password of each parameter that takes one, and whether it was made here.
    passwords: BTreeMap<String, (Password, bool)>,
}

/// The rules that rows are judged by.
#[derive(Clone, Copy)]
pub(super) struct Judge<'a> {
    pub(super) command: &'a TaskCommand,
    pub(super) action: &'a Action,
    /// The words of the environment, which count for nothing in a password.
    pub(super) environment: &'a str,
    pub(super) project: &'a str,
    /// Whether a password is made for each row.
    pub(super) generate: bool,
}

/// Whether a column of this name gives a parameter: by the name of its flag, or of its question, in any letters.
pub(super) fn is_column(parameter: &TaskParameter, name: &str) -> bool {
    let spelled = |name: &str| name.trim().to_lowercase().replace(['-', ' '], "_");
    [parameter.name(), &parameter.words.name].into_iter().any(|known| spelled(known) == spelled(name))
}

impl Judge<'_> {
    /// Judges all rows.
    ///
    /// # Errors
    ///
    /// All faults of the whole table.
    pub(super) fn judge(&self, table: Table) -> Result<Judged, Vec<Fault>> {
        let columns = self.columns(&table)?;
        let mut faults = Vec::new();
        let mut rows = Vec::with_capacity(table.rows.len());
        for row in table.rows {
            rows.extend(self.row(&columns, row, &mut faults));
        }
        faults.extend(self.repeated(&rows));
        if rows.is_empty() && faults.is_empty() {
            faults.push(Fault::new(table.line, "there is no row below the header"));
        }
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() { Ok(Judged { rows }) } else { Err(faults) }
    }

    /// The parameter of each column.
    fn columns(&self, table: &Table) -> Result<Vec<&TaskParameter>, Vec<Fault>> {
        let (parameters, line) = (&self.command.parameters, table.line);
        let (mut columns, mut faults): (Vec<&TaskParameter>, Vec<Fault>) = (Vec::new(), Vec::new());
        for name in &table.header {
            match parameters.iter().find(|parameter| is_column(parameter, name)) {
                Some(parameter) if columns.iter().any(|before| before.name() == parameter.name()) => {
                    faults.push(Fault::new(line, format!("there are two columns \"{name}\"")));
                }
                Some(parameter) => columns.push(parameter),
                None if name.is_empty() => faults.push(Fault::new(line, "a column has no name")),
                None => {
                    // Where there are passwords, a table without its header begins with one.
                    let secret = parameters.iter().any(|parameter| parameter.rule.is_secret());
                    let place = columns.len() + faults.len() + 1;
                    let what = if secret && !looks_like_a_name(name) {
                        format!("column as number {place} is called")
                    } else {
                        format!("\"{}\"", name.escape_debug())
                    };
                    let meant = nearest(name, parameters.iter().map(TaskParameter::name));
                    let meant =
                        meant.map_or_else(|| ".".to_owned(), |meant| format!("; did you mean \"{meant}\"?"));
                    let all: Vec<&str> = parameters.iter().map(TaskParameter::name).collect();
                    faults.push(Fault::new(
                        line,
                        format!("{} has no {what}{meant} Columns are: {}", self.command.name, all.join(", ")),
                    ));
                }
            }
        }
        for parameter in parameters {
            let has = columns.iter().any(|column| column.name() == parameter.name());
            let secret = parameter.rule.is_secret();
            if parameter.rule.is_required() && !has && !(secret && self.generate) {
                let or = if secret { ": add it, or --generate-passwords" } else { "" };
                faults.push(Fault::new(line, format!("the column \"{}\" is missing{or}", parameter.name())));
            }
        }
        if faults.is_empty() { Ok(columns) } else { Err(faults) }
    }

    fn row(&self, columns: &[&TaskParameter], row: TableRow, faults: &mut Vec<Fault>) -> Option<JudgedRow> {
        let TableRow { line, cells } = row;
        let before = faults.len();
        if cells.iter().skip(columns.len()).any(|cell| !cell.trim().is_empty()) {
            let told = format!(
                "the row has {} cells and the header {}: is there a separator in a value without quotes around it?",
                cells.len(),
                columns.len()
            );
            faults.push(Fault::new(line, told));
            return None;
        }
        let mut values = BTreeMap::new();
        let mut given = BTreeMap::new();
        for (place, parameter) in columns.iter().enumerate() {
            let text = cells.get(place).map(String::as_str).unwrap_or_default();
            if parameter.rule.is_secret() {
                given.insert(parameter.name(), Secret::new(text.to_owned()));
            } else if text.trim().is_empty() {
                if parameter.rule.is_required() {
                    faults.push(Fault::new(line, format!("there is no {}", parameter.words.name)));
                }
            } else {
                let text = if parameter.rule.many { one_on_each_line(text) } else { text.to_owned() };
                match parameter.parse(&text) {
                    Ok(value) => drop(values.insert(
                        parameter.name().to_owned(),
                        value.as_text().map(std::borrow::Cow::into_owned).unwrap_or_default(),
                    )),
                    Err(problem) => faults.push(Fault::new(line, self.without_value(problem).to_string())),
                }
            }
        }
        let length: usize = values.values().map(String::len).sum();
        if length > LONGEST_ROW {
            let what =
                format!("the values of the row have {length} bytes together; at most {LONGEST_ROW} are sent");
            faults.push(Fault::new(line, what));
        }
        let mut passwords = BTreeMap::new();
        for parameter in self.command.parameters.iter().filter(|parameter| parameter.rule.is_secret()) {
            match self.credential(parameter, given.remove(parameter.name()), &values) {
                Ok(Some(password)) => drop(passwords.insert(parameter.name().to_owned(), password)),
                Ok(None) => {}
                Err(why) => faults.push(Fault::new(line, why)),
            }
        }
        (faults.len() == before).then_some(JudgedRow { line, values, passwords })
    }

    /// The problem of a value without the value itself, where there are passwords: two columns may have been mixed
    /// up.
    fn without_value(&self, mut problem: InvalidValue) -> InvalidValue {
        let secret = self.command.parameters.iter().any(|parameter| parameter.rule.is_secret());
        if let Problem::NotOneOf { given, .. } = &mut problem.problem
            && secret
            && !looks_like_a_name(given)
        {
            "(not shown)".clone_into(given);
        }
        problem
    }

    /// The password of a row, and whether it was made here; none where nobody is to know it.
    fn credential(
        &self,
        parameter: &TaskParameter,
        given: Option<Secret>,
        values: &BTreeMap<String, String>,
    ) -> Result<Option<(Password, bool)>, String> {
        if self.generate {
            if given.is_some_and(|given| !given.expose().trim().is_empty()) {
                return Err(
                    "there is a password, and --generate-passwords makes another: leave one of them out"
                        .to_owned(),
                );
            }
            return password::generate().map(|made| Some((made, true))).map_err(|error| error.to_string());
        }
        let Some(given) = given.filter(|given| !given.expose().is_empty()) else {
            if parameter.rule.is_required() {
                return Err(format!("there is no {}", parameter.words.name));
            }
            return Ok(None);
        };
        let is_email = |name: &str| {
            let rule = self.command.parameters.iter().find(|parameter| parameter.name() == name);
            rule.is_some_and(|parameter| matches!(parameter.rule.kind, Kind::Email { .. }))
        };
        let (emails, names): (Vec<_>, Vec<_>) = values.iter().partition(|(name, _)| is_email(name));
        let text = |of: Vec<(&'_ String, &'_ String)>| {
            of.into_iter().map(|(_, value)| value.clone()).collect::<Vec<_>>()
        };
        let (emails, names) = (text(emails), text(names));
        let (emails, names): (Vec<&str>, Vec<&str>) =
            (emails.iter().map(String::as_str).collect(), names.iter().map(String::as_str).collect());
        let owner =
            Owner { names: &names, emails: &emails, environment: self.environment, project: self.project };
        password::judge(given, &PasswordRules::default(), owner).map(|password| Some((password, false)))
    }

    /// The rows that repeat another one: with all values, or, where the action makes something new, with the values
    /// that name it.
    fn repeated(&self, rows: &[JudgedRow]) -> Vec<Fault> {
        let subject = self.action.definition.subject.as_ref();
        let new = subject.filter(|subject| subject.expected == Expected::MustNotExist);
        let key = |row: &JudgedRow| -> Vec<(String, String)> {
            let of_key = |name: &String| new.is_none_or(|subject| subject.key.contains(name));
            row.values
                .iter()
                .filter(|(name, _)| of_key(name))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        };
        let mut first: BTreeMap<Vec<(String, String)>, u64> = BTreeMap::new();
        let mut faults = Vec::new();
        for row in rows {
            let key = key(row);
            match first.get(&key) {
                Some(line) => {
                    let said: Vec<&str> = key.iter().map(|(_, value)| value.as_str()).collect();
                    let told = if new.is_some() {
                        format!("{} stands on line {line} already", said.join(" ").escape_debug())
                    } else {
                        format!("the same values stand on line {line} already")
                    };
                    faults.push(Fault::new(row.line, told));
                }
                None => drop(first.insert(key, row.line)),
            }
        }
        faults
    }
}

/// Whether a text may be shown although it may stand in the wrong column: one short word of letters alone is no
/// password that is taken.
fn looks_like_a_name(text: &str) -> bool {
    text.chars().count() < PasswordRules::default().minimum
        && text.chars().all(|character| character.is_alphabetic() || "-_ ".contains(character))
}

/// Several values of a cell, each on a line of its own, as they travel.
fn one_on_each_line(text: &str) -> String {
    let values = text.split([BETWEEN, '\n']).map(str::trim).filter(|value| !value.is_empty());
    values.collect::<Vec<_>>().join("\n")
}

impl Judged {
    /// The digest of the table: of its values without passwords, in their order.
    pub(super) fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for row in &self.rows {
            let values: Vec<(&String, &String)> = row.values.iter().collect();
            hash.update(serde_json::json!(values).to_string());
            hash.update("\n");
        }
        hex::encode(hash.finalize())
    }

    /// The source of the passwords.
    pub(super) fn source(&self) -> Passwords {
        let mut all = self.rows.iter().flat_map(|row| row.passwords.values());
        match all.next() {
            Some((_, true)) => Passwords::Made,
            Some((_, false)) => Passwords::Given,
            None => Passwords::None,
        }
    }

    /// Refuses rows that are left to do whose passwords are not those of the results file: the rows are sent with the
    /// hashes that are there. Each comparison takes what a hash takes.
    pub(super) fn same_passwords(&self, journal: &Journal) -> Result<(), Vec<Fault>> {
        let is_left = |row: &Row| !journal.known(row.row).is_some_and(Known::is_done);
        let others = self.rows.iter().zip(journal.rows()).filter(|(here, there)| {
            let differs = |(name, (password, made)): (&String, &(Password, bool))| {
                let hash = there.values.get(&format!("{}_HASH", quill_admin_actions::variable(name)));
                let hash = hash.and_then(|hash| PasswordHash::parse(Secret::new(hash.clone())).ok());
                !made && !hash.is_some_and(|hash| hash.is_of(password))
            };
            is_left(there) && here.passwords.iter().any(differs)
        });
        let what = "the password is not the one that the results file has the hash of: start anew with another results file";
        let faults: Vec<Fault> = others.map(|(here, _)| Fault::new(here.line, what)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The rows as they are sent, with all passwords hashed: that takes some tenths of a second for each, on every
    /// core. `emit` is told how many are.
    ///
    /// # Errors
    ///
    /// Fails when a thread cannot be started.
    pub(super) fn hashed(self, action: &Action, dry_run: bool, emit: &Emit) -> Result<Vec<Row>, CliError> {
        let with_password = |row: &&JudgedRow| !row.passwords.is_empty();
        let (of, done) = (self.rows.iter().filter(with_password).count() as u64, AtomicU64::new(0));
        let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let share = self.rows.len().div_ceil(workers).max(1);
        // In a dry run nothing is done with the passwords: one hash serves for all.
        let any = dry_run.then(|| Hasher::new().hash_of_nobody());
        let any = any.as_ref();
        let of_part = |part: &[JudgedRow]| {
            let mut memory = Hasher::new();
            let rows = part.iter().map(|row| {
                let hashed = row.hashed(action, &mut memory, any);
                if with_password(&row) {
                    emit(Event::Hashed { done: 1 + done.fetch_add(1, Ordering::Relaxed), of });
                }
                hashed
            });
            rows.collect::<Result<Vec<Row>, CliError>>()
        };
        let of_part = &of_part;
        let parts: Vec<_> = std::thread::scope(|scope| {
            let hashing: Vec<_> =
                self.rows.chunks(share).map(|part| scope.spawn(move || of_part(part))).collect();
            hashing.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut rows = Vec::with_capacity(self.rows.len());
        for part in parts {
            let failed =
                |_| CliError::new(ExitCode::Unexpected, "failed to hash the passwords; nothing was started");
            rows.extend(part.map_err(failed)??);
        }
        Ok(rows)
    }
}

impl JudgedRow {
    fn hashed(
        &self,
        action: &Action,
        hasher: &mut Hasher,
        any: Option<&PasswordHash>,
    ) -> Result<Row, CliError> {
        let named = |name: &String| quill_admin_actions::variable(name);
        let plain: BTreeMap<String, &str> = self
            .values
            .iter()
            .map(|(name, value)| (named(name), value.as_str()))
            .chain(self.passwords.iter().map(|(name, (password, _))| (named(name), password.expose())))
            .collect();
        let entered = Entered::read(action, |name| {
            let Some(any) = any else { return Ok(plain.get(name).copied()) };
            let is_hash = name.ends_with("_HASH");
            let is_password =
                || plain.contains_key(name) && self.passwords.keys().any(|one| named(one) == name);
            Ok(if is_hash { Some(any.expose()) } else { plain.get(name).copied().filter(|_| !is_password()) })
        })
        .map_err(|problems| {
            // The values were judged one by one before, so that nothing should be wrong with them now.
            let error = EnvError { problems };
            CliError::new(error.exit_code(), format!("line {}: {error}; nothing was started", self.line))
        })?;
        let made = self.passwords.values().find(|(_, made)| *made).map(|(password, _)| password.clone());
        Ok(Row { row: self.line, values: sent(&entered.hashed_with(hasher)), password: made })
    }
}

fn sent(arguments: &Arguments) -> BTreeMap<String, String> {
    arguments.to_env().into_iter().collect()
}
