//! The compiled executor, driven by environment variables and by its job's command, against a real PostgreSQL server.
//!
//! One binary, so that one server serves all of it. `run.rs` starts the executor and looks at every
//! byte it prints for secrets, `proxy.rs` is a network that fails on demand; the other files are the
//! tests, by subject.

mod actions;
mod concurrency;
mod input;
mod names;
mod network;
mod pinned;
mod proxy;
mod refusals;
mod rows;
mod run;
mod secrets;
mod target;
mod tls;
mod trust;
