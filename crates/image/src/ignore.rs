//! `.dockerignore`: decides which files of a folder are not part of a build.
//!
//! Docker's rules (its reference, ".dockerignore file"): a pattern is anchored at the context's root, a
//! leading or trailing slash is ignored, `**` is any number of folders, the last pattern that matches a file
//! or a folder above it decides, `!` includes it again.
//!
//! To change the meaning of a pattern: `compile`. To change which rule counts: [`Ignore::excludes`] and
//! [`Ignore::keeps_below`].

use globset::{GlobBuilder, GlobMatcher};

use crate::error::ImageError;

pub(crate) struct Ignore {
    rules: Vec<Rule>,
}

struct Rule {
    pattern: GlobMatcher,
    keeps: bool,
    /// The pattern's parts between slashes, up to the first that may stand for any number of folders.
    parts: Vec<GlobMatcher>,
    /// Whether the pattern has more parts than these.
    open: bool,
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
            // Docker has no {a,b}: a brace is an ordinary character.
            let literal = pattern.replace('{', "[{]").replace('}', "[}]");
            let pattern = compile(&literal).map_err(|error| {
                ImageError::source(format!("read {name}"), format!("line {}: {}", number + 1, error.kind()))
            })?;
            let mut parts = Vec::new();
            let mut open = false;
            for part in literal.split('/') {
                // A pattern that cannot be split, such as [a/b], may match anything.
                match compile(part) {
                    Ok(part_pattern) if !part.contains("**") => parts.push(part_pattern),
                    _ => {
                        open = true;
                        break;
                    }
                }
            }
            rules.push(Rule { pattern, keeps, parts, open });
        }
        Ok(Self { rules })
    }

    /// Whether a file or folder is excluded; `path` is relative, with `/`.
    pub(crate) fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            if excluded == rule.keeps && matches_or_parent(&rule.pattern, path) {
                excluded = !rule.keeps;
            }
        }
        excluded
    }

    /// Whether an entry below an excluded folder can be included again, so that the folder has to be read: a
    /// `!` rule after the last one that excludes the folder, which can match below it. (A rule that matches
    /// the folder itself does not count: the rule that excluded the folder after it excludes its entries,
    /// too.)
    pub(crate) fn keeps_below(&self, folder: &str) -> bool {
        let last =
            self.rules.iter().rposition(|rule| !rule.keeps && matches_or_parent(&rule.pattern, folder));
        let after = last.map_or(0, |last| last + 1);
        self.rules.iter().skip(after).any(|rule| rule.keeps && rule.can_match_below(folder))
    }
}

impl Rule {
    fn can_match_below(&self, folder: &str) -> bool {
        let depth = folder.split('/').count();
        let fits = folder.split('/').zip(&self.parts).all(|(name, part)| part.is_match(name));
        fits && (self.open || self.parts.len() > depth)
    }
}

fn compile(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()?;
    Ok(glob.compile_matcher())
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
    fn only_folders_out_of_which_something_comes_back_are_looked_into() {
        let looked_into = |rules: &str, folder: &str| {
            let ignore = Ignore::parse(".dockerignore", rules).expect("valid");
            assert!(ignore.excludes(folder), "{rules:?} {folder}");
            ignore.keeps_below(folder)
        };
        assert!(!looked_into("target", "target"));
        assert!(looked_into("*\n!crates/*/Cargo.toml", "crates"));
        assert!(looked_into("*\n!crates/*/Cargo.toml", "crates/a"));
        assert!(!looked_into("*\n!crates/*/Cargo.toml", "crates/a/src"));
        assert!(!looked_into("*\n!crates/*/Cargo.toml", "target"));
        assert!(looked_into("target\n!**/keep", "target/a"));
        assert!(looked_into("target\n!tar*/**/keep", "target/a"));
        assert!(!looked_into("target\n!other/**/keep", "target"));
        assert!(!looked_into("!target/keep\ntarget", "target"), "the last rule decides");
        assert!(!looked_into("*\n!docs\ndocs/big", "docs/big"));
        assert!(looked_into("a\n![a/b]/c", "a"), "what cannot be taken apart may match");
        assert_eq!(
            excluded("*\n!crates/*/Cargo.toml", &["crates/a/Cargo.toml", "crates/a/src/lib.rs"]),
            ["crates/a/src/lib.rs"]
        );
    }

    /// With any rules, reading only some folders finds the same files as reading every folder.
    #[test]
    fn what_is_not_looked_into_holds_nothing_that_is_kept() {
        let parts = ["a", "b", "*", "**", "a*"];
        let names = ["a", "b", "ab"];
        let mut paths: Vec<String> = names.iter().map(ToString::to_string).collect();
        for _ in 0..2 {
            let deeper: Vec<String> =
                paths.iter().flat_map(|path| names.map(|name| format!("{path}/{name}"))).collect();
            paths.extend(deeper);
        }
        let mut patterns = Vec::new();
        for one in parts {
            patterns.push(one.to_owned());
            for two in parts {
                patterns.push(format!("{one}/{two}"));
                patterns.push(format!("!{one}/{two}"));
                patterns.push(format!("!{one}/{two}/b"));
            }
        }
        for (number, first) in patterns.iter().enumerate() {
            for second in &patterns {
                let third = &patterns[(number * 7 + second.len()) % patterns.len()];
                let ignore = Ignore::parse("i", &format!("{first}\n{second}\n{third}\n")).expect("valid");
                for path in paths.iter().filter(|path| !ignore.excludes(path)) {
                    for (end, _) in path.match_indices('/') {
                        let folder = &path[..end];
                        assert!(
                            !ignore.excludes(folder) || ignore.keeps_below(folder),
                            "{first} {second} {third}: {path} is below {folder}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_bad_pattern_is_named_with_its_line() {
        let error = Ignore::parse(".dockerignore", "ok\n[\n").err().expect("refused");
        assert!(error.to_string().starts_with("failed to read .dockerignore: line 2: "), "{error}");
    }
}
