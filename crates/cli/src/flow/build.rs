//! From the sources to the job that runs them: look, plan, build, push, deploy.
//!
//! [`look`] changes nothing and finds out everything the plan needs; [`carry_out`] does what the plan
//! says. Between the two a person can read it, and confirm it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use quill_admin_cloud::{
    CloudError, CloudErrorKind, DeployedJob, Difference, EnvValue, Google, JobName, JobSettings, Region,
    SignIn,
};
use quill_admin_contract::image::{
    LABEL_CONTRACT, LABEL_CREATED, LABEL_REVISION, LABEL_SOURCE, LABEL_TITLE, TITLE, annotation,
};
use quill_admin_contract::{CONTRACT_VERSION, ExitCode, variable};
use quill_admin_image::{
    BuildRequest, Context, Engine, ImageErrorKind, LocalImage, PLATFORM, Registry, RegistryImage, Repository,
    Revision, Token,
};

use crate::config::{Environment, Place};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::hints;

/// The recipe of the admin image, from the root of the sources.
const DOCKERFILE: &str = "docker/Dockerfile";
/// The stage that is the admin image. Always named, though it is the last.
const TARGET: &str = "admin";
/// What the builder stage starts from, unless told otherwise; the Dockerfile's own default.
const BUILDER_IMAGE_ARG: &str = "BUILDER_IMAGE";
/// The tag that always is the newest image.
pub const LATEST: &str = "latest";
/// Longest time a task may take, in seconds: the deployed environments' value.
const TIMEOUT: i64 = 300;

/// What a person asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// The sources; by default the repository around the working folder.
    pub source: Option<PathBuf>,
    /// Builds and pushes even if the registry has the image of these sources.
    pub force: bool,
    /// Builds every step anew.
    pub no_cache: bool,
    /// The image the builder stage starts from, in place of the Dockerfile's.
    pub builder_image: Option<String>,
}

/// The sources, and the names of what becomes of them.
pub struct Source {
    /// The version.
    pub revision: Revision,
    /// The files.
    pub context: Context,
    /// Digest of everything that is given to the build.
    pub digest: String,
    /// The image the builder stage starts from.
    pub builder_image: String,
    /// It is not the Dockerfile's own.
    builder_image_given: bool,
}

/// What the job is and is to become.
pub enum JobPlan {
    /// There is none: it is made.
    Create(JobSettings),
    /// It is changed.
    Change {
        /// As it was read.
        job: Box<DeployedJob>,
        /// As it is to be.
        wanted: JobSettings,
    },
}

/// Everything that was found out.
pub struct Plan {
    /// The sources.
    pub source: Source,
    /// Where the image goes.
    pub image: Repository,
    /// The image of these sources, if the registry has it and it is to be used.
    pub existing: Option<RegistryImage>,
    /// The job. `None` for an environment on this machine, which has its own.
    pub job: Option<JobPlan>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What was done.
pub struct Built {
    /// The image the job runs, pinned.
    pub image: String,
    /// It was built now.
    pub built: bool,
    /// Size of the layers that were not in the registry before, compressed, in bytes.
    pub uploaded: u64,
    /// Size of all layers, compressed, in bytes.
    pub size: u64,
    /// The job did not exist before.
    pub created_job: bool,
    /// What was changed in the job.
    pub changes: Vec<Difference>,
}

impl Source {
    /// Reads the sources.
    pub fn read(cwd: &Path, options: &Options) -> Result<Self, CliError> {
        let folder = options.source.as_deref().map_or_else(|| cwd.to_owned(), |source| cwd.join(source));
        let hint = "run this inside a clone of quill-admin, or name the clone with --source";
        let revision = Revision::of(&folder).map_err(|error| CliError::from(error).hint(hint))?;
        let context =
            Context::read(&revision.root, DOCKERFILE).map_err(|error| CliError::from(error).hint(hint))?;
        let recipe = std::fs::read_to_string(revision.root.join(DOCKERFILE)).unwrap_or_default();
        let own = default_of(&recipe, BUILDER_IMAGE_ARG);
        let given = options.builder_image.clone().filter(|image| !image.is_empty());
        let builder_image_given = given.is_some();
        let builder_image = given.or(own).unwrap_or_default();
        let digest = context.digest(&[TARGET, PLATFORM, &builder_image])?;
        Ok(Self { revision, context, digest, builder_image, builder_image_given })
    }

