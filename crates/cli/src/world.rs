//! What stands behind an environment, opened: a connection to Google Cloud or to what stands in
//! for it. Past this point nothing knows the difference.

use quill_admin_cloud::{Credentials, Endpoints, Google};
use quill_admin_contract::ExitCode;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::process::Process;

/// The argument with which this program is started again as the local environment's container.
pub const EXECUTOR_ARGUMENT: &str = "__executor";

/// An open environment.
pub struct World {
    /// The cloud.
    pub google: Google,
    #[cfg(feature = "local")]
    local: Option<quill_admin_local::Local>,
}

/// An environment that is being opened while a person answers questions.
pub struct Opening {
    world: JoinHandle<Result<World, CliError>>,
    doing: watch::Receiver<&'static str>,
}

impl World {
    /// Begins to open an environment. What can be refused at once is refused here.
    pub fn open(environment: &Environment, process: &Process) -> Result<Opening, CliError> {
        let (report, doing) = watch::channel("connecting");
        let world = match &environment.place {
            Place::GoogleCloud => {
                return Err(CliError::new(
                    ExitCode::NotSignedIn,
                    format!(
                        "environment \"{}\" is on Google Cloud, and this version cannot sign in there yet",
                        environment.name
                    ),
                )
                .hint("the embedded environment works without signing in: --env local"));
            }
            Place::Endpoints(endpoints) => {
                let endpoints = endpoints.clone();
                tokio::spawn(async move { Self::connect(&endpoints).await })
            }
            #[cfg(feature = "local")]
            Place::Embedded { .. } => {
                let options = local::options(environment, process)?;
                tokio::spawn(async move { Self::embedded(options, report).await })
            }
            #[cfg(not(feature = "local"))]
            Place::Embedded { .. } => {
                let _ = (report, process);
                return Err(without_local());
            }
        };
        Ok(Opening { world, doing })
    }

    async fn connect(endpoints: &Endpoints) -> Result<Self, CliError> {
        let google = Google::connect(endpoints, Credentials::Anonymous).await?;
        Ok(Self {
            google,
            #[cfg(feature = "local")]
            local: None,
        })
    }

    #[cfg(feature = "local")]
    async fn embedded(
        options: quill_admin_local::LocalOptions,
        report: watch::Sender<&'static str>,
    ) -> Result<Self, CliError> {
        let local = quill_admin_local::Local::start(options, move |stage| {
            report.send_replace(local::doing(stage));
        })
        .await
        .map_err(local::error)?;
        let url = Some(local.endpoint().to_owned());
        let endpoints = Endpoints { run: url.clone(), logging: url };
        let google = Google::connect(&endpoints, Credentials::Anonymous).await?;
        Ok(Self { google, local: Some(local) })
    }

    /// The embedded environment, where it is one.
    #[cfg(feature = "local")]
    #[must_use]
    pub fn local(&self) -> Option<&quill_admin_local::Local> {
        self.local.as_ref()
    }

    /// Ends what was started for it.
    #[cfg_attr(not(feature = "local"), expect(clippy::unused_async, reason = "there is nothing to end"))]
    pub async fn close(self) -> Result<(), CliError> {
        #[cfg(feature = "local")]
        if let Some(local) = self.local {
            local.shutdown().await.map_err(local::error)?;
        }
        Ok(())
    }
}

impl Opening {
    /// Waits until it is open, telling what takes time.
    pub async fn wait(mut self, emit: Emit<'_>) -> Result<World, CliError> {
        emit(Event::Doing(*self.doing.borrow_and_update()));
        loop {
            tokio::select! {
                world = &mut self.world => {
                    return world.unwrap_or_else(|error| {
                        Err(CliError::new(ExitCode::Unexpected, format!("opening the environment failed: {error}")))
                    });
                }
                Ok(()) = self.doing.changed() => emit(Event::Doing(*self.doing.borrow_and_update())),
            }
        }
    }
}

/// This program was built without the embedded environment.
#[cfg(not(feature = "local"))]
#[must_use]
pub fn without_local() -> CliError {
    CliError::usage("this program was built without the embedded environment (feature \"local\")")
        .hint("build it with default features: cargo build --release")
}

/// Between our words and the embedded environment's.
#[cfg(feature = "local")]
pub mod local {
    use std::time::Duration;

    use quill_admin_contract::ExitCode;
    use quill_admin_local::{Container, LocalError, LocalOptions, Stage};

    use super::EXECUTOR_ARGUMENT;
    use crate::config::{Environment, Place};
    use crate::error::CliError;
    use crate::process::Process;

    /// Stands in for the digest of an image nobody builds: this very program is the container.
    const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

    /// A short wait, so that a person sees what the real environments make them wait for.
    const PROVISIONING: Duration = Duration::from_millis(300);
    const PROVISIONING_VARIABLE: &str = "QUILL_ADMIN_LOCAL_PROVISIONING_MS";

    /// How an environment is set up on this machine.
    pub fn options(environment: &Environment, process: &Process) -> Result<LocalOptions, CliError> {
        let Place::Embedded { state } = &environment.place else {
            return Err(CliError::usage(format!(
                "environment \"{}\" is not an emulated one",
                environment.name
            )));
        };
        let provisioning_delay = match process.var(PROVISIONING_VARIABLE) {
            None | Some("") => PROVISIONING,
            Some(text) => Duration::from_millis(text.parse().map_err(|_| {
                CliError::usage(format!("{PROVISIONING_VARIABLE} must be a number of milliseconds"))
            })?),
        };
        Ok(LocalOptions {
            state_dir: state.clone(),
            container: Container { program: process.exe.clone(), args: vec![EXECUTOR_ARGUMENT.to_owned()] },
            project: environment.job.project.to_string(),
            region: environment.job.region.to_string(),
            job: environment.job.job.to_string(),
            image: format!("{}@{DIGEST}", environment.image),
            database: environment.database_name.clone(),
            user: environment.database_user.clone(),
            password_secret: environment.password_secret.to_string(),
            provisioning_delay,
        })
    }

    pub(super) fn doing(stage: Stage) -> &'static str {
        match stage {
            Stage::UnpackingDatabase => "unpacking PostgreSQL (the first time only)",
            Stage::StartingDatabase => "starting PostgreSQL",
            Stage::CreatingTables => "creating the Quill tables",
            Stage::StartingCloud => "starting the emulator",
            _ => "ready",
        }
    }

    /// The embedded environment stands in for the cloud: where it fails, the cloud failed.
    #[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
    #[must_use]
    pub fn error(error: LocalError) -> CliError {
        let mut message = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message = format!("{message}: {cause}");
            source = cause.source();
        }
        let told = CliError::new(ExitCode::CloudFailed, message);
        match error {
            LocalError::InUse { .. } => told.hint("wait until it has ended, or end it"),
            LocalError::Format { .. } => told.hint("start afresh with: quill-admin local reset"),
            _ => told.hint("if it stays broken, start afresh with: quill-admin local reset"),
        }
    }
}
