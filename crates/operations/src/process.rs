//! The arguments and variables that the operating system hands this process, read once and passed on.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use jiff::Timestamp;
use quill_admin_files::system::HOME;

/// Arguments, environment and folder of this process.
#[derive(Debug, Clone)]
pub struct Process {
    /// Arguments, the program's name first.
    pub args: Vec<OsString>,
    /// The working folder.
    pub cwd: PathBuf,
    /// This program's own file: the local environment starts it again as the container.
    pub exe: PathBuf,
    /// The revision that this program was built from.
    pub built_from: BuiltFrom,
    vars: BTreeMap<OsString, OsString>,
}

/// The revision that a program was built from, as its build script has noted it. An archive of the sources
/// has neither.
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
    /// Fails when the program's own file is not known.
    pub fn current(built_from: BuiltFrom) -> std::io::Result<Self> {
        Ok(Self {
            args: std::env::args_os().collect(),
            // A folder that was deleted is still the working folder: what is looked for in it is not there.
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            exe: std::env::current_exe()?,
            built_from,
            vars: std::env::vars_os().map(|(name, value)| (known_as(name), value)).collect(),
        })
    }

    /// The environment variables that say where the Docker engine is, as a copy that does not borrow from
    /// this.
    #[must_use]
    pub fn docker_variables(&self) -> BTreeMap<String, String> {
        ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_BUILDKIT", HOME]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.var(name)?.to_owned())))
            .collect()
    }

    /// An environment variable, where it is set and text.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(&known_as(name.into()))?.to_str()
    }
}

/// The name of a variable as it is looked up. Case makes no difference on Windows, where `PATH` is usually `Path`.
fn known_as(mut name: OsString) -> OsString {
    if cfg!(windows) {
        name.make_ascii_uppercase();
    }
    name
}

/// Keeps passwords out of core dumps, of a crash or of a process that was killed, and keeps other processes
/// of the same user from reading this one's memory (`PR_SET_DUMPABLE`, prctl(2)). The program works as well
/// on a system that refuses this.
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
