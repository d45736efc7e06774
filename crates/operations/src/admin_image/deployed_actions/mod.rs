//! The actions of the deployed image, compared with those of a run or a build.
//!
//! `build` notes the image's actions on the job, so that a run, the list of actions and the doctor know them
//! from the job, which they read anyway. [`judge`] refuses, before anything is started, an action that the
//! image could only refuse; [`Own`] knows the revision of one's own actions, and what to do where the two
//! sides differ; [`Replaced`] is the image that a build replaces.

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
use crate::task::job_image::{self, Incompatible};

pub use own::{Own, Relation};
pub use replaced::{Becomes, Replaced};
pub use revision::ImageRevision;

/// The image that a job runs, as far as actions are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// Its actions.
    pub actions: ImageActions,
    /// The revision it was built from.
    pub revision: ImageRevision,
}

impl Deployed {
    /// Reads what `build` noted on a job about the image that it runs. Notes about another image are ignored.
    #[must_use]
    pub fn of(job: &JobSettings) -> Self {
        let (_, incompatible) = job_image::image(job);
        if matches!(incompatible, Some(Incompatible::Unpinned | Incompatible::NotDeployed)) {
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

    /// The differences between the actions of the image and `own`. `None` where the image does not say which
    /// it has.
    #[must_use]
    pub fn differences(&self, own: &Actions) -> Option<ActionChanges> {
        Some(self.actions.known()?.replaced_by(&ActionDigests::of(own)))
    }
}

/// Refuses an action that the image of a job does not have, or has otherwise: the container would refuse it,
/// too, after it was started. An image that does not say which actions it has is tried by running it. `own`
/// finds one's own actions; it asks git and is called for a refusal only.
///
/// # Errors
///
/// Fails with [`ExitCode::ImageTooOld`], the difference between the two sides, and hints what to do about it.
pub fn judge(
    job: &JobSettings,
    action: &AdminAction,
    environment: &str,
    cwd: &Path,
    own: impl FnOnce() -> Own,
) -> Result<(), CliError> {
    // An action that no file declares is done by every image in its own way.
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
    Err(refused.hints(own.advice(&deployed.revision, environment, cwd)))
}

#[cfg(all(test, unix))]
mod tests;
