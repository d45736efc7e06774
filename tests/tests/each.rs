//! `each`: many at once. All is judged before anything is started, and whoever starts the same command again goes on.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use cloud_emulator::{Fault, FaultAction, RecordedCall};
use quill_admin_e2e::{Finished as _, JOB, World, wait_until};
use quill_admin_testkit::home::{Home, Output, Run};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::{Value, json};

use crate::believed::{history, newest};
use crate::running::change_job;

/// Number of times that laptop and container are killed, unless `QUILL_ADMIN_TEST_CASES` says less.
const KILLS: usize = 25;

fn world() -> World {
    World::with_database(Database::create(Generation::August2026))
}

/// Writes a table of new users.
fn class(world: &World, count: usize) {
    let row = |at| format!("user{at},user{at}@example.org,staff,Clinician|Patient");
    let rows: Vec<String> = (1..=count).map(row).collect();
    world.home.write("class.csv", &format!("username,email,permission,role\n{}\n", rows.join("\n")));
}

/// Makes users of these names.
fn insert(world: &World, names: &str) {
    world.database().execute(&format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions, email_verified) \
         SELECT name, left(name, 9) || '@own.example.org', 'h', true, false, 'nurse', '[]', '[]', 'staff', true \
         FROM ({names}) AS names"
    ));
}

const CREATE: [&str; 9] = [
    "each",
    "create-user",
    "-e",
    "staging",
    "--from",
    "class.csv",
    "--results",
    "class.results",
    "--generate-passwords",
];

fn create(world: &World) -> Run {
    world.quill_admin(CREATE).limit(Duration::from_mins(2))
}

/// The rows of the results file, as it keeps them.
fn kept(world: &World) -> Vec<Value> {
    let file = world.home.read("class.results");
    let entries = file.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    entries.filter_map(|entry| entry.get("row").cloned()).collect()
}

/// Every row is in the database once, with the password that the results file has for it.
fn assert_all_are_there(world: &World, count: usize, about: &str) {
    let kept = kept(world);
    assert_eq!(kept.len(), count, "{about}");
    for row in &kept {
        let (name, hash) = (&row["values"]["ADMIN_USERNAME"], &row["values"]["ADMIN_PASSWORD_HASH"]);
        assert!(row["password"].as_str().is_some_and(|made| made.len() == 23), "{about}: {row}");
        let there = world.database().rows(&format!(
            "SELECT password_hash, (SELECT count(*)::text FROM user_role WHERE user_id = users.id) FROM users \
             WHERE username = '{}'",
            name.as_str().expect("a name")
        ));
        let expected = vec![hash.as_str().map(str::to_owned), Some("2".to_owned())];
        assert_eq!(there, [expected], "{about}: {name}");
    }
    let users = world.database().value("SELECT count(*)::text FROM users");
    assert_eq!(users, Some(count.to_string()), "{about}");
}

fn rows(output: &Output) -> Vec<(u64, String, Option<u64>)> {
    let document = output.json();
    let row = |row: &Value| {
        (
            row["row"].as_u64().expect("a line"),
            row["outcome"].as_str().expect("one").to_owned(),
            row["exit_code"].as_u64(),
        )
    };
    document["rows"].as_array().expect("a list").iter().map(row).collect()
}

