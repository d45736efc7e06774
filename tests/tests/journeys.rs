//! The main tasks, from the command line to the row.

use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

const PASSWORD: &str = "correct horse battery staple 7";

fn create(world: &World, username: &str, email: &str) -> Output {
    world
        .quill_admin([
            "create-superadmin",
            "-e",
            "staging",
            "-u",
            username,
            "--email",
            email,
            "--password-stdin",
        ])
        .stdin(PASSWORD)
        .output()
}

/// The way in which executions run: the executor as a process, or its image in the Docker engine.
type WorldWith = fn(Database) -> World;

/// Runs every journey in both worlds.
macro_rules! journeys {
    ($($journey:ident,)+) => {
        mod as_a_process {
            $(#[test] fn $journey() { insta::allow_duplicates! { super::$journey(super::World::with_database) } })+
        }

        mod in_a_container {
            use quill_admin_testkit::needs_builder_image;

            $(#[test] fn $journey() {
                let builder = needs_builder_image!();
                quill_admin_e2e::executor_image(&builder);
                insta::allow_duplicates! { super::$journey(super::World::with_containers) }
            })+
        }
    };
}

journeys! {
    a_superadmin_is_created_then_updated,
    a_role_that_is_not_seeded_is_a_warning_with_the_next_command,
    an_inactive_account_is_pointed_out,
    levels_and_roles,
    failures_are_told_with_the_executors_exit_code,
    every_character_survives_from_the_keyboard_to_the_row,
    the_older_schema_works_too,
    two_at_once_both_succeed,
}

fn a_superadmin_is_created_then_updated(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::August2026));
    let first = create(&world, "steve.jones", "steve@example.org").exits(0);
    assert_snapshot!(first.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ created steve.jones in staging (N.N s)

      user             steve.jones
      email            steve@example.org
      permission level superadmin
      base profession  consultant
      roles            System Administrator
      active           yes
      one-time codes   no
      email verified   yes
    ----- stderr -----
    connecting (N.N s)
    create-superadmin steve.jones in staging
      email            steve@example.org
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    ");
    let calls = world.calls();
    let (started, followed): (Vec<_>, Vec<_>) = calls.lines().enumerate().partition(|(index, _)| *index < 2);
    let started: Vec<&str> = started.into_iter().map(|(_, call)| call).collect();
    assert_eq!(started, ["GET …/jobs/quill-tasks-staging", "POST …/jobs/quill-tasks-staging:run"]);
    // The log is read to its end while the state is polled: their order is a matter of chance, and the number
    // of polls one of time. The log is read once.
    let execution = "GET …/jobs/quill-tasks-staging/executions/quill-tasks-staging-XXXXX";
    let (polls, others): (Vec<&str>, Vec<&str>) =
        followed.into_iter().map(|(_, call)| call).partition(|call| *call == execution);
    assert_eq!((polls.is_empty(), others), (false, vec!["POST /v2/entries:list"]));
    let hash = world.database().value("SELECT password_hash FROM users").expect("a hash");
    assert_eq!(hash.len(), 97);

    let second = create(&world, "steve.jones", "new@example.org").exits(0);
    assert_snapshot!(second.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ updated steve.jones in staging (N.N s)

      user             steve.jones
      email            new@example.org
      permission level superadmin
      base profession  consultant
      roles            System Administrator
      active           yes
      one-time codes   no
      email verified   yes

      changed:
        email steve@example.org → new@example.org
        password replaced
    ----- stderr -----
    connecting (N.N s)
    create-superadmin steve.jones in staging
      email            new@example.org
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    ");
    assert_eq!(
        world.database().rows(
            "SELECT username, email, is_active, system_permissions, base_profession, email_verified, name \
             FROM users JOIN user_role ON user_id = users.id JOIN roles ON role_id = roles.id"
        ),
        [["steve.jones", "new@example.org", "t", "superadmin", "consultant", "t", "System Administrator"]
            .map(|text| Some(text.to_owned()))
            .to_vec()]
    );
    assert_ne!(world.database().value("SELECT password_hash FROM users").expect("a hash"), hash);
    assert_eq!(world.runs(), 2);
}

fn a_role_that_is_not_seeded_is_a_warning_with_the_next_command(world_with: WorldWith) {
    let world = world_with(Database::builder(Generation::August2026).without_roles().create());
    let created = create(&world, "steve jones", "steve@example.org").exits(0);
    assert_snapshot!(created.stderr.lines().rev().take(2).collect::<Vec<_>>().join("\n"), @r#"
     next: quill-admin seed-roles --env staging
    warning: the role System Administrator is not in the database yet, so steve jones does not have it: put the roles there with "quill-admin seed-roles", then give it with "quill-admin add-role"
    "#);
    // A document has the text as the file has it.
    let again =
        ["cs", "-e", "staging", "-u", "steve jones", "--email", "steve@example.org", "--generate-password"];
    let document = world.quill_admin(again).arg("--json").output().exits(0).json();
    let warning = document["result"]["outcome"]["warnings"][0]["message"].as_str().unwrap_or_default();
    assert!(warning.contains("with `quill-admin seed-roles`, then"), "{document}");
    assert_eq!(world.database().value("SELECT count(*) FROM user_role").as_deref(), Some("0"));
}

fn an_inactive_account_is_pointed_out(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::August2026));
    let _ = create(&world, "steve", "steve@example.org").exits(0);
    world.database().execute("UPDATE users SET is_active = false");
    let again = create(&world, "steve", "steve@example.org").exits(0);
    assert!(again.stderr.contains("warning: ") && again.stderr.contains("inactive"), "{}", again.stderr);
    assert!(again.stdout.contains("active           no"), "{}", again.stdout);
}

