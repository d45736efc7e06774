//! The doctor: its findings, its undecided checks, and its fixes.

use std::collections::{BTreeMap, BTreeSet};

use cloud_emulator::{Fault, FaultAction, RecordedCall, Script, SecretVersionState, Step};
use insta::assert_snapshot;
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::doctor_fixture::{ADDRESS, DoctorFixture, INSTANCE, SECRET, days_ago, image, instance};
use quill_admin_e2e::{Finished as _, JOB, PROJECT, REPOSITORY, STATE_BUCKET, World, redact, wait_until};
use quill_admin_testkit::healthy::Healthy;
use quill_admin_testkit::home::{Home, Output};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{Database, Generation, ROLES};
use quill_admin_testkit::{needs_docker, needs_registry};
use serde_json::{Value, json};

/// The checks of an environment that send requests, with the path and the permission of these requests.
const QUESTIONS: [(&str, &str, &str); 7] = [
    ("project", "/v3/projects/quill-medical-staging", "resourcemanager.projects.get"),
    ("apis", "*services:batchGet", "serviceusage.services.get"),
    ("audit-logging", "*:getIamPolicy", "resourcemanager.projects.getIamPolicy"),
    ("job", "*/jobs/quill-tasks-staging", "run.jobs.get"),
    ("job-settings", "*/jobs/quill-tasks-staging", "run.jobs.get"),
    ("job-secrets", "*/secrets/*", "secretmanager.versions.get"),
    ("database", "*/instances/*", "cloudsql.instances.get"),
];

macro_rules! environment {
    () => {{
        needs_registry!();
        DoctorFixture::healthy()
    }};
}

/// Removes further text that differs from run to run.
pub(crate) fn shown(environment: &DoctorFixture, text: &str) -> String {
    let text = text.replace(&environment.world.home.work().display().to_string(), "/…");
    let text = [
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"sha256:[0-9a-f]{12}\b", "sha256:SHORT"),
        (r"(number |projects/)\d+\b", "${1}NUMBER"),
        (r"quill-admin \d+\.\d+\.\d+", "quill-admin VERSION"),
    ]
    .iter()
    .fold(text, |text, (pattern, replacement)| {
        regex::Regex::new(pattern).expect("valid").replace_all(&text, *replacement).into_owned()
    });
    redact(&text)
}

/// The output of one check: its lines without the heading and the summary.
pub(crate) fn says(environment: &DoctorFixture, id: &str, code: i32) -> String {
    let output = environment.doctor(["--only", id]).output().exits(code);
    let lines = output.stdout.lines().skip(1).take_while(|line| !line.is_empty());
    shown(environment, &lines.collect::<Vec<_>>().join("\n"))
}

/// The results in a JSON document, by id.
pub(crate) fn results(document: &Value) -> BTreeMap<String, String> {
    let checks = document["checks"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    checks.iter().map(|check| (text(&check["id"]), text(&check["result"]))).collect()
}

pub(crate) fn check<'a>(document: &'a Value, id: &str) -> &'a Value {
    let checks = document["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no {id} in {document:#}"))
}

/// Returns the calls that the cloud has received, and clears them.
fn calls(environment: &DoctorFixture) -> Vec<RecordedCall> {
    environment.world.emulator.calls()
}

/// Number of calls that are not reads.
fn changes(environment: &DoctorFixture) -> usize {
    let asks = |call: &&RecordedCall| {
        call.method == "GET"
            || call.path.contains("testIam")
            || call.path.contains(":getIamPolicy")
            || call.path.ends_with("entries:list")
    };
    calls(environment).iter().filter(|call| !asks(call)).count()
}

fn find_job(environment: &DoctorFixture) -> Value {
    environment.world.job().expect("there is a job")
}

#[test]
fn a_healthy_environment_is_said_to_be_so_and_nothing_is_asked_twice() {
    let environment = environment!();
    let output = environment.doctor(["--skip", "machine-docker"]).output().exits(0);
    assert_snapshot!(shown(&environment, &output.to_string()));

    let calls = calls(&environment);
    let lines: Vec<String> = calls
        .iter()
        .map(|call| format!("{} {}?{} {}", call.method, call.path, call.query, call.body))
        .collect();
    let different: BTreeSet<&String> = lines.iter().collect();
    assert_eq!(different.len(), lines.len(), "{lines:#?}");
    // Every request without a token comes with one to `/v2/`, for the registry's challenge.
    let asked = environment.proxy.requests();
    let mut manifests: Vec<&String> = asked.iter().filter(|line| !line.ends_with("/v2/")).collect();
    manifests.sort_unstable();
    let count = manifests.len();
    manifests.dedup();
    assert_eq!(manifests.len(), count, "{asked:#?}");
    assert!(calls.len() + asked.len() <= 60, "{} and {}", calls.len(), asked.len());
    let reads = calls.iter().filter(|call| call.path.ends_with("entries:list")).count();
    assert!(reads <= 4, "{reads}");
    assert_eq!(changes(&environment), 0);
}

#[test]
fn the_document_has_the_fields_it_is_said_to_have() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let list = environment.world.quill_admin(["doctor", "--list", "--json"]).output().exits(0).json();
    let described: BTreeSet<String> = list["document"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|field| field["field"].as_str().expect("a name").to_owned())
        .collect();
    let document = environment
        .doctor(["--json", "--fix", "--dry-run", "--skip", "machine-docker"])
        .output()
        .exits(30)
        .json();
    let mut there = BTreeSet::new();
    fields(&document, "", &mut there);
    assert_eq!(there.difference(&described).collect::<Vec<_>>(), Vec::<&String>::new());
    let missing: Vec<&String> =
        described.difference(&there).filter(|field| !field.starts_with("after.")).collect();
    assert_eq!(missing, Vec::<&String>::new());
    assert_eq!((&document["exit_code"], &document["schema"]), (&json!(30), &json!(1)));
    let settings = check(&document, "job-settings");
    assert_eq!(settings["help"], "docs/troubleshooting.md#job-settings");
    assert_eq!(settings["findings"][0]["evidence"], json!(["max retries: 3 → 0"]));
    assert_eq!(settings["findings"][0]["fix"]["id"], "put-job-right");
    assert_eq!(document["fixes"][0]["outcome"], "dry_run");
    assert_eq!(changes(&environment), 0);
}

/// The paths of all fields of a document.
fn fields(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                into.insert(path.clone());
                fields(value, &path, into);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| fields(value, &format!("{path}[]"), into)),
        _ => {}
    }
}

#[test]
fn what_is_chosen_is_run_and_nothing_else() {
    let environment = environment!();
    let list = environment.world.quill_admin(["doctor", "--list"]).output().exits(0);
    assert_snapshot!(list.stdout);
    let some = environment.doctor(["--only", "database,job", "--json"]).output().exits(0).json();
    assert_eq!(results(&some).into_keys().collect::<Vec<_>>(), ["database", "job"]);
    // The database needs two: the instance, and its authorities.
    assert_eq!(calls(&environment).len(), 3, "no question twice, and nothing they need besides");
    let rest = environment.doctor(["--skip", "machine-docker,job,apis", "--json"]).output().exits(0).json();
    assert!(results(&rest).keys().all(|id| !["machine-docker", "job", "apis"].contains(&id.as_str())));
    let unknown = environment.doctor(["--only", "job-setings"]).output().exits(2);
    assert!(unknown.stderr.contains("there is no check \"job-setings\""), "{unknown}");
    assert!(unknown.stderr.contains("did you mean \"job-settings\"?"), "{unknown}");
}

#[test]
fn without_an_environment_every_one_is_looked_at_that_is_not_emulated() {
    let world = World::empty();
    let url = world.emulator.url();
    let file = world.home.read("environments.yaml").replace(
        "teaching: { project: quill-medical-teaching }",
        &format!("teaching: {{ project: quill-medical-teaching, endpoint: \"{url}\" }}"),
    );
    world.home.write("environments.yaml", &file);
    let output = world.quill_admin(["doctor", "--only", "machine-config,job", "--quiet"]).output().exits(30);
    let headings: Vec<&str> =
        output.stdout.lines().filter(|line| !line.starts_with(' ') && !line.is_empty()).collect();
    assert_eq!(headings[..2], ["staging", "teaching"], "{output}");
    let local = world.quill_admin(["doctor", "--only", "job", "--env", "local"]).output().exits(0);
    assert!(local.stdout.starts_with("local\n"), "{local}");
}

