//! The value of one parameter of an action, checked.
//!
//! The allowed values are data ([`Parameter`]); the checks are those of [`crate::value`], on either side.
//!
//! To add a type of value: a variant of [`Argument`] with its arms in `parse`, `as_text`, `as_field` and `values`,
//! its check in `value.rs`, and `Kind` in the crate `actions`.

use std::borrow::Cow;

use jiff::civil::Date;
use quill_admin_actions::{Kind, Parameter, ParameterWords};

use crate::secret::{PasswordHash, Secret};
use crate::subject::FieldValue;
use crate::value::{self, InvalidValue, Problem};

/// A value that fits its parameter.
///
/// A password is here as its hash only, which no form of printing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A text, an email address, or one of a closed list.
    Text(String),
    /// Several of them.
    Texts(Vec<String>),
    /// A whole number.
    Integer(i64),
    /// Several of them.
    Integers(Vec<i64>),
    /// True or false.
    Boolean(bool),
    /// A day.
    Date(Date),
    /// Several of them.
    Dates(Vec<Date>),
    /// The hash of a password.
    Password(PasswordHash),
}

impl Argument {
    /// Reads a value in the form in which it travels: a boolean as `true` or `false`, a day as `2026-11-29`,
    /// a password as its hash, and a parameter with `many` as one value on each line. White space around a
    /// value is left out.
    ///
    /// `what` is the word for it in messages, as in "permission level".
    ///
    /// A value of a closed list is taken even where it hangs on a column: only who has seen the database can
    /// say more.
    ///
    /// # Errors
    ///
    /// Fails if the text does not fit the parameter. The message quotes a value of a closed list only, and
    /// never a secret.
    pub fn parse(parameter: &Parameter, what: &str, text: &str) -> Result<Self, InvalidValue> {
        match &parameter.kind {
            Kind::Text { .. } | Kind::Email { .. } | Kind::OneOf { .. } => {
                let one = |text: &str| self::text(&parameter.kind, what, text);
                if parameter.many {
                    many(what, text, one).map(Self::Texts)
                } else {
                    one(text).map(Self::Text)
                }
            }
            Kind::Integer { min, max } => {
                let one = |text: &str| value::number(what, text, *min, *max);
                if parameter.many {
                    many(what, text, one).map(Self::Integers)
                } else {
                    one(text).map(Self::Integer)
                }
            }
            Kind::Date { min, max } => {
                let one = |text: &str| value::day(what, text, min.as_deref(), max.as_deref());
                if parameter.many {
                    many(what, text, one).map(Self::Dates)
                } else {
                    one(text).map(Self::Date)
                }
            }
            Kind::Boolean => {
                value::one_of(what, text, ["true", "false"]).map(|place| Self::Boolean(place == 0))
            }
            // The hash is taken as it stands: a trailing newline would break the application's login.
            Kind::Password { .. } => PasswordHash::parse(Secret::new(text.to_owned())).map(Self::Password),
        }
    }

    /// Like [`Self::parse`], with the parameter's own words: messages list the values of a closed list in the
    /// order in which they are shown.
    ///
    /// # Errors
    ///
    /// Fails where [`Self::parse`] does.
    pub fn read(parameter: &Parameter, words: &ParameterWords, text: &str) -> Result<Self, InvalidValue> {
        Self::parse(parameter, &words.name, text).map_err(|mut invalid| {
            if let Problem::NotOneOf { allowed, .. } = &mut invalid.problem {
                let place = |value: &String| words.values.iter().position(|words| words.value == *value);
                allowed.sort_by_key(|value| place(value).unwrap_or(usize::MAX));
            }
            invalid
        })
    }

    /// The value as it was given, one of several on each line; `None` for a password, which has no such form.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        let lines = |values: Vec<String>| Some(Cow::Owned(values.join("\n")));
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Password(_) => None,
            other => lines(other.values()),
        }
    }

    /// The value in the form that records have; `None` for a password, which no record holds.
    #[must_use]
    pub fn as_field(&self) -> Option<FieldValue> {
        Some(match self {
            Self::Text(text) => FieldValue::Text(text.clone()),
            Self::Date(day) => FieldValue::Text(day.to_string()),
            Self::Integer(number) => FieldValue::Integer(*number),
            Self::Boolean(value) => FieldValue::Boolean(*value),
            Self::Texts(_) | Self::Integers(_) | Self::Dates(_) => FieldValue::List(self.values()),
            Self::Password(_) => return None,
        })
    }

    /// The single values, each as it was given; none for a password.
    #[must_use]
    pub fn values(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::Texts(texts) => texts.clone(),
            Self::Integer(number) => vec![number.to_string()],
            Self::Integers(numbers) => numbers.iter().map(ToString::to_string).collect(),
            Self::Boolean(value) => vec![value.to_string()],
            Self::Date(day) => vec![day.to_string()],
            Self::Dates(days) => days.iter().map(ToString::to_string).collect(),
            Self::Password(_) => Vec::new(),
        }
    }
}

fn text(kind: &Kind, what: &str, text: &str) -> Result<String, InvalidValue> {
    match kind {
        Kind::Email { max } => value::email(what, text, limit(*max)),
        Kind::OneOf { values } => {
            value::one_of(what, text, values.keys().map(String::as_str)).map(|_| text.trim().to_owned())
        }
        Kind::Text { min, max } => {
            let text = value::text(what, text, limit(*max))?;
            let (length, min) = (text.chars().count(), limit(*min));
            if length < min {
                return Err(InvalidValue::new(what, Problem::TooShort { length, min }));
            }
            Ok(text)
        }
        Kind::Integer { .. } | Kind::Boolean | Kind::Date { .. } | Kind::Password { .. } => {
            unreachable!("only texts are read so")
        }
    }
}

fn limit(characters: u32) -> usize {
    usize::try_from(characters).unwrap_or(usize::MAX)
}

/// Reads one value on each line. No value holds a line break, and none may be there twice: a number of values
/// is a set.
fn many<T: PartialEq>(
    what: &str,
    text: &str,
    one: impl Fn(&str) -> Result<T, InvalidValue>,
) -> Result<Vec<T>, InvalidValue> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidValue::new(what, Problem::Empty));
    }
    let count = text.lines().count();
    if count > Parameter::MOST {
        return Err(InvalidValue::new(what, Problem::TooMany { count, max: Parameter::MOST }));
    }
    let mut values = Vec::with_capacity(count);
    for line in text.lines() {
        let value = one(line)?;
        if let Some(first) = values.iter().position(|before| *before == value) {
            let problem = Problem::Repeated { first: first + 1, again: values.len() + 1 };
            return Err(InvalidValue::new(what, problem));
        }
        values.push(value);
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
