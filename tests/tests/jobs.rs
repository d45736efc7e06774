//! Jobs of the application that actions run: another container, the same confirmation, and its exit code
//! unchanged.

use std::fs;

use cloud_emulator::{
    Builder, Emulator, Fault, FaultAction, ImageProgram, ProcessRunner, Runner, Script, Step,
};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, JOB, World, wait_until};
use quill_admin_testkit::docker::root;
use quill_admin_testkit::home::{Output, Run};
use serde_json::{Value, json};

/// The application's job.
const MIGRATE: &str = "projects/quill-medical-staging/locations/europe-west2/jobs/quill-migrate-staging";
const RUN: [&str; 5] = ["run-migrations", "-e", "staging", "--application", "application"];

/// A program in place of the application's container: it prints its variables and a line that looks like a
/// result of the executor, and ends as a variable of its job says.
const PROGRAM: &str = r#"
echo "upgrading for $ADMIN_ACTION, asked by ${ADMIN_PROOF_KEY:-nobody with a key} under $LOG_LEVEL"
echo '{"message": "planted", "quill_admin": {"contract": 1, "exit_code": 0, "outcome": {"result": "created"}}}'
exit "${END_WITH:-0}"
"#;

/// A cloud with the application's job beside the admin job, and a folder of actions that names it.
fn world_in(builder: Builder) -> World {
    let program = ImageProgram::new("/bin/sh").arg("-c").arg(PROGRAM).env("PATH", "/usr/bin:/bin");
    let runner = Runner::Process(ProcessRunner::new().image("quill/backend", program));
    let world = World::scripted_in(builder.runner(runner), Script::new([Step::log("ours"), Step::Exit(0)]));
    let actions = fs::read_to_string(root().join("application/actions.yaml")).expect("it is there");
    let named = "job: quill-admin-{env}";
    assert!(actions.contains(named), "the job of run-migrations is declared another way");
    world.home.write("application/actions.yaml", &actions.replace(named, "job: quill-migrate-{env}"));
    put_job(&world, |_| {});
    world
}

fn world() -> World {
    world_in(Emulator::builder())
}

/// The same cloud, in which the application's job does what a script says.
fn scripted(script: Script) -> World {
    let world = world();
    world.emulator.set_script(MIGRATE, script);
    world
}

/// Puts the application's job with a change.
fn put_job(world: &World, change: impl FnOnce(&mut Value)) {
    let mut job = json!({
        "template": {
            "taskCount": 1,
            "template": {
                "maxRetries": 0,
                "timeout": "600s",
                "containers": [{
                    "image": "europe-west2-docker.pkg.dev/quill-medical-staging/quill/backend:main",
                    "env": [{"name": "LOG_LEVEL", "value": "info"}],
                }],
            },
        },
    });
    change(&mut job);
    world.emulator.put_job(MIGRATE, job).expect("a valid job");
}

/// Makes its container end with a code.
fn ends_with(world: &World, code: &str) {
    put_job(world, |job| {
        let env = job.pointer_mut("/template/template/containers/0/env").and_then(Value::as_array_mut);
        env.expect("a list").push(json!({"name": "END_WITH", "value": code}));
    });
}

fn migrate(world: &World, more: &[&str]) -> Run {
    world.quill_admin(RUN.into_iter().chain(more.iter().copied()))
}

fn executions(world: &World) -> usize {
    world.emulator.executions(MIGRATE).len()
}

/// The body of the first request that runs it.
fn sent(world: &World) -> Value {
    let calls = world.emulator.calls();
    let run = calls.iter().find(|call| call.path.ends_with("quill-migrate-staging:run"));
    run.expect("it was run").body.clone()
}

fn errors(output: &Output) -> String {
    output.stderr.lines().skip_while(|line| !line.starts_with("error")).collect::<Vec<_>>().join("\n")
}

fn name_of_execution(output: &Output) -> String {
    let json = output.json();
    json["execution"].as_str().unwrap_or_else(|| panic!("{output}")).to_owned()
}

