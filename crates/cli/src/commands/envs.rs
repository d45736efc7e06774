//! `envs`: lists the environments.

use super::Context;
use crate::error::CliError;

pub(super) fn run(context: &Context<'_>) -> Result<u8, CliError> {
    let config = context.config()?;
    let names: Vec<String> = config.names().map(str::to_owned).collect();
    let environments =
        names.iter().map(|name| config.environment(name)).collect::<Result<Vec<_>, CliError>>()?;
    Ok(context.reporter.environments(config.path(), &environments))
}
