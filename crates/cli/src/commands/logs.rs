//! `logs`: shows the log of an execution.

use std::sync::Arc;

use quill_admin_cloud::{ExecutionName, LogSource};
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::{Emit, Event};
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::session::Session;
use quill_admin_operations::task::follow::follow_log;
use quill_admin_operations::task::jobs::{find, possible};

use super::context::Context;
use super::guard::close;
use crate::args;

pub(super) async fn run(mut context: Context<'_>, args: args::Logs) -> Result<u8, CliError> {
    let session = context.session_of(&args.execution).await?;
    let code = show(&session, &context, &args).await;
    close(context.reporter, session).await;
    code
}

async fn show(session: &Session, context: &Context<'_>, args: &args::Logs) -> Result<u8, CliError> {
    let reporter = context.reporter;
    let found = if args.follow { Some(find(session, &args.execution).await) } else { None };
    if let Some(Ok(execution)) = found {
        let name = execution.name.clone();
        let mut guard = context.guard();
        let emit: Emit = {
            let reporter = Arc::clone(reporter);
            Arc::new(move |event| match event {
                Event::Log(entry) => reporter.logs(&name, &[entry]),
                Event::Trouble(_) | Event::Detail(_) => reporter.event(event),
                // The log tells enough about it.
                _ => {}
            })
        };
        let followed = session.with_emit(emit);
        let work = async {
            tokio::select! {
                biased;
                followed = follow_log(&followed, execution) => Ok(followed?),
                // Nobody reads on, or nothing can be written any more, which has been reported.
                () = reporter.stdout_lost() => Ok(()),
            }
        };
        guard.run(&PointOfNoReturn::new("the task is not affected"), Box::pin(work)).await?;
    } else {
        // An execution that Cloud Run has forgotten is over, and may still be in the log.
        let mut shown = None;
        for job in possible(session.environment(), &args.execution) {
            let name = ExecutionName { job, id: args.execution.clone() };
            let mut entries = session.google().whole_log(&name).await?;
            entries.retain(|entry| entry.source != LogSource::Other);
            if !entries.is_empty() {
                shown = Some((name, entries));
                break;
            }
        }
        let (name, entries) = match shown {
            Some(shown) => shown,
            // Either nothing was printed, or there is no such execution, which is worth an error.
            None => (find(session, &args.execution).await?.name, Vec::new()),
        };
        reporter.logs(&name, &entries);
    }
    Ok(0)
}
