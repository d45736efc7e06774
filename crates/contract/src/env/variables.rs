//! A snapshot of the variables of the contract, with the few that are read even where others are wrong.
//!
//! To read a variable apart from the request: its method of [`Variables`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::str::FromStr;

use crate::env_error::EnvProblem;
use crate::proof::ProofKey;
use crate::record_key::RecordKey;
use crate::target::Target;
use crate::tls_mode::TlsMode;
use crate::value::{InvalidValue, Problem};
use crate::variable::{self, Variable};
use crate::{CONTRACT_OLDEST, CONTRACT_VERSION};

/// A snapshot of the variables that belong to the contract. Its values may be secret: no `Debug`.
pub struct Variables(pub(super) BTreeMap<String, Result<String, ()>>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

impl Variables {
    /// Keeps `ADMIN_*`, `AUTH_DB_*`, `CORE_DB_*`, `CLOUD_RUN_JOB` and `CLOUD_RUN_EXECUTION` of an
    /// environment, as from `std::env::vars_os()`.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = |name: &str| {
            name == variable::CLOUD_RUN_JOB
                || name == variable::CLOUD_RUN_EXECUTION
                || ["ADMIN_", "AUTH_DB_", "CORE_DB_"].iter().any(|prefix| name.starts_with(prefix))
        };
        Self(
            vars.into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .filter(|(name, _)| ours(name))
                .map(|(name, value)| (name, value.into_string().map_err(|_| ())))
                .collect(),
        )
    }

    /// Whether Cloud Run runs this process as a job's container.
    #[must_use]
    pub fn in_cloud_run(&self) -> bool {
        self.0.contains_key(variable::CLOUD_RUN_JOB)
    }

    /// The contract version to answer in, even if other variables are wrong: the version that is asked for,
    /// if this program speaks it, else the newest.
    #[must_use]
    pub fn contract(&self) -> u32 {
        let asked = self.parsed::<Version>(&variable::ADMIN_CONTRACT).ok().flatten();
        let spoken = CONTRACT_OLDEST..=CONTRACT_VERSION;
        asked.map(|version| version.0).filter(|version| spoken.contains(version)).unwrap_or(CONTRACT_VERSION)
    }

    /// The key that the result is to be proven with, if the variable holds a valid one.
    #[must_use]
    pub fn proof_key(&self) -> Option<ProofKey> {
        self.parsed(&variable::ADMIN_PROOF_KEY).ok().flatten()
    }

    /// The key that the result is to be signed with, if the variable holds a valid one.
    #[must_use]
    pub fn record_key(&self) -> Option<RecordKey> {
        self.parsed(&variable::ADMIN_RECORD_KEY).ok().flatten()
    }

    /// The job and the execution that this process is the container of, by their ids.
    #[must_use]
    pub fn run(&self) -> Option<(&str, &str)> {
        let value = |name| self.value(name).ok().flatten();
        Some((value(variable::CLOUD_RUN_JOB)?, value(variable::CLOUD_RUN_EXECUTION)?))
    }

    /// The value of a variable as it stands; one that is set but blank counts as missing. Only variables of
    /// the contract are found, and no others of the environment.
    ///
    /// # Errors
    ///
    /// [`EnvProblem::Invalid`], where it is not UTF-8.
    pub fn value(&self, name: &str) -> Result<Option<&str>, EnvProblem> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Ok(value)) if value.trim().is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(())) => {
                Err(EnvProblem::Invalid(name.to_owned().into(), InvalidValue::new("value", Problem::NotUtf8)))
            }
        }
    }

    pub(super) fn parsed<T: FromStr<Err = InvalidValue>>(
        &self,
        variable: &Variable,
    ) -> Result<Option<T>, EnvProblem> {
        self.value(variable.name)?
            .map(str::parse)
            .transpose()
            .map_err(|problem| EnvProblem::Invalid(variable.name.into(), problem))
    }

    /// The names, sorted, of the variables whose values differ from a job's target; they are ignored. A TLS
    /// mode of `require` does not count as different from one that verifies: it is the strictest mode that an
    /// image can use which does not know of targets.
    #[must_use]
    pub fn beside(&self, target: &Target) -> Vec<&'static str> {
        use variable as v;
        let parts = target.parts();
        let port = parts.port.to_string();
        let same = [
            (&v::AUTH_DB_HOST, &[parts.host.as_str()][..]),
            (&v::AUTH_DB_PORT, &[&port]),
            (&v::AUTH_DB_NAME, &[&parts.name]),
            (&v::AUTH_DB_USER, &[&parts.user]),
            (&v::AUTH_DB_SSLMODE, &[&parts.tls, TlsMode::Require.as_str()]),
            (&v::AUTH_DB_SSLROOTCERT, &[]),
        ];
        let names = same.into_iter().flat_map(|(variable, same)| {
            [Some(variable.name), variable.newer].into_iter().flatten().map(move |name| (name, same))
        });
        let mut beside: Vec<_> = names
            .filter(|(name, same)| match self.value(name) {
                Ok(None) => false,
                Ok(Some(value)) => !same.contains(&value.trim()),
                Err(_) => true,
            })
            .map(|(name, _)| name)
            .collect();
        beside.sort_unstable();
        beside
    }

    /// A connection variable under its `AUTH_DB_` name or, failing that, the newer `CORE_DB_` one.
    pub(super) fn connection(&self, variable: &Variable) -> Result<Option<(&'static str, &str)>, EnvProblem> {
        for name in [Some(variable.name), variable.newer].into_iter().flatten() {
            if let Some(value) = self.value(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}

/// A version of the contract.
pub(super) struct Version(pub(super) u32);

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim().parse() {
            Ok(version) if version >= CONTRACT_OLDEST => Ok(Self(version)),
            _ => Err(InvalidValue::new("contract version", Problem::MustBe("a whole number from 1 on"))),
        }
    }
}
