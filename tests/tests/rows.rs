//! The rows of an action that lists: shown completely or not at all, and never recorded.

use std::time::Duration;

use cloud_emulator::{Builder, Emulator, Script, Step};
use quill_admin_contract::{ProofKey, Row};
use quill_admin_e2e::{Finished as _, JOB, World, redact};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation, quote_literal};
use serde_json::{Value, json};

use crate::believed::{STDOUT, forge, history, newest, sent};

const LIST: [&str; 3] = ["list-users", "-e", "staging"];

/// A database with three users, one of whom has an email with characters that act on a terminal.
fn database() -> Database {
    let db = Database::create(Generation::August2026);
    for (username, email) in
        [("cy", "cy@example.org"), ("ada", "ada@example.org"), ("bo", "b\to\u{1b}[31m@example.org")]
    {
        db.execute(&format!(
            "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
             additional_competencies, removed_competencies, system_permissions)
             VALUES ({}, {}, 'hash', true, false, 'nurse', '[]', '[]', 'staff')",
            quote_literal(username),
            quote_literal(email),
        ));
    }
    db
}

/// The output for these users in a pipe.
const LINES: &str = "ada\tada@example.org\tstaff\ttrue\nbo\tb\\to\\u{1b}[31m@example.org\tstaff\ttrue\n\
                     cy\tcy@example.org\tstaff\ttrue\n";

/// A world whose container runs a script around the executor, which is `$1`.
fn world(script: &str) -> World {
    World::with_database_and_script(database(), script)
}

fn list(world: &World, args: &[&str]) -> Output {
    world.quill_admin(LIST).args(args.iter().copied()).output()
}

/// Checks that no list is shown, and that the next step is.
fn not_whole(world: &World, output: &Output, why: &str) {
    assert_eq!((output.code(), output.stdout.as_str()), (27, ""), "{output}");
    assert!(output.stderr.contains(&format!("error: {why}")), "{output}");
    let attach = format!("next: read its rows again: quill-admin attach {} --env staging\n", newest(world));
    assert!(output.stderr.contains(&attach), "{output}");
    let again = "next: or run list-users again: it changes nothing\n";
    assert!(output.stderr.contains(again), "{output}");
}

#[test]
fn a_list_is_a_table_for_people_and_lines_for_programs() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let ended = world.quill_admin(LIST).terminal().wait();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    let text = ended.text().replace('\r', "");
    let (_, shown) = text.split_once("✔ 3 rows in staging").unwrap_or_else(|| panic!("{text}"));
    let (_, table) = shown.split_once('\n').expect("a line");
    insta::assert_snapshot!(table, @r"
    USERNAME  EMAIL                       PERMISSION  ACTIVE
    ada       ada@example.org             staff       true
    bo        b\to\u{1b}[31m@example.org  staff       true
    cy        cy@example.org              staff       true
    ");

    let piped = list(&world, &[]).exits(0);
    assert_eq!(piped.stdout, LINES);
    assert!(piped.stderr.contains("✔ 3 rows in staging ("), "{piped}");
    assert!(!piped.stderr.contains("ada@example.org"), "rows are no lines of the log beside: {piped}");
    let quiet = list(&world, &["--quiet"]).exits(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), (LINES, ""));
    let quiet = world.quill_admin(LIST).args(["--quiet"]).terminal().wait();
    // A tab is left to the terminal.
    assert_eq!(
        quiet.text().replace('\r', "").split_whitespace().collect::<Vec<_>>(),
        LINES.split_whitespace().collect::<Vec<_>>()
    );

    let document = list(&world, &["--json", "--contains", "A@"]).exits(0).json();
    let ada = json!({"username": "ada", "email": "ada@example.org", "permission": "staff", "active": "true"});
    assert_eq!(document["rows"], json!([ada]), "{document:#}");
    assert_eq!((&document["result"]["outcome"]["rows"], &document["proven"]), (&json!(1), &json!(true)));
    let nobody = list(&world, &["--json", "--contains", "nobody"]).exits(0).json();
    assert_eq!(nobody["rows"], json!([]), "{nobody:#}");
    let nobody = list(&world, &["--contains", "nobody"]).exits(0);
    assert_eq!(nobody.stdout, "");
    assert!(nobody.stderr.contains("✔ 0 rows in staging ("), "{nobody}");

    // `attach` shows the same later, and the log itself has the rows in words.
    let execution = newest(&world);
    let attached = world.quill_admin(["attach", &execution, "-q"]).output().exits(0);
    assert_eq!(attached.stdout, "");
    let _ = list(&world, &[]).exits(0);
    let execution = newest(&world);
    let attached = world.quill_admin(["attach", &execution, "-q"]).output().exits(0);
    assert_eq!(attached.stdout, LINES);
    let logs = world.quill_admin(["logs", &execution]).output().exits(0);
    assert!(
        logs.stdout.contains(" username cy, email cy@example.org, permission staff, active true\n"),
        "{logs}"
    );
}

