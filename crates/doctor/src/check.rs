//! The definition of a check: its subject, the checks that it needs, and the function that examines the
//! subject.

use std::pin::Pin;

use super::finding::Report;
use super::inquiries::{Inquiries, Machine};
use super::undecided::Undecided;

/// The page that helps with findings; each check's id is a section of it. The path is relative to the
/// repository, whose public address is not known here.
const HELP: &str = "docs/troubleshooting.md";

/// A check of one thing.
pub struct Check {
    /// Its id, which does not change.
    pub id: &'static str,
    /// Its subject, in a few words.
    pub title: &'static str,
    /// The checks without which this one has nothing to examine. It is skipped when one of them has a
    /// finding, or is undecided, and says that it [blocks](Finding::blocks).
    pub needs: &'static [&'static str],
    /// The function that examines the subject.
    pub scope: Scope,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Check").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An examination that is under way.
pub type Inspecting<'a> = Pin<Box<dyn Future<Output = Result<Report, Undecided>> + Send + 'a>>;

/// The scope of a check, with the function that examines it.
#[derive(Clone, Copy)]
pub enum Scope {
    /// This machine.
    Machine(for<'a> fn(&'a Machine) -> Inspecting<'a>),
    /// One environment.
    Environment(for<'a> fn(&'a Inquiries) -> Inspecting<'a>),
    /// The application's repository, [`Machine::repository`].
    Repository(for<'a> fn(&'a Machine) -> Inspecting<'a>),
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Scope {
    /// The name of the scope, as in `--list --json`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Machine(_) => "machine",
            Self::Environment(_) => "environment",
            Self::Repository(_) => "repository",
        }
    }
}

impl Check {
    /// The section of the help page about this check.
    #[must_use]
    pub fn help(&self) -> String {
        format!("{HELP}#{}", self.id)
    }
}
