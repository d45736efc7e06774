//! A session: an opened environment with its settings, the connection to Google Cloud or to the emulator in
//! its place, the sign-in, and the function that takes events.
//!
//! Work takes a [`Session`] and asks it for everything that differs between environments. Only this module
//! and `config/` know which services are behind an environment. `sign_in.rs` finds the sign-in; `local.rs`
//! starts the embedded environment; `ahead.rs` reads the job of a task in advance.
//!
//! **A typical change** is another difference between environments: a question in `config/environment.rs` or
//! here, which work then asks.

mod ahead;
#[cfg(feature = "local")]
pub mod local;
pub mod own_program;
mod runner;
pub mod sign_in;

#[cfg(feature = "local")]
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use quill_admin_cloud::{CloudError, Credentials, Google, Job, JobName, SignIn};
use quill_admin_contract::ExitCode;
use quill_admin_image::Token;
use tokio::sync::{OnceCell, watch};
use tokio::task::{JoinError, JoinHandle};

use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::hints;
use crate::process::Process;
use ahead::Ahead;
pub use runner::Runner;

/// The purpose of a session: the command that it is opened for.
#[derive(Debug, Clone)]
pub struct Purpose {
    /// The command, such as `create-superadmin`: others that wait for this one are told.
    pub command: String,
    /// Whether the command has to run the embedded environment by itself. Others use one that is served, too.
    pub alone: bool,
}

/// An opened environment with its sign-in. Clones share it.
#[derive(Clone)]
pub struct Session {
    opened: Arc<Opened>,
    emit: Emit,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

struct Opened {
    environment: Environment,
    google: Arc<Google>,
    sign_in: Option<SignIn>,
    /// The account of the sign-in, once it was asked for.
    account: Arc<OnceCell<Option<String>>>,
    /// The job of a task, which is read while a person answers questions.
    ahead: Mutex<Option<Ahead>>,
    #[cfg(feature = "local")]
    local: Option<quill_admin_local::Joined>,
}

/// The progress of opening an environment.
#[derive(Debug, Clone)]
enum Progress {
    /// A step that takes a moment.
    Step(&'static str),
    /// Another process uses the environment.
    #[cfg(feature = "local")]
    Waiting(String),
}

impl Progress {
    fn event(&self) -> Event {
        match self {
            Self::Step(what) => Event::Doing(what),
            #[cfg(feature = "local")]
            Self::Waiting(what) => Event::Waiting(what.clone()),
        }
    }
}

/// An environment that is being opened while a person answers questions.
///
/// The embedded one begins to open when it is waited for: from then on this process holds it, and others would wait
/// for whoever answers.
pub struct Opening {
    opened: Begun,
    progress: watch::Receiver<Progress>,
}

/// The work that opens an environment.
enum Begun {
    /// It is under way.
    Now(JoinHandle<Result<Opened, CliError>>),
    /// It begins when it is waited for.
    #[cfg(feature = "local")]
    Later(Pin<Box<dyn Future<Output = Result<Opened, CliError>> + Send>>),
}

impl Begun {
    fn begin(self) -> JoinHandle<Result<Opened, CliError>> {
        match self {
            Self::Now(opened) => opened,
            #[cfg(feature = "local")]
            Self::Later(opening) => tokio::spawn(opening),
        }
    }
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opening").finish_non_exhaustive()
    }
}

impl Session {
    /// Begins to open an environment with the sign-in that [`sign_in::find`] finds; the embedded one begins when
    /// it is waited for. Mistakes that are known at once are refused here.
    ///
    /// # Errors
    ///
    /// Fails when settings cannot be used, when there is no sign-in, and when the file sends calls to a host
    /// that nobody has named.
    pub fn open(
        environment: &Environment,
        process: &Process,
        access_token_file: Option<&std::path::Path>,
        runner: Option<Runner>,
        purpose: Purpose,
    ) -> Result<Opening, CliError> {
        if runner.is_some() && environment.outlives_us() {
            return Err(CliError::usage(format!(
                "--runner is for emulated environments; in \"{}\" Cloud Run runs the task",
                environment.name
            )));
        }
        let sign_in = sign_in::find(environment, process, access_token_file)?;
        Self::open_as(environment, process, sign_in, runner, purpose)
    }

    /// Begins to open an environment with a sign-in that was found before. `runner` chooses what runs the
    /// tasks of an embedded environment.
    ///
    /// # Errors
    ///
    /// Fails when settings cannot be used.
    pub fn open_as(
        environment: &Environment,
        process: &Process,
        sign_in: Option<SignIn>,
        runner: Option<Runner>,
        purpose: Purpose,
    ) -> Result<Opening, CliError> {
        let (report, progress) = watch::channel(Progress::Step("connecting"));
        let environment = environment.clone();
        let opened = match &environment.place {
            Place::GoogleCloud | Place::Endpoints(_) => {
                Begun::Now(tokio::spawn(Opened::connect(environment, sign_in)))
            }
            #[cfg(feature = "local")]
            Place::Embedded { state } => {
                let options = local::options(&environment, state.clone(), process, runner, purpose.command)?;
                let image = local::needs_image(&environment, runner, process);
                Begun::Later(Box::pin(async move {
                    image.await?;
                    Opened::embedded(environment, options, purpose.alone, report).await
                }))
            }
            #[cfg(not(feature = "local"))]
            Place::Embedded { .. } => {
                let _ = (report, process, runner, purpose);
                return Err(without_local());
            }
        };
        Ok(Opening { opened, progress })
    }

