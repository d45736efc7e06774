//! Reports about a review of what was run: its table for people, and its document.
//!
//! To add a mark: `review/mark.rs` of `operations`; it is shown here by its code and its sentence.

use std::fmt::Write as _;

use console::measure_text_width;
use quill_admin_actions::{Digest, canonical};
use quill_admin_contract::{ExitCode, Review};
use quill_admin_operations::config::Environment;
use quill_admin_operations::hints;
use quill_admin_operations::review::{Gap, Reviewed, ReviewedRun};
use serde_json::{Value, json};

use super::field::field;
use super::history::{asked_for, came_of, run_json};
use super::output::{document_to_stdout, result_document, result_to_stdout, to_stdout};
use super::paint::{clean, style};
use super::reporter::Reporter;
use super::stream::to_stderr;
use super::{lines, review_table, stream, symbols};
use crate::wrap;

/// A review with what its reports need.
#[derive(Debug)]
pub struct ReviewReport<'a> {
    environment: &'a Environment,
    reviewed: &'a Reviewed,
    /// The runs with their marks, as `--json` has them: what the record's digest is about.
    runs: Value,
}

impl<'a> ReviewReport<'a> {
    /// A report on a review.
    #[must_use]
    pub fn new(environment: &'a Environment, reviewed: &'a Reviewed) -> Self {
        Self { environment, reviewed, runs: reviewed.runs.iter().map(run).collect() }
    }

    /// The review, as its record is to have it.
    #[must_use]
    pub fn record(&self) -> Review {
        let Reviewed { from, until, runs, gaps, .. } = self.reviewed;
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Review {
            from: *from,
            until: *until,
            runs: number(runs.len()),
            marked: number(self.reviewed.marked()),
            not_seen: gaps.iter().map(|gap| gap.code().to_owned()).collect(),
            sha256: Digest::of(canonical(&self.runs).as_bytes()),
        }
    }

    /// The exit code of the command: 30 where a run is marked, 31 where none is, and not everything could be looked
    /// at.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let code = match (self.reviewed.marked(), self.reviewed.gaps.is_empty()) {
            (0, true) => ExitCode::Success,
            (0, false) => ExitCode::Undecided,
            _ => ExitCode::ProblemsFound,
        };
        code.code()
    }

    /// The beginning of the next review, if this one is recorded.
    fn next_begins(&self) -> String {
        let misses = self.reviewed.gaps.iter().any(|gap| Gap::misses_runs(gap.code()));
        if self.environment.record_keys.is_empty() && !self.environment.is_embedded() {
            return "its record is not signed, so that the next review does not begin from it; see record-key".to_owned();
        }
        if misses {
            return "the next review looks at this period again, since not all of its runs could be looked at".to_owned();
        }
        format!("the next review begins at {}", time(self.reviewed.until))
    }
}

/// A run with its marks, as in `--json`.
fn run(one: &ReviewedRun) -> Value {
    let marks = one.marks.iter().map(|mark| {
        let mut told = json!({"code": mark.code(), "message": mark.to_string()});
        if !mark.names().is_empty() {
            told["names"] = json!(mark.names());
        }
        told
    });
    let mut run = run_json(&one.run);
    run["proven"] = json!(one.proven);
    run["marks"] = marks.collect();
    run
}

fn document(report: &ReviewReport<'_>, recorded: Option<&str>) -> Value {
    let ReviewReport { environment, reviewed, runs } = report;
    let earlier = reviewed.earlier.as_ref();
    let last = earlier.and_then(|earlier| earlier.last.as_ref()).map(|last| {
        json!({
            "execution": last.execution,
            "by": last.by,
            "from": last.review.from,
            "until": last.review.until,
            "sha256": last.review.sha256,
            "not_seen": last.review.not_seen,
        })
    });
    let not_seen: Value =
        reviewed.gaps.iter().map(|gap| json!({"code": gap.code(), "message": gap.to_string()})).collect();
    json!({
        "exit_code": report.exit_code(),
        "environment": environment.name,
        "project": environment.job.project,
        "job": environment.job.job,
        "from": reviewed.from,
        "until": reviewed.until,
        "last_review": last,
        "reviews_passed_over": earlier.map(|earlier| earlier.passed_over),
        "reviews_not_proven": earlier.map(|earlier| earlier.not_proven),
        "runs": runs,
        "marked": reviewed.marked(),
        "left": reviewed.left,
        "complete": reviewed.gaps.is_empty(),
        "not_seen": not_seen,
        "not_judged": reviewed.unused,
        "sha256": report.record().sha256,
        "recorded": recorded,
    })
}

