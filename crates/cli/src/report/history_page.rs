//! The page of `history --html`: one file with everything in it, which can be filtered and sorted.
//!
//! The runs are JSON in the page, and its script sets them as text, so that no reason, name or image becomes a part
//! of the page. The page's policy (Content-Security-Policy) allows this one script and these styles, by their
//! digests, and no address on the network. To add a column: its value in [`run`], and its place in
//! `history_page/page.js`.

use std::fmt::Write as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use quill_admin_contract::invisible::shown;
use quill_admin_operations::config::Environment;
use quill_admin_operations::history::{Filter, Past, PastRun};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::document;
use super::history::came_of;
use super::history_table::{changes, record, signature};
use super::history_unread::{not_read, unread, warn_of_unread};
use super::output::{document_to_stdout, to_stdout};
use super::paint::clean;
use super::reporter::Reporter;

/// The beginning of each page, by which the program recognises its own.
pub const MARK: &str = "<!DOCTYPE html>\n<!-- A page of quill-admin history. -->\n";

const STYLE: &str = include_str!("history_page/page.css");
const SCRIPT: &str = include_str!("history_page/page.js");

/// The page.
#[must_use]
pub fn page(environment: &Environment, filter: &Filter, past: &Past) -> String {
    let style_digest = digest(STYLE);
    let script_digest = digest(SCRIPT);
    let data = island(&data(environment, filter, past, Timestamp::now()));
    format!(
        "{MARK}<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '{script_digest}'; style-src '{style_digest}'; base-uri 'none'; form-action 'none'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<meta name=\"referrer\" content=\"no-referrer\">
<title>Runs</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Runs</h1>
<p class=\"soft\" id=\"about\"></p>
<div id=\"warnings\"></div>
<noscript><p class=\"warning\">The runs are shown by a script in this page; this browser runs none.</p></noscript>
<div class=\"tools\">
<input type=\"search\" placeholder=\"Filter: words that a run has\" aria-label=\"Filter the runs\" autofocus>
<span class=\"soft\" id=\"count\" role=\"status\"></span>
</div>
<div class=\"wide\"><table><thead><tr></tr></thead><tbody></tbody></table></div>
<script type=\"application/json\" id=\"data\">{data}</script>
<script>{SCRIPT}</script>
</body>
</html>
"
    )
}

/// The digest of an element's content, as the policy has it (Content Security Policy Level 3, "hash-source").
fn digest(content: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(content)))
}

/// JSON that can stand in a script element: nothing in it ends the element or begins a comment (HTML, "Restrictions
/// for contents of script elements"). Outside of its strings JSON has none of these characters.
fn island(data: &Value) -> String {
    let mut text = String::new();
    for c in data.to_string().chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    text
}

fn data(environment: &Environment, filter: &Filter, past: &Past, now: Timestamp) -> Value {
    let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let mut about = format!("project {}, since {}", environment.job.project, time(filter.since));
    for (name, value) in [
        ("user", filter.user.as_ref().map(ToString::to_string)),
        ("actor", filter.actor.clone()),
        ("action", filter.action.clone()),
    ] {
        about.extend(value.map(|value| format!(", {name} {}", shown(&value))));
    }
    let _ = write!(about, "; looked at on {}; times are in UTC", time(now));
    json!({
        "environment": environment.name,
        "about": about,
        "warnings": unread(past),
        "runs": past.runs.iter().flat_map(with_rows).collect::<Value>(),
    })
}

/// A run, and behind it the rows of a run for many.
fn with_rows(one: &PastRun) -> impl Iterator<Item = Value> {
    std::iter::once(run(one)).chain(one.each_row().into_iter().map(|row| run(&row)))
}

fn run(run: &PastRun) -> Value {
    let text = |value: &Option<String>| value.as_deref().map(|value| shown(value).to_string());
    let recorded = run.recorded.iter().map(|(name, value)| shown(&format!("{name}: {value}")).to_string());
    json!({
        "time": run.time,
        "execution": shown(&run.execution),
        "job": run.job.job,
        "account": text(&run.account),
        "actor": text(&run.actor),
        "action": text(&run.action),
        "user": text(&run.user),
        "outcome": shown(&came_of(run)),
        "row_number": run.row_number,
        "preview": run.preview,
        "exit_code": run.exit_code,
        "record": record(run.record),
        "signature": signature(run.signature),
        "contradicted": run.contradicted,
        "changes": run.changes.is_some().then(|| {
            changes(run, "\u{2192}").iter().map(|change| shown(change).to_string()).collect::<Vec<_>>()
        }),
        "recorded": recorded.collect::<Vec<_>>(),
        "reason": text(&run.reason),
        "origin": text(&run.origin),
        "seconds": run.duration.map(|duration| (duration.as_secs_f64() * 10.0).round() / 10.0),
        "image": text(&run.image),
    })
}

impl Reporter {
    /// Tells where the page was written.
    pub fn history_page(&self, file: &Path, past: &Past) -> u8 {
        self.stop();
        if self.style.json {
            document_to_stdout(&json!({
                "exit_code": 0,
                "file": document::path(file),
                "runs": past.runs.len(),
                "not_read": not_read(past),
                "records_from": past.records_from,
                "unfinished": past.unfinished,
                "cut": past.cut,
                "may_be_forgotten": past.kept_days.is_some(),
            }));
            return 0;
        }
        let runs = past.runs.len();
        let many = if runs == 1 { "run" } else { "runs" };
        to_stdout(&format!("wrote {}: {runs} {many}\n", clean(&file.display().to_string())));
        warn_of_unread(past);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_the_data_ends_its_element() {
        let planted = "</script><img src=x onerror=alert(1)><!--&\u{2028}";
        let written = island(&json!({ "reason": planted }));
        assert!(!written.contains(['<', '>', '&', '\u{2028}']), "{written}");
        let read: Value = serde_json::from_str(&written).expect("JSON");
        assert_eq!(read["reason"], planted);
    }

    /// The digests in the policy are those of the content, only if the content has no carriage returns, which a
    /// browser leaves out before it compares.
    #[test]
    fn the_script_and_the_styles_are_what_a_browser_reads() {
        for text in [STYLE, SCRIPT] {
            assert!(!text.contains('\r') && !text.contains("</"), "{text}");
        }
        for network in ["http:", "https:", "fetch(", "XMLHttpRequest", "innerHTML", "import "] {
            assert!(!STYLE.contains(network) && !SCRIPT.contains(network), "{network}");
        }
    }
}
