//! The adapter over Google's own clients.

mod caller;
mod convert;
mod deploy;
mod history;
mod logs;
mod policy;
mod service;
mod sign_in;
mod storage;
mod surroundings;

use std::pin::Pin;
use std::sync::Mutex;

use google_cloud_auth::credentials::{Credentials as AuthCredentials, anonymous};
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::client::LoggingServiceV2;
use google_cloud_longrunning::model::operation::Result as OperationResult;
use google_cloud_run_v2::client::{Executions, Jobs, Tasks};
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::run_job_request::Overrides;
use google_cloud_run_v2::model::run_job_request::overrides::ContainerOverride;

use crate::error::{CloudError, CloudErrorKind};
use crate::model::{Execution, Job, RunError, RunJob, TaskResult};
use crate::names::{ExecutionName, JobName};
pub use logs::LogTail;
use policy::Policy;
pub use sign_in::{SignIn, SignInOptions, SignInSource};

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

/// A call under way. Boxed, so that the clients' code is compiled here, once, and not into every
/// crate that awaits it: an edit of the CLI would otherwise take a minute to build.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection to Google Cloud, or to what stands in for it.
pub struct Google {
    endpoints: Endpoints,
    credentials: AuthCredentials,
    policy: Policy,
    jobs: Jobs,
    executions: Executions,
    tasks: Tasks,
    logging: LoggingServiceV2,
    /// A connection for the live log, before it is known of which job.
    prepared: Mutex<Option<logs::Streams>>,
}

/// Prepares one of the clients.
macro_rules! client {
    ($client:ident, $credentials:expr, $endpoint:expr) => {{
        let mut builder = $client::builder().with_credentials($credentials.clone());
        if let Some(endpoint) = $endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        builder.build().await.map_err(|error| $crate::error::CloudError {
            kind: $crate::error::CloudErrorKind::NotSignedIn,
            doing: "prepare the clients for Google Cloud",
            message: error.to_string(),
        })
    }};
}
use client;

#[expect(clippy::must_use_candidate, reason = "a future says so itself")]
impl Google {
    /// Prepares the clients; nothing is sent yet.
    pub fn connect(
        endpoints: Endpoints,
        credentials: Credentials,
    ) -> Reply<'static, Result<Self, CloudError>> {
        Box::pin(async move {
            crate::install_tls_provider();
            let (credentials, sign_in) = match credentials {
                Credentials::Anonymous => (anonymous::Builder::new().build(), None),
                Credentials::SignIn(sign_in) => (sign_in.credentials(), Some(sign_in)),
            };
            Ok(Self {
                jobs: client!(Jobs, credentials, &endpoints.run)?,
                executions: client!(Executions, credentials, &endpoints.run)?,
                tasks: client!(Tasks, credentials, &endpoints.run)?,
                logging: client!(LoggingServiceV2, credentials, &endpoints.logging)?,
                prepared: Mutex::default(),
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
            Ok(convert::job(&job))
        })
    }

    /// The job's executions, newest first: all that Cloud Run still knows, in requests of 100 each.
    pub fn executions<'a>(&'a self, name: &'a JobName) -> Reply<'a, Result<Vec<Execution>, CloudError>> {
        Box::pin(async move {
            let request = self.executions.list_executions().set_parent(name.to_string()).set_page_size(100);
            let mut items = self.policy.read(request).by_item();
            let mut executions = Vec::new();
            while let Some(execution) = items.next().await {
                let execution =
                    execution.map_err(|error| CloudError::new("list the job's executions", &error))?;
                executions.extend(convert::execution(name, &execution));
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
        self.jobs
            .run_job()
            .set_name(name.to_string())
            .set_etag(run.etag)
            .set_overrides(Overrides::new().set_container_overrides([container]))
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
