//! Runs a script in the place of a container.

use std::time::Duration;

use super::container::{Exit, NotStarted};
use crate::logs::{Output, Stream};
use crate::script::{Script, Step};
use crate::stop::Stop;

impl Script {
    fn attempt(&self, number: u32) -> &[Step] {
        match usize::try_from(number).unwrap_or(usize::MAX).checked_sub(1) {
            None => &self.steps,
            Some(retry) => self.retries.get(retry).or(self.retries.last()).unwrap_or(&self.steps),
        }
    }

    pub(super) fn check(&self) -> Result<(), NotStarted> {
        for step in &self.steps {
            if let Step::NeverStart { reason, message } = step {
                return Err(NotStarted { reason: reason.clone(), message: message.clone() });
            }
        }
        Ok(())
    }

    pub(super) async fn run(&self, attempt: u32, output: &Output, stop: &Stop, grace: Duration) -> Exit {
        let mut terminated = false;
        for step in self.attempt(attempt) {
            match step {
                Step::Log { line, stderr, late_ms } => {
                    let stream = if *stderr { Stream::Stderr } else { Stream::Stdout };
                    output.late_line(stream, line, Duration::from_millis(*late_ms));
                }
                Step::Wait(milliseconds) => {
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_millis(*milliseconds)) => {}
                        () = stop.terminate.cancelled() => terminated = true,
                        () = stop.kill.cancelled() => return Exit::Signal(9),
                    }
                }
                Step::Exit(code) => return Exit::Code(*code),
                Step::Signal(signal) => return Exit::Signal(*signal),
                Step::Status { code, message } => return Exit::Status(*code, message.clone()),
                Step::NeverStart { .. } => {}
                Step::Forever => {
                    tokio::select! {
                        () = stop.terminate.cancelled() => terminated = true,
                        () = stop.kill.cancelled() => return Exit::Signal(9),
                    }
                }
                Step::Stubborn => {
                    stop.asked().await;
                    stop.insisted(grace).await;
                    return Exit::Signal(9);
                }
            }
            if terminated {
                return Exit::Signal(15);
            }
        }
        Exit::Code(0)
    }
}
