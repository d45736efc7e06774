//! Reports about a run for many rows: its plan, its table of results, its document, and the table made of a results file.
//!
//! To add an outcome of a row: its words in `said`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use quill_admin_actions::{Action, Kind, Parameter, variable};
use quill_admin_cloud::{Ending, Phase, TaskResult};
use quill_admin_contract::{Claim, ExitCode, Outcome};
use quill_admin_operations::actions;
use quill_admin_operations::config::Environment;
use quill_admin_operations::each::{Header, Journal, NOT_BEGUN, Passwords, Row, UNKNOWN};
use quill_admin_operations::error::{CliError, advice, quoted};
use quill_admin_operations::hints;
use quill_admin_operations::task::row_results::RowResults;
use quill_admin_operations::task::run_outcome::{Run, RunOutcome};
use serde_json::{Value, json};

use super::each_results::EachResults;
use super::field::field;
use super::lines::TaskText;
use super::output::{result_document, result_to_stdout, to_stdout};
use super::paint::{self, clean};
use super::reporter::Reporter;
use super::rows::aligned;
use super::stream::to_stderr;
use super::task_plan::{ShownPlan, TaskPlan, task_plan_json, task_plan_text};
use super::{document, ending, lines, subject, symbols};

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

/// A run for many rows.
#[derive(Debug)]
pub struct EachReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The action.
    pub action: &'a Action,
    /// The rows, and what is known of them.
    pub journal: &'a Journal,
    /// The executions of this command.
    pub runs: &'a [Run],
    /// Whether it was a preview, which changes nothing.
    pub previews: bool,
    /// The error that has broken off the run after rows were run, where one has.
    pub error: Option<&'a CliError>,
}

/// What is told of one row.
struct Told<'a> {
    row: &'a Row,
    /// The outcome in one word.
    outcome: String,
    exit_code: Option<u8>,
    message: Option<String>,
    /// Its result, where this command has seen it.
    claim: Option<&'a Claim>,
    execution: Option<String>,
}

/// The hint after rows that failed.
const MEND: &str = "what is wrong in the database: put it right, then run the same command again, which leaves out rows that are \
                    done. What is wrong in the table itself: make a table of these rows alone, with a results file of its own";
/// The hint after a run that was broken off.
pub const GOES_ON: &str = "run the same command again: it goes on where it is";
/// The number of rows that were not begun beyond which they are counted, and not listed.
const MOST_NOT_BEGUN: usize = 20;

