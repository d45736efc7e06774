//! `each`: runs an action for each row of a table, in as few executions as the rows fit into.
//!
//! Everything that can be judged on the laptop is judged first, all rows at once (`table.rs`, `rows.rs`). Then the
//! results file is written, with the hashes and made passwords in it, and only then anything is started (`parts.rs`).
//! The same command with the same results file goes on where it was.
//!
//! To add an option: `Each` in `args.rs`, and its use here; for one that the container has to know, `Bulk` in the
//! crate `contract`.

mod files;
mod parts;
mod preview;
mod rows;
mod source;
mod standing;
mod table;

use std::path::Path;

use quill_admin_actions::Action;
use quill_admin_contract::{ExitCode, RequestId};
use quill_admin_files::{Unreadable, read_bounded};
use quill_admin_operations::each::{Header, Journal, Passwords};
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::{actions, hints, nearest};

use super::context::Context;
use super::task::TaskOptions;
use crate::args;
use crate::report::EachResults;
use crate::task_command::TaskCommand;
use rows::{Judge, Judged, is_column};
use source::Source;
use standing::Bulk;
use table::{Fault, Table};

/// Largest table that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// The greatest number of rows of a table.
const MOST_ROWS: usize = 2_000;

/// The number of faults that are told; the others are counted.
const MOST_FAULTS: usize = 100;

pub(super) async fn run(
    mut context: Context<'_>,
    args: args::Each,
    tasks: &[TaskCommand],
    mistakes: Option<CliError>,
) -> Result<u8, CliError> {
    if let Some(results) = args.table.as_deref() {
        let journal = open_results(results)?;
        return context.reporter.results_table(&EachResults::of(&journal));
    }
    if let Some(mistakes) = mistakes {
        return Err(mistakes);
    }
    let (command, action) = known(args.action.as_deref().unwrap_or_default(), tasks)?;
    if args.template {
        let names =
            command.parameters.iter().map(|parameter| (parameter.name(), parameter.rule.is_required()));
        return Ok(context.reporter.template(names));
    }
    if args.generate_passwords && !command.parameters.iter().any(|parameter| parameter.rule.is_secret()) {
        return Err(CliError::usage(format!("--generate-passwords: {} sets no password", command.name)));
    }
    if args.flags.expect.is_some() {
        return Err(CliError::usage("--expect is for one plan, and each row has its own: use --preview"));
    }
    let options = TaskOptions::of_a_change(&mut context.form, args.flags);
    let options = TaskOptions { writes: command.writes, can_be_previewed: command.previews, ..options };
    if options.preview && !options.can_be_previewed {
        return Err(CliError::usage(format!("{} only reads, so it can be run as it is", command.name)));
    }
    if args.from.is_none() {
        context.form.need("--from");
    }
    if args.results.is_none() && !options.dry_run {
        context.form.need("--results");
    }
    context.need_environment()?;
    context.form.check()?;
    let from = &*context.table_file(args.from)?;
    let table = read_table(&context.process.cwd.join(from), command)
        .map_err(|faults| told(from, command, &faults))?;
    // What is wrong with the table is told before anybody is asked which environment is meant.
    let (environment, job) = context.environment_for_task(&command.name, &options)?;
    let judge = Judge {
        command,
        action,
        environment: &environment.name,
        project: environment.job.project.as_str(),
        generate: args.generate_passwords,
    };
    let judged = judge.judge(table).map_err(|faults| told(from, command, &faults))?;
    let header = |judged: &Judged| Header {
        run: RequestId::new(),
        environment: environment.name.clone(),
        job: job.to_string(),
        action: command.name.clone(),
        digest: action.digest().to_string(),
        atomic: args.atomic,
        passwords: judged.source(),
        table: judged.digest(),
    };
    let path = match args.results {
        None if options.dry_run => None,
        given => Some(context.process.cwd.join(context.results_file(given, from)?)),
    };
    let journal = match &path {
        Some(path) => Journal::open(path)?,
        None => None,
    };
    let source = match journal {
        Some(journal) => {
            same(journal.header(), &header(&judged), from)?;
            judged.same_passwords(&journal).map_err(|faults| told(from, command, &faults))?;
            Source::Journal(journal)
        }
        None => Source::Table { header: header(&judged), judged, path },
    };
    let opening = context.open_for_task(&environment, &job, &options)?;
    let bulk = Bulk { name: command.name.clone(), action, job, options, max_errors: args.max_errors };
    context.run_bulk(opening, bulk, source).await
}

