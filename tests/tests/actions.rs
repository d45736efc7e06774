//! `actions`, `actions check` and `actions test`: the application's folder, listed, judged and run.

use std::fs;
use std::path::Path;

use quill_admin_e2e::{Finished as _, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::MARCH_2026;
use serde_json::{Value, json};

/// A file of this repository's folder `application/`.
pub(crate) fn shipped(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../application").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Copies the repository's folder `application/`, with additional lines at the end of its actions; returns
/// the SQL that makes its tables.
pub(crate) fn application(world: &World, folder: &str, more: &str) -> String {
    let schema = shipped("schema.sql");
    world.home.write(format!("{folder}/actions.yaml"), &format!("{}{more}", shipped("actions.yaml")));
    world.home.write(format!("{folder}/schema.sql"), &schema);
    world.home.write(format!("{folder}/seed.sql"), &shipped("seed.sql"));
    schema
}

fn check(world: &World, args: &[&str]) -> Output {
    world.quill_admin(["actions", "check"]).args(args.iter().copied()).output()
}

/// The place of a text in the actions of a folder, as `LINE:COLUMN`.
fn place(world: &World, folder: &str, text: &str) -> String {
    let file = world.home.read(format!("{folder}/actions.yaml"));
    let at = file.find(text).unwrap_or_else(|| panic!("there is no {text:?}"));
    let line = file[..at].matches('\n').count() + 1;
    let column = file[..at].chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{line}:{column}")
}

/// Replaces a text, which has to be there, in the actions of a folder.
fn replace(world: &World, folder: &str, from: &str, to: &str) {
    let name = format!("{folder}/actions.yaml");
    let file = world.home.read(&name);
    assert!(file.contains(from), "there is no {from:?}");
    world.home.write(&name, &file.replacen(from, to, 1));
}

fn errors(output: &Output) -> Vec<&str> {
    output.stderr.lines().filter_map(|line| line.strip_prefix("error: ")).collect()
}

#[test]
fn actions_are_listed_from_the_folder_that_is_chosen() {
    let world = World::empty();
    let list = |args: &[&str]| {
        let output = world.quill_admin(["actions", "--json"]).args(args.iter().copied()).output().exits(0);
        output.json()
    };
    let built_in = list(&[]);
    assert_eq!(built_in["application"], Value::Null);
    let first = &built_in["actions"][0];
    assert_eq!((&first["name"], &first["alias"]), (&json!("create-superadmin"), &json!("cs")));
    assert_eq!(first["effect"], "writes");
    assert_eq!(first["digest"].as_str().map(str::len), Some(64));
    let shown = built_in["actions"].as_array().expect("a list").iter().find(|one| one["name"] == "show-user");
    assert_eq!(shown.expect("there")["effect"], "reads");

    let more = "\n  count-roles:\n    about: counts roles\n    read: true\n    rows: { sql: SELECT count(*) AS roles FROM \
                roles, max: 1 }\n";
    application(&world, "app", more);
    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{file}"));
    let newest =
        |document: &Value| document["actions"].as_array().and_then(|list| list.last()).expect("some").clone();
    let of_file = list(&[]);
    assert_eq!(newest(&of_file)["name"], "count-roles");
    assert_eq!(of_file["application"], world.home.work().join("app").to_string_lossy().as_ref());
    assert_eq!(of_file["actions"][0], *first, "the same action has the same digest");

    // The flag takes precedence over the file, and works without one.
    application(&world, "other", "");
    assert_eq!(list(&["--application", "other"])["actions"], built_in["actions"]);
    fs::remove_file(world.home.work().join("environments.yaml")).expect("removed");
    let alone = world.home.quill_admin(["actions", "--application", "app"]).output().exits(0);
    let row = alone.stdout.lines().find(|line| line.starts_with("count-roles ")).expect("a row");
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words[1], "reads");
    assert_eq!(words[2].len(), 12, "{row}");
    assert!(row.ends_with("counts roles"), "{row}");
    let nowhere = world.home.quill_admin(["actions"]).output().exits(0);
    assert!(nowhere.stdout.ends_with("\nfrom application, built into this program\n"), "{nowhere}");
}

#[test]
fn actions_that_fit_are_counted_and_nothing_is_left_behind() {
    let world = World::empty();
    let checked = check(&world, &["--json"]).exits(0).json();
    let actions = world.quill_admin(["actions", "--json"]).output().exits(0).json();
    // A job of the application's has no statements.
    let with_statements =
        actions["actions"].as_array().expect("a list").iter().filter(|one| one["effect"] != "job");
    assert_eq!(checked["actions"], with_statements.count());
    assert!(checked["statements"].as_u64() > Some(40), "{checked}");
    assert_eq!((&checked["tables"], &checked["left_out"]), (&json!("application/schema.sql"), &json!([])));

    // A dump of an older database: actions whose own conditions exclude it are left out, and named.
    let temporary = world.home.path().join("temporary");
    fs::create_dir(&temporary).expect("made");
    world.home.write("march.sql", &format!("\\restrict x\n{MARCH_2026}\\unrestrict x\n"));
    let checked = world
        .quill_admin(["actions", "check", "--schema", "march.sql"])
        .env("TMPDIR", &temporary)
        .output()
        .exits(0);
    assert!(checked.stdout.contains("actions fit the tables of march.sql: "), "{checked}");
    let left_out = "not for these tables: verify-email, which needs column users.email_verified";
    assert!(checked.stdout.contains(left_out), "{checked}");
    assert_eq!(fs::read_dir(&temporary).expect("there").count(), 0);
    // A person's own local environment is not touched.
    assert!(!world.home.work().join(".quill-admin").exists());
}

#[test]
fn all_mistakes_of_a_file_are_told_at_once_with_their_places() {
    let world = World::empty();
    application(&world, "app", "");
    replace(&world, "app", "  add-role:\n    alias: ar", "  add-role:\n    alais: ar");
    replace(&world, "app", "needs: column users.email_verified", "needs: column users.email_verifed");
    for command in [&["actions"][..], &["actions", "check"]] {
        let refused =
            world.quill_admin(command.iter().copied()).args(["--application", "app"]).output().exits(2);
        let file = world.home.work().join("app/actions.yaml").display().to_string();
        let told = errors(&refused);
        assert_eq!(told.len(), 2, "{refused}");
        let alias = format!("{file}:{}: unknown key \"alais\"", place(&world, "app", "alais: ar"));
        assert!(told[0].starts_with(&alias) && told[0].ends_with("did you mean \"alias\"?"), "{refused}");
        let column = format!("{file}:{}: ", place(&world, "app", "column users.email_verifed"));
        assert!(told[1].starts_with(&column) && told[1].contains("email_verifed"), "{refused}");
    }
    // A file with mistakes is in the way of its actions only.
    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{file}"));
    let _ = world.quill_admin(["envs"]).output().exits(0);
    let _ = world.quill_admin(["check", "-e", "local"]).output().exits(0);
}

#[test]
fn statements_that_do_not_fit_are_told_with_action_step_and_place() {
    let world = World::empty();
    application(&world, "app", "");
    replace(&world, "app", "SET is_active = false", "SET is_activ = false");
    replace(&world, "app", "is_totp_enabled AS totp_enabled", "is_totp AS totp_enabled");
    let refused = check(&world, &["--application", "app"]).exits(15);
    let file = world.home.work().join("app/actions.yaml").display().to_string();
    let told = errors(&refused);
    assert_eq!(told.len(), 3, "{refused}");
    let query = format!(
        "{file}:{}: column \"is_totp\" does not exist (the subject's query, of create-superadmin, ",
        place(&world, "app", "is_totp AS")
    );
    assert!(told[0].starts_with(&query), "{refused}");
    let step = format!(
        "{file}:{}: column \"is_activ\" of relation \"users\" does not exist (step 2 of deactivate)",
        place(&world, "app", "is_activ = false")
    );
    assert_eq!(told[1], step, "{refused}");
    assert!(
        told[2].contains("do not fit the tables of ") && told[2].ends_with("nothing was changed anywhere")
    );
    let document = check(&world, &["--application", "app", "--json"]).exits(15).json();
    assert_eq!(document["error"]["messages"].as_array().map(Vec::len), Some(3), "{document}");
}

/// The application has changed: its new dump has another column, and lacks one.
#[test]
fn columns_that_have_come_and_gone_are_told() {
    let world = World::empty();
    let schema = application(&world, "app", "");
    let dump = schema.replace("    email varchar(255) NOT NULL UNIQUE,\n", "    country text NOT NULL,\n");
    assert_ne!(schema, dump);
    world.home.write("dump.sql", &dump);
    let refused = check(&world, &["--application", "app", "--schema", "dump.sql"]).exits(15);
    let told = errors(&refused);
    let declared = place(&world, "app", "email, password_hash");
    let gone = format!(
        "actions.yaml:{declared}: there is no column public.users.email (needed by create-superadmin, "
    );
    assert!(told.iter().any(|line| line.contains(&gone)), "{refused}");
    let come = "public.users.country is NOT NULL and has no default: give it a value, and name it in \"knows\" (for \
                the new rows of create-superadmin, create-user)";
    assert!(told.iter().any(|line| line.contains(come)), "{refused}");
    assert!(told.iter().any(|line| line.contains("column \"email\" does not exist")), "{refused}");
    let _ = check(&world, &["--application", "app"]).exits(0);
}

#[test]
fn files_that_make_no_tables_are_told_with_their_place() {
    let world = World::empty();
    application(&world, "app", "");
    let refused = check(&world, &["--schema", "none.sql"]).exits(2);
    assert!(refused.stderr.contains("failed to read none.sql: No such file"), "{refused}");
    world.home.write("dump.sql", "CREATE TABLE users (\n  id serial,\n  name varchr(9)\n);\n");
    let refused = check(&world, &["--schema", "dump.sql"]).exits(2);
    assert!(refused.stderr.contains("dump.sql:3:8: type \"varchr\" does not exist"), "{refused}");
    world.home.write("app/seed.sql", "INSERT INTO roles (nom) VALUES ('Porter');\n");
    let refused = check(&world, &["--application", "app"]).exits(2);
    assert!(refused.stderr.contains("/app/seed.sql:1:20: column \"nom\" of relation"), "{refused}");
}

const RENAME_EMAIL: &str = "
  set-email:
    alias: se
    about: sets an existing user's email
    short_about: Set a user's email
    parameters: [username, email]
    subject: { user: must exist }
    steps:
      - write: UPDATE users SET email = :email WHERE username = :username AND email IS DISTINCT FROM :email
    already: \"{username} has the email {email} already\"
";

/// Fifteen lines of the file make a command, with its help, its plan and its result.
#[test]
fn an_action_of_the_folder_is_a_command() {
    let world = World::empty();
    application(&world, "app", RENAME_EMAIL);
    let help = |args: &[&str]| world.quill_admin(args.iter().copied()).output();
    let line = "  set-email           se     Set a user's email";
    let listed = help(&["help", "tasks", "--application", "app"]).exits(0);
    assert!(listed.stdout.contains(line), "{listed}");
    assert!(help(&["--help", "--application=app"]).exits(0).stdout.contains("set-email (se)"));
    assert!(!help(&["--help"]).exits(0).stdout.contains("set-email"));
    let unknown = help(&["set-email"]).exits(2);
    assert!(unknown.stderr.contains("unrecognized subcommand 'set-email'"), "{unknown}");

    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{file}"));
    let own = help(&["set-email", "--help"]).exits(0);
    let example = "  quill-admin set-email --env staging -u steve.jones --email steve@example.org\n";
    assert!(own.stdout.contains(example), "{own}");
    let create = ["create-user", "-e", "local", "-u", "steve", "--email", "s@example.org", "-p", "staff"];
    let _ = help(&create).exits(0);
    let set = ["se", "-e", "local", "-u", "steve", "--email", "t@example.org"];
    let done = help(&set).exits(0);
    assert!(done.stderr.contains("set-email steve in local\n  email            t@example.org\n"), "{done}");
    assert!(done.stdout.contains("  changed:\n    email s@example.org → t@example.org\n"), "{done}");
    let again = help(&set).exits(0);
    assert!(again.stdout.starts_with("✔ nothing to change for steve in local"), "{again}");
    let users = help(&["list-users", "-e", "local", "--contains", "t@"]).exits(0);
    assert_eq!(users.stdout, "steve\tt@example.org\tstaff\ttrue\n");
    assert!(users.stderr.contains("✔ 1 row in local ("), "{users}");
}

#[test]
fn a_task_of_a_broken_file_ends_with_its_mistakes() {
    let world = World::empty();
    application(&world, "app", RENAME_EMAIL);
    replace(&world, "app", "    alias: se\n", "    alais: se\n");
    for command in [&["show-user", "-e", "local", "-u", "steve"][..], &["set-email"], &["se", "-u", "steve"]]
    {
        let refused =
            world.quill_admin(command.iter().copied()).args(["--application", "app"]).output().exits(2);
        assert_eq!(errors(&refused).len(), 1, "{refused}");
        assert!(errors(&refused)[0].contains("unknown key \"alais\""), "{refused}");
    }
    let json = world.quill_admin(["set-email", "--application", "app", "--json"]).output().exits(2).json();
    assert!(json["error"]["messages"][0].as_str().is_some_and(|told| told.contains("alais")), "{json}");
    let _ = world.quill_admin(["--help", "--application", "app"]).output().exits(0);
}

/// Copies the folder `application/` with the repository's cases, and one more file of them.
fn with_cases(world: &World, more: &str, cases: &str) {
    application(world, "app", more);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../application/examples");
    for entry in fs::read_dir(folder).expect("there") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        world.home.write(format!("app/examples/{name}"), &shipped(&format!("examples/{name}")));
    }
    if !cases.is_empty() {
        world.home.write("app/examples/zz.yaml", cases);
    }
}

