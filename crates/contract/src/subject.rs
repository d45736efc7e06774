//! The state of the row that an action is about, and the changes that were made to it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The state of the subject of an action, as the application's file of actions reads it from the database.
///
/// It holds no secrets: columns that the file declares as hidden are never part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectState {
    /// The kind of subject, by its name in the file of actions, such as `user`.
    pub kind: String,
    /// The value that identifies the subject, such as a username. `None` where there is only one of its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fields that have a value, by name. A column that this generation of the tables does not have is
    /// absent.
    pub fields: BTreeMap<String, FieldValue>,
}

impl SubjectState {
    /// The name to show for the subject: its key, or its kind where there is only one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.kind)
    }
}

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FieldValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
    /// Several texts, sorted by their bytes.
    List(Vec<String>),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Text(value) => f.write_str(value),
            Self::List(items) => f.write_str(&items.join(", ")),
        }
    }
}

/// One change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Change {
    /// A field has a new value.
    Field {
        /// The name of the field.
        field: String,
        /// Its value before; absent where it had none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        /// Its value now; absent where it has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<String>,
    },
    /// A field that holds several texts has one more.
    Added {
        /// The name of the field.
        field: String,
        /// The text that was added.
        item: String,
    },
    /// A field that holds several texts has one less.
    Removed {
        /// The name of the field.
        field: String,
        /// The text that was removed.
        item: String,
    },
    /// A field whose value is a secret, or is of no interest, has another value.
    Hidden {
        /// The name of the field.
        field: String,
    },
    /// A change that this version does not know, kept as it was written.
    #[serde(untagged)]
    Other(Map<String, Value>),
}
