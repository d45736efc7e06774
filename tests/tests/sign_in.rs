//! The sign-in: where it comes from, what it may do, and what happens when it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use cloud_emulator::{Fault, FaultAction, Script, Step};
use insta::assert_snapshot;
use quill_admin_e2e::{Finished as _, JOB, PROJECT, TAIL, TOKEN, World};
use quill_admin_testkit::home::{Home, Run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// A secret that is in every file of credentials, and nowhere else.
const CLIENT_SECRET: &str = "planted-client-secret-Wv8";

const SHOW: [&str; 5] = ["show-user", "-e", "staging", "-u", "steve"];

/// A user's credentials with this refresh token.
fn credentials(world: &World, refresh_token: &str) -> String {
    json!({
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": CLIENT_SECRET,
        "refresh_token": format!("planted-{refresh_token}"),
        "token_uri": format!("{}/token", world.emulator.url()),
    })
    .to_string()
}

/// A result line of a task that ended well.
fn result() -> Step {
    let user = json!({"username": "steve", "email": "s@example.org", "permission": "staff", "base_profession": "x",
        "roles": [], "active": true, "totp_enabled": false});
    let line = json!({"contract": 1, "action": "show-user", "exit_code": 0, "outcome": {"result": "found", "user": user}});
    Step::log(json!({"message": "found", "quill_admin": line}).to_string())
}

fn script(seconds: f64) -> Script {
    Script::new([Step::wait(Duration::from_secs_f64(seconds)), result()])
}

/// A program called gcloud: a shell script.
pub(crate) fn gcloud(home: &Home, script: &str) {
    home.write("bin/gcloud", &format!("#!/bin/sh\n{script}\n"));
    let program = home.work().join("bin/gcloud");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).expect("an executable");
}

/// A command line for which gcloud is the program that the test has written.
pub(crate) fn quill_admin<'a>(world: &World, args: impl IntoIterator<Item = &'a str>) -> Run {
    world
        .quill_admin(args)
        .env("PATH", format!("{}:/usr/bin:/bin", world.home.work().join("bin").display()))
        .env("CLOUDSDK_CONFIG", world.home.work().join("gcloud"))
}

/// Writes the files of a gcloud that is signed in.
pub(crate) fn sign_in(world: &World) {
    world.home.write("gcloud/active_config", "work");
    world.home.write("gcloud/configurations/config_work", "[core]\naccount = steve@example.org\n");
    world.home.write("gcloud/legacy_credentials/steve@example.org/adc.json", &credentials(world, "stored"));
}

/// Number of times that a token was requested.
fn refreshes(world: &World) -> usize {
    world.emulator.calls().iter().filter(|call| call.path == "/token").count()
}

/// Number of executions.
fn executions(world: &World) -> usize {
    let calls = world.emulator.calls();
    calls.iter().filter(|call| call.path.ends_with(":run") && call.status == Some(200)).count()
}

/// Checks that no secret is in the output, in a file except those given, or in a request except where it
/// belongs.
fn assert_no_secrets(world: &World, shown: &str, holders: &[&str]) {
    for secret in [TOKEN, CLIENT_SECRET, "planted-stored", "ya29."] {
        assert!(!shown.contains(secret), "{secret} is in:\n{shown}");
        let mut files = world.home.files_with(secret);
        files.retain(|file| !holders.iter().any(|holder| file.ends_with(holder)));
        assert_eq!(files, Vec::<PathBuf>::new(), "{secret}");
        for mut call in world.emulator.calls() {
            if call.path == "/token" {
                continue;
            }
            call.headers.remove("authorization");
            assert!(!format!("{call:?}").contains(secret), "{secret} is in {call:?}");
        }
    }
}

