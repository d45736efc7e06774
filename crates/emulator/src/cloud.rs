//! The emulator's inside: what it knows, what runs in it, and how it was told to be.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::calls::Calls;
use crate::faults::Faults;
use crate::guard::Guard;
use crate::options::Options;
use crate::runner::Runner;
use crate::sessions::Sessions;
use crate::stop::Stop;
use crate::store::{Saved, State, Store};
use crate::tokens::Tokens;

/// The parts of the emulator, shared by the server, the executions and the owner.
pub(crate) struct Cloud {
    pub(crate) guard: Guard,
    pub(crate) options: Arc<Options>,
    pub(crate) runner: Runner,
    pub(crate) store: Arc<Store>,
    pub(crate) calls: Calls,
    pub(crate) faults: Faults,
    pub(crate) tokens: Tokens,
    pub(crate) sessions: Arc<Sessions>,
    /// The live logs whose first request has not been answered. Closed, so that it can be waited for.
    pub(crate) opening: TaskTracker,
    /// The number of resets so far. Live logs and late calls compare it, and end at a reset.
    epoch: AtomicU64,
    /// The executions under way.
    pub(crate) tasks: TaskTracker,
    /// Stops every execution, also one that begins later.
    pub(crate) stop: Stop,
    pub(crate) closing: CancellationToken,
    pub(crate) started: Instant,
}

impl Cloud {
    /// A cloud that holds what was saved, and in which nothing is under way.
    pub(crate) fn new(guard: Guard, options: Options, runner: Runner, saved: Saved) -> Self {
        let opening = TaskTracker::new();
        opening.close();
        Self {
            guard,
            tokens: Tokens::new(options.token.clone(), options.token_lifetime),
            options: Arc::new(options),
            runner,
            store: Arc::new(Store::new(saved)),
            calls: Calls::default(),
            faults: Faults::default(),
            sessions: Arc::default(),
            opening,
            epoch: AtomicU64::new(0),
            tasks: TaskTracker::new(),
            stop: Stop::default(),
            closing: CancellationToken::new(),
            started: Instant::now(),
        }
    }

    /// Kills what is under way, and waits until it has ended.
    async fn end_executions(&self) {
        self.store.read(|state| {
            for stop in state.running.values() {
                stop.terminate.cancel();
                stop.kill.cancel();
            }
        });
        self.store.wait_for(|state| state.running.is_empty().then_some(())).await;
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Forgets everything; what runs is killed first.
    pub(crate) async fn reset(&self) {
        self.faults.set(Vec::new());
        self.tokens.reset();
        self.end_executions().await;
        // Before the change, which wakes up whoever watches the state.
        self.epoch.fetch_add(1, Ordering::SeqCst);
        self.store.change(|state| *state = State::default());
        self.calls.clear();
    }
}
