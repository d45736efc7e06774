//! The adapter over Google's own clients: [`Google`], a connection with one method for every call that this
//! program makes.
//!
//! To add a call: the method in the file of its subject here, its HTTP form in `stubs.rs`, its permission in
//! `permissions.rs`, and its answer in the crate `emulator`.

mod caller;
mod convert;
mod credentials;
mod deploy;
mod history;
mod log_config;
mod logs;
mod policies;
mod policy;
mod proxy;
mod reply;
mod rest;
mod search;
mod secrets;
mod service;
mod sign_in;
mod starts;
mod storage;
mod streams;
mod stubs;
mod surroundings;
mod wire;

use std::sync::Mutex;

use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::client::{ConfigServiceV2, LoggingServiceV2};
use google_cloud_longrunning::model::operation::Result as OperationResult;
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::{Executions, Jobs, Revisions, Services, Tasks};
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::run_job_request::Overrides;
use google_cloud_run_v2::model::run_job_request::overrides::ContainerOverride;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_sql_v1::client::SqlInstancesService;

use crate::error::{CloudError, CloudErrorKind};
use crate::job::Job;
use crate::model::{Execution, RunError, RunJob, TaskResult};
use crate::names::{ExecutionName, JobName};
use credentials::Caller;
pub use logs::LogTail;
use policy::Policy;
pub use reply::Reply;
use reqwest::Url;
use rest::{Rest, unprepared};
pub use sign_in::{SignIn, SignInOptions, SignInSource, gcloud_program};
use streams::Streams;
use stubs::Logging;
use wire::Wire;

/// The addresses of the services, where they are not Google's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Cloud Run, such as `http://127.0.0.1:8085`.
    pub run: Option<String>,
    /// Cloud Logging.
    pub logging: Option<String>,
    /// Cloud SQL Admin.
    pub sql: Option<String>,
    /// Artifact Registry: its API, not the registry that images are pushed to.
    pub artifact_registry: Option<String>,
    /// Resource Manager, which tells the caller's permissions.
    pub resource_manager: Option<String>,
    /// `OpenID` Connect, which tells the account that a token belongs to.
    pub user_info: Option<String>,
    /// IAM Credentials, which gives tokens for acting as a service account.
    pub iam_credentials: Option<String>,
    /// Secret Manager: asked whether a secret exists, not for its value.
    pub secret_manager: Option<String>,
    /// Service Usage, which tells the services that a project has enabled.
    pub service_usage: Option<String>,
    /// Cloud Storage, where Terraform keeps its state and the lock on it.
    pub storage: Option<String>,
}

impl Endpoints {
    /// Every service at one address, as an emulator serves them.
    #[must_use]
    pub fn all_at(url: &str) -> Self {
        let url = || Some(url.to_owned());
        Self {
            run: url(),
            logging: url(),
            sql: url(),
            artifact_registry: url(),
            resource_manager: url(),
            user_info: url(),
            iam_credentials: url(),
            secret_manager: url(),
            service_usage: url(),
            storage: url(),
        }
    }

    /// The address of each service; `None` for Google's own.
    pub fn each(&self) -> impl Iterator<Item = Option<&str>> {
        let Self {
            run,
            logging,
            sql,
            artifact_registry,
            resource_manager,
            user_info,
            iam_credentials,
            secret_manager,
            service_usage,
            storage,
        } = self;
        [
            run,
            logging,
            sql,
            artifact_registry,
            resource_manager,
            user_info,
            iam_credentials,
            secret_manager,
            service_usage,
            storage,
        ]
        .into_iter()
        .map(Option::as_deref)
    }
}

