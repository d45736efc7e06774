//! The transaction that an action is done in.

use std::collections::BTreeMap;

use quill_admin_actions::{Action, Table};
use quill_admin_contract::Arguments;
use tokio_postgres::Client;

use crate::error::Error;
use crate::layout::{self, Layout};
use crate::perform;
use crate::performed::Performed;

/// A transaction that somebody else began, with the settings that statements rely on.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    client: &'a Client,
    schema: &'a str,
}

impl<'a> Work<'a> {
    /// Makes the settings, for as long as the transaction lasts. A statement finds the tables of this schema and
    /// what is PostgreSQL's own, and no others, whatever the database or the user has set; a backslash in a string
    /// is a backslash, as whoever found the placeholders took it for.
    ///
    /// # Errors
    ///
    /// [`Error::Database`].
    pub async fn start(client: &'a Client, schema: &'a str) -> Result<Self, Error> {
        // Named last, temporary tables stand in for nothing: PostgreSQL looks there first otherwise.
        let settings = format!(
            "SET LOCAL search_path = pg_catalog, {}, pg_temp; SET LOCAL standard_conforming_strings = on;",
            quoted(schema)
        );
        client.batch_execute(&settings).await?;
        Ok(Self { client, schema })
    }

    /// Reads which of these tables and their columns are there. It serves another transaction as well.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`] where one that is needed is not there (`SchemaMismatch`, all of them at once) or the
    /// schema is closed to the user (`DatabaseRefused`), [`Error::Database`] otherwise.
    pub async fn layout(&self, tables: &BTreeMap<String, Table>) -> Result<Layout, Error> {
        layout::read(self.client, self.schema, tables).await
    }

    /// Does an action with values that were read for it, on tables that were read for it. A subject, what was
    /// changed and what it is called are in what is returned; nothing of it is permanent yet.
    ///
    /// # Errors
    ///
    /// [`Error`], after which the transaction is to be rolled back.
    pub async fn perform(
        &self,
        layout: &Layout,
        action: &Action,
        arguments: &Arguments,
    ) -> Result<Performed, Error> {
        perform::perform(self.client, layout, action, arguments).await
    }
}

/// A name as SQL writes it, whatever stands in it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
