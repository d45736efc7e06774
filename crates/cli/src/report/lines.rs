//! Pieces of text for people that several reports use.

use std::fmt::Write as _;
use std::time::Duration;

use quill_admin_cloud::{ExecutionName, LogEntry, Severity};
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;

use super::field::field;
use super::paint::{Paint, clean, style};

pub(super) fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
}

pub(super) fn log_line(entry: &LogEntry, verbose: bool) -> String {
    let paint = match entry.severity {
        Severity::Info => Paint::new(),
        Severity::Warning => Paint::new().yellow(),
        Severity::Error => Paint::new().red(),
    };
    let time = if verbose { format!("{:.3} ", entry.timestamp) } else { String::new() };
    let mut lines = String::new();
    for line in entry.message.lines() {
        let bar = style("│").dim();
        let _ = writeln!(lines, "  {bar} {time}{}", paint.apply_to(clean(line)));
    }
    lines
}

/// Lines of the log that were not shown when they came.
pub(super) fn log(log: &[LogEntry]) -> String {
    log.iter().map(|entry| log_line(entry, false)).collect()
}

pub(super) fn detail(what: &str) -> String {
    format!("{}\n", style(clean(what)).dim())
}

pub(super) fn trouble(what: &str) -> String {
    format!("{} {}\n", style("note:").yellow(), clean(what))
}

pub(super) fn waiting(what: &str) -> String {
    format!("{}\n", clean(what))
}

pub(super) fn error(error: &CliError) -> String {
    let mut text = String::new();
    for line in &error.output {
        text.push_str(&output(line));
    }
    for message in &error.messages {
        problem(&mut text, message);
    }
    for hint in &error.hints {
        hint_line(&mut text, hint);
    }
    text
}

pub(super) fn problem(text: &mut String, message: &str) {
    let _ = writeln!(text, "{} {}", style("error:").red().bold(), clean(message));
}

pub(super) fn hint_line(text: &mut String, hint: &str) {
    let _ = writeln!(text, "{} {}", style(" next:").cyan(), clean(hint));
}

/// A warning on its own.
pub(super) fn warned(message: &str) -> String {
    let mut text = String::new();
    warning_line(&mut text, message);
    text
}

pub(super) fn warning_line(text: &mut String, message: &str) {
    let _ = writeln!(text, "{} {}", style("warning:").yellow().bold(), clean(message));
}

/// A line that another program printed.
pub(super) fn output(line: &str) -> String {
    let bar = style("│").dim();
    format!("  {bar} {}\n", clean(line))
}

/// Shortens a text to one line of a terminal's width.
pub(super) fn short(text: &str) -> String {
    const WIDTH: usize = 100;
    let line = clean(text);
    if line.chars().count() <= WIDTH {
        return line;
    }
    line.chars().take(WIDTH - 1).chain(['…']).collect()
}

pub(super) fn of_bytes(done: u64, total: u64) -> String {
    format!("{} of {}", indicatif::DecimalBytes(done), indicatif::DecimalBytes(total))
}

/// Names the settings file, where it is not in the working folder itself.
pub(super) fn settings(text: &mut String, environment: &Environment) {
    if let Some(file) = environment.source.elsewhere() {
        field(text, "settings", &file.display().to_string());
    }
}

/// The texts about a task, by the stream that they go to.
#[derive(Default)]
pub(super) struct TaskText {
    /// The reasons why it failed, for stderr.
    pub(super) problems: String,
    /// Its result, for stdout.
    pub(super) result: String,
    /// Warnings, for stderr. They come last, so that they are noticed.
    pub(super) warnings: String,
}

pub(super) fn started(execution: &ExecutionName) -> String {
    format!(
        "{} {} in {}, {}\n",
        style("execution").bold(),
        clean(&execution.id),
        execution.job.project,
        execution.job.region
    )
}
