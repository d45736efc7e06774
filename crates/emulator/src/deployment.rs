//! The deployment of a service's new revision: it gets ready at once or later, or never does.
//!
//! Sources: the definitions of `Service` and `Revision` ("If reconciliation failed, `traffic_statuses`,
//! `observed_generation`, and `latest_ready_revision` will have the state of the last serving revision"), and what
//! people quote of deployments that failed.
//!
//! To add an outcome: a variant of `ServiceOutcome` in `outcome.rs`, and its arms in `follow` and `finish` here. To
//! change the conditions of a state: `set_pending`, `set_ready` and `set_failed`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::logs::{RevisionOutput, Stream};
use crate::names::{part, short_name};
use crate::outcome::ServiceOutcome;
use crate::resource::{items, remove, set_condition, text, touch, typed};
use crate::stop::Stop;
use crate::store::{Operation, Saved, State};

/// `google.rpc.Code.FAILED_PRECONDITION`, which people quote as "Error code 9".
const FAILED_PRECONDITION: i32 = 9;

/// A revision that is not ready yet, and what will become of it.
pub(crate) struct Deployment {
    service: String,
    revision: String,
    operation: String,
    outcome: ServiceOutcome,
    stop: Stop,
}

/// Puts a changed service and its new revision there. A deployment that takes its time is to be
/// [started](start) afterwards; without one the service is ready.
pub(crate) fn begin(
    cloud: &Arc<Cloud>,
    state: &mut State,
    service: &mut Value,
    mut revision: Value,
    operation: &str,
) -> Option<Deployment> {
    let name = text(&service["name"]);
    let revision_name = text(&revision["name"]);
    let outcome = state.outcomes.of(&name, &revision);
    let deployment = if outcome == ServiceOutcome::Ready {
        set_ready(service, &mut revision);
        output(cloud, &revision_name).finish(state, "INFO", &probe_succeeded(&revision));
        None
    } else {
        set_pending(service, &mut revision);
        let stop = cloud.stop.child();
        state.running.insert(revision_name.clone(), stop.clone());
        let operation = operation.to_owned();
        state.saved.operations.insert(operation.clone(), Operation::Deploy { service: name.clone() });
        Some(Deployment { service: name.clone(), revision: revision_name.clone(), operation, outcome, stop })
    };
    state.saved.revisions.insert(revision_name, revision);
    state.saved.services.insert(name, service.clone());
    deployment
}

/// Follows a deployment in the background.
pub(crate) fn start(cloud: &Arc<Cloud>, deployment: Deployment) {
    cloud.tasks.spawn(follow(Arc::clone(cloud), deployment));
}

async fn follow(cloud: Arc<Cloud>, deployment: Deployment) {
    let output = output(&cloud, &deployment.revision);
    let (after, lines) = match &deployment.outcome {
        ServiceOutcome::Ready => (Duration::ZERO, &[][..]),
        ServiceOutcome::ReadyAfter(after) => (*after, &[][..]),
        ServiceOutcome::NotReady { after, log, .. } => (*after, &log[..]),
    };
    for line in lines {
        output.line(Stream::Stderr, line);
    }
    let stopped = tokio::select! {
        () = tokio::time::sleep(after) => false,
        () = deployment.stop.asked() => true,
    };
    cloud.store.change(|state| {
        state.running.remove(&deployment.revision);
        if !stopped {
            finish(state, &deployment, &output);
        }
    });
}

fn finish(state: &mut State, deployment: &Deployment, output: &RevisionOutput) {
    let Deployment { service: service_name, revision: revision_name, operation, outcome, .. } = deployment;
    let (Some(mut revision), Some(mut service)) =
        (state.saved.revisions.get(revision_name).cloned(), state.saved.services.get(service_name).cloned())
    else {
        return;
    };
    // A later update has taken the service over: what becomes of this revision is its own affair.
    let current = service["latestCreatedRevision"] == revision["name"];
    let mut affected = service.clone();
    let error = match outcome {
        ServiceOutcome::NotReady { reason, message, .. } => {
            output.finish(state, "ERROR", &probe_gave_up(&revision));
            let message = set_failed(&mut affected, &mut revision, reason, message);
            Some(json!({ "code": FAILED_PRECONDITION, "message": message }))
        }
        ServiceOutcome::Ready | ServiceOutcome::ReadyAfter(_) => {
            output.finish(state, "INFO", &probe_succeeded(&revision));
            set_ready(&mut affected, &mut revision);
            None
        }
    };
    if current {
        service = affected;
    }
    state.saved.revisions.insert(revision_name.clone(), revision);
    state.saved.services.insert(service_name.clone(), service.clone());
    let end = ended(operation, service, error);
    state.saved.operations.insert(operation.clone(), Operation::Done(end));
}

