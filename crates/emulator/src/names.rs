//! Resource names, and the other strings Google Cloud makes up.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

/// `projects/P/locations/R/jobs/J/executions/E`.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) project: String,
    pub(crate) location: String,
    pub(crate) job: String,
    pub(crate) id: String,
}

impl Execution {
    /// The job's full name.
    pub(crate) fn parent(&self) -> String {
        format!("projects/{}/locations/{}/jobs/{}", self.project, self.location, self.job)
    }

    /// The full name of a task.
    pub(crate) fn task(&self, index: u32) -> String {
        format!("{self}/tasks/{}-task{index}", self.id)
    }
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/executions/{}", self.parent(), self.id)
    }
}

/// The last part of a resource name.
pub(crate) fn short_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The value at an even place of a name: `part("projects/p/locations/r", "locations")` is `r`.
pub(crate) fn part<'a>(name: &'a str, collection: &str) -> &'a str {
    let mut parts = name.split('/');
    while let (Some(key), Some(value)) = (parts.next(), parts.next()) {
        if key == collection {
            return value;
        }
    }
    ""
}

/// Whether a resource's name is `parent`, the collection and one more part.
pub(crate) fn is_child(name: &str, parent: &str, collection: &str) -> bool {
    name.strip_prefix(parent)
        .and_then(|rest| rest.strip_prefix('/'))
        .and_then(|rest| rest.strip_prefix(collection))
        .and_then(|rest| rest.strip_prefix('/'))
        .is_some_and(|rest| !rest.contains('/'))
}

/// An etag in the shape of Cloud Run's, whose quotes are part of it.
pub(crate) fn etag(name: &str, time: Timestamp) -> String {
    let version = STANDARD.encode(time.as_nanosecond().to_be_bytes());
    format!("\"{version}/{}\"", STANDARD.encode(name))
}

/// A suffix as Cloud Run appends it to the name of a job or a service. It has no vowels, and so makes no words.
pub(crate) fn random_suffix(length: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let random = uuid::Uuid::new_v4().into_bytes();
    random.iter().take(length).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// A project's number, made up from its id: twelve digits, the same every time.
pub(crate) fn project_number(project: &str) -> u64 {
    // FNV-1a: small, and stable over versions of the standard library.
    let hash = project.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    100_000_000_000 + hash % 900_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_and_together() {
        let execution = Execution {
            project: "p".to_owned(),
            location: "r".to_owned(),
            job: "j".to_owned(),
            id: "j-x".to_owned(),
        };
        let name = execution.to_string();
        assert_eq!(name, "projects/p/locations/r/jobs/j/executions/j-x");
        assert_eq!(execution.task(1), format!("{name}/tasks/j-x-task1"));
        assert_eq!(short_name(&name), "j-x");
        assert_eq!(part(&name, "jobs"), "j");
        assert_eq!(part(&name, "services"), "");
    }

    #[test]
    fn a_project_number_has_twelve_digits() {
        for project in ["", "p", "quill-medical-staging"] {
            assert_eq!(project_number(project).to_string().len(), 12);
        }
    }
}
