//! The resources that the owner puts into the emulator: they are read in the API's JSON, and completed with the
//! fields that a server fills in.
//!
//! To add a kind of resource: a variant of `Kind` with its arms, a function that completes it, its map in `Saved`
//! (`store.rs`), a `put_…` method in `emulator.rs`, and its name in the README.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::error::Error;
use crate::job;
use crate::logs;
use crate::names;
use crate::project;
use crate::resource::defaults;
use crate::schema::{self, Fields};
use crate::store::Saved;

/// The kinds of resources that can be put there.
#[derive(Clone, Copy)]
enum Kind {
    Job,
    Service,
    Revision,
    SqlInstance,
    ServerCas,
    Repository,
    DockerImage,
    LogBucket,
    LogSink,
    Project,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", _, "locations", _, "jobs", _] => Some(Self::Job),
            ["projects", _, "locations", _, "services", _] => Some(Self::Service),
            ["projects", _, "locations", _, "services", _, "revisions", _] => Some(Self::Revision),
            ["projects", _, "locations", _, "buckets", _] => Some(Self::LogBucket),
            ["projects", _, "sinks", _] => Some(Self::LogSink),
            ["projects", _] => Some(Self::Project),
            ["projects", _, "instances", _] => Some(Self::SqlInstance),
            ["projects", _, "instances", _, "serverCas"] => Some(Self::ServerCas),
            ["projects", _, "locations", _, "repositories", _] => Some(Self::Repository),
            ["projects", _, "locations", _, "repositories", _, "dockerImages", image]
                if image.contains("@sha256:") =>
            {
                Some(Self::DockerImage)
            }
            _ => None,
        }
    }

    fn message(self) -> &'static str {
        match self {
            Self::Job => "google.cloud.run.v2.Job",
            Self::Service => "google.cloud.run.v2.Service",
            Self::Revision => "google.cloud.run.v2.Revision",
            Self::SqlInstance => "google.cloud.sql.v1.DatabaseInstance",
            Self::ServerCas => "google.cloud.sql.v1.InstancesListServerCasResponse",
            Self::Repository => "google.devtools.artifactregistry.v1.Repository",
            Self::DockerImage => "google.devtools.artifactregistry.v1.DockerImage",
            Self::LogBucket => "google.logging.v2.LogBucket",
            Self::LogSink => "google.logging.v2.LogSink",
            Self::Project => "google.cloud.resourcemanager.v3.Project",
        }
    }

    fn places(self, saved: &Saved) -> &std::collections::BTreeMap<String, Value> {
        match self {
            Self::Job => &saved.jobs,
            Self::Service => &saved.services,
            Self::Revision => &saved.revisions,
            Self::SqlInstance => &saved.sql_instances,
            Self::ServerCas => &saved.server_cas,
            Self::Repository => &saved.repositories,
            Self::DockerImage => &saved.docker_images,
            Self::LogBucket => &saved.log_buckets,
            Self::LogSink => &saved.log_sinks,
            Self::Project => &saved.projects,
        }
    }

    fn place(self, saved: &mut Saved) -> &mut std::collections::BTreeMap<String, Value> {
        match self {
            Self::Job => &mut saved.jobs,
            Self::Service => &mut saved.services,
            Self::Revision => &mut saved.revisions,
            Self::SqlInstance => &mut saved.sql_instances,
            Self::ServerCas => &mut saved.server_cas,
            Self::Repository => &mut saved.repositories,
            Self::DockerImage => &mut saved.docker_images,
            Self::LogBucket => &mut saved.log_buckets,
            Self::LogSink => &mut saved.log_sinks,
            Self::Project => &mut saved.projects,
        }
    }
}