impl<'a> EachReport<'a> {
    fn told(&self) -> Vec<Told<'a>> {
        let mut claims: BTreeMap<u64, (&'a Claim, &'a str)> = BTreeMap::new();
        for run in self.runs {
            let results = run.row_results.iter().flat_map(RowResults::iter);
            claims.extend(results.map(|(row, claim)| (row, (claim, run.execution.name.id.as_str()))));
        }
        let journal = self.journal;
        let of = |row: &'a Row| {
            let known = journal.known(row.row);
            // What the journal has of a later execution counts more.
            let counts =
                |execution: &str| self.previews || known.is_none_or(|known| known.execution == execution);
            if let Some((claim, execution)) = claims.get(&row.row).filter(|(_, execution)| counts(execution))
            {
                let outcome = &claim.line.outcome;
                let message = match outcome {
                    Outcome::Failed { failure } => Some(failure.message.clone()),
                    _ => None,
                };
                let is_unknown = matches!(outcome, Outcome::Failed { failure } if failure.undecided);
                let (name, code) =
                    if is_unknown { (UNKNOWN, None) } else { (outcome.name(), Some(claim.line.exit_code)) };
                let execution = Some((*execution).to_owned());
                return Told {
                    row,
                    outcome: name.to_owned(),
                    exit_code: code,
                    message,
                    claim: Some(claim),
                    execution,
                };
            }
            match known {
                Some(known) => Told {
                    row,
                    outcome: known.outcome.clone(),
                    exit_code: known.exit_code,
                    message: known.message.clone(),
                    claim: None,
                    execution: Some(known.execution.clone()),
                },
                None => Told {
                    row,
                    outcome: if journal.may_be_done(row.row) { UNKNOWN } else { NOT_BEGUN }.to_owned(),
                    exit_code: None,
                    message: None,
                    claim: None,
                    execution: None,
                },
            }
        };
        journal.rows().iter().map(of).collect()
    }

    /// The last execution, where it did not tell a result of its own.
    fn broken_off(&self) -> Option<&'a Run> {
        let tells = |run: &Run| match &run.outcome {
            RunOutcome::Reported(told) => matches!(told.claim.line.outcome, Outcome::Each { .. }),
            _ => false,
        };
        self.runs.last().filter(|run| !tells(run))
    }

    /// Why results of rows are missing, or are not those that the run has counted.
    fn lack(&self) -> Option<String> {
        self.runs.last().and_then(|run| run.row_results.as_ref()?.lack())
    }

    fn exit_code(&self, told: &[Told<'_>]) -> u8 {
        let contradicted =
            self.runs.last().is_some_and(|run| matches!(run.outcome, RunOutcome::Contradicted { .. }));
        if self.lack().is_some() || contradicted || told.iter().any(|row| row.outcome == UNKNOWN) {
            ExitCode::Unknown.code()
        } else if told.iter().all(|row| row.exit_code == Some(ExitCode::Success.code())) {
            ExitCode::Success.code()
        } else if let Some(error) = self.error {
            error.code.code()
        } else if let Some(run) = self.broken_off() {
            // A run that ended well without its result has done something.
            match run.exit_code() {
                0 => ExitCode::Unknown.code(),
                code => code,
            }
        } else {
            self.stopped().unwrap_or(ExitCode::RowsFailed).code()
        }
    }

    /// How the last execution was stopped, where it was: it has told what became of the rows until then.
    fn stopped(&self) -> Option<ExitCode> {
        match &self.runs.last()?.execution.phase {
            Phase::Ended(Ending::Cancelled { .. }) => Some(ExitCode::Cancelled),
            Phase::Ended(Ending::Failed { reason }) if TaskResult::words_of_a_time_out(reason) => {
                Some(ExitCode::TimedOut)
            }
            _ => {
                let told = self.told();
                let stopped = told.iter().any(|row| row.exit_code == Some(ExitCode::Stopped.code()));
                stopped.then_some(ExitCode::Cancelled)
            }
        }
    }

    /// Why not all rows were run, where that is not told row by row.
    fn reason(&self) -> Option<String> {
        let stopped = self.stopped().map(|code| format!("the execution was stopped: {}", code.meaning()));
        let error = self.error.map(ToString::to_string);
        self.lack().or(error).or_else(|| self.broken_off().and_then(reason)).or(stopped)
    }
}

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
fn said(told: &Told<'_>, action: &Action, atomic: bool) -> String {
    let changes = |outcome: &Outcome| {
        let words = outcome.subject().and_then(|it| actions::subject_words(Some(&action.name), &it.kind));
        outcome.changes().iter().map(|change| subject::change(change, words)).collect::<Vec<_>>().join("; ")
    };
    match (told.claim.map(|claim| &claim.line.outcome), told.outcome.as_str()) {
        (_, UNKNOWN) => {
            let why = told.message.as_deref().unwrap_or("its result was lost");
            format!("not known whether it was done: {why}")
        }
        (_, NOT_BEGUN) if atomic => "not done".to_owned(),
        (_, NOT_BEGUN) => "not begun".to_owned(),
        (_, "failed") => {
            let why = told.message.as_deref().unwrap_or_default();
            told.exit_code.map_or_else(|| format!("failed: {why}"), |code| format!("failed ({code}): {why}"))
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

/// The number of rows of each kind.
#[derive(Default)]
struct Count {
    done: usize,
    /// Those of them that an earlier command has done.
    before: usize,
    failed: usize,
    unknown: usize,
    not_begun: usize,
}

impl Count {
    fn of(told: &[Told<'_>]) -> Self {
        let mut count = Self::default();
        for row in told {
            count.before += usize::from(row.exit_code == Some(0) && row.claim.is_none());
            *match (row.outcome.as_str(), row.exit_code) {
                (UNKNOWN, _) => &mut count.unknown,
                (NOT_BEGUN, _) => &mut count.not_begun,
                (_, Some(0)) => &mut count.done,
                _ => &mut count.failed,
            } += 1;
        }
        count
    }

    fn sentence(&self, all: usize, previews: bool, atomic: bool) -> String {
        let (now, done) = if previews { (self.done - self.before, "previewed") } else { (self.done, "done") };
        let mut text = format!("{now} of {all} rows {done}");
        for (count, what) in [
            (self.before, if previews { "done before" } else { "of them before" }),
            (self.failed, "failed"),
            (self.unknown, "not known"),
            (self.not_begun, if atomic { "not done" } else { "not begun" }),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        text
    }
}

fn each_text(report: &EachReport<'_>, told: &[Told<'_>], quiet: bool, took: &str) -> String {
    let atomic = report.journal.header().atomic;
    let count = Count::of(told);
    let mut text = String::new();
    let all_done = count.done == told.len();
    let mark =
        if all_done { paint::style(symbols::DONE).green() } else { paint::style(symbols::FAILED).red() };
    let mut what = count.sentence(told.len(), report.previews, atomic);
    if report.previews {
        what.push_str("; nothing was changed");
    }
    let _ = writeln!(text, "{mark} {what} in {} ({took})", clean(&report.environment.name));
    let reads = !report.action.writes();
    let folds = count.not_begun > MOST_NOT_BEGUN;
    let is_shown = |row: &&Told<'_>| {
        (!quiet || reads || row.exit_code != Some(0)) && !(folds && row.outcome == NOT_BEGUN)
    };
    let shown: Vec<&Told<'_>> = told.iter().filter(is_shown).collect();
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
        let row = |told: &&Told<'_>| {
            let cell = |value: String| clean(&value).replace('\t', "\\t");
            let values = key(report.action, told.row).into_iter().chain([said(told, report.action, atomic)]);
            [told.row.row.to_string()].into_iter().chain(values.map(cell)).collect()
        };
        text.push_str(&aligned(&header, &shown.iter().map(row).collect::<Vec<_>>()));
    }
    text
}

fn each_json(report: &EachReport<'_>, told: &[Told<'_>], code: u8, seconds: f64) -> Value {
    let count = Count::of(told);
    let header = report.journal.header();
    let row = |told: &Told<'_>| {
        let values: BTreeMap<&String, Option<&String>> = columns(report.action)
            .into_iter()
            .map(|name| (name, told.row.values.get(&variable(name))))
            .collect();
        let mut row = json!({
            "row": told.row.row,
            "values": values,
            "outcome": told.outcome,
            "exit_code": told.exit_code,
            "message": told.message,
            "execution": told.execution,
        });
        if let Some(claim) = told.claim {
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
        "rows": told.iter().map(row).collect::<Vec<_>>(),
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

/// Why an execution did not tell the result of all rows.
fn reason(run: &Run) -> Option<String> {
    match &run.outcome {
        // What the executor says of a request that it does not take.
        RunOutcome::Reported(told) => match &told.claim.line.outcome {
            Outcome::Failed { failure } => Some(failure.message.clone()),
            _ => None,
        },
        // A container that was stopped has rolled back one row; those before it are done.
        RunOutcome::Cancelled { .. } | RunOutcome::TimedOut { .. } => {
            let how = match &run.outcome {
                RunOutcome::Cancelled { .. } => "was cancelled",
                _ => "ran into the job's time-out",
            };
            let rows = if run.never_began() { "; no row was begun" } else { "" };
            Some(format!("execution {} {how}{rows}", run.execution.name.id))
        }
        outcome => Some(ending::ended(outcome, &run.execution.name.id)),
    }
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
            format!("{}nothing was started: Google Cloud accepts this run\n", each_plan_text(plan))
        })
    }

    /// Shows what became of all rows; returns the exit code.
    pub fn each(&self, report: &EachReport<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let told = report.told();
        let code = report.exit_code(&told);
        if self.style.json {
            result_document(&each_json(report, &told, code, elapsed.as_secs_f64()));
            return code;
        }
        result_to_stdout(&each_text(report, &told, self.style.quiet, &lines::seconds(elapsed)));
        let mut last = String::new();
        if let Some(reason) = report.reason() {
            lines::problem(&mut last, &reason);
        }
        for hint in report.error.iter().flat_map(|error| &error.hints) {
            lines::hint_line(&mut last, hint);
        }
        let path = report.journal.path();
        if code != 0 && !report.previews && path.is_some() {
            let any_failed = Count::of(&told).failed > 0 && report.stopped().is_none();
            lines::hint_line(&mut last, if any_failed { MEND } else { GOES_ON });
        }
        if !report.previews
            && Count::of(&told).done > 0
            && leaves_nobody_in(report.action, report.journal.header())
        {
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
        self.plan(&each_text(report, &report.told(), false, &lines::seconds(elapsed)), asked);
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
        let what = "ones that nobody knows: --generate-passwords makes some that you get, or the table has a column for them";
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
