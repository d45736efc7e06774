//! Mentions of a build in plain text: in scripts, justfiles, makefiles, other pipelines, and in the scripts
//! of workflows.
//!
//! The effect of such a line is not worked out. It counts as harmless only where it names a stage, or a
//! Dockerfile that needs none; every other line is left to a person.

use super::command::{self, Build, Named};
use super::dockerfile::{Dockerfile, Provides};
use super::lines;
use super::target::Target;
use super::words::{self, Word};

/// Parts of the words of which every mention has one, in lower case: other lines are not split into words.
const HINTS: &[&str] = &[
    "build", "bake", "bud", "submit", "deploy", "push", "watch", "kaniko", "skaffold", "tilt", "docker",
    "podman", "nerdctl", "gcloud",
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
    /// What it says of the build.
    pub(super) build: Build,
}

impl Mention {
    /// A mention in a line of a text.
    pub(super) fn new(file: &str, text: &str, line: u64, build: Build) -> Self {
        let number = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
        let text = text.lines().nth(number).unwrap_or_default().trim().to_owned();
        Self { file: file.to_owned(), line, text, build }
    }

    /// Whether it may build another stage than it is meant to: it names none, and a Dockerfile that it may
    /// build ends with another one.
    pub(super) fn may_be_wrong(&self, dockerfiles: &[Dockerfile]) -> bool {
        let named = match &self.build {
            Build::Image { target: Target::Named(_), .. } => return false,
            Build::Image { dockerfile, .. } => dockerfile,
            _ => &Named::Unknown,
        };
        let all = || dockerfiles.iter().collect();
        let mut possible: Vec<&Dockerfile> = match named {
            Named::Unknown => all(),
            Named::At(path) => dockerfiles.iter().filter(|dockerfile| dockerfile.path == *path).collect(),
            Named::Somewhere(path) => {
                let end = certain_end(path);
                let ends = |path: &str| path == end || path.ends_with(&format!("/{end}"));
                let folder_ends = |path: &str| path.rsplit_once('/').is_some_and(|(folder, _)| ends(folder));
                let is_named = |file: &&Dockerfile| ends(&file.path) || folder_ends(&file.path);
                dockerfiles.iter().filter(is_named).collect()
            }
        };
        if possible.is_empty() {
            possible = all();
        }
        possible.iter().any(|dockerfile| dockerfile.provides != Provides::Wanted)
    }
}

/// The end of a path that is certain: what follows the last variable, and the last `.` or `..`.
fn certain_end(path: &str) -> String {
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let is_certain =
        |part: &&&str| !matches!(**part, "" | "." | "..") && !part.contains(['$', '{', '%', '*']);
    let certain = parts.iter().rev().take_while(is_certain).count();
    parts[parts.len() - certain..].join("/")
}

/// Whether a file is searched, by its name: it is not written for people.
pub(super) fn is_searched(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    !PROSE.contains(&ending) && !name.starts_with("license")
}

/// The lines of a text that mention a build. Several mentions may be of the same line.
pub(super) fn find(path: &str, text: &str) -> Vec<Mention> {
    let is_bake = path.rsplit('/').next().is_some_and(|name| name.starts_with("docker-bake."));
    let mut found = Vec::new();
    for (number, line) in lines::joined(path, text) {
        let begins = line.trim_start();
        if is_bake && (begins.starts_with("target ") || begins.starts_with("\"target\"")) {
            found.push((number, Build::Unknown));
        }
        let lower = line.to_lowercase();
        if !HINTS.iter().any(|hint| lower.contains(hint)) {
            continue;
        }
        let commands = words::commands(&line, number);
        if lines::is_yaml(path) && is_image(&commands) {
            found.extend(in_entry(&lines::entry(text, number), number));
        } else {
            found.extend(commands.iter().flat_map(|words| command::builds(words)));
        }
    }
    let mut mentions: Vec<Mention> = Vec::new();
    for (line, build) in found {
        let mention = Mention::new(path, text, line, build);
        if !mentions.contains(&mention) {
            mentions.push(mention);
        }
    }
    mentions
}

/// Whether a line of YAML has nothing but a tool, or an image with one: other lines then hold its arguments.
fn is_image(commands: &[Vec<Word>]) -> bool {
    let words: Vec<&Word> = commands.iter().flatten().filter(|word| word.text != "-").collect();
    match words[..] {
        [image] => !image.is_key() && command::is_tool(&image.text),
        [key, image] => key.is_key() && command::is_tool(&image.text),
        _ => false,
    }
}

