//! The doctor's report, as text and as a document.
//!
//! To add a field of the document: its line in [`FIELDS`], and its value in the functions that end with
//! `_json`; a test compares the two.

use std::fmt::Write as _;
use std::time::Duration;

use quill_admin_contract::variable::{self, Variable};
use quill_admin_doctor::attempt::{Attempt, Outcome};
use quill_admin_doctor::catalogue;
use quill_admin_doctor::check::Check;
use quill_admin_doctor::explain::Explanation;
use quill_admin_doctor::finding::{Finding, Report, Severity};
use quill_admin_doctor::pages;
use quill_admin_doctor::run::{self, Examined, Health, Progress, Verdict};
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;
use serde_json::{Value, json};

use super::document;
use super::field::field;
use super::folded::{self, Folded};
use super::lines::{self, said, seconds};
use super::output::{document_to_stdout, result_to_stdout, to_stdout};
use super::page;
use super::paint::{self, Painted, clean, style};
use super::reporter::Reporter;
use super::spinner;
use super::stream::{self, Unwritten};
use super::symbols::{self, Symbol};
use crate::{home, wrap};

/// The results of a run of the doctor.
#[derive(Debug)]
pub struct Diagnosis<'a> {
    /// The result of each check, in the catalogue's order.
    pub examined: &'a [Examined],
    /// The execution that is explained, where one was named.
    pub explanation: Option<&'a Explanation>,
    /// The fixes that were offered, with their outcomes.
    pub attempts: &'a [Attempt],
    /// Whether `--fix` was given.
    pub fix: bool,
}

impl Diagnosis<'_> {
    /// The exit code of the program.
    pub(super) fn exit_code(&self) -> u8 {
        run::exit_code(self.examined)
    }

    fn count(&self, health: Health) -> usize {
        self.examined.iter().filter(|one| one.verdict.health() == health).count()
    }
}

/// The version of the document. It goes up when a field is removed or gets another meaning.
const SCHEMA: u32 = 1;

/// The fields of the document and their meanings; a test compares them with the document.
pub(super) const FIELDS: &[(&str, &str)] = &[
    ("exit_code", "0, 30 or 31: how the program ends"),
    ("schema", "the version of this document, 1; it goes up when a field goes or means something else"),
    ("checks", "what came of each check, in the order of this page, once for every environment"),
    ("checks[].id", "the check"),
    ("checks[].title", "what it looks at, in words"),
    ("checks[].scope", "`machine`, `environment` or `repository`"),
    ("checks[].environment", "the environment it looked at, or null"),
    ("checks[].result", "`healthy`, `warning`, `problem`, `undecided` or `skipped`"),
    ("checks[].note", "what there is, in words, or null"),
    (
        "checks[].cause",
        "what could not be decided, and why, also beside findings; skipped: why, where no other check is the reason",
    ),
    ("checks[].advice", "what to do about that which could not be decided"),
    ("checks[].needs", "skipped: the check that is the reason, or null"),
    ("checks[].seconds", "how long it took"),
    ("checks[].help", "the section of the guide, from the root of the repository"),
    ("checks[].findings", "what is wrong"),
    ("checks[].findings[].severity", "`warning` or `problem`"),
    ("checks[].findings[].what", "what, in one sentence"),
    ("checks[].findings[].why", "what follows from it"),
    ("checks[].findings[].since", "since when, RFC 3339, or null"),
    ("checks[].findings[].evidence", "lines that prove it"),
    ("checks[].findings[].advice", "what to type, or to whom to turn"),
    ("checks[].findings[].fix", "what `--fix` can do, or null"),
    ("checks[].findings[].fix.id", "the fix"),
    ("checks[].findings[].fix.summary", "what it does, in words"),
    ("fixes", "with `--fix`: the fixes that were tried; `checks` is how it was afterwards"),
    ("fixes[].id", "the fix"),
    ("fixes[].check", "the check whose finding it is for"),
    ("fixes[].summary", "what it does, in words"),
    ("fixes[].plan", "what it was to do, line by line"),
    ("fixes[].outcome", "`done`, `failed`, `declined`, `refused` (without `--force`) or `dry_run`"),
    ("fixes[].message", "more about that"),
    ("fixes[].advice", "what to do now"),
    ("after", "with `--after`: the execution that is explained, or null"),
    ("after.execution", "its name"),
    ("after.action", "what was asked for, or null"),
    ("after.user", "about whom, or null"),
    ("after.actor", "who asked, as the request says: recorded, never trusted"),
    ("after.reason", "why, as the request says"),
    ("after.origin", "which run of a pipeline asked, as the request says, or null"),
    ("after.account", "the account that started it, as Cloud Run says"),
    ("after.created", "when it was asked for, RFC 3339"),
    ("after.started", "when it started"),
    ("after.completed", "when it ended"),
    ("after.image", "the image it ran"),
    (
        "after.ending",
        "how it ended: `reported`, `silent`, `contradicted`, `unknown`, `unclear`, `never_started`, `cancelled`, \
         `timed_out` or `killed`",
    ),
    ("after.proven", "whether its result is proven"),
    ("after.exit_code", "what the command that ran it ended with"),
    ("after.what", "how it ended, in one sentence"),
    ("after.log", "the lines it printed"),
    ("after.system_log", "the lines of Cloud Run itself"),
    ("elapsed_seconds", "how long all of it took"),
];

