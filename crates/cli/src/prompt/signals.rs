//! The signals that tell this program to stop, or that it was continued, on each system.

use std::task::{Context, Poll};

pub(super) use sys::{continued, listen};

/// The way in which this program was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Stopped by Ctrl-C: a person is there, and can be asked what for.
    CtrlC,
    /// Stopped by the system, or because its terminal went: there is nobody to ask.
    Ended,
}

/// Asks whether the signal has come; `Ready(None)` where no more can come.
type Poller = Box<dyn FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send>;

/// A signal that is listened for.
pub(super) struct Signal {
    pub(super) stop: Stop,
    poll: Poller,
}

impl Signal {
    fn new(stop: Stop, poll: impl FnMut(&mut Context<'_>) -> Poll<Option<()>> + Send + 'static) -> Self {
        Self { stop, poll: Box::new(poll) }
    }

    /// Whether it has come since it was asked last; else the task is woken up when it comes.
    pub(super) fn has_come(&mut self, context: &mut Context<'_>) -> bool {
        (self.poll)(context) == Poll::Ready(Some(()))
    }
}

#[cfg(unix)]
mod sys {
    use rustix::process;
    use tokio::signal::unix::{SignalKind, signal};

    use super::{Signal, Stop};

    /// Begins to listen. Without a handler a signal ends the process by itself, which is the second-best result.
    pub(in super::super) fn listen() -> Vec<Signal> {
        [
            (Stop::CtrlC, SignalKind::interrupt()),
            (Stop::Ended, SignalKind::terminate()),
            (Stop::Ended, SignalKind::hangup()),
        ]
        .into_iter()
        .filter_map(|(stop, kind)| {
            let mut signal = signal(kind).ok()?;
            Some(Signal::new(stop, move |context| signal.poll_recv(context)))
        })
        .collect()
    }

    /// Calls `then` whenever the program was continued after Ctrl-Z. It never ends.
    pub(in super::super) async fn continued(mut then: impl FnMut()) {
        if let Ok(mut signals) = signal(SignalKind::from_raw(process::Signal::CONT.as_raw())) {
            while signals.recv().await.is_some() {
                then();
            }
        }
        std::future::pending::<()>().await;
    }
}

#[cfg(windows)]
mod sys {
    use tokio::signal::windows::{ctrl_break, ctrl_c, ctrl_close, ctrl_logoff, ctrl_shutdown};

    use super::{Signal, Stop};

    /// Begins to listen. Windows ends the process some seconds after it has said that the console is closed, that the
    /// person signs out or that the machine is shut down, whatever the process does.
    pub(in super::super) fn listen() -> Vec<Signal> {
        // Their types have no trait in common.
        [
            ctrl_c().ok().map(|mut one| Signal::new(Stop::CtrlC, move |context| one.poll_recv(context))),
            ctrl_break().ok().map(|mut one| Signal::new(Stop::Ended, move |context| one.poll_recv(context))),
            ctrl_close().ok().map(|mut one| Signal::new(Stop::Ended, move |context| one.poll_recv(context))),
            ctrl_logoff().ok().map(|mut one| Signal::new(Stop::Ended, move |context| one.poll_recv(context))),
            ctrl_shutdown()
                .ok()
                .map(|mut one| Signal::new(Stop::Ended, move |context| one.poll_recv(context))),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Windows does not stop programs, and so never continues one.
    pub(in super::super) async fn continued(_then: impl FnMut()) {
        std::future::pending::<()>().await;
    }
}
