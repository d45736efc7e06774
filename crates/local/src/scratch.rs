//! A temporary embedded PostgreSQL on which an application's statements and cases are tried.
//!
//! To find another way in which actions do not fit: a variant of [`Misfit`], its search in `layout` or `try_one`, and
//! its message in `commands/actions_check.rs` of the command-line program.

use std::collections::{BTreeMap, HashSet};

use quill_admin_actions::{
    Action, Actions, Alternative, Condition, Definition, Right, Segment, Slot, Statement,
};
use quill_admin_application::examples::{Case, Examples};
use quill_admin_engine::{is_readable, sql_type};
use tempfile::TempDir;
use tokio_postgres::error::ErrorPosition;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, IsolationLevel};

use crate::database::Embedded;
use crate::golden::{Verdict, run_cases};
use crate::{LocalError, Script, Task, create_database};

const DATABASE: &str = "application";
const USER: &str = "application";

/// A temporary database with an application's tables. Everything in it is removed when this is dropped.
pub struct Scratch {
    // The fields are in the order in which they have to be dropped.
    database: Embedded,
    _folder: TempDir,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// The result of checking a set of actions against a database.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fit<'a> {
    /// Number of statements that PostgreSQL has prepared.
    pub statements: usize,
    /// Number of actions whose statements were prepared.
    pub actions: usize,
    /// Actions that by their own conditions are not for these tables, each with the condition that does not
    /// hold.
    pub left_out: Vec<(&'a str, &'a Condition)>,
    /// The misfits that were found.
    pub misfits: Vec<Misfit<'a>>,
}

/// A part of the actions that does not fit the database.
#[derive(Debug, PartialEq, Eq)]
pub enum Misfit<'a> {
    /// The database has no such table.
    NoTable {
        /// Its name.
        table: &'a str,
        /// The actions that use it.
        actions: Vec<&'a str>,
    },
    /// A needed column is missing.
    NoColumn {
        /// The table.
        table: &'a str,
        /// The column.
        column: &'a str,
        /// The actions that use the table.
        actions: Vec<&'a str>,
    },
    /// A column that no action knows must be given a value in each new row: it is NOT NULL and has no
    /// default.
    NotFilled {
        /// The table.
        table: &'a str,
        /// The column.
        column: String,
        /// The actions that add rows to the table.
        actions: Vec<&'a str>,
    },
    /// PostgreSQL refuses a statement.
    Refused(Wrong<'a>),
}

/// A statement that PostgreSQL refuses.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong<'a> {
    /// The action, and the place of the statement in it; or the number, from 0, of a query that `check`
    /// expects rows of.
    pub of: Result<(&'a str, Slot<'a>), usize>,
    /// The number of the statement's alternative, from 0.
    pub alternative: usize,
    /// The number of the character, from 1, if PostgreSQL reports one.
    pub character: Option<usize>,
    /// PostgreSQL's message.
    pub why: String,
}

impl Scratch {
    /// Starts a database with tables, and with rows if there is a seed.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL does not start, or if it refuses one of the files ([`LocalError::Script`]).
    #[must_use]
    pub fn start(schema: Script, seed: Option<Script>) -> Task<'static, Result<Self, LocalError>> {
        Box::pin(async move {
            let folder = tempfile::Builder::new().prefix("quill-admin-").tempdir();
            let folder =
                folder.map_err(|source| LocalError::state("create", &std::env::temp_dir(), source))?;
            let database = Embedded::start(&folder.path().join("database")).await?;
            create_database(database.connect("postgres", "postgres").await?, DATABASE, USER).await?;
            let owner = database.connect(DATABASE, USER).await?;
            let made = async {
                schema.run(&owner.client).await?;
                match &seed {
                    Some(seed) => seed.run(&owner.client).await,
                    None => Ok(()),
                }
            }
            .await;
            owner.close().await;
            made.map(|()| Self { database, _folder: folder })
        })
    }

    /// Checks whether a set of actions fits the tables: PostgreSQL prepares each statement that would be sent
    /// to such a database. No statement is run.
    /// # Errors
    ///
    /// Fails if the database cannot be asked; that says nothing about the actions.
    /// An error says that the database could not be asked, and nothing about the actions.
    #[must_use]
    pub fn fit<'s, 'a: 's>(&'s self, actions: &'a Actions) -> Task<'s, Result<Fit<'a>, LocalError>> {
        Box::pin(async move {
            let failed = |source| LocalError::database("try statements on", source);
            let mut connection = self.database.connect(DATABASE, USER).await?;
            let fit = look(&mut connection.client, actions).await.map_err(failed);
            connection.close().await;
            fit
        })
    }

    /// Runs golden cases ([`run_cases`]), and returns a verdict for each, in their order.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be asked; that says nothing about the cases.
    #[must_use]
    pub fn test<'s>(
        &'s self,
        actions: &'s Actions,
        examples: &'s Examples,
        cases: &'s [&'s Case],
    ) -> Task<'s, Result<Vec<Verdict>, LocalError>> {
        Box::pin(async move {
            let failed = |source| LocalError::database("run cases on", source);
            let connection = self.database.connect(DATABASE, USER).await?;
            let verdicts = run_cases(&connection.client, actions, examples, cases).await.map_err(failed);
            connection.close().await;
            verdicts
        })
    }

    /// Stops the database and removes it.
    #[must_use]
    pub fn stop(self) -> Task<'static, ()> {
        Box::pin(async move {
            let Self { database, _folder: folder } = self;
            database.stop().await;
            // The folder must not be removed earlier: a server that still runs would make files in it again.
            drop(folder);
        })
    }
}

