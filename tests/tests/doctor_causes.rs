//! The doctor's checks of the backend, of Terraform's lock, of old executions and of the repository; and a
//! whole incident, from its report to the healthy state.

use std::thread;
use std::time::Duration;

use cloud_emulator::{Fault, FaultAction, Script, ServiceOutcome, Step};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use quill_admin_e2e::doctor_fixture::{DoctorFixture, SERVICE, image};
use quill_admin_e2e::{Finished as _, JOB, PROJECT, REPOSITORY, STATE_BUCKET, wait_until};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::registry::{Registry, TOKEN};
use quill_admin_testkit::{needs_postgres, needs_registry};
use serde_json::{Value, json};

use crate::doctor::{check, results, says, shown};

/// The repository of the backend's image, in the registry.
const BACKEND: &str = "quill-medical-staging/quill/backend";
/// The object by which Terraform locks staging's state.
const LOCK: &str = "terraform/state/staging.tflock";
/// A password that no report may show.
const PASSWORD: &str = "planted-plaintext-password";
/// The log line by which people recognise the incident.
const NO_ACTION: &str = "ADMIN_ACTION environment variable is required: one of create-superadmin, check";

macro_rules! environment {
    () => {{
        needs_registry!();
        DoctorFixture::healthy()
    }};
}

fn revision_name(number: u32) -> String {
    format!("{SERVICE}/revisions/quill-backend-staging-{number:05}-abc")
}

/// Puts a newest revision that has failed, with the output of its container; the first revision goes on
/// serving.
fn failed(environment: &DoctorFixture, image: &str, log: &[&str]) {
    deployed(environment, image, "CONDITION_FAILED");
    log_lines(environment, log);
}

fn deployed(environment: &DoctorFixture, image: &str, state: &str) {
    let message = if state == "CONDITION_FAILED" {
        "The user-provided container failed the configured startup probe checks. Logs for this revision might \
         contain more information.\n\nLogs URL: …"
    } else {
        ""
    };
    let ready = json!({"type": "Ready", "state": state, "message": message, "lastTransitionTime": "2026-11-02T10:01:05Z"});
    let revision = json!({
        "containers": [{
            "image": image,
            "ports": [{"containerPort": 8000}],
            "startupProbe": {
                "initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 6,
                "httpGet": {"path": "/api/health", "port": 8000},
            },
        }],
        "conditions": [ready],
        "createTime": "2026-11-02T10:00:00Z",
    });
    let emulator = &environment.world.emulator;
    emulator.put_revision(&revision_name(2), revision).expect("a valid revision");
    let mut service = emulator.get(SERVICE).expect("there is a service");
    service["template"]["containers"][0]["image"] = json!(image);
    service["latestCreatedRevision"] = json!(revision_name(2));
    emulator.put_service(SERVICE, service).expect("a valid service");
}

/// Lets the second revision serve all requests.
fn served(environment: &DoctorFixture) {
    let emulator = &environment.world.emulator;
    let mut service = emulator.get(SERVICE).expect("there is a service");
    service["latestReadyRevision"] = json!(revision_name(2));
    emulator.put_service(SERVICE, service).expect("a valid service");
}

/// Puts lines into the log of the second revision, a second apart; lines that begin with "@ " are Cloud Run's
/// own.
fn log_lines(environment: &DoctorFixture, lines: &[&str]) {
    // Not older than what a log keeps.
    let begin = Timestamp::now() - SignedDuration::from_hours(1);
    for (second, line) in (0..).zip(lines) {
        let log = if line.starts_with("@ ") { "varlog%2Fsystem" } else { "stderr" };
        let entry = json!({
            "logName": format!("projects/{PROJECT}/logs/run.googleapis.com%2F{log}"),
            "resource": {"type": "cloud_run_revision", "labels": {
                "project_id": PROJECT,
                "service_name": "quill-backend-staging",
                "revision_name": "quill-backend-staging-00002-abc",
                "location": "europe-west2",
            }},
            "timestamp": (begin + SignedDuration::from_secs(second)).to_string(),
            "textPayload": line.trim_start_matches("@ "),
        });
        environment.world.emulator.put_log_entry(entry).expect("a valid entry");
    }
}

fn backend(environment: &DoctorFixture, reference: &str) -> String {
    let separator = if reference.starts_with("sha256:") { '@' } else { ':' };
    format!("{}/{BACKEND}{separator}{reference}", environment.proxy.address())
}

/// Pushes the backend's own image, under its tag; returns its name, pinned.
fn own_image(environment: &DoctorFixture) -> String {
    let digest =
        environment.registry.push(BACKEND, "main", &image(&json!({"config": {"Labels": {"a": "backend"}}})));
    backend(environment, &digest)
}

fn changes(environment: &DoctorFixture, method: &str) -> usize {
    environment.world.emulator.calls().iter().filter(|call| call.method == method).count()
}

#[test]
fn the_admin_image_is_known_by_its_repository_its_digest_its_labels_and_its_log() {
    let environment = environment!();
    let healthy = says(&environment, "backend-image", 0);
    assert!(healthy.starts_with("  ✔ backend-image"), "{healthy}");
    let mut said = Vec::new();
    failed(&environment, &format!("{}:latest", environment.image()), &[NO_ACTION, NO_ACTION]);
    said.push(says(&environment, "backend-image", 30));
    let copy =
        environment.registry.push(BACKEND, "copy", &image(&json!({"created": environment.healthy.built})));
    assert_eq!(copy, environment.healthy.digest, "the same image under another name");
    deployed(&environment, &backend(&environment, "copy"), "CONDITION_FAILED");
    said.push(says(&environment, "backend-image", 30));
    let labelled = environment.registry.push(BACKEND, "labelled", &image(&json!({"author": "somebody"})));
    deployed(&environment, &backend(&environment, &labelled), "CONDITION_FAILED");
    said.push(says(&environment, "backend-image", 30));
    let plain = own_image(&environment);
    deployed(&environment, &plain, "CONDITION_FAILED");
    said.push(says(&environment, "backend-image", 30));
    assert_snapshot!(said.join("\n"));
    environment.make_healthy();
    assert_eq!(says(&environment, "backend-image", 0), healthy);
}