pub(super) fn document(diagnosis: &Diagnosis<'_>, elapsed: Duration) -> Value {
    json!({
        "exit_code": diagnosis.exit_code(),
        "schema": SCHEMA,
        "checks": diagnosis.examined.iter().map(examined_json).collect::<Value>(),
        "fixes": diagnosis.attempts.iter().map(attempt_json).collect::<Value>(),
        "after": diagnosis.explanation.map(explanation_json),
        "elapsed_seconds": elapsed.as_secs_f64(),
    })
}

fn explanation_json(explanation: &Explanation) -> Value {
    let execution = &explanation.run.execution;
    let outcome = &explanation.run.outcome;
    let asked = |variable: &Variable| explanation.request().get(variable.name);
    json!({
        "execution": execution.name.id,
        "action": asked(&variable::ADMIN_ACTION),
        "user": asked(&variable::ADMIN_USERNAME),
        "actor": asked(&variable::ADMIN_ACTOR),
        "reason": asked(&variable::ADMIN_REASON),
        "origin": asked(&variable::ADMIN_ORIGIN),
        "account": execution.creator,
        "created": execution.created,
        "started": execution.started,
        "completed": execution.completed,
        "image": execution.image,
        "ending": super::ending::ending(outcome).0,
        "proven": outcome.is_proven(),
        "exit_code": outcome.exit_code(),
        "what": super::ending::ended(outcome, &execution.name.id),
        "log": explanation.log.iter().map(|entry| entry.message.clone()).collect::<Vec<_>>(),
        "system_log": explanation.run.system_log,
    })
}

/// Describes an execution that is over: its request, its end, and its log.
pub(super) fn explanation_text(explanation: &Explanation) -> String {
    let execution = &explanation.run.execution;
    let asked = |variable: &Variable| explanation.request().get(variable.name).map(String::as_str);
    let what: Vec<&str> =
        [&variable::ADMIN_ACTION, &variable::ADMIN_USERNAME].into_iter().filter_map(asked).collect();
    let mut text = format!(
        "{} {}\n",
        style(format!("execution {}", said(&execution.name.id))).bold(),
        said(&what.join(" "))
    );
    let time = |time: jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    for (name, value) in [
        ("time", execution.created.map(time)),
        ("account", Some(execution.creator.clone()).filter(|creator| !creator.is_empty())),
        ("actor", asked(&variable::ADMIN_ACTOR).map(str::to_owned)),
        ("reason", asked(&variable::ADMIN_REASON).map(str::to_owned)),
        ("origin", asked(&variable::ADMIN_ORIGIN).map(str::to_owned)),
        ("image", Some(execution.image.clone())),
    ] {
        if let Some(value) = value {
            field(&mut text, name, &value);
        }
    }
    let outcome = &explanation.run.outcome;
    let code = outcome.exit_code();
    let ended = super::ending::ended(outcome, &execution.name.id);
    field(&mut text, "ended", &format!("exit code {code}: {ended}"));
    text.push_str(&lines::log(&explanation.log));
    for line in &explanation.run.system_log {
        let _ = writeln!(text, "  Cloud Run: {}", clean(line));
    }
    if explanation.checks().is_empty() {
        text.push_str("  no check can tell more about that\n");
    }
    text.push('\n');
    text
}

