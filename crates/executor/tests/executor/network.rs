//! Servers that are slow, silent or gone, and connections that break at the worst moment.

use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};

use crate::proxy::{COMMIT, Conduct, at, between, serve};
use crate::run::Executor;

fn create(db: &Database) -> Executor {
    Executor::create(db, "jo", "jo@example.org")
}

fn users(db: &Database) -> Option<String> {
    db.value("SELECT count(*) FROM users")
}

#[test]
fn a_server_that_comes_up_late_is_waited_for() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let mut running = at(create(&db), port).start();
    running.until("trying again");
    // The server starts three seconds after the first failed attempt.
    thread::sleep(Duration::from_secs(3));
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is still free");
    let server = db.port;
    thread::spawn(move || serve(&listener, server, Vec::new()));
    let ended = running.finish().expect(ExitCode::Success);
    let messages = ended.messages();
    assert!(messages[1].contains("refused") && messages[1].contains("trying again"), "{}", ended.text);
    assert_eq!(messages.len(), 3, "it says so once: {}", ended.text);
    assert_eq!(users(&db).as_deref(), Some("1"));
}

#[test]
fn a_connection_that_closes_at_once_is_tried_again() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let ended =
        between(create(&db), &db, vec![Conduct::Refuse, Conduct::Refuse]).run().expect(ExitCode::Success);
    assert!(ended.text.contains("trying again"), "{}", ended.text);
}

#[test]
fn a_connection_that_breaks_before_commit_changes_nothing() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let before = db.contents();
    let broken = vec![Conduct::CutBefore(b"INSERT INTO user_role")];
    let ended = between(create(&db), &db, broken).run().expect(ExitCode::DatabaseUnreachable);
    assert!(ended.message().contains("connection to the database was lost"), "{}", ended.message());
    assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
    assert_eq!(db.contents(), before);
}

#[test]
fn when_the_answer_to_commit_is_lost_the_server_is_asked() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let ended = between(create(&db), &db, vec![Conduct::CutAfterCommit]).run().expect(ExitCode::Success);
    assert!(matches!(ended.outcome(), Outcome::Created { .. }));
    assert!(ended.text.contains("asking the database what became of it"), "{}", ended.text);
    assert_eq!(users(&db).as_deref(), Some("1"));
}

#[test]
fn when_commit_never_arrived_nothing_was_changed() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let before = db.contents();
    let ended = between(create(&db), &db, vec![Conduct::CutBefore(COMMIT)])
        .run()
        .expect(ExitCode::DatabaseUnreachable);
    assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
    assert_eq!(db.contents(), before);
}

#[test]
fn a_signal_while_commit_is_on_its_way_waits_for_the_answer() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let (announce, announced) = channel();
    let (deliver, delivery) = channel();
    let running = between(create(&db), &db, vec![Conduct::HoldCommit(announce, delivery)]).start();
    announced.recv_timeout(Duration::from_secs(20)).expect("COMMIT is answered");
    running.terminate();
    // The pause is long enough for an executor that does not wait to fail, and shorter than the limit.
    thread::sleep(Duration::from_millis(700));
    deliver.send(()).expect("it waits");
    let ended = running.finish().expect(ExitCode::Success);
    assert!(matches!(ended.outcome(), Outcome::Created { .. }));
    assert!(!ended.text.contains("asking the database"), "it waited for the answer itself: {}", ended.text);
    assert_eq!(users(&db).as_deref(), Some("1"));
}

#[test]
fn a_signal_while_the_answer_to_commit_does_not_come_leaves_time_to_ask() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let (announce, announced) = channel();
    let (_never, delivery) = channel();
    let running = between(create(&db), &db, vec![Conduct::HoldCommit(announce, delivery)]).start();
    announced.recv_timeout(Duration::from_secs(20)).expect("COMMIT is answered");
    let told = Instant::now();
    running.terminate();
    let ended = running.finish().expect(ExitCode::Success);
    // Cloud Run leaves ten seconds.
    assert!(told.elapsed() < Duration::from_secs(9), "{:?}", told.elapsed());
    assert!(ended.text.contains("asking the database what became of it"), "{}", ended.text);
    assert!(matches!(ended.outcome(), Outcome::Created { .. }));
}

/// Makes COMMIT itself run a trigger.
fn at_commit(db: &Database, what: &str) {
    db.execute(&format!(
        "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$; \
         CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED \
         FOR EACH ROW EXECUTE FUNCTION at_commit()"
    ));
}

#[test]
fn a_commit_that_is_refused_is_a_task_that_is_not_done() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    at_commit(&db, "RAISE EXCEPTION 'row %', NEW");
    let ended = create(&db).run().expect(ExitCode::SchemaMismatch);
    assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
    assert_eq!(users(&db).as_deref(), Some("0"));
}

#[test]
fn a_backend_killed_in_the_middle_of_commit_is_asked_after() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    at_commit(&db, "PERFORM pg_sleep(60)");
    let running = create(&db).start();
    let kill = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' \
         AND wait_event = 'PgSleep' AND query = 'COMMIT'",
        db.name
    );
    let started = Instant::now();
    while db.rows(&kill).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "it never gets to COMMIT");
    }
    let ended = running.finish().expect(ExitCode::DatabaseUnreachable);
    assert!(ended.text.contains("asking the database what became of it"), "{}", ended.text);
    assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
    assert_eq!(users(&db).as_deref(), Some("0"));
}

