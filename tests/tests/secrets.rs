//! A planted password, and everything it must not be found in.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::PathBuf;

use cloud_emulator::{Fault, FaultAction, Script, Step};
use quill_admin_e2e::{Finished as _, TOKEN, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::endings::result;

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

/// Everything of a running process that others may come to see: its arguments, its environment, and the
/// memory that would be in a core dump.
fn whole_process(id: u32) -> Vec<(String, Vec<u8>)> {
    let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).expect("a process of this user");
    let maps = String::from_utf8(file("maps")).expect("text");
    let memory = fs::File::open(format!("/proc/{id}/mem")).expect("a process of this user");
    let mut parts =
        vec![("arguments".to_owned(), file("cmdline")), ("environment".to_owned(), file("environ"))];
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, access) = (words.next().expect("a range"), words.next().expect("rights"));
        let (start, end) = range.split_once('-').expect("two addresses");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (address(start), address(end));
        let mut bytes = vec![0; usize::try_from(end - start).expect("it fits")];
        // What cannot be read (the kernel's own pages) is not in a core dump either.
        if access.starts_with("rw") && memory.read_exact_at(&mut bytes, start).is_ok() {
            parts.push((line.to_owned(), bytes));
        }
    }
    parts
}

fn contains(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

#[test]
fn while_a_task_runs_the_password_is_nowhere_in_the_process() {
    let world = World::scripted(Script::new([Step::Forever]));
    let args = ["create-superadmin", "-e", "staging", "-u", "planted-name-Rt5", "--email", "s@example.org"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("Password").type_hidden(PLANTED);
    terminal.expect("again").type_hidden(PLANTED);
    terminal.expect("running");
    let parts = whole_process(terminal.id());
    assert!(parts.iter().any(|(_, bytes)| contains(bytes, "planted-name-Rt5")), "the search sees into it");
    let found: Vec<&String> =
        parts.iter().filter(|(_, bytes)| contains(bytes, PLANTED)).map(|(name, _)| name).collect();
    assert_eq!(found, Vec::<&String>::new());
    let limits = fs::read_to_string(format!("/proc/{}/limits", terminal.id())).expect("there");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
    assert_eq!(core.split_ascii_whitespace().nth(4), Some("0"), "{core}");
    terminal.ctrl_c();
    terminal.expect("[w/d/c]").type_line("d");
    assert_eq!(terminal.wait().code(), 130);
}

#[test]
fn no_child_is_handed_the_password_or_a_token() {
    let world = World::signed_in(Script::new([Step::Wait(500), result(0)]));
    world.home.write("gcloud/active_config", "work");
    world.home.write("gcloud/configurations/config_work", "[core]\naccount = steve@example.org\n");
    // The first token is refused at the start of the job: by then the password has been typed.
    let script = format!(
        "#!/bin/sh\n(echo \"$@\"; tr '\\0' '\\n' < /proc/self/environ; cat /proc/$$/cmdline) >> seen\necho {TOKEN}\n"
    );
    world.home.write("bin/gcloud", &script);
    let program = world.home.work().join("bin/gcloud");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("an executable");
    let refused = FaultAction::status(401, "Request had invalid authentication credentials.");
    world.emulator.set_faults([Fault::new("*:run", refused).times(1)]);
    let args =
        ["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let finished = world
        .quill_admin(args)
        .env("PATH", format!("{}:/usr/bin:/bin", world.home.work().join("bin").display()))
        .env("CLOUDSDK_CONFIG", world.home.work().join("gcloud"))
        .stdin(PLANTED)
        .output()
        .exits(0);
    let seen = world.home.read("seen");
    assert_eq!(seen.matches("auth print-access-token").count(), 2, "{seen}{finished}");
    for secret in [PLANTED, TOKEN, "$argon2"] {
        assert!(!seen.contains(secret), "{secret} is in:\n{seen}");
    }
}
