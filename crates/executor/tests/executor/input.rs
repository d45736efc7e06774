//! Requests that are refused before any connection is made, and the form of the answer.

use std::os::unix::ffi::OsStringExt;
use std::process::Stdio;

use quill_admin_contract::{Claim, ExitCode, ProofKey};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::Value;

use crate::run::{Executor, HASH};

/// A connection that must not be tried: trying it would take half a minute and end with another code.
fn nowhere() -> Executor {
    Executor::bare()
        .set("AUTH_DB_HOST", "127.0.0.1")
        .set("AUTH_DB_NAME", "quill_auth")
        .set("AUTH_DB_PORT", "1")
        .set("AUTH_DB_PASSWORD", "planted-password")
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", crate::run::REQUEST)
}

#[test]
fn a_service_that_runs_the_image_by_mistake_is_told_the_known_sentence() {
    let ended = Executor::bare().run();
    assert_eq!(ended.code, Some(2));
    assert!(ended.text.starts_with("error: ADMIN_ACTION environment variable is required"), "{}", ended.text);
    for action in ["create-superadmin", "list-users", "seed-roles", "check"] {
        assert!(ended.text.contains(action), "{}", ended.text);
    }
    assert_eq!(ended.text.lines().count(), 1);
}

#[test]
fn all_that_is_wrong_is_told_at_once_and_nothing_is_connected_to() {
    let ended = Executor::bare()
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", crate::run::REQUEST)
        .set("ADMIN_ACTION", "create-superadmin")
        .set("AUTH_DB_HOST", "  ")
        .run()
        .expect(ExitCode::Usage);
    assert_eq!(
        ended.message(),
        "missing variables: ADMIN_USERNAME, ADMIN_EMAIL, ADMIN_PASSWORD_HASH, AUTH_DB_HOST, AUTH_DB_NAME, AUTH_DB_PASSWORD"
    );
    assert_eq!(ended.lines().len(), 1);
}

#[test]
fn bad_values_are_refused_before_connecting() {
    let create = nowhere()
        .set("ADMIN_ACTION", "create-superadmin")
        .set("ADMIN_USERNAME", "jo")
        .set("ADMIN_EMAIL", "jo@example.org")
        .set("ADMIN_PASSWORD_HASH", HASH);
    let refuse = |executor: Executor, word: &str| {
        let ended = executor.run().expect(ExitCode::Usage);
        assert!(ended.message().contains(word), "{word}: {}", ended.message());
        assert_eq!(ended.lines().len(), 1, "{}", ended.text);
    };
    refuse(create.clone().set("ADMIN_ACTION", "create_superadmin"), "create-superadmin");
    refuse(create.clone().set("ADMIN_USERNAME", &"x".repeat(151)), "151 characters");
    refuse(create.clone().set("ADMIN_USERNAME", "a\nb"), "control character");
    refuse(create.clone().set("ADMIN_EMAIL", "nobody"), "email");
    refuse(create.clone().set("ADMIN_PASSWORD_HASH", &format!("{HASH}\n")), "password hash");
    refuse(create.clone().set("ADMIN_PASSWORD_HASH", "planted-no-hash"), "password hash");
    refuse(create.clone().set("ADMIN_PASSWORD", "planted-plain"), "ADMIN_PASSWORD");
    refuse(create.clone().set("AUTH_DB_PORT", "0"), "AUTH_DB_PORT");
    refuse(create.clone().set("AUTH_DB_SSLMODE", "allow"), "verify-full");
    refuse(create.clone().set("AUTH_DB_SSLMODE", "verify-ca"), "AUTH_DB_SSLROOTCERT");
    let permission = nowhere().set("ADMIN_ACTION", "update-permissions").set("ADMIN_USERNAME", "jo");
    refuse(permission.set("ADMIN_PERMISSION", "root"), "patient, single-user, staff, admin, superadmin");
}

