//! Runs one action, from its first statement to its last.
//!
//! To add a part of an action: its work in the file of its subject (`conditions.rs` before the changes, `steps.rs`
//! for the changes), and its place in the order of [`perform`].

use quill_admin_actions::{Action, Is, Listing, Subject};
use quill_admin_contract::{Arguments, AsLeft, ExitCode};
use tokio_postgres::{Client, Row};

use crate::call::{suggested, undoing};
use crate::conditions;
use crate::difference::changes;
use crate::error::{Error, Failed};
use crate::layout::Layout;
use crate::look_alikes;
use crate::message::{self, MessageParts, message};
use crate::performed::{Change, Effect, Listed, Performed, SubjectStates, Undo, Warning};
use crate::plan::plan;
use crate::say::{self, Values};
use crate::send::Sender;
use crate::state::State;
use crate::steps;
use crate::value::{Value, value};

/// Runs an action. First its subject is locked and read, then values are looked up that have to be in the
/// database, then its steps are run and its rows listed, and last the subject is read again.
pub(crate) async fn perform(
    client: &Client,
    layout: &Layout,
    action: &Action,
    arguments: &Arguments,
    as_left: &[AsLeft],
) -> Result<Performed, Error> {
    let definition = &action.definition;
    let sender = Sender { client, layout, arguments };
    conditions::is_ours(action)?;
    conditions::needs(action, layout)?;
    conditions::allowed(&sender, action)?;
    let before = match &definition.subject {
        Some(subject) => State::lock_and_read(&sender, subject).await?,
        None => None,
    };
    let words = action.words.subject.as_ref();
    let values = Values { arguments, words, before: before.as_ref(), after: None, found: None };
    if let Some(subject) = &definition.subject {
        conditions::expected(action, subject, &values)?;
    }
    conditions::as_left(action, &values, as_left)?;
    conditions::exist(&sender, action).await?;
    let stepped = steps::run(&sender, action, &values).await?;
    let listed = match &definition.rows {
        Some(listing) => Some(list(&sender, listing).await?),
        None => None,
    };
    let after = match &definition.subject {
        Some(subject) if !definition.read => State::read(&sender, subject).await?,
        _ => before.clone(),
    };
    let values = Values { after: after.as_ref(), ..values };
    let effect = effect(action, &values, stepped.rows_changed)?;
    let changes = match (&definition.subject, words, &after) {
        (Some(subject), Some(words), Some(after)) if matches!(effect, Effect::Created | Effect::Updated) => {
            changes(subject, words, before.as_ref(), after)
        }
        _ => Vec::new(),
    };
    let mut warnings = match &definition.subject {
        Some(subject) => of_subject(&sender, action, subject, &values, effect).await?,
        None => Vec::new(),
    };
    warnings.extend(stepped.warnings);
    let rows_changed = stepped.rows_changed;
    let did = MessageParts { action, values, effect, changes: &changes, listed: listed.as_ref() };
    let message = message(&did);
    let plan = match &definition.subject {
        Some(subject) if !definition.read => {
            Some(plan(action, arguments, subject, before.as_ref(), after.as_ref()))
        }
        _ => None,
    };
    let undo = undo(action, &values, effect, &changes);
    let subject = definition.subject.as_ref().map(|subject| states(subject, &values));
    Ok(Performed { effect, subject, changes, rows_changed, warnings, listed, plan, undo, message })
}

