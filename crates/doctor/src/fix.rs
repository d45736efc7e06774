//! What `--fix` can do about a finding: first a plan, then the work. Each fix stands in the file of the check that it
//! belongs to, and calls the operations that commands call; it does not copy them.

use std::fmt::Debug;
use std::pin::Pin;

use quill_admin_cloud::Difference;
use quill_admin_operations::error::CliError;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::Session;

use super::facts::Facts;

/// What can be done about a finding.
pub trait Fix: Debug + Send + Sync {
    /// Its name, which does not change.
    fn id(&self) -> &'static str;

    /// What it does, as in "--fix can …".
    fn summary(&self) -> &'static str;

    /// Why it is not to be done without `--force`, if so.
    fn refused(&self) -> Option<String> {
        None
    }

    /// Finds out what it would do. Nothing is changed.
    fn plan<'a>(&'a self, site: Site<'a>) -> Planning<'a>;
}

/// Two are the same that would do the same to the same: all that tells one from another is in it.
impl PartialEq for dyn Fix {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for dyn Fix {}

/// Where something is put right.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// What is known of it.
    pub facts: &'a Facts,
    /// The environment, open.
    pub session: &'a Session,
}

/// A plan that is being made.
pub type Planning<'a> = Pin<Box<dyn Future<Output = Result<Plan, CliError>> + 'a>>;

/// Work that is being done; in words what was done.
pub type Working<'a> = Pin<Box<dyn Future<Output = Result<String, CliError>> + 'a>>;

type Work = Box<dyn for<'a> FnOnce(Site<'a>, &'a PointOfNoReturn) -> Working<'a>>;

/// What a fix would do, and what it needs for that.
pub struct Plan {
    /// What would be done, line by line.
    pub lines: Vec<String>,
    work: Work,
}

impl Plan {
    /// A plan of these lines, which `work` carries out.
    pub fn new(
        lines: Vec<String>,
        work: impl for<'a> FnOnce(Site<'a>, &'a PointOfNoReturn) -> Working<'a> + 'static,
    ) -> Self {
        Self { lines, work: Box::new(work) }
    }

    /// Does what the plan says; says in words what was done. Dropping the future breaks it off, which
    /// `point` says when to do.
    ///
    /// # Errors
    ///
    /// Why it is not done, or not done whole.
    pub async fn carry_out(self, site: Site<'_>, point: &PointOfNoReturn) -> Result<String, CliError> {
        (self.work)(site, point).await
    }
}

/// A setting that is changed, in one line.
#[must_use]
pub fn line(change: &Difference) -> String {
    let or_nothing = |text: &str| if text.is_empty() { "nothing" } else { text }.to_owned();
    let from = change.from.as_deref().map_or_else(|| "nothing".to_owned(), or_nothing);
    format!("{}: {from} → {}", change.setting, or_nothing(&change.to))
}
