//! The marks, the gaps and the last review, on runs that are made up here.
//!
//! To add a mark or a gap: a run that has it, and one that nearly has it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::Digest;
use quill_admin_cloud::{JobName, StartEntries, StartEntry};
use quill_admin_contract::{Change, Claim, FieldValue, Outcome, REVIEW, ResultLine, Review, Signature};
use serde_json::{Value, json};

use super::judge::{Judge, Looked};
use super::last::Earlier;
use super::mark::Mark;
use super::starts::Starts;
use crate::actions;
use crate::config::WorkingHours;
use crate::history::{PastRun, Record};

fn at(time: &str) -> Timestamp {
    time.parse().expect("a time")
}

fn job(job: &str) -> JobName {
    JobName {
        project: "quill-medical-staging".parse().expect("a project"),
        region: "europe-west2".parse().expect("a region"),
        job: job.parse().expect("a job"),
    }
}

/// The result line of an action on steve.
fn line(action: &str, outcome: &Value) -> ResultLine {
    let exit_code = if outcome["result"] == "failed" { 10 } else { 0 };
    let line = json!({
        "contract": 4, "action": action, "username": "steve", "actor": "ann@example.org", "exit_code": exit_code,
        "outcome": outcome,
    });
    ResultLine::read(line).expect("a line")
}

fn updated(changes: &Value) -> Value {
    json!({
        "result": "updated", "warnings": [], "changes": changes,
        "subject": {"kind": "user", "key": "steve", "fields": {"email": "Steve.Jones@example.org"}},
    })
}

/// A signed run of ann's on steve, on a Friday at noon, which Cloud Run still has.
fn run(action: &str, outcome: &Value) -> PastRun {
    let line = line(action, outcome);
    PastRun {
        execution: "quill-tasks-staging-aaaaa".to_owned(),
        job: job("quill-tasks-staging"),
        time: at("2026-11-27T12:00:00Z"),
        has_execution: true,
        account: Some("ann@example.org".to_owned()),
        actor: Some("ann@example.org".to_owned()),
        action: Some(action.to_owned()),
        user: Some("steve".to_owned()),
        rows: None,
        row_number: None,
        of_rows: Vec::new(),
        reason: None,
        origin: None,
        recorded: line.recorded.clone(),
        kind: line.outcome.subject().map(|subject| subject.kind.clone()),
        changes: match &line.outcome {
            Outcome::Failed { .. } | Outcome::Each { .. } | Outcome::Other(_) => None,
            outcome => Some(outcome.changes().to_vec()),
        },
        outcome: line.outcome.name().to_owned(),
        preview: false,
        undoes: None,
        exit_code: Some(line.exit_code),
        line: Some(line),
        signature: Signature::Verified,
        record: Record::Signed,
        contradicted: false,
        duration: Some(SignedDuration::from_secs(9)),
        image: None,
    }
}

fn level(old: Option<&str>, new: &str) -> Value {
    updated(&json!([{"what": "field", "field": "permission", "old": old, "new": new}]))
}

fn role(what: &str, role: &str) -> Value {
    updated(&json!([{"what": what, "field": "roles", "item": role}]))
}

/// The knowledge that runs are judged by, with everything there.
struct Given {
    hours: Option<WorkingHours>,
    starts: Starts,
    executions_from: Option<Timestamp>,
    records: Looked,
    has_keys: bool,
    rows_read: bool,
}

impl Given {
    fn all() -> Self {
        Self {
            hours: Some("mon-fri 08:00-18:00 UTC".parse().expect("hours")),
            starts: Starts::default(),
            executions_from: Some(at("2026-11-23T00:00:00Z")),
            records: Looked::Whole,
            has_keys: true,
            rows_read: true,
        }
    }

    fn judge<T>(&self, asked: impl FnOnce(&Judge<'_>) -> T) -> T {
        let own = job("quill-tasks-staging");
        asked(&Judge {
            actions: actions::of_this_run(),
            own: &own,
            has_keys: self.has_keys,
            is_embedded: false,
            hours: self.hours.as_ref(),
            executions_from: self.executions_from,
            from: at("2026-11-21T00:00:00Z"),
            records: self.records,
            rows_read: self.rows_read,
            starts: &self.starts,
        })
    }

    fn codes(&self, run: &PastRun) -> Vec<&'static str> {
        self.judge(|judge| judge.marks(run)).iter().map(Mark::code).collect()
    }
}