fn run_cases(world: &World, args: &[&str]) -> Output {
    world.quill_admin(["actions", "test", "--application", "app"]).args(args.iter().copied()).output()
}

#[test]
fn the_shipped_cases_pass_and_nothing_is_left_behind() {
    let world = World::empty();
    with_cases(&world, "", "");
    let temporary = world.home.path().join("temporary");
    fs::create_dir(&temporary).expect("made");
    let tested = world
        .quill_admin(["actions", "test", "--application", "app"])
        .env("TMPDIR", &temporary)
        .output()
        .exits(0);
    assert!(tested.stdout.contains("\n✔ a role is given\n"), "{tested}");
    assert!(!tested.stdout.contains('✘'), "{tested}");
    let older = "– where the application verifies no emails, neither does this: not run, it is for tables with no \
                 column users.email_verified\n";
    assert!(tested.stdout.contains(older), "{tested}");
    assert_eq!(fs::read_dir(&temporary).expect("there").count(), 0);
    assert!(!world.home.work().join(".quill-admin").exists());

    let document = run_cases(&world, &["--json", "--case", "add-role"]).exits(0).json();
    let cases = document["cases"].as_array().expect("a list");
    assert_eq!((&document["passed"], &document["failed"]), (&json!(cases.len()), &json!(0)), "{document}");
    assert!(cases.len() >= 4 && cases.iter().all(|case| case["action"] == "add-role"), "{document}");
    assert_eq!((&cases[0]["result"], &cases[0]["problems"]), (&json!("passed"), &json!([])));
}

