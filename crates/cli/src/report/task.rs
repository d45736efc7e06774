//! Reports about a task that was run.
//!
//! To add an outcome: its line in `told`. To add a way to end: its lines in `task_text` and `ending.rs`.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use quill_admin_cloud::{JobName, LogEntry};
use quill_admin_contract::{
    AdminAction, DatabaseReport, ExitCode, Expected, NextAction, Outcome, Password, RequestId, SubjectState,
    Unavailable, Username, Warning, variable,
};
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;
use quill_admin_operations::task::run_outcome::{Run, RunOutcome};
use quill_admin_operations::{actions, hints};
use serde_json::{Value, json};

use super::field::field;
use super::lines::TaskText;
use super::output::result_to_stdout;
use super::paint::{self, clean};
use super::reporter::Reporter;
use super::stream::{self, Unwritten, to_stderr};
use super::style::Style;
use super::{document, each, ending, lines, rows, subject, symbols};

/// A task that was run, with everything that its report needs.
#[derive(Debug)]
pub struct TaskReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The user that the task is about, where it is about one.
    pub username: Option<&'a Username>,
    /// The request's id, where it has one.
    pub request_id: Option<RequestId>,
    /// The action, where this program has started it.
    pub action: Option<&'a AdminAction>,
    /// The run, with its outcome.
    pub run: &'a Run,
    /// The preview that came before, where there was one.
    pub preview: Option<&'a Run>,
    /// The password that was made here. It is shown once, if it may have been set.
    pub generated_password: Option<&'a Password>,
    /// Whether the command was to cancel the task.
    pub to_cancel: bool,
}

impl TaskReport<'_> {
    /// Whether the task was cancelled, and was to be.
    pub(super) fn is_cancelled_as_asked(&self) -> bool {
        self.to_cancel && matches!(self.run.outcome, RunOutcome::Cancelled { .. })
    }

    /// The job that ran it.
    pub(super) const fn job(&self) -> &JobName {
        &self.run.execution.name.job
    }

    /// The hints after the task. What is known of our own container and its job does not hold for a job of
    /// the application: only its log can be looked at.
    pub(super) fn hints(&self) -> Vec<String> {
        if self.run.lacks_rows() {
            let attach = format!("attach {}", self.run.execution.name.id);
            let read = hints::command(&self.environment.name, &attach, &[]);
            let mut next = vec![hints::advice("read its rows again", &read)];
            let action = self.run.execution.request.get(variable::ADMIN_ACTION.name);
            let action = action.and_then(|name| actions::known(name)).filter(|action| action.definition.read);
            next.extend(action.map(|action| format!("or run {} again: it changes nothing", action.name)));
            return next;
        }
        let code = self.run.exit_code();
        if self.environment.is_own(self.job()) {
            let code = ExitCode::from_u8(self.exit_code());
            let hints = code.map(|code| hints::after_task(code, self.environment, self.username));
            return hints.unwrap_or_default().into_iter().chain(self.to_set_password()).collect();
        }
        if code == 0 || self.is_cancelled_as_asked() {
            return Vec::new();
        }
        let logs = format!("logs {}", self.run.execution.name.id);
        vec![hints::advice("see all that it printed", &hints::command(&self.environment.name, &logs, &[]))]
    }

    /// Whether the task has set a password that nobody knows.
    fn leaves_nobody_in(&self) -> bool {
        let done = match &self.run.outcome {
            RunOutcome::Reported(told) => {
                matches!(told.claim.line.outcome, Outcome::Created { .. } | Outcome::Updated { .. })
            }
            RunOutcome::Silent { exit_code: 0 } => !self.run.is_preview(),
            _ => false,
        };
        done && self.action.is_some_and(hints::leaves_nobody_in)
    }

    /// The hint about a password that nobody knows.
    fn to_set_password(&self) -> Option<String> {
        let command = hints::to_set_password(self.action?, &self.environment.name)?;
        self.leaves_nobody_in().then(|| hints::advice("set one with", &command))
    }

    /// The exit code of the program.
    pub(super) fn exit_code(&self) -> u8 {
        if self.is_cancelled_as_asked() { 0 } else { self.run.exit_code() }
    }
}

pub(super) fn generated_password_text(password: &Password) -> String {
    format!(
        "\n  password         {}\n  (made here and shown only now: keep it in a password manager)\n",
        password.expose()
    )
}

