//! Secrets and their versions. Values go to containers only, never into an answer.
//!
//! To add a state of versions: a variant of [`SecretVersionState`], and its arm in `value`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::project_number;

/// The state of a secret's version, as `google.cloud.secretmanager.v1` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecretVersionState {
    /// It can be read.
    Enabled,
    /// It cannot be read until it is enabled again.
    Disabled,
    /// Its value is gone for good.
    Destroyed,
}

impl SecretVersionState {
    /// The name of the API's enum value.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Destroyed => "DESTROYED",
        }
    }
}

pub(crate) struct Secret {
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) created: Timestamp,
    /// The members that its own policy lets read its value, as IAM names them.
    pub(crate) readers: Vec<String>,
    /// The first is version 1.
    pub(crate) versions: Vec<Version>,
}

pub(crate) struct Version {
    pub(crate) state: SecretVersionState,
    pub(crate) created: Timestamp,
    pub(crate) destroyed: Option<Timestamp>,
    value: String,
}

/// The reason why there is no such value.
pub(crate) enum NoValue {
    /// No such secret, or no such version.
    NotFound,
    /// The version with this number cannot be read.
    Unusable(usize, SecretVersionState),
}

impl Secret {
    /// The name in answers, which have the project's number where requests have its id.
    pub(crate) fn full_name(&self) -> String {
        format!("projects/{}/secrets/{}", project_number(&self.project), self.name)
    }

    /// A version and its number. `latest` is the newest one, whatever its state: so the
    /// documentation of `GetSecretVersion`.
    pub(crate) fn version(&self, id: &str) -> Option<(usize, &Version)> {
        let number = if id == "latest" { self.versions.len() } else { id.parse().ok()? };
        Some((number, self.versions.get(number.checked_sub(1)?)?))
    }

    fn add(&mut self, value: String) -> usize {
        let version =
            Version { state: SecretVersionState::Enabled, created: Timestamp::now(), destroyed: None, value };
        self.versions.push(version);
        self.versions.len()
    }
}

#[derive(Default)]
pub(crate) struct Secrets(BTreeMap<(String, String), Secret>);

impl Secrets {
    /// Puts a secret there with one version, or none, replacing the versions of one of that name.
    pub(crate) fn put(&mut self, project: &str, name: &str, value: Option<String>) {
        let key = (project.to_owned(), name.to_owned());
        let mut secret = Secret {
            project: project.to_owned(),
            name: name.to_owned(),
            created: Timestamp::now(),
            readers: self.0.remove(&key).map(|old| old.readers).unwrap_or_default(),
            versions: Vec::new(),
        };
        if let Some(value) = value {
            secret.add(value);
        }
        self.0.insert(key, secret);
    }

    /// Adds a version; its number, where there is such a secret.
    pub(crate) fn add_version(&mut self, project: &str, name: &str, value: String) -> Option<usize> {
        let key = (project.to_owned(), name.to_owned());
        self.0.get_mut(&key).map(|secret| secret.add(value))
    }

    pub(crate) fn set_state(
        &mut self,
        project: &str,
        name: &str,
        number: usize,
        state: SecretVersionState,
    ) -> Result<(), String> {
        let version = self
            .0
            .get_mut(&(project.to_owned(), name.to_owned()))
            .and_then(|secret| secret.versions.get_mut(number.checked_sub(1)?))
            .ok_or("there is no such version")?;
        if version.state == SecretVersionState::Destroyed && state != SecretVersionState::Destroyed {
            return Err("what was destroyed stays so".to_owned());
        }
        version.state = state;
        if state == SecretVersionState::Destroyed {
            version.destroyed.get_or_insert_with(Timestamp::now);
            version.value.clear();
        }
        Ok(())
    }

    /// Says who may read a secret; `false` where there is no such secret.
    pub(crate) fn set_readers(&mut self, project: &str, name: &str, readers: Vec<String>) -> bool {
        let secret = self.0.get_mut(&(project.to_owned(), name.to_owned()));
        secret.map(|secret| secret.readers = readers).is_some()
    }

    /// A secret by the id or the number of its project.
    pub(crate) fn get(&self, project: &str, name: &str) -> Option<&Secret> {
        self.0.get(&(project.to_owned(), name.to_owned())).or_else(|| {
            let number: u64 = project.parse().ok()?;
            self.0.values().find(|secret| secret.name == name && project_number(&secret.project) == number)
        })
    }

    /// The value that a container finds in a variable.
    pub(crate) fn value(&self, project: &str, name: &str, version: &str) -> Result<&str, NoValue> {
        let (number, version) =
            self.get(project, name).and_then(|secret| secret.version(version)).ok_or(NoValue::NotFound)?;
        match version.state {
            SecretVersionState::Enabled => Ok(&version.value),
            state => Err(NoValue::Unusable(number, state)),
        }
    }
}