#[test]
fn a_case_that_comes_out_otherwise_is_told_with_what_was_expected_and_what_came() {
    let world = World::empty();
    let cases = "\
cases:
  - case: wrong about the change
    run: update-permissions
    with: { username: steve.jones, permission: admin }
    expect:
      result: updated
      says: happily
      warnings: [account_inactive]
      changes: { permission: { from: staff, to: superadmin } }
  - case: wrong about the rows
    run: update-permissions
    with: { username: steve.jones, permission: admin }
    expect:
      result: updated
      changes: { permission: { from: staff, to: admin } }
      rows: { users: [{ username: steve.jones, system_permissions: superadmin }] }
      gone: { users: [{ username: root }] }
  - case: wrong about the end
    run: add-role
    with: { username: nobody, role: Clinician }
    expect: { result: updated }
  - case: rows that do not fit
    given: { users: [{ id: 2, username: twice, email: twice@example.org }] }
    run: show-user
    with: { username: twice }
    expect: {}
  - case: right beside them
    run: activate
    with: { username: steve.jones }
    expect: { result: unchanged }
";
    with_cases(&world, "", cases);
    let failed = run_cases(&world, &[]).exits(15);
    for told in [
        "✘ wrong about the change\n",
        "zz.yaml:2:5, update-permissions\n",
        "expected a message with \"happily\" in it, came: ",
        "change of permission: expected staff → superadmin, came staff → admin\n",
        "warnings: expected account_inactive, came none\n",
        "expected one row of users with system_permissions superadmin, username steve.jones, came 0\n",
        "expected no row of users with username root, came 1\n",
        "✘ wrong about the end\n",
        "expected updated, came exit code 10: there is no user nobody",
        "✘ rows that do not fit\n",
        "its rows could not be put there: duplicate key value violates unique constraint",
        "✔ right beside them\n",
        " passed, 4 failed, ",
    ] {
        assert!(failed.stdout.contains(told), "{told}\n{failed}");
    }
    let document = run_cases(&world, &["--json", "--case", "wrong about the end"]).exits(15).json();
    assert_eq!((&document["exit_code"], &document["cases"][0]["result"]), (&json!(15), &json!("failed")));
    let _ = run_cases(&world, &["--case", "right beside"]).exits(0);
}

