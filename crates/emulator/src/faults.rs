//! Faults a test plants: an error, a delay, a broken connection.
//!
//! To add a fault: a variant of [`FaultAction`], its arm in `server.rs` (in `tail.rs` for live logs), and its line in
//! the README.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A fault that a test plants: the calls that it is for, how often it happens, and what it does.
///
/// In JSON, for the control API: `{"method": "POST", "path": "*:run", "after": 0, "times": 1,
/// "action": {"status": {"code": 503, "message": "try again"}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The HTTP method; any when absent.
    #[serde(default)]
    method: Option<String>,
    /// The path, in which `*` stands for any characters, slashes too.
    path: String,
    /// The number of matching calls that go through first.
    #[serde(default)]
    after: u32,
    /// The number of calls that fail then; all of them when absent.
    #[serde(default)]
    times: Option<u32>,
    action: FaultAction,
    #[serde(skip)]
    seen: u32,
}

/// The effect of a [`Fault`] on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum FaultAction {
    /// Answers with an error in Google's form; the call is not carried out.
    #[serde(rename_all = "camelCase")]
    Status {
        /// The HTTP status.
        code: u16,
        /// The status word; the usual one for the code when absent.
        #[serde(default)]
        status: Option<String>,
        /// The message.
        #[serde(default)]
        message: String,
        /// The `Retry-After` header, if there is to be one.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Waits first, in milliseconds, then goes on: with the next fault that matches, or the call.
    Delay(u64),
    /// Waits until the faults are set anew, then goes on as after a delay.
    Hold,
    /// Resets the connection; the call is not carried out.
    ResetBefore,
    /// Carries the call out and resets the connection instead of answering.
    ResetAfter,
    /// Resets the connection at once, and carries the call out after so many milliseconds: a request
    /// that was on its way when its caller gave up.
    CarryOutLate(u64),
    /// Carries the call out and breaks the connection in the middle of the answer.
    Truncate {
        /// The number of bytes of the body that arrive.
        bytes: usize,
    },
    /// Carries the call out and answers with something else than JSON, with status 200: a proxy in
    /// between, or a service that breaks down.
    Garble,
    /// Resets the connection of a tail of log entries when so many have been sent. Other calls go
    /// through.
    BreakStream {
        /// The number of entries that arrive.
        entries: u64,
    },
    /// Ends a tail of log entries with an error when so many have been sent. Other calls go through.
    EndStream {
        /// The number of entries that arrive.
        entries: u64,
        /// The HTTP status that goes with the error.
        code: u16,
        /// The message.
        #[serde(default)]
        message: String,
    },
}

impl FaultAction {
    /// An error in Google's form, without `Retry-After`.
    #[must_use]
    pub fn status(code: u16, message: impl Into<String>) -> Self {
        Self::Status { code, status: None, message: message.into(), retry_after: None }
    }
}

impl Fault {
    /// A fault of every call to a path, in which `*` stands for any characters.
    #[must_use]
    pub fn new(path: impl Into<String>, action: FaultAction) -> Self {
        Self { method: None, path: path.into(), after: 0, times: None, action, seen: 0 }
    }

    /// Only calls with this HTTP method.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.method = Some(method.into());
        self
    }

    /// Lets the first matching calls through.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    /// Ends after so many calls.
    #[must_use]
    pub fn times(mut self, calls: u32) -> Self {
        self.times = Some(calls);
        self
    }

    /// Counts a call; true when it is one of those that fail.
    fn hits(&mut self, method: &str, path: &str) -> bool {
        if self.method.as_deref().is_some_and(|own| own != method) || !matches(&self.path, path) {
            return false;
        }
        self.seen += 1;
        let hit = self.seen.checked_sub(self.after + 1);
        hit.is_some_and(|hit| self.times.is_none_or(|times| hit < times))
    }
}

#[derive(Default)]
pub(crate) struct Faults {
    planted: Mutex<Vec<Fault>>,
    /// Tells calls that are held that the faults were set anew.
    anew: watch::Sender<()>,
}

impl Faults {
    pub(crate) fn set(&self, faults: Vec<Fault>) {
        *self.lock() = faults;
        self.anew.send_replace(());
    }

    pub(crate) fn get(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.planted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for as long as the faults that match want it, all of them together; returns the first other action.
    pub(crate) async fn hit(&self, method: &str, path: &str) -> Option<FaultAction> {
        let (delay, held, action) = self.matching(method, path);
        tokio::time::sleep(delay).await;
        if let Some(mut anew) = held {
            // It fails if nobody can set faults any more.
            let _ = anew.changed().await;
        }
        action
    }

    fn matching(
        &self,
        method: &str,
        path: &str,
    ) -> (Duration, Option<watch::Receiver<()>>, Option<FaultAction>) {
        let (mut delay, mut held, mut action) = (Duration::ZERO, None, None);
        // The lock keeps `set` out until this call listens.
        for fault in &mut *self.lock() {
            if !fault.hits(method, path) {
                continue;
            }
            match &fault.action {
                FaultAction::Delay(milliseconds) => delay += Duration::from_millis(*milliseconds),
                FaultAction::Hold => held = Some(self.anew.subscribe()),
                other if action.is_none() => action = Some(other.clone()),
                _ => {}
            }
        }
        (delay, held, action)
    }
}

/// Whether a pattern with `*` fits the whole text.
fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.find(piece) {
            Some(place) => rest = &rest[place + piece.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text, fits) in [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("*", "", true),
            ("*:run", "/v2/jobs/j:run", true),
            ("*:run", "/v2/jobs/j:runs", false),
            ("/v2/*/jobs/*", "/v2/p/l/jobs/j", true),
            ("/v2/*/jobs/*", "/v2/p/l/job/j", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_fault_counts_its_own_calls() {
        let mut fault = Fault::new("/a", FaultAction::ResetBefore).method("GET").after(1).times(2);
        let hits: Vec<bool> =
            ["GET", "POST", "GET", "GET", "GET"].into_iter().map(|method| fault.hits(method, "/a")).collect();
        assert_eq!(hits, [false, false, true, true, false]);
    }

    #[tokio::test]
    async fn a_call_that_is_held_goes_on_when_the_faults_are_set_anew() {
        let faults = Faults::default();
        let refused = FaultAction::status(409, "changed");
        faults.set(vec![Fault::new("/a", FaultAction::Hold), Fault::new("/a", refused.clone())]);
        assert_eq!(faults.hit("GET", "/b").await, None);
        let held = faults.hit("GET", "/a");
        tokio::pin!(held);
        assert!(tokio::time::timeout(Duration::ZERO, &mut held).await.is_err(), "it is held");
        faults.set(Vec::new());
        assert_eq!(held.await, Some(refused));
    }
}
