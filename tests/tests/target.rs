//! The database in the job's command, seen from the laptop, and by whoever may run the job.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::doctor_fixture::{DoctorFixture, INSTANCE, instance};
use quill_admin_e2e::{Finished as _, JOB, PROJECT, World};
use quill_admin_testkit::healthy::{CA, NEXT_CA, Target};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_postgres, needs_registry};
use serde_json::{Value, json};

fn command(job: &Value) -> &Value {
    &job["template"]["template"]["containers"][0]["command"]
}

/// The job in the form from before there were targets.
fn without_target(world: &World) -> Value {
    let mut job = world.job().expect("a job");
    job["template"]["template"]["containers"][0]["command"] = json!([]);
    job
}

const SHOW: [&str; 5] = ["show-user", "--env", "staging", "--username", "jo"];

#[test]
fn a_job_without_a_target_is_warned_of_and_refused_where_one_is_required() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let fine = world.quill_admin(SHOW).output().exits(10);
    assert!(!fine.stderr.contains("the job's command"), "{fine}");

    let warning = "the job's command does not say which database it is for: whoever may run the job can name another \
                   one; put it right with terraform apply, or with: quill-admin build --env staging";
    world.emulator.put_job(JOB, without_target(&world)).expect("a valid job");
    let warned = world.quill_admin(SHOW).output().exits(10);
    assert!(warned.stderr.contains(warning), "{warned}");

    let environments = world.home.read("environments.yaml");
    let required =
        environments.replace("  region: europe-west2\n", "  region: europe-west2\n  target: required\n");
    world.home.write("environments.yaml", &required);
    let runs = world.runs();
    let refused = world.quill_admin(SHOW).output().exits(22);
    assert!(refused.stderr.contains("(target: required); nothing was started"), "{refused}");
    assert!(refused.stderr.contains("quill-admin build --env staging"), "{refused}");
    // A run could override the target if it were in the arguments.
    let mut job = without_target(&world);
    job["template"]["template"]["containers"][0]["args"] =
        json!(["--target", Target::of(world.database()).json()]);
    world.emulator.put_job(JOB, job).expect("a valid job");
    let refused = world.quill_admin(SHOW).output().exits(22);
    assert!(refused.stderr.contains("stands in its arguments and not in its command"), "{refused}");
    assert_eq!(world.runs(), runs, "nothing was started");
    // One environment may be behind the others.
    world.home.write(
        "environments.yaml",
        &required.replace("staging: { project", "staging: { target: optional, project"),
    );
    let _ = world.quill_admin(SHOW).output().exits(10);
    world.home.write("environments.yaml", &required.replace("target: required", "target: requird"));
    let wrong = world.quill_admin(SHOW).output().exits(2);
    assert!(wrong.stderr.contains("\"requird\" is neither required nor optional"), "{wrong}");
}

