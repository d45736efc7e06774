//! `logs`: what an execution has printed.

use std::collections::HashSet;
use std::time::Duration;

use quill_admin_cloud::{CloudErrorKind, ExecutionName, LogEntry, LogSource, Phase};
use quill_admin_contract::ExitCode;
use tokio::time::sleep;

use super::Context;
use super::attach::find;
use crate::args;
use crate::error::CliError;
use crate::events::Event;
use crate::prompt::Interrupt;

/// The quota of 60 reads a minute is everybody's in the project.
const READ_EVERY: Duration = Duration::from_secs(2);
const SLOWEST: Duration = Duration::from_secs(30);
/// How long the log is read on after the end: lines arrive late.
const DRAIN: Duration = Duration::from_secs(6);

pub(super) async fn run(mut context: Context<'_>, args: args::Logs) -> Result<u8, CliError> {
    let (environment, world) = context.world_of(&args.execution).await?;
    let reporter = context.reporter;
    let name = ExecutionName { job: environment.job.clone(), id: args.execution.clone() };
    let entries = read(&world.google.whole_log(&name).await?, &mut HashSet::new());
    if entries.is_empty() && !args.follow {
        // Nothing printed, or no such execution: the second is worth saying.
        find(&world, &environment, &args.execution).await?;
    }
    reporter.logs(&name, &entries);
    if args.follow {
        let mut interrupt = Interrupt::listen();
        context.questions.end();
        let mut seen: HashSet<String> = entries.iter().map(|entry| entry.insert_id.clone()).collect();
        let follow = async {
            let mut pause = READ_EVERY;
            let mut over = None;
            loop {
                if over.is_none()
                    && matches!(find(&world, &environment, &args.execution).await?.phase, Phase::Ended(_))
                {
                    over = Some(tokio::time::Instant::now());
                }
                sleep(pause).await;
                match world.google.whole_log(&name).await {
                    Ok(entries) => {
                        pause = READ_EVERY;
                        reporter.logs(&name, &read(&entries, &mut seen));
                    }
                    Err(error) if error.kind == CloudErrorKind::Quota => {
                        pause = (pause * 2).min(SLOWEST);
                        reporter.event(Event::Trouble(error.to_string()));
                    }
                    Err(error) => return Err(CliError::from(error)),
                }
                if over.is_some_and(|over| over.elapsed() > DRAIN) {
                    return Ok(());
                }
            }
        };
        tokio::select! {
            done = follow => done?,
            () = interrupt.wait() => {
                return Err(CliError::new(ExitCode::Interrupted, "interrupted; the task is not affected"));
            }
        }
    }
    world.close().await?;
    Ok(0)
}

/// The container's lines and Cloud Run's own that have not been seen yet.
fn read(entries: &[LogEntry], seen: &mut HashSet<String>) -> Vec<LogEntry> {
    entries
        .iter()
        .filter(|entry| entry.source != LogSource::Other && seen.insert(entry.insert_id.clone()))
        .cloned()
        .collect()
}
