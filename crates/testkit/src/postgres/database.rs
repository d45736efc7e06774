//! A fresh database for one test.
//!
//! To add an option of databases: its field and its method in [`Builder`]. To add a generation of the tables: a
//! variant of [`Generation`], and `tables.rs`.

use std::{sync::OnceLock, thread};

use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage, config::Host};
use uuid::Uuid;

use super::embedded::Embedded;
use super::server::{Access, Server, installed};
use super::tables::{AUGUST_2026, MARCH_2026, SEED_ROLES};

/// The generation of a database's tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// The tables of the application's migrations of March 2026.
    March2026,
    /// The tables of the application's migrations of August 2026.
    August2026,
}

impl Generation {
    /// Both generations, for a test that holds on either.
    pub const ALL: [Self; 2] = [Self::March2026, Self::August2026];

    fn tables(self) -> &'static str {
        match self {
            Self::March2026 => MARCH_2026,
            Self::August2026 => AUGUST_2026,
        }
    }
}

/// A database of one test's own, and the account to reach it with.
///
/// The account may only read and write rows, like the deployed one in the worst case: a statement that would
/// alter the application's tables fails. The helpers ([`Self::execute`], [`Self::rows`]) work as the
/// superuser.
pub struct Database {
    /// `localhost`, the name in the server's certificate; the server is also at `127.0.0.1`.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The database's name.
    pub name: String,
    /// The account's name.
    pub user: String,
    /// The account's password.
    pub password: String,
    /// The URL of the database with all of the above, without TLS.
    pub url: String,
    /// The connection of the helpers.
    helpers: Config,
    backing: Backing,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

enum Backing {
    /// One of many databases of a real server.
    Server(Access),
    /// The only database of an embedded one.
    Embedded { _running: Embedded },
}

/// The options of a new [`Database`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder {
    generation: Generation,
    roles: bool,
    read_only: bool,
    tls_only: bool,
    password: Option<String>,
}

impl Builder {
    /// Leaves the table of roles empty, as the migrations do.
    pub fn without_roles(mut self) -> Self {
        self.roles = false;
        self
    }

    /// Lets the account read, but not write.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// Refuses the account without TLS, as Cloud SQL does.
    pub fn tls_only(mut self) -> Self {
        self.tls_only = true;
        self
    }

    /// Sets the account's password, to try unusual ones.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Creates the database: on a real server, or, where none is installed, on an embedded one of its own.
    #[must_use]
    pub fn create(self) -> Database {
        if installed().is_ok() { self.create_on_server() } else { self.create_embedded() }
    }

    /// Creates the database on an embedded server, whatever is installed.
    ///
    /// This is only for tests that need neither TLS nor passwords nor limited accounts nor a second
    /// connection; other tests begin with [`needs_postgres!`](crate::needs_postgres!).
    #[must_use]
    pub fn create_embedded(self) -> Database {
        assert!(
            !self.read_only && !self.tls_only && self.password.is_none(),
            "the embedded PostgreSQL knows no accounts; the test lacks needs_postgres!()"
        );
        let running = Embedded::start();
        let helpers: Config = running.url.parse().expect("quill-admin tells a valid URL");
        let (Some(Host::Tcp(host)), Some(port)) = (helpers.get_hosts().first(), helpers.get_ports().first())
        else {
            panic!("{} names no host and port", running.url)
        };
        let database = Database {
            host: host.clone(),
            port: *port,
            name: helpers.get_dbname().unwrap_or_default().to_owned(),
            user: helpers.get_user().unwrap_or_default().to_owned(),
            password: "not checked".to_owned(),
            url: running.url.clone(),
            helpers,
            backing: Backing::Embedded { _running: running },
        };
        database.execute(&format!("DROP TABLE user_role, roles, users; {}", self.tables()));
        database
    }

    fn create_on_server(self) -> Database {
        let access = Server::shared().clone();
        let id = Uuid::new_v4().simple().to_string();
        let name = format!("quill_{id}");
        let tables = self.tables();
        let password = self.password.unwrap_or_else(|| Uuid::new_v4().simple().to_string());
        let user = name.clone();
        let helpers = as_superuser(&access, &name);
        let database = Database {
            host: access.host.clone(),
            port: access.port,
            url: format!(
                "postgresql://{user}:{}@{}:{}/{name}?sslmode=disable",
                percent_encode(&password),
                access.host,
                access.port,
            ),
            name,
            user,
            password,
            helpers,
            backing: Backing::Server(access.clone()),
        };
        let rights = if self.read_only { "SELECT" } else { "SELECT, INSERT, UPDATE, DELETE" };
        let tls = if self.tls_only { format!("GRANT tls_only TO {};", database.user) } else { String::new() };
        prepare_cluster(&access);
        // This is sent alone: several statements are one transaction, which CREATE DATABASE refuses.
        // template0 is used because nobody can be connected to it.
        let create = format!("CREATE DATABASE {} TEMPLATE template0", database.name);
        simple(&as_superuser(&access, "postgres"), &create);
        database.execute(&format!(
            "{tables}
             CREATE ROLE {user} LOGIN PASSWORD {password};
             GRANT {rights} ON ALL TABLES IN SCHEMA public TO {user};
             GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {user};{tls}",
            user = database.user,
            password = quote_literal(&database.password),
        ));
        database
    }

