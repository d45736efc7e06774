//! Log entries as they come in, over gRPC, judged by Google's own client.

use std::time::{Duration, Instant};

use crate::common::{JOB, World};
use cloud_emulator::{Builder, Emulator, Fault, FaultAction, RecordedCall, Script, Step};
use google_cloud_auth::credentials::anonymous::Builder as Anonymous;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::streaming::{RequestSender, ResponseStream};
use google_cloud_logging_v2::client::LoggingServiceV2;
use google_cloud_logging_v2::model::{LogEntry, TailLogEntriesRequest, TailLogEntriesResponse};
use serde_json::json;

const METHOD: &str = "/google.logging.v2.LoggingServiceV2/TailLogEntries";

struct Tail {
    _client: LoggingServiceV2,
    sender: Option<RequestSender<TailLogEntriesRequest>>,
    stream: ResponseStream<TailLogEntriesResponse>,
}

fn wanted(project: &str) -> TailLogEntriesRequest {
    TailLogEntriesRequest::new()
        .set_resource_names([format!("projects/{project}")])
        .set_buffer_window(google_cloud_wkt::Duration::clamp(0, 0))
}

impl Tail {
    /// Begins without asking for anything.
    async fn begin(world: &World) -> Self {
        let client = LoggingServiceV2::builder()
            .with_endpoint(world.emulator.url())
            .with_credentials(Anonymous::new().build())
            .build()
            .await
            .expect("a client");
        let (sender, stream) = client.tail_log_entries().build();
        Self { _client: client, sender: Some(sender), stream }
    }

    async fn ask(world: &World, request: TailLogEntriesRequest) -> Self {
        let tail = Self::begin(world).await;
        tail.send(request).await;
        tail
    }

    async fn send(&self, request: TailLogEntriesRequest) {
        self.sender.as_ref().expect("open").send(request).await.expect("sent");
    }

    /// Waits until it is open as well: the client itself gives no sign.
    async fn open(world: &World, request: TailLogEntriesRequest) -> Self {
        let before = answered(world);
        let tail = Self::ask(world, request).await;
        until(|| answered(world) > before).await;
        tail
    }

    async fn next(&mut self) -> Result<Vec<LogEntry>, Error> {
        let next = tokio::time::timeout(Duration::from_secs(20), self.stream.next()).await;
        let next = next.expect("in time").expect("no end without a word");
        next.map(|answer| answer.entries)
    }

    async fn entries(&mut self, count: usize) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        while entries.len() < count {
            entries.extend(self.next().await.expect("entries"));
        }
        assert_eq!(entries.len(), count, "{:?}", texts(&entries));
        entries
    }

    async fn refusal(mut self) -> (Code, String) {
        let error = self.next().await.expect_err("an error");
        let status = error.status().unwrap_or_else(|| panic!("no status: {error:?}"));
        (status.code, status.message.clone())
    }
}

fn calls(world: &World) -> Vec<RecordedCall> {
    world.emulator.calls().into_iter().filter(|call| call.path == METHOD).collect()
}

fn answered(world: &World) -> usize {
    calls(world).iter().filter(|call| call.status == Some(200)).count()
}

async fn until(mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn texts(entries: &[LogEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.text_payload().map_or("", String::as_str)).collect()
}

fn put(world: &World, text: &str) {
    put_at(world, text, None);
}

fn put_at(world: &World, text: &str, timestamp: Option<&str>) {
    let log = "projects/p/logs/test";
    let entry = json!({"logName": log, "textPayload": text, "timestamp": timestamp});
    world.emulator.put_log_entry(entry).expect("put");
}

async fn list(world: &World) -> Vec<LogEntry> {
    let logging = world.logging().await;
    let list = logging.list_log_entries().set_resource_names(["projects/p"]).set_page_size(1000);
    list.send().await.expect("a list").entries
}

#[tokio::test]
async fn a_job_is_followed_line_by_line() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    let structured = r#"{"severity": "ERROR", "message": "oh", "n": 1.5, "a": [true, null, {"b": "c"}]}"#;
    let script = Script::new([Step::log("hello"), Step::log(structured), Step::Forever]);
    world.emulator.set_script(JOB, script);
    let filter = r#"resource.type="cloud_run_job" AND resource.labels.job_name="admin""#;
    let mut tail = Tail::open(&world, wanted("p").set_filter(filter)).await;
    put(&world, "of something else");
    let run = world.run().await;
    let live = tail.entries(2).await;
    assert_eq!(live, world.log(&World::metadata(&run).name).await, "the list has the same");
    assert_eq!(live[0].text_payload().map(String::as_str), Some("hello"));
    assert_eq!(live[1].severity.name(), Some("ERROR"));
    world.emulator.reset().await;
    world.end().await;
}

