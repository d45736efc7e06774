//! The refusals before anything is done, and their messages.

use quill_admin_contract::ExitCode;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::rows::three_users;
use crate::run::{connect, declared, run, shipped, variables};

#[tokio::test]
async fn what_an_action_needs_is_told() {
    needs_postgres!();
    let db = Database::create(Generation::March2026);
    let client = connect(&db).await;
    let actions = shipped();
    let verify = actions.get("verify-email").expect("there");
    let failed =
        run(&client, verify, &variables(&[("ADMIN_USERNAME", "ada")])).await.expect_err("it is not there");
    assert_eq!(failed.code, ExitCode::SchemaMismatch);
    assert_eq!(failed.missing_columns, ["users.email_verified"]);
    assert_eq!(
        failed.message,
        "verify-email needs users.email_verified, which the database does not have; nothing was changed"
    );
    let mut old = verify.clone();
    old.definition.needs =
        ["no column users.id", "no column roles.id"].map(|text| text.parse().expect("a condition")).into();
    let failed =
        run(&client, &old, &variables(&[("ADMIN_USERNAME", "ada")])).await.expect_err("they are there");
    assert_eq!(
        failed.message,
        "verify-email is for databases without roles.id, users.id, which this one has; nothing was changed"
    );
}

#[tokio::test]
async fn a_value_of_another_generation_is_refused_with_those_of_this_one() {
    needs_postgres!();
    let actions = shipped();
    for (generation, other, here) in [
        (Generation::March2026, "single-user", "patient, staff, admin, superadmin"),
        (Generation::August2026, "patient", "single-user, staff, admin, superadmin"),
    ] {
        let db = Database::create(generation);
        let client = connect(&db).await;
        let with = variables(&[("ADMIN_USERNAME", "nobody"), ("ADMIN_PERMISSION", other)]);
        let failed = run(&client, actions.get("update-permissions").expect("there"), &with)
            .await
            .expect_err("refused");
        assert_eq!(failed.code, ExitCode::Usage);
        assert_eq!(
            failed.message,
            format!(
                "the permission level {other} is none that the application of this database knows; allowed here: \
                 {here}; nothing was changed"
            )
        );
    }
}

#[tokio::test]
async fn values_that_are_not_there_are_told_with_all_that_are() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    db.execute("INSERT INTO roles (name) VALUES ('\u{e9}t\u{e9}'), ('porter')");
    let with = variables(&[
        ("ADMIN_USERNAME", "nadia"),
        ("ADMIN_EMAIL", "nadia@example.org"),
        ("ADMIN_PASSWORD_HASH", crate::run::HASH),
        ("ADMIN_PERMISSION", "staff"),
        ("ADMIN_ROLE", "Porter\nClinician\nNurse"),
    ]);
    let failed = run(&client, actions.get("create-user").expect("there"), &with).await.expect_err("missing");
    assert_eq!(failed.code, ExitCode::RoleNotFound);
    // The values are sorted by bytes, whatever the collation.
    let sorted = [
        "Clinical Administrator",
        "Clinical Support Staff",
        "Clinician",
        "Patient",
        "Patient Advocate",
        "System Administrator",
        "porter",
        "\u{e9}t\u{e9}",
    ];
    assert_eq!(failed.available, sorted);
    assert_eq!(
        failed.message,
        format!(
            "there is no role Porter and no role Nurse; the database has: {}; nothing was changed",
            sorted.join(", ")
        )
    );
}

/// A number that is not the exit code of a failure must not be taken for success.
#[tokio::test]
async fn a_refusal_never_ends_with_success() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    for (exit, code) in [(0, ExitCode::Unexpected), (99, ExitCode::Unexpected), (12, ExitCode::EmailTaken)] {
        let mut action = actions.get("show-user").expect("there").clone();
        action.definition.subject.as_mut().expect("a user").exit = Some(exit);
        let failed =
            run(&client, &action, &variables(&[("ADMIN_USERNAME", "nobody")])).await.expect_err("nobody");
        assert_eq!(failed.code, code);
    }
}

