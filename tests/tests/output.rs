//! Output: all of it arrives or an error says that it did not, and text from elsewhere does nothing to a
//! terminal.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use cloud_emulator::{Script, Step};
use quill_admin_contract::invisible::invisible;
use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::bin;
use quill_admin_testkit::home::Home;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::Value;

/// The exit code where stdout could not be written to.
const OUTPUT_FAILED: i32 = 33;
const NO_SPACE: &str = "failed to write to stdout: No space left on device";

/// A program in a world whose stdout is not a pipe that is read to its end.
fn program(world: &World, program: &Path) -> Command {
    world.confirm();
    let home = &world.home;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home.path())
        .env("USER", "tester")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_CACHE_HOME", bin::cache_dir())
        .env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0")
        .current_dir(home.work())
        .stdin(Stdio::null());
    command
}

/// Runs `quill-admin` with this stdout; returns the exit code and stderr.
fn into(world: &World, stdout: impl Into<Stdio>, args: &[&str]) -> (i32, String) {
    let output = program(world, bin::quill_admin()).args(args).stdout(stdout).output().expect("it runs");
    let stderr = String::from_utf8(output.stderr).expect("text");
    (output.status.code().unwrap_or_else(|| panic!("{}\n{stderr}", output.status)), stderr)
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("Linux has it")
}

/// A pipe whose reader is closed.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

const ANSWERS: &[&[&str]] = &[
    &["envs"],
    &["envs", "--json"],
    &["--version"],
    &["--help"],
    &["help", "check"],
    &["help", "exit-codes"],
    &["version", "--json"],
    &["completions", "bash"],
    &["doctor", "--list"],
    &["man", "pages"],
    &["history", "-e", "staging"],
    &["history", "-e", "staging", "--json"],
    &["whoami", "-e", "staging"],
    &["check", "-e", "staging", "--dry-run"],
    &["check", "-e", "staging", "--dry-run", "--json"],
    &["local", "status", "--json"],
];

#[cfg(target_os = "linux")]
#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    for args in ANSWERS {
        let (code, stderr) = into(&world, full(), args);
        assert_eq!(code, OUTPUT_FAILED, "{args:?}: {stderr}");
        assert_eq!(stderr.matches(NO_SPACE).count(), 1, "{args:?}: {stderr}");
        assert!(stderr.contains("run the same command again"), "{args:?}: {stderr}");
        // An open descriptor that cannot be written to counts the same.
        let (code, stderr) = into(&world, File::open("/dev/null").expect("it is there"), args);
        assert_eq!(code, OUTPUT_FAILED, "{args:?}: {stderr}");
        assert!(stderr.contains("failed to write to stdout: Bad file descriptor"), "{args:?}: {stderr}");
    }
    // If the address cannot be printed, the command ends, although its stdin stays open.
    let mut serving = program(&world, bin::quill_admin());
    serving.args(["local", "serve"]).stdin(Stdio::piped()).stdout(full()).stderr(Stdio::null());
    let mut serving = serving.spawn().expect("it starts");
    let open = serving.stdin.take();
    assert_eq!(serving.wait().expect("it ends").code(), Some(OUTPUT_FAILED));
    drop(open);
    // A shell gets the exit code, and no text in the middle of a line.
    let mut completing = program(&world, bin::quill_admin());
    completing.args(["--", "quill-admin", "check", "-e", ""]).env("QUILL_ADMIN_COMPLETE", "fish");
    let output = completing.stdout(full()).output().expect("it runs");
    assert_eq!((output.status.code(), output.stderr), (Some(OUTPUT_FAILED), vec![]));
}

