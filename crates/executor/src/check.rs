//! The built-in action `check`: finds out whether the declared actions could run on this database; changes
//! nothing.
//!
//! To examine more: the order is that of [`perform`]; a new part of the report is a field of `DatabaseReport` in the
//! crate `contract`, and `checks/database_check.rs` of the crate `doctor` makes findings from it.

use std::collections::BTreeSet;

use quill_admin_actions::{Action, Actions, Condition, Expectation, Right, Statement};
use quill_admin_contract::{DatabaseReport, ExitCode, Expected, Outcome, Unavailable, Warning};
use quill_admin_engine::{Layout, Work, sql_type};
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::action::Done;
use crate::failure::{ActionError, Failed, why_refused};
use crate::sql;

/// The code of the warning that an action cannot run here.
const ACTION_UNFIT: &str = "action_unfit";
/// The code of the warning that the user's own statements find other tables than tasks do.
const OTHER_TABLES: &str = "other_tables";

/// Checks tables, rights, expected rows and every statement of every action.
pub(crate) async fn perform(
    client: &Client,
    server_version: &str,
    actions: &Actions,
    connected: impl FnOnce(&Layout),
) -> Result<Done, ActionError> {
    // The tables are found as the user finds them, before the transaction has a search path of its own.
    let names: Vec<&str> = actions.tables.keys().map(String::as_str).collect();
    let as_found: Vec<u32> =
        client.query_typed_one(sql::TABLES_AS_FOUND, &[(&names, Type::TEXT_ARRAY)]).await?.try_get(0)?;
    let work = Work::start(client, &actions.schema).await?;
    let layout = work.layout(&actions.tables).await?;
    connected(&layout);
    if !layout.unknown_required().is_empty() {
        let message = format!(
            "the database needs a value in {}, which this image does not know: no rows can be added there; nothing \
             was changed",
            layout.unknown_required().join(", ")
        );
        return Err(Failed::new(ExitCode::SchemaMismatch, message).into());
    }
    let rights = rights(client, actions).await?;
    if !rights.unreadable.is_empty() {
        let message = format!(
            "the database refused: the user {} may not read {}",
            rights.user,
            rights.unreadable.join(", ")
        );
        return Err(Failed::new(ExitCode::DatabaseRefused, message).into());
    }
    let mut warnings = Vec::new();
    warnings.extend(elsewhere(client, &as_found, actions, &rights.user).await?);
    let mut expected = Vec::new();
    for expectation in &actions.check {
        let rows = rows(client, expectation, &layout).await?;
        warnings.extend(missing(expectation, &rows));
        expected.push(rows);
    }
    let mut unavailable = Vec::new();
    for action in actions.iter().filter(|action| !action.is_job()) {
        if let Some(needs) = unmet(action, &layout) {
            unavailable.push(Unavailable { action: action.name.clone(), needs });
        } else if let Some(why) = unfit(client, action, &layout).await? {
            let message =
                format!("the action {} cannot be done here: the database refuses it: {why}", action.name);
            warnings.push(Warning::new(ACTION_UNFIT, message));
        }
    }
    let columns = known_columns(actions, &layout);
    let database = DatabaseReport {
        server_version: server_version.to_owned(),
        database: rights.database,
        user: rights.user,
        tls: layout.tls().map(str::to_owned),
        writable: rights.writable,
        columns,
        expected,
        unavailable,
    };
    let message = words(&database);
    Ok(Done {
        outcome: Outcome::Checked { database, warnings },
        message,
        writes: false,
        plan: None,
        undo: None,
        rows: Vec::new(),
    })
}

/// The columns that a database may or may not have, and that this one has.
fn known_columns(actions: &Actions, layout: &Layout) -> Vec<String> {
    let known =
        actions.tables.iter().flat_map(|(table, is)| is.knows.iter().map(move |column| (table, column)));
    known
        .filter(|(table, column)| layout.has(table, column))
        .map(|(table, column)| format!("{table}.{column}"))
        .collect()
}

/// The rights of the connected user.
struct Rights {
    database: String,
    user: String,
    /// Tables that actions read and the user may not read.
    unreadable: Vec<String>,
    /// Whether the user has all rights that actions need, and the database accepts changes at all.
    writable: bool,
}

async fn rights(client: &Client, actions: &Actions) -> Result<Rights, ActionError> {
    let (mut tables, mut privileges) = (Vec::new(), Vec::new());
    for (name, table) in &actions.tables {
        for right in &table.rights {
            tables.push(name.as_str());
            privileges.push(right.as_str());
        }
    }
    let row = client
        .query_typed_one(
            sql::RIGHTS,
            &[
                (&tables, Type::TEXT_ARRAY),
                (&privileges, Type::TEXT_ARRAY),
                (&actions.schema.as_str(), Type::TEXT),
            ],
        )
        .await?;
    let lacking_tables: Vec<String> = row.try_get(3)?;
    let lacking_privileges: Vec<String> = row.try_get(4)?;
    let unreadable: BTreeSet<&String> = lacking_tables
        .iter()
        .zip(&lacking_privileges)
        .filter(|(_, privilege)| *privilege == Right::Select.as_str())
        .map(|(table, _)| table)
        .collect();
    Ok(Rights {
        database: row.try_get(0)?,
        user: row.try_get(1)?,
        unreadable: unreadable.into_iter().cloned().collect(),
        writable: row.try_get::<_, bool>(2)? && lacking_tables.is_empty(),
    })
}

