//! The statements of the repository's own file, prepared by PostgreSQL.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use quill_admin_actions::{Alternative, BindType, Slot};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::{compile, folder, shipped};

/// The columns that a database has, as `table.column`.
fn columns(database: &Database) -> BTreeSet<String> {
    let rows = database.rows(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    );
    rows.into_iter().flatten().flatten().collect()
}

fn types(alternative: &Alternative) -> Vec<Type> {
    let kind = |kind| match kind {
        BindType::Text => Type::TEXT,
        BindType::Int8 => Type::INT8,
        BindType::Bool => Type::BOOL,
        BindType::Date => Type::DATE,
        BindType::TextArray => Type::TEXT_ARRAY,
        BindType::Int8Array => Type::INT8_ARRAY,
        BindType::DateArray => Type::DATE_ARRAY,
    };
    alternative.binds.iter().map(|bind| kind(bind.kind)).collect()
}

/// Prepares the statements that would be sent to this database; returns their number.
async fn prepare_all(client: &Client, there: &BTreeSet<String>) -> usize {
    let application = shipped();
    let has = |table: &str, column: &str| there.contains(&format!("{table}.{column}"));
    let mut prepared = 0;
    for action in application.actions.iter() {
        let definition = &action.definition;
        for (table, wanted) in &definition.tables {
            for column in &wanted.needs {
                assert!(has(table, column), "{table}.{column}");
            }
        }
        if !definition.needs.iter().all(|condition| condition.holds(has)) {
            continue;
        }
        for (slot, statement) in definition.statements() {
            let alternative = statement.choose(has);
            let place = application.places.statement(&action.name, slot, 0, 1).expect("a place");
            let ready = client.prepare_typed(&alternative.sql, &types(alternative)).await;
            let ready =
                ready.unwrap_or_else(|error| panic!("{} {slot:?} at {place}: {error:?}", action.name));
            assert_eq!(ready.params().len(), alternative.binds.len(), "{} {slot:?}", action.name);
            for column in ready.columns() {
                let known = [Type::TEXT, Type::TEXT_ARRAY, Type::BOOL, Type::INT8];
                assert!(known.contains(column.type_()), "{} {slot:?}: {column:?}", action.name);
            }
            if let (Slot::Query, Some(subject)) = (slot, &definition.subject) {
                let names: BTreeSet<&str> =
                    ready.columns().iter().map(tokio_postgres::Column::name).collect();
                let absent = ["email_verified", "sessions"];
                for name in subject.fields.iter().chain(&subject.hidden) {
                    assert!(names.contains(name.as_str()) || absent.contains(&name.as_str()), "{name}");
                }
            }
            prepared += 1;
        }
    }
    for expectation in &application.actions.check {
        client.prepare(&expectation.query.choose(has).sql).await.expect("prepared");
        prepared += 1;
    }
    prepared
}

#[tokio::test]
async fn every_statement_is_prepared_on_both_generations() {
    needs_postgres!();
    for generation in Generation::ALL {
        let database = Database::create(generation);
        let client = database.connect().await;
        assert!(prepare_all(&client, &columns(&database)).await > 40, "{generation:?}");
    }
}

