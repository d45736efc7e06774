//! Where text and documents go, by what is lost where they cannot be written.

use clap::error::{ContextKind, ContextValue};
use serde_json::Value;

use super::stream::{self, Unwritten, to_stderr};
use super::{document, paint};

/// The exit code of a program that would end with `code`, now that everything has been written: what could
/// not be written to stdout is no success.
#[must_use]
pub fn end(code: u8) -> u8 {
    stream::end(code)
}

/// What clap has to say: help and version are answers, everything else is a refusal. Both may quote an
/// argument, in which nothing may reach the terminal as it is.
pub fn clap(mut error: clap::Error) {
    let quoted: Vec<(ContextKind, ContextValue)> =
        error.context().filter_map(|(kind, value)| Some((kind, quoted(value)?))).collect();
    if !quoted.is_empty() {
        // Its advice repeats the argument among styles of its own, from which it cannot be told.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    let text = paint::from_ansi(&error.render().ansi().to_string());
    if error.use_stderr() {
        to_stderr(&text);
    } else {
        to_stdout(&text);
    }
}

/// What clap quotes, with its escape for everything in it that is not seen; `None` where there is nothing
/// like that.
fn quoted(value: &ContextValue) -> Option<ContextValue> {
    let hides = |text: &String| paint::clean(text) != *text;
    match value {
        ContextValue::String(text) if hides(text) => Some(ContextValue::String(paint::clean(text))),
        ContextValue::Strings(texts) if texts.iter().any(hides) => {
            Some(ContextValue::Strings(texts.iter().map(|text| paint::clean(text)).collect()))
        }
        _ => None,
    }
}

/// What can be asked for again.
pub(super) fn document_to_stdout(document: &Value) {
    to_stdout(&document::text(document));
}

/// What came of a command that is not run again to hear it.
pub(super) fn result_document(document: &Value) {
    result_to_stdout(&document::text(document));
}

/// What can be asked for again.
pub(super) fn to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::AskAgain);
}

/// What came of a command that is not run again to hear it.
pub(super) fn result_to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::Result);
}
