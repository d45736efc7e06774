//! One environment, resolved: every placeholder is replaced, and every name checked.
//!
//! To add a key: its field in `file.rs`, its value in [`Environment`] and `resolve` here, and its line in
//! `reference.rs`; a test compares the two.

use std::path::{Path, PathBuf};

use quill_admin_cloud::{
    Egress, Endpoints, JobName, LogBucketName, ObjectName, Permission, ProjectId, Purpose, Region,
    ResourceId, ServiceName, is_on_loopback,
};
use quill_admin_contract::PublicKey;
use quill_admin_image::Repository;

use super::file::{Entry, File};
use super::hours::WorkingHours;
use super::source::Source;
use crate::error::CliError;

/// The project, job, image, database and other settings that commands for one environment use.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The name of the environment in the file.
    pub name: String,
    /// The file.
    pub source: Source,
    /// The job that runs tasks.
    pub job: JobName,
    /// The place in the file that names the job: file, line and column.
    pub job_place: String,
    /// The admin image's repository.
    pub image: Repository,
    /// The place in the file that names the repository.
    pub image_place: String,
    /// Whether the environment's name has to be typed before anything is started.
    pub protected: bool,
    /// Whether every change is previewed, shown and asked about before it is made.
    pub preview_required: bool,
    /// The hours in which it is usually worked on, where the file names them: a review marks what was run outside.
    pub working_hours: Option<WorkingHours>,
    /// The secret with the key that records are signed with, where the file names one.
    pub record_key_secret: Option<ResourceId>,
    /// The keys that verify records.
    pub record_keys: Vec<PublicKey>,
    /// The services behind the environment. Only `session/` and this module look at it: the rest of the
    /// program asks the questions below.
    pub(crate) place: Place,
    /// The name of the database.
    pub database_name: String,
    /// The database user that the executor connects as.
    pub database_user: String,
    /// The secret that holds that user's password.
    pub password_secret: ResourceId,
    /// Whether no task is run in a job whose command does not say which database it is for.
    pub target_required: bool,
    /// The Cloud SQL instance, where the file names one.
    pub database_instance: Option<ResourceId>,
    /// The account the job runs as, where the file names one.
    pub service_account: Option<String>,
    /// The connector through which the job reaches the VPC network, where the file names one.
    pub connector: Option<ResourceId>,
    /// The traffic that goes through the connector.
    pub egress: Option<Egress>,
    /// The application's own service, where the file names one.
    pub backend: Option<Backend>,
    /// The object by which Terraform locks the environment's state, where the file names one and there is
    /// something for Terraform to do.
    pub state_lock: Option<ObjectName>,
    /// The log bucket with the records, where the file names one.
    pub records: Option<Records>,
    /// The service account to act as.
    pub impersonate: Option<String>,
}

/// The log bucket that a sink puts the records into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// The bucket.
    pub bucket: LogBucketName,
    /// The number of days for which it has to keep them.
    pub retention_days: u32,
    /// Whether that has to be locked, so that nobody can shorten it.
    pub locked: bool,
}

/// The number of days for which records are kept unless the file says otherwise: seven years, two of which can be
/// leap years. It is the default of the Terraform module as well.
const RETENTION_DAYS: u32 = 2557;
/// The longest that Cloud Logging keeps entries, in days ("Configure log buckets").
const LONGEST_RETENTION: u32 = 3650;

/// The application's backend, which `restore-backend` repairs.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The Cloud Run service.
    pub service: ServiceName,
    /// The repository of its image.
    pub image: Repository,
    /// The tag that its image is pushed under.
    pub tag: String,
    /// Its Dockerfile, relative to the root of the sources.
    pub dockerfile: String,
    /// The stage of the Dockerfile that is the backend. It is never left to Docker, because the last stage is
    /// another one.
    pub target: String,
}

/// The services behind an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// Google Cloud.
    GoogleCloud,
    /// Services at these addresses, which speak Google Cloud's APIs, as the emulator does.
    Endpoints(Box<Endpoints>),
    /// The emulator and the embedded database, in this process; their state is below this folder.
    Embedded {
        /// `.quill-admin/local` beside the environments file; in the person's own folder for state, where there
        /// is no file.
        state: PathBuf,
    },
}

impl Environment {
    /// Whether a permission means something here: some are about what an environment may not have.
    #[must_use]
    pub fn needs(&self, permission: &Permission) -> bool {
        let is_of = |service: &str| permission.name.starts_with(service);
        let is_of_backend = permission.purpose == Purpose::RestoreBackend
            || is_of("run.services.")
            || is_of("run.revisions.");
        (self.state_lock.is_some() || !permission.is_of_bucket())
            && (self.record_key_secret.is_some() || !permission.is_of_record_key())
            && (self.records.is_some() || !permission.is_of_records())
            && (self.backend.is_some() || !is_of_backend)
            && (self.database_instance.is_some() || !is_of("cloudsql."))
            && (self.artifact_repository().is_some() || !is_of("artifactregistry."))
    }