#[test]
fn a_job_that_runs_the_backend_s_image_does_not_make_it_the_admin_image() {
    let environment = environment!();
    let own = own_image(&environment);
    // Somebody has pinned the job to the backend's image.
    environment.put_job("/template/template/containers/0/image", json!(own));
    deployed(&environment, &own, "CONDITION_SUCCEEDED");
    served(&environment);
    let only = ["--only", "job-image,backend-image,backend-startup", "--json"];
    let json = environment.doctor(only).output().exits(30).json();
    let results: Vec<_> = results(&json).into_iter().collect();
    let expected = [("backend-image", "healthy"), ("backend-startup", "healthy"), ("job-image", "problem")];
    assert_eq!(results, expected.map(|(id, result)| (id.to_owned(), result.to_owned())));
    // Nor where it does not start, for whatever reason.
    failed(&environment, &own, &["ValueError: no", "@ Container called exit(1)."]);
    assert!(says(&environment, "backend-image", 0).starts_with("  ✔"));
    assert!(says(&environment, "backend-startup", 30).contains("exit code 1"));
}

#[test]
fn a_revision_that_is_ready_is_never_given_another_image() {
    let environment = environment!();
    let first = own_image(&environment);
    let labelled = environment.registry.push(BACKEND, "labelled", &image(&json!({"author": "somebody"})));
    let labelled = backend(&environment, &labelled);
    // The older revision could be gone back to.
    let ready = json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"});
    let one = json!({"containers": [{"image": first}], "conditions": [ready], "createTime": "2026-11-01T00:00:00Z"});
    environment.world.emulator.put_revision(&revision_name(1), one).expect("a valid revision");
    deployed(&environment, &labelled, "CONDITION_SUCCEEDED");
    served(&environment);
    assert_snapshot!(says(&environment, "backend-image", 0), @r"
    ! backend-image    revision quill-backend-staging-00002-abc is ready, and its image is taken for the admin image: its labels say so
        the admin image is never ready, so this is another image under its name, digest or labels; requests go to quill-backend-staging-00002-abc
        since TIME
        │ quill-backend-staging-00002-abc: 127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
        next: push the backend's image to its own repository, without the admin image's labels, and deploy that
        help: quill-admin doctor --explain backend-image
    ");
    let fix = environment.doctor(["--only", "backend-image", "--fix", "--yes"]).output().exits(0);
    assert_eq!(changes(&environment, "PATCH"), 0, "{fix}");
}

#[test]
fn an_index_without_our_platform_is_not_told_as_missing() {
    let environment = environment!();
    let arm = environment.registry.push(REPOSITORY, "arm", &image(&json!({"architecture": "arm64"})));
    let index = environment.registry.push_index(REPOSITORY, "latest", &[(&arm, "linux", "arm64")]);
    let admin = says(&environment, "admin-image", 30);
    assert!(admin.contains("latest is for linux/arm64"), "{admin}");
    assert!(!admin.contains("the registry has no image"), "{admin}");
    let pinned = format!("{}@{index}", environment.image());
    environment.put_job("/template/template/containers/0/image", json!(pinned));
    let job = says(&environment, "job-image", 30);
    assert!(job.contains("is for linux/arm64"), "{job}");
    assert!(!job.contains("its image is gone"), "{job}");
}

#[test]
fn the_backend_s_registry_is_asked_with_the_token_too() {
    let environment = environment!();
    // A registry of its own, which wants the token, and another that the environment does not name.
    let registry = Registry::with_token();
    let file = environment.world.home.read("environments.yaml");
    let named = format!("{}/{BACKEND}", registry.address());
    let from = file.split('"').find(|text| text.ends_with("/quill/backend")).expect("the backend's image");
    environment.world.home.write("environments.yaml", &file.replace(from, &named));
    environment.world.home.write("token", TOKEN);
    let signed_in = || environment.doctor(["--only", "backend-image", "--access-token-file", "token"]);
    let digest = registry.push(BACKEND, "main", &image(&json!({"config": {"Labels": {"a": "backend"}}})));
    deployed(&environment, &format!("{named}@{digest}"), "CONDITION_FAILED");
    let healthy = signed_in().output().exits(0);
    assert!(healthy.stdout.contains("✔ backend-image"), "{healthy}");
    let foreign = Registry::with_token();
    let digest = foreign.push(BACKEND, "main", &image(&json!({})));
    deployed(&environment, &format!("{}/{BACKEND}@{digest}", foreign.address()), "CONDITION_FAILED");
    let undecided = signed_in().output().exits(31);
    assert!(undecided.stdout.contains("the access token is not sent to"), "{undecided}");
    assert!(!undecided.stdout.contains("quill-admin login"), "{undecided}");
}

#[test]
fn a_log_that_was_read_in_part_proves_nothing_by_what_it_lacks() {
    let environment = environment!();
    let own = own_image(&environment);
    failed(&environment, &own, &["starting"]);
    let emulator = &environment.world.emulator;
    // A search that takes a while.
    emulator.set_empty_log_pages(2);
    assert!(says(&environment, "backend-image", 0).starts_with("  ✔"));
    // And one that does not end.
    emulator.set_empty_log_pages(1000);
    assert_snapshot!(says(&environment, "backend-image", 31), @r"
    ? backend-image    could not be decided: revision quill-backend-staging-00002-abc is not ready, and its log was read only in part: Cloud Logging took too long to search all of it
        next: look again in a minute
        help: quill-admin doctor --explain backend-image
    ");
    let startup = says(&environment, "backend-startup", 30);
    assert!(startup.contains("nothing in the part of its log that was read tells"), "{startup}");
    assert!(startup.contains("│ its log was read only in part"), "{startup}");
}

#[test]
fn a_service_whose_last_change_failed_is_not_healthy() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let mut service = emulator.get(SERVICE).expect("there is a service");
    service["terminalCondition"] = json!({
        "type": "Ready", "state": "CONDITION_FAILED", "message": "Revision 'x' is not found. See more",
    });
    emulator.put_service(SERVICE, service.clone()).expect("a valid service");
    assert_snapshot!(says(&environment, "backend-startup", 30), @r"
    ✘ backend-startup  the last change of the service failed: Revision 'x' is not found
        its newest revision quill-backend-staging-00001-abc is ready, and is not all that was asked for; requests go to quill-backend-staging-00001-abc
        since TIME
        next: put right what Cloud Run says, and deploy again
        help: quill-admin doctor --explain backend-startup
    ");
    // The list of revisions lacks the one that the service names as its newest.
    service["latestCreatedRevision"] = json!(revision_name(7));
    emulator.put_service(SERVICE, service).expect("a valid service");
    let undecided = says(&environment, "backend-image", 31);
    assert!(undecided.contains("and its list lacks it"), "{undecided}");
}

#[test]
fn a_backend_that_cannot_be_judged_is_not_called_healthy() {
    let environment = environment!();
    let own = own_image(&environment);
    failed(&environment, &own, &["ValueError: no"]);
    let own = says(&environment, "backend-image", 0);
    // Without the registry the image is unknown, and the log does not help.
    environment.proxy.cut("/v2/");
    let undecided = says(&environment, "backend-image", 31);
    assert!(undecided.contains("could not be decided"), "{undecided}");
    // The log alone can show the cause.
    log_lines(&environment, &["", "", "", NO_ACTION]);
    assert!(says(&environment, "backend-image", 30).contains("its log says so"));
    environment.proxy.open();
    environment.make_healthy();
    assert!(own.starts_with("  ✔"), "{own}");
    for permission in ["run.services.get", "run.revisions.list"] {
        environment.world.emulator.deny_permissions([permission]);
        let denied = says(&environment, "backend-image", 31);
        assert!(denied.contains("--role=roles/run.viewer"), "{denied}");
    }
    environment.make_healthy();
    environment
        .world
        .emulator
        .set_faults([Fault::new(format!("/v2/{SERVICE}"), FaultAction::status(503, "down"))]);
    assert!(says(&environment, "backend-image", 31).contains("down"));
}

#[test]
fn a_service_that_is_not_there_is_a_problem() {
    let environment = environment!();
    let file = environment.world.home.read("environments.yaml");
    environment
        .world
        .home
        .write("environments.yaml", &file.replace("quill-backend-{env}", "quill-other-{env}"));
    let only = environment.doctor(["--only", "backend-image,backend-startup"]).output().exits(30);
    assert_snapshot!(shown(&environment, &only.stdout));
}

#[test]
fn a_start_that_fails_is_explained_by_its_log() {
    let environment = environment!();
    let healthy = says(&environment, "backend-startup", 0);
    let own = own_image(&environment);
    failed(
        &environment,
        &own,
        &[
            "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.",
            "ERROR [alembic.util.messaging] Can't locate revision identified by 'deadbeef0001'",
            "FAILED: Can't locate revision identified by 'deadbeef0001'",
            "@ Container called exit(255).",
            "@ STARTUP HTTP probe failed 1 time consecutively for container \"backend-1\" on port 8000 path \"/api/health\". The instance was not started. Connection failed with status ERROR_CONNECTION_FAILED.",
        ],
    );
    assert_snapshot!(says(&environment, "backend-startup", 30));
    // The last error in the log counts.
    let database = "sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection to server at \"10.0.0.3\", port 5432 failed: timeout expired";
    let mut lines = vec![""; 10];
    lines.extend(["Traceback (most recent call last):", database, "@ Container called exit(1)."]);
    log_lines(&environment, &lines);
    assert_snapshot!(says(&environment, "backend-startup", 30));
    // The failure is certain, even if its cause cannot be read.
    environment.world.emulator.deny_permissions(["logging.logEntries.list"]);
    let unread = says(&environment, "backend-startup", 30);
    assert!(unread.contains("the cause is not known: its log could not be read"), "{unread}");
    assert!(unread.contains("--role=roles/logging.viewer"), "{unread}");
    environment.make_healthy();
    assert_eq!(says(&environment, "backend-startup", 0), healthy);
}

#[test]
fn a_start_close_to_what_the_probe_allows_is_slow() {
    let environment = environment!();
    let mut lines = vec!["INFO  [alembic.runtime.migration] Running upgrade a1b2c3d4e5f6 -> b4"];
    lines.extend([""; 64]);
    lines.push("@ STARTUP HTTP probe failed 6 times consecutively for container \"backend-1\" on port 8000 path \"/api/health\". The instance was not started.");
    failed(&environment, &own_image(&environment), &lines);
    assert_snapshot!(says(&environment, "backend-startup", 30));
}

#[test]
fn a_revision_that_is_ready_and_gets_no_requests_is_told() {
    let environment = environment!();
    // The state after a deploy that adds a new revision without requests, and fails in its own test of it.
    deployed(&environment, &own_image(&environment), "CONDITION_SUCCEEDED");
    let mut service = environment.world.emulator.get(SERVICE).expect("there is a service");
    let first = json!({
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": "quill-backend-staging-00001-abc",
        "percent": 100,
    });
    let tagged = json!({
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": "quill-backend-staging-00002-abc",
        "tag": "rev-3f2c78be9d10",
    });
    service["latestReadyRevision"] = json!(revision_name(2));
    service["traffic"] = json!([first, tagged]);
    service["trafficStatuses"] = json!([first, tagged]);
    environment.world.emulator.put_service(SERVICE, service.clone()).expect("a valid service");
    let left = says(&environment, "backend-startup", 0);
    assert_snapshot!(left);
    // A part of the requests is enough: somebody is rolling it out.
    let share = |revision: &str, percent: i32| json!({"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": revision, "percent": percent});
    service["trafficStatuses"] =
        json!([share("quill-backend-staging-00001-abc", 90), share("quill-backend-staging-00002-abc", 10)]);
    environment.world.emulator.put_service(SERVICE, service).expect("a valid service");
    assert!(says(&environment, "backend-startup", 0).starts_with("  ✔"));
}

#[test]
fn a_start_is_not_looked_at_where_the_image_is_the_wrong_one() {
    let environment = environment!();
    failed(&environment, &format!("{}:latest", environment.image()), &[NO_ACTION]);
    let both = environment.doctor(["--only", "backend-image,backend-startup"]).output().exits(30);
    assert!(both.stdout.contains("skipped: it needs backend-image"), "{both}");
    // The check alone has the same result.
    assert!(says(&environment, "backend-startup", 30).contains("it runs the admin image"));
    environment.make_healthy();
    deployed(&environment, &own_image(&environment), "CONDITION_RECONCILING");
    let starting = says(&environment, "backend-startup", 0);
    assert!(starting.contains("! backend-startup"), "{starting}");
}

/// The content of a lock as Terraform writes it.
fn lock(who: &str) -> String {
    json!({
        "ID": "4b5c11de-9e0f-4b1e-8f1e-1c1b7a2f0a11",
        "Operation": "OperationTypeApply",
        "Info": "",
        "Who": who,
        "Version": "1.9.8",
        "Created": "2026-11-02T09:58:12.123456789Z",
        "Path": "gs://quill-medical-terraform-state/terraform/state/staging.tfstate",
    })
    .to_string()
}

/// Puts a lock that was taken this long ago.
fn put_lock(environment: &DoctorFixture, who: &str, minutes: i64) -> i64 {
    let created = Timestamp::now() - SignedDuration::from_mins(minutes);
    environment.world.emulator.put_object_created(STATE_BUCKET, LOCK, lock(who), created)
}

/// Replaces generations and ages, which differ from run to run.
fn lock_shown(text: &str) -> String {
    let text = regex::Regex::new(r"generation[ =]\d+|--if-generation-match=\d+").expect("valid").replace_all(
        text,
        |found: &regex::Captures<'_>| {
            found[0].trim_end_matches(|c: char| c.is_ascii_digit()).to_owned() + "GENERATION"
        },
    );
    text.into_owned()
}

#[test]
fn a_lock_that_was_left_is_removed() {
    let environment = environment!();
    let healthy = says(&environment, "state-lock", 0);
    put_lock(&environment, "runner@fv-az123-456", 90);
    assert_snapshot!(lock_shown(&says(&environment, "state-lock", 30)));
    let only = ["--only", "state-lock", "--fix"];
    let plan = environment.doctor(only.into_iter().chain(["--dry-run"])).output().exits(30);
    assert_snapshot!(lock_shown(&shown(&environment, &plan.stdout)));
    assert!(environment.world.emulator.object(STATE_BUCKET, LOCK).is_some());
    assert_eq!(changes(&environment, "DELETE"), 0);

    let done = environment.doctor(only.into_iter().chain(["--yes"])).output().exits(0);
    assert_snapshot!(lock_shown(&shown(&environment, &done.stdout)));
    assert!(environment.world.emulator.object(STATE_BUCKET, LOCK).is_none());
    assert_eq!(says(&environment, "state-lock", 0), healthy);
    assert_eq!(changes(&environment, "DELETE"), 1);
}

/// A lock is never found under a wrong name: the state beside it tells whether the name is right.
#[test]
fn no_lock_and_no_state_is_not_healthy() {
    let environment = environment!();
    let home = &environment.world.home;
    let file = home.read("environments.yaml");
    for (lock, told) in [
        (
            "terraform/state/prod.tflock",
            "and no state gs://quill-medical-terraform-state/terraform/state/prod.tfstate either",
        ),
        ("terraform/state/staging.lock", "its locks end with .tflock"),
    ] {
        home.write("environments.yaml", &file.replace("terraform/state/{env}.tflock", lock));
        let unknown = says(&environment, "state-lock", 31);
        assert!(unknown.contains(told), "{unknown}");
        assert!(
            unknown.contains("gcloud storage ls --recursive gs://quill-medical-terraform-state/"),
            "{unknown}"
        );
    }
}

#[test]
fn a_young_lock_is_left_to_whoever_holds_it() {
    let environment = environment!();
    let generation = put_lock(&environment, "steve@laptop", 4);
    let young = lock_shown(&says(&environment, "state-lock", 0));
    assert_snapshot!(young);
    let only = ["--only", "state-lock", "--fix", "--yes"];
    let refused = environment.doctor(only).output().exits(0);
    assert!(refused.stdout.contains("not done: the lock of steve@laptop is 4 minutes old"), "{refused}");
    assert!(refused.stdout.contains("--force"), "{refused}");
    let there = environment.world.emulator.object(STATE_BUCKET, LOCK).expect("it is there");
    assert_eq!((there.0, changes(&environment, "DELETE")), (generation, 0));

    let forced = environment.doctor(only.into_iter().chain(["--force"])).output().exits(0);
    assert!(forced.stdout.contains("✔ remove-lock"), "{forced}");
    assert!(environment.world.emulator.object(STATE_BUCKET, LOCK).is_none());
}

/// The test cannot set this machine's clock, so it sets that of Cloud Storage.
#[test]
fn the_age_of_a_lock_is_not_judged_by_a_clock_that_may_be_wrong() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let only = ["--only", "state-lock", "--fix", "--yes"];
    let ahead = "this machine's clock is 60 minutes ahead of Cloud Storage's";
    let behind = "this machine's clock is 60 minutes behind Cloud Storage's";
    let untold = "Cloud Storage's answer does not say what time it is";
    // A lock that was just taken, by Cloud Storage's clock, which is an hour behind; the same with a clock
    // that is ahead; and a lock that is old by this machine's clock, in an answer without a time.
    for (hours, minutes, why) in [(Some(-1), 61, ahead), (Some(1), 30, behind), (None, 90, untold)] {
        match hours {
            Some(hours) => emulator.set_clock_ahead(SignedDuration::from_hours(hours)),
            None => emulator.hide_clock(),
        }
        put_lock(&environment, "steve@laptop", minutes);
        assert!(says(&environment, "state-lock", 30).contains(why), "{why}");
        let refused = environment.doctor(only).output().exits(30);
        assert!(
            refused.stdout.contains("not done: how old the lock of steve@laptop is cannot be told"),
            "{refused}"
        );
        assert!(refused.stdout.contains(why) && refused.stdout.contains("--force"), "{refused}");
        assert!(emulator.object(STATE_BUCKET, LOCK).is_some(), "{why}");
        assert_eq!(changes(&environment, "DELETE"), 0);
    }
    // A difference of a few seconds does not count.
    emulator.set_clock_ahead(SignedDuration::from_secs(20));
    assert!(says(&environment, "state-lock", 30).contains("a Terraform that broke off did not give it back"));
    emulator.hide_clock();
    let forced = environment.doctor(only.into_iter().chain(["--force"])).output().exits(0);
    assert!(forced.stdout.contains("✔ remove-lock"), "{forced}");
    assert!(emulator.object(STATE_BUCKET, LOCK).is_none());
}

