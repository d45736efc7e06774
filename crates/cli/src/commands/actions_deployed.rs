//! `actions --env`: compares one's own actions with those of the deployed image.

use quill_admin_actions::Actions;
use quill_admin_contract::ExitCode;
use quill_admin_contract::image_actions::{ActionDigests, ImageActions};
use quill_admin_operations::admin_image::deployed_actions::{Deployed, ImageRevision, Own};
use quill_admin_operations::config::{Application, Environment};
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::session::Runner;

use super::context::Context;
use crate::report::DeployedActions;

/// Reads the actions of an environment's image.
///
/// # Errors
///
/// Fails when there is no job, and when it cannot be read.
pub(super) async fn look<'e>(
    context: &Context<'_>,
    environment: &'e Environment,
    application: &Application,
    actions: &Actions,
) -> Result<DeployedActions<'e>, CliError> {
    let deployed = if environment.builds_to_registry() {
        deployed(context, environment).await?
    } else {
        here(context, actions)
    };
    let cwd = &context.process.cwd;
    let own = Own::of(application, cwd, context.process.built_from);
    let differ = deployed.differences(actions).is_some_and(|changes| !changes.is_empty())
        || deployed.actions == ImageActions::BeforeDeclared;
    let advice = if differ { own.advice(&deployed.revision, &environment.name, cwd) } else { Vec::new() };
    Ok(DeployedActions { environment, deployed, own, advice })
}

async fn deployed(context: &Context<'_>, environment: &Environment) -> Result<Deployed, CliError> {
    let session = context.session(environment).await?;
    let job = session.google().find_job(&environment.job).await?;
    let job = job.ok_or_else(|| {
        CliError::new(
            ExitCode::ResourceNotFound,
            format!("there is no job {} in {}", environment.job.job, environment.job.project),
        )
        .hint(hints::advice("make it with", &hints::command(&environment.name, "build", &[])))
        .at("job")
    })?;
    Ok(Deployed::of(&job.settings))
}

/// The actions of the embedded environment: this program itself is the container, unless Docker runs an
/// image.
fn here(context: &Context<'_>, actions: &Actions) -> Deployed {
    let actions = match context.runner() {
        None | Some(Runner::Process) => ImageActions::Known(ActionDigests::of(actions)),
        Some(Runner::Docker) => ImageActions::NotKnown,
    };
    Deployed { actions, revision: ImageRevision::default() }
}
