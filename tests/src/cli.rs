//! Runs a compiled program and keeps everything it said.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No command of these tests takes this long; one that does hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// One run of `quill-admin` to come.
#[derive(Debug)]
pub struct Command {
    command: std::process::Command,
    stdin: Input,
}

#[derive(Debug)]
enum Input {
    Closed,
    Bytes(Vec<u8>),
}

/// What a program said, and how it ended.
#[derive(Debug)]
pub struct Finished {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The exit code; -1 for a signal.
    pub code: i32,
    /// How long it took.
    pub took: Duration,
}

/// A compiled program of this workspace.
///
/// `cargo xtask test` builds all of them first; whoever runs a test by hand builds them with
/// `cargo build --release --workspace`.
///
/// # Panics
///
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("QUILL_ADMIN_TEST_BIN_DIR").map_or_else(
        || {
            // target/release/deps/e2e-HASH stands beside target/release/NAME.
            let test = std::env::current_exe().expect("this program's own path");
            test.ancestors().nth(2).expect("a target folder").to_owned()
        },
        PathBuf::from,
    );
    let path = folder.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        path.is_file(),
        "{} is missing; build it with: cargo build --release --workspace",
        path.display()
    );
    path
}

impl Command {
    pub(crate) fn new<'a>(folder: &Path, args: impl IntoIterator<Item = &'a str>) -> Self {
        let mut command = std::process::Command::new(binary("quill-admin"));
        command.args(args).current_dir(folder).env_clear();
        command.env("HOME", folder.join("home")).env("XDG_CACHE_HOME", cache());
        command.env("QUILL_ADMIN_LOCAL_PROVISIONING_MS", "0");
        Self { command, stdin: Input::Closed }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Adds an argument that need not be text.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.command.arg(arg.into());
        self
    }

    /// Gives it a standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = Input::Bytes(bytes.as_ref().to_vec());
        self
    }

    /// Starts it; the caller deals with its input and output.
    #[must_use]
    pub fn spawn(mut self) -> Child {
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().expect("started")
    }

    /// Runs it to its end.
    #[must_use]
    pub fn run(self) -> Finished {
        let started = Instant::now();
        let input = match &self.stdin {
            Input::Closed => Vec::new(),
            Input::Bytes(bytes) => bytes.clone(),
        };
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("piped");
        // A program that refuses its arguments does not read its input.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let (stdout, stderr) = (reader(child.stdout.take()), reader(child.stderr.take()));
        let status = loop {
            if let Some(status) = child.try_wait().expect("waited for") {
                break status;
            }
            if started.elapsed() > LIMIT {
                child.kill().expect("killed");
                let _ = child.wait();
                panic!("it hangs; stderr so far: {}", stderr.join().expect("read"));
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        let took = started.elapsed();
        writer.join().expect("written");
        Finished {
            stdout: stdout.join().expect("read"),
            stderr: stderr.join().expect("read"),
            code: status.code().unwrap_or(-1),
            took,
        }
    }
}

/// Where the embedded database unpacks itself: once for all tests of a run.
fn cache() -> PathBuf {
    std::env::temp_dir().join("quill-admin-test-cache")
}

fn reader(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    let mut pipe = pipe.expect("piped");
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("read");
        String::from_utf8(bytes).expect("text")
    })
}

impl Finished {
    /// Everything in one text, as a snapshot shows it.
    #[must_use]
    pub fn transcript(&self) -> String {
        crate::redact(&format!("{}--- stderr\n{}--- exit code {}", self.stdout, self.stderr, self.code))
    }

    /// The one document of `--json`.
    ///
    /// # Panics
    ///
    /// When stdout is anything else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in: {}", self.stdout))
    }

    /// Asserts the exit code, showing everything if it is another.
    ///
    /// # Panics
    ///
    /// When it is another.
    #[must_use]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
