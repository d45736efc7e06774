//! The files of a checkout, without those that git ignores.
//!
//! Ignore rules of git count from the checkout's own root. Those of a folder above it, or of other programs
//! (`.ignore`), concern something else.

use std::collections::BTreeSet;
use std::fs::{self, File as Opened};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use quill_admin_files::{Unreadable, read_bounded};

/// The largest text that is read, in bytes. Lock files of packages have a few MiB.
const LARGEST: u64 = 16 << 20;
/// The number of bytes at the beginning of a larger file that show whether it is a text, as for git.
const BEGINNING: u64 = 8000;
/// Folders with sources of other people, in case they are not ignored.
const FOREIGN: &[&str] = &[".git", "node_modules", ".venv", "venv", ".terraform"];

/// Files that could not be read, by their paths in the checkout, and why.
pub(super) type Unread = Vec<(String, String)>;

/// A file of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct File {
    /// Its path in the checkout, with slashes.
    pub(super) path: String,
    /// The place where it can be read.
    at: PathBuf,
}

impl File {
    /// The file at a path in a checkout, if there is one.
    pub(super) fn find(root: &Path, path: &str) -> Option<Self> {
        let at = root.join(path);
        at.is_file().then(|| Self { path: path.to_owned(), at })
    }

    /// Its content. A program or picture that is too large has nothing to read.
    pub(super) fn read(&self, unread: &mut Unread) -> Option<Vec<u8>> {
        let why = match read_bounded(&self.at, LARGEST) {
            Ok(bytes) if !is_utf16(&bytes) => return Some(bytes),
            Ok(_) => "it is UTF-16, and only UTF-8 is read".to_owned(),
            // The file was removed during the walk.
            Err(error) if error.is_missing() => return None,
            Err(Unreadable::TooLarge { .. }) if is_binary(&self.at) => return None,
            Err(error) => error.to_string(),
        };
        unread.push((self.path.clone(), why));
        None
    }
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

fn is_binary(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = Opened::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut bytes));
    read.is_ok() && !is_utf16(&bytes) && bytes.contains(&0)
}

/// The checkout's files, in the order of their paths. Links to files count as files.
pub(super) fn list(root: &Path, unread: &mut Unread) -> Vec<File> {
    let mut files = BTreeSet::new();
    let is_foreign = |name: &str| FOREIGN.contains(&name);
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .ignore(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .filter_entry(move |entry| !entry.file_name().to_str().is_some_and(is_foreign))
        .build();
    for entry in walk {
        let found = entry.and_then(|entry| {
            let metadata = fs::metadata(entry.path())?;
            Ok(metadata.is_file().then(|| entry.into_path()))
        });
        match found {
            Ok(Some(at)) => {
                let path = at.strip_prefix(root).unwrap_or(&at).to_string_lossy().replace('\\', "/");
                files.insert(File { path, at });
            }
            Ok(None) => {}
            // The file was removed during the walk, or the link leads nowhere.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {}
            Err(error) => unread.push((root.display().to_string(), error.to_string())),
        }
    }
    files.into_iter().collect()
}
