//! Notes which revision of the sources this is, for `--version` and for telling which of two sides is the older one.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    watch(&root.join("application"));
    // Another commit, or an edit of what the program is made of.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&root, &["rev-parse", "--git-path", name]) {
            watch(&root.join(path));
        }
    }
    let parts = ["actions", "application", "cli", "cloud", "contract", "doctor", "emulator", "engine"];
    for name in parts.into_iter().chain(["executor", "files", "image", "local", "operations", "yaml"]) {
        watch(&root.join("crates").join(name).join("src"));
    }
    watch(&root.join("Cargo.lock"));
    watch(Path::new("build.rs"));
    // An archive has no revision to tell, also where it was unpacked inside another repository.
    let top = git(&root, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
    if top.and_then(|top| top.canonicalize().ok()) != root.canonicalize().ok() {
        return;
    }
    if let Some(revision) = git(&root, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]) {
        println!("cargo::rustc-env=QUILL_ADMIN_REVISION={revision}");
    }
    if let Some(seconds) = git(&root, &["log", "-1", "--no-show-signature", "--format=%ct"]) {
        println!("cargo::rustc-env=QUILL_ADMIN_COMMITTED={seconds}");
    }
}

/// What is not there would be taken for changed every time.
fn watch(path: &Path) {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).current_dir(root).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
