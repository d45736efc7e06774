//! The six actions as they were written by hand and as they are declared, side by side: random states and random
//! requests on two databases that are alike. What comes of them has to be the same, but for what is listed here
//! ([`DIFFERENCES`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use fastrand::Rng;
use quill_admin_actions::Actions;
use quill_admin_contract::look::spelled_out;
use quill_admin_contract::{ResultLine, Variables};
use quill_admin_engine::{Change, Fields, Performed, Value};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::Value as Json;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::requests::{Request, request, state};
use crate::run::{connect, run, shipped};

/// Requests on each generation, and how many come to one state, one after the other.
const REQUESTS: usize = 500;
const IN_A_ROW: usize = 6;

/// What may differ, and why.
const DIFFERENCES: [(&str, &str); 5] = [
    (
        "level of a generation",
        "design: the level patient is refused where the application says single-user, and back",
    ),
    ("level in a list", "the closed list has single-user as well"),
    (
        "advice on roles",
        "the file's words: roles are put there with seed-roles, not by a start of the application",
    ),
    ("field in words", "design: field changes read in the file's words: email not verified → email verified"),
    (
        "letters by number",
        "design: no formats in texts, so an email outside ASCII is shown and not spelled out",
    ),
];

/// What came of a request, either way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Came {
    exit: u8,
    result: String,
    message: String,
    changes: Vec<String>,
    /// The subject's fields afterwards.
    fields: BTreeMap<String, Json>,
    /// Codes and messages.
    warnings: Vec<(String, String)>,
    available: Vec<String>,
}

/// The old way: the executor, from its variables to its result line.
async fn by_hand(db: &Database, action: &str, with: &BTreeMap<String, String>) -> Came {
    let mut variables: BTreeMap<String, String> = with.clone();
    for (name, value) in [
        ("AUTH_DB_HOST", db.host.clone()),
        ("AUTH_DB_PORT", db.port.to_string()),
        ("AUTH_DB_NAME", db.name.clone()),
        ("AUTH_DB_USER", db.user.clone()),
        ("AUTH_DB_PASSWORD", db.password.clone()),
        ("ADMIN_LOG_FORMAT", "json".to_owned()),
        ("ADMIN_ACTION", action.to_owned()),
    ] {
        variables.insert(name.to_owned(), value);
    }
    let variables = variables.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let mut out = Vec::new();
    let code = quill_admin_executor::run(Variables::new(variables), &mut out).await;
    let text = String::from_utf8(out).expect("UTF-8");
    let last: Json = serde_json::from_str(text.lines().last().expect("a line")).expect("JSON");
    let outcome = &last[ResultLine::KEY]["outcome"];
    let array = |value: &Json| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let mut fields: BTreeMap<String, Json> =
        outcome["user"].as_object().cloned().unwrap_or_default().into_iter().collect();
    fields.remove("username");
    Came {
        exit: code.code(),
        result: text(&outcome["result"]),
        message: text(&last["message"]),
        changes: array(&outcome["changes"])
            .iter()
            .map(|change| match change["what"].as_str() {
                Some("field") => format!(
                    "{}: {} -> {}",
                    text(&change["field"]),
                    text(&change["old"]),
                    text(&change["new"])
                ),
                Some("password") => "password".to_owned(),
                Some("role_added") => format!("+ {}", text(&change["role"])),
                Some("role_removed") => format!("- {}", text(&change["role"])),
                _ => panic!("{change}"),
            })
            .collect(),
        fields,
        warnings: array(&outcome["warnings"])
            .iter()
            .map(|one| (text(&one["code"]), text(&one["message"])))
            .collect(),
        available: array(&outcome["failure"]["available_roles"]).iter().map(text).collect(),
    }
}

fn fields(fields: Option<&Fields>) -> BTreeMap<String, Json> {
    let json = |value: &Value| match value {
        Value::Null => Json::Null,
        Value::Text(text) => text.clone().into(),
        Value::Texts(texts) => texts.clone().into(),
        Value::Boolean(value) => (*value).into(),
        Value::Integer(number) => (*number).into(),
    };
    fields.into_iter().flatten().map(|(name, value)| (name.clone(), json(value))).collect()
}

/// The new way.
async fn declared(client: &Client, actions: &Actions, action: &str, with: &BTreeMap<String, String>) -> Came {
    let action = actions.get(action).expect("declared");
    match run(client, action, with).await {
        Ok(performed) => told(&performed),
        Err(failed) => Came {
            exit: failed.code.code(),
            result: "failed".to_owned(),
            message: failed.message,
            changes: Vec::new(),
            fields: BTreeMap::new(),
            warnings: Vec::new(),
            available: failed.available,
        },
    }
}

fn told(performed: &Performed) -> Came {
    let change = |change: &Change| match change {
        Change::Field { field, old, new } => {
            let text = |value: &Value| value.as_text().unwrap_or_default();
            format!("{field}: {} -> {}", old.as_ref().map(text).unwrap_or_default(), text(new))
        }
        Change::Hidden { field } => field.clone(),
        Change::Added { item, .. } => format!("+ {item}"),
        Change::Removed { item, .. } => format!("- {item}"),
    };
    Came {
        exit: 0,
        result: performed.effect.as_str().to_owned(),
        message: performed.message.clone(),
        changes: performed.changes.iter().map(change).collect(),
        fields: fields(performed.subject.as_ref().and_then(|subject| subject.after.as_ref())),
        warnings: performed.warnings.iter().map(|one| (one.code.clone(), one.message.clone())).collect(),
        available: Vec::new(),
    }
}

