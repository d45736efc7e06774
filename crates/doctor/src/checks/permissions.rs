//! The check `permissions`: the caller has the permissions that each command needs.
//!
//! The project is asked, for `run.jobs` the job as well, and for Terraform's lock its bucket. A role can also be given
//! on a repository, a service, a secret or a service account alone. These are not asked, so a permission that is not in
//! the project is not told as missing there.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quill_admin_cloud::{PERMISSIONS, Permission, ProjectId, Purpose, role};
use quill_admin_operations::config::Environment;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::{Undecided, or_note};

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
    let environment = &inquiries.environment;
    let wanted: Vec<_> = PERMISSIONS.iter().filter(|permission| environment.needs(permission)).collect();
    let mut undecided = Vec::new();
    let mut granted = inquiries.granted().await?.clone();
    // A place that gave no answer is noted once, and its permissions are neither there nor missing.
    let mut unseen: BTreeSet<&str> = BTreeSet::new();
    for (place, asked) in places_apart(environment) {
        let answer = match &place {
            Place::Project(project) => inquiries.granted_apart(project).await,
            Place::Bucket(_) => inquiries.granted_for_lock().await,
        };
        let of: BTreeSet<&str> =
            wanted.iter().map(|one| one.name).filter(|name| name.starts_with(asked)).collect();
        granted.retain(|name| !of.contains(name));
        if answer.is_err() {
            unseen.extend(&of);
        }
        let answer = answer.map_err(|unseen| {
            let cause = format!("what this account may do {place}: {}", unseen.cause);
            Undecided { cause, ..unseen.blocks_nothing() }
        });
        granted.extend(or_note(answer, &mut undecided).into_iter().filter(|name| of.contains(name)));
    }
    let missing =
        wanted.iter().copied().filter(|one| !granted.contains(one.name) && !unseen.contains(one.name));
    let mut findings = Vec::new();
    for (purpose, missing) in by_purpose(missing) {
        let (elsewhere, missing): (Vec<_>, Vec<_>) =
            missing.into_iter().partition(|permission| permission.may_be_on().is_some());
        if !missing.is_empty() {
            let what = format!("no {}", names(&missing));
            findings.push(advised(inquiries, &missing, finding(purpose, what, ""), Finding::advice));
        }
        if elsewhere.is_empty() {
            continue;
        }
        let on: BTreeSet<&str> = elsewhere.iter().filter_map(|permission| permission.may_be_on()).collect();
        let on = Vec::from_iter(on).join(" or ");
        let what = format!("the project does not give {}; {on} was not asked", names(&elsewhere));
        if purpose == Purpose::Tasks {
            let cause = format!("whether this account can run tasks here: {what}");
            let unknown = Undecided::new(cause).blocks_nothing();
            undecided.push(advised(inquiries, &elsewhere, unknown, Undecided::advice));
        } else {
            findings.push(advised(
                inquiries,
                &elsewhere,
                finding(purpose, what, "without it "),
                Finding::advice,
            ));
        }
    }
    let names = wanted.iter().map(|permission| permission.name).collect::<BTreeSet<_>>();
    let there = names.iter().filter(|name| granted.contains(*name)).count();
    Ok(Report::found(format!("{there} of {}", names.len()), findings).and_undecided(undecided))
}

/// A place other than the job's project that is asked.
enum Place {
    Project(ProjectId),
    /// The bucket of Terraform's state.
    Bucket(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project(project) => write!(f, "in project {project}"),
            Self::Bucket(bucket) => write!(f, "on the bucket {bucket}"),
        }
    }
}

/// The places other than the job's project that some permissions are asked in, with the beginning of their names.
fn places_apart(environment: &Environment) -> Vec<(Place, &'static str)> {
    let records = environment.records.as_ref().map(|records| records.bucket.project.clone());
    let image = environment.artifact_repository().and_then(|(_, project, _)| project.parse().ok());
    let projects = [(records, "logging.buckets."), (image, "artifactregistry.")];
    let apart = projects.into_iter().filter_map(|(project, asked)| {
        let project = project.filter(|project| *project != environment.job.project)?;
        Some((Place::Project(project), asked))
    });
    let bucket =
        environment.state_lock.as_ref().map(|lock| (Place::Bucket(lock.bucket().to_owned()), "storage."));
    apart.chain(bucket).collect()
}

fn by_purpose<'a>(
    permissions: impl Iterator<Item = &'a Permission>,
) -> BTreeMap<Purpose, Vec<&'a Permission>> {
    let mut by_purpose: BTreeMap<Purpose, Vec<&Permission>> = BTreeMap::new();
    for permission in permissions {
        by_purpose.entry(permission.purpose).or_default().push(permission);
    }
    by_purpose
}

fn names(permissions: &[&Permission]) -> String {
    permissions.iter().map(|permission| permission.name).collect::<Vec<_>>().join(", ")
}

/// The finding about permissions; `condition` says when its consequence is one.
fn finding(purpose: Purpose, what: String, condition: &str) -> Finding {
    let consequence = match purpose {
        Purpose::Tasks => "this account cannot run tasks here",
        Purpose::Build => "this account cannot build the admin image here",
        Purpose::RestoreBackend => "this account cannot restore the backend here",
        Purpose::RecordKey => "this account cannot make a key that records are signed with",
        Purpose::Doctor => "some checks cannot decide",
        Purpose::DoctorFix => "this account cannot put everything right with --fix",
    };
    let why = format!("{condition}{consequence}");
    match purpose {
        Purpose::Tasks => Finding::problem(what, why).blocks_nothing(),
        _ => Finding::warning(what, why),
    }
}

/// Adds the commands that give the roles with these permissions.
fn advised<T>(inquiries: &Inquiries, permissions: &[&Permission], told: T, advice: fn(T, String) -> T) -> T {
    let mut advised = BTreeSet::new();
    permissions.iter().fold(told, |told, permission| {
        if !advised.insert(permission.role) {
            return told;
        }
        advice(told, grant(inquiries, permission))
    })
}

/// The command that gives the role where it is needed, and not for more than that.
fn grant(inquiries: &Inquiries, permission: &Permission) -> String {
    let environment = &inquiries.environment;
    if permission.role == role::ACCOUNT_USER {
        let of_job = environment.service_account.as_deref().filter(|_| permission.purpose == Purpose::Build);
        return inquiries.grant_on_account(of_job.unwrap_or("SERVICE_ACCOUNT"), permission.role);
    }
    let apart = places_apart(environment).into_iter().find_map(|(place, asked)| match place {
        Place::Project(project) if permission.name.starts_with(asked) => Some(project),
        _ => None,
    });
    inquiries.grant_in(apart.as_ref().unwrap_or(&environment.job.project).as_str(), permission.role)
}
