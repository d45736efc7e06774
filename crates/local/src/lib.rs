//! The local environment: Google Cloud and PostgreSQL inside this process, with nothing to install.
//!
//! [`Local::start`] starts the Cloud Run emulator and an embedded PostgreSQL that holds the application's
//! tables, and sets up the admin job that deployed environments have. From there on it is an environment like
//! any other: everything that follows goes through Google's own client, over HTTP. Its state is kept for the
//! next start; [`reset`] clears it.
//!
//! It is for trying things out. The database has no password, takes one connection at a time and never waits
//! for the disk: it survives a killed process, not a power cut. Do not keep anything of value in it.
//!
//! [`Scratch`] is the database alone, for as long as statements are tried or golden cases are run on it.
//!
//! To change the job: `cloud.rs`. To add an option: `options.rs`.

mod cloud;
mod database;
mod error;
mod files;
mod folder;
mod golden;
mod holder;
mod join;
mod loopback;
mod manifests;
mod options;
mod read;
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
pub use holder::Holder;
pub use join::{Joined, Served, reset_in_turn};
pub use options::{Container, LocalOptions};
pub use scratch::{Fit, Misfit, Scratch, Wrong};
pub use state::{Status, countable, reset, status};
pub use tables::{Script, Tables};

/// The stage of a start. A first start goes through all of them, in this order; a later one skips those that
/// are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Unpacks PostgreSQL's program and an empty database: about half a second, only once.
    UnpackingDatabase,
    /// Starts PostgreSQL.
    StartingDatabase,
    /// Creates the application's tables, and inserts the first rows.
    CreatingTables,
    /// Starts the emulator and sets up the job.
    StartingCloud,
    /// Everything is running.
    Ready,
}

/// The type that calls return. It is boxed, so that the code below is compiled here once, and not again with
/// every edit of the crate that calls it.
pub type Task<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The running local environment. It ends with [`Local::shutdown`], or when this is dropped.
pub struct Local {
    // The fields are in the order in which they have to be dropped: the state must not be unlocked before
    // both have closed their files.
    cloud: Cloud,
    database: Embedded,
    state: State,
    /// The options that it was started with.
    options: LocalOptions,
    database_url: String,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local").finish_non_exhaustive()
    }
}

/// Counts of the environment's contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Contents {
    /// Rows in the table `users`; 0 where the application has no such table.
    pub users: u64,
    /// Number of executions of the job.
    pub executions: u64,
}

impl Local {
    /// Starts the environment: about half a second more the first time.
    ///
    /// # Errors
    ///
    /// Fails at once while another process uses the same state directory, or if that was made of other
    /// tables; later if the database or the emulator does not start.
    pub fn start(
        options: LocalOptions,
        on_progress: impl Fn(Stage) + Send + 'static,
    ) -> Task<'static, Result<Self, LocalError>> {
        Self::start_boxed(options, Box::new(on_progress))
    }

    /// The part of [`Self::start`] that is not generic, and is boxed, so that it is compiled here once, and
    /// not in the crate that calls it.
    fn start_boxed(
        options: LocalOptions,
        on_progress: Box<dyn Fn(Stage) + Send>,
    ) -> Task<'static, Result<Self, LocalError>> {
        Box::pin(Self::bring_up(options, on_progress))
    }

    async fn bring_up(
        options: LocalOptions,
        on_progress: Box<dyn Fn(Stage) + Send>,
    ) -> Result<Self, LocalError> {
        loopback::check().await?;
        let state = State::hold(&options.state_dir, &options.command)?;
        Self::bring_up_in(state, options, on_progress).await
    }

    /// Starts the environment in a state directory that this process holds.
    async fn bring_up_in(
        state: State,
        mut options: LocalOptions,
        on_progress: Box<dyn Fn(Stage) + Send>,
    ) -> Result<Self, LocalError> {
        let complete = state.is_complete(&options.tables)?;
        let database = if complete {
            on_progress(Stage::StartingDatabase);
            state.restore_manifests()?;
            let as_left = state.check_database()?;
            // That it does not start can have other reasons than its files, such as the folder of PostgreSQL's
            // program.
            let database =
                Embedded::start(&state.database()).await.map_err(|error| state.explained(error))?;
            if as_left {
                Embedded::warm_up();
            } else {
                database.read_all(&options.database).await.map_err(|error| state.unreadable(error))?;
            }
            database
        } else {
            on_progress(Stage::UnpackingDatabase);
            state.begin()?;
            state.needs_space()?;
            let database =
                Embedded::start(&state.database()).await.map_err(|error| state.explained(error))?;
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
            state,
            options,
        })
    }

    /// Lets other commands use this environment, until it ends.
    ///
    /// # Errors
    ///
    /// Fails if the address cannot be written into the state directory.
    pub fn serve(&self) -> Result<(), LocalError> {
        self.state.serve(self.cloud.port(), self.options.digest())
    }

    /// The address of the emulator, which serves all of Google Cloud's APIs: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.cloud.endpoint()
    }

    /// The token that calls of the emulator's control API need, in the header `emulator-token`.
    #[must_use]
    pub fn control_token(&self) -> &str {
        self.cloud.control_token()
    }

    /// The address of the database, for any PostgreSQL client.
    ///
    /// The database takes one connection at a time: while it is open, a container waits for its turn.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Counts the rows and the executions.
    ///
    /// # Errors
    ///
    /// Fails if the database or the emulator does not answer.
    #[must_use]
    pub fn contents(&self) -> Task<'_, Result<Contents, LocalError>> {
        Box::pin(self.count())
    }

    async fn count(&self) -> Result<Contents, LocalError> {
        let connection = self.database.connect(&self.options.database, &self.options.user).await?;
        let counted = count_users(&connection.client).await;
        connection.close().await;
        let users = counted.map_err(|source| LocalError::database("count the users in", source))?;
        let executions = self.cloud.executions().await?;
        Ok(Contents { users: users.unsigned_abs(), executions: executions as u64 })
    }

    /// Ends the environment: running executions are stopped, and everything up to then is kept.
    ///
    /// # Errors
    ///
    /// Fails if the emulator's part of the state could not be saved. Everything has ended all the same.
    #[must_use]
    pub fn shutdown(self) -> Task<'static, Result<(), LocalError>> {
        Box::pin(async move {
            // All of it is taken along: the state holds the lock, which is given back when everything has ended.
            let Self { cloud, database, state, .. } = self;
            state.serve_no_more();
            // Running executions keep the database until they have ended.
            let kept = cloud.shutdown().await;
            database.stop().await;
            state.keep_files();
            drop(state);
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

/// Makes the tables as the database's owner, who is no superuser: somebody else may have written the SQL
/// files.
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

/// A name, quoted for SQL by the server.
async fn quote(client: &tokio_postgres::Client, name: &str) -> Result<String, tokio_postgres::Error> {
    client.query_one("SELECT quote_ident($1)", &[&name as &(dyn ToSql + Sync)]).await?.try_get(0)
}
