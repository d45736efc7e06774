//! Tests of permissions, and of the callers that are let in at all.

use std::time::Duration;

use crate::common::{self, JOB, LOCATION, World, job};
use cloud_emulator::{Emulator, RecordedCall};
use google_cloud_auth::credentials::{Credentials, impersonated, user_account};
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::{Code, StatusDetails};
use google_cloud_resourcemanager_v3::model::project::State;
use google_cloud_run_v2::model::run_job_request::Overrides;
use reqwest::{Client, Method};
use serde_json::{Value, json};

fn service() -> String {
    format!("{LOCATION}/services/backend")
}

fn assert_denied(error: &Error, message: &str) {
    assert_eq!(error.http_status_code(), Some(403));
    let status = error.status().expect("a status");
    assert_eq!(status.code, Code::PermissionDenied);
    assert_eq!(status.message, message);
}

#[tokio::test]
async fn the_caller_is_told_which_permissions_it_has() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let backend = json!({"template": {"containers": [{"image": "h/p/backend:1"}]}});
    world.emulator.put_service(&service(), backend).expect("put");
    world.emulator.deny_permissions(["run.jobs.run", "run.services.update", "cloudsql.instances.get"]);
    let jobs = world.jobs().await;
    let test = jobs.test_iam_permissions().set_permissions(["run.jobs.get", "run.jobs.run"]);
    let has = test.clone().set_resource(JOB).send().await.expect("an answer");
    assert_eq!(has.permissions, ["run.jobs.get"]);
    let has = test.set_resource(format!("{LOCATION}/jobs/other")).send().await.expect("an answer");
    assert!(has.permissions.is_empty(), "of what is not there");
    let services = world.services().await;
    let test = services.test_iam_permissions().set_permissions(["run.services.get", "run.services.update"]);
    let has = test.set_resource(service()).send().await.expect("an answer");
    assert_eq!(has.permissions, ["run.services.get"]);
    let projects = world.projects().await;
    let test = projects.test_iam_permissions().set_permissions(["cloudsql.instances.get", "run.jobs.get"]);
    let has = test.clone().set_resource("projects/p").send().await.expect("an answer");
    assert_eq!(has.permissions, ["run.jobs.get"]);
    let missing = test.set_resource("projects/other").send().await.expect_err("no such project");
    assert_denied(&missing, "The caller does not have permission");
    let wildcard = projects.test_iam_permissions().set_resource("projects/p").set_permissions(["run.*"]);
    let wildcard = wildcard.send().await.expect_err("not a permission");
    assert_eq!(wildcard.status().map(|s| s.code), Some(Code::InvalidArgument));
    world.end().await;
}

#[tokio::test]
async fn a_project_is_described() {
    let world = World::start(Emulator::builder()).await;
    let projects = world.projects().await;
    let missing = projects.get_project().set_name("projects/p").send().await.expect_err("nothing there");
    assert_denied(
        &missing,
        "Permission 'resourcemanager.projects.get' denied on resource \
         '//cloudresourcemanager.googleapis.com/projects/p' (or it may not exist).",
    );
    world.put_job();
    let project = projects.get_project().set_name("projects/p").send().await.expect("there");
    assert_eq!(project.project_id, "p");
    assert_eq!(project.state, State::Active);
    assert_ne!(project.name, "projects/p", "its own name has its number");
    let again = projects.get_project().set_name(&project.name).send().await.expect("there");
    assert_eq!(again, project);
    let deleted = json!({"state": "DELETE_REQUESTED", "displayName": "Quill"});
    world.emulator.put_project("p", deleted).expect("put");
    let project = projects.get_project().set_name("projects/p").send().await.expect("there");
    assert_eq!(project.state, State::DeleteRequested);
    assert_eq!(project.display_name, "Quill");
    world.end().await;
}

#[tokio::test]
async fn a_run_with_overrides_needs_a_permission_more() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let jobs = world.jobs().await;
    world.emulator.deny_permissions(["run.jobs.runWithOverrides"]);
    let run = jobs.run_job().set_name(JOB);
    let refused = run.clone().set_overrides(Overrides::new().set_task_count(2)).send().await;
    assert_denied(
        &refused.expect_err("denied"),
        &format!(
            "Permission 'run.jobs.runWithOverrides' denied on resource '{JOB}' (or resource may not exist)."
        ),
    );
    run.clone().send().await.expect("without overrides");
    world.emulator.deny_permissions(["run.jobs.run"]);
    let refused = run.clone().send().await.expect_err("denied");
    assert_denied(
        &refused,
        &format!("Permission 'run.jobs.run' denied on resource '{JOB}' (or resource may not exist)."),
    );
    assert_eq!(world.execution_names().await.len(), 1);
    world.emulator.deny_permissions([""; 0]);
    run.send().await.expect("given back");
    world.end().await;
}

