//! The checks before a run, the confirmation of a person, and a single start whatever happens to the answer.

use cloud_emulator::{Emulator, Fault, FaultAction, Script, Step};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, JOB, World, wait_until};
use quill_admin_testkit::home::{Output, Run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

const ADD_ROLE: [&str; 7] = ["add-role", "-e", "staging", "-u", "steve", "-r", "Clinician"];

fn world() -> World {
    World::scripted(done())
}

/// A script of a task that reports that it was done.
pub(crate) fn done() -> Script {
    let result = json!({
        "severity": "INFO",
        "message": "done",
        "quill_admin": {
            "contract": 1,
            "action": "add-role",
            "exit_code": 0,
            "outcome": {"result": "unchanged", "user": {
                "username": "steve", "email": "s@example.org", "permission": "patient",
                "base_profession": "patient", "roles": ["Clinician"], "active": true,
                "totp_enabled": false, "email_verified": true
            }},
        },
    });
    Script::new([Step::log(result.to_string()), Step::Exit(0)])
}

fn add_role(world: &World, more: &[&str]) -> Run {
    world.quill_admin(ADD_ROLE.into_iter().chain(more.iter().copied()))
}

/// Changes the world's job.
pub(crate) fn change_job(world: &World, change: impl FnOnce(&mut Value)) {
    let mut job = world.job().expect("the world has a job");
    change(&mut job);
    world.emulator.put_job(JOB, job).expect("a valid job");
}

fn errors(output: &Output) -> String {
    output.stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_plan_is_shown_before_anything_is_started() {
    let world = world();
    let run = add_role(&world, &["--reason", "joined the team"]).output();
    let plan: Vec<&str> = run
        .stderr
        .lines()
        .skip_while(|line| !line.contains("add-role steve"))
        .take_while(|line| !line.starts_with("starting"))
        .collect();
    assert_snapshot!(plan.join("\n"), @r"
    add-role steve in staging
      role             Clinician
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:4b825dc642cb, revision 0123456789ab, built 2026-08-01 10:00 UTC
      reason           joined the team
    ");
}

#[test]
fn a_dry_run_is_checked_by_google_cloud_and_starts_nothing() {
    let world = world();
    let dry = add_role(&world, &["--dry-run"]).output().exits(0);
    assert_snapshot!(dry.stdout, @r"
    add-role steve in staging
      role             Clinician
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:4b825dc642cb, revision 0123456789ab, built 2026-08-01 10:00 UTC
    nothing was started: Google Cloud accepts this run
    ");
    let json = add_role(&world, &["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(json["request"]["ADMIN_ROLE"], "Clinician", "{json:#}");
    let calls = world.emulator.calls();
    let runs: Vec<&Value> = calls
        .iter()
        .filter(|call| call.path.ends_with(":run"))
        .map(|call| &call.body["validateOnly"])
        .collect();
    assert_eq!(runs, [&json!(true), &json!(true)]);
    assert_eq!(executions(&world), 0);

    world.emulator.deny_permissions(["run.jobs.runWithOverrides"]);
    let refused = add_role(&world, &["--dry-run"]).output().exits(21);
    assert!(refused.stderr.contains("run.jobs.runWithOverrides"), "{refused}");
    assert_eq!(refused.stdout, "");
}

fn executions(world: &World) -> i64 {
    world.job().expect("the world has a job")["executionCount"].as_i64().unwrap_or(0)
}

#[test]
fn a_job_that_could_do_it_twice_is_not_used_for_changes() {
    let world = world();
    change_job(&world, |job| job["template"]["template"]["maxRetries"] = json!(3));
    let refused = add_role(&world, &[]).output().exits(22);
    assert_snapshot!(errors(&refused), @r"
    error: the job runs a task that failed again, up to 3 times: a change could be made twice; nothing was started
     next: put it right with: quill-admin build --env staging
     next: look closer with: quill-admin doctor --env staging --only job-settings
    ");
    let _ = add_role(&world, &["--allow-unpinned"]).output().exits(22);
    assert_eq!(executions(&world), 0);
    // Reading twice does no harm.
    let _ = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).output().exits(0);
}

#[test]
fn only_an_image_that_build_has_deployed_is_run() {
    let world = world();
    let image = world.job().expect("there")["template"]["template"]["containers"][0]["image"].clone();
    let set = |image: &str| {
        change_job(&world, |job| job["template"]["template"]["containers"][0]["image"] = json!(image));
    };
    set("europe-west2-docker.pkg.dev/quill-medical-staging/quill/tasks:latest");
    let refused = add_role(&world, &[]).output().exits(22);
    assert_snapshot!(errors(&refused), @r"
    error: the job's image europe-west2-docker.pkg.dev/quill-medical-staging/quill/tasks:latest is not pinned to a digest: what would run is not known; nothing was started
     next: put it right with: quill-admin build --env staging
     next: to run it all the same, add --allow-unpinned
     next: look closer with: quill-admin doctor --env staging --only job-image
    ");
    set(&image.as_str().expect("text").replace("sha256:4b", "sha256:5c"));
    let refused = add_role(&world, &[]).output().exits(22);
    assert_snapshot!(errors(&refused), @r"
    error: the job's image europe-west2-docker.pkg.dev/quill-medical-staging/quill/tasks@sha256:5c825dc642cb6eb9a060e54bf8d69288fbee4904f1a5b7d4a1e0b1b7c0ffee00 was not deployed by quill-admin: the old image wants passwords in clear; nothing was started
     next: put it right with: quill-admin build --env staging
     next: to run it all the same, add --allow-unpinned
     next: look closer with: quill-admin doctor --env staging --only job-image
    ");
    assert_eq!(executions(&world), 0);
    let _ = add_role(&world, &["--allow-unpinned"]).output().exits(0);
    set(image.as_str().expect("text"));
    change_job(&world, |job| job["annotations"]["admin.quill-medical.org/contract"] = json!("0"));
    let refused = add_role(&world, &[]).output().exits(17);
    assert_snapshot!(errors(&refused), @r"
    error: the job's image speaks contract version 0, this program contract versions 1 to 4; nothing was started
     next: deploy a newer image with: quill-admin build --env staging
     next: look closer with: quill-admin doctor --env staging --only job-image
    ");
    assert_eq!(executions(&world), 1);
}

#[test]
fn where_there_is_no_job_build_makes_it() {
    let world = World::empty();
    let refused = add_role(&world, &[]).output().exits(22);
    assert!(refused.stderr.contains("next: make it with: quill-admin build --env staging"), "{refused}");
}

fn protected() -> World {
    let world = world();
    let file = world.home.read("environments.yaml");
    let file = file.replace("staging: { project", "staging: { protected: true, project");
    world.home.write("environments.yaml", &file);
    world
}

#[test]
fn a_protected_environment_wants_its_name_and_a_reason() {
    let world = protected();
    let refused = add_role(&world, &[]).output().exits(28);
    assert_snapshot!(errors(&refused), @r#"
    error: environment "staging" is protected and there is no terminal to confirm it at; nothing was done
     next: confirm it and say why with: --confirm staging --reason TEXT
    "#);
    let _ = add_role(&world, &["--confirm", "staging"]).output().exits(28);
    let _ = add_role(&world, &["--reason", "why not"]).output().exits(28);
    let refused = add_role(&world, &["--confirm", "prod", "--reason", "why not"]).output().exits(28);
    assert!(refused.stderr.contains("--confirm prod does not name"), "{refused}");
    assert_eq!(world.calls(), "", "no request was sent");

    let _ = add_role(&world, &["--confirm", "staging", "--reason", "ticket 12"]).output().exits(0);
    assert_eq!(sent(&world, "ADMIN_REASON"), json!("ticket 12"));
    // Reading asks for no confirmation.
    let _ = world.quill_admin(["show-user", "-e", "staging", "-u", "steve"]).output().exits(0);
}

/// The value of a variable of the first run.
fn sent(world: &World, name: &str) -> Value {
    let calls = world.emulator.calls();
    let run = calls.iter().find(|call| call.path.ends_with(":run")).expect("it was run");
    let env = run.body["overrides"]["containerOverrides"][0]["env"].as_array().expect("a list");
    env.iter().find(|entry| entry["name"] == name).map(|entry| entry["value"].clone()).unwrap_or_default()
}

#[test]
fn at_a_terminal_the_name_is_typed_after_the_plan() {
    let world = protected();
    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("add-role steve in staging").expect("Reason").type_line("ticket 12");
    // Another name is asked again, and gets no tick. Whoever leaves has started nothing.
    terminal
        .expect("Type \"staging\" to go on")
        .type_line("prod")
        .expect("\"prod\" is not \"staging\"; Esc leaves");
    terminal.type_line("").expect("nothing is done without the name").ctrl_d();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(!ended.text().contains("✔ Type"), "{}", ended.text());
    assert_eq!(world.runs(), 0);

    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("Reason").type_line("ticket 12");
    terminal.expect("Type \"staging\" to go on").type_line("staging");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(sent(&world, "ADMIN_REASON"), json!("ticket 12"));

    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("Reason").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("nothing was started"), "{}", ended.text());
    assert_eq!(world.runs(), 1);
}

#[test]
fn a_lost_answer_is_looked_after_and_nothing_is_done_twice() {
    // The start was carried out, and the answer lost: the execution is found by the request's id.
    for action in [FaultAction::ResetAfter, FaultAction::Truncate { bytes: 20 }] {
        let world = world();
        world.emulator.set_faults([Fault::new("*:run", action.clone()).times(1)]);
        let found = add_role(&world, &[]).output().exits(0);
        assert!(found.stderr.contains("looking whether the task was started"), "{found}");
        assert_eq!((world.runs(), executions(&world)), (1, 1), "{action:?}");
    }
    // The start was certainly not carried out: it is sent once more.
    for action in [
        FaultAction::ResetBefore,
        FaultAction::Status { code: 503, status: None, message: "try later".to_owned(), retry_after: None },
    ] {
        let world = world();
        world.emulator.set_faults([Fault::new("*:run", action.clone()).times(1)]);
        let again = add_role(&world, &[]).output().exits(0);
        assert!(again.stderr.contains("the task was not started; sending it once more"), "{again}");
        assert_eq!((world.runs(), executions(&world)), (2, 1), "{action:?}");
    }
}

#[test]
fn what_cannot_be_found_out_is_said_and_not_sent_again() {
    let world = world();
    // Without the permission to change the job, the lost request cannot be kept from being carried out late.
    world.emulator.deny_permissions(["run.jobs.update"]);
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetBefore).times(1)]);
    let unknown = add_role(&world, &[]).output().exits(27);
    assert!(errors(&unknown).contains("may or may not have been started"), "{unknown}");
    assert!(errors(&unknown).contains("next: see what the database holds"), "{unknown}");
    assert_eq!((world.runs(), executions(&world)), (1, 0));
}

#[test]
fn a_job_that_somebody_changes_in_between_is_looked_at_again() {
    let world = world();
    // The job is read and its run is held; meanwhile the job is changed.
    world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| add_role(&world, &[]).output());
        wait_for_run(&world);
        change_job(&world, |job| job["annotations"]["somebody"] = json!("else"));
        world.emulator.set_faults([]);
        running.join().expect("it ends")
    });
    let _ = running.exits(0);
    assert_eq!((world.runs(), executions(&world)), (2, 1), "the first was refused by its etag");

    let world = self::world();
    world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
    let running = std::thread::scope(|scope| {
        let running = scope.spawn(|| add_role(&world, &[]).output());
        wait_for_run(&world);
        change_job(&world, |job| job["template"]["template"]["containers"][0]["image"] = json!("another:1"));
        world.emulator.set_faults([]);
        running.join().expect("it ends")
    });
    let refused = running.exits(23);
    assert!(errors(&refused).contains("somebody changed the job"), "{refused}");
    assert_eq!(executions(&world), 0);
}

fn wait_for_run(world: &World) {
    wait_until("the job is run", || world.runs() > 0);
}

#[test]
fn ctrl_c_asks_what_it_is_for() {
    for (answer, end, code, told) in [
        ("d\r", Step::Forever, 130, "see how it ends: quill-admin attach quill-tasks-staging-"),
        ("c\r", Step::Forever, 25, "was cancelled"),
        ("w\r", Step::Wait(5000), 0, ""),
    ] {
        let world = World::scripted(Script::new([Step::log("working"), end]));
        let mut terminal = add_role(&world, &[]).terminal();
        terminal.expect("execution quill-tasks-staging-").ctrl_c();
        terminal.expect("[w/d/c]").type_text(answer);
        let ended = terminal.wait();
        assert_eq!(ended.code(), code, "{answer:?}: {}", ended.text());
        assert!(ended.text().contains(told), "{}", ended.text());
        assert_eq!(executions(&world), 1);
    }
    // After a stop the question is shown again. Another answer is asked again, and Ctrl-D leaves, on a line of its own.
    let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("execution quill-tasks-staging-").ctrl_c();
    terminal.expect("[w/d/c]");
    let process = Pid::from_raw(i32::try_from(terminal.id()).expect("a process id")).expect("not 0");
    kill_process(process, Signal::CONT).expect("sent");
    terminal.expect("[w/d/c]").type_line("no").expect("Type w, d or c, and Enter: [w/d/c] ").ctrl_d();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    let text = ended.text();
    assert!(text.contains("and Enter: [w/d/c] \r\n"), "{text}");
    assert!(text.contains("\nerror: interrupted; the task goes on"), "{text}");
    let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("execution quill-tasks-staging-").ctrl_c();
    terminal.expect("[w/d/c]").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("the task goes on without this program"), "{}", ended.text());
}

#[test]
fn ctrl_c_while_the_task_is_being_started_takes_effect_with_the_answer() {
    let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
    world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
    let mut terminal = add_role(&world, &[]).terminal();
    let runs = || world.emulator.calls().iter().filter(|call| call.path.ends_with(":run")).count();
    wait_until("it is sent", || runs() == 1);
    terminal.ctrl_c();
    terminal.expect("waiting for its answer").expect("Ctrl-C again leaves at once");
    world.emulator.set_faults([]);
    terminal.expect("execution quill-tasks-staging-").expect("[w/d/c]").type_line("d");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("the task goes on without this program"), "{}", ended.text());
    assert_eq!(executions(&world), 1);

    world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
    let mut terminal = add_role(&world, &[]).terminal();
    wait_until("it is sent", || runs() == 2);
    terminal.ctrl_c();
    terminal.expect("Ctrl-C again leaves at once").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 27, "{}", ended.text());
    assert!(ended.text().contains("may or may not have been started"), "{}", ended.text());
    assert!(ended.text().contains("see what the database holds"), "{}", ended.text());
}

/// A Ctrl-C that had to wait for the answer starts nothing if the answer says that nothing was started.
#[test]
fn ctrl_c_while_a_start_is_sent_that_comes_to_nothing_starts_nothing() {
    for (code, told) in [(409, "changed in between"), (503, "try later")] {
        let world = world();
        world.emulator.set_faults([
            Fault::new("*:run", FaultAction::Hold).times(1),
            Fault::new("*:run", FaultAction::status(code, told)).times(1),
        ]);
        let mut terminal = add_role(&world, &[]).terminal();
        wait_until("it is sent", || world.runs() == 1);
        terminal.ctrl_c();
        terminal.expect("waiting for its answer");
        world.emulator.set_faults([]);
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{code}: {}", ended.text());
        assert!(ended.text().contains("interrupted; nothing was started"), "{code}: {}", ended.text());
        assert_eq!((world.runs(), executions(&world)), (1, 0), "{code}: {}", ended.text());
    }
}

#[test]
fn a_program_that_is_ended_while_it_starts_a_task_names_it() {
    for signal in [Signal::TERM, Signal::HUP] {
        let world = World::scripted(Script::new([Step::log("working"), Step::Forever]));
        world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
        let mut terminal = add_role(&world, &[]).terminal();
        wait_until("it is sent", || world.runs() == 1);
        let process = Pid::from_raw(i32::try_from(terminal.id()).expect("a process id")).expect("not 0");
        kill_process(process, signal).expect("sent");
        terminal.expect("waiting for its answer");
        world.emulator.set_faults([]);
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.text());
        assert!(ended.text().contains("as execution quill-tasks-staging-"), "{}", ended.text());
        assert_eq!(executions(&world), 1);
    }
}

