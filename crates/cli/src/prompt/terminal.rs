//! A person at a terminal. Questions go to stderr, so that stdout holds only results.
//!
//! Each question first drops what was typed before it was visible: type-ahead, the further lines of a paste,
//! a key that was held down. So no answer is taken for a question that had not been asked.
//!
//! To add a kind of question: a method of `Prompter` for [`Terminal`], as `mod.rs` says. To change how every question
//! begins: `begin_question`.

use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use console::{StyledObject, Term, measure_text_width, style, truncate_str};
use quill_admin_contract::invisible::shown;
use quill_admin_contract::{ExitCode, Secret};
use quill_admin_operations::error::CliError;
use zeroize::Zeroizing;

use super::edit::{Hidden, Line};
use super::keys::{Decoder, Key};
use super::list::{List, Step};
use super::prompter::{Choice, Prompter};
use super::region::{Region, columns};
use super::signals::{self, Signal, Stop};
use super::tty;
use crate::report::symbols::{self, KEYS};
use crate::wrap;

/// Asks at the terminal that this process runs in.
pub struct Terminal {
    pub(super) term: Term,
    decoder: Decoder,
    /// Whether the terminal cannot move its cursor: then `dumb.rs` asks.
    dumb: bool,
    /// Whether to use colours and signs, or plain text alone.
    colours: bool,
    /// Whether a question was asked before: text that was meant for it may still arrive.
    asked: bool,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

/// The longest wait for a pause in typing: a key may be held down, or a program may type by itself.
const QUIET_WITHIN: Duration = Duration::from_secs(1);
/// The least columns for an answer behind its question.
const ROOM: usize = 8;
const DROPPED: &str = "what was typed before this question was not taken";

impl Terminal {
    /// The process's own terminal, where a person can be asked: stdin and stderr are terminals.
    #[must_use]
    pub fn find() -> Option<Self> {
        let is_there = io::stdin().is_terminal() && io::stderr().is_terminal();
        is_there.then(|| Self {
            term: Term::buffered_stderr(),
            decoder: Decoder::new(),
            dumb: console::is_dumb(),
            colours: console::colors_enabled_stderr(),
            asked: false,
        })
    }

    /// The next key. Ctrl-C is not a key: it is a signal, and ends the program elsewhere.
    pub(super) fn key(&mut self) -> io::Result<Key> {
        let mut bytes = Zeroizing::new([0; 1024]);
        let mut pause = false;
        loop {
            if let Some(key) = self.decoder.next(pause) {
                if key == Key::Suspend {
                    self.suspend()?;
                }
                return Ok(key);
            }
            let room = self.decoder.room().min(bytes.len());
            let count = tty::read(&mut bytes[..room])?;
            self.decoder.feed(&bytes[..count]);
            pause = count == 0;
        }
    }

    /// Stops the program until it is continued; the question's line is left as it is.
    fn suspend(&self) -> io::Result<()> {
        self.term.write_line("")?;
        self.term.flush()?;
        show_cursor(&self.term);
        tty::suspend()
    }

    /// Drops the text that was typed until now; returns whether there was any. After another question it
    /// waits for a moment in which nobody types: the lines of a paste arrive one after the other.
    fn settle(&mut self) -> io::Result<bool> {
        tty::hide()?;
        let mut dropped = tty::drain()?;
        dropped |= self.decoder.clear();
        if !std::mem::replace(&mut self.asked, true) {
            return Ok(dropped);
        }
        let deadline = Instant::now() + QUIET_WITHIN;
        let mut bytes = Zeroizing::new([0; 1024]);
        while tty::read(&mut *bytes)? > 0 {
            dropped = true;
            if Instant::now() > deadline {
                tty::forget_typed();
                break;
            }
        }
        Ok(dropped)
    }

