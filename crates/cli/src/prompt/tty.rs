//! The terminal's mode while questions are asked, and what is read from it.
//!
//! From the moment it is known that something will be asked until the last answer is there, the terminal
//! does not show what is typed: each question shows its own answer. So nothing that is typed too early is
//! seen, and no answer is kept in a buffer for a question that has not been asked.

use std::io;

/// How long a read waits for somebody to type, in tenths of a second: the least a terminal can be told.
#[cfg(unix)]
const WAIT: u8 = 1;

#[cfg(unix)]
pub(super) use unix::{after_signal, close, drain, forget_typed, hide, read, restore};

#[cfg(unix)]
mod unix {
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use console::Term;
    use rustix::io::Errno;
    use rustix::stdio::{stderr, stdin};
    use rustix::termios::{
        LocalModes, OptionalActions, QueueSelector, SpecialCodeIndex, Termios, tcflush, tcgetattr, tcsetattr,
    };

    use zeroize::Zeroizing;

    use super::{WAIT, io};

    /// There is one terminal, and whoever ends the program has to put it back.
    static MODE: Mutex<Mode> = Mutex::new(Mode::AsFound);

    enum Mode {
        AsFound,
        /// Questions are asked; this is how it was found.
        Asking(Box<Termios>),
        /// The program is about to end: nothing changes the terminal any more.
        Closed,
    }

    fn mode() -> MutexGuard<'static, Mode> {
        MODE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the terminal from showing what is typed, and from keeping it back until Enter. Ctrl-C stays
    /// what it is. What is typed already can still be read.
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
        // Whoever brings a stopped program back gets the terminal as the shell has it, with echo.
        asking.special_codes[SpecialCodeIndex::VSUSP] = 0;
        asking.special_codes[SpecialCodeIndex::VMIN] = 0;
        asking.special_codes[SpecialCodeIndex::VTIME] = WAIT;
        tcsetattr(stdin(), OptionalActions::Now, &asking)?;
        *mode = Mode::Asking(Box::new(found));
        drop(mode);
        brackets("\x1b[?2004h");
        Ok(())
    }

    /// Puts the terminal back, without what nobody has read.
    pub(in super::super) fn restore() {
        put_back(Mode::AsFound);
    }

    /// The same, for good.
    pub(in super::super) fn close() {
        put_back(Mode::Closed);
    }

    fn put_back(next: Mode) {
        let mut mode = mode();
        if let Mode::Asking(found) = std::mem::replace(&mut *mode, next) {
            brackets("\x1b[?2004l");
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(stdin(), OptionalActions::Flush, &found);
        }
    }

    /// Has pastes marked as such, or not: a terminal that cannot do so ignores it.
    fn brackets(sequence: &str) {
        if !console::is_dumb() {
            let _ = Term::stderr().write_str(sequence);
        }
    }

    /// Reads and drops what was typed and not read; says whether there was anything.
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

    /// Drops what was typed and not read.
    pub(in super::super) fn forget_typed() {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// Waits until the terminal is done with the Ctrl-C that sent this program a signal.
    ///
    /// A terminal sends the signal first and then drops what was written and not shown yet, as POSIX has it
    /// for ISIG without NOFLSH: what a program on another core writes at once may be dropped with it. Linux
    /// holds the terminal's settings locked in the meantime (`isig` in `n_tty.c`), so that whoever asks for them
    /// gets an answer when it is over.
    pub(in super::super) fn after_signal() {
        // Where neither is a terminal there is nothing to wait for.
        let _ = tcgetattr(stderr()).or_else(|_| tcgetattr(stdin()));
    }

    /// Reads what was typed, without a buffer of the standard library's. 0 where nothing was for a
    /// moment.
    pub(in super::super) fn read(bytes: &mut [u8]) -> io::Result<usize> {
        let wait = Duration::from_millis(100) * u32::from(WAIT);
        let started = Instant::now();
        loop {
            match rustix::io::read(stdin(), &mut *bytes) {
                // A terminal that is gone says nothing, and says it at once.
                Ok(0) if started.elapsed() < wait / 2 && !bytes.is_empty() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                // Somebody else who has this terminal wants reads that do not wait.
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

/// Where a terminal has no modes that last, console's reader hides each key while it waits for it.
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
