//! Calls about the resources that a job depends on: its project, the enabled services, the audit log,
//! secrets.

use std::collections::BTreeSet;

use google_cloud_api_serviceusage_v1::model::State as ServiceState;
use google_cloud_iam_v1::model::audit_log_config::LogType;
use google_cloud_resourcemanager_v3::model::project::State as ProjectState;
use google_cloud_secretmanager_v1::model::secret_version::State;

use super::{Google, Reply};
use crate::error::CloudError;
use crate::model::{AuditLogging, Project, SecretVersion, SecretVersionState};
use crate::names::ProjectId;

impl Google {
    /// Reads the project. A project that does not exist is refused like one that the caller may not see.
    ///
    /// # Errors
    ///
    /// Fails if the project does not exist, or if the caller may not read it.
    pub fn project<'a>(&'a self, project: &'a ProjectId) -> Reply<'a, Result<Project, CloudError>> {
        Box::pin(async move {
            let request = self.projects.get_project().set_name(format!("projects/{project}"));
            let found = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("read the project", &error))?;
            Ok(Project { number: last(&found.name), active: found.state == ProjectState::Active })
        })
    }

    /// The services among those given, 30 at most, that the project has enabled. Their names have the form
    /// `run.googleapis.com`.
    ///
    /// # Errors
    ///
    /// Fails if the services cannot be read.
    pub fn enabled_services<'a>(
        &'a self,
        project: &'a ProjectId,
        services: &'a [&'a str],
    ) -> Reply<'a, Result<BTreeSet<String>, CloudError>> {
        Box::pin(async move {
            let parent = format!("projects/{project}");
            let names = services.iter().map(|service| format!("{parent}/services/{service}"));
            let request = self.service_usage.batch_get_services().set_parent(&parent).set_names(names);
            let found = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("ask which services are enabled", &error))?;
            let enabled = found.services.iter().filter(|service| service.state == ServiceState::Enabled);
            Ok(enabled.map(|service| last(&service.name)).collect())
        })
    }

    /// Whether Cloud Audit Logs record who started a job.
    ///
    /// # Errors
    ///
    /// Fails if the project's policy cannot be read.
    pub fn records_runs<'a>(&'a self, project: &'a ProjectId) -> Reply<'a, Result<AuditLogging, CloudError>> {
        Box::pin(async move {
            let request = self.projects.get_iam_policy().set_resource(format!("projects/{project}"));
            let policy = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("read what is recorded", &error))?;
            // If both are set, both apply (`google.iam.v1.AuditConfig`).
            let ours = ["allServices", "run.googleapis.com"];
            let writes: Vec<_> = policy
                .audit_configs
                .into_iter()
                .filter(|config| ours.contains(&config.service.as_str()))
                .flat_map(|config| config.audit_log_configs)
                .filter(|log| log.log_type == LogType::DataWrite)
                .collect();
            Ok(AuditLogging {
                writes: !writes.is_empty(),
                exempt: writes.into_iter().flat_map(|log| log.exempted_members).collect(),
            })
        })
    }

    /// Reads a version of a secret, by its number or as `latest`. The project is an id or a number. Where there is none, only the service's
    /// message tells whether the secret itself exists.
    ///
    /// # Errors
    ///
    /// Fails if the version does not exist or cannot be read.
    pub fn secret_version<'a>(
        &'a self,
        project: &'a str,
        secret: &'a str,
        version: &'a str,
    ) -> Reply<'a, Result<SecretVersion, CloudError>> {
        Box::pin(async move {
            let name = format!("projects/{project}/secrets/{secret}/versions/{version}");
            let found = self
                .policy
                .read(self.secrets.get_secret_version().set_name(name))
                .send()
                .await
                .map_err(|error| CloudError::new("read the secret's version", &error))?;
            Ok(SecretVersion {
                number: last(&found.name),
                state: match found.state {
                    State::Enabled => SecretVersionState::Enabled,
                    State::Disabled => SecretVersionState::Disabled,
                    State::Destroyed => SecretVersionState::Destroyed,
                    _ => SecretVersionState::Unknown,
                },
            })
        })
    }
}

/// The last part of a resource's name.
fn last(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}