#[test]
fn a_lock_that_is_taken_in_the_meantime_is_left_alone_and_told() {
    let environment = environment!();
    put_lock(&environment, "runner@fv-az123-456", 90);
    let mut terminal = environment.doctor(["--only", "state-lock", "--fix", "--force"]).terminal();
    terminal.expect("held by runner@fv-az123-456").expect("Do it?");
    let taken = environment.world.emulator.put_object(STATE_BUCKET, LOCK, lock("steve@laptop"));
    terminal.type_line("y");
    terminal.expect("somebody has taken another lock in the meantime: it was left alone");
    let ended = terminal.wait();
    let text = ended.text();
    assert!(text.contains("steve@laptop"), "{text}");
    let there = environment.world.emulator.object(STATE_BUCKET, LOCK).expect("it is there");
    assert_eq!(there, (taken, lock("steve@laptop").into_bytes()));
    assert_eq!(changes(&environment, "DELETE"), 1, "once, and refused: {text}");
}

#[test]
fn a_lock_that_is_given_back_in_the_meantime_is_told() {
    let environment = environment!();
    put_lock(&environment, "runner@fv-az123-456", 90);
    let mut terminal = environment.doctor(["--only", "state-lock", "--fix"]).terminal();
    terminal.expect("Do it?");
    environment.world.emulator.remove_object(STATE_BUCKET, LOCK);
    terminal.type_line("y");
    terminal.expect("the lock was gone already");
    assert_eq!(terminal.wait().code(), 0);
}

