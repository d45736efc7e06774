//! Every kind of mistake is reported at its place, with the allowed values and the one that was probably
//! meant.

use std::time::{Duration, Instant};

use crate::compile;

/// A file without mistakes, in which the tests replace parts.
const RIGHT: &str = "\
format: 1
schema: public
tables:
  users: { needs: [id, username, level], knows: [verified], rights: [select, update, insert] }
  logs: { needs: [id], rights: [select] }
check:
  expect:
    - { query: SELECT level FROM users, has: [staff], code: levels, say: \"missing: {missing}\" }
parameters:
  username: { type: text, max: 150, short: u }
  level: { type: one_of, values: { staff: , nurse: { note: x, if: column users.verified } } }
  secret: { type: password }
subjects:
  user:
    key: username
    lock: SELECT FROM users WHERE username = :username FOR UPDATE
    query:
      - { if: column users.verified, sql: \"SELECT username, level, verified FROM users WHERE username = :username\" }
      - sql: SELECT username, level FROM users WHERE username = :username
    fields: { level: , verified: { words: [no, yes] } }
    absent: { exit: 10, say: \"there is no {username}\" }
    warn:
      - { field: level, is: nurse, code: is_nurse, say: \"{username} is {after.level}\" }
actions:
  set-level:
    alias: sl
    about: sets a level
    parameters: [username, level]
    subject: { user: must exist }
    steps:
      - refuse: SELECT id AS found FROM logs LIMIT 1
        else: { exit: 12, say: \"there is {found}\" }
      - write: UPDATE users SET level = :level WHERE username = :username
    already: \"{username} has {level}\"
    undo:
      updated: { action: set-level, with: { username: \"{username}\", level: \"{before.level}\" } }
  show:
    about: shows a user
    read: true
    parameters: [username]
    subject: { user: must exist }
";

/// Time limit for reading a file, on a machine with other work to do.
const QUICKLY: Duration = Duration::from_secs(10);

/// A parameter in quotes, which PostgreSQL would compare as a text that nobody has.
#[test]
fn a_parameter_in_quotes_is_told() {
    let guard = "SELECT id AS found FROM logs LIMIT 1";
    let of = |text: &str| {
        compile(&RIGHT.replace(guard, &format!("SELECT id AS found FROM logs WHERE {text} LIMIT 1")))
    };
    let message = of("':level' = 'staff'").expect_err("told");
    assert!(
        message.contains("':level' is a text, and not the parameter level: write :level, without quotes"),
        "{message}"
    );
    assert!(of("':nothing' = 'staff'").is_ok(), "a text that is no parameter is a text");
}

/// The mistakes of the file with parts of it replaced, one after the other.
fn told(title: &str, cases: &[(&str, &str)]) -> String {
    let mut told = String::new();
    for (old, new) in cases {
        assert_eq!(RIGHT.matches(old).count(), 1, "{old}");
        let Err(message) = compile(&RIGHT.replace(old, new)) else { panic!("{title}: accepted: {new}") };
        let mut last = (0, 0);
        for line in message.lines() {
            let mut parts = line.splitn(4, ':');
            assert_eq!(parts.next(), Some("actions.yaml"), "{line}");
            let mut number =
                || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or_else(|| panic!("{line}"));
            let place = (number(), number());
            assert!(place >= last, "in the order of lines: {message}");
            last = place;
        }
        let message = message.replace("actions.yaml:", "  ");
        let new = new.escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'");
        for part in [new.as_str(), "\n", &message, "\n\n"] {
            told.push_str(part);
        }
    }
    told
}

macro_rules! cases {
    ($($name:ident: $($old:literal => $new:literal,)+)+) => {
        $(
            #[test]
            fn $name() {
                insta::assert_snapshot!(told(stringify!($name), &[$(($old, $new)),+]));
            }
        )+
    };
}

#[test]
fn the_file_is_right() {
    if let Err(told) = compile(RIGHT) {
        panic!("{told}");
    }
}

cases! {
    keys_and_types:
        "about: sets a level" => "abuot: sets a level",
        "about: sets a level" => "about: [x]",
        "about: sets a level" => "about:",
        "about: sets a level" => "about: \"\"",
        "about: sets a level" => "about: {x: y}",
        "about: sets a level" => "about: \"sets\\na level\"",
        "format: 1" => "format: 2",
        "format: 1" => "farmat: 1",
        "format: 1\n" => "",
        "read: true" => "read: yes",
        "parameters: [username, level]" => "parameters: username",
        "alias: sl" => "alias: sl\n    alias: ls",
        "alias: sl" => "? [a]\n    : b",
        "subject: { user: must exist }\n    steps" => "subject: user\n    steps",
        "    steps:\n" => "    steps: {}\n    rows:\n",
        "actions:\n" => "actions: []\nparameters:\n",
        "schema: public" => "schema: Public",

    tables:
        "rights: [select] }" => "rights: [select, truncate] }",
        "needs: [id], rights" => "rights",
        "rights: [select] }" => "}",
        "knows: [verified]" => "knows: [verified, level]",
        "knows: [verified]" => "knows: [verified, verified]",
        "knows: [verified]" => "knows: [verified, e-mail]",
        "  logs: {" => "  Logs: {",
        "FROM logs" => "FROM log",
        "FROM logs" => "FROM other.logs",
        "UPDATE users SET level = :level WHERE" => "DELETE FROM users WHERE",

    conditions:
        "if: column users.verified, sql" => "if: column user.verified, sql",
        "if: column users.verified, sql" => "if: column users.verifed, sql",
        "if: column users.verified, sql" => "if: column users.level, sql",
        "if: column users.verified, sql" => "if: users.verified, sql",
        "if: column users.verified }" => "if: no column logs.verified }",
        "      - sql: SELECT username, level FROM" => "      - if: no column users.verified\n        sql: SELECT username, level FROM",
        "      - { if: column users.verified, sql" => "      - sql: SELECT level FROM users\n      - { if: column users.verified, sql",
        "      - sql: SELECT username, level FROM" => "      - { if: column users.verified, sql: SELECT 1 AS level }\n      - sql: SELECT username, level FROM",
        "if: column users.verified, sql" => "when: column users.verified, sql",
        "    about: shows a user" => "    about: shows a user\n    needs: column users.verifed",
        "- write: UPDATE users SET level = :level WHERE username = :username" => "- write: { sql: x }",
        "- write: UPDATE users SET level = :level WHERE username = :username" => "- write: []",

    parameters:
        "[username, level]" => "[username, levle]",
        "[username, level]" => "{ username: , level: { like: leve } }",
        "[username, level]" => "{ username: , level: { like: level, type: text } }",
        "[username, level]" => "[username, level, secret]",
        "[username, level]" => "[level]",
        "[username, level]" => "{ username: { like: username, optional: true }, level: }",
        "    parameters: [username, level]\n" => "",
        "type: text, max: 150" => "type: txt, max: 150",
        "type: text, max: 150" => "max: 150",
        "type: text, max: 150" => "type: text",
        "type: text, max: 150" => "type: text, max: 0",
        "type: text, max: 150" => "type: text, max: many",
        "type: text, max: 150" => "type: text, max: 10, min: 11",
        "type: text, max: 150" => "type: text, max: 150, values: {}",
        "type: text, max: 150" => "type: text, max: 150, default: \"\"",
        "type: text, max: 150" => "type: text, max: 1, default: ab",
        "type: text, max: 150" => "type: text, max: 4, suggest: [abcde]",
        "type: text, max: 150" => "type: text, max: 150, optional: true, default: x",
        "type: text, max: 150" => "type: integer, max: 5, default: 6",
        "type: text, max: 150" => "type: date, min: 2026-02-30",
        "type: text, max: 150" => "type: date, default: 30.11.2026",
        "type: text, max: 150" => "type: email, default: nobody",
        "type: text, max: 150" => "type: boolean, default: yes",
        "type: text, max: 150" => "type: boolean, many: true",
        "type: text, max: 150" => "type: text, max: 1, exists: { sql: \"SELECT id, level FROM users\", exit: 11 }",
        "type: text, max: 150" => "type: text, max: 1, exists: { sql: \"SELECT level FROM users\", exit: 3 }",
        "type: text, max: 150" => "type: text, max: 1, exists: { sql: \"SELECT level FROM users WHERE id = :level\", exit: 11 }",
        "values: { staff: , nurse: { note: x, if: column users.verified } }" => "max: 3",
        "values: { staff: , nurse: { note: x, if: column users.verified } }" => "values: {}",
        "values: { staff: , nurse: { note: x, if: column users.verified } }" => "default: staf, values: { staff: , \" nurse\": , \"a\\u200bb\": }",
        "secret: { type: password }" => "secret: { type: password, default: hunter2 }",
        "secret: { type: password }" => "secret: { type: password, hash: bcrypt }",
        "secret: { type: password }" => "secret: { type: password, absent: empty }",
        "secret: { type: password }" => "secret: { type: password, recorded: true }",
        "type: text, max: 150" => "type: text, max: 150, recorded: yes",
        "type: text, max: 150" => "type: text, max: 150, record: true",
        "secret: { type: password }" => "reason: { type: text, max: 5 }",
        "secret: { type: password }" => "dry_run: { type: boolean }",
        "secret: { type: password }" => "e-mail: { type: email }",
        "short: u" => "short: e",
        "short: u" => "short: us",
        "[username, level]" => "{ username: , level: { like: level, short: u } }",

    names:
        "  show:\n" => "  doctor:\n",
        "  show:\n" => "  undo:\n",
        "  show:\n" => "  Show_User:\n",
        "  show:\n" => "  \"show\\u202euser\":\n",
        "  show:\n" => "  set-level:\n",
        "  show:\n" => "  sl:\n",
        "alias: sl" => "alias: show",
        "alias: sl" => "alias: ba",
        "alias: sl" => "alias: s l",
        "    about: shows a user" => "    about: shows a user\n    alias: sl",

    statements:
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = :levle WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = $1 WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = :level WHERE username = :username; DELETE FROM users",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = :level",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDAT users SET level = :level",
        "UPDATE users SET level = :level WHERE username = :username" => "ALTER TABLE users DROP COLUMN level",
        "UPDATE users SET level = :level WHERE username = :username" => "COMMIT",
        "UPDATE users SET level = :level WHERE username = :username" => "(SELECT 1)",
        "UPDATE users SET level = :level WHERE username = :username" => "SELECT level FROM users WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => "WITH a AS (SELECT 1) SELECT level FROM users",
        "UPDATE users SET level = :level WHERE username = :username" => "WITH a AS (DELETE FROM users RETURNING id) UPDATE users SET level = :level WHERE true",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = 'it''s WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = $x$:level WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => "UPDATE users SET level = :level /* WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => ">-\n          UPDATE users SET level = :level -- the level\n          WHERE username = :username",
        "UPDATE users SET level = :level WHERE username = :username" => ">-\n          UPDATE users SET level = :level\n          WHERE username = :usrname",
        "UPDATE users SET level = :level WHERE username = :username" => "-- nothing",
        "UPDATE users SET level = :level WHERE username = :username" => "\"UPDATE users SET level = :level\\u200b WHERE username = :username\"",
        "SELECT id AS found FROM logs LIMIT 1" => "DELETE FROM logs",
        "SELECT id AS found FROM logs LIMIT 1" => "WITH a AS (UPDATE users SET level = :level WHERE true RETURNING id) SELECT id AS found FROM a",
        "SELECT id AS found FROM logs LIMIT 1" => "SELECT id AS found INTO stolen FROM logs",
        "SELECT FROM users WHERE username = :username FOR UPDATE" => "SELECT FROM users WHERE username = :username",
        "- sql: SELECT username, level FROM users WHERE username = :username" => "- sql: SELECT username, level FROM users WHERE username = :username FOR UPDATE",
        "- sql: SELECT username, level FROM users WHERE username = :username" => "- sql: SELECT * FROM users WHERE username = :username",
        "- sql: SELECT username, level FROM users WHERE username = :username" => "- sql: SELECT level, upper(level), username AS level FROM users WHERE id = :id",
        "- sql: SELECT username, level FROM users WHERE username = :username" => "- sql: SELECT FROM users WHERE username = :username",

    subjects:
        "fields: { level: , verified" => "fields: { level: , verifed",
        "fields: { level: ," => "hidden: { level: changed }\n    fields: { level: ,",
        "words: [no, yes]" => "words: [no]",
        "    absent: { exit: 10, say: \"there is no {username}\" }\n" => "",
        "exit: 10, say: \"there is no {username}\"" => "exit: 1, say: \"there is no {user}\"",
        "exit: 10, say: \"there is no {username}\"" => "exit: 10, say: \"there is no {before.level}\"",
        "field: level, is" => "field: levels, is",
        "code: is_nurse" => "code: Is Nurse",
        "say: \"{username} is {after.level}\"" => "say: x, next: { action: shows }",
        "say: \"{username} is {after.level}\"" => "say: x, next: { action: show, with: { user: x } }",
        "    lock: SELECT FROM users WHERE username = :username FOR UPDATE\n" => "",
        "subject: { user: must exist }\n    steps" => "subject: { users: must exist }\n    steps",
        "subject: { user: must exist }\n    steps" => "subject: { user: must }\n    steps",
        "subject: { user: must exist }\n    steps" => "subject: { user: must exist, other: must exist }\n    steps",
        "    key: username\n" => "    key: name\n",

    steps:
        "      - write:" => "      - wirte:",
        "      - refuse:" => "      - refuse: SELECT\n        require:",
        "        else: { exit: 12, say: \"there is {found}\" }\n" => "",
        "exit: 12, say: \"there is {found}\"" => "say: x",
        "exit: 12, say: \"there is {found}\"" => "exit: 12, warn: x, say: x",
        "exit: 12, say: \"there is {found}\"" => "exit: 13, say: \"there is {fuond}\"",
        "exit: 12, say: \"there is {found}\"" => "exit: 12, say: \"there is {after.level}\"",
        "exit: 12, say: \"there is {found}\"" => "exit: 12, say: \"there is {found\"",
        "exit: 12, say: \"there is {found}\"" => "exit: 12, say: \"there is found}\"",
        "SET level = :level WHERE username = :username" => "SET level = :level WHERE username = :username\n        rows: 2..1",
        "SET level = :level WHERE username = :username" => "SET level = :level WHERE username = :username\n        rows: 99999",
        "SET level = :level WHERE username = :username" => "SET level = :level WHERE username = :username\n        when: absent",
        "SET level = :level WHERE username = :username" => "SET level = :level WHERE username = :username\n        else: { exit: 12, say: x }",
        "        else: {" => "        rows: 1\n        else: {",
        "read: true" => "read: true\n    steps:\n      - write: UPDATE users SET level = 'x' WHERE username = :username",
        "    read: true\n" => "",
        "read: true" => "read: true\n    rows: { sql: \"SELECT level FROM users\", max: 0 }",
        "read: true" => "read: true\n    rows: { sql: \"INSERT INTO users (id) VALUES (1)\", max: 1 }",
        "    already: \"{username} has {level}\"\n" => "    rows: { sql: \"SELECT level FROM users\", max: 1 }\n    already: x\n",
        "    subject: { user: must exist }\n    steps" => "    steps",

    outcomes:
        "already: \"{username} has {level}\"" => "already: \"{usrname} has {before.verified}\"",
        "already: \"{username} has {level}\"" => "already: x\n    created: x\n    taken: { exit: 12, say: x }",
        "subject: { user: must exist }\n    steps" => "subject: { user: must not exist }\n    steps",
        "already: \"{username} has {level}\"" => "already: x\n    silence: [is_nurs]",
        "parameters: [username, level]" => "parameters: { username: , level: { like: secret } }",

    undo:
        "updated: { action: set-level," => "updated: { action: set-levle,",
        "updated: { action: set-level," => "updated: { action: sl,",
        "updated: { action: set-level," => "updated: { action: show,",
        "level: \"{before.level}\" } }" => "levle: \"{before.level}\" } }",
        "level: \"{before.level}\" } }" => "level: \"{before.levle}\" } }",
        "level: \"{before.level}\" } }" => "level: \"{before.verified}\" } }",
        "level: \"{before.level}\" } }" => "level: admin } }",
        ", level: \"{before.level}\" } }" => " } }",
        "      updated: {" => "      created: {",
        "      updated: {" => "      undone: {",
        "      updated: {" => "      created: { say: x }\n      updated: {",

    jobs:
        "  show:\n" => "  migrate:\n    about: x\n    job: migrate_{env}\n  show:\n",
        "  show:\n" => "  migrate:\n    about: x\n    job: \"migrate-{environment}\"\n  show:\n",
        "  show:\n" => "  migrate:\n    about: x\n    job: migrate\n    parameters: []\n  show:\n",
        "  show:\n" => "  migrate:\n    job: migrate\n    variables: { admin_action: x, CLOUD_RUN_JOB: x, A: [x] }\n  show:\n",
        "  show:\n" => "  migrate:\n    about: x\n    job: migrate\n    timeout: 900\n  show:\n",
        "  show:\n" => "  migrate:\n    about: x\n    job: migrate\n    timeout: 169h\n  show:\n",
        "    about: shows a user\n" => "    about: shows a user\n    timeout: 3s\n",
        "updated: { action: set-level, with: { username: \"{username}\", level: \"{before.level}\" } }" => "updated: { action: migrate }\n  migrate: { about: x, job: migrate }",

    check:
        "has: [staff]" => "has: staff",
        "query: SELECT level FROM users" => "query: SELECT level, id FROM users",
        "missing: {missing}" => "missing: {mising}",
        "  expect:\n" => "  expects:\n",
}

#[test]
fn a_job_is_compiled_to_what_is_run() {
    let job = "  migrate:\n    about: brings the tables up to date\n    job: quill-admin-{env}\n    variables: { ADMIN_ACTION: \
               run-migrations }\n    timeout: 15m\n  show:\n";
    let actions = compile(&RIGHT.replace("  show:\n", job)).expect("valid").actions;
    let migrate = actions.get("migrate").expect("there");
    assert_eq!(
        serde_json::to_string(&migrate.definition).expect("JSON"),
        r#"{"schema":"public","read":false,"job":{"name":"quill-admin-{env}","variables":{"ADMIN_ACTION":"run-migrations"},"timeout":900}}"#
    );
}

/// The mistakes of the file with a part of it replaced.
fn refused(old: &str, new: &str) -> String {
    assert_eq!(RIGHT.matches(old).count(), 1, "{old}");
    compile(&RIGHT.replace(old, new)).err().unwrap_or_else(|| panic!("accepted: {new}"))
}

#[test]
fn a_second_password_is_refused_where_it_stands() {
    let old = "    parameters: [username, level]\n";
    let told = refused(old, "    parameters: { username: , level: , secret: , pin: { like: secret } }\n");
    let expected =
        "pin is a second password beside secret, and an action takes one: only one can come from stdin";
    assert!(
        told.lines().any(|line| line.starts_with("actions.yaml:28:") && line.contains(expected)),
        "{told}"
    );
    // One password is no mistake, except that nothing uses it.
    let told = refused(old, "    parameters: { username: , level: , secret: }\n");
    assert!(!told.contains("second password"), "{told}");
}

#[test]
fn an_action_that_writes_and_is_about_nothing_is_refused_where_it_stands() {
    let told = refused("    subject: { user: must exist }\n    steps", "    steps");
    let expected = "an action that writes has a \"subject\": what it is about, read before and after; declared under \
                    \"subjects\": user";
    assert!(told.lines().any(|line| line == format!("actions.yaml:25:3: {expected}")), "{told}");
}

/// A recorded parameter may be used by a statement as well: beginning to use it removes it from no record.
#[test]
fn what_is_recorded_needs_no_statement_and_may_have_one() {
    let old = "    parameters: [username, level]\n";
    let parameters = "    parameters:
      username:
      level: { like: level, recorded: true }
      ground: { type: one_of, values: { fraud: , left: , other: }, optional: true, recorded: true }
      since: { type: date, optional: true, recorded: true }
";
    let application = compile(&RIGHT.replace(old, parameters)).unwrap_or_else(|told| panic!("{told}"));
    let action = application.actions.get("set-level").expect("there");
    let recorded: Vec<&str> = action
        .definition
        .parameters
        .iter()
        .filter(|(_, it)| it.recorded)
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(recorded, ["ground", "level", "since"]);
    let told = refused(
        old,
        "    parameters: { username: , level: , ground: { type: text, max: 9, optional: true, recorded: false } }\n",
    );
    let expected = "actions.yaml:28:40: no statement of set-level uses the parameter ground; one that is only to be \
                    recorded says \"recorded: true\"";
    assert_eq!(told.trim_end(), expected);
}

#[test]
fn a_job_is_not_given_what_every_run_is_given() {
    for name in ["ADMIN_REQUEST_ID", "ADMIN_ACTOR", "ADMIN_REASON", "ADMIN_PROOF_KEY"] {
        let job =
            format!("  migrate:\n    about: x\n    job: migrate\n    variables: {{ {name}: x }}\n  show:\n");
        let told = refused("  show:\n", &job);
        assert!(
            told.starts_with("actions.yaml:40:18: ") && told.contains("is set by quill-admin itself"),
            "{told}"
        );
    }
}

/// A file with many mistakes, to check that all of them are reported.
#[test]
fn everything_is_told_at_once() {
    let text = RIGHT
        .replace("about: sets", "abuot: sets")
        .replace("SET level = :level", "SET level = :levle")
        .replace("{username} has {level}", "{username} has {levl}")
        .replace("read: true", "read: maybe")
        .replace("max: 150", "max: x")
        .replace("FROM logs", "FROM lgos");
    insta::assert_snapshot!(compile(&text).expect_err("wrong"));
}

/// A file that is not YAML, or not text at all, gets one message, and quickly.
#[test]
fn what_is_no_yaml_ends_quickly() {
    let bomb = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        format!("{text}a{level}: &a{level} [{aliases}]\n")
    });
    let long = format!("format: 1\n{}", "# padding\n".repeat(1024 * 1024));
    let wide = format!("actions: [{}]", "x,".repeat(400_000));
    for (text, expected) in [
        (
            bomb.as_str(),
            ": there is more in the file than any application needs: far too many values or aliases",
        ),
        (&wide, ": there is more in the file than any application needs: far too many values or aliases"),
        (&long, "1:1: the file is larger than 1 MiB, the most that is read"),
        (&"[".repeat(500_000), ": values stand in each other more than 20 levels deep"),
        (&"{a: ".repeat(200_000), ": values stand in each other more than 20 levels deep"),
        ("", "1:1: the file has no value; it holds keys with values (\"key: value\")"),
        ("[]", "1:1: the file holds keys with values (\"key: value\"), not a list"),
        (
            "a: b: c",
            ": a colon where no key can stand; a text with a colon and a space in it has to stand in quotes",
        ),
        ("a:\n\tb: c", "2:1: a tab in front of a line; indent with spaces"),
        ("a: {b", "not valid YAML: unclosed"),
        ("a: *b", "1:4: this alias (*) has no anchor (&) before it"),
        ("a: 1\n---\nb: 2", "a second document begins here (after ---); everything has to stand in one"),
        (
            "a: \u{202e}b\n# \u{202e}\nc: \u{a0}d",
            "1:4: a character that is not seen: right-to-left override (U+202E); remove it\nactions.yaml:3:4: a character that is not seen: no-break space (U+00A0); remove it",
        ),
    ] {
        let before = Instant::now();
        let told = compile(text).expect_err("refused");
        assert!(before.elapsed() < QUICKLY, "{:?}: {told}", before.elapsed());
        assert!(told.contains(expected), "{expected}: {told}");
        assert_eq!(told.lines().count(), expected.lines().count(), "{told}");
    }
    let compiled = |bytes: &[u8]| {
        quill_admin_application::compile("f".as_ref(), bytes).map(drop).map_err(|broken| broken.to_string())
    };
    assert_eq!(compiled(b"\xff\xfea\0"), Err("f:1:1: the file is UTF-16; save it as UTF-8".to_owned()));
    assert_eq!(compiled(b"a: b\nc: \xff"), Err("f:2:4: not UTF-8; save the file as UTF-8".to_owned()));
}

/// A file within the limits that was written to take long is read quickly.
#[test]
fn what_is_made_to_take_long_ends_quickly() {
    let repeated = |text: &str, count: usize| {
        (0..count).map(|number| text.replace("NUMBER", &number.to_string())).collect::<Vec<_>>()
    };
    let head = "format: 1\nschema: public\ntables: { a: { needs: [b], rights: [select, update] } }\n";
    let calls =
        "  a-NUMBER:\n    about: x\n    parameters: []\n    undo: { updated: { action: b-NUMBER } }\n";
    let statement = |sql: &str| {
        format!(
            "{head}actions:\n  a:\n    about: x\n    parameters: []\n    steps:\n{}",
            repeated(&format!("      - write: \"{sql}\"\n"), 50).concat()
        )
    };
    for (what, text) in [
        ("calls of unknown actions", format!("{head}actions:\n{}", repeated(calls, 1_400).concat())),
        ("unknown keys", format!("{head}{}", repeated("key-NUMBER: x\n", 9_000).concat())),
        ("one key again and again", format!("{head}{}", repeated("actions: x\n", 9_000).concat())),
        ("unknown parameters", statement(&repeated(":p_NUMBER é", 1_600).concat())),
        ("unknown tables", statement(&format!("SELECT FROM {}", repeated("tNUMBER, ", 2_000).concat()))),
        (
            "locks of many tables",
            statement(&format!("SELECT FROM {} a {}", "a,".repeat(5_000), "FOR UPDATE ".repeat(800))),
        ),
        (
            "expressions",
            statement(&format!("WITH {} SELECT 1", repeated("a_NUMBER (b) AS (SELECT 1),", 700).concat())),
        ),
        ("open brackets", statement(&"(".repeat(19_000))),
        ("comments", statement(&"/*".repeat(9_000))),
        (
            "statements",
            format!(
                "{head}actions:\n  a:\n    about: x\n    parameters: []\n    steps:\n{}",
                repeated("      - write: UPDATE a SET b = NUMBER\n", 6_000).concat()
            ),
        ),
        ("a long statement", statement(&"x".repeat(20_001))),
    ] {
        let before = Instant::now();
        let told = compile(&text).expect_err("refused");
        assert!(before.elapsed() < QUICKLY, "{what}: {:?}", before.elapsed());
        assert!(told.lines().count() <= 51 && told.len() < 64 * 1024, "{what}: {}", told.len());
        assert!(!told.contains("not valid YAML"), "{what}: {told}");
    }
}

/// Only regular files are read, and only up to the limit.
#[test]
fn only_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = |folder: &std::path::Path| {
        let told = quill_admin_application::read(folder).expect_err("refused").to_string();
        told.replace(&folder.display().to_string(), "F")
    };
    assert!(told(folder.path()).starts_with("F/actions.yaml:1:1: failed to read this file: No such file"));
    let file = folder.path().join("actions.yaml");
    std::fs::write(&file, vec![b'#'; 10 * 1024 * 1024]).expect("written");
    assert_eq!(
        told(folder.path()),
        "F/actions.yaml:1:1: failed to read this file: it is larger than 1 MiB, the most that is read"
    );
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("made");
    assert!(told(folder.path()).ends_with("it is a folder; only a regular file is read"));
    std::fs::remove_dir(&file).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &file).expect("made");
    assert!(told(folder.path()).ends_with("it is a device; only a regular file is read"));
}

/// The number of reported mistakes is limited.
#[test]
fn the_most_that_is_told_is_fifty() {
    let actions: Vec<String> = (0..60).map(|number| format!("  a{number}: {{ x: y }}\n")).collect();
    let actions = actions.concat();
    let told =
        compile(&format!("format: 1\nschema: public\ntables: {{}}\nactions:\n{actions}")).expect_err("wrong");
    assert_eq!(told.lines().count(), 51, "{told}");
    assert!(told.ends_with("more"), "{told}");
}