/// A column of the database.
struct Column {
    /// Whether the column is NOT NULL and has neither a default nor another automatic value.
    has_to_be_filled: bool,
}

/// The tables of the database, with their columns.
type Tables = BTreeMap<String, BTreeMap<String, Column>>;

async fn look<'a>(client: &mut Client, actions: &'a Actions) -> Result<Fit<'a>, tokio_postgres::Error> {
    let tables = tables(client, &actions.schema).await?;
    let has =
        |table: &str, column: &str| tables.get(table).is_some_and(|columns| columns.contains_key(column));
    let mut fit = Fit { misfits: layout(actions, &tables), ..Fit::default() };
    for action in actions.iter().filter(|action| !action.is_job()) {
        if let Some(missing) = action.definition.needs.iter().find(|condition| !condition.holds(has)) {
            fit.left_out.push((&action.name, missing));
            continue;
        }
        fit.actions += 1;
        for (slot, statement) in action.definition.statements() {
            let of = Ok((action.name.as_str(), slot));
            let reads = |column: &str| is_read(action, slot, column);
            try_one(client, &action.definition.schema, of, statement, (has, reads), &mut fit).await?;
        }
    }
    for (number, expectation) in actions.check.iter().enumerate() {
        try_one(client, &actions.schema, Err(number), &expectation.query, (has, |_: &str| true), &mut fit)
            .await?;
    }
    Ok(fit)
}

/// The misfits of the layout, which preparing statements does not show.
fn layout<'a>(actions: &'a Actions, tables: &Tables) -> Vec<Misfit<'a>> {
    let mut misfits = Vec::new();
    for (table, wanted) in &actions.tables {
        let using = |does: &dyn Fn(&Definition) -> bool| -> Vec<&'a str> {
            actions
                .iter()
                .filter(|action| does(&action.definition))
                .map(|action: &'a Action| &*action.name)
                .collect()
        };
        let users = || using(&|definition| definition.tables.contains_key(table));
        let Some(columns) = tables.get(table) else {
            misfits.push(Misfit::NoTable { table, actions: users() });
            continue;
        };
        for column in wanted.needs.iter().filter(|column| !columns.contains_key(*column)) {
            misfits.push(Misfit::NoColumn { table, column, actions: users() });
        }
        let adding = using(&|definition| {
            definition.tables.get(table).is_some_and(|table| table.rights.contains(&Right::Insert))
        });
        let known = |name: &String| wanted.needs.contains(name) || wanted.knows.contains(name);
        for (name, _) in columns.iter().filter(|(name, column)| column.has_to_be_filled && !known(name)) {
            if !adding.is_empty() {
                misfits.push(Misfit::NotFilled { table, column: name.clone(), actions: adding.clone() });
            }
        }
    }
    misfits
}

