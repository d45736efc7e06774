//! One run of the past, as far as it is known.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use quill_admin_cloud::JobName;
use quill_admin_contract::{Change, Claim, FieldValue, Outcome, ResultLine, Signature};

/// One run of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRun {
    /// The execution's id.
    pub execution: String,
    /// The job that it belongs to: the environment's own, or one of the application's, which leaves no
    /// record.
    pub job: JobName,
    /// The time at which it was asked for; where the execution is gone, the time at which it ended.
    pub time: Timestamp,
    /// Whether Cloud Run still has its execution.
    pub has_execution: bool,
    /// The account that started it.
    pub account: Option<String>,
    /// The person who asked, as the request says: recorded, never trusted.
    pub actor: Option<String>,
    /// The action that was asked for.
    pub action: Option<String>,
    /// The user that the action was about.
    pub user: Option<String>,
    /// The number of rows, of a run for many.
    pub rows: Option<u64>,
    /// The number of the row that this is about, of a run for many of which one row is wanted.
    pub row_number: Option<u64>,
    /// The records of its rows, of a run for many, where they were read with it; of a row there may be several.
    pub of_rows: Vec<Claim>,
    /// The reason that was given for it.
    pub reason: Option<String>,
    /// The run of a pipeline that asked, as the request says: recorded, never trusted.
    pub origin: Option<String>,
    /// Values that the action has recorded, as the record has them.
    pub recorded: BTreeMap<String, FieldValue>,
    /// The kind of subject that the action was about, as the record has it.
    pub kind: Option<String>,
    /// The changes that the action made, as the record has them; `None` where that is not known, and for a preview.
    pub changes: Option<Vec<Change>>,
    /// The outcome, in one word.
    pub outcome: String,
    /// Whether it was a preview, which changed nothing.
    pub preview: bool,
    /// The execution that it undoes, where it is an undo.
    pub undoes: Option<String>,
    /// The record itself, where one can be used.
    pub line: Option<ResultLine>,
    /// The signature of the record that is used.
    pub signature: Signature,
    /// The reliability of its record.
    pub record: Record,
    /// Whether there are records of it that contradict the execution or each other; they are not used.
    pub contradicted: bool,
    /// The exit code of the executor, where its record has one.
    pub exit_code: Option<u8>,
    /// The time from its start to its end.
    pub duration: Option<SignedDuration>,
    /// The image that ran.
    pub image: Option<String>,
}

/// The reliability of a run's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Record {
    /// One of the environment's public keys verifies its signature.
    Signed,
    /// The request's key proves it.
    Proven,
    /// Nothing proves it: there was no key, or the key is gone with the execution.
    NotProvable,
    /// There is no record that can be used.
    None,
}

impl Record {
    /// The reliability of a record that is used.
    pub(super) fn of(claim: &Claim) -> Self {
        match claim {
            Claim { signature: Signature::Verified, .. } => Self::Signed,
            Claim { proven: true, .. } => Self::Proven,
            _ => Self::NotProvable,
        }
    }
}

impl PastRun {
    /// The rows of this run as runs of their own, one for each record: those first whose records are proven.
    #[must_use]
    pub fn rows(&self) -> Vec<Self> {
        if self.of_rows.is_empty() {
            return Vec::new();
        }
        let run = Self { of_rows: Vec::new(), ..self.clone() };
        let (proven, others): (Vec<&Claim>, Vec<&Claim>) =
            self.of_rows.iter().partition(|claim| claim.is_proven());
        proven.into_iter().chain(others).map(|claim| run.of_row(claim)).collect()
    }

    /// The rows of this run as runs of their own, one for each row of the table, in their order. Where there are
    /// several records of a row, one that is proven is used.
    #[must_use]
    pub fn each_row(&self) -> Vec<Self> {
        let mut rows: BTreeMap<u64, Self> = BTreeMap::new();
        for row in self.rows() {
            rows.entry(row.row_number.unwrap_or_default()).or_insert(row);
        }
        rows.into_values().collect()
    }

    fn of_row(&self, claim: &Claim) -> Self {
        Self {
            actor: claim.line.actor.clone().or_else(|| self.actor.clone()),
            user: claim.line.username.clone(),
            row_number: claim.line.row_number,
            recorded: claim.line.recorded.clone(),
            kind: kind(&claim.line),
            changes: changes(&claim.line.outcome),
            outcome: claim.line.outcome.name().to_owned(),
            line: Some(claim.line.clone()),
            signature: claim.signature,
            record: Record::of(claim),
            exit_code: Some(claim.line.exit_code),
            ..self.clone()
        }
    }
}

pub(super) fn kind(line: &ResultLine) -> Option<String> {
    line.outcome.subject().map(|subject| subject.kind.clone())
}

/// The changes that a record tells. A failure, a preview, a row that an earlier execution has saved, and an outcome
/// that this version does not know, tell none, which does not mean that there were none.
pub(super) fn changes(outcome: &Outcome) -> Option<Vec<Change>> {
    match outcome {
        Outcome::Failed { .. } | Outcome::Previewed { .. } | Outcome::DoneBefore | Outcome::Other(_) => None,
        outcome => Some(outcome.changes().to_vec()),
    }
}
