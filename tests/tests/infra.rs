//! Terraform, `environments.yaml` and the program agree on the job.

use std::collections::BTreeMap;

use cloud_emulator::Script;
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::terraform::{Instance, Made};
use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::healthy::{CA, NEXT_CA};
use quill_admin_testkit::home::{Home, environments};
use quill_admin_testkit::needs_registry;
use regex::Regex;
use serde_json::{Value, json};

use crate::sign_in;

/// The instance that Terraform and `build` both look up: it has an authority of its own, which will be
/// replaced soon.
fn database() -> Instance {
    Instance {
        host: "10.20.0.3",
        ca_mode: "GOOGLE_MANAGED_INTERNAL_CA",
        dns_name: None,
        ca: CA,
        listed: vec![CA, NEXT_CA],
    }
}

/// Points the repository's own environments to the fixture's cloud and registry; returns those that are in
/// Google Cloud: name, project and job.
fn open_the_environments(builds: &BuildFixture) -> Vec<[String; 3]> {
    let home = &builds.world.home;
    let endpoint = format!("$1\n    endpoint: \"{}\"", builds.world.emulator.url());
    let file = Regex::new("(?m)^(    project: .*)$")
        .expect("valid")
        .replace_all(&environments(), endpoint)
        .into_owned();
    home.write("environments.yaml", &file.replace("{region}-docker.pkg.dev", &builds.proxy.address()));
    let listed = builds.quill_admin(["envs", "--json"]).output().exits(0).json();
    let all = listed["environments"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let deployed: Vec<_> = all
        .filter(|one| one["emulated"] == false)
        .map(|one| ["name", "project", "job"].map(|key| text(&one[key])))
        .collect();
    assert_eq!(deployed.len(), 3);
    deployed
}

/// The changes that `build` would make to the job of an environment, by setting, without the image and its
/// annotations, which are not known before it is built.
fn changes(builds: &BuildFixture, environment: &str) -> BTreeMap<String, String> {
    let args = ["build", "--env", environment, "--source", "sources", "--dry-run", "--json"];
    let plan = builds.quill_admin(args).output().exits(0).json();
    let changes = plan["job"]["changes"].as_array().expect("changes").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let all = changes.map(|change| (text(&change["setting"]), text(&change["to"])));
    let left_out = |setting: &str| setting == "image" || setting.starts_with("annotation ");
    all.filter(|(setting, _)| !left_out(setting)).collect()
}

/// The changes without the command, which the parts of its target describe.
fn but_for_the_command(changes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    changes.clone().into_iter().filter(|(setting, _)| setting != "command").collect()
}

/// Puts a repository for the image and Terraform's database into a project.
fn put_what_build_looks_up(builds: &BuildFixture, project: &str, made: &Made, database: &Instance) {
    let emulator = &builds.world.emulator;
    let repository = format!("projects/{project}/locations/europe-west2/repositories/quill");
    emulator.put_repository(&repository, json!({})).expect("a valid repository");
    let (instance, list) = database.api();
    emulator.put_sql_instance(project, &made.instance, instance).expect("a valid instance");
    emulator.put_server_cas(project, &made.instance, list).expect("a valid list");
}

/// A job's settings, in the words of `build`.
fn told(job: &Value) -> BTreeMap<String, String> {
    let task = &job["template"]["template"];
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let connector = text(&task["vpcAccess"]["connector"]);
    let mut told = BTreeMap::from(
        [
            ("tasks", job["template"]["taskCount"].to_string()),
            ("max retries", task["maxRetries"].to_string()),
            ("time-out", text(&task["timeout"]).replace('s', " s")),
            ("service account", text(&task["serviceAccount"])),
            ("VPC connector", connector.rsplit('/').next().expect("a name").to_owned()),
            ("VPC egress", text(&task["vpcAccess"]["egress"]).to_lowercase().replace('_', "-")),
        ]
        .map(|(setting, value)| (setting.to_owned(), value)),
    );
    for variable in task["containers"][0]["env"].as_array().expect("variables") {
        let secret = &variable["valueSource"]["secretKeyRef"];
        let value = match secret["secret"].as_str() {
            Some(name) => format!("secret {name}, version {}", text(&secret["version"])),
            None => text(&variable["value"]),
        };
        told.insert(text(&variable["name"]), value);
    }
    told
}

#[test]
fn terraform_makes_the_job_that_build_would_make_and_leaves_alone() {
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    let emulator = &builds.world.emulator;
    for [environment, project, job] in open_the_environments(&builds) {
        let made = Made::of(&builds.world.home.work(), &environment, &database());
        assert_eq!(made.name(), format!("projects/{project}/locations/europe-west2/jobs/{job}"));
        put_what_build_looks_up(&builds, &project, &made, &database());

        // Without a job build would make one, with exactly the settings of Terraform's.
        let wanted = changes(&builds, &environment);
        assert_eq!(but_for_the_command(&wanted), told(&made.job()), "{environment}");
        let database =
            "target 10.20.0.3:5432/quill_core, schema public, as quill (TLS: verify-ca), trusts 2 CAs";
        assert_eq!(wanted["command"], database, "{environment}");
        // In Terraform's job build changes nothing but the image, which Terraform then ignores.
        emulator.put_job(&made.name(), made.job()).expect("a valid job");
        assert_eq!(changes(&builds, &environment), BTreeMap::new(), "{environment}");
        assert!(made.ignored().contains("template[0].template[0].containers[0].image"), "{}", made.ignored());
        assert!(!made.ignored().contains("command"), "{}", made.ignored());
        // The doctor has no findings, and notices later changes.
        let doctor = ["doctor", "--env", &environment, "--only", "job-settings,database"];
        let well = builds.world.quill_admin(doctor).output();
        assert!(well.stdout.contains("as the environments file has them"), "{well}");
        let mut job = made.job();
        job["template"]["template"]["timeout"] = json!("600s");
        emulator.put_job(&made.name(), job).expect("a valid job");
        let changed = builds.world.quill_admin(doctor).output().exits(30);
        assert!(changed.stdout.contains("time-out: 600 s → 300 s"), "{changed}");
    }
}

#[test]
fn an_environments_own_settings_reach_terraform_and_build() {
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    open_the_environments(&builds);
    let home = &builds.world.home;
    let own = "teaching:\n    network: { egress: all-traffic }\n    database: { user: \"quill-{env}\" }\n    records: { \
               key_secret: \"record-key-{env}\" }";
    home.write("environments.yaml", &home.read("environments.yaml").replace("teaching:", own));
    let made = Made::of(&home.work(), "teaching", &database());
    put_what_build_looks_up(&builds, "quill-medical-teaching", &made, &database());

    let wanted = changes(&builds, "teaching");
    assert_eq!(but_for_the_command(&wanted), told(&made.job()));
    assert_eq!((&wanted["VPC egress"][..], &wanted["AUTH_DB_USER"][..]), ("all-traffic", "quill-teaching"));
    assert!(wanted["ADMIN_RECORD_KEY"].contains("record-key-teaching"), "{wanted:?}");
    // The rest of the sections has the default settings.
    assert_eq!(wanted["VPC connector"], "quill-vpc-cx-teaching");
}

#[test]
fn whatever_kind_of_authority_the_database_has_terraform_and_build_write_the_same_bytes() {
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    open_the_environments(&builds);
    let shared =
        Instance { ca_mode: "GOOGLE_MANAGED_CAS_CA", dns_name: Some("db.example.goog."), ..database() };
    for (database, summary) in [
        (database(), "(TLS: verify-ca), trusts 2 CAs"),
        (Instance { listed: Vec::new(), ..database() }, "(TLS: require)"),
        (shared.clone(), "(TLS: verify-full), trusts 1 CA"),
        (
            Instance { ca_mode: "CUSTOMER_MANAGED_CAS_CA", ..shared.clone() },
            "(TLS: verify-full), trusts 1 CA",
        ),
        (Instance { dns_name: None, ..shared }, "(TLS: require)"),
    ] {
        let project = "quill-medical-staging";
        let made = Made::of(&builds.world.home.work(), "staging", &database);
        put_what_build_looks_up(&builds, project, &made, &database);
        let mut job = made.job();
        builds.world.emulator.put_job(&made.name(), job.clone()).expect("a valid job");
        assert_eq!(changes(&builds, "staging"), BTreeMap::new(), "{database:?}");
        job["template"]["template"]["containers"][0]["command"] = json!([]);
        builds.world.emulator.put_job(&made.name(), job).expect("a valid job");
        let command = &changes(&builds, "staging")["command"];
        assert!(command.ends_with(summary), "{command}");
    }
}

#[test]
fn the_jobs_account_may_read_the_password_and_nothing_else() {
    let home = Home::with_environments();
    for environment in ["staging", "teaching", "prod"] {
        let made = Made::of(&home.work(), environment, &database());
        let secret = [
            "google_secret_manager_secret_iam_member",
            "core-db-password",
            "roles/secretmanager.secretAccessor",
        ];
        assert_eq!(made.given_to_the_account(), [secret.map(str::to_owned)]);
        assert!(!made.job().to_string().to_lowercase().contains("jwt"));
    }
}

#[test]
fn who_may_run_tasks_has_the_permissions_that_whoami_asks_for() {
    let world = World::signed_in(Script::default());
    sign_in::sign_in(&world);
    let asked =
        sign_in::quill_admin(&world, ["whoami", "--env", "staging", "--json"]).output().exits(0).json();
    let all = asked["permissions"].as_array().expect("a list").iter();
    let mut wanted: Vec<&str> = all
        .filter(|one| one["for"] == "tasks")
        .map(|one| one["permission"].as_str().expect("a name"))
        .collect();
    wanted.sort_unstable();
    let home = Home::with_environments();
    assert_eq!(Made::of(&home.work(), "staging", &database()).permissions(), wanted);
}
