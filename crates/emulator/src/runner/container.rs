//! A container: what it is started with, and how it ends.

use crate::script::Script;

/// One attempt of one task, ready to start.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) command: Vec<String>,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) working_dir: Option<String>,
    /// A name for this attempt, unique in the emulator.
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) script: Option<Script>,
}

/// The end of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    /// Neither: Cloud Run has only a status for it, a `google.rpc.Code` and its message.
    Status(i32, String),
}

/// The reason why a container could not be started.
#[derive(Debug, Clone)]
pub(crate) struct NotStarted {
    /// A `Condition.CommonReason`.
    pub(crate) reason: String,
    pub(crate) message: String,
}

impl NotStarted {
    pub(crate) fn image_missing(image: &str) -> Self {
        Self { reason: "CONTAINER_MISSING".to_owned(), message: format!("Image '{image}' not found.") }
    }

    pub(crate) fn internal(message: String) -> Self {
        Self { reason: "INTERNAL".to_owned(), message }
    }
}
