//! The official crates as the judge of what the emulator says.

use std::time::Duration;

use crate::common::{self, JOB, LOCATION, World, job};
use cloud_emulator::{CancelledRun, Emulator, Fault, FaultAction, Script, Step};
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator;
use google_cloud_run_v2::model;
use serde_json::json;

#[tokio::test]
async fn a_job_is_created_read_listed_changed_and_deleted() {
    let world = World::start(Emulator::builder()).await;
    let jobs = world.jobs().await;
    let container = model::Container::new().set_image("h/p/admin:1");
    let task = model::TaskTemplate::new().set_containers([container]).set_max_retries(0);
    let wanted = model::Job::new()
        .set_launch_stage(google_cloud_api::model::LaunchStage::Ga)
        .set_labels([("team", "quill")])
        .set_template(model::ExecutionTemplate::new().set_template(task));
    let operation = jobs
        .create_job()
        .set_parent(LOCATION)
        .set_job_id("admin")
        .set_job(wanted)
        .send()
        .await
        .expect("created");
    assert!(operation.done);

    let got = jobs.get_job().set_name(JOB).send().await.expect("there");
    let task = got.template.as_ref().and_then(|t| t.template.as_ref());
    let task = task.expect("a template");
    assert_eq!(got.name, JOB);
    assert_eq!(got.generation, 1);
    assert_eq!(got.labels["team"], "quill");
    assert_eq!(task.max_retries().copied(), Some(0));
    assert_eq!(task.timeout, Some(wkt_seconds(600)));
    assert!(got.etag.starts_with('"') && got.etag.ends_with('"'));

    // A patch replaces the whole job: what it leaves out is not kept, and maxRetries becomes 3.
    let replacement =
        model::TaskTemplate::new().set_containers([model::Container::new().set_image("h/p/admin:2")]);
    let change = model::Job::new()
        .set_name(JOB)
        .set_etag(&got.etag)
        .set_template(model::ExecutionTemplate::new().set_template(replacement));
    jobs.update_job().set_job(change.clone()).send().await.expect("changed");
    let changed = jobs.get_job().set_name(JOB).send().await.expect("there");
    let task = changed.template.as_ref().and_then(|t| t.template.as_ref());
    assert_eq!(task.and_then(|t| t.max_retries().copied()), Some(3));
    assert!(changed.labels.is_empty());
    assert_eq!(changed.generation, 2);
    assert_eq!(changed.uid, got.uid);
    assert_ne!(changed.etag, got.etag);

    // The same patch again carries an etag that is no longer the job's.
    let conflict = jobs.update_job().set_job(change).send().await.expect_err("a conflict");
    assert_eq!(conflict.http_status_code(), Some(409));
    assert_eq!(conflict.status().map(|s| s.code), Some(Code::Aborted));

    world.emulator.put_job(&format!("{LOCATION}/jobs/b"), job("i")).expect("put");
    world.emulator.put_job(&format!("{LOCATION}/jobs/c"), job("i")).expect("put");
    let mut items = jobs.list_jobs().set_parent(LOCATION).set_page_size(2).by_item();
    let mut names = Vec::new();
    while let Some(item) = items.next().await {
        names.push(item.expect("a job").name);
    }
    assert_eq!(names, ["admin", "b", "c"].map(|id| format!("{LOCATION}/jobs/{id}")));

    jobs.delete_job().set_name(JOB).send().await.expect("deleted");
    let gone = jobs.get_job().set_name(JOB).send().await;
    let gone = gone.expect_err("no longer there");
    assert_eq!(gone.http_status_code(), Some(404));
    assert_eq!(gone.status().map(|s| s.code), Some(Code::NotFound));
    world.end().await;
}

