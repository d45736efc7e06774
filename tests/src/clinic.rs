//! An environment in good health, for the doctor to look at and for tests to make ill.

use cloud_emulator::{Builder, Emulator, ImageProgram, ProcessRunner, Runner};
use jiff::{SignedDuration, Timestamp};
use quill_admin_testkit::bin;
use quill_admin_testkit::home::Run;
use quill_admin_testkit::postgres::Database;
use quill_admin_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::proxy::Proxy;
use crate::{JOB, PROJECT, World};

/// The repository of the admin image, in the registry.
pub const REPOSITORY: &str = "quill-medical-staging/quill/admin";
/// The Cloud SQL instance.
pub const INSTANCE: &str = "quill-auth-staging";
/// Its private address.
pub const ADDRESS: &str = "10.0.0.3";
/// The secret with the database's password.
pub const SECRET: &str = "auth-db-password";
/// The Artifact Registry repository.
pub const ARTIFACTS: &str = "projects/quill-medical-staging/locations/europe-west2/repositories/quill";
/// The backend.
pub const SERVICE: &str =
    "projects/quill-medical-staging/locations/europe-west2/services/quill-backend-staging";
/// A time so many days ago, RFC 3339.
#[must_use]
pub fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A cloud with everything a job needs, a registry behind a proxy, and somebody's gcloud.
pub struct Clinic {
    /// The cloud, and where commands are run.
    pub world: World,
    /// What stands behind the image's address.
    pub registry: Registry,
    /// In front of the registry; the image's name has its address.
    pub proxy: Proxy,
    /// The digest of the admin image.
    pub digest: String,
    /// When it was built: some days ago, whenever that is.
    pub built: String,
}

impl Clinic {
    /// Everything is well.
    #[must_use]
    pub fn healthy() -> Self {
        Self::at(Emulator::builder())
    }

    /// The same, with the real executor against a real database.
    #[must_use]
    pub fn with_database(database: &Database) -> Self {
        let runner = ProcessRunner::new().image(REPOSITORY, ImageProgram::new(bin::executor()));
        let clinic = Self::at(Emulator::builder().runner(Runner::Process(runner)));
        let file = clinic.world.home.read("environments.yaml");
        let names = format!("name: {}, user: {}", database.name, database.user);
        clinic.world.home.write("environments.yaml", &file.replace("name: quill_auth, user: quill", &names));
        let emulator = &clinic.world.emulator;
        emulator.put_secret(PROJECT, SECRET, database.password.clone());
        let mut instance = instance();
        instance["ipAddresses"][0]["ipAddress"] = json!("127.0.0.1");
        emulator.put_sql_instance(PROJECT, INSTANCE, instance).expect("a valid instance");
        let mut job = clinic.job();
        let env = job["template"]["template"]["containers"][0]["env"].as_array_mut().expect("a list");
        for (name, value) in [
            ("AUTH_DB_HOST", "127.0.0.1"),
            ("AUTH_DB_NAME", &database.name),
            ("AUTH_DB_USER", &database.user),
        ] {
            let variable = env.iter_mut().find(|variable| variable["name"] == name);
            variable.expect("it is there")["value"] = json!(value);
        }
        env.push(json!({"name": "AUTH_DB_PORT", "value": database.port.to_string()}));
        emulator.put_job(JOB, job).expect("a valid job");
        clinic
    }

    fn at(builder: Builder) -> Self {
        let registry = Registry::start();
        let proxy = Proxy::to(&registry.address());
        let world = World::start(builder, &proxy.address());
        let built = days_ago(10);
        let digest = registry.push(REPOSITORY, "latest", &image(&json!({"created": built})));
        let clinic = Self { world, registry, proxy, digest, built };
        clinic.world.home.write("bin/gcloud", "#!/bin/sh\n");
        clinic.world.home.write("VERSION", "528.0.0\n");
        clinic.cure();
        clinic
    }

