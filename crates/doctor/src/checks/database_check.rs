//! The check `database-check`: it runs the task `check`, which examines the database from inside its network.
//!
//! It starts a task, so it runs only with `--deep`, or when it is named. The expectations of the database are
//! declared in the file of actions; this check makes findings from the task's report.
//!
//! To make another finding: `judge`, from a field of `DatabaseReport` in the crate `contract`, which `check.rs` of
//! the crate `executor` fills in.

use std::sync::Arc;

use quill_admin_cloud::SignIn;
use quill_admin_contract::{AdminAction, DatabaseReport, ExitCode, Expected, Outcome, Request, Warning};
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::sign_in;
use quill_admin_operations::task::job_image;
use quill_admin_operations::task::run::{self, Prepared};
use quill_admin_operations::task::run_outcome::RunOutcome;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "database-check",
    title: "the database, from inside its network: tables, rights, roles",
    needs: &["job", "job-image", "job-secrets"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    let session = inquiries.session().await?;
    let environment = &inquiries.environment;
    let job = inquiries.existing_job().await?.clone();
    let actor = sign_in::actor(session.sign_in().and_then(SignIn::account), &inquiries.machine.process);
    let mut request = Request::new(AdminAction::check(), actor, None);
    request.contract = job_image::contract(&job.settings);
    let tail = Some(session.google().tail_log(&environment.job).await);
    let prepared = Prepared { name: environment.job.clone(), job, request, tail };
    // Whoever interrupts ends the program, which then reports this stage.
    let point = Arc::new(PointOfNoReturn::new("nothing was started"));
    inquiries.machine.begins(&point);
    let run = run::run(session, prepared, &point).await;
    inquiries.machine.ended(&point);
    let run = run?;
    let id = &run.execution.name.id;
    let after =
        hints::advice("see what it printed", &hints::command(&environment.name, &format!("logs {id}"), &[]));
    let wrong = |what: String, why: &str| Ok(Finding::problem(what, why).advice(after.clone()).into());
    match run.outcome {
        RunOutcome::Reported(told) => match told.claim.line.outcome {
            Outcome::Checked { database, warnings } => Ok(judge(&database, &warnings)),
            Outcome::Failed { failure } => {
                let why = ExitCode::from_u8(told.claim.line.exit_code)
                    .map_or("no task can be run", ExitCode::meaning);
                wrong(failure.message, &format!("tasks fail in the same way: {why}"))
            }
            outcome => {
                Err(Undecided::new(format!("the task \"check\" answered with \"{}\"", outcome.name())))
            }
        },
        RunOutcome::NeverStarted { reason } => {
            let what = format!("the task \"check\" never started: {reason}");
            Ok(Finding::problem(what, "no task starts").evidence(run.system_log).advice(after).into())
        }
        RunOutcome::TimedOut { .. } => {
            wrong("the task \"check\" ran into the job's time-out".to_owned(), "no task gets to its end")
        }
        RunOutcome::Silent { exit_code } | RunOutcome::Ended { exit_code } => Err(Undecided::new(format!(
            "the task \"check\" ended with exit code {exit_code}, and its result line did not arrive"
        ))
        .advice(after)),
        RunOutcome::Unclear { reason } => {
            let what = format!("the container of the task \"check\" ended without an exit code: {reason}");
            Ok(Finding::problem(what, "no task gets to its end")
                .evidence(run.system_log)
                .advice(after)
                .into())
        }
        RunOutcome::Contradicted { reason } => {
            Err(Undecided::new(format!("what came of the task \"check\" is not known: {reason}"))
                .advice(after))
        }
        RunOutcome::Unknown { reason } => {
            Err(Undecided::new(format!("the task \"check\" failed, and how could not be read: {reason}"))
                .advice(after))
        }
        RunOutcome::Cancelled { .. } => {
            Err(Undecided::new("somebody cancelled the task \"check\"").advice("look again"))
        }
        RunOutcome::Killed { signal } => wrong(
            format!("the container of the task \"check\" was killed by signal {signal}"),
            "no task gets to its end",
        ),
    }
}

fn judge(database: &DatabaseReport, warnings: &[Warning]) -> Report {
    let mut findings = Vec::new();
    if !database.writable {
        findings.push(Finding::problem(
            format!("the user {} may not write to the application's tables", database.user),
            "tasks that change something are refused by the database",
        ));
    }
    findings.extend(database.expected.iter().filter_map(|expected| lacking(expected, warnings)));
    // The task also warns of actions that cannot be done here, and of unexpected tables.
    let told = |warning: &&Warning| database.expected.iter().all(|expected| expected.code != warning.code);
    findings.extend(warnings.iter().filter(told).map(|warning| {
        Finding::warning(warning.message.clone(), "the task \"check\" looked with the eyes of the tasks")
    }));
    let tls = database.tls.as_deref().unwrap_or("no TLS").to_owned();
    let found = database.expected.iter().map(|expected| {
        let Expected { count, missing, .. } = expected;
        format!("{} of {count} {}", count.saturating_sub(missing.len()), called(expected))
    });
    let version = format!("PostgreSQL {}", database.server_version);
    Report::found([version, tls].into_iter().chain(found).collect::<Vec<_>>().join(", "), findings)
}

/// The finding about rows that the file of actions expects and the database lacks. The task's warning says
/// what to do.
fn lacking(expected: &Expected, warnings: &[Warning]) -> Option<Finding> {
    let Expected { code, count, missing, .. } = expected;
    if missing.is_empty() {
        return None;
    }
    let what = format!(
        "{} of the application's {count} {} are not in the database",
        missing.len(),
        called(expected)
    );
    let finding = Finding::problem(what, "tasks that need them are refused, or leave them out")
        .evidence(missing.iter().map(|one| format!("missing: {one}")));
    let told = warnings.iter().find(|warning| warning.code == *code);
    Some(match told {
        Some(warning) => finding.advice(warning.message.clone()),
        None => finding,
    })
}

/// The name of the rows: the code of the warning about them is this name with `_missing`.
fn called(expected: &Expected) -> String {
    expected.code.strip_suffix("_missing").unwrap_or(&expected.code).replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    #[test]
    fn whatever_the_task_warns_of_is_passed_on() {
        let database = DatabaseReport {
            server_version: "15.14".to_owned(),
            database: "quill_core".to_owned(),
            user: "quill".to_owned(),
            tls: Some("TLSv1.3".to_owned()),
            writable: true,
            columns: Vec::new(),
            expected: vec![Expected {
                code: "roles_missing".to_owned(),
                count: 2,
                found: vec!["Nurse".to_owned()],
                missing: vec!["Clinician".to_owned()],
            }],
            unavailable: Vec::new(),
        };
        let warnings = [
            Warning::new("roles_missing", "roles are missing: Clinician"),
            Warning::new("other_tables", "the user quill finds quill.users instead"),
            Warning::new("action_unfit", "the action add-role cannot be done here"),
        ];
        let Report::Examined { findings, .. } = judge(&database, &warnings) else { panic!("it looked") };
        let told: Vec<(Severity, &str)> =
            findings.iter().map(|finding| (finding.severity, finding.what.as_str())).collect();
        assert_eq!(
            told,
            [
                (Severity::Problem, "1 of the application's 2 roles are not in the database"),
                (Severity::Warning, "the user quill finds quill.users instead"),
                (Severity::Warning, "the action add-role cannot be done here"),
            ]
        );
    }
}
