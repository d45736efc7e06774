//! `man`: writes the manual pages, one for each command.

use std::fs;
use std::path::Path;

use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::args::{self, Man};
use crate::task_command::TaskCommand;

pub(super) fn run(context: &Context<'_>, tasks: &[TaskCommand], args: &Man) -> Result<u8, CliError> {
    let folder = context.process.cwd.join(&args.folder);
    let mut pages = Vec::new();
    // The pages leave out "help" and the help of each command.
    let mut command = args::command(tasks).disable_help_subcommand(true);
    command.build();
    fs::create_dir_all(&folder)
        .and_then(|()| write(&command, &folder, &mut pages))
        .map_err(|error| CliError::usage(format!("failed to write to {}: {error}", folder.display())))?;
    pages.sort();
    Ok(context.reporter.manual(&folder, &pages))
}

fn write(command: &clap::Command, folder: &Path, pages: &mut Vec<String>) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone())
        .source(format!("quill-admin {}", env!("CARGO_PKG_VERSION")))
        .manual("Quill admin");
    page.generate_to(folder)?;
    pages.push(page.get_filename());
    command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
        .try_for_each(|command| write(command, folder, pages))
}