#[test]
fn the_environment_on_this_machine_has_nothing_around_its_job() {
    let world = World::empty();
    let output = world
        .quill_admin(["doctor", "--env", "local", "--deep", "--skip", "machine-docker,machine-gcloud"])
        .output()
        .exits(0);
    let text = output.stdout.replace(&world.home.work().display().to_string(), "/…");
    assert_snapshot!(redact(&text.replace(env!("CARGO_PKG_VERSION"), "VERSION")));
}

#[test]
fn a_file_that_cannot_be_used_is_a_finding_of_its_own() {
    let home = Home::new();
    let doctor = |args: &[&str]| {
        home.quill_admin(["doctor", "--skip", "machine-docker,machine-gcloud,machine-contract"])
            .args(args.iter().copied())
            .output()
    };
    let none = doctor(&[]).exits(30);
    assert!(none.stdout.contains("✘ machine-config"), "{none}");
    home.write("environments.yaml", "environments: { staging: { projct: x } }");
    let wrong = doctor(&["--env", "staging"]).exits(30);
    assert!(wrong.stdout.contains("unknown key \"projct\""), "{wrong}");
    assert!(wrong.stdout.contains("did you mean \"project\"?"), "{wrong}");
    // They are one line, unless more is wanted.
    assert!(
        wrong.stdout.contains(" checks were skipped: they need machine-config (-v names them)"),
        "{wrong}"
    );
    let all = doctor(&["--env", "staging", "-v"]).exits(30);
    assert!(all.stdout.contains("- job              skipped: it needs machine-config"), "{all}");
}

#[test]
fn a_sign_in_that_is_refused_keeps_everything_from_being_looked_at() {
    let world = World::signed_in(Script::default());
    let run = |token: &str| {
        world.home.write("token", token);
        let only = "machine-sign-in,project,job";
        world
            .quill_admin(["doctor", "--env", "staging", "--only", only, "--access-token-file", "token"])
            .output()
    };
    let good = run(quill_admin_e2e::TOKEN).exits(0);
    assert!(good.stdout.contains("✔ machine-sign-in"), "{good}");
    let empty = run("").exits(30);
    assert!(empty.stdout.contains("✘ machine-sign-in"), "{empty}");
    assert!(empty.stdout.contains("next: sign in with: quill-admin login"), "{empty}");
    assert!(empty.stdout.contains("- project          skipped: it needs machine-sign-in"), "{empty}");
    assert!(empty.stdout.contains("- job              skipped: it needs machine-sign-in"), "{empty}");
    // An existing token may have expired, or been revoked: only Google Cloud knows.
    let wrong = run("ya29.other").exits(30);
    assert!(wrong.stdout.contains("✘ machine-sign-in"), "{wrong}");
    assert!(wrong.stdout.contains("next: sign in with: quill-admin login"), "{wrong}");
    assert!(wrong.stdout.contains("- project          skipped: it needs machine-sign-in"), "{wrong}");
    // A denied request shows that the token is valid; without an answer nothing is known.
    world.emulator.deny_permissions(["resourcemanager.projects.get"]);
    let denied = run(quill_admin_e2e::TOKEN);
    assert!(denied.stdout.contains("✔ machine-sign-in"), "{denied}");
    world.emulator.deny_permissions(Vec::<String>::new());
    world.emulator.set_faults([Fault::new("/v3/projects/*", FaultAction::ResetBefore)]);
    let lost = run(quill_admin_e2e::TOKEN).exits(31);
    assert!(lost.stdout.contains("? machine-sign-in  could not be decided"), "{lost}");
    // Nobody is there at all: nothing was sent, and nothing is known.
    let file = world.home.read("environments.yaml");
    let nobody = file.replace(&world.emulator.url(), "http://127.0.0.1:1");
    assert_ne!(nobody, file);
    world.home.write("environments.yaml", &nobody);
    let alone = run(quill_admin_e2e::TOKEN).exits(31);
    assert!(alone.stdout.contains("? machine-sign-in  could not be decided"), "{alone}");
}

#[test]
fn nobody_signed_in_is_a_problem() {
    let world = World::signed_in(Script::default());
    let nobody =
        world.quill_admin(["doctor", "--env", "staging", "--only", "machine-sign-in"]).output().exits(30);
    assert!(nobody.stdout.contains("nobody is signed in on this machine"), "{nobody}");
    assert!(nobody.stdout.contains("help: quill-admin doctor --explain machine-sign-in"), "{nobody}");
}

