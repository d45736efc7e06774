//! Connects to the server: tries again while the server may still be starting, and gives up at once if it
//! refuses.
//!
//! To change how long is waited: the constants below. `attempt` in `failure.rs` decides which errors are refusals.

use std::time::Duration;

use quill_admin_contract::{Connection, ExitCode, RequestId, TlsMode};
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Config;
use tokio_postgres::config::{ChannelBinding, SslMode, SslNegotiation};
use tokio_rustls::TlsConnector;

use crate::failure::{Attempt, Failed, attempt, broken};
use crate::line::{Address, Ready, Route};
use crate::output::Output;
use crate::session::Session;
use crate::tls;

/// Longest time to go on trying. A VPC connector that was asleep needs about half of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Time limit of one attempt, including TLS and the password.
const PER_ATTEMPT: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The server to connect to, and the database there.
pub(crate) struct Server {
    /// The user and the password.
    config: Config,
    host: String,
    /// The name that the server's certificate has to be for, where names are verified.
    name: String,
    port: u16,
    mode: TlsMode,
    tls: TlsConnector,
    /// The address, the user and the TLS mode, as a person would write them.
    pub(crate) description: String,
    password_ends_with_line_break: bool,
}

impl Server {
    /// Prepares everything that needs no connection. An error here is an error in the variables.
    pub(crate) fn new(connection: &Connection, request: Option<RequestId>) -> Result<Self, Failed> {
        let Connection { host, port, database, user, password, tls, server_name, .. } = connection;
        let socket = host.starts_with('/');
        // A whole URL may hold a password, and would be printed as the host.
        if !socket && host.contains(['@', '/', ' ']) {
            let message = "the database host (AUTH_DB_HOST or CORE_DB_HOST) must be a host name, an IP \
                           address or the folder of a Unix socket, and not a URL";
            return Err(Failed::new(ExitCode::Usage, message));
        }
        let mut config = Config::new();
        config
            .dbname(database)
            .user(user)
            .password(password.expose())
            // The name is for people who look into `pg_stat_activity`; 63 bytes of it are kept.
            .application_name(
                request.map_or_else(|| "quill-admin".to_owned(), |id| format!("quill-admin {id}")),
            )
            // The line already has TLS, or is known to need none.
            .ssl_mode(SslMode::Require)
            .ssl_negotiation(SslNegotiation::Direct);
        let address = if socket {
            format!("{host}/.s.PGSQL.{port}, database {database}")
        } else if host.contains(':') {
            format!("[{host}]:{port}/{database}")
        } else {
            format!("{host}:{port}/{database}")
        };
        let how = if socket { "Unix socket".to_owned() } else { format!("TLS: {}", tls.as_str()) };
        Ok(Self {
            config,
            host: host.clone(),
            name: server_name.as_ref().unwrap_or(host).clone(),
            port: *port,
            mode: *tls,
            tls: tls::connector(connection)?,
            description: format!("{address} as {user} ({how})"),
            password_ends_with_line_break: password.expose().ends_with(['\n', '\r']),
        })
    }

    /// Connects, trying again for as long as `patience` lasts. The connection's own task goes to
    /// `tasks`, which has to outlive the session.
    pub(crate) async fn connect(
        &self,
        patience: Duration,
        tasks: &mut JoinSet<()>,
        log: &mut Output<'_>,
    ) -> Result<Session, Failed> {
        let deadline = Instant::now() + patience;
        let mut pause = FIRST_PAUSE;
        let mut told = String::new();
        loop {
            let limit = PER_ATTEMPT.min(deadline.saturating_duration_since(Instant::now()));
            let reason = match timeout(limit, self.attempt(tasks)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(Attempt::Refused(reason))) => return Err(self.refused(&reason)),
                Ok(Err(Attempt::NotYet(reason))) => reason,
                Err(_) => format!("no answer within {} s", limit.as_secs().max(1)),
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left <= pause {
                return Err(self.unreachable(patience, &reason));
            }
            if told != reason {
                let seconds = left.as_secs().max(1);
                log.info(&format!(
                    "the database does not answer yet: {reason}; trying again for up to {seconds} s"
                ));
                told = reason;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Tries every address of the host once. If all fail, a refusal is reported before an address that does
    /// not answer.
    async fn attempt(&self, tasks: &mut JoinSet<()>) -> Result<Session, Attempt> {
        let mut failed = Attempt::NotYet("the host name has no address".to_owned());
        for address in self.addresses().await? {
            match self.establish(address, tasks).await {
                Ok(session) => return Ok(session),
                Err(Attempt::NotYet(_)) if matches!(failed, Attempt::Refused(_)) => {}
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn addresses(&self) -> Result<Vec<Address>, Attempt> {
        #[cfg(unix)]
        if self.host.starts_with('/') {
            return Ok(vec![Address::Unix(format!("{}/.s.PGSQL.{}", self.host, self.port).into())]);
        }
        match lookup_host((self.host.as_str(), self.port)).await {
            Ok(addresses) => Ok(addresses.map(Address::Tcp).collect()),
            Err(error) => Err(broken(&error)),
        }
    }

    async fn establish(&self, address: Address, tasks: &mut JoinSet<()>) -> Result<Session, Attempt> {
        let route = Route { address, name: self.name.clone(), mode: self.mode, tls: self.tls.clone() };
        let line = route.open().await?;
        let mut config = self.config.clone();
        // The guard of the line judges a server's first message; this setting applies to all that follow.
        config.channel_binding(if route.needs_binding() {
            ChannelBinding::Require
        } else {
            ChannelBinding::Prefer
        });
        let (client, connection) = config.connect_raw(line, Ready).await.map_err(|error| attempt(&error))?;
        let version = connection.parameter("server_version").unwrap_or("unknown").to_owned();
        tasks.spawn(async move {
            // Errors of the connection are returned by the client's calls.
            let _ = connection.await;
        });
        Ok(Session::new(client, route, version))
    }

    fn refused(&self, reason: &str) -> Failed {
        let mut message = format!("the database at {} refused the connection: {reason}", self.description);
        if self.password_ends_with_line_break {
            message.push_str(
                "; the given password ends with a line break, which secrets are often stored with by \
                 mistake: store it again without one",
            );
        }
        Failed::new(ExitCode::DatabaseRefused, message)
    }

    fn unreachable(&self, patience: Duration, reason: &str) -> Failed {
        let message = format!(
            "failed to reach the database at {} within {} s: {reason}; nothing was changed",
            self.description,
            patience.as_secs(),
        );
        Failed::new(ExitCode::DatabaseUnreachable, message)
    }
}