fn levels_and_roles(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::August2026));
    let _ = create(&world, "steve", "steve@example.org").exits(0);
    let run =
        |args: &[&str]| world.quill_admin(args.iter().copied()).env("QUILL_ADMIN_ENV", "staging").output();

    let up = run(&["up", "-u", "steve", "-p", "staff", "--reason", "left the board"]).exits(0);
    assert_snapshot!(up.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ updated steve in staging (N.N s)

      user             steve
      email            steve@example.org
      permission level staff
      base profession  consultant
      roles            System Administrator
      active           yes
      one-time codes   no
      email verified   yes

      changed:
        permission level superadmin → staff
    ----- stderr -----
    connecting (N.N s)
    update-permissions steve in staging
      permission level staff
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
      reason           left the board
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    ");
    let ar = run(&["ar", "-u", "steve", "-r", "Clinician"]).exits(0);
    assert!(ar.stdout.contains("role Clinician added"), "{}", ar.stdout);
    let again = run(&["ar", "-u", "steve", "-r", "Clinician"]).exits(0);
    assert!(again.stdout.contains("it was so already"), "{}", again.stdout);
    let removed = run(&["remove-role", "-u", "steve", "-r", "Clinician"]).exits(0);
    assert!(removed.stdout.contains("role Clinician removed"), "{}", removed.stdout);
    assert_eq!(world.database().value("SELECT system_permissions FROM users").as_deref(), Some("staff"));

    let before = world.database().contents();
    let shown = run(&["show-user", "-u", "steve"]).exits(0);
    assert_snapshot!(shown.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ steve in staging (N.N s)

      user             steve
      email            steve@example.org
      permission level staff
      base profession  consultant
      roles            System Administrator
      active           yes
      one-time codes   no
      email verified   yes
    ----- stderr -----
    connecting (N.N s)
    show-user steve in staging
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    ");
    let checked = run(&["check"]).exits(0);
    assert_snapshot!(checked.transcript(), @r"
    exit status: 0
    ----- stdout -----
    ✔ tasks can run in staging (N.N s)

      server           PostgreSQL N.N
      database         DATABASE as DATABASE
      TLS              TLSv1.3
      schema           known (with users.email_verified, users.full_name, users.token_version)
      may write        yes
      roles            6 of 6 known
    ----- stderr -----
    connecting (N.N s)
    check in staging
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    ");
    assert_eq!(world.database().contents(), before, "reading writes nothing");
}

fn failures_are_told_with_the_executors_exit_code(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::August2026));
    let _ = create(&world, "steve", "steve@example.org").exits(0);
    let _ = create(&world, "maria", "maria@example.org").exits(0);
    let before = world.database().contents();
    let run =
        |args: &[&str]| world.quill_admin(args.iter().copied()).env("QUILL_ADMIN_ENV", "staging").output();

    let unknown = run(&["up", "-u", "Steve", "-p", "staff"]).exits(10);
    assert_snapshot!(unknown.transcript(), @r"
    exit status: 10
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    update-permissions Steve in staging
      permission level staff
      project          quill-medical-staging, europe-west2
      job              quill-tasks-staging
      image            sha256:REVISION, revision REVISION, built TIME
    starting the job (N.N s)
    execution quill-tasks-staging-XXXXX in quill-medical-staging, europe-west2
      │ connecting to 127.0.0.1:PORT/DATABASE as DATABASE (TLS: prefer)
      │ connected: PostgreSQL N.N, TLSv1.3
    error: there is no user Steve (names are compared exactly, upper and lower case included); nothing was changed
     next: to create the user: quill-admin create-user --env staging --username Steve
    ");
    let role = run(&["ar", "-u", "steve", "-r", "clinician"]).exits(11);
    assert!(
        role.stderr.contains("Clinical Administrator, Clinical Support Staff, Clinician, Patient"),
        "{}",
        role.stderr
    );
    let taken = create(&world, "steve", "maria@example.org").exits(12);
    assert!(taken.stderr.contains("belongs to another user, maria"), "{}", taken.stderr);

    let json = run(&["up", "-u", "Steve", "-p", "staff", "--json"]).exits(10);
    assert_eq!(json.stderr, "", "stdout is the whole answer");
    let document = json.json();
    assert_eq!(document["exit_code"], 10);
    assert_eq!(document["result"]["outcome"]["result"], "failed");
    assert_eq!(world.database().contents(), before, "a failure writes nothing");
}

fn every_character_survives_from_the_keyboard_to_the_row(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::August2026));
    let username = "Жанна O'Brien, \"x\"=^🙂 \\ $HOME; DROP TABLE users; --";
    let email = "ж,=^\"'🙂@пример.рф";
    let created = create(&world, username, email).exits(0);
    assert!(created.stdout.contains(username), "{}", created.stdout);
    assert_eq!(
        world.database().rows("SELECT username, email FROM users"),
        [vec![Some(username.to_owned()), Some(email.to_owned())]]
    );
    let role = "Rôle, \"=^🙂'";
    world.database().execute(&format!("INSERT INTO roles (name) VALUES ('{}')", role.replace('\'', "''")));
    let added = world.quill_admin(["ar", "-e", "staging", "-u", username, "-r", role]).output().exits(0);
    assert!(added.stdout.contains(role), "{}", added.stdout);
}

fn the_older_schema_works_too(world_with: WorldWith) {
    let world = world_with(Database::create(Generation::March2026));
    let created = create(&world, "steve", "steve@example.org").exits(0);
    assert!(!created.stdout.contains("email verified"), "{}", created.stdout);
}

fn two_at_once_both_succeed(world_with: WorldWith) {
    needs_postgres!();
    let world = world_with(Database::create(Generation::August2026));
    let commands: Vec<_> = (0..2)
        .map(|_| {
            world.quill_admin([
                "create-superadmin",
                "-e",
                "staging",
                "-u",
                "steve",
                "--email",
                "s@example.org",
                "--password-stdin",
            ])
        })
        .collect();
    std::thread::scope(|scope| {
        let runs: Vec<_> =
            commands.into_iter().map(|command| scope.spawn(|| command.stdin(PASSWORD).output())).collect();
        for run in runs {
            let _ = run.join().expect("ran").exits(0);
        }
    });
    assert_eq!(world.database().value("SELECT count(*) FROM users").as_deref(), Some("1"));
}
