//! The outcomes of a service's new revisions, as a test sets them.
//!
//! To add an outcome: a variant of [`ServiceOutcome`], its arms in `deployment.rs`, and its line in the README.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::{items, text};

/// The outcome of a service's new revision.
///
/// In JSON, for the control API: `"ready"`, `{"readyAfter": 100}` (milliseconds), `{"notReady":
/// {"after": 100, "log": ["panic: no database"]}}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub enum ServiceOutcome {
    /// It is ready at once, and so is the update's operation.
    #[default]
    Ready,
    /// It is pending for this long, then ready.
    ReadyAfter(#[serde(with = "milliseconds")] Duration),
    /// It is pending for a time, then it has failed: the service goes on with the revision before.
    #[serde(rename_all = "camelCase")]
    NotReady {
        /// The time for which it is pending; none when absent.
        #[serde(default, with = "milliseconds")]
        after: Duration,
        /// A `Condition.RevisionReason`; a failed health check when absent.
        #[serde(default = "health_check")]
        reason: String,
        /// The message of its conditions; when absent, that the startup probe failed.
        #[serde(default = "probe_failed")]
        message: String,
        /// The lines that the container writes to standard error before that.
        #[serde(default)]
        log: Vec<String>,
    },
}

fn health_check() -> String {
    "HEALTH_CHECK_CONTAINER_ERROR".to_owned()
}

fn probe_failed() -> String {
    "The user-provided container failed the configured startup probe checks.".to_owned()
}

mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

impl ServiceOutcome {
    /// The container writes these lines, and its startup probe fails at once.
    #[must_use]
    pub fn probe_fails(log: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::NotReady {
            after: Duration::ZERO,
            reason: health_check(),
            message: probe_failed(),
            log: log.into_iter().map(Into::into).collect(),
        }
    }
}

/// The outcome of a service's new revisions, or of those with one image.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Rule {
    /// A part of the image's name; any image when absent.
    #[serde(default)]
    pub(crate) image: Option<String>,
    pub(crate) outcome: ServiceOutcome,
}

/// The outcomes of new revisions, by service.
#[derive(Default)]
pub(crate) struct Outcomes(BTreeMap<String, Vec<Rule>>);

impl Outcomes {
    /// Replaces the rule for the same service and image.
    pub(crate) fn set(&mut self, service: &str, rule: Rule) {
        let rules = self.0.entry(service.to_owned()).or_default();
        rules.retain(|known| known.image != rule.image);
        rules.push(rule);
    }

    /// Lets a service's revisions be ready at once again.
    pub(crate) fn forget(&mut self, service: &str) {
        self.0.remove(service);
    }

    /// The outcome of a revision: a rule for its image goes before one for any image, and a later rule before an
    /// earlier one.
    pub(crate) fn of(&self, service: &str, revision: &Value) -> ServiceOutcome {
        let images: Vec<String> =
            items(&revision["containers"]).iter().map(|container| text(&container["image"])).collect();
        let rules = self.0.get(service).map_or(&[][..], Vec::as_slice);
        let own = rules.iter().rev().find(|rule| {
            let wanted = rule.image.as_deref();
            wanted.is_some_and(|wanted| images.iter().any(|image| image.contains(wanted)))
        });
        let rule = own.or_else(|| rules.iter().rev().find(|rule| rule.image.is_none()));
        rule.map(|rule| rule.outcome.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_for_an_image_goes_before_one_for_any() {
        let mut outcomes = Outcomes::default();
        let rule = |image: Option<&str>, seconds| Rule {
            image: image.map(str::to_owned),
            outcome: ServiceOutcome::ReadyAfter(Duration::from_secs(seconds)),
        };
        let seconds = |outcomes: &Outcomes, image: &str| {
            let revision = json!({ "containers": [{ "image": image }] });
            match outcomes.of("s", &revision) {
                ServiceOutcome::ReadyAfter(after) => after.as_secs(),
                _ => 0,
            }
        };
        assert_eq!(seconds(&outcomes, "h/backend:2"), 0);
        outcomes.set("s", rule(Some("backend:2"), 2));
        outcomes.set("s", rule(None, 1));
        assert_eq!(seconds(&outcomes, "h/backend:1"), 1);
        assert_eq!(seconds(&outcomes, "h/backend:2"), 2);
        outcomes.set("s", rule(None, 3));
        outcomes.set("s", rule(Some("backend"), 4));
        assert_eq!(seconds(&outcomes, "h/frontend:1"), 3);
        assert_eq!(seconds(&outcomes, "h/backend:2"), 4);
        assert_eq!(outcomes.0["s"].len(), 3, "a rule is replaced, not added again");
    }
}
