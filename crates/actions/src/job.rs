//! Jobs of the application that are run as actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A Cloud Run job that somebody else made and keeps, run once with some variables. It is started, followed and
/// recorded like any action; the container's exit code is passed on exactly. It prints no result, and nothing
/// is promised of transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its name, in which `{env}` and `{project}` are the environment's.
    pub name: String,
    /// Variables that it is given, in place of those of the same names that it has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// How long a run may take, in seconds.
    pub timeout: u32,
}

impl Job {
    /// How long a run may take where the file does not say: Cloud Run's own default, 10 minutes.
    pub const TIMEOUT: u32 = 600;
    /// The longest that a run may take: Cloud Run's limit for a task, 168 hours.
    pub const LONGEST: u32 = 168 * 60 * 60;

    /// Its name in an environment.
    #[must_use]
    pub fn name_in(&self, environment: &str, project: &str) -> String {
        self.name.replace("{env}", environment).replace("{project}", project)
    }
}
