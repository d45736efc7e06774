//! The check that programs of this machine reach each other. Without it, each client of the emulator and of the
//! database would find out by itself, after all of its attempts.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::LocalError;

/// Time limit for a connection of this machine to itself, which takes microseconds.
const LIMIT: Duration = Duration::from_secs(5);

/// Fails unless a connection to 127.0.0.1 can be made.
pub(crate) async fn check() -> Result<(), LocalError> {
    let reached = async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        tokio::try_join!(TcpStream::connect(address), listener.accept())?;
        Ok(())
    };
    let reached = timeout(LIMIT, reached).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    reached.map_err(|source| LocalError::NoLoopback { source })
}
