//! The check `audit-logging`: Google Cloud itself records who starts the job.

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "audit-logging",
    title: "whether Google Cloud records who runs tasks",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

/// `RunJob` is a Data Access event, and those are off unless somebody turns them on ("Cloud Run audit
/// logging").
const WHY: &str = "the task's own record says who asked, but only Google Cloud's says who it really was, and \
                   only this one holds for tasks that are run by hand";

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let audit = inquiries.audit_logging().await?;
    let project = &inquiries.environment.job.project;
    if !audit.writes {
        return Ok(Finding::warning("runs of the job are not recorded by Cloud Audit Logs", WHY)
            .advice(format!(
                "turn on \"Data Write\" for the Cloud Run Admin API, at \
                 https://console.cloud.google.com/iam-admin/audit?project={project}"
            ))
            .advice("a folder or the organisation may have turned it on for all projects: only they can tell")
            .into());
    }
    if !audit.exempt.is_empty() {
        return Ok(Finding::warning("runs of the job by some are not recorded by Cloud Audit Logs", WHY)
            .evidence(audit.exempt.iter().map(|who| format!("exempt: {who}")))
            .into());
    }
    Ok(Report::healthy("runs of the job are recorded"))
}
