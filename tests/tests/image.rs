//! The admin image, built from docker/Dockerfile with plain `docker build`.
//!
//! What is built here is removed again, the builder's intermediate images too: they would add up.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use quill_admin_testkit::docker::{docker_command, root, run};
use quill_admin_testkit::home::Home;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_builder_image, needs_postgres};
use serde_json::Value;

const BINARY: &str = "quill-admin-executor";

/// Everything docker/Dockerfile may take, copied: with times of its own, and to be edited.
fn context(home: &Home) -> PathBuf {
    let folder = home.work().join("context");
    fs::create_dir(&folder).expect("make a folder");
    let list = run(Command::new("git").args(["ls-files", "-z"]).current_dir(root()));
    for name in list.split('\0').filter(|name| !name.is_empty() && root().join(name).is_file()) {
        fs::create_dir_all(folder.join(name).parent().expect("it is below the context"))
            .expect("make a folder");
        fs::copy(root().join(name), folder.join(name)).expect("copy a file");
    }
    folder
}

/// One image, and what its building has left in the engine.
struct Image {
    name: String,
    steps: Vec<String>,
}

impl Image {
    fn build(context: &Path, builder: &str, name: &str, options: &[&str]) -> Self {
        let output = run(docker_command()
            .args(["build", "--file", "docker/Dockerfile", "--tag", name])
            .args(["--build-arg", &format!("BUILDER_IMAGE={builder}")])
            .args(options)
            .arg(".")
            .current_dir(context));
        // The classic builder names the image after every step; the first is the builder's own.
        let base = run(docker_command().args(["image", "inspect", "--format", "{{.Id}}", builder]));
        let mut steps: Vec<String> = output
            .lines()
            .filter_map(|line| line.strip_prefix(" ---> "))
            .filter(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .filter(|id| !base.contains(*id))
            .map(str::to_owned)
            .collect();
        steps.reverse();
        Self { name: name.to_owned(), steps }
    }

    fn inspect(&self) -> Value {
        let text = run(docker_command().args(["image", "inspect", &self.name]));
        serde_json::from_str::<Value>(&text).expect("docker prints JSON")[0].take()
    }

    /// The image's files and folders, sorted.
    fn files(&self, home: &Home) -> Vec<String> {
        let archive = home.work().join("exported.tar");
        let container = run(docker_command().args(["create", &self.name]));
        let container = container.trim();
        run(docker_command().args(["export", "--output"]).arg(&archive).arg(container));
        run(docker_command().args(["rm", container]));
        let list = run(Command::new("tar").arg("--list").arg("--file").arg(&archive));
        let mut files: Vec<String> = list.lines().map(str::to_owned).collect();
        files.sort_unstable();
        files
    }

    fn run(&self, database: &Database, action: &str) -> (Option<i32>, String) {
        let output = docker_command()
            .args(["run", "--rm", "--network", "host"])
            .args(["--env", &format!("ADMIN_ACTION={action}")])
            .args(["--env", &format!("AUTH_DB_HOST={}", database.host)])
            .args(["--env", &format!("AUTH_DB_PORT={}", database.port)])
            .args(["--env", &format!("AUTH_DB_NAME={}", database.name)])
            .args(["--env", &format!("AUTH_DB_USER={}", database.user)])
            .args(["--env", &format!("AUTH_DB_PASSWORD={}", database.password)])
            .arg(&self.name)
            .output()
            .expect("start docker");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Not with run(): a test that has failed is not to panic once more. The last step first: an
        // image that another is built upon stays.
        for image in std::iter::once(&self.name).chain(&self.steps) {
            let _ = docker_command().args(["rmi", "--force", image]).output();
        }
    }
}

// One test: each needs a build, and a build takes both processors of a small machine for a minute.
#[test]
fn the_image_is_the_executor_and_nothing_else_and_the_same_twice() {
    let builder = needs_builder_image!();
    needs_postgres!();
    let home = Home::new();
    let context = context(&home);
    let tag = |what: &str| format!("quill-admin-test/image-{}:{what}", std::process::id());
    let first = Image::build(
        &context,
        &builder,
        &tag("first"),
        &["--build-arg", "REVISION=abc", "--build-arg", "CREATED=2026-01-02T03:04:05Z"],
    );

    let image = first.inspect();
    assert_eq!(image["Os"], "linux");
    assert_eq!(image["Architecture"], "amd64");
    assert!(image["Size"].as_u64().unwrap() < 15 * 1024 * 1024, "{}", image["Size"]);
    assert_eq!(image["Config"]["User"], "10001:10001");
    assert_eq!(image["Config"]["Entrypoint"], serde_json::json!(["/quill-admin-executor"]));
    let labels = &image["Config"]["Labels"];
    assert_eq!(labels["org.opencontainers.image.title"], BINARY);
    assert_eq!(labels["org.opencontainers.image.revision"], "abc");
    assert_eq!(labels["org.opencontainers.image.created"], "2026-01-02T03:04:05Z");
    assert_eq!(labels["org.quill-medical.admin.contract"], "1");
    let files: Vec<String> = first.files(&home);
    // The engine adds places to mount things on.
    let own: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .filter(|file| !["dev/", "proc/", "sys/", ".dockerenv"].iter().any(|added| file.starts_with(added)))
        .filter(|file| !["etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"].contains(file))
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

    let database = Database::create(Generation::August2026);
    let (code, output) = first.run(&database, "check");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("PostgreSQL"), "{output}");
    let (code, output) = first.run(&database, "dance");
    assert_eq!(code, Some(2), "{output}");

    // Edited, with a time long before the first build: what counts is what is in it.
    let source = context.join("crates/executor/src/main.rs");
    let text = fs::read_to_string(&source).unwrap();
    let call = "quill_admin_executor::main_from_env()";
    assert!(text.contains(call), "{text}");
    fs::write(&source, text.replace(call, &format!("{{ println!(\"edited\"); {call} }}"))).unwrap();
    run(Command::new("touch").arg("--date=@0").arg(&source));
    let edited = Image::build(&context, &builder, &tag("edited"), &[]);
    let (code, output) = edited.run(&database, "check");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.starts_with("edited\n"), "{output}");

    // Without cache, and with another revision: that is in the labels, not in the layers.
    fs::write(&source, text).unwrap();
    let again =
        Image::build(&context, &builder, &tag("again"), &["--no-cache", "--build-arg", "REVISION=def"]);
    assert_eq!(again.inspect()["RootFS"]["Layers"], image["RootFS"]["Layers"]);
}