#[test]
fn there_are_more_rows_than_are_listed_and_whoever_wants_only_rows_is_told() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    world.database().execute(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession,
         additional_competencies, removed_competencies, system_permissions)
         SELECT 'user' || n, n || '@example.org', 'hash', true, false, 'nurse', '[]', '[]', 'staff'
           FROM generate_series(1, 250) AS n",
    );
    let quiet = list(&world, &["-q"]).exits(0);
    assert_eq!(quiet.stdout.lines().count(), 200);
    assert_eq!(quiet.stderr, "warning: there are more rows than these 200\n");
    let document = list(&world, &["--json"]).exits(0).json();
    assert_eq!(document["rows"].as_array().map(Vec::len), Some(200));
    assert_eq!(document["result"]["outcome"]["more"], true);
}

/// Cloud Logging delivers late, in any order, and some lines twice.
#[test]
fn rows_in_any_order_and_doubled_make_the_same_list() {
    needs_postgres!();
    for seed in 1..=4 {
        let within = Duration::from_millis([0, 300][usize::from(seed % 2 == 1)]);
        let builder: Builder = Emulator::builder().shuffle_entries(seed, within).duplicate_entries(seed);
        let world = World::with_database_in(builder, database());
        assert_eq!(list(&world, &["-q"]).exits(0).stdout, LINES, "seed {seed}");
        let read = world.quill_admin(["attach", &newest(&world), "-q"]).output().exits(0);
        assert_eq!(read.stdout, LINES, "seed {seed}");
    }
}

#[test]
fn a_list_without_one_of_its_rows_is_not_shown() {
    needs_postgres!();
    let world = world("\"$1\" | grep -v '\"index\":1,'");
    let lost = list(&world, &[]);
    not_whole(&world, &lost, "1 of 3 rows did not arrive: the list is not shown without them\n");
    let attached = world.quill_admin(["attach", &newest(&world), "--json"]).output().exits(27).json();
    assert_eq!((&attached["rows"], &attached["exit_code"]), (&Value::Null, &json!(27)), "{attached:#}");
    assert_eq!(attached["reason"], "1 of 3 rows did not arrive: the list is not shown without them");
    assert_eq!(attached["hints"].as_array().map(Vec::len), Some(2), "{attached:#}");
}

#[test]
fn a_row_that_somebody_has_edited_is_none() {
    needs_postgres!();
    let world = world("\"$1\" | sed '/\"row\"/s/ada@example.org/eve@example.org/g'");
    let edited = list(&world, &[]);
    not_whole(&world, &edited, "1 of 3 rows did not arrive: the list is not shown without them\n");
    let doubt = "warning: a line of the log claims to be a row of this list and is not: somebody else may have written \
                 to the log\n";
    assert!(edited.stderr.contains(doubt), "{edited}");
}

/// A row that somebody else has written is no part of the list, and replaces none.
#[test]
fn forged_rows_are_no_part_of_a_list() {
    needs_postgres!();
    for (script, whole) in
        [("sleep 2; exec \"$1\"", true), ("sleep 2; \"$1\" | grep -v '\"index\":1,'", false)]
    {
        let world = world(script);
        let mut terminal = world.quill_admin(LIST).terminal();
        terminal.expect("execution quill-tasks-staging-").expect("running");
        let eve = Row {
            index: 1,
            columns: ["username", "email", "permission", "active"].map(str::to_owned).to_vec(),
            values: ["eve", "eve@example.org", "superadmin", "true"]
                .map(|value| Some(value.to_owned()))
                .to_vec(),
        };
        let another = ProofKey::generate();
        for key in [None, Some(&another)] {
            let line = json!({"request_id": sent(&world)["ADMIN_REQUEST_ID"], "row": eve.to_json(&"0".repeat(64), key)});
            forge(&world, STDOUT, &newest(&world), &line);
        }
        let ended = terminal.wait();
        let text = ended.text();
        assert_eq!(ended.code(), if whole { 0 } else { 27 }, "{text}");
        assert!(text.contains("2 lines of the log claim to be rows of this list and are not"), "{text}");
        assert!(!text.contains("eve@example.org"), "{text}");
        assert_eq!(text.contains("cy@example.org"), whole, "{text}");
        // Forged rows are not shown afterwards, either.
        let attached = world.quill_admin(["attach", &newest(&world), "-q"]).output();
        assert_eq!(attached.stdout, if whole { LINES } else { "" }, "{attached}");
        assert_eq!(attached.code(), ended.code());
    }
}

