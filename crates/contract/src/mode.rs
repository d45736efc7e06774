//! The mode of a task: run for good, run only if it does what a preview has told, or previewed.
//!
//! To add a mode: a variant of [`Mode`], its reading in `env/reader.rs`, and `in_mode` in `transaction.rs` of the
//! crate `executor`.

use std::str::FromStr;

use quill_admin_actions::Digest;

use crate::value::{InvalidValue, Problem};

/// The value of `ADMIN_MODE` that asks for a preview.
pub(crate) const PREVIEW: &str = "preview";

/// The first contract version in which there are modes. An older image would take a preview for a task.
pub const MODES_SINCE: u32 = 4;

/// The mode of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mode {
    /// It is run, and its changes are saved.
    #[default]
    Run,
    /// It is run, and its changes are saved if its plan is this one: the plan that a preview has told.
    RunAsPreviewed(Digest),
    /// It is run with all its statements, told, and rolled back.
    Preview,
}

/// The value of `ADMIN_MODE`.
pub(crate) struct Preview;

impl FromStr for Preview {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            PREVIEW => Ok(Self),
            given => {
                let problem =
                    Problem::NotOneOf { given: given.to_owned(), allowed: vec![PREVIEW.to_owned()] };
                Err(InvalidValue::new("mode", problem))
            }
        }
    }
}

/// The digest of a plan, as `ADMIN_EXPECT` and `--expect` have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan(pub Digest);

impl FromStr for Plan {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rule = Problem::MustBe("the 64 hexadecimal digits that the preview has told");
        text.trim().to_ascii_lowercase().parse().map(Self).map_err(|_| InvalidValue::new("plan", rule))
    }
}
