//! The entries of Cloud Audit Logs that say who started a job (`Jobs.RunJob`). They are written only where somebody
//! has switched data access logs on, and Cloud Logging shows them only to those who may read private logs, or who
//! read a bucket that a sink has put them into.

use std::collections::BTreeSet;

use google_cloud_logging_v2::model::LogEntry as ApiLogEntry;
use jiff::Timestamp;
use serde_json::Value;

use super::logs::of_job;
use super::search::Search;
use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{StartEntries, StartEntry};
use crate::names::{JobName, LogBucketName};

/// The greatest number of pages that one call reads. The whole project shares 60 reads a minute.
const PAGES: usize = 5;

/// The logs that the entries are in: data access, and the log of administrators' actions, to which a later version of
/// the service may move them. The sink of the records takes both.
const LOGS: [&str; 2] = ["cloudaudit.googleapis.com%2Fdata_access", "cloudaudit.googleapis.com%2Factivity"];
/// The methods that start a job.
const METHODS: [&str; 2] = ["google.cloud.run.v2.Jobs.RunJob", "google.cloud.run.v1.Jobs.RunJob"];

impl Google {
    /// The entries of Cloud Audit Logs about starts of a job from a time on, newest first: those in the bucket, or,
    /// without one, in the log of the job's project. Where nothing is recorded, and where the caller may not see it,
    /// there are none. A call takes one read of the quota for every 1,000 entries, and at most 5.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn starts<'a>(
        &'a self,
        name: &'a JobName,
        since: Timestamp,
        bucket: Option<&'a LogBucketName>,
    ) -> Reply<'a, Result<StartEntries, CloudError>> {
        Box::pin(async move {
            let place = bucket.map_or_else(|| format!("projects/{}", name.project), LogBucketName::view);
            let any = |field: &str, values: [String; 2]| {
                format!("({})", values.map(|value| format!("{field}=\"{value}\"")).join(" OR "))
            };
            let filter = format!(
                "{} AND {} AND {} AND timestamp>=\"{since}\"",
                of_job(name),
                any("logName", LOGS.map(|log| format!("projects/{}/logs/{log}", name.project))),
                any("protoPayload.methodName", METHODS.map(str::to_owned)),
            );
            let mut found = StartEntries::default();
            let doing = "read who started the job";
            let search = Search { place: &place, filter: &filter, doing, first: usize::MAX, pages: PAGES };
            let entries = &mut found.entries;
            found.more = self
                .search(search, |page| {
                    entries.extend(page.iter().filter_map(|entry| start(name, entry)));
                    false
                })
                .await?;
            Ok(found)
        })
    }
}

/// Reads an entry. What it has to say about the execution is not documented: its label, the answer of the call, or
/// nothing. So every name of an execution of this job counts, wherever in the entry it stands.
fn start(name: &JobName, entry: &ApiLogEntry) -> Option<StartEntry> {
    let payload = entry.proto_payload().map(|payload| serde_json::json!(payload)).unwrap_or_default();
    let account = payload["authenticationInfo"]["principalEmail"].as_str().map(str::to_owned);
    let mut executions: BTreeSet<String> =
        entry.labels.get(convert::EXECUTION_LABEL).cloned().into_iter().collect();
    named(&format!("{}-", name.job), &payload["response"], &mut executions);
    let timestamp = entry.timestamp.or(entry.receive_timestamp).and_then(convert::timestamp)?;
    Some(StartEntry { timestamp, account, executions: executions.into_iter().collect() })
}

/// Collects the ids of executions in a value: behind `executions/` in the name of a resource, or alone.
fn named(prefix: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            let id = text.rsplit_once("/executions/").map_or(text.as_str(), |(_, id)| id);
            if id.starts_with(prefix) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                found.insert(id.to_owned());
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(prefix, item, found)),
        Value::Object(fields) => fields.values().for_each(|field| named(prefix, field, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_execution_is_named_wherever_it_stands() {
        let of = |value: Value| {
            let mut found = BTreeSet::new();
            named("quill-admin-prod-", &value, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        let long = "projects/p/locations/l/jobs/quill-admin-prod/executions/quill-admin-prod-x7k2p";
        assert_eq!(of(json!({"metadata": {"name": long, "generation": 1}})), ["quill-admin-prod-x7k2p"]);
        assert_eq!(of(json!({"metadata": {"name": "quill-admin-prod-x7k2p"}})), ["quill-admin-prod-x7k2p"]);
        assert_eq!(of(json!({"items": [{"name": "quill-admin-prod"}, "quill-admin-prod- spaced"]})), [""; 0]);
    }
}
