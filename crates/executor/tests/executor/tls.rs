//! The TLS modes, right and wrong, and Unix sockets.

use std::io::copy;
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_testkit::needs_postgres;
use quill_admin_testkit::postgres::{AUGUST_2026, Database, Generation, SEED_ROLES, Server};
use rcgen::{CertificateParams, KeyPair, SigningKey};
use tokio_postgres::{Config, NoTls};
use x509_cert::der::asn1::BitString;
use x509_cert::der::{Decode, Encode, EncodePem, pem::LineEnding};
use x509_cert::{Certificate, Version};

use crate::run::{Ended, Executor};

fn check(db: &Database, host: &str, mode: &str) -> Executor {
    Executor::on(db, "check").set("AUTH_DB_HOST", host).set("AUTH_DB_SSLMODE", mode)
}

fn trusting(executor: Executor, file: &Path) -> Executor {
    executor.set("AUTH_DB_SSLROOTCERT", file.to_str().expect("UTF-8"))
}

/// The TLS version that the result reports: the database's own view of the connection.
fn version(ended: Ended) -> Option<String> {
    match ended.expect(ExitCode::Success).outcome() {
        Outcome::Checked { database, .. } => database.tls,
        other => panic!("{other:?}"),
    }
}

const TLS: Option<&str> = Some("TLSv1.3");

#[test]
fn modes_that_verify_nothing_encrypt_or_not() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(version(check(&db, host, "disable").run()), None);
        assert_eq!(version(check(&db, host, "prefer").run()).as_deref(), TLS);
        assert_eq!(version(check(&db, host, "require").run()).as_deref(), TLS);
        // A file of certificates has no effect on these modes.
        let stranger = trusting(check(&db, host, "require"), db.other_ca_file());
        assert_eq!(version(stranger.run()).as_deref(), TLS);
    }
}

#[test]
fn verify_ca_asks_who_signed_and_not_whom_it_names() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    for host in ["localhost", "127.0.0.1"] {
        let ended = trusting(check(&db, host, "verify-ca"), db.ca_file()).run();
        assert_eq!(version(ended).as_deref(), TLS);
        let ended = trusting(check(&db, host, "verify-ca"), db.other_ca_file())
            .run()
            .expect(ExitCode::DatabaseRefused);
        assert!(
            ended.message().contains("TLS: invalid peer certificate: UnknownIssuer"),
            "{}",
            ended.message()
        );
        assert!(ended.took.as_secs() < 10, "it must not be tried again: {:?}", ended.took);
    }
}

#[test]
fn verify_full_asks_for_both() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let ended = trusting(check(&db, "localhost", "verify-full"), db.ca_file()).run();
    assert_eq!(version(ended).as_deref(), TLS);
    let ended = trusting(check(&db, "127.0.0.1", "verify-full"), db.ca_file())
        .run()
        .expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("not valid for name"), "{}", ended.message());
    let ended = trusting(check(&db, "localhost", "verify-full"), db.other_ca_file())
        .run()
        .expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("UnknownIssuer"), "{}", ended.message());
}

#[test]
fn several_certificates_in_one_file_are_all_trusted() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let directory = tempfile::tempdir().expect("a directory");
    let both = directory.path().join("both.pem");
    let read = |path: &Path| std::fs::read_to_string(path).expect("readable");
    std::fs::write(&both, format!("# a comment\n{}{}", read(db.other_ca_file()), read(db.ca_file())))
        .expect("written");
    assert_eq!(version(trusting(check(&db, "localhost", "verify-full"), &both).run()).as_deref(), TLS);
}

#[test]
fn a_server_that_insists_on_tls_refuses_in_its_own_words() {
    needs_postgres!();
    let db = Database::builder(Generation::August2026).tls_only().create();
    let ended = check(&db, "localhost", "disable").run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("pg_hba.conf"), "{}", ended.message());
    assert!(ended.message().contains("TLS: disable"), "{}", ended.message());
    for mode in ["prefer", "require"] {
        assert_eq!(version(check(&db, "localhost", mode).run()).as_deref(), TLS);
    }
}

/// Runs statements on a server of the test's own, as its superuser.
pub(crate) async fn administer(server: &Server, statements: &[&str]) {
    let access = server.access();
    let (client, connection) = Config::new()
        .host(&access.host)
        .port(access.port)
        .user(&access.user)
        .password(&access.password)
        .dbname("postgres")
        .connect(NoTls)
        .await
        .expect("connected");
    let connection = tokio::spawn(connection);
    for statement in statements {
        client.batch_execute(statement).await.expect(statement);
    }
    drop(client);
    connection.await.expect("no panic").expect("closed");
}

