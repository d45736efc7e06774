//! Measures the CLI where it needs no cloud: its help, and a whole task in the environment `local`.

use std::time::Instant;

use anyhow::ensure;
use quill_admin_testkit::home::Home;

use super::finding::Finding;
use super::programs::{program, quill_admin};
use super::resources::measured;
use super::sample::{RUNS, Sample, milliseconds};

pub(super) fn help() -> anyhow::Result<Finding> {
    let runs = measured(&program("quill-admin")?, &["--help"], &[], RUNS)?;
    Ok(Finding {
        what: "quill-admin --help",
        unit: "ms",
        target: 20.0,
        measured: runs.wall.median(),
        note: runs.wall.note(),
    })
}

pub(super) fn local() -> anyhow::Result<Finding> {
    let home = Home::with_environments();
    let create = || {
        let run = quill_admin(&home)?
            .args(["create-superadmin", "--env", "local", "--username", "bench", "--password-stdin"])
            .args(["--email", "bench@example.org"])
            .env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0")
            .stdin("five hundred wild geese over Skagen\n");
        let started = Instant::now();
        let output = run.output();
        let took = started.elapsed();
        ensure!(output.status.success(), "{output}");
        Ok(milliseconds(took))
    };
    let first = create()?;
    let sample = Sample::take(RUNS, create)?;
    Ok(Finding {
        what: "create-superadmin --env local, with hashing",
        unit: "ms",
        target: 2000.0,
        measured: sample.median(),
        note: format!("{}; the first time {first:.0}", sample.note()),
    })
}
