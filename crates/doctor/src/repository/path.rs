//! Paths in a checkout, and the question whether a text is known only when a step runs.

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

/// Whether a text is known only when the step runs.
pub(super) fn varies(text: &str) -> bool {
    text.contains(['$', '`', '*']) || text.contains("{{")
}
