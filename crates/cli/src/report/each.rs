//! Reports about a run for many rows: its plan, its table of results, and its document.
//!
//! To add an outcome of a row: its words in `result_words`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use quill_admin_actions::{Action, Kind, Parameter, variable};
use quill_admin_contract::{Claim, Outcome};
use quill_admin_operations::actions;
use quill_admin_operations::each::{Header, NOT_BEGUN, Passwords, Row, UNKNOWN};
use quill_admin_operations::error::{advice, quoted};
use quill_admin_operations::hints;
use quill_admin_operations::task::row_results::RowResults;
use serde_json::{Value, json};

use super::each_results::EachResults;
use super::each_rows::{EachReport, RowCounts, RowReport};
use super::field::field;
use super::lines::TaskText;
use super::output::{result_document, result_to_stdout, to_stdout};
use super::paint::{self, clean};
use super::reporter::Reporter;
use super::rows::flowing;
use super::stream::to_stderr;
use super::task_plan::{ShownPlan, TaskPlan, task_plan_json, task_plan_text};
use super::{document, lines, subject, symbols};
use crate::wrap;

/// The plan of a run for many rows.
#[derive(Debug)]
pub struct EachPlan<'a> {
    /// The plan of the action, without values.
    pub task: TaskPlan<'a>,
    /// The number of rows to run.
    pub rows: usize,
    /// The results file; `None` for a dry run.
    pub results: Option<&'a Path>,
    /// Whether nobody will know the passwords that are set.
    pub of_nobody: bool,
}

/// Whether a run sets passwords that nobody knows: the action makes them up, since none are given.
#[must_use]
pub fn leaves_nobody_in(action: &Action, header: &Header) -> bool {
    let is_made_up =
        |parameter: &Parameter| matches!(parameter.kind, Kind::Password { random_if_absent: true, .. });
    header.passwords == Passwords::None && action.definition.parameters.values().any(is_made_up)
}

/// The hint after rows that failed.
const MEND: &str = "what is wrong in the database: put it right, then run the same command again, which leaves \
                    out rows that are done. What is wrong in the table itself: make a table of these rows \
                    alone, with a results file of its own";
/// The hint after a run that was broken off.
pub const GOES_ON: &str = "run the same command again: it goes on where it is";
/// The number of rows that were not begun beyond which they are counted, and not listed.
const MOST_NOT_BEGUN: usize = 20;

/// The values that name the subject of a row; all of them where the action has none.
fn key(action: &Action, row: &Row) -> Vec<String> {
    let subject = action.definition.subject.as_ref().filter(|subject| !subject.key.is_empty());
    let of = |name: &String| row.values.get(&variable(name)).cloned().unwrap_or_default();
    match subject {
        Some(subject) => subject.key.iter().map(of).collect(),
        None => columns(action).iter().map(|name| of(name)).collect(),
    }
}

/// The names of the parameters that are not secret, in the order in which they are asked for.
fn columns(action: &Action) -> Vec<&String> {
    let secret = |name: &String| action.definition.parameters.get(name).is_some_and(Parameter::is_secret);
    action.words.parameters.iter().map(|words| &words.parameter).filter(|name| !secret(name)).collect()
}

/// What became of a row, in words.
fn result_words(row: &RowReport<'_>, action: &Action, atomic: bool) -> String {
    let changes = |outcome: &Outcome| {
        let words = outcome.subject().and_then(|it| actions::subject_words(Some(&action.name), &it.kind));
        outcome.changes().iter().map(|change| subject::change(change, words)).collect::<Vec<_>>().join("; ")
    };
    match (row.claim.map(|claim| &claim.line.outcome), row.outcome.as_str()) {
        (_, UNKNOWN) => {
            let why = row.message.as_deref().unwrap_or("its result was lost");
            format!("not known whether it was done: {why}")
        }
        (_, NOT_BEGUN) if atomic => "not done".to_owned(),
        (_, NOT_BEGUN) => "not begun".to_owned(),
        (_, "failed") => {
            let why = row.message.as_deref().unwrap_or_default();
            row.exit_code.map_or_else(|| format!("failed: {why}"), |code| format!("failed ({code}): {why}"))
        }
        (Some(Outcome::Previewed { would, .. }), _) if would == "created" => "would be created".to_owned(),
        (Some(outcome @ Outcome::Previewed { would, .. }), _) if would == "updated" => {
            format!("would change: {}", changes(outcome))
        }
        (Some(Outcome::Previewed { .. } | Outcome::Unchanged { .. }), _) | (_, "unchanged") => {
            "is so already".to_owned()
        }
        (Some(outcome @ Outcome::Updated { .. }), _) => format!("updated: {}", changes(outcome)),
        (Some(outcome @ Outcome::Found { .. }), _) => {
            let state = outcome
                .subject()
                .map(|state| subject::state(state, actions::subject_words(Some(&action.name), &state.kind)));
            let fields = state.unwrap_or_default();
            fields.into_iter().map(|(name, value)| format!("{name} {value}")).collect::<Vec<_>>().join(", ")
        }
        (_, "done_before") => "done before".to_owned(),
        // It is known from the results file.
        (None, outcome) => format!("{}, before", outcome.replace('_', " ")),
        (_, outcome) => outcome.replace('_', " "),
    }
}

