//! A real PostgreSQL server for the tests, and a fresh database for each of them.
//!
//! ```no_run
//! use quill_admin_testkit::postgres::{Database, Generation};
//!
//! # async fn test() {
//! let db = Database::create(Generation::August2026);
//! // … run the executor with db.host, db.port, db.name, db.user, db.password …
//! assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("1"));
//! # }
//! ```
//!
//! The server is the system's (Debian: package `postgresql-15`). `cargo xtask test` starts one for all test
//! binaries and names it in [`SHARED`]; a test binary run without that starts its own. TLS is on, with a
//! certificate for `localhost` from a temporary authority, and passwords are checked with SCRAM, so that
//! every mistake of a client can be tested.
//!
//! Where no server is installed, a database is an embedded one, which serves one connection at a time and
//! checks no password. A test that needs more begins with [`needs_postgres!`](crate::needs_postgres!) and is
//! skipped then.

mod certificates;
mod database;
mod embedded;
mod server;
mod tables;

pub use database::{Builder, Database, Generation, quote_literal};
pub use server::{Access, SHARED, Server, StartError, installed};
pub use tables::{AUGUST_2026, MARCH_2026, ROLES, SEED_ROLES};

/// Skips the test where no PostgreSQL server is installed.
#[macro_export]
macro_rules! needs_postgres {
    () => {
        if let Err(reason) = $crate::postgres::installed() {
            $crate::skip!("postgres", "{reason}");
        }
    };
}
