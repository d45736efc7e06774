//! The check `machine-config`: the environments file exists, and can be used.

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "machine-config",
    title: "the environments file",
    needs: &[],
    scope: Scope::Machine(|machine| Box::pin(inspect(machine))),
};

#[expect(clippy::unused_async, reason = "the file was read when the program began")]
async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    const WHY: &str = "without it no environment is known, and no command can be run";
    const ONLY_LOCAL: &str = "without it no environment but the one on this machine is known";
    let config = match &machine.config {
        Ok(config) => config,
        Err(error) => {
            let mut finding = Finding::problem(error.to_string(), WHY);
            finding.advice.clone_from(&error.hints);
            return Ok(finding.into());
        }
    };
    if let Some(missing) = config.missing() {
        let mut finding = Finding::problem(missing.to_string(), ONLY_LOCAL).blocks_nothing();
        finding.advice = missing.hints;
        // The environment on this machine needs no file.
        let findings = if machine.only_embedded { Vec::new() } else { vec![finding] };
        return Ok(Report::found("none; the environment on this machine needs none".to_owned(), findings));
    }
    let mut count = 0;
    let mut findings = Vec::new();
    for name in config.names() {
        count += 1;
        if let Err(error) = config.environment(name) {
            let why = "commands cannot be run in this environment";
            // The other environments can still be checked.
            let mut finding = Finding::problem(error.to_string(), why).blocks_nothing();
            finding.advice = error.hints;
            findings.push(finding);
        }
    }
    let environments = if count == 1 { "1 environment".to_owned() } else { format!("{count} environments") };
    let note = format!("{}, {environments}", config.path().display());
    Ok(Report::found(note, findings))
}