/// The counts in words, as the headline has them.
fn count_words(counts: &RowCounts, all: usize, previews: bool, atomic: bool) -> String {
    let (now, done) =
        if previews { (counts.done - counts.before, "previewed") } else { (counts.done, "done") };
    let mut text = format!("{now} of {all} rows {done}");
    if !previews && counts.before > 0 {
        let _ = write!(text, " ({} of them before)", counts.before);
    }
    for (count, what) in [
        (if previews { counts.before } else { 0 }, "done before"),
        (counts.failed, "failed"),
        (counts.unknown, "not known"),
        (counts.not_begun, if atomic { "not done" } else { "not begun" }),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

fn each_text(report: &EachReport<'_>, rows: &[RowReport<'_>], quiet: bool, took: &str) -> String {
    let atomic = report.journal.header().atomic;
    let count = RowCounts::of(rows);
    let mut text = String::new();
    let all_done = count.done == rows.len();
    let mark =
        if all_done { paint::style(symbols::DONE).green() } else { paint::style(symbols::FAILED).red() };
    let mut what = count_words(&count, rows.len(), report.previews, atomic);
    if report.previews {
        what.push_str("; nothing was changed");
    }
    let _ = writeln!(text, "{mark} {what} in {} ({took})", clean(&report.environment.name));
    let reads = !report.action.writes();
    let folds = count.not_begun > MOST_NOT_BEGUN;
    let is_shown = |row: &&RowReport<'_>| {
        (!quiet || reads || row.exit_code != Some(0)) && !(folds && row.outcome == NOT_BEGUN)
    };
    let shown: Vec<&RowReport<'_>> = rows.iter().filter(is_shown).collect();
    if !shown.is_empty() {
        let subject = report.action.definition.subject.as_ref();
        let named = subject.filter(|subject| !subject.key.is_empty()).map(|subject| subject.key.clone());
        let named = named.unwrap_or_else(|| columns(report.action).into_iter().cloned().collect());
        let upper = |name: &String| name.replace('_', " ").to_uppercase();
        let header: Vec<String> = ["LINE".to_owned()]
            .into_iter()
            .chain(named.iter().map(upper))
            .chain(["RESULT".to_owned()])
            .collect();
        let row = |row: &&RowReport<'_>| {
            let cell = |value: String| clean(&value).replace('\t', "\\t");
            let values =
                key(report.action, row.row).into_iter().chain([result_words(row, report.action, atomic)]);
            [row.row.row.to_string()].into_iter().chain(values.map(cell)).collect()
        };
        text.push_str(&flowing(&header, &shown.iter().map(row).collect::<Vec<_>>(), wrap::columns()));
    }
    text
}

fn each_json(report: &EachReport<'_>, rows: &[RowReport<'_>], code: u8, seconds: f64) -> Value {
    let count = RowCounts::of(rows);
    let header = report.journal.header();
    let row = |known: &RowReport<'_>| {
        let values: BTreeMap<&String, Option<&String>> = columns(report.action)
            .into_iter()
            .map(|name| (name, known.row.values.get(&variable(name))))
            .collect();
        let mut row = json!({
            "row": known.row.row,
            "values": values,
            "outcome": known.outcome,
            "exit_code": known.exit_code,
            "message": known.message,
            "execution": known.execution,
        });
        if let Some(claim) = known.claim {
            row["proven"] = json!(claim.proven);
            row["result"] = claim.written.clone();
        }
        row
    };
    let mut document = json!({
        "exit_code": code,
        "environment": report.environment.name,
        "project": report.environment.job.project,
        "job": report.environment.job.job,
        "action": header.action,
        "run": header.run,
        "atomic": header.atomic,
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "done": count.done,
        "failed": count.failed,
        "unknown": count.unknown,
        "not_begun": count.not_begun,
        "executions": report.runs.iter().map(|run| &run.execution.name.id).collect::<Vec<_>>(),
        "results": report.journal.path().map(document::path),
        "elapsed_seconds": seconds,
    });
    if report.previews {
        document["mode"] = json!("preview");
    }
    if let Some(reason) = report.reason() {
        document["reason"] = json!(reason);
    }
    document
}