/// The tables of a schema, with their columns.
async fn tables(client: &Client, schema: &str) -> Result<Tables, tokio_postgres::Error> {
    let rows = client
        .query(
            "SELECT class.relname::text, attribute.attname::text,
                    attribute.attnotnull AND NOT attribute.atthasdef AND attribute.attidentity = ''
               FROM pg_catalog.pg_class AS class
               JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = class.relnamespace
               JOIN pg_catalog.pg_attribute AS attribute ON attribute.attrelid = class.oid
              WHERE namespace.nspname = $1::text AND class.relkind IN ('r', 'p', 'v', 'f', 'm')
                AND attribute.attnum > 0 AND NOT attribute.attisdropped",
            &[&schema],
        )
        .await?;
    let mut tables = Tables::new();
    for row in rows {
        let column = Column { has_to_be_filled: row.try_get(2)? };
        tables.entry(row.try_get(0)?).or_default().insert(row.try_get(1)?, column);
    }
    Ok(tables)
}

/// Asks PostgreSQL to prepare the alternative of a statement that would be sent, in a transaction like that
/// of an action.
async fn try_one<'a>(
    client: &mut Client,
    schema: &str,
    of: Result<(&'a str, Slot<'a>), usize>,
    statement: &'a Statement,
    (has, is_read): (impl Fn(&str, &str) -> bool + Copy, impl Fn(&str) -> bool),
    fit: &mut Fit<'a>,
) -> Result<(), tokio_postgres::Error> {
    let chosen = statement.choose(has);
    let alternative = statement.alternatives().iter().position(|one| std::ptr::eq(one, chosen)).unwrap_or(0);
    let transaction =
        client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).start().await?;
    transaction
        .execute(
            "SELECT pg_catalog.set_config('search_path', 'pg_catalog, ' || pg_catalog.quote_ident($1::text), true)",
            &[&schema],
        )
        .await?;
    let prepared = transaction.prepare_typed(&chosen.sql, &types(chosen)).await;
    transaction.rollback().await?;
    let error = match prepared {
        Ok(prepared) => {
            fit.statements += 1;
            let all = prepared.columns().iter().map(|column| (column.name(), column.type_()));
            let read = || all.clone().filter(|(name, _)| is_read(name));
            let mut names = HashSet::new();
            let twice = read().find(|(name, _)| !names.insert(*name));
            let twice = twice.map(|(name, _)| format!("two of its columns are called {name}"));
            fit.misfits.extend(
                unreadable(read())
                    .into_iter()
                    .chain(twice)
                    .map(|why| Misfit::Refused(Wrong { of, alternative, character: None, why })),
            );
            return Ok(());
        }
        Err(error) => error,
    };
    let Some(said) = error.as_db_error() else { return Err(error) };
    let character = match said.position() {
        Some(ErrorPosition::Original(character)) => usize::try_from(*character).ok(),
        _ => None,
    };
    fit.misfits.push(Misfit::Refused(Wrong { of, alternative, character, why: said.message().to_owned() }));
    Ok(())
}

/// Whether the engine reads a column of a statement's result. It reads none of a lock, and of a step only
/// those that its texts name.
fn is_read(action: &Action, slot: Slot<'_>, column: &str) -> bool {
    match slot {
        Slot::Lock => false,
        Slot::Query | Slot::LookAlikes | Slot::Exists(_) | Slot::Rows => true,
        Slot::Step(index) => {
            let words = action.words.steps.get(index).into_iter();
            let mut texts = words.flat_map(|words| {
                words.say.iter().chain(words.next.iter().flat_map(|next| next.with.values()))
            });
            texts.any(|text| {
                text.segments().iter().any(|one| matches!(one, Segment::Found(name) if name == column))
            })
        }
    }
}

/// The columns of types that the engine does not read, in words, with the cast to write.
fn unreadable<'c>(columns: impl Iterator<Item = (&'c str, &'c Type)>) -> Option<String> {
    let told: Vec<String> = columns
        .filter(|(_, column)| !is_readable(column))
        .map(|(name, column)| {
            let cast = match *column {
                Type::INT2 | Type::INT4 => "bigint",
                _ if column.name().starts_with('_') => "text[]",
                _ => "text",
            };
            format!("the column {name} is of the type {column}, which actions do not read: write ::{cast} behind it")
        })
        .collect();
    (!told.is_empty()).then(|| told.join("; "))
}

fn types(alternative: &Alternative) -> Vec<Type> {
    alternative.binds.iter().map(|bind| sql_type(bind.kind)).collect()
}
