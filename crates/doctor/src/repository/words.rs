//! Splits a text into commands and their words, roughly as a shell does, but in a way that also works for lists
//! of words in other languages (`["docker", "build"]`, `args: [build, .]`).
//!
//! A quoted text with blanks and the inside of `$(…)` may be commands, too, and are split once more. A quote or
//! bracket that is not closed is a separator and nothing else, so that any text can be split.

/// The depth of commands in commands; deeper ones are not split.
const DEPTH: usize = 8;
/// The longest quoted text, and the longest expression, such as `${{ … }}`, in bytes. A longer one is not closed.
const LONGEST: usize = 4000;
/// Keys whose values are written for people.
const TITLES: &[&str] = &["name:", "displayname:", "title:", "description:", "summary:"];

/// A word of a command. An opening bracket is a word of its own, because what follows it is known only when it
/// runs (`(stage)`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The word, without quotes.
    pub(super) text: String,
    /// Its line, from 1.
    pub(super) line: u64,
    /// Whether it is written in quotes.
    pub(super) quoted: bool,
}

impl Word {
    /// Whether it is the key of a value, as in YAML and JSON.
    pub(super) fn is_key(&self) -> bool {
        self.text.len() > 1 && self.text.ends_with(':')
    }

    /// Whether it is the key of a value that is written for people.
    pub(super) fn is_title(&self) -> bool {
        TITLES.iter().any(|title| self.text.eq_ignore_ascii_case(title))
    }
}

/// The commands in a text that begins at a line. A command ends where another one begins (`;`, `|`, `&&`) or
/// where its list ends; a line break in the text is a blank.
pub(super) fn commands(text: &str, line: u64) -> Vec<Vec<Word>> {
    let mut found = Vec::new();
    split(text, line, 0, &mut found);
    found
}

fn split(text: &str, mut line: u64, depth: usize, found: &mut Vec<Vec<Word>>) {
    if depth == DEPTH {
        return;
    }
    let mut words: Vec<Word> = Vec::new();
    // The word that is not finished.
    let mut open: Option<Word> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let quoted = matches!(c, '"' | '\'').then(|| in_quotes(rest)).flatten();
        let taken = quoted.or_else(|| expression(rest)).unwrap_or(&rest[..c.len_utf8()]);
        rest = &rest[taken.len()..];
        if taken.len() > c.len_utf8() {
            let inside = match c {
                '"' | '\'' => &taken[1..taken.len() - 1],
                _ => taken,
            };
            let command = taken.strip_prefix("$(").or(quoted.map(|_| inside));
            if let Some(command) = command.filter(|inside| inside.contains(char::is_whitespace))
                && !(open.is_none() && words.last().is_some_and(Word::is_title))
            {
                split(&command.replace("\\\"", "\""), line, depth + 1, found);
            }
            let word =
                open.get_or_insert_with(|| Word { text: String::new(), line, quoted: quoted.is_some() });
            word.text.push_str(inside);
            line += taken.matches('\n').count() as u64;
            continue;
        }
        match c {
            '#' if open.is_none() => rest = rest.find('\n').map_or("", |end| &rest[end..]),
            '(' | '[' | '{' => {
                words.extend(open.take());
                words.push(Word { text: c.to_string(), line, quoted: false });
            }
            ';' | '&' | '|' | ')' | ']' | '}' | '<' | '>' | '`' => {
                words.extend(open.take());
                found.push(std::mem::take(&mut words));
            }
            c if c.is_whitespace() || matches!(c, ',' | '"' | '\'') => {
                words.extend(open.take());
                line += u64::from(c == '\n');
            }
            c => open.get_or_insert_with(|| Word { text: String::new(), line, quoted: false }).text.push(c),
        }
    }
    words.extend(open);
    found.push(words);
}

/// The quoted text at the beginning of a text, with its quotes.
fn in_quotes(text: &str) -> Option<&str> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    let (end, _) = text.char_indices().skip(1).take_while(|(at, _)| *at < LONGEST).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && quote == '"' && !escaped;
        ends
    })?;
    Some(&text[..=end])
}

/// The expression at the beginning of a text: `$(…)`, `${…}`, `${{ … }}`, `{{ … }}` or `{…}` without blanks.
fn expression(text: &str) -> Option<&str> {
    let (open, close) = match text.as_bytes() {
        [b'$', b'(', ..] => ('(', ')'),
        [b'$' | b'{', b'{', ..] => ('{', '}'),
        [b'{', ..] => {
            let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"{_.!".contains(c))?;
            return text[end..].starts_with('}').then(|| &text[..=end]).filter(|whole| whole.len() > 2);
        }
        _ => return None,
    };
    let mut depth = 0_usize;
    for (at, c) in text.char_indices().take_while(|(at, _)| *at < LONGEST) {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(&text[..=at]);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<Vec<String>> {
        let commands = commands(text, 1).into_iter().filter(|words| !words.is_empty());
        commands.map(|words| words.into_iter().map(|word| word.text).collect()).collect()
    }

    #[test]
    fn words_of_commands_and_of_lists() {
        for (text, expected) in [
            (
                "docker build -t 'a b' . # --target prod",
                &[&["a", "b"][..], &["docker", "build", "-t", "a b", "."]][..],
            ),
            ("a && b|c;", &[&["a"], &["b"], &["c"]]),
            ("run([\"docker\", 'build'])", &[&["run", "(", "[", "docker", "build"]]),
            ("\"args\": [\"x\"]", &[&["args:", "[", "x"]]),
            ("--target=$(STAGE) ${A:-b c}-x", &[&["--target=$(STAGE)", "${A:-b c}-x"]]),
            ("x=$(docker build -q .)", &[&["docker", "build", "-q", "."], &["x=$(docker build -q .)"]]),
            ("--target ${{ a || 'b' }} {{ c }} {d}", &[&["--target", "${{ a || 'b' }}", "{{ c }}", "{d}"]]),
            ("--target \"\" . it's", &[&["--target", "", ".", "it", "s"]]),
            ("name: \"docker build\"", &[&["name:", "docker build"]]),
            ("\"a --target \\\"prod\\\"\"", &[&["a", "--target", "prod"], &["a --target \\\"prod\\\""]]),
            ("a $( b", &[&["a", "$", "(", "b"]]),
        ] {
            assert_eq!(texts(text), expected, "{text}");
        }
    }

    #[test]
    fn every_word_has_its_line() {
        let commands = commands("a \"b\n c\"\nd # e\nf", 7);
        let lines: Vec<_> = commands.iter().flatten().map(|word| (word.text.as_str(), word.line)).collect();
        assert_eq!(lines, [("b", 7), ("c", 8), ("a", 7), ("b\n c", 7), ("d", 9), ("f", 10)]);
    }

    #[test]
    fn commands_in_commands_end_somewhere() {
        let text = "$( ".repeat(600) + &") ".repeat(600);
        assert!(commands(&text, 1).len() < 3 * DEPTH);
    }
}