fn time(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

fn text(report: &ReviewReport<'_>, columns: Option<usize>, verbose: bool) -> String {
    let ReviewReport { environment, reviewed, .. } = report;
    let mut text = String::new();
    let many = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let heading = format!(
        "review of {}: {}, {} marked",
        environment.name,
        many(reviewed.runs.len(), "run"),
        reviewed.marked()
    );
    let _ = writeln!(text, "{}", style(clean(&heading)).bold());
    field(&mut text, "from", &time(reviewed.from));
    field(&mut text, "until", &time(reviewed.until));
    field(&mut text, "begins", &begins(reviewed, environment));
    if reviewed.left > 0 {
        let what = format!(
            "{} to the next review: not ended, or started after one that is not",
            many(reviewed.left, "run")
        );
        field(&mut text, "left", &what);
    }
    if reviewed.runs.is_empty() {
        let nothing = if reviewed.gaps.is_empty() {
            "nothing was run in that time"
        } else {
            "no run was found in what could be looked at, which is not all"
        };
        let _ = writeln!(text, "\n{nothing}");
    } else {
        text.push('\n');
        table(&mut text, reviewed, columns, verbose);
    }
    remarks(&mut text, reviewed, columns);
    text
}

/// The reason why the review begins where it does, in words.
fn begins(reviewed: &Reviewed, environment: &Environment) -> String {
    let Some(earlier) = &reviewed.earlier else { return "where --since says".to_owned() };
    let Some(last) = &earlier.last else {
        // The records of the embedded environment are never signed, and count all the same.
        let signed = if environment.is_embedded() { "" } else { " whose record is signed" };
        return format!("30 days ago: no review was found{signed}");
    };
    let by = last.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    format!("where the last review{by} ended, {}", last.execution)
}

/// Adds what could not be looked at, and what was not judged.
fn remarks(text: &mut String, reviewed: &Reviewed, columns: Option<usize>) {
    let mut told = String::new();
    for gap in &reviewed.gaps {
        lines::flow(
            &mut told,
            columns,
            2,
            &format!("{} ", style(symbols::UNSURE).yellow().bold()),
            &lines::said(&format!("not seen: {gap}")),
        );
    }
    if let Some(earlier) = &reviewed.earlier {
        let mut note = |what: String| {
            lines::flow(
                &mut told,
                columns,
                2,
                &format!("{} ", style(symbols::NOTICE).yellow()),
                &lines::said(&what),
            );
        };
        if earlier.passed_over > 0 {
            note(format!(
                "later reviews that are recorded do not count for the beginning, since they have missed runs or left a \
                 hole before them: {}",
                earlier.passed_over
            ));
        }
        if earlier.not_proven > 0 {
            note(format!(
                "records that say they are reviews, and that nothing proves, are not believed: {}; a review of a chosen \
                 period begins with --since",
                earlier.not_proven
            ));
        }
    }
    for what in &reviewed.unused {
        lines::flow(
            &mut told,
            columns,
            2,
            &format!("{} ", style(symbols::NOTHING).dim()),
            &lines::said(what),
        );
    }
    if !told.is_empty() {
        text.push('\n');
        text.push_str(&told);
    }
}

/// The headings of the table.
const HEADINGS: [&str; 4] = ["TIME (UTC)", "WHO", "WHAT", "OUTCOME"];

/// The cells of a run in the table.
fn cells(one: &ReviewedRun) -> [String; 4] {
    let run = &one.run;
    let who = run.account.as_ref().or(run.actor.as_ref()).cloned().unwrap_or_else(|| "not known".to_owned());
    let what = asked_for(run);
    let what = if what.is_empty() { "not known".to_owned() } else { what };
    let code = run.exit_code.filter(|code| *code != 0).map(|code| format!(" ({code})")).unwrap_or_default();
    let preview = if run.preview && run.outcome != "previewed" { ", a preview" } else { "" };
    let proven = if run.line.is_some() && !one.proven { ", not proven" } else { "" };
    let time = run.time.strftime("%Y-%m-%d %H:%M").to_string();
    [time, clean(&who), clean(&what), clean(&format!("{}{code}{preview}{proven}", came_of(run)))]
}

/// The runs: a line each, and below it what deserves a look. Where the lines are too long for the terminal, each run
/// is on two lines.
fn table(text: &mut String, reviewed: &Reviewed, columns: Option<usize>, verbose: bool) {
    let rows: Vec<[String; 4]> = reviewed.runs.iter().map(cells).collect();
    let headings = HEADINGS.map(str::to_owned);
    let widths: [usize; 4] = std::array::from_fn(|place| {
        let cells = rows.iter().chain([&headings]).map(|row| measure_text_width(&row[place]));
        cells.max().unwrap_or_default()
    });
    let fits = columns.is_none_or(|columns| 2 + widths.iter().sum::<usize>() + 3 * 2 <= columns);
    let line = |row: &[String; 4]| {
        let padded = row.iter().zip(widths).map(|(cell, width)| {
            let padding = width.saturating_sub(measure_text_width(cell));
            format!("{cell}{:padding$}", "")
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    if fits {
        let _ = writeln!(text, "  {}", style(line(&headings)).bold());
    }
    for (one, row) in reviewed.runs.iter().zip(&rows) {
        let mark = if one.marks.is_empty() {
            style(symbols::DONE).green()
        } else {
            style(symbols::NOTICE).yellow().bold()
        };
        let [time, who, what, outcome] = row;
        if fits {
            let _ = writeln!(text, "{mark} {}", line(row));
        } else {
            lines::flow(text, columns, 2, &format!("{mark} "), &format!("{time}  {outcome}  {what}"));
            lines::flow(text, columns, 2, "  ", &format!("by {who}"));
        }
        let below =
            |text: &mut String, what: &str| lines::flow(text, columns, 6, "    - ", &lines::said(what));
        for mark in &one.marks {
            below(text, &mark.to_string());
        }
        if !one.marks.is_empty() || verbose {
            let reason = one.run.reason.as_ref().map(|reason| format!(", \"{reason}\"")).unwrap_or_default();
            lines::flow(text, columns, 4, "    ", &clean(&format!("{}{reason}", one.run.execution)));
        }
    }
}

impl Reporter {
    /// Shows a review at a terminal or in a pipe.
    pub fn review(&self, report: &ReviewReport<'_>) {
        self.stop();
        to_stdout(&text(report, wrap::columns(), self.style.verbose));
    }

    /// Shows a review as a table for spreadsheets.
    pub fn review_table(&self, report: &ReviewReport<'_>) {
        self.stop();
        stream::table(&review_table::table(report.reviewed));
        let mut told = String::new();
        remarks(&mut told, report.reviewed, None);
        to_stderr(told.trim_start());
    }

    /// Shows the document of a review, which was recorded by this execution, or not.
    pub fn review_document(&self, report: &ReviewReport<'_>, recorded: Option<&str>) {
        self.stop();
        let document = document(report, recorded);
        if recorded.is_some() {
            result_document(&document);
        } else {
            document_to_stdout(&document);
        }
    }

    /// Says that a review was recorded, below the review itself.
    pub fn review_recorded(&self, report: &ReviewReport<'_>, execution: &str, to_terminal: bool) {
        self.stop();
        let done = style(symbols::DONE).green().bold();
        let told = format!(
            "{done} the review is recorded by execution {}; {}\n",
            clean(execution),
            report.next_begins()
        );
        if to_terminal {
            result_to_stdout(&told);
        } else {
            to_stderr(&told);
        }
    }

    /// Says that a review was not recorded, and how it is.
    pub fn review_not_recorded(&self, report: &ReviewReport<'_>) {
        self.stop();
        let mut flags = Vec::new();
        if report.environment.protected {
            flags.push(("--confirm", report.environment.name.as_str()));
        }
        let record = hints::command(&report.environment.name, "review --record", &flags);
        to_stderr(&lines::trouble(&format!("this review is not recorded; a recorded one: {record}")));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quill_admin_contract::Signature;
    use quill_admin_operations::history::{PastRun, Record};
    use quill_admin_operations::review::Mark;

    use super::*;

    fn reviewed() -> Reviewed {
        let time = |text: &str| text.parse().expect("a time");
        let run = PastRun {
            execution: "quill-tasks-prod-x7k2p".to_owned(),
            job: quill_admin_cloud::JobName {
                project: "quill-medical-production".parse().expect("a project"),
                region: "europe-west2".parse().expect("a region"),
                job: "quill-tasks-prod".parse().expect("a job"),
            },
            time: time("2026-11-28T23:10:00Z"),
            has_execution: true,
            account: Some("steve.jones@example.org".to_owned()),
            actor: Some("steve".to_owned()),
            action: Some("update-permissions".to_owned()),
            user: Some("steve.jones".to_owned()),
            rows: None,
            row_number: None,
            of_rows: Vec::new(),
            reason: Some("ticket \u{202e}4711".to_owned()),
            origin: None,
            recorded: BTreeMap::new(),
            kind: None,
            changes: None,
            outcome: "updated".to_owned(),
            preview: false,
            undoes: None,
            line: None,
            signature: Signature::Verified,
            record: Record::Signed,
            contradicted: false,
            exit_code: Some(0),
            duration: None,
            image: None,
        };
        let marks = vec![
            Mark::OwnRightsRaised { what: "permission level superadmin".to_owned() },
            Mark::OutOfHours { local: "Sat 23:10".to_owned() },
        ];
        let plain = PastRun { action: Some("check".to_owned()), user: None, ..run.clone() };
        Reviewed {
            from: time("2026-11-23T08:00:00Z"),
            until: time("2026-11-30T08:00:00Z"),
            earlier: None,
            runs: vec![
                ReviewedRun { run, marks, proven: true },
                ReviewedRun { run: plain, marks: Vec::new(), proven: true },
            ],
            left: 0,
            gaps: vec![Gap::NoKeys],
            unused: Vec::new(),
        }
    }

    fn shown(columns: Option<usize>) -> String {
        let mut text = String::new();
        table(&mut text, &reviewed(), columns, false);
        remarks(&mut text, &reviewed(), columns);
        console::strip_ansi_codes(&super::super::paint::gate(&text, false)).into_owned()
    }

    #[test]
    fn a_run_is_a_line_with_what_deserves_a_look_below_it() {
        let text = shown(None);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..6],
            [
                "  TIME (UTC)        WHO                      WHAT                            OUTCOME",
                "! 2026-11-28 23:10  steve.jones@example.org  update-permissions steve.jones  updated",
                "    - own rights raised: permission level superadmin",
                "    - out of hours: Sat 23:10",
                "    quill-tasks-prod-x7k2p, \"ticket \\u{202e}4711\"",
                "✔ 2026-11-28 23:10  steve.jones@example.org  check                           updated",
            ],
            "{text}"
        );
        assert!(lines[7].starts_with("? not seen: the environment has no public keys"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_has_no_line_that_is_too_long() {
        for columns in [80, 60, 40] {
            let text = shown(Some(columns));
            for line in text.lines() {
                assert!(measure_text_width(line) <= columns, "{columns}: {line:?}\n{text}");
            }
            assert!(text.contains("by steve.jones@example.org"), "{text}");
            assert!(!text.contains("TIME (UTC)"), "{text}");
        }
        assert!(shown(Some(100)).contains("TIME (UTC)"));
    }
}
