//! Calls about what surrounds a job, and the few changes in it: the adapter against the emulator, over HTTP.

use std::time::{Duration, Instant};

use cloud_emulator::{Builder, Emulator, Fault, FaultAction, Script, SecretVersionState as Secret, Step};
use jiff::Timestamp;
use quill_admin_cloud::{
    CloudErrorKind, Credentials, Endpoints, Google, JobName, LockInfo, LogExtent, ObjectName, Phase,
    ProjectId, Readiness, Removal, ResourceId, RunJob, SecretVersionState, ServiceName, SignIn,
    SignInOptions, SslMode, TrustedHosts,
};
use serde_json::{Value, json};

const JOB: &str = "projects/project/locations/europe-west2/jobs/admin";
const SERVICE: &str = "projects/project/locations/europe-west2/services/backend";
const BUCKET: &str = "terraform-state";
const LOCK: &str = "terraform/state/staging.tflock";

struct World {
    emulator: Emulator,
    google: Google,
    project: ProjectId,
}

impl World {
    async fn start() -> Self {
        Self::of(Emulator::builder(), Credentials::Anonymous).await
    }

    async fn of(builder: Builder, credentials: Credentials) -> Self {
        let emulator = builder.start().await.expect("an emulator");
        let google =
            Google::connect(Endpoints::all_at(&emulator.url()), credentials).await.expect("connected");
        Self { emulator, google, project: "project".parse().expect("valid") }
    }

    fn put_job(&self, more: Value) {
        let mut job = json!({
            "template": {"template": {"maxRetries": 0, "containers": [{"image": "h/p/admin:1"}]}},
        });
        if let (Some(job), Value::Object(more)) = (job.as_object_mut(), more) {
            job.extend(more);
        }
        self.emulator.put_job(JOB, job).expect("put");
    }

    fn lines(&self) -> Vec<String> {
        let line = |call: &cloud_emulator::RecordedCall| {
            let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
            format!("{}{query} {}", call.line(), call.status.unwrap_or_default())
        };
        self.emulator.calls().iter().map(line).collect()
    }
}

fn job_name() -> JobName {
    JobName {
        project: "project".parse().expect("valid"),
        region: "europe-west2".parse().expect("valid"),
        job: "admin".parse().expect("valid"),
    }
}

fn service_name() -> ServiceName {
    ServiceName {
        project: "project".parse().expect("valid"),
        region: "europe-west2".parse().expect("valid"),
        service: "backend".parse().expect("valid"),
    }
}

fn lock_name() -> ObjectName {
    ObjectName::new(BUCKET, LOCK).expect("valid")
}

/// A lock as Terraform 1.9 writes it.
const HELD: &str = r#"{"ID":"6f1a8e36-5d5c-e0b9-0a3e-1d2f3c4b5a69","Operation":"OperationTypeApply","Info":"",
    "Who":"runner@fv-az1","Version":"1.9.8","Created":"2026-08-01T10:00:00.123456789Z",
    "Path":"gs://terraform-state/terraform/state/staging.tflock"}"#;

#[tokio::test]
async fn a_project_has_a_number_and_may_be_going() {
    let world = World::start().await;
    let missing = world.google.project(&world.project).await.expect_err("nothing there");
    assert_eq!(missing.kind, CloudErrorKind::PermissionDenied);
    world.emulator.put_project("project", json!({})).expect("put");
    let project = world.google.project(&world.project).await.expect("there");
    assert!(project.active);
    project.number.parse::<u64>().expect("a number");
    world.emulator.put_project("project", json!({"state": "DELETE_REQUESTED"})).expect("put");
    assert!(!world.google.project(&world.project).await.expect("there").active);
}

