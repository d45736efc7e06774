//! `--env local`: the whole chain without anything installed.

use std::time::{Duration, Instant};

use quill_admin_e2e::{Finished as _, World, executor_image, wait_until};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::needs_builder_image;
use quill_admin_testkit::terminal::Terminal;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::actions::application;

const PASSWORD: &str = "correct horse battery staple 7";

#[test]
fn a_first_run_a_second_one_and_a_reset() {
    let world = World::empty();
    let create = |email: &str| {
        world
            .quill_admin(["cs", "-e", "local", "-u", "steve", "--email", email, "--password-stdin"])
            .stdin(PASSWORD)
            .output()
            .exits(0)
    };
    let status = || world.quill_admin(["local", "status", "--json"]).output().exits(0).json();
    assert_eq!(status()["exists"], false);

    let first = create("steve@example.org");
    assert!(first.stdout.starts_with("✔ created steve in local"), "{}", first.stdout);
    assert!(first.stderr.contains("image            none: this program runs the task itself\n"), "{first}");
    let second = create("new@example.org");
    assert!(second.stdout.contains("email steve@example.org → new@example.org"), "{}", second.stdout);
    let status_now = status();
    assert_eq!(status_now["contents"]["users"], 1, "{status_now}");
    assert_eq!(status_now["contents"]["executions"], 2, "{status_now}");

    let unknown =
        world.quill_admin(["show-user", "-e", "local", "-u", "nobody", "--json"]).output().exits(10);
    assert_eq!(unknown.json()["result"]["outcome"]["result"], "failed");

    let refused = world.quill_admin(["local", "reset"]).output().exits(2);
    assert!(refused.stderr.contains("missing: --yes"), "{}", refused.stderr);
    let reset = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
    assert!(reset.stdout.starts_with("deleted "), "{}", reset.stdout);
    assert_eq!(status()["exists"], false);
    // What is left of it afterwards is nothing to delete.
    let again = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
    assert!(again.stdout.starts_with("nothing to delete: no environment is kept in "), "{again}");
    assert!(!again.stderr.contains("deleting"), "{again}");

    // Only the state folder is left, and nothing was sent to the cloud.
    assert_eq!(world.emulator.calls(), []);
}

/// Nothing of Google Cloud is named where nothing of it is concerned.
#[test]
fn what_is_said_of_google_cloud_is_not_said_of_this_machine() {
    let world = World::empty();
    let run = |args: &[&str]| world.quill_admin(args.iter().copied()).output().exits(0);
    let accepted = "nothing was started: the emulator accepts this run\n";
    let dry = run(&["check", "-e", "local", "--dry-run"]);
    assert!(dry.stdout.ends_with(accepted), "{dry}");
    world.home.write("class.csv", "username,role\nsteve,Clinician\n");
    let dry = run(&["each", "add-role", "-e", "local", "--from", "class.csv", "--dry-run"]);
    assert!(dry.stdout.ends_with(accepted), "{dry}");
    let review = run(&["review", "-e", "local", "--look"]);
    assert!(review.stdout.contains("30 days ago: no review was found\n"), "{review}");
    let trusted = run(&["envs", "--trust", "-e", "local"]);
    assert_eq!(
        trusted.stdout,
        "nothing to confirm: tasks for an emulated environment run on this machine, and reach no project\n"
    );
}

/// A state belongs to one application's tables.
#[test]
fn a_changed_schema_is_told_and_a_reset_takes_it_over() {
    let world = World::empty();
    let schema = application(&world, "app", "");
    let run = |args: &[&str]| {
        world.quill_admin(args.iter().copied().chain(["-e", "local", "--application", "app"])).output()
    };
    let create = || {
        world
            .quill_admin(["cs", "-e", "local", "-u", "steve", "--email", "s@example.org", "--password-stdin"])
            .args(["--application", "app"])
            .stdin(PASSWORD)
            .output()
    };
    let _ = create().exits(0);
    // With the same tables the state keeps its users, even if the seed changes.
    world.home.write("app/seed.sql", "");
    let shown = run(&["show-user", "-u", "steve", "--quiet"]).exits(0);
    assert!(shown.stdout.contains("s@example.org"), "the user is the result: {shown}");

    world.home.write("app/schema.sql", &format!("{schema}ALTER TABLE users ADD COLUMN nickname text;\n"));
    let refused = run(&["show-user", "-u", "steve"]).exits(34);
    assert!(
        refused.stderr.contains("was made for another version of the application's tables than "),
        "{refused}"
    );
    assert!(refused.stderr.contains("app/schema.sql; nothing was changed"), "{refused}");
    assert!(refused.stderr.contains("next: start afresh"), "{refused}");
    assert!(refused.stderr.contains("quill-admin local reset --env local\n"), "{refused}");
    // The status reports the same, and starts nothing.
    let status = run(&["local", "status", "--json"]).exits(0).json();
    assert_eq!((&status["exists"], &status["contents"]), (&json!(true), &json!(null)));
    let problem = status["problem"]["messages"][0].as_str().expect("a problem");
    assert!(problem.contains("another version of the application's tables"), "{problem}");

    let _ = run(&["local", "reset", "--yes"]).exits(0);
    // The seed is empty now, and the action says what follows from that.
    let created = create().exits(0);
    assert!(created.stderr.contains("System Administrator"), "{created}");
    let status = run(&["local", "status", "--json"]).exits(0).json();
    assert_eq!((&status["problem"], &status["contents"]["users"]), (&json!(null), &json!(1)));
}