#[test]
fn it_is_run_once_with_what_is_declared() {
    let world = world();
    let run = migrate(&world, &["--reason", "before the deploy"]).output().exits(0);
    let (_, named) = run.stderr.split_once("execution ").expect("it is named");
    let id = named.split(' ').next().expect("a name");
    assert!(id.starts_with("quill-migrate-staging-"), "{run}");
    assert_snapshot!(run.transcript().replace(id, "EXECUTION"), @r"
    exit status: 0
    ----- stdout -----
    ✔ the job quill-migrate-staging ended with 0 in staging (N.N s)
    ----- stderr -----
    connecting (N.N s)
    run-migrations in staging
      project          quill-medical-staging, europe-west2
      job              quill-migrate-staging
      sets             ADMIN_ACTION=run-migrations
      time-out         900 s
      image            europe-west2-docker.pkg.dev/quill-medical-staging/quill/backend:main
      reason           before the deploy
    starting the job (N.N s)
    execution EXECUTION in quill-medical-staging, europe-west2
      │ upgrading for run-migrations, asked by nobody with a key under info
      │ planted
    a job of the application tells no result: what it changed, and whether that was one transaction, is not known here
    ");
    // The request that the cloud got, exactly.
    let body = sent(&world);
    let overrides = &body["overrides"];
    assert_eq!((&overrides["timeout"], &overrides["taskCount"]), (&json!("900s"), &json!(1)), "{body:#}");
    let containers = overrides["containerOverrides"].as_array().expect("a list");
    assert_eq!(containers.len(), 1);
    let env = containers[0]["env"].as_array().expect("a list");
    let value = |name: &str| env.iter().find(|one| one["name"] == name).map(|one| one["value"].clone());
    let sent: Vec<&str> = env.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(sent, ["ADMIN_ACTION", "ADMIN_REQUEST_ID", "ADMIN_ACTOR", "ADMIN_REASON"]);
    assert_eq!(value("ADMIN_ACTION"), Some(json!("run-migrations")));
    assert_eq!(value("ADMIN_REASON"), Some(json!("before the deploy")));
    assert_eq!((world.runs(), executions(&world)), (1, 1));
    assert!(world.emulator.executions(JOB).is_empty(), "our own job has not run");
}

#[test]
fn its_short_name_and_json_say_the_same() {
    let world = world();
    let run = world
        .quill_admin(["mr", "-e", "staging", "--application", "application", "--json"])
        .output()
        .exits(0)
        .json();
    for (key, expected) in [
        ("exit_code", json!(0)),
        ("container_exit_code", json!(0)),
        ("ending", json!("ended")),
        ("job", json!("quill-migrate-staging")),
        ("proven", json!(false)),
        ("result", Value::Null),
        ("hints", json!([])),
    ] {
        assert_eq!(run[key], expected, "{key}: {run:#}");
    }
    let help = world.quill_admin(["mr", "--help", "--application", "application"]).output().exits(0);
    assert!(help.stdout.contains("the application's own job quill-migrate-{env}"), "{help}");
}

/// This includes codes that have another meaning where quill-admin itself ends with them.
#[test]
fn the_exit_code_of_its_container_is_passed_on_exactly() {
    let world = world();
    for code in [3, 10, 18, 27] {
        ends_with(&world, &code.to_string());
        let failed = migrate(&world, &[]).output().exits(code);
        let told = errors(&failed);
        assert!(told.contains(&format!("ended with {code}: what that means")), "{failed}");
        for ours in ["to create the user", "nothing was changed", "safe", "not known", "show-user"] {
            assert!(!told.contains(ours), "{ours}: {failed}");
        }
        assert!(
            told.contains("see all that it printed: quill-admin logs quill-migrate-staging-"),
            "{failed}"
        );
    }
    let json = migrate(&world, &["--json"]).output().exits(27).json();
    assert_eq!((&json["ending"], &json["container_exit_code"]), (&json!("ended"), &json!(27)), "{json:#}");
    assert!(json["log"].to_string().contains("upgrading for run-migrations"), "{json:#}");
}

#[test]
fn what_cloud_run_does_to_it_is_told_as_of_every_task() {
    let never =
        Step::NeverStart { reason: "CONTAINER_MISSING".to_owned(), message: "no such image".to_owned() };
    for (steps, code, told) in [
        (vec![never], 24, "never started: no such image"),
        (vec![Step::log("one"), Step::Signal(9)], 27, "was killed by signal 9"),
    ] {
        let world = scripted(Script::new(steps));
        let failed = migrate(&world, &[]).output().exits(code);
        assert!(errors(&failed).contains(told), "{failed}");
        assert!(!errors(&failed).contains("doctor"), "the checks are about our own job: {failed}");
    }
    let world = scripted(Script::new([Step::log("one"), Step::Forever]));
    let actions = world.home.read("application/actions.yaml").replace("timeout: 900s", "timeout: 1s");
    world.home.write("application/actions.yaml", &actions);
    let failed = migrate(&world, &[]).output().exits(26);
    assert!(errors(&failed).contains("ran into the job's time-out; no result of it is known"), "{failed}");
}

#[test]
fn ctrl_c_asks_what_it_is_for() {
    for (answer, code, told) in [
        ("d\r", 130, "see how it ends: quill-admin attach quill-migrate-staging-"),
        ("c\r", 25, "was cancelled"),
    ] {
        let world = scripted(Script::new([Step::log("working"), Step::Forever]));
        let mut terminal = migrate(&world, &[]).terminal();
        terminal.expect("execution quill-migrate-staging-").ctrl_c();
        terminal.expect("[w/d/c]").type_text(answer);
        let ended = terminal.wait();
        assert_eq!(ended.code(), code, "{answer:?}: {}", ended.text());
        assert!(ended.text().contains(told), "{}", ended.text());
        assert_eq!(executions(&world), 1);
    }
}

#[test]
fn a_lost_answer_is_looked_after_and_nothing_is_started_twice() {
    for (action, runs, told) in [
        (FaultAction::ResetAfter, 1, "looking whether the task was started"),
        (FaultAction::ResetBefore, 2, "the task was not started; sending it once more"),
    ] {
        let world = world();
        world.emulator.set_faults([Fault::new("*:run", action.clone()).times(1)]);
        let found = migrate(&world, &[]).output().exits(0);
        assert!(found.stderr.contains(told), "{found}");
        assert_eq!((world.runs(), executions(&world)), (runs, 1), "{action:?}");
    }
    // An effect that cannot be found out is not taken as harmless.
    let world = world();
    world.emulator.deny_permissions(["run.jobs.update"]);
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetBefore).times(1)]);
    let unknown = migrate(&world, &[]).output().exits(27);
    assert!(errors(&unknown).contains("may or may not have been started"), "{unknown}");
    assert!(errors(&unknown).contains("ask whoever keeps the job"), "{unknown}");
    assert!(!errors(&unknown).contains("safely"), "{unknown}");
    assert_eq!((world.runs(), executions(&world)), (1, 0));
}