#[test]
fn a_write_that_is_not_guarded_is_found_by_the_second_run() {
    let world = World::empty();
    let more = "
  shut:
    about: shuts an account
    parameters: [username]
    subject: { user: must exist }
    steps:
      - write: UPDATE users SET is_active = false WHERE username = :username
  log-out:
    about: ends all sessions
    parameters: [username]
    subject: { user: must exist }
    steps:
      - write: UPDATE users SET token_version = token_version + 1 WHERE username = :username
";
    let case = |name: &str, action: &str, more: &str| {
        format!(
            "  - {{ case: {name}, run: {action}, with: {{ username: steve.jones }}, expect: {{ result: updated }}{more} }}\n"
        )
    };
    let cases = [
        "cases:\n".to_owned(),
        case("it is shut", "shut", ""),
        case("they are out", "log-out", ""),
        case("they are out each time", "log-out", ", repeats: false"),
    ]
    .concat();
    with_cases(&world, more, &cases);
    let failed = run_cases(&world, &[]).exits(15);
    assert!(
        failed.stdout.contains("✘ it is shut\n") && failed.stdout.contains("✘ they are out\n"),
        "{failed}"
    );
    assert!(failed.stdout.contains("✔ they are out each time\n"), "{failed}");
    for told in [
        "run a second time: expected unchanged, came exit code 15: ",
        "a write of shut is not guarded: ",
        "run a second time: expected unchanged, came updated: ",
        "a write of log-out is not guarded: ",
    ] {
        assert!(failed.stdout.contains(told), "{told}\n{failed}");
    }
}