#[test]
fn the_most_explicit_sign_in_is_used() {
    let world = World::signed_in(Script::default());
    sign_in(&world);
    gcloud(&world.home, &format!("echo \"$@\" >> calls; echo {TOKEN}"));
    for name in ["flag", "variable"] {
        world.home.write(name, &format!("{TOKEN}\n"));
    }
    world.home.write("explicit.json", &credentials(&world, "explicit"));
    let default = "gcloud/application_default_credentials.json";
    world.home.write(default, &credentials(&world, "default"));

    let whoami = |args: &[&str], variables: &[(&str, &str)]| {
        let mut run = quill_admin(&world, ["whoami", "-e", "staging"]).args(args.iter().copied());
        for (name, value) in variables {
            run = run.env(*name, *value);
        }
        let finished = run.output().exits(0);
        let mut head = finished.stdout.lines();
        let (who, how) = (head.next().expect("who"), head.next().expect("how"));
        let calls = world.emulator.calls();
        let refresh = calls.iter().rev().find(|call| call.path == "/token");
        let with = refresh.map_or("none", |call| call.body["refresh_token"].as_str().expect("a text"));
        format!("{who} | {} | {with}", how.trim().replace(&format!("{}/", world.home.work().display()), ""))
    };
    let token = ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "variable");
    let explicit = ("GOOGLE_APPLICATION_CREDENTIALS", "explicit.json");
    let flag = whoami(&["--access-token-file", "flag"], &[token, explicit]);
    let variable = whoami(&[], &[token, explicit]);
    let explicit = whoami(&[], &[explicit]);
    let stored = whoami(&[], &[]);
    assert!(!world.home.work().join("calls").exists(), "gcloud was not started");
    fs::remove_dir_all(world.home.work().join("gcloud/legacy_credentials")).expect("removed");
    let command = whoami(&[], &[]);
    assert_eq!(world.home.read("calls"), "auth print-access-token --quiet\n");
    fs::remove_dir_all(world.home.work().join("gcloud/configurations")).expect("removed");
    let application_default = whoami(&[], &[]);
    assert_snapshot!([flag, variable, explicit, stored, command, application_default].join("\n"), @r"
    steve@example.org in staging | sign-in          the access token in flag | none
    steve@example.org in staging | sign-in          the access token in variable | none
    steve@example.org in staging | sign-in          GOOGLE_APPLICATION_CREDENTIALS (explicit.json) | planted-explicit
    steve@example.org in staging | sign-in          gcloud auth login | planted-stored
    steve@example.org in staging | sign-in          gcloud auth print-access-token | planted-stored
    steve@example.org in staging | sign-in          gcloud auth application-default login | planted-default
    ");

    fs::remove_file(world.home.work().join(default)).expect("removed");
    assert_snapshot!(quill_admin(&world, SHOW).output().exits(20).transcript(), @r"
    exit status: 20
    ----- stdout -----
    ----- stderr -----
    error: failed to sign in to Google Cloud: nobody is signed in on this machine
     next: sign in with: quill-admin login
     next: look closer with: quill-admin doctor --env staging --only machine-sign-in
    ");
}

#[test]
fn the_token_is_fetched_while_questions_are_answered() {
    let world = World::signed_in(script(0.0));
    sign_in(&world);
    let mut terminal = quill_admin(&world, ["show-user", "-e", "staging"]).terminal();
    terminal.expect("Username");
    while refreshes(&world) == 0 {
        std::thread::sleep(Duration::from_millis(10));
    }
    terminal.type_line("steve");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(refreshes(&world), 1);
}

#[test]
fn a_token_that_is_refused_in_the_middle_is_renewed() {
    let world = World::signed_in(script(3.0));
    sign_in(&world);
    let mut terminal = quill_admin(&world, SHOW).terminal();
    terminal.expect("running");
    world.emulator.expire_tokens();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 0, "{}", ended.transcript);
    assert_eq!(world.runs(), 1);
    let calls = world.emulator.calls();
    assert!(calls.iter().any(|call| call.status == Some(401)), "the old token was refused");
    // The state and the log are requested at the same time: each may notice the expired token by itself.
    assert!((2..=3).contains(&refreshes(&world)), "{}", world.calls());
    assert_no_secrets(&world, &ended.transcript, &["adc.json"]);
}

