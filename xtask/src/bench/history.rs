//! Measures `quill-admin history` over a log with many records.

use std::time::Instant;

use anyhow::ensure;
use jiff::Timestamp;
use quill_admin_testkit::healthy::{Healthy, REGISTRY};
use serde_json::{Value, json};
use wait4::Wait4;

use super::emulator::{Emulator, PROJECT};
use super::finding::Finding;
use super::programs::command;
use super::sample::{RUNS, Sample, mebibytes, milliseconds};

const RECORDS: i64 = 10_000;

pub(super) fn history() -> anyhow::Result<Vec<Finding>> {
    let emulator = Emulator::start_with(&["--runner", "scripted", "--log-reads-per-minute", "100000"])?;
    emulator.put(&Healthy::new("bench", REGISTRY), None)?;
    let newest = Timestamp::now();
    for number in 0..RECORDS {
        // One every four minutes: all of them are within the 30 days that a log is kept.
        let time = newest - jiff::SignedDuration::from_mins(4 * (RECORDS - number));
        emulator.ask("POST", "/emulator/logs", &record(number, time))?;
    }
    let home = emulator.home(REGISTRY)?;
    let (mut wall, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        emulator.ask("DELETE", "/emulator/calls", &Value::Null)?;
        let started = Instant::now();
        let process = command(&home, &["history", "--env", "bench", "--limit", "50"])?.spawn()?;
        let used = process.wait4()?;
        wall.push(milliseconds(started.elapsed()));
        ensure!(used.status.success(), "the history ended with {}", used.status);
        memory.push(mebibytes(used.rusage.maxrss));
    }
    let reads = emulator.calls()?.iter().filter(|call| call["path"] == "/v2/entries:list").count();
    ensure!(reads == 1, "the newest records took {reads} reads of the log");
    let finding = |what, unit, target, values: Vec<f64>| {
        let sample = Sample::new(values);
        Finding { what, unit, target, measured: sample.median(), note: sample.note() }
    };
    Ok(vec![
        finding("history: the newest 50 of 10,000 records", "ms", 2000.0, wall),
        finding("history: peak memory", "MiB", 60.0, memory),
    ])
}

/// A record of a run whose execution Cloud Run has forgotten.
fn record(number: i64, time: Timestamp) -> Value {
    let outcome = json!({
        "result": "updated",
        "subject": {"kind": "user", "key": format!("user.{number}"), "fields": {"permission": "staff"}},
        "changes": [{"what": "field", "field": "permission", "old": "patient", "new": "staff"}],
    });
    json!({
        "logName": format!("projects/{PROJECT}/logs/run.googleapis.com%2Fstdout"),
        "resource": {"type": "cloud_run_job", "labels": {
            "job_name": "quill-tasks-bench", "location": "europe-west2", "project_id": PROJECT,
        }},
        "labels": {"run.googleapis.com/execution_name": format!("quill-tasks-bench-{number:05}")},
        "timestamp": time.to_string(),
        "jsonPayload": {"message": "updated", "quill_admin": {
            "contract": 4, "action": "update-permissions", "username": format!("user.{number}"),
            "actor": "bench@example.org", "reason": "measured", "exit_code": 0, "outcome": outcome,
        }},
    })
}
