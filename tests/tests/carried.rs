//! `build` of what a released program carries: nothing is compiled, no engine is asked, from any folder.

use std::io::Write as _;
use std::time::{Duration, Instant};

use quill_admin_e2e::workshop::Workshop;
use quill_admin_e2e::{Finished as _, JOB, PROJECT};
use quill_admin_testkit::docker::{docker_command, root, run};
use quill_admin_testkit::healthy::Target;
use quill_admin_testkit::home::Run;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_docker, needs_postgres, needs_registry};
use serde_json::json;

/// Nothing listens there, so whatever asks for an engine fails.
const NO_ENGINE: &str = "tcp://127.0.0.1:9";

fn build(workshop: &Workshop, more: &[&str]) -> Run {
    let args = ["build", "--env", "staging"].into_iter().chain(more.iter().copied());
    workshop.quill_admin(args).env("DOCKER_HOST", NO_ENGINE)
}

/// Whether this program carries an executor. How it was built is not the machine's fault: the tests of the other kind
/// are said to be left out, and no skip that CI would refuse, since no program is of both kinds.
fn carries(workshop: &Workshop, wanted: bool) -> bool {
    let carries = workshop.quill_admin(["--version"]).output().exits(0).stdout.contains("carries executor");
    if carries != wanted {
        let how = if wanted { "without" } else { "with" };
        // Past the harness's capture.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "LEFT OUT: this quill-admin was built {how} QUILL_ADMIN_EXECUTOR").expect("written");
    }
    carries
}

#[test]
fn without_a_clone_and_without_docker_an_image_is_put_together_that_runs() {
    needs_docker!();
    needs_postgres!();
    needs_registry!();
    let workshop = Workshop::with_containers();
    if !carries(&workshop, true) {
        return;
    }
    let (world, home) = (&workshop.world, &workshop.world.home);
    let database = Database::create(Generation::August2026);
    world.emulator.put_secret(PROJECT, "auth-db-password", database.password.clone());
    let file = home.read("environments.yaml");
    let name = format!("name: {}", database.name);
    let user = format!("user: {},", database.user);
    home.write("environments.yaml", &file.replace("name: quill_auth", &name).replace("user: quill,", &user));

    let plan = build(&workshop, &["--dry-run", "--json"]).output().exits(0).json();
    let begun = Instant::now();
    let first = build(&workshop, &[]).output().exits(0);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(first.stdout.starts_with("✔ built, pushed and deployed"), "{first}");
    let deployed = workshop.deployed().expect("the job was created");
    let planned = plan["carried"]["image_digest"].as_str().expect("it is in the plan");
    assert!(deployed.ends_with(planned), "{deployed} was planned as {planned}");
    let again = build(&workshop, &["--carried"]).output().exits(0);
    assert!(again.stdout.starts_with("✔ nothing to do"), "{again}");

    let mut job = world.job().expect("it was created");
    let ca = std::fs::read_to_string(database.ca_file()).expect("the authority's certificate");
    Target { tls: "verify-ca", cas: vec![ca], ..Target::of(&database) }.put_into(&mut job);
    world.emulator.put_job(JOB, job).expect("a valid job");
    let _ = workshop
        .quill_admin(["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org"])
        .arg("--password-stdin")
        .stdin("correct horse battery staple 7")
        .output()
        .exits(0);
    assert_eq!(
        database.rows("SELECT username, system_permissions FROM users"),
        [[Some("steve".to_owned()), Some("superadmin".to_owned())]]
    );

    // Other actions: another image, of which the last layer alone is pushed, and which has them.
    let actions = std::fs::read_to_string(root().join("application/actions.yaml")).expect("our actions");
    home.write("other/actions.yaml", &actions.replace("verify-email", "prove-email"));
    let other = build(&workshop, &["--application", "other", "--json"]).output().exits(0).json();
    assert!(other["uploaded_bytes"].as_u64().expect("a size") < 100_000, "{other}");
    let other = workshop.deployed().expect("it is there");
    assert_ne!(other, deployed);
    for (image, has, has_not) in
        [(&deployed, "verify-email", "prove-email"), (&other, "prove-email", "verify-email")]
    {
        let _ = run(docker_command().args(["pull", "--quiet", image]));
        let config = run(docker_command().args(["image", "inspect", "--format", "{{json .Config}}", image]));
        let config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        assert_eq!(config["User"], "10001:10001");
        assert_eq!(config["Entrypoint"], json!(["/quill-admin-executor"]));
        let said = docker_command().args(["run", "--rm", image]).output().expect("docker runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains("ADMIN_ACTION environment variable is required"), "{said}");
        assert!(said.contains(has) && !said.contains(has_not), "{said}");
    }
}

#[test]
fn a_program_that_carries_nothing_says_so() {
    needs_registry!();
    let workshop = Workshop::new();
    if carries(&workshop, false) {
        return;
    }
    let refused = build(&workshop, &["--carried"]).output().exits(2);
    assert!(refused.stderr.contains("this quill-admin carries no executor"), "{refused}");
    let refused = build(&workshop, &[]).output().exits(2);
    assert!(refused.stderr.contains("not a git repository"), "{refused}");
    assert!(refused.stderr.contains("or use a released quill-admin"), "{refused}");
}
