//! The process that has the environment running, as the lock file names it.
//!
//! The note in that file counts only while the lock is held. What a killed process has left there is removed by the
//! next one that takes the lock, and can be read until then: so an address is believed only when it is read twice,
//! with a pause in between. The note holds no secret, but it says where the emulator listens, and user names and
//! password hashes are sent there. So an address is believed only in a file that nobody else could have written, of a
//! process that still runs.
//!
//! To add something to the note: its field in [`Note`] or in [`Serves`], with a default, since older versions write
//! none.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write as _};
use std::net::{Ipv4Addr, SocketAddr};

use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};

use crate::read::read_all;

/// The longest name of a command that is believed.
const LONGEST_COMMAND: usize = 60;

/// The note that a process leaves in the lock file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) process: u32,
    #[serde(default)]
    pub(crate) command: String,
    /// The place at which the environment is served to other commands, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serves: Option<Serves>,
}

/// The place at which a process serves the environment, and its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serves {
    /// The emulator's port on 127.0.0.1.
    pub(crate) port: u16,
    /// The digest of everything that its tasks depend on, see `LocalOptions::digest`.
    pub(crate) options: String,
}

impl Note {
    /// Reads a note. Versions before there were notes have written the number of the process only.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        if !content.is_empty() && content.iter().all(u8::is_ascii_digit) {
            let process = std::str::from_utf8(content).ok()?.parse().ok()?;
            return Some(Self { process, command: String::new(), serves: None });
        }
        serde_json::from_slice(content).ok()
    }

    /// Writes the note into the lock file, in place of the one that is there.
    pub(crate) fn write(&self, mut lock: &File) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        lock.seek(SeekFrom::Start(0))?;
        lock.write_all(&text)?;
        // A reader in between sees something that is no note, and looks again.
        lock.set_len(text.len() as u64)
    }
}

/// The process that has the environment running, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holder {
    /// Its id.
    pub process: Option<u32>,
    /// Its command, such as `create-superadmin`.
    pub command: Option<String>,
    serves: Option<Serves>,
}

impl Holder {
    /// Reads who holds the lock of this file, which another process has locked. While that process is about
    /// to write its note, nothing is known.
    pub(crate) fn of(lock: File) -> Self {
        let is_private = is_private(&lock);
        let Some(note) = read_all(lock).ok().and_then(|content| Note::read(&content)) else {
            return Self::default();
        };
        let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b" -".contains(&byte);
        let command =
            (1..=LONGEST_COMMAND).contains(&note.command.len()) && note.command.bytes().all(is_word);
        Self {
            serves: note.serves.filter(|_| is_private && runs(note.process)),
            command: command.then_some(note.command),
            process: Some(note.process),
        }
    }

    /// Whether it serves the environment to other commands, until it is told to end.
    #[must_use]
    pub const fn is_serving(&self) -> bool {
        self.serves.is_some()
    }

    /// The address of the emulator, and the digest of the options that it was started with.
    pub(crate) fn serves(&self) -> Option<(SocketAddr, &str)> {
        let serves = self.serves.as_ref()?;
        Some((SocketAddr::from((Ipv4Addr::LOCALHOST, serves.port)), &serves.options))
    }

    /// The process in words, as in "process 1234: create-superadmin"; empty if it is not known.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut words = String::new();
        if let Some(process) = self.process {
            let _ = write!(words, "process {process}");
            if let Some(command) = &self.command {
                let _ = write!(words, ": {command}");
            }
        }
        words
    }

    /// The process in words and in brackets, after a space.
    #[must_use]
    pub fn in_brackets(&self) -> String {
        let words = self.in_words();
        if words.is_empty() { words } else { format!(" ({words})") }
    }
}

/// Whether only this user can read and write a file, as the one that takes the lock has made it.
fn is_private(file: &File) -> bool {
    const OTHERS: u32 = 0o077;
    let own = rustix::process::geteuid().as_raw();
    rustix::fs::fstat(file).is_ok_and(|found| found.st_uid == own && found.st_mode & OTHERS == 0)
}

/// Whether there is a process with this number.
fn runs(process: u32) -> bool {
    let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) else { return false };
    // The file is this user's, and so is the process: one that may not be sent a signal is another one, which has got
    // the number since.
    test_kill_process(process).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn holder(content: &str, mode: u32) -> Holder {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        std::fs::write(&path, content).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
        Holder::of(File::open(path).expect("opened"))
    }

    #[test]
    fn an_address_is_believed_only_in_a_private_file_of_a_process_that_runs() {
        let note = |process: u32| {
            format!(
                r#"{{"process":{process},"command":"local serve","serves":{{"port":8085,"options":"a"}}}}"#
            )
        };
        let own = std::process::id();
        let served = holder(&note(own), 0o600);
        assert_eq!(served.serves(), Some((SocketAddr::from((Ipv4Addr::LOCALHOST, 8085)), "a")));
        assert_eq!(served.in_words(), format!("process {own}: local serve"));
        assert_eq!(holder(&note(own), 0o644).serves(), None);
        // No process has a number above four million.
        assert_eq!(holder(&note(2_000_000_000), 0o600).serves(), None);
    }

    #[test]
    fn what_is_no_note_says_nothing() {
        assert_eq!(holder("1234", 0o600).in_words(), "process 1234");
        for nothing in ["", "{\"process\":12", "rubbish", "[]"] {
            assert_eq!(holder(nothing, 0o600), Holder::default(), "{nothing}");
        }
        let hidden = holder(r#"{"process":1,"command":"a\u001b[31m"}"#, 0o600);
        assert_eq!(hidden.in_words(), "process 1");
    }
}