#[test]
fn gcloud_and_docker_are_looked_for() {
    let environment = environment!();
    assert_eq!(says(&environment, "machine-gcloud", 0), "  ✔ machine-gcloud   gcloud 528.0.0");
    let without = environment.doctor(["--only", "machine-gcloud"]).env("PATH", "/nowhere").output().exits(0);
    assert!(without.stdout.contains("! machine-gcloud   gcloud is not installed"), "{without}");
    let engine = environment
        .doctor(["--only", "machine-docker"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .exits(0);
    assert!(engine.stdout.contains("! machine-docker"), "{engine}");
    assert!(engine.stdout.contains("tasks run without it"), "{engine}");
    // docker itself refuses a context that does not exist: another engine was meant.
    let engine =
        environment.doctor(["--only", "machine-docker"]).env("DOCKER_CONTEXT", "nosuch").output().exits(0);
    assert!(engine.stdout.contains("! machine-docker"), "{engine}");
    assert!(engine.stdout.contains("DOCKER_CONTEXT names \"nosuch\""), "{engine}");
    assert!(engine.stdout.contains("docker context ls"), "{engine}");
}

#[test]
fn the_engine_that_is_there_is_described() {
    needs_docker!();
    let environment = environment!();
    let output = environment.doctor(["--only", "machine-docker"]).output();
    assert!(output.stdout.contains("Docker Engine"), "{output}");
}

#[test]
fn a_project_that_is_not_there_or_goes_is_a_problem() {
    let environment = environment!();
    let healthy = says(&environment, "project", 0);
    environment
        .world
        .emulator
        .put_project(PROJECT, json!({"state": "DELETE_REQUESTED"}))
        .expect("a valid project");
    assert_snapshot!(says(&environment, "project", 30));
    environment.make_healthy();
    assert_eq!(says(&environment, "project", 0), healthy);
    let file = environment.world.home.read("environments.yaml");
    environment.world.home.write("environments.yaml", &file.replace(PROJECT, "quill-medical-nowhere"));
    assert_snapshot!(says(&environment, "project", 30));
}

#[test]
fn a_project_is_not_said_to_be_missing_where_it_could_not_be_asked() {
    let environment = environment!();
    environment.world.emulator.deny_permissions(["resourcemanager.projects.get"]);
    let down = FaultAction::status(503, "it is down");
    let fault = |path: &str, action: &FaultAction| Fault::new(path, action.clone());
    let project = format!("/v3/projects/{PROJECT}:testIamPermissions");
    environment.world.emulator.set_faults([fault(&project, &down)]);
    let unknown = says(&environment, "project", 31);
    assert!(unknown.contains("it is down") && !unknown.contains("no rights in it"), "{unknown}");
    // The bucket of Terraform's state is another service's, and may be another project's.
    environment.world.emulator.set_faults([fault("/storage/*", &down)]);
    let seen = says(&environment, "project", 31);
    assert!(!seen.contains("it is down"), "{seen}");
    let refused = FaultAction::status(403, "refused");
    environment.world.emulator.set_faults([fault("/v3/*", &refused), fault("/v2/*", &refused)]);
    let none = says(&environment, "project", 30);
    assert!(none.contains("this account has no rights in it at all"), "{none}");
}

#[test]
fn services_that_are_not_enabled_are_named() {
    let environment = environment!();
    let healthy = says(&environment, "apis", 0);
    for service in ["sqladmin.googleapis.com", "secretmanager.googleapis.com"] {
        environment.world.emulator.set_service_enabled(PROJECT, service, false);
    }
    assert_snapshot!(says(&environment, "apis", 30));
    // Checks that need such a service cannot decide, and say why, and what to type.
    let database = says(&environment, "database", 31);
    assert!(database.contains("could not be decided"), "{database}");
    assert!(database.contains("gcloud services enable sqladmin.googleapis.com --project="), "{database}");
    assert!(!database.contains("--only apis"), "{database}");
    for service in ["sqladmin.googleapis.com", "secretmanager.googleapis.com"] {
        environment.world.emulator.set_service_enabled(PROJECT, service, true);
    }
    assert_eq!(says(&environment, "apis", 0), healthy);
    // Tasks run without these.
    for service in ["cloudresourcemanager.googleapis.com", "storage.googleapis.com"] {
        environment.world.emulator.set_service_enabled(PROJECT, service, false);
    }
    let warned = says(&environment, "apis", 0);
    let enable =
        "gcloud services enable cloudresourcemanager.googleapis.com storage.googleapis.com --project=";
    assert!(warned.contains("! apis") && warned.contains(enable), "{warned}");
}

#[test]
fn missing_permissions_are_named_with_the_smallest_role() {
    let environment = environment!();
    let healthy = says(&environment, "permissions", 0);
    environment
        .world
        .emulator
        .deny_permissions(["run.jobs.runWithOverrides", "artifactregistry.repositories.uploadArtifacts"]);
    assert_snapshot!(says(&environment, "permissions", 30));
    environment.world.emulator.deny_permissions(["artifactregistry.repositories.uploadArtifacts"]);
    let warning = says(&environment, "permissions", 0);
    assert!(warning.contains("! permissions"), "{warning}");
    environment.make_healthy();
    assert_eq!(says(&environment, "permissions", 0), healthy);
}

#[test]
fn a_permission_that_was_not_looked_for_is_not_missing() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    // It is given on the one service account, and on the job.
    emulator.deny_permissions(["iam.serviceAccounts.actAs"]);
    let acting = says(&environment, "permissions", 0);
    let on = "gcloud iam service-accounts add-iam-policy-binding quill-tasks-staging@";
    assert!(acting.contains("the service account was not asked") && acting.contains(on), "{acting}");
    assert!(!acting.contains("projects add-iam-policy-binding"), "{acting}");
    emulator.deny_permissions(["run.executions.get"]);
    let job = says(&environment, "permissions", 31);
    assert!(job.contains("whether this account can run tasks here"), "{job}");
    assert!(job.contains("the job was not asked"), "{job}");
    // A bucket that is not there is no missing permission.
    environment.make_healthy();
    let file = environment.world.home.read("environments.yaml");
    environment.world.home.write("environments.yaml", &file.replace(STATE_BUCKET, "quill-misspelt"));
    let bucket = says(&environment, "permissions", 31);
    assert!(!bucket.contains("storage.objects.get") && !bucket.contains("binding"), "{bucket}");
    assert!(bucket.contains("what this account may do on the bucket quill-misspelt"), "{bucket}");
    // Nor is one missing that is about something which the environment does not have.
    let without = file.replace("instance: \"quill-core-{env}\", ", "");
    assert_ne!(without, file);
    environment.world.home.write("environments.yaml", &without);
    emulator.deny_permissions(["cloudsql.instances.get"]);
    let fewer = says(&environment, "permissions", 0);
    assert!(fewer.contains("✔ permissions"), "{fewer}");
}

#[test]
fn whether_runs_are_recorded_is_told() {
    let environment = environment!();
    let healthy = says(&environment, "audit-logging", 0);
    let policy = |logs: Value| {
        let policy = json!({"auditConfigs": [{"service": "run.googleapis.com", "auditLogConfigs": logs}]});
        environment.world.emulator.put_iam_policy(PROJECT, policy).expect("a valid policy");
    };
    policy(json!([{"logType": "DATA_READ"}]));
    let off = says(&environment, "audit-logging", 0);
    policy(json!([{"logType": "DATA_WRITE", "exemptedMembers": ["user:steve@example.org"]}]));
    let exempt = says(&environment, "audit-logging", 0);
    assert_snapshot!(format!("{off}\n{exempt}"));
    environment.make_healthy();
    assert_eq!(says(&environment, "audit-logging", 0), healthy);
}

#[test]
fn an_admin_image_that_is_missing_or_wrong_is_to_be_built() {
    let environment = environment!();
    let healthy = says(&environment, "admin-image", 0);
    let mut said = Vec::new();
    let labels = |contract: &str, title: &str| {
        json!({"config": {"Labels": {
            "org.opencontainers.image.title": title, "org.quill-medical.admin.contract": contract,
        }}})
    };
    for (made, code) in [
        (json!({"architecture": "arm64"}), 30),
        (labels("0", "quill-admin-executor"), 30),
        (labels("9", "quill-admin-executor"), 30),
        (labels("", "nginx"), 30),
        (json!({"created": days_ago(200)}), 0),
    ] {
        environment.registry.push(REPOSITORY, "latest", &image(&made));
        said.push(says(&environment, "admin-image", code));
    }
    let digest = environment.registry.digest(REPOSITORY, "latest").expect("it is there");
    environment.registry.delete(REPOSITORY, &digest);
    said.push(says(&environment, "admin-image", 30));
    assert_snapshot!(said.join("\n"));
    environment.registry.push(REPOSITORY, "latest", &image(&json!({"created": environment.healthy.built})));
    assert_eq!(says(&environment, "admin-image", 0), healthy);

    // Without the repository neither it nor the job's image can be looked up.
    let file = environment.world.home.read("environments.yaml");
    environment.world.home.write("environments.yaml", &file.replace("/quill/tasks\"", "/other/admin\""));
    let none = environment.doctor(["--only", "admin-image,job-image"]).output().exits(30);
    assert_snapshot!(shown(&environment, &none.stdout));
}

#[test]
fn a_registry_that_does_not_answer_leaves_images_undecided() {
    let environment = environment!();
    environment.proxy.cut("/v2/");
    let json =
        environment.doctor(["--only", "admin-image,job,job-image", "--json"]).output().exits(31).json();
    let results = results(&json);
    assert_eq!(
        results.into_iter().collect::<Vec<_>>(),
        [("admin-image", "undecided"), ("job", "healthy"), ("job-image", "undecided")]
            .map(|(id, result)| (id.to_owned(), result.to_owned()))
    );
}

#[test]
fn a_job_that_is_missing_or_not_ready_is_a_problem() {
    let environment = environment!();
    let healthy = says(&environment, "job", 0);
    let mut job = environment.healthy.job();
    job["terminalCondition"] =
        json!({"type": "Ready", "state": "CONDITION_FAILED", "message": "Image 'x' not found."});
    environment.world.emulator.put_job(JOB, job.clone()).expect("a valid job");
    let failed = says(&environment, "job", 30);
    job["terminalCondition"] = json!({"type": "Ready", "state": "CONDITION_RECONCILING"});
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    let pending = says(&environment, "job", 0);
    assert_snapshot!(format!("{failed}\n{pending}"));
    environment.make_healthy();
    assert_eq!(says(&environment, "job", 0), healthy);

    // Resources that are named after the job are not looked up if there is no job.
    let file = environment.world.home.read("environments.yaml");
    let file = file.replace("job: quill-tasks-{env}", "job: quill-other-{env}");
    environment.world.home.write("environments.yaml", &file);
    let none = environment.doctor(["--only", "job,job-settings,job-secrets"]).output().exits(30);
    assert_snapshot!(shown(&environment, &none.stdout));
    let alone = environment.doctor(["--only", "job-settings"]).output().exits(31);
    assert!(alone.stdout.contains("there is no job quill-other-staging"), "{alone}");
}

#[test]
fn an_image_that_build_has_not_deployed_is_a_problem() {
    let environment = environment!();
    let healthy = says(&environment, "job-image", 0);
    let container = "/template/template/containers/0/image";
    let mut said = Vec::new();
    environment.put_job(container, json!(format!("{}:latest", environment.image())));
    said.push(says(&environment, "job-image", 30));
    let gone = format!("sha256:{:064}", 0);
    let mut job = environment.healthy.job();
    job["annotations"]["admin.quill-medical.org/image-digest"] = json!(gone);
    job["template"]["template"]["containers"][0]["image"] = json!(format!("{}@{gone}", environment.image()));
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    said.push(says(&environment, "job-image", 30));
    environment.put_job("/annotations", json!({}));
    said.push(says(&environment, "job-image", 30));
    for contract in ["0", "9"] {
        let mut job = environment.healthy.job();
        job["annotations"]["admin.quill-medical.org/contract"] = json!(contract);
        environment.world.emulator.put_job(JOB, job).expect("a valid job");
        said.push(says(&environment, "job-image", 30));
    }
    assert_snapshot!(said.join("\n"));
    environment.make_healthy();
    assert_eq!(says(&environment, "job-image", 0), healthy);
    // With a tag before its digest it is the same image.
    let tagged = format!("{}:latest@{}", environment.image(), environment.healthy.digest);
    environment.put_job(container, json!(tagged));
    assert_eq!(says(&environment, "job-image", 0), healthy);
}

#[test]
fn settings_that_have_drifted_are_shown_as_a_difference_and_put_right() {
    let environment = environment!();
    let healthy = says(&environment, "job-settings", 0);
    let mut job = environment.healthy.job();
    let task = &mut job["template"]["template"];
    task["maxRetries"] = json!(3);
    task["timeout"] = json!("600s");
    task["serviceAccount"] = json!("other@example.iam.gserviceaccount.com");
    task["vpcAccess"] = json!({"connector": "other", "egress": "ALL_TRAFFIC"});
    let env = task["containers"][0]["env"].as_array_mut().expect("a list");
    env.retain(|variable| variable["name"] != "AUTH_DB_SSLMODE");
    env.last_mut()
        .expect("the password")
        .clone_from(&json!({"name": "AUTH_DB_PASSWORD", "value": "planted-in-clear"}));
    env.push(json!({"name": "OTHER", "value": "stays"}));
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    let sick = says(&environment, "job-settings", 30);
    assert!(!sick.contains("planted-in-clear"), "{sick}");
    assert_snapshot!(sick);

    let only = ["--only", "job,job-settings,job-secrets", "--fix"];
    let plan = environment.doctor(only.into_iter().chain(["--dry-run"])).output().exits(30);
    assert_snapshot!(shown(&environment, &plan.stdout));
    assert_eq!(changes(&environment), 0, "a dry run changes nothing");

    let done = environment.doctor(only.into_iter().chain(["--yes"])).output().exits(0);
    assert_snapshot!(shown(&environment, &done.stdout));
    assert_eq!(says(&environment, "job-settings", 0), healthy);
    let now = find_job(&environment);
    let container = &now["template"]["template"]["containers"][0];
    assert_eq!(
        container["image"],
        format!("{}@{}", environment.image(), environment.healthy.digest),
        "the image stays"
    );
    assert!(
        container["env"].as_array().expect("a list").contains(&json!({"name": "OTHER", "value": "stays"}))
    );
    assert_eq!(
        now["template"]["template"]["maxRetries"],
        environment.healthy.job()["template"]["template"]["maxRetries"]
    );
    assert_eq!(now["annotations"], environment.healthy.job()["annotations"], "and so do the notes about it");
}

/// Terraform makes a job with a sample image, and somebody may replace the image that `build` has deployed.
#[test]
fn a_job_that_was_never_deployed_is_not_said_to_have_been_changed() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let mut job = environment.healthy.job();
    job["template"]["template"]["timeout"] = json!("600s");
    job["template"]["template"]["containers"][0]["image"] =
        json!("us-docker.pkg.dev/cloudrun/container/job:latest");
    emulator.put_job(JOB, job.clone()).expect("a valid job");
    let replaced = says(&environment, "job-settings", 30);
    assert!(
        replaced.contains("the job, or the environments file, was changed since \"build\" deployed to it"),
        "{replaced}"
    );
    job.as_object_mut().expect("a job").remove("annotations");
    emulator.put_job(JOB, job).expect("a valid job");
    let made = says(&environment, "job-settings", 30);
    assert!(made.contains("\"build\" has not deployed to this job"), "{made}");
}

