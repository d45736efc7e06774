//! Runs a program in a terminal, and types into it.
//!
//! ```no_run
//! # use quill_admin_testkit::home::Home;
//! let home = Home::with_environments();
//! let mut terminal = home.quill_admin(["create-superadmin", "--env", "local"]).terminal();
//! terminal.expect("Username");
//! terminal.type_line("steve.jones");
//! terminal.expect("Password");
//! terminal.type_hidden("correct horse battery staple");
//! let ended = terminal.wait();
//! assert_eq!(ended.code(), 0, "{}", ended.transcript);
//! ```
//!
//! To add a key: a method of [`Terminal`] that types its bytes.

use std::{
    io::{Read, Write},
    process::{Child, ExitStatus},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use pty_process::{
    Size,
    blocking::{Command, Pty},
};
use rustix::termios::{LocalModes, tcgetattr};

/// A running program and its terminal.
pub struct Terminal {
    pty: Arc<Pty>,
    child: Child,
    output: Arc<Output>,
    /// Length of the visible text that earlier expectations have consumed.
    seen: usize,
    limit: Duration,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// The end of a program in a terminal.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Everything that appeared in the terminal, byte by byte, including echoed input.
    pub transcript: String,
}

impl Ended {
    /// The exit code. Panics where a signal ended the program.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("ended by {}\n{}", self.status, self.transcript))
    }

    /// The transcript without colours and cursor movements.
    #[must_use]
    pub fn text(&self) -> String {
        visible(self.transcript.as_bytes())
    }
}

#[derive(Default)]
struct Output {
    so_far: Mutex<SoFar>,
    more: Condvar,
}

#[derive(Default)]
struct SoFar {
    bytes: Vec<u8>,
    ended: bool,
}

impl Terminal {
    /// Starts a program in a terminal of this many columns and rows. Every wait on it ends after
    /// `limit`, with a panic that shows the transcript.
    #[must_use]
    pub fn spawn(command: Command, (columns, rows): (u16, u16), limit: Duration) -> Self {
        let (pty, pts) = pty_process::blocking::open().expect("open a terminal");
        pty.resize(Size::new(rows, columns)).expect("size a terminal");
        let child = command.spawn(pts).unwrap_or_else(|error| panic!("failed to start the program: {error}"));
        let pty = Arc::new(pty);
        let output = Arc::new(Output::default());
        let (reader, sink) = (Arc::clone(&pty), Arc::clone(&output));
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                // When the last process has closed the terminal, Linux returns an error.
                let count = (&*reader).read(&mut buffer).unwrap_or(0);
                let mut so_far = sink.lock();
                so_far.bytes.extend_from_slice(&buffer[..count]);
                so_far.ended = count == 0;
                sink.more.notify_all();
                if so_far.ended {
                    return;
                }
            }
        });
        Self { pty, child, output, seen: 0, limit }
    }

    /// Waits until a text appears after the text that earlier calls have waited for. Colours and cursor
    /// movements are ignored.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + self.limit;
        let mut so_far = self.output.lock();
        loop {
            let shown = visible(&so_far.bytes);
            if let Some(at) = shown.get(self.seen..).and_then(|rest| rest.find(text)) {
                self.seen += at + text.len();
                drop(so_far);
                return self;
            }
            assert!(!so_far.ended, "the program has ended without showing {text:?}:\n{shown}");
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{text:?} has not appeared within {:?}:\n{shown}", self.limit);
            (so_far, _) = self.output.more.wait_timeout(so_far, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Types a text, without Enter.
    #[track_caller]
    pub fn type_text(&mut self, text: &str) -> &mut Self {
        (&*self.pty).write_all(text.as_bytes()).expect("type");
        self
    }

    /// Types a text and Enter.
    #[track_caller]
    pub fn type_line(&mut self, text: &str) -> &mut Self {
        self.type_text(text).enter()
    }

    /// Types a text and Enter once the terminal does not echo any more. Panics if it still does.
    #[track_caller]
    pub fn type_hidden(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + self.limit;
        // The program does not report that it has switched the echo off, so the terminal is polled.
        while tcgetattr(&*self.pty).expect("look at the terminal").local_modes.contains(LocalModes::ECHO) {
            assert!(
                Instant::now() < deadline,
                "the terminal still shows what is typed:\n{}",
                visible(&self.output.lock().bytes)
            );
            thread::sleep(Duration::from_millis(2));
        }
        self.type_line(text)
    }

    /// Presses Enter.
    #[track_caller]
    pub fn enter(&mut self) -> &mut Self {
        self.type_text("\r")
    }

    /// Presses the arrow key down.
    #[track_caller]
    pub fn down(&mut self) -> &mut Self {
        self.type_text("\x1b[B")
    }

    /// Presses the arrow key up.
    #[track_caller]
    pub fn up(&mut self) -> &mut Self {
        self.type_text("\x1b[A")
    }

    /// Presses Ctrl-C.
    #[track_caller]
    pub fn ctrl_c(&mut self) -> &mut Self {
        self.type_text("\x03")
    }

    /// Presses Ctrl-D: the end of the input, at the beginning of a line.
    #[track_caller]
    pub fn ctrl_d(&mut self) -> &mut Self {
        self.type_text("\x04")
    }

    /// The text that has appeared so far, without colours and cursor movements.
    #[must_use]
    pub fn text(&self) -> String {
        visible(&self.output.lock().bytes)
    }

    /// Everything that has appeared so far, byte by byte.
    #[must_use]
    pub fn transcript(&self) -> String {
        String::from_utf8_lossy(&self.output.lock().bytes).into_owned()
    }

    /// The id of the process, to send it signals.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program's end.
    #[must_use]
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + self.limit;
        let mut so_far = self.output.lock();
        while !so_far.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "the program has not ended within {:?}:\n{}",
                self.limit,
                visible(&so_far.bytes)
            );
            (so_far, _) = self.output.more.wait_timeout(so_far, left).unwrap_or_else(PoisonError::into_inner);
        }
        let transcript = String::from_utf8_lossy(&so_far.bytes).into_owned();
        drop(so_far);
        // The program has closed its terminal, so this takes moments.
        let status = self.child.wait().expect("wait for the program");
        Ended { status, transcript }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only after a failed test there is still a process to kill.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, SoFar> {
        self.so_far.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn visible(bytes: &[u8]) -> String {
    console::strip_ansi_codes(&String::from_utf8_lossy(bytes)).into_owned()
}
