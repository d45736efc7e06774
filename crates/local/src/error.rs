//! The errors of the local environment.
//!
//! To add an error: its variant of [`LocalError`] with its message, and `session/local.rs` of the crate `operations`,
//! which adds the next step.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use crate::Holder;

/// The reason why the local environment could not be started, read or reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// Another process has it running.
    #[error("the local environment in {} is in use by another quill-admin{}", directory.display(), holder.in_brackets())]
    InUse {
        /// The state directory.
        directory: PathBuf,
        /// The other process, as far as it is known.
        holder: Holder,
    },
    /// Another process serves it, with other settings, tables or actions, or as another version.
    #[error(
        "the local environment in {} is served by another quill-admin{}, which was started with other settings, \
         tables or actions, or is another version",
        directory.display(),
        holder.in_brackets()
    )]
    ServedOtherwise {
        /// The state directory.
        directory: PathBuf,
        /// The other process, as far as it is known.
        holder: Holder,
    },
    /// Another process serves it, and does not answer.
    #[error(
        "the local environment in {} is served by another quill-admin{}, which does not answer",
        directory.display(),
        holder.in_brackets()
    )]
    Silent {
        /// The state directory.
        directory: PathBuf,
        /// The other process, as far as it is known.
        holder: Holder,
        /// The system's error.
        source: io::Error,
    },
    /// Another process served it, and does not any more.
    #[error("the quill-admin that served the local environment in {} has ended; nothing was started", directory.display())]
    Ended {
        /// The state directory.
        directory: PathBuf,
    },
    /// This machine's programs cannot reach each other at 127.0.0.1, where the emulator and the database listen.
    #[error("this machine does not reach itself at 127.0.0.1, where the emulator and the database listen")]
    NoLoopback {
        /// The system's error.
        source: io::Error,
    },
    /// The state cannot be read as this program has written it.
    #[error("the local environment is damaged: {} cannot be used", path.display())]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// The fault of the file or directory.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The state was made by another version of this program.
    #[error(
        "the local environment in {} has format {found}, and this quill-admin knows format {known}",
        directory.display()
    )]
    Format {
        /// The state directory.
        directory: PathBuf,
        /// The format of the state.
        found: u32,
        /// The format that this version reads and writes.
        known: u32,
    },
    /// The state holds other tables of the application than those that are asked for; nothing in it was
    /// changed.
    #[error(
        "the local environment in {} was made for another version of the application's tables than {schema}; \
         nothing was changed",
        directory.display()
    )]
    OtherTables {
        /// The state directory.
        directory: PathBuf,
        /// The file that makes the tables that are asked for.
        schema: String,
    },
    /// PostgreSQL refuses a file of the application's. If it was to make a new environment, there is none
    /// now.
    #[error("{name}{}: {why}", place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
    Script {
        /// The name of the file.
        name: String,
        /// Line and column, from 1, if PostgreSQL reports them.
        place: Option<(usize, usize)>,
        /// PostgreSQL's message.
        why: String,
    },
    /// The directory, or something in it, was not made by this program; nothing was touched.
    #[error("{} {reason}; nothing in it was changed or deleted", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The reason why it cannot be this program's: a predicate.
        reason: String,
    },
    /// A file or directory of the state cannot be used.
    #[error("failed to {doing} {}", path.display())]
    State {
        /// The operation that failed: a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The folder in which PostgreSQL's program is unpacked cannot be used. It is none of the state's.
    #[error(
        "failed to use {}, where PostgreSQL's program is unpacked for all environments of this user",
        path.display()
    )]
    Cache {
        /// The file or directory.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The embedded database does not work.
    #[error("failed to {doing} the embedded database")]
    Database {
        /// The operation that failed: a verb.
        doing: &'static str,
        /// The database's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The emulator does not work.
    #[error("failed to {doing} the emulator")]
    Cloud {
        /// The operation that failed: a verb.
        doing: &'static str,
        /// The emulator's error.
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The kinds of errors that say why the system does not let a file be used, rather than what is in it.
const SYSTEM: [io::ErrorKind; 4] = [
    io::ErrorKind::PermissionDenied,
    io::ErrorKind::ReadOnlyFilesystem,
    io::ErrorKind::StorageFull,
    io::ErrorKind::QuotaExceeded,
];

/// The name of the folder below the user's cache in which the library unpacks PostgreSQL's program, or a part of it.
const CACHE: &str = "pglite-oxide";

impl LocalError {
    /// The kind of the system's error that keeps the state from being used: a full disk, a file system that
    /// is read-only, a missing permission. `None` for every other error.
    #[must_use]
    pub fn system(&self) -> Option<io::ErrorKind> {
        let causes = std::iter::successors(Some(self as &(dyn Error + 'static)), |&error| error.source());
        let mut kinds = causes.filter_map(|error| error.downcast_ref::<io::Error>()).map(io::Error::kind);
        kinds.find(|kind| SYSTEM.contains(kind))
    }

    pub(crate) fn state(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::State { doing, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Damaged { path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn database(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Database { doing, source: source.into() }
    }

    /// The error of a database in `directory` that does not start. The library passes errors of the system on as text
    /// only, where it keeps them for the next call.
    pub(crate) fn not_started(directory: &Path, source: Box<dyn Error + Send + Sync>) -> Self {
        let causes = std::iter::successors(Some(&*source as &(dyn Error + 'static)), |&error| error.source());
        let message = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
        match system_error(&message) {
            Some((Some(path), source)) if path.starts_with(directory) => Self::state("use", &path, source),
            Some((Some(path), source)) if path.to_string_lossy().contains(CACHE) => {
                Self::Cache { path, source }
            }
            Some((_, source)) => Self::database("start", io::Error::new(source.kind(), message)),
            None => Self::database("start", source),
        }
    }

    pub(crate) fn cloud(doing: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Cloud { doing, source: source.into() }
    }
}

/// The error of the system at the end of a message, if it is one of [`SYSTEM`], with the last path before it, as in
/// "create /home/steve/.cache: Permission denied (os error 13)".
fn system_error(message: &str) -> Option<(Option<PathBuf>, io::Error)> {
    let (before, number) = message.rsplit_once(" (os error ")?;
    let error = io::Error::from_raw_os_error(number.split(')').next()?.parse().ok()?);
    if !SYSTEM.contains(&error.kind()) {
        return None;
    }
    let context = before.rsplit_once(": ").map(|(context, _)| context).unwrap_or_default();
    Some((last_path(context), error))
}

/// The last absolute path in a message, quoted or up to the end.
fn last_path(message: &str) -> Option<PathBuf> {
    let mut slashes = message.rmatch_indices('/').map(|(at, _)| at);
    slashes.find_map(|at| match message[..at].chars().next_back()? {
        ' ' => Some(PathBuf::from(&message[at..])),
        // A quotation mark, an apostrophe or a grave accent.
        quote @ ('\u{22}' | '\u{27}' | '\u{60}') => message[at..].split(quote).next().map(PathBuf::from),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_started(message: &str) -> LocalError {
        LocalError::not_started(Path::new("/srv/.quill-admin/local/database"), message.into())
    }

    #[test]
    fn the_system_s_error_is_found_in_the_library_s_text() {
        let cache = not_started(
            "create cache lock directory /home/s j/.cache/pglite-oxide/.locks: Permission denied (os error 13)",
        );
        assert_eq!(cache.system(), Some(io::ErrorKind::PermissionDenied));
        let LocalError::Cache { path, .. } = cache else { panic!("{cache}") };
        assert_eq!(path, Path::new("/home/s j/.cache/pglite-oxide/.locks"));

        let copied =
            "copy /cache/a -> /srv/.quill-admin/local/database/a: No space left on device (os error 28)";
        let state = not_started(copied);
        assert_eq!(state.system(), Some(io::ErrorKind::StorageFull));
        let LocalError::State { path, .. } = state else { panic!("{state}") };
        assert_eq!(path, Path::new("/srv/.quill-admin/local/database/a"));

        let quoted =
            "unpack: failed to unpack `/cache/pglite-oxide/a b`: No space left on device (os error 28)";
        let LocalError::Cache { path, .. } = not_started(quoted) else { panic!("{quoted}") };
        assert_eq!(path, Path::new("/cache/pglite-oxide/a b"));

        for elsewhere in
            ["Read-only file system (os error 30)", "open /a: Read-only file system (os error 30)"]
        {
            let told = not_started(elsewhere);
            assert_eq!(told.system(), Some(io::ErrorKind::ReadOnlyFilesystem));
            assert!(matches!(told, LocalError::Database { .. }), "{told}");
        }
    }

    #[test]
    fn what_the_system_did_not_say_stays_the_database_s_error() {
        for message in
            ["WebAssembly trap", "read /cache/a: No such file or directory (os error 2)", "x (os error y)"]
        {
            let told = not_started(message);
            assert!(matches!(told, LocalError::Database { .. }) && told.system().is_none(), "{told}");
        }
    }
}