    /// The tag under which the registry keeps the image of exactly these sources.
    #[must_use]
    pub fn tag(&self) -> String {
        let digest = self.digest.trim_start_matches("sha256:");
        format!("source-{}", digest.get(..32).unwrap_or(digest))
    }

    /// All tags of the image.
    #[must_use]
    pub fn tags(&self) -> [String; 3] {
        [LATEST.to_owned(), self.revision.tag(), self.tag()]
    }

    fn args(&self, engine: &Engine) -> Vec<(String, String)> {
        let mut args = vec![
            ("BUILDER_PLATFORM", engine.platform().to_owned()),
            ("REVISION", self.revision.label()),
            ("CREATED", self.revision.time.to_string()),
            ("SOURCE_DIGEST", self.digest.clone()),
            ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        if self.builder_image_given {
            args.push((BUILDER_IMAGE_ARG, self.builder_image.clone()));
        }
        args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The default of a build argument in a Dockerfile.
fn default_of(recipe: &str, arg: &str) -> Option<String> {
    recipe.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("ARG ")?.trim_start().strip_prefix(arg)?.strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    })
}

/// Finds out what there is. Nothing is changed.
pub async fn look(
    google: &Google,
    environment: &Environment,
    source: Source,
    token: Option<&Token>,
    force: bool,
    emit: Emit<'_>,
) -> Result<Plan, CliError> {
    let image = environment.image.clone();
    if matches!(environment.place, Place::Embedded { .. }) {
        return Ok(Plan { source, image, existing: None, job: None, notes: Vec::new() });
    }
    emit(Event::Doing("looking at the job, the registry and the database"));
    let registry = Registry::new(&image, token);
    let tag = source.tag();
    // The repository first: without it the registry's own answer says less.
    let existing = async {
        repository_exists(google, environment).await?;
        registry.image(&tag).await.map_err(CliError::from)
    };
    let job = async { google.deployed_job(&environment.job).await.map_err(CliError::from) };
    let host = async { Ok::<_, CliError>(database_host(google, environment).await) };
    let (existing, job, host) = tokio::try_join!(existing, job, host)?;

    let mut notes = Vec::new();
    let host = match (host, &job) {
        (Ok(host), _) => host,
        // Who may not look the address up can still change the image of a job that has it.
        (Err(error), Some(job)) if error.code == ExitCode::PermissionDenied && has_host(&job.settings) => {
            notes.push(format!("{error}; the job keeps the database address it has"));
            None
        }
        (Err(error), _) => return Err(error),
    };
    // A tag can be moved by hand: the label inside is what counts.
    let existing = existing
        .filter(|found| !force && found.labels.get(LABEL_SOURCE) == Some(&source.digest))
        .filter(|found| found.platform == PLATFORM);
    let wanted = wanted(environment, host.as_deref());
    let job = match job {
        Some(job) => JobPlan::Change { job: Box::new(job), wanted },
        None => JobPlan::Create(complete(wanted, environment)?),
    };
    let mut plan = Plan { source, image, existing, job: Some(job), notes };
    if let Some(existing) = plan.existing.clone() {
        plan.pin(&existing);
    }
    Ok(plan)
}

fn has_host(settings: &JobSettings) -> bool {
    settings.env.iter().any(|(name, _)| name == variable::AUTH_DB_HOST.name)
}

/// Whether Artifact Registry has the image's repository, where the image is in Artifact Registry.
async fn repository_exists(google: &Google, environment: &Environment) -> Result<(), CliError> {
    let Some((location, project, repository)) = artifact_repository(environment) else { return Ok(()) };
    match google.has_repository(&project, &location, &repository).await {
        // Without the right to look at the repository, the push will tell.
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

/// Location, project and repository of `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE`; for a
/// registry on this machine the environment's own, so that what stands in for Google Cloud is asked
/// the same.
#[must_use]
pub fn artifact_repository(environment: &Environment) -> Option<(Region, String, String)> {
    let mut parts = environment.image.path().split('/');
    let (project, repository) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    parts.next()?;
    let location = match environment.image.registry().strip_suffix("-docker.pkg.dev") {
        Some(location) => location.parse().ok()?,
        None if environment.image.is_loopback() => environment.job.region.clone(),
        None => return None,
    };
    Some((location, project, repository))
}

/// The database's address, as the job reaches it.
async fn database_host(google: &Google, environment: &Environment) -> Result<Option<String>, CliError> {
    let Some(instance) = &environment.database_instance else { return Ok(None) };
    let project = &environment.job.project;
    let found = google.database_instance(project, instance).await.map_err(|error| match error.kind {
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
        .hint("check database.instance in the environments file, or ask for the role roles/cloudsql.viewer")
        .at("database"),
        _ => error.into(),
    })?;
    found.private_ip.map(Some).ok_or_else(|| {
        CliError::new(
            ExitCode::ResourceNotFound,
            format!("the Cloud SQL instance \"{instance}\" has no private IP address"),
        )
        .hint("the job reaches the database by its private address only: enable it on the instance")
        .at("database")
    })
}

/// The job as it should be, but for the image.
#[must_use]
pub fn wanted(environment: &Environment, host: Option<&str>) -> JobSettings {
    let text = |name: &str, value: &str| (name.to_owned(), EnvValue::Text(value.to_owned()));
    let mut env = Vec::new();
    if let Some(host) = host {
        env.push(text(variable::AUTH_DB_HOST.name, host));
    }
    env.push(text(variable::AUTH_DB_NAME.name, &environment.database_name));
    env.push(text(variable::AUTH_DB_USER.name, &environment.database_user));
    env.push(text(variable::AUTH_DB_SSLMODE.name, "require"));
    let secret =
        EnvValue::Secret { secret: environment.password_secret.to_string(), version: "latest".to_owned() };
    env.push((variable::AUTH_DB_PASSWORD.name.to_owned(), secret));
    JobSettings {
        env,
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

/// The job as it should be, but for its image, which stays what it is.
#[must_use]
pub fn settings(environment: &Environment, host: Option<&str>, job: &DeployedJob) -> JobSettings {
    JobSettings { image: job.settings.image.clone(), ..wanted(environment, host) }
}

/// A new job needs everything: what is missing is named at once.
fn complete(wanted: JobSettings, environment: &Environment) -> Result<JobSettings, CliError> {
    let missing: Vec<&str> = [
        ("database.instance", has_host(&wanted)),
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

    /// What would change; for a new job, everything.
    #[must_use]
    pub fn changes(&self) -> Vec<Difference> {
        match self {
            Self::Create(wanted) => {
                let nothing =
                    JobSettings { max_retries: -1, tasks: -1, timeout: -1, ..JobSettings::default() };
                let mut changes = nothing.differences(wanted);
                for change in &mut changes {
                    change.from = None;
                }
                changes
            }
            Self::Change { job, wanted } => job.settings.differences(wanted),
        }
    }
}

impl Plan {
    /// The image is known: the job is to run exactly it.
    fn pin(&mut self, image: &RegistryImage) {
        let name = self.image.pinned(&image.digest);
        let label = |key: &str| image.labels.get(key).cloned().unwrap_or_default();
        let built = image.created.map_or_else(|| label(LABEL_CREATED), |time| time.to_string());
        if let Some(job) = &mut self.job {
            let wanted = job.wanted_mut();
            wanted.image = name;
            wanted.annotations = [
                (annotation::CONTRACT, label(LABEL_CONTRACT)),
                (annotation::REVISION, label(LABEL_REVISION)),
                (annotation::BUILT, built),
                (annotation::IMAGE, image.digest.clone()),
            ]
            .map(|(key, value)| (key.to_owned(), value))
            .to_vec();
        }
    }

    /// Nothing would be built, pushed or changed.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.existing.is_some() && self.job.as_ref().is_some_and(|job| job.changes().is_empty())
    }
}

/// Builds, pushes and deploys what the plan says.
///
/// Until the job is changed everything can be broken off: dropping the future does that. `commit` is
/// called right before the change of the job.
#[expect(clippy::too_many_arguments, reason = "each is one of the things the work is about")]
pub async fn carry_out(
    google: &Google,
    environment: &Environment,
    mut plan: Plan,
    sign_in: Option<&SignIn>,
    engine: Option<&Engine>,
    options: &Options,
    emit: Emit<'_>,
    commit: impl FnOnce(),
) -> Result<Built, CliError> {
    let mut uploaded = 0;
    let built = plan.existing.is_none();
    if built {
        let engine = engine.ok_or_else(no_engine)?;
        build(engine, &plan, options, emit).await?;
    }
    // Only now: a build can take longer than the token was good for.
    let OpenRegistry { registry, token, latest } = OpenRegistry::open(&plan.image, sign_in).await?;
    let image = if let Some(existing) = &plan.existing {
        existing.clone()
    } else {
        let engine = engine.ok_or_else(no_engine)?;
        let pushed = push(engine, &registry, &plan, token.as_ref(), emit).await?;
        let had = |digest: &String| {
            latest.as_ref().is_some_and(|latest| latest.layers.iter().any(|(layer, _)| layer == digest))
        };
        uploaded = pushed.layers.iter().filter(|(digest, _)| !had(digest)).map(|(_, size)| size).sum();
        pushed
    };
    for tag in plan.source.tags() {
        if registry.digest(&tag).await?.as_ref() != Some(&image.digest) {
            emit(Event::Doing("moving the tags"));
            registry.tag(&image.digest, &tag).await?;
        }
    }
    plan.pin(&image);
    commit();
    let name = plan.image.pinned(&image.digest);
    let size = image.layers.iter().map(|(_, size)| size).sum();
    let mut done = Built { image: name, built, uploaded, size, created_job: false, changes: Vec::new() };
    if let Some(job) = &plan.job {
        done.changes = job.changes();
        deploy(google, environment, job, emit).await?;
        done.created_job = matches!(job, JobPlan::Create(_));
    }
    Ok(done)
}

fn no_engine() -> CliError {
    CliError::new(ExitCode::Unexpected, "no engine to build with")
}

/// A token for the registry that is good now.
pub async fn registry_token(sign_in: Option<&SignIn>) -> Result<Option<Token>, CliError> {
    Ok(match sign_in {
        Some(sign_in) => Some(Token::new(sign_in.token().await?)),
        None => None,
    })
}

/// The registry with a token it has just accepted, and the newest image it has.
struct OpenRegistry {
    registry: Registry,
    token: Option<Token>,
    latest: Option<RegistryImage>,
}

impl OpenRegistry {
    /// Asks once more with a new token if the registry refuses the one there is.
    async fn open(repository: &Repository, sign_in: Option<&SignIn>) -> Result<Self, CliError> {
        let mut again = sign_in;
        loop {
            let token = registry_token(sign_in).await?;
            let registry = Registry::new(repository, token.as_ref());
            match (registry.image(LATEST).await, again.take()) {
                (Ok(latest), _) => return Ok(Self { registry, token, latest }),
                (Err(error), Some(sign_in)) if error.kind == ImageErrorKind::NotSignedIn => {
                    sign_in.renew()?;
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
    }
}

/// Builds the image of the sources in the engine.
pub async fn build(
    engine: &Engine,
    plan: &Plan,
    options: &Options,
    emit: Emit<'_>,
) -> Result<LocalImage, CliError> {
    emit(Event::Doing("building the image"));
    let name = plan.image.tagged(&plan.source.revision.tag());
    let args = plan.source.args(engine);
    let request = BuildRequest {
        context: &plan.source.context,
        target: TARGET,
        args: &args,
        image: &name,
        no_cache: options.no_cache,
    };
    let image = engine.build(&request, &|event| emit(Event::Image(event))).await?;
    let label = |key: &str| image.labels.get(key).map(String::as_str);
    // The Dockerfile is part of the sources: what it makes is looked at, not taken for granted.
    if label(LABEL_TITLE) != Some(TITLE) || label(LABEL_SOURCE) != Some(plan.source.digest.as_str()) {
        return Err(CliError::new(
            ExitCode::DockerFailed,
            format!("{DOCKERFILE} made an image without the labels of the admin image"),
        )
        .hint("put back the LABEL lines of docker/Dockerfile"));
    }
    let contract = label(LABEL_CONTRACT).unwrap_or_default();
    if contract != CONTRACT_VERSION.to_string() {
        return Err(CliError::new(
            ExitCode::DockerFailed,
            format!(
                "the image speaks contract version \"{contract}\", this program version {CONTRACT_VERSION}"
            ),
        )
        .hint("build with the quill-admin of the same sources: cargo run --release -- build …"));
    }
    Ok(image)
}

async fn push(
    engine: &Engine,
    registry: &Registry,
    plan: &Plan,
    token: Option<&Token>,
    emit: Emit<'_>,
) -> Result<RegistryImage, CliError> {
    emit(Event::Doing("pushing the image"));
    let tag = plan.source.revision.tag();
    let digest = engine.push(&plan.image, &tag, token, &|event| emit(Event::Image(event))).await?;
    emit(Event::Doing("reading the image back"));
    let found = registry.image(&tag).await?.filter(|found| found.digest == digest);
    found.ok_or_else(|| {
        CliError::new(
            ExitCode::DockerFailed,
            format!(
                "{} is not the image that was pushed ({digest}): somebody else pushed at the same time",
                plan.image.tagged(&tag)
            ),
        )
        .hint("run the same command again")
    })
}

/// Makes or changes the job as planned.
pub async fn deploy(
    google: &Google,
    environment: &Environment,
    job: &JobPlan,
    emit: Emit<'_>,
) -> Result<(), CliError> {
    let name: &JobName = &environment.job;
    let again = || hints::command(&environment.name, "build", &[]);
    let result = match job {
        JobPlan::Create(wanted) => {
            emit(Event::Doing("creating the job"));
            google.create_job(name, wanted).await
        }
        JobPlan::Change { .. } if job.changes().is_empty() => return Ok(()),
        JobPlan::Change { job, wanted } => {
            emit(Event::Doing("changing the job"));
            google.change_job(name, job, wanted).await
        }
    };
    result.map_err(|error| match error.kind {
        CloudErrorKind::Conflict => CliError::new(
            ExitCode::CloudFailed,
            format!(
                "somebody else changed the job {} in the meantime: it was left as they made it",
                name.job
            ),
        )
        .hint(format!("look at it and try again with: {}", again())),
        CloudErrorKind::Failed => {
            CliError::new(ExitCode::CloudFailed, format!("{error}; whether the job was changed is not known"))
                .hint(format!("running it again is safe: {}", again()))
        }
        _ => error.into(),
    })
}

/// When an image was built, in a few words.
#[must_use]
pub fn built_at(image: &RegistryImage) -> Option<Timestamp> {
    image.created.or_else(|| image.labels.get(LABEL_CREATED)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builders_image_is_read_from_the_recipe() {
        let recipe = "# x\nARG BUILDER_IMAGE=rust:1.95.0-slim\nFROM $BUILDER_IMAGE AS builder\n";
        assert_eq!(default_of(recipe, "BUILDER_IMAGE").as_deref(), Some("rust:1.95.0-slim"));
        assert_eq!(default_of(recipe, "BUILDER"), None);
    }
}
