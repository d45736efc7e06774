//! A person at a terminal. Questions go to stderr, so that stdout stays clean for results.

use std::io;

use console::Term;
use dialoguer::theme::{ColorfulTheme, SimpleTheme, Theme};
use dialoguer::{Confirm, Input, Select};
use quill_admin_contract::{ExitCode, Secret};

use super::{Choice, Prompter};
use crate::error::CliError;

/// Asks at the terminal this process runs in.
pub struct Terminal {
    term: Term,
    theme: Box<dyn Theme + Send>,
}

impl Terminal {
    /// The process's own terminal.
    #[must_use]
    pub fn new() -> Self {
        let theme: Box<dyn Theme + Send> = if console::colors_enabled_stderr() {
            Box::new(ColorfulTheme::default())
        } else {
            Box::new(SimpleTheme)
        };
        Self { term: Term::stderr(), theme }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Self::new()
    }
}

impl Prompter for Terminal {
    fn text(
        &mut self,
        label: &str,
        check: &(dyn Fn(&str) -> Result<(), String> + Sync),
    ) -> Result<String, CliError> {
        Input::with_theme(&*self.theme)
            .with_prompt(label)
            .allow_empty(true) // an empty answer is refused by `check`, with its reason
            .validate_with(|text: &String| check(text))
            .interact_text_on(&self.term)
            .map_err(from_dialoguer)
    }

    fn secret(&mut self, label: &str) -> Result<Secret, CliError> {
        rpassword::prompt_password(format!("{label}: ")).map(Secret::new).map_err(|error| closed(&error))
    }

    fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError> {
        let width = choices.iter().map(|choice| choice.name.chars().count()).max().unwrap_or(0);
        let lines: Vec<String> = choices
            .iter()
            .map(|Choice { name, note }| format!("{name:width$}  {note}").trim_end().to_owned())
            .collect();
        Select::with_theme(&*self.theme)
            .with_prompt(label)
            .items(&lines)
            .default(0)
            .interact_on(&self.term)
            .map_err(from_dialoguer)
    }

    fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        Confirm::with_theme(&*self.theme)
            .with_prompt(question)
            .default(false)
            .interact_on(&self.term)
            .map_err(from_dialoguer)
    }

    fn say(&mut self, text: &str) {
        // A terminal that cannot be written to fails at the next question.
        let _ = self.term.write_line(&format!("  {text}"));
    }
}

fn from_dialoguer(dialoguer::Error::IO(error): dialoguer::Error) -> CliError {
    closed(&error)
}

fn closed(error: &io::Error) -> CliError {
    // A list hides the cursor and, interrupted, leaves it so.
    let _ = Term::stderr().show_cursor();
    if error.kind() == io::ErrorKind::Interrupted {
        return interrupted();
    }
    CliError::usage(format!("the terminal was closed at a question ({error}); nothing was started"))
}

/// Ctrl-C at a question.
pub(crate) fn interrupted() -> CliError {
    CliError::new(ExitCode::Interrupted, "interrupted; nothing was started")
}

/// How this program was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// By Ctrl-C: somebody is there, and can be asked what for.
    CtrlC,
    /// By the system, or with its terminal: there is nobody to ask.
    Ended,
}

/// Listens for Ctrl-C, and for whatever else tells a program to stop.
pub struct Interrupt {
    #[cfg(unix)]
    signals: [(Stop, Option<tokio::signal::unix::Signal>); 3],
}

impl Interrupt {
    /// Begins to listen, at once.
    #[must_use]
    pub fn listen() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            // Without a handler a signal ends the process by itself, which is second best.
            let listen = |stop, kind| (stop, signal(kind).ok());
            let signals = [
                listen(Stop::CtrlC, SignalKind::interrupt()),
                listen(Stop::Ended, SignalKind::terminate()),
                listen(Stop::Ended, SignalKind::hangup()),
            ];
            Self { signals }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Resolves at the next signal since it began to listen, or since the last one it told: none is
    /// lost while nobody waits.
    pub async fn wait(&mut self) -> Stop {
        #[cfg(unix)]
        return std::future::poll_fn(|context| {
            for (stop, signal) in &mut self.signals {
                if let Some(signal) = signal
                    && signal.poll_recv(context) == std::task::Poll::Ready(Some(()))
                {
                    return std::task::Poll::Ready(*stop);
                }
            }
            std::task::Poll::Pending
        })
        .await;
        #[cfg(not(unix))]
        {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            Stop::CtrlC
        }
    }
}

/// The next line a person types. Dropping it leaves the line to whoever reads next: it is read on a
/// thread of its own, which nothing waits for.
pub(crate) async fn line() -> String {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        // A terminal that is gone says nothing.
        let _ = io::stdin().read_line(&mut line);
        let _ = send.send(line);
    });
    receive.await.unwrap_or_default()
}

/// The time in which questions are asked. While it lasts, Ctrl-C puts the terminal back the way it
/// was found (a question that is interrupted leaves it without echo or cursor) and ends the program.
pub struct Questions(tokio::task::JoinHandle<()>);

impl Questions {
    /// Begins it; `report` tells the error and gives the exit code.
    pub fn begin(report: impl FnOnce(&CliError) -> u8 + Send + 'static) -> Self {
        #[cfg(unix)]
        let saved = rustix::termios::tcgetattr(rustix::stdio::stdin()).ok();
        // Made before the first question is seen: from here on no Ctrl-C ends the process by itself.
        let mut interrupt = Interrupt::listen();
        Self(tokio::spawn(async move {
            interrupt.wait().await;
            let term = Term::stderr();
            // Away from a half-typed answer.
            let _ = term.write_line("");
            let code = report(&interrupted());
            // Last of all: the thread that asks may be about to hide both. It cannot be woken up, so
            // the process has to end from here.
            #[cfg(unix)]
            if let Some(saved) = saved {
                use rustix::termios::{OptionalActions, tcsetattr};
                let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &saved);
            }
            let _ = term.show_cursor();
            std::process::exit(i32::from(code));
        }))
    }

    /// Ends it: from now on whoever runs something deals with Ctrl-C.
    pub fn end(&self) {
        self.0.abort();
    }
}
