//! Functions that write texts and documents, chosen by the loss when they cannot be written.

use clap::error::{ContextKind, ContextValue};
use serde_json::Value;

use super::stream::{self, Unwritten, to_stderr};
use super::{document, lines, paint};
use crate::args::Color;

/// The exit code of a program that would end with `code`, after everything has been written. When a result
/// could not be written to stdout, the program does not end with success.
#[must_use]
pub fn end(code: u8) -> u8 {
    stream::end(code)
}

/// Decides about colours, where the command line does. Without it they are used at a terminal, and the variables
/// `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE` say otherwise.
pub fn colours(when: Color) {
    let use_them = match when {
        Color::Auto => return,
        Color::Always => true,
        Color::Never => false,
    };
    console::set_colors_enabled(use_them);
    console::set_colors_enabled_stderr(use_them);
}

/// Writes clap's own output: help and version are answers, everything else is a refusal, perhaps with advice.
/// All may quote an argument, whose characters must not reach the terminal as they are.
pub fn clap(mut error: clap::Error, advice: Option<&str>) {
    let quoted: Vec<(ContextKind, ContextValue)> =
        error.context().filter_map(|(kind, value)| Some((kind, quoted(value)?))).collect();
    if !quoted.is_empty() {
        // The suggestion repeats the argument among styles of its own, from which it cannot be told apart.
        error.remove(ContextKind::Suggested);
    }
    for (kind, value) in quoted {
        error.insert(kind, value);
    }
    let mut text = paint::from_ansi(&error.render().ansi().to_string());
    if let Some(advice) = advice {
        lines::hint_line(&mut text, advice);
    }
    if error.use_stderr() {
        to_stderr(&text);
    } else {
        to_stdout(&text);
    }
}

/// The value that clap quotes, with invisible characters escaped; `None` where it has none.
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

/// Writes a document that can be asked for again.
pub(super) fn document_to_stdout(document: &Value) {
    to_stdout(&document::text(document));
}

/// Writes the document of a command that must not be run again only to see its result.
pub(super) fn result_document(document: &Value) {
    result_to_stdout(&document::text(document));
}

/// Writes a text that can be asked for again.
pub(super) fn to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::AskAgain);
}

/// Writes the text of a command that must not be run again only to see its result.
pub(super) fn result_to_stdout(text: &str) {
    stream::to_stdout(text, Unwritten::Result);
}
