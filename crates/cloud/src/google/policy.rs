//! All time-outs and retries of calls to Google Cloud.
//!
//! The clients' defaults retry a refused connection for most of a minute, never retry reading logs (a POST),
//! and would poll for ever. Here every call chooses one of the policies below.
//!
//! To change a limit: the constants below. To retry another failure: `Transient`, for reads; calls that may act twice
//! are sent again only by `Renewing`.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use google_cloud_gax::backoff_policy::BackoffPolicy;
use google_cloud_gax::error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::options::{RequestOptions, RequestOptionsBuilder};
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicy, RetryPolicyExt};
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;
use google_cloud_gax::throttle_result::ThrottleResult;

use super::{Reply, SignIn};

/// Time limit of one attempt.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Time limit of the attempt that starts a job, which takes the service longer than a read.
const RUN_ATTEMPT: Duration = Duration::from_secs(30);
/// Time limit of a read with all its retries, before the run has started.
const READ_LIMIT: Duration = Duration::from_secs(6);

/// Longest total wait of a call that the service asks to come back later (`Retry-After`).
const ASKED_LIMIT: Duration = Duration::from_secs(30);

/// Retries the failures of a read that are safe to retry: no connection, no answer or half of one, an answer
/// that is not JSON, and status 5xx.
#[derive(Debug)]
struct Transient;

impl RetryPolicy for Transient {
    fn on_error(&self, _: &RetryState, error: Error) -> RetryResult {
        // A 5xx answer is either a status or, when its body is not Google's, a bare HTTP code.
        let unavailable = error.status().is_some_and(|status| {
            matches!(status.code, Code::Unavailable | Code::Internal | Code::DeadlineExceeded)
        }) || error.http_status_code().is_some_and(|code| code >= 500 && code != 501);
        let unreadable = error.is_io() || error.is_deserialization();
        if error.is_transient_and_before_rpc() || unreadable || error.is_timeout() || unavailable {
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

/// The retry policy of a connection, with the caller's credentials, if any.
pub(super) struct Policy {
    sign_in: Option<SignIn>,
    /// Whether the token has been renewed for a live log that was refused; this happens once.
    renewed: AtomicBool,
}

impl Policy {
    pub(super) fn new(sign_in: Option<SignIn>) -> Self {
        Self { sign_in, renewed: AtomicBool::new(false) }
    }

    /// Renews the token, once, for a stream that was refused: streams have no retry policy, and are opened
    /// again by their reader.
    pub(super) fn renew_for_stream(&self, error: &Error) {
        if let Some(sign_in) = &self.sign_in
            && not_let_in(error)
            && !self.renewed.swap(true, Ordering::Relaxed)
        {
            // The caller that opens the stream again gets the error if there is no new token.
            let _ = sign_in.renew();
        }
    }

    /// Options of a read before anything has started: it is retried a few times, and then reported.
    pub(super) fn read<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        let retry = Transient.with_time_limit(READ_LIMIT);
        self.with(builder, retry, true).with_idempotency(true).with_attempt_timeout(ATTEMPT)
    }

    /// Options of a read within a loop that has its own interval and decides itself how many failures it
    /// accepts.
    pub(super) fn poll<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        self.with(builder, NeverRetry, false).with_idempotency(true).with_attempt_timeout(ATTEMPT)
    }

    /// Options of a call that may act twice when it is sent twice. A refusal did nothing, so a call that is
    /// asked to come back later does.
    pub(super) fn once<B: RequestOptionsBuilder>(&self, builder: B) -> B {
        self.with(builder, NeverRetry, true).with_idempotency(false).with_attempt_timeout(RUN_ATTEMPT)
    }

    fn with<B: RequestOptionsBuilder>(
        &self,
        builder: B,
        retry: impl RetryPolicy + 'static,
        comes_back: bool,
    ) -> B {
        let (retry, pauses) = self.renewing(retry, comes_back);
        builder.with_retry_policy(retry).with_backoff_policy(pauses)
    }

    fn renewing<P>(&self, retry: P, comes_back: bool) -> (Renewing<P>, Pauses) {
        let asked = Arc::new(Mutex::new(None));
        let pauses = Pauses { asked: Arc::clone(&asked) };
        let sign_in = self.sign_in.clone();
        (Renewing { retry, sign_in, renewed: AtomicBool::new(false), comes_back, asked }, pauses)
    }

    /// Like [`read`](Self::read), for a call that none of the clients makes. `attempt` makes it, within the
    /// time that it is given.
    pub(super) async fn read_by_hand<'a, T>(
        &self,
        attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        self.by_hand(Transient.with_time_limit(READ_LIMIT), true, ATTEMPT, attempt).await
    }

    /// Like [`once`](Self::once), for a call that none of the clients makes.
    pub(super) async fn once_by_hand<'a, T>(
        &self,
        attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        self.by_hand(NeverRetry, false, RUN_ATTEMPT, attempt).await
    }

    async fn by_hand<'a, T>(
        &self,
        retry: impl RetryPolicy,
        idempotent: bool,
        within: Duration,
        mut attempt: impl FnMut(Duration) -> Reply<'a, Result<T, Error>>,
    ) -> Result<T, Error> {
        let (retry, pauses) = self.renewing(retry, true);
        attempts(&retry, &pauses, idempotent, Some(within), |within| attempt(within.unwrap_or(ATTEMPT))).await
    }
}

/// Makes a call with these options, in the way that a client does.
pub(super) async fn with_options<'a, T>(
    options: &RequestOptions,
    idempotent: bool,
    attempt: impl FnMut(Option<Duration>) -> Reply<'a, Result<T, Error>>,
) -> Result<T, Error> {
    let retry = options.retry_policy().clone().unwrap_or_else(|| Arc::new(NeverRetry));
    let pauses = options.backoff_policy().clone().unwrap_or_else(|| Arc::new(backoff()));
    attempts(&*retry, &*pauses, idempotent, *options.attempt_timeout(), attempt).await
}

