//! The adapter over Google's own clients.

mod caller;
mod convert;
mod credentials;
mod deploy;
mod history;
mod logs;
mod policy;
mod proxy;
mod reply;
mod rest;
mod service;
mod sign_in;
mod storage;
mod streams;
mod stubs;
mod surroundings;
mod wire;

use std::sync::Mutex;

use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::client::LoggingServiceV2;
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
pub use sign_in::{SignIn, SignInOptions, SignInSource};
use streams::Streams;
use stubs::Logging;
use wire::Wire;

/// Where the services are, when they are not Google's own.
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
    /// Resource Manager: what says which permissions the caller has.
    pub resource_manager: Option<String>,
    /// `OpenID` Connect: what says whose a token is.
    pub user_info: Option<String>,
    /// IAM Credentials: what lets act as a service account.
    pub iam_credentials: Option<String>,
    /// Secret Manager: what says that a secret is there, not what it is.
    pub secret_manager: Option<String>,
    /// Service Usage: what says which services a project has enabled.
    pub service_usage: Option<String>,
    /// Cloud Storage, where Terraform keeps its state and the lock on it.
    pub storage: Option<String>,
}

impl Endpoints {
    /// Every service at one address, where an emulator stands in for all of them.
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

/// Who calls.
#[derive(Clone)]
pub enum Credentials {
    /// Nobody: for an emulator, which asks for no sign-in.
    Anonymous,
    /// Somebody.
    SignIn(SignIn),
}

/// A connection to Google Cloud, or to what stands in for it.
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
    projects: Projects,
    service_usage: ServiceUsage,
    secrets: SecretManagerService,
    sql_instances: SqlInstancesService,
    artifact_registry: ArtifactRegistry,
    /// Where the log is, when that is another host than that of the jobs.
    log_apart: Option<Url>,
    /// The variable that names a proxy for the way to the log, which a live log cannot take.
    log_proxy: Option<&'static str>,
    /// A connection for the live log, before it is known of which job.
    prepared: Mutex<Option<Streams>>,
}

#[expect(clippy::must_use_candidate, reason = "a future says so itself")]
impl Google {
    /// Prepares the clients; nothing is sent yet. Refuses addresses that the token is not for, see
    /// [`TrustedHosts`](crate::TrustedHosts).
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

    /// The job as it is now.
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

    /// The job's executions, newest first: all that Cloud Run still knows, in requests of 100 each.
    pub fn executions<'a>(&'a self, name: &'a JobName) -> Reply<'a, Result<Vec<Execution>, CloudError>> {
        self.executions_in(name.to_string(), move |_| Some(name.clone()))
    }

    /// The same of every job that is where this one is: `jobs/-` stands for all of them (Cloud Run API v2,
    /// `ListExecutionsRequest.parent`).
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
            // The API promises no order, across pages or within one: what is wanted may be on the last.
            executions.sort_by_key(|execution| std::cmp::Reverse(execution.created));
            Ok(executions)
        })
    }

    /// Has Google Cloud check a run without starting it.
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
        // A job that was set up for several tasks would make the same change several times at once.
        let overrides = Overrides::new()
            .set_container_overrides([container])
            .set_task_count(1)
            .set_or_clear_timeout(run.timeout.map(|timeout| seconds(timeout.as_secs())));
        self.jobs.run_job().set_name(name.to_string()).set_etag(run.etag).set_overrides(overrides)
    }

    /// Runs the job once. The request is sent exactly once, whatever happens to its answer; but for
    /// one that was not let in, which did nothing.
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

    /// The execution as it is now. Sent once: whoever waits for an execution asks again.
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

    /// Cancels the execution: its container is told to stop. Returns when that is accepted, not when
    /// it has stopped.
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

    /// Takes the execution, with all that it tells, out of Cloud Run: that of a secret that was given to
    /// it in clear, too. One that still runs is stopped by that, so the caller looks first.
    pub fn delete_execution<'a>(&'a self, name: &'a ExecutionName) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "delete the execution";
            let request = self.executions.delete_execution().set_name(name.to_string());
            let operation =
                self.policy.once(request).send().await.map_err(|error| CloudError::new(DOING, &error))?;
            match operation.result {
                Some(OperationResult::Error(status)) => {
                    Err(CloudError { kind: CloudErrorKind::Invalid, doing: DOING, message: status.message })
                }
                _ => Ok(()),
            }
        })
    }

    /// How the container of the execution's only task ended; `None` if it never started.
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

/// A length of time as the API has it.
fn seconds(seconds: u64) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(i64::try_from(seconds).unwrap_or(i64::MAX), 0)
}

/// Google's own client for the live log, which goes over gRPC and a connection of its own. It also makes
/// sure that the credentials are of the universe that is called.
async fn live(endpoints: &Endpoints, credentials: &Caller) -> Result<LoggingServiceV2, CloudError> {
    let endpoint = endpoints.logging.as_deref();
    let mut builder = LoggingServiceV2::builder().with_credentials(credentials.at(endpoint)?);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    builder.build().await.map_err(|error| unprepared(&error))
}