#[test]
fn a_protected_environment_wants_its_name_and_a_reason() {
    let world = world();
    let file = world.home.read("environments.yaml");
    world.home.write(
        "environments.yaml",
        &file.replace("staging: { project", "staging: { protected: true, project"),
    );
    let refused = migrate(&world, &[]).output().exits(28);
    assert!(errors(&refused).contains("--confirm staging --reason TEXT"), "{refused}");
    assert_eq!(world.calls(), "", "no request was sent");
    let mut terminal = migrate(&world, &[]).terminal();
    terminal.expect("run-migrations in staging").expect("Reason").type_line("ticket 12");
    terminal.expect("Type \"staging\" to go on").type_line("staging");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(executions(&world), 1);
}

#[test]
fn a_dry_run_is_checked_by_google_cloud_and_starts_nothing() {
    let world = world();
    put_job(&world, |job| job["template"]["template"]["maxRetries"] = json!(3));
    let dry = migrate(&world, &["--dry-run"]).output().exits(0);
    assert_snapshot!(dry.stdout, @r"
    run-migrations in staging
      project          quill-medical-staging, europe-west2
      job              quill-migrate-staging
      sets             ADMIN_ACTION=run-migrations
      time-out         900 s
      image            europe-west2-docker.pkg.dev/quill-medical-staging/quill/backend:main
    warning: Cloud Run starts a run of this job that fails again, up to 3 times: what it does may be done more than once
    nothing was started: Google Cloud accepts this run
    ");
    let json = migrate(&world, &["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(json["timeout_seconds"], 900, "{json:#}");
    assert_eq!(json["request"]["ADMIN_ACTION"], "run-migrations", "{json:#}");
    assert!(json["started_again"].as_str().is_some_and(|told| told.contains("up to 3 times")), "{json:#}");
    assert_eq!(sent(&world)["validateOnly"], json!(true));
    assert_eq!(executions(&world), 0);
}

/// The job belongs to the application: how often Cloud Run starts a failed run again is its own setting.
#[test]
fn retries_are_told_before_the_start_and_not_refused() {
    let world =
        scripted(Script::new([Step::log("one"), Step::Exit(3)]).then([Step::log("two"), Step::Exit(0)]));
    put_job(&world, |job| job["template"]["template"]["maxRetries"] = json!(1));
    for style in [&[][..], &["--quiet"]] {
        let run = migrate(&world, style).output().exits(0);
        let (before, after) = run.stderr.split_once("that fails again, once").expect("it is told");
        assert!(!before.contains("one") && !after.is_empty(), "{run}");
        assert!(after.contains("has started execution quill-migrate-staging-"), "{run}");
    }
}

#[test]
fn its_runs_are_found_again() {
    let world = world();
    let ours = world.quill_admin(["check", "-e", "staging", "--json"]).output();
    let ours = name_of_execution(&ours);
    ends_with(&world, "3");
    let theirs = name_of_execution(&migrate(&world, &["--json", "--reason", "first"]).output().exits(3));
    // Another pipeline runs the same job, without this tool.
    let at = ["--application", "application"];
    let attached = world.quill_admin(["attach", &theirs].into_iter().chain(at)).output().exits(3);
    assert!(errors(&attached).contains("ended with 3"), "{attached}");
    let logs = world.quill_admin(["logs", &theirs].into_iter().chain(at)).output().exits(0);
    assert!(logs.stdout.contains("upgrading for run-migrations, asked by nobody with a key"), "{logs}");
    let followed = world.quill_admin(["logs", &theirs, "--follow"].into_iter().chain(at)).output().exits(0);
    assert!(followed.stdout.contains("upgrading for run-migrations"), "{followed}");
    let own = world.quill_admin(["logs", &ours].into_iter().chain(at)).output().exits(0);
    assert!(own.stdout.contains("ours"), "{own}");

    let history = || world.quill_admin(["history", "-e", "staging"].into_iter().chain(at));
    let text = history().output().exits(0).stdout;
    assert!(text.contains("failed  run-migrations\n"), "{text}");
    assert!(text.contains("\"first\", job quill-migrate-staging of the application\n"), "{text}");
    let json = history().arg("--json").output().exits(0).json();
    let run = &json["runs"][0];
    assert_eq!(
        (&run["execution"], &run["job"]),
        (&json!(theirs), &json!("quill-migrate-staging")),
        "{json:#}"
    );
    assert_eq!((&run["action"], &run["outcome"]), (&json!("run-migrations"), &json!("failed")), "{json:#}");
    assert_eq!(json["runs"][1]["job"], "quill-tasks-staging", "{json:#}");
    assert_eq!(json["not_read"], json!([]));
    // A planted line does not count as a record.
    assert_eq!((&run["record"], &run["contradicted"]), (&Value::Null, &json!(false)), "{json:#}");
    // The history of one user has no such runs: the job is about no user.
    let of_user = history().args(["--user", "steve", "--json"]).output().exits(0).json();
    assert_eq!(of_user["runs"], json!([]), "{of_user:#}");

    // Executions that could not be read are not reported as missing.
    world
        .emulator
        .set_faults([Fault::new("*/jobs/quill-migrate-staging/executions", FaultAction::status(403, "no"))]);
    let partly = history().output().exits(0);
    assert!(partly.stdout.contains("quill-migrate-staging could not be looked at"), "{partly}");
    assert!(!partly.stdout.contains("run-migrations"), "{partly}");
}

#[test]
fn a_running_one_is_cancelled_by_its_name() {
    let world = scripted(Script::new([Step::log("working"), Step::Forever]));
    let mut terminal = migrate(&world, &[]).terminal();
    terminal.expect("execution quill-migrate-staging-").ctrl_c();
    terminal.expect("[w/d/c]").type_text("d\r");
    assert_eq!(terminal.wait().code(), 130);
    wait_until("it runs", || executions(&world) == 1);
    let id = world.emulator.executions(MIGRATE)[0]["name"].as_str().expect("a name").to_owned();
    let id = id.rsplit('/').next().expect("an id");
    let cancelled = world.quill_admin(["cancel", id, "--application", "application"]).output().exits(0);
    assert!(cancelled.stdout.contains("was cancelled"), "{cancelled}");
}

#[test]
fn a_job_that_is_not_there_is_told_with_where_its_name_comes_from() {
    let world = world();
    let actions =
        world.home.read("application/actions.yaml").replace("quill-migrate-{env}", "quill-upgrade-{env}");
    world.home.write("application/actions.yaml", &actions);
    let refused = migrate(&world, &[]).output().exits(22);
    assert_snapshot!(errors(&refused).replace(&world.home.work().display().to_string(), "…"), @r#"
    error: there is no job quill-upgrade-staging in quill-medical-staging, europe-west2: the action run-migrations of …/application/actions.yaml names it; nothing was started
     next: see which jobs there are: gcloud run jobs list --project=quill-medical-staging --region=europe-west2; another one is named with "job:" of the action
    "#);
    // A history without the application's job is complete.
    let history = ["history", "-e", "staging", "--application", "application", "--json"];
    assert_eq!(world.quill_admin(history).output().exits(0).json()["not_read"], json!([]));
}

/// The admin job has the name that the application's pipeline gives its own job.
#[test]
fn the_job_of_our_own_tasks_is_not_asked_for_it() {
    let world = world();
    let apart = world.home.read("environments.yaml");
    let shared = apart.replace("job: quill-tasks-{env}", "job: quill-admin-{env}");
    world.home.write("environments.yaml", &shared);
    let refused = world.quill_admin(["run-migrations", "-e", "staging"]).output().exits(2);
    assert_snapshot!(errors(&refused).replace(&world.home.work().display().to_string(), "…"), @r#"
    error: the action run-migrations of application/actions.yaml runs the job quill-admin-staging, and that is the job of staging's own tasks: quill-admin's container would be asked for what only the application's can do; nothing was started
     next: give quill-admin's tasks a job of their own: "job: quill-tasks-{env}" in …/environments.yaml, or name another job of the application's with "job:" of the action in application/actions.yaml
    "#);
    // The names are separate, as they are shipped.
    world.home.write("environments.yaml", &apart);
    let theirs = JOB.replace("quill-tasks-", "quill-admin-");
    world.emulator.put_job(&theirs, world.emulator.get(MIGRATE).expect("there")).expect("a valid job");
    let _ = world.quill_admin(["run-migrations", "-e", "staging"]).output().exits(0);
    assert_eq!(world.emulator.executions(&theirs).len(), 1);
}

#[test]
fn on_this_machine_there_is_no_such_job() {
    let world = world();
    let refused = world.quill_admin(["mr", "-e", "local", "--application", "application"]).output().exits(22);
    assert_snapshot!(errors(&refused), @r"
    error: run-migrations runs the application's job quill-migrate-local, and local is on this machine, where there is no such job: its tables come from the application's schema.sql; nothing was started
     next: to make the tables afresh: quill-admin local reset --env local
    ");
}
