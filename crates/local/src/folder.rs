//! The state's folder, held open: files are read, deleted or given other permissions only in this folder, and
//! nowhere that a symbolic link leads to.
//!
//! A repository can contain a `.quill-admin` of its own, with links to other folders in it (git stores them).
//! So neither the folder nor its parent `.quill-admin` nor anything in it may be a link, and its entries have
//! to be those that this program makes. All access goes through the folder's descriptor (`openat(2)` and
//! `unlinkat(2)`, with `O_NOFOLLOW`), not through its path again.
//!
//! To add a file to the state: its name here and in `ENTRIES`, its line at the top of `state.rs`, and its use there.
//! A folder with a file of another name is refused.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::LocalError;
use crate::holder::Note;
use crate::read::read_all;

/// The file that marks the folder as made by this program.
pub(crate) const MARKER: &str = "quill-admin-local";
const MARKED: &str =
    "Made by quill-admin, which deletes what is in this folder with: quill-admin local reset\n";

pub(crate) const LOCK: &str = "lock";
pub(crate) const LAYOUT: &str = "layout.json";
pub(crate) const LAYOUT_PART: &str = "layout.json.part";
pub(crate) const DATABASE: &str = "database";
pub(crate) const CLOUD: &str = "cloud.json";
pub(crate) const ACTIONS: &str = "actions.json";
pub(crate) const MANIFESTS: &str = "manifests.json";
pub(crate) const MANIFESTS_PART: &str = "manifests.json.part";
pub(crate) const FILES: &str = "files.json";
pub(crate) const FILES_PART: &str = "files.json.part";
pub(crate) const IGNORE: &str = ".gitignore";

/// The files in the folder, except those that the emulator writes before it gives them their name, see
/// [`UNNAMED`].
const ENTRIES: &[&str] = &[
    MARKER,
    LOCK,
    LAYOUT,
    LAYOUT_PART,
    CLOUD,
    ACTIONS,
    IGNORE,
    MANIFESTS,
    MANIFESTS_PART,
    FILES,
    FILES_PART,
];

/// The prefix of files that have not been given their name yet.
const UNNAMED: &[u8] = b".tmp";

/// The name of a parent folder that belongs to this program as a whole.
const OWN_PARENT: &str = ".quill-admin";

