//! The stand-in for a registry that is far away: a relay before the local one, which delays every request.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use quill_admin_testkit::registry::Registry;

use super::emulator::REQUEST;

/// A registry whose answers are delayed.
pub(super) struct SlowRegistry {
    pub(super) address: String,
    pub(super) requests: Arc<AtomicUsize>,
}

impl SlowRegistry {
    pub(super) fn before(registry: &Registry) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let requests = Arc::<AtomicUsize>::default();
        let (server, count) = (registry.address(), Arc::clone(&requests));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (server, count) = (server.clone(), Arc::clone(&count));
                // The client notices if its connection breaks.
                std::thread::spawn(move || relay(client, &server, &count));
            }
        });
        Ok(Self { address, requests })
    }
}

/// Forwards a connection. The requests are small: each comes in one piece.
fn relay(mut client: TcpStream, server: &str, requests: &AtomicUsize) -> std::io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = client.read(&mut buffer)?;
        if count == 0 {
            return server.shutdown(std::net::Shutdown::Write);
        }
        requests.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(REQUEST);
        server.write_all(&buffer[..count])?;
    }
}
