//! The rows that each action leaves behind, on both generations of the tables.

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{Executor, HASH, OTHER_HASH};

/// All columns of a user except the id.
const USER: &str = "SELECT username, email, password_hash, is_active, totp_secret, is_totp_enabled, \
     base_profession, additional_competencies, removed_competencies, professional_registrations, \
     system_permissions, fhir_patient_id FROM users WHERE username = ";

fn row(db: &Database, username: &str) -> Vec<Option<String>> {
    let mut rows = db.rows(&format!("{USER}{}", quoted(username)));
    assert_eq!(rows.len(), 1, "{username}");
    rows.remove(0)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn owned(values: &[Option<&str>]) -> Vec<Option<String>> {
    values.iter().map(|value| value.map(str::to_owned)).collect()
}

fn roles(db: &Database, username: &str) -> Vec<String> {
    let rows = db.rows(&format!(
        "SELECT roles.name FROM users JOIN user_role ON user_role.user_id = users.id \
         JOIN roles ON roles.id = user_role.role_id WHERE username = {} ORDER BY name",
        quoted(username)
    ));
    rows.into_iter().flatten().flatten().collect()
}

fn verified(db: &Database, username: &str) -> Option<String> {
    db.value(&format!("SELECT email_verified FROM users WHERE username = {}", quoted(username)))
}

/// A user as the application makes one, with everything that must not be changed.
fn add_worn_user(db: &Database, username: &str) {
    db.execute(&format!(
        "INSERT INTO users (username, email, password_hash, is_active, totp_secret, is_totp_enabled, \
         base_profession, additional_competencies, removed_competencies, professional_registrations, \
         system_permissions, fhir_patient_id) VALUES ({}, 'old@example.org', 'old', false, 'TOTP', true, 'nurse', \
         '[\"a\"]', '[\"b\"]', '{{\"gmc\": 1}}', 'staff', 'fhir-1'); \
         INSERT INTO user_role SELECT users.id, roles.id FROM users, roles WHERE username = {} AND name = 'Clinician'",
        quoted(username),
        quoted(username),
    ));
}

#[test]
fn create_superadmin_makes_a_new_user() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let ended =
            Executor::create(&db, "  steve.jones ", "\tsteve@example.org ").run().expect(ExitCode::Success);
        assert_eq!(
            ended.message(),
            "created user steve.jones: superadmin, consultant, role System Administrator"
        );
        assert!(matches!(ended.outcome(), Outcome::Created { .. }));
        assert_eq!(ended.warnings(), [""; 0]);
        let new = generation == Generation::August2026;
        assert_eq!(
            row(&db, "steve.jones"),
            owned(&[
                Some("steve.jones"),
                Some("steve@example.org"),
                Some(HASH),
                Some("t"),
                None,
                Some("f"),
                Some("consultant"),
                Some("[]"),
                Some("[]"),
                None,
                Some("superadmin"),
                None,
            ])
        );
        assert_eq!(roles(&db, "steve.jones"), ["System Administrator"]);
        let user = ended.user();
        assert_eq!(user.name(), "steve.jones");
        assert_eq!(user.is("email_verified"), new.then_some(true));
        if new {
            assert_eq!(verified(&db, "steve.jones").as_deref(), Some("t"));
        }
        let mut changes = vec![
            "email: steve@example.org",
            "permission: superadmin",
            "base_profession: consultant",
            "active: true",
            "totp_enabled: false",
        ];
        changes.extend(new.then_some("email_verified: true"));
        changes.extend(["password", "+ System Administrator"]);
        assert_eq!(ended.changes(), changes);
    }
}