/// The folder of a local environment, which this program made.
pub(crate) struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Folder {
    /// Opens the folder; `None` where there is none. It is an error if it is not this program's.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, LocalError> {
        let Some(handle) = descend(path, false)? else { return Ok(None) };
        let folder = Self { handle, path: path.to_owned() };
        folder.check()?;
        Ok(Some(folder))
    }

    /// Opens the folder, or makes it. Other users cannot read it from then on: it holds people's names and
    /// password hashes.
    pub(crate) fn make(path: &Path) -> Result<Self, LocalError> {
        let failed = |doing, source: io::Error| LocalError::state(doing, path, source);
        let handle = descend(path, true)?.ok_or_else(|| failed("create", io::ErrorKind::NotFound.into()))?;
        let folder = Self { handle, path: path.to_owned() };
        folder.check()?;
        rustix::fs::fchmod(&folder.handle, Mode::RWXU)
            .map_err(|errno| failed("set the permissions of", errno.into()))?;
        // A full disk must not cost the marker that is there.
        if !folder.has(MARKER)? {
            folder.write(MARKER, MARKED.as_bytes())?;
        }
        Ok(folder)
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, name: &str) -> Result<bool, LocalError> {
        match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(LocalError::state("read", &self.path.join(name), errno.into())),
        }
    }

    /// Whether there is anything of an environment, be it whole or not: more than is left after a deletion.
    pub(crate) fn holds_any(&self) -> Result<bool, LocalError> {
        let is_left = |name: &[u8]| {
            name.starts_with(UNNAMED) || [LOCK, MARKER, IGNORE].iter().any(|left| left.as_bytes() == name)
        };
        Ok(self.entries()?.iter().any(|(name, _)| !is_left(name.to_bytes())))
    }

    /// Fails where the system does not let files be made in the folder.
    pub(crate) fn writable(&self) -> rustix::io::Result<()> {
        rustix::fs::accessat(&self.handle, ".", Access::WRITE_OK | Access::EXEC_OK, AtFlags::empty())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens one of the folder's files with these flags, and never through a link.
    pub(crate) fn file(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::openat(&self.handle, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), LocalError> {
        self.file(name, OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC)
            .and_then(|mut file| file.write_all(content))
            .map_err(|source| LocalError::state("write", &self.path.join(name), source))
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), LocalError> {
        rustix::fs::renameat(&self.handle, from, &self.handle, to)
            .map_err(|errno| LocalError::state("write", &self.path.join(to), errno.into()))
    }

    /// Deletes everything but the lock, which other processes may wait for, the marker, and the file `kept`.
    pub(crate) fn clear(&self, kept: Option<&str>) -> Result<(), LocalError> {
        self.check()?;
        for (name, kind) in self.entries()? {
            if [LOCK, MARKER].into_iter().chain(kept).any(|kept| kept.as_bytes() == name.as_bytes()) {
                continue;
            }
            remove(self.handle.as_fd(), &name, kind)
                .map_err(|source| LocalError::state("remove", &self.join(&name), source))?;
        }
        Ok(())
    }

    /// Deletes the files that never got their name because the process that wrote them was killed.
    pub(crate) fn clear_unnamed(&self) -> Result<(), LocalError> {
        for (name, kind) in self.entries()? {
            if name.to_bytes().starts_with(UNNAMED) && kind == FileType::RegularFile {
                remove(self.handle.as_fd(), &name, kind)
                    .map_err(|source| LocalError::state("remove", &self.join(&name), source))?;
            }
        }
        Ok(())
    }

    /// The free space of its disk, in bytes; `None` where the system does not say.
    pub(crate) fn free(&self) -> Option<u64> {
        // A file system that tells no sizes has no blocks at all.
        let disk = rustix::fs::fstatvfs(&self.handle).ok().filter(|disk| disk.f_blocks > 0)?;
        disk.f_bavail.checked_mul(disk.f_frsize)
    }

    /// The size of all files in the folder, in bytes.
    pub(crate) fn size(&self) -> Result<u64, LocalError> {
        size(self.handle.as_fd()).map_err(|source| LocalError::state("read", &self.path, source))
    }

    /// Fails unless this program made the folder, and everything in it is of a kind that it makes. Nothing is
    /// changed.
    fn check(&self) -> Result<(), LocalError> {
        let failed = |errno: Errno| LocalError::state("read", &self.path, errno.into());
        let own = rustix::fs::fstat(&self.handle).map_err(failed)?;
        if own.st_uid != rustix::process::geteuid().as_raw() {
            return Err(self.foreign("belongs to another user"));
        }
        let entries = self.entries()?;
        for (name, kind) in &entries {
            let expected = match name.to_bytes() {
                known if ENTRIES.iter().any(|file| file.as_bytes() == known) => FileType::RegularFile,
                known if known == DATABASE.as_bytes() => FileType::Directory,
                temporary if temporary.starts_with(UNNAMED) => FileType::RegularFile,
                _ => {
                    let name = name.to_string_lossy();
                    return Err(self.foreign(&format!("holds {name:?}, which quill-admin did not make")));
                }
            };
            if *kind != expected {
                let name = name.to_string_lossy();
                return Err(self.foreign(&format!("holds {name:?}, {}", described(*kind))));
            }
        }
        let has = |name: &str| entries.iter().any(|(known, _)| known.to_bytes() == name.as_bytes());
        if has(DATABASE) {
            // The server opens its files by their paths.
            let database = open_folder(self.handle.as_fd(), DATABASE).map_err(failed)?;
            if let Some(link) = find_link(database.as_fd()).map_err(failed)? {
                let link = Path::new(DATABASE).join(link);
                return Err(self.foreign(&format!("holds {:?}, a symbolic link", link.display().to_string())));
            }
        }
        // States from before there was a marker have a layout, or, if their first start did not finish, at
        // least the lock with a process's number in it.
        let is_ours = entries.is_empty() || has(MARKER) || has(LAYOUT) || self.has_own_lock();
        if is_ours { Ok(()) } else { Err(self.foreign("is not empty, and quill-admin did not make it")) }
    }

    fn has_own_lock(&self) -> bool {
        let content = self.file(LOCK, OFlags::RDONLY).and_then(read_all).unwrap_or_default();
        Note::read(&content).is_some()
    }

    fn entries(&self) -> Result<Vec<(CString, FileType)>, LocalError> {
        entries(self.handle.as_fd()).map_err(|errno| LocalError::state("read", &self.path, errno.into()))
    }

    fn join(&self, name: &CStr) -> PathBuf {
        self.path.join(OsStr::from_bytes(name.to_bytes()))
    }

    fn foreign(&self, reason: &str) -> LocalError {
        LocalError::NotOurs { path: self.path.clone(), reason: reason.to_owned() }
    }
}

/// Opens the folder along its path. Above `.quill-admin` links are allowed: people keep their projects behind
/// them.
fn descend(path: &Path, create: bool) -> Result<Option<OwnedFd>, LocalError> {
    let nameless = || LocalError::state("open", path, io::ErrorKind::InvalidInput.into());
    let name = path.file_name().ok_or_else(nameless)?;
    let parent = path.parent().unwrap_or(Path::new(""));
    let parent_handle = if parent.file_name() == Some(OsStr::new(OWN_PARENT)) {
        let above = parent.parent().unwrap_or(Path::new(""));
        let Some(above) = open_any(above, create)? else { return Ok(None) };
        enter(above.as_fd(), OsStr::new(OWN_PARENT), parent, create)?
    } else {
        open_any(parent, create)?
    };
    match parent_handle {
        Some(parent) => enter(parent.as_fd(), name, path, create),
        None => Ok(None),
    }
}

/// Opens a folder wherever its path leads, or makes it; `None` where there is none.
fn open_any(path: &Path, create: bool) -> Result<Option<OwnedFd>, LocalError> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if create {
        fs::create_dir_all(path).map_err(|source| LocalError::state("create", path, source))?;
    }
    match rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::NOENT) => Ok(None),
        Err(errno) => Err(LocalError::state("open", path, errno.into())),
    }
}

