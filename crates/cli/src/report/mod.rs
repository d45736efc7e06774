//! The only code that writes to the terminal.
//!
//! Results go to stdout, everything on the way there (progress, the container's log, warnings,
//! errors) to stderr. With `--json` stdout is one document, whatever happens. All of it is written by
//! `stream`, which lets nothing of others reach a terminal as it is, and remembers what could not be
//! written.

mod actions;
mod cases;
mod deployed_actions;
mod doctor;
mod field;
mod human;
mod json;
mod paint;
mod results;
mod rows;
mod stream;
mod subject;
mod task_plan;

use std::collections::VecDeque;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::error::{ContextKind, ContextValue};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quill_admin_actions::Actions;
use quill_admin_cloud::{ExecutionName, LogEntry, Phase, Service};
use quill_admin_contract::Password;
use quill_admin_image::{BuildEvent, LocalImage};
use serde_json::{Value, json};

pub use actions::{Checked, Tried};
pub use cases::{Tested, TestedCase};
pub use deployed_actions::DeployedActions;
pub use doctor::Diagnosis;
use quill_admin_doctor::attempt::Attempt;
use quill_admin_doctor::check::Check;
use quill_admin_doctor::explain::Explanation;
use quill_admin_doctor::run::Told;
use quill_admin_operations::config::{Application, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::flow::build::Built;
use quill_admin_operations::flow::history::Past;
pub use results::{BuildReport, RestoreReport, Style, TaskPlan, TaskReport, WhoamiReport};
use stream::{Unwritten, to_stderr};

/// How many lines of a log are kept to explain a failure.
const KEPT_LINES: usize = 100;

/// Shows events as they come and the result at the end.
pub struct Reporter {
    style: Style,
    progress: Mutex<Progress>,
}

/// What is going on right now.
struct Progress {
    /// When the work began: the time a person took to answer questions is not the program's.
    started: Instant,
    spinner: Option<ProgressBar>,
    doing: String,
    /// A password that was made here, for the one document of `--json`.
    generated_password: Option<Password>,
    /// The last lines of the container's log, where they are not shown as they come.
    log: VecDeque<LogEntry>,
    /// The heading that the doctor's last line stands under.
    heading: Option<String>,
    /// An error has been told. Ctrl-C at a question is noticed in two places; it is told once.
    told: bool,
}

/// A plan, ready to be shown once it has been checked.
pub struct ShownPlan(String);

impl Reporter {
    /// A reporter whose clock starts now.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let progress = Progress {
            started: Instant::now(),
            spinner: None,
            doing: String::new(),
            generated_password: None,
            log: VecDeque::new(),
            heading: None,
            told: false,
        };
        Self { style, progress: Mutex::new(progress) }
    }

    /// All questions have been answered: the clock starts again.
    pub fn begin(&self) {
        self.lock().started = Instant::now();
    }

    /// Shows an event.
    pub fn event(&self, event: Event) {
        match event {
            Event::Doing(what) => self.doing(what),
            Event::Image(event) => self.image(event),
            Event::Detail(what) if self.style.verbose => self.line(&human::detail(&what)),
            Event::Detail(_) => {}
            Event::Started(execution) => self.line(&human::started(&execution)),
            Event::Phase(Phase::Queued) => self.doing("queued"),
            Event::Phase(Phase::Provisioning) => self.doing("preparing the container"),
            Event::Phase(Phase::Running) => self.doing("running"),
            Event::Phase(Phase::Ended(_)) => self.doing("reading the result"),
            Event::Log(entry) if self.style.json || self.style.quiet => self.keep(entry),
            Event::Log(entry) => self.line(&human::log_line(&entry, self.style.verbose)),
            Event::Trouble(what) => self.line(&human::trouble(&what)),
        }
    }

    /// Shows what is about to be done.
    ///
    /// Where a value was `asked` for, it is shown whatever the style is: somebody has to say yes to it.
    pub fn task_plan(&self, plan: &TaskPlan<'_>, asked: bool) {
        self.stop();
        self.plan(&human::task_plan(plan), asked);
        // A warning is told where nothing else is.
        if let Some(again) = plan.started_again.filter(|_| self.style.quiet && !asked) {
            to_stderr(&human::warned(again));
        }
    }

    /// What a dry run says, if it turns out well.
    #[must_use]
    pub fn prepare_plan(&self, plan: &TaskPlan<'_>) -> ShownPlan {
        ShownPlan(if self.style.json {
            json::text(&json::task_plan(plan))
        } else {
            format!("{}nothing was started: Google Cloud accepts this run\n", human::task_plan(plan))
        })
    }

    /// Shows what a dry run says.
    #[expect(clippy::needless_pass_by_value, reason = "it is shown once")]
    pub fn planned(&self, plan: ShownPlan) -> u8 {
        self.stop();
        to_stdout(&plan.0);
        0
    }

    /// Asks something in the middle of everything; the answer is read elsewhere.
    pub fn question(&self, text: &str) {
        self.stop();
        self.lock().doing.clear();
        to_stderr(&format!("\n{text}"));
    }

    /// Shows lines of an execution's log: these are what was asked for.
    pub fn logs(&self, execution: &ExecutionName, entries: &[LogEntry]) {
        self.stop();
        if self.style.json {
            document_to_stdout(&json::logs(execution, entries));
            return;
        }
        for entry in entries {
            to_stdout(&human::logged(entry));
        }
    }

    /// Shows what was run.
    pub fn history(&self, environment: &Environment, past: &Past) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&json::history(environment, past));
        } else {
            to_stdout(&human::history(environment, past));
        }
        0
    }

    /// Shows what came of a task; returns the exit code.
    pub fn task(&self, report: &TaskReport<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let code = report.exit_code();
        let log = self.kept_log();
        let password = report.generated_password.filter(|_| report.run.conclusion.may_be_done());
        if self.style.json {
            let document = json::text(&json::task(report, &log, password, elapsed));
            let unwritten = if password.is_some() { Unwritten::Secret } else { Unwritten::Result };
            stream::to_stdout(&document, unwritten);
            return code;
        }
        let mut text = human::task(report, &log, elapsed, self.style);
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

    /// Shows a password that was made here: the only time it is shown.
    pub fn generated_password(&self, password: &Password) {
        if self.style.json {
            self.lock().generated_password = Some(password.clone());
        } else {
            stream::to_stdout(&human::generated_password(password), Unwritten::Secret);
        }
    }

    /// Checks that a password that is about to be made can be shown in the end.
    ///
    /// # Errors
    ///
    /// [`ExitCode::OutputFailed`] where stdout takes nothing, or goes nowhere.
    pub fn check_password_can_be_shown(&self) -> Result<(), CliError> {
        self.stop();
        stream::check_stdout()
    }

    /// Resolves when stdout takes nothing any more: its reader has gone, or a write has failed.
    pub async fn stdout_lost(&self) {
        stream::lost().await;
    }

    /// Shows an error; returns the exit code.
    pub fn error(&self, error: &CliError) -> u8 {
        self.stop();
        let log = self.kept_log();
        let mut progress = self.lock();
        if !std::mem::replace(&mut progress.told, true) {
            if self.style.json {
                let mut document = json::error(error);
                if !log.is_empty() {
                    document["log"] = json::log(&log);
                }
                if let Some(password) = &progress.generated_password {
                    document["generated_password"] = json!(password.expose());
                }
                let unwritten = match &progress.generated_password {
                    Some(_) => Unwritten::Secret,
                    None => Unwritten::Failure,
                };
                stream::to_stdout(&json::text(&document), unwritten);
            } else {
                to_stderr(&human::log(&log));
                to_stderr(&human::error(error));
            }
        }
        error.code.code()
    }

    /// Shows who calls; the exit code says whether tasks can be run.
    pub fn whoami(&self, report: &WhoamiReport<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&json::whoami(report));
        } else {
            to_stdout(&human::whoami(report));
            to_stderr(&human::missing(report));
        }
        report.exit_code()
    }

    /// Says who has signed in.
    pub fn signed_in(&self, account: Option<&str>) -> u8 {
        if self.style.json {
            result_document(&json!({"exit_code": 0, "account": account}));
        } else {
            result_to_stdout(&human::signed_in(account));
        }
        0
    }

    /// Shows what is to be built and changed: on stdout if that is all that was asked for.
    pub fn build_plan(&self, report: &BuildReport<'_>, dry_run: bool, asked: bool) -> u8 {
        self.stop();
        if dry_run {
            if self.style.json {
                document_to_stdout(&json::build_plan(report));
            } else {
                to_stdout(&human::build_plan(report));
            }
        } else {
            self.plan(&human::build_plan(report), asked);
        }
        0
    }

    /// Shows what was built and deployed.
    pub fn built(&self, environment: &Environment, built: &Built) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&json::built(environment, built, elapsed));
        } else {
            result_to_stdout(&human::built(environment, built, elapsed));
        }
        if built.built || !built.changes.is_empty() {
            self.line(&human::try_it(environment, &[]));
        }
        0
    }

    /// Shows what was built for this machine.
    pub fn built_locally(&self, environment: &Environment, image: &LocalImage) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&json::built_locally(environment, image, elapsed));
        } else {
            result_to_stdout(&human::built_locally(environment, image, elapsed));
        }
        self.line(&human::try_it(environment, &[("--runner", "docker")]));
        0
    }

    /// Shows what is to be deployed to the backend: on stdout if that is all that was asked for.
    pub fn restore_plan(&self, report: &RestoreReport<'_>, dry_run: bool, asked: bool) {
        self.stop();
        if !dry_run {
            self.plan(&human::restore_plan(report), asked);
        } else if self.style.json {
            document_to_stdout(&json::restore_plan(report));
        } else {
            to_stdout(&human::restore_plan(report));
        }
    }

    /// Shows the backend's service as it is: with its image back, or as it was found.
    pub fn restored(&self, environment: &Environment, service: &Service, changed: bool) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            result_document(&json::restored(environment, service, changed, elapsed));
        } else {
            result_to_stdout(&human::restored(environment, service, changed, elapsed));
            to_stderr(&human::traffic(environment, service));
        }
        0
    }

    /// Lists the doctor's checks.
    pub fn checks(&self, checks: &[&Check]) -> u8 {
        if self.style.json {
            document_to_stdout(&doctor::checks_json(checks));
        } else {
            to_stdout(&doctor::checks(checks));
        }
        0
    }

    /// Shows an execution that is over.
    pub fn explained(&self, explanation: &Explanation) {
        self.stop();
        if !self.style.json {
            to_stdout(&doctor::explanation(explanation));
        }
    }

    /// Shows what came of a check, or which are waited for.
    pub fn examined(&self, told: Told<'_>) {
        if self.style.json {
            return;
        }
        match told {
            Told::Examined(one) => {
                let mut text = doctor::examined(one, self.style.quiet);
                let heading = Some(doctor::heading(one.environment.as_deref()));
                if !text.is_empty() && self.lock().heading != heading {
                    text.insert_str(0, heading.as_deref().unwrap_or_default());
                    self.lock().heading = heading;
                }
                self.result_line(&text);
            }
            // Where no spinner can carry it, the lines that come say the same.
            Told::Waiting(ids) if !self.style.quiet && io::stderr().is_terminal() => match ids {
                [] => self.stop(),
                ids => self.doing(&human::short(&format!("looking at {}", ids.join(", ")))),
            },
            Told::Waiting(_) => {}
        }
    }

    /// Shows what a fix is about to do.
    pub fn planned_fix(&self, one: &Attempt) {
        self.stop();
        self.lock().heading = None;
        if !self.style.json {
            result_to_stdout(&doctor::planned(one));
        }
    }

    /// Shows what came of a fix.
    pub fn attempted(&self, one: &Attempt) {
        self.stop();
        if !self.style.json {
            result_to_stdout(&doctor::attempted(one));
        }
    }

    /// Shows what all checks come to; the exit code says whether something is wrong.
    pub fn diagnosis(&self, diagnosis: &Diagnosis<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let unwritten = if diagnosis.attempts.is_empty() { Unwritten::AskAgain } else { Unwritten::Result };
        let text = if self.style.json {
            json::text(&doctor::document(diagnosis, elapsed))
        } else {
            doctor::summary(diagnosis, elapsed)
        };
        stream::to_stdout(&text, unwritten);
        diagnosis.exit_code()
    }

    /// Keeps a line for the report of a failure.
    fn keep(&self, entry: LogEntry) {
        let log = &mut self.lock().log;
        if log.len() == KEPT_LINES {
            log.pop_front();
        }
        log.push_back(entry);
    }

    /// The lines that were kept, in the order they were written in.
    fn kept_log(&self) -> Vec<LogEntry> {
        let mut log = Vec::from(std::mem::take(&mut self.lock().log));
        log.sort_by_key(|entry| entry.timestamp);
        log
    }

    fn image(&self, event: BuildEvent) {
        match event {
            BuildEvent::Step { name, cached: true } if self.style.verbose => {
                self.line(&human::cached(&name));
            }
            BuildEvent::Step { cached: true, .. } => {}
            BuildEvent::Step { name, .. } => self.doing(&human::step(&name)),
            // Where there is no spinner to carry it, a step's output would drown everything else.
            BuildEvent::Output(line) if self.style.verbose => self.line(&human::output(&line)),
            BuildEvent::Output(line) => self.aside(&line),
            BuildEvent::Note(text) => self.line(&human::trouble(&text)),
            BuildEvent::Pushed { done, total } => self.aside(&human::of_bytes(done, total)),
        }
    }

    /// Shows something passing behind what is being done, where a spinner can carry it.
    fn aside(&self, text: &str) {
        let progress = self.lock();
        if let Some(spinner) = &progress.spinner {
            spinner.set_message(format!("{}  {}", progress.doing, human::short(text)));
        }
    }

    /// Lists the application's actions.
    /// With `deployed`, beside what an image has of them.
    pub fn actions(
        &self,
        application: &Application,
        actions: &Actions,
        deployed: Option<&DeployedActions<'_>>,
    ) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&actions::list_json(application, actions, deployed));
        } else {
            to_stdout(&actions::list(application, actions, deployed));
        }
        0
    }

    /// Says that actions fit, and what was tried.
    pub fn actions_checked(&self, checked: &Checked<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&actions::checked_json(checked));
        } else {
            to_stdout(&actions::checked(checked));
        }
        0
    }

    /// Says what came of golden cases; returns the exit code.
    pub fn actions_tested(&self, tested: &Tested<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&cases::tested_json(tested));
        } else {
            to_stdout(&cases::tested(tested));
        }
        tested.exit_code()
    }

    /// Shows the list of environments.
    pub fn environments(&self, path: &Path, environments: &[Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&json::environments(path, environments));
        } else {
            to_stdout(&human::environments(path, environments));
        }
        0
    }

    /// Says which environments tasks may be sent to from now on.
    pub fn confirmed(&self, path: &Path, environments: &[&Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&json::confirmed(path, environments));
        } else {
            to_stdout(&[human::confirmed(path, environments), actions::confirmed(environments)].concat());
        }
        0
    }

    /// Prints a script for a shell.
    pub fn script(&self, script: &str) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "script": script}));
        } else {
            to_stdout(script);
        }
        0
    }

    /// Answers a shell that completes a command line. It would show an error in the middle of what is
    /// being typed: it gets nothing, and the exit code.
    pub fn completed(&self, answer: Result<String, CliError>) -> u8 {
        self.stop();
        match answer {
            Ok(text) => {
                stream::answer(&text);
                0
            }
            Err(error) => error.code.code(),
        }
    }

    /// Says which manual pages were written.
    pub fn manual(&self, folder: &Path, pages: &[String]) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "folder": json::path(folder), "pages": pages}));
        } else {
            let folder = paint::clean(&folder.display().to_string());
            to_stdout(&format!("wrote {} pages to {folder}\n", pages.len()));
        }
        0
    }

    fn doing(&self, what: &str) {
        if self.style.json || self.style.quiet {
            return;
        }
        // A line of its own, in which names of others may stand.
        let what = &*paint::clean(what);
        let mut progress = self.lock();
        if progress.doing == what {
            return;
        }
        what.clone_into(&mut progress.doing);
        if io::stderr().is_terminal() {
            let spinner = progress.spinner.get_or_insert_with(spinner);
            spinner.set_message(what.to_owned());
        } else {
            to_stderr(&format!("{what} ({})\n", human::seconds(progress.started.elapsed())));
        }
    }

    /// A plan, which goes to stderr like everything before the result.
    fn plan(&self, text: &str, asked: bool) {
        if asked {
            to_stderr(text);
        } else {
            self.line(text);
        }
    }

    /// A line above the spinner.
    fn line(&self, text: &str) {
        if self.style.json || self.style.quiet || text.is_empty() {
            return;
        }
        let spinner = self.lock().spinner.clone();
        match spinner {
            Some(spinner) => spinner.suspend(|| to_stderr(text)),
            None => to_stderr(text),
        }
    }

    /// A part of the result, above the spinner.
    fn result_line(&self, text: &str) {
        let spinner = self.lock().spinner.clone();
        match spinner {
            Some(spinner) => spinner.suspend(|| to_stdout(text)),
            None => to_stdout(text),
        }
    }

    /// The spinner goes: what follows is final.
    fn stop(&self) {
        if let Some(spinner) = self.lock().spinner.take() {
            spinner.finish_and_clear();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // A panic while holding it leaves nothing half done that matters here.
        self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(feature = "local")]
impl Reporter {
    /// Shows what the embedded environment holds. `refused` is why it is not started, where it would not be.
    pub fn local_status(
        &self,
        status: &quill_admin_local::Status,
        contents: Option<quill_admin_local::Contents>,
        refused: Option<&CliError>,
    ) -> u8 {
        self.stop();
        if self.style.json {
            let mut document = json::local_status(status, contents);
            document["problem"] =
                json!(refused.map(|error| json!({"messages": error.messages, "hints": error.hints})));
            document_to_stdout(&document);
        } else {
            to_stdout(&human::local_status(status, contents));
            if let Some(refused) = refused {
                to_stderr(&human::error(refused));
            }
        }
        0
    }

    /// Says, before it is done, what is about to be deleted; `bytes` where its size could be told.
    pub fn local_resetting(&self, state: &Path, bytes: Option<u64>) {
        match bytes {
            Some(0) => {}
            Some(bytes) => {
                let size = indicatif::DecimalBytes(bytes);
                self.line(&format!("deleting what is in {}, {size}\n", state.display()));
            }
            None => self.line(&format!("deleting what is in {}\n", state.display())),
        }
    }

    /// Says that the embedded environment's state was deleted.
    pub fn local_reset(&self, state: &Path, existed: bool) -> u8 {
        if self.style.json {
            result_document(&json!({"exit_code": 0, "state": json::path(state), "deleted": existed}));
        } else if existed {
            result_to_stdout(&format!("deleted {}\n", paint::clean(&state.display().to_string())));
        } else {
            to_stdout(&format!(
                "nothing to delete: {} does not exist\n",
                paint::clean(&state.display().to_string())
            ));
        }
        0
    }

    /// Says where the embedded environment listens. With `--json` this is one line, at once, so
    /// that a program that waits for it can read it.
    pub fn local_serving(&self, endpoint: &str, database_url: &str, control_token: &str) {
        self.stop();
        if self.style.json {
            let document = json!({
                "endpoint": endpoint,
                "database_url": database_url,
                "control_token": control_token,
            });
            to_stdout(&json::line(&document));
        } else {
            to_stdout(&format!(
                "emulator  {endpoint}\ndatabase  {database_url}\ncontrol   {control_token}\n"
            ));
            self.line("until Ctrl-C\n");
        }
    }
}

fn spinner() -> ProgressBar {
    // Drawn rarely: this may run over a slow line.
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// The exit code of a program that would end with `code`, now that everything has been written: what could
/// not be written to stdout is no success.
#[must_use]
pub fn end(code: u8) -> u8 {
    stream::end(code)
}

/// What clap has to say: help and version are answers, everything else is a refusal. Both may quote an
/// argument, in which nothing may reach the terminal as it is.
pub fn clap(mut error: clap::Error) {
    let quoted: Vec<(ContextKind, ContextValue)> =
        error.context().filter_map(|(kind, value)| Some((kind, quoted(value)?))).collect();
    if !quoted.is_empty() {
        // Its advice repeats the argument among styles of its own, from which it cannot be told.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    let text = paint::from_ansi(&error.render().ansi().to_string());
    if error.use_stderr() {
        to_stderr(&text);
    } else {
        to_stdout(&text);
    }
}

/// What clap quotes, with its escape for everything in it that is not seen; `None` where there is nothing
/// like that.
fn quoted(value: &ContextValue) -> Option<ContextValue> {
    let hides = |text: &String| paint::clean(text) != *text;
    match value {
        ContextValue::String(text) if hides(text) => Some(ContextValue::String(paint::clean(text))),
        ContextValue::Strings(texts) if texts.iter().any(hides) => {
            Some(ContextValue::Strings(texts.iter().map(|text| paint::clean(text)).collect()))
        }
        _ => None,
    }
}

/// What can be asked for again.
fn document_to_stdout(document: &Value) {
    to_stdout(&json::text(document));
}

/// What came of a command that is not run again to hear it.
fn result_document(document: &Value) {
    result_to_stdout(&json::text(document));
}

/// What can be asked for again.
fn to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::AskAgain);
}

/// What came of a command that is not run again to hear it.
fn result_to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::Result);
}
