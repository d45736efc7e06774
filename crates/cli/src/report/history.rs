//! Reports about past runs and their logs.
//!
//! To add a column: `history_text` for people, and `history_json` for `--json`.

use std::fmt::Write as _;

use quill_admin_cloud::{ExecutionName, LogEntry};
use quill_admin_contract::{Outcome, Signature};
use quill_admin_image::digest;
use quill_admin_operations::config::Environment;
use quill_admin_operations::history::{Filter, Past, PastRun, Record};
use quill_admin_operations::session::own_program::OWN_DIGEST;
use serde_json::{Value, json};

use super::history_table::{changes, record, signature};
use super::history_unread::{not_read, warnings};
use super::output::{document_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::symbols;

/// The runs, newest first, on two lines each, so that everything can be read at 80 columns.
pub(super) fn history_text(environment: &Environment, filter: &Filter, past: &Past, changed: bool) -> String {
    let mut text = String::new();
    let runs = &past.runs;
    if runs.is_empty() {
        let is_filtered = filter.user.is_some() || filter.actor.is_some() || filter.action.is_some();
        let _ = match (past.is_whole() && !past.by_person_alone, is_filtered) {
            (true, false) => writeln!(text, "nothing was run in {} in that time", environment.name),
            (true, true) => {
                writeln!(text, "nothing that matches was run in {} in that time", environment.name)
            }
            (false, _) => {
                writeln!(
                    text,
                    "no run was found in what could be read of {}, which is not all",
                    environment.name
                )
            }
        };
    }
    for run in runs {
        let what = asked_for(run);
        let mark = match run.outcome.as_str() {
            "failed" | "cancelled" => style(symbols::FAILED).red(),
            "running" => style(symbols::MORE).yellow(),
            "contradicted" => style(symbols::UNSURE).yellow(),
            "each" if run.exit_code != Some(0) => style(symbols::FAILED).red(),
            _ => style(symbols::DONE).green(),
        };
        let code =
            run.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{mark} {}  {}{code}  {}",
            run.time.strftime("%Y-%m-%d %H:%M UTC"),
            clean(&came_of(run)),
            clean(&what)
        );
        let mut rest = vec![run.execution.clone()];
        // The account is the one that Google Cloud saw; the actor is the one that the request names.
        match (&run.account, &run.actor) {
            (Some(account), Some(actor)) if account != actor => rest.push(format!("by {account} ({actor})")),
            (Some(who), _) | (None, Some(who)) => rest.push(format!("by {who}")),
            (None, None) => {}
        }
        if let Some(duration) = run.duration {
            rest.push(format!("{:.1} s", duration.as_secs_f64()));
        }
        let digest = run.image.as_deref().and_then(digest);
        if let Some(digest) = digest.filter(|digest| *digest != OWN_DIGEST) {
            rest.push(digest.chars().take(19).collect());
        }
        if let Some(reason) = &run.reason {
            rest.push(format!("\"{reason}\""));
        }
        rest.extend(
            run.recorded
                .iter()
                .map(|(name, value)| format!("{} {:?}", name.replace('_', " "), value.to_string())),
        );
        rest.extend(run.origin.clone());
        if !environment.is_own(&run.job) {
            rest.push(format!("job {} of the application", run.job.job));
        }
        rest.extend(run.undoes.iter().map(|undone| format!("undo of {undone}")));
        if run.preview && run.outcome != "previewed" {
            rest.push("a preview, which changes nothing".to_owned());
        }
        match run.record {
            Record::Signed => rest.push("signed".to_owned()),
            Record::NotProvable => rest.push("not provable".to_owned()),
            Record::Proven | Record::None => {}
        }
        if !environment.record_keys.is_empty() && run.line.is_some() && run.signature == Signature::None {
            rest.push("not signed".to_owned());
        }
        let _ = writeln!(text, "  {}", clean(&rest.join(", ")));
        if run.signature == Signature::Refused {
            let what = "no public key of the environment verifies it for this run";
            let _ = writeln!(text, "  {} {what}", style("signature:").yellow());
        }
        if changed {
            for change in changes(run, symbols::ARROW.text()) {
                let _ = writeln!(text, "    {}", clean(&change));
            }
            for row in run.each_row() {
                let _ = writeln!(text, "    {}", clean(&row_text(&row)));
            }
        }
        if run.contradicted {
            let what = if run.record == Record::Signed {
                "other entries of the log say different things of it; they are not signed, and are not used"
            } else if run.account.is_some() || run.image.is_some() {
                "other entries of the log contradict what is known of it; they are not used"
            } else {
                "entries of the log say different things of it, and nothing proves any of them"
            };
            let _ = writeln!(text, "  {} {what}", style("contradicted:").yellow());
        }
    }
    text.push_str(&warnings(past));
    text
}