#[test]
fn where_nothing_is_tested_that_is_said_and_is_no_success() {
    let world = World::empty();
    let built_in = world.quill_admin(["actions", "test"]).output().exits(2);
    assert!(built_in.stderr.contains("nothing was tested"), "{built_in}");
    assert!(built_in.stderr.contains("quill-admin actions test --application FOLDER"), "{built_in}");
    application(&world, "app", "");
    let none = run_cases(&world, &[]).exits(2);
    assert!(
        none.stderr.contains("there is no folder ")
            && none.stderr.contains("app/examples; nothing was tested")
    );
    world.home.write("app/examples/given.yaml", &shipped("examples/given.yaml"));
    let none = run_cases(&world, &[]).exits(2);
    assert!(none.stderr.contains("there are no cases in "), "{none}");
    with_cases(&world, "", "cases:\n  - { case: x, run: add-rol, expect: {} }\n");
    let broken = run_cases(&world, &[]).exits(2);
    assert!(broken.stderr.contains("zz.yaml:2:21: unknown action \"add-rol\""), "{broken}");
    with_cases(&world, "", "cases:\n  - { case: x, run: seed-roles, expect: {} }\n");
    let other = run_cases(&world, &["--case", "y and z"]).exits(2);
    assert!(other.stderr.contains("none has \"y and z\" in its name; nothing was tested"), "{other}");
}

