//! The samples are what the programs print, with the names of the deployed application; of long traces the
//! frames in the middle are left out. A line that begins with "@ " is Cloud Run's own.
//!
//! To add a cause: a sample of what the real program prints, and the test that it is found.

use super::platform::NotLoaded;
use super::*;

/// The probe of the deployed service.
const PROBE: StartupProbe = StartupProbe {
    initial_delay: Duration::from_secs(5),
    period: Duration::from_secs(10),
    failures: 6,
    port: None,
};
const REASON: &str = "The user-provided container failed the configured startup probe checks.";

/// A whole log without any entry.
const NOTHING: &RevisionLog = &RevisionLog { entries: Vec::new(), extent: LogExtent::Whole };
const ALL: Option<LogExtent> = Some(LogExtent::Whole);

/// A whole log: lines with the second they were written in.
fn log(lines: &[(f64, &str)]) -> RevisionLog {
    let begin: Timestamp = "2026-08-01T10:00:00Z".parse().unwrap();
    let entry = |(number, (second, line)): (usize, &(f64, &str))| LogEntry {
        insert_id: number.to_string(),
        execution: String::new(),
        timestamp: begin + jiff::SignedDuration::from_secs_f64(*second),
        lateness: Duration::ZERO,
        source: if line.starts_with("@ ") { LogSource::System } else { LogSource::Container },
        severity: quill_admin_cloud::Severity::Info,
        message: line.trim_start_matches("@ ").to_owned(),
        payload: None,
    };
    let entries = lines.iter().enumerate().map(entry).collect();
    RevisionLog { entries, extent: LogExtent::Whole }
}

/// A sample, each line an entry of its own.
fn sample(text: &str) -> RevisionLog {
    log(&text.lines().map(|line| (1.0, line)).collect::<Vec<_>>())
}

fn startup(log: &RevisionLog) -> Startup<'_> {
    Startup { log: Some(log), reason: REASON, admin_image: None, probe: Some(&PROBE), port: Some(8000) }
}

fn found(log: &RevisionLog) -> (Cause, String) {
    let Diagnosis { cause, evidence } = diagnose(&startup(log));
    (cause, evidence.join("\n"))
}

macro_rules! sample {
    ($name:literal) => {
        sample(include_str!(concat!("samples/", $name, ".txt")))
    };
}

#[track_caller]
fn migration(log: &RevisionLog, kind: Migration) -> String {
    let (cause, evidence) = found(log);
    assert_eq!(cause, Cause::Migration(kind), "{evidence}");
    evidence
}

#[track_caller]
fn database_down(log: &RevisionLog, kind: Database) -> String {
    let (cause, evidence) = found(log);
    assert_eq!(cause, Cause::Database(kind), "{evidence}");
    evidence
}

#[test]
fn the_admin_image_is_known_by_its_line_or_by_what_is_known_of_it() {
    let line = "ADMIN_ACTION environment variable is required: one of create-superadmin, update-permissions";
    let log = log(&[(0.0, line), (0.1, "@ Container called exit(2)."), (1.0, line)]);
    assert_eq!(found(&log), (Cause::AdminImage, line.to_owned()));
    let why = Startup { admin_image: Some(Sign::Labels), ..startup(NOTHING) };
    assert_eq!(
        diagnose(&why),
        Diagnosis { cause: Cause::AdminImage, evidence: vec!["its labels say so".to_owned()] }
    );
}

#[test]
fn migrations_that_alembic_does_not_begin() {
    let evidence = migration(&sample!("alembic-unknown-revision"), Migration::UnknownRevision);
    assert_eq!(evidence, "FAILED: Can't locate revision identified by 'deadbeef0001'");
    let evidence = migration(&sample!("alembic-several-heads"), Migration::SeveralHeads);
    assert!(evidence.starts_with("FAILED: Multiple head revisions are present"), "{evidence}");
    let evidence = migration(&sample!("alembic-missing-parent"), Migration::MissingParent);
    assert!(evidence.contains("Revision missing0001 referenced from"), "{evidence}");
    let other = log(&[(0.0, "FAILED: No 'script_location' key found in configuration")]);
    migration(&other, Migration::Other);
}

