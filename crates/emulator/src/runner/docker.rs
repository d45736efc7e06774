//! The runner that starts containers in the local Docker engine.
//!
//! To give containers another setting: `body`, which makes the request from a `Container`.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::container::{AttachContainerResults, LogOutput};
use bollard::errors::Error as EngineError;
use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, CreateImageOptionsBuilder,
    KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures::{Stream, StreamExt, TryStreamExt};

use super::container::{Container, Exit, NotStarted};
use super::process::without_version;
use crate::error::Error;
use crate::logs::{Lines, Output, Stream as LogStream};
use crate::stop::Stop;

/// The label of every container the emulator makes, so that one can find what a crash left.
const LABEL: &str = "cloud-emulator.execution";

/// Runs images in the local Docker engine.
///
/// An image the engine does not have is pulled, without credentials. Containers are removed when
/// they have ended. Limits of memory and CPU are not applied.
///
/// Docker reports the death by a signal as exit code 128 + signal; so an exit code from 129 to 159
/// is taken for a signal, also where the program returned it itself.
#[derive(Debug, Clone)]
pub struct DockerRunner {
    engine: Docker,
    host_network: bool,
    /// Names without tag and digest, and what the engine calls the image.
    images: HashMap<String, String>,
}

impl DockerRunner {
    /// Finds the engine where `DOCKER_HOST` says, or at its usual place, and asks whether it
    /// answers.
    ///
    /// # Errors
    ///
    /// Fails if `DOCKER_HOST` names no engine, or if the engine does not answer.
    pub async fn connect() -> Result<Self, Error> {
        let engine = Docker::connect_with_defaults().map_err(Error::Docker)?;
        engine.ping().await.map_err(Error::Docker)?;
        Ok(Self { engine, host_network: false, images: HashMap::new() })
    }

    /// Puts containers into the host's network, where 127.0.0.1 is this machine. By default they
    /// get the engine's bridge.
    #[must_use]
    pub fn host_network(mut self, host: bool) -> Self {
        self.host_network = host;
        self
    }

    /// Lets an image of the engine answer for another, whatever its tag or digest: one that no registry
    /// has.
    #[must_use]
    pub fn image(mut self, name: impl Into<String>, in_engine: impl Into<String>) -> Self {
        self.images.insert(name.into(), in_engine.into());
        self
    }

    /// The name that the engine has for a container's image.
    fn name<'a>(&'a self, container: &'a Container) -> &'a str {
        self.images.get(without_version(&container.image)).unwrap_or(&container.image)
    }

    /// Whether there is such an image; a pull is tried where the engine has none.
    pub(super) async fn check(&self, container: &Container) -> Result<(), NotStarted> {
        let image = self.name(container);
        match self.engine.inspect_image(image).await {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(failed("ask for the image", &error)),
        }
        let options = CreateImageOptionsBuilder::default().from_image(image).build();
        let pull = self.engine.create_image(Some(options), None, None);
        match pull.try_for_each(|_| async { Ok(()) }).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let mut reason = NotStarted::image_missing(image);
                reason.message.push(' ');
                reason.message.push_str(&error.to_string());
                Err(reason)
            }
        }
    }

    pub(super) async fn run(
        &self,
        container: &Container,
        output: &Output,
        stop: &Stop,
        grace: Duration,
    ) -> Result<Exit, NotStarted> {
        let options = CreateContainerOptionsBuilder::default().name(&container.name).build();
        let created = self
            .engine
            .create_container(Some(options), self.body(container))
            .await
            .map_err(|error| failed("create the container", &error))?;
        let ended = self.run_created(&created.id, output, stop, grace).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self.engine.remove_container(&created.id, Some(options)).await;
        let exit = ended?;
        removed.map_err(|error| failed("remove the container", &error))?;
        Ok(exit)
    }

    fn body(&self, container: &Container) -> ContainerCreateBody {
        let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
        ContainerCreateBody {
            image: Some(self.name(container).to_owned()),
            entrypoint: some(&container.command),
            cmd: some(&container.args),
            env: Some(container.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            working_dir: container.working_dir.clone(),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            labels: Some(HashMap::from([(LABEL.to_owned(), container.name.clone())])),
            host_config: Some(HostConfig {
                network_mode: self.host_network.then(|| "host".to_owned()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }

    async fn run_created(
        &self,
        id: &str,
        output: &Output,
        stop: &Stop,
        grace: Duration,
    ) -> Result<Exit, NotStarted> {
        // Attached before the start: nothing of the output is missed.
        let options = AttachContainerOptionsBuilder::default().stdout(true).stderr(true).stream(true).build();
        let AttachContainerResults {
            output: stream,
            // Closing it would end the stream.
            input: _input,
        } = self
            .engine
            .attach_container(id, Some(options))
            .await
            .map_err(|error| failed("attach to the container", &error))?;
        self.engine.start_container(id, None).await.map_err(|error| failed("start the container", &error))?;
        let (exit, ()) = tokio::join!(self.end(id, stop, grace), pump(stream, output));
        exit
    }

    async fn end(&self, id: &str, stop: &Stop, grace: Duration) -> Result<Exit, NotStarted> {
        let mut wait = Box::pin(self.engine.wait_container(id, None));
        let mut asked = false;
        let mut insisted = false;
        let answer = loop {
            tokio::select! {
                answer = wait.next() => break answer,
                () = stop.asked(), if !asked => {
                    asked = true;
                    self.kill(id, "SIGTERM").await;
                }
                () = stop.insisted(grace), if asked && !insisted => {
                    insisted = true;
                    self.kill(id, "SIGKILL").await;
                }
            }
        };
        match answer {
            Some(Ok(answer)) => Ok(exit(answer.status_code)),
            Some(Err(EngineError::DockerContainerWaitError { code, .. })) => Ok(exit(code)),
            Some(Err(error)) => Err(failed("wait for the container", &error)),
            None => Err(NotStarted::internal("The engine did not say how the container ended.".to_owned())),
        }
    }

    async fn kill(&self, id: &str, signal: &str) {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        // It can have ended in this very moment; the wait says so.
        drop(self.engine.kill_container(id, Some(options)).await);
    }
}

async fn pump(mut stream: impl Stream<Item = Result<LogOutput, EngineError>> + Unpin, output: &Output) {
    let (mut stdout, mut stderr) = (Lines::default(), Lines::default());
    while let Some(Ok(piece)) = stream.next().await {
        match piece {
            LogOutput::StdErr { message } => {
                stderr.push(&message, |line| output.line(LogStream::Stderr, line));
            }
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                stdout.push(&message, |line| output.line(LogStream::Stdout, line));
            }
            LogOutput::StdIn { .. } => {}
        }
    }
    stdout.finish(|line| output.line(LogStream::Stdout, line));
    stderr.finish(|line| output.line(LogStream::Stderr, line));
}

fn exit(code: i64) -> Exit {
    let code = i32::try_from(code).unwrap_or(1);
    match code {
        129..=159 => Exit::Signal(code - 128),
        code => Exit::Code(code),
    }
}

fn is_missing(error: &EngineError) -> bool {
    matches!(error, EngineError::DockerResponseServerError { status_code: 404, .. })
}

fn failed(what: &str, error: &EngineError) -> NotStarted {
    NotStarted::internal(format!("The Docker engine failed to {what}: {error}."))
}
