//! One's own actions: their origin, their revision, and how that revision is related to an image's.
//!
//! Git decides which revision is older, where there is a checkout; else the times of the commits do. To add a
//! relation: a variant of [`Relation`], its hints in `advice`, and its losses in `replaced.rs`.

use std::cmp::Ordering;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use quill_admin_image::{Lineage, Revision, lineage};

use super::revision::{ImageRevision, date, short};
use crate::carried;
use crate::config::Application;
use crate::error::quoted;
use crate::hints;
use crate::process::BuiltFrom;

/// The recipe that tells a clone of quill-admin from another repository.
const RECIPE: &str = "docker/Dockerfile";
/// The folder of a clone whose actions `build` puts into the image.
const APPLICATION: &str = "application";

/// One's own actions, as opposed to those of a deployed image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    origin: Origin,
    /// The commit, with `-dirty` where files have been changed.
    revision: Option<String>,
    /// The time of the commit.
    committed: Option<Timestamp>,
    /// The repository that knows the revision.
    checkout: Option<PathBuf>,
    /// The reason why there is no checkout, where one was looked for.
    why_none: Option<String>,
}

/// The origin of actions.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// They are part of this program.
    BuiltIn,
    /// They are in the folder that `build` puts into the image.
    Clone,
    /// They are in another folder, which a command or the settings name.
    Folder(PathBuf),
}

/// The relation of an image's revision to one's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// Everything that was committed for the image is part of one's own revision: replacing the image loses
    /// nothing.
    Older,
    /// As `Older`, but the image was built with changes that nobody has committed.
    Uncommitted,
    /// The image has everything of one's own revision, and more.
    Newer,
    /// Both have commits that the other one has not.
    Diverged,
    /// The image's revision is not known in the checkout.
    NotKnown,
    /// There is no checkout; only the times of both commits can be compared, where they are known.
    WithoutCheckout(Option<Ordering>),
}

impl Own {
    /// The actions of this run, of a program that was built from these sources.
    #[must_use]
    pub fn of(application: &Application, cwd: &Path, built_from: BuiltFrom) -> Self {
        let Some(folder) = application.folder() else { return Self::built_in(cwd, built_from) };
        match Revision::of(folder) {
            Ok(revision) => {
                let is_clone = revision.root.join(RECIPE).is_file()
                    && same_folder(&revision.root.join(APPLICATION), folder);
                let origin = if is_clone { Origin::Clone } else { Origin::Folder(folder.to_owned()) };
                Self { origin, ..Self::of_sources(&revision) }
            }
            Err(error) => Self {
                origin: Origin::Folder(folder.to_owned()),
                revision: None,
                committed: None,
                checkout: None,
                why_none: Some(error.to_string()),
            },
        }
    }

    /// The actions of sources that are built.
    #[must_use]
    pub fn of_sources(revision: &Revision) -> Self {
        Self {
            origin: Origin::Clone,
            revision: Some(revision.label()),
            committed: Some(revision.time),
            checkout: Some(revision.root.clone()),
            why_none: None,
        }
    }

    /// The actions of this program. If the working folder is in a clone that has its revision, that is the
    /// checkout.
    fn built_in(cwd: &Path, built_from: BuiltFrom) -> Self {
        let revision = built_from.revision.map(str::to_owned);
        let known = |id: &String| matches!(lineage(cwd, id, id), Ok(Lineage::Same));
        Self {
            origin: Origin::BuiltIn,
            checkout: revision.as_ref().filter(|id| known(id)).map(|_| cwd.to_owned()),
            committed: built_from.committed,
            revision,
            why_none: None,
        }
    }

    /// The owner of the actions, in words, as in "another add-role than …".
    #[must_use]
    pub fn whose(&self) -> String {
        match &self.origin {
            Origin::BuiltIn | Origin::Clone => "this quill-admin".to_owned(),
            Origin::Folder(folder) => folder.display().to_string(),
        }
    }

