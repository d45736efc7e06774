//! Finds the sign-in: one that is named, gcloud's, or none where everything is on this machine; and the names
//! that are recorded of who asks.
//!
//! To add a source of sign-ins: [`named`], and `SignInOptions` in the crate `cloud`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use quill_admin_cloud::{SignIn, SignInOptions};
use quill_admin_contract::{Actor, Origin};

use crate::config::{Environment, Place};
use crate::error::{CliError, quoted};
use crate::folders;
use crate::process::Process;
use crate::trust;

/// Finds the sign-in. Where everything is on this machine no service asks for one, and a person's own is not
/// sent to a program that listens there, unless it is named.
///
/// # Errors
///
/// Fails when the file sends calls to a host that nobody has named, and when a sign-in cannot be used.
pub fn find(
    environment: &Environment,
    process: &Process,
    access_token_file: Option<&Path>,
) -> Result<Option<SignIn>, CliError> {
    if let Place::Embedded { .. } = environment.place {
        return Ok(None);
    }
    let named = named(process, access_token_file);
    let explicit = named.named().is_some();
    trust::check(environment, process, explicit)?;
    let mut options = named.clone();
    options.hosts = trust::hosts(environment, process, explicit);
    options.impersonate.clone_from(&environment.impersonate);
    if let Place::Endpoints(endpoints) = &environment.place {
        options.iam_credentials.clone_from(&endpoints.iam_credentials);
        if environment.place.is_on_this_machine() {
            return named.named().map(|_| SignIn::find(&options)).transpose().map_err(CliError::from);
        }
    }
    let SignInOptions { gcloud, gcloud_account, gcloud_configuration, .. } = gcloud(process);
    let mut options = SignInOptions { gcloud, gcloud_account, gcloud_configuration, ..options };
    if options.hosts.universe.is_none() {
        options.hosts.universe = options.gcloud_property("core", "universe_domain");
    }
    Ok(Some(SignIn::find(&options)?))
}

/// The sign-in that a file or a variable names, and the account that a variable tells it to act as.
#[must_use]
pub fn named(process: &Process, access_token_file: Option<&Path>) -> SignInOptions {
    SignInOptions {
        access_token_file: access_token_file
            .map(Path::to_owned)
            .or_else(|| path(process, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"))
            .map(|path| process.cwd.join(path)),
        application_credentials: path(process, "GOOGLE_APPLICATION_CREDENTIALS")
            .map(|path| process.cwd.join(path)),
        // A variable that is set but empty differs from one that is not set: it tells gcloud to act as nobody
        // else.
        gcloud_impersonate: process.var("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT").map(str::to_owned),
        ..SignInOptions::default()
    }
}

/// The place where gcloud keeps the sign-in of this machine.
#[must_use]
pub fn gcloud(process: &Process) -> SignInOptions {
    let text = |name: &str| process.var(name).filter(|value| !value.is_empty()).map(str::to_owned);
    SignInOptions {
        gcloud: folders::gcloud(process),
        gcloud_configuration: text("CLOUDSDK_ACTIVE_CONFIG_NAME"),
        gcloud_account: text("CLOUDSDK_CORE_ACCOUNT"),
        ..SignInOptions::default()
    }
}

/// The hint about the network's own certificate authority, when it is set in gcloud alone: no other program
/// reads that setting.
#[must_use]
pub fn certificates_of_gcloud(process: &Process) -> Option<String> {
    const VARIABLE: &str = "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE";
    let given = process.var(VARIABLE).filter(|file| !file.is_empty()).map(str::to_owned);
    let file = given.or_else(|| gcloud(process).gcloud_property("core", "custom_ca_certs_file"))?;
    let file = quoted(Path::new(&file));
    let trust = if cfg!(windows) {
        format!("certutil -user -addstore Root {file}")
    } else {
        format!("export SSL_CERT_FILE={file}")
    };
    Some(format!("gcloud has such certificates (core/custom_ca_certs_file): {trust}"))
}

fn path(process: &Process, name: &str) -> Option<PathBuf> {
    process.var(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The person who asks: recorded, never trusted. Without a sign-in that has a name it is the account on this
/// machine.
#[must_use]
pub fn actor(account: Option<&str>, process: &Process) -> Option<Actor> {
    if let Some(account) = account {
        return account.parse().ok();
    }
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| process.var(name)?.parse().ok())
}

/// The run of GitHub Actions that this program is started by: the person who had it run, its page and its
/// commit, from the variables that it sets ("Variables reference", default environment variables). They are
/// recorded, never trusted: whoever starts a program can set them. `None` anywhere else, and where they make
/// no sense.
#[must_use]
pub fn origin(process: &Process) -> Option<Origin> {
    let text = |name: &str| process.var(name).map(str::trim).filter(|value| !value.is_empty());
    if text("GITHUB_ACTIONS") != Some("true") {
        return None;
    }
    let (server, repository, run) =
        (text("GITHUB_SERVER_URL")?, text("GITHUB_REPOSITORY")?, text("GITHUB_RUN_ID")?);
    let mut origin = "GitHub Actions".to_owned();
    // A run may be repeated by somebody other than the person who started it first.
    if let Some(person) = text("GITHUB_TRIGGERING_ACTOR").or_else(|| text("GITHUB_ACTOR")) {
        let _ = write!(origin, ", for {person}");
    }
    let _ = write!(origin, ": {server}/{repository}/actions/runs/{run}");
    if let Some(attempt) = text("GITHUB_RUN_ATTEMPT").filter(|attempt| *attempt != "1") {
        let _ = write!(origin, "/attempts/{attempt}");
    }
    if let Some(commit) = text("GITHUB_SHA") {
        let _ = write!(origin, ", commit {}", commit.get(..12).unwrap_or(commit));
    }
    origin.parse().ok()
}
