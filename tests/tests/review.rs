//! `review`: what it marks, what it could not look at, where it begins, and its own record.

use cloud_emulator::{AuditedStarts, Emulator, PrivateLogs, Script, Step};
use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::{Digest, canonical};
use quill_admin_contract::{RecordKey, Signed};
use quill_admin_e2e::{Finished as _, PROJECT, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use serde_json::{Value, json};

use crate::believed::{STDOUT, forge, newest};
use crate::signed::{self, PROMOTE, verifies_with};

const JOB_ID: &str = "quill-tasks-staging";

fn id(end: &str) -> String {
    format!("{JOB_ID}-{end}")
}

/// A world whose settings have the public half of a key, and whose containers print nothing.
fn world() -> (World, RecordKey) {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    let key = RecordKey::generate();
    verifies_with(&world, &[&key]);
    (world, key)
}

/// Adds a key to the settings of staging.
fn set(world: &World, key: &str) {
    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &file.replace("staging: {", &format!("staging: {{ {key},")));
}

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

/// Puts an entry of the job into the log.
fn put(world: &World, log: &str, labels: &Value, time: Timestamp, payload: (&str, &Value)) {
    let entry = json!({
        "logName": format!("projects/{PROJECT}/logs/{log}"),
        "resource": {"type": "cloud_run_job", "labels": {
            "job_name": JOB_ID, "location": "europe-west2", "project_id": PROJECT,
        }},
        "labels": labels,
        "timestamp": time,
        payload.0: payload.1,
    });
    world.emulator.put_log_entry(entry).expect("a valid entry");
}

/// Puts a record that was signed so many hours ago, of a run whose execution Cloud Run has forgotten.
fn record(world: &World, key: &RecordKey, end: &str, hours: i64, line: &Value) {
    let execution = id(end);
    let mut line = line.clone();
    line["execution"] = json!(execution);
    let result = line.to_string();
    let signature = key.sign(&Signed { job: JOB_ID, execution: &execution, result: &result });
    line["result"] = json!(result);
    line["signature"] = json!(signature);
    let labels = json!({"run.googleapis.com/execution_name": execution});
    let payload = json!({"message": "done", "quill_admin": line});
    put(world, STDOUT, &labels, ago(hours), ("jsonPayload", &payload));
}

/// An entry of the audit log about a start, which names the execution or not.
fn started(world: &World, execution: Option<&str>, hours: i64, account: &str) {
    let mut entry = json!({
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "run.googleapis.com",
        "methodName": "google.cloud.run.v2.Jobs.RunJob",
        "authenticationInfo": {"principalEmail": account},
    });
    if let Some(execution) = execution {
        let name = format!("projects/{PROJECT}/locations/europe-west2/jobs/{JOB_ID}/executions/{execution}");
        entry["response"] = json!({"metadata": {"name": name}});
    }
    put(world, "cloudaudit.googleapis.com%2Fdata_access", &json!({}), ago(hours), ("protoPayload", &entry));
}

/// Shows that the audit log has been on for long.
fn audited(world: &World) {
    started(world, Some(&id("zzzzz")), 26 * 24, "old@example.org");
}

fn line(actor: &str, outcome: &Value) -> Value {
    let exit_code = if outcome["result"] == "failed" { 10 } else { 0 };
    json!({
        "contract": 4, "action": "update-permissions", "username": "steve", "actor": actor, "exit_code": exit_code,
        "outcome": outcome,
    })
}

fn level(old: &str, new: &str) -> Value {
    json!({
        "result": "updated", "warnings": [],
        "subject": {"kind": "user", "key": "steve", "fields": {"email": "s@example.org", "permission": new}},
        "changes": [{"what": "field", "field": "permission", "old": old, "new": new}],
    })
}

fn review(world: &World, args: &[&str]) -> Output {
    world.quill_admin(["review", "-e", "staging"].into_iter().chain(args.iter().copied())).output()
}

