//! `build`: from small sources, with a real engine and a real registry, to the job.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use cloud_emulator::{Emulator, Fault, FaultAction, MissingSqlInstance};
use insta::assert_snapshot;
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::{Finished as _, JOB, PROJECT, REPOSITORY, redact, wait_until};
use quill_admin_testkit::healthy::Target;
use quill_admin_testkit::home::Output;
use quill_admin_testkit::http::answer;
use quill_admin_testkit::{docker, needs_builder_image, needs_docker, needs_registry, registry};
use serde_json::{Value, json};

/// The fixture with sources in it; skips the test where there is no engine or no registry.
macro_rules! builds {
    ($made:expr) => {{
        needs_docker!();
        needs_registry!();
        let builds: BuildFixture = $made;
        builds.sources();
        builds
    }};
    () => {
        builds!(BuildFixture::new())
    };
}

/// A job in the state in which another tool than `build` has left it.
fn foreign_job() -> Value {
    json!({"template": {"taskCount": 1, "template": {
        "containers": [{
            "image": format!("europe-west2-docker.pkg.dev/{PROJECT}/quill/tasks:latest"),
            "command": ["python", "admin_cli.py"],
            "env": [
                {"name": "AUTH_DB_HOST", "value": "10.0.0.9"},
                {"name": "AUTH_DB_PORT", "value": "6543"},
                {"name": "AUTH_DB_PASSWORD", "value": "in-clear-a8f1"},
            ],
            "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
        }],
        "maxRetries": 3,
        "timeout": "600s",
    }}})
}

fn container(job: &Value) -> &Value {
    &job["template"]["template"]["containers"][0]
}

/// Checks that the job has everything it needs, and that nothing in it is the API's default.
fn assert_complete(job: &Value) {
    let task = &job["template"]["template"];
    assert_eq!(
        json!({
            "tasks": job["template"]["taskCount"],
            "retries": task["maxRetries"],
            "timeout": task["timeout"],
            "account": task["serviceAccount"],
            "network": task["vpcAccess"],
            "env": container(job)["env"],
        }),
        json!({
            "tasks": 1,
            "retries": 0,
            "timeout": "300s",
            "account": "quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com",
            "network": {
                "connector": "projects/quill-medical-staging/locations/europe-west2/connectors/quill-vpc-cx-staging",
                "egress": "PRIVATE_RANGES_ONLY",
            },
            "env": [
                {"name": "AUTH_DB_HOST", "value": "127.0.0.1"},
                {"name": "AUTH_DB_NAME", "value": "quill_core"},
                {"name": "AUTH_DB_USER", "value": "quill"},
                {"name": "AUTH_DB_SSLMODE", "value": "require"},
                {"name": "AUTH_DB_PASSWORD",
                 "valueSource": {"secretKeyRef": {"secret": "core-db-password", "version": "latest"}}},
            ],
        })
    );
}

/// Checks that the token is in no file that stays, and in no output.
fn assert_secret(builds: &BuildFixture, outputs: &[Output]) {
    for output in outputs {
        assert!(!output.to_string().contains(registry::TOKEN), "{output}");
    }
    assert!(!builds.registry.log().contains(registry::TOKEN));
    // Google is sent the token in its header, and in no other place.
    for mut call in builds.world.emulator.calls() {
        assert_eq!(call.headers.remove("authorization"), Some(format!("Bearer {}", registry::TOKEN)));
        assert!(!format!("{call:?}").contains(registry::TOKEN), "{call:?}");
    }
    let token = builds.world.home.work().join("token");
    assert_eq!(builds.world.home.files_with(registry::TOKEN), [token]);
}

/// Checks that nothing was made or moved.
fn assert_untouched(builds: &BuildFixture) {
    assert_eq!(builds.deployed(), None, "there was no job");
    assert_eq!(builds.registry.tags(REPOSITORY), Vec::<String>::new());
}

fn last_lines(output: &Output) -> String {
    redact(
        &output.stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n"),
    )
}

