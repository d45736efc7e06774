//! `man`: writes the manual pages, one for each command.

use std::fs;
use std::path::Path;

use clap_mangen::roff::{Inline, Roff, bold, roman};
use quill_admin_contract::ExitCode;
use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::args::{self, Man};
use crate::help::manual::{FILES, VARIABLES, exit_codes};
use crate::task_command::TaskCommand;

pub(super) fn run(context: &Context<'_>, tasks: &[TaskCommand], args: &Man) -> Result<u8, CliError> {
    let folder = context.process.cwd.join(&args.folder);
    let mut pages = Vec::new();
    let mut command = args::command(tasks);
    command.build();
    fs::create_dir_all(&folder)
        .and_then(|()| write(&command, tasks, None, &[], &folder, &mut pages))
        .map_err(|error| CliError::usage(format!("failed to write to {}: {error}", folder.display())))?;
    pages.sort();
    Ok(context.reporter.manual(&folder, &pages))
}

/// Writes the page of a command, which is called by these words after the program's name, and those of the commands
/// below it.
fn write(
    command: &clap::Command,
    tasks: &[TaskCommand],
    above: Option<&str>,
    words: &[&str],
    folder: &Path,
    pages: &mut Vec<String>,
) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let below: Vec<&clap::Command> = command.get_subcommands().filter(|one| !one.is_hide_set()).collect();
    let page = clap_mangen::Man::new(command.clone())
        .source(format!("quill-admin {}", env!("CARGO_PKG_VERSION")))
        .manual("Quill admin");
    let mut text = Vec::new();
    page.render(&mut text)?;
    let others = below.iter().map(|one| one.get_display_name().unwrap_or_else(|| one.get_name()));
    let is_task = tasks.iter().any(|task| task.name == command.get_name());
    let codes: Vec<ExitCode> = match above {
        None => ExitCode::ALL.to_vec(),
        Some(_) => exit_codes(words, is_task).collect(),
    };
    sections(above, &codes, above.into_iter().chain(others)).to_writer(&mut text)?;
    fs::write(folder.join(page.get_filename()), text)?;
    pages.push(page.get_filename());
    below.into_iter().try_for_each(|command| {
        let words: Vec<&str> = words.iter().copied().chain([command.get_name()]).collect();
        write(command, tasks, Some(&name), &words, folder, pages)
    })
}

/// The sections that clap does not know. What is the same for all commands stands on the program's own page,
/// which is the one with nothing above it.
fn sections<'a>(above: Option<&str>, codes: &[ExitCode], others: impl Iterator<Item = &'a str>) -> Roff {
    let mut roff = Roff::new();
    let whole = above.is_none();
    roff.control("SH", ["EXIT STATUS"]);
    for code in codes {
        tagged(&mut roff, &code.to_string(), &code.meaning().replace("**", ""));
    }
    roff.control("SH", ["ENVIRONMENT"]);
    let variables = VARIABLES.iter().filter(|(name, _)| whole || *name == "QUILL_ADMIN_ENV");
    for (name, what) in variables {
        tagged(&mut roff, name, what);
    }
    roff.control("SH", ["FILES"]);
    for (name, what) in FILES.iter().take(if whole { FILES.len() } else { 1 }) {
        tagged(&mut roff, name, what);
    }
    if !whole {
        let rest = "All exit codes, variables and files are in ";
        roff.control("PP", []);
        roff.text([roman(rest), bold("quill-admin"), roman("(1).")]);
    }
    roff.control("SH", ["SEE ALSO"]);
    let mut line: Vec<Inline> = Vec::new();
    for name in others {
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.extend([bold(name), roman("(1)")]);
    }
    roff.text(line);
    roff
}

/// A term, and below it what it means.
fn tagged(roff: &mut Roff, term: &str, what: &str) {
    roff.control("TP", []);
    roff.text([bold(term)]);
    roff.text([roman(what)]);
}
