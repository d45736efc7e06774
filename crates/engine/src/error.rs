//! The errors that end an action: failures for the person, errors of the database, and conflicts with another
//! transaction.

use std::fmt;

use quill_admin_contract::ExitCode;

use crate::next::Next;

/// A failed action: none of its changes may be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The code to end with; never [`ExitCode::Success`].
    pub code: ExitCode,
    /// The failure and its reason, in words.
    pub message: String,
    /// The values that the database has, sorted by bytes, where one was given that it does not have.
    pub available: Vec<String>,
    /// The missing parts, as `table` or `table.column`, where the tables are not those that the action is
    /// for.
    pub missing_columns: Vec<String>,
    /// An action that may help.
    pub next: Option<Box<Next>>,
}

impl Failed {
    /// A failure that its message describes completely. The message gets the ending that nothing was changed.
    pub(crate) fn new(code: ExitCode, what: impl fmt::Display) -> Self {
        Self {
            code,
            message: format!("{what}; nothing was changed"),
            available: Vec::new(),
            missing_columns: Vec::new(),
            next: None,
        }
    }

    /// A failure whose message says itself, and not at its end, that nothing was changed.
    pub(crate) fn in_words(code: ExitCode, message: String) -> Self {
        Self { message, ..Self::new(code, "") }
    }

    /// A failure with the exit code of an action, which is a number. A number that is no failure of an
    /// executor is a mistake of the compiler of the action, and must not be taken for success.
    pub(crate) fn with_number(exit: u8, what: impl fmt::Display) -> Self {
        let code = ExitCode::from_u8(exit).filter(|code| *code != ExitCode::Success);
        Self::new(code.unwrap_or(ExitCode::Unexpected), what)
    }
}

/// The reason why an action did not finish.
#[derive(Debug)]
pub enum Error {
    /// The action failed, with a message for the person.
    Failed(Failed),
    /// The server refused a statement, or the connection broke. Its message may hold values: whoever shows it
    /// has to know which.
    Database(tokio_postgres::Error),
    /// Another transaction changed data that this one had just read: the action may succeed if it is run
    /// again.
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
