//! The marks of a review: reasons why a run deserves a look.
//!
//! To add a mark: here, its place in `judge.rs`, and its line in [`Mark::ALL`].

use std::fmt;

/// A reason why a run deserves a look. A mark is no verdict: most marked runs are as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// Somebody has raised the rights of the account that is their own.
    OwnRightsRaised {
        /// The field and its value, in words.
        what: String,
    },
    /// Somebody has a value now that the file of actions calls privileged.
    PrivilegedGiven {
        /// The subjects: one, or several of a run for many rows.
        whom: Vec<String>,
        /// The field and its value, in words.
        what: String,
    },
    /// It was run outside of the environment's working hours.
    OutOfHours {
        /// The day and the time in their zone.
        local: String,
    },
    /// There is a record of it, and neither an execution nor an entry of the audit log.
    NoStart {
        /// Whether the audit log could be looked at.
        audited: bool,
    },
    /// It was started, and there is no record of it.
    NoRecord {
        /// Whether there are records of its rows.
        of_rows: bool,
    },
    /// Entries of the log contradict each other, or the execution.
    Contradicted,
    /// Its record is not signed, although the environment has public keys.
    NotSigned {
        /// Whether it has a signature that no key verifies.
        refused: bool,
        /// Whether it is the record of one of its rows, and its own is signed.
        of_row: bool,
    },
    /// Nothing proves its record, and the environment has no public keys.
    NotProven,
    /// It has undone another run.
    Undo {
        /// The execution that was undone, or was to be.
        undone: String,
        /// Whether it was.
        done: bool,
    },
    /// It was to change something, and failed.
    Failed {
        /// The outcome, in one word.
        outcome: String,
        /// The exit code, where a record has it.
        exit_code: Option<u8>,
    },
    /// Records of rows of a bulk run are not there.
    RowsMissing {
        /// The number of missing records.
        missing: u64,
        /// The number of rows that should have one.
        of: u64,
    },
    /// Its record tells what this version cannot judge.
    NotUnderstood {
        /// The outcome, in one word.
        outcome: String,
    },
}

impl Mark {
    /// The codes of all marks with what they mean, in the order in which a run has them.
    pub const ALL: [(&'static str, &'static str); 12] = [
        ("own_rights_raised", "somebody has raised the rights of the account that is their own"),
        (
            "privileged_given",
            "somebody has a value now that the file of actions calls privileged, such as superadmin",
        ),
        ("out_of_hours", "it was run outside of working_hours"),
        ("no_start", "there is a record, and neither an execution nor an entry of the audit log"),
        ("no_record", "it was started, and there is no record"),
        ("contradicted", "entries of the log contradict each other, or the execution"),
        ("not_signed", "the record is not signed, although the environment has public keys"),
        ("not_proven", "nothing proves the record, and the environment has no public keys"),
        ("undo", "it has undone another run"),
        ("failed", "it was to change something, and failed or was cancelled"),
        ("rows_missing", "it was run for many rows, and not all of them have a record"),
        ("not_understood", "the record tells what this version cannot judge"),
    ];

    /// The subjects that it is about, all of them: its text has room for some.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::PrivilegedGiven { whom, .. } => whom,
            _ => &[],
        }
    }

    /// The code of the mark: programs go by this, never by the text.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OwnRightsRaised { .. } => "own_rights_raised",
            Self::PrivilegedGiven { .. } => "privileged_given",
            Self::OutOfHours { .. } => "out_of_hours",
            Self::NoStart { .. } => "no_start",
            Self::NoRecord { .. } => "no_record",
            Self::Contradicted => "contradicted",
            Self::NotSigned { .. } => "not_signed",
            Self::NotProven => "not_proven",
            Self::Undo { .. } => "undo",
            Self::Failed { .. } => "failed",
            Self::RowsMissing { .. } => "rows_missing",
            Self::NotUnderstood { .. } => "not_understood",
        }
    }
}

/// The number of names that a sentence has room for.
const NAMES: usize = 5;

/// Several names in a sentence.
fn named(names: &[String]) -> String {
    match names.get(..NAMES) {
        Some(first) if names.len() > NAMES => {
            format!("{} and {} more", first.join(", "), names.len() - NAMES)
        }
        _ => names.join(", "),
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OwnRightsRaised { what } => write!(f, "own rights raised: {what}"),
            Self::PrivilegedGiven { whom, what } => write!(f, "given to {}: {what}", named(whom)),
            Self::OutOfHours { local } => write!(f, "out of hours: {local}"),
            Self::NoStart { audited: true } => {
                f.write_str("Cloud Run has no execution of it, and the audit log no entry")
            }
            Self::NoStart { audited: false } => {
                f.write_str("Cloud Run has no execution of it, although it keeps them")
            }
            Self::NoRecord { of_rows: false } => f.write_str("there is no record of it"),
            Self::NoRecord { of_rows: true } => {
                f.write_str("there is no record of the whole of it, only of rows")
            }
            Self::Contradicted => f.write_str("entries of the log contradict what is known of it"),
            Self::NotSigned { refused, of_row } => {
                let which = if *of_row { "the record of one of its rows" } else { "its record" };
                if *refused {
                    write!(f, "no public key of the environment verifies the signature of {which}")
                } else {
                    write!(f, "{which} is not signed")
                }
            }
            Self::NotProven => f.write_str("nothing proves its record"),
            Self::Undo { undone, done: true } => write!(f, "it undid {undone}"),
            Self::Undo { undone, done: false } => write!(f, "it was to undo {undone}"),
            Self::Failed { outcome, exit_code } => {
                f.write_str(match outcome.as_str() {
                    "failed" => "it failed",
                    "cancelled" => "it was cancelled",
                    "each" => "not all of its rows were done",
                    _ => "it did not succeed",
                })?;
                exit_code.map_or(Ok(()), |code| write!(f, ", with exit code {code}"))
            }
            Self::RowsMissing { missing, of } => write!(f, "{missing} of its {of} rows have no record"),
            Self::NotUnderstood { outcome } => {
                write!(f, "this version cannot judge what it changed (\"{outcome}\")")
            }
        }
    }
}
