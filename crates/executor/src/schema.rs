//! Whether the tables are those this image knows, looked up before anything is written.

use quill_admin_contract::{ExitCode, Failure};
use tokio_postgres::Client;

use crate::failure::{ActionError, Failed};
use crate::sql;

/// Every column the statements name.
const NEEDED: [(&str, &[&str]); 3] = [
    (
        "users",
        &[
            "id",
            "username",
            "email",
            "password_hash",
            "is_active",
            "totp_secret",
            "is_totp_enabled",
            "base_profession",
            "additional_competencies",
            "removed_competencies",
            "professional_registrations",
            "system_permissions",
            "fhir_patient_id",
        ],
    ),
    ("roles", &["id", "name"]),
    ("user_role", &["user_id", "role_id"]),
];

/// The column that came in August 2026.
const EMAIL_VERIFIED: &str = "email_verified";

/// What was found.
pub(crate) struct Schema {
    /// Whether `users.email_verified` is there.
    pub(crate) email_verified: bool,
    /// Columns that must be given a value and that no statement of ours names, as `table.column`.
    pub(crate) unknown_required: Vec<String>,
    /// The TLS version in use.
    pub(crate) tls: Option<String>,
}

/// One of the tables, as the server describes it.
struct Table {
    name: String,
    visible: bool,
    /// A schema that has it and that the user may not enter.
    hidden_in: Option<String>,
    columns: Vec<String>,
    /// Columns an INSERT has to name.
    required: Vec<String>,
}

/// Reads the tables' layout and refuses one that the statements would fail on.
pub(crate) async fn verify(client: &Client) -> Result<Schema, ActionError> {
    let mut tables = Vec::new();
    let mut tls = None;
    for row in client.query_typed(sql::SCHEMA, &[]).await? {
        tables.push(Table {
            name: row.try_get(0)?,
            visible: row.try_get(1)?,
            hidden_in: row.try_get(2)?,
            columns: row.try_get(3)?,
            required: row.try_get(4)?,
        });
        tls = row.try_get(5)?;
    }
    Ok(judge(&tables, tls)?)
}

fn judge(tables: &[Table], tls: Option<String>) -> Result<Schema, Failed> {
    let mut missing = Vec::new();
    let mut unknown_required = Vec::new();
    let mut email_verified = false;
    for (name, needed) in NEEDED {
        let Some(table) = tables.iter().find(|table| table.name == name && table.visible) else {
            let hidden =
                tables.iter().find(|table| table.name == name).and_then(|table| table.hidden_in.as_ref());
            if let Some(schema) = hidden {
                let message = format!(
                    "the database refused: the user has no right to use the schema {schema}, which holds the \
                     table {name}; nothing was changed"
                );
                return Err(Failed::new(ExitCode::DatabaseRefused, message));
            }
            missing.push(name.to_owned());
            continue;
        };
        let has = |column: &str| table.columns.iter().any(|there| there == column);
        missing.extend(needed.iter().filter(|column| !has(column)).map(|column| format!("{name}.{column}")));
        if name == "users" {
            email_verified = has(EMAIL_VERIFIED);
        }
        let known = |column: &str| needed.contains(&column) || (name == "users" && column == EMAIL_VERIFIED);
        let unknown = table.required.iter().filter(|column| !known(column));
        // Rows of this table are the application's to make.
        if name != "roles" {
            unknown_required.extend(unknown.map(|column| format!("{name}.{column}")));
        }
    }
    if missing.is_empty() {
        return Ok(Schema { email_verified, unknown_required, tls });
    }
    let message = format!(
        "the database is not laid out as this image knows it: missing {}; nothing was changed. Is this the \
         right database, and is the image as new as the application?",
        missing.join(", ")
    );
    let failure = Failure { missing_columns: missing, ..Failure::new(message) };
    Err(Failed { code: ExitCode::SchemaMismatch, failure })
}
