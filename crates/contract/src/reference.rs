//! Generates the pages of `docs/reference` about variables, exit codes and the result line from the types
//! themselves; `cargo xtask docs` writes them.
//!
//! To add a key of the result line: its row in `RESULT_KEYS`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use quill_admin_actions::Digest;

use crate::outcome::{
    DatabaseReport, Expected, Failure, NextAction, Outcome, ResultLine, Unavailable, UndoNote, Warning,
};
use crate::review::Review;
use crate::subject::{Change, FieldValue, SubjectState};
use crate::{Bulk, CHECK, CONTRACT_VERSION, ExitCode, REVIEW, Row, variable};

/// The page about the variables the executor reads.
#[must_use]
pub fn variables() -> String {
    let mut page = format!(
        "# Variables the executor reads\n\nContract version {CONTRACT_VERSION}. A variable that is set but blank counts as missing.\n\n\
         ## The task\n\n| name | for | rule |\n|---|---|---|\n"
    );
    rows(&mut page, variable::TASK);
    page.push_str(
        "\nEvery parameter of an action has a variable of its own: `ADMIN_` and its name in upper case \
         (`ADMIN_EMAIL`). Of a parameter with several values each stands on a line of its own. A password travels as \
         its hash, an argon2id string with the application's parameters, in the variable with `_HASH` behind it \
         (`ADMIN_PASSWORD_HASH`): that is what the CLI sends. `ADMIN_PASSWORD` in plain text is for local development \
         and jobs that are run by hand: it is hashed in the container, and anyone who may view the execution can read \
         it. Giving both is an error. Which parameters there are is on the page [Actions](actions.md).\n",
    );
    page.push_str(
        "\n## The connection\n\nEach is also read under its newer name, where the first is not set.\n\n\
         | name | newer name | for | rule |\n|---|---|---|---|\n",
    );
    for v in variable::CONNECTION {
        let newer = v.newer.map_or_else(String::new, |name| format!("`{name}`"));
        let _ = writeln!(page, "| `{}` | {newer} | {} | {} |", v.name, v.when, v.rule);
    }
    page
}

fn rows(page: &mut String, variables: &[&variable::Variable]) {
    for v in variables {
        let _ = writeln!(page, "| `{}` | {} | {} |", v.name, v.when, v.rule);
    }
}

/// The page about exit codes.
#[must_use]
pub fn exit_codes() -> String {
    let mut page = String::from(
        "# Exit codes\n\nThe executor's codes pass through the CLI unchanged.\n\n| code | meaning | who |\n|---|---|---|\n",
    );
    for code in ExitCode::ALL {
        let _ = writeln!(page, "| {code} | {} | {} |", code.meaning(), code.side());
    }
    page.push_str(
        "\n## For scripts\n\n\
         - After 27 the task, or the change, may have been done. The message says what to type to find out. A \
         person may run a task again: it leaves the same state, but `create-user` ends with 12 if the user is there \
         already, and `--generate-password` sets another password. Of an action that runs a job of the application \
         that is not known.\n\
         - After 33 the command itself has done its work, unless the message says that nothing was started. What \
         came of a task is on stderr then. Where the command would have ended with another code than 0, that code \
         is kept, because it says more.\n\
         - 130 means that the person at the terminal stopped. Nothing was started or changed, unless the message says \
         what was: it names an execution that goes on, or what `build`, `restore-backend` or a fix had changed by \
         then. A task that Ctrl-C has cancelled ends with 25, which says that no execution goes on. Whoever has asked \
         for a preview alone, with `--preview`, and says no to running it for good has got it: that ends with 0.\n\
         - `cancel` ends with 0 if it has had the task cancelled, and with 25 if that had been done before.\n\
         - 28 means that nobody has agreed. A change in a protected environment needs its name, as `--confirm` where \
         nobody can be asked. The project and job of a settings file that was found need a yes.\n",
    );
    page
}