#[test]
fn migrations_that_fail() {
    assert_eq!(
        migration(&sample!("alembic-lock"), Migration::Locked),
        "\
INFO  [alembic.runtime.migration] Running upgrade a1b2c3d4e5f6 -> b4
File \"/app/migrations/versions/b4.py\", line 6, in upgrade
sqlalchemy.exc.OperationalError: (psycopg.errors.LockNotAvailable) canceling statement due to lock timeout
[SQL: ALTER TABLE users ADD COLUMN x INTEGER]"
    );
    migration(&sample!("alembic-statement-timeout"), Migration::Locked);
    let evidence = migration(&sample!("alembic-duplicate-table"), Migration::Refused);
    assert!(
        evidence.contains("(psycopg.errors.DuplicateTable) relation \"users\" already exists"),
        "{evidence}"
    );
    let evidence = migration(&sample!("alembic-permission"), Migration::Refused);
    assert!(evidence.contains("permission denied for table alembic_version"), "{evidence}");
    assert_eq!(
        migration(&sample!("alembic-code"), Migration::Code),
        "\
INFO  [alembic.runtime.migration] Running upgrade a1b2c3d4e5f6 -> b5
File \"/app/migrations/versions/b5.py\", line 6, in upgrade
KeyError: 'FHIR'"
    );
}

#[test]
fn people_s_data_is_no_evidence() {
    let sample = sample!("alembic-unique");
    assert!(sample.entries.iter().any(|entry| entry.message.contains("a@example.org")));
    let evidence = migration(&sample, Migration::Refused);
    assert!(evidence.contains("could not create unique index"), "{evidence}");
    assert!(!evidence.contains("example.org"), "{evidence}");
    let sample = sample!("alembic-insert");
    assert!(sample.entries.iter().any(|entry| entry.message.contains("steve@example.org")));
    let evidence = migration(&sample, Migration::Refused);
    assert!(evidence.contains("duplicate key value"), "{evidence}");
    assert!(!evidence.contains("example.org") && !evidence.contains("insert into"), "{evidence}");
}

#[test]
fn secrets_are_no_evidence() {
    for line in [
        "ValueError: cannot parse postgresql://quill:hunter2@10.20.0.3:5432/quill_auth",
        "ValueError: cannot parse 'postgresql+psycopg://quill:p@ss:hunter2@db/x', and \"http://a:hunter2@b\"",
        "  Input should be a valid URL [type=url, input_value={'jwt_secret': 'hunter2'}, input_type=dict]",
    ] {
        let trace =
            log(&[(0.0, TRACEBACK), (0.0, "  File \"/app/main.py\", line 1, in <module>"), (0.0, line)]);
        let (_, evidence) = found(&trace);
        assert!(!evidence.contains("hunter2"), "{evidence}");
        let (_, evidence) = found(&log(&[(0.0, line)]));
        assert!(!evidence.is_empty() && !evidence.contains("hunter2"), "{evidence}");
    }
}

#[test]
fn a_database_that_does_not_answer() {
    assert_eq!(
        database_down(&sample!("psycopg-refused"), Database::ConnectionRefused),
        "\
sqlalchemy.exc.OperationalError: (psycopg.OperationalError) connection failed: connection to server at \"10.20.0.3\", port 5432 failed: Connection refused
Is the server running on that host and accepting TCP/IP connections?"
    );
    database_down(&sample!("psycopg-timeout"), Database::TimedOut);
    database_down(&sample!("psycopg2-timeout"), Database::TimedOut);
    database_down(&sample!("psycopg-host"), Database::UnknownHost);
    database_down(&sample!("psycopg2-host"), Database::UnknownHost);
    database_down(&sample!("asyncpg-refused"), Database::ConnectionRefused);
    assert_eq!(database_down(&sample!("asyncpg-timeout"), Database::TimedOut), "TimeoutError");
    database_down(&sample!("asyncpg-host"), Database::UnknownHost);
}

