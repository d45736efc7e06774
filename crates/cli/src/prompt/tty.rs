//! The terminal's mode while questions are asked, and the reads from it.
//!
//! From the moment it is known that something will be asked until the last answer, the terminal does not show
//! what is typed: each question shows its own answer. So text that is typed too early is not visible, and no
//! answer is kept in a buffer for a question that has not been asked.

use std::io;

/// How long a read waits for typed text, in tenths of a second: the least that a terminal can be told.
#[cfg(unix)]
const WAIT: u8 = 1;

#[cfg(unix)]
pub(super) use unix::{after_signal, close, continued, drain, forget_typed, hide, read, restore, suspend};

#[cfg(unix)]
mod unix {
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use console::Term;
    use rustix::io::Errno;
    use rustix::process::Signal;
    use rustix::stdio::{stderr, stdin};
    use rustix::termios::{
        LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
    };

    use zeroize::Zeroizing;

    use super::{WAIT, io};

    /// The mode of the one terminal. Whoever ends the program has to restore it.
    static MODE: Mutex<Mode> = Mutex::new(Mode::AsFound);

    enum Mode {
        AsFound,
        /// Questions are asked; holds the mode in which the terminal was found.
        Asking(Box<Termios>),
        /// The program is about to end: nothing changes the terminal any more.
        Closed,
    }

