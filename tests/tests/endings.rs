//! The endings of runs that do not end well: each is told apart, with its own exit code.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use cloud_emulator::{Emulator, Fault, FaultAction, Script, Step};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, JOB, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::http::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

/// A result line, as the executor of an image of version 1 prints it.
pub(crate) fn result(exit_code: u8) -> Step {
    if exit_code == 0 {
        return result_of("unchanged", 0);
    }
    failed(exit_code)
}

/// A line that reports a failure.
fn failed(exit_code: u8) -> Step {
    let outcome = json!({"result": "failed", "failure": {"message": "stopped by a signal"}});
    let line = json!({"contract": 1, "exit_code": exit_code, "outcome": outcome});
    Step::log(json!({"severity": "ERROR", "message": "stopped", "quill_admin": line}).to_string())
}

fn check(world: &World) -> Output {
    world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).output()
}

fn after(steps: impl IntoIterator<Item = Step>) -> (Output, World) {
    let world = World::scripted(Script::new(steps));
    (check(&world), world)
}

#[test]
fn never_started() {
    let (finished, world) = after([Step::NeverStart {
        reason: "CONTAINER_MISSING".to_owned(),
        message: "Image 'admin@sha256:…' not found.".to_owned(),
    }]);
    assert_snapshot!(finished.exits(24).transcript(), @r"
    exit status: 24
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    show-user steve in staging
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
    error: execution quill-tasks-staging-XXXXX never started: Image 'admin@sha256:…' not found.
     next: look closer with: quill-admin doctor --env staging --only job-image
    ");
    assert_eq!(world.runs(), 1);
}

#[test]
fn killed_before_it_could_tell() {
    let (finished, _) = after([Step::log("connecting"), Step::Signal(9)]);
    assert_snapshot!(finished.exits(27).transcript(), @r"
    exit status: 27
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    show-user steve in staging
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting
    error: the container of execution quill-tasks-staging-XXXXX was killed by signal 9 before it could tell its result; whether the task was done is not known
      Cloud Run: Container terminated on signal 9.
     next: see what the database holds: quill-admin show-user --env staging --username steve
     next: every task can be run again safely: doing it twice leaves the same state
    ");
}

/// A failed execution is never reported as done, whoever looks at it and whenever.
#[test]
fn ended_without_an_exit_code() {
    let said = "Application failed to start: failed to resolve binary path: \"/nowhere\"";
    let unclean = "The container did not exit cleanly.";
    for (steps, code, told) in [
        (vec![], 24, said),
        (vec![Step::log("hello")], 27, unclean),
        // The log does not matter: it may be another execution's.
        (vec![Step::log("hello"), result_of("unchanged", 0)], 27, unclean),
    ] {
        let mut steps = steps;
        let message = if code == 24 { said } else { unclean };
        steps.push(Step::Status { code: 9, message: message.to_owned() });
        let world = World::scripted(Script::new(steps));
        let finished = check(&world).exits(code);
        assert!(finished.stderr.contains(told.trim_end_matches('.')), "{finished}");
        assert!(finished.stdout.is_empty(), "{finished}");
        let name = world.emulator.executions(JOB)[0]["name"].as_str().expect("a name").to_owned();
        let id = name.rsplit('/').next().expect("an id");
        let attached = world.quill_admin(["attach", id, "-e", "staging"]).output().exits(code);
        assert!(attached.stderr.contains(told.trim_end_matches('.')), "{attached}");
        let document =
            world.quill_admin(["attach", id, "-e", "staging", "--json"]).output().exits(code).json();
        let ending = if code == 24 { "never_started" } else { "unclear" };
        assert_eq!((&document["ending"], &document["exit_code"]), (&json!(ending), &json!(code)));
        let after = world.quill_admin(["doctor", "-e", "staging", "--after", id, "--only", "job", "--json"]);
        let after = after.output().json();
        assert_eq!(after["after"]["exit_code"], json!(code), "{after:#}");
    }
}

#[test]
fn an_image_whose_program_is_not_there_never_ran() {
    let world = World::without_program();
    let finished = check(&world).exits(24);
    assert!(
        finished.stderr.contains("never started: Application failed to start: failed to run"),
        "{finished}"
    );
    let history = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    assert_eq!(history["runs"][0]["outcome"], "failed", "{history:#}");
}

/// A line with an outcome for a user.
fn result_of(outcome: &str, exit_code: u8) -> Step {
    let user = json!({
        "username": "steve", "email": "s@example.org", "permission": "patient", "base_profession": "patient",
        "roles": [], "active": true, "totp_enabled": false
    });
    let outcome = json!({"result": outcome, "user": user, "changes": []});
    let line = json!({"contract": 1, "exit_code": exit_code, "outcome": outcome});
    Step::log(json!({"severity": "INFO", "message": "done", "quill_admin": line}).to_string())
}

#[test]
fn a_time_out_is_told_also_where_nobody_says_so() {
    for unsaid in [false, true] {
        let builder = Emulator::builder().unsaid_time_outs(unsaid);
        let world = World::scripted_in(builder, Script::new([Step::log("working"), Step::Forever]));
        let mut job = world.job().expect("it has one");
        job["template"]["template"]["timeout"] = json!("1s");
        world.emulator.put_job(JOB, job).expect("a valid job");
        let finished = check(&world).exits(26);
        assert!(finished.stderr.contains("ran into the job's time-out"), "{finished}");
        assert!(!finished.stderr.contains("killed by signal"), "{finished}");
    }
    // A signal before the time-out is reported as a signal.
    let builder = Emulator::builder().unsaid_time_outs(true);
    let world = World::scripted_in(builder, Script::new([Step::log("working"), Step::Signal(15)]));
    assert!(check(&world).exits(27).stderr.contains("killed by signal 15"));
}

#[test]
fn a_container_that_rolled_back_changed_nothing() {
    // The executor's exit code tells, even if its last line does not arrive.
    let world = World::scripted(Script::new([Step::log("working"), Step::Exit(18)]));
    let finished = check(&world).exits(18);
    assert!(finished.stderr.contains("rolled back"), "{finished}");
}

#[test]
fn a_line_that_contradicts_itself_is_no_result() {
    for (step, exit, told) in [
        (failed(0), 0, "its result line did not arrive"),
        (result_of("created", 10), 10, "its result line did not arrive"),
    ] {
        let world = World::scripted(Script::new([step, Step::Exit(exit)]));
        let finished = check(&world).exits(exit);
        assert!(finished.stderr.contains(told), "{finished}");
        assert!(!finished.stdout.contains("created"), "{finished}");
    }
}

#[test]
fn failed_and_nobody_can_be_asked_how() {
    let world = World::scripted(Script::new([Step::log("connecting"), Step::Exit(13)]));
    world.emulator.set_faults([Fault::new("*/tasks", FaultAction::status(403, "not for you"))]);
    let finished = check(&world).exits(27);
    assert!(
        finished.stderr.contains("its exit code could not be read: whether the task was done is not known"),
        "{finished}"
    );
    assert!(!finished.stderr.contains("never started"), "{finished}");

    // A temporary failure is waited for.
    let world = World::scripted(Script::new([Step::log("connecting"), Step::Exit(13)]));
    world.emulator.set_faults([Fault::new("*/tasks", FaultAction::status(429, "too many")).times(2)]);
    let _ = check(&world).exits(13);
}

#[test]
fn a_result_line_that_is_late_is_waited_for() {
    let late = match result(13) {
        Step::Log { line, stderr, .. } => Step::Log { line, stderr, late_ms: 1500 },
        _ => unreachable!("a line"),
    };
    let (finished, _) = after([late, Step::Exit(13)]);
    let finished = finished.exits(13);
    assert!(finished.stderr.contains("error: stopped by a signal"), "{}", finished.stderr);
}

#[test]
fn the_log_is_shown_as_it_comes_in_order_and_once() {
    let (finished, _) = after([
        Step::log("one"),
        Step::wait(Duration::from_millis(2500)),
        Step::log(json!({"severity": "WARNING", "message": "two\u{1b}[2J"}).to_string()),
        result(13),
        Step::Exit(13),
    ]);
    let finished = finished.exits(13);
    let lines: Vec<&str> = finished.stderr.lines().filter_map(|line| line.strip_prefix("  │ ")).collect();
    assert_eq!(lines, ["one", r"two\u{1b}[2J"]);
}

#[test]
fn cancelled_by_somebody() {
    let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
    let mut terminal = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).terminal();
    // The execution's name is shown as soon as it is known.
    terminal.expect("running");
    let said = terminal.text();
    let name = said.split("execution ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a name");
    let cancel = Request::new("POST", &format!("/v2/{JOB}/executions/{name}:cancel")).json(&json!({}));
    world.ask(cancel).expect(200);
    let ended = terminal.wait();
    assert_eq!(ended.code(), 25, "{}", ended.transcript);
    assert!(ended.text().contains("was cancelled"), "{}", ended.transcript);
}

#[test]
fn ctrl_c_says_that_the_task_goes_on() {
    let world = World::scripted(Script::new([Step::Forever]));
    let mut terminal = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("running").ctrl_c();
    terminal.expect("[w/d/c]").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.transcript);
    assert!(
        ended.text().contains("the task goes on without this program, as execution quill-tasks-staging-"),
        "{}",
        ended.text()
    );
}

