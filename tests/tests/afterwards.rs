//! Commands after a run, or beside it: attach, cancel, logs, history.

use cloud_emulator::{Fault, FaultAction, Script, Step};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, JOB, World, redact, wait_until};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::endings::result;

/// Starts a task without following it; returns the execution's name.
fn left_alone(world: &World) -> String {
    let mut terminal = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).terminal();
    terminal.expect("running").ctrl_c();
    terminal.expect("[w/d/c]").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    let text = ended.text();
    let (_, rest) = text.split_once("next: see how it ends: quill-admin attach ").expect("it says how");
    rest.split_whitespace().next().expect("a name").to_owned()
}

/// Deletes a resource, as Cloud Run itself does when it is old.
fn delete(world: &World, name: &str) {
    world.ask(Request::new("DELETE", &format!("/v2/{name}"))).expect(200);
}

#[test]
fn a_task_that_was_left_is_followed_to_its_end() {
    let world = World::scripted(Script::new([
        Step::log("the first line"),
        Step::Wait(1500),
        Step::log("the last line"),
        Step::Exit(13),
    ]));
    let execution = left_alone(&world);
    // The environment is found by the execution's name.
    let attached = world.quill_admin(["attach", &execution]).output().exits(13);
    for line in ["the first line", "the last line"] {
        assert_eq!(attached.stderr.matches(line).count(), 1, "{attached}");
    }
    // The same works once it has ended.
    let _ = world.quill_admin(["attach", &execution, "-e", "staging"]).output().exits(13);
    assert_eq!(world.runs(), 1);

    let logs = world.quill_admin(["logs", &execution]).output().exits(0);
    let lines: Vec<&str> =
        logs.stdout.lines().filter_map(|line| line.split_once(" the ")).map(|l| l.1).collect();
    assert_eq!(lines, ["first line", "last line"], "{logs}");
    let json = world.quill_admin(["logs", &execution, "--json"]).output().exits(0).json();
    assert_eq!(json["entries"][0]["message"], "the first line");
}

#[test]
fn a_log_is_followed_to_the_end() {
    let script =
        [Step::log("one"), Step::Wait(1500), Step::log("two"), Step::Wait(5000), result(13), Step::Exit(13)];
    let world = World::scripted(Script::new(script));
    let execution = world.start_job();
    let mut terminal = world.quill_admin(["logs", &execution, "--follow"]).terminal();
    terminal.expect(" one").expect(" two");
    assert_eq!(world.emulator.executions(JOB)[0]["runningCount"], 1, "it is shown while the task runs");
    let ended = terminal.wait();
    // The exit code does not depend on the task's outcome.
    assert_eq!(ended.code(), 0, "{}", ended.transcript);
    let lines = |text: &str| {
        let words = text.lines().filter_map(|line| line.trim_end().rsplit_once(' '));
        words.map(|(_, word)| word.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(lines(&ended.text()), ["one", "two", "stopped", "exit(13)."], "{}", ended.transcript);

    // Afterwards the output is the same, even when Cloud Run has deleted the execution.
    let again = world.quill_admin(["logs", &execution, "--follow"]).output().exits(0);
    assert_eq!(lines(&again.stdout), ["one", "two", "stopped", "exit(13)."], "{again}");
    delete(&world, &format!("{JOB}/executions/{execution}"));
    let again = world.quill_admin(["logs", &execution, "--follow"]).output().exits(0);
    assert_eq!(lines(&again.stdout), ["one", "two", "stopped", "exit(13)."], "{again}");

    let world = World::scripted(Script::new([Step::log("one"), Step::Forever]));
    let execution = world.start_job();
    let mut terminal = world.quill_admin(["logs", &execution, "--follow"]).terminal();
    terminal.expect(" one").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.transcript);
    assert!(ended.text().contains("the task is not affected"), "{}", ended.transcript);
    assert_eq!(world.emulator.executions(JOB)[0]["runningCount"], 1);
}

#[test]
fn a_task_that_was_left_is_cancelled() {
    let world = World::scripted(Script::new([Step::Forever]));
    let execution = left_alone(&world);
    let cancelled = world.quill_admin(["cancel", &execution]).output().exits(0);
    assert!(cancelled.stdout.contains("was cancelled"), "{cancelled}");
    assert!(!cancelled.to_string().contains("error:"), "what was asked for has happened: {cancelled}");
    // Cancelling twice does no harm: the output says how it ended.
    let again = world.quill_admin(["cancel", &execution]).output().exits(25);
    assert!(again.stderr.contains("it had ended before; nothing was cancelled"), "{again}");
    let cancels = world.emulator.calls().iter().filter(|call| call.path.ends_with(":cancel")).count();
    assert_eq!(cancels, 1);
}

/// The executor's own record says that the task failed, because it was stopped.
#[test]
fn a_task_that_was_cancelled_while_it_worked_is_cancelled_in_history_too() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    world.database().execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         VALUES ('steve', 's@example.org', 'h', true, false, 'patient', '[]', '[]', 'patient')",
    );
    // Somebody else's transaction has the row.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let other = runtime.block_on(world.database().connect());
    runtime.block_on(other.batch_execute("BEGIN; SELECT FROM users FOR UPDATE")).expect("a lock");
    let args = ["up", "-e", "staging", "-u", "steve", "-p", "admin"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("connected").ctrl_c();
    terminal.expect("[w/d/c]").type_line("c");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 25, "{}", ended.text());
    let runs = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    let run = &runs["runs"][0];
    let told = (&run["outcome"], &run["exit_code"], &run["proven"]);
    assert_eq!(told, (&"cancelled".into(), &18.into(), &true.into()), "{run:#}");
}

