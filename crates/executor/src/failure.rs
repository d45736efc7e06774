//! The failures of a task: exit codes and messages for the errors of the database and of its connection.
//!
//! To add a failure: its SQLSTATE in `in_transaction`, and its code in the contract's `exit_code.rs`.
//!
//! **Nothing here may print a value.** A server puts the failing row into `detail`, and a trigger may put
//! anything into the message itself. So the failure is chosen by SQLSTATE; the server's own message is kept
//! only where it cannot hold more than names of tables, columns and users.

use std::error::Error as _;
use std::io;

use quill_admin_contract::{ExitCode, Failure, NextAction};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use crate::guard::Distrust;

/// A task that failed: its exit code, and the reason.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) code: ExitCode,
    pub(crate) failure: Failure,
}

impl Failed {
    pub(crate) fn new(code: ExitCode, message: impl Into<String>) -> Self {
        Self { code, failure: Failure::new(message) }
    }

    /// A failure before COMMIT was sent, which changed nothing.
    fn unchanged(code: ExitCode, message: &str) -> Self {
        Self::new(code, format!("{message}; nothing was changed"))
    }
}

/// The reason why an action did not finish.
#[derive(Debug)]
pub(crate) enum ActionError {
    /// The action failed, with a message for the person.
    Failed(Failed),
    /// The server refused a statement, or the connection broke.
    Database(Error),
    /// Another transaction changed data that this one had just read.
    Overtaken,
}

impl From<Failed> for ActionError {
    fn from(failed: Failed) -> Self {
        Self::Failed(failed)
    }
}

impl From<Error> for ActionError {
    fn from(error: Error) -> Self {
        Self::Database(error)
    }
}

impl ActionError {
    /// Whether the same transaction may succeed if it is run again: another one was faster, and its changes
    /// would be seen now.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Failed(_) => false,
            Self::Overtaken => true,
            Self::Database(error) => error.code().is_some_and(|code| {
                [
                    SqlState::T_R_DEADLOCK_DETECTED,
                    SqlState::T_R_SERIALIZATION_FAILURE,
                    // Somebody took the email after the action had looked: another attempt finds out whose it
                    // is.
                    SqlState::UNIQUE_VIOLATION,
                    // Somebody deleted the role after the action had looked.
                    SqlState::FOREIGN_KEY_VIOLATION,
                ]
                .contains(code)
            }),
        }
    }

    /// The failure to report when there are no more attempts. Everything has been rolled back.
    pub(crate) fn into_failed(self) -> Failed {
        match self {
            Self::Failed(failed) => failed,
            Self::Overtaken => Failed::unchanged(
                ExitCode::RowLocked,
                "other transactions kept changing the same user at the same time",
            ),
            Self::Database(error) => in_transaction(&error),
        }
    }
}

/// Takes over the engine's errors unchanged.
impl From<quill_admin_engine::Error> for ActionError {
    fn from(error: quill_admin_engine::Error) -> Self {
        match error {
            quill_admin_engine::Error::Failed(failed) => Self::Failed(failed.into()),
            quill_admin_engine::Error::Database(error) => Self::Database(error),
            quill_admin_engine::Error::Overtaken => Self::Overtaken,
        }
    }
}

impl From<quill_admin_engine::Failed> for Failed {
    fn from(failed: quill_admin_engine::Failed) -> Self {
        let quill_admin_engine::Failed { code, message, available, missing_columns, next } = failed;
        let next = next.map(|next| Box::new(NextAction { action: next.action, with: next.with }));
        Self { code, failure: Failure { available, missing_columns, next, ..Failure::new(message) } }
    }
}

/// The reason why the server refuses to prepare a statement; `None` where the error is not about the
/// statement.
pub(crate) fn why_refused(error: &Error) -> Option<String> {
    let db = error.as_db_error()?;
    matches!(class(db.code().code()), "42" | "22" | "0A" | "3F")
        .then(|| server_words(db).trim_start_matches(": ").to_owned())
}

/// A statement failed before COMMIT was sent.
fn in_transaction(error: &Error) -> Failed {
    let Some(db) = error.as_db_error() else {
        return if is_lost(error) {
            Failed::unchanged(
                ExitCode::DatabaseUnreachable,
                &format!("the connection to the database was lost ({})", cause(error)),
            )
        } else {
            // A value does not fit the type as which it is read. The error's text may quote the value.
            Failed::unchanged(
                ExitCode::SchemaMismatch,
                "the database holds a value of a type this image does not know",
            )
        };
    };
    let state = db.code().code();
    let class = class(state);
    let words = server_words(db);
    let (code, what) = match (class, &state[class.len()..]) {
        ("55", "P03") => (
            ExitCode::RowLocked,
            "the row is locked by somebody else, and still was after 10 s of waiting".to_owned(),
        ),
        ("40", _) => (
            ExitCode::RowLocked,
            format!("other transactions were in the way, again and again (SQLSTATE {state})"),
        ),
        ("57", "014") => (
            ExitCode::DatabaseUnreachable,
            "the database gave a statement up: it took more than 30 s, or an administrator cancelled it"
                .to_owned(),
        ),
        ("57" | "08" | "53" | "58", _) => {
            (ExitCode::DatabaseUnreachable, format!("the database gave up{words}"))
        }
        ("42", "501") | ("28" | "3D", _) => {
            (ExitCode::DatabaseRefused, format!("the database refused{words}"))
        }
        ("25", "006") => (
            ExitCode::DatabaseRefused,
            format!("the database accepts no changes at present, as a replica does{words}"),
        ),
        // The value cannot be represented in the database's own encoding.
        ("22", "021" | "P05") => {
            (ExitCode::Usage, "a value holds characters the database's encoding cannot store".to_owned())
        }
        ("22" | "23" | "42" | "44" | "P0" | "0A", _) => {
            (ExitCode::SchemaMismatch, format!("the database has a rule this image does not know{words}"))
        }
        _ => (ExitCode::Unexpected, format!("the database reported an error{words}")),
    };
    Failed::unchanged(code, &what)
}

