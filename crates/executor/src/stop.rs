//! Signals to stop: SIGTERM from Cloud Run, SIGINT from a keyboard.

use std::io;
use std::time::Duration;

use tokio::time::sleep;

/// Listens for signals from its creation on. A process that does not listen is killed, or, as the first
/// process of a container, does not get the signal at all.
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 2],
    seen: bool,
}

impl Stop {
    pub(crate) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
            Ok(Self { signals, seen: false })
        }
        #[cfg(not(unix))]
        Ok(Self { seen: false })
    }

    /// Returns when the time `grace` has passed since a signal came.
    pub(crate) async fn overdue(&mut self, grace: Duration) {
        self.requested().await;
        sleep(grace).await;
    }

    /// Returns when the first signal comes; after that it returns at once.
    pub(crate) async fn requested(&mut self) {
        if self.seen {
            return;
        }
        #[cfg(unix)]
        {
            let [terminate, interrupt] = &mut self.signals;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // No signal can arrive then.
            std::future::pending::<()>().await;
        }
        self.seen = true;
    }
}
