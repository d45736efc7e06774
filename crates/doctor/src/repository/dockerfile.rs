//! The stages of a Dockerfile, and the stage that a build gets which names none of them.
//!
//! The file is parsed by the crate `parse-dockerfile`. `provides` decides whether the last stage is the one
//! that is served, the admin image, or another one.

use parse_dockerfile::{Command, Instruction};
use quill_admin_operations::admin_image::recognise;

use super::path;
use super::served::Served;

/// A Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    /// Its path in the checkout.
    pub path: String,
    /// Its stages, in their order.
    pub stages: Vec<Stage>,
    /// The stage that a build without a target gets.
    pub provides: Provides,
}

/// The stage that a build without a target gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provides {
    /// The stage that the file is for, as far as that is known.
    Wanted,
    /// The admin image, although the file is for more than that.
    AdminImage,
    /// Another stage than the one that is served, although the file has that one.
    AnotherStage,
    /// A stage that is known only when it is built, although the file has the one that is served.
    Varies,
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The line of its FROM, from 1.
    pub line: u64,
    /// Whether it is the admin image, by its name or by the program that it starts.
    pub admin: bool,
    /// Whether its container starts the admin tool.
    starts: bool,
    /// The number of the stage that runs like this one: its own, unless it changes nothing of what runs.
    same: usize,
    /// Whether it runs like an image that is known only when it is built.
    varies: bool,
    /// Names and numbers of the stages and images that it is made from.
    uses: Vec<String>,
}

impl Stage {
    /// Its name in quotes, or that it has none.
    #[must_use]
    pub fn called(&self) -> String {
        self.name.as_ref().map_or_else(|| "a stage without a name".to_owned(), |name| format!("\"{name}\""))
    }

    /// Whether it has this name. Upper and lower case do not matter.
    fn is(&self, name: &str) -> bool {
        self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Whether a file is a Dockerfile, by its name. Sources that are called after it begin with a small letter.
pub(super) fn is_one(path: &str) -> bool {
    let name = path::name(path);
    let after = name.strip_prefix("Dockerfile").or_else(|| name.strip_prefix("Containerfile"));
    if after.is_some_and(|after| after.starts_with(['.', '-', '_'])) {
        return !matches!(name.rsplit('.').next(), Some("dockerignore" | "md"));
    }
    let name = name.to_lowercase();
    matches!(name.as_str(), "dockerfile" | "containerfile")
        || name.ends_with(".dockerfile")
        || name.ends_with(".containerfile")
}

impl Dockerfile {
    /// Reads the text of a Dockerfile.
    ///
    /// # Errors
    ///
    /// Fails, in words with the line, when Docker would not build it.
    pub(super) fn read(path: &str, text: &str, served: &[Served]) -> Result<Self, String> {
        let stages = stages(text)?;
        let provides = provides(path, &stages, served);
        Ok(Self { path: path.to_owned(), stages, provides })
    }

    /// The stage that is built where none is named.
    #[must_use]
    pub fn last(&self) -> Option<&Stage> {
        self.stages.last()
    }

    /// The stage of this name.
    #[must_use]
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.is(name))
    }
}

/// The stages of a Dockerfile, in their order. An empty file has none.
fn stages(text: &str) -> Result<Vec<Stage>, String> {
    if text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#')) {
        return Ok(Vec::new());
    }
    let file = parse_dockerfile::parse(text).map_err(|error| error.to_string())?;
    let line = |byte: usize| text.get(..byte).map_or(1, |before| before.matches('\n').count() as u64 + 1);
    let mut stages: Vec<Stage> = Vec::new();
    for stage in file.stages() {
        let (from, instructions) = (stage.from, stage.instructions);
        let name = from.as_.as_ref().map(|(_, name)| name.value.to_string());
        let image = from.image.value.to_string();
        let base = stages.iter().rfind(|base| base.is(&image));
        let starts_nothing =
            !instructions.iter().any(|one| matches!(one, Instruction::Cmd(_) | Instruction::Entrypoint(_)));
        let starts = instructions.iter().any(starts_the_tool)
            || (starts_nothing && base.is_some_and(|base| base.starts));
        let same = base.filter(|_| !instructions.iter().any(changes_what_runs));
        stages.push(Stage {
            admin: starts
                || same.is_some_and(|same| same.admin)
                || name.as_deref().is_some_and(recognise::is_its_stage),
            starts,
            same: same.map_or(stages.len(), |same| same.same),
            varies: base.map_or(path::varies(&image), |base| base.varies)
                && !instructions.iter().any(changes_what_runs),
            name,
            line: line(from.from.span.start),
            uses: [image].into_iter().chain(instructions.iter().flat_map(uses)).collect(),
        });
    }
    Ok(stages)
}