impl Cloud {
    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        let kind = Kind::of(name)?;
        let name = name.trim_end_matches("/serverCas");
        self.store.read(|state| kind.places(&state.saved).get(name).cloned())
    }

    pub(crate) fn put(&self, name: &str, resource: &Value) -> Result<(), Error> {
        let invalid = |reason: String| Error::Invalid { resource: name.to_owned(), reason };
        let Some(kind) = Kind::of(name) else {
            return Err(invalid("it is not the name of anything that can be put there".to_owned()));
        };
        let mut value = schema::read(kind.message(), "", resource, Fields::All).map_err(|violations| {
            let reasons: Vec<String> = violations.into_iter().map(|v| v.description).collect();
            invalid(reasons.join("; "))
        })?;
        match kind {
            Kind::Job => {
                value = job::complete(name, value, None, &self.options.caller)
                    .map_err(|error| invalid(error.to_string()))?;
            }
            Kind::Service | Kind::Revision => complete(name, &mut value),
            Kind::SqlInstance => complete_sql_instance(name, &mut value),
            Kind::ServerCas => defaults(&mut value, [("kind", json!("sql#instancesListServerCas"))]),
            Kind::Repository => complete_repository(name, &mut value),
            Kind::DockerImage => complete_docker_image(name, &mut value),
            Kind::LogBucket => complete_log_bucket(name, &mut value),
            Kind::LogSink => complete_log_sink(name, &mut value),
            Kind::Project => project::complete(name, &mut value),
        }
        self.store.change(|state| {
            state.ensure_project(names::part(name, "projects"));
            if matches!(kind, Kind::DockerImage) {
                take_tags(&mut state.saved, name, &value);
            }
            let name = name.trim_end_matches("/serverCas");
            kind.place(&mut state.saved).insert(name.to_owned(), value);
        });
        Ok(())
    }

    pub(crate) fn put_policy(&self, project: &str, policy: &Value) -> Result<(), Error> {
        let name = format!("projects/{project}");
        let invalid = |reason: String| Error::Invalid { resource: format!("{name}'s policy"), reason };
        let mut value =
            schema::read("google.iam.v1.Policy", "", policy, Fields::All).map_err(|violations| {
                let reasons: Vec<String> = violations.into_iter().map(|v| v.description).collect();
                invalid(reasons.join("; "))
            })?;
        // The etag is bytes, which JSON has in base64.
        defaults(&mut value, [("version", json!(1)), ("etag", json!("BwYXPdhk7eA="))]);
        self.store.change(|state| {
            state.ensure_project(project);
            state.saved.policies.insert(name, value);
        });
        Ok(())
    }

    pub(crate) fn set_enabled(&self, project: &str, service: &str, enabled: bool) {
        let name = format!("projects/{project}/services/{service}");
        self.store.change(|state| {
            state.ensure_project(project);
            if enabled {
                state.saved.disabled_services.remove(&name);
            } else {
                state.saved.disabled_services.insert(name);
            }
        });
    }

    pub(crate) fn put_log_entry(&self, entry: &Value) -> Result<(), Error> {
        let invalid = |reason: String| Error::Invalid { resource: "the log entry".to_owned(), reason };
        let value =
            schema::read("google.logging.v2.LogEntry", "", entry, Fields::All).map_err(|violations| {
                let reasons: Vec<String> = violations.into_iter().map(|v| v.description).collect();
                invalid(reasons.join("; "))
            })?;
        let Value::Object(entry) = value else {
            return Err(invalid("it is not an object".to_owned()));
        };
        if !entry.contains_key("logName") {
            return Err(invalid("it has no logName".to_owned()));
        }
        self.store.change(|state| logs::add(&self.options, state, entry, std::time::Duration::ZERO));
        Ok(())
    }
}

/// Fills in the fields that every service and revision has, and that a test does not care for.
fn complete(name: &str, resource: &mut Value) {
    let now = jiff::Timestamp::now();
    resource["name"] = json!(name);
    defaults(
        resource,
        [
            ("uid", json!(uuid::Uuid::new_v4())),
            ("generation", json!("1")),
            ("observedGeneration", json!("1")),
            ("createTime", json!(now.to_string())),
            ("updateTime", json!(now.to_string())),
            ("launchStage", json!("GA")),
            ("etag", json!(names::etag(name, now))),
        ],
    );
}

