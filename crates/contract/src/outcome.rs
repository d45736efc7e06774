//! The outcome of a task, and the result line that reports it: the audit record of the run.
//!
//! To add a key: here, in `older.rs` where older versions wrote it differently, and its row in
//! `reference.rs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::env::RunContext;
use crate::exit_code::ExitCode;
use crate::mode::{MODES_SINCE, PREVIEW};
use crate::older;
use crate::subject::{Change, FieldValue, SubjectState};

/// The last line the executor prints, after COMMIT or ROLLBACK: the audit record of the run.
///
/// It stands under the key `quill_admin` of a log entry whose `message` says the same in words. It
/// holds no password and no hash.
///
/// Names are plain text here, whatever rules apply where they are sent: an older laptop has to read the line
/// of a newer executor, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// The contract version it is written in: the one that was asked for.
    pub contract: u32,
    /// The request's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The execution's id, from contract version 2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
    /// The action, where it was one that the executor knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The username that the action is about; a failure has no subject that would name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The number of the row, where it is the result of one row of a bulk run; from contract version 4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row_number: Option<u64>,
    /// The person or account that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The reason that was given for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run of a pipeline that asked, from contract version 3 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// `preview` where the task was only previewed, whether that succeeded or not; from contract version 4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// The execution that it undoes; from contract version 4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// The way to undo this run, where it has changed something. Lines have it from contract version 4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<UndoNote>,
    /// Values that the action has recorded, by the names of their parameters; from contract version 3 on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recorded: BTreeMap<String, FieldValue>,
    /// The code the executor ends with. A number, so that an older CLI can pass on one it does not
    /// know.
    pub exit_code: u8,
    /// The outcome of the task.
    pub outcome: Outcome,
}

impl ResultLine {
    /// The key of the result line in a log entry's JSON payload.
    pub const KEY: &'static str = "quill_admin";
    /// The key, within [`Self::KEY`], of the whole line as one text: the text that is proven, from contract
    /// version 2 on.
    pub const RESULT: &'static str = "result";
    /// The key, beside [`Self::RESULT`], of the proof of that text: see [`crate::ProofKey::prove`].
    pub const PROOF: &'static str = "proof";

    /// The key, beside [`Self::RESULT`], of the signature of that text: see [`crate::RecordKey::sign`].
    pub const SIGNATURE: &'static str = "signature";

    /// The result line for an outcome, in a version of the contract.
    #[must_use]
    pub fn new(context: &RunContext, contract: u32, exit_code: ExitCode, outcome: Outcome) -> Self {
        Self {
            contract,
            request_id: context.request_id.map(|id| id.to_string()),
            execution: context.execution.clone().filter(|_| contract >= 2),
            action: context.action.clone(),
            username: context.username.as_ref().map(ToString::to_string),
            row_number: context.row_number,
            actor: context.actor.as_ref().map(ToString::to_string),
            reason: context.reason.as_ref().map(ToString::to_string),
            origin: context.origin.as_ref().filter(|_| contract >= 3).map(ToString::to_string),
            mode: context.preview.then(|| PREVIEW.to_owned()).filter(|_| contract >= MODES_SINCE),
            undoes: context.undoes.clone().filter(|_| contract >= MODES_SINCE),
            undo: None,
            recorded: if contract >= 3 { context.recorded.clone() } else { BTreeMap::new() },
            exit_code: exit_code.code(),
            outcome,
        }
    }

    /// The same line with how it is undone, where its version of the contract has that.
    #[must_use]
    pub fn with_undo(self, undo: Option<UndoNote>) -> Self {
        Self { undo: undo.filter(|_| self.contract >= MODES_SINCE), ..self }
    }

    /// Reads a result line from JSON in any version of the contract.
    ///
    /// # Errors
    ///
    /// Fails if the JSON does not have the form of a result line.
    pub fn read(mut written: Value) -> Result<Self, serde_json::Error> {
        older::raise(&mut written);
        Self::deserialize(written)
    }

