//! Containers as data: a test says what the tasks of an execution do.
//!
//! To add a step: a variant of [`Step`], its arm in `runner/script.rs`, and its line in the README.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The behaviour of the tasks of a job, in place of a container.
///
/// In JSON, for the control API: `{"steps": [{"log": {"line": "hello"}}, {"exit": 1}], "retries":
/// [[{"exit": 0}]]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::unsafe_derive_deserialize,
    reason = "the unsafe code is inside tokio's macros, and has nothing to do with the fields"
)]
pub struct Script {
    /// The first attempt. Without a step that ends it, it ends with exit code 0.
    pub steps: Vec<Step>,
    /// The attempts after it; the last of all stands for every further one.
    pub retries: Vec<Vec<Step>>,
}

/// A step of a scripted container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Step {
    /// Writes a line, read as Cloud Run reads a container's output.
    #[serde(rename_all = "camelCase")]
    Log {
        /// The line, without its end.
        line: String,
        /// Whether it goes to standard error.
        #[serde(default)]
        stderr: bool,
        /// The time that Cloud Logging takes to return it, in milliseconds, on top of the emulator's own delay.
        #[serde(default)]
        late_ms: u64,
    },
    /// Waits, in milliseconds. A request to end interrupts it: the container dies of the SIGTERM.
    Wait(u64),
    /// Ends with an exit code.
    Exit(i32),
    /// Ends by a signal.
    Signal(i32),
    /// Ends with neither: the result of the task has only a status, as where the container could not be
    /// started ("Application failed to start") or did not end cleanly.
    Status {
        /// A `google.rpc.Code`, such as 9 for `FAILED_PRECONDITION`.
        code: i32,
        /// The message of Cloud Run.
        message: String,
    },
    /// The execution never starts. The reason is a `Condition.CommonReason`, such as
    /// `CONTAINER_MISSING`.
    NeverStart {
        /// The condition's reason.
        reason: String,
        /// The condition's message.
        message: String,
    },
    /// Runs until it is asked to end, and dies of the SIGTERM.
    Forever,
    /// Runs until it is killed: SIGTERM does nothing.
    Stubborn,
}

impl Step {
    /// A line on standard output.
    #[must_use]
    pub fn log(line: impl Into<String>) -> Self {
        Self::Log { line: line.into(), stderr: false, late_ms: 0 }
    }

    /// A pause.
    #[must_use]
    pub fn wait(time: Duration) -> Self {
        Self::Wait(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

impl Script {
    /// A script of one attempt, repeated where the job retries.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), retries: Vec::new() }
    }

    /// Says what the next attempt does.
    #[must_use]
    pub fn then(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.retries.push(steps.into_iter().collect());
        self
    }
}
