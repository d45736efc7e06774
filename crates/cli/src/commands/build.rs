//! `build`: the admin image, from source to the job that runs it.

use quill_admin_contract::ExitCode;
use quill_admin_image::Engine;

use super::Context;
use crate::args;
use crate::config::Place;
use crate::error::CliError;
use crate::flow::build::{self, LATEST, Options, Source};
use crate::prompt::Interrupt;
use crate::report::BuildReport;

pub(super) async fn run(mut context: Context<'_>, args: args::Build) -> Result<u8, CliError> {
    context.need_environment();
    context.form.check()?;
    let options = Options {
        source: args.source,
        force: args.force,
        no_cache: args.no_cache,
        builder_image: args
            .builder_image
            .or_else(|| context.process.var("QUILL_ADMIN_BUILDER_IMAGE").map(str::to_owned)),
    };
    let environment = context.environment()?;
    if !args.dry_run {
        context.gate(&environment, args.confirm.as_deref())?;
    }
    let source = Source::read(&context.process.cwd, &options)?;
    let embedded = matches!(environment.place, Place::Embedded { .. });
    if embedded {
        return local(context, &environment, source, &options, args.dry_run).await;
    }
    let opening = context.open_environment(&environment)?;
    let reporter = context.reporter;
    let emit = |event| reporter.event(event);
    let world = opening.wait(&emit).await?;
    let token = build::registry_token(world.sign_in.as_ref()).await?;
    let plan = build::look(&world.google, &environment, source, token.as_ref(), options.force, &emit).await?;
    let engine = if plan.existing.is_some() { None } else { Some(connect(&context).await) };
    let report = |plan| BuildReport { environment: &environment, plan, engine: engine.as_ref() };
    if args.dry_run {
        return Ok(reporter.build_plan(&report(&plan), true));
    }
    let done = plan.is_done();
    if !done {
        reporter.build_plan(&report(&plan), false);
    }
    let engine = match engine {
        Some(Ok(engine)) => Some(engine),
        Some(Err(error)) => return Err(error),
        None => None,
    };
    if !done {
        context.confirm(&environment, args.confirm.as_deref())?;
    }
    // Before the questions' own listener goes: no Ctrl-C falls between the two.
    let mut interrupt = Interrupt::listen();
    context.questions.end();
    reporter.begin();
    let committed = std::sync::atomic::AtomicBool::new(false);
    let commit = || committed.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut work = std::pin::pin!(build::carry_out(
        &world.google,
        &environment,
        plan,
        world.sign_in.as_ref(),
        engine.as_ref(),
        &options,
        &emit,
        commit,
    ));
    let built = loop {
        tokio::select! {
            built = &mut work => break built?,
            _ = interrupt.wait() => {
                if !committed.load(std::sync::atomic::Ordering::SeqCst) {
                    return Err(CliError::new(
                        ExitCode::Interrupted,
                        "interrupted; the job is as it was, nothing was deployed",
                    ));
                }
                // The change of the job is under way: its answer is worth waiting for.
            }
        }
    };
    Ok(reporter.built(&environment, &built))
}

/// For the environment on this machine the image stays in this machine's engine.
async fn local(
    context: Context<'_>,
    environment: &crate::config::Environment,
    source: Source,
    options: &Options,
    dry_run: bool,
) -> Result<u8, CliError> {
    let reporter = context.reporter;
    let plan = build::Plan {
        source,
        image: environment.image.clone(),
        existing: None,
        job: None,
        notes: vec!["nothing is pushed: tasks run it with --runner docker".to_owned()],
    };
    let engine = connect(&context).await;
    reporter.build_plan(&BuildReport { environment, plan: &plan, engine: Some(&engine) }, dry_run);
    if dry_run {
        return Ok(0);
    }
    let engine = engine?;
    let mut interrupt = Interrupt::listen();
    context.questions.end();
    reporter.begin();
    let emit = |event| reporter.event(event);
    let image = tokio::select! {
        image = build::build(&engine, &plan, options, &emit) => image?,
        _ = interrupt.wait() => {
            return Err(CliError::new(ExitCode::Interrupted, "interrupted; no image was made"));
        }
    };
    engine.tag(&image.id, &plan.image, LATEST).await?;
    Ok(reporter.built_locally(environment, &image))
}

async fn connect(context: &Context<'_>) -> Result<Engine, CliError> {
    let process = context.process;
    Engine::connect(|name| process.var(name).map(str::to_owned)).await.map_err(CliError::from)
}