    /// Location, project and repository of the admin image `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE`; `None`
    /// where it is not in Artifact Registry. For a registry on this machine the location is the environment's region,
    /// so that the emulator is asked in the same way.
    #[must_use]
    pub fn artifact_repository(&self) -> Option<(Region, String, String)> {
        let mut parts = self.image.path().split('/');
        let (project, repository) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        parts.next()?;
        let location = match self.image.registry().strip_suffix("-docker.pkg.dev") {
            Some(location) => location.parse().ok()?,
            None if self.image.is_loopback() => self.job.region.clone(),
            None => return None,
        };
        Some((location, project, repository))
    }

    /// The addresses of its services, as far as they are not Google's own.
    #[must_use]
    pub fn endpoints(&self) -> Endpoints {
        self.place.endpoints()
    }

    /// Whether it is started by this program, on this machine.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.state_dir().is_some()
    }

    /// The folder with the state of the embedded environment; `None` for every other.
    #[must_use]
    pub fn state_dir(&self) -> Option<&Path> {
        match &self.place {
            Place::Embedded { state } => Some(state),
            Place::GoogleCloud | Place::Endpoints(_) => None,
        }
    }

    /// Whether a job is the environment's own, which runs its tasks, and not one of the application's.
    #[must_use]
    pub fn is_own(&self, job: &JobName) -> bool {
        self.job == *job
    }

    /// Whether a task goes on when this program ends.
    #[must_use]
    pub fn outlives_us(&self) -> bool {
        !self.is_embedded()
    }

    /// Whether its job has surroundings that can be examined: a project, permissions, a registry, the
    /// application's backend.
    #[must_use]
    pub fn has_surroundings(&self) -> bool {
        !self.is_embedded()
    }

    /// Whether a registry is that of its admin image or of its backend's. Only these get the access token.
    #[must_use]
    pub fn has_registry(&self, registry: &str) -> bool {
        let backend = self.backend.as_ref().map(|backend| &backend.image);
        backend.into_iter().chain([&self.image]).any(|image| image.registry() == registry)
    }

    /// Whether its images are pushed to a registry; otherwise they stay in this machine's Docker engine.
    #[must_use]
    pub fn builds_to_registry(&self) -> bool {
        !self.is_embedded()
    }

    /// Whether anything of a task leaves this machine.
    #[must_use]
    pub fn leaves_this_machine(&self) -> bool {
        !self.place.is_on_this_machine()
    }

    /// The place that its tasks go to, in words.
    #[must_use]
    pub fn whereabouts(&self) -> String {
        match &self.place {
            Place::GoogleCloud => format!("project {}, {}", self.job.project, self.job.region),
            Place::Endpoints(endpoints) => {
                let url = endpoints.run.as_deref().or(endpoints.logging.as_deref()).unwrap_or_default();
                format!("project {} at {url}", self.job.project)
            }
            Place::Embedded { .. } if !cfg!(feature = "local") => "embedded; not in this program".to_owned(),
            Place::Embedded { state } => format!("embedded, on this machine; state in {}", state.display()),
        }
    }
}

impl Place {
    /// Whether every service is at an address of this machine.
    pub(crate) fn is_on_this_machine(&self) -> bool {
        match self {
            Self::Endpoints(endpoints) => {
                endpoints.each().all(|endpoint| endpoint.is_some_and(is_on_loopback))
            }
            Self::Embedded { .. } => true,
            Self::GoogleCloud => false,
        }
    }

    /// The addresses of its services, as far as they are not Google's own.
    #[must_use]
    pub(crate) fn endpoints(&self) -> Endpoints {
        match self {
            Self::Endpoints(endpoints) => (**endpoints).clone(),
            Self::GoogleCloud | Self::Embedded { .. } => Endpoints::default(),
        }
    }
}

/// The project name of the embedded environment, whose settings need not name one.
const EMULATED_PROJECT: &str = "quill-medical-local";

