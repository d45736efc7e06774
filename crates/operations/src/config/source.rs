//! Chooses the file that the environments are read from, and decides whether it is trusted.
//!
//! The file says where a person's sign-in and tasks go. A file that was named, or that is in the person's own
//! configuration folder, was chosen by the person. One that is found in the working folder or above it came
//! with a clone, an archive, or a folder that others write to: it has to belong to the person, as git
//! requires of a repository ("safe.directory" in its manual).
//!
//! To add a place where the file is looked for: `find`, a variant of [`Origin`], and the table "Which file is
//! believed" in `reference.rs`.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use quill_admin_files::{open_regular, read_opened};
use quill_admin_yaml::nearest;
use sha2::{Digest as _, Sha256};

use crate::error::{CliError, advice, quoted};
use crate::folders;
use crate::process::Process;

/// The name of the file.
pub(super) const FILE_NAME: &str = "environments.yaml";

/// The file of this repository, which is built into this program.
pub const SHIPPED: &str = include_str!("../../../../environments.yaml");

/// The largest file that is read, in bytes. A hundred environments with everything written out take a tenth
/// of it.
const LARGEST: u64 = 1 << 20;

/// The way in which a file was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `--config` or `QUILL_ADMIN_CONFIG` names it.
    Named,
    /// It is in the person's own configuration folder.
    Own,
    /// It was found in the working folder or one above it.
    Found,
    /// There is no file: the settings are those that are built into this program, and only the embedded
    /// environment is used.
    BuiltIn,
}

/// The file that an environment is from.
#[derive(Debug, Clone)]
pub struct Source {
    /// The path of the file; a description, where there is none.
    pub path: PathBuf,
    /// The folder that the state of the embedded environment is kept in.
    pub(super) state: PathBuf,
    /// The folder from which a file was looked for, where there is none.
    searched: Option<PathBuf>,
    /// The way in which it was found.
    pub origin: Origin,
    /// SHA-256 of its content, in hexadecimal.
    pub digest: String,
    /// Whether it is in the working folder itself.
    pub here: bool,
    /// Hosts that the person trusts with the sign-in, by `--trust-host` or `QUILL_ADMIN_TRUSTED_HOSTS`.
    pub trusted_hosts: Vec<String>,
    /// The folder that the file names for the application, as an absolute path.
    pub application: Option<PathBuf>,
    /// The folder of `--application`, which is used instead.
    pub given_application: Option<PathBuf>,
}

impl Source {
    /// A file in the working folder of which nothing more is known.
    fn of(path: &Path, origin: Origin, digest: String) -> Self {
        Self {
            path: path.to_owned(),
            state: beside(path),
            searched: None,
            origin,
            digest,
            here: true,
            trusted_hosts: Vec::new(),
            application: None,
            given_application: None,
        }
    }

    /// Finds the file and reads it: the one that is given; else that of the working folder or the nearest
    /// folder above it, also on another file system; else the person's own. `None` where none of these
    /// exists.
    pub(super) fn read(process: &Process, given: Option<&Path>) -> Result<Option<(Self, Vec<u8>)>, CliError> {
        let found = match given {
            Some(path) => Some((process.cwd.join(path), Origin::Named)),
            None => find(process)?,
        };
        let Some((path, origin)) = found else { return Ok(None) };
        let content = read(&path, |file| match origin {
            Origin::Named => Ok(()),
            Origin::Own | Origin::Found | Origin::BuiltIn => {
                judge::check(&path, file, process, &Use::settings(&path))
            }
        })?;
        let here = path == process.cwd.join(FILE_NAME);
        let source = Self { here, ..Self::of(&path, origin, hex::encode(Sha256::digest(&content))) };
        Ok(Some((source, content)))
    }

    /// A file that this program has just written, as it will be found.
    pub(super) fn written(path: &Path) -> Self {
        Self::of(path, Origin::Found, hex::encode(Sha256::digest(SHIPPED)))
    }

    /// The settings that are built into this program, for a person who has no file. The embedded environment
    /// is then the same in every folder.
    pub(super) fn built_in(process: &Process) -> Self {
        let own = folders::state(process).map(|folder| folder.join("local"));
        let digest = hex::encode(Sha256::digest(SHIPPED));
        Self {
            // Somebody without a home keeps the state where a file would be.
            state: own.unwrap_or_else(|| beside(&process.cwd.join(FILE_NAME))),
            searched: Some(process.cwd.clone()),
            ..Self::of(Path::new("the settings built into this program"), Origin::BuiltIn, digest)
        }
    }

