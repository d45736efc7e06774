//! The database in the job's command: no override of a run leads to another one.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use quill_admin_contract::{ExitCode, Outcome, Target, TargetParts, TlsMode};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{Database, Generation};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

use crate::run::{Ended, Executor};

/// Parts of a target of this database, on this machine.
fn parts(db: &Database) -> TargetParts {
    TargetParts {
        cas: Vec::new(),
        host: "127.0.0.1".to_owned(),
        name: db.name.clone(),
        port: db.port,
        schema: "public".to_owned(),
        server_name: None,
        tls: TlsMode::Require.as_str().to_owned(),
        user: db.user.clone(),
    }
}

fn verify_ca(db: &Database, cas: &[String]) -> TargetParts {
    TargetParts { cas: cas.to_vec(), tls: TlsMode::VerifyCa.as_str().to_owned(), ..parts(db) }
}

/// An executor for `check` in a job with this target: of the variables only the password is set.
fn check(db: &Database, parts: TargetParts) -> Executor {
    let target = Target::new(parts).expect("a target").to_json();
    let executor = Executor::on(db, "check").arguments(&["--target", &target]);
    ["AUTH_DB_HOST", "AUTH_DB_PORT", "AUTH_DB_NAME", "AUTH_DB_USER"]
        .iter()
        .fold(executor, |e, name| e.unset(name))
}

fn tls(ended: Ended) -> Option<String> {
    match ended.expect(ExitCode::Success).outcome() {
        Outcome::Checked { database, .. } => database.tls,
        other => panic!("{other:?}"),
    }
}

fn pem(file: &std::path::Path) -> String {
    fs::read_to_string(file).expect("readable")
}

/// A server of an attacker who may run the job: it counts connections, at an address and at a Unix socket.
struct Listener {
    port: u16,
    socket: tempfile::TempDir,
    knocked: Arc<AtomicUsize>,
}

impl Listener {
    fn start() -> Self {
        let knocked = Arc::new(AtomicUsize::new(0));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let socket = tempfile::tempdir().expect("a folder");
        let unix = UnixListener::bind(socket.path().join(format!(".s.PGSQL.{port}"))).expect("a socket");
        let count = Arc::clone(&knocked);
        thread::spawn(move || {
            for _client in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let count = Arc::clone(&knocked);
        thread::spawn(move || {
            for _client in unix.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, socket, knocked }
    }

    /// Number of connections. A connection of the test's own, which is counted last, shows that none is
    /// missing.
    fn knocks(&self) -> usize {
        let before = self.knocked.load(Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)).expect("it listens"));
        while self.knocked.load(Ordering::SeqCst) == before {
            thread::yield_now();
        }
        self.knocked.fetch_sub(1, Ordering::SeqCst) - 1
    }
}

#[test]
fn no_override_leads_to_another_server() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let listener = Listener::start();
    let (port, socket) =
        (listener.port.to_string(), listener.socket.path().to_str().expect("UTF-8").to_owned());
    let url = format!("postgresql://127.0.0.1:{port}/postgres");
    let theirs: Vec<(String, String)> = ["AUTH_DB_", "CORE_DB_", "PG"]
        .iter()
        .flat_map(|prefix| {
            let of = |name: &str, value: &str| (format!("{prefix}{name}"), value.to_owned());
            [
                of("HOST", "127.0.0.1"),
                of("HOST", &socket),
                of("HOST", &url),
                of("HOSTADDR", "127.0.0.1"),
                of("PORT", &port),
                of("NAME", "postgres"),
                of("DATABASE", "postgres"),
                of("USER", "postgres"),
                of("SSLMODE", "disable"),
                of("SSLROOTCERT", "/nowhere.pem"),
                of("SERVICE", "theirs"),
                of("SERVICEFILE", "/nowhere"),
                of("OPTIONS", "-c search_path=evil"),
            ]
        })
        .chain([("DATABASE_URL".to_owned(), url.clone()), ("HOSTALIASES".to_owned(), "/nowhere".to_owned())])
        .collect();
    // Without a target the same variables do lead there, so the checks below mean something.
    let open = Executor::on(&db, "check").set("AUTH_DB_HOST", "127.0.0.1").set("AUTH_DB_PORT", &port).run();
    assert_ne!(open.code, Some(0));
    assert!(listener.knocks() > 0);
    listener.knocked.store(0, Ordering::SeqCst);

    let job = check(&db, parts(&db));
    for (name, value) in &theirs {
        let ended = job.clone().set(name, value).run().expect(ExitCode::Success);
        assert!(
            ended.messages().iter().any(|line| line.contains(&format!("127.0.0.1:{}/", db.port))),
            "{}",
            ended.text
        );
    }
    // All of them at once, and each alone with the port that it needs.
    for host in ["127.0.0.1", &socket, &url] {
        let mut all = theirs.iter().fold(job.clone(), |job, (name, value)| job.set(name, value));
        for prefix in ["AUTH_DB_", "CORE_DB_", "PG"] {
            all = all.set(&format!("{prefix}HOST"), host);
        }
        let ended = all.run().expect(ExitCode::Success);
        let said = ended.messages().join("\n");
        assert!(said.contains("WARNING the job's command says which database it is"), "{said}");
        for name in ["AUTH_DB_PORT", "CORE_DB_USER", "AUTH_DB_SSLROOTCERT"] {
            assert!(said.contains(name), "{said}");
        }
        // The arguments are not repeated: they may be a secret that was put in the wrong place.
        assert!(!said.contains(&socket), "{said}");
    }
    assert_eq!(listener.knocks(), 0);
}

