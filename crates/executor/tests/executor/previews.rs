//! Previews: they tell what the run does, change nothing, and a run that would do something else is refused.

use quill_admin_contract::{Change, ExitCode, Outcome, UndoNote, Undoing};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation, ROLES};

use crate::run::{Ended, Executor, HASH, OTHER_HASH};

/// Number of seeded cases, unless `QUILL_ADMIN_TEST_CASES` sets another one.
const CASES: usize = 1000;
/// Number of threads that the cases are spread over, each with a database of its own.
const THREADS: usize = 4;

fn number(variable: &str, otherwise: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn preview(executor: &Executor) -> Ended {
    executor.clone().set("ADMIN_MODE", "preview").run()
}

fn expecting(executor: &Executor, plan: &str) -> Ended {
    executor.clone().set("ADMIN_EXPECT", plan).run()
}

/// The plan of a preview that succeeded.
#[track_caller]
fn plan(ended: &Ended) -> String {
    match ended.outcome() {
        Outcome::Previewed { plan, .. } => plan,
        other => panic!("no preview: {other:?}"),
    }
}

fn insert(username: &str) -> String {
    format!(
        "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
         additional_competencies, removed_competencies, system_permissions) \
         VALUES ('{username}', '{username}@own.example.org', 'h', true, false, 'patient', '[]', '[]', 'staff')"
    )
}

/// The outcome of a run, in the form in which a preview tells it.
fn as_previewed(outcome: Outcome, plan: &str) -> Outcome {
    let (would, plan) = (outcome.name().to_owned(), plan.to_owned());
    match outcome {
        Outcome::Created { subject, changes, warnings } | Outcome::Updated { subject, changes, warnings } => {
            Outcome::Previewed { would, subject, changes, warnings, plan }
        }
        Outcome::Unchanged { subject, warnings } => {
            Outcome::Previewed { would, subject, changes: Vec::new(), warnings, plan }
        }
        other => other,
    }
}

/// One user of these is what a case is about.
const USERS: [&str; 4] = ["ada", "bo", "cy", "di"];

/// A change, by somebody else, of the user; it always changes something that is read of one.
fn somebody_elses_change(random: &mut fastrand::Rng, db: &Database, user: &str) {
    if db.value(&format!("SELECT count(*) FROM users WHERE username = '{user}'")).as_deref() == Some("0") {
        return db.execute(&insert(user));
    }
    let set = match random.u8(0..6) {
        0 => format!("email = 'changed{}@own.example.org'", random.u64(..)),
        1 => format!("password_hash = 'h{}'", random.u64(..)),
        2 => "is_active = NOT is_active".to_owned(),
        3 => "base_profession = CASE base_profession WHEN 'nurse' THEN 'patient' ELSE 'nurse' END".to_owned(),
        4 => "is_totp_enabled = NOT is_totp_enabled".to_owned(),
        _ => {
            let id = format!("(SELECT id FROM users WHERE username = '{user}')");
            let gone = format!("DELETE FROM user_role WHERE user_id = {id}");
            let all = format!("INSERT INTO user_role (user_id, role_id) SELECT {id}, id FROM roles");
            let has = format!("SELECT count(*) FROM user_role WHERE user_id = {id}");
            return db.execute(if db.value(&has).as_deref() == Some("0") { &all } else { &gone });
        }
    };
    db.execute(&format!("UPDATE users SET {set} WHERE username = '{user}'"));
}

/// A task about one of the users, with values that mostly fit.
fn task(random: &mut fastrand::Rng, db: &Database, user: &str) -> Executor {
    let levels = ["single-user", "staff", "admin", "superadmin", "patient"];
    let mut pick = |from: &[&str]| from[random.usize(..from.len())].to_owned();
    let named = |action: &str| Executor::on(db, action).set("ADMIN_USERNAME", user);
    match pick(&["cs", "up", "ar", "rr", "cu", "ve", "rt", "sp", "de", "ac"]).as_str() {
        "cs" => Executor::create(db, user, &format!("{}@example.org", pick(&USERS))),
        "up" => named("update-permissions").set("ADMIN_PERMISSION", &pick(&levels)),
        "ar" => named("add-role").set("ADMIN_ROLE", &pick(&ROLES)),
        "rr" => named("remove-role").set("ADMIN_ROLE", &pick(&ROLES)),
        "cu" => named("create-user")
            .set("ADMIN_EMAIL", &format!("{}@example.org", pick(&USERS)))
            .set("ADMIN_PERMISSION", &pick(&levels))
            .set("ADMIN_ROLE", &pick(&ROLES))
            .set("ADMIN_PASSWORD_HASH", HASH),
        "ve" => named("verify-email"),
        "rt" => named("reset-totp"),
        "sp" => named("set-password").set("ADMIN_PASSWORD_HASH", HASH),
        "de" => named("deactivate"),
        _ => named("activate"),
    }
}