/// The builds in an entry of YAML that begins with a tool, or with an image that holds one.
fn in_entry(entry: &str, number: u64) -> Vec<(u64, Build)> {
    let commands = words::commands(entry, number);
    let mut found: Vec<_> = commands.iter().flat_map(|words| command::builds(words)).collect();
    // Cloud Build's arguments may stand before the name of the image.
    if found.is_empty() && entry.contains("cloud-builders/docker") && !entry.contains("args:") {
        found.push((number, Build::Unknown));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "FROM x AS prod\nFROM prod AS admin\n";

    /// The lines that are left to a person.
    fn left(path: &str, text: &str) -> Vec<u64> {
        let read = |path: &str, text: &str| Dockerfile::read(path, text, &[]).expect("a Dockerfile");
        let served =
            [crate::repository::Served { dockerfile: "backend/Dockerfile".into(), stage: "prod".into() }];
        let dockerfiles = [
            Dockerfile::read("backend/Dockerfile", RECIPE, &served).expect("a Dockerfile"),
            read("frontend/Dockerfile", "FROM x\n"),
            read("Dockerfile", "FROM x\n"),
        ];
        let mentions = find(path, text).into_iter().filter(|mention| mention.may_be_wrong(&dockerfiles));
        let mut lines: Vec<u64> = mentions.map(|mention| mention.line).collect();
        lines.dedup();
        lines
    }

    #[test]
    fn builds_are_found_however_they_are_written() {
        for line in [
            "docker build .",
            "DOCKER_BUILDKIT=1 docker  buildx   build .",
            "docker build -f backend/Dockerfile .",
            "docker --context x build .",
            "docker buildx --builder x build .",
            "docker -D --log-level=debug image build .",
            "podman --log-level x build .",
            "nerdctl build .",
            "buildah bud .",
            "buildah --storage-driver vfs build .",
            "docker buildx bake",
            "docker buildx bake frontend",
            "docker compose -f x.yml build",
            "docker compose up -d --build",
            "docker-compose --profile a up --build",
            "/usr/bin/docker build .",
            "docker.exe build .",
            "@docker build .",
            "$(DOCKER) build -t $(IMAGE) .",
            "${CONTAINER_ENGINE:-podman} build .",
            "{{docker_cmd}} build .",
            "$(DOCKER_COMPOSE) up --build",
            "BUILD=docker build .",
            "id=$(docker build -q .)",
            "x=`docker build -q .`",
            "sh -c 'cd backend && docker build .'",
            "\"build\": \"docker build .\",",
            "subprocess.run([\"docker\", \"build\", \".\"])",
            "{ \"command\": \"docker\", \"args\": [\"build\", \".\"] }",
            "docker_build('backend', '.')",
            "image = docker.build(\"backend\")",
            "client.images.build(path='.')",
            "/kaniko/executor --dockerfile=backend/Dockerfile",
            "gcloud builds submit --tag x",
            "gcloud beta builds submit",
            "gcloud run deploy quill --source .",
            "- uses: docker/build-push-action@v6",
            "az acr build -r x .",
            "skaffold build",
            "echo \"usage: << NAME\"; docker build .",
        ] {
            assert_eq!(left("x", &format!("\n{line}\n")), [2], "{line}");
        }
        for line in [
            "# docker build .",
            "docker compose up",
            "docker builder prune",
            "docker run x build",
            "docker ps && make build",
            "gcloud run deploy quill --image x",
            "name: Docker build and push",
            "\"description\": \"a docker build of it\",",
            "$(CARGO) build",
            "npm run docker:build",
            "docker_build() {",
        ] {
            assert_eq!(left("x", line), [0; 0], "{line}");
        }
    }

    #[test]
    fn a_stage_counts_if_it_is_a_plain_word_of_the_same_command() {
        for line in [
            "docker build --target prod backend",
            "docker build --target=prod backend",
            "docker build --target 'dev' backend",
            "subprocess.run([\"docker\", \"build\", \"--target\", \"prod\"])",
            "docker build -t $(IMAGE):$(TAG) --target prod backend",
            "/kaniko/executor --target=admin",
        ] {
            assert_eq!(left("x", line), [0; 0], "{line}");
        }
        for line in [
            "docker build --target \"$X\" backend",
            "docker build --target \"\" backend",
            "docker build --target ${{ matrix.target }} backend",
            "docker build --target {{stage}} backend",
            "docker build --target=$(STAGE) backend",
            "docker build --target prod-$X backend",
            "docker build --target (stage) backend",
            "run(f\"docker build --target {stage} .\")",
            "subprocess.run([\"docker\", \"build\", \"--target\", stage])",
            "docker build --target prod --target $X .",
            "docker build --target prod . && docker build .",
            "docker build . # --target prod",
            "docker build . ; echo --target prod",
            "docker buildx bake --target prod",
            "docker build --target",
        ] {
            assert_eq!(left("x", line), [1], "{line}");
        }
    }

    #[test]
    fn a_dockerfile_counts_if_it_is_certain_to_be_the_one() {
        for line in [
            "docker build frontend",
            "docker build --pull ./frontend/ -t backend",
            "docker build -f frontend/Dockerfile .",
            "docker build -f $ROOT/frontend/Dockerfile .",
            "gcloud run deploy x --source=frontend",
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
            ("x.ps1", "docker build `\n  --target prod `\n  .\n", &[]),
            ("x.yml", "run: >\n  true;\n  docker build\n  --target $X .\n", &[3]),
            ("x.yml", "run: >\n  docker build\n  --target prod .\n", &[]),
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
    env: [A=b, C=d]
    args:
      - build
      - --target
      - prod
  - name: gcr.io/cloud-builders/docker
    args: [build, -t, x, .]
  - name: gcr.io/cloud-builders/docker
    args: [push, x]
  - args: [build, .]
    name: gcr.io/cloud-builders/docker
  - name: gcr.io/kaniko-project/executor:latest
    args: ['--target=prod']
  - name: gcr.io/kaniko-project/executor:latest
    args: ['--dockerfile=backend/Dockerfile']
  - name: Docker build
    command:
      - docker
      - build
";
        assert_eq!(left("cloudbuild.yaml", text), [9, 14, 17, 21]);
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
