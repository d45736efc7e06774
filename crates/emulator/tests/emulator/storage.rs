//! Objects of Cloud Storage, byte by byte: what is asked of its JSON API here, the official crate asks over
//! gRPC.

use crate::common::World;
use cloud_emulator::{Emulator, Fault, FaultAction};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

const BUCKET: &str = "state";
const LOCK: &str = "terraform/state/staging.tflock";
const PATH: &str = "/storage/v1/b/state/o/terraform%2Fstate%2Fstaging.tflock";

struct Answer {
    status: StatusCode,
    content_type: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json; charset=UTF-8", "{}", self.body);
        serde_json::from_str(&self.body).expect("JSON")
    }
}

async fn call(world: &World, method: Method, path: &str) -> Answer {
    let client = Client::builder().no_proxy().build().expect("a client");
    let request = client.request(method, format!("{}{path}", world.emulator.url()));
    let answer = request.bearer_auth("token").send().await.expect("an answer");
    let content_type = answer.headers().get("content-type").map(|value| value.to_str().expect("a text"));
    Answer {
        status: answer.status(),
        content_type: content_type.unwrap_or_default().to_owned(),
        body: answer.text().await.expect("a text"),
    }
}

async fn get(world: &World, query: &str) -> Answer {
    call(world, Method::GET, &format!("{PATH}{query}")).await
}

async fn delete(world: &World, query: &str) -> Answer {
    call(world, Method::DELETE, &format!("{PATH}{query}")).await
}

/// The form of the older APIs, of which Cloud Storage's is one.
fn error(code: u16, reason: &str, message: &str, at: Option<&str>) -> Value {
    let mut item = json!({"message": message, "domain": "global", "reason": reason});
    if let Some(at) = at {
        item["locationType"] = json!("header");
        item["location"] = json!(at);
    }
    json!({"error": {"code": code, "message": message, "errors": [item]}})
}

#[tokio::test]
async fn an_object_is_described_and_read() {
    let world = World::start(Emulator::builder()).await;
    let generation = world.emulator.put_object(BUCKET, LOCK, "{\"ID\":\"1\"}");
    let mut described = get(&world, "").await.json();
    let created = described["timeCreated"].take();
    let created: jiff::Timestamp = created.as_str().expect("a text").parse().expect("a time");
    assert_eq!(created.as_microsecond(), generation, "a generation is a time in microseconds");
    for changing in ["updated", "timeStorageClassUpdated", "timeFinalized", "etag"] {
        assert!(described[changing].take().is_string(), "{changing}");
    }
    described.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
    let encoded = "terraform%2Fstate%2Fstaging.tflock";
    assert_eq!(
        described,
        json!({
            "kind": "storage#object",
            "id": format!("state/{LOCK}/{generation}"),
            "selfLink": format!("https://www.googleapis.com/storage/v1/b/state/o/{encoded}"),
            "mediaLink": format!(
                "https://storage.googleapis.com/download/storage/v1/b/state/o/{encoded}?generation={generation}&alt=media"
            ),
            "name": LOCK,
            "bucket": "state",
            "generation": generation.to_string(),
            "metageneration": "1",
            "contentType": "application/octet-stream",
            "storageClass": "STANDARD",
            "size": "10",
        })
    );
    let content = get(&world, &format!("?alt=media&generation={generation}")).await;
    assert_eq!((content.status, content.body.as_str()), (StatusCode::OK, "{\"ID\":\"1\"}"));
    assert_eq!(content.content_type, "application/octet-stream");

    let newer = world.emulator.put_object(BUCKET, LOCK, "");
    assert!(newer > generation);
    let old = get(&world, &format!("?alt=media&generation={generation}")).await;
    assert_eq!(old.status, StatusCode::NOT_FOUND, "there is no versioning");
    assert_eq!(old.body, format!("No such object: state/{LOCK}#{generation}"));
    assert_eq!(old.content_type, "text/html; charset=UTF-8");
    world.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_older_form() {
    let world = World::start(Emulator::builder()).await;
    let missing = get(&world, "").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    let no_bucket = error(404, "notFound", "The specified bucket does not exist.", None);
    assert_eq!(missing.json(), no_bucket);
    world.emulator.put_bucket(BUCKET);
    let no_object = error(404, "notFound", &format!("No such object: state/{LOCK}"), None);
    assert_eq!(get(&world, "").await.json(), no_object);
    assert_eq!(delete(&world, "?ifGenerationMatch=1").await.json(), no_object);
    let unknown = call(&world, Method::GET, "/storage/v1/b/state/o").await;
    assert_eq!(unknown.status, StatusCode::NOT_IMPLEMENTED);
    assert!(
        unknown.json()["error"]["message"]
            .as_str()
            .is_some_and(|text| text.starts_with("storage.objects.list "))
    );
    world.end().await;
}

#[tokio::test]
async fn only_the_generation_that_is_meant_is_deleted() {
    let world = World::start(Emulator::builder()).await;
    let old = world.emulator.put_object(BUCKET, LOCK, "old");
    let new = world.emulator.put_object(BUCKET, LOCK, "new");
    let refused = delete(&world, &format!("?ifGenerationMatch={old}")).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED);
    let message = "At least one of the pre-conditions you specified did not hold.";
    assert_eq!(refused.json(), error(412, "conditionNotMet", message, Some("If-Match")));
    assert_eq!(world.emulator.object(BUCKET, LOCK), Some((new, b"new".to_vec())), "left alone");
    let unchanged = get(&world, &format!("?ifGenerationNotMatch={new}")).await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(get(&world, &format!("?ifGenerationNotMatch={old}")).await.status, StatusCode::OK);
    assert_eq!(get(&world, "?ifGenerationMatch=0").await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(get(&world, "?ifGenerationMatch=new").await.status, StatusCode::BAD_REQUEST);
    let deleted = delete(&world, &format!("?ifGenerationMatch={new}")).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(world.emulator.object(BUCKET, LOCK), None);
    assert_eq!(delete(&world, "").await.status, StatusCode::NOT_FOUND);
    world.end().await;
}

#[tokio::test]
async fn who_may_not_is_named_and_a_stranger_is_not_let_in() {
    let world = World::start(Emulator::builder().require_token("token").caller("steve@example.org")).await;
    let generation = world.emulator.put_object(BUCKET, LOCK, "lock");
    world.emulator.deny_permissions(["storage.objects.delete"]);
    let refused = delete(&world, &format!("?ifGenerationMatch={generation}")).await;
    let message = "steve@example.org does not have storage.objects.delete access to the Google Cloud Storage \
                   object. Permission 'storage.objects.delete' denied on resource (or it may not exist).";
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.json(), error(403, "forbidden", message, None));
    assert_eq!(world.emulator.object(BUCKET, LOCK), Some((generation, b"lock".to_vec())));
    let test = "/storage/v1/b/state/iam/testPermissions?permissions=storage.objects.get&permissions=storage.objects.delete";
    assert_eq!(
        call(&world, Method::GET, test).await.json(),
        json!({"kind": "storage#testIamPermissionsResponse", "permissions": ["storage.objects.get"]})
    );
    let elsewhere = "/storage/v1/b/other/iam/testPermissions?permissions=storage.objects.get";
    assert_eq!(call(&world, Method::GET, elsewhere).await.status, StatusCode::NOT_FOUND);
    world.emulator.set_token("another");
    let stranger = get(&world, "").await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.json(), error(401, "authError", "Invalid Credentials", Some("Authorization")));
    world.end().await;
}