#[test]
fn create_superadmin_changes_an_existing_user_and_leaves_the_rest_alone() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        add_worn_user(&db, "jo");
        let ended = Executor::create(&db, "jo", "new@example.org").run().expect(ExitCode::Success);
        assert!(matches!(ended.outcome(), Outcome::Updated { .. }));
        assert_eq!(
            row(&db, "jo"),
            owned(&[
                Some("jo"),
                Some("new@example.org"),
                Some(HASH),
                Some("f"),
                Some("TOTP"),
                Some("t"),
                Some("consultant"),
                Some("[\"a\"]"),
                Some("[\"b\"]"),
                Some("{\"gmc\": 1}"),
                Some("superadmin"),
                Some("fhir-1"),
            ])
        );
        assert_eq!(roles(&db, "jo"), ["Clinician", "System Administrator"]);
        let new = generation == Generation::August2026;
        let mut changes = vec![
            "email: old@example.org -> new@example.org",
            "permission: staff -> superadmin",
            "base_profession: nurse -> consultant",
        ];
        changes.extend(new.then_some("email_verified: false -> true"));
        changes.extend(["password", "+ System Administrator"]);
        assert_eq!(ended.changes(), changes);
        assert_eq!(ended.warnings(), ["account_inactive"]);
        assert!(
            ended
                .messages()
                .contains(&"WARNING the account jo is inactive and still cannot log in".to_owned()),
            "{}",
            ended.text
        );
        let user = ended.user();
        assert_eq!((user.is("totp_enabled"), user.is("active")), (Some(true), Some(false)));
        assert_eq!(user.roles(), ["Clinician", "System Administrator"]);
        if new {
            assert_eq!(verified(&db, "jo").as_deref(), Some("t"));
            // This alone is worth a change: without a verified email the user cannot log in.
            db.execute("UPDATE users SET email_verified = false");
            let ended = Executor::create(&db, "jo", "new@example.org").run().expect(ExitCode::Success);
            assert_eq!(ended.changes(), ["email_verified: false -> true"]);
        }

        // The same request again changes nothing; with another password only that changes.
        let before = db.contents();
        let again = Executor::create(&db, "jo", "new@example.org").run().expect(ExitCode::Success);
        assert!(matches!(again.outcome(), Outcome::Unchanged { .. }));
        assert_eq!(again.warnings(), ["account_inactive"]);
        assert_eq!(db.contents(), before);
        let other =
            Executor::create(&db, "jo", "new@example.org").set("ADMIN_PASSWORD_HASH", OTHER_HASH).run();
        assert_eq!(other.expect(ExitCode::Success).changes(), ["password"]);
    }
}

#[test]
fn without_the_role_a_superadmin_is_made_all_the_same() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::builder(generation).without_roles().create();
        let ended = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "created user jo: superadmin, consultant, no role");
        assert_eq!(ended.warnings(), ["role_not_seeded"]);
        let warning = ended.messages().pop().expect("a warning");
        assert!(warning.starts_with("WARNING ") && warning.contains("`quill-admin add-role`"), "{warning}");
        assert_eq!(db.value("SELECT count(*) FROM user_role").as_deref(), Some("0"));

        // An unchanged user is reported with the warning, too; once the role exists, the same request gives
        // it.
        let again = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
        assert!(matches!(again.outcome(), Outcome::Unchanged { .. }));
        assert_eq!(again.warnings(), ["role_not_seeded"]);
        db.execute("INSERT INTO roles (name) VALUES ('System Administrator')");
        let seeded = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::Success);
        assert_eq!(seeded.changes(), ["+ System Administrator"]);
        assert_eq!(seeded.warnings(), [""; 0]);
    }
}

#[test]
fn a_plaintext_password_is_hashed_and_warned_about() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let password = "pläin, text = ^ 'pass' 🙂";
    let ended = Executor::create(&db, "jo", "jo@example.org")
        .unset("ADMIN_PASSWORD_HASH")
        .set("ADMIN_PASSWORD", password)
        .run()
        .expect(ExitCode::Success);
    assert_eq!(ended.warnings(), ["plaintext_password"]);
    let stored = db.value("SELECT password_hash FROM users").expect("a hash");
    assert!(!ended.text.contains(&stored));
    let secret = quill_admin_contract::Secret::new(stored.clone());
    quill_admin_contract::PasswordHash::parse(secret).expect("the application's form");
    let parsed = argon2::password_hash::phc::PasswordHash::new(&stored).expect("PHC");
    argon2::PasswordVerifier::verify_password(&argon2::Argon2::default(), password.as_bytes(), &parsed)
        .expect("the password logs in");
}