#[tokio::test]
async fn a_container_waits_for_a_log_that_is_being_opened() {
    let world = World::start(Emulator::builder()).await;
    world.put_job();
    world.emulator.set_script(JOB, Script::new([Step::log("hello"), Step::Forever]));
    let mut tail = Tail::begin(&world).await;
    until(|| calls(&world).len() == 1).await;
    let run = world.run().await;
    let execution = World::metadata(&run).name;
    assert_eq!(world.log(&execution).await, [], "nothing is written yet");
    tail.send(wanted("p")).await;
    assert_eq!(texts(&tail.entries(1).await), ["hello"]);

    // But not for ever.
    let _begun = Tail::begin(&world).await;
    until(|| calls(&world).len() == 2).await;
    world.run().await;
    assert_eq!(texts(&tail.entries(1).await), ["hello"]);
    world.emulator.reset().await;
    world.end().await;
}

#[tokio::test]
async fn every_field_of_an_entry_arrives() {
    let world = World::start(Emulator::builder().log_retention_days(36_500)).await;
    let mut tail = Tail::open(&world, wanted("p")).await;
    world
        .emulator
        .put_log_entry(json!({
            "logName": "projects/p/logs/test",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "backend"}},
            "textPayload": "GET /",
            "timestamp": "2026-01-02T03:04:05.678901234Z",
            "severity": "NOTICE",
            "httpRequest": {
                "requestMethod": "GET",
                "requestUrl": "https://backend.example/",
                "requestSize": "12345678901",
                "status": 200,
                "responseSize": "7",
                "userAgent": "test",
                "remoteIp": "192.0.2.1",
                "serverIp": "192.0.2.2",
                "referer": "https://example.com/",
                "latency": "0.25s",
                "cacheLookup": true,
                "cacheHit": true,
                "cacheValidatedWithOriginServer": true,
                "cacheFillBytes": "3",
                "protocol": "HTTP/1.1",
            },
            "labels": {"a": "b"},
            "operation": {"id": "o", "producer": "p", "first": true, "last": true},
            "trace": "projects/p/traces/t",
            "spanId": "0000000000000001",
            "traceSampled": true,
            "sourceLocation": {"file": "main.rs", "line": "42", "function": "main"},
            "split": {"uid": "u", "index": 1, "totalSplits": 2},
        }))
        .expect("put");
    let live = tail.entries(1).await;
    assert_eq!(live, list(&world).await);
    let request = live[0].http_request.as_ref().expect("a request");
    assert_eq!((request.request_size, request.status), (12_345_678_901, 200));
    assert_eq!(live[0].split.as_ref().map(|split| split.total_splits), Some(2));

    let audit = json!({
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog"},
    });
    world.emulator.put_log_entry(audit).expect("put");
    let live = tail.entries(1).await;
    assert!(live[0].proto_payload().is_some());
    world.end().await;
}

#[tokio::test]
async fn only_what_becomes_available_later_is_sent() {
    let builder = Emulator::builder().log_delay(Duration::from_secs(1)).log_reads_per_minute(10_000);
    let world = World::start(builder).await;
    put(&world, "before");
    while list(&world).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    put(&world, "on its way");
    let mut tail = Tail::open(&world, wanted("p")).await;
    put(&world, "after");
    assert_eq!(texts(&tail.entries(2).await), ["on its way", "after"]);
    world.end().await;
}

#[tokio::test]
async fn a_window_holds_entries_back_and_puts_them_in_order() {
    let world = World::start(Emulator::builder()).await;
    let window = Duration::from_millis(700);
    let slow = wanted("p").set_buffer_window(google_cloud_wkt::Duration::clamp(0, 700_000_000));
    let mut slow = Tail::open(&world, slow).await;
    let mut fast = Tail::open(&world, wanted("p")).await;
    let begin = Instant::now();
    put_at(&world, "second", Some("2026-01-01T00:00:02Z"));
    assert_eq!(texts(&fast.entries(1).await), ["second"]);
    put_at(&world, "first", Some("2026-01-01T00:00:01Z"));
    assert_eq!(texts(&fast.entries(1).await), ["first"]);
    let answer = slow.next().await.expect("entries");
    assert!(begin.elapsed() >= window, "{:?}", begin.elapsed());
    assert_eq!(texts(&answer), ["first", "second"]);
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    let world = World::start(Emulator::builder()).await;
    let nothing = TailLogEntriesRequest::new();
    let long = google_cloud_wkt::Duration::clamp(61, 0);
    for (request, message) in [
        (nothing, "resource_names is required"),
        (wanted("p").set_filter("colour = red"), "Unparseable filter: Field not found: 'colour'"),
        (wanted("p").set_buffer_window(long), "buffer_window must be between 0 and 60000 milliseconds"),
    ] {
        let refused = Tail::ask(&world, request).await.refusal().await;
        assert_eq!(refused, (Code::InvalidArgument, message.to_owned()));
    }
    let codes: Vec<_> = calls(&world).iter().map(|call| call.grpc_status).collect();
    assert_eq!(codes, [Some(3); 3]);
    world.end().await;
}

