//! The database that a job is for: as Cloud SQL and the environments file describe it, as the job's command
//! has it, and how the two differ.
//!
//! The target that is found out here becomes the job's command. The Terraform module makes the same command
//! from the same sources (`infra/main.tf`), so a change of a rule here is a change there.
//!
//! To add a part: `target` makes it, `settle` decides what is kept of the job, and `of_targets` compares it;
//! `target.rs` of the crate `contract` says what else it needs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quill_admin_cloud::{
    CaMode, CloudError, CloudErrorKind, DatabaseInstance, Difference, JobSettings, ServerCa, role,
};
use quill_admin_contract::{ExitCode, TARGET_OPTION, Target, TargetParts, TlsMode, variable};
use sha2::{Digest as _, Sha256};

use crate::actions;
use crate::config::Environment;
use crate::error::CliError;
use crate::hints;
use crate::session::Session;

/// PostgreSQL's port, which Cloud SQL does not let anybody change.
const PORT: u16 = 5432;

/// The description of the database for a job, as far as it is known.
#[derive(Debug, Default)]
pub struct Database {
    /// Its address.
    pub host: Option<String>,
    /// The complete target. `None` when the job keeps the one that it has.
    pub target: Option<Target>,
    /// Notes for a person.
    pub notes: Vec<String>,
}

/// The way to verify the server: the part of a target that depends on the authorities that sign its
/// certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// See [`TargetParts`].
    pub tls: TlsMode,
    /// See [`TargetParts`].
    pub server_name: Option<String>,
    /// See [`TargetParts`].
    pub cas: Vec<String>,
    /// The reason why nothing is verified, if that is so.
    pub doubt: Option<&'static str>,
}

impl Trust {
    /// Encrypts, but verifies nothing.
    fn nobody(doubt: &'static str) -> Self {
        Self { tls: TlsMode::Require, server_name: None, cas: Vec::new(), doubt: Some(doubt) }
    }

    /// For an instance with an authority of its own: the authority signs for nobody but the instance.
    fn own(cas: &[ServerCa]) -> Self {
        match cas {
            [] => Self::nobody("Cloud SQL tells no authority for it"),
            cas => Self {
                tls: TlsMode::VerifyCa,
                server_name: None,
                cas: cas.iter().map(|ca| ca.pem.clone()).collect(),
                doubt: None,
            },
        }
    }

    /// For an instance whose authority signs for others, too, so that the certificate also has to name the
    /// instance.
    ///
    /// The authority is the one that the instance itself names, with the chain up to its root. Google
    /// describes `listServerCas` for an instance's own authorities, and its connectors, too, take
    /// `serverCaCert` where the authority is shared; whether `listServerCas` answers there is not documented.
    fn shared(instance: &DatabaseInstance) -> Self {
        // A name in DNS may end with its root; the one in a certificate does not.
        let name = instance.dns_name.as_deref().map(|name| name.trim_end_matches('.').to_owned());
        match (&instance.server_ca, name) {
            (Some(ca), Some(name)) => {
                Self { tls: TlsMode::VerifyFull, server_name: Some(name), cas: vec![ca.clone()], doubt: None }
            }
            (None, _) => Self::nobody("Cloud SQL tells no authority for it"),
            (Some(_), None) => Self::nobody("Cloud SQL tells no name that its certificate is for"),
        }
    }

    /// Chooses by the kind of the instance's authority. `listed` are the authorities that the instance lists.
    #[must_use]
    pub fn of(instance: &DatabaseInstance, listed: &[ServerCa]) -> Self {
        match instance.ca_mode {
            CaMode::OwnCa => Self::own(listed),
            CaMode::SharedCa => Self::shared(instance),
            CaMode::Unknown => Self::nobody("this program does not know the kind of its authority"),
        }
    }

    /// Takes over what a job's target has.
    fn kept(target: &Target) -> Self {
        let TargetParts { server_name, cas, .. } = target.parts().clone();
        Self { tls: target.tls(), server_name, cas, doubt: None }
    }
}

/// Whether the authorities of an instance have to be listed to know how to verify it.
#[must_use]
pub fn lists_authorities(instance: &DatabaseInstance) -> bool {
    instance.ca_mode == CaMode::OwnCa
}

/// Makes the target of an environment's job.
///
/// # Errors
///
/// Fails when a name in the environments file cannot be part of a target, and when a certificate is not
/// valid.
pub fn target(environment: &Environment, host: &str, trust: Trust) -> Result<Target, CliError> {
    Target::new(TargetParts {
        cas: trust.cas,
        host: host.to_owned(),
        name: environment.database_name.clone(),
        port: PORT,
        schema: actions::of_this_run().schema.clone(),
        server_name: trust.server_name,
        tls: trust.tls.as_str().to_owned(),
        user: environment.database_user.clone(),
    })
    .map_err(|error| CliError::usage(error.to_string()).at("database"))
}

