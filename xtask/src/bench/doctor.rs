//! Measures all checks of one environment, with a cloud and a registry that are far away.

use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, anyhow, ensure};
use jiff::Timestamp;
use quill_admin_testkit::healthy::{Healthy, admin_image};
use quill_admin_testkit::registry::{self, Registry};
use serde_json::{Value, json};

use super::emulator::{Emulator, REQUEST};
use super::finding::Finding;
use super::programs::quill_admin;
use super::sample::{RUNS, Sample, milliseconds};
use super::slow_registry::SlowRegistry;

pub(super) fn doctor() -> anyhow::Result<Vec<Finding>> {
    registry::installed().map_err(|reason| anyhow!("the doctor cannot be measured: {reason}"))?;
    let registry = Registry::start();
    let slow = SlowRegistry::before(&registry)?;
    let emulator = Emulator::start_with(&["--runner", "scripted"])?;
    let built = Timestamp::now().to_string();
    let at = Healthy::new("bench", &slow.address);
    let digest = registry.push(&at.admin_repository(), "latest", &admin_image(&built));
    emulator.put(&Healthy { digest, built, ..at }, None)?;
    let home = emulator.home(&slow.address)?;
    let relay = emulator.counted(&home)?;
    let delay = json!([{"path": "*", "action": {"delay": REQUEST.as_millis()}}]);
    emulator.ask("PUT", "/emulator/faults", &delay)?;

    let (mut requests, mut reads, mut connections) = (Vec::new(), Vec::new(), Vec::new());
    let wall = Sample::take(RUNS, || {
        emulator.ask("DELETE", "/emulator/calls", &Value::Null)?;
        let before = slow.requests.load(Ordering::SeqCst);
        let command = quill_admin(&home)?.args(["doctor", "--env", "bench", "--json"]);
        let started = Instant::now();
        let output = command.output();
        let took = started.elapsed();
        let document = output.json();
        for check in document["checks"].as_array().context("no checks")? {
            // The machine's state is not known; everything else is healthy.
            let of_machine = check["scope"] == "machine";
            ensure!(
                of_machine || ["healthy", "skipped"].iter().any(|well| check["result"] == *well),
                "{check:#}"
            );
        }
        let calls = emulator.ask("GET", "/emulator/calls", &Value::Null)?;
        let calls = calls["calls"].as_array().context("no calls")?;
        let is_read =
            |call: &&Value| call["path"].as_str().is_some_and(|path| path.ends_with("entries:list"));
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        {
            requests.push((calls.len() + slow.requests.load(Ordering::SeqCst) - before) as f64);
            reads.push(calls.iter().filter(is_read).count() as f64);
            connections.push(relay.connections() as f64);
        }
        Ok(milliseconds(took))
    })?;
    let (requests, reads, connections) =
        (Sample::new(requests), Sample::new(reads), Sample::new(connections));
    let finding = |what, unit, target, sample: &Sample, measured| Finding {
        what,
        unit,
        target,
        measured,
        note: sample.note(),
    };
    let most = |sample: &Sample| sample.0.last().copied().unwrap_or_default();
    Ok(vec![
        finding("doctor: one environment, 100 ms a request", "ms", 1200.0, &wall, wall.median()),
        // At most 60, and 4 to the registry.
        finding("doctor: requests, with those to the registry", "", 61.0, &requests, most(&requests)),
        finding("doctor: reads of the log", "", 5.0, &reads, most(&reads)),
        finding("doctor: connections to Google Cloud", "", 1.5, &connections, most(&connections)),
    ])
}