    /// The error that there is no file; `None` where there is one. `wanted` is the environment that needs it,
    /// and `embedded` the one that does not.
    pub(super) fn missing(&self, wanted: Option<&str>, embedded: &str) -> Option<CliError> {
        let none = format!(
            "there is no {FILE_NAME} in {} or a folder above it, nor in the user's configuration folder",
            self.searched.as_ref()?.display()
        );
        let nowhere = if cfg!(feature = "local") { "" } else { ", which is not in this program" };
        let mistyped = wanted.filter(|wanted| nearest(wanted, [embedded]).is_some());
        let told = match (wanted, mistyped) {
            (None, _) => CliError::usage(format!(
                "{none}; without one there is only the environment \"{embedded}\"{nowhere}"
            )),
            (_, Some(mistyped)) => CliError::usage(format!(
                "unknown environment \"{}\"; there is only \"{embedded}\"{nowhere}: {none}",
                mistyped.escape_debug()
            ))
            .hint(advice("did you mean", &format!("--env {embedded}"))),
            // The projects in the settings that are built in are never used: nobody has said that tasks should
            // go there.
            (Some(wanted), None) => CliError::usage(format!(
                "environment \"{}\" needs a settings file, and {none}; without one there is only \"{embedded}\"{nowhere}",
                wanted.escape_debug()
            )),
        };
        let write = "write one here, and look whether it names your projects: quill-admin init";
        let told = told
            .hint(if mistyped.is_some() {
                format!("for other environments, {write}")
            } else {
                write.to_owned()
            })
            .hint("or run this where the file is, or name it with --config or QUILL_ADMIN_CONFIG");
        Some(told)
    }

    /// The path of a file that is not in the working folder itself, so that a person may not think of it.
    #[must_use]
    pub fn elsewhere(&self) -> Option<&Path> {
        (!self.here).then_some(self.path.as_path())
    }

    /// A file that was named, for tests.
    #[cfg(test)]
    pub(crate) fn named(path: &Path) -> Self {
        Self::of(path, Origin::Named, String::new())
    }
}

/// Looks for a file that is not named.
pub(super) fn find(process: &Process) -> Result<Option<(PathBuf, Origin)>, CliError> {
    let above = process.cwd.ancestors().map(|folder| (folder.join(FILE_NAME), Origin::Found));
    let own = folders::settings(process).map(|folder| (folder.join(FILE_NAME), Origin::Own));
    for (path, origin) in above.chain(own) {
        match std::fs::metadata(&path) {
            Ok(file) if file.is_file() => return Ok(Some((path, origin))),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            // The file may exist: one further up must not be used in its place.
            Err(error) => return Err(unreadable(&path, &error)),
        }
    }
    Ok(None)
}

/// The place of the state beside a file.
fn beside(file: &Path) -> PathBuf {
    file.parent().unwrap_or(file).join(".quill-admin").join("local")
}

/// The error about a file that was named, and is not there.
fn missing(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    unreadable(path, error)
        .hint("look at the name behind --config, or in QUILL_ADMIN_CONFIG")
        .hint(format!("to write a new file there: quill-admin init --config {}", quoted(path)))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::usage(format!("failed to read {}: {error}", path.display()))
}

/// Reads a regular file of at most [`LARGEST`] bytes, once `check` has accepted the opened file.
fn read(path: &Path, check: impl FnOnce(&Metadata) -> Result<(), CliError>) -> Result<Vec<u8>, CliError> {
    let (file, metadata) = open_regular(path)
        .map_err(|error| if error.is_missing() { missing(path, &error) } else { unreadable(path, &error) })?;
    check(&metadata)?;
    read_opened(file, &metadata, LARGEST).map_err(|error| unreadable(path, &error))
}

/// The damage that somebody could do who can write to a file, and the option that uses the file all the same.
#[cfg_attr(windows, expect(dead_code, reason = "nothing is refused there"))]
pub(super) struct Use {
    could: &'static str,
    named: String,
}

impl Use {
    pub(super) fn settings(file: &Path) -> Self {
        Self {
            could: "say where your sign-in and your tasks go",
            named: format!("--config {}", quoted(file)),
        }
    }