/// A state from before its tables were recorded has other tables.
#[test]
fn a_state_that_does_not_name_its_tables_is_told() {
    let world = World::empty();
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
    world.home.write(".quill-admin/local/layout.json", r#"{"format":1}"#);
    let refused = world.quill_admin(["check", "-e", "local"]).output().exits(34);
    assert!(refused.stderr.contains("another version of the application's tables"), "{refused}");
    let _ = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
}

#[test]
fn a_folder_that_is_not_whole_is_told_with_its_path() {
    let world = World::empty();
    let check = || world.quill_admin(["check", "-e", "local"]).output().exits(2);
    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{file}"));
    let refused = check();
    assert!(refused.stderr.contains("there is no folder "), "{refused}");
    assert!(refused.stderr.contains("/app, which the key \"application\" of "), "{refused}");
    // Commands that do not need it still work.
    let _ = world.quill_admin(["envs"]).output().exits(0);
    let _ = world.quill_admin(["local", "reset", "--yes"]).output().exits(0);
    world.home.write("app/schema.sql", "CREATE TABLE users (id integr);");
    let refused = check();
    assert!(refused.stderr.contains("there is no ") && refused.stderr.contains("/app/seed.sql"), "{refused}");
    world.home.write("app/seed.sql", "");
    let refused = check();
    assert!(refused.stderr.contains("/app/schema.sql:1:24: type \"integr\" does not exist"), "{refused}");
    // There is no file with actions, and only the tables are needed here.
    application(&world, "app", "");
    std::fs::remove_file(world.home.work().join("app/actions.yaml")).expect("removed");
    let _ = world.quill_admin(["local", "status"]).output().exits(0);
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
}

const LOCK: &str = ".quill-admin/local/lock";

/// Two terminals: in the first a person is asked for values.
#[test]
fn nobody_waits_for_a_person_who_is_asked_for_values() {
    let world = World::empty();
    let mut first = world.quill_admin(["up", "-e", "local"]).terminal();
    first.expect("Username");
    let runs_at_once = || {
        let ended = world.quill_admin(["check", "-e", "local"]).terminal().wait();
        assert_eq!(ended.code(), 0, "{}", ended.text());
        assert!(!ended.text().contains("waiting for another"), "{}", ended.text());
    };
    runs_at_once();
    first.type_line("steve");
    first.expect("Enter takes it");
    runs_at_once();
    first.type_line("staff");
    first.expect("Run it? [y/N]");
    let note = world.home.read(LOCK);
    assert!(note.contains("\"update-permissions\""), "{note}");
    first.ctrl_c();
    assert_eq!(first.wait().code(), 130);
}

/// A person in front of the plan of a command.
fn asked_to_run(world: &World) -> Terminal {
    let mut first = world.quill_admin(["up", "-e", "local", "-u", "steve"]).terminal();
    first.expect("Enter takes it").type_line("staff");
    first.expect("Run it? [y/N]");
    first
}

/// Two terminals: in the first a person reads the plan.
#[test]
fn a_second_command_waits_for_the_first_and_says_for_which() {
    let world = World::empty();
    let mut first = asked_to_run(&world);

    let mut second = world.quill_admin(["check", "-e", "local"]).terminal();
    let id = first.id();
    second.expect(&format!(
        "waiting for another quill-admin to finish with the environment local (process {id}: update-permissions)"
    ));
    // Looking at it does not wait.
    let status = world.quill_admin(["local", "status"]).output().exits(0);
    assert!(
        status.stdout.contains(&format!("in use           yes, by process {id}: update-permissions\n")),
        "{status}"
    );
    // A deletion has its turn, too.
    let mut third = world.quill_admin(["local", "reset", "--yes"]).terminal();
    third.expect("waiting for another quill-admin to finish with the environment local (process ");

    let begun = Instant::now();
    third.ctrl_c();
    assert_eq!(third.wait().code(), 130);
    first.ctrl_c();
    assert_eq!(first.wait().code(), 130);
    let ended = second.wait();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.text().contains("tasks can run in local"), "{}", ended.text());
    // Nobody waits for retries.
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let world = World::empty();
    let mut first = asked_to_run(&world);
    for args in
        [&["show-user", "-e", "local", "-u", "steve"][..], &["doctor", "-e", "local"], &["local", "serve"]]
    {
        let mut second = world.quill_admin(args.iter().copied()).terminal();
        second.expect("waiting for another quill-admin").ctrl_c();
        let begun = Instant::now();
        let ended = second.wait();
        assert_eq!(ended.code(), 130, "{args:?}: {}", ended.text());
        assert!(begun.elapsed() < Duration::from_secs(5), "{args:?}: {:?}", begun.elapsed());
    }
    first.ctrl_c();
    let _ = first.wait();
}

