//! The check `machine-gcloud`: gcloud, which signs people in, is installed.

use std::path::Path;
use std::time::Duration;

use quill_admin_files::{read_text, system};
use tokio::process::Command;
use tokio::time::timeout;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "machine-gcloud",
    title: "gcloud, which signs people in",
    needs: &[],
    scope: Scope::Machine(|machine| Box::pin(inspect(machine))),
};

/// The time limit for gcloud's version: gcloud is Python, and takes up to a second to print it.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// The largest file `VERSION` that is read, in bytes: one that holds only a version is not larger.
const LONGEST_VERSION: u64 = 1 << 10;

async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    let path = machine.process.var("PATH").unwrap_or_default();
    let Some(program) = system::program("gcloud", path) else {
        return Ok(Finding::warning(
            "gcloud is not installed",
            "\"quill-admin login\" needs it; without it a sign-in has to be named",
        )
        .advice("install it: https://cloud.google.com/sdk/docs/install")
        .advice(
            "or use a sign-in from elsewhere: --access-token-file FILE, or the variable \
             GOOGLE_APPLICATION_CREDENTIALS",
        )
        .into());
    };
    let version = match beside(&program) {
        Some(version) => version,
        None => ask(&program).await?,
    };
    Ok(Report::healthy(format!("gcloud {version}")))
}

/// The version in the file `VERSION`, which Google's own packages have beside `bin`: reading it avoids
/// starting Python.
fn beside(program: &Path) -> Option<String> {
    let folder = program.canonicalize().ok()?.parent()?.parent()?.to_owned();
    let version = read_text(&folder.join("VERSION"), LONGEST_VERSION).ok()?;
    let version = version.trim();
    // Other programs have a file of that name, too.
    let plain =
        version.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    plain.then(|| version.to_owned())
}

async fn ask(program: &Path) -> Result<String, Undecided> {
    let mut gcloud = Command::new(program);
    let output = gcloud.args(["version", "--quiet"]).kill_on_drop(true).output();
    let failed =
        |why: String| Undecided::new(format!("{} does not tell its version: {why}", program.display()));
    let output = timeout(ANSWERS_WITHIN, output)
        .await
        .map_err(|_| failed(format!("no answer within {} seconds", ANSWERS_WITHIN.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines()
        .find_map(|line| line.strip_prefix("Google Cloud SDK "))
        .filter(|_| output.status.success())
        .map(|version| version.trim().to_owned())
        .ok_or_else(|| {
            let why = String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or_default().to_owned();
            failed(if why.is_empty() { output.status.to_string() } else { why })
        })
}
