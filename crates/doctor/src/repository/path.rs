//! Paths in a checkout, names of images, and the question whether a text is known only when a step runs.

/// Joins a folder in the checkout and a path that starts there; `None` where the result is known only when
/// the step runs, or leads out of the checkout.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    if varies(folder) || varies(path) || path.starts_with(['/', '~', '-']) || path.contains("://") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The last part of a path: the file's own name.
pub(super) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The last part of an image's name, without its tag or digest.
pub(super) fn image(image: &str) -> &str {
    name(image.trim()).split([':', '@']).next().unwrap_or_default()
}

/// Whether a file is YAML, by its name.
pub(super) fn is_yaml(path: &str) -> bool {
    matches!(name(path).rsplit_once('.'), Some((_, "yml" | "yaml")))
}

/// Whether a text is known only when the step runs.
pub(super) fn varies(text: &str) -> bool {
    text.contains(['$', '`', '*']) || text.contains("{{")
}
