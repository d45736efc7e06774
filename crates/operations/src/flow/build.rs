//! From the sources, or from what this program carries, to the job that runs it: look, plan, build, push, deploy.
//!
//! [`look`] changes nothing and finds out everything the plan needs; [`carry_out`] does what the plan
//! says. Between the two a person can read it, and confirm it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{
    CloudError, CloudErrorKind, Difference, EnvValue, Job, JobName, JobSettings, Readiness, Region,
};
use quill_admin_contract::image::{
    Contracts, LABEL_ACTIONS, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_CREATED, LABEL_REVISION, LABEL_SOURCE,
    annotation,
};
use quill_admin_contract::image_actions::ActionDigests;
use quill_admin_contract::{CONTRACT_OLDEST, ExitCode, variable};
use quill_admin_image::{
    BuildRequest, Context, Engine, Image, ImageError, ImageErrorKind, LATEST, LocalImage, PLATFORM, Registry,
    RegistryImage, Repository, Revision, Token, digest,
};
use tokio::time::sleep;

use super::assembled::{self, Assembled, Parts};
use super::database_variables;
use super::deployed_actions::{Own, Replaced};
use super::patience::{Looking, Patience, tell_once};
use super::sources;
use super::target::{self, Database};
use crate::admin_image::{by_labels, contracts};
use crate::carried;
use crate::config::{Application, Environment};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::flow::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::hints;
use crate::process::Process;
use crate::session::Session;

/// The recipe of the admin image, from the root of the sources.
pub(super) const DOCKERFILE: &str = "docker/Dockerfile";
/// The stage that is the admin image. Always named, though it is the last.
const TARGET: &str = "admin";
/// The file with the actions, from the root of the sources: the image's build script compiles it.
const ACTIONS: &str = "application/actions.yaml";
/// What the builder stage starts from, unless told otherwise; the Dockerfile's own default.
const BUILDER_IMAGE_ARG: &str = "BUILDER_IMAGE";
/// The build argument that becomes the label with the digests of the actions.
const ACTIONS_ARG: &str = "ACTIONS";
/// Longest time a task may take, in seconds: the deployed environments' value.
const TIMEOUT: i64 = 300;
/// How long a changed job may take to be ready.
const READY_WITHIN: Duration = Duration::from_mins(1);
/// The pauses between looks at it: the first, doubled after each look up to the longest.
const FIRST_LOOK: Duration = Duration::from_millis(100);
const SLOWEST_LOOK: Duration = Duration::from_secs(2);

/// Where the image comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    /// Compiled, inside a clone; elsewhere put together of the executor that this program carries, where it does.
    #[default]
    AsFits,
    /// Compiled of the sources.
    FromSource,
    /// Put together of the executor that this program carries.
    Carried,
}

/// What a person asked for.
#[derive(Debug, Default)]
pub struct Options {
    /// Where the image comes from.
    pub way: Way,
    /// The sources; by default the repository around the working folder.
    pub source: Option<PathBuf>,
    /// Builds and pushes even if the registry has the image of these sources.
    pub force: bool,
    /// Builds every step anew.
    pub no_cache: bool,
    /// The image the builder stage starts from, in place of the Dockerfile's.
    pub builder_image: Option<String>,
}

/// What the image is made of, and the names of what becomes of it.
pub struct Source {
    /// The version.
    pub revision: Revision,
    /// Digest of everything that goes in.
    pub digest: String,
    /// The digests of the actions that the image will have; `None` for sources that declare none in a file.
    pub actions: Option<ActionDigests>,
    /// Whose these actions are.
    own: Own,
    /// How it is made.
    pub made: Made,
}

/// How an image is made.
pub enum Made {
    /// It is to be compiled, in an engine.
    Compiled(Compiled),
    /// It is there already: put together of the carried executor and the application's actions.
    Assembled(Box<Assembled>),
}

/// What is compiled.
pub struct Compiled {
    /// The files.
    pub context: Context,
    /// The image the builder stage starts from.
    pub builder_image: String,
    /// It is not the Dockerfile's own.
    builder_image_given: bool,
}

