//! Statements are tried on temporary tables.

use std::path::Path;

use quill_admin_actions::{Actions, Slot};
use quill_admin_local::{LocalError, Misfit, Scratch, Script, Wrong};
use quill_admin_testkit::postgres::{AUGUST_2026, MARCH_2026, SEED_ROLES};

fn script(sql: &str) -> Script {
    Script { name: "schema.sql".to_owned(), sql: sql.to_owned() }
}

async fn scratch(schema: &str) -> Scratch {
    Scratch::start(script(schema), None).await.unwrap()
}

fn actions(text: &str) -> Actions {
    quill_admin_application::compile(Path::new("actions.yaml"), text.as_bytes()).unwrap().actions
}

/// The repository's own actions, which serve both generations.
fn shipped() -> Actions {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../application");
    quill_admin_application::read(&folder).unwrap().actions
}

const ROLES: &str = "\
format: 1
schema: public
tables:
  roles: { needs: [id, name], knows: [title], rights: [select, insert] }
check:
  expect:
    - { query: SELECT nom::text FROM roles, has: [Porter], code: none, say: none }
subjects:
  roles:
    query: SELECT ARRAY(SELECT name::text FROM roles) AS roles
    fields: { roles: }
actions:
  list-roles:
    about: lists roles
    read: true
    rows: { sql: \"SELECT name::text FROM roles ORDER BY name\", max: 9 }
  add-titles:
    about: adds titles
    needs: column roles.title
    subject: { roles: must exist }
    steps:
      - write: INSERT INTO roles (name, title) VALUES ('x', 'y')
  add-roles:
    about: adds roles
    subject: { roles: must exist }
    steps:
      - write:
          - if: column roles.title
            sql: INSERT INTO roles (name, titel) VALUES ('x', 'y')
          - sql: INSERT INTO roles (name) VALUES (1 + now())
";

#[tokio::test]
async fn the_shipped_actions_fit_both_generations() {
    let shipped = shipped();
    for (tables, left_out) in [(AUGUST_2026, 0), (MARCH_2026, 1)] {
        let scratch = scratch(tables).await;
        let fit = scratch.fit(&shipped).await.unwrap();
        assert_eq!(fit.misfits, []);
        assert_eq!(fit.left_out.len(), left_out, "{:?}", fit.left_out);
        assert!(fit.statements > 40 && fit.actions + left_out == 13, "{fit:?}");
        scratch.stop().await;
    }
}

#[tokio::test]
async fn each_statement_that_would_be_sent_is_tried_and_no_other() {
    let actions = actions(ROLES);
    let scratch = scratch("CREATE TABLE roles (id serial, name varchar(64));").await;
    let fit = scratch.fit(&actions).await.unwrap();
    let left_out: Vec<String> =
        fit.left_out.iter().map(|(action, condition)| format!("{action}: {condition}")).collect();
    assert_eq!(left_out, ["add-titles: column roles.title"]);
    assert_eq!((fit.actions, fit.statements), (2, 2), "{:?}", fit.misfits);
    let refused = |of, alternative, character, why: &str| {
        Misfit::Refused(Wrong { of, alternative, character: Some(character), why: why.to_owned() })
    };
    let expected = [
        refused(
            Ok(("add-roles", Slot::Step(0))),
            1,
            36,
            "operator does not exist: integer + timestamp with time zone",
        ),
        refused(Err(0), 0, 8, "column \"nom\" does not exist"),
    ];
    assert_eq!(fit.misfits, expected);
    drop(scratch);

    let scratch = self::scratch("CREATE TABLE roles (id serial, name varchar(64), title text);").await;
    let fit = scratch.fit(&actions).await.unwrap();
    assert_eq!((fit.left_out.len(), fit.actions, fit.statements), (0, 3, 4));
    let expected = refused(
        Ok(("add-roles", Slot::Step(0))),
        0,
        26,
        "column \"titel\" of relation \"roles\" does not exist",
    );
    assert_eq!(fit.misfits[0], expected);
}

#[tokio::test]
async fn what_postgresql_says_only_when_a_statement_runs_is_looked_for() {
    let actions = actions(ROLES);
    let using = vec!["list-roles", "add-titles", "add-roles"];
    let adding = vec!["add-titles", "add-roles"];
    for (tables, expected) in [
        ("", Misfit::NoTable { table: "roles", actions: using.clone() }),
        ("CREATE TABLE roles (name text)", Misfit::NoColumn { table: "roles", column: "id", actions: using }),
        (
            "CREATE TABLE roles (id integer, name text, rank integer NOT NULL)",
            Misfit::NotFilled { table: "roles", column: "rank".to_owned(), actions: adding },
        ),
    ] {
        let scratch = scratch(tables).await;
        let fit = scratch.fit(&actions).await.unwrap();
        assert_eq!(fit.misfits[0], expected);
    }
    for filled in ["serial NOT NULL", "integer NOT NULL DEFAULT 1", "integer GENERATED ALWAYS AS IDENTITY"] {
        let tables = format!("CREATE TABLE roles (id serial, name text, rank {filled})");
        let scratch = scratch(&tables).await;
        let fit = scratch.fit(&actions).await.unwrap();
        assert!(matches!(fit.misfits[0], Misfit::Refused(_)), "{filled}: {:?}", fit.misfits);
    }
}

/// PostgreSQL prepares these statements: only reading their rows would fail, when the action is run for the
/// first time.
#[tokio::test]
async fn a_column_that_actions_do_not_read_is_told_with_its_cast() {
    let tables = "CREATE TABLE roles (id serial, name varchar(64), made timestamptz, tags varchar(9)[]);";
    let scratch = scratch(tables).await;
    let right = ROLES.replace("nom::text", "name::text").replace("(1 + now())", "('y')");
    assert_eq!(scratch.fit(&actions(&right)).await.unwrap().misfits, []);
    let text =
        right.replace("SELECT name::text FROM roles ORDER", "SELECT name, made, id, tags FROM roles ORDER");
    let wrong = actions(&text);
    let fit = scratch.fit(&wrong).await.unwrap();
    let [Misfit::Refused(Wrong { of, why, .. })] = fit.misfits.as_slice() else {
        panic!("{:?}", fit.misfits)
    };
    assert_eq!(*of, Ok(("list-roles", Slot::Rows)));
    assert_eq!(
        why,
        "the column name is of the type varchar, which actions do not read: write ::text behind it; the column made \
         is of the type timestamptz, which actions do not read: write ::text behind it; the column id is of the type \
         int4, which actions do not read: write ::bigint behind it; the column tags is of the type _varchar, which \
         actions do not read: write ::text[] behind it"
    );
    // Of a condition's row only the columns that its texts name are read.
    let guarded = actions(&right.replace(
        "    subject: { roles: must exist }\n    steps:\n      - write:\n",
        "    subject: { roles: must exist }\n    steps:\n      - refuse: SELECT 1 AS one, id FROM roles WHERE false\n        \
         else: { exit: 12, say: \"there is {id}\" }\n      - write:\n",
    ));
    let fit = scratch.fit(&guarded).await.unwrap();
    let [Misfit::Refused(Wrong { of, why, .. })] = fit.misfits.as_slice() else {
        panic!("{:?}", fit.misfits)
    };
    assert_eq!(*of, Ok(("add-roles", Slot::Step(0))));
    assert!(why.starts_with("the column id is of the type int4") && !why.contains("one"), "{why}");
}

#[tokio::test]
async fn only_the_schema_that_the_file_names_is_looked_into() {
    let scratch = scratch("CREATE SCHEMA app; CREATE TABLE app.roles (id serial, name text);").await;
    let text = ROLES.replace("nom::text", "name::text").replace("(1 + now())", "('y')");
    let elsewhere = actions(&text);
    let fit = scratch.fit(&elsewhere).await.unwrap();
    assert!(matches!(fit.misfits[0], Misfit::NoTable { .. }), "{:?}", fit.misfits);
    let there = actions(&text.replace("schema: public", "schema: app"));
    assert_eq!(scratch.fit(&there).await.unwrap().misfits, []);
}

#[tokio::test]
async fn a_file_that_postgresql_refuses_is_told_with_its_place() {
    let refused = Scratch::start(script("CREATE TABLE a (b c);"), None).await.err().unwrap();
    assert_eq!(refused.to_string(), "schema.sql:1:19: type \"c\" does not exist");
    let seed = Script { name: "seed.sql".to_owned(), sql: format!("{SEED_ROLES};\n  oops") };
    let refused = Scratch::start(script(AUGUST_2026), Some(seed)).await.err().unwrap();
    assert!(
        matches!(&refused, LocalError::Script { name, place: Some((_, 3)), .. } if name == "seed.sql"),
        "{refused}"
    );
    // The author of the file gets no superuser rights.
    let refused = Scratch::start(script("COPY pg_class TO '/tmp/x'"), None).await.err().unwrap();
    assert!(refused.to_string().contains("permission denied to COPY to a file"), "{refused}");
}