#[test]
fn without_anybody_to_ask_the_task_goes_on() {
    for (signal, at_terminal) in [(Signal::INT, false), (Signal::TERM, false), (Signal::TERM, true)] {
        let world = World::scripted(Script::new([Step::Forever]));
        let args = ["show-user", "-e", "staging", "-u", "steve"];
        let (code, text) = if at_terminal {
            let mut terminal = world.quill_admin(args).terminal();
            terminal.expect("running");
            send(terminal.id(), signal);
            let ended = terminal.wait();
            (ended.code(), ended.text())
        } else {
            // The program's streams are pipes, as in a script.
            let mut process = Command::new("sh")
                .args(["-c", "exec \"$0\" \"$@\" 2>&1 </dev/null"])
                .arg(quill_admin_testkit::bin::quill_admin())
                .args(args)
                .current_dir(world.home.work())
                .env_clear()
                .env("HOME", world.home.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("started");
            while world.emulator.executions(JOB).is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            send(process.id(), signal);
            let mut text = String::new();
            process.stdout.take().expect("a pipe").read_to_string(&mut text).expect("text");
            (process.wait().expect("it ended").code().expect("by itself"), text)
        };
        assert_eq!(code, 130, "{signal:?}: {text}");
        assert!(text.contains("the task goes on without this program"), "{signal:?}: {text}");
        for verb in ["attach", "cancel"] {
            assert!(text.contains(&format!("quill-admin {verb} quill-tasks-staging-")), "{signal:?}: {text}");
        }
        let executions = world.emulator.executions(JOB);
        assert_eq!(executions.len(), 1);
        assert_eq!(executions[0]["cancelledCount"], Value::Null);
    }
}

fn send(process: u32, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(process).expect("a process id")).expect("not 0");
    kill_process(process, signal).expect("sent");
}