/// What the job is and is to become: a difference, and not one more type for a job.
pub enum JobPlan {
    /// There is none: it is made.
    Create(JobSettings),
    /// It is changed.
    Change {
        /// As it was read.
        job: Box<Job>,
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
    /// Tags that stand for another image, or for none, though the registry has this one and the job runs it.
    pub stray_tags: Vec<String>,
    /// What becomes of the actions of the image that the job runs now, where there is something to say of them.
    pub replaced: Option<Replaced>,
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
    /// Tags that were moved to the image.
    pub moved_tags: Vec<String>,
    /// What a person should know: tags that could not be moved.
    pub notes: Vec<String>,
}

impl Source {
    /// Reads what the image is made of: the sources, or, where none are around, what this program carries and the
    /// application's actions.
    pub fn read(process: &Process, application: &Application, options: &Options) -> Result<Self, CliError> {
        let carried = match options.way {
            Way::FromSource => false,
            Way::Carried => true,
            Way::AsFits => carried::executor().is_some() && !sources::is_in_a_clone(&process.cwd),
        };
        if !carried {
            let told = |error: CliError| match options.way {
                Way::AsFits if carried::executor().is_none() && !sources::is_in_a_clone(&process.cwd) => {
                    error.hint("or use a released quill-admin: it carries the executor and needs no clone")
                }
                _ => error,
            };
            return Self::of_sources(&process.cwd, options).map_err(told);
        }
        let Parts { revision, digest, actions, own, assembled } =
            assembled::of_carried(process, application)?;
        let made = Made::Assembled(Box::new(assembled));
        Ok(Self { revision, digest, actions: Some(actions), own, made })
    }

    /// Reads the sources.
    pub fn of_sources(cwd: &Path, options: &Options) -> Result<Self, CliError> {
        let folder = options.source.as_deref().map_or_else(|| cwd.to_owned(), |source| cwd.join(source));
        let revision = Revision::of(&folder).map_err(sources::unreadable)?;
        let context = Context::read(&revision.root, DOCKERFILE).map_err(sources::unreadable)?;
        sources::are_ours(&revision.root, &context)?;
        let own = default_of(context.recipe(), BUILDER_IMAGE_ARG);
        let given = options.builder_image.clone().filter(|image| !image.is_empty());
        let builder_image_given = given.is_some();
        let builder_image = given.or(own).unwrap_or_default();
        let digest = context.digest(&[TARGET, PLATFORM, &builder_image])?;
        let actions = actions(&context, &revision)?;
        let made = Made::Compiled(Compiled { context, builder_image, builder_image_given });
        let own = Own::of_sources(&revision);
        Ok(Self { revision, digest, actions, own, made })
    }

    /// Whether an engine is needed to make it.
    #[must_use]
    pub fn needs_engine(&self) -> bool {
        matches!(self.made, Made::Compiled(_))
    }

    /// What a person should know of them.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        match &self.made {
            Made::Compiled(compiled) => skipped(&compiled.context),
            Made::Assembled(_) => Vec::new(),
        }
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