const BUCKET: &str = "projects/p/locations/europe-west2/buckets/records";

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a list of methods, one on each line")]
async fn every_denied_permission_makes_its_method_answer_403() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = world.emulator.url();
    let repository = "projects/p/locations/europe-west2/repositories/quill";
    let service = service();
    let log = json!({"resourceNames": ["projects/p"]});
    let view = json!({"resourceNames": [format!("{BUCKET}/views/_AllLogs")]});
    let template = json!({"template": {"containers": [{"image": "i"}]}});
    let cases = [
        ("run.jobs.get", Method::GET, format!("/v2/{JOB}"), Value::Null),
        ("run.jobs.create", Method::POST, format!("/v2/{LOCATION}/jobs?jobId=new"), job("i")),
        ("run.jobs.update", Method::PATCH, format!("/v2/{JOB}"), job("i")),
        ("iam.serviceAccounts.actAs", Method::PATCH, format!("/v2/{JOB}"), job("i")),
        ("run.jobs.run", Method::POST, format!("/v2/{JOB}:run"), json!({})),
        ("run.executions.get", Method::GET, format!("/v2/{JOB}/executions/x"), Value::Null),
        ("run.executions.list", Method::GET, format!("/v2/{JOB}/executions"), Value::Null),
        ("run.executions.cancel", Method::POST, format!("/v2/{JOB}/executions/x:cancel"), json!({})),
        ("run.executions.delete", Method::DELETE, format!("/v2/{JOB}/executions/x"), Value::Null),
        ("run.tasks.list", Method::GET, format!("/v2/{JOB}/executions/x/tasks"), Value::Null),
        ("run.operations.get", Method::GET, format!("/v2/{LOCATION}/operations/x"), Value::Null),
        ("run.services.get", Method::GET, format!("/v2/{service}"), Value::Null),
        ("run.services.update", Method::PATCH, format!("/v2/{service}"), template),
        ("run.revisions.get", Method::GET, format!("/v2/{service}/revisions/x"), Value::Null),
        ("run.revisions.list", Method::GET, format!("/v2/{service}/revisions"), Value::Null),
        ("logging.logEntries.list", Method::POST, "/v2/entries:list".to_owned(), log),
        ("logging.views.access", Method::POST, "/v2/entries:list".to_owned(), view),
        ("logging.buckets.get", Method::GET, format!("/v2/{BUCKET}"), Value::Null),
        ("logging.sinks.list", Method::GET, "/v2/projects/p/sinks".to_owned(), Value::Null),
        ("logging.sinks.get", Method::GET, "/v2/projects/p/sinks/s".to_owned(), Value::Null),
        ("artifactregistry.repositories.get", Method::GET, format!("/v1/{repository}"), Value::Null),
        (
            "artifactregistry.dockerimages.get",
            Method::GET,
            format!("/v1/{repository}/dockerImages/i@sha256:00"),
            Value::Null,
        ),
        (
            "artifactregistry.dockerimages.list",
            Method::GET,
            format!("/v1/{repository}/dockerImages"),
            Value::Null,
        ),
        ("cloudsql.instances.get", Method::GET, "/v1/projects/p/instances/i".to_owned(), Value::Null),
        ("secretmanager.secrets.get", Method::GET, "/v1/projects/p/secrets/s".to_owned(), Value::Null),
        (
            "secretmanager.versions.get",
            Method::GET,
            "/v1/projects/p/secrets/s/versions/latest".to_owned(),
            Value::Null,
        ),
        ("resourcemanager.projects.get", Method::GET, "/v3/projects/p".to_owned(), Value::Null),
        (
            "resourcemanager.projects.getIamPolicy",
            Method::POST,
            "/v3/projects/p:getIamPolicy".to_owned(),
            json!({}),
        ),
        (
            "serviceusage.services.get",
            Method::GET,
            "/v1/projects/p/services/run.googleapis.com".to_owned(),
            Value::Null,
        ),
        (
            "serviceusage.services.get",
            Method::GET,
            "/v1/projects/p/services:batchGet?names=projects/p/services/run.googleapis.com".to_owned(),
            Value::Null,
        ),
        ("storage.objects.get", Method::GET, "/storage/v1/b/b/o/x".to_owned(), Value::Null),
        ("storage.objects.delete", Method::DELETE, "/storage/v1/b/b/o/x".to_owned(), Value::Null),
        (
            "iam.serviceAccounts.getAccessToken",
            Method::POST,
            "/v1/projects/-/serviceAccounts/robot@p:generateAccessToken".to_owned(),
            json!({"scope": ["s"]}),
        ),
    ];
    for (permission, method, path, body) in cases {
        let call = async || {
            let mut request = client.request(method.clone(), format!("{url}{path}"));
            if !body.is_null() {
                request = request.json(&body);
            }
            let response = request.send().await.expect("an answer");
            (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
        };
        world.emulator.deny_permissions([permission]);
        let (status, error) = call().await;
        assert_eq!(status, 403, "{permission}: {error}");
        let message = error["error"]["message"].as_str().expect("a message");
        let named = message.contains(permission)
            || ["logging.logEntries.list", "logging.views.access"].contains(&permission)
            || permission == "iam.serviceAccounts.actAs" && message.contains("iam.serviceaccounts.actAs");
        assert!(named, "{permission}: {message}");
        world.emulator.deny_permissions(["some.other.permission"]);
        let (status, answer) = call().await;
        assert_ne!(status, 403, "{permission}: {answer}");
    }
    world.end().await;
}

