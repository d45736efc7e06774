//! What a check is: what it looks at, what it needs, and how it looks.

use std::pin::Pin;

use super::facts::{Facts, Machine};
use super::finding::Seen;
use super::undecided::Undecided;

/// The page that helps with findings; each check's id is a section of it. Relative to the repository,
/// whose public address is not known here.
const HELP: &str = "docs/troubleshooting.md";

/// One thing that is looked at.
pub struct Check {
    /// Its name, which does not change.
    pub id: &'static str,
    /// What it looks at, in a few words.
    pub title: &'static str,
    /// The checks without which this one has nothing to look at. One of them that finds a problem, or
    /// cannot decide, and says that it [blocks](Finding::blocks), skips this one.
    pub needs: &'static [&'static str],
    /// Looks.
    pub look: Look,
}

/// A look that is under way.
pub type Looking<'a> = Pin<Box<dyn Future<Output = Result<Seen, Undecided>> + Send + 'a>>;

/// What a check looks at.
#[derive(Clone, Copy)]
pub enum Look {
    /// This machine.
    Machine(for<'a> fn(&'a Machine) -> Looking<'a>),
    /// One environment.
    Environment(for<'a> fn(&'a Facts) -> Looking<'a>),
    /// The application's repository, [`Machine::repository`].
    Repository(for<'a> fn(&'a Machine) -> Looking<'a>),
}

impl Look {
    /// The name of what it looks at, as in `--list --json`.
    #[must_use]
    pub fn scope(self) -> &'static str {
        match self {
            Self::Machine(_) => "machine",
            Self::Environment(_) => "environment",
            Self::Repository(_) => "repository",
        }
    }
}

impl Check {
    /// Where help is.
    #[must_use]
    pub fn help(&self) -> String {
        format!("{HELP}#{}", self.id)
    }
}
