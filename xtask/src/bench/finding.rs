//! The report: each promise with its measured value, as a table or as JSON.
//!
//! To tell one more fact of every promise: its field of [`Finding`], in `print` and in `to_json`.

use serde_json::{Value, json};

/// One promise and its measured value.
pub(super) struct Finding {
    pub(super) what: &'static str,
    pub(super) unit: &'static str,
    pub(super) target: f64,
    pub(super) measured: f64,
    /// The number of runs, the lowest and the highest value, and other facts that help to judge the number.
    pub(super) note: String,
}

impl Finding {
    pub(super) fn holds(&self) -> bool {
        self.measured < self.target
    }
}

/// Prints all findings.
pub(super) fn print(findings: &[Finding], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        println!("{}", serde_json::to_string_pretty(&findings.iter().map(to_json).collect::<Vec<_>>())?);
    } else {
        println!();
        for finding in findings {
            println!(
                "{:<58} {:>8.1} {:<3}  target < {:>6.1} {:<3}  {}  ({})",
                finding.what,
                finding.measured,
                finding.unit,
                finding.target,
                finding.unit,
                if finding.holds() { "ok    " } else { "MISSED" },
                finding.note,
            );
        }
    }
    Ok(())
}

fn to_json(finding: &Finding) -> Value {
    json!({
        "what": finding.what,
        "unit": finding.unit,
        "target": finding.target,
        "measured": finding.measured,
        "ok": finding.holds(),
        "note": finding.note,
    })
}