#[tokio::test]
async fn a_run_that_succeeds() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(
        JOB,
        Script::new([Step::log("hello"), Step::log(r#"{"severity":"ERROR","message":"oh"}"#)]),
    );
    let run = world.run().await;
    let started = World::metadata(&run);
    assert!(started.name.starts_with(&format!("{JOB}/executions/admin-")));
    assert!(started.completion_time.is_none());
    assert_eq!(started.task_count, 1);

    let done = world.wait(&run).await;
    assert!(done.error().is_none());
    let response: model::Execution = done.response().expect("a response").to_msg().expect("an execution");
    assert_eq!(response.succeeded_count, 1);
    assert_eq!(response.failed_count + response.cancelled_count, 0);

    let execution = world.execution(&started.name).await;
    assert_eq!(execution, response);
    assert!(execution.start_time.is_some() && execution.completion_time.is_some());
    assert!(!execution.reconciling);
    assert_eq!(common::state_of(&execution, "Completed"), Some(4));
    assert_eq!(common::state_of(&execution, "Started"), Some(4));

    let task = world.only_task(&execution.name).await;
    let result = task.last_attempt_result.expect("a result");
    assert_eq!((result.exit_code, result.term_signal), (0, 0));

    let entries = world.log(&execution.name).await;
    assert_eq!(entries.len(), 3, "{entries:?}");
    assert_eq!(entries[0].text_payload().map(String::as_str), Some("hello"));
    assert_eq!(entries[1].json_payload().and_then(|p| p.get("message")), Some(&json!("oh")));
    assert_eq!(entries[1].severity.value(), Some(500));
    assert_eq!(entries[2].log_name, "projects/p/logs/run.googleapis.com%2Fvarlog%2Fsystem");
    for entry in &entries {
        assert!(!entry.insert_id.is_empty() && entry.receive_timestamp.is_some());
        assert_eq!(entry.labels["run.googleapis.com/task_index"], "0");
        let resource = entry.resource.as_ref().expect("a resource");
        assert_eq!(resource.r#type, "cloud_run_job");
        assert_eq!(resource.labels["job_name"], "admin");
    }
    let job = world.jobs().await.get_job().set_name(JOB).send().await.expect("a job");
    let latest = job.latest_created_execution.expect("an execution");
    assert!(execution.name.ends_with(&latest.name));
    assert_eq!(latest.completion_status.name(), Some("EXECUTION_SUCCEEDED"));
    assert_eq!(job.execution_count, 1);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_fails_ends_its_operation_with_an_error_and_no_response() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::Exit(7)]));
    let run = world.run().await;
    let done = world.wait(&run).await;
    let error = done.error().expect("an error");
    assert!(done.response().is_none());
    assert_eq!(error.code, Code::Aborted as i32);
    let name = World::metadata(&done).name;
    let short = name.rsplit('/').next().expect("a name");
    assert_eq!(
        error.message,
        format!("Task {short}-task0 failed with message: The container exited with an error.")
    );
    let execution = world.execution(&name).await;
    assert_eq!(execution.failed_count, 1);
    assert_eq!(common::state_of(&execution, "Completed"), Some(3));
    let task = world.only_task(&name).await;
    let result = task.last_attempt_result.expect("a result");
    assert_eq!((result.exit_code, result.term_signal), (7, 0));
    world.end().await;
}

#[tokio::test]
async fn a_signal_is_told_from_an_exit_code() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::Signal(9)]));
    let run = world.run().await;
    world.wait(&run).await;
    let task = world.only_task(&World::metadata(&run).name).await;
    let result = task.last_attempt_result.expect("a result");
    assert_eq!((result.exit_code, result.term_signal), (0, 9));
    world.end().await;
}

#[tokio::test]
async fn an_execution_that_never_starts_has_its_reason_in_the_conditions_and_no_task_result() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(
        JOB,
        Script::new([Step::NeverStart {
            reason: "CONTAINER_IMAGE_UNAUTHORIZED".to_owned(),
            message: "Cloud Run cannot pull the image.".to_owned(),
        }]),
    );
    let run = world.run().await;
    let done = world.wait(&run).await;
    assert_eq!(done.error().map(|error| error.message.as_str()), Some("Cloud Run cannot pull the image."));
    let execution = world.execution(&World::metadata(&run).name).await;
    assert!(execution.start_time.is_none());
    let condition = common::condition(&execution, "ResourcesAvailable").expect("a condition");
    assert_eq!(condition.state.value(), Some(3));
    assert_eq!(condition.reason().and_then(model::condition::CommonReason::value), Some(8));
    let task = world.only_task(&execution.name).await;
    assert!(task.last_attempt_result.is_none());
    world.end().await;
}

