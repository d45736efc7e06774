//! `restore-backend`: a service that runs the admin image gets its own image again.

use std::process::Command;
use std::time::Duration;

use cloud_emulator::{Emulator, Fault, FaultAction, ServiceOutcome};
use insta::{allow_duplicates, assert_snapshot};
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::doctor_fixture::SERVICE;
use quill_admin_e2e::{Finished as _, JOB, REPOSITORY, redact, wait_until};
use quill_admin_testkit::docker::{docker_command, run};
use quill_admin_testkit::home::{Output, Run};
use quill_admin_testkit::{needs_builder_image, needs_docker, needs_registry, registry};
use serde_json::{Value, json};

/// The repository of the backend's image, in the registry.
const BACKEND: &str = "quill-medical-staging/quill/backend";
/// The label that every admin image has.
const LABEL: &str = "LABEL org.opencontainers.image.title=\"quill-admin-executor\"\n";
/// The application's Dockerfile, in which the backend is not the last stage.
const RECIPE: &str = "\
FROM scratch AS prod
COPY program /program
CMD [\"/program\"]
FROM prod AS admin
LABEL org.opencontainers.image.title=\"quill-admin-executor\"
";

macro_rules! builds {
    ($made:expr) => {{
        needs_docker!();
        needs_registry!();
        let builds: BuildFixture = $made;
        builds
    }};
    () => {
        builds!(BuildFixture::new())
    };
}

fn restore<'a>(builds: &BuildFixture, args: impl IntoIterator<Item = &'a str>) -> Run {
    builds.quill_admin(["restore-backend", "--env", "staging"].into_iter().chain(args))
}

/// The `docker` program, with the sign-ins of the fixture.
fn docker(builds: &BuildFixture) -> Command {
    let mut command = docker_command();
    command.arg("--config").arg(builds.world.home.path().join("docker"));
    command
}

/// Makes an image and pushes it; returns its digest. It differs from the images of other tests: an engine
/// that removes an image for one test would remove the same one that is being made for another.
fn push(builds: &BuildFixture, repository: &str, tag: &str, lines: &str) -> String {
    let name = named(builds, repository, tag);
    let home = &builds.world.home;
    // Not the address: its port may have been that of an earlier test.
    home.write("image/content", &format!("{} {lines}", home.path().display()));
    home.write("image/Dockerfile", &format!("FROM scratch\nCOPY content /content\n{lines}"));
    // There is nothing to find in a cache, and looking fails if an image is removed meanwhile.
    run(docker_command()
        .args(["build", "--quiet", "--no-cache", "--tag", &name])
        .arg(home.work().join("image")));
    send(builds, repository, tag)
}

/// Pushes an image that the engine has; returns its digest.
fn send(builds: &BuildFixture, repository: &str, tag: &str) -> String {
    run(docker(builds).args(["push", "--quiet", &named(builds, repository, tag)]));
    builds.registry.digest(repository, tag).expect("it was pushed")
}

fn named(builds: &BuildFixture, repository: &str, reference: &str) -> String {
    let separator = if reference.starts_with("sha256:") { '@' } else { ':' };
    format!("{}/{repository}{separator}{reference}", builds.proxy.address())
}

/// Puts a revision; older ones have to come first, since its number is its time.
fn revision(builds: &BuildFixture, number: u32, image: &str, state: &str) {
    let ready = json!({
        "type": "Ready", "state": format!("CONDITION_{state}"),
        "message": if state == "FAILED" { "The user-provided container failed its probe.\n\nLogs: …" } else { "" },
    });
    let revision = json!({
        "containers": [{"image": image}],
        "conditions": [ready],
        "createTime": format!("2026-01-{number:02}T00:00:00Z"),
    });
    builds.world.emulator.put_revision(&id(number), revision).expect("a valid revision");
}

fn id(number: u32) -> String {
    format!("{SERVICE}/revisions/quill-backend-staging-{number:05}-abc")
}

/// Puts the service with these revisions.
fn service(builds: &BuildFixture, image: &str, created: u32, ready: u32) {
    builds.world.emulator.put_service(SERVICE, a_service(image, created, ready)).expect("a valid service");
}

fn a_service(image: &str, created: u32, ready: u32) -> Value {
    json!({
        "template": {"containers": [{"image": image, "env": [{"name": "AUTH_DB_HOST", "value": "10.0.0.9"}]}]},
        "latestCreatedRevision": id(created),
        "latestReadyRevision": id(ready),
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
    })
}

/// Puts the incident: the newest revision is the admin image and never became ready, the one before is the
/// backend. Returns the backend's image.
pub(crate) fn incident(builds: &BuildFixture) -> String {
    let backend = named(builds, BACKEND, &push(builds, BACKEND, "main", "LABEL a=\"backend\"\n"));
    let admin = named(builds, REPOSITORY, "latest");
    revision(builds, 1, &backend, "SUCCEEDED");
    revision(builds, 2, &admin, "FAILED");
    service(builds, &admin, 2, 1);
    backend
}

/// Writes the application's sources.
fn sources(builds: &BuildFixture, recipe: &str) {
    builds.world.home.write("app/program", &builds.proxy.address());
    builds.world.home.write("app/Dockerfile", recipe);
}

