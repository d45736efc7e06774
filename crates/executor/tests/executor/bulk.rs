//! Many rows in one execution: each a transaction of its own with a result of its own, all of them together where
//! that is asked for, and none twice, whatever ends the container.

use std::collections::BTreeMap;
use std::time::Duration;

use quill_admin_contract::{Bulk, Claim, ExitCode, Outcome, ProofKey, Saving, Signature};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

use crate::run::{Ended, Executor, HASH};

/// Number of times that the executor is killed, unless `QUILL_ADMIN_TEST_CASES` says less.
const KILLS: usize = 50;

fn row(number: u64, username: &str) -> Value {
    let values = json!({
        "username": username, "email": format!("{username}@example.org"), "permission": "staff", "password_hash": HASH,
    });
    json!({ "row": number, "values": values })
}

fn rows(rows: &[Value]) -> String {
    rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

fn each(db: &Database, action: &str, variables: &[String]) -> Executor {
    let executor = Executor::on(db, action).set("ADMIN_CONTRACT", "4");
    (1..)
        .zip(variables)
        .fold(executor, |executor, (place, text)| executor.set(&format!("ADMIN_ROWS_{place}"), text))
}

/// The results that an executor has printed: one of each row, and one of all rows.
struct Printed {
    rows: BTreeMap<u64, Claim>,
    saving: BTreeMap<u64, i64>,
    whole: Option<Claim>,
}

fn told(text: &str, key: &ProofKey) -> Printed {
    let (mut rows, mut saving, mut whole) = (BTreeMap::new(), BTreeMap::new(), None);
    // The last line of one that was killed may have been cut off.
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if let Some(one) = Saving::from_payload(&line, key) {
            saving.insert(one.row, one.transaction);
        }
        let Some(claim) = Claim::from_payload(&line, Some(key)) else { continue };
        assert!(claim.proven, "{line}");
        match claim.line.row_number {
            Some(number) => assert!(rows.insert(number, claim).is_none(), "told twice: {line}"),
            None => whole = Some(claim),
        }
    }
    Printed { rows, saving, whole }
}

/// Runs it with a key, and checks that no hash was printed.
fn run(executor: &Executor) -> (Ended, Printed) {
    let key = ProofKey::generate();
    let ended = executor.clone().set("ADMIN_PROOF_KEY", key.to_hex().expose()).run();
    assert!(!ended.text.contains(HASH), "{}", ended.text);
    let told = told(&ended.text, &key);
    (ended, told)
}

impl Printed {
    #[track_caller]
    fn counts(&self) -> (u64, u64, u64) {
        match &self.whole.as_ref().expect("a result").line.outcome {
            Outcome::Each { rows, done, failed, digest } => {
                let texts = self.rows.values().map(|claim| claim.text.as_deref().expect("proven"));
                assert_eq!(Bulk::digest(texts), *digest, "the digest is that of the results");
                (*rows, *done, *failed)
            }
            other => panic!("{other:?}"),
        }
    }

    fn codes(&self) -> Vec<(u64, &str, u8)> {
        let told = |(number, claim): (&u64, &'_ Claim)| (*number, claim.line.exit_code);
        let named = self.rows.iter().map(|one| (told(one), one.1.line.outcome.name()));
        named.map(|((number, code), name)| (number, name, code)).collect()
    }
}

fn users(db: &Database) -> Vec<String> {
    let users = db.value("SELECT string_agg(username, ' ' ORDER BY username) FROM users").unwrap_or_default();
    users.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn each_row_is_done_or_fails_by_itself() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    // Two variables hold the rows.
    let variables = [rows(&[row(1, "ada"), row(2, "ada")]), rows(&[row(5, "bo")])];
    let (ended, told) = run(&each(&db, "create-user", &variables));
    assert_eq!(ended.code, Some(i32::from(ExitCode::RowsFailed.code())), "{}", ended.text);
    assert_eq!(told.codes(), [(1, "created", 0), (2, "failed", 12), (5, "created", 0)]);
    assert_eq!((told.counts(), users(&db)), ((3, 2, 1), vec!["ada".to_owned(), "bo".to_owned()]));
    // Each names its user, and how it is undone.
    let one = &told.rows[&5].line;
    assert_eq!((one.username.as_deref(), one.undo.is_some()), (Some("bo"), true));
    assert_eq!(told.rows[&1].signature, Signature::None);
    // All went well: 0.
    let (ended, told) =
        run(&each(&db, "deactivate", &[rows(&[json!({"row": 1, "values": {"username": "ada"}})])]));
    assert_eq!((ended.code, told.counts()), (Some(0), (1, 1, 0)), "{}", ended.text);
}

#[test]
fn no_further_row_is_begun_after_too_many_failures() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let all: Vec<Value> =
        (1..=6).map(|number| row(number, if number % 2 == 0 { "twice" } else { "once" })).collect();
    let (ended, told) = run(&each(&db, "create-user", &[rows(&all)]).set("ADMIN_MAX_ERRORS", "1"));
    assert_eq!((ended.code, told.counts()), (Some(32), (6, 2, 2)), "{}", ended.text);
    assert!(ended.text.contains("2 of 6 rows done, 2 failed, 2 were not begun"), "{}", ended.text);
}