/// Every key of the result line and its meaning, by its path.
const RESULT_KEYS: &[(&str, &str)] = &[
    ("contract", "version of the contract that it is written in: the one that was asked for"),
    ("request_id", "`ADMIN_REQUEST_ID`, where it was given"),
    ("execution", "id of the execution, from version 2 on"),
    ("action", "`ADMIN_ACTION`, where it is a known one"),
    ("username", "about whom; absent where it was not given or not valid"),
    (
        "row_number",
        "of the result of one row of a bulk run, the number of the row; otherwise absent; from version 4 on",
    ),
    ("actor", "`ADMIN_ACTOR`, where it was given"),
    ("reason", "`ADMIN_REASON`, where it was given"),
    ("origin", "`ADMIN_ORIGIN`, where it was given: which run of a pipeline asked; from version 3 on"),
    (
        "recorded",
        "values of the parameters that the file of actions has recorded, by name, and those of a review; absent where \
         there are none; from version 3 on",
    ),
    (
        "mode",
        "`preview` where the task was only previewed, whether that succeeded or not; otherwise absent; from version 4 \
         on",
    ),
    ("undoes", "of an undo, the id of the execution that it undoes; from version 4 on"),
    (
        "undo",
        "how it is undone, where it has changed something and the file of actions says how; from version 4 on",
    ),
    ("undo.action", "the action that undoes it"),
    ("undo.with", "values of its parameters, by name"),
    ("undo.say", "in words, where no action can undo it"),
    ("exit_code", "the code the executor ends with"),
    (
        "outcome.result",
        "created, updated, unchanged, previewed, found, listed, checked, reviewed, each (many rows), done_before (a row \
         that an earlier execution has done) or failed; a newer executor may have others",
    ),
    (
        "outcome.subject",
        "what it is about, as it is now; absent where it is about nothing that the file of actions names",
    ),
    ("outcome.subject.kind", "what the file of actions calls it, such as `user`"),
    (
        "outcome.subject.key",
        "what names it, such as the username; absent where there is only one of its kind",
    ),
    ("outcome.subject.fields", "its fields, by name: texts, numbers, true and false, lists of texts"),
    ("outcome.would", "of a preview, the outcome that the task would have: created, updated or unchanged"),
    ("outcome.plan", "of a preview, the plan, for `ADMIN_EXPECT`: 64 hexadecimal digits"),
    ("outcome.changes", "what is different now, or would be"),
    ("outcome.changes.what", "field, added, removed or hidden (another value that is not told)"),
    ("outcome.changes.field", "which field"),
    ("outcome.changes.old", "its value before; absent where it had none"),
    ("outcome.changes.new", "its value now; absent where it has none"),
    ("outcome.changes.item", "which text was added to a list, or removed from it"),
    ("outcome.warnings", "what a person should know although it was done"),
    ("outcome.warnings.code", "which warning it is"),
    ("outcome.warnings.message", "the same in words"),
    ("outcome.warnings.next", "the action that mends it, where there is one"),
    ("outcome.warnings.next.action", "its name"),
    ("outcome.warnings.next.with", "values of its parameters, by name"),
    (
        "outcome.rows",
        "how many rows were listed; the rows themselves are lines of the log before this one, and no part of records. Of \
         many at once, how many rows were asked for; each has a result line of its own",
    ),
    ("outcome.done", "of many at once, how many rows were done, or previewed"),
    (
        "outcome.failed",
        "of many at once, how many rows failed; the remaining rows were not begun, or rolled back",
    ),
    ("outcome.more", "there are more than were listed"),
    (
        "outcome.digest",
        "the SHA-256 of the rows in their order, by which a list that is not whole is known; absent where the rows are \
         lines of text. Of many at once, the SHA-256 of the result lines of the rows",
    ),
    ("outcome.database", "what `check` saw"),
    ("outcome.database.server_version", "the server's version"),
    ("outcome.database.database", "its name"),
    ("outcome.database.user", "the user connected as"),
    ("outcome.database.tls", "version of TLS in use; absent without"),
    ("outcome.database.writable", "the user may write to the tables"),
    ("outcome.database.columns", "columns that a database may or may not have and that are there"),
    ("outcome.database.expected", "rows that the file of actions expects"),
    ("outcome.database.expected.code", "code of the warning that one is missing"),
    ("outcome.database.expected.count", "how many are expected"),
    ("outcome.database.expected.found", "those the database has, sorted"),
    ("outcome.database.expected.missing", "those that it does not have"),
    ("outcome.database.unavailable", "actions that are not for these tables, as they say themselves"),
    ("outcome.database.unavailable.action", "the name of one"),
    ("outcome.database.unavailable.needs", "what it needs"),
    ("outcome.failure", "why nothing was written"),
    ("outcome.failure.message", "what failed and why"),
    ("outcome.failure.available", "for a value that the database has to have and does not: those there are"),
    ("outcome.failure.missing_columns", "for an unknown schema: what is missing"),
    ("outcome.failure.next", "the action that may help, where there is one"),
    ("outcome.failure.next.action", "its name"),
    ("outcome.failure.next.with", "values of its parameters, by name"),
    (
        "outcome.failure.undecided",
        "`true` where it is not known whether the change was made; otherwise absent, and nothing was changed",
    ),
];