/// The image that the service is set to run.
fn deployed(builds: &BuildFixture) -> String {
    let service = builds.world.emulator.get(SERVICE).expect("there is a service");
    service["template"]["containers"][0]["image"].as_str().expect("it has one").to_owned()
}

/// A fault of calls that read or change the service itself.
fn fault_of(action: FaultAction) -> Fault {
    Fault::new(format!("/v2/{SERVICE}"), action)
}

/// Number of times that the service was changed.
fn changes(builds: &BuildFixture) -> usize {
    builds.world.emulator.calls().iter().filter(|call| call.method != "GET").count()
}

fn edit_environments(builds: &BuildFixture, from: &str, to: &str) {
    let file = builds.world.home.read("environments.yaml");
    assert!(file.contains(from), "{file}");
    builds.world.home.write("environments.yaml", &file.replace(from, to));
}

fn last_lines(output: &Output) -> String {
    redacted(
        &output.stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n"),
    )
}

/// Replaces the part of a new revision's name that differs, and the names of the fixture's folders. Which
/// steps of a build are shown depends on the engine's cache.
fn redacted(text: &str) -> String {
    [
        (r"(quill-backend-staging-\d{5})-[a-z0-9]{3}\b", "$1-XXX"),
        (r"/\S+/app\b", "/…/app"),
        (r"(?m)^\[.*\n", ""),
    ]
    .iter()
    .fold(redact(text), |text, (pattern, replacement)| {
        regex::Regex::new(pattern).expect("valid").replace_all(&text, *replacement).into_owned()
    })
}