pub(super) fn task_text(
    report: &TaskReport<'_>,
    log: &[LogEntry],
    elapsed: Duration,
    style: Style,
) -> TaskText {
    let mut text = TaskText::default();
    let environment = &report.environment.name;
    let execution = &report.run.execution.name.id;
    let took = lines::seconds(elapsed);
    match &report.run.outcome {
        RunOutcome::Reported(one) => {
            match (&one.claim.line.outcome, one.claim.line.exit_code) {
                (Outcome::Other(other), exit_code @ 1..) => lines::problem(
                    &mut text.problems,
                    &format!(
                        "the task ended with \"{}\" and exit code {exit_code}, which this version does not know",
                        other.result
                    ),
                ),
                (outcome, _) => {
                    told(&mut text, outcome, one.claim.line.action.as_deref(), environment, &took, style);
                }
            }
            if let Some(afterwards) = &one.afterwards {
                let what = format!(
                    "execution {execution} {afterwards} after it had told this result, which stands: it is \
                     printed when everything is done"
                );
                lines::warning_line(&mut text.warnings, &what);
            }
            if !one.claim.proven {
                // The hints, which say what to do next, come last.
                let to = if text.problems.is_empty() { &mut text.warnings } else { &mut text.problems };
                to.push_str(&lines::detail(NOT_PROVABLE));
            }
        }
        RunOutcome::Silent { exit_code: 0 } if report.run.is_preview() => {
            let _ = writeln!(
                text.result,
                "{} a preview has ended in {environment} ({took})",
                paint::style(symbols::DONE).green()
            );
            lines::warning_line(
                &mut text.warnings,
                "its result line did not arrive: what it would change is not known",
            );
            text.warnings.push_str(&lines::detail(PREVIEW));
        }
        RunOutcome::Silent { exit_code: 0 } => {
            let _ = writeln!(
                text.result,
                "{} done in {environment} ({took})",
                paint::style(symbols::DONE).green()
            );
            lines::warning_line(&mut text.warnings, ending::SILENT);
            if let Some(username) = report.username {
                let with = [("username".to_owned(), username.to_string())].into();
                let next = NextAction { action: "show-user".to_owned(), with };
                if let Some(command) = hints::task(environment, &next) {
                    lines::hint_line(&mut text.warnings, &command);
                }
            }
        }
        RunOutcome::Ended { exit_code: 0 } => {
            let job = &report.job().job;
            let _ = writeln!(
                text.result,
                "{} the job {job} ended with 0 in {environment} ({took})",
                paint::style(symbols::DONE).green().bold()
            );
            text.warnings.push_str(&lines::detail(NO_RESULT));
        }
        outcome if report.is_cancelled_as_asked() => {
            let _ = writeln!(
                text.result,
                "{} {} ({took})",
                paint::style(symbols::DONE).green(),
                clean(&ending::ended(outcome, execution))
            );
        }
        outcome => lines::problem(&mut text.problems, &ending::ended(outcome, execution)),
    }
    password_of_nobody(&mut text.warnings, report);
    report.run.row_results.iter().for_each(|results| each::into_text(results, &mut text));
    if report.run.execution.retried && !report.environment.is_own(report.job()) {
        let what = format!("Cloud Run has started execution {execution} again after it had failed");
        lines::warning_line(&mut text.warnings, &what);
    }
    if !text.problems.is_empty() {
        if !matches!(report.run.outcome, RunOutcome::Reported(_)) {
            text.problems.insert_str(0, &lines::log(log));
        }
        // When the executor told the failure, Cloud Run's own lines would only repeat it.
        if !matches!(report.run.outcome, RunOutcome::Reported(_)) {
            for line in &report.run.system_log {
                let _ = writeln!(text.problems, "  Cloud Run: {}", clean(line));
            }
        }
        if report.run.is_preview() {
            text.problems.push_str(&lines::detail(PREVIEW));
        }
        for hint in report.hints() {
            lines::hint_line(&mut text.problems, &hint);
        }
    }
    text
}

/// Warns of a password that nobody knows.
fn password_of_nobody(text: &mut String, report: &TaskReport<'_>) {
    if report.leaves_nobody_in() {
        lines::warning_line(text, "nobody knows the password that was set");
        if let Some(set) = report.to_set_password() {
            lines::hint_line(text, &set);
        }
    }
}

const NOT_PROVABLE: &str = "not provable: no key was sent along with the request, as to an image of contract version \
                            1; the exit code is the one that Cloud Run has";

const PREVIEW: &str = "it was a preview: nothing was changed, whatever came of it";

const NO_RESULT: &str = "a job of the application tells no result: what it changed, and whether that was one \
                         transaction, is not known here";

