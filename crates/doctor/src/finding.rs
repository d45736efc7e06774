//! The result of a check: the things that it examined, its findings, and what it could not decide.
//!
//! A check returns [`Report`] when it could decide at least a part, and [`Undecided`] when it could decide
//! nothing. To add a field of a finding: [`Finding`], and `report/doctor.rs` of the command-line program.

use std::sync::Arc;

use jiff::Timestamp;

use super::fix::Fix;
use super::undecided::Undecided;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// The check examined its subject; all is well where nothing is wrong and nothing is undecided.
    Examined {
        /// A short description of the subject.
        note: Option<String>,
        /// The things that are wrong.
        findings: Vec<Finding>,
        /// The things that could not be decided. They are reported beside the findings: neither hides the
        /// other.
        undecided: Vec<Undecided>,
    },
    /// There is nothing to examine, and that is as it should be.
    Nothing {
        /// The reason, in words.
        why: String,
    },
}

impl Report {
    /// A result without findings.
    pub fn healthy(note: impl Into<String>) -> Self {
        Self::found(note, Vec::new())
    }

    /// A result with these findings; with none of them, all is well.
    pub fn found(note: impl Into<String>, findings: Vec<Finding>) -> Self {
        Self::Examined { note: Some(note.into()), findings, undecided: Vec::new() }
    }

    /// The same result, in which these things could not be decided. The same cause is not repeated.
    #[must_use]
    pub fn and_undecided(mut self, more: Vec<Undecided>) -> Self {
        if let Self::Examined { undecided, .. } = &mut self {
            for one in more {
                if undecided.iter().all(|known| known.cause != one.cause) {
                    undecided.push(one);
                }
            }
        }
        self
    }

    /// A result of a check that has nothing to examine.
    pub fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing { why: why.into() }
    }
}

impl From<Finding> for Report {
    fn from(finding: Finding) -> Self {
        Self::Examined { note: None, findings: vec![finding], undecided: Vec::new() }
    }
}

impl From<Undecided> for Report {
    fn from(undecided: Undecided) -> Self {
        Self::Examined { note: None, findings: Vec::new(), undecided: vec![undecided] }
    }
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the tasks of this program work all the same.
    Warning,
    /// Something does not work, or is not safe.
    Problem,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The thing that is wrong: one sentence, lower case, no full stop.
    pub what: String,
    /// The consequence.
    pub why: String,
    /// The time since when it is so.
    pub since: Option<Timestamp>,
    /// Lines that prove it: of a log, of a difference, or of a file with the line number.
    pub evidence: Vec<String>,
    /// Commands to type, or people to ask.
    pub advice: Vec<String>,
    /// The fix that `--fix` offers.
    pub fix: Option<Arc<dyn Fix>>,
    /// Whether checks that need this one have nothing to examine. That is so for a problem, unless it is set
    /// otherwise.
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

    /// A finding that something does not work.
    pub fn problem(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Problem, what, why)
    }

    /// A finding that something is worth knowing.
    pub fn warning(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what, why)
    }

    /// Adds the time since when it is so.
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

    /// Adds advice.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// Adds the fix that `--fix` offers.
    #[must_use]
    pub fn fix(mut self, fix: impl Fix + 'static) -> Self {
        self.fix = Some(Arc::new(fix));
        self
    }

    /// Lets the checks that need this one run all the same.
    #[must_use]
    pub fn blocks_nothing(mut self) -> Self {
        self.blocks = false;
        self
    }
}
