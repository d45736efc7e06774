//! The words for each cause of the startup diagnosis: its name, what follows from it, and what to do.
//!
//! To add a cause: its arms in `words` and `explanation`; `startup.rs` says what else it needs.

use quill_admin_cloud::LogExtent;

use super::{Cause, Database, Migration, platform};

impl Cause {
    /// The cause in a few words, as the end of "it does not start: …".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::AdminImage => "it runs the admin image".to_owned(),
            Self::Platform => "its image is for another kind of processor".to_owned(),
            Self::EntryPoint { program, why } => {
                format!("its entry point {} cannot be started: {}", program.escape_debug(), why.words())
            }
            Self::Migration(kind) => format!("a migration failed: {}", kind.words()),
            Self::Database(kind) => format!("the database cannot be used: {}", kind.words()),
            Self::OutOfMemory => "it ran out of memory".to_owned(),
            Self::PortMismatch { listens, probed } => {
                format!("it listens on {listens}, but is asked on port {probed}")
            }
            Self::Unhealthy { status } => format!("it answers the startup probe with status {status}"),
            Self::SlowStart { took, allowed } => format!(
                "it was still starting after {:.0} s; the startup probe allows {:.0} s",
                took.as_secs_f64(),
                allowed.as_secs_f64()
            ),
            Self::Crash { exit } => format!("the program ended with exit code {exit}"),
            Self::Error => "the last thing that it printed is an error".to_owned(),
            Self::Killed { signal } => match platform::name(*signal) {
                Some(name) => format!("the program was killed by signal {signal} ({name})"),
                None => format!("the program was killed by signal {signal}"),
            },
            Self::NotListening { port: Some(port) } => format!("it did not listen on port {port} in time"),
            Self::NotListening { port: None } => "it did not listen on its port in time".to_owned(),
            Self::NoContainer => "Cloud Run did not start its container".to_owned(),
            Self::Unknown { read } => format!(
                "the cause is not known: {}",
                match read {
                    Some(LogExtent::Whole) => "nothing in its log tells",
                    Some(LogExtent::End) => "nothing in the last lines of its log tells",
                    Some(LogExtent::Part) => "nothing in the part of its log that was read tells",
                    None => "its log could not be read",
                }
            ),
        }
    }

    /// The consequence of the cause, and the steps to take.
    #[must_use]
    pub fn explanation(&self) -> &'static str {
        match self {
            Self::AdminImage => {
                "the admin image is a tool that exits immediately; it starts no HTTP server, so health checks \
                 always fail"
            }
            Self::Platform => {
                "build the image for linux/amd64 (docker build --platform linux/amd64); of a script it can also mean \
                 that its first line names no interpreter, as #!/bin/sh does"
            }
            Self::EntryPoint { why, .. } => why.explanation(),
            Self::Migration(kind) => kind.explanation(),
            Self::Database(kind) => kind.explanation(),
            Self::OutOfMemory => "give the service more memory, or find what takes it when it starts",
            Self::PortMismatch { .. } => {
                "the server has to listen on all addresses (0.0.0.0) and on the port in the variable PORT"
            }
            Self::Unhealthy { .. } => {
                "the server runs; correct the probe's path, or look why the application calls itself unhealthy"
            }
            Self::SlowStart { .. } => {
                "connecting to the VPC network and to Cloud SQL can be slow, and so is a migration that waits \
                 for a lock: let the probe allow more failures, or find what takes the time"
            }
            Self::Killed { signal: platform::SIGKILL } => {
                "the system killed it, mostly for its memory: give the service more, or find what takes it when it starts"
            }
            Self::Killed { .. } => {
                "native code of the program or of a library of it crashed: look which version of it came with this \
                 image, and whether it is made for linux/amd64"
            }
            Self::NotListening { .. } => {
                "the server has to listen on all addresses (0.0.0.0) and on the port in the variable PORT before the \
                 time is up; its last lines say how far it came"
            }
            Self::Crash { .. } | Self::Error => "the error is the application's own; the lines say where",
            Self::NoContainer => {
                "Cloud Run says why; in most cases its image, a secret or an account is missing, or may not be used"
            }
            Self::Unknown { .. } => "read all of its log",
        }
    }
}

impl Migration {
    fn words(self) -> &'static str {
        match self {
            Self::UnknownRevision => "the database is at a revision that this image does not have",
            Self::SeveralHeads => "there are several newest migrations",
            Self::MissingParent => "it builds on a migration that is not in the image",
            Self::Locked => "another session held a lock for too long",
            Self::Refused => "the database refused a statement",
            Self::Code => "its own code failed",
            Self::Other => "Alembic stopped",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::UnknownRevision => {
                "a newer image, or another branch's, has migrated the database: deploy an image that has that \
                 migration"
            }
            Self::SeveralHeads => "two branches were merged without one another: alembic merge heads",
            Self::MissingParent => "a migration's file is missing: it was deleted, or not committed",
            Self::Locked => {
                "deploy again when nobody uses the table; a session that was left open has to be ended first"
            }
            Self::Refused | Self::Code => {
                "PostgreSQL undoes a failed migration as a whole: the database is as it was before"
            }
            Self::Other => "entrypoint.sh runs alembic upgrade head before the server starts",
        }
    }
}

impl Database {
    fn words(self) -> &'static str {
        match self {
            Self::ConnectionRefused => "connection refused",
            Self::TimedOut => "no answer",
            Self::UnknownHost => "the name of its host is not known",
            Self::Password => "the password was refused",
            Self::TlsRequired => "it wants TLS",
            Self::TlsFailed => "TLS failed",
            Self::NotLetIn => "it lets nobody in from there",
            Self::Missing => "there is no such database or user",
            Self::TooManyConnections => "all its connections are taken",
            Self::NotUp => "it is not up",
        }
    }

    fn explanation(self) -> &'static str {
        match self {
            Self::ConnectionRefused | Self::NotUp => {
                "check that the Cloud SQL instance runs, and that the service has its address"
            }
            Self::TimedOut => {
                "check the service's VPC connector and egress, and that the address is the instance's private one"
            }
            Self::UnknownHost => "check the variable AUTH_DB_HOST (CORE_DB_HOST) of the service",
            Self::Password => {
                "the secret and the database's user have different passwords; a new secret version is taken up \
                 by the next revision only"
            }
            Self::TlsRequired => "set the service's AUTH_DB_SSLMODE (CORE_DB_SSLMODE) to require",
            Self::TlsFailed => "check the service's SSL mode, and the certificate it is to trust",
            Self::NotLetIn => "check from which network and as which user the service connects",
            Self::Missing => "check the names of the database and its user in the service's variables",
            Self::TooManyConnections => "old revisions or other programs hold them; wait, or allow more",
        }
    }
}
