//! Stdout and stderr: the only place where bytes leave this program.
//!
//! All text goes through [`paint::gate`] here. A write to stdout that fails is remembered, reported on stderr
//! at once, and makes [`end`] turn a success into [`ExitCode::OutputFailed`]. A reader that has gone away
//! (`| head`) does not count as a failure: it has read what it wanted.
//!
//! To add a way to write to stdout: a function beside [`to_stdout`], with the [`Unwritten`] that its text needs where
//! it cannot be written.

use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use quill_admin_contract::ExitCode;
use quill_admin_operations::error::CliError;
use tokio::sync::Notify;

use super::paint::{self, style};

/// The treatment of a text that cannot be written to stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unwritten {
    /// The same command can be run again, so the text is dropped.
    AskAgain,
    /// It explains why the command failed: it goes to stderr.
    Failure,
    /// It is the result of a command that must not be run again only to see it: it goes to stderr.
    Result,
    /// It holds a secret that exists nowhere else: it goes to stderr, even where the reader of stdout has
    /// gone away.
    Secret,
}

/// The state of stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stdout {
    Good,
    /// It seems to have been closed when the program was started.
    Nowhere,
    /// Nobody reads it any more.
    Closed,
    /// A write has failed.
    Failed,
}

/// The state of the one stdout that a process has.
static STDOUT: Mutex<Stdout> = Mutex::new(Stdout::Good);

/// Notifies those who wait in [`lost`].
static LOST: Notify = Notify::const_new();

/// Resolves when stdout takes nothing any more: its reader has gone, or a write has failed.
pub(super) async fn lost() {
    let mut notified = std::pin::pin!(LOST.notified());
    notified.as_mut().enable();
    if matches!(*state(), Stdout::Good | Stdout::Nowhere) {
        notified.await;
    }
}

/// The exit code of a program that would end with `code`: output that was not written means no success. It
/// asks once more whether everything has arrived, because a file system may report only then that it is full.
pub(super) fn end(code: u8) -> u8 {
    let mut state = state();
    if *state == Stdout::Good
        && let Err(error) = sys::sync_stdout()
    {
        *state = Stdout::Failed;
        to_stderr(&format!("{} failed to write to stdout: {error}\n", style("error:").red().bold()));
    }
    if code == 0 && *state == Stdout::Failed { ExitCode::OutputFailed.code() } else { code }
}

fn state() -> std::sync::MutexGuard<'static, Stdout> {
    STDOUT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this program was started with stdout closed. That does not change, so it is asked once.
static WAS_CLOSED: LazyLock<bool> = LazyLock::new(sys::stdout_was_closed);

/// Writes a text to stdout. After a failure nothing more is written there: the text that follows would look
/// as if nothing were missing before it.
pub(super) fn to_stdout(text: &str, unwritten: Unwritten) {
    let colours = console::colors_enabled();
    write(text, &paint::gate_with_links(text, colours, colours && *SHOWS_LINKS), unwritten);
}

/// Whether stdout is a terminal that shows links, as far as its variables say.
static SHOWS_LINKS: LazyLock<bool> =
    LazyLock::new(|| supports_hyperlinks::on(supports_hyperlinks::Stream::Stdout));

/// Writes a table that can be asked for again, as it is: its lines end as RFC 4180 has it. Its maker has made every
/// value in it safe for a terminal.
pub(super) fn table(text: &str) {
    write(text, text, Unwritten::AskAgain);
}

fn write(text: &str, gated: &str, unwritten: Unwritten) {
    let mut state = state();
    if *state == Stdout::Good && *WAS_CLOSED {
        *state = Stdout::Nowhere;
        let why = "stdout is closed, or /dev/null as if it were; what was to be written there is shown here:";
        to_stderr(&format!("{} {why}\n", style("warning:").yellow().bold()));
    }
    let written = match *state {
        Stdout::Nowhere => {
            to_stderr(text);
            return;
        }
        Stdout::Good => {
            let sync = matches!(unwritten, Unwritten::Result | Unwritten::Secret);
            sys::write_stdout(gated.as_bytes()).and_then(|()| if sync { sys::sync_stdout() } else { Ok(()) })
        }
        Stdout::Closed => Err(io::ErrorKind::BrokenPipe.into()),
        Stdout::Failed => {
            if unwritten != Unwritten::AskAgain {
                to_stderr(text);
            }
            return;
        }
    };
    let Err(error) = written else { return };
    LOST.notify_waiters();
    if error.kind() == io::ErrorKind::BrokenPipe {
        *state = Stdout::Closed;
        if unwritten == Unwritten::Secret {
            let why = "whoever read stdout has gone; this was to be written there, and is shown only now:";
            if write_stderr(&format!("{} {why}\n{text}", style("warning:").yellow().bold())).is_err() {
                *state = Stdout::Failed;
            }
        }
        return;
    }
    *state = Stdout::Failed;
    let next = match unwritten {
        Unwritten::AskAgain => "make room, or write to another place, and run the same command again",
        Unwritten::Failure => "read here what was to be written",
        Unwritten::Result | Unwritten::Secret => {
            "read here what was to be written: the command has run, and this is no reason to run it again"
        }
    };
    to_stderr(&format!(
        "{} failed to write to stdout: {error}\n{} {next}\n{}",
        style("error:").red().bold(),
        style(" next:").cyan(),
        if unwritten == Unwritten::AskAgain { "" } else { text }
    ));
}

