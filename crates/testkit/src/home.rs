//! A person's home, empty and temporary, and the programs that are run in it.
//!
//! Programs get nothing of the environment in which the tests run: they see only the variables that the test
//! sets.
//!
//! To give every program another variable: the function that prepares a run, [`Home::run`].

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    fmt, fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

use crate::{bin, signals, terminal::Terminal};

/// Time limit of a program unless a test says otherwise. It is far above what any program takes, and keeps
/// tests from hanging for ever.
const LIMIT: Duration = Duration::from_mins(3);

/// A home directory with a working folder in it.
pub struct Home {
    directory: TempDir,
}

impl std::fmt::Debug for Home {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// An empty home.
    #[must_use]
    pub fn new() -> Self {
        signals::reset();
        let directory =
            tempfile::Builder::new().prefix("quill-admin-home-").tempdir().expect("make a temporary home");
        fs::create_dir(directory.path().join("work")).expect("make the working folder");
        Self { directory }
    }

    /// A home whose working folder has the `environments.yaml` of this repository.
    #[must_use]
    pub fn with_environments() -> Self {
        let home = Self::new();
        home.write("environments.yaml", &environments());
        home
    }

    /// The home directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The folder in which programs are run.
    #[must_use]
    pub fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    /// Writes a file; its name is relative to the working folder.
    pub fn write(&self, name: impl AsRef<Path>, text: &str) {
        let path = self.work().join(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        }
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Reads a file; its name is relative to the working folder.
    #[must_use]
    pub fn read(&self, name: impl AsRef<Path>) -> String {
        let path = self.work().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The files below the home that contain `needle`, binary ones too: to look for texts that must be
    /// nowhere.
    #[must_use]
    pub fn files_with(&self, needle: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        search(self.path(), needle.as_bytes(), &mut found);
        found
    }

    /// Prepares a run of `quill-admin` here.
    pub fn quill_admin<I, S>(&self, args: I) -> Run
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.run(bin::quill_admin())
            // These ninety-nine megabytes are the same for all tests.
            .env("XDG_CACHE_HOME", bin::cache_dir())
            .args(args)
    }

    /// Prepares a run of any program here.
    pub fn run(&self, program: impl AsRef<OsStr>) -> Run {
        let mut env = BTreeMap::new();
        env.insert("HOME".into(), self.path().into());
        env.insert("USER".into(), "tester".into());
        env.insert("LANG".into(), "C.UTF-8".into());
        env.insert("TERM".into(), "xterm-256color".into());
        env.insert("PATH".into(), env::var_os("PATH").unwrap_or_default());
        Run {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env,
            cwd: self.work(),
            stdin: Vec::new(),
            limit: LIMIT,
        }
    }
}

/// The text of this repository's `environments.yaml`.
#[must_use]
pub fn environments() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../environments.yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program that is about to be run.
#[derive(Debug, Clone)]
#[must_use]
pub struct Run {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    stdin: Vec<u8>,
    limit: Duration,
}

impl Run {
    /// Adds one argument.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(mut self, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Removes all arguments: another program is given them.
    pub fn without_args(mut self) -> Self {
        self.args.clear();
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    /// Removes a variable that every program gets.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.env.remove(name.as_ref());
        self
    }

    /// Runs another program in its place.
    pub fn program(mut self, program: impl Into<OsString>) -> Self {
        self.program = program.into();
        self
    }

    /// Runs it in another folder.
    pub fn cwd(mut self, cwd: impl Into<PathBuf>) -> Self {
        self.cwd = cwd.into();
        self
    }

    /// Sets the input that is piped in. Without it stdin is a closed pipe.
    pub fn stdin(mut self, stdin: impl Into<Vec<u8>>) -> Self {
        self.stdin = stdin.into();
        self
    }

    /// Sets its time limit.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs it to its end, with its streams in pipes. Panics when it takes too long.
    #[must_use]
    pub fn output(self) -> Output {
        // This has a thread of its own, so that tests with and without a runtime can call it.
        thread::scope(|scope| {
            let output = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .expect("start a runtime")
                    .block_on(self.run())
            });
            output.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The run as a command of the standard library, for a test that starts it by itself: to observe it while
    /// it runs, or to run it as another user.
    #[must_use]
    pub fn command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args).env_clear().envs(&self.env).current_dir(&self.cwd);
        command
    }

    /// Runs it in a terminal of 80 columns and 24 rows.
    #[must_use]
    pub fn terminal(self) -> Terminal {
        self.terminal_of((80, 24))
    }

    /// Runs it in a terminal of this many columns and rows.
    #[must_use]
    pub fn terminal_of(self, size: (u16, u16)) -> Terminal {
        let command = pty_process::blocking::Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd);
        Terminal::spawn(command, size, self.limit)
    }

    async fn run(&self) -> Output {
        let mut child = tokio::process::Command::new(&self.program)
            .args(&self.args)
            .env_clear()
            .envs(&self.env)
            .current_dir(&self.cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {}: {error}", self.program.display()));
        let stdout = Arc::new(Mutex::new(Vec::new()));
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let end = async {
            let write = async {
                if let Some(mut stdin) = pipes.0 {
                    // A program need not read all of its input.
                    let _ = stdin.write_all(&self.stdin).await;
                }
            };
            let (status, ..) =
                tokio::join!(child.wait(), write, pump(pipes.1, &stdout), pump(pipes.2, &stderr));
            status.unwrap_or_else(|error| panic!("failed to wait for {}: {error}", self.program.display()))
        };
        let ended = tokio::time::timeout(self.limit, end).await;
        let text = |bytes: &Mutex<Vec<u8>>| {
            String::from_utf8_lossy(&bytes.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
        };
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        let Ok(status) = ended else {
            panic!(
                "{} {:?} has not ended after {:?}\n{}",
                self.program.display(),
                self.args,
                self.limit,
                streams(&stdout, &stderr)
            )
        };
        Output { status, stdout, stderr }
    }
}

async fn pump(pipe: Option<impl AsyncRead + Unpin>, into: &Mutex<Vec<u8>>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..count]);
    }
}

/// The exit status and the output of a program.
///
/// Its `Display` shows all of it, for snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit status.
    pub status: ExitStatus,
    /// The program's output on stdout.
    pub stdout: String,
    /// The program's output on stderr.
    pub stderr: String,
}

impl Output {
    /// The exit code. Panics where a signal ended the program.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by {}\n{self}", self.status))
    }

    /// Checks the exit code, and shows all output if it is another.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code(), code, "{self}");
        self
    }

    /// Stdout as one JSON document.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        f.write_str(&streams(&self.stdout, &self.stderr))
    }
}

fn streams(stdout: &str, stderr: &str) -> String {
    format!("----- stdout -----\n{stdout}----- stderr -----\n{stderr}")
}

fn search(folder: &Path, needle: &[u8], found: &mut Vec<PathBuf>) {
    // A file that vanishes meanwhile (a lock, a temporary file) cannot be searched.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            search(&path, needle, found);
        } else if kind.is_file()
            && let Ok(bytes) = fs::read(&path)
            && bytes.windows(needle.len()).any(|window| window == needle)
        {
            found.push(path);
        }
    }
}
