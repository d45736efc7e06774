//! Tests of sets of actions and their JSON.

use std::collections::BTreeSet;

use super::*;
use crate::{
    Expected, FieldWords, Kind, Parameter, ParameterWords, RowRange, Segment, Statement, Step, StepWords,
    Subject, SubjectWords, Text, Write,
};

fn statement(json: &Value) -> Statement {
    Statement::deserialize(json).expect("a statement")
}

fn action() -> Action {
    let parameter = |max| Parameter {
        kind: Kind::Text { min: 1, max },
        many: false,
        optional: false,
        default: None,
        recorded: false,
        exists: None,
    };
    let definition = Definition {
        schema: "public".to_owned(),
        tables: BTreeMap::from([("users".to_owned(), Table::default())]),
        needs: BTreeSet::new(),
        parameters: BTreeMap::from([
            ("username".to_owned(), parameter(150)),
            ("permission".to_owned(), parameter(20)),
        ]),
        subject: Some(Subject {
            name: "user".to_owned(),
            expected: Expected::MustExist,
            key: vec!["username".to_owned()],
            lock: None,
            query: statement(&json!([{
                "sql": "SELECT email FROM users WHERE username = $1",
                "binds": [{"parameter": "username", "type": "text"}]
            }])),
            fields: BTreeSet::from(["email".to_owned()]),
            hidden: BTreeSet::new(),
            exit: Some(10),
            look_alikes: None,
            warn: vec![],
        }),
        read: false,
        steps: vec![Step::Write(Write {
            statement: statement(&json!([{
                "sql": "UPDATE users SET system_permissions = $1 WHERE username = $2",
                "binds": [{"parameter": "permission", "type": "text"}, {"parameter": "username", "type": "text"}]
            }])),
            when: None,
            rows: RowRange { min: 0, max: 1 },
        })],
        rows: None,
        silence: BTreeSet::new(),
        undo: crate::Undo::default(),
        job: None,
    };
    let words = |name: &str| ParameterWords {
        parameter: name.to_owned(),
        name: name.to_owned(),
        ask: name.to_owned(),
        ..ParameterWords::default()
    };
    let words = Words {
        about: "sets a level".to_owned(),
        parameters: vec![words("username"), words("permission")],
        subject: Some(SubjectWords {
            fields: vec![FieldWords {
                field: "email".to_owned(),
                label: "email".to_owned(),
                ..FieldWords::default()
            }],
            ..SubjectWords::default()
        }),
        steps: vec![StepWords::default()],
        ..Words::default()
    };
    Action { name: "update-permissions".to_owned(), definition, words }
}

fn set() -> Actions {
    let mut other = action();
    other.name = "another".to_owned();
    Actions::new("public".to_owned(), BTreeMap::new(), vec![], vec![action(), other])
}

#[test]
fn what_is_written_is_read_back_and_keeps_its_order() {
    let set = set();
    let json = set.to_json();
    let read = Actions::read(json.as_bytes()).expect("read");
    assert_eq!(read, set);
    assert_eq!(read.to_json(), json);
    assert_eq!(read.entries().map(Entry::name).collect::<Vec<_>>(), ["update-permissions", "another"]);
    assert!(read.get("another").is_some() && read.get("nothing").is_none());
}

#[test]
fn words_are_not_in_the_digest_and_everything_else_is() {
    let before = action();
    let digest = before.digest();
    let mut words = before.clone();
    words.words.about = "other words".to_owned();
    words.words.alias = Some("x".to_owned());
    words.words.already = Some(Text::new([Segment::Literal("so already".to_owned())]));
    words.words.parameters.reverse();
    assert_eq!(words.digest(), digest);

    let changed = |change: &dyn Fn(&mut Action)| {
        let mut action = action();
        change(&mut action);
        assert_ne!(action.digest(), digest);
    };
    changed(&|action| action.name.push('x'));
    changed(&|action| action.definition.schema.push('x'));
    changed(&|action| action.definition.read = true);
    changed(&|action| {
        action.definition.tables.entry("users".to_owned()).or_default().needs.insert("id".to_owned());
    });
    changed(&|action| {
        action.definition.needs.insert("column users.x".parse().expect("a condition"));
    });
    changed(&|action| {
        let parameter = action.definition.parameters.get_mut("username").expect("there");
        parameter.kind = Kind::Text { min: 1, max: 151 };
    });
    changed(&|action| {
        action.definition.parameters.get_mut("permission").expect("there").recorded = true;
    });
    changed(&|action| {
        action.definition.subject.as_mut().expect("there").exit = Some(11);
    });
    changed(&|action| {
        action.definition.subject.as_mut().expect("there").fields.clear();
    });
    changed(&|action| {
        if let Step::Write(write) = &mut action.definition.steps[0] {
            write.rows.max = 2;
        }
    });
    changed(&|action| {
        if let Step::Write(write) = &mut action.definition.steps[0] {
            write.statement = statement(&json!([{"sql": "DELETE FROM users"}]));
        }
    });
    changed(&|action| {
        action.definition.silence.insert("account_inactive".to_owned());
    });
    changed(&|action| {
        let call = crate::Call { action: "x".to_owned(), with: BTreeMap::new() };
        action.definition.undo.updated = Some(call);
    });
}

