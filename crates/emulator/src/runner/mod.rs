//! The runners of containers: processes of this machine, scripts of a test, or Docker.
//!
//! To add a runner: a variant of [`Runner`] with its file here, its arms in `check` and `run`, and `RunnerKind` in
//! `main.rs`. To change the settings that a container is started with: `Container` in `container.rs`, and `plan` in
//! `execution.rs`, which fills them in.

mod container;
mod process;
mod script;

#[cfg(feature = "docker")]
mod docker;

use std::time::Duration;

use serde_json::Value;

#[cfg(feature = "docker")]
pub use docker::DockerRunner;
pub use process::{ImageProgram, ProcessRunner};

pub(crate) use container::{Container, Exit, NotStarted};

use crate::logs::Output;
use crate::stop::Stop;

/// The stand-in for Cloud Run's container sandbox.
///
/// With every runner, a job with a [`Script`](crate::Script) follows its script.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Runner {
    /// Every image is a program on this machine.
    Process(ProcessRunner),
    /// Images are containers of the local Docker engine.
    #[cfg(feature = "docker")]
    Docker(DockerRunner),
    /// Nothing is started: jobs follow their scripts, and one without a script succeeds at once.
    Scripted,
}

impl Runner {
    /// The first variable of a job's or an execution's template that this runner does not set.
    pub(crate) fn refused_variable<'a>(&self, template: &'a Value) -> Option<&'a str> {
        let Self::Process(_) = self else { return None };
        let containers = template["containers"].as_array().into_iter().flatten();
        let env = containers.flat_map(|container| container["env"].as_array().into_iter().flatten());
        ProcessRunner::refused(env.filter_map(|variable| variable["name"].as_str()))
    }

    /// Whether the container can be started at all, as Cloud Run finds out before it starts tasks.
    #[cfg_attr(
        not(feature = "docker"),
        expect(clippy::unused_async, reason = "only an engine has to be asked")
    )]
    pub(crate) async fn check(&self, container: &Container) -> Result<(), NotStarted> {
        if let Some(script) = &container.script {
            return script.check();
        }
        match self {
            Self::Process(runner) => runner.check(container),
            #[cfg(feature = "docker")]
            Self::Docker(runner) => runner.check(container).await,
            Self::Scripted => Ok(()),
        }
    }

    /// Runs a container to its end. `stop` asks it to end early: a SIGTERM, after `grace` a
    /// SIGKILL.
    pub(crate) async fn run(
        &self,
        container: &Container,
        output: &Output,
        stop: &Stop,
        grace: Duration,
    ) -> Result<Exit, NotStarted> {
        if let Some(script) = &container.script {
            return Ok(script.run(container.attempt, output, stop, grace).await);
        }
        match self {
            Self::Process(runner) => runner.run(container, output, stop, grace).await,
            #[cfg(feature = "docker")]
            Self::Docker(runner) => runner.run(container, output, stop, grace).await,
            Self::Scripted => Ok(Exit::Code(0)),
        }
    }
}
