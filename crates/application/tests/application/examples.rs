//! The golden cases of this repository, and mistakes in such.
//!
//! The cases are run here by what the compiled actions say, step by step: enough to see that their statements
//! do what the cases say, with neither retries nor messages.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quill_admin_actions::{
    Action, Actions, Bind, BindType, Expected, Kind, Otherwise, Statement, Step, When,
};
use quill_admin_application::examples::{self, Case, Cell, Change, Examples, Given, Outcome, Row};
use quill_admin_contract::look::Look;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation, quote_literal};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row as Found, SimpleQueryMessage};

use crate::{FIXTURE, compile, folder, shipped};

/// A field as it was read: a text, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    One(Option<String>),
    Many(BTreeSet<String>),
}

type State = BTreeMap<String, Field>;

/// What came of a run.
#[derive(Debug, Default)]
struct Ended {
    exit: u8,
    result: Option<Outcome>,
    changes: BTreeMap<String, Change>,
    warnings: BTreeSet<String>,
    listed: Vec<BTreeMap<String, Field>>,
}

impl Ended {
    fn failed(exit: u8) -> Self {
        Self { exit, result: Some(Outcome::Failed), ..Self::default() }
    }
}

/// Texts as PostgreSQL writes an array of them.
fn array(texts: &[String]) -> String {
    let quoted = texts.iter().map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    format!("{{{}}}", quoted.collect::<Vec<_>>().join(","))
}

struct Run<'a> {
    client: &'a Client,
    columns: &'a BTreeSet<String>,
    action: &'a Action,
    with: BTreeMap<String, Vec<String>>,
}

impl Run<'_> {
    fn has(&self, table: &str, column: &str) -> bool {
        self.columns.contains(&format!("{table}.{column}"))
    }

    /// Prepares what is sent on these tables, and returns how it is run with the values.
    async fn prepare(&self, statement: &Statement) -> String {
        let alternative = statement.choose(|table, column| self.has(table, column));
        let typed = |bind: &Bind| {
            let values = self.with.get(&bind.parameter);
            let first = values.and_then(|values| values.first()).cloned();
            let many = values.map(|values| array(values));
            let (kind, value) = match bind.kind {
                BindType::Text => ("text", first),
                BindType::Int8 => ("int8", first),
                BindType::Bool => ("bool", first),
                BindType::Date => ("date", first),
                BindType::TextArray => ("text[]", many),
                BindType::Int8Array => ("int8[]", many),
                BindType::DateArray => ("date[]", many),
            };
            (kind, value.map_or_else(|| "NULL".to_owned(), |text| quote_literal(&text)))
        };
        let (kinds, values): (Vec<&str>, Vec<String>) = alternative.binds.iter().map(typed).unzip();
        let in_brackets = |list: String| if list.is_empty() { list } else { format!("({list})") };
        let kinds = in_brackets(kinds.join(", "));
        let prepare = format!("DEALLOCATE ALL; PREPARE statement {kinds} AS {}", alternative.sql);
        let prepared = self.client.batch_execute(&prepare).await;
        prepared.unwrap_or_else(|error| panic!("{prepare}: {error:?}"));
        format!("EXECUTE statement {}", in_brackets(values.join(", ")))
    }

    async fn rows(&self, statement: &Statement) -> Vec<Found> {
        let execute = self.prepare(statement).await;
        let rows = self.client.query_typed(&execute, &[]).await;
        rows.unwrap_or_else(|error| panic!("{execute}: {error:?}"))
    }

    async fn changed(&self, statement: &Statement) -> u64 {
        let execute = self.prepare(statement).await;
        let changed = self.client.execute_typed(&execute, &[]).await;
        changed.unwrap_or_else(|error| panic!("{execute}: {error:?}"))
    }

    async fn names(&self, statement: &Statement) -> Vec<String> {
        self.rows(statement).await.iter().map(|row| row.get(0)).collect()
    }

    /// Whether the values are allowed on these tables.
    fn values_are_allowed(&self) -> bool {
        self.action.definition.parameters.iter().all(|(name, parameter)| {
            let Kind::OneOf { values } = &parameter.kind else { return true };
            self.with.get(name).into_iter().flatten().all(|value| {
                values.get(value).is_some_and(|value| {
                    value
                        .condition
                        .as_ref()
                        .is_none_or(|condition| condition.holds(|table, column| self.has(table, column)))
                })
            })
        })
    }

    async fn state(&self) -> Option<State> {
        let rows = self.rows(&self.action.definition.subject.as_ref()?.query).await;
        assert!(rows.len() <= 1, "{}", self.action.name);
        rows.first().map(state)
    }

    async fn end(&self) -> Ended {
        let definition = &self.action.definition;
        if !definition.needs.iter().all(|condition| condition.holds(|table, column| self.has(table, column)))
        {
            return Ended::failed(15);
        }
        if !self.values_are_allowed() {
            return Ended::failed(2);
        }
        if let Some(lock) = definition.subject.as_ref().and_then(|subject| subject.lock.as_ref()) {
            self.rows(lock).await;
        }
        let before = self.state().await;
        if let Some(subject) = &definition.subject {
            let expected = match subject.expected {
                Expected::MustExist => before.is_some(),
                Expected::MayExist => true,
                Expected::MustNotExist => before.is_none(),
            };
            if !expected {
                return Ended::failed(subject.exit.expect("an exit code"));
            }
        }
        for (name, parameter) in &definition.parameters {
            let Some(exists) = &parameter.exists else { continue };
            let there = self.names(&exists.query).await;
            if self.with.get(name).into_iter().flatten().any(|value| !there.contains(value)) {
                return Ended::failed(exists.exit);
            }
        }
        let mut ended = Ended::default();
        for step in &definition.steps {
            if step.when().is_some_and(|when| (when == When::Present) != before.is_some()) {
                continue;
            }
            let otherwise = match step {
                Step::Require(guard) => {
                    self.rows(&guard.statement).await.is_empty().then_some(&guard.otherwise)
                }
                Step::Refuse(guard) => {
                    (!self.rows(&guard.statement).await.is_empty()).then_some(&guard.otherwise)
                }
                Step::Write(write) => {
                    let rows = self.changed(&write.statement).await;
                    let range = u64::from(write.rows.min)..=u64::from(write.rows.max);
                    assert!(range.contains(&rows), "{}: {rows} rows", self.action.name);
                    None
                }
            };
            match otherwise {
                Some(Otherwise::Exit(exit)) => return Ended::failed(*exit),
                Some(Otherwise::Warn(code)) => drop(ended.warnings.insert(code.clone())),
                None => {}
            }
        }
        let after = self.state().await;
        if let Some(rows) = &definition.rows {
            ended.listed = self.rows(&rows.query).await.iter().map(state).collect();
        }
        self.conclude(before, after, &mut ended).await;
        ended
    }

    async fn conclude(&self, before: Option<State>, after: Option<State>, ended: &mut Ended) {
        let definition = &self.action.definition;
        let Some(subject) = &definition.subject else {
            ended.result = Some(Outcome::Found);
            return;
        };
        let after = after.expect("it is there afterwards");
        for name in subject.fields.iter().chain(&subject.hidden) {
            let (old, new) = (before.as_ref().and_then(|state| state.get(name)), after.get(name));
            if old != new && before.is_some() {
                ended.changes.insert(name.clone(), change(subject.hidden.contains(name), old, new));
            }
        }
        for watch in &subject.warn {
            let is = match &watch.is {
                quill_admin_actions::Is::Boolean(is) => is.to_string(),
                quill_admin_actions::Is::Text(is) => is.clone(),
            };
            if after.get(&watch.field) == Some(&Field::One(Some(is)))
                && !definition.silence.contains(&watch.code)
            {
                ended.warnings.insert(watch.code.clone());
            }
        }
        ended.result = Some(match &before {
            _ if definition.read => Outcome::Found,
            None => Outcome::Created,
            Some(before) if *before == after => Outcome::Unchanged,
            Some(_) => Outcome::Updated,
        });
        if let Some(statement) = subject.look_alikes.as_ref().filter(|_| before.is_none()) {
            let own = Look::of(&self.with[&subject.key[0]][0]);
            if self.names(statement).await.iter().any(|name| own.likeness(&Look::of(name)).is_some()) {
                ended.warnings.insert("look_alike".to_owned());
            }
        }
    }
}

