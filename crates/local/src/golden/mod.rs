//! Runs golden cases on a database: the rows of a case are inserted, its action is run twice, the result is
//! compared with the expected one, and everything is rolled back.
//!
//! To add an expectation: its key in `examples.rs` of the crate `application`, and its comparison in
//! `compare.rs`.
//!
//! An action is run by the engine, as in the container. The executor's additions deal with other clients
//! (locks, conflicts, a lost COMMIT), and there are none here.

mod attempt;
mod compare;
mod given;

use std::collections::BTreeSet;

use quill_admin_actions::{Action, Actions, Step};
use quill_admin_application::examples::{Case, Examples, Outcome};
use quill_admin_contract::Arguments;
use tokio_postgres::{Client, Error};

use crate::Task;
use attempt::{Came, Ended};

/// The verdict on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both runs were as expected.
    Passed,
    /// The case was not run, for this reason in words.
    LeftOut(String),
    /// The result differs: one entry in words for each difference, with the expected and the real value.
    Failed(Vec<String>),
}

/// Runs cases on a connection, each in a transaction of its own that is rolled back; returns a verdict for
/// each, in their order. The tables that the actions declare are emptied for each case, with those that refer
/// to them; other tables keep their rows. The cases have to belong to these actions.
///
/// # Errors
///
/// Fails if the database cannot be used any more; that says nothing about the cases.
#[must_use]
pub fn run_cases<'s>(
    client: &'s Client,
    actions: &'s Actions,
    examples: &'s Examples,
    cases: &'s [&'s Case],
) -> Task<'s, Result<Vec<Verdict>, Error>> {
    Box::pin(async move {
        let columns = given::columns(client, &actions.schema).await?;
        let mut verdicts = Vec::new();
        for case in cases {
            verdicts.push(one(client, actions, examples, case, &columns).await?);
        }
        Ok(verdicts)
    })
}

async fn one(
    client: &Client,
    actions: &Actions,
    examples: &Examples,
    case: &Case,
    columns: &BTreeSet<String>,
) -> Result<Verdict, Error> {
    let has = |table: &str, column: &str| columns.contains(&format!("{table}.{column}"));
    if let Some(condition) = case.condition.as_ref().filter(|condition| !condition.holds(has)) {
        return Ok(Verdict::LeftOut(format!("it is for tables with {condition}")));
    }
    let Some(action) = actions.get(&case.action) else {
        return Ok(Verdict::Failed(vec![format!("there is no action {}", case.action)]));
    };
    if action.is_job() {
        return Ok(Verdict::LeftOut("it runs a job of the application, which is not here".to_owned()));
    }
    client.batch_execute("BEGIN").await?;
    let problems = in_transaction(client, actions, action, examples, case, columns).await;
    client.batch_execute("ROLLBACK").await?;
    let problems = problems?;
    Ok(if problems.is_empty() { Verdict::Passed } else { Verdict::Failed(problems) })
}

async fn in_transaction(
    client: &Client,
    actions: &Actions,
    action: &Action,
    examples: &Examples,
    case: &Case,
    columns: &BTreeSet<String>,
) -> Result<Vec<String>, Error> {
    let prepare = given::statements(actions, examples, case, columns);
    if let Err(error) = client.batch_execute(&prepare).await {
        let why = attempt::words(error)?;
        return Ok(vec![format!("its rows could not be put there: {why}")]);
    }
    let arguments = match attempt::arguments(action, case) {
        Ok(arguments) => arguments,
        Err(ended) => return Ok(compare::ended(&case.expect, &ended)),
    };
    let first = match attempt::run(client, action, &arguments).await? {
        Came::Ended(ended) => ended,
        Came::Broken(why) => return Ok(vec![why]),
    };
    let mut problems = compare::ended(&case.expect, &first);
    if !problems.is_empty() {
        // The tables are not in the state that the case expects then.
        return Ok(problems);
    }
    problems.extend(compare::tables(client, &actions.schema, &case.expect, columns).await?);
    if case.repeats {
        problems.extend(again(client, action, &arguments, &first).await?);
    }
    Ok(problems)
}

/// Runs the action a second time, which must have nothing to do, or fail for the same reason.
async fn again(
    client: &Client,
    action: &Action,
    arguments: &Arguments,
    first: &Ended,
) -> Result<Option<String>, Error> {
    let second = match attempt::run(client, action, arguments).await? {
        Came::Ended(ended) => ended,
        Came::Broken(why) => return Ok(Some(format!("run a second time: {why}"))),
    };
    let wanted = match first.outcome {
        Outcome::Created | Outcome::Updated | Outcome::Unchanged => Outcome::Unchanged,
        same @ (Outcome::Found | Outcome::Failed) => same,
    };
    let as_wanted = second.outcome == wanted && second.exit == first.exit && second.rows_changed() == 0;
    if as_wanted {
        return Ok(None);
    }
    let came = compare::result(second.exit, second.outcome);
    let expected = compare::result(first.exit, wanted);
    let told = format!("run a second time: expected {expected}, came {came}: {}", second.message);
    let writes = action.definition.steps.iter().any(|step| matches!(step, Step::Write(_)));
    Ok(Some(if writes && second.changes_again() {
        format!(
            "{told}\na write of {} is not guarded: it changes rows where all is so already. Compare with IS DISTINCT \
             FROM, or say ON CONFLICT DO NOTHING; where each run is to change something, the case says \"repeats: \
             false\"",
            action.name
        )
    } else {
        told
    }))
}
