//! What is reported: plans and results, as commands hand them over.

use std::collections::BTreeSet;

use quill_admin_cloud::{JobName, PERMISSIONS, Permission, Purpose, SignIn};
use quill_admin_contract::{ExitCode, Password, Request, RequestId, Username};
use quill_admin_image::Engine;

use crate::config::{Backend, Environment};
use crate::error::CliError;
use crate::flow::build::Plan;
use crate::flow::conclusion::{Conclusion, Run};
use crate::flow::fit::JobImage;
use crate::flow::restore::{Candidate, Found};
use crate::hints;

/// How much is shown, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// One JSON document instead of text.
    pub json: bool,
    /// Results, warnings and errors only.
    pub quiet: bool,
    /// More than usual.
    pub verbose: bool,
}

/// Everything about a task that was run.
pub struct TaskReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The user that the task is about, where it is about one.
    pub username: Option<&'a Username>,
    /// The request's id, where it has one.
    pub request_id: Option<RequestId>,
    /// How it went.
    pub run: &'a Run,
    /// To be shown once if it may have been set.
    pub generated_password: Option<&'a Password>,
    /// That it be cancelled was what this command was asked for.
    pub to_cancel: bool,
}

impl TaskReport<'_> {
    /// It was cancelled, as it was to be.
    pub(super) fn is_cancelled_as_asked(&self) -> bool {
        self.to_cancel && matches!(self.run.conclusion, Conclusion::Cancelled { .. })
    }

    /// The job that ran it.
    pub(super) const fn job(&self) -> &JobName {
        &self.run.execution.name.job
    }

    /// What to do next, by how it ended. What is known of our own container and its job says nothing of one of the
    /// application's, of which the log is all there is to look at.
    pub(super) fn hints(&self) -> Vec<String> {
        if self.run.lacks_rows() {
            let attach = format!("attach {}", self.run.execution.name.id);
            return vec![
                format!("read its rows again: {}", hints::command(&self.environment.name, &attach, &[])),
                "or run the same command again: it changes nothing".to_owned(),
            ];
        }
        let code = self.run.exit_code();
        if self.environment.is_own(self.job()) {
            let code = ExitCode::from_u8(self.exit_code());
            return code
                .map(|code| hints::after_task(code, self.environment, self.username))
                .unwrap_or_default();
        }
        if code == 0 || self.is_cancelled_as_asked() {
            return Vec::new();
        }
        let logs = format!("logs {}", self.run.execution.name.id);
        vec![format!("see all that it printed: {}", hints::command(&self.environment.name, &logs, &[]))]
    }

    /// What the program ends with.
    pub(super) fn exit_code(&self) -> u8 {
        if self.is_cancelled_as_asked() { 0 } else { self.run.exit_code() }
    }
}

/// What is about to be done to whom.
pub struct TaskPlan<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The job that runs it.
    pub job: &'a JobName,
    /// The account that starts it, where it is known.
    pub account: Option<&'a str>,
    /// What runs it.
    pub image: &'a JobImage,
    /// What is asked for.
    pub request: &'a Request,
    /// That Cloud Run may start it again, where it may: said of jobs of the application's, which are not refused for
    /// that.
    pub started_again: Option<&'a str>,
}

/// Who calls in an environment, and what it may do there.
pub struct WhoamiReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The account, where it is known.
    pub account: Option<&'a str>,
    /// The sign-in, where one is used.
    pub sign_in: Option<&'a SignIn>,
    /// Those of [`PERMISSIONS`] that are there; `None` where nobody asks for any.
    pub granted: Option<&'a BTreeSet<&'static str>>,
}

impl WhoamiReport<'_> {
    /// The permissions, each with whether it is there.
    pub(super) fn permissions(&self) -> impl Iterator<Item = (&'static Permission, bool)> {
        let granted = self.granted;
        let has_lock = self.environment.state_lock.is_some();
        PERMISSIONS
            .iter()
            .filter(move |permission| has_lock || !permission.is_of_bucket())
            .filter_map(move |permission| Some((permission, granted?.contains(permission.name))))
    }

    /// Those missing without which no task can be run.
    pub(super) fn missing(&self) -> Vec<&'static Permission> {
        self.permissions()
            .filter(|(permission, there)| permission.purpose == Purpose::Tasks && !there)
            .map(|(permission, _)| permission)
            .collect()
    }

    /// What an administrator has to type to give them.
    pub(super) fn hints(&self) -> Vec<String> {
        let roles: BTreeSet<&str> = self.missing().iter().map(|permission| permission.role).collect();
        let caller = self.sign_in.and_then(SignIn::acts_as).or(self.account).unwrap_or("ACCOUNT");
        roles
            .into_iter()
            .map(|role| hints::grant(self.environment.job.project.as_str(), caller, role))
            .collect()
    }

    pub(super) fn exit_code(&self) -> u8 {
        if self.missing().is_empty() { 0 } else { ExitCode::PermissionDenied.code() }
    }
}

/// Everything about an image that is to go back to the backend.
pub struct RestoreReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// What it is there.
    pub backend: &'a Backend,
    /// What was found out.
    pub found: &'a Found,
    /// What is to be deployed.
    pub candidate: &'a Candidate,
}

/// Everything about an image that is to be built.
pub struct BuildReport<'a> {
    /// The environment that it is for.
    pub environment: &'a Environment,
    /// What is to be done.
    pub plan: &'a Plan,
    /// What builds, where something is to be built: or why nothing can.
    pub engine: Option<&'a Result<Engine, CliError>>,
}