/// The credentials of the caller.
#[derive(Clone)]
pub enum Credentials {
    /// No credentials: for an emulator, which asks for no sign-in.
    Anonymous,
    /// A sign-in.
    SignIn(SignIn),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// A connection to Google Cloud, or to the emulator.
pub struct Google {
    endpoints: Endpoints,
    credentials: Caller,
    policy: Policy,
    wire: Wire,
    jobs: Jobs,
    executions: Executions,
    tasks: Tasks,
    services: Services,
    revisions: Revisions,
    logging: LoggingServiceV2,
    log_config: ConfigServiceV2,
    projects: Projects,
    service_usage: ServiceUsage,
    secrets: SecretManagerService,
    sql_instances: SqlInstancesService,
    artifact_registry: ArtifactRegistry,
    /// The address of Cloud Logging, when it is on another host than the jobs.
    log_apart: Option<Url>,
    /// The variable that names a proxy for the way to Cloud Logging, which a live log cannot use.
    log_proxy: Option<&'static str>,
    /// A connection for the live log that was opened before the job was known.
    prepared: Mutex<Option<Streams>>,
}

impl std::fmt::Debug for Google {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Google").finish_non_exhaustive()
    }
}

#[expect(clippy::must_use_candidate, reason = "a future says so itself")]
impl Google {
    /// Prepares the clients; nothing is sent yet. Addresses that the token must not be sent to are refused,
    /// see [`TrustedHosts`](crate::TrustedHosts).
    ///
    /// # Errors
    ///
    /// Fails if an address is not valid or must not get the token, or if a client cannot be made.
    pub fn connect(
        endpoints: Endpoints,
        credentials: Credentials,
    ) -> Reply<'static, Result<Self, CloudError>> {
        Box::pin(async move {
            crate::install_tls_provider();
            let (credentials, sign_in) = match credentials {
                Credentials::Anonymous => (Caller::nobody(), None),
                Credentials::SignIn(sign_in) => (Caller::of(&sign_in), Some(sign_in)),
            };
            for endpoint in endpoints.each() {
                credentials.at(endpoint)?;
            }
            let wire = Wire::new().map_err(|error| unprepared(&error))?;
            let rest = |endpoint: &Option<String>, service: &str| {
                Rest::new(&wire, &credentials, endpoint.as_deref(), service)
            };
            let run = rest(&endpoints.run, "run")?;
            let log = rest(&endpoints.logging, "logging")?;
            let log_config = log.clone();
            let log_apart =
                Some(log.address()).filter(|address| address.origin() != run.address().origin()).cloned();
            let logging = Logging { rest: log, live: live(&endpoints, &credentials).await? };
            Ok(Self {
                jobs: Jobs::from_stub::<Rest>(run.clone()),
                executions: Executions::from_stub::<Rest>(run.clone()),
                tasks: Tasks::from_stub::<Rest>(run.clone()),
                services: Services::from_stub::<Rest>(run.clone()),
                revisions: Revisions::from_stub::<Rest>(run),
                logging: LoggingServiceV2::from_stub::<Logging>(logging),
                log_config: ConfigServiceV2::from_stub::<Rest>(log_config),
                projects: Projects::from_stub::<Rest>(rest(
                    &endpoints.resource_manager,
                    "cloudresourcemanager",
                )?),
                service_usage: ServiceUsage::from_stub::<Rest>(rest(
                    &endpoints.service_usage,
                    "serviceusage",
                )?),
                secrets: SecretManagerService::from_stub::<Rest>(rest(
                    &endpoints.secret_manager,
                    "secretmanager",
                )?),
                sql_instances: SqlInstancesService::from_stub::<Rest>(rest(&endpoints.sql, "sqladmin")?),
                artifact_registry: ArtifactRegistry::from_stub::<Rest>(rest(
                    &endpoints.artifact_registry,
                    "artifactregistry",
                )?),
                prepared: Mutex::default(),
                log_apart,
                log_proxy: proxy::for_log(endpoints.logging.as_deref()),
                wire,
                endpoints,
                credentials,
                policy: Policy::new(sign_in),
            })
        })
    }

    /// The current job.
    ///
    /// # Errors
    ///
    /// Fails if the job does not exist or cannot be read.
    pub fn job<'a>(&'a self, name: &'a JobName) -> Reply<'a, Result<Job, CloudError>> {
        Box::pin(async move {
            let job = self
                .policy
                .read(self.jobs.get_job().set_name(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new("read the job", &error))?;
            Ok(Job::new(job))
        })
    }

    /// The time by Google's clock, as the last answer told it. It is behind by no more than a second and the time
    /// that the answer took, and never ahead, whatever this machine's clock says. `None` before the first answer.
    #[must_use]
    pub fn time(&self) -> Option<jiff::Timestamp> {
        self.wire.time()
    }

    /// The job's executions, newest first: all that Cloud Run still has, in requests of 100 each.
    ///
    /// # Errors
    ///
    /// Fails if the executions cannot be listed.
    pub fn executions<'a>(&'a self, name: &'a JobName) -> Reply<'a, Result<Vec<Execution>, CloudError>> {
        self.executions_in(name.to_string(), move |_| Some(name.clone()))
    }

    /// The executions of every job in this job's project and region: `jobs/-` stands for all of them (Cloud
    /// Run API v2, `ListExecutionsRequest.parent`).
    ///
    /// # Errors
    ///
    /// Fails if the executions cannot be listed.
    pub fn executions_of_all_jobs<'a>(
        &'a self,
        beside: &'a JobName,
    ) -> Reply<'a, Result<Vec<Execution>, CloudError>> {
        let place = beside.to_string();
        let place = place.rsplit_once('/').map_or(place.as_str(), |(jobs, _)| jobs);
        self.executions_in(format!("{place}/-"), move |resource| {
            let (job, _) = resource.rsplit_once("/executions/")?;
            let (_, id) = job.rsplit_once("/jobs/")?;
            Some(JobName { job: id.parse().ok()?, ..beside.clone() })
        })
    }

    fn executions_in<'a>(
        &'a self,
        parent: String,
        job: impl Fn(&str) -> Option<JobName> + Send + 'a,
    ) -> Reply<'a, Result<Vec<Execution>, CloudError>> {
        Box::pin(async move {
            let request = self.executions.list_executions().set_parent(parent).set_page_size(100);
            let mut items = self.policy.read(request).by_item();
            let mut executions = Vec::new();
            while let Some(execution) = items.next().await {
                let execution =
                    execution.map_err(|error| CloudError::new("list the job's executions", &error))?;
                let job = job(&execution.name);
                executions.extend(job.and_then(|job| convert::execution(&job, &execution)));
            }
            // The API promises no order, across pages or within one: the newest may be on the last page.
            executions.sort_by_key(|execution| std::cmp::Reverse(execution.created));
            Ok(executions)
        })
    }

    /// Asks Google Cloud to check a run without starting it.
    ///
    /// # Errors
    ///
    /// Fails if the run would be refused, or if it cannot be checked.
    pub fn validate_run<'a>(&'a self, name: &'a JobName, run: RunJob) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            let request = self.run_request(name, run).set_validate_only(true);
            self.policy
                .read(request)
                .send()
                .await
                .map(drop)
                .map_err(|error| CloudError::new("check the run", &error))
        })
    }

    fn run_request(&self, name: &JobName, run: RunJob) -> google_cloud_run_v2::builder::jobs::RunJob {
        let env =
            run.env.into_iter().map(|(name, value)| model::EnvVar::new().set_name(name).set_value(value));
        let container = ContainerOverride::new().set_env(env);
        // A job that was set up for several tasks would otherwise make the same change several times at once.
        let overrides = Overrides::new()
            .set_container_overrides([container])
            .set_task_count(1)
            .set_or_clear_timeout(run.timeout.map(|timeout| seconds(timeout.as_secs())));
        self.jobs.run_job().set_name(name.to_string()).set_etag(run.etag).set_overrides(overrides)
    }

    /// Runs the job once. The request is sent exactly once, even if its answer is lost. It is sent
    /// again only where it was refused for its token or asked to come back later, since it did nothing then.
    ///
    /// # Errors
    ///
    /// [`RunError::NotStarted`] if the run was refused, [`RunError::Unknown`] if the answer was lost or
    /// cannot be read.
    pub fn run<'a>(&'a self, name: &'a JobName, run: RunJob) -> Reply<'a, Result<Execution, RunError>> {
        Box::pin(async move {
            const DOING: &str = "start the job";
            let request = self.run_request(name, run);
            // `.send()`, not `.poller()`: the poller hides the execution's name when the run fails.
            let operation = self.policy.once(request).send().await.map_err(|error| {
                let error = CloudError::new(DOING, &error);
                if error.refused() { RunError::NotStarted(error) } else { RunError::Unknown(error) }
            })?;
            operation
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.to_msg::<model::Execution>().ok())
                .and_then(|execution| convert::execution(name, &execution))
                .ok_or_else(|| {
                    RunError::Unknown(CloudError::other(DOING, "the answer does not name the execution"))
                })
        })
    }

    /// The current state of the execution. The request is sent once: callers that wait for an execution ask
    /// again.
    ///
    /// # Errors
    ///
    /// Fails if the execution does not exist or cannot be read.
    pub fn execution<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<Execution, CloudError>> {
        Box::pin(async move {
            const DOING: &str = "read the execution";
            let execution = self
                .policy
                .poll(self.executions.get_execution().set_name(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new(DOING, &error))?;
            convert::execution(&name.job, &execution)
                .ok_or_else(|| CloudError::other(DOING, "the answer does not name the execution"))
        })
    }

    /// Cancels the execution: its container is told to stop. The call returns when that is accepted, not when
    /// the container has stopped.
    ///
    /// # Errors
    ///
    /// Fails if Google Cloud refuses to cancel it or cannot be reached.
    pub fn cancel<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            self.policy
                .read(self.executions.cancel_execution().set_name(name.to_string()))
                .send()
                .await
                .map(drop)
                .map_err(|error| CloudError::new("cancel the execution", &error))
        })
    }

    /// Deletes the execution from Cloud Run with all its variables, including a secret that was passed in
    /// clear. This stops an execution that still runs, so the caller checks first.
    ///
    /// # Errors
    ///
    /// Fails if Google Cloud refuses to delete it, or if the answer is lost: then it may have been deleted.
    pub fn delete_execution<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "delete the execution";
            let request = self.executions.delete_execution().set_name(name.to_string());
            let operation =
                self.policy.once(request).send().await.map_err(|error| CloudError::new(DOING, &error))?;
            match operation.result {
                Some(OperationResult::Error(status)) => {
                    Err(CloudError::of(CloudErrorKind::Invalid, DOING, status.message))
                }
                _ => Ok(()),
            }
        })
    }

    /// The result of the container of the execution's only task; `None` if it never started.
    ///
    /// # Errors
    ///
    /// Fails if the tasks cannot be listed.
    pub fn task_result<'a>(
        &'a self,
        name: &'a ExecutionName,
    ) -> Reply<'a, Result<Option<TaskResult>, CloudError>> {
        Box::pin(async move {
            let tasks = self
                .policy
                .read(self.tasks.list_tasks().set_parent(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new("read the execution's task", &error))?;
            Ok(tasks.tasks.first().and_then(convert::task_result))
        })
    }
}

/// A duration as the API takes it.
fn seconds(seconds: u64) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(i64::try_from(seconds).unwrap_or(i64::MAX), 0)
}

/// Google's own client for the live log, which uses gRPC and a connection of its own. It also checks that the
/// credentials belong to the universe that is called.
async fn live(endpoints: &Endpoints, credentials: &Caller) -> Result<LoggingServiceV2, CloudError> {
    let endpoint = endpoints.logging.as_deref();
    let mut builder = LoggingServiceV2::builder().with_credentials(credentials.at(endpoint)?);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().await.map_err(|error| unprepared(&error))
}