    pub(super) fn application(folder: &Path) -> Self {
        Self { could: "say what your tasks do", named: format!("--application {}", quoted(folder)) }
    }
}

#[cfg(windows)]
pub(super) mod judge {
    use super::{CliError, Metadata, Path, Process, Use};

    /// Accepts every file: Windows has access control lists in place of an owner and a mode, and the standard library
    /// does not read them. What such a file says is still confirmed before the first task, and the sign-in is sent
    /// only to trusted hosts.
    #[expect(clippy::unnecessary_wraps, reason = "on Unix a file can be refused")]
    pub(in super::super) fn check(_: &Path, _: &Metadata, _: &Process, _: &Use) -> Result<(), CliError> {
        Ok(())
    }
}

#[cfg(unix)]
pub(super) mod judge {
    use std::ffi::OsString;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Component;

    use super::{CliError, Metadata, Path, PathBuf, Process, Use};

    /// Everybody may write.
    const OTHERS: u32 = 0o002;
    /// Members of the group may write.
    const GROUP: u32 = 0o020;
    /// Only the owner of what is in the folder may move or remove it.
    const STICKY: u32 = 0o1000;
    /// The number of links after which a chain of them is no longer followed; the system has a bound of this
    /// size, too.
    const LINKS: usize = 40;

    /// The person who runs the program.
    pub(super) struct Me {
        pub(super) uid: u32,
        pub(super) gid: u32,
        /// The user who became root with sudo: their own files are trusted like root's, as git does.
        pub(super) sudo: Option<u32>,
    }

    impl Me {
        fn of(process: &Process) -> Self {
            let uid = rustix::process::geteuid().as_raw();
            let sudo = process.var("SUDO_UID").and_then(|uid| uid.parse().ok()).filter(|_| uid == 0);
            Self { uid, gid: rustix::process::getegid().as_raw(), sudo }
        }

        /// The reason why a file of this owner, group and mode can be changed by somebody else; `None` if it
        /// cannot. Access control lists are not examined.
        pub(super) fn dubious(&self, uid: u32, gid: u32, mode: u32) -> Option<Dubious> {
            if uid != self.uid && uid != 0 && self.sudo != Some(uid) {
                return Some(Dubious::Owner(uid));
            }
            // A group with the same number as its only member is a person's own, as on Debian and Fedora.
            let own_group = gid == 0 || (gid == self.gid && gid == self.uid) || self.sudo == Some(gid);
            if mode & OTHERS != 0 || (mode & GROUP != 0 && !own_group) {
                return Some(Dubious::Writable);
            }
            None
        }
    }

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Dubious {
        /// It belongs to somebody else.
        Owner(u32),
        /// Others may write to it.
        Writable,
    }

    /// Refuses a file that somebody else could have written: by the opened file's own owner and mode, and by
    /// those of the folders that lead to it by its name or by links.
    pub(in super::super) fn check(
        path: &Path,
        opened: &Metadata,
        process: &Process,
        for_what: &Use,
    ) -> Result<(), CliError> {
        let me = Me::of(process);
        if let Some(why) = me.dubious(opened.uid(), opened.gid(), opened.mode()) {
            return Err(refused(path, path, why, false, for_what));
        }
        for Passed { folder, to_folder } in folders(path) {
            let metadata = std::fs::metadata(&folder).map_err(|error| super::unreadable(path, &error))?;
            let mut mode = metadata.mode();
            if to_folder && mode & STICKY != 0 {
                // Everybody may create files there, as in /tmp, but nobody may move another person's folder.
                mode &= !(OTHERS | GROUP);
            }
            if let Some(why) = me.dubious(metadata.uid(), metadata.gid(), mode) {
                return Err(refused(path, &folder, why, true, for_what));
            }
        }
        Ok(())
    }

    /// A folder that was passed on the way to a file.
    #[derive(Debug, PartialEq, Eq)]
    struct Passed {
        folder: PathBuf,
        /// Whether the name that is looked up in it is a folder: neither the file, nor a link, which anybody
        /// could have made in a folder where everybody may create files.
        to_folder: bool,
    }

