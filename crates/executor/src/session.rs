//! One connection and the transactions on it.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::{Client, Error};

use crate::line::{Ready, Route};

/// Starts a transaction with its limits, in one round trip.
///
/// The isolation level is the one that actions rely on, whatever the database's default is: a statement sees
/// changes that others committed while it waited. The database's default decides whether it may write: if an
/// administrator switched that off for a while, it applies here too. A transaction that lost its client is
/// ended by the server after a minute instead of keeping its locks.
const BEGIN: &str = "\
START TRANSACTION ISOLATION LEVEL READ COMMITTED;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '60s';";

/// Like [`BEGIN`], for actions that only read: the server itself refuses a change.
const BEGIN_READ_ONLY: &str = "\
START TRANSACTION ISOLATION LEVEL READ COMMITTED READ ONLY;
SET LOCAL lock_timeout = '10s';
SET LOCAL statement_timeout = '30s';
SET LOCAL idle_in_transaction_session_timeout = '60s';";

/// Time limit of a transaction from here: the statement's limit and a little more. The server keeps its own
/// limits; this one is for a network that drops all packets.
pub(crate) const LIMIT: Duration = Duration::from_secs(35);

/// Time limit of a rollback. It is not essential: the server rolls back by itself when the connection ends.
const ROLL_BACK_LIMIT: Duration = Duration::from_secs(2);

/// A connection to the database.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The server's version, as it gives it.
    pub(crate) server_version: String,
    /// The route by which another connection to the same server is opened.
    route: Route,
}

impl Session {
    pub(crate) fn new(client: Client, route: Route, server_version: String) -> Self {
        Self { client, server_version, route }
    }

    pub(crate) async fn begin(&self, writes: bool) -> Result<(), Error> {
        self.client.batch_execute(if writes { BEGIN } else { BEGIN_READ_ONLY }).await
    }

    /// Rolls back a transaction.
    pub(crate) async fn roll_back(&self) {
        polite(async {
            let _ = self.client.batch_execute("ROLLBACK").await;
        })
        .await;
    }

    /// Ends a transaction that may be in the middle of a statement. A server that waits for a lock does not
    /// notice a closed connection, so it is told to cancel.
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
