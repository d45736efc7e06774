//! Judges whether a job is fit to run a task, by the job alone, which is read anyway.
//!
//! The image itself is not asked: `build` notes its revision and contract versions on the job as annotations.
//! To add a reason against an image: a variant of [`Incompatible`], [`image`] and [`judge`] here, and the doctor's
//! checks `job-image` and `admin-image`.

use jiff::Timestamp;
use quill_admin_cloud::JobSettings;
use quill_admin_contract::image::{Contracts, annotation};
use quill_admin_contract::{ExitCode, MODES_SINCE};
use quill_admin_image::digest;

use crate::error::CliError;
use crate::hints;

/// The image of a job as the job alone describes it: its name, and the notes of `build`. The image as a
/// registry has it is a `RegistryImage`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobImage {
    /// The full name of the image.
    pub name: String,
    /// The revision it was built from, where `build` noted it.
    pub revision: Option<String>,
    /// The time at which it was built, where `build` noted it.
    pub built: Option<Timestamp>,
}

/// The reason why the image of a job is not fit to run tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incompatible {
    /// The image is not pinned: it is not known which program would run.
    Unpinned,
    /// `build` has not deployed it.
    NotDeployed,
    /// It speaks only older versions of the contract than this program; `None` when it does not say which.
    Older(Option<Contracts>),
    /// It speaks only newer ones.
    Newer(Contracts),
}

impl Incompatible {
    /// The contract versions of the image and of this program, for an image that speaks another contract.
    #[must_use]
    pub fn versions(self) -> Option<String> {
        let own = Contracts::OWN;
        match self {
            Self::Older(Some(image)) | Self::Newer(image) => {
                Some(format!("speaks {}, this program {}", of_contract(image), of_contract(own)))
            }
            Self::Older(None) => Some(format!(
                "does not say which contract it speaks, this program speaks {}",
                of_contract(own)
            )),
            Self::Unpinned | Self::NotDeployed => None,
        }
    }
}

fn of_contract(Contracts { oldest, newest }: Contracts) -> String {
    if oldest == newest {
        format!("contract version {oldest}")
    } else {
        format!("contract versions {oldest} to {newest}")
    }
}

/// The contract version to speak with a job: the newest that its image and this program know. An image that
/// `build` has not deployed says nothing, so the oldest version is used, which every image knows.
#[must_use]
pub fn contract(job: &JobSettings) -> u32 {
    match image(job) {
        (_, None) => noted(job).and_then(|image| Contracts::OWN.common(image)),
        _ => None,
    }
    .unwrap_or(Contracts::OWN.oldest)
}

/// Checks that the image has modes, where one is asked for: another image would run a task for good that was to
/// be previewed.
///
/// # Errors
///
/// Fails where the version of the contract that is spoken with it is too old.
pub fn has_modes(contract: u32, environment: &str) -> Result<(), CliError> {
    if contract >= MODES_SINCE {
        return Ok(());
    }
    let what = format!(
        "the job's image knows neither previews nor undoing: they are part of contract version {MODES_SINCE}, and version {contract} is \
         the newest that is known to be common; nothing was started"
    );
    Err(CliError::new(ExitCode::ImageTooOld, what).hint(hints::newer_image(environment)).at("job-image"))
}

/// The contract versions of the image, as `build` noted them.
fn noted(job: &JobSettings) -> Option<Contracts> {
    Contracts::read(job.annotation(annotation::CONTRACTS), job.annotation(annotation::CONTRACT))
}

/// The reason why an image that speaks these versions of the contract is not fit.
#[must_use]
pub fn incompatible(contracts: Option<Contracts>) -> Option<Incompatible> {
    match contracts {
        Some(image) if Contracts::OWN.common(image).is_some() => None,
        Some(image) if image.oldest > Contracts::OWN.newest => Some(Incompatible::Newer(image)),
        image => Some(Incompatible::Older(image)),
    }
}

/// Whether `build` has deployed to a job, whatever image it runs by now.
#[must_use]
pub fn was_deployed(job: &JobSettings) -> bool {
    job.annotation(annotation::IMAGE).is_some_and(|image| !image.is_empty())
}

/// The image that the job's annotations describe, and the reason why it is not fit.
#[must_use]
pub fn image(job: &JobSettings) -> (JobImage, Option<Incompatible>) {
    let note = |key: &str| job.annotation(key).filter(|value| !value.is_empty());
    let digest = digest(&job.image);
    // Notes about another image tell nothing about this one.
    let noted = digest.is_some() && note(annotation::IMAGE) == digest;
    let contracts = self::noted(job);
    let incompatible = match (digest, noted) {
        (None, _) => Some(Incompatible::Unpinned),
        (_, false) => Some(Incompatible::NotDeployed),
        _ => incompatible(contracts),
    };
    let image = JobImage {
        name: job.image.clone(),
        revision: note(annotation::REVISION).filter(|_| noted).map(str::to_owned),
        built: note(annotation::BUILT).filter(|_| noted).and_then(|time| time.parse().ok()),
    };
    (image, incompatible)
}

/// The image of a job of the application. The application decides which image that is and whether it is
/// pinned, so it is not judged.
#[must_use]
pub fn of_application(job: &JobSettings) -> JobImage {
    image(job).0
}