#[tokio::test]
async fn faults_meet_it_and_the_control_api_puts_objects_there() {
    let world = World::start(Emulator::builder()).await;
    let client = Client::builder().no_proxy().build().expect("a client");
    let url = format!("{}/emulator/objects/{BUCKET}/{LOCK}", world.emulator.url());
    let token = world.emulator.control_token();
    let put =
        client.put(&url).header("emulator-token", token).body("any bytes").send().await.expect("an answer");
    let put: Value = put.json().await.expect("JSON");
    let (generation, content) = world.emulator.object(BUCKET, LOCK).expect("there");
    assert_eq!((put, content), (json!({"generation": generation.to_string()}), b"any bytes".to_vec()));
    world.emulator.set_faults([
        Fault::new("/storage/*", FaultAction::status(503, "try again")).times(1),
        Fault::new("/storage/*", FaultAction::ResetAfter).method("DELETE"),
    ]);
    assert_eq!(get(&world, "").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(get(&world, "").await.status, StatusCode::OK);
    let lost = client.delete(format!("{}{PATH}", world.emulator.url())).send().await;
    lost.expect_err("the answer is lost");
    assert_eq!(world.emulator.object(BUCKET, LOCK), None, "the call was carried out");
    let removed = client.delete(&url).header("emulator-token", token).send().await.expect("an answer");
    assert_eq!(removed.status(), StatusCode::BAD_REQUEST, "it is gone already");
    world.emulator.put_object(BUCKET, LOCK, "");
    world.emulator.reset().await;
    assert_eq!(world.emulator.object(BUCKET, LOCK), None);
    world.end().await;
}

#[tokio::test]
async fn objects_policies_and_disabled_services_survive_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = || Emulator::builder().state_file(folder.path().join("state.json"));
    let world = World::start(builder()).await;
    let generation = world.emulator.put_object(BUCKET, LOCK, [0, 255]);
    world.emulator.set_service_enabled("p", "run.googleapis.com", false);
    world.emulator.put_iam_policy("p", json!({"version": 3, "bindings": [{
        "role": "roles/logging.bucketWriter", "members": ["serviceAccount:w@p"], "condition": {"expression": "true"},
    }]})).expect("put");
    world.end().await;
    let world = World::start(builder()).await;
    assert_eq!(world.emulator.object(BUCKET, LOCK), Some((generation, vec![0, 255])));
    let service = call(&world, Method::GET, "/v1/projects/p/services/run.googleapis.com").await.json();
    assert_eq!(service["state"], "DISABLED");
    // Who does not ask for version 3 gets no conditions, and another role in their place.
    let policy = call(&world, Method::POST, "/v3/projects/p:getIamPolicy").await.json();
    assert_eq!(policy["version"], 1, "{policy}");
    let binding = &policy["bindings"][0];
    assert!(
        binding["role"].as_str().is_some_and(|role| role.starts_with("roles/logging.bucketWriter_withcond_"))
    );
    assert!(binding["condition"].is_null(), "{policy}");
    world.end().await;
}
