//! Values that are valid once they exist: parsed at the edge, carried as types.
//!
//! Limits are those of the application's own columns; lengths count characters, names compare
//! case-sensitively and are not normalised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// Nothing in it, or only white space.
    Empty,
    /// More characters than the database column holds.
    TooLong {
        /// Characters given.
        length: usize,
        /// Characters allowed.
        max: usize,
    },
    /// Fewer characters than are needed.
    TooShort {
        /// Characters given.
        length: usize,
        /// Characters needed.
        min: usize,
    },
    /// A control character: line break, tab, NUL, escape …
    ControlCharacter {
        /// Which one.
        character: char,
        /// Where, counted in characters from 1.
        position: usize,
    },
    /// White space where none may be.
    WhiteSpace,
    /// White space at the beginning or the end, which the login form would not send.
    SurroundingWhiteSpace,
    /// An email without exactly one @ with something on both sides.
    NotAnEmail,
    /// Not one of a closed list.
    NotOneOf {
        /// What was given.
        given: String,
        /// What is allowed.
        allowed: Vec<&'static str>,
    },
    /// Any other rule, in words that complete "… must be …".
    MustBe(&'static str),
    /// Bytes that are not UTF-8.
    NotUtf8,
}

/// A refused value: what it was for, and why.
///
/// The message never quotes a secret: only closed lists quote what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidValue {
    /// What the value was for, as in "username".
    pub what: &'static str,
    /// Why it was refused.
    pub problem: Problem,
}

impl InvalidValue {
    pub(crate) fn new(what: &'static str, problem: Problem) -> Self {
        Self { what, problem }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = self.what;
        match &self.problem {
            Problem::Empty => write!(f, "the {what} is empty"),
            Problem::TooLong { length, max } => {
                write!(f, "the {what} has {length} characters; at most {max} are allowed")
            }
            Problem::TooShort { length, min } => {
                write!(f, "the {what} has {length} characters; at least {min} are needed")
            }
            Problem::ControlCharacter { character, position } => write!(
                f,
                "the {what} contains a control character (U+{:04X}, {}) at position {position}; none are allowed",
                u32::from(*character),
                control_name(*character),
            ),
            Problem::WhiteSpace => write!(f, "the {what} contains white space; none is allowed"),
            Problem::SurroundingWhiteSpace => {
                write!(f, "the {what} begins or ends with white space; the login form would not accept it")
            }
            Problem::NotAnEmail => write!(
                f,
                "the {what} must contain exactly one @ with something on both sides, as in name@example.org"
            ),
            Problem::NotOneOf { given, allowed } => {
                write!(f, "unknown {what} \"{}\"; allowed: {}", given.escape_debug(), allowed.join(", "))
            }
            Problem::MustBe(rule) => write!(f, "the {what} must be {rule}"),
            Problem::NotUtf8 => write!(f, "the {what} is not valid UTF-8"),
        }
    }
}

fn control_name(character: char) -> &'static str {
    match character {
        '\0' => "NUL",
        '\n' => "line feed",
        '\r' => "carriage return",
        '\t' => "tab",
        '\x1b' => "escape",
        _ => "control",
    }
}

/// The first control character of a text, as a [`Problem`].
pub(crate) fn control_character(text: &str) -> Option<Problem> {
    text.chars()
        .enumerate()
        .find(|(_, c)| c.is_control())
        .map(|(index, character)| Problem::ControlCharacter { character, position: index + 1 })
}

/// Strips surrounding white space, then asks for 1 to `max` characters without control characters.
fn line(what: &'static str, text: &str, max: usize) -> Result<String, InvalidValue> {
    let text = text.trim();
    let length = text.chars().count();
    let problem = if length == 0 {
        Some(Problem::Empty)
    } else if length > max {
        Some(Problem::TooLong { length, max })
    } else {
        control_character(text)
    };
    match problem {
        Some(problem) => Err(InvalidValue::new(what, problem)),
        None => Ok(text.to_owned()),
    }
}