fn ended(operation: &str, service: Value, error: Option<Value>) -> Value {
    let service = typed("google.cloud.run.v2.Service", service);
    match error {
        Some(error) => json!({ "name": operation, "metadata": service, "done": true, "error": error }),
        None => json!({ "name": operation, "metadata": service, "done": true, "response": service }),
    }
}

/// Closes the deployments that were under way when the emulator ended: nothing follows them.
pub(crate) fn close_what_was_running(saved: &mut Saved) {
    const ENDED: &str = "The emulator ended while this revision was being deployed.";
    for (name, operation) in &mut saved.operations {
        let Operation::Deploy { service } = operation else { continue };
        let mut end = json!({});
        if let Some(service) = saved.services.get_mut(service) {
            let revision = text(&service["latestCreatedRevision"]);
            if let Some(revision) = saved.revisions.get_mut(&revision) {
                set_failed(service, revision, "NO_DEPLOYMENT", ENDED);
            }
            end = service.clone();
        }
        let error = json!({ "code": FAILED_PRECONDITION, "message": ENDED });
        *operation = Operation::Done(ended(name, end, Some(error)));
    }
}

fn set_pending(service: &mut Value, revision: &mut Value) {
    let now = Timestamp::now();
    service["latestCreatedRevision"] = revision["name"].clone();
    service["reconciling"] = json!(true);
    set_service(service, now, "CONDITION_RECONCILING", "", None);
    set_condition(service, "RoutesReady", "CONDITION_RECONCILING", "", None);
    revision["reconciling"] = json!(true);
    for (condition, state) in [
        ("Ready", "CONDITION_RECONCILING"),
        ("ContainerReady", "CONDITION_SUCCEEDED"),
        ("ContainerHealthy", "CONDITION_PENDING"),
        ("ResourcesAvailable", "CONDITION_RECONCILING"),
    ] {
        set_condition(revision, condition, state, "", None);
    }
}

fn set_ready(service: &mut Value, revision: &mut Value) {
    let now = Timestamp::now();
    service["latestCreatedRevision"] = revision["name"].clone();
    service["latestReadyRevision"] = revision["name"].clone();
    service["observedGeneration"] = service["generation"].clone();
    settle_traffic(service);
    remove(service, "reconciling");
    set_service(service, now, "CONDITION_SUCCEEDED", "", None);
    set_condition(service, "RoutesReady", "CONDITION_SUCCEEDED", "", None);
    remove(revision, "reconciling");
    touch(revision, now);
    for condition in ["Ready", "ContainerReady", "ContainerHealthy", "ResourcesAvailable"] {
        set_condition(revision, condition, "CONDITION_SUCCEEDED", "", None);
    }
}

/// Returns the message of the service and of its operation.
fn set_failed(service: &mut Value, revision: &mut Value, reason: &str, message: &str) -> String {
    let now = Timestamp::now();
    let name = text(&revision["name"]);
    let (service_id, revision_id) = (part(&name, "services"), short_name(&name));
    let project = part(&name, "projects");
    let message = format!(
        "{message} Logs for this revision might contain more information.\n\n\
         Logs URL: https://console.cloud.google.com/logs/viewer?project={project}&resource=\
         cloud_run_revision/service_name/{service_id}/revision_name/{revision_id}&advancedFilter=\
         resource.type%3D%22cloud_run_revision%22%0Aresource.labels.service_name%3D%22{service_id}\
         %22%0Aresource.labels.revision_name%3D%22{revision_id}%22 \n\
         For more troubleshooting guidance, see \
         https://cloud.google.com/run/docs/troubleshooting#container-failed-to-start"
    );
    let reason = Some(("revisionReason", reason));
    remove(revision, "reconciling");
    touch(revision, now);
    for condition in ["Ready", "ContainerHealthy"] {
        set_condition(revision, condition, "CONDITION_FAILED", &message, reason);
    }
    set_condition(revision, "ResourcesAvailable", "CONDITION_SUCCEEDED", "", None);

    let message = format!("Revision '{revision_id}' is not ready and cannot serve traffic. {message}");
    remove(service, "reconciling");
    set_service(service, now, "CONDITION_FAILED", &message, reason);
    // The traffic goes where it went before.
    set_condition(service, "RoutesReady", "CONDITION_SUCCEEDED", "", None);
    message
}