#[test]
fn a_lock_that_cannot_be_seen_is_undecided() {
    let environment = environment!();
    environment.world.emulator.set_faults([Fault::new("/storage/*", FaultAction::status(503, "down"))]);
    assert!(says(&environment, "state-lock", 31).contains("could not be decided"));
    environment.world.emulator.set_faults([]);
    environment.world.emulator.deny_permissions(["storage.objects.get"]);
    let denied = says(&environment, "state-lock", 31);
    assert!(denied.contains("roles/storage.objectViewer"), "{denied}");
    environment.make_healthy();
    // It is a lock, whatever its content.
    environment.world.emulator.put_object(STATE_BUCKET, LOCK, "not JSON");
    let odd = says(&environment, "state-lock", 0);
    assert!(odd.contains("its content is not what Terraform writes"), "{odd}");
    // If the file names no state, there is nothing to read.
    let file = environment.world.home.read("environments.yaml");
    let without: Vec<&str> = file.lines().filter(|line| !line.contains("terraform_state")).collect();
    environment.world.home.write("environments.yaml", &without.join("\n"));
    assert!(says(&environment, "state-lock", 0).contains("nothing to look at"));
}

#[test]
fn a_protected_environment_asks_for_its_name_also_with_yes() {
    let environment = environment!();
    put_lock(&environment, "runner@fv-az123-456", 90);
    let file = environment.world.home.read("environments.yaml");
    environment.world.home.write(
        "environments.yaml",
        &file.replace("staging: { project", "staging: { protected: true, project"),
    );
    let only = ["--only", "state-lock", "--fix", "--yes"];
    let refused = environment.doctor(only).output();
    assert_ne!(refused.code(), 0, "{refused}");
    let wrong = environment.doctor(only.into_iter().chain(["--confirm", "teaching"])).output();
    assert_ne!(wrong.code(), 0, "{wrong}");
    assert_eq!(changes(&environment, "DELETE"), 0);
    let mut terminal = environment.doctor(["--only", "state-lock", "--fix"]).terminal();
    terminal.expect("Do it?").type_line("y");
    terminal.expect("Type \"staging\" to go on").type_line("staging");
    terminal.expect("✔ remove-lock");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(changes(&environment, "DELETE"), 1);
}

