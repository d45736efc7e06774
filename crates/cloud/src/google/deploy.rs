//! Calls that create or change a job, and the lookups for them: the database instance and its
//! authorities, the repository of images.
//!
//! To write another setting of jobs: `apply`, besides the places that `settings.rs` names. To add a lookup: a method
//! of [`Google`] here, as `mod.rs` says.

use google_cloud_longrunning::model::Operation;
use google_cloud_longrunning::model::operation::Result as OperationResult;
use google_cloud_run_v2::model;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::vpc_access::VpcEgress;
use google_cloud_sql_v1::model::SqlIpAddressType;
use google_cloud_sql_v1::model::ip_configuration::{CaMode as ApiCaMode, SslMode as Api};
use google_cloud_sql_v1::model::settings::SqlActivationPolicy;

use super::{Google, Reply};
use crate::error::{CloudError, CloudErrorKind};
use crate::job::{Job, short};
use crate::model::{CaMode, DatabaseInstance, ServerCa, SslMode};
use crate::names::{JobName, ProjectId, Region, ResourceId};
use crate::settings::{Egress, EnvValue, JobSettings};

/// The name of this program where Cloud Run records which tool changed something.
const CLIENT: &str = "quill-admin";

/// The annotation that is changed only to give a job a new etag.
const FENCE: &str = "admin.quill-medical.org/fence";
/// Largest number of attempts to give a job a new etag, where answers are lost.
const FENCES: usize = 4;

/// Returns an error if the operation has already failed.
fn accepted(operation: Operation, doing: &'static str) -> Result<(), CloudError> {
    match operation.result {
        Some(OperationResult::Error(status)) => {
            Err(CloudError::of(CloudErrorKind::Invalid, doing, status.message))
        }
        _ => Ok(()),
    }
}

impl Google {
    /// The current job, or `None` if there is none. Where a secret's project is only named by its number, the
    /// project is asked for its own; without an answer it stays unknown whether the two are the same.
    ///
    /// # Errors
    ///
    /// Fails if the job cannot be read for any reason but that it does not exist.
    pub fn find_job<'a>(&'a self, name: &'a JobName) -> Reply<'a, Result<Option<Job>, CloudError>> {
        Box::pin(async move {
            match self.job(name).await {
                Ok(mut job) => {
                    if job.settings.has_numbers()
                        && let Ok(project) = self.project(&name.project).await
                    {
                        job.settings.know_number(&project.number);
                    }
                    Ok(Some(job))
                }
                Err(error) if error.kind == CloudErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Changes a job: refused as a conflict if somebody changed it since it was read. [`Job::readiness`]
    /// tells whether it can run afterwards.
    ///
    /// The API replaces the whole job, so everything that was read is sent back with the changes in
    /// it. The request is sent once.
    ///
    /// # Errors
    ///
    /// Fails if Google Cloud refuses the change, or if the answer is lost: then it may have been made.
    pub fn change_job<'a>(
        &'a self,
        name: &'a JobName,
        job: &'a Job,
        wanted: &'a JobSettings,
    ) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "change the job";
            let mut changed = (*job.raw).clone();
            apply(&mut changed, &job.settings, wanted, name);
            let operation = self
                .policy
                .once(self.jobs.update_job().set_job(changed))
                .send()
                .await
                .map_err(|error| CloudError::new(DOING, &error))?;
            accepted(operation, DOING)
        })
    }