fn told(
    text: &mut TaskText,
    outcome: &Outcome,
    action: Option<&str>,
    environment: &str,
    took: &str,
    style: Style,
) {
    let mut headline = |what: &str| {
        let _ = writeln!(text.result, "{} {what} ({took})", paint::style(symbols::DONE).green().bold());
    };
    let about = outcome.subject().map(SubjectState::name).or(action).unwrap_or("it");
    let about = clean(about);
    match outcome {
        Outcome::Failed { failure } => {
            lines::problem(&mut text.problems, &failure.message);
            return;
        }
        Outcome::Created { .. } => headline(&format!("created {about} in {environment}")),
        Outcome::Updated { .. } => headline(&format!("updated {about} in {environment}")),
        Outcome::Unchanged { .. } => {
            headline(&format!("nothing to change for {about} in {environment}: it was so already"));
        }
        Outcome::Previewed { would, .. } => {
            let what = match would.as_str() {
                "created" => format!("previewed: would create {about} in {environment}; nothing was changed"),
                "updated" => format!("previewed: would update {about} in {environment}; nothing was changed"),
                "unchanged" => {
                    format!("previewed: nothing to change for {about} in {environment}: it is so already")
                }
                other => format!("previewed: \"{}\" in {environment}; nothing was changed", clean(other)),
            };
            headline(&what);
        }
        Outcome::Found { .. } => headline(&format!("{about} in {environment}")),
        // The rows themselves are not part of the result.
        Outcome::Listed { rows, more, .. } => {
            headline(&format!("{} in {environment}", counted(*rows, *more)));
            if *more && style.quiet {
                lines::warning_line(&mut text.warnings, &format!("there are more rows than these {rows}"));
            }
        }
        Outcome::Checked { .. } => headline(&format!("tasks can run in {environment}")),
        Outcome::DoneBefore => headline(&format!("done before in {environment}")),
        Outcome::Each { rows, done, failed, .. } => {
            let what = format!("{done} of {rows} rows done in {environment}, {failed} failed");
            if outcome.did_all_rows() {
                headline(&format!("{rows} rows done in {environment}"));
            } else {
                lines::problem(&mut text.problems, &what);
                return;
            }
        }
        Outcome::Reviewed { .. } => headline(&format!("a review was recorded in {environment}")),
        Outcome::Other(other) => {
            headline(&format!("done in {environment}: \"{}\"", clean(&other.result)));
            lines::warning_line(
                &mut text.warnings,
                "this version does not know what that result means; all of it: --json",
            );
        }
    }
    // What was asked for is the result, and no comment on it.
    let asked_for = matches!(outcome, Outcome::Found { .. });
    if let Some(subject) = outcome.subject().filter(|_| asked_for || !style.quiet) {
        subject_state(&mut text.result, outcome, subject, action);
    }
    if let (Outcome::Checked { database, .. }, false) = (outcome, style.quiet) {
        database_report(&mut text.result, database);
    }
    for warning in outcome.warnings() {
        self::warning(&mut text.warnings, warning, outcome, environment);
    }
}

/// Describes the number of rows that were listed, and whether there are more.
fn counted(rows: u64, more: bool) -> String {
    match (rows, more) {
        (rows, true) => format!("the first {rows} rows, and there are more,"),
        (1, false) => "1 row".to_owned(),
        (rows, false) => format!("{rows} rows"),
    }
}

/// The subject of the task as it is now, and its changes.
fn subject_state(text: &mut String, outcome: &Outcome, subject: &SubjectState, action: Option<&str>) {
    let words = actions::subject_words(action, &subject.kind);
    text.push('\n');
    for (name, value) in subject::state(subject, words) {
        field(text, &name, &value);
    }
    // All values of a subject that was just created are new: its state shows them all.
    let (creates, heading) = match outcome {
        Outcome::Created { .. } => (true, "changed:"),
        Outcome::Previewed { would, .. } => (would == "created", "would change:"),
        _ => (false, "changed:"),
    };
    if !outcome.changes().is_empty() && !creates {
        let _ = writeln!(text, "\n  {heading}");
        for change in outcome.changes() {
            let _ = writeln!(text, "    {}", clean(&subject::change(change, words)));
        }
    }
    if let Outcome::Previewed { plan, would, .. } = outcome
        && would != "unchanged"
    {
        let _ = writeln!(text, "\n  plan {}", clean(plan));
        text.push_str("  (to run exactly this: --expect and this plan in place of --preview)\n");
    }
}

