//! The next command to type. Hints are chosen by typed codes, never by the text of a message.
//!
//! To add a hint for a way in which a task ends: [`after_failure`], or [`explaining`] where a check of the
//! doctor explains it.

use quill_admin_actions::{Action, Definition, Expected};
use quill_admin_cloud::{CloudError, CloudErrorKind, ExecutionName, SignIn, role};
use quill_admin_contract::{
    AdminAction, Argument, ExitCode, NextAction, Outcome, Username, Warning, warning_code,
};

use crate::actions;
use crate::config::Environment;
use crate::error::{CliError, quote};
pub use crate::error::{advice, enable};

const APPLICATION: &str = "--application";

/// A command line of this program, quoted so that it can be pasted into a shell. A file and a folder that were named
/// for this run alone are named there, too.
#[must_use]
pub fn command(environment: &str, verb: &str, flags: &[(&str, &str)]) -> String {
    let mut line = format!("{} --env {}", of_file(verb), quote(environment));
    let application = actions::named_folder().map(|folder| (APPLICATION, folder));
    let application = application.filter(|_| flags.iter().all(|(flag, _)| *flag != APPLICATION));
    for (flag, value) in flags.iter().copied().chain(application) {
        line = format!("{line} {flag} {}", quote(value));
    }
    line
}

/// The command line of a verb that names no environment. It names the environments file, where `--config` did.
#[must_use]
pub fn of_file(verb: &str) -> String {
    let config = actions::named_config().map(|file| format!(" --config {}", quote(file)));
    format!("quill-admin {verb}{}", config.unwrap_or_default())
}

/// The command line of a verb that reads the actions and names no environment. It names the environments file and the
/// folder of actions, where they were named for this run alone.
#[must_use]
pub fn of_actions(verb: &str) -> String {
    let folder = actions::named_folder().map(|folder| format!(" {APPLICATION} {}", quote(folder)));
    format!("{}{}", of_file(verb), folder.unwrap_or_default())
}

/// The command that deletes the state of an emulated environment. It names the environment, since a file may have
/// several of that kind.
#[must_use]
pub fn reset(environment: &str) -> String {
    format!("{} --env {}", of_file("local reset"), quote(environment))
}

/// The command that runs one check of the doctor.
#[must_use]
pub fn doctor(environment: &str, check: &str) -> String {
    command(environment, "doctor", &[("--only", check)])
}

/// The hint that names the doctor's check to run after a failure; an embedded environment has nothing that
/// could be checked.
#[must_use]
pub fn look_closer(environment: Option<&Environment>, check: &str) -> Option<String> {
    match environment {
        Some(environment) if !environment.has_surroundings() => None,
        Some(environment) => Some(format!("look closer with: {}", doctor(&environment.name, check))),
        None if check.starts_with("machine-") => {
            Some(format!("look closer with: {}", of_file(&format!("doctor --only {check}"))))
        }
        None => None,
    }
}

/// Adds whom to ask for the permission to act as the environment's service account.
#[must_use]
pub fn no_token(error: CloudError, sign_in: &SignIn) -> CliError {
    let denied = error.kind == CloudErrorKind::PermissionDenied;
    let told = CliError::from(error);
    match sign_in.acts_as().filter(|_| denied) {
        Some(robot) => {
            told.hint(grant_on_account(robot, sign_in.account().unwrap_or("ACCOUNT"), role::TOKEN_CREATOR))
        }
        None => told,
    }
}

/// An account in the notation of IAM.
fn member(account: &str) -> String {
    let kind = if account.ends_with(".gserviceaccount.com") { "serviceAccount" } else { "user" };
    format!("{kind}:{}", shell_words::quote(account))
}

/// The hint with the command that gives an account a role on a project, for somebody who may do that.
#[must_use]
pub fn grant(project: &str, account: &str, role: &str) -> String {
    binding(&format!("projects add-iam-policy-binding {project}"), account, role)
}

/// The hint with the command that gives an account a role on a bucket of Cloud Storage.
#[must_use]
pub fn grant_on_bucket(bucket: &str, account: &str, role: &str) -> String {
    binding(&format!("storage buckets add-iam-policy-binding gs://{bucket}"), account, role)
}

/// The hint with the command that gives an account a role on a service account.
#[must_use]
pub fn grant_on_account(on: &str, account: &str, role: &str) -> String {
    let on = shell_words::quote(on);
    binding(&format!("iam service-accounts add-iam-policy-binding {on}"), account, role)
}

fn binding(command: &str, account: &str, role: &str) -> String {
    let member = member(account);
    format!("ask an administrator for: gcloud {command} --member={member} --role={role}")
}