    /// Gives the job a new etag and changes nothing else: from then on a run is refused that was requested
    /// with the previous one and has not been carried out yet. `mark` is written into an annotation.
    ///
    /// A job that has another etag than `etag` is fenced already. Returns the job as it is then.
    ///
    /// # Errors
    ///
    /// Fails if the job cannot be read, or if the change is refused or its answers stay lost.
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
                    return Ok(Job::new(job));
                }
                signed(&mut job);
                job.annotations.insert(FENCE.to_owned(), mark.to_owned());
                if let Err(error) = self.policy.once(self.jobs.update_job().set_job(job)).send().await {
                    let error = CloudError::new(DOING, &error);
                    // If the answer was lost, the etag tells whether the change was carried out.
                    if error.refused() && error.kind != CloudErrorKind::Conflict {
                        return Err(error);
                    }
                }
            }
            Err(CloudError::other(DOING, "the job could not be changed"))
        })
    }

    /// Creates the job. [`Job::readiness`] tells whether it can run.
    ///
    /// # Errors
    ///
    /// Fails if Google Cloud refuses the job, or if the answer is lost: then it may have been created.
    pub fn create_job<'a>(
        &'a self,
        name: &'a JobName,
        wanted: &'a JobSettings,
    ) -> Reply<'a, Result<(), CloudError>> {
        Box::pin(async move {
            const DOING: &str = "create the job";
            let mut job = model::Job::new();
            apply(&mut job, &JobSettings::default(), wanted, name);
            let request = self
                .jobs
                .create_job()
                .set_parent(format!("projects/{}/locations/{}", name.project, name.region))
                .set_job_id(name.job.as_str())
                .set_job(job);
            let operation =
                self.policy.once(request).send().await.map_err(|error| CloudError::new(DOING, &error))?;
            accepted(operation, DOING)
        })
    }

    /// Reads a Cloud SQL instance.
    ///
    /// # Errors
    ///
    /// Fails if the instance does not exist or cannot be read.
    pub fn database_instance<'a>(
        &'a self,
        project: &'a ProjectId,
        instance: &'a ResourceId,
    ) -> Reply<'a, Result<DatabaseInstance, CloudError>> {
        Box::pin(async move {
            let request =
                self.sql_instances.get().set_project(project.as_str()).set_instance(instance.as_str());
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
                .map(|address| address.ip_address.clone())
                .filter(|address| !address.is_empty());
            let settings = found.settings.as_ref();
            let ip = settings.and_then(|settings| settings.ip_configuration.as_ref());
            Ok(DatabaseInstance {
                private_ip,
                state: found.state.name().unwrap_or_default().to_owned(),
                stopped: settings
                    .is_some_and(|settings| settings.activation_policy == SqlActivationPolicy::Never),
                ssl_mode: match ip.map(|ip| (&ip.ssl_mode, ip.require_ssl)) {
                    Some((Api::EncryptedOnly, _)) => SslMode::EncryptedOnly,
                    // The settings that preceded `sslMode`.
                    Some((Api::TrustedClientCertificateRequired, _) | (Api::Unspecified, Some(true))) => {
                        SslMode::ClientCertificate
                    }
                    Some((Api::AllowUnencryptedAndEncrypted | Api::Unspecified, _)) | None => {
                        SslMode::AllowUnencrypted
                    }
                    Some(_) => SslMode::Unknown,
                },
                version: found.database_version.name().unwrap_or_default().to_owned(),
                ca_mode: match ip.and_then(|ip| ip.server_ca_mode.as_ref()) {
                    None | Some(ApiCaMode::Unspecified) => CaMode::Untold,
                    Some(ApiCaMode::GoogleManagedInternalCa) => CaMode::OwnCa,
                    Some(ApiCaMode::GoogleManagedCasCa | ApiCaMode::CustomerManagedCasCa) => CaMode::SharedCa,
                    Some(_) => CaMode::Unknown,
                },
                server_ca: found.server_ca_cert.map(|ca| ca.cert).filter(|pem| !pem.trim().is_empty()),
                dns_name: found.dns_name.filter(|name| !name.is_empty()),
            })
        })
    }

    /// The authorities that an instance lists: the one that signs its certificate, the one that will after
    /// the next rotation, and the one that did before ("Instances: listServerCas": up to three).
    ///
    /// # Errors
    ///
    /// Fails if the authorities cannot be listed.
    pub fn server_cas<'a>(
        &'a self,
        project: &'a ProjectId,
        instance: &'a ResourceId,
    ) -> Reply<'a, Result<Vec<ServerCa>, CloudError>> {
        Box::pin(async move {
            let request = self
                .sql_instances
                .list_server_cas()
                .set_project(project.as_str())
                .set_instance(instance.as_str());
            let found =
                self.policy.read(request).send().await.map_err(|error| {
                    CloudError::new("list the authorities of the Cloud SQL instance", &error)
                })?;
            let active = found.active_version;
            let told = found.certs.into_iter().filter(|ca| !ca.cert.trim().is_empty());
            Ok(told
                .map(|ca| ServerCa {
                    active: (!active.is_empty()).then(|| ca.sha1_fingerprint == active),
                    pem: ca.cert,
                })
                .collect())
        })
    }

    /// Whether Artifact Registry has the repository.
    ///
    /// # Errors
    ///
    /// Fails if the repository cannot be read for any reason but that it does not exist.
    pub fn has_repository<'a>(
        &'a self,
        project: &'a str,
        location: &'a Region,
        repository: &'a str,
    ) -> Reply<'a, Result<bool, CloudError>> {
        Box::pin(async move {
            let name = format!("projects/{project}/locations/{location}/repositories/{repository}");
            match self.policy.read(self.artifact_registry.get_repository().set_name(name)).send().await {
                Ok(_) => Ok(true),
                Err(error) => {
                    let error = CloudError::new("read the Artifact Registry repository", &error);
                    if error.kind == CloudErrorKind::NotFound { Ok(false) } else { Err(error) }
                }
            }
        })
    }
}

/// Records this program as the tool that changes the job, as every tool does. Without this, the name of the
/// previous tool would stay.
fn signed(job: &mut model::Job) {
    CLIENT.clone_into(&mut job.client);
    env!("CARGO_PKG_VERSION").clone_into(&mut job.client_version);
}

/// Puts the wanted settings into a job that has the settings `own`; everything else stays as it is.
fn apply(job: &mut model::Job, own: &JobSettings, wanted: &JobSettings, name: &JobName) {
    job.name = if job.etag.is_empty() { String::new() } else { name.to_string() };
    signed(job);
    job.annotations.extend(wanted.annotations.iter().cloned());
    let execution = job.template.get_or_insert_default();
    execution.task_count = wanted.tasks;
    let task = execution.template.get_or_insert_default();
    // The retries are always sent: if they were left out, they would become 3.
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
        if own.variable(name).is_some_and(|own| own.agrees(wanted)) && variable.values.is_some() {
            continue;
        }
        variable.values = Some(match wanted {
            EnvValue::Text(text) => Values::Value(text.clone()),
            EnvValue::Secret(secret) => {
                Values::ValueSource(Box::new(model::EnvVarSource::new().set_secret_key_ref(
                    model::SecretKeySelector::new().set_secret(secret.name()).set_version(&secret.version),
                )))
            }
        });
    }
}
