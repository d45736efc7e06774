//! The plan of a task, in the words of the file of actions.
//!
//! Secret values are never part of it. To add a line: `task_plan_text` for people, and `task_plan_json` for
//! `--json`.

use std::fmt::Write as _;

use quill_admin_actions::Action;
use quill_admin_cloud::JobName;
use quill_admin_contract::{AdminAction, Argument, Mode, Request, variable};
use quill_admin_image::digest;
use quill_admin_operations::config::Environment;
use quill_admin_operations::session::own_program::OWN_DIGEST;
use quill_admin_operations::task::job_image::JobImage;
use quill_admin_operations::{actions, hints};
use serde_json::{Value, json};

use super::field::field;
use super::output::to_stdout;
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::stream::to_stderr;
use super::{document, lines};
use crate::quotes;

/// The action and its subject: `add-role steve.jones`.
pub(super) fn heading(action: &AdminAction) -> String {
    let key = keys(actions::known(action.name()));
    let values = key.iter().filter_map(|name| Some(action.arguments().get(name)?.as_text()?.into_owned()));
    [action.name().to_owned()].into_iter().chain(values).collect::<Vec<_>>().join(" ")
}

/// The other values, each with its name. Passwords are left out.
pub(super) fn values(action: &AdminAction) -> Vec<(String, String)> {
    let known = actions::known(action.name());
    let key = keys(known);
    let words = known.map(|known| known.words.parameters.as_slice()).unwrap_or_default();
    let others = words.iter().filter(|words| !key.contains(&words.parameter));
    others
        .filter_map(|words| {
            Some((quotes::doubled(&words.name), shown(action.arguments().get(&words.parameter)?)?))
        })
        .collect()
}

/// The parameters that name the subject of the action.
fn keys(action: Option<&Action>) -> &[String] {
    action
        .and_then(|action| action.definition.subject.as_ref())
        .map(|subject| subject.key.as_slice())
        .unwrap_or_default()
}

fn shown(value: &Argument) -> Option<String> {
    match value {
        Argument::Password(_) => None,
        Argument::Boolean(true) => Some("yes".to_owned()),
        Argument::Boolean(false) => Some("no".to_owned()),
        value => Some(value.values().join(", ")),
    }
}

/// The plan of a task.
#[derive(Debug)]
pub struct TaskPlan<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The job that runs it.
    pub job: &'a JobName,
    /// The account that starts it, where it is known.
    pub account: Option<&'a str>,
    /// The image that runs it.
    pub image: &'a JobImage,
    /// Whether another process of this machine runs it.
    pub served: bool,
    /// The request.
    pub request: &'a Request,
    /// The warning that Cloud Run may start it again. It is given only for jobs of the application, which are
    /// not refused for that.
    pub started_again: Option<&'a str>,
}

impl TaskPlan<'_> {
    /// The last line of a dry run, which says who has checked it.
    pub(super) fn accepted(&self) -> String {
        let who = if self.environment.is_embedded() { "the emulator" } else { "Google Cloud" };
        format!("nothing was started: {who} accepts this run\n")
    }
}

/// A plan that is shown after it was checked.
pub struct ShownPlan(pub(super) String);

impl std::fmt::Debug for ShownPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShownPlan").finish_non_exhaustive()
    }
}

