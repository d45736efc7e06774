//! A declared action: the engine does it, and what came of it is told in the contract's words.

use quill_admin_actions::Action;
use quill_admin_contract::{
    AdminAction, Change, FieldValue, NextAction, Outcome, Row, SubjectState, Warning,
};
use quill_admin_engine as engine;
use quill_admin_engine::{Effect, Layout, Listed, Performed, SubjectStates, Value, Work};
use tokio_postgres::Client;

use crate::failure::ActionError;

/// What an action came to, before COMMIT.
pub(crate) struct Done {
    pub(crate) outcome: Outcome,
    /// The same in words.
    pub(crate) message: String,
    /// Whether there is something to COMMIT.
    pub(crate) writes: bool,
    /// The rows of a list, to be printed before the result.
    pub(crate) rows: Vec<Row>,
}

/// Does an action. Nothing of it is permanent yet. The layout of the tables is read once, and serves further
/// attempts.
pub(crate) async fn perform(
    client: &Client,
    action: &Action,
    asked: &AdminAction,
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
    Ok(told(work.perform(layout, action, asked.arguments()).await?))
}

fn told(performed: Performed) -> Done {
    let writes = performed.writes();
    let Performed { effect, subject, changes, warnings, listed, message, .. } = performed;
    let more = listed.as_ref().is_some_and(|listed| listed.more);
    let rows = listed.map(rows);
    let warnings = warnings.into_iter().map(warning).collect();
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
    Done { outcome, message, writes, rows: rows.unwrap_or_default() }
}

/// The subject as it is now; as it was where it is not there.
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

fn warning(warning: engine::Warning) -> Warning {
    let engine::Warning { code, message, next } = warning;
    Warning { code, message, next: next.map(|engine::Next { action, with }| NextAction { action, with }) }
}

/// The rows of a list, each with its place in it.
fn rows(listed: Listed) -> Vec<Row> {
    let Listed { columns, rows, .. } = listed;
    let placed = (0..).zip(rows);
    placed.map(|(index, values)| Row { index, columns: columns.clone(), values }).collect()
}