fn codes(run: &PastRun) -> Vec<&'static str> {
    Given::all().codes(run)
}

#[test]
fn a_run_as_it_should_be_has_no_mark() {
    assert_eq!(codes(&run("update-permissions", &level(Some("patient"), "staff"))), [""; 0]);
    assert_eq!(codes(&run("show-user", &json!({"result": "found", "warnings": []}))), [""; 0]);
}

#[test]
fn a_superadmin_is_marked_whoever_made_them_and_however() {
    for (outcome, what) in [
        (level(Some("admin"), "superadmin"), "permission level superadmin"),
        (level(None, "superadmin"), "permission level superadmin"),
        (role("added", "System Administrator"), "role System Administrator"),
    ] {
        let run = run("a-task-of-tomorrow", &outcome);
        assert_eq!(codes(&run), ["privileged_given"], "{outcome}");
        let mark = Given::all().judge(|judge| judge.marks(&run)).remove(0);
        assert_eq!(mark.to_string(), format!("given to steve: {what}"));
    }
    for outcome in [
        level(Some("superadmin"), "staff"),
        role("removed", "System Administrator"),
        role("added", "Clinician"),
        updated(&json!([{"what": "hidden", "field": "password"}])),
    ] {
        assert_eq!(codes(&run("a-task-of-tomorrow", &outcome)), [""; 0], "{outcome}");
    }
}

#[test]
fn own_rights_are_those_of_an_account_with_the_same_name_or_email() {
    let raised = level(Some("staff"), "admin");
    let by = |account: Option<&str>, actor: Option<&str>, outcome: &Value| {
        let account = account.map(str::to_owned);
        codes(&PastRun { account, actor: actor.map(str::to_owned), ..run("update-permissions", outcome) })
    };
    let own = ["own_rights_raised"];
    assert_eq!(by(Some("steve@example.org"), None, &raised), own, "the name before the @");
    assert_eq!(by(Some("steve.jones@EXAMPLE.org"), None, &raised), own, "the email of the account");
    assert_eq!(by(None, Some("steve"), &raised), own, "the person that the request names");
    assert_eq!(by(Some("robot@p.iam.gserviceaccount.com"), Some("steve@other.org"), &raised), own);
    assert_eq!(by(Some("stevens@example.org"), Some("stev"), &raised), [""; 0]);
    assert_eq!(by(None, None, &raised), [""; 0]);
    assert_eq!(by(Some("steve@example.org"), None, &role("added", "Clinician")), own);
    // Lower is not raised, and a level that nobody knows may be a high one.
    assert_eq!(by(Some("steve@example.org"), None, &level(Some("admin"), "staff")), [""; 0]);
    assert_eq!(by(Some("steve@example.org"), None, &role("removed", "Clinician")), [""; 0]);
    assert_eq!(by(Some("steve@example.org"), None, &level(Some("admin"), "overlord")), own);
    // Both marks, for whoever makes themselves a superadmin.
    let both = ["own_rights_raised", "privileged_given"];
    assert_eq!(by(Some("steve@example.org"), None, &level(Some("admin"), "superadmin")), both);
    // An email that was changed in the same run is theirs as well.
    let moved = updated(&json!([
        {"what": "field", "field": "email", "old": "bob@example.org", "new": "x@example.org"},
        {"what": "field", "field": "permission", "old": "staff", "new": "admin"},
    ]));
    assert_eq!(by(Some("bob@example.org"), None, &moved), own);
}

#[test]
fn the_audit_log_says_who_it_was_where_cloud_run_does_not() {
    let starts =
        Starts::of([started("2026-11-27T11:59:50Z", "steve@example.org", &["quill-tasks-staging-aaaaa"])]);
    let given = Given { starts, ..Given::all() };
    let unknown = PastRun {
        account: None,
        actor: None,
        has_execution: false,
        ..run("update-permissions", &level(Some("staff"), "admin"))
    };
    assert_eq!(given.codes(&unknown), ["own_rights_raised"]);
}

