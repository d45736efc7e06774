//! Signed records: what is proven for years, and what nobody can make who has not the record key.

use quill_admin_contract::RecordKey;
use quill_admin_e2e::{Finished as _, JOB, PROJECT, World};
use quill_admin_testkit::http::Request;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

use crate::believed::{STDOUT, forge, history, newest};
use crate::running::change_job;

const SECRET: &str = "quill-record-key";
pub(crate) const PROMOTE: [&str; 7] = ["update-permissions", "-e", "staging", "-u", "steve", "-p", "admin"];

/// Names these public keys in the settings of staging.
pub(crate) fn verifies_with(world: &World, keys: &[&RecordKey]) {
    let keys: Vec<String> = keys.iter().map(|key| format!("\"{}\"", key.public())).collect();
    let records = format!("records: {{ key_secret: {SECRET}, public_keys: [{}] }},", keys.join(", "));
    let file = world.home.read("environments.yaml");
    let from = file.find("staging: {").expect("staging") + "staging: {".len();
    let to = file.find(" project: quill-medical-staging").expect("its project");
    world.home.write("environments.yaml", &format!("{} {records}{}", &file[..from], &file[to..]));
}

/// Makes the user steve, whose level [`PROMOTE`] changes.
pub(crate) fn insert_steve(world: &World) {
    world.database().execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions, email_verified) \
         VALUES ('steve', 's@example.org', 'h', true, false, 'nurse', '[]', '[]', 'staff', true)",
    );
}

/// A world whose job signs with a key, with the user steve.
pub(crate) fn world() -> (World, RecordKey) {
    let world = World::with_database(Database::create(Generation::August2026));
    insert_steve(&world);
    let key = RecordKey::generate();
    signs_with(&world, &key);
    verifies_with(&world, &[&key]);
    change_job(&world, |job| {
        let env = job["template"]["template"]["containers"][0]["env"].as_array_mut().expect("a list");
        let secret = json!({"secretKeyRef": {"secret": SECRET, "version": "latest"}});
        env.push(json!({"name": "ADMIN_RECORD_KEY", "valueSource": secret}));
    });
    (world, key)
}

fn signs_with(world: &World, key: &RecordKey) {
    world.emulator.put_secret(PROJECT, SECRET, key.to_hex().expose());
}

