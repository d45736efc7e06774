//! The paths of the compiled programs, which tests run as a person or Cloud Run would.

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

/// The variable that names the folder of the compiled programs.
pub const BIN_DIR: &str = "QUILL_ADMIN_TEST_BIN_DIR";

/// The path of the laptop's program.
#[must_use]
pub fn quill_admin() -> &'static Path {
    find("quill-admin")
}

/// The path of the container's program.
#[must_use]
pub fn executor() -> &'static Path {
    find("quill-admin-executor")
}

/// The path of the laptop's program that carries an executor; skips the test where it was built without one.
#[macro_export]
macro_rules! needs_carrying {
    () => {
        match $crate::bin::carrying() {
            Ok(program) => program,
            Err(reason) => $crate::skip!("carrying", "{reason}"),
        }
    };
}

/// The path of the laptop's program that carries an executor; `Err` says what is missing.
///
/// # Errors
///
/// Fails if the program was built without an executor.
pub fn carrying() -> Result<&'static Path, String> {
    let program = find("quill-admin-carrying");
    let version = Command::new(program).arg("--version").output();
    let version = version.unwrap_or_else(|error| panic!("failed to start {}: {error}", program.display()));
    if String::from_utf8_lossy(&version.stdout).contains("carries executor") {
        return Ok(program);
    }
    Err("quill-admin-carrying carries no executor: cargo xtask test builds it with one, and QUILL_ADMIN_TEST_EXECUTOR \
         names one to build it with"
        .to_owned())
}

/// The path of the emulator as a program of its own.
#[must_use]
pub fn cloud_emulator() -> &'static Path {
    find("cloud-emulator")
}

/// A folder that outlives the tests, for files that are slow to make and safe to share: the embedded
/// PostgreSQL's unpacked program.
#[must_use]
pub fn cache_dir() -> PathBuf {
    quill_admin().with_file_name("test-cache")
}

fn find(name: &str) -> &'static Path {
    static FOUND: OnceLock<BTreeMap<String, PathBuf>> = OnceLock::new();
    let programs = FOUND.get_or_init(|| match env::var_os(BIN_DIR) {
        Some(directory) => ["quill-admin", "quill-admin-carrying", "quill-admin-executor", "cloud-emulator"]
            .iter()
            .map(|name| {
                let program = Path::new(&directory).join(name).with_extension(env::consts::EXE_EXTENSION);
                assert!(program.is_file(), "{} (${BIN_DIR}) is not there", program.display());
                ((*name).to_owned(), program)
            })
            .collect(),
        None => build(),
    });
    programs.get(name).unwrap_or_else(|| panic!("cargo built no program {name}"))
}

/// Builds the programs with cargo, for tests that are run alone, without `cargo xtask`.
fn build() -> BTreeMap<String, PathBuf> {
    // This builds the whole workspace's programs, as `cargo test --workspace` does: building single packages
    // would select fewer features and compile all their dependencies once more.
    let built = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--release", "--locked", "--workspace", "--bins"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("failed to start cargo: {error}"));
    assert!(built.status.success(), "cargo build failed");
    String::from_utf8_lossy(&built.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let program = message["executable"].as_str()?;
            Some((message["target"]["name"].as_str()?.to_owned(), program.into()))
        })
        .collect()
}
