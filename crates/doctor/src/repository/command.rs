//! Commands that build an image, and what their words say of the stage and the Dockerfile.
//!
//! To know another tool: a line in [`TOOLS`].

use super::target::Target;
use super::words::Word;

/// What a build makes, as far as its words say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Build {
    /// An image from a Dockerfile.
    Image {
        /// The stage that it names.
        target: Target,
        /// The Dockerfile that it names.
        dockerfile: Named,
    },
    /// The images of Compose files: of these, or of those that Compose finds itself.
    Compose(Vec<String>),
    /// Images that only other files, or no files at all, say more about.
    Unknown,
}

/// The Dockerfile that a build names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// None, or one that is known only when it runs.
    Unknown,
    /// The one at this path, or in this folder. The folder in which the path begins is not known.
    Somewhere(String),
    /// The one at this path in the checkout.
    At(String),
}

impl Named {
    /// The Dockerfile at a path in the checkout, where that is known.
    pub(super) fn at(path: Option<&str>) -> Self {
        path.map_or(Self::Unknown, |path| Self::At(path.to_owned()))
    }
}

/// How the words of a command are read.
#[derive(Debug, Clone, Copy)]
enum Reads {
    Image,
    Compose,
    Nothing,
}

/// Programs with the verbs by which they build, and the option without which they do not.
type Tool = (&'static [&'static str], &'static [&'static str], Option<&'static str>, Reads);

const DOCKER: &[&str] = &["docker", "podman", "nerdctl"];
const COMPOSE: &[&str] = &["docker-compose", "podman-compose"];
const TOOLS: &[Tool] = &[
    (DOCKER, &["build", "buildx build", "image build", "builder build"], None, Reads::Image),
    (DOCKER, &["buildx bake"], None, Reads::Nothing),
    (DOCKER, &["compose build", "compose watch"], None, Reads::Compose),
    (DOCKER, &["compose up", "compose run", "compose create"], Some("--build"), Reads::Compose),
    (COMPOSE, &["build", "watch"], None, Reads::Compose),
    (COMPOSE, &["up", "run", "create"], Some("--build"), Reads::Compose),
    (&["buildx", "docker-buildx", "depot"], &["build"], None, Reads::Image),
    (&["buildx", "docker-buildx", "depot"], &["bake"], None, Reads::Nothing),
    (&["buildah"], &["build", "bud", "build-using-dockerfile"], None, Reads::Image),
    (&["img", "buildctl"], &["build"], None, Reads::Image),
    (&["minikube"], &["image build"], None, Reads::Image),
    (&["kaniko"], &[""], None, Reads::Image),
    (&["gcloud"], &["builds submit"], None, Reads::Image),
    (&["gcloud"], &["run deploy", "run jobs deploy"], Some("--source"), Reads::Image),
    (&["gcloud"], &["app deploy"], None, Reads::Nothing),
    (&["az"], &["acr build"], None, Reads::Image),
    (&["fly", "flyctl"], &["deploy"], None, Reads::Nothing),
    (&["heroku"], &["container:push"], None, Reads::Nothing),
    (&["skaffold"], &["build", "dev", "run", "debug"], None, Reads::Nothing),
    (&["tilt"], &["up", "ci"], None, Reads::Nothing),
    (&["build-push-action", "bake-action"], &[""], None, Reads::Nothing),
    // Functions of Tilt, Jenkins and Docker's own library.
    (&["docker_build", "docker.build", "images.build"], &["("], None, Reads::Nothing),
];
/// Programs that are known by a part of their names.
const PARTS: &[&str] = &["kaniko", "build-push-action", "bake-action", "images.build"];
/// The words of which the name of a variable consists that stands for a program; one of the first is among them.
const VARIABLES: (&[&str], &[&str]) = (
    &["docker", "podman", "nerdctl", "container", "compose"],
    &["engine", "runtime", "tool", "cli", "cmd", "command", "bin", "exe", "env", "oci"],
);
/// Keys that hold the words of a command, after the program's or the image's name.
const ARGUMENTS: &[&str] = &["args:", "arguments:", "command:", "cmd:"];
/// Options that name a Dockerfile, and those that name its folder.
const FILE: &[&str] = &["-f", "--file", "--dockerfile", "--containerfile"];
const FOLDER: &[&str] = &["--source", "--context"];
/// Options of a build that have no value.
const WITHOUT_VALUE: &[&str] =
    &["--no-cache", "--pull", "--push", "--load", "--quiet", "-q", "--rm", "--force-rm", "--squash"];

/// Whether a word may be the name of a tool, or of an image that holds one.
pub(super) fn is_tool(word: &str) -> bool {
    program(word).is_some_and(|name| TOOLS.iter().any(|(programs, ..)| programs.contains(&name.as_str())))
}

