//! The application's tables, as far as actions depend on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;
use crate::text::Text;

/// A table: what it has to have, and what is done with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Columns that have to be there. One that is missing ends an action with exit code 15.
    pub needs: BTreeSet<String>,
    /// Columns that may be there: what conditions ask for, and what may be NOT NULL without a default.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub knows: BTreeSet<String>,
    /// In the set: what actions may do with it at most. In an action: what that action does.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub rights: BTreeSet<Right>,
}

/// A privilege on a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// To read rows.
    Select,
    /// To add rows.
    Insert,
    /// To change rows, or to lock them.
    Update,
    /// To delete rows.
    Delete,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// Its name, as in the file and, in upper case, in SQL.
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

/// What the built-in action `check` expects a query to return, beside the tables themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// A query with one column of texts and without parameters.
    pub query: Statement,
    /// The texts that have to be among its rows.
    pub has: BTreeSet<String>,
    /// The code of the warning that one is missing.
    pub code: String,
    /// The warning in words. `{missing}` ([`crate::Segment::Found`]) is what is missing, with commas.
    pub say: Text,
}

/// The tables, by name.
pub(crate) type Tables = BTreeMap<String, Table>;
