//! Undoing a run: its record is found, judged, and turned into the request that undoes it.

use quill_admin_contract::{ExitCode, NextAction, UndoNote, Undoing};

use crate::error::{CliError, advice};
use crate::hints;
use crate::history::{self, Filter, PastRun, Record, UnreadLog};
use crate::session::Session;

/// The number of runs that are looked through.
const MANY: usize = 1000;

/// A run that can be undone.
#[derive(Debug)]
pub struct Undoable {
    /// The action that undoes it, with its values.
    pub call: NextAction,
    /// The condition: what the run has left is still there.
    pub undoing: Undoing,
}

/// Finds a run of the environment's job by the id of its execution or of its request, and how it is undone.
///
/// # Errors
///
/// Fails where there is no such run, where its record is not proven well enough to act on it, where it has changed
/// nothing, and where no action undoes it, with what a person can do instead.
pub async fn find(session: &Session, id: &str) -> Result<Undoable, CliError> {
    let environment = session.environment();
    let name = environment.name.as_str();
    // The log keeps records for a month, and a bucket of their own for years.
    let since = history::since(environment.records.as_ref().map(|_| "3650d"))?;
    let filter = Filter { since, user: None, actor: None, action: None, rows: false, limit: MANY };
    let past = history::read(session, &filter).await?;
    // Anybody who may write log entries can write the id of a request.
    let has_request = |run: &PastRun| {
        matches!(run.record, Record::Signed | Record::Proven)
            && run.line.as_ref().is_some_and(|line| line.request_id.as_deref() == Some(id))
    };
    let is_it = |run: &PastRun| run.execution == id || has_request(run);
    let list = || advice("see what was run", &hints::command(name, "history", &[]));
    let by_hand = || {
        advice(
            "put back by hand what has to be put back; see what it was with",
            &hints::command(name, "history -v", &[]),
        )
    };
    let Some(run) = past.runs.into_iter().find(is_it) else {
        if let Some(unread) = past.unread_log {
            let (UnreadLog::OfProject(error) | UnreadLog::Bucket(_, error)) = unread;
            return Err(error.into());
        }
        let what = format!(
            "the newest {MANY} runs of {name} since {} have no execution and no request \"{}\"{}",
            since.strftime("%Y-%m-%d"),
            id.escape_debug(),
            if past.unfinished { ", and the log was not searched to its end" } else { "" }
        );
        return Err(CliError::new(ExitCode::ResourceNotFound, what).hint(list()));
    };
    let refused = |what: String| CliError::usage(format!("{what}; nothing was started"));
    let what = run.action.clone().unwrap_or_else(|| "a run".to_owned());
    if run.rows.is_some() {
        return Err(refused(format!(
            "{} was run for many rows, and one run is undone at a time",
            run.execution
        ))
        .hint(advice(
            "undo it row by row, with the task that undoes it and a table of its own",
            "quill-admin each",
        )));
    }
    let Some(line) = run.line.clone() else {
        return Err(refused(format!(
            "execution {} has left no record that can be used: it is {}",
            run.execution, run.outcome
        ))
        .hint(list()));
    };
    // Nobody else writes records on this machine. Elsewhere whoever may read executions can prove a result, and a
    // forged value before would raise somebody's rights.
    let is_proven = match run.record {
        Record::Signed => true,
        Record::Proven => environment.is_embedded(),
        Record::NotProvable | Record::None => false,
    };
    if !is_proven {
        let error = refused(format!(
            "the record of execution {} is not signed, and only signed records are undone",
            run.execution
        ));
        return Err(if environment.record_keys.is_empty() {
            error.hint(advice("have records signed from now on", &hints::command(name, "record-key", &[])))
        } else {
            error.hint(by_hand())
        });
    }
    if run.preview || !matches!(line.outcome.name(), "created" | "updated") {
        return Err(refused(format!(
            "there is nothing to undo: {what} ended as \"{}\"",
            line.outcome.name()
        )));
    }
    let call = match line.undo.clone() {
        Some(UndoNote::Action(call)) => call,
        Some(UndoNote::Words { say }) => return Err(refused(format!("no action undoes {what}: {say}"))),
        None => {
            return Err(refused(format!(
                "no action undoes {what}, and the file of actions does not say how it is done"
            ))
            .hint(by_hand()));
        }
    };
    let undoing = Undoing::of(&run.execution, line.outcome.changes());
    if undoing.as_left.is_empty() {
        return Err(refused(format!(
            "{what} has changed hidden values only, which are in no record: whether they are still as it left them cannot \
             be known"
        )));
    }
    Ok(Undoable { call, undoing })
}
