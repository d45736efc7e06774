//! The results of the rows of a bulk run, one for each row. They come through the log, late and in any order, before
//! the result of the whole run, or without it where the container was killed.

use std::collections::BTreeMap;

use quill_admin_contract::{Bulk, Claim, Outcome, Saving};

/// The results that have come so far.
#[derive(Debug, Clone, Default)]
pub struct RowResults {
    taken: BTreeMap<u64, Claim>,
    saving: BTreeMap<u64, i64>,
    /// The number of results that the result of the whole run counts, and their digest.
    expected: Option<(u64, String)>,
    /// The number of results that had come when it was last reported.
    told: usize,
}

impl RowResults {
    /// Takes the result of a row, which has a number. The first one of a row is kept.
    pub(super) fn take(&mut self, claim: Claim) {
        if let Some(number) = claim.line.row_number {
            self.taken.entry(number).or_insert(claim);
        }
    }

    /// Notes the transaction in which a row is about to be saved. Of several the greatest is the last: lines of the
    /// log come in any order, and the numbers of transactions grow.
    pub(super) fn begins(&mut self, saving: Saving) {
        let transaction = self.saving.entry(saving.row).or_insert(saving.transaction);
        *transaction = saving.transaction.max(*transaction);
    }

    /// Takes the number of results from the result of the whole run.
    pub(super) fn expect(&mut self, outcome: &Outcome) {
        if let Outcome::Each { done, failed, digest, .. } = outcome {
            self.expected = Some((done + failed, digest.clone()));
        }
    }

    /// Whether results that the result of the whole run counts have not come.
    pub(super) fn are_missing(&self) -> bool {
        self.expected.as_ref().is_some_and(|(expected, _)| (self.taken.len() as u64) < *expected)
    }

    /// The number of results that have come, where there are more than the last time.
    pub(super) fn news(&mut self) -> Option<u64> {
        let come = self.taken.len();
        (std::mem::replace(&mut self.told, come) != come).then_some(come as u64)
    }

    /// The result of a row, where it has come.
    #[must_use]
    pub fn of(&self, number: u64) -> Option<&Claim> {
        self.taken.get(&number)
    }

    /// The results, in the order of their rows.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Claim)> {
        self.taken.iter().map(|(number, claim)| (*number, claim))
    }

    /// The transaction in which a row was about to be saved.
    #[must_use]
    pub fn transaction_of(&self, number: u64) -> Option<i64> {
        self.saving.get(&number).copied()
    }

    /// The reason, in words, why these are not the results that the whole run has counted; `None` where they are, or
    /// where its result has not come.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        let (expected, digest) = self.expected.as_ref()?;
        let missing = expected.saturating_sub(self.taken.len() as u64);
        if missing > 0 {
            return Some(format!("the results of {missing} of {expected} rows did not arrive"));
        }
        let texts = self.taken.values().map(|claim| claim.text.as_deref().unwrap_or_default());
        // Without a key no text is proven, and nothing can be compared.
        let any = self.taken.values().any(|claim| claim.text.is_some());
        (any && Bulk::digest(texts) != *digest).then(|| {
            "the results of the rows that arrived are not those that the run has counted, and somebody else may have \
             written to the log"
                .to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{ExitCode, ResultLine, RunContext, Signature};

    use super::*;

    fn claim(number: u64) -> Claim {
        let context = RunContext { row_number: Some(number), ..RunContext::default() };
        let line = ResultLine::new(&context, 4, ExitCode::Success, Outcome::DoneBefore);
        let written = line.to_json();
        let text = Some(written.to_string());
        Claim { line, written, text, proven: true, signature: Signature::None }
    }

    fn each(digest: String) -> Outcome {
        Outcome::Each { rows: 3, done: 2, failed: 0, digest }
    }

    #[test]
    fn results_are_waited_for_and_compared_with_what_the_run_has_counted() {
        let texts = [1, 2].map(|number| claim(number).text.expect("a text"));
        let digest = Bulk::digest(texts.iter().map(String::as_str));
        let mut results = RowResults::default();
        results.expect(&each(digest.clone()));
        results.take(claim(2));
        assert_eq!((results.are_missing(), results.news(), results.news()), (true, Some(1), None));
        let lack = results.lack().expect("one is missing");
        assert_eq!(lack, "the results of 1 of 2 rows did not arrive");
        results.take(claim(1));
        // The same line may come twice, and another one of the row does not replace it.
        results.take(claim(1));
        assert_eq!((results.are_missing(), results.lack(), results.news()), (false, None, Some(2)));

        let mut others = RowResults::default();
        others.take(claim(1));
        others.take(claim(3));
        others.expect(&each(digest));
        assert!(others.lack().is_some_and(|lack| lack.contains("somebody else")), "{others:?}");
    }

    #[test]
    fn without_the_result_of_the_run_each_row_counts_for_itself() {
        let mut results = RowResults::default();
        results.take(claim(1));
        results.begins(Saving { row: 2, transaction: 9 });
        results.begins(Saving { row: 2, transaction: 7 });
        assert_eq!((results.lack(), results.are_missing()), (None, false));
        assert_eq!((results.transaction_of(2), results.transaction_of(1)), (Some(9), None));
        assert!(results.of(1).is_some() && results.of(2).is_none());
    }
}
