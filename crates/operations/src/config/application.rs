//! The folder with the description of the application: its actions, and the tables of the embedded
//! environment.
//!
//! Choosing it reads nothing, and each file is read only by the command that needs it, so that a mistake in
//! `actions.yaml` stops actions, and nothing else.
//!
//! To add a file to the folder: a function here that reads it, and its name and built-in content in the crate
//! `application`.

use std::path::{Path, PathBuf};

use quill_admin_application::{ACTIONS, Application as Compiled, LARGEST, SCHEMA, SEED, shipped};
use quill_admin_files::{Unreadable, open_regular, read_opened};

use super::source::{Origin, Source, Use, judge};
use crate::error::CliError;
use crate::process::Process;

/// The place of the application's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Application {
    /// In this program: the files of its own repository.
    BuiltIn,
    /// In the folder of `--application`.
    Named(PathBuf),
    /// In the folder that a settings file names.
    OfSettings {
        /// The folder.
        folder: PathBuf,
        /// The file that names it.
        file: PathBuf,
        /// The way in which that file was found.
        origin: Origin,
    },
}

/// One of the application's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationFile {
    /// The name of the file in messages.
    pub path: PathBuf,
    /// Its content.
    pub content: Vec<u8>,
}

impl ApplicationFile {
    /// The content as text.
    ///
    /// # Errors
    ///
    /// Fails when it is not UTF-8.
    pub fn into_text(self) -> Result<String, CliError> {
        String::from_utf8(self.content)
            .map_err(|_| CliError::usage(format!("{} is not UTF-8", self.path.display())))
    }
}

impl Application {
    /// Chooses the folder of `--application`; else the one that the settings file names; else the built-in
    /// files.
    #[must_use]
    pub fn of(source: &Source) -> Self {
        match (&source.given_application, &source.application) {
            (Some(folder), _) => Self::Named(folder.clone()),
            (None, Some(folder)) => {
                Self::OfSettings { folder: folder.clone(), file: source.path.clone(), origin: source.origin }
            }
            (None, None) => Self::BuiltIn,
        }
    }

    /// The place of the files, in words.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        match self.folder() {
            Some(folder) => folder.display().to_string(),
            None => "application, built into this program".to_owned(),
        }
    }

    /// The folder; `None` for the built-in files.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::Named(folder) | Self::OfSettings { folder, .. } => Some(folder),
        }
    }

    /// The path of the file with the actions, as messages name it.
    #[must_use]
    pub fn actions_file(&self) -> PathBuf {
        self.path(ACTIONS)
    }

    fn path(&self, name: &str) -> PathBuf {
        // The built-in files are named by their path in the repository that this program is built from.
        self.folder().unwrap_or(Path::new("application")).join(name)
    }

    /// Reads and compiles the actions.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read, and with all mistakes in it, each with its place.
    pub fn actions(&self, process: &Process) -> Result<Compiled, CliError> {
        let file = self.read(ACTIONS, shipped::ACTIONS, process)?;
        quill_admin_application::compile(&file.path, &file.content).map_err(CliError::from)
    }

    /// Reads the script that creates the tables.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub fn schema(&self, process: &Process) -> Result<ApplicationFile, CliError> {
        self.read(SCHEMA, shipped::SCHEMA, process)
    }

    /// Reads the script that inserts the first rows.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub fn seed(&self, process: &Process) -> Result<ApplicationFile, CliError> {
        self.read(SEED, shipped::SEED, process)
    }

    fn read(&self, name: &str, built_in: &str, process: &Process) -> Result<ApplicationFile, CliError> {
        let path = self.path(name);
        let Some(folder) = self.folder() else {
            return Ok(ApplicationFile { path, content: built_in.as_bytes().to_owned() });
        };
        let opened = open_regular(&path);
        let (file, metadata) = opened.map_err(|why| self.unreadable(folder, &path, &why))?;
        match self {
            // Whoever can write to the folder could change what tasks do, as with the settings file itself.
            Self::OfSettings { origin: Origin::Found | Origin::Own, .. } => {
                judge::check(&path, &metadata, process, &Use::application(folder))?;
            }
            Self::OfSettings { origin: Origin::Named | Origin::BuiltIn, .. }
            | Self::Named(_)
            | Self::BuiltIn => {}
        }
        let content = read_opened(file, &metadata, LARGEST);
        Ok(ApplicationFile { content: content.map_err(|why| self.unreadable(folder, &path, &why))?, path })
    }

    fn unreadable(&self, folder: &Path, path: &Path, why: &Unreadable) -> CliError {
        let named_by = match self {
            Self::OfSettings { file, .. } => format!("the key \"application\" of {}", file.display()),
            Self::Named(_) | Self::BuiltIn => "--application".to_owned(),
        };
        let shown = folder.display();
        if !why.is_missing() {
            CliError::usage(format!("failed to read {}: {why}", path.display()))
        } else if folder.is_dir() {
            CliError::usage(format!(
                "there is no {}; {named_by} names {shown}, and an application's folder holds {ACTIONS}, {SCHEMA} and \
                 {SEED}",
                path.display()
            ))
        } else {
            CliError::usage(format!("there is no folder {shown}, which {named_by} names"))
        }
    }
}