#[tokio::test]
async fn a_project_has_ten_sessions() {
    let world = World::start(Emulator::builder()).await;
    let mut tails = Vec::new();
    for _ in 0..10 {
        tails.push(Tail::open(&world, wanted("p")).await);
    }
    let (code, _) = Tail::ask(&world, wanted("p")).await.refusal().await;
    assert_eq!(code, Code::ResourceExhausted);
    let _other = Tail::open(&world, wanted("q")).await;

    // The end of one makes room for another, as soon as the emulator has noticed it.
    drop(tails.pop());
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let refused = calls(&world).iter().filter(|call| call.grpc_status.is_some()).count();
        let _tail = Tail::open(&world, wanted("p")).await;
        if calls(&world).iter().filter(|call| call.grpc_status.is_some()).count() == refused {
            break;
        }
        assert!(Instant::now() < deadline, "no room in time");
    }
    world.end().await;
}

#[tokio::test]
async fn who_may_not_read_is_refused() {
    let world = World::start(Emulator::builder()).await;
    for permission in ["logging.logEntries.list", "logging.views.access"] {
        world.emulator.deny_permissions([permission]);
        let refused = Tail::ask(&world, wanted("p")).await.refusal().await;
        assert_eq!(refused, (Code::PermissionDenied, "Permission denied for all log views".to_owned()));
    }
    world.emulator.deny_permissions([""; 0]);
    world.emulator.set_token("somebody");
    let (code, message) = Tail::ask(&world, wanted("p")).await.refusal().await;
    assert_eq!(code, Code::Unauthenticated);
    assert!(message.starts_with("Request "), "{message}");
    world.end().await;
}

#[tokio::test]
async fn a_tail_can_be_refused_broken_and_ended_by_faults() {
    let world = World::start(Emulator::builder()).await;
    let fault = |action| world.emulator.set_faults([Fault::new("*/TailLogEntries", action).times(1)]);

    fault(FaultAction::status(503, "not now: 100% busy – sorry"));
    let refused = Tail::ask(&world, wanted("p")).await.refusal().await;
    assert_eq!(refused, (Code::Unavailable, "not now: 100% busy – sorry".to_owned()));

    fault(FaultAction::EndStream { entries: 2, code: 429, message: "enough".to_owned() });
    let mut tail = Tail::open(&world, wanted("p")).await;
    for text in ["1", "2", "3"] {
        put(&world, text);
    }
    assert_eq!(texts(&tail.entries(2).await), ["1", "2"]);
    assert_eq!(tail.refusal().await, (Code::ResourceExhausted, "enough".to_owned()));

    fault(FaultAction::BreakStream { entries: 3 });
    let mut tail = Tail::open(&world, wanted("p")).await;
    for text in ["4", "5"] {
        put(&world, text);
    }
    assert_eq!(texts(&tail.entries(2).await), ["4", "5"]);
    put(&world, "6");
    put(&world, "7");
    assert_eq!(texts(&tail.entries(1).await), ["6"]);
    let broken = tail.next().await.expect_err("the connection is gone");
    assert!(broken.status().is_none_or(|status| status.message != "enough"), "{broken:?}");

    fault(FaultAction::ResetBefore);
    let mut tail = Tail::ask(&world, wanted("p")).await;
    tail.next().await.expect_err("never opened");

    let calls = calls(&world);
    let ends: Vec<_> = calls.iter().map(|call| (call.status, call.grpc_status)).collect();
    assert_eq!(ends, [(Some(200), Some(14)), (Some(200), Some(8)), (Some(200), None), (None, None)]);
    // The next one works.
    let mut tail = Tail::open(&world, wanted("p")).await;
    put(&world, "8");
    assert_eq!(texts(&tail.entries(1).await), ["8"]);
    world.end().await;
}

#[tokio::test]
async fn a_reset_ends_it_and_the_record_says_what_was_asked() {
    let world = World::start(Emulator::builder()).await;
    let tail = Tail::open(&world, wanted("p").set_filter("severity>=ERROR")).await;
    let call = calls(&world).pop().expect("a call");
    assert_eq!(
        call.body,
        json!({"resourceNames": ["projects/p"], "filter": "severity>=ERROR", "bufferWindow": "0s"})
    );
    assert_eq!((call.method.as_str(), call.status, call.grpc_status), ("POST", Some(200), None));
    world.emulator.reset().await;
    let (code, _) = tail.refusal().await;
    assert_eq!(code, Code::Unavailable);
    world.end().await;
}