#[test]
fn an_email_of_somebody_else_is_refused() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        add_worn_user(&db, "owner");
        add_user(&db, "jo");
        let before = db.contents();
        for username in ["new", "jo"] {
            let ended = Executor::create(&db, username, "old@example.org").run().expect(ExitCode::EmailTaken);
            assert_eq!(
                ended.message(),
                "the email old@example.org belongs to another user, owner; nothing was changed"
            );
            assert_eq!(db.contents(), before);
        }
        // Emails compare exactly, as the application does.
        Executor::create(&db, "new", "OLD@example.org").run().expect(ExitCode::Success);
    }
}

/// A plain user who can log in.
fn add_user(db: &Database, username: &str) {
    db.execute(&format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         VALUES ({0}, {0} || '@example.com', 'hash', true, false, 'patient', '[]', '[]', 'patient')",
        quoted(username)
    ));
}

#[test]
fn update_permissions_changes_the_level_and_nothing_else() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        add_worn_user(&db, "jo");
        let before = row(&db, "jo");
        // Each generation of the application has its own lowest level, and refuses the other's.
        let (lowest, other) = match generation {
            Generation::March2026 => ("patient", "single-user"),
            Generation::August2026 => ("single-user", "patient"),
        };
        let refused = Executor::permission(&db, "jo", other).run().expect(ExitCode::Usage);
        let sentence = format!(
            "the permission level {other} is none that the application of this database knows; allowed here: \
             {lowest}, staff, admin, superadmin; nothing was changed"
        );
        assert_eq!(refused.message(), sentence);
        assert_eq!(row(&db, "jo"), before);
        for (level, old) in
            [(lowest, "staff"), ("admin", lowest), ("superadmin", "admin"), ("staff", "superadmin")]
        {
            let ended = Executor::permission(&db, "jo", level).run().expect(ExitCode::Success);
            assert_eq!(ended.message(), format!("updated user jo: permission level {old} → {level}"));
            assert_eq!(ended.changes(), [format!("permission: {old} -> {level}")]);
            assert_eq!(ended.user().text("permission"), level);
            let mut expected = before.clone();
            expected[10] = Some(level.to_owned());
            assert_eq!(row(&db, "jo"), expected);
        }
        assert_eq!(roles(&db, "jo"), ["Clinician"]);
        let ended = Executor::permission(&db, "jo", "staff").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "nothing to change: jo has the permission level staff already");
        assert!(matches!(ended.outcome(), Outcome::Unchanged { .. }));
        let mut warnings = vec!["account_inactive"];
        warnings.extend((generation == Generation::August2026).then_some("email_not_verified"));
        assert_eq!(ended.warnings(), warnings);
    }
}

fn role(db: &Database, action: &str, username: &str, role: &str) -> Executor {
    Executor::on(db, action).set("ADMIN_USERNAME", username).set("ADMIN_ROLE", role)
}

#[test]
fn roles_are_given_and_taken() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        add_user(&db, "jo");
        let users = db.rows("SELECT users::text FROM users");
        let ended = role(&db, "add-role", "jo", " Patient Advocate ").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "updated user jo: role Patient Advocate added");
        assert_eq!(ended.changes(), ["+ Patient Advocate"]);
        role(&db, "add-role", "jo", "Clinician").run().expect(ExitCode::Success);
        assert_eq!(roles(&db, "jo"), ["Clinician", "Patient Advocate"]);

        let ended = role(&db, "add-role", "jo", "Clinician").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "nothing to change: jo has the role Clinician already");
        assert_eq!(ended.user().roles(), ["Clinician", "Patient Advocate"]);

        let ended = role(&db, "remove-role", "jo", "Clinician").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "updated user jo: role Clinician removed");
        assert_eq!(ended.changes(), ["- Clinician"]);
        assert_eq!(roles(&db, "jo"), ["Patient Advocate"]);
        let ended = role(&db, "remove-role", "jo", "Clinician").run().expect(ExitCode::Success);
        assert_eq!(ended.message(), "nothing to change: jo does not have the role Clinician");
        assert_eq!(db.rows("SELECT users::text FROM users"), users, "the user's own row is as it was");
    }
}