#[test]
fn ctrl_c_while_a_task_is_being_cancelled_waits_for_the_answer() {
    let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
    let execution = world.start_job();
    let cancels = || world.emulator.calls().iter().filter(|call| call.path.ends_with(":cancel")).count();
    world.emulator.set_faults([Fault::new("*:cancel", FaultAction::Hold)]);
    let mut terminal = world.quill_admin(["cancel", &execution]).terminal();
    wait_until("it is told to stop", || cancels() == 1);
    terminal.ctrl_c();
    terminal.expect("waiting for its answer").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 27, "{}", ended.text());
    assert!(ended.text().contains("whether it was told to stop is not known"), "{}", ended.text());
    assert!(ended.text().contains(&format!("quill-admin attach {execution}")), "{}", ended.text());

    // The command ends with the answer: only the ending would still be read.
    let execution = world.start_job();
    world.emulator.set_faults([Fault::new("*:cancel", FaultAction::Hold)]);
    let mut terminal = world.quill_admin(["cancel", &execution]).terminal();
    wait_until("it is told to stop", || cancels() == 2);
    terminal.ctrl_c();
    terminal.expect("waiting for its answer");
    world.emulator.set_faults([Fault::new("*/executions/*", FaultAction::Hold).method("GET")]);
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains(&format!("execution {execution} was told to stop")), "{}", ended.text());
}

/// A task that has just ended, or a lost answer, does not hide the outcome.
#[test]
fn a_task_that_cannot_be_cancelled_any_more_is_followed_to_its_end() {
    let script = [Step::log("one"), Step::Wait(2500), result(13), Step::Exit(13)];
    for faults in [
        // It ends while the request is on its way.
        vec![Fault::new("*:cancel", FaultAction::Delay(4000))],
        vec![Fault::new("*:cancel", FaultAction::status(400, "already completed"))],
    ] {
        let world = World::scripted(Script::new(script.clone()));
        let execution = world.start_job();
        world.emulator.set_faults(faults);
        let ended = world.quill_admin(["cancel", &execution]).output().exits(13);
        assert!(ended.stderr.contains("error: stopped by a signal"), "{ended}");
    }
    // A caller who may not cancel the task does not wait for its end.
    let world = World::scripted(Script::new([Step::Forever]));
    let execution = world.start_job();
    world.emulator.set_faults([Fault::new("*:cancel", FaultAction::status(403, "not yours"))]);
    let refused = world.quill_admin(["cancel", &execution]).output().exits(21);
    assert!(refused.stderr.contains("not yours"), "{refused}");
}

