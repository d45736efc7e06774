//! The permissions that a caller needs, grouped by purpose, each with the smallest role that gives it.
//!
//! **To add a permission:** its line here. Sources: "IAM permissions" and "IAM roles" in the
//! documentation of each service.

use std::fmt;

use crate::role::{
    ACCOUNT_USER, BROWSER, LOG_VIEWER, REGISTRY_READER, REGISTRY_WRITER, RUN_DEVELOPER, RUN_EXECUTOR,
    RUN_VIEWER, SECRET_VERSION_ADDER, SECRETS_VIEWER, SERVICES_VIEWER, SQL_VIEWER, STORAGE_USER,
    STORAGE_VIEWER,
};

/// The purpose of a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Running tasks: most people need no other permissions.
    Tasks,
    /// The command `build`.
    Build,
    /// The command `restore-backend`.
    RestoreBackend,
    /// The command `record-key`, where the environment names a secret for that key. Where the secret itself is
    /// missing, the command makes it, which takes more.
    RecordKey,
    /// The command `doctor`, which only reads.
    Doctor,
    /// The additional permissions of `doctor --fix`, beyond those of `doctor` and of the commands that it
    /// calls.
    DoctorFix,
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tasks => "tasks",
            Self::Build => "build",
            Self::RestoreBackend => "restore-backend",
            Self::RecordKey => "record-key",
            Self::Doctor => "doctor",
            Self::DoctorFix => "doctor --fix",
        })
    }
}

/// A permission that is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permission {
    /// Its purpose.
    pub purpose: Purpose,
    /// Its name, such as `run.jobs.get`.
    pub name: &'static str,
    /// The smallest predefined role that gives it, together with the neighbouring permissions here.
    pub role: &'static str,
}

impl Permission {
    /// Whether the permission is one on the bucket of Terraform's state, which can be in another project than
    /// the environment.
    #[must_use]
    pub fn is_of_bucket(&self) -> bool {
        self.name.starts_with("storage.")
    }

    /// Whether the permission is about the key that records are signed with.
    #[must_use]
    pub fn is_of_record_key(&self) -> bool {
        self.purpose == Purpose::RecordKey || self.name == "secretmanager.secrets.getIamPolicy"
    }

    /// Whether the permission is about the log bucket that keeps records, and what brings them there.
    #[must_use]
    pub fn is_of_records(&self) -> bool {
        ["logging.buckets.get", "logging.sinks.list"].contains(&self.name)
    }

    /// The resource on which a role may give the permission without one in the project, where that resource is not
    /// asked. A project that does not give it then proves nothing.
    #[must_use]
    pub fn may_be_on(&self) -> Option<&'static str> {
        const ELSEWHERE: [(&str, &str); 7] = [
            ("artifactregistry.", "the repository"),
            ("iam.serviceAccounts.", "the service account"),
            ("run.executions.", "the job"),
            ("run.revisions.", "the service"),
            ("run.services.", "the service"),
            ("run.tasks.", "the job"),
            ("secretmanager.", "the secret"),
        ];
        ELSEWHERE.iter().find(|(of, _)| self.name.starts_with(of)).map(|(_, resource)| *resource)
    }

    /// Whether the permission allows reading alone.
    #[must_use]
    pub fn is_of_reading(&self) -> bool {
        matches!(self.name.rsplit('.').next(), Some("get" | "list"))
    }
}

const fn permission(purpose: Purpose, name: &'static str, role: &'static str) -> Permission {
    Permission { purpose, name, role }
}

/// Every permission that some command needs. A permission that two purposes need is listed twice.
pub const PERMISSIONS: [Permission; 43] = {
    use Purpose::{Build, Doctor, DoctorFix, RecordKey, RestoreBackend, Tasks};
    [
        permission(Tasks, "run.jobs.get", RUN_VIEWER),
        permission(Tasks, "run.jobs.run", RUN_EXECUTOR),
        // This is needed if a run overrides variables, and so by every task.
        permission(Tasks, "run.jobs.runWithOverrides", RUN_EXECUTOR),
        permission(Tasks, "run.executions.cancel", RUN_EXECUTOR),
        permission(Tasks, "run.executions.get", RUN_VIEWER),
        permission(Tasks, "run.executions.list", RUN_VIEWER),
        permission(Tasks, "run.tasks.list", RUN_VIEWER),
        permission(Tasks, "logging.logEntries.list", LOG_VIEWER),
        permission(Build, "run.jobs.create", RUN_DEVELOPER),
        permission(Build, "run.jobs.update", RUN_DEVELOPER),
        permission(Build, "iam.serviceAccounts.actAs", ACCOUNT_USER),
        permission(Build, "cloudsql.instances.get", SQL_VIEWER),
        permission(Build, "cloudsql.instances.listServerCas", SQL_VIEWER),
        permission(Build, "artifactregistry.repositories.get", REGISTRY_READER),
        permission(Build, "artifactregistry.repositories.downloadArtifacts", REGISTRY_READER),
        permission(Build, "artifactregistry.repositories.uploadArtifacts", REGISTRY_WRITER),
        permission(RestoreBackend, "run.services.get", RUN_VIEWER),
        permission(RestoreBackend, "run.revisions.get", RUN_VIEWER),
        permission(RestoreBackend, "run.revisions.list", RUN_VIEWER),
        permission(RestoreBackend, "run.services.update", RUN_DEVELOPER),
        permission(RestoreBackend, "iam.serviceAccounts.actAs", ACCOUNT_USER),
        permission(RecordKey, "secretmanager.versions.add", SECRET_VERSION_ADDER),
        permission(Doctor, "resourcemanager.projects.get", BROWSER),
        permission(Doctor, "resourcemanager.projects.getIamPolicy", BROWSER),
        permission(Doctor, "serviceusage.services.get", SERVICES_VIEWER),
        permission(Doctor, "run.jobs.get", RUN_VIEWER),
        permission(Doctor, "run.executions.get", RUN_VIEWER),
        permission(Doctor, "run.executions.list", RUN_VIEWER),
        permission(Doctor, "run.tasks.list", RUN_VIEWER),
        permission(Doctor, "run.services.get", RUN_VIEWER),
        permission(Doctor, "run.revisions.list", RUN_VIEWER),
        permission(Doctor, "logging.logEntries.list", LOG_VIEWER),
        permission(Doctor, "artifactregistry.repositories.get", REGISTRY_READER),
        permission(Doctor, "artifactregistry.repositories.downloadArtifacts", REGISTRY_READER),
        permission(Doctor, "cloudsql.instances.get", SQL_VIEWER),
        permission(Doctor, "cloudsql.instances.listServerCas", SQL_VIEWER),
        permission(Doctor, "secretmanager.versions.get", SECRETS_VIEWER),
        permission(Doctor, "secretmanager.secrets.getIamPolicy", SECRETS_VIEWER),
        permission(Doctor, "logging.buckets.get", LOG_VIEWER),
        permission(Doctor, "logging.sinks.list", LOG_VIEWER),
        permission(Doctor, "storage.objects.get", STORAGE_VIEWER),
        permission(DoctorFix, "run.executions.delete", RUN_DEVELOPER),
        permission(DoctorFix, "storage.objects.delete", STORAGE_USER),
    ]
};