#[tokio::test]
async fn retries_are_counted_and_the_last_attempt_decides() {
    let world = World::start(Emulator::builder()).await;
    let mut wanted = job("i");
    wanted["template"]["template"]["maxRetries"] = json!(2);
    world.emulator.put_job(JOB, wanted).expect("put");
    world.emulator.set_script(
        JOB,
        Script::new([Step::log("first"), Step::Exit(1)])
            .then([Step::log("second"), Step::Exit(1)])
            .then([Step::log("third")]),
    );
    let run = world.run().await;
    let done = world.wait(&run).await;
    assert!(done.error().is_none());
    let name = World::metadata(&run).name;
    let execution = world.execution(&name).await;
    assert_eq!(execution.succeeded_count, 1);
    assert_eq!(execution.retried_count, 1);
    assert_eq!(execution.failed_count, 0);
    assert_eq!(world.only_task(&name).await.retried, 2);
    let attempts: Vec<String> = world
        .log(&name)
        .await
        .iter()
        .filter(|entry| entry.log_name.ends_with("stdout"))
        .map(|entry| entry.labels["run.googleapis.com/task_attempt"].clone())
        .collect();
    assert_eq!(attempts, ["0", "1", "2"]);
    world.end().await;
}

#[tokio::test]
async fn every_task_of_an_execution_runs_and_counts() {
    let world = World::start(Emulator::builder()).await;
    let mut wanted = job("i");
    wanted["template"]["taskCount"] = json!(3);
    wanted["template"]["parallelism"] = json!(2);
    world.emulator.put_job(JOB, wanted).expect("put");
    let run = world.run().await;
    world.wait(&run).await;
    let name = World::metadata(&run).name;
    assert_eq!(world.execution(&name).await.succeeded_count, 3);
    let tasks = world.tasks(&name).await;
    let indexes: Vec<i32> = tasks.iter().map(|task| task.index).collect();
    assert_eq!(indexes, [0, 1, 2]);
    world.end().await;
}

#[tokio::test]
async fn a_cancelled_run_can_end_either_way() {
    for (end, is_error) in [(CancelledRun::Response, false), (CancelledRun::Error, true)] {
        let world = World::start(Emulator::builder().cancelled_run(end)).await;
        world.put_job();
        world.emulator.set_script(JOB, Script::new([Step::log("up"), Step::Forever]));
        let run = world.run().await;
        let name = World::metadata(&run).name;
        let executions = world.executions().await;
        let cancel = executions.cancel_execution().set_name(&name).send().await.expect("asked to cancel");
        let cancelled = world.wait(&cancel).await;
        assert!(cancelled.error().is_none() && cancelled.response().is_some());
        let done = world.wait(&run).await;
        assert_eq!(done.error().is_some(), is_error);
        assert_eq!(done.response().is_some(), !is_error);

        let execution = world.execution(&name).await;
        assert_eq!(execution.cancelled_count, 1);
        assert_eq!(execution.succeeded_count + execution.failed_count, 0);
        let condition = common::condition(&execution, "Completed").expect("a condition");
        assert_eq!(condition.execution_reason().and_then(model::condition::ExecutionReason::value), Some(3));
        let again = executions.cancel_execution().set_name(&name).send().await;
        let again = again.expect_err("it has ended");
        assert_eq!(again.status().map(|s| s.code), Some(Code::FailedPrecondition));
        world.end().await;
    }
}

#[tokio::test]
async fn a_task_is_ended_at_its_timeout() {
    let world = World::start(Emulator::builder()).await;
    let mut wanted = job("i");
    wanted["template"]["template"]["timeout"] = json!("0.05s");
    world.emulator.put_job(JOB, wanted).expect("put");
    world.emulator.set_script(JOB, Script::new([Step::Forever]));
    let run = world.run().await;
    let done = world.wait(&run).await;
    let error = done.error().expect("an error");
    assert!(error.message.ends_with("The configured timeout was reached."), "{}", error.message);
    let task = world.only_task(&World::metadata(&run).name).await;
    let result = task.last_attempt_result.expect("a result");
    assert_eq!(result.term_signal, 15);
    world.end().await;
}

