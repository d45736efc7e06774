//! Copies of PostgreSQL's manifests.
//!
//! With each start `pglite-oxide` (0.5) writes three small files anew, in place, and refuses to start if one
//! of them is damaged. A process that is killed at that moment leaves one empty or cut off, and the state
//! would be lost. So the content of these files is saved beside the database after each successful start, and
//! put back where a file is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use serde_json::Value;

use crate::LocalError;
use crate::folder::{DATABASE, Folder, MANIFESTS, MANIFESTS_PART};
use crate::read::read_all;

/// The files, as paths below the database's folder.
pub(crate) const FILES: [&str; 3] = [
    "tmp/pglite/.pglite-oxide-runtime-layout.json",
    "tmp/pglite/base/.pglite-oxide-pgdata-overlay.json",
    "tmp/pglite/base/PG_VERSION",
];

/// Saves the content of the files. This is called after a start, when they are complete.
pub(crate) fn keep(folder: &Folder) -> Result<(), LocalError> {
    let mut kept = BTreeMap::new();
    for file in FILES {
        let path = path(folder, file);
        let content = fs::read_to_string(&path).map_err(|source| LocalError::state("read", &path, source))?;
        kept.insert(file, content);
    }
    let kept = serde_json::to_vec(&kept)
        .map_err(|error| LocalError::state("write", &folder.path().join(MANIFESTS), error.into()))?;
    if folder.file(MANIFESTS, OFlags::RDONLY).and_then(read_all).is_ok_and(|known| known == kept) {
        return Ok(());
    }
    // The file is written under another name first, so that it is complete or missing.
    folder.write(MANIFESTS_PART, &kept)?;
    folder.rename(MANIFESTS_PART, MANIFESTS)
}

/// Restores damaged files from their copies. Complete files stay as they are, even if another version of
/// `pglite-oxide` has written them.
pub(crate) fn restore(folder: &Folder) -> Result<(), LocalError> {
    let failed = |source| LocalError::state("read", &folder.path().join(MANIFESTS), source);
    let kept = match folder.file(MANIFESTS, OFlags::RDONLY).and_then(read_all) {
        Ok(kept) => kept,
        // The state is from before manifests were saved.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(failed(source)),
    };
    let kept: BTreeMap<String, String> = serde_json::from_slice(&kept)
        .map_err(|error| LocalError::damaged(&folder.path().join(MANIFESTS), error))?;
    for file in FILES {
        let Some(content) = kept.get(file) else { continue };
        let path = path(folder, file);
        if !is_whole(&path).map_err(|source| LocalError::state("read", &path, source))? {
            replace(&path, content).map_err(|source| LocalError::state("write", &path, source))?;
        }
    }
    Ok(())
}

fn path(folder: &Folder, file: &str) -> PathBuf {
    folder.path().join(DATABASE).join(file)
}

/// Whether a file is complete. None of them is ever empty, and a JSON document that is cut off is invalid.
fn is_whole(path: &Path) -> io::Result<bool> {
    let content = match fs::read(path) {
        Ok(content) => content,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_slice::<Value>(&content).is_ok()
    } else {
        content.ends_with(b"\n")
    })
}

fn replace(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let part = path.with_extension("part");
    fs::write(&part, content)?;
    fs::rename(&part, path)
}
