//! The rows of a list. They come through the log, late and in any order, and others can write there. A list
//! is shown completely or not at all: somebody missing from it would be taken for not existing.
//!
//! To change when a list is shown: [`Rows::listing`], and the sentences below it.

use std::collections::BTreeMap;

use quill_admin_contract::{Asked, FoundRow, Outcome, Row};

use crate::actions;

/// The rows that have come so far, by the digest of their list. A task that Cloud Run started again may have
/// begun more than one list; the result says which one counts.
#[derive(Debug, Default)]
pub struct Rows {
    taken: BTreeMap<String, BTreeMap<u64, Row>>,
    /// Whether the action that was asked for lists rows; `None` where it is not known here.
    wanted: Option<bool>,
    /// The list that the result counts, and how many rows it has.
    expected: Option<(String, u64)>,
    /// The number of lines that claim to be rows and are none.
    refused: u64,
}

/// A list that a task has told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The complete rows in their order, or the reason, in words, why they are not complete or not known to
    /// be.
    pub rows: Result<Vec<Row>, String>,
    /// The number of log lines that claim to be rows of it and are none.
    pub refused: u64,
}

impl Rows {
    /// Starts without rows, for the request `asked`.
    pub(super) fn of(asked: Option<&Asked>) -> Self {
        let action = asked.and_then(|asked| actions::known(asked.action.as_deref()?));
        Self { wanted: action.map(|action| action.definition.rows.is_some()), ..Self::default() }
    }

    /// Takes a row; returns whether it belongs to the list. Where rows can be proven, one without proof does
    /// not belong. Where they cannot, the first of two rows with one place is kept, and the result's digest
    /// shows whether it was the right one.
    pub(super) fn take(&mut self, found: FoundRow, asked: &Asked) -> bool {
        let FoundRow { row, list, request_id, proven } = found;
        let ours = match &asked.key {
            Some(_) => proven,
            None => request_id == asked.request_id,
        };
        let is_one = ours && {
            let list = self.taken.entry(list).or_default();
            *list.entry(row.index).or_insert_with(|| row.clone()) == row
        };
        self.refused += u64::from(!is_one);
        is_one
    }

    /// Takes the number of rows from a result that counts, unless its rows are plain lines of text.
    pub(super) fn expect(&mut self, outcome: &Outcome) {
        if let Outcome::Listed { rows, digest: Some(digest), .. } = outcome {
            self.expected = Some((digest.clone(), *rows));
        }
    }

    /// Whether rows that the result has counted have not come.
    pub(super) fn are_missing(&self) -> bool {
        self.expected.as_ref().is_some_and(|(list, expected)| {
            let come = self.taken.get(list).map_or(0, |rows| rows.range(..expected).count());
            come as u64 != *expected
        })
    }

    /// The list that a result tells. Without a result line no list is known to be complete.
    pub(super) fn listing(mut self, outcome: Option<&Outcome>) -> Option<Listing> {
        let (expected, digest) = match outcome {
            Some(Outcome::Listed { rows, digest: Some(digest), .. }) => (*rows, digest),
            // When the action is known to list nothing, a line that claims to be a row is somebody else's.
            None if self.wanted.unwrap_or(!self.taken.is_empty()) => {
                return Some(Listing { rows: Err(UNCOUNTED.to_owned()), refused: self.refused });
            }
            // Rows that are plain lines of text have been shown as such.
            _ => return None,
        };
        let mut taken = self.taken.remove(digest).unwrap_or_default();
        let beyond = taken.split_off(&expected);
        let rows: Vec<Row> = taken.into_values().collect();
        let refused = self.refused + beyond.len() as u64;
        let missing = expected - rows.len() as u64;
        let rows = match missing {
            0 if Row::digest(&rows) == *digest => Ok(rows),
            0 => Err(OTHERS.to_owned()),
            _ => Err(format!(
                "{missing} of {expected} rows did not arrive: the list is not shown without them"
            )),
        };
        Some(Listing { rows, refused })
    }
}

const UNCOUNTED: &str = "the list is not shown: the result that says how many rows it has did not arrive";

const OTHERS: &str = "the list is not shown: the rows that arrived are not those that the task has listed, and somebody \
                      else may have written to the log";

