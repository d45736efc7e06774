//! The request to undo a run: which run that is, and the values that it has left.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::subject::Change;
use crate::value::{InvalidValue, Problem};

/// The run that a request undoes, and the values that its changes have left. The subject must still have them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoing {
    /// The id of the execution.
    pub execution: String,
    /// The values.
    pub as_left: Vec<AsLeft>,
}

/// A value that a run has left in a field of its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsLeft {
    /// The field.
    pub field: String,
    /// Its value, or what is in its list and what is not.
    #[serde(flatten)]
    pub left: Left,
}

/// What a run has left in a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// This value, as text; none.
    Is(Option<String>),
    /// A list that has this text.
    Has(String),
    /// A list that does not have it.
    Lacks(String),
}

impl Undoing {
    /// The request to undo these changes of an execution, as its record tells them. Hidden values are in no record, so
    /// they cannot be compared.
    #[must_use]
    pub fn of(execution: &str, changes: &[Change]) -> Self {
        let as_left = |change: &Change| {
            let (field, left) = match change.clone() {
                Change::Field { field, new, .. } => (field, Left::Is(new)),
                Change::Added { field, item } => (field, Left::Has(item)),
                Change::Removed { field, item } => (field, Left::Lacks(item)),
                Change::Hidden { .. } | Change::Other(_) => return None,
            };
            Some(AsLeft { field, left })
        };
        Self { execution: execution.to_owned(), as_left: changes.iter().filter_map(as_left).collect() }
    }
}

impl fmt::Display for AsLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.replace('_', " ");
        match &self.left {
            Left::Is(Some(value)) => write!(f, "{field} is {}", value.replace('\n', ", ")),
            Left::Is(None) => write!(f, "{field} has no value"),
            Left::Has(item) => write!(f, "{field} has {item}"),
            Left::Lacks(item) => write!(f, "{field} has no {item}"),
        }
    }
}

/// `ADMIN_UNDOES` holds it as JSON.
impl fmt::Display for Undoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::json!(self).to_string())
    }
}

impl FromStr for Undoing {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rule = Problem::MustBe("JSON with the execution that is undone and the values that it has left");
        serde_json::from_str(text).map_err(|_| InvalidValue::new("run to undo", rule))
    }
}
