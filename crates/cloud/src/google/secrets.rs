//! Calls that make secrets and say who may read them. No value of a secret is ever read.

use google_cloud_secretmanager_v1::model::{Replication, Secret, SecretPayload, replication};

use super::policies::with_conditions;
use super::{Google, Reply};
use crate::error::{CloudError, CloudErrorKind};
use crate::model::Confidential;
use crate::names::ProjectId;
use crate::role;

impl Google {
    /// Gives a secret a new version with this value, and makes the secret where there is none. Returns the number of
    /// the version. The request is sent once: each one makes a version.
    ///
    /// # Errors
    ///
    /// Fails if the secret cannot be made or the version cannot be added; whether an answer that was lost belongs to
    /// a version that was added is not known.
    pub fn add_secret_version<'a>(
        &'a self,
        project: &'a ProjectId,
        secret: &'a str,
        value: &'a Confidential,
    ) -> Reply<'a, Result<String, CloudError>> {
        Box::pin(async move {
            match self.add_version(project, secret, value).await {
                // Whoever only adds versions need not be allowed to make secrets.
                Err(error) if error.kind == CloudErrorKind::NotFound => {}
                added => return added,
            }
            let replication = Replication::new().set_automatic(replication::Automatic::new());
            let create = self
                .secrets
                .create_secret()
                .set_parent(format!("projects/{project}"))
                .set_secret_id(secret)
                .set_secret(Secret::new().set_replication(replication));
            let made = self.policy.once(create).send().await;
            match made.map_err(|error| CloudError::new("make the secret", &error)) {
                // It is there now, whoever made it. Where that is not known, the version tells.
                Err(error) if !matches!(error.kind, CloudErrorKind::Conflict | CloudErrorKind::Failed) => {
                    return Err(error);
                }
                Ok(_) | Err(_) => {}
            }
            self.add_version(project, secret, value).await
        })
    }

    async fn add_version(
        &self,
        project: &ProjectId,
        secret: &str,
        value: &Confidential,
    ) -> Result<String, CloudError> {
        let payload = SecretPayload::new().set_data(value.expose().as_bytes().to_vec());
        let add = self
            .secrets
            .add_secret_version()
            .set_parent(format!("projects/{project}/secrets/{secret}"))
            .set_payload(payload);
        let added = self.policy.once(add).send().await;
        let added = added.map_err(|error| CloudError::new("add a version to the secret", &error))?;
        Ok(added.name.rsplit('/').next().unwrap_or_default().to_owned())
    }

    /// The members that the secret's own policy lets read its value, as IAM names them. Those who may by the policies
    /// of its project, folder and organisation are not among them. The project is an id or a number.
    ///
    /// # Errors
    ///
    /// Fails if there is no such secret, or its policy cannot be read.
    pub fn secret_readers<'a>(
        &'a self,
        project: &'a str,
        secret: &'a str,
    ) -> Reply<'a, Result<Vec<String>, CloudError>> {
        Box::pin(async move {
            let name = format!("projects/{project}/secrets/{secret}");
            let request = self.secrets.get_iam_policy().set_resource(name).set_options(with_conditions());
            let policy = self.policy.read(request).send().await;
            let policy = policy.map_err(|error| CloudError::new("read who may read the secret", &error))?;
            let reads = |role: &str| READING.contains(&role);
            let bindings = policy.bindings.into_iter().filter(|binding| reads(&binding.role));
            let mut members: Vec<String> = bindings.flat_map(|binding| binding.members).collect();
            members.sort();
            members.dedup();
            Ok(members)
        })
    }
}

/// The predefined roles with `secretmanager.versions.access` ("IAM roles" of Secret Manager's documentation), and the
/// basic one that has it.
const READING: [&str; 3] = [role::SECRET_READER, "roles/secretmanager.admin", "roles/owner"];
