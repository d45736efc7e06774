//! What an action is about.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;

/// What an action is about: one row, which is read before its steps and again after them. The difference
/// between the two is the change, the record of it, and what can be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is called: `user`.
    pub name: String,
    /// Whether it has to be there.
    pub expected: Expected,
    /// The parameters that name one of its kind; empty where there is only one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<String>,
    /// Takes its row, first of all and in a statement of its own: what it waited for changed more than this
    /// row, and only the next statement sees that. Left out by actions that only read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Statement>,
    /// Reads it: one row, or none where it is not there.
    pub query: Statement,
    /// Columns of `query` that are told and recorded. The others are only compared.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    /// Columns of `query` that are never told: only that they changed.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
    /// The exit code where it has to be there and is not, or the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<u8>,
    /// The names of all others, in one column of texts: where a new one is made whose name looks like one of
    /// them, the result warns (`look_alike`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_alikes: Option<Statement>,
    /// States that a person should know of although the action was done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<Watch>,
}

/// Whether the subject has to be there before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// It has to be there.
    MustExist,
    /// It may be there; else the action makes it.
    MayExist,
    /// It must not be there: the action makes it.
    MustNotExist,
}

impl Expected {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::MustExist, Self::MayExist, Self::MustNotExist];

    /// As the file says it.
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
    /// The field to look at. One that this generation of the tables does not have is no reason to warn.
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
