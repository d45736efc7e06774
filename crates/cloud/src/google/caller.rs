//! The identity and the permissions of the caller.
//!
//! To ask for another permission: its line in `permissions.rs`; the calls here ask for all that are listed there.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, Url};
use serde::Deserialize;

use super::{Google, Reply, SignIn};
use crate::error::{CloudError, CloudErrorKind};
use crate::names::{JobName, ObjectName, ProjectId};
use crate::permissions::{PERMISSIONS, Permission};

const DOING: &str = "ask which permissions are there";
/// Google's own `OpenID` Connect service, from its discovery document.
const USER_INFO: &str = "https://openidconnect.googleapis.com";
/// Time limit for asking the name of the account: the name alone is not worth a long wait.
const USER_INFO_WITHIN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct UserInfo {
    email: Option<String>,
}

impl Google {
    /// The permissions among [`PERMISSIONS`] that the caller has: in the job's project or, for the job, on
    /// the job alone. Those for Terraform's lock are checked on the lock's bucket, which can be another
    /// project's.
    ///
    /// # Errors
    ///
    /// Fails if the permissions in the project, on the job or on the bucket cannot be read. A job or a bucket that
    /// does not exist is no error: nothing is granted on it.
    pub fn granted<'a>(
        &'a self,
        job: &'a JobName,
        lock: Option<&'a ObjectName>,
    ) -> Reply<'a, Result<BTreeSet<&'static str>, CloudError>> {
        Box::pin(async move {
            let stored = async {
                match lock {
                    Some(lock) => nothing_where_it_is_missing(self.granted_for_lock(lock).await),
                    None => Ok(BTreeSet::new()),
                }
            };
            let (mut granted, stored) = tokio::try_join!(self.granted_for_job(job), stored)?;
            granted.extend(stored);
            Ok(granted)
        })
    }

    /// The permissions among [`PERMISSIONS`] that the caller has in the job's project or, for the job, on the job
    /// alone. Those for Terraform's lock are not asked for.
    ///
    /// # Errors
    ///
    /// Fails if the permissions in the project or on the job cannot be read. A job that does not exist is no error:
    /// nothing is granted on it.
    pub fn granted_for_job<'a>(
        &'a self,
        job: &'a JobName,
    ) -> Reply<'a, Result<BTreeSet<&'static str>, CloudError>> {
        Box::pin(async move {
            let mut granted = self.granted_in_project(&job.project).await?;
            // The API refuses permissions that are not those of a job as invalid here.
            let of_job = names(|permission| permission.name.starts_with("run.jobs."));
            let rest: Vec<_> = of_job.into_iter().filter(|name| !granted.contains(name)).collect();
            if rest.is_empty() {
                return Ok(granted);
            }
            let request = self
                .jobs
                .test_iam_permissions()
                .set_resource(job.to_string())
                .set_permissions(rest.iter().copied());
            let answer = self.policy.read(request).send().await;
            let answer = answer.map_err(|error| CloudError::new(DOING, &error));
            granted.extend(nothing_where_it_is_missing(
                answer.map(|answer| those(&rest, &answer.permissions).collect()),
            )?);
            Ok(granted)
        })
    }

    /// The permissions among [`PERMISSIONS`] that the caller has in a project. Those for Terraform's lock are not
    /// asked for.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be read. A project that does not exist is no error: nothing is granted in it.
    pub fn granted_in_project<'a>(
        &'a self,
        project: &'a ProjectId,
    ) -> Reply<'a, Result<BTreeSet<&'static str>, CloudError>> {
        Box::pin(async move {
            let all = names(|permission| !permission.is_of_bucket());
            let request = self
                .projects
                .test_iam_permissions()
                .set_resource(format!("projects/{project}"))
                .set_permissions(all.iter().copied());
            let answer = self.policy.read(request).send().await;
            let answer = answer.map_err(|error| CloudError::new(DOING, &error))?;
            Ok(those(&all, &answer.permissions).collect())
        })
    }

    /// The permissions among [`PERMISSIONS`] for Terraform's lock that the caller has on the lock's bucket.
    ///
    /// # Errors
    ///
    /// Fails if they cannot be read, also where there is no such bucket.
    pub fn granted_for_lock<'a>(
        &'a self,
        lock: &'a ObjectName,
    ) -> Reply<'a, Result<BTreeSet<&'static str>, CloudError>> {
        Box::pin(async move {
            let all = names(Permission::is_of_bucket);
            let granted = self.granted_on_bucket(lock, &all, DOING).await?;
            Ok(those(&all, &granted).collect())
        })
    }

    /// The account that is signed in: as its source says, else as Google says. `None` where neither does, as
    /// with a token that does not cover the account's name.
    pub fn account<'a>(&'a self, sign_in: &'a SignIn) -> Reply<'a, Option<String>> {
        Box::pin(async move {
            if let Some(account) = sign_in.account() {
                return Some(account.to_owned());
            }
            let base = self.endpoints.user_info.as_deref().unwrap_or(USER_INFO);
            // This is checked before a token is made, which must not be sent to every host.
            self.credentials.at(Some(base)).ok()?;
            let token = sign_in.own_token().await.ok()?;
            let url = Url::parse(&format!("{base}/v1/userinfo")).ok()?;
            let request = self.wire.request(Method::GET, url).bearer_auth(token).timeout(USER_INFO_WITHIN);
            let answer = self.wire.send(request.build().ok()?, true).await.ok()?.error_for_status().ok()?;
            answer.json::<UserInfo>().await.ok()?.email
        })
    }
}

/// Nothing is granted on what does not exist, or may not be seen.
fn nothing_where_it_is_missing(
    granted: Result<BTreeSet<&'static str>, CloudError>,
) -> Result<BTreeSet<&'static str>, CloudError> {
    match granted {
        Err(error) if matches!(error.kind, CloudErrorKind::NotFound | CloudErrorKind::PermissionDenied) => {
            Ok(BTreeSet::new())
        }
        granted => granted,
    }
}

/// The names of some of the permissions, each once.
fn names(some: impl Fn(&Permission) -> bool) -> Vec<&'static str> {
    let names: BTreeSet<_> = PERMISSIONS.iter().filter(|one| some(one)).map(|one| one.name).collect();
    names.into_iter().collect()
}

/// The permissions that the answer names.
fn those(asked: &[&'static str], answer: &[String]) -> impl Iterator<Item = &'static str> {
    asked.iter().copied().filter(|name| answer.iter().any(|granted| granted == name))
}