    /// The line as JSON, in the form that its version of the contract has.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut written = json!(self);
        older::lower(&mut written);
        written
    }

    /// Whether the exit code and the outcome cannot both be true. An outcome that this version does not know
    /// is never a contradiction.
    #[must_use]
    pub fn contradicts_itself(&self) -> bool {
        let failed = self.exit_code != ExitCode::Success.code();
        match self.outcome.name() {
            "failed" => !failed,
            "each" => failed == self.outcome.did_all_rows(),
            "created" | "updated" | "unchanged" | "found" | "listed" | "checked" | "previewed"
            | "done_before" | "reviewed" => failed,
            _ => false,
        }
    }
}

/// The outcome of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// The subject of the action was created.
    Created {
        /// The subject as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// The changes that were made.
        changes: Vec<Change>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The subject of the action existed and was changed.
    Updated {
        /// The subject as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// The changes that were made.
        changes: Vec<Change>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The subject was already as asked for; nothing was written.
    Unchanged {
        /// The subject as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The task was previewed: run, and rolled back. Nothing was changed.
    Previewed {
        /// The name of the outcome that it would have: created, updated or unchanged.
        would: String,
        /// The subject as it would be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// The changes that would be made.
        #[serde(default)]
        changes: Vec<Change>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
        /// The digest of the plan, for `ADMIN_EXPECT`: 64 hexadecimal digits.
        plan: String,
    },
    /// The subject that was asked for was found.
    Found {
        /// The subject as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// Rows were listed. They are log lines before the result ([`crate::Row`]) and not part of it: results
    /// are records, and are kept for years.
    Listed {
        /// Number of rows that were listed.
        rows: u64,
        /// Whether there are more rows than were listed.
        more: bool,
        /// [`crate::Row::digest`] of those that were listed; `None` from an executor whose rows are lines of text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The database was looked at, by the action `check`.
    Checked {
        /// The report on the database.
        database: DatabaseReport,
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// An earlier execution has done this row of a bulk run, as its transaction in the database shows; it could not
    /// tell any more what it has changed.
    DoneBefore,
    /// The action was run for many rows. What became of each row is in a result line of its own before this one.
    Each {
        /// The number of rows that were asked for.
        rows: u64,
        /// The number of rows that were done, or previewed.
        done: u64,
        /// The number of rows that failed. The remaining rows were not begun, or were rolled back with the others.
        failed: u64,
        /// [`crate::Bulk::digest`] of the rows' result lines.
        digest: String,
    },
    /// A review was recorded, by the action `review`; its values are the recorded ones.
    Reviewed {
        /// Warnings for the person who asked.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The task failed; nothing was written, unless the failure is undecided.
    Failed {
        /// The reason for the failure.
        failure: Failure,
    },
    /// An outcome of a newer executor, which this version does not know, or not in this form.
    #[serde(untagged)]
    Other(OtherOutcome),
}

/// An outcome that this version does not know, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherOutcome {
    /// The outcome's name: one word.
    pub result: String,
    /// The remaining keys.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Outcome {
    /// The name of the outcome: one word, as in the result line.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Created { .. } => "created",
            Self::Updated { .. } => "updated",
            Self::Unchanged { .. } => "unchanged",
            Self::Previewed { .. } => "previewed",
            Self::Found { .. } => "found",
            Self::Listed { .. } => "listed",
            Self::Checked { .. } => "checked",
            Self::DoneBefore => "done_before",
            Self::Each { .. } => "each",
            Self::Reviewed { .. } => "reviewed",
            Self::Failed { .. } => "failed",
            Self::Other(other) => &other.result,
        }
    }

    /// The warnings, if any.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Self::Created { warnings, .. }
            | Self::Updated { warnings, .. }
            | Self::Unchanged { warnings, .. }
            | Self::Previewed { warnings, .. }
            | Self::Found { warnings, .. }
            | Self::Listed { warnings, .. }
            | Self::Checked { warnings, .. }
            | Self::Reviewed { warnings } => warnings,
            Self::DoneBefore | Self::Each { .. } | Self::Failed { .. } | Self::Other(_) => &[],
        }
    }

    /// The state of the subject afterwards, where the action has one and did not fail.
    #[must_use]
    pub const fn subject(&self) -> Option<&SubjectState> {
        match self {
            Self::Created { subject, .. }
            | Self::Updated { subject, .. }
            | Self::Unchanged { subject, .. }
            | Self::Previewed { subject, .. }
            | Self::Found { subject, .. } => subject.as_ref(),
            Self::Listed { .. }
            | Self::Checked { .. }
            | Self::DoneBefore
            | Self::Each { .. }
            | Self::Reviewed { .. }
            | Self::Failed { .. }
            | Self::Other(_) => None,
        }
    }

    /// Whether all rows of a bulk run were done; `false` for all other outcomes.
    #[must_use]
    pub const fn did_all_rows(&self) -> bool {
        matches!(self, Self::Each { rows, done, .. } if *done == *rows)
    }

    /// The changes, in the order in which they were made.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Created { changes, .. }
            | Self::Updated { changes, .. }
            | Self::Previewed { changes, .. } => changes,
            _ => &[],
        }
    }
}

