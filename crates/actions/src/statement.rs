//! SQL statements of actions, with their alternatives for generations of the tables, and the values that they
//! bind.
//!
//! To add a PostgreSQL type that values are sent as: a variant of [`BindType`], and `bind.rs` of the crate `engine`.

use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// One SQL statement, or several alternatives, of which the first is used whose condition holds.
///
/// One of them always applies: the last, and only the last, has no condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Alternative>", into = "Vec<Alternative>")]
pub struct Statement(Vec<Alternative>);

impl Statement {
    /// A statement of these alternatives; `None` unless the last, and only the last, has no condition.
    #[must_use]
    pub fn new(alternatives: Vec<Alternative>) -> Option<Self> {
        let (last, before) = alternatives.split_last()?;
        let whole =
            last.condition.is_none() && before.iter().all(|alternative| alternative.condition.is_some());
        whole.then_some(Self(alternatives))
    }

    /// The alternatives, in the order in which they are tried.
    #[must_use]
    pub fn alternatives(&self) -> &[Alternative] {
        &self.0
    }

    /// The alternative to send, where `has` says whether a table has a column.
    ///
    /// # Panics
    ///
    /// Never: the last alternative has no condition.
    #[must_use]
    pub fn choose(&self, has: impl Fn(&str, &str) -> bool) -> &Alternative {
        self.0
            .iter()
            .find(|alternative| alternative.condition.as_ref().is_none_or(|condition| condition.holds(&has)))
            .expect("the last alternative has no condition")
    }
}

impl TryFrom<Vec<Alternative>> for Statement {
    type Error = &'static str;

    fn try_from(alternatives: Vec<Alternative>) -> Result<Self, Self::Error> {
        Self::new(alternatives)
            .ok_or("of a statement's alternatives the last, and only the last, has no condition")
    }
}

impl From<Statement> for Vec<Alternative> {
    fn from(statement: Statement) -> Self {
        statement.0
    }
}

/// One SQL command with placeholders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alternative {
    /// The condition under which it may be used; `None` for always.
    #[serde(rename = "if", default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// The command. `$1` stands for the first of `binds`, and so on; it holds no other values.
    pub sql: String,
    /// The values to bind, each named once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub binds: Vec<Bind>,
}

/// A value to bind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The parameter whose value is bound; NULL where an optional one was not given.
    pub parameter: String,
    /// The type as which it is sent.
    #[serde(rename = "type")]
    pub kind: BindType,
}

/// A PostgreSQL type as which a value is sent. The server converts it to the type of the column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BindType {
    /// `text`.
    #[serde(rename = "text")]
    Text,
    /// `int8`.
    #[serde(rename = "int8")]
    Int8,
    /// `bool`.
    #[serde(rename = "bool")]
    Bool,
    /// `date`.
    #[serde(rename = "date")]
    Date,
    /// `text[]`, for a parameter that takes many values.
    #[serde(rename = "text[]")]
    TextArray,
    /// `int8[]`.
    #[serde(rename = "int8[]")]
    Int8Array,
    /// `date[]`.
    #[serde(rename = "date[]")]
    DateArray,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alternative(condition: Option<&str>, sql: &str) -> Alternative {
        let condition = condition.map(|text| text.parse().expect("a condition"));
        Alternative { condition, sql: sql.to_owned(), binds: vec![] }
    }

    #[test]
    fn the_first_that_holds_is_taken() {
        let statement = Statement::new(vec![
            alternative(Some("column users.token_version"), "august"),
            alternative(Some("column users.email_verified"), "july"),
            alternative(None, "march"),
        ])
        .expect("whole");
        assert_eq!(statement.choose(|_, _| true).sql, "august");
        assert_eq!(statement.choose(|_, column| column == "email_verified").sql, "july");
        assert_eq!(statement.choose(|_, _| false).sql, "march");
    }

    #[test]
    fn only_the_last_has_no_condition() {
        let (always, sometimes) = (alternative(None, ""), alternative(Some("column a.b"), ""));
        for bad in
            [vec![], vec![sometimes.clone()], vec![always.clone(), always.clone()], vec![always, sometimes]]
        {
            assert_eq!(Statement::new(bad), None);
        }
    }
}
