//! The present behaviour of the six actions of the test kit's seeded cases, pinned at the CLI's interface: the
//! command line, the emulated cloud, the executor, the rows. The executor's own tests pin many more cases.
//!
//! `QUILL_ADMIN_TEST_REWRITE_CASES=1 cargo test --release --workspace --test e2e -- pinned::` writes
//! `pinned.jsonl` anew.

use quill_admin_e2e::{World, redact};
use quill_admin_testkit::cases::{Case, Golden, Observation, changed, rows};
use quill_admin_testkit::home::{Output, Run};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

/// The seeds, which are not those of the executor's tests; every second case is on the newer tables.
const SEEDS: std::ops::Range<u64> = 1000..1032;

const PASSWORD: &str = "correct horse battery staple 7";

/// The function that runs a case against a world whose database has been prepared for it.
type Runner = fn(&World, &Case, json: bool) -> Output;

/// The present command line.
fn quill_admin(world: &World, case: &Case, json: bool) -> Output {
    let value = |name: &str| case.task.get(name).map(String::as_str);
    let mut args = vec![case.task["ADMIN_ACTION"].as_str(), "--env", "staging"];
    let given = [
        ("--username", value("ADMIN_USERNAME")),
        ("--email", value("ADMIN_EMAIL")),
        ("--permission", value("ADMIN_PERMISSION")),
        ("--role", value("ADMIN_ROLE")),
        ("--reason", value("ADMIN_REASON")),
        ("--password-stdin", case.task.contains_key("ADMIN_EMAIL").then_some("")),
        ("--json", json.then_some("")),
    ];
    for (flag, value) in given {
        args.extend(value.map(|_| flag));
        args.extend(value.filter(|value| {
            !value.is_empty() || ["--username", "--email", "--permission", "--role"].contains(&flag)
        }));
    }
    let run: Run = world.quill_admin(args);
    run.stdin(PASSWORD).output()
}

/// Runs the case with output for people, and again, on the same rows, with output for programs.
fn observe(world: &World, case: &Case, run: Runner) -> Observation {
    case.prepare(world.database());
    let shown = run(world, case, false);
    let told = {
        case.prepare(world.database());
        let before = rows(world.database());
        let output = run(world, case, true);
        (output, changed(&before, &rows(world.database())))
    };
    let (output, rows) = told;
    assert_eq!(shown.code(), output.code(), "the same for people and programs: {shown}{output}");
    let document = output.json();
    let mut record = match document.get("result") {
        Some(line) => ["exit_code", "action", "username", "actor", "reason", "outcome"]
            .into_iter()
            .map(|key| (key.to_owned(), line[key].clone()))
            .collect(),
        None => json!({"error": document["error"]}),
    };
    if let Some(database) = record.pointer_mut("/outcome/database") {
        for volatile in ["server_version", "database", "user"] {
            database[volatile] = Value::Null;
        }
    }
    // Progress messages differ from machine to machine; the last message does not.
    let error = shown.stderr.find("error: ").map_or("", |at| &shown.stderr[at..]);
    let message = redact(&format!("{}{error}", shown.stdout));
    Observation::new(case, Some(output.code()), &message, &record, rows)
}

#[test]
fn the_tasks_do_what_they_did() {
    needs_postgres!();
    let worlds =
        Generation::ALL.map(|generation| (generation, World::with_database(Database::create(generation))));
    let mut seen = Vec::new();
    for (seed, (generation, world)) in SEEDS.zip(worlds.iter().cycle()) {
        seen.push(observe(world, &Case::of(seed, *generation), quill_admin));
    }
    Golden::at(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/pinned.jsonl")).compare(&seen);
}