/// The part of the server's answer that may be shown: it begins with a colon, and always has the SQLSTATE.
fn server_words(db: &DbError) -> String {
    let state = db.code().code();
    // Code in the database (a trigger, a function) chooses SQLSTATE, message and object names freely, but not
    // its context, which begins with the place of the error. The server's own errors have no context, or a
    // statement as theirs.
    let server = |context: &str| context.starts_with("while ") || context.starts_with("SQL statement ");
    if !db.where_().is_none_or(server) {
        return format!(": SQLSTATE {state}, raised by a trigger or function");
    }
    let only_names = matches!(class(state), "28" | "3D" | "57" | "53" | "08")
        || ["42501", "42P01", "42703", "42P10", "25006"].contains(&state);
    if only_names {
        return format!(": {} (SQLSTATE {state})", db.message());
    }
    let mut parts = vec![format!("SQLSTATE {state}")];
    let named = [("constraint", db.constraint()), ("table", db.table()), ("column", db.column())];
    parts.extend(named.iter().filter_map(|(what, name)| name.map(|name| format!("{what} {name}"))));
    format!(": {}", parts.join(", "))
}

/// The first two characters of an SQLSTATE: the class of the error.
fn class(state: &str) -> &str {
    state.get(..2).unwrap_or(state)
}

/// Whether the connection broke; otherwise the server answered with an error.
fn is_lost(error: &Error) -> bool {
    error.is_closed() || error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

/// Whether COMMIT may have been carried out despite this error. A plain ERROR means that the server rolled
/// back.
pub(crate) fn leaves_commit_open(error: &Error) -> bool {
    match error.as_db_error() {
        None => true,
        Some(db) => !matches!(db.parsed_severity(), Some(Severity::Error)),
    }
}

/// The cause of an error of the connection: system messages and TLS, never values.
pub(crate) fn cause(error: &Error) -> String {
    match error.as_db_error() {
        Some(db) => server_words(db).trim_start_matches(": ").to_owned(),
        None => error.source().map_or_else(|| error.to_string(), ToString::to_string),
    }
}

/// The meaning of a failed attempt to connect for the next attempt.
pub(crate) enum Attempt {
    /// The server, or its certificate, will give the same answer in a second.
    Refused(String),
    /// The server may be ready soon.
    NotYet(String),
}

/// Judges a failed attempt to connect.
pub(crate) fn attempt(error: &Error) -> Attempt {
    if let Some(db) = error.as_db_error() {
        let state = db.code().code();
        let mut words = format!("{} (SQLSTATE {state})", db.message());
        // The server gives the same answer if it wants SCRAM and has stored an MD5 hash: only its own log
        // tells the two apart.
        if *db.code() == SqlState::INVALID_PASSWORD {
            words.push_str(
                ": the given password is not the user's, or the user's is stored with MD5; to set it again where \
                 password_encryption is scram-sha-256 puts both right",
            );
        }
        return match class(state) {
            // The server is starting up, shutting down, out of connections or memory, or has an internal
            // error.
            "57" | "53" | "08" | "58" | "XX" => Attempt::NotYet(words),
            _ => Attempt::Refused(words),
        };
    }
    let Some(source) = error.source() else {
        return Attempt::NotYet(cause(error));
    };
    let Some(io) = source.downcast_ref::<io::Error>() else {
        // The error is neither the server's nor the system's, so it is the client's own: an authentication
        // method that it does not know.
        return Attempt::Refused(cause(error));
    };
    match (broken(io), io.kind()) {
        // SCRAM found the server's proof wrong, or a message is not one of PostgreSQL's. The system's errors
        // are of other kinds.
        (
            Attempt::NotYet(words),
            io::ErrorKind::Other | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData,
        ) => Attempt::Refused(format!("what answers there is not the database: {words}")),
        (judged, _) => judged,
    }
}

/// Judges an error of input or output during an attempt to connect.
pub(crate) fn broken(error: &io::Error) -> Attempt {
    let words = error.to_string();
    match error.get_ref() {
        Some(inner) if inner.is::<rustls::Error>() => Attempt::Refused(format!("TLS: {words}")),
        Some(inner) if inner.is::<Distrust>() => Attempt::Refused(words),
        // This user may not open the Unix socket.
        _ if error.kind() == io::ErrorKind::PermissionDenied => Attempt::Refused(words),
        _ => Attempt::NotYet(words),
    }
}
