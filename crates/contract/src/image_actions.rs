//! The actions that an image has, as its label and the job's annotation list them by digest, and the
//! comparison of such lists.
//!
//! To change the form of the lists: [`ActionDigests::read`] and its `Display`, which are the inverse of each other.
//! Older programs read the lists, too.

use std::collections::BTreeMap;
use std::fmt;

use quill_admin_actions::{Actions, Digest, canonical};
use serde_json::Value;

use crate::image::Contracts;

/// The actions of every image that speaks only the contract's versions 1 and 2: they were part of the
/// program.
pub const ACTIONS_BEFORE_3: [&str; 6] =
    ["create-superadmin", "update-permissions", "add-role", "remove-role", "show-user", "check"];

/// The first version of the contract whose images have the actions that a file declares.
const DECLARED_FROM: u32 = 3;

/// The digest of each declared action of an image, by the action's name.
///
/// It is written as canonical JSON, `{"add-role":"<64 hex>",…}`, so that the same actions are the same text. A
/// digest that was read is compared and never computed with, so it may have a form that is not known here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionDigests(BTreeMap<String, String>);

impl ActionDigests {
    /// The digests of a set of actions, including those of actions that are not understood.
    #[must_use]
    pub fn of(actions: &Actions) -> Self {
        let digests = actions.entries().map(|entry| (entry.name().to_owned(), entry.digest().into()));
        Self(digests.collect())
    }

    /// Reads the text that [`Self`] is written as. `None` where it is another text: actions that are not
    /// listed are unknown. An image without actions has `{}`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Self)
    }

    /// The digest of the action of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all actions, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The differences if `other` takes the place of these actions.
    #[must_use]
    pub fn replaced_by(&self, other: &Self) -> ActionChanges {
        let names = |one: &Self, pick: &dyn Fn(&str) -> bool| -> Vec<String> {
            one.names().filter(|name| pick(name)).map(str::to_owned).collect()
        };
        ActionChanges {
            added: names(other, &|name| self.get(name).is_none()),
            changed: names(other, &|name| self.get(name).is_some_and(|own| other.get(name) != Some(own))),
            removed: names(self, &|name| other.get(name).is_none()),
        }
    }
}

impl fmt::Display for ActionDigests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let object = self.0.iter().map(|(name, digest)| (name.clone(), Value::from(digest.as_str())));
        f.write_str(&canonical(&Value::Object(object.collect())))
    }
}

/// The differences between two sets of actions; names, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionChanges {
    /// Only the second set has them.
    pub added: Vec<String>,
    /// Both have them, and they are not the same.
    pub changed: Vec<String>,
    /// Only the first set has them.
    pub removed: Vec<String>,
}

impl ActionChanges {
    /// Both sets are the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

/// The actions of an image, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageActions {
    /// The image does not say which actions it has.
    NotKnown,
    /// The image speaks only version 1 or 2: it has [`ACTIONS_BEFORE_3`], whose digests are not known.
    BeforeDeclared,
    /// The image lists the digests of its actions.
    Known(ActionDigests),
}

/// Whether an image has an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Has {
    /// The image has the same action.
    Same,
    /// The image has another action of that name.
    Another,
    /// The image has no action of that name.
    None,
    /// The image does not say which actions it has.
    NotKnown,
}

impl Has {
    /// The value as in `--json`; `None` where it is not known.
    #[must_use]
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Same => Some("same"),
            Self::Another => Some("another"),
            Self::None => Some("none"),
            Self::NotKnown => None,
        }
    }
}

impl ImageActions {
    /// Reads the actions from an image's labels or a job's annotations: the contract versions that the image
    /// speaks, and its list of actions. A blank list counts as none: a build without arguments leaves it
    /// blank.
    #[must_use]
    pub fn read(contracts: Option<Contracts>, noted: Option<&str>) -> Self {
        match noted.and_then(ActionDigests::read) {
            Some(digests) => Self::Known(digests),
            None if contracts.is_some_and(|image| image.newest < DECLARED_FROM) => Self::BeforeDeclared,
            None => Self::NotKnown,
        }
    }

    /// Whether the image has the action of this name and digest.
    #[must_use]
    pub fn has(&self, name: &str, digest: &Digest) -> Has {
        match self {
            Self::Known(digests) => match digests.get(name) {
                Some(there) if there == digest.as_str() => Has::Same,
                Some(_) => Has::Another,
                None => Has::None,
            },
            Self::BeforeDeclared if !ACTIONS_BEFORE_3.contains(&name) => Has::None,
            Self::BeforeDeclared | Self::NotKnown => Has::NotKnown,
        }
    }

    /// The digests, where they are known.
    #[must_use]
    pub const fn known(&self) -> Option<&ActionDigests> {
        match self {
            Self::Known(digests) => Some(digests),
            Self::NotKnown | Self::BeforeDeclared => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn digests(actions: &[(&str, &str)]) -> ActionDigests {
        ActionDigests(actions.iter().map(|(name, digest)| ((*name).into(), (*digest).into())).collect())
    }

    #[test]
    fn the_same_actions_are_the_same_text_and_what_is_no_such_text_says_nothing() {
        let some = digests(&[("show-user", TWO), ("add-role", ONE)]);
        assert_eq!(some.to_string(), format!(r#"{{"add-role":"{ONE}","show-user":"{TWO}"}}"#));
        assert_eq!(ActionDigests::read(&some.to_string()), Some(some));
        assert_eq!(ActionDigests::read("{}"), Some(ActionDigests::default()), "there are none");
        for unsaid in ["", " ", "null", "[]", r#"{"add-role":7}"#, "$ACTIONS"] {
            assert_eq!(ActionDigests::read(unsaid), None, "{unsaid:?}");
        }
    }

    #[test]
    fn what_replacing_changes_is_told_by_name() {
        let had = digests(&[("a", ONE), ("b", ONE), ("c", ONE)]);
        let has = digests(&[("b", TWO), ("c", ONE), ("d", ONE)]);
        let changes = had.replaced_by(&has);
        let one = |name: &str| vec![name.to_owned()];
        assert_eq!(changes, ActionChanges { added: one("d"), changed: one("b"), removed: one("a") });
        assert!(had.replaced_by(&had).is_empty());
    }

    #[test]
    fn an_image_has_an_action_or_not_or_does_not_say() {
        let known = digests(&[("add-role", ONE)]).to_string();
        let contracts = |oldest, newest| Some(Contracts { oldest, newest });
        for (contracts, noted, name, has) in [
            (contracts(1, 3), Some(known.as_str()), "add-role", Has::Same),
            (contracts(1, 3), Some(known.as_str()), "show-user", Has::None),
            (contracts(1, 3), Some("{}"), "add-role", Has::None),
            (contracts(1, 3), Some(""), "add-role", Has::NotKnown),
            (contracts(1, 3), None, "deactivate", Has::NotKnown),
            (contracts(1, 1), None, "add-role", Has::NotKnown),
            (contracts(1, 1), None, "deactivate", Has::None),
            (contracts(1, 2), Some(""), "show-user", Has::NotKnown),
            (contracts(1, 2), Some(""), "set-password", Has::None),
            (None, None, "set-password", Has::NotKnown),
        ] {
            let image = ImageActions::read(contracts, noted);
            let digest = ONE.parse().expect("a digest");
            assert_eq!(image.has(name, &digest), has, "{contracts:?} {noted:?} {name}");
        }
        let another = ImageActions::read(None, Some(&known)).has("add-role", &TWO.parse().expect("a digest"));
        assert_eq!(another, Has::Another);
    }
}
