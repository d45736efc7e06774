//! Values of rows, and how they are read.

use std::collections::BTreeMap;

use quill_admin_contract::ExitCode;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::error::{Error, Failed};

/// The value of a column. Statements may return these types only; they cast all others to one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// NULL.
    Null,
    /// `text`.
    Text(String),
    /// `text[]`, sorted by bytes: the server's own order depends on the database's collation.
    Texts(Vec<String>),
    /// `bool`.
    Boolean(bool),
    /// `int8`.
    Integer(i64),
}

impl Value {
    /// The value as a person would type it, several values on one line each; `None` for NULL.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone()),
            Self::Texts(texts) => Some(texts.join("\n")),
            Self::Boolean(value) => Some(value.to_string()),
            Self::Integer(number) => Some(number.to_string()),
        }
    }

    /// The values of a list; none for NULL and for every other value that is no list.
    #[must_use]
    pub fn items(&self) -> &[String] {
        match self {
            Self::Texts(texts) => texts,
            _ => &[],
        }
    }
}

/// The wanted columns of a row, by name.
pub(crate) fn columns(row: &Row, wanted: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Value>, Error> {
    let named = |(place, column): (usize, &tokio_postgres::Column)| {
        Ok((column.name().to_owned(), value(row, place)?))
    };
    row.columns().iter().enumerate().filter(|(_, column)| wanted(column.name())).map(named).collect()
}

/// Whether an action can read a column of this type; statements cast columns of other types.
#[must_use]
pub fn is_readable(column: &Type) -> bool {
    [Type::TEXT, Type::TEXT_ARRAY, Type::BOOL, Type::INT8].contains(column)
}

/// The value of the column at a place, from 0.
pub(crate) fn value(row: &Row, place: usize) -> Result<Value, Error> {
    let column = &row.columns()[place];
    Ok(match *column.type_() {
        Type::TEXT => row.try_get::<_, Option<String>>(place)?.map_or(Value::Null, Value::Text),
        Type::TEXT_ARRAY => row.try_get::<_, Option<Vec<String>>>(place)?.map_or(Value::Null, |mut texts| {
            texts.sort_unstable();
            Value::Texts(texts)
        }),
        Type::BOOL => row.try_get::<_, Option<bool>>(place)?.map_or(Value::Null, Value::Boolean),
        Type::INT8 => row.try_get::<_, Option<i64>>(place)?.map_or(Value::Null, Value::Integer),
        ref other => {
            let what = format!(
                "the database holds a value of a type this image does not know: the column {} is of the type {}",
                column.name(),
                other.name()
            );
            return Err(Failed::new(ExitCode::SchemaMismatch, what).into());
        }
    })
}
