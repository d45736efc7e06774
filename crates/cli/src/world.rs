//! What stands behind an environment, opened: a connection to Google Cloud or to what stands in
//! for it. Past this point nothing knows the difference.

use std::path::{Path, PathBuf};

use quill_admin_cloud::{Credentials, Endpoints, Google, SignIn, SignInOptions};
use quill_admin_contract::{Actor, ExitCode};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};

use crate::args::Runner;
use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::hints;
use crate::process::Process;

/// The argument with which this program is started again as the local environment's container.
pub const EXECUTOR_ARGUMENT: &str = "__executor";

/// Stands in for the digest of an image nobody builds: this very program is the container.
pub const OWN_DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// An open environment.
pub struct World {
    /// The cloud.
    pub google: Google,
    /// Who we are there; nobody where no sign-in is asked for.
    pub sign_in: Option<SignIn>,
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
    pub fn open(
        environment: &Environment,
        process: &Process,
        access_token_file: Option<&Path>,
        runner: Option<Runner>,
    ) -> Result<Opening, CliError> {
        if runner.is_some() && !matches!(environment.place, Place::Embedded { .. }) {
            return Err(CliError::usage(format!(
                "--runner is for emulated environments; in \"{}\" Cloud Run runs the task",
                environment.name
            )));
        }
        let (report, doing) = watch::channel("connecting");
        let world = match &environment.place {
            Place::GoogleCloud | Place::Endpoints(_) => {
                let _ = report;
                let endpoints = environment.place.endpoints();
                let sign_in = sign_in(environment, process, access_token_file)?;
                tokio::spawn(async move { Self::connect(endpoints, sign_in).await })
            }
            #[cfg(feature = "local")]
            Place::Embedded { .. } => {
                let options = local::options(environment, process, runner)?;
                let image = local::needs_image(environment, runner, process);
                tokio::spawn(async move {
                    image.await?;
                    Self::embedded(options, report).await
                })
            }
            #[cfg(not(feature = "local"))]
            Place::Embedded { .. } => {
                let _ = (report, process);
                return Err(without_local());
            }
        };
        Ok(Opening { world, doing })
    }