    /// The relation of an image's revision to this one.
    #[must_use]
    pub fn relation(&self, image: &ImageRevision) -> Relation {
        let (Some(checkout), Some(own)) = (&self.checkout, &self.revision) else {
            if image.id.as_ref().is_some_and(|id| id.ends_with("-dirty")) {
                return Relation::Uncommitted;
            }
            // The time of the build is no help: an old revision can be built late.
            let times = image.committed.zip(self.committed);
            return Relation::WithoutCheckout(times.map(|(image, own)| image.cmp(&own)));
        };
        let Some(id) = &image.id else { return Relation::NotKnown };
        match lineage(checkout, own, id) {
            Ok(Lineage::Same | Lineage::Older) if id.ends_with("-dirty") => Relation::Uncommitted,
            Ok(Lineage::Same | Lineage::Older) => Relation::Older,
            Ok(Lineage::Newer) => Relation::Newer,
            Ok(Lineage::Diverged) => Relation::Diverged,
            Ok(Lineage::NotKnown) | Err(_) => Relation::NotKnown,
        }
    }

    /// The hints for an image of this revision that has other actions.
    #[must_use]
    pub fn advice(&self, image: &ImageRevision, environment: &str, cwd: &Path) -> Vec<String> {
        let pull = || {
            let pull = format!("git -C {} pull", quoted(self.checkout.as_deref().unwrap_or(cwd)));
            match self.origin {
                Origin::BuiltIn => format!("{pull}, then build this program again"),
                Origin::Clone | Origin::Folder(_) => pull,
            }
        };
        match self.relation(image) {
            Relation::Older | Relation::WithoutCheckout(Some(Ordering::Less)) => {
                vec![self.deploy(environment, cwd)]
            }
            Relation::Uncommitted => vec![
                "the image was built with changes that are in no commit: agree with whoever deployed it before you \
                 replace it"
                    .to_owned(),
            ],
            Relation::Newer => vec![format!("the image is newer: take it over with: {}", pull())],
            Relation::NotKnown => {
                vec![format!("the image's revision is not known here: fetch it with: {}", pull())]
            }
            Relation::Diverged => vec![format!(
                "two people work on two branches, each with commits that the other has not: the image's {image} and \
                 yours, {self}; talk to whoever deployed the image and bring both together before either replaces the \
                 other"
            )],
            Relation::WithoutCheckout(_) => vec![match (&self.origin, &self.why_none) {
                (Origin::Folder(_), Some(why)) => format!(
                    "which of the two is newer cannot be told ({why}): talk to whoever deployed the image"
                ),
                _ => match &image.id {
                    Some(id) => format!("use the quill-admin of that release, revision {}", short(id)),
                    None => "use the quill-admin that the image was deployed with".to_owned(),
                },
            }],
        }
    }

    /// The hint that says how to get these actions into the image.
    fn deploy(&self, environment: &str, cwd: &Path) -> String {
        match (&self.origin, &self.checkout) {
            (Origin::Folder(folder), _) if carried::executor().is_some() => {
                let folder = folder.display().to_string();
                let build = hints::command(environment, "build", &[("--application", &folder)]);
                format!("deploy yours with: {build} --carried")
            }
            (Origin::Folder(folder), _) => format!(
                "an image has the actions of the clone of quill-admin that it is built from: bring those of {} into its \
                 folder {APPLICATION}, then: {}",
                folder.display(),
                hints::command(environment, "build", &[])
            ),
            (Origin::Clone, Some(root)) if !cwd.starts_with(root) => {
                let root = root.display().to_string();
                hints::advice(
                    "deploy yours with",
                    &hints::command(environment, "build", &[("--source", &root)]),
                )
            }
            _ => hints::advice("deploy yours with", &hints::command(environment, "build", &[])),
        }
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.revision {
            Some(id) => write!(f, "revision {}", short(id))?,
            None => f.write_str("a revision that is not known")?,
        }
        match self.committed {
            Some(time) => write!(f, " of {}", date(time)),
            None => Ok(()),
        }
    }
}

fn same_folder(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}
