//! The program without a clone: with no file, and with the one that `init` writes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use quill_admin_e2e::Finished as _;
use quill_admin_testkit::home::{Home, Output, Run, environments};

const PASSWORD: &str = "correct horse battery staple 7";

fn create(home: &Home) -> Run {
    home.quill_admin(["create-superadmin", "--env", "local", "-u", "steve", "--email", "s@example.org"])
        .arg("--password-stdin")
        .env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0")
        .stdin(PASSWORD)
}

fn run(home: &Home, args: &[&str]) -> Output {
    home.quill_admin(args.iter().copied()).output()
}

#[test]
fn the_environment_on_this_machine_needs_no_file() {
    let home = Home::new();
    let created = create(&home).output().exits(0);
    assert!(created.stdout.starts_with("✔ created steve in local"), "{created}");
    // It is the same from every folder, and nothing was put into the working folder.
    assert_eq!(fs::read_dir(home.work()).expect("listed").count(), 0);
    let other = home.path().join("other");
    fs::create_dir(&other).expect("made");
    let shown = home.quill_admin(["show-user", "-e", "local", "-u", "steve"]).cwd(other).output().exits(0);
    assert!(shown.stdout.contains("s@example.org"), "{shown}");
    let status = run(&home, &["local", "status", "--json"]).exits(0).json();
    assert_eq!(status["state"], home.path().join(".local/state/quill-admin/local").display().to_string());
    let listed = run(&home, &["envs"]).exits(0);
    assert!(listed.stdout.starts_with("local  embedded, on this machine; state in "), "{listed}");
    assert!(listed.stdout.contains("from the settings built into this program\n"), "{listed}");
    assert!(listed.stdout.contains("quill-admin init\n"), "{listed}");
    assert_eq!(run(&home, &["envs", "--json"]).exits(0).json()["file"], serde_json::Value::Null);
}

/// A person without a home has the state in the working folder.
#[test]
fn it_needs_no_home_either() {
    let home = Home::new();
    for without in [create(&home).env("HOME", ""), create(&home).env_remove("HOME")] {
        let _ = without.output().exits(0);
        assert!(home.work().join(".quill-admin/local/layout.json").exists());
    }
}

/// The built-in settings name real projects, which nobody has asked for.
#[test]
fn other_environments_need_a_file_and_the_error_names_the_command_that_writes_one() {
    let home = Home::new();
    for args in [&["check", "-e", "staging"][..], &["whoami", "-e", "prod"], &["history", "-e", "nowhere"]] {
        let refused = run(&home, args).exits(2);
        assert!(
            refused.stderr.contains(" needs a settings file, and there is no environments.yaml in "),
            "{refused}"
        );
        assert!(refused.stderr.contains("without one there is only \"local\"\n"), "{refused}");
        assert!(
            refused.stderr.contains(
                "next: write one here, and look whether it names your projects: quill-admin init\n"
            )
        );
    }
    let mistyped = run(&home, &["check", "loacl"]).exits(2);
    assert!(
        mistyped.stderr.starts_with("error: unknown environment \"loacl\"; there is only \"local\": "),
        "{mistyped}"
    );
    assert!(
        mistyped.stderr.contains("\n next: did you mean: --env local\n next: for other environments, "),
        "{mistyped}"
    );
    let refused = run(&home, &["check", "-e", "local", "--config", "nowhere.yaml"]).exits(2);
    assert!(refused.stderr.contains("nowhere.yaml: No such file or directory"), "{refused}");
    assert!(refused.stderr.contains("quill-admin init --config "), "{refused}");
    // The doctor says the same, but not to a person who asks about this machine's environment only.
    let found = run(&home, &["doctor", "--only", "machine-config"]).exits(30);
    assert!(found.stdout.contains("there is no environments.yaml in "), "{found}");
    let _ = run(&home, &["doctor", "--only", "machine-config", "-e", "local"]).exits(0);
}

