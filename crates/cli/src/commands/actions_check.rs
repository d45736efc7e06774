//! `actions check`: PostgreSQL prepares every statement, on temporary tables.
//!
//! No action is run. The tables are made from the application's schema, or from a dump. Statements that do
//! not fit are reported with their place in the file.
//!
//! To report another kind of misfit: `Problem`, from the variants of `Misfit` in `scratch.rs` of the crate `local`.

use std::path::Path;

use quill_admin_actions::Slot;
use quill_admin_application::{Application as Compiled, Broken, Place, Places};
use quill_admin_contract::ExitCode;
use quill_admin_files::read_piped_text;
use quill_admin_local::{Fit, Misfit, Scratch, Script, Wrong};
use quill_admin_operations::config::Application;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::Event;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::process::Process;
use quill_admin_operations::session::local;

use super::context::Context;
use crate::args::ActionsCheck;
use crate::report::{Checked, Tried};

/// The largest dump that is read, in bytes: enough for a thousand tables.
const LARGEST_DUMP: u64 = 16 << 20;

pub(super) async fn check(
    context: &Context<'_>,
    application: &Application,
    compiled: &Compiled,
    args: &ActionsCheck,
) -> Result<u8, CliError> {
    let (schema, seed) = scripts(application, args.schema.as_deref(), context.process)?;
    let tables = schema.name.clone();
    let emit = context.emit();
    let unusable = |error| local::error(error, None);
    let work = async {
        emit(Event::Doing("starting PostgreSQL"));
        let scratch = Scratch::start(schema, seed).await.map_err(unusable)?;
        emit(Event::Doing("preparing statements"));
        let fit = scratch.fit(&compiled.actions).await.map_err(unusable);
        scratch.stop().await;
        fit
    };
    let fit = context.guard().run(&PointOfNoReturn::new("nothing was changed"), Box::pin(work)).await?;
    if !fit.misfits.is_empty() {
        return Err(unfit(application, compiled, &tables, &fit));
    }
    let left_out =
        fit.left_out.iter().map(|(action, needs)| ((*action).to_owned(), needs.to_string())).collect();
    let tried = Some(Tried { statements: fit.statements, tables: &tables, left_out });
    Ok(context.reporter.actions_checked(&Checked { application, actions: fit.actions, tried }))
}

/// The script that makes the tables, and the one with the first rows where the tables are the application's
/// own.
fn scripts(
    application: &Application,
    dump: Option<&Path>,
    process: &Process,
) -> Result<(Script, Option<Script>), CliError> {
    let Some(dump) = dump else {
        let tables = local::tables(application, process)?;
        return Ok((tables.schema, Some(tables.seed)));
    };
    let sql = read_piped_text(&process.cwd.join(dump), LARGEST_DUMP)
        .map_err(|why| CliError::usage(format!("failed to read {}: {why}", dump.display())))?;
    Ok((Script { name: dump.display().to_string(), sql }, None))
}

/// The error with everything that does not fit, in the order of the file's lines.
fn unfit(application: &Application, compiled: &Compiled, tables: &str, fit: &Fit<'_>) -> CliError {
    let mut told: Vec<Problem<'_>> = Vec::new();
    for misfit in &fit.misfits {
        let one = Problem::of(misfit, compiled);
        // Actions share the statements of their subject: these are named once.
        match told
            .iter_mut()
            .find(|known| (known.place, &known.what, &known.why) == (one.place, &one.what, &one.why))
        {
            Some(known) => known.actions.extend(one.actions),
            None => told.push(one),
        }
    }
    told.sort_by_key(|one| one.place);
    let file = application.actions_file();
    let mut error = CliError::new(ExitCode::SchemaMismatch, "");
    error.messages = told.iter().take(Broken::MOST).map(|one| one.message(&file)).collect();
    if let more @ 1.. = told.len().saturating_sub(Broken::MOST) {
        error.messages.push(format!("{}: and {more} more", file.display()));
    }
    error
        .messages
        .push(format!("the actions do not fit the tables of {tables}; nothing was changed anywhere"));
    error.hint("put the statements right, or say with \"if\" and \"needs\" for which tables they are")
}

/// Something that does not fit, in words.
struct Problem<'a> {
    place: Option<Place>,
    /// The words before the actions, such as "used by" or the role of a statement.
    what: String,
    /// The actions that it belongs to.
    actions: Vec<&'a str>,
    why: String,
}

impl<'a> Problem<'a> {
    fn of(misfit: &Misfit<'a>, compiled: &Compiled) -> Self {
        let Compiled { actions, places } = compiled;
        let schema = &actions.schema;
        let (place, what, actions, why) = match misfit {
            Misfit::NoTable { table, actions } => (
                places.table(table, None),
                "used by",
                actions.clone(),
                format!("there is no table {schema}.{table}"),
            ),
            Misfit::NoColumn { table, column, actions } => (
                places.table(table, Some(column)),
                "needed by",
                actions.clone(),
                format!("there is no column {schema}.{table}.{column}"),
            ),
            Misfit::NotFilled { table, column, actions } => (
                places.table(table, Some(column)),
                "for the new rows of",
                actions.clone(),
                format!(
                    "{schema}.{table}.{column} is NOT NULL and has no default: give it a value, and name it in \"knows\""
                ),
            ),
            Misfit::Refused(wrong) => return Self::refused(wrong, places),
        };
        Self { place, what: what.to_owned(), actions, why }
    }

    fn refused(wrong: &Wrong<'a>, places: &Places) -> Self {
        // Where PostgreSQL names no character, it is the statement's first one.
        let character = wrong.character.unwrap_or(1);
        let (place, what, actions) = match wrong.of {
            Ok((action, slot)) => {
                (places.statement(action, slot, wrong.alternative, character), role(slot), vec![action])
            }
            Err(number) => (
                places.expectation(number, wrong.alternative, character),
                format!("query {} of what \"check\" expects", number + 1),
                Vec::new(),
            ),
        };
        Self { place, what, actions, why: wrong.why.clone() }
    }

    fn message(&self, file: &Path) -> String {
        let place = self.place.map(|place| format!(":{place}")).unwrap_or_default();
        let Self { what, why, .. } = self;
        let of = match self.actions.as_slice() {
            [] => what.clone(),
            [first, second, third, _, rest @ ..] => {
                format!("{what} {first}, {second}, {third} and {} more", rest.len() + 1)
            }
            few => format!("{what} {}", few.join(", ")),
        };
        format!("{}{place}: {why} ({of})", file.display())
    }
}

/// The role of a statement in its action.
fn role(slot: Slot<'_>) -> String {
    match slot {
        Slot::Lock => "the subject's lock, of".to_owned(),
        Slot::Query => "the subject's query, of".to_owned(),
        Slot::LookAlikes => "the subject's look_alikes, of".to_owned(),
        Slot::Exists(parameter) => format!("where {parameter} has to exist, of"),
        Slot::Step(index) => format!("step {} of", index + 1),
        Slot::Rows => "the rows of".to_owned(),
    }
}
