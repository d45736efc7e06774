//! Breaks texts into lines.

use console::measure_text_width;

/// The width of help, topics and pages, in columns.
pub(crate) const WIDTH: usize = 80;

/// Breaks a text into lines of at most this width, unless a word is longer. A no-break space breaks nothing.
pub(crate) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_ascii_whitespace() {
        match lines.last_mut() {
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks a value into at least one line of at most this width, unless a word is longer. Nothing but the space at
/// which a line is broken is left out: a value may have several in a row.
pub(crate) fn value(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (number, word) in text.split(' ').enumerate() {
        match lines.last_mut() {
            Some(line) if number == 0 => line.push_str(word),
            Some(line) if measure_text_width(line) + 1 + measure_text_width(word) <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Breaks a value into at least one line of at most this width, inside of a word where it is longer.
pub(crate) fn exactly(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for mut line in value(text, width) {
        // Every line has at least one character, whatever its width is.
        let too_long = |line: &str| {
            let mut ends = line.char_indices().map(|(at, c)| at + c.len_utf8());
            let first = ends.next()?;
            let fits = ends.take_while(|end| measure_text_width(&line[..*end]) <= width).last();
            Some(fits.unwrap_or(first)).filter(|end| *end < line.len())
        };
        while let Some(at) = too_long(&line) {
            let rest = line.split_off(at);
            lines.push(std::mem::replace(&mut line, rest));
        }
        lines.push(line);
    }
    lines
}

/// The columns that a text has behind this indent; none where it is not broken into lines.
pub(crate) fn room(columns: Option<usize>, indent: usize) -> Option<usize> {
    // Less room than this would be a column of single words.
    columns.map(|columns| columns.saturating_sub(indent)).filter(|room| *room >= 20)
}

/// The columns of the terminal that stdout is; none if it is no terminal.
pub(crate) fn columns() -> Option<usize> {
    console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_broken_between_words_and_a_long_word_where_it_must_be() {
        assert_eq!(value("below /srv/quill/work?", 8), ["below", "/srv/quill/work?"]);
        assert_eq!(exactly("send tasks there? [y/N]", 12), ["send tasks", "there? [y/N]"]);
        assert_eq!(exactly("below /srv/quill/work?", 8), ["below", "/srv/qui", "ll/work?"]);
        assert_eq!(exactly("a  b", 80), ["a  b"], "a name is shown as it is");
        assert_eq!(exactly("日本語", 4), ["日本", "語"], "these take two columns each");
        assert_eq!(lines("build\u{a0}(ba), actions", 8), ["build\u{a0}(ba),", "actions"]);
        assert_eq!(exactly("", 80), [""]);
        assert_eq!(exactly("ab", 0), ["a", "b"]);
    }
}
