//! Commands that build an image, in shell scripts and in what is like them.
//!
//! Not a shell: it finds simple commands, follows `cd` with a plain folder, and takes anything with a
//! variable in it for unknown.

use super::build::{Build, How};

/// One line of a script as it was meant: continued lines joined.
struct Logical {
    line: u64,
    text: String,
    indented: bool,
}

/// The builds in a script, or in the `run` of a workflow's step.
pub(super) fn script(text: &str, folder: &str) -> Vec<Build> {
    let mut place = folder.to_owned();
    logical(text).iter().flat_map(|line| builds(line, &mut place)).collect()
}

/// The builds in a justfile's or makefile's recipes. Each line of a recipe has a shell of its own, unless
/// the recipe names its interpreter.
pub(super) fn recipes(text: &str, folder: &str) -> Vec<Build> {
    let (mut found, mut place, mut one_shell) = (Vec::new(), folder.to_owned(), false);
    let mut first = false;
    for line in logical(text) {
        if !line.indented {
            first = true;
            continue;
        }
        if first {
            one_shell = line.text.trim_start().starts_with("#!");
        }
        if first || !one_shell {
            folder.clone_into(&mut place);
        }
        first = false;
        found.extend(builds(&line, &mut place));
    }
    found
}

/// The build that a command line is, given as words.
pub(super) fn words(words: &[String], line: u64, folder: &str) -> Option<Build> {
    let (program, rest) = words.split_first()?;
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let (how, found) = match program.rsplit('/').next()? {
        "docker" | "podman" | "nerdctl" | "buildah" => (How::Command, docker(&rest)?),
        "gcloud" => (How::Gcloud, gcloud(&rest)?),
        _ => return None,
    };
    let Options { context, file, target } = found;
    Some(Build { line, entry: None, how, folder: folder.to_owned(), context, file, target })
}

fn docker(words: &[&str]) -> Option<Options> {
    let mut words = words.iter().copied().peekable();
    while let Some(option) = words.next_if(|word| word.starts_with('-')) {
        if ["--context", "-c", "--host", "-H", "--config", "--log-level", "-l"].contains(&option) {
            words.next();
        }
    }
    let verb = match words.next()? {
        "buildx" | "image" | "builder" => words.next()?,
        verb => verb,
    };
    if matches!(verb, "build" | "bud" | "b") { options(words) } else { None }
}

/// What builds a folder in Google's cloud, and is not told how by a file.
fn gcloud(words: &[&str]) -> Option<Options> {
    let mut verbs = words.iter().enumerate().filter(|(_, word)| !matches!(**word, "alpha" | "beta"));
    let (_, group) = verbs.next()?;
    let (at, verb) = verbs.next()?;
    let rest = &words[at + 1..];
    let value = |names: &[&str]| {
        rest.iter().enumerate().find_map(|(at, word)| {
            let (name, value) =
                word.split_once('=').map_or((*word, None), |(name, value)| (name, Some(value)));
            names.contains(&name).then(|| value.or_else(|| rest.get(at + 1).copied()))?
        })
    };
    let context = match (*group, *verb) {
        ("builds", "submit") => {
            value(&["--tag", "-t"])?;
            let mut context = ".";
            let mut rest = rest.iter();
            while let Some(word) = rest.next() {
                match *word {
                    word if !word.starts_with('-') => context = word,
                    word if word.contains('=') || GCLOUD_SWITCHES.contains(&word) => {}
                    // All its other options have a value.
                    _ => {
                        rest.next();
                    }
                }
            }
            context
        }
        ("run", "deploy") => value(&["--source"])?,
        _ => return None,
    };
    Some(Options { context: Some(context.to_owned()), file: None, target: None })
}

struct Options {
    context: Option<String>,
    file: Option<String>,
    target: Option<String>,
}

/// Options of `gcloud builds submit` without a value.
const GCLOUD_SWITCHES: &[&str] =
    &["--async", "--no-cache", "--no-source", "--suppress-logs", "--quiet", "-q"];

/// Options of `docker build` with a value behind a blank, of which none is looked at.
const WITH_VALUE: &[&str] = &[
    "-t",
    "--tag",
    "--build-arg",
    "--build-context",
    "--label",
    "--platform",
    "--cache-from",
    "--cache-to",
    "--secret",
    "--ssh",
    "--network",
    "--progress",
    "-o",
    "--output",
    "--add-host",
    "--iidfile",
    "--metadata-file",
    "--builder",
    "--cgroup-parent",
    "--shm-size",
    "--ulimit",
    "--isolation",
    "-m",
    "--memory",
    "--attest",
    "--allow",
    "--annotation",
    "--call",
    "--no-cache-filter",
    "--security-opt",
    "--authfile",
    "--format",
    "--arch",
    "--os",
    "-v",
    "--volume",
];

