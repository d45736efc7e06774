//! What to type next. Hints go by typed codes, never by the text of a message.

use quill_admin_cloud::{CloudError, CloudErrorKind, ExecutionName};
use quill_admin_contract::{ActionName, ExitCode, Outcome, SYSTEM_ADMINISTRATOR, Username, WarningCode};

use crate::config::Environment;
use crate::error::CliError;

/// What to do when nobody is signed in, or the sign-in is not accepted.
pub const SIGN_IN: &str = "sign in with: quill-admin login";

/// A command line of this program, quoted so that it can be pasted into a shell.
#[must_use]
pub fn command(environment: &str, verb: &str, flags: &[(&str, &str)]) -> String {
    let mut line = format!("quill-admin {verb} --env {}", shell_words::quote(environment));
    for (flag, value) in flags {
        line = format!("{line} {flag} {}", shell_words::quote(value));
    }
    line
}

/// What gives somebody a role, for whoever may do that.
#[must_use]
pub fn grant(project: &str, account: &str, role: &str) -> String {
    let kind = if account.ends_with(".gserviceaccount.com") { "serviceAccount" } else { "user" };
    format!(
        "ask an administrator for: gcloud projects add-iam-policy-binding {project} \
         --member={kind}:{} --role={role}",
        shell_words::quote(account)
    )
}

/// The candidate a person probably meant.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, candidate), candidate))
        // Up to a third of the letters wrong (prd, stagin), or one the beginning of the other
        // (production).
        .filter(|(distance, candidate)| {
            *distance <= candidate.len().div_ceil(3)
                || (given.len() > 1 && (given.starts_with(candidate) || candidate.starts_with(&given)))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// Says what to do where there is no job.
#[must_use]
pub fn no_job(error: CloudError, environment: &Environment) -> CliError {
    let missing = error.kind == CloudErrorKind::NotFound;
    let told = CliError::from(error);
    if missing {
        told.hint(format!("make it with: {}", command(&environment.name, "build", &[])))
    } else {
        told
    }
}

/// Says how to get back to an execution that may still be running.
#[must_use]
pub fn reach(error: CliError, environment: &str, execution: &ExecutionName) -> CliError {
    let of = |verb: &str| command(environment, &format!("{verb} {}", execution.id), &[]);
    error.hint(format!("see how it ends: {}", of("attach"))).hint(format!("stop it: {}", of("cancel")))
}

/// What to do about a task that failed.
#[must_use]
pub fn after_failure(code: ExitCode, environment: &str, username: Option<&Username>) -> Vec<String> {
    let user = username.map_or("NAME", Username::as_str);
    let check = || format!("look at the database with: {}", command(environment, "check", &[]));
    match code {
        ExitCode::UserNotFound => vec![format!(
            "to create the user: {}",
            command(environment, "create-superadmin", &[("--username", user)])
        )],
        ExitCode::EmailTaken => vec!["give another --email, or the username the email belongs to".to_owned()],
        ExitCode::DatabaseUnreachable => vec!["running the task again is safe".to_owned(), check()],
        ExitCode::DatabaseRefused | ExitCode::SchemaMismatch => vec![check()],
        ExitCode::RowLocked => {
            vec!["somebody else is changing this user; wait a moment and run it again".to_owned()]
        }
        ExitCode::ImageTooOld => {
            vec![format!("deploy a newer image with: {}", command(environment, "build", &[]))]
        }
        ExitCode::Stopped => vec!["nothing was changed; running the task again is safe".to_owned()],
        ExitCode::Unknown => {
            let mut hints = Vec::new();
            if username.is_some() {
                hints.push(format!(
                    "see what the database holds: {}",
                    command(environment, "show-user", &[("--username", user)])
                ));
            }
            hints.push("every task can be run again safely: doing it twice leaves the same state".to_owned());
            hints
        }
        _ => Vec::new(),
    }
}

/// What to do about a warning that came with a result.
#[must_use]
pub fn after_warning(
    code: WarningCode,
    action: ActionName,
    outcome: &Outcome,
    environment: &str,
) -> Option<String> {
    let username = &outcome.user()?.username;
    match code {
        WarningCode::RoleNotSeeded => Some(format!(
            "once the application has been deployed and seeded: {}",
            command(environment, "add-role", &[("--username", username), ("--role", SYSTEM_ADMINISTRATOR)])
        )),
        WarningCode::PlaintextPassword => Some(format!(
            "set a new password with: {}",
            command(environment, "create-superadmin", &[("--username", username)])
        )),
        WarningCode::AccountInactive => {
            Some("activate the account in the application's user management".to_owned())
        }
        WarningCode::EmailNotVerified if action == ActionName::CreateSuperadmin => None,
        WarningCode::EmailNotVerified => {
            Some("the user has to follow the link in the application's verification email".to_owned())
        }
        WarningCode::RolesMissing | WarningCode::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(
            command("local", "add-role", &[("--username", "o'brien"), ("--role", "System Administrator")]),
            r"quill-admin add-role --env local --username 'o'\''brien' --role 'System Administrator'"
        );
    }

    #[test]
    fn near_misses() {
        let names = ["staging", "teaching", "prod", "local"];
        assert_eq!(nearest("stagin", names), Some("staging"));
        assert_eq!(nearest("prd", names), Some("prod"));
        assert_eq!(nearest("Prod", names), Some("prod"));
        assert_eq!(nearest("production", names), Some("prod"));
        assert_eq!(nearest("zzz", names), None);
    }
}