#[test]
fn a_database_that_refuses() {
    let evidence = database_down(&sample!("psycopg-password"), Database::Password);
    assert!(evidence.contains("password authentication failed for user \"quill\""), "{evidence}");
    database_down(&sample!("asyncpg-password"), Database::Password);
    database_down(&sample!("psycopg-tls"), Database::TlsRequired);
    database_down(&sample!("asyncpg-tls"), Database::TlsRequired);
    let cloud_sql = "FATAL:  pg_hba.conf rejects connection for host \"10.8.0.2\", user \"quill\", database \"quill_auth\", no encryption";
    database_down(&log(&[(0.0, cloud_sql)]), Database::TlsRequired);
    database_down(&sample!("psycopg-not-let-in"), Database::NotLetIn);
    database_down(&sample!("psycopg-certificate"), Database::TlsFailed);
    database_down(&sample!("psycopg-too-many"), Database::TooManyConnections);
    let missing =
        "connection to server at \"10.20.0.3\", port 5432 failed: FATAL:  database \"quill\" does not exist";
    database_down(&log(&[(0.0, missing)]), Database::Missing);
    let starting =
        "connection to server at \"10.20.0.3\", port 5432 failed: FATAL:  the database system is starting up";
    database_down(&log(&[(0.0, starting)]), Database::NotUp);
}

#[test]
fn another_service_that_refuses_is_not_the_database() {
    let redis = log(&[
        (0.0, "Traceback (most recent call last):"),
        (0.0, "  File \"/usr/local/lib/python3.11/site-packages/redis/connection.py\", line 707, in connect"),
        (0.0, "  File \"/app/app/main.py\", line 12, in <module>"),
        (0.0, "ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.5', 6379)"),
        (0.0, "@ Container called exit(1)."),
    ]);
    let (cause, evidence) = found(&redis);
    assert_eq!(cause, Cause::Crash { exit: 1 });
    assert_eq!(
        evidence,
        "\
File \"/app/app/main.py\", line 12, in <module>
ConnectionRefusedError: [Errno 111] Connect call failed ('10.0.0.5', 6379)
Container called exit(1)."
    );
}

#[test]
fn crashes() {
    let (cause, evidence) = found(&sample!("uvicorn-import"));
    assert_eq!(cause, Cause::Crash { exit: 1 });
    assert_eq!(
        evidence,
        "\
File \"/app/app.py\", line 1, in <module>
ModuleNotFoundError: No module named 'nothere'
Container called exit(1)."
    );
    let (cause, evidence) = found(&sample!("uvicorn-settings"));
    assert_eq!(cause, Cause::Crash { exit: 1 });
    assert!(evidence.contains("2 validation errors for S\njwt_secret\nField required"), "{evidence}");
    let (cause, evidence) = found(&sample!("uvicorn-no-app"));
    assert_eq!(cause, Cause::Crash { exit: 3 });
    assert!(evidence.contains("Error loading ASGI app. Could not import module \"app\"."), "{evidence}");
    let (cause, evidence) = found(&sample!("uvicorn-in-use"));
    assert_eq!(cause, Cause::Crash { exit: 3 });
    assert!(evidence.contains("address already in use"), "{evidence}");
    let shell = log(&[
        (0.0, "/entrypoint.sh: line 4: uvicorn: command not found"),
        (0.1, "@ Container called exit(127)."),
    ]);
    assert_eq!(found(&shell).0, Cause::Crash { exit: 127 });
}

#[test]
fn memory_and_processor() {
    let memory = "@ Memory limit of 512 MiB exceeded with 516 MiB used. Consider increasing the memory limit, see https://cloud.google.com/run/docs/configuring/memory-limits";
    let log_ = log(&[
        (0.0, "INFO:     Started server process [1]"),
        (9.0, memory),
        (
            9.0,
            "@ Default STARTUP TCP probe failed 1 time consecutively for container \"backend\" on port 8000. The instance was not started.\nConnection failed with status CANCELLED.",
        ),
    ]);
    assert_eq!(found(&log_), (Cause::OutOfMemory, memory.trim_start_matches("@ ").to_owned()));
    let arm = log(&[(
        0.0,
        "@ terminated: Application failed to start: Failed to create init process: failed to load /entrypoint.sh: exec format error",
    )]);
    assert_eq!(found(&arm).0, Cause::Platform);
}

