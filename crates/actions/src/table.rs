//! The application's tables, as far as actions depend on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;
use crate::text::Text;

/// A table: the columns that it has to have, and the rights that actions use on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Columns that have to exist. If one is missing, an action ends with exit code 15.
    pub needs: BTreeSet<String>,
    /// Columns that may exist: those in conditions, and those that may be NOT NULL without a default.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub knows: BTreeSet<String>,
    /// In the set: the rights that actions may use at most. In an action: the rights that it uses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rights: BTreeSet<Right>,
}

/// A privilege on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// The right to read rows.
    Select,
    /// The right to add rows.
    Insert,
    /// The right to change rows, or to lock them.
    Update,
    /// The right to delete rows.
    Delete,
}

impl Right {
    /// All rights.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// The name of the right, as in the file and, in upper case, in SQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Rows that the built-in action `check` expects a query to return, beside the tables themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// A query with one column of texts and without parameters.
    pub query: Statement,
    /// The texts that have to be among its rows.
    pub has: BTreeSet<String>,
    /// The code of the warning that one is missing.
    pub code: String,
    /// The warning in words. `{missing}` ([`crate::Segment::Found`]) stands for the missing texts, with
    /// commas.
    pub say: Text,
}

/// The tables, by name.
pub(crate) type Tables = BTreeMap<String, Table>;
