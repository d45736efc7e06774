//! A run from beginning to end: environment → connection → schema → one action in one transaction →
//! COMMIT → result line → exit code.

use std::io::{self, Write};
use std::time::Duration;

use quill_admin_contract::{ExitCode, Failure, Invocation, Outcome, Variables, Warning, warning_code};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::actions::{self, Work};
use crate::commit::commit;
use crate::connect::{PATIENCE, Target};
use crate::failure::{ActionError, Failed};
use crate::output::Output;
use crate::panic;
use crate::schema::{self, Schema};
use crate::session::{LIMIT, Session};
use crate::sql;
use crate::stop::Stop;
use crate::words;

/// How often a transaction is run that lost against another one.
const ATTEMPTS: u32 = 5;

/// How long the connection may take to close once everything is said and done.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs, and says on the last line what came of it, whatever happened.
pub(crate) async fn run(vars: &Variables, out: &mut (dyn Write + Send)) -> ExitCode {
    let mut log = Output::new(vars, out);
    let mut connections = JoinSet::new();
    let ended = panic::caught(task(vars, &mut connections, &mut log)).await;
    let code = conclude(ended, &mut log);
    // Lets the server hear that it was on purpose.
    let _ = timeout(FAREWELL, async { while connections.join_next().await.is_some() {} }).await;
    code
}

/// For a process that cannot even start to run.
pub(crate) fn not_started(vars: &Variables, out: &mut (dyn Write + Send), error: &io::Error) -> ExitCode {
    conclude(Ok(Err(bug(&format!("failed to start: {error}")))), &mut Output::new(vars, out))
}

fn conclude(ended: Result<Result<Done, Failed>, String>, log: &mut Output<'_>) -> ExitCode {
    let failed = match ended {
        Ok(Ok(Done { outcome, message })) => {
            log.result(ExitCode::Success, outcome, &message);
            return ExitCode::Success;
        }
        Ok(Err(failed)) => failed,
        Err(place) => bug(&format!("it stopped at {place}")),
    };
    let message = failed.failure.message.clone();
    log.result(failed.code, Outcome::Failed { failure: failed.failure }, &message);
    failed.code
}

fn bug(what: &str) -> Failed {
    let message = format!(
        "unexpected failure, a bug in the executor: {what}. Look with `quill-admin show-user` whether anything \
         was changed"
    );
    Failed { code: ExitCode::Unexpected, failure: Failure::undecided(message) }
}

/// A task that was done.
struct Done {
    outcome: Outcome,
    message: String,
}

async fn task(vars: &Variables, connections: &mut JoinSet<()>, log: &mut Output<'_>) -> Result<Done, Failed> {
    let mut stop = Stop::listen().map_err(|error| bug(&format!("failed to listen for signals: {error}")))?;
    let invocation =
        Invocation::from_env(vars).map_err(|error| Failed::new(error.exit_code(), error.to_string()))?;
    let target = Target::new(&invocation.connection, invocation.request.id)?;
    log.info(&format!("connecting to {}", target.description));
    let session = tokio::select! {
        biased;
        () = stop.requested() => return Err(stopped()),
        session = target.connect(PATIENCE, connections, log) => session?,
    };
    let mut outcome = transact(&session, &invocation, &target, &mut stop, connections, log).await?;
    let message = words::result(&invocation.request.action, &outcome);
    if invocation.plaintext_password {
        warn_plaintext(&mut outcome);
    }
    Ok(Done { outcome, message })
}

/// The action in one transaction; in another one when it lost against somebody else's.
async fn transact(
    session: &Session,
    invocation: &Invocation,
    target: &Target,
    stop: &mut Stop,
    connections: &mut JoinSet<()>,
    log: &mut Output<'_>,
) -> Result<Outcome, Failed> {
    let mut schema = None;
    for attempt in 1.. {
        // Up to COMMIT a signal ends it at once.
        let tried = tokio::select! {
            biased;
            () = stop.requested() => {
                session.abandon().await;
                return Err(stopped());
            }
            tried = timeout(LIMIT, act(session, invocation, &mut schema, log)) => tried,
        };
        let tried = match tried {
            Err(_) => Err(unanswered().into()),
            Ok(Ok((outcome, _))) if outcome.changes().is_empty() => {
                // What was seen is true whatever becomes of the rest.
                session.roll_back().await;
                return Ok(outcome);
            }
            Ok(Ok((outcome, id))) => {
                commit(session, id, target, stop, connections, log).await.map(|()| outcome)
            }
            Ok(Err(error)) => Err(error),
        };
        let error = match tried {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        if !error.is_conflict() || attempt >= ATTEMPTS {
            session.roll_back().await;
            return Err(error.into_failed());
        }
        session.roll_back().await;
        log.info("another transaction changed the same rows at the same time: starting again");
    }
    unreachable!("the last attempt returns")
}

/// Begins a transaction and does the action in it. Returns the transaction's number too, to ask after
/// it by, should the answer to COMMIT get lost.
async fn act(
    session: &Session,
    invocation: &Invocation,
    schema: &mut Option<Schema>,
    log: &mut Output<'_>,
) -> Result<(Outcome, Option<i64>), ActionError> {
    let action = &invocation.request.action;
    session.begin(action.name().writes()).await?;
    let schema = if let Some(known) = schema {
        known
    } else {
        let found = schema::verify(&session.client).await?;
        let version = session.server_version.split(' ').next().unwrap_or_default();
        let tls = found.tls.as_deref().unwrap_or("no TLS");
        log.info(&format!("connected: PostgreSQL {version}, {tls}"));
        schema.insert(found)
    };
    let work = Work { client: &session.client, schema, server_version: &session.server_version };
    let outcome = actions::perform(&work, action).await?;
    let id = match outcome.changes() {
        [] => None,
        _ => session.client.query_typed_one(sql::TRANSACTION_ID, &[]).await?.try_get(0)?,
    };
    Ok((outcome, id))
}

fn stopped() -> Failed {
    Failed::new(
        ExitCode::Stopped,
        "told to stop before it was done; everything was rolled back, nothing was changed",
    )
}

fn unanswered() -> Failed {
    let message = format!("the database did not answer within {} s; nothing was changed", LIMIT.as_secs());
    Failed::new(ExitCode::DatabaseUnreachable, message)
}

fn warn_plaintext(outcome: &mut Outcome) {
    let (Outcome::Created { warnings, .. }
    | Outcome::Updated { warnings, .. }
    | Outcome::Unchanged { warnings, .. }) = outcome
    else {
        return;
    };
    let message =
        "the password came in plain text (ADMIN_PASSWORD): whoever may view this execution can read it; \
                   set a new one with `quill-admin create-superadmin`, which sends only its hash"
;
    warnings.push(Warning::new(warning_code::PLAINTEXT_PASSWORD, message));
}
