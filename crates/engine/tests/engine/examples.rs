//! The golden cases of `application/examples/`, each on both generations of the tables, and each twice.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::{Action, variable};
use quill_admin_application::examples::{self, Case, Cell, Examples, Given, Outcome, Row};
use quill_admin_contract::Arguments;
use quill_admin_engine::{Change, Effect, Error, Performed, Value};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation, quote_literal};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::run::{arguments, folder, shipped, within};

/// What came of a case.
struct Ended {
    exit: u8,
    outcome: Outcome,
    performed: Option<Performed>,
    message: String,
}

/// Runs an action in the transaction that there is. What fails leaves nothing behind, and what only reads cannot
/// write.
async fn run(client: &Client, action: &Action, arguments: &Arguments) -> Ended {
    client.batch_execute("SAVEPOINT one").await.expect("saved");
    if action.definition.read {
        client.batch_execute("SET TRANSACTION READ ONLY").await.expect("read only");
    }
    let performed = within(client, action, arguments).await;
    if action.definition.read || performed.is_err() {
        client.batch_execute("ROLLBACK TO one").await.expect("rolled back");
    }
    match performed {
        Ok(performed) => {
            let outcome = match performed.effect {
                Effect::Created => Outcome::Created,
                Effect::Updated => Outcome::Updated,
                Effect::Unchanged => Outcome::Unchanged,
                Effect::Found => Outcome::Found,
            };
            let message = performed.message.clone();
            Ended { exit: 0, outcome, performed: Some(performed), message }
        }
        Err(Error::Failed(failed)) => {
            assert!(failed.message.contains("nothing was changed"), "{}", failed.message);
            let exit = failed.code.code();
            Ended { exit, outcome: Outcome::Failed, performed: None, message: failed.message }
        }
        Err(other) => panic!("{}: {other:?}", action.name),
    }
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => quote_literal(text),
    }
}

/// The statements that put rows there.
fn insert(rows: &[&Given], defaults: &BTreeMap<String, Row>, columns: &BTreeSet<String>) -> String {
    let inserts = rows.iter().map(|given| {
        let mut row = defaults.get(&given.table).cloned().unwrap_or_default();
        row.extend(given.row.clone());
        row.retain(|column, _| columns.contains(&format!("{}.{column}", given.table)));
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(literal).collect();
        format!("INSERT INTO {} ({}) VALUES ({});", given.table, names.join(", "), values.join(", "))
    });
    inserts.collect::<Vec<_>>().join("\n")
}

async fn count(client: &Client, given: &Given, columns: &BTreeSet<String>) -> usize {
    let conditions: Vec<String> = given
        .row
        .iter()
        .filter(|(column, _)| columns.contains(&format!("{}.{column}", given.table)))
        .map(|(column, cell)| format!("{column}::text IS NOT DISTINCT FROM {}", literal(cell)))
        .collect();
    let sql = format!("SELECT 1 FROM public.{} WHERE {}", given.table, conditions.join(" AND "));
    let messages = client.simple_query(&sql).await.expect("counted");
    messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count()
}

/// The changes as cases have them. Of a subject that was made nothing is a change.
fn changes(performed: &Performed) -> BTreeMap<String, examples::Change> {
    let cell = |value: &Value| value.as_text().map_or(Cell::Null, Cell::Text);
    let mut changes = BTreeMap::new();
    for change in &performed.changes {
        let list = || examples::Change::List { added: BTreeSet::new(), removed: BTreeSet::new() };
        let new = match change {
            Change::Field { old, new, .. } => {
                examples::Change::Value { from: old.as_ref().map(cell), to: cell(new) }
            }
            Change::Hidden { .. } => examples::Change::Hidden,
            Change::Added { field, item } => {
                let mut entry = changes.remove(field).unwrap_or_else(list);
                if let examples::Change::List { added, .. } = &mut entry {
                    added.insert(item.clone());
                }
                entry
            }
            Change::Removed { field, item } => {
                let mut entry = changes.remove(field).unwrap_or_else(list);
                if let examples::Change::List { removed, .. } = &mut entry {
                    removed.insert(item.clone());
                }
                entry
            }
        };
        changes.insert(change.field().to_owned(), new);
    }
    changes
}

fn listed(performed: &Performed, expected: &[Row], told: &str) {
    let listed = performed.listed.as_ref().expect("it lists rows");
    assert_eq!(listed.rows.len(), expected.len(), "{told}: {listed:?}");
    assert!(!listed.more, "{told}");
    for (row, expected) in listed.rows.iter().zip(expected) {
        for (column, cell) in expected {
            let place = listed.columns.iter().position(|name| name == column).expect("a column");
            let cell = match cell {
                Cell::Null => None,
                Cell::Text(text) => Some(text.clone()),
            };
            assert_eq!(row[place], cell, "{told}");
        }
    }
}

