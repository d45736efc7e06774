//! The revision that an image was built from, as a person reads it.

use std::fmt;

use jiff::Timestamp;

/// The revision that an image was built from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageRevision {
    /// The commit, with `-dirty` where files had been changed; `None` where the image does not say it.
    pub id: Option<String>,
    /// The time of the commit, where the job has it.
    pub committed: Option<Timestamp>,
    /// The time of the build, where the job has it.
    pub built: Option<Timestamp>,
}

impl fmt::Display for ImageRevision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.id {
            Some(id) => write!(f, "revision {}", short(id))?,
            None => f.write_str("a revision that is not noted on the job")?,
        }
        match (self.committed, self.built) {
            (Some(time), _) => write!(f, " of {}", date(time)),
            (None, Some(time)) => write!(f, ", built {}", date(time)),
            (None, None) => Ok(()),
        }
    }
}

/// Shortens a revision for people to twelve digits, and the mark of uncommitted changes.
pub(super) fn short(revision: &str) -> String {
    let (id, dirty) = match revision.strip_suffix("-dirty") {
        Some(id) => (id, "-dirty"),
        None => (revision, ""),
    };
    format!("{}{dirty}", id.chars().take(12).collect::<String>())
}

pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