#[test]
fn a_preview_changes_nothing_if_that_is_proven() {
    let outcome = json!({
        "result": "previewed", "would": "updated", "plan": "a", "warnings": [],
        "changes": [{"what": "field", "field": "permission", "old": "staff", "new": "superadmin"}],
    });
    let previewed =
        PastRun { preview: true, kind: Some("user".to_owned()), ..run("update-permissions", &outcome) };
    assert_eq!(codes(&previewed), [""; 0]);
    let claimed = PastRun { record: Record::NotProvable, signature: Signature::None, ..previewed };
    assert_eq!(codes(&claimed), ["privileged_given", "not_signed"], "anybody can write that it was one");
}

#[test]
fn hours_are_judged_only_where_they_are_named() {
    let at_night =
        PastRun { time: at("2026-11-28T12:00:00Z"), ..run("show-user", &json!({"result": "found"})) };
    assert_eq!(codes(&at_night), ["out_of_hours"]);
    let mark = Given::all().judge(|judge| judge.marks(&at_night)).remove(0);
    assert_eq!(mark.to_string(), "out of hours: Sat 12:00");
    assert_eq!(Given { hours: None, ..Given::all() }.codes(&at_night), [""; 0]);
}

fn started(time: &str, account: &str, executions: &[&str]) -> StartEntries {
    let entry = StartEntry {
        timestamp: at(time),
        account: Some(account.to_owned()),
        executions: executions.iter().map(|id| (*id).to_owned()).collect(),
    };
    StartEntries { entries: vec![entry], more: false }
}

#[test]
fn a_start_is_missing_only_where_it_would_have_been_seen() {
    let forgotten =
        PastRun { has_execution: false, ..run("update-permissions", &level(Some("patient"), "staff")) };
    let missing = ["no_start"];
    assert_eq!(codes(&forgotten), missing, "Cloud Run keeps executions of that time");
    // A task may have been started an hour before it ended.
    let before = Given { executions_from: Some(at("2026-11-27T11:30:00Z")), ..Given::all() };
    assert_eq!(before.codes(&forgotten), [""; 0]);
    let older = PastRun { time: at("2026-11-20T12:00:00Z"), ..forgotten.clone() };
    assert_eq!(codes(&older), [""; 0], "Cloud Run has forgotten those, and there is no audit log");
    let given = |starts| Given { starts: Starts::of(starts), ..Given::all() };
    let other = || started("2026-11-19T12:00:00Z", "bob@example.org", &["quill-tasks-staging-bbbbb"]);
    assert_eq!(given(vec![other()]).codes(&older), missing, "the audit log was written by then");
    let own = started("2026-11-20T11:59:00Z", "ann@example.org", &["quill-tasks-staging-aaaaa"]);
    assert_eq!(given(vec![other(), own]).codes(&older), [""; 0]);
    let later = started("2026-11-21T12:00:00Z", "bob@example.org", &["quill-tasks-staging-bbbbb"]);
    assert_eq!(given(vec![later]).codes(&older), [""; 0], "nobody knows whether starts were recorded before");
    let unnamed = started("2026-11-20T11:59:00Z", "ann@example.org", &[]);
    assert_eq!(given(vec![other(), unnamed]).codes(&older), [""; 0], "an entry without a name may be it");
}

#[test]
fn a_record_is_missing_only_where_it_was_looked_for() {
    let silent = PastRun {
        record: Record::None,
        line: None,
        changes: None,
        exit_code: None,
        signature: Signature::None,
        outcome: "succeeded".to_owned(),
        ..run("update-permissions", &level(None, "staff"))
    };
    assert_eq!(codes(&silent), ["no_record"]);
    assert_eq!(Given { records: Looked::Nowhere, ..Given::all() }.codes(&silent), [""; 0]);
    let from = |time| Given { records: Looked::From(at(time)), ..Given::all() };
    assert_eq!(from("2026-11-27T12:00:01Z").codes(&silent), [""; 0]);
    assert_eq!(from("2026-11-27T12:00:00Z").codes(&silent), ["no_record"]);
    let of_application = PastRun { job: job("quill-migrate-staging"), ..silent.clone() };
    assert_eq!(codes(&of_application), [""; 0], "jobs of the application leave no record");
    let failed = PastRun { outcome: "failed".to_owned(), ..silent };
    assert_eq!(codes(&failed), ["no_record", "failed"]);
}

