//! Writes the settings file that is built into this program, for a person who has none.
//!
//! If a person sees the output, the written file counts as confirmed for as long as it stays unchanged: the command
//! has shown where tasks would go (docs/decisions/0025-the-sign-in-goes-to-google.md).

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::source::{FILE_NAME, SHIPPED, Source, Use, find, judge};
use super::{Config, Environment, confirmed, private};
use crate::error::{CliError, quoted};
use crate::process::Process;

/// A settings file that was written.
#[derive(Debug)]
pub struct Written {
    /// The path of the file.
    pub path: PathBuf,
    /// Its environments.
    pub environments: Vec<Environment>,
    /// The line in which the environments begin.
    pub line: usize,
    /// The data of the environment `local` that was used until now, which is another one in this folder.
    pub left_behind: Option<PathBuf>,
    /// The file that was used in this folder until now.
    pub instead_of: Option<PathBuf>,
    /// Whether its tasks need no confirmation as long as it stays as it is.
    pub confirmed: bool,
}

/// Writes the file into the working folder, or to the path that is given.
///
/// # Errors
///
/// Fails when there is something of that name, which stays as it is; when the file cannot be written; and when
/// it would not be used there, because somebody else could change it. Nothing is left behind.
pub fn write(process: &Process, given: Option<&Path>, attended: bool) -> Result<Written, CliError> {
    let path = process.cwd.join(given.unwrap_or(Path::new(FILE_NAME)));
    // A file that cannot be looked at is no reason not to write one: it is told by the commands that use it.
    let instead_of = find(process).ok().flatten().map(|(found, _)| found).filter(|found| *found != path);
    let instead_of = instead_of.filter(|_| given.is_none());
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(there(&path));
    }
    let failed = |error: &io::Error| {
        CliError::usage(format!("failed to write {}: {error}; nothing was written", path.display()))
    };
    let folder = path.parent().unwrap_or(&process.cwd);
    // The file is written under another name first, so that it is whole or not there.
    let mut builder = tempfile::Builder::new();
    builder.prefix(".environments-").suffix(".part");
    private::readable(&mut builder);
    let mut file = builder.tempfile_in(folder).map_err(|error| failed(&error))?;
    if given.is_none() {
        let metadata = file.as_file().metadata().map_err(|error| failed(&error))?;
        judge::check(&path, &metadata, process, &Use::settings(&path))
            .map_err(|error| unused_there(&path, &error))?;
    }
    file.write_all(SHIPPED.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(|error| failed(&error))?;
    file.persist_noclobber(&path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => there(&path),
        _ => failed(&error.error),
    })?;

    let config = Config::found(Source::written(&path), SHIPPED.as_bytes())?;
    let environments =
        config.names().map(|name| config.environment(name)).collect::<Result<Vec<_>, CliError>>()?;
    let mut others = environments.iter().filter(|environment| !environment.is_embedded());
    // Nobody has looked at the projects in a script. Without a folder to remember it in, too, a person is asked
    // before the first task.
    let confirmed = attended && others.all(|one| confirmed::remember(one, process).is_ok());
    let line = SHIPPED.lines().position(|line| line == "environments:").map_or(1, |before| before + 1);
    let before = Source::built_in(process).state;
    let left_behind = (instead_of.is_none() && before.exists()).then_some(before);
    Ok(Written { path, environments, line, left_behind, instead_of, confirmed })
}

fn there(path: &Path) -> CliError {
    CliError::usage(format!("{} is there already; nothing was written", path.display()))
        .hint(format!("look what is in it: quill-admin envs --config {}", quoted(path)))
        .hint("to begin anew, move it away first; or name another file: --config FILE")
}

/// The error about a folder whose file would be refused.
fn unused_there(path: &Path, why: &CliError) -> CliError {
    let folder = path.parent().unwrap_or(path).display();
    CliError::usage(format!("a settings file in {folder} would not be used: {why}; nothing was written"))
        .hint("go to a folder of your own, and try again")
}