/// The action that was asked for, and for whom, in words.
pub(super) fn asked_for(run: &PastRun) -> String {
    let row = match (run.row_number, run.rows) {
        (Some(row), _) => Some(format!("(line {row} of a table)")),
        (None, Some(1)) => Some("(1 row)".to_owned()),
        (None, Some(rows)) => Some(format!("({rows} rows)")),
        (None, None) => None,
    };
    let what = [run.action.as_deref(), run.user.as_deref(), row.as_deref()];
    what.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// A row of a run for many, in one line.
fn row_text(row: &PastRun) -> String {
    let code = row.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
    let mut text = format!("line {}", row.row_number.unwrap_or_default());
    for part in row.user.iter().cloned().chain([format!("{}{code}", row.outcome.replace('_', " "))]) {
        let _ = write!(text, "  {part}");
    }
    let changes = changes(row, symbols::ARROW.text());
    if !changes.is_empty() {
        let _ = write!(text, ": {}", changes.join("; "));
    }
    if row.record == Record::NotProvable {
        text.push_str(", not provable");
    }
    text
}

/// The result of a run in a few words: its outcome, or the number of its rows that were done.
pub(super) fn came_of(run: &PastRun) -> String {
    match run.line.as_ref().map(|line| &line.outcome) {
        Some(Outcome::Each { rows, done, .. }) if !run.preview => format!("{done} of {rows} done"),
        Some(Outcome::Each { rows, done, .. }) => format!("{done} of {rows} previewed"),
        _ => run.outcome.clone(),
    }
}

/// A line of an execution's log, with its time.
pub(super) fn logged(entry: &LogEntry) -> String {
    let time = entry.timestamp.strftime("%Y-%m-%d %H:%M:%S%.3f");
    entry.message.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{} {}", style(&time).dim(), clean(line));
        text
    })
}

pub(super) fn history_json(environment: &Environment, past: &Past) -> Value {
    let run = |run: &PastRun| {
        let mut document = run_json(run);
        let rows = run.each_row();
        if !rows.is_empty() {
            document["each_row"] = rows.iter().map(run_json).collect();
        }
        document
    };
    let runs: Value = past.runs.iter().map(run).collect();
    json!({
        "exit_code": 0,
        "environment": environment.name,
        "project": environment.job.project,
        "job": environment.job.job,
        "runs": runs,
        "not_read": not_read(past),
        "records_from": past.records_from,
        "unfinished": past.unfinished,
        "cut": past.cut,
        "may_be_forgotten": past.kept_days.is_some(),
    })
}

/// One run, as in `--json`.
pub(super) fn run_json(run: &PastRun) -> Value {
    json!({
        "execution": run.execution,
        "request_id": run.line.as_ref().and_then(|line| line.request_id.as_ref()),
        "job": run.job.job,
        "time": run.time,
        "account": run.account,
        "actor": run.actor,
        "action": run.action,
        "user": run.user,
        "rows": run.rows,
        "row_number": run.row_number,
        "reason": run.reason,
        "origin": run.origin,
        "recorded": run.recorded,
        "changes": run.changes,
        "outcome": run.outcome,
        "preview": run.preview,
        "undoes": run.undoes,
        "proven": matches!(run.record, Record::Signed | Record::Proven),
        "record": record(run.record),
        "signature": signature(run.signature),
        "contradicted": run.contradicted,
        "exit_code": run.exit_code,
        "seconds": run.duration.map(|duration| duration.as_secs_f64()),
        "image": run.image,
    })
}

pub(super) fn logs_json(execution: &ExecutionName, entries: &[LogEntry]) -> Value {
    let entries: Value = entries
        .iter()
        .map(|entry| {
            json!({
                "time": entry.timestamp,
                "severity": format!("{:?}", entry.severity).to_uppercase(),
                "message": entry.message,
                "payload": entry.payload,
            })
        })
        .collect();
    json!({"exit_code": 0, "execution": execution.id, "entries": entries})
}

impl Reporter {
    /// Shows the history of runs.
    pub fn history(&self, environment: &Environment, filter: &Filter, past: &Past) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&history_json(environment, past));
        } else {
            to_stdout(&history_text(environment, filter, past, self.style.verbose));
        }
        0
    }

    /// Shows lines of an execution's log, which are the result of the command.
    pub fn logs(&self, execution: &ExecutionName, entries: &[LogEntry]) {
        self.stop();
        if self.style.json {
            document_to_stdout(&logs_json(execution, entries));
            return;
        }
        for entry in entries {
            to_stdout(&logged(entry));
        }
    }
}