#[test]
fn a_start_that_was_not_let_in_is_sent_once_more() {
    let refused = || FaultAction::status(401, "Request had invalid authentication credentials.");
    let world = World::signed_in(script(0.0));
    sign_in(&world);
    world.emulator.set_faults([Fault::new("*:run", refused()).times(1)]);
    let _ = quill_admin(&world, SHOW).output().exits(0);
    assert_eq!((world.runs(), executions(&world), refreshes(&world)), (2, 1, 2));

    let world = World::signed_in(script(0.0));
    sign_in(&world);
    world.emulator.set_faults([Fault::new("*:run", refused())]);
    let finished = quill_admin(&world, SHOW).output().exits(20);
    assert!(finished.stderr.contains("next: sign in with: quill-admin login"), "{finished}");
    assert_eq!((world.runs(), executions(&world)), (2, 0));
}

#[test]
fn a_live_log_that_was_not_let_in_is_opened_with_a_new_token() {
    let world = World::signed_in(script(3.0));
    sign_in(&world);
    let refused = FaultAction::status(401, "Request had invalid authentication credentials.");
    world.emulator.set_faults([Fault::new(format!("*{TAIL}"), refused).times(1)]);
    let _ = quill_admin(&world, SHOW).output().exits(0);
    let calls = world.emulator.calls();
    let tails: Vec<_> = calls.iter().filter(|call| call.path.ends_with(TAIL)).collect();
    assert_eq!(tails.len(), 2, "it was opened again");
    assert_ne!(tails[0].headers["authorization"], tails[1].headers["authorization"]);
    assert_eq!(refreshes(&world), 2);
}

#[test]
fn an_environment_can_be_worked_on_as_a_service_account() {
    const ROBOT: &str = "robot@quill-medical-staging.iam.gserviceaccount.com";
    let world = World::signed_in(script(0.0));
    sign_in(&world);
    let file = world.home.read("environments.yaml");
    let acting = format!(
        "impersonate_service_account: \"robot@{{project}}.iam.gserviceaccount.com\", project: {PROJECT},"
    );
    let file = file.replace(&format!("project: {PROJECT},"), &acting);
    world.home.write("environments.yaml", &file);
    let _ = quill_admin(&world, SHOW).output().exits(0);
    assert_eq!(world.emulator.executions(JOB)[0]["creator"], ROBOT);
    let whoami = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(0);
    assert!(whoami.stdout.starts_with("steve@example.org in staging\n"), "{whoami}");
    assert!(whoami.stdout.contains(&format!("acts as          {ROBOT}")), "{whoami}");

    world.emulator.deny_permissions(["iam.serviceAccounts.getAccessToken"]);
    let refused = quill_admin(&world, SHOW).output();
    assert_snapshot!(refused.transcript(), @r"
    exit status: 21
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    error: failed to sign in to Google Cloud: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).
     next: ask an administrator for: gcloud iam service-accounts add-iam-policy-binding robot@quill-medical-staging.iam.gserviceaccount.com --member=user:steve@example.org --role=roles/iam.serviceAccountTokenCreator
     next: look closer with: quill-admin doctor --env staging --only permissions
    ");
    assert_eq!(world.runs(), 1);

    // The doctor names the same role, and not a role where the service is off that gives the token.
    let only = "machine-sign-in,project";
    let doctor = || quill_admin(&world, ["doctor", "--env", "staging", "--only", only]).output().exits(30);
    let role = "gcloud iam service-accounts add-iam-policy-binding";
    let denied = doctor();
    assert!(denied.stdout.contains("✘ machine-sign-in") && denied.stdout.contains(role), "{denied}");
    assert!(denied.stdout.contains("skipped: it needs machine-sign-in"), "{denied}");
    world.emulator.deny_permissions(Vec::<String>::new());
    world.emulator.set_service_enabled(PROJECT, "iamcredentials.googleapis.com", false);
    let off = doctor();
    assert!(off.stdout.contains("gcloud services enable iamcredentials.googleapis.com --project="), "{off}");
    assert!(!off.stdout.contains(role), "{off}");

    // An environment with another sign-in is looked at all the same.
    let teaching = "  teaching: { project: quill-medical-teaching }\n";
    let other =
        format!("  other: {{ project: quill-medical-other, endpoint: \"{}\" }}\n", world.emulator.url());
    assert!(file.contains(teaching), "{file}");
    world.home.write("environments.yaml", &file.replace(teaching, &other));
    let both = quill_admin(&world, ["doctor", "--only", only]).output().exits(30);
    for line in ["✘ machine-sign-in", "failed to sign in to Google Cloud", "failed to read the project"] {
        assert!(both.stdout.contains(line), "{line}: {both}");
    }
    assert!(!both.stdout.contains("skipped"), "{both}");
}