fn change(hidden: bool, old: Option<&Field>, new: Option<&Field>) -> Change {
    let cell = |field: Option<&Field>| match field {
        Some(Field::One(Some(text))) => Cell::Text(text.clone()),
        _ => Cell::Null,
    };
    match (old, new) {
        _ if hidden => Change::Hidden,
        (Some(Field::Many(old)), Some(Field::Many(new))) => Change::List {
            added: new.difference(old).cloned().collect(),
            removed: old.difference(new).cloned().collect(),
        },
        _ => Change::Value { from: Some(cell(old)), to: cell(new) },
    }
}

fn state(row: &Found) -> State {
    let mut state = State::new();
    for (index, column) in row.columns().iter().enumerate() {
        let field = match *column.type_() {
            Type::TEXT_ARRAY => Field::Many(row.get::<_, Vec<String>>(index).into_iter().collect()),
            Type::BOOL => Field::One(row.get::<_, Option<bool>>(index).map(|value| value.to_string())),
            Type::INT8 => Field::One(row.get::<_, Option<i64>>(index).map(|value| value.to_string())),
            _ => Field::One(row.get(index)),
        };
        state.insert(column.name().to_owned(), field);
    }
    state
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => quote_literal(text),
    }
}

/// The statements that put rows there, with numbers of new ones behind theirs.
fn insert(rows: &[&Given], defaults: &BTreeMap<String, Row>, columns: &BTreeSet<String>) -> String {
    let inserts = rows.iter().map(|given| {
        let mut row = defaults.get(&given.table).cloned().unwrap_or_default();
        row.extend(given.row.clone());
        row.retain(|column, _| columns.contains(&format!("{}.{column}", given.table)));
        let names: Vec<&str> = row.keys().map(String::as_str).collect();
        let values: Vec<String> = row.values().map(literal).collect();
        format!("INSERT INTO {} ({}) VALUES ({});", given.table, names.join(", "), values.join(", "))
    });
    inserts.collect::<Vec<_>>().join("\n")
}

