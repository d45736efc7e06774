//! The embedded PostgreSQL: it runs in this process, and is reached over TCP like any other server.
//!
//! `pglite-oxide` serves one connection at a time, ends its server for good at the first connection that
//! breaks off, and cannot be stopped while a client is connected. A container that is killed breaks its
//! connection off. So a small relay stands in front: it passes connections on one after the other, ends each
//! of them properly whatever the client does, and drops the last one when the environment is shut down.
//!
//! There is no password: whoever can open a connection on this machine's loopback interface while the
//! environment runs may read and write the database. It never waits for the disk (no `fsync`): a killed
//! process loses nothing, a power cut may.
//!
//! To change how PostgreSQL is started or stopped: [`Embedded`]. To change what a broken connection does: `relay` and
//! `let_go`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    sync::Once,
    thread::JoinHandle,
    time::Duration,
};

use pglite_oxide::{Pglite, PgliteServer};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional, sink},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    time::timeout,
};
use tokio_postgres::{Client, Config, NoTls};

use crate::LocalError;

/// Time limit for the rollback of a connection that is dropped.
const GOODBYE: Duration = Duration::from_secs(2);

/// Time limit for a start, which takes a second, or a few on a machine that is busy.
const START: Duration = Duration::from_mins(2);
/// Time limit for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// Reads all rows of all tables, those of the system included.
const READ_ALL: &str = "DO $$ DECLARE name text; BEGIN \
                        FOR name IN SELECT oid::regclass FROM pg_catalog.pg_class WHERE relkind IN ('r', 'm', 't') \
                        LOOP EXECUTE 'SELECT count(*) FROM ' || name; END LOOP; END $$";

/// The embedded server, until it is dropped.
pub(crate) struct Embedded {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    /// The one thread that owns the server from start to end: its calls block for tenths of a second, and
    /// stopping it must not depend on the runtime in which this is dropped.
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Keeps the runtime of WebAssembly from printing that it was interrupted. A thread of it (virtual-mio 0.702)
    /// takes it for a bug when its wait ends early, which it does whenever the process goes on after Ctrl-Z, and
    /// ends; nothing of the database needs that thread.
    fn hush_interruptions() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let print = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                let is_of_selector =
                    panic.location().is_some_and(|place| place.file().contains("virtual-mio"));
                if !(is_of_selector && panic.to_string().contains("Interrupted")) {
                    print(panic);
                }
            }));
        });
    }

    /// Starts the server on a free port, with its files in `directory`, which it creates.
    pub(crate) async fn start(directory: &Path) -> Result<Self, LocalError> {
        Self::hush_interruptions();
        let (report, ready) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let directory = directory.to_owned();
        let thread = std::thread::Builder::new()
            .name("embedded-postgres".to_owned())
            .spawn(move || serve(&directory, report, stopped))
            .map_err(|source| LocalError::database("start a thread", source))?;
        // A thread that does not come to its end is left behind, and ends with this process.
        let address = timeout(START, ready)
            .await
            .map_err(|_| LocalError::database("start", format!("it has not started within {START:?}")))?
            .map_err(|_| LocalError::database("start", "its thread panicked"))??;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, database: &str, user: &str) -> String {
        format!("postgresql://{user}@{}/{database}?sslmode=disable", self.address)
    }

    /// Connects to one of the server's databases, as one of its users.
    pub(crate) async fn connect(&self, database: &str, user: &str) -> Result<Connection, LocalError> {
        timeout(CONNECT, connect(self.address, database, user))
            .await
            .map_err(|_| LocalError::database("connect to", format!("no answer within {CONNECT:?}")))?
            .map_err(|source| LocalError::database("connect to", source))
    }

    /// Has PostgreSQL read a database: what it needs for a connection, and all tables.
    pub(crate) async fn read_all(&self, database: &str) -> Result<(), LocalError> {
        let superuser = self.connect(database, "postgres").await?;
        let read = timeout(START, superuser.client.batch_execute(READ_ALL)).await;
        superuser.close().await;
        read.map_err(|_| LocalError::database("read", format!("no answer within {START:?}")))?
            .map_err(|source| LocalError::database("read", source))
    }

    /// Loads PostgreSQL's code before the first connection needs it. Returns at once.
    ///
    /// Opening a connection in advance would prepare more, but would make other clients wait for it.
    pub(crate) fn warm_up() {
        // If this fails, it fails again for the connection that needs it.
        std::thread::spawn(|| drop(Pglite::preload()));
    }

    /// Stops the server: rolls back what is open, waits until its files are closed.
    pub(crate) async fn stop(mut self) {
        // Joining blocks the thread, if only for milliseconds.
        let _ = tokio::task::spawn_blocking(move || self.stop_and_join()).await;
    }

    fn stop_and_join(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop_and_join();
    }
}

