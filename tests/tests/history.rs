//! `history`: its filters, its table, its page, and the bucket that keeps the records for years.

use cloud_emulator::{Emulator, Fault, FaultAction, MissingLogBucket, Script, Step};
use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use quill_admin_e2e::{Finished as _, PROJECT, World};
use quill_admin_testkit::home::Output;
use serde_json::{Value, json};

/// The bucket of the records, and its sink, whose filter is the Terraform module's.
const BUCKET: &str = "projects/quill-medical-staging/locations/europe-west2/buckets/quill-admin-records";
const SINK: &str = "projects/quill-medical-staging/sinks/quill-tasks-staging-records";
const FILTER: &str = include_str!("../../infra/modules/cloud-run-job/records.filter.tftpl");

fn filter() -> String {
    let filled = FILTER
        .replace("${job}", "quill-tasks-staging")
        .replace("${region}", "europe-west2")
        .replace("${project}", PROJECT);
    filled.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn days_ago(days: i64) -> String {
    (Timestamp::now() - SignedDuration::from_hours(24 * days)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A record as the executor writes it.
fn record(actor: &str, action: &str, user: &str, outcome: &Value) -> Value {
    let exit_code = if outcome["result"] == "failed" { 11 } else { 0 };
    json!({
        "contract": 4, "action": action, "username": user, "actor": actor, "exit_code": exit_code, "outcome": outcome,
    })
}

fn updated(old: &str, new: &str) -> Value {
    json!({
        "result": "updated",
        "subject": {"kind": "user", "key": "steve", "fields": {"permission": new}},
        "changes": [{"what": "field", "field": "permission", "old": old, "new": new}],
        "warnings": [],
    })
}

/// Puts a record of an execution into the log, as written so many days ago.
fn put(world: &World, execution: &str, days: i64, line: &Value) {
    let entry = json!({
        "logName": format!("projects/{PROJECT}/logs/run.googleapis.com%2Fstdout"),
        "resource": {"type": "cloud_run_job", "labels": {
            "job_name": "quill-tasks-staging", "location": "europe-west2", "project_id": PROJECT,
        }},
        "labels": {"run.googleapis.com/execution_name": execution},
        "timestamp": days_ago(days),
        "jsonPayload": {"message": "done", "quill_admin": line},
    });
    world.emulator.put_log_entry(entry).expect("a valid entry");
}

/// A world with three records, of which nobody knows the executions any more.
fn world() -> World {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    put(
        &world,
        "quill-tasks-staging-aaaaa",
        3,
        &record("ann", "update-permissions", "steve", &updated("staff", "admin")),
    );
    put(
        &world,
        "quill-tasks-staging-bbbbb",
        2,
        &record(
            "Ann",
            "add-role",
            "STEVE",
            &json!({
                "result": "updated",
                "changes": [{"what": "added", "field": "roles", "item": "Clinician"}, {"what": "hidden", "field": "password"}],
            }),
        ),
    );
    put(
        &world,
        "quill-tasks-staging-ccccc",
        1,
        &record(
            "bob",
            "add-role",
            "carol",
            &json!({
                "result": "failed", "failure": {"code": "role_not_found", "message": "there is no role \"X\""},
            }),
        ),
    );
    world
}

fn history(world: &World, args: &[&str]) -> Output {
    world.quill_admin(["history", "-e", "staging"].into_iter().chain(args.iter().copied())).output()
}

/// The executions that are shown.
fn ids(world: &World, args: &[&str]) -> Vec<String> {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let shown = history(world, &args).exits(0).json();
    let runs = shown["runs"].as_array().expect("a list").iter();
    runs.map(|run| {
        run["execution"].as_str().expect("an id").rsplit('-').next().unwrap_or_default().to_owned()
    })
    .collect()
}

/// The records of the single rows of bulk runs are left out where no user is wanted.
const NO_ROWS: &str = "NOT jsonPayload.quill_admin.row_number:*";

/// The queries of the log: place, filter behind the part that is always the same, size of the page.
fn asked(world: &World) -> Vec<String> {
    let reads = world.emulator.calls().into_iter().filter(|call| call.path.ends_with("entries:list"));
    let told = reads.map(|call| {
        let request: Value = call.body.clone();
        let filter = request["filter"].as_str().unwrap_or_default().to_owned();
        let (_, rest) = filter.split_once("timestamp>=").unwrap_or_default();
        let rest = rest.split_once("\" AND ").map_or("", |(_, rest)| rest);
        let place = request["resourceNames"][0].as_str().unwrap_or_default().to_owned();
        format!("{place} {} {rest}", request["pageSize"]).trim_end().to_owned()
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

#[test]
fn runs_are_found_by_user_actor_and_action() {
    let world = world();
    assert_eq!(ids(&world, &[]), ["ccccc", "bbbbb", "aaaaa"]);
    assert_eq!(ids(&world, &["--action", "add-role"]), ["ccccc", "bbbbb"]);
    assert_eq!(ids(&world, &["--actor", "ann"]), ["aaaaa"]);
    assert_eq!(ids(&world, &["--user", "steve"]), ["aaaaa"]);
    assert_eq!(ids(&world, &["--actor", "bob", "--action", "add-role", "--user", "carol"]), ["ccccc"]);
    assert_eq!(ids(&world, &["--actor", "bob", "--action", "check"]), [""; 0]);
    let nothing = history(&world, &["--actor", "nobody"]).exits(0);
    // Whether somebody's account has started a run that Cloud Run has forgotten is not known.
    let told = "no run was found in what could be read of staging, which is not all\n";
    assert!(nothing.stdout.starts_with(told), "{nothing}");
    assert!(nothing.stdout.contains("only the person that the request names"), "{nothing}");
    let nothing = history(&world, &["--actor", "nobody", "--since", "2d"]).exits(0);
    assert_eq!(nothing.stdout, "nothing that matches was run in staging in that time\n");
}

/// The log is asked for the wanted runs, and a quote in a value does not end the value.
#[test]
fn filters_are_asked_of_the_log() {
    let world = world();
    let _ = ids(&world, &["--limit", "2", "--user", "carol", "--action", "add-role", "--actor", "a\"b\\c"]);
    assert_eq!(
        asked(&world),
        [format!(
            "projects/{PROJECT} 2 jsonPayload.quill_admin.username=\"carol\" AND \
             jsonPayload.quill_admin.action=\"add-role\" AND jsonPayload.quill_admin.actor=\"a\\\"b\\\\c\""
        )]
    );
}

/// A record names who asked, and not the account: the records of the account's executions are asked for by name.
#[test]
fn an_actor_is_also_the_account_that_started_the_run() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    let execution = world.start_job();
    let account = "emulator@localhost";
    assert_eq!(ids(&world, &["--actor", account]).len(), 1);
    assert_eq!(
        asked(&world),
        [format!(
            "projects/{PROJECT} 20 {NO_ROWS} AND (jsonPayload.quill_admin.actor=\"{account}\" OR \
             labels.\"run.googleapis.com/execution_name\"=\"{execution}\")"
        )]
    );
    assert_eq!(ids(&world, &["--actor", "somebody@else"]), [""; 0]);
}

#[test]
fn what_a_run_changed_is_shown_where_it_is_known() {
    let world = world();
    let brief = history(&world, &[]).exits(0);
    assert!(!brief.stdout.contains("admin\n"), "{brief}");
    let shown = history(&world, &["-v"]).exits(0);
    let shown = regex::Regex::new(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC")
        .expect("valid")
        .replace_all(&shown.stdout, "TIME")
        .into_owned();
    assert_snapshot!(shown, @r"
    ✘ TIME  failed (11)  add-role carol
      quill-tasks-staging-ccccc, by bob, not provable
    ✔ TIME  updated  add-role STEVE
      quill-tasks-staging-bbbbb, by Ann, not provable
        roles Clinician added
        password changed
    ✔ TIME  updated  update-permissions steve
      quill-tasks-staging-aaaaa, by ann, not provable
        permission level staff → admin
    ");
    let runs = history(&world, &["--json"]).exits(0).json()["runs"].clone();
    assert_eq!(
        runs[2]["changes"],
        json!([{"what": "field", "field": "permission", "old": "staff", "new": "admin"}])
    );
    // Whether a run that failed has changed anything its record does not say.
    assert_eq!(runs[0]["changes"], Value::Null);
}

/// Entries that contradict each other tell no changes.
#[test]
fn changes_are_not_made_up() {
    let world = world();
    put(
        &world,
        "quill-tasks-staging-aaaaa",
        3,
        &record("ann", "update-permissions", "steve", &updated("staff", "superadmin")),
    );
    let runs = history(&world, &["--user", "steve", "--json"]).exits(0).json()["runs"].clone();
    assert_eq!((&runs[0]["contradicted"], &runs[0]["changes"]), (&json!(true), &Value::Null));
    let table = history(&world, &["--user", "steve", "--csv"]).exits(0);
    assert!(table.stdout.contains(",true,,"), "{table}");
}

#[test]
fn a_table_is_one_that_spreadsheets_read_and_do_not_execute() {
    let world = world();
    let mut line = record("=cmd|' /C calc'!A0", "add-role", "zoë, \"the\" one", &updated("staff", "admin"));
    line["reason"] = json!("@SUM(1)\nsecond line\u{202e}");
    put(&world, "quill-tasks-staging-ddddd", 0, &line);
    let table = history(&world, &["--csv"]).exits(0);
    assert!(table.stdout.is_ascii() || !table.stdout.starts_with('\u{feff}'), "{table}");
    assert!(table.stdout.ends_with("\r\n"), "{table}");
    let lines: Vec<&str> = table.stdout.split("\r\n").collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(lines.iter().all(|line| !line.contains(['\n', '\r'])), "{table}");
    let (_, first) = lines[1].split_once(',').expect("a time");
    assert_snapshot!(lines[0], @"time,execution,job,account,actor,action,user,outcome,preview,exit_code,record,signature,contradicted,changes,recorded,reason,origin,seconds,image,row_number");
    assert_snapshot!(first, @r#"quill-tasks-staging-ddddd,quill-tasks-staging,,'=cmd|' /C calc'!A0,add-role,"zoë, ""the"" one",updated,false,0,not_provable,,false,permission level staff -> admin,,'@SUM(1)\nsecond line\u{202e},,,,"#);
    let refused = history(&world, &["--csv", "--json"]).exits(2);
    assert!(refused.stdout.contains("cannot be used with"), "{refused}");
}

#[test]
fn a_page_holds_everything_and_nothing_of_others_acts_in_it() {
    let world = world();
    let planted = "</script><img src=x onerror=alert(1)><!-- \u{202e}";
    let mut line = record(planted, "add-role", "steve", &updated("<b>", planted));
    line["reason"] = json!(planted);
    put(&world, "quill-tasks-staging-ddddd", 0, &line);
    let written = history(&world, &["--html", "runs.html"]).exits(0);
    let file = world.home.work().join("runs.html");
    assert_eq!(written.stdout, format!("wrote {}: 4 runs\n", file.display()));
    let page = world.home.read("runs.html");
    // There are the two scripts of the page, and the data is all that others have written.
    assert_eq!(page.matches("<script").count(), 2, "{page}");
    assert_eq!(page.matches("</script").count(), 2);
    for absent in ["<img", "onerror=alert(1)>", "http:", "https:", "src=\"", "href="] {
        assert!(!page.contains(absent), "{absent}: {page}");
    }
    let (_, data) = page.split_once("id=\"data\">").expect("the data");
    let (data, _) = data.split_once("</script>").expect("its end");
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["runs"][0]["reason"], planted.replace('\u{202e}', "\\u{202e}"));
    assert_eq!(data["runs"][3]["changes"], json!(["permission level staff → admin"]));
    assert_eq!(data["runs"][1]["changes"], Value::Null);
    // The policy allows the page's own script and styles, and no address.
    let policy = page.split_once("Content-Security-Policy\" content=\"").expect("a policy").1;
    let policy = policy.split_once('"').expect("its end").0;
    let digests =
        regex::Regex::new("sha256-[A-Za-z0-9+/]{43}=").expect("valid").replace_all(policy, "DIGEST");
    assert_eq!(
        digests,
        "default-src 'none'; script-src 'DIGEST'; style-src 'DIGEST'; base-uri 'none'; form-action 'none'"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&file).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else reads it");
    }

    // It is replaced by the next one, and nothing else is.
    let again = history(&world, &["--html", "runs.html", "--limit", "1", "--json"]).exits(0).json();
    assert_eq!((&again["runs"], &again["file"]), (&json!(1), &json!(file.display().to_string())));
    assert!(world.home.read("runs.html").contains("and there are more: --limit NUMBER shows more"));
    world.home.write("mine.html", "<p>mine</p>");
    let refused = history(&world, &["--html", "mine.html"]).exits(2);
    assert!(refused.stderr.contains("is there already, and this command has not made it"), "{refused}");
    assert!(refused.stderr.contains("move it away first, or name another file"), "{refused}");
    assert_eq!(world.home.read("mine.html"), "<p>mine</p>");
    let nowhere = history(&world, &["--html", "none/runs.html"]).exits(2);
    assert!(nowhere.stderr.contains("failed to write"), "{nowhere}");
}

/// A world whose file names the bucket of the records.
fn kept(builder: cloud_emulator::Builder, settings: &str) -> World {
    let world = World::scripted_in(builder, Script::new([Step::Exit(0)]));
    let file = world.home.read("environments.yaml");
    let audit = format!(
        "  audit: {{ bucket: quill-admin-records, location: europe-west2{settings} }}\nenvironments:\n"
    );
    world.home.write("environments.yaml", &file.replace("environments:\n", &audit));
    world
}

fn put_bucket(world: &World) {
    world.emulator.put_log_bucket(BUCKET, json!({"retentionDays": 2557})).expect("a valid bucket");
    let sink = json!({"destination": format!("logging.googleapis.com/{BUCKET}"), "filter": filter()});
    world.emulator.put_log_sink(SINK, sink).expect("a valid sink");
}

#[test]
fn a_run_of_five_years_ago_is_found_with_its_values_before_and_after() {
    let world = kept(Emulator::builder(), "");
    put_bucket(&world);
    put(
        &world,
        "quill-tasks-staging-aaaaa",
        5 * 365,
        &record("ann", "update-permissions", "steve", &updated("staff", "admin")),
    );
    put(
        &world,
        "quill-tasks-staging-bbbbb",
        8 * 365,
        &record("ann", "update-permissions", "steve", &updated("a", "b")),
    );
    put(
        &world,
        "quill-tasks-staging-ccccc",
        1,
        &record("ann", "update-permissions", "steve", &updated("admin", "staff")),
    );
    let shown = history(&world, &["--since", "2000-01-01", "--user", "steve", "-v"]).exits(0);
    assert!(shown.stdout.contains("permission level staff → admin\n"), "{shown}");
    // The period is longer than the bucket keeps anything.
    assert!(shown.stdout.contains("warning: the bucket of the records keeps them for 2557 days"), "{shown}");
    assert_eq!(ids(&world, &["--since", "2000-01-01"]), ["ccccc", "aaaaa"]);
    let reads = asked(&world);
    assert_eq!(
        &reads[2..],
        [
            format!("{BUCKET}/views/_AllLogs 20 {NO_ROWS}"),
            format!("{BUCKET}/views/_AllLogs 20 jsonPayload.quill_admin.username=\"steve\""),
        ],
        "{reads:#?}"
    );
    // Within what the bucket keeps there is nothing to warn of.
    let within = history(&world, &["--since", "6y", "--user", "steve"]).exits(0);
    assert!(within.stdout.contains("-aaaaa") && !within.to_string().contains("warning"), "{within}");
    assert_eq!(reads[0], format!("projects/{PROJECT} 20 {NO_ROWS}"));
    // Without the key the default bucket is all there is, which is said.
    let file = world.home.read("environments.yaml");
    let without: Vec<&str> = file.lines().filter(|line| !line.starts_with("  audit:")).collect();
    world.home.write("environments.yaml", &format!("{}\n", without.join("\n")));
    let shown = history(&world, &["--since", "2000-01-01"]).exits(0);
    assert!(shown.stdout.contains("keeps a log for 30 days unless its bucket is set otherwise"), "{shown}");
    let shown = history(&world, &[]).exits(0);
    assert!(!shown.to_string().contains("30 days"), "{shown}");
}

#[test]
fn what_a_sink_leaves_out_is_not_in_the_bucket() {
    let world = kept(Emulator::builder(), "");
    put_bucket(&world);
    let put_sink = |disabled: bool| {
        let filter_out = "jsonPayload.quill_admin.username=\"steve\"";
        let sink = json!({
            "destination": format!("logging.googleapis.com/{BUCKET}"), "filter": filter(),
            "createTime": days_ago(200),
            "exclusions": [{"name": "cheap", "filter": filter_out, "disabled": disabled}],
        });
        world.emulator.put_log_sink(SINK, sink).expect("a valid sink");
    };
    for (end, user) in [("aaaaa", "steve"), ("bbbbb", "ada")] {
        let id = format!("quill-tasks-staging-{end}");
        put(&world, &id, 100, &record("ann", "add-role", user, &updated("a", "b")));
    }
    put_sink(false);
    assert_eq!(ids(&world, &["--since", "2000-01-01"]), ["bbbbb"]);
    put_sink(true);
    assert_eq!(ids(&world, &["--since", "2000-01-01"]).len(), 2);
}

#[test]
fn a_bucket_that_cannot_be_read_is_not_an_empty_one() {
    for missing in [MissingLogBucket::NotFound, MissingLogBucket::Denied] {
        let world = kept(Emulator::builder().missing_log_bucket(missing), "");
        let shown = history(&world, &[]).exits(0);
        assert!(!shown.to_string().contains("nothing was run"), "{shown}");
        assert!(
            shown.stdout.contains("no run was found in what could be read of staging, which is not all"),
            "{shown}"
        );
        assert!(shown.stdout.contains(&format!("the records in {BUCKET} could not be read")), "{shown}");
        let told = history(&world, &["--json"]).exits(0).json();
        assert_eq!(told["not_read"][0]["log"], BUCKET);
        let table = history(&world, &["--csv"]).exits(0);
        assert!(table.stderr.contains("could not be read") && !table.stdout.contains("could not"), "{table}");
    }
    // Somebody who may read the project's log, and not the bucket.
    let world = kept(Emulator::builder(), "");
    put_bucket(&world);
    put(&world, "quill-tasks-staging-aaaaa", 1, &record("ann", "check", "steve", &updated("a", "b")));
    world.emulator.deny_permissions(["logging.views.access"]);
    let shown = history(&world, &[]).exits(0);
    assert!(shown.stdout.contains("steve") && shown.stdout.contains("roles/logging.viewAccessor"), "{shown}");
    // A reader of the records may not read all logs of the project.
    world.emulator.deny_permissions(["logging.logEntries.list"]);
    let shown = history(&world, &[]).exits(0);
    assert!(shown.stdout.contains("steve"), "{shown}");
    assert!(shown.stdout.contains("only the bucket of the records"), "{shown}");
    world.emulator.deny_permissions(["logging.logEntries.list", "logging.views.access"]);
    let refused = history(&world, &[]).exits(21);
    assert!(!refused.to_string().contains("nothing was run"), "{refused}");
    world.emulator.deny_permissions([""; 0]);
    world.emulator.set_faults([Fault::new("*entries:list", FaultAction::status(429, "Quota exceeded"))]);
    let _ = history(&world, &[]).exits(23);
}

/// The first page is as small as what is wanted; more is read only where it lacks something.
#[test]
fn pages_are_read_until_there_is_enough() {
    let world =
        World::scripted_in(Emulator::builder().log_reads_per_minute(1000), Script::new([Step::Exit(0)]));
    for number in 0..30 {
        let user = if number == 0 { "steve" } else { "Steve" };
        let id = format!("quill-tasks-staging-{number:05}");
        put(&world, &id, 29 - number / 2, &record("ann", "add-role", user, &updated("a", "b")));
    }
    assert_eq!(ids(&world, &["--limit", "3"]).len(), 3);
    assert_eq!(asked(&world), [format!("projects/{PROJECT} 3 {NO_ROWS}")]);
    // The log finds other users, whose names differ in case only: it is read on.
    assert_eq!(ids(&world, &["--limit", "1", "--user", "steve"]), ["00000"]);
    let reads = asked(&world);
    assert_eq!(reads.len(), 3, "{reads:#?}");
    assert!(
        reads.contains(&format!("projects/{PROJECT} 1000 jsonPayload.quill_admin.username=\"steve\"")),
        "{reads:#?}"
    );
}
