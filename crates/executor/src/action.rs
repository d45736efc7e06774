//! Runs a declared action with the engine, and converts its result to the contract's types.
//!
//! To add a part of the result: its conversion here, from `Performed` of the crate `engine` to `Outcome` of the crate
//! `contract`.

use quill_admin_actions::{Action, Digest};
use quill_admin_contract::{
    Change, FieldValue, NextAction, Outcome, Request, Row, SubjectState, UndoNote, Warning, warning_code,
};
use quill_admin_engine as engine;
use quill_admin_engine::{Effect, Layout, Listed, Performed, SubjectStates, Value, Work};
use tokio_postgres::Client;

use crate::failure::ActionError;

/// The result of an action before COMMIT.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    /// The outcome in words.
    pub(crate) message: String,
    /// Whether there is anything to COMMIT.
    pub(crate) writes: bool,
    /// The digest of its plan, where it may write.
    pub(crate) plan: Option<Digest>,
    /// The way to undo it, where it has changed something.
    pub(crate) undo: Option<UndoNote>,
    /// The rows of a list, to be printed before the result.
    pub(crate) rows: Vec<Row>,
}

/// Runs an action. Nothing is permanent before COMMIT. The layout of the tables is read once, and used again
/// by further attempts.
pub(crate) async fn perform(
    client: &Client,
    action: &Action,
    request: &Request,
    layout: &mut Option<Layout>,
    connected: impl FnOnce(&Layout),
) -> Result<Done, ActionError> {
    let work = Work::start(client, &action.definition.schema).await?;
    let layout = if let Some(known) = layout {
        known
    } else {
        let found = work.layout(&action.definition.tables).await?;
        connected(&found);
        layout.insert(found)
    };
    let as_left = request.undoes.as_ref().map(|undoing| undoing.as_left.as_slice()).unwrap_or_default();
    Ok(told(work.perform_if(layout, action, request.action.arguments(), as_left).await?))
}

impl Done {
    /// The same as a preview, after which the transaction is rolled back.
    pub(crate) fn previewed(self) -> Self {
        let Self { outcome, message, plan, rows, .. } = self;
        let would = outcome.name().to_owned();
        let plan_text = plan.as_ref().map(Digest::to_string).unwrap_or_default();
        let outcome = match outcome {
            Outcome::Created { subject, changes, warnings }
            | Outcome::Updated { subject, changes, warnings } => {
                Outcome::Previewed { would, subject, changes, warnings, plan: plan_text }
            }
            Outcome::Unchanged { subject, warnings } => {
                Outcome::Previewed { would, subject, changes: Vec::new(), warnings, plan: plan_text }
            }
            other => other,
        };
        Self {
            outcome,
            message: format!("previewed, nothing was changed: {message}"),
            writes: false,
            plan,
            undo: None,
            rows,
        }
    }
}

fn told(performed: Performed) -> Done {
    let writes = performed.writes();
    let Performed { effect, subject, changes, warnings, listed, plan, undo, message, .. } = performed;
    let more = listed.as_ref().is_some_and(|listed| listed.more);
    let mut rows = listed.map(rows);
    let cut = rows.as_mut().and_then(|rows| cut(rows));
    let warnings = warnings.into_iter().map(warning).chain(cut).collect();
    let subject = subject.map(state);
    let changes = changes.into_iter().map(change).collect();
    let outcome = match (effect, &rows) {
        (_, Some(rows)) => {
            let digest = Some(Row::digest(rows));
            Outcome::Listed { rows: rows.len() as u64, more, digest, warnings }
        }
        (Effect::Created, None) => Outcome::Created { subject, changes, warnings },
        (Effect::Updated, None) => Outcome::Updated { subject, changes, warnings },
        (Effect::Unchanged, None) => Outcome::Unchanged { subject, warnings },
        (Effect::Found, None) => Outcome::Found { subject, warnings },
    };
    Done { outcome, message, writes, plan, undo: undo.map(undo_note), rows: rows.unwrap_or_default() }
}

/// The present state of the subject; the previous state of one that does not exist any more.
fn state(states: SubjectStates) -> SubjectState {
    let SubjectStates { name: kind, key, before, after } = states;
    let key =
        (!key.is_empty()).then(|| key.into_iter().map(|(_, value)| value).collect::<Vec<_>>().join(" "));
    let fields = after.or(before).unwrap_or_default();
    let fields = fields.into_iter().filter_map(|(field, value)| Some((field, told_value(value)?))).collect();
    SubjectState { kind, key, fields }
}

fn told_value(value: Value) -> Option<FieldValue> {
    match value {
        Value::Null => None,
        Value::Text(text) => Some(FieldValue::Text(text)),
        Value::Texts(texts) => Some(FieldValue::List(texts)),
        Value::Boolean(flag) => Some(FieldValue::Boolean(flag)),
        Value::Integer(number) => Some(FieldValue::Integer(number)),
    }
}

fn change(change: engine::Change) -> Change {
    match change {
        engine::Change::Field { field, old, new } => {
            Change::Field { field, old: old.and_then(|old| old.as_text()), new: new.as_text() }
        }
        engine::Change::Hidden { field } => Change::Hidden { field },
        engine::Change::Added { field, item } => Change::Added { field, item },
        engine::Change::Removed { field, item } => Change::Removed { field, item },
    }
}

fn undo_note(undo: engine::Undo) -> UndoNote {
    match undo {
        engine::Undo::Action(engine::Next { action, with }) => UndoNote::Action(NextAction { action, with }),
        engine::Undo::Words(say) => UndoNote::Words { say },
    }
}

fn warning(warning: engine::Warning) -> Warning {
    let engine::Warning { code, message, next } = warning;
    Warning { code, message, next: next.map(|engine::Next { action, with }| NextAction { action, with }) }
}

/// The rows of a list, each with its index.
fn rows(listed: Listed) -> Vec<Row> {
    let Listed { columns, rows, .. } = listed;
    let placed = (0..).zip(rows);
    placed.map(|(index, values)| Row { index, columns: columns.clone(), values }).collect()
}

/// Number of columns that the warning names whose values were cut off.
const NAMED: usize = 5;

/// Cuts off values that are too long for a log line, and warns of that: by the numbers of rows and the names
/// of columns, since warnings are part of the record, and the values of rows are not.
fn cut(rows: &mut [Row]) -> Option<Warning> {
    let columns = rows.iter_mut().flat_map(|row| {
        let number = row.index + 1;
        row.cut().into_iter().map(move |column| format!("{column} of row {number}"))
    });
    let places: Vec<String> = columns.collect();
    let others = places.len().saturating_sub(NAMED);
    let named = places.get(..NAMED).unwrap_or(&places).join(", ");
    let others = if others > 0 { format!(" and {others} others") } else { String::new() };
    let message = format!(
        "values are too long for a line of the log and were cut off; they end in \"{}\": {named}{others}. Have the \
         action list less of them, as in left(column, 1000)",
        Row::CUT
    );
    (!places.is_empty()).then(|| Warning::new(warning_code::VALUES_CUT, message))
}