#[test]
fn an_unknown_role_gets_the_list_of_those_there_are() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    add_user(&db, "jo");
    db.execute("INSERT INTO roles (name) VALUES ('Ärztin'), ('a porter')");
    let before = db.contents();
    for action in ["add-role", "remove-role"] {
        let ended = role(&db, action, "jo", "clinician").run().expect(ExitCode::RoleNotFound);
        let sorted = [
            "Clinical Administrator",
            "Clinical Support Staff",
            "Clinician",
            "Patient",
            "Patient Advocate",
            "System Administrator",
            "a porter",
            "Ärztin",
        ];
        assert_eq!(ended.failure().available, sorted);
        assert!(ended.message().contains(&sorted.join(", ")), "{}", ended.message());
        assert_eq!(db.contents(), before);
    }
    db.execute("DELETE FROM roles");
    let ended = role(&db, "add-role", "jo", "Clinician").run().expect(ExitCode::RoleNotFound);
    assert!(ended.message().contains("has no roles yet"), "{}", ended.message());
}

#[test]
fn an_unknown_user_is_not_made() {
    needs_postgres!();
    let db = Database::create(Generation::March2026);
    add_user(&db, "Jo");
    let before = db.contents();
    let who = |executor: Executor| executor.set("ADMIN_USERNAME", "jo").run().expect(ExitCode::UserNotFound);
    who(Executor::permission(&db, "", "admin"));
    who(role(&db, "add-role", "", "Clinician"));
    who(role(&db, "remove-role", "", "no such role"));
    let ended = who(Executor::on(&db, "show-user"));
    assert!(ended.message().starts_with("there is no user jo "), "{}", ended.message());
    assert_eq!(db.contents(), before);
}

#[test]
fn show_user_tells_everything_but_secrets() {
    needs_postgres!();
    for generation in Generation::ALL {
        // The right to read is enough for this action.
        let db = Database::builder(generation).read_only().create();
        add_worn_user(&db, "jo");
        let before = db.contents();
        let ended =
            Executor::on(&db, "show-user").set("ADMIN_USERNAME", "jo").run().expect(ExitCode::Success);
        let user = ended.user();
        let new = generation == Generation::August2026;
        assert_eq!(
            (
                user.text("email").as_str(),
                user.text("permission").as_str(),
                user.text("base_profession").as_str(),
                user.roles().as_slice()
            ),
            ("old@example.org", "staff", "nurse", &["Clinician".to_owned()][..])
        );
        assert_eq!((user.is("totp_enabled"), user.is("active")), (Some(true), Some(false)));
        assert_eq!(user.is("email_verified"), new.then_some(false));
        assert_eq!(
            ended.message(),
            format!(
                "user jo: email old@example.org, permission level staff, base profession nurse, role Clinician, \
                 inactive, one-time codes on{}",
                if new { ", email not verified" } else { "" }
            )
        );
        let mut warnings = vec!["account_inactive"];
        warnings.extend(new.then_some("email_not_verified"));
        assert_eq!(ended.warnings(), warnings);
        assert_eq!(db.contents(), before);
    }
}

