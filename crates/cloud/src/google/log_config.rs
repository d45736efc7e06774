//! Calls about log buckets, and about the sinks that put entries into them.

use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_logging_v2::model::LifecycleState;

use super::policies::with_conditions;
use super::{Google, Reply};
use crate::error::CloudError;
use crate::model::{LogBucket, LogSink, Member};
use crate::names::{LogBucketName, ProjectId};

impl Google {
    /// Reads a log bucket.
    ///
    /// # Errors
    ///
    /// Fails if the bucket does not exist or cannot be read.
    pub fn log_bucket<'a>(&'a self, name: &'a LogBucketName) -> Reply<'a, Result<LogBucket, CloudError>> {
        Box::pin(async move {
            let bucket = self
                .policy
                .read(self.log_config.get_bucket().set_name(name.to_string()))
                .send()
                .await
                .map_err(|error| CloudError::new("read the log bucket", &error))?;
            Ok(LogBucket {
                retention_days: bucket.retention_days,
                locked: bucket.locked,
                active: bucket.lifecycle_state != LifecycleState::DeleteRequested,
            })
        })
    }

    /// Lists the sinks of a project.
    ///
    /// # Errors
    ///
    /// Fails if the sinks cannot be listed.
    pub fn log_sinks<'a>(&'a self, project: &'a ProjectId) -> Reply<'a, Result<Vec<LogSink>, CloudError>> {
        Box::pin(async move {
            let request = self.log_config.list_sinks().set_parent(format!("projects/{project}"));
            let mut items = self.policy.read(request).by_item();
            let mut sinks = Vec::new();
            while let Some(sink) = items.next().await {
                let sink = sink.map_err(|error| CloudError::new("list the sinks of the log", &error))?;
                let exclusions = sink.exclusions.into_iter().filter(|exclusion| !exclusion.disabled);
                sinks.push(LogSink {
                    exclusions: exclusions.map(|exclusion| (exclusion.name, exclusion.filter)).collect(),
                    name: sink.name,
                    destination: sink.destination,
                    filter: sink.filter,
                    disabled: sink.disabled,
                    writer: sink.writer_identity,
                });
            }
            Ok(sinks)
        })
    }

    /// The members who have a role in a project, as far as the project's own policy says.
    ///
    /// # Errors
    ///
    /// Fails if the project's policy cannot be read.
    pub fn members_with<'a>(
        &'a self,
        project: &'a str,
        role: &'a str,
    ) -> Reply<'a, Result<Vec<Member>, CloudError>> {
        Box::pin(async move {
            let request = self
                .projects
                .get_iam_policy()
                .set_resource(format!("projects/{project}"))
                .set_options(with_conditions());
            let policy = self
                .policy
                .read(request)
                .send()
                .await
                .map_err(|error| CloudError::new("read who has which role in the project", &error))?;
            let bindings = policy.bindings.into_iter().filter(|binding| binding.role == role);
            Ok(bindings
                .flat_map(|binding| {
                    let condition = binding.condition.map(|condition| condition.expression);
                    binding.members.into_iter().map(move |name| Member { name, condition: condition.clone() })
                })
                .collect())
        })
    }
}