/// The steps of the page about writing actions can be followed to the end.
#[test]
fn what_the_page_about_writing_actions_shows_passes() {
    let world = World::empty();
    let page = shipped("../docs/writing-actions.md");
    let blocks: Vec<&str> = page
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("the block's end").0)
        .collect();
    let actions: Vec<&str> = blocks
        .iter()
        .copied()
        .filter(|block| block.lines().nth(1).is_some_and(|l| l.contains("about:")))
        .collect();
    let cases: Vec<&str> = blocks.iter().copied().filter(|block| block.starts_with("cases:\n")).collect();
    assert_eq!((actions.len(), cases.len()), (3, 1), "{blocks:#?}");
    with_cases(&world, &format!("\n{}\n", actions.join("\n")), cases[0]);
    let checked = check(&world, &["--application", "app"]).exits(0);
    assert!(checked.stdout.contains("actions fit the tables of "), "{checked}");
    let document = run_cases(&world, &["--json", "--case", "set-profession"]).exits(0).json();
    assert_eq!(document["passed"], cases[0].matches("- case:").count(), "{document}");
    let _ = world.quill_admin(["count-users", "-e", "local", "--application", "app"]).output().exits(0);
}

const SUSPEND: &str = "
  suspend:
    about: closes an existing user's account, and records why
    short_about: Close a user's account
    parameters:
      username:
      ground: { type: one_of, values: { fraud: , left: , other: }, recorded: true }
      reviewed_by: { type: text, max: 40, many: true, optional: true, recorded: true }
    subject: { user: must exist }
    steps:
      - write: UPDATE users SET is_active = false WHERE username = :username AND is_active
    already: \"{username} is closed already\"
";

/// Nobody can log in with a password that nobody knows, so the next command is named before and after: whatever
/// action of the file that is.
#[test]
fn a_password_that_nobody_knows_is_told_with_the_command_that_sets_one() {
    let world = World::empty();
    application(&world, "app", SUSPEND);
    replace(&world, "app", "\n  set-password:\n", "\n  new-password:\n");
    let create = |name: &str, more: &[&str]| {
        let email = format!("{name}@example.org");
        let args = ["create-user", "-e", "local", "-u", name, "--email", &email, "-p", "staff"];
        world.quill_admin(args).args(more.iter().copied()).output().exits(0)
    };
    let set = "quill-admin set-password --env local --username steve\n";
    let told = create("steve", &[]);
    assert!(
        told.stderr
            .contains(&format!("\n  password         one that nobody knows; set one afterwards with: {set}")),
        "{told}"
    );
    let warned = format!("warning: nobody knows the password that was set\n next: set one with: {set}");
    assert!(told.stderr.ends_with(&warned), "{told}");
    let json = create("anna", &["--json"]).json();
    assert_eq!(json["hints"], json!(["set one with: quill-admin set-password --env local --username anna"]));
    let known = create("bert", &["--generate-password"]);
    assert!(!known.stderr.contains("nobody knows"), "{known}");

    let renamed = create("carl", &["--application", "app"]);
    let set = "set one with: quill-admin new-password --env local --username carl --application app\n";
    assert!(renamed.stderr.ends_with(set), "{renamed}");
    let preview = create("dora", &["--preview"]);
    assert!(preview.stderr.contains("password         one that nobody knows; set one"), "{preview}");
    assert!(!preview.stderr.contains("warning: nobody knows"), "{preview}");
}

