//! A planted password, and all places in which it must not be found.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cloud_emulator::{Fault, FaultAction, RecordedCall, Script, Step};
use quill_admin_e2e::{Finished as _, TOKEN, World, wait_until};
use quill_admin_testkit::home::{Home, Output};
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{bin, skip};

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
    // The search finds texts that are there.
    assert_ne!(world.home.files_with("quill-medical-staging"), Vec::<PathBuf>::new());
    assert_eq!(world.home.files_with(PLANTED), Vec::<PathBuf>::new());
}

#[test]
fn the_password_is_nowhere_on_the_way_to_a_real_database() {
    let world = World::with_database(Database::create(Generation::August2026));
    let mut outputs = String::new();
    for more in [&[][..], &["-v"], &["--json"], &["--json", "-v"], &["--quiet"]] {
        outputs.push_str(&plant(&world, "staging", more).to_string());
    }
    // Refusals must not quote the password, either.
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
    // The same goes for the key that proves the result: it is in the request and the execution, and nowhere
    // else.
    let keys = proof_keys(&calls);
    assert_eq!(keys.len(), 5, "a new one for every run");
    for key in &keys {
        let with: Vec<&str> = calls
            .iter()
            .filter(|call| format!("{call:?}").contains(key.as_str()))
            .map(|call| call.path.as_str())
            .collect();
        assert!(with.iter().all(|path| path.ends_with(":run")), "{with:?}");
        assert!(!outputs.contains(key.as_str()), "the key is in the output");
        assert_eq!(world.home.files_with(key), Vec::<PathBuf>::new());
    }
    let mut logs = calls.iter().filter(|call| call.path.ends_with("entries:list"));
    assert!(!logs.any(|call| format!("{call:?}").contains("ADMIN_PROOF_KEY")));
    assert_clean("the database", &format!("{:?}", world.database().contents()));
    assert_clean("the database server's log", &world.database().server_log());
    assert_not_in_files(&world);
}