#[test]
fn the_last_ready_revision_that_is_not_the_admin_image_is_gone_back_to() {
    let builds = builds!(BuildFixture::with_token());
    let login = ["login", "--username", registry::TOKEN_USER, "--password", registry::TOKEN];
    run(docker(&builds).args(login).arg(builds.proxy.address()));
    let emulator = &builds.world.emulator;
    // The admin image as the job runs it, under the backend's name, and recognised by its label alone.
    let admin = push(&builds, REPOSITORY, "latest", "LABEL a=\"admin, of the job\"\n");
    let name = named(&builds, REPOSITORY, &admin);
    let job = json!({"template": {"template": {"containers": [{"image": name}]}}});
    emulator.put_job(JOB, job).expect("a valid job");
    let [latest, same] = [(REPOSITORY, "latest"), (BACKEND, "same")].map(|(of, tag)| named(&builds, of, tag));
    run(docker_command().args(["tag", &latest, &same]));
    let same = send(&builds, BACKEND, "same");
    assert_eq!(same, admin, "the same image under another name");
    let labelled = push(&builds, BACKEND, "labelled", LABEL);
    let gone = push(&builds, BACKEND, "gone", "LABEL a=\"gone\"\n");
    builds.registry.delete(BACKEND, &gone);
    let good = push(&builds, BACKEND, "good", "LABEL a=\"good\"\n");
    let older = push(&builds, BACKEND, "older", "LABEL a=\"older\"\n");
    // This registry would accept the token, but is not ours.
    let foreign = registry::Registry::with_token();
    let backend = |digest: &str| named(&builds, BACKEND, digest);
    for (number, image, state) in [
        (1, backend(&older), "SUCCEEDED"),
        (2, backend(&good), "SUCCEEDED"),
        // This image is named by a tag, which may have moved.
        (3, backend("labelled"), "SUCCEEDED"),
        (4, backend(&gone), "SUCCEEDED"),
        (5, backend(&labelled), "SUCCEEDED"),
        (6, backend(&same), "SUCCEEDED"),
        (7, "nginx:1".to_owned(), "SUCCEEDED"),
        (8, format!("{}/foreign/backend:1", foreign.address()), "SUCCEEDED"),
        (9, named(&builds, REPOSITORY, "latest"), "SUCCEEDED"),
        (10, backend(&older), "FAILED"),
        (11, backend(&older), "RECONCILING"),
    ] {
        revision(&builds, number, &image, state);
    }
    service(&builds, &backend(&older), 11, 9);
    emulator.set_service_outcome(SERVICE, ServiceOutcome::ReadyAfter(Duration::from_millis(1500)));

    let plan = restore(&builds, ["--dry-run"]).output().exits(0);
    assert_eq!(changes(&builds), 0);
    let done = restore(&builds, []).output().exits(0);
    assert_snapshot!(redacted(&done.to_string()), @r#"
    exit status: 0
    ----- stdout -----
    ✔ the backend of staging has its own image again (N.N s)
      image            127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
      revision         quill-backend-staging-00002-XXX
    ----- stderr -----
    connecting (N.N s)
    looking at the service and its revisions (N.N s)
    restore quill-backend-staging of staging (quill-medical-staging, europe-west2)
      now              127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST, revision quill-backend-staging-00011-XXX
      passed over      quill-backend-staging-00011-XXX: it is not ready yet
      passed over      quill-backend-staging-00010-XXX: it is not ready: The user-provided container failed its probe
      passed over      quill-backend-staging-00009-XXX: it is the admin image: it is from its repository
      passed over      quill-backend-staging-00008-XXX: failed to look for 127.0.0.1:PORT/foreign/backend:1 in the registry: the registry refused the access token
      passed over      quill-backend-staging-00007-XXX: "nginx" is not the name of an image repository: it begins with the registry's host name and a slash
      passed over      quill-backend-staging-00006-XXX: it is the admin image: it has the admin image's digest
      passed over      quill-backend-staging-00005-XXX: it is the admin image: its labels say so
      passed over      quill-backend-staging-00004-XXX: the registry no longer has its image 127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
      passed over      quill-backend-staging-00003-XXX: the tag 127.0.0.1:PORT/quill-medical-staging/quill/backend:labelled has been moved to the admin image since: its labels say so
      then             127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
      from             revision quill-backend-staging-00002-XXX
    changing the service (N.N s)
    waiting for the new revision (N.N s)
    "#);
    assert!(done.stderr.contains(&plan.stdout), "{plan}");
    assert_eq!(deployed(&builds), backend(&good));
    let now = emulator.get(SERVICE).expect("there");
    assert_eq!(now["latestReadyRevision"], now["latestCreatedRevision"]);
    let container = &now["template"]["containers"][0];
    assert_eq!(container["env"][0]["value"], "10.0.0.9", "everything else stays");
    assert_eq!(changes(&builds), 1);
    for output in [plan, done] {
        assert!(!output.to_string().contains(registry::TOKEN), "{output}");
    }

    // Now nothing is left to do.
    let again = restore(&builds, []).output().exits(0);
    assert!(again.stdout.starts_with("✔ nothing to do"), "{again}");
    assert_eq!(changes(&builds), 1);
}

#[test]
fn what_is_healthy_is_left_alone_unless_forced() {
    let builds = builds!();
    let backend = incident(&builds);
    service(&builds, &backend, 1, 1);
    let nothing = restore(&builds, []).output().exits(0);
    assert_snapshot!(redacted(&nothing.to_string()), @r"
    exit status: 0
    ----- stdout -----
    ✔ nothing to do: the backend of staging runs its own image and is ready
      image            127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
      revision         quill-backend-staging-00001-XXX
    ----- stderr -----
    connecting (N.N s)
    looking at the service and its revisions (N.N s)
    ");
    let json = restore(&builds, ["--json"]).output().exits(0).json();
    assert_eq!(json["changed"], false, "{json:#}");
    assert_eq!(changes(&builds), 0);

    // The same image again still makes a new revision.
    let forced = restore(&builds, ["--force", "--json"]).output().exits(0).json();
    assert_eq!((&forced["changed"], &forced["image"]), (&json!(true), &json!(backend)), "{forced:#}");
    let now = builds.world.emulator.get(SERVICE).expect("there");
    assert_ne!(now["latestReadyRevision"], id(1));
    let _ = restore(&builds, ["--force"]).output().exits(0);
    assert_ne!(
        builds.world.emulator.get(SERVICE).expect("there")["latestReadyRevision"],
        now["latestReadyRevision"]
    );
    assert_eq!(changes(&builds), 2);
}

#[test]
fn a_job_that_runs_the_backend_s_image_does_not_roll_it_back() {
    let builds = builds!();
    let _ = incident(&builds);
    let newer = named(&builds, BACKEND, &push(&builds, BACKEND, "newer", "LABEL a=\"newer\"\n"));
    let job = json!({"template": {"template": {"containers": [{"image": newer}]}}});
    builds.world.emulator.put_job(JOB, job).expect("a valid job");
    revision(&builds, 3, &newer, "SUCCEEDED");
    service(&builds, &newer, 3, 3);
    let nothing = restore(&builds, []).output().exits(0);
    assert!(nothing.stdout.starts_with("✔ nothing to do"), "{nothing}");
    // A newer revision that does not start is replaced by this one, and not by one of before.
    revision(&builds, 4, &named(&builds, REPOSITORY, "latest"), "FAILED");
    service(&builds, &named(&builds, REPOSITORY, "latest"), 4, 3);
    let plan = restore(&builds, ["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(plan["restore"]["image"], newer, "{plan:#}");
    assert_eq!(changes(&builds), 0);

    // A revision that is ready is left as it is, whatever its image is called.
    let named_wrongly = named(&builds, REPOSITORY, &push(&builds, REPOSITORY, "x", "LABEL a=\"x\"\n"));
    revision(&builds, 5, &named_wrongly, "SUCCEEDED");
    service(&builds, &named_wrongly, 5, 5);
    let refused = restore(&builds, []).output().exits(28);
    assert_snapshot!(last_lines(&refused), @r"
    error: revision quill-backend-staging-00005-XXX is ready, and a sign says that it is the admin image: it is from its repository; requests go to quill-backend-staging-00005-XXX
     next: look which image it runs: what is ready is no admin image, whatever its name and labels say
     next: to go back all the same: quill-admin restore-backend --force --env staging
    ");
    assert_eq!(changes(&builds), 0);
    let forced = restore(&builds, ["--force", "--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(forced["restore"]["image"], newer, "{forced:#}");
}

#[test]
fn a_tag_is_not_taken_for_what_it_was() {
    let builds = builds!();
    let digest = push(&builds, BACKEND, "main", "LABEL a=\"backend\"\n");
    let tagged = named(&builds, BACKEND, "main");
    // If the revision is newer than the image, the tag is unchanged since, and is pinned.
    let put = |time: &str| {
        let ready = json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"});
        let one = json!({"containers": [{"image": tagged}], "conditions": [ready], "createTime": time});
        builds.world.emulator.put_revision(&id(1), one).expect("a valid revision");
    };
    put("2099-01-01T00:00:00Z");
    service(&builds, &named(&builds, REPOSITORY, "latest"), 2, 1);
    let plan = restore(&builds, ["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(plan["restore"]["image"], named(&builds, BACKEND, &digest), "{plan:#}");

    // If the revision is older, the image that ran then is not the one that the tag names now, backend or
    // not.
    put("2026-01-01T00:00:00Z");
    let refused = restore(&builds, []).output().exits(22);
    assert_snapshot!(last_lines(&refused), @r"
    error: no revision of quill-backend-staging has an image to go back to
    error: quill-backend-staging-00001-XXX: the tag 127.0.0.1:PORT/quill-medical-staging/quill/backend:main has been moved to a newer image since
     next: build it from the application's sources: quill-admin restore-backend --env staging --from-source FOLDER
    ");
    push(&builds, BACKEND, "main", LABEL);
    let refused = restore(&builds, []).output().exits(22);
    assert!(refused.stderr.contains("has been moved to the admin image since"), "{refused}");
    assert_eq!(changes(&builds), 0);

    // This is no problem for a service that serves.
    service(&builds, &tagged, 1, 1);
    let healthy = restore(&builds, []).output().exits(0);
    assert!(healthy.stdout.starts_with("✔ nothing to do"), "{healthy}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let builds = builds!();
    let backend = incident(&builds);
    sources(&builds, RECIPE);
    let uploads = builds.uploads();
    let json = restore(&builds, ["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!((&json["healthy"], &json["restore"]["image"]), (&json!(false), &json!(backend)), "{json:#}");
    let plan = restore(&builds, ["--dry-run", "--from-source", "app"]).output().exits(0);
    assert_snapshot!(redacted(&plan.stdout), @r#"
    restore quill-backend-staging of staging (quill-medical-staging, europe-west2)
      now              127.0.0.1:PORT/quill-medical-staging/quill/tasks:latest, revision quill-backend-staging-00002-XXX
      passed over      quill-backend-staging-00002-XXX: it is the admin image: it is from its repository
      then             127.0.0.1:PORT/quill-medical-staging/quill/backend:main
      from             stage "prod" of /…/app
    "#);
    assert_eq!(changes(&builds), 0);
    assert_eq!(builds.uploads(), uploads);
}

#[test]
fn the_backend_is_built_from_its_stage_whichever_is_last() {
    let builds = builds!();
    incident(&builds);
    let before = builds.registry.digest(BACKEND, "main");
    sources(&builds, RECIPE);
    let done = restore(&builds, ["--from-source", "app"]).output().exits(0);
    assert_snapshot!(redacted(&done.to_string()), @r#"
    exit status: 0
    ----- stdout -----
    ✔ the backend of staging has its own image again (N.N s)
      image            127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST
      revision         quill-backend-staging-00002-XXX
    ----- stderr -----
    connecting (N.N s)
    looking at the service and its revisions (N.N s)
    restore quill-backend-staging of staging (quill-medical-staging, europe-west2)
      now              127.0.0.1:PORT/quill-medical-staging/quill/tasks:latest, revision quill-backend-staging-00002-XXX
      passed over      quill-backend-staging-00002-XXX: it is the admin image: it is from its repository
      then             127.0.0.1:PORT/quill-medical-staging/quill/backend:main
      from             stage "prod" of /…/app
    building the backend (N.N s)
    pushing the backend (N.N s)
    changing the service (N.N s)
    waiting for the new revision (N.N s)
    "#);
    let digest = builds.registry.digest(BACKEND, "main").expect("it was pushed");
    assert_ne!(Some(&digest), before.as_ref());
    assert_eq!(deployed(&builds), named(&builds, BACKEND, &digest));
    let name = named(&builds, BACKEND, "main");
    let labels = run(docker_command().args(["inspect", "--format", "{{json .Config.Labels}}", &name]));
    assert_eq!(labels.trim(), "null", "the last stage has labels");
}

#[test]
fn a_layer_that_the_engine_sends_once_more_is_said_to_be() {
    let builds = builds!();
    incident(&builds);
    sources(&builds, RECIPE);
    let uploads = || {
        let upload = |line: &&String| line.starts_with("PATCH ") && line.contains("/backend/blobs/uploads/");
        builds.proxy.requests().iter().filter(upload).count()
    };
    let before = uploads();
    builds.proxy.cut("PATCH /v2/");
    let done = std::thread::scope(|scope| {
        let running = scope.spawn(|| restore(&builds, ["--from-source", "app"]).output());
        wait_until("a layer is sent", || uploads() > before);
        builds.proxy.open();
        running.join().expect("it ends")
    });
    let done = done.exits(0);
    assert_eq!(
        done.stderr.matches("could not send a layer to the registry and tries again").count(),
        1,
        "{done}"
    );
}

#[test]
fn the_admin_image_is_not_deployed_whatever_the_file_calls_it() {
    let builds = builds!();
    incident(&builds);
    let main = builds.registry.digest(BACKEND, "main");
    sources(&builds, RECIPE);
    let wrong = deployed(&builds);
    let refused = |told: &str, code| {
        let refused = restore(&builds, ["--from-source", "app"]).output().exits(code);
        assert!(refused.stderr.contains(told), "{refused}");
        assert!(refused.stderr.contains(" next: "), "{refused}");
        assert_eq!((deployed(&builds), changes(&builds)), (wrong.clone(), 0));
        assert_eq!(builds.registry.digest(BACKEND, "main"), main, "nothing was pushed");
        refused
    };
    edit_environments(&builds, "target: prod", "target: admin");
    assert_snapshot!(last_lines(&refused("its labels say so", 2)), @r#"
    error: stage "admin" of Dockerfile is the admin image (its labels say so): it was not pushed, and the service is as it was
     next: check backend.dockerfile and backend.target in the environments file
    "#);

    edit_environments(&builds, "target: admin", "target: nowhere");
    assert_snapshot!(last_lines(&refused("nowhere", 29)), @r"
    error: failed to build the image: failed to solve with frontend dockerfile.v0: failed to create LLB definition: target stage nowhere could not be found
     next: check backend.dockerfile and backend.target in the environments file
    ");
    edit_environments(&builds, "target: nowhere", "target: \"\"");
    refused("backend.target", 2);
    edit_environments(&builds, "target: \"\"", "target: prod");
    edit_environments(&builds, "dockerfile: Dockerfile", "dockerfile: backend/Dockerfile");
    refused("backend/Dockerfile", 2);
    edit_environments(&builds, "/quill/backend\"", "/quill/tasks\"");
    assert_snapshot!(last_lines(&refused("backend.image", 2)), @r#"
    error: environment "staging" has the admin image's repository as its "backend.image"
     next: put it right in the environments file
    "#);
}

#[test]
fn an_admin_image_without_labels_is_known_by_its_digest() {
    let builds = builds!();
    incident(&builds);
    sources(&builds, "FROM scratch AS prod\nCOPY program /program\n");
    // It is not known yet that this is the admin image.
    let _ = restore(&builds, ["--from-source", "app"]).output().exits(0);
    let was = (deployed(&builds), changes(&builds));
    let (backend, admin) = (named(&builds, BACKEND, "main"), named(&builds, REPOSITORY, "latest"));
    run(docker_command().args(["tag", &backend, &admin]));
    run(docker(&builds).args(["push", "--quiet", &admin]));
    let uploads = builds.uploads();
    let refused = restore(&builds, ["--from-source", "app"]).output().exits(2);
    assert!(refused.stderr.contains("it has the admin image's digest"), "{refused}");
    assert_eq!((deployed(&builds), changes(&builds)), was);
    assert_eq!(builds.uploads(), uploads);
}

#[test]
fn a_base_image_or_an_engine_that_is_not_there() {
    let builds = builds!();
    incident(&builds);
    sources(&builds, &format!("FROM {}/no/such:1 AS prod\n", builds.proxy.address()));
    let refused = restore(&builds, ["--from-source", "app"]).output().exits(29);
    assert!(refused.stderr.contains("no/such:1") && !refused.stderr.contains("--builder-image"), "{refused}");
    let refused = restore(&builds, ["--from-source", "app"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .exits(29);
    assert!(refused.stderr.contains(" next: start what serves it"), "{refused}");
    assert_eq!(changes(&builds), 0);
}

#[test]
fn a_revision_that_does_not_get_ready_is_shown_with_the_end_of_its_log() {
    let builds = builds!();
    let backend = incident(&builds);
    let lines: Vec<String> = (1..=60).map(|line| format!("line {line}")).collect();
    builds.world.emulator.set_service_outcome(SERVICE, ServiceOutcome::probe_fails(lines));
    let failed = restore(&builds, []).output().exits(23);
    let log: Vec<&str> = failed.stderr.lines().filter(|line| line.contains('│')).collect();
    assert_eq!(log.len(), 40, "{failed}");
    assert_eq!(log[38], "  │ line 60");
    assert!(log[39].contains("probe failed"), "{failed}");
    assert_snapshot!(last_lines(&failed), @r"
    error: revision quill-backend-staging-00002-XXX is not ready: The user-provided container failed the configured startup probe checks; requests go to quill-backend-staging-00001-XXX
     next: read all of its log with: gcloud beta run revisions logs read quill-backend-staging-00002-XXX --project=quill-medical-staging --region=europe-west2
     next: put right what it says, or build another image: quill-admin restore-backend --env staging --from-source FOLDER
     next: look closer with: quill-admin doctor --env staging --only backend-startup
    ");
    let now = builds.world.emulator.get(SERVICE).expect("there");
    assert_eq!((&now["latestReadyRevision"], deployed(&builds)), (&json!(id(1)), backend), "as it says");
    let json = restore(&builds, ["--json"]).output().exits(23).json();
    assert_eq!(json["error"]["output"].as_array().map(Vec::len), Some(40), "{json:#}");
}

#[test]
fn a_log_that_is_late_is_waited_for_and_one_that_is_denied_is_said() {
    let builds = builds!(BuildFixture::with_cloud(Emulator::builder().log_delay(Duration::from_secs(3))));
    incident(&builds);
    builds.world.emulator.set_service_outcome(SERVICE, ServiceOutcome::probe_fails(["no database"]));
    let failed = restore(&builds, []).output().exits(23);
    assert!(failed.stderr.contains("│ no database"), "{failed}");
    builds.world.emulator.deny_permissions(["logging.logEntries.list"]);
    let failed = restore(&builds, []).output().exits(23);
    assert!(failed.stderr.contains("failed to read the revision's log: Permission denied"), "{failed}");
    assert!(failed.stderr.contains("requests go to quill-backend-staging-00001-abc"), "{failed}");
}

#[test]
fn a_change_by_somebody_else_is_not_overwritten() {
    let builds = builds!();
    incident(&builds);
    // The other change comes before this one is sent, or while this one is on its way.
    for (fault, seen) in [
        (fault_of(FaultAction::Hold).method("GET").after(1), ("GET", 2)),
        (fault_of(FaultAction::Hold).method("PATCH"), ("PATCH", 1)),
    ] {
        let emulator = &builds.world.emulator;
        emulator.set_faults([fault]);
        let before = emulator.calls().len();
        let refused = std::thread::scope(|scope| {
            let running = scope.spawn(|| restore(&builds, []).output());
            wait_until("it is about to change the service", || {
                let calls = emulator.calls();
                let own = calls
                    .iter()
                    .skip(before)
                    .filter(|call| call.line() == format!("{} /v2/{SERVICE}", seen.0));
                own.count() == seen.1
            });
            let mut other = a_service("r.example/quill/backend:hotfix", 2, 1);
            other["generation"] = json!("2");
            emulator.put_service(SERVICE, other).expect("a valid service");
            emulator.set_faults([]);
            running.join().expect("it ends")
        });
        allow_duplicates!(assert_snapshot!(last_lines(&refused.exits(23)), @r"
        error: somebody else changed the service in the meantime: it was left as they made it
         next: see what it runs with: quill-admin restore-backend --env staging --dry-run
        "));
        assert_eq!(deployed(&builds), "r.example/quill/backend:hotfix");
        service(&builds, &named(&builds, REPOSITORY, "latest"), 2, 1);
    }
}

#[test]
fn what_cloud_run_itself_notes_in_the_meantime_is_no_conflict() {
    let builds = builds!();
    let backend = incident(&builds);
    builds.proxy.hold(&format!("/v2/{BACKEND}/manifests/"));
    let done = std::thread::scope(|scope| {
        let running = scope.spawn(|| restore(&builds, []).output());
        builds.proxy.wait_for(&format!("GET /v2/{BACKEND}/manifests/"));
        // The service has been read; then its etag changes, and its generation does not.
        service(&builds, &named(&builds, REPOSITORY, "latest"), 2, 1);
        builds.proxy.open();
        running.join().expect("it ends")
    });
    let _ = done.exits(0);
    assert_eq!(deployed(&builds), backend);
}

#[test]
fn another_deployment_while_waiting_is_said() {
    let builds = builds!();
    let backend = incident(&builds);
    let emulator = &builds.world.emulator;
    emulator.set_service_outcome(SERVICE, ServiceOutcome::ReadyAfter(Duration::from_hours(1)));
    let told = std::thread::scope(|scope| {
        let running = scope.spawn(|| restore(&builds, []).output());
        wait_until("the service is changed", || deployed(&builds) == backend);
        service(&builds, "r.example/quill/backend:hotfix", 4, 1);
        running.join().expect("it ends")
    });
    assert_snapshot!(last_lines(&told.exits(23)), @r"
    error: somebody else has given the service another image since: r.example/quill/backend:hotfix
     next: see what it runs with: quill-admin restore-backend --env staging --dry-run
    ");
}

#[test]
fn no_service_no_permission_no_backend_no_candidate() {
    let builds = builds!();
    let missing = restore(&builds, []).output().exits(22);
    assert_snapshot!(last_lines(&missing), @r#"
    error: project quill-medical-staging has no Cloud Run service "quill-backend-staging" in europe-west2
     next: check backend.service in the environments file
    "#);

    let backend = incident(&builds);
    for permission in ["run.services.get", "run.revisions.list", "run.services.update"] {
        builds.world.emulator.deny_permissions([permission]);
        let refused = restore(&builds, []).output().exits(21);
        assert!(last_lines(&refused).contains(permission), "{refused}");
        assert!(last_lines(&refused).contains(" next: ask for the role roles/run.developer"), "{refused}");
    }
    builds.world.emulator.deny_permissions(Vec::<String>::new());
    assert_ne!(deployed(&builds), backend);

    // If a registry does not answer, older revisions are not tried.
    builds.proxy.cut("/v2/");
    let refused = restore(&builds, []).output().exits(23);
    assert!(last_lines(&refused).contains(&redact(&backend)), "{refused}");
    builds.proxy.open();

    revision(&builds, 1, &backend, "FAILED");
    let refused = restore(&builds, []).output().exits(22);
    assert_snapshot!(last_lines(&refused), @r"
    error: no revision of quill-backend-staging has an image to go back to
    error: quill-backend-staging-00002-XXX: it is the admin image: it is from its repository
    error: quill-backend-staging-00001-XXX: it is not ready: The user-provided container failed its probe
     next: build it from the application's sources: quill-admin restore-backend --env staging --from-source FOLDER
    ");

    let sent = builds.world.emulator.calls().len();
    edit_environments(&builds, "  backend:\n    service: quill-backend-{env}\n", "  backend:\n");
    let file = builds.world.home.read("environments.yaml");
    let lines = file.lines().filter(|line| !line.contains("/quill/backend"));
    builds.world.home.write("environments.yaml", &lines.collect::<Vec<_>>().join("\n"));
    let refused = restore(&builds, []).output().exits(2);
    assert_snapshot!(last_lines(&refused), @r#"
    error: environment "staging" has no "backend"
     next: put it right in the environments file
    "#);
    assert_eq!(builds.world.emulator.calls().len(), sent);
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let builds = builds!();
    let backend = incident(&builds);
    edit_environments(&builds, "staging: { project", "staging: { protected: true, project");
    let refused = restore(&builds, []).output().exits(28);
    assert!(refused.stderr.contains("--confirm staging"), "{refused}");
    let _ = restore(&builds, ["--confirm", "teaching"]).output().exits(28);
    assert_eq!(builds.world.calls(), "", "nothing was sent");
    let _ = restore(&builds, ["--dry-run"]).output().exits(0);

    let mut terminal = restore(&builds, []).terminal();
    terminal.expect("passed over").expect("Type \"staging\" to go on").type_line("stagin");
    terminal.expect("\"stagin\" is not \"staging\"");
    assert_eq!(changes(&builds), 0);
    terminal.type_line("staging").expect("its own image again");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(deployed(&builds), backend);
}

#[test]
fn ctrl_c_while_building_leaves_the_service_as_it_was() {
    let builder = needs_builder_image!();
    let builds = builds!();
    incident(&builds);
    let main = builds.registry.digest(BACKEND, "main");
    sources(&builds, &format!("FROM {builder} AS prod\nRUN echo asleep; sleep 88123\n"));
    let mut terminal = restore(&builds, ["--from-source", "app"]).terminal();
    terminal.expect("sleep 88123").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("the service is as it was"), "{}", ended.text());
    assert_eq!((changes(&builds), builds.registry.digest(BACKEND, "main")), (0, main));
}

#[test]
fn ctrl_c_before_the_change_is_sent_keeps_it_from_being_sent() {
    let builds = builds!();
    incident(&builds);
    let fault = fault_of(FaultAction::Hold).method("GET").after(1);
    builds.world.emulator.set_faults([fault]);
    let mut terminal = restore(&builds, []).terminal();
    terminal.expect("passed over");
    wait_until("it is read again", || {
        let calls = builds.world.emulator.calls();
        calls.iter().filter(|call| call.path == format!("/v2/{SERVICE}")).count() == 2
    });
    terminal.ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("nothing was deployed"), "{}", ended.text());
    assert_eq!(changes(&builds), 0);
}

#[test]
fn ctrl_c_while_waiting_says_that_cloud_run_goes_on() {
    let builds = builds!();
    let backend = incident(&builds);
    let outcome = ServiceOutcome::ReadyAfter(Duration::from_hours(1));
    builds.world.emulator.set_service_outcome(SERVICE, outcome);
    let mut terminal = restore(&builds, []).terminal();
    terminal.expect("waiting for the new revision").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("Cloud Run goes on without this program"), "{}", ended.text());
    assert_eq!(deployed(&builds), backend);
}

#[test]
fn ctrl_c_while_the_change_is_on_its_way_is_told_with_its_answer() {
    let builds = builds!();
    let backend = incident(&builds);
    let outcome = ServiceOutcome::ReadyAfter(Duration::from_hours(1));
    builds.world.emulator.set_service_outcome(SERVICE, outcome);
    let fault = fault_of(FaultAction::Hold).method("PATCH");
    builds.world.emulator.set_faults([fault]);
    let mut terminal = restore(&builds, []).terminal();
    wait_until("the change is sent", || changes(&builds) == 1);
    assert_ne!(deployed(&builds), backend, "it is on its way");
    terminal.ctrl_c();
    // The message says why nothing seems to happen, and what can be done.
    terminal.expect("waiting for its answer").expect("Ctrl-C again leaves at once");
    builds.world.emulator.set_faults([]);
    // The change is made: only its result would still be read.
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("Cloud Run goes on without this program"), "{}", ended.text());
    assert!(ended.text().contains("restore-backend --env staging --dry-run"), "{}", ended.text());
    assert_eq!(deployed(&builds), backend);
}

#[test]
fn a_second_ctrl_c_leaves_a_change_that_is_on_its_way() {
    let builds = builds!();
    let _ = incident(&builds);
    let fault = fault_of(FaultAction::Hold).method("PATCH");
    builds.world.emulator.set_faults([fault]);
    let mut terminal = restore(&builds, []).terminal();
    wait_until("the change is sent", || changes(&builds) == 1);
    terminal.ctrl_c();
    terminal.expect("Ctrl-C again leaves at once").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 27, "{}", ended.text());
    assert!(ended.text().contains("whether it was made is not known"), "{}", ended.text());
    assert!(ended.text().contains("restore-backend --env staging --dry-run"), "{}", ended.text());
}

#[test]
fn traffic_that_is_pinned_elsewhere_is_warned_of() {
    let builds = builds!();
    let backend = incident(&builds);
    let mut pinned = a_service(&named(&builds, REPOSITORY, "latest"), 2, 1);
    let target = json!({
        "type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
        "revision": "quill-backend-staging-00001-abc",
        "percent": 100,
    });
    pinned["traffic"] = json!([target]);
    pinned["trafficStatuses"] = json!([target]);
    builds.world.emulator.put_service(SERVICE, pinned).expect("a valid service");
    for _ in 0..2 {
        // The second time only that is left to do.
        let mut done = restore(&builds, []).output().exits(0);
        let warning = redacted(&done.stderr.split_off(done.stderr.find("warning").expect("a warning")));
        allow_duplicates!(assert_snapshot!(warning, @r"
        warning: traffic is pinned, a new revision gets none: requests go to quill-backend-staging-00001-XXX
         next: gcloud run services update-traffic quill-backend-staging --to-latest --project=quill-medical-staging --region=europe-west2
        "));
    }
    assert_eq!((deployed(&builds), changes(&builds)), (backend, 1));
    let json = restore(&builds, ["--json"]).output().exits(0).json();
    assert_eq!(
        (&json["traffic_to_latest"], &json["serving"][0]["percent"]),
        (&json!(false), &json!(100)),
        "{json:#}"
    );
}

#[test]
fn trouble_while_waiting_does_not_end_it() {
    let builds = builds!();
    let backend = incident(&builds);
    let outcome = ServiceOutcome::ReadyAfter(Duration::from_secs(3));
    builds.world.emulator.set_service_outcome(SERVICE, outcome);
    // The first two reads are before the change.
    let fault = |action| fault_of(action).method("GET").after(2).times(1);
    builds.world.emulator.set_faults([
        fault(FaultAction::status(503, "try again")),
        fault(FaultAction::status(429, "quota")).after(3),
        fault(FaultAction::ResetBefore).after(4),
        Fault::new("*/revisions/*", FaultAction::ResetBefore).times(1),
    ]);
    let _ = restore(&builds, []).output().exits(0);
    assert_eq!((deployed(&builds), changes(&builds)), (backend, 1));
}

#[test]
fn a_sign_in_that_is_refused_for_a_moment_while_waiting_does_not_end_it() {
    let builds = builds!();
    let backend = incident(&builds);
    let outcome = ServiceOutcome::ReadyAfter(Duration::from_secs(3));
    builds.world.emulator.set_service_outcome(SERVICE, outcome);
    let fault = fault_of(FaultAction::status(401, "no such token")).method("GET").after(2).times(2);
    builds.world.emulator.set_faults([fault]);
    let waited = restore(&builds, []).output().exits(0);
    assert!(waited.stderr.contains("trying again"), "{waited}");
    assert_eq!((deployed(&builds), changes(&builds)), (backend, 1));
}

#[test]
fn contact_that_is_lost_while_waiting_is_no_failure_of_the_change() {
    for (action, code) in [(403, "denied"), (401, "no such token")] {
        let builds = builds!();
        let backend = incident(&builds);
        let outcome = ServiceOutcome::ReadyAfter(Duration::from_hours(1));
        builds.world.emulator.set_service_outcome(SERVICE, outcome);
        let fault = fault_of(FaultAction::status(action, code)).method("GET").after(2);
        builds.world.emulator.set_faults([fault]);
        let unknown = restore(&builds, []).output().exits(27);
        assert!(last_lines(&unknown).contains(code), "{unknown}");
        assert!(last_lines(&unknown).contains("the service was given 127.0.0.1:PORT/"), "{unknown}");
        assert!(last_lines(&unknown).contains("next: see what it runs with: quill-admin"), "{unknown}");
        assert_eq!(deployed(&builds), backend, "as it says");
    }
}

#[test]
fn an_answer_that_is_lost_is_looked_after() {
    for (action, arrives) in [
        (FaultAction::ResetAfter, true),
        (FaultAction::Truncate { bytes: 20 }, true),
        (FaultAction::ResetBefore, false),
        (FaultAction::status(503, "later"), false),
    ] {
        let builds = builds!();
        let backend = incident(&builds);
        let fault = fault_of(action.clone()).method("PATCH");
        builds.world.emulator.set_faults([fault]);
        let output = restore(&builds, []).output();
        assert!(output.stderr.contains("looking whether the change arrived"), "{action:?}: {output}");
        if arrives {
            let _ = output.exits(0);
            assert_eq!(deployed(&builds), backend);
        } else {
            allow_duplicates!(assert_snapshot!(last_lines(&output.exits(27)), @r"
            error: the service was sent 127.0.0.1:PORT/quill-medical-staging/quill/backend@sha256:DIGEST, but whether that had an effect is not known: there is no new revision so far; requests go to quill-backend-staging-00001-XXX
             next: see what it runs with: quill-admin restore-backend --env staging --dry-run
            "));
            assert_ne!(deployed(&builds), backend);
        }
        assert_eq!(changes(&builds), 1, "{action:?}: it is never sent twice");
    }
}
