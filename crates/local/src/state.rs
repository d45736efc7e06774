//! The state directory: the lock on it, and the files that are known to be complete.
//!
//! ```text
//! .quill-admin/local/
//!   quill-admin-local  says that quill-admin made the folder, see `folder`
//!   lock         held by the process that has the environment running, whose name is in it, see `holder`
//!   layout.json  written last on first use: from then on the rest is complete, and holds these tables
//!   layout.json.part  written first, and renamed to layout.json last: only where it is, first use was interrupted
//!   database/    PostgreSQL's files
//!   cloud.json   what the emulator remembers
//!   actions.json  compiled actions, where tasks have others than the program that runs them
//!   manifests.json  what the database cannot start without, see `manifests`
//!   files.json   PostgreSQL's files as the last end has left them, see `files`
//! ```
//!
//! To add a file: `folder.rs`, then its method here. `FORMAT` is raised by a change after which older states cannot
//! be used.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;

use crate::folder::{ACTIONS, CLOUD, DATABASE, Folder, IGNORE, LAYOUT, LAYOUT_PART, LOCK};
use crate::holder::{Holder, Note, Serves};
use crate::read::read_all;
use crate::{LocalError, Tables, files, manifests};

/// The format of everything in the state directory. It is raised by a change after which older states cannot
/// be used.
const FORMAT: u32 = 1;

const MB: u64 = 1_000_000;
/// The free space that a new environment needs: its files take 33 MB.
const NEEDED: u64 = 50 * MB;
/// The free space with which PostgreSQL cannot start.
const LITTLE: u64 = MB;

#[derive(Serialize, Deserialize)]
struct Layout {
    format: u32,
    /// The digest of the tables that the database was made of. States from before digests were recorded have
    /// none: their tables were another set, which no application's folder has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tables: Option<String>,
}

impl Layout {
    /// Fails if the environment was made of other tables.
    fn has_tables(&self, tables: &Tables, directory: &Path) -> Result<(), LocalError> {
        if self.tables.as_deref() == Some(tables.digest().as_str()) {
            return Ok(());
        }
        Err(LocalError::OtherTables { directory: directory.to_owned(), schema: tables.schema.name.clone() })
    }
}

/// The state directory, held by this process.
pub(crate) struct State {
    folder: Folder,
    /// The lock file, which is locked until it is closed, at the latest by the end of the process.
    lock: File,
    command: String,
}

impl State {
    /// Locks the directory, which is created if it is missing.
    pub(crate) fn hold(directory: &Path, command: &str) -> Result<Self, LocalError> {
        let folder = Folder::make(directory)?;
        let state = Self { lock: lock(&folder)?, folder, command: command.to_owned() };
        state
            .note(None)
            .map_err(|source| LocalError::state("write", &state.folder.path().join(LOCK), source))?;
        state.folder.clear_unnamed()?;
        Ok(state)
    }

    /// Writes into the lock file who holds the lock.
    fn note(&self, serves: Option<Serves>) -> io::Result<()> {
        Note { process: std::process::id(), command: self.command.clone(), serves }.write(&self.lock)
    }

    /// Says to other commands where they find the running environment.
    pub(crate) fn serve(&self, port: u16, options: String) -> Result<(), LocalError> {
        self.note(Some(Serves { port, options }))
            .map_err(|source| LocalError::state("write", &self.folder.path().join(LOCK), source))
    }

