//! The two names of each database variable of a job, and which of them is used.
//!
//! The application has renamed `AUTH_DB_…` to `CORE_DB_…`. The executor reads both names of each variable,
//! and the older name wins. A variable that is set is compared and written by the name that it has: a value
//! by the other name would win over the one that the job's owner has set, or have no effect. A new job gets
//! the older names, which every admin image and the Terraform module know.

use quill_admin_cloud::{EnvValue, JobSettings};
use quill_admin_contract::variable::{CONNECTION, Variable};

/// A variable that a job has by both names, with different values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contradiction {
    /// The name that wins.
    pub wins: &'static str,
    /// The name that has no effect.
    pub loses: &'static str,
}

/// The value of a database variable of a job, as the executor reads it, and the name that it is set by.
#[must_use]
pub fn of<'a>(job: &'a JobSettings, variable: &Variable) -> Option<(&'static str, &'a EnvValue)> {
    let mut names = [Some(variable.name), variable.newer].into_iter().flatten();
    names.find_map(|name| Some((name, set(job, name)?)))
}

/// The name by which a variable is written in a job: the one that is set; where neither is, the one from the
/// set of names that the job uses.
#[must_use]
pub fn name(job: Option<&JobSettings>, variable: &Variable) -> &'static str {
    let Some(job) = job else { return variable.name };
    if let Some((name, _)) = of(job, variable) {
        return name;
    }
    let has = |name: fn(&Variable) -> Option<&'static str>| {
        CONNECTION.iter().filter_map(|variable| name(variable)).any(|name| set(job, name).is_some())
    };
    let newer_alone = has(|variable| variable.newer) && !has(|variable| Some(variable.name));
    variable.newer.filter(|_| newer_alone).unwrap_or(variable.name)
}

/// The variables that a job has by both names, with different values.
#[must_use]
pub fn contradictions(job: &JobSettings) -> Vec<Contradiction> {
    let both = CONNECTION.iter().filter_map(|variable| {
        let (wins, loses) = (variable.name, variable.newer?);
        (set(job, wins)? != set(job, loses)?).then_some(Contradiction { wins, loses })
    });
    both.collect()
}

/// Renames variables with the older names to the names that they have in a job.
#[must_use]
pub fn named(variables: Vec<(String, EnvValue)>, job: Option<&JobSettings>) -> Vec<(String, EnvValue)> {
    let renamed = variables.into_iter().map(|(own, value)| {
        let known = CONNECTION.iter().find(|variable| variable.name == own);
        (known.map_or(own, |variable| name(job, variable).to_owned()), value)
    });
    renamed.collect()
}

/// The value that a variable is set to. A blank one counts as missing, as it does for the executor.
fn set<'a>(job: &'a JobSettings, name: &str) -> Option<&'a EnvValue> {
    match job.variable(name)? {
        EnvValue::Text(text) if text.trim().is_empty() => None,
        value => Some(value),
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_cloud::SecretRef;
    use quill_admin_contract::variable::{AUTH_DB_HOST, AUTH_DB_NAME, AUTH_DB_PASSWORD, AUTH_DB_SSLMODE};

    use super::*;

    fn job(variables: &[(&str, &str)]) -> JobSettings {
        let env = variables.iter().map(|(name, value)| {
            let value = match value.strip_prefix("secret ") {
                Some(secret) => EnvValue::Secret(SecretRef::own(secret, "latest")),
                None => EnvValue::Text((*value).to_owned()),
            };
            ((*name).to_owned(), value)
        });
        JobSettings { env: env.collect(), ..JobSettings::default() }
    }

    #[test]
    fn a_job_keeps_the_names_that_it_has() {
        let names = |job: Option<&JobSettings>| {
            [&AUTH_DB_HOST, &AUTH_DB_NAME, &AUTH_DB_PASSWORD, &AUTH_DB_SSLMODE].map(|one| name(job, one))
        };
        let older = ["AUTH_DB_HOST", "AUTH_DB_NAME", "AUTH_DB_PASSWORD", "AUTH_DB_SSLMODE"];
        let newer = ["CORE_DB_HOST", "CORE_DB_NAME", "CORE_DB_PASSWORD", "CORE_DB_SSLMODE"];
        assert_eq!(names(None), older);
        assert_eq!(names(Some(&job(&[]))), older);
        let core = [("CORE_DB_HOST", "10.0.0.3"), ("CORE_DB_PASSWORD", "secret core-db-password")];
        assert_eq!(names(Some(&job(&core))), newer);
        assert_eq!(names(Some(&job(&[("CORE_DB_HOST", "a"), ("AUTH_DB_HOST", " ")]))), newer);
        // With both there, the executor reads the older one, so that is the one to change.
        let both = job(&[("CORE_DB_HOST", "a"), ("AUTH_DB_HOST", "b"), ("CORE_DB_NAME", "c")]);
        assert_eq!(
            names(Some(&both)),
            ["AUTH_DB_HOST", "CORE_DB_NAME", "AUTH_DB_PASSWORD", "AUTH_DB_SSLMODE"]
        );
        let wanted = vec![("AUTH_DB_HOST".to_owned(), EnvValue::Text("x".to_owned()))];
        assert_eq!(named(wanted, Some(&job(&core)))[0].0, "CORE_DB_HOST");
    }

    #[test]
    fn two_values_are_told_with_the_one_that_wins() {
        let same = [("AUTH_DB_HOST", "a"), ("CORE_DB_HOST", "a"), ("CORE_DB_NAME", "b")];
        assert_eq!(contradictions(&job(&same)), []);
        let other =
            [("AUTH_DB_HOST", "a"), ("CORE_DB_HOST", "b"), ("AUTH_DB_NAME", ""), ("CORE_DB_NAME", "c")];
        let told = [Contradiction { wins: "AUTH_DB_HOST", loses: "CORE_DB_HOST" }];
        assert_eq!(contradictions(&job(&other)), told);
        assert_eq!(of(&job(&other), &AUTH_DB_NAME).map(|(name, _)| name), Some("CORE_DB_NAME"));
    }
}
