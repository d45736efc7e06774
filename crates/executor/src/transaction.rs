//! One action in one transaction, which is run again if it loses against a concurrent one.
//!
//! To change which failures are worth another attempt: `is_conflict` in `failure.rs`. To change what is done in each
//! mode of a request: `in_mode`.

use std::future::Future;

use quill_admin_actions::Actions;
use quill_admin_contract::{ExitCode, Mode, Request, RunContext, Saving};
use quill_admin_engine::Layout;
use tokio::time::timeout;

use crate::action::{self, Done};
use crate::check;
use crate::commit::commit;
use crate::failure::{ActionError, Failed};
use crate::output::Output;
use crate::session::{LIMIT, Session};
use crate::sql;
use crate::stop::Stop;
use crate::surroundings::Surroundings;

/// Largest number of times that a transaction is run which loses against another one.
pub(crate) const ATTEMPTS: u32 = 5;

/// The task, and the connection to run it on.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a> {
    pub(crate) session: &'a Session,
    pub(crate) request: &'a Request,
    pub(crate) actions: &'a Actions,
    /// The number of the row of a bulk run.
    pub(crate) row: Option<u64>,
}

impl Task<'_> {
    /// Runs the action in one transaction, and in another one if it lost against a concurrent one.
    pub(crate) async fn transact(
        &self,
        layout: &mut Option<Layout>,
        around: &mut Surroundings<'_, '_>,
    ) -> Result<Done, Failed> {
        let session = self.session;
        for attempt in 1.. {
            let tried = within_limit(self.act(layout, around.log));
            let tried = match roll_back_if_stopped(session, around.stop, tried).await? {
                Ok((done, _)) if !done.writes => {
                    // The result is true whatever happens to the rest of the transaction.
                    session.roll_back().await;
                    return Ok(done);
                }
                Ok((done, id)) => {
                    if let Some((row, transaction)) = self.row.zip(id) {
                        around.log.saving(&Saving { row, transaction });
                    }
                    commit(session, id, around).await.map(|()| done)
                }
                Err(error) => Err(error),
            };
            let error = match tried {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            if !error.is_conflict() || attempt >= ATTEMPTS {
                session.roll_back().await;
                return Err(error.into_failed());
            }
            session.roll_back().await;
            around.log.info("another transaction changed the same rows at the same time: starting again");
        }
        unreachable!("the last attempt returns")
    }

    /// Begins a transaction and runs the action in it. Also returns the transaction's number, to ask for its
    /// fate if the answer to COMMIT is lost.
    async fn act(
        &self,
        layout: &mut Option<Layout>,
        log: &mut Output<'_>,
    ) -> Result<(Done, Option<i64>), ActionError> {
        self.session.begin(self.request.action.writes()).await?;
        let mut connected = |found: &Layout| self.tell_connected(found, log);
        let done = self.perform(layout, &mut connected).await?;
        let id = if done.writes { self.transaction_id().await? } else { None };
        Ok((done, id))
    }

    /// Runs the action in the transaction that has begun, as the request's mode wants it. `connected` is called when
    /// the tables have been looked at, which is done once.
    pub(crate) async fn perform(
        &self,
        layout: &mut Option<Layout>,
        connected: &mut (dyn FnMut(&Layout) + Send),
    ) -> Result<Done, ActionError> {
        let Self { session, request, actions, .. } = self;
        let done = match actions.get(request.action.name()) {
            Some(action) => action::perform(&session.client, action, request, layout, connected).await?,
            None => check::perform(&session.client, &session.server_version, actions, connected).await?,
        };
        self.in_mode(done).await
    }

    pub(crate) fn tell_connected(&self, found: &Layout, log: &mut Output<'_>) {
        let version = self.session.server_version.split(' ').next().unwrap_or_default();
        log.info(&format!("connected: PostgreSQL {version}, {}", found.tls().unwrap_or("no TLS")));
    }

    /// The number of this transaction, where it has changed anything.
    pub(crate) async fn transaction_id(&self) -> Result<Option<i64>, ActionError> {
        Ok(self.session.client.query_typed_one(sql::TRANSACTION_ID, &[]).await?.try_get(0)?)
    }

    /// The context of the result of a row.
    pub(crate) fn context_of(&self, context: &RunContext, row: &quill_admin_contract::BulkRow) -> RunContext {
        match self.actions.get(self.request.action.name()) {
            Some(action) => context.of_row(row.number, &row.arguments, action),
            None => context.clone(),
        }
    }

    /// Ends what was done as the request's mode wants it: as a preview, or only if it is what was previewed.
    async fn in_mode(&self, done: Done) -> Result<Done, ActionError> {
        match &self.request.mode {
            Mode::Run => Ok(done),
            Mode::Preview => {
                // What COMMIT would check is checked now, so that a preview does not promise what would fail. The
                // savepoint puts back when constraints are checked, for the rows after this one.
                let check = "SAVEPOINT before_check; SET CONSTRAINTS ALL IMMEDIATE; ROLLBACK TO SAVEPOINT before_check";
                self.session.client.batch_execute(check).await?;
                Ok(done.previewed())
            }
            Mode::RunAsPreviewed(plan) if done.plan.as_ref() == Some(plan) => Ok(done),
            Mode::RunAsPreviewed(_) => {
                let message = format!(
                    "it would not do what was previewed, for what it is about has been changed since, or something \
                     else was asked for; nothing was changed. Now it would be: {}",
                    done.message
                );
                Err(Failed::new(ExitCode::NotAsPreviewed, message).into())
            }
        }
    }
}

/// Ends work on the database after the time limit of a transaction.
pub(crate) async fn within_limit<T>(
    work: impl Future<Output = Result<T, ActionError>>,
) -> Result<T, ActionError> {
    timeout(LIMIT, work).await.unwrap_or_else(|_| Err(unanswered().into()))
}

/// Does work before COMMIT, in which a signal ends the task at once.
///
/// # Errors
///
/// Fails with [`ExitCode::Stopped`] when a signal has come.
pub(crate) async fn roll_back_if_stopped<T>(
    session: &Session,
    stop: &mut Stop,
    work: impl Future<Output = T>,
) -> Result<T, Failed> {
    tokio::select! {
        biased;
        () = stop.requested() => {
            session.abandon().await;
            Err(stopped())
        }
        done = work => Ok(done),
    }
}

pub(crate) fn stopped() -> Failed {
    Failed::new(
        ExitCode::Stopped,
        "told to stop before it was done; everything was rolled back, nothing was changed",
    )
}

fn unanswered() -> Failed {
    let message = format!("the database did not answer within {} s; nothing was changed", LIMIT.as_secs());
    Failed::new(ExitCode::DatabaseUnreachable, message)
}
