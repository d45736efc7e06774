//! Mentions of a build in plain text: in scripts, justfiles, makefiles, other pipelines, and in the scripts
//! of workflows.
//!
//! The effect of such a line is not worked out. It counts as harmless only where it names a stage, or a
//! Dockerfile that needs none; every other line is left to a person.

use super::dockerfile::{Dockerfile, Provides};

/// The texts that mention a build, in lower case. Two parts may stand apart.
const SAID: &[&[&str]] = &[
    &["docker build"],
    &["docker image build"],
    &["docker builder build"],
    &["buildx build"],
    &["buildx bake"],
    &["docker compose", " build"],
    &["docker-compose", " build"],
    &["podman build"],
    &["nerdctl build"],
    &["buildah bud"],
    &["buildah build"],
    &["depot build"],
    &["build-push-action"],
    &["bake-action"],
    &["kaniko"],
    &["cloud-builders/docker"],
    &["gcloud builds submit"],
    &["gcloud run deploy", "--source"],
    &["skaffold build"],
];

/// Endings of files that are written for people, and of files that list versions: none of them builds
/// anything.
const PROSE: &[&str] = &["md", "mdx", "rst", "adoc", "txt", "html", "svg", "lock"];

/// A line that mentions a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The line as it is written.
    pub text: String,
    /// The line together with those that continue it.
    whole: String,
}

impl Mention {
    pub(super) fn new(file: &str, line: u64, text: &str, rest: &str) -> Self {
        Self { file: file.to_owned(), line, text: text.trim().to_owned(), whole: format!("{text}\n{rest}") }
    }

    /// Whether it may build another stage than it is meant to: it names none, and a Dockerfile that it may
    /// build ends with another one.
    pub(super) fn may_be_wrong(&self, dockerfiles: &[Dockerfile]) -> bool {
        let words = || self.whole.split(|c: char| c.is_whitespace() || "\"'=,[]()".contains(c));
        if words().any(|word| word == "--target") {
            return false;
        }
        let is_named = |dockerfile: &&Dockerfile| {
            let folder = dockerfile.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            words().any(|word| {
                let word = word.trim_start_matches("./").trim_end_matches('/');
                word == dockerfile.path || (word == folder && folder != ".")
            })
        };
        let mut named = dockerfiles.iter().filter(is_named).peekable();
        match named.peek() {
            Some(_) => named.any(|dockerfile| dockerfile.provides != Provides::Wanted),
            None => dockerfiles.iter().any(|dockerfile| dockerfile.provides != Provides::Wanted),
        }
    }
}

/// Whether a file is searched: it is text, and not written for people.
pub(super) fn is_searched(path: &str, bytes: &[u8]) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    !PROSE.contains(&ending) && !name.starts_with("license") && !bytes.contains(&0)
}

/// The lines of a text that mention a build.
pub(super) fn find(path: &str, text: &str) -> Vec<Mention> {
    let lines: Vec<&str> = text.lines().collect();
    let is_bake = path.rsplit('/').next().is_some_and(|name| name.starts_with("docker-bake."));
    let mut found = Vec::new();
    let mut part_of_another = 0;
    for (index, line) in lines.iter().enumerate() {
        let begins = line.trim_start();
        let comment = begins.starts_with('#') || begins.starts_with("//");
        if comment || index < part_of_another || !(says(line) || is_bake && begins.starts_with("target ")) {
            continue;
        }
        let rest = &lines[index + 1..];
        let count = goes_on(line, rest);
        part_of_another = index + 1 + count;
        found.push(Mention::new(path, index as u64 + 1, line, &rest[..count].join("\n")));
    }
    found
}

fn says(line: &str) -> bool {
    // A line that shows a command to people has more blanks than one that runs it; they do not matter here.
    let line = line.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    SAID.iter().any(|parts| {
        let mut rest = line.as_str();
        let all = parts.iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        });
        // For example, "docker builder prune" builds nothing.
        all && !rest.starts_with(|c: char| c.is_alphabetic())
    })
}

/// The number of lines after a line that belong to it: those after a backslash, and those of the same entry
/// of a list or block, which are indented further.
fn goes_on(line: &str, rest: &[&str]) -> usize {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let own = indent(line);
    let mut continued = line.trim_end().ends_with('\\');
    let mut count = 0;
    for next in rest {
        let further = !next.trim().is_empty() && indent(next) >= own && !next.trim_start().starts_with("- ")
            || indent(next) > own && !next.trim().is_empty();
        // A command that is not continued has ended; an entry of a list has keys of the same depth.
        let entry = line.trim_start().starts_with("- ");
        if !(continued || (entry && further)) {
            break;
        }
        continued = next.trim_end().ends_with('\\');
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<(u64, String)> {
        find(path, text).into_iter().map(|mention| (mention.line, mention.whole)).collect()
    }

    #[test]
    fn builds_are_found_however_they_are_written() {
        let text = "\
# docker build is a comment
echo \"usage: build.sh << NAME\"
docker build -f backend/Dockerfile .
DOCKER_BUILDKIT=1 docker  buildx   build \\
    --target prod \\
    .
docker compose -f x.yml build
docker compose up
/kaniko/executor --dockerfile=backend/Dockerfile
docker builder prune
";
        let found: Vec<u64> = lines("build.sh", text).iter().map(|(line, _)| *line).collect();
        assert_eq!(found, [3, 4, 7, 9]);
        let cloud_build = "\
steps:
  - name: gcr.io/cloud-builders/docker
    args:
      - build
      - --target
      - prod
  - name: gcr.io/other
";
        let found = lines("cloudbuild.yaml", cloud_build);
        assert_eq!(found.len(), 1);
        assert!(found[0].1.contains("prod") && !found[0].1.contains("other"), "{found:?}");
        assert_eq!(lines("docker-bake.hcl", "target \"backend\" {\n  context = \".\"\n}\n").len(), 1);
    }

    #[test]
    fn what_is_written_for_people_is_not_searched() {
        for (path, searched) in [
            ("README.md", false),
            ("Cargo.lock", false),
            ("LICENSE", false),
            ("build", true),
            ("Justfile", true),
            (".circleci/config.yml", true),
        ] {
            assert_eq!(is_searched(path, b"docker build ."), searched, "{path}");
        }
        assert!(!is_searched("program", b"\x7fELF\0docker build ."));
    }
}
