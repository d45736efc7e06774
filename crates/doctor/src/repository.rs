//! Finds the cause of the wrong-image incident in a checkout of the application: a Dockerfile whose last
//! stage is not the one that is served, and steps that build it without naming a stage, so that Docker builds
//! the last one.
//!
//! Dockerfiles and GitHub's workflows are read. Everything else that mentions a build is found as plain text
//! (`mention.rs`) and left to people: scripts, justfiles and other build tools are not followed, and never
//! taken for harmless.
//!
//! To read another kind of file: a line in [`scan`] and a function from its text to its [`Step`]s.

mod dockerfile;
mod matrix;
mod mention;
pub mod names;
mod path;
mod served;
mod workflow;
mod yaml;

use std::io;
use std::path::Path;

use ignore::WalkBuilder;
use quill_admin_files::read_bounded;

pub use dockerfile::{Dockerfile, Provides, Stage};
pub use mention::Mention;
pub use served::Served;
use workflow::Step;

/// The largest file that is read, in bytes: a larger one was not written by a person.
const LARGEST: u64 = 1 << 20;
/// Folders with sources of other people, in case they are not ignored.
const FOREIGN: &[&str] = &[".git", "node_modules", ".venv", "venv", ".terraform"];

/// The findings in a checkout.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its Dockerfiles.
    pub dockerfiles: Vec<Dockerfile>,
    /// The number of workflows and actions that were read.
    pub workflows: usize,
    /// The number of their steps that build an image.
    pub steps: usize,
    /// The number of other files that were searched for mentions of a build.
    pub searched: usize,
    /// Steps of workflows that build another stage than they are meant to, because they name none.
    pub untargeted: Vec<Untargeted>,
    /// The number of mentions of a build.
    pub mentioned: usize,
    /// The mentions that are left to people.
    pub mentions: Vec<Mention>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// A step that names no stage, and so builds another one than it is meant to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untargeted {
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The action that builds.
    pub action: String,
    /// The Dockerfile, by its path in the checkout.
    pub dockerfile: String,
    /// The stage that it builds.
    pub provides: Provides,
    /// The stage that it is meant to build.
    pub meant: String,
}

/// Scans a checkout.
///
/// # Errors
///
/// Fails when the folder cannot be read. A file in it that cannot be read is part of the result.
pub fn scan(root: &Path, served: &[Served]) -> io::Result<Scan> {
    std::fs::read_dir(root)?;
    let mut scan = Scan::default();
    let files = files(root, &mut scan.unread);
    for (path, bytes) in files.iter().filter(|(path, _)| dockerfile::is_one(path)) {
        match Dockerfile::read(path, &String::from_utf8_lossy(bytes), served) {
            Ok(dockerfile) => scan.dockerfiles.push(dockerfile),
            Err(why) => scan.unread.push((path.clone(), why)),
        }
    }
    for (path, bytes) in files.iter().filter(|(path, _)| !dockerfile::is_one(path)) {
        let text = String::from_utf8_lossy(bytes);
        let mut understood = Vec::new();
        if workflow::is_one(path) {
            scan.workflows += 1;
            match workflow::steps(bytes) {
                Ok(steps) => {
                    for step in &steps {
                        scan.step(path, step, served, &mut understood);
                    }
                }
                Err(why) => scan.unread.push((path.clone(), why)),
            }
        } else if mention::is_searched(path, bytes) {
            scan.searched += 1;
        } else {
            continue;
        }
        let found = mention::find(path, &text).into_iter();
        scan.mentions.extend(found.filter(|mention| !understood.contains(&mention.line)));
    }
    scan.mentions.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    scan.mentioned = scan.mentions.len();
    let dockerfiles = &scan.dockerfiles;
    scan.mentions.retain(|mention| mention.may_be_wrong(dockerfiles));
    scan.untargeted.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    scan.untargeted.dedup();
    Ok(scan)
}

impl Scan {
    /// Whether the folder has none of the files that are examined here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dockerfiles.is_empty() && self.steps == 0 && self.mentioned == 0 && self.unread.is_empty()
    }

    /// Judges a step of a workflow. Lines that are `understood` do not count as mentions.
    fn step(&mut self, file: &str, step: &Step, served: &[Served], understood: &mut Vec<u64>) {
        let named = step.dockerfile.as_deref();
        let found = self.dockerfiles.iter().find(|dockerfile| Some(dockerfile.path.as_str()) == named);
        match (&step.target, found) {
            (workflow::Target::Named(_), _) => {}
            (workflow::Target::None, Some(dockerfile)) => {
                let meant = step.meant(dockerfile, served);
                let gets = dockerfile.last().and_then(|stage| stage.name.as_deref());
                if dockerfile.provides != Provides::Wanted
                    && gets.is_none_or(|gets| !gets.eq_ignore_ascii_case(&meant))
                {
                    self.untargeted.push(Untargeted {
                        file: file.to_owned(),
                        line: step.line,
                        action: step.action.clone(),
                        dockerfile: dockerfile.path.clone(),
                        provides: dockerfile.provides,
                        meant,
                    });
                }
            }
            // The Dockerfile or the stage is known only when the step runs: if it is a build, a person has to
            // look.
            (_, _) if step.is_known_to_build => {
                self.steps += 1;
                let mention = Mention::new(file, step.uses, &format!("uses: {}", step.action), "");
                self.mentions.push(mention);
                understood.push(step.uses);
                return;
            }
            _ => return,
        }
        self.steps += 1;
        understood.push(step.uses);
    }
}

/// The checkout's files, by their paths in it. Ignore rules count from its own root: those of a folder above
/// it, or of the person, concern something else.
fn files(root: &Path, unread: &mut Vec<(String, String)>) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| !FOREIGN.iter().any(|name| entry.file_name() == *name))
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // The file was removed during the walk.
            Err(error) if error.io_error().is_some_and(|error| error.kind() == io::ErrorKind::NotFound) => {
                continue;
            }
            Err(error) => {
                unread.push((root.display().to_string(), error.to_string()));
                continue;
            }
        };
        let path = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let path = path.to_string_lossy().replace('\\', "/");
        if !entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST) {
            continue;
        }
        match read_bounded(entry.path(), LARGEST) {
            Ok(bytes) => files.push((path, bytes)),
            Err(error) => unread.push((path, error.to_string())),
        }
    }
    files
}

#[cfg(test)]
mod tests;
