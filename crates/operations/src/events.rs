//! The progress of work, as data. Work emits events; only `report/` of the command-line program shows them.
//!
//! To add an event: its variant here, and `cli/src/report/reporter.rs`, which matches all of them.

use std::sync::Arc;

use quill_admin_cloud::{ExecutionName, LogEntry, Phase};
use quill_admin_image::BuildEvent;

/// One step of the progress of work.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step begins that may take a moment, as in "starting the database".
    Doing(&'static str),
    /// Another process is waited for; a person may want to know which, or leave.
    Waiting(String),
    /// An image is being built or pushed.
    Image(BuildEvent),
    /// A detail that is shown only on request.
    Detail(String),
    /// The execution was created.
    Started(ExecutionName),
    /// The execution has reached another phase.
    Phase(Phase),
    /// A line of the container's log.
    Log(LogEntry),
    /// The number of rows of a bulk run whose passwords are hashed, and the number of all its rows.
    Hashed {
        /// The rows whose passwords are hashed.
        done: u64,
        /// All rows.
        of: u64,
    },
    /// The number of rows of a bulk run whose results have come, and the number of all its rows.
    Rows {
        /// The rows whose results have come.
        come: u64,
        /// All rows of the execution.
        of: u64,
    },
    /// A problem that the program is dealing with itself.
    Trouble(String),
}

/// The function that takes events. It is called from async code, so it must not block for long.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;
