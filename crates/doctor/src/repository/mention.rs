//! Mentions of a build in plain text: in scripts, justfiles, makefiles, other pipelines, and in the scripts
//! of workflows.
//!
//! The effect of such a line is not worked out. It counts as harmless only where it names a stage, or a
//! Dockerfile that needs none; every other line is left to a person.

use quill_admin_operations::admin_image::recognise;

use super::command::{self, Build, Named};
use super::dockerfile::{Dockerfile, Provides};
use super::path;
use super::served::Served;
use super::target::Target;

/// Endings of files that are written for people, and of files that list versions: none of them builds
/// anything.
const PROSE: &[&str] = &["md", "mdx", "rst", "adoc", "txt", "html", "svg", "lock"];

/// Beginnings of the names of files of tools that build, and of the lines in them that say what is built.
const OWN_FILES: &[(&str, &[&str])] =
    &[("docker-bake.", &["target ", "\"target\""]), ("skaffold.", &["artifacts:"])];

/// The largest number of lines that continue a command. A list of data may have many more.
const LONGEST: usize = 100;

/// A line that mentions a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The line as it is written.
    pub text: String,
    /// What it says of the build.
    pub(super) build: Build,
}

impl Mention {
    /// A mention in the line of a file with this number.
    pub(super) fn new(file: &str, line: u64, text: &str, build: Build) -> Self {
        Self { file: file.to_owned(), line, text: text.trim().to_owned(), build }
    }

    /// A mention in a line of a text, which is found by its number.
    pub(super) fn at(file: &str, line: u64, text: &str, build: Build) -> Self {
        let number = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        Self::new(file, line, text.lines().nth(number).unwrap_or_default(), build)
    }

    /// Whether it may build another stage than it is meant to: it names the admin image's for the backend, or it
    /// names none, and a Dockerfile that it may build ends with another one or was not read.
    pub(super) fn may_be_wrong(&mut self, dockerfiles: &[Dockerfile], served: &[Served]) -> bool {
        let may_build = candidates(&self.build.dockerfile, dockerfiles);
        if let Target::Named(stage) = &self.build.target {
            return gives_backend_admin(stage, &self.build.images, &may_build, served);
        }
        if let (Named::At(path) | Named::Written(path), []) = (&self.build.dockerfile, may_build.as_slice()) {
            self.text = format!("{} ({path} was not read)", self.text);
            return true;
        }
        may_build.iter().any(|dockerfile| dockerfile.provides != Provides::Wanted)
    }
}

/// Whether a build gives the admin image the backend's name, although it names a stage.
pub(super) fn gives_backend_admin(
    stage: &str,
    images: &[String],
    may_build: &[&Dockerfile],
    served: &[Served],
) -> bool {
    let is_its_name = |served: &Served| images.iter().any(|image| served.is_named(image));
    let mut stages = may_build.iter().filter_map(|dockerfile| dockerfile.stage(stage)).peekable();
    let is_admin = match stages.peek() {
        Some(_) => stages.any(|stage| stage.admin),
        None => recognise::is_its_stage(stage),
    };
    is_admin && served.iter().any(|served| is_its_name(served) && !served.stage.eq_ignore_ascii_case(stage))
}

/// The Dockerfiles that a build may build, among those that were read.
fn candidates<'a>(named: &Named, dockerfiles: &'a [Dockerfile]) -> Vec<&'a Dockerfile> {
    let all = |is_one: &dyn Fn(&str) -> bool| -> Vec<&'a Dockerfile> {
        dockerfiles.iter().filter(|file| is_one(&file.path)).collect()
    };
    // A bracket behind a command in another language is no path.
    let is_path = |path: &str| path == "-" || path.contains(|c: char| c.is_ascii_alphanumeric());
    let written = match named {
        Named::At(path) => return all(&|file| file == path),
        Named::Written(path) if is_path(path) && !path::varies(path) => path.replace('\\', "/"),
        _ => return all(&|_| true),
    };
    let written = written.trim_start_matches("./").trim_end_matches('/');
    // The folder in which the command runs is not known, so neither are the first parts.
    let last = written.trim_start_matches("/workspace/").trim_start_matches("../").trim_start_matches('/');
    let as_file = |path: &str| ["", "/Dockerfile", "/Containerfile"].map(|file| format!("{path}{file}"));
    let exact = all(&|file| file.contains('/') && as_file(written).iter().any(|name| name == file));
    if !exact.is_empty() {
        return exact;
    }
    all(&|file| as_file(last).iter().any(|name| format!("/{file}").ends_with(&format!("/{name}"))))
}

/// Whether a file is searched, by its name: it is not written for people.
pub(super) fn is_searched(path: &str) -> bool {
    let name = path::name(path).to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    !PROSE.contains(&ending) && !name.starts_with("license")
}