#[test]
fn a_url_with_a_password_in_it_is_not_a_host_and_not_printed() {
    for host in ["postgresql://quill:planted-secret@db/quill_auth", "planted-secret@db"] {
        let ended =
            nowhere().set("ADMIN_ACTION", "check").set("AUTH_DB_HOST", host).run().expect(ExitCode::Usage);
        assert!(ended.message().contains("AUTH_DB_HOST"), "{}", ended.text);
        assert!(!ended.text.contains("planted-secret"), "{}", ended.text);
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_refused() {
    let executor = nowhere().set("ADMIN_ACTION", "show-user");
    let mut command = executor.command();
    command.env("ADMIN_USERNAME", std::ffi::OsString::from_vec(vec![b'a', 0xff]));
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("not valid UTF-8"));
}

#[test]
fn a_newer_callers_image_is_too_old() {
    let ended = nowhere()
        .set("ADMIN_CONTRACT", "99")
        .set("ADMIN_ACTION", "never-heard-of")
        .run()
        .expect(ExitCode::ImageTooOld);
    assert!(ended.message().contains("`quill-admin build`"), "{}", ended.message());
}

#[test]
fn the_answer_is_in_the_version_that_was_asked_for() {
    let hex = "0123456789abcdef".repeat(4);
    let key: ProofKey = hex.parse().expect("a key");
    let asked = |version: &str| {
        nowhere()
            .set("ADMIN_ACTION", "never-heard-of")
            .set("ADMIN_CONTRACT", version)
            .set("ADMIN_PROOF_KEY", &hex)
            .set("CLOUD_RUN_EXECUTION", "quill-admin-staging-abcde")
    };
    let last = |executor: Executor, code| executor.run().expect(code).lines().pop().expect("a line");
    // In version 1 the answer is exactly as it always was.
    let old = last(asked("1"), ExitCode::Usage);
    let keys: Vec<&String> = old["quill_admin"].as_object().expect("keys").keys().collect();
    assert_eq!(keys.len(), 4, "contract, request_id, exit_code, outcome: {keys:?}");
    assert_eq!(old["quill_admin"]["contract"], 1);
    assert!(!Claim::from_payload(&old, Some(&key)).expect("a result").proven);
    // In version 2, and in the newest if another or none is asked for, the answer is proven, and names this
    // execution.
    let newest = quill_admin_contract::CONTRACT_VERSION;
    for (executor, contract, code) in [
        (asked("2"), 2, ExitCode::Usage),
        (asked("2").unset("ADMIN_CONTRACT"), newest, ExitCode::Usage),
        (asked("99"), newest, ExitCode::ImageTooOld),
        (asked("zero"), newest, ExitCode::Usage),
    ] {
        let new = last(executor, code);
        let claim = Claim::from_payload(&new, Some(&key)).expect("a result");
        assert!(claim.proven, "{new}");
        assert_eq!((claim.line.contract, claim.line.exit_code), (contract, code.code()));
        assert_eq!(claim.line.execution.as_deref(), Some("quill-admin-staging-abcde"));
        // The copies beside the text have the same values.
        assert_eq!(Claim::from_payload(&new, None).expect("a result").line, claim.line);
        let other = "f".repeat(64).parse().expect("a key");
        assert!(!Claim::from_payload(&new, Some(&other)).expect("a result").proven);
    }
    // Without a key the result cannot be proven; an invalid key is refused.
    let by_hand = last(asked("2").unset("ADMIN_PROOF_KEY"), ExitCode::Usage);
    assert_eq!(
        (&by_hand["quill_admin"]["proof"], &by_hand["quill_admin"]["result"]),
        (&Value::Null, &Value::Null)
    );
    let bad = asked("2").set("ADMIN_PROOF_KEY", "planted").run().expect(ExitCode::Usage);
    assert!(bad.message().contains("ADMIN_PROOF_KEY: "), "{}", bad.message());
}

#[test]
fn a_file_of_certificates_that_cannot_be_used_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let empty = directory.path().join("empty.pem");
    let broken = directory.path().join("broken.pem");
    std::fs::write(&empty, "no certificate\n").expect("written");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .expect("written");
    // One file never ends, and nobody writes to the other.
    let endless = std::path::PathBuf::from("/dev/zero");
    let fifo = directory.path().join("fifo.pem");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().expect("started").success());
    for path in [&empty, &broken, &directory.path().join("absent.pem"), &endless, &fifo] {
        for mode in ["verify-ca", "verify-full"] {
            let path = path.to_str().expect("UTF-8");
            let ended = nowhere()
                .set("ADMIN_ACTION", "check")
                .set("AUTH_DB_SSLMODE", mode)
                .set("AUTH_DB_SSLROOTCERT", path)
                .run()
                .expect(ExitCode::Usage);
            assert!(ended.message().contains(path), "{}", ended.message());
        }
    }
}

