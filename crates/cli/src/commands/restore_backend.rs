//! `restore-backend`: gives the backend service its own image back.

use quill_admin_image::Engine;
use quill_admin_operations::backend::candidate::{self, Source};
use quill_admin_operations::backend::rollout;
use quill_admin_operations::error::CliError;
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;

use super::context::Context;
use crate::args;
use crate::report::RestoreReport;

pub(super) async fn run(mut context: Context<'_>, args: args::RestoreBackend) -> Result<u8, CliError> {
    context.need_environment()?;
    context.form.check()?;
    let environment = context.environment()?;
    if !environment.has_surroundings() {
        return Err(CliError::usage(format!("environment \"{}\" has no backend service", environment.name))
            .hint(hints::advice("see the other environments with", &hints::of_file("envs"))));
    }
    let backend = candidate::backend(&environment)?;
    if !args.dry_run {
        context.gate(&environment, args.confirm.as_deref())?;
    }
    let source = match &args.from_source {
        Some(folder) => Some(Source::read(&context.process.cwd.join(folder), backend)?),
        None => None,
    };
    let session = context.session(&environment).await?;
    let reporter = context.reporter;
    let mut found = candidate::look(&session).await?;
    if let Some(source) = &source {
        found.candidate = Some(source.candidate(backend));
    } else if !args.force {
        if found.healthy {
            return Ok(reporter.restored(&environment, &found.service, false));
        }
        found.is_certain(&environment)?;
    }
    let Some(mut candidate) = found.candidate.clone() else {
        return Err(candidate::no_candidate(&environment, found.passed_over));
    };
    let report = RestoreReport { environment: &environment, backend, found: &found, candidate: &candidate };
    reporter.restore_plan(&report, args.dry_run, context.form.asked());
    if args.dry_run {
        return Ok(0);
    }
    let builder = match source {
        Some(source) => {
            Some((source, Engine::connect(|name| context.process.var(name).map(str::to_owned)).await?))
        }
        None => None,
    };
    context.agree(&environment, args.confirm.as_deref(), false)?;

    let mut guard = context.guard();
    reporter.begin();
    let point = PointOfNoReturn::new("the service is as it was, nothing was deployed");
    let work = Box::pin(async {
        if let Some((source, engine)) = builder {
            candidate = candidate::build(&session, source, &found, &engine, args.no_cache).await?;
        }
        rollout::deploy(&session, &found.service, &candidate.image, &point).await
    });
    let service = guard.run(&point, work).await?;
    Ok(reporter.restored(&environment, &service, true))
}