    fn mode() -> MutexGuard<'static, Mode> {
        MODE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the terminal from showing typed text, and from keeping it back until Enter. Ctrl-C still sends a
    /// signal. Text that was typed before can still be read.
    pub(in super::super) fn hide() -> io::Result<()> {
        let mut mode = mode();
        match *mode {
            Mode::Asking(_) => return Ok(()),
            Mode::Closed => return Err(io::ErrorKind::Interrupted.into()),
            Mode::AsFound => {}
        }
        let found = tcgetattr(stdin())?;
        let mut asking = found.clone();
        asking.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::IEXTEN);
        // Ctrl-Z is a key, so that the terminal is restored before the program stops, and has no echo again when
        // it goes on: see `suspend`.
        asking.special_codes[SpecialCodeIndex::VSUSP] = 0;
        asking.special_codes[SpecialCodeIndex::VMIN] = 0;
        asking.special_codes[SpecialCodeIndex::VTIME] = WAIT;
        tcsetattr(stdin(), OptionalActions::Now, &asking)?;
        *mode = Mode::Asking(Box::new(found));
        drop(mode);
        brackets("\x1b[?2004h");
        Ok(())
    }

    /// Restores the terminal, and drops text that nobody has read.
    pub(in super::super) fn restore() {
        put_back(Mode::AsFound);
    }

    /// Restores the terminal, and leaves it so for good.
    pub(in super::super) fn close() {
        put_back(Mode::Closed);
    }

    fn put_back(next: Mode) {
        let mut mode = mode();
        if let Mode::Asking(found) = std::mem::replace(&mut *mode, next) {
            brackets("\x1b[?2004l");
            // A terminal that is gone needs no restoring.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, &found);
        }
    }

    /// Switches the marking of pastes on or off; a terminal that does not support it ignores this.
    fn brackets(sequence: &str) {
        if !console::is_dumb() {
            let _ = Term::stderr().write_str(sequence);
        }
    }

    /// Reads and drops the text that was typed and not read; returns whether there was any.
    pub(in super::super) fn drain() -> io::Result<bool> {
        let asking = tcgetattr(stdin())?;
        let mut at_once = asking.clone();
        at_once.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Now, &at_once)?;
        let mut bytes = Zeroizing::new([0; 1024]);
        // Nobody types as fast as this reads.
        let count = rustix::io::retry_on_intr(|| rustix::io::read(stdin(), &mut *bytes));
        forget_typed();
        tcsetattr(stdin(), OptionalActions::Now, &asking)?;
        Ok(count.is_ok_and(|count| count > 0))
    }

    /// Drops the text that was typed and not read.
    pub(in super::super) fn forget_typed() {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// How often the program has been continued after a stop, and whoever waits for that.
    static CONTINUED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

    /// How long a stop is waited for. A program whose parent is no shell is not stopped by Ctrl-Z, and never
    /// continued.
    const STOPS_WITHIN: Duration = Duration::from_secs(1);

    /// Stops the program as Ctrl-Z does anywhere else, with the terminal as it was found, and returns when it is
    /// continued.
    pub(in super::super) fn suspend() -> io::Result<()> {
        let (continued, more) = (&CONTINUED.0, &CONTINUED.1);
        let before = *continued.lock().unwrap_or_else(PoisonError::into_inner);
        restore();
        // The whole job, as the terminal does it: a shell waits for the job's first process, such as cargo.
        rustix::process::kill_current_process_group(Signal::TSTP)?;
        // The signal may take effect a moment later, on another thread. Only what comes after it is a sign that
        // the program was continued.
        let now = continued.lock().unwrap_or_else(PoisonError::into_inner);
        drop(more.wait_timeout_while(now, STOPS_WITHIN, |now| *now == before));
        hide()
    }

    /// Notes that the program has been continued.
    pub(in super::super) fn continued() {
        *CONTINUED.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        CONTINUED.1.notify_all();
    }

    /// Waits until the terminal has handled the Ctrl-C that sent this program a signal.
    ///
    /// A terminal sends the signal first and then drops output that is not shown yet, as POSIX requires for
    /// ISIG without NOFLSH: text that a program on another core writes at once may be dropped with it. Linux
    /// holds the terminal's settings locked in the meantime (`isig` in `n_tty.c`), so a request for them is
    /// answered when it is over.
    pub(in super::super) fn after_signal() {
        // Where neither is a terminal, there is nothing to wait for.
        let _ = tcgetattr(stderr()).or_else(|_| tcgetattr(stdin()));
    }

    /// Reads typed text, without a buffer of the standard library's. Returns 0 where nothing was typed for a
    /// moment.
    pub(in super::super) fn read(bytes: &mut [u8]) -> io::Result<usize> {
        let wait = Duration::from_millis(100) * u32::from(WAIT);
        let started = Instant::now();
        loop {
            match rustix::io::read(stdin(), &mut *bytes) {
                // A terminal that is gone returns nothing, and returns at once.
                Ok(0) if started.elapsed() < wait / 2 && !bytes.is_empty() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                // Another process that shares this terminal has asked for reads that do not wait.
                Err(Errno::AGAIN) => {
                    std::thread::sleep(wait);
                    return Ok(0);
                }
                Err(error) => return Err(error.into()),
            }
            if matches!(*mode(), Mode::Closed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
    }
}

#[cfg(not(unix))]
pub(super) use other::{close, forget_typed, hide, read, restore};

/// Reads keys where a terminal has no lasting modes: the reader of `console` hides each key while it waits
/// for it.
#[cfg(not(unix))]
mod other {
    use console::{Key, Term};

    use super::io;

    pub(in super::super) fn hide() -> io::Result<()> {
        Ok(())
    }

    pub(in super::super) fn restore() {}

    pub(in super::super) fn close() {}

    pub(in super::super) fn forget_typed() {}

    pub(in super::super) fn read(bytes: &mut [u8]) -> io::Result<usize> {
        let mut character = [0; 4];
        let typed: &[u8] = match Term::stderr().read_key()? {
            Key::Char(typed) => typed.encode_utf8(&mut character).as_bytes(),
            Key::Enter => b"\r",
            Key::Escape => b"\x1b\x1b",
            Key::Backspace => b"\x7f",
            Key::Del => b"\x1b[3~",
            Key::ArrowUp => b"\x1b[A",
            Key::ArrowDown => b"\x1b[B",
            Key::ArrowRight => b"\x1b[C",
            Key::ArrowLeft => b"\x1b[D",
            Key::Home => b"\x1b[H",
            Key::End => b"\x1b[F",
            Key::CtrlC => return Err(io::ErrorKind::Interrupted.into()),
            _ => b"\0",
        };
        let count = typed.len().min(bytes.len());
        bytes[..count].copy_from_slice(&typed[..count]);
        Ok(count)
    }
}
