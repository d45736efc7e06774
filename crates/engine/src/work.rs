//! The transaction in which an action is run.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Table};
use quill_admin_contract::{Arguments, AsLeft};
use tokio_postgres::Client;

use crate::error::Error;
use crate::layout::{self, Layout};
use crate::perform;
use crate::performed::Performed;

/// A transaction that the caller has begun, with the settings that statements rely on.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    client: &'a Client,
    schema: &'a str,
}

impl<'a> Work<'a> {
    /// Makes the settings, which last as long as the transaction. Statements then find the tables of this
    /// schema and PostgreSQL's own, and no others, whatever the database or the user has set. A backslash in
    /// a string is an ordinary character, as it is for the parser that found the placeholders.
    ///
    /// # Errors
    ///
    /// [`Error::Database`] where the server refuses the settings or the connection breaks.
    pub async fn start(client: &'a Client, schema: &'a str) -> Result<Self, Error> {
        // Temporary tables are named last, so that none replaces a table: PostgreSQL would look there first
        // otherwise.
        let settings = format!(
            "SET LOCAL search_path = pg_catalog, {}, pg_temp; SET LOCAL standard_conforming_strings = on;",
            quoted(schema)
        );
        client.batch_execute(&settings).await?;
        Ok(Self { client, schema })
    }

    /// Reads the layout of these tables. The result is valid for another transaction as well.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where a needed part is missing (`SchemaMismatch`, all of them at once) or the user
    /// may not use the schema (`DatabaseRefused`), [`Error::Database`] otherwise.
    pub async fn layout(&self, tables: &BTreeMap<String, Table>) -> Result<Layout, Error> {
        layout::read(self.client, self.schema, tables).await
    }

    /// Runs an action with its values, on tables whose layout was read for it. Nothing is permanent before
    /// the caller commits.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; the transaction has to be rolled back then.
    pub async fn perform(
        &self,
        layout: &Layout,
        action: &Action,
        arguments: &Arguments,
    ) -> Result<Performed, Error> {
        self.perform_if(layout, action, arguments, &[]).await
    }

    /// The same, if the subject still has these values.
    ///
    /// # Errors
    ///
    /// Any [`Error`], and `NotAsPreviewed` where a value is another one; the transaction has to be rolled back then.
    pub async fn perform_if(
        &self,
        layout: &Layout,
        action: &Action,
        arguments: &Arguments,
        as_left: &[AsLeft],
    ) -> Result<Performed, Error> {
        perform::perform(self.client, layout, action, arguments, as_left).await
    }
}

/// A name, quoted for SQL, whatever characters it has.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
