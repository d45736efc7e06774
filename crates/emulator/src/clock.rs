//! The clock that the emulator tells its callers, which need not be this machine's.

use axum::http::HeaderValue;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// The time that answers tell in the header `Date`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Clock {
    /// The seconds by which it is ahead of this machine's clock; negative where it is behind.
    ahead_seconds: i64,
    /// Whether answers say the time at all.
    told: bool,
}

impl Default for Clock {
    fn default() -> Self {
        Self { ahead_seconds: 0, told: true }
    }
}

impl Clock {
    pub(crate) fn ahead(by: SignedDuration) -> Self {
        Self { ahead_seconds: by.as_secs(), told: true }
    }

    pub(crate) fn untold() -> Self {
        Self { told: false, ..Self::default() }
    }

    /// The value of the header `Date` (RFC 9110, section 5.6.7).
    pub(crate) fn date(self) -> HeaderValue {
        // The HTTP library adds the header where it is missing, so one that says nothing takes its place.
        const NOTHING: HeaderValue = HeaderValue::from_static("unknown");
        let ahead = SignedDuration::from_secs(self.ahead_seconds);
        let now = Timestamp::now().checked_add(ahead).ok().filter(|_| self.told);
        now.and_then(|now| DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok())
            .and_then(|date| HeaderValue::from_str(&date).ok())
            .unwrap_or(NOTHING)
    }
}
