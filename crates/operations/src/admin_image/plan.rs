//! The plan for an image. [`look`] changes nothing and finds out everything that the plan needs, so that a
//! person can read the plan and confirm it.
//!
//! To add a setting of the job: [`wanted`], and `complete` where a new job cannot do without it; the
//! Terraform module (`infra/modules/cloud-run-job/main.tf`) sets the same.

use jiff::Timestamp;
use quill_admin_cloud::{
    CloudError, CloudErrorKind, Difference, EnvValue, Job, JobSettings, ResourceId, SecretRef,
};
use quill_admin_contract::image::{
    LABEL_ACTIONS, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_CREATED, LABEL_REVISION, LABEL_SOURCE, annotation,
};
use quill_admin_contract::{ExitCode, TlsMode, variable};
use quill_admin_image::{PLATFORM, Registry, RegistryImage, Repository, split};

use super::source::Source;
use crate::admin_image::database_variables;
use crate::admin_image::deployed_actions::Replaced;
use crate::admin_image::recognise::of_another_tool;
use crate::admin_image::target::{self, Database};
use crate::config::Environment;
use crate::error::CliError;
use crate::events::Event;
use crate::session::Session;

/// The time-out of a task, in seconds: the value that the deployed environments have.
const TIMEOUT: i64 = 300;

/// The job as it is and as it is to become.
#[derive(Debug)]
pub enum JobPlan {
    /// There is no job: it is created.
    Create(JobSettings),
    /// The job is changed.
    Change {
        /// The job as it was read.
        job: Box<Job>,
        /// The settings that it is to have.
        wanted: JobSettings,
    },
}

/// Everything that was found out about an image to be deployed.
#[derive(Debug)]
pub struct Plan {
    /// The sources.
    pub source: Source,
    /// The repository that the image is pushed to.
    pub image: Repository,
    /// The image of these sources, if the registry has it and it may be used.
    pub existing: Option<RegistryImage>,
    /// The job. `None` for an environment on this machine, which has its own.
    pub job: Option<JobPlan>,
    /// Tags that do not point to this image, though the registry has it and the job runs it.
    pub stray_tags: Vec<String>,
    /// The effect on the actions of the image that the job runs now, where there is one to report.
    pub replaced: Option<Replaced>,
    /// Notes for a person.
    pub notes: Vec<String>,
}

/// Finds out what exists and what has to be done; nothing is changed.
///
/// # Errors
///
/// Fails when the registry's host is not trusted with the sign-in, when the repository is missing, when the
/// job, the registry or the database cannot be read, and when the environment lacks settings of a new job.
pub async fn look(session: &Session, source: Source, force: bool) -> Result<Plan, CliError> {
    let (google, environment) = (session.google(), session.environment());
    let image = environment.image.clone();
    let token = session.registry_token().await?;
    // This is known now rather than after minutes of building: without the token nothing can be pushed.
    if token.as_ref().is_some_and(|token| !token.is_for(&image)) {
        let registry = image.registry();
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        return Err(CliError::usage(format!(
            "{}: the image of environment \"{}\" is at {registry}, which is neither one of Google's hosts nor one that \
             you named: your sign-in was not sent there, and nothing was built",
            environment.source.path.display(),
            environment.name
        ))
        .hint(format!("if you trust that host with your sign-in, add: --trust-host {host}")));
    }
    session.emit(Event::Doing("looking at the job, the registry and the database"));
    let registry = Registry::new(&image, token.as_ref());
    let tag = source.tag();
    // The repository is asked for first: without it the registry's own answer says less.
    let existing = async {
        repository_exists(session).await?;
        registry.image(&tag).await.map_err(CliError::from)
    };
    let job = async { google.find_job(&environment.job).await.map_err(CliError::from) };
    let instance = async { Ok::<_, CliError>(target::instance(session).await) };
    let (existing, job, instance) = tokio::try_join!(existing, job, instance)?;

    let settings = job.as_ref().map(|job| &job.settings);
    let database = target::settle(environment, instance, settings)?;
    let mut notes = source.notes();
    notes.extend(database.notes.iter().cloned());
    // A tag can be moved by hand, so the label inside the image decides.
    let existing = existing
        .filter(|found| !force && found.labels.get(LABEL_SOURCE) == Some(&source.digest))
        .filter(|found| found.platform == PLATFORM);
    notes.extend(settings.into_iter().flat_map(database_variables::contradictions).map(|one| {
        format!("the job has {} and {} with other values; {} wins", one.wins, one.loses, one.wins)
    }));
    let wanted = wanted(environment, &database, settings);
    let job = match job {
        Some(job) => JobPlan::Change { job: Box::new(job), wanted },
        None => JobPlan::Create(complete(wanted, environment)?),
    };
    let mut plan =
        Plan { source, image, existing, job: Some(job), stray_tags: Vec::new(), replaced: None, notes };
    if let Some(existing) = plan.existing.clone() {
        plan.pin(&existing);
        // Where nothing else has to be done, moving the tags is what a person agrees to.
        if plan.is_done() {
            plan.stray_tags = stray_tags(&registry, &plan.source, &existing.digest).await?;
        }
    }
    if let Some(JobPlan::Change { job, wanted }) = &plan.job
        && job.settings.image != wanted.image
    {
        let image = registry.image(split(&job.settings.image).1);
        let foreign = match of_another_tool(&job.settings, &plan.image, image).await {
            Ok(sign) => sign.map(|sign| format!("another tool's image: {sign}")),
            Err(error) => Some(format!("the image may be another tool's, which could not be seen: {error}")),
        };
        let (own, actions) = (&plan.source.own, plan.source.actions.as_ref());
        plan.replaced = Replaced::of(&job.settings, own, actions, foreign);
    }
    Ok(plan)
}

