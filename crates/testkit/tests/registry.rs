//! The registry of the tests.

use std::process::Command;

use quill_admin_testkit::{
    docker::{docker_command, remove_images, run},
    needs_docker, needs_registry,
    registry::{Registry, TOKEN, TOKEN_USER},
};

/// An image of one small file.
fn import(name: &str) {
    let archive = tempfile::NamedTempFile::new().expect("make a file");
    run(Command::new("tar")
        .arg("--create")
        .arg("--file")
        .arg(archive.path())
        .args(["--directory", "/etc"])
        .arg("passwd"));
    run(docker_command().args(["import", "-", name]).stdin(archive.reopen().expect("open it again")));
}

#[test]
fn what_is_pushed_is_there_until_it_is_deleted() {
    needs_registry!();
    needs_docker!();
    let registry = Registry::start();
    assert_eq!(registry.tags("quill/tasks"), Vec::<String>::new());
    assert_eq!(registry.digest("quill/tasks", "one"), None);

    let repository = format!("{}/quill/tasks", registry.address());
    let image = format!("{repository}:one");
    import(&image);
    run(docker_command().args(["push", &image]));
    assert_eq!(registry.tags("quill/tasks"), ["one"]);
    let digest = registry.digest("quill/tasks", "one").unwrap();
    assert!(digest.starts_with("sha256:"), "{digest}");

    registry.delete("quill/tasks", &digest);
    assert_eq!(registry.digest("quill/tasks", &digest), None);
    remove_images(std::slice::from_ref(&repository));
    assert_eq!(run(docker_command().args(["images", "--quiet", &repository])), "");
}

#[test]
fn without_its_token_nothing_is_pushed() {
    needs_registry!();
    needs_docker!();
    let registry = Registry::with_token();
    let repository = format!("{}/quill/tasks", registry.address());
    let image = format!("{repository}:one");
    import(&image);
    let refused = docker_command().args(["push", &image]).output().unwrap();
    assert!(!refused.status.success());
    assert_eq!(registry.tags("quill/tasks"), Vec::<String>::new());

    // Docker gets a folder of its own, since a sign-in would write to the account's.
    let config = tempfile::tempdir().unwrap();
    let docker = || {
        let mut command = docker_command();
        command.env("DOCKER_CONFIG", config.path());
        command
    };
    run(docker().args(["login", "--username", TOKEN_USER, "--password", TOKEN, &registry.address()]));
    run(docker().args(["push", &image]));
    assert_eq!(registry.tags("quill/tasks"), ["one"]);
    remove_images(std::slice::from_ref(&repository));
}

#[test]
fn it_ends_with_its_owner_and_leaves_nothing() {
    needs_registry!();
    let registry = Registry::start();
    let address = registry.address();
    let folder = registry.folder().to_owned();
    assert!(folder.is_dir());
    drop(registry);
    assert!(std::net::TcpStream::connect(address).is_err());
    assert!(!folder.exists());
}