/// Starts the job in the old way, with the password in a variable; returns the execution's id.
fn run_the_old_way(environment: &DoctorFixture, username: &str) -> String {
    run_the_old_way_in(environment, JOB, username)
}

fn run_the_old_way_in(environment: &DoctorFixture, job: &str, username: &str) -> String {
    let body = json!({"overrides": {"containerOverrides": [{"env": [
        {"name": "ADMIN_ACTION", "value": "create-superadmin"},
        {"name": "ADMIN_USERNAME", "value": username},
        {"name": "ADMIN_EMAIL", "value": format!("{username}@example.org")},
        {"name": "ADMIN_PASSWORD", "value": PASSWORD},
    ]}]}})
    .to_string();
    let operation = ask(environment, "POST", &format!("{job}:run"), &body).expect("accepted");
    let name = operation["metadata"]["name"].as_str().expect("an execution").to_owned();
    name.rsplit('/').next().expect("an id").to_owned()
}

/// Sends a request to Cloud Run; `None` where it is refused.
fn ask(environment: &DoctorFixture, method: &str, name: &str, body: &str) -> Option<Value> {
    let request = Request::new(method, &format!("/v2/{name}")).body("application/json", body);
    let answer = environment.world.ask(request);
    (answer.status == 200).then(|| answer.json())
}

