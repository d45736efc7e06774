//! COMMIT, and finding out the truth where its answer is lost.

use std::time::Duration;

use quill_admin_contract::ExitCode;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::{ToSql, Type};

use crate::connect::Target;
use crate::failure::{ActionError, Failed, cause, leaves_commit_open};
use crate::output::Output;
use crate::session::{LIMIT, Session};
use crate::sql;

/// How long to try to connect again, to ask. Shorter than at the start: when a signal comes now,
/// ten seconds are left.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often to ask while the server still works on it, with [`PAUSE`] in between.
const QUESTIONS: usize = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// What is known of a transaction afterwards.
enum Fate {
    Committed,
    RolledBack,
    Unknown,
}

/// Makes the transaction's changes permanent.
///
/// From here on a signal waits: the answer is on its way, and it is the truth.
pub(crate) async fn commit(
    session: &Session,
    target: &Target,
    tasks: &mut JoinSet<()>,
    log: &mut Output<'_>,
) -> Result<(), ActionError> {
    // Its number, to ask after it by, should the answer get lost.
    let row = session.client.query_typed_one(sql::TRANSACTION_ID, &[]).await?;
    let id: Option<i64> = row.try_get(0)?;

    let reason = match timeout(LIMIT, session.client.batch_execute("COMMIT")).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) if !leaves_commit_open(&error) => return Err(error.into()),
        Ok(Err(error)) => cause(&error),
        Err(_) => format!("no answer within {} s", LIMIT.as_secs()),
    };
    log.info(&format!("the connection broke while the change was being saved ({reason}); asking the database what became of it"));
    match fate(id, target, tasks, log).await {
        Fate::Committed => Ok(()),
        Fate::RolledBack => Err(Failed::new(
            ExitCode::DatabaseUnreachable,
            format!("the connection to the database was lost before the change was saved ({reason}); nothing was changed"),
        )
        .into()),
        Fate::Unknown => Err(Failed::new(
            ExitCode::DatabaseUnreachable,
            format!(
                "the connection to the database was lost while the change was being saved ({reason}): it may or \
                 may not have been saved. Look with `quill-admin show-user`; running the task again is safe"
            ),
        )
        .into()),
    }
}

/// Asks the server, over a new connection, what became of a transaction.
async fn fate(id: Option<i64>, target: &Target, tasks: &mut JoinSet<()>, log: &mut Output<'_>) -> Fate {
    let Some(id) = id else { return Fate::Unknown };
    let Ok(session) = target.connect(PATIENCE, tasks, log).await else { return Fate::Unknown };
    for _ in 0..QUESTIONS {
        let parameters: [(&(dyn ToSql + Sync), Type); 1] = [(&id, Type::INT8)];
        let question = session.client.query_typed_one(sql::TRANSACTION_STATUS, &parameters);
        let Ok(Ok(row)) = timeout(PATIENCE, question).await else { return Fate::Unknown };
        match row.try_get::<_, Option<&str>>(0) {
            Ok(Some("committed")) => return Fate::Committed,
            Ok(Some("aborted")) => return Fate::RolledBack,
            // The old connection's server process has not got to it, or not noticed its end yet.
            Ok(Some(_)) => sleep(PAUSE).await,
            _ => return Fate::Unknown,
        }
    }
    Fate::Unknown
}
