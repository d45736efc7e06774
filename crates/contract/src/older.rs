//! Result lines of the contract's versions 1 and 2, which knew one kind of subject, the user, and the one
//! application's roles.
//!
//! In memory there is only the form of version 3. A line in an older version is raised to it when it is read
//! and lowered from it when it is written, so that an old program and a new one understand each other.
//!
//! To change the form of a part in a new version of the contract: its conversions in `RAISE` and `LOWER`, and a line
//! of the older form in the tests below.

use serde_json::{Map, Value, json};

/// The first version in which subjects, changes and failures have their present form.
const GENERAL: u64 = 3;

const USER: &str = "user";
const ROLES: &str = "roles";
const PASSWORD: &str = "password";
/// The code of the warning that the application's roles are missing.
const ROLES_MISSING: &str = "roles_missing";
/// The number of roles that the application has in those versions.
const KNOWN_ROLES: usize = 6;
const EMAIL_VERIFIED: &str = "users.email_verified";

fn is_older(line: &Value) -> bool {
    line.get("contract").and_then(Value::as_u64).is_some_and(|version| version < GENERAL)
}

/// Raises a line that was written in version 1 or 2.
pub(crate) fn raise(line: &mut Value) {
    if is_older(line)
        && let Some(outcome) = line.get_mut("outcome").and_then(Value::as_object_mut)
    {
        change(outcome, &RAISE);
    }
}

/// Lowers a line that is to be written in version 1 or 2.
pub(crate) fn lower(line: &mut Value) {
    if is_older(line)
        && let Some(outcome) = line.get_mut("outcome").and_then(Value::as_object_mut)
    {
        change(outcome, &LOWER);
    }
}

/// The conversions of the parts of an outcome, each applied where that part is present.
struct Direction {
    subject: fn(&mut Map<String, Value>) -> Option<()>,
    change: fn(&Value) -> Option<Value>,
    failure: (&'static str, &'static str),
    database: fn(&mut Map<String, Value>) -> Option<()>,
}

const RAISE: Direction = Direction {
    subject: raise_subject,
    change: raise_change,
    failure: ("available_roles", "available"),
    database: raise_database,
};

const LOWER: Direction = Direction {
    subject: lower_subject,
    change: lower_change,
    failure: ("available", "available_roles"),
    database: lower_database,
};

fn change(outcome: &mut Map<String, Value>, direction: &Direction) {
    // A part in another form stays as it is; the reader reports it.
    let _ = (direction.subject)(outcome);
    if let Some(changes) = outcome.get_mut("changes").and_then(Value::as_array_mut) {
        for change in changes {
            if let Some(other) = (direction.change)(change) {
                *change = other;
            }
        }
    }
    if let Some(failure) = outcome.get_mut("failure").and_then(Value::as_object_mut) {
        let (from, to) = direction.failure;
        if let Some(values) = failure.remove(from) {
            failure.insert(to.to_owned(), values);
        }
    }
    if let Some(database) = outcome.get_mut("database").and_then(Value::as_object_mut) {
        let _ = (direction.database)(database);
    }
}

fn raise_subject(outcome: &mut Map<String, Value>) -> Option<()> {
    let mut fields = outcome.get(USER)?.as_object()?.clone();
    let key = fields.remove("username")?;
    outcome.remove(USER);
    outcome.insert("subject".to_owned(), json!({ "kind": USER, "key": key, "fields": fields }));
    Some(())
}

/// A subject that is not a user is left as it is: an older program reads the outcome as one that it does not
/// know.
fn lower_subject(outcome: &mut Map<String, Value>) -> Option<()> {
    let subject = outcome.get("subject")?;
    if subject.get("kind")? != USER {
        return None;
    }
    let mut user = subject.get("fields")?.as_object()?.clone();
    user.insert("username".to_owned(), subject.get("key")?.clone());
    outcome.remove("subject");
    outcome.insert(USER.to_owned(), Value::Object(user));
    Some(())
}

fn raise_change(change: &Value) -> Option<Value> {
    let role = change.get("role");
    match change.get("what")?.as_str()? {
        "password" => Some(json!({ "what": "hidden", "field": PASSWORD })),
        "role_added" => Some(json!({ "what": "added", "field": ROLES, "item": role? })),
        "role_removed" => Some(json!({ "what": "removed", "field": ROLES, "item": role? })),
        _ => None,
    }
}

fn lower_change(change: &Value) -> Option<Value> {
    let (field, item) = (change.get("field")?.as_str()?, change.get("item"));
    match (change.get("what")?.as_str()?, field) {
        ("hidden", PASSWORD) => Some(json!({ "what": "password" })),
        ("added", ROLES) => Some(json!({ "what": "role_added", "role": item? })),
        ("removed", ROLES) => Some(json!({ "what": "role_removed", "role": item? })),
        _ => None,
    }
}

