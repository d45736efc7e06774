//! `google.logging.v2.LoggingServiceV2`: reading log entries, from a project or from the view of a log bucket.
//!
//! To add a method: its row in [`API`] and its function here. To add a place that entries are read from: a variant of
//! [`Source`] with its arms. `filter.rs` reads the query language, `tail.rs` follows entries live.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::call::{Call, Reply};
use super::method::{Api, Method};
use super::service::{Enabling, Service};
use crate::api_error::ApiError;
use crate::audit::DATA_ACCESS;
use crate::cloud::Cloud;
use crate::filter::Filter;
use crate::names::{part, project_number};
use crate::options::{Options, PrivateLogs};
use crate::resource::{items, text};
use crate::store::{Entry, Saved};

/// The path under which gRPC has the method that tails log entries.
pub(crate) const TAIL_PATH: &str = "/google.logging.v2.LoggingServiceV2/TailLogEntries";

/// The permissions of who follows log entries live. The documentation of the method names either.
const READING: &[&str] = &["logging.logEntries.list", "logging.views.access"];

/// The permission of who reads private logs in the log of a project, of which data access is one.
const PRIVATE: &str = "logging.privateLogEntries.list";

const ENABLING: Enabling = Enabling {
    name: "logging.googleapis.com",
    title: "Cloud Logging API",
    projects: Some(|call| {
        let request = call.read("google.logging.v2.ListLogEntriesRequest", "")?;
        Ok(sources(&request)?.iter().map(|source| source.project().to_owned()).collect())
    }),
};

const LOGGING: Service = Service { enabling: Some(ENABLING), denied: |_, _, _| denied() };

/// The methods of Cloud Logging.
pub(super) const API: Api = Api {
    service: &LOGGING,
    methods: &[
        // What it needs depends on what is read: a project's log or a view of a bucket.
        Method::post("google.logging.v2.LoggingServiceV2.ListLogEntries", "/v2/entries:list").by(list),
        Method::post("google.logging.v2.LoggingServiceV2.WriteLogEntries", "/v2/entries:write"),
        Method::post("google.logging.v2.LoggingServiceV2.TailLogEntries", "/v2/entries:tail"),
        // What is gRPC has been answered before it comes here.
        Method::post("google.logging.v2.LoggingServiceV2.TailLogEntries", TAIL_PATH)
            .needs(READING)
            .by(|_, _| Err(ApiError::of_http(415, None, "This method takes gRPC only."))),
        Method::get("google.logging.v2.LoggingServiceV2.ListLogs", "/v2/projects/*/logs"),
        Method::delete("google.logging.v2.LoggingServiceV2.DeleteLog", "/v2/projects/*/logs/*"),
    ],
};

fn denied() -> ApiError {
    ApiError::denied("Permission denied for all log views")
}

/// Refuses who may not read log entries.
pub(crate) fn check_permission(cloud: &Cloud) -> Result<(), ApiError> {
    let lacks = cloud.store.read(|state| READING.iter().any(|one| state.denied.contains(*one)));
    if lacks { Err(denied()) } else { Ok(()) }
}

/// Refuses to read the log entries of a project that has not enabled Cloud Logging.
pub(crate) fn check_enabled(cloud: &Cloud, project: &str) -> Result<(), ApiError> {
    ENABLING.check(cloud, project)
}

/// The content of a page token: the last entry of the page before, and the query that it was a page of.
#[derive(Serialize, Deserialize)]
struct PageToken {
    timestamp: Timestamp,
    insert_id: String,
    filter: String,
    descending: bool,
}

impl PageToken {
    /// The token of the page before the first.
    fn before_all(filter: &str, descending: bool) -> Self {
        let timestamp = if descending { Timestamp::MAX } else { Timestamp::MIN };
        Self { timestamp, insert_id: String::new(), filter: filter.to_owned(), descending }
    }

