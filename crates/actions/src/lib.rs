//! The compiled form of a set of actions.
//!
//! An action is data: its parameters, its subject, and SQL statements whose values are always bound, never
//! written into the text. Actions are written in YAML; `quill-admin-application` compiles that to the types
//! here, and all other code (the executor, the command line, the documentation) uses only these: no YAML, no
//! database.
//!
//! - [`Actions`] is the whole set. [`Actions::to_json`] writes it as canonical JSON, whose bytes are a
//!   function of the meaning, and [`Actions::read`] reads it back.
//! - [`Action`] is one of them. Its [`Definition`] says what it does; its [`Words`] are for people.
//! - [`Digest`] is compared by two sides to know that they mean the same action. It is computed from the
//!   name and the definition, and from nothing that is only read by people.
//!
//! # Sets of a newer version
//!
//! A laptop may read a set from an image that is newer than itself. So a fault in one action does not spoil
//! the others: that action becomes an [`Entry::NotUnderstood`] that still has its name and its digest, so
//! that it can be listed and compared, and that says why it cannot be run. Unknown keys of a definition are
//! never skipped, because they may be conditions. Unknown keys of the words are skipped.
//!
//! The [`FORMAT`] is raised only if the meaning of known keys changes.
//!
//! To add a key: its field here, its form in YAML in the crate `application`, and its use in the crate
//! `engine`.

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
    FieldWords, ParameterWords, RightsWords, StepWords, SubjectWords, Suggestion, UndoWords, ValueWords,
    WatchWords, Words,
};
