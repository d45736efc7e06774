//! Measures what the CLI itself takes around a task: before its start, after its end, and as a whole.
//!
//! To measure another part of a run: its function here, with a `Subject` in `mod.rs`.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{anyhow, ensure};
use jiff::Timestamp;
use quill_admin_testkit::healthy::{Healthy, REGISTRY};
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};
use wait4::Wait4;

use super::emulator::{Emulator, JOB, REQUEST, result_line, time_of};
use super::finding::Finding;
use super::programs::{ADD_ROLE, HASH, command, quill_admin};
use super::sample::{RUNS, Sample, mebibytes, milliseconds};

/// Measures what the CLI adds to what the cloud takes.
pub(super) fn overhead() -> anyhow::Result<Finding> {
    let database = Database::create(Generation::August2026);
    let emulator = Emulator::start()?;
    emulator.put(&Healthy::new("bench", REGISTRY), Some(&database))?;
    database.execute(&format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
             additional_competencies, removed_competencies, system_permissions)
         VALUES ('bench', 'bench@example.org', '{HASH}', true, false, 'patient', '[]', '[]', 'patient')"
    ));
    let home = emulator.home(REGISTRY)?;

    let mut before_run = Vec::new();
    let mut after_end = Vec::new();
    for _ in 0..RUNS {
        emulator.ask("DELETE", "/emulator/calls", &Value::Null)?;
        let command = quill_admin(&home)?.args(ADD_ROLE);
        // The emulator's clock at the start is the time at which it received this.
        emulator.ask("GET", &format!("/v2/{JOB}"), &Value::Null)?;
        let output = command.output();
        let exit = Timestamp::try_from(SystemTime::now())?;
        ensure!(output.status.success(), "{output}");

        let calls = emulator.calls()?;
        let run = time_of(&calls, |path| path.ends_with(":run"))?;
        before_run.push(milliseconds(run.saturating_sub(time_of(&calls, |_| true)?)));

        after_end.push(exit.duration_since(emulator.completed()?).as_secs_f64() * 1000.0);
    }
    let together = before_run.iter().zip(&after_end).map(|(before, after)| before + after).collect();
    let (together, before, after) = (Sample::new(together), Sample::new(before_run), Sample::new(after_end));
    Ok(Finding {
        what: "the CLI's own: start to RunJob, and execution's end to exit",
        unit: "ms",
        target: 150.0,
        measured: together.median(),
        note: format!("{}; {:.1} before, {:.1} after", together.note(), before.median(), after.median()),
    })
}

/// Measures from an execution's end to the exit of the program.
pub(super) fn end() -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (delay, [median, longest]) in [
        (Duration::ZERO, ["end to exit", "end to exit, the longest"]),
        (REQUEST, ["end to exit, 100 ms a request", "end to exit, 100 ms a request, the longest"]),
    ] {
        let emulator = Emulator::start_with(&["--runner", "scripted", "--log-reads-per-minute", "100000"])?;
        let home = emulator.home(REGISTRY)?;
        let fault = json!([{"path": "*", "action": {"delay": delay.as_millis()}}]);
        if !delay.is_zero() {
            emulator.ask("PUT", "/emulator/faults", &fault)?;
        }
        let mut wait = 1000;
        let sample = Sample::take(RUNS, || {
            // The execution ends at varying points between two polls of the state.
            wait += 170;
            let lasting = json!({"wait": 1500 + wait % 1000});
            emulator.put_scripted_job(&[lasting, result_line(0), json!({"exit": 0})])?;
            let status = command(&home, &ADD_ROLE)?.stderr(Stdio::null()).status()?;
            let exit = Timestamp::try_from(SystemTime::now())?;
            ensure!(status.success(), "the run ended with {status}");
            Ok(exit.duration_since(emulator.completed()?).as_secs_f64() * 1000.0)
        })?;
        let most = sample.0.last().copied().unwrap_or_default();
        for (what, target, measured) in [(median, 300.0, sample.median()), (longest, 1000.0, most)] {
            findings.push(Finding { what, unit: "ms", target, measured, note: sample.note() });
        }
    }
    Ok(findings)
}