#[expect(clippy::too_many_lines, reason = "one key after the other")]
pub(super) fn resolve(
    whole: &File,
    source: &Source,
    name: &str,
    entry: &Entry,
) -> Result<Environment, CliError> {
    let defaults = &whole.defaults;
    let at_key = |key: &str, what: String| {
        let place = whole.place(name, key);
        CliError::usage(format!("{place}: environment \"{}\": {what}", name.escape_debug()))
    };
    let at = |what: String| at_key("", what);
    let missing = |key: &str| at(format!("the key \"{key}\" is missing, here and in defaults"));

    let project: ProjectId = match (&entry.project, entry.emulated) {
        (Some(project), _) => project.clone(),
        (None, true) => EMULATED_PROJECT.parse().map_err(|error| at(format!("{error}")))?,
        (None, false) => return Err(at("the key \"project\" is missing".to_owned())),
    };
    let region: Region =
        entry.region.clone().or_else(|| defaults.region.clone()).ok_or_else(|| missing("region"))?;
    let fill = |text: &str| {
        text.replace("{env}", name)
            .replace("{project}", project.as_str())
            .replace("{region}", region.as_str())
    };
    let text = |key: &str, own: &Option<String>, default: &Option<String>| {
        own.as_ref().or(default.as_ref()).map(|text| fill(text)).ok_or_else(|| missing(key))
    };
    let resource = |key: &str, text: String| {
        text.parse::<ResourceId>().map_err(|error| at_key(key, format!("key \"{key}\": {error}")))
    };

    let job = resource("job", text("job", &entry.job, &defaults.job)?)?;
    let optional = |own: &Option<String>, default: &Option<String>| {
        own.as_ref().or(default.as_ref()).map(|text| fill(text)).filter(|text| !text.is_empty())
    };
    let repository = |key: &str, text: String| {
        text.parse::<Repository>().map_err(|error| at_key(key, format!("key \"{key}\": {error}")))
    };
    let network = (&entry.network, &defaults.network);
    let connector = optional(&network.0.connector, &network.1.connector)
        .map(|text| resource("network.connector", text))
        .transpose()?;
    let egress = optional(&network.0.egress, &network.1.egress)
        .map(|text| match text.as_str() {
            "private-ranges-only" => Ok(Egress::PrivateRangesOnly),
            "all-traffic" => Ok(Egress::AllTraffic),
            other => Err(at_key(
                "network.egress",
                format!(
                    "key \"network.egress\": \"{}\" is neither private-ranges-only nor all-traffic",
                    other.escape_debug()
                ),
            )),
        })
        .transpose()?;
    let (own, default) = (&entry.backend, &defaults.backend);
    let backend = match (optional(&own.service, &default.service), optional(&own.image, &default.image)) {
        (None, None) => None,
        (None, Some(_)) => return Err(missing("backend.service")),
        (Some(_), None) => return Err(missing("backend.image")),
        (Some(service), Some(image)) => Some(Backend {
            service: ServiceName {
                project: project.clone(),
                region: region.clone(),
                service: resource("backend.service", service)?,
            },
            image: repository("backend.image", image)?,
            tag: optional(&own.tag, &default.tag).unwrap_or_else(|| "main".to_owned()),
            dockerfile: text("backend.dockerfile", &own.dockerfile, &default.dockerfile)?,
            target: text("backend.target", &own.target, &default.target)?,
        }),
    };
    let (own, default) = (&entry.terraform_state, &defaults.terraform_state);
    let state_lock = match (optional(&own.bucket, &default.bucket), optional(&own.lock, &default.lock)) {
        // Terraform has no part in the embedded environment.
        _ if entry.emulated => None,
        (None, None) => None,
        (None, Some(_)) => return Err(missing("terraform_state.bucket")),
        (Some(_), None) => return Err(missing("terraform_state.lock")),
        (Some(bucket), Some(lock)) => Some(ObjectName::new(&bucket, &lock).map_err(|error| {
            at_key("terraform_state.bucket", format!("key \"terraform_state\": {error}"))
        })?),
    };
    let (own, default) = (&entry.audit, &defaults.audit);
    let records = match (optional(&own.bucket, &default.bucket), optional(&own.location, &default.location)) {
        // The embedded environment has one log, which is kept as long as its state.
        _ if entry.emulated => None,
        (None, None) => None,
        (None, Some(_)) => return Err(missing("audit.bucket")),
        (Some(_), None) => return Err(missing("audit.location")),
        (Some(bucket), Some(location)) => {
            let holder = optional(&own.project, &default.project);
            let holder = holder.as_deref().unwrap_or(project.as_str());
            let bucket = LogBucketName::new(holder, &location, &bucket)
                .map_err(|error| at_key("audit", format!("key \"audit\": {error}")))?;
            let retention_days = own.retention_days.or(default.retention_days).unwrap_or(RETENTION_DAYS);
            if !(1..=LONGEST_RETENTION).contains(&retention_days) {
                let what = format!(
                    "key \"audit.retention_days\": {retention_days} is not between 1 and {LONGEST_RETENTION}"
                );
                return Err(at_key("audit.retention_days", what));
            }
            Some(Records { bucket, retention_days, locked: own.locked.or(default.locked).unwrap_or(false) })
        }
    };
    let (own, default) = (&entry.database, &defaults.database);
    let instance = optional(&own.instance, &default.instance)
        .map(|text| resource("database.instance", text))
        .transpose()?;
    let required = |key: &str, given: Option<String>| match given.as_deref() {
        None | Some("optional") => Ok(false),
        Some("required") => Ok(true),
        Some(other) => {
            let what =
                format!("key \"{key}\": \"{}\" is neither required nor optional", other.escape_debug());
            Err(at_key(key, what))
        }
    };
    let target_required = required("target", optional(&entry.target, &defaults.target))?;
    let preview_required = required("preview", optional(&entry.preview, &defaults.preview))?;
    let working_hours = optional(&entry.working_hours, &defaults.working_hours)
        .map(|text| text.parse::<WorkingHours>())
        .transpose()
        .map_err(|what| at_key("working_hours", format!("key \"working_hours\": {what}")))?;
    let secret = text("database.password_secret", &own.password_secret, &default.password_secret)?;
    Ok(Environment {
        name: name.to_owned(),
        source: source.clone(),
        job_place: whole.place(name, "job"),
        image: repository("image", text("image", &entry.image, &defaults.image)?)?,
        image_place: whole.place(name, "image"),
        protected: entry.protected,
        preview_required,
        working_hours,
        // On this machine nobody else writes records.
        record_key_secret: optional(&entry.records.key_secret, &defaults.records.key_secret)
            .filter(|_| !entry.emulated)
            .map(|text| resource("records.key_secret", text))
            .transpose()?,
        record_keys: if entry.emulated {
            Vec::new()
        } else if entry.records.public_keys.is_empty() {
            defaults.records.public_keys.clone()
        } else {
            entry.records.public_keys.clone()
        },
        place: place(&source.state, entry).map_err(|what| at_key("endpoint", what))?,
        database_name: text("database.name", &own.name, &default.name)?,
        database_user: text("database.user", &own.user, &default.user)?,
        password_secret: resource("database.password_secret", secret)?,
        target_required,
        database_instance: instance,
        service_account: optional(&entry.service_account, &defaults.service_account),
        connector,
        egress,
        backend,
        state_lock,
        records,
        impersonate: entry.impersonate_service_account.clone().map(|text| fill(&text)),
        job: JobName { project, region, job },
    })
}