/// Whether Artifact Registry has the image's repository, where the image is in Artifact Registry.
async fn repository_exists(session: &Session) -> Result<(), CliError> {
    let Some((location, project, repository)) = session.environment().artifact_repository() else {
        return Ok(());
    };
    match session.google().has_repository(&project, &location, &repository).await {
        // Without the permission to read the repository, the push reports whether it exists.
        Ok(true) | Err(CloudError { kind: CloudErrorKind::PermissionDenied, .. }) => Ok(()),
        Ok(false) => Err(CliError::new(
            ExitCode::ResourceNotFound,
            format!("project {project} has no Artifact Registry repository \"{repository}\" in {location}"),
        )
        .hint(format!(
            "make it with: gcloud artifacts repositories create {repository} --repository-format=docker \
             --location={location} --project={project}"
        ))
        .at("admin-image")),
        Err(error) => Err(error.into()),
    }
}

/// The settings that the job should have, apart from the image. `job` holds its present settings, where there
/// is a job.
#[must_use]
pub fn wanted(environment: &Environment, database: &Database, job: Option<&JobSettings>) -> JobSettings {
    let text = |name: &str, value: &str| (name.to_owned(), EnvValue::Text(value.to_owned()));
    // The database is in the command, and these variables repeat it: an image that was built before there
    // were targets ignores its arguments, and may still be deployed when Terraform sets the command.
    let mut env = Vec::new();
    if let Some(host) = &database.host {
        env.push(text(variable::AUTH_DB_HOST.name, host));
    }
    env.push(text(variable::AUTH_DB_NAME.name, &environment.database_name));
    env.push(text(variable::AUTH_DB_USER.name, &environment.database_user));
    // Without a target this variable decides. A job that verifies its database goes on to do so, and a value that
    // cannot be seen here may be the one that says it.
    let own = job.and_then(|job| database_variables::of(job, &variable::AUTH_DB_SSLMODE));
    let weaker = match own {
        Some((_, EnvValue::Text(mode))) => !mode.parse::<TlsMode>().is_ok_and(TlsMode::verifies),
        Some((_, EnvValue::Secret(_))) => false,
        None => true,
    };
    if weaker {
        env.push(text(variable::AUTH_DB_SSLMODE.name, TlsMode::Require.as_str()));
    }
    let secret = |name: &str, secret: &ResourceId| {
        (name.to_owned(), EnvValue::Secret(SecretRef::own(secret.as_str(), "latest")))
    };
    env.push(secret(variable::AUTH_DB_PASSWORD.name, &environment.password_secret));
    if let Some(key) = &environment.record_key_secret {
        env.push(secret(variable::ADMIN_RECORD_KEY.name, key));
    }
    let (command, args) = database.command(job);
    JobSettings {
        command,
        args,
        env: database_variables::named(env, job),
        service_account: environment.service_account.clone(),
        connector: environment.connector.as_ref().map(ToString::to_string),
        egress: environment.egress,
        // A task that failed is not to be run again: it may have been applied.
        max_retries: 0,
        timeout: TIMEOUT,
        tasks: 1,
        ..JobSettings::default()
    }
}

