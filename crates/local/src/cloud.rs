//! The emulator, set up with the admin job that deployed environments have.
//!
//! To change the job: `job_resource`, as the Terraform module (`infra/modules/cloud-run-job/main.tf`) has it.

use std::{io, net::SocketAddr, path::Path, time::Duration};

use cloud_emulator::{DockerRunner, Emulator, ImageProgram, ProcessRunner, Runner};
use quill_admin_contract::{ENTRY_POINT, Target, TargetParts, TlsMode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{Container, LocalError, LocalOptions};

/// The password that the embedded database is given, which it does not check.
const PASSWORD: &str = "not checked by the embedded database";

/// The running emulator.
pub(crate) struct Cloud {
    emulator: Emulator,
    endpoint: String,
    job: String,
}

impl Cloud {
    /// Starts the emulator on a free port and puts the job in place, with the database at `port`.
    pub(crate) async fn start(
        options: &LocalOptions,
        port: u16,
        state_file: &Path,
    ) -> Result<Self, LocalError> {
        let runner = match &options.container {
            Container::Program { program, args } => {
                let program = ImageProgram::new(program).entry_point(ENTRY_POINT);
                let program = args.iter().fold(program, ImageProgram::arg);
                let image = options.image.split('@').next().unwrap_or(&options.image);
                Runner::Process(ProcessRunner::new().image(image, program))
            }
            Container::Docker => {
                let engine = DockerRunner::connect()
                    .await
                    .map_err(|source| LocalError::cloud("start a container of", source))?;
                Runner::Docker(engine.host_network(true))
            }
        };
        let emulator = Emulator::builder()
            .runner(runner)
            .provisioning_delay(options.provisioning_delay)
            .state_file(state_file)
            .start()
            .await
            .map_err(not_started)?;
        let LocalOptions { project, region, job, .. } = options;
        let job = format!("projects/{project}/locations/{region}/jobs/{job}");
        emulator.put_secret(project, &options.password_secret, PASSWORD);
        emulator
            .put_job(&job, job_resource(options, &target(options, port)?))
            .map_err(|source| LocalError::cloud("put the job into", source))?;
        Ok(Self { endpoint: emulator.url(), emulator, job })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The port that the emulator listens on.
    pub(crate) fn port(&self) -> u16 {
        self.emulator.address().port()
    }

    /// The token of the emulator's control API.
    pub(crate) fn control_token(&self) -> &str {
        self.emulator.control_token()
    }

    /// Number of executions of the job.
    pub(crate) async fn executions(&self) -> Result<usize, LocalError> {
        let mut count = 0;
        let mut page = String::new();
        loop {
            let answer = self
                .get(&format!("/v2/{}/executions?pageSize=1000&pageToken={page}", self.job))
                .await
                .map_err(|source| LocalError::cloud("ask", source))?;
            count += answer["executions"].as_array().map_or(0, Vec::len);
            match answer["nextPageToken"].as_str() {
                None | Some("") => return Ok(count),
                Some(next) => next.clone_into(&mut page),
            }
        }
    }

    /// A GET request to the emulator's own port. HTTP/1.0, where an answer ends with its connection, keeps a
    /// client library out of a crate that makes no other requests.
    async fn get(&self, path: &str) -> io::Result<Value> {
        let answer = timeout(ANSWER, get(self.emulator.address(), path)).await??;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        if head.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(body.to_owned()));
        }
        Ok(serde_json::from_str(body)?)
    }

    /// Lets running executions end, and saves the state.
    pub(crate) async fn shutdown(self) -> Result<(), LocalError> {
        self.emulator.shutdown().await.map_err(|source| LocalError::cloud("shut down", source))
    }
}

/// Time limit for an answer of the emulator, which takes milliseconds.
const ANSWER: Duration = Duration::from_secs(30);

/// Asks an emulator, and returns its whole answer.
pub(crate) async fn get(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// The error of an emulator that does not start. A state file that is there and is no state is damaged.
fn not_started(error: cloud_emulator::Error) -> LocalError {
    match error {
        cloud_emulator::Error::StateFile { path, source }
            if [io::ErrorKind::InvalidData, io::ErrorKind::UnexpectedEof].contains(&source.kind()) =>
        {
            LocalError::damaged(&path, source)
        }
        other => LocalError::cloud("start", other),
    }
}

/// This machine's address as the container sees it: containers run in the host's network. In Docker Desktop
/// that is the setting "Enable host networking" (4.34 and later). No other address is possible, because the
/// embedded server has no TLS, and without TLS the executor connects to loopback only.
const HOST: &str = "127.0.0.1";

/// The target in the job's command. The embedded server has no TLS.
fn target(options: &LocalOptions, port: u16) -> Result<Target, LocalError> {
    Target::new(TargetParts {
        cas: Vec::new(),
        host: HOST.to_owned(),
        name: options.database.clone(),
        port,
        schema: options.schema.clone(),
        server_name: None,
        tls: TlsMode::Disable.as_str().to_owned(),
        user: options.user.clone(),
    })
    .map_err(|error| LocalError::cloud("make the job of", io::Error::other(error)))
}

/// The job as Terraform makes it, except for its database. This is a definition of its own, and not the
/// fixture that tests have of a healthy environment, because people use this one.
fn job_resource(options: &LocalOptions, target: &Target) -> Value {
    let value = |name: &str, value: &str| json!({"name": name, "value": value});
    let parts = target.parts();
    json!({
        "annotations": options.annotations,
        "template": {
            "taskCount": 1,
            "template": {
                "containers": [{
                    "image": options.image,
                    "command": target.to_command(),
                    // An image from before there were targets needs these variables; others do not.
                    "env": [
                        value("AUTH_DB_HOST", &parts.host),
                        value("AUTH_DB_PORT", &parts.port.to_string()),
                        value("AUTH_DB_NAME", &parts.name),
                        value("AUTH_DB_USER", &parts.user),
                        value("AUTH_DB_SSLMODE", &parts.tls),
                        {
                            "name": "AUTH_DB_PASSWORD",
                            "valueSource": {
                                "secretKeyRef": {"secret": options.password_secret, "version": "latest"},
                            },
                        },
                    ],
                }],
                // A failed task must not be run again: its change may have been made.
                "maxRetries": 0,
                "timeout": "300s",
            },
        },
    })
}