    fn args(&self, compiled: &Compiled, engine: &Engine) -> Vec<(String, String)> {
        let mut args = vec![
            ("BUILDER_PLATFORM", engine.platform().to_owned()),
            ("REVISION", self.revision.label()),
            ("CREATED", self.revision.time.to_string()),
            ("SOURCE_DIGEST", self.digest.clone()),
            ("VERSION", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        if let Some(actions) = &self.actions {
            args.push((ACTIONS_ARG, actions.to_string()));
        }
        if compiled.builder_image_given {
            args.push((BUILDER_IMAGE_ARG, compiled.builder_image.clone()));
        }
        args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Compiles the actions that the build gets, as the image's build script will. What is wrong with them is told now and
/// not after minutes of compiling.
fn actions(context: &Context, revision: &Revision) -> Result<Option<ActionDigests>, CliError> {
    let file = revision.root.join(ACTIONS);
    let Some(text) = context.content(ACTIONS, quill_admin_application::LARGEST)? else { return Ok(None) };
    let compiled = quill_admin_application::compile(&file, &text).map_err(|broken| {
        CliError::from(broken).hint(
            "sources that are newer than this program may declare more than it knows: build with their own quill-admin, \
             cargo run --release -- build",
        )
    })?;
    Ok(Some(ActionDigests::of(&compiled.actions)))
}

/// What the build does not get though no rule leaves it out, in words; at most a few of them.
#[must_use]
pub fn skipped(context: &Context) -> Vec<String> {
    const NAMED: usize = 10;
    let skipped = context.skipped();
    let mut notes: Vec<String> =
        skipped.iter().take(NAMED).map(|what| format!("left out of the build: {what}")).collect();
    if skipped.len() > NAMED {
        notes.push(format!("left out of the build: {} more of the kind", skipped.len() - NAMED));
    }
    notes
}

/// The default of a build argument in a Dockerfile.
fn default_of(recipe: &str, arg: &str) -> Option<String> {
    recipe.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("ARG ")?.trim_start().strip_prefix(arg)?.strip_prefix('=')?;
        Some(rest.trim().trim_matches('"').to_owned())
    })
}

/// Finds out what there is. Nothing is changed.
pub async fn look(session: &Session, source: Source, force: bool) -> Result<Plan, CliError> {
    let (google, environment) = (session.google(), session.environment());
    let image = environment.image.clone();
    let token = session.registry_token().await?;
    // Known now rather than after minutes of building: without the token nothing can be pushed.
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
    // The repository first: without it the registry's own answer says less.
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
    // A tag can be moved by hand: the label inside is what counts.
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
        // Where nothing else is to be done, moving them is what there is to agree to.
        if plan.is_done() {
            plan.stray_tags = stray_tags(&registry, &plan.source, &existing.digest).await?;
        }
    }
    plan.replaced = plan.replaces();
    Ok(plan)
}

/// Whether Artifact Registry has the image's repository, where the image is in Artifact Registry.
async fn repository_exists(session: &Session) -> Result<(), CliError> {
    let Some((location, project, repository)) = artifact_repository(session.environment()) else {
        return Ok(());
    };
    match session.google().has_repository(&project, &location, &repository).await {
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

/// The job as it should be, but for the image. `job` is what it is, where there is one.
#[must_use]
pub fn wanted(environment: &Environment, database: &Database, job: Option<&JobSettings>) -> JobSettings {
    let text = |name: &str, value: &str| (name.to_owned(), EnvValue::Text(value.to_owned()));
    // The database is in the command, and these variables say the same of it once more: an image that was built
    // before there were targets ignores its arguments, and may still be deployed when Terraform sets the command.
    let mut env = Vec::new();
    if let Some(host) = &database.host {
        env.push(text(variable::AUTH_DB_HOST.name, host));
    }
    env.push(text(variable::AUTH_DB_NAME.name, &environment.database_name));
    env.push(text(variable::AUTH_DB_USER.name, &environment.database_user));
    env.push(text(variable::AUTH_DB_SSLMODE.name, "require"));
    let secret =
        EnvValue::Secret { secret: environment.password_secret.to_string(), version: "latest".to_owned() };
    env.push((variable::AUTH_DB_PASSWORD.name.to_owned(), secret));
    JobSettings {
        command: database.command(job),
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

/// The job as it should be, but for its image, which stays what it is.
#[must_use]
pub fn settings(environment: &Environment, database: &Database, job: &Job) -> JobSettings {
    let job = &job.settings;
    JobSettings { image: job.image.clone(), ..wanted(environment, database, Some(job)) }
}

/// A new job needs everything: what is missing is named at once.
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

    /// What would change; for a new job, everything.
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
    /// For an environment on this machine: the image stays in this machine's Docker engine.
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

    /// What becomes of the actions of the image that the job runs now.
    fn replaces(&self) -> Option<Replaced> {
        let Some(JobPlan::Change { job, wanted }) = &self.job else { return None };
        let stays = job.settings.image == wanted.image;
        Replaced::of(&job.settings, &self.source.own, self.source.actions.as_ref(), stays)
    }

    /// Why somebody has to agree to what this plan replaces, in words; empty where nobody has to.
    #[must_use]
    pub fn loses(&self) -> &[String] {
        self.replaced.as_ref().map_or(&[], |replaced| &replaced.loses)
    }

    /// The image is known: the job is to run exactly it.
    fn pin(&mut self, image: &RegistryImage) {
        let name = self.image.pinned(&image.digest);
        let label = |key: &str| image.labels.get(key).cloned().unwrap_or_default();
        let built = image.created.map_or_else(|| label(LABEL_CREATED), |time| time.to_string());
        // Who deploys says what these sources declare: the label of an image that was built before may be missing, or
        // be of a program that computed digests otherwise.
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

    /// Nothing would be built, pushed, changed or tagged.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.existing.is_some()
            && self.job.as_ref().is_some_and(|job| job.changes().is_empty())
            && self.stray_tags.is_empty()
    }
}

/// Builds, pushes and deploys what the plan says.
///
/// Until the job is changed everything can be broken off: dropping the future does that. The change of the
/// job is the point of no return. The tags move after it: only for whoever has changed the
/// job does `latest` become this image.
pub async fn carry_out(
    session: &Session,
    mut plan: Plan,
    engine: Option<&Engine>,
    options: &Options,
    point: &PointOfNoReturn,
) -> Result<Built, CliError> {
    let mut uploaded = 0;
    let local = match &plan.source.made {
        _ if plan.existing.is_some() => None,
        Made::Compiled(compiled) => {
            let token = session.registry_token().await?;
            let engine = engine.ok_or_else(no_engine)?;
            let built = build(engine, &plan, compiled, options, token.as_ref(), session.emitter()).await?;
            // Of the commit's time: what is built of it a second time is the same to the last bit.
            Some(engine.assembled(&built.id, plan.source.revision.time).await?)
        }
        Made::Assembled(assembled) => Some(assembled.image.clone()),
    };
    // Only now: a build can take longer than the token was good for.
    let registry = open_registry(session, &plan.image).await?;
    let image = match (&plan.existing, &local) {
        (Some(existing), _) => existing.clone(),
        (None, Some(local)) => {
            let pushed;
            (pushed, uploaded) = push(session, &registry, &plan, local).await?;
            pushed
        }
        (None, None) => return Err(no_engine()),
    };
    plan.pin(&image);
    let mut done = Built {
        image: plan.image.pinned(&image.digest),
        built: local.is_some(),
        uploaded,
        size: image.layers.iter().map(|(_, size)| size).sum(),
        created_job: false,
        changes: Vec::new(),
        moved_tags: Vec::new(),
        notes: Vec::new(),
    };
    // Nothing was shown, and nobody was asked: so nothing is written, whatever else may have moved since.
    if plan.is_done() {
        return Ok(done);
    }
    if let Some(job) = &plan.job {
        done.changes = job.changes();
        let runs = format!(
            "the job {} runs {}; tags that were not moved yet are moved by running build again",
            session.environment().job.job,
            done.image
        );
        deploy(session, job, point, &runs).await?;
        done.created_job = matches!(job, JobPlan::Create(_));
    }
    (done.moved_tags, done.notes) = move_tags(session, &registry, &plan, &image.digest).await;
    Ok(done)
}

/// The tags of some sources that do not stand for their image.
async fn stray_tags(registry: &Registry, source: &Source, digest: &str) -> Result<Vec<String>, CliError> {
    let mut stray = Vec::new();
    for tag in source.tags() {
        if registry.digest(&tag).await?.as_deref() != Some(digest) {
            stray.push(tag);
        }
    }
    Ok(stray)
}

/// Lets the tags stand for the image the job runs; returns those that were moved, and what a person should
/// know. The job is pinned to a digest, so a tag that stays where it is makes nothing wrong: it is told.
async fn move_tags(
    session: &Session,
    registry: &Registry,
    plan: &Plan,
    digest: &str,
) -> (Vec<String>, Vec<String>) {
    let (mut moved, mut notes) = (Vec::new(), Vec::new());
    for tag in plan.source.tags() {
        match move_tag(session, registry, &tag, digest).await {
            Ok(true) => moved.push(tag),
            Ok(false) => {}
            Err(error) => notes.push(not_moved(&plan.image, &tag, &error)),
        }
    }
    if moved.iter().any(|tag| tag == LATEST)
        && plan.job.is_some()
        && let Err(note) = follow_the_job(session, registry, &plan.image, digest).await
    {
        notes.push(note);
    }
    (moved, notes)
}

/// Whether a tag had to be moved to stand for a digest.
async fn move_tag(
    session: &Session,
    registry: &Registry,
    tag: &str,
    digest: &str,
) -> Result<bool, ImageError> {
    if registry.digest(tag).await?.as_deref() == Some(digest) {
        return Ok(false);
    }
    session.emit(Event::Doing("moving the tags"));
    registry.tag(digest, tag).await.map(|()| true)
}

fn not_moved(image: &Repository, tag: &str, error: &ImageError) -> String {
    format!(
        "the tag {} stays where it is: {}; the job runs the image by its digest all the same",
        image.tagged(tag),
        error.message
    )
}

/// After `latest` was moved, the job may already run what somebody else has deployed since. `latest` is
/// then moved on to that, until the job is the same before and after: whoever moves it last looks last.
async fn follow_the_job(
    session: &Session,
    registry: &Registry,
    image: &Repository,
    digest: &str,
) -> Result<(), String> {
    /// How many deployments by others, each between two of our requests, are followed.
    const ROUNDS: usize = 5;
    let mut current = digest.to_owned();
    for _ in 0..ROUNDS {
        let job = session.google().find_job(&session.environment().job).await.map_err(|error| {
            format!("whether somebody else deployed in the meantime could not be looked at: {error}")
        })?;
        let Some(runs) = job.and_then(|job| pinned_to(image, &job.settings.image)) else { return Ok(()) };
        if runs == current {
            return Ok(());
        }
        registry.tag(&runs, LATEST).await.map_err(|error| not_moved(image, LATEST, &error))?;
        current = runs;
    }
    Err(format!("others keep deploying: {} may stand for another image than the job's", image.tagged(LATEST)))
}

/// The digest to which a job's image is pinned, where it is from this repository.
fn pinned_to(image: &Repository, name: &str) -> Option<String> {
    digest(name).filter(|_| image.has(name)).map(str::to_owned)
}

fn no_engine() -> CliError {
    CliError::new(ExitCode::Unexpected, "no engine to build with")
}

/// The registry with a token it has just accepted. It is asked once more with a new one if it refuses the one
/// there is.
async fn open_registry(session: &Session, repository: &Repository) -> Result<Registry, CliError> {
    let mut again = session.sign_in();
    loop {
        let registry = Registry::new(repository, session.registry_token().await?.as_ref());
        match (registry.digest(LATEST).await, again.take()) {
            (Ok(_), _) => return Ok(registry),
            (Err(error), Some(sign_in)) if error.kind == ImageErrorKind::NotSignedIn => sign_in.renew()?,
            (Err(error), _) => return Err(error.into()),
        }
    }
}

/// Builds the image of the sources in the engine.
pub async fn build(
    engine: &Engine,
    plan: &Plan,
    compiled: &Compiled,
    options: &Options,
    token: Option<&Token>,
    emit: &Emit,
) -> Result<LocalImage, CliError> {
    emit(Event::Doing("building the image"));
    // Of these sources alone: two builds in one engine do not take each other's image.
    let name = plan.image.tagged(&plan.source.tag());
    let args = plan.source.args(compiled, engine);
    let request = BuildRequest {
        context: &compiled.context,
        target: TARGET,
        args: &args,
        image: &name,
        no_cache: options.no_cache,
        token,
    };
    let image = engine.build(&request, &|event| emit(Event::Image(event))).await?;
    let label = |key: &str| image.labels.get(key).map(String::as_str);
    // The Dockerfile is part of the sources: what it makes is looked at, not taken for granted.
    if by_labels(&image.labels).is_none() || label(LABEL_SOURCE) != Some(plan.source.digest.as_str()) {
        return Err(CliError::new(
            ExitCode::DockerFailed,
            format!("{DOCKERFILE} made an image without the labels of the admin image"),
        )
        .hint("put back the LABEL lines of docker/Dockerfile"));
    }
    if contracts(&image.labels) != Some(Contracts::OWN)
        || label(LABEL_CONTRACT) != Some(&CONTRACT_OLDEST.to_string())
    {
        let spoken = |label: Option<&str>| label.unwrap_or_default().to_owned();
        return Err(CliError::new(
            ExitCode::DockerFailed,
            format!(
                "the image speaks contract versions \"{}\", the oldest \"{}\", this program {}",
                spoken(label(LABEL_CONTRACTS)),
                spoken(label(LABEL_CONTRACT)),
                Contracts::OWN
            ),
        )
        .hint("build with the quill-admin of the same sources: cargo run --release -- build …"));
    }
    Ok(image)
}

/// Pushes the image under the tag of its sources. Where that tag stands for another image and stays with
/// it, because the repository's tags are immutable, under a tag of the image's own. Returns it as the registry
/// has it, and how many bytes of layers were sent.
async fn push(
    session: &Session,
    registry: &Registry,
    plan: &Plan,
    image: &Image,
) -> Result<(RegistryImage, u64), CliError> {
    let on_image = |event| session.emit(Event::Image(event));
    let tag = plan.source.tag();
    let mut uploaded = 0;
    if registry.digest(&tag).await?.as_deref() != Some(image.digest()) {
        session.emit(Event::Doing("pushing the image"));
        match registry.push(image, &tag, &on_image).await {
            Ok(sent) => uploaded = sent,
            Err(refused) => match taken(registry, &tag, image).await {
                Taken::ByThisImage => {}
                Taken::ByAnother => {
                    let own = own_tag(image);
                    match registry.push(image, &own, &on_image).await {
                        Ok(sent) => uploaded = sent,
                        Err(_) if matches!(taken(registry, &own, image).await, Taken::ByThisImage) => {}
                        Err(_) => return Err(refused.into()),
                    }
                }
                Taken::No => return Err(refused.into()),
            },
        }
    }
    session.emit(Event::Doing("reading the image back"));
    // By its digest: the tag may be somebody else's again.
    let pushed = registry.image(image.digest()).await?.ok_or_else(|| {
        CliError::new(
            ExitCode::DockerFailed,
            format!("the registry does not have {}, which was pushed", plan.image.pinned(image.digest())),
        )
        .hint("run the same command again")
    })?;
    Ok((pushed, uploaded))
}

/// What stands under a tag that could not be pushed.
enum Taken {
    ByThisImage,
    ByAnother,
    /// Nothing, or it could not be looked at: the push failed for another reason.
    No,
}

async fn taken(registry: &Registry, tag: &str, image: &Image) -> Taken {
    match registry.digest(tag).await {
        Ok(Some(digest)) if digest == image.digest() => Taken::ByThisImage,
        Ok(Some(_)) => Taken::ByAnother,
        Ok(None) | Err(_) => Taken::No,
    }
}

/// A tag that no other image has.
fn own_tag(image: &Image) -> String {
    let digest = image.digest().trim_start_matches("sha256:");
    format!("image-{}", digest.get(..32).unwrap_or(digest))
}

/// Makes or changes the job as planned, and waits until it can run. `made` says in words what is done for whoever
/// leaves after the change.
///
/// # Errors
///
/// The change was refused, or whether it was made is not known; the job was changed, and cannot run, or whether
/// it can is not known.
pub async fn deploy(
    session: &Session,
    job: &JobPlan,
    point: &PointOfNoReturn,
    made: &str,
) -> Result<(), CliError> {
    let (google, environment) = (session.google(), session.environment());
    let name: &JobName = &environment.job;
    let again = || hints::command(&environment.name, "build", &[]);
    let safe = || format!("running it again is safe: {}", again());
    let left = CliError::interrupted(made).hint(safe());
    if job.changes().is_empty() {
        point.passed(left);
        return Ok(());
    }
    point.reached(UnderWay::change().hint(safe())).await;
    let result = match job {
        JobPlan::Create(wanted) => {
            session.emit(Event::Doing("creating the job"));
            google.create_job(name, wanted).await
        }
        JobPlan::Change { job, wanted } => {
            session.emit(Event::Doing("changing the job"));
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
                .hint(safe())
        }
        _ => error.into(),
    })?;
    point.passed(left);
    ready(session).await.map_err(|error| error.hint(safe()))
}

/// Waits until the job, which was changed, can run.
async fn ready(session: &Session) -> Result<(), CliError> {
    let mut looking = Looking::new();
    let mut patience = Patience::new();
    let mut told = None;
    let mut pause = FIRST_LOOK;
    let wrong = |how: &str| CliError::new(ExitCode::CloudFailed, format!("the job was changed, and {how}"));
    loop {
        match session.google().job_readiness(&session.environment().job).await {
            Ok(Readiness::Ready) => return Ok(()),
            Ok(Readiness::Failed { reason }) => return Err(wrong(&format!("is not ready: {reason}"))),
            Ok(Readiness::Pending) => {
                patience = Patience::new();
                if looking.lasted() > READY_WITHIN {
                    return Err(wrong("is not ready after a minute"));
                }
            }
            Err(error) if patience.ends_with(&error) => {
                let mut lost = CliError::from(error);
                lost.code = ExitCode::Unknown;
                lost.messages
                    .insert(0, "the job was changed, and whether it is ready is not known".to_owned());
                return Err(lost);
            }
            Err(error) => tell_once(&mut told, format!("{error}; trying again"), session),
        }
        sleep(pause).await;
        pause = (pause * 2).min(SLOWEST_LOOK);
    }
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
