//! Every time-out and every retry, in one place.
//!
//! The clients' defaults retry a refused connection for most of a minute, never retry reading logs
//! (a POST), and would poll for ever. Each call here says for itself what it may do.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use google_cloud_gax::backoff_policy::BackoffPolicy as _;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicy, RetryPolicyExt};
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;
use google_cloud_gax::throttle_result::ThrottleResult;

use super::{Reply, SignIn};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Starting a job takes the service longer than reading.
const RUN_ATTEMPT: Duration = Duration::from_secs(30);
/// How long reads are retried in all, before the run has started.
const READ_LIMIT: Duration = Duration::from_secs(6);

/// Retries what is safe to retry for a read: no connection, no answer, 5xx.
#[derive(Debug)]
struct Transient;

impl RetryPolicy for Transient {
    fn on_error(&self, _: &RetryState, error: Error) -> RetryResult {
        // A 5xx answer is either a status or, when its body is not Google's, a bare HTTP code.
        let unavailable = error.status().is_some_and(|status| {
            matches!(status.code, Code::Unavailable | Code::Internal | Code::DeadlineExceeded)
        }) || error.http_status_code().is_some_and(|code| code >= 500 && code != 501);
        if error.is_transient_and_before_rpc() || error.is_io() || error.is_timeout() || unavailable {
            RetryResult::Continue(error)
        } else {
            RetryResult::Permanent(error)
        }
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBackoffBuilder::new()
        .with_initial_delay(Duration::from_millis(200))
        .with_maximum_delay(Duration::from_secs(2))
        .with_scaling(2.0)
        .clamp()
}

/// How calls are made, on behalf of somebody or nobody.
pub(super) struct Policy {
    sign_in: Option<SignIn>,
    /// A live log that was not let in has had its new token.
    renewed: AtomicBool,
}

impl Policy {
    pub(super) fn new(sign_in: Option<SignIn>) -> Self {
        Self { sign_in, renewed: AtomicBool::new(false) }
    }

    /// Gets a new token, once, for a stream that was not let in: streams have no retry policy, and are
    /// opened again by whoever reads them.
    pub(super) fn renew_for_stream(&self, error: &Error) {
        if let Some(sign_in) = &self.sign_in
            && not_let_in(error)
            && !self.renewed.swap(true, Ordering::Relaxed)
        {
            // Whoever opens it again is told why there is none.
            let _ = sign_in.renew();
        }
    }

    /// A read before anything has started: worth a few tries, then a person should be told.
    pub(super) fn read<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        let retry = Transient.with_time_limit(READ_LIMIT);
        self.with(builder, retry).with_idempotency(true).with_attempt_timeout(ATTEMPT)
    }

    /// A read inside a loop that has its own rhythm and decides itself how often it fails.
    pub(super) fn poll<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        self.with(builder, NeverRetry).with_idempotency(true).with_attempt_timeout(ATTEMPT)
    }

    /// Anything that may act twice when it is sent twice.
    pub(super) fn once<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        self.with(builder, NeverRetry).with_idempotency(false).with_attempt_timeout(RUN_ATTEMPT)
    }

    fn with<B: RequestOptionsBuilder>(&self, builder: B, retry: impl RetryPolicy + 'static) -> B {
        builder.with_retry_policy(self.renewing(retry)).with_backoff_policy(backoff())
    }

    fn renewing<P>(&self, retry: P) -> Renewing<P> {
        Renewing { retry, sign_in: self.sign_in.clone(), renewed: AtomicBool::new(false) }
    }

    /// As [`read`](Self::read), for a call that none of the clients makes. `attempt` makes it, within
    /// the time it is given.
    pub(super) async fn read_by_hand<'a, T>(
        &self,
        attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        self.by_hand(Transient.with_time_limit(READ_LIMIT), true, ATTEMPT, attempt).await
    }

    /// As [`once`](Self::once), for a call that none of the clients makes.
    pub(super) async fn once_by_hand<'a, T>(
        &self,
        attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        self.by_hand(NeverRetry, false, RUN_ATTEMPT, attempt).await
    }

    /// What the clients do with a retry policy.
    async fn by_hand<'a, T>(
        &self,
        retry: impl RetryPolicy,
        idempotent: bool,
        within: Duration,
        mut attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        let (retry, backoff) = (self.renewing(retry), backoff());
        let mut state = RetryState::new(idempotent);
        loop {
            let left = retry.remaining_time(&state);
            let error = match attempt(left.map_or(within, |left| left.min(within))).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            state.attempt_count += 1;
            let error = match retry.on_error(&state, error) {
                RetryResult::Continue(error) => error,
                RetryResult::Permanent(error) | RetryResult::Exhausted(error) => return Err(error),
            };
            let pause = backoff.on_failure(&state);
            if retry.remaining_time(&state).is_some_and(|left| left < pause) {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// Sends a call once more, with a new token, when the service did not accept the one it came with:
/// revoked, or expired while the laptop slept, which stops its clocks.
///
/// Whoever is not let in has not done anything, so this goes for every call, the start of a job
/// included.
struct Renewing<P> {
    retry: P,
    sign_in: Option<SignIn>,
    renewed: AtomicBool,
}

impl<P> fmt::Debug for Renewing<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewing")
    }
}

impl<P: RetryPolicy> RetryPolicy for Renewing<P> {
    fn on_error(&self, state: &RetryState, error: Error) -> RetryResult {
        if let Some(sign_in) = &self.sign_in
            && not_let_in(&error)
            && !self.renewed.swap(true, Ordering::Relaxed)
            && sign_in.renew().is_ok()
        {
            return RetryResult::Continue(error);
        }
        self.retry.on_error(state, error)
    }

    fn on_throttle(&self, state: &RetryState, error: Error) -> ThrottleResult {
        self.retry.on_throttle(state, error)
    }

    fn remaining_time(&self, state: &RetryState) -> Option<Duration> {
        self.retry.remaining_time(state)
    }
}

/// The service said so, in the way of REST or of gRPC.
fn not_let_in(error: &Error) -> bool {
    error.http_status_code() == Some(401)
        || error.status().is_some_and(|status| status.code == Code::Unauthenticated)
}
