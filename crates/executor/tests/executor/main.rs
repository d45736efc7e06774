//! The compiled executor, driven by environment variables and by its job's command, against a real PostgreSQL server.
//!
//! This is one binary, so that one server serves all tests. `run.rs` starts the executor and looks for
//! secrets in every byte that it prints, `proxy.rs` is a network that fails on demand; the other files are
//! the tests, by subject.

mod actions;
mod bulk;
mod concurrency;
mod input;
mod names;
mod network;
mod pinned;
mod previews;
mod proxy;
mod refusals;
mod rows;
mod run;
mod secrets;
mod target;
mod tls;
mod trust;