/// Fills in the fields of a healthy Cloud SQL instance. The region is the default of Google's own forms.
fn complete_sql_instance(full_name: &str, instance: &mut Value) {
    let project = names::part(full_name, "projects");
    let name = names::short_name(full_name);
    instance["name"] = json!(name);
    instance["project"] = json!(project);
    defaults(
        instance,
        [
            ("kind", json!("sql#instance")),
            ("state", json!("RUNNABLE")),
            ("region", json!("us-central1")),
            ("backendType", json!("SECOND_GEN")),
            ("instanceType", json!("CLOUD_SQL_INSTANCE")),
            ("createTime", json!(jiff::Timestamp::now().to_string())),
            ("selfLink", json!(format!("https://sqladmin.googleapis.com/v1/{full_name}"))),
        ],
    );
    let region = instance["region"].as_str().unwrap_or_default();
    let connection = json!(format!("{project}:{region}:{name}"));
    defaults(instance, [("connectionName", connection)]);
    if let Some(settings) = instance.get_mut("settings") {
        defaults(settings, [("kind", json!("sql#settings")), ("settingsVersion", json!("1"))]);
    }
}

fn complete_log_bucket(name: &str, bucket: &mut Value) {
    let now = json!(jiff::Timestamp::now().to_string());
    bucket["name"] = json!(name);
    defaults(
        bucket,
        [
            ("retentionDays", json!(30)),
            ("lifecycleState", json!("ACTIVE")),
            ("createTime", now.clone()),
            ("updateTime", now),
        ],
    );
}

/// A sink into a bucket of its own project has no writer; who puts one into another project says whose it is.
fn complete_log_sink(name: &str, sink: &mut Value) {
    let now = json!(jiff::Timestamp::now().to_string());
    sink["name"] = json!(names::short_name(name));
    defaults(sink, [("createTime", now.clone()), ("updateTime", now)]);
}

fn complete_repository(name: &str, repository: &mut Value) {
    let now = jiff::Timestamp::now().to_string();
    repository["name"] = json!(name);
    defaults(
        repository,
        [
            ("format", json!("DOCKER")),
            ("mode", json!("STANDARD_REPOSITORY")),
            ("createTime", json!(now)),
            ("updateTime", json!(now)),
            ("registryUri", json!(registry_uri(name))),
        ],
    );
}

fn complete_docker_image(name: &str, image: &mut Value) {
    let now = jiff::Timestamp::now().to_string();
    image["name"] = json!(name);
    let uploaded = image.get("uploadTime").cloned().unwrap_or(json!(now));
    defaults(
        image,
        [
            ("uri", json!(format!("{}/{}", registry_uri(name), names::short_name(name)))),
            ("mediaType", json!("application/vnd.docker.distribution.manifest.v2+json")),
            ("updateTime", uploaded.clone()),
            ("uploadTime", uploaded),
        ],
    );
}

/// `europe-west2-docker.pkg.dev/project/repository`
fn registry_uri(name: &str) -> String {
    let part = |collection| names::part(name, collection);
    format!("{}-docker.pkg.dev/{}/{}", part("locations"), part("projects"), part("repositories"))
}

/// A tag names one digest of an image: the one it was given to last.
fn take_tags(saved: &mut Saved, name: &str, image: &Value) {
    let family = |name: &str| name.split('@').next().map(str::to_owned);
    let taken = image["tags"].as_array().cloned().unwrap_or_default();
    for (other, value) in &mut saved.docker_images {
        if family(other) != family(name) {
            continue;
        }
        if let Some(tags) = value["tags"].as_array_mut() {
            tags.retain(|tag| !taken.contains(tag));
            if tags.is_empty()
                && let Some(object) = value.as_object_mut()
            {
                object.remove("tags");
            }
        }
    }
}