#[test]
fn ports() {
    const FAILURE: &str = "@ STARTUP TCP probe failed 6 times consecutively for container \"backend\" on port 8080. The instance was not started. Connection failed with status DEADLINE_EXCEEDED.";
    let running = "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)";
    let elsewhere = log(&[(3.0, running), (65.0, FAILURE)]);
    let startup = Startup { port: Some(8080), ..startup(&elsewhere) };
    let Diagnosis { cause, evidence } = diagnose(&startup);
    assert_eq!(cause, Cause::PortMismatch { listens: "0.0.0.0:8000".to_owned(), probed: 8080 });
    assert_eq!(evidence, [running, FAILURE.trim_start_matches("@ ")]);
    // The probe's own port counts, not the one requests go to.
    let own = StartupProbe { port: Some(8000), ..PROBE };
    let probe = Some(&own);
    assert!(!matches!(diagnose(&Startup { probe, ..startup }).cause, Cause::PortMismatch { .. }));

    let itself = log(&[
        (3.0, "INFO:     Uvicorn running on http://127.0.0.1:8080 (Press CTRL+C to quit)"),
        (65.0, FAILURE),
    ]);
    assert_eq!(found(&itself).0, Cause::PortMismatch { listens: "127.0.0.1:8080".to_owned(), probed: 8080 });
    let gunicorn = log(&[
        (3.0, "[2026-08-01 10:00:03 +0000] [1] [INFO] Listening at: http://0.0.0.0:5000 (1)"),
        (65.0, FAILURE),
    ]);
    assert!(matches!(found(&gunicorn).0, Cause::PortMismatch { probed: 8080, .. }));
}

#[test]
fn a_probe_that_is_answered_with_an_error() {
    let log = log(&[
        (3.0, "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)"),
        (5.0, "INFO:     169.254.169.126:41622 - \"GET /api/health HTTP/1.1\" 404 Not Found"),
        (
            65.0,
            "@ STARTUP HTTP probe failed 6 times consecutively for container \"backend\" on port 8000 path \"/api/health\". The instance was not started.",
        ),
    ]);
    let (cause, evidence) = found(&log);
    assert_eq!(cause, Cause::Unhealthy { status: 404 });
    assert_eq!(evidence.lines().count(), 3, "{evidence}");
}

/// The note of Cloud Run about a probe that has failed for 65 seconds.
const GIVEN_UP: &str = "@ STARTUP HTTP probe failed 6 times consecutively for container \"backend\" on port 8000 path \
    \"/api/health\". The instance was not started. Connection failed with status ERROR_CONNECTION_FAILED.";

#[test]
fn an_error_in_a_request_does_not_end_a_server() {
    let with = |status: &str| {
        log(&[
            (3.0, "INFO:     Uvicorn running on http://0.0.0.0:8000 (Press CTRL+C to quit)"),
            (60.0, &format!("INFO:     169.254.169.126:41622 - \"GET /api/health HTTP/1.1\" {status}")),
            (60.0, "ERROR:    Exception in ASGI application"),
            (60.0, "Traceback (most recent call last):"),
            (60.0, "  File \"/app/app/health.py\", line 7, in health"),
            (60.0, "    raise RuntimeError('no queue')"),
            (60.0, "RuntimeError: no queue"),
            (65.0, GIVEN_UP),
        ])
    };
    let (cause, evidence) = found(&with("500 Internal Server Error"));
    assert_eq!(cause, Cause::Unhealthy { status: 500 });
    let lines: Vec<&str> = evidence.lines().collect();
    assert!(lines[1].contains("500 Internal Server Error"), "{evidence}");
    assert_eq!(lines[2..4], ["File \"/app/app/health.py\", line 7, in health", "RuntimeError: no queue"]);
    assert!(lines[4].starts_with("STARTUP HTTP probe failed"), "{evidence}");
    // What a wrong path is answered with has nothing to do with the error.
    let (cause, evidence) = found(&with("404 Not Found"));
    assert_eq!(cause, Cause::Unhealthy { status: 404 });
    assert!(!evidence.contains("RuntimeError"), "{evidence}");
    // A server that has ended was ended by its error.
    let mut ended = with("500 Internal Server Error");
    ended.entries.truncate(7);
    ended.entries.extend(log(&[(61.0, "@ Container called exit(1).")]).entries);
    assert_eq!(found(&ended).0, Cause::Crash { exit: 1 });
}