/// The set's JSON with a change, read.
fn changed(change: impl Fn(&mut Value)) -> Result<Actions, ReadError> {
    let mut value: Value = serde_json::from_str(&set().to_json()).expect("JSON");
    change(&mut value);
    Actions::read(value.to_string().as_bytes())
}

fn why(change: impl Fn(&mut Value)) -> String {
    let read = changed(|value| change(&mut value["actions"]["another"])).expect("the set is read");
    assert!(read.get("update-permissions").is_some(), "the other one is not spoilt");
    match read.entry("another").expect("it is still listed") {
        Entry::NotUnderstood(action) => action.to_string(),
        Entry::Understood(action) => panic!("understood: {action:?}"),
    }
}

#[test]
fn an_action_with_more_than_is_known_is_not_understood_and_the_others_are() {
    let newer = |value: &mut Value| value["definition"]["steps"][0]["write"]["limit"] = json!(3);
    assert_eq!(
        why(newer),
        "the action another is of a newer version: its definition has \"steps[0].write.limit\", which this program \
         does not know"
    );
    let read = changed(|value| newer(&mut value["actions"]["another"])).expect("read");
    let entry = read.entry("another").expect("there");
    assert_ne!(entry.digest(), set().entry("another").expect("there").digest());
    assert!(read.to_json().contains("\"limit\":3"), "it is written as it was read");

    assert!(
        why(|value| value["definition"]["steps"][0] = json!({"call": {}})).contains("unknown variant `call`")
    );
    assert!(why(|value| value["definition"]["needs"] = json!([])).contains("\"needs\""), "noise");
    assert!(why(|value| *value = json!({})).contains("has no definition"));
    assert!(why(|value| *value = json!(3)).contains("has no definition"));
    assert!(why(|value| drop(value.as_object_mut().map(|map| map.remove("words")))).contains("has no words"));
}

#[test]
fn an_action_that_does_not_fit_together_is_not_understood() {
    let statement = |value: &mut Value| value["definition"]["steps"][0]["write"]["statement"].take();
    assert!(
        why(|value| {
            let mut alternatives = statement(value);
            alternatives[0]["if"] = json!("column users.x");
            value["definition"]["steps"][0]["write"]["statement"] = alternatives;
        })
        .contains("of a statement's alternatives the last, and only the last, has no condition")
    );
    assert!(
        why(|value| {
            let mut alternatives = statement(value);
            alternatives[0]["binds"][0]["type"] = json!("int8");
            value["definition"]["steps"][0]["write"]["statement"] = alternatives;
        })
        .contains("(Step(0)) that binds permission")
    );
    assert!(
        why(|value| value["definition"]["read"] = json!(true))
            .contains("reads only, and has a step that writes")
    );
    let rows = json!({"max": 1, "query": [{"sql": "SELECT 1"}], "record": "count"});
    assert_eq!(
        why(|value| value["definition"]["rows"] = rows.clone()),
        "the action another has a step that writes, and lists rows: a list is of an action that reads"
    );
    assert!(
        why(|value| value["words"]["steps"] = json!([]))
            .contains("words that are not those of its definition")
    );
    assert!(why(|value| value["words"]["subject"] = Value::Null).contains("words that are not those"));
    assert!(why(|value| value["words"]["parameters"] = json!([])).contains("words that are not those"));
}