#[test]
fn what_is_not_proven_is_never_what_makes_a_run_fine() {
    let harmless = run("show-user", &json!({"result": "found", "warnings": []}));
    let of =
        |record, signature, given: &Given| given.codes(&PastRun { signature, record, ..harmless.clone() });
    let keys = Given::all();
    assert_eq!(of(Record::Proven, Signature::None, &keys), ["not_signed"]);
    assert_eq!(of(Record::NotProvable, Signature::Refused, &keys), ["not_signed"]);
    let refused = PastRun { record: Record::NotProvable, signature: Signature::Refused, ..harmless.clone() };
    let mark = keys.judge(|judge| judge.marks(&refused)).remove(0);
    assert!(mark.to_string().contains("no public key"), "{mark}");
    let none = Given { has_keys: false, ..Given::all() };
    assert_eq!(of(Record::Proven, Signature::None, &none), [""; 0]);
    assert_eq!(of(Record::NotProvable, Signature::None, &none), ["not_proven"]);
    let contradicted = PastRun { contradicted: true, ..harmless };
    assert_eq!(codes(&contradicted), ["contradicted"]);
}

#[test]
fn undoing_and_failing_are_marked() {
    let undo = PastRun {
        undoes: Some("quill-tasks-staging-bbbbb".to_owned()),
        ..run("update-permissions", &level(Some("staff"), "patient"))
    };
    assert_eq!(codes(&undo), ["undo"]);
    let failure = json!({"result": "failed", "failure": {"message": "there is no user steve"}});
    assert_eq!(codes(&run("update-permissions", &failure)), ["failed"]);
    assert_eq!(
        codes(&run("a-task-of-tomorrow", &failure)),
        ["failed"],
        "it may have been to change something"
    );
    assert_eq!(codes(&run("show-user", &failure)), [""; 0], "it was to change nothing");
    assert_eq!(codes(&run("check", &failure)), [""; 0]);
}

#[test]
fn what_this_version_does_not_know_is_not_called_fine() {
    let unknown = run("update-permissions", &json!({"result": "rotated", "keys": 200}));
    assert_eq!(codes(&unknown), ["not_understood"]);
    let change = run("update-permissions", &updated(&json!([{"what": "moved", "field": "ward"}])));
    assert!(matches!(change.changes.as_deref(), Some([Change::Other(_)])), "{change:?}");
    assert_eq!(codes(&change), ["not_understood"]);
    let mut of_ward = level(None, "superadmin");
    of_ward["subject"]["kind"] = json!("ward");
    assert_eq!(codes(&run("update-permissions", &of_ward)), ["not_understood"]);
}

/// A run for as many rows as these, of which each has a signed record.
fn bulk(rows: &[(&str, &Value)]) -> PastRun {
    let count = rows.len();
    let each = json!({"result": "each", "rows": count, "done": count, "failed": 0, "digest": "0".repeat(64)});
    let claim = |(number, (user, outcome)): (u64, &(&str, &Value))| {
        let line = ResultLine {
            row_number: Some(number),
            username: Some((*user).to_owned()),
            ..line("update-permissions", outcome)
        };
        Claim { written: line.to_json(), line, text: None, proven: false, signature: Signature::Verified }
    };
    let of_rows = (2..).zip(rows).map(claim).collect();
    PastRun { user: None, of_rows, rows: Some(count as u64), ..run("update-permissions", &each) }
}

#[test]
fn the_rows_of_a_bulk_run_are_judged_as_runs_are() {
    let (low, high) = (level(None, "staff"), level(Some("staff"), "superadmin"));
    let harmless = bulk(&[("ada", &low), ("bo", &low)]);
    assert_eq!(codes(&harmless), [""; 0]);
    let some = bulk(&[("ada", &low), ("bo", &high), ("cy", &high)]);
    let marks = |run: &PastRun| Given::all().judge(|judge| judge.marks(run));
    assert_eq!(marks(&some)[0].to_string(), "given to bo, cy: permission level superadmin");
    let many: Vec<String> = (0..200).map(|at| format!("user{at}")).collect();
    let many = bulk(&many.iter().map(|name| (name.as_str(), &high)).collect::<Vec<_>>());
    let all = marks(&many);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(all[0].to_string().starts_with("given to user0, user1, user2, user3, user4 and 195 more: "));
    let own = bulk(&[("steve", &low), ("ann", &high)]);
    assert_eq!(codes(&own), ["own_rights_raised", "privileged_given"]);
}

