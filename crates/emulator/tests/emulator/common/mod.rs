//! An emulator and the official clients that talk to it.

use std::time::Duration;

use cloud_emulator::{Builder, Emulator};
use google_cloud_api_serviceusage_v1::client::ServiceUsage;
use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_auth::credentials::Credentials;
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_logging_v2::client::LoggingServiceV2;
use google_cloud_logging_v2::model::LogEntry;
use google_cloud_longrunning::model::Operation;
use google_cloud_resourcemanager_v3::client::Projects;
use google_cloud_run_v2::client::{Executions, Jobs, Revisions, Services, Tasks};
use google_cloud_run_v2::model::{Condition, Execution, Task};
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_sql_v1::client::SqlInstancesService;
use serde_json::{Value, json};

pub(crate) const LOCATION: &str = "projects/p/locations/europe-west2";
pub(crate) const JOB: &str = "projects/p/locations/europe-west2/jobs/admin";

pub(crate) fn job(image: &str) -> Value {
    json!({
        "template": {"template": {"maxRetries": 0, "containers": [{"image": image}]}},
    })
}

pub(crate) struct World {
    pub(crate) emulator: Emulator,
}

macro_rules! client {
    ($name:ident, $client:ty) => {
        pub(crate) async fn $name(&self) -> $client {
            <$client>::builder()
                .with_endpoint(self.emulator.url())
                .with_credentials(Anonymous::new().build())
                .build()
                .await
                .expect("a client")
        }
    };
}

/// A client of an emulator that signs in.
pub(crate) async fn jobs_of(url: &str, credentials: Credentials) -> Jobs {
    let builder = Jobs::builder().with_endpoint(url).with_credentials(credentials);
    builder.build().await.expect("a client")
}

impl World {
    pub(crate) async fn start(builder: Builder) -> Self {
        // Several tests in one process: the first one to come installs it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let emulator = builder.start().await.expect("an emulator");
        Self { emulator }
    }

    client!(jobs, Jobs);
    client!(executions, Executions);
    client!(tasks_client, Tasks);
    client!(services, Services);
    client!(revisions, Revisions);
    client!(logging, LoggingServiceV2);
    client!(artifacts, ArtifactRegistry);
    client!(projects, Projects);
    client!(secrets, SecretManagerService);
    client!(service_usage, ServiceUsage);
    client!(sql_instances, SqlInstancesService);

    pub(crate) fn put_job(&self) {
        self.emulator.put_job(JOB, job("h/p/admin:1")).expect("put");
    }

    pub(crate) async fn run(&self) -> Operation {
        let jobs = self.jobs().await;
        jobs.run_job().set_name(JOB).send().await.expect("started")
    }

    /// The execution an operation is about.
    pub(crate) fn metadata(operation: &Operation) -> Execution {
        let metadata = operation.metadata.as_ref().expect("metadata");
        metadata.to_msg().expect("an execution")
    }

    /// The operation when it is done.
    pub(crate) async fn wait(&self, operation: &Operation) -> Operation {
        let jobs = self.jobs().await;
        let done = jobs
            .wait_operation()
            .set_name(&operation.name)
            .set_timeout(google_cloud_wkt::Duration::clamp(20, 0))
            .send()
            .await
            .expect("an operation");
        assert!(done.done, "it did not end in time");
        done
    }

    pub(crate) async fn execution(&self, name: &str) -> Execution {
        let executions = self.executions().await;
        let execution = executions.get_execution().set_name(name).send().await;
        execution.expect("an execution")
    }

    pub(crate) async fn execution_names(&self) -> Vec<String> {
        let executions = self.executions().await;
        let list = executions.list_executions().set_parent(JOB).send().await;
        let list = list.expect("a list").executions;
        list.into_iter().map(|execution| execution.name).collect()
    }

    pub(crate) async fn tasks(&self, execution: &str) -> Vec<Task> {
        let tasks = self.tasks_client().await;
        let list = tasks.list_tasks().set_parent(execution).send().await;
        list.expect("a list").tasks
    }

    pub(crate) async fn only_task(&self, execution: &str) -> Task {
        let mut tasks = self.tasks(execution).await;
        assert_eq!(tasks.len(), 1);
        let name = tasks.pop().expect("a task").name;
        let client = self.tasks_client().await;
        client.get_task().set_name(name).send().await.expect("a task")
    }

    /// An execution's log entries, in order.
    pub(crate) async fn log(&self, execution: &str) -> Vec<LogEntry> {
        let short = execution.rsplit('/').next().expect("a name");
        let filter = format!(
            "resource.type=\"cloud_run_job\" AND resource.labels.job_name=\"admin\" AND \
             labels.\"run.googleapis.com/execution_name\"=\"{short}\""
        );
        let logging = self.logging().await;
        let list = logging
            .list_log_entries()
            .set_resource_names(["projects/p"])
            .set_filter(filter)
            .set_page_size(1000)
            .send()
            .await;
        list.expect("a list").entries
    }

    pub(crate) async fn end(self) {
        let ended = tokio::time::timeout(Duration::from_secs(20), self.emulator.shutdown()).await;
        ended.expect("in time").expect("an orderly end");
    }
}

pub(crate) fn condition<'a>(execution: &'a Execution, kind: &str) -> Option<&'a Condition> {
    execution.conditions.iter().find(|condition| condition.r#type == kind)
}

pub(crate) fn state_of(execution: &Execution, kind: &str) -> Option<i32> {
    condition(execution, kind).and_then(|condition| condition.state.value())
}