#[test]
fn an_action_that_writes_is_about_something() {
    let about_nothing = |value: &mut Value| {
        value["definition"].as_object_mut().expect("keys").remove("subject");
        value["words"].as_object_mut().expect("keys").remove("subject");
    };
    assert_eq!(
        why(about_nothing),
        "the action another may write and has no subject, which says what it is about"
    );
    let reads = |value: &mut Value| {
        about_nothing(value);
        value["definition"]["read"] = json!(true);
        for part in ["definition", "words"] {
            value[part].as_object_mut().expect("keys").remove("steps");
        }
    };
    let read = changed(|value| reads(&mut value["actions"]["another"])).expect("read");
    assert!(
        read.get("another").is_some(),
        "what only reads may be about nothing: {:?}",
        read.entry("another")
    );
}

#[test]
fn an_action_takes_one_password() {
    let secret = |value: &mut Value, names: &[&str]| {
        for name in names {
            let parameter = json!({"type": "password", "hash": "argon2id-quill"});
            value["definition"]["parameters"][name] = parameter;
            let words = json!({"parameter": name, "name": name, "ask": name});
            value["words"]["parameters"].as_array_mut().expect("a list").push(words);
        }
    };
    assert_eq!(
        why(|value| secret(value, &["pin", "secret"])),
        "the action another has two passwords, pin and secret, and an action takes one"
    );
    let read = changed(|value| secret(&mut value["actions"]["another"], &["pin"])).expect("read");
    assert!(read.get("another").is_some());
}

#[test]
fn a_secret_is_not_recorded() {
    let password = |value: &mut Value| {
        let parameter = json!({"type": "password", "hash": "argon2id-quill", "recorded": true});
        value["definition"]["parameters"]["permission"] = parameter;
    };
    assert!(
        why(password)
            .ends_with("has the password permission as a value to record, and no secret is recorded")
    );
    let recorded =
        |value: &mut Value| value["definition"]["parameters"]["permission"]["recorded"] = json!(true);
    let read = changed(|value| recorded(&mut value["actions"]["another"])).expect("read");
    assert!(read.get("another").expect("understood").definition.parameters["permission"].recorded);
}

#[test]
fn a_job_has_nothing_for_our_container_to_do() {
    let job =
        json!({"name": "quill-admin-{env}", "timeout": 900, "variables": {"ADMIN_ACTION": "run-migrations"}});
    assert!(
        why(|value| value["definition"]["job"] = job.clone())
            .contains("is a job, and has something for our own container")
    );
    let read = changed(|value| {
        let definition = json!({"schema": "public", "read": false, "job": job});
        value["actions"]["another"] = json!({"definition": definition, "words": {"about": "runs it"}});
    });
    let read = read.expect("read");
    let action = read.get("another").expect("understood");
    assert!(action.is_job() && action.writes());
    assert_eq!(
        action.definition.job.as_ref().map(|job| job.name_in("staging", "quill")).as_deref(),
        Some("quill-admin-staging")
    );
}

#[test]
fn words_may_hold_more_than_is_known() {
    let read = changed(|value| value["actions"]["another"]["words"]["colour"] = json!("red")).expect("read");
    assert!(read.get("another").is_some());
    let read = changed(|value| value["pictures"] = json!([])).expect("read");
    assert_eq!(read, set());
    let read = changed(|value| value["order"] = json!(["another", "nothing", "another"])).expect("read");
    assert_eq!(read.entries().map(Entry::name).collect::<Vec<_>>(), ["another", "update-permissions"]);
}

#[test]
fn what_is_no_set_of_this_format_is_refused_with_words() {
    let refused = |json: &str| Actions::read(json.as_bytes()).expect_err("refused").to_string();
    assert_eq!(
        refused(r#"{"format":2}"#),
        "the compiled actions have the format 2, and this program reads the format 1: what is older of the two has to \
         be updated"
    );
    assert!(refused("{").starts_with("the compiled actions cannot be read: EOF"));
    assert!(refused("[]").contains("they do not say which format they have"));
    assert!(refused(r#"{"format":1}"#).contains("missing field `schema`"));
    assert!(refused(&"[".repeat(100_000)).contains("recursion limit"));
}
