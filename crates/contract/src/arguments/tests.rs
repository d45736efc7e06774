//! Tests of all values of an action.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quill_admin_actions::{Definition, Words};
use serde_json::json;

use super::*;
use crate::env::{RunContext, Variables};
use crate::env_error::EnvError;
use crate::secret::PasswordHash;

const HASH: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG1sJzVLmYRhY";

/// An action with parameters of all kinds.
fn action() -> Action {
    let parameters = json!({
        "username": {"type": "text", "min": 1, "max": 20},
        "password": {"type": "password", "hash": "argon2id-quill"},
        "spare": {"type": "password", "hash": "argon2id-quill", "random_if_absent": true},
        "level": {"type": "one_of", "values": {"low": {}, "high": {}}, "default": "low", "recorded": true},
        "roles": {"type": "text", "min": 1, "max": 20, "many": true, "optional": true, "recorded": true},
        "count": {"type": "integer", "min": 0, "max": 9, "optional": true, "recorded": true},
        "born": {"type": "date", "optional": true, "recorded": true},
        "active": {"type": "boolean", "optional": true},
    });
    let order = ["username", "password", "spare", "level", "roles", "count", "born", "active"];
    let definition: Definition =
        serde_json::from_value(json!({"schema": "public", "read": false, "parameters": parameters}))
            .expect("valid");
    let words = order.map(|name| ParameterWords {
        parameter: name.to_owned(),
        name: name.to_owned(),
        ask: name.to_owned(),
        ..ParameterWords::default()
    });
    let words = Words { parameters: words.into(), ..Words::default() };
    Action { name: "x".to_owned(), definition, words }
}

fn read(variables: &[(&str, &str)]) -> Result<Entered, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Entered::read(&action(), |name| Ok(variables.get(name).copied()))
        .map_err(|problems| EnvError { problems }.to_string())
}

/// The variables of both passwords, hashed already, so that no test spends time on that.
const BOTH: [(&str, &str); 2] = [("ADMIN_PASSWORD_HASH", HASH), ("ADMIN_SPARE_HASH", HASH)];

#[test]
fn what_is_left_out_has_its_default_or_nothing() {
    let arguments = read(&[("ADMIN_USERNAME", " steve "), BOTH[0], BOTH[1]]).expect("valid").hashed();
    let names: Vec<&str> = arguments.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["level", "password", "spare", "username"]);
    assert_eq!(arguments.get("level"), Some(&Argument::Text("low".to_owned())));
    assert_eq!(arguments.get("username"), Some(&Argument::Text("steve".to_owned())));
    assert_eq!(arguments.get("roles"), None);
}

#[test]
fn everything_that_is_wrong_is_told_at_once_in_the_order_of_the_parameters() {
    assert_eq!(
        read(&[("ADMIN_LEVEL", "middle"), ("ADMIN_COUNT", "10"), ("ADMIN_ROLES", "a\na")])
            .expect_err("wrong"),
        "ADMIN_LEVEL: unknown level \"middle\"; allowed: high, low; \
         ADMIN_ROLES: the roles is given the same value twice, as number 1 and as number 2; \
         ADMIN_COUNT: the count must be a whole number from 0 to 9; \
         missing variables: ADMIN_USERNAME, ADMIN_PASSWORD_HASH"
    );
    let both = [("ADMIN_USERNAME", "a"), BOTH[0], ("ADMIN_PASSWORD", "planted")];
    assert_eq!(read(&both).expect_err("both"), "give ADMIN_PASSWORD_HASH or ADMIN_PASSWORD, not both");
    let refused = read(&[("ADMIN_USERNAME", "a"), ("ADMIN_PASSWORD", " planted")]).expect_err("white space");
    assert!(refused.starts_with("ADMIN_PASSWORD: ") && !refused.contains("planted"), "{refused}");
    let refused = Entered::read(&action(), |name| {
        Err(EnvProblem::Invalid(name.to_owned().into(), InvalidValue::new("value", crate::Problem::NotUtf8)))
    });
    assert_eq!(refused.expect_err("nothing can be read").len(), 8);
}

