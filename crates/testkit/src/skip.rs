//! Skips a test that needs something which is missing, and reports it as skipped.
//!
//! The test harness of the standard library knows "passed" and "failed" only, so a test that
//! returns early would count as passed. [`skip!`](crate::skip!) therefore also
//!
//! - writes `SKIPPED <test>: <need>: <reason>` past the harness's capture to the terminal,
//! - appends the same as one line of JSON to the file named by [`REPORT`], which
//!   `cargo xtask test` counts,
//! - fails the test instead where [`REQUIRE`] lists the need: CI has no excuse.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

use serde::{Deserialize, Serialize};

/// The variable that names the file which skipped tests are appended to.
pub const REPORT: &str = "QUILL_ADMIN_TEST_SKIPS";

/// The variable that lists, separated by commas, the needs that must be met: `postgres,docker`, or `all`.
pub const REQUIRE: &str = "QUILL_ADMIN_TEST_REQUIRE";

/// One skipped test: a line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The test's path, as the harness names it.
    pub test: String,
    /// The need, in one word.
    pub need: String,
    /// The reason why it is not met.
    pub reason: String,
}

/// Leaves the test early, because something that it needs is missing.
///
/// `skip!("docker", "no daemon answers on {socket}")`: the need in one word, then the reason as a
/// format string. Works in tests that return nothing or a `Result<(), E>`.
#[macro_export]
macro_rules! skip {
    ($need:expr, $($reason:tt)+) => {{
        fn here() {}
        $crate::skip::report(
            $crate::skip::enclosing_test(std::any::type_name_of_val(&here)),
            $need,
            &format!($($reason)+),
        );
        return $crate::skip::Leave::leave();
    }};
}

/// A value that a test returns when it is left early.
pub trait Leave {
    /// The value that means success.
    fn leave() -> Self;
}

impl Leave for () {
    fn leave() -> Self {}
}

impl<E> Leave for Result<(), E> {
    fn leave() -> Self {
        Ok(())
    }
}

/// The test's path, from the type name of a function inside it.
#[must_use]
pub fn enclosing_test(inner: &str) -> &str {
    let test = inner.strip_suffix("::here").unwrap_or(inner);
    // An async test's body is a closure.
    test.strip_suffix("::{{closure}}").unwrap_or(test)
}

/// Reports one skipped test, or panics where the need is required.
pub fn report(test: &str, need: &str, reason: &str) {
    let required = env::var(REQUIRE).unwrap_or_default();
    assert!(
        !is_required(&required, need),
        "{test} must not be skipped here ({REQUIRE}={required}), but {need} is missing: {reason}"
    );
    // eprintln! would not do: the harness captures it, and drops it when a test passes.
    let mut stderr = io::stderr().lock();
    writeln!(stderr, "SKIPPED {test}: {need}: {reason}").expect("write to stderr");
    if let Some(path) = env::var_os(REPORT) {
        let path = Path::new(&path);
        note(test, need, reason, path)
            .unwrap_or_else(|error| panic!("failed to write to {}: {error}", path.display()));
    }
}

/// Appends one skipped test to a report.
///
/// # Errors
///
/// Fails if the report cannot be written.
pub fn note(test: &str, need: &str, reason: &str, report: &Path) -> io::Result<()> {
    let skipped = Skipped { test: test.to_owned(), need: need.to_owned(), reason: reason.to_owned() };
    let mut line = serde_json::to_string(&skipped)?;
    line.push('\n');
    // One write to a file opened for appending: tests of several processes share it.
    OpenOptions::new().append(true).create(true).open(report)?.write_all(line.as_bytes())
}

fn is_required(list: &str, need: &str) -> bool {
    list.split(',').map(str::trim).any(|entry| entry == need || entry == "all")
}

#[cfg(test)]
mod tests {
    use super::{enclosing_test, is_required};

    #[test]
    fn a_need_is_required_by_name_or_with_all_others() {
        assert!(is_required("docker, postgres", "postgres"));
        assert!(is_required("all", "postgres"));
        assert!(!is_required("", "postgres"));
        assert!(!is_required("postgresql", "postgres"));
    }

    #[test]
    fn the_test_is_named_as_the_harness_names_it() {
        fn here() {}
        let plain = enclosing_test(std::any::type_name_of_val(&here));
        assert_eq!(plain, concat!(module_path!(), "::the_test_is_named_as_the_harness_names_it"));
        assert_eq!(enclosing_test("a::b::{{closure}}::here"), "a::b");
    }
}
