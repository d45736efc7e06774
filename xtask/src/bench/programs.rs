//! The programs as just built, ready to be run, and the values that they are given.
//!
//! To run the CLI: `quill_admin` for its output, `command` where its use of resources is measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use quill_admin_testkit::home::{Home, Run};

use crate::run;

/// A hash of the right form, of no known password.
pub(super) const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(super) const ADD_ROLE: [&str; 7] =
    ["add-role", "--env", "bench", "--username", "bench", "--role", "Clinician"];

pub(super) fn program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(run::bin_dir()?.join(name))
}

/// The CLI as just built, ready to run.
pub(super) fn quill_admin(home: &Home) -> anyhow::Result<Run> {
    let run = home.run(program("quill-admin")?).env("XDG_CACHE_HOME", run::bin_dir()?.join("test-cache"));
    Ok(run.env("QUILL_ADMIN_CONFIG", named(home)))
}

/// The environments file, to be named as in a pipeline: if it is only found, a person first has to confirm
/// where its tasks go.
fn named(home: &Home) -> PathBuf {
    home.work().join("environments.yaml")
}

/// The CLI as just built, as a command whose use of resources can be measured.
pub(super) fn command(home: &Home, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(program("quill-admin")?);
    command
        .args(args)
        .current_dir(home.work())
        .env_clear()
        .env("HOME", home.path())
        .env("QUILL_ADMIN_CONFIG", named(home))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ok(command)
}

pub(super) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder's name is not text")
}
