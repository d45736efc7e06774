//! The local environment: Google Cloud and PostgreSQL inside this process, with nothing to install.
//!
//! [`Local::start`] brings up the Cloud Run emulator and an embedded PostgreSQL that holds the
//! application's tables, and puts the admin job in place as the deployed environments have it. From there on
//! it is an environment like any other: everything that follows goes through Google's own client,
//! over HTTP. What happened is still there at the next start; [`reset`] clears it.
//!
//! It is a playground. The database has no password, takes one connection at a time and never waits
//! for the disk: it survives a killed process, not a power cut. Nothing in here is meant to keep
//! anything of value.
//!
//! [`Scratch`] is the database alone, for as long as statements are tried or golden cases are run on it.

mod cloud;
mod database;
mod error;
mod folder;
mod golden;
mod manifests;
mod options;
mod scratch;
mod state;
mod tables;

use std::future::Future;
use std::pin::Pin;

use tokio_postgres::types::ToSql;

use cloud::Cloud;
use database::{Connection, Embedded};
use state::State;

pub use error::LocalError;
pub use golden::{Verdict, run_cases};
pub use options::{Container, LocalOptions};
pub use scratch::{Fit, Misfit, Scratch, Wrong};
pub use state::{Status, reset, status};
pub use tables::{Script, Tables};

/// What a start is doing. A first start goes through all of them, in this order; a later one leaves
/// out what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Unpacks PostgreSQL's program and an empty database: about half a second, once.
    UnpackingDatabase,
    /// Starts PostgreSQL.
    StartingDatabase,
    /// Creates the application's tables, and puts the first rows there.
    CreatingTables,
    /// Starts the emulator and puts the job in place.
    StartingCloud,
    /// Everything is there.
    Ready,
}

/// What the calls return: boxed, so that the code below is compiled here once, and not again with
/// every edit of the crate that calls it.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running local environment. It ends with [`Local::shutdown`], or when this is dropped.
pub struct Local {
    // In the order in which they have to go: the state must not be anybody else's before both have
    // let go of their files.
    cloud: Cloud,
    database: Embedded,
    _state: State,
    database_url: String,
    database_name: String,
    user: String,
}

/// How much the environment remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Rows in the table `users`: none where the application has no such table.
    pub users: u64,
    /// Executions of the job.
    pub executions: u64,
}

impl Local {
    /// Starts the environment: about half a second more the first time.
    ///
    /// Refused at once while another process has the same state directory in use, and where that was made of
    /// other tables.
    pub fn start(
        options: LocalOptions,
        on_progress: impl Fn(Stage) + Send + 'static,
    ) -> Task<'static, Result<Self, LocalError>> {
        Self::start_boxed(options, Box::new(on_progress))
    }

    /// Not generic, and boxed: compiled here, once, and not in the crate that calls it.
    fn start_boxed(
        options: LocalOptions,
        on_progress: Box<dyn Fn(Stage) + Send>,
    ) -> Task<'static, Result<Self, LocalError>> {
        Box::pin(Self::bring_up(options, on_progress))
    }

    async fn bring_up(
        mut options: LocalOptions,
        on_progress: Box<dyn Fn(Stage) + Send>,
    ) -> Result<Self, LocalError> {
        let state = State::hold(&options.state_dir)?;
        let complete = state.is_complete(&options.tables)?;
        let database = if complete {
            on_progress(Stage::StartingDatabase);
            state.restore_manifests()?;
            let database = Embedded::start(&state.database()).await?;
            Embedded::warm_up();
            database
        } else {
            on_progress(Stage::UnpackingDatabase);
            state.begin()?;
            let database = Embedded::start(&state.database()).await?;
            on_progress(Stage::StartingDatabase);
            let superuser = database.connect("postgres", "postgres").await?;
            on_progress(Stage::CreatingTables);
            create_database(superuser, &options.database, &options.user).await?;
            create_tables(database.connect(&options.database, &options.user).await?, &options.tables).await?;
            database
        };
        state.keep_manifests()?;
        on_progress(Stage::StartingCloud);
        if let (Some(actions), Container::Program { args, .. }) = (&options.actions, &mut options.container) {
            args.push(state.write_actions(actions)?.to_string_lossy().into_owned());
        }
        let cloud = Cloud::start(&options, database.port(), &state.cloud()).await?;
        if !complete {
            state.mark_complete(&options.tables)?;
        }
        on_progress(Stage::Ready);
        Ok(Self {
            database_url: database.url(&options.database, &options.user),
            cloud,
            database,
            _state: state,
            database_name: options.database,
            user: options.user,
        })
    }

    /// Where the emulator answers for all of Google Cloud's APIs: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.cloud.endpoint()
    }

    /// The token that calls of the emulator's control API need, in the header `emulator-token`.
    #[must_use]
    pub fn control_token(&self) -> &str {
        self.cloud.control_token()
    }

    /// How to look into the database with a client of one's own.
    ///
    /// One connection at a time: while it is open, a container waits for its turn.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Counts what is there.
    #[must_use]
    pub fn contents(&self) -> Task<'_, Result<Contents, LocalError>> {
        Box::pin(self.count())
    }

    async fn count(&self) -> Result<Contents, LocalError> {
        let connection = self.database.connect(&self.database_name, &self.user).await?;
        let counted = count_users(&connection.client).await;
        connection.close().await;
        let users = counted.map_err(|source| LocalError::database("count the users in", source))?;
        let executions = self.cloud.executions().await?;
        Ok(Contents { users: users.unsigned_abs(), executions: executions as u64 })
    }

    /// Ends the environment: what still runs is stopped, what it did so far is kept.
    ///
    /// An error says that the emulator's part of the state could not be kept. Everything has ended
    /// all the same.
    #[must_use]
    pub fn shutdown(self) -> Task<'static, Result<(), LocalError>> {
        Box::pin(async move {
            // What runs has the database until it has ended.
            let kept = self.cloud.shutdown().await;
            self.database.stop().await;
            kept
        })
    }
}

/// Makes the database as it is deployed: it belongs to a user of its own.
async fn create_database(superuser: Connection, database: &str, user: &str) -> Result<(), LocalError> {
    let created = async {
        let client = &superuser.client;
        let (database, user) = (quote(client, database).await?, quote(client, user).await?);
        client.batch_execute(&format!("CREATE ROLE {user} LOGIN")).await?;
        client.batch_execute(&format!("CREATE DATABASE {database} OWNER {user}")).await
    }
    .await;
    superuser.close().await;
    created.map_err(|source| LocalError::database("create the Quill database in", source))
}

/// As the database's owner, who is no superuser: the files that say what is to be done may be somebody
/// else's.
async fn create_tables(owner: Connection, tables: &Tables) -> Result<(), LocalError> {
    let created = async {
        tables.schema.run(&owner.client).await?;
        tables.seed.run(&owner.client).await
    }
    .await;
    owner.close().await;
    created
}

async fn count_users(client: &tokio_postgres::Client) -> Result<i64, tokio_postgres::Error> {
    let there: bool = client.query_one("SELECT to_regclass('users') IS NOT NULL", &[]).await?.try_get(0)?;
    if !there {
        return Ok(0);
    }
    client.query_one("SELECT count(*) FROM users", &[]).await?.try_get(0)
}

/// A name as SQL takes it. The server knows best.
async fn quote(client: &tokio_postgres::Client, name: &str) -> Result<String, tokio_postgres::Error> {
    client.query_one("SELECT quote_ident($1)", &[&name as &(dyn ToSql + Sync)]).await?.try_get(0)
}