#[test]
fn ctrl_c_while_the_result_is_read_does_not_say_that_the_task_runs() {
    // The result is waited for as long as reads are refused.
    let world = World::scripted_in(
        Emulator::builder().log_tails_per_project(0),
        Script::new([Step::log("one"), Step::Exit(0)]),
    );
    let refused = FaultAction::status(429, "quota");
    world.emulator.set_faults([Fault::new("*/entries:list", refused)]);
    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("execution quill-tasks-staging-").expect("reading the result").ctrl_c();
    let ended = terminal.wait();
    let text = ended.text();
    assert_eq!(ended.code(), 130, "{text}");
    assert!(text.contains("the execution is over, its result was not read to its end"), "{text}");
    assert!(text.contains("next: see how it ended: quill-admin attach quill-tasks-staging-"), "{text}");
    for untrue in ["still running", "goes on", "quill-admin cancel"] {
        assert!(!text.contains(untrue), "{untrue}: {text}");
    }
    // If the task ends while a person is asked, the question is withdrawn.
    let script = Script::new([Step::log("one"), Step::Wait(3000), Step::Exit(0)]);
    let ends = World::scripted_in(Emulator::builder().log_tails_per_project(0), script);
    ends.emulator.set_faults([Fault::new("*/entries:list", FaultAction::status(429, "quota"))]);
    let mut terminal = add_role(&ends, &[]).terminal();
    terminal.expect("running").ctrl_c();
    terminal.expect("[w/d/c]").expect("the task has ended in the meantime").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(
        ended.text().contains("the execution is over, its result was not read to its end"),
        "{}",
        ended.text()
    );
    // The same holds for a task that ended long ago.
    let (_, attach) = text.split_once("quill-admin attach ").expect("it says how");
    let id = attach.split_whitespace().next().expect("a name");
    let mut terminal = world.quill_admin(["attach", id]).terminal();
    terminal.expect("reading the result").ctrl_c();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 130, "{}", ended.text());
    assert!(ended.text().contains("the execution is over"), "{}", ended.text());
}

