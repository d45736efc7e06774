//! The contract between the laptop CLI and the executor: requests, results, names, values and exit codes.
//!
//! The laptop CLI turns an [`AdminAction`] into environment variables ([`Request::to_env`]); the
//! executor in the container turns them back ([`Invocation::from_env`]), does the work and prints a
//! [`ResultLine`], which the CLI reads. Nothing else passes between the two.
//!
//! This crate has no I/O, no async runtime and no cloud types. Most crates depend on it; of our
//! crates it depends on the compiled actions alone, whose parameters say which values are allowed
//! ([`Argument`]).
//!
//! The actions themselves are data: `application/actions.yaml`, compiled to `quill_admin_actions`. No code
//! here names one, except [`CHECK`] and [`REVIEW`], which every image has.
//!
//! To add a variable: `variable.rs`, both directions in `env/mod.rs`, and the round trip in `tests/`. To add a
//! key to the result line: `outcome.rs` or `subject.rs`, `older.rs`, and its row in `reference.rs`.

mod action;
mod argument;
mod arguments;
mod bulk;
mod claim;
mod env;
mod env_error;
mod exit_code;
pub mod image;
pub mod image_actions;
pub mod invisible;
pub mod look;
mod mode;
mod names;
mod older;
mod outcome;
mod proof;
mod record_key;
pub mod reference;
mod review;
mod row;
mod saving;
mod secret;
mod subject;
mod target;
mod tls_mode;
mod undo;
pub mod value;
pub mod variable;

pub use action::{AdminAction, CHECK, REVIEW, Request};
pub use argument::Argument;
pub use arguments::{Arguments, Entered};
pub use bulk::{Bulk, BulkRow, LONGEST_ROWS_VARIABLE, MOST_ROWS_VARIABLES};
pub use claim::{Asked, Claim, Signature, Verifier};
pub use env::{Certificates, Connection, Invocation, LogFormat, RunContext, Variables};
pub use env_error::{EnvError, EnvProblem};
pub use exit_code::{ExitCode, Side};
pub use mode::{MODES_SINCE, Mode, Plan};
pub use names::{Actor, Origin, Reason, RequestId, Username};
pub use outcome::{
    DatabaseReport, Expected, Failure, NextAction, OtherOutcome, Outcome, ResultLine, Unavailable, UndoNote,
    Warning, warning_code,
};
pub use proof::ProofKey;
pub use record_key::{PublicKey, RecordKey, Signed};
pub use review::Review;
pub use row::{FoundRow, Row};
pub use saving::Saving;
pub use secret::{Hasher, Password, PasswordHash, Secret};
pub use subject::{Change, FieldValue, SubjectState};
pub use target::{ENTRY_POINT, InvalidTarget, TARGET_OPTION, Target, TargetParts};
pub use tls_mode::TlsMode;
pub use undo::{AsLeft, Left, Undoing};
pub use value::{InvalidValue, Problem};

/// The newest version of this contract. A CLI sends the version it speaks as `ADMIN_CONTRACT`; an
/// executor that knows only older ones refuses with [`ExitCode::ImageTooOld`] before it connects to
/// anything, and answers in the version that was asked for otherwise.
///
/// 2: the result is proven ([`ProofKey`]). 3: a result tells of any subject that a file of actions declares
/// ([`SubjectState`]), where the versions before it knew users only. 4: a task can be previewed ([`Mode`]), and be
/// run for many rows ([`Bulk`]).
pub const CONTRACT_VERSION: u32 = 4;

/// The oldest version of this contract that is still spoken, by both sides.
pub const CONTRACT_OLDEST: u32 = 1;
