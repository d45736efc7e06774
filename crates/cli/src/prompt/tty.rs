//! The terminal's mode while questions are asked, and the reads from it.
//!
//! From the moment it is known that something will be asked until the last answer, the terminal does not show
//! what is typed: each question shows its own answer. So text that is typed too early is not visible, and no
//! answer is kept in a buffer for a question that has not been asked.
//!
//! To change something for one system: the module of Unix or of Windows here, whose functions have the same names.

use std::io;

/// The time that a read waits for typed text, in tenths of a second: the least that a terminal of Unix can be told.
const WAIT: u8 = 1;

#[cfg(unix)]
pub(super) use unix::{
    after_signal, close, continued, drain, forget_typed, has_input, hide, read, restore, suspend,
};

#[cfg(unix)]
mod unix {
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
    use std::time::{Duration, Instant};

    use console::Term;
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
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

    /// Whether there is something to read, after waiting for it for a moment. A terminal that is gone has its end to
    /// be read.
    pub(in super::super) fn has_input() -> bool {
        let wait = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        let stdin = stdin();
        let mut ready = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut ready, Some(&wait)) {
            Ok(count) => count > 0,
            Err(Errno::INTR) => false,
            // It cannot be looked at, so it is read.
            Err(_) => true,
        }
    }

    /// Drops the text that was typed and not read.
    pub(in super::super) fn forget_typed() {
        let _ = tcflush(stdin(), QueueSelector::IFlush);
    }

    /// The number of times that the program has been continued after a stop, and the condition that those wait on who
    /// wait for the next.
    static CONTINUED: (Mutex<u64>, Condvar) = (Mutex::new(0), Condvar::new());

    /// The longest wait for a stop. A program whose parent is no shell is not stopped by Ctrl-Z, and never continued.
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

#[cfg(windows)]
pub(super) use windows::{after_signal, close, drain, forget_typed, has_input, hide, read, restore, suspend};

/// Reads the console's events. A console has no echo while events are read, so that no mode has to be changed and
/// restored: it would show typed text only to a program that asks for whole lines. Ctrl-C is still a signal.
#[cfg(windows)]
mod windows {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    use crossterm_winapi::{Console, Handle, HandleType, InputRecord, KeyEventRecord};

    use super::{WAIT, io};

    /// Whether the program is about to end.
    static CLOSED: AtomicBool = AtomicBool::new(false);

    /// The interval at which the console is asked for events: they can be waited for only together with those that
    /// are no keys.
    const ASKS_AGAIN: Duration = Duration::from_millis(10);

    /// Ctrl-C in a console that does not make it a signal.
    const CTRL_C: u16 = 0x03;
    /// The virtual keys with a meaning here (`WinUser.h`), as a terminal sends them. The first three usually come
    /// with their character, but not from every console.
    const SEQUENCES: [(u16, &[u8]); 10] = [
        (0x08, b"\x7f"),
        (0x0d, b"\r"),
        (0x1b, b"\x1b"),
        (0x23, b"\x1b[F"),
        (0x24, b"\x1b[H"),
        (0x25, b"\x1b[D"),
        (0x26, b"\x1b[A"),
        (0x27, b"\x1b[C"),
        (0x28, b"\x1b[B"),
        (0x2e, b"\x1b[3~"),
    ];
    /// The key Alt: a character that was entered with it, by its number, comes when it is released.
    const ALT: u16 = 0x12;

    fn console() -> io::Result<Console> {
        let console = Console::from(Handle::new(HandleType::InputHandle)?);
        console.number_of_console_input_events().map_err(|_| {
            let told = "questions need a console; a terminal of MSYS or Cygwin, such as Git Bash's, needs winpty before \
                        the command";
            io::Error::new(io::ErrorKind::Unsupported, told)
        })?;
        Ok(console)
    }

    /// Checks that there is a console to read from. Text that was typed before can still be read.
    pub(in super::super) fn hide() -> io::Result<()> {
        if CLOSED.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        console().map(drop)
    }

