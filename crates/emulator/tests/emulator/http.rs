//! The bytes themselves: the JSON forms, the errors, the control API, what survives a restart.

use std::time::Duration;

use crate::common::{self, JOB, LOCATION, World, job};
use cloud_emulator::{Emulator, Script, Step};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// A plain HTTP client of one emulator.
struct Http {
    client: Client,
    url: String,
    control_token: String,
}

impl Http {
    fn new(emulator: &Emulator) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client");
        let (url, control_token) = (emulator.url(), emulator.control_token().to_owned());
        Self { client, url, control_token }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        if path.starts_with("/emulator/") {
            request = request.header("emulator-token", &self.control_token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.expect("an answer");
        let status = response.status();
        (status, response.json().await.expect("JSON"))
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.call(Method::GET, path, Value::Null).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body
    }

    /// Runs the job and waits for its end.
    async fn run(&self) -> Value {
        let (status, operation) = self.call(Method::POST, &format!("/v2/{JOB}:run"), json!({})).await;
        assert_eq!(status, StatusCode::OK, "{operation}");
        let path = format!("/v2/{}:wait", operation["name"].as_str().expect("a name"));
        let wait = json!({ "timeout": "20s" });
        let (_, done) = self.call(Method::POST, &path, wait).await;
        assert_eq!(done["done"], true);
        done
    }
}

#[tokio::test]
async fn enums_are_names_unless_asked_for_as_integers_and_zeros_are_absent() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let http = Http::new(&world.emulator);
    let done = http.run().await;
    let name = done["metadata"]["name"].as_str().expect("a name");
    let execution = http.get(&format!("/v2/{name}")).await;
    assert_eq!(execution["launchStage"], "GA");
    assert_eq!(execution["generation"], "1", "64-bit integers are strings");
    assert_eq!(execution["succeededCount"], 1);
    for absent in ["failedCount", "cancelledCount", "retriedCount", "runningCount", "reconciling"] {
        assert_eq!(execution.get(absent), None, "{absent}");
    }
    assert_eq!(execution["template"]["maxRetries"], 0, "an explicit zero is kept");
    let completed = &execution["conditions"][0];
    assert_eq!(completed["type"], "Completed");
    assert_eq!(completed["state"], "CONDITION_SUCCEEDED");
    let as_integers = http.get(&format!("/v2/{name}?$alt=json;enum-encoding=int")).await;
    assert_eq!(as_integers["launchStage"], 4);
    assert_eq!(as_integers["conditions"][0]["state"], 4);
    let tasks = http.get(&format!("/v2/{name}/tasks")).await;
    assert_eq!(tasks["tasks"][0]["lastAttemptResult"], json!({"status": {}}));
    world.end().await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_in_googles_words() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let http = Http::new(&world.emulator);
    let description = "Invalid JSON payload received. Unknown name \"imagee\" at \
                       'job.template.template.containers[0]': Cannot find field.";
    let body = json!({"template": {"template": {"containers": [{"imagee": "i"}]}}});
    let path = format!("/v2/{LOCATION}/jobs?jobId=x");
    let (status, error) = http.call(Method::POST, &path, body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        error,
        json!({"error": {
            "code": 400,
            "message": description,
            "status": "INVALID_ARGUMENT",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [{
                    "field": "job.template.template.containers[0]",
                    "description": description,
                }],
            }],
        }})
    );
    let (_, error) = http.call(Method::POST, &format!("/v2/{JOB}:run"), json!({"colour": 1})).await;
    assert_eq!(
        error["error"]["message"],
        "Invalid JSON payload received. Unknown name \"colour\": Cannot find field."
    );
    let (status, error) = http.call(Method::GET, &format!("/v2/{JOB}?colour=1"), Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        error["error"]["message"],
        "Invalid JSON payload received. Unknown name \"colour\": Cannot bind query parameter. \
         Field 'colour' could not be found in request message."
    );
    world.end().await;
}

