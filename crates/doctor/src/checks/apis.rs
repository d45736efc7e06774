//! The check `apis`: the services that tasks and this program need are enabled in the project.

use crate::check::{Check, Look};
use crate::facts::{Facts, SERVICES};
use crate::finding::{Finding, Seen};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "apis",
    title: "the Google Cloud services that have to be enabled",
    needs: &["project"],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

/// The purpose of each of [`SERVICES`].
const PURPOSES: [&str; SERVICES.len()] = [
    "running tasks",
    "the admin image",
    "what a task prints, and what came of it",
    "the database's address",
    "the database's password",
];

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    if let Some(why) = facts.nothing_around() {
        return Ok(Seen::nothing(why));
    }
    // A person who may not read them is not kept from the other checks.
    let enabled = facts.services().await.map_err(Undecided::blocks_nothing)?;
    let all = SERVICES.into_iter().zip(PURPOSES);
    let (names, purposes): (Vec<&str>, Vec<&str>) =
        all.filter(|(service, _)| !enabled.contains(*service)).unzip();
    if names.is_empty() {
        return Ok(Seen::healthy(format!("all {} are enabled", SERVICES.len())));
    }
    Ok(Finding::problem(
        format!("not enabled: {}", names.join(", ")),
        format!("needed for {}", purposes.join("; ")),
    )
    .advice(format!(
        "enable with: gcloud services enable {} --project={}",
        names.join(" "),
        facts.environment.job.project
    ))
    .blocks_nothing()
    .into())
}
