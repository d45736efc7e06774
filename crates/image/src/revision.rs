//! The revision of the sources in a folder, by git.
//!
//! To keep git from another thing that a repository can name: `SETTINGS` for its configuration, `REDIRECTING` for
//! variables.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;

use crate::error::ImageError;

/// The commit that a folder is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// The root of the repository.
    pub root: PathBuf,
    /// The commit's full id.
    pub commit: String,
    /// The time of the commit.
    pub time: Timestamp,
    /// Whether files were changed since, or are not in the repository.
    pub dirty: bool,
}

impl Revision {
    /// Reads the revision of a folder from git.
    ///
    /// # Errors
    ///
    /// Fails if git is not installed, if the folder is in no repository, or if git refuses it.
    pub fn of(folder: &Path) -> Result<Self, ImageError> {
        let root = PathBuf::from(git(folder, &["rev-parse", "--show-toplevel"])?);
        let filters = own_filters(folder)?;
        let git = |args: &[&str]| git_with(&root, &filters, args);
        let log = git(&["log", "-1", "--no-show-signature", "--format=%H %ct"])?;
        let unexpected = || {
            ImageError::source("ask git for the revision", format!("it answered \"{}\"", log.escape_debug()))
        };
        let (commit, seconds) = log.split_once(' ').ok_or_else(unexpected)?;
        let seconds = seconds.parse().map_err(|_| unexpected())?;
        let time = Timestamp::from_second(seconds).map_err(|_| unexpected())?;
        // For a submodule only its commit counts: its own configuration is as foreign as this one's.
        let dirty = !git(&["status", "--porcelain", "--ignore-submodules=dirty"])?.is_empty();
        Ok(Self { commit: commit.to_owned(), root, time, dirty })
    }

    /// The image tag of this revision: the commit's first twelve digits, and `-dirty` where files were
    /// changed.
    #[must_use]
    pub fn tag(&self) -> String {
        let short: String = self.commit.chars().take(12).collect();
        format!("{short}{}", if self.dirty { "-dirty" } else { "" })
    }

    /// The full id, with `-dirty` where files were changed.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}{}", self.commit, if self.dirty { "-dirty" } else { "" })
    }
}

const DOING: &str = "ask git for the revision";
/// The advice where git is not installed.
const INSTALL: &str = if cfg!(target_os = "macos") {
    "install git with: xcode-select --install"
} else if cfg!(windows) {
    "install git from https://git-scm.com"
} else {
    "install git with your system's packages, as in: sudo apt-get install git"
};

/// Settings that keep git from starting programs which a repository's own configuration names, even to list
/// changes. The folder may be anybody's, so none of them is started: these settings take precedence over the
/// repository's (git-config, "SCOPES"). The person's own configuration, `safe.directory` above all, still
/// applies.
const SETTINGS: [&str; 5] = [
    // The value is empty, and not "false": git before 2.36 takes it for a program.
    "core.fsmonitor=",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "diff.external=",
    "log.showSignature=false",
];

/// Variables with which a hook or another tool would point git at another repository, or at a program.
const REDIRECTING: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_WORK_TREE",
];

/// Settings that switch off the content filters which the repository itself defines. Filters of the person's
/// own configuration stay: without git-lfs, every file that it keeps would look changed.
fn own_filters(folder: &Path) -> Result<Vec<String>, ImageError> {
    let mut settings = Vec::new();
    let mut scopes = vec!["--local"];
    let extended = &["config", "--local", "--includes", "--type=bool", "--get", "extensions.worktreeConfig"];
    if found(&run(folder, &[], extended)?)?.is_some_and(|value| value.trim() == "true") {
        scopes.push("--worktree");
    }
    for scope in scopes {
        let args = ["config", scope, "--includes", "-z", "--name-only", "--get-regexp", r"^filter\."];
        let Some(names) = found(&run(folder, &[], &args)?)? else { continue };
        for name in names.split('\0').filter(|name| !name.is_empty()) {
            let Some((filter, key)) = name.rsplit_once('.') else { continue };
            if name.contains('=') {
                let why = format!(
                    "its .git/config has the filter \"{}\", which cannot be switched off",
                    filter.escape_debug()
                );
                return Err(ImageError::source(DOING, why));
            }
            match key {
                "clean" | "smudge" | "process" => settings.push(format!("{name}=")),
                "required" => settings.push(format!("{name}=false")),
                _ => {}
            }
        }
    }
    Ok(settings)
}

