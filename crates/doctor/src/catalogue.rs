//! All checks, in the order in which their results are reported, and the choice of those that are asked for.
//!
//! To add a check: its line in [`CHECKS`], after the checks that it needs.

use quill_admin_operations::error::CliError;
use quill_admin_yaml::nearest;

use super::check::{Check, Scope};
use super::checks;

/// All checks: first those of this machine, then those of an environment, then that of the repository. A
/// check that needs another one comes after it.
pub const CHECKS: &[&Check] = &[
    &checks::machine_config::CHECK,
    &checks::machine_gcloud::CHECK,
    &checks::machine_sign_in::CHECK,
    &checks::machine_docker::CHECK,
    &checks::machine_contract::CHECK,
    &checks::project::CHECK,
    &checks::apis::CHECK,
    &checks::permissions::CHECK,
    &checks::audit_logging::CHECK,
    &checks::records::CHECK,
    &checks::admin_image::CHECK,
    &checks::job::CHECK,
    &checks::job_image::CHECK,
    &checks::job_settings::CHECK,
    &checks::job_secrets::CHECK,
    &checks::record_key::CHECK,
    &checks::other_tools::CHECK,
    &checks::database::CHECK,
    &checks::database_check::CHECK,
    &checks::backend_image::CHECK,
    &checks::backend_startup::CHECK,
    &checks::state_lock::CHECK,
    &checks::leaks::CHECK,
    &checks::repository::CHECK,
];

/// Checks that start a task, and so are run only when they are asked for.
const DEEP: &[&str] = &["database-check"];

/// The options that choose checks.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The ids of the only checks to run; all checks where none is named.
    pub only: &'a [String],
    /// The ids of the checks to leave out.
    pub skip: &'a [String],
    /// Whether to run also the checks that start a task.
    pub deep: bool,
    /// Whether a repository was named, which is checked, too.
    pub repository: bool,
    /// Whether all checks are wanted, for a list of them.
    pub all: bool,
}

/// Finds the check of an id.
///
/// # Errors
///
/// Fails when the id belongs to no check; says which ones there are.
pub fn find(id: &str) -> Result<&'static Check, CliError> {
    if let Some(check) = CHECKS.iter().find(|check| check.id == id) {
        return Ok(check);
    }
    let ids: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
    let error = CliError::usage(format!(
        "there is no check \"{}\"; the checks are: {}",
        id.escape_debug(),
        ids.join(", ")
    ));
    Err(match nearest(id, ids) {
        Some(near) => error.hint(format!("did you mean \"{near}\"?")),
        None => error,
    })
}

/// Chooses the checks that are asked for.
///
/// # Errors
///
/// Fails when an id belongs to no check.
pub fn choose(asked: &Wanted<'_>) -> Result<Vec<&'static Check>, CliError> {
    for given in asked.only.iter().chain(asked.skip) {
        find(given)?;
    }
    let named = |ids: &[String], check: &Check| ids.iter().any(|id| id == check.id);
    let wanted = |check: &Check| {
        if named(asked.skip, check) {
            return false;
        }
        if !asked.only.is_empty() {
            return named(asked.only, check);
        }
        match check.scope {
            _ if asked.all => true,
            Scope::Repository(_) => asked.repository,
            _ => asked.deep || !DEEP.contains(&check.id),
        }
    };
    Ok(CHECKS.iter().copied().filter(|check| wanted(check)).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pages::GUIDE;

    #[test]
    fn what_a_check_needs_comes_before_it() {
        let mut known = BTreeSet::new();
        for check in CHECKS {
            for need in check.needs {
                assert!(known.contains(need), "{} needs {need}", check.id);
            }
            assert!(known.insert(check.id), "{} is there twice", check.id);
        }
    }

    #[test]
    fn every_check_has_its_section_of_the_guide_and_no_section_is_left_over() {
        let sections: Vec<(&str, &str)> =
            GUIDE.split("\n## ").skip(1).map(|part| part.split_once('\n').unwrap_or((part, ""))).collect();
        let ids: Vec<&str> = sections.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, CHECKS.iter().map(|check| check.id).collect::<Vec<_>>());
        for ((id, text), check) in sections.iter().zip(CHECKS) {
            assert!(text.contains(&format!("\n*{}*\n", check.title)), "{id}: cargo xtask docs");
            let parts = ["**What you see.**", "**Why.**", "**The doctor**", "**By hand.**"];
            let mut rest = *text;
            for part in parts {
                let (before, after) =
                    rest.split_once(part).unwrap_or_else(|| panic!("{id} has no {part} in its place"));
                assert!(part == parts[0] || !before.trim().is_empty(), "{id}: nothing before {part}");
                rest = after;
            }
            assert!(!rest.trim().is_empty(), "{id}: nothing is to be done by hand");
        }
    }

    #[test]
    fn the_titles_of_the_old_guide_are_found() {
        let (index, _) = GUIDE.split_once("\n## ").expect("there are sections");
        for title in [
            "Backend service running the admin image by mistake",
            "Startup probe failures (general)",
            "Terraform state lock",
            "\"Permission denied\"",
            "\"not authenticated\"",
            "\"Job not found\"",
            "\"Admin image not found\"",
            "User created but role not assigned",
        ] {
            assert!(index.contains(title), "{title} is not in the table at the top");
            assert!(GUIDE[index.len()..].contains(title), "{title} is in no section");
        }
        for link in GUIDE.split("](#").skip(1) {
            let id = link.split(')').next().unwrap_or_default();
            assert!(CHECKS.iter().any(|check| check.id == id), "there is no section {id}");
        }
    }
}
