//! What a compiled set of actions is.
//!
//! An action is data: its parameters, what it is about, and SQL statements whose values are always bound,
//! never written into the text. Whoever writes actions writes YAML; `quill-admin-application` compiles that
//! to what is here, and everybody else (the executor, the command line, the documentation) knows only this:
//! no YAML, no database.
//!
//! - [`Actions`] is the whole set. [`Actions::to_json`] writes it as canonical JSON, whose bytes are a
//!   function of the meaning, and [`Actions::read`] reads it back.
//! - [`Action`] is one of them. Its [`Definition`] is what it does; its [`Words`] are for people.
//! - [`Digest`] is what two sides compare to know that they mean the same action. It is taken of the
//!   definition, and of nothing that is only read by people.
//!
//! # Reading what is newer
//!
//! A laptop reads what an image holds that may be newer than it. So what is wrong with one action does not
//! spoil the others: it becomes an [`Entry::NotUnderstood`] that still has its name and its digest, so that
//! it can be listed and compared, and that says why it cannot be run. What a definition holds beyond what is
//! known here is never skipped, because it may be a condition. Among the words for people it is.
//!
//! The [`FORMAT`] is raised only when what is known here changes its meaning.

mod action;
mod canonical;
mod condition;
mod digest;
mod fault;
mod format;
mod job;
mod parameter;
mod set;
mod statement;
mod step;
mod subject;
mod table;
mod text;
mod words;

pub use action::{Action, Call, Definition, Slot, Undo};
pub use canonical::canonical;
pub use condition::{Condition, NotACondition};
pub use digest::{Digest, NotADigest};
pub use format::FORMAT;
pub use job::Job;
pub use parameter::{Exists, Hash, Kind, Parameter, Value, variable};
pub use set::{Actions, Entry, NotUnderstood, ReadError};
pub use statement::{Alternative, Bind, BindType, Statement};
pub use step::{Guard, Listing, Otherwise, Record, RowRange, Step, When, Write};
pub use subject::{Expected, Is, Subject, Watch};
pub use table::{Expectation, Right, Table};
pub use text::{Segment, Text};
pub use words::{
    FieldWords, ParameterWords, StepWords, SubjectWords, Suggestion, UndoWords, ValueWords, WatchWords, Words,
};
