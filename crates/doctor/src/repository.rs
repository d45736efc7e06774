//! Finds the cause of the wrong-image incident in a checkout of the application: a Dockerfile whose last
//! stage is not the one that is served, and steps that build it without naming a stage, so that Docker builds
//! the last one.
//!
//! Dockerfiles, GitHub's workflows and Compose files are read. Everything else that mentions a build is found as
//! plain text (`mention.rs`) and left to people: scripts, justfiles and other build tools are not followed, and
//! never taken for harmless.
//!
//! To read another kind of file: a function in `repository/` from its text to its builds, and a line in
//! [`Scan::read`].

mod command;
mod compose;
mod dockerfile;
mod files;
mod matrix;
mod mention;
pub mod names;
mod path;
mod served;
mod target;
mod workflow;
mod yaml;

use std::io;
use std::path::Path;

use command::Named;
use compose::Service;
pub use dockerfile::{Dockerfile, Provides, Stage};
use files::File;
pub use mention::Mention;
pub use served::Served;
use target::Target;
use workflow::{Kind, Step};

/// The findings in a checkout.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its Dockerfiles.
    pub dockerfiles: Vec<Dockerfile>,
    /// Whether there may be Dockerfiles that could not be read.
    pub lacks_dockerfiles: bool,
    /// The number of workflows and actions that were read.
    pub workflows: usize,
    /// The number of their steps that build an image.
    pub steps: usize,
    /// The number of other files that were searched for mentions of a build, Compose files among them.
    pub searched: usize,
    /// Steps of workflows that build another stage than they are meant to.
    pub wrong: Vec<WrongStep>,
    /// The number of mentions of a build.
    pub mentioned: usize,
    /// The mentions that are left to people.
    pub mentions: Vec<Mention>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// A step that builds another stage than it is meant to: it names none, or the admin image's for the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongStep {
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The action that builds.
    pub action: String,
    /// The Dockerfile, by its path in the checkout.
    pub dockerfile: String,
    /// The stage that it names.
    pub target: Option<String>,
    /// The stage that it builds.
    pub provides: Provides,
    /// The stage that it is meant to build, where the Dockerfile has one that it can be.
    pub meant: Option<String>,
}

/// Scans a checkout.
///
/// # Errors
///
/// Fails when the folder cannot be read. A file in it that cannot be read is part of the result.
pub fn scan(root: &Path, served: &[Served]) -> io::Result<Scan> {
    std::fs::read_dir(root)?;
    let mut scan = Scan::default();
    let files = files::list(root, &mut scan.unread);
    // Any name may be that of a Dockerfile, and it may be ignored.
    let is_served = |path: &str| served.iter().any(|served| served.dockerfile == path);
    let named = served.iter().filter_map(|served| File::find(root, &served.dockerfile));
    let mut recipes: Vec<File> = named.collect();
    recipes.extend(files.iter().filter(|file| dockerfile::is_one(&file.path)).cloned());
    recipes.sort();
    recipes.dedup();
    for file in &recipes {
        let Some(bytes) = file.read(&mut scan.unread) else { continue };
        match Dockerfile::read(&file.path, &String::from_utf8_lossy(&bytes), served) {
            Ok(dockerfile) => scan.dockerfiles.push(dockerfile),
            Err(why) => scan.unread.push((file.path.clone(), why)),
        }
    }
    scan.lacks_dockerfiles = !scan.unread.is_empty();
    let mut composed = None;
    for file in files.iter().filter(|file| !dockerfile::is_one(&file.path) && !is_served(&file.path)) {
        if workflow::is_one(&file.path) || mention::is_searched(&file.path) {
            let bytes = file.read(&mut scan.unread).filter(|bytes| !bytes.contains(&0));
            if let Some(bytes) = bytes {
                scan.read(&file.path, &String::from_utf8_lossy(&bytes), served, &mut composed);
            }
        }
    }
    scan.finish(composed.as_deref(), served);
    Ok(scan)
}

