//! The present behaviour of the six actions of the test kit's seeded cases, pinned at the executor's interface: for
//! each case the rows that differ afterwards, the exit code, the message and the record, on both generations of the
//! tables.
//!
//! `QUILL_ADMIN_TEST_REWRITE_CASES=1 cargo test --release --workspace --test executor -- pinned::` writes
//! `tests/pinned.jsonl` anew. [`observe`] takes the function that runs a case, so that another implementation
//! can be compared with this one on the same cases.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_contract::{ExitCode, ResultLine};
use quill_admin_testkit::cases::{Case, Golden, Observation, changed, rows};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

use crate::run::{Ended, Executor};

/// Number of seeds; each is a case on both generations.
const SEEDS: u64 = 112;

/// The function that runs a case against a database that has been prepared for it.
type Runner = fn(&Case, &Database) -> Ended;

/// The present executor.
fn executor(case: &Case, db: &Database) -> Ended {
    // The pinned results are written in version 2.
    let executor = Executor::on(db, "none").set("ADMIN_CONTRACT", "2");
    case.task.iter().fold(executor, |executor, (name, value)| executor.set(name, value)).run()
}

/// Prepares the database, runs the case and returns what it observed.
fn observe(case: &Case, db: &Database, run: Runner) -> Observation {
    case.prepare(db);
    let before = rows(db);
    let ended = run(case, db);
    let line = ended.result();
    let mut outcome = line.to_json()["outcome"].take();
    if let Some(database) = outcome.get_mut("database") {
        // These fields name the server and the connection, and not what was found.
        for volatile in ["server_version", "database", "user"] {
            database[volatile] = Value::Null;
        }
    }
    let version = db.value("SHOW server_version").unwrap_or_default();
    let message = ended.message().replace(&version, "<version>").replace(&db.name, "<database>");
    let record = json!({
        "exit_code": line.exit_code,
        "action": line.action,
        "username": line.username,
        "actor": line.actor,
        "reason": line.reason,
        "outcome": outcome,
    });
    Observation::new(case, ended.code, &message, &record, changed(&before, &rows(db)))
}

/// Runs every case once, in the order of the file.
fn observe_all(run: Runner) -> Vec<Observation> {
    let mut seen = Vec::new();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        seen.extend((0..SEEDS).map(|seed| observe(&Case::of(seed, generation), &db, run)));
    }
    seen
}

#[test]
fn the_tasks_do_what_they_did() {
    needs_postgres!();
    let golden = Golden::at(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pinned.jsonl"));
    golden.compare(&observe_all(executor));
}

/// Checks that the cases are worth comparing: a comparison in which everything is the same cannot fail.
#[test]
fn the_pinned_cases_reach_everything_the_tasks_do() {
    let golden = Golden::at(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pinned.jsonl")).read();
    let mut ends: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut codes = BTreeSet::new();
    let mut warnings = BTreeSet::new();
    for observation in &golden {
        let line = json!({"contract": 2, "exit_code": 0, "outcome": observation.record["outcome"]});
        let outcome = ResultLine::read(line).expect("a result").outcome;
        let action = observation.task["ADMIN_ACTION"].clone();
        ends.entry(action).or_default().insert(outcome.name().to_owned());
        codes.insert(observation.exit);
        warnings.extend(outcome.warnings().iter().map(|warning| warning.code.clone()));
        let wrote = !observation.rows.is_empty();
        assert_eq!(wrote, !outcome.changes().is_empty(), "{observation:?}");
        assert!(observation.exit == Some(0) || !wrote, "a failure writes nothing: {observation:?}");
        let roles = observation.rows.iter().any(|row| row[2..].starts_with("roles "));
        assert!(!roles, "nobody makes roles: {observation:?}");
    }
    let expected = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(ends["create-superadmin"], expected(&["created", "failed", "unchanged", "updated"]));
    for action in ["update-permissions", "add-role", "remove-role"] {
        assert_eq!(ends[action], expected(&["failed", "unchanged", "updated"]), "{action}");
    }
    assert_eq!(ends["show-user"], expected(&["failed", "found"]));
    let known = [
        ExitCode::Success,
        ExitCode::Usage,
        ExitCode::UserNotFound,
        ExitCode::RoleNotFound,
        ExitCode::EmailTaken,
    ];
    assert_eq!(codes, known.map(|code| Some(i32::from(code.code()))).into());
    for code in
        ["role_not_seeded", "account_inactive", "email_not_verified", "plaintext_password", "look_alike"]
    {
        assert!(warnings.contains(code), "{code} of {warnings:?}");
    }
}
