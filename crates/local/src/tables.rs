//! The SQL files that make the application's tables and their first rows.

use sha2::{Digest as _, Sha256};
use tokio_postgres::Client;
use tokio_postgres::error::ErrorPosition;

use crate::LocalError;

/// The scripts that make the content of a new database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// The script that makes the tables.
    pub schema: Script,
    /// The script that inserts the first rows.
    pub seed: Script,
}

/// SQL commands of a file. It may be a dump of `pg_dump --schema-only --no-owner --no-privileges`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The name of the file in messages.
    pub name: String,
    /// Its content.
    pub sql: String,
}

impl Tables {
    /// The digest that tells these tables from others: the SHA-256, in hexadecimal, of the SQL that makes
    /// them. The first rows are not part of it: they change with every use.
    #[must_use]
    pub fn digest(&self) -> String {
        hex::encode(Sha256::digest(&self.schema.sql))
    }
}

impl Script {
    /// Runs the commands, in one transaction unless they say otherwise.
    pub(crate) async fn run(&self, client: &Client) -> Result<(), LocalError> {
        let sql = without_restrictions(&self.sql);
        client.batch_execute(&sql).await.map_err(|error| self.refused(error, &sql))?;
        // A dump sets its own search path, which must not apply to later statements.
        let reset = client.batch_execute("RESET ALL").await;
        reset.map_err(|source| LocalError::database("create the tables in", source))
    }

    fn refused(&self, error: tokio_postgres::Error, sql: &str) -> LocalError {
        let Some(said) = error.as_db_error() else {
            return LocalError::database("create the tables in", error);
        };
        let place = match said.position() {
            Some(ErrorPosition::Original(character)) => Some(place(sql, *character)),
            _ => None,
        };
        LocalError::Script { name: self.name.clone(), place, why: said.message().to_owned() }
    }
}

/// The commands without the two commands of psql that `pg_dump` has put around them since August 2025 (15.14,
/// 16.10, 17.6): these restrict psql to SQL, and nothing else is run here. An empty line takes the place of
/// each, so that the other lines keep their numbers.
fn without_restrictions(sql: &str) -> String {
    let is_restriction =
        |line: &str| ["\\restrict ", "\\unrestrict "].iter().any(|word| line.starts_with(word));
    sql.split_inclusive('\n').map(|line| if is_restriction(line) { "\n" } else { line }).collect()
}

/// Line and column, from 1, of a character that PostgreSQL counts from 1.
fn place(sql: &str, character: u32) -> (usize, usize) {
    let before: String = sql.chars().take((character as usize).saturating_sub(1)).collect();
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_is_read_without_what_is_for_psql() {
        let dump = "\\restrict abc\nCREATE TABLE t (x text DEFAULT '\\restrict');\n\\unrestrict abc\n";
        assert_eq!(without_restrictions(dump), "\nCREATE TABLE t (x text DEFAULT '\\restrict');\n\n");
    }

    #[test]
    fn a_character_has_a_line_and_a_column() {
        let sql = "é;\nSELECT x";
        assert_eq!([1, 2, 4, 11].map(|character| place(sql, character)), [(1, 1), (1, 2), (2, 1), (2, 8)]);
    }

    #[test]
    fn other_tables_have_another_digest_and_other_rows_do_not() {
        let script = |sql: &str| Script { name: "x".to_owned(), sql: sql.to_owned() };
        let tables =
            |schema: &str, seed: &str| Tables { schema: script(schema), seed: script(seed) }.digest();
        assert_eq!(tables("a", "b"), tables("a", "c"));
        assert_ne!(tables("a", "b"), tables("b", "b"));
        assert_eq!(
            tables("abc", "").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
