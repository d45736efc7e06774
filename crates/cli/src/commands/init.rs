//! `init`: writes a settings file, for a person who has none.

use quill_admin_operations::config::init;
use quill_admin_operations::error::CliError;

use super::context::Context;

pub(super) fn run(context: &Context<'_>) -> Result<u8, CliError> {
    let written = init::write(context.process, context.global.config.as_deref(), context.form.attended())?;
    Ok(context.reporter.settings_written(&written))
}
