//! Whether a folder holds the sources of the admin image, told before anything of it is built.
//!
//! Building runs whatever a Dockerfile says, and another repository may well have a `docker/Dockerfile` with a
//! stage `admin`. A fork keeps one of two signs: the crate that becomes the image, or the labels by which an
//! image says that it is one. Its name, its address and its licence may be its own.

use std::path::Path;

use quill_admin_contract::image::{LABEL_CONTRACT, LABEL_SOURCE};
use quill_admin_image::{Context, ImageError};

use crate::error::CliError;

/// The manifest of the crate that becomes the image, from the root of the sources.
const EXECUTOR: &str = "crates/executor/Cargo.toml";
/// The line in it that says so.
const EXECUTOR_NAME: &str = "name = \"quill-admin-executor\"";
/// The most that is read of it, in bytes.
const LIMIT: u64 = 64 * 1024;

const HINT: &str = "run this inside a clone of quill-admin, or name the clone with --source";

/// Sources that cannot be read, with what to do: the error's own advice where it has any.
pub(super) fn unreadable(error: ImageError) -> CliError {
    let knows = error.hint.is_some();
    let told = CliError::from(error);
    if knows { told } else { told.hint(HINT) }
}

/// Refuses the sources of something else.
///
/// # Errors
///
/// The folder has none of the signs.
pub(super) fn are_ours(root: &Path, context: &Context) -> Result<(), CliError> {
    let labels = [LABEL_CONTRACT, LABEL_SOURCE].iter().all(|label| context.recipe().contains(label));
    let executor = || {
        quill_admin_files::read_text(&root.join(EXECUTOR), LIMIT)
            .is_ok_and(|manifest| manifest.lines().any(|line| line.trim() == EXECUTOR_NAME))
    };
    if labels || executor() {
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