/// The options of `docker build`; `None` where the recipe is not a file of the repository.
fn options<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Options> {
    let mut found = Options { context: None, file: None, target: None };
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value)),
            _ => (word, None),
        };
        match name {
            "--target" => found.target = value.or_else(|| words.next()).map(str::to_owned),
            "-f" | "--file" => found.file = value.or_else(|| words.next()).map(str::to_owned),
            name if WITH_VALUE.contains(&name) => {
                if value.is_none() {
                    words.next();
                }
            }
            "-" => return None,
            name if name.starts_with('-') => {}
            _ => {
                found.context.get_or_insert_with(|| word.to_owned());
            }
        }
    }
    let remote = |text: &String| text.contains("://") || text.starts_with("git@");
    (found.file.as_deref() != Some("-") && !found.context.as_ref().is_some_and(remote)).then_some(found)
}

/// The builds in one line.
fn builds(logical: &Logical, place: &mut String) -> Vec<Build> {
    let mut found = Vec::new();
    for (command, inner) in commands(&logical.text) {
        for inner in inner {
            let line = Logical { line: logical.line, text: inner, indented: false };
            found.extend(builds(&line, &mut place.clone()));
        }
        let words = split(&command);
        let words = &words[words.iter().take_while(|word| is_prefix(word)).count()..];
        if let [cd, folder] = words
            && cd == "cd"
        {
            *place = super::build::joined(place, folder);
        }
        found.extend(self::words(words, logical.line, place));
    }
    found
}

/// Words before the program: keywords, assignments, what runs another program.
fn is_prefix(word: &str) -> bool {
    let assigns = word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    });
    let words =
        ["sudo", "exec", "time", "command", "env", "then", "do", "else", "if", "while", "!", "{", "nohup"];
    assigns || words.contains(&word)
}

/// The words of a simple command. Text that is no whole command is split at blanks.
fn split(command: &str) -> Vec<String> {
    // make and just: do not show the line, go on when it fails.
    let command = command.trim_start().trim_start_matches(['@', '-', '+']);
    let words = shell_words::split(command)
        .unwrap_or_else(|_| command.split_whitespace().map(str::to_owned).collect());
    words.into_iter().take_while(|word| !word.starts_with('#')).collect()
}

/// The simple commands of a line, each with the scripts that are substituted into it.
fn commands(text: &str) -> Vec<(String, Vec<String>)> {
    let mut commands = vec![(String::new(), Vec::new())];
    let mut chars = text.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        let (command, inner) = commands.last_mut().expect("there is always one");
        match (c, quote) {
            ('\\', None | Some('"')) => {
                command.push(c);
                command.extend(chars.next());
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                command.push(c);
            }
            (c, Some(q)) if c == q => {
                quote = None;
                command.push(c);
            }
            ('$', None | Some('"')) if chars.peek() == Some(&'(') => {
                chars.next();
                inner.push(until(&mut chars, '(', ')'));
                command.push_str("$()");
            }
            // An expression of GitHub's or just's; it may hold blanks and quotes.
            ('{', _) if chars.peek() == Some(&'{') => {
                let expression = until(&mut chars, '{', '}');
                let keep = |c: &char| !c.is_whitespace() && !"'\"{}".contains(*c);
                command.push_str("{{");
                command.extend(expression.chars().filter(keep));
                command.push_str("}}");
            }
            (';' | '|' | '&' | '(' | ')', None) => commands.push(Default::default()),
            (c, _) => command.push(c),
        }
    }
    commands
}

