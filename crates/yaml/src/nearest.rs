//! Finds the name that a person probably meant who mistyped one.

/// The candidate that was probably meant: one with up to a third of its letters wrong, or one that begins
/// with the given text, or the other way round.
#[must_use]
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&given, candidate), candidate))
        .filter(|(distance, candidate)| {
            // A name of one letter would have no correct letter left.
            (*distance <= candidate.len().div_ceil(3) && *distance < candidate.len())
                || (given.len() > 1 && (given.starts_with(candidate) || candidate.starts_with(&given)))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let names = ["staging", "teaching", "prod", "local"];
        assert_eq!(nearest("stagin", names), Some("staging"));
        assert_eq!(nearest("prd", names), Some("prod"));
        assert_eq!(nearest("Prod", names), Some("prod"));
        assert_eq!(nearest("production", names), Some("prod"));
        assert_eq!(nearest("zzz", names), None);
        let names = ["username", "permission", "role"];
        assert_eq!(nearest("usrname", names), Some("username"));
        assert_eq!(nearest("perm", names), Some("permission"));
        assert_eq!(nearest("Role", names), Some("role"));
        assert_eq!(nearest("zzz", names), None);
        assert_eq!(nearest("2", ["1"]), None);
    }
}