#[test]
fn a_person_reads_plain_lines() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let ended = Executor::create(&db, "jo", "jo@example.org").set("ADMIN_LOG_FORMAT", "text").run();
    let version = db.value("SHOW server_version").expect("a version");
    let version = version.split(' ').next().expect("a number");
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.text,
        format!(
            "connecting to localhost:{}/{} as {} (TLS: prefer)\n\
             connected: PostgreSQL {version}, TLSv1.3\n\
             created user jo: superadmin, consultant, role System Administrator\n",
            db.port, db.name, db.user
        )
    );
    db.execute("UPDATE users SET is_active = false, base_profession = E'line\\nbreak\\x1b[31m'");
    let ended = Executor::on(&db, "show-user").set("ADMIN_USERNAME", "jo").unset("ADMIN_LOG_FORMAT").run();
    let lines: Vec<&str> = ended.text.lines().skip(2).collect();
    assert_eq!(lines.len(), 2, "{}", ended.text);
    assert_eq!(lines[0], "warning: the account jo is inactive and still cannot log in");
    assert!(lines[1].contains("base profession line\\nbreak\\u{1b}[31m"), "{}", lines[1]);
    let ended = Executor::permission(&db, "nobody", "staff").set("ADMIN_LOG_FORMAT", "text").run();
    assert!(ended.text.lines().last().is_some_and(|line| line.starts_with("error: there is no user nobody")));
}

#[test]
fn cloud_run_gets_json_and_always_a_result_line() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let cloud =
        Executor::on(&db, "check").set("CLOUD_RUN_JOB", "quill-admin-staging").set("ADMIN_ACTOR", "a@b");
    let ended = cloud.clone().unset("ADMIN_LOG_FORMAT").run().expect(ExitCode::Success);
    assert_eq!(ended.lines().len(), 4, "{}", ended.text);
    assert!(ended.text.lines().next().is_some_and(|line| line.contains("whoever may run")), "{}", ended.text);
    assert_eq!(ended.result().actor.as_deref(), Some("a@b"));
    assert_eq!(ended.result().contract, quill_admin_contract::CONTRACT_VERSION);

    let ended = cloud.set("ADMIN_LOG_FORMAT", "text").run();
    let lines: Vec<&str> = ended.text.lines().collect();
    assert!(lines[1].starts_with("connecting to "), "{}", ended.text);
    let last = serde_json::from_str(lines[lines.len() - 1]).expect("JSON");
    assert!(Claim::from_payload(&last, None).is_some());
}

#[test]
fn the_newer_names_of_the_connection_variables_work_too() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let mut executor = Executor::on(&db, "check");
    for (name, value) in [
        ("HOST", db.host.clone()),
        ("PORT", db.port.to_string()),
        ("NAME", db.name.clone()),
        ("USER", db.user.clone()),
        ("PASSWORD", db.password.clone()),
    ] {
        executor = executor.unset(&format!("AUTH_DB_{name}")).set(&format!("CORE_DB_{name}"), &value);
    }
    executor.set("CORE_DB_SSLMODE", "require").run().expect(ExitCode::Success);
}

#[test]
fn a_reader_that_has_gone_does_not_stop_the_task() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let closed = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        Stdio::from(writer)
    };
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").expect("/dev/full"));
    for (name, out) in [("closed", closed()), ("full", full())] {
        let output = Executor::create(&db, name, &format!("{name}@example.org"))
            .command()
            .stdout(out)
            .stderr(Stdio::piped())
            .output()
            .expect("it runs");
        assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{name}");
    }
    assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("2"));
}