#[tokio::test]
async fn an_open_tail_does_not_hold_up_the_end() {
    let world = World::start(Emulator::builder()).await;
    let tail = Tail::open(&world, wanted("p")).await;
    let begin = Instant::now();
    world.end().await;
    assert!(begin.elapsed() < Duration::from_secs(10));
    assert_eq!(tail.refusal().await.0, Code::Unavailable);
}

#[tokio::test]
async fn a_caller_can_close_its_side_or_ask_for_something_else() {
    let world = World::start(Emulator::builder()).await;
    let mut tail = Tail::open(&world, wanted("p").set_filter("one")).await;
    put(&world, "two");
    put(&world, "one");
    assert_eq!(texts(&tail.entries(1).await), ["one"]);
    let sender = tail.sender.take().expect("open");
    sender.send(wanted("p").set_filter("two")).await.expect("sent");
    let mut seen = Vec::new();
    while seen.is_empty() {
        put(&world, "two");
        if let Ok(next) = tokio::time::timeout(Duration::from_millis(20), tail.stream.next()).await {
            seen = next.expect("no end").expect("entries").entries;
        }
    }
    assert!(texts(&seen).iter().all(|text| *text == "two"));
    drop(sender);
    put(&world, "the last two");
    while !texts(&seen).contains(&"the last two") {
        seen = tail.next().await.expect("still open");
    }
    world.end().await;
}

#[tokio::test]
async fn a_tail_can_end_when_the_caller_has_closed_its_side() {
    let world = World::start(Emulator::builder().end_tail_with_requests(true)).await;
    let mut tail = Tail::open(&world, wanted("p")).await;
    put(&world, "one");
    assert_eq!(texts(&tail.entries(1).await), ["one"]);
    drop(tail.sender.take());
    let end = tokio::time::timeout(Duration::from_secs(20), tail.stream.next()).await.expect("in time");
    assert!(end.is_none(), "an end in good order: {end:?}");
    assert_eq!(calls(&world)[0].grpc_status, Some(0));
    world.end().await;
}

#[tokio::test]
async fn entries_come_late_out_of_order_and_twice_in_the_same_way_every_time() {
    let mixed = || -> Builder {
        Emulator::builder().shuffle_entries(7, Duration::from_millis(100)).duplicate_entries(7)
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let world = World::start(mixed()).await;
        let mut tail = Tail::open(&world, wanted("p")).await;
        let numbers: Vec<String> = (0..30).map(|number| format!("{number:02}")).collect();
        for number in &numbers {
            put(&world, number);
        }
        // The last one comes 100 ms late, and again 100 ms later.
        tokio::time::sleep(Duration::from_millis(250)).await;
        // A list has an entry once or twice, but always in the order of its time.
        let listed = list(&world).await;
        let live = tail.entries(listed.len()).await;
        let listed: Vec<String> = texts(&listed).into_iter().map(str::to_owned).collect();
        let mut live: Vec<String> = texts(&live).into_iter().map(str::to_owned).collect();
        let mut once = live.clone();
        once.sort();
        assert_eq!(once, listed, "both have the same entries as often");
        assert_ne!(live, once, "out of order");
        live.dedup();
        once.dedup();
        assert_eq!(once, numbers, "nothing is lost");
        assert!((33..50).contains(&listed.len()), "some came twice: {listed:?}");
        runs.push(listed);
        world.end().await;
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn other_methods_of_grpc_say_that_they_are_not_emulated() {
    let world = World::start(Emulator::builder()).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let url = world.emulator.url();
    let call = async |path: &str, content: &str| {
        let request = client.post(format!("{url}{path}")).header("content-type", content);
        request.send().await.expect("an answer")
    };
    let answer = call("/google.logging.v2.LoggingServiceV2/ListLogEntries", "application/grpc").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["grpc-status"], "12");
    let message = answer.headers()["grpc-message"].to_str().expect("ASCII");
    // The protocol percent-encodes a message.
    let message = percent_encoding::percent_decode_str(message).decode_utf8().expect("text");
    assert_eq!(
        message,
        "google.logging.v2.LoggingServiceV2.ListLogEntries is not emulated by cloud-emulator."
    );
    let answer = call(METHOD, "application/json").await;
    assert_eq!(answer.status(), 415);
    let answer = call("/v2/entries:tail", "application/json").await;
    assert_eq!(answer.status(), 501);
    world.end().await;
}
