//! Services whose new revision takes its time, or never gets ready.

use std::time::Duration;

use crate::common::{LOCATION, World};
use cloud_emulator::{Emulator, ServiceOutcome};
use google_cloud_gax::error::rpc::Code;
use google_cloud_logging_v2::model::LogEntry;
use google_cloud_longrunning::model::Operation;
use google_cloud_run_v2::client::Services;
use google_cloud_run_v2::model::condition::{RevisionReason, State};
use google_cloud_run_v2::model::{Condition, Container, Revision, RevisionTemplate, Service};
use serde_json::{Value, json};

fn service_name() -> String {
    format!("{LOCATION}/services/backend")
}

fn first_revision() -> String {
    format!("{}/revisions/backend-00001-abc", service_name())
}

/// A service with a revision that is ready.
async fn world_with_service() -> World {
    let world = World::start(Emulator::builder()).await;
    put_service(&world);
    world
}

fn put_service(world: &World) {
    let ready = json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"});
    let service = json!({
        "template": {"containers": [{"image": "h/p/backend:1"}]},
        "terminalCondition": ready,
        "latestReadyRevision": first_revision(),
        "latestCreatedRevision": first_revision(),
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
    });
    world.emulator.put_service(&service_name(), service).expect("put");
    let revision = json!({"containers": [{"image": "h/p/backend:1"}], "conditions": [ready]});
    world.emulator.put_revision(&first_revision(), revision).expect("put");
}

async fn deploy(world: &World, image: &str) -> Operation {
    deploy_by(&world.services().await, image).await
}

async fn deploy_by(services: &Services, image: &str) -> Operation {
    let container = Container::new().set_image(image);
    let service = Service::new()
        .set_name(service_name())
        .set_template(RevisionTemplate::new().set_containers([container]));
    let mask = google_cloud_wkt::FieldMask::default().set_paths(["template.containers"]);
    services.update_service().set_service(service).set_update_mask(mask).send().await.expect("accepted")
}

async fn service(world: &World) -> Service {
    world.services().await.get_service().set_name(service_name()).send().await.expect("a service")
}

async fn revision(world: &World, name: &str) -> Revision {
    world.revisions().await.get_revision().set_name(name).send().await.expect("a revision")
}

fn of_operation(operation: &Operation) -> Service {
    operation.metadata.as_ref().expect("metadata").to_msg().expect("a service")
}

fn state(service: &Service) -> State {
    service.terminal_condition.clone().expect("a condition").state
}

fn condition<'a>(conditions: &'a [Condition], kind: &str) -> &'a Condition {
    let found = conditions.iter().find(|condition| condition.r#type == kind);
    found.unwrap_or_else(|| panic!("no condition {kind}: {conditions:?}"))
}

async fn revision_log(world: &World, revision: &str) -> Vec<LogEntry> {
    let id = revision.rsplit('/').next().expect("a name");
    let filter = format!(
        "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"backend\" AND \
         resource.labels.revision_name=\"{id}\" AND resource.labels.location=\"europe-west2\""
    );
    let logging = world.logging().await;
    let list = logging.list_log_entries().set_resource_names(["projects/p"]).set_filter(filter).send().await;
    list.expect("a list").entries
}

#[tokio::test]
async fn a_revision_is_pending_and_then_ready() {
    let world = world_with_service().await;
    let after = ServiceOutcome::ReadyAfter(Duration::from_millis(50));
    world.emulator.set_service_outcome(&service_name(), after);
    let update = deploy(&world, "h/p/backend:2").await;
    assert!(!update.done);
    let pending = of_operation(&update);
    assert_eq!(state(&pending), State::ConditionReconciling);
    assert!(pending.reconciling);
    assert_eq!(pending.latest_ready_revision, first_revision());
    assert_ne!(pending.latest_created_revision, first_revision());
    assert_eq!((pending.generation, pending.observed_generation), (2, 1));

    let done = world.wait(&update).await;
    assert!(done.error().is_none());
    let answer: Service = done.response().expect("a response").to_msg().expect("a service");
    let ready = service(&world).await;
    assert_eq!(answer, ready);
    assert_eq!(state(&ready), State::ConditionSucceeded);
    assert!(!ready.reconciling);
    assert_eq!(ready.latest_ready_revision, pending.latest_created_revision);
    assert_eq!(ready.latest_created_revision, pending.latest_created_revision);
    assert_eq!((ready.generation, ready.observed_generation), (2, 2));
    assert_eq!(ready.traffic_statuses.len(), 1);
    assert_eq!(ready.traffic_statuses[0].percent, 100);
    let revision = revision(&world, &ready.latest_ready_revision).await;
    assert_eq!(condition(&revision.conditions, "Ready").state, State::ConditionSucceeded);
    assert!(!revision.reconciling);
    let log = revision_log(&world, &revision.name).await;
    assert_eq!(log.len(), 1, "{log:?}");
    world.end().await;
}

