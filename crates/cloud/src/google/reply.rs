//! The type that every call of this crate returns.

use std::pin::Pin;

/// A call in progress. It is boxed, so that the clients' code is compiled here, once, and not into every
/// crate that awaits it: an edit of the CLI would otherwise take a minute to build.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
