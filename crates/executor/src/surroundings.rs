//! The surroundings of a transaction: everything that it needs besides its own connection.

use tokio::task::JoinSet;

use crate::connect::Server;
use crate::output::Output;
use crate::stop::Stop;

/// Everything around a transaction: the server, to ask it on another connection, the signals, and the log.
pub(crate) struct Surroundings<'a, 'o> {
    pub(crate) server: &'a Server,
    pub(crate) stop: &'a mut Stop,
    pub(crate) connections: &'a mut JoinSet<()>,
    pub(crate) log: &'a mut Output<'o>,
}
