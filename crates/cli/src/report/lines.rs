//! Pieces of text for people that several reports use.
//!
//! To add a piece of text: a function here, once a second report needs it.

use std::fmt::Write as _;
use std::time::Duration;

use quill_admin_cloud::{ExecutionName, LogEntry, Severity};
use quill_admin_operations::config::Environment;
use quill_admin_operations::error::CliError;

use super::field::field;
use super::paint::{Paint, clean, style};
use super::symbols;
use crate::{quotes, wrap};

/// A message of this program or of the file of actions, made safe for a terminal, with symbols that it can show and
/// with the quotes that all messages have.
pub(super) fn said(text: &str) -> String {
    quotes::doubled(&symbols::in_message(&clean(text)))
}

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
        let bar = style(symbols::BAR).dim();
        let _ = writeln!(lines, "  {bar} {time}{}", paint.apply_to(clean(line)));
    }
    lines
}

/// Lines of the log that were not shown when they came.
pub(super) fn log(log: &[LogEntry]) -> String {
    log.iter().map(|entry| log_line(entry, false)).collect()
}

pub(super) fn detail(what: &str) -> String {
    format!("{}\n", style(said(what)).dim())
}

pub(super) fn trouble(what: &str) -> String {
    format!("{} {}\n", style("note:").yellow(), said(what))
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
    let _ = writeln!(text, "{} {}", style("error:").red().bold(), said(message));
}

pub(super) fn hint_line(text: &mut String, hint: &str) {
    let _ = writeln!(text, "{} {}", style(" next:").cyan(), said(hint));
}

/// A warning on its own.
pub(super) fn warned(message: &str) -> String {
    let mut text = String::new();
    warning_line(&mut text, message);
    text
}

pub(super) fn warning_line(text: &mut String, message: &str) {
    let _ = writeln!(text, "{} {}", style("warning:").yellow().bold(), said(message));
}

/// A line that another program printed.
pub(super) fn output(line: &str) -> String {
    let bar = style(symbols::BAR).dim();
    format!("  {bar} {}\n", clean(line))
}

/// Shortens a text to one line of a terminal's width.
pub(super) fn short(text: &str) -> String {
    const WIDTH: usize = 100;
    let line = clean(text);
    if line.chars().count() <= WIDTH {
        return line;
    }
    let more = symbols::MORE.text();
    line.chars().take(WIDTH - more.chars().count()).chain(more.chars()).collect()
}

pub(super) fn of_bytes(done: u64, total: u64) -> String {
    format!("{} of {}", indicatif::DecimalBytes(done), indicatif::DecimalBytes(total))
}

/// A bar of how many of all rows have come, and their numbers. It is in ASCII, which every terminal shows.
pub(super) fn bar(come: u64, of: u64) -> String {
    const WIDTH: u64 = 20;
    let filled = come.min(of).saturating_mul(WIDTH).checked_div(of).unwrap_or_default();
    let part = |letter: &str, count: u64| letter.repeat(usize::try_from(count).unwrap_or_default());
    format!("[{}{}] {come} of {of} rows", part("#", filled), part(".", WIDTH - filled))
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

/// Adds a text behind `prefix`, whose width is `indent`; further lines begin below the text. Words are kept whole.
/// Without `columns` the text stays on one line: then it goes to no terminal.
pub(super) fn flow(text: &mut String, columns: Option<usize>, indent: usize, prefix: &str, content: &str) {
    let lines = wrap::room(columns, indent)
        .map_or_else(|| vec![content.to_owned()], |room| wrap::lines(content, room));
    let _ = writeln!(text, "{prefix}{}", lines.join(&format!("\n{}", " ".repeat(indent))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_flows_in_its_columns_and_not_without_a_terminal() {
        let shown = |columns| {
            let mut text = String::new();
            flow(&mut text, columns, 4, "  ! ", "the job runs an image that nobody knows");
            text
        };
        assert_eq!(shown(None), "  ! the job runs an image that nobody knows\n");
        assert_eq!(shown(Some(80)), shown(None));
        assert_eq!(shown(Some(26)), "  ! the job runs an image\n    that nobody knows\n");
        assert_eq!(shown(Some(10)), shown(None), "too narrow to be read");
    }
}
