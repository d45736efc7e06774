//! The Logging query language, as far as one execution's logs need it and a little further.
//!
//! Source: "Logging query language" in Cloud Logging's documentation. OR binds tighter than AND;
//! expressions side by side are joined by AND; text is compared without regard to case; a
//! comparison with a field an entry does not have never holds, so that `NOT field = x` finds what
//! `field != x` does not. What is not understood is an error, never "everything".
//!
//! A filter is taken apart in `tokens`, read in `parser`, and compared with an entry in `expression`.

mod expression;
mod parser;
#[cfg(test)]
mod tests;
mod tokens;

use expression::Expression;
use serde_json::Value;
use tokens::tokens;

/// The longest filter, in characters ("Usage limits" in Cloud Logging's documentation: the length of
/// a query).
const LONGEST: usize = 20_000;

pub(crate) struct Filter(Expression);

impl Filter {
    /// Reads a filter; an empty one matches everything.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.chars().nth(LONGEST).is_some() {
            return Err(format!("the filter is longer than {LONGEST} characters"));
        }
        parser::parse(tokens(text)?).map(Self)
    }

    pub(crate) fn matches(&self, entry: &Value) -> bool {
        self.0.holds(entry)
    }
}
