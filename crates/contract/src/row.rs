//! The rows of a list, as they travel from the container to the laptop: each in a line of the log of its own,
//! and none in the result, which is a record and is kept for years.
//!
//! To change the line of a row: [`Row::to_json`] and [`Row::from_payload`] here, and `output.rs` of the crate
//! `executor`, which prints it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::outcome::ResultLine;
use crate::proof::ProofKey;

/// One row of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its place in the list, from 0: Cloud Logging delivers late, and in any order.
    #[serde(deserialize_with = "whole")]
    pub index: u64,
    /// The names of the row's columns.
    pub columns: Vec<String>,
    /// The values of the columns as a person would type them; `None` for NULL.
    pub values: Vec<Option<String>>,
}

/// A row that was found in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRow {
    /// The row.
    pub row: Row,
    /// The digest of the list that the row belongs to. A task that Cloud Run has started again may list
    /// twice.
    pub list: String,
    /// The id of the request that the row says it answers.
    pub request_id: Option<String>,
    /// Whether the row is proven with the key of the request.
    pub proven: bool,
}

impl Row {
    /// The key, under [`ResultLine::KEY`], of a log line that is a row.
    pub const KEY: &'static str = "row";

    /// The key of the list's digest in that line.
    pub const LIST: &'static str = "list";

    /// Longest that the values of a row may be together, in bytes of JSON. They stand in the line twice, as
    /// they are and in words, and Cloud Logging takes entries of at most 256 KiB.
    pub const LONGEST: usize = 64 * 1024;

    /// The last character of a value that was cut off.
    pub const CUT: char = '…';

    /// Cuts off values that are too long for a log line, and returns the columns of these. Each value may
    /// have at least its share of [`Self::LONGEST`], so that a long value does not shorten another one.
    pub fn cut(&mut self) -> Vec<String> {
        let length =
            |value: &Option<String>| value.iter().flat_map(|text| text.chars()).map(width).sum::<usize>();
        if self.values.iter().map(length).sum::<usize>() <= Self::LONGEST {
            return Vec::new();
        }
        let share = Self::LONGEST / self.values.len();
        let mut cut = Vec::new();
        for (column, value) in self.columns.iter().zip(&mut self.values) {
            let Some(text) = value.as_ref().filter(|_| length(value) > share) else { continue };
            let mut left = share - Self::CUT.len_utf8();
            let fits = |c: &char| left.checked_sub(width(*c)).inspect(|rest| left = *rest).is_some();
            *value = Some(text.chars().take_while(fits).chain([Self::CUT]).collect());
            cut.push(column.clone());
        }
        cut
    }

    /// The row in words, for people who read the log: a sentence that names each value. NULL values are left
    /// out.
    #[must_use]
    pub fn sentence(&self) -> String {
        let named = self.columns.iter().zip(&self.values);
        let said = named.filter_map(|(column, value)| Some(format!("{column} {}", value.as_ref()?)));
        said.collect::<Vec<_>>().join(", ")
    }

    /// The row as JSON for the log line: with the digest of its list, and its proof where there is a key.
    #[must_use]
    pub fn to_json(&self, list: &str, key: Option<&ProofKey>) -> Value {
        let mut written = json!(self);
        written[Self::LIST] = json!(list);
        if let Some(key) = key {
            written[ResultLine::PROOF] = json!(key.prove(&self.proven_text(list)));
        }
        written
    }

    /// Reads a row from the JSON payload of a log entry; `None` for every other line.
    #[must_use]
    pub fn from_payload(payload: &Value, key: Option<&ProofKey>) -> Option<FoundRow> {
        let mark = payload.get(ResultLine::KEY)?;
        let written = mark.get(Self::KEY)?;
        let row = Self::deserialize(written).ok().filter(|row| row.columns.len() == row.values.len())?;
        let list = written.get(Self::LIST)?.as_str()?.to_owned();
        let proof = written.get(ResultLine::PROOF).and_then(Value::as_str);
        let proven = key.zip(proof).is_some_and(|(key, proof)| key.proves(&row.proven_text(&list), proof));
        let request_id = mark.get("request_id").and_then(Value::as_str).map(str::to_owned);
        Some(FoundRow { row, list, request_id, proven })
    }

    /// The SHA-256 of a whole list, in lower-case hexadecimal digits: over the JSON array of its rows in
    /// their order, without white space. The result holds it, so that a list in which a row is missing or
    /// replaced is not taken for the whole.
    #[must_use]
    pub fn digest(rows: &[Self]) -> String {
        hex::encode(Sha256::digest(json_text(rows)))
    }

    /// The text of the row that is proven. Unlike a result, it is written again from what was read: it
    /// consists of texts and one whole number, for which there is only one way to write them. The word before
    /// it keeps a row from being a result that the same key proves.
    fn proven_text(&self, list: &str) -> String {
        format!("row of {list} {}", json_text(self))
    }
}