/// Runs one case. Returns whether a change slipped in between a preview and its run, and the code it was refused
/// with.
fn case(random: &mut fastrand::Rng, db: &Database) -> Option<u8> {
    let user = USERS[random.usize(..USERS.len())];
    if random.u8(0..4) == 0 {
        db.execute(&format!("DELETE FROM user_role; DELETE FROM users WHERE username = '{user}'"));
    } else {
        somebody_elses_change(random, db, user);
    }
    // Thousands of handshakes would take most of the time.
    let task = task(random, db, user).set("AUTH_DB_SSLMODE", "disable");
    let before = db.contents();
    let told = preview(&task);
    assert_eq!(db.contents(), before, "a preview changed something: {}", told.text);
    if told.code != Some(0) {
        let ran = task.run();
        assert_eq!((ran.code, ran.message()), (told.code, told.message()), "{}", told.text);
        assert_eq!(db.contents(), before, "{}", ran.text);
        return None;
    }
    let expected = plan(&told);
    assert_eq!(plan(&preview(&task)), expected, "the same plan a second time");

    // Somebody else is faster.
    somebody_elses_change(random, db, user);
    let meanwhile = db.contents();
    let refused = expecting(&task, &expected);
    assert_ne!(refused.code, Some(0), "{}\n{}", told.text, refused.text);
    assert_eq!(db.contents(), meanwhile, "{}", refused.text);

    // The same as the person has seen.
    let told = preview(&task);
    if told.code == Some(0) {
        let expected = plan(&told);
        let ran = expecting(&task, &expected).expect(ExitCode::Success);
        assert_eq!(as_previewed(ran.outcome(), &expected), told.outcome(), "{}", told.text);
    }
    Some(refused.result().exit_code)
}

/// Plays a case as often as is asked for, on threads with a database of their own, and collects what the cases
/// return. A case that returns nothing does not count.
fn spread<T: Send + 'static>(
    cases: usize,
    seed: u64,
    case: fn(&mut fastrand::Rng, &Database) -> Option<T>,
) -> Vec<T> {
    let thread = |index: usize| {
        move || {
            let db = Database::create(Generation::ALL[index % 2]);
            let mut random = fastrand::Rng::with_seed(seed + index as u64);
            let mut ended = Vec::new();
            while ended.len() < cases / THREADS {
                ended.extend(case(&mut random, &db));
            }
            ended
        }
    };
    let threads: Vec<_> = (0..THREADS).map(|index| std::thread::spawn(thread(index))).collect();
    threads.into_iter().flat_map(|thread| thread.join().expect("no case failed")).collect()
}

#[test]
fn a_preview_tells_what_the_run_does_and_any_change_in_between_is_refused() {
    needs_postgres!();
    let cases = number("QUILL_ADMIN_TEST_CASES", CASES);
    let seed = number("QUILL_ADMIN_TEST_SEED", 2026) as u64;
    let refused = spread(cases, seed, case);
    assert_eq!(refused.len(), cases / THREADS * THREADS);
    // A user who was made in between may be refused by the action itself.
    let others = refused.iter().filter(|code| **code != ExitCode::NotAsPreviewed.code()).count();
    assert!(others <= refused.len() / 4, "seed {seed}: {refused:?}");
    println!(
        "{} changes in between were refused, {others} of them by the action's own conditions",
        refused.len()
    );
}

#[test]
fn a_new_password_is_the_same_plan_whatever_its_salt() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    let with = |hash: &str| {
        Executor::on(&db, "set-password").set("ADMIN_USERNAME", "jo").set("ADMIN_PASSWORD_HASH", hash)
    };
    let told = preview(&with(HASH)).expect(ExitCode::Success);
    assert!(
        told.message().starts_with("previewed, nothing was changed: updated user jo"),
        "{}",
        told.message()
    );
    let ran = expecting(&with(OTHER_HASH), &plan(&told)).expect(ExitCode::Success);
    assert!(matches!(ran.outcome(), Outcome::Updated { .. }), "{}", ran.text);
    // The password that was replaced is part of the plan.
    let again = expecting(&with(HASH), &plan(&told)).expect(ExitCode::NotAsPreviewed);
    let said = again.message();
    assert!(
        said.contains("nothing was changed") && said.contains("Now it would be: updated user jo"),
        "{said}"
    );
}