#[tokio::test]
async fn what_ignores_the_sigterm_is_killed_after_the_grace_period() {
    let world = World::start(Emulator::builder().grace(Duration::from_millis(50))).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::Stubborn]));
    let run = world.run().await;
    let name = World::metadata(&run).name;
    let executions = world.executions().await;
    executions.cancel_execution().set_name(&name).send().await.expect("asked");
    world.wait(&run).await;
    let task = world.only_task(&name).await;
    assert_eq!(task.last_attempt_result.expect("a result").term_signal, 9);
    world.end().await;
}

#[tokio::test]
async fn overrides_are_merged_and_stay_readable_in_the_execution() {
    let world = World::start(Emulator::builder()).await;
    let mut wanted = job("i");
    wanted["template"]["template"]["containers"][0]["env"] =
        json!([{"name": "KEPT", "value": "1"}, {"name": "CHANGED", "value": "old"}]);
    wanted["template"]["template"]["containers"][0]["args"] = json!(["old"]);
    world.emulator.put_job(JOB, wanted).expect("put");
    let overriding = |name: &str| {
        model::run_job_request::Overrides::new()
            .set_container_overrides([model::run_job_request::overrides::ContainerOverride::new()
                .set_name(name)
                .set_args(["new"])
                .set_env([
                    model::EnvVar::new().set_name("CHANGED").set_value("new"),
                    model::EnvVar::new().set_name("ADDED").set_value("a,b=c"),
                ])])
            .set_timeout(wkt_seconds(7))
            .set_task_count(2)
    };
    let jobs = world.jobs().await;
    let run = jobs.run_job().set_name(JOB).set_overrides(overriding("")).send().await.expect("started");
    let execution = World::metadata(&run);
    assert_eq!(execution.task_count, 2);
    let template = execution.template.expect("a template");
    assert_eq!(template.timeout, Some(wkt_seconds(7)));
    let container = &template.containers[0];
    assert_eq!(container.args, ["new"]);
    let env: Vec<(&str, &str)> =
        container.env.iter().map(|env| (env.name.as_str(), env.value().map_or("", String::as_str))).collect();
    assert_eq!(env, [("KEPT", "1"), ("CHANGED", "new"), ("ADDED", "a,b=c")]);

    let wrong = jobs
        .run_job()
        .set_name(JOB)
        .set_overrides(overriding("nobody"))
        .send()
        .await
        .expect_err("no such container");
    assert_eq!(wrong.http_status_code(), Some(400));
    assert_eq!(wrong.status().map(|s| s.code), Some(Code::InvalidArgument));

    let conflict =
        jobs.run_job().set_name(JOB).set_etag("\"another\"").send().await.expect_err("another version");
    assert_eq!(conflict.status().map(|s| s.code), Some(Code::Aborted));

    let only_validated = jobs.run_job().set_name(JOB).set_validate_only(true).send().await.expect("valid");
    assert!(only_validated.done);
    let count = world.execution_names().await.len();
    assert_eq!(count, 1, "neither of the three made an execution");
    world.end().await;
}

#[tokio::test]
async fn executions_are_listed_newest_first_and_can_be_deleted() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let mut names = Vec::new();
    for _ in 0..3 {
        let run = world.run().await;
        world.wait(&run).await;
        names.insert(0, World::metadata(&run).name);
    }
    assert_eq!(world.execution_names().await, names);
    let executions = world.executions().await;
    executions.delete_execution().set_name(&names[1]).send().await.expect("deleted");
    names.remove(1);
    assert_eq!(world.execution_names().await, names);
    world.end().await;
}

