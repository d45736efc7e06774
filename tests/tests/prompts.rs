//! Prompts, answered by a person at a terminal.

use std::num::NonZero;

use cloud_emulator::{Script, Step};
use quill_admin_e2e::{Finished as _, World, wait_until};
use quill_admin_testkit::bin;
use quill_admin_testkit::home::{Home, environments};
use quill_admin_testkit::postgres::{Database, Generation};
use regex::Regex;

const PASSWORD: &str = "correct horse battery staple 7";

#[test]
fn questions_are_asked_again_until_the_answer_is_right() {
    let world = World::with_database(Database::create(Generation::August2026));
    let mut terminal = world.quill_admin(["create-superadmin"]).terminal();
    terminal.expect("Environment").expect("quill-medical-staging").down().enter();
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
    terminal.expect("create-superadmin").expect("Run it? [y/N]").type_line("y");
    terminal.expect("created");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 0, "{}", ended.transcript);
    assert!(!ended.transcript.contains("horse"), "what is hidden is not shown");
    assert_eq!(world.database().value("SELECT username FROM users").as_deref(), Some("Жанна, \"x\"=^🙂"));
}

/// A prompt names the file that it is about, and somebody else may have named its folder.
#[test]
fn the_name_of_a_folder_does_nothing_to_the_terminal() {
    const FOLDER: &str = "a\u{1b}]0;owned\u{7}\u{202e}";
    let home = Home::new();
    home.write(format!("{FOLDER}/environments.yaml"), &environments());
    for (args, question) in
        [(&["check", "-e", "staging"][..], "[y/N]"), (&["local", "reset"], "Delete everything below")]
    {
        let mut terminal = home.quill_admin(args.iter().copied()).cwd(home.work().join(FOLDER)).terminal();
        terminal.expect(question).type_line("n");
        let ended = terminal.wait();
        assert!(ended.transcript.contains("owned"), "{args:?}: {:?}", ended.transcript);
        for raw in ["\u{1b}]", "\u{7}", "\u{202e}"] {
            assert!(!ended.transcript.contains(raw), "{args:?}: {:?}", ended.transcript);
        }
    }
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
    // The database is not known here, and would refuse one of these two.
    terminal
        .expect("own records only; only without column users.email_verified")
        .expect("own profile and settings only; needs column users.email_verified");
    terminal.expect("clinical application access").down().down().down().down().enter();
    terminal
        .expect("update-permissions steve")
        .expect("permission level admin")
        .expect("Run it? [y/N]")
        .type_line("y");
    terminal.expect("superadmin → admin");
    assert_eq!(terminal.wait().code(), 0);

    let mut terminal = world.quill_admin(["ar", "-e", "staging", "-u", "steve"]).terminal();
    // Only one name contains "clinical a".
    terminal.expect("another role").type_line("clinical a");
    terminal
        .expect("add-role steve")
        .expect("Clinical Administrator")
        .expect("Run it? [y/N]")
        .type_line("yes");
    terminal.expect("role Clinical Administrator added");
    assert_eq!(terminal.wait().code(), 0);
}

/// As in a shell of an editor: no cursor can be moved there, and no line written over.
#[test]
fn a_dumb_terminal_gets_plain_lines_and_a_numbered_list() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    let up = || world.quill_admin(["up", "-e", "staging"]).env("TERM", "dumb").terminal();
    let mut terminal = up();
    terminal.expect("Username: ").type_line("").expect("the username is empty").expect("Username: ");
    terminal.type_text("stevr\u{7f}").expect("\nUsername: stev").type_line("e");
    terminal.expect(" 3  staff").expect("Permission level (number or name): ").type_line("a");
    terminal
        .expect("type one of the numbers, a name, or a part that only one name has")
        .type_line("superadmin");
    terminal.expect("update-permissions steve").expect("Run it? [y/N]: ").type_line("y");
    let ended = terminal.wait();
    assert!(!ended.transcript.contains('\u{1b}'), "{:?}", ended.transcript);
    assert_eq!(world.runs(), 1);
    let mut terminal = up();
    terminal.expect("Username: ").ctrl_d();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130);
    assert!(ended.text().contains("Username: \r\nerror: left at a question"), "{:?}", ended.transcript);
}

