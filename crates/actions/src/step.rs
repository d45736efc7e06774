//! What an action does, one statement after the other.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A row has to be found.
    Require(Guard),
    /// No row may be found. Where one is, what is said may name its columns.
    Refuse(Guard),
    /// Changes rows.
    Write(Write),
}

impl Step {
    /// Its statement.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        match self {
            Self::Require(guard) | Self::Refuse(guard) => &guard.statement,
            Self::Write(write) => &write.statement,
        }
    }

    /// When it is done; `None` for always.
    #[must_use]
    pub const fn when(&self) -> Option<When> {
        match self {
            Self::Require(guard) | Self::Refuse(guard) => guard.when,
            Self::Write(write) => write.when,
        }
    }
}

/// A query that decides whether to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guard {
    /// The query.
    pub statement: Statement,
    /// When it is asked; `None` for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// What happens otherwise.
    #[serde(rename = "else")]
    pub otherwise: Otherwise,
}

/// What a guard does that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The action ends with this exit code, and nothing was changed.
    Exit(u8),
    /// The action goes on, and its result has a warning of this code.
    Warn(String),
}

/// A statement that changes rows. It is written so that it finds no row where all is so already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// INSERT, UPDATE or DELETE.
    pub statement: Statement,
    /// When it is done; `None` for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// How many rows it may change.
    pub rows: RowRange,
}

/// When a step is done: it hangs on whether the subject was there before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Only where it was not.
    Absent,
    /// Only where it was.
    Present,
}

/// How many rows a write may change. Fewer: another transaction was in the way, and all starts again. More:
/// all is rolled back, and the exit code is 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRange {
    /// The fewest.
    pub min: u32,
    /// The most.
    pub max: u32,
}

impl fmt::Display for RowRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.max) } else { write!(f, "{}..{}", self.min, self.max) }
    }
}

/// The result of an action that lists rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// The query. Its columns are the columns of the list.
    pub query: Statement,
    /// How many rows are listed at most; where there are more, that is said.
    pub max: u32,
    /// What of it gets into the record.
    pub record: Record,
}

/// What of a list gets into the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// How many rows there were. The rows themselves never do: records are kept for years.
    Count,
}
