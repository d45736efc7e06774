//! The outcome of an action: its effect, changes, warnings, rows and undo.
//!
//! To add a part of the result: its field in [`Performed`], its value in `perform.rs`, and its conversion in the
//! executor's `action.rs`.

use quill_admin_actions::Digest;

use crate::next::Next;
use crate::value::Value;

/// An action that was done. Nothing of it is permanent before COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// The effect of the action.
    pub effect: Effect,
    /// The subject before and after the action.
    pub subject: Option<SubjectStates>,
    /// The changes: fields with one value, then hidden ones, then lists.
    pub changes: Vec<Change>,
    /// Number of rows that its statements changed.
    pub rows_changed: u64,
    /// Warnings for the person: first about the subject, then about its name, then from the steps.
    pub warnings: Vec<Warning>,
    /// The rows that it lists.
    pub listed: Option<Listed>,
    /// The digest of the plan: equal where the action was asked for the same, found the same and did the same.
    /// `None` for an action that only reads.
    pub plan: Option<Digest>,
    /// The way to undo it.
    pub undo: Option<Undo>,
    /// The outcome on one line, for people.
    pub message: String,
}

impl Performed {
    /// Whether there is anything to COMMIT. Where there is not, the result is true even if the transaction
    /// fails to end.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.rows_changed > 0
    }
}

/// The effect of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The subject was created.
    Created,
    /// Something was changed.
    Updated,
    /// Everything was already as asked for.
    Unchanged,
    /// The action only reads.
    Found,
}

impl Effect {
    /// The word for the effect in result lines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Found => "found",
        }
    }
}

/// Fields with their values, in the order in which they are shown. A field that this generation of the tables
/// does not have is missing.
pub type Fields = Vec<(String, Value)>;

/// The subject of an action, before and after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectStates {
    /// The kind of the subject, such as `user`.
    pub name: String,
    /// The parameters that identify it, with their values; empty where there is only one of its kind.
    pub key: Vec<(String, String)>,
    /// Its fields before; `None` where it did not exist.
    pub before: Option<Fields>,
    /// Its fields afterwards; `None` where it does not exist.
    pub after: Option<Fields>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A field has a new value.
    Field {
        /// The name of the field.
        field: String,
        /// The value before; `None` for a subject that was created.
        old: Option<Value>,
        /// The value now.
        new: Value,
    },
    /// A hidden column changed, or one that is only compared.
    Hidden {
        /// The name of the column. Its value is shown nowhere.
        field: String,
    },
    /// A text was added to a list.
    Added {
        /// The field that is the list.
        field: String,
        /// The text that was added.
        item: String,
    },
    /// A text was removed from a list.
    Removed {
        /// The field that is the list.
        field: String,
        /// The text that was removed.
        item: String,
    },
}

impl Change {
    /// The name of the field that changed.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Field { field, .. }
            | Self::Hidden { field }
            | Self::Added { field, .. }
            | Self::Removed { field, .. } => field,
        }
    }
}

/// Something that a person should know although the action was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The code of the warning: hints go by this, never by the text.
    pub code: String,
    /// The warning in words.
    pub message: String,
    /// An action that may help.
    pub next: Option<Next>,
}

/// The way to undo an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// Another action undoes it.
    Action(Next),
    /// A person has to undo it, as this text says.
    Words(String),
}

/// Rows that an action lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The names of the columns; none where there are no rows.
    pub columns: Vec<String>,
    /// The rows, with as many values as there are columns; `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more rows than are listed.
    pub more: bool,
}