fn execution(environment: &DoctorFixture, id: &str) -> Option<Value> {
    ask(environment, "GET", &format!("{JOB}/executions/{id}"), "")
}

/// Waits until an execution has ended.
fn over(environment: &DoctorFixture, id: &str) {
    while execution(environment, id).expect("it is there").get("completionTime").is_none() {
        thread::sleep(Duration::from_millis(5));
    }
}

/// In the old way the application's own job was run.
#[test]
fn passwords_left_in_another_job_are_found_as_well() {
    let environment = environment!();
    let theirs = JOB.replace("quill-tasks-", "quill-admin-");
    let emulator = &environment.world.emulator;
    emulator.put_job(&theirs, environment.world.job().expect("there is one")).expect("a valid job");
    emulator.set_script(&theirs, Script::new([Step::Exit(0)]));
    let id = run_the_old_way_in(&environment, &theirs, "anna");
    let name = format!("{theirs}/executions/{id}");
    let execution = || ask(&environment, "GET", &name, "");
    while execution().expect("it is there").get("completionTime").is_none() {
        thread::sleep(Duration::from_millis(5));
    }
    let sick = says(&environment, "leaks", 30);
    assert!(sick.contains(&id) && !sick.contains(PASSWORD), "{sick}");

    // Of a caller who may list only those of one job nothing can be said about the others.
    emulator.set_faults([Fault::new("*/jobs/-/executions", FaultAction::status(403, "denied"))]);
    let told = says(&environment, "leaks", 31);
    assert!(
        told.contains("there are no executions of this job; those of other jobs may not be listed"),
        "{told}"
    );
    emulator.set_faults([]);

    let _ = environment.doctor(["--only", "leaks", "--fix", "--yes"]).output().exits(0);
    assert!(execution().is_none());
}

#[test]
fn passwords_left_in_executions_are_found_and_never_shown() {
    let environment = environment!();
    let healthy = says(&environment, "leaks", 0);
    environment.world.emulator.set_script(JOB, Script::new([Step::Exit(0)]));
    let (first, second) =
        (run_the_old_way(&environment, "steve.jones"), run_the_old_way(&environment, "anna"));
    over(&environment, &first);
    over(&environment, &second);
    environment.world.emulator.set_script(JOB, Script::new([Step::Forever]));
    let running = run_the_old_way(&environment, "rita");
    let sick = says(&environment, "leaks", 30);
    assert_snapshot!(sick);

    let only = ["--only", "leaks", "--fix", "--verbose"];
    let plan = environment.doctor(only.into_iter().chain(["--dry-run"])).output().exits(30);
    assert_eq!(changes(&environment, "DELETE"), 0);
    let json = environment.doctor(["--only", "leaks", "--json"]).output().exits(30);
    let done = environment.doctor(only.into_iter().chain(["--yes"])).output().exits(30);
    assert!(done.stdout.contains("change the passwords of anna, rita, steve.jones"), "{done}");
    assert!(execution(&environment, &first).is_none() && execution(&environment, &second).is_none());
    assert!(execution(&environment, &running).is_some(), "one that runs is not stopped");
    assert_eq!(changes(&environment, "DELETE"), 2);
    for shown in [sick, plan.to_string(), json.to_string(), done.to_string()] {
        assert!(!shown.contains(PASSWORD), "{shown}");
    }
    assert!(environment.world.home.files_with(PASSWORD).is_empty());

    // The execution ends, and is deleted as well.
    let cancelled = environment.world.quill_admin(["cancel", &running, "--env", "staging"]).output();
    assert!(!cancelled.to_string().contains(PASSWORD), "{cancelled}");
    over(&environment, &running);
    let _ = environment.doctor(["--only", "leaks", "--fix", "--yes"]).output().exits(0);
    assert_eq!(says(&environment, "leaks", 0), healthy);
}

