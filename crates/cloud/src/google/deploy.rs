//! Changing a job, and what is looked up for that.

use std::time::Duration;

use google_cloud_artifactregistry_v1::client::ArtifactRegistry;
use google_cloud_longrunning::model::Operation;
use google_cloud_longrunning::model::operation::Result as OperationResult;
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::vpc_access::VpcEgress;
use google_cloud_sql_v1::client::SqlInstancesService;
use google_cloud_sql_v1::model::SqlIpAddressType;
use google_cloud_sql_v1::model::ip_configuration::SslMode as Api;
use google_cloud_sql_v1::model::settings::SqlActivationPolicy;

use super::{Google, Reply, client};
use crate::error::{CloudError, CloudErrorKind};
use crate::model::{DatabaseInstance, DeployedJob, Job, SslMode};
use crate::names::{JobName, ProjectId, Region, ResourceId};
use crate::settings::{Egress, EnvValue, JobSettings};

/// The annotation that changes when an etag is all that has to.
const FENCE: &str = "admin.quill-medical.org/fence";
/// How often that is tried where the answer is lost.
const FENCES: usize = 4;

/// How long a changed job may take to be ready.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

impl Google {
    /// The job with all its settings, or `None`.
    pub fn deployed_job<'a>(
        &'a self,
        name: &'a JobName,
    ) -> Reply<'a, Result<Option<DeployedJob>, CloudError>> {
        Box::pin(async move {
            match self.policy.read(self.jobs.get_job().set_name(name.to_string())).send().await {
                Ok(job) => Ok(Some(DeployedJob {
                    settings: settings(&job),
                    etag: job.etag.clone(),
                    executions: job.execution_count,
                    readiness: super::convert::readiness(job.terminal_condition.as_ref()),
                    raw: Box::new(job),
                })),
                Err(error) => {
                    let error = CloudError::new("read the job", &error);
                    if error.kind == CloudErrorKind::NotFound { Ok(None) } else { Err(error) }
                }
            }
        })
    }

    /// Changes the job as it was read: refused as a conflict if somebody changed it since.
    ///
    /// The API replaces the whole job, so everything that was read is sent back with the changes in
    /// it. The request is sent once.
    pub fn change_job<'a>(
        &'a self,
        name: &'a JobName,
        job: &'a DeployedJob,
        wanted: &'a JobSettings,
    ) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "change the job";
            let mut changed = (*job.raw).clone();
            apply(&mut changed, wanted, name);
            let operation = self
                .policy
                .once(self.jobs.update_job().set_job(changed))
                .send()
                .await
                .map_err(|error| CloudError::new(DOING, &error))?;
            self.settled(name, operation, DOING).await
        })
    }

    /// Gives the job a new etag and nothing else: from then on a run that was asked for with the one
    /// before, and has not been carried out yet, is refused. `mark` is noted on the job.
    ///
    /// A job that has another etag than `etag` is fenced already. Returns the job as it is then.
    pub fn fence_job<'a>(
        &'a self,
        name: &'a JobName,
        etag: &'a str,
        mark: &'a str,
    ) -> Reply<'a, Result<Job, CloudError>> {
        Box::pin(async move {
            const DOING: &str = "keep the lost request from being carried out late";
            let failed = |error: google_cloud_gax::error::Error| CloudError::new(DOING, &error);
            for _ in 0..FENCES {
                let request = self.policy.read(self.jobs.get_job().set_name(name.to_string()));
                let mut job = request.send().await.map_err(failed)?;
                if job.etag != etag {
                    return Ok(super::convert::job(&job));
                }
                job.annotations.insert(FENCE.to_owned(), mark.to_owned());
                if let Err(error) = self.policy.once(self.jobs.update_job().set_job(job)).send().await {
                    let error = CloudError::new(DOING, &error);
                    // Whether a lost one was carried out, the etag tells.
                    if error.refused() && error.kind != CloudErrorKind::Conflict {
                        return Err(error);
                    }
                }
            }
            Err(CloudError::other(DOING, "the job could not be changed"))
        })
    }

    /// Makes the job.
    pub fn create_job<'a>(
        &'a self,
        name: &'a JobName,
        wanted: &'a JobSettings,
    ) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "create the job";
            let mut job = model::Job::new();
            apply(&mut job, wanted, name);
            let request = self
                .jobs
                .create_job()
                .set_parent(format!("projects/{}/locations/{}", name.project, name.region))
                .set_job_id(name.job.as_str())
                .set_job(job);
            let operation =
                self.policy.once(request).send().await.map_err(|error| CloudError::new(DOING, &error))?;
            self.settled(name, operation, DOING).await
        })
    }

    async fn settled(
        &self,
        name: &JobName,
        operation: Operation,
        doing: &'static str,
    ) -> Result<(), CloudError> {
        if let Some(OperationResult::Error(status)) = &operation.result {
            return Err(CloudError { kind: CloudErrorKind::Invalid, doing, message: status.message.clone() });
        }
        let deadline = tokio::time::Instant::now() + SETTLED_WITHIN;
        let mut pause = Duration::from_millis(100);
        loop {
            let job = self
                .policy
                .read(self.jobs.get_job().set_name(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new(doing, &error))?;
            if !job.reconciling && job.observed_generation >= job.generation {
                let failed = job
                    .terminal_condition
                    .as_ref()
                    .filter(|condition| condition.state == model::condition::State::ConditionFailed);
                return match failed {
                    Some(condition) => Err(CloudError {
                        kind: CloudErrorKind::Invalid,
                        doing,
                        message: format!("the job is not ready: {}", condition.message),
                    }),
                    None => Ok(()),
                };
            }
            if tokio::time::Instant::now() > deadline {
                return Err(CloudError::other(doing, "the job was changed, and is not ready after a minute"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    /// A Cloud SQL instance.
    pub fn database_instance<'a>(
        &'a self,
        project: &'a ProjectId,
        instance: &'a ResourceId,
    ) -> Reply<'a, Result<DatabaseInstance, CloudError>> {
        Box::pin(async move {
            let client = client!(SqlInstancesService, self.credentials, &self.endpoints.sql)?;
            let request = client.get().set_project(project.as_str()).set_instance(instance.as_str());
            let found = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("read the Cloud SQL instance", &error))?;
            let private_ip = found
                .ip_addresses
                .iter()
                .find(|address| address.r#type == SqlIpAddressType::Private)
                .map(|address| address.ip_address.clone());
            let settings = found.settings.as_ref();
            let ip = settings.and_then(|settings| settings.ip_configuration.as_ref());
            Ok(DatabaseInstance {
                private_ip,
                state: found.state.name().unwrap_or_default().to_owned(),
                stopped: settings
                    .is_some_and(|settings| settings.activation_policy == SqlActivationPolicy::Never),
                ssl_mode: match ip.map(|ip| (&ip.ssl_mode, ip.require_ssl)) {
                    Some((Api::EncryptedOnly, _)) => SslMode::EncryptedOnly,
                    // What came before `sslMode`.
                    Some((Api::TrustedClientCertificateRequired, _) | (Api::Unspecified, Some(true))) => {
                        SslMode::ClientCertificate
                    }
                    Some((Api::AllowUnencryptedAndEncrypted | Api::Unspecified, _)) | None => {
                        SslMode::AllowUnencrypted
                    }
                    Some(_) => SslMode::Unknown,
                },
                version: found.database_version.name().unwrap_or_default().to_owned(),
            })
        })
    }

    /// Whether Artifact Registry has the repository.
    pub fn has_repository<'a>(
        &'a self,
        project: &'a str,
        location: &'a Region,
        repository: &'a str,
    ) -> Reply<'a, Result<bool, CloudError>> {
        Box::pin(async move {
            let client = client!(ArtifactRegistry, self.credentials, &self.endpoints.artifact_registry)?;
            let name = format!("projects/{project}/locations/{location}/repositories/{repository}");
            match self.policy.read(client.get_repository().set_name(name)).send().await {
                Ok(_) => Ok(true),
                Err(error) => {
                    let error = CloudError::new("read the Artifact Registry repository", &error);
                    if error.kind == CloudErrorKind::NotFound { Ok(false) } else { Err(error) }
                }
            }
        })
    }
}

/// The last part of a resource's name; the API takes and gives both long and short forms.
fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

fn settings(job: &model::Job) -> JobSettings {
    let execution = job.template.as_ref();
    let task = execution.and_then(|execution| execution.template.as_ref());
    let container = task.and_then(|task| task.containers.first());
    let vpc = task.and_then(|task| task.vpc_access.as_ref());
    let env = container.map(|container| container.env.as_slice()).unwrap_or_default();
    let mut annotations: Vec<_> = job.annotations.clone().into_iter().collect();
    annotations.sort();
    JobSettings {
        image: container.map(|container| container.image.clone()).unwrap_or_default(),
        command: container.map(|container| container.command.clone()).unwrap_or_default(),
        args: container.map(|container| container.args.clone()).unwrap_or_default(),
        env: env.iter().map(|variable| (variable.name.clone(), value(variable))).collect(),
        service_account: task.map(|task| task.service_account.clone()).filter(|account| !account.is_empty()),
        connector: vpc.map(|vpc| short(&vpc.connector)).filter(|connector| !connector.is_empty()),
        egress: vpc.and_then(|vpc| match vpc.egress {
            VpcEgress::PrivateRangesOnly => Some(Egress::PrivateRangesOnly),
            VpcEgress::AllTraffic => Some(Egress::AllTraffic),
            _ => None,
        }),
        // Absent means 0 in what the API returns; only in what is sent does absence mean 3.
        max_retries: task.and_then(model::TaskTemplate::max_retries).copied().unwrap_or(0),
        timeout: task.and_then(|task| task.timeout.as_ref()).map_or(0, google_cloud_wkt::Duration::seconds),
        tasks: execution.map_or(0, |execution| execution.task_count),
        annotations,
    }
}

fn value(variable: &model::EnvVar) -> EnvValue {
    match &variable.values {
        Some(Values::Value(text)) => EnvValue::Text(text.clone()),
        Some(Values::ValueSource(source)) => {
            let secret = source.secret_key_ref.as_ref();
            EnvValue::Secret {
                secret: secret.map(|secret| short(&secret.secret)).unwrap_or_default(),
                version: secret.map(|secret| secret.version.clone()).unwrap_or_default(),
            }
        }
        _ => EnvValue::Text(String::new()),
    }
}

/// Puts the wanted settings into a job; everything else stays as it is.
fn apply(job: &mut model::Job, wanted: &JobSettings, name: &JobName) {
    job.name = if job.etag.is_empty() { String::new() } else { name.to_string() };
    job.annotations.extend(wanted.annotations.iter().cloned());
    let execution = job.template.get_or_insert_default();
    execution.task_count = wanted.tasks;
    let task = execution.template.get_or_insert_default();
    // Always sent: left out, it would become 3.
    task.retries = Some(model::task_template::Retries::MaxRetries(wanted.max_retries));
    task.timeout = Some(google_cloud_wkt::Duration::clamp(wanted.timeout, 0));
    if let Some(account) = &wanted.service_account {
        task.service_account.clone_from(account);
    }
    if wanted.connector.is_some() || wanted.egress.is_some() {
        let vpc = task.vpc_access.get_or_insert_default();
        if let Some(connector) = &wanted.connector
            && short(&vpc.connector) != *connector
        {
            vpc.connector =
                format!("projects/{}/locations/{}/connectors/{connector}", name.project, name.region);
        }
        match wanted.egress {
            Some(Egress::PrivateRangesOnly) => vpc.egress = VpcEgress::PrivateRangesOnly,
            Some(Egress::AllTraffic) => vpc.egress = VpcEgress::AllTraffic,
            None => {}
        }
    }
    if task.containers.is_empty() {
        task.containers.push(model::Container::new());
    }
    let container = &mut task.containers[0];
    container.image.clone_from(&wanted.image);
    container.command.clone_from(&wanted.command);
    container.args.clone_from(&wanted.args);
    for (name, wanted) in &wanted.env {
        let index = container.env.iter().position(|variable| variable.name == *name).unwrap_or_else(|| {
            container.env.push(model::EnvVar::new().set_name(name));
            container.env.len() - 1
        });
        let variable = &mut container.env[index];
        if value(variable) == *wanted && variable.values.is_some() {
            continue;
        }
        variable.values = Some(match wanted {
            EnvValue::Text(text) => Values::Value(text.clone()),
            EnvValue::Secret { secret, version } => {
                Values::ValueSource(Box::new(model::EnvVarSource::new().set_secret_key_ref(
                    model::SecretKeySelector::new().set_secret(secret).set_version(version),
                )))
            }
        });
    }
}