#[test]
fn what_is_not_there_is_said() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    for verb in ["attach", "cancel", "logs"] {
        let missing = world.quill_admin([verb, "quill-tasks-staging-abcde"]).output().exits(22);
        assert!(
            missing.stderr.contains("next: see what was run: quill-admin history --env staging"),
            "{missing}"
        );
        let refused = world.quill_admin([verb, "projects/x", "-e", "staging"]).output().exits(2);
        assert!(refused.stderr.contains("is not the name of an execution"), "{refused}");
        for environment in ["local", "staging"] {
            let refused = world.quill_admin([verb, environment]).output().exits(2);
            assert_eq!(
                refused.stderr,
                format!(
                    "error: \"{environment}\" is an environment, and this needs an execution\n next: find its name with: \
                     quill-admin history --env {environment}\n"
                )
            );
        }
    }
    for args in [&["undo", "local"][..], &["undo", "local", "-e", "staging"]] {
        let refused = world.quill_admin(args.iter().copied()).output().exits(2);
        assert!(
            refused.stderr.contains("\"local\" is an environment, and this needs an execution\n next: "),
            "{refused}"
        );
    }
    let refused = world.quill_admin(["attach", "who-knows"]).output().exits(2);
    assert!(refused.stderr.contains("missing: --env"), "{refused}");
    for (args, told) in [
        (&["--since", "yesterday"][..], "neither a date"),
        (&["--limit", "0"], "1..=1000"),
        (&["--user", ""], "--user: "),
    ] {
        let args = ["history", "-e", "staging"].into_iter().chain(args.iter().copied());
        let refused = world.quill_admin(args).output().exits(2);
        assert!(refused.stderr.contains(told), "{refused}");
    }
    let nothing = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert_eq!(nothing.stdout, "nothing was run in staging in that time\n");
}

#[test]
fn what_was_run_is_on_record() {
    needs_postgres!();
    let world = World::with_database(Database::create(Generation::August2026));
    let run = |args: &[&str], code: i32| {
        let _ = world
            .quill_admin(args.iter().copied())
            .stdin("correct horse battery staple 7")
            .output()
            .exits(code);
    };
    run(
        &[
            "cs",
            "-e",
            "staging",
            "-u",
            "steve",
            "--email",
            "s@example.org",
            "--password-stdin",
            "--reason",
            "new here",
        ],
        0,
    );
    run(&["up", "-e", "staging", "-u", "nobody", "-p", "staff"], 10);
    run(&["check", "-e", "staging"], 0);
    let history = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert_snapshot!(redact(&history.stdout), @r#"
    ✔ TIME  checked  check
      quill-tasks-staging-XXXXX, by emulator@localhost (tester), N.N s, sha256:REVISION
    ✘ TIME  failed (10)  update-permissions nobody
      quill-tasks-staging-XXXXX, by emulator@localhost (tester), N.N s, sha256:REVISION
    ✔ TIME  created  create-superadmin steve
      quill-tasks-staging-XXXXX, by emulator@localhost (tester), N.N s, sha256:REVISION, "new here"
    "#);

    // Cloud Run deletes its executions; the record in the log stays.
    let json = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    for run in json["runs"].as_array().expect("a list") {
        let name = format!("{JOB}/executions/{}", run["execution"].as_str().expect("a name"));
        delete(&world, &name);
    }
    let history = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert_snapshot!(redact(&history.stdout), @r#"
    ✔ TIME  checked  check
      quill-tasks-staging-XXXXX, by tester, not provable
    ✘ TIME  failed (10)  update-permissions nobody
      quill-tasks-staging-XXXXX, by tester, not provable
    ✔ TIME  created  create-superadmin steve
      quill-tasks-staging-XXXXX, by tester, "new here", not provable
    "#);
    let steve =
        world.quill_admin(["history", "-e", "staging", "--user", "steve", "--json"]).output().exits(0).json();
    assert_eq!(steve["runs"].as_array().map(Vec::len), Some(1), "{steve:#}");
    assert_eq!(steve["runs"][0]["reason"], "new here");
    let nobody =
        world.quill_admin(["history", "-e", "staging", "--user", "nobody", "--json"]).output().exits(0);
    assert_eq!(nobody.json()["runs"][0]["exit_code"], 10, "{nobody}");
    let other =
        world.quill_admin(["history", "-e", "staging", "--user", "NOBODY", "--json"]).output().exits(0);
    assert_eq!(other.json()["runs"], serde_json::json!([]), "names differ in case, too");
    let none = world.quill_admin(["history", "-e", "staging", "--since", "2100-01-01"]).output().exits(0);
    assert_eq!(none.stdout, "nothing was run in staging in that time\n");
    // The output has no password and no hash.
    assert!(!json.to_string().contains("argon2"), "{json:#}");
}