    /// The folders in which a name is looked up on the way to a file, beginning at the root, through every
    /// link. Whoever may write to one of them may replace everything below it.
    fn folders(path: &Path) -> Vec<Passed> {
        let mut passed = Vec::new();
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let reversed = |path: &Path| path.iter().rev().map(ToOwned::to_owned).collect::<Vec<OsString>>();
        let mut left = reversed(path);
        while let Some(name) = left.pop() {
            match Path::new(&name).components().next() {
                Some(Component::RootDir) => at = PathBuf::from("/"),
                Some(Component::ParentDir) => {
                    at.pop();
                }
                Some(Component::Normal(_)) => {
                    let next = at.join(&name);
                    let target = std::fs::read_link(&next).ok().filter(|_| links < LINKS);
                    let to_folder = target.is_none() && !left.is_empty();
                    passed.push(Passed { folder: at.clone(), to_folder });
                    if let Some(target) = target {
                        links += 1;
                        left.extend(reversed(&target));
                    } else {
                        at = next;
                    }
                }
                Some(Component::CurDir | Component::Prefix(_)) | None => {}
            }
        }
        passed
    }

    fn refused(file: &Path, what: &Path, why: Dubious, folder: bool, for_what: &Use) -> CliError {
        let (file, what) = (file.display(), what.display().to_string());
        let quoted = shell_words::quote(&what).into_owned();
        let (told, mend) = match why {
            Dubious::Owner(uid) => (
                format!("dubious ownership: {what} belongs to the user with the number {uid}"),
                format!("if it should be yours: sudo chown \"$(id -u)\" {quoted}"),
            ),
            Dubious::Writable if folder => (
                format!("everybody, or a group, may write to the folder {what}"),
                format!(
                    "if it should be yours alone: chmod go-w {quoted}; or move the file to a folder that is"
                ),
            ),
            Dubious::Writable => (
                format!("everybody, or a group, may write to {what}"),
                format!("if it should be yours alone: chmod go-w {quoted}"),
            ),
        };
        CliError::usage(format!("{file} is not used: {told}, so that somebody else could {}", for_what.could))
            .hint(mend)
            .hint(format!("if you know what is in it, name it: {}", for_what.named))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn what_others_can_change_is_dubious() {
            let me = Me { uid: 1000, gid: 1000, sudo: None };
            assert_eq!(me.dubious(1000, 1000, 0o100_644), None);
            assert_eq!(me.dubious(0, 0, 0o100_644), None);
            assert_eq!(me.dubious(1000, 1000, 0o100_664), None, "the group is the person's own");
            assert_eq!(me.dubious(1001, 1000, 0o100_600), Some(Dubious::Owner(1001)));
            assert_eq!(me.dubious(1000, 50, 0o100_664), Some(Dubious::Writable));
            assert_eq!(me.dubious(1000, 1000, 0o100_646), Some(Dubious::Writable));
            // The folder /tmp: nobody can rename what is mine, but everybody can put something there.
            assert_eq!(me.dubious(0, 0, 0o041_777), Some(Dubious::Writable));
            let root = Me { uid: 0, gid: 0, sudo: Some(1000) };
            assert_eq!(root.dubious(1000, 1000, 0o100_644), None);
            assert_eq!(root.dubious(1001, 1001, 0o100_644), Some(Dubious::Owner(1001)));
            let root = Me { uid: 0, gid: 0, sudo: None };
            assert_eq!(root.dubious(1000, 1000, 0o100_644), Some(Dubious::Owner(1000)));
        }

        #[test]
        fn the_folders_of_links_are_looked_at_too() {
            let home = tempfile::tempdir().expect("a folder");
            let home = home.path().canonicalize().expect("a path");
            for folder in ["a", "b", "c"] {
                std::fs::create_dir(home.join(folder)).expect("made");
            }
            std::fs::write(home.join("c/file"), "").expect("written");
            std::os::unix::fs::symlink("../c/file", home.join("b/link")).expect("made");
            std::os::unix::fs::symlink(home.join("b/link"), home.join("a/link")).expect("made");
            // A folder that is reached by a link, too.
            std::os::unix::fs::symlink("a", home.join("d")).expect("made");
            let found = folders(&home.join("d/link"));
            let below = |passed: &&Passed| passed.folder.starts_with(&home) && !passed.to_folder;
            let links: Vec<&PathBuf> = found.iter().filter(below).map(|passed| &passed.folder).collect();
            assert_eq!(links, [&home, &home.join("a"), &home.join("b"), &home.join("c")]);
            for above in home.ancestors().skip(1) {
                let above = Passed { folder: above.to_owned(), to_folder: true };
                assert!(found.contains(&above), "{above:?} {found:?}");
            }
        }
    }
}