/// The settings that an existing job should have; its image stays as it is.
#[must_use]
pub fn settings(environment: &Environment, database: &Database, job: &Job) -> JobSettings {
    let job = &job.settings;
    JobSettings { image: job.image.clone(), ..wanted(environment, database, Some(job)) }
}

/// Checks the settings of a new job, which needs all of them: everything that is missing is named at once.
fn complete(wanted: JobSettings, environment: &Environment) -> Result<JobSettings, CliError> {
    let missing: Vec<&str> = [
        ("database.instance", !wanted.command.is_empty()),
        ("network.connector", wanted.connector.is_some()),
        ("network.egress", wanted.egress.is_some()),
        ("service_account", wanted.service_account.is_some()),
    ]
    .iter()
    .filter(|(_, there)| !there)
    .map(|(key, _)| *key)
    .collect();
    if missing.is_empty() {
        return Ok(wanted);
    }
    Err(CliError::usage(format!(
        "the job {} does not exist, and to make it the environment \"{}\" lacks: {}",
        environment.job.job,
        environment.name,
        missing.join(", ")
    ))
    .hint("add them to the environments file, or make the job with: terraform apply"))
}

impl JobPlan {
    fn wanted_mut(&mut self) -> &mut JobSettings {
        match self {
            Self::Create(wanted) | Self::Change { wanted, .. } => wanted,
        }
    }

    /// The settings that would change; for a new job, all of them.
    #[must_use]
    pub fn changes(&self) -> Vec<Difference> {
        match self {
            Self::Create(wanted) => {
                let nothing =
                    JobSettings { max_retries: -1, tasks: -1, timeout: -1, ..JobSettings::default() };
                let mut changes = target::differences(&nothing, wanted);
                for change in &mut changes {
                    change.from = None;
                }
                changes
            }
            Self::Change { job, wanted } => target::differences(&job.settings, wanted),
        }
    }
}

impl Plan {
    /// The plan for the embedded environment: the image stays in this machine's Docker engine.
    #[must_use]
    pub fn for_this_machine(environment: &Environment, source: Source) -> Self {
        let notes = source.notes();
        Self {
            source,
            image: environment.image.clone(),
            existing: None,
            job: None,
            stray_tags: Vec::new(),
            replaced: None,
            notes,
        }
    }

    /// The reasons why somebody has to agree to what this plan replaces, in words; empty where nobody has to.
    #[must_use]
    pub fn loses(&self) -> &[String] {
        self.replaced.as_ref().map_or(&[], |replaced| &replaced.loses)
    }

    /// Makes the plan pin the job to exactly this image.
    pub(super) fn pin(&mut self, image: &RegistryImage) {
        let name = self.image.pinned(&image.digest);
        let label = |key: &str| image.labels.get(key).cloned().unwrap_or_default();
        let built = image.created.map_or_else(|| label(LABEL_CREATED), |time| time.to_string());
        // The digests of the actions are those of these sources, which this program computes: the label of an
        // image that was built before may be missing, or be from a program that computed digests otherwise.
        let actions = self.source.actions.as_ref().map_or_else(|| label(LABEL_ACTIONS), ToString::to_string);
        if let Some(job) = &mut self.job {
            let wanted = job.wanted_mut();
            wanted.image = name;
            wanted.annotations = [
                (annotation::CONTRACT, label(LABEL_CONTRACT)),
                (annotation::CONTRACTS, label(LABEL_CONTRACTS)),
                (annotation::ACTIONS, actions),
                (annotation::REVISION, label(LABEL_REVISION)),
                (annotation::COMMITTED, label(LABEL_CREATED)),
                (annotation::BUILT, built),
                (annotation::IMAGE, image.digest.clone()),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .to_vec();
        }
    }

    /// Whether nothing would be built, pushed, changed or tagged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.existing.is_some()
            && self.job.as_ref().is_some_and(|job| job.changes().is_empty())
            && self.stray_tags.is_empty()
    }
}

/// The tags of these sources that do not point to their image.
async fn stray_tags(registry: &Registry, source: &Source, digest: &str) -> Result<Vec<String>, CliError> {
    let mut stray = Vec::new();
    for tag in source.tags() {
        if registry.digest(&tag).await?.as_deref() != Some(digest) {
            stray.push(tag);
        }
    }
    Ok(stray)
}

/// The time at which an image was built.
#[must_use]
pub fn built_at(image: &RegistryImage) -> Option<Timestamp> {
    image.created.or_else(|| image.labels.get(LABEL_CREATED)?.parse().ok())
}