/// Whether a container runs otherwise with this instruction. Cloud Run reads neither health checks nor ports of an
/// image.
fn changes_what_runs(instruction: &Instruction<'_>) -> bool {
    use Instruction::{Arg, Expose, Healthcheck, Label, Maintainer};
    !matches!(instruction, Arg(_) | Expose(_) | Healthcheck(_) | Label(_) | Maintainer(_))
}

/// Whether an instruction makes the container start the admin tool. One that only copies or removes the tool
/// does not.
fn starts_the_tool(instruction: &Instruction<'_>) -> bool {
    let command = match instruction {
        Instruction::Cmd(cmd) => &cmd.arguments,
        Instruction::Entrypoint(entrypoint) => &entrypoint.arguments,
        _ => return false,
    };
    match command {
        Command::Exec(words) => words.value.iter().any(|word| recognise::is_its_instruction(&word.value)),
        Command::Shell(text) => recognise::is_its_instruction(text.value),
        _ => false,
    }
}

/// The stages and images that an instruction takes files from, as in `COPY --from=…` or
/// `RUN --mount=type=bind,from=…`.
fn uses(instruction: &Instruction<'_>) -> Vec<String> {
    let flags: Vec<_> = match instruction {
        Instruction::Copy(copy) => copy.options.iter().collect(),
        Instruction::Run(run) => run.options.iter().collect(),
        _ => Vec::new(),
    };
    let mut found = Vec::new();
    for flag in flags {
        let Some(value) = &flag.value else { continue };
        match flag.name.value.as_ref() {
            "from" => found.push(value.value.to_string()),
            "mount" => {
                found.extend(
                    value.value.split(',').filter_map(|part| part.strip_prefix("from=")).map(str::to_owned),
                );
            }
            _ => {}
        }
    }
    found
}

/// The stage that a build gets which names none of these.
fn provides(path: &str, stages: &[Stage], served: &[Served]) -> Provides {
    let Some(last) = stages.last() else { return Provides::Wanted };
    let is_served = |stage: &Stage| served.iter().any(|served| stage.is(&served.stage));
    let runs_like_served = stages.iter().any(|stage| is_served(stage) && stage.same == last.same);
    if is_served(last) || (runs_like_served && !last.admin) {
        return Provides::Wanted;
    }
    let has_served = stages.iter().any(is_served);
    let is_the_backends = served.iter().any(|served| served.dockerfile == path);
    let behind = behind_the_last(stages);
    // A named stage that the last one is not made from exists for its own sake.
    let for_more = (0..stages.len()).any(|number| !behind.contains(&number) && stages[number].name.is_some());
    if last.admin && (has_served || is_the_backends || for_more) {
        Provides::AdminImage
    } else if has_served && last.varies {
        Provides::Varies
    } else if has_served {
        Provides::AnotherStage
    } else {
        Provides::Wanted
    }
}

