//! The check `leaks`: no execution that can still be read carries a password in clear, as the old way of
//! running tasks left them. Its fix deletes such executions.
//!
//! Only the presence of a value is known here: the value itself is never taken over from Google's answer.
//!
//! To find another kind of password: `plaintext_password` in `google/convert.rs` of the crate `cloud`.

use std::collections::BTreeSet;

use quill_admin_cloud::{CloudErrorKind, Execution, ExecutionName, Phase, role};
use quill_admin_contract::variable;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::{PointOfNoReturn, UnderWay};

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::fix::{Fix, Plan, Planning, Site};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "leaks",
    title: "passwords left in clear in old executions",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    // The old way used the application's own job, and not this one.
    let (executions, others_unseen) = match inquiries.all_executions().await {
        Ok(executions) => (executions, None),
        Err(undecided) if undecided.kind == Some(CloudErrorKind::PermissionDenied) => {
            (inquiries.executions().await?, Some(undecided))
        }
        Err(undecided) => return Err(undecided),
    };
    let leaking: Vec<&Execution> =
        executions.iter().filter(|execution| execution.plaintext_password).collect();
    if leaking.is_empty() {
        let of = if others_unseen.is_some() { " of this job" } else { "" };
        let none = match executions.len() {
            0 => format!("there are no executions{of}"),
            1 => format!("none in 1 execution{of}"),
            count => format!("none in {count} executions{of}"),
        };
        let undecided = others_unseen.map(|undecided| {
            let cause = format!("{none}; those of other jobs may not be listed: {}", undecided.cause);
            Undecided { cause, ..undecided }
        });
        return Ok(Report::healthy(none).and_undecided(Vec::from_iter(undecided)));
    }
    let what = match leaking.len() {
        1 => "1 execution carries a password in clear".to_owned(),
        count => format!("{count} executions carry a password in clear"),
    };
    let why = "whoever may look at the project's jobs can read it there, and Cloud Run keeps executions for 7 \
               days, or the last 1,000: the password is to be taken for known";
    let mut finding = Finding::problem(what, why)
        .since(leaking.iter().filter_map(|execution| execution.created).min())
        .evidence(leaking.iter().map(|execution| line(execution)));
    // An execution that still runs would be stopped by deleting it.
    let over: Vec<_> = leaking.iter().filter(|one| matches!(one.phase, Phase::Ended(_))).collect();
    if !over.is_empty() {
        let executions = over.iter().map(|execution| execution.name.clone()).collect();
        let usernames = usernames(&leaking);
        finding = finding.fix(DeleteExecutions { executions, usernames });
    }
    let finding = finding.advice(change_passwords(&usernames(&leaking))).blocks_nothing();
    let undecided = others_unseen.map(|undecided| {
        let cause = format!("executions of other jobs may not be listed: {}", undecided.cause);
        Undecided { cause, ..undecided }
    });
    Ok(Report::from(finding).and_undecided(Vec::from_iter(undecided)))
}

fn line(execution: &Execution) -> String {
    let said = |name: &str| execution.request.get(name).map_or("?", String::as_str);
    let created = execution.created.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string());
    let running = if matches!(execution.phase, Phase::Ended(_)) { "" } else { ", which still runs" };
    format!(
        "{}: {} for {}, started by {} on {}{running}",
        execution.name.id,
        said(variable::ADMIN_ACTION.name),
        said(variable::ADMIN_USERNAME.name),
        if execution.creator.is_empty() { "somebody" } else { &execution.creator },
        created.unwrap_or_default(),
    )
}

fn usernames(executions: &[&Execution]) -> BTreeSet<String> {
    let of = |execution: &&Execution| execution.request.get(variable::ADMIN_USERNAME.name).cloned();
    executions.iter().filter_map(of).collect()
}

/// The advice about the passwords, which deleting does not correct.
fn change_passwords(usernames: &BTreeSet<String>) -> String {
    match usernames.len() {
        0 => "change the passwords of those they were about".to_owned(),
        1 => format!("change the password of {}", usernames.iter().next().map_or("", String::as_str)),
        _ => format!("change the passwords of {}", usernames.iter().cloned().collect::<Vec<_>>().join(", ")),
    }
}

/// The fix that deletes executions which carry a password in clear.
#[derive(Debug)]
struct DeleteExecutions {
    /// The executions; none of them runs.
    executions: Vec<ExecutionName>,
    /// The users whose passwords they carry, as far as they are known.
    usernames: BTreeSet<String>,
}

impl Fix for DeleteExecutions {
    fn id(&self) -> &'static str {
        "delete-executions"
    }

    fn summary(&self) -> &'static str {
        "delete these executions, and the passwords in them"
    }

    fn plan<'a>(&'a self, _: Site<'a>) -> Planning<'a> {
        let lines = self.executions.iter().map(|name| name.id.clone()).collect();
        let (executions, after) = (self.executions.clone(), change_passwords(&self.usernames));
        let plan = Plan::new(lines, move |site, point| {
            Box::pin(async move {
                let all = executions.len();
                delete(site, executions, point).await?;
                let deleted =
                    if all == 1 { "1 execution is".to_owned() } else { format!("{all} executions are") };
                Ok(format!("{deleted} deleted; {after}"))
            })
        });
        Box::pin(async { Ok(plan) })
    }
}

async fn delete(
    Site { inquiries, session }: Site<'_>,
    executions: Vec<ExecutionName>,
    point: &PointOfNoReturn,
) -> Result<(), CliError> {
    session.emit(Event::Doing("deleting executions"));
    let all = executions.len();
    let so_far = |deleted: usize| format!("{deleted} of {all} executions are deleted");
    for (deleted, name) in executions.into_iter().enumerate() {
        if deleted > 0 {
            // A Ctrl-C that had to wait ends the work here.
            point.passed(CliError::interrupted(&so_far(deleted)));
        }
        point.reached(UnderWay::change()).await;
        match session.google().delete_execution(&name).await {
            Ok(()) => {}
            // Cloud Run, or somebody else, has deleted it already.
            Err(error) if error.kind == CloudErrorKind::NotFound => {}
            Err(error) => {
                let mut told = CliError::from(inquiries.undecided(error, role::RUN_DEVELOPER));
                told.messages.insert(0, so_far(deleted));
                return Err(told);
            }
        }
    }
    Ok(())
}
