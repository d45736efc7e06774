//! What keeps the emulator from starting, or from doing what its owner asks.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What keeps the emulator from starting, or from doing what its owner asks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not of this machine.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why the system refused it.
        source: io::Error,
    },
    /// The state file cannot be read or written.
    #[error("failed to use the state file {}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// Why the file could not be used.
        source: io::Error,
    },
    /// What was to be put into the emulator is not what the API knows.
    #[error("{resource} is not valid: {reason}")]
    Invalid {
        /// The resource's name.
        resource: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no Docker engine, or it does not answer.
    #[cfg(feature = "docker")]
    #[error("failed to reach the Docker engine")]
    Docker(#[source] bollard::errors::Error),
    /// The server ended by an error.
    #[error("the emulator's server failed")]
    Server(#[source] io::Error),
}
