//! What came of an action.

use crate::next::Next;
use crate::value::Value;

/// An action that was done. Nothing of it is permanent before COMMIT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Performed {
    /// What it came to.
    pub effect: Effect,
    /// What it was about, before and after.
    pub subject: Option<SubjectStates>,
    /// What is different now: fields of one value, then hidden ones, then lists.
    pub changes: Vec<Change>,
    /// How many rows its statements changed.
    pub rows_changed: u64,
    /// What a person should know although it was done: first of the subject, then of its name, then of the steps.
    pub warnings: Vec<Warning>,
    /// The rows that it lists.
    pub listed: Option<Listed>,
    /// How it is undone.
    pub undo: Option<Undo>,
    /// What came of it, on one line, for people.
    pub message: String,
}

impl Performed {
    /// Whether there is anything to COMMIT. Where there is not, what was seen is true whatever becomes of the
    /// transaction.
    #[must_use]
    pub const fn writes(&self) -> bool {
        self.rows_changed > 0
    }
}

/// What an action came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Its subject was made.
    Created,
    /// Something was changed.
    Updated,
    /// All was so already.
    Unchanged,
    /// It only reads: this is what it found.
    Found,
}

impl Effect {
    /// The word of result lines for it.
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

/// Fields with their values, in the order in which they are told. A field that this generation of the tables
/// does not have is missing.
pub type Fields = Vec<(String, Value)>;

/// What an action was about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectStates {
    /// Its kind: `user`.
    pub name: String,
    /// The parameters that name it, with their values; empty where there is only one of its kind.
    pub key: Vec<(String, String)>,
    /// Its fields before; `None` where it was not there.
    pub before: Option<Fields>,
    /// Its fields afterwards; `None` where it is not there.
    pub after: Option<Fields>,
}

/// One thing that is different now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A field has a new value.
    Field {
        /// The field.
        field: String,
        /// Before; `None` for a subject that was made.
        old: Option<Value>,
        /// Now.
        new: Value,
    },
    /// A hidden column changed, or one that is only compared.
    Hidden {
        /// The column. What it holds is told nowhere.
        field: String,
    },
    /// Something came into a list.
    Added {
        /// The list.
        field: String,
        /// What came.
        item: String,
    },
    /// Something went from a list.
    Removed {
        /// The list.
        field: String,
        /// What went.
        item: String,
    },
}

impl Change {
    /// The field that is different.
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
    /// Which one it is: hints go by this, never by the text.
    pub code: String,
    /// In words.
    pub message: String,
    /// An action that may help.
    pub next: Option<Next>,
}

/// How an action is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undo {
    /// By an action.
    Action(Next),
    /// By a person, who is told how.
    Words(String),
}

/// Rows that an action lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The names of the columns; none where there are no rows.
    pub columns: Vec<String>,
    /// The rows, with as many values as there are columns; `None` for NULL.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there are more than are listed.
    pub more: bool,
}
