//! Packs the executor that is carried, and notes the revision of the sources, for `--version` and for the
//! comparison of the program with a deployed image.

#[path = "../operations/carry.rs"]
mod carry;

use std::path::{Path, PathBuf};

use carry::{git, watch};

/// Asks the linker of Windows for the stack that the first thread has on Unix, 8 MiB. It has 1 MiB otherwise, and the
/// description of all commands takes more than that where it is not optimised.
fn room_on_the_stack() {
    let variable = |name| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "windows" {
        let argument = match variable("CARGO_CFG_TARGET_ENV").as_str() {
            "msvc" => "/STACK:8388608",
            _ => "-Wl,--stack,8388608",
        };
        println!("cargo::rustc-link-arg-bins={argument}");
    }
}

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    watch(&root.join("application"));
    carry::carry(&root, "QUILL_ADMIN_EXECUTOR");
    room_on_the_stack();
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
