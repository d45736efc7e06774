//! What every action is given.

use tokio_postgres::Client;

use crate::schema::Schema;

/// What an action works with: a transaction that has been started, on tables that have been verified.
pub(crate) struct Work<'a> {
    pub(crate) client: &'a Client,
    pub(crate) schema: &'a Schema,
    pub(crate) server_version: &'a str,
}
