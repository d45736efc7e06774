//! Measures how long cargo builds after an edit of the sources.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use super::finding::Finding;
use super::sample::Sample;
use super::sources::copy_sources;
use crate::run;

/// Edits a copy of the sources, and leaves the sources themselves unchanged.
pub(super) fn rebuild() -> anyhow::Result<Vec<Finding>> {
    let copy = tempfile::tempdir()?;
    copy_sources(copy.path())?;
    build(copy.path())?;
    [
        ("build after an edit of the command line", "crates/cli/src/lib.rs"),
        ("build after an edit of the contract, below all", "crates/contract/src/lib.rs"),
    ]
    .into_iter()
    .map(|(what, file)| {
        let path = copy.path().join(file);
        let source = std::fs::read_to_string(&path)?;
        let mut edit = 0;
        let sample = Sample::take(3, || {
            edit += 1;
            std::fs::write(
                &path,
                format!("{source}\n/// An edit.\n#[must_use]\npub fn edit() -> u32 {{\n    {edit}\n}}\n"),
            )?;
            build(copy.path()).map(|took| took.as_secs_f64())
        })?;
        std::fs::write(&path, source)?;
        Ok(Finding { what, unit: "s", target: 30.0, measured: sample.median(), note: sample.note() })
    })
    .collect()
}

/// Runs `cargo build --release`, as a person does who tries an edit.
fn build(sources: &Path) -> anyhow::Result<Duration> {
    let target_dir = run::bin_dir()?.parent().context("programs are in a target folder")?.to_owned();
    let started = Instant::now();
    let status = run::cargo_command()
        .args(["build", "--release", "--locked", "--quiet"])
        .current_dir(sources)
        .env("CARGO_TARGET_DIR", target_dir)
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "a copy of the sources does not build: {status}");
    Ok(started.elapsed())
}
