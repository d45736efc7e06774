//! Several executors at once: none fails because of another, nothing is half done, and a signal undoes
//! everything.

use std::time::{Duration, Instant};

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::run::{Executor, HASH, OTHER_HASH, Running};

/// Waits until an executor waits for a lock.
fn wait_for_waiter(db: &Database) {
    let waiting = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'quill-admin%' \
         AND wait_event_type = 'Lock'",
        db.name
    );
    until(8, "an executor waits for a lock", || db.value(&waiting).as_deref() == Some("1"));
}

fn until(seconds: u64, what: &str, mut reached: impl FnMut() -> bool) {
    let started = Instant::now();
    while !reached() {
        assert!(started.elapsed() < Duration::from_secs(seconds), "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A transaction of another client that has run this statement and is still open.
async fn somebody(db: &Database, sql: &str) -> Client {
    let client = db.connect().await;
    client.batch_execute(&format!("BEGIN; {sql}")).await.expect("done");
    client
}

const LOCK_JO: &str = "SELECT FROM users WHERE username = 'jo' FOR UPDATE";

fn insert(username: &str, email: &str) -> String {
    format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         VALUES ('{username}', '{email}', 'h', true, false, 'patient', '[]', '[]', 'patient')"
    )
}

#[test]
fn twenty_creations_of_one_username_make_one_user_and_all_succeed() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let started: Vec<Running> = (0..20)
            .map(|index| {
                let hash = if index % 2 == 0 { HASH } else { OTHER_HASH };
                Executor::create(&db, "jo", "jo@example.org").set("ADMIN_PASSWORD_HASH", hash).start()
            })
            .collect();
        let outcomes: Vec<Outcome> =
            started.into_iter().map(|running| running.finish().expect(ExitCode::Success).outcome()).collect();
        let created = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Created { .. })).count();
        assert_eq!(created, 1);
        assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("1"));
        assert_eq!(db.value("SELECT count(*) FROM user_role").as_deref(), Some("1"));
    }
}