#[test]
fn a_secret_without_a_version_that_can_be_read_is_a_problem() {
    let environment = environment!();
    let healthy = says(&environment, "job-secrets", 0);
    let emulator = &environment.world.emulator;
    let mut said = Vec::new();
    for state in [SecretVersionState::Disabled, SecretVersionState::Destroyed] {
        emulator.set_secret_version_state(PROJECT, SECRET, 1, state).expect("it is there");
        said.push(says(&environment, "job-secrets", 30));
    }
    emulator.put_secret_without_version(PROJECT, SECRET);
    said.push(says(&environment, "job-secrets", 30));
    let env = "/template/template/containers/0/env/4/valueSource/secretKeyRef/secret";
    environment.put_job(env, json!("no-such-secret"));
    said.push(says(&environment, "job-secrets", 30));
    assert_snapshot!(said.join("\n"));
    environment.make_healthy();
    assert_eq!(says(&environment, "job-secrets", 0), healthy);
}

#[test]
fn what_is_wrong_is_told_beside_what_was_not_seen() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    emulator
        .set_secret_version_state(PROJECT, SECRET, 1, SecretVersionState::Destroyed)
        .expect("it is there");
    let mut job = find_job(&environment);
    let variables = &mut job["template"]["template"]["containers"][0]["env"];
    let variables = variables.as_array_mut().expect("variables");
    let reference = json!({"secretKeyRef": {"secret": "another", "version": "latest"}});
    variables.push(json!({"name": "ANOTHER", "valueSource": reference}));
    emulator.put_job(JOB, job).expect("a valid job");
    emulator.set_faults([Fault::new("*/secrets/another/*", FaultAction::status(403, "refused"))]);
    let text = says(&environment, "job-secrets", 30);
    assert!(text.contains("is destroyed"), "{text}");
    assert!(text.contains("could not be decided: the secret another: "), "{text}");
    let json = environment.doctor(["--only", "job-secrets", "--json"]).output().exits(30).json();
    let told = check(&json, "job-secrets");
    assert_eq!(told["result"], "problem");
    assert!(told["findings"][0]["what"].to_string().contains("is destroyed"), "{told:#}");
    assert!(told["cause"].to_string().contains("the secret another"), "{told:#}");
    assert!(told["advice"].to_string().contains("--role=roles/"), "{told:#}");
}

/// The settings start a program that only this program's image has.
#[test]
fn the_settings_of_a_job_with_another_tools_image_are_not_put_right() {
    let environment = environment!();
    let theirs = "europe-west2-docker.pkg.dev/quill-medical-staging/quill/backend:main";
    let mut job = environment.healthy.job();
    let container = &mut job["template"]["template"]["containers"][0];
    container["image"] = json!(theirs);
    container["command"] = json!(["python", "manage.py"]);
    container["args"] = json!(["migrate"]);
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    let before = find_job(&environment);
    let fixes = ["--only", "job-settings,database", "--fix", "--yes"];
    let told = environment.doctor(fixes).output().exits(30);
    let why = format!(
        "--fix leaves the job alone, because the job runs {theirs}, which is from another repository"
    );
    assert_eq!(told.stdout.matches(&why).count(), 2, "{told}");
    assert!(
        told.stdout.contains("look closer with: quill-admin doctor --env staging --only other-tools"),
        "{told}"
    );
    assert!(!told.stdout.contains("--fix can change the job's settings"), "{told}");
    assert_eq!(find_job(&environment), before);
    assert_eq!(changes(&environment), 0);
    // Where the labels cannot be seen, it may be anybody's image.
    let mut job = environment.healthy.job();
    job.as_object_mut().expect("a job").remove("annotations");
    job["template"]["template"]["maxRetries"] = json!(3);
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    environment.proxy.cut("/v2/");
    let unseen = environment.doctor(fixes).output().exits(30);
    assert!(unseen.stdout.contains("whose image it runs could not be seen: "), "{unseen}");
    assert_eq!(changes(&environment), 0);
}

