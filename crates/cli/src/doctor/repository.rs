//! The cause of the wrong-image incident, in a checkout: a Dockerfile whose last stage is the admin image,
//! and steps that build it without naming a stage. Docker builds the last one then.
//!
//! To look at another kind of file: a line in [`kind`] and a function from its text to its builds.

mod build;
mod dockerfile;
pub mod mentions;
mod shell;
mod workflow;
mod yaml;

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use ignore::WalkBuilder;
use quill_admin_files::read_bounded;

use build::{Build, How, joined, varies};
pub use dockerfile::Stage;

/// Larger files are none that a person wrote.
const LARGEST: u64 = 1 << 20;
/// Folders of other people's sources, should they not be ignored.
const FOREIGN: &[&str] = &[".git", "node_modules", ".venv", "venv", ".terraform"];

/// What a checkout holds.
#[derive(Debug, Default)]
pub struct Scan {
    /// Its Dockerfiles.
    pub dockerfiles: Vec<Dockerfile>,
    /// How many steps build an image.
    pub builds: usize,
    /// Steps that get another image than the backend's because they name no stage.
    pub careless: Vec<Careless>,
    /// Files that could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// A Dockerfile.
#[derive(Debug)]
pub struct Dockerfile {
    /// Its path in the checkout.
    pub path: String,
    /// Its stages, in their order.
    pub stages: Vec<Stage>,
    /// What a build without a target gives.
    pub gives: Gives,
}

/// What a build without a target gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// What the file is for.
    What,
    /// The admin image, though the file is for more than that.
    TheAdminImage,
    /// Another stage than the backend's, which it has.
    AnotherStage,
}

/// A step that builds without naming a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Careless {
    /// The file, by its path in the checkout.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// What is missing.
    pub what: &'static str,
    /// The Dockerfile, by its path; `None` where that is known only when the step runs.
    pub dockerfile: Option<String>,
    /// What it gets.
    pub gives: Gives,
}

/// Looks through a checkout. `backend` holds the names of the backend's stage.
pub fn scan(root: &Path, backend: &[&str]) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let files = files(root, &mut scan.unread)?;
    for (path, _, text) in files.iter().filter(|(_, kind, _)| *kind == Kind::Dockerfile) {
        let stages = dockerfile::stages(text);
        scan.dockerfiles.push(Dockerfile { path: path.clone(), gives: gives(&stages, backend), stages });
    }
    for (path, kind, text) in &files {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let builds = match kind {
            Kind::Dockerfile => continue,
            Kind::Workflow => workflow::github(text),
            Kind::CloudBuild => workflow::cloud_build(text),
            Kind::Compose => workflow::compose(text, folder),
            Kind::Recipes => Ok(shell::recipes(text, folder)),
            Kind::Script => Ok(shell::script(text, "")),
        };
        match builds {
            Ok(builds) => {
                scan.builds += builds.len();
                for build in builds {
                    let careless = scan.careless(path, folder, &build);
                    scan.careless.extend(careless);
                }
            }
            Err(error) => scan.unread.push((path.clone(), error)),
        }
    }
    scan.careless.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    scan.careless.dedup();
    Ok(scan)
}

/// A file that is looked at: its path in the checkout, what it is, and its text.
type ReadFile = (String, Kind, String);

/// The files of a checkout that are looked at. Those that could not be read go to `unread`, with the reason.
fn files(root: &Path, unread: &mut Vec<(String, String)>) -> io::Result<Vec<ReadFile>> {
    fs::read_dir(root)?;
    let mut files = Vec::new();
    let walk = WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(|entry| !FOREIGN.iter().any(|name| entry.file_name() == *name))
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            // It went while it was looked for.
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
        let small = entry.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= LARGEST);
        let Some(kind) = Some(()).filter(|()| small).and_then(|()| kind(&path, entry.path())) else {
            continue;
        };
        match read_bounded(entry.path(), LARGEST) {
            Ok(bytes) => files.push((path, kind, String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) => unread.push((path, error.to_string())),
        }
    }
    Ok(files)
}

