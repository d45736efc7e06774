//! `login`: signs in to Google Cloud, with gcloud.
//!
//! Our own result stays on stdout, so gcloud's output goes to stderr. Ctrl-C reaches both programs, which is
//! why gcloud's end is waited for.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use quill_admin_cloud::gcloud_program;
use quill_admin_contract::ExitCode;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::sign_in;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::context::Context;
use crate::args::Login;

/// The time that gcloud may take to end after Ctrl-C, which its terminal sends to it, too.
const GCLOUD_ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The time after gcloud's end within which our own signal is noticed: the same Ctrl-C reaches both at once.
const SIGNAL_WITHIN: Duration = Duration::from_millis(200);

pub(super) async fn run(context: &Context<'_>, args: &Login) -> Result<u8, CliError> {
    if !context.form.attended() {
        return Err(CliError::usage(context.form.nobody_to("sign in"))
            .hint("at a terminal: quill-admin login")
            .hint(
                "in a script, name a sign-in: --access-token-file FILE, or the variable \
                 GOOGLE_APPLICATION_CREDENTIALS",
            ));
    }
    let mut guard = context.guard();
    let mut gcloud = Command::new(gcloud_program())
        .args(["auth", "login"])
        .args(args.no_browser.then_some("--no-launch-browser"))
        // Our own stdout is kept for our result.
        .stdout(Stdio::from(io::stderr()))
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(&error))?;
    let ended = async {
        let status = gcloud.wait().await.map_err(|error| failed(&error.to_string()))?;
        if !status.success() {
            // Ctrl-C ends both programs, and gcloud's end can be noticed before our own signal.
            sleep(SIGNAL_WITHIN).await;
        }
        Ok(status)
    };
    let status = match guard.run(&PointOfNoReturn::new("the sign-in is as it was"), ended).await {
        // A person who presses Ctrl-C ends both: gcloud may have finished by then, or has ended without a
        // change.
        Err(error) if guard.has_left() => match timeout(GCLOUD_ENDS_WITHIN, gcloud.wait()).await {
            Ok(Ok(status)) if status.success() => status,
            Ok(Ok(_)) => return Err(error),
            // It is killed when it is dropped with this function. A signal to this program alone does not
            // reach it.
            Ok(Err(_)) | Err(_) => {
                return Err(CliError::interrupted("whether somebody was signed in is not known")
                    .hint("see who is signed in: quill-admin whoami"));
            }
        },
        ended => ended?,
    };
    if !status.success() {
        return Err(failed(&status.to_string()));
    }
    let named = sign_in::named(context.process, context.global.access_token_file.as_deref());
    if let Some(named) = named.named() {
        context.reporter.event(Event::Trouble(format!("as long as it is named, {named} goes first")));
    }
    let account = sign_in::gcloud(context.process).gcloud_account();
    Ok(context.reporter.signed_in(account.as_deref()))
}

fn failed(how: &str) -> CliError {
    CliError::new(ExitCode::NotSignedIn, format!("gcloud auth login failed ({how}): nobody was signed in"))
}

fn not_started(error: &io::Error) -> CliError {
    if error.kind() == io::ErrorKind::NotFound {
        return CliError::new(ExitCode::NotSignedIn, "gcloud, which signs in, is not installed")
            .hint("install it: https://cloud.google.com/sdk/docs/install")
            .hint("or use a sign-in from elsewhere: --access-token-file FILE, or the variable GOOGLE_APPLICATION_CREDENTIALS");
    }
    CliError::new(ExitCode::NotSignedIn, format!("gcloud could not be started: {error}"))
}