/// Largest number of bytes of JSON that a character takes.
const fn width(c: char) -> usize {
    match c {
        '\0'..='\x1f' => "\\u0000".len(),
        '"' | '\\' => 2,
        c => c.len_utf8(),
    }
}

fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("texts and a number have JSON")
}

/// Reads a whole number: Cloud Logging keeps numbers as floating point, and may write `3.0`.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(deserializer)?;
    let of_float = |float: f64| {
        let text = format!("{float:.0}");
        text.parse().ok().filter(|_| float.fract() == 0.0)
    };
    number
        .as_u64()
        .or_else(|| number.as_f64().and_then(of_float))
        .ok_or_else(|| serde::de::Error::custom("the index of a row is a whole number from 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(index: u64) -> Row {
        let values = vec![Some("ada \"x\" \u{202e}".to_owned()), None, Some(String::new())];
        Row { index, columns: ["username", "email", "note"].map(str::to_owned).to_vec(), values }
    }

    #[test]
    fn a_row_is_read_as_it_was_written_and_its_proof_is_of_it_alone() {
        let key = ProofKey::generate();
        let payload = json!({"message": "x", "quill_admin": {"request_id": "r", "row": row(3).to_json("ab12", Some(&key))}});
        let found = Row::from_payload(&payload, Some(&key)).expect("a row");
        assert_eq!(
            found,
            FoundRow { row: row(3), list: "ab12".to_owned(), request_id: Some("r".to_owned()), proven: true }
        );
        // Cloud Logging's own way to write numbers.
        let mut float = payload.clone();
        float["quill_admin"]["row"]["index"] = json!(3.0);
        assert_eq!(Row::from_payload(&float, Some(&key)), Some(found));
        for (place, other) in [
            ("index", json!(2)),
            ("values", json!(["eve", null, ""])),
            ("values", json!([null, null, ""])),
            ("list", json!("cd34")),
        ] {
            let mut forged = payload.clone();
            forged["quill_admin"]["row"][place] = other;
            assert!(!Row::from_payload(&forged, Some(&key)).expect("the shape of one").proven, "{forged}");
        }
        assert!(!Row::from_payload(&payload, Some(&ProofKey::generate())).expect("a row").proven);
        assert!(!Row::from_payload(&payload, None).expect("a row").proven);
        for (place, other) in [
            ("index", json!(-1)),
            ("index", json!(0.5)),
            ("values", json!(["ada"])),
            ("columns", json!(1)),
            ("list", json!(1)),
        ] {
            let mut none = payload.clone();
            none["quill_admin"]["row"][place] = other;
            assert_eq!(Row::from_payload(&none, Some(&key)), None, "{none}");
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_cut_off_and_costs_no_other_anything() {
        let long = |text: &str| Some(text.repeat(Row::LONGEST));
        let list = |values: [Option<String>; 3]| Row { values: values.to_vec(), ..row(0) };
        let mut fits = list([Some("x".repeat(Row::LONGEST - 4)), None, Some("\n\"".to_owned())]);
        // A line break is counted as its longest escape.
        assert_eq!(fits.cut(), ["username"]);
        let mut fits = list([Some("x".repeat(Row::LONGEST - 4)), None, Some("\\\"".to_owned())]);
        assert_eq!((fits.cut(), fits.values[0].as_ref().map(String::len)), (vec![], Some(Row::LONGEST - 4)));
        for text in ["x", "é", "🙂", "\"", "\u{1}", "\n"] {
            let mut row = list([long(text), Some("ada@example.org".to_owned()), long(text)]);
            assert_eq!(row.cut(), ["username", "note"], "{text:?}");
            assert_eq!(row.values[1].as_deref(), Some("ada@example.org"));
            for value in [&row.values[0], &row.values[2]] {
                let value = value.as_deref().expect("it had one");
                let kept = value.strip_suffix(Row::CUT).expect("it says that it was cut off");
                assert!(
                    long(text).is_some_and(|long| long.starts_with(kept)) && kept.len() > 3_000,
                    "{text:?}"
                );
            }
            let line =
                json!({"message": row.sentence(), "quill_admin": {"row": row.to_json("", None)}}).to_string();
            assert!(line.len() < 2 * Row::LONGEST + 1024, "{text:?}: {}", line.len());
            assert_eq!(row.cut(), [""; 0], "{text:?}");
        }
    }

    #[test]
    fn a_row_is_said_without_what_is_null_and_its_list_has_one_digest() {
        assert_eq!(row(0).sentence(), "username ada \"x\" \u{202e}, note ");
        let (one, other) = (Row::digest(&[row(0), row(1)]), Row::digest(&[row(1), row(0)]));
        assert!(one != other && one.len() == 64);
        // The SHA-256 of `[]`.
        assert_eq!(Row::digest(&[]), "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
    }
}