#[test]
fn a_job_of_several_tasks_makes_the_change_once() {
    let world = world();
    change_job(&world, |job| job["template"]["taskCount"] = json!(3));
    let _ = add_role(&world, &[]).output().exits(0);
    let run =
        world.emulator.calls().into_iter().find(|call| call.path.ends_with(":run")).expect("it was run");
    assert_eq!(run.body["overrides"]["taskCount"], 1);
    let executions = world.emulator.executions(JOB);
    assert_eq!(executions.len(), 1);
    assert_eq!(executions[0]["taskCount"], 1);
    // The request that is checked without starting anything is the one that would be sent.
    let _ = add_role(&world, &["--dry-run"]).output().exits(0);
    let checked = world.emulator.calls().into_iter().rev().find(|call| call.path.ends_with(":run"));
    let body = checked.expect("it was checked").body;
    assert_eq!((&body["validateOnly"], &body["overrides"]["taskCount"]), (&json!(true), &json!(1)));
}

#[test]
fn whatever_was_agreed_to_is_what_runs() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 6] = [
        ("(command)", |job| job["template"]["template"]["containers"][0]["command"] = json!(["/other"])),
        ("tasks: 1 → 4", |job| job["template"]["taskCount"] = json!(4)),
        ("service account: ", |job| job["template"]["template"]["serviceAccount"] = json!("a@b.example")),
        ("variable AUTH_DB_HOST: a text", |job| {
            job["template"]["template"]["containers"][0]["env"] =
                json!([{"name": "AUTH_DB_HOST", "value": "planted-10.9.9.9"}]);
        }),
        ("network", |job| job["template"]["template"]["vpcAccess"] = json!({"egress": "ALL_TRAFFIC"})),
        ("max retries: 0 → 2", |job| job["template"]["template"]["maxRetries"] = json!(2)),
    ];
    for (told, change) in changes {
        let world = world();
        world.emulator.set_faults([Fault::new("*:run", FaultAction::Hold).times(1)]);
        let running = std::thread::scope(|scope| {
            let running = scope.spawn(|| add_role(&world, &[]).output());
            wait_for_run(&world);
            change_job(&world, change);
            world.emulator.set_faults([]);
            running.join().expect("it ends")
        });
        let refused = running.exits(23);
        let errors = errors(&refused);
        assert!(errors.contains("somebody changed the job") && errors.contains(told), "{told}: {refused}");
        assert!(!errors.contains("planted"), "{refused}");
        assert_eq!(executions(&world), 0, "{told}");
    }
}

