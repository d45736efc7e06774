//! The state of a subject in the database: locked, read, and compared.

use std::collections::BTreeMap;

use quill_admin_actions::{Subject, SubjectWords};
use quill_admin_contract::ExitCode;

use crate::error::{Error, Failed};
use crate::performed::Fields;
use crate::send::Sender;
use crate::value::{Value, columns};

/// All columns of the subject's row, including hidden ones. Only the difference between two states and the
/// fields that are shown leave this crate.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, Value>);

impl State {
    /// Locks the subject's row, if there is one, and reads it in a separate statement: a transaction that was
    /// waited for may have changed more than this row, and only the next statement sees that.
    pub(crate) async fn lock_and_read(sender: &Sender<'_>, subject: &Subject) -> Result<Option<Self>, Error> {
        let locked = match &subject.lock {
            Some(lock) => sender.first(lock, 0).await?.1 > 0,
            None => true,
        };
        let state = Self::read(sender, subject).await?;
        // Another transaction made the subject in between.
        if state.is_some() && !locked { Err(Error::Overtaken) } else { Ok(state) }
    }

    /// Reads the subject.
    pub(crate) async fn read(sender: &Sender<'_>, subject: &Subject) -> Result<Option<Self>, Error> {
        let (rows, count) = sender.first(&subject.query, 1).await?;
        if count > 1 {
            let what = format!("the database has {count} rows that are the same {}", subject.name);
            return Err(Failed::new(ExitCode::SchemaMismatch, what).into());
        }
        rows.first().map(|row| columns(row, |_| true).map(Self)).transpose()
    }

    /// The value of a column; `None` where this generation of the tables does not have it.
    pub(crate) fn get(&self, column: &str) -> Option<&Value> {
        self.0.get(column)
    }

    /// The names of all columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The fields that are shown, in their order.
    pub(crate) fn fields(&self, words: &SubjectWords) -> Fields {
        let told = words.fields.iter();
        told.filter_map(|words| Some((words.field.clone(), self.get(&words.field)?.clone()))).collect()
    }
}