/// The address of the instance, and how to verify it. `trust` alone is an error where only its authorities
/// may not be listed.
#[derive(Debug)]
pub struct Instance {
    host: String,
    trust: Result<Trust, CliError>,
}

/// Asks Cloud SQL for the environment's instance; `None` where the environments file names none.
///
/// # Errors
///
/// Fails when the instance is missing or may not be read, and when it has no private address, which the job
/// needs.
pub async fn instance(session: &Session) -> Result<Option<Instance>, CliError> {
    let environment = session.environment();
    let Some(instance) = &environment.database_instance else { return Ok(None) };
    let project = &environment.job.project;
    let found = session.google().database_instance(project, instance).await.map_err(|error| {
        match error.kind {
        CloudErrorKind::NotFound => CliError::new(
            ExitCode::ResourceNotFound,
            format!("project {project} has no Cloud SQL instance \"{instance}\": {}", error.message),
        )
        .hint("check database.instance in the environments file, or run terraform apply")
        .at("database"),
        // Cloud SQL may answer so for an instance that is not there, too.
        CloudErrorKind::PermissionDenied => CliError::new(
            ExitCode::PermissionDenied,
            format!(
                "project {project} has no Cloud SQL instance \"{instance}\", or it may not be looked at: {}",
                error.message
            ),
        )
        .hint(format!(
            "check database.instance in the environments file, or ask for the role {}",
            role::SQL_VIEWER
        ))
        .at("database"),
        _ => error.into(),
    }
    })?;
    let Some(host) = found.private_ip.clone() else {
        return Err(CliError::new(
            ExitCode::ResourceNotFound,
            format!("the Cloud SQL instance \"{instance}\" has no private IP address"),
        )
        .hint("the job reaches the database by its private address only: enable it on the instance")
        .at("database"));
    };
    let trust = if lists_authorities(&found) {
        let listed = session.google().server_cas(project, instance).await;
        listed.map(|listed| Trust::of(&found, &listed)).map_err(unlisted)
    } else {
        Ok(Trust::of(&found, &[]))
    };
    Ok(Some(Instance { host, trust }))
}

fn unlisted(error: CloudError) -> CliError {
    match error.kind {
        CloudErrorKind::PermissionDenied => CliError::from(error)
            .hint(format!("ask for the role {}, which lists them", role::SQL_VIEWER))
            .at("database"),
        _ => error.into(),
    }
}

/// Decides on the database of the job from the answer of Cloud SQL. A person who may not read the instance,
/// or not list its authorities, leaves these settings of the job as they are.
///
/// # Errors
///
/// Fails with the error of Cloud SQL where the job has no setting that it could keep, and when the target
/// cannot be made.
pub fn settle(
    environment: &Environment,
    found: Result<Option<Instance>, CliError>,
    job: Option<&JobSettings>,
) -> Result<Database, CliError> {
    let denied = |error: &CliError| error.code == ExitCode::PermissionDenied;
    let own = job.and_then(|job| Target::in_command(&job.command)).and_then(Result::ok);
    let Instance { host, trust } = match found {
        Ok(Some(instance)) => instance,
        Ok(None) => return Ok(Database::default()),
        // A person who may not read the address can still change the image of a job that has it.
        Err(error) if denied(&error) && job.is_some_and(has_host) => {
            let notes = vec![format!("{error}; the job keeps the database address it has")];
            return Ok(Database { notes, ..Database::default() });
        }
        Err(error) => return Err(error),
    };
    let mut notes = Vec::new();
    let trust = match (trust, own) {
        (Ok(trust), _) => trust,
        (Err(error), Some(own)) if denied(&error) => {
            notes.push(format!("{error}; the job goes on to trust those that it trusts now"));
            Trust::kept(&own)
        }
        (Err(error), _) => return Err(error),
    };
    if let Some(doubt) = trust.doubt {
        notes.push(format!("the job encrypts, but does not verify that it speaks to its database: {doubt}"));
    }
    let target = target(environment, &host, trust)?;
    Ok(Database { host: Some(host), target: Some(target), notes })
}

fn has_host(settings: &JobSettings) -> bool {
    settings.env.iter().any(|(name, _)| name == variable::AUTH_DB_HOST.name)
}

impl Database {
    /// The job's command. Where the target is not known, the job keeps its command, unless that holds no
    /// target: then it is removed.
    #[must_use]
    pub fn command(&self, job: Option<&JobSettings>) -> Vec<String> {
        match &self.target {
            Some(target) => target.to_command(),
            None => job
                .map(|job| &job.command)
                .filter(|command| Target::in_command(command).is_some())
                .cloned()
                .unwrap_or_default(),
        }
    }
}