/// An example line in which every key is present.
fn line(action: &str, exit_code: ExitCode, outcome: Outcome) -> ResultLine {
    let recorded = match action {
        "add-role" => [("ground".to_owned(), FieldValue::Text("locum".to_owned()))].into(),
        REVIEW => example_review().recorded(),
        _ => BTreeMap::new(),
    };
    ResultLine {
        contract: CONTRACT_VERSION,
        request_id: Some("019ab2c4-5d6e-7f80-91a2-b3c4d5e6f708".to_owned()),
        execution: Some("quill-admin-staging-x7k2p".to_owned()),
        action: Some(action.to_string()),
        username: (action != CHECK && action != REVIEW).then(|| "steve.jones".to_owned()),
        row_number: (action == "add-role").then_some(17),
        actor: Some("steve@example.org".to_owned()),
        reason: Some("ticket 4711".to_owned()),
        mode: matches!(outcome, Outcome::Previewed { .. }).then(|| "preview".to_owned()),
        undoes: (action == "remove-role").then(|| "quill-admin-staging-b4m9t".to_owned()),
        undo: undo(action, &outcome),
        origin: (action == CHECK).then(|| {
            "GitHub Actions, for steve: https://github.com/example/quill/actions/runs/17, commit 3f2c78be9d10".to_owned()
        }),
        recorded,
        exit_code: exit_code.code(),
        outcome,
    }
}

fn undo(action: &str, outcome: &Outcome) -> Option<UndoNote> {
    let with = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    match (action, outcome) {
        ("update-permissions", Outcome::Updated { .. }) => Some(UndoNote::Action(NextAction {
            action: action.to_owned(),
            with: with(&[("username", "steve.jones"), ("permission", "staff")]),
        })),
        ("add-role", Outcome::Updated { .. }) => {
            Some(UndoNote::Words { say: "give and take the roles one by one".to_owned() })
        }
        _ => None,
    }
}