    /// Says to other commands that this environment is about to end: they wait for it, and do not use it.
    pub(crate) fn serve_no_more(&self) {
        // An empty note says nothing, and no address either.
        if self.note(None).is_err() {
            let _ = self.lock.set_len(0);
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }

    /// Fails if the disk has less free space than a new environment takes. Half of one would be worth nothing.
    pub(crate) fn needs_space(&self) -> Result<(), LocalError> {
        match self.folder.free() {
            Some(free) if free < NEEDED => {
                Err(self.full(free, &format!(", and {} MB are needed", NEEDED / MB)))
            }
            _ => Ok(()),
        }
    }

    /// The error of a database. PostgreSQL does not always pass on that the disk is full.
    pub(crate) fn explained(&self, error: LocalError) -> LocalError {
        match self.folder.free() {
            Some(free) if free < LITTLE && error.system().is_none() => self.full(free, ""),
            _ => error,
        }
    }

    fn full(&self, free: u64, needed: &str) -> LocalError {
        let told = format!("the disk is full: {} MB are free{needed}", free / MB);
        let source = io::Error::new(io::ErrorKind::StorageFull, told);
        LocalError::state("write to", self.folder.path(), source)
    }

    pub(crate) fn cloud(&self) -> PathBuf {
        self.folder.path().join(CLOUD)
    }

    /// Whether an earlier start has completed the state. A state that was made of other tables is an error.
    pub(crate) fn is_complete(&self, tables: &Tables) -> Result<bool, LocalError> {
        let directory = self.folder.path().to_owned();
        match read_whole(&self.folder)? {
            None => Ok(false),
            Some(Layout { format, .. }) if format != FORMAT => {
                Err(LocalError::Format { directory, found: format, known: FORMAT })
            }
            Some(layout) => layout.has_tables(tables, &directory).map(|()| true),
        }
    }

    /// Begins an environment: empties the directory, whatever an earlier start that did not finish has left
    /// there.
    pub(crate) fn begin(&self) -> Result<(), LocalError> {
        // From now on until the layout has its name, what is here is of a start that did not finish.
        self.folder.write(LAYOUT_PART, b"")?;
        self.folder.clear(Some(LAYOUT_PART))?;
        // Most states are inside a repository, and must not be committed.
        self.folder.write(IGNORE, b"*\n")?;
        // The emulator writes the file a moment after its start. A complete state has one at any time.
        self.folder.write(CLOUD, b"{}")
    }

    /// Repairs the database's manifests after a process that was killed during its start.
    pub(crate) fn restore_manifests(&self) -> Result<(), LocalError> {
        manifests::restore(&self.folder)
    }

    /// Fails if a file of the database is damaged for certain. Returns whether all of them are as the last end in
    /// order has left them; otherwise PostgreSQL has to be asked.
    pub(crate) fn check_database(&self) -> Result<bool, LocalError> {
        files::compare(&self.folder)
    }

    /// The error of a database that does not read its files: they are damaged, unless it has another reason.
    pub(crate) fn unreadable(&self, error: LocalError) -> LocalError {
        let error = self.explained(error);
        let LocalError::Database { source, .. } = &error else { return error };
        let Some(told) = source.downcast_ref::<tokio_postgres::Error>().and_then(fault) else { return error };
        LocalError::damaged(&self.database(), told)
    }

    /// Lists the files of a database that has ended in order. Without the list the next start takes longer.
    pub(crate) fn keep_files(&self) {
        let _ = files::keep(&self.folder);
    }

    /// Saves the manifests of a database that has started.
    pub(crate) fn keep_manifests(&self) -> Result<(), LocalError> {
        manifests::keep(&self.folder)
    }

    /// Saves the actions for the tasks of this start, and returns the file's path.
    pub(crate) fn write_actions(&self, compiled: &str) -> Result<PathBuf, LocalError> {
        self.folder.write(ACTIONS, compiled.as_bytes())?;
        Ok(self.folder.path().join(ACTIONS))
    }

    /// Records that the environment is complete, and the tables that it was made of.
    pub(crate) fn mark_complete(&self, tables: &Tables) -> Result<(), LocalError> {
        let layout = serde_json::to_vec(&Layout { format: FORMAT, tables: Some(tables.digest()) })
            .map_err(|error| LocalError::state("write", &self.folder.path().join(LAYOUT), error.into()))?;
        // The file is written under another name first, so that it is complete or missing.
        self.folder.write(LAYOUT_PART, &layout)?;
        self.folder.rename(LAYOUT_PART, LAYOUT)
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The next process holds the lock for a moment before its own note is there.
        let _ = self.lock.set_len(0);
    }
}

/// Fails if an environment that another process serves was made of other tables.
pub(crate) fn served_tables(directory: &Path, tables: &Tables) -> Result<(), LocalError> {
    let folder = Folder::open(directory)?;
    let layout = folder.map(|folder| read_layout(&folder)).transpose()?.flatten();
    layout.map_or(Ok(()), |layout| layout.has_tables(tables, directory))
}

/// The status of a state directory, found without starting anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state directory.
    pub directory: PathBuf,
    /// Whether there is an environment: it was started at least once, and not reset since.
    pub exists: bool,
    /// Whether a process uses it now.
    pub in_use: bool,
    /// That process, as far as it is known.
    #[serde(skip)]
    pub holder: Option<Holder>,
    /// Total size of its files, in bytes.
    pub bytes: u64,
    /// The digest of the tables that it was made of, see [`Tables::digest`]; `None` where there is no
    /// environment, or where it is older than these digests.
    pub tables: Option<String>,
}

/// Reads the status of a state directory, which need not exist. Nothing is started or changed.
///
/// # Errors
///
/// Fails if the directory was not made by this program, or if it cannot be read.
pub fn status(directory: &Path) -> Result<Status, LocalError> {
    let Some(folder) = Folder::open(directory)? else {
        return Ok(Status {
            directory: directory.to_owned(),
            exists: false,
            in_use: false,
            holder: None,
            bytes: 0,
            tables: None,
        });
    };
    let holder = holder(&folder)?;
    // Where a process uses it, it may be about to make or delete it.
    let layout = if holder.is_some() { read_layout(&folder)? } else { read_whole(&folder)? };
    Ok(Status {
        exists: layout.is_some(),
        tables: layout.and_then(|layout| layout.tables),
        in_use: holder.is_some(),
        holder,
        bytes: folder.size()?,
        directory: directory.to_owned(),
    })
}

