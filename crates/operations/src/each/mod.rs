//! Many at once: an action for each row of a table, in as few executions as the rows fit into.
//!
//! [`journal`] is the file that makes it possible to go on: rows, hashes and made passwords are in it before anything
//! is started, each start before it is made, and the result of each row when it is known. [`parts`] says which rows
//! come next, and finds out what became of a part that was started and not seen to end.
//!
//! **A typical change** is another thing that has to survive an interruption: its entry in `journal.rs`.

pub mod journal;
pub mod parts;

pub use journal::{Header, Journal, Known, NOT_BEGUN, Passwords, Row, Start, UNKNOWN};
