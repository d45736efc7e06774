//! Containers as processes, seen from the outside.

use std::time::{Duration, Instant};

use crate::common::{self, JOB, World, job};
use cloud_emulator::{Builder, Emulator, ImageProgram, ProcessRunner, Runner};
use google_cloud_logging_v2::model::LogEntry;
use google_cloud_run_v2::model::Execution;
use google_cloud_run_v2::model::condition::CommonReason;
use serde_json::json;

fn shell(script: &str) -> Builder {
    let program = ImageProgram::new("/bin/sh").arg("-c").arg(script);
    let runner = ProcessRunner::new().image("admin", program);
    Emulator::builder().runner(Runner::Process(runner))
}

fn lines(entries: &[LogEntry], log: &str) -> Vec<String> {
    entries
        .iter()
        .filter(|entry| entry.log_name.ends_with(log))
        .filter_map(|entry| entry.text_payload().cloned())
        .collect()
}

/// Runs the job to its end.
async fn run(world: &World) -> Execution {
    let run = world.run().await;
    let done = world.wait(&run).await;
    world.execution(&World::metadata(&done).name).await
}

/// Waits until the execution has written a line.
async fn until_it_says(world: &World, execution: &str, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !lines(&world.log(execution).await, "stdout").contains(&line.to_owned()) {
        assert!(Instant::now() < deadline, "no line {line:?} in time");
        // The logging API has no way to wait.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_environment_is_the_containers_and_cloud_runs_and_nothing_else() {
    let env = ImageProgram::new("/usr/bin/env").env("FROM_IMAGE", "1");
    let runner = ProcessRunner::new().image("h/p/admin", env);
    let world = World::start(Emulator::builder().runner(Runner::Process(runner))).await;
    let mut wanted = job("h/p/admin@sha256:00");
    wanted["template"]["template"]["containers"][0]["env"] = json!([
        {"name": "PLAIN", "value": "a b"},
        {"name": "SHORT", "valueSource": {"secretKeyRef": {"secret": "db", "version": "latest"}}},
        {"name": "LONG", "valueSource": {"secretKeyRef": {"secret": "projects/q/secrets/db"}}},
    ]);
    world.emulator.put_job(JOB, wanted).expect("put");
    world.emulator.put_secret("p", "db", "of p");
    world.emulator.put_secret("q", "db", "of q");
    let execution = run(&world).await;
    let short = execution.name.rsplit('/').next().expect("a name");
    let mut env = lines(&world.log(&execution.name).await, "stdout");
    env.sort();
    assert_eq!(
        env,
        [
            &format!("CLOUD_RUN_EXECUTION={short}"),
            "CLOUD_RUN_JOB=admin",
            "CLOUD_RUN_TASK_ATTEMPT=0",
            "CLOUD_RUN_TASK_COUNT=1",
            "CLOUD_RUN_TASK_INDEX=0",
            "FROM_IMAGE=1",
            "LONG=of q",
            "PLAIN=a b",
            "SHORT=of p",
        ]
    );
    world.end().await;
}

#[tokio::test]
async fn an_unknown_image_or_secret_keeps_the_execution_from_starting() {
    for (image, reason) in [("h/p/other:1", 6), ("h/p/admin:1", 12)] {
        let world = World::start(shell("echo never")).await;
        let mut wanted = job(image);
        if reason == 12 {
            wanted["template"]["template"]["containers"][0]["env"] =
                json!([{"name": "A", "valueSource": {"secretKeyRef": {"secret": "missing"}}}]);
        }
        world.emulator.put_job(JOB, wanted).expect("put");
        let execution = run(&world).await;
        assert!(execution.start_time.is_none());
        let completed = common::condition(&execution, "Completed").expect("a condition");
        assert_eq!(completed.reason().and_then(CommonReason::value), Some(reason));
        assert!(completed.message.contains("not found"), "{}", completed.message);
        let task = world.only_task(&execution.name).await;
        assert!(task.last_attempt_result.is_none());
        assert!(world.log(&execution.name).await.is_empty());
        world.end().await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_ends_the_task_without_an_exit_code() {
    let runner = ProcessRunner::new().image("admin", ImageProgram::new("/nowhere/at/all"));
    let world = World::start(Emulator::builder().runner(Runner::Process(runner))).await;
    world.put_job();
    let execution = run(&world).await;
    // Only the task's result tells why: the image was there, and the execution had started.
    assert_eq!(execution.failed_count, 1);
    let completed = common::condition(&execution, "Completed").expect("a condition");
    assert!(completed.message.contains("Application failed to start"), "{}", completed.message);
    assert!(completed.message.contains("/nowhere/at/all"), "{}", completed.message);
    world.end().await;
}

#[tokio::test]
async fn output_becomes_entries_line_by_line() {
    let world = World::start(shell(
        r#"echo one; echo; echo '{"severity":"notice","message":"two","n":2}'; echo err >&2; printf three"#,
    ))
    .await;
    world.put_job();
    let execution = run(&world).await;
    let entries = world.log(&execution.name).await;
    assert_eq!(lines(&entries, "stdout"), ["one", "three"]);
    assert_eq!(lines(&entries, "stderr"), ["err"]);
    assert_eq!(lines(&entries, "system"), ["Container called exit(0)."]);
    let structured = entries.iter().find(|entry| entry.json_payload().is_some()).expect("an entry");
    assert_eq!(structured.severity.name(), Some("NOTICE"));
    let payload = structured.json_payload().expect("a payload");
    assert_eq!(payload.get("n"), Some(&json!(2)));
    assert_eq!(payload.get("severity"), None);
    world.end().await;
}

#[tokio::test]
async fn arguments_follow_the_programs_own_and_the_exit_code_is_kept() {
    let echo = ImageProgram::new("/bin/sh").arg("-c").arg("echo \"$0\" \"$1\"; exit 42");
    let runner = ProcessRunner::new().image("admin", echo);
    let world = World::start(Emulator::builder().runner(Runner::Process(runner))).await;
    let mut wanted = job("admin");
    wanted["template"]["template"]["containers"][0]["args"] = json!(["Dr Foo, Bar", "--force"]);
    world.emulator.put_job(JOB, wanted).expect("put");
    let execution = run(&world).await;
    let entries = world.log(&execution.name).await;
    assert_eq!(lines(&entries, "stdout"), ["Dr Foo, Bar --force"]);
    let result = world.only_task(&execution.name).await.last_attempt_result;
    assert_eq!(result.expect("a result").exit_code, 42);
    world.end().await;
}

#[tokio::test]
async fn what_a_container_leaves_behind_ends_with_it() {
    let world = World::start(shell("sleep 300 & echo done")).await;
    world.put_job();
    let begin = Instant::now();
    let execution = run(&world).await;
    assert_eq!(execution.succeeded_count, 1);
    assert!(begin.elapsed() < Duration::from_secs(15), "it waited for the child");
    world.end().await;
}

/// Runs a container, cancels it as soon as it says "up", and waits for its end; the execution's name.
async fn cancelled_when_up(world: &World) -> String {
    world.put_job();
    let started = world.run().await;
    let name = World::metadata(&started).name;
    until_it_says(world, &name, "up").await;
    let executions = world.executions().await;
    executions.cancel_execution().set_name(&name).send().await.expect("asked");
    world.wait(&started).await;
    name
}

#[tokio::test]
async fn a_cancelled_container_gets_a_sigterm_and_may_say_goodbye() {
    let script = "trap 'echo goodbye; exit 3' TERM; echo up; while :; do sleep 0.01; done";
    let world = World::start(shell(script)).await;
    let name = cancelled_when_up(&world).await;
    assert_eq!(world.execution(&name).await.cancelled_count, 1);
    let entries = world.log(&name).await;
    assert_eq!(lines(&entries, "stdout"), ["up", "goodbye"]);
    let result = world.only_task(&name).await.last_attempt_result;
    assert_eq!(result.expect("a result").exit_code, 3);
    world.end().await;
}

#[tokio::test]
async fn one_that_ignores_the_sigterm_is_killed() {
    let script = "trap '' TERM; echo up; while :; do sleep 0.01; done";
    let world = World::start(shell(script).grace(Duration::from_millis(100))).await;
    let name = cancelled_when_up(&world).await;
    let result = world.only_task(&name).await.last_attempt_result;
    assert_eq!(result.expect("a result").term_signal, 9);
    world.end().await;
}

#[tokio::test]
async fn the_timeout_ends_a_container_and_says_so_in_the_log() {
    let world = World::start(shell("sleep 300")).await;
    let mut wanted = job("admin");
    wanted["template"]["template"]["timeout"] = json!("0.1s");
    world.emulator.put_job(JOB, wanted).expect("put");
    let execution = run(&world).await;
    assert_eq!(execution.failed_count, 1);
    let entries = world.log(&execution.name).await;
    let system = lines(&entries, "system");
    assert!(system[0].starts_with("Terminating task because it has reached the maximum timeout"));
    let result = world.only_task(&execution.name).await.last_attempt_result;
    let result = result.expect("a result");
    assert_eq!(result.term_signal, 15);
    assert_eq!(result.status.expect("a status").code, 4);
    world.end().await;
}

#[tokio::test]
async fn shutting_down_lets_containers_end_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("ended");
    let script =
        format!("trap 'echo x > {}; exit 0' TERM; echo up; while :; do sleep 0.01; done", mark.display());
    let world = World::start(shell(&script)).await;
    world.put_job();
    let name = World::metadata(&world.run().await).name;
    until_it_says(&world, &name, "up").await;
    world.end().await;
    assert!(mark.exists());
}

#[tokio::test]
async fn a_command_is_refused_because_there_is_no_file_system_for_it() {
    let world = World::start(shell("echo never")).await;
    let mut wanted = job("admin");
    wanted["template"]["template"]["containers"][0]["command"] = json!(["/app/other"]);
    world.emulator.put_job(JOB, wanted).expect("put");
    let execution = run(&world).await;
    let completed = common::condition(&execution, "Completed").expect("a condition");
    assert!(completed.message.contains("use Docker"), "{}", completed.message);
    world.end().await;
}

#[tokio::test]
async fn a_command_that_begins_with_the_declared_entry_point_runs_the_program() {
    let echo = ImageProgram::new("/bin/sh").entry_point("/program").arg("-c").arg("echo \"$*\"").arg("sh");
    let runner = ProcessRunner::new().image("admin", echo);
    let world = World::start(Emulator::builder().runner(Runner::Process(runner))).await;
    for (command, args, said) in [
        (json!(["/program", "--target", "a b"]), json!(["last"]), Some("--target a b last")),
        (json!(["/program", "alone"]), json!([]), Some("alone")),
        (json!([]), json!(["last"]), Some("last")),
        (json!(["/program2"]), json!([]), None),
        (json!(["program"]), json!([]), None),
    ] {
        let mut wanted = job("admin");
        wanted["template"]["template"]["containers"][0]["command"] = command.clone();
        wanted["template"]["template"]["containers"][0]["args"] = args;
        world.emulator.put_job(JOB, wanted).expect("put");
        let execution = run(&world).await;
        if let Some(said) = said {
            assert_eq!(lines(&world.log(&execution.name).await, "stdout"), [said], "{command}");
        } else {
            let completed = common::condition(&execution, "Completed").expect("a condition");
            assert!(completed.message.contains("entry point"), "{}", completed.message);
        }
    }
    world.end().await;
}

#[tokio::test]
async fn a_run_overrides_arguments_and_not_the_command() {
    let echo = ImageProgram::new("/bin/sh").entry_point("/program").arg("-c").arg("echo \"$*\"").arg("sh");
    let runner = ProcessRunner::new().image("admin", echo);
    let world = World::start(Emulator::builder().runner(Runner::Process(runner))).await;
    let mut wanted = job("admin");
    wanted["template"]["template"]["containers"][0]["command"] = json!(["/program", "own"]);
    world.emulator.put_job(JOB, wanted).expect("put");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let run = async |change: serde_json::Value| {
        let body = json!({"overrides": {"containerOverrides": [change]}});
        let url = format!("{}/v2/{JOB}:run", world.emulator.url());
        let response = client.post(url).json(&body).send().await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    };
    // The real API's words for a field that a message does not have.
    for name in ["command", "image", "entrypoint"] {
        let (status, text) = run(json!({name: ["/bin/sh"]})).await;
        assert_eq!(status, 400, "{text}");
        let words =
            format!("Unknown name \\\"{name}\\\" at 'overrides.container_overrides[0]': Cannot find field.");
        assert!(text.contains(&words), "{text}");
    }
    let (status, text) = run(json!({"args": ["theirs"]})).await;
    assert_eq!(status, 200, "{text}");
    world.emulator.idle().await;
    let started: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let name = started["metadata"]["name"].as_str().expect("an execution");
    assert_eq!(lines(&world.log(name).await, "stdout"), ["own theirs"]);
    world.end().await;
}

#[tokio::test]
async fn variables_that_load_code_are_refused_in_jobs_and_in_overrides() {
    let world = World::start(shell("echo started")).await;
    world.emulator.put_job(JOB, job("h/p/admin")).expect("put");
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let call = async |method: reqwest::Method, path: &str, body: serde_json::Value| {
        let request = client.request(method, format!("{}/v2/{path}", world.emulator.url())).json(&body);
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.text().await.expect("text"))
    };
    for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "BASH_ENV", "PATH"] {
        let env = json!([{"name": "A", "value": "b"}, {"name": name, "value": "/tmp/x"}]);
        let overrides = json!({"overrides": {"containerOverrides": [{"env": env}]}});
        let (status, text) = call(reqwest::Method::POST, &format!("{JOB}:run"), overrides).await;
        assert!(status == 400 && text.contains(name), "{status} {text}");
        let mut with = job("h/p/admin");
        with["template"]["template"]["containers"][0]["env"] = env;
        let (status, text) = call(reqwest::Method::PATCH, JOB, with.clone()).await;
        assert!(status == 400 && text.contains(name), "{status} {text}");
        let (status, text) =
            call(reqwest::Method::POST, &format!("{}/jobs?jobId=new", common::LOCATION), with).await;
        assert!(status == 400 && text.contains(name), "{status} {text}");
    }
    assert_eq!(world.emulator.executions(JOB).len(), 0);

    // A job that is there all the same, by the emulator's owner or from a file, is not run either.
    let mut with = job("h/p/admin");
    with["template"]["template"]["containers"][0]["env"] = json!([{"name": "LD_PRELOAD", "value": "x"}]);
    world.emulator.put_job(JOB, with).expect("put");
    assert_eq!(call(reqwest::Method::POST, &format!("{JOB}:run"), json!({})).await.0, 400);
    world.end().await;
}