fn raise_database(database: &mut Map<String, Value>) -> Option<()> {
    let verified = database.get("email_verified_column")?.as_bool()?;
    let columns = if verified { vec![EMAIL_VERIFIED] } else { Vec::new() };
    let roles = json!([{
        "code": ROLES_MISSING,
        "count": KNOWN_ROLES,
        "found": database.get(ROLES)?,
        "missing": database.get("missing_roles")?,
    }]);
    for key in ["email_verified_column", ROLES, "missing_roles"] {
        database.remove(key);
    }
    database.insert("columns".to_owned(), json!(columns));
    database.insert("expected".to_owned(), roles);
    database.insert("unavailable".to_owned(), json!([]));
    Some(())
}

fn lower_database(database: &mut Map<String, Value>) -> Option<()> {
    let verified = database.get("columns")?.as_array()?.iter().any(|it| it == EMAIL_VERIFIED);
    let expected = database.get("expected")?.as_array()?;
    let roles = expected.iter().find(|it| it["code"] == ROLES_MISSING);
    let of = |key: &str| roles.and_then(|roles| roles.get(key)).cloned().unwrap_or_else(|| json!([]));
    let (found, missing) = (of("found"), of("missing"));
    for key in ["columns", "expected", "unavailable"] {
        database.remove(key);
    }
    database.insert("email_verified_column".to_owned(), json!(verified));
    database.insert(ROLES.to_owned(), found);
    database.insert("missing_roles".to_owned(), missing);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Outcomes as versions 1 and 2 have written them, and as version 3 has them.
    fn both_forms() -> Vec<(Value, Value)> {
        let user = json!({
            "username": "steve", "email": "steve@example.org", "permission": "staff", "base_profession": "nurse",
            "roles": ["Clinician"], "active": true, "totp_enabled": false, "email_verified": true
        });
        let subject = json!({ "kind": "user", "key": "steve", "fields": {
            "email": "steve@example.org", "permission": "staff", "base_profession": "nurse",
            "roles": ["Clinician"], "active": true, "totp_enabled": false, "email_verified": true
        }});
        vec![
            (
                json!({ "result": "updated", "user": user, "warnings": [], "changes": [
                    { "what": "field", "field": "permission", "old": "admin", "new": "staff" },
                    { "what": "password" },
                    { "what": "role_added", "role": "Clinician" },
                    { "what": "role_removed", "role": "Patient" },
                ]}),
                json!({ "result": "updated", "subject": subject, "warnings": [], "changes": [
                    { "what": "field", "field": "permission", "old": "admin", "new": "staff" },
                    { "what": "hidden", "field": "password" },
                    { "what": "added", "field": "roles", "item": "Clinician" },
                    { "what": "removed", "field": "roles", "item": "Patient" },
                ]}),
            ),
            (
                json!({ "result": "failed", "failure": { "message": "m", "available_roles": ["Patient"] } }),
                json!({ "result": "failed", "failure": { "message": "m", "available": ["Patient"] } }),
            ),
            (
                json!({ "result": "checked", "database": {
                    "server_version": "15.14", "database": "quill_auth", "user": "quill", "writable": true,
                    "email_verified_column": true, "roles": ["Patient"], "missing_roles": ["Clinician"]
                }, "warnings": [] }),
                json!({ "result": "checked", "database": {
                    "server_version": "15.14", "database": "quill_auth", "user": "quill", "writable": true,
                    "columns": ["users.email_verified"],
                    "expected": [{ "code": "roles_missing", "count": 6, "found": ["Patient"], "missing": ["Clinician"] }],
                    "unavailable": []
                }, "warnings": [] }),
            ),
        ]
    }

    #[test]
    fn an_older_line_is_raised_and_lowered() {
        for version in [1, 2] {
            for (old, new) in both_forms() {
                let (old, new) = (
                    json!({ "contract": version, "exit_code": 0, "outcome": old }),
                    json!({ "contract": version, "exit_code": 0, "outcome": new }),
                );
                let mut line = old.clone();
                raise(&mut line);
                assert_eq!(line, new);
                lower(&mut line);
                assert_eq!(line, old);
            }
        }
    }

    #[test]
    fn a_line_of_this_version_stays() {
        for (_, new) in both_forms() {
            let line = json!({ "contract": 3, "exit_code": 0, "outcome": new });
            let mut same = line.clone();
            raise(&mut same);
            lower(&mut same);
            assert_eq!(same, line);
        }
    }

    #[test]
    fn what_has_not_the_form_stays() {
        for outcome in [
            json!({ "result": "created", "user": 1 }),
            json!({ "result": "updated", "changes": [{ "what": "role_added" }, 7, { "colour": "red" }] }),
            json!({ "result": "checked", "database": "none" }),
        ] {
            let line = json!({ "contract": 2, "exit_code": 0, "outcome": outcome });
            let mut same = line.clone();
            raise(&mut same);
            assert_eq!(same, line);
        }
    }

    #[test]
    fn a_subject_that_is_no_user_is_left_to_the_reader() {
        let line = json!({ "contract": 2, "outcome": {
            "result": "updated", "subject": { "kind": "roles", "fields": { "roles": [] } }
        }});
        let mut same = line.clone();
        lower(&mut same);
        assert_eq!(same, line);
    }
}
