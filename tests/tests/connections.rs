//! The number of connections, and the time that a person waits after the last answer.

use std::time::Duration;

use cloud_emulator::{Emulator, Fault, FaultAction, RecordedCall};
use quill_admin_e2e::{Finished as _, JOB, TAIL, World, wait_until};
use quill_admin_testkit::relay::Relay;
use serde_json::json;

use crate::running::{change_job, done};

/// The command that the script of [`done`] answers.
const ADD: [&str; 7] = ["add-role", "-e", "staging", "-u", "steve", "-r", "Clinician"];

/// A world whose connections are counted. Each call takes a moment, so that calls that can run in parallel
/// do.
fn world() -> (World, Relay) {
    let builder = Emulator::builder().host("127.0.0.1").provisioning_delay(Duration::from_millis(150));
    let world = World::scripted_in(builder, done());
    let relay = Relay::to(&world.emulator.address().to_string());
    world.move_staging(&relay.url());
    world.emulator.set_faults([Fault::new("*", FaultAction::Delay(50))]);
    (world, relay)
}

/// Whether the job has been read: the call is recorded when it comes, its status when it is answered.
fn has_read_the_job(world: &World) -> bool {
    world
        .emulator
        .calls()
        .iter()
        .any(|call| call.line() == format!("GET /v2/{JOB}") && call.status == Some(200))
}

#[test]
fn all_requests_to_a_host_go_over_one_connection() {
    let (world, relay) = world();
    let _ = world.quill_admin(ADD).output().exits(0);
    assert_eq!(relay.connections(), 2, "jobs, executions and logs over one, and the live log over gRPC");
    let _ = world.quill_admin(ADD).arg("--dry-run").output().exits(0);
    assert_eq!(relay.connections(), 1, "what starts nothing opens no live log");
    let _ = world.quill_admin(["whoami", "-e", "staging"]).output().exits(0);
    assert_eq!(relay.connections(), 1);

    let before = world.emulator.calls().len();
    let doctor = world.quill_admin(["doctor", "-e", "staging"]).output();
    let asked = world.emulator.calls().len() - before;
    assert!(asked >= 12, "{asked} requests: {doctor}");
    assert_eq!(relay.connections(), 1, "{asked} requests");
}

#[test]
fn after_the_last_answer_come_the_start_and_the_last_read_of_the_log() {
    let (world, relay) = world();
    let args = ["add-role", "-e", "staging", "-r", "Clinician", "--yes"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("Username");
    wait_until("the job is read while the question is there", || has_read_the_job(&world));
    assert_eq!(relay.connections(), 2, "both are open before the answer");
    let before = world.emulator.calls().len();
    terminal.type_line("steve");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(relay.connections(), 0);
    let mut after: Vec<String> = world.emulator.calls()[before..].iter().map(RecordedCall::line).collect();
    // The number of polls of the state, and on a slow machine of the log, depends on time.
    after.retain(|line| !line.contains("/executions/") && !line.ends_with(TAIL));
    after.dedup();
    assert_eq!(after, [format!("POST /v2/{JOB}:run"), "POST /v2/entries:list".to_owned()]);
}

#[test]
fn a_job_that_is_changed_while_questions_are_answered_is_not_run() {
    let (world, _) = world();
    let mut terminal = world.quill_admin(["add-role", "-e", "staging", "-u", "steve", "--yes"]).terminal();
    terminal.expect("another role");
    wait_until("the job is read", || has_read_the_job(&world));
    change_job(&world, |job| job["template"]["template"]["serviceAccount"] = json!("other@example.org"));
    terminal.type_line("clinical a");
    terminal.expect("somebody changed the job").expect("nothing was started");
    assert_eq!(terminal.wait().code(), 23);
    assert_eq!(world.emulator.executions(JOB).len(), 0);
}

#[test]
fn what_fails_while_nobody_waits_is_asked_again() {
    let (world, _) = world();
    world.emulator.deny_permissions(["run.jobs.get"]);
    let args = ["add-role", "-e", "staging", "-r", "Clinician", "--yes"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("Username");
    wait_until("the job is refused", || world.emulator.calls().iter().any(|call| call.status == Some(403)));
    world.emulator.deny_permissions([""; 0]);
    // A fresh failure is reported unchanged; this person takes longer.
    std::thread::sleep(Duration::from_secs(3));
    terminal.type_line("steve");
    assert_eq!(terminal.wait().code(), 0);
}
