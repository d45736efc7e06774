//! Breaks texts into lines.

/// The width of help, topics and pages, in characters.
pub(crate) const WIDTH: usize = 80;

/// Breaks a text into lines of at most this width, unless a word is longer.
pub(crate) fn lines(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
