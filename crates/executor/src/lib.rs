//! Runs one Quill admin task in one database transaction, inside the container.
//!
//! Environment variables say what to do, and the arguments on which database: the database stands in the
//! job's command, which whoever runs the job cannot override. The executor answers with lines on standard
//! output, the last of them the result, and an exit code; the crate `contract` defines all of these. To read
//! it from top to bottom:
//!
//! 1. [`main_from_env`] or [`run`]: how it is started;
//! 2. `harness.rs`: environment → connection → task → result;
//! 3. `transaction.rs`: one action in one transaction, and what a signal or a conflict does to that; `bulk.rs`: one
//!    action for many rows;
//! 4. `action.rs`: a declared action, done by the engine; `check.rs`: the one that is built in;
//! 5. what these stand on: `connect.rs`, `line.rs`, `guard.rs`, `tls.rs`, `session.rs`, `commit.rs`,
//!    `failure.rs` (which error ends with which code) and `output.rs`.
//!
//! The actions are data, which the program that starts it passes in: see `application/actions.yaml`.

mod action;
mod beside;
mod bulk;
mod check;
mod commit;
mod connect;
mod failure;
mod guard;
mod harness;
mod line;
mod output;
mod panic;
mod session;
mod small_file;
mod sql;
mod stop;
mod surroundings;
mod tls;
mod transaction;

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::Write;

use quill_admin_actions::Actions;
use quill_admin_contract::{ExitCode, Variables};

/// Runs the action that the variables ask for, if it is one of `actions`, on the database that the arguments
/// name, and writes to `out` line by line. Without such arguments the variables name the database.
///
/// This needs a Tokio runtime with I/O and time. From its start on it handles SIGTERM and SIGINT: they end
/// the task, not the process.
pub async fn run(
    vars: Variables,
    arguments: &[String],
    actions: &Actions,
    out: &mut (dyn Write + Send),
) -> ExitCode {
    harness::run(&vars, arguments, actions, out).await
}

/// The whole run of an executor process: reads the environment, runs, writes to standard output. `actions` is
/// the set of actions, as [`Actions::to_json`] writes it; `arguments` are the process's own, without its
/// name.
///
/// This is for a binary's `main` only: it installs the process's TLS provider (where there is none yet) and
/// its panic hook.
#[must_use]
pub fn main_from_env(
    actions: &[u8],
    arguments: impl IntoIterator<Item = OsString>,
) -> std::process::ExitCode {
    live(|| Ok(Cow::Borrowed(actions)), arguments)
}

/// Like [`main_from_env`], for the program of an image: the actions are those in the file beside it
/// ([`quill_admin_contract::image::ACTIONS_FILE`]), or `compiled` if there is no such file.
#[must_use]
pub fn main_of_an_image(
    compiled: &[u8],
    arguments: impl IntoIterator<Item = OsString>,
) -> std::process::ExitCode {
    live(|| Ok(beside::read()?.map_or(Cow::Borrowed(compiled), Cow::Owned)), arguments)
}

fn live<'a>(
    actions: impl FnOnce() -> Result<Cow<'a, [u8]>, String>,
    arguments: impl IntoIterator<Item = OsString>,
) -> std::process::ExitCode {
    // This fails only if there is a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    panic::keep_payloads_private();
    // The database's password is in this process's memory: prctl(2) keeps it out of core dumps. If that
    // fails, the task still runs.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let vars = Variables::new(std::env::vars_os());
    // An argument that is not UTF-8 is no target, and is refused like any other.
    let arguments: Vec<String> =
        arguments.into_iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let mut out = std::io::stdout();
    let read = |json: Cow<'_, [u8]>| Actions::read(&json).map_err(|error| error.to_string());
    let actions = match actions().and_then(read) {
        Ok(actions) => actions,
        Err(error) => return harness::not_started(&vars, &mut out, &error).into(),
    };
    let code = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(vars, &arguments, &actions, &mut out));
            // Dropping the runtime would wait for a name look-up that was given up on.
            runtime.shutdown_background();
            code
        }
        Err(error) => harness::not_started(&vars, &mut out, &error),
    };
    code.into()
}
