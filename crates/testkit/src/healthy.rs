//! The fixture of a healthy environment: its resources of Google Cloud, in the JSON of the APIs.
//!
//! To add a resource: its JSON here, and its path in [`Healthy::puts`].
//!
//! A test that needs an environment takes this one and changes only the differences, so that a job looks the
//! same in all tests. The emulator takes all of it through its control API, and each part through its
//! library.

use serde_json::{Value, json};

use crate::postgres::Database;

/// The private address of the database.
pub const ADDRESS: &str = "10.0.0.3";
/// The secret that holds the database's password.
pub const SECRET: &str = "core-db-password";
/// The bucket in which Terraform keeps the states of all environments.
pub const STATE_BUCKET: &str = "quill-medical-terraform-state";
/// The host of Google Cloud's registry.
pub const REGISTRY: &str = "europe-west2-docker.pkg.dev";
/// The git revision that the admin image was built from.
const REVISION: &str = "0123456789abcdef0123456789abcdef01234567";

/// The certificate of the authority that signs the database's, in PEM: the one in the tests of the Terraform
/// module.
pub const CA: &str = include_str!("../../../infra/modules/cloud-run-job/tests/ca-current.pem");
/// The authority that will sign it after the next rotation.
pub const NEXT_CA: &str = include_str!("../../../infra/modules/cloud-run-job/tests/ca-next.pem");

/// An environment. Everything in it is named after it, as in `environments.yaml`.
#[derive(Debug, Clone)]
pub struct Healthy {
    /// The environment's name.
    pub environment: String,
    /// The registry and folder with which names of images begin.
    pub registry: String,
    /// The digest of the admin image that the job runs.
    pub digest: String,
    /// The time when that image was built, RFC 3339.
    pub built: String,
}

impl Healthy {
    /// An environment whose images are at this registry. The registry need not exist: the digest is invented.
    #[must_use]
    pub fn new(environment: &str, registry: &str) -> Self {
        Self {
            environment: environment.to_owned(),
            registry: registry.to_owned(),
            digest: "sha256:4b825dc642cb6eb9a060e54bf8d69288fbee4904f1a5b7d4a1e0b1b7c0ffee00".to_owned(),
            built: "2026-08-01T10:00:00Z".to_owned(),
        }
    }

    /// The id of the project.
    #[must_use]
    pub fn project(&self) -> String {
        format!("quill-medical-{}", self.environment)
    }

    /// The full name of a resource in the project's region.
    fn named(&self, kind: &str, id: &str) -> String {
        format!("projects/{}/locations/europe-west2/{kind}/{id}", self.project())
    }

    /// The full name of the job.
    #[must_use]
    pub fn job_name(&self) -> String {
        self.named("jobs", &format!("quill-tasks-{}", self.environment))
    }

    /// The account that the job runs as.
    #[must_use]
    pub fn account(&self) -> String {
        format!("quill-tasks-{}@{}.iam.gserviceaccount.com", self.environment, self.project())
    }

    /// The full name of the backend's service.
    #[must_use]
    pub fn service_name(&self) -> String {
        self.named("services", &format!("quill-backend-{}", self.environment))
    }

    /// The full name of one of its revisions; they are numbered from 1.
    #[must_use]
    pub fn revision_name(&self, number: u32) -> String {
        format!("{}/revisions/quill-backend-{}-{number:05}-abc", self.service_name(), self.environment)
    }

    /// The full name of the repository in Artifact Registry.
    #[must_use]
    pub fn repository_name(&self) -> String {
        self.named("repositories", "quill")
    }

    /// The id of the Cloud SQL instance.
    #[must_use]
    pub fn instance_id(&self) -> String {
        format!("quill-core-{}", self.environment)
    }

    /// The repository of the admin image.
    #[must_use]
    pub fn admin_repository(&self) -> String {
        format!("{}/quill/tasks", self.project())
    }

    /// The backend's own image, pinned.
    #[must_use]
    pub fn backend_image(&self) -> String {
        format!("{}/{}/quill/backend@sha256:{:064}", self.registry, self.project(), 7)
    }

    /// The job in the state in which `build` leaves it. Its image speaks the oldest version of the contract.
    #[must_use]
    pub fn job(&self) -> Value {
        let Self { environment, registry, digest, built } = self;
        let secret = json!({"secretKeyRef": {"secret": SECRET, "version": "latest"}});
        json!({
            "annotations": {
                "admin.quill-medical.org/contract": "1",
                "admin.quill-medical.org/revision": REVISION,
                "admin.quill-medical.org/built": built,
                "admin.quill-medical.org/image-digest": digest,
            },
            "template": {"taskCount": 1, "template": {
                "containers": [{
                    "image": format!("{registry}/{}@{digest}", self.admin_repository()),
                    "command": Target::default().command(),
                    "env": [
                        {"name": "AUTH_DB_HOST", "value": ADDRESS},
                        {"name": "AUTH_DB_NAME", "value": "quill_core"},
                        {"name": "AUTH_DB_USER", "value": "quill"},
                        {"name": "AUTH_DB_SSLMODE", "value": "require"},
                        {"name": "AUTH_DB_PASSWORD", "valueSource": secret},
                    ],
                }],
                "maxRetries": 0,
                "timeout": "300s",
                "serviceAccount": self.account(),
                "vpcAccess": {
                    "connector": format!("quill-vpc-cx-{environment}"),
                    "egress": "PRIVATE_RANGES_ONLY",
                },
            }},
        })
    }

