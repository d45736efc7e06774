//! The stage that is served, and its image, as the environments file names them.

use super::path;

/// The stage of a Dockerfile that is served, as the environments file names it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Served {
    /// The Dockerfile's path in the checkout.
    pub dockerfile: String,
    /// The stage.
    pub stage: String,
    /// The last parts of its image's name, as in `quill/backend`: registry and project are mostly variables.
    pub image: String,
}

impl Served {
    /// Whether a build may give its image this name: the last parts are the same, up to one that is known only when
    /// it runs.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let mut before = name.trim().rsplit('/').zip(self.image.rsplit('/')).skip(1);
        let differs = before.find(|(part, own)| part != own);
        path::image(name) == path::image(&self.image) && differs.is_none_or(|(part, _)| path::varies(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_the_image_may_have() {
        let [dockerfile, stage, image] = ["Dockerfile", "prod", "quill/backend"].map(str::to_owned);
        let served = Served { dockerfile, stage, image };
        for name in [
            "backend",
            "quill/backend:latest",
            "r.example:5000/p/quill/backend@sha256:0",
            "${{ env.R }}/${{ secrets.P }}/quill/backend:${{ github.sha }}",
            "$IMAGES/backend:$TAG",
        ] {
            assert!(served.is_named(name), "{name}");
        }
        for name in
            ["quill/admin:latest", "other/backend", "$IMAGE:$TAG", "${{ env.R }}/quill/backend-admin", ""]
        {
            assert!(!served.is_named(name), "{name}");
        }
    }
}
