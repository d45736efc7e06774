//! Bad input: one clear message, exit code 2, and no request.

use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, World};

/// Runs a command that must be refused before any request; returns its message.
fn refused(world: &World, args: &[&str], stdin: &[u8]) -> String {
    let finished = world.quill_admin(args.iter().copied()).stdin(stdin).output().exits(2);
    assert_eq!(finished.stdout, "");
    // The program may connect to the live log while it asks questions, but sends no request.
    assert_eq!(world.calls(), "", "nothing is sent");
    finished.stderr
}

const STRONG: &[u8] = b"correct horse battery staple 7";

fn create<'a>(username: &'a str, email: &'a str) -> Vec<&'a str> {
    vec!["create-superadmin", "-e", "staging", "-u", username, "--email", email, "--password-stdin"]
}

#[test]
fn values() {
    let world = World::empty();
    let long = "x".repeat(151);
    let cases: [(&str, &str, &str); 8] = [
        (&long, "a@b.c", "error: --username: the username has 151 characters; at most 150 are allowed\n"),
        ("", "a@b.c", "error: --username: the username is empty\n"),
        (" \t", "a@b.c", "error: --username: the username is empty\n"),
        (
            "a\nb",
            "a@b.c",
            "error: --username: the username contains a control character (U+000A, line feed) at position 2; none are allowed\n",
        ),
        (
            "a\u{1b}[2J",
            "a@b.c",
            "error: --username: the username contains a control character (U+001B, escape) at position 2; none are allowed\n",
        ),
        (
            "a",
            "ab",
            "error: --email: the email must contain exactly one @ with something on both sides, as in name@example.org\n",
        ),
        ("a", "a b@c", "error: --email: the email contains white space; none is allowed\n"),
        ("a", "", "error: --email: the email is empty\n"),
    ];
    for (username, email, message) in cases {
        assert_eq!(refused(&world, &create(username, email), STRONG), message);
    }
    assert_eq!(
        refused(&world, &["up", "-e", "staging", "-u", "a", "-p", "owner"], b""),
        "error: --permission: unknown permission level \"owner\"; allowed: patient, single-user, staff, admin, \
         superadmin\n"
    );
    assert_eq!(
        refused(&world, &["ar", "-e", "staging", "-u", "a", "-r", " "], b""),
        "error: --role: the role is empty\n"
    );
}

#[cfg(unix)]
#[test]
fn bytes_that_are_no_text() {
    use std::os::unix::ffi::OsStringExt as _;

    let world = World::empty();
    let finished = world
        .quill_admin(["show-user", "-e", "staging", "-u"])
        .arg(std::ffi::OsString::from_vec(vec![b'a', 0xff]))
        .output()
        .exits(2);
    assert!(finished.stderr.contains("invalid UTF-8"), "{}", finished.stderr);
}

#[test]
fn everything_missing_is_named_at_once_without_a_terminal() {
    let world = World::empty();
    assert_eq!(
        refused(&world, &["create-superadmin"], b""),
        "error: missing: --username, --email, --password-stdin or --generate-password, --env (there is no terminal \
         to ask at)\n next: see its flags with: quill-admin create-superadmin --help\n"
    );
    assert_eq!(
        refused(&world, &["create-superadmin", "-e", "staging", "--password-stdin"], STRONG),
        "error: missing: --username, --email (there is no terminal to ask at)\n next: see its flags with: quill-admin \
         create-superadmin --help\n"
    );
    assert_eq!(
        refused(&world, &["add-role", "-u", "a"], b""),
        "error: missing: --role, --env (there is no terminal to ask at)\n next: see its flags with: quill-admin add-role \
         --help\n"
    );
}

/// What is wrong with the file or the environment is told before what is missing.
#[test]
fn an_environment_that_is_not_there_is_told_first() {
    let world = World::empty();
    let told = refused(&world, &["create-superadmin", "stagin"], b"");
    assert!(told.starts_with("error: unknown environment \"stagin\"; "), "{told}");
    assert!(told.ends_with("\n next: did you mean: --env staging\n"), "{told}");
    let told = refused(&world, &["create-superadmin", "--config", "nofile"], b"");
    assert!(told.contains("nofile") && !told.contains("missing:"), "{told}");
    let by_variable = world.quill_admin(["history"]).env("QUILL_ADMIN_ENV", "stagin").output().exits(2);
    let told = by_variable.stderr;
    assert!(told.contains("QUILL_ADMIN_ENV=stagin chose it; --env names another one"), "{told}");
}