impl Scan {
    /// Whether the folder has none of the files that are examined here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.dockerfiles.is_empty() && self.steps == 0 && self.mentioned == 0 && self.unread.is_empty()
    }

    /// Reads a file that is no Dockerfile.
    fn read(&mut self, path: &str, text: &str, served: &[Served], composed: &mut Option<Vec<Service>>) {
        let mut understood = Vec::new();
        if workflow::is_one(path) {
            self.workflows += 1;
            match workflow::steps(text) {
                Ok(steps) => {
                    for step in &steps {
                        self.step(path, text, step, served, &mut understood);
                    }
                }
                Err(why) => self.unread.push((path.to_owned(), why)),
            }
        } else {
            self.searched += 1;
        }
        if compose::is_one(path, text) {
            match compose::services(path, text) {
                Ok(None) => {}
                Ok(Some(services)) => composed.get_or_insert_default().extend(services),
                Err(why) => self.unread.push((path.to_owned(), why)),
            }
        }
        let found = mention::find(path, text).into_iter();
        self.mentions.extend(found.filter(|mention| !understood.contains(&mention.line)));
    }

    /// Judges a step of a workflow. Lines that are `understood` do not count as mentions.
    fn step(&mut self, file: &str, text: &str, step: &Step, served: &[Served], understood: &mut Vec<u64>) {
        let build = &step.build;
        let is_named =
            |file: &&Dockerfile| matches!(&build.dockerfile, Named::At(path) if *path == file.path);
        let found = self.dockerfiles.iter().find(is_named);
        if step.kind == Kind::Perhaps && found.is_none() {
            return;
        }
        self.steps += 1;
        understood.push(step.uses);
        let certain = found.filter(|_| step.kind == Kind::LikeDockers);
        let is = |one: Option<&str>, other: Option<&str>| {
            one.zip(other).is_some_and(|(one, other)| one.eq_ignore_ascii_case(other))
        };
        let meant = certain.and_then(|dockerfile| step.meant(dockerfile, served));
        let (dockerfile, target, provides) = match (&build.target, certain) {
            (Target::None, Some(dockerfile)) if dockerfile.provides != Provides::Varies => {
                let gets = dockerfile.last().and_then(|stage| stage.name.as_deref());
                if dockerfile.provides == Provides::Wanted || is(gets, meant.as_deref()) {
                    return;
                }
                (dockerfile, None, dockerfile.provides)
            }
            (Target::Named(stage), Some(dockerfile))
                if mention::gives_backend_admin(stage, &build.images, &[dockerfile], served) =>
            {
                (dockerfile, Some(stage), Provides::AdminImage)
            }
            // What it builds is known only when the step runs, so a person has to look.
            _ => return self.mentions.push(Mention::at(file, step.uses, text, build.clone())),
        };
        self.wrong.push(WrongStep {
            file: file.to_owned(),
            line: step.line,
            action: step.action.clone(),
            dockerfile: dockerfile.path.clone(),
            target: target.cloned(),
            provides,
            meant: meant.filter(|meant| !is(Some(meant), target.map(String::as_str))),
        });
    }

    /// Leaves only the mentions that a person has to look at, in the order of files and lines. Without Compose
    /// files, nobody knows what a command of Compose builds.
    fn finish(&mut self, composed: Option<&[Service]>, served: &[Served]) {
        self.mentioned = self.mentions.len();
        if let Some(services) = composed {
            let services = compose::mentions(services);
            self.mentioned += services.len();
            self.mentions.retain(|mention| !mention.build.is_compose);
            self.mentions.extend(services);
        }
        self.mentions.retain_mut(|mention| mention.may_be_wrong(&self.dockerfiles, served));
        self.mentions.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.mentions.dedup_by(|a, b| (&a.file, a.line) == (&b.file, b.line));
        self.wrong.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        self.wrong.dedup();
    }
}

#[cfg(test)]
mod tests;