/// An SQL expression whose value is a text, and that text; or the name of a placeholder.
fn expression() -> impl Strategy<Value = (String, Result<String, String>)> {
    let hostile = r#"[a-z:$'"\\/*\[\](); \n-]{0,10}"#;
    let value = |sql: String, text: String| (sql, Ok(text));
    prop_oneof![
        "[abc]".prop_map(|name| (format!(":{name}::text"), Err(name))),
        hostile.prop_map(move |text| value(format!("'{}'", text.replace('\'', "''")), text)),
        hostile.prop_map(move |text| {
            value(format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")), text)
        }),
        // Two strings with a line break between them are one, and the second is read like the first.
        (hostile, hostile).prop_map(move |(one, other)| {
            let escaped = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
            value(format!("E'{}' -- ':x\n  '{}'", escaped(&one), escaped(&other)), one + &other)
        }),
        hostile.prop_map(move |text| {
            value(format!("U&'{}'", text.replace('\\', "\\\\").replace('\'', "''")), text)
        }),
        hostile.prop_map(move |text| value(format!("$x1${text}$x1$"), text)),
        hostile
            .prop_map(|text| text.replace('$', ""))
            .prop_map(move |text| value(format!("$${text}$$"), text)),
        hostile.prop_map(|text| text.replace('/', "")).prop_map(move |text| {
            value(format!("/* {text} /* :x */ */ 'a' -- {}\n", text.replace('\n', "")), "a".to_owned())
        }),
        Just(value("(ARRAY['p','q'])[1:1]::text".to_owned(), "{p}".to_owned())),
    ]
}

/// PostgreSQL itself finds literals, comments and placeholders where the lexer does.
#[tokio::test]
async fn postgresql_reads_literals_as_they_are_read_here() {
    needs_postgres!();
    let database = Database::create(Generation::August2026);
    let client = database.connect().await;
    let mut runner = TestRunner::new(Config::with_cases(1));
    for _ in 0..400 {
        let expressions =
            prop::collection::vec(expression(), 1..8).new_tree(&mut runner).expect("made").current();
        let sql: Vec<&str> = expressions.iter().map(|(sql, _)| sql.as_str()).collect();
        let sql = format!("SELECT ARRAY[{}] AS all", sql.join(", "));
        let text = format!(
            "format: 1\nschema: public\ntables: {{}}\nactions:\n  x:\n    about: x\n    read: true\n    parameters:\n{}    \
             rows:\n      max: 1\n      sql: {}\n",
            ["a", "b", "c"]
                .map(|name| format!("      {name}: {{ type: text, max: 9, optional: true }}\n"))
                .concat(),
            serde_json::json!(sql),
        );
        // Parameters that no statement uses are reported, and so they are left out.
        let unused = ["a", "b", "c"]
            .into_iter()
            .filter(|name| !expressions.iter().any(|(_, value)| *value == Err((*name).to_owned())));
        let text = unused.fold(text, |text, name| {
            text.replace(&format!("      {name}: {{ type: text, max: 9, optional: true }}\n"), "")
        });
        let text =
            if text.contains("optional") { text } else { text.replace("parameters:\n", "parameters: []\n") };
        let actions = compile(&text).unwrap_or_else(|told| panic!("{told}\n{sql}")).actions;
        let listing = actions.get("x").expect("there").definition.rows.clone().expect("rows");
        let alternative = &listing.query.alternatives()[0];
        let values: Vec<String> =
            alternative.binds.iter().map(|bind| format!("<{}>", bind.parameter)).collect();
        let parameters: Vec<(&(dyn ToSql + Sync), Type)> =
            values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
        let row = client.query_typed_one(&alternative.sql, &parameters).await;
        let row = row.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
        let expected: Vec<String> = expressions
            .into_iter()
            .map(|(_, value)| value.unwrap_or_else(|name| format!("<{name}>")))
            .collect();
        assert_eq!(row.get::<_, Vec<String>>(0), expected, "{sql}");
    }
}

#[tokio::test]
async fn the_shipped_tables_are_made_and_fit() {
    needs_postgres!();
    let read = |name: &str| std::fs::read_to_string(folder().join(name)).expect(name);
    let database = Database::create(Generation::August2026);
    let august = columns(&database);
    database.execute("DROP TABLE user_role, roles, users");
    database.execute(&read("schema.sql"));
    // Seeding again changes nothing.
    database.execute(&read("seed.sql"));
    database.execute(&read("seed.sql"));
    assert_eq!(columns(&database), august, "the newest generation, column by column");
    let client = database.connect().await;
    assert!(prepare_all(&client, &august).await > 40);
    let expected = &shipped().actions.check[0].has;
    let seeded: BTreeSet<String> =
        database.rows("SELECT name FROM roles").into_iter().flatten().flatten().collect();
    assert_eq!(&seeded, expected);
}