#[tokio::test]
async fn the_details_of_a_refusal_name_the_permission_where_the_service_does() {
    let world = World::start(Emulator::builder()).await;
    world.emulator.deny_permissions(["artifactregistry.repositories.get"]);
    let repository = "projects/p/locations/europe-west2/repositories/quill";
    let artifacts = world.artifacts().await;
    let refused = artifacts.get_repository().set_name(repository).send().await.expect_err("denied");
    assert_denied(
        &refused,
        &format!(
            "Permission 'artifactregistry.repositories.get' denied on resource \
             '//artifactregistry.googleapis.com/{repository}' (or it may not exist)."
        ),
    );
    let [StatusDetails::ErrorInfo(info)] = &refused.status().expect("a status").details[..] else {
        panic!("one detail expected: {refused:?}");
    };
    assert_eq!(info.reason, "IAM_PERMISSION_DENIED");
    assert_eq!(info.metadata["permission"], "artifactregistry.repositories.get");
    world.end().await;
}

/// The file that gcloud leaves on a machine, with the emulator as the place that gives out tokens.
fn authorized_user(url: &str) -> Value {
    json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "secret",
        "refresh_token": "refresh",
        "token_uri": format!("{url}/token"),
    })
}

fn user(url: &str) -> Credentials {
    user_account::Builder::new(authorized_user(url)).build().expect("credentials")
}

fn lines(calls: &[RecordedCall]) -> Vec<String> {
    calls.iter().map(|call| format!("{} {}", call.line(), call.status.unwrap_or(0))).collect()
}

#[tokio::test]
async fn a_user_gets_a_token_which_is_accepted_until_it_expires() {
    let builder = Emulator::builder().require_token("nobody-knows").token_lifetime(Duration::from_mins(30));
    let world = World::start(builder).await;
    world.put_job();
    let url = world.emulator.url();
    let jobs = common::jobs_of(&url, user(&url)).await;
    jobs.get_job().set_name(JOB).send().await.expect("let in");
    jobs.get_job().set_name(JOB).send().await.expect("let in");
    let calls = world.emulator.calls();
    let get = format!("GET /v2/{JOB} 200");
    assert_eq!(lines(&calls), ["POST /token 200", &get, &get]);
    assert_eq!(calls[0].body["grant_type"], "refresh_token");
    assert_eq!(calls[0].body["refresh_token"], "refresh");
    assert_eq!(calls[0].headers.get("authorization"), None);

    // In the middle of everything, the token is worth nothing.
    world.emulator.expire_tokens();
    let refused = jobs.get_job().set_name(JOB).send().await.expect_err("expired");
    assert_eq!(refused.http_status_code(), Some(401));
    let renewed = common::jobs_of(&url, user(&url)).await;
    renewed.get_job().set_name(JOB).send().await.expect("a new token");

    world.emulator.set_token("another");
    renewed.get_job().set_name(JOB).send().await.expect_err("no longer");
    world.end().await;
}