/// Each deletion is a change of its own: a Ctrl-C that had to wait takes effect between two of them.
#[test]
fn ctrl_c_ends_deleting_between_two_executions() {
    let environment = environment!();
    environment.world.emulator.set_script(JOB, Script::new([Step::Exit(0)]));
    let ids = [run_the_old_way(&environment, "steve.jones"), run_the_old_way(&environment, "anna")];
    for id in &ids {
        over(&environment, id);
    }
    let slow = Fault::new("*/executions/*", FaultAction::Hold).method("DELETE");
    environment.world.emulator.set_faults([slow]);
    let mut terminal = environment.doctor(["--only", "leaks", "--fix", "--yes"]).terminal();
    wait_until("the first is being deleted", || changes(&environment, "DELETE") == 1);
    terminal.ctrl_c();
    terminal.expect("waiting for its answer");
    environment.world.emulator.set_faults([]);
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("interrupted; 1 of 2 executions are deleted"), "{}", ended.text());
    assert_eq!(changes(&environment, "DELETE"), 1);
    assert_eq!(ids.iter().filter(|id| execution(&environment, id).is_some()).count(), 1);
}

#[test]
fn executions_that_cannot_be_deleted_or_read_are_told() {
    let environment = environment!();
    environment.world.emulator.set_script(JOB, Script::new([Step::Exit(0)]));
    let id = run_the_old_way(&environment, "steve.jones");
    over(&environment, &id);
    environment.world.emulator.deny_permissions(["run.executions.delete"]);
    let failed = environment.doctor(["--only", "leaks", "--fix", "--yes"]).output().exits(30);
    assert!(failed.stdout.contains("✘ delete-executions: "), "{failed}");
    assert!(execution(&environment, &id).is_some());
    environment.world.emulator.deny_permissions(["run.executions.list"]);
    let undecided = says(&environment, "leaks", 31);
    assert!(undecided.contains("--role=roles/run.viewer"), "{undecided}");
}

#[test]
fn steps_that_name_no_stage_are_found_in_the_repository() {
    let environment = environment!();
    let home = &environment.world.home;
    home.write(
        "app/backend/Dockerfile",
        "FROM python:3.13-slim AS base\nFROM base AS prod\nFROM base AS admin\nCMD [\"python\", \"scripts/admin_cli.py\"]\n",
    );
    let workflow = "\
jobs:
  build:
    strategy:
      matrix:
        include:
          - { image: backend, target: prod }
          - { image: backend }
    steps:
      - uses: docker/build-push-action@v6
        with:
          context: ${{ matrix.image }}
          target: ${{ matrix.target }}
      - run: |
          echo building
          docker build \\
            -f backend/Dockerfile .
";
    let recipe = "build env:\n    docker build -t backend:{{ env }} backend\n";
    home.write("app/.github/workflows/deploy.yml", workflow);
    home.write("app/justfile", recipe);
    let doctor = |args: &[&'static str]| {
        environment.world.quill_admin(["doctor", "--only", "repository"]).args(args.iter().copied()).output()
    };
    assert_snapshot!(shown(&environment, &doctor(&["--repo", "app"]).exits(30).stdout));

    let workflow = workflow.replace("{ image: backend }", "{ image: backend, target: admin }");
    home.write(
        "app/.github/workflows/deploy.yml",
        &workflow.replace("-f backend", "--target prod -f backend"),
    );
    home.write("app/justfile", &recipe.replace("build -t", "build --target prod -t"));
    assert_snapshot!(shown(&environment, &doctor(&["--repo", "app"]).exits(0).stdout));

    home.write("app/.github/workflows/broken.yml", "jobs: [\n");
    let broken = doctor(&["--repo", "app"]).exits(31);
    assert!(broken.stdout.contains(".github/workflows/broken.yml"), "{broken}");
    home.write("app/.github/workflows/broken.yml", "");
    home.write(
        "app/compose.yaml",
        "services:\n  backend:\n    build: { context: backend, target: $STAGE }\n",
    );
    let left = doctor(&["--repo", "app"]).exits(31);
    assert!(left.stdout.contains("compose.yaml:3"), "{left}");
    // What could not be read is not said to be missing.
    home.write("unread/frontend/Dockerfile", "FROM nginx AS serve\n");
    home.write("unread/backend/Dockerfile", "this is no recipe\n");
    let unread = doctor(&["--repo", "unread"]).exits(31);
    assert!(unread.stdout.contains("1 file could not be read: backend/Dockerfile: "), "{unread}");
    assert!(!unread.stdout.contains("there is no backend/Dockerfile"), "{unread}");
    home.write("empty/README.md", "docker build .\n");
    let empty = doctor(&["--repo", "empty"]).exits(31);
    assert!(empty.stdout.contains("there is nothing to look at"), "{empty}");
    let nowhere = doctor(&["--repo", "nowhere"]).exits(31);
    assert!(nowhere.stdout.contains("next: name its folder with: --repo FOLDER"), "{nowhere}");
    let unnamed = doctor(&[]).exits(31);
    assert!(unnamed.stdout.contains("no repository was named"), "{unnamed}");
}