/// The warning before a job of the application is started that Cloud Run may start again after a failure.
#[must_use]
pub fn started_again(job: &JobSettings) -> Option<String> {
    let times = match job.max_retries {
        0 => return None,
        1 => "once".to_owned(),
        more => format!("up to {more} times"),
    };
    Some(format!(
        "Cloud Run starts a run of this job that fails again, {times}: what it does may be done more than once"
    ))
}

/// Judges whether a job is fit for a task that `writes` to the database, or only reads. `any_image` accepts
/// an image that `build` has not deployed.
///
/// # Errors
///
/// Fails when the job would run a failed task that writes again, and when its image is not fit.
pub fn judge(
    job: &JobSettings,
    environment: &str,
    writes: bool,
    any_image: bool,
) -> Result<JobImage, CliError> {
    let build = || hints::advice("put it right with", &hints::command(environment, "build", &[]));
    let refused = |what: String| CliError::new(ExitCode::ResourceNotFound, what);
    if job.max_retries != 0 && writes {
        return Err(refused(format!(
            "the job runs a task that failed again, up to {} times: a change could be made twice; nothing was \
             started",
            job.max_retries
        ))
        .hint(build())
        .at("job-settings"));
    }
    let (image, incompatible) = image(job);
    let Some(incompatible) = incompatible.filter(|_| !any_image) else { return Ok(image) };
    let whatever = "to run it all the same, add --allow-unpinned";
    Err(match incompatible {
        Incompatible::Unpinned => refused(format!(
            "the job's image {} is not pinned to a digest: what would run is not known; nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever),
        Incompatible::NotDeployed => refused(format!(
            "the job's image {} was not deployed by quill-admin: the old image wants passwords in clear; \
             nothing was started",
            job.image
        ))
        .hint(build())
        .hint(whatever),
        Incompatible::Older(_) | Incompatible::Newer(_) => {
            let refused = CliError::new(
                ExitCode::ImageTooOld,
                format!(
                    "the job's image {}; nothing was started",
                    incompatible.versions().unwrap_or_default()
                ),
            );
            refused.hint(match incompatible {
                Incompatible::Newer(_) => "use a newer quill-admin".to_owned(),
                _ => hints::newer_image(environment),
            })
        }
    }
    .at("job-image"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(image: &str, notes: &[(&str, &str)]) -> JobSettings {
        let annotations = notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        JobSettings { image: image.to_owned(), annotations: annotations.collect(), ..JobSettings::default() }
    }

    fn code(job: &JobSettings, writes: bool) -> Option<ExitCode> {
        judge(job, "staging", writes, false).err().map(|error| error.code)
    }

    #[test]
    fn only_what_build_has_deployed_is_run() {
        let pinned = (annotation::IMAGE, "sha256:1");
        let good = [pinned, (annotation::CONTRACT, "1")];
        for (job, expected) in [
            (job("r/admin@sha256:1", &good), None),
            (job("r/admin:latest", &good), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:2", &good), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:1", &[]), Some(ExitCode::ResourceNotFound)),
            (job("r/admin@sha256:1", &good[..1]), Some(ExitCode::ImageTooOld)),
            (job("r/admin@sha256:1", &[pinned, (annotation::CONTRACT, "0")]), Some(ExitCode::ImageTooOld)),
            (job("r/admin@sha256:1", &[pinned, (annotation::CONTRACT, "5")]), Some(ExitCode::ImageTooOld)),
        ] {
            assert_eq!(code(&job, true), expected, "{job:?}");
            assert!(judge(&job, "staging", true, true).is_ok());
        }
    }

    #[test]
    fn the_newest_version_is_spoken_that_both_know() {
        let hint = |job: &JobSettings| {
            let refused = judge(job, "staging", true, false).expect_err("no version in common");
            assert_eq!(refused.code, ExitCode::ImageTooOld);
            refused.hints.concat()
        };
        let job = |one: &str, all: Option<&str>| {
            let mut notes = vec![(annotation::IMAGE, "sha256:1"), (annotation::CONTRACT, one)];
            notes.extend(all.map(|all| (annotation::CONTRACTS, all)));
            job("r/admin@sha256:1", &notes)
        };
        for (image, spoken) in [
            (job("1", None), 1),
            (job("2", None), 2),
            (job("1", Some("1-2")), 2),
            (job("1", Some("1-3")), 3),
            (job("1", Some("1-7")), 4),
            (job("2", Some("2-7")), 4),
        ] {
            assert!(judge(&image, "staging", true, false).is_ok(), "{image:?}");
            assert_eq!(contract(&image), spoken, "{image:?}");
        }
        assert!(hint(&job("5", Some("5-7"))).contains("use a newer quill-admin"));
        assert!(!hint(&job("5", Some("5-7"))).contains("quill-admin build"));
        assert!(hint(&job("0", None)).contains("quill-admin build"));
        // Nothing is known of another image, but every image knows the oldest version.
        let mut unpinned = job("1", Some("1-2"));
        unpinned.image = "r/admin:latest".to_owned();
        assert_eq!(contract(&unpinned), 1);
    }

    #[test]
    fn a_change_is_not_run_where_it_could_be_made_twice() {
        let mut job = job("r/admin@sha256:1", &[(annotation::IMAGE, "sha256:1")]);
        job.annotations.push((annotation::CONTRACT.to_owned(), "1".to_owned()));
        job.max_retries = 3;
        assert_eq!(code(&job, true), Some(ExitCode::ResourceNotFound));
        assert!(judge(&job, "staging", true, true).is_err(), "whatever the image");
        assert_eq!(code(&job, false), None);
    }
}
