//! What the admin image says about itself, in its labels.
//!
//! The keys of the OCI image specification (annotations.md, "Pre-Defined Annotation Keys") where it
//! has one, our own otherwise. `docker/Dockerfile` sets them; a test compares.

/// Name of the image's title label.
pub const LABEL_TITLE: &str = "org.opencontainers.image.title";
/// The title of every admin image, by which one is known wherever it has been pushed to.
pub const TITLE: &str = "quill-admin-executor";
/// Label: the git revision it was built from, with `-dirty` where files had been changed.
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// Label: the time of that commit, RFC 3339.
pub const LABEL_CREATED: &str = "org.opencontainers.image.created";
/// Label: the contract version the executor in it speaks.
pub const LABEL_CONTRACT: &str = "org.quill-medical.admin.contract";
/// Label: the digest of everything that was given to the build, `sha256:…`.
pub const LABEL_SOURCE: &str = "org.quill-medical.admin.source";

/// What `quill-admin build` notes on the job it deploys to, so that one look at the job tells what it
/// runs: annotations, whose keys may not be of Google's own domains (Cloud Run API v2, `Job.annotations`).
pub mod annotation {
    /// The contract version the image speaks.
    pub const CONTRACT: &str = "admin.quill-medical.org/contract";
    /// The git revision it was built from.
    pub const REVISION: &str = "admin.quill-medical.org/revision";
    /// When it was built, RFC 3339.
    pub const BUILT: &str = "admin.quill-medical.org/built";
    /// The digest of the image these notes are about: another image has none.
    pub const IMAGE: &str = "admin.quill-medical.org/image-digest";
    /// When `quill-admin restore-backend` gave the backend's revisions their image, RFC 3339.
    pub const RESTORED: &str = "admin.quill-medical.org/restored";
}

#[cfg(test)]
mod tests {
    use super::{LABEL_CONTRACT, LABEL_CREATED, LABEL_REVISION, LABEL_SOURCE, LABEL_TITLE, TITLE};
    use crate::CONTRACT_VERSION;

    #[test]
    fn the_dockerfile_sets_every_label() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docker/Dockerfile");
        let dockerfile = std::fs::read_to_string(path).unwrap();
        for (label, value) in [
            (LABEL_TITLE, TITLE),
            (LABEL_REVISION, "$REVISION"),
            (LABEL_CREATED, "$CREATED"),
            (LABEL_SOURCE, "$SOURCE_DIGEST"),
            (LABEL_CONTRACT, &CONTRACT_VERSION.to_string()),
        ] {
            assert!(dockerfile.contains(&format!(" {label}=\"{value}\"")), "{label} is not {value}");
        }
    }
}