/// The process that has the environment running, if there is one.
fn holder(folder: &Folder) -> Result<Option<Holder>, LocalError> {
    match folder.file(LOCK, OFlags::RDONLY) {
        // The lock is shared, so that two processes that only read the status do not see each other.
        Ok(file) => match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(Holder::of(file))),
            Err(TryLockError::Error(source)) => {
                Err(LocalError::state("lock", &folder.path().join(LOCK), source))
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalError::state("read", &folder.path().join(LOCK), source)),
    }
}

/// The process that has the environment of a directory running, if there is one.
pub(crate) fn holder_of(directory: &Path) -> Result<Option<Holder>, LocalError> {
    Folder::open(directory)?.map_or(Ok(None), |folder| holder(&folder))
}

/// Fails if the contents of a state directory cannot be counted, because its files cannot be written: to count them,
/// the environment is started.
///
/// # Errors
///
/// Fails with the system's error, and as [`status`] does.
pub fn countable(directory: &Path) -> Result<(), LocalError> {
    let Some(folder) = Folder::open(directory)? else { return Ok(()) };
    folder.writable().map_err(|errno| LocalError::state("count what is in", directory, errno.into()))
}

/// Removes everything that an environment has kept: its users, its executions, their logs. Returns whether
/// there was anything to remove; then `on_begin` is called before it, with the size in bytes, where that is known.
///
/// # Errors
///
/// Fails while the environment is running, or if the directory or anything in it was not made by this
/// program: then nothing is removed. Also fails if a file cannot be removed.
pub fn reset(directory: &Path, on_begin: impl FnOnce(Option<u64>)) -> Result<bool, LocalError> {
    let Some(folder) = Folder::open(directory)? else { return Ok(false) };
    let state = State { lock: lock(&folder)?, folder, command: "local reset".to_owned() };
    // The note is for messages. A full disk must not keep this command from making room.
    let _ = state.note(None);
    let existed = state.folder.holds_any()?;
    if existed {
        on_begin(state.folder.size().ok());
    }
    state.folder.clear(None)?;
    Ok(existed)
}

/// The fault of PostgreSQL's files, by its error; `None` where the error has another reason. With damaged files it
/// ends the connection, or makes none, mostly without a word.
fn fault(error: &tokio_postgres::Error) -> Option<String> {
    /// The reasons that it names for which there is nothing wrong with them.
    const OTHERS: [SqlState; 4] = [
        SqlState::DISK_FULL,
        SqlState::OUT_OF_MEMORY,
        SqlState::INSUFFICIENT_PRIVILEGE,
        SqlState::QUERY_CANCELED,
    ];
    match error.as_db_error() {
        Some(said) if OTHERS.contains(said.code()) => None,
        Some(said) => Some(said.message().to_owned()),
        None => Some("PostgreSQL cannot open it".to_owned()),
    }
}

fn lock(folder: &Folder) -> Result<File, LocalError> {
    let failed = |source| LocalError::state("lock", &folder.path().join(LOCK), source);
    let file = folder.file(LOCK, OFlags::RDWR | OFlags::CREATE).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            // What another process has left there is nobody's note any more, and the file is this user's alone again
            // where it was copied: others believe an address in such a file only.
            file.set_len(0).map_err(failed)?;
            let _ = rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR);
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            Err(LocalError::InUse { directory: folder.path().to_owned(), holder: Holder::of(file) })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// The layout of a complete state; `None` where there is no state, or one whose making was interrupted.
///
/// # Errors
///
/// Fails if a file is missing without which the state is not complete. Nothing is made in its place: what else is
/// there would be lost.
fn read_whole(folder: &Folder) -> Result<Option<Layout>, LocalError> {
    let missing = |name| Err(LocalError::damaged(&folder.path().join(name), "it is missing"));
    match read_layout(folder)? {
        None if !folder.has(LAYOUT_PART)? && folder.holds_any()? => missing(LAYOUT),
        Some(Layout { format: FORMAT, .. }) if !folder.has(CLOUD)? => missing(CLOUD),
        found => Ok(found),
    }
}

fn read_layout(folder: &Folder) -> Result<Option<Layout>, LocalError> {
    let path = || folder.path().join(LAYOUT);
    match folder.file(LAYOUT, OFlags::RDONLY).and_then(read_all) {
        Ok(text) => {
            serde_json::from_slice(&text).map(Some).map_err(|error| LocalError::damaged(&path(), error))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalError::state("read", &path(), source)),
    }
}