/// Lets new rows have numbers behind those of rows that are given.
const NUMBERS: &str = "\
SELECT setval(pg_get_serial_sequence(quote_ident(table_name), column_name), 1000)
  FROM information_schema.columns WHERE table_schema = 'public' AND column_default LIKE 'nextval(%'";

async fn count(client: &Client, given: &Given, columns: &BTreeSet<String>) -> usize {
    let conditions: Vec<String> = given
        .row
        .iter()
        .filter(|(column, _)| columns.contains(&format!("{}.{column}", given.table)))
        .map(|(column, cell)| format!("{column}::text IS NOT DISTINCT FROM {}", literal(cell)))
        .collect();
    let sql = format!("SELECT 1 FROM {} WHERE {}", given.table, conditions.join(" AND "));
    let messages = client.simple_query(&sql).await.expect("counted");
    messages.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count()
}

/// Runs a case in a transaction of its own, which is rolled back.
async fn run(client: &Client, columns: &BTreeSet<String>, action: &Action, case: &Case, examples: &Examples) {
    let told = format!("{}:{}: {}", case.file.display(), case.place, case.name);
    let everywhere = examples.given.iter().filter(|given| !case.without.contains(&given.table));
    let rows: Vec<&Given> = everywhere.chain(&case.given).collect();
    client.batch_execute("BEGIN").await.expect("begun");
    let tables: BTreeSet<&str> = columns.iter().filter_map(|column| column.split('.').next()).collect();
    let tables: Vec<&str> = tables.into_iter().collect();
    let insert = insert(&rows, &examples.defaults, columns);
    let prepare = format!("TRUNCATE {}; {insert}; {NUMBERS}", tables.join(", "));
    client.batch_execute(&prepare).await.unwrap_or_else(|error| panic!("{told}: {error:?}"));

    let mut with = case.with.clone();
    for (name, parameter) in &action.definition.parameters {
        if let Some(default) = &parameter.default {
            with.entry(name.clone()).or_insert_with(|| vec![default.clone()]);
        }
        if parameter.is_secret() {
            with.entry(name.clone()).or_insert_with(|| vec!["nobody's".to_owned()]);
        }
    }
    let runner = Run { client, columns, action, with };
    let ended = runner.end().await;
    let expect = &case.expect;
    assert_eq!(ended.exit, expect.exit, "{told}");
    if let Some(result) = expect.result {
        assert_eq!(ended.result, Some(result), "{told}");
    }
    if let Some(changes) = &expect.changes {
        assert_eq!(&ended.changes, changes, "{told}");
    }
    if let Some(warnings) = &expect.warnings {
        assert_eq!(&ended.warnings, warnings, "{told}");
    }
    if let Some(listed) = &expect.listed {
        assert_eq!(ended.listed.len(), listed.len(), "{told}: {:?}", ended.listed);
        for (row, expected) in ended.listed.iter().zip(listed) {
            for (column, cell) in expected {
                let expected = match cell {
                    Cell::Null => None,
                    Cell::Text(text) => Some(text.clone()),
                };
                assert_eq!(row.get(column), Some(&Field::One(expected)), "{told}");
            }
        }
    }
    for given in &expect.rows {
        assert_eq!(count(client, given, columns).await, 1, "{told}: {}", given.place);
    }
    for given in &expect.gone {
        assert_eq!(count(client, given, columns).await, 0, "{told}: {}", given.place);
    }
    if case.repeats {
        let again = runner.end().await;
        assert_eq!(again.exit, expect.exit, "{told}, again");
        let idle = matches!(again.result, Some(Outcome::Unchanged | Outcome::Found | Outcome::Failed));
        assert!(idle, "{told}, again: {again:?}");
    }
    client.batch_execute("ROLLBACK").await.expect("rolled back");
}

#[tokio::test]
async fn the_golden_cases_hold_on_both_generations() {
    needs_postgres!();
    let actions = shipped().actions;
    let examples = examples::read(&folder(), &actions).unwrap_or_else(|broken| panic!("{broken:#?}"));
    let mut runs = BTreeMap::new();
    for generation in Generation::ALL {
        let database = Database::create(generation);
        let client = database.connect().await;
        let columns: BTreeSet<String> = database
            .rows("SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'")
            .into_iter()
            .flatten()
            .flatten()
            .collect();
        let has = |table: &str, column: &str| columns.contains(&format!("{table}.{column}"));
        for case in examples
            .cases
            .iter()
            .filter(|case| case.condition.as_ref().is_none_or(|condition| condition.holds(has)))
        {
            let action = actions.get(&case.action).expect("known");
            run(&client, &columns, action, case, &examples).await;
            *runs.entry(case.action.clone()).or_insert(0) += 1;
        }
    }
    let without: Vec<&str> =
        actions.iter().map(|action| action.name.as_str()).filter(|name| !runs.contains_key(*name)).collect();
    assert!(without.is_empty(), "no case of {without:?}");
}

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