#[tokio::test]
async fn enabled_services_are_asked_for_in_one_request() {
    const ASKED: [&str; 2] = ["run.googleapis.com", "sqladmin.googleapis.com"];
    let world = World::start().await;
    world.put_job(json!({}));
    let enabled = world.google.enabled_services(&world.project, &ASKED).await.expect("an answer");
    assert_eq!(enabled.iter().map(String::as_str).collect::<Vec<_>>(), ASKED);
    world.emulator.set_service_enabled("project", ASKED[1], false);
    let enabled = world.google.enabled_services(&world.project, &ASKED).await.expect("an answer");
    assert_eq!(enabled.iter().map(String::as_str).collect::<Vec<_>>(), ASKED[..1]);
    assert_eq!(world.emulator.calls().len(), 2, "{:?}", world.lines());

    // The error of a service that is not enabled must not be taken for a missing permission.
    let instance: ResourceId = "auth".parse().expect("valid");
    let error = world.google.database_instance(&world.project, &instance).await.expect_err("refused");
    assert_eq!(error.kind, CloudErrorKind::ServiceDisabled);
    assert!(error.message.starts_with("Cloud SQL Admin API has not been used in project "), "{error}");
    world.emulator.deny_permissions(["serviceusage.services.get"]);
    let error = world.google.enabled_services(&world.project, &ASKED).await.expect_err("denied");
    assert_eq!(error.kind, CloudErrorKind::PermissionDenied);
}

#[tokio::test]
async fn runs_are_recorded_where_writes_are() {
    let world = World::start().await;
    let of = async |configs: Value| {
        let policy = json!({"auditConfigs": configs});
        world.emulator.put_iam_policy("project", policy).expect("put");
        let logging = world.google.records_runs(&world.project).await.expect("an answer");
        (logging.writes, logging.exempt)
    };
    let none: Vec<String> = Vec::new();
    assert_eq!(of(json!([])).await, (false, none.clone()));
    let reads = json!([{"service": "run.googleapis.com", "auditLogConfigs": [{"logType": "DATA_READ"}]}]);
    assert_eq!(of(reads).await, (false, none.clone()));
    let other =
        json!([{"service": "storage.googleapis.com", "auditLogConfigs": [{"logType": "DATA_WRITE"}]}]);
    assert_eq!(of(other).await, (false, none.clone()));
    let ours = json!([{"service": "run.googleapis.com", "auditLogConfigs": [{"logType": "DATA_WRITE"}]}]);
    assert_eq!(of(ours).await, (true, none));
    let both = json!([
        {"service": "allServices", "auditLogConfigs": [
            {"logType": "DATA_WRITE", "exemptedMembers": ["user:steve@example.org"]},
        ]},
        {"service": "run.googleapis.com", "auditLogConfigs": [
            {"logType": "DATA_WRITE", "exemptedMembers": ["user:jo@example.org"]},
        ]},
    ]);
    let exempt = ["user:steve@example.org", "user:jo@example.org"].map(str::to_owned);
    assert_eq!(of(both).await, (true, exempt.into()));
}

#[tokio::test]
async fn a_secrets_version_has_a_state_and_its_value_is_never_asked_for() {
    let world = World::start().await;
    let of = |version: &'static str| world.google.secret_version(world.project.as_str(), "password", version);
    world.emulator.put_secret_without_version("project", "password");
    let missing = of("latest").await.expect_err("no version");
    assert_eq!(missing.kind, CloudErrorKind::NotFound);
    assert!(missing.message.ends_with("not found or has no versions."), "{missing}");
    world.emulator.put_secret("project", "password", "one");
    world.emulator.add_secret_version("project", "password", "two").expect("added");
    let state = |number, state| world.emulator.set_secret_version_state("project", "password", number, state);
    state(1, Secret::Destroyed).expect("set");
    let found = of("latest").await.expect("there");
    assert_eq!((found.number.as_str(), found.state), ("2", SecretVersionState::Enabled));
    state(2, Secret::Disabled).expect("set");
    assert_eq!(of("2").await.expect("there").state, SecretVersionState::Disabled);
    assert_eq!(of("1").await.expect("there").state, SecretVersionState::Destroyed);
    let missing = of("3").await.expect_err("no such version");
    assert!(missing.message.ends_with("/versions/3] not found."), "{missing}");
    assert!(world.lines().iter().all(|line| !line.contains(":access")));
}

