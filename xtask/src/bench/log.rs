//! Measures following the log of a run: from an entry that can be read to its line on the terminal.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, ensure};
use jiff::Timestamp;
use quill_admin_testkit::healthy::REGISTRY;
use serde_json::json;
use wait4::Wait4;

use super::emulator::{Emulator, PROJECT, result_line};
use super::finding::Finding;
use super::programs::command;
use super::sample::{Sample, mebibytes, milliseconds};

const LINES: usize = 150;

pub(super) fn log() -> anyhow::Result<Vec<Finding>> {
    let live = followed(10)?;
    let polling = followed(0)?;
    let finding = |what, target, times: &Sample| Finding {
        what,
        unit: "ms",
        target,
        measured: times.percentile_95(),
        note: format!("95th percentile of {LINES} lines; {}", times.note()),
    };
    Ok(vec![
        finding("log: from readable to the terminal, live", 200.0, &live.times),
        finding("log: from readable to the terminal, polling", 2200.0, &polling.times),
        Finding {
            what: "log: CPU of the CLI",
            unit: "ms",
            target: 150.0,
            measured: live.cpu,
            note: format!("a run of {:.0} s, live; {:.0} polling", live.seconds, polling.cpu),
        },
        Finding {
            what: "log: peak memory of the CLI",
            unit: "MiB",
            target: 40.0,
            measured: live.memory.max(polling.memory),
            note: "the larger of both".to_owned(),
        },
    ])
}

/// The measurements of following one run.
struct FollowedRun {
    /// Milliseconds from a readable entry to its line.
    times: Sample,
    seconds: f64,
    /// CPU time, in milliseconds.
    cpu: f64,
    /// Peak of memory, in MiB.
    memory: f64,
}

/// Follows a run that writes lines at a steady rate, in a project with room for so many live logs.
fn followed(tails: u32) -> anyhow::Result<FollowedRun> {
    let emulator =
        Emulator::start_with(&["--runner", "scripted", "--log-tails-per-project", &tails.to_string()])?;
    let mut steps = vec![json!({"wait": 700})];
    for number in 0..LINES {
        steps.extend([json!({"log": {"line": format!("line {number}")}}), json!({"wait": 70})]);
    }
    steps.extend([result_line(1), json!({"exit": 1})]);
    emulator.put_scripted_job(&steps)?;

    let home = emulator.home(REGISTRY)?;
    let started = Instant::now();
    let mut process = command(&home, &["show-user", "--env", "bench", "--username", "bench"])?
        .stderr(Stdio::piped())
        .spawn()?;
    let mut written = Vec::new();
    for line in BufReader::new(process.stderr.take().context("no output")?).lines() {
        let (line, at) = (line?, Timestamp::now());
        written.extend(line.strip_prefix("  │ ").map(|line| (line.to_owned(), at)));
    }
    let used = process.wait4()?;
    ensure!(written.len() == LINES, "{} lines of {LINES}", written.len());

    let list = json!({"resourceNames": [format!("projects/{PROJECT}")], "pageSize": 1000});
    let entries = emulator.ask("POST", "/v2/entries:list", &list)?;
    let readable = |line: &str| {
        let entry = entries["entries"].as_array()?.iter().find(|entry| entry["textPayload"] == line)?;
        entry["receiveTimestamp"].as_str()?.parse::<Timestamp>().ok()
    };
    let times = written.iter().map(|(line, at)| {
        let readable = readable(line).with_context(|| format!("{line} is not in the log"))?;
        Ok(at.duration_since(readable).as_secs_f64() * 1000.0)
    });
    Ok(FollowedRun {
        times: Sample::new(times.collect::<anyhow::Result<_>>()?),
        seconds: started.elapsed().as_secs_f64(),
        cpu: milliseconds(used.rusage.utime + used.rusage.stime),
        memory: mebibytes(used.rusage.maxrss),
    })
}