/// Adds the rows of an execution that failed, one on each line: for whoever looks at it without the table.
pub(super) fn into_text(results: &RowResults, text: &mut TaskText) {
    for (row, claim) in results.iter() {
        if let Outcome::Failed { failure } = &claim.line.outcome {
            let who = claim.line.username.as_deref().map(|name| format!(" ({name})")).unwrap_or_default();
            text.problems.push_str(&lines::detail(&format!("row {row}{who}: {}", failure.message)));
        }
    }
    if let Some(lack) = results.lack() {
        lines::warning_line(&mut text.warnings, &lack);
    }
}

/// The results of the rows of an execution, as `--json` has them.
pub(super) fn rows_json(results: &RowResults) -> Value {
    let row =
        |(row, claim): (u64, &Claim)| json!({"row": row, "proven": claim.proven, "result": claim.written});
    results.iter().map(row).collect()
}

impl Reporter {
    /// Shows the plan of a run for many rows.
    pub fn each_plan(&self, plan: &EachPlan<'_>) {
        self.stop();
        self.plan(&each_plan_text(plan), false);
    }

    /// Makes the output of a dry run, which is shown if the check succeeds.
    #[must_use]
    pub fn prepare_each_plan(&self, plan: &EachPlan<'_>) -> ShownPlan {
        ShownPlan(if self.style.json {
            let mut document = task_plan_json(&plan.task);
            document["rows"] = json!(plan.rows);
            document::text(&document)
        } else {
            format!("{}{}", each_plan_text(plan), plan.task.accepted())
        })
    }

    /// Shows what became of all rows; returns the exit code.
    pub fn each(&self, report: &EachReport<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let rows = report.rows();
        let code = report.exit_code(&rows);
        if self.style.json {
            result_document(&each_json(report, &rows, code, elapsed.as_secs_f64()));
            return code;
        }
        result_to_stdout(&each_text(report, &rows, self.style.quiet, &lines::seconds(elapsed)));
        let mut last = String::new();
        if let Some(reason) = report.reason() {
            lines::problem(&mut last, &reason);
        }
        for hint in report.error.iter().flat_map(|error| &error.hints) {
            lines::hint_line(&mut last, hint);
        }
        let path = report.journal.path();
        let count = RowCounts::of(&rows);
        if code != 0 && !report.previews && path.is_some() {
            let any_failed = count.failed > 0 && report.stopped().is_none();
            lines::hint_line(&mut last, if any_failed { MEND } else { GOES_ON });
        }
        if !report.previews && count.done > 0 && leaves_nobody_in(report.action, report.journal.header()) {
            lines::warning_line(&mut last, "nobody knows the passwords that were set");
            if let Some(set) = hints::to_set_passwords(report.action, &report.environment.name) {
                lines::hint_line(&mut last, &advice("set them with", &set));
            }
        }
        let has_passwords = !report.previews && EachResults::of(report.journal).has_passwords();
        if let Some(path) = path.filter(|_| has_passwords) {
            let command = format!("(umask 077; quill-admin each --table {} > passwords.csv)", quoted(path));
            let why = "the passwords that were made are in the results file; make a table of them";
            lines::hint_line(&mut last, &advice(why, &command));
        }
        to_stderr(&last);
        code
    }

    /// Shows what all rows would do that are about to be run, before anybody agrees to it.
    ///
    /// Where somebody is `asked`, it is shown whatever the style is.
    pub fn each_preview(&self, report: &EachReport<'_>, asked: bool) {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        self.plan(&each_text(report, &report.rows(), false, &lines::seconds(elapsed)), asked);
    }

    /// Shows the header of a table for an action: the names of its columns, and which of them are needed.
    pub fn template<'n>(&self, names: impl Iterator<Item = (&'n str, bool)>) -> u8 {
        self.stop();
        let names: Vec<(&str, bool)> = names.collect();
        if self.style.json {
            let column = |(name, required): &(&str, bool)| json!({"name": name, "required": required});
            let columns: Vec<Value> = names.iter().map(column).collect();
            super::output::document_to_stdout(&json!({"exit_code": 0, "columns": columns}));
        } else {
            let all: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            to_stdout(&format!("{}\n", all.join(",")));
        }
        0
    }
}

fn each_plan_text(plan: &EachPlan<'_>) -> String {
    let mut text = task_plan_text(&plan.task);
    field(&mut text, "rows", &plan.rows.to_string());
    if plan.of_nobody {
        let what = "ones that nobody knows: --generate-passwords makes some that you get, or the table has a \
                    column for them";
        field(&mut text, "passwords", what);
    }
    if let Some(bulk) = &plan.task.request.bulk {
        if bulk.atomic {
            field(&mut text, "together", "all rows are one transaction: if one fails, none is done");
        }
        if let Some(most) = bulk.max_errors {
            field(&mut text, "stops", &format!("after more than {most} failed rows"));
        }
    }
    if let Some(results) = plan.results {
        field(&mut text, "results", &results.display().to_string());
    }
    text
}
