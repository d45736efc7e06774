//! Every time-out and every retry, in one place.
//!
//! The clients' defaults retry a refused connection for most of a minute, never retry reading logs
//! (a POST), and would poll for ever. Each call here says for itself what it may do.

use std::time::Duration;

use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::exponential_backoff::{ExponentialBackoff, ExponentialBackoffBuilder};
use google_cloud_gax::options::RequestOptionsBuilder;
use google_cloud_gax::retry_policy::{NeverRetry, RetryPolicy, RetryPolicyExt};
use google_cloud_gax::retry_result::RetryResult;
use google_cloud_gax::retry_state::RetryState;

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
    fn on_error(&self, _: &RetryState, error: google_cloud_gax::error::Error) -> RetryResult {
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

/// A read before anything has started: worth a few tries, then a person should be told.
pub(super) fn read<B: RequestOptionsBuilder>(builder: B) -> B {
    builder
        .with_idempotency(true)
        .with_retry_policy(Transient.with_time_limit(READ_LIMIT))
        .with_backoff_policy(backoff())
        .with_attempt_timeout(ATTEMPT)
}

/// A read inside a loop that has its own rhythm and decides itself how often it fails.
pub(super) fn poll<B: RequestOptionsBuilder>(builder: B) -> B {
    builder.with_idempotency(true).with_retry_policy(NeverRetry).with_attempt_timeout(ATTEMPT)
}

/// Anything that may act twice when it is sent twice.
pub(super) fn once<B: RequestOptionsBuilder>(builder: B) -> B {
    builder.with_idempotency(false).with_retry_policy(NeverRetry).with_attempt_timeout(RUN_ATTEMPT)
}
