//! The checks before an action changes anything: that it can be run here, that the tables, the values and the
//! subject are as it needs them.
//!
//! To add a check: its function here, and its call in `perform.rs`.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Condition, Expected, Kind, ParameterWords, Subject};
use quill_admin_contract::{Argument, AsLeft, ExitCode, Left};

use crate::error::{Error, Failed};
use crate::layout::Layout;
use crate::message;
use crate::say::Values;
use crate::send::Sender;
use crate::value::Value;

/// Refuses an action that is a job of the application's, or whose parts do not fit together, whatever its
/// source.
pub(crate) fn is_ours(action: &Action) -> Result<(), Failed> {
    if action.is_job() {
        let what = format!("{} is a job of the application's, and nothing that is done here", action.name);
        return Err(Failed::new(ExitCode::Usage, what));
    }
    match action.fault() {
        Some(fault) => Err(Failed::new(ExitCode::ImageTooOld, format!("the action {} {fault}", action.name))),
        None => Ok(()),
    }
}

/// Refuses an action that cannot run on these tables, and names everything that is missing at once.
pub(crate) fn needs(action: &Action, layout: &Layout) -> Result<(), Failed> {
    let unmet: Vec<&Condition> =
        action.definition.needs.iter().filter(|condition| !holds(condition, layout)).collect();
    if unmet.is_empty() {
        return Ok(());
    }
    let column = |condition: &&Condition| format!("{}.{}", condition.table, condition.column);
    let missing: Vec<String> = unmet.iter().filter(|condition| condition.present).map(column).collect();
    let unwanted: Vec<String> = unmet.iter().filter(|condition| !condition.present).map(column).collect();
    let mut what = Vec::new();
    if !missing.is_empty() {
        what.push(format!("needs {}, which the database does not have", missing.join(", ")));
    }
    if !unwanted.is_empty() {
        what.push(format!("is for databases without {}, which this one has", unwanted.join(", ")));
    }
    let failed = Failed::new(ExitCode::SchemaMismatch, format!("{} {}", action.name, what.join(", and ")));
    Err(Failed { missing_columns: missing, ..failed })
}

/// Refuses values of closed lists that are not allowed with these tables.
pub(crate) fn allowed(sender: &Sender<'_>, action: &Action) -> Result<(), Failed> {
    for words in &action.words.parameters {
        let parameter = action.definition.parameters.get(&words.parameter);
        let Some(Kind::OneOf { values }) = parameter.map(|parameter| &parameter.kind) else { continue };
        let Some(argument) = sender.arguments.get(&words.parameter) else { continue };
        let is_allowed = |value: &String| {
            let condition = values.get(value).map(|value| &value.condition);
            condition.is_some_and(|condition| {
                condition.as_ref().is_none_or(|condition| holds(condition, sender.layout))
            })
        };
        if let Some(value) = argument.values().into_iter().find(|value| !is_allowed(value)) {
            let here = in_order(words, values).into_iter().filter(is_allowed).collect::<Vec<_>>().join(", ");
            let what = format!(
                "the {} {value} is none that the application of this database knows; allowed here: {here}",
                words.name
            );
            return Err(Failed::new(ExitCode::Usage, what));
        }
    }
    Ok(())
}

/// The values of a closed list, in the order in which they are shown.
fn in_order(words: &ParameterWords, values: &BTreeMap<String, quill_admin_actions::Value>) -> Vec<String> {
    let place =
        |value: &String| words.values.iter().position(|words| words.value == *value).unwrap_or(usize::MAX);
    let mut ordered: Vec<String> = values.keys().cloned().collect();
    ordered.sort_by_key(place);
    ordered
}

fn holds(condition: &Condition, layout: &Layout) -> bool {
    condition.holds(|table, column| layout.has(table, column))
}

/// Refuses a subject that exists and must not, or that does not exist and has to.
pub(crate) fn expected(action: &Action, subject: &Subject, values: &Values<'_>) -> Result<(), Failed> {
    let there = values.before.is_some();
    let as_expected = match subject.expected {
        Expected::MustExist => there,
        Expected::MayExist => true,
        Expected::MustNotExist => !there,
    };
    if as_expected {
        return Ok(());
    }
    let what = message::unexpected(action, values);
    // A subject without a key has no exit code of its own: if it is missing, this is another database.
    Err(Failed::with_number(subject.exit.unwrap_or(ExitCode::SchemaMismatch.code()), what))
}

/// Refuses a subject that does not have the values any more that a run has left, and says which differ.
pub(crate) fn as_left(action: &Action, values: &Values<'_>, as_left: &[AsLeft]) -> Result<(), Failed> {
    let now = |field: &str| values.before.and_then(|before| before.get(field));
    let is_so = |one: &&AsLeft| match &one.left {
        Left::Is(left) => now(&one.field).and_then(Value::as_text) == *left,
        Left::Has(item) => now(&one.field).is_some_and(|list| list.items().contains(item)),
        Left::Lacks(item) => !now(&one.field).is_some_and(|list| list.items().contains(item)),
    };
    let words = action.words.subject.as_ref();
    let told = |one: &AsLeft| one.told(words, now(&one.field).and_then(Value::as_text).as_deref());
    let differ: Vec<String> = as_left.iter().filter(|one| !is_so(one)).map(told).collect();
    if differ.is_empty() {
        return Ok(());
    }
    let what = format!(
        "{} is not as the run that is to be undone has left it; these are no longer true: {}",
        message::subject(action, values),
        differ.join("; ")
    );
    Err(Failed::new(ExitCode::NotAsPreviewed, what))
}

/// Refuses values that have to be in the database and are not.
pub(crate) async fn exist(sender: &Sender<'_>, action: &Action) -> Result<(), Error> {
    for words in &action.words.parameters {
        let parameter = action.definition.parameters.get(&words.parameter);
        let Some(exists) = parameter.and_then(|parameter| parameter.exists.as_ref()) else { continue };
        let Some(argument) = sender.arguments.get(&words.parameter) else { continue };
        let mut available = sender.texts(&exists.query).await?;
        // The server does not sort them, because its order depends on the database's collation.
        available.sort_unstable();
        let missing = unknown(argument, &available);
        if missing.is_empty() {
            continue;
        }
        let name = &words.name;
        let there = match (&words.none, available.is_empty()) {
            (_, false) => format!("the database has: {}", available.join(", ")),
            (Some(none), true) => none.clone(),
            (None, true) => "the database has none".to_owned(),
        };
        let no: Vec<String> = missing.iter().map(|value| format!("no {name} {value}")).collect();
        let failed = Failed::with_number(exists.exit, format!("there is {}; {there}", no.join(" and ")));
        return Err(Failed { available, ..failed }.into());
    }
    Ok(())
}

fn unknown(argument: &Argument, available: &[String]) -> Vec<String> {
    let values = argument.values().into_iter();
    values.filter(|value| available.binary_search(value).is_err()).collect()
}
