//! Compiles `application/actions.yaml`, so that what an image may do is part of it.

use std::path::{Path, PathBuf};

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application");
    println!("cargo::rerun-if-changed={}", folder.join(quill_admin_application::ACTIONS).display());
    let compiled = match quill_admin_application::read(&folder) {
        Ok(application) => application.actions.to_json(),
        Err(broken) => panic!("{broken}"),
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("actions.json");
    std::fs::write(&out, compiled).unwrap_or_else(|error| panic!("{}: {error}", out.display()));
}
