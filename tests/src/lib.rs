//! The surroundings of end-to-end tests: an environments file, the emulator, a database, and the compiled
//! programs with their own environment variables.
//!
//! To add a kind of world: a constructor of [`World`]; to add a tool: a module here.
#![expect(clippy::missing_panics_doc, reason = "a test that fails panics")]

pub mod build_fixture;
pub mod doctor_fixture;
pub mod proxy;
pub mod recording;
pub mod terraform;
pub mod tls;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cloud_emulator::{
    Builder, DockerRunner, Emulator, ImageProgram, ProcessRunner, RecordedCall, Runner, Script,
};
use quill_admin_testkit::bin;
use quill_admin_testkit::docker::{Images, root, run};
pub use quill_admin_testkit::healthy::STATE_BUCKET;
use quill_admin_testkit::healthy::{Healthy, REGISTRY, SECRET, set_variable};
use quill_admin_testkit::home::{self, Home, Output, Run};
use quill_admin_testkit::http::{Answer, Request};
use quill_admin_testkit::postgres::Database;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The project of the environment in every world.
pub const PROJECT: &str = "quill-medical-staging";
/// The job that every world has.
pub const JOB: &str = "projects/quill-medical-staging/locations/europe-west2/jobs/quill-tasks-staging";
/// The repository of the admin image, in the registry.
pub const REPOSITORY: &str = "quill-medical-staging/quill/tasks";

/// The path of the executor in its image.
pub const ENTRY_POINT: &str = "/quill-admin-executor";

/// The access token that worlds with a sign-in accept.
pub const TOKEN: &str = "ya29.planted-Kq3-token";
/// The end of the path of a call that follows the log live.
pub const TAIL: &str = "/TailLogEntries";

/// The healthy environment of every world.
fn staging() -> Healthy {
    Healthy::new("staging", REGISTRY)
}

/// A folder, a cloud and, in most worlds, a database.
pub struct World {
    /// The home, and the folder in which commands are run; its `environments.yaml` has staging at the
    /// emulator.
    pub home: Home,
    /// The cloud.
    pub emulator: Emulator,
    /// The database, in a world that has one.
    pub database: Option<Database>,
    /// Whether commands are given the environments file by name, as in a pipeline. A file that is found
    /// instead is not used for tasks before a person has confirmed where they go.
    pub named: bool,
    /// The content of the environments file when somebody last confirmed where its tasks go.
    confirmed: Mutex<Option<Vec<u8>>>,
    // The runtime is dropped last, because the emulator runs on it.
    runtime: Runtime,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// Time that a container takes to start: on Cloud Run, seconds, in which the live log is opened and brings
/// the first line. Without this time, the order of the lines would depend on the machine.
const PROVISIONING: Duration = Duration::from_millis(150);

impl World {
    /// A world with the real executor, as its own process, and a real database.
    #[must_use]
    pub fn with_database(database: Database) -> Self {
        Self::with_database_in(Emulator::builder(), database)
    }

    /// The same world, with a cloud that the builder makes.
    #[must_use]
    pub fn with_database_in(builder: Builder, database: Database) -> Self {
        let program = ImageProgram::new(bin::executor()).entry_point(ENTRY_POINT);
        let runner = Runner::Process(ProcessRunner::new().image(REPOSITORY, program));
        Self::around(database, builder.runner(runner))
    }

    /// A world with an image whose program does not exist.
    #[must_use]
    pub fn without_program() -> Self {
        let program = ImageProgram::new("/nowhere/quill-admin-executor").entry_point(ENTRY_POINT);
        let runner = Runner::Process(ProcessRunner::new().image(REPOSITORY, program));
        let world = Self::start(Emulator::builder().runner(runner), REGISTRY);
        world.put_executor(staging().job());
        world
    }

    /// A world with the real executor, a real database, and a shell script around the executor, whose path is
    /// in `$1`: for containers that end differently.
    #[must_use]
    pub fn with_database_and_script(database: Database, script: &str) -> Self {
        let executor = bin::executor().display().to_string();
        let program = ImageProgram::new("/bin/sh")
            .entry_point(ENTRY_POINT)
            .arg("-c")
            .arg(script)
            .arg("sh")
            .arg(executor);
        let runner = Runner::Process(ProcessRunner::new().image(REPOSITORY, program));
        Self::around(database, Emulator::builder().runner(runner))
    }

    /// A world with the executor in its image, and a real database. The image is that of [`executor_image`].
    #[must_use]
    pub fn with_containers(database: Database) -> Self {
        let runner =
            Runner::Docker(docker_runner().image(format!("{REGISTRY}/{REPOSITORY}"), EXECUTOR_IMAGE));
        Self::around(database, Emulator::builder().runner(runner))
    }

