//! Fixes for findings, which `--fix` offers: first a plan, then the work. Each fix is in the file of the
//! check that it belongs to, and calls the operations that commands call; it does not copy them.
//!
//! To add a fix: a type that implements [`Fix`] in the file of its check, and `Finding::fix` where that check
//! makes its finding.

use std::fmt::Debug;
use std::pin::Pin;

use quill_admin_cloud::Difference;
use quill_admin_operations::error::CliError;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::Session;

use super::inquiries::Inquiries;

/// A fix for a finding.
pub trait Fix: Debug + Send + Sync {
    /// Its id, which does not change.
    fn id(&self) -> &'static str;

    /// Its effect, as in "--fix can …".
    fn summary(&self) -> &'static str;

    /// The reason why it must not be carried out without `--force`, if there is one.
    fn refused(&self) -> Option<String> {
        None
    }

    /// Makes the plan; nothing is changed.
    fn plan<'a>(&'a self, site: Site<'a>) -> Planning<'a>;
}

/// Two fixes are equal when their `Debug` texts are: these hold everything that tells one from another.
impl PartialEq for dyn Fix {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for dyn Fix {}

/// The environment that a fix works on.
#[derive(Debug, Clone, Copy)]
pub struct Site<'a> {
    /// The inquiries about it.
    pub inquiries: &'a Inquiries,
    /// The session in it.
    pub session: &'a Session,
}

/// A plan that is being made.
pub type Planning<'a> = Pin<Box<dyn Future<Output = Result<Plan, CliError>> + 'a>>;

/// The work of a fix; its result says in words what was done.
pub type Working<'a> = Pin<Box<dyn Future<Output = Result<String, CliError>> + 'a>>;

type Work = Box<dyn for<'a> FnOnce(Site<'a>, &'a PointOfNoReturn) -> Working<'a>>;

/// The plan of a fix, with the function that carries it out.
pub struct Plan {
    /// The steps, line by line.
    pub lines: Vec<String>,
    work: Work,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").finish_non_exhaustive()
    }
}

impl Plan {
    /// Makes a plan of these lines, which `work` carries out.
    pub fn new(
        lines: Vec<String>,
        work: impl for<'a> FnOnce(Site<'a>, &'a PointOfNoReturn) -> Working<'a> + 'static,
    ) -> Self {
        Self { lines, work: Box::new(work) }
    }

    /// Carries out the plan; returns in words what was done. Dropping the future breaks the work off; `point`
    /// says when that may be done.
    ///
    /// # Errors
    ///
    /// Fails when the work was not done, or not completely.
    pub async fn carry_out(self, site: Site<'_>, point: &PointOfNoReturn) -> Result<String, CliError> {
        (self.work)(site, point).await
    }
}

/// Describes the change of a setting in one line.
#[must_use]
pub fn line(change: &Difference) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
    let from = change.from.as_deref().map_or_else(|| "nothing".to_owned(), or_nothing);
    format!("{}: {from} → {}", change.setting, or_nothing(&change.to))
}
