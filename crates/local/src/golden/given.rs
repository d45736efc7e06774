//! The rows of a case, as SQL.

use std::collections::{BTreeMap, BTreeSet};

use quill_admin_actions::Actions;
use quill_admin_application::examples::{Case, Cell, Examples, Given, Row};
use tokio_postgres::{Client, Error};

/// The columns of a schema's tables, as `table.column`.
pub(super) async fn columns(client: &Client, schema: &str) -> Result<BTreeSet<String>, Error> {
    let sql = "SELECT (table_name || '.' || column_name)::text FROM information_schema.columns WHERE table_schema = $1::text";
    client.query(sql, &[&schema]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The statements that put the rows of a case into these tables, and remove all others.
pub(super) fn statements(
    actions: &Actions,
    examples: &Examples,
    case: &Case,
    columns: &BTreeSet<String>,
) -> String {
    let schema = &actions.schema;
    let is_there = |table: &&String| {
        columns.iter().any(|column| column.split_once('.').is_some_and(|(name, _)| name == **table))
    };
    let tables: Vec<String> =
        actions.tables.keys().filter(is_there).map(|table| qualified(schema, table)).collect();
    let mut sql = "SET LOCAL standard_conforming_strings = on;\n".to_owned();
    if !tables.is_empty() {
        sql.extend(["TRUNCATE ", &tables.join(", "), " CASCADE;\n"]);
    }
    let everywhere = examples.given.iter().filter(|given| !case.without.contains(&given.table));
    for given in everywhere.chain(&case.given) {
        sql.push_str(&insert(schema, given, &examples.defaults, columns));
    }
    sql.push_str(&numbers(schema));
    sql
}

fn insert(
    schema: &str,
    given: &Given,
    defaults: &BTreeMap<String, Row>,
    columns: &BTreeSet<String>,
) -> String {
    let mut row = defaults.get(&given.table).cloned().unwrap_or_default();
    row.extend(given.row.clone());
    row.retain(|column, _| columns.contains(&format!("{}.{column}", given.table)));
    let table = qualified(schema, &given.table);
    if row.is_empty() {
        return format!("INSERT INTO {table} DEFAULT VALUES;\n");
    }
    let names: Vec<String> = row.keys().map(|name| quoted(name)).collect();
    let values: Vec<String> = row.values().map(literal).collect();
    format!("INSERT INTO {table} ({}) VALUES ({});\n", names.join(", "), values.join(", "))
}

/// Gives new rows numbers after those of the given rows.
fn numbers(schema: &str) -> String {
    format!(
        "SELECT setval(pg_get_serial_sequence(quote_ident(table_schema) || '.' || quote_ident(table_name), column_name), 1000)
           FROM information_schema.columns
          WHERE table_schema = {} AND (column_default LIKE 'nextval(%' OR is_identity = 'YES')",
        literal(&Cell::Text(schema.to_owned()))
    )
}

/// The query that counts the rows of a table with these values.
pub(super) fn count(schema: &str, given: &Given, columns: &BTreeSet<String>) -> String {
    let conditions: Vec<String> = given
        .row
        .iter()
        .filter(|(column, _)| columns.contains(&format!("{}.{column}", given.table)))
        .map(|(column, cell)| format!("{}::text IS NOT DISTINCT FROM {}", quoted(column), literal(cell)))
        .collect();
    let conditions = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") };
    format!("SELECT count(*) FROM {} WHERE {conditions}", qualified(schema, &given.table))
}

fn qualified(schema: &str, table: &str) -> String {
    format!("{}.{}", quoted(schema), quoted(table))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A value as a literal, in a transaction with `standard_conforming_strings`.
fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}
