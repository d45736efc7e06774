//! Handles panics: a panic is a bug, and its message may hold any value. So only its place is printed, never
//! the message.

use std::panic::{AssertUnwindSafe, PanicHookInfo};
use std::sync::Mutex;

use futures::FutureExt;

/// The place of the last panic.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Keeps the message of every panic of this process away from standard error, which Cloud Run logs.
pub(crate) fn keep_payloads_private() {
    std::panic::set_hook(Box::new(remember));
}

fn remember(info: &PanicHookInfo<'_>) {
    let place = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
    if let Ok(mut last) = PLACE.lock() {
        *last = place;
    }
}

/// Runs a future to its end, or returns the place where it panicked, as far as that is known.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, String> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|_payload| {
        PLACE.lock().ok().and_then(|mut last| last.take()).unwrap_or_else(|| "an unknown place".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{caught, keep_payloads_private};

    #[tokio::test]
    async fn a_panic_is_told_by_its_place_and_not_by_its_message() {
        keep_payloads_private();
        let place = caught(async { panic!("planted secret") }).await.expect_err("it panics");
        assert!(place.contains("panic.rs:"), "{place}");
        assert!(!place.contains("planted"), "{place}");
        assert_eq!(caught(async { 1 }).await, Ok(1));
    }
}
