//! Finds the lines of a checkout that name a job or a repository of images: in workflows, other pipelines,
//! recipes and scripts, as plain text. Terraform's files are left out: they describe what exists, and a plan
//! shows what they would change.
//!
//! The effect of such a line is not understood here: a deploy step is mostly a script that is given the name.
//! So every line is reported, for a person to look at, except comments and commands that only read.

use std::io;
use std::path::Path;

use super::{files, path};

/// The number of characters of a command that are shown.
const SHOWN: usize = 100;
/// The characters between two commands of a shell, where `$(` is written as a backtick. Quotes do not count, because
/// a whole script may stand in them.
const SEPARATORS: [char; 4] = ['&', '|', ';', '`'];

/// The names that are looked for.
#[derive(Debug, Clone)]
pub struct Names {
    /// The name of the environment: a variable may stand for it where the job's name is written.
    pub environment: String,
    /// The id of the job.
    pub job: String,
    /// The last two parts of the repository's name, as in `quill/admin`: registry and project are mostly
    /// variables.
    pub image: String,
}

/// The kind of thing that a line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The job.
    Job,
    /// An image of the repository, with its tag or digest.
    Image,
}

/// A line that names the job or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The thing that it names.
    pub named: Named,
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The command that the line belongs to, shortened.
    pub text: String,
}

/// The result of looking through a checkout.
#[derive(Debug, Default)]
pub struct Found {
    /// The lines, in the order of the files' names.
    pub lines: Vec<Line>,
    /// The number of files that were read.
    pub read: usize,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// Looks through a checkout.
///
/// # Errors
///
/// Fails when its folder cannot be read.
pub fn find(root: &Path, names: &Names) -> io::Result<Found> {
    std::fs::read_dir(root)?;
    let mut found = Found::default();
    for file in files::list(root, &mut found.unread) {
        let path = &file.path;
        let Some(bytes) = file.read(&mut found.unread) else { continue };
        if runs(path, &bytes) {
            found.read += 1;
            found.lines.extend(of_file(path, &String::from_utf8_lossy(&bytes), names));
        }
    }
    Ok(found)
}

/// Whether a file runs commands, by its name or its first line. This program's own environments file only
/// holds names.
fn runs(path: &str, bytes: &[u8]) -> bool {
    let name = path::name(path).to_lowercase();
    let (stem, ending) = name.rsplit_once('.').unwrap_or((&name, ""));
    match ending {
        "yml" | "yaml" => stem != "environments",
        "sh" | "bash" | "zsh" | "just" | "mk" | "ps1" => true,
        _ => {
            matches!(stem, "justfile" | "makefile" | "gnumakefile" | "jenkinsfile")
                || bytes.starts_with(b"#!")
        }
    }
}

fn of_file(path: &str, text: &str, names: &Names) -> Vec<Line> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with('#') {
            continue;
        }
        for named in [Named::Job, Named::Image] {
            if !names.are_in(named, line) {
                continue;
            }
            let whole = commands(&lines, index);
            let separate = || whole.split(SEPARATORS).filter(|command| names.are_in(named, command));
            // A name can have a separator in it, in an expression of a workflow.
            let alone = separate().next().is_none().then_some(whole.as_str());
            let acts = |command: &&str| whole.contains("xargs") || !names.only_reads(named, command);
            if let Some(command) = separate().chain(alone).find(acts) {
                let text = shortened(command.trim());
                found.push(Line { named, file: path.to_owned(), line: index + 1, text });
            }
        }
    }
    found
}

/// The commands that a line is part of, between [`SEPARATORS`]. The first and the last of them may have words in the
/// lines before and after that a backslash joins to this one.
fn commands(lines: &[&str], index: usize) -> String {
    let joins = |line: &str| line.trim_end().ends_with('\\');
    let words = |lines: &[&str]| {
        let words = lines.iter().flat_map(|line| line.trim_end().trim_end_matches('\\').split_whitespace());
        words.collect::<Vec<_>>().join(" ").replace("$(", "`")
    };
    let first = (0..index).rev().take_while(|line| joins(lines[*line])).last().unwrap_or(index);
    let last = (index..lines.len()).find(|line| !joins(lines[*line])).unwrap_or(lines.len() - 1);
    let (before, after) = (words(&lines[first..index]), words(&lines[index + 1..=last]));
    let begun = before.rsplit(SEPARATORS).next().unwrap_or_default();
    let rest = after.split(SEPARATORS).next().unwrap_or_default();
    format!("{begun} {} {rest}", words(&lines[index..=index])).trim().to_owned()
}