#[test]
fn no_override_of_a_run_leads_to_another_server() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let knocks = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&knocks);
    thread::spawn(move || {
        for _client in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let theirs = Target { port, ..Target::of(world.database()) }.json();
    let all: Vec<Value> = ["AUTH_DB_", "CORE_DB_", "PG"]
        .iter()
        .flat_map(|prefix| {
            [("HOST", "127.0.0.1"), ("PORT", &port.to_string()), ("SSLMODE", "disable"), ("USER", "postgres")]
                .map(|(name, value)| json!({"name": format!("{prefix}{name}"), "value": value}))
        })
        .chain([json!({"name": "ADMIN_ACTION", "value": "check"})])
        .collect();
    for (change, code) in [
        (json!({"env": all}), 0),
        (json!({"env": all, "clearArgs": true}), 0),
        (json!({"env": all, "args": ["--target", theirs]}), 2),
        (json!({"env": all, "args": ["x"]}), 2),
    ] {
        let body = json!({"overrides": {"containerOverrides": [change]}});
        let run = Request::new("POST", &format!("/v2/{JOB}:run")).json(&body);
        let operation = world.ask(run).expect(200).json();
        world.idle();
        let name = operation["metadata"]["name"].as_str().expect("an execution");
        let tasks = world.ask(Request::new("GET", &format!("/v2/{name}/tasks"))).expect(200).json();
        let exit = &tasks["tasks"][0]["lastAttemptResult"]["exitCode"];
        assert_eq!(exit.as_i64().unwrap_or(0), code, "{change}: {tasks}");
    }
    assert_eq!(knocks.load(Ordering::SeqCst), 0);
    // Without a target the same variables lead there.
    world.emulator.put_job(JOB, without_target(&world)).expect("a valid job");
    let body = json!({"overrides": {"containerOverrides": [{"env": all}]}});
    let _ = world.ask(Request::new("POST", &format!("/v2/{JOB}:run")).json(&body)).expect(200);
    world.idle();
    assert!(knocks.load(Ordering::SeqCst) > 0);
}

#[test]
fn an_image_from_before_there_were_targets_works_in_a_job_with_one() {
    needs_postgres!();
    // This image ignores its arguments.
    let database = Database::create(Generation::August2026);
    let world = World::with_database_and_script(database, "exec \"$1\"");
    assert!(command(&world.job().expect("a job"))[2].is_string());
    let _ = world.quill_admin(SHOW).output().exits(10);
}

#[test]
fn the_doctor_sees_the_day_on_which_the_authority_changes_coming_and_puts_the_job_right() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let emulator = &environment.world.emulator;
    let certs =
        json!([{"cert": CA, "sha1Fingerprint": "current"}, {"cert": NEXT_CA, "sha1Fingerprint": "next"}]);
    let list = |active: &str| {
        let list = json!({"certs": certs, "activeVersion": active});
        emulator.put_server_cas(PROJECT, INSTANCE, list).expect("a valid list");
    };
    let only = ["--only", "database"];
    let healthy = environment.doctor(only).output().exits(0);
    list("current");
    let before = environment.doctor(only).output().exits(0);
    assert!(before.stdout.contains("the job does not trust the CA that comes next: SHA-256 "), "{before}");
    list("next");
    let after = environment.doctor(only).output().exits(30);
    assert!(after.stdout.contains("does not trust the CA that signs the instance's certificate"), "{after}");

    let plan = environment.doctor(["--only", "database", "--fix", "--dry-run"]).output().exits(30);
    assert!(plan.stdout.contains("target trusted CA: nothing → SHA-256 "), "{plan}");
    assert!(!plan.to_string().contains("BEGIN CERTIFICATE"), "{plan}");
    let _ = environment.doctor(["--only", "database", "--fix", "--yes"]).output().exits(0);
    let both = Target { cas: vec![CA.to_owned(), NEXT_CA.to_owned()], ..Target::default() };
    let job = environment.world.job().expect("a job");
    assert_eq!(*command(&job), both.command());
    let cured = environment.doctor(only).output().exits(0);
    assert_eq!(cured.stdout.lines().nth(1), healthy.stdout.lines().nth(1));
}

#[test]
fn the_doctor_compares_the_target_with_the_database() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let healthy = Target::default();
    let pointer = "/template/template/containers/0/command";
    let says = |command: Value, code, words: &str| {
        environment.put_job(pointer, command);
        let said = environment.doctor(["--only", "database"]).output().exits(code);
        assert!(said.stdout.contains(words), "{said}");
    };
    says(Target { host: "10.0.0.9".to_owned(), ..healthy.clone() }.command(), 30, "address: 10.0.0.9");
    says(Target { name: "other".to_owned(), ..healthy.clone() }.command(), 30, "database: other");
    says(Target { user: "other".to_owned(), ..healthy.clone() }.command(), 30, "user: other");
    says(
        Target { port: 6432, ..healthy.clone() }.command(),
        30,
        "port: 6432 in the job's command, 5432 here",
    );
    says(json!([]), 0, "the job's command does not say which database it is for");
    says(json!(["/quill-admin-executor", "--target", "{}"]), 30, "missing field");
    let blind = Target { tls: "require", cas: Vec::new(), ..healthy.clone() };
    says(blind.command(), 0, "does not verify that it speaks to its own database");
    let mut job = environment.healthy.job();
    let container = &mut job["template"]["template"]["containers"][0];
    container["command"] = json!([]);
    container["args"] = json!(["--target", healthy.json()]);
    environment.world.emulator.put_job(JOB, job).expect("a valid job");
    let said = environment.doctor(["--only", "database"]).output().exits(30);
    assert!(said.stdout.contains("stands in its arguments"), "{said}");
    let file = environment.world.home.read("environments.yaml");
    let file = file.replace("  region: europe-west2\n", "  region: europe-west2\n  target: required\n");
    environment.world.home.write("environments.yaml", &file);
    says(json!([]), 30, "so that no task is run");
    // A caller who may not list the authorities is told so, and not that all is well.
    environment.make_healthy();
    environment.world.emulator.deny_permissions(["cloudsql.instances.listServerCas"]);
    let unseen = "whether the job trusts the instance's certificate is not seen";
    let denied = environment.doctor(["--only", "database"]).output().exits(31);
    assert!(denied.stdout.contains(unseen) && denied.stdout.contains("roles/cloudsql.viewer"), "{denied}");
    // What was found is told beside it.
    environment.put_job(pointer, Target { host: "10.0.0.9".to_owned(), ..healthy }.command());
    let both = environment.doctor(["--only", "database"]).output().exits(30);
    assert!(both.stdout.contains(unseen) && both.stdout.contains("address: 10.0.0.9"), "{both}");
}