impl Listing {
    /// The warning about lines that claim to be rows of the list and are none, if there are any.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let lines = match self.refused {
            0 => return None,
            1 => "a line of the log claims to be a row of this list and is".to_owned(),
            more => format!("{more} lines of the log claim to be rows of this list and are"),
        };
        Some(format!("{lines} not: somebody else may have written to the log"))
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::ProofKey;

    use super::*;

    fn row(index: u64, name: &str) -> Row {
        Row { index, columns: vec!["username".to_owned()], values: vec![Some(name.to_owned())] }
    }

    fn list() -> Vec<Row> {
        vec![row(0, "ada"), row(1, "bo"), row(2, "cy")]
    }

    fn told() -> Outcome {
        let digest = Some(Row::digest(&list()));
        Outcome::Listed { rows: 3, more: false, digest, warnings: Vec::new() }
    }

    fn proven(row: Row) -> FoundRow {
        FoundRow { row, list: Row::digest(&list()), request_id: None, proven: true }
    }

    #[test]
    fn rows_are_put_in_order_and_the_list_is_whole_with_the_last_of_them() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let mut rows = Rows::default();
        rows.expect(&told());
        for (at, row) in list().into_iter().rev().enumerate() {
            assert!(rows.are_missing(), "{at}");
            assert!(rows.take(proven(row), &asked));
        }
        assert!(!rows.are_missing());
        // The same row may arrive twice.
        assert!(rows.take(proven(row(1, "bo")), &asked));
        let listing = rows.listing(Some(&told())).expect("a list");
        assert_eq!((listing.doubt(), listing.rows), (None, Ok(list())));
    }

    #[test]
    fn what_is_missing_and_what_is_forged_is_told_and_no_row_is_shown() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let mut rows = Rows::default();
        for row in list().into_iter().skip(1) {
            rows.take(proven(row), &asked);
        }
        assert!(!rows.take(FoundRow { proven: false, ..proven(row(0, "eve")) }, &asked));
        let listing = rows.listing(Some(&told())).expect("a list");
        let doubt = listing.doubt().expect("a doubt");
        assert!(doubt.starts_with("a line of the log claims to be a row"), "{doubt}");
        let lack = listing.rows.expect_err("one is missing");
        assert_eq!(lack, "1 of 3 rows did not arrive: the list is not shown without them");
    }

    #[test]
    fn a_proven_row_that_the_result_does_not_count_is_none_of_the_list() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let mut rows = Rows::default();
        rows.expect(&told());
        for row in list().into_iter().skip(1).chain([row(3, "more")]) {
            rows.take(proven(row), &asked);
        }
        assert!(rows.are_missing());
        rows.take(proven(row(0, "ada")), &asked);
        let listing = rows.listing(Some(&told())).expect("a list");
        assert_eq!((listing.rows, listing.refused), (Ok(list()), 1));
    }

    /// This happens when a row was changed between two attempts of one task: both have the key.
    #[test]
    fn of_two_lists_of_one_task_the_result_tells_which_it_is() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let before = vec![row(0, "aaron"), row(1, "ada")];
        let mut rows = Rows::default();
        for row in before.clone() {
            let found = FoundRow { list: Row::digest(&before), ..proven(row) };
            assert!(rows.take(found, &asked));
        }
        rows.expect(&told());
        assert!(rows.are_missing());
        for row in list() {
            assert!(rows.take(proven(row), &asked));
        }
        assert!(!rows.are_missing());
        let listing = rows.listing(Some(&told())).expect("a list");
        assert_eq!((listing.doubt(), listing.rows), (None, Ok(list())));
    }

    #[test]
    fn without_a_key_the_digest_tells_other_rows_from_those_that_were_listed() {
        let asked = Asked { request_id: Some("r".to_owned()), ..Asked::default() };
        let found =
            |row: Row, id: &str| FoundRow { request_id: Some(id.to_owned()), proven: false, ..proven(row) };
        for (first, whole) in [("ada", true), ("eve", false)] {
            let mut rows = Rows::default();
            assert!(rows.take(found(row(0, first), "r"), &asked));
            assert!(!rows.take(found(row(0, "mallory"), "r"), &asked));
            assert!(!rows.take(found(row(1, "bo"), "another"), &asked));
            assert!(rows.take(found(row(1, "bo"), "r"), &asked));
            assert!(rows.take(found(row(2, "cy"), "r"), &asked));
            let listing = rows.listing(Some(&told())).expect("a list");
            assert_eq!(listing.refused, 2);
            assert_eq!(listing.rows, if whole { Ok(list()) } else { Err(OTHERS.to_owned()) });
        }
    }

    #[test]
    fn without_a_result_no_list_is_known_to_be_whole() {
        let asked = |action: &str| Asked { action: Some(action.to_owned()), ..Asked::default() };
        let uncounted = Some(Listing { rows: Err(UNCOUNTED.to_owned()), refused: 0 });
        assert_eq!(Rows::of(Some(&asked("list-users"))).listing(None), uncounted);
        assert_eq!(Rows::of(Some(&asked("show-user"))).listing(None), None);
        // This action is not known here, and has rows.
        let mut rows = Rows::of(Some(&asked("list-wards")));
        rows.take(FoundRow { proven: false, ..proven(row(0, "ada")) }, &asked("list-wards"));
        assert_eq!(rows.listing(None), uncounted);
        assert_eq!(Rows::of(None).listing(None), None);
        // An action that is known to list nothing has no list, whatever others write.
        let mut rows = Rows::of(Some(&asked("add-role")));
        rows.take(FoundRow { proven: false, ..proven(row(0, "ada")) }, &asked("add-role"));
        assert_eq!(rows.listing(None), None);
    }
}
