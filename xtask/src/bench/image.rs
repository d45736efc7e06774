//! Measures `quill-admin build`: when nothing has changed, after an edit, and its memory.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use jiff::Timestamp;
use quill_admin_testkit::docker;
use quill_admin_testkit::healthy::Healthy;
use quill_admin_testkit::registry::{self, Registry};

use super::emulator::Emulator;
use super::finding::Finding;
use super::programs::{program, text};
use super::resources::measured;
use super::sample::RUNS;
use super::sources::copy_sources;

/// The size of the large image: several times the memory that the CLI may use.
const LARGE: &str = "300M";

pub(super) fn image() -> anyhow::Result<Vec<Finding>> {
    let missing = |reason: String| anyhow!("the image cannot be measured: {reason}");
    docker::available().map_err(missing)?;
    registry::installed().map_err(|reason| missing(reason.to_owned()))?;
    let builder = docker::builder_image().map_err(missing)?;
    let registry = Registry::start();
    let _images = docker::Images::named(format!("{}/", registry.address()));
    let emulator = Emulator::start()?;
    emulator.put(&Healthy::new("bench", &registry.address()), None)?;
    let home = emulator.home(&registry.address())?;

    let sources = home.work().join("sources");
    copy_sources(&sources)?;
    let commit = "git init -q && git add -A && git -c user.name=b -c user.email=b@c commit -qm bench";
    docker::run(Command::new("sh").args(["-c", commit]).current_dir(&sources).env("HOME", home.path()));

    let config = home.work().join("environments.yaml");
    let program = program("quill-admin")?;
    let path = std::env::var("PATH")?;
    let user = home.path().to_str().context("the folder's name is not text")?.to_owned();
    let env = [("HOME", user.as_str()), ("PATH", path.as_str()), ("QUILL_ADMIN_BUILDER_IMAGE", &builder)];
    let args = ["build", "--env", "bench", "--config", text(&config)?, "--source", text(&sources)?];
    let build = |runs: usize| measured(&program, &args, &env, runs);

    let first = build(1)?;
    let nothing = build(RUNS)?;
    let mut findings = vec![Finding {
        what: "build: nothing has changed",
        unit: "s",
        target: 1.5,
        measured: nothing.wall.median() / 1000.0,
        note: format!(
            "median of {RUNS}; the first time {:.0} s, {:.1} MiB at most",
            first.wall.median() / 1000.0,
            nothing.memory.median()
        ),
    }];

    // The edit is new, so that nothing of it is cached.
    let source = sources.join("crates/executor/src/main.rs");
    let edited = std::fs::read_to_string(&source)?
        + &format!("\n#[used]\nstatic EDIT: i64 = {};\n", Timestamp::now().as_microsecond());
    std::fs::write(&source, edited)?;
    let output = home
        .run(&program)
        .args(args)
        .arg("--json")
        .env("QUILL_ADMIN_BUILDER_IMAGE", &builder)
        .limit(Duration::from_mins(10))
        .output();
    ensure!(output.status.success(), "{output}");
    let report = output.json();
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    let bytes = |key: &str| report[key].as_u64().context("no such number").map(|bytes| bytes as f64);
    findings.push(Finding {
        what: "build: uploaded after an edit of the executor",
        unit: "MiB",
        target: bytes("image_bytes")? / 1_048_576.0,
        measured: bytes("uploaded_bytes")? / 1_048_576.0,
        note: format!("{} of {} bytes: the program's layer", bytes("uploaded_bytes")?, bytes("image_bytes")?),
    });

    // The CLI's own memory must not grow with the image.
    let recipe = std::fs::read_to_string(sources.join("docker/Dockerfile"))?;
    let labels = recipe.find("ARG REVISION").context("the recipe has no labels")?;
    std::fs::write(
        sources.join("docker/Dockerfile"),
        format!(
            "ARG BUILDER_IMAGE\nFROM $BUILDER_IMAGE AS builder\n\
             RUN mkdir /out && head -c {LARGE} /dev/urandom > /out/large\n\
             FROM --platform=linux/amd64 scratch AS admin\nCOPY --from=builder /out/ /\n{}",
            &recipe[labels..]
        ),
    )?;
    let large = build(1)?;
    findings.push(Finding {
        what: "build: peak memory of the CLI, image of 300 MiB",
        unit: "MiB",
        target: 60.0,
        measured: large.memory.median(),
        note: format!(
            "one run of {:.0} s; {:.1} with the real image",
            large.wall.median() / 1000.0,
            first.memory.median()
        ),
    });
    Ok(findings)
}
