//! What whoever starts the local environment decides.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Tables;

/// What the local environment is to look like: the same names that a deployed one has.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// Where the environment keeps everything, usually `.quill-admin/local`.
    pub state_dir: PathBuf,
    /// What is started for the admin image.
    pub container: Container,
    /// The Google Cloud project.
    pub project: String,
    /// The region.
    pub region: String,
    /// The name of the Cloud Run job.
    pub job: String,
    /// The admin image the job runs: pinned, `…/admin@sha256:…`, where a program plays it; as the
    /// Docker engine names it otherwise.
    pub image: String,
    /// Compiled actions for a [`Container::Program`], which is given a file with them as its last argument.
    /// `None`: it has its own.
    pub actions: Option<String>,
    /// The application's tables. A state that was made of others is not started.
    pub tables: Tables,
    /// The database's name.
    pub database: String,
    /// The database's user.
    pub user: String,
    /// The one schema that the tables are in.
    pub schema: String,
    /// The name of the secret that holds the user's password.
    pub password_secret: String,
    /// Notes on the job, for tools.
    pub annotations: BTreeMap<String, String>,
    /// How long the emulator takes to find a machine for a container. Zero for tests and
    /// measurements; some time, to see what the real one looks like.
    pub provisioning_delay: Duration,
}

/// What is started for the admin image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// A program that plays the image's entry point. It is given the container's environment and
    /// nothing of this process's own.
    Program {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        args: Vec<String>,
    },
    /// The image itself, which the Docker engine has to have.
    Docker,
}