    /// Connects to Google Cloud, or to what is at these addresses in its place.
    pub async fn connect(endpoints: Endpoints, sign_in: Option<SignIn>) -> Result<Self, CliError> {
        let credentials = match &sign_in {
            Some(sign_in) => {
                // Asked for now, while questions are answered, and cached.
                sign_in.token().await.map_err(|error| hints::no_token(error, sign_in))?;
                Credentials::SignIn(sign_in.clone())
            }
            None => Credentials::Anonymous,
        };
        let google = Google::connect(endpoints, credentials).await?;
        Ok(Self {
            google,
            sign_in,
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
        let endpoints = Endpoints::all_at(local.endpoint());
        let google = Google::connect(endpoints, Credentials::Anonymous).await?;
        Ok(Self { google, sign_in: None, local: Some(local) })
    }

    /// Whose sign-in it is; `None` where nobody signs in, and where nobody tells.
    pub async fn account(&self) -> Option<String> {
        self.google.account(self.sign_in.as_ref()?).await
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
    /// Connects to the log, too, which every task needs.
    #[must_use]
    pub fn with_log(self) -> Self {
        let Self { world, doing } = self;
        let world = tokio::spawn(async move {
            let world = opened(world.await)?;
            world.google.prepare_log_tail();
            Ok(world)
        });
        Self { world, doing }
    }

    /// Waits until it is open, telling what takes time.
    pub async fn wait(mut self, emit: Emit<'_>) -> Result<World, CliError> {
        emit(Event::Doing(*self.doing.borrow_and_update()));
        loop {
            tokio::select! {
                world = &mut self.world => return opened(world),
                Ok(()) = self.doing.changed() => emit(Event::Doing(*self.doing.borrow_and_update())),
            }
        }
    }
}

fn opened(world: Result<Result<World, CliError>, JoinError>) -> Result<World, CliError> {
    world.unwrap_or_else(|error| {
        Err(CliError::new(ExitCode::Unexpected, format!("opening the environment failed: {error}")))
    })
}

/// Finds the sign-in. Where everything is on this machine nobody asks for one, and the one a person
/// has is not handed to whatever listens there, unless it is named.
pub fn sign_in(
    environment: &Environment,
    process: &Process,
    access_token_file: Option<&Path>,
) -> Result<Option<SignIn>, CliError> {
    let named = named(process, access_token_file);
    let mut options = named.clone();
    options.impersonate.clone_from(&environment.impersonate);
    if let Place::Endpoints(endpoints) = &environment.place {
        options.iam_credentials.clone_from(&endpoints.iam_credentials);
        if on_this_machine(endpoints) {
            return named.named().map(|_| SignIn::find(&options)).transpose().map_err(CliError::from);
        }
    }
    let SignInOptions { gcloud, gcloud_account, gcloud_configuration, .. } = gcloud(process);
    let options = SignInOptions { gcloud, gcloud_account, gcloud_configuration, ..options };
    Ok(Some(SignIn::find(&options)?))
}

/// Where a sign-in is that somebody names.
#[must_use]
pub fn named(process: &Process, access_token_file: Option<&Path>) -> SignInOptions {
    SignInOptions {
        access_token_file: access_token_file
            .map(Path::to_owned)
            .or_else(|| path(process, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"))
            .map(|path| process.cwd.join(path)),
        application_credentials: path(process, "GOOGLE_APPLICATION_CREDENTIALS")
            .map(|path| process.cwd.join(path)),
        ..SignInOptions::default()
    }
}

/// Where gcloud keeps the sign-in of this machine.
#[must_use]
pub fn gcloud(process: &Process) -> SignInOptions {
    let text = |name: &str| process.var(name).filter(|value| !value.is_empty()).map(str::to_owned);
    SignInOptions {
        gcloud: path(process, "CLOUDSDK_CONFIG")
            .or_else(|| Some(path(process, "HOME")?.join(".config/gcloud"))),
        gcloud_configuration: text("CLOUDSDK_ACTIVE_CONFIG_NAME"),
        gcloud_account: text("CLOUDSDK_CORE_ACCOUNT"),
        ..SignInOptions::default()
    }
}

fn path(process: &Process, name: &str) -> Option<PathBuf> {
    process.var(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Who asks: recorded, never trusted. Without a sign-in that has a name this is the account on this
/// machine.
#[must_use]
pub fn actor(account: Option<&str>, process: &Process) -> Option<Actor> {
    if let Some(account) = account {
        return account.parse().ok();
    }
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| process.var(name)?.parse().ok())
}

/// Every service is at an address of this machine.
#[must_use]
pub fn on_this_machine(endpoints: &Endpoints) -> bool {
    endpoints.each().all(|endpoint| endpoint.is_some_and(|url| url.starts_with("http://")))
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
    use std::path::PathBuf;
    use std::time::Duration;

    use quill_admin_contract::image::annotation;
    use quill_admin_contract::{CONTRACT_VERSION, ExitCode};
    use quill_admin_image::Engine;
    use quill_admin_local::{Container, LocalError, LocalOptions, Stage};

    use super::{EXECUTOR_ARGUMENT, OWN_DIGEST};
    use crate::args::Runner;
    use crate::config::{Environment, Place};
    use crate::error::CliError;
    use crate::flow::build::LATEST;
    use crate::hints;
    use crate::process::Process;

    /// A short wait, so that a person sees what the real environments make them wait for.
    const PROVISIONING: Duration = Duration::from_millis(300);
    const PROVISIONING_VARIABLE: &str = "QUILL_ADMIN_LOCAL_PROVISIONING_MS";

    /// How an environment is set up on this machine.
    pub fn options(
        environment: &Environment,
        process: &Process,
        runner: Option<Runner>,
    ) -> Result<LocalOptions, CliError> {
        let provisioning_delay = match process.var(PROVISIONING_VARIABLE) {
            None | Some("") => PROVISIONING,
            Some(text) => Duration::from_millis(text.parse().map_err(|_| {
                CliError::usage(format!("{PROVISIONING_VARIABLE} must be a number of milliseconds"))
            })?),
        };
        Ok(LocalOptions {
            state_dir: state_dir(environment)?,
            container: match runner {
                None | Some(Runner::Process) => Container::Program {
                    program: process.exe.clone(),
                    args: vec![EXECUTOR_ARGUMENT.to_owned()],
                },
                Some(Runner::Docker) => Container::Docker,
            },
            project: environment.job.project.to_string(),
            region: environment.job.region.to_string(),
            job: environment.job.job.to_string(),
            image: match runner {
                None | Some(Runner::Process) => environment.image.pinned(OWN_DIGEST),
                Some(Runner::Docker) => environment.image.tagged(LATEST),
            },
            // As `build` notes it: another environment can be pointed at this one.
            annotations: [
                (annotation::IMAGE, OWN_DIGEST),
                (annotation::CONTRACT, &CONTRACT_VERSION.to_string()),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
            database: environment.database_name.clone(),
            user: environment.database_user.clone(),
            password_secret: environment.password_secret.to_string(),
            provisioning_delay,
        })
    }

    /// Where an environment keeps its state.
    pub fn state_dir(environment: &Environment) -> Result<PathBuf, CliError> {
        match &environment.place {
            Place::Embedded { state } => Ok(state.clone()),
            _ => Err(CliError::usage(format!("environment \"{}\" is not an emulated one", environment.name))),
        }
    }

    /// Looks whether the engine has the image, where that is what runs tasks.
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
                .hint(format!("build it with: {build}"))),
            }
        }
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