#[tokio::test]
async fn a_revision_is_pending_as_long_as_it_takes() {
    let world = world_with_service().await;
    let after = ServiceOutcome::ReadyAfter(Duration::from_hours(1));
    world.emulator.set_service_outcome(&service_name(), after);
    let update = deploy(&world, "h/p/backend:2").await;
    let pending = service(&world).await;
    assert_eq!(of_operation(&update), pending);
    let revision = revision(&world, &pending.latest_created_revision).await;
    assert!(revision.reconciling);
    assert_eq!(condition(&revision.conditions, "Ready").state, State::ConditionReconciling);
    assert_eq!(condition(&revision.conditions, "ContainerHealthy").state, State::ConditionPending);
    let again = world.services().await.get_operation().set_name(&update.name).send().await;
    assert!(!again.expect("there").done);

    // A later update does not wait for it, and its service is not taken back afterwards.
    world.emulator.set_service_outcome(&service_name(), ServiceOutcome::Ready);
    let later = deploy(&world, "h/p/backend:3").await;
    assert!(later.done);
    assert_eq!(state(&service(&world).await), State::ConditionSucceeded);

    world.emulator.reset().await;
    put_service(&world);
    assert_eq!(service(&world).await.latest_ready_revision, first_revision());
    world.end().await;
}