/// Judges a job before a run: whoever may run it can name another database, where its command does not.
/// Returns a warning for the person, if there is one.
///
/// # Errors
///
/// Fails when the command holds no target and the environments file requires one.
pub fn judge(job: &JobSettings, environment: &Environment) -> Result<Option<String>, CliError> {
    if Target::in_command(&job.command).is_some() {
        return Ok(None);
    }
    let what = if in_arguments(job) {
        "the job's target stands in its arguments and not in its command: whoever may run the job can replace it"
    } else {
        "the job's command does not say which database it is for: whoever may run the job can name another one"
    };
    let build = hints::command(&environment.name, "build", &[]);
    if environment.target_required {
        return Err(CliError::new(
            ExitCode::ResourceNotFound,
            format!("{what}, and the environments file requires it (target: required); nothing was started"),
        )
        .hint(hints::advice("put it right with terraform apply, or with", &build))
        .at("database"));
    }
    Ok(Some(hints::advice(&format!("{what}; put it right with terraform apply, or with"), &build)))
}

/// Whether the target of a job is in its arguments, where whoever runs the job can override it.
#[must_use]
pub fn in_arguments(job: &JobSettings) -> bool {
    job.args.iter().any(|argument| argument == TARGET_OPTION)
}

/// The settings of a job that are not as wanted. A target is compared part by part, and certificates by their
/// fingerprints.
#[must_use]
pub fn differences(own: &JobSettings, wanted: &JobSettings) -> Vec<Difference> {
    let mut found = own.differences(wanted);
    if let Some(at) = found.iter().position(|one| one.setting == "command") {
        found.splice(at..=at, of_commands(&own.command, &wanted.command));
    }
    found
}

fn of_commands(own: &[String], wanted: &[String]) -> Vec<Difference> {
    if let (Some(Ok(own)), Some(Ok(wanted))) = (Target::in_command(own), Target::in_command(wanted)) {
        return of_targets(&own, &wanted);
    }
    let told = |command: &[String]| match Target::in_command(command) {
        Some(Ok(target)) => format!("target {}", summary(&target)),
        Some(Err(_)) => "a target that cannot be used".to_owned(),
        None => command.join(" "),
    };
    let from = Some(told(own)).filter(|from| !from.is_empty());
    vec![Difference { setting: "command".to_owned(), from, to: told(wanted) }]
}

/// Describes a target in one line, with the number of authorities that it trusts.
fn summary(target: &Target) -> String {
    let trusted = match fingerprints(target).len() {
        0 => return target.to_string(),
        1 => "trusts 1 CA".to_owned(),
        count => format!("trusts {count} CAs"),
    };
    format!("{target}, {trusted}")
}

fn of_targets(own: &Target, wanted: &Target) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |part: &str, from: Option<String>, to: Option<String>| {
        if from != to {
            let setting = format!("target {part}");
            found.push(Difference { setting, from, to: to.unwrap_or_default() });
        }
    };
    let (a, b) = (own.parts(), wanted.parts());
    compare("address", Some(a.host.clone()), Some(b.host.clone()));
    compare("port", Some(a.port.to_string()), Some(b.port.to_string()));
    compare("database", Some(a.name.clone()), Some(b.name.clone()));
    compare("user", Some(a.user.clone()), Some(b.user.clone()));
    compare("schema", Some(a.schema.clone()), Some(b.schema.clone()));
    compare("TLS mode", Some(a.tls.clone()), Some(b.tls.clone()));
    compare("server name", a.server_name.clone(), b.server_name.clone());
    let (own, wanted) = (fingerprints(own), fingerprints(wanted));
    for gone in own.difference(&wanted) {
        compare("trusted CA", Some(gone.clone()), None);
    }
    for new in wanted.difference(&own) {
        compare("trusted CA", None, Some(new.clone()));
    }
    if found.is_empty() {
        let (from, to) = (Some("written in another form".to_owned()), "as build writes it".to_owned());
        found.push(Difference { setting: "target".to_owned(), from, to });
    }
    found
}

/// The authorities that a target trusts, as [`fingerprints_of`] writes them.
#[must_use]
pub fn fingerprints(target: &Target) -> BTreeSet<String> {
    target.parts().cas.iter().flat_map(|pem| fingerprints_of(pem)).collect()
}

/// The certificates of a PEM text, each by the beginning of its SHA-256 fingerprint, as
/// `openssl x509 -noout -fingerprint -sha256` writes it. One that cannot be decoded is hashed as text.
#[must_use]
pub fn fingerprints_of(pem: &str) -> Vec<String> {
    const SHOWN: usize = 8;
    let certificates = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    certificates
        .map(|rest| {
            let body = rest.split("-----END").next().unwrap_or_default();
            let body: String = body.split_whitespace().collect();
            let der = STANDARD.decode(&body).unwrap_or_else(|_| body.into_bytes());
            let digest = Sha256::digest(der);
            let shown: Vec<String> = digest.iter().take(SHOWN).map(|byte| format!("{byte:02X}")).collect();
            format!("SHA-256 {}:…", shown.join(":"))
        })
        .collect()
}
