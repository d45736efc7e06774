//! The real image: these sources are compiled into an image, pushed, deployed, and run against PostgreSQL.

use std::fs;
use std::process::Command;

use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::{BUILD_LIMIT, Finished as _, JOB, PROJECT, copy_of_the_sources, executor_image};
use quill_admin_testkit::docker::{docker_command, run};
use quill_admin_testkit::healthy::Target;
use quill_admin_testkit::home::Home;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_builder_image, needs_postgres, needs_registry};
use serde_json::{Value, json};

const BINARY: &str = "quill-admin-executor";

/// The engine's description of an image, which it pulls from the registry as Cloud Run does.
fn inspect(image: &str) -> Value {
    let _ = run(docker_command().args(["pull", "--quiet", image]));
    let text = run(docker_command().args(["image", "inspect", image]));
    serde_json::from_str::<Value>(&text).expect("docker prints JSON")[0].take()
}

/// An image's files and folders, sorted.
fn files(image: &str, home: &Home) -> Vec<String> {
    let archive = home.work().join("exported.tar");
    let container = run(docker_command().args(["create", image]));
    let container = container.trim();
    run(docker_command().args(["export", "--output"]).arg(&archive).arg(container));
    run(docker_command().args(["rm", container]));
    let list = run(Command::new("tar").arg("--list").arg("--file").arg(&archive));
    let mut files: Vec<String> = list.lines().map(str::to_owned).collect();
    files.sort_unstable();
    files
}

// There is one test: each would need a build, which takes both processors of a small machine for a minute. The limit
// of the size is that of a program that was compiled quickly; what is shipped has a third of that.
#[test]
fn these_sources_become_a_row_in_a_container() {
    let builder = needs_builder_image!();
    needs_postgres!();
    needs_registry!();
    // Other tests want an image of the same sources. One of the two compiles it; the other one finds it in the
    // engine.
    executor_image(&builder);
    let builds = BuildFixture::with_containers();
    let (world, home) = (&builds.world, &builds.world.home);
    let sources = copy_of_the_sources(home);
    let database = Database::create(Generation::August2026);
    world.emulator.put_secret(PROJECT, "core-db-password", database.password.clone());
    let file = home.read("environments.yaml");
    home.write(
        "environments.yaml",
        &file
            .replace("name: quill_core", &format!("name: {}", database.name))
            .replace("user: quill,", &format!("user: {},", database.user)),
    );
    let build = |more: &[&str]| {
        builds.build(["--builder-image", &builder].into_iter().chain(more.iter().copied())).limit(BUILD_LIMIT)
    };

    let first = build(&[]).output().exits(0);
    assert!(first.stdout.starts_with("✔ built, pushed and deployed"), "{first}");
    let deployed = builds.deployed().expect("the job was created");
    let image = inspect(&deployed);
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Architecture"], "amd64");
    assert!(image["Size"].as_u64().unwrap() < 15 * 1024 * 1024, "{}", image["Size"]);
    assert_eq!(image["Config"]["User"], "10001:10001");
    assert_eq!(image["Config"]["Entrypoint"], json!(["/quill-admin-executor"]));
    let labels = &image["Config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.title"], BINARY);
    assert_eq!(labels["org.opencontainers.image.revision"], builds.git(&["rev-parse", "HEAD"]));
    let committed = builds.git(&["log", "-1", "--format=%cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"]);
    assert_eq!(labels["org.opencontainers.image.created"], committed);
    assert_eq!(labels["org.quill-medical.admin.contract"], "1");
    assert_eq!(labels["org.quill-medical.admin.contracts"], "1-4");
    // The engine adds mount points.
    let own: Vec<String> = files(&deployed, home)
        .into_iter()
        .filter(|file| !["dev/", "proc/", "sys/", ".dockerenv"].iter().any(|added| file.starts_with(added)))
        .filter(|file| !["etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"].contains(&file.as_str()))
        .collect();
    assert_eq!(
        own,
        [
            "etc/",
            "etc/group",
            "etc/passwd",
            "etc/ssl/",
            "etc/ssl/certs/",
            "etc/ssl/certs/ca-certificates.crt",
            BINARY
        ]
    );

    let again = build(&[]).output().exits(0);
    assert!(again.stdout.starts_with("✔ nothing to do"), "{again}");
    // The tests' server listens elsewhere than usual, and has an authority of its own.
    let to_the_tests_server = || {
        let mut job = world.job().expect("it was created");
        let ca = std::fs::read_to_string(database.ca_file()).expect("the authority's certificate");
        Target { tls: "verify-ca", cas: vec![ca], ..Target::of(&database) }.put_into(&mut job);
        world.emulator.put_job(JOB, job).expect("a valid job");
    };
    to_the_tests_server();

    let created = builds
        .quill_admin(["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org"])
        .arg("--password-stdin")
        .stdin("correct horse battery staple 7")
        .output()
        .exits(0);
    assert!(created.stderr.contains("TLSv1.3"), "{created}");
    assert_eq!(
        database.rows("SELECT username, system_permissions FROM users"),
        [[Some("steve".to_owned()), Some("superadmin".to_owned())]]
    );

    // The file was edited, and has a time long before the first build: only its content counts.
    let source = sources.join("crates/executor/src/main.rs");
    let text = fs::read_to_string(&source).unwrap();
    let begin = "fn main() -> std::process::ExitCode {";
    assert!(text.contains(begin), "{text}");
    fs::write(&source, text.replace(begin, &format!("{begin} println!(\"edited\");"))).unwrap();
    run(Command::new("touch").arg("--date=@0").arg(&source));
    let edited = build(&["-v"]).output().exits(0);
    let dependencies = |line: &&str| line.contains("for member in") && line.ends_with("(cached)");
    assert_eq!(edited.stderr.lines().filter(dependencies).count(), 1, "{edited}");
    assert_ne!(builds.deployed(), Some(deployed.clone()));
    to_the_tests_server();
    let checked = builds.quill_admin(["check", "-e", "staging"]).output().exits(0);
    assert!(checked.stderr.contains("│ edited"), "{checked}");

    // A build from another commit with the same files: the labels name the commit.
    fs::write(&source, text).unwrap();
    fs::write(sources.join("README.md"), "Not part of the image.").unwrap();
    builds.commit();
    let _ = build(&["--force"]).output().exits(0);
    let rebuilt = builds.deployed().expect("it is there");
    assert_ne!(rebuilt, deployed);

    // Compiled anew from the same commit, the image is the same to the last bit.
    let _ = build(&["--force", "--no-cache"]).output().exits(0);
    assert_eq!(builds.deployed(), Some(rebuilt));
}