/// The document of a review that ends with this code.
fn told(world: &World, args: &[&str], code: i32) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    review(world, &args).exits(code).json()
}

/// Each run with its marks, oldest first: `aaaaa privileged_given`.
fn marks(told: &Value) -> Vec<String> {
    let runs = told["runs"].as_array().expect("a list").iter().rev();
    runs.map(|run| {
        let end = run["execution"].as_str().expect("an id").rsplit('-').next().unwrap_or_default();
        let marks = run["marks"].as_array().expect("a list").iter();
        let codes: Vec<&str> = marks.map(|mark| mark["code"].as_str().expect("a code")).collect();
        format!("{end} {}", codes.join(" ")).trim_end().to_owned()
    })
    .collect()
}

fn codes(told: &Value) -> Vec<&str> {
    let gaps = told["not_seen"].as_array().expect("a list").iter();
    gaps.map(|gap| gap["code"].as_str().expect("a code")).collect()
}

#[test]
fn what_deserves_a_look_is_marked_and_nothing_else_is() {
    let (world, key) = world();
    let days = 24;
    record(&world, &key, "aaaaa", 20 * days, &line("ann", &level("patient", "staff")));
    record(&world, &key, "bbbbb", 19 * days, &line("ann", &level("staff", "superadmin")));
    record(&world, &key, "ccccc", 18 * days, &line("steve@other.org", &level("staff", "admin")));
    let mut undo = line("ann", &level("superadmin", "staff"));
    undo["undoes"] = json!(id("bbbbb"));
    record(&world, &key, "ddddd", 17 * days, &undo);
    let failed = json!({"result": "failed", "failure": {"message": "there is no user steve"}});
    record(&world, &key, "eeeee", 16 * days, &line("ann", &failed));
    record(&world, &key, "fffff", 15 * days, &line("ann", &json!({"result": "rotated", "keys": 3})));
    // What anybody can write into the log.
    record(&world, &RecordKey::generate(), "ggggg", 14 * days, &line("ann", &level("patient", "staff")));
    // Cloud Run keeps executions of that time.
    record(&world, &key, "hhhhh", 2, &line("ann", &level("patient", "staff")));
    let told = told(&world, &["--since", "25d"], 30);
    assert_eq!(
        marks(&told),
        [
            "aaaaa",
            "bbbbb privileged_given",
            "ccccc own_rights_raised",
            "ddddd undo",
            "eeeee failed",
            "fffff not_understood",
            "ggggg not_signed",
            "hhhhh no_start",
        ],
        "{told:#}"
    );
    assert_eq!((&told["marked"], &told["complete"]), (&json!(7), &json!(false)));
    assert_eq!(codes(&told), ["executions_forgotten", "no_audit_log"]);
    assert_eq!((&told["recorded"], &told["last_review"]), (&Value::Null, &Value::Null));
    // The digest is over the runs as they are told here.
    assert_eq!(told["sha256"], Digest::of(canonical(&told["runs"]).as_bytes()).as_str());
    let shown = review(&world, &["--since", "25d", "--look"]).exits(30);
    for part in [
        "review of staging: 8 runs, 7 marked",
        "- given to steve: permission level superadmin",
        "- own rights raised: permission level admin",
        "- no public key of the environment verifies the signature of its record",
        "updated, not proven",
        "not seen: Cloud Run has forgotten the executions from before",
        "not seen: no entry of the audit log was found",
        "out of hours is not judged: the key working_hours of environments.yaml names no hours",
    ] {
        assert!(shown.stdout.contains(part), "{part}: {shown}");
    }
    assert!(!shown.to_string().contains("not recorded"), "nobody wanted that: {shown}");
    // Nothing was run by any of that.
    assert_eq!(world.runs(), 0);
}

