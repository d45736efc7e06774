//! Finds the builds of an image in a piece of text, by the words of the command: a program, options, and the
//! verb by which it builds (`docker --context x buildx build`).
//!
//! Words are split so that lists of other languages (`["docker", "build"]`, `args: [build, .]`) read like a
//! command of a shell. To know another tool: a word in one of the lists below.

use super::path::{joined, varies};
use super::target::Target;

/// Programs that build with one of the [`VERBS`].
const PROGRAMS: &[&str] = &[
    "docker",
    "docker-compose",
    "podman",
    "podman-compose",
    "nerdctl",
    "buildah",
    "buildx",
    "docker-buildx",
    "depot",
    "img",
    "buildctl",
    "minikube",
    "gcloud",
    "az",
    "skaffold",
];
/// Words that stand between a program and its verb: groups of commands, and the keys of lists of words.
const GROUPS: &[&str] = &[
    "image", "builder", "buildx", "compose", "builds", "acr", "run", "jobs", "alpha", "beta", "args:",
    "args", ":", "]", "}}",
];
/// Verbs that build.
const VERBS: &[&str] = &["build", "bake", "bud", "build-using-dockerfile", "submit", "watch"];
/// Verbs that build only with one of [`OPTIONS`].
const PERHAPS: &[&str] = &["up", "run", "create", "deploy"];
const OPTIONS: &[&str] = &["--build", "--source"];
/// Parts of words that are a build on their own: tools and images, actions, functions of Tilt, Jenkins and
/// Docker's own library.
const BUILDERS: &[&str] = &[
    "kaniko",
    "build-push-action",
    "bake-action",
    "docker_build(",
    "docker.build(",
    "images.build(",
    "auto-devops.gitlab-ci",
    "jobs/build.gitlab-ci",
];
/// Steps that build, in pipelines of Circle.
const STEPS: &[&str] = &["docker/build", "docker/publish"];
/// Beginnings of steps that build unless they have another verb: of Cloud Build and of Azure.
const STEPS_WITH_VERB: &[&str] = &["gcr.io/cloud-builders/docker", "docker@1", "docker@2"];
/// Parts of the names of variables that stand for a program.
const VARIABLES: &[&str] = &["docker", "podman", "container_", "compose"];
/// Keys whose values are written for people.
const TITLES: &[&str] = &["name", "displayname", "title", "description", "summary"];

/// A build of an image, as far as the words of the command say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Build {
    /// The stage that it names.
    pub(super) target: Target,
    /// The Dockerfile that it names.
    pub(super) dockerfile: Named,
    /// The names that it gives its image.
    pub(super) images: Vec<String>,
    /// Whether Compose files say what is built.
    pub(super) is_compose: bool,
}

/// The Dockerfile that a build names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// None, or one that is known only when it runs.
    Unknown,
    /// The one at this path, or in this folder, as the command has it. The folder where it runs is not known.
    Written(String),
    /// The one at this path in the checkout. One elsewhere, as in `https://…` or `../other/Dockerfile`, is here as
    /// it is written, and no file of the checkout has that path.
    At(String),
}

impl Named {
    /// The one at a path, which may have several parts, each in the folder of the part before.
    pub(super) fn at(parts: &[&str]) -> Self {
        let whole = parts.iter().try_fold(String::new(), |folder, part| joined(&folder, part));
        match whole {
            Some(whole) => Self::At(whole),
            None if parts.iter().any(|part| part.contains("://")) => Self::At(parts.join("/")),
            None if parts.iter().any(|part| varies(part)) => Self::Unknown,
            None => Self::At(parts.join("/")),
        }
    }
}

impl Build {
    /// A build of which nothing is known here.
    pub(super) const UNKNOWN: Self =
        Self { target: Target::None, dockerfile: Named::Unknown, images: Vec::new(), is_compose: false };
}

/// A word, without its quotes.
#[derive(Debug, PartialEq, Eq)]
struct Word<'a> {
    text: &'a str,
    /// Its position in the text, in bytes.
    at: usize,
    /// Whether the quotes hold this word and nothing else.
    is_quoted: bool,
}