/// What stands before the bracket that closes the one just read.
fn until(chars: &mut impl Iterator<Item = char>, opens: char, closes: char) -> String {
    let (mut text, mut depth) = (String::new(), 1_u32);
    for c in chars {
        match c {
            c if c == opens => depth += 1,
            c if c == closes => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        text.push(c);
    }
    text
}

fn logical(text: &str) -> Vec<Logical> {
    let mut lines: Vec<Logical> = Vec::new();
    let (mut open, mut documents) = (false, Vec::<String>::new());
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(end) = documents.first() {
            if line.trim() == end {
                documents.remove(0);
            }
            continue;
        }
        let comment = line.trim_start().starts_with('#') && !line.trim_start().starts_with("#!");
        if !open && (comment || line.trim().is_empty()) {
            continue;
        }
        let (content, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(content) => (content, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some(last) => last.text.push_str(content),
            None => lines.push(Logical {
                line: number,
                text: content.to_owned(),
                indented: line.starts_with([' ', '\t']),
            }),
        }
        open = goes_on;
        if let Some(last) = lines.last().filter(|_| !open) {
            documents = here_documents(&last.text);
        }
    }
    lines
}

/// The words that end the here-documents which a line begins.
pub(super) fn here_documents(line: &str) -> Vec<String> {
    let after = line.split("<<").skip(1);
    // "<<<" is a string, not a document.
    let words = after.filter(|rest| !rest.starts_with('<') && !rest.is_empty()).filter_map(|rest| {
        let rest = rest.trim_start_matches(['-', ' ']);
        let word: String =
            rest.chars().take_while(|c| !c.is_whitespace() && !";|&<>)".contains(*c)).collect();
        let word = word.trim_matches(['\'', '"', '\\']).to_owned();
        word.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_').then_some(word)
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, folder, context, file, target.
    type Seen<'a> = (u64, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    fn seen(builds: &[Build]) -> Vec<Seen<'_>> {
        builds
            .iter()
            .map(|build| {
                (
                    build.line,
                    build.folder.as_str(),
                    build.context.as_deref(),
                    build.file.as_deref(),
                    build.target.as_deref(),
                )
            })
            .collect()
    }

    #[test]
    fn builds_over_several_lines() {
        let text = "\
#!/usr/bin/env bash
set -euo pipefail
# docker build .
docker build \\
  -t europe-west2-docker.pkg.dev/p/quill/backend:main \\
  --build-arg \"VERSION=$(git rev-parse --short HEAD)\" \\
  -f backend/Dockerfile .
docker buildx build --platform linux/amd64 --target=prod --push -t \"$IMAGE\" backend
echo \"docker build .\"
cat <<EOF
docker build document
EOF
";
        assert_eq!(
            seen(&script(text, "")),
            [
                (4, "", Some("."), Some("backend/Dockerfile"), None),
                (8, "", Some("backend"), None, Some("prod")),
            ]
        );
    }

    #[test]
    fn commands_within_commands() {
        let text = "\
cd backend && sudo DOCKER_BUILDKIT=1 docker build . | tee log
if ! docker image build --target \"$TARGET\" .; then exit 1; fi
id=$(docker build -q ../frontend)
(cd x; docker --context ci build -t a .)
";
        assert_eq!(
            seen(&script(text, "")),
            [
                (1, "backend", Some("."), None, None),
                (2, "backend", Some("."), None, Some("$TARGET")),
                (3, "backend", Some("../frontend"), None, None),
                (4, "backend/x", Some("."), None, None),
            ]
        );
    }

    #[test]
    fn recipes_of_just_and_make() {
        let text = "\
image := \"docker build .\"

# Builds the image.
build env:
    @docker build -f backend/Dockerfile -t {{ registry + \"/backend:main\" }} .
    cd backend
    docker build .

admin env:
    #!/usr/bin/env bash
    cd backend
    docker build --target admin .
";
        assert_eq!(
            seen(&recipes(text, "")),
            [
                (5, "", Some("."), Some("backend/Dockerfile"), None),
                (7, "", Some("."), None, None),
                (12, "backend", Some("."), None, Some("admin")),
            ]
        );
        let make = "image:\n\t-docker build -t $(IMAGE) \\\n\t\t--target $(TARGET) .\n";
        assert_eq!(seen(&recipes(make, "")), [(2, "", Some("."), None, Some("$()"))]);
    }

    #[test]
    fn what_builds_without_asking_for_a_stage() {
        let text = "\
gcloud builds submit --tag europe-west2-docker.pkg.dev/p/quill/backend backend
gcloud builds submit --config cloudbuild.yaml .
gcloud beta run deploy quill-backend-staging --region=europe-west2 --source=backend
gcloud run deploy quill-backend-staging --image x
";
        let builds = script(text, "");
        assert_eq!(
            seen(&builds),
            [(1, "", Some("backend"), None, None), (3, "", Some("backend"), None, None)]
        );
        assert!(builds.iter().all(|build| build.how == How::Gcloud));
    }

    #[test]
    fn what_is_no_build_of_a_file_here() {
        let text = "\
docker build -t x - < Dockerfile
docker build -f - . <<'EOF'
FROM scratch
EOF
docker build https://github.com/docker/buildx.git
docker compose build
docker push x
docker run docker build
echo docker build .
";
        assert_eq!(seen(&script(text, "")), []);
    }
}