#[test]
fn hours_are_those_of_the_environment() {
    let (world, key) = world();
    record(&world, &key, "aaaaa", 20 * 24, &line("ann", &level("patient", "staff")));
    set(&world, "working_hours: \"mon-sun 00:00-24:00 Europe/London\"");
    assert_eq!(marks(&told(&world, &["--since", "25d"], 31)), ["aaaaa"]);
    let whole = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &whole.replace("00:00-24:00", "00:00-00:01"));
    assert_eq!(marks(&told(&world, &["--since", "25d"], 30)), ["aaaaa out_of_hours"]);
    world.home.write("environments.yaml", &whole.replace("Europe/London", "Europe/Londn"));
    let refused = review(&world, &["--look"]).exits(2);
    assert!(refused.stderr.contains("key \"working_hours\": \"Europe/Londn\" is no time zone"), "{refused}");
}

/// The audit log tells who it was, and of a run that left nothing else. What it does not tell is not made up.
#[test]
fn the_audit_log_is_read_where_there_is_one() {
    let (world, key) = world();
    record(&world, &key, "aaaaa", 20 * 24, &line("ann", &level("staff", "admin")));
    record(&world, &key, "bbbbb", 10 * 24, &line("ann", &level("patient", "staff")));
    let reviewed = || told(&world, &["--since", "25d"], 31);
    assert_eq!(marks(&reviewed()), ["aaaaa", "bbbbb"], "nobody knows what was started then");
    audited(&world);
    started(&world, Some(&id("aaaaa")), 20 * 24, "steve@example.org");
    started(&world, Some(&id("ccccc")), 15 * 24, "mallory@example.org");
    let audited = told(&world, &["--since", "25d"], 30);
    assert_eq!(
        marks(&audited),
        ["aaaaa own_rights_raised", "ccccc no_record", "bbbbb no_start"],
        "{audited:#}"
    );
    assert_eq!(codes(&audited), [""; 0], "the audit log reaches back to the beginning");
    assert_eq!(audited["runs"][2]["account"], "steve@example.org");
    assert_eq!(
        (&audited["runs"][1]["account"], &audited["runs"][1]["outcome"]),
        (&json!("mallory@example.org"), &json!("unknown"))
    );
    // An entry that does not say which execution it was may be about this one.
    started(&world, None, 10 * 24, "ann@example.org");
    assert_eq!(
        marks(&told(&world, &["--since", "25d"], 30)),
        ["aaaaa own_rights_raised", "ccccc no_record", "bbbbb"]
    );
}

/// Nothing is left of a run but what nobody can write and few can delete. Where that cannot be read, this is said.
#[test]
fn a_run_of_which_everything_was_deleted_is_in_the_audit_log() {
    let policy =
        json!({"auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_WRITE"}]}]});
    for answer in [PrivateLogs::LeftOut, PrivateLogs::Denied] {
        let world =
            World::scripted_in(Emulator::builder().private_logs(answer), Script::new([Step::Exit(0)]));
        verifies_with(&world, &[&RecordKey::generate()]);
        audited(&world);
        world.emulator.put_iam_policy(PROJECT, policy.clone()).expect("a policy");
        let execution = world.start_job();
        world.idle();
        signed::forget(&world, &execution);
        world.emulator.set_clock_ahead(SignedDuration::from_mins(6));
        let found = told(&world, &["--since", "1h"], 30);
        let end = execution.rsplit('-').next().expect("an end");
        assert_eq!(
            (marks(&found), codes(&found)),
            (vec![format!("{end} no_record")], Vec::new()),
            "{found:#}"
        );
        assert_eq!(found["runs"][0]["account"], "emulator@localhost");
        world.emulator.deny_permissions(["logging.privateLogEntries.list"]);
        let unseen = told(&world, &["--since", "1h"], 31);
        assert_eq!((marks(&unseen), codes(&unseen)), (Vec::new(), vec!["no_audit_log"]), "{unseen:#}");
        let shown = review(&world, &["--since", "1h"]).exits(31);
        assert!(
            shown.stdout.contains("no run was found in what could be looked at, which is not all"),
            "{shown}"
        );
    }
    // An entry that names no execution cannot be compared.
    let world = World::scripted_in(
        Emulator::builder().audited_starts(AuditedStarts::Unnamed),
        Script::new([Step::Exit(0)]),
    );
    world.emulator.put_iam_policy(PROJECT, policy).expect("a policy");
    signed::forget(&world, &world.start_job());
    world.emulator.set_clock_ahead(SignedDuration::from_mins(6));
    assert_eq!(marks(&told(&world, &["--since", "1h"], 31)), [""; 0]);
}

