//! The whole set of actions, and its JSON form.
//!
//! To change the form of the whole set: [`Actions::read`], [`Actions::to_json`] and `Frame`. The version in
//! `format.rs` is raised only if the meaning of known keys changes.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::action::{Action, Definition, digest};
use crate::canonical::{canonical, difference};
use crate::digest::Digest;
use crate::format::FORMAT;
use crate::table::{Expectation, Table, Tables};
use crate::words::Words;

/// A set of actions, with the tables that they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actions {
    /// The one schema that holds the tables.
    pub schema: String,
    /// All tables that actions may use, with the rights that they may use at most.
    pub tables: Tables,
    /// The rows that the built-in action `check` expects, beside the tables.
    pub check: Vec<Expectation>,
    order: Vec<String>,
    entries: BTreeMap<String, Entry>,
}

/// An action of a set that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The definition is understood.
    Understood(Box<Action>),
    /// The definition is not understood: it was compiled by a newer version, or is damaged.
    NotUnderstood(NotUnderstood),
}

/// An action that this version cannot run. It can be listed and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUnderstood {
    /// Its name.
    pub name: String,
    /// The digest of its definition.
    pub digest: Digest,
    /// The part that is not understood, in words that complete "the action NAME …".
    pub why: String,
    raw: Value,
}

/// The reason why a whole set cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The set is of another format.
    Format {
        /// The format that it names.
        found: u64,
    },
    /// The text is not the output of a compiler of actions.
    Malformed {
        /// The mistake in it.
        why: String,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { found } => write!(
                f,
                "the compiled actions have the format {found}, and this program reads the format {FORMAT}: what is \
                 older of the two has to be updated"
            ),
            Self::Malformed { why } => write!(f, "the compiled actions cannot be read: {why}"),
        }
    }
}

impl std::error::Error for ReadError {}

/// The parts of a set that are read as a whole or not at all.
#[derive(Serialize, Deserialize)]
struct Frame {
    schema: String,
    tables: BTreeMap<String, Table>,
    #[serde(default)]
    check: Vec<Expectation>,
    order: Vec<String>,
    actions: Map<String, Value>,
}

impl Actions {
    /// Makes a set of these actions, which are listed in this order. Of two actions with one name the later
    /// is kept.
    #[must_use]
    pub fn new(
        schema: String,
        tables: BTreeMap<String, Table>,
        check: Vec<Expectation>,
        actions: Vec<Action>,
    ) -> Self {
        let mut order: Vec<String> = Vec::new();
        let mut entries = BTreeMap::new();
        for action in actions {
            if !order.contains(&action.name) {
                order.push(action.name.clone());
            }
            entries.insert(action.name.clone(), Entry::Understood(Box::new(action)));
        }
        Self { schema, tables, check, order, entries }
    }

    /// Reads the JSON that [`Self::to_json`] wrote, in this version or another.
    ///
    /// # Errors
    ///
    /// [`ReadError`], where the set is of another format or not a set of actions. An action that is not
    /// understood is no error, but an [`Entry::NotUnderstood`].
    pub fn read(json: &[u8]) -> Result<Self, ReadError> {
        let malformed = |why: String| ReadError::Malformed { why };
        let value: Value = serde_json::from_slice(json).map_err(|error| malformed(error.to_string()))?;
        let Some(format) = value.get("format").and_then(Value::as_u64) else {
            return Err(malformed("they do not say which format they have".to_owned()));
        };
        if format != u64::from(FORMAT) {
            return Err(ReadError::Format { found: format });
        }
        let frame = Frame::deserialize(value).map_err(|error| malformed(error.to_string()))?;
        let entries: BTreeMap<String, Entry> =
            frame.actions.into_iter().map(|(name, raw)| (name.clone(), Entry::read(name, raw))).collect();
        // The order is only for people: one that does not fit is repaired.
        let mut order: Vec<String> = Vec::new();
        for name in frame.order.into_iter().chain(entries.keys().cloned()) {
            if entries.contains_key(&name) && !order.contains(&name) {
                order.push(name);
            }
        }
        Ok(Self { schema: frame.schema, tables: frame.tables, check: frame.check, order, entries })
    }

    /// The set as canonical JSON. Equal sets have the same bytes.
    #[must_use]
    pub fn to_json(&self) -> String {
        let actions = self.entries.iter().map(|(name, entry)| (name.clone(), entry.to_value())).collect();
        let frame = Frame {
            schema: self.schema.clone(),
            tables: self.tables.clone(),
            check: self.check.clone(),
            order: self.order.clone(),
            actions,
        };
        let mut value = json!(frame);
        value["format"] = json!(FORMAT);
        canonical(&value)
    }

    /// All actions, in the order in which they are listed.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|name| self.entries.get(name))
    }

    /// The actions that are understood, in the order in which they are listed.
    pub fn iter(&self) -> impl Iterator<Item = &Action> {
        self.entries().filter_map(Entry::understood)
    }

    /// The action of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    /// The action of this name, where it is understood.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Action> {
        self.entry(name)?.understood()
    }
}

impl Entry {
    fn read(name: String, raw: Value) -> Self {
        match understand(&name, &raw) {
            Ok(action) => Self::Understood(Box::new(action)),
            Err(why) => {
                let digest = digest(&name, raw.get(DEFINITION).unwrap_or(&Value::Null));
                Self::NotUnderstood(NotUnderstood { name, digest, why, raw })
            }
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Self::Understood(action) => json!({ DEFINITION: action.definition, WORDS: action.words }),
            Self::NotUnderstood(action) => action.raw.clone(),
        }
    }

    /// The name of the action.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Understood(action) => &action.name,
            Self::NotUnderstood(action) => &action.name,
        }
    }

    /// The digest of the action.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Understood(action) => action.digest(),
            Self::NotUnderstood(action) => action.digest.clone(),
        }
    }

    /// The action, where it is understood.
    #[must_use]
    pub const fn understood(&self) -> Option<&Action> {
        match self {
            Self::Understood(action) => Some(action),
            Self::NotUnderstood(_) => None,
        }
    }
}

impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the action {} {}", self.name, self.why)
    }
}

const DEFINITION: &str = "definition";
const WORDS: &str = "words";

fn understand(name: &str, raw: &Value) -> Result<Action, String> {
    let written = raw.get(DEFINITION).ok_or("has no definition")?;
    let definition = Definition::deserialize(written)
        .map_err(|error| format!("is not defined in a way that this program knows: {error}"))?;
    // A key that is skipped here may be a condition, or a limit.
    if let Some(path) = difference(&json!(definition), written) {
        return Err(format!(
            "is of a newer version: its definition has \"{path}\", which this program does not know"
        ));
    }
    let words = match raw.get(WORDS) {
        Some(words) => {
            Words::deserialize(words).map_err(|error| format!("has words that do not fit: {error}"))?
        }
        None => return Err("has no words".to_owned()),
    };
    let action = Action { name: name.to_owned(), definition, words };
    match action.fault() {
        Some(fault) => Err(fault),
        None => Ok(action),
    }
}

#[cfg(test)]
mod tests;