pub(super) fn task_plan_text(plan: &TaskPlan<'_>) -> String {
    let TaskPlan { environment, job, account, image, served, request, started_again } = plan;
    let mut text = String::new();
    let heading = clean(&format!("{} in {}", heading(&request.action), environment.name));
    let _ = writeln!(text, "{}", style(heading).bold());
    for (name, value) in values(&request.action) {
        field(&mut text, &name, &value);
    }
    if hints::leaves_nobody_in(&request.action) {
        let set = hints::to_set_password(&request.action, &environment.name);
        let set = set.map(|command| format!("; {}", hints::advice("set one afterwards with", &command)));
        field(&mut text, "password", &format!("one that nobody knows{}", set.unwrap_or_default()));
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
    lines::settings(&mut text, environment);
    let digest = digest(&image.name).unwrap_or(&image.name);
    let mut what = match digest {
        OWN_DIGEST if *served => "none: quill-admin local serve runs the task itself".to_owned(),
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
    if let Some(undoing) = &request.undoes {
        field(&mut text, "undoes", &undoing.execution);
        let words = actions::known(request.action.name()).and_then(|known| known.words.subject.as_ref());
        for one in &undoing.as_left {
            field(&mut text, "only if", &quotes::doubled(&one.told(words, None)));
        }
    }
    match &request.mode {
        Mode::Run => {}
        Mode::RunAsPreviewed(plan) => field(&mut text, "expects", &format!("the plan {}", plan.short())),
        Mode::Preview => field(&mut text, "first", "a preview, which changes nothing"),
    }
    if let Some(reason) = &request.reason {
        field(&mut text, "reason", reason.as_str());
    }
    if let Some(origin) = &request.origin {
        field(&mut text, "origin", origin.as_str());
    }
    if let Some(again) = started_again {
        lines::warning_line(&mut text, again);
    }
    text
}

pub(super) fn task_plan_json(plan: &TaskPlan<'_>) -> Value {
    let TaskPlan { environment, job, account, image, request, started_again, .. } = plan;
    let variables: serde_json::Map<String, Value> = request
        .to_env()
        .into_iter()
        .filter(|(name, _)| {
            let is_secret = name.ends_with("_HASH") || name.starts_with(variable::ROWS_VARIABLE);
            *name != variable::ADMIN_PROOF_KEY.name && !is_secret
        })
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let mut document = json!({
        "exit_code": 0,
        "dry_run": true,
        "environment": environment.name,
        "project": environment.job.project,
        "region": environment.job.region,
        "job": job.job,
        "account": account,
        "image": image.name,
        "revision": image.revision,
        "built": image.built,
        "request": variables,
        "settings": environment.source.elsewhere().map(document::path),
    });
    if let Some(job) = request.action.job() {
        document["timeout_seconds"] = json!(job.timeout);
        document["started_again"] = json!(started_again);
    }
    document
}

impl Reporter {
    /// Shows the plan of a task.
    ///
    /// Where a value was `asked` for, the plan is shown whatever the style is: somebody has to agree to it.
    pub fn task_plan(&self, plan: &TaskPlan<'_>, asked: bool) {
        self.stop();
        self.plan(&task_plan_text(plan), asked);
        // A warning is shown even where the plan is not.
        if let Some(again) = plan.started_again.filter(|_| self.style.quiet && !asked) {
            to_stderr(&lines::warned(again));
        }
    }

    /// Makes the output of a dry run, which is shown if the check succeeds.
    #[must_use]
    pub fn prepare_plan(&self, plan: &TaskPlan<'_>) -> ShownPlan {
        ShownPlan(if self.style.json {
            document::text(&task_plan_json(plan))
        } else {
            format!("{}{}", task_plan_text(plan), plan.accepted())
        })
    }

    /// Shows the output of a dry run.
    #[expect(clippy::needless_pass_by_value, reason = "it is shown once")]
    pub fn planned(&self, plan: ShownPlan) -> u8 {
        self.stop();
        to_stdout(&plan.0);
        0
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{Secret, Variables};

    use super::*;

    fn action(variables: &[(&str, &str)]) -> AdminAction {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        AdminAction::from_env(&Variables::new(variables), actions::of_this_run()).expect("valid")
    }

    #[test]
    fn a_plan_says_what_is_done_to_whom_and_no_password() {
        let hash = quill_admin_contract::Password::parse(Secret::new("walrus teapot glacier".to_owned()))
            .expect("a password")
            .hash();
        let create = action(&[
            ("ADMIN_ACTION", "create-user"),
            ("ADMIN_USERNAME", "steve.jones"),
            ("ADMIN_EMAIL", "steve@example.org"),
            ("ADMIN_PERMISSION", "staff"),
            ("ADMIN_ROLE", "Clinician\nPatient"),
            ("ADMIN_PASSWORD_HASH", hash.expose()),
        ]);
        assert_eq!(heading(&create), "create-user steve.jones");
        let values: Vec<String> =
            values(&create).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            values,
            [
                "email: steve@example.org",
                "permission level: staff",
                "profession: patient",
                "role: Clinician, Patient"
            ]
        );
    }

    #[test]
    fn what_is_about_nothing_has_its_name_alone() {
        assert_eq!(heading(&AdminAction::check()), "check");
        let list = action(&[("ADMIN_ACTION", "list-users"), ("ADMIN_INACTIVE", "true")]);
        assert_eq!((heading(&list).as_str(), values(&list).len()), ("list-users", 1));
    }
}
