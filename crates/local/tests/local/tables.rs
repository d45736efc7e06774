//! A state is made of one application's tables, and serves no other.

use std::fs;
use std::path::Path;

use quill_admin_local::{Local, LocalError, LocalOptions, Script, Stage, Tables, reset, status};
use quill_admin_testkit::postgres::{AUGUST_2026, MARCH_2026};
use serde_json::Value;
use tempfile::TempDir;

use crate::{PORTER, connect, options, picture, porters, start, start_watched, tables_of};

fn with(state_dir: &Path, tables: Tables) -> LocalOptions {
    LocalOptions { tables, ..options(state_dir) }
}

async fn refused(options: LocalOptions) -> LocalError {
    Local::start(options, |_| {}).await.err().unwrap()
}

#[tokio::test]
async fn a_state_of_other_tables_is_refused_and_stays_as_it_is() {
    let home = TempDir::new().unwrap();
    let local = start(home.path()).await;
    connect(&local).await.batch_execute(PORTER).await.unwrap();
    local.shutdown().await.unwrap();
    assert_eq!(status(home.path()).unwrap().tables, Some(tables_of(AUGUST_2026).digest()));

    let database = home.path().join("database");
    let before = picture(&database);
    let told = refused(with(home.path(), tables_of(MARCH_2026))).await;
    assert!(matches!(told, LocalError::OtherTables { .. }), "{told}");
    assert_eq!(
        told.to_string(),
        format!(
            "the local environment in {} was made for another version of the application's tables than schema.sql; \
             nothing was changed",
            home.path().display()
        )
    );
    assert_eq!(picture(&database), before);

    // With the same tables and another seed, it is still the same state.
    let mut same = tables_of(AUGUST_2026);
    same.seed.sql.clear();
    let local = Local::start(with(home.path(), same), |_| {}).await.unwrap();
    assert_eq!(porters(&local).await, 1);
    local.shutdown().await.unwrap();

    assert!(reset(home.path(), |_| {}).unwrap());
    assert_eq!(status(home.path()).unwrap().tables, None);
    let local = Local::start(with(home.path(), tables_of(MARCH_2026)), |_| {}).await.unwrap();
    assert_eq!(porters(&local).await, 0);
    let verified = "SELECT FROM information_schema.columns WHERE column_name = 'email_verified'";
    assert!(connect(&local).await.query_opt(verified, &[]).await.unwrap().is_none());
    local.shutdown().await.unwrap();
}

/// States from before this was recorded have tables that no application's folder has.
#[tokio::test]
async fn a_state_that_does_not_say_of_which_tables_it_is_made_is_refused() {
    let home = TempDir::new().unwrap();
    start(home.path()).await.shutdown().await.unwrap();
    let layout = home.path().join("layout.json");
    let written: Value = serde_json::from_slice(&fs::read(&layout).unwrap()).unwrap();
    assert_eq!(written["tables"], tables_of(AUGUST_2026).digest());
    fs::write(&layout, r#"{"format":1}"#).unwrap();
    let told = refused(options(home.path())).await;
    assert!(matches!(told, LocalError::OtherTables { .. }), "{told}");
    let found = status(home.path()).unwrap();
    assert!(found.exists && found.tables.is_none());
    assert!(reset(home.path(), |_| {}).unwrap());
    start(home.path()).await.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_postgresql_refuses_has_its_place_and_leaves_no_environment() {
    let home = TempDir::new().unwrap();
    let script = |name: &str, sql: &str| Script { name: name.into(), sql: sql.into() };
    let broken = Tables {
        schema: script("schema.sql", "CREATE TABLE é (id integer);\nCREATE TABLE users (\n  id integr\n);"),
        seed: script("seed.sql", ""),
    };
    let told = refused(with(home.path(), broken)).await;
    assert_eq!(told.to_string(), "schema.sql:3:6: type \"integr\" does not exist");
    assert!(!status(home.path()).unwrap().exists);

    let mut broken = tables_of(AUGUST_2026);
    broken.seed.sql = "INSERT INTO role VALUES (1)".to_owned();
    let told = refused(with(home.path(), broken)).await;
    assert_eq!(told.to_string(), "seed.sql:1:13: relation \"role\" does not exist");
    assert!(!status(home.path()).unwrap().exists);

    // The next start begins with an empty state.
    let (local, stages) = start_watched(home.path()).await;
    assert!(stages.contains(&Stage::CreatingTables));
    local.shutdown().await.unwrap();
}

/// The output of `pg_dump`, with its settings at the beginning, and another application's tables.
#[tokio::test]
async fn a_dump_of_another_application_makes_its_tables() {
    let home = TempDir::new().unwrap();
    let dump = "\\restrict x\nSET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);\n\
                CREATE TABLE public.roles (name text NOT NULL);\n\\unrestrict x\n";
    // The seed names its table without a schema, whatever search path the dump has set.
    let mut tables = tables_of(dump);
    tables.seed.sql = "INSERT INTO roles VALUES ('Clinician')".to_owned();
    let local = Local::start(with(home.path(), tables), |_| {}).await.unwrap();
    connect(&local).await.batch_execute(PORTER).await.unwrap();
    assert_eq!(porters(&local).await, 1);
    let contents = local.contents().await.unwrap();
    assert_eq!((contents.users, contents.executions), (0, 0));
    local.shutdown().await.unwrap();
}
