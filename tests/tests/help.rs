//! Help, topics, and the options that decide how the program talks: colours, questions, and the environment as
//! the first word.

use cloud_emulator::{Script, Step};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::{Home, Output};
use serde_json::Value;

fn help(args: &[&str]) -> String {
    Home::with_environments().quill_admin(args.iter().copied()).output().exits(0).stdout
}

/// Checks that a terminal of 80 columns and 24 lines shows the text at once.
fn fits(text: &str) {
    assert!(text.lines().count() <= 24, "{} lines:\n{text}", text.lines().count());
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn the_help_of_the_whole_fits_a_screen() {
    let long = help(&["--help"]);
    fits(&long);
    // The shell's next prompt takes the last line.
    assert!(long.lines().count() < 24, "{long}");
    for line in [
        "Usage: quill-admin <COMMAND> [ENVIRONMENT] [OPTIONS]",
        "  create-superadmin (cs), update-permissions (up), add-role (ar), remove-role,",
        "Afterwards",
        "  attach, cancel, logs  Follow, stop or read an execution",
        "Setting up",
        "Trouble",
        "Topics for help: tasks, environments, exit-codes, permissions, options, preview",
        "Report problems where you got the program, with: quill-admin version",
    ] {
        assert!(long.lines().any(|shown| shown == line), "{line}: {long}");
    }
    assert!(long.contains("\nGuide: docs/remote-admin-tasks.md in the sources"), "{long}");
    let short = help(&["-h"]);
    fits(&short);
    assert!(short.ends_with("\nMore: quill-admin --help, or quill-admin COMMAND --help\n"), "{short}");
    // `help` alone says the same as --help, and nothing at all is a refusal.
    assert_eq!(help(&["help"]), long);
    let nothing = Home::with_environments().quill_admin([""; 0]).output().exits(2);
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", short.as_str()));
}

#[test]
fn a_command_has_a_short_help_and_a_long_one() {
    fits(&help(&["create-superadmin", "-h"]));
    let short = help(&["add-role", "-h"]);
    fits(&short);
    let long = help(&["add-role", "--help"]);
    for (part, in_short) in [
        ("Give a user a role\n\nUsage: quill-admin add-role [OPTIONS] [ENV]\n\nArguments:\n", true),
        ("\nGlobal options:\n  -e, --env <NAME>", true),
        ("--role <ROLE>", true),
        ("--no-input", false),
        ("\nExample:\n", false),
    ] {
        assert!(long.contains(part), "{part}: {long}");
        assert_eq!(short.contains(part), in_short, "{part}: {short}");
    }
    assert_eq!(help(&["help", "add-role"]), help(&["add-role", "--help"]));
    assert_eq!(help(&["help", "ar"]), help(&["add-role", "--help"]));
    assert_eq!(help(&["help", "local", "reset"]), help(&["local", "reset", "--help"]));
    // An option that means nothing to a command is not in its help.
    assert!(!help(&["login", "--help"]).contains("--runner") && long.contains("--runner"), "{long}");
    // The short help of a command is shorter, and says where the rest is.
    for command in ["create-superadmin", "create-user", "build", "doctor", "history", "actions", "local"] {
        let (short, long) = (help(&[command, "-h"]), help(&[command, "--help"]));
        assert!(short.lines().count() < long.lines().count(), "{short}");
        let more = format!("\nMore, with examples: quill-admin {command} --help\n");
        assert!(short.ends_with(&more), "{short}");
        assert!(long.contains("\nGlobal options:\n"), "{long}");
    }
}

#[test]
fn topics_are_pages_of_the_reference() {
    let codes = help(&["help", "exit-codes"]);
    for part in [
        "Exit codes\n",
        "  code  meaning",
        "  10    not found: the user, or another subject of the action",
        "\nFor scripts\n",
        "  - After 27 the",
    ] {
        assert!(codes.contains(part), "{part}: {codes}");
    }
    assert!(codes.lines().all(|line| line.chars().count() <= 80), "{codes}");
    for (topic, told) in [
        ("environments", "protected"),
        ("permissions", "run.jobs.runWithOverrides"),
        ("options", "QUILL_ADMIN_NO_INPUT"),
        ("tasks", "add-role"),
        ("preview", "exit code 19"),
    ] {
        let text = help(&["help", topic]);
        assert!(text.contains(told), "{topic}: {text}");
        // The comments of the file that is shown have their own marks.
        let marks = |line: &&str| line.contains('`') || line.contains("](") || line.contains("|--");
        let marked = text.lines().filter(|line| !line.trim_start().starts_with('#')).find(marks);
        assert_eq!(marked, None, "{topic}: {text}");
    }
    let document = Home::new().quill_admin(["help", "permissions", "--json"]).output().exits(0).json();
    let page = document["text"].as_str().expect("a page");
    assert!(page.starts_with("# Permissions\n"), "{page}");
    let reference = Home::new().quill_admin(["reference", "permissions"]).output().exits(0).stdout;
    assert_eq!(page, reference);
}

#[test]
fn what_help_does_not_know_is_said_with_what_is_near() {
    let refused = |words: &[&str]| Home::new().quill_admin(words.iter().copied()).output().exits(2).stderr;
    assert_snapshot!(refused(&["help", "permission"]), @r#"
    error: there is no command and no topic "permission"; topics: tasks, environments, exit-codes, permissions, options, preview
     next: did you mean: quill-admin help permissions
    "#);
    assert_snapshot!(refused(&["help", "zebra"]), @r#"
    error: there is no command and no topic "zebra"; topics: tasks, environments, exit-codes, permissions, options, preview
     next: see all commands: quill-admin --help
    "#);
}

/// A world in which any task ends well.
fn willing() -> World {
    World::scripted(Script::new([Step::Exit(0)]))
}

fn plan(world: &World, args: &[&str]) -> Output {
    world.quill_admin(args.iter().copied()).arg("--dry-run").output()
}

#[test]
fn the_environment_can_be_the_first_word() {
    let world = willing();
    let first = plan(&world, &["check", "staging"]).exits(0).transcript();
    assert_eq!(first, plan(&world, &["check", "--env", "staging"]).exits(0).transcript());
    let _ = plan(&world, &["ar", "staging", "-u", "steve", "-r", "Clinician"]).exits(0);
    // Both may be given where they say the same, and the word goes before the variable.
    let _ = plan(&world, &["check", "staging", "-e", "staging"]).exits(0);
    let named = world.quill_admin(["check", "staging", "--dry-run"]).env("QUILL_ADMIN_ENV", "teaching");
    let _ = named.output().exits(0);
    for command in
        [&["doctor", "local"][..], &["history", "staging"], &["whoami", "local"], &["envs", "staging"]]
    {
        // Not one of them is refused as a command line.
        assert_ne!(world.quill_admin(command.iter().copied()).output().code(), 2, "{command:?}");
    }
    // Words of commands that have others are theirs.
    let refused = world.quill_admin(["logs", "staging"]).output();
    assert_ne!(refused.code(), 0);
}

#[test]
fn two_environments_are_refused() {
    let world = willing();
    let refused = world.quill_admin(["check", "staging", "--env", "teaching"]).output().exits(2);
    assert_snapshot!(refused.stderr, @r#"
    error: two environments are named: "staging" as the first word, and "teaching" with --env
     next: leave one of them out
    "#);
    let refused =
        world.quill_admin(["-e", "teaching", "check", "staging", "--json"]).output().exits(2).json();
    assert_eq!(refused["error"]["hints"][0], "leave one of them out", "{refused}");
    assert_eq!(world.runs(), 0);
}

/// A word that is no environment is told of as behind `--env`, and nothing is sent.
#[test]
fn a_word_that_is_no_environment_is_not_swallowed() {
    let world = willing();
    let typed = world.quill_admin(["check", "stagin"]).output().exits(2);
    let option = world.quill_admin(["check", "--env", "stagin"]).output().exits(2);
    assert_eq!(typed.stderr, option.stderr);
    assert!(typed.stderr.contains("unknown environment \"stagin\""), "{typed}");
    let more = world.quill_admin(["check", "staging", "teaching"]).output().exits(2);
    assert!(more.stderr.contains("unexpected argument 'teaching' found"), "{more}");
    assert_eq!(world.calls(), "");
}

#[test]
fn an_environment_in_another_place_is_answered_with_the_line_that_was_meant() {
    let world = willing();
    for (typed, meant) in [
        (&["actions", "staging"][..], "quill-admin actions --env staging"),
        (&["staging", "create-superadmin"], "quill-admin --env staging create-superadmin"),
        (
            &["logs", "quill-tasks-staging-x7k2p", "staging"],
            "quill-admin logs quill-tasks-staging-x7k2p --env staging",
        ),
        (&["local", "status", "local"], "quill-admin local status --env local"),
    ] {
        let refused = world.quill_admin(typed.iter().copied()).output().exits(2);
        assert!(refused.stderr.ends_with(&format!(" next: did you mean: {meant}\n")), "{typed:?}: {refused}");
        let json = world.quill_admin(typed.iter().copied()).arg("--json").output().exits(2).json();
        let hint = json["error"]["hints"][0].as_str().unwrap_or_default();
        assert!(hint.starts_with(&format!("did you mean: {meant}")), "{json}");
    }
    // A name goes before the short form of another.
    let refused = world.quill_admin(["create-superadmn"]).output().exits(2);
    assert!(refused.stderr.contains("exist: 'create-superadmin', 'create-user', "), "{refused}");
    assert!(refused.stderr.contains("'cs'"), "{refused}");
    // A word that is nothing is not guessed at.
    let refused = world.quill_admin(["actions", "stagin"]).output().exits(2);
    assert!(!refused.stderr.contains("did you mean"), "{refused}");
}

#[test]
fn colours_are_as_the_command_line_says() {
    let world = World::empty();
    let coloured = |output: Output| (output.stdout + &output.stderr).contains('\u{1b}');
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let run = world.quill_admin(args.iter().copied());
        variables.iter().fold(run, |run, (name, value)| run.env(*name, *value)).output()
    };
    // An error, help, and a refusal of clap.
    for args in [&["check", "-e", "staging"][..], &["--help"], &["no-such-command"]] {
        let with = |more: &[&'static str]| [args, more].concat();
        assert!(!coloured(run(args, &[])), "{args:?}");
        assert!(coloured(run(&with(&["--color", "always"]), &[])), "{args:?}");
        assert!(coloured(run(&with(&["--color=always"]), &[("NO_COLOR", "1")])), "{args:?}");
        assert!(!coloured(run(&with(&["--color", "auto"]), &[])), "{args:?}");
        assert!(coloured(run(args, &[("CLICOLOR_FORCE", "1")])), "{args:?}");
        assert!(!coloured(run(&with(&["--color", "never"]), &[("CLICOLOR_FORCE", "1")])), "{args:?}");
    }
    let ended = world.quill_admin(["check", "-e", "staging", "--color", "never"]).terminal().wait();
    assert!(!ended.transcript.contains("\x1b[3"), "{:?}", ended.transcript);
    let refused = run(&["envs", "--color", "sometimes"], &[]).exits(2);
    assert!(refused.stderr.contains("[possible values: auto, always, never]"), "{refused}");
}

#[test]
fn nobody_is_asked_without_input() {
    let world = willing();
    let why = "nobody is asked, because of --no-input or QUILL_ADMIN_NO_INPUT";
    // At a terminal, where each of them would ask.
    for args in
        [&["create-superadmin", "staging"][..], &["add-role", "-u", "a", "-r", "b"], &["local", "reset"]]
    {
        let ended = world.quill_admin(args.iter().copied()).arg("--no-input").terminal().wait();
        assert_eq!(ended.code(), 2, "{args:?}: {}", ended.transcript);
        assert!(
            ended.text().contains("missing: ") && ended.text().contains(why),
            "{args:?}: {}",
            ended.text()
        );
        let run = world.quill_admin(args.iter().copied()).env("QUILL_ADMIN_NO_INPUT", "true");
        assert_eq!(run.terminal().wait().code(), 2, "{args:?}");
    }
    let ended = world.quill_admin(["login", "--no-input"]).terminal().wait();
    assert_eq!(ended.code(), 2, "{}", ended.transcript);
    assert!(ended.text().contains(why), "{}", ended.text());
    assert_eq!(world.runs(), 0);
    // What needs no answer is done, and 0 and an empty text mean that questions are asked.
    let _ = world.quill_admin(["check", "staging", "--no-input"]).output().exits(0);
    for off in ["0", "false", ""] {
        let mut terminal =
            world.quill_admin(["show-user", "staging"]).env("QUILL_ADMIN_NO_INPUT", off).terminal();
        terminal.expect("Username").ctrl_c();
        assert_eq!(terminal.wait().code(), 130, "{off:?}");
    }
    let refused =
        world.quill_admin(["check", "staging"]).env("QUILL_ADMIN_NO_INPUT", "maybe").output().exits(2);
    assert!(refused.stderr.contains("1 or true, 0 or false"), "{refused}");
}

/// Texts of this program are ASCII if the locale is not UTF-8; texts of others stay as they are.
#[test]
fn symbols_are_ascii_where_the_locale_is() {
    let world = World::scripted(Script::new([Step::log("a → b …"), Step::Exit(0)]));
    let execution = world.start_job();
    world.idle();
    let logs = |variables: &[(&str, &str)]| {
        let run = world.quill_admin(["logs", &execution]).env_remove("LANG");
        let logs = variables.iter().fold(run, |run, (name, value)| run.env(*name, *value)).output().exits(0);
        assert!(logs.stdout.contains("a → b …"), "{logs}");
        let listed = world.quill_admin(["history", "staging"]).env_remove("LANG");
        variables.iter().fold(listed, |run, (name, value)| run.env(*name, *value)).output().exits(0).stdout
    };
    for ascii in [&[("LANG", "C")][..], &[("LC_ALL", "POSIX"), ("LANG", "C.UTF-8")], &[("LANG", "en_GB")]] {
        let shown = logs(ascii);
        assert!(shown.is_ascii() && shown.contains("quill-tasks-staging-"), "{ascii:?}: {shown}");
    }
    for utf8 in [&[][..], &[("LANG", "C.UTF-8")], &[("LC_ALL", ""), ("LC_CTYPE", "UTF-8"), ("LANG", "C")]] {
        let shown = logs(utf8);
        assert!(shown.contains('✔'), "{utf8:?}: {shown}");
    }
    let page = world.quill_admin(["doctor", "--explain", "database"]).env("LC_ALL", "C").output().exits(0);
    assert!(page.stdout.is_ascii() && page.stdout.contains("\"TLS: ...\""), "{page}");
    // Questions and lists.
    let mut terminal = world.quill_admin(["update-permissions", "-u", "steve"]).env("LC_ALL", "C").terminal();
    terminal.expect("Up, Down or a name chooses").down().enter();
    terminal.expect("+ ").expect("Environment").expect("Up, Down").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.transcript);
    assert!(ended.transcript.is_ascii(), "{}", ended.transcript);
}

#[test]
fn the_version_has_a_document() {
    let document: Value = Home::new().quill_admin(["version", "--json"]).output().exits(0).json();
    assert_eq!(document["exit_code"], 0, "{document}");
    assert_eq!(document["contract"]["newest"], 4, "{document}");
}
