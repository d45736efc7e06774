//! The labels of the admin image, and the annotations of the job that runs it.
//!
//! The contract versions in them are read by [`Contracts`], the actions by [`crate::image_actions`].
//!
//! The keys of the OCI image specification (annotations.md, "Pre-Defined Annotation Keys") where it
//! has one, our own otherwise. `docker/Dockerfile` sets them; a test compares.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use crate::{CONTRACT_OLDEST, CONTRACT_VERSION};

/// The file beside the executor that holds the actions of an image that was put together, in the root of the image.
pub const ACTIONS_FILE: &str = "quill-admin-actions.json";

/// Name of the image's title label.
pub const LABEL_TITLE: &str = "org.opencontainers.image.title";
/// The title of every admin image, by which one is known wherever it has been pushed to.
pub const TITLE: &str = "quill-admin-executor";
/// Label: the git revision it was built from, with `-dirty` where files had been changed.
pub const LABEL_REVISION: &str = "org.opencontainers.image.revision";
/// Label: the time of that commit, RFC 3339.
pub const LABEL_CREATED: &str = "org.opencontainers.image.created";
/// Label: the oldest contract version the executor in it speaks. Older laptops compare it with the one
/// version that they know.
pub const LABEL_CONTRACT: &str = "org.quill-medical.admin.contract";
/// Label: all contract versions the executor in it speaks, as in `1-2`.
pub const LABEL_CONTRACTS: &str = "org.quill-medical.admin.contracts";
/// Label: the digest of each of its actions, as [`crate::image_actions::ActionDigests`] writes it. Empty in an image
/// of a plain `docker build`, whose actions are not known from outside.
pub const LABEL_ACTIONS: &str = "org.quill-medical.admin.actions";
/// Label: the digest of everything that was given to the build, `sha256:…`.
pub const LABEL_SOURCE: &str = "org.quill-medical.admin.source";

/// Annotations that `quill-admin build` sets on the job it deploys to, so that the job alone tells which
/// image it runs. Their keys may not be of Google's own domains (Cloud Run API v2, `Job.annotations`).
pub mod annotation {
    /// The oldest contract version the image speaks; of an image without [`CONTRACTS`] the only one.
    pub const CONTRACT: &str = "admin.quill-medical.org/contract";
    /// All contract versions the image speaks, as in `1-2`.
    pub const CONTRACTS: &str = "admin.quill-medical.org/contracts";
    /// The git revision it was built from.
    pub const REVISION: &str = "admin.quill-medical.org/revision";
    /// The time of that revision's commit, RFC 3339.
    pub const COMMITTED: &str = "admin.quill-medical.org/committed";
    /// The digest of each of its actions, as the image's own label has it; empty where they are not known.
    pub const ACTIONS: &str = "admin.quill-medical.org/actions";
    /// The time when it was built, RFC 3339.
    pub const BUILT: &str = "admin.quill-medical.org/built";
    /// The digest of the image that these annotations describe; they say nothing of another image.
    pub const IMAGE: &str = "admin.quill-medical.org/image-digest";
    /// The time when `quill-admin restore-backend` gave the backend's revisions their image, RFC 3339.
    pub const RESTORED: &str = "admin.quill-medical.org/restored";
}

/// The contract versions that one side speaks: all from the oldest to the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contracts {
    /// The oldest.
    pub oldest: u32,
    /// The newest.
    pub newest: u32,
}

impl Contracts {
    /// The contract versions that this program speaks.
    pub const OWN: Self = Self { oldest: CONTRACT_OLDEST, newest: CONTRACT_VERSION };

    /// Reads the versions from an image's labels or a job's annotations: all versions, or, for an image too
    /// old to say that, the only one. `None` where neither can be read.
    #[must_use]
    pub fn read(all: Option<&str>, one: Option<&str>) -> Option<Self> {
        match all.map(str::trim).filter(|all| !all.is_empty()) {
            Some(all) => all.parse().ok(),
            None => one?.parse().ok(),
        }
    }

    /// The newest version that both sides speak.
    #[must_use]
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest.max(other.oldest)).then_some(newest)
    }
}

impl FromStr for Contracts {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, ParseIntError> {
        let (oldest, newest) = text.split_once('-').unwrap_or((text, text));
        Ok(Self { oldest: oldest.trim().parse()?, newest: newest.trim().parse()? })
    }
}

impl fmt::Display for Contracts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.oldest, self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Contracts, LABEL_ACTIONS, LABEL_CONTRACT, LABEL_CONTRACTS, LABEL_CREATED, LABEL_REVISION,
        LABEL_SOURCE, LABEL_TITLE, TITLE,
    };
    use crate::CONTRACT_OLDEST;

    #[test]
    fn the_newest_version_that_both_speak_is_spoken() {
        let of = |oldest, newest| Contracts { oldest, newest };
        assert_eq!(Contracts::read(Some("1-2"), Some("1")), Some(of(1, 2)));
        assert_eq!(Contracts::read(Some(""), Some("1")), Some(of(1, 1)));
        assert_eq!(Contracts::read(None, Some("3")), Some(of(3, 3)));
        assert_eq!(Contracts::read(Some("1 to 2"), Some("1")), None);
        assert_eq!(Contracts::read(None, None), None);
        assert_eq!(Contracts::OWN.to_string().parse(), Ok(Contracts::OWN));
        for (one, other, common) in [
            (of(1, 2), of(1, 1), Some(1)),
            (of(1, 2), of(1, 2), Some(2)),
            (of(1, 2), of(2, 5), Some(2)),
            (of(1, 2), of(3, 5), None),
            (of(2, 3), of(1, 1), None),
        ] {
            assert_eq!((one.common(other), other.common(one)), (common, common), "{one} and {other}");
        }
    }

    #[test]
    fn the_dockerfile_sets_every_label() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docker/Dockerfile");
        let dockerfile = std::fs::read_to_string(path).unwrap();
        for (label, value) in [
            (LABEL_TITLE, TITLE),
            (LABEL_REVISION, "$REVISION"),
            (LABEL_CREATED, "$CREATED"),
            (LABEL_SOURCE, "$SOURCE_DIGEST"),
            (LABEL_ACTIONS, "$ACTIONS"),
            (LABEL_CONTRACT, &CONTRACT_OLDEST.to_string()),
            (LABEL_CONTRACTS, &Contracts::OWN.to_string()),
        ] {
            assert!(dockerfile.contains(&format!(" {label}=\"{value}\"")), "{label} is not {value}");
        }
    }
}
