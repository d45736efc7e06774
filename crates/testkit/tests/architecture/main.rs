//! The allowed dependencies: those of crates, compared with what cargo resolves, and those of files within a
//! crate, compared with the sources.

mod imports;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Command,
};

use imports::Arrows;
use serde_json::Value;

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("start cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// All packages that a package is built with on this platform, including itself.
fn closure(package: &str, options: &[&str]) -> BTreeSet<String> {
    closure_over("normal,build", package, options)
}

/// The packages that a package depends on through edges of these kinds.
fn closure_over(edges: &str, package: &str, options: &[&str]) -> BTreeSet<String> {
    let tree = ["tree", "--locked", "--edges", edges, "--prefix", "none", "--format", "{p}"];
    let names: BTreeSet<String> = cargo(&[&tree[..], &["--package", package], options].concat())
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.contains(package), "cargo tree printed nothing of use: {names:?}");
    names
}

#[track_caller]
fn is_without(package: &str, options: &[&str], unwanted: &[&str]) {
    lacks(package, closure(package, options), unwanted);
}

#[track_caller]
fn lacks(package: &str, closure: BTreeSet<String>, unwanted: &[&str]) {
    let found: Vec<String> = closure
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

/// Of our crates the contract depends on the compiled actions alone, whose parameters say which values are
/// allowed.
#[test]
fn the_contract_knows_words_and_nothing_else() {
    is_without(
        "quill-admin-contract",
        &[],
        &["tokio*", "hyper*", "google-*", "quill-admin", "cloud-emulator", "clap", "serde-saphyr"],
    );
    let ours: BTreeSet<String> =
        closure("quill-admin-contract", &[]).into_iter().filter(|name| name.starts_with("quill-")).collect();
    assert_eq!(ours, ["quill-admin-actions", "quill-admin-contract"].map(str::to_owned).into());
}

/// The engine works on a connection that it is given: that of the executor, or of a program that tests
/// actions.
#[test]
fn the_engine_knows_neither_yaml_nor_how_to_connect() {
    is_without(
        "quill-admin-engine",
        &[],
        &[
            "google-*",
            "rustls",
            "tokio-rustls",
            "clap",
            "quill-admin",
            "quill-admin-application",
            "quill-admin-cloud",
            "quill-admin-executor",
            "quill-admin-local",
            "quill-admin-yaml",
            "cloud-emulator",
            "serde-saphyr",
        ],
    );
}

/// Operations report in events, so that another program could show them.
#[test]
fn operations_know_neither_a_command_line_nor_a_terminal() {
    let unwanted = ["clap*", "console", "indicatif", "quill-admin", "quill-admin-doctor"];
    is_without("quill-admin-operations", &[], &unwanted);
    is_without("quill-admin-doctor", &[], &["clap*", "quill-admin"]);
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
            "indicatif",
            "quill-admin",
            "quill-admin-cloud",
            "quill-admin-local",
            "quill-admin-testkit",
            "cloud-emulator",
        ],
    );
    // Its build script reads the file of actions. The program does not.
    let program = closure_over("normal", "quill-admin-executor", &[]);
    lacks("quill-admin-executor", program, &["quill-admin-application", "quill-admin-yaml", "serde-saphyr"]);
}

/// The executor depends on the compiled actions, and must not get these dependencies through them.
#[test]
fn compiled_actions_know_neither_yaml_nor_a_database() {
    is_without(
        "quill-admin-actions",
        &[],
        &["tokio*", "google-*", "quill-*", "cloud-emulator", "clap", "serde-saphyr", "argon2"],
    );
}

#[test]
fn the_application_is_read_without_cloud_database_and_command_line() {
    is_without(
        "quill-admin-application",
        &[],
        &[
            "tokio*",
            "google-*",
            "quill-admin",
            "quill-admin-cloud",
            "quill-admin-executor",
            "quill-admin-local",
            "cloud-emulator",
            "clap",
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

/// The product's tables are those of `application/schema.sql`. Fixtures of tests are no second set of them.
#[test]
fn what_is_shipped_has_no_fixtures_in_it() {
    for package in ["quill-admin", "quill-admin-local", "quill-admin-executor", "quill-admin-application"] {
        is_without(package, &[], &["quill-admin-testkit", "quill-admin-e2e"]);
    }
}

/// The local environment is given golden cases, and runs them; only the command line knows where the files
/// are.
#[test]
fn the_local_environment_knows_neither_the_command_line_nor_the_cloud() {
    is_without(
        "quill-admin-local",
        &[],
        &["quill-admin", "quill-admin-cloud", "quill-admin-executor", "indicatif"],
    );
}

#[test]
fn ring_is_the_only_provider_of_cryptography() {
    for package in ["quill-admin", "quill-admin-executor", "cloud-emulator"] {
        is_without(package, &[], &["aws-lc-*", "openssl", "openssl-sys", "native-tls"]);
    }
}

/// The arrows between the files of every package: of its library and its programs.
fn packages() -> BTreeMap<String, Arrows> {
    let metadata = cargo(&["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let workspace = text(&metadata["workspace_root"]);
    let read = |file: &str| fs::read_to_string(format!("{workspace}/{file}")).ok();
    let mut packages = BTreeMap::<String, Arrows>::new();
    for package in list(&metadata["packages"]) {
        let arrows = packages.entry(text(&package["name"])).or_default();
        for target in list(&package["targets"]) {
            if list(&target["kind"]).iter().any(|kind| kind == "lib" || kind == "bin") {
                let root = text(&target["src_path"]);
                let root =
                    root.strip_prefix(&workspace).expect("within the workspace").trim_start_matches('/');
                for (files, names) in imports::arrows(root, &read) {
                    arrows.entry(files).or_default().extend(names);
                }
            }
        }
    }
    packages
}

#[test]
fn no_file_imports_one_that_leads_back_to_it() {
    let mut wrong = Vec::new();
    for arrows in packages().values() {
        wrong.extend(imports::circles(arrows).iter().map(|circle| imports::describe(circle, arrows)));
    }
    assert!(
        wrong.is_empty(),
        "{}\nMove what both sides need into a file of its own, below both.",
        wrong.join("\n")
    );
}
