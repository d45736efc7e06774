//! The audit records that the executor wrote to the log. They outlast the executions in Cloud Run, which
//! keeps these for 7 days or 1,000 executions.
//!
//! To look for records by something else: a field of `RecordQuery` in `model.rs`, its part of `filter`, and
//! `is_met_by`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::logs::of_job;
use super::search::Search;
use super::{Google, Reply, convert};
use crate::error::CloudError;
use crate::model::{AuditEntries, AuditEntry, LogEntry, LogSource, RecordQuery};
use crate::names::JobName;

/// The greatest number of pages that one call reads. The whole project shares 60 reads a minute.
const PAGES: usize = 20;

/// The greatest number of executions that are named in a query: a query has at most 20,000 characters ("Usage
/// limits" of Cloud Logging), and each execution takes about 110 of them.
const NAMED: usize = 120;

impl Google {
    /// The job's audit records, newest first: log lines of its containers whose payload has an outcome under the
    /// query's key. The log does not prove that a container wrote them. Pages are read until there are records of
    /// enough executions; a call takes one read of the quota for each, and at most 20.
    ///
    /// # Errors
    ///
    /// Fails if the log cannot be read.
    pub fn audit_entries<'a>(
        &'a self,
        name: &'a JobName,
        query: RecordQuery,
    ) -> Reply<'a, Result<AuditEntries, CloudError>> {
        Box::pin(async move {
            let filter = filter(name, &query);
            let place = match &query.bucket {
                Some(bucket) => bucket.view(),
                None => format!("projects/{}", name.project),
            };
            let doing = match &query.bucket {
                Some(_) => "read the bucket of the records",
                None => "read the job's log",
            };
            let (mut entries, mut executions) = (Vec::new(), BTreeSet::new());
            let first = query.limit;
            let search = Search { place: &place, filter: &filter, doing, first, pages: PAGES };
            let more = self
                .search(search, |page| {
                    for entry in page {
                        let execution =
                            entry.labels.get(convert::EXECUTION_LABEL).cloned().unwrap_or_default();
                        if let Some(LogEntry {
                            timestamp,
                            source: LogSource::Container,
                            payload: Some(payload),
                            ..
                        }) = convert::log_entry(entry)
                        {
                            if query.is_met_by(&execution, &payload) {
                                executions.insert(execution.clone());
                            }
                            entries.push(AuditEntry { execution, timestamp, payload });
                        }
                    }
                    executions.len() >= query.limit
                })
                .await?;
            Ok(AuditEntries { entries, more })
        })
    }
}

fn filter(name: &JobName, query: &RecordQuery) -> String {
    let [stdout, stderr] =
        convert::CONTAINER_LOGS.map(|log| format!("logName=\"projects/{}/logs/{log}\"", name.project));
    let RecordQuery { key, since, .. } = query;
    let mut filter = format!(
        "{} AND ({stdout} OR {stderr}) AND jsonPayload.{key}.outcome.result:* AND timestamp>=\"{since}\"",
        of_job(name)
    );
    if let Some(field) = query.with {
        let _ = write!(filter, " AND jsonPayload.{key}.{field}:*");
    }
    if let Some(field) = query.without {
        let _ = write!(filter, " AND NOT jsonPayload.{key}.{field}:*");
    }
    for (field, value) in &query.fields {
        // There are too many executions to name: all records are read, and looked through here.
        if *field == "actor" && query.or_of.len() > NAMED {
            continue;
        }
        let wanted = format!("jsonPayload.{key}.{field}=\"{}\"", quoted(value));
        let _ = match (*field, query.or_of.as_slice()) {
            ("actor", [_, ..]) => {
                let or_of = query.or_of.iter().fold(String::new(), |mut text, execution| {
                    let label = convert::EXECUTION_LABEL;
                    let _ = write!(text, " OR labels.\"{label}\"=\"{}\"", quoted(execution));
                    text
                });
                write!(filter, " AND ({wanted}{or_of})")
            }
            _ => write!(filter, " AND {wanted}"),
        };
    }
    filter
}

fn quoted(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"")
}

/// A filter of the log compares without regard to case; these are the records that are really meant.
impl RecordQuery {
    fn is_met_by(&self, execution: &str, payload: &serde_json::Value) -> bool {
        self.fields.iter().all(|(field, wanted)| {
            payload[self.key][*field] == wanted.as_str()
                || *field == "actor" && self.or_of.iter().any(|one| one == execution)
        })
    }
}
