//! The check `job-image`: the job runs an image that `build` has deployed, and that the registry has.

use quill_admin_cloud::JobSettings;
use quill_admin_image::{PLATFORM, digest, split};
use quill_admin_operations::actions;
use quill_admin_operations::admin_image::deployed_actions::{Deployed, Own};
use quill_admin_operations::config::Application;
use quill_admin_operations::hints;
use quill_admin_operations::task::job_image::{self, Incompatible};

use super::admin_image::Build;
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "job-image",
    title: "the image the job runs",
    needs: &["admin-image", "job"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if !inquiries.environment.has_surroundings() {
        return Ok(Report::nothing("this program itself is the container"));
    }
    let job = &inquiries.existing_job().await?.settings;
    let build =
        || hints::advice("put it right with", &hints::command(&inquiries.environment.name, "build", &[]));
    let (image, incompatible) = job_image::image(job);
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    let wrong = |what: String, why: &str| Finding::problem(what, why).advice(build()).fix(Build);
    match incompatible {
        None => {}
        Some(Incompatible::Unpinned) => findings.push(wrong(
            format!("the job's image {} is not pinned to a digest", job.image),
            "what runs is whatever the tag stands for then; tasks are refused",
        )),
        Some(Incompatible::NotDeployed) => findings.push(wrong(
            format!("the job's image {} was not deployed by quill-admin", job.image),
            "the old image wants passwords in clear; tasks are refused",
        )),
        Some(incompatible @ Incompatible::Older(_)) => findings.push(wrong(
            format!("the job's image {}", incompatible.versions().unwrap_or_default()),
            "it may not know what this program asks for; tasks are refused",
        )),
        Some(incompatible @ Incompatible::Newer(_)) => findings.push(
            Finding::problem(
                format!("the job's image {}", incompatible.versions().unwrap_or_default()),
                "tasks are refused",
            )
            .advice("use a newer quill-admin"),
        ),
    }
    findings.extend(other_actions(inquiries, job));
    let digest = digest(&job.image);
    let mut note = digest.and_then(|digest| digest.get(..19)).unwrap_or(&job.image).to_owned();
    if let Some(revision) = &image.revision {
        note = format!("{note}, revision {}", revision.get(..12).unwrap_or(revision));
    }
    if let Some(digest) = digest {
        if inquiries.environment.image.has(&job.image) {
            match inquiries.image(digest).await {
                Ok(Some(image)) if image.platform != PLATFORM => findings.push(wrong(
                    format!("the job's image {} is for {}", job.image, image.platform),
                    "Cloud Run runs linux/amd64 only: the container does not start",
                )),
                Ok(Some(_)) => {}
                Ok(None) => findings.push(wrong(
                    format!("the registry has no image {}", job.image),
                    "the job cannot start: its image is gone",
                )),
                Err(unseen) => undecided.push(unseen),
            }
        } else {
            findings.push(wrong(
                format!(
                    "the job's image is of {}, not of {}",
                    split(&job.image).0,
                    inquiries.environment.image
                ),
                "it is not what \"build\" makes for this environment",
            ));
        }
    }
    Ok(Report::found(note, findings).and_undecided(undecided))
}

/// The finding that the image has other actions than this run. It is a warning: actions that differ are
/// refused, but all others are run.
fn other_actions(inquiries: &Inquiries, job: &JobSettings) -> Option<Finding> {
    let environment = &inquiries.environment;
    let application = Application::of(&environment.source);
    // When the folder's file has mistakes, its actions are not known; the command line reports the mistakes.
    if application != Application::BuiltIn && actions::chosen_compiled().is_none() {
        return None;
    }
    let deployed = Deployed::of(job);
    let changes = deployed.differences(actions::of_this_run()).filter(|changes| !changes.is_empty())?;
    let named =
        |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what}: {}", names.join(", ")));
    let process = &inquiries.machine.process;
    let cwd = &process.cwd;
    let own = Own::of(&application, cwd, process.built_from);
    let what = format!(
        "the image has other actions than {}: the image is of {}, yours of {own}",
        own.whose(),
        deployed.revision
    );
    let finding = Finding::warning(what, "an action that differs is refused, all others are run").evidence(
        [
            named("only yours", &changes.added),
            named("not the same", &changes.changed),
            named("only the image's", &changes.removed),
        ]
        .into_iter()
        .flatten(),
    );
    let advice = own.advice(&deployed.revision, &environment.name, cwd);
    Some(advice.into_iter().fold(finding, Finding::advice))
}