/// Cloud Logging may still take in the record of a run that has just ended.
#[test]
fn a_run_without_a_record_is_marked_when_its_record_would_be_there() {
    let (world, _) = world();
    audited(&world);
    let execution = world.start_job();
    world.idle();
    let now = told(&world, &["--since", "1h"], 0);
    assert_eq!((marks(&now), &now["left"]), (Vec::new(), &json!(1)), "{now:#}");
    world.emulator.set_clock_ahead(SignedDuration::from_mins(6));
    let later = told(&world, &["--since", "1h"], 30);
    let end = execution.rsplit('-').next().expect("an end");
    assert_eq!((marks(&later), &later["left"]), (vec![format!("{end} no_record")], &json!(0)), "{later:#}");
    // Where a log cannot be read, nobody can say that a record is missing.
    set(&world, "audit: { bucket: quill-admin-records, location: europe-west2 }");
    let unread = told(&world, &["--since", "1h"], 31);
    assert_eq!((marks(&unread), codes(&unread)), (vec![end.to_owned()], vec!["log_unread"]), "{unread:#}");
    let shown = review(&world, &["--since", "1h"]).exits(31);
    assert!(shown.stdout.contains("? not seen: the records in projects/"), "{shown}");
    assert!(!shown.stdout.contains("nothing was run"), "{shown}");
    world.emulator.deny_permissions(["logging.logEntries.list", "logging.views.access"]);
    let refused = review(&world, &["--since", "1h"]).exits(21);
    assert!(refused.stdout.is_empty(), "{refused}");
}

#[test]
fn a_table_has_the_marks_and_no_formula() {
    let (world, key) = world();
    let mut planted = line("=cmd|' /C calc'!A0", &level("staff", "superadmin"));
    planted["reason"] = json!("@SUM(1)\nsecond line\u{202e}");
    record(&world, &key, "aaaaa", 20 * 24, &planted);
    let table = review(&world, &["--since", "25d", "--csv"]).exits(30);
    let lines: Vec<&str> = table.stdout.split("\r\n").collect();
    assert_eq!(lines.len(), 3, "{table}");
    assert!(lines[0].ends_with(",image,row_number,proven,marks,why"), "{table}");
    assert!(
        lines[1].ends_with(",true,privileged_given,given to steve: permission level superadmin"),
        "{table}"
    );
    for part in [",'=cmd|' /C calc'!A0,", ",'@SUM(1)\\nsecond line\\u{202e},"] {
        assert!(lines[1].contains(part), "{part}: {table}");
    }
    assert!(table.stderr.contains("not seen: Cloud Run has forgotten"), "{table}");
    let refused = review(&world, &["--csv", "--json"]).exits(2);
    assert!(refused.stdout.contains("cannot be used with"), "{refused}");
}

