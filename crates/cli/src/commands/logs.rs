//! `logs`: what an execution has printed.

use quill_admin_cloud::{ExecutionName, LogSource};
use quill_admin_contract::ExitCode;

use super::Context;
use crate::args;
use crate::error::CliError;
use crate::events::Event;
use crate::flow::follow::follow_log;
use crate::flow::run::find;
use crate::prompt::Interrupt;

pub(super) async fn run(mut context: Context<'_>, args: args::Logs) -> Result<u8, CliError> {
    let (environment, world) = context.world_of(&args.execution).await?;
    let reporter = context.reporter;
    let name = ExecutionName { job: environment.job.clone(), id: args.execution.clone() };
    let found =
        if args.follow { Some(find(&world.google, &environment, &args.execution).await) } else { None };
    if let Some(Ok(execution)) = found {
        let mut interrupt = Interrupt::listen();
        context.questions.end();
        let emit = |event| match event {
            Event::Log(entry) => reporter.logs(&name, &[entry]),
            Event::Trouble(_) | Event::Detail(_) => reporter.event(event),
            // What a log says of it is enough.
            _ => {}
        };
        tokio::select! {
            followed = follow_log(&world.google, execution, &emit) => followed?,
            _ = interrupt.wait() => {
                return Err(CliError::new(ExitCode::Interrupted, "interrupted; the task is not affected"));
            }
        }
    } else {
        // What Cloud Run has forgotten is over, and may still be in the log.
        let mut entries = world.google.whole_log(&name).await?;
        entries.retain(|entry| entry.source != LogSource::Other);
        if entries.is_empty() {
            // Nothing printed, or no such execution: the second is worth saying.
            find(&world.google, &environment, &args.execution).await?;
        }
        reporter.logs(&name, &entries);
    }
    world.close().await?;
    Ok(0)
}
