//! A planted password, and everything it must not be found in.

use std::path::PathBuf;

use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::{Database, Generation};

const PLANTED: &str = "planted-Zq7-horse-battery-Wx4";

fn assert_clean(what: &str, text: &str) {
    assert!(!text.contains(PLANTED), "the password is in {what}:\n{text}");
}

fn plant(world: &World, environment: &str, more: &[&str]) -> Output {
    let args = [
        "create-superadmin",
        "-e",
        environment,
        "-u",
        "steve",
        "--email",
        "s@example.org",
        "--password-stdin",
    ];
    let finished =
        world.quill_admin(args.into_iter().chain(more.iter().copied())).stdin(PLANTED).output().exits(0);
    assert_clean("stdout", &finished.stdout);
    assert_clean("stderr", &finished.stderr);
    finished
}

fn assert_not_in_files(world: &World) {
    // The search finds what is there.
    assert_ne!(world.home.files_with("quill-medical-staging"), Vec::<PathBuf>::new());
    assert_eq!(world.home.files_with(PLANTED), Vec::<PathBuf>::new());
}

#[test]
fn the_password_is_nowhere_on_the_way_to_a_real_database() {
    let world = World::with_database(Database::create(Generation::August2026));
    for more in [&[][..], &["-v"], &["--json"], &["--json", "-v"], &["--quiet"]] {
        plant(&world, "staging", more);
    }
    // Refusals must not quote it either.
    for more in [&["--email", "x"][..], &["-e", "nowhere"]] {
        let args = ["create-superadmin", "-e", "staging", "-u", "steve", "--password-stdin"];
        let refused = world.quill_admin(args.into_iter().chain(more.iter().copied())).stdin(PLANTED).output();
        assert_clean("a refusal", &format!("{}{}", refused.stdout, refused.stderr));
    }
    let calls = world.emulator.calls();
    assert!(calls.iter().any(|call| call.path.ends_with(":run")), "the search has something to find");
    let recorded: Vec<String> = calls.iter().map(|call| format!("{call:?}")).collect();
    assert_clean("a request", &recorded.join("\n"));
    assert!(recorded.join("").contains("$argon2id$v=19$m=65536,t=3,p=4$"), "the hash travels");
    assert_clean("the database", &format!("{:?}", world.database().contents()));
    assert_clean("the database server's log", &world.database().server_log());
    assert_not_in_files(&world);
}

#[test]
fn neither_password_nor_hash_is_in_the_result() {
    let world = World::with_database(Database::create(Generation::August2026));
    for more in [&["-v"][..], &["--json", "-v"]] {
        let finished = plant(&world, "staging", more);
        assert!(
            !format!("{}{}", finished.stdout, finished.stderr).contains("$argon2"),
            "{}",
            finished.stdout
        );
    }
}

#[test]
fn the_password_is_not_in_the_embedded_state() {
    let world = World::empty();
    plant(&world, "local", &["-v"]);
    assert_not_in_files(&world);
    let hash = world.home.files_with("$argon2id$v=19$m=65536,t=3,p=4$");
    assert!(!hash.is_empty(), "the search sees into the database");
}

#[test]
fn a_generated_password_is_shown_exactly_once() {
    let world = World::empty();
    let args = [
        "create-superadmin",
        "-e",
        "local",
        "-u",
        "steve",
        "--email",
        "s@example.org",
        "--generate-password",
    ];
    let made = world.quill_admin(args.into_iter().chain(["--json"])).output().exits(0);
    let document = made.json();
    let password = document["generated_password"].as_str().expect("a password");
    assert_eq!(made.stdout.matches(password).count(), 1);
    assert!(!made.stderr.contains(password));

    let made = world.quill_admin(args).output().exits(0);
    let line = made.stdout.lines().find_map(|line| line.trim().strip_prefix("password ")).expect("a line");
    assert_eq!(format!("{}{}", made.stdout, made.stderr).matches(line.trim()).count(), 1);
}