#[test]
fn a_secret_of_another_project_is_not_the_environments_own() {
    let environment = environment!();
    let healthy = says(&environment, "job-settings", 0);
    let secret = "/template/template/containers/0/env/4/valueSource/secretKeyRef/secret";
    let of =
        |project: &str| environment.put_job(secret, json!(format!("projects/{project}/secrets/{SECRET}")));
    of("quill-medical-other");
    let other = says(&environment, "job-settings", 30);
    let told =
        format!("secret projects/quill-medical-other/secrets/{SECRET}, version latest → secret {SECRET}, ");
    assert!(other.contains(&told), "{other}");
    let gone = says(&environment, "job-secrets", 30);
    assert!(
        gone.contains(&format!("there is no secret projects/quill-medical-other/secrets/{SECRET}")),
        "{gone}"
    );
    assert!(gone.contains("--project=quill-medical-other"), "{gone}");
    environment.world.emulator.put_secret("quill-medical-other", SECRET, "theirs");
    let unread = says(&environment, "job-secrets", 31);
    assert!(unread.contains("neither the secret's policy nor its project's names it"), "{unread}");
    let _ = environment.doctor(["--only", "job-settings", "--fix", "--yes"]).output().exits(0);
    let password = &find_job(&environment)["template"]["template"]["containers"][0]["env"][4];
    assert_eq!(password["valueSource"]["secretKeyRef"]["secret"], SECRET);

    // The number may be that of the environment's own project.
    let project = Request::new("GET", &format!("/v3/projects/{PROJECT}"));
    let project = environment.world.ask(project).expect(200).json();
    let number = project["name"].as_str().expect("a name").rsplit('/').next().expect("a number").to_owned();
    of(&number);
    assert_eq!(says(&environment, "job-settings", 0), healthy);
    environment.world.emulator.deny_permissions(["resourcemanager.projects.get"]);
    let unknown = says(&environment, "job-settings", 31);
    assert!(
        unknown.contains("whether the project of this number is quill-medical-staging is not known"),
        "{unknown}"
    );
    assert!(unknown.contains("--role=roles/browser"), "{unknown}");
    environment.world.emulator.deny_permissions(Vec::<String>::new());
    of("123456789012");
    assert!(
        says(&environment, "job-settings", 30).contains("secret projects/"),
        "a number of another project"
    );
}

#[test]
fn a_secret_as_a_file_is_looked_at_too() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    emulator.put_secret(PROJECT, "ca", "planted");
    emulator.set_secret_readers(
        PROJECT,
        "ca",
        [format!("serviceAccount:{}", environment.healthy.account()).as_str()],
    );
    let mount = |version: &str| {
        let mut job = environment.healthy.job();
        let items = json!([{"path": "ca.pem", "version": version}]);
        job["template"]["template"]["volumes"] =
            json!([{"name": "ca", "secret": {"secret": "ca", "items": items}}]);
        emulator.put_job(JOB, job).expect("a valid job");
    };
    mount("1");
    assert!(says(&environment, "job-secrets", 0).contains("ca, version 1; "));
    emulator.set_secret_version_state(PROJECT, "ca", 1, SecretVersionState::Disabled).expect("it is there");
    assert!(says(&environment, "job-secrets", 30).contains("version 1 of the secret ca is disabled"));
    // A new version is of no use to a job that asks for the old one.
    emulator.set_secret_version_state(PROJECT, "ca", 1, SecretVersionState::Destroyed).expect("it is there");
    let destroyed = says(&environment, "job-secrets", 30);
    assert!(destroyed.contains("the job asks for version 1 whatever else is added"), "{destroyed}");
    assert!(!destroyed.contains("versions add"), "{destroyed}");
    mount("7");
    let missing = says(&environment, "job-secrets", 30);
    assert!(missing.contains("the secret ca has no version \"7\"\n"), "{missing}");
    assert!(missing.contains("the job asks for version 7 whatever else is added"), "{missing}");
    mount("latest");
    assert!(says(&environment, "job-secrets", 30).contains("gcloud secrets versions add ca "));
}

#[test]
fn an_account_that_is_not_seen_to_read_a_secret_is_not_healthy() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let healthy = says(&environment, "job-secrets", 0);
    let own = format!("serviceAccount:{}", environment.healthy.account());
    emulator.set_secret_readers(PROJECT, SECRET, ["user:somebody@example.org"]);
    let unseen = says(&environment, "job-secrets", 31);
    let account = environment.healthy.account();
    let told =
        format!("whether the job's account {account} may read the secret {SECRET} is not seen: neither ");
    assert!(unseen.contains(&told), "{unseen}");
    assert!(unseen.contains("gcloud secrets add-iam-policy-binding"), "{unseen}");
    // It may have the right from the project.
    let binding = json!({"role": "roles/secretmanager.secretAccessor", "members": [own]});
    environment.world.put(&format!("/emulator/policies/{PROJECT}"), &json!({"bindings": [binding]}));
    assert_eq!(says(&environment, "job-secrets", 0), healthy);
    environment.make_healthy();
    emulator
        .deny_permissions(["secretmanager.secrets.getIamPolicy", "resourcemanager.projects.getIamPolicy"]);
    let denied = says(&environment, "job-secrets", 31);
    assert!(denied.contains("secretmanager.secrets.getIamPolicy"), "{denied}");
}

