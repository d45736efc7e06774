//! A step that builds an image, wherever it was found.

/// A step that builds an image.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) line: u64,
    /// The line of the matrix entry that it is of.
    pub(super) entry: Option<u64>,
    pub(super) how: How,
    /// Where it runs; [`UNKNOWN`] where that varies.
    pub(super) folder: String,
    pub(super) context: Option<String>,
    pub(super) file: Option<String>,
    pub(super) target: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// docker build.
    Command,
    /// gcloud builds a folder; it cannot be given a stage.
    Gcloud,
    /// docker/build-push-action.
    Action,
    Compose,
}

impl How {
    pub(super) fn without_target(self) -> &'static str {
        match self {
            Self::Command => "docker build without --target",
            Self::Gcloud => "gcloud builds the folder, which cannot be given a target",
            Self::Action => "docker/build-push-action without \"target\"",
            Self::Compose => "\"build\" without \"target\"",
        }
    }
}

/// A folder that is known only when a script runs.
pub(super) const UNKNOWN: &str = "$";

/// A path within the checkout, of a folder in it and what is named from there.
pub(super) fn joined(folder: &str, path: &str) -> String {
    if varies(folder) || varies(path) || path.starts_with(['/', '~', '-']) {
        return UNKNOWN.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

pub(super) fn varies(text: &str) -> bool {
    text.contains(['$', '`', '*']) || text.contains("{{")
}
