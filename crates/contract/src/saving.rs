//! The line of the log in which a row of a bulk run is about to be saved.

use serde_json::{Value, json};

use crate::outcome::ResultLine;
use crate::proof::ProofKey;

/// The executor's word that it is about to save a row, and in which transaction of the database. It comes before
/// COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// The number of the row.
    pub row: u64,
    /// The number of the transaction.
    pub transaction: i64,
}

impl Saving {
    /// The key, under [`ResultLine::KEY`], of a log line that says it.
    pub const KEY: &'static str = "saving";

    /// It as JSON for the log line, with its proof where there is a key. The transaction's number is a text: Cloud
    /// Logging keeps numbers as floating point.
    #[must_use]
    pub fn to_json(&self, key: Option<&ProofKey>) -> Value {
        let mut written = json!({ "row": self.row, "transaction": self.transaction.to_string() });
        if let Some(key) = key {
            written[ResultLine::PROOF] = json!(key.prove(&self.proven_text()));
        }
        written
    }

    /// Reads it from the JSON payload of a log entry; `None` for every other line, and for one that the key does not
    /// prove.
    #[must_use]
    pub fn from_payload(payload: &Value, key: &ProofKey) -> Option<Self> {
        let written = payload.get(ResultLine::KEY)?.get(Self::KEY)?;
        let row = written.get("row")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a row's number is small"
        )]
        let row = row.as_u64().or_else(|| row.as_f64().map(|number| number as u64))?;
        let saving = Self { row, transaction: written.get("transaction")?.as_str()?.parse().ok()? };
        key.proves(&saving.proven_text(), written.get(ResultLine::PROOF)?.as_str()?).then_some(saving)
    }

    /// The text that is proven. Its first words keep it from being anything else that the same key proves.
    fn proven_text(&self) -> String {
        format!("saving row {} in transaction {}", self.row, self.transaction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_a_row_is_saved_is_read_as_it_was_written_and_proven_alone() {
        let key = ProofKey::generate();
        let saving = Saving { row: 7, transaction: i64::MAX };
        let mut payload = json!({"quill_admin": {"saving": saving.to_json(Some(&key))}});
        assert_eq!(Saving::from_payload(&payload, &key), Some(saving));
        assert_eq!(Saving::from_payload(&payload, &ProofKey::generate()), None);
        payload["quill_admin"]["saving"]["row"] = json!(7.0);
        assert_eq!(
            Saving::from_payload(&payload, &key),
            Some(saving),
            "Cloud Logging's own way to write numbers"
        );
        payload["quill_admin"]["saving"]["row"] = json!(8);
        assert_eq!(Saving::from_payload(&payload, &key), None);
    }
}
