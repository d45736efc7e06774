//! A Dockerfile's stages.
//!
//! Only FROM, COPY --from and what tells the admin image are looked at. The crate `dockerfile-parser` refuses
//! a file with a here-document.

use crate::admin_image;

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The line of its FROM, from 1.
    pub line: u64,
    /// It is the admin image.
    pub admin: bool,
    /// Names and numbers of what it is made from.
    uses: Vec<String>,
}

impl Stage {
    /// Its name, or which one it is.
    #[must_use]
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "a stage without a name".to_owned(), |name| format!("\"{name}\""))
    }

    fn is(&self, number: usize, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name)) || name == number.to_string()
    }
}

/// The stages of a Dockerfile, in their order.
#[must_use]
pub(super) fn stages(text: &str) -> Vec<Stage> {
    let mut stages: Vec<Stage> = Vec::new();
    for (line, instruction) in instructions(text) {
        let mut words = instruction.split_whitespace();
        let word = words.next().unwrap_or_default();
        if word.eq_ignore_ascii_case("FROM") {
            let words: Vec<&str> = words.filter(|word| !word.starts_with("--")).collect();
            let name = match &words[..] {
                [_, word, name, ..] if word.eq_ignore_ascii_case("AS") => Some((*name).to_owned()),
                _ => None,
            };
            let admin = name.as_deref().is_some_and(admin_image::is_its_stage);
            let uses = words.first().map(|image| (*image).to_owned()).into_iter().collect();
            stages.push(Stage { name, line, admin, uses });
        } else if let Some(stage) = stages.last_mut() {
            stage.admin |= admin_image::is_its_instruction(&instruction);
            // COPY --from=…, RUN --mount=type=bind,from=…
            let uses = instruction.split("from=").skip(1);
            stage
                .uses
                .extend(uses.map(|rest| rest.split([' ', ',', '\n']).next().unwrap_or_default().to_owned()));
        }
    }
    stages
}

/// The numbers of the stages that the last one is made from, and its own.
pub(super) fn behind_the_last(stages: &[Stage]) -> Vec<usize> {
    let mut found = Vec::from_iter(stages.len().checked_sub(1));
    let mut next = 0;
    while let Some(&number) = found.get(next) {
        for name in &stages[number].uses {
            // A name means the last stage before this one that has it.
            let used = stages[..number].iter().enumerate().rposition(|(other, stage)| stage.is(other, name));
            if let Some(used) = used.filter(|used| !found.contains(used)) {
                found.push(used);
            }
        }
        next += 1;
    }
    found
}

/// Instructions with the line they begin at: continued lines joined, comments and the bodies of
/// here-documents left out.
fn instructions(text: &str) -> Vec<(u64, String)> {
    let escape = text
        .lines()
        .take_while(|line| line.trim_start().starts_with('#'))
        .find_map(|line| line.trim_start_matches(['#', ' ', '\t']).strip_prefix("escape=")?.chars().next())
        .unwrap_or('\\');
    let mut instructions: Vec<(u64, String)> = Vec::new();
    let (mut open, mut documents) = (false, Vec::<String>::new());
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(end) = documents.first() {
            if line.trim_start_matches('\t').trim_end() == end {
                documents.remove(0);
            }
            continue;
        }
        let trimmed = line.trim();
        if trimmed.starts_with('#') || trimmed.is_empty() {
            continue;
        }
        let (content, goes_on) = match trimmed.strip_suffix(escape) {
            Some(content) => (content, true),
            None => (trimmed, false),
        };
        match instructions.last_mut().filter(|_| open) {
            Some((_, instruction)) => {
                instruction.push(' ');
                instruction.push_str(content);
            }
            None => instructions.push((number, content.to_owned())),
        }
        open = goes_on;
        if let Some((_, instruction)) = instructions.last().filter(|_| !open) {
            let first = instruction.split_whitespace().next().unwrap_or_default();
            if ["RUN", "COPY", "ADD"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
                documents = super::shell::here_documents(instruction);
            }
        }
    }
    instructions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lines_and_what_is_no_instruction() {
        let text = "\
# syntax=docker/dockerfile:1
ARG BASE=python:3.13-slim
FROM --platform=linux/amd64 ${BASE} AS base
# FROM commented AS out
RUN apt-get update && \\
    # a comment in the middle
    apt-get install -y \\
    FROM
COPY <<EOF /etc/motd
FROM nothing AS document
EOF

from base as prod
CMD [\"./entrypoint.sh\"]
FROM base
ENTRYPOINT [\"python\", \"scripts/admin_cli.py\"]
";
        let stages = stages(text);
        let seen: Vec<_> =
            stages.iter().map(|stage| (stage.name.as_deref(), stage.line, stage.admin)).collect();
        assert_eq!(seen, [(Some("base"), 3, false), (Some("prod"), 13, false), (None, 15, true)]);
        assert_eq!(behind_the_last(&stages), [2, 0]);
    }

    #[test]
    fn what_a_stage_is_made_from() {
        let text = "\
FROM rust AS builder
FROM debian AS certificates
FROM alpine AS tools
FROM scratch AS admin
COPY --from=builder /out /
RUN --mount=type=bind,from=1,target=/x true
";
        let stages = stages(text);
        assert!(stages[3].admin);
        assert_eq!(behind_the_last(&stages), [3, 0, 1]);
        assert_eq!(behind_the_last(&[]), [0; 0]);
    }

    #[test]
    fn another_escape_character() {
        let text = "# escape=`\nFROM windows AS base\nRUN dir C:\\ `\n  FROM\nFROM base AS admin\n";
        assert_eq!(stages(text).len(), 2);
    }
}
