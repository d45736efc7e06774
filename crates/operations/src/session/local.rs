//! Translates between this crate and the crate of the embedded environment: its options, its stages and its
//! errors.
//!
//! To add an option: `LocalOptions` in the crate `local`, and its value here. To add an error: its next step in
//! [`error`].

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quill_admin_contract::image::{Contracts, annotation};
use quill_admin_contract::image_actions::ActionDigests;
use quill_admin_contract::{CONTRACT_OLDEST, ExitCode};
use quill_admin_image::{Engine, LATEST};
use quill_admin_local::{Container, Holder, LocalError, LocalOptions, Script, Stage, Tables};

use super::own_program::{EXECUTOR_ARGUMENT, OWN_DIGEST};
use super::runner::Runner;
use crate::actions;
use crate::config::{Application, ApplicationFile, Environment};
use crate::error::{CliError, advice, quoted};
use crate::hints;
use crate::process::Process;

/// A short wait that stands for the time in which the real environments prepare a container.
const PROVISIONING: Duration = Duration::from_millis(300);
const PROVISIONING_VARIABLE: &str = "QUILL_ADMIN_LOCAL_PROVISIONING_MS";

/// The options with which the embedded environment is started.
pub(super) fn options(
    environment: &Environment,
    state_dir: PathBuf,
    process: &Process,
    runner: Option<Runner>,
    command: String,
) -> Result<LocalOptions, CliError> {
    let provisioning_delay = match process.var(PROVISIONING_VARIABLE) {
        None | Some("") => PROVISIONING,
        Some(text) => Duration::from_millis(text.parse().map_err(|_| {
            CliError::usage(format!("{PROVISIONING_VARIABLE} must be a number of milliseconds"))
        })?),
    };
    Ok(LocalOptions {
        state_dir,
        command,
        container: match runner {
            None | Some(Runner::Process) => {
                Container::Program { program: process.exe.clone(), args: vec![EXECUTOR_ARGUMENT.to_owned()] }
            }
            Some(Runner::Docker) => Container::Docker,
        },
        project: environment.job.project.to_string(),
        region: environment.job.region.to_string(),
        job: environment.job.job.to_string(),
        image: match runner {
            None | Some(Runner::Process) => environment.image.pinned(OWN_DIGEST),
            Some(Runner::Docker) => environment.image.tagged(LATEST),
        },
        // The notes are as `build` makes them: another environment can use this one by its address.
        annotations: [
            (annotation::IMAGE, OWN_DIGEST),
            (annotation::CONTRACT, &CONTRACT_OLDEST.to_string()),
            (annotation::CONTRACTS, &Contracts::OWN.to_string()),
            (annotation::ACTIONS, &ActionDigests::of(actions::of_this_run()).to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        actions: actions::chosen_compiled(),
        tables: tables(&Application::of(&environment.source), process)?,
        database: environment.database_name.clone(),
        user: environment.database_user.clone(),
        schema: actions::of_this_run().schema.clone(),
        password_secret: environment.password_secret.to_string(),
        provisioning_delay,
    })
}

/// Reads the scripts of the application's folder that make its tables.
///
/// # Errors
///
/// Fails when a file of the folder cannot be read.
pub fn tables(application: &Application, process: &Process) -> Result<Tables, CliError> {
    Ok(Tables { schema: script(application.schema(process)?)?, seed: script(application.seed(process)?)? })
}

/// Makes a script for the embedded database of a file.
///
/// # Errors
///
/// Fails when it is not UTF-8.
pub fn script(file: ApplicationFile) -> Result<Script, CliError> {
    Ok(Script { name: file.path.display().to_string(), sql: file.into_text()? })
}

/// Checks that the Docker engine has the image, where tasks are run in the engine.
pub(super) fn needs_image(
    environment: &Environment,
    runner: Option<Runner>,
    process: &Process,
) -> impl Future<Output = Result<(), CliError>> + Send + 'static {
    let image = (runner == Some(Runner::Docker)).then(|| environment.image.tagged(LATEST));
    let build = hints::command(&environment.name, "build", &[]);
    let variables = process.docker_variables();
    async move {
        let Some(image) = image else { return Ok(()) };
        let engine = Engine::connect(|name| variables.get(name).cloned()).await?;
        match engine.image(&image).await? {
            Some(_) => Ok(()),
            None => Err(CliError::new(
                ExitCode::ResourceNotFound,
                format!("the Docker engine has no image {image}"),
            )
            .hint(hints::advice("build it with", &build))),
        }
    }
}

/// The words for a person who waits for another process.
#[must_use]
pub fn waiting(environment: &str, holder: &Holder) -> String {
    let who = holder.in_brackets();
    format!("waiting for another quill-admin to finish with the environment {environment}{who}")
}

pub(super) fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::UnpackingDatabase => "unpacking PostgreSQL (the first time only)",
        Stage::StartingDatabase => "starting PostgreSQL",
        Stage::CreatingTables => "creating the application's tables",
        Stage::StartingCloud => "starting the emulator",
        _ => "ready",
    }
}