/// The warning that the user finds other tables than tasks do: the application connects as the same user, and
/// reads and changes those tables if it names no schema.
async fn elsewhere(
    client: &Client,
    as_found: &[u32],
    actions: &Actions,
    user: &str,
) -> Result<Option<Warning>, ActionError> {
    let schema = actions.schema.as_str();
    let row = client
        .query_typed_one(sql::TABLES_ELSEWHERE, &[(&as_found, Type::OID_ARRAY), (&schema, Type::TEXT)])
        .await?;
    let tables: Vec<String> = row.try_get(0)?;
    Ok((!tables.is_empty()).then(|| {
        let message = format!(
            "the user {user} finds {} instead of the tables of the schema {schema}, which tasks read and change: if the \
             application names no schema, it does not see what tasks change. See which schema it uses, and what stands \
             in the way: SHOW search_path, as {user}",
            tables.join(", ")
        );
        Warning::new(OTHER_TABLES, message)
    }))
}

/// The rows that the file expects, and those that the database has.
async fn rows(client: &Client, expectation: &Expectation, layout: &Layout) -> Result<Expected, ActionError> {
    let query = expectation.query.choose(|table, column| layout.has(table, column));
    let rows = client.query_typed(&query.sql, &[]).await?;
    let mut found = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    // The server does not sort them, because its order depends on the database's collation.
    found.sort_unstable();
    let missing = expectation.has.iter().filter(|has| !found.contains(has)).cloned().collect();
    Ok(Expected { code: expectation.code.clone(), count: expectation.has.len(), found, missing })
}

fn missing(expectation: &Expectation, rows: &Expected) -> Option<Warning> {
    if rows.missing.is_empty() {
        return None;
    }
    let missing = rows.missing.join(", ");
    Some(Warning::new(&expectation.code, expectation.say.render(|_| missing.clone())))
}

/// The conditions of an action that these tables do not meet.
fn unmet(action: &Action, layout: &Layout) -> Option<String> {
    let holds = |condition: &&Condition| condition.holds(|table, column| layout.has(table, column));
    let unmet = action.definition.needs.iter().filter(|condition| !holds(condition));
    let unmet: Vec<String> = unmet.map(ToString::to_string).collect();
    (!unmet.is_empty()).then(|| unmet.join(" and "))
}

/// The reason why an action cannot run on these tables, if there is one: PostgreSQL is asked to prepare each
/// of its statements, and runs none of them.
async fn unfit(client: &Client, action: &Action, layout: &Layout) -> Result<Option<String>, ActionError> {
    for (_, statement) in action.definition.statements() {
        if let Some(why) = refused(client, statement, layout).await? {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

async fn refused(
    client: &Client,
    statement: &Statement,
    layout: &Layout,
) -> Result<Option<String>, ActionError> {
    let alternative = statement.choose(|table, column| layout.has(table, column));
    let types: Vec<Type> = alternative.binds.iter().map(|bind| sql_type(bind.kind)).collect();
    // Without the savepoint, a refused statement would end the transaction.
    client.batch_execute("SAVEPOINT tried").await?;
    match client.prepare_typed(&alternative.sql, &types).await {
        Ok(_) => {
            client.batch_execute("RELEASE SAVEPOINT tried").await?;
            Ok(None)
        }
        Err(error) => {
            let Some(why) = why_refused(&error) else { return Err(error.into()) };
            client.batch_execute("ROLLBACK TO SAVEPOINT tried").await?;
            Ok(Some(why))
        }
    }
}

/// The report on one line.
fn words(database: &DatabaseReport) -> String {
    let mut parts = vec![
        format!("PostgreSQL {}", database.server_version),
        format!("database {} as {}", database.database, database.user),
        database.tls.clone().unwrap_or_else(|| "no TLS".to_owned()),
    ];
    if !database.columns.is_empty() {
        parts.push(format!("with {}", database.columns.join(" and ")));
    }
    for expected in &database.expected {
        let what = expected.code.strip_suffix("_missing").unwrap_or(&expected.code).replace('_', " ");
        let Expected { count, missing, .. } = expected;
        parts.push(format!("{} of {count} {what}", count.saturating_sub(missing.len())));
    }
    format!(
        "tasks {} here: {}",
        if database.writable { "can run" } else { "can only read" },
        parts.join(", ")
    )
}
