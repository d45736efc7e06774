//! The world a journey happens in: an environments file, the emulator, a database, and the compiled
//! programs with an environment of their own.
#![expect(clippy::missing_panics_doc, reason = "a test that fails panics")]

pub mod clinic;
pub mod film;
pub mod proxy;
pub mod terraform;
pub mod workshop;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use cloud_emulator::{
    Builder, DockerRunner, Emulator, ImageProgram, ProcessRunner, RecordedCall, Runner, Script,
};
use quill_admin_testkit::bin;
use quill_admin_testkit::docker::{root, run};
use quill_admin_testkit::home::{self, Home, Output, Run};
use quill_admin_testkit::postgres::Database;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The project of the world's environment.
pub const PROJECT: &str = "quill-medical-staging";
/// The job every world has.
pub const JOB: &str = "projects/quill-medical-staging/locations/europe-west2/jobs/quill-admin-staging";
/// Where images are, in worlds without a registry of their own.
const REGISTRY: &str = "europe-west2-docker.pkg.dev";
const IMAGE: &str = "europe-west2-docker.pkg.dev/quill-medical-staging/quill/admin";
/// The bucket that Terraform keeps the environment's state in; empty at first.
pub const STATE_BUCKET: &str = "quill-medical-terraform-state";
const DIGEST: &str = "sha256:4b825dc642cb6eb9a060e54bf8d69288fbee4904f1a5b7d4a1e0b1b7c0ffee00";

/// The access token that worlds with a sign-in want.
pub const TOKEN: &str = "ya29.planted-Kq3-token";
/// How the path of a call ends that follows the log live.
pub const TAIL: &str = "/TailLogEntries";

/// A folder, a cloud and, in most worlds, a database.
pub struct World {
    /// Where commands are run; its `environments.yaml` has staging at the emulator.
    pub home: Home,
    /// The cloud.
    pub emulator: Emulator,
    /// The database, in a world that has one.
    pub database: Option<Database>,
    // Dropped last: the emulator runs on it.
    runtime: Runtime,
}

/// How long a container takes to start: on Cloud Run, seconds, in which the live log is open and
/// brings the first line. Without any, the order of the lines would be the machine's to decide.
const PROVISIONING: Duration = Duration::from_millis(150);

impl World {
    /// The real executor, as its own process, against a real database.
    #[must_use]
    pub fn with_database(database: Database) -> Self {
        Self::with_database_in(Emulator::builder(), database)
    }

    /// The same in a cloud as the builder says.
    #[must_use]
    pub fn with_database_in(builder: Builder, database: Database) -> Self {
        let program = ImageProgram::new(bin::executor());
        let runner = Runner::Process(ProcessRunner::new().image(IMAGE, program));
        Self::around(database, builder.runner(runner))
    }

    /// The executor in its image, against a real database. The image is [`executor_image`]'s.
    #[must_use]
    pub fn with_containers(database: Database) -> Self {
        let runner = Runner::Docker(docker_runner().image(IMAGE, EXECUTOR_IMAGE));
        Self::around(database, Emulator::builder().runner(runner))
    }

    fn around(database: Database, builder: Builder) -> Self {
        let mut world = Self::start(builder.provisioning_delay(PROVISIONING), REGISTRY);
        world.emulator.put_secret("quill-medical-staging", "auth-db-password", database.password.clone());
        world.put_job(&json!([
            {"name": "AUTH_DB_HOST", "value": database.host},
            {"name": "AUTH_DB_PORT", "value": database.port.to_string()},
            {"name": "AUTH_DB_NAME", "value": database.name},
            {"name": "AUTH_DB_USER", "value": database.user},
            {"name": "AUTH_DB_SSLMODE", "value": "prefer"},
            {"name": "AUTH_DB_PASSWORD", "valueSource": {"secretKeyRef": {"secret": "auth-db-password", "version": "latest"}}},
        ]));
        world.database = Some(database);
        world
    }

    /// No container: executions do what a script says.
    #[must_use]
    pub fn scripted(script: Script) -> Self {
        Self::scripted_in(Emulator::builder(), script)
    }

    /// The same in a cloud as the builder says.
    #[must_use]
    pub fn scripted_in(builder: Builder, script: Script) -> Self {
        let world = Self::start(builder, REGISTRY);
        world.put_job(&json!([]));
        world.emulator.set_script(JOB, script);
        world
    }

    /// A cloud without the job.
    #[must_use]
    pub fn empty() -> Self {
        Self::start(Emulator::builder(), REGISTRY)
    }