#[tokio::test]
async fn every_method_of_google_cloud_that_is_not_emulated_answers_501() {
    let world = World::start(Emulator::builder()).await;
    let http = Http::new(&world.emulator);
    for (method, path, name) in [
        (Method::POST, "/v2/entries:write", "google.logging.v2.LoggingServiceV2.WriteLogEntries"),
        (
            Method::GET,
            "/v1/projects/p/secrets/s/versions/latest:access",
            "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
        ),
        (Method::GET, "/v1/projects/p/locations/r/secrets/s", "GET /v1/projects/p"),
        (Method::PUT, "/v2/entries:list", "PUT /v2/entries:list"),
    ] {
        let (status, error) = http.call(method, path, Value::Null).await;
        assert_eq!(status, StatusCode::NOT_IMPLEMENTED);
        assert_eq!(error["error"]["status"], "UNIMPLEMENTED");
        let message = error["error"]["message"].as_str().expect("a message");
        assert!(message.starts_with(name), "{message}");
    }
    world.end().await;
}

#[tokio::test]
async fn pages_follow_each_other_and_a_wrong_token_is_refused() {
    let world = World::start(Emulator::builder()).await;
    for id in ["a", "b", "c"] {
        let name = format!("{LOCATION}/jobs/{id}");
        world.emulator.put_job(&name, job("i")).expect("put");
    }
    let http = Http::new(&world.emulator);
    let path = format!("/v2/{LOCATION}/jobs?pageSize=2&showDeleted=false");
    let first = http.get(&path).await;
    assert_eq!(first["jobs"].as_array().map(Vec::len), Some(2));
    let token = first["nextPageToken"].as_str().expect("a token");
    let second = http.get(&format!("{path}&pageToken={token}")).await;
    assert_eq!(second["jobs"][0]["name"], format!("{LOCATION}/jobs/c"));
    assert_eq!(second.get("nextPageToken"), None);
    let (status, _) = http.call(Method::GET, &format!("{path}&pageToken=x"), Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    world.end().await;
}

#[tokio::test]
async fn the_control_api_does_what_the_library_does() {
    let world = World::start(Emulator::builder()).await;
    let http = Http::new(&world.emulator);
    assert_eq!(http.get("/emulator/health").await["status"], "ok");
    let put = |path: String, body: Value| {
        let http = &http;
        async move {
            let (status, body) = http.call(Method::PUT, &path, body).await;
            assert_eq!(status, StatusCode::OK, "{path}: {body}");
        }
    };
    put(format!("/emulator/resources/{JOB}"), job("i")).await;
    put("/emulator/secrets/projects/p/secrets/s".to_owned(), json!({"value": "v"})).await;
    let added =
        http.call(Method::POST, "/emulator/secrets/projects/p/secrets/s", json!({"value": "w"})).await;
    assert_eq!(added, (StatusCode::OK, json!({"version": 2})));
    let version = "/emulator/secrets/projects/p/secrets/s/versions/2".to_owned();
    put(version.clone(), json!({"state": "DISABLED"})).await;
    put(version.clone(), json!({"state": "DESTROYED"})).await;
    let (status, error) = http.call(Method::PUT, &version, json!({"state": "ENABLED"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(error["error"], "what was destroyed stays so");
    put(
        format!("/emulator/scripts/{JOB}"),
        json!({"steps": [{"log": {"line": "hello"}}, {"wait": 1}, {"exit": 2}]}),
    )
    .await;
    put(
        "/emulator/faults".to_owned(),
        json!([{
            "method": "GET",
            "path": "*/jobs/admin",
            "times": 1,
            "action": {"status": {"code": 429, "message": "slow down", "retryAfter": "7"}},
        }]),
    )
    .await;
    let url = format!("{}/v2/{JOB}", world.emulator.url());
    let refused = http.client.get(&url).send().await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "7");
    let body: Value = refused.json().await.expect("JSON");
    assert_eq!(body["error"], json!({"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}));
    assert_eq!(http.get(&format!("/v2/{JOB}")).await["name"], JOB);

    let done = http.run().await;
    assert_eq!(done["error"]["code"], 10);
    let (_, logs) = http
        .call(
            Method::POST,
            "/v2/entries:list",
            json!({"resourceNames": ["projects/p"], "filter": "textPayload=hello"}),
        )
        .await;
    assert_eq!(logs["entries"][0]["textPayload"], "hello");
    assert_eq!(logs["entries"][0].get("severity"), None);

    let calls = http.get("/emulator/calls").await;
    let calls = calls["calls"].as_array().expect("a list");
    let lines: Vec<String> = calls
        .iter()
        .map(|call| format!("{} {}", call["method"].as_str().unwrap_or_default(), call["status"]))
        .collect();
    assert_eq!(lines, ["GET 429", "GET 200", "POST 200", "POST 200", "POST 200"]);
    assert_eq!(calls[4]["body"]["filter"], "textPayload=hello");
    assert!(calls[4]["receivedNs"].as_u64() > calls[3]["receivedNs"].as_u64());

    let (status, error) =
        http.call(Method::PUT, &format!("/emulator/scripts/{JOB}"), json!({"stepz": []})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error["error"].as_str().is_some_and(|text| text.contains("stepz")));

    let (status, _) = http.call(Method::POST, "/emulator/reset", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(http.get("/emulator/calls").await["calls"], json!([]));
    assert_eq!(http.get(&format!("/v2/{LOCATION}/jobs")).await, json!({}));
    world.end().await;
}

#[tokio::test]
async fn what_is_only_validated_changes_nothing() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let service = format!("{LOCATION}/services/backend");
    let template = json!({"template": {"containers": [{"image": "h/p/backend:1"}]}});
    world.emulator.put_service(&service, template).expect("put");
    let http = Http::new(&world.emulator);
    let done = http.run().await;
    let ended = done["metadata"]["name"].as_str().expect("a name").to_owned();
    world.emulator.set_script(JOB, Script::new([Step::Forever]));
    let running = World::metadata(&world.run().await).name;
    // Everything there is, once the second execution has begun.
    let state = async || {
        let mut state = Vec::new();
        for list in ["jobs", "services", "operations", "jobs/-/executions", "services/backend/revisions"] {
            state.push(http.get(&format!("/v2/{LOCATION}/{list}")).await);
        }
        for execution in [&ended, &running] {
            state.push(http.get(&format!("/v2/{execution}/tasks")).await);
        }
        let logs = json!({"resourceNames": ["projects/p"]});
        state.push(http.call(Method::POST, "/v2/entries:list", logs).await.1);
        state
    };
    while http.get(&format!("/v2/{running}")).await.get("startTime").is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = state().await;

    let flag = json!({"validateOnly": true});
    let other_image = json!({"template": {"containers": [{"image": "h/p/backend:2"}]}});
    let ids = [
        (Method::POST, format!("{JOB}:run"), flag.clone(), "Execution"),
        (Method::PATCH, format!("{JOB}?validateOnly=true"), job("other"), "Job"),
        (Method::POST, format!("{LOCATION}/jobs?jobId=new&validateOnly=true"), job("other"), "Job"),
        (Method::DELETE, format!("{JOB}?validateOnly=true"), Value::Null, "Job"),
        (Method::DELETE, format!("{ended}?validateOnly=true"), Value::Null, "Execution"),
        (Method::POST, format!("{running}:cancel"), flag, "Execution"),
        (Method::PATCH, format!("{service}?validateOnly=true"), other_image, "Service"),
    ];
    for (method, path, body, message) in ids {
        let (status, operation) = http.call(method.clone(), &format!("/v2/{path}"), body).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}: {operation}");
        assert_eq!(operation["done"], true);
        let type_name = format!("type.googleapis.com/google.cloud.run.v2.{message}");
        assert_eq!(operation["response"]["@type"], type_name);
        assert_eq!(state().await, before, "{method} {path}");
    }

    // What is wrong is told all the same.
    let wrong = json!({"validateOnly": true, "overrides": {"taskCount": -1}});
    let (status, _) = http.call(Method::POST, &format!("/v2/{JOB}:run"), wrong).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let path = format!("/v2/{JOB}?validateOnly=true");
    let (status, _) = http.call(Method::PATCH, &path, json!({"template": {}})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    world.emulator.reset().await;
    world.end().await;
}

#[tokio::test]
async fn a_reset_does_not_wait_for_what_runs() {
    let world = World::start(Emulator::builder().grace(Duration::from_mins(10))).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::Stubborn]));
    world.run().await;
    let reset = tokio::time::timeout(Duration::from_secs(20), world.emulator.reset()).await;
    reset.expect("in time");
    world.end().await;
}

#[tokio::test]
async fn the_state_survives_a_restart_and_what_ran_has_failed() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.json");
    let start = || World::start(Emulator::builder().state_file(&file));

    let world = start().await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::log("kept")]));
    let done = Http::new(&world.emulator).run().await;
    let finished = done["response"]["name"].as_str().expect("a name").to_owned();
    world.end().await;

    let world = start().await;
    let http = Http::new(&world.emulator);
    let execution = http.get(&format!("/v2/{finished}")).await;
    assert_eq!(execution["succeededCount"], 1);
    assert_eq!(http.get(&format!("/v2/{}", done["name"].as_str().expect("a name"))).await, done);
    assert_eq!(world.log(&finished).await.len(), 2);
    assert_eq!(world.tasks(&finished).await.len(), 1);
    world.emulator.set_script(JOB, Script::new([Step::Forever]));
    let running = World::metadata(&world.run().await).name;
    // Not an orderly end: the file is what it was when the emulator went away.
    let copy = loop {
        let text = std::fs::read_to_string(&file).expect("the file");
        if text.contains(&running) {
            break text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    world.emulator.reset().await;
    world.end().await;
    std::fs::write(&file, copy).expect("written");

    let world = start().await;
    let execution = world.execution(&running).await;
    assert_eq!(execution.failed_count, 1);
    assert_eq!(execution.running_count, 0);
    assert!(execution.completion_time.is_some());
    let completed = common::condition(&execution, "Completed").expect("a condition");
    assert!(completed.message.contains("emulator ended"));
    world.end().await;
}

#[tokio::test]
async fn a_broken_state_file_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.json");
    std::fs::write(&file, "{").expect("written");
    let error = Emulator::builder().state_file(&file).start().await;
    let error = error.expect_err("not JSON").to_string();
    assert!(error.contains("state.json"), "{error}");
}