fn database_report(text: &mut String, database: &DatabaseReport) {
    text.push('\n');
    field(text, "server", &format!("PostgreSQL {}", database.server_version));
    field(text, "database", &format!("{} as {}", database.database, database.user));
    field(text, "TLS", database.tls.as_deref().unwrap_or("not in use"));
    let columns = if database.columns.is_empty() {
        "known".to_owned()
    } else {
        format!("known (with {})", database.columns.join(", "))
    };
    field(text, "schema", &columns);
    field(text, "may write", if database.writable { "yes" } else { "NO" });
    for Expected { code, count, missing, .. } in &database.expected {
        let what = code.strip_suffix("_missing").unwrap_or(code).replace('_', " ");
        field(text, &what, &format!("{} of {count} known", count.saturating_sub(missing.len())));
    }
    for Unavailable { action, needs } in &database.unavailable {
        field(text, "not here", &format!("{action}: it needs {needs}"));
    }
}

fn warning(text: &mut String, warning: &Warning, outcome: &Outcome, environment: &str) {
    lines::warning_line(text, &warning.message);
    if let Some(hint) = hints::after_warning(warning, outcome, environment) {
        lines::hint_line(text, &hint);
    }
}

pub(super) fn task_json(
    report: &TaskReport<'_>,
    log: &[LogEntry],
    password: Option<&Password>,
    elapsed: Duration,
) -> Value {
    let run = report.run;
    let code = report.exit_code();
    let (ending, reason) = ending::ending(&run.outcome);
    let mut document = json!({
        "exit_code": code,
        "environment": report.environment.name,
        "project": report.environment.job.project,
        "job": report.job().job,
        "request_id": report.request_id,
        "execution": run.execution.name.id,
        "image": run.execution.image,
        "ending": ending,
        "elapsed_seconds": elapsed.as_secs_f64(),
        "hints": report.hints(),
    });
    if run.is_preview() {
        document["mode"] = json!("preview");
    }
    document["proven"] = json!(run.outcome.is_proven());
    if let RunOutcome::Reported(told) = &run.outcome {
        // The result is given as it was written, including members that this version does not know.
        document["result"] = told.claim.written.clone();
        if let Some(afterwards) = &told.afterwards {
            document["afterwards"] = json!(afterwards);
        }
    }
    if let Some(RunOutcome::Reported(told)) = report.preview.map(|preview| &preview.outcome) {
        document["preview"] = told.claim.written.clone();
    }
    if let Some(listing) = &run.listing {
        super::rows::into_document(listing, &mut document);
    }
    if let Some(results) = &run.row_results {
        document["rows"] = each::rows_json(results);
    }
    if let RunOutcome::Ended { exit_code } = run.outcome {
        document["container_exit_code"] = json!(exit_code);
    }
    if let Some(reason) = reason {
        document["reason"] = json!(reason);
    }
    if code != 0 {
        document["log"] = document::log(log);
        document["system_log"] = json!(run.system_log);
    }
    if let Some(password) = password {
        document["generated_password"] = json!(password.expose());
    }
    document
}

impl Reporter {
    /// Shows the result of a task; returns the exit code.
    pub fn task(&self, report: &TaskReport<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let code = report.exit_code();
        let log = self.kept_log();
        let password = report.generated_password.filter(|_| report.run.outcome.may_be_done());
        if self.style.json {
            let document = document::text(&task_json(report, &log, password, elapsed));
            let unwritten = if password.is_some() { Unwritten::Secret } else { Unwritten::Result };
            stream::to_stdout(&document, unwritten);
            return code;
        }
        let mut text = task_text(report, &log, elapsed, self.style);
        if let Some(listing) = &report.run.listing {
            let hints = report.hints();
            rows::into_text(listing, &mut text, io::stdout().is_terminal(), self.style, &hints);
        }
        to_stderr(&text.problems);
        result_to_stdout(&text.result);
        if let Some(password) = password {
            self.generated_password(password);
        }
        to_stderr(&text.warnings);
        code
    }

    /// Shows what a task would do that is about to be run, before anybody agrees to it.
    ///
    /// Where somebody is `asked`, it is shown whatever the style is.
    pub fn preview(&self, report: &TaskReport<'_>, asked: bool) {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let text = task_text(report, &[], elapsed, self.style);
        self.plan(&format!("{}{}\n", text.result, text.warnings), asked);
    }

    /// Shows a password that was made here. This is the only time that it is shown.
    pub fn generated_password(&self, password: &Password) {
        if self.style.json {
            self.lock().generated_password = Some(password.clone());
        } else {
            stream::to_stdout(&generated_password_text(password), Unwritten::Secret);
        }
    }

    /// Checks that a password that is about to be made can be shown in the end.
    ///
    /// # Errors
    ///
    /// Fails with [`ExitCode::OutputFailed`] where stdout takes nothing, or leads nowhere.
    pub fn check_password_can_be_shown(&self) -> Result<(), CliError> {
        self.stop();
        stream::check_stdout()
    }
}
