//! How far work is that changes something, and with that what Ctrl-C does to it.
//!
//! Work says where it is, and what is true for whoever leaves it there; the commands' guard, which listens for
//! Ctrl-C, acts on it. So each moment has one description, and what is said after Ctrl-C is that of the moment
//! in which the work was left.

use std::sync::Arc;

use quill_admin_contract::ExitCode;
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;

use crate::error::CliError;

/// Where the work is. It begins before its point of no return.
pub struct PointOfNoReturn {
    stage: watch::Sender<Stage>,
    untouched: CliError,
}

/// Where work is, seen from its point of no return. Each holds what is said to whoever leaves there.
#[derive(Debug, Clone)]
pub enum Stage {
    /// Nothing is changed, and no request to change something is under way: the work can be broken off.
    Before(CliError),
    /// A request to change something is under way.
    UnderWay(UnderWay),
    /// A task runs. Ctrl-C has choices there.
    Running(Running),
    /// The change is made, and how it goes on is only looked at: the looking can be left.
    Made(CliError),
}

/// A change that has been asked for and not been answered yet: without the answer nobody would know what became
/// of it.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// What is told to a person who presses Ctrl-C: that it has to wait, and for what.
    pub waits: &'static str,
    /// What is said to a person who presses it again, and leaves.
    pub left: CliError,
}

/// A task that runs.
#[derive(Debug, Clone)]
pub struct Running {
    /// The execution's id.
    pub execution: String,
    /// The task goes on when this program ends, so that a person has to be asked what Ctrl-C is for. One that
    /// does not is cancelled.
    pub goes_on: bool,
    /// Tells the work to cancel it.
    pub cancel: Arc<Notify>,
    /// What is said to a person who leaves the task alone.
    pub left: CliError,
}

impl UnderWay {
    /// A change of which nothing more is known than that it was asked for.
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

    /// The same, with what to do for whoever leaves.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { left: self.left.hint(hint), ..self }
    }
}

impl PointOfNoReturn {
    /// Work that has changed nothing yet; `untouched` says in words what it means to be interrupted there.
    #[must_use]
    pub fn new(untouched: &str) -> Self {
        let untouched = CliError::interrupted(untouched);
        Self { stage: watch::Sender::new(Stage::Before(untouched.clone())), untouched }
    }

    /// Where the work is.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage.borrow().clone()
    }

    /// Tells when the work is somewhere else.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// The change begins, unless somebody has stopped it by now: whoever polls the work has a look at that
    /// first.
    pub async fn reached(&self, under_way: UnderWay) {
        yield_now().await;
        self.stage.send_replace(Stage::UnderWay(under_way));
    }

    /// The change was not made, for certain, and may be begun again. Whoever had to wait with Ctrl-C stops the
    /// work here.
    pub async fn not_passed(&self) {
        self.stage.send_replace(Stage::Before(self.untouched.clone()));
        yield_now().await;
    }

    /// A task runs.
    pub fn runs(&self, running: Running) {
        self.stage.send_replace(Stage::Running(running));
    }

    /// The change is made; `left` is what is said to whoever leaves now.
    pub fn passed(&self, left: CliError) {
        self.stage.send_replace(Stage::Made(left));
    }
}
