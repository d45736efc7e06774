//! Text for people. Everything here makes text; printing is one level up.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use quill_admin_cloud::{Difference, ExecutionName, LogEntry, Service, Severity, SignIn};
use quill_admin_contract::image::annotation;
use quill_admin_contract::{
    DatabaseReport, ExitCode, Expected, NextAction, Outcome, Password, SubjectState, Unavailable, Warning,
};

use super::deployed_actions;
use super::field::field;
use super::paint::{self, Paint, clean, style};
use super::results::{BuildReport, RestoreReport, Style, TaskPlan, TaskReport, WhoamiReport};
use super::subject;
use super::task_plan;
use quill_admin_image::{Builder, LATEST, LocalImage, PLATFORM, digest};

use crate::actions;
use crate::config::Environment;
use crate::error::CliError;
use crate::flow::build::{Built, JobPlan, Made};
use crate::flow::conclusion::Conclusion;
use crate::flow::history::{Past, Record};
use crate::flow::restore;
use crate::hints;
use crate::session::own_program::OWN_DIGEST;

/// What is said about a task, by where it goes.
#[derive(Default)]
pub(super) struct TaskText {
    /// Why it failed: stderr.
    pub(super) problems: String,
    /// What came of it: stdout.
    pub(super) result: String,
    /// What a person should know all the same: stderr, last, so that it stands out.
    pub(super) warnings: String,
}

pub(super) fn seconds(elapsed: Duration) -> String {
    format!("{:.1} s", elapsed.as_secs_f64())
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

/// Lines of the log that were not shown as they came.
pub(super) fn log(log: &[LogEntry]) -> String {
    log.iter().map(|entry| log_line(entry, false)).collect()
}

pub(super) fn detail(what: &str) -> String {
    format!("{}\n", style(clean(what)).dim())
}

pub(super) fn trouble(what: &str) -> String {
    format!("{} {}\n", style("note:").yellow(), clean(what))
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

fn problem(text: &mut String, message: &str) {
    let _ = writeln!(text, "{} {}", style("error:").red().bold(), clean(message));
}

fn hint_line(text: &mut String, hint: &str) {
    let _ = writeln!(text, "{} {}", style(" next:").cyan(), clean(hint));
}

pub(super) fn generated_password(password: &Password) -> String {
    format!(
        "\n  password         {}\n  (made here and shown only now: keep it in a password manager)\n",
        password.expose()
    )
}

/// A line of an execution's log, with its time.
pub(super) fn logged(entry: &LogEntry) -> String {
    let time = entry.timestamp.strftime("%Y-%m-%d %H:%M:%S%.3f");
    entry.message.lines().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{} {}", style(&time).dim(), clean(line));
        text
    })
}

/// What was run, newest first: two lines each, so that everything can be read at 80 columns.
pub(super) fn history(environment: &Environment, past: &Past) -> String {
    let mut text = String::new();
    let runs = &past.runs;
    if runs.is_empty() {
        let _ = writeln!(text, "nothing was run in {} in that time", environment.name);
    }
    for run in runs {
        let what =
            [run.action.as_deref(), run.user.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        let mark = match run.outcome.as_str() {
            "failed" | "cancelled" => style("✘").red(),
            "running" => style("…").yellow(),
            _ => style("✔").green(),
        };
        let code =
            run.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{mark} {}  {}{code}  {}",
            run.time.strftime("%Y-%m-%d %H:%M UTC"),
            clean(&run.outcome),
            clean(&what)
        );
        let mut rest = vec![run.execution.clone()];
        // The account is what Google Cloud saw; the actor is what the request says.
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
        rest.extend(run.origin.clone());
        if !environment.is_own(&run.job) {
            rest.push(format!("job {} of the application", run.job.job));
        }
        if run.record == Record::NotProvable {
            rest.push("not provable".to_owned());
        }
        let _ = writeln!(text, "  {}", clean(&rest.join(", ")));
        if run.contradicted {
            let what = if run.account.is_some() || run.image.is_some() {
                "other entries of the log contradict what is known of it; they are not used"
            } else {
                "entries of the log say different things of it, and nothing proves any of them"
            };
            let _ = writeln!(text, "  {} {what}", style("contradicted:").yellow());
        }
    }
    for (job, error) in &past.unread {
        let what = format!("what was run in the job {} could not be looked at: {error}", job.job);
        warning_line(&mut text, &what);
    }
    text
}

