//! Refusals by the database, and tables that this image does not know.

use quill_admin_contract::ExitCode;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::Executor;

#[test]
fn a_wrong_password_is_told_at_once() {
    needs_postgres!();
    let db = Database::builder(Generation::August2026).password("right planted").create();
    let check = Executor::on(&db, "check");
    check.run().expect(ExitCode::Success);

    let ended =
        check.clone().set("AUTH_DB_PASSWORD", "wrong planted").run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("password authentication failed"), "{}", ended.message());
    assert!(!ended.message().contains("line break"), "{}", ended.message());
    assert!(ended.took.as_secs() < 10, "it must not be tried again: {:?}", ended.took);

    for end in ["\n", "\r\n"] {
        let password = format!("right planted{end}");
        let ended = check.clone().set("AUTH_DB_PASSWORD", &password).run().expect(ExitCode::DatabaseRefused);
        assert!(ended.message().contains("the given password ends with a line break"), "{}", ended.message());
    }
}

#[test]
fn difficult_passwords_of_the_database_work() {
    needs_postgres!();
    for password in ["two words", " 'q' \"d\" \\ = , % @ : / # ? ", "Пароль-ü-🙂"] {
        let db = Database::builder(Generation::March2026).password(password).create();
        Executor::on(&db, "check").run().expect(ExitCode::Success);
    }
}

#[test]
fn an_unknown_database_user_or_a_closed_door_is_told_at_once() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let check = Executor::on(&db, "check");
    let ended = check.clone().set("AUTH_DB_NAME", "no_such_database").run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("database \"no_such_database\" does not exist"), "{}", ended.message());
    check.clone().set("AUTH_DB_USER", "no_such_user").run().expect(ExitCode::DatabaseRefused);

    db.execute(&format!("ALTER ROLE {} NOLOGIN", db.user));
    let ended = check.run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("not permitted to log in"), "{}", ended.message());
    db.execute(&format!("ALTER ROLE {} LOGIN; REVOKE CONNECT ON DATABASE {} FROM PUBLIC", db.user, db.name));
    let ended = check.run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("permission denied for database"), "{}", ended.message());
    assert!(ended.took.as_secs() < 10, "{:?}", ended.took);
}

#[test]
fn a_missing_right_is_refused_and_not_taken_for_a_missing_table() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::builder(generation).read_only().create();
        let create = Executor::create(&db, "jo", "jo@example.org");
        let before = db.contents();
        let ended = create.run().expect(ExitCode::DatabaseRefused);
        assert!(ended.message().contains("permission denied for table users"), "{}", ended.message());
        assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
        assert_eq!(db.contents(), before);

        db.execute(&format!("REVOKE SELECT ON users FROM {}", db.user));
        create.run().expect(ExitCode::DatabaseRefused);
        Executor::on(&db, "check").run().expect(ExitCode::DatabaseRefused);
        db.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC");
        let ended = create.run().expect(ExitCode::DatabaseRefused);
        assert!(ended.message().contains("schema public"), "{}", ended.message());
    }
}

/// The application connects as the same user and names no schema: it first finds the schema with the user's
/// name.
#[test]
fn tables_that_hide_those_of_the_tasks_are_warned_of() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let look = || Executor::on(&db, "check").run().expect(ExitCode::Success);
    assert_eq!(look().warnings(), [""; 0]);
    // PostgreSQL's own default is "$user", public.
    let user = db.user.clone();
    db.execute(&format!("CREATE SCHEMA {user} AUTHORIZATION {user}; CREATE TABLE {user}.users (id int)"));
    // The schema is found even without a right to it.
    for right in ["REVOKE ALL ON", "GRANT SELECT ON"] {
        let (verb, on) = right.split_once(' ').expect("two words");
        let to = if verb == "GRANT" { "TO" } else { "FROM" };
        db.execute(&format!("{verb} {on} {user}.users {to} {user}"));
        let warnings: Vec<String> =
            look().outcome().warnings().iter().map(|warning| warning.message.clone()).collect();
        let told = format!("the user {user} finds {user}.users instead of the tables of the schema public");
        assert!(matches!(warnings.as_slice(), [one] if one.contains(&told)), "{warnings:?}");
    }
    db.execute(&format!("ALTER ROLE {user} SET search_path = public, {user}"));
    assert_eq!(look().warnings(), [""; 0]);
}

#[test]
fn a_database_that_takes_no_changes_is_a_refusal() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name));
    let ended = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("accepts no changes at present"), "{}", ended.message());
    let ended = Executor::on(&db, "check").run().expect(ExitCode::Success);
    assert!(ended.message().starts_with("tasks can only read here"), "{}", ended.message());
}