    /// Settles, then shows why an answer was not taken, if one was not.
    pub(super) fn begin_question(&mut self, refusal: Option<&str>) -> io::Result<()> {
        let dropped = self.settle()?;
        for told in [refusal, dropped.then_some(DROPPED)].into_iter().flatten() {
            self.tell(told)?;
        }
        Ok(())
    }

    pub(super) fn tell(&self, text: &str) -> io::Result<()> {
        let text = shown(text);
        if self.colours {
            self.term.write_line(&format!("{} {}", sign(symbols::FAILED.text()).red(), sign(&text).red()))?;
        } else {
            self.term.write_line(&text)?;
        }
        self.term.flush()
    }

    /// A question in lines that the terminal does not break. There is room for an answer behind the last one.
    pub(super) fn head(&self, label: &str) -> Vec<String> {
        let label = &shown(label);
        if self.colours {
            let asks = format!("{} ", sign(symbols::ASKS.text()).black().bright());
            self.marked(&sign("?").yellow(), label, &asks, ROOM)
        } else {
            self.marked(&sign(""), &format!("{label}:"), "", ROOM)
        }
    }

    /// A text behind a sign, in lines that the terminal does not break. Its end stands behind the last line, where
    /// it and `room` more columns fit there, and on a line of its own otherwise.
    fn marked(&self, mark: &StyledObject<&str>, text: &str, end: &str, room: usize) -> Vec<String> {
        let indent = if self.colours { 2 } else { 0 };
        // A line as wide as the terminal would also take the next line.
        let width = columns(&self.term).saturating_sub(1 + indent);
        let broken = wrap::exactly(text, width);
        let needed = 1 + measure_text_width(end) + room;
        let fits = broken.last().is_some_and(|last| measure_text_width(last) + needed <= width);
        let bold = |line: &str| if self.colours { sign(line).bold().to_string() } else { line.to_owned() };
        let mut lines: Vec<String> =
            broken.iter().map(|line| format!("{:indent$}{}", "", bold(line))).collect();
        if self.colours {
            lines[0].replace_range(..indent, &format!("{mark} "));
        }
        match lines.last_mut() {
            Some(last) if fits => {
                last.push(' ');
                last.push_str(end);
            }
            _ => lines.push(format!("{:indent$}{end}", "")),
        }
        lines
    }

    /// Shows the question with its answer, in place of the question.
    fn answered(&self, label: &str, answer: &str) -> io::Result<()> {
        if self.dumb {
            // The answer stands behind its question already.
            return Ok(());
        }
        let (label, answer) = (&shown(label), shown(answer));
        let lines = if self.colours {
            let dot = sign(symbols::DOT.text()).black().bright();
            let end = format!("{dot} {}", sign(&answer).green());
            self.marked(&sign(symbols::DONE.text()).green(), label, &end, 0)
        } else {
            self.marked(&sign(""), &format!("{label}:"), &answer, 0)
        };
        self.term.write_line(&lines.join("\n"))?;
        self.term.flush()
    }

    /// Has a line typed, and removes the question again.
    fn typed(&mut self, label: &str) -> Result<String, Stopped> {
        if self.dumb {
            return self.typed_plainly(label);
        }
        let mut region = Region::default();
        let mut line = Line::default();
        loop {
            // The terminal may have another size by now.
            let mut lines = self.head(label);
            let last = lines.last().map_or(0, |last| measure_text_width(last));
            let (before, after) = line.visible(columns(&self.term).saturating_sub(last + 1).max(1));
            if let Some(last) = lines.last_mut() {
                last.push_str(&before);
                last.push_str(&after);
            }
            region.show(&self.term, lines, measure_text_width(&after))?;
            match self.key()? {
                Key::Enter => break,
                Key::Escape => return self.leave(),
                Key::EndOfInput if line.is_empty() => return self.leave(),
                Key::Pasted(Err(why)) => {
                    region.clear(&self.term)?;
                    self.tell(why)?;
                }
                // The shell has written below the question.
                Key::Suspend => region.forget(),
                key => line.press(&key),
            }
        }
        region.clear(&self.term)?;
        Ok(line.text())
    }