#[test]
fn together_all_rows_are_done_or_none() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let together = |all: &[Value]| each(&db, "create-user", &[rows(all)]).set("ADMIN_ATOMIC", "true");
    let (ended, told) = run(&together(&[row(1, "ada"), row(2, "bo"), row(3, "ada"), row(4, "bo")]));
    // All failures are told, and no row that was rolled back.
    assert_eq!(told.codes(), [(3, "failed", 12), (4, "failed", 12)], "{}", ended.text);
    assert_eq!((ended.code, told.counts(), users(&db).len()), (Some(32), (4, 0, 2), 0), "{}", ended.text);
    let (ended, told) = run(&together(&[row(1, "ada"), row(2, "bo")]));
    assert_eq!((ended.code, told.counts(), users(&db).len()), (Some(0), (2, 2, 0), 2), "{}", ended.text);
    let transactions: Vec<_> = told.saving.values().collect();
    assert!(transactions.len() == 2 && transactions[0] == transactions[1], "{transactions:?}");
}

#[test]
fn a_preview_tells_what_the_rows_then_do() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    // The third row is about the user of the first.
    let level =
        |number: u64, level: &str| json!({"row": number, "values": {"username": "ada", "permission": level}});
    let (ended, _) = run(&each(&db, "create-user", &[rows(&[row(1, "ada")])]));
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let all = [
        level(1, "admin"),
        json!({"row": 2, "values": {"username": "nobody", "permission": "staff"}}),
        level(3, "staff"),
    ];
    let before = db.contents();
    let (ended, told) = run(&each(&db, "update-permissions", &[rows(&all)]).set("ADMIN_MODE", "preview"));
    assert_eq!(db.contents(), before);
    assert_eq!(told.codes(), [(1, "previewed", 0), (2, "failed", 10), (3, "previewed", 0)], "{}", ended.text);
    assert_eq!(
        (ended.code, told.whole.as_ref().and_then(|it| it.line.mode.clone())),
        (Some(32), Some("preview".into()))
    );
    let plan = |number: u64| match &told.rows[&number].line.outcome {
        Outcome::Previewed { plan, .. } => plan.clone(),
        other => panic!("{other:?}"),
    };
    let expecting = |row: &Value, plan: String| {
        let mut row = row.clone();
        row["expect"] = json!(plan);
        row
    };
    // Row by row, each finds what the rows before it have left.
    let expected = [expecting(&all[0], plan(1)), expecting(&all[2], plan(3))];
    let (ended, told) = run(&each(&db, "update-permissions", &[rows(&expected)]));
    assert_eq!(told.codes(), [(1, "updated", 0), (3, "updated", 0)], "{}", ended.text);
    // A second time nothing is as it was previewed but for the first, which finds the level of the last.
    db.execute("UPDATE users SET base_profession = 'nurse'");
    let (ended, told) = run(&each(&db, "update-permissions", &[rows(&expected)]));
    assert_eq!(told.codes(), [(1, "failed", 19), (3, "failed", 19)], "{}", ended.text);
}