#[test]
fn a_generated_password_is_not_lost_with_the_contact() {
    let world = World::scripted(Script::new([Step::Forever]));
    let args = ["cs", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--generate-password"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("running").ctrl_c();
    terminal.expect("[w/d/c]").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.transcript);
    assert!(ended.text().contains("made here and shown only now"), "{}", ended.text());
}

/// The executor may have lost the database while the change was being saved, and its line did not arrive.
#[test]
fn a_generated_password_that_may_have_been_saved_is_shown() {
    for (code, shown) in [(13, true), (12, false)] {
        let world = World::scripted(Script::new([Step::Exit(code)]));
        let args = ["cs", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--generate-password"];
        let ended = world.quill_admin(args).output().exits(code);
        assert_eq!(ended.stdout.contains("made here and shown only now"), shown, "{ended}");
        let ended = world.quill_admin(args).arg("--json").output().exits(code);
        assert_eq!(ended.json()["generated_password"].is_string(), shown, "{ended}");
    }
}

#[test]
fn refusals_of_the_cloud() {
    for (code, exit, words) in
        [(401, 20, "token"), (403, 21, "denied"), (404, 22, "found"), (429, 24, "quota")]
    {
        let world = World::scripted(Script::new([Step::Exit(0)]));
        world.emulator.set_faults([Fault::new("*:run", FaultAction::status(code, words))]);
        let finished = check(&world).exits(exit);
        assert_eq!(finished.stderr.lines().filter(|line| line.starts_with("error: ")).count(), 1);
        assert!(
            finished.stderr.contains(&format!("error: failed to start the job: {words}")),
            "{}",
            finished.stderr
        );
        assert_eq!(world.runs(), 1);
    }
    let world = World::empty();
    assert_snapshot!(check(&world).exits(22).transcript(), @r"
    exit status: 22
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    error: failed to read the job: Resource 'quill-tasks-staging' of kind 'JOB' in region 'europe-west2' in project 'quill-medical-staging' does not exist.
     next: make it with: quill-admin build --env staging
     next: look closer with: quill-admin doctor --env staging --only job
    ");
    assert_eq!(world.runs(), 0);
}

#[test]
fn trouble_while_following_does_not_end_it() {
    let world = World::scripted(Script::new([
        Step::log("hello"),
        Step::wait(Duration::from_millis(300)),
        result(13),
        Step::Exit(13),
    ]));
    world.emulator.set_faults([
        Fault::new("*/executions/*", FaultAction::status(503, "try again")).method("GET").times(2),
        Fault::new("*/entries:list", FaultAction::status(429, "quota")).times(1),
    ]);
    let finished = check(&world).exits(13);
    assert!(finished.stderr.contains("note: "), "{}", finished.stderr);
    assert_eq!(world.runs(), 1);
}

#[test]
fn nobody_there() {
    let world = World::scripted(Script::default());
    // Nothing listens on port 9.
    world.move_staging("http://127.0.0.1:9");
    let finished = check(&world).exits(23);
    assert!(finished.stderr.contains("Connection refused"), "{}", finished.stderr);
}