/// An example line for each kind of outcome of a task that finished.
fn example_results() -> Vec<ResultLine> {
    let user = |roles: &[&str]| SubjectState {
        kind: "user".to_owned(),
        key: Some("steve.jones".to_owned()),
        fields: [
            ("email", FieldValue::Text("steve.jones@example.org".to_owned())),
            ("permission", FieldValue::Text("superadmin".to_owned())),
            ("base_profession", FieldValue::Text("consultant".to_owned())),
            ("roles", FieldValue::List(roles.iter().map(|role| (*role).to_owned()).collect())),
            ("active", FieldValue::Boolean(true)),
            ("totp_enabled", FieldValue::Boolean(false)),
            ("email_verified", FieldValue::Boolean(true)),
        ]
        .map(|(field, value)| (field.to_owned(), value))
        .into(),
    };
    let field = |field: &str, old: Option<&str>, new: &str| Change::Field {
        field: field.to_owned(),
        old: old.map(str::to_owned),
        new: Some(new.to_owned()),
    };
    vec![
        line(
            "create-superadmin",
            ExitCode::Success,
            Outcome::Created {
                subject: Some(user(&[])),
                changes: vec![
                    field("permission", None, "superadmin"),
                    Change::Hidden { field: "password".to_owned() },
                ],
                warnings: vec![Warning {
                    next: Some(NextAction {
                        action: "add-role".to_owned(),
                        with: [("username", "steve.jones"), ("role", "System Administrator")]
                            .map(|(name, value)| (name.to_owned(), value.to_owned()))
                            .into(),
                    }),
                    ..Warning::new(
                        "role_not_seeded",
                        "the role System Administrator is not in the database yet",
                    )
                }],
            },
        ),
        line(
            "update-permissions",
            ExitCode::Success,
            Outcome::Updated {
                subject: Some(user(&["System Administrator"])),
                changes: vec![field("permission", Some("staff"), "superadmin")],
                warnings: Vec::new(),
            },
        ),
        line(
            "add-role",
            ExitCode::Success,
            Outcome::Updated {
                subject: Some(user(&["Clinician", "System Administrator"])),
                changes: vec![
                    Change::Added { field: "roles".to_owned(), item: "Clinician".to_owned() },
                    Change::Removed { field: "roles".to_owned(), item: "Patient".to_owned() },
                ],
                warnings: Vec::new(),
            },
        ),
        line(
            "remove-role",
            ExitCode::Success,
            Outcome::Unchanged { subject: Some(user(&["System Administrator"])), warnings: Vec::new() },
        ),
        line(
            "update-permissions",
            ExitCode::Success,
            Outcome::Previewed {
                would: "updated".to_owned(),
                subject: Some(user(&["System Administrator"])),
                changes: vec![field("permission", Some("staff"), "superadmin")],
                warnings: Vec::new(),
                plan: "9f2c4e6a8b0d1f3355779911bbddff00224466881a3c5e7f90b2d4f6183a5c7e".to_owned(),
            },
        ),
        line(
            "show-user",
            ExitCode::Success,
            Outcome::Found { subject: Some(user(&["System Administrator"])), warnings: Vec::new() },
        ),
        line(
            "list-users",
            ExitCode::Success,
            Outcome::Listed { rows: 200, more: true, digest: Some(Row::digest(&[])), warnings: Vec::new() },
        ),
        line(
            "create-user",
            ExitCode::RowsFailed,
            Outcome::Each { rows: 200, done: 198, failed: 2, digest: Bulk::digest(None) },
        ),
        example_check(),
        line(REVIEW, ExitCode::Success, Outcome::Reviewed { warnings: Vec::new() }),
    ]
}

/// The review of an example line.
fn example_review() -> Review {
    let time = |seconds| jiff::Timestamp::from_second(seconds).unwrap_or_default();
    Review {
        from: time(1_795_420_800),
        until: time(1_796_025_600),
        runs: 12,
        marked: 2,
        not_seen: vec!["executions_forgotten".to_owned()],
        sha256: Digest::of(b"[]"),
    }
}

/// An example line of the action `check`.
fn example_check() -> ResultLine {
    line(
        CHECK,
        ExitCode::Success,
        Outcome::Checked {
            database: DatabaseReport {
                server_version: "15.14".to_owned(),
                database: "quill_auth".to_owned(),
                user: "quill".to_owned(),
                tls: Some("TLSv1.3".to_owned()),
                writable: true,
                columns: vec!["users.token_version".to_owned()],
                expected: vec![Expected {
                    code: "roles_missing".to_owned(),
                    count: 2,
                    found: vec!["Clinician".to_owned(), "System Administrator".to_owned()],
                    missing: Vec::new(),
                }],
                unavailable: vec![Unavailable {
                    action: "verify-email".to_owned(),
                    needs: "column users.email_verified".to_owned(),
                }],
            },
            warnings: Vec::new(),
        },
    )
}