/// Lets new rows have numbers behind those of rows that are given.
const NUMBERS: &str = "\
SELECT setval(pg_get_serial_sequence(quote_ident(table_name), column_name), 1000)
  FROM information_schema.columns WHERE table_schema = 'public' AND column_default LIKE 'nextval(%'";

/// Runs a case in a transaction of its own, which is rolled back.
async fn check(
    client: &Client,
    columns: &BTreeSet<String>,
    action: &Action,
    case: &Case,
    examples: &Examples,
) {
    let told = format!("{}:{}: {}", case.file.display(), case.place, case.name);
    let everywhere = examples.given.iter().filter(|given| !case.without.contains(&given.table));
    let rows: Vec<&Given> = everywhere.chain(&case.given).collect();
    let insert = insert(&rows, &examples.defaults, columns);
    let prepare = format!("BEGIN; TRUNCATE users, roles, user_role; {insert}; {NUMBERS}");
    client.batch_execute(&prepare).await.unwrap_or_else(|error| panic!("{told}: {error:?}"));
    let mut given = BTreeMap::new();
    for (name, values) in &case.with {
        let hash = if action.definition.parameters[name].is_secret() { "_HASH" } else { "" };
        given.insert(format!("{}{hash}", variable(name)), values.join("\n"));
    }
    let arguments = match arguments(action, &given) {
        Ok(arguments) => arguments,
        Err(error) => {
            assert_eq!(case.expect.exit, error.exit_code().code(), "{told}: {error}");
            return client.batch_execute("ROLLBACK").await.expect("rolled back");
        }
    };
    let ended = run(client, action, &arguments).await;
    let expect = &case.expect;
    assert_eq!(ended.exit, expect.exit, "{told}: {}", ended.message);
    if let Some(result) = expect.result {
        assert_eq!(ended.outcome, result, "{told}: {}", ended.message);
    }
    if let Some(says) = &expect.says {
        assert!(ended.message.contains(says), "{told}: {}", ended.message);
    }
    if let Some(performed) = &ended.performed {
        if let Some(expected) = &expect.changes {
            assert_eq!(&changes(performed), expected, "{told}");
        }
        if let Some(expected) = &expect.warnings {
            let codes: BTreeSet<String> =
                performed.warnings.iter().map(|warning| warning.code.clone()).collect();
            assert_eq!(&codes, expected, "{told}");
        }
        if let Some(expected) = &expect.listed {
            listed(performed, expected, &told);
        }
    }
    for given in &expect.rows {
        assert_eq!(count(client, given, columns).await, 1, "{told}: {}", given.place);
    }
    for given in &expect.gone {
        assert_eq!(count(client, given, columns).await, 0, "{told}: {}", given.place);
    }
    if case.repeats {
        let again = run(client, action, &arguments).await;
        let unchanged = match ended.outcome {
            Outcome::Created | Outcome::Updated | Outcome::Unchanged => Outcome::Unchanged,
            other => other,
        };
        assert_eq!((again.exit, again.outcome), (ended.exit, unchanged), "{told}, again: {}", again.message);
        assert_eq!(again.performed.map_or(0, |performed| performed.rows_changed), 0, "{told}, again");
    }
    client.batch_execute("ROLLBACK").await.expect("rolled back");
}

/// The columns of a database, as `table.column`.
pub(crate) fn columns(db: &Database) -> BTreeSet<String> {
    let sql = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'";
    db.rows(sql).into_iter().flatten().flatten().collect()
}

#[tokio::test]
async fn every_case_comes_out_as_it_says_on_both_generations_and_twice() {
    needs_postgres!();
    let actions = shipped();
    let examples = examples::read(&folder(), &actions).unwrap_or_else(|broken| panic!("{broken:?}"));
    let mut run = BTreeSet::new();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let columns = columns(&db);
        let client = db.connect().await;
        for case in &examples.cases {
            let has = |table: &str, column: &str| columns.contains(&format!("{table}.{column}"));
            if case.condition.as_ref().is_none_or(|condition| condition.holds(has)) {
                let action = actions.get(&case.action).expect("known");
                check(&client, &columns, action, case, &examples).await;
                run.insert(case.action.clone());
            }
        }
    }
    let all: BTreeSet<String> = actions.iter().map(|action| action.name.clone()).collect();
    assert_eq!(run, all, "every action has a case");
    assert_eq!(all.len(), 13);
}