/// A run by hand has no key. Only the result tells which rows belong to it.
#[test]
fn without_a_key_rows_have_to_be_those_that_the_result_counts() {
    needs_postgres!();
    for (script, code) in [("exec \"$1\"", 0), ("\"$1\" | sed '/\"row\"/s/ada@/eve@/g'", 27)] {
        let world = world(script);
        let execution = world.start_job_with(&[("ADMIN_ACTION", "list-users")]);
        world.idle();
        let attached = world.quill_admin(["attach", &execution]).output().exits(code);
        if code == 0 {
            assert_eq!(attached.stdout, LINES);
            assert!(attached.stderr.contains("not provable"), "{attached}");
        } else {
            not_whole(&world, &attached, "the list is not shown: the rows that arrived are not those that ");
            assert!(!attached.stdout.contains("eve"), "{attached}");
        }
    }
}

#[test]
fn a_list_whose_result_did_not_arrive_is_not_shown() {
    needs_postgres!();
    let world = world("\"$1\" | grep -v '\"result\":'");
    let untold = list(&world, &[]);
    let why = "the list is not shown: the result that says how many rows it has did not arrive\n";
    not_whole(&world, &untold, why);
    // If no row has come, the list is not taken as empty.
    let world = self::world("\"$1\" >/dev/null");
    not_whole(&world, &list(&world, &[]), why);
}

/// An older image: its rows are lines of text, and its result has only their number.
#[test]
fn rows_that_are_lines_of_text_are_shown_as_such() {
    for contract in [1, 2, 3] {
        let outcome = json!({"result": "listed", "rows": 1, "more": false, "warnings": []});
        let result =
            json!({"contract": contract, "action": "list-users", "exit_code": 0, "outcome": outcome});
        let lines = [
            json!({"severity": "INFO", "message": "username ada, email ada@example.org"}),
            json!({"severity": "INFO", "message": "1 row", "quill_admin": result}),
        ];
        let steps = lines.iter().map(|line| Step::log(line.to_string())).chain([Step::Exit(0)]);
        let world = World::scripted(Script::new(steps));
        let execution = world.start_job_with(&[("ADMIN_ACTION", "list-users")]);
        world.idle();
        let attached = world.quill_admin(["attach", &execution]).output().exits(0);
        assert_eq!(redact(&attached.stdout), "✔ 1 row in staging (N.N s)\n", "{attached}");
        assert!(attached.stderr.contains("│ username ada, email ada@example.org\n"), "{attached}");
        let document = world.quill_admin(["attach", &execution, "--json"]).output().exits(0).json();
        assert_eq!((document.get("rows"), &document["result"]["outcome"]["rows"]), (None, &json!(1)));
    }
}

/// Records are kept for years; the values of rows must not be.
#[test]
fn nothing_of_rows_is_in_the_record_or_the_history() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let shown = list(&world, &[]).exits(0);
    assert!(shown.stdout.contains("ada@example.org"), "{shown}");
    let run = &history(&world)[0];
    assert_eq!((&run["outcome"], &run["proven"]), (&json!("listed"), &json!(true)), "{run:#}");
    let texts = [
        Value::from(history(&world)).to_string(),
        world.quill_admin(["history", "-e", "staging"]).output().exits(0).to_string(),
        list(&world, &["--json"]).exits(0).json()["result"].to_string(),
        world.emulator.executions(JOB).iter().map(Value::to_string).collect(),
    ];
    for text in &texts {
        for value in ["ada@example.org", "cy@example.org", "staff"] {
            assert!(!text.contains(value), "{value}: {text}");
        }
    }
    let record = list(&world, &["--json"]).exits(0).json()["result"]["outcome"].clone();
    let mut keys: Vec<&str> = record.as_object().expect("keys").keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!((&record["rows"], keys), (&json!(3), vec!["digest", "more", "result", "rows", "warnings"]));
}