    /// Ends the line of a question that the person leaves, by Escape or by Ctrl-D where nothing was typed.
    pub(super) fn leave<T>(&self) -> Result<T, Stopped> {
        self.term.write_line("")?;
        self.term.flush()?;
        Err(Stopped::Left)
    }

    fn hidden(&mut self, label: &str) -> Result<Secret, Stopped> {
        let mut refusal = None;
        loop {
            // The terminal stops showing typed text before the question becomes visible.
            self.begin_question(refusal)?;
            self.ask_hidden(label)?;
            let mut text = Hidden::new();
            let refused = loop {
                match self.key()? {
                    Key::Enter => break None,
                    Key::Escape => return self.leave(),
                    Key::EndOfInput if text.is_empty() => return self.leave(),
                    Key::Pasted(Err(why)) => break Some(why),
                    Key::Suspend => self.ask_hidden(label)?,
                    key => text.press(&key),
                }
            };
            self.term.write_line("")?;
            self.term.flush()?;
            match refused.map_or_else(|| text.finish(), Err) {
                Ok(secret) => return Ok(secret),
                Err(why) => refusal = Some(why),
            }
        }
    }

    fn ask_hidden(&self, label: &str) -> io::Result<()> {
        self.term.write_str(&format!("{}: ", shown(label)))?;
        self.term.flush()
    }

    fn chosen(&mut self, label: &str, choices: &[Choice]) -> Result<usize, Stopped> {
        if self.dumb {
            return self.chosen_plainly(label, choices);
        }
        let width = choices.iter().map(|choice| measure_text_width(&shown(&choice.name))).max();
        let rows: Vec<String> = choices
            .iter()
            .map(|choice| {
                let name = shown(&choice.name);
                let gap = width.unwrap_or(0).saturating_sub(measure_text_width(&name));
                format!("{name}{}  {}", " ".repeat(gap), shown(&choice.note)).trim_end().to_owned()
            })
            .collect();
        let mut list = List::new(choices.iter().map(|choice| choice.name.as_str()));
        self.begin_question(None)?;
        self.term.hide_cursor()?;
        let mut told = None;
        let mut region = Region::default();
        loop {
            region.show(&self.term, self.drawn(label, &rows, &list, told), 0)?;
            let key = self.key()?;
            if key == Key::Suspend {
                // The shell has written below the list.
                self.term.hide_cursor()?;
                region.forget();
            }
            told = match &key {
                Key::Pasted(Err(why)) => Some(*why),
                _ => None,
            };
            let step = if key == Key::EndOfInput { Step::Left } else { list.press(&key) };
            match step {
                Step::Changed => {}
                Step::NotYet(instead) => told = Some(instead),
                Step::Taken(index) => {
                    region.clear(&self.term)?;
                    self.term.show_cursor()?;
                    self.answered(label, &rows[index])?;
                    return Ok(index);
                }
                Step::Left => {
                    self.term.show_cursor()?;
                    self.term.flush()?;
                    return Err(Stopped::Left);
                }
            }
        }
    }