fn place(state: &Path, entry: &Entry) -> Result<Place, String> {
    let of =
        |own: &Option<String>| own.as_ref().or(entry.endpoint.as_ref()).map(|url| endpoint(url)).transpose();
    let endpoints = Endpoints {
        run: of(&entry.endpoints.run)?,
        logging: of(&entry.endpoints.logging)?,
        sql: of(&entry.endpoints.sql)?,
        artifact_registry: of(&entry.endpoints.artifact_registry)?,
        resource_manager: of(&entry.endpoints.resource_manager)?,
        user_info: of(&entry.endpoints.user_info)?,
        iam_credentials: of(&entry.endpoints.iam_credentials)?,
        secret_manager: of(&entry.endpoints.secret_manager)?,
        service_usage: of(&entry.endpoints.service_usage)?,
        storage: of(&entry.endpoints.storage)?,
    };
    match (entry.emulated, endpoints != Endpoints::default()) {
        (true, true) => {
            Err("an emulated environment brings its own endpoints; remove \"endpoint\"".to_owned())
        }
        (true, false) => Ok(Place::Embedded { state: state.to_owned() }),
        (false, true) => Ok(Place::Endpoints(Box::new(endpoints))),
        (false, false) => Ok(Place::GoogleCloud),
    }
}

/// Checks a base address: https anywhere, plain http on this machine only.
fn endpoint(url: &str) -> Result<String, String> {
    let refused = |why: &str| Err(format!("endpoint \"{}\": {why}", url.escape_debug()));
    let Ok(parsed) = url::Url::parse(url) else {
        return refused("not a URL such as http://127.0.0.1:8085");
    };
    let loopback = parsed.host().is_some_and(|host| quill_admin_cloud::is_loopback(&host));
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return refused("a user name or password has no place in it");
    }
    if parsed.query().is_some() || parsed.fragment().is_some() {
        return refused("it ends with the host, the port or a path");
    }
    match parsed.scheme() {
        "https" if parsed.host().is_some() => {}
        "http" if loopback => {}
        "http" => return refused("plain HTTP is allowed for this machine's own addresses only; use https"),
        _ => return refused("not a URL such as http://127.0.0.1:8085"),
    }
    // The address is returned as it was understood here: other parsers might see another host in it.
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}