#[test]
fn steps_check_again_what_they_look_up_elsewhere() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    let add = Executor::on(&db, "add-role").set("ADMIN_USERNAME", "jo").set("ADMIN_ROLE", "Clinician");
    let told = preview(&add).expect(ExitCode::Success);
    db.execute("DELETE FROM roles WHERE name = 'Clinician'");
    let before = db.contents();
    expecting(&add, &plan(&told)).expect(ExitCode::RoleNotFound);
    assert_eq!(db.contents(), before);
    // Another user takes the email.
    let create = Executor::create(&db, "new", "wanted@example.org");
    let told = preview(&create).expect(ExitCode::Success);
    db.execute("UPDATE users SET email = 'wanted@example.org' WHERE username = 'jo'");
    expecting(&create, &plan(&told)).expect(ExitCode::EmailTaken);
}

#[test]
fn another_value_is_another_plan() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    let told = preview(&Executor::permission(&db, "jo", "admin")).expect(ExitCode::Success);
    let before = db.contents();
    expecting(&Executor::permission(&db, "jo", "superadmin"), &plan(&told)).expect(ExitCode::NotAsPreviewed);
    let other = Executor::on(&db, "deactivate").set("ADMIN_USERNAME", "jo");
    expecting(&other, &plan(&told)).expect(ExitCode::NotAsPreviewed);
    assert_eq!(db.contents(), before);
    expecting(&Executor::permission(&db, "jo", "admin"), &plan(&told)).expect(ExitCode::Success);
}

/// A preview also makes the checks that the database itself makes at COMMIT.
#[test]
fn a_preview_does_not_promise_what_commit_would_refuse() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    db.execute(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
         CREATE CONSTRAINT TRIGGER no AFTER UPDATE ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW \
         EXECUTE FUNCTION no()",
    );
    let task = Executor::permission(&db, "jo", "admin");
    let (told, ran) = (preview(&task), task.run());
    assert_ne!(ran.code, Some(0));
    assert_eq!(told.code, ran.code, "{}\n{}", told.text, ran.text);
}

#[test]
fn a_preview_that_cannot_be_one_is_refused_before_anything_is_done() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    let before = db.contents();
    let task = Executor::permission(&db, "jo", "admin");
    let digits = "0".repeat(64);
    for (refused, said) in [
        (task.clone().set("ADMIN_MODE", "preview").set("ADMIN_CONTRACT", "3"), "contract version 4"),
        (task.clone().set("ADMIN_EXPECT", &digits).set("ADMIN_CONTRACT", "1"), "contract version 4"),
        (task.clone().set("ADMIN_MODE", "dry-run"), "ADMIN_MODE"),
        (task.clone().set("ADMIN_EXPECT", "12"), "ADMIN_EXPECT"),
        (task.clone().set("ADMIN_MODE", "preview").set("ADMIN_EXPECT", &digits), "not both"),
        (
            Executor::on(&db, "show-user").set("ADMIN_USERNAME", "jo").set("ADMIN_MODE", "preview"),
            "nothing to preview",
        ),
        (Executor::on(&db, "check").set("ADMIN_MODE", "preview"), "nothing to preview"),
    ] {
        let ended = refused.run().expect(ExitCode::Usage);
        assert!(ended.message().contains(said), "{}", ended.message());
    }
    assert_eq!(db.contents(), before);
}

/// Undoes a run by its record, as the laptop does.
fn undo(db: &Database, ran: &Ended) -> Option<Executor> {
    let line = ran.result();
    let UndoNote::Action(call) = line.undo.clone()? else { return None };
    let undoing = Undoing::of("quill-admin-staging-abcde", line.outcome.changes());
    let task = Executor::on(db, &call.action).set("ADMIN_UNDOES", &undoing.to_string());
    let task = task.set("AUTH_DB_SSLMODE", "disable");
    Some(
        call.with
            .iter()
            .fold(task, |task, (name, value)| task.set(&format!("ADMIN_{}", name.to_uppercase()), value)),
    )
}