/// A review that is recorded is where the next one begins, and is itself in it.
#[test]
fn the_next_review_begins_where_the_last_one_ended() {
    needs_postgres!();
    let (world, _) = signed::world();
    audited(&world);
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let first = told(&world, &["--since", "1h", "--record", "--reason", "monday"], 0);
    assert_eq!((marks(&first).len(), &first["complete"]), (1, &json!(true)), "{first:#}");
    let execution = newest(&world);
    assert_eq!(first["recorded"], execution.as_str());
    // The record: what history shows, signed.
    let run = signed::run(&world, &execution);
    assert_eq!(
        (&run["action"], &run["outcome"], &run["record"]),
        (&json!("review"), &json!("reviewed"), &json!("signed"))
    );
    assert_eq!(
        (&run["recorded"]["until"], &run["recorded"]["sha256"]),
        (&first["until"], &first["sha256"]),
        "{run:#}"
    );
    assert_eq!(
        (&run["recorded"]["runs"], &run["recorded"]["marked"], &run["reason"]),
        (&json!(1), &json!(0), &json!("monday"))
    );

    let second = told(&world, &["--look"], 0);
    assert_eq!(
        (&second["last_review"]["execution"], &second["from"]),
        (&json!(execution), &first["until"]),
        "{second:#}"
    );
    let ends: Vec<&str> = execution.rsplit('-').take(1).collect();
    assert_eq!(marks(&second), ends, "the review is all that was run since");
    let _ = world
        .quill_admin(["update-permissions", "-e", "staging", "-u", "steve", "-p", "superadmin"])
        .output()
        .exits(0);
    let third = told(&world, &["--look"], 30);
    assert!(marks(&third)[1].ends_with(" privileged_given"), "{third:#}");

    // Its execution is forgotten; the record is proven all the same, and a copy of it elsewhere is not.
    let record = signed::record(&world, &execution);
    signed::forget(&world, &execution);
    assert_eq!(told(&world, &["--look"], 30)["from"], first["until"]);
    let mut forged = record.clone();
    let late = Timestamp::now().to_string();
    let until = first["until"].as_str().expect("a time");
    forged["result"] = json!(record["result"].as_str().expect("a text").replace(until, &late));
    forged["recorded"]["until"] = json!(late);
    forge(&world, STDOUT, &id("forgd"), &forged);
    let mut plain = forged.clone();
    plain
        .as_object_mut()
        .expect("an object")
        .retain(|key, _| !["result", "signature", "proof"].contains(&key.as_str()));
    forge(&world, STDOUT, &id("plain"), &plain);
    let believed = told(&world, &["--look"], 30);
    assert_eq!(
        (&believed["from"], &believed["reviews_not_proven"]),
        (&first["until"], &json!(2)),
        "{believed:#}"
    );
    let shown = review(&world, &["--look"]).exits(30);
    assert!(shown.stdout.contains("nothing proves, are not believed: 2"), "{shown}");

    // One that begins earlier overlaps. What was forged has come in since, and is marked in the next.
    let _ = told(&world, &["--since", "2026-01-01T00:00:00Z", "--record"], 30);
    let whole = review(&world, &["--look", "--json"]).json();
    assert_ne!(whole["from"], first["until"], "all of it was reviewed");
}

#[test]
fn a_review_that_has_missed_something_says_so_in_its_record() {
    needs_postgres!();
    let (world, _) = signed::world();
    audited(&world);
    let _ = world.quill_admin(PROMOTE).output().exits(0);
    let file = world.home.read("environments.yaml");
    set(&world, "audit: { bucket: quill-admin-records, location: europe-west2 }");
    let recorded = review(&world, &["--since", "1h", "--record"]).exits(31);
    assert!(recorded.stdout.contains("the next review looks at this period again"), "{recorded}");
    let run = signed::run(&world, &newest(&world));
    assert_eq!(run["recorded"]["not_seen"], json!(["log_unread"]), "{run:#}");
    world.home.write("environments.yaml", &file);
    let next = told(&world, &["--look"], 30);
    assert_eq!((&next["last_review"], &next["reviews_passed_over"]), (&Value::Null, &json!(1)), "{next:#}");
    assert_eq!(
        marks(&next).len(),
        3,
        "all of it is looked at again, and what only the audit log knows: {next:#}"
    );
    // A hole is one, too.
    let _ = told(&world, &["--since", "10m", "--record"], 0);
    let until = told(&world, &["--look"], 0)["from"].clone();
    let key = ["--since", "0s", "--record"];
    let _ = told(&world, &key, 0);
    assert_eq!(told(&world, &["--look"], 0)["from"], until);
}

