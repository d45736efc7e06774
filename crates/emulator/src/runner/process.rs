//! The runner that starts programs of this machine in the place of containers.
//!
//! To refuse another variable that lets a process load other code: `LOADERS`, or `LOADER_FAMILIES` for a prefix. To
//! add a property of images: its field in [`ImageProgram`].

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::container::{Container, Exit, NotStarted};
use crate::logs::{LONGEST_LINE, Output, Stream};
use crate::stop::Stop;

/// Runs images as programs of this machine.
///
/// An image is found by its name without tag and digest, or by the end of that name at a slash:
/// a program for `admin` answers for `europe-west2-docker.pkg.dev/p/quill/admin:latest` too.
///
/// The process gets nothing of the emulator's environment: only the container's variables, those
/// of the image, and Cloud Run's own.
#[derive(Debug, Clone, Default)]
pub struct ProcessRunner {
    images: BTreeMap<String, ImageProgram>,
}

/// A program that stands in for an image, with the variables that the image would set.
#[derive(Debug, Clone, Default)]
pub struct ImageProgram {
    /// The program to start.
    pub program: PathBuf,
    /// Its first arguments, before the container's own.
    pub args: Vec<String>,
    /// Variables the image sets; the container's own win over them.
    pub env: Vec<(String, String)>,
    /// The path of the program in the image, where a container's command may name it.
    pub entry_point: Option<String>,
}

/// A `google.rpc.Code`.
const FAILED_PRECONDITION: i32 = 9;

impl ImageProgram {
    /// An image that is one program.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), ..Self::default() }
    }

    /// Adds an argument before the container's own.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Says where the program is in the image: a container's command that begins with this path runs it, with the
    /// rest of the command before the container's arguments.
    #[must_use]
    pub fn entry_point(mut self, path: impl Into<String>) -> Self {
        self.entry_point = Some(path.into());
        self
    }

    /// The arguments that a container's command has for the program; `None` where the command is another program's.
    fn command<'a>(&self, command: &'a [String]) -> Option<&'a [String]> {
        match command {
            [] => Some(&[]),
            [path, arguments @ ..] => (self.entry_point.as_ref() == Some(path)).then_some(arguments),
        }
    }

    /// Sets a variable, as an image's `ENV` does.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

/// Variables by which the dynamic linker, the C library or an interpreter loads code, whatever the
/// program is. In a container they reach that container's files only; here they would reach all of
/// this user's.
///
/// Sources: `ld.so(8)`, `dyld(1)`, `iconv(1)`, `bash(1)`, `zsh(1)`, `perlrun(1)`, Python's "Command
/// line and environment", Node.js's "Command-line API", `ruby(1)`, "The `JDK_JAVA_OPTIONS`
/// environment variable", `openssl-env(7)`, Lua's and .NET's manuals.
const LOADERS: &[&str] = &[
    "BASHOPTS",
    "BASH_ENV",
    "BUNDLE_GEMFILE",
    "CLASSPATH",
    "DOTNET_STARTUP_HOOKS",
    "ENV",
    "FPATH",
    "GCONV_PATH",
    "GEM_HOME",
    "GEM_PATH",
    "GLIBC_TUNABLES",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "LOCPATH",
    "NLSPATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "OPENSSL_CONF",
    "OPENSSL_ENGINES",
    "OPENSSL_MODULES",
    "PATH",
    "PERL5DB",
    "PERL5LIB",
    "PERL5OPT",
    "PERLLIB",
    "PROMPT_COMMAND",
    "PS4",
    "PYTHONBREAKPOINT",
    "PYTHONEXECUTABLE",
    "PYTHONHOME",
    "PYTHONINSPECT",
    "PYTHONPATH",
    "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX",
    "PYTHONSTARTUP",
    "PYTHONUSERBASE",
    "PYTHONWARNINGS",
    "RUBYLIB",
    "RUBYOPT",
    "SHELLOPTS",
    "ZDOTDIR",
    "_JAVA_OPTIONS",
];

/// Families of such variables, by how their names begin.
const LOADER_FAMILIES: &[&str] = &["LD_", "DYLD_", "BASH_FUNC_", "LUA_", "COR_", "CORECLR_"];

fn loads_code(name: &str) -> bool {
    LOADERS.contains(&name) || LOADER_FAMILIES.iter().any(|family| name.starts_with(family))
}

impl ProcessRunner {
    /// A runner that knows no image.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a program answer for an image.
    #[must_use]
    pub fn image(mut self, name: impl Into<String>, program: ImageProgram) -> Self {
        self.images.insert(name.into(), program);
        self
    }

    fn find(&self, image: &str) -> Option<&ImageProgram> {
        let name = without_version(image);
        self.images.get(name).or_else(|| {
            self.images
                .iter()
                .filter(|(known, _)| {
                    name.strip_suffix(known.as_str()).is_some_and(|rest| rest.ends_with('/'))
                })
                .max_by_key(|(known, _)| known.len())
                .map(|(_, program)| program)
        })
    }