    fn encoded(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

fn list(cloud: &Arc<Cloud>, call: &Call<'_>) -> Result<Reply, ApiError> {
    let request = call.read("google.logging.v2.ListLogEntriesRequest", "")?;
    let sources = sources(&request)?;
    sources.iter().try_for_each(|source| source.check_permission(cloud))?;
    let descending = match request["orderBy"].as_str().unwrap_or_default() {
        "" | "timestamp asc" | "timestamp" => false,
        "timestamp desc" => true,
        other => {
            return Err(ApiError::invalid(format!(
                "The field order_by must be \"timestamp asc\" or \"timestamp desc\", not {other:?}"
            )));
        }
    };
    let size = match request["pageSize"].as_i64().unwrap_or(0) {
        0 => 50,
        size @ 1..=1000 => usize::try_from(size).unwrap_or(50),
        _ => {
            return Err(ApiError::invalid("page_size must be between 0 and 1000, inclusive"));
        }
    };
    let text_of_filter = text(&request["filter"]);
    let filter = Filter::parse(&text_of_filter)
        .map_err(|error| ApiError::invalid(format!("Unparseable filter: {error}")))?;
    let token = match request["pageToken"].as_str() {
        Some(token) => Some(read_token(token, &text_of_filter, descending)?),
        None => None,
    };

    cloud.store.change(|state| {
        let projects: BTreeSet<&str> = sources.iter().map(Source::project).collect();
        for project in &projects {
            let limit = cloud.options.log_reads_per_minute;
            if !state.count_log_read(project, limit) {
                return Err(quota_exceeded(project, limit));
            }
        }
        let private = !state.denied.contains(PRIVATE);
        if !private
            && cloud.options.private_logs == PrivateLogs::Denied
            && text_of_filter.contains(DATA_ACCESS)
        {
            let in_project = sources.iter().any(|source| matches!(source, Source::Project(_)));
            if in_project {
                return Err(denied());
            }
        }
        if state.empty_log_pages > 0 {
            state.empty_log_pages -= 1;
            let next = token.unwrap_or_else(|| PageToken::before_all(&text_of_filter, descending));
            let reply = json!({"nextPageToken": next.encoded()});
            return Ok(Reply::new("google.logging.v2.ListLogEntriesResponse", reply));
        }
        let now = Timestamp::now();
        let shown = sources
            .iter()
            .map(|source| source.shown(&state.saved, &cloud.options, now, private))
            .collect::<Result<Vec<_>, _>>()?;
        let mut found: Vec<&Entry> = state
            .saved
            .entries
            .iter()
            .filter(|entry| entry.available <= now)
            .filter(|entry| shown.iter().any(|shown| shown.has(entry)))
            .filter(|entry| filter.matches(&entry.json))
            .flat_map(|entry| {
                let twice = entry.again.is_some_and(|again| again <= now);
                std::iter::repeat_n(entry, if twice { 2 } else { 1 })
            })
            .collect();
        found.sort_by(|one, other| {
            let order = key(one).cmp(&key(other));
            if descending { order.reverse() } else { order }
        });
        if let Some(token) = &token {
            let last = (token.timestamp, token.insert_id.as_str());
            found.retain(|entry| if descending { key(entry) < last } else { key(entry) > last });
        }
        let more = found.len() > size;
        found.truncate(size);
        let mut reply = json!({});
        if more && let Some(last) = found.last() {
            let token = PageToken {
                timestamp: last.timestamp,
                insert_id: key(last).1.to_owned(),
                filter: text_of_filter.clone(),
                descending,
            };
            reply["nextPageToken"] = json!(token.encoded());
        }
        if !found.is_empty() {
            reply["entries"] = found.iter().map(|entry| entry.json.clone()).collect();
        }
        Ok(Reply::new("google.logging.v2.ListLogEntriesResponse", reply))
    })
}

fn key(entry: &Entry) -> (Timestamp, &str) {
    let insert_id = entry.json["insertId"].as_str().unwrap_or_default();
    (entry.timestamp, insert_id)
}

/// A place that log entries are read from.
pub(crate) enum Source<'a> {
    /// A project: what its bucket `_Default` has.
    Project(&'a str),
    /// The view of all entries in a bucket, `projects/P/locations/L/buckets/B`.
    Bucket(&'a str),
}

/// The view that every bucket has, of all its entries.
const ALL_LOGS: &str = "/views/_AllLogs";

impl<'a> Source<'a> {
    fn read(name: &'a str) -> Result<Self, ApiError> {
        match name.split('/').collect::<Vec<_>>()[..] {
            ["projects", project] => Ok(Self::Project(project)),
            ["projects", _, "locations", _, "buckets", _, "views", _] => match name.strip_suffix(ALL_LOGS) {
                Some(bucket) => Ok(Self::Bucket(bucket)),
                None => Err(ApiError::unimplemented("Reading another view of a bucket than _AllLogs")),
            },
            ["organizations" | "folders" | "billingAccounts", _] | ["projects", _, "locations", ..] => {
                Err(ApiError::unimplemented("Reading log entries of anything but a project or a view"))
            }
            _ => Err(ApiError::invalid(format!(
                "Invalid resource name: {name:?}. It must begin with \"projects/\", \
                 \"organizations/\", \"folders/\" or \"billingAccounts/\"."
            ))),
        }
    }

    fn project(&self) -> &'a str {
        match self {
            Self::Project(project) => project,
            Self::Bucket(bucket) => part(bucket, "projects"),
        }
    }

    /// Refuses who may not read there.
    fn check_permission(&self, cloud: &Cloud) -> Result<(), ApiError> {
        let needed = match self {
            Self::Project(_) => "logging.logEntries.list",
            Self::Bucket(_) => "logging.views.access",
        };
        if cloud.store.read(|state| state.denied.contains(needed)) { Err(denied()) } else { Ok(()) }
    }

    /// The entries that are seen there. Those of private logs are seen in a project's log only by who may read them
    /// (`private`), and in the view of a bucket by everybody who may read it.
    fn shown(
        &self,
        saved: &Saved,
        options: &Options,
        now: Timestamp,
        private: bool,
    ) -> Result<Shown, ApiError> {
        let since =
            |days: i64| now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
        match self {
            Self::Project(project) => Ok(Shown {
                private,
                since: since(i64::from(options.log_retention_days)),
                sinks: vec![Routed {
                    project: (*project).to_owned(),
                    filter: None,
                    excluded: Vec::new(),
                    made: Timestamp::MIN,
                }],
            }),
            Self::Bucket(name) => {
                let bucket =
                    saved.log_buckets.get(*name).ok_or_else(|| options.missing_log_bucket.error(name))?;
                let days = bucket["retentionDays"].as_i64().unwrap_or(30);
                Ok(Shown { private: true, since: since(days), sinks: sinks_into(saved, name)? })
            }
        }
    }
}

/// The sinks that put entries into a bucket.
fn sinks_into(saved: &Saved, bucket: &str) -> Result<Vec<Routed>, ApiError> {
    let destination = format!("logging.googleapis.com/{bucket}");
    let sinks = saved.log_sinks.iter();
    sinks
        .filter(|(_, sink)| sink["destination"] == destination.as_str() && sink["disabled"] != true)
        .map(|(name, sink)| {
            let filter = |value: &Value| {
                Filter::parse(&text(value))
                    .map_err(|error| ApiError::invalid(format!("{name}: unparseable filter: {error}")))
            };
            let exclusions = items(&sink["exclusions"]).iter();
            let excluded = exclusions
                .filter(|exclusion| exclusion["disabled"] != true)
                .map(|exclusion| filter(&exclusion["filter"]))
                .collect::<Result<_, _>>()?;
            let made = sink["createTime"].as_str().and_then(|time| time.parse().ok());
            Ok(Routed {
                project: part(name, "projects").to_owned(),
                filter: Some(filter(&sink["filter"])?),
                excluded,
                made: made.unwrap_or(Timestamp::MIN),
            })
        })
        .collect()
}

/// The entries that are visible in one place.
struct Shown {
    /// Whether entries of private logs are seen.
    private: bool,
    since: Timestamp,
    sinks: Vec<Routed>,
}

impl Shown {
    fn has(&self, entry: &Entry) -> bool {
        let log = entry.json["logName"].as_str().unwrap_or_default();
        let project = part(log, "projects");
        let is_private = log.ends_with(DATA_ACCESS);
        (self.private || !is_private)
            && entry.timestamp >= self.since
            && self.sinks.iter().any(|sink| sink.takes(project, entry))
    }
}

/// A route by which entries of a project come to one place.
struct Routed {
    project: String,
    filter: Option<Filter>,
    /// The filters of its exclusions.
    excluded: Vec<Filter>,
    /// A sink takes what comes in after it was made.
    made: Timestamp,
}

impl Routed {
    fn takes(&self, project: &str, entry: &Entry) -> bool {
        self.project == project
            && entry.available >= self.made
            && self.filter.as_ref().is_none_or(|filter| filter.matches(&entry.json))
            && !self.excluded.iter().any(|filter| filter.matches(&entry.json))
    }
}

/// The places a request wants to read.
pub(crate) fn sources(request: &Value) -> Result<Vec<Source<'_>>, ApiError> {
    let names = items(&request["resourceNames"]).iter();
    let sources =
        names.map(|name| Source::read(name.as_str().unwrap_or_default())).collect::<Result<Vec<_>, _>>()?;
    if sources.is_empty() {
        return Err(ApiError::invalid("resource_names is required"));
    }
    Ok(sources)
}

/// The projects whose log a request wants to follow.
pub(crate) fn projects(request: &Value) -> Result<BTreeSet<&str>, ApiError> {
    sources(request)?
        .into_iter()
        .map(|source| match source {
            Source::Project(project) => Ok(project),
            Source::Bucket(_) => Err(ApiError::unimplemented("Following a view of a bucket")),
        })
        .collect()
}

fn read_token(token: &str, filter: &str, descending: bool) -> Result<PageToken, ApiError> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| serde_json::from_slice::<PageToken>(&bytes).ok())
        .filter(|token| token.filter == filter && token.descending == descending)
        .ok_or_else(|| ApiError::invalid("page_token doesn't match arguments from the previous request"))
}

/// The real words, as people quote them in their issues.
fn quota_exceeded(project: &str, limit: u32) -> ApiError {
    let number = project_number(project);
    ApiError::exhausted(format!(
        "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of \
         service 'logging.googleapis.com' for consumer 'project_number:{number}'."
    ))
    .with(json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "consumer": format!("projects/{number}"),
            "quota_limit": "ReadRequestsPerMinutePerProject",
            "quota_limit_value": limit.to_string(),
            "quota_location": "global",
            "quota_metric": "logging.googleapis.com/read_requests",
            "quota_unit": "1/min/{project}",
            "service": "logging.googleapis.com",
        },
    }))
    .with(json!({
        "@type": "type.googleapis.com/google.rpc.Help",
        "links": [{
            "description": "Request a higher quota limit.",
            "url": "https://cloud.google.com/docs/quotas/help/request_increase",
        }],
    }))
}