fn examined_json(one: &Examined) -> Value {
    let undecided = one.verdict.undecided();
    let causes: Vec<&str> = undecided.iter().map(|undecided| undecided.cause.as_str()).collect();
    let mut advice: Vec<&String> = Vec::new();
    for line in undecided.iter().flat_map(|undecided| &undecided.advice) {
        if !advice.contains(&line) {
            advice.push(line);
        }
    }
    let (mut note, mut needs) = (None, None);
    let mut cause = (!causes.is_empty()).then(|| causes.join("; "));
    match &one.verdict {
        Verdict::Ran(Report::Examined { note: seen, .. }) => note.clone_from(seen),
        Verdict::Ran(Report::Nothing { why }) => cause = Some(why.clone()),
        Verdict::Skipped { needs: need } => needs = Some(*need),
    }
    json!({
        "id": one.check.id,
        "title": one.check.title,
        "scope": one.check.scope.name(),
        "environment": one.environment,
        "result": one.verdict.health().as_str(),
        "note": note,
        "cause": cause,
        "advice": advice,
        "needs": needs,
        "seconds": one.took.as_secs_f64(),
        "help": one.check.help(),
        "findings": one.verdict.findings().iter().map(finding_json).collect::<Value>(),
    })
}

fn finding_json(finding: &Finding) -> Value {
    json!({
        "severity": match finding.severity {
            Severity::Warning => "warning",
            Severity::Problem => "problem",
        },
        "what": finding.what,
        "why": finding.why,
        "since": finding.since,
        "evidence": finding.evidence,
        "advice": finding.advice,
        "fix": finding
            .fix
            .as_ref()
            .map(|fix| json!({"id": fix.id(), "summary": fix.summary()})),
    })
}

fn attempt_json(one: &Attempt) -> Value {
    json!({
        "id": one.fix.id(),
        "check": one.check.id,
        "summary": one.fix.summary(),
        "plan": one.plan,
        "outcome": one.outcome.as_str(),
        "message": one.message,
        "advice": one.advice,
    })
}

pub(super) fn checks_json(checks: &[&Check]) -> Value {
    let checks: Value = checks
        .iter()
        .map(|check| {
            json!({
                "id": check.id,
                "title": check.title,
                "scope": check.scope.name(),
                "needs": check.needs,
                "help": check.help(),
            })
        })
        .collect();
    let fields: Value =
        FIELDS.iter().map(|(field, meaning)| json!({"field": field, "meaning": meaning})).collect();
    json!({"exit_code": 0, "checks": checks, "document": fields})
}

pub(super) fn checks_text(checks: &[&Check]) -> String {
    let mut text = String::new();
    for check in checks {
        let _ = writeln!(text, "{:<width$} {}", check.id, check.title, width = width());
    }
    text
}

fn width() -> usize {
    catalogue::CHECKS.iter().map(|check| check.id.len()).max().unwrap_or(0)
}

pub(super) fn heading(environment: Option<&str>) -> String {
    format!("{}\n", style(environment.map_or_else(|| "this machine".to_owned(), said)).bold())
}

/// The lines of a check. With `quiet`, those of checks are left out in which nothing is wrong or undecided.
pub(super) fn examined(one: &Examined, quiet: bool) -> String {
    let mut text = String::new();
    // Sentences are wrapped; what is well is a few words.
    let columns = wrap::columns();
    let row = |text: &mut String, columns: Option<usize>, mark: Painted<Symbol>, what: &str| {
        let prefix = format!("  {mark} {:<width$} ", one.check.id, width = width());
        lines::flow(text, columns, 5 + width(), &prefix, &said(what));
    };
    match &one.verdict {
        Verdict::Ran(Report::Examined { note, findings, undecided }) => {
            if findings.is_empty() && undecided.is_empty() && !quiet {
                row(&mut text, None, style(symbols::DONE).green(), note.as_deref().unwrap_or("healthy"));
            }
            for finding in findings {
                let mark = match finding.severity {
                    Severity::Warning => style(symbols::NOTICE).yellow(),
                    Severity::Problem => style(symbols::FAILED).red(),
                };
                row(&mut text, columns, mark, &finding.what);
                self::finding(&mut text, columns, finding);
                help(&mut text, one.check);
            }
            for undecided in undecided {
                let what = format!("could not be decided: {}", undecided.cause);
                row(&mut text, columns, style(symbols::UNSURE).yellow(), &what);
                for advice in &undecided.advice {
                    next(&mut text, advice);
                }
                help(&mut text, one.check);
            }
        }
        Verdict::Ran(Report::Nothing { .. }) | Verdict::Skipped { .. } if quiet => {}
        Verdict::Ran(Report::Nothing { why }) => {
            row(&mut text, columns, style(symbols::NOTHING).dim(), &format!("nothing to look at: {why}"));
        }
        Verdict::Skipped { needs } => {
            row(&mut text, columns, style(symbols::NOTHING).dim(), &format!("skipped: it needs {needs}"));
        }
    }
    text
}

