//! `envs`: lists the environments, and confirms the projects that their tasks go to.

use quill_admin_operations::config::{Environment, confirmed};
use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::args;

pub(super) fn run(context: &Context<'_>, args: &args::Envs) -> Result<u8, CliError> {
    let config = context.config()?;
    if args.trust {
        let names: Vec<String> = match &context.global.env {
            Some(name) => vec![name.clone()],
            None => config.names().map(str::to_owned).collect(),
        };
        let environments = names
            .iter()
            .map(|name| config.environment(name))
            .collect::<Result<Vec<Environment>, CliError>>()?;
        let others: Vec<&Environment> = environments.iter().filter(|one| !one.is_embedded()).collect();
        for environment in &others {
            confirmed::remember(environment, context.process)?;
        }
        return Ok(context.reporter.confirmed(&config, &others));
    }
    let only = context.global.env.clone().filter(|_| context.global.env_is_named);
    let names: Vec<String> =
        only.map_or_else(|| config.names().map(str::to_owned).collect(), |name| vec![name]);
    let environments =
        names.iter().map(|name| config.environment(name)).collect::<Result<Vec<_>, CliError>>()?;
    Ok(context.reporter.environments(&config, &environments))
}
