//! The reasons why a value is refused, and the checks that values of every kind share.
//!
//! [`text`], [`email`], [`one_of`], [`number`] and [`day`] take their limits as arguments: the types in
//! `names.rs` use them, and so do parameters, whose limits are data.
//!
//! To add a reason: a variant of [`Problem`] with its words in the `Display` of [`InvalidValue`], and the check that
//! finds it.

use std::fmt;

use jiff::civil::Date;

use crate::invisible::invisible;

/// The reason why a value was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The value is empty, or only white space.
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
        /// The character.
        character: char,
        /// Its position, counted in characters from 1.
        position: usize,
    },
    /// A character that nobody sees, or that turns the direction of reading.
    Invisible {
        /// The character.
        character: char,
        /// Its name.
        name: &'static str,
        /// Its position, counted in characters from 1.
        position: usize,
    },
    /// White space where none may be.
    WhiteSpace,
    /// White space at the beginning or the end, which the login form would not send.
    SurroundingWhiteSpace,
    /// An email without exactly one @ with something on both sides.
    NotAnEmail,
    /// A value that is not in a closed list.
    NotOneOf {
        /// The value that was given.
        given: String,
        /// The values that are allowed.
        allowed: Vec<String>,
    },
    /// A value that is not a whole number within its limits.
    NotANumber {
        /// The smallest that is allowed.
        min: i64,
        /// The largest that is allowed.
        max: i64,
    },
    /// A value that is not a day of the calendar within its limits, written as `2026-11-29`.
    NotADay {
        /// The earliest that is allowed, where there is a limit.
        min: Option<String>,
        /// The latest that is allowed, where there is a limit.
        max: Option<String>,
    },
    /// More values than a parameter takes.
    TooMany {
        /// Values given.
        count: usize,
        /// Values allowed.
        max: usize,
    },
    /// A value that was given before.
    Repeated {
        /// Position of the first, counted in values from 1.
        first: usize,
        /// Position of the repetition.
        again: usize,
    },
    /// Any other rule, in words that complete "… must be …".
    MustBe(&'static str),
    /// Any other rule, in words that complete "… must not …".
    MustNot(&'static str),
    /// Bytes that are not UTF-8.
    NotUtf8,
}

/// A refused value: what it was for, and why.
///
/// The message never quotes a secret: only closed lists quote what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct InvalidValue {
    /// The kind of value, as in "username".
    pub what: String,
    /// The reason why it was refused.
    pub problem: Problem,
}

