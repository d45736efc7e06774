//! An action with its values, and the request that asks for it: who asks, why, under which id, and with which
//! key its result is proven. The definitions of actions are data and live in `quill_admin_actions`.
//!
//! To add an action that every image has, beside [`CHECK`] and [`REVIEW`]: its name and a function like
//! [`AdminAction::check`] here, its reading in `env/reader.rs`, and its work in the crate `executor`
//! (`transaction.rs`, or `harness.rs` for one without a database).

use std::borrow::Cow;

use quill_admin_actions::{Action, Digest, Job};

use crate::CONTRACT_VERSION;
use crate::arguments::Arguments;
use crate::bulk::{Bulk, BulkRow};
use crate::mode::Mode;
use crate::names::{Actor, Origin, Reason, RequestId};
use crate::proof::ProofKey;
use crate::review::Review;
use crate::undo::Undoing;

/// The name of an action that no file declares and every image has: it looks whether tasks could run, and changes
/// nothing.
pub const CHECK: &str = "check";

/// The name of the other such action: it leaves a record that runs were reviewed, connects to nothing, and changes
/// nothing.
pub const REVIEW: &str = "review";

/// One action, with the values of its parameters.
///
/// A plaintext password cannot be represented here: only its hash travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminAction {
    name: String,
    writes: bool,
    digest: Option<Digest>,
    arguments: Arguments,
    job: Option<Job>,
    review: Option<Review>,
}

impl AdminAction {
    /// A declared action with values that were read for it.
    #[must_use]
    pub fn new(action: &Action, arguments: Arguments) -> Self {
        Self {
            name: action.name.clone(),
            writes: action.writes(),
            digest: Some(action.digest()),
            arguments,
            job: action.definition.job.clone(),
            review: None,
        }
    }

    /// The action [`CHECK`].
    #[must_use]
    pub fn check() -> Self {
        Self::built_in(CHECK, None)
    }

    /// The action [`REVIEW`], for this review.
    #[must_use]
    pub fn review(review: Review) -> Self {
        Self::built_in(REVIEW, Some(review))
    }

    fn built_in(name: &str, review: Option<Review>) -> Self {
        let arguments = Arguments::default();
        Self { name: name.to_owned(), writes: false, digest: None, arguments, job: None, review }
    }

    /// The name of the action.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the action may write to the database.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.writes
    }

    /// The digest of the action's definition; `None` for [`CHECK`] and [`REVIEW`], which every image does in its own
    /// way.
    #[must_use]
    pub const fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// The application's own job that the action runs; `None` for an action that our container runs.
    #[must_use]
    pub const fn job(&self) -> Option<&Job> {
        self.job.as_ref()
    }

    /// The values of the action's parameters.
    #[must_use]
    pub const fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// The same action with other values, which were read for it.
    #[must_use]
    pub fn with(&self, arguments: Arguments) -> Self {
        Self { arguments, ..self.clone() }
    }

    /// The review that the action records; `None` for every action but [`REVIEW`].
    #[must_use]
    pub const fn reviewed(&self) -> Option<&Review> {
        self.review.as_ref()
    }

    /// The user that the action is about, if any: the value of the parameter `username`.
    #[must_use]
    pub fn username(&self) -> Option<Cow<'_, str>> {
        self.arguments.get("username")?.as_text()
    }
}

/// An action that is asked for, with who asked for it, why, and under which id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The action to run, with its values; of a bulk run without values, which the rows have.
    pub action: AdminAction,
    /// The rows to run the action for, one after the other; `None` where it is run once.
    pub bulk: Option<Bulk>,
    /// The id of this request.
    pub id: Option<RequestId>,
    /// The person or account that asked, as the CLI knows it.
    pub actor: Option<Actor>,
    /// The reason that was given for it.
    pub reason: Option<Reason>,
    /// The run of a pipeline that asked, where it was no person at a terminal.
    pub origin: Option<Origin>,
    /// The contract version in which the result is to be written: the newest that both sides know.
    pub contract: u32,
    /// Whether it is run, or only previewed.
    pub mode: Mode,
    /// The run that it undoes, where it undoes one.
    pub undoes: Option<Undoing>,
    /// The key that the result is to be proven with; not sent to an image that speaks version 1.
    pub proof_key: Option<ProofKey>,
}

impl Request {
    /// A request from this laptop: with a new id and a new key, in the newest contract version.
    #[must_use]
    pub fn new(action: AdminAction, actor: Option<Actor>, reason: Option<Reason>) -> Self {
        Self {
            action,
            bulk: None,
            id: Some(RequestId::new()),
            actor,
            reason,
            origin: None,
            contract: CONTRACT_VERSION,
            mode: Mode::Run,
            undoes: None,
            proof_key: Some(ProofKey::generate()),
        }
    }

    /// The same request made anew: with an id and a key of its own, since these are of one run.
    #[must_use]
    pub fn again(&self) -> Self {
        let proof_key = self.proof_key.as_ref().map(|_| ProofKey::generate());
        Self { id: Some(RequestId::new()), proof_key, ..self.clone() }
    }

    /// The request to run one of its rows. A preview of the whole is one of each row.
    #[must_use]
    pub fn of_row(&self, row: &BulkRow) -> Self {
        let mode = match (&self.mode, &row.expect) {
            (Mode::Run, Some(plan)) => Mode::RunAsPreviewed(plan.clone()),
            (mode, _) => mode.clone(),
        };
        Self { action: self.action.with(row.arguments.clone()), bulk: None, mode, ..self.clone() }
    }

    /// The key, where it is sent: version 1 has no proofs, and a job of the application's has no use for one.
    #[must_use]
    pub fn sent_key(&self) -> Option<&ProofKey> {
        self.proof_key.as_ref().filter(|_| self.contract >= 2 && self.action.job().is_none())
    }
}
