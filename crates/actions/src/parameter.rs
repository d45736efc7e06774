//! The values that an action is given.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::statement::{BindType, Statement};

/// What a value may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its type, with the limits of that.
    #[serde(flatten)]
    pub kind: Kind,
    /// It takes several values, at most [`Parameter::MOST`]; they are bound as one array.
    #[serde(default, skip_serializing_if = "is_false")]
    pub many: bool,
    /// It may be left out; NULL is bound then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// What is taken where it is left out, as it would be typed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
    /// It is part of the record, and needs no statement that uses it. No secret is.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recorded: bool,
    /// The database has to have it. Looked up after the subject was locked and read, so that a missing
    /// subject is told before a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<Exists>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// The type of a value. Lengths count characters, after white space around the value was removed.
///
/// No type lets a plain secret into a request: of a password only its hash travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// A text on one line, without characters that nobody sees.
    Text {
        /// The fewest characters.
        min: u32,
        /// The most characters.
        max: u32,
    },
    /// An email address.
    Email {
        /// The most characters.
        max: u32,
    },
    /// One of a closed list, which may differ between generations of the tables.
    OneOf {
        /// The values, each with what it hangs on.
        values: BTreeMap<String, Value>,
    },
    /// A whole number.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// True or false.
    Boolean,
    /// A day, as `2026-11-29`.
    Date {
        /// The earliest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<String>,
        /// The latest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<String>,
    },
    /// A password. It is asked for hidden, judged and hashed on the laptop; its hash is what is bound.
    Password {
        /// How it is hashed.
        hash: Hash,
        /// Where none is given, a random one is hashed and thrown away: nobody can log in until one is set.
        #[serde(default, skip_serializing_if = "is_false")]
        random_if_absent: bool,
    },
}

/// One value of a closed list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// When it is allowed; `None` for always. The container decides.
    #[serde(rename = "if", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
}

/// How a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hash {
    /// Argon2id in exactly the form that Quill's login accepts.
    #[serde(rename = "argon2id-quill")]
    Argon2idQuill,
}

/// Where in the database a value has to be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exists {
    /// A query with one column of texts and without parameters: all values there are.
    pub query: Statement,
    /// The exit code where the value is not among them.
    pub exit: u8,
}

impl Parameter {
    /// The most values that a parameter with `many` takes.
    pub const MOST: usize = 64;

    /// The type that its value is bound as.
    #[must_use]
    pub const fn bind_type(&self) -> BindType {
        match (&self.kind, self.many) {
            (Kind::Integer { .. }, false) => BindType::Int8,
            (Kind::Integer { .. }, true) => BindType::Int8Array,
            (Kind::Date { .. }, false) => BindType::Date,
            (Kind::Date { .. }, true) => BindType::DateArray,
            // Two values of yes and no have no meaning: `many` is refused there.
            (Kind::Boolean, _) => BindType::Bool,
            (Kind::Text { .. } | Kind::Email { .. } | Kind::OneOf { .. } | Kind::Password { .. }, false) => {
                BindType::Text
            }
            (Kind::Text { .. } | Kind::Email { .. } | Kind::OneOf { .. } | Kind::Password { .. }, true) => {
                BindType::TextArray
            }
        }
    }

    /// Whether its value is a secret that no text, record or line of a log may hold.
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

/// The variable in which a value travels that is not a password: `ADMIN_` and the name in upper case. The
/// hash of a password travels in the same with `_HASH` behind it.
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