#[tokio::test]
async fn waiting_for_an_operation_ends_at_the_callers_timeout() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::Forever]));
    let run = world.run().await;
    let operation = world
        .jobs()
        .await
        .wait_operation()
        .set_name(&run.name)
        .set_timeout(google_cloud_wkt::Duration::clamp(0, 30_000_000))
        .send()
        .await
        .expect("not an error");
    assert!(!operation.done);
    let again = world.jobs().await.get_operation().set_name(&run.name).send().await;
    assert!(!again.expect("there").done);
    world.emulator.reset().await;
    world.end().await;
}

#[tokio::test]
async fn services_and_revisions_are_read_and_changed() {
    let world = World::start(Emulator::builder()).await;
    let service = format!("{LOCATION}/services/backend");
    let revision = format!("{service}/revisions/backend-00001-abc");
    world
        .emulator
        .put_service(
            &service,
            json!({
                "template": {"containers": [{"image": "h/p/backend@sha256:00"}]},
                "latestReadyRevision": revision,
                "latestCreatedRevision": revision,
                "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
                "uri": "https://backend.example",
                "labels": {"team": "quill"},
            }),
        )
        .expect("put");
    world
        .emulator
        .put_revision(
            &revision,
            json!({
                "containers": [{"image": "h/p/backend@sha256:00"}],
                "conditions": [{
                    "type": "ContainerHealthy",
                    "state": "CONDITION_FAILED",
                    "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR",
                }],
            }),
        )
        .expect("put");
    let services = world.services().await;
    let got = services.get_service().set_name(&service).send().await.expect("there");
    assert_eq!(got.latest_ready_revision, revision);
    assert_eq!(got.terminal_condition.as_ref().and_then(|c| c.state.value()), Some(4));
    let revisions = world.revisions().await;
    let got_revision = revisions.get_revision().set_name(&revision).send().await;
    let got_revision = got_revision.expect("there");
    let reason = got_revision.conditions[0].revision_reason();
    assert_eq!(reason.and_then(model::condition::RevisionReason::value), Some(6));

    let template = model::RevisionTemplate::new()
        .set_containers([model::Container::new().set_image("h/p/backend@sha256:01")]);
    services
        .update_service()
        .set_service(model::Service::new().set_name(&service).set_template(template))
        .set_update_mask(google_cloud_wkt::FieldMask::default().set_paths(["template.containers"]))
        .send()
        .await
        .expect("changed");
    let changed = services.get_service().set_name(&service).send().await.expect("there");
    assert_eq!(changed.labels["team"], "quill");
    assert_eq!(changed.uri, "https://backend.example");
    assert_ne!(changed.latest_created_revision, revision);
    let listed = revisions.list_revisions().set_parent(&service).send().await;
    let listed = listed.expect("a list").revisions;
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0].name, changed.latest_created_revision);
    assert_eq!(listed[0].containers[0].image, "h/p/backend@sha256:01");
    let all = services.list_services().set_parent(LOCATION).send().await;
    assert_eq!(all.expect("a list").services.len(), 1);
    world.end().await;
}

#[tokio::test]
async fn log_entries_come_in_pages_in_either_order_and_late_ones_later() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let lines = (0..5).map(|number| Step::log(format!("line {number}")));
    let late = Step::Log { line: "late".to_owned(), stderr: true, late_ms: 60_000 };
    world.emulator.set_script(JOB, Script::new(std::iter::once(late).chain(lines)));
    let run = world.run().await;
    world.wait(&run).await;
    let logging = world.logging().await;
    for (order, expected) in [("timestamp asc", [0, 1, 2, 3, 4]), ("timestamp desc", [4, 3, 2, 1, 0])] {
        let mut items = logging
            .list_log_entries()
            .set_resource_names(["projects/p"])
            .set_filter(r#"log_id("run.googleapis.com/stdout") OR log_id("run.googleapis.com/stderr")"#)
            .set_order_by(order)
            .set_page_size(2)
            .by_item();
        let mut texts = Vec::new();
        while let Some(entry) = items.next().await {
            texts.push(entry.expect("an entry").text_payload().cloned().unwrap_or_default());
        }
        assert_eq!(texts, expected.map(|number| format!("line {number}")));
    }
    let other = logging
        .list_log_entries()
        .set_resource_names(["projects/other"])
        .send()
        .await
        .expect("an empty list");
    assert!(other.entries.is_empty());

    let unparseable = logging
        .list_log_entries()
        .set_resource_names(["projects/p"])
        .set_filter("colour = red")
        .send()
        .await
        .expect_err("no such field");
    assert_eq!(unparseable.status().map(|s| s.code), Some(Code::InvalidArgument));
    world.end().await;
}

