//! Reports about golden cases that were run.
//!
//! The text has one line for each case, with the differences below those that failed; the document has the
//! same as objects.

use std::fmt::Write as _;

use quill_admin_application::examples::Case;
use quill_admin_contract::ExitCode;
use quill_admin_operations::config::Application;
use serde_json::{Value, json};

use super::document::path;
use super::output::{document_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::symbols;

/// The results of golden cases.
#[derive(Debug)]
pub struct Tested<'a> {
    /// The application that they belong to.
    pub application: &'a Application,
    /// The file that the tables were made from.
    pub tables: &'a str,
    /// The cases, in the order in which they were run.
    pub cases: Vec<TestedCase<'a>>,
}

/// The result of one golden case.
#[derive(Debug)]
pub struct TestedCase<'a> {
    /// The case.
    pub case: &'a Case,
    /// The reason why it was not run; `None` where it was.
    pub left_out: Option<String>,
    /// The differences between expected and actual values; one may have several lines.
    pub problems: Vec<String>,
}

impl TestedCase<'_> {
    const fn failed(&self) -> bool {
        !self.problems.is_empty()
    }

    const fn passed(&self) -> bool {
        self.left_out.is_none() && !self.failed()
    }
}

impl Tested<'_> {
    fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.passed()).count()
    }

    fn failed(&self) -> usize {
        self.cases.iter().filter(|case| case.failed()).count()
    }

    /// 0 where no case failed; else the code of statements that do not fit the tables, because a failed case,
    /// too, means that the file and the database disagree. Errors that kept cases from being run end with 2.
    pub(super) fn exit_code(&self) -> u8 {
        if self.failed() > 0 { ExitCode::SchemaMismatch.code() } else { ExitCode::Success.code() }
    }
}

pub(super) fn tested_text(tested: &Tested<'_>) -> String {
    let mut text = String::new();
    for one in &tested.cases {
        let name = clean(&one.case.name);
        if let Some(why) = &one.left_out {
            let _ = writeln!(text, "{} {name}: not run, {}", style(symbols::LEFT_OUT).dim(), clean(why));
        } else if one.failed() {
            let _ = writeln!(text, "{} {name}", style(symbols::FAILED).red());
            let place = format!("{}:{}, {}", one.case.file.display(), one.case.place, one.case.action);
            let _ = writeln!(text, "    {}", clean(&place));
            for line in one.problems.iter().flat_map(|problem| problem.lines()) {
                let _ = writeln!(text, "    {}", clean(line));
            }
        } else {
            let _ = writeln!(text, "{} {name}", style(symbols::DONE).green());
        }
    }
    let (passed, failed) = (tested.passed(), tested.failed());
    let left_out = tested.cases.len() - passed - failed;
    let mark = if failed > 0 { style(symbols::FAILED).red() } else { style(symbols::DONE).green() };
    let cases = if tested.cases.len() == 1 { "case" } else { "cases" };
    let _ = write!(text, "\n{mark} {passed} of {} {cases} passed", tested.cases.len());
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    if left_out > 0 {
        let _ = write!(text, ", {left_out} not run");
    }
    let _ = writeln!(text, ", on the tables of {}", clean(tested.tables));
    let _ = writeln!(text, "  from {}", clean(&tested.application.whereabouts()));
    text
}

pub(super) fn tested_json(tested: &Tested<'_>) -> Value {
    let cases: Vec<Value> = tested
        .cases
        .iter()
        .map(|one| {
            let result = match &one.left_out {
                Some(_) => "not_run",
                None if one.failed() => "failed",
                None => "passed",
            };
            json!({
                "case": one.case.name,
                "action": one.case.action,
                "file": path(&one.case.file),
                "line": one.case.place.line,
                "column": one.case.place.column,
                "result": result,
                "why": one.left_out,
                "problems": one.problems,
            })
        })
        .collect();
    json!({
        "exit_code": tested.exit_code(),
        "application": tested.application.folder().map(path),
        "tables": tested.tables,
        "passed": tested.passed(),
        "failed": tested.failed(),
        "cases": cases,
    })
}

impl Reporter {
    /// Shows the results of golden cases; returns the exit code.
    pub fn actions_tested(&self, tested: &Tested<'_>) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&tested_json(tested));
        } else {
            to_stdout(&tested_text(tested));
        }
        tested.exit_code()
    }
}
