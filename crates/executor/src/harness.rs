//! A run of the executor from beginning to end: environment → connection → tables → one action in one
//! transaction → COMMIT → result line → exit code.
//!
//! To add a step of the run: `task`. A new way to fail is an error of its step, with its code in `failure.rs`;
//! `conclude` turns both into the last line.

use std::fmt;
use std::io::Write;
use std::time::Duration;

use quill_admin_actions::Actions;
use quill_admin_contract::{
    CHECK, ExitCode, Failure, Invocation, Outcome, REVIEW, Review, RunContext, Target, Variables, Warning,
    warning_code,
};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::action::Done;
use crate::bulk::BulkTask;
use crate::connect::{PATIENCE, Server};
use crate::failure::Failed;
use crate::output::Output;
use crate::panic;
use crate::stop::Stop;
use crate::surroundings::Surroundings;
use crate::transaction::{Task, stopped};

/// Longest time for the connection to close after the result.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs the task, and always prints its outcome on the last line, even after a panic.
pub(crate) async fn run(
    vars: &Variables,
    arguments: &[String],
    actions: &Actions,
    out: &mut (dyn Write + Send),
) -> ExitCode {
    let known = |name: &str| [CHECK, REVIEW].contains(&name) || actions.entry(name).is_some();
    let mut context = RunContext::from_env(vars, known);
    if context.action.as_deref() == Some(REVIEW) {
        context = context.reviewing(vars);
    } else if let Some(action) = context.action.as_deref().and_then(|name| actions.get(name)) {
        context = context.recording(vars, action);
    }
    let mut log = Output::new(vars, context, out);
    let mut connections = JoinSet::new();
    let ended = panic::caught(task(vars, arguments, actions, &mut connections, &mut log)).await;
    let code = conclude(ended, &mut log);
    // The connection is closed properly, so that the server does not log a lost client.
    let _ = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    code
}

/// Prints the result of a process that could not even start to run.
pub(crate) fn not_started(
    vars: &Variables,
    out: &mut (dyn Write + Send),
    error: &dyn fmt::Display,
) -> ExitCode {
    let context = RunContext::from_env(vars, |_| false);
    conclude(Ok(Err(bug(&format!("failed to start: {error}")))), &mut Output::new(vars, context, out))
}

fn conclude(ended: Result<Result<Done, Failed>, String>, log: &mut Output<'_>) -> ExitCode {
    let failed = match ended {
        Ok(Ok(Done { outcome, message, rows, undo, .. })) => {
            if let Outcome::Listed { digest: Some(list), .. } = &outcome {
                for row in &rows {
                    log.row(row, list);
                }
            }
            let did_not_do_all = matches!(outcome, Outcome::Each { .. }) && !outcome.did_all_rows();
            let code = if did_not_do_all { ExitCode::RowsFailed } else { ExitCode::Success };
            log.result(code, outcome, undo, &message);
            return code;
        }
        Ok(Err(failed)) => failed,
        Err(place) => bug(&format!("it stopped at {place}")),
    };
    let message = failed.failure.message.clone();
    log.result(failed.code, Outcome::Failed { failure: failed.failure }, None, &message);
    failed.code
}

fn bug(what: &str) -> Failed {
    let message = format!(
        "unexpected failure, a bug in the executor: {what}. Look with `quill-admin show-user` whether anything \
         was changed"
    );
    Failed { code: ExitCode::Unexpected, failure: Failure::undecided(message) }
}

