//! The pages of the guide to troubleshooting, one for each check.
//!
//! They are compiled in, so that a program that was installed without a clone has them.

use super::check::Check;

/// The whole guide. Each of its sections is the page of the check whose id is the section's title.
pub(crate) const GUIDE: &str = include_str!("../../../docs/troubleshooting.md");

/// The page of a check, in Markdown, without its title; empty if the guide has none, which a test rules out.
#[must_use]
pub fn page(check: &Check) -> &'static str {
    GUIDE
        .split("\n## ")
        .filter_map(|section| section.split_once('\n'))
        .find(|(title, _)| *title == check.id)
        .map_or("", |(_, page)| page.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::CHECKS;

    #[test]
    fn every_check_has_a_page_of_its_own() {
        for check in CHECKS {
            let page = page(check);
            assert!(page.starts_with(&format!("*{}*", check.title)), "{}", check.id);
            assert!(page.contains("**By hand.**") && !page.contains("\n## "), "{}", check.id);
        }
    }
}
