//! Whether a revision's image can be gone back to.

use quill_admin_cloud::Readiness;
use quill_admin_image::{Registry, Repository, Token, split};

use crate::admin_image::recognise::AdminImage;
use crate::error::CliError;

/// Whether a revision's image can be gone back to.
pub(super) enum Verdict {
    /// It can, under this name.
    Good(String),
    /// The revision does not serve, or is the admin image.
    Bad(String),
    /// Nothing is wrong with the revision, but its image cannot be had any more.
    Lost(String),
}

/// `registry` is our own.
pub(super) async fn judge(
    revision: &quill_admin_cloud::Revision,
    registry: &str,
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
    // The token is for our own registry, and nobody else's business.
    let own = repository.registry() == registry;
    let image = match Registry::new(&repository, token.filter(|_| own)).image(reference).await {
        Ok(Some(image)) => image,
        Ok(None) => return Ok(Verdict::Lost(format!("the registry no longer has its image {name}"))),
        // That it does not answer is no reason to go back to an older image than necessary.
        Err(error) if own => return Err(error.into()),
        Err(error) => return Ok(Verdict::Lost(error.to_string())),
    };
    // A tag is what it is today, and the revision is what it was then.
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

/// Cloud Run's reasons go on with where to read more; their first sentence says what it is.
#[must_use]
pub fn summary(reason: &str) -> &str {
    let line = reason.lines().next().unwrap_or_default();
    match line.split(". ").next().unwrap_or_default().trim().trim_end_matches('.') {
        "" => "Cloud Run gives no reason",
        line => line,
    }
}
