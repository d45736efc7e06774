//! The check `record-key`: records can be verified, and the policy of the key's secret lets the job's account read it,
//! and nobody else.
//!
//! Who may read it by the policies of the project, the folder and the organisation, or by a role of one's own making, is
//! not seen here.

use futures::future::join;
use quill_admin_cloud::{CloudErrorKind, ResourceId};
use quill_admin_operations::config::Environment;
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
    let readers = match readers {
        Ok(readers) => Some(readers),
        Err(missing) if missing.kind == Some(CloudErrorKind::NotFound) => {
            let what = format!("there is no secret {secret}");
            let why = "the job cannot start: Cloud Run cannot give it the key";
            findings.push(Finding::problem(what, why).advice(make));
            None
        }
        Err(unseen) => {
            undecided.push(unseen);
            None
        }
    };
    match (job, readers) {
        (Ok(job), Some(readers)) => {
            let account = job.settings.service_account.as_deref().unwrap_or_default();
            findings.extend(others(environment, secret, account, &readers));
            undecided.extend(unseen(secret, account, &readers));
        }
        (Ok(_), None) => {}
        (Err(unseen), _) => undecided.push(unseen),
    }
    let keys = match environment.record_keys.len() {
        1 => "1 public key".to_owned(),
        several => format!("{several} public keys"),
    };
    Ok(Report::found(format!("{secret}, {keys}"), findings).and_undecided(undecided))
}

/// How IAM names a service account.
pub(super) fn member(account: &str) -> String {
    format!("serviceAccount:{account}")
}

/// The finding that others than the job's account may read the key. Where the job names no account, nobody is told to
/// lose a right that may be the job's.
fn others(
    environment: &Environment,
    secret: &ResourceId,
    account: &str,
    readers: &[String],
) -> Option<Finding> {
    let others: Vec<&String> = readers.iter().filter(|reader| **reader != member(account)).collect();
    if account.is_empty() || others.is_empty() {
        return None;
    }
    let (name, project) = (&environment.name, &environment.job.project);
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

/// What the secret's policy does not tell: whether the job may read the key at all, or which of the readers is the job.
fn unseen(secret: &ResourceId, account: &str, readers: &[String]) -> Option<Undecided> {
    if account.is_empty() {
        let readers = if readers.is_empty() { "nobody".to_owned() } else { readers.join(", ") };
        return Some(Undecided::new(format!(
            "who else than the job may read the secret {secret}: the job names no account, and the secret's policy \
             lets {readers} read it"
        )));
    }
    (!readers.contains(&member(account))).then(|| {
        Undecided::new(format!(
            "whether the job can sign records: the policy of the secret {secret} does not let the job's account \
             {account} read it by a predefined role; a role of the project, or one of your own, may"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn healthy_is_only_a_job_that_is_seen_to_read_the_key() {
        let secret: ResourceId = "key".parse().expect("valid");
        let readers = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let own = readers(&["serviceAccount:job@p.iam.gserviceaccount.com"]);
        assert_eq!(unseen(&secret, "job@p.iam.gserviceaccount.com", &own), None);
        let nobody = unseen(&secret, "job@p.iam.gserviceaccount.com", &[]).expect("nobody may");
        assert!(nobody.cause.contains("whether the job can sign records"), "{nobody:?}");
        let nameless = unseen(&secret, "", &own).expect("whose account it is is not known");
        assert!(nameless.cause.contains("the job names no account"), "{nameless:?}");
    }
}