/// The output of `git config`; `None` where it has nothing to print (exit code 1).
fn found(output: &Output) -> Result<Option<String>, ImageError> {
    match output.status.code() {
        Some(0) => Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned())),
        Some(1) => Ok(None),
        _ => Err(ImageError::source(DOING, complaint(output))),
    }
}

/// The command that git itself suggests where it refuses a folder that belongs to somebody else ("dubious
/// ownership"). It is taken whole, since the folder in it is quoted as git needs it.
fn remedy(output: &Output) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let command = text.lines().map(str::trim).find(|line| line.starts_with("git config --global --add "))?;
    Some(command.to_owned())
}

pub(crate) fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().unwrap_or_default().trim_start_matches("fatal: ").to_owned()
}

fn git(folder: &Path, args: &[&str]) -> Result<String, ImageError> {
    git_with(folder, &[], args)
}

fn git_with(folder: &Path, settings: &[String], args: &[&str]) -> Result<String, ImageError> {
    // If git were started in a missing folder, the error would say that git is missing.
    if !folder.is_dir() {
        return Err(ImageError::source(DOING, format!("there is no folder {}", folder.display())));
    }
    let output = run(folder, settings, args)?;
    if !output.status.success() {
        let failed = ImageError::source(DOING, format!("{} ({})", complaint(&output), folder.display()));
        return Err(match remedy(&output) {
            Some(remedy) => {
                failed.hint(format!("if you trust what is in that folder, tell git so with: {remedy}"))
            }
            None => failed,
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(crate) fn run(folder: &Path, settings: &[String], args: &[&str]) -> Result<Output, ImageError> {
    let mut command = Command::new("git");
    command.current_dir(folder).stdin(Stdio::null());
    for setting in SETTINGS.into_iter().chain(settings.iter().map(String::as_str)) {
        command.args(["-c", setting]);
    }
    for name in REDIRECTING {
        command.env_remove(name);
    }
    command
        .arg("--no-pager")
        .args(args)
        // git only reads: it must not lock the index against other processes.
        .env("GIT_OPTIONAL_LOCKS", "0")
        // A missing object is not fetched, since a remote may name any program for that.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .map_err(|error| {
            let failed = ImageError::source(DOING, format!("git could not be started: {error}"));
            match error.kind() {
                io::ErrorKind::NotFound => failed.hint(INSTALL),
                _ => failed,
            }
        })
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use quill_admin_testkit::git::git as plain;

    use super::*;

    #[test]
    fn gits_own_remedy_is_passed_on_whole() {
        use std::os::unix::process::ExitStatusExt as _;
        let output = |stderr: &str| Output {
            status: std::process::ExitStatus::from_raw(128 << 8),
            stdout: Vec::new(),
            stderr: stderr.into(),
        };
        // git 2.39 gives this message.
        let refused = output(
            "fatal: detected dubious ownership in repository at '/srv/a clone'\nTo add an exception for this \
             directory, call:\n\n\tgit config --global --add safe.directory '/srv/a clone'\n",
        );
        let command = "git config --global --add safe.directory '/srv/a clone'";
        assert_eq!(remedy(&refused).as_deref(), Some(command));
        assert_eq!(complaint(&refused), "detected dubious ownership in repository at '/srv/a clone'");
        assert_eq!(remedy(&output("fatal: not a git repository")), None);
    }

    #[test]
    fn nothing_that_a_foreign_repository_names_is_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("clone");
        fs::create_dir(&root).expect("made");
        plain(&root, &["init", "--quiet"]);
        fs::write(root.join("a"), "a").expect("written");
        fs::write(root.join(".gitattributes"), "* filter=evil\n").expect("written");
        plain(&root, &["add", "."]);
        plain(&root, &["commit", "--quiet", "--message", "first"]);
        // The commit has a signature, so that a git that shows signatures has something to check.
        let commit = plain(&root, &["cat-file", "commit", "HEAD"]);
        let (head, message) = commit.split_once("\n\n").expect("a commit");
        let signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n aaaa\n -----END PGP SIGNATURE-----";
        fs::write(folder.path().join("signed"), format!("{head}\n{signature}\n\n{message}"))
            .expect("written");
        let signed = folder.path().join("signed").display().to_string();
        let signed = plain(&root, &["hash-object", "-t", "commit", "-w", &signed]);
        plain(&root, &["reset", "--quiet", "--soft", signed.trim()]);

        let started = folder.path().join("started");
        let script = folder.path().join("script");
        fs::write(&script, format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", started.display()))
            .expect("written");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
        let script = script.display().to_string();
        for key in [
            "core.fsmonitor",
            "core.pager",
            "core.sshCommand",
            "core.askPass",
            "core.editor",
            "diff.external",
            "gpg.program",
            "filter.evil.clean",
            "filter.evil.process",
            "credential.helper",
        ] {
            plain(&root, &["config", key, &script]);
        }
        plain(&root, &["config", "log.showSignature", "true"]);
        plain(&root, &["config", "filter.evil.required", "true"]);
        for hook in ["post-index-change", "fsmonitor-watchman", "reference-transaction"] {
            fs::create_dir_all(root.join(".git/hooks")).expect("made");
            fs::copy(&script, root.join(".git/hooks").join(hook)).expect("copied");
        }
        // The file has another time, so that git has to read it.
        let file = fs::File::options().write(true).open(root.join("a")).expect("opened");
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).expect("set");

        let revision = Revision::of(&root).expect("a revision");
        assert_eq!(revision.commit, signed.trim());
        assert!(!revision.dirty);
        assert_eq!(fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");
        fs::write(root.join("a"), "b").expect("written");
        assert!(Revision::of(&root).expect("a revision").dirty);
        assert_eq!(fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");

        // Filters of an included file and of a worktree belong to the repository, too.
        fs::write(folder.path().join("more"), format!("[filter \"evil\"]\n\tclean = {script}\n"))
            .expect("written");
        plain(&root, &["config", "--remove-section", "filter.evil"]);
        plain(&root, &["config", "include.path", &folder.path().join("more").display().to_string()]);
        let _ = Revision::of(&root).expect("a revision");
        assert_eq!(fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");
        plain(&root, &["config", "--unset", "include.path"]);
        plain(&root, &["config", "extensions.worktreeConfig", "true"]);
        plain(&root, &["config", "--worktree", "filter.evil.clean", &script]);
        let _ = Revision::of(&root).expect("a revision");
        assert_eq!(fs::read_to_string(&started).unwrap_or_default(), "", "nothing was started");

        // The trap works: git without these settings starts the program.
        let _ = Command::new("git").current_dir(&root).args(["status"]).output().expect("git is there");
        assert_ne!(fs::read_to_string(&started).unwrap_or_default(), "");
    }

    #[test]
    fn a_filter_that_cannot_be_switched_off_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        plain(folder.path(), &["init", "--quiet"]);
        plain(folder.path(), &["commit", "--quiet", "--allow-empty", "--message", "first"]);
        let config = folder.path().join(".git/config");
        let text = fs::read_to_string(&config).expect("there");
        fs::write(&config, format!("{text}[filter \"a=b\"]\n\tclean = true\n")).expect("written");
        let error = Revision::of(folder.path()).expect_err("refused");
        assert!(error.to_string().contains("the filter \"filter.a=b\""), "{error}");
    }
}