/// Opens a folder in a folder, or makes it; `None` where there is none. `path` is its name in messages.
fn enter(
    above: BorrowedFd<'_>,
    name: &OsStr,
    path: &Path,
    create: bool,
) -> Result<Option<OwnedFd>, LocalError> {
    let failed = |errno: Errno| LocalError::state("open", path, errno.into());
    let mut opened = open_folder(above, name);
    if create && matches!(opened, Err(Errno::NOENT)) {
        match rustix::fs::mkdirat(above, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(LocalError::state("create", path, errno.into())),
        }
        opened = open_folder(above, name);
    }
    match opened {
        Ok(handle) => Ok(Some(handle)),
        Err(Errno::NOENT) => Ok(None),
        // Systems differ in which of these errors they return for a link.
        Err(errno @ (Errno::LOOP | Errno::NOTDIR | Errno::MLINK)) => {
            let found =
                rustix::fs::statat(above, name, AtFlags::SYMLINK_NOFOLLOW).map_err(|_| failed(errno))?;
            let reason = format!("is {}", described(kind(&found)));
            Err(LocalError::NotOurs { path: path.to_owned(), reason })
        }
        Err(errno) => Err(failed(errno)),
    }
}

fn open_folder<P: rustix::path::Arg>(above: BorrowedFd<'_>, name: P) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(above, name, flags, Mode::empty())
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

fn described(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "a symbolic link",
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        _ => "neither a file nor a folder",
    }
}

/// Names and kinds of the entries of a folder. Entries that vanish meanwhile are left out.
fn entries(folder: BorrowedFd<'_>) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if [&b"."[..], b".."].contains(&name.to_bytes()) {
            continue;
        }
        match rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => found.push((name, kind(&stat))),
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// Removes a file, a link or a folder with everything in it. A link itself is removed, not its target.
fn remove(above: BorrowedFd<'_>, name: &CStr, kind: FileType) -> io::Result<()> {
    if kind != FileType::Directory {
        return Ok(rustix::fs::unlinkat(above, name, AtFlags::empty())?);
    }
    let folder = open_folder(above, name)?;
    for (name, kind) in entries(folder.as_fd())? {
        remove(folder.as_fd(), &name, kind)?;
    }
    Ok(rustix::fs::unlinkat(above, name, AtFlags::REMOVEDIR)?)
}

/// The first symbolic link in a folder, or in one below it.
fn find_link(folder: BorrowedFd<'_>) -> Result<Option<PathBuf>, Errno> {
    for (name, kind) in entries(folder)? {
        let path = PathBuf::from(OsStr::from_bytes(name.to_bytes()));
        if kind == FileType::Symlink {
            return Ok(Some(path));
        }
        if kind == FileType::Directory {
            // A running database may remove folders meanwhile.
            let below = match open_folder(folder, &name) {
                Ok(below) => below,
                Err(Errno::NOENT) => continue,
                Err(errno) => return Err(errno),
            };
            if let Some(link) = find_link(below.as_fd())? {
                return Ok(Some(path.join(link)));
            }
        }
    }
    Ok(None)
}

fn size(folder: BorrowedFd<'_>) -> io::Result<u64> {
    let mut bytes = 0;
    for (name, kind) in entries(folder)? {
        // A running database may remove files meanwhile.
        bytes += match kind {
            FileType::Directory => match open_folder(folder, &name) {
                Ok(below) => size(below.as_fd())?,
                Err(Errno::NOENT) => 0,
                Err(errno) => return Err(errno.into()),
            },
            _ => match rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => u64::try_from(stat.st_size).unwrap_or(0),
                Err(Errno::NOENT) => 0,
                Err(errno) => return Err(errno.into()),
            },
        };
    }
    Ok(bytes)
}
