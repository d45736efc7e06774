//! The mode that an execution was started in.

use quill_admin_cloud::Execution;
use quill_admin_contract::{RunContext, Variables};

/// Whether an execution was started as a preview, by its variables.
pub(crate) fn is_preview(execution: &Execution) -> bool {
    context(execution).preview
}

/// The execution that an execution undoes, by its variables.
pub(crate) fn undoes(execution: &Execution) -> Option<String> {
    context(execution).undoes
}

fn context(execution: &Execution) -> RunContext {
    let variables = execution.request.iter().map(|(name, value)| (name.into(), value.into()));
    RunContext::from_env(&Variables::new(variables), |_| true)
}
