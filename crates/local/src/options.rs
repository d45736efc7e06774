//! The options with which the local environment is started.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::Tables;

/// The options of the local environment, with the names that a deployed one has.
#[derive(Debug, Clone)]
pub struct LocalOptions {
    /// The folder in which the environment keeps its state, usually `.quill-admin/local`.
    pub state_dir: PathBuf,
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
