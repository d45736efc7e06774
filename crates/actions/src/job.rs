//! Jobs of the application's own that are run as actions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A Cloud Run job that belongs to the application, and is run once with some variables. It is started,
/// followed and recorded like any action; the container's exit code is passed on unchanged. It prints no
/// result, and there are no promises about its transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The name of the job, in which `{env}` and `{project}` stand for those of the environment.
    pub name: String,
    /// Variables for the run, which replace the job's own of the same names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Time limit of a run, in seconds.
    pub timeout: u32,
}

impl Job {
    /// Time limit of a run where the file does not give one: Cloud Run's own default, 10 minutes.
    pub const TIMEOUT: u32 = 600;
    /// The highest time limit of a run: Cloud Run's limit for a task, 168 hours.
    pub const LONGEST: u32 = 168 * 60 * 60;

    /// The name of the job in an environment.
    #[must_use]
    pub fn name_in(&self, environment: &str, project: &str) -> String {
        self.name.replace("{env}", environment).replace("{project}", project)
    }
}
