//! Reads the YAML of `environments.yaml`, and explains a habitual mistake in it.

use quill_admin_yaml::{Format, Mistake, Node, Place};

/// The format of the file, which itself needs four levels.
const FORMAT: Format = Format { depth: 16, enough: "any environments need", habit: unquoted_brace };

/// Reads the content of the file. Only the first mistake is reported.
pub(super) fn read(bytes: &[u8]) -> Result<Node, Mistake> {
    match quill_admin_yaml::read(bytes, &FORMAT) {
        Ok(document) => Ok(document.top),
        Err(mistakes) => Err(mistakes
            .into_iter()
            .next()
            .unwrap_or_else(|| Mistake::new(Place::START, "the file cannot be read"))),
    }
}

/// The first text that begins with a placeholder, and so with a brace, and does not stand in quotes.
fn unquoted_brace(text: &str) -> Option<Mistake> {
    let place = (1..).zip(text.lines()).find_map(|(line, written)| {
        let found =
            ["{env}", "{project}", "{region}"].iter().filter_map(|name| written.find(&format!(": {name}")));
        let column = written[..found.min()?].chars().count() as u64 + 3;
        Some(Place { line, column })
    })?;
    Some(Mistake::new(place, "a text that begins with a brace has to stand in quotes"))
}
