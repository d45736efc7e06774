//! What came of a task, and the line that says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::env::RunContext;
use crate::exit_code::ExitCode;
use crate::older;
use crate::subject::{Change, FieldValue, SubjectState};

/// The last line the executor prints, after COMMIT or ROLLBACK: the audit record of the run.
///
/// It stands under the key `quill_admin` of a log entry whose `message` says the same in words. It
/// holds no password and no hash.
///
/// What names something is text here, whatever rules apply where it is sent: a line of a newer executor
/// is read by an older laptop, too.
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
    /// About whom: the record of a failure has no user to name otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Who asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The reason that was given for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The run of a pipeline that asked, from contract version 3 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Values that the action has recorded, by the names of their parameters; from contract version 3 on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub recorded: BTreeMap<String, FieldValue>,
    /// The code the executor ends with. A number, so that an older CLI can pass on one it does not
    /// know.
    pub exit_code: u8,
    /// What came of it.
    pub outcome: Outcome,
}

impl ResultLine {
    /// The key it stands under in a log entry's JSON payload.
    pub const KEY: &'static str = "quill_admin";
    /// Under that, the key of the whole line as one text: what is proven, from contract version 2 on.
    pub const RESULT: &'static str = "result";
    /// Beside it, the key of its proof: see [`crate::ProofKey::prove`].
    pub const PROOF: &'static str = "proof";

    /// The line for an outcome, in a version of the contract.
    #[must_use]
    pub fn new(context: &RunContext, contract: u32, exit_code: ExitCode, outcome: Outcome) -> Self {
        Self {
            contract,
            request_id: context.request_id.map(|id| id.to_string()),
            execution: context.execution.clone().filter(|_| contract >= 2),
            action: context.action.clone(),
            username: context.username.as_ref().map(ToString::to_string),
            actor: context.actor.as_ref().map(ToString::to_string),
            reason: context.reason.as_ref().map(ToString::to_string),
            origin: context.origin.as_ref().filter(|_| contract >= 3).map(ToString::to_string),
            recorded: if contract >= 3 { context.recorded.clone() } else { BTreeMap::new() },
            exit_code: exit_code.code(),
            outcome,
        }
    }

    /// Reads it from JSON in any version of the contract.
    ///
    /// # Errors
    ///
    /// What does not have the form of a result line.
    pub fn read(mut written: Value) -> Result<Self, serde_json::Error> {
        older::raise(&mut written);
        Self::deserialize(written)
    }

    /// It as JSON, in the form that its version of the contract has.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut written = json!(self);
        older::lower(&mut written);
        written
    }

    /// Whether its exit code and its outcome cannot both be true. What an outcome means that this
    /// version does not know, it does not know either.
    #[must_use]
    pub fn contradicts_itself(&self) -> bool {
        let failed = self.exit_code != ExitCode::Success.code();
        match self.outcome.name() {
            "failed" => !failed,
            "created" | "updated" | "unchanged" | "found" | "listed" | "checked" => failed,
            _ => false,
        }
    }
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// What it is about was made.
    Created {
        /// It as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// What changed.
        changes: Vec<Change>,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// What it is about was there, and was changed.
    Updated {
        /// It as it is now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// What changed.
        changes: Vec<Change>,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// It was so already; nothing was written.
    Unchanged {
        /// It as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// What was asked for was found.
    Found {
        /// It as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<SubjectState>,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// Rows were listed. They are lines of the log before the result ([`crate::Row`]), and no part of it: results
    /// are records, and are kept for years.
    Listed {
        /// How many were listed.
        rows: u64,
        /// There are more than were listed.
        more: bool,
        /// [`crate::Row::digest`] of those that were listed; `None` from an executor whose rows are lines of text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// The database that was looked at.
    Checked {
        /// What was seen.
        database: DatabaseReport,
        /// What a person should know.
        #[serde(default)]
        warnings: Vec<Warning>,
    },
    /// Nothing was written.
    Failed {
        /// Why the task failed.
        failure: Failure,
    },
    /// One that this version does not know, or not in this form: of a newer executor.
    #[serde(untagged)]
    Other(OtherOutcome),
}

/// An outcome that this version does not know, kept as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherOutcome {
    /// The outcome's name: one word.
    pub result: String,
    /// All the rest of it.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Outcome {
    /// It in one word, as in the result line.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Created { .. } => "created",
            Self::Updated { .. } => "updated",
            Self::Unchanged { .. } => "unchanged",
            Self::Found { .. } => "found",
            Self::Listed { .. } => "listed",
            Self::Checked { .. } => "checked",
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
            | Self::Found { warnings, .. }
            | Self::Listed { warnings, .. }
            | Self::Checked { warnings, .. } => warnings,
            Self::Failed { .. } | Self::Other(_) => &[],
        }
    }

    /// What the task was about as it is now, where it was about something and did not fail.
    #[must_use]
    pub const fn subject(&self) -> Option<&SubjectState> {
        match self {
            Self::Created { subject, .. }
            | Self::Updated { subject, .. }
            | Self::Unchanged { subject, .. }
            | Self::Found { subject, .. } => subject.as_ref(),
            Self::Listed { .. } | Self::Checked { .. } | Self::Failed { .. } | Self::Other(_) => None,
        }
    }

    /// What changed, in the order it was done.
    #[must_use]
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Created { changes, .. } | Self::Updated { changes, .. } => changes,
            _ => &[],
        }
    }
}