/// Sets what a service says about itself and about its latest revision.
fn set_service(
    service: &mut Value,
    now: Timestamp,
    state: &str,
    message: &str,
    reason: Option<(&str, &str)>,
) {
    let mut own = json!({ "conditions": [] });
    set_condition(&mut own, "Ready", state, message, reason);
    service["terminalCondition"] = own["conditions"][0].take();
    set_condition(service, "ConfigurationsReady", state, message, reason);
    touch(service, now);
}

/// Lets the traffic go where the service wants it: to the latest ready revision where it does not
/// say.
pub(crate) fn settle_traffic(service: &mut Value) {
    service["trafficStatuses"] = match items(&service["traffic"]) {
        [] => json!([{ "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100 }]),
        targets => json!(targets),
    };
}

fn output(cloud: &Arc<Cloud>, revision: &str) -> RevisionOutput {
    RevisionOutput {
        store: Arc::clone(&cloud.store),
        options: Arc::clone(&cloud.options),
        project: part(revision, "projects").to_owned(),
        location: part(revision, "locations").to_owned(),
        service: part(revision, "services").to_owned(),
        revision: short_name(revision).to_owned(),
        instance: uuid::Uuid::new_v4().simple().to_string(),
    }
}

/// A probe as the log names it, and how often it may fail.
fn probe(revision: &Value) -> (String, String, i64) {
    let container = &revision["containers"][0];
    let name = match text(&container["name"]) {
        name if name.is_empty() => format!("{}-1", text(&revision["service"])),
        name => name,
    };
    let port = container["ports"][0]["containerPort"].as_i64().unwrap_or(8080);
    let probe = &container["startupProbe"];
    let failures = probe["failureThreshold"].as_i64().unwrap_or(3);
    if let Some(get) = probe.get("httpGet") {
        let path = match text(&get["path"]) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        };
        return ("STARTUP HTTP".to_owned(), format!("container \"{name}\" on path \"{path}\""), failures);
    }
    if let Some(grpc) = probe.get("grpc") {
        let port = grpc["port"].as_i64().unwrap_or(port);
        return ("STARTUP GRPC".to_owned(), format!("container \"{name}\" on port {port}"), failures);
    }
    let (kind, failures) = match probe.get("tcpSocket") {
        Some(_) => ("STARTUP TCP", failures),
        None => ("Default STARTUP TCP", 1),
    };
    let port = probe["tcpSocket"]["port"].as_i64().unwrap_or(port);
    (kind.to_owned(), format!("container \"{name}\" on port {port}"), failures)
}

fn probe_succeeded(revision: &Value) -> String {
    let (kind, place, _) = probe(revision);
    format!("{kind} probe succeeded after 1 attempt for {place}.")
}

fn probe_gave_up(revision: &Value) -> String {
    let (kind, place, failures) = probe(revision);
    let times = if failures == 1 { "time" } else { "times" };
    format!("{kind} probe failed {failures} {times} consecutively for {place}. The instance was not started.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_names_the_probe_of_the_template() {
        let line =
            |container: Value| probe_gave_up(&json!({ "service": "backend", "containers": [container] }));
        assert_eq!(
            line(json!({})),
            "Default STARTUP TCP probe failed 1 time consecutively for container \"backend-1\" on port 8080. \
             The instance was not started."
        );
        let probe = json!({ "httpGet": { "path": "/health" }, "failureThreshold": 6 });
        assert_eq!(
            line(json!({ "name": "app", "startupProbe": probe })),
            "STARTUP HTTP probe failed 6 times consecutively for container \"app\" on path \"/health\". \
             The instance was not started."
        );
    }
}
