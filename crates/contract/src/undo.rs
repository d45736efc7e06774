//! The request to undo a run: which run that is, and the values that it has left.
//!
//! To compare another kind of change: a variant of [`Left`], and its arms here and in `conditions.rs` of the crate
//! `engine`.

use std::fmt;
use std::str::FromStr;

use quill_admin_actions::SubjectWords;
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

/// The state in which a run has left a field.
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
    /// The request to undo these changes of an execution, as its record tells them. Hidden values are in no record,
    /// so they cannot be compared.
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

impl AsLeft {
    /// The state that the field has to have, in words: those of the file of actions, where it has some for the
    /// subject. `now` is the value that the field has; where it is given, the text names it as well.
    #[must_use]
    pub fn told(&self, words: Option<&SubjectWords>, now: Option<&str>) -> String {
        let of_field = words.and_then(|words| words.fields.iter().find(|words| words.field == self.field));
        let spaced = self.field.replace('_', " ");
        let label = of_field.map_or(spaced.as_str(), |words| &words.label);
        // A truth value may have a word for each of its two values, which says all.
        let word = |value: &str| {
            let [no, yes] = of_field?.words.as_ref()?;
            value.parse().ok().map(|so: bool| if so { yes.clone() } else { no.clone() })
        };
        let line = |value: &str| word(value).unwrap_or_else(|| value.replace('\n', ", "));
        let told = match &self.left {
            Left::Is(Some(value)) => word(value).unwrap_or_else(|| format!("{label} is {}", line(value))),
            Left::Is(None) => format!("{label} has no value"),
            Left::Has(item) => return format!("{label} has {item}"),
            Left::Lacks(item) => return format!("{label} has no {item}"),
        };
        now.map_or_else(|| told.clone(), |now| format!("{told} (now {})", line(now)))
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

#[cfg(test)]
mod tests {
    use quill_admin_actions::FieldWords;

    use super::*;

    #[test]
    fn what_has_to_be_so_is_told_in_the_words_of_the_file() {
        let field = |field: &str, label: &str, words: Option<[&str; 2]>| FieldWords {
            field: field.to_owned(),
            label: label.to_owned(),
            plural: None,
            words: words.map(|words| words.map(str::to_owned)),
            rights: None,
        };
        let fields = vec![
            field("system_permissions", "permission level", None),
            field("active", "active", Some(["inactive", "active"])),
            field("roles", "role", None),
        ];
        let words = SubjectWords { fields, ..SubjectWords::default() };
        let one = |field: &str, left| AsLeft { field: field.to_owned(), left };
        let is = |value: &str| Left::Is(Some(value.to_owned()));
        let level = one("system_permissions", is("staff"));
        assert_eq!(level.told(Some(&words), None), "permission level is staff");
        assert_eq!(level.told(Some(&words), Some("admin")), "permission level is staff (now admin)");
        assert_eq!(level.told(None, None), "system permissions is staff");
        assert_eq!(one("active", is("false")).told(Some(&words), Some("true")), "inactive (now active)");
        assert_eq!(
            one("roles", Left::Has("Clinician".to_owned())).told(Some(&words), None),
            "role has Clinician"
        );
        assert_eq!(
            one("roles", Left::Lacks("Patient".to_owned())).told(Some(&words), None),
            "role has no Patient"
        );
        assert_eq!(one("ward", Left::Is(None)).told(Some(&words), None), "ward has no value");
    }
}