#[test]
fn an_argument_that_a_run_adds_is_refused_before_anything_is_connected_to() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let listener = Listener::start();
    let theirs = Target::new(TargetParts { port: listener.port, ..parts(&db) }).expect("a target").to_json();
    let job = check(&db, TargetParts { port: listener.port, ..parts(&db) });
    for arguments in [&["--target", &theirs][..], &["--help"], &[""], &["--"], &["planted-in-clear"]] {
        let ended = job.clone().arguments(arguments).run().expect(ExitCode::Usage);
        assert!(ended.message().contains("a run must not override the job's arguments"), "{}", ended.text);
        assert!(!ended.text.contains("planted"), "{}", ended.text);
        assert_eq!(ended.messages(), [""; 0]);
    }
    // A job without a target accepts none from a run, either, unless it is complete: then it cannot be told
    // from the job's own arguments, and the warning before the run is about that.
    let bare = Executor::on(&db, "check").set("AUTH_DB_PORT", &listener.port.to_string());
    for arguments in
        [&["x"][..], &["--target"], &["--target", "{}"], &["--target", "{}", "x"], &["--target", ""]]
    {
        let _ = bare.clone().arguments(arguments).run().expect(ExitCode::Usage);
    }
    // The refusal is proven like any other result.
    let key = "5a".repeat(32);
    let proven = job.set("ADMIN_PROOF_KEY", &key).arguments(&["x"]).run().expect(ExitCode::Usage);
    let last = proven.lines().pop().expect("a line");
    assert!(last["quill_admin"]["proof"].is_string(), "{last}");
    assert_eq!(listener.knocks(), 0);
}

#[test]
fn a_target_has_its_password_from_the_variables_and_nothing_else() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    assert!(tls(check(&db, parts(&db)).run()).is_some());
    let newer = check(&db, parts(&db)).unset("AUTH_DB_PASSWORD").set("CORE_DB_PASSWORD", &db.password);
    assert!(tls(newer.run()).is_some());
    let none = check(&db, parts(&db)).unset("AUTH_DB_PASSWORD").run().expect(ExitCode::Usage);
    assert_eq!(none.message(), "missing variable: AUTH_DB_PASSWORD");
    let disabled = TargetParts { tls: "disable".to_owned(), ..parts(&db) };
    assert_eq!(tls(check(&db, disabled).run()), None);
}

#[test]
fn the_listed_authorities_are_trusted_and_no_others() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let (own, other) = (pem(db.ca_file()), pem(db.other_ca_file()));
    assert!(tls(check(&db, verify_ca(&db, std::slice::from_ref(&own))).run()).is_some());
    // The next authority's certificate stands beside it, in an entry of its own or in the same one.
    assert!(tls(check(&db, verify_ca(&db, &[other.clone(), own.clone()])).run()).is_some());
    assert!(tls(check(&db, verify_ca(&db, &[format!("{}\n{}", other.trim(), own.trim())])).run()).is_some());
    let refused =
        check(&db, verify_ca(&db, std::slice::from_ref(&other))).run().expect(ExitCode::DatabaseRefused);
    assert!(refused.message().contains("UnknownIssuer"), "{}", refused.message());
    // A file that a run names has no effect.
    let file = check(&db, verify_ca(&db, &[other]))
        .set("AUTH_DB_SSLROOTCERT", db.ca_file().to_str().expect("UTF-8"))
        .set("AUTH_DB_SSLMODE", "disable");
    let _ = file.run().expect(ExitCode::DatabaseRefused);
    // A text that only looks like a certificate is a mistake of the job.
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----".to_owned();
    let unusable = check(&db, verify_ca(&db, &[nonsense])).run().expect(ExitCode::Usage);
    assert!(unusable.message().contains("the job's command (cas of its target)"), "{}", unusable.message());
}

#[test]
fn the_name_is_verified_and_the_address_connected_to() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let full = |name: &str| TargetParts {
        server_name: Some(name.to_owned()),
        tls: TlsMode::VerifyFull.as_str().to_owned(),
        ..verify_ca(&db, &[pem(db.ca_file())])
    };
    // The test server's certificate is for localhost, and the job connects to its address.
    assert!(tls(check(&db, full("localhost")).run()).is_some());
    for name in ["db.example.org", "127.0.0.1"] {
        let refused = check(&db, full(name)).run().expect(ExitCode::DatabaseRefused);
        assert!(refused.message().contains("not valid for name"), "{}", refused.message());
    }
    // The name is right, and the authority is another one.
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let stranger = params.self_signed(&key).expect("a certificate").pem();
    let refused = check(&db, TargetParts { cas: vec![stranger], ..full("localhost") }).run();
    let _ = refused.expect(ExitCode::DatabaseRefused);
}

#[test]
fn a_job_for_another_schema_is_refused_before_anything_is_connected_to() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let listener = Listener::start();
    let elsewhere = TargetParts { schema: "theirs".to_owned(), port: listener.port, ..parts(&db) };
    for action in ["check", "show-user"] {
        let ended = check(&db, elsewhere.clone())
            .set("ADMIN_ACTION", action)
            .set("ADMIN_USERNAME", "jo")
            .run()
            .expect(ExitCode::SchemaMismatch);
        assert!(ended.message().contains("the job is for the schema theirs"), "{}", ended.message());
    }
    assert_eq!(listener.knocks(), 0);
}

#[test]
fn in_cloud_run_a_job_without_a_target_is_told_of() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let warned = |executor: Executor| {
        let ended = executor.set("CLOUD_RUN_JOB", "quill-admin-staging").run().expect(ExitCode::Success);
        ended
            .messages()
            .iter()
            .any(|line| line.starts_with("WARNING the job's command does not say which database"))
    };
    assert!(warned(Executor::on(&db, "check")));
    assert!(!warned(check(&db, parts(&db))));
}