/// The database is asked what became of a transaction that an earlier execution has begun.
#[test]
fn a_row_that_was_begun_before_is_run_only_if_it_was_not_saved() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let (_, first) = run(&each(&db, "create-user", &[rows(&[row(1, "ada")])]));
    let saved = first.saving[&1];
    let rolled_back = db.value("SELECT txid_current()::text").expect("a number");
    let began = |number: u64, name: &str, transaction: &Value| {
        let mut row = row(number, name);
        row["began"] = transaction.clone();
        row
    };
    let all = [
        began(1, "ada", &json!(saved)),
        // The server has not come to this number.
        began(2, "bo", &json!(i64::MAX / 2)),
        row(3, "cy"),
    ];
    // A preview asks as well.
    for (mode, outcome) in [("preview", "previewed"), ("", "created")] {
        let executor = each(&db, "create-user", &[rows(&all)]);
        let (ended, told) = run(&if mode.is_empty() { executor } else { executor.set("ADMIN_MODE", mode) });
        assert_eq!(told.codes(), [(1, "done_before", 0), (2, outcome, 0), (3, outcome, 0)], "{}", ended.text);
    }
    assert!(rolled_back.parse::<i64>().is_ok_and(|number| number > saved));
    // Rows that are one transaction were saved together.
    let together = [row(1, "dora"), began(2, "ada", &json!(saved))];
    let (ended, told) = run(&each(&db, "create-user", &[rows(&together)]).set("ADMIN_ATOMIC", "true"));
    assert_eq!(told.codes(), [(1, "done_before", 0), (2, "done_before", 0)], "{}", ended.text);
    assert!(!users(&db).contains(&"dora".to_owned()));
}

/// A transaction that is still open may yet be committed.
#[tokio::test]
async fn a_row_whose_transaction_is_not_over_is_not_run_again() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let other = db.connect().await;
    other.batch_execute("BEGIN").await.expect("begun");
    let open: i64 = other.query_one("SELECT txid_current()", &[]).await.expect("a row").get(0);
    let mut begun = row(1, "ada");
    begun["began"] = json!(open);
    let (ended, told) = run(&each(&db, "create-user", &[rows(&[begun, row(2, "bo")])]));
    assert_eq!(told.codes(), [(1, "failed", 13)], "{}", ended.text);
    let Outcome::Failed { failure } = &told.rows[&1].line.outcome else { panic!("{}", ended.text) };
    assert!(failure.undecided && failure.message.contains("it was not run again"), "{failure:?}");
    assert_eq!(users(&db), [""; 0]);
}

/// One row that a rule of the database refuses stops no other one.
#[test]
fn a_rule_of_the_database_fails_one_row() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute("ALTER TABLE users ADD CONSTRAINT no_bo CHECK (username <> 'bo')");
    let all = [row(1, "ada"), row(2, "bo"), row(3, "cy")];
    let preview = each(&db, "create-user", &[rows(&all)]).set("ADMIN_MODE", "preview");
    let (ended, told) = run(&preview);
    assert_eq!(told.codes(), [(1, "previewed", 0), (2, "failed", 15), (3, "previewed", 0)], "{}", ended.text);
    let (ended, told) = run(&each(&db, "create-user", &[rows(&all)]));
    assert_eq!(told.codes(), [(1, "created", 0), (2, "failed", 15), (3, "created", 0)], "{}", ended.text);
}

#[test]
fn what_is_read_is_in_no_record() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let _ = run(&each(&db, "create-user", &[rows(&[row(1, "ada")])]));
    let (ended, told) =
        run(&each(&db, "show-user", &[rows(&[json!({"row": 4, "values": {"username": "ada"}})])]));
    assert_eq!(told.codes(), [(4, "found", 0)], "{}", ended.text);
    for line in ended.lines() {
        let is_record = line["quill_admin"]["outcome"]["result"].is_string();
        assert_eq!(is_record, line["quill_admin"]["outcome"]["result"] == "each", "{line}");
    }
}