#[test]
fn init_writes_the_file_and_says_what_to_edit() {
    let home = Home::new();
    let written = run(&home, &["init"]).exits(0);
    assert!(
        written.stdout.starts_with("wrote ") && written.stdout.contains("/environments.yaml\n"),
        "{written}"
    );
    assert!(written.stdout.contains("staging   project quill-medical-staging, europe-west2\n"), "{written}");
    assert!(
        written.stderr.contains("next: look whether the projects are yours: \"environments\", from line "),
        "{written}"
    );
    assert!(written.stderr.contains("quill-admin envs\n"), "{written}");
    assert_eq!(home.read("environments.yaml"), environments());
    assert_eq!(fs::read_dir(home.work()).expect("listed").count(), 1);
    let _ = run(&home, &["envs"]).exits(0);

    // A script has shown nobody where tasks go.
    let check = ["check", "-e", "staging"];
    let unseen = run(&home, &check).exits(28);
    assert!(unseen.stderr.contains("nobody has confirmed"), "{unseen}");

    // Where a person has seen it nobody is asked as long as the file stays as it is: here the sign-in is missing.
    let home = Home::new();
    assert_eq!(home.quill_admin(["init"]).terminal().wait().code(), 0);
    let unconfirmed = run(&home, &check).exits(20);
    assert!(!unconfirmed.stderr.contains("nobody has confirmed"), "{unconfirmed}");
    home.write(
        "environments.yaml",
        &environments().replace("quill-medical-staging", "quill-of-somebody-else"),
    );
    let changed = run(&home, &check).exits(28);
    assert!(changed.stderr.contains("names project quill-of-somebody-else"), "{changed}");
    assert!(changed.stderr.contains("the file has changed since that was confirmed"), "{changed}");
}

#[test]
fn init_never_overwrites_anything() {
    let home = Home::new();
    let refused = |what: &str| {
        let refused = run(&home, &["init"]).exits(2);
        assert!(
            refused.stderr.contains("/environments.yaml is there already; nothing was written\n"),
            "{what}: {refused}"
        );
        refused
    };
    home.write("environments.yaml", "mine");
    let _ = refused("a file");
    assert_eq!(home.read("environments.yaml"), "mine");
    let file = home.work().join("environments.yaml");
    fs::remove_file(&file).expect("removed");
    symlink("nowhere", &file).expect("linked");
    let _ = refused("a link into nothing");
    assert!(!home.work().join("nowhere").exists());
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("made");
    let _ = refused("a folder");
    fs::remove_dir(&file).expect("removed");

    // A folder in which the file would not be believed gets none.
    fs::set_permissions(home.work(), fs::Permissions::from_mode(0o777)).expect("set");
    let unused = run(&home, &["init"]).exits(2);
    assert!(unused.stderr.contains("would not be used: "), "{unused}");
    assert!(unused.stderr.contains("nothing was written\n"), "{unused}");
    assert_eq!(fs::read_dir(home.work()).expect("listed").count(), 0);
    // A file that is named is believed anywhere.
    let named = run(&home, &["init", "--config", "own.yaml", "--json"]).exits(0).json();
    assert_eq!(named["file"], home.work().join("own.yaml").display().to_string());
    assert_eq!(named["environments"][0]["project"], "quill-medical-staging");
    let nowhere = run(&home, &["init", "--config", "no/folder.yaml"]).exits(2);
    assert!(
        nowhere.stderr.contains("failed to write ") && nowhere.stderr.contains("No such file"),
        "{nowhere}"
    );
}

#[test]
fn init_says_which_file_it_takes_the_place_of() {
    let home = Home::with_environments();
    let below = home.work().join("below");
    fs::create_dir(&below).expect("made");
    let written = home.quill_admin(["init"]).cwd(below).output().exits(0);
    let before = home.work().join("environments.yaml");
    assert!(
        written.stdout.contains(&format!("it is used here in place of {}\n", before.display())),
        "{written}"
    );
}