fn shortened(command: &str) -> String {
    if command.chars().count() <= SHOWN {
        return command.to_owned();
    }
    format!("{}…", command.chars().take(SHOWN).collect::<String>())
}

impl Names {
    /// Whether a command only reads what it names: one of gcloud whose verb stands before the name, or one that
    /// filters or prints. An unknown command may change something.
    fn only_reads(&self, named: Named, command: &str) -> bool {
        let words: Vec<&str> =
            command.split_whitespace().map(|word| word.trim_start_matches(['@', '"', '\'', '('])).collect();
        if words.first().is_some_and(|word| ["grep", "jq", "echo"].contains(word)) {
            return true;
        }
        let name = words.iter().position(|word| self.are_in(named, word)).unwrap_or(words.len());
        let before = words[..name].iter().skip_while(|word| **word != "gcloud");
        before.into_iter().any(|word| ["describe", "list", "read", "tail", "get-iam-policy"].contains(word))
    }

    fn are_in(&self, named: Named, line: &str) -> bool {
        match named {
            Named::Job => self.job_is_in(line),
            Named::Image => line.match_indices(&self.image).any(|(at, name)| {
                let behind = &line[at + name.len()..];
                line[..at].ends_with('/') && behind.starts_with([':', '@'])
            }),
        }
    }

    /// Whether a line has the job's name: as it is, or with a variable in place of the environment's name.
    fn job_is_in(&self, line: &str) -> bool {
        let literal = line
            .match_indices(&self.job)
            .any(|(at, name)| begins(&line[..at]) && ends(&line[at + name.len()..]));
        let by_variable = || {
            let (before, after) = self.job.split_once(&self.environment)?;
            let stands = |at: usize| {
                let behind = variable(&line[at + before.len()..])?;
                (begins(&line[..at]) && ends(behind.strip_prefix(after)?)).then_some(())
            };
            let mut places = line.match_indices(before).map(|(at, _)| at);
            (!before.is_empty() && places.any(|at| stands(at).is_some())).then_some(())
        };
        literal || by_variable().is_some()
    }
}

/// Whether a name may begin after this text.
fn begins(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Whether a name ends before this text: the address of an account goes on with an at sign, the name of a
/// file with a full stop.
fn ends(behind: &str) -> bool {
    !behind.starts_with(|c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c))
}