#[test]
fn the_image_is_built_pushed_and_deployed_and_the_second_time_nothing() {
    let builds = builds!(BuildFixture::with_token());
    let first = builds.build([]).output().exits(0);
    assert_snapshot!(first.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ built, pushed and deployed to quill-tasks-staging (N.N s)
      image            127.0.0.1:PORT/quill-medical-staging/quill/tasks@sha256:DIGEST
      uploaded         N kB of N kB
      job              created
    ----- stderr -----
    connecting (N.N s)
    looking at the job, the registry and the database (N.N s)
    build for staging (quill-medical-staging, europe-west2)
      source           REVISION of TIME, 2 files, N kB
      builder          BuildKit of Docker Engine VERSION
      from             example.invalid/none:1
      platform         linux/amd64
      image            127.0.0.1:PORT/quill-medical-staging/quill/tasks
      tags             latest, REVISION, source-DIGEST
      registry         has no image of these sources: it is built and pushed
      job              quill-tasks-staging is created
        image: the one that is built
        command: target 127.0.0.1:PORT/quill_core, schema public, as quill (TLS: verify-ca), trusts 1 CA
        tasks: 1
        max retries: 0
        time-out: 300 s
        service account: quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com
        VPC connector: quill-vpc-cx-staging
        VPC egress: private-ranges-only
        AUTH_DB_HOST: 127.0.0.1
        AUTH_DB_NAME: quill_core
        AUTH_DB_USER: quill
        AUTH_DB_SSLMODE: require
        AUTH_DB_PASSWORD: secret core-db-password, version latest
    building the image (N.N s)
    pushing the image (N.N s)
    reading the image back (N.N s)
    creating the job (N.N s)
    moving the tags (N.N s)
     next: try it, without changing anything: quill-admin check --env staging
    ");
    let calls = builds.world.calls();
    // The first calls are made at the same time.
    let mut calls: Vec<&str> = calls.lines().collect();
    calls[..3].sort_unstable();
    assert_snapshot!(calls.join("\n"), @r"
    GET /v1/projects/quill-medical-staging/instances/quill-core-staging
    GET /v1/projects/quill-medical-staging/locations/europe-west2/repositories/quill
    GET …/jobs/quill-tasks-staging
    GET /v1/projects/quill-medical-staging/instances/quill-core-staging/listServerCas
    POST …/jobs
    GET …/jobs/quill-tasks-staging
    ");

    let tags = builds.registry.tags(REPOSITORY);
    assert_eq!(tags.len(), 3, "{tags:?}");
    let revision = builds.git(&["rev-parse", "--short=12", "HEAD"]);
    assert!(tags.contains(&"latest".to_owned()) && tags.contains(&revision), "{tags:?} {revision}");
    let digest = builds.registry.digest(REPOSITORY, "latest").expect("it was pushed");
    for tag in &tags {
        assert_eq!(builds.registry.digest(REPOSITORY, tag).as_ref(), Some(&digest), "{tag}");
    }
    assert_eq!(builds.deployed(), Some(format!("{}@{digest}", builds.image())));

    let job = builds.world.job().expect("it was created");
    assert_complete(&job);

    let calls = builds.world.emulator.calls().len();
    let uploads = builds.uploads();
    let second = builds.build([]).output().exits(0);
    assert_snapshot!(second.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ nothing to do: quill-tasks-staging runs the image of these sources (N.N s)
      image            127.0.0.1:PORT/quill-medical-staging/quill/tasks@sha256:DIGEST
    ----- stderr -----
    connecting (N.N s)
    looking at the job, the registry and the database (N.N s)
    ");
    let more: Vec<String> =
        builds.world.emulator.calls().iter().skip(calls).map(|call| call.method.clone()).collect();
    assert_eq!(more, ["GET"; 4], "it only looks");
    assert_eq!(builds.uploads(), uploads);
    assert_eq!(builds.world.job(), Some(job));

    // With --force everything is built once more, and the result is the same to the last bit.
    let forced = builds.build(["--force", "--no-cache"]).output().exits(0);
    assert!(forced.stdout.contains("built, pushed"), "{forced}");
    assert_eq!(builds.registry.digest(REPOSITORY, "latest"), Some(digest));
    assert_secret(&builds, &[first, second, forced]);
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let builds = builds!();
    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert_snapshot!(plan.transcript(), @r"
    exit status: 0
    ----- stdout -----
    build for staging (quill-medical-staging, europe-west2)
      source           REVISION of TIME, 2 files, N kB
      builder          BuildKit of Docker Engine VERSION
      from             example.invalid/none:1
      platform         linux/amd64
      image            127.0.0.1:PORT/quill-medical-staging/quill/tasks
      tags             latest, REVISION, source-DIGEST
      registry         has no image of these sources: it is built and pushed
      job              quill-tasks-staging is created
        image: the one that is built
        command: target 127.0.0.1:PORT/quill_core, schema public, as quill (TLS: verify-ca), trusts 1 CA
        tasks: 1
        max retries: 0
        time-out: 300 s
        service account: quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com
        VPC connector: quill-vpc-cx-staging
        VPC egress: private-ranges-only
        AUTH_DB_HOST: 127.0.0.1
        AUTH_DB_NAME: quill_core
        AUTH_DB_USER: quill
        AUTH_DB_SSLMODE: require
        AUTH_DB_PASSWORD: secret core-db-password, version latest
    ----- stderr -----
    connecting (N.N s)
    looking at the job, the registry and the database (N.N s)
    ");
    assert_untouched(&builds);
    let json = builds.build(["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(json["platform"], "linux/amd64", "{json:#}");
    assert_untouched(&builds);
}

#[test]
fn an_edited_source_is_another_image_and_only_its_layer_is_sent() {
    let builds = builds!();
    builds.recipe("FROM --platform=linux/amd64 scratch AS admin\nCOPY program /program\nCOPY note /note\n");
    builds.world.home.write("sources/note", "one");
    builds.commit();
    let _ = builds.build([]).output().exits(0);
    let first = builds.deployed();
    let sent = builds.proxy.sent();
    assert!(sent > 50_000, "the program is sent: {sent} bytes");

    builds.world.home.write("sources/note", "two");
    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert!(plan.stdout.contains("-dirty, "), "{plan}");
    let edited = builds.build([]).output().exits(0);
    assert!(edited.stdout.contains("image:") && edited.stdout.contains(" → "), "{edited}");
    assert_ne!(builds.deployed(), first);
    let sent = builds.proxy.sent() - sent;
    assert!(sent < 30_000, "the program is not sent again: {sent} bytes");
    let revision = builds.git(&["rev-parse", "--short=12", "HEAD"]);
    let tags = builds.registry.tags(REPOSITORY);
    assert!(tags.contains(&format!("{revision}-dirty")), "{tags:?}");

    // With sources that the registry has, nothing is built, and the job gets the first image again.
    builds.world.home.write("sources/note", "one");
    let back = builds.build([]).output().exits(0);
    assert!(back.stdout.starts_with("✔ deployed to quill-tasks-staging"), "{back}");
    assert_eq!(builds.deployed(), first);
    let digest = builds.registry.digest(REPOSITORY, "latest").expect("there");
    assert_eq!(first, Some(format!("{}@{digest}", builds.image())), "latest is what the job runs");
}

#[test]
fn drifted_settings_are_shown_and_put_right_and_others_are_left_alone() {
    let builds = builds!();
    builds.world.emulator.put_job(JOB, foreign_job()).expect("a valid job");
    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert_snapshot!(plan.transcript(), @r"
    exit status: 0
    ----- stdout -----
    build for staging (quill-medical-staging, europe-west2)
      source           REVISION of TIME, 2 files, N kB
      builder          BuildKit of Docker Engine VERSION
      from             example.invalid/none:1
      platform         linux/amd64
      image            127.0.0.1:PORT/quill-medical-staging/quill/tasks
      tags             latest, REVISION, source-DIGEST
      registry         has no image of these sources: it is built and pushed
      job              quill-tasks-staging is changed
        image: the one that is built
        command: python admin_cli.py → target 127.0.0.1:PORT/quill_core, schema public, as quill (TLS: verify-ca), trusts 1 CA
        max retries: 3 → 0
        time-out: 600 s → 300 s
        service account: REVISION-compute@developer.gserviceaccount.com → quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com
        VPC connector: quill-vpc-cx-staging
        VPC egress: private-ranges-only
        AUTH_DB_HOST: 10.0.0.9 → 127.0.0.1
        AUTH_DB_NAME: quill_core
        AUTH_DB_USER: quill
        AUTH_DB_SSLMODE: require
        AUTH_DB_PASSWORD: plain text → secret core-db-password, version latest
      actions          the deployed image does not say which it has
      is lost          another tool's image: the job runs europe-west2-docker.pkg.dev/quill-medical-staging/quill/tasks:latest, which is from another repository
    ----- stderr -----
    connecting (N.N s)
    looking at the job, the registry and the database (N.N s)
    ");
    // Nobody agrees to that without being asked.
    let before = builds.world.job();
    let refused = builds.build([]).output().exits(28);
    assert!(
        refused.stderr.contains("another tool's image: the job runs europe-west2-docker.pkg.dev/"),
        "{refused}"
    );
    assert_eq!(builds.world.job(), before);
    let built = builds.build(["--overwrite"]).output().exits(0);
    assert!(!built.to_string().contains("in-clear-a8f1"), "a password is not shown: {built}");
    let job = builds.world.job().expect("it is there");
    assert_eq!(job["template"]["template"]["maxRetries"], 0);
    assert_eq!(job["template"]["template"]["timeout"], "300s");
    let container = container(&job);
    assert_eq!(container["command"], Target { host: "127.0.0.1".to_owned(), ..Target::default() }.command());
    assert_eq!(container["resources"]["limits"]["memory"], "1Gi", "nobody asked for another");
    let env: Vec<&str> = container["env"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["name"].as_str())
        .collect();
    assert!(env.contains(&"AUTH_DB_PORT"), "{env:?}");
    assert!(!job.to_string().contains("in-clear-a8f1"), "{job:#}");
    // The request itself has the value: if it were left out, it would be 3.
    let calls = builds.world.emulator.calls();
    let change = calls.iter().find(|call| call.method == "PATCH").expect("the job was changed");
    assert_eq!(change.body["template"]["template"]["maxRetries"], 0, "{:#}", change.body);
    assert_ne!(change.body["etag"], Value::Null, "{:#}", change.body);
    let again = builds.build(["--dry-run"]).output().exits(0);
    assert!(again.stdout.contains("stays as it is"), "{again}");
}

#[test]
fn a_change_by_somebody_else_in_the_meantime_is_not_overwritten() {
    let builds = builds!();
    let mut job = foreign_job();
    builds.world.emulator.put_job(JOB, job.clone()).expect("a valid job");
    // The job has been read before the image is pushed.
    builds.proxy.hold("PUT /v2/quill-medical-staging/quill/tasks/manifests/source-");
    let refused = std::thread::scope(|scope| {
        let running = scope.spawn(|| builds.build(["--overwrite"]).output());
        builds.proxy.wait_for("PUT /v2/quill-medical-staging/quill/tasks/manifests/source-");
        job["template"]["template"]["timeout"] = json!("120s");
        builds.world.emulator.put_job(JOB, job).expect("a valid job");
        builds.proxy.open();
        running.join().expect("it ends")
    });
    let refused = refused.exits(23);
    assert_snapshot!(last_lines(&refused), @r"
    error: somebody else changed the job quill-tasks-staging in the meantime: it was left as they made it
     next: look at it and try again with: quill-admin build --env staging
    ");
    let now = builds.world.job().expect("it is there");
    assert_eq!(now["template"]["template"]["timeout"], "120s", "it is as the other one made it");
    let tags = builds.registry.tags(REPOSITORY);
    assert!(tags.len() == 1 && tags[0].starts_with("source-"), "no tag tells of the loser's image: {tags:?}");
    let _ = builds.build(["--overwrite"]).output().exits(0);
    assert_eq!(builds.world.job().expect("there")["template"]["template"]["timeout"], "300s");
}

#[test]
fn latest_is_what_the_job_runs_also_where_another_build_comes_between() {
    let builds = builds!();
    let _ = builds.build([]).output().exits(0);
    let first = builds.deployed().expect("the job was created");
    builds.world.home.write("sources/program", "another one");
    let requests = builds.proxy.requests().len();
    // This build has deployed, and has not moved its tags yet, when the other deploys the first image.
    builds.proxy.hold("PUT /v2/quill-medical-staging/quill/tasks/manifests/latest");
    let built = std::thread::scope(|scope| {
        let running = scope.spawn(|| builds.build([]).output());
        wait_until("latest is about to move", || {
            let latest = |line: &String| line.starts_with("PUT ") && line.ends_with("/manifests/latest");
            builds.proxy.requests().iter().skip(requests).any(latest)
        });
        assert_ne!(builds.deployed().as_ref(), Some(&first), "the job was changed before the tag");
        let mut job = builds.world.job().expect("it is there");
        job["template"]["template"]["containers"][0]["image"] = json!(first);
        builds.world.emulator.put_job(JOB, job).expect("a valid job");
        builds.proxy.open();
        running.join().expect("it ends")
    });
    let _ = built.exits(0);
    assert_eq!(builds.deployed().as_ref(), Some(&first));
    let latest = builds.registry.digest(REPOSITORY, "latest").expect("it is there");
    assert_eq!(first, format!("{}@{latest}", builds.image()));
}

#[test]
fn immutable_tags_keep_nobody_from_deploying() {
    let builds = builds!();
    builds.proxy.immutable_tags();
    let first = builds.build([]).output().exits(0);
    assert!(!first.stdout.contains("note"), "{first}");
    let latest = builds.registry.digest(REPOSITORY, "latest");
    let one = builds.deployed().expect("the job was created");

    // With other sources `latest` stays, and the job moves.
    builds.world.home.write("sources/program", "another one");
    builds.commit();
    let second = builds.build([]).output().exits(0);
    assert!(second.stdout.starts_with("✔ built, pushed and deployed"), "{second}");
    let note = second.stdout.lines().find(|line| line.contains("note")).unwrap_or_default();
    assert_snapshot!(redact(note.trim()), @"note             the tag 127.0.0.1:PORT/quill-medical-staging/quill/tasks:latest stays where it is: HTTP status 400: cannot update tag latest. The repository has enabled tag immutability; the job runs the image by its digest all the same");
    let two = builds.deployed().expect("it is there");
    assert_ne!(two, one);
    assert_eq!(builds.registry.digest(REPOSITORY, "latest"), latest, "it is as it was");
    let told = builds.build(["--json"]).output().exits(0).json();
    assert!(told["notes"][0].as_str().is_some_and(|note| note.contains("tasks:latest stays")), "{told:#}");

    // The same sources from another commit: the tag of the sources belongs to another image.
    builds.git(&["config", "user.name", "Another"]);
    builds.git(&["config", "user.email", "another@example.org"]);
    builds.git(&["commit", "--quiet", "--allow-empty", "--message", "another"]);
    let third = builds.build(["--force"]).output().exits(0);
    let three = builds.deployed().expect("it is there");
    assert_ne!(three, two, "{third}");
    let tags = builds.registry.tags(REPOSITORY);
    let own: Vec<&String> = tags.iter().filter(|tag| tag.starts_with("image-")).collect();
    assert_eq!(own.len(), 1, "{tags:?}");
    let digest = builds.registry.digest(REPOSITORY, own[0]).expect("it was pushed");
    assert_eq!(three, format!("{}@{digest}", builds.image()));

    // The same build again: every tag of that image exists, and names that image.
    let _ = builds.build(["--force"]).output().exits(0);
    assert_eq!(builds.deployed(), Some(three));
    assert_eq!(builds.registry.tags(REPOSITORY), tags);
}

#[test]
fn a_strange_repository_starts_no_program_and_its_pipes_hold_nothing_up() {
    let builds = builds!();
    let home = &builds.world.home;
    let started = home.work().join("started");
    home.write("hook", &format!("#!/bin/sh\necho \"$0\" >> {}\n", started.display()));
    let hook = home.work().join("hook");
    quill_admin_testkit::docker::run(Command::new("chmod").arg("+x").arg(&hook));
    quill_admin_testkit::docker::run(Command::new("mkfifo").arg(home.work().join("sources/pipe")));
    let hooks = home.work().join("sources/.git/hooks");
    std::fs::create_dir_all(&hooks).expect("made");
    std::fs::copy(&hook, hooks.join("post-index-change")).expect("copied");
    home.write("sources/.gitattributes", "program filter=strange\n");
    let script = hook.display().to_string();
    for key in ["core.fsmonitor", "filter.strange.clean"] {
        builds.git(&["config", key, &script]);
    }
    let program = std::fs::File::options().write(true).open(home.work().join("sources/program"));
    program.expect("opened").set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");
    let _ = std::fs::remove_file(&started);

    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert!(plan.stdout.contains("left out of the build: pipe (a named pipe)"), "{plan}");
    assert_eq!(std::fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");
    let _ = builds.build([]).output().exits(0);
    assert_eq!(std::fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");
    // The trap works: git by itself starts the program.
    let _ = home.run("git").args(["-C", "sources", "status"]).output();
    assert_ne!(std::fs::read_to_string(&started).unwrap_or_default(), "");
}

#[test]
fn sources_in_which_something_writes_all_the_time() {
    let builds = builds!();
    builds.world.home.write("sources/.dockerignore", ".dockerignore\n.git\ntarget\n");
    builds.commit();
    let sources = builds.world.home.work().join("sources");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                for folder in ["target", "scratch"] {
                    let folder = sources.join(folder);
                    std::fs::create_dir_all(folder.join("a/b")).expect("made");
                    for number in 0..10 {
                        std::fs::write(folder.join(format!("a/b/{number}")), "x").expect("written");
                    }
                    std::fs::remove_dir_all(folder).expect("removed");
                }
            }
        });
        let ends: Vec<Output> = (0..10).map(|_| builds.build(["--dry-run"]).output()).collect();
        let built = builds.build([]).output();
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        for output in ends.into_iter().chain([built]) {
            let _ = output.exits(0);
        }
    });
}

#[test]
fn what_is_missing_around_the_job_is_named_before_anything_is_built() {
    let builds = builds!();
    builds.world.emulator.deny_permissions(["run.jobs.get"]);
    let refused = builds.build([]).output().exits(21);
    assert!(refused.stderr.contains("run.jobs.get"), "{refused}");
    builds.world.emulator.deny_permissions(["cloudsql.instances.get"]);
    let refused = builds.build([]).output().exits(21);
    assert!(refused.stderr.contains("quill-core-staging"), "{refused}");
    builds.world.emulator.deny_permissions(Vec::<String>::new());
    assert_untouched(&builds);

    let file = builds.world.home.read("environments.yaml");
    for (from, to, code, told) in [
        ("/quill/tasks\"", "/other/admin\"", 22, "gcloud artifacts repositories create other"),
        ("instance: \"quill-core-{env}\"", "instance: nowhere", 22, "no Cloud SQL instance \"nowhere\""),
        ("project: quill-medical-staging", "project: nowhere-at-all", 22, "nowhere-at-all"),
        ("connector: \"quill-vpc-cx-{env}\"", "connector: \"\"", 2, "network.connector"),
    ] {
        assert!(file.contains(from), "{from}");
        builds.world.home.write("environments.yaml", &file.replace(from, to));
        let refused = builds.build([]).output().exits(code);
        assert!(refused.stderr.contains(told), "{refused}");
        assert!(refused.stderr.contains("next: "), "it says what to do: {refused}");
    }
    assert_untouched(&builds);
    assert_eq!(builds.uploads(), Vec::<String>::new());
}

#[test]
fn an_instance_that_is_not_there_may_also_be_one_that_must_not_be_seen() {
    // Cloud SQL is said to answer 403 for it; it is only known that its message names both causes.
    let builds = builds!(BuildFixture::with_cloud(
        Emulator::builder().missing_sql_instance(MissingSqlInstance::NotAuthorized)
    ));
    let file = builds.world.home.read("environments.yaml");
    builds.world.home.write("environments.yaml", &file.replace("quill-core-{env}", "nowhere"));
    let refused = builds.build([]).output().exits(21);
    assert!(refused.stderr.contains("nowhere"), "{refused}");
    assert_untouched(&builds);

    // A caller who may not read the instance keeps the address that the job has.
    builds.world.emulator.put_job(JOB, foreign_job()).expect("a valid job");
    let built = builds.build(["--overwrite"]).output().exits(0);
    assert!(built.stderr.contains("keeps the database address"), "{built}");
    let job = builds.world.job().expect("it is there");
    let host =
        container(&job)["env"].as_array().expect("a list").iter().find(|e| e["name"] == "AUTH_DB_HOST");
    assert_eq!(host.expect("it was kept")["value"], "10.0.0.9");
}

#[test]
fn a_change_that_is_denied_leaves_the_job_and_says_which_right_is_missing() {
    let builds = builds!();
    builds.world.emulator.put_job(JOB, foreign_job()).expect("a valid job");
    let before = builds.world.job();
    builds.world.emulator.deny_permissions(["run.jobs.update"]);
    let refused = builds.build(["--overwrite"]).output().exits(21);
    assert!(refused.stderr.contains("run.jobs.update"), "{refused}");
    assert_eq!(builds.world.job(), before);
    // The image has been pushed: with the permission, only the job has to be changed.
    builds.world.emulator.deny_permissions(Vec::<String>::new());
    let deployed = builds.build(["--overwrite"]).output().exits(0);
    assert!(deployed.stdout.starts_with("✔ deployed to"), "{deployed}");
}

#[test]
fn an_answer_that_is_lost_is_not_a_success() {
    let builds = builds!();
    let fault = Fault::new("*/jobs/*", FaultAction::ResetAfter).method("PATCH");
    builds.world.emulator.put_job(JOB, foreign_job()).expect("a valid job");
    builds.world.emulator.set_faults([fault]);
    let unknown = builds.build(["--overwrite"]).output().exits(23);
    assert!(unknown.stderr.contains("whether the job was changed is not known"), "{unknown}");
    assert!(unknown.stderr.contains("running it again is safe"), "{unknown}");
    builds.world.emulator.set_faults([]);
    let again = builds.build([]).output().exits(0);
    let moved = "✔ moved latest, ";
    assert!(again.stdout.starts_with(moved), "the change was made, and the tags were not moved yet: {again}");
}

#[test]
fn a_registry_that_refuses_or_does_not_answer() {
    let builds = builds!(BuildFixture::with_token());
    builds.world.home.write("token", "ya29.another-one");
    let refused = builds.build([]).output().exits(20);
    assert_snapshot!(last_lines(&refused), @r"
    error: failed to look for 127.0.0.1:PORT/quill-medical-staging/quill/tasks:source-DIGEST in the registry: the registry refused the access token
     next: sign in with: quill-admin login
     next: look closer with: quill-admin doctor --env staging --only machine-sign-in
    ");
    assert!(!refused.to_string().contains("another-one"), "{refused}");

    // Without any token the message is the same.
    let anonymous =
        builds.world.quill_admin(["build", "--env", "staging", "--source", "sources"]).output().exits(20);
    assert!(anonymous.stderr.contains("quill-admin login"), "{anonymous}");

    builds.proxy.cut("/v2/");
    let unreachable = builds.build([]).output().exits(23);
    assert_snapshot!(last_lines(&unreachable), @r"
    error: failed to look for 127.0.0.1:PORT/quill-medical-staging/quill/tasks:source-DIGEST in the registry: connection closed before message completed
     next: check this machine's network (VPN, proxy), then run the same command again
     next: look closer with: quill-admin doctor --env staging --only admin-image
    ");
    builds.proxy.open();
    assert_untouched(&builds);
}

#[test]
fn a_push_that_breaks_off_moves_no_tag_and_goes_on_where_it_was() {
    let builds = builds!();
    // The layers arrive, and the manifest does not.
    builds.proxy.cut("PUT /v2/quill-medical-staging/quill/tasks/manifests/");
    let broken = builds.build([]).output().exits(29);
    let tries = builds.proxy.requests().iter().filter(|line| line.contains("/manifests/source-")).count();
    assert!(tries >= 5, "it was tried several times: {tries}");
    let told = broken.stderr.matches("trying again").count();
    assert_eq!(told, 1, "which is said once: {broken}");
    assert_snapshot!(last_lines(&broken), @r#"
    error: failed to push 127.0.0.1:PORT/quill-medical-staging/quill/tasks:source-DIGEST: connection closed before message completed
     next: run the same command again: what has been pushed is not pushed again
    "#);
    assert_untouched(&builds);

    builds.proxy.open();
    let sent = builds.proxy.sent();
    let _ = builds.build([]).output().exits(0);
    let sent = builds.proxy.sent() - sent;
    assert!(sent < 30_000, "the layers are there: {sent} bytes");
    assert_eq!(builds.registry.tags(REPOSITORY).len(), 3);
    assert!(builds.deployed().is_some());
}

#[test]
fn a_connection_that_breaks_in_a_layer_is_picked_up_again() {
    let builds = builds!();
    builds.proxy.cut("/blobs/uploads/");
    let built = std::thread::scope(|scope| {
        let running = scope.spawn(|| builds.build([]).output());
        builds.proxy.wait_for("/blobs/uploads/");
        builds.proxy.open();
        running.join().expect("it ends")
    });
    let built = built.exits(0);
    assert!(built.stderr.contains("connection closed before message completed; trying again"), "{built}");
    assert_eq!(builds.registry.tags(REPOSITORY).len(), 3);
}

#[test]
fn a_step_that_fails_is_shown_in_full_by_either_builder() {
    let builder = needs_builder_image!();
    let builds = builds!();
    builds.recipe(
        "FROM $BUILDER_IMAGE AS builder\n\
         RUN for line in 1 2 3 4 5 6 7 8 9; do echo \"error[E0425]: line $line\"; done; exit 101\n\
         FROM --platform=linux/amd64 scratch AS admin\nCOPY --from=builder /out /out\n",
    );
    builds.commit();
    for (value, name) in [("1", "BuildKit"), ("0", "the classic builder")] {
        let failed =
            builds.build(["--builder-image", &builder]).env("DOCKER_BUILDKIT", value).output().exits(29);
        assert!(failed.stderr.contains(name), "{failed}");
        for line in 1..=9 {
            assert!(failed.stderr.contains(&format!("│ error[E0425]: line {line}")), "{failed}");
        }
        assert!(last_lines(&failed).contains("101"), "{failed}");
        assert_untouched(&builds);
    }
    // With --json the output is in the document.
    let failed = builds.build(["--builder-image", &builder, "--json"]).output().exits(29);
    assert!(failed.json().to_string().contains("line 9"), "{failed}");
}

#[test]
fn a_base_image_that_is_not_there_is_named_by_either_builder() {
    let builds = builds!();
    builds.recipe("FROM $BUILDER_IMAGE AS builder\nFROM scratch AS admin\nCOPY --from=builder /out /out\n");
    builds.commit();
    let missing = format!("{}/no/such:1", builds.proxy.address());
    for value in ["1", "0"] {
        let failed =
            builds.build(["--builder-image", &missing]).env("DOCKER_BUILDKIT", value).output().exits(29);
        assert!(last_lines(&failed).contains("no/such:1"), "{failed}");
        assert!(last_lines(&failed).contains("--builder-image"), "{failed}");
    }
    assert_untouched(&builds);
}

#[test]
fn the_classic_builder_does_it_too() {
    let builds = builds!();
    let built = builds.build([]).env("DOCKER_BUILDKIT", "0").output().exits(0);
    assert!(built.stderr.contains("the classic builder of Docker Engine"), "{built}");
    assert_eq!(builds.registry.tags(REPOSITORY).len(), 3);
}

/// The times of files are those of the clone, the times of steps those of the build, and each builder writes
/// images in its own form: none of this is in the deployed image.
#[test]
fn the_same_commit_is_the_same_image_by_whichever_builder_and_whenever() {
    let builds = builds!();
    builds.recipe(
        "FROM --platform=linux/amd64 scratch AS admin\nCOPY program /a/program\nCOPY program /b/\nUSER 1:1\n\
         ENTRYPOINT [\"/a/program\"]\n",
    );
    builds.commit();
    let digests: Vec<_> = [("1", 1_600_000_000), ("0", 1_700_000_000), ("1", 1_750_000_000)]
        .into_iter()
        .map(|(builder, seconds)| {
            let program =
                std::fs::File::options().write(true).open(builds.world.home.work().join("sources/program"));
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            program.expect("opened").set_modified(time).expect("set");
            let built = builds.build(["--force", "--no-cache"]).env("DOCKER_BUILDKIT", builder);
            let _ = built.output().exits(0);
            builds.deployed()
        })
        .collect();
    assert!(digests.iter().all(|digest| digest.is_some() && *digest == digests[0]), "{digests:?}");
    let image = digests[0].as_deref().expect("it was deployed");
    let _ = docker::run(docker::docker_command().args(["pull", "--quiet", image]));
    let text = docker::run(docker::docker_command().args(["image", "inspect", image]));
    let text: Value = serde_json::from_str(&text).expect("docker prints JSON");
    assert_eq!(text[0]["Config"]["User"], "1:1");
    assert_eq!(text[0]["Config"]["Entrypoint"], json!(["/a/program"]));
    let committed = builds.git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    assert_eq!(text[0]["Created"], committed);
}

/// A mirror with a password, which Docker has in its file, or in a helper, after a `docker login`.
#[test]
fn a_base_image_behind_a_password() {
    let builds = builds!();
    let mirror = registry::Registry::with_token();
    let base = format!("{}/mirror/base", mirror.address());
    let home = &builds.world.home;
    let auth = |password: &str| {
        let basic = base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{}:{password}", registry::USER),
        );
        json!({"auths": {(mirror.address()): {"auth": basic}, "other.example": {"auth": basic}}}).to_string()
    };
    home.write("login/config.json", &auth(registry::PASSWORD));
    home.write("wrong/config.json", &auth("wrong-4711"));
    home.write("helped/config.json", &json!({"credsStore": "planted"}).to_string());
    home.write("alone/config.json", &json!({"credHelpers": {(mirror.address()): "missing"}}).to_string());
    let answer = json!({"Username": registry::USER, "Secret": registry::PASSWORD});
    home.write("secret", &answer.to_string());
    home.write(
        "bin/docker-credential-planted",
        "#!/bin/sh\necho \"$*\" >> asked\ncat >> asked\ncat secret\n",
    );
    docker::run(Command::new("chmod").arg("+x").arg(home.work().join("bin/docker-credential-planted")));
    home.write("base/note", "base");
    let archive = docker::run(
        Command::new("tar")
            .args(["--create", "--file", "base.tar", "note"])
            .current_dir(home.work().join("base")),
    );
    assert_eq!(archive, "");
    let login = home.work().join("login");
    builds.recipe("FROM $BUILDER_IMAGE AS builder\nFROM scratch AS admin\nCOPY --from=builder /note /note\n");
    builds.commit();
    let path = format!("{}:{}", home.work().join("bin").display(), std::env::var("PATH").unwrap_or_default());
    for (number, builder) in ["1", "0"].into_iter().enumerate() {
        let tagged = format!("{base}:{number}");
        let docker = || {
            let mut docker = docker::docker_command();
            docker.arg("--config").arg(&login);
            docker
        };
        docker::run(docker().arg("import").arg(home.work().join("base/base.tar")).arg(&tagged));
        docker::run(docker().args(["push", &tagged]));
        let forget = || drop(docker().args(["rmi", "--force", &tagged]).output());
        forget();
        let build = |configuration: &str| {
            let run = builds.build(["--force", "--no-cache", "--builder-image", &tagged]);
            let run = run.env("DOCKER_CONFIG", home.work().join(configuration)).env("PATH", &path);
            run.env("DOCKER_BUILDKIT", builder).output()
        };
        for configuration in ["wrong", "alone"] {
            let refused = build(configuration).exits(29);
            let told = last_lines(&refused);
            assert!(told.contains("docker login 127.0.0.1:"), "{refused}");
            assert!(!refused.to_string().contains("4711"), "{refused}");
            let missing =
                "docker-credential-missing, which Docker's config.json names for it, is not in a folder";
            assert_eq!(refused.stderr.contains(missing), configuration == "alone", "{refused}");
        }
        for configuration in ["login", "helped"] {
            let done = build(configuration).exits(0);
            assert!(!done.to_string().contains(registry::PASSWORD), "{done}");
            forget();
        }
    }
    assert_eq!(home.read("asked"), format!("get\n{0}get\n{0}", mirror.address()));
    // The password is in the helper's own file, and nowhere else.
    assert_eq!(home.files_with(registry::PASSWORD), [home.work().join("secret")]);
    assert!(!mirror.log().contains(registry::PASSWORD));
    assert!(!format!("{:?}", builds.world.emulator.calls()).contains(registry::PASSWORD));
}

#[test]
fn another_repository_is_refused_before_anything_of_it_is_built() {
    let builds = builds!();
    let recipe = "FROM example.invalid/evil AS admin\nRUN evil\n";
    builds.world.home.write("sources/docker/Dockerfile", recipe);
    builds.commit();
    let refused = builds.build([]).output().exits(2);
    let told = last_lines(&refused).replace(&builds.world.home.work().display().to_string(), "WORK");
    assert_snapshot!(told, @r"
    error: WORK/sources is not a clone of quill-admin: it has no crates/executor/Cargo.toml of ours, and its docker/Dockerfile makes no admin image; nothing of it was built
     next: run this inside a clone of quill-admin, or name the clone with --source
    ");
    assert_eq!(builds.world.calls(), "", "nothing was sent");
    // A fork has the crate, whatever its Dockerfile says.
    let manifest = "[package]\nname = \"quill-admin-executor\"\n";
    builds.world.home.write("sources/crates/executor/Cargo.toml", manifest);
    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert!(plan.stdout.contains("builder "), "{plan}");
}

#[test]
fn a_tag_that_strayed_is_shown_and_asked_about_before_it_is_moved() {
    let builds = builds!();
    let file = builds.world.home.read("environments.yaml");
    let file = file.replace("staging: { project", "staging: { protected: true, project");
    builds.world.home.write("environments.yaml", &file);
    let _ = builds.build(["--confirm", "staging"]).output().exits(0);
    let ours = builds.registry.digest(REPOSITORY, "latest").expect("it was pushed");
    let other = builds.registry.push(REPOSITORY, "latest", &json!({"os": "linux", "architecture": "amd64"}));
    let digest = || builds.registry.digest(REPOSITORY, "latest").expect("there is one");

    let mut terminal = builds.build([]).terminal();
    terminal
        .expect("latest: to the image that the job runs")
        .expect("Type \"staging\" to go on")
        .type_line("no")
        .expect("\"no\" is not \"staging\"")
        .ctrl_d();
    assert_eq!(terminal.wait().code(), 130);
    assert_eq!(digest(), other, "it was not agreed to");
    let plan = builds.build(["--dry-run"]).output().exits(0);
    assert!(plan.stdout.contains("moved            latest: to the image"), "{plan}");
    assert_eq!(digest(), other);
    let moved = builds.build(["--confirm", "staging"]).output().exits(0);
    assert!(moved.stdout.starts_with("✔ moved latest to the image that quill-tasks-staging runs"), "{moved}");
    assert_eq!(digest(), ours);
    let nothing = builds.build(["--confirm", "staging"]).output().exits(0);
    assert!(nothing.stdout.starts_with("✔ nothing to do"), "{nothing}");
}

#[test]
fn an_image_that_is_not_what_it_should_be_is_not_pushed() {
    let builds = builds!();
    let recipe = builds.world.home.read("sources/docker/Dockerfile");
    for (from, to, told) in [
        (
            "LABEL org.opencontainers.image.title=\"quill-admin-executor\"",
            "LABEL a=\"b\"",
            "without the labels",
        ),
        ("admin.contract=\"1\"", "admin.contract=\"2\"", "the oldest \"2\""),
    ] {
        assert!(recipe.contains(from), "{recipe}");
        builds.world.home.write("sources/docker/Dockerfile", &recipe.replace(from, to));
        let refused = builds.build([]).output().exits(29);
        assert!(last_lines(&refused).contains(told), "{refused}");
    }
    assert_untouched(&builds);
    // Docker would take the last stage if no target were named; here the stage must have its name.
    builds.world.home.write("sources/docker/Dockerfile", &recipe.replace(" AS admin", " AS other"));
    let refused = builds.build([]).output().exits(29);
    assert!(last_lines(&refused).contains("admin"), "{refused}");
    assert_untouched(&builds);
}

#[test]
fn no_engine_no_permission_no_sources() {
    let builds = builds!();
    let refused = builds.build([]).env("DOCKER_HOST", "unix:///nowhere/docker.sock").output().exits(29);
    assert_snapshot!(last_lines(&refused), @r"
    error: failed to reach the Docker engine: nothing answers at unix:///nowhere/docker.sock (Socket not found: /nowhere/docker.sock)
     next: start what serves it (Docker Desktop, Colima, Podman, rootless Docker), or use this machine's own engine: unset DOCKER_HOST
     next: look closer with: quill-admin doctor --env staging --only machine-docker
    ");
    let refused = builds.build([]).env("DOCKER_CONTEXT", "nosuch").output().exits(29);
    assert_snapshot!(last_lines(&refused), @r#"
    error: failed to reach the Docker engine: DOCKER_CONTEXT names "nosuch", and there is no such context
     next: see which there are with: docker context ls, or unset DOCKER_CONTEXT
     next: look closer with: quill-admin doctor --env staging --only machine-docker
    "#);
    let tls = builds.build([]).env("DOCKER_HOST", "tcp://127.0.0.1:1").env("DOCKER_TLS_VERIFY", "1");
    let refused = tls.env("DOCKER_CERT_PATH", builds.world.home.work()).output().exits(29);
    assert!(refused.stderr.contains("has no ca.pem"), "{refused}");
    let refused = builds.build([]).env("DOCKER_HOST", "ssh://far").output().exits(29);
    assert!(refused.stderr.contains("ssh:// is not supported"), "{refused}");
    assert!(!refused.stderr.contains("systemctl"), "{refused}");

    let home = &builds.world.home;
    let empty = home.work().join("empty");
    std::fs::create_dir(&empty).expect("make a folder");
    let refused = builds.quill_admin(["build", "-e", "staging", "--source", "empty"]).output().exits(2);
    assert!(refused.stderr.contains("--source"), "{refused}");
    let refused = builds.quill_admin(["build", "-e", "staging", "--source", "nowhere"]).output().exits(2);
    assert!(refused.stderr.contains("nowhere"), "{refused}");
    builds.git(&["rm", "--quiet", "docker/Dockerfile"]);
    let refused = builds.build([]).output().exits(2);
    assert!(refused.stderr.contains("docker/Dockerfile"), "{refused}");
    assert_untouched(&builds);
}

#[test]
fn an_engine_that_this_user_may_not_use() {
    let builds = builds!();
    if !rustix::process::geteuid().is_root() {
        quill_admin_testkit::skip!("root", "only root can become a user without rights");
    }
    // The other user gets copies of all files that they have to read.
    let home = &builds.world.home;
    let program = home.path().join("quill-admin");
    std::fs::copy(quill_admin_testkit::bin::quill_admin(), &program).expect("copy the program");
    quill_admin_testkit::docker::run(Command::new("chown").arg("-R").arg("65534:65534").arg(home.path()));
    let refused = home
        .run("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .args(["build", "--env", "staging", "--source", "sources"])
        .output()
        .exits(29);
    assert_snapshot!(last_lines(&refused), @r#"
    error: failed to reach the Docker engine: this user may not use unix:///var/run/docker.sock
     next: allow it with: sudo usermod -aG docker "$USER", then sign in to this machine again
     next: look closer with: quill-admin doctor --env staging --only machine-docker
    "#);
    assert_untouched(&builds);
}

/// An engine with a full disk, with the messages of a real one. There is no other way to have one without
/// filling the machine's disk.
fn full_engine(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("a socket");
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut buffer = [0; 8 * 1024];
            // A build ends with the last chunk of its context.
            let whole = |request: &[u8]| {
                (request.starts_with(b"GET") && request.ends_with(b"\r\n\r\n"))
                    || request.ends_with(b"\r\n0\r\n\r\n")
            };
            while !whole(&request) {
                match client.read(&mut buffer) {
                    Ok(count @ 1..) => request.extend_from_slice(&buffer[..count]),
                    _ => break,
                }
            }
            let body = if request.starts_with(b"GET") {
                json!({"Version": "20.10.24", "ApiVersion": "1.41", "Os": "linux", "Arch": "amd64"})
            } else {
                let message = "write /program: no space left on device";
                json!({"errorDetail": {"message": message}, "error": message})
            };
            let body = body.to_string();
            let answer = answer("200 OK", "Content-Type: application/json\r\n", &body);
            let _ = client.write_all(answer.as_bytes());
        }
    });
}

#[test]
fn a_full_disk() {
    let builds = builds!();
    let socket = builds.world.home.path().join("docker.sock");
    full_engine(&socket);
    let failed = builds
        .build([])
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .exits(29);
    assert_snapshot!(last_lines(&failed), @r"
    error: failed to build the image: write /program: no space left on device
     next: make room with: docker system prune
     next: look closer with: quill-admin doctor --env staging --only machine-docker
    ");
    assert_untouched(&builds);
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let builds = builds!();
    let file = builds.world.home.read("environments.yaml");
    let file = file.replace("staging: { project", "staging: { protected: true, project");
    builds.world.home.write("environments.yaml", &file);

    let refused = builds.build([]).output().exits(28);
    assert!(refused.stderr.contains("--confirm staging"), "{refused}");
    let refused = builds.build(["--confirm", "teaching"]).output().exits(28);
    assert!(refused.stderr.contains("teaching"), "{refused}");
    assert_eq!(builds.world.calls(), "", "nothing was sent");

    let mut terminal = builds.build([]).terminal();
    terminal.expect("is created").expect("Type \"staging\" to go on").type_line("stagin");
    terminal.expect("\"stagin\" is not \"staging\"");
    assert_untouched(&builds);
    terminal.type_line("staging").expect("built, pushed and deployed");
    assert_eq!(terminal.wait().code(), 0);
    let _ = builds.build(["--force", "--confirm", "staging"]).output().exits(0);
}

#[test]
fn ctrl_c_in_a_build_cancels_it() {
    let builder = needs_builder_image!();
    // The number identifies the process: nobody else on this machine sleeps for so long.
    for (value, seconds) in
        [("1", 86_000 + std::process::id() % 1000), ("0", 87_000 + std::process::id() % 1000)]
    {
        let builds = builds!();
        builds.recipe(&format!(
            "FROM $BUILDER_IMAGE AS builder\nRUN echo asleep; sleep {seconds}\n\
             FROM --platform=linux/amd64 scratch AS admin\nCOPY --from=builder /out /out\n"
        ));
        builds.commit();
        let mut terminal =
            builds.build(["--builder-image", &builder]).env("DOCKER_BUILDKIT", value).terminal();
        let line = format!("sleep {seconds}");
        terminal.expect(&line);
        wait_until("the step runs", || processes(&line) > 0);
        terminal.ctrl_c();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(ended.text().contains("nothing was deployed"), "{}", ended.text());
        wait_until("the engine has stopped the step", || processes(&line) == 0);
        assert_untouched(&builds);
    }
}

#[test]
fn ctrl_c_in_a_push_leaves_no_tag_and_no_job() {
    let builds = builds!();
    builds.proxy.hold("/blobs/uploads/");
    let mut terminal = builds.build([]).terminal();
    builds.proxy.wait_for("/blobs/uploads/");
    terminal.ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("nothing was deployed"), "{}", ended.text());
    builds.proxy.open();
    assert_untouched(&builds);
    let _ = builds.build([]).output().exits(0);
}

/// While the job is changed Ctrl-C waits, and the outcome is reported afterwards.
#[test]
fn ctrl_c_while_the_job_is_changed_says_that_it_is() {
    let builds = builds!();
    let _ = builds.build([]).output().exits(0);
    let path = format!("/v2/{JOB}");
    let change = || {
        let mut job = builds.world.job().expect("there is one");
        job["template"]["template"]["maxRetries"] = json!(3);
        builds.world.emulator.put_job(JOB, job).expect("a valid job");
    };
    let changes = || builds.world.emulator.calls().iter().filter(|call| call.method == "PATCH").count();
    for (faults, waits, code, told) in [
        (vec![Fault::new(&path, FaultAction::Hold).method("PATCH")], true, 130, "were not moved yet"),
        // The change is made, and the readiness of the job is read.
        (vec![Fault::new(&path, FaultAction::Hold).method("GET").after(1)], false, 130, "were not moved yet"),
        (
            vec![Fault::new(&path, FaultAction::Hold).method("PATCH")],
            true,
            27,
            "whether it was made is not known",
        ),
    ] {
        change();
        builds.world.emulator.set_faults(faults);
        let before = changes();
        let mut terminal = builds.build([]).terminal();
        wait_until("the change is sent", || changes() > before);
        terminal.ctrl_c();
        // The message comes at once if the answer is waited for.
        if waits {
            terminal.expect("Ctrl-C again leaves at once");
        }
        if code == 27 {
            terminal.ctrl_c();
        } else if waits {
            builds.world.emulator.set_faults([]);
        }
        let ended = terminal.wait();
        assert_eq!(ended.code(), code, "{}", ended.text());
        assert!(ended.text().contains(told), "{}", ended.text());
        assert!(
            ended.text().contains("next: running it again is safe: quill-admin build"),
            "{}",
            ended.text()
        );
        if code == 130 {
            let retries = &builds.world.job().expect("there is one")["template"]["template"]["maxRetries"];
            assert_ne!(retries, &json!(3), "as it says");
        }
    }
}

/// A job that was changed is not reported as one that was not.
#[test]
fn a_job_that_was_changed_and_cannot_be_looked_at_is_said_to_be_changed() {
    let builds = builds!();
    let path = format!("/v2/{JOB}");
    let _ = builds.build([]).output().exits(0);
    let read = |action| Fault::new(&path, action).method("GET").after(1);
    let spoil = || {
        let mut job = builds.world.job().expect("there is one");
        job["template"]["template"]["maxRetries"] = json!(3);
        builds.world.emulator.put_job(JOB, job).expect("a valid job");
    };
    spoil();
    builds.world.emulator.set_faults([read(FaultAction::status(403, "no longer yours"))]);
    let unknown = builds.build([]).output().exits(27);
    assert_snapshot!(last_lines(&unknown), @r"
    error: the job was changed, and whether it is ready is not known
    error: failed to read the job: no longer yours
     next: running it again is safe: quill-admin build --env staging
     next: look closer with: quill-admin doctor --env staging --only permissions
    ");
    // A temporary failure does not end the wait.
    spoil();
    builds.world.emulator.set_faults([read(FaultAction::status(503, "later")).times(1)]);
    let _ = builds.build([]).output().exits(0);
}

/// Number of processes of this machine with this command line, including those in containers.
fn processes(line: &str) -> usize {
    std::fs::read_dir("/proc")
        .expect("Linux")
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .filter(|cmdline| String::from_utf8_lossy(cmdline).trim_end_matches('\0').replace('\0', " ") == line)
        .count()
}
