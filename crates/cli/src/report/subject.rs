//! Describes the subject of a task, in the words of the file of actions.
//!
//! The subject of an action that this program does not know is described by the names of its fields.

use quill_admin_actions::{FieldWords, SubjectWords};
use quill_admin_contract::{Change, FieldValue, SubjectState};
use serde_json::json;

use super::symbols::ARROW;
use crate::quotes;

/// The lines of a table: the label of each value, and the value.
pub(super) fn state(subject: &SubjectState, words: Option<&SubjectWords>) -> Vec<(String, String)> {
    let mut lines: Vec<(String, String)> =
        subject.key.iter().map(|key| (spaced(&subject.kind), key.clone())).collect();
    let ordered = words.map(|words| words.fields.as_slice()).unwrap_or_default();
    for words in ordered {
        if let Some(value) = subject.fields.get(&words.field) {
            lines.push((heading(words), shown(value)));
        }
    }
    for (field, value) in &subject.fields {
        if !ordered.iter().any(|words| words.field == *field) {
            lines.push((spaced(field), shown(value)));
        }
    }
    lines
}

fn heading(words: &FieldWords) -> String {
    quotes::doubled(words.plural.as_ref().unwrap_or(&words.label))
}

fn shown(value: &FieldValue) -> String {
    match value {
        FieldValue::Boolean(true) => "yes".to_owned(),
        FieldValue::Boolean(false) => "no".to_owned(),
        FieldValue::List(items) if items.is_empty() => "none".to_owned(),
        value => value.to_string(),
    }
}

/// Describes one change, on one line.
pub(super) fn change(change: &Change, words: Option<&SubjectWords>) -> String {
    change_with(change, words, ARROW.text())
}

/// Describes one change, with this text for "became".
pub(super) fn change_with(change: &Change, words: Option<&SubjectWords>, arrow: &str) -> String {
    let of = |field: &str| words.and_then(|words| words.fields.iter().find(|words| words.field == field));
    let label = |field: &str| of(field).map_or_else(|| spaced(field), |words| quotes::doubled(&words.label));
    match change {
        Change::Field { field, old, new } => {
            let told = of(field).and_then(|words| words.words.as_ref());
            if let (Some([no, yes]), Some(old), Some(new)) = (told, flag(old.as_ref()), flag(new.as_ref())) {
                let word = |flag| if flag { yes } else { no };
                return format!("{} {arrow} {}", word(old), word(new));
            }
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            format!("{} {} {arrow} {}", label(field), value(old), value(new))
        }
        Change::Added { field, item } => format!("{} {item} added", label(field)),
        Change::Removed { field, item } => format!("{} {item} removed", label(field)),
        Change::Hidden { field } => words
            .and_then(|words| Some(quotes::doubled(words.hidden.get(field)?)))
            .unwrap_or_else(|| format!("{} changed", spaced(field))),
        Change::Other(other) => json!(other).to_string(),
    }
}

fn flag(text: Option<&String>) -> Option<bool> {
    text?.parse().ok()
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quill_admin_operations::actions;

    fn ward() -> SubjectState {
        SubjectState {
            kind: "ward".to_owned(),
            key: Some("North".to_owned()),
            fields: [
                ("open_at_night", FieldValue::Boolean(false)),
                ("beds", FieldValue::Integer(12)),
                ("nurses", FieldValue::List(Vec::new())),
            ]
            .map(|(field, value)| (field.to_owned(), value))
            .into(),
        }
    }

    #[test]
    fn what_is_not_known_is_told_in_the_names_of_its_fields() {
        let lines: Vec<String> =
            state(&ward(), None).into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(lines, ["ward: North", "beds: 12", "nurses: none", "open at night: no"]);
        let field = Change::Field {
            field: "beds".to_owned(),
            old: Some("11".to_owned()),
            new: Some("12".to_owned()),
        };
        assert_eq!(change(&field, None), "beds 11 → 12");
        assert_eq!(change(&Change::Hidden { field: "door_code".to_owned() }, None), "door code changed");
    }

    #[test]
    fn a_user_is_told_in_the_words_of_the_file() {
        let words = actions::subject_words(Some("show-user"), "user");
        assert!(words.is_some() && actions::subject_words(Some("show-user"), "ward").is_none());
        let field = |field: &str, old: &str, new: &str| Change::Field {
            field: field.to_owned(),
            old: Some(old.to_owned()),
            new: Some(new.to_owned()),
        };
        let item = |added: bool| {
            let (field, item) = ("roles".to_owned(), "Clinician".to_owned());
            if added { Change::Added { field, item } } else { Change::Removed { field, item } }
        };
        assert_eq!(change(&field("permission", "staff", "admin"), words), "permission level staff → admin");
        assert_eq!(change(&field("active", "true", "false"), words), "active → inactive");
        assert_eq!(change(&item(true), words), "role Clinician added");
        assert_eq!(change(&item(false), words), "role Clinician removed");
        assert_eq!(change(&Change::Hidden { field: "password".to_owned() }, words), "password replaced");
    }
}
