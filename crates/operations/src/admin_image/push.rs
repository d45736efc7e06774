//! Builds the image, where it is not there yet, pushes it, and moves the tags that point to it.
//!
//! Several people may do this at the same time. A tag may belong to another image then, so the pushed image
//! is read by its digest, and `latest` follows the job.
//!
//! To change which tags are moved: [`move_tags`]. To change what happens where a tag is immutable: [`push`].

use quill_admin_contract::image::{Contracts, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_SOURCE};
use quill_admin_contract::{CONTRACT_OLDEST, ExitCode};
use quill_admin_image::{
    BuildRequest, Engine, Image, ImageError, ImageErrorKind, LATEST, LocalImage, Registry, RegistryImage,
    Repository, Token, digest,
};

use super::clone::DOCKERFILE;
use super::plan::Plan;
use super::source::{Compiled, Options, TARGET};
use crate::admin_image::recognise::{by_labels, contracts};
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::session::Session;

/// Moves the tags to the image that the job runs; returns those that were moved, and notes for a person. The
/// job is pinned to a digest, so a tag that cannot be moved breaks nothing: it is only reported.
pub(super) async fn move_tags(
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

/// Moves a tag to a digest where necessary; returns whether it was moved.
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

pub(super) fn not_moved(image: &Repository, tag: &str, error: &ImageError) -> String {
    format!(
        "the tag {} stays where it is: {}; the job runs the image by its digest all the same",
        image.tagged(tag),
        error.message
    )
}

pub(super) fn no_engine() -> CliError {
    CliError::new(ExitCode::Unexpected, "no engine to build with")
}

/// Opens the registry with a token that it has just accepted. When it refuses the first token, it is asked
/// once more with a new one.
pub(super) async fn open_registry(session: &Session, repository: &Repository) -> Result<Registry, CliError> {
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

/// Builds the image of the sources in the Docker engine.
///
/// # Errors
///
/// Fails when the build fails, and when the built image lacks the labels of the admin image or speaks other
/// contract versions than this program.
pub async fn build(
    engine: &Engine,
    plan: &Plan,
    compiled: &Compiled,
    options: &Options,
    token: Option<&Token>,
    emit: &Emit,
) -> Result<LocalImage, CliError> {
    emit(Event::Doing("building the image"));
    // The name belongs to these sources alone, so that two builds in one engine do not take each other's
    // image.
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
    // The Dockerfile is part of the sources, so the image that it makes is checked, not taken for granted.
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

/// Pushes the image under the tag of its sources. Where that tag points to another image and cannot be moved,
/// because the repository's tags are immutable, the image is pushed under a tag of its own. Returns the image
/// as the registry has it, and the number of bytes of layers that were sent.
pub(super) async fn push(
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
    // The image is read by its digest: the tag may have been moved again.
    let pushed = registry.image(image.digest()).await?.ok_or_else(|| {
        CliError::new(
            ExitCode::DockerFailed,
            format!("the registry does not have {}, which was pushed", plan.image.pinned(image.digest())),
        )
        .hint("run the same command again")
    })?;
    Ok((pushed, uploaded))
}

/// The image under a tag that could not be pushed.
enum Taken {
    ByThisImage,
    ByAnother,
    /// There is none, or it could not be read: the push failed for another reason.
    No,
}

async fn taken(registry: &Registry, tag: &str, image: &Image) -> Taken {
    match registry.digest(tag).await {
        Ok(Some(digest)) if digest == image.digest() => Taken::ByThisImage,
        Ok(Some(_)) => Taken::ByAnother,
        Ok(None) | Err(_) => Taken::No,
    }
}

/// A tag that belongs to this image alone.
fn own_tag(image: &Image) -> String {
    let digest = image.digest().trim_start_matches("sha256:");
    format!("image-{}", digest.get(..32).unwrap_or(digest))
}

/// Moves `latest` on to the image that the job runs. After `latest` was moved, somebody else may have
/// deployed another image; this is repeated until the job is the same before and after, so that whoever moves
/// the tag last has also looked last.
pub(super) async fn follow_the_job(
    session: &Session,
    registry: &Registry,
    image: &Repository,
    digest: &str,
) -> Result<(), String> {
    /// The number of deployments by others, each between two of our requests, that are followed.
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
