//! The check `job-secrets`: every secret that Cloud Run gives to the job, in a variable or as a file, has a version
//! that can be read, and the job's account may read it.
//!
//! To add a finding about a version: `of_version`. What is known of the account: `unread`.

use futures::future::{join, join_all};
use quill_admin_cloud::{
    CloudErrorKind, Job, SecretProject, SecretRef, SecretVersion, SecretVersionState, role,
};
use quill_admin_operations::hints;

use super::record_key::member;
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "job-secrets",
    title: "the secrets the job refers to",
    needs: &["job"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

const WHY: &str = "the container does not start: Cloud Run cannot give it the secret";

/// The version that is the newest one, whichever that is.
const LATEST: &str = "latest";

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let job = inquiries.existing_job().await?;
    let secrets = job.secrets();
    let (mut notes, mut findings, mut undecided) = (Vec::new(), Vec::new(), Vec::new());
    let answers =
        secrets.iter().map(|secret| join(of_version(inquiries, secret), unread(inquiries, job, secret)));
    for (secret, (version, unread)) in secrets.iter().zip(join_all(answers).await) {
        match version {
            Ok(Ok(version)) => notes.push(format!("{}, version {}", secret.name(), version.number)),
            Ok(Err(finding)) => findings.push(finding),
            Err(unseen) => {
                let cause = format!("the secret {}: {}", secret.name(), unseen.cause);
                undecided.push(Undecided { cause, ..unseen });
            }
        }
        undecided.extend(unread);
    }
    let note = if secrets.is_empty() { "it refers to none".to_owned() } else { notes.join("; ") };
    Ok(Report::found(note, findings).and_undecided(undecided))
}

/// The version that Cloud Run gives to the job, or the finding that it cannot.
async fn of_version(
    inquiries: &Inquiries,
    wanted: &SecretRef,
) -> Result<Result<SecretVersion, Finding>, Undecided> {
    let (name, secret, project) = (wanted.name(), &wanted.secret, inquiries.project_of(wanted));
    let finding = |what: String| Finding::problem(what, WHY).blocks_nothing();
    let found = match inquiries.secret_version(wanted).await {
        Ok(found) => found,
        Err(missing) if missing.kind == Some(CloudErrorKind::NotFound) => {
            return Ok(Err(of_missing(inquiries, wanted, missing).await));
        }
        Err(unseen) => return Err(unseen),
    };
    let version = format!("version {} of the secret {name}", found.number);
    match found.state {
        SecretVersionState::Enabled => Ok(Ok(found)),
        SecretVersionState::Disabled => Ok(Err(finding(format!("{version} is disabled")).advice(format!(
            "enable it with: gcloud secrets versions enable {} --secret={secret} --project={project}",
            found.number
        )))),
        SecretVersionState::Destroyed => {
            Ok(Err(finding(format!("{version} is destroyed")).advice(other_version(inquiries, wanted))))
        }
        SecretVersionState::Unknown => {
            Err(Undecided::new(format!("{version} is in a state this program does not know")))
        }
    }
}

/// The finding that there is no such version. Its own policy tells whether the secret is there.
async fn of_missing(inquiries: &Inquiries, wanted: &SecretRef, missing: Undecided) -> Finding {
    let (name, secret, project) = (wanted.name(), &wanted.secret, inquiries.project_of(wanted));
    let finding = |what: String| Finding::problem(what, WHY).blocks_nothing().evidence([missing.cause]);
    match inquiries.secret_readers(project, secret).await {
        Ok(_) => finding(format!("the secret {name} has no version \"{}\"", wanted.version))
            .advice(other_version(inquiries, wanted)),
        Err(gone) if gone.kind == Some(CloudErrorKind::NotFound) => {
            let make = format!("gcloud secrets create {secret} --data-file=- --project={project}");
            let finding = finding(format!("there is no secret {name}"));
            finding.advice(
                record_key(inquiries, wanted)
                    .unwrap_or_else(|| format!("make it with terraform apply, or with: {make}")),
            )
        }
        Err(_) => {
            finding(format!("the secret {name} has no version \"{}\", or is not there", wanted.version))
                .advice(format!("see which: gcloud secrets versions list {secret} --project={project}"))
        }
    }
}

/// The advice where the version that the job asks for will not come back.
fn other_version(inquiries: &Inquiries, wanted: &SecretRef) -> String {
    let (secret, project) = (&wanted.secret, inquiries.project_of(wanted));
    // A new version has another number.
    if wanted.version != LATEST {
        return format!(
            "the job asks for version {} whatever else is added: let it ask for \"{LATEST}\", or for one of: \
             gcloud secrets versions list {secret} --project={project}",
            wanted.version
        );
    }
    record_key(inquiries, wanted).unwrap_or_else(|| {
        format!("add one with: gcloud secrets versions add {secret} --data-file=- --project={project}")
    })
}

/// The advice for the key that records are signed with, which this program makes.
fn record_key(inquiries: &Inquiries, wanted: &SecretRef) -> Option<String> {
    let key = inquiries.environment.record_key_secret.as_ref()?;
    let is_it = key.as_str() == wanted.secret && wanted.project == SecretProject::Own;
    let make = hints::command(&inquiries.environment.name, "record-key", &[]);
    is_it.then(|| hints::advice("make a key with", &make))
}

/// The reason why it is not known that the job's account may read a secret; `None` where a policy says that it may,
/// and where the secret is not there. Roles can also come from a folder, the organisation, a group or a role of one's
/// own, which are not looked at.
async fn unread(inquiries: &Inquiries, job: &Job, wanted: &SecretRef) -> Option<Undecided> {
    if !inquiries.environment.has_surroundings() {
        return None;
    }
    let (name, secret, project) = (wanted.name(), &wanted.secret, inquiries.project_of(wanted));
    let Some(account) = &job.settings.service_account else {
        let cause = format!(
            "the job names no account, so that it is not known whether it may read the secret {name}"
        );
        return Some(Undecided::new(cause).blocks_nothing());
    };
    let own = member(account);
    let may = |member: &str| [own.as_str(), "allUsers", "allAuthenticatedUsers"].contains(&member);
    let unseen = match inquiries.secret_readers(project, secret).await {
        Ok(readers) if readers.iter().any(|member| may(member)) => return None,
        Err(missing) if missing.kind == Some(CloudErrorKind::NotFound) => return None,
        Ok(_) => None,
        Err(unseen) => Some(unseen),
    };
    let unseen = match inquiries.project_secret_readers(project).await {
        Ok(members) if members.iter().any(|one| one.condition.is_none() && may(&one.name)) => return None,
        Ok(_) => unseen,
        Err(also) => unseen.or(Some(also)),
    };
    let whether = format!("whether the job's account {account} may read the secret {name} is not seen");
    let undecided = match unseen {
        Some(unseen) => Undecided { cause: format!("{whether}: {}", unseen.cause), ..unseen },
        None => Undecided::new(format!("{whether}: neither the secret's policy nor its project's names it"))
            .advice(format!(
                "where no group or folder lets it read: gcloud secrets add-iam-policy-binding {secret} \
                 --project={project} --member={own} --role={}",
                role::SECRET_READER
            )),
    };
    Some(undecided.blocks_nothing())
}
