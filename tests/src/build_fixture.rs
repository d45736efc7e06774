//! The fixture for building images: a world with a registry of its own, and small sources.
//!
//! The sources are a git repository whose Dockerfile has the labels of the real one and compiles nothing, so
//! that a build takes a moment; `tests/image.rs` tests the real one.
//!
//! To add another kind of fixture: a constructor of [`BuildFixture`] that calls `at`.

use quill_admin_testkit::docker::{Images, root};
use quill_admin_testkit::healthy::instance;
use quill_admin_testkit::home::Run;
use quill_admin_testkit::registry::{Registry, TOKEN};
use serde_json::json;

use crate::proxy::Proxy;
use crate::{PROJECT, REPOSITORY, World, staging};
use cloud_emulator::{Emulator, Runner};

/// The Dockerfile's path in the sources.
pub const DOCKERFILE: &str = "docker/Dockerfile";

/// A fixture with a cloud that has everything but the job, a registry behind a proxy, and sources.
pub struct BuildFixture {
    /// The cloud, and the folder in which commands are run.
    pub world: World,
    /// The registry behind the image's address.
    pub registry: Registry,
    /// The proxy in front of the registry; the image's name has its address.
    pub proxy: Proxy,
    token: bool,
    _images: Images,
}

impl std::fmt::Debug for BuildFixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BuildFixture").finish_non_exhaustive()
    }
}

impl BuildFixture {
    /// A fixture whose registry accepts every push.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Registry::start(), false, Emulator::builder())
    }

    /// A fixture whose registry wants the access token.
    #[must_use]
    pub fn with_token() -> Self {
        Self::at(Registry::with_token(), true, Emulator::builder())
    }

    /// A fixture with a cloud that the builder makes.
    #[must_use]
    pub fn with_cloud(builder: cloud_emulator::Builder) -> Self {
        Self::at(Registry::start(), false, builder)
    }

    /// A fixture whose executions run their image in the Docker engine, in this machine's network.
    #[must_use]
    pub fn with_containers() -> Self {
        let runner = Runner::Docker(crate::docker_runner());
        Self::at(Registry::start(), false, Emulator::builder().runner(runner))
    }

    fn at(registry: Registry, token: bool, builder: cloud_emulator::Builder) -> Self {
        let proxy = Proxy::to(&registry.address());
        let world = World::start(builder, &proxy.address());
        let (emulator, healthy) = (&world.emulator, staging());
        emulator.put_repository(&healthy.repository_name(), json!({})).expect("a valid repository");
        let mut instance = instance();
        instance["ipAddresses"][0]["ipAddress"] = json!("127.0.0.1");
        emulator.put_sql_instance(PROJECT, &healthy.instance_id(), instance).expect("a valid instance");
        // With the slash: one port may begin with another's digits.
        let images = Images::named(format!("{}/", proxy.address()));
        let builds = Self { world, registry, proxy, token, _images: images };
        if token {
            builds.world.home.write("token", TOKEN);
        }
        builds
    }

    /// Puts small sources into the working folder's `sources`, and commits them.
    pub fn sources(&self) {
        // The content cannot be compressed, so that its size shows in uploads, and it is always the same.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let program: String = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            format!("{state:016x}")
        })
        .take(8192)
        .collect();
        self.world.home.write("sources/program", &program);
        self.recipe("FROM --platform=linux/amd64 scratch AS admin\nCOPY program /program\n");
        self.world.home.write("sources/.dockerignore", ".dockerignore\n.git\n");
        self.git(&["init", "--quiet"]);
        self.commit();
    }

    /// Writes the Dockerfile: these lines, and the labels of the real one.
    pub fn recipe(&self, lines: &str) {
        let real = std::fs::read_to_string(root().join(DOCKERFILE)).expect("the repository has a recipe");
        let labels = real.find("ARG REVISION").map_or("", |start| &real[start..]);
        assert!(labels.contains("LABEL org.quill-medical.admin.contract"), "{real}");
        self.world.home.write(
            format!("sources/{DOCKERFILE}"),
            &format!("ARG BUILDER_IMAGE=example.invalid/none:1\n{lines}{labels}"),
        );
    }

    /// Commits the changes in the sources.
    pub fn commit(&self) {
        crate::commit(&self.world.home);
    }

    /// Runs git in the sources; returns its output.
    pub fn git(&self, args: &[&str]) -> String {
        crate::git(&self.world.home, args)
    }

    /// A command line of `quill-admin`, signed in where the registry asks for that.
    pub fn quill_admin<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let run = self.world.quill_admin(args);
        if self.token { run.args(["--access-token-file", "token"]) } else { run }
    }

    /// Prepares a run of `build --env staging` from the sources.
    pub fn build<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        self.quill_admin(["build", "--env", "staging", "--source", "sources"].into_iter().chain(args))
    }

    /// The image's name without tag.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/{REPOSITORY}", self.proxy.address())
    }

    /// The image that the job runs; `None` without a job.
    #[must_use]
    pub fn deployed(&self) -> Option<String> {
        let job = self.world.job()?;
        Some(job["template"]["template"]["containers"][0]["image"].as_str().expect("it has one").to_owned())
    }

    /// The requests with which content was sent to the registry.
    #[must_use]
    pub fn uploads(&self) -> Vec<String> {
        self.proxy
            .requests()
            .into_iter()
            .filter(|line| !line.starts_with("GET") && !line.starts_with("HEAD"))
            .collect()
    }
}

impl Default for BuildFixture {
    fn default() -> Self {
        Self::new()
    }
}