/// Clap's own advice would make the word a value, which is never meant.
#[test]
fn a_mistyped_option_is_answered_with_the_one_that_is_like_it() {
    let world = World::empty();
    for (args, like) in [
        (&["create-superadmin", "--evn", "local"][..], Some("--env")),
        (&["each", "create-user", "--reslts", "x"], Some("--results")),
        (&["history", "--limit", "-1"], None),
        (&["history", "--frob"], None),
    ] {
        let told = refused(&world, args, b"");
        let tip = like.map(|like| format!("tip: a similar argument exists: '{like}'"));
        assert_eq!(told.matches("tip:").count(), usize::from(tip.is_some()), "{told}");
        assert!(told.contains(&tip.unwrap_or_default()), "{told}");
    }
    for (args, help) in [(&["-q"][..], "quill-admin --help"), (&["local", "-q"], "quill-admin local --help")]
    {
        let told = refused(&world, args, b"");
        assert_eq!(told, format!("error: no command was given\n next: see the commands with: {help}\n"));
    }
}

/// A command that is suggested reads the same file of actions.
#[test]
fn what_is_suggested_names_the_folder_of_actions() {
    let world = World::empty();
    let application = concat!(env!("CARGO_MANIFEST_DIR"), "/../application");
    let of = |args: &[&str]| {
        let args = [args, &["--application", application]].concat();
        world.quill_admin(args.iter().copied()).output().exits(2).stderr
    };
    let told = of(&["add-role"]);
    let help = format!("see its flags with: quill-admin add-role --help --application {application}\n");
    assert!(told.ends_with(&help), "{told}");
    let told = of(&["each", "nosuch"]);
    assert!(told.ends_with(&format!("quill-admin actions --application {application}\n")), "{told}");
    let told = of(&["actions", "test", "--case", "nosuch"]);
    assert!(told.ends_with(&format!("quill-admin actions test --application {application}\n")), "{told}");
    // What has no rows is no task for many.
    let told = of(&["each", "check"]);
    assert_eq!(told, "error: check is not run for each row of a table: it is about the whole database\n");
    // The help of a file with mistakes says that its actions are missing.
    world.home.write("broken/actions.yaml", "");
    let help = world.quill_admin(["--help", "--application", "broken"]).output().exits(0);
    let hint = "see them with: quill-admin actions check --application broken\n";
    assert!(help.stdout.ends_with(hint), "{help}");
}

#[cfg(unix)]
#[test]
fn a_working_folder_that_was_deleted_is_no_bug() {
    let world = World::empty();
    let gone = world.home.work().join("gone");
    // The shell goes into the folder, removes it, and starts the program there.
    let shell = |args: &str| {
        let program = quill_admin_testkit::bin::quill_admin();
        let script = format!("cd '{}' && rm -r ../gone; exec '{}' {args}", gone.display(), program.display());
        world.home.write("gone/file", "");
        world.home.run("/bin/sh").args(["-c", &script]).output()
    };
    assert!(shell("--version").exits(0).stdout.starts_with("quill-admin "));
    let missing = shell("history -e staging --json").exits(2).json();
    assert!(
        missing["error"]["messages"][0].as_str().is_some_and(|told| told.contains("environments.yaml")),
        "{missing:#}"
    );
}

#[test]
fn an_empty_variable_means_what_an_unset_one_does() {
    let world = World::empty();
    let finished = world.quill_admin(["check"]).env("QUILL_ADMIN_ENV", "").output().exits(2);
    assert_eq!(
        finished.stderr,
        "error: missing: --env (there is no terminal to ask at)\n next: see its flags with: quill-admin check --help\n"
    );
}