/// Without an environments file that names the backend, its stage is only assumed.
#[test]
fn an_assumption_about_the_backend_is_said_and_decides_nothing_alone() {
    let environment = environment!();
    let home = &environment.world.home;
    let recipe = "FROM python:3.13-slim AS base\nFROM base AS production\n";
    home.write("app/backend/Dockerfile", recipe);
    let file = "\
defaults:
  region: europe-west2
  job: quill-tasks-{env}
  image: \"{region}-docker.pkg.dev/{project}/quill/tasks\"
  database: { name: quill_core, user: quill, password_secret: core-db-password }
environments:
  staging: { project: quill-medical-staging }
";
    home.write("no-backend.yaml", file);
    home.write("broken.yaml", "environments: [\n");
    let doctor = |file: &str| {
        environment
            .world
            .quill_admin(["doctor", "--only", "repository", "--repo", "app", "--config", file])
            .output()
    };
    let named = doctor("no-backend.yaml").exits(31);
    assert_snapshot!(shown(&environment, &named.stdout));
    let broken = doctor("broken.yaml").exits(31);
    for told in [&named, &broken] {
        assert!(!told.stdout.contains("which the environments file names"), "{told}");
    }
    assert!(broken.stdout.contains("the environments file could not be read: "), "{broken}");
    home.write("app/backend/Dockerfile", &recipe.replace("production", "prod"));
    let assumed = doctor("no-backend.yaml").exits(0);
    assert!(assumed.stdout.contains("this program assumes"), "{assumed}");
    let _ = doctor("broken.yaml").exits(31);
    // One environment that cannot be read may have another backend.
    home.write(
        "partly.yaml",
        &format!(
            "{file}  teaching: {{ project: quill-medical-teaching, terraform_state: {{ bucket: x }} }}\n"
        ),
    );
    let partly = doctor("partly.yaml").exits(31);
    assert!(partly.stdout.contains("the environment \"teaching\" could not be read: "), "{partly}");

    std::fs::remove_file(home.work().join("environments.yaml")).expect("it is there");
    let without = || home.quill_admin(["doctor", "--only", "repository", "--repo", "app"]).output();
    let assumed = without().exits(0);
    assert!(assumed.stdout.contains("there is no environments file, so this program assumes"), "{assumed}");
    home.write("app/backend/Dockerfile", recipe);
    let unknown = without().exits(31);
    assert!(unknown.stdout.contains("it is not known which stage is the backend's"), "{unknown}");
}

/// Stands in for the application: if the service has an image that is not the admin image, it starts and
/// becomes ready. It puts no roles into its database.
fn application(environment: &DoctorFixture) {
    let emulator = &environment.world.emulator;
    let admin = environment.image();
    loop {
        let mut service = emulator.get(SERVICE).expect("there is a service");
        let image = service["template"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned();
        if image.starts_with(&admin) {
            thread::sleep(Duration::from_millis(5));
            continue;
        }
        let name = service["latestCreatedRevision"].as_str().expect("it has one").to_owned();
        let mut revision = emulator.get(&name).expect("there is a revision");
        revision["conditions"] = json!([{"type": "Ready", "state": "CONDITION_SUCCEEDED"}]);
        emulator.put_revision(&name, revision).expect("a valid revision");
        service["latestReadyRevision"] = json!(name);
        service["reconciling"] = json!(false);
        emulator.put_service(SERVICE, service).expect("a valid service");
        return;
    }
}

#[test]
fn a_whole_incident_is_put_right() {
    needs_postgres!();
    needs_registry!();
    let database = Database::builder(Generation::August2026).without_roles().create();
    let environment = DoctorFixture::with_database(&database);
    // The backend was deployed from the Dockerfile's last stage, and Terraform broke off because of it.
    let own = own_image(&environment);
    let mut first = environment.world.emulator.get(&revision_name(1)).expect("there is a first one");
    first["containers"][0]["image"] = json!(own);
    environment.world.emulator.put_revision(&revision_name(1), first).expect("a valid revision");
    failed(&environment, &format!("{}:latest", environment.image()), &[NO_ACTION, NO_ACTION, NO_ACTION]);
    put_lock(&environment, "runner@fv-az123-456", 45);
    environment
        .world
        .emulator
        .set_service_outcome(SERVICE, ServiceOutcome::ReadyAfter(Duration::from_hours(1)));

    // The server here has another port than Cloud SQL's, which the fix of the check `database` would put right.
    let all = ["--deep", "--skip", "machine-docker,database"];
    let doctor = |args: &[&'static str]| environment.doctor(all.into_iter().chain(args.iter().copied()));
    let sick = doctor(&["--json"]).output().exits(30).json();
    let wrong: Vec<(String, String)> =
        results(&sick).into_iter().filter(|(_, result)| result != "healthy").collect();
    let expected = [
        ("backend-image", "problem"),
        ("backend-startup", "skipped"),
        ("database-check", "problem"),
        ("record-key", "skipped"),
        // The file names no bucket for them.
        ("records", "skipped"),
        ("state-lock", "problem"),
    ];
    assert_eq!(wrong, expected.map(|(id, result)| (id.to_owned(), result.to_owned())), "{sick:#}");
    let roles = &check(&sick, "database-check")["findings"][0];
    assert!(roles["what"].as_str().expect("a text").contains("6 of the application's 6 roles"), "{roles:#}");

    let fixed = thread::scope(|scope| {
        scope.spawn(|| application(&environment));
        doctor(&["--fix", "--yes"]).output().exits(30)
    });
    for done in ["✔ restore-backend: ", "✔ remove-lock: "] {
        assert!(fixed.stdout.contains(done), "{fixed}");
    }
    // A backend that serves again does not add roles: the doctor says which command does.
    let advice = "put them there with \"quill-admin seed-roles\"";
    assert!(fixed.stdout.contains(advice) && !fixed.stdout.contains("✔ database-check"), "{fixed}");
    let _ = environment
        .world
        .quill_admin(["seed-roles", "--env", "staging", "--yes", "--allow-unpinned"])
        .output()
        .exits(0);
    let service = environment.world.emulator.get(SERVICE).expect("there is a service");
    assert_eq!(service["template"]["containers"][0]["image"], own);
    assert!(environment.world.emulator.object(STATE_BUCKET, LOCK).is_none());

    let well = doctor(&["--json"]).output().exits(0).json();
    // Records are neither signed there nor kept in a bucket of their own.
    let is_well = |(id, result): (&String, &String)| {
        result == "healthy" || ["record-key", "records"].contains(&id.as_str())
    };
    assert!(results(&well).iter().all(is_well), "{well:#}");
}
