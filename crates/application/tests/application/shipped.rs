//! The compiled form of the repository's own file.

use std::collections::BTreeMap;

use quill_admin_actions::{Actions, Right, Slot};
use serde_json::Value;

use crate::{FIXTURE, compile, shipped};

/// Names and short names that people and scripts know.
#[test]
fn it_has_the_names_of_the_actions_that_were_there_before_it() {
    let actions = shipped().actions;
    for (name, alias, parameters) in [
        (
            "create-superadmin",
            Some("cs"),
            [("username", Some('u')), ("email", None), ("password", None)].as_slice(),
        ),
        ("update-permissions", Some("up"), &[("username", Some('u')), ("permission", Some('p'))]),
        ("add-role", Some("ar"), &[("username", Some('u')), ("role", Some('r'))]),
        ("remove-role", None, &[("username", Some('u')), ("role", Some('r'))]),
        ("show-user", None, &[("username", Some('u'))]),
    ] {
        let words = &actions.get(name).expect(name).words;
        assert_eq!(words.alias.as_deref(), alias, "{name}");
        let found: Vec<(&str, Option<char>)> =
            words.parameters.iter().map(|words| (words.parameter.as_str(), words.short)).collect();
        assert_eq!(found, parameters, "{name}");
    }
}

#[test]
fn its_json_is_read_back_as_it_was() {
    let actions = shipped().actions;
    let json = actions.to_json();
    assert_eq!(Actions::read(json.as_bytes()).as_ref(), Ok(&actions));
}

/// A compiled file, in a form for people: parts that two actions share are shown once.
#[test]
fn the_compiled_form() {
    let json = compile(FIXTURE).expect("valid").actions.to_json();
    let mut value: Value = serde_json::from_str(&json).expect("JSON");
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let order: Vec<String> = serde_json::from_value(value["order"].clone()).expect("names");
    for name in order {
        let action = &mut value["actions"][&name];
        for path in [
            "/definition/subject/query",
            "/definition/subject/look_alikes",
            "/definition/tables/users/needs",
            "/words/subject/fields",
            "/words/subject/hidden",
            "/words/subject/warn",
        ] {
            let Some(part) = action.pointer_mut(path) else { continue };
            match seen.get(&part.to_string()) {
                Some(first) => *part = Value::from(format!("as in {first}")),
                None => drop(seen.insert(part.to_string(), name.clone())),
            }
        }
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&value).expect("JSON"));
}

#[test]
fn each_action_asks_for_the_rights_that_it_uses() {
    let actions = compile(FIXTURE).expect("valid").actions;
    let rights = |action: &str, table: &str| {
        let table = actions.get(action).expect(action).definition.tables.get(table).cloned();
        table.map(|table| table.rights.into_iter().collect::<Vec<_>>())
    };
    assert_eq!(rights("show-user", "users"), Some(vec![Right::Select]));
    assert_eq!(rights("update-permissions", "users"), Some(vec![Right::Select, Right::Update]));
    assert_eq!(rights("create-user", "users"), Some(vec![Right::Select, Right::Insert, Right::Update]));
    assert_eq!(rights("remove-role", "user_role"), Some(vec![Right::Select, Right::Delete]));
    assert_eq!(rights("seed-roles", "roles"), Some(vec![Right::Select, Right::Insert]));
    assert_eq!(rights("seed-roles", "users"), None);
    assert_eq!(rights("list-users", "roles"), None);
}

/// A character that PostgreSQL reports by its number is found in the file.
#[test]
fn characters_of_compiled_statements_have_their_places() {
    let application = compile(FIXTURE).expect("valid");
    let mut looked_at = 0;
    for action in application.actions.iter() {
        for (slot, statement) in action.definition.statements() {
            for (index, alternative) in statement.alternatives().iter().enumerate() {
                for (number, (byte, _)) in alternative.sql.char_indices().enumerate() {
                    let rest = &alternative.sql[byte..];
                    let Some(word) = ["username", "users", "system_permissions"]
                        .iter()
                        .find(|word| rest.starts_with(**word))
                    else {
                        continue;
                    };
                    let place = application.places.statement(&action.name, slot, index, number + 1);
                    let place = place.unwrap_or_else(|| panic!("{} {slot:?}", action.name));
                    let line =
                        FIXTURE.lines().nth(usize::try_from(place.line).expect("small") - 1).expect("a line");
                    let column = usize::try_from(place.column).expect("small") - 1;
                    assert!(line[column..].starts_with(word), "{} {slot:?} {place}: {line}", action.name);
                    looked_at += 1;
                }
            }
        }
    }
    assert!(looked_at > 200, "{looked_at}");
    assert!(application.places.expectation(0, 0, 8).is_some());
    assert_eq!(application.places.statement("add-role", Slot::Rows, 0, 1), None);
}
