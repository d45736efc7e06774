//! The number of connections, and hosts that support HTTP/1.1 only.

use std::sync::{Arc, Mutex};

use cloud_emulator::{Emulator, Fault, FaultAction, RecordedCall, Script, Step};
use quill_admin_cloud::{
    CloudErrorKind, Credentials, Endpoints, ExecutionName, Google, JobName, RunError, RunJob,
};
use quill_admin_testkit::http::server;
use quill_admin_testkit::relay::Relay;
use serde_json::json;

const JOB: &str = "projects/project/locations/europe-west2/jobs/admin";

fn job_name() -> JobName {
    JobName {
        project: "project".parse().expect("valid"),
        region: "europe-west2".parse().expect("valid"),
        job: "admin".parse().expect("valid"),
    }
}

async fn connected(endpoints: Endpoints) -> Google {
    Google::connect(endpoints, Credentials::Anonymous).await.expect("connected")
}

/// Starts an emulator with a job that logs a line, reachable through relays.
async fn emulator() -> Emulator {
    let emulator = Emulator::builder().host("127.0.0.1").start().await.expect("an emulator");
    let job = json!({"template": {"template": {"maxRetries": 0, "containers": [{"image": "h/p/admin:1"}]}}});
    emulator.put_job(JOB, job).expect("put");
    emulator.set_script(JOB, Script::new([Step::log("a line"), Step::Exit(0)]));
    emulator
}

fn to(emulator: &Emulator) -> Relay {
    Relay::to(&emulator.address().to_string())
}

/// Starts a server that supports HTTP/1.1 only and gives this answer to every request; returns its address,
/// and the requests that it gets.
fn old_server(answer: &str) -> (String, Arc<Mutex<Vec<String>>>) {
    let (port, seen) = server(|_| answer.to_owned());
    (format!("http://127.0.0.1:{port}"), seen)
}

/// The first line of each request.
fn lines(seen: &Mutex<Vec<String>>) -> Vec<String> {
    let seen = seen.lock().expect("unpoisoned");
    seen.iter().map(|head| head.lines().next().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_goes_side_by_side_goes_over_one_connection() {
    let emulator = emulator().await;
    let relay = to(&emulator);
    emulator.set_faults([Fault::new("*", FaultAction::Delay(50))]);
    let google = connected(Endpoints::all_at(&relay.url())).await;
    let (name, project) = (job_name(), "project".parse().expect("valid"));
    let (job, executions, services, granted) = tokio::join!(
        google.job(&name),
        google.executions(&name),
        google.enabled_services(&project, &["run.googleapis.com"]),
        google.granted(&name, None),
    );
    let job = job.expect("a job");
    assert_eq!((executions.expect("a list").len(), services.is_ok(), granted.is_ok()), (0, true, true));
    let run = RunJob { etag: job.etag, env: Vec::new(), timeout: None };
    let execution = google.run(&name, run).await.expect("started");
    emulator.idle().await;
    google.execution(&execution.name).await.expect("there");
    assert!(!google.whole_log(&execution.name).await.expect("a log").is_empty());
    assert_eq!(relay.connections(), 1);
}

#[tokio::test]
async fn the_log_has_its_connections_before_it_is_asked_for_anything() {
    let emulator = emulator().await;
    let (run, log) = (to(&emulator), to(&emulator));
    let endpoints = Endpoints { logging: Some(log.url()), ..Endpoints::all_at(&run.url()) };
    let google = connected(endpoints).await;
    google.prepare_log();
    let is_opening = |call: &RecordedCall| call.line() == "HEAD /" && call.status.is_some();
    while !emulator.calls().iter().any(is_opening) {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let name = ExecutionName { job: job_name(), id: "admin-abcde".to_owned() };
    google.newest_log_entries(&name).await.expect("a page");
    let tail = google.tail_log(&name.job).await;
    google.newest_log_entries(&name).await.expect("a page");
    drop(tail);
    assert_eq!((run.connections(), log.connections()), (0, 2), "the live log has its own");

    // If both are on one host, the calls about jobs open the connection.
    let google = connected(Endpoints::all_at(&run.url())).await;
    google.prepare_log();
    google.job(&name.job).await.expect("a job");
    assert_eq!(emulator.calls().iter().filter(|call| call.method == "HEAD").count(), 1);
}

#[tokio::test]
async fn a_host_without_http_2_is_noticed_at_the_first_read() {
    let (old, seen) = old_server(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{\"etag\":\"e\"}",
    );
    let google = connected(Endpoints::all_at(&old)).await;
    for _ in 0..2 {
        google.job(&job_name()).await.expect("a job");
    }
    let read = format!("GET /v2/{JOB}?%24alt=json%3Benum-encoding%3Dint HTTP/1.1");
    assert_eq!(lines(&seen), ["PRI * HTTP/2.0", &read, &read]);

    // This also holds if several calls begin at the same time.
    let google = connected(Endpoints::all_at(&old)).await;
    let name = job_name();
    let (one, other) = tokio::join!(google.job(&name), google.job(&name));
    assert!(one.is_ok() && other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn what_may_act_twice_is_not_sent_again_over_another_protocol() {
    let (old, seen) = old_server("");
    let google = connected(Endpoints::all_at(&old)).await;
    let run = RunJob { etag: String::new(), env: Vec::new(), timeout: None };
    let Err(RunError::Unknown(error)) = google.run(&job_name(), run).await else {
        panic!("nobody knows");
    };
    assert_eq!(error.kind, CloudErrorKind::Failed, "{error}");
    assert_eq!(lines(&seen), ["PRI * HTTP/2.0"]);
}
