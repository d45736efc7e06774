//! The world the tests run in.
//!
//! - [`postgres`]: a real PostgreSQL server, and a fresh database for every test.
//! - [`skip`]: what happens when a test needs something that is not there. It never passes
//!   silently.
//!
//! What goes wrong in here panics with the whole reason: for a test that is the clearest answer,
//! and nobody else uses this crate.
#![expect(clippy::missing_panics_doc, reason = "see above")]

pub mod postgres;
pub mod skip;