/// The numbers of the stages that the last one is made from, and its own.
fn behind_the_last(stages: &[Stage]) -> Vec<usize> {
    let mut found = Vec::from_iter(stages.len().checked_sub(1));
    let mut next = 0;
    while let Some(&number) = found.get(next) {
        for name in &stages[number].uses {
            // A name means the last stage before this one that has it.
            let used = (0..number).rev().find(|other| stages[*other].is(name) || *name == other.to_string());
            found.extend(used.filter(|used| !found.contains(used)));
        }
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Stage> {
        stages(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn served(dockerfile: &str, stage: &str) -> [Served; 1] {
        [Served { dockerfile: dockerfile.to_owned(), stage: stage.to_owned(), image: String::new() }]
    }

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
RUN rm scripts/admin_cli.py
CMD [\"./entrypoint.sh\"]
FROM base
ENTRYPOINT [\"python\", \"scripts/admin_cli.py\"]
";
        let stages = read(text);
        let seen: Vec<_> =
            stages.iter().map(|stage| (stage.name.as_deref(), stage.line, stage.admin)).collect();
        assert_eq!(seen, [(Some("base"), 3, false), (Some("prod"), 13, false), (None, 16, true)]);
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
        let stages = read(text);
        assert!(stages[3].admin);
        assert_eq!(behind_the_last(&stages), [3, 0, 1]);
        assert_eq!(behind_the_last(&[]), [0; 0]);
    }

    #[test]
    fn names_of_dockerfiles() {
        for path in [
            "a/Dockerfile",
            "dockerfile",
            "Dockerfile.prod",
            "Dockerfile-prod",
            "x.Dockerfile",
            "Containerfile.x",
        ] {
            assert!(is_one(path), "{path}");
        }
        for path in ["dockerfile.rs", "Dockerfile.dockerignore", "Dockerfiles", "docker/file"] {
            assert!(!is_one(path), "{path}");
        }
    }

    #[test]
    fn what_docker_would_not_build_is_said() {
        assert_eq!(read("# only a comment\n\n"), []);
        let text = "# escape=`\nFROM windows AS base\nRUN dir C:\\ `\n  FROM\nFROM base AS admin\n";
        assert_eq!(read(text).len(), 2);
        assert!(stages("FRM x\n").is_err());
    }

    #[test]
    fn what_a_build_without_a_target_provides() {
        for (path, text, stage, expected) in [
            ("Dockerfile", "FROM prod AS admin\n", "prod", Provides::AdminImage),
            ("other/Dockerfile", "FROM prod AS admin\n", "prod", Provides::Wanted),
            ("Dockerfile", "FROM x AS prod\nFROM prod AS admin\n", "prod", Provides::AdminImage),
            ("other/Dockerfile", "FROM x AS server\nFROM y AS admin-cli\n", "prod", Provides::AdminImage),
            // The configured stage has another name there: the last one is the admin image all the same.
            ("Dockerfile", "FROM x AS production\nFROM production AS admin\n", "prod", Provides::AdminImage),
            ("Dockerfile", "FROM x AS Prod\nFROM x\nRUN pytest\n", "prod", Provides::AnotherStage),
            (
                "Dockerfile",
                "FROM x AS admin\nFROM x AS prod\nCOPY admin_cli.py /\n",
                "prod",
                Provides::Wanted,
            ),
            ("Dockerfile", "FROM x AS prod\nFROM x\nRUN pytest\n", "server", Provides::Wanted),
            // A last stage that changes nothing of what runs is the one that it is made from.
            ("Dockerfile", "FROM x AS prod\nFROM prod AS final\n", "prod", Provides::Wanted),
            (
                "Dockerfile",
                "FROM x AS prod\nRUN y\nFROM Prod AS a\nARG V\nLABEL v=$V\nFROM a\nEXPOSE 1\nHEALTHCHECK NONE\n",
                "prod",
                Provides::Wanted,
            ),
            ("Dockerfile", "FROM x AS b\nFROM b AS prod\nFROM b AS final\n", "prod", Provides::Wanted),
            ("Dockerfile", "FROM x AS prod\nFROM prod AS test\nCMD y\n", "prod", Provides::AnotherStage),
            ("Dockerfile", "FROM x AS prod\nFROM prod AS test\nENV A=1\n", "prod", Provides::AnotherStage),
            (
                "Dockerfile",
                "FROM x AS prod\nCMD y\nFROM prod AS tools\nCMD admin_cli.py\nFROM tools AS final\nENV A=1\n",
                "prod",
                Provides::AdminImage,
            ),
            (
                "Dockerfile",
                "FROM x AS prod\nCMD y\nFROM prod AS tools\nCMD admin_cli.py\nFROM tools AS final\nCMD z\n",
                "prod",
                Provides::AnotherStage,
            ),
            (
                "Dockerfile",
                "FROM x AS prod\nFROM prod AS admin\nFROM admin AS z\n",
                "prod",
                Provides::AdminImage,
            ),
            ("Dockerfile", "ARG B=prod\nFROM x AS prod\nFROM ${B} AS z\n", "prod", Provides::Varies),
            ("Dockerfile", "ARG B\nFROM x AS prod\nFROM ${B} AS z\nCMD y\n", "prod", Provides::AnotherStage),
            ("Dockerfile", "ARG B=x\nFROM ${B} AS prod\nFROM prod AS z\n", "prod", Provides::Wanted),
            (
                "admin/Dockerfile",
                "FROM rust AS builder\nFROM scratch AS admin\nCOPY --from=builder /o /\n",
                "prod",
                Provides::Wanted,
            ),
        ] {
            let file = Dockerfile::read(path, text, &served("Dockerfile", stage)).expect("a Dockerfile");
            assert_eq!(file.provides, expected, "{path}\n{text}");
        }
    }
}
