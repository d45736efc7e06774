//! Types for usernames, actors, origins, reasons and request ids. A value is checked when it is parsed, and
//! is valid from then on.
//!
//! Limits are those of the application's own columns; lengths count characters, names compare
//! case-sensitively and are not normalised.
//!
//! To add a type of text: a call of `text_newtype!` with its name in messages and its check from `value.rs`.

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
    /// The person who asked, as the CLI knows them: recorded, never trusted for access. At most 255 characters.
    Actor, "actor", |what, text| value::text(what, text, 255)
}

text_newtype! {
    /// The origin of a request that does not come from a person's terminal: the run of a pipeline, as the CLI knows
    /// it. Recorded, never trusted for access. At most 500 characters, none of them invisible.
    Origin, "origin", |what, text| value::text(what, text, 500)
}

text_newtype! {
    /// The reason for the request: recorded. At most 500 characters on one line, none of which turns the
    /// direction of reading.
    Reason, "reason", |what, text| {
        let text = line(what, text, 500)?;
        match turning_character(&text) {
            Some(problem) => Err(InvalidValue::new(what, problem)),
            None => Ok(text),
        }
    }
}

/// The id of one request to run a task, a UUID: it names the run in every log line, in the result and among the job's
/// executions. It is of version 7, made from the time, or, for a part of a bulk run, of version 8, made from the run
/// and the number of the part: whoever goes on with the run finds out whether the part was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RequestId(uuid::Uuid);

impl RequestId {
    /// A new id, made from the time and randomness.
    #[must_use]
    pub fn new() -> Self {
        Self(uuid::Uuid::now_v7())
    }

    /// The id of a part of a bulk run, which is the same whenever it is asked for.
    #[must_use]
    pub fn of_part(run: Self, part: u64) -> Self {
        use sha2::Digest as _;
        let mut hash = sha2::Sha256::new();
        hash.update(run.0.as_bytes());
        hash.update(part.to_be_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
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
            Ok(id) if matches!(id.get_version_num(), 7 | 8) => Ok(Self(id)),
            _ => Err(InvalidValue::new("request id", Problem::MustBe("a UUID version 7 or 8"))),
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
            assert_eq!(problem::<Actor>(&text), format!("the actor {tail}"));
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
    fn request_ids_are_version_7_or_of_a_part() {
        let id = RequestId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        let part = RequestId::of_part(id, 1);
        assert_eq!((part.to_string().parse(), RequestId::of_part(id, 1)), (Ok(part), part));
        assert_ne!(part, RequestId::of_part(id, 2));
        assert_ne!(part, RequestId::of_part(RequestId::new(), 1));
        assert!("67e55044-10b1-426f-9247-bb680e5fe0c8".parse::<RequestId>().is_err());
    }
}
