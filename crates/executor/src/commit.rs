//! Sends COMMIT, and finds out whether it was carried out where its answer is lost.

use std::time::Duration;

use quill_admin_contract::{ExitCode, Failure};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::connect::{PATIENCE, Server};
use crate::failure::{ActionError, Failed, cause, leaves_commit_open};
use crate::output::Output;
use crate::session::{LIMIT, Session};
use crate::sql;
use crate::surroundings::Surroundings;

/// Longest wait for the answer to COMMIT after a stop signal. Together with [`GRACE_TO_ASK`] it is less than
/// the ten seconds that Cloud Run leaves: the result has to be printed in time.
const GRACE: Duration = Duration::from_secs(3);

/// Longest time to find out the fate of the transaction after a stop signal.
const GRACE_TO_ASK: Duration = Duration::from_secs(6);

/// Number of times to ask while the server still works on it, with [`PAUSE`] in between.
const QUESTIONS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// The fate of a transaction after COMMIT.
pub(crate) enum Fate {
    Committed,
    RolledBack,
    /// The server does not know the transaction: it was too long ago, or the database was restored since.
    Forgotten,
    Unknown,
}

/// Makes the changes of a transaction, `id`, permanent.
///
/// A signal does not end the task from here on: the answer to COMMIT decides what is reported.
pub(crate) async fn commit(
    session: &Session,
    id: Option<i64>,
    around: &mut Surroundings<'_, '_>,
) -> Result<(), ActionError> {
    let Surroundings { server, stop, connections, log } = around;
    let answer = tokio::select! {
        answer = session.client.batch_execute("COMMIT") => Some(answer),
        () = sleep(LIMIT) => None,
        () = stop.overdue(GRACE) => None,
    };
    let reason = match answer {
        Some(Ok(())) => return Ok(()),
        Some(Err(error)) if !leaves_commit_open(&error) => return Err(error.into()),
        Some(Err(error)) => cause(&error),
        None => "no answer came".to_owned(),
    };
    log.info(&format!(
        "the connection broke while the change was being saved ({reason}); asking the database what became of it"
    ));
    let fate = tokio::select! {
        fate = fate(id, server, connections, log) => fate,
        () = stop.overdue(GRACE_TO_ASK) => Fate::Unknown,
    };
    let message = match fate {
        Fate::Committed => return Ok(()),
        Fate::RolledBack => format!(
            "the connection to the database was lost before the change was saved ({reason}); nothing was changed"
        ),
        Fate::Forgotten | Fate::Unknown => {
            let message = format!(
                "the connection to the database was lost while the change was being saved ({reason}): it may or \
                 may not have been saved. Look with `quill-admin show-user`; running the task again is safe"
            );
            let failure = Failure::undecided(message);
            return Err(Failed { code: ExitCode::DatabaseUnreachable, failure }.into());
        }
    };
    Err(Failed::new(ExitCode::DatabaseUnreachable, message).into())
}

/// Asks the server, over a new connection, for the fate of a transaction.
pub(crate) async fn fate(
    id: Option<i64>,
    server: &Server,
    tasks: &mut JoinSet<()>,
    log: &mut Output<'_>,
) -> Fate {
    let Some(id) = id else { return Fate::Unknown };
    let Ok(session) = server.connect(PATIENCE, tasks, log).await else { return Fate::Unknown };
    for _ in 0..QUESTIONS {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&id, Type::INT8)];
        let question = session.client.query_typed_one(sql::TRANSACTION_STATUS, &parameters);
        let row = match timeout(LIMIT, question).await {
            Ok(Ok(row)) => row,
            // The server has not yet come so far: it is not the one, or not the state, that the number is from.
            Ok(Err(error)) if error.code() == Some(&SqlState::INVALID_PARAMETER_VALUE) => {
                return Fate::Forgotten;
            }
            _ => return Fate::Unknown,
        };
        match row.try_get::<_, Option<&str>>(0) {
            Ok(None) => return Fate::Forgotten,
            Ok(Some("committed")) => return Fate::Committed,
            Ok(Some("aborted")) => return Fate::RolledBack,
            // The old connection's server process has not handled COMMIT yet, or has not noticed the end of
            // its connection.
            Ok(Some(_)) => sleep(PAUSE).await,
            _ => return Fate::Unknown,
        }
    }
    Fate::Unknown
}
