//! Measures the executor as it is in the image: its size, its time and its memory.

use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use quill_admin_testkit::postgres::{Database, Generation, installed};

use super::finding::Finding;
use super::programs::HASH;
use super::resources::measured;
use super::sample::RUNS;
use crate::run;

pub(super) fn executor() -> anyhow::Result<Vec<Finding>> {
    let (executor, how) = static_executor()?;
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let size = std::fs::metadata(&executor)?.len() as f64 / 1_048_576.0;
    let mut findings =
        vec![Finding { what: "executor: size", unit: "MiB", target: 4.0, measured: size, note: how }];
    if let Err(reason) = installed() {
        bail!("the executor cannot be measured: {reason}");
    }
    let database = Database::create(Generation::August2026);
    let port = database.port.to_string();
    let env = [
        ("ADMIN_ACTION", "create-superadmin"),
        ("ADMIN_USERNAME", "bench"),
        ("ADMIN_EMAIL", "bench@example.org"),
        ("ADMIN_PASSWORD_HASH", HASH),
        ("AUTH_DB_HOST", "127.0.0.1"),
        ("AUTH_DB_PORT", &port),
        ("AUTH_DB_NAME", &database.name),
        ("AUTH_DB_USER", &database.user),
        ("AUTH_DB_PASSWORD", &database.password),
    ];
    let runs = measured(&executor, &[], &env, RUNS)?;
    ensure!(
        database.value("SELECT count(*) FROM users WHERE system_permissions = 'superadmin'").as_deref()
            == Some("1"),
        "the executor has not done what was measured"
    );
    findings.push(Finding {
        what: "executor: create-superadmin, start to exit (TLS)",
        unit: "ms",
        target: 30.0,
        measured: runs.wall.median(),
        note: runs.wall.note(),
    });
    findings.push(Finding {
        what: "executor: peak memory",
        unit: "MiB",
        target: 15.0,
        measured: runs.memory.median(),
        note: runs.memory.note(),
    });
    Ok(findings)
}

/// The executor in the form in which the image has it: one static file.
fn static_executor() -> anyhow::Result<(PathBuf, String)> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let status = run::cargo_command()
        .args([
            "build",
            "--profile",
            "dist",
            "--locked",
            "--package",
            "quill-admin-executor",
            "--target",
            &target,
        ])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()
        .context("failed to start cargo")?;
    ensure!(status.success(), "the executor does not build for the image: {status}");
    let target_dir = run::bin_dir()?.parent().context("programs are in a target folder")?.to_owned();
    Ok((
        target_dir.join(&target).join("dist/quill-admin-executor"),
        format!("profile dist, static, {target}"),
    ))
}