    /// The same session with another function that takes events.
    #[must_use]
    pub fn with_emit(&self, emit: Emit) -> Self {
        Self { opened: Arc::clone(&self.opened), emit }
    }

    /// The settings of the environment.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.opened.environment
    }

    /// The connection to Google Cloud, or to the emulator.
    #[must_use]
    pub fn google(&self) -> &Google {
        &self.opened.google
    }

    /// The sign-in; `None` where none is asked for.
    #[must_use]
    pub fn sign_in(&self) -> Option<&SignIn> {
        self.opened.sign_in.as_ref()
    }

    /// Emits an event.
    pub fn emit(&self, event: Event) {
        (self.emit)(event);
    }

    /// The function that takes events, for work that has no session.
    #[must_use]
    pub fn emitter(&self) -> &Emit {
        &self.emit
    }

    /// The account of the sign-in; `None` where nobody signs in, and where the account is not known. It is
    /// asked for once.
    pub async fn account(&self) -> Option<String> {
        let Opened { account, google, sign_in, .. } = &*self.opened;
        account.get_or_init(|| account_of(google, sign_in.as_ref())).await.clone()
    }

    /// A job, as it was read while a person answered questions, or else as it is now.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub async fn job(&self, name: &JobName) -> Result<Job, CloudError> {
        let ahead = self.opened.ahead.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ahead {
            Some(ahead) if ahead.name() == name => ahead.job().await,
            _ => self.google().job(name).await,
        }
    }

    /// A token for the registry that is valid now; `None` where nobody signs in.
    ///
    /// # Errors
    ///
    /// Fails when no token is available.
    pub async fn registry_token(&self) -> Result<Option<Token>, CliError> {
        let Some(sign_in) = self.sign_in() else { return Ok(None) };
        let hosts = sign_in.hosts().clone();
        Ok(Some(Token::new(sign_in.token().await?, move |url| hosts.allow(url))))
    }

    /// Whether a task goes on when this program ends.
    #[must_use]
    pub fn outlives_us(&self) -> bool {
        self.environment().outlives_us() || self.is_served()
    }

    /// Whether another process of this machine serves the environment.
    #[must_use]
    pub fn is_served(&self) -> bool {
        #[cfg(feature = "local")]
        return matches!(self.opened.local, Some(quill_admin_local::Joined::Served(_)));
        #[cfg(not(feature = "local"))]
        false
    }

    /// Checks that another process, where one serves the environment, still does: only it is to see what a task is
    /// started with.
    ///
    /// # Errors
    ///
    /// Fails when it has ended, or when that cannot be known.
    pub fn check_served(&self) -> Result<(), CliError> {
        #[cfg(feature = "local")]
        if let Some(quill_admin_local::Joined::Served(served)) = &self.opened.local {
            served.check().map_err(|error| local::error(error, Some(&self.opened.environment.name)))?;
        }
        Ok(())
    }

    /// The embedded environment, where it is one that this process runs.
    #[cfg(feature = "local")]
    #[must_use]
    pub fn local(&self) -> Option<&quill_admin_local::Local> {
        match self.opened.local.as_ref()? {
            quill_admin_local::Joined::Own(local) => Some(local),
            quill_admin_local::Joined::Served(_) => None,
        }
    }

    /// Ends the services that were started for it, unless a clone still uses them.
    ///
    /// # Errors
    ///
    /// Fails when the embedded environment does not shut down properly.
    #[cfg_attr(not(feature = "local"), expect(clippy::unused_async, reason = "there is nothing to end"))]
    pub async fn close(self) -> Result<(), CliError> {
        #[cfg(feature = "local")]
        if let Some(Opened { local: Some(quill_admin_local::Joined::Own(local)), environment, .. }) =
            Arc::into_inner(self.opened)
        {
            local.shutdown().await.map_err(|error| local::error(error, Some(&environment.name)))?;
        }
        Ok(())
    }
}

impl Opened {
    /// Connects to Google Cloud, or to the services at the environment's addresses.
    async fn connect(environment: Environment, sign_in: Option<SignIn>) -> Result<Self, CliError> {
        let credentials = match &sign_in {
            Some(sign_in) => {
                // The token is asked for now, while a person answers questions, and is cached.
                sign_in.token().await.map_err(|error| hints::no_token(error, sign_in))?;
                Credentials::SignIn(sign_in.clone())
            }
            None => Credentials::Anonymous,
        };
        let google = Google::connect(environment.place.endpoints(), credentials).await?;
        Ok(Self {
            environment,
            google: Arc::new(google),
            sign_in,
            account: Arc::default(),
            ahead: Mutex::default(),
            #[cfg(feature = "local")]
            local: None,
        })
    }