/// A change, by somebody else, of what a run has changed.
fn change_of_the_same(db: &Database, user: &str, ran: &Ended) {
    let id = format!("(SELECT id FROM users WHERE username = '{user}')");
    for change in ran.outcome().changes() {
        let sql = match change {
            Change::Field { field, .. } if field == "permission" => format!(
                "UPDATE users SET system_permissions = CASE system_permissions WHEN 'admin' THEN 'staff' ELSE \
                 'admin' END WHERE username = '{user}'"
            ),
            Change::Field { field, .. } if field == "active" => {
                format!("UPDATE users SET is_active = NOT is_active WHERE username = '{user}'")
            }
            Change::Field { field, .. } if field == "email" => {
                format!(
                    "UPDATE users SET email = 'else{}@own.example.org' WHERE username = '{user}'",
                    fastrand::u64(..)
                )
            }
            Change::Added { item, .. } => format!(
                "DELETE FROM user_role WHERE user_id = {id} AND role_id = (SELECT id FROM roles WHERE name = '{item}')"
            ),
            Change::Removed { item, .. } => {
                format!("INSERT INTO user_role SELECT {id}, id FROM roles WHERE name = '{item}'")
            }
            _ => continue,
        };
        return db.execute(&sql);
    }
}

/// One round. Returns whether it was undone, or `None` where nothing could be.
fn round(random: &mut fastrand::Rng, db: &Database) -> Option<bool> {
    let user = USERS[random.usize(..USERS.len())];
    somebody_elses_change(random, db, user);
    let before = db.contents();
    let ran = task(random, db, user).set("AUTH_DB_SSLMODE", "disable").run();
    let outcome = (ran.code == Some(0)).then(|| ran.outcome())?;
    let created = matches!(outcome, Outcome::Created { .. });
    let undo = undo(db, &ran)?;
    let slips_in = random.bool();
    if slips_in {
        change_of_the_same(db, user, &ran);
    }
    let meanwhile = db.contents();
    let ended = undo.run();
    if ended.code != Some(0) {
        assert_eq!(db.contents(), meanwhile, "{}", ended.text);
        // Otherwise only the conditions of the action itself refuse, such as those of the last superadmin.
        assert!(slips_in || ended.code == Some(12), "{}\n{}", ran.text, ended.text);
        return Some(false);
    }
    assert!(!slips_in, "it was undone over somebody else's change:\n{}\n{}", ran.text, ended.text);
    assert_eq!(ended.result().undoes.as_deref(), Some("quill-admin-staging-abcde"));
    if created {
        let active = db.value(&format!("SELECT is_active::text FROM users WHERE username = '{user}'"));
        assert_eq!(active.as_deref(), Some("false"), "{}", ended.text);
    } else {
        assert_eq!(db.contents(), before, "{}\n{}", ran.text, ended.text);
    }
    Some(true)
}

#[test]
fn an_undo_restores_or_refuses_and_never_guesses() {
    needs_postgres!();
    let seed = number("QUILL_ADMIN_TEST_SEED", 2026) as u64;
    let ended = spread(number("QUILL_ADMIN_TEST_CASES", CASES), seed + 1000, round);
    let undone = ended.iter().filter(|undone| **undone).count();
    assert!(undone > ended.len() / 5 && undone < ended.len(), "seed {seed}: {undone} of {}", ended.len());
}

#[test]
fn an_undo_says_what_differs() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    db.execute(&insert("jo"));
    let ran = Executor::permission(&db, "jo", "admin").run().expect(ExitCode::Success);
    db.execute("UPDATE users SET system_permissions = 'superadmin'");
    let refused = undo(&db, &ran).expect("it can be undone").run().expect(ExitCode::NotAsPreviewed);
    let said = refused.message();
    assert!(said.contains("user jo is not as the run that is to be undone has left it"), "{said}");
    assert!(said.contains("permission level is admin"), "{said}");
    let refused =
        Executor::permission(&db, "jo", "staff").set("ADMIN_UNDOES", "{}").run().expect(ExitCode::Usage);
    assert!(refused.message().contains("ADMIN_UNDOES"), "{}", refused.message());
    let old = undo(&db, &ran).expect("it can be undone").set("ADMIN_CONTRACT", "3").run();
    assert!(old.expect(ExitCode::Usage).message().contains("contract version 4"));
}