    /// Drops text that nobody has read.
    pub(in super::super) fn restore() {
        forget_typed();
    }

    /// Drops text that nobody has read, and reads nothing any more.
    pub(in super::super) fn close() {
        CLOSED.store(true, Ordering::SeqCst);
        forget_typed();
    }

    /// Reads and drops the text that was typed and not read; returns whether there was any.
    pub(in super::super) fn drain() -> io::Result<bool> {
        let console = console()?;
        let mut any = false;
        while let Some(event) = next(&console)? {
            any |= is_typed(&event);
        }
        Ok(any)
    }

    /// Drops the text that was typed and not read.
    pub(in super::super) fn forget_typed() {
        let _ = drain();
    }

    /// A line cannot be waited for without reading it.
    pub(in super::super) fn has_input() -> bool {
        true
    }

    /// Windows does not stop programs.
    pub(in super::super) fn suspend() -> io::Result<()> {
        hide()
    }

    /// A console drops no output at Ctrl-C.
    pub(in super::super) fn after_signal() {}

    /// Reads typed text. Returns 0 where nothing was typed for a moment.
    pub(in super::super) fn read(bytes: &mut [u8]) -> io::Result<usize> {
        let console = console()?;
        let until = Instant::now() + Duration::from_millis(100) * u32::from(WAIT);
        // The first half of a character that takes two events.
        let mut half = None;
        loop {
            if CLOSED.load(Ordering::SeqCst) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Some(event) = next(&console)? else {
                if Instant::now() >= until {
                    return Ok(0);
                }
                std::thread::sleep(ASKS_AGAIN);
                continue;
            };
            if !is_typed(&event) {
                continue;
            }
            if event.u_char == CTRL_C {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let mut character = [0; 4];
            let typed = match half.take() {
                _ if event.u_char == 0 => sequence(&event).unwrap_or_default(),
                first => match decoded(first, event.u_char) {
                    Some(typed) => typed.encode_utf8(&mut character).as_bytes(),
                    None => {
                        half = Some(event.u_char);
                        continue;
                    }
                },
            };
            let count = typed.len().min(bytes.len());
            bytes[..count].copy_from_slice(&typed[..count]);
            return Ok(count);
        }
    }

    /// The next event of a key, of those that are there.
    fn next(console: &Console) -> io::Result<Option<KeyEventRecord>> {
        while console.number_of_console_input_events()? > 0 {
            if let InputRecord::KeyEvent(event) = console.read_single_input_event()? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// Whether an event is a key with a meaning here, and not the release of one.
    fn is_typed(event: &KeyEventRecord) -> bool {
        let by_number = !event.key_down && event.virtual_key_code == ALT;
        if event.u_char == 0 {
            event.key_down && sequence(event).is_some()
        } else {
            event.key_down || by_number
        }
    }

    fn sequence(event: &KeyEventRecord) -> Option<&'static [u8]> {
        SEQUENCES.iter().find(|(key, _)| *key == event.virtual_key_code).map(|(_, sequence)| *sequence)
    }

    /// The character of an event, with the half that came before it; `None` where it is itself the first half.
    fn decoded(first: Option<u16>, unit: u16) -> Option<char> {
        let units = first.into_iter().chain([unit]);
        match char::decode_utf16(units).next()? {
            Ok(character) => Some(character),
            Err(_) if first.is_none() && (0xd800..0xdc00).contains(&unit) => None,
            Err(_) => Some(char::REPLACEMENT_CHARACTER),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_character_may_take_two_events() {
            assert_eq!(decoded(None, u16::from(b'a')), Some('a'));
            assert_eq!(decoded(None, 0xd83d), None);
            assert_eq!(decoded(Some(0xd83d), 0xde42), Some('\u{1f642}'));
            assert_eq!(decoded(Some(0xd83d), u16::from(b'a')), Some(char::REPLACEMENT_CHARACTER));
            assert_eq!(decoded(None, 0xde42), Some(char::REPLACEMENT_CHARACTER));
        }
    }
}