/// Has Cloud Run forget an execution, as it does after a week.
pub(crate) fn forget(world: &World, execution: &str) {
    let answer = world.ask(Request::new("DELETE", &format!("/v2/{JOB}/executions/{execution}")));
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// The run of this name in the history.
pub(crate) fn run(world: &World, execution: &str) -> Value {
    let runs = history(world);
    runs.iter().find(|run| run["execution"] == execution).unwrap_or_else(|| panic!("{runs:#?}")).clone()
}

/// The record of an execution, as its log has it.
pub(crate) fn record(world: &World, execution: &str) -> Value {
    let logs = world.quill_admin(["logs", execution, "-e", "staging", "--json"]).output().exits(0).json();
    let entries = logs["entries"].as_array().expect("a list");
    let mut records = entries.iter().map(|entry| &entry["payload"]["quill_admin"]);
    records.rfind(|record| record["signature"].is_string()).expect("a record").clone()
}

#[test]
fn a_signed_record_is_proven_when_the_execution_is_gone() {
    needs_postgres!();
    let (world, key) = world();
    let ran = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    assert_eq!(run(&world, &execution)["record"], "signed");
    forget(&world, &execution);
    let known = run(&world, &execution);
    assert_eq!((&known["record"], &known["proven"]), (&json!("signed"), &json!(true)), "{known:#}");
    assert_eq!((&known["user"], &known["outcome"]), (&json!("steve"), &json!("updated")));
    let shown = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    assert!(shown.stdout.contains(", signed\n"), "{shown}");
    // The private key is nowhere: not on the terminal, not in the log, not in an execution.
    let secret = key.to_hex();
    let log = record(&world, &execution).to_string();
    for text in [&ran.stdout, &ran.stderr, &shown.stdout, &log] {
        assert!(!text.contains(secret.expose()), "{text}");
    }
    assert!(!world.home.read("environments.yaml").contains(secret.expose()));
}

#[test]
fn nobody_makes_a_record_that_counts_without_the_key() {
    needs_postgres!();
    let (world, _) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    let signed = record(&world, &execution);
    forget(&world, &execution);

    // The same record for another execution, one with other values, one with another text, one without a signature.
    let replayed = ("quill-tasks-staging-again", signed.clone());
    let mut edited = ("quill-tasks-staging-other", signed.clone());
    edited.1["result"] = json!(signed["result"].as_str().expect("a text").replace("steve", "mallory"));
    let mut bare = ("quill-tasks-staging-plain", signed.clone());
    bare.1.as_object_mut().expect("an object").retain(|key, _| key != "signature");
    for (execution, line) in [&replayed, &edited, &bare] {
        forge(&world, STDOUT, execution, line);
        let found = run(&world, execution);
        assert_eq!(
            (&found["record"], &found["proven"]),
            (&json!("not_provable"), &json!(false)),
            "{found:#}"
        );
    }
    let shown = world.quill_admin(["history", "-e", "staging"]).output().exits(0).stdout;
    assert_eq!(
        shown.matches("signature: no public key of the environment verifies it").count(),
        2,
        "{shown}"
    );
    assert_eq!(shown.matches("not signed").count(), 1, "{shown}");

    // The copies beside the signed text count for nothing, in whatever order they stand.
    let mut beside = signed.clone();
    beside["username"] = json!("mallory");
    beside["actor"] = json!("mallory@example.org");
    beside["outcome"] = json!({"result": "unchanged", "warnings": []});
    forge(&world, STDOUT, &execution, &beside);
    let found = run(&world, &execution);
    assert_eq!((&found["record"], &found["user"]), (&json!("signed"), &json!("steve")), "{found:#}");
    assert_eq!((&found["outcome"], &found["contradicted"]), (&json!("updated"), &json!(false)), "{found:#}");

    // An unsigned record of the same execution changes nothing but that it is told.
    let mut lie = bare.1.clone();
    lie["outcome"] = json!({"result": "unchanged", "warnings": []});
    forge(&world, STDOUT, &execution, &lie);
    let found = run(&world, &execution);
    assert_eq!((&found["record"], &found["outcome"]), (&json!("signed"), &json!("updated")), "{found:#}");
    assert_eq!(found["contradicted"], true);
}

/// Whoever may read executions knows the key of a request, and proves with it what they like; signed it is not.
#[test]
fn a_proof_by_the_requests_key_is_not_a_signature() {
    needs_postgres!();
    let (world, _) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let execution = newest(&world);
    let sent = crate::believed::sent(&world);
    let key: quill_admin_contract::ProofKey =
        sent["ADMIN_PROOF_KEY"].as_str().expect("a key").parse().expect("a key");
    let mut line: Value =
        serde_json::from_str(record(&world, &execution)["result"].as_str().expect("a text")).expect("JSON");
    line["outcome"] = json!({"result": "unchanged", "warnings": []});
    let text = line.to_string();
    let mut forged = line.clone();
    forged["result"] = json!(text);
    forged["proof"] = json!(key.prove(&text));
    forge(&world, STDOUT, &execution, &forged);
    let found = run(&world, &execution);
    assert_eq!((&found["record"], &found["outcome"]), (&json!("signed"), &json!("updated")), "{found:#}");
    assert_eq!(found["contradicted"], true, "{found:#}");
}

#[test]
fn keys_are_rotated_by_keeping_the_old_public_one() {
    needs_postgres!();
    let (world, old) = world();
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let first = newest(&world);
    let new = RecordKey::generate();
    signs_with(&world, &new);
    let back = ["update-permissions", "-e", "staging", "-u", "steve", "-p", "staff"];
    let _ = world.quill_admin(back).output().exits(0);
    let second = newest(&world);
    for execution in [&first, &second] {
        forget(&world, execution);
    }
    let records = |keys: &[&RecordKey]| {
        verifies_with(&world, keys);
        [&first, &second].map(|execution| run(&world, execution)["record"].clone())
    };
    let (signed, not) = (json!("signed"), json!("not_provable"));
    assert_eq!(records(&[&old]), [signed.clone(), not.clone()]);
    assert_eq!(records(&[&old, &new]), [signed.clone(), signed.clone()]);
    assert_eq!(records(&[&new]), [not.clone(), signed]);
    // Without any key nothing is verified, and nothing is said to be wrong.
    assert_eq!(records(&[]), [not.clone(), not]);
}

/// A variable of a run can be overridden by whoever may run it. What is signed with another key is not verified.
#[test]
fn a_run_with_another_key_is_not_signed() {
    needs_postgres!();
    let (world, _) = world();
    let mine = RecordKey::generate();
    let id = world.start_job_with(&[
        ("ADMIN_ACTION", "show-user"),
        ("ADMIN_USERNAME", "steve"),
        ("ADMIN_RECORD_KEY", mine.to_hex().expose()),
    ]);
    world.idle();
    let execution = id.rsplit('/').next().expect("an id").to_owned();
    let found = run(&world, &execution);
    assert_ne!(found["record"], "signed", "{found:#}");
    // A key that is none is refused before anything is done.
    let id = world.start_job_with(&[
        ("ADMIN_ACTION", "show-user"),
        ("ADMIN_USERNAME", "steve"),
        ("ADMIN_RECORD_KEY", "planted"),
    ]);
    world.idle();
    let execution = id.rsplit('/').next().expect("an id").to_owned();
    let logs = world.quill_admin(["logs", &execution, "-e", "staging"]).output().exits(0);
    assert!(logs.stdout.contains("ADMIN_RECORD_KEY: the record key must be 64 hexadecimal digits"), "{logs}");
    assert!(!logs.stdout.contains("planted"), "{logs}");
}

#[test]
fn record_key_makes_a_key_and_shows_its_public_half() {
    let world = World::with_database(Database::create(Generation::August2026));
    let refused = world.quill_admin(["record-key", "-e", "staging"]).output().exits(2);
    assert!(refused.stderr.contains("records: { key_secret: quill-record-key }"), "{refused}");
    verifies_with(&world, &[]);
    let made = world.quill_admin(["record-key", "-e", "staging"]).output().exits(0);
    assert!(made.stdout.contains("a new record key is version 1 of the secret quill-record-key"), "{made}");
    let second = world.quill_admin(["record-key", "-e", "staging", "--json"]).output().exits(0).json();
    assert_eq!(second["version"], "2", "{second:#}");
    // What the cloud got is the private half of what was printed, and nothing printed it.
    let added: Vec<RecordKey> = world
        .emulator
        .calls()
        .iter()
        .filter(|call| call.path.ends_with(":addVersion"))
        .map(|call| {
            let data = call.body["payload"]["data"].as_str().expect("base64");
            let hex = base64_text(data);
            assert!(!made.stdout.contains(&hex) && !made.stderr.contains(&hex), "{made}");
            hex.parse().expect("a key")
        })
        .collect();
    // The first one was sent again when the secret had been made.
    let public: Vec<String> = added.iter().map(|key| key.public().to_string()).collect();
    assert_eq!((public.len(), &public[0]), (3, &public[1]));
    assert!(made.stdout.contains(&public[0]), "{made}");
    assert_eq!(second["public_key"], public[2]);
    // `build` has the job sign with it.
    let local = world.quill_admin(["record-key", "-e", "local"]).output().exits(2);
    assert!(local.stderr.contains("is on this machine"), "{local}");
    world.emulator.deny_permissions(["secretmanager.versions.add"]);
    let denied = world.quill_admin(["record-key", "-e", "staging"]).output().exits(21);
    assert!(denied.stderr.contains("secretmanager.versions.add"), "{denied}");
}

#[test]
fn the_doctor_says_who_else_may_sign() {
    let world = World::with_database(Database::create(Generation::August2026));
    let key = RecordKey::generate();
    signs_with(&world, &key);
    let look = |code: i32| {
        world.quill_admin(["doctor", "-e", "staging", "--only", "record-key"]).output().exits(code)
    };
    let none = look(0);
    assert!(none.stdout.contains("nothing to look at: records are not signed"), "{none}");
    verifies_with(&world, &[]);
    let own = "serviceAccount:quill-tasks-staging@quill-medical-staging.iam.gserviceaccount.com";
    world.emulator.set_secret_readers(PROJECT, SECRET, [own]);
    let found = look(30);
    assert!(found.stdout.contains("names no public key: no record can be verified"), "{found}");
    assert!(found.stdout.contains("quill-admin record-key --env staging"), "{found}");
    verifies_with(&world, &[&key]);
    let healthy = look(0);
    assert!(healthy.stdout.contains("quill-record-key, 1 public key"), "{healthy}");
    world.emulator.set_secret_readers(PROJECT, SECRET, [own, "user:mallory@example.org"]);
    let found = look(30);
    assert!(found.stdout.contains("may read it: user:mallory@example.org"), "{found}");
    assert!(!found.stdout.contains(&format!("may read it: {own}")), "{found}");
    // Nobody was seen who may read it: the job may by a role of its project, or may not.
    world.emulator.set_secret_readers(PROJECT, SECRET, [] as [&str; 0]);
    let nobody = look(31);
    assert!(nobody.stdout.contains("whether the job can sign records"), "{nobody}");
    // What could not be looked at is not called healthy.
    world.emulator.deny_permissions(["secretmanager.secrets.getIamPolicy"]);
    let undecided = look(31);
    assert!(undecided.stdout.contains("secretmanager.secrets.getIamPolicy"), "{undecided}");
    // Nor does it hide what is wrong besides.
    verifies_with(&world, &[]);
    let both = look(30);
    assert!(both.stdout.contains("secretmanager.secrets.getIamPolicy"), "{both}");
    assert!(both.stdout.contains("names no public key: no record can be verified"), "{both}");
}

fn base64_text(data: &str) -> String {
    use base64::Engine as _;
    let bytes = base64::prelude::BASE64_STANDARD.decode(data).expect("base64");
    String::from_utf8(bytes).expect("UTF-8")
}