#[test]
fn ctrl_c_at_a_question_starts_nothing_and_leaves_the_terminal_as_it_was() {
    let world = World::empty();
    for (args, question) in [
        (&["cs"][..], "Environment"),
        (&["cs", "-e", "staging"], "Username"),
        (&["cs", "-e", "staging", "-u", "a", "--email", "a@b"], "Password (hidden)"),
        (&["up", "-e", "staging", "-u", "a"], "Permission level"),
        (&["ar", "-e", "staging", "-u", "a"], "Role"),
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
    // While questions are answered the job is read, if it is known. The program connects to the live log, and
    // sends no request to it.
    assert!(["", "GET …/jobs/quill-tasks-staging"].contains(&&*world.calls()), "{}", world.calls());
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

/// Staging with a script that accepts any task.
fn willing() -> World {
    World::scripted(Script::new([Step::Exit(0)]))
}

/// The bytes that a terminal sends when a text is pasted, once it was told to mark pastes.
fn pasted(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

#[test]
fn a_name_and_enter_typed_at_a_list_choose_nothing() {
    let world = willing();
    for (args, question) in [
        (&["up"][..], "Environment"),
        (&["up", "-e", "staging", "-u", "steve.jones"], "Permission level"),
        (&["ar", "-e", "staging", "-u", "steve.jones"], "Role"),
        (&["remove-role", "-e", "staging", "-u", "steve.jones"], "Role"),
    ] {
        let mut terminal = world.quill_admin(args.iter().copied()).terminal();
        terminal.expect(question).expect("Enter takes it").enter();
        terminal.expect("nothing is chosen yet").type_text("steve.jones").enter();
        terminal.expect("nothing in the list has that in its name").enter();
        terminal.type_text("\x1b");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{question}: {}", ended.text());
        assert!(ended.text().contains("left at a question; nothing was started"), "{}", ended.text());
        assert!(
            ended.transcript.rfind("\x1b[?25h") > ended.transcript.rfind("\x1b[?25l"),
            "there is a cursor"
        );
    }
    // The lines are typed in one go, when the first question is for a name.
    let mut terminal = world.quill_admin(["up", "-e", "staging"]).terminal();
    terminal.expect("Username").type_text("steve.jones\r\r");
    terminal.expect("was not taken").expect("Permission level").expect("Enter takes it").type_text("q");
    assert_eq!(terminal.wait().code(), 130);
    assert_eq!(world.runs(), 0);
}

#[test]
fn further_lines_of_a_paste_answer_no_question() {
    let world = willing();
    for lines in ["steve.jones\radmin\ry\ry\r", "steve.jones\nstaff\nyes\n", "steve.jones\r\x1b[B\ry\r"] {
        let mut terminal = world.quill_admin(["up", "-e", "staging"]).terminal();
        terminal.expect("Username").type_text(lines);
        terminal.expect("what was typed before this question was not taken").expect("Enter takes it");
        // The rest of the paste is gone when the next question comes.
        terminal.type_line("staff");
        terminal.expect("permission level staff").expect("Run it? [y/N]").enter();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{lines:?}: {}", ended.text());
    }
    // A terminal that marks pastes: several lines are refused as an answer, and one line waits for its Enter.
    let mut terminal = world.quill_admin(["up", "-e", "staging"]).terminal();
    terminal.expect("Username").type_text(&pasted("steve.jones\radmin\ry\r"));
    terminal.expect("what was pasted has several lines").type_text(&pasted("steve.jones\r"));
    terminal.expect("steve.jones").enter();
    terminal.expect("Enter takes it").type_text(&pasted("staff\ry\r"));
    terminal.expect("what was pasted has several lines").type_text(&pasted("staff"));
    terminal.expect("❯ staff").enter();
    terminal.expect("Run it? [y/N]").type_text("\x1b");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    let on = ended.transcript.rfind("\x1b[?2004h").expect("the terminal is told to mark pastes");
    assert!(ended.transcript.rfind("\x1b[?2004l") > Some(on), "and to stop");
    assert_eq!(world.runs(), 0);
}

#[test]
fn whoever_was_asked_sees_the_plan_and_says_yes() {
    let world = willing();
    for (more, answer) in [(&[][..], ""), (&["--quiet"], "n"), (&["--json"], "no")] {
        let args = ["up", "-e", "staging", "-u", "steve"].into_iter().chain(more.iter().copied());
        let mut terminal = world.quill_admin(args).terminal();
        terminal.expect("Enter takes it").type_line("staff");
        terminal.expect("permission level staff").expect("image ").expect("Run it? [y/N]").type_line(answer);
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(ended.text().contains("not confirmed; nothing was started"), "{}", ended.text());
    }
    // A yes that comes before the question does not count, and neither does other input.
    let mut terminal = world.quill_admin(["up", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("Enter takes it").type_text("staff\ry\ry\r");
    terminal.expect("was not taken").expect("Run it? [y/N]").type_line("yusuf");
    terminal.expect("answer with y or n").expect("Run it? [y/N]").enter();
    assert_eq!(terminal.wait().code(), 130);
    assert_eq!(world.runs(), 0);

    let mut terminal = world.quill_admin(["up", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("Enter takes it").down().enter();
    terminal.expect("Run it? [y/N]").type_line("Y");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(world.runs(), 1);
    // With -y the question is answered in advance.
    let mut terminal = world.quill_admin(["up", "-e", "staging", "-u", "steve", "-y"]).terminal();
    terminal.expect("Enter takes it").down().enter();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(!ended.text().contains("Run it?"), "{}", ended.text());
    // If nothing was prompted for, there is no question at the end, and none for an action that only reads.
    for args in [&["up", "-e", "staging", "-u", "steve", "-p", "staff"][..], &["show-user", "-e", "staging"]]
    {
        let mut terminal = world.quill_admin(args.iter().copied()).terminal();
        if args[0] == "show-user" {
            terminal.expect("Username").type_line("steve");
        }
        let ended = terminal.wait();
        assert_eq!(ended.code(), 0, "{}", ended.text());
        assert!(!ended.text().contains("Run it?"), "{}", ended.text());
    }
    assert_eq!(world.runs(), 4);
}

#[test]
fn on_this_machine_too_a_person_says_yes() {
    let home = Home::with_environments();
    let mut terminal = home.quill_admin(["show-user", "-e", "local"]).terminal();
    terminal.expect("Username").type_line("steve");
    assert_eq!(terminal.wait().code(), 10);
    let mut terminal = home.quill_admin(["ar", "-e", "local", "-u", "steve"]).terminal();
    terminal.expect("Enter takes it").down().enter();
    terminal.expect("add-role steve").expect("Run it? [y/N]").enter();
    assert_eq!(terminal.wait().code(), 130);
    let history = home.quill_admin(["history", "-e", "local", "--json"]).output().exits(0).json();
    assert_eq!(history["runs"].as_array().map(Vec::len), Some(1), "{history:#}");
}

#[test]
fn a_password_that_is_typed_too_early_is_not_shown() {
    let world = World::empty();
    for early in [format!("s@example.org\r{PASSWORD}\r"), format!("s@example.org\r{}", pasted(PASSWORD))] {
        let args = ["cs", "-e", "staging", "-u", "steve"];
        let mut terminal = world.quill_admin(args).terminal();
        terminal.expect("Email").type_text(&early);
        terminal.expect("was not taken").expect("Password (hidden)").type_line(PASSWORD);
        // The input comes at the moment of this question, and before.
        terminal.type_line(PASSWORD);
        terminal.expect("Password, again").type_text("\x1b");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(!ended.transcript.contains("horse"), "{}", ended.text());
    }
}

#[test]
fn a_held_key_ends_no_question_and_ctrl_d_leaves_it_on_a_line_of_its_own() {
    let world = willing();
    let mut terminal = world.quill_admin(["up", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("Enter takes it");
    for _ in 0..20 {
        terminal.enter();
    }
    terminal.expect("nothing is chosen yet").ctrl_d();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    let last = ended.text().trim_end().lines().last().map(str::to_owned);
    assert_eq!(last.as_deref(), Some("error: left at a question; nothing was started"), "{}", ended.text());
    assert_eq!(world.runs(), 0);
    // The same at a question that is typed, and at one for a password.
    for (args, question) in [
        (&["add-role", "-e", "staging", "-r", "Clinician"][..], "Username"),
        (
            &["create-superadmin", "-e", "staging", "-u", "a.b", "--email", "a@example.org"][..],
            "Password (hidden)",
        ),
    ] {
        let mut terminal = world.quill_admin(args.iter().copied()).terminal();
        terminal.expect(question).ctrl_d();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        let last = ended.text().trim_end().lines().last().map(str::to_owned);
        assert_eq!(
            last.as_deref(),
            Some("error: left at a question; nothing was started"),
            "{}",
            ended.text()
        );
    }
    assert_eq!(world.runs(), 0);
}

#[test]
fn ctrl_z_stops_the_program_and_a_password_stays_hidden_when_it_goes_on() {
    let home = Home::with_environments();
    let program = bin::quill_admin().display().to_string();
    // Only the job control of a shell continues what was stopped.
    let mut shell = home.run("bash").args(["--norc", "--noprofile", "-i"]).env("PS1", "shell> ").terminal();
    shell
        .expect("shell> ")
        .type_line(&format!("{program} create-superadmin --env local --username a.b --email a@example.org"));
    shell.expect("Password (hidden): ").type_text("correct horse battery \x1a");
    shell
        .expect("Stopped")
        .expect("shell> ")
        .type_line("stty -a | grep -ow -e '-*echo' | sed s/^/mode:/; fg");
    shell.expect("mode:echo").expect("Password (hidden): ").type_text("staple 7\r");
    shell.expect("Password, again: ").type_text("correct horse battery staple 7\r");
    shell.expect("Run it? [y/N]").type_text("\x1a");
    shell.expect("Stopped").expect("shell> ").type_line("fg");
    shell.expect("Run it? [y/N]").type_text("\x04");
    shell.expect("nothing was started").expect("shell> ").type_line("exit");
    let ended = shell.wait();
    assert!(!ended.transcript.contains("staple") && !ended.transcript.contains("horse"), "{}", ended.text());
    assert!(!ended.transcript.contains("panicked"), "{}", ended.text());
}

/// The sizes of terminals in which questions are asked here, in columns and rows. In each of them a question is
/// broken into several lines.
const SIZES: [(u16, u16); 4] = [(80, 24), (60, 24), (40, 24), (40, 10)];

/// The text that a terminal of this size shows, together with what has left it at the top. Lines are joined, so that
/// a text that was broken is found.
fn shown((columns, rows): (u16, u16), transcript: &str) -> String {
    let some = |size| NonZero::new(size).expect("a terminal has a size");
    let mut parser = vt100::Parser::new(some(rows), some(columns), 1000);
    parser.process(transcript.as_bytes());
    parser.screen_mut().set_scrollback(usize::MAX);
    let mut lines = Vec::new();
    for back in (1..=parser.screen().scrollback()).rev() {
        parser.screen_mut().set_scrollback(back);
        lines.extend(parser.screen().rows(0, columns).next());
    }
    parser.screen_mut().set_scrollback(0);
    lines.extend(parser.screen().rows(0, columns));
    lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn once(size: (u16, u16), transcript: &str, texts: &[&str]) {
    let shown = shown(size, transcript);
    for text in texts {
        assert_eq!(shown.matches(text).count(), 1, "{size:?}: {text:?} is there once: {shown}");
    }
}

#[test]
fn a_question_that_takes_several_lines_leaves_no_copy_of_itself() {
    const FOLDER: &str = "notes of the practice, and all that we have ever written about its computers";
    let home = Home::new();
    home.write(format!("{FOLDER}/environments.yaml"), &environments());
    for size in SIZES {
        for colour in ["1", ""] {
            let run = home.quill_admin(["check", "-e", "staging"]).cwd(home.work().join(FOLDER));
            let mut terminal = run.env("NO_COLOR", colour).terminal_of(size);
            let parts = ["names project", "and job quill-tasks-staging", "for \"staging\""];
            terminal.expect("[y/N]").type_text("maybe");
            terminal.expect("maybe").type_text("\x7f\x1b[D\x1b[Dxx");
            terminal.expect("maxxyb");
            once(size, &terminal.transcript(), &parts);
            terminal.enter();
            terminal.expect("answer with y or n").expect("[y/N]").type_text("nope\x7f\x7f");
            terminal.expect("nope").expect("no");
            once(size, &terminal.transcript(), &parts);
            terminal.enter();
            let ended = terminal.wait();
            assert_eq!(ended.code(), 28, "{}", ended.transcript);
            once(size, &ended.transcript, &parts);
        }
    }
}

/// A question that is taller than its terminal cannot be taken back. It is not repeated with every key all the same.
#[test]
fn a_question_that_is_taller_than_the_terminal_is_not_repeated_with_every_key() {
    let home = Home::new();
    let folder = "and more ".repeat(20);
    home.write(format!("{folder}/environments.yaml"), &environments());
    let size = (40, 5);
    let run = home.quill_admin(["check", "-e", "staging"]).cwd(home.work().join(folder));
    let mut terminal = run.terminal_of(size);
    terminal.expect("[y/N]").type_text("yes or no, what do I know");
    terminal.expect("do I know");
    once(size, &terminal.transcript(), &["names project", "for \"staging\"", "do I know"]);
    terminal.type_text("\x1b");
    assert_eq!(terminal.wait().code(), 130);
}

#[test]
fn a_long_answer_and_a_list_leave_no_copy_of_themselves() {
    let world = willing();
    for size in SIZES {
        let mut terminal = world.quill_admin(["up"]).terminal_of(size);
        terminal.expect("Environment").expect("leaves").down().down().up();
        terminal.expect("❯ staging").type_text("xyz\x7f\x7f\x7f").enter();
        terminal.expect("nothing is chosen yet").expect("type a name");
        let texts =
            ["Environment", "quill-medical-staging", "quill-medical-teaching", "nothing is chosen yet"];
        once(size, &terminal.transcript(), &texts);
        terminal.type_text("stag");
        terminal.expect("❯ staging").enter();
        terminal.expect("Username");
        once(size, &terminal.transcript(), &["Environment", "quill-medical-staging", "Username"]);
        terminal.type_text(&"0123456789".repeat(9));
        terminal.type_text(&"\x1b[D".repeat(20)).type_text("-steve-");
        terminal.expect("-steve-");
        once(size, &terminal.transcript(), &["Username", "-steve-"]);
        terminal.type_text("\x15\x1b[F\x15steve").enter();
        // The longest of the names stands beside notes that are cut off where they do not fit.
        terminal.expect("Permission level").expect("leaves").down().down();
        terminal.expect("❯ single-user");
        once(size, &terminal.transcript(), &["Permission level", "single-user", "Username", "steve"]);
        terminal.type_text("staff").enter();
        terminal.expect("Run it? [y/N]").type_line("n");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.transcript);
        once(size, &ended.transcript, &["Environment", "Username", "Permission level", "Run it?"]);
    }
}

/// Every question that is answered with no ends alike.
#[test]
fn local_reset_that_is_refused_ends_as_other_questions() {
    let home = Home::new();
    for answer in ["n", ""] {
        let mut terminal = home.quill_admin(["local", "reset"]).terminal();
        terminal.expect("[y/N]").type_line(answer);
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.transcript);
        assert!(ended.text().contains("not confirmed; nothing was deleted"), "{}", ended.text());
    }
}

/// A terminal shows `^C` where its cursor stands. Behind a line that reaches to the edge that would be a line of its
/// own, and the one above it would stay.
#[test]
fn ctrl_c_leaves_nothing_of_the_line_that_shows_work() {
    let at_work = Regex::new(r"(running|waiting) \d+s").expect("valid");
    for columns in [80, 60] {
        let size = (columns, 24);
        let world = World::scripted(Script::new([Step::Forever]));
        let run = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]);
        let mut terminal = run.terminal_of(size);
        terminal.expect("running").ctrl_c();
        terminal.expect("^C").expect("[w/d/c]").ctrl_c();
        let ended = terminal.wait();
        let text = shown(size, &ended.transcript);
        assert!(!at_work.is_match(&text) && text.contains("the task goes on"), "{columns}: {text}");

        // Others use this machine's environment, and it is waited for.
        let home = Home::with_environments();
        let mut first = home.quill_admin(["show-user", "-e", "local", "-u", "steve", "--json"]);
        first = first.env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "600000");
        let mut first = first.terminal();
        home_is_held(&home);
        let mut second = home.quill_admin(["check", "-e", "local"]).terminal_of(size);
        second.expect("show-user)").expect("waiting ").ctrl_c();
        let ended = second.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        let text = shown(size, &ended.transcript);
        assert!(!at_work.is_match(&text) && !text.contains("^C"), "{columns}: {text}");
        assert!(text.contains("error: interrupted; "), "{columns}: {text}");
        first.ctrl_c();
        let _ = first.wait();
    }
}

/// Waits until a command has this machine's environment.
fn home_is_held(home: &Home) {
    let lock = home.work().join(".quill-admin/local/lock");
    wait_until("the environment is in use", || {
        std::fs::read_to_string(&lock).is_ok_and(|note| !note.is_empty())
    });
}
