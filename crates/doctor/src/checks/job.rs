//! The check `job`: the job exists, and Cloud Run can run it.

use quill_admin_cloud::Readiness;
use quill_admin_operations::hints;

use super::admin_image::Build;
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "job",
    title: "the Cloud Run job that runs tasks",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let name = &inquiries.environment.job;
    let Some(job) = inquiries.job().await? else {
        let finding = Finding::problem(
            format!("project {} has no job {} in {}", name.project, name.job, name.region),
            "neither Terraform nor \"build\" has made it yet: no task can be run",
        );
        return Ok(finding
            .advice("make it with: terraform apply")
            .advice(hints::advice("or with", &hints::command(&inquiries.environment.name, "build", &[])))
            .fix(Build)
            .into());
    };
    Ok(match &job.readiness {
        Readiness::Ready => Report::healthy(name.job.to_string()),
        // The checks of its image, settings and secrets report what it lacks.
        Readiness::Failed { reason } => Finding::problem(
            format!("the job {} is not ready", name.job),
            "Cloud Run has not accepted its last change: a task may not start",
        )
        .evidence(reason.lines().filter(|line| !line.trim().is_empty()))
        .blocks_nothing()
        .into(),
        Readiness::Pending => Finding::warning(
            format!("the job {} is being changed just now", name.job),
            "until that is done, a task may run in the job as it was before",
        )
        .advice("look again in a minute")
        .into(),
    })
}