/// Converts an error of an environment, with the next step that helps. The state is deleted only where that helps, and
/// never where there is none: for the database in which actions are tried, `environment` is `None`.
#[must_use]
pub fn error(error: LocalError, environment: Option<&str>) -> CliError {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    // The file is the application's, so a person has to correct it.
    if let LocalError::Script { .. } = &error {
        return CliError::usage(message);
    }
    let told = CliError::new(ExitCode::LocalUnusable, message);
    if let Some(kind) = error.system() {
        return system(told, &error, kind, environment);
    }
    let reset = environment.map(hints::reset);
    let afresh = reset
        .as_ref()
        .map(|reset| advice("start afresh, without the users, executions and logs in it", reset));
    match error {
        LocalError::NotOurs { path, .. } => {
            told.hint(format!("look at it with: ls -la {}; then move it away, and try again", quoted(&path)))
        }
        LocalError::OtherTables { .. } => told
            .hints(afresh)
            .hint("or name the folder whose tables it has: --application FOLDER"),
        LocalError::InUse { holder, .. } | LocalError::ServedOtherwise { holder, .. } if holder.is_serving() => {
            let by_number = holder.process.map(|process| format!(", or with: kill {process}"));
            told.hint(format!("end it with Ctrl-C in its terminal{}", by_number.unwrap_or_default()))
                .hint("then try again")
        }
        LocalError::InUse { .. } => told.hint("wait until it has ended, or end it"),
        LocalError::Silent { holder, .. } => {
            let told = told.hint("if it was stopped with Ctrl-Z, let it go on in its terminal: fg");
            match holder.process {
                Some(process) => told.hint(format!("or end it: kill {process}")),
                None => told,
            }
        }
        LocalError::NoLoopback { .. } => told.hint(
            "look at the loopback interface; on Linux: ip address show lo; it is switched on with: ip link set lo up",
        ),
        LocalError::Ended { .. } => told.hint("run it again"),
        LocalError::Format { .. } | LocalError::Damaged { .. } => {
            told.hints(afresh)
        }
        LocalError::Cloud { .. } | LocalError::Database { .. } => {
            told.hints(reset.map(|reset| advice("if it stays like that, start afresh with", &reset)))
        }
        _ => told,
    }
}

/// Adds what helps where the system does not let a file be used. To delete the state would not.
fn system(told: CliError, error: &LocalError, kind: io::ErrorKind, environment: Option<&str>) -> CliError {
    let is_cache = matches!(error, LocalError::Cache { .. });
    let path = match error {
        LocalError::State { path, .. } | LocalError::Cache { path, .. } => Some(nearest(path)),
        _ => None,
    };
    let told = match (kind, path) {
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, Some(path)) => {
            told.hint(format!("free some space there, and try again; see what is free: df -h {}", quoted(path)))
        }
        (io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded, None) => {
            told.hint("free some space, and try again; see what is free: df -h")
        }
        (io::ErrorKind::ReadOnlyFilesystem, _) if is_cache || environment.is_none() => told,
        (io::ErrorKind::ReadOnlyFilesystem, _) => told.hint(
            "use a settings file in a folder that can be written to, since the state is kept beside it: --config FILE",
        ),
        (_, Some(path)) => told.hint(format!("look whose it is: ls -ld {}", quoted(path))),
        (_, None) => told,
    };
    // On macOS the folder has a fixed place in the home.
    if is_cache && !cfg!(target_os = "macos") {
        told.hint("to have it unpacked in another folder, set XDG_CACHE_HOME=/a/folder")
    } else {
        told
    }
}

/// The path, or the nearest folder above it that is there and can be seen.
fn nearest(path: &Path) -> &Path {
    path.ancestors().find(|above| above.symlink_metadata().is_ok()).unwrap_or(path)
}
