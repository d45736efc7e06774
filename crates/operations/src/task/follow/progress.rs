//! How far an execution is, as far as the reader of its log has to know.

/// What the reader of the log needs to know of the state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing can be in the log yet.
    Waiting,
    Running,
    /// Over.
    Ended {
        /// The container ran, so that a result line is to be expected, or it never did; `None` as long as
        /// that is being asked for.
        ran: Option<bool>,
        how: EndedHow,
    },
}

/// What is to be read depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum EndedHow {
    Well,
    Badly,
    /// Somebody cancelled it: that is all there is to know.
    Cancelled,
}