pub(super) fn task_plan(plan: &TaskPlan<'_>) -> String {
    let TaskPlan { environment, job, account, image, request, started_again } = plan;
    let mut text = String::new();
    let heading = clean(&format!("{} in {}", task_plan::heading(&request.action), environment.name));
    let _ = writeln!(text, "{}", style(heading).bold());
    for (name, value) in task_plan::values(&request.action) {
        field(&mut text, &name, &value);
    }
    let place = format!("{}, {}", environment.job.project, environment.job.region);
    field(&mut text, "project", &place);
    if let Some(account) = account {
        field(&mut text, "account", account);
    }
    field(&mut text, "job", job.job.as_str());
    if let Some(job) = request.action.job() {
        for (name, value) in &job.variables {
            let value = if name.ends_with("_HASH") { "(not shown)" } else { value };
            field(&mut text, "sets", &format!("{name}={value}"));
        }
        field(&mut text, "time-out", &format!("{} s", job.timeout));
    }
    settings(&mut text, environment);
    let digest = digest(&image.name).unwrap_or(&image.name);
    let mut what = match digest {
        OWN_DIGEST => "none: this program runs the task itself".to_owned(),
        _ => digest.get(..19).filter(|_| digest.starts_with("sha256:")).unwrap_or(digest).to_owned(),
    };
    if let Some(revision) = &image.revision {
        let _ = write!(what, ", revision {}", revision.get(..12).unwrap_or(revision));
    }
    if let Some(built) = image.built {
        let _ = write!(what, ", built {}", built.strftime("%Y-%m-%d %H:%M UTC"));
    }
    field(&mut text, "image", &what);
    if let Some(reason) = &request.reason {
        field(&mut text, "reason", reason.as_str());
    }
    if let Some(origin) = &request.origin {
        field(&mut text, "origin", origin.as_str());
    }
    if let Some(again) = started_again {
        warning_line(&mut text, again);
    }
    text
}

/// The file that says all this, where it is not the working folder's.
fn settings(text: &mut String, environment: &Environment) {
    if let Some(file) = environment.source.elsewhere() {
        field(text, "settings", &file.display().to_string());
    }
}