    fn around(database: Database, builder: Builder) -> Self {
        let mut world = Self::start(builder.provisioning_delay(PROVISIONING), REGISTRY);
        let mut job = staging().job_on(&database);
        // The embedded database has no TLS.
        set_variable(&mut job, "AUTH_DB_SSLMODE", "prefer");
        world.put_executor(job);
        world.emulator.put_secret(PROJECT, SECRET, database.password.clone());
        world.database = Some(database);
        world.confirm();
        world
    }

    /// A world without containers: executions do what a script says.
    #[must_use]
    pub fn scripted(script: Script) -> Self {
        Self::scripted_in(Emulator::builder(), script)
    }

    /// The same world, with a cloud that the builder makes.
    #[must_use]
    pub fn scripted_in(builder: Builder, script: Script) -> Self {
        let world = Self::start(builder, REGISTRY);
        world.put_job(staging().job());
        world.emulator.set_script(JOB, script);
        world.confirm();
        world
    }

    /// A world with a cloud that has no job.
    #[must_use]
    pub fn empty() -> Self {
        Self::start(Emulator::builder(), REGISTRY)
    }

    /// A scripted world with a cloud that wants a sign-in: [`TOKEN`], or a token that it has given out. One
    /// of the environment's services is Google's own, so that the machine's sign-in is used; the file is
    /// named, so that the token is sent to the emulator.
    #[must_use]
    pub fn signed_in(script: Script) -> Self {
        let builder = Emulator::builder().require_token(TOKEN).caller("steve@example.org");
        let world = Self::start(builder, REGISTRY);
        world.put_job(staging().job());
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
        Self { named: true, ..world }
    }

    /// A world with a cloud that the builder makes, and images at a registry.
    pub(crate) fn start(builder: Builder, registry: &str) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let emulator = runtime.block_on(builder.start()).expect("the emulator");
        emulator.put_bucket(STATE_BUCKET);
        // Older than any lock of the tests, whose generations come after it.
        let applied = "2026-01-05T09:00:00Z".parse().expect("a time");
        emulator.put_object_created(STATE_BUCKET, "terraform/state/staging.tfstate", "{}", applied);
        let file = format!(
            "\
defaults:
  region: europe-west2
  job: quill-tasks-{{env}}
  image: \"{registry}/{{project}}/quill/tasks\"
  service_account: \"quill-tasks-{{env}}@{{project}}.iam.gserviceaccount.com\"
  backend:
    service: quill-backend-{{env}}
    image: \"{registry}/{{project}}/quill/backend\"
    dockerfile: Dockerfile
    target: prod
  database: {{ instance: \"quill-core-{{env}}\", name: quill_core, user: quill, password_secret: core-db-password }}
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
        Self { home, emulator, database: None, named: false, confirmed: Mutex::default(), runtime }
    }

    /// Puts a job whose image is the real executor, which speaks more than the oldest contract version.
    fn put_executor(&self, mut job: Value) {
        job["annotations"]["admin.quill-medical.org/contracts"] = json!("1-4");
        self.put_job(job);
    }

    /// Puts the job, and the secret that it refers to.
    fn put_job(&self, job: Value) {
        self.emulator.put_secret(PROJECT, SECRET, "planted-database-password");
        self.emulator.put_job(JOB, job).expect("a valid job");
    }

    /// The database, in a world that has one.
    #[must_use]
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("this world has a database")
    }

    /// A command line of `quill-admin`, for a person who has confirmed where the file's tasks go.
    pub fn quill_admin<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let run = self.home.quill_admin(args).env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0");
        if self.named {
            run.env("QUILL_ADMIN_CONFIG", self.home.work().join("environments.yaml"))
        } else {
            self.confirm();
            run
        }
    }

    /// Confirms where tasks go, once for each content of the file: for programs that are not started by
    /// [`quill_admin`](Self::quill_admin).
    pub fn confirm(&self) {
        let file = fs::read(self.home.work().join("environments.yaml")).ok();
        let mut confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        if *confirmed != file {
            // A test with a file that cannot be used confirms nothing: that is its subject.
            let _ = self.home.quill_admin(["envs", "--trust"]).output();
            *confirmed = file;
        }
    }

    /// Replaces the emulator's address by another one.
    pub fn move_staging(&self, url: &str) {
        let file = self.home.read("environments.yaml");
        self.home.write("environments.yaml", &file.replace(&self.emulator.url(), url));
    }

