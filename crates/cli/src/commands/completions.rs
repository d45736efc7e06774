//! `completions`: the script that lets a shell complete command lines.

use super::Context;
use crate::args;
use crate::completion;
use crate::error::CliError;

pub(super) fn run(context: &Context<'_>, args: &args::Completions) -> Result<u8, CliError> {
    Ok(context.reporter.script(&completion::script(args.shell)?))
}
