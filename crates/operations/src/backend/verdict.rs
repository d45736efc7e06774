//! Judges whether the service can go back to a revision's image.

use quill_admin_cloud::{Readiness, role};
use quill_admin_image::{ImageErrorKind, PLATFORM, Registry, Repository, Token, split};

use crate::admin_image::recognise::AdminImage;
use crate::config::Environment;
use crate::error::CliError;

/// Whether the service can go back to a revision's image.
pub(super) enum Verdict {
    /// It can; this is the image, pinned to its digest.
    Good(String),
    /// The revision does not serve, or is the admin image.
    Bad(String),
    /// Nothing is wrong with the revision, but its image is not available any more.
    Lost(String),
}

/// Judges a revision.
pub(super) async fn judge(
    revision: &quill_admin_cloud::Revision,
    environment: &Environment,
    admin: &AdminImage,
    token: Option<&Token>,
) -> Result<Verdict, CliError> {
    let name = &revision.image;
    if let Some(sign) = admin.by_repository(name) {
        return Ok(Verdict::Bad(format!("it is the admin image: {sign}")));
    }
    match &revision.readiness {
        Readiness::Ready => {}
        Readiness::Pending => return Ok(Verdict::Bad("it is not ready yet".to_owned())),
        Readiness::Failed { reason } => {
            return Ok(Verdict::Bad(format!("it is not ready: {}", summary(reason))));
        }
    }
    let (repository, reference) = split(name);
    let repository: Repository = match repository.parse() {
        Ok(repository) => repository,
        Err(error) => return Ok(Verdict::Lost(format!("{error}"))),
    };
    // The token is for our own registries, and nobody else's business.
    let own = environment.has_registry(repository.registry());
    let image = match Registry::new(&repository, token.filter(|_| own)).image(reference).await {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(Verdict::Lost(format!("the registry no longer has its image {name}"))),
        // An answer that is missing is no reason to go back to an older image than necessary.
        Err(error) if own && error.kind == ImageErrorKind::PermissionDenied => {
            let hint = format!("ask for the role {} on the repository {repository}", role::REGISTRY_READER);
            return Err(CliError { hints: vec![hint], ..error.into() });
        }
        Err(error) if own => return Err(error.into()),
        Err(error) => return Ok(Verdict::Lost(error.to_string())),
    };
    if image.platform != PLATFORM {
        return Ok(Verdict::Lost(format!("its image {name} is for {}, not for {PLATFORM}", image.platform)));
    }
    // A tag points to today's image, and the revision ran that of its own time.
    let moved = !reference.starts_with("sha256:") && image.created > revision.created;
    Ok(match (admin.by_content(&image), moved) {
        (None, false) => Verdict::Good(repository.pinned(&image.digest)),
        (None, true) => Verdict::Lost(format!("the tag {name} has been moved to a newer image since")),
        (Some(why), false) => Verdict::Bad(format!("it is the admin image: {why}")),
        (Some(why), true) => {
            Verdict::Lost(format!("the tag {name} has been moved to the admin image since: {why}"))
        }
    })
}

/// The first sentence of a reason of Cloud Run, which names the cause. The sentences after it say where to
/// read more.
#[must_use]
pub fn summary(reason: &str) -> &str {
    let line = reason.lines().next().unwrap_or_default();
    match line.split(". ").next().unwrap_or_default().trim().trim_end_matches('.') {
        "" => "Cloud Run gives no reason",
        line => line,
    }
}
