//! The review that was done last: where the next one begins.

use jiff::Timestamp;
use quill_admin_contract::{ExitCode, REVIEW, Review};

use super::gap::Gap;
use crate::history::{PastRun, Record};

/// A review of the past, as its record tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReview {
    /// The execution that has recorded it.
    pub execution: String,
    /// The account or person that reviewed.
    pub by: Option<String>,
    /// Its period and result.
    pub review: Review,
}

/// The earlier reviews, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Earlier {
    /// The review up to whose end all has been reviewed.
    pub last: Option<LastReview>,
    /// Number of later reviews that do not count for that: they have missed runs, or began later than the one before
    /// ended.
    pub passed_over: usize,
    /// Number of records that claim to be reviews, and that nothing proves.
    pub not_proven: usize,
}

impl Earlier {
    /// Finds it among runs. A review extends what has been reviewed if it begins in it, and has missed nothing that
    /// another look could find. So nobody leaves a hole by reviewing only what came later.
    ///
    /// Only a signed record is believed; where nobody else writes records, as on this machine, also one that the
    /// request's key proves. Elsewhere whoever may read executions could prove one, and hide what was run before it.
    pub(super) fn of(runs: &[PastRun], is_embedded: bool, now: Timestamp) -> Self {
        let claims = runs.iter().filter(|run| claims_review(run));
        let is_proven = |run: &&PastRun| match run.record {
            Record::Signed => true,
            Record::Proven => is_embedded,
            Record::NotProvable | Record::None => false,
        };
        let (proven, others): (Vec<&PastRun>, Vec<&PastRun>) = claims.partition(is_proven);
        let mut reviews: Vec<LastReview> = proven.into_iter().filter_map(of_run).collect();
        reviews.retain(|last| !last.review.is_ahead_of(now));
        reviews.sort_by_key(|last| (last.review.until, last.review.from));
        let mut earlier = Self { not_proven: others.len(), ..Self::default() };
        for review in reviews {
            let missed = review.review.not_seen.iter().any(|code| Gap::misses_runs(code));
            let follows = earlier.last.as_ref().is_none_or(|last| review.review.from <= last.review.until);
            if missed || !follows {
                earlier.passed_over += 1;
            } else {
                earlier.last = Some(review);
                earlier.passed_over = 0;
            }
        }
        earlier
    }
}

fn claims_review(run: &PastRun) -> bool {
    run.action.as_deref() == Some(REVIEW)
        && run.line.as_ref().is_some_and(|line| {
            line.action.as_deref() == Some(REVIEW)
                && line.outcome.name() == "reviewed"
                && line.exit_code == ExitCode::Success.code()
        })
}

fn of_run(run: &PastRun) -> Option<LastReview> {
    let line = run.line.as_ref()?;
    let review = Review::of_record(&line.recorded)?;
    let by = run.account.clone().or_else(|| line.actor.clone());
    Some(LastReview { execution: run.execution.clone(), by, review })
}
