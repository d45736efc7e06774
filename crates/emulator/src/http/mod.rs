//! HTTP, below everything that answers: connections, bodies, and who is let in.

pub(crate) mod body;
pub(crate) mod sign_in;
pub(crate) mod wire;
