//! The patience with errors that may pass. Only here is it decided which errors are final.
//!
//! To change the patience with a kind of error: `longest`.

use std::time::Duration;

use quill_admin_cloud::{CloudError, CloudErrorKind};
use tokio::time::Instant;

use crate::events::Event;
use crate::session::Session;

/// The longest time that one attempt counts for while there is no answer: a laptop that has slept for ten
/// minutes has not tried for ten minutes.
const LONGEST_ATTEMPT: Duration = Duration::from_secs(15);

/// The patience with a question that is asked again and again, between two answers.
pub(super) struct Patience {
    tried: Instant,
    without_answer: Duration,
    /// The longest patience with any trouble since the last answer.
    most: Duration,
    /// The patience with the latest trouble, and the time tried since the patience last became shorter.
    latest: Duration,
    of_latest: Duration,
}

impl Patience {
    /// Begins now, with an answer or the first attempt.
    pub(super) fn new() -> Self {
        let none = Duration::ZERO;
        Self { tried: Instant::now(), without_answer: none, most: none, latest: none, of_latest: none }
    }

    /// Takes in an attempt that failed; returns whether it is not worth asking again.
    pub(super) fn ends_with(&mut self, error: &CloudError) -> bool {
        let attempt = self.tried.elapsed().min(LONGEST_ATTEMPT);
        self.tried = Instant::now();
        self.has_tried(attempt, longest(error.kind))
    }

    /// Counts an attempt; returns whether the patience has ended. Trouble that is worth half a minute is
    /// waited for that long, however long there was no network before; and all trouble together no longer
    /// than the longest patience with any of it.
    fn has_tried(&mut self, attempt: Duration, longest: Duration) -> bool {
        if longest < self.latest {
            self.of_latest = Duration::ZERO;
        }
        self.latest = longest;
        self.most = self.most.max(longest);
        self.of_latest += attempt;
        self.without_answer += attempt;
        self.of_latest > longest || self.without_answer > self.most
    }
}

/// The time for which a slow change has been watched. A laptop that sleeps does not watch, so a round counts
/// for no more than an attempt does.
pub(super) struct Looking {
    lasted: Duration,
    round: Instant,
}

impl Looking {
    /// Begins now.
    pub(super) fn new() -> Self {
        Self { lasted: Duration::ZERO, round: Instant::now() }
    }

    /// The time that it has lasted, after one more round.
    pub(super) fn lasted(&mut self) -> Duration {
        self.lasted += self.round.elapsed().min(LONGEST_ATTEMPT);
        self.round = Instant::now();
        self.lasted
    }
}

/// The patience with an error of this kind.
fn longest(kind: CloudErrorKind) -> Duration {
    match kind {
        CloudErrorKind::PermissionDenied
        | CloudErrorKind::ServiceDisabled
        | CloudErrorKind::Invalid
        | CloudErrorKind::UnknownIssuer
        | CloudErrorKind::UntrustedHost => Duration::ZERO,
        // A token is renewed over the network, which may take a while to come back after a sleep.
        CloudErrorKind::NotSignedIn => Duration::from_secs(30),
        // A 404 is among them: a new resource is not seen everywhere at once.
        _ => Duration::from_mins(2),
    }
}

/// Whether asking again would give the same answer.
pub(super) fn is_final(error: &CloudError) -> bool {
    longest(error.kind).is_zero()
}

/// Reports trouble, unless it is the same as the last time.
pub(super) fn tell_once(told: &mut Option<String>, trouble: String, session: &Session) {
    if told.as_ref() != Some(&trouble) {
        session.emit(Event::Trouble(trouble.clone()));
        *told = Some(trouble);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTES: Duration = Duration::from_mins(2);
    const HALF: Duration = Duration::from_secs(30);

    #[test]
    fn a_sign_in_that_is_refused_after_an_outage_has_its_own_patience() {
        let second = Duration::from_secs(1);
        let mut patience = Patience::new();
        assert!((0..40).all(|_| !patience.has_tried(second, MINUTES)), "no network");
        assert!((0..30).all(|_| !patience.has_tried(second, HALF)), "the token is not renewed yet");
        assert!(patience.has_tried(second, HALF));
        // A final error ends it at once.
        let mut patience = Patience::new();
        assert!(!patience.has_tried(second, MINUTES));
        assert!(patience.has_tried(Duration::from_millis(1), Duration::ZERO));
    }

    #[test]
    fn trouble_of_every_kind_in_turn_ends_as_well() {
        let mut patience = Patience::new();
        let kinds = [MINUTES, HALF].into_iter().cycle();
        let tries = kinds.take_while(|longest| !patience.has_tried(Duration::from_secs(1), *longest));
        assert_eq!(tries.count(), 120);
    }
}