/// Adds how to create the job, where there is none.
#[must_use]
pub fn no_job(error: CloudError, environment: &Environment) -> CliError {
    let missing = error.kind == CloudErrorKind::NotFound;
    let told = CliError::from(error);
    if missing {
        told.hint(advice("make it with", &command(&environment.name, "build", &[]))).at("job")
    } else {
        told
    }
}

/// Adds how to return to an execution that may still be running.
#[must_use]
pub fn reach(error: CliError, environment: &str, execution: &ExecutionName) -> CliError {
    let of = |verb: &str| command(environment, &format!("{verb} {}", execution.id), &[]);
    error.hint(advice("see how it ends", &of("attach"))).hint(advice("stop it", &of("cancel")))
}

/// Adds how to see the result of an execution that is over, or is about to be.
#[must_use]
pub fn attach(error: CliError, environment: &str, execution: &ExecutionName) -> CliError {
    let attach = command(environment, &format!("attach {}", execution.id), &[]);
    error.hint(advice("see how it ended", &attach))
}

/// The hint about an image that speaks too old a contract.
#[must_use]
pub fn newer_image(environment: &str) -> String {
    advice("deploy a newer image with", &command(environment, "build", &[]))
}

/// The hints after a task that failed.
#[must_use]
pub fn after_failure(code: ExitCode, environment: &Environment, username: Option<&Username>) -> Vec<String> {
    let name = &environment.name;
    let of_user = |action: &str| {
        let with = [("username".to_owned(), username?.to_string())].into();
        task(name, &NextAction { action: action.to_owned(), with })
    };
    match code {
        ExitCode::UserNotFound => {
            let create = ["create-user", "create-superadmin"].into_iter().find_map(of_user);
            create.map(|command| advice("to create the user", &command)).into_iter().collect()
        }
        ExitCode::DatabaseUnreachable => vec!["running the task again is safe".to_owned()],
        ExitCode::RowLocked => {
            vec!["somebody else is changing the same row; wait a moment and run it again".to_owned()]
        }
        ExitCode::NotAsPreviewed => {
            let mut hints = vec![
                "look at what it would do now: the same command with --preview, and without --expect"
                    .to_owned(),
            ];
            hints.extend(of_user("show-user").map(|command| advice("see what the database holds", &command)));
            hints
        }
        ExitCode::Stopped => vec!["nothing was changed; running the task again is safe".to_owned()],
        ExitCode::Unknown => {
            let seen = of_user("show-user").map(|command| advice("see what the database holds", &command));
            let mut hints: Vec<String> = seen.into_iter().collect();
            hints.push("every task can be run again safely: doing it twice leaves the same state".to_owned());
            hints
        }
        _ => Vec::new(),
    }
}

/// Adds the hint after a job of the application whose end was not seen. Only those who keep the job know what
/// it does, and whether that may be done twice.
#[must_use]
pub fn after_failure_of_a_job(error: CliError, action: &str) -> CliError {
    if error.code != ExitCode::Unknown {
        return error;
    }
    error.hint(format!(
        "before {action} is run again, ask whoever keeps the job whether what it does may be done twice"
    ))
}

/// The checks that can explain why a task ended with a code, the best one first. There are none where the
/// code says everything.
#[must_use]
pub const fn explaining(code: ExitCode) -> &'static [&'static str] {
    match code {
        ExitCode::Usage => &["job-settings", "job-secrets"],
        ExitCode::RoleNotFound | ExitCode::SchemaMismatch => &["database-check"],
        ExitCode::DatabaseUnreachable | ExitCode::TimedOut => &["database", "job-settings"],
        ExitCode::DatabaseRefused => &["database", "job-secrets", "job-settings"],
        ExitCode::ImageTooOld => &["job-image"],
        ExitCode::NeverStarted => &["job-image", "job-secrets", "job-settings"],
        _ => &[],
    }
}

/// The hints after a task that failed, with the doctor's check to run.
#[must_use]
pub fn after_task(code: ExitCode, environment: &Environment, username: Option<&Username>) -> Vec<String> {
    let mut hints = after_failure(code, environment, username);
    // Before a run the older side is named. An image that refuses by itself has not said which actions it
    // has.
    if code == ExitCode::ImageTooOld {
        let name = &environment.name;
        let list = command(name, "actions", &[]);
        hints.push(advice("see which revision the image is of, and which yours", &list));
        hints.push(advice("if the image is the older one", &command(name, "build", &[])));
    }
    let check = explaining(code).first();
    match check.and_then(|check| look_closer(Some(environment), check)) {
        Some(closer) => hints.push(closer),
        None if matches!(
            code,
            ExitCode::DatabaseUnreachable | ExitCode::DatabaseRefused | ExitCode::SchemaMismatch
        ) =>
        {
            hints.push(advice("look at the database with", &command(&environment.name, "check", &[])));
        }
        None => {}
    }
    hints
}

