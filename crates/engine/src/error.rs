//! Why an action did not come to its end.

use std::fmt;

use quill_admin_contract::ExitCode;

use crate::next::Next;

/// An action that was not done: nothing it did is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The code to end with; never [`ExitCode::Success`].
    pub code: ExitCode,
    /// What failed and why, in words.
    pub message: String,
    /// Where a value was not found in the database: the values that there are, sorted by bytes.
    pub available: Vec<String>,
    /// Where the tables are not those that the action is for: what is missing, as `table` or `table.column`.
    pub missing_columns: Vec<String>,
    /// An action that may help.
    pub next: Option<Box<Next>>,
}

impl Failed {
    /// A failure that is fully told in words. That nothing was changed is said behind them.
    pub(crate) fn new(code: ExitCode, what: impl fmt::Display) -> Self {
        Self {
            code,
            message: format!("{what}; nothing was changed"),
            available: Vec::new(),
            missing_columns: Vec::new(),
            next: None,
        }
    }

    /// A failure that says itself, and not at its end, that nothing was changed.
    pub(crate) fn in_words(code: ExitCode, message: String) -> Self {
        Self { message, ..Self::new(code, "") }
    }

    /// As the action's own exit codes are numbers: one that is none of an executor's failures is a mistake of
    /// whoever compiled it, and must not be taken for success.
    pub(crate) fn with_number(exit: u8, what: impl fmt::Display) -> Self {
        let code = ExitCode::from_u8(exit).filter(|code| *code != ExitCode::Success);
        Self::new(code.unwrap_or(ExitCode::Unexpected), what)
    }
}

/// Why an action did not come to its end.
#[derive(Debug)]
pub enum Error {
    /// It is clear what the person is to be told.
    Failed(Failed),
    /// The server refused a statement, or is gone. Its words may hold values: who tells them has to know which.
    Database(tokio_postgres::Error),
    /// Another transaction changed what this one had just read: the same, done again, may well come to its end.
    Overtaken,
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}
