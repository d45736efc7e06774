//! Random states of the database, and random requests: what a seed makes, it makes again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fastrand::Rng;
use quill_admin_testkit::postgres::{Generation, quote_literal};

use crate::run::{HASH, OTHER_HASH};

const NAMES: [&str; 14] = [
    "steve",
    "Steve",
    "st\u{435}ve",
    "steve\u{200b}",
    "modern",
    "modem",
    "o'brien",
    "jos\u{e9}",
    "jose\u{301}",
    "a b",
    "$1; DROP TABLE users --",
    "\\x",
    "root",
    "r00t",
];
const EMAILS: [&str; 8] = [
    "steve@example.org",
    "Steve@example.org",
    "STEVE@EXAMPLE.ORG",
    "o'brien+x@example.org",
    "jos\u{e9}@example.org",
    "JOS\u{c9}@example.org",
    "a@b",
    "root@example.org",
];
const ROLES: [&str; 8] = [
    "System Administrator",
    "Clinical Administrator",
    "Clinician",
    "Patient",
    "Porter",
    "\u{dc}n\u{ef}code",
    "it's \"x\"",
    "clinician",
];
const LEVELS: [&str; 6] = ["patient", "single-user", "staff", "admin", "superadmin", "owner"];

/// SQL that makes a database empty and puts random rows into it, and the names of the users there.
pub(crate) fn state(rng: &mut Rng, generation: Generation) -> (String, Vec<&'static str>) {
    let mut sql = "TRUNCATE users, roles, user_role RESTART IDENTITY;".to_owned();
    let mut some = |list: &[&'static str], most: usize| {
        let mut list = list.to_vec();
        rng.shuffle(&mut list);
        list.truncate(rng.usize(0..=most.min(list.len())));
        list
    };
    let (roles, names) = (some(&ROLES, ROLES.len()), some(&NAMES, EMAILS.len()));
    for role in &roles {
        let _ = write!(sql, "INSERT INTO roles (name) VALUES ({});", quote_literal(role));
    }
    let mut emails = EMAILS.to_vec();
    rng.shuffle(&mut emails);
    for (name, email) in names.iter().zip(emails) {
        let (column, value) = match generation {
            Generation::March2026 => ("", String::new()),
            Generation::August2026 => (", email_verified", format!(", {}", rng.bool())),
        };
        let hash = if rng.bool() { HASH } else { OTHER_HASH };
        let profession = if rng.bool() { "consultant" } else { "nurse" };
        let _ = write!(sql,
            "INSERT INTO users (username, email, password_hash, is_active, totp_secret, is_totp_enabled, base_profession,
             additional_competencies, removed_competencies, system_permissions{column})
             VALUES ({}, {}, '{hash}', {}, {}, {}, '{profession}', '[]', '[\"x\"]', '{}'{value});",
            quote_literal(name),
            quote_literal(email),
            rng.bool(),
            if rng.bool() { "NULL" } else { "'SECRET'" },
            rng.bool(),
            rng.choice(LEVELS).unwrap_or("staff"),
        );
        for role in &roles {
            if rng.bool() {
                let _ = write!(
                    sql,
                    "INSERT INTO user_role SELECT users.id, roles.id FROM users, roles
                      WHERE username = {} AND name = {};",
                    quote_literal(name),
                    quote_literal(role)
                );
            }
        }
    }
    (sql, names)
}

/// Mostly one of a list, at times what is none of it, and at times nothing.
fn pick(rng: &mut Rng, list: &[&str], odd: &[&str]) -> Option<String> {
    match rng.u8(0..40) {
        0 => None,
        1..=3 => rng.choice(odd).map(|text| (*text).to_owned()),
        4 => rng.choice(list).map(|text| format!("  {text} ")),
        _ => rng.choice(list).map(|text| (*text).to_owned()),
    }
}

/// A request: an action and its variables.
pub(crate) type Request = (&'static str, BTreeMap<String, String>);

/// A request, mostly about one of these users.
pub(crate) fn request(rng: &mut Rng, there: &[&str]) -> Request {
    let actions = ["create-superadmin", "update-permissions", "add-role", "remove-role", "show-user"];
    let action = rng.choice(actions).unwrap_or("show-user");
    let mut with = BTreeMap::new();
    let mut put = |name: &str, value: Option<String>| {
        with.extend(value.map(|value| (name.to_owned(), value)));
    };
    let long = "x".repeat(151);
    let names = if there.is_empty() || rng.u8(0..4) == 0 { &NAMES } else { there };
    put("ADMIN_USERNAME", pick(rng, names, &["nobody", "", " ", &long, "a\tb", "x\u{202e}y", "STEVE"]));
    match action {
        "create-superadmin" => {
            let odd = ["none", "a@b@c", "new@example.org", "<a@b>", "mailto:a@b", "a b@c", "a@b,", ""];
            put("ADMIN_EMAIL", pick(rng, &EMAILS, &odd));
            let bad = format!("{HASH}\n");
            put(
                "ADMIN_PASSWORD_HASH",
                pick(rng, &[HASH, OTHER_HASH], &[&bad, "secret"])
                    .map(|hash| if hash == bad { hash } else { hash.trim().to_owned() }),
            );
            // A plain one that is valid takes its time to be hashed, and never compares equal.
            put("ADMIN_PASSWORD", (rng.u8(0..12) == 0).then(|| " planted".to_owned()));
        }
        "update-permissions" => put("ADMIN_PERMISSION", pick(rng, &LEVELS, &["Admin", "", "a\"b"])),
        "add-role" | "remove-role" => {
            let long = "x".repeat(65);
            put("ADMIN_ROLE", pick(rng, &ROLES, &["Nobody", "a\u{a0}b", &long, ""]));
        }
        _ => {}
    }
    (action, with)
}
