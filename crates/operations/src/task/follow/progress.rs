//! The progress of an execution, as far as the reader of its log has to know it.

/// The state of an execution, for the reader of its log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing can be in the log yet.
    Waiting,
    Running,
    /// The execution is over.
    Ended {
        /// Whether the container ran, so that a result line is to be expected; `None` as long as that is
        /// being asked for.
        ran: Option<bool>,
        how: EndedHow,
    },
}

/// The way in which the execution ended, which decides how long its log is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EndedHow {
    Well,
    Badly,
    /// Somebody cancelled it, and nothing more has to be known.
    Cancelled,
}
