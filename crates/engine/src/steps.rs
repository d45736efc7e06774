//! Runs the steps of an action, one after the other.
//!
//! To add a kind of step: here, and in the crates `actions` and `application`.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Guard, Otherwise, Segment, Step, StepWords, Text, When, Write};
use quill_admin_contract::ExitCode;

use crate::call::suggested;
use crate::error::{Error, Failed};
use crate::performed::Warning;
use crate::say::Values;
use crate::send::Sender;
use crate::value::{Value, columns};

/// The result of the steps.
#[derive(Default)]
pub(crate) struct Stepped {
    /// Number of rows that they changed.
    pub(crate) rows_changed: u64,
    /// The warnings of their guards.
    pub(crate) warnings: Vec<Warning>,
}

/// Runs the steps. `values` has the values that texts may name before the first step.
pub(crate) async fn run(sender: &Sender<'_>, action: &Action, values: &Values<'_>) -> Result<Stepped, Error> {
    let mut stepped = Stepped::default();
    let unsaid = StepWords::default();
    for (place, step) in action.definition.steps.iter().enumerate() {
        let is_due = match step.when() {
            None => true,
            Some(When::Absent) => values.before.is_none(),
            Some(When::Present) => values.before.is_some(),
        };
        if !is_due {
            continue;
        }
        let words = action.words.steps.get(place).unwrap_or(&unsaid);
        match step {
            Step::Write(write) => stepped.rows_changed += self::write(sender, action, place, write).await?,
            Step::Require(guard) => {
                let found = sender.first(&guard.statement, 0).await?.1 > 0;
                if !found {
                    stepped.warnings.push(otherwise(action, guard, words, values)?);
                }
            }
            Step::Refuse(guard) => {
                if let Some(found) = first(sender, guard, words).await? {
                    let values = Values { found: Some(&found), ..*values };
                    stepped.warnings.push(otherwise(action, guard, words, &values)?);
                }
            }
        }
    }
    Ok(stepped)
}

/// The columns, of the first row that a guard finds, that texts name. Other columns may be of any type, as in
/// `SELECT 1`.
async fn first(
    sender: &Sender<'_>,
    guard: &Guard,
    words: &StepWords,
) -> Result<Option<BTreeMap<String, Value>>, Error> {
    let (rows, _) = sender.first(&guard.statement, 1).await?;
    let texts = || words.say.iter().chain(words.next.iter().flat_map(|next| next.with.values()));
    let is_named = |column: &str| {
        texts()
            .flat_map(Text::segments)
            .any(|segment| matches!(segment, Segment::Found(name) if name == column))
    };
    rows.first().map(|row| columns(row, is_named)).transpose()
}

/// The consequence of a guard that does not hold: a warning, or a failure.
fn otherwise(
    action: &Action,
    guard: &Guard,
    words: &StepWords,
    values: &Values<'_>,
) -> Result<Warning, Failed> {
    let said = words.say.as_ref().map(|text| values.say(text));
    let message = said.unwrap_or_else(|| format!("a condition of {} does not hold", action.name));
    let next = words.next.as_ref().map(|next| suggested(values, next));
    match &guard.otherwise {
        Otherwise::Warn(code) => Ok(Warning { code: code.clone(), message, next }),
        Otherwise::Exit(exit) => {
            Err(Failed { next: next.map(Box::new), ..Failed::with_number(*exit, message) })
        }
    }
}

/// Changes rows and checks their number. If there are fewer than expected, another transaction was faster.
async fn write(sender: &Sender<'_>, action: &Action, place: usize, write: &Write) -> Result<u64, Error> {
    let rows = sender.change(&write.statement).await?;
    if rows < u64::from(write.rows.min) {
        return Err(Error::Overtaken);
    }
    if rows > u64::from(write.rows.max) {
        let what = format!(
            "step {} of {} would change {rows} rows of the database, and at most {} are expected",
            place + 1,
            action.name,
            write.rows.max
        );
        return Err(Failed::new(ExitCode::SchemaMismatch, what).into());
    }
    Ok(rows)
}