#[test]
fn an_error_that_was_handled_is_no_crash() {
    let trace = [
        (2.0, "Traceback (most recent call last):"),
        (2.0, "  File \"/app/app/cache.py\", line 3, in warm"),
        (2.0, "ValueError: no cache"),
    ];
    let after = |rest: &[(f64, &str)]| log(&[&trace[..], rest].concat());
    let (upgrade, running) = ("Running upgrade a1b2c3d4e5f6 -> b4", "loading the model");
    let slow = after(&[(3.0, running), (4.0, upgrade), (67.0, GIVEN_UP)]);
    assert!(matches!(found(&slow).0, Cause::SlowStart { .. }), "{:?}", found(&slow));
    // Far from what the probe allows nothing is known.
    let early = after(&[(3.0, running), (4.0, upgrade), (20.0, GIVEN_UP)]);
    assert_eq!(found(&early).0, Cause::Unknown { read: ALL });
    // It is the last thing that the log has, and does not say that it ended anything.
    let (cause, evidence) = found(&after(&[(20.0, GIVEN_UP)]));
    assert_eq!(cause, Cause::Error);
    assert!(evidence.contains("ValueError: no cache"), "{evidence}");
    assert!(!cause.words().contains("ended"), "{}", cause.words());
    let killed = after(&[(20.0, "@ Container terminated on signal 9.")]);
    assert_eq!(found(&killed).0, Cause::Killed { signal: 9 });
    let ended =
        after(&[(3.0, "[ERROR] Reason: Worker failed to boot."), (3.0, "@ Container called exit(1).")]);
    let (cause, evidence) = found(&ended);
    assert_eq!(cause, Cause::Crash { exit: 1 });
    assert!(
        evidence.starts_with("File \"/app/app/cache.py\", line 3, in warm\nValueError: no cache"),
        "{evidence}"
    );
}

#[test]
fn a_database_that_was_waited_for_is_no_cause() {
    const REFUSED: &str = "connection to server at \"10.0.0.3\", port 5432 failed: Connection refused";
    let is_it = "\tIs the server running on that host and accepting TCP/IP connections?";
    let missing = log(&[
        (0.0, REFUSED),
        (0.0, is_it),
        (0.0, "waiting for the database, attempt 1"),
        (2.0, "the database is there"),
        (2.0, "/entrypoint.sh: 12: exec: uvicorn: not found"),
        (2.0, "@ Container called exit(127)."),
    ]);
    let (cause, evidence) = found(&missing);
    assert_eq!(cause, Cause::Crash { exit: 127 });
    assert!(evidence.contains("exec: uvicorn: not found"), "{evidence}");
    // The same where the waiting program is Python.
    let python = log(&[
        (0.0, "Traceback (most recent call last):"),
        (0.0, "  File \"/app/wait.py\", line 9, in wait"),
        (0.0, &format!("psycopg.OperationalError: {REFUSED}")),
        (2.0, "ERROR:    Error loading ASGI app. Could not import module \"app\"."),
        (2.0, "@ Container called exit(1)."),
    ]);
    assert_eq!(found(&python).0, Cause::Crash { exit: 1 });
    // It is still waiting: what it says in between is what it said before.
    let waits = log(&[
        (0.0, REFUSED),
        (0.0, "waiting for the database, attempt 1"),
        (2.0, REFUSED),
        (2.0, is_it),
        (2.0, "waiting for the database, attempt 2"),
        (65.0, GIVEN_UP),
    ]);
    assert_eq!(database_down(&waits, Database::ConnectionRefused), REFUSED);
    let gives_up = log(&[(0.0, REFUSED), (9.0, "giving up"), (9.0, "@ Container called exit(1).")]);
    database_down(&gives_up, Database::ConnectionRefused);
}