impl Scan {
    /// Says what is wrong with a build, if something is.
    fn careless(&self, file: &str, folder: &str, build: &Build) -> Option<Careless> {
        if build.target.as_ref().is_some_and(|target| !target.is_empty()) {
            return None;
        }
        let (dockerfile, gives) = if let Ok(found) = self.dockerfile(folder, build) {
            let found = found?;
            (Some(found.path.clone()), found.gives)
        } else {
            // It may be the one.
            let admin = self.dockerfiles.iter().any(|file| file.gives == Gives::TheAdminImage);
            (None, if admin { Gives::TheAdminImage } else { return None })
        };
        // A matrix names the stage in its entries, or forgets to.
        let line = build.entry.unwrap_or(build.line);
        (gives != Gives::What).then(|| Careless {
            file: file.to_owned(),
            line,
            what: build.how.without_target(),
            dockerfile,
            gives,
        })
    }

    /// The Dockerfile of a build. A script's own folder is not known: the checkout's and the script's are
    /// tried.
    fn dockerfile(&self, folder: &str, build: &Build) -> Result<Option<&Dockerfile>, Varies> {
        let context = build.context.as_deref().unwrap_or(".");
        let in_context = joined(context, "Dockerfile");
        let file = build.file.as_deref().unwrap_or(&in_context);
        if varies(file) {
            return Err(Varies);
        }
        let places: &[&str] = if varies(&build.folder) {
            &["", folder]
        } else if build.how == How::Command {
            &[&build.folder, folder]
        } else {
            &[&build.folder]
        };
        let found = places.iter().find_map(|place| {
            let path = joined(place, file);
            self.dockerfiles.iter().find(|dockerfile| dockerfile.path == path)
        });
        if found.is_none() && varies(&build.folder) { Err(Varies) } else { Ok(found) }
    }
}

/// Which Dockerfile a step builds is known only when it runs.
struct Varies;

/// What a build of these stages gives without a target.
fn gives(stages: &[Stage], backend: &[&str]) -> Gives {
    let Some(last) = stages.last() else { return Gives::What };
    let is_backend = |stage: &Stage| {
        stage.name.as_ref().is_some_and(|name| backend.iter().any(|other| name.eq_ignore_ascii_case(other)))
    };
    let has_backend = stages.iter().any(is_backend);
    let behind = dockerfile::behind_the_last(stages);
    // A named stage that the last one is not made from is there for its own sake.
    let for_more = (0..stages.len()).any(|number| !behind.contains(&number) && stages[number].name.is_some());
    if last.admin && (has_backend || for_more) {
        Gives::TheAdminImage
    } else if has_backend && !is_backend(last) {
        Gives::AnotherStage
    } else {
        Gives::What
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Dockerfile,
    Workflow,
    CloudBuild,
    Compose,
    /// A justfile or makefile.
    Recipes,
    Script,
}

/// What a file is, by its name; a script without one, by its first line.
fn kind(path: &str, file: &Path) -> Option<Kind> {
    let name = path.rsplit('/').next()?;
    if name.starts_with("Dockerfile.") && !name.ends_with(".dockerignore") {
        return Some(Kind::Dockerfile);
    }
    let name = name.to_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let yaml = matches!(extension, "yml" | "yaml");
    match (stem, extension) {
        ("dockerfile" | "containerfile", "") | (_, "dockerfile") => Some(Kind::Dockerfile),
        _ if yaml && format!("/{path}").contains("/.github/workflows/") => Some(Kind::Workflow),
        ("action", _) if yaml => Some(Kind::Workflow),
        _ if yaml && stem.starts_with("cloudbuild") => Some(Kind::CloudBuild),
        _ if yaml && (stem.starts_with("compose") || stem.starts_with("docker-compose")) => {
            Some(Kind::Compose)
        }
        ("justfile" | "makefile" | "gnumakefile", _) | (_, "just" | "justfile" | "mk") => Some(Kind::Recipes),
        (_, "sh" | "bash") => Some(Kind::Script),
        (_, "") => {
            let mut first = [0; 64];
            let read = fs::File::open(file).and_then(|mut file| file.read(&mut first)).ok()?;
            let first = String::from_utf8_lossy(&first[..read]);
            let first = first.strip_prefix("#!")?.lines().next()?.trim_end();
            first.ends_with("sh").then_some(Kind::Script)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