/// A server of the test's own, because its TLS settings are changed; the tables are in its first database.
pub(crate) async fn own_server() -> (Server, Executor) {
    let server = Server::start().expect("a server");
    administer(&server, &[AUGUST_2026, SEED_ROLES]).await;
    let access = server.access();
    let executor = Executor::bare()
        .set("AUTH_DB_HOST", &access.host)
        .set("AUTH_DB_PORT", &access.port.to_string())
        .set("AUTH_DB_NAME", "postgres")
        .set("AUTH_DB_USER", &access.user)
        .set("AUTH_DB_PASSWORD", &access.password)
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", crate::run::REQUEST)
        .set("ADMIN_ACTION", "check");
    (server, executor)
}

/// Waits until changed settings are in force: the server reads them a moment after it was told to.
pub(crate) fn until(executor: &Executor, reached: impl Fn(&Ended) -> bool) -> Ended {
    let started = std::time::Instant::now();
    loop {
        let ended = executor.run();
        if reached(&ended) {
            return ended;
        }
        assert!(started.elapsed().as_secs() < 10, "{}", ended.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_where_tls_is_required() {
    needs_postgres!();
    let (server, executor) = own_server().await;
    administer(&server, &["ALTER SYSTEM SET ssl = off", "SELECT pg_reload_conf()"]).await;
    until(&executor, |ended| ended.code == Some(0) && ended.text.contains("no TLS"));
    let ended = executor.clone().set("AUTH_DB_SSLMODE", "require").run().expect(ExitCode::DatabaseRefused);
    assert!(ended.message().contains("server does not support TLS"), "{}", ended.message());
    assert!(ended.took.as_secs() < 10, "{:?}", ended.took);
}

/// A certificate of X.509 version 1, as `openssl x509 -req` made them for years.
fn version_1_certificate() -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let modern = CertificateParams::new(["localhost".to_owned()]).and_then(|params| params.self_signed(&key));
    let mut certificate = Certificate::from_der(modern.expect("signed").der()).expect("DER");
    certificate.tbs_certificate.version = Version::V1;
    certificate.tbs_certificate.extensions = None;
    let signature = key.sign(&certificate.tbs_certificate.to_der().expect("DER")).expect("signed");
    certificate.signature = BitString::from_bytes(&signature).expect("bits");
    (certificate.to_pem(LineEnding::LF).expect("PEM"), key.serialize_pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_fashioned_certificate_is_good_enough_to_encrypt_with() {
    needs_postgres!();
    let (certificate, key) = version_1_certificate();
    let (server, executor) = own_server().await;
    let directory = server.access().ca_file.parent().expect("a directory").to_owned();
    std::fs::write(directory.join("server.pem"), &certificate).expect("written");
    std::fs::write(directory.join("server.key"), key).expect("written");
    administer(&server, &["SELECT pg_reload_conf()"]).await;
    let trusted = directory.join("version-1.pem");
    std::fs::write(&trusted, certificate).expect("written");
    // A certificate that cannot be read cannot be verified, and this error shows that the new one is in use.
    let verify = trusting(executor.clone().set("AUTH_DB_SSLMODE", "verify-ca"), &trusted);
    let ended = until(&verify, |ended| ended.text.contains("UnsupportedCertVersion"));
    ended.expect(ExitCode::DatabaseRefused);
    for mode in ["require", "prefer"] {
        assert_eq!(version(executor.clone().set("AUTH_DB_SSLMODE", mode).run()).as_deref(), TLS);
    }
}

#[test]
fn a_unix_socket_works_in_every_mode_and_without_tls() {
    needs_postgres!();
    let db = Database::create(Generation::August2026);
    let directory = tempfile::tempdir().expect("a directory");
    let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("a socket");
    let port = db.port;
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a connection");
            let server = TcpStream::connect(("127.0.0.1", port)).expect("the server");
            let (mut up, mut down) = (client.try_clone().expect("clone"), server.try_clone().expect("clone"));
            thread::spawn(move || copy(&mut up, &mut down));
            let (mut up, mut down) = (client, server);
            thread::spawn(move || copy(&mut down, &mut up));
        }
    });
    let path = directory.path().to_str().expect("UTF-8");
    for mode in ["disable", "prefer", "require"] {
        let ended = check(&db, path, mode).set("AUTH_DB_PORT", "5432").run();
        assert!(ended.messages()[0].contains("(Unix socket)"), "{}", ended.text);
        assert_eq!(version(ended), None);
    }
}