#[test]
fn check_reports_the_database() {
    needs_postgres!();
    for generation in Generation::ALL {
        let new = generation == Generation::August2026;
        let db = Database::create(generation);
        let ended = Executor::on(&db, "check").run().expect(ExitCode::Success);
        let Outcome::Checked { database, warnings } = ended.outcome() else { panic!("{}", ended.text) };
        assert_eq!(warnings, []);
        assert_eq!((&database.database, &database.user), (&db.name, &db.user));
        assert_eq!(Some(&database.server_version), db.value("SHOW server_version").as_ref());
        assert_eq!(database.tls.as_deref(), Some("TLSv1.3"));
        assert!(database.writable);
        let columns: &[&str] =
            if new { &["users.email_verified", "users.full_name", "users.token_version"] } else { &[] };
        assert_eq!(database.columns, columns);
        let [roles] = database.expected.as_slice() else { panic!("{database:?}") };
        assert_eq!((roles.code.as_str(), roles.found.len()), ("roles_missing", 6));
        assert!(roles.found.is_sorted());
        assert_eq!((roles.count, roles.missing.as_slice()), (6, &[][..]));
        // Needs that an action declares itself are no reason for a warning.
        let unavailable: Vec<&str> = database.unavailable.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(unavailable, if new { vec![] } else { vec!["verify-email"] });

        db.execute("DELETE FROM roles WHERE name IN ('Patient', 'Clinician'); INSERT INTO roles (name) VALUES ('Porter')");
        let ended = Executor::on(&db, "check").run().expect(ExitCode::Success);
        let Outcome::Checked { database, .. } = ended.outcome() else { panic!("{}", ended.text) };
        assert_eq!(database.expected[0].missing, ["Clinician", "Patient"]);
        assert_eq!(ended.warnings(), ["roles_missing"]);
        assert!(ended.message().starts_with("tasks can run here: PostgreSQL "), "{}", ended.message());
        assert!(ended.message().ends_with("4 of 6 roles"), "{}", ended.message());
    }
}

#[test]
fn check_sees_each_right_that_is_missing() {
    needs_postgres!();
    for revoked in [
        "INSERT ON users",
        "UPDATE ON users",
        "INSERT ON user_role",
        "DELETE ON user_role",
        "USAGE ON SEQUENCE users_id_seq",
    ] {
        let db = Database::create(Generation::August2026);
        db.execute(&format!("REVOKE {revoked} FROM {}", db.user));
        let ended = Executor::on(&db, "check").run().expect(ExitCode::Success);
        let Outcome::Checked { database, .. } = ended.outcome() else { panic!("{}", ended.text) };
        assert!(!database.writable, "{revoked}");
        assert!(ended.message().starts_with("tasks can only read here"), "{}", ended.message());
    }
}

#[test]
fn difficult_values_reach_the_row_unchanged() {
    needs_postgres!();
    for (generation, names) in [
        (Generation::March2026, ["a,b=c^d", "'; DROP TABLE users; --", "Ж🙂 \\ \"x\" `y` $1 %s {} é"]),
        (Generation::August2026, ["$$'\\''\"", "E'\\x27", "עברית from the right  two  blanks"]),
    ] {
        let db = Database::create(generation);
        for (index, name) in names.into_iter().enumerate() {
            let email = format!("o'brien,=^\"\\$1🙂Ж{index}@пример.рф");
            let role_name = format!("'; DELETE FROM users; -- \\ \"{index}\" 🙂,=^");
            let reason = "because, = ^ \"quoted\" \\ 🙂 'x'";
            let ended = Executor::create(&db, name, &email)
                .set("ADMIN_REASON", reason)
                .run()
                .expect(ExitCode::Success);
            assert_eq!(ended.result().reason.as_deref(), Some(reason));
            let user = ended.user();
            assert_eq!((user.name(), user.text("email")), (name, email.clone()));
            assert_eq!(row(&db, name)[..2], owned(&[Some(name), Some(&email)]));
            db.execute(&format!("INSERT INTO roles (name) VALUES ({})", quoted(&role_name)));
            let ended = role(&db, "add-role", name, &role_name).run().expect(ExitCode::Success);
            assert!(ended.user().roles().contains(&role_name));
            let ended = Executor::permission(&db, name, "staff").run().expect(ExitCode::Success);
            assert!(ended.message().contains(name), "{}", ended.text);
        }
        assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("3"));
        let longest = "é".repeat(150);
        Executor::create(&db, &longest, "long@example.org").run().expect(ExitCode::Success);
        assert_eq!(row(&db, &longest)[0].as_ref(), Some(&longest));
    }
}