fn finding(text: &mut String, columns: Option<usize>, finding: &Finding) {
    // Evidence and advice stay on their lines: a command is copied as one.
    lines::flow(text, columns, 6, "      ", &said(&finding.why));
    if let Some(since) = finding.since {
        let _ = writeln!(text, "      since {}", since.strftime("%Y-%m-%d %H:%M UTC"));
    }
    for line in &finding.evidence {
        let _ = writeln!(text, "      {} {}", style(symbols::BAR).dim(), clean(line));
    }
    for advice in &finding.advice {
        next(text, advice);
    }
    if let Some(fix) = &finding.fix {
        let prefix = format!("      {} ", style("--fix can").cyan());
        lines::flow(text, columns, 16, &prefix, fix.summary());
    }
}

fn next(text: &mut String, what: &str) {
    let _ = writeln!(text, "      {} {}", style("next:").cyan(), said(what));
}

fn help(text: &mut String, check: &Check) {
    let command = format!("quill-admin doctor --explain {}", check.id);
    // Where it is known, the same page in a browser.
    let shown =
        home::page(&check.help()).map_or_else(|| command.clone(), |page| paint::link(&command, &page));
    let _ = writeln!(text, "      {} {shown}", style("help:").dim());
}

/// Describes a fix that is about to be carried out.
pub(super) fn planned(one: &Attempt) -> String {
    let mut text =
        format!("\n{} {}\n", style(format!("to put {} right:", one.check.id)).bold(), one.fix.summary());
    for line in &one.plan {
        let _ = writeln!(text, "    {}", said(line));
    }
    text
}

/// Describes the outcome of a fix.
pub(super) fn attempted(one: &Attempt) -> String {
    let id = one.fix.id();
    let mut text = match one.outcome {
        Outcome::Open => return String::new(),
        Outcome::Done => format!("{} {id}: {}\n", style(symbols::DONE).green(), said(&one.message)),
        Outcome::Failed => format!("{} {id}: {}\n", style(symbols::FAILED).red(), said(&one.message)),
        Outcome::Declined => format!("{} {id}: not done\n", style(symbols::NOTHING).dim()),
        Outcome::Refused => {
            format!("{} {id}: not done: {}\n", style(symbols::NOTICE).yellow(), said(&one.message))
        }
        Outcome::DryRun if one.message.is_empty() => {
            format!("{} {id}: nothing was done\n", style(symbols::NOTHING).dim())
        }
        Outcome::DryRun => {
            format!("{} {id}: would not be done: {}\n", style(symbols::NOTICE).yellow(), said(&one.message))
        }
    };
    for advice in &one.advice {
        next(&mut text, advice);
    }
    text
}

