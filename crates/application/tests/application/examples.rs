//! Mistakes in golden cases. The cases of this repository are run by the tests of the local environment,
//! which runs actions as the container does.

use std::path::Path;

use quill_admin_actions::Actions;
use quill_admin_application::examples::{self, Examples};

use crate::{FIXTURE, compile};

fn told(actions: &Actions, name: &str, text: &str) -> String {
    let mut examples = Examples::default();
    let broken =
        examples::parse(Path::new(name), text.as_bytes(), actions, &mut examples).expect_err("wrong");
    broken.to_string()
}

#[test]
fn mistakes_in_cases_are_told_where_they_stand() {
    let actions = compile(FIXTURE).expect("valid").actions;
    let case = |rest: &str| {
        told(&actions, "c.yaml", &format!("cases:\n  - case: x\n    {}\n", rest.replace('\n', "\n    ")))
    };
    for (rest, expected) in [
        (
            "run: add-rol\nexpect: {}",
            "c.yaml:3:10: unknown action \"add-rol\"; allowed here: create-superadmin, update-permissions, add-role, remove-role, show-user, list-users, create-user, verify-email, reset-totp, set-password, deactivate, activate, seed-roles; did you mean \"add-role\"?",
        ),
        (
            "run: add-role\nwith: { username: x }\nexpect: {}",
            "c.yaml:2:5: a case of add-role gives no value for role in \"with\"",
        ),
        (
            "run: add-role\nwith: { usrname: x, role: y }\nexpect: { exit: 2 }",
            "c.yaml:4:13: unknown parameter of add-role \"usrname\"; allowed here: role, username; did you mean \"username\"?",
        ),
        (
            "run: update-permissions\nwith: { username: x, permission: nurse }\nexpect: {}",
            "c.yaml:4:38: the value for permission is not among the values: admin, patient, single-user, staff, superadmin",
        ),
        (
            "run: set-password\nwith: { username: x, password: hunter2 }\nexpect: {}",
            "c.yaml:4:36: the value for password is not the hash of a password, as it travels: $argon2id$v=19$m=65536,t=3,p=4$…",
        ),
        (
            "run: seed-roles",
            "c.yaml:2:5: a case has no key \"expect\"; it says what comes of it, as in { result: updated }",
        ),
        (
            "run: seed-roles\nexpect: { result: done }",
            "c.yaml:4:23: the key \"result\" is one of: created, updated, unchanged, found, failed; not \"done\"",
        ),
        (
            "run: seed-roles\nexpect: { exit: 12, result: updated }",
            "c.yaml:4:33: with the exit code 12 this is not what comes of it",
        ),
        (
            "run: seed-roles\nexpect: { changes: { role: { added: [x] } } }",
            "c.yaml:4:26: unknown field \"role\"; allowed here: roles; did you mean \"roles\"?",
        ),
        (
            "run: seed-roles\nexpect: { changes: { roles: { from: x } } }",
            "c.yaml:4:33: the key \"roles\" is { from: …, to: … }, or for a list { added: […], removed: […] }",
        ),
        (
            "run: list-users\nexpect: { changes: {} }",
            "c.yaml:4:15: this action is about nothing that could change",
        ),
        (
            "run: list-users\nexpect: { listed: [{ user: x }] }",
            "c.yaml:4:26: unknown column \"user\"; allowed here: active, email, permission, username; did you mean \"username\"?",
        ),
        ("run: seed-roles\nexpect: { listed: [] }", "c.yaml:4:15: this action lists no rows"),
        (
            "run: list-users\nexpect: {}\nrepeats: true",
            "c.yaml:5:5: \"repeats\" is for actions that write; one that reads is the same each time",
        ),
        (
            "run: seed-roles\nexpect: { warnings: [x] }",
            "c.yaml:4:26: unknown warning \"x\"; allowed here: none",
        ),
        (
            "run: seed-roles\ngiven: { role: [] }\nexpect: {}",
            "c.yaml:4:14: unknown table \"role\"; allowed here: roles, user_role, users; did you mean \"roles\"?",
        ),
        (
            "run: seed-roles\ngiven: { roles: [{ nam: x }] }\nexpect: {}",
            "c.yaml:4:24: unknown column \"nam\"; allowed here: id, name; did you mean \"name\"?",
        ),
        (
            "run: seed-roles\nwithout: [user]\nexpect: {}",
            "c.yaml:4:15: unknown table \"user\"; allowed here: roles, user_role, users; did you mean \"users\"?",
        ),
        (
            "run: seed-roles\nif: column roles.x\nexpect: {}",
            "c.yaml:4:9: roles.x is not in \"knows\" of the table roles, where columns are that may be there: none",
        ),
        (
            "run: seed-roles\nexpect: {}\nexpects: {}",
            "c.yaml:5:5: unknown key \"expects\"; allowed here: case, if, without, given, run, with, expect, repeats; did you mean \"expect\"?",
        ),
    ] {
        assert_eq!(case(rest), expected, "{rest}");
    }
    assert_eq!(
        told(&actions, "given.yaml", "cases: []\ngiven: { user: [] }"),
        "given.yaml:1:1: unknown key \"cases\"; allowed here: defaults, given\ngiven.yaml:2:10: unknown table \"user\"; allowed here: roles, user_role, users; did you mean \"users\"?"
    );
    assert_eq!(
        told(
            &actions,
            "c.yaml",
            "cases:\n  - { case: x, run: seed-roles, expect: {} }\n  - { case: x, run: seed-roles, expect: {} }"
        ),
        "c.yaml:3:5: the case at 2:5 is called so, too"
    );
}
