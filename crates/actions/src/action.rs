//! One action: its definition, which the container runs and the digest covers, and its words, which people
//! read.
//!
//! To add a key: its field in [`Definition`], or in `words.rs` where only people read it; its form in YAML in the
//! crate `application`; its use in the crate `engine`. A statement in a new place also needs a variant of [`Slot`],
//! and its line in `Definition::statements`.

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

/// One action: its definition, and its words for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its name, as on the command line and in `ADMIN_ACTION`.
    pub name: String,
    /// The definition of what the action does.
    pub definition: Definition,
    /// The texts about the action, and its messages.
    pub words: Words,
}

/// The definition of an action: everything that the container uses, and that the digest is computed from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// The one schema that holds the tables. The search path is `pg_catalog` and this schema.
    pub schema: String,
    /// The tables that its statements name, with the rights that they need.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: Tables,
    /// Conditions that a database has to meet; otherwise the action fails (exit code 15).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub needs: BTreeSet<Condition>,
    /// Its parameters, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// The subject of the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Whether it only reads: the transaction is READ ONLY, and nothing is locked.
    pub read: bool,
    /// The steps, in the order in which they are run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The rows that it lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Listing>,
    /// Codes of the subject's warnings that are the very purpose of the action, and so not worth a warning.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub silence: BTreeSet<String>,
    /// The actions that undo it.
    #[serde(default, skip_serializing_if = "Undo::is_empty")]
    pub undo: Undo,
    /// The application's own job that the action runs. Such an action does nothing in our container, and has
    /// no parameters, no subject, no steps and no rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Job>,
}

/// The actions that undo an action.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// The undo after the subject was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Call>,
    /// The undo after the subject was changed.
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
    /// The values of its parameters.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Text>,
}

/// The place of a statement within an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot<'a> {
    /// The subject's lock.
    Lock,
    /// The subject's query.
    Query,
    /// The names that a new name is compared with.
    LookAlikes,
    /// The query for the values that this parameter may have.
    Exists(&'a str),
    /// The step of this number, from 0.
    Step(usize),
    /// The rows that are listed.
    Rows,
}

impl Action {
    /// The digest of the action: the SHA-256 of canonical JSON of its name and its definition.
    ///
    /// It covers the parameters with their limits and closed lists, the subject with its statements, fields
    /// and exit codes, the tables with the columns that are needed, every step with its number of rows, exit
    /// codes and warning codes, and the actions that undo it. It does not cover [`Words`]: the alias, texts
    /// of help, prompts, messages and documentation, suggested values, and the order in which parameters are
    /// asked for and fields are shown.
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest(&self.name, &json!(self.definition))
    }

    /// Whether the action may change data.
    #[must_use]
    pub const fn writes(&self) -> bool {
        !self.definition.read
    }

    /// Whether the action is a job of the application's, which our container does not run.
    #[must_use]
    pub const fn is_job(&self) -> bool {
        self.definition.job.is_some()
    }

    /// Whether the action may create its subject.
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

/// The digest of an action of this name and definition, whether it is understood or not.
pub(crate) fn digest(name: &str, definition: &serde_json::Value) -> Digest {
    Digest::of(canonical(&json!({ "action": name, "definition": definition, "format": FORMAT })).as_bytes())
}
