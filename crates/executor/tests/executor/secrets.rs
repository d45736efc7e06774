//! The server's details about a failing row never reach the output. `run.rs` looks for the whole values in
//! all output; these tests make the server report them.

use quill_admin_contract::ExitCode;
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::run::{Ended, Executor, HASH};

/// Checks that no recognisable part of the hash is printed.
fn assert_hashless(ended: &Ended) {
    for part in HASH.split('$').filter(|part| part.len() > 20) {
        assert!(!ended.text.contains(part), "{}", ended.text);
    }
}

#[test]
fn a_failing_row_is_not_quoted() {
    needs_postgres!();
    for (rule, word) in [
        (
            "ALTER TABLE users ADD CONSTRAINT not_super CHECK (system_permissions <> 'superadmin')",
            "not_super",
        ),
        (
            "ALTER TABLE users ADD COLUMN tenant integer NOT NULL DEFAULT 1, \
          ADD CONSTRAINT other CHECK (length(password_hash) < 20)",
            "other",
        ),
        ("ALTER TABLE users ALTER COLUMN password_hash TYPE varchar(40)", "22001"),
        ("CREATE UNIQUE INDEX one_consultant ON users (base_profession)", "one_consultant"),
    ] {
        for existing in [false, true] {
            let db = Database::create(Generation::August2026);
            let user = "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, \
                 base_profession, additional_competencies, removed_competencies, system_permissions) \
                 VALUES ('other', 'other@x', 'h', true, false, 'consultant', '[]', '[]', 'staff')";
            db.execute(user);
            if existing {
                db.execute(&user.replace("other", "jo").replace("consultant", "nurse"));
            }
            db.execute(rule);
            let before = db.contents();
            let ended = Executor::create(&db, "jo", "jo@example.org").run().expect(ExitCode::SchemaMismatch);
            assert!(ended.message().contains(word), "{}", ended.message());
            assert_hashless(&ended);
            assert_eq!(db.contents(), before);
            // The server did quote the row, with 64 bytes of each column, so this test would find it.
            if rule.contains("CHECK") {
                assert!(db.server_log().contains(&HASH[..60]));
            }
        }
    }
}

#[test]
fn a_trigger_that_shouts_the_row_is_not_repeated() {
    needs_postgres!();
    for raise in [
        "RAISE EXCEPTION 'row %', NEW",
        "RAISE EXCEPTION USING ERRCODE = '42501', MESSAGE = NEW.password_hash",
        "RAISE EXCEPTION USING ERRCODE = '23514', MESSAGE = 'x', CONSTRAINT = NEW.password_hash, \
         TABLE = NEW.password_hash, COLUMN = NEW.password_hash",
        "RAISE EXCEPTION USING ERRCODE = '57P03', MESSAGE = NEW.password_hash, DETAIL = NEW.password_hash, \
         HINT = NEW.password_hash",
        "RAISE WARNING 'row %', NEW; RAISE NOTICE 'row %', NEW; PERFORM 1 / (length(NEW.password_hash) - 97)",
        "PERFORM NEW.password_hash::integer",
    ] {
        let db = Database::create(Generation::August2026);
        db.execute(&format!(
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {raise}; RETURN NEW; END $$; \
             CREATE TRIGGER shout BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION shout()"
        ));
        let ended = Executor::create(&db, "jo", "jo@example.org").run();
        assert!(ended.code.is_some_and(|code| code != 0), "{raise}: {}", ended.text);
        assert!(ended.message().contains("SQLSTATE "), "{}", ended.message());
        if raise.contains("EXCEPTION") {
            assert!(ended.message().contains("raised by a trigger or function"), "{}", ended.message());
        }
        assert_hashless(&ended);
        assert_eq!(db.value("SELECT count(*) FROM users").as_deref(), Some("0"));
    }
}
