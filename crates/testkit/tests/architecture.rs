//! What may depend on what. The arrows of the architecture, held against what cargo resolves.

use std::{collections::BTreeSet, env, process::Command};

/// Everything that a package is built with, itself included, on this platform.
fn closure(package: &str, options: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .args(["--package", package])
        .args(options)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("start cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names: BTreeSet<String> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(package), "cargo tree printed nothing of use: {names:?}");
    names
}

#[track_caller]
fn is_without(package: &str, options: &[&str], unwanted: &[&str]) {
    let found: Vec<String> = closure(package, options)
        .into_iter()
        .filter(|name| name != package)
        .filter(|name| {
            unwanted.iter().any(|unwanted| match unwanted.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == unwanted,
            })
        })
        .collect();
    assert!(found.is_empty(), "{package} is built with {found:?}");
}

#[test]
fn the_contract_knows_words_and_nothing_else() {
    is_without(
        "quill-admin-contract",
        &[],
        &["tokio*", "hyper*", "google-*", "quill-*", "cloud-emulator", "clap"],
    );
}

#[test]
fn the_container_is_built_without_the_laptops_side() {
    is_without(
        "quill-admin-executor",
        &[],
        &[
            "google-*",
            "bollard",
            "clap",
            "dialoguer",
            "quill-admin",
            "quill-admin-cloud",
            "quill-admin-local",
            "quill-admin-schema",
            "cloud-emulator",
        ],
    );
}

#[test]
fn the_emulator_knows_nothing_of_quill() {
    is_without("cloud-emulator", &[], &["quill-*", "google-*"]);
}

#[test]
fn the_cloud_crate_knows_neither_the_command_line_nor_the_emulator() {
    is_without(
        "quill-admin-cloud",
        &[],
        &["quill-admin", "quill-admin-local", "cloud-emulator", "clap", "indicatif"],
    );
}

#[test]
fn the_image_crate_knows_neither_the_cloud_nor_the_command_line() {
    is_without(
        "quill-admin-image",
        &[],
        &["quill-admin", "quill-admin-cloud", "google-*", "clap", "indicatif"],
    );
}

#[test]
fn without_the_local_environment_neither_emulator_nor_database_is_built() {
    is_without(
        "quill-admin",
        &["--no-default-features"],
        &["cloud-emulator", "quill-admin-local", "quill-admin-executor", "pglite-*", "wasmer*"],
    );
}

#[test]
fn ring_is_the_only_provider_of_cryptography() {
    for package in ["quill-admin", "quill-admin-executor", "cloud-emulator"] {
        is_without(package, &[], &["aws-lc-*", "openssl", "openssl-sys", "native-tls"]);
    }
}
