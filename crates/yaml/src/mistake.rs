//! Mistakes in a file, with their places.

use std::fmt;

use crate::nearest;

/// A place in a file: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// The beginning of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The place of the mistake.
    pub place: Place,
    /// The mistake, and the values that are allowed there.
    pub what: String,
    /// The name that was probably meant.
    pub near: Option<String>,
}

impl Mistake {
    /// Makes a mistake from its place and its message.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), near: None }
    }

    /// The mistake with the name, of those in `names`, that was probably meant by `given`.
    #[must_use]
    pub fn near<'a>(self, given: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self { near: nearest(given, names).map(str::to_owned), ..self }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)?;
        match &self.near {
            Some(near) => write!(f, "; did you mean \"{near}\"?"),
            None => Ok(()),
        }
    }
}
