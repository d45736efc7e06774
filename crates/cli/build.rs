//! Packs the executor that is carried, and notes the revision of the sources, for `--version` and for the
//! comparison of the program with a deployed image.

#[path = "../operations/carry.rs"]
mod carry;

use std::path::{Path, PathBuf};

use carry::{git, watch};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    watch(&root.join("application"));
    carry::carry(&root, "QUILL_ADMIN_EXECUTOR");
    // The script runs again after another commit, or after an edit of the program's sources.
    carry::watch_commits(&root);
    let parts = ["actions", "application", "cli", "cloud", "contract", "doctor", "emulator", "engine"];
    for name in parts.into_iter().chain(["executor", "files", "image", "local", "operations", "yaml"]) {
        watch(&root.join("crates").join(name).join("src"));
    }
    watch(&root.join("Cargo.lock"));
    watch(Path::new("build.rs"));
    watch(Path::new("../operations/carry.rs"));
    watch(Path::new("carry.rs"));
    // An archive has no revision, even where it was unpacked inside another repository.
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