/// Writes the answer to a shell that completes a line, as it is: its separators are control characters. A
/// shell would show a message in the middle of the line that is being typed, so a failure is not reported.
pub(super) fn answer(text: &str) {
    let mut state = state();
    if *state == Stdout::Good
        && let Err(error) = sys::write_stdout(text.as_bytes())
    {
        *state = if error.kind() == io::ErrorKind::BrokenPipe { Stdout::Closed } else { Stdout::Failed };
    }
}

/// Writes a text to stderr. Where that fails there is nobody left to tell.
pub(super) fn to_stderr(text: &str) {
    let _ = write_stderr(text);
}

fn write_stderr(text: &str) -> io::Result<()> {
    sys::write_stderr(paint::gate(text, console::colors_enabled_stderr()).as_bytes())
}

/// Whether stdout leads nowhere. What is written there then is shown on stderr.
pub(super) fn is_nowhere() -> bool {
    sys::stdout_is_nowhere()
}

/// Checks, before a secret is made, that it can be written to stdout. An open descriptor proves nothing
/// (`/dev/full`, a full disk, a reader that has gone), so a line break is written, which harms neither text
/// nor JSON.
pub(super) fn check_stdout() -> Result<(), CliError> {
    let lost = if sys::stdout_is_nowhere() {
        "stdout is closed or /dev/null".to_owned()
    } else if io::IsTerminal::is_terminal(&io::stdout()) {
        return Ok(());
    } else if let Err(error) = sys::write_stdout(b"\n") {
        format!("failed to write to stdout: {error}")
    } else {
        return Ok(());
    };
    // The document with this error goes to stderr then.
    *state() = Stdout::Failed;
    Err(CliError::new(
        ExitCode::OutputFailed,
        format!(
            "{lost}: the password that is generated, and shown only once, would be lost; nothing was started"
        ),
    )
    .hint("let stdout go to a terminal, or to a pipe or file that can be written"))
}

#[cfg(unix)]
mod sys {
    use std::io;
    use std::os::fd::BorrowedFd;

    use rustix::io::Errno;
    use rustix::{fs, stdio};

    pub(super) fn write_stdout(bytes: &[u8]) -> io::Result<()> {
        write(stdio::stdout(), bytes)
    }

    /// Waits until everything that was written has arrived, where stdout is a file.
    pub(super) fn sync_stdout() -> io::Result<()> {
        match fs::fstat(stdio::stdout()) {
            Ok(stat) if fs::FileType::from_raw_mode(stat.st_mode).is_file() => {
                match fs::fsync(stdio::stdout()) {
                    // Not every file system supports it, and it is of no use where nothing can be written.
                    Ok(()) | Err(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS | Errno::ROFS | Errno::BADF) => {
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                }
            }
            _ => Ok(()),
        }
    }

    pub(super) fn write_stderr(bytes: &[u8]) -> io::Result<()> {
        write(stdio::stderr(), bytes)
    }

    /// Writes without the standard library's stdout, which reports success for a descriptor that cannot be
    /// written to.
    fn write(to: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(to, bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::INTR) => {}
                // Another process that shares the pipe has made it non-blocking, and it is full: this waits
                // until it is read, as a blocking pipe would.
                Err(Errno::AGAIN) => std::thread::sleep(std::time::Duration::from_millis(2)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether stdout was closed when the program was started, as far as that can be known. The standard
    /// library opens `/dev/null` in its place before `main`, for reading and writing, while a shell with
    /// `>/dev/null` opens it for writing only. Some programs that start others, and ignore their output, open
    /// it for both, too.
    pub(super) fn stdout_was_closed() -> bool {
        stdout_is_nowhere()
            && fs::fcntl_getfl(stdio::stdout())
                .is_ok_and(|flags| flags & fs::OFlags::RWMODE == fs::OFlags::RDWR)
    }

    /// Whether stdout is `/dev/null`. A closed stdout has become that by now.
    pub(super) fn stdout_is_nowhere() -> bool {
        let Ok(nowhere) = fs::stat("/dev/null") else { return false };
        fs::fstat(stdio::stdout()).is_ok_and(|stat| {
            fs::FileType::from_raw_mode(stat.st_mode).is_char_device() && stat.st_rdev == nowhere.st_rdev
        })
    }
}

#[cfg(windows)]
mod sys {
    use std::fs::File;
    use std::io::{self, Write as _};
    use std::os::windows::io::AsHandle as _;

    /// Through the standard library, which translates for a console.
    pub(super) fn write_stdout(bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Waits until everything that was written has arrived, where stdout is a file.
    pub(super) fn sync_stdout() -> io::Result<()> {
        let Ok(handle) = io::stdout().as_handle().try_clone_to_owned() else { return Ok(()) };
        let file = File::from(handle);
        // A console and a pipe have no such metadata.
        if file.metadata().is_ok_and(|metadata| metadata.is_file()) { file.sync_all() } else { Ok(()) }
    }

    pub(super) fn write_stderr(bytes: &[u8]) -> io::Result<()> {
        io::stderr().lock().write_all(bytes)
    }

    /// Not known here: the standard library drops what is written to a closed stdout.
    pub(super) fn stdout_was_closed() -> bool {
        false
    }

    /// Not known here.
    pub(super) fn stdout_is_nowhere() -> bool {
        false
    }
}
