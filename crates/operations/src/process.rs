//! What the operating system hands this process, read once and passed on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

use jiff::Timestamp;

/// Arguments, environment, folder and terminals of this process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The working folder.
    pub cwd: PathBuf,
    /// This program's own file: the local environment starts it again as the container.
    pub exe: PathBuf,
    /// A person can be asked: stdin and stderr are terminals.
    pub attended: bool,
    /// Stdin is a terminal.
    pub stdin_is_terminal: bool,
    /// What this program was built from.
    pub built_from: BuiltFrom,
    vars: BTreeMap<OsString, OsString>,
}

/// What a program was built from, as its build script has noted it. An archive of the sources knows neither.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuiltFrom {
    /// The commit, with `-dirty` where files had been changed.
    pub revision: Option<&'static str>,
    /// The time of the commit.
    pub committed: Option<Timestamp>,
}

impl Process {
    /// Reads everything from the running process.
    ///
    /// # Errors
    ///
    /// The working folder or the program's own file is not known.
    pub fn current(built_from: BuiltFrom) -> std::io::Result<Self> {
        let stdin_is_terminal = std::io::stdin().is_terminal();
        Ok(Self {
            args: std::env::args_os().collect(),
            cwd: std::env::current_dir()?,
            exe: std::env::current_exe()?,
            attended: stdin_is_terminal && std::io::stderr().is_terminal(),
            stdin_is_terminal,
            built_from,
            vars: std::env::vars_os().collect(),
        })
    }

    /// Those environment variables that say where the Docker engine is, to be taken elsewhere.
    #[must_use]
    pub fn docker_variables(&self) -> BTreeMap<String, String> {
        ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_BUILDKIT", "HOME"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.var(name)?.to_owned())))
            .collect()
    }

    /// An environment variable, where it is set and text.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(std::ffi::OsStr::new(name))?.to_str()
    }
}

/// Lets nobody find a password in what the system keeps of a crash, or of a process that was killed, and
/// lets no other process of the same user read this one's memory (`PR_SET_DUMPABLE`, prctl(2)). A system
/// that cannot be told so is no reason not to work.
pub fn keep_memory_private() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}
