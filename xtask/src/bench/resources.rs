//! Measures the time and the memory that a program takes, by running it under a process of its own.
//!
//! To measure another resource: a column of the rows that `measure` prints, and a field of [`Measured`].

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use wait4::Wait4;

use super::programs;
use super::sample::{Sample, milliseconds};

#[derive(Args)]
pub(crate) struct Program {
    runs: usize,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

pub(super) struct Measured {
    /// Milliseconds from start to exit.
    pub(super) wall: Sample,
    /// Peak of memory, in MiB.
    pub(super) memory: Sample,
}

/// Makes a small process run a program several times, with only these environment variables.
pub(super) fn measured(
    program: &Path,
    args: &[&str],
    env: &[(&str, &str)],
    runs: usize,
) -> anyhow::Result<Measured> {
    // This is not the file from which this process was started: the build above may have replaced it.
    let output = Command::new(programs::program("xtask")?)
        .args(["measure", &runs.to_string()])
        .arg(program)
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .output()?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        program.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    let rows: Vec<(f64, f64)> = serde_json::from_slice(&output.stdout)?;
    let (wall, memory) = rows.into_iter().unzip();
    Ok(Measured { wall: Sample::new(wall), memory: Sample::new(memory) })
}

/// The part of [`measured`] that runs in the small process.
pub(crate) fn measure(program: &Program) -> anyhow::Result<ExitCode> {
    let (name, args) = program.command.split_first().context("no program")?;
    let mut rows = Vec::new();
    for _ in 0..program.runs {
        let started = Instant::now();
        let used = Command::new(name)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("failed to start {}", name.display()))?
            .wait4()?;
        let took = started.elapsed();
        ensure!(used.status.success(), "it ended with {}", used.status);
        #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
        let memory = used.rusage.maxrss as f64 / 1_048_576.0;
        rows.push((milliseconds(took), memory));
    }
    println!("{}", serde_json::to_string(&rows)?);
    Ok(ExitCode::SUCCESS)
}
