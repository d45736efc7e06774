//! The check `permissions`: the caller has the permissions that each command needs.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_cloud::{PERMISSIONS, Purpose};

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "permissions",
    title: "what the caller may do",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let granted = inquiries.granted().await?;
    let environment = &inquiries.environment;
    let wanted: Vec<_> = PERMISSIONS.iter().filter(|permission| environment.needs(permission)).collect();
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
            Purpose::RecordKey => {
                Finding::warning(what, "this account cannot make a key that records are signed with")
            }
            Purpose::Doctor => Finding::warning(what, "some checks cannot decide"),
            Purpose::DoctorFix => {
                Finding::warning(what, "this account cannot put everything right with --fix")
            }
        };
        let roles: BTreeSet<&str> = missing.iter().map(|(_, role)| *role).collect();
        roles.into_iter().fold(finding, |finding, role| finding.advice(inquiries.grant(role)))
    });
    let names = wanted.iter().map(|permission| permission.name).collect::<BTreeSet<_>>();
    let there = names.iter().filter(|name| granted.contains(*name)).count();
    Ok(Report::found(format!("{there} of {}", names.len()), findings.collect()))
}
