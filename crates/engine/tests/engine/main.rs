//! The engine against a real PostgreSQL server.
//!
//! `run.rs` is what the executor does around it: begin, try again, end. The other files are the tests, by subject.

mod conditions;
mod hostile;
mod layout;
mod overtaken;
mod rows;
mod run;
mod types;
mod words;