#[test]
fn rows_that_are_not_meant_so_are_refused_before_anything_is_done() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let refused = |executor: Executor, what: &str| {
        let ended = executor.run();
        assert_eq!(ended.code, Some(2), "{}", ended.text);
        assert!(ended.text.contains(what), "{what}: {}", ended.text);
        assert!(!ended.text.contains("planted"), "{}", ended.text);
    };
    let create = |text: &str| each(&db, "create-user", &[text.to_owned()]);
    refused(create("planted"), "ADMIN_ROWS_1: the line 1 must be a row");
    let mut unknown = row(1, "ada");
    unknown["values"]["colour"] = json!("planted");
    refused(create(&rows(&[unknown])), "no other values than its parameters");
    let mut plain = row(1, "ada");
    plain["values"]["password"] = json!("planted horse battery");
    plain["values"].as_object_mut().expect("an object").remove("password_hash");
    refused(create(&rows(&[plain])), "without a password in plain text");
    let mut bad = row(3, "ada");
    bad["values"]["email"] = json!("planted");
    bad["values"]["permission"] = json!(" ");
    refused(create(&rows(&[bad])), "row 3: ADMIN_EMAIL: ");
    refused(create(&rows(&[row(2, "ada"), row(2, "bo")])), "a higher number than the row before");
    refused(create(&rows(&[row(1, "ada")])).set("ADMIN_ROWS_3", "x"), "ADMIN_ROWS_2 is missing");
    refused(
        create(&rows(&[row(1, "ada")])).set("ADMIN_USERNAME", "bo"),
        "give ADMIN_ROWS_1 or ADMIN_USERNAME, not both",
    );
    refused(
        create(&rows(&[row(1, "ada")])).set("ADMIN_CONTRACT", "3"),
        "ADMIN_ROWS_1 is for contract version 4",
    );
    refused(create(&rows(&[row(1, "ada")])).set("ADMIN_ATOMIC", "perhaps"), "ADMIN_ATOMIC: ");
    let list = [json!({"row": 1, "values": {}}).to_string()];
    refused(each(&db, "list-users", &list), "the action makes a list");
    refused(each(&db, "check", &list), "the action takes no values");
    assert_eq!(users(&db), [""; 0]);
}

/// The laptop goes on with what it knows: rows whose result came are not sent again, and one that was about to be
/// saved is sent with its transaction.
#[test]
fn whatever_ends_the_container_every_row_is_done_once() {
    needs_postgres!();
    let kills =
        std::env::var("QUILL_ADMIN_TEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut before_commit, mut after_commit) = (0, 0);
    for kill in 0..kills.min(KILLS) {
        let db = Database::create(Generation::August2026);
        let names: Vec<String> = (1..=12).map(|number| format!("user{number}")).collect();
        let key = ProofKey::generate();
        let mut done: BTreeMap<u64, String> = BTreeMap::new();
        let mut began: BTreeMap<u64, i64> = BTreeMap::new();
        for attempt in 0.. {
            assert!(attempt < 5, "it comes to an end");
            let left: Vec<Value> = (1..)
                .zip(&names)
                .filter(|(number, _)| !done.contains_key(number))
                .map(|(number, name)| {
                    let mut row = row(number, name);
                    if let Some(transaction) = began.get(&number) {
                        row["began"] = json!(transaction);
                    }
                    row
                })
                .collect();
            if left.is_empty() {
                break;
            }
            let executor =
                each(&db, "create-user", &[rows(&left)]).set("ADMIN_PROOF_KEY", key.to_hex().expose());
            let mut running = executor.start();
            let text = if attempt == 0 {
                // Somewhere between the first row and the last, often between a row's word and its result.
                running.until(&format!("saving row {}", random.u64(1..=12)));
                if random.bool() {
                    std::thread::sleep(Duration::from_micros(random.u64(0..3000)));
                }
                let _ = running.child.kill();
                running.output()
            } else {
                running.output()
            };
            let told = told(&text, &key);
            for (number, claim) in &told.rows {
                assert_eq!(claim.line.exit_code, 0, "kill {kill}: {text}");
                done.insert(*number, claim.line.outcome.name().to_owned());
                let was = began.remove(number).is_some();
                after_commit += u32::from(was && claim.line.outcome == Outcome::DoneBefore);
                before_commit += u32::from(was && claim.line.outcome != Outcome::DoneBefore);
            }
            began.extend(told.saving.iter().filter(|(number, _)| !done.contains_key(number)));
        }
        let mut there = users(&db);
        there.sort_by_key(|name| name.trim_start_matches("user").parse::<u32>().expect("a number"));
        assert_eq!(there, names, "kill {kill}");
        assert_eq!(done.len(), names.len());
    }
    println!("{kills} kills; rows begun and found not saved: {before_commit}, found saved: {after_commit}");
}
