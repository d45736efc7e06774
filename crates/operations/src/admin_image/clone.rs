//! Recognises a folder with the sources of the admin image, before anything of it is built.
//!
//! Building runs whatever a Dockerfile says, and another repository may well have a `docker/Dockerfile` with
//! a stage `admin`. A fork keeps one of two signs: the crate that becomes the image, or the labels by which
//! an image says that it is one. The fork's name, address and licence may be its own.

use std::path::Path;

use quill_admin_contract::image::{LABEL_CONTRACT, LABEL_SOURCE};
use quill_admin_image::{Context, ImageError};

use crate::error::CliError;

/// The recipe of the admin image, from the root of the sources.
pub(super) const DOCKERFILE: &str = "docker/Dockerfile";
/// The manifest of the crate that becomes the image, from the root of the sources.
const EXECUTOR: &str = "crates/executor/Cargo.toml";
/// The line in that manifest that names the crate.
const EXECUTOR_NAME: &str = "name = \"quill-admin-executor\"";
/// The largest part of the manifest and of the recipe that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

const HINT: &str = "run this inside a clone of quill-admin, or name the clone with --source";

/// The error for sources that cannot be read. It has the error's own hint, or else the general one.
pub(super) fn unreadable(error: ImageError) -> CliError {
    let knows = error.hint.is_some();
    let told = CliError::from(error);
    if knows { told } else { told.hint(HINT) }
}

/// The root of the repository that a folder is in, found without git: the nearest folder above with a `.git`,
/// which is a file in a worktree.
pub(super) fn repository_around(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join(".git").symlink_metadata().is_ok())
}

/// Whether a folder is in a clone of quill-admin, so that a build there uses the sources of the clone.
pub(super) fn is_in_a_clone(folder: &Path) -> bool {
    repository_around(folder).is_some_and(|root| {
        let recipe = quill_admin_files::read_text(&root.join(DOCKERFILE), LIMIT);
        has_executor(root) || recipe.is_ok_and(|recipe| has_labels(&recipe))
    })
}

fn has_labels(recipe: &str) -> bool {
    [LABEL_CONTRACT, LABEL_SOURCE].iter().all(|label| recipe.contains(label))
}

fn has_executor(root: &Path) -> bool {
    quill_admin_files::read_text(&root.join(EXECUTOR), LIMIT)
        .is_ok_and(|manifest| manifest.lines().any(|line| line.trim() == EXECUTOR_NAME))
}

/// Refuses sources that are not quill-admin's.
///
/// # Errors
///
/// Fails when the folder has none of the signs.
pub(super) fn are_ours(root: &Path, context: &Context) -> Result<(), CliError> {
    if has_labels(context.recipe()) || has_executor(root) {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} is not a clone of quill-admin: it has no {EXECUTOR} of ours, and its {} makes no admin image; nothing \
         of it was built",
        root.display(),
        context.dockerfile()
    ))
    .hint(HINT))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_clone_is_known_by_either_sign_and_from_any_folder_in_it() {
        let outer = tempfile::tempdir().expect("a folder");
        let root = outer.path().join("clone");
        let below = root.join("a/b");
        fs::create_dir_all(&below).expect("made");
        fs::create_dir_all(root.join("docker")).expect("made");
        fs::create_dir_all(root.join("crates/executor")).expect("made");
        // Without a repository there is no clone, whatever files are there.
        fs::write(root.join(EXECUTOR), format!("[package]\n{EXECUTOR_NAME}\n")).expect("written");
        assert!(!is_in_a_clone(&below));
        fs::create_dir(root.join(".git")).expect("made");
        assert!(is_in_a_clone(&below) && is_in_a_clone(&root) && !is_in_a_clone(outer.path()));
        fs::write(root.join(EXECUTOR), "[package]\nname = \"other\"\n").expect("written");
        assert!(!is_in_a_clone(&below));
        fs::write(root.join("docker/Dockerfile"), format!("LABEL {LABEL_CONTRACT}=1 {LABEL_SOURCE}=2\n"))
            .expect("written");
        assert!(is_in_a_clone(&below));
        // A separate repository within it is not the clone.
        fs::write(below.join(".git"), "gitdir: elsewhere").expect("written");
        assert!(!is_in_a_clone(&below));
    }
}