/// Something that the person who asked should know although the task was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// The code of the warning, as the file of actions has it, or one of [`warning_code`]: programs go by
    /// this, never by the text.
    pub code: String,
    /// The warning in words.
    pub message: String,
    /// The action that mends it, where the file of actions names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextAction>,
}

impl Warning {
    /// A warning that no action mends.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), next: None }
    }

    /// The code of the warning that a log line tells. The result line tells the same warning, so a program
    /// that shows results can leave such a log line out.
    #[must_use]
    pub fn code_of(payload: &Value) -> Option<&str> {
        payload.get(ResultLine::KEY)?.get("warning")?.as_str()
    }
}

/// A suggested next action, with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// The name of the action.
    pub action: String,
    /// The values of its parameters, by name. Those that are left out have to be asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
}

/// The way to undo the changes of a run, as its record says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum UndoNote {
    /// By an action, with its values.
    Action(NextAction),
    /// By a person, as this text says.
    Words {
        /// The text.
        say: String,
    },
}

/// The codes of warnings that come from the executor itself, and from no file of actions.
pub mod warning_code {
    /// The password came in plain text and can be read in the execution.
    pub const PLAINTEXT_PASSWORD: &str = "plaintext_password";
    /// The name of the new subject looks like another one's.
    pub const LOOK_ALIKE: &str = "look_alike";
    /// Values of rows were cut off, since they are too long for a line of the log.
    pub const VALUES_CUT: &str = "values_cut";
}

/// The report of the action `check` on a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseReport {
    /// The server's version, as it gives it.
    pub server_version: String,
    /// The name of the database.
    pub database: String,
    /// The user that is connected.
    pub user: String,
    /// TLS version in use, such as `TLSv1.3`; `None` without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// Whether the user may write to the tables.
    pub writable: bool,
    /// The columns that a database may or may not have and that are there, as `table.column`, sorted.
    #[serde(default)]
    pub columns: Vec<String>,
    /// The rows that the file of actions expects to find in the tables.
    #[serde(default)]
    pub expected: Vec<Expected>,
    /// The actions that cannot run on these tables.
    #[serde(default)]
    pub unavailable: Vec<Unavailable>,
}

/// An action that cannot run on a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// The name of the action.
    pub action: String,
    /// The conditions that the database does not meet, in words that follow "it needs".
    pub needs: String,
}

/// The rows that the file of actions expects the database to have, and those that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The code of the warning that is given if one of them is missing.
    pub code: String,
    /// Number of rows that are expected.
    pub count: usize,
    /// All rows of the kind that the database has, sorted by their bytes.
    pub found: Vec<String>,
    /// The expected rows that the database does not have.
    pub missing: Vec<String>,
}

