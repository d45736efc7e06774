//! What the operating system hands this process, read once and passed on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::PathBuf;

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
    vars: BTreeMap<OsString, OsString>,
}

impl Process {
    /// Reads everything from the running process.
    pub fn current() -> std::io::Result<Self> {
        let stdin_is_terminal = std::io::stdin().is_terminal();
        Ok(Self {
            args: std::env::args_os().collect(),
            cwd: std::env::current_dir()?,
            exe: std::env::current_exe()?,
            attended: stdin_is_terminal && std::io::stderr().is_terminal(),
            stdin_is_terminal,
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