    /// The same, in a cloud that wants a sign-in: [`TOKEN`], or a token it has given out. One of the
    /// environment's services is Google's own, so that the sign-in of the machine is used.
    #[must_use]
    pub fn signed_in(script: Script) -> Self {
        let builder = Emulator::builder().require_token(TOKEN).caller("steve@example.org");
        let world = Self::start(builder, REGISTRY);
        world.put_job(&json!([]));
        world.emulator.set_script(JOB, script);
        let url = world.emulator.url();
        let file = world.home.read("environments.yaml").replace(
            &format!("endpoint: \"{url}\""),
            &format!(
                "endpoints: {{ run: \"{url}\", logging: \"{url}\", resource_manager: \"{url}\", user_info: \"{url}\", \
                 iam_credentials: \"{url}\", secret_manager: \"{url}\", service_usage: \"{url}\", storage: \"{url}\" }}"
            ),
        );
        world.home.write("environments.yaml", &file);
        world
    }

    /// A cloud as the builder says, with images at a registry.
    pub(crate) fn start(builder: Builder, registry: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let emulator = runtime.block_on(builder.start()).expect("the emulator");
        emulator.put_bucket(STATE_BUCKET);
        let file = format!(
            "\
defaults:
  region: europe-west2
  job: quill-admin-{{env}}
  image: \"{registry}/{{project}}/quill/admin\"
  service_account: \"quill-admin-{{env}}@{{project}}.iam.gserviceaccount.com\"
  backend:
    service: quill-backend-{{env}}
    image: \"{registry}/{{project}}/quill/backend\"
    dockerfile: Dockerfile
    target: prod
  database: {{ instance: \"quill-auth-{{env}}\", name: quill_auth, user: quill, password_secret: auth-db-password }}
  network: {{ connector: \"quill-vpc-cx-{{env}}\", egress: private-ranges-only }}
  terraform_state: {{ bucket: {STATE_BUCKET}, lock: \"terraform/state/{{env}}.tflock\" }}
environments:
  staging: {{ project: {PROJECT}, endpoint: \"{url}\" }}
  teaching: {{ project: quill-medical-teaching }}
  local: {{ emulated: true }}
",
            url = emulator.url()
        );
        let home = Home::new();
        home.write("environments.yaml", &file);
        Self { home, emulator, database: None, runtime }
    }

    fn put_job(&self, env: &Value) {
        let job = json!({
            // As `build` notes it.
            "annotations": {
                "admin.quill-medical.org/contract": "1",
                "admin.quill-medical.org/revision": "0123456789abcdef0123456789abcdef01234567",
                "admin.quill-medical.org/built": "2026-08-01T10:00:00Z",
                "admin.quill-medical.org/image-digest": DIGEST,
            },
            "template": {"taskCount": 1, "template": {
                "containers": [{"image": format!("{IMAGE}@{DIGEST}"), "env": env}],
                "maxRetries": 0,
                "timeout": "300s",
            }},
        });
        self.emulator.put_job(JOB, job).expect("a valid job");
    }

    /// The database of a world that has one.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("this world has a database")
    }

    /// A command line of `quill-admin`.
    pub fn quill_admin<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        self.home.quill_admin(args).env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0")
    }

    /// Puts another address in place of the emulator's.
    pub fn move_staging(&self, url: &str) {
        let file = self.home.read("environments.yaml");
        self.home.write("environments.yaml", &file.replace(&self.emulator.url(), url));
    }

    /// The calls the cloud received, one a line, with names that differ from run to run replaced. How
    /// often the state was asked for depends on the machine: the same call again is left out. So is
    /// the live log, for which nobody waits.
    #[must_use]
    pub fn calls(&self) -> String {
        let mut lines: Vec<String> = self.emulator.calls().iter().map(RecordedCall::line).collect();
        lines.retain(|line| !line.ends_with(TAIL));
        lines.dedup();
        redact(&lines.join("\n")).replace("/v2/projects/quill-medical-staging/locations/europe-west2", "…")
    }

    /// The job, in the API's JSON, as it is now; `None` if there is none.
    #[must_use]
    pub fn job(&self) -> Option<Value> {
        self.emulator.get(JOB)
    }

    /// Starts the job as it is, as anybody with curl could; returns the execution's id.
    #[must_use]
    pub fn start_job(&self) -> String {
        let mut stream = TcpStream::connect(self.emulator.address()).expect("connected");
        write!(
            stream,
            "POST /v2/{JOB}:run HTTP/1.0\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (_, body) = answer.split_once("\r\n\r\n").expect("an answer");
        let operation: Value = serde_json::from_str(body).expect("JSON");
        let name = operation["metadata"]["name"].as_str().expect("an execution");
        name.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Waits until the cloud has nothing under way.
    pub fn idle(&self) {
        self.runtime.block_on(self.emulator.idle());
    }

    /// How many times the job was started.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.emulator.calls().iter().filter(|call| call.path.ends_with(":run")).count()
    }
}

/// The name of the executor's image in the engine; it stays there for the next run.
const EXECUTOR_IMAGE: &str = "127.0.0.1/quill-admin-test/executor:latest";

/// Makes the executor's image of these sources, once, with `build --env local` itself; returns its
/// name without the tag.
pub fn executor_image(builder: &str) -> &'static str {
    static MADE: OnceLock<&str> = OnceLock::new();
    MADE.get_or_init(|| {
        let home = Home::new();
        let sources = copy_of_the_sources(&home);
        let (image, _) = EXECUTOR_IMAGE.rsplit_once(':').expect("it has a tag");
        let file =
            home::environments().replace("emulated: true", &format!("emulated: true\n    image: {image}"));
        home.write("environments.yaml", &file);
        let built = home
            .quill_admin(["build", "--env", "local", "--builder-image", builder, "--source"])
            .arg(&sources)
            .limit(BUILD_LIMIT)
            .output()
            .exits(0);
        assert!(built.stdout.contains(image), "{built}");
        image
    })
}

/// Longest time for compiling the executor and its dependencies, with other builds beside it.
pub const BUILD_LIMIT: Duration = Duration::from_mins(15);

/// A copy of everything git knows of these sources, in a repository of its own: with times of its
/// own, and to be edited.
#[must_use]
pub fn copy_of_the_sources(home: &Home) -> PathBuf {
    let folder = home.work().join("sources");
    fs::create_dir_all(&folder).expect("make a folder");
    let list = run(Command::new("git").args(["ls-files", "-z"]).current_dir(root()));
    for name in list.split('\0').filter(|name| root().join(name).is_file()) {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().expect("it is below the folder")).expect("make a folder");
        fs::copy(root().join(name), file).expect("copy a file");
    }
    git(home, &["init", "--quiet"]);
    commit(home);
    folder
}

/// What git is told about whoever commits.
const AUTHOR: [&str; 4] = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"];

/// Commits what is in the working folder's `sources`.
fn commit(home: &Home) {
    git(home, &["add", "--all"]);
    git(home, &[&AUTHOR[..], &["commit", "--quiet", "--message", "Sources"]].concat());
}

/// Runs git in the working folder's `sources`; returns what it printed.
fn git(home: &Home, args: &[&str]) -> String {
    run(Command::new("git")
        .args(args)
        .current_dir(home.work().join("sources"))
        .env("HOME", home.path())
        .env("GIT_CONFIG_NOSYSTEM", "1"))
    .trim()
    .to_owned()
}

/// Executions run in the Docker engine, in this machine's network.
fn docker_runner() -> DockerRunner {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(DockerRunner::connect()).expect("an engine that answers").host_network(true)
}

/// What journeys ask of a finished program.
pub trait Finished {
    /// Asserts the exit code, showing everything if it is another.
    #[must_use]
    fn exits(self, code: i32) -> Self;

    /// Everything in one text, without what differs from run to run.
    #[must_use]
    fn transcript(&self) -> String;
}

impl Finished for Output {
    fn exits(self, code: i32) -> Self {
        self.expect_code(code);
        self
    }

    fn transcript(&self) -> String {
        // How far it was at each look depends on the machine, and so does what of the log comes first.
        let phases = r"(?m)^(queued|preparing the container|running|reading the result) \(.*\n";
        let phases = regex::Regex::new(phases).expect("valid");
        redact(&phases.replace_all(&self.to_string(), ""))
    }
}

/// Replaces what differs from run to run: execution names, request ids, times, ports.
#[must_use]
pub fn redact(text: &str) -> String {
    [
        (r"(quill-admin-[a-z]+)-[a-z0-9]{5}\b", "$1-XXXXX"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "REQUEST-ID"),
        (r"\d+\.\d s\b", "N.N s"),
        (r"(127\.0\.0\.1|localhost):\d+", "$1:PORT"),
        (r"PostgreSQL \d+\.\d+( \([^)]*\))?", "PostgreSQL N.N"),
        (r"quill_[0-9a-f]{32}", "DATABASE"),
        (r"sha256:[0-9a-f]{64}", "sha256:DIGEST"),
        (r"source-[0-9a-f]{32}", "source-DIGEST"),
        (r"\b[0-9a-f]{12}\b", "REVISION"),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "TIME"),
        (r"\d+\.\d\d kB", "N kB"),
        (r"Docker Engine \S+", "Docker Engine VERSION"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (pattern, replacement)| {
        let pattern = regex::Regex::new(pattern).expect("a valid pattern");
        pattern.replace_all(&text, *replacement).into_owned()
    })
}