    /// The same job with an existing database.
    #[must_use]
    pub fn job_on(&self, database: &Database) -> Value {
        let mut job = self.job();
        for (name, value) in [
            ("AUTH_DB_HOST", Target::of(database).host),
            ("AUTH_DB_PORT", database.port.to_string()),
            ("AUTH_DB_NAME", database.name.clone()),
            ("AUTH_DB_USER", database.user.clone()),
        ] {
            set_variable(&mut job, name, &value);
        }
        Target::of(database).put_into(&mut job);
        job
    }

    /// A ready revision of the backend.
    #[must_use]
    pub fn revision(&self) -> Value {
        json!({
            "containers": [{"image": self.backend_image()}],
            "conditions": [ready()],
            "createTime": "2026-10-01T00:00:00Z",
        })
    }

    /// The backend's service, of which the first revision serves.
    #[must_use]
    pub fn service(&self) -> Value {
        json!({
            "template": {"containers": [{"image": self.backend_image()}]},
            "latestCreatedRevision": self.revision_name(1),
            "latestReadyRevision": self.revision_name(1),
            "terminalCondition": ready(),
            "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        })
    }

    /// All resources of the environment: each is PUT to this path of an emulator's control API.
    #[must_use]
    pub fn puts(&self) -> Vec<(String, Value)> {
        let project = self.project();
        let audit = json!({"service": "allServices", "auditLogConfigs": [{"logType": "DATA_WRITE"}]});
        let resource = |name: String| format!("/emulator/resources/{name}");
        vec![
            (format!("/emulator/policies/{project}"), json!({"auditConfigs": [audit]})),
            (resource(format!("projects/{project}")), json!({})),
            (format!("/emulator/objects/{STATE_BUCKET}"), Value::Null),
            (
                format!("/emulator/secrets/projects/{project}/secrets/{SECRET}"),
                json!({
                    "value": "planted-database-password",
                    "readers": [format!("serviceAccount:{}", self.account())],
                }),
            ),
            (resource(self.repository_name()), json!({})),
            (resource(format!("projects/{project}/instances/{}", self.instance_id())), instance()),
            (resource(self.job_name()), self.job()),
            (resource(self.revision_name(1)), self.revision()),
            (resource(self.service_name()), self.service()),
        ]
    }
}

fn ready() -> Value {
    json!({"type": "Ready", "state": "CONDITION_SUCCEEDED"})
}

/// The Cloud SQL instance, with an authority of its own.
#[must_use]
pub fn instance() -> Value {
    json!({
        "databaseVersion": "POSTGRES_15",
        "ipAddresses": [{"type": "PRIVATE", "ipAddress": ADDRESS}],
        "serverCaCert": {"cert": CA, "sha1Fingerprint": "current"},
        "settings": {"ipConfiguration": {
            "sslMode": "ENCRYPTED_ONLY",
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        }},
    })
}

/// The target of a job: the database in its command. The crate contract has the real type, which the tests of
/// the emulator and of this crate must not need.
#[derive(Debug, Clone)]
pub struct Target {
    /// The address of the database.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The name of the database.
    pub name: String,
    /// The user.
    pub user: String,
    /// A mode of libpq's `sslmode`.
    pub tls: &'static str,
    /// The certificates to trust, in PEM.
    pub cas: Vec<String>,
}

impl Default for Target {
    /// The environment's own database.
    fn default() -> Self {
        Self {
            host: ADDRESS.to_owned(),
            port: 5432,
            name: "quill_core".to_owned(),
            user: "quill".to_owned(),
            tls: "verify-ca",
            cas: vec![CA.to_owned()],
        }
    }
}

impl Target {
    /// The target for an existing database. The embedded database has no TLS.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        // A target has an address, and not a name.
        let host = if database.host == "localhost" { "127.0.0.1".to_owned() } else { database.host.clone() };
        let (name, user) = (database.name.clone(), database.user.clone());
        Self { host, port: database.port, name, user, tls: "prefer", cas: Vec::new() }
    }

    /// The target as JSON, with its keys in order.
    #[must_use]
    pub fn json(&self) -> String {
        let mut cas: Vec<&str> = self.cas.iter().map(|ca| ca.trim()).collect();
        cas.sort_unstable();
        json!({
            "cas": cas,
            "host": self.host,
            "name": self.name,
            "port": self.port,
            "schema": "public",
            "server_name": null,
            "tls": self.tls,
            "user": self.user,
        })
        .to_string()
    }

    /// The command of a job for this target.
    #[must_use]
    pub fn command(&self) -> Value {
        json!(["/quill-admin-executor", "--target", self.json()])
    }

    /// Sets the command of a job to this target.
    pub fn put_into(&self, job: &mut Value) {
        job["template"]["template"]["containers"][0]["command"] = self.command();
    }
}

/// The configuration of the admin image (OCI image specification, config.md).
#[must_use]
pub fn admin_image(created: &str) -> Value {
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {"Labels": {
            "org.opencontainers.image.title": "quill-admin-executor",
            "org.opencontainers.image.revision": REVISION,
            "org.quill-medical.admin.contract": "1",
        }},
    })
}

/// Sets a variable of a job's container, or replaces its value.
pub fn set_variable(job: &mut Value, name: &str, value: &str) {
    let env = &mut job["template"]["template"]["containers"][0]["env"];
    let env = env.as_array_mut().expect("the container has a list of variables");
    let wanted = json!({"name": name, "value": value});
    match env.iter_mut().find(|variable| variable["name"] == name) {
        Some(variable) => *variable = wanted,
        None => env.push(wanted),
    }
}