#[test]
fn a_person_is_asked_and_a_script_says_so() {
    needs_postgres!();
    let (world, _) = signed::world();
    audited(&world);
    let before = world.runs();
    // Nobody is asked, and nobody has said that it is to be recorded.
    let looked = review(&world, &["--since", "1h"]).exits(0);
    assert!(looked.stderr.contains("this review is not recorded"), "{looked}");
    assert!(looked.stderr.contains("quill-admin review --record --env staging"), "{looked}");
    assert!(looked.stdout.contains("nothing was run in that time"), "{looked}");
    let mut terminal = world.quill_admin(["review", "-e", "staging", "--since", "1h"]).terminal();
    terminal.expect("Record this review? [y/N]").type_line("n");
    let ended = terminal.wait();
    assert_eq!(ended.code(), 0, "{}", ended.text());
    assert!(ended.text().contains("this review is not recorded"), "{}", ended.text());
    assert_eq!(world.runs(), before);
    let mut terminal = world.quill_admin(["review", "-e", "staging", "--since", "1h"]).terminal();
    terminal.expect("Record this review? [y/N]").type_line("y").expect("the review is recorded by execution");
    assert_eq!(terminal.wait().code(), 0);
    assert_eq!(world.runs(), before + 1);

    // A protected environment is confirmed by its name.
    set(&world, "protected: true");
    let refused = review(&world, &["--record"]).exits(28);
    assert!(refused.stderr.contains("--confirm staging"), "{refused}");
    let refused = review(&world, &["--record", "--confirm", "prod"]).exits(28);
    assert!(refused.stdout.is_empty(), "{refused}");
    let _ = review(&world, &["--record", "--confirm", "staging"]).exits(0);
    let mut terminal = world.quill_admin(["review", "-e", "staging"]).terminal();
    terminal
        .expect("Record this review? [y/N]")
        .type_line("y")
        .expect("Type \"staging\" to go on")
        .type_line("staging");
    terminal.expect("the review is recorded by execution");
    assert_eq!(terminal.wait().code(), 0);
    for (wrong, words) in [
        (&["--since", "never"][..], "is neither a date"),
        (&["--since", "2126-01-01"], "still to come"),
        (&["--look", "--record"], "cannot be used with"),
    ] {
        let refused = review(&world, wrong).exits(2);
        assert!(refused.to_string().contains(words), "{refused}");
    }
}

/// An image from before reviews does not know the action, which it says with exit code 2.
#[test]
fn an_image_that_knows_no_reviews_is_told_apart() {
    let world = World::scripted(Script::new([Step::Exit(2)]));
    audited(&world);
    let refused = review(&world, &["--since", "1h", "--record"]).exits(17);
    assert!(refused.stderr.contains("the review is not recorded by execution"), "{refused}");
    assert!(refused.stderr.contains("quill-admin build --env staging"), "{refused}");
    let told = review(&world, &["--since", "1h", "--record", "--json"]).exits(17).json();
    assert_eq!(told["exit_code"], 17, "{told:#}");
}

/// Nobody has reviewed a time that is still to come: the container refuses it, whatever the laptop's clock says.
#[test]
fn the_container_records_no_review_of_the_future() {
    needs_postgres!();
    let (world, _) = signed::world();
    audited(&world);
    let of = |until: Timestamp| {
        let review = json!({
            "from": ago(1), "until": until, "runs": 0, "marked": 0, "sha256": "0".repeat(64),
        });
        let _ = world.start_job_with(&[("ADMIN_ACTION", "review"), ("ADMIN_REVIEW", &review.to_string())]);
        world.idle();
        signed::run(&world, &newest(&world))
    };
    let refused = of(Timestamp::now() + SignedDuration::from_hours(1));
    assert_eq!((&refused["outcome"], &refused["exit_code"]), (&json!("failed"), &json!(2)), "{refused:#}");
    let recorded = of(ago(0));
    assert_eq!(
        (&recorded["outcome"], &recorded["record"]),
        (&json!("reviewed"), &json!("signed")),
        "{recorded:#}"
    );
    // The connection to the database has no part in it.
    let logs = world.quill_admin(["logs", &newest(&world), "-e", "staging"]).output().exits(0);
    assert!(!logs.stdout.contains("connecting"), "{logs}");
    assert!(logs.stdout.contains("reviewed 0 runs from "), "{logs}");
}