/// The text after a variable of a shell, a workflow, a recipe or Terraform; `None` where there is none.
fn variable(text: &str) -> Option<&str> {
    for (open, close) in [("${{", "}}"), ("{{", "}}"), ("${", "}")] {
        if let Some(rest) = text.strip_prefix(open) {
            return rest.split_once(close).map(|(_, behind)| behind);
        }
    }
    let name = text.strip_prefix('$')?;
    let behind = name.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    (behind.len() < name.len()).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            environment: "teaching".to_owned(),
            job: "quill-admin-teaching".to_owned(),
            image: "quill/admin".to_owned(),
        }
    }

    fn found(text: &str) -> Vec<(usize, Named)> {
        of_file("x", text, &names()).into_iter().map(|one| (one.line, one.named)).collect()
    }

    #[test]
    fn a_deploy_step_is_found_with_its_command() {
        let text = "\
jobs:
  deploy:
    steps:
      - uses: docker/build-push-action@v6
        with:
          tags: |
            ${{ env.AR_REGISTRY }}/${{ secrets.PROJECT }}/quill/admin:${{ needs.prepare.outputs.sha }}
            ${{ env.AR_REGISTRY }}/${{ secrets.PROJECT }}/quill/backend:latest
      - run: |
          # quill-admin-teaching is updated first
          bash .github/scripts/deploy/run-migrations.sh \\
            quill-admin-teaching \\
            \"$PROJECT\"
";
        assert_eq!(found(text), [(7, Named::Image), (12, Named::Job)]);
        let script = "bash .github/scripts/deploy/run-migrations.sh quill-admin-teaching \"$PROJECT\"";
        assert_eq!(commands(&text.lines().collect::<Vec<_>>(), 11), script);
    }

    #[test]
    fn each_of_several_commands_is_judged() {
        let shown = |text: &str| -> Vec<(usize, String)> {
            of_file("x", text, &names()).into_iter().map(|one| (one.line, one.text)).collect()
        };
        let update = "gcloud run jobs update quill-admin-teaching --image=x";
        for line in [
            format!("gcloud run jobs describe quill-admin-teaching >/dev/null 2>&1 || {update}"),
            format!("gcloud run jobs list && {update}"),
            format!("gcloud run jobs list; {update} | tee list"),
            format!("gcloud run jobs describe quill-admin-teaching 2>/dev/null; {update}; exit"),
        ] {
            assert_eq!(shown(&line), [(1, update.to_owned())], "{line}");
        }
        let text = "\
gcloud run jobs describe quill-admin-teaching \\
  --format=json 2>&1 \\
  || gcloud run jobs update quill-admin-teaching \\
    --image=x && \\
  gcloud run jobs describe quill-admin-teaching
";
        assert_eq!(shown(text), [(3, update.to_owned())]);
        for line in [
            "gcloud run jobs update quill-admin-teaching --image=$(gcloud run jobs describe other)",
            "gcloud run jobs update quill-admin-teaching --args list",
            "gcloud run jobs list --filter=quill-admin-teaching | xargs gcloud run jobs execute",
            "gcloud run jobs execute quill-admin-${{ inputs.to || 'teaching' }}",
        ] {
            assert_eq!(shown(line).len(), 1, "{line}");
        }
        for line in [
            "image=$(gcloud run jobs describe quill-admin-teaching --format='value(x)')",
            "@gcloud run jobs list | grep -q quill-admin-teaching || echo \"no quill-admin-teaching\"",
            "gcloud run jobs describe quill-admin-${{ inputs.to || 'teaching' }}",
            "gcloud --project x logging read 'resource.labels.job_name=quill-admin-teaching' && echo; exit",
        ] {
            assert_eq!(shown(line), [], "{line}");
        }
    }

    #[test]
    fn files_that_run_something_are_read() {
        for path in
            [".github/workflows/deploy.yml", "Justfile", "deploy/run.sh", "Makefile", ".gitlab-ci.yml"]
        {
            assert!(runs(path, b""), "{path}");
        }
        assert!(runs("bin/deploy", b"#!/usr/bin/env bash\n"));
        for path in ["environments.yaml", "infra/main.tf", "docs/deploy.md", "bin/program"] {
            assert!(!runs(path, b"\x7fELF"), "{path}");
        }
    }

    #[test]
    fn a_name_is_found_with_a_variable_in_it_and_only_as_a_whole() {
        for line in [
            "gcloud run jobs update quill-admin-teaching --image=x",
            "gcloud run jobs execute quill-admin-${ENVIRONMENT} --wait",
            "gcloud run jobs execute quill-admin-$environment",
            "  @gcloud run jobs execute \"quill-admin-{{ environment }}\"",
            "    job: quill-admin-${{ inputs.environment }}",
            "curl -X POST https://run.googleapis.com/v2/projects/p/locations/l/jobs/quill-admin-teaching:run",
        ] {
            assert_eq!(found(line), [(1, Named::Job)], "{line}");
        }
        for line in [
            "gcloud run jobs update quill-admin-teaching2 --image=x",
            "gcloud run jobs update my-quill-admin-teaching --image=x",
            "gcloud iam service-accounts create quill-admin-teaching@p.iam.gserviceaccount.com",
            "gcloud run jobs update quill-admin-staging --image=x",
            "quill-admin build --env teaching",
            "quill-admin-executor",
            "gcloud run jobs executions list --job=quill-admin-teaching",
            "gcloud run jobs describe quill-admin-teaching",
            "cp docs/quill/admin docs/quill/backend",
            "docker push r.example/p/quill/admin-tools:1",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
        assert_eq!(found("docker push r.example/p/quill/admin@sha256:1"), [(1, Named::Image)]);
    }
}
