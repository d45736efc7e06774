//! `environments.yaml`: found, read, and turned into typed values.

mod environment;
mod file;

use std::path::{Path, PathBuf};

pub use environment::{Environment, Place};
use file::File;

use crate::error::CliError;
use crate::hints::nearest;
use crate::process::Process;

const FILE_NAME: &str = "environments.yaml";

/// The environments of one file.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    file: File,
}

impl Config {
    /// Finds and reads the file: `--config`, `QUILL_ADMIN_CONFIG`, the working folder and those above
    /// it, then `$XDG_CONFIG_HOME/quill-admin/`.
    pub fn load(process: &Process, given: Option<&Path>) -> Result<Self, CliError> {
        let path = match given {
            Some(path) => process.cwd.join(path),
            None => find(process)?,
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CliError::usage(format!("failed to read {}: {error}", path.display())))?;
        let file = file::parse(&path, &text)?;
        Ok(Self { path, file })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the environments, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.environments.keys().map(String::as_str)
    }

    /// What an environment is, in a few words: for a list to choose from.
    #[must_use]
    pub fn describe(&self, name: &str) -> String {
        self.file.environments.get(name).map_or_else(String::new, |entry| {
            let place = match (&entry.project, entry.emulated) {
                (_, true) => "embedded, on this machine",
                (Some(project), false) => project.as_str(),
                (None, false) => "",
            };
            if entry.protected { format!("{place} (protected)") } else { place.to_owned() }
        })
    }

    /// One environment, with everything resolved.
    pub fn environment(&self, name: &str) -> Result<Environment, CliError> {
        let Some(settings) = self.file.environments.get(name) else {
            let names: Vec<&str> = self.names().collect();
            let error = CliError::usage(format!(
                "unknown environment \"{}\"; {} has: {}",
                name.escape_debug(),
                self.path.display(),
                names.join(", ")
            ));
            return Err(match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean --env {near}?")),
                None => error,
            });
        };
        environment::resolve(self, name, &self.file.defaults, settings)
    }
}

fn find(process: &Process) -> Result<PathBuf, CliError> {
    let above = process.cwd.ancestors().map(|folder| folder.join(FILE_NAME));
    let user = process
        .var("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| process.var("HOME").map(|home| Path::new(home).join(".config")))
        .map(|folder| folder.join("quill-admin").join(FILE_NAME));
    above.chain(user).find(|path| path.is_file()).ok_or_else(|| {
        CliError::usage(format!(
            "no {FILE_NAME} in {} or a folder above it, nor in the user's configuration folder",
            process.cwd.display()
        ))
        .hint(
            "run this inside the repository, or name the file with --config or QUILL_ADMIN_CONFIG".to_owned(),
        )
    })
}
