//! The subject of an action: the row that it is about, and the states of it to warn of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;

/// The subject of an action: one row, which is read before its steps and again after them. The difference
/// between the two is the change, its record, and what can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The kind of the subject, such as `user`.
    pub name: String,
    /// Whether it has to exist.
    pub expected: Expected,
    /// The parameters that identify one of its kind; empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// The statement that locks its row, as the first one of the action: a transaction that was waited for
    /// may have changed more than this row, and only the next statement sees that. Actions that only read
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Statement>,
    /// The query that reads it: one row, or none where it does not exist.
    pub query: Statement,
    /// Columns of `query` that are shown and recorded. The others are only compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    /// Columns of `query` that are never shown: only that they changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
    /// The exit code where it has to exist and does not, or the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// A query for the names of all others, in one column of texts: if a new one is created whose name looks
    /// like one of them, the result warns (`look_alike`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_alikes: Option<Statement>,
    /// States to warn of although the action was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<Watch>,
}

/// Whether the subject has to exist before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It has to exist.
    MustExist,
    /// It may exist; otherwise the action creates it.
    MayExist,
    /// It must not exist: the action creates it.
    MustNotExist,
}

impl Expected {
    /// All values.
    pub const ALL: [Self; 3] = [Self::MustExist, Self::MayExist, Self::MustNotExist];

    /// The word for it in the file of actions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MustExist => "must exist",
            Self::MayExist => "may exist",
            Self::MustNotExist => "must not exist",
        }
    }
}

/// A state of the subject to warn of, once the action is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The field that is checked. One that this generation of the tables does not have is no reason to warn.
    pub field: String,
    /// The value to warn of.
    pub is: Is,
    /// The code of the warning.
    pub code: String,
}

/// A value to compare a field with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Is {
    /// True or false.
    Boolean(bool),
    /// A text.
    Text(String),
}
