//! What runs a container: a process, a script of a test, or Docker.

mod process;
mod script;

#[cfg(feature = "docker")]
mod docker;

use std::time::Duration;

use tokio_util::sync::CancellationToken;

#[cfg(feature = "docker")]
pub use docker::DockerRunner;
pub use process::{ImageProgram, ProcessRunner};
pub use script::{Script, Step};

use crate::logs::Output;

/// What stands in for Cloud Run's container sandbox.
///
/// Whatever the runner, a job with a [`Script`] follows its script.
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

/// One attempt of one task, ready to start.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: Option<String>,
    /// A name for this attempt, unique in the emulator.
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) script: Option<Script>,
}

/// How a container ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
}

/// Why a container could not be started.
#[derive(Debug, Clone)]
pub(crate) struct NotStarted {
    /// A `Condition.CommonReason`.
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl NotStarted {
    pub(crate) fn image_missing(image: &str) -> Self {
        Self { reason: "CONTAINER_MISSING".to_owned(), message: format!("Image '{image}' not found.") }
    }

    pub(crate) fn internal(message: String) -> Self {
        Self { reason: "INTERNAL".to_owned(), message }
    }
}

/// The two ways to end a container early.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// SIGTERM now, SIGKILL when the grace period is over.
    pub(crate) terminate: CancellationToken,
    /// SIGKILL now.
    pub(crate) kill: CancellationToken,
}

impl Stop {
    /// One that also stops when `self` does, and can be stopped alone.
    pub(crate) fn child(&self) -> Self {
        Self { terminate: self.terminate.child_token(), kill: self.kill.child_token() }
    }

    /// Waits for the request to end.
    pub(crate) async fn asked(&self) {
        tokio::select! {
            () = self.kill.cancelled() => {}
            () = self.terminate.cancelled() => {}
        }
    }

    /// Waits, after the request to end, until the container has to be killed.
    pub(crate) async fn insisted(&self, grace: Duration) {
        tokio::select! {
            () = self.kill.cancelled() => {}
            () = tokio::time::sleep(grace) => {}
        }
    }
}
