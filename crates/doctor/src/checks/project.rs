//! The check `project`: the project exists, and the caller can reach it.

use std::collections::BTreeSet;

use quill_admin_cloud::CloudErrorKind;
use quill_admin_contract::ExitCode;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "project",
    title: "the project",
    needs: &["machine-sign-in"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(match inquiries.session().await {
            // It has no project, and everything that could be looked at is in it.
            Err(unusable) if unusable.code == Some(ExitCode::LocalUnusable) => {
                let finding = Finding::problem(unusable.cause, "no task can be run in it");
                unusable.advice.into_iter().fold(finding, Finding::advice).into()
            }
            _ => Report::nothing(why),
        });
    }
    let id = &inquiries.environment.job.project;
    match inquiries.project().await {
        Ok(project) if project.active => Ok(Report::healthy(format!("{id}, number {}", project.number))),
        Ok(_) => Ok(Finding::problem(
            format!("project {id} is about to be deleted"),
            "nothing in it works any more",
        )
        .advice(format!("within 30 days it can be restored with: gcloud projects undelete {id}"))
        .into()),
        // A project that does not exist is refused in the same way as one that may not be read.
        Err(undecided) if undecided.kind == Some(CloudErrorKind::PermissionDenied) => {
            match inquiries.granted().await.map(BTreeSet::is_empty) {
                Ok(false) => Err(undecided.blocks_nothing()),
                // Without an answer it is not known which of the two it is.
                Err(unseen) if !is_refused(&unseen) => {
                    let cause = format!("{}; {}", undecided.cause, unseen.cause);
                    Err(Undecided { cause, ..unseen })
                }
                Ok(true) | Err(_) => Ok(Finding::problem(
                    format!("there is no project {id}, or this account has no rights in it at all"),
                    "nothing else in this environment can be looked at",
                )
                .advice("check the project's id in the environments file")
                .advice("or sign in as somebody who works there: quill-admin login")
                .into()),
            }
        }
        Err(undecided) => Err(undecided),
    }
}

/// Whether the question itself was refused, as it is about a project that does not exist.
fn is_refused(undecided: &Undecided) -> bool {
    matches!(undecided.kind, Some(CloudErrorKind::PermissionDenied | CloudErrorKind::NotFound))
}
