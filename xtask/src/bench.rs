//! `cargo xtask bench`: measures the promises about speed and size.
//!
//! To add a measurement: a `Subject`, and its function.
//!
//! The numbers are medians of several runs on this machine in its present state: they mean something on a
//! machine that does nothing else.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use quill_admin_testkit::docker;
use quill_admin_testkit::healthy::{Healthy, REGISTRY, SECRET, admin_image};
use quill_admin_testkit::home::{Home, Run, environments};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{Database, Generation, installed};
use quill_admin_testkit::registry::{self, Registry};
use quill_admin_testkit::relay::Relay;
use serde_json::{Value, json};
use wait4::Wait4;

use crate::run;

#[derive(Args)]
pub(crate) struct Options {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Measure these only
    #[arg(long, value_enum, value_name = "NAME")]
    only: Vec<Subject>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// `quill-admin --help`
    Help,
    /// The executor: its size, its time and its memory
    Executor,
    /// `create-superadmin --env local`, from Enter to prompt
    Local,
    /// What the CLI adds to what the cloud takes
    Overhead,
    /// A whole run of a task that takes no time: time, CPU, memory, requests, connections
    Run,
    /// From the last answer to the request that starts the task, and to the exit of the program, at once and
    /// with requests that take 100 ms
    Answer,
    /// From an execution's end to the exit of the program, at once and with requests that take 100 ms
    End,
    /// From a log entry that can be read to its line on the terminal
    Log,
    /// `quill-admin history`: the newest 50 of 10,000 records
    History,
    /// `quill-admin doctor`: all checks of one environment, each request taking 100 ms
    Doctor,
    /// `quill-admin build`: when nothing has changed, after an edit, and its memory
    Image,
    /// Building after an edit
    Rebuild,
}

#[derive(Args)]
pub(crate) struct Program {
    runs: usize,
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

/// One promise and its measured value.
struct Finding {
    what: &'static str,
    unit: &'static str,
    target: f64,
    measured: f64,
    /// The number of runs, the lowest and the highest value, and other facts that help to judge the number.
    note: String,
}

impl Finding {
    fn holds(&self) -> bool {
        self.measured < self.target
    }
}

const RUNS: usize = 21;

/// A hash of the right form, of no known password.
const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let wanted = |subject| options.only.is_empty() || options.only.contains(&subject);
    run::cargo(["build", "--release", "--workspace", "--bins", "--locked"])?;
    let mut findings = Vec::new();
    if wanted(Subject::Help) {
        findings.push(help()?);
    }
    if wanted(Subject::Executor) {
        findings.extend(executor()?);
    }
    if wanted(Subject::Local) {
        findings.push(local()?);
    }
    if wanted(Subject::Overhead) {
        findings.push(overhead()?);
    }
    if wanted(Subject::Run) {
        findings.extend(whole_run()?);
    }
    if wanted(Subject::Answer) {
        findings.extend(answer()?);
    }
    if wanted(Subject::End) {
        findings.extend(end()?);
    }
    if wanted(Subject::Log) {
        findings.extend(log()?);
    }
    if wanted(Subject::History) {
        findings.extend(history()?);
    }
    if wanted(Subject::Doctor) {
        findings.extend(doctor()?);
    }
    if wanted(Subject::Image) {
        findings.extend(image()?);
    }
    // This is last, because it leaves programs of a copy of the sources in the build folder.
    if wanted(Subject::Rebuild) {
        findings.extend(rebuild()?);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&findings.iter().map(to_json).collect::<Vec<_>>())?);
    } else {
        println!();
        for finding in &findings {
            println!(
                "{:<58} {:>8.1} {:<3}  target < {:>6.1} {:<3}  {}  ({})",
                finding.what,
                finding.measured,
                finding.unit,
                finding.target,
                finding.unit,
                if finding.holds() { "ok    " } else { "MISSED" },
                finding.note,
            );
        }
    }
    Ok(if findings.iter().all(Finding::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "what": finding.what,
        "unit": finding.unit,
        "target": finding.target,
        "measured": finding.measured,
        "ok": finding.holds(),
        "note": finding.note,
    })
}

/// Several measurements of the same quantity.
struct Sample(Vec<f64>);

