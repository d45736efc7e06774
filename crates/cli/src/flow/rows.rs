//! The rows of a list: they come through the log, late and in any order, and others can write there.

use std::collections::BTreeMap;

use quill_admin_contract::{Asked, FoundRow, Outcome, Row};

/// The rows that have come so far.
#[derive(Debug, Default)]
pub struct Rows {
    taken: BTreeMap<u64, Row>,
    /// How many the result says there are.
    expected: Option<u64>,
    /// Lines that claim to be rows and are none.
    refused: u64,
}

/// A list that a task has told, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Its rows, in their order.
    pub rows: Vec<Row>,
    /// How many there should be; `None` where no result says so.
    pub expected: Option<u64>,
    /// Lines of the log that claim to be rows of it and are none.
    pub refused: u64,
    /// These are all its rows, and no others.
    pub whole: bool,
}

impl Rows {
    /// Takes a row; whether it is one. Where rows can be proven, nothing else is one. Where they cannot, the first of
    /// two with one place is kept, and the result's digest shows whether it was the right one.
    pub(super) fn take(&mut self, found: FoundRow, asked: &Asked) -> bool {
        let FoundRow { row, request_id, proven } = found;
        let ours = match &asked.key {
            Some(_) => proven,
            None => request_id == asked.request_id,
        };
        let is_one = ours && *self.taken.entry(row.index).or_insert_with(|| row.clone()) == row;
        self.refused += u64::from(!is_one);
        is_one
    }

    /// Takes how many a result that counts says there are, where its rows are more than lines of text.
    pub(super) const fn expect(&mut self, outcome: &Outcome) {
        if let Outcome::Listed { rows, digest: Some(_), .. } = outcome {
            self.expected = Some(*rows);
        }
    }

    /// Whether some that the result has counted have not come.
    pub(super) fn are_missing(&self) -> bool {
        self.expected.is_some_and(|expected| {
            self.taken.keys().filter(|index| **index < expected).count() as u64 != expected
        })
    }

    /// The list that a result tells; without a result, of which the line has not come, the rows that have.
    pub(super) fn listing(self, outcome: Option<&Outcome>) -> Option<Listing> {
        let mut rows: Vec<Row> = self.taken.into_values().collect();
        let (expected, digest) = match outcome {
            Some(Outcome::Listed { rows, digest: Some(digest), .. }) => (*rows, digest),
            Some(_) => return None,
            None => {
                let listing = Listing { rows, expected: None, refused: self.refused, whole: false };
                return Some(listing).filter(|listing| !listing.rows.is_empty());
            }
        };
        let came = rows.len() as u64;
        rows.retain(|row| row.index < expected);
        let beyond = came - rows.len() as u64;
        let whole = rows.len() as u64 == expected && Row::digest(&rows) == *digest;
        Some(Listing { rows, expected: Some(expected), refused: self.refused + beyond, whole })
    }
}

impl Listing {
    /// Why it is not to be taken for the whole list, where that is so.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        if self.whole {
            return None;
        }
        let came = self.rows.len() as u64;
        Some(match self.expected {
            Some(expected) if came < expected => format!(
                "{} of {expected} rows did not arrive: the list is not whole, and these rows are not to be taken for it",
                expected - came
            ),
            Some(_) => "the rows that arrived are not those that the task has listed: somebody else may have written to \
                        the log"
                .to_owned(),
            None => "whether these are all rows is not known: the result that counts them did not arrive".to_owned(),
        })
    }

    /// What to say of lines that claim to be rows of it, where there are any.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        match self.refused {
            0 => None,
            1 => Some(
                "a line of the log claims to be a row of this list and is not proven to be one: it is not shown as one"
                    .to_owned(),
            ),
            more => Some(format!(
                "{more} lines of the log claim to be rows of this list and are not proven to be: they are not shown as \
                 rows"
            )),
        }
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

    #[test]
    fn rows_are_put_in_order_and_the_list_is_whole_with_the_last_of_them() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let mut rows = Rows::default();
        rows.expect(&told());
        for (at, row) in list().into_iter().rev().enumerate() {
            assert!(rows.are_missing(), "{at}");
            assert!(rows.take(FoundRow { row, request_id: None, proven: true }, &asked));
        }
        assert!(!rows.are_missing());
        // Once more is the same.
        assert!(rows.take(FoundRow { row: row(1, "bo"), request_id: None, proven: true }, &asked));
        let listing = rows.listing(Some(&told())).expect("a list");
        assert_eq!((listing.rows.as_slice(), listing.whole, listing.refused), (&list()[..], true, 0));
        assert_eq!((listing.lack(), listing.doubt()), (None, None));
    }

    #[test]
    fn what_is_missing_and_what_is_forged_is_told() {
        let asked = Asked { key: Some(ProofKey::generate()), ..Asked::default() };
        let mut rows = Rows::default();
        for row in list().into_iter().skip(1) {
            rows.take(FoundRow { row, request_id: None, proven: true }, &asked);
        }
        assert!(!rows.take(FoundRow { row: row(0, "eve"), request_id: None, proven: false }, &asked));
        let listing = rows.listing(Some(&told())).expect("a list");
        assert_eq!(listing.rows, list()[1..]);
        assert!(listing.lack().expect("a lack").starts_with("1 of 3 rows did not arrive"));
        assert!(listing.doubt().expect("a doubt").starts_with("a line of the log claims to be a row"));
    }

    #[test]
    fn without_a_key_the_digest_tells_other_rows_from_those_that_were_listed() {
        let asked = Asked { request_id: Some("r".to_owned()), ..Asked::default() };
        let found = |row: Row, id: &str| FoundRow { row, request_id: Some(id.to_owned()), proven: false };
        for (first, whole) in [("ada", true), ("eve", false)] {
            let mut rows = Rows::default();
            assert!(rows.take(found(row(0, first), "r"), &asked));
            assert!(!rows.take(found(row(0, "mallory"), "r"), &asked));
            assert!(!rows.take(found(row(1, "bo"), "another"), &asked));
            assert!(
                rows.take(found(row(1, "bo"), "r"), &asked) && rows.take(found(row(2, "cy"), "r"), &asked)
            );
            assert!(rows.take(found(row(3, "one more"), "r"), &asked));
            let listing = rows.listing(Some(&told())).expect("a list");
            assert_eq!((listing.whole, listing.refused, listing.rows.len()), (whole, 3, 3));
            assert_eq!(listing.lack().is_some(), !whole);
        }
    }

    #[test]
    fn rows_without_a_result_are_not_known_to_be_all() {
        let mut rows = Rows::default();
        rows.take(FoundRow { row: row(0, "ada"), request_id: None, proven: false }, &Asked::default());
        let listing = rows.listing(None).expect("a list");
        assert!(!listing.whole && listing.lack().expect("a lack").contains("did not arrive"));
        assert_eq!(Rows::default().listing(None), None);
    }
}