#[test]
fn rows_that_are_missing_or_that_somebody_may_have_added_are_marked() {
    let low = level(None, "staff");
    let whole = bulk(&[("ada", &low), ("bo", &low)]);
    let mut one = whole.clone();
    one.of_rows.truncate(1);
    let marks = Given::all().judge(|judge| judge.marks(&one));
    assert_eq!(marks, [Mark::RowsMissing { missing: 1, of: 2 }]);
    // One that is not signed stands for none that is counted.
    let mut added = one.clone();
    added.of_rows.push(Claim { signature: Signature::Refused, ..whole.of_rows[1].clone() });
    let marks = Given::all().judge(|judge| judge.marks(&added));
    let not_signed = Mark::NotSigned { refused: true, of_row: true };
    assert_eq!(marks, [not_signed, Mark::RowsMissing { missing: 1, of: 2 }]);
    // Rows of an action that only reads leave no records, and those of a preview change nothing.
    assert_eq!(codes(&PastRun { action: Some("show-user".to_owned()), ..one.clone() }), [""; 0]);
    assert_eq!(codes(&PastRun { preview: true, ..one.clone() }), [""; 0]);
    let unread = Given { records: Looked::Nowhere, ..Given::all() };
    assert_eq!(unread.codes(&one), [""; 0], "what was not looked for is not missing");
    assert_eq!(Given { rows_read: false, ..Given::all() }.codes(&one), [""; 0]);
    // Of a run that Cloud Run has forgotten the record is known, whose rows are from before: perhaps before the
    // period.
    let forgotten = |time| PastRun { has_execution: false, time: at(time), ..one.clone() };
    assert!(!codes(&forgotten("2026-11-21T00:30:00Z")).contains(&"rows_missing"));
    assert!(codes(&forgotten("2026-11-21T02:00:00Z")).contains(&"rows_missing"));
    // What an earlier execution has saved, nobody has told.
    assert_eq!(codes(&bulk(&[("ada", &json!({"result": "done_before"}))])), ["not_understood"]);
    // Names that somebody has added come last.
    let high = level(Some("staff"), "superadmin");
    let mut pushed = bulk(&[("cy", &high)]);
    let forged = pushed.of_rows[0].clone();
    for number in 0..6 {
        let line = ResultLine { username: Some(format!("nobody{number}")), ..forged.line.clone() };
        pushed.of_rows.insert(0, Claim { line, signature: Signature::None, ..forged.clone() });
    }
    let marks = Given::all().judge(|judge| judge.marks(&pushed));
    assert!(marks[0].to_string().starts_with("given to cy, nobody5, "), "{}", marks[0]);
    assert_eq!(marks[0].names().len(), 7);
    // The log may be late.
    let given = Given::all();
    assert!(given.judge(|judge| judge.is_open(&one, at("2026-11-27T12:04:00Z"))));
    assert!(!given.judge(|judge| judge.is_open(&whole, at("2026-11-27T12:04:00Z"))));
}

#[test]
fn every_mark_has_its_code_in_the_list() {
    let text = String::new;
    let marks = [
        Mark::OwnRightsRaised { what: text() },
        Mark::PrivilegedGiven { whom: vec![text()], what: text() },
        Mark::OutOfHours { local: text() },
        Mark::NoStart { audited: true },
        Mark::NoRecord { of_rows: false },
        Mark::Contradicted,
        Mark::NotSigned { refused: true, of_row: false },
        Mark::NotProven,
        Mark::Undo { undone: text(), done: true },
        Mark::Failed { outcome: text(), exit_code: None },
        Mark::RowsMissing { missing: 1, of: 2 },
        Mark::NotUnderstood { outcome: text() },
    ];
    assert_eq!(marks.map(|mark| mark.code()), Mark::ALL.map(|(code, _)| code));
}