#[tokio::test]
async fn a_revision_that_never_gets_ready_leaves_the_service_with_the_one_before() {
    let world = world_with_service().await;
    let outcome =
        ServiceOutcome::probe_fails(["starting", r#"{"severity": "CRITICAL", "message": "no database"}"#]);
    world.emulator.set_service_outcome(&service_name(), outcome);
    let update = deploy(&world, "h/p/backend:2").await;
    assert!(!update.done);
    let done = world.wait(&update).await;
    let error = done.error().expect("an error");
    assert!(done.response().is_none());
    assert_eq!(error.code, Code::FailedPrecondition as i32);

    let failed = service(&world).await;
    assert_eq!(state(&failed), State::ConditionFailed);
    assert!(!failed.reconciling);
    assert_eq!(failed.latest_ready_revision, first_revision());
    assert_ne!(failed.latest_created_revision, first_revision());
    assert_eq!((failed.generation, failed.observed_generation), (2, 1));
    assert_eq!(failed.traffic_statuses[0].percent, 100);
    let terminal = failed.terminal_condition.as_ref().expect("a condition");
    assert_eq!(terminal.message, error.message);
    assert_eq!(terminal.revision_reason(), Some(&RevisionReason::HealthCheckContainerError));
    let id = failed.latest_created_revision.rsplit('/').next().expect("a name");
    let said = format!(
        "Revision '{id}' is not ready and cannot serve traffic. The user-provided container failed the \
         configured startup probe checks. Logs for this revision might contain more information."
    );
    assert!(error.message.starts_with(&said), "{}", error.message);

    let revision = revision(&world, &failed.latest_created_revision).await;
    for kind in ["Ready", "ContainerHealthy"] {
        let condition = condition(&revision.conditions, kind);
        assert_eq!(condition.state, State::ConditionFailed);
        assert_eq!(condition.revision_reason(), Some(&RevisionReason::HealthCheckContainerError));
        assert!(condition.message.starts_with("The user-provided container failed"));
    }
    let log = revision_log(&world, &revision.name).await;
    let [starting, database, probe] = &log[..] else { panic!("three entries: {log:?}") };
    assert_eq!(starting.text_payload().map(String::as_str), Some("starting"));
    assert_eq!(starting.log_name, "projects/p/logs/run.googleapis.com%2Fstderr");
    assert_eq!(
        database.json_payload().and_then(|payload| payload.get("message")),
        Some(&json!("no database"))
    );
    assert_eq!(database.severity.name(), Some("CRITICAL"));
    assert_eq!(probe.log_name, "projects/p/logs/run.googleapis.com%2Fvarlog%2Fsystem");
    let probe = probe.text_payload().expect("a text");
    assert!(probe.contains("probe failed") && probe.contains("The instance was not started."), "{probe}");

    // The way back: a good image.
    world.emulator.set_service_outcome(&service_name(), ServiceOutcome::Ready);
    let update = deploy(&world, "h/p/backend:1").await;
    assert!(update.done && update.error().is_none());
    let ready = service(&world).await;
    assert_eq!(state(&ready), State::ConditionSucceeded);
    assert_eq!(ready.latest_ready_revision, ready.latest_created_revision);
    assert_eq!((ready.generation, ready.observed_generation), (3, 3));
    world.end().await;
}

#[tokio::test]
async fn what_fails_late_does_not_take_the_service_back_from_a_newer_revision() {
    let world = world_with_service().await;
    let outcome = ServiceOutcome::NotReady {
        // Longer than the two calls take on any machine.
        after: Duration::from_secs(1),
        reason: "HEALTH_CHECK_CONTAINER_ERROR".to_owned(),
        message: "Too late.".to_owned(),
        log: Vec::new(),
    };
    world.emulator.set_service_outcome_for_image(&service_name(), ":2", outcome);
    let services = world.services().await;
    let slow = deploy_by(&services, "h/p/backend:2").await;
    let fast = deploy_by(&services, "h/p/backend:3").await;
    assert!(!slow.done && fast.done);
    let newer = service(&world).await;
    let slow = world.wait(&slow).await;
    assert!(slow.error().is_some());
    assert_eq!(service(&world).await, newer);
    let older = of_operation(&slow);
    assert_eq!(older.latest_ready_revision, newer.latest_ready_revision);
    world.end().await;
}

#[tokio::test]
async fn an_outcome_can_be_that_of_one_image_also_over_the_control_api() {
    let world = world_with_service().await;
    let url = format!("{}/emulator/outcomes/{}", world.emulator.url(), service_name());
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let token = world.emulator.control_token();
    let rule = json!({"image": "broken", "outcome": {"notReady": {"message": "It fell over."}}});
    let put = http.put(&url).header("emulator-token", token).json(&rule).send().await.expect("an answer");
    assert_eq!(put.status(), 200);
    let good = deploy(&world, "h/p/backend:2").await;
    assert!(good.done && good.error().is_none());
    let bad = world.wait(&deploy(&world, "h/p/backend:broken").await).await;
    assert!(bad.error().is_some_and(|error| error.message.contains("cannot serve traffic. It fell over.")));

    let wrong = http
        .put(&url)
        .header("emulator-token", token)
        .json(&json!({"outcome": {"notReady": {"reasn": ""}}}))
        .send()
        .await;
    let wrong = wrong.expect("an answer");
    assert_eq!(wrong.status(), 400);
    let wrong: Value = wrong.json().await.expect("JSON");
    assert!(wrong["error"].as_str().is_some_and(|text| text.contains("reasn")), "{wrong}");

    http.delete(&url).header("emulator-token", token).send().await.expect("an answer");
    assert!(deploy(&world, "h/p/backend:broken-again").await.done);
    world.end().await;
}

#[tokio::test]
async fn a_deployment_does_not_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.json");
    let world = World::start(Emulator::builder().state_file(&file)).await;
    put_service(&world);
    let after = ServiceOutcome::ReadyAfter(Duration::from_hours(1));
    world.emulator.set_service_outcome(&service_name(), after);
    let update = deploy(&world, "h/p/backend:2").await;
    world.end().await;

    let world = World::start(Emulator::builder().state_file(&file)).await;
    let failed = service(&world).await;
    assert_eq!(state(&failed), State::ConditionFailed);
    assert_eq!(failed.latest_ready_revision, first_revision());
    let operation = world.services().await.get_operation().set_name(&update.name).send().await;
    let operation = operation.expect("still known");
    assert!(operation.done && operation.error().is_some());
    world.end().await;
}
