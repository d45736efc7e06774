//! `.dockerignore`: which files of a folder a build does not get.
//!
//! Docker's rules (its reference, ".dockerignore file"): a pattern is anchored at the context's
//! root, a leading or trailing slash means nothing, `**` is any number of folders, the last
//! pattern that matches a file or a folder above it decides, `!` takes back.

use globset::{GlobBuilder, GlobMatcher};

use crate::error::ImageError;

pub(crate) struct Ignore {
    rules: Vec<Rule>,
}

struct Rule {
    pattern: GlobMatcher,
    keeps: bool,
}

impl Ignore {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, ImageError> {
        let mut rules = Vec::new();
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (keeps, pattern) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let pattern = clean(pattern);
            if pattern.is_empty() {
                continue;
            }
            // Docker has no {a,b}: a brace is a brace.
            let literal = pattern.replace('{', "[{]").replace('}', "[}]");
            let pattern = GlobBuilder::new(&literal)
                .literal_separator(true)
                .backslash_escape(true)
                .build()
                .map_err(|error| {
                    ImageError::source(
                        format!("read {name}"),
                        format!("line {}: {}", number + 1, error.kind()),
                    )
                })?
                .compile_matcher();
            rules.push(Rule { pattern, keeps });
        }
        Ok(Self { rules })
    }

    /// Whether a file or folder is left out; `path` is relative, with `/`.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            if excluded == rule.keeps && matches_or_parent(&rule.pattern, path) {
                excluded = !rule.keeps;
            }
        }
        excluded
    }

    /// Whether nothing below an excluded folder can come back, so that it need not be read.
    pub(crate) fn prunes(&self) -> bool {
        !self.rules.iter().any(|rule| rule.keeps)
    }
}

fn clean(pattern: &str) -> String {
    pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

fn matches_or_parent(pattern: &GlobMatcher, path: &str) -> bool {
    let ends = path.match_indices('/').map(|(index, _)| index).chain([path.len()]);
    ends.into_iter().any(|end| pattern.is_match(&path[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded<'a>(rules: &str, paths: &[&'a str]) -> Vec<&'a str> {
        let ignore = Ignore::parse(".dockerignore", rules).expect("valid");
        paths.iter().copied().filter(|path| ignore.excludes(path)).collect()
    }

    #[test]
    fn patterns_are_anchored_and_the_last_one_decides() {
        let paths = ["target", "crates/a/target", "README.md", "docs/a.md", "docs/keep.md", "a{b"];
        assert_eq!(excluded("target\n", &paths), ["target"]);
        assert_eq!(excluded("**/target\n", &paths), ["target", "crates/a/target"]);
        assert_eq!(excluded("/docs/\n!docs/keep.md\n", &paths), ["docs/a.md"]);
        assert_eq!(excluded("# no\n*\n!docs\n", &paths), ["target", "crates/a/target", "README.md", "a{b"]);
        assert_eq!(excluded("*.md", &paths), ["README.md"]);
        assert_eq!(excluded("a{b", &paths), ["a{b"]);
    }

    #[test]
    fn everything_but_needs_every_folder_looked_at() {
        assert!(!Ignore::parse("i", "*\n!crates/*/Cargo.toml").expect("valid").prunes());
        assert_eq!(
            excluded("*\n!crates/*/Cargo.toml", &["crates/a/Cargo.toml", "crates/a/src/lib.rs"]),
            ["crates/a/src/lib.rs"]
        );
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_line() {
        let error = Ignore::parse(".dockerignore", "ok\n[\n").err().expect("refused");
        assert!(error.to_string().starts_with("failed to read .dockerignore: line 2: "), "{error}");
    }
}
