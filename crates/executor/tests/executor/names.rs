//! Names that do not look like what they are: refused if they have characters that cannot be seen, and warned
//! of if another user's name looks the same.

use quill_admin_contract::{ExitCode, Outcome, warning_code};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{Ended, Executor, REQUEST};

fn create(db: &Database, username: &str) -> Ended {
    let email = format!("{}@example.org", db.value("SELECT count(*) FROM users").expect("a number"));
    Executor::create(db, username, &email).run().expect(ExitCode::Success)
}

/// The text of the warning of look-alikes, if there is one.
fn look_alike(ended: &Ended) -> Option<String> {
    let outcome = ended.outcome();
    assert!(matches!(outcome, Outcome::Created { .. }), "{}", ended.text);
    let warnings = outcome.warnings().iter();
    warnings.filter(|warning| warning.code == warning_code::LOOK_ALIKE).map(|w| w.message.clone()).next()
}

#[test]
fn a_new_name_that_looks_like_another_users_is_warned_of() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        assert_eq!(look_alike(&create(&db, "jos\u{e9}")), None);
        assert_eq!(look_alike(&create(&db, "jose")), None);
        assert_eq!(look_alike(&create(&db, "steve.jones")), None);
        assert_eq!(
            look_alike(&create(&db, "jose\u{301}")).as_deref(),
            Some(
                "the new name jose\\u{301} looks like another user's, jos\\u{e9}: only their encoding differs"
            )
        );
        assert_eq!(
            look_alike(&create(&db, "Steve.Jones")).as_deref(),
            Some(
                "the new name Steve.Jones looks like another user's, steve.jones: only upper and lower case differ"
            )
        );
        // Cyrillic ѕ and о.
        assert_eq!(
            look_alike(&create(&db, "\u{455}teve.j\u{43e}nes")).as_deref(),
            Some(
                "the new name \\u{455}teve.j\\u{43e}nes looks like those of other users: Steve.Jones, steve.jones"
            )
        );
        for name in ["STEVE.JONES", "sTEVE.JONES"] {
            assert!(look_alike(&create(&db, name)).is_some());
        }
        let many = look_alike(&create(&db, "steve.jone\u{455}")).expect("a warning");
        assert!(many.ends_with(": STEVE.JONES, Steve.Jones, sTEVE.JONES and 2 more"), "{many}");
        // There is no second warning about a user that already exists.
        let again = Executor::create(&db, "Steve.Jones", "other@example.org").run().expect(ExitCode::Success);
        assert_eq!(again.warnings(), [""; 0]);
    }
}

#[test]
fn an_email_that_differs_from_another_users_by_case_only_is_warned_of() {
    needs_postgres!();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let create = |username: &str, email: &str| {
            let ended = Executor::create(&db, username, email).run().expect(ExitCode::Success);
            let warnings = ended.outcome().warnings().to_vec();
            warnings.into_iter().map(|warning| (warning.code, warning.message)).collect::<Vec<_>>()
        };
        assert_eq!(create("steve", "steve@example.org"), []);
        let warning = |other: &str| {
            let message = format!(
                "the email Steve@Example.org differs from that of another user, {other}, by upper and lower case only"
            );
            vec![(warning_code::LOOK_ALIKE.to_owned(), message)]
        };
        assert_eq!(create("stephen", "Steve@Example.org"), warning("steve (steve@example.org)"));
        // Another spelling of a user's own email is a change, and looks like nobody else's.
        assert_eq!(create("anna", "anna@example.org"), []);
        assert_eq!(create("anna", "Anna@example.org"), []);
        // A user who gets that email later causes the warning, too.
        db.execute("UPDATE users SET email = 'STEVE@EXAMPLE.ORG' WHERE username = 'stephen'");
        assert_eq!(create("anna", "Steve@Example.org"), warning("stephen (STEVE@EXAMPLE.ORG)"));
        assert_eq!(create("anna", "Steve@Example.org"), [], "it is so already");
    }
}

#[test]
fn a_user_whose_name_hides_something_is_found_by_one_that_does_not() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    create(&db, "steve");
    db.execute("UPDATE users SET username = 'ste' || chr(8203) || 've'");
    let warning = look_alike(&create(&db, "steve")).expect("a warning");
    assert!(warning.contains("ste\\u{200b}ve"), "{warning}");
}

#[test]
fn one_that_looks_alike_is_found_among_many() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    create(&db, "steve");
    db.execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         SELECT 'somebody.' || n, n || '@x', 'h', true, false, 'patient', '[]', '[]', 'patient' \
         FROM generate_series(1, 50000) AS n",
    );
    let ended = create(&db, "Somebody.777");
    assert!(look_alike(&ended).expect("a warning").contains("somebody.777"));
}

#[test]
fn what_cannot_be_seen_is_refused_by_every_action_before_anything_is_connected_to() {
    let nowhere = Executor::bare()
        .set("AUTH_DB_HOST", "127.0.0.1")
        .set("AUTH_DB_NAME", "quill_auth")
        .set("AUTH_DB_PORT", "1")
        .set("AUTH_DB_PASSWORD", "planted-password")
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", REQUEST)
        .set("ADMIN_EMAIL", "jo@example.org")
        .set("ADMIN_PASSWORD_HASH", crate::run::HASH)
        .set("ADMIN_PERMISSION", "staff")
        .set("ADMIN_ROLE", "Clinician")
        .set("ADMIN_USERNAME", "jo");
    let refused = |executor: Executor, words: &str| {
        let ended = executor.run().expect(ExitCode::Usage);
        assert!(ended.message().contains(words), "{words}: {}", ended.message());
        assert!(!ended.text.contains('\u{202e}'), "what was given is not printed: {}", ended.text);
    };
    for action in ["create-superadmin", "update-permissions", "add-role", "remove-role", "show-user"] {
        let executor = nowhere.clone().set("ADMIN_ACTION", action);
        refused(
            executor.set("ADMIN_USERNAME", "steve\u{202e}.jones"),
            "ADMIN_USERNAME: the username contains a character that cannot be seen (U+202E, right-to-left override) \
             at position 6",
        );
    }
    let add = nowhere.clone().set("ADMIN_ACTION", "add-role");
    refused(add.clone().set("ADMIN_ROLE", "Clin\u{200b}ician"), "zero width space");
    refused(add.clone().set("ADMIN_ACTOR", "ann\u{2066}"), "left-to-right isolate");
    refused(add.set("ADMIN_REASON", "why\u{202e}not"), "right-to-left override");
    let create = nowhere.set("ADMIN_ACTION", "create-superadmin");
    refused(create.set("ADMIN_EMAIL", "mailto:jo@example.org"), "must not begin with mailto:");
}
