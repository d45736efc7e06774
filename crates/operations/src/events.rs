//! What happens while a task runs, as data. Work emits it; only `report/` shows it.

use std::sync::Arc;

use quill_admin_cloud::{ExecutionName, LogEntry, Phase};
use quill_admin_image::BuildEvent;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Something that may take a moment is being done, as in "starting the database".
    Doing(&'static str),
    /// An image is being built or pushed.
    Image(BuildEvent),
    /// Something that only matters to who looks closely.
    Detail(String),
    /// The execution exists.
    Started(ExecutionName),
    /// The execution is further than before.
    Phase(Phase),
    /// A line of the container's log.
    Log(LogEntry),
    /// Something went wrong that is being dealt with.
    Trouble(String),
}

/// Takes events. Called from within async code: must not block for long.
pub type Emit = Arc<dyn Fn(Event) + Send + Sync>;
