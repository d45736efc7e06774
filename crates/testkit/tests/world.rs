//! Programs that run in a home, and in a terminal, and the output that is seen of them.

use std::time::Duration;

use quill_admin_testkit::home::Home;

#[test]
fn a_program_sees_what_the_test_set_and_nothing_else() {
    let home = Home::new();
    let output = home
        .run("/bin/sh")
        .args(["-c", "env; cat; echo oops >&2; exit 7"])
        .env("A", "ü=1")
        .stdin("in\n")
        .output();
    output.expect_code(7);
    let mut names: Vec<&str> =
        output.stdout.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    // The shell adds PWD and some of its own.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    assert_eq!(names, ["A", "HOME", "LANG", "PATH", "TERM", "USER"]);
    assert!(output.stdout.contains("A=ü=1\n"));
    assert!(output.stdout.ends_with("in\n"));
    assert_eq!(output.stderr, "oops\n");
}

#[test]
#[should_panic(expected = "has not ended after")]
fn a_program_that_hangs_is_given_up() {
    let _ = Home::new().run("/bin/sleep").arg("600").limit(Duration::from_millis(50)).output();
}

#[test]
fn a_terminal_shows_what_is_typed_unless_it_is_hidden() {
    let home = Home::new();
    let script = "printf '\\033[1mNa\\033[0mme: '; read name; \
                  stty -echo; printf 'Password: '; read password; stty echo; \
                  printf '\\n%s %s.' \"$name\" \"${#password}\"; exit 3";
    let mut terminal = home.run("/bin/sh").args(["-c", script]).terminal();
    terminal.expect("Name: ").type_line("Жук 🪲");
    terminal.expect("Password: ").type_hidden("geheim");
    terminal.expect("Жук 🪲 6.");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 3);
    assert!(!ended.transcript.contains("geheim"));
    assert!(ended.transcript.contains("\x1b[1m"));
    assert!(ended.text().contains("Name: Жук 🪲"));
}

#[test]
fn ctrl_c_reaches_the_program() {
    let script = "trap 'echo caught; exit 130' INT; echo ready; while :; do sleep 0.05; done";
    let mut terminal = Home::new().run("/bin/sh").args(["-c", script]).terminal();
    terminal.expect("ready").ctrl_c();
    terminal.expect("caught");
    assert_eq!(terminal.wait().code(), 130);
}

#[test]
#[should_panic(expected = "the program has ended without showing")]
fn an_expectation_fails_as_soon_as_the_program_has_ended() {
    Home::new().run("/bin/echo").arg("something").terminal().expect("else");
}

#[test]
#[should_panic(expected = "the terminal still shows what is typed")]
fn typing_a_secret_into_a_terminal_that_shows_it_fails() {
    let mut terminal = Home::new().run("/bin/cat").limit(Duration::from_millis(50)).terminal();
    terminal.type_hidden("geheim");
}

#[test]
fn what_must_be_nowhere_is_found_if_it_is_somewhere() {
    let home = Home::new();
    home.write("deep/er/file", "…geheim…");
    assert_eq!(home.files_with("geheim"), [home.work().join("deep/er/file")]);
    assert!(home.files_with("andere").is_empty());
}
