//! The types of values, sent and read back.

use quill_admin_actions::Action;
use quill_admin_contract::ExitCode;
use quill_admin_engine::{Listed, Performed};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::rows::three_users;
use crate::run::{connect, declared, run, variables};

fn listed(performed: Performed) -> Listed {
    performed.listed.expect("it lists rows")
}

fn some(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| Some((*cell).to_owned())).collect()
}

/// An action that returns the values that it is given.
fn echo() -> Action {
    declared(
        "  echo:
    about: gives back what it is given
    read: true
    parameters:
      text: { type: text, max: 9, optional: true, ask: x }
      texts: { type: text, max: 9, many: true, optional: true, ask: x }
      number: { type: integer, min: -9000000000000000000, max: 9000000000000000000, optional: true, ask: x }
      numbers: { type: integer, min: -5, max: 5, many: true, optional: true, ask: x }
      flag: { type: boolean, optional: true, ask: x }
      day: { type: date, optional: true, ask: x }
      days: { type: date, many: true, optional: true, ask: x }
    rows:
      sql: >-
        SELECT :text::text AS text, :texts::text[] AS texts, :number::int8 AS number, :numbers::int8[]::text[] AS numbers,
               :flag::boolean AS flag, (:day::date + 1)::text AS day, :days::date[]::text[] AS days
      max: 1
",
    )
}

#[tokio::test]
async fn every_type_is_bound_as_itself_and_read_back() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let client = connect(&db).await;
    let with = variables(&[
        ("ADMIN_TEXT", " a'b "),
        ("ADMIN_TEXTS", "b,c\n  {a}\n\"q\" "),
        ("ADMIN_NUMBER", "-9000000000000000000"),
        ("ADMIN_NUMBERS", "5\n-5"),
        ("ADMIN_FLAG", "false"),
        ("ADMIN_DAY", "2028-02-29"),
        ("ADMIN_DAYS", "0001-01-01\n9999-12-31"),
    ]);
    let found = listed(run(&client, &echo(), &with).await.expect("echoed"));
    assert_eq!(found.columns, ["text", "texts", "number", "numbers", "flag", "day", "days"]);
    assert_eq!(
        found.rows,
        [some(&[
            "a'b",
            "\"q\", b,c, {a}",
            "-9000000000000000000",
            "-5, 5",
            "false",
            "2028-03-01",
            "0001-01-01, 9999-12-31"
        ])]
    );
    let nothing = listed(run(&client, &echo(), &variables(&[])).await.expect("echoed"));
    assert_eq!(nothing.rows, [vec![None; 7]]);
}

#[tokio::test]
async fn rows_are_listed_up_to_the_most_and_that_there_are_more_is_said() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    for (max, rows, more, message) in [
        (2, 2, true, "the first 2 rows; there are more"),
        (3, 3, false, "3 rows"),
        (1, 1, true, "the first 1 row; there are more"),
    ] {
        let action = declared(&format!(
            "  names:\n    about: lists names\n    read: true\n    parameters: []\n    rows:\n      max: {max}\n      \
             sql: SELECT username::text, totp_secret::text FROM users ORDER BY username\n"
        ));
        let performed = run(&client, &action, &variables(&[])).await.expect("listed");
        assert_eq!(performed.message, message);
        let found = listed(performed);
        assert_eq!((found.rows.len(), found.more), (rows, more));
        assert_eq!(found.rows[0], [Some("ada".to_owned()), None]);
    }
}

#[tokio::test]
async fn a_type_that_is_not_known_is_told_and_not_guessed() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let action = declared(
        "  names:
    about: lists names
    read: true
    parameters: []
    rows: { max: 3, sql: SELECT username FROM users }
",
    );
    let failed = run(&client, &action, &variables(&[])).await.expect_err("varchar");
    assert_eq!(failed.code, ExitCode::SchemaMismatch);
    assert!(
        failed.message.contains(
            "a value of a type this image does not know: the column username is of the type varchar"
        ),
        "{}",
        failed.message
    );
}
