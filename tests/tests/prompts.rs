//! A person at a terminal.

use quill_admin_e2e::World;
use quill_admin_testkit::postgres::{Database, Generation};

const PASSWORD: &str = "correct horse battery staple 7";

#[test]
fn questions_are_asked_again_until_the_answer_is_right() {
    let world = World::with_database(Database::create(Generation::August2026));
    let mut terminal = world.quill_admin(["create-superadmin"]).terminal();
    terminal.expect("Environment").expect("quill-medical-staging").enter();
    terminal.expect("Username").type_line("");
    terminal.expect("the username is empty");
    terminal.type_line("Жанна, \"x\"=^🙂");
    terminal.expect("Email").type_line("nobody");
    terminal.expect("exactly one @");
    terminal.type_line("nobody@example.org");
    terminal.expect("Password (hidden)").type_hidden("short");
    terminal.expect("at least 12 are needed");
    terminal.expect("Password (hidden)").type_hidden(PASSWORD);
    terminal.expect("Password, again").type_hidden("something else");
    terminal.expect("do not match");
    terminal.expect("Password (hidden)").type_hidden(PASSWORD);
    terminal.expect("Password, again").type_hidden(PASSWORD);
    terminal.expect("created");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 0, "{}", ended.transcript);
    assert!(!ended.transcript.contains("horse"), "what is hidden is not shown");
    assert_eq!(world.database().value("SELECT username FROM users").as_deref(), Some("Жанна, \"x\"=^🙂"));
}

#[test]
fn levels_and_roles_are_chosen_from_lists() {
    let world = World::with_database(Database::create(Generation::August2026));
    let created = world
        .quill_admin(["cs", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"])
        .stdin(PASSWORD)
        .output();
    created.expect_code(0);

    let mut terminal = world.quill_admin(["up", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("clinical application access").down().down().enter();
    terminal.expect("superadmin → admin");
    assert_eq!(terminal.wait().code(), 0);

    let mut terminal = world.quill_admin(["ar", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("another role").down().enter();
    terminal.expect("role Clinical Administrator added");
    assert_eq!(terminal.wait().code(), 0);
}

#[test]
fn ctrl_c_at_a_question_starts_nothing_and_leaves_the_terminal_as_it_was() {
    let world = World::empty();
    for (args, question) in [
        (&["cs"][..], "Environment"),
        (&["cs", "-e", "staging"], "Username"),
        (&["cs", "-e", "staging", "-u", "a", "--email", "a@b"], "Password (hidden)"),
        (&["up", "-e", "staging", "-u", "a"], "Permission level"),
    ] {
        let mut terminal = world.quill_admin(args.iter().copied()).terminal();
        terminal.expect(question).ctrl_c();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{question}: {}", ended.transcript);
        assert!(ended.text().contains("interrupted; nothing was started"), "{question}: {}", ended.text());
        let hidden = ended.transcript.rfind("\x1b[?25l");
        let shown = ended.transcript.rfind("\x1b[?25h");
        assert!(hidden.is_none() || shown > hidden, "{question}: the cursor is there again");
    }
    assert_eq!(world.emulator.calls(), []);
}

#[test]
fn a_password_on_a_terminal_is_not_read_in_the_open() {
    let world = World::empty();
    let args = ["cs", "-e", "staging", "-u", "a", "--email", "a@b", "--password-stdin"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("stdin is a terminal");
    assert_eq!(terminal.wait().code(), 2);
}

#[test]
fn no_colour_where_none_is_wanted() {
    let world = World::empty();
    let terminal = world.quill_admin(["check", "-e", "staging"]).env("NO_COLOR", "1").terminal();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 22, "{}", ended.transcript);
    assert!(!ended.transcript.contains("\x1b[3"), "{:?}", ended.transcript);
}