    fn tables(&self) -> String {
        let roles = if self.roles { SEED_ROLES } else { "" };
        format!("{}{roles}", self.generation.tables())
    }
}

impl Database {
    /// A database with the tables of one generation and all roles.
    #[must_use]
    pub fn create(generation: Generation) -> Self {
        Self::builder(generation).create()
    }

    /// The builder of a database with other options.
    pub fn builder(generation: Generation) -> Builder {
        Builder { generation, roles: true, read_only: false, tls_only: false, password: None }
    }

    /// The certificate of the authority that signed the server's.
    #[must_use]
    pub fn ca_file(&self) -> &std::path::Path {
        &self.server().ca_file
    }

    /// The certificate of an authority that did not sign the server's.
    #[must_use]
    pub fn other_ca_file(&self) -> &std::path::Path {
        &self.server().other_ca_file
    }

    /// The server's own log, to look for secrets in. All databases of the server share it.
    #[must_use]
    pub fn server_log(&self) -> String {
        std::fs::read_to_string(&self.server().log_file).unwrap_or_default()
    }

    /// A connection as the superuser, to hold locks and transactions with.
    pub async fn connect(&self) -> Client {
        connect(&self.helpers).await
    }

    /// Runs statements as the superuser. Several statements are one transaction.
    pub fn execute(&self, sql: &str) {
        simple(&self.helpers, sql);
    }

    /// The result of a query, as text: rows of columns, `None` for NULL.
    #[must_use]
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        simple(&self.helpers, sql)
            .into_iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    Some((0..row.len()).map(|column| row.get(column).map(str::to_owned)).collect())
                }
                _ => None,
            })
            .collect()
    }

    /// The only value that a query returns.
    #[must_use]
    pub fn value(&self, sql: &str) -> Option<String> {
        let mut rows = self.rows(sql);
        assert_eq!(rows.len(), 1, "{sql} returned {} rows", rows.len());
        let mut row = rows.remove(0);
        assert_eq!(row.len(), 1, "{sql} returned {} columns", row.len());
        row.remove(0)
    }

    /// The content of the three tables, in a fixed order: to show that nothing was written.
    #[must_use]
    pub fn contents(&self) -> Vec<Vec<Option<String>>> {
        self.rows(
            "SELECT 'user', users::text FROM users \
             UNION ALL SELECT 'role', roles::text FROM roles \
             UNION ALL SELECT 'user_role', user_role::text FROM user_role ORDER BY 1, 2",
        )
    }

    fn server(&self) -> &Access {
        match &self.backing {
            Backing::Server(access) => access,
            Backing::Embedded { .. } => {
                panic!("the embedded PostgreSQL has no such thing; the test lacks needs_postgres!()")
            }
        }
    }
}

fn as_superuser(access: &Access, database: &str) -> Config {
    let mut config = Config::new();
    config
        .host(&access.host)
        .port(access.port)
        .user(&access.user)
        .password(&access.password)
        .dbname(database);
    config
}

/// Makes the objects that all databases of a server share, once for each server.
fn prepare_cluster(access: &Access) {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        // Several test processes may do this at once: the lock makes them take turns.
        simple(
            &as_superuser(access, "postgres"),
            "BEGIN;
             SELECT pg_advisory_xact_lock(1);
             DO $$ BEGIN
                 IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tls_only') THEN
                     CREATE ROLE tls_only;
                 END IF;
             END $$;
             COMMIT;",
        );
    });
}

/// Runs SQL on a thread of its own, so that tests with and without a runtime can call it.
fn simple(config: &Config, sql: &str) -> Vec<SimpleQueryMessage> {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("start a runtime")
                    .block_on(async {
                        let client = connect(config).await;
                        client
                            .simple_query(sql)
                            .await
                            .unwrap_or_else(|error| panic!("{sql} failed: {error:?}"))
                    })
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

async fn connect(config: &Config) -> Client {
    let (client, connection) = config
        .connect(NoTls)
        .await
        .unwrap_or_else(|error| panic!("failed to connect to the test server: {error}"));
    // The task ends with the client; its errors are returned by the client's calls.
    tokio::spawn(connection);
    client
}

/// A text as a literal of SQL.
#[must_use]
pub fn quote_literal(text: &str) -> String {
    // A backslash is an ordinary character here: standard_conforming_strings is on by default.
    format!("'{}'", text.replace('\'', "''"))
}

fn percent_encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