#[test]
fn the_folder_of_pyenv_holds_no_migrations() {
    let with = |file: &str| {
        log(&[
            (0.0, "Traceback (most recent call last):"),
            (0.0, &format!("  File \"{file}\", line 90, in import_module")),
            (0.0, "ModuleNotFoundError: No module named 'settings'"),
            (0.0, "@ Container called exit(1)."),
        ])
    };
    for file in [
        "/opt/pyenv/versions/3.11.4/lib/python3.11/importlib/__init__.py",
        "/opt/pyenv/versions/3.11.4/bin/uvicorn",
        "/usr/local/lib/python3.11/site-packages/alembic/versions/b4.py",
        "/usr/lib/python3/dist-packages/x/versions/b4.py",
        "/app/versions/b4/lib.py",
    ] {
        assert_eq!(found(&with(file)).0, Cause::Crash { exit: 1 }, "{file}");
    }
    migration(&with("/app/migrations/versions/b4.py"), Migration::Code);
}

#[test]
fn a_start_that_takes_too_long() {
    let slow = |end| {
        log(&[
            (0.0, "@ Starting new instance. Reason: DEPLOYMENT_ROLLOUT"),
            (31.2, "INFO  [alembic.runtime.migration] Context impl PostgresqlImpl."),
            (31.2, "INFO  [alembic.runtime.migration] Running upgrade a1b2c3d4e5f6 -> b4"),
            (
                end,
                "@ STARTUP HTTP probe failed 6 times consecutively for container \"backend\" on port 8000 path \"/api/health\". The instance was not started. Connection failed with status ERROR_CONNECTION_FAILED.",
            ),
        ])
    };
    let (cause, evidence) = found(&slow(65.4));
    let Cause::SlowStart { took, allowed } = cause else { panic!("{cause:?}") };
    assert_eq!((took.as_millis(), allowed), (65_400, Duration::from_secs(65)));
    let lines: Vec<&str> = evidence.lines().collect();
    assert_eq!(lines[0], "  0.0 s  Starting new instance. Reason: DEPLOYMENT_ROLLOUT");
    assert_eq!(lines[1], " 31.2 s  INFO  [alembic.runtime.migration] Running upgrade a1b2c3d4e5f6 -> b4");
    assert!(lines[2].starts_with(" 65.4 s  STARTUP HTTP probe failed 6 times"), "{evidence}");
    // Far from what the probe allows, it is something else, and not known.
    assert_eq!(found(&slow(35.0)).0, Cause::Unknown { read: ALL });
    // Without the probe's settings there is nothing to compare with.
    let log = slow(65.4);
    assert_eq!(diagnose(&Startup { probe: None, ..startup(&log) }).cause, Cause::Unknown { read: ALL });
}

#[test]
fn the_last_attempt_counts() {
    let text =
        [include_str!("samples/psycopg-timeout.txt"), include_str!("samples/alembic-unknown-revision.txt")];
    migration(&sample(&text.concat()), Migration::UnknownRevision);
    // Even if the end was noted before the container's last line.
    let early = log(&[
        (0.0, "FAILED: Can't locate revision identified by 'deadbeef0001'"),
        (0.1, "@ Container called exit(255)."),
        (0.2, "entrypoint.sh: giving up"),
    ]);
    migration(&early, Migration::UnknownRevision);
}

#[test]
fn a_trace_can_be_one_entry() {
    let text = include_str!("samples/alembic-lock.txt");
    let (before, trace) = text.split_once("Traceback").unwrap();
    let (trace, after) = trace.split_once("\n@ ").unwrap();
    let mut lines: Vec<(f64, String)> = before.lines().map(|line| (0.0, line.to_owned())).collect();
    lines.push((0.1, format!("Traceback{trace}")));
    lines.push((0.2, format!("@ {}", after.lines().next().unwrap())));
    let lines: Vec<(f64, &str)> = lines.iter().map(|(at, line)| (*at, line.as_str())).collect();
    let evidence = migration(&log(&lines), Migration::Locked);
    assert!(evidence.contains("/app/migrations/versions/b4.py"), "{evidence}");
}