/// Something a person should know although the task was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Which one it is, as the file of actions calls it, or one of [`warning_code`]: programs go by this, never
    /// by the text.
    pub code: String,
    /// In words.
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

    /// The code of the warning that a line of the log tells, where the result line tells it again: who shows
    /// results need not show such a line.
    #[must_use]
    pub fn code_of(payload: &Value) -> Option<&str> {
        payload.get(ResultLine::KEY)?.get("warning")?.as_str()
    }
}

/// An action with its values, for whoever wants to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextAction {
    /// The name of the action.
    pub action: String,
    /// The values of its parameters, by name. Those that are left out have to be asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
}

/// The codes of warnings that come from the executor itself, and from no file of actions.
pub mod warning_code {
    /// The password came in plain text and can be read in the execution.
    pub const PLAINTEXT_PASSWORD: &str = "plaintext_password";
    /// The name of what was made looks like another one's.
    pub const LOOK_ALIKE: &str = "look_alike";
    /// Values of rows were cut off, since they are too long for a line of the log.
    pub const VALUES_CUT: &str = "values_cut";
}

/// What the action `check` saw.
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
    /// What the file of actions expects to find in the tables.
    #[serde(default)]
    pub expected: Vec<Expected>,
    /// Actions that are not for these tables, as they say themselves.
    #[serde(default)]
    pub unavailable: Vec<Unavailable>,
}

/// An action that is not for a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unavailable {
    /// Its name.
    pub action: String,
    /// What it needs, in words that follow "it needs".
    pub needs: String,
}

/// Rows that the file of actions expects the database to have, and those that it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// The code of the warning that one of them is missing.
    pub code: String,
    /// How many are expected.
    pub count: usize,
    /// All that the database has of the kind, sorted by their bytes.
    pub found: Vec<String>,
    /// Those that are expected and that it does not have.
    pub missing: Vec<String>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// In words: what failed and why.
    pub message: String,
    /// For a value that the database has to have and does not: those there are, sorted by their bytes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub available: Vec<String>,
    /// For an unknown schema: what is missing, as `table` or `table.column`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_columns: Vec<String>,
    /// The action that may help, where the file of actions names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Box<NextAction>>,
    /// Whether the change was made is not known: the connection broke while it was being saved, or the
    /// program has a bug. Everything else that fails has changed nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undecided: bool,
}

impl Failure {
    /// A failure that has changed nothing, and is fully told in words.
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

    /// A line as it has been printed since the first version, key by key: laptops and records out there
    /// have it so.
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