#[test]
fn commands_use_the_environment_that_is_served() {
    let world = World::empty();
    let mut serving = world.quill_admin(["local", "serve"]).terminal();
    serving.expect("until Ctrl-C");
    let said = serving.text();
    let endpoint = said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    let id = serving.id();

    let checked = world.quill_admin(["check", "-e", "local"]).output().exits(0);
    assert!(checked.stdout.contains("6 of 6 known"), "{checked}");
    let created = world
        .quill_admin(["cs", "-e", "local", "-u", "steve", "--email", "s@example.org", "--password-stdin"])
        .stdin(PASSWORD)
        .output()
        .exits(0);
    assert!(created.stdout.starts_with("✔ created steve in local"), "{created}");
    assert!(
        created.stderr.contains("image            none: quill-admin local serve runs the task itself\n"),
        "{created}"
    );
    let status = world.quill_admin(["local", "status", "--json"]).output().exits(0).json();
    assert_eq!(status["in_use_by"], json!({"process": id, "command": "local serve", "serving": true}));
    // The token of the control API is in no file.
    let token = said.split_whitespace().skip_while(|word| *word != "control").nth(1).expect("a token");
    assert_eq!(world.home.files_with(token), Vec::<std::path::PathBuf>::new());

    // What cannot share it is told at once, with the process to end.
    for args in [&["local", "serve"][..], &["local", "reset", "--yes"]] {
        let refused = world.quill_admin(args.iter().copied()).output().exits(34);
        let told = format!("is in use by another quill-admin (process {id}: local serve)\n");
        assert!(refused.stderr.contains(&told), "{refused}");
        assert!(
            refused
                .stderr
                .contains(&format!("next: end it with Ctrl-C in its terminal, or with: kill {id}\n"))
        );
        assert!(!refused.stderr.contains("deleting"), "{refused}");
    }
    let otherwise = world.quill_admin(["check", "-e", "local", "--application", "app"]);
    let schema = application(&world, "app", "");
    world.home.write("app/schema.sql", &format!("{schema}ALTER TABLE users ADD COLUMN nickname text;\n"));
    let refused = otherwise.output().exits(34);
    assert!(refused.stderr.contains("another version of the application's tables"), "{refused}");

    // Another environment can be pointed at it.
    world.move_staging(endpoint);
    let file = world.home.read("environments.yaml");
    let moved = file
        .replace("project: quill-medical-staging", "project: quill-medical-local, job: quill-tasks-local");
    world.home.write("environments.yaml", &moved);
    let checked = world.quill_admin(["check", "-e", "staging"]).output().exits(0);
    assert!(checked.stdout.contains("6 of 6 known"), "{}", checked.stdout);

    // A process that is stopped still has the environment, and does not answer.
    let serving_id = Pid::from_raw(i32::try_from(id).expect("a number")).expect("an id");
    assert!(stop(serving_id));
    let silent =
        world.quill_admin(["check", "-e", "local"]).limit(Duration::from_secs(20)).output().exits(34);
    assert!(
        silent.stderr.contains(&format!("(process {id}: local serve), which does not answer")),
        "{silent}"
    );
    kill_process(serving_id, Signal::CONT).expect("it goes on");

    serving.ctrl_c();
    assert_eq!(serving.wait().code(), 0);
    let shown = world.quill_admin(["show-user", "-e", "local", "-u", "steve"]).output().exits(0);
    assert!(shown.stdout.contains("s@example.org"), "{shown}");
}

/// The note of a killed process names a process that holds no lock.
#[test]
fn an_address_that_a_killed_process_has_left_is_ignored() {
    let world = World::empty();
    let mut serving = world.quill_admin(["local", "serve"]).terminal();
    serving.expect("until Ctrl-C");
    let id = Pid::from_raw(i32::try_from(serving.id()).expect("a number")).expect("an id");
    kill_process(id, Signal::KILL).expect("killed");
    let _ = serving.wait();
    assert!(world.home.read(LOCK).contains("\"serves\""), "nobody has taken the note away");
    let checked = world.quill_admin(["check", "-e", "local"]).output().exits(0);
    assert!(checked.stderr.contains("none: this program runs the task itself"), "{checked}");
}

