//! The job runs an image that `build` has deployed, and that is there.

use crate::doctor::check::{Check, Look};
use crate::doctor::facts::Facts;
use crate::doctor::finding::{Finding, Seen, Undecided};
use crate::doctor::treatment::Treatment;
use crate::flow::fit::{self, Unfit};
use crate::hints;

pub(in crate::doctor) const CHECK: Check = Check {
    id: "job-image",
    title: "the image the job runs",
    needs: &["admin-image", "job"],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    if !facts.environment.has_surroundings() {
        return Ok(Seen::nothing("this program itself is the container"));
    }
    let job = &facts.existing_job().await?.settings;
    let build = || format!("put it right with: {}", hints::command(&facts.environment.name, "build", &[]));
    let (image, unfit) = fit::image(job);
    let mut findings = Vec::new();
    let wrong =
        |what: String, why: &str| Finding::problem(what, why).advice(build()).treatment(Treatment::Build);
    match unfit {
        None => {}
        Some(Unfit::Unpinned) => findings.push(wrong(
            format!("the job's image {} is not pinned to a digest", job.image),
            "what runs is whatever the tag stands for then; tasks are refused",
        )),
        Some(Unfit::NotDeployed) => findings.push(wrong(
            format!("the job's image {} was not deployed by quill-admin", job.image),
            "the old image wants passwords in clear; tasks are refused",
        )),
        Some(unfit @ Unfit::Older(_)) => findings.push(wrong(
            format!("the job's image {}", unfit.versions().unwrap_or_default()),
            "it may not know what this program asks for; tasks are refused",
        )),
        Some(unfit @ Unfit::Newer(_)) => findings.push(
            Finding::problem(
                format!("the job's image {}", unfit.versions().unwrap_or_default()),
                "tasks are refused",
            )
            .advice("use a newer quill-admin"),
        ),
    }
    let (repository, digest) = job.image.split_once('@').unwrap_or((&job.image, ""));
    let mut note = digest.get(..19).unwrap_or(&job.image).to_owned();
    if let Some(revision) = &image.revision {
        note = format!("{note}, revision {}", revision.get(..12).unwrap_or(revision));
    }
    if !digest.is_empty() {
        if repository == facts.environment.image.to_string() {
            match facts.image(digest).await {
                Ok(Some(_)) => {}
                Ok(None) => findings.push(wrong(
                    format!("the registry has no image {}", job.image),
                    "the job cannot start: its image is gone",
                )),
                // Otherwise what is known is enough.
                Err(undecided) => {
                    if findings.is_empty() {
                        return Err(undecided);
                    }
                }
            }
        } else {
            findings.push(wrong(
                format!("the job's image is of {repository}, not of {}", facts.environment.image),
                "it is not what `build` makes for this environment",
            ));
        }
    }
    Ok(Seen::found(note, findings))
}