#[test]
fn a_class_is_created_and_its_passwords_are_in_one_file() {
    needs_postgres!();
    let world = world();
    class(&world, 4);
    let done = create(&world).output().exits(0);
    assert!(done.stdout.contains("4 of 4 rows done in staging"), "{done}");
    assert!(done.stdout.contains("\n2     user1     created\n"), "{done}");
    assert_eq!(world.runs(), 1);
    assert_all_are_there(&world, 4, "");
    let mode =
        fs::metadata(world.home.work().join("class.results")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Password and hash are nowhere else, on no stream and in no request of ours but the hash in the run.
    for row in kept(&world) {
        let password = row["password"].as_str().expect("one was made");
        assert!(!done.to_string().contains(password) && !done.to_string().contains("$argon2id"), "{done}");
        assert_eq!(world.home.files_with(password), [world.home.work().join("class.results")]);
        assert!(world.emulator.calls().iter().all(|call| !call.body.to_string().contains(password)));
    }
    // The table of the file has them, but not at a terminal.
    let table = world.quill_admin(["each", "--table", "class.results"]).output().exits(0).stdout;
    assert!(table.starts_with("line,username,email,permission,profession,role,password,outcome,"), "{table}");
    let first = kept(&world)[0]["password"].as_str().expect("one").to_owned();
    assert!(
        table.contains(&format!(
            "2,user1,user1@example.org,staff,patient,Clinician|Patient,{first},created,0,,"
        )),
        "{table}"
    );
    let mut terminal = world.quill_admin(["each", "--table", "class.results"]).terminal();
    terminal.expect("stdout is a terminal or leads nowhere");
    assert!(!terminal.text().contains(&first));
    assert_eq!(terminal.wait().code(), 2);
    // Again: there is nothing left to do.
    let again = create(&world).output().exits(0);
    assert!(again.stdout.contains("4 of 4 rows done"), "{again}");
    assert_eq!(world.runs(), 1);
}

/// One execution, and no more requests than a single task needs.
#[test]
fn two_hundred_rows_take_one_execution_and_twelve_requests() {
    needs_postgres!();
    let world = world();
    insert(&world, "SELECT 'user' || n AS name FROM generate_series(1, 200) AS n");
    let all: Vec<String> = (1..=200).map(|at| format!("user{at}")).collect();
    world.home.write("class.csv", &format!("username\n{}\n", all.join("\n")));
    let before = world.emulator.calls().len();
    let begun = Instant::now();
    let off = ["each", "deactivate", "-e", "staging", "--from", "class.csv", "--results", "class.results"];
    let done = world.quill_admin(off).output().exits(0);
    assert!(done.stdout.contains("200 of 200 rows done"), "{done}");
    assert_eq!(
        world.database().value("SELECT count(*)::text FROM users WHERE is_active"),
        Some("0".to_owned())
    );
    assert_eq!(world.runs(), 1);
    let calls = world.emulator.calls();
    let lines: Vec<String> = calls.iter().skip(before).map(RecordedCall::line).collect();
    // On a busy machine it takes longer: the state is asked for every five seconds, and the log every two at first.
    let most = 12 + begun.elapsed().as_secs() / 2;
    assert!(lines.len() as u64 <= most, "{} calls: {lines:#?}", lines.len());
    // In the history it is one run, and each user finds their own row.
    let runs = history(&world);
    assert_eq!((runs.len(), &runs[0]["outcome"], &runs[0]["rows"]), (1, &json!("each"), &json!(200)));
    assert_eq!((&runs[0]["proven"], &runs[0]["contradicted"]), (&json!(true), &json!(false)));
    let one = world
        .quill_admin(["history", "-e", "staging", "--user", "user17", "--json"])
        .output()
        .exits(0)
        .json();
    let run = &one["runs"][0];
    assert_eq!(
        (&run["user"], &run["row_number"], &run["outcome"]),
        (&json!("user17"), &json!(18), &json!("updated"))
    );
    assert_eq!((&run["proven"], &run["contradicted"]), (&json!(true), &json!(false)), "{run}");
    let refused = world.quill_admin(["undo", &newest(&world), "-e", "staging"]).output().exits(2);
    assert!(refused.stderr.contains("was run for many rows"), "{refused}");
}

#[test]
fn twenty_faults_are_told_at_once_and_nothing_is_started() {
    let world = World::empty();
    let mut table = String::from("username;email;permission;role;password\r\n");
    let rows = [
        "ok1;ok1@example.org;staff;Clinician;",
        ";two@example.org;staff;Clinician;",
        "three;three;staff;Clinician;",
        "four;four@example.org;boss;Clinician;",
        "five;five@example.org;;Clinician;",
        "six;six@example.org;staff;Clinician|Clinician;",
        "seven;seven@example.org;staff;Clinician;short",
        "eight;eight@example.org;staff;Clinician;eight eight eight",
        "ok1;nine@example.org;staff;Clinician;",
        "te\u{200b}n;ten@example.org;staff;Clinician;",
        "eleven;a@b;c;staff;Clinician;;more",
    ];
    // Each of these has one fault but the first.
    for row in rows {
        table.push_str(row);
        table.push_str("\r\n");
    }
    for at in 12..=21 {
        let _ = write!(table, "user{at};user{at};staff;Clinician;\r\n");
    }
    world.home.write("class.csv", &table);
    let local = ["each", "create-user", "-e", "local", "--from", "class.csv", "--results", "class.results"];
    let refused = world.quill_admin(local).output().exits(2);
    assert!(refused.stderr.contains("20 mistakes; nothing was started"), "{refused}");
    for line in 3..=22 {
        assert!(refused.stderr.contains(&format!("class.csv:{line}: ")), "line {line}: {refused}");
    }
    for what in [
        "class.csv:3: there is no username",
        "class.csv:5: unknown permission level \"boss\"",
        "class.csv:10: ok1 stands on line 2 already",
        "class.csv:12: the row has 7 cells and the header 5",
    ] {
        assert!(refused.stderr.contains(what), "{what}: {refused}");
    }
    assert!(!refused.stderr.contains("eight eight eight"), "{refused}");
    assert!(!world.home.work().join("class.results").exists());
    assert!(!world.home.work().join(".quill-admin").exists(), "not even the environment was opened");
    // A header that is not the action's.
    world.home.write("class.csv", "user,email,permission\nada,a@example.org,staff\n");
    let refused = world.quill_admin(local).output().exits(2);
    let template = "next: print a header to fill in: quill-admin each create-user --template";
    assert!(refused.stderr.contains(template), "{refused}");
    for what in ["create-user has no \"user\"", "the column \"username\" is missing", "the column \"role\""] {
        assert_eq!(refused.stderr.contains(what), what != "the column \"role\"", "{what}: {refused}");
    }
    for (args, what) in [
        (&["each", "list-users"][..], "it makes a list itself"),
        (&["each", "create-usr"], "did you mean \"create-user\"?"),
        (&["each", "create-user", "--expect", "x"], "each row has its own"),
        (
            &["each", "create-user", "--from", "none.csv", "--results", "r", "-e", "local"],
            "none.csv: failed to read it",
        ),
        (&["each", "create-user", "--results", "r", "-e", "local"], "missing: --from"),
        (&["each", "create-user", "--from", "class.csv", "-e", "local"], "missing: --results"),
    ] {
        let refused = world.quill_admin(args.iter().copied()).output().exits(2);
        assert!(refused.stderr.contains(what), "{what}: {refused}");
    }
    assert_eq!(
        world.quill_admin(["each", "deactivate", "--template"]).output().exits(0).stdout,
        "username\n"
    );
}

#[test]
fn rows_that_fail_are_told_and_tried_again_by_the_same_command() {
    needs_postgres!();
    let world = world();
    class(&world, 3);
    world.database().execute("DELETE FROM roles WHERE name = 'Patient'");
    let failed = create(&world).arg("--json").output().exits(32);
    assert_eq!(rows(&failed).iter().map(|row| row.2).collect::<Vec<_>>(), [Some(11); 3], "{failed}");
    world.database().execute("INSERT INTO roles (name) VALUES ('Patient')");
    insert(&world, "SELECT 'user2' AS name");
    let failed = create(&world).output().exits(32);
    assert!(failed.stdout.contains("2 of 3 rows done, 1 failed in staging"), "{failed}");
    assert!(failed.stdout.contains("3     user2     failed (12): there is a user user2 already"), "{failed}");
    assert!(failed.stderr.contains("run the same command again"), "{failed}");
    world.database().execute("DELETE FROM users WHERE username = 'user2'");
    let done = create(&world).output().exits(0);
    assert!(done.stdout.contains("3 of 3 rows done"), "{done}");
    assert_all_are_there(&world, 3, "");
    assert_eq!(world.runs(), 3);
}

#[test]
fn a_results_file_is_of_one_run() {
    needs_postgres!();
    let world = world();
    class(&world, 1);
    let _ = create(&world).output().exits(0);
    let refused = |change: &dyn Fn(), what: &str| {
        change();
        let refused = create(&world).output().exits(2);
        assert!(refused.stderr.contains(what) && refused.stderr.contains("nothing was started"), "{refused}");
    };
    refused(&|| class(&world, 2), "is of another table");
    class(&world, 1);
    let other =
        ["each", "verify-email", "-e", "staging", "--from", "names.csv", "--results", "class.results"];
    world.home.write("names.csv", "username\nuser1\n");
    let another = world.quill_admin(other).output().exits(2);
    assert!(another.stderr.contains("the results file is of create-user"), "{another}");
    // It is told of a file that others can read, too.
    let table = world.quill_admin(["each", "--table", "names.csv"]).output().exits(2);
    assert!(table.stderr.contains("names.csv: it is no results file"), "{table}");
    let whole = world.home.read("class.results");
    refused(&|| world.home.write("class.results", "something else\n"), "it is no results file");
    refused(
        &|| world.home.write("class.results", &whole.replacen("{\"row\"", "{\"rov\"", 1)),
        "line 2 of it is damaged",
    );
    // A line that was not written to its end is the last one, and is left out.
    world.home.write("class.results", &format!("{whole}{{\"known\":{{\"ro"));
    let _ = create(&world).output().exits(0);
    assert_eq!(world.home.read("class.results"), whole);
    assert_eq!(world.runs(), 1);
}

/// The rows are sent with the hashes of the results file: another password would be lost.
#[test]
fn other_passwords_need_another_results_file() {
    needs_postgres!();
    let world = world();
    let table = |password: &str| {
        let rows = format!("ada,a@example.org,staff,Clinician,{password}\n");
        world.home.write("class.csv", &format!("username,email,permission,role,password\n{rows}"));
    };
    let create = |more: &[&str]| {
        let each =
            ["each", "create-user", "-e", "staging", "--from", "class.csv", "--results", "class.results"];
        world.quill_admin(each.into_iter().chain(more.iter().copied())).output()
    };
    world.database().execute("DELETE FROM roles");
    table("gorilla teapot lamp 44");
    let failed = create(&[]).exits(32);
    assert!(!failed.to_string().contains("gorilla"), "{failed}");
    assert!(world.home.files_with("gorilla") == [world.home.work().join("class.csv")]);
    table("walrus teapot lamp 44");
    let refused = create(&[]).exits(2);
    assert!(refused.stderr.contains("class.csv:2: the password is not the one"), "{refused}");
    table("");
    let refused = create(&["--generate-passwords"]).exits(2);
    assert!(
        refused.stderr.contains("with passwords in the table, and this one is with --generate"),
        "{refused}"
    );
    // A password that was not set is not handed out.
    world.home.write("other.csv", "username,email,permission,role\nbo,b@example.org,staff,Clinician\n");
    let other = ["each", "create-user", "-e", "staging", "--from", "other.csv", "--results", "other.results"];
    let _ = world.quill_admin(other.into_iter().chain(["--generate-passwords"])).output().exits(32);
    let table = world.quill_admin(["each", "--table", "other.results"]).output().exits(0).stdout;
    assert!(table.contains("\n2,bo,b@example.org,staff,patient,Clinician,,failed,11,"), "{table}");
    assert_eq!(world.runs(), 2);
}

#[test]
fn the_files_are_asked_for_where_no_flag_names_them() {
    needs_postgres!();
    let world = world();
    insert(&world, "SELECT 'user' || n AS name FROM generate_series(1, 3) AS n");
    world.home.write("class.csv", "username\nuser1\nuser3\n");
    let each = ["each", "deactivate", "-e", "staging"];
    let refused = world.quill_admin(each).output().exits(2);
    assert!(
        refused.stderr.contains("missing: --from, --results (there is no terminal to ask at)"),
        "{refused}"
    );
    let mut terminal = world.quill_admin(each).terminal();
    terminal.expect("Table (a CSV file)").type_line("").expect("type the path of a table");
    terminal.type_line("clas.csv").expect("there is no file clas.csv");
    terminal.type_line("class.csv").expect("Enter alone: class.results").type_line("none/class.results");
    terminal.expect("there is no folder to make").type_line("class.csv");
    terminal.expect("it is no results file of this command").type_line("");
    terminal.expect("rows             2").expect("class.results").expect("Run it? [y/N]").type_line("y");
    terminal.expect("2 of 2 rows done in staging");
    assert_eq!(terminal.wait().code(), 0);
    assert!(world.home.work().join("class.results").exists());
    assert_eq!(
        world.database().value("SELECT string_agg(username, ' ') FROM users WHERE is_active"),
        Some("user2".to_owned())
    );
    // Ctrl-D at the question of a file starts nothing.
    let mut terminal = world.quill_admin(each).terminal();
    terminal.expect("Table (a CSV file)").ctrl_d();
    assert_eq!(terminal.wait().code(), 130);
    assert_eq!(world.runs(), 1);
}

#[test]
fn the_history_lists_the_rows_below_their_run() {
    needs_postgres!();
    let world = world();
    class(&world, 2);
    insert(&world, "SELECT 'user2' AS name");
    let _ = create(&world).output().exits(32);
    let history = |args: &[&str]| {
        world.quill_admin(["history", "-e", "staging"].into_iter().chain(args.iter().copied())).output()
    };
    let plain = history(&[]).exits(0).stdout;
    assert!(plain.contains("1 of 2 done (32)  create-user (2 rows)") && !plain.contains("user1"), "{plain}");
    let shown = history(&["-v"]).exits(0).stdout;
    assert!(
        shown.contains("\n    line 2  user1  created")
            && shown.contains("\n    line 3  user2  failed (12)\n"),
        "{shown}"
    );
    let table = history(&["--csv"]).exits(0).stdout;
    let lines: Vec<&str> = table.lines().collect();
    let [header, run, first, second] = lines[..] else { panic!("{table}") };
    assert!(header.ends_with(",image,row_number") && run.contains(",each,"), "{table}");
    assert!(first.contains(",user1,created,") && first.ends_with(",2"), "{table}");
    assert!(second.contains(",user2,failed,") && second.ends_with(",3"), "{table}");
    let document = history(&["-v", "--json"]).exits(0).json();
    let row = &document["runs"][0]["each_row"][1];
    assert_eq!(
        (&row["user"], &row["exit_code"], &row["record"]),
        (&json!("user2"), &json!(12), &json!("proven"))
    );
    let _ = history(&["--html", "runs.html"]).exits(0);
    let page = world.home.read("runs.html");
    assert!(page.contains("\"outcome\":\"1 of 2 done\"") && page.contains("\"row_number\":3"), "{page}");
}

/// More rows than fit into one execution; between the two somebody changes the job.
#[test]
fn what_was_done_is_told_when_a_later_part_cannot_be_started() {
    needs_postgres!();
    let world = world();
    let name = |at: u32| format!("{at:04}{}", "x".repeat(146));
    insert(
        &world,
        "SELECT lpad(n::text, 4, '0') || repeat('x', 146) AS name FROM generate_series(1, 800) AS n",
    );
    let all: Vec<String> = (1..=800).map(name).collect();
    world.home.write("class.csv", &format!("username\n{}\n", all.join("\n")));
    let off = ["each", "deactivate", "-e", "staging", "--from", "class.csv", "--results", "class.results"];
    let active =
        || world.database().value("SELECT count(*)::text FROM users WHERE is_active").expect("a number");
    let broken = thread::scope(|scope| {
        let first = scope.spawn(|| world.quill_admin(off).limit(Duration::from_mins(3)).output());
        wait_until("the first part runs", || active() != "800");
        change_job(&world, |job| job["template"]["template"]["timeout"] = json!("299s"));
        first.join().expect("it ends")
    });
    let broken = broken.exits(23);
    assert!(
        broken.stderr.contains("somebody changed the job")
            && broken.stderr.contains("nothing more was started"),
        "{}",
        broken.stderr
    );
    let left: u32 = active().parse().expect("a number");
    assert!((1..800).contains(&left), "{left}");
    assert!(
        broken.stdout.contains(&format!("{} of 800 rows done, {left} not begun", 800 - left)),
        "{}",
        broken.stdout
    );
    let rest = world.quill_admin(off).limit(Duration::from_mins(3)).output().exits(0);
    assert!(
        rest.stdout.contains(&format!("800 of 800 rows done ({} of them before)", 800 - left)),
        "{}",
        rest.stdout
    );
    assert_eq!((active().as_str(), world.runs()), ("0", 2));
}

#[test]
fn a_preview_is_shown_and_what_is_agreed_to_is_run() {
    needs_postgres!();
    let world = world();
    class(&world, 3);
    insert(&world, "SELECT 'user2' AS name");
    // In a pipe it is a look, which leaves nothing behind.
    let looked = create(&world).arg("--preview").output().exits(32);
    assert!(
        looked.stdout.contains("2 of 3 rows previewed, 1 failed; nothing was changed in staging"),
        "{looked}"
    );
    assert!(looked.stdout.contains("2     user1     would be created"), "{looked}");
    assert!(!world.home.work().join("class.results").exists());
    let mut terminal = create(&world).arg("--preview").terminal();
    terminal
        .expect("2 of 3 rows previewed")
        .expect("Run the other rows exactly so now? One row would fail. [y/N]");
    assert!(!world.home.work().join("class.results").exists());
    terminal.type_line("y").expect("2 of 3 rows done, 1 failed").expect("failed (12)");
    assert_eq!(terminal.wait().code(), 32);
    assert_eq!(world.database().value("SELECT count(*)::text FROM users"), Some("3".to_owned()));
    // The preview, the preview and the run: one execution each.
    assert_eq!(world.runs(), 3);
}

#[test]
fn all_or_none() {
    needs_postgres!();
    let world = world();
    class(&world, 3);
    insert(&world, "SELECT 'user3' AS name");
    let failed = create(&world).arg("--atomic").output().exits(32);
    assert!(failed.stdout.contains("0 of 3 rows done, 1 failed, 2 not done"), "{failed}");
    assert_eq!(world.database().value("SELECT count(*)::text FROM users"), Some("1".to_owned()));
    world.database().execute("DELETE FROM users");
    let _ = create(&world).arg("--atomic").output().exits(0);
    assert_all_are_there(&world, 3, "");
}

#[test]
fn a_dry_run_and_no_at_the_question_start_nothing() {
    needs_postgres!();
    let world = world();
    class(&world, 2);
    let dry =
        ["each", "create-user", "-e", "staging", "--from", "class.csv", "--generate-passwords", "--dry-run"];
    let dry = world.quill_admin(dry).output().exits(0);
    assert!(dry.stdout.contains("  rows             2\n") && !dry.stdout.contains("argon2"), "{dry}");
    let mut terminal = create(&world).terminal();
    terminal.expect("rows             2").expect("Run it? [y/N]").type_line("");
    assert_eq!(terminal.wait().code(), 130);
    assert!(!world.home.work().join("class.results").exists());
    assert_eq!(world.database().value("SELECT count(*)::text FROM users"), Some("0".to_owned()));
}

/// Without the flag, nobody knows the passwords that are set: a person is told that before agreeing, and afterwards.
#[test]
fn passwords_that_nobody_knows_are_told_with_how_to_set_them() {
    needs_postgres!();
    let world = world();
    class(&world, 1);
    let create = |more: &[&str]| {
        let words = CREATE.iter().copied().filter(|word| *word != "--generate-passwords");
        world.quill_admin(words.chain(more.iter().copied())).output()
    };
    let done = create(&[]).exits(0);
    assert!(done.stderr.contains("  passwords        ones that nobody knows"), "{done}");
    assert!(done.stderr.contains("warning: nobody knows the passwords that were set"), "{done}");
    let set = "quill-admin each set-password --env staging --from TABLE --results FILE --generate-passwords";
    assert!(done.stderr.contains(set), "{done}");
    // The flag that a run was begun with is part of it.
    let refused = create(&["--generate-passwords"]).exits(2);
    assert!(refused.stderr.contains("to go on with it, leave out --generate-passwords"), "{refused}");
    let refused = create(&["--atomic"]).exits(2);
    assert!(refused.stderr.contains("to go on with it, leave out --atomic"), "{refused}");
}

/// No row was begun where the container never ran, and that is known.
#[test]
fn rows_of_a_container_that_never_ran_are_not_begun() {
    let world = World::without_program();
    world.home.write("class.csv", "username\nada\nbo\n");
    let off = ["each", "deactivate", "-e", "staging", "--from", "class.csv", "--results", "class.results"];
    for runs in 1..=2 {
        let broken = world.quill_admin(off).output().exits(24);
        assert!(broken.stdout.contains("0 of 2 rows done, 2 not begun"), "{broken}");
        assert!(!broken.to_string().contains("not known"), "{broken}");
        // The next command has nothing to find out.
        assert_eq!(world.runs(), runs, "{broken}");
    }
}

/// The answer to the start is lost: the part is found by its id.
#[test]
fn a_lost_answer_starts_nothing_twice() {
    needs_postgres!();
    let world = world();
    class(&world, 2);
    world.emulator.set_faults([Fault::new("*:run", FaultAction::ResetAfter).method("POST").times(1)]);
    let _ = create(&world).output().exits(0);
    assert_eq!(world.emulator.executions(JOB).len(), 1);
    assert_all_are_there(&world, 2, "");
}

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// The laptop is killed somewhere, from the first request on; the cloud goes on. The same command again comes to the
/// end.
#[test]
fn a_killed_laptop_loses_no_password_and_repeats_no_row() {
    needs_postgres!();
    let mut random = fastrand::Rng::with_seed(11);
    for kill in 0..number("QUILL_ADMIN_TEST_CASES", KILLS).min(KILLS) {
        let world = world();
        class(&world, 3);
        let mut child = create(&world)
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        // From the moment in which the results file is there, which is when there is something to lose.
        wait_until("the results file", || world.home.work().join("class.results").exists());
        thread::sleep(Duration::from_millis(random.u64(0..700)));
        let _ = child.kill();
        let _ = child.wait();
        let before = kept(&world);
        let done = create(&world).output().exits(0);
        assert!(done.stdout.contains("3 of 3 rows done"), "kill {kill}: {done}");
        assert_eq!(kept(&world), before, "kill {kill}: the passwords are those from before");
        assert_all_are_there(&world, 3, &format!("kill {kill}"));
        world.idle();
        assert_eq!(world.emulator.executions(JOB).len(), 1, "kill {kill}: {done}");
    }
}

/// The container is killed while it saves a row, or shortly after that. The same command again runs the others, and
/// none twice.
#[test]
fn a_killed_container_is_gone_on_with() {
    needs_postgres!();
    let mut random = fastrand::Rng::with_seed(13);
    let kills = number("QUILL_ADMIN_TEST_CASES", KILLS).min(KILLS);
    let plans: Vec<(u8, f64)> = (0..kills)
        .map(|kill| {
            let at = random.u8(1..=8);
            // COMMIT of that row takes half a second, so that a kill is in time on a busy machine, too.
            (at, if kill % 2 == 0 { 0.0 } else { 0.45 + 0.1 * random.f64() })
        })
        .collect();
    // They mostly wait.
    let killed: usize = plans
        .chunks(5)
        .map(|plans| {
            thread::scope(|scope| {
                let runs: Vec<_> = plans
                    .iter()
                    .map(|(at, delay)| scope.spawn(|| is_killed_and_gone_on_with(*at, *delay)))
                    .collect();
                runs.into_iter()
                    .map(|run| usize::from(run.join().expect("all rows are there")))
                    .sum::<usize>()
            })
        })
        .sum();
    assert!(killed * 2 >= kills, "{killed} of {kills} were killed in time");
}

/// Has a container killed this many seconds after it has said that it saves a row, and goes on; whether the kill
/// was in time.
fn is_killed_and_gone_on_with(at: u8, delay: f64) -> bool {
    let about = format!("killed at row {at} after {delay:.3} s");
    // The first container is killed when it has said that it saves row `at`. The word comes before COMMIT, so it
    // is killed before or after it.
    let scratch = Home::new();
    let world = World::with_database_and_script(
        Database::create(Generation::August2026),
        &format!(
            "mkfifo {folder}/lines 2> {folder}/before || exec \"$1\"; \"$1\" > {folder}/lines & pid=$!; \
             while IFS= read -r line; do printf '%s\\n' \"$line\"; \
             case $line in *'\"saving row {line}\"'*) sleep {delay:.3}; kill -9 $pid ;; esac; \
             done < {folder}/lines; wait $pid",
            folder = scratch.work().display(),
            // The header is the first line.
            line = at + 1,
        ),
    );
    world.database().execute(&format!(
        "CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END'; \
         CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW WHEN (NEW.username = 'user{at}') EXECUTE FUNCTION linger()"
    ));
    class(&world, 8);
    let mut last = create(&world).output();
    // A kill that comes too late finds nobody.
    let is_killed = last.code() != 0;
    for _ in 0..3 {
        last = create(&world).output();
        if last.code() == 0 {
            break;
        }
    }
    assert!(last.stdout.contains("8 of 8 rows done"), "{about}: {last}");
    assert_all_are_there(&world, 8, &about);
    is_killed
}
