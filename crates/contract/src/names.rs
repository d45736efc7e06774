//! Values that are valid once they exist: parsed at the edge, carried as types.
//!
//! Limits are those of the application's own columns; lengths count characters, names compare
//! case-sensitively and are not normalised.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::value::{self, InvalidValue, Problem, line, turning_character};

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
                let parse: fn(&str, &str) -> Result<String, InvalidValue> = $parse;
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
    /// A login name: 1 to 150 characters after stripping, none of them invisible (control and format
    /// characters, characters that turn the direction of reading, white space other than a blank).
    ///
    /// That holds for users that exist, too: one that was made elsewhere with such a name is renamed in
    /// the application.
    Username, "username", |what, text| value::text(what, text, 150)
}

text_newtype! {
    /// An email address: 3 to 255 characters, one @ with something on both sides, no white space.
    ///
    /// Deliberately no stricter than the application itself, but for what cannot be meant: invisible
    /// characters, and what addresses are pasted with (`mailto:`, angle brackets, a comma or semicolon at
    /// an end).
    Email, "email", |what, text| value::email(what, text, 255)
}

text_newtype! {
    /// The exact name of a role: 1 to 64 characters. Whether it exists is for the database to say.
    RoleName, "role", |what, text| value::text(what, text, 64)
}

text_newtype! {
    /// Who asked, as the CLI knows them: recorded, never trusted for access. At most 255 characters.
    Actor, "actor", |what, text| value::text(what, text, 255)
}

text_newtype! {
    /// Why it was asked for: recorded. At most 500 characters on one line, none of which turns the
    /// direction of reading.
    Reason, "reason", |what, text| {
        let text = line(what, text, 500)?;
        match turning_character(&text) {
            Some(problem) => Err(InvalidValue::new(what, problem)),
            None => Ok(text),
        }
    }
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
        let place = value::one_of("permission level", text, Self::ALL.map(Self::as_str))?;
        Ok(Self::ALL[place])
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
    fn names_hold_nothing_that_cannot_be_seen() {
        for (character, name) in [
            ('\u{200b}', "zero width space"),
            ('\u{202e}', "right-to-left override"),
            ('\u{feff}', "byte order mark"),
            ('\u{a0}', "no-break space"),
            ('\u{ad}', "soft hyphen"),
            ('\u{3164}', "hangul filler"),
        ] {
            let text = format!("steve{character}.jones");
            let number = u32::from(character);
            let tail = format!(
                "contains a character that cannot be seen (U+{number:04X}, {name}) at position 6; none are allowed"
            );
            assert_eq!(problem::<Username>(&text), format!("the username {tail}"));
            assert_eq!(problem::<RoleName>(&text), format!("the role {tail}"));
            assert_eq!(problem::<Actor>(&text), format!("the actor {tail}"));
            assert!(format!("{text}@x").parse::<Email>().is_err(), "{text}");
        }
        for seen in ["Müller-Lüdenscheidt", "иван", "名前", "jose\u{301}", "a b", "o'brien"] {
            assert_eq!(seen.parse::<Username>().expect(seen).as_str(), seen);
        }
    }

    #[test]
    fn a_reason_may_hold_signs_and_scripts_but_not_turn_the_line() {
        for good in ["done \u{2714}\u{fe0f}", "می\u{200c}خواهم", "ticket\u{a0}42", "👩\u{200d}⚕️"]
        {
            assert_eq!(good.parse::<Reason>().expect(good).as_str(), good);
        }
        assert_eq!(
            problem::<Reason>("asked by \u{202e}evets"),
            "the reason contains a character that cannot be seen (U+202E, right-to-left override) at position 10; \
             none are allowed"
        );
        for bad in ["a\u{2028}b", "a\u{2067}b", "a\u{200f}b", "a\u{1b}b"] {
            assert!(bad.parse::<Reason>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_emails_are_pasted_with_is_told() {
        for (bad, words) in [
            ("steve@example.org,", "comma or semicolon"),
            ("steve@example.org ; ", "comma or semicolon"),
            (",steve@example.org", "comma or semicolon"),
            ("mailto:steve@example.org", "mailto:"),
            ("MailTo:steve@example.org", "mailto:"),
            ("<steve@example.org>", "angle brackets"),
            ("Steve Jones <steve@example.org>", "angle brackets"),
            ("steve\u{200b}@example.org", "zero width space"),
        ] {
            assert!(problem::<Email>(bad).contains(words), "{bad}: {}", problem::<Email>(bad));
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
