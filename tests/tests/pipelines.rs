//! The steps of docs/pipelines.md, run as GitHub runs them: with its files, its variables, its shell.

use std::fs;
use std::process::Command;

use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::docker::root;
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{bin, http, needs_postgres, skip};
use serde_json::{Value, json};

/// The account that is signed in, in both examples.
const ROBOT: &str = "quill-tasks-pipeline@quill-medical-staging.iam.gserviceaccount.com";
/// The recorded origin of the run that [`run_step`] imitates.
const ORIGIN: &str = "GitHub Actions, for ann: https://github.com/example/quill/actions/runs/17/attempts/2, commit 3f2c78be9d10";

/// The workflow after a mark on the page.
fn workflow(name: &str) -> String {
    let page = fs::read_to_string(root().join("docs/pipelines.md")).expect("the page");
    let mark = format!("<!-- pipeline: {name} -->\n```yaml\n");
    let (_, rest) = page.split_once(&mark).unwrap_or_else(|| panic!("{mark} is not on the page"));
    rest.split_once("```").expect("its end").0.to_owned()
}

/// The script of its last step: the lines that are indented below its `run: |`.
fn script(workflow: &str) -> String {
    let (head, script) = workflow.rsplit_once("run: |\n").expect("a step that runs something");
    let margin = head.lines().last().expect("a line").len() + 2;
    script.lines().map(|line| line.get(margin..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// A cloud with a user whose email is not verified.
fn world() -> World {
    let database = Database::create(Generation::August2026);
    database.execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         system_permissions, additional_competencies, removed_competencies, email_verified) \
         VALUES ('steve', 's@example.org', 'x', true, false, 'nurse', 'staff', '[]', '[]', false)",
    );
    World::with_database(database)
}

/// Runs the page's script in the surroundings that GitHub provides: bash with its options, no terminal, its
/// variables.
fn run_step(world: &World, workflow: &str) -> Output {
    let programs = bin::quill_admin().parent().expect("a folder").display().to_string();
    world
        .home
        .run("/bin/bash")
        .args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c"])
        .arg(script(workflow))
        .env("PATH", format!("{programs}:/usr/bin:/bin"))
        .env("QUILL_ADMIN_CONFIG", "environments.yaml")
        .env("USERNAME", "steve")
        .env("CI", "true")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", "example/quill")
        .env("GITHUB_RUN_ID", "17")
        .env("GITHUB_RUN_ATTEMPT", "2")
        .env("GITHUB_ACTOR", "steve")
        .env("GITHUB_TRIGGERING_ACTOR", "ann")
        .env("GITHUB_SHA", "3f2c78be9d1055b1630ceea73d27597364c9af68")
        .env("GOOGLE_APPLICATION_CREDENTIALS", "gha-creds.json")
        .output()
}

/// Checks that the pipeline's account ran the task, and that the record names the pipeline's run.
fn assert_done_and_recorded(world: &World, step: &Output) {
    assert!(step.stderr.contains(&format!("origin           {ORIGIN}")), "{step}");
    let verified = world.database().value("SELECT email_verified::text FROM users WHERE username = 'steve'");
    assert_eq!(verified.as_deref(), Some("true"));
    let history = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    let run = &history["runs"][0];
    assert_eq!(run["record"], "proven", "{run}");
    assert_eq!((&run["origin"], &run["actor"]), (&json!(ORIGIN), &json!(ROBOT)), "{run}");
    let entry =
        world.quill_admin(["logs", run["execution"].as_str().expect("a name"), "-e", "staging", "--json"]);
    let entries = entry.output().exits(0).json();
    let told = |entry: &&Value| entry["payload"]["quill_admin"]["origin"] == ORIGIN;
    assert_eq!(entries["entries"].as_array().expect("a list").iter().filter(told).count(), 1, "{entries}");
    let read = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert!(read.stdout.contains(ORIGIN), "{read}");
}

#[test]
fn openid_connect() {
    needs_postgres!();
    let world = world();
    let workflow = workflow("oidc");
    assert!(workflow.contains("id-token: write") && workflow.contains(ROBOT), "{workflow}");
    // The server stands in for GitHub's endpoint, which the action names in the file that it writes.
    let (port, asked) = http::server(|_| {
        http::answer(
            "200 OK",
            "Content-Type: application/json\r\n",
            r#"{"count":1,"value":"planted-github-token"}"#,
        )
    });
    let url = world.emulator.url();
    let pool = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/providers/quill";
    let credentials = json!({
        "type": "external_account",
        "audience": pool,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{url}/v1/token"),
        "service_account_impersonation_url":
            format!("{url}/v1/projects/-/serviceAccounts/{ROBOT}:generateAccessToken"),
        "credential_source": {
            "url": format!("http://127.0.0.1:{port}/token?audience=quill"),
            "headers": { "Authorization": "Bearer planted-request-token" },
            "format": { "type": "json", "subject_token_field_name": "value" },
        },
    });
    world.home.write("gha-creds.json", &credentials.to_string());
    let step = run_step(&world, &workflow).exits(0);
    assert_done_and_recorded(&world, &step);

    assert!(asked.lock().expect("unpoisoned")[0].contains("planted-request-token"));
    let calls = world.emulator.calls();
    let exchange = calls.iter().find(|call| call.path == "/v1/token").expect("the token was exchanged");
    assert!(format!("{:?}", exchange.body).contains("planted-github-token"), "{exchange:?}");
    assert!(calls.iter().any(|call| call.path.ends_with(&format!("{ROBOT}:generateAccessToken"))));
    assert!(!step.stdout.contains("planted-") && !step.stderr.contains("planted-"), "{step}");
}

#[test]
fn the_key_of_a_service_account() {
    needs_postgres!();
    let world = world();
    let key = Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    let key = match key {
        Ok(key) if key.status.success() => String::from_utf8(key.stdout).expect("PEM"),
        Ok(key) => panic!("openssl made no key: {}", String::from_utf8_lossy(&key.stderr)),
        Err(error) => skip!("openssl", "{error}"),
    };
    let credentials = json!({
        "type": "service_account",
        "client_email": ROBOT,
        "private_key_id": "1",
        "private_key": key,
        "project_id": "quill-medical-staging",
        "token_uri": "https://oauth2.googleapis.com/token",
    });
    world.home.write("gha-creds.json", &credentials.to_string());
    let workflow = workflow("key");
    assert!(workflow.contains("credentials_json: ${{ secrets."), "{workflow}");
    let step = run_step(&world, &workflow).exits(0);
    assert_done_and_recorded(&world, &step);
    // The program signs its tokens itself: no token is requested, and nothing else of the key is sent.
    let run =
        world.emulator.calls().into_iter().find(|call| call.path.ends_with(":run")).expect("it was run");
    assert!(run.headers["authorization"].starts_with("Bearer eyJ"), "{run:?}");
}

#[test]
fn elsewhere_no_run_is_named_and_a_missing_flag_is() {
    let world = World::scripted(cloud_emulator::Script::default());
    let plan = |variables: &[(&str, &str)]| {
        let mut run = world.quill_admin(["show-user", "-e", "staging", "-u", "steve", "--dry-run", "--json"]);
        for (name, value) in variables {
            run = run.env(*name, *value);
        }
        run.output().exits(0).json()["request"]["ADMIN_ORIGIN"].clone()
    };
    let github = [
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("GITHUB_REPOSITORY", "example/quill"),
        ("GITHUB_RUN_ID", "17"),
    ];
    assert_eq!(plan(&github), Value::Null);
    let with =
        |more: &[(&'static str, &'static str)]| [&github[..], &[("GITHUB_ACTIONS", "true")], more].concat();
    assert_eq!(plan(&with(&[])), "GitHub Actions: https://github.com/example/quill/actions/runs/17");
    // A name with a character that turns the line is not used.
    assert_eq!(plan(&with(&[("GITHUB_ACTOR", "evets\u{202e}")])), Value::Null);

    let asked = world.emulator.calls().len();
    let missing = world.quill_admin(["verify-email", "-e", "staging"]).output().exits(2);
    assert!(missing.stderr.contains("--username"), "{missing}");
    assert_eq!(world.emulator.calls().len(), asked, "nothing was sent");
}
