//! The reporter: it shows events as they come, and has what every report needs.
//!
//! It owns the spinner, the clock, and the log lines that are kept to explain a failure. The results
//! themselves are shown by methods in the other files of this folder. To add an event: its arm in
//! [`Reporter::event`].

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use indicatif::ProgressBar;
use quill_admin_cloud::{LogEntry, Phase};
use quill_admin_contract::Password;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use serde_json::json;

use super::folded::Folded;
use super::output::{document_to_stdout, to_stdout};
use super::spinner::{self, spinner};
use super::stream::{self, Unwritten, to_stderr};
use super::style::Style;
use super::{document, lines, paint};

/// The number of log lines that are kept to explain a failure.
const KEPT_LINES: usize = 100;

/// Shows events as they come, and the result at the end.
pub struct Reporter {
    pub(super) style: Style,
    pub(super) progress: Mutex<Progress>,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

/// The state of the work in progress.
pub(super) struct Progress {
    /// The time at which the work began, which is after a person has answered the questions.
    pub(super) started: Instant,
    spinner: Option<ProgressBar>,
    doing: String,
    /// The texts that came while a question is open, and are shown afterwards: they would stand in the middle of the
    /// answer. `None` while no question is open.
    held: Option<Vec<String>>,
    /// A password that was made here, for the one document of `--json`.
    pub(super) generated_password: Option<Password>,
    /// The last lines of the container's log, where they are not shown as they come.
    log: VecDeque<LogEntry>,
    /// The heading above the doctor's last line.
    pub(super) heading: Option<String>,
    /// The doctor's lines that are shown together, below the others of their heading.
    pub(super) folded: Vec<Folded>,
    /// Whether an error has been shown. Ctrl-C at a question is noticed in two places, and is shown once.
    told: bool,
}

impl Reporter {
    /// Makes a reporter whose clock starts now.
    #[must_use]
    pub fn new(style: Style) -> Self {
        let progress = Progress {
            started: Instant::now(),
            spinner: None,
            doing: String::new(),
            held: None,
            generated_password: None,
            log: VecDeque::new(),
            heading: None,
            folded: Vec::new(),
            told: false,
        };
        Self { style, progress: Mutex::new(progress) }
    }

    /// Restarts the clock, after all questions have been answered.
    pub fn begin(&self) {
        self.lock().started = Instant::now();
    }

    /// Shows an event.
    pub fn event(&self, event: Event) {
        match event {
            Event::Doing(what) => self.doing(what),
            Event::Waiting(what) => {
                // The whole line is shown, which may be longer than the one of the spinner; also where nothing else
                // is, so that no wait is without a word.
                self.urgent(&lines::waiting(&what));
                self.doing("waiting");
            }
            Event::Image(event) => self.image(event),
            Event::Detail(what) if self.style.verbose => self.line(&lines::detail(&what)),
            Event::Detail(_) => {}
            Event::Started(execution) => self.line(&lines::started(&execution)),
            Event::Phase(Phase::Queued) => self.doing("queued"),
            Event::Phase(Phase::Provisioning) => self.doing("preparing the container"),
            Event::Phase(Phase::Running) => self.doing("running"),
            Event::Phase(Phase::Ended(_)) => self.doing("reading the result"),
            Event::Log(entry) if self.style.json || self.style.quiet => self.keep(entry),
            Event::Log(entry) => self.line(&lines::log_line(&entry, self.style.verbose)),
            Event::Hashed { done, of } => self.counted(Some("hashing the passwords"), done, of),
            Event::Rows { come, of } => self.counted(None, come, of),
            Event::Trouble(what) => self.line(&lines::trouble(&what)),
        }
    }

    /// Shows a question in the middle of work; the answer is read elsewhere. Everything else waits for
    /// [`Self::answered`].
    pub fn question(&self, text: &str) {
        self.stop();
        let mut progress = self.lock();
        progress.doing.clear();
        progress.held.get_or_insert_default();
        to_stderr(&format!("\n{text}"));
    }

    /// Ends the line of a question that was left without an answer.
    pub fn end_line(&self) {
        to_stderr("\n");
    }

