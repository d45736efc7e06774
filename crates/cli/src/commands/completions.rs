//! `completions`: prints the script that lets a shell complete command lines.

use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::args;
use crate::completion;
use crate::task_command::TaskCommand;

pub(super) fn run(
    context: &Context<'_>,
    tasks: &[TaskCommand],
    args: &args::Completions,
) -> Result<u8, CliError> {
    Ok(context.reporter.script(&completion::script(args.shell, tasks)?))
}
