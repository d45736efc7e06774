//! Tests of the results that are believed, and of old and new versions of laptop, image and log entries together.

use cloud_emulator::{Script, Step};
use quill_admin_e2e::{Finished as _, JOB, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

pub(crate) const STDOUT: &str = "run.googleapis.com%2Fstdout";
const ADD_ROLE: [&str; 7] = ["add-role", "-e", "staging", "-u", "steve", "-r", "Clinician"];

/// A database with the user steve.
fn world(script: &str) -> World {
    let world = World::with_database_and_script(Database::create(Generation::August2026), "exec \"$1\"");
    let args = ["cs", "-e", "staging", "-u", "steve", "--email", "s@example.org", "--password-stdin"];
    let _ = world.quill_admin(args).stdin("correct horse battery staple 7").output().exits(0);
    let database = world.database.expect("it has one");
    World::with_database_and_script(database, script)
}

/// The variables of the newest execution.
pub(crate) fn sent(world: &World) -> Value {
    let executions = world.emulator.executions(JOB);
    let newest =
        executions.iter().max_by_key(|execution| execution["createTime"].as_str().map(str::to_owned));
    let env = newest.expect("an execution")["template"]["containers"][0]["env"].clone();
    let variables = env.as_array().expect("a list").iter();
    variables.map(|one| (one["name"].as_str().unwrap_or_default().to_owned(), one["value"].clone())).collect()
}

/// Writes a log entry that anybody with `logging.logEntries.create` could write.
pub(crate) fn forge(world: &World, log: &str, execution: &str, line: &Value) {
    write(world, log, "europe-west2", execution, line);
}

/// Writes a log entry for the job of that name in another region.
fn write(world: &World, log: &str, region: &str, execution: &str, line: &Value) {
    let entry = json!({
        "logName": format!("projects/quill-medical-staging/logs/{log}"),
        "resource": {"type": "cloud_run_job", "labels": {
            "job_name": "quill-tasks-staging", "location": region, "project_id": "quill-medical-staging",
        }},
        "labels": {"run.googleapis.com/execution_name": execution},
        "severity": "INFO",
        "jsonPayload": {"message": "forged", "quill_admin": line},
    });
    world.emulator.put_log_entry(entry).expect("a valid entry");
}

/// A result line that claims success for this request.
fn lie(world: &World) -> Value {
    let sent = sent(world);
    json!({
        "contract": 2, "request_id": sent["ADMIN_REQUEST_ID"], "action": sent["ADMIN_ACTION"],
        "username": sent["ADMIN_USERNAME"], "actor": "mallory@example.org", "exit_code": 0,
        "outcome": {"result": "unchanged", "user": {
            "username": "steve", "email": "s@example.org", "permission": "superadmin",
            "base_profession": "consultant", "roles": ["Forged"], "active": true, "totp_enabled": false
        }},
    })
}

pub(crate) fn newest(world: &World) -> String {
    let executions = world.emulator.executions(JOB);
    let newest =
        executions.iter().max_by_key(|execution| execution["createTime"].as_str().map(str::to_owned));
    let name = newest.expect("an execution")["name"].as_str().expect("a name").to_owned();
    name.rsplit('/').next().expect("an id").to_owned()
}

pub(crate) fn history(world: &World) -> Vec<Value> {
    let json = world.quill_admin(["history", "-e", "staging", "--json"]).output().exits(0).json();
    json["runs"].as_array().expect("a list").clone()
}

fn document(output: &Output) -> Value {
    output.json()
}

#[test]
fn a_forged_result_decides_nothing() {
    needs_postgres!();
    let world = world("sleep 2; exec \"$1\"");
    let args = ["add-role", "-e", "staging", "-u", "nobody", "-r", "Clinician"];
    let mut terminal = world.quill_admin(args).terminal();
    terminal.expect("execution quill-tasks-staging-").expect("running");
    let execution = newest(&world);
    let mut lie = lie(&world);
    forge(&world, STDOUT, &execution, &lie);
    forge(&world, "mallory", &execution, &lie);
    // An invalid proof does not help, either.
    lie["result"] = json!(lie.to_string());
    lie["proof"] = json!("0".repeat(64));
    forge(&world, STDOUT, &execution, &lie);
    let ended = terminal.wait();
    assert_eq!(ended.code(), 10, "{}", ended.text());
    assert!(!ended.text().contains("Forged"), "{}", ended.text());

    // A forged line after the real one has no effect, on attach, the doctor or history.
    forge(&world, STDOUT, &execution, &lie);
    let attached = world.quill_admin(["attach", &execution, "--json"]).output().exits(10);
    let told = document(&attached);
    assert_eq!((&told["proven"], &told["result"]["exit_code"]), (&json!(true), &json!(10)), "{told:#}");
    let after = world
        .quill_admin(["doctor", "-e", "staging", "--after", &execution, "--only", "job", "--json"])
        .output();
    assert_eq!(document(&after)["after"]["exit_code"], json!(10));
    let run = &history(&world)[0];
    assert_eq!(
        (&run["outcome"], &run["exit_code"], &run["proven"], &run["contradicted"]),
        (&json!("failed"), &json!(10), &json!(true), &json!(true)),
        "{run:#}"
    );
    assert_ne!(run["actor"], "mallory@example.org");
}

#[test]
fn what_is_only_forged_is_no_result() {
    needs_postgres!();
    // The executor prints nothing by itself.
    let world = world("sleep 2; exit 13");
    let mut terminal = world.quill_admin(ADD_ROLE).terminal();
    terminal.expect("execution quill-tasks-staging-").expect("running");
    let execution = newest(&world);
    let mut same = lie(&world);
    same["exit_code"] = json!(13);
    same["outcome"] = json!({"result": "failed", "failure": {"message": "forged words"}});
    forge(&world, STDOUT, &execution, &same);
    let ended = terminal.wait();
    assert_eq!(ended.code(), 13, "the exit code is Cloud Run's: {}", ended.text());
    assert!(ended.text().contains("its result line did not arrive"), "{}", ended.text());
    assert!(!ended.text().contains("forged words"), "{}", ended.text());
    let run = &history(&world)[0];
    let seen = (&run["outcome"], &run["record"], &run["contradicted"]);
    assert_eq!(seen, (&json!("failed"), &json!(null), &json!(true)), "{run:#}");

    // The forged line contradicts the container, and there is no other result.
    forge(&world, STDOUT, &execution, &lie(&world));
    let attached = world.quill_admin(["attach", &execution]).output().exits(27);
    assert!(attached.stderr.contains("is not known: a result line that nothing proves says"), "{attached}");
}

#[test]
fn a_proven_result_stands_whatever_happens_to_the_container_after_it() {
    needs_postgres!();
    let world = world("\"$1\"; kill -9 $$");
    let done = world.quill_admin(ADD_ROLE).output().exits(0);
    assert!(done.stdout.contains("updated steve in staging"), "{done}");
    assert!(done.stderr.contains("was killed by signal 9 after it had told this result"), "{done}");
    let again = world.quill_admin(ADD_ROLE.into_iter().chain(["--json"])).output().exits(0);
    let told = document(&again);
    assert_eq!((&told["proven"], &told["afterwards"]), (&json!(true), &json!("was killed by signal 9")));
    assert_eq!(told["result"]["outcome"]["result"], "unchanged");
    let run = &history(&world)[0];
    assert_eq!((&run["outcome"], &run["proven"]), (&json!("unchanged"), &json!(true)), "{run:#}");
}

#[test]
fn what_does_not_fit_together_is_not_known() {
    needs_postgres!();
    for (script, told) in [
        ("\"$1\"; exit 3", "and its container ended with exit code 3"),
        ("\"$1\"; ADMIN_ROLE=Nonsense \"$1\"; exit 0", "two results that differ are proven"),
    ] {
        let world = world(script);
        let finished = world.quill_admin(ADD_ROLE).output().exits(27);
        assert!(finished.stderr.contains(told), "{finished}");
        assert!(finished.stderr.contains("next: see what the database holds"), "{finished}");
        let attached = world.quill_admin(["attach", &newest(&world)]).output().exits(27);
        assert!(attached.stderr.contains(told), "{attached}");
    }
}

/// A new laptop with an image of version 1: it works as before, and says that nothing proves the result.
#[test]
fn an_old_image_is_spoken_to_in_its_version() {
    let line = json!({
        "contract": 1, "action": "add-role", "username": "steve", "exit_code": 0,
        "outcome": {"result": "unchanged", "user": {
            "username": "steve", "email": "s@example.org", "permission": "patient",
            "base_profession": "patient", "roles": ["Clinician"], "active": true, "totp_enabled": false
        }},
    });
    let payload = json!({"severity": "INFO", "message": "done", "quill_admin": line}).to_string();
    let world = World::scripted(Script::new([Step::log(&payload), Step::Exit(0)]));
    let done = world.quill_admin(ADD_ROLE).output().exits(0);
    assert!(done.stdout.contains("nothing to change for steve"), "{done}");
    assert_eq!(done.stderr.matches("not provable: ").count(), 1, "{done}");
    let sent = sent(&world);
    assert_eq!((&sent["ADMIN_CONTRACT"], &sent["ADMIN_PROOF_KEY"]), (&json!("1"), &Value::Null));
    let attached = world.quill_admin(["attach", &newest(&world), "--json"]).output().exits(0);
    let told = document(&attached);
    assert_eq!((&told["proven"], &told["ending"]), (&json!(false), &json!("reported")), "{told:#}");
    let run = &history(&world)[0];
    assert_eq!(
        (&run["outcome"], &run["record"], &run["contradicted"]),
        (&json!("unchanged"), &json!("not_provable"), &json!(false)),
        "{run:#}"
    );
    // The line is worthless if it contradicts the container's exit code, or names another user.
    let world = World::scripted(Script::new([Step::log(&payload), Step::Exit(13)]));
    let _ = world.quill_admin(ADD_ROLE).output().exits(27);
    let other = payload.replace("\"username\":\"steve\",\"exit_code\"", "\"username\":\"eve\",\"exit_code\"");
    let other = if other == payload { payload.replacen("\"steve\"", "\"eve\"", 2) } else { other };
    let world = World::scripted(Script::new([Step::log(&other), Step::Exit(0)]));
    let untold = world.quill_admin(ADD_ROLE).output().exits(0);
    assert!(untold.stderr.contains("its result line did not arrive"), "{untold}");
}

/// An old laptop with a new image: the image answers in version 1, whether there is a key or not.
#[test]
fn an_old_laptop_is_answered_in_its_version() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let request = "0199a3c4-5d6e-7f80-8123-456789abcdef";
    let execution = world.start_job_with(&[
        ("ADMIN_CONTRACT", "1"),
        ("ADMIN_ACTION", "show-user"),
        ("ADMIN_USERNAME", "steve"),
        ("ADMIN_REQUEST_ID", request),
    ]);
    world.idle();
    let attached = world.quill_admin(["attach", &execution, "--json"]).output().exits(0);
    let told = document(&attached);
    assert_eq!((&told["proven"], &told["result"]["contract"]), (&json!(false), &json!(1)), "{told:#}");
    let logs = world.quill_admin(["logs", &execution, "--json"]).output().exits(0).json();
    let entries = logs["entries"].as_array().expect("a list");
    let line = entries
        .iter()
        .find(|entry| entry["payload"]["quill_admin"]["outcome"].is_object())
        .expect("a result");
    let keys: Vec<&String> = line["payload"]["quill_admin"].as_object().expect("keys").keys().collect();
    let mut expected = ["contract", "request_id", "action", "username", "exit_code", "outcome"];
    expected.sort_unstable();
    let mut keys: Vec<&str> = keys.into_iter().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, expected, "as it has always been");
    assert_eq!(history(&world)[0]["record"], "not_provable");
}