#[tokio::test]
async fn the_token_endpoint_takes_forms_and_refuses_as_oauth_does() {
    const GOOD: &str = "grant_type=refresh_token&client_id=c&client_secret=s&refresh_token=r%2F1";

    let world = World::start(Emulator::builder().token_lifetime(Duration::from_mins(5))).await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let ask = async |form: &'static str| {
        let request = client.post(format!("{}/token", world.emulator.url()));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request.send().await.expect("an answer");
        (response.status().as_u16(), response.json::<Value>().await.expect("JSON"))
    };
    let (status, answer) = ask(GOOD).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["expires_in"], 300);
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer["access_token"].as_str().is_some_and(|token| token.starts_with("ya29.")));
    assert_eq!(world.emulator.calls()[0].body["refresh_token"], "r/1");
    for (form, error) in [
        ("grant_type=password&client_id=c", "unsupported_grant_type"),
        ("grant_type=refresh_token&client_id=c", "invalid_request"),
    ] {
        let (status, answer) = ask(form).await;
        assert_eq!((status, &answer["error"]), (400, &json!(error)));
    }
    world.emulator.refuse_refresh(Some("Token has been expired or revoked."));
    let (status, answer) = ask(GOOD).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer,
        json!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
    );
    world.emulator.refuse_refresh(None);
    assert_eq!(ask(GOOD).await.0, 200);
    world.end().await;
}

#[tokio::test]
async fn a_user_can_act_as_a_service_account() {
    const ROBOT: &str = "robot@p.iam.gserviceaccount.com";
    let world = World::start(Emulator::builder().require_token("nobody-knows")).await;
    world.put_job();
    let url = world.emulator.url();
    let as_robot = || {
        let config = json!({
            "type": "impersonated_service_account",
            "service_account_impersonation_url":
                format!("{url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"),
            "source_credentials": authorized_user(&url),
        });
        let builder = impersonated::Builder::new(config).with_lifetime(Duration::from_mins(10));
        builder.build().expect("credentials")
    };
    let run = common::jobs_of(&url, as_robot()).await.run_job().set_name(JOB).send().await;
    let execution = World::metadata(&run.expect("started"));
    assert_eq!(execution.creator, ROBOT);
    let calls = world.emulator.calls();
    let generate = format!("POST /v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken 200");
    assert_eq!(lines(&calls), ["POST /token 200", &generate, &format!("POST /v2/{JOB}:run 200")]);
    assert_eq!(calls[1].body["lifetime"], "600s");

    world.emulator.deny_permissions(["iam.serviceAccounts.getAccessToken"]);
    let refused = common::jobs_of(&url, as_robot()).await.get_job().set_name(JOB).send().await;
    let refused = refused.expect_err("denied");
    assert!(refused.is_authentication(), "{refused:?}");
    let last = world.emulator.calls().pop().expect("a call");
    assert_eq!((last.path.ends_with(":generateAccessToken"), last.status), (true, Some(403)));

    let client = Client::builder().no_proxy().build().expect("a client");
    world.emulator.deny_permissions([""; 0]);
    world.emulator.set_token("user");
    let path = format!("{url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken");
    for (body, message) in [
        (json!({"scope": ["s"], "lifetime": "3601s"}), "The access token lifetime cannot exceed"),
        (json!({"lifetime": "60s"}), "The request must contain at least one scope."),
    ] {
        let response = client.post(&path).bearer_auth("user").json(&body).send().await.expect("an answer");
        assert_eq!(response.status(), 400);
        let error: Value = response.json().await.expect("JSON");
        assert!(error["error"]["message"].as_str().is_some_and(|text| text.starts_with(message)), "{error}");
    }
    let response = client.post(&path).json(&json!({"scope": ["s"]})).send().await.expect("an answer");
    assert_eq!(response.status(), 401, "a stranger cannot");
    world.end().await;
}

#[tokio::test]
async fn the_control_api_denies_and_expires_too() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = world.emulator.url();
    let token = world.emulator.control_token();
    let put = async |path: &'static str, body: Value| {
        let response = client.put(format!("{url}/emulator/{path}")).header("emulator-token", token);
        let response = response.json(&body).send().await;
        assert_eq!(response.expect("an answer").status(), 200, "{path}");
    };
    let get = async |token: &'static str| {
        let request = client.get(format!("{url}/v2/{JOB}")).bearer_auth(token);
        request.send().await.expect("an answer").status().as_u16()
    };
    put("denied", json!(["run.jobs.get"])).await;
    assert_eq!(get("any").await, 403);
    put("denied", json!([])).await;
    assert_eq!(get("any").await, 200);
    put("token", json!({"token": "one"})).await;
    assert_eq!((get("any").await, get("one").await), (401, 200));
    put("token", json!({"token": null})).await;
    assert_eq!(get("one").await, 401);
    put("refresh", json!({"refuse": "revoked"})).await;
    let refused = client.post(format!("{url}/token")).json(&authorized_user(&url)).send().await;
    assert_eq!(refused.expect("an answer").status(), 400);
    world.emulator.reset().await;
    world.put_job();
    assert_eq!(get("any").await, 200, "as at the start");
    world.end().await;
}
