//! The record of a review: the period that was looked at, what was found, and what could not be looked at.
//!
//! It travels to the container as JSON in `ADMIN_REVIEW`, and comes back in the result line as recorded values. The
//! container knows nothing of the runs that were reviewed; it signs what it was told, as it signs every record.
//!
//! To add a value of the record: its field in [`Review`], [`Review::recorded`] and [`Review::of_record`], and the
//! place in `review.rs` of the crate `operations` that finds it out.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use quill_admin_actions::Digest;
use serde::{Deserialize, Serialize};

use crate::subject::FieldValue;
use crate::value::{InvalidValue, Problem};

/// The time by which another clock may be ahead of this one.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// A review, as its own record tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The beginning of the period, which belongs to it.
    pub from: Timestamp,
    /// The end of the period, which does not belong to it: the next review begins there.
    pub until: Timestamp,
    /// Number of runs in the period.
    pub runs: u32,
    /// Number of those that are marked.
    pub marked: u32,
    /// The codes of what could not be looked at. Empty: all was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<String>,
    /// The digest of the runs with their marks, as the reviewer's `--json` has them.
    pub sha256: Digest,
}

impl Review {
    /// The values that the record of the review has, by name.
    #[must_use]
    pub fn recorded(&self) -> BTreeMap<String, FieldValue> {
        let Self { from, until, runs, marked, not_seen, sha256 } = self;
        let values = [
            ("from", FieldValue::Text(from.to_string())),
            ("until", FieldValue::Text(until.to_string())),
            ("runs", FieldValue::Integer(i64::from(*runs))),
            ("marked", FieldValue::Integer(i64::from(*marked))),
            ("not_seen", FieldValue::List(not_seen.clone())),
            ("sha256", FieldValue::Text(sha256.to_string())),
        ];
        let has_value = |value: &FieldValue| !matches!(value, FieldValue::List(items) if items.is_empty());
        let values = values.into_iter().filter(|(_, value)| has_value(value));
        values.map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The review that a record tells; `None` where its values are not those of a review.
    #[must_use]
    pub fn of_record(recorded: &BTreeMap<String, FieldValue>) -> Option<Self> {
        let text = |name: &str| match recorded.get(name)? {
            FieldValue::Text(text) => Some(text.as_str()),
            _ => None,
        };
        let number = |name: &str| match recorded.get(name)? {
            FieldValue::Integer(number) => u32::try_from(*number).ok(),
            _ => None,
        };
        let review = Self {
            from: text("from")?.parse().ok()?,
            until: text("until")?.parse().ok()?,
            runs: number("runs")?,
            marked: number("marked")?,
            not_seen: match recorded.get("not_seen") {
                None => Vec::new(),
                Some(FieldValue::List(codes)) => codes.clone(),
                Some(_) => return None,
            },
            sha256: text("sha256")?.parse().ok()?,
        };
        (review.from <= review.until).then_some(review)
    }

    /// Whether the period ends after this time, but for clocks that differ by a few minutes: nobody has looked at
    /// what is still to come.
    #[must_use]
    pub fn is_ahead_of(&self, now: Timestamp) -> bool {
        self.until > now + AHEAD
    }
}

/// `ADMIN_REVIEW` holds it as JSON.
impl fmt::Display for Review {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::json!(self).to_string())
    }
}

impl FromStr for Review {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let invalid = |rule| InvalidValue::new("review", Problem::MustBe(rule));
        let rule =
            "JSON with from, until, runs, marked and sha256, and with not_seen where something was not seen";
        let review: Self = serde_json::from_str(text).map_err(|_| invalid(rule))?;
        if review.from > review.until {
            return Err(invalid("of a period that ends after its beginning"));
        }
        Ok(review)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn review() -> Review {
        Review {
            from: "2026-11-20T08:00:00Z".parse().expect("a time"),
            until: "2026-11-27T08:00:00.5Z".parse().expect("a time"),
            runs: 12,
            marked: 2,
            not_seen: vec!["log_unread".to_owned()],
            sha256: Digest::of(b"[]"),
        }
    }

    #[test]
    fn a_review_comes_back_from_its_record() {
        for review in [review(), Review { not_seen: Vec::new(), runs: 0, marked: 0, ..review() }] {
            assert_eq!(Review::of_record(&review.recorded()), Some(review.clone()));
            assert_eq!(review.to_string().parse(), Ok(review));
        }
    }

    #[test]
    fn a_record_that_lacks_something_is_no_review() {
        let whole = review().recorded();
        for name in ["from", "until", "runs", "marked", "sha256"] {
            let mut lacks = whole.clone();
            lacks.remove(name);
            assert_eq!(Review::of_record(&lacks), None, "{name}");
            let mut other = whole.clone();
            other.insert(name.to_owned(), FieldValue::Boolean(true));
            assert_eq!(Review::of_record(&other), None, "{name}");
        }
        let backwards = Review { from: review().until, until: review().from, ..review() };
        assert_eq!(Review::of_record(&backwards.recorded()), None);
        assert!(backwards.to_string().parse::<Review>().is_err());
    }

    #[test]
    fn nobody_reviews_what_is_still_to_come() {
        let review = review();
        assert!(!review.is_ahead_of(review.until));
        assert!(!review.is_ahead_of(review.until - SignedDuration::from_mins(4)), "clocks differ");
        assert!(review.is_ahead_of(review.until - SignedDuration::from_mins(6)));
    }
}