#[test]
fn the_environment_on_this_machine_is_reviewed_as_well() {
    let world = World::empty();
    let local = |args: &[&str], code: i32| {
        let args = ["review", "-e", "local", "--json"].into_iter().chain(args.iter().copied());
        world.quill_admin(args).output().exits(code).json()
    };
    let args = ["cs", "-e", "local", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let _ = world.quill_admin(args).stdin("correct horse battery staple 7").output().exits(0);
    let first = local(&["--record"], 30);
    assert_eq!(first["runs"][0]["marks"][0]["code"], "privileged_given", "{first:#}");
    assert_eq!((&first["complete"], &first["runs"][0]["proven"]), (&json!(true), &json!(true)), "{first:#}");
    let second = local(&["--look"], 0);
    assert_eq!((&second["from"], &second["last_review"]["execution"]), (&first["until"], &first["recorded"]));
}

/// The rows of a table have records of their own, which are judged as runs are.
#[test]
fn what_rows_have_done_is_seen() {
    needs_postgres!();
    let (world, _) = signed::world();
    audited(&world);
    let row = |at: usize, level| format!("user{at},user{at}@example.org,{level},Clinician");
    let rows = [row(1, "staff"), row(2, "superadmin"), row(3, "superadmin")].join("\n");
    world.home.write("class.csv", &format!("username,email,permission,role\n{rows}\n"));
    let each = ["each", "create-user", "-e", "staging", "--from", "class.csv", "--results", "class.results"];
    let _ = world.quill_admin(each.into_iter().chain(["--generate-passwords"])).output().exits(0);
    let reviewed = told(&world, &["--since", "1h", "--look"], 30);
    let run = &reviewed["runs"][0];
    assert_eq!((&run["outcome"], &run["proven"]), (&json!("each"), &json!(true)), "{reviewed:#}");
    let marks = run["marks"].as_array().expect("a list");
    assert_eq!(marks.len(), 1, "{reviewed:#}");
    assert_eq!(marks[0]["message"], "given to user2, user3: permission level superadmin");
    // Each row of a user is told, also where one run has several.
    let rows = "username,role\nuser1,Patient\nuser1,Clinician\n";
    world.home.write("roles.csv", rows);
    let each = ["each", "add-role", "-e", "staging", "--from", "roles.csv", "--results", "roles.results"];
    let _ = world.quill_admin(each).output().exits(0);
    let past = world.quill_admin(["history", "-e", "staging", "--user", "user1", "--json"]).output().exits(0);
    let rows = past.json()["runs"].as_array().expect("a list").clone();
    let mut of_roles: Vec<u64> = rows
        .iter()
        .filter(|run| run["action"] == "add-role")
        .filter_map(|run| run["row_number"].as_u64())
        .collect();
    of_roles.sort_unstable();
    assert_eq!(of_roles, [2, 3], "{past}");
    // A row that somebody adds to a run is not believed, and marks it.
    let execution = newest(&world);
    let line = json!({
        "contract": 4, "action": "add-role", "username": "user1", "row_number": 9, "exit_code": 0,
        "execution": execution, "outcome": {"result": "unchanged", "warnings": []},
    });
    let labels = json!({"run.googleapis.com/execution_name": execution});
    put(&world, STDOUT, &labels, ago(0), ("jsonPayload", &json!({"message": "done", "quill_admin": line})));
    let reviewed = told(&world, &["--since", "1h", "--look"], 30);
    let run = reviewed["runs"].as_array().expect("a list").iter().find(|run| run["execution"] == execution);
    let codes: Vec<&Value> = run.expect("it is there")["marks"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|mark| &mark["code"])
        .collect();
    assert_eq!(codes, [&json!("not_signed")], "{reviewed:#}");
}