    /// Shows what has waited for the answer to a question.
    pub fn answered(&self) {
        let held = self.lock().held.take();
        held.iter().flatten().for_each(|text| self.urgent(text));
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
                let mut document = document::error(error);
                if !log.is_empty() {
                    document["log"] = document::log(&log);
                }
                if let Some(password) = &progress.generated_password {
                    document["generated_password"] = json!(password.expose());
                }
                let unwritten = match &progress.generated_password {
                    Some(_) => Unwritten::Secret,
                    None => Unwritten::Failure,
                };
                stream::to_stdout(&document::text(&document), unwritten);
            } else {
                to_stderr(&lines::log(&log));
                to_stderr(&lines::error(error));
            }
        }
        error.code.code()
    }

    /// Shows the error of a person who has pressed Ctrl-C at a question, or while something was made ready; returns
    /// the exit code. It begins on a line of its own, and not behind a half-typed answer.
    pub fn interrupted(&self, error: &CliError) -> u8 {
        match self.lock().spinner.take() {
            Some(spinner) => spinner.finish_and_clear(),
            None => to_stderr("\n"),
        }
        self.error(error)
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

    /// Answers a shell that completes a command line. A shell would show an error in the middle of the line
    /// that is being typed, so it gets only the exit code.
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

    /// Reports which manual pages were written.
    pub fn manual(&self, folder: &Path, pages: &[String]) -> u8 {
        if self.style.json {
            document_to_stdout(&json!({"exit_code": 0, "folder": document::path(folder), "pages": pages}));
        } else {
            let folder = paint::clean(&folder.display().to_string());
            to_stdout(&format!("wrote {} pages to {folder}\n", pages.len()));
        }
        0
    }

    /// Keeps a line for the report of a failure.
    pub(super) fn keep(&self, entry: LogEntry) {
        let log = &mut self.lock().log;
        if log.len() == KEPT_LINES {
            log.pop_front();
        }
        log.push_back(entry);
    }

    /// The lines that were kept, in the order of their times.
    pub(super) fn kept_log(&self) -> Vec<LogEntry> {
        let mut log = Vec::from(std::mem::take(&mut self.lock().log));
        log.sort_by_key(|entry| entry.timestamp);
        log
    }

    /// Shows a passing text after the current step, where there is a spinner.
    pub(super) fn aside(&self, text: &str) {
        let progress = self.lock();
        if let Some(spinner) = &progress.spinner {
            spinner.set_message(format!("{}  {}", progress.doing, lines::short(text)));
        }
    }

    pub(super) fn doing(&self, what: &str) {
        if self.style.json || self.style.quiet {
            return;
        }
        // It is a line of its own, in which names of others may stand.
        let what = &*paint::clean(what);
        let mut progress = self.lock();
        if progress.doing == what {
            return;
        }
        if progress.held.is_some() {
            return;
        }
        what.clone_into(&mut progress.doing);
        if spinner::is_possible() {
            let spinner = progress.spinner.get_or_insert_with(spinner);
            spinner.set_message(what.to_owned());
        } else {
            to_stderr(&format!("{what} ({})\n", lines::seconds(progress.started.elapsed())));
        }
    }

    /// Shows how far a step has come, where there is a spinner: one beside the current one, or that.
    fn counted(&self, beside: Option<&str>, done: u64, of: u64) {
        let progress = self.lock();
        let Some(spinner) = &progress.spinner else { return };
        match beside {
            Some(_) if done == of => spinner.set_message(progress.doing.clone()),
            step => {
                let step = step.unwrap_or(&progress.doing);
                spinner.set_message(format!("{step}  {}", lines::bar(done, of)));
            }
        }
    }

    /// Whether the result is one JSON document.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.style.json
    }

    /// Shows a plan, which goes to stderr like everything before the result.
    pub(super) fn plan(&self, text: &str, asked: bool) {
        if asked {
            to_stderr(text);
        } else {
            self.line(text);
        }
    }

    /// Shows a line above the spinner.
    pub(super) fn line(&self, text: &str) {
        if !(self.style.json || self.style.quiet || text.is_empty()) {
            self.urgent(text);
        }
    }

    /// Shows a line above the spinner, whatever else is shown.
    fn urgent(&self, text: &str) {
        let spinner = {
            let mut progress = self.lock();
            if let Some(held) = &mut progress.held {
                held.push(text.to_owned());
                return;
            }
            progress.spinner.clone()
        };
        match spinner {
            Some(spinner) => spinner.suspend(|| to_stderr(text)),
            None => to_stderr(text),
        }
    }

    /// Shows a part of the result, above the spinner.
    pub(super) fn result_line(&self, text: &str) {
        let spinner = self.lock().spinner.clone();
        match spinner {
            Some(spinner) => spinner.suspend(|| to_stdout(text)),
            None => to_stdout(text),
        }
    }

    /// Removes the spinner: the lines after it are final.
    pub(super) fn stop(&self) {
        self.answered();
        if let Some(spinner) = self.lock().spinner.take() {
            spinner.finish_and_clear();
        }
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // A panic while it is held leaves nothing half done that matters here.
        self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