/// The lines of a text that mention a build.
pub(super) fn find(path: &str, text: &str) -> Vec<Mention> {
    let lines: Vec<&str> = text.lines().collect();
    let own = OWN_FILES.iter().find(|(name, _)| path::name(path).starts_with(name));
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let begins = line.trim_start();
        if is_comment(line) {
            continue;
        }
        let number = index as u64 + 1;
        if command::may_begin(line) {
            let whole = whole(path, &lines[index..]);
            let builds = command::find(&whole, line.len()).into_iter();
            found.extend(builds.map(|build| Mention::new(path, number, line, build)));
        }
        if own.is_some_and(|(_, keys)| keys.iter().any(|key| begins.starts_with(key))) {
            found.push(Mention::new(path, number, line, Build::UNKNOWN));
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with('#') || line.starts_with("//")
}

/// The first line together with those that continue it: after a backslash (PowerShell: a backtick, Windows: a
/// caret), in a list that is not closed, and in YAML those of the same entry.
fn whole(path: &str, lines: &[&str]) -> String {
    let is_yaml = path::is_yaml(path);
    let column = |line: &str| line.len() - line.trim_start_matches([' ', '\t', '-']).len();
    let is_item = |line: &str| line.trim_start().starts_with("- ");
    // The name of a step may be its image, after other keys of the same item.
    let is_step = |line: &str| is_item(line) || line.trim_start().starts_with("name:");
    let first = lines[0];
    let own = column(first);
    // A list of words, one in each line.
    let is_word = is_item(first) && first.split_whitespace().count() == 2;
    let mut whole = first.to_owned();
    for pair in lines.windows(2).take(LONGEST) {
        let (last, next) = (pair[0].trim_end(), pair[1]);
        let is_open = last.ends_with(['\\', ',', '[', '(']) || last.ends_with(" `") || last.ends_with(" ^");
        let is_entry = is_yaml
            && !next.trim().is_empty()
            && (column(next) > own || column(next) == own && is_step(first) && (is_word || !is_item(next)));
        if !(is_open || is_entry) {
            break;
        }
        whole = whole.trim_end_matches(['\\', '`', '^']).to_owned();
        whole.push('\n');
        if !is_comment(next) {
            whole.push_str(next);
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines that are left to a person.
    fn left(path: &str, text: &str) -> Vec<u64> {
        let [dockerfile, stage, image] = ["backend/Dockerfile", "prod", "quill/backend"].map(str::to_owned);
        let served = [Served { dockerfile, stage, image }];
        let read = |path: &str, text: &str| Dockerfile::read(path, text, &served).expect("a Dockerfile");
        let dockerfiles = [
            read("backend/Dockerfile", "FROM x AS prod\nFROM prod AS admin\n"),
            read("frontend/Dockerfile", "FROM x\n"),
            read("Dockerfile", "FROM x\n"),
        ];
        let may_be_wrong =
            |mut mention: Mention| mention.may_be_wrong(&dockerfiles, &served).then_some(mention);
        let mentions = find(path, text).into_iter().filter_map(may_be_wrong);
        let mut lines: Vec<u64> = mentions.map(|mention| mention.line).collect();
        lines.dedup();
        lines
    }

    #[test]
    fn a_dockerfile_counts_if_it_is_certain_to_be_the_one() {
        for line in [
            "docker build frontend",
            "docker build --pull -t backend ./frontend/",
            "docker build -f frontend/Dockerfile .",
            "# docker build backend",
        ] {
            assert_eq!(left("x", line), [0; 0], "{line}");
        }
        for line in [
            "docker build -t frontend .",
            "docker build . -t frontend",
            "cd backend && docker build -f Dockerfile .",
            "docker build -f \"$1\" frontend",
            "docker build -f ../backend/Dockerfile frontend",
            "docker buildx bake frontend",
        ] {
            assert_eq!(left("x", line), [1], "{line}");
        }
    }

    #[test]
    fn lines_that_are_continued() {
        for (path, text, expected) in [
            ("x.sh", "gcloud run deploy x \\\n  --source \\\n  .\n", &[1][..]),
            ("x.sh", "gcloud \\\n  builds \\\n  submit\n", &[1]),
            ("x.sh", "docker build \\\n  --target prod \\\n  .\n", &[]),
            ("x.sh", "docker build .\n  --target prod\n", &[1]),
            ("x.sh", "docker build . \\\n  # --target prod\n", &[1]),
            ("x.sh", "docker build . \\\n\ndocker build --target prod .\n", &[1]),
            ("x.ps1", "docker build `\n  --target prod `\n  .\n", &[]),
            ("x.yml", "run: |\n  docker build .\n  echo --target prod\n", &[2]),
            ("x.yml", "run: gcloud run deploy x\n  --source .\n", &[1]),
            ("x.py", "run([\n  \"docker\",\n  \"build\",\n  \".\",\n])\n", &[2]),
            ("x.py", "run([\n  \"docker\",\n  \"build\",\n  \"--target\",\n  \"prod\",\n])\n", &[]),
        ] {
            assert_eq!(left(path, text), expected, "{text}");
        }
    }

    #[test]
    fn entries_of_yaml_that_name_an_image() {
        let text = "\
steps:
  - name: gcr.io/cloud-builders/docker
    id: build-image
    args:
      - build
      - --target
      - prod
  - name: gcr.io/cloud-builders/docker
    args: [build, -t, x, .]
  - name: gcr.io/kaniko-project/executor:latest
    args: ['--target=prod']
  - name: gcr.io/kaniko-project/executor:latest
    args: ['--dockerfile=backend/Dockerfile']
  - name: Docker build
    command:
      - docker
      - build
";
        assert_eq!(left("cloudbuild.yaml", text), [8, 12, 16]);
        let text =
            "steps:\n  - id: x\n    name: gcr.io/cloud-builders/docker\n    args: [build, --target, prod]\n";
        assert_eq!(left("cloudbuild.yaml", text), [0; 0]);
        assert_eq!(left("skaffold.yaml", "build:\n  artifacts:\n    - image: x\n"), [2]);
        assert_eq!(left("docker-bake.hcl", "target \"backend\" {\n  context = \".\"\n}\n"), [1]);
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
            assert_eq!(is_searched(path), searched, "{path}");
        }
    }
}