/// The reason why a task failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The failure and its reason, in words.
    pub message: String,
    /// The values that the database has, sorted by their bytes, where one was given that it does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub available: Vec<String>,
    /// The missing parts of an unknown schema, as `table` or `table.column`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_columns: Vec<String>,
    /// The action that may help, where the file of actions names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<NextAction>>,
    /// Whether it is unknown if the change was made: the connection broke while it was being saved, or the
    /// program has a bug. Every other failure has changed nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
}

impl Failure {
    /// A failure that has changed nothing, and that its message describes completely.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            available: Vec::new(),
            missing_columns: Vec::new(),
            next: None,
            undecided: false,
        }
    }

    /// A failure after which it is not known whether the change was made.
    #[must_use]
    pub fn undecided(message: impl Into<String>) -> Self {
        Self { undecided: true, ..Self::new(message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_executors_line_is_still_read() {
        let payload = serde_json::json!({
            "message": "done",
            "quill_admin": {
                "contract": 9, "exit_code": 77, "new_field": 1, "action": "check",
                "outcome": {
                    "result": "unchanged", "new_field": 2,
                    "subject": {
                        "kind": "ward", "key": "North", "beds": 12,
                        "fields": { "nurses": ["a"], "open": true, "floor": 3, "name": "North" }
                    },
                    "warnings": [{"code": "never_heard_of", "message": "m", "colour": "red"}],
                }
            }
        });
        let line = ResultLine::read(payload["quill_admin"].clone()).expect("read");
        assert_eq!(line.exit_code, 77);
        assert_eq!(line.outcome.warnings()[0].code, "never_heard_of");
        assert_eq!(line.outcome.subject().expect("a subject").fields.len(), 4);
    }

    #[test]
    fn what_this_version_does_not_know_is_kept() {
        let line = serde_json::json!({
            "contract": 9, "action": "rotate-keys", "username": "no\u{200b}body", "exit_code": 0,
            "outcome": {"result": "rotated", "keys": ["one", {"two": 2}]},
        });
        let read = ResultLine::read(line.clone()).expect("read");
        assert_eq!((read.action.as_deref(), read.outcome.name()), (Some("rotate-keys"), "rotated"));
        assert_eq!(read.to_json(), line);
        let change = serde_json::json!({"what": "badge", "colour": "red"});
        let read: Change = serde_json::from_value(change.clone()).expect("read");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), change);
    }

    /// A line as it has been printed since the first version, key by key: existing laptops and records have
    /// this form.
    #[test]
    fn a_line_of_version_1_stays_as_it_was() {
        let context = RunContext {
            request_id: "0199a3c4-5d6e-7f80-8123-456789abcdef".parse().ok(),
            execution: Some("quill-admin-staging-abcde".to_owned()),
            action: Some("add-role".to_owned()),
            username: "steve".parse().ok(),
            actor: "a@example.org".parse().ok(),
            reason: "why".parse().ok(),
            origin: "a pipeline".parse().ok(),
            recorded: [("ground".to_owned(), FieldValue::Text("fraud".to_owned()))].into(),
            preview: false,
            undoes: None,
            row_number: None,
        };
        let failure = Failure::new("there is no user steve");
        let line = ResultLine::new(&context, 1, ExitCode::UserNotFound, Outcome::Failed { failure });
        let expected = json!({
            "contract": 1, "request_id": "0199a3c4-5d6e-7f80-8123-456789abcdef", "action": "add-role",
            "username": "steve", "actor": "a@example.org", "reason": "why", "exit_code": 10,
            "outcome": {"result": "failed", "failure": {"message": "there is no user steve"}},
        });
        assert_eq!(line.to_json(), expected);
        let failure = Failure::new("there is no user steve");
        let line = ResultLine::new(&context, 3, ExitCode::UserNotFound, Outcome::Failed { failure });
        assert_eq!(line.to_json()["recorded"], json!({"ground": "fraud"}));
    }
}
