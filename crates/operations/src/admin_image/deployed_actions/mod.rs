//! Which actions the deployed image has, beside those that a run or a build has.
//!
//! `build` notes on the job what the image has, so a run, the list of actions and the doctor know it by the job, which
//! they read anyway. [`judge`] refuses what the image could only refuse, before anything is started; [`Own`] knows the
//! revision of one's own actions, and what to do where the two sides differ; [`Replaced`] is what a build takes the
//! place of.

mod own;
mod replaced;
mod revision;

use std::path::Path;

use quill_admin_actions::Actions;
use quill_admin_cloud::JobSettings;
use quill_admin_contract::image::{Contracts, annotation};
use quill_admin_contract::image_actions::{ActionChanges, ActionDigests, Has, ImageActions};
use quill_admin_contract::{AdminAction, ExitCode};

use crate::error::CliError;
use crate::task::job_image::{self, Unfit};

pub use own::{Own, Relation};
pub use replaced::{Becomes, Replaced};
pub use revision::ImageRevision;

/// The image that a job runs, as far as actions are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its actions.
    pub actions: ImageActions,
    /// What it was built from.
    pub revision: ImageRevision,
}

impl Deployed {
    /// What `build` noted on a job about the image that it runs. Notes about another image tell nothing.
    #[must_use]
    pub fn of(job: &JobSettings) -> Self {
        let (_, unfit) = job_image::image(job);
        if matches!(unfit, Some(Unfit::Unpinned | Unfit::NotDeployed)) {
            return Self { actions: ImageActions::NotKnown, revision: ImageRevision::default() };
        }
        let note = |key: &str| job.annotation(key).map(str::trim).filter(|value| !value.is_empty());
        let time = |key: &str| note(key).and_then(|time| time.parse().ok());
        let contracts = Contracts::read(note(annotation::CONTRACTS), note(annotation::CONTRACT));
        Self {
            actions: ImageActions::read(contracts, note(annotation::ACTIONS)),
            revision: ImageRevision {
                id: note(annotation::REVISION).map(str::to_owned),
                committed: time(annotation::COMMITTED),
                built: time(annotation::BUILT),
            },
        }
    }

    /// The names of actions that the image has and `own` has not, and those that it has otherwise; sorted. `None` where
    /// the image does not say which it has.
    #[must_use]
    pub fn differences(&self, own: &Actions) -> Option<ActionChanges> {
        Some(self.actions.known()?.replaced_by(&ActionDigests::of(own)))
    }
}

/// Refuses an action that the image of a job does not have, or has otherwise: the container would do so too, after it
/// was started. An image that does not say which actions it has is asked by running it. `own` finds one's own actions,
/// which asks git and is needed for a refusal only.
///
/// # Errors
///
/// [`ExitCode::ImageTooOld`], with what either side has and what to do about it.
pub fn judge(
    job: &JobSettings,
    action: &AdminAction,
    environment: &str,
    cwd: &Path,
    own: impl FnOnce() -> Own,
) -> Result<(), CliError> {
    // What no file declares every image does in its own way.
    let Some(digest) = action.digest() else { return Ok(()) };
    let deployed = Deployed::of(job);
    let name = action.name();
    let has = deployed.actions.has(name, digest);
    if matches!(has, Has::Same | Has::NotKnown) {
        return Ok(());
    }
    let own = own();
    let whose = own.whose();
    let difference = match (has, &deployed.actions) {
        (Has::Another, _) => format!("the image has another {name} than {whose}"),
        (_, ImageActions::BeforeDeclared) => format!(
            "the image has no {name}, which {whose} has: it is from before actions were declared in a file, and has six"
        ),
        _ => format!("the image has no {name}, which {whose} has"),
    };
    let what =
        format!("{difference}: the image is of {}, yours of {own}; nothing was started", deployed.revision);
    let refused = CliError::new(ExitCode::ImageTooOld, what).at("job-image");
    Err(own.advice(&deployed.revision, environment, cwd).into_iter().fold(refused, CliError::hint))
}

#[cfg(test)]
mod tests;
