//! The fixtures and tools of the tests.
//!
//! To add a fixture: a module here, and its line in this list.
//!
//! - [`postgres`]: a real PostgreSQL server, and a fresh database for every test.
//! - [`home`]: an empty home, and programs run in it with a cleared environment.
//! - [`terminal`]: a program in a terminal, into which a test types.
//! - [`bin`]: the compiled programs.
//! - [`cases`]: seeded cases of six actions, whose results are compared at every interface.
//! - [`docker`]: the Docker engine, and an image to compile in.
//! - [`healthy`]: the resources of a healthy environment, in the JSON of Google Cloud.
//! - [`http`]: a client for single requests, and a server with one fixed answer.
//! - [`registry`]: a container registry of a test's own.
//! - [`relay`]: a relay in front of a server, which counts the connections.
//! - [`skip`]: skips a test that needs something which is missing, and reports that. It never passes silently.
//!
//! Failures in here panic with the whole reason: that is the clearest answer for a test, and nobody else uses
//! this crate.
#![expect(clippy::missing_panics_doc, reason = "see above")]
#![expect(clippy::must_use_candidate, reason = "what checks something may be called for that alone")]

pub mod bin;
pub mod cases;
pub mod docker;
pub mod git;
pub mod healthy;
pub mod home;
pub mod http;
pub mod postgres;
pub mod registry;
pub mod relay;
mod signals;
pub mod skip;
pub mod terminal;
