//! The state directory: who may use it, and what in it is known to be complete.
//!
//! ```text
//! .quill-admin/local/
//!   lock         held by the process that has the environment running
//!   layout.json  written last on first use: from then on the rest is complete
//!   database/    PostgreSQL's files
//!   cloud.json   what the emulator remembers
//! ```

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::LocalError;

/// The form of everything below the state directory. A change that an older state cannot be used
/// with counts up.
const FORMAT: u32 = 1;

const LOCK: &str = "lock";
const LAYOUT: &str = "layout.json";

#[derive(Serialize, Deserialize)]
struct Layout {
    format: u32,
}

/// The state directory, held by this process.
pub(crate) struct State {
    directory: PathBuf,
    /// Locked until it is closed, which the end of the process does too.
    _lock: File,
}

impl State {
    /// Takes hold of the directory, which is created where it is missing.
    pub(crate) fn hold(directory: &Path) -> Result<Self, LocalError> {
        create_private(directory).map_err(|source| LocalError::state("create", directory, source))?;
        let lock = lock(directory)?;
        Ok(Self { directory: directory.to_owned(), _lock: lock })
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("database")
    }

    pub(crate) fn cloud(&self) -> PathBuf {
        self.directory.join("cloud.json")
    }

    /// Whether an earlier start has completed it.
    pub(crate) fn is_complete(&self) -> Result<bool, LocalError> {
        match read_layout(&self.directory)? {
            None => Ok(false),
            Some(Layout { format: FORMAT }) => Ok(true),
            Some(Layout { format }) => {
                Err(LocalError::Format { directory: self.directory.clone(), found: format, known: FORMAT })
            }
        }
    }

    /// Begins an environment: in a directory that is empty, whatever a first start that did not come
    /// to its end has left.
    pub(crate) fn begin(&self) -> Result<(), LocalError> {
        self.clear()?;
        // Most playgrounds are inside a repository, and none of this is for it.
        let ignore = self.directory.join(".gitignore");
        fs::write(&ignore, "*\n").map_err(|source| LocalError::state("write", &ignore, source))
    }

    fn clear(&self) -> Result<(), LocalError> {
        let entries = fs::read_dir(&self.directory)
            .map_err(|source| LocalError::state("read", &self.directory, source))?;
        for entry in entries {
            let path = entry.map_err(|source| LocalError::state("read", &self.directory, source))?.path();
            // The lock file stays: whoever waits for it must wait for this one.
            if path.file_name().is_some_and(|name| name == LOCK) {
                continue;
            }
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(|source| LocalError::state("remove", &path, source))?;
        }
        Ok(())
    }

    /// Records that everything is in place.
    pub(crate) fn mark_complete(&self) -> Result<(), LocalError> {
        let path = self.directory.join(LAYOUT);
        let write = || -> io::Result<()> {
            // Under another name first: the file is there whole or not at all.
            let part = self.directory.join("layout.json.part");
            fs::write(&part, serde_json::to_vec(&Layout { format: FORMAT })?)?;
            fs::rename(&part, &path)
        };
        write().map_err(|source| LocalError::state("write", &path, source))
    }
}

/// What can be said about a state directory without starting anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The state directory.
    pub directory: PathBuf,
    /// Whether there is an environment: it was started at least once, and not reset since.
    pub exists: bool,
    /// Whether some process has it running now.
    pub in_use: bool,
    /// The size of all its files, in bytes.
    pub bytes: u64,
}

/// Looks at a state directory, which need not exist. Nothing is started or changed.
pub fn status(directory: &Path) -> Result<Status, LocalError> {
    let directory = directory.to_owned();
    if !directory.exists() {
        return Ok(Status { directory, exists: false, in_use: false, bytes: 0 });
    }
    let in_use = match OpenOptions::new().read(true).open(directory.join(LOCK)) {
        // Shared, so that two that only look do not see each other.
        Ok(file) => matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => false,
    };
    Ok(Status {
        exists: read_layout(&directory)?.is_some(),
        in_use,
        bytes: size(&directory).map_err(|source| LocalError::state("read", &directory, source))?,
        directory,
    })
}

/// Removes everything an environment has kept: its users, its executions, their logs.
///
/// Refused while the environment is running. Returns whether there was anything to remove.
pub fn reset(directory: &Path) -> Result<bool, LocalError> {
    if !directory.exists() {
        return Ok(false);
    }
    let state = State { directory: directory.to_owned(), _lock: lock(directory)? };
    let existed = read_layout(directory).map_or(true, |layout| layout.is_some());
    state.clear()?;
    Ok(existed)
}

fn lock(directory: &Path) -> Result<File, LocalError> {
    let path = directory.join(LOCK);
    let failed = |source| LocalError::state("lock", &path, source);
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            // For the message to the next one, below.
            file.set_len(0).map_err(failed)?;
            write!(file, "{}", std::process::id()).map_err(failed)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Err(LocalError::InUse { directory: directory.to_owned(), process: holder.trim().parse().ok() })
        }
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

fn read_layout(directory: &Path) -> Result<Option<Layout>, LocalError> {
    let path = directory.join(LAYOUT);
    match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .map(Some)
            .map_err(|error| LocalError::state("read", &path, error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(LocalError::state("read", &path, source)),
    }
}

/// A directory that nobody else can look into: it holds people's names and password hashes.
fn create_private(directory: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)?;
    // It may have been there, made by somebody with other ideas.
    #[cfg(unix)]
    fs::set_permissions(directory, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn size(path: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let found = match entry.metadata() {
            // A running database removes files while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        bytes += if found.is_dir() { size(&entry.path())? } else { found.len() };
    }
    Ok(bytes)
}
