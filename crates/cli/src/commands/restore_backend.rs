//! `restore-backend`: gives the backend service its own image back.

use quill_admin_contract::ExitCode;
use quill_admin_image::Engine;

use super::Context;
use crate::args;
use crate::config::Place;
use crate::error::CliError;
use crate::flow::build::registry_token;
use crate::flow::restore::{self, Source};
use crate::prompt::Interrupt;
use crate::report::RestoreReport;

pub(super) async fn run(mut context: Context<'_>, args: args::RestoreBackend) -> Result<u8, CliError> {
    context.need_environment();
    context.form.check()?;
    let environment = context.environment()?;
    if matches!(environment.place, Place::Embedded { .. }) {
        return Err(CliError::usage(format!("environment \"{}\" has no backend service", environment.name)));
    }
    let backend = restore::backend(&environment)?;
    if !args.dry_run {
        context.gate(&environment, args.confirm.as_deref())?;
    }
    let source = match &args.from_source {
        Some(folder) => Some(Source::read(&context.process.cwd.join(folder), backend)?),
        None => None,
    };
    let opening = context.open_environment(&environment)?;
    let reporter = context.reporter;
    let emit = |event| reporter.event(event);
    let world = opening.wait(&emit).await?;
    let sign_in = world.sign_in.as_ref();
    let token = registry_token(sign_in).await?;
    let google = &world.google;
    let mut found = restore::look(google, &environment, token.as_ref(), &emit).await?;
    if let Some(source) = &source {
        found.candidate = Some(source.candidate(backend));
    } else if found.healthy && !args.force {
        return Ok(reporter.restored(&environment, &found.service, false));
    }
    let Some(mut candidate) = found.candidate.clone() else {
        return Err(restore::no_candidate(&environment, found.passed_over));
    };
    let report = RestoreReport { environment: &environment, backend, found: &found, candidate: &candidate };
    reporter.restore_plan(&report, args.dry_run);
    if args.dry_run {
        return Ok(0);
    }
    let builder = match source {
        Some(source) => {
            Some((source, Engine::connect(|name| context.process.var(name).map(str::to_owned)).await?))
        }
        None => None,
    };
    context.confirm(&environment, args.confirm.as_deref())?;

    // Before the questions' own listener goes: no Ctrl-C falls between the two.
    let mut interrupt = Interrupt::listen();
    context.questions.end();
    reporter.begin();
    let interrupted = |told: &str| CliError::new(ExitCode::Interrupted, format!("interrupted; {told}"));
    let prepare = async {
        if let Some((source, engine)) = builder {
            let no_cache = args.no_cache;
            candidate =
                restore::build(&environment, source, &found, &engine, sign_in, no_cache, &emit).await?;
        }
        restore::unchanged(google, &environment, &found.service).await
    };
    let before = tokio::select! {
        prepared = prepare => prepared?,
        _ = interrupt.wait() => {
            return Err(interrupted("the service is as it was, nothing was deployed"));
        }
    };
    // Not to be broken off: its answer comes soon, and says what can be said then.
    let image = &candidate.image;
    let certain = restore::change(google, &environment, &before, image, &emit).await?;
    let service = tokio::select! {
        ready = restore::wait(google, &environment, &before, image, certain, &emit) => ready?,
        _ = interrupt.wait() => {
            let given = restore::given(image, certain);
            let told = interrupted(&format!("{given}, and Cloud Run goes on without this program"));
            return Err(restore::look_again(&environment, told));
        }
    };
    Ok(reporter.restored(&environment, &service, true))
}