/// The builds in the words of a command, with their lines.
pub(super) fn builds(words: &[Word]) -> Vec<(u64, Build)> {
    let mut found = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let Some(program) = program(&word.text) else { continue };
        let tools = TOOLS.iter().filter(|(programs, ..)| programs.contains(&program.as_str()));
        for (_, verbs, option, reads) in tools {
            let arguments = arguments(words, at);
            let Some(rest) = verbs.iter().find_map(|verb| after(&arguments, verb)) else { continue };
            // A function without arguments is the definition of one in a shell.
            let is_defined = verbs.contains(&"(") && rest.is_empty();
            let lacks = |option: &str| !rest.iter().any(|word| word.text.starts_with(option));
            if is_defined || option.is_some_and(lacks) {
                continue;
            }
            let build = match reads {
                Reads::Image => Build::Image { target: target(rest), dockerfile: dockerfile(rest) },
                Reads::Compose => Build::Compose(values(&arguments, &["-f", "--file"])),
                Reads::Nothing => Build::Unknown,
            };
            found.push((word.line, build));
        }
    }
    found
}

/// The name of the program that a word calls: without its folder and version, or that of Docker for a variable that
/// seems to stand for it.
fn program(word: &str) -> Option<String> {
    let word = word.to_lowercase();
    if let Some(part) = PARTS.iter().find(|part| word.contains(**part)) {
        return Some((*part).to_owned());
    }
    let name = word.rsplit(['/', '\\', '=']).next()?.trim_start_matches(['@', '-', '+', '!']);
    if name.contains(['$', '%']) || name.starts_with("{{") {
        let parts = || name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty());
        let (some, all) = VARIABLES;
        let is_program = parts().all(|part| some.contains(&part) || all.contains(&part))
            && parts().any(|part| some.contains(&part));
        let name = if parts().any(|part| part == "compose") { "docker-compose" } else { "docker" };
        return is_program.then(|| name.to_owned());
    }
    let name = name.split([':', '@', '}']).next()?;
    Some(name.strip_suffix(".exe").unwrap_or(name).to_owned())
}

/// The words that belong to a program: those after it, and those of later keys that hold arguments. A text for
/// people that names a program has none.
fn arguments(words: &[Word], at: usize) -> Vec<&Word> {
    let mut parts = words[at + 1..].split_inclusive(Word::is_key);
    let own = parts.next().unwrap_or_default();
    let key = words[..at].iter().rev().find(|word| word.is_key());
    let is_for_people = key.is_some_and(Word::is_title) && own.iter().any(|word| !word.is_key());
    let mut arguments = Vec::new();
    let mut holds = !is_for_people;
    for part in std::iter::once(own).chain(parts) {
        let key = part.last().filter(|word| word.is_key());
        let part = &part[..part.len() - usize::from(key.is_some())];
        arguments.extend(part.iter().filter(|_| holds));
        holds = key.is_some_and(|key| ARGUMENTS.iter().any(|own| key.text.eq_ignore_ascii_case(own)));
    }
    arguments
}

/// The words after a verb. Options may stand before each of its words, and a word after an option may be its value.
fn after<'a, 'b>(words: &'b [&'a Word], verb: &str) -> Option<&'b [&'a Word]> {
    let mut verb = verb.split_whitespace().peekable();
    let mut may_be_value = false;
    for (at, word) in words.iter().enumerate() {
        let Some(next) = verb.peek() else { return Some(&words[at..]) };
        let text = word.text.as_str();
        if text.eq_ignore_ascii_case(next) {
            verb.next();
            may_be_value = false;
        } else if text.starts_with('-') {
            may_be_value = !text.contains('=');
        } else if !matches!(text, "[" | "(" | "alpha" | "beta") {
            if !may_be_value {
                return None;
            }
            may_be_value = false;
        }
    }
    verb.peek().is_none().then_some(&[])
}

/// The values of options.
fn values(words: &[&Word], options: &[&str]) -> Vec<String> {
    let value = |(at, word): (usize, &&Word)| match word.text.split_once('=') {
        Some((option, value)) => options.contains(&option).then(|| value.to_owned()),
        None => options
            .contains(&word.text.as_str())
            .then(|| words.get(at + 1).map_or(String::new(), |value| value.text.clone())),
    };
    words.iter().enumerate().filter_map(value).collect()
}

/// The stage that words name.
fn target(words: &[&Word]) -> Target {
    let mut found = Target::None;
    for (at, word) in words.iter().enumerate() {
        let value = match word.text.strip_prefix("--target") {
            // In a list of quoted words, one without quotes is a variable.
            Some("") => {
                words.get(at + 1).filter(|value| value.quoted || !word.quoted).map(|word| &*word.text)
            }
            Some(value) if value.starts_with('=') => Some(&value[1..]),
            _ => continue,
        };
        match value.map(Target::of) {
            Some(Target::Named(name)) => found = Target::Named(name),
            _ => return Target::Varies,
        }
    }
    found
}

/// The Dockerfile that words name, or its folder: the only word that is neither an option nor the value of one.
fn dockerfile(words: &[&Word]) -> Named {
    if let Some(named) = [FILE, FOLDER].iter().find_map(|options| values(words, options).pop()) {
        return Named::Somewhere(named);
    }
    let mut others = Vec::new();
    let mut may_be_value = false;
    for word in words {
        if word.text.starts_with('-') {
            may_be_value = !word.text.contains('=') && !WITHOUT_VALUE.contains(&word.text.as_str());
        } else if !std::mem::take(&mut may_be_value) {
            others.push(word);
        }
    }
    match others[..] {
        [folder] => Named::Somewhere(folder.text.clone()),
        _ => Named::Unknown,
    }
}