    /// The first of these variables that would change which code the program is.
    pub(super) fn refused<'a>(env: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        env.into_iter().find(|name| loads_code(name))
    }

    pub(super) fn check(&self, container: &Container) -> Result<(), NotStarted> {
        if let Some(name) = Self::refused(container.env.iter().map(|(name, _)| name.as_str())) {
            return Err(NotStarted::internal(format!(
                "The emulator runs this image as a process of this machine: it does not set {name}, \
                 which can make the process load other code."
            )));
        }
        let Some(image) = self.find(&container.image) else {
            return Err(NotStarted::image_missing(&container.image));
        };
        if image.command(&container.command).is_some() { Ok(()) } else { Err(no_such_program()) }
    }

    pub(super) async fn run(
        &self,
        container: &Container,
        output: &Output,
        stop: &Stop,
        grace: Duration,
    ) -> Result<Exit, NotStarted> {
        let Some(image) = self.find(&container.image) else {
            return Err(NotStarted::image_missing(&container.image));
        };
        let own = image.command(&container.command).ok_or_else(no_such_program)?;
        let mut command = Command::new(&image.program);
        command
            .args(&image.args)
            .args(own)
            .args(&container.args)
            .env_clear()
            .envs(image.env.iter().map(|(name, value)| (name, value)))
            .envs(container.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Its own group: Ctrl-C in the emulator's terminal is not for the container, and what
            // the container leaves behind ends with it.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(folder) = &container.working_dir {
            command.current_dir(folder);
        }
        let mut child = match command.spawn() {
            Ok(child) => child,
            // The execution has started by then: only the task's result tells, without exit code and signal.
            Err(error) => {
                let program = image.program.display();
                let message = format!("Application failed to start: failed to run \"{program}\": {error}");
                return Ok(Exit::Status(FAILED_PRECONDITION, message));
            }
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());

        let end = async {
            let mut asked = false;
            let status = loop {
                tokio::select! {
                    status = child.wait() => break status,
                    () = stop.asked(), if !asked => {
                        asked = true;
                        signal(pid, Signal::TERM);
                    }
                    () = stop.insisted(grace), if asked => {
                        // Its error is that of a process that has just ended by itself.
                        drop(child.start_kill());
                        break child.wait().await;
                    }
                }
            };
            // Without this a grandchild that holds the pipes open would keep the task alive.
            if let Some(pid) = pid {
                let _ = kill_process_group(pid, Signal::KILL);
            }
            status
        };
        let (status, (), ()) =
            tokio::join!(end, pump(stdout, output, Stream::Stdout), pump(stderr, output, Stream::Stderr),);
        status.map(exit).map_err(|error| NotStarted::internal(format!("Lost track of the process: {error}.")))
    }
}

fn no_such_program() -> NotStarted {
    NotStarted::internal(
        "The emulator runs this image as a process: it has no file system in which the container's command could be \
         found. Leave the command out, begin it with the entry point that was declared for the image, or use Docker."
            .to_owned(),
    )
}

fn signal(pid: Option<Pid>, signal: Signal) {
    if let Some(pid) = pid {
        // It can have ended in this very moment; the wait says so.
        let _ = kill_process(pid, signal);
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// Hands a pipe's lines on until its end.
async fn pump(pipe: Option<impl AsyncRead + Unpin>, output: &Output, stream: Stream) {
    let Some(pipe) = pipe else { return };
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST_LINE as u64).read_until(b'\n', &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => output.line(stream, &String::from_utf8_lossy(&line)),
        }
    }
}

/// `host/name:tag@sha256:…` → `host/name`.
pub(crate) fn without_version(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    match name.rsplit_once(':') {
        // A colon before the last slash belongs to the registry's port.
        Some((name, tag)) if !tag.contains('/') => name,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_found_without_its_version() {
        for (image, name) in [
            ("admin", "admin"),
            ("admin:latest", "admin"),
            ("127.0.0.1:5000/admin", "127.0.0.1:5000/admin"),
            ("127.0.0.1:5000/admin:v1", "127.0.0.1:5000/admin"),
            ("h/p/admin:v1@sha256:00ff", "h/p/admin"),
            ("h/p/admin@sha256:00ff", "h/p/admin"),
        ] {
            assert_eq!(without_version(image), name);
        }
    }

    #[test]
    fn variables_that_load_code_are_known() {
        for name in ["LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "PYTHONPATH", "PATH"] {
            assert!(loads_code(name), "{name}");
        }
        for name in ["ADMIN_ACTION", "AUTH_DB_HOST", "PYTHONUNBUFFERED", "TZ", "LANG", "OLD_PATH"] {
            assert!(!loads_code(name), "{name}");
        }
    }

    #[test]
    fn the_longest_known_end_of_a_name_wins() {
        let runner = ProcessRunner::new()
            .image("admin", ImageProgram::new("short"))
            .image("quill/admin", ImageProgram::new("long"));
        let found = |image| runner.find(image).map(|image| image.program.clone());
        assert_eq!(found("h/quill/admin:1"), Some(PathBuf::from("long")));
        assert_eq!(found("h/other/admin"), Some(PathBuf::from("short")));
        assert_eq!(found("h/other/superadmin"), None);
    }
}