pub(super) fn task(report: &TaskReport<'_>, log: &[LogEntry], elapsed: Duration, style: Style) -> TaskText {
    let mut text = TaskText::default();
    let environment = &report.environment.name;
    let execution = &report.run.execution.name.id;
    let took = seconds(elapsed);
    match &report.run.conclusion {
        Conclusion::Told(one) => {
            match (&one.claim.line.outcome, one.claim.line.exit_code) {
                (Outcome::Other(other), exit_code @ 1..) => problem(
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
                warning_line(&mut text.warnings, &what);
            }
            if !one.claim.proven {
                // What to do next comes last.
                let to = if text.problems.is_empty() { &mut text.warnings } else { &mut text.problems };
                to.push_str(&detail(NOT_PROVABLE));
            }
        }
        Conclusion::Untold { exit_code: 0 } => {
            let _ = writeln!(text.result, "{} done in {environment} ({took})", paint::style("✔").green());
            warning_line(&mut text.warnings, UNTOLD);
            if let Some(username) = report.username {
                let with = [("username".to_owned(), username.to_string())].into();
                let next = NextAction { action: "show-user".to_owned(), with };
                if let Some(command) = hints::task(environment, &next) {
                    hint_line(&mut text.warnings, &command);
                }
            }
        }
        Conclusion::Ended { exit_code: 0 } => {
            let job = &report.job().job;
            let _ = writeln!(
                text.result,
                "{} the job {job} ended with 0 in {environment} ({took})",
                paint::style("✔").green().bold()
            );
            text.warnings.push_str(&detail(NO_RESULT));
        }
        conclusion if report.is_cancelled_as_asked() => {
            let _ = writeln!(
                text.result,
                "{} {} ({took})",
                paint::style("✔").green(),
                clean(&ended(conclusion, execution))
            );
        }
        conclusion => problem(&mut text.problems, &ended(conclusion, execution)),
    }
    if report.run.execution.retried && !report.environment.is_own(report.job()) {
        let what = format!("Cloud Run has started execution {execution} again after it had failed");
        warning_line(&mut text.warnings, &what);
    }
    if !text.problems.is_empty() {
        if !matches!(report.run.conclusion, Conclusion::Told(_)) {
            text.problems.insert_str(0, &self::log(log));
        }
        // Where the executor told what went wrong, Cloud Run's own lines only repeat it.
        if !matches!(report.run.conclusion, Conclusion::Told(_)) {
            for line in &report.run.system_log {
                let _ = writeln!(text.problems, "  Cloud Run: {}", clean(line));
            }
        }
        for hint in report.hints() {
            hint_line(&mut text.problems, &hint);
        }
    }
    text
}

const NOT_PROVABLE: &str = "not provable: no key was sent along with the request, as to an image of contract version \
                            1; the exit code is the one that Cloud Run has";

const UNTOLD: &str = "the task ended well, but its result line did not arrive: what changed is not known";

const NO_RESULT: &str = "a job of the application tells no result: what it changed, and whether that was one \
                         transaction, is not known here";

/// How an execution ended, in one sentence.
pub(super) fn ended(conclusion: &Conclusion, execution: &str) -> String {
    match conclusion {
        Conclusion::Told(told) => match &told.claim.line.outcome {
            Outcome::Failed { failure } => failure.message.clone(),
            outcome => format!("the task ended well: {}", outcome.name()),
        },
        Conclusion::Untold { exit_code: 0 } => UNTOLD.to_owned(),
        Conclusion::Untold { exit_code } => {
            let code = ExitCode::from_u8(*exit_code);
            let meaning = code.map_or("a code this version does not know", ExitCode::meaning);
            format!("the task failed with exit code {exit_code} ({meaning}); its result line did not arrive")
        }
        Conclusion::Ended { exit_code: 0 } => format!("execution {execution} ended with 0"),
        Conclusion::Ended { exit_code } => format!(
            "the container of execution {execution} ended with {exit_code}: what that means, and what was changed \
             before, is the application's to say"
        ),
        Conclusion::NeverStarted { reason } => {
            format!("execution {execution} never started: {}", or(reason, "Cloud Run gives no reason"))
        }
        Conclusion::Cancelled { reason, undone } => format!(
            "execution {execution} was cancelled{}; {}",
            if reason.is_empty() { String::new() } else { format!(": {}", reason.trim_end_matches('.')) },
            whether_done(*undone)
        ),
        Conclusion::TimedOut { undone } => {
            format!("execution {execution} ran into the job's time-out; {}", whether_done(*undone))
        }
        Conclusion::Contradicted { reason } => format!(
            "what came of execution {execution} is not known: {reason}; somebody else may have written to the log"
        ),
        Conclusion::Unclear { reason } => format!(
            "execution {execution} failed without an exit code: {}; whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        Conclusion::Unread { reason } => format!(
            "execution {execution} failed: {}; its result line did not arrive and its exit code could not be \
             read: whether the task was done is not known",
            or(reason, "Cloud Run gives no reason").trim_end_matches('.')
        ),
        Conclusion::Killed { signal } => format!(
            "the container of execution {execution} was killed by signal {signal} before it could tell its \
             result; whether the task was done is not known"
        ),
    }
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn whether_done(undone: bool) -> &'static str {
    if undone { "nothing was changed" } else { "no result of it is known: whether it was done is not known" }
}

fn told(
    text: &mut TaskText,
    outcome: &Outcome,
    action: Option<&str>,
    environment: &str,
    took: &str,
    style: Style,
) {
    let mut headline = |what: &str| {
        let _ = writeln!(text.result, "{} {what} ({took})", paint::style("✔").green().bold());
    };
    let about = outcome.subject().map(SubjectState::name).or(action).unwrap_or("it");
    let about = clean(about);
    match outcome {
        Outcome::Failed { failure } => {
            problem(&mut text.problems, &failure.message);
            return;
        }
        Outcome::Created { .. } => headline(&format!("created {about} in {environment}")),
        Outcome::Updated { .. } => headline(&format!("updated {about} in {environment}")),
        Outcome::Unchanged { .. } => {
            headline(&format!("nothing to change for {about} in {environment}: it was so already"));
        }
        Outcome::Found { .. } => headline(&format!("{about} in {environment}")),
        // The rows themselves are lines of the log.
        Outcome::Listed { rows, more, .. } => {
            headline(&format!("{} in {environment}", counted(*rows, *more)));
        }
        Outcome::Checked { .. } => headline(&format!("tasks can run in {environment}")),
        Outcome::Other(other) => {
            headline(&format!("done in {environment}: \"{}\"", clean(&other.result)));
            warning_line(
                &mut text.warnings,
                "this version does not know what that result means; all of it: --json",
            );
        }
    }
    if !style.quiet {
        if let Some(subject) = outcome.subject() {
            subject_state(&mut text.result, outcome, subject, action);
        }
        if let Outcome::Checked { database, .. } = outcome {
            database_report(&mut text.result, database);
        }
    }
    for warning in outcome.warnings() {
        self::warning(&mut text.warnings, warning, outcome, environment);
    }
}

/// How many rows were listed, and whether there are others.
fn counted(rows: u64, more: bool) -> String {
    match (rows, more) {
        (rows, true) => format!("the first {rows} rows, and there are more,"),
        (1, false) => "1 row".to_owned(),
        (rows, false) => format!("{rows} rows"),
    }
}

/// What the task was about as it is now, and what is different about it.
fn subject_state(text: &mut String, outcome: &Outcome, subject: &SubjectState, action: Option<&str>) {
    let words = actions::subject_words(action, &subject.kind);
    text.push('\n');
    for (name, value) in subject::state(subject, words) {
        field(text, &name, &value);
    }
    // Everything about what was just made is new: the state says it all.
    if outcome.changes().is_empty() || matches!(outcome, Outcome::Created { .. }) {
        return;
    }
    text.push_str("\n  changed:\n");
    for change in outcome.changes() {
        let _ = writeln!(text, "    {}", clean(&subject::change(change, words)));
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

/// A warning alone.
pub(super) fn warned(message: &str) -> String {
    let mut text = String::new();
    warning_line(&mut text, message);
    text
}

fn warning_line(text: &mut String, message: &str) {
    let _ = writeln!(text, "{} {}", style("warning:").yellow().bold(), clean(message));
}

fn warning(text: &mut String, warning: &Warning, outcome: &Outcome, environment: &str) {
    warning_line(text, &warning.message);
    if let Some(hint) = hints::after_warning(warning, outcome, environment) {
        hint_line(text, &hint);
    }
}

/// A line another program printed.
pub(super) fn output(line: &str) -> String {
    let bar = style("│").dim();
    format!("  {bar} {}\n", clean(line))
}

/// A step of a build in one line.
pub(super) fn step(name: &str) -> String {
    short(&name.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A step of a build that had nothing to do.
pub(super) fn cached(name: &str) -> String {
    format!("{} (cached)\n", step(name))
}

/// One line of a terminal's width.
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

pub(super) fn build_plan(report: &BuildReport<'_>) -> String {
    let mut text = String::new();
    let BuildReport { environment, plan, engine } = report;
    let source = &plan.source;
    let _ = writeln!(
        text,
        "build for {} ({}, {})",
        environment.name, environment.job.project, environment.job.region
    );
    settings(&mut text, environment);
    let revision =
        format!("{} of {}", source.revision.tag(), source.revision.time.strftime("%Y-%m-%d %H:%M UTC"));
    match &source.made {
        Made::Compiled(compiled) => {
            let (files, bytes) = (compiled.context.files().len(), compiled.context.bytes());
            let bytes = indicatif::DecimalBytes(bytes);
            field(&mut text, "source", &format!("{revision}, {files} files, {bytes}"));
            match engine {
                Some(Ok(engine)) => {
                    let builder = match engine.builder() {
                        Builder::BuildKit => "BuildKit",
                        Builder::Classic => "the classic builder",
                    };
                    let builder = format!("{builder} of Docker Engine {}", engine.version());
                    field(&mut text, "builder", &builder);
                }
                Some(Err(error)) => field(&mut text, "builder", &format!("none: {error}")),
                None => {}
            }
            if engine.is_some() {
                field(&mut text, "from", &compiled.builder_image);
            }
        }
        Made::Assembled(assembled) => {
            field(&mut text, "source", &revision);
            let count = source.actions.as_ref().map_or(0, |actions| actions.names().count());
            field(&mut text, "actions of", &format!("{} ({count})", assembled.whereabouts));
            let carried = assembled.executor.get(..12).unwrap_or_default();
            let version = env!("CARGO_PKG_VERSION");
            field(&mut text, "executor", &format!("carried by this program: {version}, sha256:{carried}…"));
            field(&mut text, "digest", assembled.image.digest());
        }
    }
    field(&mut text, "platform", PLATFORM);
    field(&mut text, "image", &plan.image.to_string());
    if plan.job.is_some() {
        field(&mut text, "tags", &source.tags().join(", "));
        let registry = match &plan.existing {
            Some(existing) => format!("has the image of these sources, {}", existing.digest),
            None if !source.needs_engine() => {
                "has no image of these: it is put together and pushed".to_owned()
            }
            None => "has no image of these sources: it is built and pushed".to_owned(),
        };
        field(&mut text, "registry", &registry);
    }
    if let Some(job) = &plan.job {
        let changes = job.changes();
        let what = match job {
            JobPlan::Create(_) => "is created",
            JobPlan::Change { .. } if changes.is_empty() => "stays as it is",
            JobPlan::Change { .. } => "is changed",
        };
        field(&mut text, "job", &format!("{} {what}", environment.job.job));
        differences(&mut text, &changes);
    }
    if !plan.stray_tags.is_empty() {
        field(&mut text, "moved", &format!("{}: to the image that the job runs", plan.stray_tags.join(", ")));
    }
    if let Some(replaced) = &plan.replaced {
        text.push_str(&deployed_actions::replaced(replaced));
    }
    for note in &plan.notes {
        field(&mut text, "note", note);
    }
    text
}

pub(super) fn restore_plan(report: &RestoreReport<'_>) -> String {
    let mut text = String::new();
    let RestoreReport { environment, backend, found, candidate } = report;
    let _ = writeln!(
        text,
        "restore {} of {} ({}, {})",
        backend.service.service, environment.name, backend.service.project, backend.service.region
    );
    settings(&mut text, environment);
    let service = &found.service;
    field(&mut text, "now", &format!("{}, revision {}", service.image, service.latest_created));
    for passed in &found.passed_over {
        field(&mut text, "passed over", passed);
    }
    field(&mut text, "then", &candidate.image);
    field(&mut text, "from", &candidate.origin);
    text
}

pub(super) fn restored(
    environment: &Environment,
    service: &Service,
    changed: bool,
    elapsed: Duration,
) -> String {
    let mut text = String::new();
    let done = style("✔").green();
    let name = &environment.name;
    let _ = if changed {
        writeln!(text, "{done} the backend of {name} has its own image again ({})", seconds(elapsed))
    } else {
        writeln!(text, "{done} nothing to do: the backend of {name} runs its own image and is ready")
    };
    field(&mut text, "image", &service.image);
    field(&mut text, "revision", &service.latest_ready);
    text
}

/// A new revision may be ready and get no requests.
pub(super) fn traffic(environment: &Environment, service: &Service) -> String {
    let mut text = String::new();
    if let Some(backend) = environment.backend.as_ref().filter(|_| !service.traffic_to_latest) {
        warning_line(
            &mut text,
            &format!("traffic is pinned, a new revision gets none: {}", restore::requests(service)),
        );
        hint_line(
            &mut text,
            &format!(
                "gcloud run services update-traffic {} --to-latest --project={} --region={}",
                backend.service.service, backend.service.project, backend.service.region
            ),
        );
    }
    text
}

fn differences(text: &mut String, changes: &[Difference]) {
    for Difference { setting, from, to } in changes {
        let to = if to.is_empty() { "nothing" } else { to };
        let setting = match setting.strip_prefix("annotation ") {
            // It is the image's, once more; and actions are told by their names.
            Some(annotation::IMAGE | annotation::ACTIONS) => continue,
            Some(name) => name.rsplit('/').next().unwrap_or(name),
            None => setting,
        };
        let line = match from {
            // Before the build its result has no name yet.
            _ if setting == "image" && to == "nothing" => "image: the one that is built".to_owned(),
            Some(from) => match (from.split_once('@'), to.split_once('@')) {
                (Some((old, digest)), Some((new, to))) if setting == "image" && old == new => {
                    format!("{setting}: {digest} → {to}")
                }
                _ => format!("{setting}: {from} → {to}"),
            },
            None => format!("{setting}: {to}"),
        };
        let _ = writeln!(text, "    {}", clean(&line));
    }
}

pub(super) fn built(environment: &Environment, built: &Built, elapsed: Duration) -> String {
    let mut text = String::new();
    let done = style("✔").green();
    let took = seconds(elapsed);
    let job = &environment.job.job;
    let nothing = !built.built && built.changes.is_empty();
    if nothing && !built.moved_tags.is_empty() {
        let moved = built.moved_tags.join(", ");
        let _ = writeln!(text, "{done} moved {moved} to the image that {job} runs ({took})");
    } else if nothing {
        let _ = writeln!(text, "{done} nothing to do: {job} runs the image of these sources ({took})");
    } else {
        let what = if built.built { "built, pushed and deployed" } else { "deployed" };
        let _ = writeln!(text, "{done} {what} to {job} ({took})");
    }
    field(&mut text, "image", &built.image);
    if built.built {
        field(
            &mut text,
            "uploaded",
            &format!(
                "{} of {}",
                indicatif::DecimalBytes(built.uploaded),
                indicatif::DecimalBytes(built.size)
            ),
        );
    }
    if built.created_job {
        field(&mut text, "job", "created");
    } else {
        differences(&mut text, &built.changes);
    }
    for note in &built.notes {
        field(&mut text, "note", note);
    }
    text
}

/// What a person does with a new image: let it say what it sees, which changes nothing.
pub(super) fn try_it(environment: &Environment, flags: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let check = hints::command(&environment.name, "check", flags);
    hint_line(&mut text, &format!("try it, without changing anything: {check}"));
    text
}

pub(super) fn built_locally(environment: &Environment, image: &LocalImage, elapsed: Duration) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{} built for {} ({})", style("✔").green(), environment.name, seconds(elapsed));
    field(&mut text, "image", &environment.image.tagged(LATEST));
    field(&mut text, "id", &image.id);
    field(&mut text, "size", &indicatif::DecimalBytes(image.size).to_string());
    text
}

const UNKNOWN: &str = "an unknown account";

pub(super) fn signed_in(account: Option<&str>) -> String {
    format!("{} signed in as {}\n", style("✔").green().bold(), clean(account.unwrap_or(UNKNOWN)))
}

pub(super) fn whoami(report: &WhoamiReport<'_>) -> String {
    let mut text = String::new();
    let WhoamiReport { environment, account, sign_in, granted } = report;
    let who = match sign_in {
        Some(_) => account.unwrap_or(UNKNOWN),
        None => "nobody",
    };
    let _ = writeln!(text, "{} in {}", clean(who), environment.name);
    match sign_in {
        Some(sign_in) => field(&mut text, "sign-in", &sign_in.source().to_string()),
        None => field(&mut text, "sign-in", "none: everything is on this machine, where nobody is asked"),
    }
    if let Some(acts_as) = sign_in.and_then(SignIn::acts_as) {
        field(&mut text, "acts as", acts_as);
    }
    field(&mut text, "project", environment.job.project.as_str());
    field(&mut text, "region", environment.job.region.as_str());
    field(&mut text, "job", environment.job.job.as_str());
    settings(&mut text, environment);
    let mut purpose = None;
    for (permission, there) in report.permissions() {
        if purpose.replace(permission.purpose) != Some(permission.purpose) {
            let _ = writeln!(text, "\n  {}", permission.purpose);
        }
        let _ = if there {
            writeln!(text, "    {} {}", style("✔").green(), permission.name)
        } else {
            writeln!(text, "    {} {}: missing, in {}", style("✘").red(), permission.name, permission.role)
        };
    }
    if granted.is_some() && report.permissions().any(|(_, there)| !there) {
        text.push_str(
            "\n  The project was asked and, for run.jobs, the job: a role given on a repository, a service\n  \
             or a service account alone is not seen.\n",
        );
        if let Some(lock) = &environment.state_lock {
            let _ = writeln!(text, "  For storage.objects the bucket {} was asked.", clean(lock.bucket()));
        }
    }
    text
}

/// What keeps the caller of [`whoami`] from running tasks.
pub(super) fn missing(report: &WhoamiReport<'_>) -> String {
    let mut text = String::new();
    let missing: Vec<&str> = report.missing().iter().map(|permission| permission.name).collect();
    if !missing.is_empty() {
        let environment = &report.environment.name;
        problem(&mut text, &format!("tasks cannot be run in {environment}: no {}", missing.join(", ")));
        for hint in report.hints() {
            hint_line(&mut text, &hint);
        }
    }
    text
}

pub(super) fn confirmed(path: &Path, environments: &[&Environment]) -> String {
    let mut text = String::new();
    if environments.is_empty() {
        text.push_str("nothing to confirm: what is there stays on this machine\n");
    }
    for environment in environments {
        let (project, job) = (&environment.job.project, &environment.job.job);
        let told = format!("tasks for {} go to project {project}, job {job}", environment.name);
        let _ = writeln!(text, "{} {}", style("✔").green(), clean(&told));
    }
    let _ = writeln!(text, "\nas long as {} stays as it is", clean(&path.display().to_string()));
    text
}

pub(super) fn environments(path: &Path, environments: &[Environment]) -> String {
    let mut text = String::new();
    let width = environments.iter().map(|e| e.name.chars().count()).max().unwrap_or(0);
    for environment in environments {
        let place = environment.whereabouts();
        let protected = if environment.protected { " (protected)" } else { "" };
        let _ = writeln!(text, "{:width$}  {}{protected}", clean(&environment.name), clean(&place));
    }
    let _ = writeln!(text, "\nfrom {}", clean(&path.display().to_string()));
    text
}

#[cfg(feature = "local")]
pub(super) fn local_status(
    status: &quill_admin_local::Status,
    contents: Option<quill_admin_local::Contents>,
) -> String {
    let mut text = String::new();
    field(&mut text, "state", &status.directory.display().to_string());
    if !status.exists {
        field(&mut text, "", "nothing there yet; the first command with --env local makes it");
        return text;
    }
    field(&mut text, "size", &indicatif::DecimalBytes(status.bytes).to_string());
    field(&mut text, "in use", if status.in_use { "yes" } else { "no" });
    if let Some(contents) = contents {
        field(&mut text, "users", &contents.users.to_string());
        field(&mut text, "executions", &contents.executions.to_string());
    }
    text
}
