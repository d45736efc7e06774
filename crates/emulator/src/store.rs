//! Everything the emulator knows, behind one lock, and one signal that says "something changed".
//!
//! Nothing polls: who waits for an operation, and who writes the state file, waits for the signal.
//!
//! To add a kind of resource: its map in [`Saved`], which is also the form of the state file.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::objects::Objects;
use crate::outcome::Outcomes;
use crate::project;
use crate::script::Script;
use crate::secrets::Secrets;
use crate::stop::Stop;

/// The number of log entries that are kept. Cloud Logging keeps those of 30 days; here a number keeps the state file
/// from growing for ever.
const KEPT_ENTRIES: usize = 20_000;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) saved: Saved,
    pub(crate) secrets: Secrets,
    pub(crate) scripts: BTreeMap<String, Script>,
    /// The permissions the caller does not have.
    pub(crate) denied: BTreeSet<String>,
    /// The number of the next pages of log entries that are empty, each with a token to go on with.
    pub(crate) empty_log_pages: u32,
    /// The time that answers tell.
    pub(crate) clock: Clock,
    pub(crate) outcomes: Outcomes,
    /// The executions and deployments that are under way, by the name of the execution or revision, each with the
    /// request to end it.
    pub(crate) running: HashMap<String, Stop>,
    /// The number of calls that are still to be carried out although their callers have given up.
    pub(crate) late: usize,
    /// The times at which each project's log entries were read, for the read quota.
    pub(crate) log_reads: HashMap<String, Vec<Instant>>,
}

/// The part of the state that survives a restart when there is a state file.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Saved {
    pub(crate) jobs: BTreeMap<String, Value>,
    pub(crate) executions: BTreeMap<String, Value>,
    pub(crate) tasks: BTreeMap<String, Value>,
    pub(crate) services: BTreeMap<String, Value>,
    pub(crate) revisions: BTreeMap<String, Value>,
    /// By `projects/P`, with the project's id.
    pub(crate) projects: BTreeMap<String, Value>,
    /// By `projects/P/instances/I`.
    pub(crate) sql_instances: BTreeMap<String, Value>,
    /// The authorities of an instance's certificate, by the instance's name, where they are not just its own one.
    pub(crate) server_cas: BTreeMap<String, Value>,
    pub(crate) repositories: BTreeMap<String, Value>,
    pub(crate) docker_images: BTreeMap<String, Value>,
    /// By `projects/P`, with the project's id.
    pub(crate) policies: BTreeMap<String, Value>,
    /// `projects/P/services/S`, of all that are not enabled.
    pub(crate) disabled_services: BTreeSet<String>,
    /// By `projects/P/locations/L/buckets/B`.
    pub(crate) log_buckets: BTreeMap<String, Value>,
    /// By `projects/P/sinks/S`; the resource itself has the last part as its name.
    pub(crate) log_sinks: BTreeMap<String, Value>,
    pub(crate) objects: Objects,
    pub(crate) operations: BTreeMap<String, Operation>,
    pub(crate) entries: Vec<Entry>,
    last_entry: i64,
}

/// A long-running operation: following an execution or a deployment, or done.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Operation {
    Run { execution: String },
    Cancel { execution: String },
    Deploy { service: String },
    Done(Value),
}

/// A log entry and the moment from which reads return it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) json: Value,
    pub(crate) timestamp: Timestamp,
    pub(crate) available: Timestamp,
    /// The moment from which reads return it twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) again: Option<Timestamp>,
    /// Its number among all entries there have been.
    #[serde(skip)]
    pub(crate) number: u64,
}

impl State {
    /// The time of a new log entry: now, in microseconds as Cloud Run counts, and never the same
    /// twice, so that a container's lines keep their order.
    pub(crate) fn entry_time(&mut self) -> Timestamp {
        let now = Timestamp::now().as_microsecond();
        let time = now.max(self.saved.last_entry + 1);
        self.saved.last_entry = time;
        Timestamp::from_microsecond(time).unwrap_or_default()
    }

    /// A project by its id or its number.
    pub(crate) fn project(&self, id: &str) -> Option<&Value> {
        let projects = &self.saved.projects;
        projects.get(&format!("projects/{id}")).or_else(|| {
            id.parse::<u64>().ok()?;
            let name = format!("projects/{id}");
            projects.values().find(|project| project["name"] == name.as_str())
        })
    }

    /// Makes a project of what was put into it.
    pub(crate) fn ensure_project(&mut self, id: &str) {
        let name = format!("projects/{id}");
        self.saved.projects.entry(name.clone()).or_insert_with(|| project::new(&name));
    }

    /// Whether a project, by its id, has not enabled a service.
    pub(crate) fn has_disabled(&self, project: &str, service: &str) -> bool {
        self.saved.disabled_services.contains(&format!("projects/{project}/services/{service}"))
    }

    /// The number of the next entry.
    pub(crate) fn next_entry(&self) -> u64 {
        self.saved.entries.last().map_or(0, |entry| entry.number + 1)
    }

    /// The entries with this number and those after it.
    pub(crate) fn entries_from(&self, number: u64) -> &[Entry] {
        let first = self.saved.entries.partition_point(|entry| entry.number < number);
        &self.saved.entries[first..]
    }

    pub(crate) fn add_entry(&mut self, mut entry: Entry) {
        entry.number = self.next_entry();
        self.saved.entries.push(entry);
        if self.saved.entries.len() > KEPT_ENTRIES + KEPT_ENTRIES / 10 {
            let surplus = self.saved.entries.len() - KEPT_ENTRIES;
            self.saved.entries.drain(..surplus);
        }
    }

    /// Counts a read of a project's logs; false when the quota is used up.
    pub(crate) fn count_log_read(&mut self, project: &str, per_minute: u32) -> bool {
        let now = Instant::now();
        let reads = self.log_reads.entry(project.to_owned()).or_default();
        reads.retain(|read| now.duration_since(*read) < Duration::from_mins(1));
        if reads.len() >= per_minute as usize {
            return false;
        }
        reads.push(now);
        true
    }
}

/// The state and its change signal.
pub(crate) struct Store {
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

impl Store {
    pub(crate) fn new(saved: Saved) -> Self {
        let state = State { saved, ..State::default() };
        Self { state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in another thread leaves plain data behind, not a half-made invariant.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.lock())
    }

    pub(crate) fn change<T>(&self, make: impl FnOnce(&mut State) -> T) -> T {
        let result = make(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Waits until `look` finds something.
    pub(crate) async fn wait_for<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let mut changes = self.changes();
        loop {
            changes.borrow_and_update();
            if let Some(found) = self.read(&mut look) {
                return found;
            }
            // The sender lives as long as `self`, so this cannot fail; if it did, looking again
            // would be the right answer.
            drop(changes.changed().await);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_read_quota_is_counted_per_project() {
        let mut state = State::default();
        assert!(state.count_log_read("a", 2));
        assert!(state.count_log_read("a", 2));
        assert!(!state.count_log_read("a", 2));
        assert!(state.count_log_read("b", 2));
    }

    #[test]
    fn entry_times_never_repeat() {
        let mut state = State::default();
        let times: Vec<_> = (0..1000).map(|_| state.entry_time()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
