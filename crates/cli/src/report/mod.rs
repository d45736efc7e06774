//! The only code that writes to the terminal.
//!
//! Results go to stdout, everything on the way there (progress, the container's log, warnings,
//! errors) to stderr. With `--json` stdout is one document, whatever happens.

mod doctor;
mod human;
mod json;

use std::collections::{BTreeSet, VecDeque};
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use quill_admin_cloud::{ExecutionName, LogEntry, PERMISSIONS, Permission, Phase, Purpose, Service, SignIn};
use quill_admin_contract::{ExitCode, Password, Request, RequestId, Username};
use quill_admin_image::{BuildEvent, Engine, LocalImage};
use serde_json::{Value, json};

use crate::config::{Backend, Environment};
use crate::doctor::check::Check;
use crate::doctor::explain::Explanation;
use crate::doctor::run::Told;
use crate::doctor::treatment::Treated;
use crate::error::CliError;
use crate::events::Event;
use crate::flow::build::{Built, Plan};
use crate::flow::conclusion::Run;
use crate::flow::fit::JobImage;
use crate::flow::history::PastRun;
use crate::flow::restore::{Candidate, Found};
use crate::hints;
pub use doctor::Diagnosis;

/// How much is shown, and in which form.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// One JSON document instead of text.
    pub json: bool,
    /// Results, warnings and errors only.
    pub quiet: bool,
    /// More than usual.
    pub verbose: bool,
}

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

/// Everything about a task that was run.
pub struct TaskReport<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// About whom.
    pub username: Option<&'a Username>,
    /// Under which id, where it has one.
    pub request_id: Option<RequestId>,
    /// How it went.
    pub run: &'a Run,
    /// To be shown once if it may have been set.
    pub generated_password: Option<&'a Password>,
}

/// What is about to be done to whom.
pub struct TaskPlan<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// As whom, where that is known.
    pub account: Option<&'a str>,
    /// What runs it.
    pub image: &'a JobImage,
    /// What is asked for.
    pub request: &'a Request,
}

/// A plan, ready to be shown once it has been checked.
pub struct ShownPlan(String);

/// Who calls in an environment, and what it may do there.
pub struct WhoamiReport<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// The account, where it is known.
    pub account: Option<&'a str>,
    /// The sign-in, where one is used.
    pub sign_in: Option<&'a SignIn>,
    /// Those of [`PERMISSIONS`] that are there; `None` where nobody asks for any.
    pub granted: Option<&'a BTreeSet<&'static str>>,
}

impl WhoamiReport<'_> {
    /// The permissions, each with whether it is there.
    fn permissions(&self) -> impl Iterator<Item = (&'static Permission, bool)> {
        let granted = self.granted;
        let has_lock = self.environment.state_lock.is_some();
        PERMISSIONS
            .iter()
            .filter(move |permission| has_lock || !permission.is_of_bucket())
            .filter_map(move |permission| Some((permission, granted?.contains(permission.name))))
    }

    /// Those missing without which no task can be run.
    fn missing(&self) -> Vec<&'static Permission> {
        self.permissions()
            .filter(|(permission, there)| permission.purpose == Purpose::Tasks && !there)
            .map(|(permission, _)| permission)
            .collect()
    }

    /// What an administrator has to type to give them.
    fn hints(&self) -> Vec<String> {
        let roles: BTreeSet<&str> = self.missing().iter().map(|permission| permission.role).collect();
        let caller = self.sign_in.and_then(SignIn::acts_as).or(self.account).unwrap_or("ACCOUNT");
        roles
            .into_iter()
            .map(|role| hints::grant(self.environment.job.project.as_str(), caller, role))
            .collect()
    }

    fn exit_code(&self) -> u8 {
        if self.missing().is_empty() { 0 } else { ExitCode::PermissionDenied.code() }
    }
}

/// Everything about an image that is to go back to the backend.
pub struct RestoreReport<'a> {
    /// Where.
    pub environment: &'a Environment,
    /// What it is there.
    pub backend: &'a Backend,
    /// What was found out.
    pub found: &'a Found,
    /// What is to be deployed.
    pub candidate: &'a Candidate,
}

