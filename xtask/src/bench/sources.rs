//! The sources of this checkout, copied: measurements edit the copy, and leave the sources themselves unchanged.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::run;

pub(super) fn copy_sources(folder: &Path) -> anyhow::Result<()> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(run::root())
        .output()
        .context("failed to start git")?;
    ensure!(listed.status.success(), "git cannot list the sources");
    for name in String::from_utf8(listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
        let (from, to) = (run::root().join(name), folder.join(name));
        // The file was deleted, and that is not committed yet.
        if from.is_file() {
            std::fs::create_dir_all(to.parent().context("a file is in a folder")?)?;
            std::fs::copy(from, to)?;
        }
    }
    Ok(())
}