/// Whether a build may begin in a line: most lines need no closer look.
pub(super) fn may_begin(line: &str) -> bool {
    let line = line.to_lowercase();
    PROGRAMS.iter().chain(BUILDERS).chain(VARIABLES).any(|part| line.contains(part))
}

/// The builds that begin in the first `length` bytes of a text.
pub(super) fn find(text: &str, length: usize) -> Vec<Build> {
    let words = words(text);
    let key = words.first().map(|word| word.text.trim_end_matches(':').to_lowercase()).unwrap_or_default();
    let is_title = TITLES.contains(&key.as_str());
    let mut found = Vec::new();
    let mut rest = words.as_slice();
    // The title of a stage of Jenkins ends with its bracket.
    if key == "stage(" {
        rest = &rest[rest.iter().position(|word| word.text == ")").unwrap_or(0)..];
    }
    while let Some((word, after)) = rest.split_first().filter(|(word, _)| word.at < length) {
        // What a makefile says of a target, for people.
        if word.text == "##" {
            break;
        }
        rest = after;
        if let Some((build, after)) = build(word, after, is_title) {
            found.push(build);
            rest = after;
        }
    }
    found
}

/// The build that a word begins, with the words after it, and those that follow its verb.
fn build<'a, 'b>(word: &Word<'a>, after: &'b [Word<'a>], is_title: bool) -> Option<(Build, &'b [Word<'a>])> {
    let name = word.text.to_lowercase();
    if is_builder(&name, arguments(after)) {
        // The name of a step may be that of an image.
        let is_for_people = is_title && !name.contains('/');
        return (!is_for_people).then(|| (of_arguments(word, arguments(after), false), after));
    }
    if is_title || !is_program(&name) {
        return None;
    }
    let (verb, rest) = verb(after)?;
    // In YAML, another key of the same entry ends the command.
    let is_key = |word: &Word<'_>| !word.is_quoted && word.text.ends_with(':');
    let arguments = arguments(rest).split(is_key).next().unwrap_or_default();
    let has_option = |word: &Word<'_>| OPTIONS.iter().any(|option| word.text.starts_with(option));
    if PERHAPS.contains(&verb) && !arguments.iter().any(has_option) {
        return None;
    }
    let groups = &after[..after.len() - rest.len()];
    let is_compose = name.contains("compose") || groups.iter().any(|word| word.text == "compose");
    let mut build = match verb {
        // Its own file says what it builds, and an option `--target` means another thing.
        "bake" => Build::UNKNOWN,
        _ => of_arguments(word, arguments, is_compose),
    };
    // What stands there is a service, or a file of the tool.
    if is_compose || PERHAPS.contains(&verb) || name.ends_with("skaffold") {
        build.dockerfile = Named::Unknown;
    }
    Some((build, rest))
}

/// Whether a word, in lower case, is a build on its own, with these words after it.
fn is_builder(word: &str, after: &[Word<'_>]) -> bool {
    let has = |is_one: &dyn Fn(&str) -> bool| after.iter().any(|word| is_one(&word.text.to_lowercase()));
    if STEPS_WITH_VERB.iter().any(|step| word.starts_with(step)) {
        return has(&|word| VERBS.contains(&word) || word == "buildandpush")
            || !has(&|word| matches!(word, "args:" | "command:"));
    }
    // A job of GitLab runs in the image, and its script calls the program.
    let is_place = word.contains("kaniko-project") && has(&|word| word == "entrypoint:");
    STEPS.contains(&word.trim_end_matches(':'))
        || (BUILDERS.iter().any(|part| word.contains(part)) && !word.ends_with("()") && !is_place)
}

/// Whether a word, in lower case, calls one of the [`PROGRAMS`]: by its name, its path, or a variable that is
/// called after it.
fn is_program(word: &str) -> bool {
    let is_variable = word.starts_with(['$', '%']) || word.starts_with("@$") || word.starts_with("{{");
    if is_variable && VARIABLES.iter().any(|part| word.contains(part)) {
        return !word.ends_with(['/', ':']);
    }
    let name =
        word.rsplit(['/', '\\', '=', '(', '@', '!', '+']).next().unwrap_or(word).trim_start_matches('-');
    PROGRAMS.contains(&name.strip_suffix(".exe").unwrap_or(name))
}

/// The verb of a program, and the words after it. A word after an option may be the option's value.
fn verb<'a, 'b>(words: &'b [Word<'a>]) -> Option<(&'a str, &'b [Word<'a>])> {
    let mut may_be_value = false;
    for (at, word) in words.iter().enumerate() {
        let text = word.text;
        let next = words.get(at + 1).map_or("", |next| next.text);
        // `docker run` and `gcloud run deploy`.
        let is_group = GROUPS.contains(&text) && (text != "run" || matches!(next, "deploy" | "jobs"));
        if VERBS.contains(&text) || (PERHAPS.contains(&text) && !is_group) {
            return Some((text, &words[at + 1..]));
        }
        if is_group {
            may_be_value = false;
        } else if text.starts_with('-') {
            may_be_value = !text.contains('=');
        } else if !std::mem::take(&mut may_be_value) {
            return None;
        }
    }
    None
}

/// The words up to the end of the command, as a shell or a list has it.
fn arguments<'a, 'b>(words: &'b [Word<'a>]) -> &'b [Word<'a>] {
    let ends = |word: &Word<'_>| {
        !word.is_quoted
            && (word.text.starts_with([';', '&', '|', '#'])
                || word.text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['>', '<'])
                || matches!(word.text, ")" | "]" | "`"))
    };
    &words[..words.iter().position(ends).unwrap_or(words.len())]
}

