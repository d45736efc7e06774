//! `--after`: one execution that failed, from what it was to the checks that can tell why.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use quill_admin_cloud::{LogEntry, Phase};
use quill_admin_contract::ExitCode;

use super::facts::Facts;
use crate::error::CliError;
use crate::events::{Emit, Event};
use crate::flow::conclusion::Run;
use crate::flow::run;
use crate::hints;

/// What is known of an execution that is over.
pub struct Explanation {
    /// How it went.
    pub run: Run,
    /// What it printed.
    pub log: Vec<LogEntry>,
}

impl Explanation {
    /// Reads all of it. An execution that goes on is refused: there is nothing to explain yet.
    pub async fn read(facts: &Facts, id: &str, emit: Emit<'_>) -> Result<Self, CliError> {
        let environment = &facts.environment;
        let google = facts.google().await?;
        let execution = run::find(google, environment, id).await?;
        if !matches!(execution.phase, Phase::Ended(_)) {
            let attach = hints::command(&environment.name, &format!("attach {id}"), &[]);
            return Err(CliError::usage(format!("execution {id} is not over yet"))
                .hint(format!("see how it ends: {attach}")));
        }
        let lines = Mutex::new(Vec::new());
        let keep = |event| match event {
            Event::Log(entry) => lines.lock().unwrap_or_else(PoisonError::into_inner).push(entry),
            Event::Phase(_) => {}
            event => emit(event),
        };
        // Nobody interrupts: there is nothing to be stopped.
        let wish = async || std::future::pending().await;
        let run = run::attend(google, environment, execution, None, wish, &keep).await?;
        let mut log = lines.into_inner().unwrap_or_else(PoisonError::into_inner);
        log.sort_by_key(|entry| entry.timestamp);
        Ok(Self { run, log })
    }

    /// The variables it was asked with.
    #[must_use]
    pub fn request(&self) -> &BTreeMap<String, String> {
        &self.run.execution.request
    }

    /// The checks that can tell why it ended so.
    #[must_use]
    pub fn checks(&self) -> &'static [&'static str] {
        ExitCode::from_u8(self.run.conclusion.exit_code()).map_or(&[], explaining)
    }
}

/// The checks that can tell why a task ended with a code; the best one first. None where the code says it
/// all.
#[must_use]
pub const fn explaining(code: ExitCode) -> &'static [&'static str] {
    match code {
        ExitCode::Usage => &["job-settings", "job-secrets"],
        ExitCode::RoleNotFound | ExitCode::SchemaMismatch => &["database-check"],
        ExitCode::DatabaseUnreachable | ExitCode::TimedOut => &["database", "job-settings"],
        ExitCode::DatabaseRefused => &["database", "job-secrets", "job-settings"],
        ExitCode::ImageTooOld => &["job-image"],
        ExitCode::NeverStarted => &["job-image", "job-secrets", "job-settings"],
        _ => &[],
    }
}
