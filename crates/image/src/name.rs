//! Names of images, which are valid once they are parsed.
//!
//! To change which names are accepted: the `FromStr` of [`Repository`].

use std::fmt;
use std::str::FromStr;

/// The error that no registry would accept a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{}\" is not the name of an image repository: {why}", given.escape_debug())]
pub struct InvalidImageName {
    given: String,
    why: &'static str,
}

/// A repository of images in a registry, without tag or digest:
/// `europe-west2-docker.pkg.dev/quill-medical-staging/quill/admin`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    registry: String,
    path: String,
}

impl FromStr for Repository {
    type Err = InvalidImageName;

    fn from_str(text: &str) -> Result<Self, InvalidImageName> {
        let refuse = |why| Err(InvalidImageName { given: text.to_owned(), why });
        let Some((registry, path)) = text.split_once('/') else {
            return refuse("it begins with the registry's host name and a slash");
        };
        // Docker tells a host name from a folder of its own hub by this.
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return refuse("it begins with the registry's host name, as in europe-west2-docker.pkg.dev/…");
        }
        let host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        if !registry.chars().all(host) {
            return refuse("the registry is a host name and perhaps a port");
        }
        let part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        if !path.split('/').all(part) {
            return refuse(
                "after the registry come parts of lower-case letters, digits, dots, underscores and hyphens, \
                 without tag or digest",
            );
        }
        Ok(Self { registry: registry.to_owned(), path: path.to_owned() })
    }
}

impl Repository {
    /// The registry's host name, and its port where it has its own.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry, as in `quill-medical-staging/quill/admin`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The image of this repository with a tag.
    #[must_use]
    pub fn tagged(&self, tag: &str) -> String {
        format!("{self}:{tag}")
    }

    /// The image of this repository with a digest, `sha256:…`.
    #[must_use]
    pub fn pinned(&self, digest: &str) -> String {
        format!("{self}@{digest}")
    }

    /// Whether an image, with any tag or digest, is in this repository.
    #[must_use]
    pub fn has(&self, image: &str) -> bool {
        let own = self.to_string();
        image.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']))
    }

    /// Whether the registry is on this machine, where plain HTTP is used.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let host = self.registry.rsplit_once(':').map_or(self.registry.as_str(), |(host, _)| host);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// Splits an image's name into its repository, and its digest or else its tag.
#[must_use]
pub fn split(image: &str) -> (&str, &str) {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let (name, tag) = match name.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (name, crate::LATEST),
    };
    (name, digest.unwrap_or(tag))
}

/// The digest that an image's name is pinned to, `sha256:…`.
#[must_use]
pub fn digest(image: &str) -> Option<&str> {
    image.split_once('@').map(|(_, digest)| digest)
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_has_a_host_and_a_path() {
        let admin: Repository = "europe-west2-docker.pkg.dev/p/quill/admin".parse().expect("valid");
        assert_eq!((admin.registry(), admin.path()), ("europe-west2-docker.pkg.dev", "p/quill/admin"));
        assert!(!admin.is_loopback());
        assert!("127.0.0.1:5000/p/quill/admin".parse::<Repository>().expect("valid").is_loopback());
        for bad in ["", "admin", "quill/admin", "a.b/", "a.b/X", "a.b/x:tag", "a.b/x@sha256:0", "a b.c/x"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_has_a_repository_and_a_tag_or_digest() {
        for (image, parts, pinned) in [
            ("r.example:5000/p/backend", ("r.example:5000/p/backend", "latest"), None),
            ("r.example:5000/p/backend:main", ("r.example:5000/p/backend", "main"), None),
            ("r.example/p/backend@sha256:0", ("r.example/p/backend", "sha256:0"), Some("sha256:0")),
            ("r.example/p/backend:main@sha256:0", ("r.example/p/backend", "sha256:0"), Some("sha256:0")),
        ] {
            assert_eq!((split(image), digest(image)), (parts, pinned));
        }
    }

    #[test]
    fn an_image_is_of_a_repository_by_its_whole_name() {
        let admin: Repository = "r.example/quill/admin".parse().expect("valid");
        for image in
            ["r.example/quill/admin", "r.example/quill/admin:latest", "r.example/quill/admin@sha256:0"]
        {
            assert!(admin.has(image), "{image}");
        }
        for image in ["r.example/quill/admin2:latest", "r.example/quill/backend:main", "r.example/quill"] {
            assert!(!admin.has(image), "{image}");
        }
    }
}