/// Example lines of tasks that wrote nothing.
fn example_failures() -> Vec<ResultLine> {
    vec![
        line(
            "add-role",
            ExitCode::RoleNotFound,
            Outcome::Failed {
                failure: Failure {
                    available: vec!["Clinician".to_owned(), "Patient".to_owned()],
                    ..Failure::new("there is no role Clinican; nothing was changed")
                },
            },
        ),
        line(
            "show-user",
            ExitCode::UserNotFound,
            Outcome::Failed {
                failure: Failure {
                    next: Some(Box::new(NextAction {
                        action: "create-user".to_owned(),
                        with: BTreeMap::from([("username".to_owned(), "steve.jones".to_owned())]),
                    })),
                    ..Failure::new("there is no user steve.jones; nothing was changed")
                },
            },
        ),
        line(
            "update-permissions",
            ExitCode::DatabaseUnreachable,
            Outcome::Failed {
                failure: Failure::undecided(
                    "the connection to the database was lost while the change was being saved: it may or may not \
                     have been saved",
                ),
            },
        ),
        line(
            CHECK,
            ExitCode::SchemaMismatch,
            Outcome::Failed {
                failure: Failure {
                    missing_columns: vec!["users.system_permissions".to_owned()],
                    ..Failure::new("the schema is not the one this image knows")
                },
            },
        ),
    ]
}

/// The page about the result line.
#[must_use]
pub fn result_line() -> String {
    let mut page = format!(
        "# The result line\n\n\
         The last line an execution prints, after COMMIT or ROLLBACK, and its record. In Cloud Run it is a log \
         entry whose `message` says in words what stands under the key `{}`. No password and no hash is in it. \
         Contract version {CONTRACT_VERSION}; a reader ignores keys it does not know.\n\n\
         From version 2 on the whole line stands there once more, as one text under the key `{}`, and beside it \
         under `{}` the HMAC-SHA-256 over exactly that text in lower-case hexadecimal digits, made with the key \
         in `ADMIN_PROOF_KEY`, where one was given. Every account that may write log entries can write a line \
         like this one; only that text with a right proof is believed. The keys beside it are unproven copies, \
         for filters.\n\n\
         | key | what |\n|---|---|\n",
        ResultLine::KEY,
        ResultLine::RESULT,
        ResultLine::PROOF
    );
    for (key, what) in RESULT_KEYS {
        let _ = writeln!(page, "| `{key}` | {what} |");
    }
    page.push_str("\n## Examples\n");
    for line in example_results().into_iter().chain(example_failures()) {
        let action = line.action.as_deref().unwrap_or_default();
        let text = serde_json::to_string_pretty(&line.to_json()).unwrap_or_default();
        let _ = write!(page, "\n`{action}`, {}:\n\n```json\n{text}\n```\n", line.outcome.name());
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn paths(value: &Value, above: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let path = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
                    found.insert(path.clone());
                    // The keys below these are names of the application's.
                    if !["fields", "recorded", "with"].contains(&key.as_str()) {
                        paths(value, &path, found);
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| paths(value, above, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_of_the_result_line_is_explained() {
        let mut found = BTreeSet::new();
        for line in example_results().into_iter().chain(example_failures()) {
            paths(&line.to_json(), "", &mut found);
            assert!(line.request_id.is_some() && line.actor.is_some() && line.reason.is_some());
        }
        found.remove("outcome");
        assert_eq!(found, RESULT_KEYS.iter().map(|(key, _)| (*key).to_owned()).collect());
    }
}
