//! The texts of results, warnings and advice.

use quill_admin_engine::{Effect, Next, Performed, Undo};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::Database;

use crate::rows::three_users;
use crate::run::{HASH, connect, run, shipped, variables};

async fn told(db: &Database, action: &str, with: &[(&str, &str)]) -> Performed {
    let actions = shipped();
    let client = connect(db).await;
    let performed = run(&client, actions.get(action).expect("there"), &variables(with)).await;
    performed.unwrap_or_else(|failed| panic!("{action}: {failed:?}"))
}

fn next(action: &str, username: &str) -> Next {
    let with = [("username".to_owned(), username.to_owned())].into();
    Next { action: action.to_owned(), with }
}

#[tokio::test]
async fn a_user_is_shown_in_the_words_of_the_file() {
    needs_postgres!();
    let db = three_users();
    let shown = told(&db, "show-user", &[("ADMIN_USERNAME", "ada")]).await;
    assert_eq!((shown.effect, shown.changes.len(), shown.writes()), (Effect::Found, 0, false));
    assert_eq!(
        shown.message,
        "user ada: email ada@example.org, permission level staff, base profession nurse, no role, active, one-time codes \
         off, email verified"
    );
    db.execute(
        "INSERT INTO user_role SELECT users.id, roles.id FROM users, roles WHERE username = 'ada' AND name LIKE 'P%';
         UPDATE users SET is_active = false, email_verified = false, is_totp_enabled = true",
    );
    let shown = told(&db, "show-user", &[("ADMIN_USERNAME", "ada")]).await;
    assert_eq!(
        shown.message,
        "user ada: email ada@example.org, permission level staff, base profession nurse, roles Patient and Patient \
         Advocate, inactive, one-time codes on, email not verified"
    );
    let warnings: Vec<_> = shown
        .warnings
        .iter()
        .map(|one| (one.code.as_str(), one.message.as_str(), one.next.clone()))
        .collect();
    assert_eq!(
        warnings,
        [
            (
                "account_inactive",
                "the account ada is inactive and still cannot log in",
                Some(next("activate", "ada"))
            ),
            (
                "email_not_verified",
                "the email of ada is not verified: the account cannot log in until it is",
                Some(next("verify-email", "ada"))
            ),
        ]
    );
}

#[tokio::test]
async fn what_is_made_is_told_with_what_it_has_and_what_it_looks_like() {
    needs_postgres!();
    let db = three_users();
    db.execute("DELETE FROM roles");
    let with = [("ADMIN_USERNAME", "Ada"), ("ADMIN_EMAIL", "ADA@example.org"), ("ADMIN_PASSWORD_HASH", HASH)];
    let made = told(&db, "create-superadmin", &with).await;
    assert_eq!(made.message, "created user Ada: superadmin, consultant, no role");
    let warnings: Vec<_> =
        made.warnings.iter().map(|one| (one.code.as_str(), one.message.as_str())).collect();
    assert_eq!(
        warnings,
        [
            (
                "look_alike",
                "the new name Ada looks like another user's, ada: only upper and lower case differ"
            ),
            (
                "role_not_seeded",
                "the role System Administrator is not in the database yet, so Ada does not have it: put the roles there \
                 with `quill-admin seed-roles`, then give it with `quill-admin add-role`"
            ),
            (
                "look_alike",
                "the email ADA@example.org differs from that of another user, ada (ada@example.org), by upper and lower \
                 case only"
            ),
        ]
    );
    assert_eq!(made.warnings[1].next, Some(Next { action: "seed-roles".to_owned(), with: [].into() }));
    assert_eq!(made.undo, Some(Undo::Action(next("deactivate", "Ada"))));
    let again = told(&db, "create-superadmin", &with).await;
    assert_eq!((again.effect, again.undo), (Effect::Unchanged, None));
    assert_eq!(again.message, "nothing to change: Ada is a superadmin already, with this email and password");
}

#[tokio::test]
async fn what_is_changed_is_told_field_by_field() {
    needs_postgres!();
    let db = three_users();
    db.execute("UPDATE users SET email_verified = false, is_totp_enabled = true WHERE username = 'ada'");
    let with = [
        ("ADMIN_USERNAME", "ada"),
        ("ADMIN_EMAIL", "ada@example.net"),
        ("ADMIN_PASSWORD_HASH", crate::run::OTHER_HASH),
    ];
    let changed = told(&db, "create-superadmin", &with).await;
    assert_eq!(
        changed.message,
        "updated user ada: email ada@example.org → ada@example.net, permission level staff → superadmin, base profession \
         nurse → consultant, email not verified → email verified, password replaced, role System Administrator added"
    );
    let Some(Undo::Words(words)) = changed.undo else { panic!("{:?}", changed.undo) };
    assert!(words.starts_with("email, level, profession and password were replaced together"), "{words}");
    let reset = told(&db, "reset-totp", &[("ADMIN_USERNAME", "ada")]).await;
    assert_eq!(reset.message, "updated user ada: one-time codes on → one-time codes off");
}

#[tokio::test]
async fn of_many_names_that_look_like_a_new_one_the_first_are_named() {
    needs_postgres!();
    let db = three_users();
    db.execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
         additional_competencies, removed_competencies, system_permissions)
         SELECT name, name, 'x', true, false, 'nurse', '[]', '[]', 'staff' FROM unnest(ARRAY['aDa', 'adA', 'Ada']) AS name",
    );
    let with = [("ADMIN_USERNAME", "ADA"), ("ADMIN_EMAIL", "new@example.org"), ("ADMIN_PASSWORD_HASH", HASH)];
    let made = told(&db, "create-superadmin", &with).await;
    let warnings: Vec<_> = made.warnings.iter().map(|one| one.message.as_str()).collect();
    assert_eq!(warnings, ["the new name ADA looks like those of other users: Ada, aDa, adA and 1 more"]);
}
