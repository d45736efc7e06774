//! The errors that keep the emulator from starting, or from doing what its owner asks.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The reason why the emulator does not start, or does not do what its owner asks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, or not of this machine.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason for refusing it.
        source: io::Error,
    },
    /// The state file cannot be read or written.
    #[error("failed to use the state file {}", path.display())]
    StateFile {
        /// The file.
        path: PathBuf,
        /// The reason why the file could not be used.
        source: io::Error,
    },
    /// A resource that was to be put into the emulator is not valid in the API.
    #[error("{resource} is not valid: {reason}")]
    Invalid {
        /// The resource's name.
        resource: String,
        /// The fault of the resource, in words.
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