    /// Puts everything there as it should be, in place of what a test has made of it.
    pub fn cure(&self) {
        let emulator = &self.world.emulator;
        emulator.set_faults([]);
        emulator.deny_permissions(Vec::<String>::new());
        let audit = json!({"service": "allServices", "auditLogConfigs": [{"logType": "DATA_WRITE"}]});
        emulator.put_iam_policy(PROJECT, json!({"auditConfigs": [audit]})).expect("a valid policy");
        emulator.put_project(PROJECT, json!({})).expect("a valid project");
        emulator.put_repository(ARTIFACTS, json!({})).expect("a valid repository");
        emulator.put_sql_instance(PROJECT, INSTANCE, instance()).expect("a valid instance");
        emulator.put_secret(PROJECT, SECRET, "planted-database-password");
        emulator.put_job(JOB, self.job()).expect("a valid job");
        let backend =
            format!("{}/quill-medical-staging/quill/backend@sha256:{:064}", self.proxy.address(), 7);
        let revision = format!("{SERVICE}/revisions/quill-backend-staging-00001-abc");
        let ready = json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"});
        let made = json!({
            "containers": [{"image": backend}],
            "conditions": [ready],
            "createTime": "2026-10-01T00:00:00Z",
        });
        emulator.put_revision(&revision, made).expect("a valid revision");
        let service = json!({
            "template": {"containers": [{"image": backend}]},
            "latestCreatedRevision": revision,
            "latestReadyRevision": revision,
            "terminalCondition": ready,
            "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        });
        emulator.put_service(SERVICE, service).expect("a valid service");
    }

    /// The job as `build` leaves it.
    #[must_use]
    pub fn job(&self) -> Value {
        json!({
            "annotations": {
                "admin.quill-medical.org/contract": "1",
                "admin.quill-medical.org/revision": "0123456789abcdef0123456789abcdef01234567",
                "admin.quill-medical.org/built": self.built,
                "admin.quill-medical.org/image-digest": self.digest,
            },
            "template": {"taskCount": 1, "template": {
                "containers": [{
                    "image": format!("{}@{}", self.image(), self.digest),
                    "env": [
                        {"name": "AUTH_DB_HOST", "value": ADDRESS},
                        {"name": "AUTH_DB_NAME", "value": "quill_auth"},
                        {"name": "AUTH_DB_USER", "value": "quill"},
                        {"name": "AUTH_DB_SSLMODE", "value": "require"},
                        {"name": "AUTH_DB_PASSWORD", "valueSource": {"secretKeyRef": {"secret": SECRET, "version": "latest"}}},
                    ],
                }],
                "maxRetries": 0,
                "timeout": "300s",
                "serviceAccount": format!("quill-admin-staging@{PROJECT}.iam.gserviceaccount.com"),
                "vpcAccess": {"connector": "quill-vpc-cx-staging", "egress": "PRIVATE_RANGES_ONLY"},
            }},
        })
    }

    /// Puts a job there that differs in one field.
    pub fn put_job(&self, pointer: &str, value: Value) {
        let mut job = self.job();
        *job.pointer_mut(pointer).unwrap_or_else(|| panic!("the job has no {pointer}")) = value;
        self.world.emulator.put_job(JOB, job).expect("a valid job");
    }

    /// The image's name without tag.
    #[must_use]
    pub fn image(&self) -> String {
        format!("{}/{REPOSITORY}", self.proxy.address())
    }

    /// `doctor --env staging`.
    pub fn doctor<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Run {
        let bin = self.world.home.work().join("bin");
        let path = format!("{}:/usr/bin:/bin", bin.display());
        self.world.quill_admin(["doctor", "--env", "staging"].into_iter().chain(args)).env("PATH", path)
    }
}

/// A Cloud SQL instance in good health.
#[must_use]
pub fn instance() -> Value {
    json!({
        "databaseVersion": "POSTGRES_15",
        "ipAddresses": [{"type": "PRIVATE", "ipAddress": ADDRESS}],
        "settings": {"ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}},
    })
}

/// The configuration of the admin image, with other fields.
#[must_use]
pub fn image(other: &Value) -> Value {
    let mut image = json!({
        "architecture": "amd64",
        "os": "linux",
        "created": days_ago(10),
        "config": {"Labels": {
            "org.opencontainers.image.title": "quill-admin-executor",
            "org.opencontainers.image.revision": "0123456789abcdef0123456789abcdef01234567",
            "org.quill-medical.admin.contract": "1",
        }},
    });
    for (name, value) in other.as_object().into_iter().flatten() {
        image[name] = value.clone();
    }
    image
}