    /// The lines of a list: the question with the filter, the entries that fit, and what can be done. The cursor
    /// stands below them.
    fn drawn(&self, label: &str, rows: &[String], list: &List, told: Option<&str>) -> Vec<String> {
        let height = usize::from(self.term.size().0);
        // A line as wide as the terminal would also take the next line.
        let width = columns(&self.term).saturating_sub(1);
        let fit = |text: &str| truncate_str(text, width, symbols::MORE.text()).into_owned();
        let mut lines = self.head(label);
        if let Some(last) = lines.last_mut() {
            *last = fit(format!("{last}{}", shown(list.filter())).trim_end());
        }
        let leave = if list.q_leaves() { "Esc or q leaves" } else { "Esc leaves" };
        let help = format!("{KEYS} or a name chooses, Enter takes it, {leave}");
        let below: Vec<String> = wrap::exactly(told.unwrap_or(&help), width.saturating_sub(2))
            .iter()
            .map(|line| match told {
                Some(_) if self.colours => format!("  {}", sign(line).yellow()),
                None if self.colours => format!("  {}", sign(line).dim()),
                _ => format!("  {line}"),
            })
            .collect();
        let matching = list.matching();
        // The line of the cursor, and one of what stood there before.
        let room = height.saturating_sub(lines.len() + below.len() + 2).max(1);
        let at = matching.iter().position(|index| Some(*index) == list.chosen()).unwrap_or(0);
        let first = at.saturating_sub(room - 1);
        for index in matching.iter().skip(first).take(room) {
            let row = fit(&format!("  {}", rows[*index]));
            let row = row.get(2..).unwrap_or_default();
            lines.push(match (Some(*index) == list.chosen(), self.colours) {
                (true, true) => format!("{} {}", sign(symbols::CHOSEN.text()).green(), sign(row).cyan()),
                (true, false) => format!("> {row}"),
                (false, _) => format!("  {row}"),
            });
        }
        lines.extend(below);
        lines.push(String::new());
        lines
    }
}

fn sign(text: &str) -> StyledObject<&str> {
    style(text).for_stderr()
}

/// The reason why there is no answer.
pub(super) enum Stopped {
    /// The person left, by Escape, q or Ctrl-D.
    Left,
    Failed(io::Error),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Stopped> for CliError {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Left => Self::new(ExitCode::Interrupted, "left at a question; nothing was started"),
            Stopped::Failed(error) => closed(&error),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        tty::restore();
    }
}

impl Prompter for Terminal {
    fn begin(&mut self) -> Result<(), CliError> {
        tty::hide().map_err(|error| closed(&error))
    }

    fn text(
        &mut self,
        label: &str,
        check: &(dyn Fn(&str) -> Result<(), String> + Sync),
    ) -> Result<String, CliError> {
        let mut refusal: Option<String> = None;
        loop {
            self.begin_question(refusal.as_deref()).map_err(|error| closed(&error))?;
            let text = self.typed(label)?;
            match check(&text) {
                Ok(()) => {
                    self.answered(label, &text).map_err(|error| closed(&error))?;
                    return Ok(text);
                }
                Err(why) => refusal = Some(why),
            }
        }
    }

    fn secret(&mut self, label: &str) -> Result<Secret, CliError> {
        Ok(self.hidden(label)?)
    }

    fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError> {
        Ok(self.chosen(label, choices)?)
    }

    fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        let label = format!("{question} [y/N]");
        let mut refusal = None;
        loop {
            self.begin_question(refusal).map_err(|error| closed(&error))?;
            let yes = match self.typed(&label)?.trim().to_lowercase().as_str() {
                "y" | "yes" => true,
                "" | "n" | "no" => false,
                _ => {
                    refusal = Some("answer with y or n, and Enter");
                    continue;
                }
            };
            self.answered(question, if yes { "yes" } else { "no" }).map_err(|error| closed(&error))?;
            return Ok(yes);
        }
    }

    fn say(&mut self, text: &str) {
        // A terminal that cannot be written to fails at the next question.
        let _ = self.tell(text);
    }
}

/// Shows the cursor, which a list hides, where there is one.
fn show_cursor(term: &Term) {
    if term.is_term() && !console::is_dumb() {
        let _ = term.show_cursor();
        let _ = term.flush();
    }
}

fn closed(error: &io::Error) -> CliError {
    // A list hides the cursor, and leaves it hidden when it is interrupted.
    show_cursor(&Term::stderr());
    if error.kind() == io::ErrorKind::Interrupted {
        return interrupted();
    }
    CliError::usage(format!("the terminal was closed at a question ({error}); nothing was started"))
}

/// The error of Ctrl-C at a question.
pub(crate) fn interrupted() -> CliError {
    CliError::interrupted("nothing was started")
}