/// Turns what was told by hand into what is declared, where they may differ, and notes which difference it was.
fn translate(mut came: Came, new: &Came, seen: &mut BTreeSet<&'static str>) -> Came {
    let mut replace = |text: &mut String, old: &str, new: &str, difference: usize| {
        if text.contains(old) {
            *text = text.replace(old, new);
            seen.insert(DIFFERENCES[difference].0);
        }
    };
    replace(&mut came.message, "allowed: patient, staff", "allowed: patient, single-user, staff", 1);
    replace(
        &mut came.message,
        "the application puts them there when it starts",
        "give it some with `quill-admin seed-roles`",
        2,
    );
    replace(&mut came.message, "email verified false → true", "email not verified → email verified", 3);
    for (_, message) in &mut came.warnings {
        replace(
            message,
            "once the application has started there, give it",
            "put the roles there with `quill-admin seed-roles`, then give it",
            2,
        );
    }
    // The same text in the same place, but for letters that are told by their numbers.
    for ((_, old), (_, new)) in came.warnings.iter_mut().zip(&new.warnings) {
        if *old != *new && old.starts_with("the email ") && *old == spelled_out(new) {
            old.clone_from(new);
            seen.insert(DIFFERENCES[4].0);
        }
    }
    came
}

/// Whether a request sets a level that only one generation of the application knows.
fn is_level_of_a_generation(with: &BTreeMap<String, String>) -> bool {
    with.get("ADMIN_PERMISSION").is_some_and(|level| ["patient", "single-user"].contains(&level.trim()))
}

async fn contents(client: &Client) -> Vec<Vec<Option<String>>> {
    let sql = "SELECT 'user', users::text FROM users UNION ALL SELECT 'role', roles::text FROM roles
               UNION ALL SELECT 'user_role', user_role::text FROM user_role ORDER BY 1, 2";
    let messages = client.simple_query(sql).await.expect("read");
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|place| row.get(place).map(str::to_owned)).collect())
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

#[tokio::test]
async fn a_thousand_requests_come_out_as_they_did_by_hand() {
    needs_postgres!();
    let actions = shipped();
    let mut seen = BTreeSet::new();
    let mut results: BTreeMap<(&str, u8, String), usize> = BTreeMap::new();
    for generation in Generation::ALL {
        let (old, new) = (Database::create(generation), Database::create(generation));
        let (old_all, new_all, client) = (old.connect().await, new.connect().await, connect(&new).await);
        let mut requests = 0;
        for seed in 0.. {
            if requests >= REQUESTS {
                break;
            }
            let mut rng = Rng::with_seed(seed);
            let (sql, there) = state(&mut rng, generation);
            for all in [&old_all, &new_all] {
                all.batch_execute(&sql).await.unwrap_or_else(|error| panic!("seed {seed}: {error:?}"));
            }
            let mut last: Option<Request> = None;
            for _ in 0..IN_A_ROW {
                // At times the same again, which finds all done already.
                let repeated = last.take().filter(|_| rng.u8(0..3) == 0);
                let (action, with) = repeated.unwrap_or_else(|| request(&mut rng, &there));
                let told = format!("seed {seed} on {generation:?}: {action} {with:?}");
                let before = contents(&new_all).await;
                let by_hand = by_hand(&old, action, &with).await;
                let declared = declared(&client, &actions, action, &with).await;
                let after = contents(&new_all).await;
                requests += 1;
                assert!(declared.exit == 0 || after == before, "{told}: failed, and changed something");
                *results.entry((action, declared.exit, declared.result.clone())).or_default() += 1;
                if is_level_of_a_generation(&with) && by_hand != declared {
                    seen.insert(DIFFERENCES[0].0);
                    let fits = (with["ADMIN_PERMISSION"].trim() == "patient")
                        == (generation == Generation::March2026);
                    assert!(fits || [2, 10].contains(&declared.exit), "{told}: {declared:?}");
                    // From here on the two are no longer alike.
                    break;
                }
                assert_eq!(translate(by_hand, &declared, &mut seen), declared, "{told}");
                assert_eq!(contents(&old_all).await, after, "{told}");
                last = Some((action, with));
            }
        }
    }
    // All that can come of them has come of some.
    for (action, exit, result) in [
        ("create-superadmin", 0, "created"),
        ("create-superadmin", 0, "updated"),
        ("create-superadmin", 0, "unchanged"),
        ("create-superadmin", 2, "failed"),
        ("create-superadmin", 12, "failed"),
        ("update-permissions", 0, "updated"),
        ("update-permissions", 0, "unchanged"),
        ("update-permissions", 2, "failed"),
        ("update-permissions", 10, "failed"),
        ("add-role", 0, "updated"),
        ("add-role", 0, "unchanged"),
        ("add-role", 10, "failed"),
        ("add-role", 11, "failed"),
        ("remove-role", 0, "updated"),
        ("remove-role", 0, "unchanged"),
        ("show-user", 0, "found"),
        ("show-user", 10, "failed"),
    ] {
        let key = (action, exit, result.to_owned());
        assert!(results.contains_key(&key), "{key:?} in {results:?}");
    }
    let named: BTreeSet<&str> = DIFFERENCES.iter().map(|(name, _)| *name).collect();
    assert_eq!(seen, named, "every difference that is named is one");
    println!("{} requests: {results:?}", results.values().sum::<usize>());
}
