//! What every call returns.

use std::pin::Pin;

/// A call under way. Boxed, so that the clients' code is compiled here, once, and not into every
/// crate that awaits it: an edit of the CLI would otherwise take a minute to build.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
