//! One environment, resolved: every placeholder replaced, every name checked.

use std::net::IpAddr;
use std::path::PathBuf;

use quill_admin_cloud::{Endpoints, JobName, ProjectId, Region, ResourceId};

use super::Config;
use super::file::{Entry, Settings};
use crate::error::CliError;

/// Where one set of commands goes.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Its name in the file.
    pub name: String,
    /// The job that runs tasks.
    pub job: JobName,
    /// The admin image's repository, without tag or digest.
    pub image: String,
    /// Asks to be confirmed by name before anything is started.
    pub protected: bool,
    /// What is behind it.
    pub place: Place,
    /// Name of the database.
    pub database_name: String,
    /// User the executor connects as.
    pub database_user: String,
    /// The secret that holds that user's password.
    pub password_secret: ResourceId,
}

/// What stands behind an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Google Cloud.
    GoogleCloud,
    /// Something that speaks Google Cloud's APIs at these addresses, on this machine.
    Endpoints(Endpoints),
    /// The emulator and the embedded database, in this process; state below this folder.
    Embedded {
        /// `.quill-admin/local` beside the environments file.
        state: PathBuf,
    },
}

/// The project of the embedded environment, which has none of its own.
const EMULATED_PROJECT: &str = "quill-medical-local";

pub(super) fn resolve(
    config: &Config,
    name: &str,
    defaults: &Settings,
    entry: &Entry,
) -> Result<Environment, CliError> {
    let at = |what: String| {
        CliError::usage(format!("{}: environment \"{}\": {what}", config.path.display(), name.escape_debug()))
    };
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
        text.parse::<ResourceId>().map_err(|error| at(format!("key \"{key}\": {error}")))
    };

    let job = resource("job", text("job", &entry.job, &defaults.job)?)?;
    let (own, default) = (&entry.database, &defaults.database);
    let secret = text("database.password_secret", &own.password_secret, &default.password_secret)?;
    Ok(Environment {
        name: name.to_owned(),
        image: text("image", &entry.image, &defaults.image)?,
        protected: entry.protected,
        place: place(config, entry).map_err(at)?,
        database_name: text("database.name", &own.name, &default.name)?,
        database_user: text("database.user", &own.user, &default.user)?,
        password_secret: resource("database.password_secret", secret)?,
        job: JobName { project, region, job },
    })
}

fn place(config: &Config, entry: &Entry) -> Result<Place, String> {
    let run = entry.endpoints.run.as_ref().or(entry.endpoint.as_ref());
    let logging = entry.endpoints.logging.as_ref().or(entry.endpoint.as_ref());
    let endpoints = Endpoints {
        run: run.map(|url| endpoint(url)).transpose()?,
        logging: logging.map(|url| endpoint(url)).transpose()?,
    };
    match (entry.emulated, endpoints.run.is_some() || endpoints.logging.is_some()) {
        (true, true) => {
            Err("an emulated environment brings its own endpoints; remove \"endpoint\"".to_owned())
        }
        (true, false) => {
            let beside = config.path.parent().unwrap_or(config.path.as_ref());
            Ok(Place::Embedded { state: beside.join(".quill-admin").join("local") })
        }
        (false, true) => Ok(Place::Endpoints(endpoints)),
        (false, false) => Ok(Place::GoogleCloud),
    }
}

/// A base address: https anywhere, plain http on this machine only.
fn endpoint(url: &str) -> Result<String, String> {
    let refused = |why: &str| Err(format!("endpoint \"{}\": {why}", url.escape_debug()));
    let Ok(parsed) = url::Url::parse(url) else {
        return refused("not a URL such as http://127.0.0.1:8085");
    };
    let loopback = match parsed.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(url::Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    };
    match parsed.scheme() {
        "https" if parsed.host().is_some() => {}
        "http" if loopback => {}
        "http" => return refused("plain HTTP is allowed for this machine's own addresses only; use https"),
        _ => return refused("not a URL such as http://127.0.0.1:8085"),
    }
    Ok(url.trim_end_matches('/').to_owned())
}