impl Sample {
    fn take(runs: usize, mut one: impl FnMut() -> anyhow::Result<f64>) -> anyhow::Result<Self> {
        (0..runs).map(|_| one()).collect::<anyhow::Result<_>>().map(Self::new)
    }

    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }

    /// The 95th percentile.
    fn percentile_95(&self) -> f64 {
        self.0[self.0.len() * 95 / 100]
    }

    fn note(&self) -> String {
        let (least, most) = (self.0.first().unwrap_or(&0.0), self.0.last().unwrap_or(&0.0));
        format!("median of {}, {least:.1} to {most:.1}", self.0.len())
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn program(name: &str) -> anyhow::Result<PathBuf> {
    Ok(run::bin_dir()?.join(name))
}

/// The CLI as just built, ready to run.
fn quill_admin(home: &Home) -> anyhow::Result<Run> {
    let run = home.run(program("quill-admin")?).env("XDG_CACHE_HOME", run::bin_dir()?.join("test-cache"));
    Ok(run.env("QUILL_ADMIN_CONFIG", named(home)))
}

/// The environments file, to be named as in a pipeline: if it is only found, a person first has to confirm
/// where its tasks go.
fn named(home: &Home) -> PathBuf {
    home.work().join("environments.yaml")
}

// --- help ---

fn help() -> anyhow::Result<Finding> {
    let runs = measured(&program("quill-admin")?, &["--help"], &[], RUNS)?;
    Ok(Finding {
        what: "quill-admin --help",
        unit: "ms",
        target: 20.0,
        measured: runs.wall.median(),
        note: runs.wall.note(),
    })
}

// --- the executor, as it is in the image ---

fn executor() -> anyhow::Result<Vec<Finding>> {
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

// --- the whole chain ---

fn local() -> anyhow::Result<Finding> {
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

// --- what the CLI adds ---

const PROJECT: &str = "quill-medical-bench";
const JOB: &str = "projects/quill-medical-bench/locations/europe-west2/jobs/quill-tasks-bench";

fn overhead() -> anyhow::Result<Finding> {
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

// --- from the end of an execution to that of the program ---

fn end() -> anyhow::Result<Vec<Finding>> {
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

// --- a run of a task that takes no time ---

fn whole_run() -> anyhow::Result<Vec<Finding>> {
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

// --- from the last answer on ---

fn answer() -> anyhow::Result<Vec<Finding>> {
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

const ADD_ROLE: [&str; 7] = ["add-role", "--env", "bench", "--username", "bench", "--role", "Clinician"];

/// The CLI as just built, as a command whose use of resources can be measured.
fn command(home: &Home, args: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(program("quill-admin")?);
    command
        .args(args)
        .current_dir(home.work())
        .env_clear()
        .env("HOME", home.path())
        .env("QUILL_ADMIN_CONFIG", named(home))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    Ok(command)
}

/// The last line of a scripted task.
fn result_line(exit_code: u8) -> Value {
    let user = json!({
        "username": "bench", "email": "bench@example.org", "permission": "patient",
        "base_profession": "patient", "roles": [], "active": true, "totp_enabled": false
    });
    let outcome = match exit_code {
        0 => json!({"result": "unchanged", "user": user, "changes": []}),
        _ => json!({"result": "failed", "failure": {"message": "measured"}}),
    };
    let line = json!({"quill_admin": {"contract": 1, "exit_code": exit_code, "outcome": outcome}});
    json!({"log": {"line": line.to_string()}})
}

/// The time at which the first call of a kind came in, by the emulator's clock.
fn time_of(calls: &[Value], wanted: impl Fn(&str) -> bool) -> anyhow::Result<Duration> {
    let call = calls.iter().find(|call| call["path"].as_str().is_some_and(&wanted));
    let received = call.and_then(|call| call["receivedNs"].as_u64()).context("a call is missing")?;
    Ok(Duration::from_nanos(received))
}

#[expect(clippy::cast_precision_loss, reason = "some megabytes")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}

// --- the history ---

const RECORDS: i64 = 10_000;

fn history() -> anyhow::Result<Vec<Finding>> {
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

// --- the log ---

const LINES: usize = 150;

fn log() -> anyhow::Result<Vec<Finding>> {
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

/// The emulator as a program of its own.
struct Emulator {
    process: Child,
    url: String,
    control_token: String,
}

impl Emulator {
    fn start() -> anyhow::Result<Self> {
        let executor = program("quill-admin-executor")?;
        let image = format!("quill/tasks={}", text(&executor)?);
        Self::start_with(&["--log-reads-per-minute", "100000", "--image", &image])
    }

    fn start_with(args: &[&str]) -> anyhow::Result<Self> {
        let mut process = Command::new(program("cloud-emulator")?)
            // The host name is valid for the port of a relay, too.
            .args(["--listen", "127.0.0.1:0", "--host", "127.0.0.1"])
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .context("failed to start the emulator")?;
        let (mut url, mut token) = (String::new(), String::new());
        let mut output = BufReader::new(process.stdout.take().context("no output")?);
        output.read_line(&mut url)?;
        output.read_line(&mut token)?;
        Ok(Self { process, url: url.trim().to_owned(), control_token: token.trim().to_owned() })
    }

    /// The time at which the latest execution was completed.
    fn completed(&self) -> anyhow::Result<Timestamp> {
        let executions = self.ask("GET", &format!("/v2/{JOB}/executions"), &Value::Null)?;
        executions["executions"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|execution| execution["completionTime"].as_str()?.parse().ok())
            .max()
            .context("no execution is completed")
    }

    /// A home with an environment at this emulator, with its images at a registry.
    fn home(&self, registry: &str) -> anyhow::Result<Home> {
        let home = Home::new();
        let environments = environments().replace("{region}-docker.pkg.dev", registry);
        let (before, _) =
            environments.split_once("environments:").context("environments.yaml has no environments")?;
        let environment = format!("bench: {{ project: {PROJECT}, endpoint: \"{}\" }}", self.url);
        home.write("environments.yaml", &format!("{before}environments:\n  {environment}\n"));
        Ok(home)
    }

    /// Puts a relay in front of the emulator that counts the connections of an environment.
    fn counted(&self, home: &Home) -> anyhow::Result<Relay> {
        let relay = Relay::to(self.url.strip_prefix("http://").context("the emulator printed no address")?);
        home.write("environments.yaml", &home.read("environments.yaml").replace(&self.url, &relay.url()));
        Ok(relay)
    }

    /// Puts an environment; the job reaches the database, where there is one.
    fn put(&self, healthy: &Healthy, database: Option<&Database>) -> anyhow::Result<()> {
        for (path, what) in healthy.puts() {
            self.ask("PUT", &path, &what)?;
        }
        let Some(database) = database else { return Ok(()) };
        let secret = format!("/emulator/secrets/projects/{PROJECT}/secrets/{SECRET}");
        self.ask("PUT", &secret, &json!({"value": database.password}))?;
        self.ask("PUT", &format!("/emulator/resources/{JOB}"), &healthy.job_on(database)).map(drop)
    }

    /// Puts a job whose tasks run these steps.
    fn put_scripted_job(&self, steps: &[Value]) -> anyhow::Result<()> {
        self.put(&Healthy::new("bench", REGISTRY), None)?;
        self.ask("PUT", &format!("/emulator/scripts/{JOB}"), &json!({"steps": steps})).map(drop)
    }

    /// The calls so far, in the order in which they came in.
    fn calls(&self) -> anyhow::Result<Vec<Value>> {
        let mut calls = self.ask("GET", "/emulator/calls", &Value::Null)?;
        serde_json::from_value(calls["calls"].take()).context("no calls")
    }

    /// Sends one request.
    fn ask(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let address = self.url.strip_prefix("http://").context("the emulator printed no address")?;
        let request = Request::new(method, path).header("Emulator-Token", &self.control_token);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.try_send(address)?;
        ensure!(answer.status == 200, "{method} {path}: {answer:?}");
        Ok(serde_json::from_str(&answer.body)?)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // The emulator's state need not be saved.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

// --- the doctor ---

/// The delay of every request, at the cloud and at the registry.
const REQUEST: Duration = Duration::from_millis(100);

fn doctor() -> anyhow::Result<Vec<Finding>> {
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

/// A registry whose answers are delayed.
struct SlowRegistry {
    address: String,
    requests: Arc<AtomicUsize>,
}

impl SlowRegistry {
    fn before(registry: &Registry) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::<AtomicUsize>::default();
        let (server, count) = (registry.address(), Arc::clone(&requests));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, count) = (server.clone(), Arc::clone(&count));
                // The client notices if its connection breaks.
                std::thread::spawn(move || relay(client, &server, &count));
            }
        });
        Ok(Self { address, requests })
    }
}

/// Forwards a connection. The requests are small: each comes in one piece.
fn relay(mut client: TcpStream, server: &str, requests: &AtomicUsize) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return server.shutdown(std::net::Shutdown::Write);
        }
        requests.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(REQUEST);
        server.write_all(&buffer[..count])?;
    }
}

// --- the image ---

/// The size of the large image: several times the memory that the CLI may use.
const LARGE: &str = "300M";

fn image() -> anyhow::Result<Vec<Finding>> {
    let missing = |reason: String| anyhow!("the image cannot be measured: {reason}");
    docker::available().map_err(missing)?;
    registry::installed().map_err(|reason| missing(reason.to_owned()))?;
    let builder = docker::builder_image().map_err(missing)?;
    let registry = Registry::start();
    let _images = Images(registry.address());
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

/// The images of a registry in the engine, which are removed at the end.
struct Images(String);

impl Drop for Images {
    fn drop(&mut self) {
        docker::remove_images(&self.0);
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().context("the folder's name is not text")
}

// --- building ---

/// Edits a copy of the sources, and leaves the sources themselves unchanged.
fn rebuild() -> anyhow::Result<Vec<Finding>> {
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

fn copy_sources(folder: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(run::root())
        .output()
        .context("failed to start git")?;
    ensure!(listed.status.success(), "git cannot list the sources");
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (run::root().join(name), folder.join(name));
        // The file was deleted, and that is not committed yet.
        if from.is_file() {
            std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
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

// --- what a program uses ---

struct Measured {
    /// Milliseconds from start to exit.
    wall: Sample,
    /// Peak of memory, in MiB.
    memory: Sample,
}

/// Makes a small process run a program several times, with only these environment variables.
fn measured(program: &Path, args: &[&str], env: &[(&str, &str)], runs: usize) -> anyhow::Result<Measured> {
    // This is not the file from which this process was started: the build above may have replaced it.
    let output = Command::new(self::program("xtask")?)
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
