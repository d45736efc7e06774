//! The engine against a real PostgreSQL server.
//!
//! `run.rs` does the executor's part: it begins the transaction, tries again, and ends it. The other files
//! are the tests, by subject.

mod conditions;
mod hostile;
mod layout;
mod overtaken;
mod rows;
mod run;
mod types;
mod words;
