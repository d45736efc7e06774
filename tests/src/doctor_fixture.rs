//! The fixture of a healthy environment, which the tests of the doctor look at and damage.
//!
//! To add a resource: see `healthy.rs` of the crate `testkit`.

use std::fs;

use cloud_emulator::{Builder, Emulator, ImageProgram, ProcessRunner, Runner};
use jiff::{SignedDuration, Timestamp};
use quill_admin_testkit::bin;
pub use quill_admin_testkit::healthy::{ADDRESS, SECRET, instance};
use quill_admin_testkit::healthy::{Healthy, Target, admin_image, set_variable};
use quill_admin_testkit::home::Run;
use quill_admin_testkit::postgres::Database;
use quill_admin_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::{ENTRY_POINT, JOB, PROJECT, REPOSITORY, World};

/// The id of the Cloud SQL instance.
pub const INSTANCE: &str = "quill-core-staging";
/// The full name of the backend's service.
pub const SERVICE: &str =
    "projects/quill-medical-staging/locations/europe-west2/services/quill-backend-staging";
/// The time so many days ago, RFC 3339.
#[must_use]
pub fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A fixture with a cloud that has everything a job needs, a registry behind a proxy, and a sign-in of
/// gcloud.
pub struct DoctorFixture {
    /// The cloud, and the folder in which commands are run.
    pub world: World,
    /// The registry behind the image's address.
    pub registry: Registry,
    /// The proxy in front of the registry; the image's name has its address.
    pub proxy: Proxy,
    /// The healthy environment. Its image was built some days ago, whenever the test runs.
    pub healthy: Healthy,
}

impl std::fmt::Debug for DoctorFixture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DoctorFixture").finish_non_exhaustive()
    }
}

impl DoctorFixture {
    /// A fixture in which everything is healthy.
    #[must_use]
    pub fn healthy() -> Self {
        Self::at(Emulator::builder())
    }

    /// The same fixture with the real executor and a real database.
    #[must_use]
    pub fn with_database(database: &Database) -> Self {
        let runner = ProcessRunner::new()
            .image(REPOSITORY, ImageProgram::new(bin::executor()).entry_point(ENTRY_POINT));
        let environment = Self::at(Emulator::builder().runner(Runner::Process(runner)));
        let file = environment.world.home.read("environments.yaml");
        let names = format!("name: {}, user: {}", database.name, database.user);
        environment
            .world
            .home
            .write("environments.yaml", &file.replace("name: quill_core, user: quill", &names));
        let emulator = &environment.world.emulator;
        emulator.put_secret(PROJECT, SECRET, database.password.clone());
        let mut instance = instance();
        instance["ipAddresses"][0]["ipAddress"] = json!("127.0.0.1");
        let ca = fs::read_to_string(database.ca_file()).expect("the authority's certificate");
        instance["serverCaCert"]["cert"] = json!(ca);
        emulator.put_sql_instance(PROJECT, INSTANCE, instance).expect("a valid instance");
        let mut job = environment.healthy.job_on(database);
        set_variable(&mut job, "AUTH_DB_HOST", "127.0.0.1");
        Target { tls: "verify-ca", cas: vec![ca], ..Target::of(database) }.put_into(&mut job);
        emulator.put_job(JOB, job).expect("a valid job");
        environment
    }

    fn at(builder: Builder) -> Self {
        let registry = Registry::start();
        let proxy = Proxy::to(&registry.address());
        let world = World::start(builder, &proxy.address());
        let built = days_ago(10);
        let digest = registry.push(REPOSITORY, "latest", &admin_image(&built));
        let healthy = Healthy { digest, built, ..Healthy::new("staging", &proxy.address()) };
        let environment = Self { world, registry, proxy, healthy };
        environment.world.home.write("bin/gcloud", "#!/bin/sh\n");
        environment.world.home.write("VERSION", "528.0.0\n");
        environment.make_healthy();
        environment
    }

    /// Restores all resources of the environment to their healthy state.
    pub fn make_healthy(&self) {
        let emulator = &self.world.emulator;
        emulator.set_faults([]);
        emulator.deny_permissions(Vec::<String>::new());
        for (path, what) in self.healthy.puts() {
            self.world.put(&path, &what);
        }
    }

    /// Puts a job that differs in one field.
    pub fn put_job(&self, pointer: &str, value: Value) {
        let mut job = self.healthy.job();
        *job.pointer_mut(pointer).unwrap_or_else(|| panic!("the job has no {pointer}")) = value;
        self.world.emulator.put_job(JOB, job).expect("a valid job");
    }

    /// The image's name without tag.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/{REPOSITORY}", self.proxy.address())
    }

    /// Prepares a run of `doctor --env staging`.
    pub fn doctor<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let bin = self.world.home.work().join("bin");
        let path = format!("{}:/usr/bin:/bin", bin.display());
        self.world.quill_admin(["doctor", "--env", "staging"].into_iter().chain(args)).env("PATH", path)
    }
}

/// The configuration of the admin image, with other fields.
#[must_use]
pub fn image(other: &Value) -> Value {
    let mut image = admin_image(&days_ago(10));
    for (name, value) in other.as_object().into_iter().flatten() {
        image[name] = value.clone();
    }
    image
}
