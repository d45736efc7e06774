//! The check `machine-sign-in`: somebody is signed in, and gets a token that Google Cloud accepts.
//!
//! Environments may use different sign-ins. Where only some of them fail, the environments of the others are looked at
//! all the same.

use quill_admin_cloud::{CloudError, CloudErrorKind, SignIn};
use quill_admin_operations::hints;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Machine;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "machine-sign-in",
    title: "the sign-in to Google Cloud",
    needs: &[],
    scope: Scope::Machine(|machine| Box::pin(inspect(machine))),
};

const WHY: &str = "Google Cloud lets nobody in who is not signed in";
const NO_TOKEN: &str = "without a token of that account nothing can be asked for in its environments";

async fn inspect(machine: &Machine) -> Result<Report, Undecided> {
    let mut notes = Vec::new();
    let mut findings = Vec::new();
    let mut undecided = Vec::new();
    for sign_in in machine.sign_ins() {
        match sign_in {
            Ok(None) => notes.push("not asked for: everything is on this machine".to_owned()),
            Ok(Some(sign_in)) => match taken(machine, sign_in).await {
                Ok(()) => notes.push(describe(sign_in)),
                Err(error) => match refusal(sign_in, error) {
                    Ok(finding) => findings.push(finding),
                    Err(unknown) => undecided.push(unknown),
                },
            },
            Err(refused) => {
                let mut finding = Finding::problem(refused.cause.clone(), WHY);
                finding.advice.clone_from(&refused.advice);
                findings.push(finding);
            }
        }
    }
    // Two sign-ins may differ only in the hosts that they may be sent to.
    notes.dedup();
    findings.dedup();
    if notes.is_empty() && findings.is_empty() && undecided.is_empty() {
        return Ok(Report::nothing("no environment that is looked at asks for one"));
    }
    // The environments of a sign-in that fails say so themselves.
    if !notes.is_empty() {
        findings = findings.into_iter().map(Finding::blocks_nothing).collect();
        undecided = undecided.into_iter().map(Undecided::blocks_nothing).collect();
    }
    Ok(Report::found(notes.join("; "), findings).and_undecided(undecided))
}

/// Gets a token, and has Google Cloud verify it: the token may have expired, or been revoked.
async fn taken(machine: &Machine, sign_in: &SignIn) -> Result<(), CloudError> {
    sign_in.token().await?;
    machine.verify(sign_in).await
}

/// The finding about a sign-in that was refused. Without a network it is not known whether it would be.
fn refusal(sign_in: &SignIn, error: CloudError) -> Result<Finding, Undecided> {
    let what = format!("{}: {}", describe(sign_in), error.message);
    let why = match error.kind {
        CloudErrorKind::NotSignedIn => WHY,
        CloudErrorKind::PermissionDenied | CloudErrorKind::ServiceDisabled => NO_TOKEN,
        _ => {
            let unknown = Undecided::from(error);
            let cause = format!("{}: {}", describe(sign_in), unknown.cause);
            return Err(Undecided { cause, ..unknown });
        }
    };
    Ok(hints::no_token(error, sign_in).hints.into_iter().fold(Finding::problem(what, why), Finding::advice))
}

fn describe(sign_in: &SignIn) -> String {
    let account = sign_in.account().unwrap_or("an account that is not named");
    match sign_in.acts_as() {
        Some(acts_as) => format!("{account} by {}, as {acts_as}", sign_in.source()),
        None => format!("{account} by {}", sign_in.source()),
    }
}
