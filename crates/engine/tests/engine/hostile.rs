//! Values that look like SQL, or like other syntax, stay values.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use quill_admin_actions::{Action, Kind, variable};
use quill_admin_contract::ExitCode;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{HASH, connect, run, shipped};

/// Texts with a meaning in SQL, placeholders of the file, arrays, patterns or JSON.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("$1".to_owned()),
        Just("$$".to_owned()),
        Just(":username".to_owned()),
        Just("{username}".to_owned()),
        Just("{after.email}".to_owned()),
        Just("\\".to_owned()),
        Just("'; DROP TABLE users; --".to_owned()),
        Just("/*".to_owned()),
        Just("%_".to_owned()),
        Just("{a,NULL}".to_owned()),
        Just("NULL".to_owned()),
        Just("E'\\x00'".to_owned()),
        Just("U&'\\0041'".to_owned()),
        Just("\u{1f469}\u{4f60}\u{416}\u{e9}".to_owned()),
        "[a-zA-Z0-9 ._+-]{1,6}",
    ];
    prop::collection::vec(piece, 1..6)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("nothing but white space is no value", |text| !text.trim().is_empty())
}

/// Values for all parameters of an action; hostile ones for texts.
fn values(action: &Action, hostile: &mut impl FnMut() -> String) -> BTreeMap<String, String> {
    let mut with = BTreeMap::new();
    for (name, parameter) in &action.definition.parameters {
        let (behind, value) = match &parameter.kind {
            Kind::Text { max, .. } => {
                let most = usize::try_from(*max).expect("it fits");
                ("", hostile().trim().chars().take(most).collect())
            }
            Kind::Email { .. } => {
                let local: String =
                    hostile().chars().filter(|c| !c.is_whitespace() && !"@<>,;".contains(*c)).collect();
                ("", format!("x{local}@example.org"))
            }
            Kind::OneOf { .. } => ("", "staff".to_owned()),
            Kind::Password { .. } => ("_HASH", HASH.to_owned()),
            // Truth values cannot be hostile, and are optional here.
            Kind::Boolean => continue,
            other => panic!("no shipped action has {other:?}"),
        };
        with.insert(format!("{}{behind}", variable(name)), value);
    }
    with
}

#[tokio::test]
async fn hostile_values_stay_values_in_all_actions() {
    needs_postgres!();
    let actions = shipped();
    for generation in Generation::ALL {
        let db = Database::create(generation);
        let client = connect(&db).await;
        db.execute(&format!(
            "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
             additional_competencies, removed_competencies, system_permissions)
             VALUES ('root', 'root@example.org', '{HASH}', true, false, 'nurse', '[]', '[]', 'superadmin')"
        ));
        let before = db.contents();
        let mut runner = TestRunner::new(Config::with_cases(1));
        let mut next = || hostile().new_tree(&mut runner).expect("made").current();
        for round in 0..12 {
            for action in actions.iter().filter(|action| !action.is_job()) {
                let with = values(action, &mut next);
                let told = format!("round {round} on {generation:?}: {} {with:?}", action.name);
                let ended = run(&client, action, &with).await;
                match action.name.as_str() {
                    "create-superadmin" => {
                        let performed = ended.unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
                        assert!(performed.message.contains(with["ADMIN_USERNAME"].as_str()), "{told}");
                        let columns = "username, email, password_hash, base_profession";
                        let expected = [&with["ADMIN_USERNAME"], &with["ADMIN_EMAIL"], HASH, "consultant"];
                        created(&db, columns, &expected, &told);
                    }
                    "create-user" => {
                        let mut with = with.clone();
                        // None of the roles exists, which is reported first.
                        let failed = ended.expect_err(&told);
                        assert_eq!(failed.code, ExitCode::RoleNotFound, "{told}: {}", failed.message);
                        assert!(failed.message.contains(with["ADMIN_ROLE"].as_str()), "{told}");
                        assert_eq!(db.contents(), before, "{told}");
                        with.remove("ADMIN_ROLE");
                        run(&client, action, &with)
                            .await
                            .unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
                        let columns = "username, email, system_permissions, base_profession";
                        let expected = [
                            &with["ADMIN_USERNAME"],
                            &with["ADMIN_EMAIL"],
                            "staff",
                            &with["ADMIN_PROFESSION"],
                        ];
                        created(&db, columns, &expected, &told);
                    }
                    "list-users" => {
                        let part = with["ADMIN_CONTAINS"].to_lowercase();
                        let fits = ["root", "root@example.org"].iter().any(|text| text.contains(&part));
                        let performed = ended.unwrap_or_else(|failed| panic!("{told}: {failed:?}"));
                        // The user's level is another one.
                        assert_eq!(performed.listed.expect("a list").rows.len(), 0, "{told}");
                        let with = BTreeMap::from([("ADMIN_CONTAINS".to_owned(), part)]);
                        let found = run(&client, action, &with).await.expect(&told);
                        assert_eq!(found.listed.expect("a list").rows.len(), usize::from(fits), "{told}");
                    }
                    "seed-roles" => assert_eq!(ended.expect(&told).rows_changed, 0, "{told}"),
                    // Only the newer tables have the column.
                    "verify-email" if generation == Generation::March2026 => {
                        assert_eq!(ended.expect_err(&told).code, ExitCode::SchemaMismatch, "{told}");
                    }
                    _ => {
                        let failed = ended.expect_err(&told);
                        assert_eq!(failed.code, ExitCode::UserNotFound, "{told}: {}", failed.message);
                        assert!(failed.message.contains(with["ADMIN_USERNAME"].as_str()), "{told}");
                    }
                }
                assert_eq!(db.contents(), before, "{told}");
            }
        }
    }
}

/// Checks that one user was made with these values, byte by byte, and that nothing else happened; then
/// removes it.
fn created(db: &Database, columns: &str, expected: &[&str], told: &str) {
    let rows = db.rows(&format!("SELECT {columns} FROM users WHERE username <> 'root'"));
    assert_eq!(rows.len(), 1, "{told}: {rows:?}");
    let found: Vec<&str> = rows[0].iter().map(|value| value.as_deref().unwrap_or_default()).collect();
    assert_eq!(found, expected, "{told}");
    db.execute(
        "DELETE FROM user_role USING users WHERE user_id = users.id AND username <> 'root';
         DELETE FROM users WHERE username <> 'root'",
    );
}