/// The hint about a warning that came with a result: the action that the warning names, where this run has
/// it; for warnings of the executor itself, one that this program knows.
#[must_use]
pub fn after_warning(warning: &Warning, outcome: &Outcome, environment: &str) -> Option<String> {
    if let Some(next) = &warning.next {
        return task(environment, next);
    }
    let name = outcome.subject()?.key.as_deref()?;
    let of_user = |action: &str| {
        let with = [("username".to_owned(), name.to_owned())].into();
        task(environment, &NextAction { action: action.to_owned(), with })
    };
    match warning.code.as_str() {
        warning_code::PLAINTEXT_PASSWORD => {
            Some(format!("set a new password with: {}", of_user("set-password")?))
        }
        warning_code::LOOK_ALIKE => Some(format!(
            "if it is the same person, use the account there is; this one can be deactivated with: {}",
            of_user("deactivate")?
        )),
        _ => None,
    }
}

/// Whether an action sets a password that nobody knows, because none was given.
#[must_use]
pub fn leaves_nobody_in(action: &AdminAction) -> bool {
    let mut values = action.arguments().iter();
    values.any(|(_, value)| matches!(value, Argument::Password(hash) if hash.is_of_nobody()))
}

/// The command that sets a password where `action` has set one that nobody knows; `None` where this run has no action
/// for that.
#[must_use]
pub fn to_set_password(action: &AdminAction, environment: &str) -> Option<String> {
    let about = actions::known(action.name())?;
    let key = &about.definition.subject.as_ref()?.key;
    let value = |name: &String| Some((name.clone(), action.arguments().get(name)?.as_text()?.into_owned()));
    let with = key.iter().map(value).collect::<Option<_>>()?;
    task(environment, &NextAction { action: sets_password(about)?.name.clone(), with })
}

/// The command that gives many of the subjects of an action a password, as advice.
#[must_use]
pub fn to_set_passwords(action: &Action, environment: &str) -> Option<String> {
    let name = &sets_password(action)?.name;
    let each = command(environment, &format!("each {name}"), &[]);
    Some(format!("{each} --from TABLE --results FILE --generate-passwords"))
}

/// The action that sets the password of a subject that `action` is about, and needs no other value.
fn sets_password(action: &Action) -> Option<&'static Action> {
    let about = action.definition.subject.as_ref()?;
    actions::of_this_run().iter().find(|other| {
        let Definition { parameters, subject: Some(subject), .. } = &other.definition else { return false };
        let mut required = parameters.iter().filter(|(_, parameter)| parameter.is_required());
        (&subject.name, &subject.key, subject.expected) == (&about.name, &about.key, Expected::MustExist)
            && other.writes()
            && parameters.values().any(|parameter| parameter.is_secret() && parameter.is_required())
            && required.all(|(name, parameter)| parameter.is_secret() || subject.key.contains(name))
    })
}

/// The command that runs an action with values; `None` where this run has no such action, or the action has
/// no such parameter.
#[must_use]
pub fn task(environment: &str, next: &NextAction) -> Option<String> {
    let parameters = &actions::known(&next.action)?.definition.parameters;
    let flags = next.with.iter().map(|(name, value)| {
        parameters.get(name).filter(|parameter| !parameter.is_secret())?;
        Some((format!("--{}", name.replace('_', "-")), value.as_str()))
    });
    let flags: Vec<(String, &str)> = flags.collect::<Option<_>>()?;
    let flags: Vec<(&str, &str)> = flags.iter().map(|(flag, value)| (flag.as_str(), *value)).collect();
    Some(command(environment, &next.action, &flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name with an apostrophe, as the shells of this system take it.
    const NAME: &str = if cfg!(windows) { "\"o'brien\"" } else { r"'o'\''brien'" };

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(
            command("local", "add-role", &[("--username", "o'brien"), ("--role", "System Administrator")]),
            if cfg!(windows) {
                "quill-admin add-role --env local --username \"o'brien\" --role \"System Administrator\""
                    .to_owned()
            } else {
                format!("quill-admin add-role --env local --username {NAME} --role 'System Administrator'")
            }
        );
    }

    #[test]
    fn an_action_is_only_named_where_there_is_one() {
        let next = |action: &str, parameter: &str| NextAction {
            action: action.to_owned(),
            with: [(parameter.to_owned(), "o'brien".to_owned())].into(),
        };
        assert_eq!(
            task("local", &next("verify-email", "username")),
            Some(format!("quill-admin verify-email --env local --username {NAME}"))
        );
        assert_eq!(task("local", &next("verify-mail", "username")), None);
        assert_eq!(task("local", &next("verify-email", "user")), None);
        assert_eq!(task("local", &next("set-password", "password")), None);
    }
}