#[test]
fn passwords_are_hashed_here_where_they_were_not_and_told_of() {
    let entered = read(&[("ADMIN_USERNAME", "a"), ("ADMIN_PASSWORD", "planted secret")]).expect("valid");
    assert_eq!(entered.plaintext(), ["ADMIN_PASSWORD"]);
    assert!(!format!("{entered:?}").contains("planted"));
    let arguments = entered.hashed();
    let hash = |name| match arguments.get(name) {
        Some(Argument::Password(hash)) => hash.clone(),
        other => panic!("{other:?}"),
    };
    assert_ne!(hash("password"), hash("spare"), "one of them nobody knows");
    for name in ["password", "spare"] {
        assert!(PasswordHash::parse(Secret::new(hash(name).expose().to_owned())).is_ok());
    }
    assert!(!format!("{arguments:?}").contains("argon2id"));
    let variables = arguments.to_env();
    assert!(
        variables
            .iter()
            .any(|(name, value)| name == "ADMIN_PASSWORD_HASH" && value == hash("password").expose())
    );
    assert!(!variables.iter().any(|(name, _)| name == "ADMIN_PASSWORD"));
    assert!(read(&[("ADMIN_USERNAME", "a"), BOTH[0], BOTH[1]]).expect("valid").plaintext().is_empty());
}

proptest! {
    /// One side reads back the values that the other side writes.
    #[test]
    fn arguments_travel_there_and_back(
        username in r#"[a-z'"$:\\]{1,20}"#,
        level in prop_oneof![Just(None), Just(Some("high"))],
        roles in prop::collection::btree_set("[A-Za-zäß,{}]{1,10}", 0..5),
        count in prop::option::of(0..=9_i64),
        born in prop::option::of((1..=9999_u16, 1..=12_u8, 1..=28_u8)),
        active in prop::option::of(any::<bool>()),
    ) {
        let mut given = vec![("ADMIN_USERNAME".to_owned(), username)];
        given.extend(BOTH.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut put = |name: &str, value: Option<String>| given.extend(value.map(|value| (name.to_owned(), value)));
        put("ADMIN_LEVEL", level.map(str::to_owned));
        let roles: Vec<String> = roles.into_iter().collect();
        put("ADMIN_ROLES", Some(roles.join("\n")).filter(|roles| !roles.is_empty()));
        put("ADMIN_COUNT", count.map(|count| count.to_string()));
        put("ADMIN_BORN", born.map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}")));
        put("ADMIN_ACTIVE", active.map(|active| active.to_string()));
        let look_up = |variables: Vec<(String, String)>| {
            let borrowed: Vec<(&str, &str)> =
                variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            read(&borrowed).expect("valid").hashed()
        };
        let first = look_up(given.clone());
        let again = look_up(first.to_env());
        prop_assert_eq!(&again, &first);
        let mut sent = first.to_env();
        sent.retain(|(name, _)| name != "ADMIN_LEVEL" || level.is_some());
        sent.sort();
        given.sort();
        prop_assert_eq!(sent, given);
    }
}

/// The record has the values that were given, as far as they are valid, and the defaults of those that were
/// not. A password is never recorded, whatever its parameter says.
#[test]
fn a_record_has_the_values_that_are_to_be_recorded() {
    let recorded = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let variables = Variables::new(variables);
        let mut action = action();
        action.definition.parameters.get_mut("password").expect("there").recorded = true;
        json!(RunContext::from_env(&variables, |_| true).recording(&variables, &action).recorded)
    };
    assert_eq!(
        recorded(&[BOTH[0], ("ADMIN_USERNAME", "steve"), ("ADMIN_ACTIVE", "true")]),
        json!({"level": "low"})
    );
    let given = [
        ("ADMIN_LEVEL", " high "),
        ("ADMIN_ROLES", "one\ntwo"),
        ("ADMIN_COUNT", "7"),
        ("ADMIN_BORN", "2026-11-29"),
    ];
    let all = json!({"born": "2026-11-29", "count": 7, "level": "high", "roles": ["one", "two"]});
    assert_eq!(recorded(&given), all);
    let invalid = [("ADMIN_LEVEL", "higher"), ("ADMIN_COUNT", "ten"), ("ADMIN_BORN", "today")];
    assert_eq!(recorded(&invalid), json!({}));
}
