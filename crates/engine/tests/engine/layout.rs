//! The tables that are found, the schemas that are searched, and the messages where tables are missing.

use quill_admin_actions::{Action, Actions, Definition};
use quill_admin_contract::ExitCode;
use quill_admin_engine::{Effect, Error, Layout, Work};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use tokio_postgres::Client;

use crate::rows::three_users;
use crate::run::{connect, declared, run, shipped, variables};

async fn layout(client: &Client, actions: &Actions, schema: &str) -> Result<Layout, Error> {
    client.batch_execute("BEGIN").await.expect("begun");
    let read = match Work::start(client, schema).await {
        Ok(work) => work.layout(&actions.tables).await,
        Err(error) => Err(error),
    };
    client.batch_execute("ROLLBACK").await.expect("ended");
    read
}

#[tokio::test]
async fn the_columns_of_both_generations_are_found() {
    needs_postgres!();
    let actions = shipped();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let found = layout(&connect(&db).await, &actions, "public").await.expect("found");
        assert!(found.has("users", "username") && found.has("roles", "name") && !found.has("users", "name"));
        assert!(!found.has("pg_class", "oid"));
        assert_eq!(found.has("users", "email_verified"), generation == Generation::August2026);
        assert_eq!((found.tls(), found.unknown_required()), (None, [].as_slice()));
    }
}

#[tokio::test]
async fn everything_that_is_missing_is_told_at_once() {
    needs_postgres!();
    let actions = shipped();
    let db = Database::create(Generation::August2026);
    db.execute("DROP TABLE user_role; ALTER TABLE users DROP COLUMN totp_secret; ALTER TABLE roles RENAME name TO title");
    let client = connect(&db).await;
    let failed =
        run(&client, actions.get("deactivate").expect("there"), &variables(&[("ADMIN_USERNAME", "ada")]))
            .await;
    let failed = failed.expect_err("missing");
    assert_eq!(failed.code, ExitCode::SchemaMismatch);
    assert_eq!(failed.missing_columns, ["roles.name", "user_role", "users.totp_secret"]);
    assert_eq!(
        failed.message,
        "the database is not laid out as this image knows it: missing roles.name, user_role, users.totp_secret; nothing \
         was changed. Is this the right database, and is the image as new as the application?"
    );
    let Err(Error::Failed(failed)) = layout(&client, &actions, "none").await else {
        panic!("there is no such schema")
    };
    assert!(
        failed.message.contains("missing the schema none, and in it roles, user_role, users; nothing"),
        "{}",
        failed.message
    );
}

#[tokio::test]
async fn a_schema_that_the_user_may_not_enter_is_a_refusal_and_no_missing_table() {
    needs_postgres!();
    let actions = shipped();
    let db = three_users();
    db.execute("ALTER SCHEMA public RENAME TO closed; REVOKE ALL ON SCHEMA closed FROM PUBLIC");
    let Err(Error::Failed(failed)) = layout(&connect(&db).await, &actions, "closed").await else {
        panic!("refused")
    };
    assert_eq!(failed.code, ExitCode::DatabaseRefused);
    assert_eq!(
        failed.message,
        "the database refused: the user has no right to use the schema closed, which holds the table roles; nothing was \
         changed"
    );
}

#[tokio::test]
async fn a_column_that_needs_a_value_and_is_not_known_is_told() {
    needs_postgres!();
    let actions = shipped();
    let db = Database::create(Generation::August2026);
    db.execute(
        "ALTER TABLE users ADD COLUMN region text NOT NULL, ADD COLUMN shelf text NOT NULL DEFAULT 'x',
           ADD COLUMN number int NOT NULL GENERATED ALWAYS AS IDENTITY;
         ALTER TABLE user_role ADD COLUMN giver text NOT NULL",
    );
    let client = connect(&db).await;
    let found = layout(&client, &actions, "public").await.expect("found");
    assert_eq!(found.unknown_required(), ["user_role.giver", "users.region"]);
    // An action that adds no rows is not affected.
    client.batch_execute("BEGIN").await.expect("begun");
    let work = Work::start(&client, "public").await.expect("started");
    let activate = actions.get("activate").expect("there");
    let found = work.layout(&activate.definition.tables).await.expect("found");
    assert_eq!(found.unknown_required(), [] as [&str; 0]);
}

/// Tables of the same names in schemas that come first elsewhere are not touched, whatever the user's
/// settings are.
#[tokio::test]
async fn tables_are_those_of_the_one_schema() {
    needs_postgres!();
    let db = three_users();
    let schema = "The \"one\"; DROP SCHEMA public";
    let quoted = "\"The \"\"one\"\"; DROP SCHEMA public\"";
    db.execute(&format!(
        "ALTER SCHEMA public RENAME TO {quoted};
         CREATE SCHEMA decoy; GRANT USAGE ON SCHEMA decoy, {quoted} TO {user};
         CREATE TABLE decoy.users AS SELECT * FROM {quoted}.users;
         GRANT ALL ON decoy.users TO {user};
         ALTER ROLE {user} SET search_path = decoy, {quoted};
         ALTER ROLE {user} SET standard_conforming_strings = off",
        user = db.user
    ));
    let client = connect(&db).await;
    // Temporary tables come before all others unless the search path names them.
    client
        .batch_execute(&format!("CREATE TEMP TABLE users AS SELECT * FROM {quoted}.users"))
        .await
        .expect("made");
    let actions = shipped();
    let mut action = actions.get("deactivate").expect("there").clone();
    schema.clone_into(&mut action.definition.schema);
    let performed = run(&client, &action, &variables(&[("ADMIN_USERNAME", "ada")])).await.expect("done");
    assert_eq!(performed.effect, Effect::Updated);
    // A backslash is an ordinary character, as it is for the parser that found the placeholders.
    let action = declared(
        "  backslash:\n    about: x\n    read: true\n    parameters: []\n    rows: { max: 1, sql: \"SELECT 'a\\\\n'::text AS it\" }\n",
    );
    let action =
        Action { definition: Definition { schema: schema.to_owned(), ..action.definition }, ..action };
    let listed = run(&client, &action, &variables(&[])).await.expect("done").listed.expect("a row");
    assert_eq!(listed.rows, [[Some("a\\n".to_owned())]]);
    for (table, inactive) in [(format!("{quoted}.users"), "1"), ("decoy.users".to_owned(), "0")] {
        let sql = format!("SELECT count(*) FROM {table} WHERE NOT is_active");
        assert_eq!(db.value(&sql).as_deref(), Some(inactive), "{table}");
    }
    let temporary =
        client.query_typed_one("SELECT count(*) FROM pg_temp.users WHERE NOT is_active", &[]).await;
    assert_eq!(temporary.expect("read").get::<_, i64>(0), 0);
    // The settings are gone with the transaction.
    let path = client.query_typed_one("SELECT current_setting('search_path')", &[]).await.expect("read");
    assert!(path.get::<_, String>(0).starts_with("decoy"));
}
