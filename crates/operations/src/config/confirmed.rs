//! Confirmations that are given once: that tasks may go to the project and job that a found settings file
//! names, and that the actions in the application's folder that it names may be used.
//!
//! A file that came with a clone can name somebody else's project, which would be handed user names, email
//! addresses and the hashes of passwords. So its project and job are confirmed once for each environment, and
//! asked about again when anything in the file, or in the file of actions, has changed, as direnv does.
//!
//! To have something else confirmed: its field in `Entry`, and its value in `entry`: a changed value is asked about
//! again.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use quill_admin_files::read_bounded;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::source::Origin;
use super::{Environment, private};
use crate::error::{CliError, quoted};
use crate::folders::{self, STATE_VARIABLES};
use crate::process::Process;

/// The largest remembered confirmation that is read, in bytes: far more than is ever written.
const LARGEST: u64 = 1 << 16;

/// The remembered confirmation of one environment of one file.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Entry {
    file: PathBuf,
    environment: String,
    project: String,
    job: String,
    /// The application's folder, where the file names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    application: Option<PathBuf>,
    /// SHA-256 of the file of actions there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actions: Option<String>,
    /// SHA-256 of the file's content.
    sha256: String,
}

/// A confirmation that has to be given before tasks may go to the project and job of an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking {
    /// The file, or the file of actions, is not the one that was confirmed.
    Changed,
    /// Nobody has confirmed it yet.
    Missing,
}

/// The confirmation that the environment lacks. None is needed for a file that was named or is the person's own,
/// nor for the embedded environment. An address on this machine is no exception: whoever has an account on the
/// machine can listen there.
#[must_use]
pub fn lacking(environment: &Environment, process: &Process) -> Option<Lacking> {
    if environment.source.origin != Origin::Found || environment.is_embedded() {
        return None;
    }
    let known = entry(environment).ok().and_then(|entry| Some((read(&store(process, &entry)?)?, entry)));
    match known {
        Some((known, entry)) if known == entry => None,
        Some(_) => Some(Lacking::Changed),
        None => Some(Lacking::Missing),
    }
}

/// Remembers that the environment is confirmed.
///
/// # Errors
///
/// Fails when there is no folder to remember it in, and when a file cannot be read or written.
pub fn remember(environment: &Environment, process: &Process) -> Result<(), CliError> {
    let entry = entry(environment)?;
    let Some(path) = store(process, &entry) else {
        return Err(CliError::usage(format!(
            "there is no folder to remember the confirmation in: {STATE_VARIABLES} is set"
        ))
        .hint(named(environment)));
    };
    write(&path, &entry).map_err(|error| {
        CliError::usage(format!("failed to remember the confirmation in {}: {error}", path.display()))
            .hint(named(environment))
    })
}

/// The hint that says how to do without a confirmation.
#[must_use]
pub fn named(environment: &Environment) -> String {
    format!("or name the file, as a pipeline does: --config {}", quoted(&environment.source.path))
}

/// The confirmation that would be given now.
fn entry(environment: &Environment) -> Result<Entry, CliError> {
    let path = &environment.source.path;
    let file = fs::canonicalize(path)
        .map_err(|error| CliError::usage(format!("failed to look at {}: {error}", path.display())))?;
    Ok(Entry {
        file,
        environment: environment.name.clone(),
        project: environment.job.project.to_string(),
        job: environment.job.to_string(),
        application: environment.source.application.clone(),
        actions: environment.source.application.as_deref().and_then(digest_of_actions),
        sha256: environment.source.digest.clone(),
    })
}

/// The SHA-256 of the file of actions in a folder; `None` where it cannot be read: then there are no actions
/// to run.
fn digest_of_actions(folder: &Path) -> Option<String> {
    let content =
        read_bounded(&folder.join(quill_admin_application::ACTIONS), quill_admin_application::LARGEST)
            .ok()?;
    Some(hex::encode(Sha256::digest(content)))
}

/// The file in which a confirmation is remembered: one for each environment of each settings file, so that
/// two processes never change the same one.
fn store(process: &Process, entry: &Entry) -> Option<PathBuf> {
    let folder = folders::state(process)?;
    let mut name = Sha256::new();
    name.update(entry.file.as_os_str().as_encoded_bytes());
    name.update([0]);
    name.update(entry.environment.as_bytes());
    Some(folder.join("confirmed").join(format!("{}.json", hex::encode(name.finalize()))))
}

fn read(path: &Path) -> Option<Entry> {
    // A confirmation that cannot be read is asked for again.
    serde_json::from_slice(&read_bounded(path, LARGEST).ok()?).ok()
}

fn write(path: &Path, entry: &Entry) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    private::folder(&mut builder);
    builder.create(folder)?;
    let own = path.with_extension(format!("{}.new", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    private::file(&mut options);
    let written = options.open(&own).and_then(|mut file| {
        file.write_all(format!("{:#}\n", serde_json::json!(entry)).as_bytes())?;
        file.sync_all()?;
        // The file is renamed, so that any reader sees all of it or nothing.
        fs::rename(&own, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&own);
    }
    written
}
