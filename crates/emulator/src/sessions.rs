//! The tails of log entries that are open, of which a project can have so many only.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

/// The number of open tails, by project.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, u32>>);

/// A session's place among those of its projects, which it has until it is dropped.
pub(crate) struct Place {
    sessions: Arc<Sessions>,
    projects: BTreeSet<String>,
}

impl Sessions {
    /// A place among those of some projects, each of which may have `limit`; none when one of the
    /// projects has no room.
    pub(crate) fn take_place(self: &Arc<Self>, projects: BTreeSet<String>, limit: u32) -> Option<Place> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if projects.iter().any(|project| open.get(project).copied().unwrap_or(0) >= limit) {
            return None;
        }
        for project in &projects {
            *open.entry(project.clone()).or_default() += 1;
        }
        drop(open);
        Some(Place { sessions: Arc::clone(self), projects })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.sessions.0.lock().unwrap_or_else(PoisonError::into_inner);
        for project in &self.projects {
            if let Some(count) = open.get_mut(project) {
                *count = count.saturating_sub(1);
            }
        }
    }
}