#[tokio::test]
async fn what_there_is_more_than_one_of_is_no_subject() {
    needs_postgres!();
    let db = three_users();
    db.execute("DROP INDEX ix_users_username; UPDATE users SET username = 'ada' WHERE username = 'ben'");
    let client = connect(&db).await;
    let actions = shipped();
    let show = actions.get("show-user").expect("there");
    let failed = run(&client, show, &variables(&[("ADMIN_USERNAME", "ada")])).await.expect_err("two");
    assert_eq!(
        (failed.code, failed.message.as_str()),
        (ExitCode::SchemaMismatch, "the database has 2 rows that are the same user; nothing was changed")
    );
}

/// The compiler of actions refuses such a text; the engine does not rely on that.
#[tokio::test]
async fn no_text_holds_a_password_or_its_hash() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let mut action = declared(
        "  leak:
    about: would tell a secret
    parameters: [username, password]
    subject: { user: must exist }
    already: \"{username}\"
    steps:
      - write: UPDATE users SET is_active = is_active WHERE username = :username AND password_hash = :password AND NOT is_active
",
    );
    let secret = quill_admin_actions::Segment::Parameter("password".to_owned());
    action.words.already = Some(quill_admin_actions::Text::new([secret]));
    let with = variables(&[("ADMIN_USERNAME", "ada"), ("ADMIN_PASSWORD_HASH", crate::run::OTHER_HASH)]);
    let performed = run(&client, &action, &with).await.expect("nothing to do");
    assert_eq!(performed.message, "nothing to change: [redacted]");
}

#[tokio::test]
async fn a_guard_may_find_anything_and_its_texts_what_they_name() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let action = |select: &str, say: &str| {
        declared(&format!(
            "  guarded:
    about: looks first
    parameters: [username]
    subject: {{ user: must exist }}
    already: so already
    steps:
      - refuse: SELECT {select} FROM users WHERE username = :username
        else: {{ exit: 12, say: \"{say}\" }}
      - write: UPDATE users SET is_active = false WHERE username = :username AND is_active
"
        ))
    };
    for (select, say, code, message) in [
        ("1", "no", ExitCode::EmailTaken, "no; nothing was changed"),
        ("id, email::text AS email", "{email}", ExitCode::EmailTaken, "ada@example.org; nothing was changed"),
        ("NULL::text AS none", "{none}", ExitCode::EmailTaken, "nothing; nothing was changed"),
        (
            "id AS number",
            "{number}",
            ExitCode::SchemaMismatch,
            "the database holds a value of a type this image does not know: the column number is of the type int4; nothing \
             was changed",
        ),
    ] {
        let failed = run(&client, &action(select, say), &variables(&[("ADMIN_USERNAME", "ada")])).await;
        let failed = failed.expect_err(select);
        assert_eq!((failed.code, failed.message.as_str()), (code, message), "{select}");
    }
}

#[tokio::test]
async fn what_may_be_missing_and_is_read_is_told_to_be_missing() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let actions = shipped();
    let mut show = actions.get("show-user").expect("there").clone();
    show.definition.subject.as_mut().expect("a user").expected = quill_admin_actions::Expected::MayExist;
    let found =
        run(&client, &show, &variables(&[("ADMIN_USERNAME", "nadia")])).await.expect("nobody is fine");
    assert!(found.message.starts_with("there is no user nadia ("), "{}", found.message);
    assert_eq!(found.subject.expect("still about somebody").after, None);
}

#[tokio::test]
async fn a_job_of_the_applications_is_not_done_here() {
    needs_postgres!();
    let db = three_users();
    let client = connect(&db).await;
    let job = declared("  migrate:\n    about: brings the tables up to date\n    job: quill-migrate-{env}\n");
    let failed = run(&client, &job, &variables(&[])).await.expect_err("a job");
    assert_eq!(failed.code, ExitCode::Usage);
}
