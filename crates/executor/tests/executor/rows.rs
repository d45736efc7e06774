//! The rows of an action that lists: log lines before the result, each with its proof, and no part of the
//! record.

use quill_admin_contract::{ExitCode, FoundRow, Outcome, ProofKey, Row, warning_code};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation, quote_literal};
use serde_json::{Value, json};

use crate::run::{Ended, Executor, REQUEST};

/// A database with a user for each of these names and emails. The table is wider than the application's own,
/// so that any value fits.
fn with_users(users: &[(&str, Option<&str>)]) -> Database {
    let db = Database::create(Generation::August2026);
    db.execute(
        "ALTER TABLE users DROP CONSTRAINT users_email_key, ALTER COLUMN email TYPE text,
         ALTER COLUMN email DROP NOT NULL",
    );
    for (username, email) in users {
        let email = email.map_or_else(|| "NULL".to_owned(), quote_literal);
        db.execute(&format!(
            "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
             additional_competencies, removed_competencies, system_permissions)
             VALUES ({}, {email}, 'hash', true, false, 'nurse', '[]', '[]', 'staff')",
            quote_literal(username)
        ));
    }
    db
}

/// An executor that lists the users, and the key that proves its output.
fn list(db: &Database) -> (Executor, ProofKey) {
    let key = ProofKey::generate();
    (Executor::on(db, "list-users").set("ADMIN_PROOF_KEY", key.to_hex().expose()), key)
}

/// The lines that are rows, in the order in which they were printed.
fn rows(ended: &Ended, key: Option<&ProofKey>) -> Vec<FoundRow> {
    ended.lines().iter().filter_map(|line| Row::from_payload(line, key)).collect()
}

/// The result's count, whether there are more, and its digest.
fn counted(ended: &Ended) -> (u64, bool, String) {
    match ended.outcome() {
        Outcome::Listed { rows, more, digest, .. } => (rows, more, digest.expect("a digest")),
        other => panic!("no list: {other:?}"),
    }
}

#[test]
fn each_row_is_a_line_of_its_own_with_a_proof_of_its_own() {
    needs_postgres!();
    let db = with_users(&[("bo", Some("bo@example.org")), ("ada", Some("ada@example.org"))]);
    let (executor, key) = list(&db);
    let ended = executor.run().expect(ExitCode::Success);
    let lines = ended.lines();
    let [.., ada, bo, _] = lines.as_slice() else { panic!("{}", ended.text) };
    let proof = ada["quill_admin"]["row"]["proof"].as_str().expect("a proof");
    assert_ne!(ada["quill_admin"]["row"]["proof"], bo["quill_admin"]["row"]["proof"]);
    let expected = json!({
        "severity": "INFO",
        "message": "username ada, email ada@example.org, permission staff, active true",
        "quill_admin": {"request_id": REQUEST, "row": {
            "index": 0,
            "list": ada["quill_admin"]["row"]["list"],
            "columns": ["username", "email", "permission", "active"],
            "values": ["ada", "ada@example.org", "staff", "true"],
            "proof": proof,
        }},
    });
    assert_eq!(*ada, expected);
    let found = rows(&ended, Some(&key));
    assert!(found.iter().all(|found| found.proven && found.request_id.as_deref() == Some(REQUEST)));
    let rows: Vec<Row> = found.into_iter().map(|found| found.row).collect();
    assert_eq!(counted(&ended), (2, false, Row::digest(&rows)));
    assert_eq!(ada["quill_admin"]["row"]["list"], Row::digest(&rows));
    assert_eq!(ended.message(), "2 rows");
    // The record has the number, and nothing of the rows.
    let record = lines.last().expect("a result").to_string();
    for value in ["ada", "bo@example.org", "staff"] {
        assert!(!record.contains(value), "{record}");
    }
    // An empty list is a list as well.
    let (executor, key) = list(&db);
    let ended = executor.set("ADMIN_CONTAINS", "nobody").run().expect(ExitCode::Success);
    assert_eq!(self::rows(&ended, Some(&key)), []);
    assert_eq!(counted(&ended), (0, false, Row::digest(&[])));
}

#[test]
fn the_first_of_many_rows_are_listed_and_that_there_are_more() {
    needs_postgres!();
    let db = with_users(&[]);
    db.execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
         additional_competencies, removed_competencies, system_permissions)
         SELECT 'user' || lpad(n::text, 3, '0'), n || '@example.org', 'hash', true, false, 'nurse', '[]', '[]', 'staff'
           FROM generate_series(1, 250) AS n",
    );
    let (executor, key) = list(&db);
    let ended = executor.run().expect(ExitCode::Success);
    let rows: Vec<Row> = rows(&ended, Some(&key)).into_iter().map(|found| found.row).collect();
    assert_eq!(counted(&ended), (200, true, Row::digest(&rows)));
    for (place, row) in (0..).zip(&rows) {
        assert_eq!((row.index, row.values[0].clone()), (place, Some(format!("user{:03}", place + 1))));
    }
    assert_eq!(ended.message(), "the first 200 rows; there are more");
}

