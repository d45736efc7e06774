//! Reads small files of unknown origin safely.
//!
//! A path that a person, a variable or a file names may lead to a device that never ends, or to a FIFO that
//! nobody writes to. All code that reads such a path uses this crate: it reads up to a limit, and waits only
//! where its documentation says so.
//!
//! To add a way to read: a function here whose documentation says whether it waits, and for what. `system.rs` has the
//! names that differ between Unix and Windows.

pub mod system;

use std::fmt;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

/// The reason why a file was not read. The text completes "failed to read FILE: …".
#[derive(Debug)]
pub enum Unreadable {
    /// An error of the operating system.
    Io(io::Error),
    /// The path leads to no regular file, but to something else, named here.
    NotRegular(&'static str),
    /// The file is larger than allowed.
    TooLarge {
        /// Largest allowed size, in bytes.
        limit: u64,
    },
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::NotRegular(what) => write!(f, "it is {what}; only a regular file is read"),
            Self::TooLarge { limit } => {
                write!(f, "it is larger than {}, the most that is read", size(*limit))
            }
        }
    }
}

/// A size in the largest unit of which it is a whole number.
fn size(bytes: u64) -> String {
    match bytes {
        0 => "0 B".to_owned(),
        bytes if bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{} KiB", bytes >> 10),
        bytes => format!("{bytes} B"),
    }
}

impl Unreadable {
    /// Whether the file does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory))
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a regular file of at most `limit` bytes. It neither waits for a writer (a FIFO) nor reads without
/// end (a device).
///
/// # Errors
///
/// Fails if the file cannot be read, is not a regular file, or is larger than `limit`.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let (file, metadata) = open_regular(path)?;
    read_opened(file, &metadata, limit)
}

/// Reads a text as [`read_bounded`] does.
///
/// # Errors
///
/// Fails if the file cannot be read, is not a regular file, is larger than `limit`, or is not UTF-8
/// ([`Unreadable::Io`]).
pub fn read_text(path: &Path, limit: u64) -> Result<String, Unreadable> {
    text(read_bounded(path, limit)?)
}

/// Reads a text of at most `limit` bytes from any kind of file. It waits for the writer of a FIFO, such as
/// `<(…)` of a shell, and reads the first bytes of a device.
///
/// # Errors
///
/// [`Unreadable::Io`] if it cannot be read or is not UTF-8, [`Unreadable::TooLarge`] if it is larger than
/// `limit`.
pub fn read_piped_text(path: &Path, limit: u64) -> Result<String, Unreadable> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    text(read_opened(file, &metadata, limit)?)
}

fn text(bytes: Vec<u8>) -> Result<String, Unreadable> {
    String::from_utf8(bytes)
        .map_err(|_| Unreadable::Io(io::Error::new(io::ErrorKind::InvalidData, "it is not valid UTF-8")))
}

/// Opens a regular file. The kind of file is checked before it is opened, since opening a device may have an
/// effect, and again afterwards, since the path may lead elsewhere by then. The metadata are those of the
/// opened file.
///
/// # Errors
///
/// [`Unreadable::Io`] if it cannot be opened, [`Unreadable::NotRegular`] if it is not a regular file.
pub fn open_regular(path: &Path) -> Result<(File, Metadata), Unreadable> {
    regular(std::fs::metadata(path)?.file_type())?;
    let file = open(path)?;
    let metadata = file.metadata()?;
    regular(metadata.file_type())?;
    Ok((file, metadata))
}

/// Reads a file that [`open_regular`] has opened, at most `limit` bytes.
///
/// # Errors
///
/// [`Unreadable::Io`] if it cannot be read, [`Unreadable::TooLarge`] if it is larger than `limit`.
pub fn read_opened(file: File, metadata: &Metadata, limit: u64) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = Vec::new();
    if metadata.len() <= limit {
        // A file may be longer than its metadata say: those of /proc, or one that grows.
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    if metadata.len() > limit || bytes.len() as u64 > limit {
        return Err(Unreadable::TooLarge { limit });
    }
    Ok(bytes)
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;

        use rustix::fs::OFlags;
        // If a FIFO has taken the file's place, opening would wait for a writer; a terminal would become this
        // process's own.
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    }
    options.open(path)
}

fn regular(kind: FileType) -> Result<(), Unreadable> {
    if kind.is_file() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_fifo() {
            return Err(Unreadable::NotRegular("a named pipe (FIFO)"));
        }
        if kind.is_socket() {
            return Err(Unreadable::NotRegular("a socket"));
        }
        if kind.is_char_device() || kind.is_block_device() {
            return Err(Unreadable::NotRegular("a device"));
        }
    }
    Err(Unreadable::NotRegular(if kind.is_dir() { "a folder" } else { "something else" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regular_file_up_to_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(read_bounded(&file, 5).unwrap(), b"12345");
        let refused = |path: &Path, limit| read_bounded(path, limit).unwrap_err().to_string();
        assert_eq!(refused(&file, 4), "it is larger than 4 B, the most that is read");
        assert_eq!(refused(folder.path(), 4), "it is a folder; only a regular file is read");
        std::fs::write(&file, vec![b'a'; (1 << 20) + 1]).unwrap();
        assert_eq!(refused(&file, 1 << 20), "it is larger than 1 MiB, the most that is read");
        assert_eq!(refused(&file, 3 << 10), "it is larger than 3 KiB, the most that is read");
        assert!(read_bounded(&folder.path().join("none"), 4).unwrap_err().is_missing());
        assert!(read_bounded(&file.join("below"), 4).unwrap_err().is_missing());
        let missing = if cfg!(windows) { "cannot find the file" } else { "No such file" };
        assert!(refused(&folder.path().join("none"), 4).contains(missing));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_that_blocks_or_does_not_end() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&fifo, &link).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refused = |path: &Path| read_bounded(path, 10).unwrap_err().to_string();
        assert_eq!(refused(&fifo), "it is a named pipe (FIFO); only a regular file is read");
        assert_eq!(refused(&link), refused(&fifo));
        assert_eq!(refused(&socket), "it is a socket; only a regular file is read");
        assert_eq!(refused(Path::new("/dev/zero")), "it is a device; only a regular file is read");
        // The file reports a length of 0, and is not empty.
        if Path::new("/proc/kallsyms").exists() {
            assert!(refused(Path::new("/proc/kallsyms")).contains("larger than"));
        }
        // A pipe that is meant is waited for; a device without an end is not read for ever.
        let writer = std::thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::write(fifo, "written")
        });
        assert_eq!(read_piped_text(&fifo, 10).unwrap(), "written");
        writer.join().unwrap().unwrap();
        let endless = read_piped_text(Path::new("/dev/zero"), 10).unwrap_err();
        assert!(matches!(endless, Unreadable::TooLarge { limit: 10 }), "{endless}");
        // A FIFO that takes the file's place between the two checks does not block either.
        assert!(open(&fifo).is_ok());
    }
}