#[tokio::test]
async fn a_database_says_whether_it_runs_and_what_it_takes() {
    let world = World::start().await;
    let instance: ResourceId = "auth".parse().expect("valid");
    let of = async |described: Value| {
        world.emulator.put_sql_instance("project", "auth", described).expect("put");
        world.google.database_instance(&world.project, &instance).await.expect("there")
    };
    let found = of(json!({
        "databaseVersion": "POSTGRES_15",
        "ipAddresses": [{"type": "PRIMARY", "ipAddress": "1.2.3.4"}, {"type": "PRIVATE", "ipAddress": "10.0.0.3"}],
        "settings": {"activationPolicy": "ALWAYS", "ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}},
    }))
    .await;
    assert_eq!(found.private_ip.as_deref(), Some("10.0.0.3"));
    assert_eq!(
        (found.state.as_str(), found.stopped, found.version.as_str()),
        ("RUNNABLE", false, "POSTGRES_15")
    );
    assert_eq!(found.ssl_mode, SslMode::EncryptedOnly);
    let stopped = of(json!({"state": "MAINTENANCE", "settings": {"activationPolicy": "NEVER"}})).await;
    assert_eq!((stopped.state.as_str(), stopped.stopped), ("MAINTENANCE", true));
    for (configuration, mode) in [
        (json!({}), SslMode::AllowUnencrypted),
        (json!({"requireSsl": true}), SslMode::ClientCertificate),
        (json!({"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}), SslMode::AllowUnencrypted),
        (json!({"sslMode": "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}), SslMode::ClientCertificate),
    ] {
        let found = of(json!({"settings": {"ipConfiguration": configuration}})).await;
        assert_eq!(found.ssl_mode, mode, "{configuration}");
    }
}

#[tokio::test]
async fn a_job_says_whether_it_can_run() {
    let world = World::start().await;
    let name = job_name();
    assert!(world.google.find_job(&name).await.expect("an answer").is_none());
    world.put_job(json!({}));
    let job = world.google.find_job(&name).await.expect("an answer").expect("there");
    assert_eq!((job.readiness, job.executions), (Readiness::Ready, 0));
    assert_eq!(job.etag, world.google.job(&name).await.expect("there").etag);
}

#[tokio::test]
async fn a_revision_says_what_failed_and_how_it_was_asked() {
    let world = World::start().await;
    let failed = json!({
        "containers": [{
            "image": "h/p/admin:1",
            "ports": [{"containerPort": 8000}],
            "startupProbe": {
                "initialDelaySeconds": 5,
                "failureThreshold": 6,
                "httpGet": {"path": "/health", "port": 8001},
            },
        }],
        "conditions": [{
            "type": "Ready",
            "state": "CONDITION_FAILED",
            "message": "The user-provided container failed the configured startup probe checks.",
            "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR",
            "lastTransitionTime": "2026-08-01T10:01:05Z",
        }],
    });
    world.emulator.put_revision(&format!("{SERVICE}/revisions/backend-2"), failed).expect("put");
    let plain = json!({"containers": [{"image": "h/p/backend:1"}]});
    world.emulator.put_revision(&format!("{SERVICE}/revisions/backend-1"), plain).expect("put");
    let revisions = world.google.revisions(&service_name()).await.expect("a list");
    let of = |id: &str| revisions.iter().find(|revision| revision.id == id).expect("there");
    let revision = of("backend-2");
    let ready = revision.condition("Ready").expect("a condition");
    let message = "The user-provided container failed the configured startup probe checks.".to_owned();
    assert_eq!(ready.readiness, Readiness::Failed { reason: message });
    assert_eq!(ready.readiness, revision.readiness);
    assert_eq!(ready.reason, "HEALTH_CHECK_CONTAINER_ERROR");
    assert_eq!(ready.since, Some("2026-08-01T10:01:05Z".parse::<Timestamp>().expect("a time")));
    let probe = revision.startup_probe.as_ref().expect("a probe");
    assert_eq!((revision.port, probe.port), (8000, Some(8001)));
    assert_eq!(probe.patience(), Duration::from_secs(65), "5 s and 6 times 10 s");
    let revision = of("backend-1");
    assert_eq!((revision.port, &revision.startup_probe), (8080, &None));

    let service = json!({
        "template": {"containers": [{"image": "h/p/admin:1"}]},
        "terminalCondition": {"type": "Ready", "state": "CONDITION_FAILED", "message": "not ready"},
    });
    world.emulator.put_service(SERVICE, service).expect("put");
    let service = world.google.service(&service_name()).await.expect("there");
    assert_eq!(service.readiness, Readiness::Failed { reason: "not ready".to_owned() });
}

#[tokio::test]
async fn the_container_that_gets_the_requests_is_the_one_with_a_port() {
    let world = World::start().await;
    let proxy =
        json!({"name": "proxy", "image": "h/p/proxy:1", "startupProbe": {"tcpSocket": {"port": 6000}}});
    let backend = json!({"name": "backend", "image": "h/p/backend:1", "ports": [{"containerPort": 8000}]});
    let containers = json!([proxy, backend]);
    let revision = json!({"containers": containers});
    world.emulator.put_revision(&format!("{SERVICE}/revisions/backend-1"), revision).expect("put");
    let revision = world.google.revision(&service_name(), "backend-1").await.expect("there");
    assert_eq!((&*revision.image, revision.port), ("h/p/backend:1", 8000));
    assert_eq!(revision.startup_probe, None);
    let service = json!({"template": {"containers": containers}});
    world.emulator.put_service(SERVICE, service).expect("put");
    let service = world.google.service(&service_name()).await.expect("there");
    assert_eq!(service.image, "h/p/backend:1");
    // The image is written where it was read.
    let note = ("note", "1".to_owned());
    world.google.change_service_image(&service, "h/p/backend:2", note).await.expect("changed");
    let changed = world.emulator.get(SERVICE).expect("there");
    let images =
        ["0", "1"].map(|index| changed.pointer(&format!("/template/containers/{index}/image")).cloned());
    assert_eq!(images, [Some(json!("h/p/proxy:1")), Some(json!("h/p/backend:2"))]);
}

#[tokio::test]
async fn a_log_of_a_revision_tells_how_much_of_it_was_read() {
    let world = World::start().await;
    // Not older than what a log keeps.
    let begin = Timestamp::now() - jiff::SignedDuration::from_hours(1);
    for second in 0..3 {
        let entry = json!({
            "logName": "projects/project/logs/run.googleapis.com%2Fstderr",
            "resource": {"type": "cloud_run_revision", "labels": {
                "project_id": "project", "service_name": "backend", "revision_name": "backend-1",
                "location": "europe-west2",
            }},
            "timestamp": (begin + jiff::SignedDuration::from_secs(second)).to_string(),
            "textPayload": format!("line {second}"),
        });
        world.emulator.put_log_entry(entry).expect("put");
    }
    let read = async |lines: usize| {
        let log = world.google.revision_log(&service_name(), "backend-1", lines).await.expect("a log");
        let lines: Vec<String> = log.entries.into_iter().map(|entry| entry.message).collect();
        (lines.join(", "), log.extent)
    };
    assert_eq!(read(200).await, ("line 0, line 1, line 2".to_owned(), LogExtent::Whole));
    assert_eq!(read(3).await, ("line 0, line 1, line 2".to_owned(), LogExtent::Whole));
    assert_eq!(read(2).await, ("line 1, line 2".to_owned(), LogExtent::End));
    // A page without entries and with a token is not the end of a log.
    world.emulator.set_empty_log_pages(2);
    assert_eq!(read(2).await, ("line 1, line 2".to_owned(), LogExtent::End));
    // The search has an end.
    let calls = world.emulator.calls().len();
    world.emulator.set_empty_log_pages(1000);
    assert_eq!(read(2).await, (String::new(), LogExtent::Part));
    assert_eq!(world.emulator.calls().len() - calls, 5);
}

#[tokio::test]
async fn an_execution_that_carries_a_password_is_known_and_deleted() {
    let world = World::start().await;
    world.put_job(json!({}));
    world.emulator.set_script(JOB, Script::new([Step::Exit(0)]));
    let name = job_name();
    let run = async |variable: &'static str, value: &str| {
        let etag = world.google.job(&name).await.expect("there").etag;
        let run = RunJob { etag, env: vec![(variable.to_owned(), value.to_owned())], timeout: None };
        world.google.run(&name, run).await.expect("started").name
    };
    let leaky = run("ADMIN_PASSWORD", "planted-hunter2").await;
    let good = run("ADMIN_PASSWORD_HASH", "$argon2id$").await;
    run("ADMIN_PASSWORD", "").await;
    let list = world.google.executions(&name).await.expect("a list");
    let found: Vec<_> = list.iter().filter(|one| one.plaintext_password).map(|one| &one.name).collect();
    assert_eq!(found, [&leaky]);
    assert!(!format!("{list:?}").contains("planted-hunter2"), "the value stays where it is");
    world.google.delete_execution(&leaky).await.expect("deleted");
    let gone = world.google.execution(&leaky).await.expect_err("gone");
    assert_eq!(gone.kind, CloudErrorKind::NotFound);
    assert!(matches!(world.google.execution(&good).await.expect("still there").phase, Phase::Ended(_)));
    let again = world.google.delete_execution(&leaky).await.expect_err("gone");
    assert_eq!(again.kind, CloudErrorKind::NotFound);
}

#[tokio::test]
async fn a_lock_is_read_in_two_requests_and_its_generation_is_the_objects() {
    let world = World::start().await;
    let name = lock_name();
    world.emulator.put_bucket(BUCKET);
    assert_eq!(world.google.state_lock(&name).await.expect("an answer"), None);
    let generation = world.emulator.put_object(BUCKET, LOCK, HELD);
    let lock = world.google.state_lock(&name).await.expect("an answer").expect("a lock");
    assert_eq!((lock.generation, lock.created.as_microsecond()), (generation, generation));
    assert_eq!(
        lock.info,
        Some(LockInfo {
            id: "6f1a8e36-5d5c-e0b9-0a3e-1d2f3c4b5a69".to_owned(),
            operation: "OperationTypeApply".to_owned(),
            info: String::new(),
            who: "runner@fv-az1".to_owned(),
            version: "1.9.8".to_owned(),
            created: Some("2026-08-01T10:00:00.123456789Z".parse().expect("a time")),
            path: "gs://terraform-state/terraform/state/staging.tflock".to_owned(),
        })
    );
    let object = "/storage/v1/b/terraform-state/o/terraform%2Fstate%2Fstaging.tflock";
    assert_eq!(
        world.lines(),
        [
            format!("GET {object} 404"),
            format!("GET {object} 200"),
            format!("GET {object}?alt=media&generation={generation} 200"),
        ]
    );
    world.emulator.put_object(BUCKET, LOCK, "not JSON");
    let lock = world.google.state_lock(&name).await.expect("an answer").expect("a lock all the same");
    assert_eq!(lock.info, None);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_no_state_without_a_lock() {
    let world = World::start().await;
    let error = world.google.state_lock(&lock_name()).await.expect_err("nobody knows");
    assert_eq!(error.kind, CloudErrorKind::NotFound);
    assert!(error.to_string().ends_with(": The specified bucket does not exist."), "{error}");
    world.google.remove_state_lock(&lock_name(), 1).await.expect_err("nobody knows");
    world.emulator.put_object(BUCKET, LOCK, HELD);
    world.emulator.deny_permissions(["storage.objects.get"]);
    let error = world.google.state_lock(&lock_name()).await.expect_err("denied");
    assert_eq!(error.kind, CloudErrorKind::PermissionDenied);
    assert!(error.message.contains("storage.objects.get"), "{error}");
}

#[tokio::test]
async fn only_the_lock_that_was_seen_is_removed() {
    let world = World::start().await;
    let name = lock_name();
    let seen = world.emulator.put_object(BUCKET, LOCK, HELD);
    let taken = world.emulator.put_object(BUCKET, LOCK, "a lock taken in between");
    let removal = world.google.remove_state_lock(&name, seen).await.expect("an answer");
    assert_eq!(removal, Removal::Replaced);
    assert!(world.emulator.object(BUCKET, LOCK).is_some_and(|(generation, _)| generation == taken));
    let removal = world.google.remove_state_lock(&name, taken).await.expect("an answer");
    assert_eq!(removal, Removal::Removed);
    assert_eq!(world.emulator.object(BUCKET, LOCK), None);
    assert_eq!(world.google.remove_state_lock(&name, taken).await.expect("an answer"), Removal::Gone);

    // Cloud Storage might refuse the condition if there is no object at all.
    world
        .emulator
        .set_faults([Fault::new("/storage/*", FaultAction::status(412, "not met")).method("DELETE")]);
    assert_eq!(world.google.remove_state_lock(&name, taken).await.expect("an answer"), Removal::Gone);
    world.emulator.set_faults([]);
    let generation = world.emulator.put_object(BUCKET, LOCK, HELD);
    world.emulator.deny_permissions(["storage.objects.delete"]);
    let error = world.google.remove_state_lock(&name, generation).await.expect_err("denied");
    assert_eq!(error.kind, CloudErrorKind::PermissionDenied);
    assert!(world.emulator.object(BUCKET, LOCK).is_some());
}

#[tokio::test]
async fn a_lost_answer_to_a_removal_is_resolved_by_looking() {
    let world = World::start().await;
    let name = lock_name();
    let deletes = || world.emulator.calls().iter().filter(|call| call.method == "DELETE").count();
    let fault = |action| world.emulator.set_faults([Fault::new("/storage/*", action).method("DELETE")]);
    let generation = world.emulator.put_object(BUCKET, LOCK, HELD);
    fault(FaultAction::ResetAfter);
    assert_eq!(world.google.remove_state_lock(&name, generation).await.expect("known"), Removal::Removed);
    assert_eq!(deletes(), 1, "sent once");

    let generation = world.emulator.put_object(BUCKET, LOCK, HELD);
    fault(FaultAction::status(503, "try again"));
    let error = world.google.remove_state_lock(&name, generation).await.expect_err("not carried out");
    assert_eq!(error.message, "try again");
    assert_eq!(deletes(), 2, "sent once");
    let taken = world.emulator.put_object(BUCKET, LOCK, "another");
    assert_eq!(world.google.remove_state_lock(&name, generation).await.expect("known"), Removal::Replaced);
    assert!(world.emulator.object(BUCKET, LOCK).is_some_and(|(generation, _)| generation == taken));
}

#[tokio::test]
async fn a_lock_that_goes_under_the_look_is_looked_at_again() {
    let world = World::start().await;
    let name = lock_name();
    world.emulator.put_object(BUCKET, LOCK, HELD);
    // The content of the first generation is gone when it is requested.
    world.emulator.set_faults([Fault::new("/storage/*", FaultAction::status(404, "gone")).after(1).times(1)]);
    assert!(world.google.state_lock(&name).await.expect("an answer").is_some());
    assert_eq!(world.emulator.calls().len(), 4, "{:?}", world.lines());
    world.emulator.set_faults([Fault::new("*/b/*", FaultAction::status(503, "try again")).times(2)]);
    assert!(world.google.state_lock(&name).await.expect("tried again").is_some());
}

#[tokio::test]
async fn an_unreachable_service_is_given_up_in_time() {
    let world = World::start().await;
    world.emulator.put_object(BUCKET, LOCK, HELD);
    world.emulator.set_faults([Fault::new("/storage/*", FaultAction::status(503, "try again"))]);
    let begin = Instant::now();
    let error = world.google.state_lock(&lock_name()).await.expect_err("given up");
    assert_eq!((error.kind, error.message.as_str()), (CloudErrorKind::Failed, "try again"));
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
    let url = world.emulator.url();
    world.emulator.shutdown().await.expect("an end");
    let google = Google::connect(Endpoints::all_at(&url), Credentials::Anonymous).await.expect("connected");
    let error = google.remove_state_lock(&lock_name(), 1).await.expect_err("nobody there");
    assert_eq!(error.kind, CloudErrorKind::Unreachable);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once_there_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("adc.json");
    let builder = Emulator::builder().require_token("nobody-knows");
    let emulator = builder.start().await.expect("an emulator");
    let url = emulator.url();
    let user = json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": format!("{url}/token"),
    });
    std::fs::write(&file, user.to_string()).expect("written");
    quill_admin_cloud::install_tls_provider();
    let hosts = TrustedHosts { loopback: true, ..TrustedHosts::default() };
    let options = SignInOptions { application_credentials: Some(file), hosts, ..SignInOptions::default() };
    let credentials = Credentials::SignIn(SignIn::find(&options).expect("found"));
    let google = Google::connect(Endpoints::all_at(&url), credentials).await.expect("connected");
    let generation = emulator.put_object(BUCKET, LOCK, HELD);
    assert!(google.state_lock(&lock_name()).await.expect("an answer").is_some());
    emulator.expire_tokens();
    assert_eq!(google.remove_state_lock(&lock_name(), generation).await.expect("let in"), Removal::Removed);
    let sent: Vec<_> = emulator.calls().iter().map(|call| (call.method.clone(), call.status)).collect();
    let sent: Vec<_> = sent.iter().map(|(method, status)| (method.as_str(), status.unwrap_or(0))).collect();
    assert_eq!(
        sent,
        [("POST", 200), ("GET", 200), ("GET", 200), ("DELETE", 401), ("POST", 200), ("DELETE", 204)]
    );
    emulator.refuse_refresh(Some("Token has been expired or revoked."));
    emulator.expire_tokens();
    let error = google.state_lock(&lock_name()).await.expect_err("not let in");
    assert_eq!(error.kind, CloudErrorKind::NotSignedIn);
    assert!(error.message.ends_with("Token has been expired or revoked."), "{error}");
}

#[tokio::test]
async fn permissions_are_asked_of_the_project_and_the_bucket() {
    let world = World::start().await;
    world.put_job(json!({}));
    let granted =
        async |lock: Option<&ObjectName>| world.google.granted(&job_name(), lock).await.expect("an answer");
    let name = lock_name();
    assert!(!granted(None).await.contains("storage.objects.get"), "nobody was asked");
    let nothing = granted(Some(&name)).await;
    assert!(nothing.contains("run.jobs.get") && !nothing.contains("storage.objects.get"), "no such bucket");
    world.emulator.put_bucket(BUCKET);
    world.emulator.deny_permissions(["storage.objects.delete", "run.executions.delete"]);
    let some = granted(Some(&name)).await;
    assert!(some.contains("storage.objects.get") && some.contains("secretmanager.versions.get"));
    assert!(!some.contains("storage.objects.delete") && !some.contains("run.executions.delete"));
    let asked = world.emulator.calls().into_iter().rfind(|call| call.path.starts_with("/v3/"));
    let asked = asked.expect("a call").body["permissions"].to_string();
    assert!(!asked.contains("storage."), "the bucket can be another project's: {asked}");
}
