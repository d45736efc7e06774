//! The check `record-key`: records can be verified, and only the job can sign them.

use futures::future::join;
use quill_admin_cloud::{CloudErrorKind, Job, ResourceId};
use quill_admin_operations::hints;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "record-key",
    title: "the key that records are signed with",
    needs: &["job"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let environment = &inquiries.environment;
    let Some(secret) = &environment.record_key_secret else {
        return Ok(Report::nothing("records are not signed: the environment names no records.key_secret"));
    };
    let name = environment.name.as_str();
    let make = hints::advice("make a key with", &hints::command(name, "record-key", &[]));
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    if environment.record_keys.is_empty() {
        findings.push(
            Finding::problem(
                "the environment names no public key: no record can be verified",
                "a record is proven only as long as its execution is kept, and nothing acts on it",
            )
            .advice(make.clone()),
        );
    }
    let project = environment.job.project.as_str();
    let (job, readers) =
        join(inquiries.existing_job(), inquiries.secret_readers(project, secret.as_str())).await;
    match (job, readers) {
        (_, Err(missing)) if missing.kind == Some(CloudErrorKind::NotFound) => {
            let what = format!("there is no secret {secret}");
            let why = "the job cannot start: Cloud Run cannot give it the key";
            findings.push(Finding::problem(what, why).advice(make));
        }
        (Ok(job), Ok(readers)) => findings.extend(of_readers(inquiries, secret, job, &readers)),
        (job, readers) => undecided.extend([job.err(), readers.err()].into_iter().flatten()),
    }
    let keys = match environment.record_keys.len() {
        1 => "1 public key".to_owned(),
        several => format!("{several} public keys"),
    };
    Ok(Report::found(format!("{secret}, {keys}"), findings).and_undecided(undecided))
}

/// The finding that others than the job's account may read the key.
fn of_readers(inquiries: &Inquiries, secret: &ResourceId, job: &Job, readers: &[String]) -> Option<Finding> {
    let name = inquiries.environment.name.as_str();
    let account = job.settings.service_account.as_deref().unwrap_or_default();
    let own = format!("serviceAccount:{account}");
    let others: Vec<&String> = readers.iter().filter(|member| **member != own).collect();
    if others.is_empty() {
        return None;
    }
    let project = &inquiries.environment.job.project;
    let remove = format!(
        "take it from them with: gcloud secrets remove-iam-policy-binding {secret} --project={project} \
         --member=MEMBER --role=roles/secretmanager.secretAccessor"
    );
    Some(
        Finding::problem(
            format!("others than the job's account may read the secret {secret}"),
            "whoever has the key can make records that count as the job's",
        )
        .evidence(others.iter().map(|member| format!("may read it: {member}")))
        .advice(remove)
        .advice(hints::advice("then make a new key with", &hints::command(name, "record-key", &[]))),
    )
}
