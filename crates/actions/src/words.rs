//! The words of an action, for people. They change nothing about what it does, and are not part of its
//! digest.
//!
//! To add a text: its field here, its reading in `actions.rs`, `parameters.rs` or `subjects.rs` of the crate
//! `application`, and its use in the crates `engine` (messages) or `cli` (help, plans and reports).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// The texts about an action, and its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// A short name for it on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Its purpose, in the third person: "gives an existing user a role".
    pub about: String,
    /// A shorter form of `about` for lists of commands; where it is left out, `about` is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_about: Option<String>,
    /// The parameters, in the order in which they are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterWords>,
    /// The words of its subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectWords>,
    /// The message where there was nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already: Option<Text>,
    /// The text after the name of a subject that was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Text>,
    /// The words of the steps, one for each, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepWords>,
    /// Instructions to undo it, where no action can.
    #[serde(default, skip_serializing_if = "UndoWords::is_empty")]
    pub undo: UndoWords,
}

/// The words of a parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterWords {
    /// The name of the parameter.
    pub parameter: String,
    /// Its name in a sentence: "permission level".
    pub name: String,
    /// The prompt that asks for it.
    pub ask: String,
    /// Its short option on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<char>,
    /// Values to suggest. Only the database knows whether they exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggest: Vec<String>,
    /// The values of a closed list, in the order in which they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueWords>,
    /// The text where the database has no values at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

/// The words of one value of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueWords {
    /// The value.
    pub value: String,
    /// Its meaning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// The words of the subject.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectWords {
    /// The message where it has to exist and does not, or the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<Text>,
    /// The words of its fields, in the order in which they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldWords>,
    /// The messages that a hidden column changed, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hidden: BTreeMap<String, String>,
    /// The words of the states to warn of, one for each, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<WatchWords>,
}

/// The words of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldWords {
    /// The name of the field.
    pub field: String,
    /// Its name in a sentence: "permission level".
    pub label: String,
    /// The name for several of its values, where it is a list: "roles".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
    /// The words for false and for true, where it is a truth value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<[String; 2]>,
    /// The meaning of its values as rights, where they are rights of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rights: Option<RightsWords>,
}

/// A field whose values are rights: a review of what was run marks the changes of it that deserve a look. What an
/// action does does not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RightsWords {
    /// The values from the lowest to the highest, where they have an order. A list of roles has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<String>,
    /// The values that allow everything, such as `superadmin`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub privileged: Vec<String>,
}

/// The words of a state to warn of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchWords {
    /// The warning.
    pub say: Text,
    /// An action that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Suggestion>,
}

/// The words of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepWords {
    /// The message where a guard does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<Text>,
    /// An action that may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Suggestion>,
}

/// A suggested next action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The name of the action.
    pub action: String,
    /// Values for its parameters. Parameters that are not named are asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Text>,
}

/// Instructions to undo an action, where no action can.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoWords {
    /// The instructions after the subject was created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Text>,
    /// The instructions after the subject was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Text>,
}

impl UndoWords {
    fn is_empty(&self) -> bool {
        self.created.is_none() && self.updated.is_none()
    }
}
