//! The emulator as a program: flags in, the library, an end at SIGINT or SIGTERM.
//!
//! To add a flag: its field in [`Args`], and its use in `main`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use cloud_emulator::{
    AuditedStarts, Builder, CancelledRun, Emulator, ImageProgram, MissingLogBucket, MissingSqlInstance,
    PrivateLogs, ProcessRunner, Runner,
};
use tokio::signal::unix::{SignalKind, signal};

/// A local stand-in for the parts of Google Cloud that run Cloud Run jobs.
#[derive(Debug, Parser)]
#[command(version)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Args {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8085", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// A further name, without a port, by which others reach the emulator. Can be given several times.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,

    /// What runs containers.
    #[arg(long, value_enum, default_value_t = RunnerKind::Process)]
    runner: RunnerKind,

    /// The program that stands in for an image, and its first arguments, separated by spaces. Can
    /// be given several times.
    #[arg(long = "image", value_name = "IMAGE=PROGRAM [ARG…]", value_parser = parse_image)]
    images: Vec<(String, ImageProgram)>,

    /// Puts containers of the Docker engine into the host's network.
    #[cfg(feature = "docker")]
    #[arg(long)]
    host_network: bool,

    /// Keeps jobs, executions, tasks and log entries in this file.
    #[arg(long, value_name = "FILE")]
    state_file: Option<PathBuf>,

    /// How long an execution takes to start, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    provisioning_delay: u64,

    /// How long a container has between SIGTERM and SIGKILL, in milliseconds.
    #[arg(long, default_value_t = 10_000, value_name = "MS")]
    grace: u64,

    /// How long a log entry takes until it can be read, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    log_delay: u64,

    /// How many reads of its logs a project has in a minute.
    #[arg(long, default_value_t = 60, value_name = "NUMBER")]
    log_reads_per_minute: u32,

    /// How many tails of log entries a project can have open.
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    log_tails_per_project: u32,

    /// Makes log entries come late by up to so many milliseconds, and so out of order.
    #[arg(long, value_name = "MS")]
    shuffle_entries: Option<u64>,

    /// Makes about a third of the log entries come twice.
    #[arg(long)]
    duplicate_entries: bool,

    /// Which entries come when, and which come twice.
    #[arg(long, default_value_t = 1, value_name = "NUMBER")]
    seed: u64,

    /// Lets the operation of a cancelled run end with an error instead of a response.
    #[arg(long)]
    cancelled_run_is_error: bool,

    /// Gives a job a new etag with every run.
    #[arg(long)]
    run_changes_etag: bool,

    /// How the Cloud SQL Admin API answers for an instance that is not there.
    #[arg(long, value_enum, default_value_t = MissingSql::NotFound)]
    missing_sql_instance: MissingSql,

    /// For how many days the log of a project is kept.
    #[arg(long, default_value_t = 30, value_name = "DAYS")]
    log_retention_days: u32,

    /// How Cloud Logging answers for a log bucket that is not there.
    #[arg(long, value_enum, default_value_t = MissingBucket::NotFound)]
    missing_log_bucket: MissingBucket,

    /// How Cloud Logging answers who may not read private logs.
    #[arg(long, value_enum, default_value_t = Private::LeftOut)]
    private_logs: Private,

    /// Whether the audit log's entry about the start of a job names the execution.
    #[arg(long, value_enum, default_value_t = Starts::Named)]
    audited_starts: Starts,

    /// How long the tokens the emulator gives out are good for, in seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    token_lifetime: u64,

    /// The only bearer token that is accepted, besides those the emulator gives out; without it every
    /// caller is.
    #[arg(long, value_name = "TOKEN")]
    require_token: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Starts {
    Named,
    Unnamed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Private {
    LeftOut,
    Denied,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MissingSql {
    /// 404, instanceDoesNotExist.
    NotFound,
    /// 403, notAuthorized.
    NotAuthorized,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum MissingBucket {
    /// 404.
    NotFound,
    /// 403.
    Denied,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RunnerKind {
    /// Programs of this machine, see --image.
    Process,
    /// Containers of the local Docker engine.
    #[cfg(feature = "docker")]
    Docker,
    /// Nothing is started: executions follow scripts set by the control API.
    Scripted,
}

fn parse_image(text: &str) -> Result<(String, ImageProgram), String> {
    let (image, command) = text.split_once('=').ok_or("expected IMAGE=PROGRAM")?;
    let mut words = command.split_whitespace();
    let program = words.next().ok_or("the program is missing")?;
    let program = words.fold(ImageProgram::new(program), ImageProgram::arg);
    Ok((image.to_owned(), program))
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runner = match args.runner {
        RunnerKind::Process => Runner::Process(
            args.images
                .into_iter()
                .fold(ProcessRunner::new(), |runner, (image, program)| runner.image(image, program)),
        ),
        #[cfg(feature = "docker")]
        RunnerKind::Docker => {
            let engine = cloud_emulator::DockerRunner::connect().await?;
            Runner::Docker(engine.host_network(args.host_network))
        }
        RunnerKind::Scripted => Runner::Scripted,
    };
    let mut builder = Emulator::builder()
        .address(args.listen)
        .runner(runner)
        .provisioning_delay(Duration::from_millis(args.provisioning_delay))
        .grace(Duration::from_millis(args.grace))
        .log_delay(Duration::from_millis(args.log_delay))
        .log_reads_per_minute(args.log_reads_per_minute)
        .log_tails_per_project(args.log_tails_per_project)
        .token_lifetime(Duration::from_secs(args.token_lifetime));
    builder = args.hosts.into_iter().fold(builder, Builder::host);
    if let Some(within) = args.shuffle_entries {
        builder = builder.shuffle_entries(args.seed, Duration::from_millis(within));
    }
    if args.duplicate_entries {
        builder = builder.duplicate_entries(args.seed);
    }
    builder = builder.run_changes_etag(args.run_changes_etag);
    if args.cancelled_run_is_error {
        builder = builder.cancelled_run(CancelledRun::Error);
    }
    builder = builder.missing_sql_instance(match args.missing_sql_instance {
        MissingSql::NotFound => MissingSqlInstance::NotFound,
        MissingSql::NotAuthorized => MissingSqlInstance::NotAuthorized,
    });
    builder = builder.log_retention_days(args.log_retention_days).missing_log_bucket(
        match args.missing_log_bucket {
            MissingBucket::NotFound => MissingLogBucket::NotFound,
            MissingBucket::Denied => MissingLogBucket::Denied,
        },
    );
    builder = builder
        .audited_starts(match args.audited_starts {
            Starts::Named => AuditedStarts::Named,
            Starts::Unnamed => AuditedStarts::Unnamed,
        })
        .private_logs(match args.private_logs {
            Private::LeftOut => PrivateLogs::LeftOut,
            Private::Denied => PrivateLogs::Denied,
        });
    if let Some(path) = args.state_file {
        builder = builder.state_file(path);
    }
    if let Some(token) = args.require_token {
        builder = builder.require_token(token);
    }

    let mut interrupt = signal(SignalKind::interrupt()).context("failed to watch for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to watch for SIGTERM")?;
    let emulator = builder.start().await?;
    // Whoever started this waits for these two lines: the address, with the port, and the token of
    // the control API. Written at once, so that nobody reads one without the other.
    let lines = format!("{}\n{}\n", emulator.url(), emulator.control_token());
    std::io::stdout().write_all(lines.as_bytes()).context("failed to write the address")?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    emulator.shutdown().await.context("failed to shut down")
}
