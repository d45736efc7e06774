//! JSON documents: how they are written, and the parts that several of them have.

use std::fmt::Write as _;
use std::path::Path;

use quill_admin_cloud::{Difference, LogEntry, Severity};
use quill_admin_contract::invisible::invisible;
use quill_admin_operations::error::CliError;
use serde_json::{Value, json};

use super::paint::is_mark;

/// A document as it is written. Characters that a terminal would act on, or not show, are escaped, which
/// changes no value.
pub(super) fn text(document: &Value) -> String {
    escaped(&format!("{document:#}\n"))
}

/// A path. Bytes that are not text are replaced, because JSON has only text.
pub(super) fn path(path: &Path) -> Value {
    json!(path.to_string_lossy())
}

/// A document on one line.
#[cfg(any(feature = "local", test))]
pub(super) fn line(document: &Value) -> String {
    escaped(&format!("{document}\n"))
}

/// Escapes invisible characters. JSON has only ASCII outside of its strings, and `serde_json` escapes C0 in
/// them, so every invisible character that is left is in a string, where `\uXXXX` means the same (RFC 8259,
/// section 7). The marks of our own styles and links are escaped, too; no document has them otherwise.
fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c > '~' && (is_mark(c) || invisible(c).is_some()) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(c);
        }
    }
    text
}

/// Lines of the container's log.
pub(super) fn log(log: &[LogEntry]) -> Value {
    log.iter()
        .map(|entry| {
            let severity = match entry.severity {
                Severity::Info => "info",
                Severity::Warning => "warning",
                Severity::Error => "error",
            };
            json!({"time": entry.timestamp, "severity": severity, "message": entry.message})
        })
        .collect()
}

pub(super) fn error(error: &CliError) -> Value {
    json!({
        "exit_code": error.code.code(),
        "error": {
            "meaning": error.code.meaning(),
            "messages": error.messages,
            "hints": error.hints,
            "output": error.output,
            "check": error.check,
        },
    })
}

pub(super) fn differences(changes: &[Difference]) -> Value {
    changes
        .iter()
        .map(|change| json!({"setting": change.setting, "from": change.from, "to": change.to}))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_nothing_in_it_that_is_not_seen_and_the_same_values() {
        let name = "ä\u{1b}[31m\u{9b}2J\u{7f}\u{202e}\u{200b}\u{2028}\u{e0041}\u{fdd0}31m\u{fdd1}https://x\u{fdd1}\n🙂";
        let document = json!({"name": name, name: [name]});
        for written in [text(&document), line(&document)] {
            assert!(!written.trim_end().chars().any(|c| c != '\n' && invisible(c).is_some()), "{written:?}");
            assert!(
                written.contains(
                    r"\u001b[31m\u009b2J\u007f\u202e\u200b\u2028\udb40\udc41\ufdd031m\ufdd1https://x\ufdd1"
                ),
                "{written}"
            );
            assert!(written.contains("🙂"), "{written}");
            assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), document);
        }
    }
}
