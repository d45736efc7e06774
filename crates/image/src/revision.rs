//! Which version of the sources a folder holds, by git.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;

use crate::error::ImageError;

/// The commit a folder is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The root of the repository.
    pub root: PathBuf,
    /// The commit's full id.
    pub commit: String,
    /// The time of the commit.
    pub time: Timestamp,
    /// Files were changed since, or are not in the repository.
    pub dirty: bool,
}

impl Revision {
    /// Asks git about a folder.
    pub fn of(folder: &Path) -> Result<Self, ImageError> {
        let root = git(folder, &["rev-parse", "--show-toplevel"])?;
        let root = PathBuf::from(root);
        let log = git(folder, &["log", "-1", "--format=%H %ct"])?;
        let unexpected = || {
            ImageError::source("ask git for the revision", format!("it answered \"{}\"", log.escape_debug()))
        };
        let (commit, seconds) = log.split_once(' ').ok_or_else(unexpected)?;
        let seconds = seconds.parse().map_err(|_| unexpected())?;
        let time = Timestamp::from_second(seconds).map_err(|_| unexpected())?;
        let dirty = !git(&root, &["status", "--porcelain"])?.is_empty();
        Ok(Self { commit: commit.to_owned(), root, time, dirty })
    }

    /// The image tag of this revision: the commit's first twelve digits, `-dirty` where files were
    /// changed.
    #[must_use]
    pub fn tag(&self) -> String {
        let short: String = self.commit.chars().take(12).collect();
        format!("{short}{}", if self.dirty { "-dirty" } else { "" })
    }

    /// The full id, `-dirty` where files were changed.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}{}", self.commit, if self.dirty { "-dirty" } else { "" })
    }
}

fn git(folder: &Path, args: &[&str]) -> Result<String, ImageError> {
    const DOING: &str = "ask git for the revision";
    // Started in a folder that is not there, git itself would be said to be missing.
    if !folder.is_dir() {
        return Err(ImageError::source(DOING, format!("there is no folder {}", folder.display())));
    }
    let output = Command::new("git")
        .current_dir(folder)
        .args(args)
        // Variables of a hook or another tool must not point git at another repository.
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .output()
        .map_err(|error| ImageError::source(DOING, format!("git could not be started: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let text = text.lines().next().unwrap_or_default().trim_start_matches("fatal: ");
        return Err(ImageError::source(DOING, format!("{text} ({})", folder.display())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
