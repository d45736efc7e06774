//! Searches the log backwards from its end, page by page, as far as is wanted.

use google_cloud_logging_v2::model::LogEntry as ApiLogEntry;

use super::Google;
use crate::error::CloudError;

/// The largest page ("Usage limits" of Cloud Logging: entries.list returns at most 1,000 entries).
const PAGE: usize = 1000;

/// A search in the log of a project, or in a view of a bucket.
pub(super) struct Search<'a> {
    /// The resource that has the log.
    pub(super) place: &'a str,
    pub(super) filter: &'a str,
    /// The purpose of the search, for the words of an error.
    pub(super) doing: &'static str,
    /// The size of the first page: that of the caller's wish. What it lacks is further back.
    pub(super) first: usize,
    /// The greatest number of pages that are read. The whole project shares 60 reads a minute.
    pub(super) pages: usize,
}

impl Google {
    /// Gives the pages, newest entries first, to `take` until that returns true for "enough". Returns whether there
    /// is more.
    pub(super) async fn search(
        &self,
        search: Search<'_>,
        mut take: impl FnMut(Vec<ApiLogEntry>) -> bool,
    ) -> Result<bool, CloudError> {
        let Search { place, filter, doing, first, pages } = search;
        let (mut page, mut size) = (String::new(), first.clamp(1, PAGE));
        for _ in 0..pages {
            let request = self
                .logging
                .list_log_entries()
                .set_resource_names([place])
                .set_filter(filter)
                .set_order_by("timestamp desc")
                .set_page_size(i32::try_from(size).unwrap_or(1000))
                .set_page_token(page);
            let answer =
                self.policy.read(request).send().await.map_err(|error| CloudError::new(doing, &error))?;
            let is_enough = take(answer.entries);
            page = answer.next_page_token;
            if page.is_empty() || is_enough {
                break;
            }
            size = PAGE;
        }
        Ok(!page.is_empty())
    }
}
