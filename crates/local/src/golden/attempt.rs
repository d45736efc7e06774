//! One run of an action within a case.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Parameter, variable};
use quill_admin_application::examples::{Case, Outcome};
use quill_admin_contract::{Arguments, Entered, EnvError, ExitCode};
use quill_admin_engine::{Effect, Error as EngineError, Performed, Work};
use tokio_postgres::{Client, Error};

/// The result of a run, in a form that a case can expect.
pub(super) struct Ended {
    pub(super) exit: u8,
    pub(super) outcome: Outcome,
    pub(super) performed: Option<Box<Performed>>,
    pub(super) message: String,
}

impl Ended {
    fn failed(code: ExitCode, message: String) -> Self {
        Self { exit: code.code(), outcome: Outcome::Failed, performed: None, message }
    }

    pub(super) fn rows_changed(&self) -> u64 {
        self.performed.as_ref().map_or(0, |performed| performed.rows_changed)
    }

    /// Whether a second run wrote rows although there was nothing to do: the engine refuses that where it
    /// sees no difference.
    pub(super) fn changes_again(&self) -> bool {
        self.rows_changed() > 0 || self.exit == ExitCode::SchemaMismatch.code()
    }
}

/// The result of a run.
pub(super) enum Came {
    Ended(Ended),
    /// A result that no case can expect, with the reason in words.
    Broken(String),
}

/// The values of a case, read as the container reads its variables.
pub(super) fn arguments(action: &Action, case: &Case) -> Result<Arguments, Ended> {
    let mut given = BTreeMap::new();
    for (name, values) in &case.with {
        let secret = action.definition.parameters.get(name).is_some_and(Parameter::is_secret);
        let hash = if secret { "_HASH" } else { "" };
        given.insert(format!("{}{hash}", variable(name)), values.join("\n"));
    }
    let look_up =
        |name: &str| Ok(given.get(name).map(String::as_str).filter(|value| !value.trim().is_empty()));
    match Entered::read(action, look_up) {
        Ok(entered) => Ok(entered.hashed()),
        Err(problems) => {
            let error = EnvError { problems };
            Err(Ended::failed(error.exit_code(), error.to_string()))
        }
    }
}

/// Runs an action in the present transaction. A failed action leaves nothing behind, and one that only reads
/// cannot write.
pub(super) async fn run(client: &Client, action: &Action, arguments: &Arguments) -> Result<Came, Error> {
    client.batch_execute("SAVEPOINT attempt").await?;
    if action.definition.read {
        client.batch_execute("SET TRANSACTION READ ONLY").await?;
    }
    let performed = perform(client, action, arguments).await;
    let end = if action.definition.read || performed.is_err() {
        "ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt"
    } else {
        "RELEASE SAVEPOINT attempt"
    };
    client.batch_execute(end).await?;
    Ok(match performed {
        Ok(performed) => Came::Ended(Ended {
            exit: 0,
            outcome: outcome(performed.effect),
            message: performed.message.clone(),
            performed: Some(Box::new(performed)),
        }),
        Err(EngineError::Failed(failed)) => Came::Ended(Ended::failed(failed.code, failed.message)),
        Err(EngineError::Database(error)) => {
            Came::Broken(format!("PostgreSQL refuses a statement of {}: {}", action.name, words(error)?))
        }
        Err(EngineError::Overtaken) => Came::Broken(format!(
            "{} starts again each time, and would end with exit code 16: a write changed fewer rows than its \"rows\" \
             says, or what it is about changed without a write",
            action.name
        )),
    })
}

async fn perform(client: &Client, action: &Action, arguments: &Arguments) -> Result<Performed, EngineError> {
    let work = Work::start(client, &action.definition.schema).await?;
    let layout = work.layout(&action.definition.tables).await?;
    work.perform(&layout, action, arguments).await
}

const fn outcome(effect: Effect) -> Outcome {
    match effect {
        Effect::Created => Outcome::Created,
        Effect::Updated => Outcome::Updated,
        Effect::Unchanged => Outcome::Unchanged,
        Effect::Found => Outcome::Found,
    }
}

/// PostgreSQL's message, including values: they are those of a case, and nobody's. The error itself is
/// returned if the connection is gone.
pub(super) fn words(error: Error) -> Result<String, Error> {
    if error.is_closed() {
        return Err(error);
    }
    let Some(said) = error.as_db_error() else { return Ok(error.to_string()) };
    let detail = said.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    Ok(format!("{}{detail}", said.message()))
}
