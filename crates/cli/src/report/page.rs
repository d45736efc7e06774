//! A page of the documentation on a terminal: the part of Markdown that our own pages are written in, which
//! is headings, paragraphs, lists, tables and blocks of code.
//!
//! To show another form of Markdown: [`text`], and `plain` for marks within a line.

use std::fmt::Write as _;

use super::paint::{clean, style};
use super::symbols;
use crate::wrap::{WIDTH, lines, room};

/// The narrowest last column of a table.
const NARROWEST: usize = 24;

/// The page as text, as wide as the terminal and at most [`WIDTH`].
pub(super) fn text(markdown: &str, columns: Option<usize>) -> String {
    let width = room(columns, 0).map_or(WIDTH, |columns| columns.min(WIDTH));
    let mut text = String::new();
    let mut rest = markdown.lines().peekable();
    while let Some(line) = rest.next() {
        if line.starts_with("```") {
            for code in rest.by_ref().take_while(|line| !line.starts_with("```")) {
                text.push_str(format!("  {}", clean(code)).trim_end());
                text.push('\n');
            }
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = rest.next_if(|line| line.starts_with('|')) {
                rows.push(cells(row));
            }
            table(&mut text, &rows, width);
        } else if let Some(heading) = line.strip_prefix('#') {
            let heading = plain(heading.trim_start_matches('#').trim());
            let _ = writeln!(text, "{}", style(heading).bold());
        } else if let Some(item) = line.strip_prefix("- ") {
            let mut item = item.to_owned();
            while let Some(more) = rest.next_if(|line| line.starts_with("  ") && is_plain(line.trim_start()))
            {
                item.push(' ');
                item.push_str(more.trim_start());
            }
            let broken = lines(&plain(&item), width - 4);
            let _ = writeln!(text, "  - {}", broken.join("\n    "));
        } else if line.is_empty() {
            text.push('\n');
        } else {
            let mut paragraph = line.to_owned();
            while let Some(more) = rest.next_if(|line| is_plain(line)) {
                paragraph.push(' ');
                paragraph.push_str(more);
            }
            text.push_str(&lines(&plain(&paragraph), width).join("\n"));
            text.push('\n');
        }
    }
    symbols::in_message(&text).into_owned()
}

/// Whether a line continues a paragraph.
fn is_plain(line: &str) -> bool {
    !line.is_empty() && !["```", "|", "#", "- "].iter().any(|mark| line.starts_with(mark))
}

fn cells(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| plain(cell.trim())).collect()
}

/// A table: the last column is broken into lines, and the others too where they leave no room for it.
fn table(text: &mut String, rows: &[Vec<String>], width: usize) {
    let is_rule = |row: &&Vec<String>| row.iter().all(|cell| cell.chars().all(|c| c == '-'));
    let mut rows: Vec<&Vec<String>> = rows.iter().filter(|row| !is_rule(row)).collect();
    // A heading that says nothing is left out.
    if rows.first().is_some_and(|row| row.iter().all(String::is_empty)) {
        rows.remove(0);
    }
    let columns = rows.iter().map(|row| row.len()).max().unwrap_or(0);
    let widest =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let mut widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let room = width.saturating_sub(2 * columns);
    while widths.iter().sum::<usize>() > room
        && let Some(width) =
            widths.iter_mut().max().filter(|width| **width > NARROWEST.min(room / columns.max(1)))
    {
        *width -= 1;
    }
    for (number, row) in rows.iter().enumerate() {
        let broken: Vec<Vec<String>> =
            row.iter().zip(&widths).map(|(cell, width)| lines(cell, *width)).collect();
        for line in 0..broken.iter().map(Vec::len).max().unwrap_or(0) {
            let mut written = String::new();
            for (cell, width) in broken.iter().zip(&widths) {
                written = format!("{written}  {:width$}", cell.get(line).map_or("", String::as_str));
            }
            let written = written.trim_end();
            if number == 0 {
                let _ = writeln!(text, "{}", style(written).dim());
            } else {
                let _ = writeln!(text, "{written}");
            }
        }
    }
}

/// A text without the marks of code, emphasis and links.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        out.push_str(&rest[..at]);
        let (mark, after) = (&rest[at..=at], &rest[at + 1..]);
        rest = after;
        match mark {
            "`" => {
                // What is in code stays as it is.
                let end = after.find('`').unwrap_or(after.len());
                out.push_str(&after[..end]);
                rest = after.get(end + 1..).unwrap_or_default();
            }
            "*" => rest = after.trim_start_matches('*'),
            _ => {
                match after.split_once("](").and_then(|(label, rest)| Some((label, rest.split_once(')')?.1)))
                {
                    Some((label, behind)) => {
                        out.push_str(&plain(label));
                        rest = behind;
                    }
                    None => out.push('['),
                }
            }
        }
    }
    out.push_str(rest);
    clean(&out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::paint::gate;

    #[test]
    fn the_marks_of_markdown_become_lines() {
        let page = "# A `page`\n\nSome **bold** words, and [a link](x.md), and `a[0] * 2`.\nMore.\n\n\
                    | code | meaning |\n|---|---|\n| 0 | done |\n\n- one\n  more\n- two\n\n```yaml\na: 1\n```\n";
        let expected = "A page\n\nSome bold words, and a link, and a[0] * 2. More.\n\n  code  meaning\n  0     done\n\n  \
                        - one more\n  - two\n\n  a: 1\n";
        assert_eq!(gate(&text(page, None), false), expected);
    }

    #[test]
    fn a_table_keeps_to_the_width() {
        let long = "word ".repeat(60);
        let page = format!("| a | b | c |\n|---|---|---|\n| {long} | {long} | {long} |\n");
        for (columns, width) in [(None, WIDTH), (Some(200), WIDTH), (Some(60), 60), (Some(40), 40)] {
            let shown = gate(&text(&page, columns), false);
            assert!(shown.lines().all(|line| line.chars().count() <= width), "{shown}");
            assert_eq!(shown.matches("word").count(), 180);
        }
    }
}