#[test]
fn many_changes_to_one_user_all_happen() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo", "jo@example.org"));
    let roles = quill_admin_testkit::postgres::ROLES;
    let started: Vec<Running> = roles
        .iter()
        .flat_map(|role| [*role, *role])
        .map(|role| Executor::on(&db, "add-role").set("ADMIN_USERNAME", "jo").set("ADMIN_ROLE", role).start())
        .collect();
    let ended: Vec<_> =
        started.into_iter().map(|running| running.finish().expect(ExitCode::Success)).collect();
    let updated = ended.iter().filter(|ended| matches!(ended.outcome(), Outcome::Updated { .. })).count();
    assert_eq!(updated, roles.len());
    // Each transaction saw the changes of those before it: the longest list of roles is the complete one.
    assert!(ended.iter().any(|ended| ended.user().roles().len() == roles.len()));
    assert_eq!(db.value("SELECT count(*) FROM user_role").as_deref(), Some("6"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_made_by_somebody_else_meanwhile_is_updated() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let other = somebody(&db, &insert("jo", "old@example.org")).await;
        let running = Executor::create(&db, "jo", "jo@example.org").start();
        wait_for_waiter(&db);
        other.batch_execute("COMMIT").await.expect("committed");
        let ended = running.finish().expect(ExitCode::Success);
        assert!(matches!(ended.outcome(), Outcome::Updated { .. }), "{}", ended.text);
        assert!(ended.changes().contains(&"email: old@example.org -> jo@example.org".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_email_taken_meanwhile_is_refused_whatever_the_constraint_is_called() {
    needs_postgres!();
    for (generation, existing) in [(Generation::March2026, false), (Generation::August2026, true)] {
        let db = Database::create(generation);
        db.execute("ALTER TABLE users RENAME CONSTRAINT users_email_key TO anything_at_all");
        if existing {
            db.execute(&insert("jo", "jo@example.com"));
        }
        let other = somebody(&db, &insert("other", "wanted@example.org")).await;
        let running = Executor::create(&db, "jo", "wanted@example.org").start();
        wait_for_waiter(&db);
        other.batch_execute("COMMIT").await.expect("committed");
        let before = db.contents();
        let ended = running.finish().expect(ExitCode::EmailTaken);
        assert!(ended.message().contains("belongs to another user, other"), "{}", ended.message());
        assert_eq!(db.contents(), before);

        // If the other transaction had not been committed, the email would have been free.
        db.execute("DELETE FROM users WHERE username = 'other'");
        let other = somebody(&db, &insert("other", "wanted@example.org")).await;
        let running = Executor::create(&db, "jo", "wanted@example.org").start();
        wait_for_waiter(&db);
        other.batch_execute("ROLLBACK").await.expect("rolled back");
        running.finish().expect(ExitCode::Success);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_deleted_meanwhile_is_not_found() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo", "jo@example.org"));
    let other = somebody(&db, "DELETE FROM roles WHERE name = 'Clinician'").await;
    let running =
        Executor::on(&db, "add-role").set("ADMIN_USERNAME", "jo").set("ADMIN_ROLE", "Clinician").start();
    wait_for_waiter(&db);
    other.batch_execute("COMMIT").await.expect("committed");
    running.finish().expect(ExitCode::RoleNotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_waiting_for_a_row_its_newest_state_counts() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo", "jo@example.org"));
    let give = "UPDATE users SET system_permissions = 'staff' WHERE username = 'jo'; \
         INSERT INTO user_role SELECT users.id, roles.id FROM users, roles WHERE roles.name = 'Patient'";
    let other = somebody(&db, give).await;
    let running = Executor::permission(&db, "jo", "admin").start();
    wait_for_waiter(&db);
    other.batch_execute("COMMIT").await.expect("committed");
    let ended = running.finish().expect(ExitCode::Success);
    assert_eq!(ended.changes(), ["permission: staff -> admin"]);
    assert_eq!(ended.user().roles(), ["Patient"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_tried_again() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo", "jo@example.org"));
    // Only the executor looks for the deadlock, so that its transaction is the one that fails.
    let other = somebody(&db, "SET deadlock_timeout = '60s'; SELECT FROM roles FOR UPDATE").await;
    let running =
        Executor::on(&db, "add-role").set("ADMIN_USERNAME", "jo").set("ADMIN_ROLE", "Clinician").start();
    wait_for_waiter(&db);
    other.batch_execute(LOCK_JO).await.expect("the executor gave way");
    other.batch_execute("COMMIT").await.expect("committed");
    let ended = running.finish().expect(ExitCode::Success);
    assert!(ended.text.contains("starting again"), "{}", ended.text);
    assert_eq!(ended.changes(), ["+ Clinician"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_rolls_back_and_leaves_nobody_waiting() {
    needs_postgres!();
    for signal in [Signal::TERM, Signal::INT] {
        let db = Database::create(Generation::August2026);
        db.execute(&insert("jo", "jo@example.org"));
        let before = db.contents();
        // The executor waits for the role after its first write.
        let other = somebody(&db, "SELECT FROM roles FOR UPDATE").await;
        let running = Executor::create(&db, "jo", "new@example.org").start();
        wait_for_waiter(&db);
        running.signal(signal);
        let ended = running.finish().expect(ExitCode::Stopped);
        assert!(ended.message().contains("rolled back"), "{}", ended.message());
        assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
        let sessions = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'quill-admin%'",
            db.name
        );
        // A server that was not told to cancel would go on waiting for the lock.
        until(2, "its session ends", || db.value(&sessions).as_deref() == Some("0"));
        other.batch_execute("COMMIT").await.expect("committed");
        assert_eq!(db.contents(), before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_backend_is_a_lost_connection() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo", "jo@example.org"));
    let before = db.contents();
    let other = somebody(&db, "SELECT FROM roles FOR UPDATE").await;
    let running = Executor::create(&db, "jo", "new@example.org").start();
    wait_for_waiter(&db);
    let mine = format!(
        "FROM pg_stat_activity WHERE datname = '{}' AND application_name LIKE 'quill-admin%'",
        db.name
    );
    let name = db.value(&format!("SELECT application_name {mine}"));
    assert_eq!(name, Some(format!("quill-admin {}", crate::run::REQUEST)));
    assert_eq!(db.value(&format!("SELECT pg_terminate_backend(pid) {mine}")).as_deref(), Some("t"));
    let ended = running.finish().expect(ExitCode::DatabaseUnreachable);
    assert!(ended.message().contains("terminating connection"), "{}", ended.message());
    assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
    other.batch_execute("COMMIT").await.expect("committed");
    assert_eq!(db.contents(), before);
}
