//! `login`: signs in to Google Cloud, by way of gcloud.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use quill_admin_contract::ExitCode;
use tokio::process::Command;
use tokio::time::timeout;

use super::Context;
use crate::args::Login;
use crate::error::CliError;
use crate::events::Event;
use crate::prompt::Interrupt;
use crate::world;

/// gcloud gets the Ctrl-C of its terminal, too; this is how long it has for that.
const GCLOUD_ENDS_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn run(context: &Context<'_>, args: &Login) -> Result<u8, CliError> {
    if !context.form.attended() {
        return Err(CliError::usage("there is no terminal to sign in at")
            .hint("at a terminal: quill-admin login")
            .hint(
                "in a script, name a sign-in: --access-token-file FILE, or the variable \
                 GOOGLE_APPLICATION_CREDENTIALS",
            ));
    }
    // Before the questions' own listener goes: no Ctrl-C falls between the two.
    let mut interrupt = Interrupt::listen();
    context.questions.end();
    let mut gcloud = Command::new("gcloud")
        .args(["auth", "login"])
        .args(args.no_browser.then_some("--no-launch-browser"))
        // Our stdout is for our result.
        .stdout(Stdio::from(io::stderr()))
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| not_started(&error))?;
    let status = tokio::select! {
        // Whoever presses Ctrl-C ends both: that gcloud failed is then no news.
        biased;
        _ = interrupt.wait() => {
            // Dropped with this function, it is killed if it did not end by itself.
            let _ = timeout(GCLOUD_ENDS_WITHIN, gcloud.wait()).await;
            return Err(CliError::new(ExitCode::Interrupted, "interrupted; the sign-in is as it was"));
        }
        status = gcloud.wait() => status,
    };
    let status = status.map_err(|error| failed(&error.to_string()))?;
    if !status.success() {
        return Err(failed(&status.to_string()));
    }
    let named = world::named(context.process, context.global.access_token_file.as_deref());
    if let Some(named) = named.named() {
        context.reporter.event(Event::Trouble(format!("as long as it is named, {named} goes first")));
    }
    let account = world::gcloud(context.process).gcloud_account();
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
