//! A network that fails on demand: a forwarder between executor and server, which is told for each connection
//! in turn what to do with it. It works without TLS only, because it reads the data.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread;

use quill_admin_testkit::postgres::Database;

use crate::run::Executor;

/// The treatment of one connection.
pub(crate) enum Conduct {
    /// The connection is forwarded.
    Pass,
    /// The connection is closed as soon as it is open.
    Refuse,
    /// The connection is accepted, and never answered.
    Silent,
    /// COMMIT reaches the server, its answer does not come back: the connection breaks instead.
    CutAfterCommit,
    /// Data that contain this do not reach the server: the connection breaks instead.
    CutBefore(&'static [u8]),
    /// Data that contain this, and all data after them, are dropped.
    Swallow(&'static [u8]),
    /// COMMIT reaches the server; its answer is announced and held back until told to deliver.
    HoldCommit(Sender<()>, Receiver<()>),
}

/// Starts a forwarder and directs the executor to it. Connections beyond those listed are forwarded.
pub(crate) fn between(executor: Executor, db: &Database, conducts: Vec<Conduct>) -> Executor {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let server = db.port;
    thread::spawn(move || serve(&listener, server, conducts));
    at(executor, port)
}

/// Directs an executor to a local port, without TLS.
pub(crate) fn at(executor: Executor, port: u16) -> Executor {
    executor
        .set("AUTH_DB_HOST", "127.0.0.1")
        .set("AUTH_DB_PORT", &port.to_string())
        .set("AUTH_DB_SSLMODE", "disable")
}

/// Forwards for as long as the test process lives.
pub(crate) fn serve(listener: &TcpListener, server: u16, conducts: Vec<Conduct>) {
    let mut conducts = conducts.into_iter();
    // The connections that are neither answered nor closed.
    let mut silent = Vec::new();
    for client in listener.incoming() {
        let client = client.expect("a connection");
        match conducts.next().unwrap_or(Conduct::Pass) {
            Conduct::Refuse => drop(client),
            Conduct::Silent => silent.push(client),
            conduct => {
                let server = TcpStream::connect(("127.0.0.1", server)).expect("the server");
                forward(client, server, conduct);
            }
        }
    }
}

/// The message in which COMMIT is sent.
pub(crate) const COMMIT: &[u8] = b"COMMIT\0";

fn forward(mut client: TcpStream, mut server: TcpStream, conduct: Conduct) {
    let seen = Arc::new(AtomicBool::new(false));
    let conduct = Arc::new(Mutex::new(conduct));
    let (mut from_client, mut to_client) =
        (client.try_clone().expect("clone"), client.try_clone().expect("clone"));
    let (mut from_server, mut to_server) =
        (server.try_clone().expect("clone"), server.try_clone().expect("clone"));
    let (seen_too, conduct_too) = (Arc::clone(&seen), Arc::clone(&conduct));
    thread::spawn(move || {
        pump(&mut from_client, |bytes| {
            let contains = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
            match &*conduct.lock().expect("a lock") {
                Conduct::CutBefore(text) if contains(text) => return false,
                Conduct::Swallow(text) if seen.load(Ordering::SeqCst) || contains(text) => {
                    seen.store(true, Ordering::SeqCst);
                    return true;
                }
                _ if contains(COMMIT) => seen.store(true, Ordering::SeqCst),
                _ => {}
            }
            to_server.write_all(bytes).is_ok()
        });
        close(&mut from_client);
        close(&mut to_server);
    });
    thread::spawn(move || {
        pump(&mut from_server, |bytes| {
            if seen_too.load(Ordering::SeqCst) {
                match &*conduct_too.lock().expect("a lock") {
                    Conduct::CutAfterCommit => return false,
                    Conduct::HoldCommit(announce, deliver) => {
                        let _ = announce.send(());
                        let _ = deliver.recv();
                    }
                    _ => {}
                }
            }
            to_client.write_all(bytes).is_ok()
        });
        close(&mut client);
        close(&mut server);
    });
}

fn pump(from: &mut TcpStream, mut pass: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !pass(&buffer[..read]) {
            return;
        }
    }
}

fn close(stream: &mut TcpStream) {
    let _ = stream.shutdown(Shutdown::Both);
}