#[test]
fn looking_cannot_change_anything_even_if_the_database_would() {
    needs_postgres!();
    // The view writes a row whenever it is read.
    let db = Database::create(Generation::August2026);
    db.execute(&format!(
        "CREATE TABLE seen (what text); GRANT ALL ON seen TO {0}; ALTER TABLE users RENAME TO people; \
         CREATE FUNCTION seen() RETURNS boolean LANGUAGE sql VOLATILE AS \
         $$ INSERT INTO seen VALUES ('x'); SELECT true $$; \
         CREATE VIEW users AS SELECT * FROM people WHERE seen(); GRANT ALL ON users TO {0}; \
         INSERT INTO people (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         VALUES ('jo', 'jo@x', 'h', true, false, 'patient', '[]', '[]', 'patient')",
        db.user
    ));
    let show = Executor::on(&db, "show-user").set("ADMIN_USERNAME", "jo");
    let ended = show.run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("25006"), "{}", ended.message());
    assert_eq!(db.value("SELECT count(*) FROM seen").as_deref(), Some("0"));
}

#[test]
fn every_missing_column_is_named_and_nothing_is_written() {
    needs_postgres!();
    for (change, missing) in [
        ("ALTER TABLE users RENAME fhir_patient_id TO patient", "users.fhir_patient_id"),
        ("ALTER TABLE users DROP COLUMN totp_secret", "users.totp_secret"),
        ("ALTER TABLE roles RENAME name TO title", "roles.name"),
        ("ALTER TABLE user_role RENAME role_id TO role", "user_role.role_id"),
        ("DROP TABLE user_role", "user_role"),
    ] {
        let db = Database::create(Generation::August2026);
        db.execute(change);
        let users = db.rows("SELECT * FROM users");
        let ended = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::SchemaMismatch);
        assert_eq!(ended.failure().missing_columns, [missing]);
        assert!(ended.message().contains(missing), "{}", ended.message());
        assert_eq!(db.rows("SELECT * FROM users"), users);
        Executor::on(&db, "check").run().expect(ExitCode::SchemaMismatch);
    }
    let db = Database::create(Generation::March2026);
    db.execute("DROP TABLE users, roles, user_role");
    let ended = Executor::on(&db, "check").run().expect(ExitCode::SchemaMismatch);
    assert_eq!(ended.failure().missing_columns, ["roles", "user_role", "users"]);
}

#[test]
fn a_column_a_newer_application_demands_is_named() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute("ALTER TABLE users ADD COLUMN tenant integer NOT NULL");
    let before = db.contents();
    for executor in [Executor::on(&db, "check"), Executor::create(&db, "jo", "jo@example.org")] {
        let ended = executor.run().expect(ExitCode::SchemaMismatch);
        assert!(ended.message().contains("tenant"), "{}", ended.message());
    }
    assert_eq!(db.contents(), before);
    // A column with a default does not matter to actions.
    db.execute("ALTER TABLE users ALTER COLUMN tenant SET DEFAULT 1, ADD COLUMN extra text");
    Executor::on(&db, "check").run().expect(ExitCode::Success);
    Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
}

#[test]
fn types_and_rules_that_are_not_known_end_the_task() {
    needs_postgres!();
    for change in [
        "ALTER TABLE users ALTER COLUMN is_active TYPE integer USING 1",
        "DROP INDEX ix_users_username",
        "ALTER TABLE users ALTER COLUMN base_profession TYPE varchar(3)",
    ] {
        let db = Database::create(Generation::August2026);
        db.execute(change);
        let ended = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::SchemaMismatch);
        assert!(ended.message().ends_with("nothing was changed"), "{change}: {}", ended.message());
        assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("0"));
    }
    // jsonb and bigint in place of json and integer make no difference.
    let db = Database::create(Generation::August2026);
    db.execute("ALTER TABLE users ALTER COLUMN additional_competencies TYPE jsonb USING '[]'; \
         ALTER TABLE users ALTER COLUMN id TYPE bigint; ALTER TABLE user_role ALTER COLUMN user_id TYPE bigint");
    Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
}

#[test]
fn a_trigger_that_undoes_the_change_is_noticed() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
    db.execute(
        "CREATE FUNCTION undo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$; \
         CREATE TRIGGER undo BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION undo()",
    );
    let ended = Executor::permission(&db, "jo", "staff").run().expect(ExitCode::SchemaMismatch);
    assert!(ended.message().contains("undid"), "{}", ended.message());
}