#[test]
fn who_may_not_list_the_authorities_keeps_those_that_the_job_trusts() {
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    let emulator = &builds.world.emulator;
    emulator.deny_permissions(["cloudsql.instances.listServerCas"]);
    let dry_run = ["build", "--env", "staging", "--source", "sources", "--dry-run"];
    let refused = builds.quill_admin(dry_run).output().exits(21);
    assert!(refused.stderr.contains("roles/cloudsql.viewer"), "{refused}");

    let healthy = quill_admin_testkit::healthy::Healthy::new("staging", &builds.proxy.address());
    emulator.put_job(JOB, healthy.job()).expect("a valid job");
    let kept = builds.quill_admin(dry_run).output().exits(0);
    assert!(kept.stdout.contains("the job goes on to trust those that it trusts now"), "{kept}");
    // The address, which may be read, is the new one.
    assert!(kept.stdout.contains("target address: 10.0.0.3 → 127.0.0.1"), "{kept}");
    assert!(!kept.to_string().contains("target trusted CA"), "{kept}");
}

#[test]
fn an_answer_that_does_not_tell_the_authority_is_undecided_and_no_fix_stops_the_job_from_verifying() {
    needs_registry!();
    let environment = DoctorFixture::healthy();
    let emulator = &environment.world.emulator;
    let put = |change: fn(&mut Value)| {
        let mut instance = instance();
        change(&mut instance);
        emulator.put_sql_instance(PROJECT, INSTANCE, instance).expect("a valid instance");
    };
    let list = |list: Value| emulator.put_server_cas(PROJECT, INSTANCE, list).expect("a valid list");
    let undecided = |why: &str| {
        let before = environment.world.job();
        let said = environment.doctor(["--only", "database", "--fix", "--yes"]).output().exits(31);
        let told = format!("whether the job trusts the instance's certificate is not seen: {why}");
        assert!(said.stdout.contains(&told), "{said}");
        assert!(!said.stdout.contains("TLS mode"), "{said}");
        assert_eq!(environment.world.job(), before);
    };
    list(json!({}));
    undecided("Cloud SQL tells no authority for it");
    list(json!({"certs": [{"cert": NEXT_CA, "sha1Fingerprint": "next"}], "activeVersion": "current"}));
    undecided("Cloud SQL does not list the authority that signs its certificate at present");
    put(|instance| {
        instance["settings"]["ipConfiguration"]["serverCaMode"] = json!("GOOGLE_MANAGED_CAS_CA");
    });
    undecided("Cloud SQL tells no name that its certificate is for");
    put(|instance| {
        instance["settings"]["ipConfiguration"]["serverCaMode"] = json!("GOOGLE_MANAGED_CAS_CA");
        instance["dnsName"] = json!("core.example.");
        instance.as_object_mut().expect("an instance").remove("serverCaCert");
    });
    undecided("Cloud SQL tells no authority for it");

    // A job that verifies nothing is told so all the same.
    let blind = Target { tls: "require", cas: Vec::new(), ..Target::default() };
    environment.put_job("/template/template/containers/0/command", blind.command());
    let said = environment.doctor(["--only", "database"]).output().exits(0);
    assert!(said.stdout.contains("does not verify that it speaks to its own database"), "{said}");
}

#[test]
fn a_build_keeps_what_the_job_verifies_where_cloud_sql_tells_no_authority() {
    needs_registry!();
    let builds = BuildFixture::new();
    builds.sources();
    let emulator = &builds.world.emulator;
    let healthy = quill_admin_testkit::healthy::Healthy::new("staging", &builds.proxy.address());
    emulator.put_job(JOB, healthy.job()).expect("a valid job");
    emulator.put_server_cas(PROJECT, &healthy.instance_id(), json!({})).expect("a valid list");
    let dry_run = ["build", "--env", "staging", "--source", "sources", "--dry-run"];
    let kept = builds.quill_admin(dry_run).output().exits(0);
    let note = "Cloud SQL tells no authority for it; the job goes on to trust those that it trusts now";
    assert!(kept.stdout.contains(note), "{kept}");
    assert!(kept.stdout.contains("target address: 10.0.0.3 → 127.0.0.1"), "{kept}");
    assert!(!kept.stdout.contains("target TLS mode") && !kept.stdout.contains("target trusted CA"), "{kept}");
}