async fn task(
    vars: &Variables,
    arguments: &[String],
    actions: &Actions,
    connections: &mut JoinSet<()>,
    log: &mut Output<'_>,
) -> Result<Done, Failed> {
    let mut stop = Stop::listen().map_err(|error| bug(&format!("failed to listen for signals: {error}")))?;
    // This comes first: somebody who adds arguments to a job's command must not get as far as a connection.
    let target = Target::from_arguments(arguments)
        .map_err(|error| Failed::new(error.exit_code(), error.to_string()))?;
    let invocation = Invocation::from_env(vars, target.as_ref(), actions)
        .map_err(|error| Failed::new(error.exit_code(), error.to_string()))?;
    if let Some(review) = invocation.request.action.reviewed() {
        return Ok(reviewed(review));
    }
    tell_where_from(vars, target.as_ref(), log);
    right_schema(&invocation, actions)?;
    let server = Server::new(&invocation.connection, invocation.request.id)?;
    log.info(&format!("connecting to {}", server.description));
    let session = tokio::select! {
        biased;
        () = stop.requested() => return Err(stopped()),
        session = server.connect(PATIENCE, connections, log) => session?,
    };
    let task = Task { session: &session, request: &invocation.request, actions, row: None };
    let mut around = Surroundings { server: &server, stop: &mut stop, connections, log };
    let mut done = match &invocation.request.bulk {
        Some(bulk) => Box::pin(BulkTask { task, bulk }.run(&mut around)).await?,
        None => Box::pin(task.transact(&mut None, &mut around)).await?,
    };
    warn_plaintext(&mut done.outcome, &invocation.plaintext);
    Ok(done)
}

/// The result of a review, whose record is all that it leaves. The database has no part in it.
fn reviewed(review: &Review) -> Done {
    let Review { from, until, runs, marked, not_seen, .. } = review;
    let whole = if not_seen.is_empty() { "" } else { ", as far as they could be looked at" };
    let message =
        format!("reviewed {runs} runs from {from} until {until}{whole}; {marked} of them are marked");
    Done {
        outcome: Outcome::Reviewed { warnings: Vec::new() },
        message,
        writes: false,
        plan: None,
        undo: None,
        rows: Vec::new(),
    }
}

/// Warns where the database is not chosen as one would expect: variables that the target overrides, or no
/// target.
fn tell_where_from(vars: &Variables, target: Option<&Target>, log: &mut Output<'_>) {
    match target {
        Some(target) => {
            let ignored = vars.beside(target);
            if !ignored.is_empty() {
                log.warn(&format!(
                    "the job's command says which database it is; what these variables say otherwise is ignored: {}",
                    ignored.join(", ")
                ));
            }
        }
        // Outside of Cloud Run, whoever starts the executor decides everything anyway.
        None if vars.in_cloud_run() => log.warn(
            "the job's command does not say which database it is: whoever may run the job can name another one in its \
             variables; put it right with `quill-admin build`, or `terraform apply`",
        ),
        None => {}
    }
}

/// Refuses a job whose schema is not that of the action.
fn right_schema(invocation: &Invocation, actions: &Actions) -> Result<(), Failed> {
    let Some(schema) = &invocation.connection.schema else { return Ok(()) };
    let action = actions.get(invocation.request.action.name());
    let own = action.map_or(&actions.schema, |action| &action.definition.schema);
    if own == schema {
        return Ok(());
    }
    let message = format!(
        "the job is for the schema {schema}, and the actions of its image are for the schema {own}; nothing was \
         changed: put the job right with `quill-admin build`"
    );
    Err(Failed::new(ExitCode::SchemaMismatch, message))
}

/// Adds a warning of passwords that came in plain text, where the task succeeded.
fn warn_plaintext(outcome: &mut Outcome, variables: &[String]) {
    let (Outcome::Created { warnings, .. }
    | Outcome::Updated { warnings, .. }
    | Outcome::Unchanged { warnings, .. }
    | Outcome::Previewed { warnings, .. }) = outcome
    else {
        return;
    };
    if variables.is_empty() {
        return;
    }
    let message = format!(
        "the password came in plain text ({}): whoever may view this execution can read it; set a new one with \
         `quill-admin`, which sends only its hash",
        variables.join(", ")
    );
    warnings.push(Warning::new(warning_code::PLAINTEXT_PASSWORD, message));
}
