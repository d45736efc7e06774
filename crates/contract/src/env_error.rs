//! The problems of the environment variables that the executor was given, all of them at once, with their
//! messages and the exit code that they lead to.
//!
//! To add a problem: a variant of [`EnvProblem`] with its sentence, the place in `env/` that finds it, and
//! [`EnvError::exit_code`] where it does not lead to the code 2.

use std::borrow::Cow;
use std::fmt;

use quill_admin_actions::Digest;

use crate::exit_code::ExitCode;
use crate::value::InvalidValue;
use crate::variable::ROWS_VARIABLE;
use crate::{CONTRACT_OLDEST, CONTRACT_VERSION};

/// One problem of the environment. Variables have the names under which they are set: those of parameters are
/// made from the parameters' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvProblem {
    /// A variable is needed and not set, or blank.
    Missing(Cow<'static, str>),
    /// A value was refused.
    Invalid(Cow<'static, str>, InvalidValue),
    /// Two variables exclude each other.
    Both(Cow<'static, str>, Cow<'static, str>),
    /// A variable is set that the version of the contract that is asked for does not have.
    NotInContract {
        /// The variable.
        variable: &'static str,
        /// The first version that has it.
        since: u32,
    },
    /// An action that only reads is to be previewed.
    NothingToPreview {
        /// The variable that asks for it.
        variable: &'static str,
    },
    /// Rows are given for an action that is not run for rows.
    NotForRows {
        /// The reason, in words.
        why: &'static str,
    },
    /// A variable that holds rows is missing between others.
    RowsMissing {
        /// The name of the variable.
        variable: String,
    },
    /// There is a problem with a value of a row.
    InRow {
        /// The number of the row.
        number: u64,
        /// The problem, with the variable that would hold the value.
        problem: Box<EnvProblem>,
    },
    /// No action is asked for.
    NoAction {
        /// The actions that the image has.
        known: Vec<String>,
    },
    /// The action exists, but it is of a newer version or damaged.
    NotUnderstood {
        /// The name of the action, and the part of it that is not understood.
        why: String,
    },
    /// The image's action of this name does something other than the one that is asked for.
    AnotherAction {
        /// The name of the action.
        action: String,
        /// The digest of the action that is asked for.
        asked: Digest,
        /// The digest of the action of that name that the image has.
        here: Digest,
    },
    /// The CLI speaks a newer contract.
    TooNew {
        /// The version asked for.
        asked: u32,
    },
}

impl fmt::Display for EnvProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // This sentence must not change: people's notes have it, and the doctor's check for a service
            // that runs this image by mistake looks for it.
            Self::NoAction { known } => {
                write!(f, "ADMIN_ACTION environment variable is required: one of {}", known.join(", "))
            }
            Self::NotUnderstood { why } => write!(f, "{why}"),
            Self::AnotherAction { action, asked, here } => write!(
                f,
                "the action {action} of this image ({}) is not the one that is asked for ({}): the two were built \
                 from different versions of the file of actions",
                here.short(),
                asked.short()
            ),
            Self::Missing(name) => write!(f, "{name} is missing"),
            Self::Invalid(name, problem) => write!(f, "{name}: {problem}"),
            Self::Both(one, other) => write!(f, "give {one} or {other}, not both"),
            Self::NotInContract { variable, since } => {
                write!(
                    f,
                    "{variable} is for contract version {since} and newer, and ADMIN_CONTRACT asks for an older one"
                )
            }
            Self::NothingToPreview { variable } => {
                write!(f, "{variable}: the action only reads, so there is nothing to preview")
            }
            Self::NotForRows { why } => write!(f, "{ROWS_VARIABLE}1: {why}"),
            Self::RowsMissing { variable } => {
                write!(f, "{variable} is missing, and variables with higher numbers hold rows")
            }
            Self::InRow { number, problem } => write!(f, "row {number}: {problem}"),
            Self::TooNew { asked } => write!(
                f,
                "this image speaks contract {CONTRACT_OLDEST} to {CONTRACT_VERSION}, the caller needs {asked}: build and deploy a \
                 newer image with `quill-admin build`"
            ),
        }
    }
}

/// Everything that is wrong with the environment, at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct EnvError {
    /// The problems, in the order the variables are documented.
    pub problems: Vec<EnvProblem>,
}

impl EnvError {
    /// The exit code that the executor ends with because of these problems.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        let unlike = |problem: &EnvProblem| {
            matches!(
                problem,
                EnvProblem::TooNew { .. }
                    | EnvProblem::NotUnderstood { .. }
                    | EnvProblem::AnotherAction { .. }
            )
        };
        if self.problems.iter().any(unlike) { ExitCode::ImageTooOld } else { ExitCode::Usage }
    }
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (missing, rest): (Vec<_>, Vec<_>) =
            self.problems.iter().partition(|problem| matches!(problem, EnvProblem::Missing(_)));
        let mut parts: Vec<String> = rest.iter().map(ToString::to_string).collect();
        let names: Vec<&str> = missing
            .iter()
            .filter_map(|problem| match problem {
                EnvProblem::Missing(name) => Some(&**name),
                _ => None,
            })
            .collect();
        match names.as_slice() {
            [] => {}
            [one] => parts.push(format!("missing variable: {one}")),
            many => parts.push(format!("missing variables: {}", many.join(", "))),
        }
        f.write_str(&parts.join("; "))
    }
}
