//! The check `apis`: the services that tasks and this program need are enabled in the project.

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::{Inquiries, SERVICES};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "apis",
    title: "the Google Cloud services that have to be enabled",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// The purpose of each of [`SERVICES`].
const PURPOSES: [&str; SERVICES.len()] = [
    "running tasks",
    "the admin image",
    "what a task prints, and what came of it",
    "the database's address",
    "the database's password",
];

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    // A person who may not read them is not kept from the other checks.
    let enabled = inquiries.services().await.map_err(Undecided::blocks_nothing)?;
    let all = SERVICES.into_iter().zip(PURPOSES);
    let (names, purposes): (Vec<&str>, Vec<&str>) =
        all.filter(|(service, _)| !enabled.contains(*service)).unzip();
    if names.is_empty() {
        return Ok(Report::healthy(format!("all {} are enabled", SERVICES.len())));
    }
    Ok(Finding::problem(
        format!("not enabled: {}", names.join(", ")),
        format!("needed for {}", purposes.join("; ")),
    )
    .advice(format!(
        "enable with: gcloud services enable {} --project={}",
        names.join(" "),
        inquiries.environment.job.project
    ))
    .blocks_nothing()
    .into())
}
