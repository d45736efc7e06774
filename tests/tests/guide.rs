//! Checks that the transcripts and pictures of the documentation show the present output of commands.
//!
//! **To add one:** a recording here, `<!-- transcript: its-name -->` and `<!-- end -->` in a page, and `cargo
//! xtask docs`.

use std::collections::BTreeSet;
use std::fs;

use cloud_emulator::Script;
use quill_admin_contract::image::annotation;
use quill_admin_e2e::build_fixture::BuildFixture;
use quill_admin_e2e::doctor_fixture::DoctorFixture;
use quill_admin_e2e::recording::{Recording, pages};
use quill_admin_e2e::{JOB, STATE_BUCKET, World};
use quill_admin_testkit::healthy::{Target, set_variable};
use quill_admin_testkit::home::Home;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::terminal::Terminal;
use quill_admin_testkit::{needs_docker, needs_postgres, needs_registry};
use serde_json::json;

use crate::running::change_job;
use crate::{restore, sign_in};

const PASSWORD: &str = "correct horse battery staple 7";
/// The id of executions in the documentation.
const EXECUTION: &str = "quill-tasks-staging-x7k2p";

/// Defines recordings: each is a test, and a transcript of the same name.
macro_rules! recordings {
    ($($(#[needs($($need:ident),+)])? fn $fixture:ident() -> Recording $body:block)+) => {
        const RECORDINGS: &[&str] = &[$(stringify!($fixture)),+];

        $(
            #[test]
            fn $fixture() {
                $($($need!();)+)?
                let recording: Recording = $body;
                recording.transcript(&stringify!($fixture).replace('_', "-"));
            }
        )+
    };
}

#[test]
fn pages_have_no_other_transcripts() {
    let mut named = BTreeSet::new();
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let marks = text.split("<!-- transcript: ").skip(1);
        named.extend(marks.map(|rest| rest.split_once(" -->").expect("an end").0.replace('-', "_")));
    }
    let recordings: BTreeSet<String> = RECORDINGS.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(named, recordings);
}

/// Staging, with a job as in Google Cloud and an empty database.
fn staging() -> World {
    let world = World::with_database(Database::create(Generation::August2026));
    let mut job = world.job().expect("a job");
    let mut target = Target::of(world.database());
    target.tls = "require";
    target.put_into(&mut job);
    // As `build` sets it: another value would be told in every log.
    set_variable(&mut job, "AUTH_DB_SSLMODE", "require");
    world.emulator.put_job(JOB, job.clone()).expect("a valid job");
    // Prod is another project of the same cloud; the database may be the same.
    let project = "quill-medical-production";
    let prod =
        JOB.replace("quill-medical-staging", project).replace("quill-tasks-staging", "quill-tasks-prod");
    world.emulator.put_job(&prod, job).expect("a valid job");
    world.emulator.put_secret(project, "core-db-password", world.database().password.clone());
    let file = world.home.read("environments.yaml");
    let prod = format!(
        "  prod: {{ project: {project}, protected: true, endpoint: \"{}\" }}\n",
        world.emulator.url()
    );
    world.home.write("environments.yaml", &format!("{file}{prod}"));
    world
}

/// Staging with a user.
fn staging_with_steve() -> World {
    let world = staging();
    quietly(
        &world,
        &[
            "cs",
            "-e",
            "staging",
            "-u",
            "steve.jones",
            "--email",
            "steve.jones@example.org",
            "--password-stdin",
        ],
    );
    world
}

fn quietly(world: &World, args: &[&str]) {
    world.quill_admin(args.iter().copied()).stdin(PASSWORD).output().expect_code(0);
}

fn nobody(_: &mut Terminal) {}

/// Records a command of a world.
fn record(
    recording: Recording,
    world: &World,
    command: &str,
    code: i32,
    act: impl FnOnce(&mut Terminal),
) -> Recording {
    recording.command(command, code, |args| world.quill_admin(args.iter().copied()), act)
}

/// The name of the newest execution.
fn execution(world: &World) -> String {
    let history = world.quill_admin(["history", "-e", "staging", "--json"]).output().json();
    history["runs"][0]["execution"].as_str().expect("a name").to_owned()
}

/// Records a command that names an execution.
fn shot_of(recording: Recording, world: &World, command: &str, code: i32) -> Recording {
    let execution = execution(world);
    let run = |args: &[&str]| {
        world.quill_admin(args.iter().map(|arg| if *arg == EXECUTION { &execution } else { *arg }))
    };
    recording.command(command, code, run, nobody)
}

fn type_superadmin(terminal: &mut Terminal) {
    // All answers wait until the terminal does not echo any more: then the program shows the answer itself.
    terminal.expect("Username").type_hidden("steve.jones");
    terminal.expect("Email").type_hidden("steve.jones@example.org");
    terminal.expect("Password (hidden)").type_hidden(PASSWORD);
    terminal.expect("Password, again").type_hidden(PASSWORD);
    run_it(terminal);
}

fn run_it(terminal: &mut Terminal) {
    terminal.expect("Run it? [y/N]").type_line("y");
}

recordings! {
    fn quick_start() -> Recording {
        let home = Home::with_environments();
        let run = |args: &[&str]| home.quill_admin(args.iter().copied()).env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0");
        Recording::new().command("quill-admin create-superadmin --env local", 0, run, type_superadmin)
    }

    #[needs(needs_postgres)]
    fn create_superadmin() -> Recording {
        let recording = record(Recording::new(), &staging(), "quill-admin create-superadmin --env staging", 0, type_superadmin);
        recording.picture("create-superadmin");
        recording
    }

    #[needs(needs_postgres)]
    fn update_permissions() -> Recording {
        let world = staging_with_steve();
        record(Recording::new(), &world, "quill-admin update-permissions --env staging", 0, |terminal| {
            terminal.expect("Username").type_hidden("steve.jones");
            terminal.expect("Enter takes it").type_line("admin");
            run_it(terminal);
        })
    }

    #[needs(needs_postgres)]
    fn add_role() -> Recording {
        let world = staging_with_steve();
        record(Recording::new(), &world, "quill-admin add-role --env staging", 0, |terminal| {
            terminal.expect("Username").type_hidden("steve.jones");
            terminal.expect("Enter takes it").down().down().down().enter();
            run_it(terminal);
        })
    }

    #[needs(needs_postgres)]
    fn remove_role() -> Recording {
        let world = staging_with_steve();
        quietly(&world, &["ar", "-e", "staging", "-u", "steve.jones", "-r", "Clinician"]);
        record(Recording::new(), &world, "quill-admin remove-role --env staging -u steve.jones -r Clinician", 0, nobody)
    }

    #[needs(needs_postgres)]
    fn show_user() -> Recording {
        record(Recording::new(), &staging_with_steve(), "quill-admin show-user --env staging -u steve.jones", 0, nobody)
    }

    #[needs(needs_postgres)]
    fn check() -> Recording {
        record(Recording::new(), &staging(), "quill-admin check --env staging", 0, nobody)
    }

    #[needs(needs_postgres)]
    fn dry_run() -> Recording {
        let command = "quill-admin add-role --env staging -u steve.jones -r Clinician --dry-run";
        record(Recording::new(), &staging_with_steve(), command, 0, nobody)
    }

    #[needs(needs_postgres)]
    fn preview() -> Recording {
        let world = staging_with_steve();
        change_job(&world, |job| job["annotations"][annotation::CONTRACTS] = json!("1-4"));
        let command = "quill-admin update-permissions --env staging -u steve.jones -p admin --preview";
        record(Recording::new(), &world, command, 0, |terminal| {
            terminal.expect("Run exactly this now? [y/N]").type_line("y");
        })
    }

    #[needs(needs_postgres)]
    fn protected() -> Recording {
        let world = staging_with_steve();
        record(Recording::new(), &world, "quill-admin update-permissions --env prod -u steve.jones -p admin", 0, |terminal| {
            terminal.expect("Reason").type_hidden("moves to user management, ticket 4711");
            terminal.expect("to go on").type_hidden("prod");
        })
    }

    #[needs(needs_postgres)]
    fn unknown_role() -> Recording {
        let world = staging_with_steve();
        record(Recording::new(), &world, "quill-admin add-role --env staging -u steve.jones -r Clinican", 11, nobody)
    }

    #[needs(needs_postgres)]
    fn role_not_seeded() -> Recording {
        let world = staging();
        world.database().execute("DELETE FROM roles");
        record(Recording::new(), &world, "quill-admin create-superadmin --env staging", 0, type_superadmin)
    }

    #[needs(needs_postgres)]
    fn history() -> Recording {
        let world = staging_with_steve();
        quietly(&world, &["ar", "-e", "staging", "-u", "steve.jones", "-r", "Clinician", "--reason", "ticket 4711"]);
        record(Recording::new(), &world, "quill-admin history --env staging", 0, nobody)
    }

    #[needs(needs_postgres)]
    fn logs() -> Recording {
        let world = staging_with_steve();
        quietly(&world, &["ar", "-e", "staging", "-u", "steve.jones", "-r", "Clinician"]);
        shot_of(Recording::new(), &world, "quill-admin logs quill-tasks-staging-x7k2p", 0)
    }

    #[needs(needs_postgres)]
    fn attach() -> Recording {
        let world = staging_with_steve();
        quietly(&world, &["ar", "-e", "staging", "-u", "steve.jones", "-r", "Clinician"]);
        shot_of(Recording::new(), &world, "quill-admin attach quill-tasks-staging-x7k2p", 0)
    }

    #[needs(needs_postgres)]
    fn interrupted_and_cancelled() -> Recording {
        let world = staging_with_steve();
        // Somebody else's transaction has the row, so that the task takes a while.
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let other = runtime.block_on(world.database().connect());
        runtime.block_on(other.batch_execute("BEGIN; SELECT FROM users FOR UPDATE")).expect("a lock");
        let command = "quill-admin update-permissions --env staging -u steve.jones -p admin";
        let recording = record(Recording::new(), &world, command, 130, |terminal| {
            terminal.expect("connected").ctrl_c();
            terminal.expect("[w/d/c]").type_line("d");
        });
        shot_of(recording, &world, "quill-admin cancel quill-tasks-staging-x7k2p", 0)
    }

    #[needs(needs_registry)]
    fn doctor() -> Recording {
        let environment = DoctorFixture::healthy();
        environment.put_job("/template/template/maxRetries", json!(3));
        let lock = json!({
            "ID": "0b8c2f4e-6a1d-4f7b-9c3e-5d2a1b0c9e8f", "Operation": "OperationTypeApply", "Info": "",
            "Who": "runner@ci", "Version": "1.9.5", "Created": "2026-08-14T07:12:09Z", "Path": "",
        });
        environment.world.emulator.put_object_created(
            STATE_BUCKET,
            "terraform/state/staging.tflock",
            lock.to_string(),
            "2026-08-14T07:12:09Z".parse().expect("a time"),
        );
        let recording = Recording::new().command(
            "quill-admin doctor --env staging",
            30,
            |args| environment.doctor(args[3..].iter().copied()),
            nobody,
        );
        recording.picture("doctor");
        recording
    }

    fn envs() -> Recording {
        let home = Home::with_environments();
        Recording::new().command("quill-admin envs", 0, |args| home.quill_admin(args.iter().copied()), nobody)
    }

    fn login() -> Recording {
        let world = World::signed_in(Script::default());
        sign_in::gcloud(&world.home, "echo 'You are now logged in as [steve@example.org].'");
        sign_in::sign_in(&world);
        let run = |args: &[&str]| sign_in::quill_admin(&world, args.iter().copied());
        Recording::new()
            .command("quill-admin login", 0, run, nobody)
            .command("quill-admin whoami --env staging", 0, run, nobody)
    }

    #[needs(needs_docker, needs_registry)]
    fn build() -> Recording {
        let builds = BuildFixture::new();
        builds.sources();
        let sources = builds.world.home.work().join("sources");
        let run = |args: &[&str]| builds.quill_admin(args.iter().copied()).cwd(&sources);
        Recording::new().command("quill-admin build --env staging", 0, run, nobody)
    }

    #[needs(needs_docker, needs_registry)]
    fn restore_backend() -> Recording {
        let builds = BuildFixture::new();
        restore::incident(&builds);
        Recording::new().command(
            "quill-admin restore-backend --env staging",
            0,
            |args| builds.quill_admin(args.iter().copied()),
            nobody,
        )
    }

    fn local() -> Recording {
        let home = Home::with_environments();
        let run = |args: &[&str]| home.quill_admin(args.iter().copied()).env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0");
        run(&["cs", "-e", "local", "-u", "steve.jones", "--email", "steve.jones@example.org", "--password-stdin"])
            .stdin(PASSWORD)
            .output()
            .expect_code(0);
        Recording::new().command("quill-admin local status", 0, run, nobody).command("quill-admin local reset --yes", 0, run, nobody)
    }
}
