//! The number of rows that a step may change, and the changes afterwards.

use quill_admin_contract::ExitCode;
use quill_admin_engine::{Change, Effect, Error, Undo, Value};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{HASH, OTHER_HASH, arguments, connect, declared, once, run, shipped, variables};

/// A database with three users.
pub(crate) fn three_users() -> Database {
    let db = Database::create(Generation::August2026);
    db.execute(&format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
         additional_competencies, removed_competencies, system_permissions, email_verified)
         SELECT name, name || '@example.org', '{HASH}', true, false, 'nurse', '[]', '[]', 'staff', true
           FROM unnest(ARRAY['ada', 'ben', 'cy']) AS name"
    ));
    db
}

const ADA: &[(&str, &str)] = &[("ADMIN_USERNAME", "ada")];

#[tokio::test]
async fn more_rows_than_may_be_changed_are_none() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let action = declared(
        "  tidy:
    about: changes too much
    parameters: [username]
    subject: { user: must exist }
    already: so already
    steps:
      - write: UPDATE users SET base_profession = 'doctor' WHERE username = :username
      - write: UPDATE users SET is_active = false WHERE is_active
        rows: 0..2
",
    );
    let before = db.contents();
    let failed = run(&client, &action, &variables(ADA)).await.expect_err("too many");
    assert_eq!(failed.code, ExitCode::SchemaMismatch);
    assert_eq!(
        failed.message,
        "step 2 of tidy would change 3 rows of the database, and at most 2 are expected; nothing was changed"
    );
    assert_eq!(db.contents(), before);
}

#[tokio::test]
async fn fewer_rows_than_have_to_be_changed_start_again() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let action = declared(
        "  tidy:
    about: changes too little
    parameters: [username]
    subject: { user: must exist }
    already: so already
    steps:
      - write: UPDATE users SET base_profession = 'doctor' WHERE username = :username
      - write: UPDATE users SET is_active = false WHERE username = :username AND NOT is_active
        rows: 1
",
    );
    let before = db.contents();
    let values = arguments(&action, &variables(ADA)).expect("valid");
    assert!(matches!(once(&client, &action, &values).await, Err(Error::Overtaken)));
    assert_eq!(db.contents(), before);
}

#[tokio::test]
async fn what_the_database_undoes_is_not_told_as_done() {
    needs_postgres!();
    let db = three_users();
    db.execute(
        "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN NEW.is_active := OLD.is_active; RETURN NEW; END $$;
         CREATE TRIGGER undo BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION undo()",
    );
    let client = connect(&db).await;
    let actions = shipped();
    let failed = run(&client, actions.get("deactivate").expect("there"), &variables(ADA)).await;
    let failed = failed.expect_err("it was undone");
    assert_eq!(failed.code, ExitCode::SchemaMismatch);
    assert!(
        failed.message.starts_with(
            "rows were written, and user ada is as it was: a trigger or rule of the database undid the change"
        ),
        "{}",
        failed.message
    );
}

#[tokio::test]
async fn a_change_of_hidden_columns_alone_is_a_change_and_its_values_are_not_told() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    let with = variables(&[("ADMIN_USERNAME", "ada"), ("ADMIN_PASSWORD_HASH", OTHER_HASH)]);
    let performed = run(&client, actions.get("set-password").expect("there"), &with).await.expect("done");
    assert_eq!((performed.effect, performed.writes()), (Effect::Updated, true));
    let hidden = |field: &str| Change::Hidden { field: field.to_owned() };
    assert_eq!(performed.changes, [hidden("password"), hidden("sessions")]);
    assert_eq!(performed.message, "updated user ada: password replaced, all sessions ended");
    assert!(matches!(&performed.undo, Some(Undo::Words(say)) if say.contains("known to nobody")));
    // Neither the hash nor its digest is in anything that leaves the engine.
    let told = format!("{performed:?}");
    for (secret, sql) in [
        (OTHER_HASH.to_owned(), "SELECT password_hash FROM users WHERE username = 'ada'"),
        (
            db.value("SELECT encode(sha256(convert_to(password_hash, 'UTF8')), 'hex') FROM users WHERE username = 'ada'")
                .expect("a digest"),
            "SELECT encode(sha256(convert_to(password_hash, 'UTF8')), 'hex') FROM users WHERE username = 'ada'",
        ),
    ] {
        assert_eq!(db.value(sql), Some(secret.clone()), "it was set");
        assert!(!told.contains(&secret), "{told}");
    }
}

