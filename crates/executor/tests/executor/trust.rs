//! The database's password is given to no server. Servers ask for it in every way there is, on this machine
//! and beyond it; the other tests say which servers are answered.

use std::fs;
use std::io::{self, Read, Write, copy};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use quill_admin_contract::{ExitCode, Outcome};
use quill_admin_testkit::postgres::{Database, Generation};
use quill_admin_testkit::{needs_postgres, skip};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, SignatureAlgorithm};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::run::{Ended, Executor, HASH, REQUEST};
use crate::tls::{administer, own_server, until};

/// The database's password in these tests; no server may receive it.
const PASSWORD: &str = "planted-Kq3-database-password";

/// An address of this machine that is not loopback, as the kernel lists it.
fn own_address() -> Option<Ipv4Addr> {
    let table = fs::read_to_string("/proc/net/fib_trie").ok()?;
    let mut address = None;
    for line in table.lines() {
        if let Some(text) = line.trim().strip_prefix("|-- ") {
            address = text.parse::<Ipv4Addr>().ok();
        } else if line.contains("/32 host LOCAL")
            && let Some(found) = address.filter(|address| !address.is_loopback() && !address.is_link_local())
        {
            return Some(found);
        }
    }
    None
}

macro_rules! needs_own_address {
    () => {
        match own_address() {
            Some(address) => IpAddr::V4(address),
            None => skip!("address", "this machine has no address but loopback"),
        }
    };
}

/// The way in which a server asks a client to log in.
#[derive(Clone, Copy, PartialEq)]
enum Asks {
    /// `AuthenticationCleartextPassword`.
    ClearText,
    /// `AuthenticationMD5Password`.
    Md5,
    /// `AuthenticationSASL` with SCRAM-SHA-256 alone.
    Scram,
    /// `AuthenticationSASL` with SCRAM-SHA-256-PLUS, by a server that does not know the password.
    ScramPlus,
    /// `AuthenticationOk` and all messages that make a client go on.
    Nothing,
}

/// The answer of a server that is asked for TLS.
#[derive(Clone, Copy, PartialEq)]
enum Offers {
    Plain,
    Tls,
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
    [&[kind], length.as_slice(), body].concat()
}

fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[code.to_be_bytes().as_slice(), rest].concat())
}

/// Reads the start-up message, or the request for TLS: both begin with their length.
fn read_untyped(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Asks, and returns everything that the client answered. Ends when the client hangs up.
fn ask(stream: &mut (impl Read + Write), asks: Asks) -> Vec<u8> {
    let mut answer = Vec::new();
    let question = match asks {
        Asks::ClearText => authentication(3, b""),
        Asks::Md5 => authentication(5, b"salt"),
        Asks::Scram => authentication(10, b"SCRAM-SHA-256\0\0"),
        Asks::ScramPlus => authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"),
        Asks::Nothing => [authentication(0, b""), message(b'Z', b"I")].concat(),
    };
    let _ = stream.write_all(&question).and_then(|()| stream.flush());
    if asks == Asks::ScramPlus {
        // The server goes on with the exchange until it gets the proof, and then sends an invented signature.
        let mut first = [0; 4096];
        let read = stream.read(&mut first).unwrap_or(0);
        answer.extend_from_slice(&first[..read]);
        let text = String::from_utf8_lossy(&answer).into_owned();
        let nonce = text.split(",r=").nth(1).unwrap_or_default();
        let server_first = format!("r={nonce}server,s=c2FsdHNhbHRzYWx0c2FsdA==,i=4096");
        let _ = stream.write_all(&authentication(11, server_first.as_bytes()));
        let read = stream.read(&mut first).unwrap_or(0);
        answer.extend_from_slice(&first[..read]);
        let signature = b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let _ = stream.write_all(&[authentication(12, signature), authentication(0, b"")].concat());
        answer.push(b'|');
    }
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..read]);
    }
    answer
}

/// A self-signed certificate of a server, with a key of this kind.
fn tls(algorithm: &'static SignatureAlgorithm) -> Arc<ServerConfig> {
    let key = KeyPair::generate_for(algorithm).expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("supported")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate and its key");
    Arc::new(config)
}

