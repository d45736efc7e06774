//! Whether a job is fit to run a task: judged by the job alone, which is read anyway.

use jiff::Timestamp;
use quill_admin_cloud::Job;
use quill_admin_contract::image::annotation;
use quill_admin_contract::{ActionName, CONTRACT_VERSION, ExitCode};

use crate::error::CliError;
use crate::hints;

/// What is known of the image a job runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobImage {
    /// Its whole name.
    pub name: String,
    /// The revision it was built from, where `build` noted it.
    pub revision: Option<String>,
    /// When it was built, where `build` noted it.
    pub built: Option<Timestamp>,
}

/// Judges a job. `any_image` also takes one that `build` has not deployed.
pub fn judge(
    job: &Job,
    environment: &str,
    action: ActionName,
    any_image: bool,
) -> Result<JobImage, CliError> {
    let build = || format!("put it right with: {}", hints::command(environment, "build", &[]));
    let refused = |what: String| CliError::new(ExitCode::ResourceNotFound, what);
    if job.max_retries != 0 && action.writes() {
        return Err(refused(format!(
            "the job runs a task that failed again, up to {} times: a change could be made twice; nothing was \
             started",
            job.max_retries
        ))
        .hint(build()));
    }
    let note = |key: &str| job.annotations.get(key).filter(|value| !value.is_empty());
    let digest = job.image.split_once('@').map(|(_, digest)| digest);
    // Notes about another image tell nothing about this one.
    let noted = digest.is_some() && note(annotation::IMAGE).map(String::as_str) == digest;
    let image = JobImage {
        name: job.image.clone(),
        revision: note(annotation::REVISION).filter(|_| noted).cloned(),
        built: note(annotation::BUILT).filter(|_| noted).and_then(|time| time.parse().ok()),
    };
    if any_image {
        return Ok(image);
    }
    let whatever = "to run it all the same, add --allow-unpinned";
    if digest.is_none() {
        return Err(refused(format!(
            "the job's image {} is not pinned to a digest: what would run is not known; nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever));
    }
    if !noted {
        return Err(refused(format!(
            "the job's image {} was not deployed by quill-admin: the old image wants passwords in clear; \
             nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever));
    }
    let contract: u32 = note(annotation::CONTRACT).and_then(|text| text.parse().ok()).unwrap_or(0);
    if contract < CONTRACT_VERSION {
        return Err(CliError::new(
            ExitCode::ImageTooOld,
            format!(
                "the job's image speaks contract version {contract}, this program version {CONTRACT_VERSION}; \
                 nothing was started"
            ),
        ));
    }
    if contract > CONTRACT_VERSION {
        return Err(refused(format!(
            "the job's image speaks contract version {contract}, this program only {CONTRACT_VERSION}; nothing \
             was started"
        ))
        .hint("use a newer quill-admin"));
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn job(image: &str, notes: &[(&str, &str)]) -> Job {
        Job {
            etag: String::new(),
            image: image.to_owned(),
            max_retries: 0,
            annotations: notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            executions: 0,
        }
    }

    fn code(job: &Job, action: ActionName) -> Option<ExitCode> {
        judge(job, "staging", action, false).err().map(|error| error.code)
    }

    #[test]
    fn only_what_build_has_deployed_is_run() {
        let version = CONTRACT_VERSION.to_string();
        let newer = (CONTRACT_VERSION + 1).to_string();
        let good = [(annotation::IMAGE, "sha256:1"), (annotation::CONTRACT, version.as_str())];
        for (job, expected) in [
            (job("r/admin@sha256:1", &good), None),
            (job("r/admin:latest", &good), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:2", &good), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:1", &[]), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:1", &good[..1]), Some(ExitCode::ImageTooOld)),
            (
                job("r/admin@sha256:1", &[good[0], (annotation::CONTRACT, newer.as_str())]),
                Some(ExitCode::ResourceNotFound),
            ),
        ] {
            assert_eq!(code(&job, ActionName::AddRole), expected, "{job:?}");
            assert!(judge(&job, "staging", ActionName::AddRole, true).is_ok());
        }
    }

    #[test]
    fn a_change_is_not_run_where_it_could_be_made_twice() {
        let mut job = job("r/admin@sha256:1", &[(annotation::IMAGE, "sha256:1")]);
        job.annotations
            .extend(BTreeMap::from([(annotation::CONTRACT.to_owned(), CONTRACT_VERSION.to_string())]));
        job.max_retries = 3;
        assert_eq!(code(&job, ActionName::AddRole), Some(ExitCode::ResourceNotFound));
        assert!(judge(&job, "staging", ActionName::AddRole, true).is_err(), "whatever the image");
        assert_eq!(code(&job, ActionName::ShowUser), None);
    }
}
