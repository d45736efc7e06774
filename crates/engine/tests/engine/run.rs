//! Runs one action as the executor does: in a transaction of its own, and again where another one interfered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use quill_admin_actions::{Action, Actions};
use quill_admin_contract::{Arguments, Entered, EnvError, ExitCode};
use quill_admin_engine::{Error, Failed, Performed, Work};
use quill_admin_testkit::postgres::Database;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Two hashes of the application's form.
pub(crate) const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";
pub(crate) const OTHER_HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$b3RoZXJzYWx0b3RoZXJzYQ$JObG1sJzVLmYRhYRdescudvJCsgt3ubb4dWRWJTmaac";

/// The folder `application/` of this repository.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application")
}

/// The compiled actions of that folder.
pub(crate) fn shipped() -> Actions {
    quill_admin_application::read(&folder()).unwrap_or_else(|broken| panic!("{broken}")).actions
}

/// The action that these lines define, compiled with the tables and subjects of `application/actions.yaml`.
pub(crate) fn declared(lines: &str) -> Action {
    let whole = std::fs::read_to_string(folder().join("actions.yaml")).expect("readable");
    let file = format!("{}\n{lines}", whole.trim_end());
    let compiled = quill_admin_application::compile(Path::new("actions.yaml"), file.as_bytes());
    let application = compiled.unwrap_or_else(|broken| panic!("{broken}"));
    application.actions.iter().last().expect("actions").clone()
}

/// A connection as the account that tasks use.
pub(crate) async fn connect(db: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&db.url, NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

/// The values of an action, from variables as they travel.
pub(crate) fn arguments(
    action: &Action,
    variables: &BTreeMap<String, String>,
) -> Result<Arguments, EnvError> {
    let look_up =
        |name: &str| Ok(variables.get(name).map(String::as_str).filter(|value| !value.trim().is_empty()));
    let read = Entered::read(action, look_up).map_err(|problems| EnvError { problems });
    read.map(Entered::hashed)
}

/// Variables of these names and values.
pub(crate) fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Runs an action with the values of these variables, up to five times. A failure is returned in the
/// executor's words.
pub(crate) async fn run(
    client: &Client,
    action: &Action,
    variables: &BTreeMap<String, String>,
) -> Result<Performed, Failed> {
    let arguments =
        arguments(action, variables).map_err(|error| failed(error.exit_code(), &error.to_string()))?;
    for _ in 0..5 {
        match once(client, action, &arguments).await {
            Ok(performed) => return Ok(performed),
            Err(Error::Failed(failed)) => return Err(failed),
            Err(Error::Overtaken) => {}
            Err(Error::Database(error)) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {}
            Err(Error::Database(error)) => panic!("{}: {error:?}", action.name),
        }
    }
    Err(failed(ExitCode::RowLocked, "other transactions kept changing the same at the same time"))
}

fn failed(code: ExitCode, message: &str) -> Failed {
    let (available, missing_columns) = (Vec::new(), Vec::new());
    Failed { code, message: message.to_owned(), available, missing_columns, next: None }
}

/// Runs an action in one transaction, which is committed where there is anything to commit.
pub(crate) async fn once(
    client: &Client,
    action: &Action,
    arguments: &Arguments,
) -> Result<Performed, Error> {
    let access = if action.definition.read { "READ ONLY" } else { "READ WRITE" };
    let begin = format!("START TRANSACTION ISOLATION LEVEL READ COMMITTED {access}");
    client.batch_execute(&begin).await.expect("begun");
    let performed = within(client, action, arguments).await;
    let end = if performed.as_ref().is_ok_and(Performed::writes) { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.expect("ended");
    performed
}

/// Runs an action in the present transaction.
pub(crate) async fn within(
    client: &Client,
    action: &Action,
    arguments: &Arguments,
) -> Result<Performed, Error> {
    let work = Work::start(client, &action.definition.schema).await?;
    let layout = work.layout(&action.definition.tables).await?;
    work.perform(&layout, action, arguments).await
}
