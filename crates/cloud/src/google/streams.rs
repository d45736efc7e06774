//! The two directions of a live log.

use google_cloud_gax::streaming::{RequestSender, ResponseStream};
use google_cloud_logging_v2::model::{TailLogEntriesRequest, TailLogEntriesResponse};

/// A call in progress, with both its directions.
pub(super) struct Streams {
    // Google may end the session when the caller's side ends, so it is kept open as long as the other.
    pub(super) sender: RequestSender<TailLogEntriesRequest>,
    pub(super) stream: ResponseStream<TailLogEntriesResponse>,
}