#[test]
fn passwords_from_a_pipe() {
    let world = World::empty();
    let args = create("steve.jones", "steve@example.org");
    let said = |stdin: &[u8]| refused(&world, &args, stdin);
    assert_eq!(said(b""), "error: --password-stdin: stdin is empty; give the password as one line\n");
    assert_eq!(
        said(b"correct horse battery\nstaple\n"),
        "error: --password-stdin: stdin holds more than one line; give the password alone, as one line\n"
    );
    assert_eq!(said(b"\xff\xfe"), "error: --password-stdin: the password is not valid UTF-8\n");
    assert_eq!(
        said(b"short"),
        "error: --password-stdin: the password has 5 characters; at least 12 are needed. Several unrelated words \
         work well\n"
    );
    assert_eq!(
        said(b"correct horse battery "),
        "error: --password-stdin: the password begins or ends with white space; the login form would not accept \
         it\n"
    );
    assert_snapshot!(said(b"steve.jones2026"), @"error: --password-stdin: the password is too easy to guess. Add another word or two. Uncommon words are better");
    assert_snapshot!(said(b"passwordpassword"), @r#"error: --password-stdin: the password is too easy to guess: repeats like "abcabcabc" are only slightly harder to guess than "abc". Add another word or two. Uncommon words are better. Avoid repeated words and characters"#);
    let both = [args.as_slice(), &["--generate-password"]].concat();
    assert!(refused(&world, &both, STRONG).contains("cannot be used with"));
}

#[test]
fn environments() {
    let world = World::empty();
    assert_snapshot!(
        refused(&world, &["check", "-e", "stagin"], b"").replace(&world.home.work().display().to_string(), "FOLDER"),
        @r#"
    error: unknown environment "stagin"; FOLDER/environments.yaml has: staging, teaching, local
     next: did you mean: --env staging
    "#
    );
    let good = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &good.replace("project: quill-medical-teaching", "projct: x"));
    let said = refused(&world, &["check", "-e", "staging"], b"");
    assert!(said.contains("environments.yaml:16:15: unknown key \"projct\""), "{said}");
    assert!(said.contains("next: did you mean \"project\"?"), "{said}");
    std::fs::remove_file(world.home.work().join("environments.yaml")).expect("removed");
    let said = refused(&world, &["check", "-e", "staging"], b"");
    assert!(said.contains("no environments.yaml in"), "{said}");
    let said = refused(&world, &["check", "-e", "staging", "--config", "nowhere.yaml"], b"");
    assert!(said.contains("nowhere.yaml: No such file or directory"), "{said}");
}

#[test]
fn nobody_is_signed_in_to_google_cloud() {
    let world = World::empty();
    let finished =
        world.quill_admin(["check", "-e", "teaching", "--config", "environments.yaml"]).output().exits(20);
    assert_snapshot!(finished.transcript(), @r"
    exit status: 20
    ----- stdout -----
    ----- stderr -----
    error: failed to sign in to Google Cloud: nobody is signed in on this machine
     next: sign in with: quill-admin login
     next: look closer with: quill-admin doctor --config environments.yaml --env teaching --only machine-sign-in
    ");
}

#[test]
fn json_is_one_document_on_failure_too() {
    let world = World::empty();
    for args in [&["check", "-e", "stagin", "--json"][..], &["no-such-command", "--json"], &["up", "--json"]]
    {
        let finished = world.quill_admin(args.iter().copied()).output().exits(2);
        assert_eq!(finished.stderr, "");
        let document = finished.json();
        assert_eq!(document["exit_code"], 2);
        assert!(document["error"]["messages"][0].as_str().is_some_and(|text| !text.is_empty()), "{document}");
    }
}

#[test]
fn help_and_version_are_answers() {
    let world = World::empty();
    let help = world.quill_admin(["--help"]).output().exits(0);
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 80), "{}", help.stdout);
    let version = world.quill_admin(["--version"]).output().exits(0);
    assert!(version.stdout.starts_with("quill-admin "), "{}", version.stdout);
    let none = world.quill_admin([]).output().exits(2);
    assert!(none.stderr.contains("Usage: quill-admin"), "{}", none.stderr);
}

#[test]
fn the_environments_are_listed() {
    let world = World::empty();
    let listed = world.quill_admin(["envs"]).output().exits(0);
    assert_snapshot!(
        quill_admin_e2e::redact(&listed.stdout.replace(&world.home.work().display().to_string(), "FOLDER")),
        @r"
    staging   project quill-medical-staging at http://127.0.0.1:PORT
    teaching  project quill-medical-teaching, europe-west2
    local     embedded, on this machine; state in FOLDER/.quill-admin/local

    from FOLDER/environments.yaml
    "
    );
    let document = world.quill_admin(["envs", "--json"]).output().exits(0).json();
    assert_eq!(document["environments"][2]["emulated"], true);
}
