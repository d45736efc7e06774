//! No execution that can still be read carries a password in clear, as the old way of running tasks left
//! them.
//!
//! That a value is there is all that is known of it here: it is never taken over from Google's answer.

use std::collections::BTreeSet;

use quill_admin_cloud::{Execution, Phase};
use quill_admin_contract::variable;

use crate::check::{Check, Look};
use crate::facts::Facts;
use crate::finding::{Finding, Seen, Undecided};
use crate::treatment::Treatment;

pub(crate) const CHECK: Check = Check {
    id: "leaks",
    title: "passwords left in clear in old executions",
    needs: &["project"],
    look: Look::Environment(|facts| Box::pin(look(facts))),
};

async fn look(facts: &Facts) -> Result<Seen, Undecided> {
    if let Some(nothing) = facts.nothing_around() {
        return Ok(nothing);
    }
    let executions = facts.executions().await?;
    let leaking: Vec<&Execution> =
        executions.iter().filter(|execution| execution.plaintext_password).collect();
    if leaking.is_empty() {
        return Ok(Seen::healthy(match executions.len() {
            0 => "there are no executions".to_owned(),
            1 => "none in 1 execution".to_owned(),
            count => format!("none in {count} executions"),
        }));
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
    // One that runs would be stopped by that.
    let over: Vec<_> = leaking.iter().filter(|one| matches!(one.phase, Phase::Ended(_))).collect();
    if !over.is_empty() {
        let executions = over.iter().map(|execution| execution.name.clone()).collect();
        let usernames = usernames(&leaking);
        finding = finding.treatment(Treatment::DeleteExecutions { executions, usernames });
    }
    Ok(finding.advice(change_passwords(&usernames(&leaking))).blocks_nothing().into())
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

/// What deleting does not put right.
pub(crate) fn change_passwords(usernames: &BTreeSet<String>) -> String {
    match usernames.len() {
        0 => "change the passwords of those they were about".to_owned(),
        1 => format!("change the password of {}", usernames.iter().next().map_or("", String::as_str)),
        _ => format!("change the passwords of {}", usernames.iter().cloned().collect::<Vec<_>>().join(", ")),
    }
}
