//! Paths in a checkout, and texts that are known only when a step runs.

/// A path within the checkout, of a folder in it and what is named from there; `None` where it is known only when
/// the step runs, or leads out of the checkout.
pub(super) fn joined(folder: &str, path: &str) -> Option<String> {
    if varies(folder) || varies(path) || path.starts_with(['/', '~', '-']) {
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
