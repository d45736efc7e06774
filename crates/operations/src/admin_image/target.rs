//! The database that a job is for: as Cloud SQL and the environments file describe it, as the job's command
//! has it, and how the two differ.
//!
//! The target that is found out here becomes the job's command. The Terraform module makes the same command
//! from the same sources (`infra/main.tf`), so a change of a rule here is a change there.
//!
//! To add a part: `target` makes it, `settle` decides what is kept of the job, and `place` or `of_targets` compares it;
//! `target.rs` of the crate `contract` says what else it needs.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quill_admin_cloud::{
    CaMode, CloudError, CloudErrorKind, DatabaseInstance, Difference, JobSettings, ServerCa, role,
};
use quill_admin_contract::{
    ENTRY_POINT, ExitCode, InvalidTarget, TARGET_OPTION, Target, TargetParts, TlsMode, variable,
};
use sha2::{Digest as _, Sha256};

use crate::actions;
use crate::admin_image::database_variables;
use crate::config::Environment;
use crate::error::CliError;
use crate::hints;
use crate::session::Session;

/// PostgreSQL's port, which Cloud SQL does not let anybody change.
pub const PORT: u16 = 5432;

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
}

/// The reason why Cloud SQL's answer does not say how to verify an instance. A job that verifies goes on as it
/// does: an answer that is missing or not understood must not switch that off.
pub type Doubt = &'static str;

const NO_AUTHORITY: Doubt = "Cloud SQL tells no authority for it";

impl Trust {
    /// Encrypts, but verifies nothing.
    const fn nobody() -> Self {
        Self { tls: TlsMode::Require, server_name: None, cas: Vec::new() }
    }

    /// For an instance with an authority of its own: the authority signs for nobody but the instance.
    fn own(cas: &[ServerCa]) -> Result<Self, Doubt> {
        if cas.is_empty() {
            return Err(NO_AUTHORITY);
        }
        // A job that trusted only those that are listed would not recognise its database.
        if cas.iter().all(|ca| ca.active == Some(false)) {
            return Err("Cloud SQL does not list the authority that signs its certificate at present");
        }
        let cas = cas.iter().map(|ca| ca.pem.clone()).collect();
        Ok(Self { tls: TlsMode::VerifyCa, server_name: None, cas })
    }

    /// For an instance whose authority signs for others, too, so that the certificate also has to name the
    /// instance.
    ///
    /// The authority is the one that the instance itself names, with the chain up to its root. Google
    /// describes `listServerCas` for an instance's own authorities, and its connectors, too, take
    /// `serverCaCert` where the authority is shared; whether `listServerCas` answers there is not documented.
    fn shared(instance: &DatabaseInstance) -> Result<Self, Doubt> {
        // A name in DNS may end with its root; the one in a certificate does not.
        let name = instance.dns_name.as_deref().map(|name| name.trim_end_matches('.').to_owned());
        match (&instance.server_ca, name) {
            (Some(ca), Some(name)) => {
                Ok(Self { tls: TlsMode::VerifyFull, server_name: Some(name), cas: vec![ca.clone()] })
            }
            (None, _) => Err(NO_AUTHORITY),
            (Some(_), None) => Err("Cloud SQL tells no name that its certificate is for"),
        }
    }

    /// Chooses by the kind of the instance's authority. `listed` are the authorities that the instance lists,
    /// and `job` is the target that the job has by now.
    ///
    /// # Errors
    ///
    /// Fails where the answer does not say how to verify the instance.
    pub fn of(instance: &DatabaseInstance, listed: &[ServerCa], job: Option<&Target>) -> Result<Self, Doubt> {
        match instance.ca_mode {
            // A job that verifies the name has been told that the authority is a shared one.
            CaMode::Untold if job.is_some_and(|job| job.tls() == TlsMode::VerifyFull) => {
                Err("Cloud SQL does not tell the kind of its authority")
            }
            CaMode::OwnCa | CaMode::Untold => Self::own(listed),
            CaMode::SharedCa => Self::shared(instance),
            CaMode::Unknown => Err("this program does not know the kind of its authority"),
        }
    }

    /// Takes over what a job's target has.
    #[must_use]
    pub fn kept(target: &Target) -> Self {
        let TargetParts { server_name, cas, .. } = target.parts().clone();
        Self { tls: target.tls(), server_name, cas }
    }
}