#[tokio::test]
async fn what_there_is_one_of_is_changed_and_told_without_a_name() {
    needs_postgres!();
    let db = Database::builder(Generation::August2026).without_roles().create();
    let client = connect(&db).await;
    db.execute("INSERT INTO roles (name) VALUES ('Clinician'), ('Porter')");
    let actions = shipped();
    let seed = actions.get("seed-roles").expect("there");
    let performed = run(&client, seed, &variables(&[])).await.expect("done");
    assert_eq!((performed.effect, performed.rows_changed, performed.changes.len()), (Effect::Updated, 5, 5));
    assert!(
        performed.message.starts_with("updated roles: role Clinical Administrator added, "),
        "{}",
        performed.message
    );
    let again = run(&client, seed, &variables(&[])).await.expect("done");
    assert_eq!((again.effect, again.writes()), (Effect::Unchanged, false));
    assert_eq!(again.message, "nothing to change: the roles are all there");
}

/// No file compiles to such actions, but a compiled set may come from elsewhere.
#[tokio::test]
async fn what_no_file_declares_is_refused_and_changes_nothing() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    db.execute("DELETE FROM roles");
    let before = db.contents();
    let mut nothing = actions.get("seed-roles").expect("there").clone();
    nothing.definition.subject = None;
    nothing.words.subject = None;
    let mut two = actions.get("set-password").expect("there").clone();
    let secret = two.definition.parameters["password"].clone();
    two.definition.parameters.insert("pin".to_owned(), secret);
    for (action, with, told) in [
        (&nothing, variables(&[]), "seed-roles may write and has no subject, which says what it is about"),
        (
            &two,
            variables(&[("ADMIN_USERNAME", "ada"), ("ADMIN_PASSWORD_HASH", OTHER_HASH)]),
            "set-password has two passwords, password and pin, and an action takes one",
        ),
    ] {
        let failed = run(&client, action, &with).await.expect_err("refused");
        assert_eq!(failed.code, ExitCode::ImageTooOld);
        assert_eq!(failed.message, format!("the action {told}; nothing was changed"));
        assert_eq!(db.contents(), before);
    }
}

#[tokio::test]
async fn what_is_done_can_be_undone_with_what_was_there_before() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    for (name, more) in [
        ("update-permissions", Some(("ADMIN_PERMISSION", "admin"))),
        ("add-role", Some(("ADMIN_ROLE", "Clinician"))),
        ("deactivate", None),
    ] {
        let before = db.contents();
        let mut with = variables(ADA);
        with.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let performed = run(&client, actions.get(name).expect("there"), &with).await.expect(name);
        let Some(Undo::Action(next)) = performed.undo else { panic!("{name}: {:?}", performed.undo) };
        let with = next.with.iter().map(|(name, value)| (quill_admin_actions::variable(name), value.clone()));
        let undone = run(&client, actions.get(&next.action).expect("there"), &with.collect()).await;
        assert_eq!(undone.expect(name).effect, Effect::Updated);
        assert_eq!(db.contents(), before, "{name}");
    }
}

#[tokio::test]
async fn the_subject_is_told_before_and_after() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    let performed =
        run(&client, actions.get("deactivate").expect("there"), &variables(ADA)).await.expect("done");
    let subject = performed.subject.expect("a user");
    assert_eq!(
        (subject.name.as_str(), subject.key),
        ("user", vec![("username".to_owned(), "ada".to_owned())])
    );
    let (before, after) = (subject.before.expect("there"), subject.after.expect("there"));
    let names: Vec<&str> = after.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["email", "permission", "base_profession", "roles", "active", "totp_enabled", "email_verified"]
    );
    assert_eq!((&before[4].1, &after[4].1), (&Value::Boolean(true), &Value::Boolean(false)));
    assert_eq!(after[3].1, Value::Texts(vec![]));
    assert_eq!(performed.message, "updated user ada: active → inactive");
    assert_eq!(performed.warnings, []);
}

#[tokio::test]
async fn steps_for_what_is_there_are_left_out_where_it_was_made() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let action = declared(
        "  promote:
    about: makes a nurse, or a doctor of one
    parameters: [username]
    subject: { user: may exist }
    created: new
    already: so already
    steps:
      - write: >-
          INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
            additional_competencies, removed_competencies, system_permissions)
          VALUES (:username, :username, 'x', true, false, 'nurse', '[]', '[]', 'staff')
        when: absent
        rows: 1
      - write: >-
          UPDATE users SET base_profession = 'doctor' WHERE username = :username AND base_profession <> 'doctor'
        when: present
",
    );
    for (effect, profession) in
        [(Effect::Created, "nurse"), (Effect::Updated, "doctor"), (Effect::Unchanged, "doctor")]
    {
        let performed =
            run(&client, &action, &variables(&[("ADMIN_USERNAME", "nadia")])).await.expect("done");
        assert_eq!(performed.effect, effect, "{}", performed.message);
        let sql = "SELECT base_profession FROM users WHERE username = 'nadia'";
        assert_eq!(db.value(sql).as_deref(), Some(profession));
    }
}