/// A server that asks, at an address. It reports everything that each client sent after its start-up message.
fn hostile(address: IpAddr, offers: Offers, asks: Asks) -> (u16, Receiver<Vec<u8>>) {
    hostile_with(address, offers, asks, &PKCS_ECDSA_P384_SHA384)
}

fn hostile_with(
    address: IpAddr,
    offers: Offers,
    asks: Asks,
    algorithm: &'static SignatureAlgorithm,
) -> (u16, Receiver<Vec<u8>>) {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (tell, told) = channel();
    let config = tls(algorithm);
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            serve(client, offers, asks, Arc::clone(&config), &tell);
        }
    });
    (port, told)
}

fn serve(
    mut client: TcpStream,
    offers: Offers,
    asks: Asks,
    config: Arc<ServerConfig>,
    tell: &Sender<Vec<u8>>,
) {
    client.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
    let Ok(first) = read_untyped(&mut client) else { return };
    let wants_tls = first == 80_877_103_u32.to_be_bytes();
    let received = if wants_tls && offers == Offers::Tls {
        let _ = client.write_all(b"S");
        let connection = ServerConnection::new(config).expect("a connection");
        let mut stream = StreamOwned::new(connection, client);
        match read_untyped(&mut stream) {
            Ok(_) => ask(&mut stream, asks),
            Err(_) => Vec::new(),
        }
    } else {
        if wants_tls {
            let _ = client.write_all(b"N");
            if read_untyped(&mut client).is_err() {
                let _ = tell.send(Vec::new());
                return;
            }
        }
        ask(&mut client, asks)
    };
    let _ = tell.send(received);
}

fn executor(host: IpAddr, port: u16, mode: &str) -> Executor {
    Executor::bare()
        .set("AUTH_DB_HOST", &host.to_string())
        .set("AUTH_DB_NAME", "quill_auth")
        .set("AUTH_DB_PORT", &port.to_string())
        .set("AUTH_DB_SSLMODE", mode)
        .set("AUTH_DB_PASSWORD", PASSWORD)
        .set("ADMIN_LOG_FORMAT", "json")
        .set("ADMIN_REQUEST_ID", REQUEST)
        .set("ADMIN_ACTION", "create-superadmin")
        .set("ADMIN_USERNAME", "jo")
        .set("ADMIN_EMAIL", "jo@example.org")
        .set("ADMIN_PASSWORD_HASH", HASH)
}

/// Checks that the run ends at once with 14 and these words, and that the server is sent nothing at all.
#[track_caller]
fn refused(ended: &Ended, words: &str) {
    assert_eq!(ended.code, Some(14), "{}", ended.text);
    assert!(ended.message().contains(words), "{words}: {}", ended.message());
    assert!(ended.took < Duration::from_secs(10), "it must not be tried again: {:?}", ended.took);
}

/// Everything that the one client of a server sent.
fn received(told: &Receiver<Vec<u8>>) -> Vec<u8> {
    let received = told.recv_timeout(Duration::from_secs(10)).expect("a client came");
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "and came once");
    received
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[test]
fn clear_text_and_md5_are_answered_nowhere() {
    let beyond = needs_own_address!();
    for (host, offers, mode) in [
        (LOOPBACK, Offers::Plain, "disable"),
        (LOOPBACK, Offers::Plain, "prefer"),
        (LOOPBACK, Offers::Tls, "prefer"),
        (beyond, Offers::Tls, "prefer"),
        (beyond, Offers::Tls, "require"),
    ] {
        for (asks, words) in [(Asks::ClearText, "in clear text"), (Asks::Md5, "stored with MD5")] {
            let (port, told) = hostile(host, offers, asks);
            refused(&executor(host, port, mode).run(), words);
            assert_eq!(received(&told), b"", "{host} {mode}");
        }
    }
}

#[test]
fn a_unix_socket_that_asks_for_the_password_is_told_nothing() {
    for (asks, words) in [(Asks::ClearText, "in clear text"), (Asks::Md5, "stored with MD5")] {
        let directory = tempfile::tempdir().expect("a directory");
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).expect("a socket");
        let server = thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client");
            read_untyped(&mut client).expect("a start-up message");
            ask(&mut client, asks)
        });
        let path = directory.path().to_str().expect("UTF-8");
        let ended = executor(LOOPBACK, 5432, "require").set("AUTH_DB_HOST", path).run();
        refused(&ended, words);
        assert_eq!(server.join().expect("no panic"), b"");
    }
}

