//! Follows an execution to its end: its state and its log, side by side.
//!
//! The log comes live where it can. Reads of the log stand in where it cannot, and prove at the end
//! that nothing is missing: the live log neither says when it begins nor that it has gone quiet for
//! good, as after the sleep of a laptop.
//!
//! The files: `state.rs` asks for the state, `live.rs` has the live log, `reads.rs` the reads, `reader.rs` puts both
//! together, and `log.rs` takes each entry in once. To change how long something is waited for: `reader.rs`.

mod live;
mod log;
mod progress;
mod reader;
mod reads;
mod state;

use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{CloudError, Execution, LogTail, Phase};
use quill_admin_contract::{Asked, Claim};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::live::Live;
use self::log::Log;
use self::progress::{EndedHow, Progress};
use self::reader::Reader;
use self::reads::Reads;
use self::state::follow_state;
use crate::session::Session;
use crate::task::asked::asked;
use crate::task::row_results::RowResults;
use crate::task::rows::Rows;
use crate::task::run_outcome::Evidence;

/// An execution that was followed to its end.
pub(super) struct Followed {
    pub(super) execution: Execution,
    pub(super) evidence: Evidence,
    /// The rows of a list that its log has brought.
    pub(super) rows: Rows,
    /// The results of the rows of a bulk run, where it is one.
    pub(super) row_results: Option<RowResults>,
    /// The error of the last read of the log, if it failed: lines may be missing.
    pub(super) unread: Option<CloudError>,
}

/// Contact was lost while the execution may go on.
pub(super) struct Lost {
    pub(super) error: CloudError,
    /// A proven result that had arrived by then.
    pub(super) proven: Option<Claim>,
}

/// Follows an execution: one that was just started, with a live log that was opened before, or one that has
/// long been running or is over. Only an answer to `asked` is taken for its result; without `asked` it tells
/// none. `over` is called when the execution has ended and its log is still to be read.
pub(super) async fn follow(
    session: &Session,
    execution: Execution,
    asked: Option<Asked>,
    tail: Option<LogTail<'_>>,
    over: &(dyn Fn() + Sync),
) -> Result<Followed, Lost> {
    follow_with(session, execution, asked, tail, Shown::ForItsResult(over)).await
}

/// Follows an execution for the sake of its log: all of it is shown, the result line and the lines of
/// Cloud Run itself included.
///
/// # Errors
///
/// Fails when contact with the execution was lost, and when the last read of its log failed, so that lines
/// may be missing.
pub async fn follow_log(session: &Session, execution: Execution) -> Result<(), CloudError> {
    let job = execution.name.job.clone();
    let tail = session.google().tail_log(&job).await;
    let asked = session.environment().is_own(&job).then(|| asked(&execution));
    let followed =
        follow_with(session, execution, asked, Some(tail), Shown::Whole).await.map_err(|lost| lost.error)?;
    followed.unread.map_or(Ok(()), Err)
}

/// The purpose of following an execution.
#[derive(Clone, Copy)]
enum Shown<'a> {
    /// For its log: all of it is shown.
    Whole,
    /// For its result; the function is called when the execution is over.
    ForItsResult(&'a (dyn Fn() + Sync)),
}

async fn follow_with(
    session: &Session,
    execution: Execution,
    asked: Option<Asked>,
    tail: Option<LogTail<'_>>,
    shown: Shown<'_>,
) -> Result<Followed, Lost> {
    let name = execution.name.clone();
    let over_for = match (&execution.phase, execution.completed) {
        // This machine's clock is used: a wrong one costs a wait, or a line that is late by minutes.
        (Phase::Ended(_), Some(completed)) => {
            Duration::try_from(Timestamp::now().duration_since(completed)).unwrap_or_default()
        }
        _ => Duration::ZERO,
    };
    let result_came = Notify::new();
    let mut reader = Reader {
        live: Live::new(session.google(), &name, tail),
        reads: Reads::new(session.google(), &name),
        log: Log {
            whole: matches!(shown, Shown::Whole),
            rows: Rows::of(asked.as_ref()),
            asked,
            ..Log::default()
        },
        ended: None,
        ran: None,
        how: EndedHow::Badly,
        stopped_for: Duration::ZERO,
        over_for,
        complete: None,
        result_came: &result_came,
        session,
    };
    // Lines from before are not in the live log.
    if matches!(execution.phase, Phase::Running | Phase::Ended(_)) {
        reader.reads.due = Some(Instant::now());
    }
    let (progress, watched) = watch::channel(Progress::Waiting);
    let over = || {
        if let Shown::ForItsResult(over) = shown {
            over();
        }
    };
    let to_the_end = async {
        let seen = follow_state(session, execution, &progress, &result_came, &over).await;
        // Dropping the sender tells the reader of the log to stop, should contact be lost.
        drop(progress);
        seen
    };
    let (seen, ()) = tokio::join!(to_the_end, reader.read(watched));
    let (log, unread) = (reader.log, reader.reads.failed);
    let (execution, ending, task) = match seen {
        Ok(seen) => seen,
        Err(error) => {
            let proven = log.claims.into_iter().rfind(|claim| claim.proven);
            return Err(Lost { error, proven });
        }
    };
    let evidence = Evidence {
        claims: log.claims,
        tells_result: log.asked.is_some(),
        provable: log.asked.as_ref().is_some_and(|asked| asked.key.is_some()),
        spoke: log.lateness.is_some(),
        system_log: log.system,
        ..Evidence::of(&execution, ending, task)
    };
    let row_results = log.asked.and_then(|asked| asked.rows).map(|_| log.row_results);
    Ok(Followed { execution, evidence, rows: log.rows, row_results, unread })
}