    /// The calls that the cloud received, one on each line, with names that differ from run to run replaced.
    /// The number of times that the state was asked for depends on the machine: repetitions of a call are
    /// left out. So is the live log, which nothing waits for.
    #[must_use]
    pub fn calls(&self) -> String {
        let mut lines: Vec<String> = self.emulator.calls().iter().map(RecordedCall::line).collect();
        lines.retain(|line| !line.ends_with(TAIL));
        lines.dedup();
        redact(&lines.join("\n")).replace("/v2/projects/quill-medical-staging/locations/europe-west2", "…")
    }

    /// The present job, in the API's JSON; `None` if there is none.
    #[must_use]
    pub fn job(&self) -> Option<Value> {
        self.emulator.get(JOB)
    }

    /// Starts the job unchanged, as any client could; returns the execution's id.
    #[must_use]
    pub fn start_job(&self) -> String {
        self.start_job_with(&[])
    }

    /// Starts the job with these variables; returns the execution's id.
    #[must_use]
    pub fn start_job_with(&self, env: &[(&str, &str)]) -> String {
        let env: Value = env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        let request = match env.as_array().map(Vec::as_slice) {
            Some([]) | None => json!({}),
            Some(_) => json!({"overrides": {"containerOverrides": [{"env": env}]}}),
        };
        let run = Request::new("POST", &format!("/v2/{JOB}:run")).json(&request);
        let operation = self.ask(run).expect(200).json();
        let name = operation["metadata"]["name"].as_str().expect("an execution");
        name.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Puts a resource with the control API.
    pub fn put(&self, path: &str, what: &Value) {
        let put = Request::new("PUT", path).header("Emulator-Token", self.emulator.control_token());
        let _ = self.ask(put.json(what)).expect(200);
    }

    /// Sends a request to the cloud.
    #[must_use]
    pub fn ask(&self, request: Request) -> Answer {
        request.send(&self.emulator.address().to_string())
    }

    /// Waits until no execution is under way in the cloud.
    pub fn idle(&self) {
        self.runtime.block_on(self.emulator.idle());
    }

    /// Number of times that the job was started.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.emulator.calls().iter().filter(|call| call.path.ends_with(":run")).count()
    }
}

/// The name of the executor's image in the engine; it stays there for the next run.
const EXECUTOR_IMAGE: &str = "127.0.0.1/quill-admin-test/executor:latest";

/// Makes the executor's image from these sources, once, with `build --env local` itself; returns its name
/// without the tag.
pub fn executor_image(builder: &str) -> &'static str {
    static MADE: OnceLock<&str> = OnceLock::new();
    MADE.get_or_init(|| {
        let home = Home::new();
        let _kept = Images::kept();
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

/// A copy of all files of these sources that git knows, in a repository of its own: with its own times, and
/// free to be edited.
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

/// The author that git is given for commits.
const AUTHOR: [&str; 4] = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org"];

/// Commits the files of the working folder's `sources`.
fn commit(home: &Home) {
    git(home, &["add", "--all"]);
    git(home, &[&AUTHOR[..], &["commit", "--quiet", "--message", "Sources"]].concat());
}

/// Runs git in the working folder's `sources`; returns its output.
fn git(home: &Home, args: &[&str]) -> String {
    run(Command::new("git")
        .args(args)
        .current_dir(home.work().join("sources"))
        .env("HOME", home.path())
        .env("GIT_CONFIG_NOSYSTEM", "1"))
    .trim()
    .to_owned()
}

/// A runner that runs executions in the Docker engine, in this machine's network.
fn docker_runner() -> DockerRunner {
    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(DockerRunner::connect()).expect("an engine that answers").host_network(true)
}

/// Checks of a finished program.
pub trait Finished {
    /// Asserts the exit code, and shows all output if it is another.
    #[must_use]
    fn exits(self, code: i32) -> Self;

    /// All output as one text, with parts that differ from run to run replaced.
    #[must_use]
    fn transcript(&self) -> String;
}

impl Finished for Output {
    fn exits(self, code: i32) -> Self {
        self.expect_code(code);
        self
    }

    fn transcript(&self) -> String {
        // The phases that a poll sees depend on the machine, and so do the log lines that come first.
        let phases = r"(?m)^(queued|preparing the container|running|reading the result) \(.*\n";
        let phases = regex::Regex::new(phases).expect("valid");
        redact(&phases.replace_all(&self.to_string(), ""))
    }
}

/// Replaces what differs from run to run: execution names, request ids, times, ports.
#[must_use]
pub fn redact(text: &str) -> String {
    [
        (r"(quill-tasks-[a-z]+)-[a-z0-9]{5}\b", "$1-XXXXX"),
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

/// Waits for half a minute at most until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(2);
    while !holds() {
        assert!(Instant::now() < deadline, "not within two minutes: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
