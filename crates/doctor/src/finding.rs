//! What comes of a check: what it saw, what it found, and why it could not decide.

use jiff::Timestamp;
use quill_admin_cloud::{CloudError, CloudErrorKind};
use quill_admin_contract::ExitCode;
use quill_admin_image::ImageError;
use quill_admin_operations::error::CliError;

use super::treatment::Treatment;

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
    pub treatment: Option<Treatment>,
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
            treatment: None,
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
    pub fn treatment(mut self, treatment: Treatment) -> Self {
        self.treatment = Some(treatment);
        self
    }

    /// Checks that need this one can look all the same.
    #[must_use]
    pub fn blocks_nothing(mut self) -> Self {
        self.blocks = false;
        self
    }
}

/// Why a check could not decide. That is never the same as healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecided {
    /// The cause.
    pub cause: String,
    /// What kind of failure it is, where Google Cloud is what failed, or refused.
    pub kind: Option<CloudErrorKind>,
    /// What to do about it.
    pub advice: Vec<String>,
    /// Checks that need this one cannot decide either.
    pub blocks: bool,
}

impl Undecided {
    /// For this cause.
    pub fn new(cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), kind: None, advice: Vec::new(), blocks: true }
    }

    /// Adds what to do about it; the same thing is said once.
    #[must_use]
    pub fn advice(mut self, advice: impl Into<String>) -> Self {
        let advice = advice.into();
        if !self.advice.contains(&advice) {
            self.advice.push(advice);
        }
        self
    }

    /// Checks that need this one can look all the same.
    #[must_use]
    pub fn blocks_nothing(mut self) -> Self {
        self.blocks = false;
        self
    }
}

impl From<CliError> for Undecided {
    fn from(error: CliError) -> Self {
        Self { advice: error.hints.clone(), ..Self::new(error.to_string()) }
    }
}

impl From<Undecided> for CliError {
    fn from(undecided: Undecided) -> Self {
        undecided.advice.into_iter().fold(Self::new(ExitCode::CloudFailed, undecided.cause), Self::hint)
    }
}

impl From<CloudError> for Undecided {
    fn from(error: CloudError) -> Self {
        let kind = error.kind;
        let told = Self { kind: Some(kind), ..Self::from(CliError::from(error)) };
        match kind {
            CloudErrorKind::Quota => told.advice("wait a minute: everybody in the project shares this quota"),
            CloudErrorKind::Unreachable => {
                told.advice("check this machine's network (VPN, proxy), then look again")
            }
            CloudErrorKind::Failed => told.advice("look again in a minute"),
            _ => told,
        }
    }
}

impl From<ImageError> for Undecided {
    fn from(error: ImageError) -> Self {
        CliError::from(error).into()
    }
}