/// Everything about an image that is to be built.
pub struct BuildReport<'a> {
    /// For where.
    pub environment: &'a Environment,
    /// What is to be done.
    pub plan: &'a Plan,
    /// What builds, where something is to be built: or why nothing can.
    pub engine: Option<&'a Result<Engine, CliError>>,
}

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
    pub fn task_plan(&self, plan: &TaskPlan<'_>) {
        self.stop();
        self.line(&human::task_plan(plan));
    }

    /// What a dry run says, if it turns out well.
    #[must_use]
    pub fn prepare_plan(&self, plan: &TaskPlan<'_>) -> ShownPlan {
        ShownPlan(if self.style.json {
            format!("{:#}\n", json::task_plan(plan))
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
    pub fn history(&self, environment: &Environment, runs: &[PastRun]) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&json::history(environment, runs));
        } else {
            to_stdout(&human::history(environment, runs));
        }
        0
    }

    /// Shows what came of a task; returns the exit code.
    pub fn task(&self, report: &TaskReport<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let code = report.run.conclusion.exit_code();
        let log = self.kept_log();
        let password = report.generated_password.filter(|_| report.run.conclusion.may_be_done());
        if self.style.json {
            document_to_stdout(&json::task(report, &log, password, elapsed));
            return code;
        }
        let text = human::task(report, &log, elapsed, self.style);
        to_stderr(&text.problems);
        to_stdout(&text.result);
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
            to_stdout(&human::generated_password(password));
        }
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
                document_to_stdout(&document);
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
            document_to_stdout(&json!({"exit_code": 0, "account": account}));
        } else {
            to_stdout(&human::signed_in(account));
        }
        0
    }

    /// Shows what is to be built and changed: on stdout if that is all that was asked for.
    pub fn build_plan(&self, report: &BuildReport<'_>, dry_run: bool) -> u8 {
        self.stop();
        if dry_run {
            if self.style.json {
                document_to_stdout(&json::build_plan(report));
            } else {
                to_stdout(&human::build_plan(report));
            }
        } else {
            self.line(&human::build_plan(report));
        }
        0
    }

    /// Shows what was built and deployed.
    pub fn built(&self, environment: &Environment, built: &Built) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            document_to_stdout(&json::built(environment, built, elapsed));
        } else {
            to_stdout(&human::built(environment, built, elapsed));
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
            document_to_stdout(&json::built_locally(environment, image, elapsed));
        } else {
            to_stdout(&human::built_locally(environment, image, elapsed));
        }
        self.line(&human::try_it(environment, &[("--runner", "docker")]));
        0
    }

    /// Shows what is to be deployed to the backend: on stdout if that is all that was asked for.
    pub fn restore_plan(&self, report: &RestoreReport<'_>, dry_run: bool) {
        self.stop();
        if !dry_run {
            self.line(&human::restore_plan(report));
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
            document_to_stdout(&json::restored(environment, service, changed, elapsed));
        } else {
            to_stdout(&human::restored(environment, service, changed, elapsed));
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

    /// Shows what a treatment is about to do.
    pub fn treatment(&self, one: &Treated) {
        self.stop();
        self.lock().heading = None;
        if !self.style.json {
            to_stdout(&doctor::treatment(one));
        }
    }

    /// Shows what came of a treatment.
    pub fn treated(&self, one: &Treated) {
        self.stop();
        if !self.style.json {
            to_stdout(&doctor::treated(one));
        }
    }

    /// Shows what all checks come to; the exit code says whether something is wrong.
    pub fn diagnosis(&self, diagnosis: &Diagnosis<'_>) -> u8 {
        self.stop();
        let elapsed = self.lock().started.elapsed();
        if self.style.json {
            document_to_stdout(&doctor::document(diagnosis, elapsed));
        } else {
            to_stdout(&doctor::summary(diagnosis, elapsed));
        }
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

    /// Shows the list of environments.
    pub fn environments(&self, path: &Path, environments: &[Environment]) -> u8 {
        if self.style.json {
            document_to_stdout(&json::environments(path, environments));
        } else {
            to_stdout(&human::environments(path, environments));
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
                to_stdout(&text);
                0
            }
            Err(error) => error.code.code(),
        }
    }

    /// Says which manual pages were written.
    pub fn manual(&self, folder: &Path, pages: &[String]) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "folder": folder, "pages": pages}));
        } else {
            to_stdout(&format!("wrote {} pages to {}\n", pages.len(), folder.display()));
        }
        0
    }

    fn doing(&self, what: &str) {
        if self.style.json || self.style.quiet {
            return;
        }
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
    /// Shows what the embedded environment holds.
    pub fn local_status(
        &self,
        status: &quill_admin_local::Status,
        contents: Option<quill_admin_local::Contents>,
    ) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&json::local_status(status, contents));
        } else {
            to_stdout(&human::local_status(status, contents));
        }
        0
    }

    /// Says that the embedded environment's state was deleted.
    pub fn local_reset(&self, state: &Path, existed: bool) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "state": state, "deleted": existed}));
        } else if existed {
            to_stdout(&format!("deleted {}\n", state.display()));
        } else {
            to_stdout(&format!("nothing to delete: {} does not exist\n", state.display()));
        }
        0
    }

    /// Says where the embedded environment listens. With `--json` this is one line, at once, so
    /// that a program that waits for it can read it.
    pub fn local_serving(&self, endpoint: &str, database_url: &str) {
        self.stop();
        if self.style.json {
            to_stdout(&format!("{}\n", json!({"endpoint": endpoint, "database_url": database_url})));
        } else {
            to_stdout(&format!("emulator  {endpoint}\ndatabase  {database_url}\n"));
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

fn document_to_stdout(document: &Value) {
    to_stdout(&format!("{document:#}\n"));
}

/// Writes and flushes. A reader that has gone away (`| head`) is no reason to fail: the exit code
/// tells the result.
fn to_stdout(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn to_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
