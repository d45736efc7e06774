//! The options with which the local environment is started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::Tables;

/// The options of the local environment, with the names that a deployed one has.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder in which the environment keeps its state, usually `.quill-admin/local`.
    pub state_dir: PathBuf,
    /// The command that uses the environment, such as `create-superadmin`: others that wait for it are told.
    pub command: String,
    /// The program or image that is run as the admin image.
    pub container: Container,
    /// The Google Cloud project.
    pub project: String,
    /// The region.
    pub region: String,
    /// The name of the Cloud Run job.
    pub job: String,
    /// The admin image that the job runs. If a program stands in for it, the image is pinned,
    /// `…/admin@sha256:…`; otherwise it has the name that the Docker engine knows.
    pub image: String,
    /// Compiled actions for a [`Container::Program`], which is given a file with them as its last argument.
    /// `None`: the program uses its own.
    pub actions: Option<String>,
    /// The application's tables. A state that was made of others is not started.
    pub tables: Tables,
    /// The database's name.
    pub database: String,
    /// The database's user.
    pub user: String,
    /// The one schema that holds the tables.
    pub schema: String,
    /// The name of the secret that holds the user's password.
    pub password_secret: String,
    /// Annotations of the job, for tools.
    pub annotations: BTreeMap<String, String>,
    /// The time that the emulator takes to provision a container. Zero for tests and measurements; more to
    /// imitate Cloud Run.
    pub provisioning_delay: Duration,
}

impl LocalOptions {
    /// A digest of everything that tasks depend on. Two processes whose options have the same may use one
    /// running environment together.
    pub(crate) fn digest(&self) -> String {
        let container = match &self.container {
            // The same program may be installed at two places.
            Container::Program { .. } => "program",
            Container::Docker => "docker",
        };
        let tables = self.tables.digest();
        let actions = self.actions.as_deref().unwrap_or_default();
        let parts = [
            env!("CARGO_PKG_VERSION"),
            container,
            &self.project,
            &self.region,
            &self.job,
            &self.image,
            actions,
            &tables,
            &self.database,
            &self.user,
            &self.schema,
            &self.password_secret,
        ];
        let notes = self.annotations.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        let mut digest = Sha256::new();
        for part in parts.into_iter().chain(notes) {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        hex::encode(digest.finalize())
    }
}

/// The program or image that is run as the admin image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// A program in place of the image's entry point. It gets the container's environment variables and none
    /// of this process's own.
    Program {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
    /// The image itself, which the Docker engine must have.
    Docker,
}