#[tokio::test]
async fn the_read_quota_answers_429_with_the_details_of_the_real_one() {
    let world = World::start(Emulator::builder().log_reads_per_minute(2)).await;
    let logging = world.logging().await;
    let read = || logging.list_log_entries().set_resource_names(["projects/p"]).send();
    read().await.expect("the first");
    read().await.expect("the second");
    let refused = read().await.expect_err("the third");
    assert_eq!(refused.http_status_code(), Some(429));
    let status = refused.status().expect("a status");
    assert_eq!(status.code, Code::ResourceExhausted);
    assert!(status.message.contains("limit 'Read requests per minute'"));
    let detail = status.details.iter().find_map(|detail| match detail {
        google_cloud_gax::error::rpc::StatusDetails::ErrorInfo(info) => Some(info),
        _ => None,
    });
    let detail = detail.expect("an ErrorInfo");
    assert_eq!(detail.reason, "RATE_LIMIT_EXCEEDED");
    assert_eq!(detail.metadata["quota_limit"], "ReadRequestsPerMinutePerProject");
    world.end().await;
}

#[tokio::test]
async fn faults_reach_the_client_as_it_would_meet_them() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let jobs = world.jobs().await;
    world.emulator.set_faults([Fault::new("*/jobs/admin", FaultAction::status(503, "try again")).times(1)]);
    // A GET is retried by the client itself.
    jobs.get_job().set_name(JOB).send().await.expect("the second answer");
    let statuses: Vec<_> = world.emulator.calls().iter().map(|call| call.status).collect();
    assert_eq!(statuses, [Some(503), Some(200)]);

    // The answer to a run is lost: the job has run, and the client cannot know.
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetAfter).method("POST").times(1)]);
    let lost = jobs.run_job().set_name(JOB).send().await.expect_err("lost");
    assert!(lost.is_transport() || lost.is_io(), "{lost:?}");
    assert_eq!(world.execution_names().await.len(), 1);

    // The run never arrives.
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetBefore).times(1)]);
    jobs.run_job().set_name(JOB).send().await.expect_err("lost");
    assert_eq!(world.execution_names().await.len(), 1);

    // The answer breaks off in the middle.
    world.emulator.set_faults([Fault::new("*:run", FaultAction::Truncate { bytes: 10 }).times(1)]);
    jobs.run_job().set_name(JOB).send().await.expect_err("broken off");
    assert_eq!(world.execution_names().await.len(), 2);
    let last_run = world.emulator.calls().into_iter().rev().find(|call| call.path.ends_with(":run"));
    assert_eq!(last_run.and_then(|call| call.status), Some(200));
    world.end().await;
}

#[tokio::test]
async fn a_token_can_be_required() {
    let world = World::start(Emulator::builder().require_token("let-me-in")).await;
    world.put_job();
    let refused = world.jobs().await.get_job().set_name(JOB).send().await;
    let refused = refused.expect_err("anonymous");
    assert_eq!(refused.http_status_code(), Some(401));
    assert_eq!(refused.status().map(|s| s.code), Some(Code::Unauthenticated));
    world.end().await;
}

#[tokio::test]
async fn what_is_not_emulated_says_so_by_its_name() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let refused =
        world.jobs().await.get_iam_policy().set_resource(JOB).send().await.expect_err("not emulated");
    assert_eq!(refused.http_status_code(), Some(501));
    let status = refused.status().expect("a status");
    assert_eq!(status.code, Code::Unimplemented);
    assert!(status.message.starts_with("google.cloud.run.v2.Jobs.GetIamPolicy"), "{}", status.message);
    world.end().await;
}

fn wkt_seconds(seconds: i64) -> google_cloud_wkt::Duration {
    google_cloud_wkt::Duration::clamp(seconds, 0)
}