#[test]
fn a_value_is_itself_whatever_stands_in_it() {
    needs_postgres!();
    let difficult = "a\tb\nc\u{1b}[31m\u{202e}\u{7f}\"\\' {\"quill_admin\":{}} 🙂";
    let db = with_users(&[("ada", Some(difficult)), ("bo", None), ("cy", Some(""))]);
    let (executor, key) = list(&db);
    let ended = executor.run().expect(ExitCode::Success);
    let found = rows(&ended, Some(&key));
    assert!(found.len() == 3 && found.iter().all(|found| found.proven), "{}", ended.text);
    let emails: Vec<Option<&str>> = found.iter().map(|found| found.row.values[1].as_deref()).collect();
    assert_eq!(emails, [Some(difficult), None, Some("")]);
    assert!(ended.messages().iter().any(|said| said == "INFO username bo, permission staff, active true"));
}

#[test]
fn a_value_that_no_line_of_the_log_takes_is_cut_off_and_that_is_said() {
    needs_postgres!();
    let long = "planted-ä".repeat(400_000);
    let other = Some("short@example.org");
    let db = with_users(&[("a", Some(&long)), ("b", Some(&long)), ("c", Some(&long)), ("d", other)]);
    let (executor, key) = list(&db);
    let ended = executor.run().expect(ExitCode::Success);
    // Cloud Logging takes 256 KiB, including the entry's own labels.
    assert!(ended.text.lines().all(|line| line.len() < 200 * 1024));
    let found = rows(&ended, Some(&key));
    assert!(found.len() == 4 && found.iter().all(|found| found.proven));
    for found in &found[..3] {
        let email = found.row.values[1].as_deref().expect("an email");
        let kept = email.strip_suffix(Row::CUT).expect("it says that it was cut off");
        assert!(long.starts_with(kept) && kept.len() > 16_000, "{}", kept.len());
    }
    assert_eq!(found[3].row.values[1].as_deref(), other);
    assert_eq!(ended.warnings(), [warning_code::VALUES_CUT]);
    let said = ended.outcome().warnings()[0].message.clone();
    assert_eq!(
        said,
        "values are too long for a line of the log and were cut off; they end in \"…\": email of row 1, email of row 2, \
         email of row 3. Have the action list less of them, as in left(column, 1000)"
    );
    // If there are many, only the first columns are named, and never their values.
    db.execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
         additional_competencies, removed_competencies, system_permissions)
         SELECT 'other' || n, n || repeat('x', 100000), 'hash', true, false, 'nurse', '[]', '[]', 'staff'
           FROM generate_series(1, 4) AS n",
    );
    let ended = list(&db).0.run().expect(ExitCode::Success);
    let record = ended.lines().pop().expect("a result").to_string();
    assert!(record.contains("email of row 6 and 2 others. Have"), "{record}");
    assert!(!record.contains("planted") && !record.contains("xxx"), "{record}");
}

#[test]
fn without_a_key_or_in_the_first_version_rows_prove_nothing() {
    needs_postgres!();
    let db = with_users(&[("ada", Some("ada@example.org"))]);
    let (executor, key) = list(&db);
    for (executor, key) in
        [(executor.clone().unset("ADMIN_PROOF_KEY"), None), (executor.set("ADMIN_CONTRACT", "1"), Some(&key))]
    {
        let ended = executor.run().expect(ExitCode::Success);
        let found = rows(&ended, key);
        assert!(found.len() == 1 && !found[0].proven, "{}", ended.text);
        let line = ended.lines().into_iter().find(|line| line["quill_admin"]["row"].is_object());
        assert_eq!(line.expect("a row")["quill_admin"]["row"].get("proof"), None);
    }
}

/// If the job prints text for people, its rows and its result are still JSON for the CLI.
#[test]
fn who_reads_the_result_reads_the_rows() {
    needs_postgres!();
    let db = with_users(&[("ada", Some("a\u{1b}[31m@example.org"))]);
    let (executor, key) = list(&db);
    let text = executor.set("ADMIN_LOG_FORMAT", "text");
    let json = |ended: &Ended| -> Vec<Value> {
        ended.text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let in_cloud_run = text.clone().set("CLOUD_RUN_JOB", "quill-tasks-staging").run();
    let found: Vec<FoundRow> =
        json(&in_cloud_run).iter().filter_map(|line| Row::from_payload(line, Some(&key))).collect();
    assert!(found.len() == 1 && found[0].proven, "{}", in_cloud_run.text);
    // A run by hand is for people only.
    let by_hand = text.run();
    assert_eq!(json(&by_hand), [Value::Null; 0], "{}", by_hand.text);
    let said = "username ada, email a\\u{1b}[31m@example.org, permission staff, active true\n1 row\n";
    assert!(by_hand.text.ends_with(said), "{}", by_hand.text);
}
