//! The image that a build replaces, and whether somebody has to agree to that.
//!
//! A person has to agree when actions are removed, when the image has commits or changes that the new sources
//! lack, and when it is another tool's. To add such a reason: `loses`, or [`Replaced::of`] for one that does not
//! depend on actions.

use std::cmp::Ordering;

use quill_admin_cloud::JobSettings;
use quill_admin_contract::image_actions::{ActionChanges, ActionDigests, ImageActions};

use super::{Deployed, ImageRevision, Own, Relation};

/// The image that a job runs now and another one replaces, as far as actions are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// The revision it was built from.
    pub image: ImageRevision,
    /// The effect on its actions.
    pub actions: Becomes,
    /// The reasons why somebody has to agree to that, in words; empty where nobody has to.
    pub loses: Vec<String>,
}

/// The effect of a replacement on an image's actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// The image does not say which it has.
    NotKnown,
    /// The sources declare none in a file: they are from a version in which actions were part of the program.
    Undeclared,
    /// These actions change.
    Known(ActionChanges),
}

impl Replaced {
    /// Describes the image in a job that is replaced by one with the actions `digests`, which are `own`.
    /// `foreign` says in words that the image is another tool's, where it may be. `None` where there is nothing to
    /// report: neither side says which actions it has.
    #[must_use]
    pub fn of(
        job: &JobSettings,
        own: &Own,
        digests: Option<&ActionDigests>,
        foreign: Option<String>,
    ) -> Option<Self> {
        let Deployed { actions, revision: image } = Deployed::of(job);
        let becomes = match (&actions, digests) {
            (ImageActions::Known(had), Some(digests)) => Becomes::Known(had.replaced_by(digests)),
            (ImageActions::Known(_), None) => Becomes::Undeclared,
            (_, None) if foreign.is_none() => return None,
            _ => Becomes::NotKnown,
        };
        let loses = match (&becomes, foreign) {
            (_, Some(foreign)) => vec![foreign],
            (Becomes::NotKnown, None) => Vec::new(),
            (known, None) => loses(known, &image, own.relation(&image)),
        };
        Some(Self { image, actions: becomes, loses })
    }

    /// The actions that change, where they are known.
    #[must_use]
    pub const fn changes(&self) -> Option<&ActionChanges> {
        match &self.actions {
            Becomes::Known(changes) => Some(changes),
            Becomes::NotKnown | Becomes::Undeclared => None,
        }
    }
}

/// The losses, in words: actions of the image that no longer exist, and commits and changes of the image that
/// are not in the sources that replace it.
fn loses(becomes: &Becomes, image: &ImageRevision, relation: Relation) -> Vec<String> {
    let mut loses = Vec::new();
    let changed = match becomes {
        Becomes::Known(changes) if !changes.changed.is_empty() => Some(changes.changed.join(", ")),
        _ => None,
    };
    if let Becomes::Known(changes) = becomes
        && !changes.removed.is_empty()
    {
        loses.push(format!("these actions are taken away: {}", changes.removed.join(", ")));
    }
    match relation {
        // Without a checkout this is a newer release that follows an older one.
        Relation::Older | Relation::WithoutCheckout(Some(Ordering::Less)) => {}
        // Changes that were not committed may be anybody's. Where no action changes, none of them would be
        // seen.
        Relation::Uncommitted => loses.extend(changed.map(|changed| {
            format!(
                "the image was built of {image} with changes that are in no commit, and these actions of it are \
                 replaced: {changed}"
            )
        })),
        Relation::WithoutCheckout(Some(Ordering::Equal)) => loses.extend(changed.map(|changed| {
            format!("the image is of {image}, as old as these actions, and these actions of it are replaced: {changed}")
        })),
        Relation::Newer => loses.push(format!("the image is newer than these sources: it is of {image}")),
        Relation::Diverged => loses.push(format!(
            "the image is of {image}, which has commits that these sources have not: somebody else's branch"
        )),
        Relation::NotKnown => loses.push(format!(
            "the image is of {image}, which is not known in these sources: git pull may bring it"
        )),
        Relation::WithoutCheckout(Some(Ordering::Greater)) => {
            loses.push(format!("the image is newer than these actions: it is of {image}"));
        }
        Relation::WithoutCheckout(None) => loses.push(format!(
            "the image is of {image}, and which of the two is newer cannot be told: these actions are in no git \
             repository, or the image does not say when it is from"
        )),
    }
    loses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_is_asked_for_and_nothing_else() {
        let changes = |changed: &[&str], removed: &[&str]| {
            let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
            Becomes::Known(ActionChanges {
                added: vec!["new".to_owned()],
                changed: names(changed),
                removed: names(removed),
            })
        };
        let image = ImageRevision { id: Some("0123456789abcdef".to_owned()), ..ImageRevision::default() };
        for (becomes, relation, expected) in [
            (changes(&[], &[]), Relation::Older, &[][..]),
            (changes(&["a"], &[]), Relation::Older, &[]),
            (changes(&["a"], &["b", "c"]), Relation::Older, &["these actions are taken away: b, c"]),
            (changes(&[], &[]), Relation::Uncommitted, &[]),
            (
                changes(&["a"], &[]),
                Relation::Uncommitted,
                &["in no commit, and these actions of it are replaced: a"],
            ),
            (
                changes(&[], &[]),
                Relation::Newer,
                &["the image is newer than these sources: it is of revision 0123456789ab"],
            ),
            (changes(&[], &["b"]), Relation::Diverged, &["taken away: b", "somebody else's branch"]),
            (changes(&[], &[]), Relation::NotKnown, &["which is not known in these sources"]),
            (changes(&["a"], &["b"]), Relation::WithoutCheckout(Some(Ordering::Less)), &["taken away: b"]),
            (changes(&[], &[]), Relation::WithoutCheckout(Some(Ordering::Equal)), &[]),
            (
                changes(&["a"], &[]),
                Relation::WithoutCheckout(Some(Ordering::Equal)),
                &["as old as these actions, and these actions of it are replaced: a"],
            ),
            (
                changes(&["a"], &[]),
                Relation::WithoutCheckout(Some(Ordering::Greater)),
                &["the image is newer than these actions"],
            ),
            (
                changes(&["a"], &[]),
                Relation::WithoutCheckout(None),
                &["which of the two is newer cannot be told"],
            ),
            (Becomes::Undeclared, Relation::Older, &[]),
            (Becomes::Undeclared, Relation::Newer, &["the image is newer"]),
        ] {
            let told = loses(&becomes, &image, relation);
            assert_eq!(told.len(), expected.len(), "{becomes:?} {relation:?}: {told:?}");
            for (told, expected) in told.iter().zip(expected) {
                assert!(told.contains(expected), "{told}");
            }
        }
    }
}
