//! The connection of the executor to the database, read from its variables or taken from the job's target.
//!
//! To add a property of the connection: its field of [`Connection`], and both functions here that fill it.

use std::path::PathBuf;

use super::reader::Reader;
use crate::env_error::EnvProblem;
use crate::secret::Secret;
use crate::target::{Target, TargetParts};
use crate::tls_mode::TlsMode;
use crate::value::{InvalidValue, Problem};
use crate::variable::{self, Variable};

/// The connection of the executor to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Host name, IP address or, beginning with `/`, the folder of a Unix socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// The user's password, exactly as it was given.
    pub password: Secret,
    /// Whether and how TLS is used.
    pub tls: TlsMode,
    /// The certificates to trust; present whenever [`TlsMode::verifies`].
    pub root_certificates: Option<Certificates>,
    /// The name that the certificate has to be for, where that is not the host.
    pub server_name: Option<String>,
    /// The schema that the job is for, where its command says so.
    pub schema: Option<String>,
}

/// The place of the certificates to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// In a PEM file.
    File(PathBuf),
    /// In PEM, as the job's command has them.
    Given(Vec<String>),
}

impl<'a> Reader<'a> {
    pub(super) fn connection(&mut self) -> Option<Connection> {
        use variable as v;
        let host = self.text(&v::AUTH_DB_HOST);
        // A missing variable is reported under the set of names that the host has.
        let newer = host.is_some_and(|(name, _)| Some(name) == v::AUTH_DB_HOST.newer);
        let called = |variable: &Variable| variable.newer.filter(|_| newer).unwrap_or(variable.name);
        let host = host.map(|(_, text)| text.trim().to_owned());
        if host.is_none() && !self.has_problem(&v::AUTH_DB_HOST) {
            self.problems.push(EnvProblem::Missing(v::AUTH_DB_HOST.name.into()));
        }
        let port = match self.text(&v::AUTH_DB_PORT) {
            None => Some(5432),
            Some((name, text)) => match text.trim().parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => {
                    let rule = Problem::MustBe("a number from 1 to 65535");
                    self.problems.push(EnvProblem::Invalid(name.into(), InvalidValue::new("port", rule)));
                    None
                }
            },
        };
        let or = |value: Option<(&str, &str)>, default: &str| {
            value.map_or_else(|| default.to_owned(), |(_, text)| text.trim().to_owned())
        };
        // Databases have been renamed, so a default could name a wrong one. The user has not been renamed.
        let database = self.text(&v::AUTH_DB_NAME).map(|(_, text)| text.trim().to_owned());
        if database.is_none() && !self.has_problem(&v::AUTH_DB_NAME) {
            self.problems.push(EnvProblem::Missing(called(&v::AUTH_DB_NAME).into()));
        }
        let user = or(self.text(&v::AUTH_DB_USER), "quill");
        let password = self.password(called(&v::AUTH_DB_PASSWORD));
        let tls = match self.text(&v::AUTH_DB_SSLMODE) {
            None => Some(TlsMode::Prefer),
            Some((name, text)) => match text.parse::<TlsMode>() {
                Ok(mode) => Some(mode),
                Err(problem) => {
                    self.problems.push(EnvProblem::Invalid(name.into(), problem));
                    None
                }
            },
        };
        let root_certificates =
            self.text(&v::AUTH_DB_SSLROOTCERT).map(|(_, text)| Certificates::File(text.trim().into()));
        if tls.is_some_and(TlsMode::verifies) && root_certificates.is_none() {
            self.problems.push(EnvProblem::Missing(called(&v::AUTH_DB_SSLROOTCERT).into()));
        }
        Some(Connection {
            host: host?,
            port: port?,
            database: database?,
            user,
            password: password?,
            tls: tls?,
            root_certificates,
            server_name: None,
            schema: None,
        })
    }

    pub(super) fn connection_to(&mut self, target: &Target) -> Option<Connection> {
        let password = self.password(variable::AUTH_DB_PASSWORD.name)?;
        let TargetParts { cas, host, name, port, schema, server_name, user, .. } = target.parts().clone();
        Some(Connection {
            host,
            port,
            database: name,
            user,
            password,
            tls: target.tls(),
            root_certificates: (!cas.is_empty()).then_some(Certificates::Given(cas)),
            server_name,
            schema: Some(schema),
        })
    }

    /// The password. One that is missing is reported under `name`.
    fn password(&mut self, name: &'static str) -> Option<Secret> {
        let variable = &variable::AUTH_DB_PASSWORD;
        let password = self.text(variable).map(|(_, text)| Secret::new(text.to_owned()));
        if password.is_none() && !self.has_problem(variable) {
            self.problems.push(EnvProblem::Missing(name.into()));
        }
        password
    }

    fn text(&mut self, variable: &Variable) -> Option<(&'static str, &'a str)> {
        match self.vars.connection(variable) {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }
}