impl InvalidValue {
    pub(crate) fn new(what: &str, problem: Problem) -> Self {
        Self { what: what.to_owned(), problem }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
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
            Problem::Invisible { character, name, position } => write!(
                f,
                "the {what} contains a character that cannot be seen (U+{:04X}, {name}) at position {position}; \
                 none are allowed",
                u32::from(*character),
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
            Problem::NotANumber { min, max } => {
                write!(f, "the {what} must be a whole number from {min} to {max}")
            }
            Problem::NotADay { min, max } => {
                write!(f, "the {what} must be a day of the calendar, as in 2026-11-29")?;
                let limits = [("not before", min), ("not after", max)];
                limits
                    .iter()
                    .filter_map(|(words, day)| Some((words, day.as_ref()?)))
                    .try_for_each(|(words, day)| write!(f, ", {words} {day}"))
            }
            Problem::TooMany { count, max } => {
                write!(f, "the {what} is given {count} values; at most {max} are allowed")
            }
            Problem::Repeated { first, again } => {
                write!(f, "the {what} is given the same value twice, as number {first} and as number {again}")
            }
            Problem::MustBe(rule) => write!(f, "the {what} must be {rule}"),
            Problem::MustNot(rule) => write!(f, "the {what} must not {rule}"),
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

/// The first character of a name that cannot be seen, as a [`Problem`].
pub(crate) fn invisible_character(text: &str) -> Option<Problem> {
    text.chars().enumerate().find_map(|(index, character)| {
        invisible(character).map(|name| Problem::Invisible { character, name, position: index + 1 })
    })
}

/// The first character of a free text that turns the direction of reading or breaks the line, and makes
/// what stands beside the text look different. Other characters without a look (joiners, variation
/// selectors) belong to how scripts and signs are written.
pub(crate) fn turning_character(text: &str) -> Option<Problem> {
    text.chars().enumerate().find_map(|(index, character)| match character {
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            let name = invisible(character)?;
            Some(Problem::Invisible { character, name, position: index + 1 })
        }
        _ => None,
    })
}

/// Checks a text that identifies somebody or something, and strips white space around it.
///
/// # Errors
///
/// Fails if nothing is left, if more than `max` characters are left, or if one of them cannot be seen.
pub fn text(what: &str, text: &str, max: usize) -> Result<String, InvalidValue> {
    let text = line(what, text, max)?;
    match invisible_character(&text) {
        Some(problem) => Err(InvalidValue::new(what, problem)),
        None => Ok(text),
    }
}

/// The problem of an address with characters around it that do not belong to it and were often pasted with
/// it.
fn pasted_around(text: &str) -> Option<Problem> {
    let mailto = text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
    let rule = if mailto {
        "begin with mailto: (leave that out)"
    } else if text.contains(['<', '>']) {
        "have angle brackets (give what is between them, and nothing else)"
    } else if text.starts_with([',', ';']) || text.ends_with([',', ';']) {
        "begin or end with a comma or semicolon (give one address, and nothing else)"
    } else {
        return None;
    };
    Some(Problem::MustNot(rule))
}

/// Strips surrounding white space, then asks for 1 to `max` characters without control characters.
pub(crate) fn line(what: &str, text: &str, max: usize) -> Result<String, InvalidValue> {
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

/// Checks an email address, and strips white space around it.
///
/// # Errors
///
/// Fails if the address has more than `max` characters, no local part and domain around a single @, white
/// space or a character that cannot be seen in it, or something around it that addresses are pasted with.
pub fn email(what: &str, text: &str, max: usize) -> Result<String, InvalidValue> {
    let text = line(what, text, max)?;
    if let Some(problem) = pasted_around(&text) {
        return Err(InvalidValue::new(what, problem));
    }
    if text.chars().any(char::is_whitespace) {
        return Err(InvalidValue::new(what, Problem::WhiteSpace));
    }
    match text.split_once('@') {
        Some((local, domain)) if !local.is_empty() && !domain.is_empty() && !domain.contains('@') => {}
        _ => return Err(InvalidValue::new(what, Problem::NotAnEmail)),
    }
    if let Some(problem) = invisible_character(&text) {
        return Err(InvalidValue::new(what, problem));
    }
    Ok(text)
}

/// Reads a day of the calendar, written as `2026-11-29`. White space around it is left out.
///
/// # Errors
///
/// Fails if the text is written in any other way, if there is no such day, or if it is before `min` or after
/// `max`, both of which are written in the same form.
pub fn day(what: &str, text: &str, min: Option<&str>, max: Option<&str>) -> Result<Date, InvalidValue> {
    let text = text.trim();
    let problem = || {
        let owned = |limit: Option<&str>| limit.map(str::to_owned);
        InvalidValue::new(what, Problem::NotADay { min: owned(min), max: owned(max) })
    };
    // jiff reads other forms as well, which are not accepted here.
    let form = |(place, byte): (usize, u8)| {
        if [4, 7].contains(&place) { byte == b'-' } else { byte.is_ascii_digit() }
    };
    if text.is_empty() {
        return Err(InvalidValue::new(what, Problem::Empty));
    }
    if text.len() != 10 || !text.bytes().enumerate().all(form) {
        return Err(problem());
    }
    let day: Date = text.parse().map_err(|_| problem())?;
    // Days in this form have the same order as their texts.
    let outside = min.is_some_and(|min| text < min) || max.is_some_and(|max| text > max);
    // PostgreSQL's calendar has no year 0.
    if outside || day.year() == 0 { Err(problem()) } else { Ok(day) }
}

/// Reads a whole number from `min` to `max`. White space around it is left out.
///
/// # Errors
///
/// Fails if the text is not a whole number, or not within the limits.
pub fn number(what: &str, text: &str, min: i64, max: i64) -> Result<i64, InvalidValue> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidValue::new(what, Problem::Empty));
    }
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or_else(|| InvalidValue::new(what, Problem::NotANumber { min, max }))
}

/// Finds a value in a closed list, and returns its position there. White space around it is left out.
///
/// # Errors
///
/// Fails if the value is empty, or not in the list: the message then has the whole list.
pub fn one_of<'a>(
    what: &str,
    text: &str,
    allowed: impl IntoIterator<Item = &'a str>,
) -> Result<usize, InvalidValue> {
    let text = text.trim();
    let allowed: Vec<&str> = allowed.into_iter().collect();
    allowed.iter().position(|one| *one == text).ok_or_else(|| {
        let problem = if text.is_empty() {
            Problem::Empty
        } else {
            let allowed = allowed.into_iter().map(str::to_owned).collect();
            Problem::NotOneOf { given: text.to_owned(), allowed }
        };
        InvalidValue::new(what, problem)
    })
}

#[cfg(test)]
mod tests;