fn of_arguments(program: &Word<'_>, words: &[Word<'_>], is_compose: bool) -> Build {
    let mut target = Target::None;
    let (mut file, mut images) = (None, Vec::new());
    for (at, word) in words.iter().enumerate() {
        let (option, value) = match word.text.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            // In a list of quoted words, one without quotes is a variable.
            None => (
                word.text,
                words.get(at + 1).filter(|next| next.is_quoted || !word.is_quoted).map(|next| next.text),
            ),
        };
        match option {
            "--target" => match value.map(Target::of) {
                Some(Target::Named(name)) if target != Target::Varies => target = Target::Named(name),
                _ => target = Target::Varies,
            },
            "-f" | "--file" | "--dockerfile" => file = Some(value.unwrap_or("$").to_owned()),
            "-t" | "--tag" | "--destination" => images.extend(value.map(str::to_owned)),
            _ => {}
        }
    }
    // A folder stands at the end, or right after the verb; after an option without `=` it may be its value.
    let folder = match words {
        [.., before, last] if !before.text.starts_with('-') || before.text.contains('=') => Some(last),
        [only] => Some(only),
        _ => None,
    };
    let is_folder = |word: &&Word<'_>| {
        // A dash alone is what the command is given to read.
        (word.text == "-" || !word.text.starts_with('-')) && word.is_quoted == program.is_quoted
    };
    let folder = folder.filter(is_folder);
    let place = file.or_else(|| folder.map(|word| word.text.to_owned()));
    Build { target, dockerfile: place.map_or(Named::Unknown, Named::Written), images, is_compose }
}

