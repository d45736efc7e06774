//! Conditions on the layout of the database: whether a column exists. Statements and values can depend on
//! nothing else.
//!
//! To add a kind of condition: its field in [`Condition`], its text in `FromStr` and `Display`, and
//! [`Condition::holds`], which `layout.rs` of the crate `engine` answers. The digests of actions depend on the text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `column T.C` or `no column T.C`: the column has to exist, or must not exist.
///
/// One set of actions serves several generations of the application's tables, and a statement that names a
/// missing column fails as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    /// The table's name, without a schema.
    pub table: String,
    /// The column's name.
    pub column: String,
    /// Whether the column has to exist; otherwise it must not.
    pub present: bool,
}

impl Condition {
    /// Whether the condition holds, where `has` says whether a table has a column.
    pub fn holds(&self, has: impl Fn(&str, &str) -> bool) -> bool {
        has(&self.table, &self.column) == self.present
    }

    /// Whether the other condition is about the same column and says the opposite.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        self.table == other.table && self.column == other.column && self.present != other.present
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let no = if self.present { "" } else { "no " };
        write!(f, "{no}column {}.{}", self.table, self.column)
    }
}

/// The error that a text is no [`Condition`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotACondition;

impl fmt::Display for NotACondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a condition is \"column TABLE.COLUMN\" or \"no column TABLE.COLUMN\"")
    }
}

impl std::error::Error for NotACondition {}

impl FromStr for Condition {
    type Err = NotACondition;

    fn from_str(text: &str) -> Result<Self, NotACondition> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let (present, name) = match words.as_slice() {
            ["column", name] => (true, name),
            ["no", "column", name] => (false, name),
            _ => return Err(NotACondition),
        };
        match name.split_once('.') {
            Some((table, column)) if !table.is_empty() && !column.is_empty() && !column.contains('.') => {
                Ok(Self { table: table.to_owned(), column: column.to_owned(), present })
            }
            _ => Err(NotACondition),
        }
    }
}

impl TryFrom<String> for Condition {
    type Error = NotACondition;

    fn try_from(text: String) -> Result<Self, NotACondition> {
        text.parse()
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_names_one_column_of_one_table() {
        for text in ["column users.email_verified", "no column users.email_verified"] {
            assert_eq!(text.parse::<Condition>().map(|condition| condition.to_string()), Ok(text.to_owned()));
        }
        for bad in [
            "",
            "column",
            "column users",
            "column users.",
            "column .x",
            "column a.b.c",
            "no users.x",
            "not column a.b",
        ] {
            assert_eq!(bad.parse::<Condition>(), Err(NotACondition), "{bad}");
        }
    }

    #[test]
    fn it_holds_by_what_is_there() {
        let has = |table: &str, column: &str| (table, column) == ("users", "email_verified");
        let there: Condition = "column users.email_verified".parse().expect("valid");
        let missing: Condition = "no column users.email_verified".parse().expect("valid");
        assert!(there.holds(has) && !missing.holds(has) && there.contradicts(&missing));
        let other: Condition = "no column users.token_version".parse().expect("valid");
        assert!(other.holds(has) && !other.contradicts(&there));
    }
}