/// Measures a whole run of a task that takes no time.
pub(super) fn whole_run() -> anyhow::Result<Vec<Finding>> {
    let emulator = Emulator::start_with(&["--runner", "scripted", "--log-reads-per-minute", "100000"])?;
    emulator.put_scripted_job(&[result_line(0), json!({"exit": 0})])?;
    let home = emulator.home(REGISTRY)?;
    let relay = emulator.counted(&home)?;
    let (mut to_run, mut wall, mut cpu, mut memory, mut requests, mut connections) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        emulator.ask("DELETE", "/emulator/calls", &Value::Null)?;
        // The emulator's clock at the start is the time at which it received this.
        emulator.ask("GET", &format!("/v2/{JOB}"), &Value::Null)?;
        let started = Instant::now();
        let process = command(&home, &ADD_ROLE)?.stderr(Stdio::null()).spawn()?;
        let used = process.wait4()?;
        wall.push(milliseconds(started.elapsed()));
        ensure!(used.status.success(), "the run ended with {}", used.status);
        cpu.push(milliseconds(used.rusage.utime + used.rusage.stime));
        memory.push(mebibytes(used.rusage.maxrss));
        let calls = emulator.calls()?;
        let run = time_of(&calls, |path| path.ends_with(":run"))?;
        to_run.push(milliseconds(run.saturating_sub(time_of(&calls, |_| true)?)));
        #[expect(clippy::cast_precision_loss, reason = "a few")]
        {
            requests.push((calls.len() - 1) as f64);
            connections.push(relay.connections() as f64);
        }
    }
    let finding = |what, unit, target, values: Vec<f64>| {
        let sample = Sample::new(values);
        Finding { what, unit, target, measured: sample.median(), note: sample.note() }
    };
    Ok(vec![
        finding("a run: start to RunJob", "ms", 100.0, to_run),
        finding("a run: whole, of a task of no time", "ms", 300.0, wall),
        finding("a run: CPU", "ms", 150.0, cpu),
        finding("a run: peak memory", "MiB", 40.0, memory),
        finding("a run: requests", "", 8.5, requests),
        // There is one for all calls, and one for the live log.
        finding("a run: connections", "", 2.5, connections),
    ])
}

/// Measures from the last answer at the terminal to the start of the task, and to the exit of the program.
pub(super) fn answer() -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (delay, [start, exit]) in [
        (Duration::ZERO, ["last answer to RunJob", "last answer to exit, of a task of no time"]),
        (
            REQUEST,
            [
                "last answer to RunJob, 100 ms a request",
                "last answer to exit, of a task of no time, 100 ms a request",
            ],
        ),
    ] {
        let emulator = Emulator::start_with(&["--runner", "scripted", "--log-reads-per-minute", "100000"])?;
        emulator.put_scripted_job(&[result_line(0), json!({"exit": 0})])?;
        let home = emulator.home(REGISTRY)?;
        let fault = json!([{"path": "*", "action": {"delay": delay.as_millis()}}]);
        if !delay.is_zero() {
            emulator.ask("PUT", "/emulator/faults", &fault)?;
        }
        let (mut to_run, mut to_exit) = (Vec::new(), Vec::new());
        for _ in 0..RUNS {
            emulator.ask("DELETE", "/emulator/calls", &Value::Null)?;
            let mut terminal = quill_admin(&home)?.args(["show-user", "--env", "bench"]).terminal();
            terminal.expect("Username");
            // This is the least time that a person needs to type a name.
            std::thread::sleep(Duration::from_millis(500));
            // The emulator's clock at the answer is the time at which it received this; its reply is not used.
            let started = Instant::now();
            let mark = std::thread::scope(|scope| {
                let mark =
                    scope.spawn(|| emulator.ask("GET", &format!("/v2/{JOB}/executions"), &Value::Null));
                terminal.type_line("bench");
                mark.join().map_err(|_| anyhow!("the emulator was not asked"))
            });
            mark??;
            let ended = terminal.wait();
            to_exit.push(milliseconds(started.elapsed()));
            ensure!(ended.status.success(), "{}", ended.transcript);
            let calls = emulator.calls()?;
            let answered = time_of(&calls, |path| path.ends_with("/executions"))?;
            to_run
                .push(milliseconds(time_of(&calls, |path| path.ends_with(":run"))?.saturating_sub(answered)));
        }
        for (what, target, values) in [(start, 60.0, to_run), (exit, 300.0, to_exit)] {
            let sample = Sample::new(values);
            findings.push(Finding {
                what,
                unit: "ms",
                target,
                measured: sample.median(),
                note: sample.note(),
            });
        }
    }
    Ok(findings)
}
