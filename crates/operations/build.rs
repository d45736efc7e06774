//! Compiles the actions that are built in.

use std::path::{Path, PathBuf};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("actions.json");
    let read =
        quill_admin_application::compile_into(&folder, &out).unwrap_or_else(|broken| panic!("{broken}"));
    println!("cargo::rerun-if-changed={}", read.display());
    println!("cargo::rerun-if-changed=build.rs");
}