/// A value that no statement uses is in the request, the plan, the record and the history.
#[test]
fn a_value_that_is_only_recorded_is_a_value_like_others() {
    let world = World::empty();
    let cases = "\
cases:
  - case: an account is closed
    run: suspend
    with: { username: steve.jones, ground: left }
    expect:
      result: updated
      changes: { active: { from: true, to: false } }
";
    with_cases(&world, SUSPEND, cases);
    let _ = run_cases(&world, &["--case", "suspend"]).exits(0);
    let file = world.home.read("environments.yaml");
    world.home.write("environments.yaml", &format!("application: app\n{file}"));
    let run = |args: &[&str]| world.quill_admin(args.iter().copied()).output();
    let _ = run(&["create-user", "-e", "local", "-u", "steve", "--email", "s@example.org", "-p", "staff"])
        .exits(0);

    let unknown = run(&["suspend", "-e", "local", "-u", "steve", "--ground", "frod"]).exits(2);
    assert!(unknown.stderr.contains("fraud, left, other"), "{unknown}");
    let suspend = [
        "suspend",
        "-e",
        "local",
        "-u",
        "steve",
        "--ground",
        "left",
        "--reviewed-by",
        "ada",
        "--reviewed-by",
        "bo",
    ];
    let planned = world.quill_admin(suspend).args(["--dry-run", "--json"]).output().exits(0).json();
    assert_eq!(
        (&planned["request"]["ADMIN_GROUND"], &planned["request"]["ADMIN_REVIEWED_BY"]),
        (&json!("left"), &json!("ada\nbo")),
        "{planned:#}"
    );
    let done = world.quill_admin(suspend).args(["--reason", "ticket 7"]).output().exits(0);
    assert!(done.stderr.contains("\n  ground           left\n  reviewed by      ada, bo\n"), "{done}");
    let recorded = json!({"ground": "left", "reviewed_by": ["ada", "bo"]});
    let again = world.quill_admin(suspend).arg("--json").output().exits(0).json();
    assert_eq!(again["result"]["recorded"], recorded, "{again:#}");
    // The value is also recorded for a failed task.
    let failed =
        run(&["suspend", "-e", "local", "-u", "nobody", "--ground", "fraud", "--json"]).exits(10).json();
    assert_eq!(failed["result"]["recorded"], json!({"ground": "fraud"}), "{failed:#}");

    let history = run(&["history", "-e", "local", "--json"]).exits(0).json();
    let of: Vec<&Value> = (0..4).map(|at| &history["runs"][at]["recorded"]).collect();
    assert_eq!(of, [&json!({"ground": "fraud"}), &recorded, &recorded, &json!({})], "{history:#}");
    let shown = run(&["history", "-e", "local"]).exits(0);
    assert!(shown.stdout.contains("\"ticket 7\", ground \"left\", reviewed by \"ada, bo\"\n"), "{shown}");
}

#[test]
fn a_password_is_not_recorded_and_a_second_one_is_not_taken() {
    let world = World::empty();
    let parameters = "parameters: [username, email]\n";
    for (with, told) in [
        (
            "{ username: , email: , secret: { type: password, recorded: true } }",
            "\"recorded\" is for the types text, email, one_of, integer, boolean, date, not for password",
        ),
        (
            "{ username: , email: , password: , pin: { type: password } }",
            "pin is a second password beside password, and an action takes one: only one can come from stdin",
        ),
    ] {
        let action = RENAME_EMAIL.replace(parameters, &format!("parameters: {with}\n"));
        assert_ne!(action, RENAME_EMAIL);
        application(&world, "app", &action);
        let refused = check(&world, &["--application", "app"]).exits(2);
        let at = if with.contains("pin") { "pin: { type" } else { "recorded: true" };
        let place = format!("app/actions.yaml:{}: {told}", place(&world, "app", at));
        assert!(errors(&refused).iter().any(|line| line.contains(&place)), "{place}: {refused}");
    }
}