#[test]
fn serving_ends_with_the_program_that_started_it_and_says_so() {
    let world = World::empty();
    let served = world.quill_admin(["local", "serve"]).stdin("").output().exits(0);
    assert!(
        served.stderr.contains("stdin has come to its end, and \"local serve\" ends with it"),
        "{served}"
    );
}

#[test]
fn ctrl_c_cancels_what_cannot_go_on_alone() {
    let world = World::empty();
    let args = ["show-user", "-e", "local", "-u", "steve"];
    let mut terminal = world.quill_admin(args).env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "50000").terminal();
    terminal.expect("execution quill-tasks-local-").expect("queued").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 25, "{}", ended.text());
    assert!(ended.text().contains("nothing was changed"), "{}", ended.text());
}

/// The executors that a program runs as its child processes.
fn executors_of(program: u32) -> Vec<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{program}/task/{program}/children"));
    let tasks = std::fs::read_dir(format!("/proc/{program}/task")).into_iter().flatten().flatten();
    let of_tasks = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let all: Vec<String> = children.into_iter().chain(of_tasks).collect();
    let ids = all.iter().flat_map(|ids| ids.split_whitespace()).filter_map(|id| id.parse::<i32>().ok());
    let executor = |id: &i32| {
        std::fs::read(format!("/proc/{id}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("__executor"))
    };
    ids.filter(executor).filter_map(Pid::from_raw).collect()
}

/// Stops a process at its present point; false if it has already ended.
fn stop(process: Pid) -> bool {
    if kill_process(process, Signal::STOP).is_err() {
        return false;
    }
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
        // The state is what follows the name, which may hold anything: proc_pid_stat(5).
        match stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next()) {
            Some('T') => return true,
            None | Some('Z' | 'X') => return false,
            Some(_) => std::thread::yield_now(),
        }
    }
}

/// A container that does not end does not keep a person waiting.
#[test]
fn ctrl_c_leaves_an_environment_that_does_not_end() {
    let world = World::empty();
    let mut serving = world.quill_admin(["local", "serve"]).terminal();
    serving.expect("until Ctrl-C");
    let said = serving.text();
    let endpoint = said.split_whitespace().find(|word| word.starts_with("http://")).expect("an address");
    let program = serving.id();
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let job = "projects/quill-medical-local/locations/europe-west2/jobs/quill-tasks-local";
    let task = json!({"overrides": {"containerOverrides": [{"env": [
        {"name": "ADMIN_ACTION", "value": "check"},
    ]}]}});
    let deadline = Instant::now() + Duration::from_secs(30);
    // A task takes a few milliseconds. If it ended before it could be stopped, another one is run.
    let stopped = loop {
        assert!(Instant::now() < deadline, "no container could be stopped");
        let stopped = std::thread::scope(|scope| {
            scope.spawn(|| {
                Request::new("POST", &format!("/v2/{job}:run")).json(&task).send(address).expect(200)
            });
            let next = Instant::now() + Duration::from_secs(3);
            loop {
                if let Some(executor) = executors_of(program).into_iter().find(|executor| stop(*executor)) {
                    break Some(executor);
                }
                if Instant::now() > next {
                    break None;
                }
            }
        });
        if let Some(stopped) = stopped {
            break stopped;
        }
    };
    serving.ctrl_c();
    serving.expect("ending the local environment");
    let begun = Instant::now();
    serving.ctrl_c();
    let ended = serving.wait();
    assert!(ended.text().contains("was not ended in order"), "{}", ended.text());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // Nothing is left behind.
    wait_until("its container is gone", || {
        !std::path::Path::new(&format!("/proc/{}", stopped.as_raw_nonzero())).exists()
    });
}

#[test]
fn tasks_run_in_a_container_of_the_image() {
    let builder = needs_builder_image!();
    let world = World::empty();
    let file = world.home.read("environments.yaml");
    let with = |image: &str| {
        let local = format!("local: {{ emulated: true, image: \"{image}\" }}");
        world.home.write("environments.yaml", &file.replace("local: { emulated: true }", &local));
    };
    let create = || {
        world
            .quill_admin(["cs", "-e", "local", "-u", "steve", "--email", "s@example.org", "--password-stdin"])
            .args(["--runner", "docker"])
            .stdin(PASSWORD)
            .output()
    };
    with("127.0.0.1/quill-admin-test/no-such-image");
    let refused = create().exits(22);
    assert!(refused.stderr.contains("next: build it with: quill-admin build --env local"), "{refused}");

    with(executor_image(&builder));
    let created = create().exits(0);
    assert!(created.stdout.starts_with("✔ created steve in local"), "{created}");
    // The process runner finds the same database.
    let shown = world.quill_admin(["show-user", "-e", "local", "-u", "steve"]).output().exits(0);
    assert!(shown.stdout.contains("s@example.org"), "{shown}");
}
