//! Two transactions at the same moment.

use quill_admin_actions::{Alternative, Statement};
use quill_admin_engine::{Effect, Error};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::Database;

use crate::rows::three_users;
use crate::run::{HASH, arguments, connect, once, run, shipped, variables};

/// Returns once a session of this database waits for a lock.
async fn until_somebody_waits(db: &Database) {
    let client = db.connect().await;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    for _ in 0..20_000 {
        let count: i64 = client.query_typed_one(waiting, &[]).await.expect("asked").get(0);
        if count > 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody waits");
}

const NEW: &str =
    "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
     additional_competencies, removed_competencies, system_permissions)
     VALUES ('nadia', 'other@example.org', 'x', true, false, 'nurse', '[]', '[]', 'staff')";

#[tokio::test]
async fn who_is_made_at_the_same_moment_is_found_the_next_time() {
    needs_postgres!();
    let db = three_users();
    let (client, other) = (connect(&db).await, db.connect().await);
    let actions = shipped();
    let action = actions.get("create-superadmin").expect("there");
    let with = variables(&[
        ("ADMIN_USERNAME", "nadia"),
        ("ADMIN_EMAIL", "nadia@example.org"),
        ("ADMIN_PASSWORD_HASH", HASH),
    ]);
    let values = arguments(action, &with).expect("valid");
    other.batch_execute(&format!("BEGIN; {NEW}")).await.expect("inserted");
    let (performed, ()) = tokio::join!(once(&client, action, &values), async {
        until_somebody_waits(&db).await;
        other.batch_execute("COMMIT").await.expect("committed");
    });
    assert!(matches!(performed, Err(Error::Overtaken)), "{performed:?}");
    assert_eq!(run(&client, action, &with).await.expect("promoted").effect, Effect::Updated);
}

/// A transaction that waits for the row sees all changes of the one that it waited for, in other tables as
/// well.
#[tokio::test]
async fn who_waited_for_the_row_sees_what_is_there_now() {
    needs_postgres!();
    let db = three_users();
    let (client, other) = (connect(&db).await, db.connect().await);
    let actions = shipped();
    let with = variables(&[("ADMIN_USERNAME", "ada"), ("ADMIN_ROLE", "Clinician")]);
    let action = actions.get("add-role").expect("there");
    other
        .batch_execute(
            "BEGIN; SELECT FROM users WHERE username = 'ada' FOR UPDATE;
             INSERT INTO user_role SELECT users.id, roles.id FROM users, roles WHERE username = 'ada' AND name = 'Clinician'",
        )
        .await
        .expect("locked");
    let values = arguments(action, &with).expect("valid");
    // This succeeds the first time: the action waits before it reads.
    let (performed, ()) = tokio::join!(once(&client, action, &values), async {
        until_somebody_waits(&db).await;
        other.batch_execute("COMMIT").await.expect("committed");
    });
    let performed = performed.expect("it is so already");
    assert_eq!((performed.effect, performed.writes()), (Effect::Unchanged, false));
}

/// Data that is not locked may be changed by somebody else between the two readings: such a change is not
/// this action's work.
#[tokio::test]
async fn what_somebody_else_changed_is_not_told_as_ones_own() {
    needs_postgres!();
    let db = three_users();
    let (client, other) = (connect(&db).await, db.connect().await);
    let actions = shipped();
    let action = actions.get("seed-roles").expect("there");
    let values = arguments(action, &variables(&[])).expect("valid");
    db.execute("DELETE FROM roles WHERE name = 'Patient'");
    other.batch_execute("BEGIN; INSERT INTO roles (name) VALUES ('Patient')").await.expect("inserted");
    let (performed, ()) = tokio::join!(once(&client, action, &values), async {
        until_somebody_waits(&db).await;
        other.batch_execute("COMMIT").await.expect("committed");
    });
    assert!(matches!(performed, Err(Error::Overtaken)), "{performed:?}");
    let again = once(&client, action, &values).await.expect("done");
    assert_eq!(again.effect, Effect::Unchanged);
}

/// A user that was made after the lock had found none is not locked.
#[tokio::test]
async fn who_is_there_and_was_not_locked_is_not_touched() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let mut action = shipped().get("deactivate").expect("there").clone();
    let nobody = "SELECT FROM users WHERE false FOR UPDATE".to_owned();
    let lock = Alternative { condition: None, sql: nobody, binds: vec![] };
    action.definition.subject.as_mut().expect("a user").lock = Statement::new(vec![lock]);
    let values = arguments(&action, &variables(&[("ADMIN_USERNAME", "ada")])).expect("valid");
    let before = db.contents();
    assert!(matches!(once(&client, &action, &values).await, Err(Error::Overtaken)));
    assert_eq!(db.contents(), before);
}
