//! The layout of the tables: the tables and columns that exist, read before anything is done.
//!
//! To know something else of the tables: `LAYOUT`, `Found` and a method of [`Layout`].

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::{Right, Table};
use quill_admin_contract::ExitCode;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::{Error, Failed};

/// The tables of one schema with their columns, in one query that returns a row even where there are none.
///
/// It reads the catalogue and not `information_schema`, which leaves out whatever the user may not read: a
/// missing right would look like a missing column.
const LAYOUT: &str = "\
SELECT session.tls,
       home.oid IS NOT NULL,
       coalesce(has_schema_privilege(home.oid, 'USAGE'), false),
       wanted.name,
       found.oid IS NOT NULL,
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped),
       ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = found.oid AND attnum > 0 AND NOT attisdropped
                AND attnotnull AND NOT atthasdef AND attidentity = '')
  FROM (SELECT (SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid())) AS session (tls)
  LEFT JOIN pg_namespace AS home ON home.nspname::text = $1
  LEFT JOIN unnest($2) AS wanted (name) ON true
  LEFT JOIN pg_class AS found
    ON found.relnamespace = home.oid AND found.relname::text = wanted.name
       AND found.relkind IN ('r', 'p', 'v', 'm', 'f')
 ORDER BY wanted.name";

/// The layout of the tables that actions use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    columns: BTreeMap<String, BTreeSet<String>>,
    unknown_required: Vec<String>,
    tls: Option<String>,
}

/// One of the tables, as the server describes it.
struct Found {
    name: String,
    there: bool,
    columns: BTreeSet<String>,
    /// Columns that an INSERT has to name.
    required: BTreeSet<String>,
}

/// The description of a schema by the server.
#[derive(Default)]
struct Schema {
    there: bool,
    /// Whether the user has the right to use the schema.
    open: bool,
    tls: Option<String>,
    tables: Vec<Found>,
}

impl Layout {
    /// Whether a table has a column; conditions are decided by this.
    #[must_use]
    pub fn has(&self, table: &str, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }

    /// Columns, as `table.column`, that must be given a value and that the actions do not know, in tables
    /// that they add rows to: an INSERT fails there.
    #[must_use]
    pub fn unknown_required(&self) -> &[String] {
        &self.unknown_required
    }

    /// The TLS version of the connection; `None` without TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&str> {
        self.tls.as_deref()
    }
}

/// Reads the layout of tables in a schema, and refuses one on which statements would fail.
pub(crate) async fn read(
    client: &Client,
    schema: &str,
    tables: &BTreeMap<String, Table>,
) -> Result<Layout, Error> {
    let names: Vec<&str> = tables.keys().map(String::as_str).collect();
    let rows = client.query_typed(LAYOUT, &[(&schema, Type::TEXT), (&names, Type::TEXT_ARRAY)]).await?;
    let mut found = Schema::default();
    for row in rows {
        found.tls = row.try_get(0)?;
        found.there = row.try_get(1)?;
        found.open = row.try_get(2)?;
        let set = |place| row.try_get(place).map(|names: Vec<String>| names.into_iter().collect());
        if let Some(name) = row.try_get(3)? {
            let (columns, required) = (set(5)?, set(6)?);
            found.tables.push(Found { name, there: row.try_get(4)?, columns, required });
        }
    }
    Ok(judge(schema, tables, found)?)
}

fn judge(schema: &str, tables: &BTreeMap<String, Table>, found: Schema) -> Result<Layout, Failed> {
    let closed = found.there && !found.open;
    if let Some(table) = found.tables.iter().find(|table| closed && table.there) {
        let what = format!(
            "the database refused: the user has no right to use the schema {schema}, which holds the table {}",
            table.name
        );
        return Err(Failed::new(ExitCode::DatabaseRefused, what));
    }
    let mut missing = Vec::new();
    let mut unknown_required = Vec::new();
    for (name, table) in tables {
        let Some(there) = found.tables.iter().find(|there| there.name == *name && there.there) else {
            missing.push(name.clone());
            continue;
        };
        let lacking = table.needs.difference(&there.columns);
        missing.extend(lacking.map(|column| format!("{name}.{column}")));
        // The application adds the rows of the other tables.
        if table.rights.contains(&Right::Insert) {
            let known = |column: &&String| table.needs.contains(*column) || table.knows.contains(*column);
            let unknown = there.required.iter().filter(|column| !known(column));
            unknown_required.extend(unknown.map(|column| format!("{name}.{column}")));
        }
    }
    if !missing.is_empty() {
        return Err(incomplete(schema, found.there, missing));
    }
    let columns = found.tables.into_iter().map(|table| (table.name, table.columns)).collect();
    Ok(Layout { columns, unknown_required, tls: found.tls })
}

fn incomplete(schema: &str, schema_is_there: bool, missing: Vec<String>) -> Failed {
    let list = missing.join(", ");
    let list = if schema_is_there { list } else { format!("the schema {schema}, and in it {list}") };
    let message = format!(
        "the database is not laid out as this image knows it: missing {list}; nothing was changed. Is this the right \
         database, and is the image as new as the application?"
    );
    Failed { missing_columns: missing, ..Failed::in_words(ExitCode::SchemaMismatch, message) }
}