#[test]
fn beyond_this_machine_a_server_without_tls_does_not_even_hear_the_users_name() {
    let beyond = needs_own_address!();
    for mode in ["prefer", "require"] {
        for asks in [Asks::ClearText, Asks::Md5, Asks::Scram, Asks::Nothing] {
            let (port, told) = hostile(beyond, Offers::Plain, asks);
            refused(&executor(beyond, port, mode).run(), "does not support TLS");
            assert_eq!(received(&told), b"");
        }
    }
    let (port, told) = hostile(beyond, Offers::Tls, Asks::Scram);
    refused(&executor(beyond, port, "disable").run(), "TLS is switched off");
    assert!(told.recv_timeout(Duration::from_millis(200)).is_err(), "nothing is connected to");
}

#[test]
fn beyond_this_machine_the_password_is_bound_to_the_tls_connection() {
    let beyond = needs_own_address!();
    for mode in ["prefer", "require"] {
        let (port, told) = hostile(beyond, Offers::Tls, Asks::Scram);
        refused(&executor(beyond, port, mode).run(), "SCRAM-SHA-256-PLUS");
        assert_eq!(received(&told), b"", "not even the beginning of SCRAM");

        let (port, told) = hostile(beyond, Offers::Tls, Asks::Nothing);
        refused(&executor(beyond, port, mode).run(), "did not prove that it is the database");
        assert_eq!(received(&told), b"");

        let (port, told) = hostile_with(beyond, Offers::Tls, Asks::ScramPlus, &PKCS_ED25519);
        refused(&executor(beyond, port, mode).run(), "cannot be bound to the server's certificate");
        drop(told);
    }
}

/// A case in which channel binding cannot help: a server with its own certificate asks correctly. It learns a
/// proof that it can try guesses on, and nothing else; the task's own values are not sent, because the server
/// cannot prove that it knows the password.
#[test]
fn a_server_that_does_not_know_the_password_gets_a_proof_and_no_statement() {
    let beyond = needs_own_address!();
    let (port, told) = hostile(beyond, Offers::Tls, Asks::ScramPlus);
    let ended = executor(beyond, port, "require").run().expect(ExitCode::DatabaseRefused);
    refused(&ended, "what answers there is not the database");
    let received = received(&told);
    let text = String::from_utf8_lossy(&received);
    // The last separator is taken, because the nonce may contain one, too.
    let (exchange, rest) = text.rsplit_once('|').expect("both halves");
    assert!(exchange.contains("p=tls-server-end-point,,n=,r=") && exchange.contains(",p="), "{exchange}");
    assert_eq!(rest, "", "nothing follows a wrong signature");
    assert!(!text.contains(PASSWORD), "{text}");
}