pub(super) fn summary_text(diagnosis: &Diagnosis<'_>, elapsed: Duration) -> String {
    let of = |health: Health, one: &str, several: &str| {
        let count = diagnosis.count(health);
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { several }))
    };
    let wrong: Vec<String> = [
        of(Health::Problem, "problem", "problems"),
        of(Health::Undecided, "undecided", "undecided"),
        of(Health::Warning, "warning", "warnings"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let well: Vec<String> =
        [of(Health::Healthy, "healthy", "healthy"), of(Health::Skipped, "skipped", "skipped")]
            .into_iter()
            .flatten()
            .collect();
    let mark = match diagnosis.exit_code() {
        0 => style(symbols::DONE).green(),
        _ => style(symbols::FAILED).red(),
    };
    let wrong = if wrong.is_empty() { "nothing is wrong".to_owned() } else { wrong.join(", ") };
    let well = if well.is_empty() { String::new() } else { format!("; {}", well.join(", ")) };
    let mut text = format!("\n{mark} {wrong}{well} ({})\n", seconds(elapsed));
    let fixable = diagnosis
        .examined
        .iter()
        .find(|one| one.verdict.findings().iter().any(|finding| finding.fix.is_some()));
    if let Some(environment) = fixable.and_then(|one| one.environment.as_deref()).filter(|_| !diagnosis.fix) {
        let command = format!("{} --fix", hints::command(environment, "doctor", &[]));
        let _ = writeln!(text, "{} put right what can be, asking first: {command}", style(" next:").cyan());
    }
    text
}

/// The page about a check, in Markdown. Its commands are those for an environment, where one is named.
fn page_markdown(check: &Check, environment: Option<&Environment>) -> String {
    let Some(environment) = environment else { return pages::page(check).to_owned() };
    let fill = |text: &str| {
        text.replace("{env}", &environment.name).replace("{project}", environment.job.project.as_str())
    };
    let mut filled = String::new();
    for (block, text) in pages::page(check).split("```").enumerate() {
        // In a settings file, the braces are the file's own.
        let is_settings = block % 2 == 1 && text.starts_with("yaml");
        let text = if is_settings { text.to_owned() } else { fill(text) };
        filled.extend([if block == 0 { "" } else { "```" }, &text]);
    }
    filled
}

/// The same page as plain text.
fn page_text(check: &Check, environment: Option<&Environment>) -> String {
    let mut markdown = page_markdown(check, environment);
    if environment.is_none() && (markdown.contains("{env}") || markdown.contains("{project}")) {
        markdown.push_str(
            "\n\nIn a command, `{env}` stands for the name of an environment, and `{project}` for its Google Cloud \
             project. `--env` puts those of one environment there.\n",
        );
    }
    format!("{}\n\n{}", style(check.id).bold(), page::text(&markdown, wrap::columns()))
}

impl Reporter {
    /// Prints the page about a check.
    pub fn explained_check(&self, check: &Check, environment: Option<&Environment>) -> u8 {
        if self.style.json {
            let page = page_markdown(check, environment);
            let document = json!({"exit_code": 0, "check": check.id, "title": check.title, "page": page});
            document_to_stdout(&document);
        } else {
            to_stdout(&page_text(check, environment));
        }
        0
    }

    /// Lists the doctor's checks.
    pub fn checks(&self, checks: &[&Check]) -> u8 {
        if self.style.json {
            document_to_stdout(&checks_json(checks));
        } else {
            to_stdout(&checks_text(checks));
        }
        0
    }

    /// Shows an execution that is over.
    pub fn explained(&self, explanation: &Explanation) {
        self.stop();
        if !self.style.json {
            to_stdout(&explanation_text(explanation));
        }
    }

    /// Shows the result of a check, or the checks that are under way.
    pub fn examined(&self, told: Progress<'_>) {
        if self.style.json {
            return;
        }
        match told {
            Progress::Examined(one) => {
                let row = examined(one, self.style.quiet);
                if row.is_empty() {
                    return;
                }
                let heading = heading(one.environment.as_deref());
                if self.lock().heading.as_ref() != Some(&heading) {
                    self.fold();
                    self.result_line(&heading);
                    self.lock().heading = Some(heading);
                }
                match &one.verdict {
                    // These are shown together, below the others.
                    Verdict::Ran(Report::Nothing { why }) if !self.style.verbose => {
                        let why = format!("have nothing to look at: {why}");
                        self.lock().folded.push(Folded { why, row });
                    }
                    Verdict::Skipped { needs } if !self.style.verbose => {
                        let why = format!("were skipped: they need {needs}");
                        self.lock().folded.push(Folded { why, row });
                    }
                    _ => self.result_line(&row),
                }
            }
            // Without a spinner nothing is shown here: the lines of results that follow tell enough.
            Progress::Waiting(ids) if !self.style.quiet && spinner::is_possible() => match ids {
                [] => self.stop(),
                ids => self.doing(&lines::short(&format!("looking at {}", ids.join(", ")))),
            },
            Progress::Waiting(_) => {}
        }
    }

    /// Shows the checks that had nothing to look at, or could not be run because of another one.
    fn fold(&self) {
        let folded = std::mem::take(&mut self.lock().folded);
        self.result_line(&folded::text(&folded));
    }

    /// Shows a fix that is about to be carried out.
    pub fn planned_fix(&self, one: &Attempt) {
        self.fold();
        self.stop();
        self.lock().heading = None;
        if !self.style.json {
            result_to_stdout(&planned(one));
        }
    }

    /// Shows the outcome of a fix.
    pub fn attempted(&self, one: &Attempt) {
        self.stop();
        if !self.style.json {
            result_to_stdout(&attempted(one));
        }
    }

    /// Shows the summary of all checks; the exit code says whether something is wrong.
    pub fn diagnosis(&self, diagnosis: &Diagnosis<'_>) -> u8 {
        self.fold();
        self.stop();
        let elapsed = self.lock().started.elapsed();
        let unwritten = if diagnosis.attempts.is_empty() { Unwritten::AskAgain } else { Unwritten::Result };
        let text = if self.style.json {
            document::text(&document(diagnosis, elapsed))
        } else {
            summary_text(diagnosis, elapsed)
        };
        stream::to_stdout(&text, unwritten);
        diagnosis.exit_code()
    }
}
