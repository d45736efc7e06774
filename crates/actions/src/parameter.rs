//! The parameters of an action: their types, limits and defaults.
//!
//! To add a type: a variant of [`Kind`], its [`BindType`] in `bind_type`, and the files that `parameters.rs` of the
//! crate `application` names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::statement::{BindType, Statement};

/// The definition of a parameter: the values that it may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The type of its values, with their limits.
    #[serde(flatten)]
    pub kind: Kind,
    /// Whether it takes several values, at most [`Parameter::MOST`]; they are bound as one array.
    #[serde(default, skip_serializing_if = "is_false")]
    pub many: bool,
    /// Whether it may be left out; NULL is bound then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// The value that is taken where it is left out, as it would be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// Whether its value is part of the record; then no statement needs to use it. A secret never is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recorded: bool,
    /// The query that has to find the value in the database. It is run after the subject was locked and read,
    /// so that a missing subject is reported before a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<Exists>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The type of a value. Lengths count characters, after white space around the value was removed.
///
/// No type lets a plain secret into a request: a password travels as its hash only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// A text on one line, without characters that cannot be seen.
    Text {
        /// Smallest number of characters.
        min: u32,
        /// Largest number of characters.
        max: u32,
    },
    /// An email address.
    Email {
        /// Largest number of characters.
        max: u32,
    },
    /// One value of a closed list, which may differ between generations of the tables.
    OneOf {
        /// The values, each with its condition.
        values: BTreeMap<String, Value>,
    },
    /// A whole number.
    Integer {
        /// The smallest number.
        min: i64,
        /// The largest number.
        max: i64,
    },
    /// True or false.
    Boolean,
    /// A day, as `2026-11-29`.
    Date {
        /// The earliest day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<String>,
        /// The latest day.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<String>,
    },
    /// A password. It is typed without being shown, judged and hashed on the laptop; its hash is bound.
    Password {
        /// The method of hashing.
        hash: Hash,
        /// Whether, where none is given, a random one is hashed and thrown away: nobody can log in until one
        /// is set.
        #[serde(default, skip_serializing_if = "is_false")]
        random_if_absent: bool,
    },
}

/// One value of a closed list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The condition under which it is allowed; `None` for always. The container decides.
    #[serde(rename = "if", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// The method by which a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hash {
    /// Argon2id in exactly the form that Quill's login accepts.
    #[serde(rename = "argon2id-quill")]
    Argon2idQuill,
}

/// The place in the database where a value has to be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exists {
    /// A query with one column of texts and without parameters, which returns all existing values.
    pub query: Statement,
    /// The exit code where the value is not among them.
    pub exit: u8,
}

impl Parameter {
    /// Largest number of values that a parameter with `many` takes.
    pub const MOST: usize = 64;

    /// The type as which its value is bound.
    #[must_use]
    pub const fn bind_type(&self) -> BindType {
        match (&self.kind, self.many) {
            (Kind::Integer { .. }, false) => BindType::Int8,
            (Kind::Integer { .. }, true) => BindType::Int8Array,
            (Kind::Date { .. }, false) => BindType::Date,
            (Kind::Date { .. }, true) => BindType::DateArray,
            // Several truth values have no meaning: `many` is refused there.
            (Kind::Boolean, _) => BindType::Bool,
            (Kind::Text { .. } | Kind::Email { .. } | Kind::OneOf { .. } | Kind::Password { .. }, false) => {
                BindType::Text
            }
            (Kind::Text { .. } | Kind::Email { .. } | Kind::OneOf { .. } | Kind::Password { .. }, true) => {
                BindType::TextArray
            }
        }
    }

    /// Whether its value is a secret that must not be in any text, record or log line.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        matches!(self.kind, Kind::Password { .. })
    }

    /// Whether a request without it is refused.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        let random = matches!(self.kind, Kind::Password { random_if_absent: true, .. });
        !self.optional && self.default.is_none() && !random
    }
}

/// The variable in which a value travels: `ADMIN_` and the name in upper case. A password is the exception:
/// its hash travels in that variable with `_HASH` appended.
#[must_use]
pub fn variable(parameter: &str) -> String {
    format!("ADMIN_{}", parameter.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_says_only_what_is_not_usual() {
        let text = Parameter {
            kind: Kind::Text { min: 1, max: 150 },
            many: false,
            optional: false,
            default: None,
            recorded: false,
            exists: None,
        };
        let json = r#"{"type":"text","min":1,"max":150}"#;
        assert_eq!(serde_json::to_string(&text).expect("JSON"), json);
        assert_eq!(serde_json::from_str::<Parameter>(json).expect("a parameter"), text);
        assert!(text.is_required() && !text.is_secret());
        assert_eq!((text.bind_type(), variable("username").as_str()), (BindType::Text, "ADMIN_USERNAME"));
        let recorded = Parameter { recorded: true, ..text.clone() };
        assert_eq!(
            serde_json::to_string(&recorded).expect("JSON"),
            r#"{"type":"text","min":1,"max":150,"recorded":true}"#
        );
        let many = Parameter { many: true, optional: true, ..text };
        assert_eq!((many.bind_type(), many.is_required()), (BindType::TextArray, false));
        let password: Parameter =
            serde_json::from_str(r#"{"type":"password","hash":"argon2id-quill","random_if_absent":true}"#)
                .expect("a parameter");
        assert!(password.is_secret() && !password.is_required());
    }
}