/// The words of a text. Quotes, commas and square brackets separate them; what ends a command in a shell is a
/// word of its own.
fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let is_quote = |c: char| matches!(c, '"' | '\'');
    let mut begin = 0;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let word = &text[begin..at];
        // The bracket that closes `$(DOCKER)` belongs to the word.
        let is_mark = matches!(c, ';' | '|' | ']' | '`') || (matches!(c, ')' | '&') && !word.contains('('));
        if !(c.is_whitespace() || is_mark || is_quote(c) || matches!(c, ',' | '[')) {
            continue;
        }
        let is_quoted = is_quote(c) && text[..begin].ends_with(c);
        // The dash of an item in YAML is no word.
        let is_dash =
            word == "-" && text[..begin].lines().last().is_none_or(|before| before.trim().is_empty());
        if is_quoted || !(word.is_empty() || is_dash) {
            words.push(Word { text: word, at: begin, is_quoted });
        }
        if is_mark {
            words.push(Word { text: &text[at..=at], at, is_quoted: false });
        }
        begin = (at + c.len_utf8()).min(text.len());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(line: &str) -> bool {
        may_begin(line) && !find(line, line.len()).is_empty()
    }

    #[test]
    fn builds_are_found_however_they_are_written() {
        for line in [
            "docker build .",
            "DOCKER_BUILDKIT=1 docker  buildx   build .",
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
            "gcloud run jobs deploy quill --source=.",
            "- uses: docker/build-push-action@v6",
            "- name: gcr.io/cloud-builders/docker",
            "- name: 'gcr.io/cloud-builders/docker'\n  id: x\n  args: ['build', '.']",
            "- task: Docker@2\n  inputs:\n    repository: x\n    command: buildAndPush",
            "- task: Docker@2\n  inputs:\n    repository: x",
            "- docker/build:\n    image: x",
            "- template: Jobs/Build.gitlab-ci.yml",
            "image: gcr.io/kaniko-project/executor\nargs: [--destination=x]",
            "stage('Docker build') { sh 'docker build .' }",
            "command: [docker]\nargs: [build, .]",
            "az acr build -r x .",
            "skaffold build",
            "echo \"usage: << NAME\"; docker build .",
        ] {
            assert!(is_found(line), "{line}");
        }
        for line in [
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
            "- name: 'gcr.io/cloud-builders/docker'\n  args: ['push', 'x']",
            "- task: Docker@2\n  inputs:\n    command: login",
            "docker: circleci/docker@2.8.2",
            "image: { name: gcr.io/kaniko-project/executor:debug, entrypoint: [\"\"] }",
            "stage('Docker build') {",
            "build: deps ## docker build of it",
        ] {
            assert!(!is_found(line), "{line}");
        }
    }

    #[test]
    fn a_stage_counts_if_it_is_a_plain_word_of_the_same_command() {
        let targets = |line: &str| -> Vec<bool> {
            let is_named = |build: Build| matches!(build.target, Target::Named(_));
            find(line, line.len()).into_iter().map(is_named).collect()
        };
        for line in [
            "docker build --target prod backend",
            "docker build --target=prod backend",
            "docker build --target 'dev' backend",
            "subprocess.run([\"docker\", \"build\", \"--target\", \"prod\"])",
            "docker build -t $(IMAGE):$(TAG) --target prod backend",
            "id=$(docker build --target prod)",
            "/kaniko/executor --target=admin",
        ] {
            assert_eq!(targets(line), [true], "{line}");
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
            "docker build --target $X --target prod .",
            "docker build . # --target prod",
            "docker build . ; echo --target prod",
            "echo $(docker build .) --target prod",
            "docker buildx bake --target prod",
            "docker build --target",
        ] {
            assert_eq!(targets(line), [false], "{line}");
        }
        assert_eq!(targets("docker build --target prod . && docker build ."), [true, false]);
        let two = "docker build .\ndocker build --target prod .";
        assert_eq!(find(two, 14).len(), 1);
    }

    #[test]
    fn the_place_that_a_command_names() {
        for (line, expected) in [
            ("docker build frontend", Some("frontend")),
            ("docker build -f a/Dockerfile .", Some("a/Dockerfile")),
            ("docker build --file=a/Dockerfile frontend", Some("a/Dockerfile")),
            ("docker build -f \"$1\" frontend", Some("$1")),
            ("docker build -t frontend .", Some(".")),
            ("docker build -t frontend -", Some("-")),
            ("- docker build -f - .", Some("-")),
            // The last word may be the value of the option.
            ("docker build . -t frontend", None),
            ("docker buildx bake frontend", None),
            ("subprocess.run([\"docker\", \"build\", frontend])", None),
        ] {
            let expected = expected.map_or(Named::Unknown, |place| Named::Written(place.to_owned()));
            assert_eq!(find(line, line.len()).remove(0).dockerfile, expected, "{line}");
        }
    }
}