#[test]
fn a_run_is_left_to_the_next_review_until_its_record_can_be_there() {
    let given = Given::all();
    let now = at("2026-11-27T12:04:00Z");
    let open = |run: &PastRun| given.judge(|judge| judge.is_open(run, now));
    let done = run("show-user", &json!({"result": "found"}));
    assert!(!open(&done));
    let silent =
        PastRun { record: Record::None, line: None, outcome: "succeeded".to_owned(), ..done.clone() };
    assert!(open(&silent), "the log may be late");
    assert!(!open(&PastRun { time: at("2026-11-27T11:58:00Z"), ..silent.clone() }));
    assert!(!open(&PastRun { job: job("quill-migrate-staging"), ..silent.clone() }));
    let runs =
        PastRun { time: at("2026-11-26T12:00:00Z"), outcome: "running".to_owned(), duration: None, ..silent };
    assert!(open(&runs));
    // A record can be invented that says it for ever.
    assert!(!open(&PastRun { has_execution: false, ..runs.clone() }));
    assert!(!open(&PastRun { line: done.line, record: Record::NotProvable, ..runs }));
}

/// A run that has recorded a review of these days of November.
fn review(from: i8, until: i8, not_seen: &[&str]) -> PastRun {
    let time = |day: i8| at(&format!("2026-11-{day:02}T08:00:00Z"));
    let review = Review {
        from: time(from),
        until: time(until),
        runs: 1,
        marked: 0,
        not_seen: not_seen.iter().map(|code| (*code).to_owned()).collect(),
        sha256: Digest::of(b"[]"),
    };
    let mut run = run(REVIEW, &json!({"result": "reviewed", "warnings": []}));
    run.execution = format!("quill-tasks-staging-{from:02}{until:02}");
    recorded(&mut run, review.recorded());
    run
}

fn recorded(run: &mut PastRun, values: BTreeMap<String, FieldValue>) {
    if let Some(line) = &mut run.line {
        line.recorded = values;
    }
}

/// The execution of the last review, and how many were passed over and not believed.
fn last(runs: &[PastRun]) -> (Option<String>, usize, usize) {
    let earlier = Earlier::of(runs, false, at("2026-11-30T08:00:00Z"));
    let id = earlier.last.map(|last| last.execution.trim_start_matches("quill-tasks-staging-").to_owned());
    (id, earlier.passed_over, earlier.not_proven)
}

#[test]
fn the_next_review_begins_where_the_last_one_ended() {
    let id = |id: &str| Some(id.to_owned());
    assert_eq!(last(&[]), (None, 0, 0));
    assert_eq!(
        last(&[review(1, 8, &[]), review(8, 15, &["executions_forgotten", "no_keys"])]),
        (id("0815"), 0, 0)
    );
    // In whatever order they are found, also where they overlap.
    assert_eq!(last(&[review(5, 15, &[]), review(1, 8, &[])]), (id("0515"), 0, 0));
    // One that has missed runs, and one that has left a hole, are not gone by.
    assert_eq!(last(&[review(1, 8, &[]), review(8, 15, &["log_unread"])]), (id("0108"), 1, 0));
    assert_eq!(last(&[review(1, 8, &[]), review(9, 15, &[])]), (id("0108"), 1, 0));
    assert_eq!(last(&[review(1, 8, &[]), review(9, 15, &[]), review(8, 16, &[])]), (id("0816"), 0, 0));
    assert_eq!(last(&[review(1, 8, &["job_unread"])]), (None, 1, 0));
}

#[test]
fn a_review_that_is_not_signed_is_not_believed() {
    let forged = |record| PastRun { record, signature: Signature::None, ..review(1, 29, &[]) };
    for record in [Record::NotProvable, Record::Proven] {
        assert_eq!(last(&[review(1, 8, &[]), forged(record)]), (Some("0108".to_owned()), 0, 1), "{record:?}");
    }
    let here = Earlier::of(&[forged(Record::Proven)], true, at("2026-11-30T08:00:00Z"));
    assert!(here.last.is_some(), "nobody else writes records on this machine");
    // What is signed and is no review, or one of what is still to come, does not count either.
    let mut failed = review(1, 29, &[]);
    if let Some(line) = &mut failed.line {
        line.exit_code = 2;
    }
    let mut empty = review(1, 29, &[]);
    recorded(&mut empty, BTreeMap::new());
    let other = PastRun { action: Some("add-role".to_owned()), ..review(1, 29, &[]) };
    let ahead = review(1, 30, &[]);
    let early = Earlier::of(&[ahead], false, at("2026-11-29T08:00:00Z"));
    assert_eq!(early.last, None);
    assert_eq!(last(&[failed, empty, other]), (None, 0, 0));
}
