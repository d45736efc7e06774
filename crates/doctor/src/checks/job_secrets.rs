//! The check `job-secrets`: every secret that the job refers to has a version that can be read.

use std::collections::BTreeSet;

use futures::future::join_all;
use quill_admin_cloud::{CloudErrorKind, EnvValue, SecretVersionState};
use quill_admin_operations::hints;

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

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let job = inquiries.existing_job().await?;
    let secrets: BTreeSet<(&str, &str)> = job
        .settings
        .env
        .iter()
        .filter_map(|(_, value)| match value {
            EnvValue::Secret { secret, version } => Some((secret.as_str(), version.as_str())),
            EnvValue::Text(_) => None,
        })
        .collect();
    let project = &inquiries.environment.job.project;
    let mut notes = Vec::new();
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    let answers = secrets.iter().map(|(secret, version)| inquiries.secret_version(secret, version));
    for ((secret, version), found) in secrets.iter().zip(join_all(answers).await) {
        let is_record_key =
            inquiries.environment.record_key_secret.as_ref().is_some_and(|key| key.as_str() == *secret);
        let add = if is_record_key {
            hints::advice("make a key with", &hints::command(&inquiries.environment.name, "record-key", &[]))
        } else {
            format!("add one with: gcloud secrets versions add {secret} --data-file=- --project={project}")
        };
        let finding = |what: String| Finding::problem(what, WHY).blocks_nothing();
        match found {
            Ok(found) => match found.state {
                SecretVersionState::Enabled => notes.push(format!("{secret}, version {}", found.number)),
                SecretVersionState::Disabled => findings.push(
                    finding(format!("version {} of the secret {secret} is disabled", found.number)).advice(format!(
                        "enable it with: gcloud secrets versions enable {} --secret={secret} --project={project}",
                        found.number
                    )),
                ),
                SecretVersionState::Destroyed => findings.push(
                    finding(format!("version {} of the secret {secret} is destroyed", found.number)).advice(add),
                ),
                SecretVersionState::Unknown => undecided.push(Undecided::new(format!(
                    "version {} of the secret {secret} is in a state this program does not know",
                    found.number
                ))),
            },
            Err(missing) if missing.kind == Some(CloudErrorKind::NotFound) => findings.push(
                finding(format!("the secret {secret} has no version \"{version}\", or is not there"))
                    .evidence([missing.cause])
                    .advice(add),
            ),
            Err(unseen) => {
                let cause = format!("the secret {secret}: {}", unseen.cause);
                undecided.push(Undecided { cause, ..unseen });
            }
        }
    }
    let note = if secrets.is_empty() { "it refers to none".to_owned() } else { notes.join("; ") };
    Ok(Report::found(note, findings).and_undecided(undecided))
}