#[test]
fn nobody_is_asked_again_where_nobody_is_signed_in() {
    let world = World::scripted(script(0.0));
    world.emulator.set_token(TOKEN);
    let _ = world.quill_admin(SHOW).output().exits(20);
    // The live log, which nothing waits for, may be requested as well.
    let calls = world.emulator.calls();
    assert_eq!(calls.iter().filter(|call| !call.path.ends_with(TAIL)).count(), 1);
}

#[test]
fn a_sign_in_that_is_over() {
    let world = World::signed_in(script(0.0));
    sign_in(&world);
    world.emulator.refuse_refresh(Some("Token has been expired or revoked."));
    let finished = quill_admin(&world, SHOW).output().exits(20);
    assert_snapshot!(finished.transcript(), @r"
    exit status: 20
    ----- stdout -----
    ----- stderr -----
    connecting (N.N s)
    error: failed to sign in to Google Cloud: the sign-in was refused: Token has been expired or revoked.
     next: sign in with: quill-admin login
     next: look closer with: quill-admin doctor --env staging --only machine-sign-in
    ");
    assert_no_secrets(&world, &finished.to_string(), &["adc.json"]);
    assert_eq!(world.runs(), 0);

    // Once the task runs, its outcome is not known.
    let world = World::signed_in(script(20.0));
    sign_in(&world);
    let mut terminal = quill_admin(&world, SHOW).terminal();
    terminal.expect("running");
    world.emulator.refuse_refresh(Some("Token has been expired or revoked."));
    world.emulator.expire_tokens();
    let ended = terminal.wait();
    assert_eq!(ended.code(), 27, "{}", ended.transcript);
    let said = ended.text();
    for part in [
        "error: lost contact with execution quill-tasks-staging-",
        "the task may still be running",
        "next: sign in with: quill-admin login",
        "next: see what the database holds: quill-admin show-user --env staging --username steve",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(world.runs(), 1);
    assert_no_secrets(&world, &ended.transcript, &["adc.json"]);
}

#[test]
fn files_that_are_no_sign_in() {
    let world = World::signed_in(Script::default());
    let typed = |kind: &str| json!({"type": kind, "client_secret": CLIENT_SECRET}).to_string();
    let mut said = Vec::new();
    for (variable, name, text) in [
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "missing", None),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "empty", Some(" \n".to_owned())),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "lines", Some(format!("{TOKEN}\n{TOKEN}"))),
        ("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "other", Some(format!("{TOKEN}-of-somebody-else"))),
        ("GOOGLE_APPLICATION_CREDENTIALS", "missing", None),
        ("GOOGLE_APPLICATION_CREDENTIALS", "text", Some(format!("{TOKEN} {CLIENT_SECRET}"))),
        ("GOOGLE_APPLICATION_CREDENTIALS", "type", Some(typed("gdch_service_account"))),
        ("GOOGLE_APPLICATION_CREDENTIALS", "none", Some("{}".to_owned())),
        ("GOOGLE_APPLICATION_CREDENTIALS", "user", Some(typed("authorized_user"))),
        ("GOOGLE_APPLICATION_CREDENTIALS", "robot", Some(typed("service_account"))),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "key",
            Some(
                json!({"type": "service_account", "client_email": "robot@p",
            "private_key_id": "id", "private_key": CLIENT_SECRET, "project_id": "p"})
                .to_string(),
            ),
        ),
        (
            "GOOGLE_APPLICATION_CREDENTIALS",
            "list",
            Some(
                json!({"type": "authorized_user", "client_id": "id",
            "client_secret": CLIENT_SECRET, "refresh_token": 5, "scopes": CLIENT_SECRET})
                .to_string(),
            ),
        ),
    ] {
        let file = format!("sign-in/{name}");
        if let Some(text) = text {
            world.home.write(&file, &text);
        }
        let finished = quill_admin(&world, SHOW).env(variable, &file).output().exits(20);
        let errors: Vec<&str> =
            finished.stderr.lines().filter(|line| !line.starts_with("connecting")).collect();
        let [error, next, closer] = errors[..] else { panic!("{finished}") };
        assert_eq!(next, " next: sign in with: quill-admin login");
        assert!(closer.ends_with("--only machine-sign-in"), "{finished}");
        assert_no_secrets(
            &world,
            &finished.to_string(),
            &["lines", "other", "text", "type", "user", "robot", "key", "list"],
        );
        said.push(format!("{name}: {error}").replace(&format!("{}/", world.home.work().display()), ""));
    }
    assert_snapshot!(said.join("\n"), @r#"
    missing: error: failed to sign in to Google Cloud: cannot read sign-in/missing: No such file or directory (os error 2)
    empty: error: failed to sign in to Google Cloud: sign-in/empty does not hold an access token
    lines: error: failed to sign in to Google Cloud: sign-in/lines does not hold an access token
    other: error: failed to read the job: Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.
    missing: error: failed to sign in to Google Cloud: cannot read sign-in/missing: No such file or directory (os error 2)
    text: error: failed to sign in to Google Cloud: sign-in/text is not a JSON file of credentials
    type: error: failed to sign in to Google Cloud: credentials of the type "gdch_service_account" are not supported
    none: error: failed to sign in to Google Cloud: credentials of the type "(none)" are not supported
    user: error: failed to sign in to Google Cloud: the stored credentials cannot be used: there is no "client_id"
    robot: error: failed to sign in to Google Cloud: the stored credentials cannot be used: there is no "client_email"
    key: error: failed to sign in to Google Cloud: failed to parse service account private key PEM: no items found
    list: error: failed to sign in to Google Cloud: the stored credentials cannot be used: they are not as Google writes them
    "#);
}