/// It is not known whether Cloud Run gives a job a new etag for a run.
#[test]
fn twenty_people_on_one_job_all_get_through() {
    for changes in [false, true] {
        let world = World::scripted_in(Emulator::builder().run_changes_etag(changes), done());
        let outputs: Vec<Output> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..20).map(|_| scope.spawn(|| add_role(&world, &[]).output())).collect();
            running.into_iter().map(|one| one.join().expect("it ends")).collect()
        });
        for output in outputs {
            let _ = output.exits(0);
        }
        assert_eq!(executions(&world), 20, "each was started once; new etag with every run: {changes}");
    }
}

#[test]
fn who_waits_for_others_can_leave() {
    let world = world();
    world.emulator.set_faults([Fault::new("*:run", FaultAction::status(409, "changed in between"))]);
    let mut terminal = add_role(&world, &[]).terminal();
    terminal.expect("trying again").ctrl_c();
    let left = terminal.wait();
    assert_eq!(left.code(), 130, "{}", left.text());
    assert!(left.text().contains("nothing was started"), "{}", left.text());
    assert_eq!(executions(&world), 0);
}

#[test]
fn an_outage_that_started_nothing_is_not_unknown() {
    let world = world();
    world.emulator.set_faults([Fault::new("*:run", FaultAction::status(503, "try later"))]);
    let failed = add_role(&world, &[]).output().exits(23);
    assert!(errors(&failed).contains("nothing was started"), "{failed}");
    assert_eq!((world.runs(), executions(&world)), (2, 0));
}