#[test]
fn new_and_new_prove_what_they_say() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let done = world.quill_admin(ADD_ROLE).output().exits(0);
    assert!(!done.to_string().contains("not provable"), "{done}");
    let sent = sent(&world);
    assert_eq!(sent["ADMIN_CONTRACT"], "4");
    let key = sent["ADMIN_PROOF_KEY"].as_str().expect("a key").to_owned();
    assert_eq!(key.len(), 64);
    let run = &history(&world)[0];
    assert_eq!((&run["proven"], &run["contradicted"]), (&json!(true), &json!(false)), "{run:#}");
    // Another request has another key, and no command prints a key.
    let _ = world.quill_admin(ADD_ROLE).output().exits(0);
    assert_ne!(self::sent(&world)["ADMIN_PROOF_KEY"], key.as_str());
    let execution = newest(&world);
    for args in [
        &["attach", &execution, "--json"][..],
        &["attach", &execution, "-v"],
        &["logs", &execution, "--json"],
        &["history", "-e", "staging", "--json"],
        &["doctor", "-e", "staging", "--after", &execution, "--only", "job", "--json"],
    ] {
        let text = world.quill_admin(args.iter().copied()).output().to_string();
        let newest = self::sent(&world);
        for key in [key.as_str(), newest["ADMIN_PROOF_KEY"].as_str().expect("a key")] {
            assert!(!text.contains(key), "{args:?}: {text}");
        }
    }
    let dry = world.quill_admin(ADD_ROLE.into_iter().chain(["--dry-run", "--json"])).output().exits(0);
    assert_eq!(document(&dry)["request"]["ADMIN_PROOF_KEY"], Value::Null, "{dry}");
    assert_eq!(document(&dry)["request"]["ADMIN_CONTRACT"], "4", "{dry}");
}

