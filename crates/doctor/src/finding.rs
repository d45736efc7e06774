//! What comes of a check: what it saw, and what it found.

use std::sync::Arc;

use jiff::Timestamp;

use super::fix::Fix;

/// What a check saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It looked: without findings all is well.
    Looked {
        /// What there is, in a few words.
        note: Option<String>,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// There is nothing to look at, which is as it should be.
    Nothing {
        /// Why that is so, in words.
        why: String,
    },
}

impl Seen {
    /// All is well.
    pub fn healthy(note: impl Into<String>) -> Self {
        Self::Looked { note: Some(note.into()), findings: Vec::new() }
    }

    /// What was found; nothing is well.
    pub fn found(note: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self::Looked { note: Some(note.into()), findings }
    }

    /// There is nothing to look at.
    pub fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing { why: why.into() }
    }
}

impl From<Finding> for Seen {
    fn from(finding: Finding) -> Self {
        Self::Looked { note: None, findings: vec![finding] }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; what this program is for works all the same.
    Warning,
    /// Something does not work, or is not safe.
    Problem,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What: one sentence, lower case, no full stop.
    pub what: String,
    /// What follows from it.
    pub why: String,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Lines that prove it: of a log, of a difference, a file with a line's number.
    pub evidence: Vec<String>,
    /// What to type, or to whom to turn.
    pub advice: Vec<String>,
    /// What `--fix` can do about it.
    pub fix: Option<Arc<dyn Fix>>,
    /// Checks that need this one have nothing to look at. A problem does this unless told otherwise.
    pub blocks: bool,
}

impl Finding {
    fn new(severity: Severity, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            severity,
            what: what.into(),
            why: why.into(),
            since: None,
            evidence: Vec::new(),
            advice: Vec::new(),
            fix: None,
            blocks: severity == Severity::Problem,
        }
    }

    /// Something does not work.
    pub fn problem(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Problem, what, why)
    }

    /// Something is worth knowing.
    pub fn warning(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what, why)
    }

    /// Adds since when.
    #[must_use]
    pub fn since(mut self, since: Option<Timestamp>) -> Self {
        self.since = since;
        self
    }

    /// Adds lines that prove it.
    #[must_use]
    pub fn evidence(mut self, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.evidence.extend(lines.into_iter().map(Into::into));
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// Adds what `--fix` can do.
    #[must_use]
    pub fn fix(mut self, fix: impl Fix + 'static) -> Self {
        self.fix = Some(Arc::new(fix));
        self
    }

    /// Checks that need this one can look all the same.
    #[must_use]
    pub fn blocks_nothing(mut self) -> Self {
        self.blocks = false;
        self
    }
}