macro_rules! text_newtype {
    ($(#[doc = $doc:literal])+ $name:ident, $what:literal, $parse:expr) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What this value is called in messages.
            pub const WHAT: &'static str = $what;

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidValue;

            fn from_str(text: &str) -> Result<Self, InvalidValue> {
                let parse: fn(&'static str, &str) -> Result<String, InvalidValue> = $parse;
                parse($what, text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidValue;

            fn try_from(text: String) -> Result<Self, InvalidValue> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype! {
    /// A login name: 1 to 150 characters after stripping, no control characters.
    Username, "username", |what, text| line(what, text, 150)
}

text_newtype! {
    /// An email address: 3 to 255 characters, one @ with something on both sides, no white space.
    ///
    /// Deliberately no stricter than the application itself.
    Email, "email", |what, text| {
        let text = line(what, text, 255)?;
        if text.chars().any(char::is_whitespace) {
            return Err(InvalidValue::new(what, Problem::WhiteSpace));
        }
        match text.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {}
            _ => return Err(InvalidValue::new(what, Problem::NotAnEmail)),
        }
        Ok(text)
    }
}

text_newtype! {
    /// The exact name of a role: 1 to 64 characters. Whether it exists is for the database to say.
    RoleName, "role", |what, text| line(what, text, 64)
}

text_newtype! {
    /// Who asked, as the CLI knows them: recorded, never trusted for access. At most 255 characters.
    Actor, "actor", |what, text| line(what, text, 255)
}

text_newtype! {
    /// Why it was asked for: recorded. At most 500 characters on one line.
    Reason, "reason", |what, text| line(what, text, 500)
}

/// The id of one request to run a task, a UUID version 7: it names the run in every log line, in the
/// result and among the job's executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A new id, made from the time and randomness.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl FromStr for RequestId {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match uuid::Uuid::try_parse(text.trim()) {
            Ok(id) if id.get_version_num() == 7 => Ok(Self(id)),
            _ => Err(InvalidValue::new("request id", Problem::MustBe("a UUID version 7"))),
        }
    }
}

impl TryFrom<String> for RequestId {
    type Error = InvalidValue;

    fn try_from(text: String) -> Result<Self, InvalidValue> {
        text.parse()
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A system permission level, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PermissionLevel {
    /// Own records only.
    Patient,
    /// Clinical application access.
    Staff,
    /// User management, patient administration, audit logs.
    Admin,
    /// System configuration, database access, full access.
    Superadmin,
}

impl PermissionLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::Patient, Self::Staff, Self::Admin, Self::Superadmin];

    /// The name the application uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Staff => "staff",
            Self::Admin => "admin",
            Self::Superadmin => "superadmin",
        }
    }

    /// What a person with this level may do, as the guide says it.
    #[must_use]
    pub const fn access(self) -> &'static str {
        match self {
            Self::Patient => "own records only",
            Self::Staff => "clinical application access",
            Self::Admin => "user management, patient admin, audit logs",
            Self::Superadmin => "system configuration, database access, full access",
        }
    }
}

impl FromStr for PermissionLevel {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let text = text.trim();
        Self::ALL.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            let allowed = Self::ALL.iter().map(|level| level.as_str()).collect();
            let problem = if text.is_empty() {
                Problem::Empty
            } else {
                Problem::NotOneOf { given: text.to_owned(), allowed }
            };
            InvalidValue::new("permission level", problem)
        })
    }
}

impl fmt::Display for PermissionLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<T: FromStr<Err = InvalidValue> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err("must be refused").to_string()
    }

    #[test]
    fn username_limits_count_characters_and_strip() {
        let longest = "é".repeat(150);
        assert_eq!(format!("  {longest}\n").parse::<Username>().map(String::from), Ok(longest));
        assert_eq!(
            problem::<Username>(&"x".repeat(151)),
            "the username has 151 characters; at most 150 are allowed"
        );
        assert_eq!(problem::<Username>(" \t "), "the username is empty");
        assert_eq!(
            problem::<Username>("a\0b"),
            "the username contains a control character (U+0000, NUL) at position 2; none are allowed"
        );
    }

    #[test]
    fn emails() {
        for good in ["a@b", "o'brien+x@example.org", "Ж@пример.рф", "a,b=^c@x"] {
            assert_eq!(good.parse::<Email>().expect(good).as_str(), good);
        }
        for bad in ["", "ab", "@b", "a@", "a@b@c", "a b@c", "a@b\u{a0}c", &format!("{}@b", "x".repeat(254))] {
            assert!(bad.parse::<Email>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn levels_name_what_is_allowed() {
        assert_eq!("admin".parse(), Ok(PermissionLevel::Admin));
        assert_eq!(
            problem::<PermissionLevel>("Admin"),
            "unknown permission level \"Admin\"; allowed: patient, staff, admin, superadmin"
        );
    }

    #[test]
    fn request_ids_are_version_7() {
        let id = RequestId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("67e55044-10b1-426f-9247-bb680e5fe0c8".parse::<RequestId>().is_err());
    }
}
