//! The stage of work that changes something, which decides what Ctrl-C does to it.
//!
//! Work sets the stage, with the message for a person who leaves at it; the commands' guard, which listens
//! for Ctrl-C, acts on it. So each moment has one description, and the message after Ctrl-C is that of the
//! moment in which the work was left.

use std::sync::Arc;

use quill_admin_contract::ExitCode;
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;

use crate::error::CliError;

/// The current stage of some work. It begins before the point of no return.
pub struct PointOfNoReturn {
    stage: watch::Sender<Stage>,
    untouched: CliError,
}

impl std::fmt::Debug for PointOfNoReturn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PointOfNoReturn").finish_non_exhaustive()
    }
}

/// The stages of work around its point of no return. Each holds the message for a person who leaves at it.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Nothing is changed, and no request to change something is under way: the work can be broken off.
    Before(CliError),
    /// A request to change something is under way.
    UnderWay(UnderWay),
    /// A task runs. Ctrl-C offers interrupt choices.
    Running(Running),
    /// The change is made, and only its effect is being watched: the watching can be left.
    Made(CliError),
}

/// A change that has been requested and not been answered yet: without the answer it is not known whether it
/// was made.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// The message for a person who presses Ctrl-C: that the program has to wait, and for what.
    pub waits: &'static str,
    /// The error of a person who presses Ctrl-C again, and leaves.
    pub left: CliError,
}

/// A task that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// The execution's id.
    pub execution: String,
    /// Whether the task goes on when this program ends, so that a person has to be asked what Ctrl-C is for.
    /// A task that does not go on is cancelled.
    pub goes_on: bool,
    /// Tells the work to cancel the task.
    pub cancel: Arc<Notify>,
    /// The error of a person who leaves the task running.
    pub left: CliError,
}

impl UnderWay {
    /// A change of which nothing more is known than that it was requested.
    #[must_use]
    pub fn change() -> Self {
        Self {
            waits: "the change is under way: waiting for its answer, without which nobody would know what became \
                    of it (Ctrl-C again leaves at once)",
            left: CliError::new(
                ExitCode::Unknown,
                "interrupted while the change was under way: whether it was made is not known",
            ),
        }
    }

    /// Adds a hint for a person who leaves.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { left: self.left.hint(hint), ..self }
    }
}

impl PointOfNoReturn {
    /// Work that has changed nothing yet; `untouched` says in words what an interrupt means at this stage.
    #[must_use]
    pub fn new(untouched: &str) -> Self {
        let untouched = CliError::interrupted(untouched);
        Self { stage: watch::Sender::new(Stage::Before(untouched.clone())), untouched }
    }

    /// The current stage.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// A receiver that is notified when the stage changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Notes that the change begins, unless somebody has stopped the work by now: it yields once, so that the
    /// code that polls the work can look at that first.
    pub async fn reached(&self, under_way: UnderWay) {
        yield_now().await;
        self.stage.send_replace(Stage::UnderWay(under_way));
    }

    /// Notes that the change was certainly not made, and may be begun again. For a person who had to wait
    /// with Ctrl-C the work stops here.
    pub async fn not_passed(&self) {
        self.stage.send_replace(Stage::Before(self.untouched.clone()));
        yield_now().await;
    }

    /// Notes that a task runs.
    pub fn runs(&self, running: Running) {
        self.stage.send_replace(Stage::Running(running));
    }

    /// Notes that the change is made; `left` is the error of a person who leaves now.
    pub fn passed(&self, left: CliError) {
        self.stage.send_replace(Stage::Made(left));
    }
}
