//! Joins the lines of a text that are one: lines after a backslash (or after the marks of PowerShell and
//! Windows), the items of a list, and in YAML the lines of one value.

/// A block of text in YAML, after `|` or `>`.
#[derive(Clone, Copy)]
struct Block {
    /// The column of the key that it belongs to.
    column: usize,
    /// Whether its lines are one line (`>`).
    is_folded: bool,
}

/// The lines of a text without its comments, each with the number of its first line, from 1. Line breaks in a
/// line stay.
pub(super) fn joined(path: &str, text: &str) -> Vec<(u64, String)> {
    let is_yaml = is_yaml(path);
    let lines: Vec<&str> = text.lines().collect();
    let mut block: Option<Block> = None;
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(first) = lines.get(at) {
        let number = at as u64 + 1;
        at += 1;
        if first.trim().is_empty() || is_comment(first) {
            continue;
        }
        block = block.filter(|block| indent(first) > block.column);
        let (column, value) = value(first);
        let (mut whole, mut last) = (String::new(), *first);
        loop {
            whole.push_str(without_mark(last));
            let Some(next) = lines.get(at) else { break };
            let is_of_value = match block {
                Some(block) => block.is_folded && indent(next) == indent(first),
                None => is_begun(value) && indent(next) > column,
            };
            if !(is_continued(last) || is_yaml && is_of_value && !next.trim().is_empty()) {
                break;
            }
            whole.push('\n');
            last = next;
            at += 1;
        }
        if is_yaml && block.is_none() && is_block(value) {
            block = Some(Block { column, is_folded: value.starts_with('>') });
        }
        found.push((number, whole));
    }
    found
}

/// The line of YAML with a number, and the lines after it that belong to the same keys and values.
pub(super) fn entry(text: &str, number: u64) -> String {
    let mut lines = text.lines().skip(usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX));
    let first = lines.next().unwrap_or_default();
    let (column, _) = value(first);
    let rest = lines.take_while(|line| line.trim().is_empty() || is_comment(line) || indent(line) >= column);
    rest.fold(first.to_owned(), |whole, line| {
        let line = line.trim();
        // The dash of an item is not one of its words.
        whole + "\n" + line.strip_prefix("- ").unwrap_or(line)
    })
}

pub(super) fn is_yaml(path: &str) -> bool {
    matches!(path.rsplit('.').next(), Some("yml" | "yaml"))
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The value in a line of YAML, and the column that lines have to stand behind to belong to it: that of its key,
/// or that of its dash.
fn value(line: &str) -> (usize, &str) {
    let mut rest = line.trim_start();
    let mut dash = None;
    while let Some(item) = rest.strip_prefix("- ") {
        dash = Some(line.len() - rest.len());
        rest = item.trim_start();
    }
    let column = line.len() - rest.len();
    match (rest.split_once(": ").or_else(|| Some((rest.trim_end().strip_suffix(':')?, ""))), dash) {
        (Some((_, value)), _) => (column, value.trim()),
        (None, Some(dash)) => (dash, rest.trim()),
        (None, None) => (column, ""),
    }
}

/// Whether a value is a block of text, which begins with the next line.
fn is_block(value: &str) -> bool {
    let mark = value.split(" #").next().unwrap_or_default().trim_end();
    mark.starts_with(['|', '>']) && mark[1..].chars().all(|c| c.is_ascii_digit() || "+-".contains(c))
}

/// Whether a value begins in its line. After an anchor or a tag, keys may follow.
fn is_begun(value: &str) -> bool {
    let is_mark = value.starts_with(['&', '!', '#']) && !value.contains(' ');
    !value.is_empty() && !is_block(value) && !is_mark
}

fn is_continued(line: &str) -> bool {
    without_mark(line).len() < line.len() || line.trim_end().ends_with([',', '[', '('])
}

/// A line without the mark that lets the next one continue it: a backslash, PowerShell's backtick (which does not
/// close a command), or Windows' caret.
fn without_mark(line: &str) -> &str {
    let end = line.trim_end();
    let is_open = end.matches('`').count() % 2 == 1;
    let marked = end.strip_suffix('\\').or_else(|| end.strip_suffix(" ^"));
    marked.or_else(|| end.strip_suffix(" `").filter(|_| is_open)).unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(path: &str, text: &str) -> Vec<(u64, String)> {
        let words = |line: String| line.split_whitespace().collect::<Vec<_>>().join(" ");
        joined(path, text).into_iter().map(|(number, line)| (number, words(line))).collect()
    }

    fn expect(path: &str, text: &str, expected: &[(u64, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(number, line)| (*number, (*line).to_owned())).collect();
        assert_eq!(seen(path, text), expected, "{text}");
    }

    #[test]
    fn marks_at_the_end_of_a_line() {
        expect("x.sh", "# a \\\na \\\n  b \\\n\nc\n  d\n", &[(2, "a b"), (5, "c"), (6, "d")]);
        expect("x.ps1", "a `\n  b\n", &[(1, "a b")]);
        expect("x.sh", "x=` a `\nb\n", &[(1, "x=` a `"), (2, "b")]);
        expect("x.cmd", "a ^\n  b\n", &[(1, "a b")]);
        expect("x.py", "run([\n  'a',\n  'b'\n])\nc", &[(1, "run([ 'a', 'b'"), (4, "])"), (5, "c")]);
    }

    #[test]
    fn values_of_yaml() {
        expect(
            "x.yml",
            "a: b\n   c\nd:\n  e: f\n- g\n  h\n- i: j\n  k: l\nm: &n\n  o: p\n",
            &[
                (1, "a: b c"),
                (3, "d:"),
                (4, "e: f"),
                (5, "- g h"),
                (7, "- i: j"),
                (8, "k: l"),
                (9, "m: &n"),
                (10, "o: p"),
            ],
        );
        expect(
            "x.yml",
            "- run: | # why\n    a: b\n      c\n\n    d\n  e: >-\n    f\n    g\n      h\n\n    i\nj: k",
            &[
                (1, "- run: | # why"),
                (2, "a: b"),
                (3, "c"),
                (5, "d"),
                (6, "e: >-"),
                (7, "f g"),
                (9, "h"),
                (11, "i"),
                (12, "j: k"),
            ],
        );
        expect("x.sh", "a: b\n   c\n", &[(1, "a: b"), (2, "c")]);
    }

    #[test]
    fn an_entry_of_yaml() {
        let text = "steps:\n  - name: docker\n    args:\n    - build\n\n    - .\n  - name: other\n";
        assert_eq!(entry(text, 2), "  - name: docker\nargs:\nbuild\n\n.");
    }
}