/// The standard library opens `/dev/null` in place of a closed descriptor.
#[cfg(unix)]
#[test]
fn what_would_go_to_a_closed_stdout_is_told_on_stderr() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    for (args, told) in
        [(&["envs"][..], "staging"), (&["envs", "--json"], "\"staging\""), (&["-V"], "contract")]
    {
        let mut shell = program(&world, Path::new("/bin/sh"));
        let output = shell
            .args(["-c", "exec \"$0\" \"$@\" >&-"])
            .arg(bin::quill_admin())
            .args(args)
            .output()
            .expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(stderr.contains("warning: stdout is closed") && stderr.contains(told), "{args:?}: {stderr}");
        assert_eq!(stderr.matches("warning").count(), 1, "{args:?}: {stderr}");
    }
    // Output to /dev/null is discarded on purpose.
    let nowhere = OpenOptions::new().write(true).open("/dev/null").expect("it is there");
    assert_eq!(into(&world, nowhere, &["envs"]), (0, String::new()));
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    for args in ANSWERS {
        let (code, stderr) = into(&world, closed(), args);
        assert_eq!(code, 0, "{args:?}: {stderr}");
        assert!(!stderr.contains("stdout"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_log_is_followed_as_long_as_somebody_reads() {
    let world = World::scripted(Script::new([Step::log("one"), Step::Forever]));
    let execution = world.start_job();
    let (code, stderr) = into(&world, closed(), &["logs", &execution, "--follow"]);
    assert_eq!((code, stderr.contains("error")), (0, false), "{stderr}");
}

fn create<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let args = ["create-superadmin", "-e", "staging", "-u", "steve", "--email", "s@example.org"];
    args.into_iter().chain(more.iter().copied()).collect()
}

#[cfg(target_os = "linux")]
#[test]
fn what_was_done_and_could_not_be_told_is_told_on_stderr() {
    let world = World::with_database(Database::create(Generation::August2026));
    let created =
        world.quill_admin(create(&["--password-stdin"])).stdin("correct horse battery staple 7").output();
    created.expect_code(0);
    for (args, told) in [
        (&["add-role", "-e", "staging", "-u", "steve", "-r", "Clinician"][..], "role Clinician added"),
        (&["up", "-e", "staging", "-u", "steve", "-p", "staff"], "superadmin → staff"),
        (&["show-user", "-e", "staging", "-u", "steve", "--quiet"], "steve in staging"),
        (&["check", "-e", "staging"], "tasks can run in staging"),
    ] {
        let (code, stderr) = into(&world, full(), args);
        assert_eq!(code, OUTPUT_FAILED, "{args:?}: {stderr}");
        assert!(stderr.contains(NO_SPACE) && stderr.contains(told), "{args:?}: {stderr}");
        assert!(stderr.contains("this is no reason to run it again"), "{args:?}: {stderr}");
    }
    assert_eq!(world.database().value("SELECT system_permissions FROM users").as_deref(), Some("staff"));
    // This goes for the JSON document, too.
    let remove = ["remove-role", "-e", "staging", "-u", "steve", "-r", "Clinician", "--json"];
    let (code, stderr) = into(&world, full(), &remove);
    assert_eq!(code, OUTPUT_FAILED, "{stderr}");
    let (_, document) = stderr.split_once("\n{").unwrap_or_else(|| panic!("no document: {stderr}"));
    let document: Value = serde_json::from_str(&format!("{{{document}")).expect("JSON");
    assert_eq!(document["result"]["outcome"]["result"], "updated", "{document}");
    // A failure keeps its code, and is reported once.
    let missing = ["show-user", "-e", "staging", "-u", "nobody"];
    let (code, stderr) = into(&world, full(), &missing);
    assert_eq!((code, stderr.matches("no user").count()), (10, 1), "{stderr}");
    let (code, stderr) = into(&world, full(), &[&missing[..], &["--json"]].concat());
    assert_eq!(code, 10, "{stderr}");
    assert!(stderr.contains(NO_SPACE) && stderr.contains("\"exit_code\": 10"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_password_is_not_made_where_it_could_not_be_shown() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    let null = || OpenOptions::new().write(true).open("/dev/null").expect("it is there");
    for more in [&["--generate-password"][..], &["--generate-password", "--json", "-q"]] {
        for (stdout, why) in [
            (full().into(), NO_SPACE),
            (closed(), "failed to write to stdout: Broken pipe"),
            (File::open("/dev/null").expect("it is there").into(), "stdout is closed or /dev/null"),
            (null().into(), "stdout is closed or /dev/null"),
            (Stdio::null(), "stdout is closed or /dev/null"),
        ] {
            let stdout: Stdio = stdout;
            let (code, stderr) = into(&world, stdout, &create(more));
            assert_eq!(code, OUTPUT_FAILED, "{why}: {stderr}");
            assert!(stderr.contains(why) && stderr.contains("nothing was started"), "{why}: {stderr}");
        }
    }
    assert_eq!(world.runs(), 0);
    // A dry run makes no password that could be lost.
    let (code, stderr) = into(&world, null(), &create(&["--generate-password", "--dry-run"]));
    assert_eq!(code, 0, "{stderr}");
}

/// Checks that the printed password logs in.
fn logs_in(world: &World, stderr: &str, line: &str) {
    let password = stderr.lines().find_map(|text| text.trim().strip_prefix(line)).expect("a password");
    let password = password.trim().trim_matches(['"', ',']);
    assert!(password.len() >= 12, "{password}");
    assert_eq!(world.database().value("SELECT username FROM users").as_deref(), Some("steve"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_password_that_could_not_be_written_after_all_is_on_stderr() {
    let world = World::with_database(Database::create(Generation::August2026));
    // There is room for the line break that is tried first, and for nothing else.
    let shell = r#"trap '' XFSZ; ulimit -f 1; head -c 1023 /dev/zero >out; exec "$0" "$@" >>out"#;
    for (more, line) in [(&[][..], "password "), (&["--json", "-q"], "\"generated_password\": ")] {
        let more = [&["--generate-password"], more].concat();
        let output = program(&world, Path::new("bash"))
            .args(["-c", shell])
            .arg(bin::quill_admin())
            .args(create(&more))
            .output()
            .expect("it runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(OUTPUT_FAILED), "{stderr}");
        assert!(stderr.contains("failed to write to stdout: File too large"), "{stderr}");
        logs_in(&world, &stderr, line);
    }
    // A reader that reads the first byte and closes the pipe.
    for (more, line) in [(&[][..], "password "), (&["--json", "-q"], "\"generated_password\": ")] {
        let more = [&["--generate-password"], more].concat();
        let mut command = program(&world, bin::quill_admin());
        let mut child = command
            .args(create(&more))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdout = child.stdout.take().expect("a pipe");
        std::io::Read::read_exact(&mut stdout, &mut [0]).expect("the line break");
        drop(stdout);
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        assert!(stderr.contains("warning: whoever read stdout has gone"), "{stderr}");
        logs_in(&world, &stderr, line);
    }
}

/// A title, a cleared screen, reversed text, and characters that cannot be seen.
const HOSTILE: &str =
    "\u{1b}]0;owned\u{7}\r\u{9b}2J\u{202e}txt\u{200b}\u{2028}x\u{feff}y\u{e0041}\u{fdd0}31m";

/// Checks that nothing in the output acts on a terminal, or cannot be seen.
fn assert_seen(what: &str, text: &str) {
    let hidden =
        text.chars().find(|c| *c != '\n' && *c != '\t' && (invisible(*c).is_some() || *c == '\u{fdd0}'));
    assert_eq!(hidden, None, "{what}: {text:?}");
}

#[test]
fn what_others_write_reaches_no_terminal_as_it_is() {
    let world = World::scripted(Script::new([
        Step::log(HOSTILE),
        Step::NeverStart { reason: "CONTAINER_MISSING".to_owned(), message: HOSTILE.to_owned() },
    ]));
    let execution = world.start_job();
    world.idle();
    for args in [
        &["show-user", "-e", "staging", "-u", "steve"][..],
        &["show-user", "-e", "staging", "-u", "steve", "-v"],
        &["show-user", "-e", "staging", "-u", "steve", "--json"],
        &["attach", &execution],
        &["attach", &execution, "--json"],
        &["logs", &execution],
        &["logs", &execution, "--json"],
        &["history", "-e", "staging"],
        &["history", "-e", "staging", "--json"],
        &["doctor", "--after", &execution],
        &["doctor", "--after", &execution, "--json"],
    ] {
        let printed = world.quill_admin(args.iter().copied()).output();
        assert_seen(&format!("{args:?}"), &format!("{}{}", printed.stdout, printed.stderr));
    }
    let failed = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).output().exits(24);
    assert!(failed.stderr.contains(r"\u{1b}]0;owned\u{7}\r\u{9b}2J\u{202e}txt\u{200b}\u{2028}x"), "{failed}");
    // A JSON document has the characters unchanged.
    let json = world.quill_admin(["show-user", "-e", "staging", "-u", "steve", "--json"]).output().exits(24);
    assert!(json.json()["reason"].as_str().is_some_and(|reason| reason.contains(HOSTILE)), "{json}");
}

#[test]
fn what_was_typed_is_quoted_with_its_escapes() {
    let world = World::empty();
    let option = format!("--{HOSTILE}");
    let coloured = "\u{1b}[31mred\u{1b}[0m";
    for args in [
        &[HOSTILE][..],
        &[coloured],
        &[&option],
        &["--\u{1b}[31m"],
        &["check", HOSTILE],
        &["check", "--env", HOSTILE],
        &["history", "-e", "staging", "--limit", HOSTILE],
        &["history", "-e", "staging", "--since", HOSTILE],
        &["completions", HOSTILE],
        &["check", "--config", HOSTILE],
        &["check", "--runner", HOSTILE],
        &["doctor", "--only", HOSTILE],
        &["doctor", "--env", HOSTILE, "--config", "none"],
        &["attach", HOSTILE],
        &["up", "-e", "staging", "-u", "a", "-p", HOSTILE],
        &["check", "-e", "staging", "--confirm", HOSTILE],
    ] {
        for json in [&[][..], &["--json"]] {
            let printed = world.quill_admin(args.iter().chain(json).copied()).output();
            assert_ne!(printed.code(), 0, "{printed}");
            assert_seen(&format!("{args:?}"), &format!("{}{}", printed.stdout, printed.stderr));
        }
    }
    let printed = world.quill_admin(["check", "--runner", HOSTILE]).output().exits(2);
    assert!(printed.stderr.contains(r"\u{1b}]0;owned"), "{printed}");
    // In a terminal only our own escape sequences are printed.
    let mut shown = String::new();
    for args in [&[coloured][..], &["check", "--env", coloured], &["check", HOSTILE]] {
        shown.push_str(&world.quill_admin(args.iter().copied()).terminal().wait().transcript);
    }
    assert!(shown.contains("\u{1b}["), "there are colours: {shown:?}");
    for raw in ["\u{1b}]0;", "\u{9b}", "\u{202e}", "\u{1b}[31mred", "\u{200b}"] {
        assert!(!shown.contains(raw), "{raw:?}: {shown:?}");
    }
}

#[test]
fn a_shell_is_offered_nothing_that_it_would_act_on() {
    let home = Home::with_environments();
    home.write("plain.yaml", "");
    home.write(format!("{HOSTILE}.yaml"), "");
    home.write("a\u{1b}[31mb.yaml", "");
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let asked = home
            .quill_admin(["--", "quill-admin", "check", "--config", ""])
            .env("QUILL_ADMIN_COMPLETE", shell)
            .env("_CLAP_COMPLETE_INDEX", "3")
            .env("_CLAP_IFS", "\n")
            .output()
            .exits(0);
        assert!(asked.stdout.contains("plain.yaml"), "{shell}: {asked}");
        assert_seen(shell, &asked.stdout);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_whose_name_is_no_text_is_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let home = Home::with_environments();
    let folder = home.work().join(OsStr::from_bytes(b"a\xff\x1b[31m"));
    std::fs::create_dir(&folder).expect("made");
    std::fs::rename(home.work().join("environments.yaml"), folder.join("environments.yaml")).expect("moved");
    let listed = home.quill_admin(["envs"]).cwd(&folder).output().exits(0);
    assert!(listed.stdout.contains("a\u{fffd}\\u{1b}[31m/environments.yaml"), "{listed}");
    for args in
        [&["envs", "--json"][..], &["local", "status", "--json"], &["local", "reset", "--yes", "--json"]]
    {
        let document = home.quill_admin(args.iter().copied()).cwd(&folder).output().exits(0).json();
        let path = document["file"].as_str().or(document["state"].as_str()).expect("a path");
        assert!(path.contains("a\u{fffd}\u{1b}[31m"), "{document}");
    }
}

/// A settings file of unknown origin: whatever stands in its place is refused at once.
#[cfg(target_os = "linux")]
#[test]
fn a_file_of_settings_is_a_small_regular_file() {
    let home = Home::with_environments();
    let fifo = home.work().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("it runs").success());
    let _socket = std::os::unix::net::UnixListener::bind(home.work().join("socket")).expect("bound");
    home.write("large.yaml", &"#".repeat((1 << 20) + 1));
    let limit = std::time::Duration::from_secs(20);
    for (file, why) in [
        ("fifo", "fifo: it is a named pipe (FIFO); only a regular file is read"),
        ("socket", "socket: it is a socket; only a regular file is read"),
        ("/dev/zero", "/dev/zero: it is a device; only a regular file is read"),
        (".", "it is a folder; only a regular file is read"),
        ("large.yaml", "large.yaml: it is larger than 1 MiB, the most that is read"),
        ("none.yaml", "none.yaml: No such file or directory"),
    ] {
        for args in [&["envs"][..], &["check", "-e", "staging"], &["doctor", "--only", "machine-config"]] {
            let refused =
                home.quill_admin(args.iter().copied()).args(["--config", file]).limit(limit).output();
            assert_ne!(refused.code(), 0, "{refused}");
            assert!(format!("{}{}", refused.stdout, refused.stderr).contains(why), "{why}: {refused}");
        }
        // Tab does not hang, either.
        let asked = home.quill_admin(["--", "quill-admin", "--config", file, "check", "-e", ""]).limit(limit);
        assert_eq!(asked.env("QUILL_ADMIN_COMPLETE", "fish").output().exits(0).stdout, "", "{file}");
    }
}

/// Names of environments are used in headings, commands to paste, completions and prompts.
#[test]
fn names_in_the_file_are_names() {
    let home = Home::new();
    for (name, shown) in [
        (r#""a\e[31mb""#, r#"environments.yaml:3:3: "a\u{1b}[31mb" is not the name of an environment"#),
        (r#""\u202eprod""#, r#"environments.yaml:3:3: "\u{202e}prod" is not the name of an environment"#),
        (
            "\u{202e}prod",
            "environments.yaml:3:3: a character that is not seen: right-to-left override (U+202E)",
        ),
        ("pr\u{200b}od", "environments.yaml:3:5: a character that is not seen: zero width space (U+200B)"),
        ("пrod", r#"environments.yaml:3:3: "пrod" is not the name of an environment"#),
        (r#""a\nb""#, r#"environments.yaml:3:3: "a\nb" is not the name of an environment"#),
    ] {
        let text =
            format!("environments:\n  staging: {{ emulated: true }}\n  {name}: {{ emulated: true }}\n");
        home.write("environments.yaml", &text);
        for json in [&[][..], &["--json"]] {
            let refused = home.quill_admin(["envs"].iter().chain(json).copied()).output().exits(2);
            assert_seen(name, &format!("{}{}", refused.stdout, refused.stderr));
        }
        let refused = home.quill_admin(["envs"]).output().exits(2);
        assert!(refused.stderr.contains(shown), "{shown}: {refused}");
        let asked = home.quill_admin(["--", "quill-admin", "check", "-e", ""]);
        let asked = asked.env("QUILL_ADMIN_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "3").output();
        assert_eq!(asked.stdout, "", "{name}");
    }
}
