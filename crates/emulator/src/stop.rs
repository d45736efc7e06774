//! The request to end an execution or a deployment that is under way.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The two ways to end a container early.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// SIGTERM now, SIGKILL when the grace period is over.
    pub(crate) terminate: CancellationToken,
    /// SIGKILL now.
    pub(crate) kill: CancellationToken,
}

impl Stop {
    /// A request that is also made when `self` is, and that can be made alone.
    pub(crate) fn child(&self) -> Self {
        Self { terminate: self.terminate.child_token(), kill: self.kill.child_token() }
    }

    /// Waits for the request to end.
    pub(crate) async fn asked(&self) {
        tokio::select! {
            () = self.kill.cancelled() => {}
            () = self.terminate.cancelled() => {}
        }
    }

    /// Waits, after the request to end, until the container has to be killed.
    pub(crate) async fn insisted(&self, grace: Duration) {
        tokio::select! {
            () = self.kill.cancelled() => {}
            () = tokio::time::sleep(grace) => {}
        }
    }
}