#[test]
fn executions_that_may_not_be_listed_are_not_said_to_be_anothers() {
    let world = world();
    world.emulator.deny_permissions(["run.executions.list"]);
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetAfter).times(1)]);
    let unknown = add_role(&world, &[]).output().exits(27);
    let errors = errors(&unknown);
    assert!(errors.contains("could not be seen") && errors.contains("run.executions.list"), "{unknown}");
    assert!(!errors.contains("not by this request"), "{unknown}");
    assert_eq!((world.runs(), executions(&world)), (1, 1), "it was not sent again");
}

#[test]
fn a_service_that_asks_to_come_back_later_is_asked_again_then() {
    let later = |path: &str| {
        let (code, status, message) = (429, None, "slow down".to_owned());
        let action = FaultAction::Status { code, status, message, retry_after: Some("1".to_owned()) };
        Fault::new(path.to_owned(), action).times(1)
    };
    let world = world();
    world.emulator.set_faults([later("*/jobs/quill-tasks-staging"), later("*:run")]);
    let _ = add_role(&world, &[]).output().exits(0);
    assert_eq!(executions(&world), 1);

    let world = self::world();
    world.emulator.set_faults([Fault::new("*:run", FaultAction::status(429, "quota exceeded"))]);
    let refused = add_role(&world, &[]).output().exits(24);
    assert!(errors(&refused).contains("next: the quota is shared"), "{refused}");
    assert_eq!(executions(&world), 0);
}

#[test]
fn an_answer_that_is_no_json_is_no_answer() {
    let world = world();
    world.emulator.set_faults([Fault::new("*/jobs/quill-tasks-staging", FaultAction::Garble).times(1)]);
    let _ = add_role(&world, &[]).output().exits(0);

    // The run may have been carried out, and was: it is found, and not sent again.
    let world = self::world();
    world.emulator.set_faults([Fault::new("*:run", FaultAction::Garble).times(1)]);
    let _ = add_role(&world, &[]).output().exits(0);
    assert_eq!((world.runs(), executions(&world)), (1, 1));
}
