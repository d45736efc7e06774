//! The option `--after`: explains one execution that failed, from its log to the checks that can tell why.
//!
//! Only the environment's own job has such checks, and they depend on the exit code alone. To add one for a
//! code: `hints::explaining` in the crate `operations`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use quill_admin_cloud::{LogEntry, Phase};
use quill_admin_contract::ExitCode;
use quill_admin_operations::error::CliError;
use quill_admin_operations::events::{Emit, Event};
use quill_admin_operations::hints;
use quill_admin_operations::point_of_no_return::PointOfNoReturn;
use quill_admin_operations::task::jobs;
use quill_admin_operations::task::run;
use quill_admin_operations::task::run_outcome::Run;

use super::inquiries::Inquiries;

/// A report on an execution that is over.
#[derive(Debug)]
pub struct Explanation {
    /// The run, with its outcome.
    pub run: Run,
    /// The log of the execution.
    pub log: Vec<LogEntry>,
    /// Whether it belongs to the environment's own job, which the checks are about.
    own: bool,
}

impl Explanation {
    /// Reads the execution with its log.
    ///
    /// # Errors
    ///
    /// Fails when the environment cannot be opened, when no job has this execution, when it is not over yet,
    /// so that there is nothing to explain, and when it cannot be read.
    pub async fn read(inquiries: &Inquiries, id: &str, emit: Emit) -> Result<Self, CliError> {
        let environment = &inquiries.environment;
        let session = inquiries.session().await?;
        let execution = jobs::find(session, id).await?;
        if !matches!(execution.phase, Phase::Ended(_)) {
            let attach = hints::command(&environment.name, &format!("attach {id}"), &[]);
            return Err(CliError::usage(format!("execution {id} is not over yet"))
                .hint(hints::advice("see how it ends", &attach)));
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let keeping = session.with_emit(Arc::new(move |event| match event {
            Event::Log(entry) => kept.lock().unwrap_or_else(PoisonError::into_inner).push(entry),
            Event::Phase(_) => {}
            event => emit(event),
        }));
        // The stage is not used: the execution is over, and Ctrl-C ends the program.
        let point = PointOfNoReturn::new("nothing was changed");
        let own = environment.is_own(&execution.name.job);
        let run = run::attend(&keeping, execution, false, &point).await?;
        let mut log = std::mem::take(&mut *lines.lock().unwrap_or_else(PoisonError::into_inner));
        log.sort_by_key(|entry| entry.timestamp);
        Ok(Self { run, log, own })
    }

    /// The variables that it was started with.
    #[must_use]
    pub fn request(&self) -> &BTreeMap<String, String> {
        &self.run.execution.request
    }

    /// The checks that can explain why it ended so.
    #[must_use]
    pub fn checks(&self) -> &'static [&'static str] {
        if !self.own {
            return &[];
        }
        ExitCode::from_u8(self.run.outcome.exit_code()).map_or(&[], hints::explaining)
    }
}
