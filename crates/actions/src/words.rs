//! The words of an action, for people. Nothing here changes what it does, so nothing here is in its digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::text::Text;

/// What is said about an action, and by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Words {
    /// A short name for it on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// What it does, in the third person: "gives an existing user a role".
    pub about: String,
    /// The same for lists of commands; where it is left out, `about` serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_about: Option<String>,
    /// The parameters, in the order in which they are asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<ParameterWords>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectWords>,
    /// What is said where there was nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub already: Option<Text>,
    /// What is said of a subject that was made, behind its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Text>,
    /// One for each step, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepWords>,
    /// What to do in place of an undo that a program can do.
    #[serde(default, skip_serializing_if = "UndoWords::is_empty")]
    pub undo: UndoWords,
}

/// What is said about a parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterWords {
    /// Which one.
    pub parameter: String,
    /// What it is called in a sentence: "permission level".
    pub name: String,
    /// The prompt for it.
    pub ask: String,
    /// One letter for the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short: Option<char>,
    /// Values to offer. Whether they are there is for the database to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suggest: Vec<String>,
    /// The values of a closed list, in the order in which they are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ValueWords>,
    /// What is said where the database has no value at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub none: Option<String>,
}

/// What is said about one value of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueWords {
    /// Which one.
    pub value: String,
    /// What it means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What is said about what an action is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectWords {
    /// What is said where it has to be there and is not, or the other way round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexpected: Option<Text>,
    /// Its fields, in the order in which they are told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldWords>,
    /// What is said when a hidden field changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hidden: BTreeMap<String, String>,
    /// One for each state to warn of, in the same order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warn: Vec<WatchWords>,
}

/// What is said about a field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldWords {
    /// Which one.
    pub field: String,
    /// What it is called: "permission level".
    pub label: String,
    /// What several values of it are called, where it is a list: "roles".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural: Option<String>,
    /// What false and what true is called, where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<[String; 2]>,
}

/// What is said of a state to warn of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchWords {
    /// The warning.
    pub say: Text,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Suggestion>,
}

/// What is said of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepWords {
    /// What is said where a guard does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub say: Option<Text>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Suggestion>,
}

/// An action that a person may want to run next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// The action.
    pub action: String,
    /// Values for its parameters. Those that are not named are asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, Text>,
}

/// What to do in place of an undo that a program can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoWords {
    /// After the subject was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Text>,
    /// After the subject was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated: Option<Text>,
}

impl UndoWords {
    fn is_empty(&self) -> bool {
        self.created.is_none() && self.updated.is_none()
    }
}
