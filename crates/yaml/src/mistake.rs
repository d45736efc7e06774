//! What is wrong with a file, and where.

use std::fmt;

use crate::nearest;

/// Where something stands: line and column from 1, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Place {
    /// Where every file begins.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// What, and what is allowed there.
    pub what: String,
    /// What was probably meant.
    pub near: Option<String>,
}

impl Mistake {
    /// What is wrong at a place, and what is allowed there.
    #[must_use]
    pub fn new(place: Place, what: impl Into<String>) -> Self {
        Self { place, what: what.into(), near: None }
    }

    /// The same of a name that was `given`, with the one that was probably meant of those there are.
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
