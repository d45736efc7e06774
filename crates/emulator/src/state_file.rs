//! The state file, in which resources survive a restart.
//!
//! To keep another kind of resource: `Saved` in `store.rs`. The form has no version: a new field needs a default.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use crate::cloud::Cloud;
use crate::deployment;
use crate::error::Error;
use crate::execution;
use crate::store::Saved;

/// Reads the state file; nothing there is an empty state.
pub(crate) fn load(path: &Path) -> io::Result<Saved> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
        Err(error) => return Err(error),
    };
    let mut saved: Saved = serde_json::from_slice(&text)?;
    deployment::close_what_was_running(&mut saved);
    execution::close_what_was_running(&mut saved);
    for (number, entry) in (0..).zip(&mut saved.entries) {
        entry.number = number;
    }
    Ok(saved)
}

/// Writes the state file: a new file beside it, then a rename, so that a reader sees the old state
/// or the new one. Executions hold their override values, hence mode 0600.
fn save(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Writes the state after every change; changes during a write are written together after it. A
/// large state takes its time, in which nobody else can look at it: so at most a tenth of all time
/// goes there.
pub(crate) async fn write_changes(cloud: Arc<Cloud>, path: PathBuf) -> Result<(), Error> {
    let mut changes = cloud.store.changes();
    loop {
        let last = tokio::select! {
            _ = changes.changed() => false,
            () = cloud.closing.cancelled() => true,
        };
        changes.borrow_and_update();
        let begin = Instant::now();
        let written = write_state(&cloud, &path).await;
        if last {
            return written;
        }
        // A failed write is tried again with the next change, and reported by the last one.
        drop(written);
        tokio::select! {
            () = tokio::time::sleep(begin.elapsed() * 9) => {}
            () = cloud.closing.cancelled() => {}
        }
    }
}

async fn write_state(cloud: &Cloud, path: &Path) -> Result<(), Error> {
    let failed = |source| Error::StateFile { path: path.to_owned(), source };
    let text =
        cloud.store.read(|state| serde_json::to_vec(&state.saved)).map_err(|error| failed(error.into()))?;
    let target = path.to_owned();
    tokio::task::spawn_blocking(move || save(&target, &text))
        .await
        .map_err(|error| failed(io::Error::other(error)))?
        .map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_file_is_private_and_replaced_whole() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.json");
        assert!(load(&path).expect("no file is fine").jobs.is_empty());
        save(&path, br#"{"jobs":{"a":{}}}"#).expect("written");
        save(&path, br#"{"jobs":{"b":{}}}"#).expect("written again");
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let saved = load(&path).expect("read back");
        assert_eq!(saved.jobs.keys().collect::<Vec<_>>(), ["b"]);
        assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1);
    }
}