#[test]
fn what_was_dealt_with_before_the_server_listened_is_no_cause() {
    let text = include_str!("samples/psycopg-timeout.txt").replace("@ ", "")
        + include_str!("samples/uvicorn-starts.txt").split_once('\n').unwrap().1;
    assert_eq!(found(&sample(&text)).0, Cause::Unknown { read: ALL });
}

#[test]
fn no_container() {
    let reason = "Image 'europe-west2-docker.pkg.dev/p/quill/backend:main' not found.\n\nSee more";
    let startup = Startup { reason, ..startup(NOTHING) };
    let Diagnosis { cause, evidence } = diagnose(&startup);
    assert_eq!(cause, Cause::NoContainer);
    assert_eq!(evidence, ["Image 'europe-west2-docker.pkg.dev/p/quill/backend:main' not found."]);
}

#[test]
fn a_log_that_could_not_be_read_says_nothing_of_a_container() {
    let reason = "Something new went wrong.";
    let silent = Startup { reason, ..startup(NOTHING) };
    assert_eq!(diagnose(&silent).cause, Cause::NoContainer);
    assert_eq!(diagnose(&Startup { log: None, ..silent }).cause, Cause::Unknown { read: None });
    assert!(Cause::Unknown { read: None }.words().ends_with("its log could not be read"));
    for (extent, words) in [
        (LogExtent::Part, "nothing in the part of its log that was read tells"),
        (LogExtent::End, "nothing in the last lines of its log tells"),
    ] {
        let cut = RevisionLog { entries: Vec::new(), extent };
        let cause = diagnose(&Startup { reason, ..startup(&cut) }).cause;
        assert_eq!(cause, Cause::Unknown { read: Some(extent) });
        assert!(cause.words().ends_with(words), "{}", cause.words());
    }
}

#[test]
fn the_reason_may_have_the_words_of_the_log() {
    let of = |reason: &str| diagnose(&Startup { log: None, reason, ..startup(NOTHING) }).cause;
    let missing = "Application failed to start: failed to load /entrypoint.sh: no such file or directory";
    let program = "/entrypoint.sh".to_owned();
    assert_eq!(of(missing), Cause::EntryPoint { program, why: NotLoaded::Missing });
    assert_eq!(of("Container terminated on signal 11."), Cause::Killed { signal: 11 });
}

/// The condition of a revision whose service sets no probe.
const NOT_LISTENING: &str = "The user-provided container failed to start and listen on the port defined provided by \
    the PORT=8080 environment variable within the allocated timeout. This can happen when the container port is \
    misconfigured or if the timeout is too short.";

#[test]
fn without_a_probe_of_its_own_a_container_has_four_minutes() {
    const FAILURE: &str = "@ Default STARTUP TCP probe failed 1 time consecutively for container \"backend\" on port \
        8080. The instance was not started. Connection failed with status DEADLINE_EXCEEDED.";
    let none = |log: &RevisionLog| {
        diagnose(&Startup {
            log: Some(log),
            reason: NOT_LISTENING,
            admin_image: None,
            probe: None,
            port: None,
        })
    };
    // It printed nothing, and its log cannot be read: it ran all the same.
    assert_eq!(
        none(NOTHING),
        Diagnosis { cause: Cause::NotListening { port: Some(8080) }, evidence: Vec::new() }
    );
    let waits = |end| log(&[(0.0, "Waiting for another service"), (end, FAILURE)]);
    let found = none(&waits(30.0));
    assert_eq!(found.cause, Cause::NotListening { port: Some(8080) });
    assert_eq!(found.evidence[0], "Waiting for another service");
    assert!(
        matches!(none(&waits(240.2)).cause, Cause::SlowStart { allowed, .. } if allowed.as_secs() == 240)
    );
    let elsewhere = log(&[(3.0, "INFO:     Uvicorn running on http://0.0.0.0:8000"), (240.0, FAILURE)]);
    assert_eq!(
        none(&elsewhere).cause,
        Cause::PortMismatch { listens: "0.0.0.0:8000".to_owned(), probed: 8080 }
    );
    let documented = "Container failed to start. Failed to start and then listen on the port defined by the PORT \
        environment variable.";
    let startup = Startup { reason: documented, ..startup(NOTHING) };
    assert_eq!(diagnose(&startup).cause, Cause::NotListening { port: Some(8000) });
}