    #[cfg(feature = "local")]
    async fn embedded(
        environment: Environment,
        options: quill_admin_local::LocalOptions,
        alone: bool,
        report: watch::Sender<Progress>,
    ) -> Result<Self, CliError> {
        use quill_admin_local::{Joined, Local};
        let (report, waits) = (report.clone(), report);
        let on_progress = move |stage| {
            report.send_replace(Progress::Step(local::doing(stage)));
        };
        let name = environment.name.clone();
        let on_wait = move |holder: &quill_admin_local::Holder| {
            waits.send_replace(Progress::Waiting(local::waiting(&name, holder)));
        };
        let joined = if alone {
            Local::start_in_turn(options, on_progress, on_wait).await
        } else {
            Local::join(options, on_progress, on_wait).await
        };
        let joined = joined.map_err(|error| local::error(error, Some(&environment.name)))?;
        let endpoints = match &joined {
            Joined::Own(local) => quill_admin_cloud::Endpoints::all_at(local.endpoint()),
            Joined::Served(served) => quill_admin_cloud::Endpoints::all_at(&served.endpoint()),
        };
        let google = Google::connect(endpoints, Credentials::Anonymous).await?;
        Ok(Self {
            environment,
            google: Arc::new(google),
            sign_in: None,
            account: Arc::default(),
            ahead: Mutex::default(),
            local: Some(joined),
        })
    }
}

impl Opening {
    /// Also reads, as soon as the environment is open, what a task needs: its job, and the account of the
    /// sign-in. With `starts` it prepares the connection to the log as well.
    #[must_use]
    pub fn for_task(self, job: JobName, starts: bool) -> Self {
        let Self { opened, progress } = self;
        let prepared = move |opened: Opened| {
            if starts {
                opened.google.prepare_log();
            }
            let ahead = Ahead::begin(Arc::clone(&opened.google), job);
            *opened.ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
            let (google, sign_in) = (Arc::clone(&opened.google), opened.sign_in.clone());
            let account = Arc::clone(&opened.account);
            tokio::spawn(async move {
                account.get_or_init(|| account_of(&google, sign_in.as_ref())).await;
            });
            opened
        };
        let opened = match opened {
            Begun::Now(opened) => Begun::Now(tokio::spawn(async move { joined(opened.await).map(prepared) })),
            #[cfg(feature = "local")]
            Begun::Later(opening) => Begun::Later(Box::pin(async move { opening.await.map(prepared) })),
        };
        Self { opened, progress }
    }

    /// Waits until the environment is open, and emits the steps that take time.
    ///
    /// # Errors
    ///
    /// Fails with the reason why it could not be opened.
    pub async fn wait(mut self, emit: Emit) -> Result<Session, CliError> {
        let mut begun = self.opened.begin();
        let first = self.progress.borrow_and_update().event();
        emit(first);
        let opened = loop {
            tokio::select! {
                opened = &mut begun => break joined(opened)?,
                Ok(()) = self.progress.changed() => {
                    let next = self.progress.borrow_and_update().event();
                    emit(next);
                }
            }
        };
        Ok(Session { opened: Arc::new(opened), emit })
    }
}

async fn account_of(google: &Google, sign_in: Option<&SignIn>) -> Option<String> {
    google.account(sign_in?).await
}

fn joined(opened: Result<Result<Opened, CliError>, JoinError>) -> Result<Opened, CliError> {
    opened.unwrap_or_else(|error| {
        Err(CliError::new(ExitCode::Unexpected, format!("opening the environment failed: {error}")))
    })
}

/// Whether the embedded environment can be built for this platform. PostgreSQL inside the program is not made for
/// Intel Macs; on Windows it is the crates `local` and `emulator` that need Unix. See decision 45.
#[cfg(not(feature = "local"))]
const LOCAL_IS_POSSIBLE: bool = cfg!(any(
    all(target_os = "linux", any(target_arch = "aarch64", target_arch = "x86_64")),
    all(target_os = "macos", target_arch = "aarch64"),
));

/// The error of a program that was built without the embedded environment.
#[cfg(not(feature = "local"))]
#[must_use]
pub fn without_local() -> CliError {
    if LOCAL_IS_POSSIBLE {
        return CliError::usage(
            "this program was built without the embedded environment (feature \"local\")",
        )
        .hint("build it with default features: cargo build --release");
    }
    let here =
        if cfg!(windows) { "Windows" } else { "this kind of machine, such as Macs with an Intel processor" };
    CliError::usage(format!("the environment on this machine is not in the program for {here}"))
        .hint("use it on Linux (that of WSL, too) or on a Mac with Apple silicon")
        .hint(hints::advice("all other environments work here; list them with", &hints::of_file("envs")))
}