#[test]
fn a_database_the_job_cannot_reach_is_a_problem() {
    let environment = environment!();
    let healthy = says(&environment, "database", 0);
    let put = |instance: Value| {
        environment.world.emulator.put_sql_instance(PROJECT, INSTANCE, instance).expect("a valid instance");
    };
    let with = |pointer: &str, value: Value| {
        let mut instance = instance();
        instance[pointer] = value;
        instance
    };
    let mut said = Vec::new();
    put(with("state", json!("FAILED")));
    said.push(says(&environment, "database", 30));
    put(with("settings", json!({"activationPolicy": "NEVER"})));
    said.push(says(&environment, "database", 30));
    put(with("ipAddresses", json!([{"type": "PRIMARY", "ipAddress": "34.0.0.1"}])));
    said.push(says(&environment, "database", 30));
    put(with("ipAddresses", json!([{"type": "PRIVATE", "ipAddress": "10.0.0.99"}])));
    said.push(says(&environment, "database", 30));
    put(with("settings", json!({"ipConfiguration": {"sslMode": "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}})));
    said.push(says(&environment, "database", 30));
    // Where no target is in the command, the variables decide.
    let without_target = |pointer: &str, value: Value| {
        let mut job = environment.healthy.job();
        let container = &mut job["template"]["template"]["containers"][0];
        container.as_object_mut().expect("a container").remove("command");
        *container.pointer_mut(pointer).expect("it is there") = value;
        environment.world.emulator.put_job(JOB, job).expect("a valid job");
    };
    // Without TLS the job does not send the password, whatever the instance accepts.
    put(with("settings", json!({"ipConfiguration": {"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}})));
    without_target("/env/3/value", json!("disable"));
    let plain = says(&environment, "database", 30);
    assert!(plain.contains("over TLS only"), "{plain}");
    put(instance());
    said.push(says(&environment, "database", 30));
    without_target("/env", json!([]));
    said.push(says(&environment, "database", 30));
    assert_snapshot!(said.join("\n"));
    environment.make_healthy();
    assert_eq!(says(&environment, "database", 0), healthy);

    // The newer name of the variable counts as well.
    environment
        .put_job("/template/template/containers/0/env/0", json!({"name": "CORE_DB_HOST", "value": ADDRESS}));
    assert_eq!(says(&environment, "database", 0), healthy);
    // An address in a secret is there, and cannot be compared.
    let hidden = json!({"name": "CORE_DB_HOST", "valueSource": {"secretKeyRef": {"secret": SECRET, "version": "latest"}}});
    without_target("/env/0", hidden);
    let unseen = says(&environment, "database", 0);
    assert!(unseen.contains("the job's CORE_DB_HOST is in the secret"), "{unseen}");
    environment.make_healthy();
    // Without the job there is nothing that could have been compared.
    environment.world.emulator.deny_permissions(["run.jobs.get"]);
    assert!(says(&environment, "database", 31).contains("could not be decided"));
    environment.world.emulator.deny_permissions(Vec::<String>::new());
    let file = environment.world.home.read("environments.yaml");
    environment.world.home.write("environments.yaml", &file.replace("quill-core-{env}", "quill-none-{env}"));
    let none = says(&environment, "database", 30);
    assert!(none.contains("has no Cloud SQL instance \"quill-none-staging\""), "{none}");
    environment.world.home.write("environments.yaml", &file.replace("instance: \"quill-core-{env}\", ", ""));
    let nothing = says(&environment, "database", 0);
    assert!(nothing.contains("nothing to look at"), "{nothing}");
}

#[test]
fn an_address_that_is_wrong_is_put_right_with_the_rest_at_once() {
    let environment = environment!();
    let mut job = environment.healthy.job();
    job["template"]["template"]["maxRetries"] = json!(3);
    job["template"]["template"]["containers"][0]["env"][0]["value"] = json!("10.9.9.9");
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    let done = environment
        .doctor(["--only", "job,job-settings,database", "--fix", "--yes", "--json"])
        .output()
        .exits(0)
        .json();
    // Both findings have one fix: it is done once, and both checks are run again.
    assert_eq!(done["fixes"].as_array().map(Vec::len), Some(1), "{done:#}");
    assert_eq!(done["fixes"][0]["outcome"], "done");
    assert!(results(&done).values().all(|result| result == "healthy"), "{done:#}");
    let host = find_job(&environment)["template"]["template"]["containers"][0]["env"][0]["value"].clone();
    assert_eq!(host, ADDRESS);
}

#[test]
fn somebody_elses_change_in_between_is_left_alone() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let conflict = FaultAction::Status {
        code: 409,
        status: Some("ABORTED".to_owned()),
        message: "Conflict for resource".to_owned(),
        retry_after: None,
    };
    environment.world.emulator.set_faults([Fault::new(format!("/v2/{JOB}"), conflict).method("PATCH")]);
    let output = environment.doctor(["--only", "job,job-settings", "--fix", "--yes"]).output().exits(30);
    assert!(output.stdout.contains("✘ put-job-right: somebody else changed the job"), "{output}");
}

#[test]
fn what_cannot_be_decided_is_never_healthy() {
    let environment = environment!();
    for (id, path, permission) in QUESTIONS {
        // The request is denied: the message names the role that would help.
        environment.world.emulator.deny_permissions([permission]);
        let json = environment.doctor(["--only", id, "--json"]).output().exits(31).json();
        assert_eq!(check(&json, id)["result"], "undecided", "{json:#}");
        let advice = check(&json, id)["advice"].to_string();
        assert!(
            advice.contains("add-iam-policy-binding") && advice.contains("--role=roles/"),
            "{id}: {advice}"
        );
        environment.make_healthy();
        // The request is refused for another reason.
        environment.world.emulator.set_faults([Fault::new(path, FaultAction::status(429, "quota"))]);
        let json = environment.doctor(["--only", id, "--json"]).output().exits(31).json();
        let advice = check(&json, id)["advice"].to_string();
        assert!(advice.contains("wait a minute"), "{id}: {json:#}");
        environment.make_healthy();
    }
}

#[test]
fn services_that_are_down_or_do_not_answer_leave_their_checks_undecided() {
    let environment = environment!();
    let ids = QUESTIONS.map(|(id, ..)| id).join(",");
    for action in [FaultAction::status(503, "down"), FaultAction::ResetBefore, FaultAction::Delay(60_000)] {
        let faults = QUESTIONS.map(|(_, path, _)| path).into_iter().filter(|path| !path.starts_with("/v3"));
        environment.world.emulator.set_faults(faults.map(|path| Fault::new(path, action.clone())));
        let json = environment.doctor(["--only", &ids, "--json"]).output().exits(31).json();
        for (id, result) in results(&json) {
            let expected = match id.as_str() {
                "project" => "healthy",
                // These checks need the job.
                "job-settings" | "job-secrets" => "skipped",
                _ => "undecided",
            };
            assert_eq!(result, expected, "{id}, {action:?}: {json:#}");
        }
        assert_eq!(check(&json, "job-settings")["needs"], "job");
    }
}

#[test]
fn without_a_terminal_fixes_have_to_be_agreed_to_beforehand() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let refused = environment.doctor(["--fix"]).output().exits(2);
    assert!(refused.stderr.contains("missing: --yes"), "{refused}");
    let nowhere = environment.world.quill_admin(["doctor", "--fix", "--yes"]).output().exits(2);
    assert!(nowhere.stderr.contains("missing: --env"), "{nowhere}");
    assert_eq!(calls(&environment), []);
    for flags in [&["--yes"][..], &["--dry-run"], &["--force"], &["--confirm", "staging"]] {
        let alone = environment.doctor(flags.iter().copied()).output().exits(2);
        assert!(alone.stderr.contains("--fix"), "{alone}");
    }
}

#[test]
fn a_protected_environment_asks_for_its_name() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let file = environment.world.home.read("environments.yaml");
    let protected = file.replace("staging: { project", "staging: { protected: true, project");
    environment.world.home.write("environments.yaml", &protected);
    let only = ["--only", "job,job-settings", "--fix"];
    let fix = |args: &[&'static str]| environment.doctor(only.into_iter().chain(args.iter().copied()));
    // Reading needs no confirmation.
    let _ = environment.doctor(["--only", "job"]).output().exits(0);
    let _ = fix(&["--dry-run"]).output().exits(30);
    let unnamed = fix(&["--yes"]).output().exits(28);
    assert!(unnamed.stderr.contains("--confirm staging"), "{unnamed}");
    let misnamed = fix(&["--yes", "--confirm", "prod"]).output().exits(28);
    assert!(misnamed.stderr.contains("does not name the environment"), "{misnamed}");
    assert_eq!(changes(&environment), 0);

    // A person is asked twice: whether to fix, and where.
    let mut terminal = fix(&[]).terminal();
    terminal.expect("max retries: 3 → 0");
    terminal.expect("Do it?").type_line("y");
    terminal.expect("Type \"staging\" to go on").type_line("prod").expect("\"prod\" is not \"staging\"");
    assert_eq!(changes(&environment), 0);
    terminal.type_line("staging");
    terminal.expect("nothing is wrong");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(
        find_job(&environment)["template"]["template"].get("maxRetries").and_then(Value::as_i64).unwrap_or(0),
        0
    );

    environment.put_job("/template/template/maxRetries", json!(3));
    let _ = fix(&["--yes", "--confirm", "staging"]).output().exits(0);
}

#[test]
fn a_person_can_say_no_and_ctrl_c_changes_nothing() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let fix = ["--only", "job,job-settings", "--fix"];
    let mut terminal = environment.doctor(fix).terminal();
    terminal.expect("Do it?").type_line("n");
    terminal.expect("put-job-right: not done");
    assert_eq!(terminal.wait().code(), 30);
    let mut terminal = environment.doctor(fix).terminal();
    terminal.expect("Do it?").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("interrupted; nothing was changed"), "{}", ended.text());
    assert_eq!(changes(&environment), 0);

    // Ctrl-C also works while the doctor reads.
    environment.world.emulator.set_faults([Fault::new(format!("/v2/{JOB}"), FaultAction::Delay(60_000))]);
    let mut terminal = environment.doctor(["--only", "job"]).terminal();
    terminal.expect("looking at job").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("interrupted; nothing was changed"), "{}", ended.text());
}

#[test]
fn results_come_in_order_as_soon_as_what_is_before_them_is_known() {
    let environment = environment!();
    environment.world.emulator.set_faults([Fault::new("*/instances/*", FaultAction::Hold)]);
    let mut terminal = environment.doctor(["--only", "project,job,job-secrets,database"]).terminal();
    terminal.expect("✔ project").expect("✔ job ").expect("✔ job-secrets").expect("looking at database");
    assert!(!terminal.text().contains("✔ database"), "{}", terminal.text());
    environment.world.emulator.set_faults([]);
    terminal.expect("✔ database");
    assert_eq!(terminal.wait().code(), 0);
}

#[test]
fn what_is_missing_is_built() {
    needs_docker!();
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    builds.world.emulator.put_secret(PROJECT, SECRET, "planted-database-password");
    let account = format!("serviceAccount:{}", Healthy::new("staging", "r.example").account());
    builds.world.emulator.set_secret_readers(PROJECT, SECRET, [account.as_str()]);
    let only =
        ["doctor", "-e", "staging", "--only", "admin-image,job,job-image,job-settings,job-secrets,database"];
    let doctor = |args: &[&'static str]| {
        let run = builds.quill_admin(only.into_iter().chain(args.iter().copied()));
        run.cwd(builds.world.home.work().join("sources"))
    };
    let plan = doctor(&["--fix", "--dry-run", "--json"]).output().exits(30).json();
    // The image and the job are missing: one fix does both.
    assert_eq!(plan["fixes"].as_array().map(Vec::len), Some(1), "{plan:#}");
    assert_eq!(plan["fixes"][0]["id"], "build");
    assert_eq!((builds.deployed(), builds.uploads().len()), (None, 0), "a dry run does nothing");

    let done = doctor(&["--fix", "--yes", "--json"]).output().exits(0).json();
    assert_eq!(done["fixes"][0]["outcome"], "done", "{done:#}");
    let digest = builds.registry.digest(REPOSITORY, "latest").expect("it was pushed");
    assert_eq!(builds.deployed(), Some(format!("{}@{digest}", builds.image())));
    assert!(results(&done).values().all(|result| result == "healthy"), "{done:#}");

    // One fix can put right what other checks have found, too: that is not offered once more.
    let mut job = builds.world.job().expect("a job");
    let task = &mut job["template"]["template"];
    task["maxRetries"] = json!(3);
    task["containers"][0]["image"] = json!(format!("{}:latest", builds.image()));
    builds.world.emulator.put_job(JOB, job).expect("a valid job");
    let again = doctor(&["--fix", "--yes", "--json"]).output().exits(0).json();
    assert_eq!(again["fixes"].as_array().map(Vec::len), Some(1), "{again:#}");
    assert!(results(&again).values().all(|result| result == "healthy"), "{again:#}");

    // If there is nothing to build from, the message says so, and nothing is changed.
    let elsewhere = builds.quill_admin(["doctor", "-e", "staging", "--only", "job", "--fix", "--yes"]);
    builds.world.home.write(
        "environments.yaml",
        &builds
            .world
            .home
            .read("environments.yaml")
            .replace("job: quill-tasks-{env}", "job: quill-other-{env}"),
    );
    let failed = elsewhere.output().exits(30);
    assert!(failed.stdout.contains("✘ build: "), "{failed}");
    assert!(failed.stdout.contains("run this inside a clone of quill-admin"), "{failed}");
}

/// A result line of the action `check`.
fn checked(missing: &[&str], writable: bool) -> Step {
    let found: Vec<&str> = ROLES.into_iter().filter(|role| !missing.contains(role)).collect();
    let database = json!({
        "server_version": "15.8", "database": "quill_core", "user": "quill", "tls": "TLSv1.3",
        "writable": writable, "columns": ["users.email_verified"],
        "expected": [{"code": "roles_missing", "count": ROLES.len(), "found": found, "missing": missing}],
    });
    let warning =
        json!({"code": "roles_missing", "message": format!("roles are missing: {}", missing.join(", "))});
    let warnings = if missing.is_empty() { json!([]) } else { json!([warning]) };
    let line = json!({
        "contract": 3, "action": "check", "exit_code": 0,
        "outcome": {"result": "checked", "database": database, "warnings": warnings},
    });
    Step::log(json!({"message": "checked", "quill_admin": line}).to_string())
}

fn failed(code: u8, message: &str) -> Script {
    let line = json!({
        "contract": 1, "exit_code": code,
        "outcome": {"result": "failed", "failure": {"message": message}},
    });
    let log = Step::log(json!({"message": message, "quill_admin": line}).to_string());
    Script::new([log, Step::Exit(code.into())])
}

fn never_starts() -> Script {
    let message = "Image 'x' not found.".to_owned();
    Script::new([Step::NeverStart { reason: "CONTAINER_MISSING".to_owned(), message }])
}

#[test]
fn a_deep_look_runs_the_task_check() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let runs = || calls(&environment).iter().filter(|call| call.path.ends_with(":run")).count();
    let _ = environment.doctor(["--skip", "machine-docker"]).output().exits(0);
    assert_eq!(runs(), 0, "nothing is started unless it is asked for");
    let mut said = Vec::new();
    for (script, code) in [
        (Script::new([checked(&[], true)]), 0),
        (Script::new([checked(&["System Administrator", "Clinician"], true)]), 30),
        (Script::new([checked(&[], false)]), 30),
        (failed(13, "the database at 10.0.0.3 cannot be reached"), 30),
        (Script::new([Step::Exit(1)]), 31),
    ] {
        emulator.set_script(JOB, script);
        said.push(says(&environment, "database-check", code));
    }
    assert_eq!(runs(), said.len());
    assert_snapshot!(said.join("\n"));
    emulator.set_script(JOB, Script::new([checked(&[], true)]));
    let deep = environment.doctor(["--deep", "--skip", "machine-docker", "--json"]).output().exits(0).json();
    assert_eq!(check(&deep, "database-check")["result"], "healthy");
    emulator.deny_permissions(["run.jobs.run"]);
    let denied = says(&environment, "database-check", 31);
    assert!(denied.contains("could not be decided"), "{denied}");
}

/// Tasks that checks have started, or may have started, are reported on Ctrl-C.
#[test]
fn ctrl_c_in_a_deep_look_names_the_task_that_may_run() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    emulator.set_script(JOB, Script::new([Step::Forever]));
    emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
    for told in [
        "nothing was changed; the task \"check\" may have been started, which changes nothing",
        "of the task \"check\" goes on, which changes nothing",
    ] {
        let before = environment.world.runs();
        let mut terminal = environment.doctor(["--only", "database-check"]).terminal();
        wait_until("it is sent", || environment.world.runs() > before);
        if told.starts_with("of the task") {
            wait_until("it is followed", || {
                calls(&environment)
                    .iter()
                    .any(|call| call.method == "GET" && call.path.contains("/executions/"))
            });
        }
        terminal.ctrl_c();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(ended.text().contains(told), "{}", ended.text());
    }
}

/// A fix is a change, like those of other commands.
#[test]
fn a_second_ctrl_c_leaves_a_fix_that_is_on_its_way() {
    let environment = environment!();
    environment.put_job("/template/template/maxRetries", json!(3));
    let slow = Fault::new(format!("/v2/{JOB}"), FaultAction::Hold).method("PATCH");
    environment.world.emulator.set_faults([slow]);
    let mut terminal = environment.doctor(["--only", "job,job-settings", "--fix"]).terminal();
    terminal.expect("Do it?").type_line("y");
    wait_until("the change is sent", || changes(&environment) == 1);
    terminal.ctrl_c();
    terminal.expect("Ctrl-C again leaves at once").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 27, "{}", ended.text());
    assert!(ended.text().contains("whether it was made is not known"), "{}", ended.text());
}

#[test]
fn an_execution_that_failed_is_explained() {
    let environment = environment!();
    environment.world.emulator.set_script(JOB, failed(13, "the database at 10.0.0.99 cannot be reached"));
    let args = ["add-role", "-e", "staging", "-u", "steve", "--role", "Clinician", "--reason", "ticket 7"];
    let task = environment.world.quill_admin(args).output().exits(13);
    assert!(
        task.stderr.contains("next: look closer with: quill-admin doctor --env staging --only database"),
        "{task}"
    );
    let changed = json!([{"type": "PRIVATE", "ipAddress": "10.0.0.4"}]);
    let mut moved = instance();
    moved["ipAddresses"] = changed;
    environment.world.emulator.put_sql_instance(PROJECT, INSTANCE, moved).expect("a valid instance");
    let id = last_execution(&environment);
    // The environment is the one whose job has this name.
    let explained = environment.world.quill_admin(["doctor", "--after", &id]).output().exits(30);
    assert_snapshot!(shown(&environment, &explained.stdout));
    let json = environment.world.quill_admin(["doctor", "--after", &id, "--json"]).output().exits(30).json();
    let after = &json["after"];
    assert_eq!((&after["exit_code"], &after["ending"]), (&json!(13), &json!("reported")), "{after:#}");
    assert_eq!((&after["user"], &after["reason"]), (&json!("steve"), &json!("ticket 7")), "{after:#}");
    assert_eq!(results(&json).into_keys().collect::<Vec<_>>(), ["database", "job-settings"]);

    let unknown = environment.world.quill_admin(["doctor", "--after", "quill-tasks-staging-zzzzz"]).output();
    unknown.expect_code(22);
}

#[test]
fn an_execution_that_never_started_is_explained() {
    let environment = environment!();
    environment.world.emulator.set_script(JOB, never_starts());
    let task = environment.world.quill_admin(["check", "-e", "staging"]).output().exits(24);
    assert!(task.stderr.contains("quill-admin doctor --env staging --only job-image"), "{task}");
    let id = last_execution(&environment);
    let json = environment.world.quill_admin(["doctor", "--after", &id, "--json"]).output().exits(0).json();
    assert_eq!(json["after"]["ending"], "never_started");
    assert_eq!(results(&json).into_keys().collect::<Vec<_>>(), ["job-image", "job-secrets", "job-settings"]);
}

#[test]
fn an_execution_that_goes_on_has_nothing_to_explain() {
    let environment = environment!();
    environment.world.emulator.set_script(JOB, Script::new([Step::wait(std::time::Duration::from_mins(1))]));
    let mut terminal = environment.world.quill_admin(["check", "-e", "staging"]).terminal();
    terminal.expect("execution quill-tasks-staging-");
    let id = last_execution(&environment);
    let output = environment.world.quill_admin(["doctor", "--after", &id]).output().exits(2);
    assert!(output.stderr.contains("is not over yet"), "{output}");
    assert!(output.stderr.contains(&format!("quill-admin attach {id} --env staging")), "{output}");
}

fn last_execution(environment: &DoctorFixture) -> String {
    let output =
        environment.world.quill_admin(["history", "-e", "staging", "--limit", "1", "--json"]).output();
    output.json()["runs"][0]["execution"].as_str().expect("one was run").to_owned()
}

#[test]
fn a_failed_command_points_to_the_check_that_looks_closer() {
    let environment = environment!();
    let emulator = &environment.world.emulator;
    let last = |output: &Output| output.stderr.lines().last().unwrap_or_default().to_owned();
    let run = |args: &[&str], code: i32| {
        last(&environment.world.quill_admin(args.iter().copied()).output().exits(code))
    };
    let pointed =
        |check: &str| format!(" next: look closer with: quill-admin doctor --env staging --only {check}");

    environment.put_job("/template/template/maxRetries", json!(3));
    let writes = ["add-role", "-e", "staging", "-u", "a", "--role", "b"];
    assert_eq!(run(&writes, 22), pointed("job-settings"));
    environment.put_job("/annotations", json!({}));
    assert_eq!(run(&["check", "-e", "staging"], 22), pointed("job-image"));
    environment.make_healthy();
    emulator.deny_permissions(["run.jobs.run"]);
    assert_eq!(run(&["check", "-e", "staging"], 21), pointed("permissions"));
    environment.make_healthy();
    emulator.set_script(JOB, failed(15, "no table users"));
    assert_eq!(run(&["check", "-e", "staging"], 15), pointed("database-check"));
    emulator.set_script(JOB, failed(10, "no user"));
    let told = run(&["show-user", "-e", "staging", "-u", "a"], 10);
    assert!(!told.contains("doctor"), "{told}");
    // The environment on this machine has nothing to look at.
    let json = environment
        .world
        .quill_admin(["show-user", "-e", "local", "-u", "a", "--json"])
        .output()
        .exits(10)
        .json();
    assert!(!json["hints"].to_string().contains("doctor"), "{json:#}");
}

#[test]
fn a_real_database_is_looked_at_from_where_tasks_run() {
    let world = World::with_database(Database::create(Generation::August2026));
    let deep = world.quill_admin(["doctor", "-e", "staging", "--only", "database-check"]).output();
    assert!(deep.stdout.contains("database-check"), "{deep}");
    deep.expect_code(0);
    world.database().execute("DELETE FROM roles WHERE name = 'System Administrator'");
    let missing =
        world.quill_admin(["doctor", "-e", "staging", "--only", "database-check"]).output().exits(30);
    assert!(missing.stdout.contains("missing: System Administrator"), "{missing}");
    assert!(missing.stdout.contains("put them there with \"quill-admin seed-roles\""), "{missing}");
}

#[test]
fn only_what_is_wrong_is_shown_where_that_is_wanted() {
    let environment = environment!();
    let quiet = environment.doctor(["--only", "project,job,database", "--quiet"]).output().exits(0);
    assert_eq!(quiet.stdout.lines().filter(|line| !line.is_empty()).count(), 1, "{quiet}");
}

#[test]
fn the_page_about_a_check_is_there_without_a_clone() {
    let home = Home::new();
    let page = home.quill_admin(["doctor", "--explain", "state-lock"]).output().exits(0);
    assert!(page.stdout.starts_with("state-lock\n\nthe lock on Terraform's state\n"), "{page}");
    assert!(page.stdout.contains("\n  terraform force-unlock GENERATION"), "a command is indented: {page}");
    assert!(!page.stdout.contains("```") && !page.stdout.contains("## leaks"), "{page}");
    // Its commands are those for an environment that is named.
    let job = home.quill_admin(["doctor", "--explain", "job"]).output().exits(0).stdout;
    assert!(job.contains("quill-admin build --env {env}") && job.contains("{env} stands for"), "{job}");
    let of = Home::with_environments();
    let named = of.quill_admin(["doctor", "--explain", "job", "--env", "staging"]).output().exits(0).stdout;
    assert!(named.contains("quill-admin build --env staging") && !named.contains('{'), "{named}");
    // In a settings file they are the file's own.
    let other = ["doctor", "--explain", "other-tools", "--env", "staging"];
    let page = of.quill_admin(other).output().exits(0).stdout;
    assert!(page.contains("job: quill-tasks-{env}") && page.contains("build --env staging"), "{page}");
    let json = of.quill_admin(other.into_iter().chain(["--json"])).output().exits(0).json();
    assert!(json["page"].as_str().is_some_and(|page| page.contains("build --env staging")), "{json}");
    let json = home.quill_admin(["doctor", "--explain", "state-lock", "--json"]).output().exits(0).json();
    assert_eq!((&json["check"], &json["exit_code"]), (&json!("state-lock"), &json!(0)));
    let unknown = home.quill_admin(["doctor", "--explain", "state-look"]).output().exits(2);
    assert!(unknown.stderr.contains("did you mean \"state-lock\"?"), "{unknown}");
}
