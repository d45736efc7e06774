//! `build`: makes the admin image, from the sources or from the carried executor, and deploys it to the job.
//!
//! The plan is made and shown first. For the embedded environment the image stays in this machine's Docker
//! engine.

use quill_admin_contract::ExitCode;
use quill_admin_image::{Engine, LATEST};
use quill_admin_operations::admin_image::source::{Made, Options, Source, Way};
use quill_admin_operations::admin_image::{deploy, plan, push};
use quill_admin_operations::config::Application;
use quill_admin_operations::error::CliError;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;

use super::context::Context;
use crate::args;
use crate::report::BuildReport;

pub(super) async fn run(mut context: Context<'_>, args: args::Build) -> Result<u8, CliError> {
    context.need_environment()?;
    context.form.check()?;
    // Options that only a compiler can use ask for compiling.
    let compile = args.from_source || args.source.is_some() || args.no_cache || args.builder_image.is_some();
    let options = Options {
        way: match (compile, args.carried) {
            (true, _) => Way::FromSource,
            (false, true) => Way::Carried,
            (false, false) => Way::AsFits,
        },
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
    if !environment.builds_to_registry() {
        if options.way == Way::Carried {
            return Err(CliError::usage(format!(
                "the image of environment \"{}\" is for this machine's Docker, and is compiled there",
                environment.name
            ))
            .hint("tasks need no image there: run one without --runner docker"));
        }
        let source = Source::of_sources(&context.process.cwd, &options)?;
        return local(context, &environment, source, &options, args.dry_run).await;
    }
    let source = Source::read(context.process, &Application::of(&environment.source), &options)?;
    // Inside a clone the clone is trusted. An assembled image comes from a folder that the settings file may
    // name.
    if let (Made::Assembled(assembled), Some(actions)) = (&source.made, &source.actions) {
        context.confirm_actions(&environment, &assembled.whereabouts, actions)?;
    }
    let session = context.session(&environment).await?;
    let reporter = context.reporter;
    let plan = plan::look(&session, source, options.force).await?;
    let compiles = plan.existing.is_none() && plan.source.needs_engine();
    let engine = if compiles { Some(connect(&context).await) } else { None };
    let report = |plan| BuildReport { environment: &environment, plan, engine: engine.as_ref() };
    if args.dry_run {
        return Ok(reporter.build_plan(&report(&plan), true, false));
    }
    let done = plan.is_done();
    if !done {
        reporter.build_plan(&report(&plan), false, context.form.asked());
    }
    let engine = match engine {
        Some(Ok(engine)) => Some(engine),
        Some(Err(error)) => return Err(error),
        None => None,
    };
    if !done {
        context.agree_to_lose(&environment, plan.loses(), args.overwrite)?;
        context.agree(&environment, args.confirm.as_deref(), false)?;
    }
    let mut guard = context.guard();
    reporter.begin();
    let point = PointOfNoReturn::new("the job is as it was, nothing was deployed");
    let work = Box::pin(deploy::carry_out(&session, plan, engine.as_ref(), &options, &point));
    let built = guard.run(&point, work).await?;
    Ok(reporter.built(&environment, &built))
}

/// Builds for the embedded environment: the image stays in this machine's Docker engine.
async fn local(
    mut context: Context<'_>,
    environment: &quill_admin_operations::config::Environment,
    source: Source,
    options: &Options,
    dry_run: bool,
) -> Result<u8, CliError> {
    let reporter = context.reporter;
    let mut plan = plan::Plan::for_this_machine(environment, source);
    plan.notes.push("nothing is pushed: tasks run it with --runner docker".to_owned());
    let engine = connect(&context).await;
    let report = BuildReport { environment, plan: &plan, engine: Some(&engine) };
    reporter.build_plan(&report, dry_run, context.form.asked());
    if dry_run {
        return Ok(0);
    }
    let engine = engine?;
    context.agree(environment, None, false)?;
    let mut guard = context.guard();
    reporter.begin();
    let emit = context.emit();
    let work = async {
        match &plan.source.made {
            Made::Compiled(compiled) => push::build(&engine, &plan, compiled, options, None, &emit).await,
            // Only an image that is compiled gets here.
            Made::Assembled(_) => Err(CliError::new(ExitCode::Unexpected, "nothing was to be compiled")),
        }
    };
    let work = Box::pin(work);
    let image = guard.run(&PointOfNoReturn::new("no image was made"), work).await?;
    engine.tag(&image.id, &plan.image, LATEST).await?;
    Ok(reporter.built_locally(environment, &image))
}

async fn connect(context: &Context<'_>) -> Result<Engine, CliError> {
    let process = context.process;
    Engine::connect(|name| process.var(name).map(str::to_owned)).await.map_err(CliError::from)
}