/// A connection of this crate. The next one is served when this one is closed.
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: tokio::task::JoinHandle<()>,
}

impl Connection {
    /// Closes the connection, and waits until the server is free for the next.
    pub(crate) async fn close(self) {
        drop(self.client);
        let _ = self.driver.await;
    }
}

async fn connect(
    address: SocketAddr,
    database: &str,
    user: &str,
) -> Result<Connection, tokio_postgres::Error> {
    let (client, connection) = Config::new()
        .host(address.ip().to_string())
        .port(address.port())
        .user(user)
        .dbname(database)
        .connect(NoTls)
        .await?;
    Ok(Connection { client, driver: tokio::spawn(async { drop(connection.await) }) })
}

/// Runs the server from start to end, on its own thread.
fn serve(
    directory: &Path,
    report: oneshot::Sender<Result<SocketAddr, LocalError>>,
    stopped: oneshot::Receiver<()>,
) {
    let started = PgliteServer::builder()
        .path(directory)
        .start()
        .map_err(|source| LocalError::not_started(directory, source.into_boxed_dyn_error()))
        .and_then(|server| {
            let backend =
                server.tcp_addr().ok_or_else(|| LocalError::database("listen", "it has no port"))?;
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|source| LocalError::database("start a runtime", source))?;
            let listener = runtime
                .block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)))
                .map_err(|source| LocalError::database("listen", source))?;
            let address = listener.local_addr().map_err(|source| LocalError::database("listen", source))?;
            Ok((server, backend, runtime, listener, address))
        });
    match started {
        Ok((server, backend, runtime, listener, address)) => {
            // If nobody waits for the address any more, there is nothing to serve.
            if report.send(Ok(address)).is_ok() {
                runtime.block_on(relay_until(stopped, &listener, backend));
            }
            drop(listener);
            // The relay has dropped the last connection, so this returns at once.
            drop(server);
        }
        Err(error) => drop(report.send(Err(error))),
    }
}

async fn relay_until(mut stopped: oneshot::Receiver<()>, listener: &TcpListener, backend: SocketAddr) {
    loop {
        let client = tokio::select! {
            _ = &mut stopped => return,
            accepted = listener.accept() => accepted,
        };
        // An error of accept is about that one client, or about too many open files.
        let Ok((client, _)) = client else { continue };
        // The server itself is gone: the client's connection is closed.
        let Ok(mut backend) = TcpStream::connect(backend).await else { continue };
        let done = tokio::select! {
            _ = &mut stopped => true,
            _ = relay(client, &mut backend) => false,
        };
        let_go(backend).await;
        if done {
            return;
        }
    }
}

async fn relay(mut client: TcpStream, backend: &mut TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    backend.set_nodelay(true)?;
    copy_bidirectional(&mut client, backend).await?;
    Ok(())
}

/// Ends the server's side of a connection in order. Closing it with an answer unread would be a reset, which
/// ends the server.
async fn let_go(mut backend: TcpStream) {
    let _ = timeout(GOODBYE, async {
        backend.shutdown().await?;
        tokio::io::copy(&mut backend, &mut sink()).await
    })
    .await;
}