#[test]
fn an_image_for_another_processor_is_refused_before_it_runs() {
    let reason = "Cloud Run does not support image 'r.example/backend:main': Container manifest type \
        'application/vnd.oci.image.index.v1+json' must support amd64/linux.";
    let startup = Startup { reason, ..startup(NOTHING) };
    let Diagnosis { cause, evidence } = diagnose(&startup);
    assert_eq!((cause, evidence), (Cause::Platform, vec![reason.to_owned()]));
}

#[test]
fn an_entry_point_that_cannot_be_started() {
    let line = |said: &str| log(&[(0.0, &format!("@ terminated: Application failed to start: {said}"))]);
    for (said, program, why) in [
        ("failed to load /entrypoint.sh: no such file or directory", "/entrypoint.sh", NotLoaded::Missing),
        (
            "Failed to create init process: Failed to load java: no such file or directory",
            "java",
            NotLoaded::Missing,
        ),
        ("failed to load /app/run: permission denied", "/app/run", NotLoaded::NotExecutable),
    ] {
        let (cause, evidence) = found(&line(said));
        assert_eq!(cause, Cause::EntryPoint { program: program.to_owned(), why }, "{said}");
        assert!(evidence.ends_with(said), "{evidence}");
    }
    assert!(
        Cause::EntryPoint { program: "/e.sh".to_owned(), why: NotLoaded::Missing }
            .explanation()
            .contains("CRLF")
    );
    assert_eq!(found(&line("failed to load /bin/sh: exec format error")).0, Cause::Platform);
    // The words are Cloud Run's, and not those of a program in a script.
    let shell =
        log(&[(0.0, "cat: /config: No such file or directory"), (0.1, "@ Container called exit(1).")]);
    assert_eq!(found(&shell).0, Cause::Crash { exit: 1 });
}

#[test]
fn a_program_that_is_killed() {
    for (line, signal) in [
        ("@ Container terminated on signal 11.", 11),
        ("@ Uncaught signal: 6, pid=7, tid=7, fault_addr=0.", 6),
        ("@ Container terminated on signal 9.", 9),
    ] {
        let log = log(&[(0.0, "loading the model"), (2.0, line)]);
        let (cause, evidence) = found(&log);
        assert_eq!(cause, Cause::Killed { signal });
        assert_eq!(evidence, format!("loading the model\n{}", line.trim_start_matches("@ ")));
    }
    assert!(Cause::Killed { signal: 11 }.words().contains("segmentation fault"));
    // The cause that the program itself printed counts more than the signal that killed it.
    let trace = log(&[
        (0.0, "FAILED: Can't locate revision identified by 'deadbeef0001'"),
        (0.1, "@ Container terminated on signal 9."),
    ]);
    migration(&trace, Migration::UnknownRevision);
}

#[test]
fn not_known_is_said() {
    assert_eq!(
        diagnose(&startup(NOTHING)),
        Diagnosis { cause: Cause::Unknown { read: ALL }, evidence: Vec::new() }
    );
    let (cause, evidence) = found(&sample!("uvicorn-starts"));
    assert_eq!(cause, Cause::Unknown { read: ALL });
    assert_eq!(evidence.lines().count(), LAST_LINES, "{evidence}");
    // Audit entries do not belong to the container's log.
    let mut audit = log(&[(0.0, "ADMIN_ACTION environment variable is required")]);
    audit.entries[0].source = LogSource::Other;
    assert_eq!(found(&audit).0, Cause::Unknown { read: ALL });
}
