//! Writes a file for the person alone, and never over one of somebody else's making.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::{fmt, fs};

use quill_admin_files::open_regular;

use crate::error::CliError;

/// Writes a file that begins with `mark`. A file of that name is replaced only if it begins so, too. The file is
/// written under another name first, so that it is whole or not there; on Unix nobody else can read it.
///
/// # Errors
///
/// Fails when something else has that name, which stays as it is, and when the file cannot be written.
pub fn write(path: &Path, mark: &str, content: &str) -> Result<(), CliError> {
    debug_assert!(content.starts_with(mark), "it would not be known again");
    let failed = |error: &dyn fmt::Display| {
        CliError::usage(format!("failed to write {}: {error}; nothing was written", path.display()))
    };
    let replaces = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_file() && is_ours(path, mark) => true,
        Ok(_) => return Err(there(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed(&error)),
    };
    let folder = folder_of(path);
    if !folder.exists() {
        return Err(failed(&format!("there is no folder {}", folder.display())));
    }
    // Where nothing else is asked for, such a file is the person's alone (0600).
    let mut file = tempfile::Builder::new()
        .prefix(".quill-admin-")
        .suffix(".part")
        .tempfile_in(folder)
        // Without the path of the library's message, which is that of the other name.
        .map_err(|error| failed(&error.kind()))?;
    file.write_all(content.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    let written = if replaces { file.persist(path) } else { file.persist_noclobber(path) };
    written.map(drop).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => there(path),
        _ => failed(&error.error),
    })
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a file begins with the mark.
fn is_ours(path: &Path, mark: &str) -> bool {
    let Ok((file, _)) = open_regular(path) else { return false };
    let mut beginning = Vec::new();
    file.take(mark.len() as u64).read_to_end(&mut beginning).is_ok() && beginning == mark.as_bytes()
}

fn there(path: &Path) -> CliError {
    CliError::usage(format!(
        "{} is there already, and this command has not made it; nothing was written",
        path.display()
    ))
    .hint("move it away first, or name another file")
}
