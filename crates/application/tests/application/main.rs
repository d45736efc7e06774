//! The folder `application/` of this repository, and folders with mistakes in them.

mod database;
mod digests;
mod examples;
mod mistakes;
mod shipped;

use std::path::{Path, PathBuf};

use quill_admin_application::Application;

/// The folder of this repository.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application")
}

/// A file for tests, which does not change with the folder's.
const FIXTURE: &str = include_str!("fixture.yaml");

/// The folder's own file, compiled.
fn shipped() -> Application {
    quill_admin_application::read(&folder()).unwrap_or_else(|broken| panic!("{broken}"))
}

fn compile(text: &str) -> Result<Application, String> {
    quill_admin_application::compile(Path::new("actions.yaml"), text.as_bytes())
        .map_err(|broken| broken.to_string())
}
