//! Whether a job is fit to run a task: judged by the job alone, which is read anyway.

use std::collections::BTreeMap;

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

/// Why the image of a job is not fit to run tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is not pinned: what would run is not known.
    Unpinned,
    /// `build` has not deployed it.
    NotDeployed,
    /// It speaks this older version of the contract.
    Older(u32),
    /// It speaks this newer version of the contract.
    Newer(u32),
}

/// What the job's annotations tell about its image, and why it is not fit.
#[must_use]
pub fn image(name: &str, annotations: &BTreeMap<String, String>) -> (JobImage, Option<Unfit>) {
    let note = |key: &str| annotations.get(key).filter(|value| !value.is_empty());
    let digest = name.split_once('@').map(|(_, digest)| digest);
    // Notes about another image tell nothing about this one.
    let noted = digest.is_some() && note(annotation::IMAGE).map(String::as_str) == digest;
    let contract: u32 = note(annotation::CONTRACT).and_then(|text| text.parse().ok()).unwrap_or(0);
    let unfit = match (digest, noted) {
        (None, _) => Some(Unfit::Unpinned),
        (_, false) => Some(Unfit::NotDeployed),
        _ if contract < CONTRACT_VERSION => Some(Unfit::Older(contract)),
        _ if contract > CONTRACT_VERSION => Some(Unfit::Newer(contract)),
        _ => None,
    };
    let image = JobImage {
        name: name.to_owned(),
        revision: note(annotation::REVISION).filter(|_| noted).cloned(),
        built: note(annotation::BUILT).filter(|_| noted).and_then(|time| time.parse().ok()),
    };
    (image, unfit)
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
        .hint(build())
        .at("job-settings"));
    }
    let (image, unfit) = image(&job.image, &job.annotations);
    let Some(unfit) = unfit.filter(|_| !any_image) else { return Ok(image) };
    let whatever = "to run it all the same, add --allow-unpinned";
    Err(match unfit {
        Unfit::Unpinned => refused(format!(
            "the job's image {} is not pinned to a digest: what would run is not known; nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever),
        Unfit::NotDeployed => refused(format!(
            "the job's image {} was not deployed by quill-admin: the old image wants passwords in clear; \
             nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever),
        Unfit::Older(contract) => CliError::new(
            ExitCode::ImageTooOld,
            format!(
                "the job's image speaks contract version {contract}, this program version {CONTRACT_VERSION}; \
                 nothing was started"
            ),
        ),
        Unfit::Newer(contract) => refused(format!(
            "the job's image speaks contract version {contract}, this program only {CONTRACT_VERSION}; nothing \
             was started"
        ))
        .hint("use a newer quill-admin"),
    }
    .at("job-image"))
}

#[cfg(test)]
mod tests {
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