#[test]
fn who_has_every_permission_is_told_so() {
    let world = World::signed_in(Script::default());
    sign_in(&world);
    let finished = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(0);
    assert_snapshot!(finished.transcript(), @r"
    exit status: 0
    ----- stdout -----
    steve@example.org in staging
      sign-in          gcloud auth login
      project          quill-medical-staging
      region           europe-west2
      job              quill-tasks-staging

      ✔ can run tasks
      ✔ can see tasks, logs and the history
      ✔ can build and deploy the admin image
      ✔ can restore the backend
      ✔ can look for problems with doctor
      ✔ can fix problems with doctor --fix
    ----- stderr -----
    connecting (N.N s)
    ");
    // A token's file does not name its account; Google does.
    world.home.write("token", TOKEN);
    let finished = quill_admin(&world, ["whoami", "-e", "staging", "--access-token-file", "token", "--json"])
        .output()
        .exits(0);
    assert_eq!(finished.json()["account"], "steve@example.org");
    world.emulator.set_faults([Fault::new("/v1/userinfo", FaultAction::status(401, "no such scope"))]);
    let finished =
        quill_admin(&world, ["whoami", "-e", "staging", "--access-token-file", "token"]).output().exits(0);
    assert!(finished.stdout.starts_with("an unknown account in staging\n"), "{finished}");
    assert_no_secrets(&world, &finished.to_string(), &["adc.json", "token"]);
}

#[test]
fn who_lacks_permissions_is_told_the_roles() {
    let world = World::signed_in(Script::default());
    sign_in(&world);
    world.emulator.deny_permissions([
        "run.jobs.run",
        "run.jobs.runWithOverrides",
        "logging.logEntries.list",
        "run.services.update",
    ]);
    let finished = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(21);
    assert_snapshot!(finished.transcript(), @r"
    exit status: 21
    ----- stdout -----
    steve@example.org in staging
      sign-in          gcloud auth login
      project          quill-medical-staging
      region           europe-west2
      job              quill-tasks-staging

      ✘ cannot run tasks: 3 permissions are missing
      ✘ cannot see tasks, logs and the history: 1 permission is missing
      ✔ can build and deploy the admin image
      ✘ cannot restore the backend: 1 permission is missing
      ✘ cannot look for problems with doctor: 1 permission is missing
      ✘ cannot fix problems with doctor --fix: 1 permission is missing

      tasks
        ✘ run.jobs.run: missing, in roles/run.jobsExecutorWithOverrides
        ✘ run.jobs.runWithOverrides: missing, in roles/run.jobsExecutorWithOverrides
        ✘ logging.logEntries.list: missing, in roles/logging.viewer

      restore-backend
        ✘ run.services.update: missing, in roles/run.developer

      doctor
        ✘ logging.logEntries.list: missing, in roles/logging.viewer

      The project was asked and, for run.jobs, the job: a role given on a repository, a service
      or a service account alone is not seen.
      For storage.objects the bucket quill-medical-terraform-state was asked.
    ----- stderr -----
    connecting (N.N s)
    error: tasks cannot be run in staging: no run.jobs.run, run.jobs.runWithOverrides, logging.logEntries.list
     next: ask an administrator for: gcloud projects add-iam-policy-binding quill-medical-staging --member=user:steve@example.org --role=roles/logging.viewer
     next: ask an administrator for: gcloud projects add-iam-policy-binding quill-medical-staging --member=user:steve@example.org --role=roles/run.jobsExecutorWithOverrides
    ");
    let all = quill_admin(&world, ["whoami", "-e", "staging", "-v"]).output().exits(21);
    let listed = |sign: &str| all.stdout.matches(&format!("\n    {sign} ")).count();
    assert_eq!((listed("✔"), listed("✘")), (34, 5), "{all}");
    assert!(all.stdout.contains("\n  build\n    ✔ run.jobs.create\n"), "{all}");
    let finished = quill_admin(&world, ["whoami", "-e", "staging", "--json"]).output().exits(21);
    let mut document = finished.json();
    let permissions = document["permissions"].take();
    let missing: Vec<_> =
        permissions.as_array().expect("a list").iter().filter(|one| one["granted"] == false).collect();
    assert_eq!(missing.len(), 5, "one of them is needed for two purposes");
    assert_eq!(
        *missing[0],
        json!({"for": "tasks", "permission": "run.jobs.run", "granted": false, "role": "roles/run.jobsExecutorWithOverrides"})
    );
    assert_snapshot!(format!("{document:#}"), @r#"
    {
      "account": "steve@example.org",
      "acts_as": null,
      "environment": "staging",
      "exit_code": 21,
      "hints": [
        "ask an administrator for: gcloud projects add-iam-policy-binding quill-medical-staging --member=user:steve@example.org --role=roles/logging.viewer",
        "ask an administrator for: gcloud projects add-iam-policy-binding quill-medical-staging --member=user:steve@example.org --role=roles/run.jobsExecutorWithOverrides"
      ],
      "job": "quill-tasks-staging",
      "permissions": null,
      "project": "quill-medical-staging",
      "region": "europe-west2",
      "settings": null,
      "sign_in": "gcloud auth login"
    }
    "#);

    // Missing permissions for build alone do not prevent tasks.
    world.emulator.deny_permissions(["artifactregistry.repositories.uploadArtifacts"]);
    let finished = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(0);
    assert!(finished.stdout.contains("missing, in roles/artifactregistry.writer"), "{finished}");
    assert!(finished.stdout.contains("✔ can run tasks\n"), "{finished}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished}");
}

#[test]
fn a_role_on_the_job_alone_counts() {
    let world = World::signed_in(Script::default());
    sign_in(&world);
    world.emulator.deny_permissions(["run.jobs.run"]);
    let _ = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(21);
    let asked: Vec<_> = world
        .emulator
        .calls()
        .into_iter()
        .filter(|call| call.path.ends_with(":testIamPermissions"))
        .map(|call| (call.path, call.body["permissions"].as_array().map_or(0, Vec::len)))
        .collect();
    let (project, job) = (asked[0].clone(), asked[1].clone());
    assert_eq!(project, (format!("/v3/projects/{PROJECT}:testIamPermissions"), 29));
    assert!(job.0.ends_with("/jobs/quill-tasks-staging:testIamPermissions"), "{}", job.0);
    assert_eq!((job.1, asked.len()), (1, 2));
}

#[test]
fn nobody_is_asked_on_this_machine() {
    let world = World::scripted(Script::default());
    sign_in(&world);
    let finished = quill_admin(&world, ["whoami", "-e", "local"]).output().exits(0);
    assert_snapshot!(finished.transcript(), @r"
    exit status: 0
    ----- stdout -----
    nobody in local
      sign-in          none: everything is on this machine, where nobody is asked
      project          quill-medical-local
      region           europe-west2
      job              quill-tasks-local
    ----- stderr -----
    ");
    let finished = quill_admin(&world, ["whoami", "-e", "staging"]).output().exits(0);
    assert!(finished.stdout.starts_with("nobody in staging\n  sign-in          none: "), "{finished}");
    assert!(world.emulator.calls().iter().all(|call| !call.headers.contains_key("authorization")));
    let finished = quill_admin(&world, ["whoami"]).output().exits(2);
    assert!(finished.stderr.contains("missing: --env"), "{finished}");
}

#[test]
fn credentials_may_be_a_service_accounts_on_behalf_of_a_user() {
    let world = World::signed_in(Script::default());
    let robot = "robot@quill-medical-staging.iam.gserviceaccount.com";
    let url = world.emulator.url();
    let credentials = json!({
        "type": "impersonated_service_account",
        "service_account_impersonation_url":
            format!("{url}/v1/projects/-/serviceAccounts/{robot}:generateAccessToken"),
        "source_credentials": serde_json::from_str::<serde_json::Value>(&credentials(&world, "source")).expect("JSON"),
    });
    world.home.write("robot.json", &credentials.to_string());
    world.emulator.deny_permissions(["run.jobs.get"]);
    let finished = quill_admin(&world, ["whoami", "-e", "staging"])
        .env("GOOGLE_APPLICATION_CREDENTIALS", "robot.json")
        .output()
        .exits(21);
    assert!(finished.stdout.starts_with(&format!("{robot} in staging\n")), "{finished}");
    assert!(finished.stderr.contains(&format!("--member=serviceAccount:{robot} ")), "{finished}");
}

mod login {
    use super::*;

    #[test]
    fn gcloud_signs_in() {
        let world = World::signed_in(script(0.0));
        gcloud(
            &world.home,
            "echo \"$@\" > calls; echo 'Go to the following link:'; read code; [ \"$code\" = right ] || exit 1
             mkdir -p gcloud/configurations; printf '[core]\\naccount = steve@example.org\\n' > gcloud/configurations/config_default",
        );
        let mut terminal = quill_admin(&world, ["login", "--no-browser"]).terminal();
        terminal.expect("Go to the following link").type_line("right");
        terminal.expect("✔ signed in as steve@example.org");
        assert_eq!(terminal.wait().code(), 0);
        assert_eq!(world.home.read("calls"), "auth login --no-launch-browser\n");

        // A person who has named another sign-in is told that it takes precedence.
        let mut terminal =
            quill_admin(&world, ["login"]).env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", "token").terminal();
        terminal.expect("Go to the following link").type_line("right");
        terminal.expect("note: as long as it is named, the access token in");
        assert_eq!(terminal.wait().code(), 0);
        assert_eq!(world.home.read("calls"), "auth login\n");

        let mut terminal = quill_admin(&world, ["login", "--json"]).terminal();
        terminal.expect("Go to the following link").type_line("right");
        terminal.expect("\"account\": \"steve@example.org\"");
        assert_eq!(terminal.wait().code(), 0);

        let mut terminal = quill_admin(&world, ["login"]).terminal();
        terminal.expect("Go to the following link").type_line("wrong");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 20);
        assert!(
            ended.text().contains("error: gcloud auth login failed (exit status: 1)"),
            "{}",
            ended.text()
        );
    }

    #[test]
    fn ctrl_c_is_gclouds_too() {
        let world = World::signed_in(Script::default());
        gcloud(
            &world.home,
            "trap 'echo stopped > calls; exit 130' INT; echo waiting; while :; do sleep 0.1; done",
        );
        let mut terminal = quill_admin(&world, ["login"]).terminal();
        terminal.expect("waiting").ctrl_c();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.transcript);
        assert!(ended.text().contains("interrupted; the sign-in is as it was"), "{}", ended.text());
        assert_eq!(world.home.read("calls"), "stopped\n");
    }

    /// A sign-in that gcloud has completed by the time that it ends is reported.
    #[test]
    fn ctrl_c_that_comes_too_late_for_gcloud_is_no_untouched_sign_in() {
        let world = World::signed_in(Script::default());
        gcloud(&world.home, "trap 'sleep 0.5; exit 0' INT; echo waiting; while :; do sleep 0.1; done");
        let mut terminal = quill_admin(&world, ["login"]).terminal();
        terminal.expect("waiting").ctrl_c();
        let ended = terminal.wait();
        assert_eq!(ended.code(), 0, "{}", ended.transcript);

        // If only this program gets the signal, gcloud does not notice it, and is killed.
        gcloud(&world.home, "echo waiting; exec sleep 600");
        let mut terminal = quill_admin(&world, ["login"]).terminal();
        terminal.expect("waiting");
        let process = Pid::from_raw(i32::try_from(terminal.id()).expect("a process id")).expect("not 0");
        kill_process(process, Signal::TERM).expect("sent");
        let ended = terminal.wait();
        assert_eq!(ended.code(), 130, "{}", ended.transcript);
        assert!(ended.text().contains("whether somebody was signed in is not known"), "{}", ended.text());
        assert!(ended.text().contains("quill-admin whoami"), "{}", ended.text());
    }

    #[test]
    fn without_gcloud_or_a_terminal_it_is_said_what_to_do() {
        let world = World::signed_in(Script::default());
        let mut terminal = quill_admin(&world, ["login"]).env("PATH", "/nowhere").terminal();
        terminal.expect("error: gcloud, which signs in, is not installed");
        terminal.expect("next: install it: https://cloud.google.com/sdk/docs/install");
        assert_eq!(terminal.wait().code(), 20);
        assert_snapshot!(quill_admin(&world, ["login"]).output().exits(2).transcript(), @r"
        exit status: 2
        ----- stdout -----
        ----- stderr -----
        error: there is no terminal to sign in at
         next: at a terminal: quill-admin login
         next: in a script, name a sign-in: --access-token-file FILE, or the variable GOOGLE_APPLICATION_CREDENTIALS
        ");
    }
}