/// The keys that were sent with runs.
fn proof_keys(calls: &[RecordedCall]) -> BTreeSet<String> {
    let runs = calls.iter().filter(|call| call.path.ends_with(":run"));
    let env = |call: &RecordedCall| call.body["overrides"]["containerOverrides"][0]["env"].clone();
    let variables = runs.flat_map(|call| env(call).as_array().cloned().unwrap_or_default());
    let keys = variables.filter(|variable| variable["name"] == "ADMIN_PROOF_KEY");
    keys.map(|variable| variable["value"].as_str().expect("a text").to_owned()).collect()
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

/// Skips a test that only root can run: nobody else may read the memory of a process that asked to be
/// protected, or start one as another user.
macro_rules! needs_root {
    () => {
        if !rustix::process::geteuid().is_root() {
            skip!("root", "only root may look into a process whose memory is private");
        }
    };
}

/// The parts of a running process that others may see: its arguments, its environment, and the memory that
/// would be in a core dump.
fn whole_process(id: u32) -> Vec<(String, Vec<u8>)> {
    let file = |name: &str| fs::read(format!("/proc/{id}/{name}")).expect("root may");
    let maps = String::from_utf8(file("maps")).expect("text");
    let memory = fs::File::open(format!("/proc/{id}/mem")).expect("root may");
    let mut parts =
        vec![("arguments".to_owned(), file("cmdline")), ("environment".to_owned(), file("environ"))];
    for line in maps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (range, access) = (words.next().expect("a range"), words.next().expect("rights"));
        let (start, end) = range.split_once('-').expect("two addresses");
        let address = |text| u64::from_str_radix(text, 16).expect("an address");
        let (start, end) = (address(start), address(end));
        let mut bytes = vec![0; usize::try_from(end - start).expect("it fits")];
        // Memory that cannot be read (the kernel's own pages) is not in a core dump either.
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
    needs_root!();
    let world = World::scripted(Script::new([Step::Forever]));
    let args = ["create-superadmin", "-e", "staging", "-u", "planted-name-Rt5", "--email", "s@example.org"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("Password").type_hidden(PLANTED);
    terminal.expect("again").type_hidden(PLANTED);
    terminal.expect("Run it?").type_line("y");
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

/// A process that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_piped_password_and_what_was_made_of_it_to_judge_it_are_nowhere_in_the_process() {
    // The password is in lower case, because the copies that are made to judge it are, too.
    const PIPED: &str = "planted zq7 walrus teapot wx4 glacier";
    needs_root!();
    let world = World::scripted(Script::new([Step::Forever]));
    let args = [
        "create-superadmin",
        "-e",
        "staging",
        "-u",
        "planted-name-rt5",
        "--email",
        "s@example.org",
        "--password-stdin",
    ];
    let mut command = world.quill_admin(args).command();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = Running(command.spawn().expect("started"));
    process.0.stdin.take().expect("a pipe").write_all(PIPED.as_bytes()).expect("taken");
    wait_until("the job is started", || world.runs() == 1);

    let parts = whole_process(process.0.id());
    assert!(parts.iter().any(|(_, bytes)| contains(bytes, "planted-name-rt5")), "the search sees into it");
    let reversed = |text: &str| text.chars().rev().collect::<String>();
    // The search is for the text, and for one number for each character.
    let wide = |text: &str| text.chars().flat_map(|c| u32::from(c).to_ne_bytes()).collect::<Vec<u8>>();
    for planted in [PIPED, "zq7 walrus", "teapot wx4"] {
        for needle in [planted.to_owned(), reversed(planted)] {
            for bytes in [needle.clone().into_bytes(), wide(&needle)] {
                let has = |part: &[u8]| part.windows(bytes.len()).any(|window| window == bytes);
                let found: Vec<&String> =
                    parts.iter().filter(|(_, part)| has(part)).map(|(name, _)| name).collect();
                assert_eq!(found, Vec::<&String>::new(), "{needle}");
            }
        }
    }
}

/// The id of an ordinary user, who owns no file of the tests.
const SOMEBODY: u32 = 65_534;

/// Whether that user may read the environment of their own process.
fn may_look_into(process: &Running) -> bool {
    let file = format!("/proc/{}/environ", process.0.id());
    let looked = Command::new("cat").arg(&file).uid(SOMEBODY).gid(SOMEBODY).output().expect("started");
    let owner = fs::metadata(&file).expect("it runs").uid();
    assert_eq!(owner == SOMEBODY, looked.status.success(), "{owner}: {looked:?}");
    looked.status.success()
}

/// Starts a program as that user.
fn started(mut command: Command) -> Running {
    command.uid(SOMEBODY).gid(SOMEBODY).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("started"))
}

/// A copy of a program that every user may run.
fn copied(home: &Home, program: &Path) -> PathBuf {
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).expect("changed");
    let copy = home.work().join(program.file_name().expect("a name"));
    fs::copy(program, &copy).expect("copied");
    fs::set_permissions(&copy, fs::Permissions::from_mode(0o755)).expect("changed");
    copy
}

#[test]
fn no_process_of_the_same_user_may_read_the_laptops_program() {
    needs_root!();
    let world = World::scripted(Script::new([Step::Forever]));
    let copy = copied(&world.home, bin::quill_admin());
    // The environment of other programs can be read.
    assert!(may_look_into(&started(world.home.run("sleep").arg("60").command())));
    let run = world.home.run(copy).args(["show-user", "-e", "staging", "-u", "steve", "--config"]);
    let process = started(run.arg("environments.yaml").command());
    wait_until("the job is started", || world.runs() == 1);
    assert!(!may_look_into(&process));
}

#[test]
fn no_process_of_the_same_user_may_read_the_containers_program() {
    needs_root!();
    let home = Home::new();
    let copy = copied(&home, bin::executor());
    // A database that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = silent.local_addr().expect("an address").port().to_string();
    let run = [
        ("ADMIN_ACTION", "check"),
        ("AUTH_DB_HOST", "127.0.0.1"),
        ("AUTH_DB_PORT", port.as_str()),
        ("AUTH_DB_NAME", "quill_core"),
        ("AUTH_DB_USER", "quill"),
        ("AUTH_DB_PASSWORD", "planted-database-Hn3"),
    ]
    .into_iter()
    .fold(home.run(copy), |run, (name, value)| run.env(name, value));
    let process = started(run.command());
    silent.set_nonblocking(true).expect("set");
    let mut connection = None;
    wait_until("it connects", || {
        connection = silent.accept().ok();
        connection.is_some()
    });
    assert!(!may_look_into(&process));
}

#[test]
fn no_child_is_handed_the_password_or_a_token() {
    let world = World::signed_in(Script::new([Step::Wait(500), result(0)]));
    world.home.write("gcloud/active_config", "work");
    world.home.write("gcloud/configurations/config_work", "[core]\naccount = steve@example.org\n");
    // The first token is refused at the start of the job, when the password has been typed.
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