#[tokio::test]
async fn entries_planted_by_a_test_are_read_back() {
    let world = World::start(Emulator::builder().log_retention_days(36_500)).await;
    world
        .emulator
        .put_log_entry(json!({
            "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
            "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog"},
            "timestamp": "2026-01-01T00:00:00Z",
            "severity": "NOTICE",
        }))
        .expect("put");
    let refused = world.emulator.put_log_entry(json!({"logname": "x"}));
    assert!(refused.expect_err("a typing error").to_string().contains("logname"));
    let logging = world.logging().await;
    let list = logging
        .list_log_entries()
        .set_resource_names(["projects/p"])
        .set_filter("log_id(\"cloudaudit.googleapis.com/activity\")")
        .send()
        .await
        .expect("a list");
    assert_eq!(list.entries.len(), 1);
    assert!(list.entries[0].proto_payload().is_some());
    world.end().await;
}

/// Status and message of one request, with headers of its own.
async fn raw(http: &Http, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut request = http.client.request(method, format!("{}{path}", http.url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_empty() {
        request = request.body(body.to_owned());
    }
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap_or_default();
    (status, body["error"]["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_web_page_starts_nothing_and_reads_nothing() {
    const JSON: (&str, &str) = ("content-type", "application/json");
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let http = Http::new(&world.emulator);
    let (get, run) = (format!("/v2/{JOB}"), format!("/v2/{JOB}:run"));
    let port = world.emulator.address().port();
    let rebound = format!("evil.example:{port}");
    let other_port = format!("127.0.0.1:{}", port ^ 1);
    for host in [rebound.as_str(), &other_port, "evil.example", "", "a b"] {
        let (status, message) = raw(&http, Method::GET, &get, &[("host", host)], "").await;
        // An empty host, or one that is none, may be refused by the HTTP library before.
        assert!(status == 403 || (status == 400 && message.is_empty()), "{host}: {status} {message}");
    }
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path) in [(Method::GET, &get), (Method::POST, &run), (Method::OPTIONS, &run)] {
            let (status, message) = raw(&http, method, path, &[(name, value), JSON], "{}").await;
            assert_eq!(status, 403, "{name}: {value}: {message}");
        }
    }
    for content in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
    {
        let (status, message) = raw(&http, Method::POST, &run, &[("content-type", content)], "{}").await;
        assert_eq!((status, message.as_str()), (415, "The header Content-Type has to be application/json."));
    }
    assert_eq!(raw(&http, Method::POST, &run, &[], "{}").await.0, 415);
    assert_eq!(world.emulator.executions(JOB), Vec::<Value>::new(), "nothing was run");
    assert_eq!(world.emulator.calls().len(), 0, "nothing came through");

    for host in [format!("localhost:{port}"), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        let headers = [("host", host.as_str()), ("sec-fetch-site", "none")];
        assert_eq!(raw(&http, Method::GET, &get, &headers, "").await.0, 200, "{host}");
    }
    let charset = [("content-type", "Application/JSON; charset=UTF-8")];
    assert_eq!(raw(&http, Method::POST, &run, &charset, "{}").await.0, 200);
    assert_eq!(raw(&http, Method::POST, &run, &[], "").await.0, 200, "no body needs no type");
    world.end().await;
}

#[tokio::test]
async fn the_control_api_needs_this_emulators_token() {
    let world = World::start(Emulator::builder()).await;
    let other = World::start(Emulator::builder()).await;
    world.put_job();
    let http = Http::new(&world.emulator);
    let wrong = other.emulator.control_token();
    assert_ne!(wrong, world.emulator.control_token());
    for token in [None, Some(""), Some(wrong), Some(&wrong[..10])] {
        let headers: Vec<_> = token.map(|token| ("emulator-token", token)).into_iter().collect();
        for (method, path) in [
            (Method::POST, "/emulator/reset"),
            (Method::GET, "/emulator/calls"),
            (Method::GET, "/emulator/health"),
            (Method::GET, "/emulator/nothing"),
        ] {
            let (status, message) = raw(&http, method, path, &headers, "").await;
            assert_eq!(status, 403, "{path}");
            assert!(message.contains("emulator-token"), "{message}");
        }
    }
    assert!(world.emulator.get(JOB).is_some(), "nothing was reset");
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_filter_without_end_is_an_error_and_the_emulator_lives_on() {
    let world = World::start(Emulator::builder()).await;
    let http = Http::new(&world.emulator);
    for filter in ["(".repeat(10_000), "NOT ".repeat(4_000), format!("-{}", "(-".repeat(9_000))] {
        let body = json!({"resourceNames": ["projects/p"], "filter": filter});
        let (status, error) = http.call(Method::POST, "/v2/entries:list", body).await;
        assert_eq!(
            (status, &error["error"]["status"]),
            (StatusCode::BAD_REQUEST, &json!("INVALID_ARGUMENT"))
        );
    }
    let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let json = [("content-type", "application/json")];
    assert_eq!(raw(&http, Method::POST, "/v2/entries:list", &json, &nested).await.0, 400);
    world.end().await;
}