/// Whether the authorities of an instance have to be listed to know how to verify it.
#[must_use]
pub fn lists_authorities(instance: &DatabaseInstance) -> bool {
    matches!(instance.ca_mode, CaMode::OwnCa | CaMode::Untold)
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

/// The instance and its address. `listed` alone is an error where only its authorities may not be listed.
#[derive(Debug)]
pub struct Instance {
    host: String,
    found: DatabaseInstance,
    listed: Result<Vec<ServerCa>, CliError>,
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
    let listed = if lists_authorities(&found) {
        session.google().server_cas(project, instance).await.map_err(unlisted)
    } else {
        Ok(Vec::new())
    };
    Ok(Some(Instance { host, found, listed }))
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
/// or not list its authorities, leaves these settings of the job as they are; and so does an answer that does
/// not say how to verify the instance, where the job verifies it.
///
/// # Errors
///
/// Fails with the error of Cloud SQL where the job has no setting that it could keep; where neither Cloud SQL
/// nor the job's target, which cannot be read, says how to verify the instance; and when the target cannot be
/// made.
pub fn settle(
    environment: &Environment,
    found: Result<Option<Instance>, CliError>,
    job: Option<&JobSettings>,
) -> Result<Database, CliError> {
    let denied = |error: &CliError| error.code == ExitCode::PermissionDenied;
    let Instance { host, found, listed } = match found {
        Ok(Some(instance)) => instance,
        Ok(None) => return Ok(Database::default()),
        // A person who may not read the address can still change the image of a job that has it.
        Err(error) if denied(&error) && job.is_some_and(has_host) => {
            let notes = vec![format!("{error}; the job keeps the database address it has")];
            return Ok(Database { notes, ..Database::default() });
        }
        Err(error) => return Err(error),
    };
    let own = job.and_then(of_job);
    let readable = own.as_ref().and_then(|own| own.as_ref().ok());
    let mut notes = Vec::new();
    let mut keep = |why: &dyn std::fmt::Display, own: &Target| {
        notes.push(format!("{why}; the job goes on to trust those that it trusts now"));
        Trust::kept(own)
    };
    let trust = match (listed, readable) {
        (Err(error), Some(own)) if denied(&error) => keep(&error, own),
        (Err(error), _) => return Err(error),
        (Ok(listed), readable) => match (Trust::of(&found, &listed, readable), &own) {
            (Ok(trust), _) => trust,
            (Err(doubt), Some(Ok(own))) if own.tls().verifies() => keep(&doubt, own),
            (Err(doubt), Some(Err(error))) => {
                return Err(CliError::new(
                    ExitCode::CloudFailed,
                    format!("{doubt}, and how the job verifies its database is not known: {error}"),
                )
                .hint("put the job's target right with: terraform apply")
                .at("database"));
            }
            (Err(doubt), _) => {
                notes.push(format!(
                    "the job encrypts, but does not verify that it speaks to its database: {doubt}"
                ));
                Trust::nobody()
            }
        },
    };
    let target = target(environment, &host, trust)?;
    Ok(Database { host: Some(host), target: Some(target), notes })
}

/// The target that a run of the job has: the one in its command, or else in its arguments. `None` where it has
/// none.
fn of_job(job: &JobSettings) -> Option<Result<Target, InvalidTarget>> {
    Target::in_command(&job.command).or_else(|| in_executors_arguments(job))
}

/// The target in the arguments of a job that starts the executor.
fn in_executors_arguments(job: &JobSettings) -> Option<Result<Target, InvalidTarget>> {
    let executor = job.command.is_empty() || job.command == [ENTRY_POINT];
    (executor && in_arguments(job)).then(|| Target::from_arguments(&job.args).transpose()).flatten()
}

/// Whether a run of the job knows the database's address: from its target, or from a variable by either name.
fn has_host(job: &JobSettings) -> bool {
    matches!(of_job(job), Some(Ok(_))) || database_variables::of(job, &variable::AUTH_DB_HOST).is_some()
}

impl Database {
    /// The job's command and arguments. Where the target is not known, the job keeps the one that it has. One in
    /// its arguments goes into its command, where a run cannot override it. A command without a target is
    /// removed.
    #[must_use]
    pub fn command(&self, job: Option<&JobSettings>) -> (Vec<String>, Vec<String>) {
        let alone = |command| (command, Vec::new());
        let Some(job) = job.filter(|_| self.target.is_none()) else {
            return alone(self.target.as_ref().map(Target::to_command).unwrap_or_default());
        };
        if Target::in_command(&job.command).is_some() {
            return alone(job.command.clone());
        }
        match in_executors_arguments(job) {
            Some(Ok(target)) => alone(target.to_command()),
            Some(Err(_)) => (job.command.clone(), job.args.clone()),
            None => alone(Vec::new()),
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

/// The parts of a target that say which database it is for, each with its name.
#[must_use]
pub fn place(target: &Target) -> [(&'static str, String); 5] {
    let TargetParts { host, port, name, user, schema, .. } = target.parts().clone();
    [("address", host), ("port", port.to_string()), ("database", name), ("user", user), ("schema", schema)]
}

fn of_targets(own: &Target, wanted: &Target) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |part: &str, from: Option<String>, to: Option<String>| {
        if from != to {
            let setting = format!("target {part}");
            found.push(Difference { setting, from, to: to.unwrap_or_default() });
        }
    };
    for ((part, from), (_, to)) in place(own).into_iter().zip(place(wanted)) {
        compare(part, Some(from), Some(to));
    }
    let (a, b) = (own.parts(), wanted.parts());
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

#[cfg(test)]
mod tests {
    use quill_admin_cloud::{EnvValue, SecretRef, SslMode};

    use super::*;
    use crate::admin_image::plan::wanted;
    use crate::config::tests::config;

    const HOST: &str = "10.0.0.3";

    fn environment() -> Environment {
        let text = "environments:\n  staging: { project: quill-medical-staging, region: europe-west2, job: tasks, \
             image: \"europe-west2-docker.pkg.dev/{project}/quill/tasks\", database: { instance: core, \
             name: quill_core, user: quill, password_secret: core-db-password } }\n";
        config(text).and_then(|config| config.environment("staging")).expect("valid")
    }

    fn pem(name: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----")
    }

    fn ca(name: &str, active: Option<bool>) -> ServerCa {
        ServerCa { pem: pem(name), active }
    }

    /// An answer of Cloud SQL about an instance that names an authority and itself.
    fn answer(ca_mode: CaMode, listed: Vec<ServerCa>) -> Instance {
        let found = DatabaseInstance {
            private_ip: Some(HOST.to_owned()),
            state: "RUNNABLE".to_owned(),
            stopped: false,
            ssl_mode: SslMode::EncryptedOnly,
            version: "POSTGRES_15".to_owned(),
            ca_mode,
            server_ca: Some(pem("AAAA")),
            dns_name: Some("core.example.".to_owned()),
        };
        Instance { host: HOST.to_owned(), found, listed: Ok(listed) }
    }

    fn own(mode: TlsMode) -> Target {
        let server_name = (mode == TlsMode::VerifyFull).then(|| "core.example".to_owned());
        let cas = if mode.verifies() { vec![pem("AAAA")] } else { Vec::new() };
        target(&environment(), HOST, Trust { tls: mode, server_name, cas }).expect("valid")
    }

    fn job(target: &Target) -> JobSettings {
        JobSettings { command: target.to_command(), ..JobSettings::default() }
    }

    fn settled(answer: Instance, job: Option<&JobSettings>) -> Result<Database, CliError> {
        settle(&environment(), Ok(Some(answer)), job)
    }

    /// The answers that do not say how to verify the instance.
    fn doubtful() -> Vec<Instance> {
        let without = |change: fn(&mut DatabaseInstance)| {
            let mut answer = answer(CaMode::SharedCa, Vec::new());
            change(&mut answer.found);
            answer
        };
        vec![
            answer(CaMode::OwnCa, Vec::new()),
            answer(CaMode::Untold, Vec::new()),
            answer(CaMode::OwnCa, vec![ca("BBBB", Some(false))]),
            answer(CaMode::Unknown, Vec::new()),
            without(|found| found.server_ca = None),
            without(|found| found.dns_name = None),
        ]
    }

    #[test]
    fn an_answer_that_is_missing_or_odd_switches_no_verification_off() {
        for mode in [TlsMode::VerifyCa, TlsMode::VerifyFull] {
            let own = own(mode);
            let in_arguments =
                JobSettings { args: job(&own).command[1..].to_vec(), ..JobSettings::default() };
            for job in [job(&own), in_arguments] {
                for answer in doubtful() {
                    let what = format!("{mode:?} {answer:?}");
                    let database = settled(answer, Some(&job)).expect("settled");
                    assert_eq!(database.target.as_ref(), Some(&own), "{what}");
                    assert!(
                        database.notes.concat().contains("goes on to trust those that it trusts now"),
                        "{what}"
                    );
                }
            }
        }
        // A missing kind stands for an authority of the instance's own. A job that verifies the name knows better.
        let untold = || answer(CaMode::Untold, vec![ca("AAAA", Some(true))]);
        let full = own(TlsMode::VerifyFull);
        assert_eq!(settled(untold(), Some(&job(&full))).expect("settled").target, Some(full));
        let blind = own(TlsMode::Require);
        let verifies = settled(untold(), Some(&job(&blind))).expect("settled");
        assert_eq!(verifies.target, Some(own(TlsMode::VerifyCa)));
    }

    #[test]
    fn what_cloud_sql_tells_is_taken() {
        let full = own(TlsMode::VerifyFull);
        let told = answer(CaMode::OwnCa, vec![ca("AAAA", Some(true))]);
        let database = settled(told, Some(&job(&full))).expect("settled");
        assert_eq!((database.target, database.notes), (Some(own(TlsMode::VerifyCa)), Vec::new()));
        let told = settled(answer(CaMode::SharedCa, Vec::new()), None).expect("settled");
        assert_eq!(told.target, Some(full));
    }

    #[test]
    fn in_doubt_a_job_that_verifies_nothing_encrypts_and_one_that_cannot_be_read_is_left() {
        for answer in doubtful() {
            let database = settled(answer, None).expect("settled");
            assert_eq!(database.target, Some(own(TlsMode::Require)));
            assert!(database.notes.concat().contains("does not verify"), "{:?}", database.notes);
        }
        let disabled = job(&own(TlsMode::Disable));
        for answer in doubtful() {
            let database = settled(answer, Some(&disabled)).expect("settled");
            assert_eq!(database.target, Some(own(TlsMode::Require)));
        }
        let newer = vec![ENTRY_POINT.to_owned(), TARGET_OPTION.to_owned(), "{\"tls\":\"pinned\"}".to_owned()];
        let newer = JobSettings { command: newer, ..JobSettings::default() };
        for answer in doubtful() {
            let refused = settled(answer, Some(&newer)).expect_err("nobody knows how the job verifies");
            assert!(
                refused.to_string().contains("how the job verifies its database is not known"),
                "{refused}"
            );
        }
    }

    #[test]
    fn who_may_not_read_the_instance_leaves_a_job_that_has_an_address_as_it_is() {
        let settled = |job: &JobSettings| {
            let denied = CliError::new(ExitCode::PermissionDenied, "denied".to_owned());
            settle(&environment(), Err(denied), Some(job))
        };
        let with = |name: &str, value: &str| JobSettings {
            env: vec![(name.to_owned(), EnvValue::Text(value.to_owned()))],
            ..JobSettings::default()
        };
        for job in [with("AUTH_DB_HOST", HOST), with("CORE_DB_HOST", HOST), job(&own(TlsMode::VerifyCa))] {
            let database = settled(&job).expect("it keeps what it has");
            assert_eq!((database.host, database.target), (None, None));
            assert!(database.notes.concat().contains("keeps the database address it has"));
        }
        for job in [JobSettings::default(), with("AUTH_DB_HOST", " ")] {
            assert_eq!(settled(&job).expect_err("no address").code, ExitCode::PermissionDenied);
        }
    }

    #[test]
    fn without_an_answer_a_target_goes_from_the_arguments_into_the_command() {
        let target = own(TlsMode::VerifyCa);
        let command = |command: &[&str], args: &[&str]| {
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            let job = JobSettings { command: words(command), args: words(args), ..JobSettings::default() };
            Database::default().command(Some(&job))
        };
        let json = target.to_json();
        let args = [TARGET_OPTION, json.as_str()];
        let moved = (target.to_command(), Vec::new());
        assert_eq!(command(&[], &args), moved);
        assert_eq!(command(&[ENTRY_POINT], &args), moved);
        assert_eq!(command(&[ENTRY_POINT, TARGET_OPTION, &json], &["more"]), moved);
        // One that this version cannot read stays where it is.
        let left = (Vec::new(), vec![TARGET_OPTION.to_owned(), "{}".to_owned()]);
        assert_eq!(command(&[], &[TARGET_OPTION, "{}"]), left);
        // Those of other programs are no targets.
        let nothing = (Vec::new(), Vec::new());
        assert_eq!(command(&["python", "x.py"], &args), nothing);
        assert_eq!(command(&[ENTRY_POINT], &[]), nothing);
    }

    #[test]
    fn without_a_target_the_variable_keeps_a_mode_that_verifies() {
        let name = &variable::AUTH_DB_SSLMODE;
        let mode = |own: Option<EnvValue>| {
            let env = own.into_iter().map(|own| (name.name.to_owned(), own)).collect();
            let job = JobSettings { env, ..JobSettings::default() };
            let wanted = wanted(&environment(), &Database::default(), Some(&job));
            job.differences(&wanted).into_iter().find(|one| one.setting == name.name).map(|one| one.to)
        };
        let text = |text: &str| Some(EnvValue::Text(text.to_owned()));
        for kept in ["require", "verify-ca", "verify-full", " verify-full"] {
            assert_eq!(mode(text(kept)), None, "{kept}");
        }
        for weaker in ["disable", "prefer", "", "unheard-of"] {
            assert_eq!(mode(text(weaker)).as_deref(), Some("require"), "{weaker}");
        }
        assert_eq!(mode(None).as_deref(), Some("require"));
        let secret = EnvValue::Secret(SecretRef::own("mode", "latest"));
        assert_eq!(mode(Some(secret)), None, "it cannot be seen, and may verify");
    }
}