/// The effect of the action, by the two readings of the subject and the number of changed rows. The two have
/// to agree: the difference is reported and recorded, and the rows are what was really done.
fn effect(action: &Action, values: &Values<'_>, rows_changed: u64) -> Result<Effect, Error> {
    let definition = &action.definition;
    if definition.read {
        return Ok(Effect::Found);
    }
    let name = || message::subject(action, values);
    let (before, after) = (values.before, values.after);
    match (rows_changed > 0, before == after) {
        (false, true) => Ok(Effect::Unchanged),
        // Another transaction changed the subject, and not this action.
        (false, false) => Err(Error::Overtaken),
        (true, true) => {
            let what = format!(
                "rows were written, and {} is as it was: a trigger or rule of the database undid the change, or {} \
                 writes what is so already, or what is not read of it",
                name(),
                action.name
            );
            Err(Failed::new(ExitCode::SchemaMismatch, what).into())
        }
        (true, false) if after.is_none() => {
            let what = format!(
                "{} would be gone after {}, and no action takes away what it is about",
                name(),
                action.name
            );
            Err(Failed::new(ExitCode::SchemaMismatch, what).into())
        }
        (true, false) => Ok(if before.is_none() { Effect::Created } else { Effect::Updated }),
    }
}

/// The warnings about the subject: states to warn of, and a new name that looks like others.
async fn of_subject(
    sender: &Sender<'_>,
    action: &Action,
    subject: &Subject,
    values: &Values<'_>,
    effect: Effect,
) -> Result<Vec<Warning>, Error> {
    let mut warnings = Vec::new();
    let said = values.words.map(|words| words.warn.as_slice()).unwrap_or_default();
    for (watch, words) in subject.warn.iter().zip(said) {
        let is_so = match (values.after.and_then(|after| after.get(&watch.field)), &watch.is) {
            (Some(Value::Boolean(value)), Is::Boolean(is)) => value == is,
            (Some(Value::Text(value)), Is::Text(is)) => value == is,
            _ => false,
        };
        if is_so && !action.definition.silence.contains(&watch.code) {
            let next = words.next.as_ref().map(|next| suggested(values, next));
            warnings.push(Warning { code: watch.code.clone(), message: values.say(&words.say), next });
        }
    }
    let key = subject.key.first().and_then(|name| values.arguments.get(name));
    if let (Effect::Created, Some(others), Some(key)) = (effect, &subject.look_alikes, key) {
        warnings.extend(look_alikes::look(sender, others, &subject.name, &say::argument(Some(key))).await?);
    }
    Ok(warnings)
}

async fn list(sender: &Sender<'_>, listing: &Listing) -> Result<Listed, Error> {
    let most = usize::try_from(listing.max).unwrap_or(usize::MAX);
    let (rows, count) = sender.first(&listing.query, most).await?;
    let columns =
        rows.first().map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect());
    let rows = rows.iter().map(cells).collect::<Result<_, _>>()?;
    Ok(Listed { columns: columns.unwrap_or_default(), rows, more: count > most })
}

fn cells(row: &Row) -> Result<Vec<Option<String>>, Error> {
    let cell = |place| {
        Ok(match value(row, place)? {
            Value::Texts(texts) => Some(texts.join(", ")),
            other => other.as_text(),
        })
    };
    (0..row.len()).map(cell).collect()
}

/// The undo of the action, where it changed something: an action, or, if a value for that is missing, words.
fn undo(action: &Action, values: &Values<'_>, effect: Effect, changes: &[Change]) -> Option<Undo> {
    let (undo, words) = (&action.definition.undo, &action.words.undo);
    let (call, said) = match effect {
        Effect::Created => (&undo.created, &words.created),
        Effect::Updated if !changes.is_empty() => (&undo.updated, &words.updated),
        _ => return None,
    };
    let by_action = call.as_ref().and_then(|call| undoing(values, call)).map(Undo::Action);
    by_action.or_else(|| said.as_ref().map(|text| Undo::Words(values.say(text))))
}

fn states(subject: &Subject, values: &Values<'_>) -> SubjectStates {
    let fields = |state: Option<&State>| {
        state.map(|state| values.words.map(|words| state.fields(words)).unwrap_or_default())
    };
    let key = subject.key.iter().map(|name| (name.clone(), say::argument(values.arguments.get(name))));
    SubjectStates {
        name: subject.name.clone(),
        key: key.collect(),
        before: fields(values.before),
        after: fields(values.after),
    }
}