/// The command and the action of a name, if it can be run for rows.
fn known<'a>(name: &str, tasks: &'a [TaskCommand]) -> Result<(&'a TaskCommand, &'static Action), CliError> {
    let is_it = |task: &&TaskCommand| task.name == name || task.aliases.iter().any(|alias| alias == name);
    let refused =
        |why: &str| Err(CliError::usage(format!("{name} is not run for each row of a table: {why}")));
    let Some(command) = tasks.iter().find(is_it) else {
        let error = CliError::usage(format!("there is no action \"{}\"", name.escape_debug()));
        let meant = nearest(name, tasks.iter().map(|task| task.name.as_str()));
        return Err(match meant {
            Some(meant) => error.hint(format!("did you mean \"{meant}\"?")),
            None => error.hint(advice("see which actions there are", &hints::of_actions("actions"))),
        });
    };
    let Some(action) = actions::known(&command.name) else {
        return refused("it is about the whole database");
    };
    if action.is_job() {
        return refused("it runs in a job of the application");
    }
    if action.definition.rows.is_some() {
        return refused("it makes a list itself");
    }
    if command.parameters.is_empty() {
        return refused("it takes no values");
    }
    Ok((command, action))
}

fn read_table(path: &Path, command: &TaskCommand) -> Result<Table, Vec<Fault>> {
    let bytes = read_bounded(path, LARGEST).map_err(|error| vec![Fault::new(0, unreadable(&error))])?;
    let is_known = |name: &str| command.parameters.iter().any(|parameter| is_column(parameter, name));
    let table = table::read(&bytes, is_known).map_err(|fault| vec![fault])?;
    if table.rows.len() > MOST_ROWS {
        let what = format!(
            "it has {} rows, and at most {MOST_ROWS} are run at a time: split it, and give each part a results file of \
             its own",
            table.rows.len()
        );
        return Err(vec![Fault::new(0, what)]);
    }
    Ok(table)
}

fn unreadable(error: &Unreadable) -> String {
    format!("failed to read it: {error}")
}

/// All faults of a table as one error.
fn told(from: &Path, command: &TaskCommand, faults: &[Fault]) -> CliError {
    let file = from.display();
    let count = faults.len();
    let line = |fault: &Fault| match fault.line {
        0 => format!("{file}: {}", fault.what),
        line => format!("{file}:{line}: {}", fault.what),
    };
    let mut messages: Vec<String> = faults.iter().take(MOST_FAULTS).map(line).collect();
    if count > MOST_FAULTS {
        messages.push(format!("and {} more", count - MOST_FAULTS));
    }
    messages.push(match count {
        1 => "nothing was started".to_owned(),
        count => format!("{count} mistakes; nothing was started"),
    });
    let mut error = CliError::usage("");
    error.messages = messages;
    // The header is the first line.
    if faults.iter().any(|fault| fault.line == 1) {
        let template = hints::of_actions(&format!("each {} --template", command.name));
        error = error.hint(advice("print a header to fill in", &template));
    }
    error
}

fn open_results(path: &Path) -> Result<Journal, CliError> {
    Journal::open(path)?.ok_or_else(|| {
        CliError::usage(format!("there is no file {}", path.display()))
            .hint("name the results file of the run, as --results or the answer to its question named it")
    })
}

/// Refuses to go on with a run that is another one.
fn same(there: &Header, here: &Header, from: &Path) -> Result<(), CliError> {
    let mut hint = "rows that are done in it are done: make a table of those that are left, and name another file with \
                    --results";
    let differs = if there.action != here.action {
        format!("is of {}", there.action)
    } else if (&there.environment, &there.job) != (&here.environment, &here.job) {
        format!("is of environment {} ({})", there.environment, there.job)
    } else if there.table != here.table {
        format!("is of another table: {} has been changed since, or is another one", from.display())
    } else if there.passwords != here.passwords {
        match there.passwords {
            Passwords::Made if here.passwords == Passwords::None => {
                hint = "to go on with it, add --generate-passwords";
            }
            Passwords::None if here.passwords == Passwords::Made => {
                hint = "to go on with it, leave out --generate-passwords";
            }
            _ => {}
        }
        let from = |passwords: Passwords| match passwords {
            Passwords::Made => "with --generate-passwords",
            Passwords::Given => "with passwords in the table",
            Passwords::None => "without passwords",
        };
        format!("is of a run {}, and this one is {}", from(there.passwords), from(here.passwords))
    } else if there.digest != here.digest {
        format!("is of another version of {}", there.action)
    } else if there.atomic != here.atomic {
        let was = if there.atomic { "with" } else { "without" };
        hint = if there.atomic {
            "to go on with it, add --atomic"
        } else {
            "to go on with it, leave out --atomic"
        };
        format!("is of a run {was} --atomic")
    } else {
        return Ok(());
    };
    Err(CliError::new(ExitCode::Usage, format!("the results file {differs}; nothing was started")).hint(hint))
}
