//! Containers of a real Docker engine, where there is one.

use std::io::Write;

/// Says that a test did not run, or fails where the environment demands it.
fn skipped(test: &str, reason: &str) {
    let required = std::env::var("QUILL_ADMIN_TEST_REQUIRE").unwrap_or_default();
    assert!(!required.split([',', ' ']).any(|word| word == "docker"), "{test} is required: {reason}");
    // Written past the test harness, which would keep it to itself: the test passes.
    writeln!(std::io::stderr(), "SKIPPED {test}: {reason}").expect("standard error");
}

#[cfg(not(feature = "docker"))]
#[test]
fn containers_of_an_engine() {
    skipped("containers_of_an_engine", "built without the feature `docker`");
}

#[cfg(feature = "docker")]
mod engine {
    use std::process::Command;
    use std::time::Duration;

    use bollard::Docker;
    use bollard::query_parameters::{
        CreateImageOptionsBuilder, ListContainersOptionsBuilder, RemoveImageOptionsBuilder,
    };
    use cloud_emulator::{DockerRunner, Emulator, Runner};
    use futures::TryStreamExt;
    use serde_json::{Value, json};

    use super::skipped;
    use crate::common::{self, JOB, World};

    const REPOSITORY: &str = "cloud-emulator-test";

    /// Another run of this test can be under way in the same engine.
    fn tag() -> String {
        std::process::id().to_string()
    }

    fn image() -> String {
        format!("{REPOSITORY}:{}", tag())
    }

    /// An image of this machine's shell and what it needs, which takes no registry.
    async fn import_image(engine: &Docker) {
        let programs = ["/bin/sh", "/bin/sleep", "/usr/bin/env"];
        let mut files: Vec<String> = programs.map(str::to_owned).to_vec();
        for program in programs {
            let libraries = Command::new("ldd").arg(program).output().expect("ldd");
            let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
            let paths = libraries.split_whitespace().filter(|word| word.starts_with('/'));
            files.extend(paths.map(str::to_owned));
        }
        files.sort();
        files.dedup();
        let archive = Command::new("tar")
            .args(["--create", "--dereference", "--directory", "/"])
            .args(files.iter().map(|file| file.trim_start_matches('/')))
            .output()
            .expect("tar");
        assert!(archive.status.success(), "{archive:?}");
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(REPOSITORY).tag(&tag()).build();
        engine
            .create_image(Some(options), Some(bollard::body_full(archive.stdout.into())), None)
            .try_for_each(|_| async { Ok(()) })
            .await
            .expect("imported");
    }

    fn job(script: &str) -> Value {
        let mut job = common::job(&image());
        let container = &mut job["template"]["template"]["containers"][0];
        container["command"] = json!(["/bin/sh", "-c"]);
        container["args"] = json!([script]);
        container["env"] = json!([{"name": "GREETING", "value": "hello"}]);
        job
    }

    async fn lines(world: &World, execution: &str, log: &str) -> Vec<String> {
        world
            .log(execution)
            .await
            .iter()
            .filter(|entry| entry.log_name.ends_with(log))
            .filter_map(|entry| entry.text_payload().cloned())
            .collect()
    }

    #[tokio::test]
    async fn containers_of_an_engine() {
        let runner = match DockerRunner::connect().await {
            Ok(runner) => runner.host_network(true),
            Err(error) => {
                return skipped("containers_of_an_engine", &format!("{error}"));
            }
        };
        let engine = Docker::connect_with_defaults().expect("it just answered");
        import_image(&engine).await;
        let builder = Emulator::builder().runner(Runner::Docker(runner)).grace(Duration::from_secs(2));
        let world = World::start(builder).await;

        // Output, environment, exit code.
        let script = "echo $GREETING $CLOUD_RUN_JOB; echo oh >&2; printf end; exit 3";
        world.emulator.put_job(JOB, job(script)).expect("put");
        let run = world.run().await;
        world.wait(&run).await;
        let name = World::metadata(&run).name;
        assert_eq!(world.execution(&name).await.failed_count, 1);
        assert_eq!(lines(&world, &name, "stdout").await, ["hello admin", "end"]);
        assert_eq!(lines(&world, &name, "stderr").await, ["oh"]);
        let result = world.only_task(&name).await.last_attempt_result;
        assert_eq!(result.expect("a result").exit_code, 3);

        // Cancelled: SIGTERM, which this shell heeds.
        let script = "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done";
        world.emulator.put_job(JOB, job(script)).expect("put");
        let run = world.run().await;
        let name = World::metadata(&run).name;
        let up = async {
            while lines(&world, &name, "stdout").await.is_empty() {
                // The logging API has no way to wait.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), up).await.expect("a line");
        let executions = world.executions().await;
        executions.cancel_execution().set_name(&name).send().await.expect("asked");
        world.wait(&run).await;
        assert_eq!(world.execution(&name).await.cancelled_count, 1);
        assert_eq!(lines(&world, &name, "stdout").await, ["up", "bye"]);

        // Killed: process 1 of a container ignores signals it has no handler for.
        let mut wanted = job("sleep 300");
        wanted["template"]["template"]["timeout"] = json!("1s");
        world.emulator.put_job(JOB, wanted).expect("put");
        let run = world.run().await;
        world.wait(&run).await;
        let name = World::metadata(&run).name;
        let result = world.only_task(&name).await.last_attempt_result;
        assert_eq!(result.expect("a result").term_signal, 9);

        // No such image, and no registry to pull it from.
        let wanted = common::job("127.0.0.1:1/nobody/nothing:none");
        world.emulator.put_job(JOB, wanted).expect("put");
        let run = world.run().await;
        let done = world.wait(&run).await;
        let error = done.error().expect("an error");
        assert!(error.message.contains("not found"), "{}", error.message);

        world.end().await;
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&[("ancestor", vec![image()])].into())
            .build();
        let left = engine.list_containers(Some(options)).await.expect("a list");
        assert!(left.is_empty(), "{left:?}");
        let options = RemoveImageOptionsBuilder::default().build();
        engine.remove_image(&image(), Some(options), None).await.expect("removed");
    }
}
