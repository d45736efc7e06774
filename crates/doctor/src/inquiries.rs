//! The inquiries of checks: each question about the world outside is asked once in a run, and the answer shared.
//!
//! **To add an inquiry:** a cell in [`Asked`] and a method that asks, with the API and the smallest role that
//! lets the caller ask.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quill_admin_cloud::{
    AuditLogging, CloudError, CloudErrorKind, Credentials, DatabaseInstance, Execution, Google, Job,
    LogBucket, LogBucketName, LogSink, Member, ObjectName, Project, ProjectId, Reply, Revision, RevisionLog,
    SecretProject, SecretRef, SecretVersion, ServerCa, Service, SignIn, StateLock, TrustedHosts, role,
};
use quill_admin_image::{Engine, ImageErrorKind, LATEST, Registry, RegistryImage, Repository, split};
use quill_admin_operations::config::{Config, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::{Emit, Event};
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::{PointOfNoReturn, Stage};
use quill_admin_operations::process::Process;
use quill_admin_operations::session::{Purpose, Runner, Session, sign_in};
use quill_admin_operations::trust;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::undecided::Undecided;

/// The time after which a Docker engine that has not answered counts as missing.
const ENGINE_WITHIN: Duration = Duration::from_secs(5);
/// The time after which a registry that has not answered counts as missing; its own time-outs are longer.
const REGISTRY_WITHIN: Duration = Duration::from_secs(12);

/// The number of last lines of a revision's log that are read: enough for a stack trace.
const LOG_LINES: usize = 200;

/// The answer to one question. A second check that asks waits for the answer to the first.
type Answer<T> = OnceCell<Result<T, Undecided>>;

/// Answers to the same question about several things.
type Answers<T> = Mutex<BTreeMap<String, Arc<Answer<T>>>>;

fn about<T>(answers: &Answers<T>, what: &str) -> Arc<Answer<T>> {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(answers.entry(what.to_owned()).or_default())
}

/// The inquiries about this machine.
pub struct Machine {
    /// The process's surroundings.
    pub process: Process,
    /// The environments file, or the error about it.
    pub config: Result<Config, CliError>,
    /// The application's repository, where one was named.
    pub repository: Option<PathBuf>,
    /// Whether only embedded environments are checked.
    pub only_embedded: bool,
    runner: Option<Runner>,
    on_wait: Emit,
    sign_in_was_named: bool,
    sign_ins: Vec<Calls>,
    engine: Answer<Engine>,
    /// The stage of each task that a check runs at the moment.
    tasks: Mutex<Vec<Arc<PointOfNoReturn>>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

/// A sign-in, and the environments that use it.
struct Calls {
    caller: Caller,
    sign_in: Result<Option<SignIn>, Undecided>,
    /// One of these environments.
    environment: Environment,
}

/// Everything that an environment's sign-in depends on: environments with equal values share a sign-in and
/// its token. A token that was made for another environment could be sent to a host that this one must not
/// use, or come from another service.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Caller {
    impersonate: Option<String>,
    /// The service that gives the tokens of a service account, where that is not Google's.
    iam_credentials: Option<String>,
    /// The hosts that the token may be sent to.
    hosts: TrustedHosts,
    /// Whether all services are on this machine, so that no sign-in is asked for.
    on_this_machine: bool,
    /// The reason why there is no sign-in: the environment sends its calls to a host that nobody has named.
    refused: Option<String>,
}

impl Caller {
    fn of(environment: &Environment, process: &Process, named: bool) -> Option<Self> {
        environment.has_surroundings().then(|| Self {
            impersonate: environment.impersonate.clone(),
            iam_credentials: environment.endpoints().iam_credentials,
            hosts: trust::hosts(environment, process, named),
            on_this_machine: !environment.leaves_this_machine(),
            refused: trust::check(environment, process, named).err().map(|error| error.messages.join("; ")),
        })
    }
}

/// Whether Google Cloud has taken the sign-in of a call that failed in this way.
const fn has_answered(kind: CloudErrorKind) -> bool {
    match kind {
        CloudErrorKind::PermissionDenied
        | CloudErrorKind::ServiceDisabled
        | CloudErrorKind::NotFound
        | CloudErrorKind::Conflict
        | CloudErrorKind::Invalid
        | CloudErrorKind::Quota => true,
        CloudErrorKind::NotSignedIn
        | CloudErrorKind::Unreachable
        | CloudErrorKind::UnknownIssuer
        | CloudErrorKind::UntrustedHost
        | CloudErrorKind::Failed => false,
    }
}

impl Machine {
    /// Finds the sign-ins of the environments that are checked. Nothing is sent yet.
    #[must_use]
    pub fn new(
        process: Process,
        config: Result<Config, CliError>,
        environments: &[Environment],
        repository: Option<PathBuf>,
        access_token_file: Option<&Path>,
        runner: Option<Runner>,
    ) -> Self {
        let only_embedded = !environments.is_empty() && environments.iter().all(Environment::is_embedded);
        let sign_in_was_named = sign_in::named(&process, access_token_file).named().is_some();
        let mut sign_ins: Vec<Calls> = Vec::new();
        for environment in environments {
            let Some(caller) = Caller::of(environment, &process, sign_in_was_named) else { continue };
            if sign_ins.iter().all(|known| known.caller != caller) {
                let sign_in =
                    sign_in::find(environment, &process, access_token_file).map_err(Undecided::from);
                sign_ins.push(Calls { caller, sign_in, environment: environment.clone() });
            }
        }
        Self {
            process,
            config,
            repository,
            only_embedded,
            runner,
            on_wait: Arc::new(|_| ()),
            sign_in_was_named,
            sign_ins,
            engine: OnceCell::new(),
            tasks: Mutex::default(),
        }
    }

    /// The same machine, which tells a person that another process is waited for.
    #[must_use]
    pub fn telling(mut self, on_wait: Emit) -> Self {
        self.on_wait = on_wait;
        self
    }

    /// The sign-ins that are used, each once; `None` where everything is on this machine, and none is asked
    /// for.
    pub fn sign_ins(&self) -> impl Iterator<Item = &Result<Option<SignIn>, Undecided>> {
        self.sign_ins.iter().map(|known| &known.sign_in)
    }

    /// Has Google Cloud verify a sign-in that it has not seen yet, by a question about the project of an
    /// environment that uses it. Other answers do not matter here.
    ///
    /// # Errors
    ///
    /// Fails when the sign-in was refused, and when there was no answer.
    pub async fn verify(&self, sign_in: &SignIn) -> Result<(), CloudError> {
        let uses = |known: &&Calls| matches!(&known.sign_in, Ok(Some(known)) if std::ptr::eq(known, sign_in));
        let Some(Calls { environment, .. }) =
            self.sign_ins.iter().find(uses).filter(|_| !sign_in.is_verified())
        else {
            return Ok(());
        };
        let credentials = Credentials::SignIn(sign_in.clone());
        let google = Google::connect(environment.endpoints(), credentials).await?;
        match google.project(&environment.job.project).await {
            Err(error) if !has_answered(error.kind) => Err(error),
            _ => Ok(()),
        }
    }

    fn sign_in(&self, environment: &Environment) -> Result<Option<SignIn>, Undecided> {
        let caller = Caller::of(environment, &self.process, self.sign_in_was_named);
        let found = self.sign_ins.iter().find(|known| Some(&known.caller) == caller.as_ref());
        found.map_or(Ok(None), |known| known.sign_in.clone())
    }

    /// The state of the tasks that checks have started, in words, for a person who leaves now. A check
    /// changes nothing, and neither does its task.
    #[must_use]
    pub fn left(&self) -> String {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let told = tasks.iter().filter_map(|task| match task.stage() {
            Stage::Before(_) | Stage::Made(_) => None,
            Stage::UnderWay(_) => {
                Some("the task \"check\" may have been started, which changes nothing".to_owned())
            }
            Stage::Running(task) => Some(format!(
                "execution {} of the task \"check\" goes on, which changes nothing",
                task.execution
            )),
        });
        ["nothing was changed".to_owned()].into_iter().chain(told).collect::<Vec<_>>().join("; ")
    }

    /// Notes that a check begins a task.
    pub(super) fn begins(&self, task: &Arc<PointOfNoReturn>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(task));
    }

    /// Notes that a check has seen the end of its task.
    pub(super) fn ended(&self, task: &Arc<PointOfNoReturn>) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.retain(|one| !Arc::ptr_eq(one, task));
    }

    /// The Docker engine.
    ///
    /// # Errors
    ///
    /// Fails when there is none, or when it does not answer in time.
    pub async fn engine(&self) -> Result<&Engine, Undecided> {
        let connect = async {
            let found = Engine::connect(|name| self.process.var(name).map(str::to_owned));
            match timeout(ENGINE_WITHIN, found).await {
                Ok(found) => found.map_err(Undecided::from),
                Err(_) => Err(Undecided::new(format!(
                    "the Docker engine has not answered within {} seconds",
                    ENGINE_WITHIN.as_secs()
                ))),
            }
        };
        self.engine.get_or_init(|| connect).await.as_ref().map_err(Undecided::clone)
    }
}