/// The retry loop of the clients (`retry_loop`), with a retry policy and pauses.
async fn attempts<'a, T>(
    retry: &dyn RetryPolicy,
    pauses: &dyn BackoffPolicy,
    idempotent: bool,
    within: Option<Duration>,
    mut attempt: impl FnMut(Option<Duration>) -> Reply<'a, Result<T, Error>>,
) -> Result<T, Error> {
    let mut state = RetryState::new(idempotent);
    let mut left = retry.remaining_time(&state);
    loop {
        let error = match attempt(left.into_iter().chain(within).min()).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        state.attempt_count += 1;
        let error = match retry.on_error(&state, error) {
            RetryResult::Continue(error) => error,
            RetryResult::Permanent(error) | RetryResult::Exhausted(error) => return Err(error),
        };
        let pause = pauses.on_failure(&state);
        // The time that is left is taken before the pause, so that the last attempt has as long as that, too.
        left = retry.remaining_time(&state);
        if left.is_some_and(|left| left < pause) {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
    }
}

/// Sends a call once more, with a new token, when the service did not accept the first one: it was revoked,
/// or expired while the laptop slept, which stops its clocks.
///
/// A call that was refused for its token has done nothing, so this applies to every call, including the start
/// of a job.
struct Renewing<P> {
    retry: P,
    sign_in: Option<SignIn>,
    renewed: AtomicBool,
    /// Whether the call waits when the service asks it to come back later: not where the caller has an
    /// interval of its own.
    comes_back: bool,
    /// The wait that the service asked for after the last attempt.
    asked: Arc<Mutex<Option<Duration>>>,
}

/// The pauses between attempts: at least as long as the service asked for, and increasing.
#[derive(Debug)]
struct Pauses {
    asked: Arc<Mutex<Option<Duration>>>,
}

impl BackoffPolicy for Pauses {
    fn on_failure(&self, state: &RetryState) -> Duration {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.unwrap_or_else(|| backoff().on_failure(state))
    }
}

/// The wait that a refusal asks for (RFC 9110, section 10.2.3), in seconds. The other form, a date, would
/// need the service's clock, and is not used by Google's APIs.
fn retry_after(error: &Error) -> Option<Duration> {
    let throttled = error.http_status_code() == Some(429);
    let seconds = error.http_headers()?.get("retry-after")?.to_str().ok()?.trim().parse().ok()?;
    throttled.then(|| Duration::from_secs(seconds))
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
        let asked = retry_after(&error).filter(|_| self.comes_back);
        // A service may ask for no pause at all, again and again: it is not asked at once then. It may also
        // ask for more than a clock can hold.
        let pause = asked.map(|asked| asked.max(backoff().on_failure(state)));
        let fits = pause.filter(|pause| state.start.elapsed().saturating_add(*pause) <= ASKED_LIMIT);
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = fits;
        if fits.is_some() {
            return RetryResult::Continue(error);
        }
        self.retry.on_error(state, error)
    }

    fn on_throttle(&self, state: &RetryState, error: Error) -> ThrottleResult {
        self.retry.on_throttle(state, error)
    }

    fn remaining_time(&self, state: &RetryState) -> Option<Duration> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        let limit = self.retry.remaining_time(state);
        // The attempt after a requested pause has the time limit of a first one.
        if asked { limit.map(|_| ASKED_LIMIT.saturating_sub(state.start.elapsed()) + ATTEMPT) } else { limit }
    }
}

/// Whether the service refused the token, in the form of REST or of gRPC.
fn not_let_in(error: &Error) -> bool {
    error.http_status_code() == Some(401)
        || error.status().is_some_and(|status| status.code == Code::Unauthenticated)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal that asks to come back after so many seconds.
    fn later(seconds: &str) -> Error {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, seconds.parse().expect("a header"));
        Error::http(429, headers, <_>::default())
    }

    #[tokio::test]
    async fn a_service_that_asks_for_no_pause_is_not_hammered() {
        let calls = std::cell::Cell::new(0);
        let policy = Policy::new(None);
        let endless = policy.once_by_hand(|_| {
            calls.set(calls.get() + 1);
            Box::pin(async { Err::<(), _>(later("0")) })
        });
        let ended = tokio::time::timeout(Duration::from_secs(1), endless).await;
        assert!(ended.is_err(), "it comes back for as long as it does elsewhere");
        // Without a pause there would be tens of thousands of calls.
        assert!((2..60).contains(&calls.get()), "{}", calls.get());
    }

    #[test]
    fn only_a_pause_that_somebody_would_wait_for_is_made() {
        let (renewing, pauses) = Policy::new(None).renewing(NeverRetry, true);
        let state = |ago| {
            let start =
                std::time::Instant::now().checked_sub(Duration::from_secs(ago)).expect("it runs longer");
            RetryState::new(false).set_start(start).set_attempt_count(1_u32)
        };
        for (seconds, ago, comes_back) in [
            ("5", 0, true),
            ("5", 29, false),
            ("31", 0, false),
            ("18446744073709551615", 2, false),
            ("18446744073709551616", 2, false),
            ("-1", 0, false),
        ] {
            let state = state(ago);
            let result = renewing.on_error(&state, later(seconds));
            assert_eq!(matches!(result, RetryResult::Continue(_)), comes_back, "{seconds} after {ago} s");
            assert!(!comes_back || pauses.on_failure(&state) == Duration::from_secs(5));
        }
    }
}