/// Listens for Ctrl-C, and for the other signals that tell a program to stop.
pub struct Interrupt {
    signals: Vec<Signal>,
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupt").finish_non_exhaustive()
    }
}

impl Interrupt {
    /// Begins to listen at once.
    #[must_use]
    pub fn listen() -> Self {
        Self { signals: signals::listen() }
    }

    /// Resolves at the next signal since it began to listen, or since the last one that it returned. No signal
    /// is lost while nobody waits. Text that is written after this returns is visible.
    pub async fn wait(&mut self) -> Stop {
        let stop = std::future::poll_fn(|context| {
            for signal in &mut self.signals {
                if signal.has_come(context) {
                    return Poll::Ready(signal.stop);
                }
            }
            Poll::Pending
        })
        .await;
        if stop == Stop::CtrlC {
            tty::after_signal();
        }
        stop
    }
}

/// Reads the next line that a person types after `ask` has shown the question. When it is dropped, the line
/// goes to the next question: it is read on a thread of its own, which nothing waits for, and which reads nothing
/// before there is a line. Windows has no such look: there the thread keeps the line.
///
/// Text that was typed before is dropped, because it was not meant for this question. That happens before the
/// question is visible, so that no answer is dropped with it.
pub(crate) async fn line(ask: impl Fn()) -> String {
    tty::forget_typed();
    ask();
    let (send, receive) = tokio::sync::oneshot::channel::<String>();
    std::thread::spawn(move || {
        while !tty::has_input() {
            if send.is_closed() {
                return;
            }
        }
        if send.is_closed() {
            return;
        }
        let mut line = String::new();
        // A terminal that is gone gives nothing.
        let _ = io::stdin().read_line(&mut line);
        let _ = send.send(line);
    });
    tokio::select! {
        line = receive => line.unwrap_or_default(),
        // The shell has written over the question.
        () = signals::continued(ask) => String::new(),
    }
}

/// The time in which questions are asked. While it lasts, Ctrl-C restores the terminal (while questions are
/// asked it has no echo, and at a list no cursor) and ends the program.
pub struct Questions {
    listener: tokio::task::JoinHandle<()>,
    /// The part of the program that is responsible for Ctrl-C; the first that claims it keeps it.
    phase: Arc<AtomicU8>,
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

/// The phase in which questions are asked.
const ASKING: u8 = 0;
/// The phase after Ctrl-C was pressed at a question: the program is being ended.
const ENDING: u8 = 1;
/// The phase in which the guard of running work deals with Ctrl-C.
const RUNNING: u8 = 2;

impl Questions {
    /// Begins the time of questions; `report` shows the error, perhaps below a half-typed answer, and returns the
    /// exit code.
    pub fn begin(report: impl FnOnce(&CliError) -> u8 + Send + 'static) -> Self {
        // It listens before the first question is visible: from here on no Ctrl-C ends the process by itself.
        let mut interrupt = Interrupt::listen();
        let phase = Arc::new(AtomicU8::new(ASKING));
        let claimed = Arc::clone(&phase);
        let listener = tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.wait() => {}
                () = signals::continued(tty::continued) => {}
            }
            if claimed.compare_exchange(ASKING, ENDING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
                return;
            }
            let code = report(&interrupted());
            // The thread that asks cannot be woken up, so the process has to end from here. After this the
            // thread does not change the terminal any more.
            tty::close();
            show_cursor(&Term::stderr());
            std::process::exit(i32::from(code));
        });
        Self { listener, phase }
    }

    /// Ends the time of questions: from now on the guard of running work deals with Ctrl-C. It does not
    /// return when Ctrl-C came first: the program is being ended with the message that nothing was started,
    /// and nothing is.
    pub fn end(&self) {
        let was = self.phase.compare_exchange(ASKING, RUNNING, Ordering::SeqCst, Ordering::SeqCst);
        while was == Err(ENDING) {
            std::thread::park();
        }
        tty::restore();
        self.listener.abort();
    }
}