/// The inquiries about one environment.
pub struct Inquiries {
    /// The environment.
    pub environment: Environment,
    /// The machine that the checks run on.
    pub machine: Arc<Machine>,
    session: Arc<Answer<Session>>,
    asked: Asked,
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiries").finish_non_exhaustive()
    }
}

/// The questions that have been asked, with their answers.
#[derive(Default)]
struct Asked {
    job: Answer<Option<Job>>,
    granted: Answer<BTreeSet<&'static str>>,
    granted_apart: Answers<BTreeSet<&'static str>>,
    granted_for_lock: Answer<BTreeSet<&'static str>>,
    database: Answer<DatabaseInstance>,
    server_cas: Answer<Vec<ServerCa>>,
    project: Answer<Project>,
    services: Answer<BTreeSet<String>>,
    audit_logging: Answer<AuditLogging>,
    log_bucket: Answer<LogBucket>,
    log_sinks: Answer<Vec<LogSink>>,
    bucket_writers: Answer<Vec<Member>>,
    secrets: Answers<SecretVersion>,
    secret_readers: Answers<Vec<String>>,
    project_secret_readers: Answers<Vec<Member>>,
    repository: Answer<bool>,
    registry: Answer<Registry>,
    images: Answers<Option<RegistryImage>>,
    service: Answer<Service>,
    revisions: Answer<Vec<Revision>>,
    revision_logs: Answers<RevisionLog>,
    executions: Answer<Vec<Execution>>,
    all_executions: Answer<Vec<Execution>>,
    state_lock: Answer<Option<StateLock>>,
    has_state: Answer<bool>,
}

