//! The check `apis`: the services that tasks and this program need are enabled in the project.
//!
//! A call may need a service in another project, such as that of the caller's own account. Where Google says so, the
//! check that made the call names the service and the project.
//!
//! To add a service: its line in [`SERVICES`].

use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report, Severity};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "apis",
    title: "the Google Cloud services that have to be enabled",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// A service that has to be enabled.
struct Service {
    name: &'static str,
    purpose: &'static str,
    /// A problem where tasks need it, and a warning where only this program's looking around does.
    severity: Severity,
    /// Whether an environment needs it.
    is_needed: fn(&Environment) -> bool,
}

const SERVICES: [Service; 9] = [
    Service::of_tasks("run.googleapis.com", "running tasks"),
    Service::of_tasks("artifactregistry.googleapis.com", "the admin image"),
    Service::of_tasks("logging.googleapis.com", "what a task prints, and what came of it"),
    Service::of_tasks("sqladmin.googleapis.com", "the database's address"),
    Service::of_tasks("secretmanager.googleapis.com", "the database's password"),
    Service::of_looking(
        "cloudresourcemanager.googleapis.com",
        "the project and who may do what in it",
        |_| true,
    ),
    Service::of_looking("serviceusage.googleapis.com", "this check", |_| true),
    Service::of_looking("iamcredentials.googleapis.com", "acting as the service account", |environment| {
        environment.impersonate.is_some()
    }),
    Service::of_looking("storage.googleapis.com", "the lock on Terraform's state", |environment| {
        environment.state_lock.is_some()
    }),
];

impl Service {
    const fn of_tasks(name: &'static str, purpose: &'static str) -> Self {
        Self { name, purpose, severity: Severity::Problem, is_needed: |_| true }
    }

    const fn of_looking(
        name: &'static str,
        purpose: &'static str,
        is_needed: fn(&Environment) -> bool,
    ) -> Self {
        Self { name, purpose, severity: Severity::Warning, is_needed }
    }
}

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let environment = &inquiries.environment;
    let needed: Vec<&Service> = SERVICES.iter().filter(|service| (service.is_needed)(environment)).collect();
    let names: Vec<&str> = needed.iter().map(|service| service.name).collect();
    // A person who may not read them is not kept from the other checks.
    let enabled = inquiries.services(&names).await.map_err(Undecided::blocks_nothing)?;
    let off: Vec<&Service> = needed.into_iter().filter(|service| !enabled.contains(service.name)).collect();
    let finding = |severity: Severity| {
        let of = off.iter().filter(|service| service.severity == severity);
        let (names, purposes): (Vec<&str>, Vec<&str>) =
            of.map(|service| (service.name, service.purpose)).unzip();
        let what = format!("not enabled: {}", names.join(", "));
        let why = format!("needed for {}", purposes.join("; "));
        let finding = match severity {
            Severity::Problem => Finding::problem(what, why),
            Severity::Warning => Finding::warning(what, why),
        };
        let enable = hints::enable(&names.join(" "), environment.job.project.as_str());
        (!names.is_empty()).then(|| finding.advice(enable).blocks_nothing())
    };
    let findings = [Severity::Problem, Severity::Warning].into_iter().filter_map(finding).collect();
    Ok(Report::found(format!("all {} are enabled", names.len()), findings))
}
