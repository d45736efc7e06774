//! Getting a connection: patiently where the server may still be waking up, not at all where it said no.

use std::time::Duration;

use quill_admin_contract::{Connection, ExitCode, RequestId, TlsMode};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::failure::{Attempt, Failed, attempt};
use crate::output::Output;
use crate::session::Session;
use crate::tls;

/// How long to go on trying. A VPC connector that was asleep needs about half of it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long one address of the host gets. An address that swallows packets would otherwise take more
/// than two minutes, and the host may have another.
const PER_ADDRESS: Duration = Duration::from_secs(4);

/// How long one attempt gets, TLS and password included.
const PER_ATTEMPT: Duration = Duration::from_secs(10);

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// The database to connect to.
pub(crate) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
    /// Where it is, as whom and how, as a person would write it.
    pub(crate) description: String,
    password_ends_with_line_break: bool,
}

impl Target {
    /// Prepares everything that needs no connection. What is wrong here is wrong with the variables.
    pub(crate) fn new(connection: &Connection, request: Option<RequestId>) -> Result<Self, Failed> {
        let Connection { host, port, database, user, password, tls, .. } = connection;
        let socket = host.starts_with('/');
        // A whole URL may hold a password, and would be printed as the host.
        if !socket && host.contains(['@', '/', ' ']) {
            let message = "the database host (AUTH_DB_HOST or CORE_DB_HOST) must be a host name, an IP \
                           address or the folder of a Unix socket, and not a URL";
            return Err(Failed::new(ExitCode::Usage, message));
        }
        let mut config = Config::new();
        config
            .host(host)
            .port(*port)
            .dbname(database)
            .user(user)
            .password(password.expose())
            // For whoever looks into pg_stat_activity: 63 bytes are kept.
            .application_name(
                request.map_or_else(|| "quill-admin".to_owned(), |id| format!("quill-admin {id}")),
            )
            .connect_timeout(PER_ADDRESS)
            .ssl_mode(match tls {
                // PostgreSQL has no TLS on Unix sockets.
                _ if socket => SslMode::Disable,
                TlsMode::Disable => SslMode::Disable,
                TlsMode::Prefer => SslMode::Prefer,
                TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
            });
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
            let reason = match timeout(limit, self.config.connect(self.tls.clone())).await {
                Ok(Ok((client, connection))) => {
                    let version = connection.parameter("server_version").unwrap_or("unknown").to_owned();
                    tasks.spawn(async move {
                        // What goes wrong with it comes out of the client's calls.
                        let _ = connection.await;
                    });
                    return Ok(Session::new(client, self.tls.clone(), version));
                }
                Ok(Err(error)) => match attempt(&error) {
                    Attempt::Refused(reason) => return Err(self.refused(&reason)),
                    Attempt::NotYet(reason) => reason,
                },
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
