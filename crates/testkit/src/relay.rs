//! A relay in front of a server, which counts the connections.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

/// A relay on a port of its own. It forwards connections until the process ends.
pub struct Relay {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts a relay to a server, `127.0.0.1:PORT`.
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let connections = Arc::<AtomicUsize>::default();
        let (server, count) = (server.to_owned(), Arc::clone(&connections));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                count.fetch_add(1, SeqCst);
                let server = server.clone();
                // The client notices if its connection breaks.
                thread::spawn(move || pass_on(client, &server));
            }
        });
        Self { address, connections }
    }

    /// The relay's address, in the form that environments use.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Number of connections since the last call.
    pub fn connections(&self) -> usize {
        self.connections.swap(0, SeqCst)
    }
}

fn pass_on(mut client: TcpStream, server: &str) -> io::Result<()> {
    let mut server = TcpStream::connect(server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (mut answers, mut back) = (server.try_clone()?, client.try_clone()?);
    let answering = thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Write);
    let _ = answering.join();
    Ok(())
}
