//! The digests that change with the file, for each kind of change.

use std::collections::BTreeMap;

use crate::{FIXTURE, compile};

fn digests(text: &str) -> BTreeMap<String, String> {
    let actions = compile(text).unwrap_or_else(|broken| panic!("{broken}")).actions;
    actions.iter().map(|action| (action.name.clone(), action.digest().to_string())).collect()
}

/// The actions whose digests change with the file.
fn changed(old: &str, new: &str) -> Vec<String> {
    assert!(FIXTURE.contains(old), "{old}");
    let (before, after) = (digests(FIXTURE), digests(&FIXTURE.replacen(old, new, 1)));
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    before.into_iter().filter(|(name, digest)| after[name] != *digest).map(|(name, _)| name).collect()
}

#[test]
fn words_for_people_change_no_digest() {
    for (old, new) in [
        ("about: gives an existing user a role", "about: gives a role"),
        ("short_about: Create a superadmin", "short_about: Make a superadmin"),
        ("alias: ar", "alias: ra"),
        ("ask: Base profession", "ask: Profession"),
        ("name: permission level", "name: level"),
        ("short: r", "short: R"),
        ("note: own records only", "note: their own records"),
        ("suggest: *roles", "suggest: [Clinician]"),
        ("permission: { label: permission level }", "permission: { label: level }"),
        ("words: [inactive, active]", "words: [switched off, switched on]"),
        ("password: password replaced", "password: new password"),
        ("none: \"the database has no roles yet", "none: \"there are none"),
        ("say: \"there is no user {username}", "say: \"nobody is called {username}"),
        ("say: \"the account {username} is inactive", "say: \"{username} is inactive"),
        ("belongs to another user, {owner}", "is {owner}'s"),
        ("already: \"{username} is active already\"", "already: so already"),
        ("created: \"{after.permission}, ", "created: \""),
        ("email, level, profession and password were", "everything was"),
        ("next: { action: seed-roles }", "next: { action: add-role }"),
        ("# The actions of Quill", "# Quill's actions"),
        ("parameters: [username, role]", "parameters: [role, username]"),
        ("say: \"roles are missing: {missing}", "say: \"{missing}"),
    ] {
        assert_eq!(changed(old, new), Vec::<String>::new(), "{old}");
    }
    // Fields are shown in the order of the file, and the order of their comparison does not matter.
    let (email, permission) = ("      email:\n", "      permission: { label: permission level }\n");
    assert_eq!(
        changed(&format!("{email}{permission}"), &format!("{permission}{email}")),
        Vec::<String>::new()
    );
}

#[test]
fn what_an_action_does_changes_its_digest_and_no_other() {
    for (old, new, action) in [
        ("AND roles.name = :role ON CONFLICT DO NOTHING", "AND roles.name = :role", "add-role"),
        ("rows: 0..6\n", "rows: 0..7\n", "seed-roles"),
        ("max: 200 ", "max: 201 ", "list-users"),
        (
            "else: { exit: 12, say: \"{username} is the only",
            "else: { exit: 11, say: \"{username} is the only",
            "deactivate",
        ),
        ("warn: role_not_seeded", "warn: role_missing", "create-superadmin"),
        ("silence: [account_inactive]", "silence: [email_not_verified]", "deactivate"),
        ("when: present\n", "rows: 0..1\n", "create-superadmin"),
        ("default: patient", "default: nurse", "create-user"),
        ("password: { like: password, absent: random }", "password:", "create-user"),
        (
            "needs: column users.email_verified",
            "needs: [column users.email_verified, column users.token_version]",
            "verify-email",
        ),
        ("taken: { exit: 12", "taken: { exit: 11", "create-user"),
        (
            "updated: { action: remove-role, with: { username: \"{username}\", role: \"{role}\" } }",
            "updated: { say: by hand }",
            "add-role",
        ),
        (
            "updated: { action: remove-role, with: { username: \"{username}\", role: \"{role}\" } }",
            "updated: { action: remove-role, with: { username: \"{username}\", role: Clinician } }",
            "add-role",
        ),
    ] {
        assert_eq!(changed(old, new), [action], "{old}");
    }
}

#[test]
fn what_actions_share_changes_the_digests_of_those_that_use_it() {
    let all_of_users = digests(FIXTURE).into_keys().filter(|name| name != "seed-roles").collect::<Vec<_>>();
    let about_users: Vec<String> =
        all_of_users.iter().filter(|name| *name != "list-users").cloned().collect();
    assert_eq!(
        changed(
            "knows: [email_verified, full_name, token_version]",
            "knows: [email_verified, full_name, token_version, x]"
        ),
        all_of_users
    );
    assert_eq!(changed("max: 150\n    short: u", "max: 151\n    short: u"), about_users);
    assert_eq!(
        changed("exit: 10\n", "exit: 11\n"),
        about_users.iter().filter(|name| !name.starts_with("create")).cloned().collect::<Vec<_>>()
    );
    assert_eq!(
        changed("exit: 11\n      none", "exit: 10\n      none"),
        ["add-role", "create-user", "remove-role"]
    );
    assert_eq!(
        changed("      staff:       {", "      nurse: {}\n      staff:       {"),
        ["create-user", "list-users", "update-permissions"]
    );
    assert_eq!(
        changed(
            "look_alikes: SELECT username::text FROM users WHERE username <> :username",
            "look_alikes: SELECT email::text FROM users WHERE username <> :username"
        ),
        ["create-superadmin", "create-user"]
    );
    // Actions that only read take no lock.
    let locking: Vec<String> = about_users.into_iter().filter(|name| name != "show-user").collect();
    assert_eq!(changed("username = :username FOR UPDATE", "username = :username FOR NO KEY UPDATE"), locking);
    // No action uses a right that is only granted.
    assert_eq!(
        changed("rights: [select, insert, update]", "rights: [select, insert, update, delete]"),
        Vec::<String>::new()
    );
}

#[test]
fn the_bytes_are_those_of_the_meaning() {
    let json = |text: &str| compile(text).unwrap_or_else(|broken| panic!("{broken}")).actions.to_json();
    let shipped = json(FIXTURE);
    for (old, new) in [
        ("parameters: [username, email, password]", "parameters: { username: , email: ~, password: }"),
        ("needs: [user_id, role_id]", "needs:\n      - role_id\n      - user_id"),
        (
            "exit: 12, say: \"{username} is the only active superadmin\"",
            "say: '{username} is the only active superadmin', exit: 12",
        ),
        ("alias: up", "# a comment\n    alias: \"up\""),
        ("rows: 1  ", "rows: 1..1"),
        ("needs: column users.email_verified", "needs: [ column  users.email_verified ]"),
        (
            "UPDATE users SET is_active = true WHERE username = :username AND NOT is_active\n",
            "\"UPDATE users SET is_active = true WHERE username = :username AND NOT is_active ;\"\n",
        ),
    ] {
        assert!(FIXTURE.contains(old), "{old}");
        assert_eq!(json(&FIXTURE.replacen(old, new, 1)), shipped, "{old}");
    }
}
