//! One action.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::canonical::canonical;
use crate::condition::Condition;
use crate::digest::Digest;
use crate::format::FORMAT;
use crate::job::Job;
use crate::parameter::Parameter;
use crate::statement::Statement;
use crate::step::{Listing, Step};
use crate::subject::{Expected, Subject};
use crate::table::Tables;
use crate::text::Text;
use crate::words::Words;

/// One action: what it does, and the words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its name, as on the command line and in `ADMIN_ACTION`.
    pub name: String,
    /// What it does.
    pub definition: Definition,
    /// What is said about it, and by it.
    pub words: Words,
}

/// What an action does: everything that the container goes by, and everything that its digest is taken of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The one schema that the tables are in. The search path is `pg_catalog` and this.
    pub schema: String,
    /// The tables that its statements name, with what it does to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: Tables,
    /// Conditions without which it cannot be done on a database (exit code 15).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Condition>,
    /// Its parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Whether it only reads: the transaction is READ ONLY, and nothing is locked.
    pub read: bool,
    /// What it does, one after the other.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The rows that it lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Listing>,
    /// Codes of the subject's warnings that are its very result, and not worth a warning.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub silence: BTreeSet<String>,
    /// How it is undone.
    #[serde(default, skip_serializing_if = "Undo::is_empty")]
    pub undo: Undo,
    /// The job of the application's that it runs. Then it is nothing that our container does, and has no
    /// parameters, no subject, no steps and no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

/// How an action is undone, where another action can do it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// After the subject was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Call>,
    /// After the subject was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Call>,
}

impl Undo {
    fn is_empty(&self) -> bool {
        self.created.is_none() && self.updated.is_none()
    }
}

/// An action with its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The action's name.
    pub action: String,
    /// Its parameters and what they are given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Text>,
}

/// Where in an action a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot<'a> {
    /// The subject's lock.
    Lock,
    /// The subject's query.
    Query,
    /// The names of the subject's likes.
    LookAlikes,
    /// Where the values of this parameter are looked up.
    Exists(&'a str),
    /// The step of this number, from 0.
    Step(usize),
    /// The rows that are listed.
    Rows,
}

impl Action {
    /// The digest of what it does: the SHA-256 of canonical JSON of its name and its definition.
    ///
    /// In it are the parameters with their limits and closed lists, the subject with its statements, fields
    /// and exit codes, the tables that are used with the columns they need, every step with its rows, exit
    /// codes and warning codes, and which action undoes it. Left out is what [`Words`] holds: the alias,
    /// what is said in help, prompts, messages and documentation, values that are suggested, and the order
    /// in which parameters are asked for and fields are told.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(&self.name, &json!(self.definition))
    }

    /// Whether it may change something.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !self.definition.read
    }

    /// Whether it is a job of the application's, and nothing that our container does.
    #[must_use]
    pub const fn is_job(&self) -> bool {
        self.definition.job.is_some()
    }

    /// Whether it may make its subject, as against change one that is there.
    #[must_use]
    pub fn creates(&self) -> bool {
        let expected = self.definition.subject.as_ref().map(|subject| subject.expected);
        self.writes() && matches!(expected, Some(Expected::MayExist | Expected::MustNotExist))
    }
}

impl Definition {
    /// All its statements, in the order in which they are sent.
    #[must_use]
    pub fn statements(&self) -> Vec<(Slot<'_>, &Statement)> {
        let mut statements = Vec::new();
        let subject = self.subject.as_ref();
        if let Some(lock) = subject.and_then(|subject| subject.lock.as_ref()) {
            statements.push((Slot::Lock, lock));
        }
        statements.extend(subject.map(|subject| (Slot::Query, &subject.query)));
        for (name, parameter) in &self.parameters {
            statements.extend(parameter.exists.as_ref().map(|exists| (Slot::Exists(name), &exists.query)));
        }
        statements
            .extend(self.steps.iter().enumerate().map(|(index, step)| (Slot::Step(index), step.statement())));
        statements.extend(self.rows.as_ref().map(|rows| (Slot::Rows, &rows.query)));
        if let Some(names) = subject.and_then(|subject| subject.look_alikes.as_ref()) {
            statements.push((Slot::LookAlikes, names));
        }
        statements
    }
}

/// The digest of an action of this name and definition, understood or not.
pub(crate) fn digest(name: &str, definition: &serde_json::Value) -> Digest {
    Digest::of(canonical(&json!({ "action": name, "definition": definition, "format": FORMAT })).as_bytes())
}
