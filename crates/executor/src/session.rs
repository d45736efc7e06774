//! One connection and the transactions on it.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Error};

use crate::line::{Ready, Route};

/// Starts a transaction with its limits, in one round trip.
///
/// The isolation is what the actions count on, whatever the database's default is: a statement sees
/// what others committed while it waited. Whether it may write is left to the database's default: an
/// administrator who switched that off for a while means us too. A transaction that lost its client is ended by the server
/// after a minute instead of holding its locks on.
const BEGIN: &str = "\
START TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '60s';";

/// As [`BEGIN`], for actions that only look: the server itself refuses a change.
const BEGIN_READ_ONLY: &str = "\
START TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '60s';";

/// How long a transaction may take from here: the statement's limit and a little more. The server
/// keeps its own limits; this one is for a network that swallows everything.
pub(crate) const LIMIT: Duration = Duration::from_secs(35);

/// How long rolling back may take, where only politeness is at stake: the server rolls back by itself
/// when the connection ends.
const ROLL_BACK_LIMIT: Duration = Duration::from_secs(2);

/// A connection to the database.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server's version, as it gives it.
    pub(crate) server_version: String,
    /// How another connection to the same server is opened.
    route: Route,
}

impl Session {
    pub(crate) fn new(client: Client, route: Route, server_version: String) -> Self {
        Self { client, server_version, route }
    }

    pub(crate) async fn begin(&self, writes: bool) -> Result<(), Error> {
        self.client.batch_execute(if writes { BEGIN } else { BEGIN_READ_ONLY }).await
    }

    /// Ends a transaction of which nothing is to be kept.
    pub(crate) async fn roll_back(&self) {
        polite(async {
            let _ = self.client.batch_execute("ROLLBACK").await;
        })
        .await;
    }

    /// Ends a transaction that may be in the middle of a statement. A server that waits for a lock
    /// does not notice a closed connection, so it is told.
    pub(crate) async fn abandon(&self) {
        polite(async {
            if let Ok(line) = self.route.open().await {
                let _ = self.client.cancel_token().cancel_query_raw(line, Ready).await;
            }
        })
        .await;
        self.roll_back().await;
    }
}

async fn polite(farewell: impl Future<Output = ()>) {
    let _ = timeout(ROLL_BACK_LIMIT, farewell).await;
}
