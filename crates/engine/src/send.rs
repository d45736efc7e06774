//! Sends statements with their values.

use std::pin::pin;

use futures::TryStreamExt as _;
use quill_admin_actions::{Alternative, Bind, BindType, Statement};
use quill_admin_contract::{Argument, Arguments, ExitCode};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::error::{Error, Failed};
use crate::layout::Layout;

/// A value with the type that it is sent as.
type Bound<'a> = (Box<dyn ToSql + Sync + Send + 'a>, Type);

/// The transaction, the layout of its tables, and the values to bind: all that is needed to send a statement.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) client: &'a Client,
    pub(crate) layout: &'a Layout,
    pub(crate) arguments: &'a Arguments,
}

impl Sender<'_> {
    /// Reads all rows, one at a time. It reads to the end even where the first row would do: a later one may
    /// be an error, after which the transaction cannot be used.
    pub(crate) async fn each(
        &self,
        statement: &Statement,
        mut row: impl FnMut(Row) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let alternative = self.choose(statement);
        let bound = self.bind(alternative)?;
        let values = bound.iter().map(|(value, kind)| (as_sql(&**value), kind.clone()));
        let mut rows = pin!(self.client.query_typed_raw(&alternative.sql, values).await?);
        while let Some(next) = rows.try_next().await? {
            row(next)?;
        }
        Ok(())
    }

    /// The first rows, at most `most` of them, and the number of all rows.
    pub(crate) async fn first(&self, statement: &Statement, most: usize) -> Result<(Vec<Row>, usize), Error> {
        let (mut first, mut count) = (Vec::new(), 0);
        self.each(statement, |row| {
            count += 1;
            if first.len() < most {
                first.push(row);
            }
            Ok(())
        })
        .await?;
        Ok((first, count))
    }

    /// The texts in the first column of all rows.
    pub(crate) async fn texts(&self, statement: &Statement) -> Result<Vec<String>, Error> {
        let mut texts = Vec::new();
        self.each(statement, |row| {
            texts.push(row.try_get(0)?);
            Ok(())
        })
        .await?;
        Ok(texts)
    }

    /// Runs a statement that changes rows, and returns their number.
    pub(crate) async fn change(&self, statement: &Statement) -> Result<u64, Error> {
        let alternative = self.choose(statement);
        let bound = self.bind(alternative)?;
        let values: Vec<(&(dyn ToSql + Sync), Type)> =
            bound.iter().map(|(value, kind)| (as_sql(&**value), kind.clone())).collect();
        Ok(self.client.execute_typed(&alternative.sql, &values).await?)
    }

    fn choose<'s>(&self, statement: &'s Statement) -> &'s Alternative {
        statement.choose(|table, column| self.layout.has(table, column))
    }

    fn bind(&self, alternative: &Alternative) -> Result<Vec<Bound<'_>>, Failed> {
        alternative.binds.iter().map(|bind| self.value(bind)).collect()
    }

    fn value(&self, bind: &Bind) -> Result<Bound<'_>, Failed> {
        let argument = self.arguments.get(&bind.parameter);
        Ok(match (bind.kind, argument) {
            (BindType::Text, None) => (Box::new(None::<&str>), Type::TEXT),
            (BindType::Text, Some(Argument::Text(text))) => (Box::new(text.as_str()), Type::TEXT),
            (BindType::Text, Some(Argument::Password(hash))) => (Box::new(hash.expose()), Type::TEXT),
            (BindType::TextArray, None) => (Box::new(None::<Vec<&str>>), Type::TEXT_ARRAY),
            (BindType::TextArray, Some(Argument::Texts(texts))) => {
                (Box::new(texts.as_slice()), Type::TEXT_ARRAY)
            }
            (BindType::Int8, None) => (Box::new(None::<i64>), Type::INT8),
            (BindType::Int8, Some(Argument::Integer(number))) => (Box::new(*number), Type::INT8),
            (BindType::Int8Array, None) => (Box::new(None::<Vec<i64>>), Type::INT8_ARRAY),
            (BindType::Int8Array, Some(Argument::Integers(numbers))) => {
                (Box::new(numbers.as_slice()), Type::INT8_ARRAY)
            }
            (BindType::Bool, None) => (Box::new(None::<bool>), Type::BOOL),
            (BindType::Bool, Some(Argument::Boolean(value))) => (Box::new(*value), Type::BOOL),
            (BindType::Date, None) => (Box::new(None::<jiff::civil::Date>), Type::DATE),
            (BindType::Date, Some(Argument::Date(day))) => (Box::new(*day), Type::DATE),
            (BindType::DateArray, None) => (Box::new(None::<Vec<jiff::civil::Date>>), Type::DATE_ARRAY),
            (BindType::DateArray, Some(Argument::Dates(days))) => {
                (Box::new(days.as_slice()), Type::DATE_ARRAY)
            }
            // The arguments were read for the action that has these statements.
            (_, Some(_)) => {
                let what =
                    format!("a bug in the executor: the value of {} is of another type", bind.parameter);
                return Err(Failed::new(ExitCode::Unexpected, what));
            }
        })
    }
}

fn as_sql<'b>(value: &'b (dyn ToSql + Sync + Send + '_)) -> &'b (dyn ToSql + Sync) {
    value
}