#[test]
fn a_signal_while_connecting_ends_it() {
    let mut running = at(Executor::bare(), 1)
        .set("AUTH_DB_NAME", "quill_auth")
        .set("AUTH_DB_PASSWORD", "planted-password")
        .set("ADMIN_ACTION", "check")
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", crate::run::REQUEST)
        .start();
    running.until("trying again");
    running.terminate();
    let ended = running.finish().expect(ExitCode::Stopped);
    assert!(ended.took < Duration::from_secs(10), "{:?}", ended.took);
}

/// Runs all cases that take as long as their limit at the same time.
#[test]
fn every_wait_has_its_limit() {
    needs_postgres!();
    let slow: [fn(); 7] = [
        nothing_listens,
        nothing_answers,
        a_statement_is_swallowed,
        commit_is_swallowed,
        nobody_can_be_asked_after_commit,
        statement_takes_too_long,
        row_is_locked,
    ];
    thread::scope(|scope| {
        for case in slow {
            scope.spawn(case);
        }
    });
}

fn nothing_listens() {
    let db = Database::create(Generation::August2026);
    let ended = at(create(&db), 1).run().expect(ExitCode::DatabaseUnreachable);
    assert!((25..33).contains(&ended.took.as_secs()), "{:?}", ended.took);
    assert!(ended.message().contains("Connection refused"), "{}", ended.message());
    assert!(ended.message().contains("127.0.0.1:1/"), "{}", ended.message());
    assert_eq!(ended.messages().len(), 2, "{}", ended.text);
}

fn nothing_answers() {
    let db = Database::create(Generation::August2026);
    let silence = (0..10).map(|_| Conduct::Silent).collect();
    let ended = between(create(&db), &db, silence).run().expect(ExitCode::DatabaseUnreachable);
    assert!((25..34).contains(&ended.took.as_secs()), "{:?}", ended.took);
    assert!(ended.messages()[1].contains("no answer within 10 s"), "{}", ended.text);
}

fn nobody_can_be_asked_after_commit() {
    let db = Database::create(Generation::August2026);
    let conducts = std::iter::once(Conduct::CutAfterCommit).chain((0..50).map(|_| Conduct::Refuse));
    let ended = between(create(&db), &db, conducts.collect()).run().expect(ExitCode::DatabaseUnreachable);
    for words in ["may or may not have been saved", "`quill-admin show-user`", "again is safe"] {
        assert!(ended.message().contains(words), "{}", ended.message());
    }
    assert!(!ended.message().contains("nothing was changed"), "{}", ended.message());
    // The change was saved, and running the task again is safe.
    let again = create(&db).run().expect(ExitCode::Success);
    assert!(matches!(again.outcome(), Outcome::Unchanged { .. }));
}

fn a_statement_is_swallowed() {
    let db = Database::create(Generation::August2026);
    let swallow = vec![Conduct::Swallow(b"INSERT INTO users")];
    let ended = between(create(&db), &db, swallow).run().expect(ExitCode::DatabaseUnreachable);
    assert!((35..42).contains(&ended.took.as_secs()), "{:?}", ended.took);
    assert!(
        ended.message().contains("did not answer within 35 s; nothing was changed"),
        "{}",
        ended.message()
    );
}

fn commit_is_swallowed() {
    let db = Database::create(Generation::August2026);
    let ended =
        between(create(&db), &db, vec![Conduct::Swallow(COMMIT)]).run().expect(ExitCode::DatabaseUnreachable);
    assert!((35..50).contains(&ended.took.as_secs()), "{:?}", ended.took);
    // The server still waits for a COMMIT, so nobody knows the outcome.
    assert!(ended.message().contains("may or may not"), "{}", ended.message());
    assert_eq!(users(&db).as_deref(), Some("0"));
}

fn statement_takes_too_long() {
    let db = Database::create(Generation::August2026);
    db.execute("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); \
         RETURN NEW; END $$; CREATE TRIGGER dawdle BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION dawdle()");
    let ended = create(&db).run().expect(ExitCode::DatabaseUnreachable);
    assert!((29..35).contains(&ended.took.as_secs()), "{:?}", ended.took);
    assert!(ended.message().contains("30 s"), "{}", ended.message());
    assert_eq!(users(&db).as_deref(), Some("0"));
}

fn row_is_locked() {
    let db = Database::create(Generation::August2026);
    create(&db).run().expect(ExitCode::Success);
    let before = db.contents();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let holder = db.connect().await;
        holder
            .batch_execute("BEGIN; SELECT FROM users WHERE username = 'jo' FOR UPDATE")
            .await
            .expect("locked");
        let ended = Executor::permission(&db, "jo", "staff").run().expect(ExitCode::RowLocked);
        assert!((9..15).contains(&ended.took.as_secs()), "{:?}", ended.took);
        assert!(ended.message().ends_with("nothing was changed"), "{}", ended.message());
        // Reading waits for no lock.
        let shown =
            Executor::on(&db, "show-user").set("ADMIN_USERNAME", "jo").run().expect(ExitCode::Success);
        assert!(shown.took < Duration::from_secs(5), "{:?}", shown.took);
    });
    assert_eq!(db.contents(), before);
}