impl Inquiries {
    /// Begins without any answer.
    #[must_use]
    pub fn new(environment: Environment, machine: &Arc<Machine>) -> Self {
        Self { environment, machine: Arc::clone(machine), session: Arc::default(), asked: Asked::default() }
    }

    /// The same environment without its answers, after something was changed there.
    #[must_use]
    pub fn forgotten(&self) -> Self {
        Self {
            environment: self.environment.clone(),
            machine: Arc::clone(&self.machine),
            session: Arc::clone(&self.session),
            asked: Asked::default(),
        }
    }

    /// The session, if one was opened, so that it can be closed.
    #[must_use]
    pub fn into_session(self) -> Option<Session> {
        Arc::into_inner(self.session).and_then(OnceCell::into_inner)?.ok()
    }

    /// The reason why checks of the job's surroundings have nothing to examine, where the environment is on
    /// this machine.
    #[must_use]
    pub fn nothing_around(&self) -> Option<&'static str> {
        (!self.environment.has_surroundings()).then_some("the environment is on this machine altogether")
    }

    /// The connection to Google Cloud.
    ///
    /// # Errors
    ///
    /// Fails when the environment cannot be opened.
    pub async fn google(&self) -> Result<&Google, Undecided> {
        self.session().await.map(Session::google)
    }

    /// The environment, opened. Its events are not shown, because the report tells what checks find; only that
    /// another process is waited for.
    ///
    /// # Errors
    ///
    /// Fails when the environment cannot be opened.
    pub async fn session(&self) -> Result<&Session, Undecided> {
        let open = async {
            let machine = &self.machine;
            let environment = &self.environment;
            let sign_in = machine.sign_in(environment)?;
            let purpose = Purpose { command: "doctor".to_owned(), alone: false };
            let opening = Session::open_as(environment, &machine.process, sign_in, machine.runner, purpose)?;
            let on_wait = Arc::clone(&machine.on_wait);
            let emit = move |event| {
                if let Event::Waiting(_) = event {
                    on_wait(event);
                }
            };
            Ok(opening.wait(Arc::new(emit)).await?)
        };
        self.session.get_or_init(|| open).await.as_ref().map_err(Undecided::clone)
    }

    /// Asks a service a question that needs `role`.
    async fn ask<'a, T>(
        &'a self,
        answer: &'a Answer<T>,
        role: &'static str,
        question: impl FnOnce(&'a Google) -> Reply<'a, Result<T, CloudError>> + Send,
    ) -> Result<&'a T, Undecided> {
        self.ask_in(self.environment.job.project.as_str(), answer, role, question).await
    }

    /// Asks a question about a project, in which the caller needs `role`.
    async fn ask_in<'a, T>(
        &'a self,
        project: &str,
        answer: &'a Answer<T>,
        role: &'static str,
        question: impl FnOnce(&'a Google) -> Reply<'a, Result<T, CloudError>> + Send,
    ) -> Result<&'a T, Undecided> {
        let ask = async {
            let google = self.google().await?;
            question(google).await.map_err(|error| self.undecided_in(project, error, role))
        };
        answer.get_or_init(|| ask).await.as_ref().map_err(Undecided::clone)
    }

    /// The reason why a question has no answer, with the role that would give one.
    #[must_use]
    pub fn undecided(&self, error: CloudError, role: &str) -> Undecided {
        self.undecided_in(self.environment.job.project.as_str(), error, role)
    }

    fn undecided_in(&self, project: &str, error: CloudError, role: &str) -> Undecided {
        let (kind, is_named) = (error.kind, error.disabled.is_some());
        let undecided = Undecided::from(error);
        match kind {
            CloudErrorKind::PermissionDenied => undecided.advice(self.grant_in(project, role)),
            // Where the service has named itself, the advice is to enable it. It need not be one that the check
            // `apis` knows, and the project need not be this one.
            CloudErrorKind::ServiceDisabled if !is_named => undecided.advice(hints::advice(
                "see which services are enabled",
                &format!("gcloud services list --enabled --project={project}"),
            )),
            _ => undecided,
        }
    }

    /// The hint with the command that gives the caller a role.
    #[must_use]
    pub fn grant(&self, role: &str) -> String {
        self.grant_in(self.environment.job.project.as_str(), role)
    }

    /// The hint with the command that gives the caller a role in a project, or on the bucket of Terraform's state.
    #[must_use]
    pub fn grant_in(&self, project: &str, role: &str) -> String {
        match &self.environment.state_lock {
            // The bucket may belong to another project.
            Some(lock) if role.starts_with("roles/storage.") => {
                hints::grant_on_bucket(lock.bucket(), &self.caller(), role)
            }
            _ => hints::grant(project, &self.caller(), role),
        }
    }

    /// The hint with the command that gives the caller a role on a service account.
    #[must_use]
    pub fn grant_on_account(&self, account: &str, role: &str) -> String {
        hints::grant_on_account(account, &self.caller(), role)
    }

    /// The account that asks, as far as it is known.
    fn caller(&self) -> String {
        let sign_in = self.machine.sign_in(&self.environment).ok().flatten();
        let caller = sign_in.as_ref().and_then(|sign_in| sign_in.acts_as().or(sign_in.account()));
        caller.unwrap_or("ACCOUNT").to_owned()
    }

    /// The job; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub async fn job(&self) -> Result<Option<&Job>, Undecided> {
        let name = &self.environment.job;
        let job = self.ask(&self.asked.job, role::RUN_VIEWER, |google| google.find_job(name)).await?;
        Ok(job.as_ref())
    }

    /// The job, for checks that examine it.
    ///
    /// # Errors
    ///
    /// Fails when there is no job, and when it cannot be read.
    pub async fn existing_job(&self) -> Result<&Job, Undecided> {
        self.job().await?.ok_or_else(|| {
            Undecided::new(format!("there is no job {}", self.environment.job.job))
                .advice(hints::advice("look closer with", &hints::doctor(&self.environment.name, "job")))
        })
    }

    /// The permissions that the caller has in the project, and on the job, among those that this program uses.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn granted(&self) -> Result<&BTreeSet<&'static str>, Undecided> {
        let name = &self.environment.job;
        self.ask(&self.asked.granted, role::BROWSER, |google| google.granted_for_job(name)).await
    }

    /// The same permissions in another project.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn granted_apart(&self, project: &ProjectId) -> Result<BTreeSet<&'static str>, Undecided> {
        let answer = about(&self.asked.granted_apart, project.as_str());
        self.ask_in(project.as_str(), &answer, role::BROWSER, |google| google.granted_in_project(project))
            .await
            .cloned()
    }

    /// The permissions that the caller has on the bucket of Terraform's state; none where the file names no state.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read, and when there is no such bucket.
    pub async fn granted_for_lock(&self) -> Result<BTreeSet<&'static str>, Undecided> {
        let Some(lock) = &self.environment.state_lock else { return Ok(BTreeSet::new()) };
        let answer = &self.asked.granted_for_lock;
        self.ask(answer, role::STORAGE_VIEWER, |google| google.granted_for_lock(lock)).await.cloned()
    }

    /// The project.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub async fn project(&self) -> Result<&Project, Undecided> {
        let project = &self.environment.job.project;
        self.ask(&self.asked.project, role::BROWSER, |google| google.project(project)).await
    }

    /// The services that are enabled, among those given. They are asked for once, by one check.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn services<'a>(&'a self, services: &'a [&'a str]) -> Result<&'a BTreeSet<String>, Undecided> {
        let project = &self.environment.job.project;
        let answer = &self.asked.services;
        self.ask(answer, role::SERVICES_VIEWER, |google| google.enabled_services(project, services)).await
    }

    /// Whether runs are recorded by Cloud Audit Logs.
    ///
    /// # Errors
    ///
    /// Fails when the project's settings cannot be read.
    pub async fn audit_logging(&self) -> Result<&AuditLogging, Undecided> {
        let project = &self.environment.job.project;
        self.ask(&self.asked.audit_logging, role::BROWSER, |google| google.records_runs(project)).await
    }

    /// The log bucket of the records, which may be in another project.
    ///
    /// # Errors
    ///
    /// Fails when it does not exist, and when it cannot be read.
    pub async fn log_bucket<'a>(&'a self, name: &'a LogBucketName) -> Result<&'a LogBucket, Undecided> {
        let answer = &self.asked.log_bucket;
        self.ask_in(name.project.as_str(), answer, role::LOG_VIEWER, |google| google.log_bucket(name)).await
    }

    /// The sinks of the project's log.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn log_sinks(&self) -> Result<&[LogSink], Undecided> {
        let project = &self.environment.job.project;
        Ok(self.ask(&self.asked.log_sinks, role::LOG_VIEWER, |google| google.log_sinks(project)).await?)
    }

    /// The members who may write into the log buckets of a project.
    ///
    /// # Errors
    ///
    /// Fails when the project's policy cannot be read.
    pub async fn bucket_writers<'a>(&'a self, project: &'a ProjectId) -> Result<&'a [Member], Undecided> {
        let answer = &self.asked.bucket_writers;
        let who = |google: &'a Google| google.members_with(project.as_str(), role::BUCKET_WRITER);
        Ok(self.ask_in(project.as_str(), answer, role::BROWSER, who).await?)
    }

    /// The project of a secret that the job refers to: its id or its number.
    #[must_use]
    pub fn project_of<'a>(&'a self, secret: &'a SecretRef) -> &'a str {
        match &secret.project {
            SecretProject::Own => self.environment.job.project.as_str(),
            SecretProject::Other(project) | SecretProject::Number(project) => project,
        }
    }

    /// A version of a secret that the job refers to.
    ///
    /// # Errors
    ///
    /// Fails when it does not exist, and when it cannot be read.
    pub async fn secret_version(&self, wanted: &SecretRef) -> Result<SecretVersion, Undecided> {
        let project = self.project_of(wanted);
        let answer = about(&self.asked.secrets, &wanted.to_string());
        self.ask_in(project, &answer, role::SECRETS_VIEWER, |google| {
            google.secret_version(project, &wanted.secret, &wanted.version)
        })
        .await
        .cloned()
    }

    /// The members that a secret's own policy lets read its value; `project` is an id or a number.
    ///
    /// # Errors
    ///
    /// Fails when there is no such secret, and when its policy cannot be read.
    pub async fn secret_readers(&self, project: &str, secret: &str) -> Result<Vec<String>, Undecided> {
        let answer = about(&self.asked.secret_readers, &format!("{project}/{secret}"));
        self.ask_in(project, &answer, role::SECRETS_VIEWER, |google| google.secret_readers(project, secret))
            .await
            .cloned()
    }

    /// The members that a project lets read the values of its secrets; `project` is an id or a number.
    ///
    /// # Errors
    ///
    /// Fails when the project's policy cannot be read.
    pub async fn project_secret_readers(&self, project: &str) -> Result<Vec<Member>, Undecided> {
        let answer = about(&self.asked.project_secret_readers, project);
        self.ask_in(project, &answer, role::BROWSER, |google| {
            google.members_with(project, role::SECRET_READER)
        })
        .await
        .cloned()
    }

    /// Whether Artifact Registry has the admin image's repository; `true` where the image is elsewhere.
    ///
    /// # Errors
    ///
    /// Fails when that cannot be read.
    pub async fn repository(&self) -> Result<bool, Undecided> {
        let Some((location, project, repository)) = self.environment.artifact_repository() else {
            return Ok(true);
        };
        self.ask(&self.asked.repository, role::REGISTRY_READER, |google| {
            google.has_repository(&project, &location, &repository)
        })
        .await
        .copied()
    }

    /// The backend's service, where the file names one.
    ///
    /// # Errors
    ///
    /// Fails when it does not exist, and when it cannot be read.
    pub async fn service(&self) -> Result<Option<&Service>, Undecided> {
        let Some(backend) = &self.environment.backend else { return Ok(None) };
        self.ask(&self.asked.service, role::RUN_VIEWER, |google| google.service(&backend.service))
            .await
            .map(Some)
    }

    /// The revisions of the backend's service, newest first.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn revisions(&self) -> Result<&[Revision], Undecided> {
        let Some(backend) = &self.environment.backend else { return Ok(&[]) };
        Ok(self
            .ask(&self.asked.revisions, role::RUN_VIEWER, |google| google.revisions(&backend.service))
            .await?)
    }

    /// The end of the log of one of its revisions. This takes one read of the project's quota, and more where
    /// Cloud Logging answers in parts.
    ///
    /// # Errors
    ///
    /// Fails when the log cannot be read.
    pub async fn revision_log(&self, revision: &str) -> Result<RevisionLog, Undecided> {
        let Some(backend) = &self.environment.backend else {
            return Err(Undecided::new("the environments file names no backend"));
        };
        let answer = about(&self.asked.revision_logs, revision);
        self.ask(&answer, role::LOG_VIEWER, |google| {
            google.revision_log(&backend.service, revision, LOG_LINES)
        })
        .await
        .cloned()
    }

    /// The job's executions that Cloud Run still knows, newest first.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn executions(&self) -> Result<&[Execution], Undecided> {
        let name = &self.environment.job;
        Ok(self.ask(&self.asked.executions, role::RUN_VIEWER, |google| google.executions(name)).await?)
    }

    /// The executions of every job in the project and region of ours.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn all_executions(&self) -> Result<&[Execution], Undecided> {
        let beside = &self.environment.job;
        let answer = &self.asked.all_executions;
        Ok(self.ask(answer, role::RUN_VIEWER, |google| google.executions_of_all_jobs(beside)).await?)
    }

    /// The lock on Terraform's state; `None` where there is none, or where the file names no state.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub async fn state_lock(&self) -> Result<Option<&StateLock>, Undecided> {
        let Some(name) = &self.environment.state_lock else { return Ok(None) };
        let answer = &self.asked.state_lock;
        Ok(self.ask(answer, role::STORAGE_VIEWER, |google| google.state_lock(name)).await?.as_ref())
    }

    /// Whether the state is there that Terraform would lock; `None` where the lock's name does not tell what the
    /// state is called, and where the file names no lock.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be read.
    pub async fn has_state(&self) -> Result<Option<bool>, Undecided> {
        let lock = self.environment.state_lock.as_ref();
        let Some(state) = lock.and_then(ObjectName::locked_state) else { return Ok(None) };
        let answer = &self.asked.has_state;
        Ok(Some(*self.ask(answer, role::STORAGE_VIEWER, |google| google.has_object(state)).await?))
    }

    /// The Cloud SQL instance; `None` where the file names none.
    ///
    /// # Errors
    ///
    /// Fails when it does not exist, and when it cannot be read.
    pub async fn database(&self) -> Result<Option<&DatabaseInstance>, Undecided> {
        let Some(instance) = &self.environment.database_instance else { return Ok(None) };
        let project = &self.environment.job.project;
        let answer = &self.asked.database;
        self.ask(answer, role::SQL_VIEWER, |google| google.database_instance(project, instance))
            .await
            .map(Some)
    }

    /// The authorities that the Cloud SQL instance lists; none where the file names no instance.
    ///
    /// # Errors
    ///
    /// Fails when they cannot be read.
    pub async fn server_cas(&self) -> Result<&[ServerCa], Undecided> {
        let Some(instance) = &self.environment.database_instance else { return Ok(&[]) };
        let project = &self.environment.job.project;
        let answer = &self.asked.server_cas;
        Ok(self.ask(answer, role::SQL_VIEWER, |google| google.server_cas(project, instance)).await?)
    }

    /// The image of a name, in whichever repository it is; `None` if it is not there. The access token is
    /// sent only to the environment's own registries.
    ///
    /// # Errors
    ///
    /// Fails when the name is not valid, and when the registry refuses or does not answer in time.
    pub async fn image_called(&self, name: &str) -> Result<Option<RegistryImage>, Undecided> {
        let (repository, reference) = split(name);
        let repository: Repository =
            repository.parse().map_err(|error| Undecided::new(format!("{name}: {error}")))?;
        if repository == self.environment.image {
            return self.image(reference).await;
        }
        let own = self.environment.has_registry(repository.registry());
        let answer = about(&self.asked.images, name);
        let asks = async {
            let token = if own { self.session().await?.registry_token().await? } else { None };
            self.registry_image(&Registry::new(&repository, token.as_ref()), &repository, reference).await
        };
        answer.get_or_init(|| asks).await.clone()
    }

    /// The project that a repository belongs to: Google's registries name it first.
    fn owner(&self, repository: &Repository) -> ProjectId {
        let named = repository.path().split('/').next().filter(|_| {
            let registry = repository.registry();
            registry.ends_with("-docker.pkg.dev") || registry == "gcr.io" || registry.ends_with(".gcr.io")
        });
        named.and_then(|name| name.parse().ok()).unwrap_or_else(|| self.environment.job.project.clone())
    }

    /// Asks a registry, with a time limit.
    async fn registry_image(
        &self,
        registry: &Registry,
        repository: &Repository,
        reference: &str,
    ) -> Result<Option<RegistryImage>, Undecided> {
        match timeout(REGISTRY_WITHIN, registry.image(reference)).await {
            Ok(found) => found.map_err(|error| {
                let kind = error.kind;
                let mut undecided = Undecided::from(error);
                if matches!(kind, ImageErrorKind::PermissionDenied | ImageErrorKind::NotSignedIn) {
                    let registry = repository.registry();
                    if !self.environment.has_registry(registry) {
                        undecided.advice = vec![format!(
                            "the access token is not sent to {registry}: it is neither the registry of the admin \
                             image nor that of \"backend.image\" in the environments file"
                        )];
                    } else if kind == ImageErrorKind::PermissionDenied {
                        undecided.advice = vec![self.grant_in(self.owner(repository).as_str(), role::REGISTRY_READER)];
                    }
                }
                undecided
            }),
            Err(_) => Err(Undecided::new(format!(
                "the registry {} has not answered within {} seconds",
                repository.registry(),
                REGISTRY_WITHIN.as_secs()
            ))),
        }
    }

    /// The image of a tag or a digest in the admin image's repository; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// Fails when the registry refuses or does not answer in time.
    pub async fn image(&self, reference: &str) -> Result<Option<RegistryImage>, Undecided> {
        let registry = async {
            let token = self.session().await?.registry_token().await?;
            Ok(Registry::new(&self.environment.image, token.as_ref()))
        };
        let registry =
            self.asked.registry.get_or_init(|| registry).await.as_ref().map_err(Undecided::clone)?;
        // The job mostly runs the newest image, which is known by then.
        if let Some(Ok(Some(latest))) = about(&self.asked.images, LATEST).get()
            && latest.digest == reference
        {
            return Ok(Some(latest.clone()));
        }
        let answer = about(&self.asked.images, reference);
        let asks = async { self.registry_image(registry, &self.environment.image, reference).await };
        answer.get_or_init(|| asks).await.clone()
    }
}
