//! Reports about the account and its permissions.
//!
//! The permissions are listed in the crate `cloud`; those of a bucket count only where the environment has a
//! Terraform state.
//!
//! To add something that an account can do: its row in `ABILITIES`, after its permissions in `permissions.rs` of the
//! crate `cloud`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use quill_admin_cloud::{PERMISSIONS, Permission, Purpose, SignIn};
use quill_admin_contract::ExitCode;
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;
use serde_json::{Value, json};

use super::field::field;
use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::stream::to_stderr;
use super::{document, lines, symbols};

/// The account in an environment, and its permissions there.
#[derive(Debug)]
pub struct WhoamiReport<'a> {
    /// The environment that it is about.
    pub environment: &'a Environment,
    /// The account, where it is known.
    pub account: Option<&'a str>,
    /// The sign-in, where one is used.
    pub sign_in: Option<&'a SignIn>,
    /// The granted ones of [`PERMISSIONS`]; `None` where no permissions are needed.
    pub granted: Option<&'a BTreeSet<&'static str>>,
}

impl WhoamiReport<'_> {
    /// The permissions, each with whether it is granted.
    pub(super) fn permissions(&self) -> impl Iterator<Item = (&'static Permission, bool)> {
        let (granted, environment) = (self.granted, self.environment);
        PERMISSIONS
            .iter()
            .filter(move |permission| environment.needs(permission))
            .filter_map(move |permission| Some((permission, granted?.contains(permission.name))))
    }

    /// The missing permissions without which no task can be run.
    pub(super) fn missing(&self) -> Vec<&'static Permission> {
        self.permissions()
            .filter(|(permission, there)| permission.purpose == Purpose::Tasks && !there)
            .map(|(permission, _)| permission)
            .collect()
    }

    /// The hints for an administrator who grants them.
    pub(super) fn hints(&self) -> Vec<String> {
        let roles: BTreeSet<&str> = self.missing().iter().map(|permission| permission.role).collect();
        let caller = self.sign_in.and_then(SignIn::acts_as).or(self.account).unwrap_or("ACCOUNT");
        roles
            .into_iter()
            .map(|role| hints::grant(self.environment.job.project.as_str(), caller, role))
            .collect()
    }

    pub(super) fn exit_code(&self) -> u8 {
        if self.missing().is_empty() { 0 } else { ExitCode::PermissionDenied.code() }
    }
}

const UNKNOWN: &str = "an unknown account";

/// Something that an account can do where it has the permissions for it.
struct Ability {
    /// The ability in words, as they follow "can".
    what: &'static str,
    needs: fn(&Permission) -> bool,
}

/// The abilities of an account, in the order of [`PERMISSIONS`].
const ABILITIES: [Ability; 7] = [
    Ability { what: "run tasks", needs: |needed| needed.purpose == Purpose::Tasks },
    Ability {
        what: "see tasks, logs and the history",
        needs: |needed| needed.purpose == Purpose::Tasks && needed.is_of_reading(),
    },
    Ability { what: "build and deploy the admin image", needs: |needed| needed.purpose == Purpose::Build },
    Ability { what: "restore the backend", needs: |needed| needed.purpose == Purpose::RestoreBackend },
    Ability {
        what: "make a key that records are signed with",
        needs: |needed| needed.purpose == Purpose::RecordKey,
    },
    Ability { what: "look for problems with doctor", needs: |needed| needed.purpose == Purpose::Doctor },
    Ability {
        what: "fix problems with doctor --fix",
        // It looks before it fixes, and it looks again afterwards.
        needs: |needed| matches!(needed.purpose, Purpose::Doctor | Purpose::DoctorFix),
    },
];

/// Says what the account can do and what it cannot, one line each.
fn abilities(text: &mut String, report: &WhoamiReport<'_>) {
    text.push('\n');
    for Ability { what, needs } in &ABILITIES {
        let wanted: Vec<bool> = report
            .permissions()
            .filter(|(permission, _)| needs(permission))
            .map(|(_, is_there)| is_there)
            .collect();
        if wanted.is_empty() {
            continue;
        }
        let missing = wanted.iter().filter(|is_there| !**is_there).count();
        let _ = match missing {
            0 => writeln!(text, "  {} can {what}", style(symbols::DONE).green()),
            1 => writeln!(text, "  {} cannot {what}: 1 permission is missing", style(symbols::FAILED).red()),
            _ => writeln!(
                text,
                "  {} cannot {what}: {missing} permissions are missing",
                style(symbols::FAILED).red()
            ),
        };
    }
}

pub(super) fn signed_in_text(account: Option<&str>) -> String {
    format!("{} signed in as {}\n", style(symbols::DONE).green().bold(), clean(account.unwrap_or(UNKNOWN)))
}

/// The text about an account. Single permissions are listed where they are missing, and all of them with `verbose`.
pub(super) fn whoami_text(report: &WhoamiReport<'_>, verbose: bool) -> String {
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
    lines::settings(&mut text, environment);
    if granted.is_some() {
        abilities(&mut text, report);
    }
    let mut purpose = None;
    for (permission, there) in report.permissions().filter(|(_, there)| verbose || !there) {
        if purpose.replace(permission.purpose) != Some(permission.purpose) {
            let _ = writeln!(text, "\n  {}", permission.purpose);
        }
        let _ = if there {
            writeln!(text, "    {} {}", style(symbols::DONE).green(), permission.name)
        } else {
            writeln!(
                text,
                "    {} {}: missing, in {}",
                style(symbols::FAILED).red(),
                permission.name,
                permission.role
            )
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

/// The problem that keeps the caller of [`whoami`] from running tasks, with its hints.
pub(super) fn missing_text(report: &WhoamiReport<'_>) -> String {
    let mut text = String::new();
    let missing: Vec<&str> = report.missing().iter().map(|permission| permission.name).collect();
    if !missing.is_empty() {
        let environment = &report.environment.name;
        lines::problem(
            &mut text,
            &format!("tasks cannot be run in {environment}: no {}", missing.join(", ")),
        );
        for hint in report.hints() {
            lines::hint_line(&mut text, &hint);
        }
    }
    text
}

pub(super) fn whoami_json(report: &WhoamiReport<'_>) -> Value {
    let WhoamiReport { environment, account, sign_in, .. } = report;
    let permissions: Vec<Value> = report
        .permissions()
        .map(|(permission, there)| {
            json!({
                "for": permission.purpose.to_string(),
                "permission": permission.name,
                "granted": there,
                "role": permission.role,
            })
        })
        .collect();
    json!({
        "exit_code": report.exit_code(),
        "environment": environment.name,
        "account": account,
        "sign_in": sign_in.map(|sign_in| sign_in.source().to_string()),
        "acts_as": sign_in.and_then(SignIn::acts_as),
        "project": environment.job.project,
        "region": environment.job.region,
        "job": environment.job.job,
        "permissions": permissions,
        "hints": report.hints(),
        "settings": environment.source.elsewhere().map(document::path),
    })
}

impl Reporter {
    /// Shows the account and its permissions; the exit code says whether tasks can be run.
    pub fn whoami(&self, report: &WhoamiReport<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&whoami_json(report));
        } else {
            to_stdout(&whoami_text(report, self.style.verbose));
            to_stderr(&missing_text(report));
        }
        report.exit_code()
    }

    /// Reports who has signed in.
    pub fn signed_in(&self, account: Option<&str>) -> u8 {
        if self.style.json {
            result_document(&json!({"exit_code": 0, "account": account}));
        } else {
            result_to_stdout(&signed_in_text(account));
        }
        0
    }
}
