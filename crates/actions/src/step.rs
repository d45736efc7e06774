//! The steps of an action, and the rows that it lists.
//!
//! To add a kind of step: here, its form in YAML in the crate `application`, and `steps.rs` of the crate
//! `engine`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::statement::Statement;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// A query that has to find a row.
    Require(Guard),
    /// A query that must not find a row. If it does, the message may name the row's columns.
    Refuse(Guard),
    /// A statement that changes rows.
    Write(Write),
}

impl Step {
    /// The statement of the step.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        match self {
            Self::Require(guard) | Self::Refuse(guard) => &guard.statement,
            Self::Write(write) => &write.statement,
        }
    }

    /// The condition under which the step is run; `None` for always.
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
    /// The condition under which it is run; `None` for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// The consequence if the guard does not hold.
    #[serde(rename = "else")]
    pub otherwise: Otherwise,
}

/// The consequence of a guard that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Otherwise {
    /// The action ends with this exit code, and nothing is changed.
    Exit(u8),
    /// The action goes on, and its result has a warning of this code.
    Warn(String),
}

/// A statement that changes rows. It is written so that it finds no row where everything is already as asked
/// for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// INSERT, UPDATE or DELETE.
    pub statement: Statement,
    /// The condition under which it is run; `None` for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// The number of rows that it may change.
    pub rows: RowRange,
}

/// The condition of a step: whether the subject existed before the first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Only if it did not exist.
    Absent,
    /// Only if it existed.
    Present,
}

/// The number of rows that a write may change. If there are fewer, another transaction interfered, and the
/// action is run again. If there are more, all is rolled back, and the exit code is 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRange {
    /// Smallest number of rows.
    pub min: u32,
    /// Largest number of rows.
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
    /// Largest number of rows that are listed; the result says where there are more.
    pub max: u32,
    /// The part of the list that the record keeps.
    pub record: Record,
}

/// The part of a list that the record keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The number of rows. The rows themselves are never recorded: records are kept for years.
    Count,
}