#[test]
fn without_a_version_in_common_nothing_is_started() {
    let world = World::scripted(Script::new([Step::Exit(0)]));
    for (one, all, told, next) in [
        (
            "5",
            json!("5-7"),
            "speaks contract versions 5 to 7, this program contract versions 1 to 4",
            "use a newer quill-admin",
        ),
        ("0", Value::Null, "speaks contract version 0, this program", "deploy a newer image with"),
    ] {
        let mut job = world.job().expect("it has one");
        job["annotations"]["admin.quill-medical.org/contract"] = json!(one);
        job["annotations"]["admin.quill-medical.org/contracts"] = json!(all.as_str().unwrap_or_default());
        world.emulator.put_job(JOB, job).expect("a valid job");
        let refused = world.quill_admin(ADD_ROLE).output().exits(17);
        assert!(refused.stderr.contains(told) && refused.stderr.contains(next), "{refused}");
        assert_eq!(world.runs(), 0);
    }
}

#[test]
fn written_entries_invent_no_runs_that_look_proven() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let _ = world.quill_admin(ADD_ROLE).output().exits(0);
    let before = history(&world).len();
    let lie = lie(&world);
    for log in ["mallory", "run.googleapis.com%2Fvarlog%2Fsystem", "cloudaudit.googleapis.com%2Factivity"] {
        forge(&world, log, "quill-tasks-staging-never", &lie);
    }
    assert_eq!(history(&world).len(), before, "only what a container prints is a record");
    forge(&world, STDOUT, "quill-tasks-staging-never", &lie);
    let runs = history(&world);
    assert_eq!(runs.len(), before + 1);
    let never =
        runs.iter().find(|run| run["execution"] == "quill-tasks-staging-never").expect("it is listed");
    assert_eq!((&never["record"], &never["proven"]), (&json!("not_provable"), &json!(false)), "{never:#}");
    let shown = world.quill_admin(["history", "-e", "staging"]).output().exits(0);
    let listed = shown.stdout.lines().find(|one| one.contains("-never")).expect("it is listed");
    assert!(listed.contains("not provable"), "{shown}");
}

#[test]
fn another_regions_job_of_the_same_name_is_another_job() {
    needs_postgres!();
    let world = world("exec \"$1\"");
    let _ = world.quill_admin(ADD_ROLE).output().exits(0);
    let before = history(&world).len();
    write(&world, STDOUT, "us-central1", "quill-tasks-staging-there", &lie(&world));
    assert_eq!(history(&world).len(), before);
    // The log of another execution that has the same name by chance does not have it, either.
    let execution = newest(&world);
    let lines = |world: &World| {
        world.quill_admin(["logs", &execution, "-e", "staging"]).output().exits(0).stdout.lines().count()
    };
    let own = lines(&world);
    write(&world, STDOUT, "us-central1", &execution, &lie(&world));
    assert_eq!(lines(&world), own);
    write(&world, STDOUT, "europe-west2", &execution, &lie(&world));
    assert_ne!(lines(&world), own, "the search sees such a line");
}
