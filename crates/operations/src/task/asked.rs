//! The request that an execution was started with: its result has to answer that request.

use quill_admin_cloud::Execution;
use quill_admin_contract::variable::{self, Variable};
use quill_admin_contract::{Asked, RunContext, Variables};

/// The context that an execution was started in, by its variables.
pub(crate) fn context(execution: &Execution) -> RunContext {
    let variables = execution.request.iter().map(|(name, value)| (name.into(), value.into()));
    RunContext::from_env(&Variables::new(variables), |_| true)
}

/// Reads the request of an execution from its variables.
pub(crate) fn asked(execution: &Execution) -> Asked {
    let mut asked = Asked::from(&context(execution));
    // A user name that this version takes for invalid is kept, too.
    let given = |variable: &Variable| execution.request.get(variable.name).cloned();
    asked.request_id = asked.request_id.or_else(|| given(&variable::ADMIN_REQUEST_ID));
    asked.action = asked.action.or_else(|| given(&variable::ADMIN_ACTION));
    asked.username = asked.username.or_else(|| given(&variable::ADMIN_USERNAME));
    asked.execution = Some(execution.name.id.clone());
    asked.rows = execution.rows;
    // Version 1 proves nothing, whatever key there is.
    let version = given(&variable::ADMIN_CONTRACT).and_then(|version| version.trim().parse::<u32>().ok());
    asked.key = execution
        .proof_key
        .as_ref()
        .filter(|_| version.is_none_or(|version| version >= 2))
        .and_then(|key| key.expose().parse().ok());
    asked
}
