//! What Rust's test harness prints: numbers of tests, and why some have failed.
//!
//! To read another line of it: [`Results::read_line`].

use std::io::{self, BufRead};

/// Number of lines that are kept of what a failed test printed, from its panic on.
const KEPT: usize = 40;

/// The results of the test programs of a layer.
#[derive(Default)]
pub(crate) struct Results {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) ignored: u32,
    pub(crate) failures: Vec<Failure>,
    /// Whether the lines that come now are of the last failure.
    inside: bool,
}

/// A test that has failed.
pub(crate) struct Failure {
    pub(crate) test: String,
    /// What it printed, from the panic on if there was one.
    pub(crate) lines: Vec<String>,
}

impl Results {
    /// Shows the output of test programs while it comes, and reads it.
    ///
    /// # Errors
    ///
    /// Fails if the output cannot be read.
    pub(crate) fn show(output: impl BufRead) -> io::Result<Self> {
        let mut results = Self::default();
        for line in output.lines() {
            let line = line?;
            println!("{line}");
            results.read_line(&line);
        }
        Ok(results)
    }

    /// Reads a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …` or `---- module::test stdout ----`,
    /// after which comes what that test printed, until the next such line or the list of all that have failed.
    fn read_line(&mut self, line: &str) {
        if let Some((_, result)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". ")) {
            self.inside = false;
            self.add(result);
        } else if let Some(test) =
            line.strip_prefix("---- ").and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            self.inside = true;
            self.failures.push(Failure { test: test.to_owned(), lines: Vec::new() });
        } else if line == "failures:" {
            self.inside = false;
        } else if let (true, Some(failure)) = (self.inside, self.failures.last_mut()) {
            failure.read_line(line);
        }
    }

    fn add(&mut self, result: &str) {
        for (number, what) in result.split("; ").filter_map(|part| part.split_once(' ')) {
            let number = number.parse().unwrap_or(0);
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }
}

impl Failure {
    fn read_line(&mut self, line: &str) {
        let panicked = |line: &str| line.starts_with("thread '") && line.contains(" panicked at ");
        // What was printed before the panic is seldom why.
        if panicked(line) && !self.lines.first().is_some_and(|first| panicked(first)) {
            self.lines.clear();
        }
        if self.lines.len() < KEPT && !(self.lines.is_empty() && line.is_empty()) {
            self.lines.push(line.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_kept_with_their_panics() {
        let output = "\
running 3 tests
test a::good ... ok
test a::bad ... FAILED
test a::worse ... FAILED

failures:

---- a::bad stdout ----
noise

thread 'a::bad' (7) panicked at tests/a.rs:1:1:
left: 1
right: 2
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- a::worse stdout ----
Error: \"no panic\"

failures:
    a::bad
    a::worse

test result: FAILED. 1 passed; 2 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.00s
running 1 test
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let results = Results::show(output.as_bytes()).unwrap();
        assert_eq!((results.passed, results.failed, results.ignored), (2, 2, 4));
        let failures: Vec<_> = results
            .failures
            .iter()
            .map(|failure| (failure.test.as_str(), failure.lines[0].as_str()))
            .collect();
        assert_eq!(
            failures,
            [
                ("a::bad", "thread 'a::bad' (7) panicked at tests/a.rs:1:1:"),
                ("a::worse", "Error: \"no panic\"")
            ]
        );
        assert!(results.failures[0].lines.contains(&"right: 2".to_owned()));
    }

    #[test]
    fn of_a_long_message_the_beginning_is_kept() {
        let mut output = "---- long stdout ----\nthread 'long' panicked at a.rs:1:1:\n".to_owned();
        output.extend((0..100).map(|number| format!("line {number}\n")));
        let results = Results::show(output.as_bytes()).unwrap();
        assert_eq!(results.failures[0].lines.len(), KEPT);
        assert_eq!(results.failures[0].lines[1], "line 0");
    }
}