/// Forwards bytes from an address of this machine to its loopback, so that a real server is reached at an
/// address that is not loopback. TLS passes through it unchanged.
fn relay(address: IpAddr, server: u16) -> u16 {
    let listener = TcpListener::bind((address, 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.expect("a connection");
            let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
            for (mut from, mut to) in
                [(client.try_clone().expect("clone"), server.try_clone().expect("clone")), (server, client)]
            {
                thread::spawn(move || {
                    let _ = copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    port
}

#[test]
fn a_real_server_with_tls_and_scram_is_answered_beyond_this_machine() {
    needs_postgres!();
    let beyond = needs_own_address!();
    let db = Database::builder(Generation::August2026).tls_only().create();
    let port = relay(beyond, db.port);
    let at = |executor: Executor, mode: &str| {
        executor
            .set("AUTH_DB_HOST", &beyond.to_string())
            .set("AUTH_DB_PORT", &port.to_string())
            .set("AUTH_DB_SSLMODE", mode)
    };
    let create = Executor::create(&db, "jo", "jo@example.org");
    let ended = at(create.clone(), "require").run().expect(ExitCode::Success);
    assert!(matches!(ended.outcome(), Outcome::Created { .. }));
    at(Executor::on(&db, "check"), "prefer").run().expect(ExitCode::Success);
    let verify = at(Executor::on(&db, "check"), "verify-ca")
        .set("AUTH_DB_SSLROOTCERT", db.ca_file().to_str().expect("UTF-8"));
    verify.run().expect(ExitCode::Success);
    refused(&at(create, "disable").run(), "TLS is switched off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_hash_is_bound_to() {
    needs_postgres!();
    let beyond = needs_own_address!();
    let (server, executor) = own_server().await;
    let port = relay(beyond, server.access().port).to_string();
    let away = executor.set("AUTH_DB_HOST", &beyond.to_string()).set("AUTH_DB_PORT", &port);
    away.run().expect(ExitCode::Success);

    let directory = server.access().ca_file.parent().expect("a directory").to_owned();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).expect("a key");
    let certificate = CertificateParams::new(["localhost".to_owned()])
        .and_then(|params| params.self_signed(&key))
        .expect("a certificate");
    fs::write(directory.join("server.pem"), certificate.pem()).expect("written");
    fs::write(directory.join("server.key"), key.serialize_pem()).expect("written");
    administer(&server, &["SELECT pg_reload_conf()"]).await;
    let old = server.access().ca_file.to_str().expect("UTF-8");
    let verify = away.clone().set("AUTH_DB_SSLMODE", "verify-ca").set("AUTH_DB_SSLROOTCERT", old);
    until(&verify, |ended| ended.code == Some(14));
    away.run().expect(ExitCode::Success);
}

/// Servers that were set up before PostgreSQL 14 ask for the form in which the user's password is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_is_stored_with_md5_is_told_what_to_do() {
    needs_postgres!();
    let beyond = needs_own_address!();
    let (server, executor) = own_server().await;
    let directory = server.access().ca_file.parent().expect("a directory").to_owned();
    let own_rule = "host all postgres 127.0.0.1/32 scram-sha-256\n";
    let old =
        format!("SET password_encryption = 'md5'; CREATE ROLE old LOGIN SUPERUSER PASSWORD '{PASSWORD}'");
    administer(&server, &[&old]).await;
    let port = relay(beyond, server.access().port).to_string();
    let here = executor.set("AUTH_DB_USER", "old").set("AUTH_DB_PASSWORD", PASSWORD);
    let away = here.clone().set("AUTH_DB_HOST", &beyond.to_string()).set("AUTH_DB_PORT", &port);

    // If the server wants SCRAM it gives the same answer as to a wrong password.
    for executor in [&here, &away] {
        refused(&executor.run(), "stored with MD5");
    }
    fs::write(directory.join("pg_hba.conf"), format!("{own_rule}host all all 127.0.0.1/32 md5\n"))
        .expect("written");
    administer(&server, &["SELECT pg_reload_conf()"]).await;
    for executor in [&here, &away] {
        let ended = until(executor, |ended| ended.text.contains("MD5 hash"));
        refused(&ended, "password_encryption is scram-sha-256");
    }
    // The advice in the message solves the problem.
    administer(
        &server,
        &[&format!("SET password_encryption = 'scram-sha-256'; ALTER ROLE old PASSWORD '{PASSWORD}'")],
    )
    .await;
    for executor in [&here, &away] {
        executor.run().expect(ExitCode::Success);
    }
    fs::write(directory.join("pg_hba.conf"), format!("{own_rule}host all all 127.0.0.1/32 password\n"))
        .expect("written");
    administer(&server, &["SELECT pg_reload_conf()"]).await;
    for executor in [&here, &away] {
        refused(&until(executor, |ended| ended.code == Some(14)), "in clear text");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_password_is_asked_for_this_machine_alone_is_trusted() {
    needs_postgres!();
    let beyond = needs_own_address!();
    let (server, executor) = own_server().await;
    let directory = server.access().ca_file.parent().expect("a directory").to_owned();
    fs::write(directory.join("pg_hba.conf"), "host all all 127.0.0.1/32 trust\n").expect("written");
    administer(&server, &["SELECT pg_reload_conf()"]).await;
    let port = relay(beyond, server.access().port).to_string();
    let anybody = executor.set("AUTH_DB_PASSWORD", PASSWORD);
    until(&anybody, |ended| ended.code == Some(0));
    let away = anybody.set("AUTH_DB_HOST", &beyond.to_string()).set("AUTH_DB_PORT", &port);
    refused(&away.run(), "did not prove that it is the database");
}
