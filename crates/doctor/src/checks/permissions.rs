//! The check `permissions`: the caller has the permissions that each command needs.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_cloud::{PERMISSIONS, Purpose};

use crate::check::{Check, Look};
use crate::facts::Facts;
use crate::finding::{Finding, Seen};
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "permissions",
    title: "what the caller may do",
    needs: &["project"],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    if let Some(why) = facts.nothing_around() {
        return Ok(Seen::nothing(why));
    }
    let granted = facts.granted().await?;
    let has_lock = facts.environment.state_lock.is_some();
    let wanted: Vec<_> =
        PERMISSIONS.iter().filter(|permission| has_lock || !permission.is_of_bucket()).collect();
    let mut missing: BTreeMap<Purpose, Vec<(&str, &str)>> = BTreeMap::new();
    for permission in wanted.iter().filter(|permission| !granted.contains(permission.name)) {
        missing.entry(permission.purpose).or_default().push((permission.name, permission.role));
    }
    let findings = missing.iter().map(|(purpose, missing)| {
        let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
        let what = format!("no {}", names.join(", "));
        let finding = match purpose {
            Purpose::Tasks => Finding::problem(what, "this account cannot run tasks here").blocks_nothing(),
            Purpose::Build => Finding::warning(what, "this account cannot build the admin image here"),
            Purpose::RestoreBackend => Finding::warning(what, "this account cannot restore the backend here"),
            Purpose::Doctor => Finding::warning(what, "some checks cannot decide"),
            Purpose::DoctorFix => {
                Finding::warning(what, "this account cannot put everything right with --fix")
            }
        };
        let roles: BTreeSet<&str> = missing.iter().map(|(_, role)| *role).collect();
        roles.into_iter().fold(finding, |finding, role| finding.advice(facts.grant(role)))
    });
    let names = wanted.iter().map(|permission| permission.name).collect::<BTreeSet<_>>();
    Ok(Seen::found(format!("{} of {}", granted.len(), names.len()), findings.collect()))
}
