//! What each action leaves behind, on both generations of the tables.

use quill_admin_contract::{ExitCode, Outcome, WarningCode};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{Executor, HASH, OTHER_HASH};

/// Everything of a user but the id, column by column.
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

/// A user as the application leaves one behind, with everything that must not be touched.
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
        assert_eq!(ended.warnings(), []);
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
        assert_eq!(user.username, "steve.jones");
        assert_eq!(user.email_verified, new.then_some(true));
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
        assert_eq!(ended.warnings(), [WarningCode::AccountInactive]);
        assert!(
            ended
                .messages()
                .contains(&"WARNING the account jo is inactive and still cannot log in".to_owned()),
            "{}",
            ended.text
        );
        let user = ended.user();
        assert!(user.totp_enabled && !user.active);
        if new {
            assert_eq!(verified(&db, "jo").as_deref(), Some("t"));
        }

        // The same again changes nothing; another password is all that changes.
        let before = db.contents();
        let again = Executor::create(&db, "jo", "new@example.org").run().expect(ExitCode::Success);
        assert!(matches!(again.outcome(), Outcome::Unchanged { .. }));
        assert_eq!(again.warnings(), [WarningCode::AccountInactive]);
        assert_eq!(db.contents(), before);
        let other =
            Executor::create(&db, "jo", "new@example.org").set("ADMIN_PASSWORD_HASH", OTHER_HASH).run();
        assert_eq!(other.expect(ExitCode::Success).changes(), ["password"]);
    }
}
