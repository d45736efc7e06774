//! Tells the admin image from every other image; nothing else in the program decides that.
//!
//! The signs are its repository, its digest, its labels and the log of its container, in this order: each of
//! them can be missing or not be readable for us. Where there is no image yet, the signs are in its
//! Dockerfile. Whether a job may run it is another question, which `task::job_image` answers; [`of_another_tool`]
//! tells whose the image of a job is that may not.
//!
//! To add a sign: its variant of [`Sign`], and a function `by_…` that looks for it.

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;

use quill_admin_cloud::JobSettings;
use quill_admin_contract::image::{Contracts, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_TITLE, TITLE};
use quill_admin_image::{LATEST, LocalImage, RegistryImage, Repository, digest, split};

use crate::task::job_image::{self, Incompatible};

/// Google's sample image of a job, which Terraform gives the job until `build` has deployed.
const SAMPLE: &str = "us-docker.pkg.dev/cloudrun/container/";

/// The sign by which an image was recognised as the admin image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The image's name.
    Repository,
    /// The digest of its manifest, or of its configuration.
    Digest,
    /// The image's labels.
    Labels,
    /// A line that its container has written.
    Log,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Repository => "it is from its repository",
            Self::Digest => "it has the admin image's digest",
            Self::Labels => "its labels say so",
            Self::Log => "its log says so",
        })
    }
}

/// The known properties of an environment's admin image.
#[derive(Debug)]
pub struct AdminImage {
    repository: Repository,
    /// The digest that the job is pinned to, where its image is from the repository.
    deployed: Option<String>,
    /// Digests of its manifests and configurations.
    digests: Vec<String>,
}

impl AdminImage {
    /// Describes the admin image of this repository; `deployed` is the name of the image that the job runs,
    /// where there is a job. Somebody may have given the job another image, such as the backend's: the digest
    /// counts only where the name is one of the repository's. An admin image that was pushed elsewhere is known
    /// by its labels.
    #[must_use]
    pub fn new(repository: &Repository, deployed: Option<&str>) -> Self {
        let deployed = deployed.filter(|name| repository.has(name)).and_then(digest).map(str::to_owned);
        Self { repository: repository.clone(), digests: Vec::from_iter(deployed.clone()), deployed }
    }

    /// The tags and digests whose images have to be [learnt](Self::learn), where the registry has them.
    #[must_use]
    pub fn references(&self) -> Vec<String> {
        [LATEST.to_owned()].into_iter().chain(self.deployed.clone()).collect()
    }

    /// Takes an image of the repository for the admin image from now on.
    pub fn learn(&mut self, image: &RegistryImage) {
        self.digests.extend([image.digest.clone(), image.config.clone()]);
    }

    /// Whether an image of this name is from its repository.
    #[must_use]
    pub fn by_repository(&self, name: &str) -> Option<Sign> {
        self.repository.has(name).then_some(Sign::Repository)
    }

    /// Recognises the admin image by a name alone.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Sign> {
        let (_, reference) = split(name);
        self.by_repository(name).or_else(|| self.by_digests([reference]))
    }

    /// Recognises the admin image among images of a registry.
    #[must_use]
    pub fn by_content(&self, image: &RegistryImage) -> Option<Sign> {
        self.by_digests([&image.digest, &image.config].map(String::as_str))
            .or_else(|| by_labels(&image.labels))
    }

    /// Recognises the admin image among images of the Docker engine.
    #[must_use]
    pub fn by_local_content(&self, image: &LocalImage) -> Option<Sign> {
        self.by_digests([image.id.as_str()]).or_else(|| by_labels(&image.labels))
    }

    fn by_digests<'a>(&self, digests: impl IntoIterator<Item = &'a str>) -> Option<Sign> {
        let known = |digest: &str| self.digests.iter().any(|known| known == digest);
        digests.into_iter().any(known).then_some(Sign::Digest)
    }
}

/// Recognises the admin image by its labels, wherever it has been pushed to.
#[must_use]
pub fn by_labels<S: BuildHasher>(labels: &HashMap<String, String, S>) -> Option<Sign> {
    (labels.get(LABEL_TITLE).map(String::as_str) == Some(TITLE)).then_some(Sign::Labels)
}

/// The sign that a job runs an image of another tool: one that `build` has not deployed, from another
/// repository or without our labels. An image of ours that somebody deployed by hand does not count, and
/// neither does Google's sample. `image` asks the registry for the job's image; it is not polled where the name
/// of the image decides.
///
/// # Errors
///
/// Fails with the error of `image`.
pub async fn of_another_tool<E>(
    job: &JobSettings,
    repository: &Repository,
    image: impl Future<Output = Result<Option<RegistryImage>, E>>,
) -> Result<Option<String>, E> {
    let name = &job.image;
    let (_, incompatible) = job_image::image(job);
    if !matches!(incompatible, Some(Incompatible::Unpinned | Incompatible::NotDeployed))
        || name.is_empty()
        || name.starts_with(SAMPLE)
    {
        return Ok(None);
    }
    if !repository.has(name) {
        return Ok(Some(format!("the job runs {name}, which is from another repository")));
    }
    let Some(image) = image.await? else { return Ok(None) };
    let ours = by_labels(&image.labels).is_some();
    Ok((!ours)
        .then(|| format!("the job runs {name}, which does not have the labels of this program's image")))
}

/// The contract versions that an image speaks, according to its labels.
#[must_use]
pub fn contracts<S: BuildHasher>(labels: &HashMap<String, String, S>) -> Option<Contracts> {
    let label = |key: &str| labels.get(key).map(String::as_str);
    Contracts::read(label(LABEL_CONTRACTS), label(LABEL_CONTRACT))
}

/// Recognises the admin image by a line that its container has written. The executor ends with this line
/// where it is started as a server, and so did its predecessor: people know the wrong image by this text.
#[must_use]
pub fn by_line(line: &str) -> Option<Sign> {
    line.contains("ADMIN_ACTION environment variable is required").then_some(Sign::Log)
}

/// Whether the name of a stage in a Dockerfile is one that the admin image's has.
#[must_use]
pub fn is_its_stage(name: &str) -> bool {
    name.to_lowercase().starts_with("admin")
}

/// Whether an instruction in a Dockerfile is one that only the admin image's stage has: it names the program.
#[must_use]
pub fn is_its_instruction(instruction: &str) -> bool {
    ["admin_cli", "quill-admin-executor"].iter().any(|program| instruction.contains(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_the_job_counts_only_where_its_image_is_from_the_repository() {
        let repository: Repository = "r.example/quill/admin".parse().expect("valid");
        let own = AdminImage::new(&repository, Some("r.example/quill/admin@sha256:a"));
        assert_eq!(own.by_name("r.example/quill/backend@sha256:a"), Some(Sign::Digest));
        assert_eq!(own.references(), [LATEST, "sha256:a"]);
        // The job was given the backend's image by hand.
        let other = AdminImage::new(&repository, Some("r.example/quill/backend@sha256:a"));
        assert_eq!(other.by_name("r.example/quill/backend@sha256:a"), None);
        assert_eq!(other.references(), [LATEST]);
        assert_eq!(other.by_name("r.example/quill/admin:latest"), Some(Sign::Repository));
    }
}
