//! The places of compiled statements in the file: PostgreSQL reports a mistake by the number of a character,
//! and a person needs the line.

use std::collections::BTreeMap;
use std::sync::Arc;

use quill_admin_actions::Slot;
use quill_admin_yaml::Place;

use crate::statement::{Draft, Origin};
use crate::tables::TablePlaces;

/// The places of all statements, tables and columns.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places {
    statements: BTreeMap<(String, String), Vec<Arc<Origin>>>,
    expectations: Vec<Vec<Arc<Origin>>>,
    tables: TablePlaces,
}

impl Places {
    pub(crate) fn of_tables(tables: TablePlaces) -> Self {
        Self { tables, ..Self::default() }
    }

    pub(crate) fn insert(&mut self, action: &str, slot: Slot<'_>, draft: &Draft) {
        self.statements.insert((action.to_owned(), key(slot)), origins(draft));
    }

    pub(crate) fn expect(&mut self, draft: &Draft) {
        self.expectations.push(origins(draft));
    }

    /// The place of a character in a statement of an action. `character` is counted from 1, as PostgreSQL
    /// does; `alternative` is counted from 0.
    #[must_use]
    pub fn statement(
        &self,
        action: &str,
        slot: Slot<'_>,
        alternative: usize,
        character: usize,
    ) -> Option<Place> {
        let origins = self.statements.get(&(action.to_owned(), key(slot)))?;
        Some(origins.get(alternative)?.place(character.saturating_sub(1)))
    }

    /// The place where a table or one of its columns is declared; for a column that is not declared, that of
    /// the table.
    #[must_use]
    pub fn table(&self, table: &str, column: Option<&str>) -> Option<Place> {
        let at = |column: Option<&str>| self.tables.get(&(table.to_owned(), column.map(str::to_owned)));
        at(column).or_else(|| at(None)).copied()
    }

    /// The place of a character in a query that `check` expects rows of; `number` is counted from 0.
    #[must_use]
    pub fn expectation(&self, number: usize, alternative: usize, character: usize) -> Option<Place> {
        Some(self.expectations.get(number)?.get(alternative)?.place(character.saturating_sub(1)))
    }
}

fn origins(draft: &Draft) -> Vec<Arc<Origin>> {
    draft.alternatives.iter().map(|alternative| Arc::clone(&alternative.origin)).collect()
}

fn key(slot: Slot<'_>) -> String {
    format!("{slot:?}")
}
