//! The journal of a bulk run: one JSON object on each line, appended and never changed. It is for the person alone
//! (0600), and what is in it is on the disk (fsync) before the next thing is done.
//!
//! Whoever starts the same command again with the same journal goes on with the run. A line that was not written to
//! its end is the last one, and is left out: what it would have said is found out again.
//!
//! To add an entry: its variant in [`Entry`], its method that appends it, and its arm in [`Journal::open`].

use std::collections::BTreeMap;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use quill_admin_contract::{ExitCode, Password, RequestId};
use quill_admin_files::{open_regular, read_opened};
use serde::{Deserialize, Serialize};

use crate::error::{CliError, advice, quoted};
use crate::own_file::folder_of;

/// The form of the file.
const FORMAT: u32 = 1;

/// The end of an error about what could not be written.
const FOUND_OUT_AGAIN: &str = "; what has become of the rows is found out again when you go on";

/// Largest journal that is read, in bytes.
const LARGEST: u64 = 64 << 20;

/// The subject of a bulk run. It is the first line of the journal, and stays the same for as long as the run takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The id of the run, from which the ids of its requests are made.
    pub run: RequestId,
    /// The name of the environment.
    pub environment: String,
    /// The job that does it, with project and region.
    pub job: String,
    /// The name of the action.
    pub action: String,
    /// The digest of the action.
    pub digest: String,
    /// Whether all rows are one transaction.
    pub atomic: bool,
    /// The source of the passwords of the rows.
    pub passwords: Passwords,
    /// The digest of the table: of its values without passwords.
    pub table: String,
}

/// The source of the passwords of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passwords {
    /// They were made, one for each row.
    Made,
    /// They are in the table.
    Given,
    /// There are none, or nobody knows them.
    None,
}

/// A row of the table, ready to be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number: the line of the table on which it begins. It is the same in the log, in records and in messages.
    pub row: u64,
    /// The values as they are sent, by the names of their variables; of a password its hash.
    pub values: BTreeMap<String, String>,
    /// The password that was made for it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "made")]
    pub password: Option<Password>,
}

/// The one place where a password is written to a file: the person's own, to whom it is told nowhere else.
mod made {
    use quill_admin_contract::{Password, Secret};
    use serde::{Deserialize as _, Deserializer, Serializer, de, ser};

    #[expect(clippy::ref_option, reason = "serde passes the field")]
    pub(super) fn serialize<S: Serializer>(password: &Option<Password>, to: S) -> Result<S::Ok, S::Error> {
        let password = password.as_ref().ok_or_else(|| ser::Error::custom("there is none"))?;
        to.serialize_str(password.expose())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Password>, D::Error> {
        let text = Secret::new(String::deserialize(from)?);
        Password::parse(text).map(Some).map_err(|_| de::Error::custom("it is no password"))
    }
}

/// A password may be in it, so that only the number is shown.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row").field("row", &self.row).finish_non_exhaustive()
    }
}

/// A part of the run that was about to be started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The number of the part, counted from 1.
    pub part: u64,
    /// The rows in it.
    pub rows: Vec<u64>,
    /// The etag of the job that the request carries.
    pub etag: String,
    /// The number of the job's executions before it.
    pub executions: i32,
    /// The time of it.
    pub at: Timestamp,
}

/// The outcome of a row that was not begun.
pub const NOT_BEGUN: &str = "not_begun";
/// The outcome of a row that was begun, and whose result was lost.
pub const UNKNOWN: &str = "unknown";

/// The result of a row, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The number of the row.
    pub row: u64,
    /// Its outcome in one word, such as `created`; `unknown` where it was begun and its result was lost.
    pub outcome: String,
    /// Its exit code; `None` where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The reason of a failure, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The transaction in which it was about to be saved, where its fate is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<i64>,
    /// The execution that did it.
    pub execution: String,
}

impl Known {
    /// Whether the row is done, and is not to be run again.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.exit_code == Some(ExitCode::Success.code())
    }
}

/// One line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Entry {
    QuillAdminResults {
        format: u32,
        header: Header,
    },
    Row(Row),
    /// All rows have been written.
    Rows(u64),
    Start(Start),
    Known(Known),
    /// A part is over, and what became of its rows is written.
    Ended(u64),
}

/// A journal: in a file, so that another process that opens it at the same time is refused, or not yet.
#[derive(Debug)]
pub struct Journal {
    file: Option<(PathBuf, File)>,
    header: Header,
    rows: Vec<Row>,
    known: BTreeMap<u64, Known>,
    last: Option<Start>,
    is_open: bool,
}

impl Journal {
    /// Makes a new journal with its rows, which is in no file: for previews and dry runs.
    #[must_use]
    pub const fn new(header: Header, rows: Vec<Row>) -> Self {
        Self { file: None, header, rows, known: BTreeMap::new(), last: None, is_open: false }
    }

    /// Writes a new journal to a file, and keeps everything in it from then on. One that is in a file stays there.
    ///
    /// # Errors
    ///
    /// Fails when the file is there already, and when it cannot be written; nothing was started then.
    pub fn keep_in(&mut self, path: &Path) -> Result<(), CliError> {
        if self.file.is_some() {
            return Ok(());
        }
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => CliError::usage(format!(
                "{} was made by somebody else in the meantime; nothing was started",
                path.display()
            )),
            _ => CliError::usage(format!("failed to write {}: {error}; nothing was started", path.display())),
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // It gets its name when it is whole: a journal that is there has all its rows. It is the person's alone
        // (0600).
        let made = tempfile::Builder::new().prefix(".quill-admin-").suffix(".part").tempfile_in(folder);
        let mut made = made.map_err(|error| failed(&error))?;
        let mut text = line(&Entry::QuillAdminResults { format: FORMAT, header: self.header.clone() });
        for row in &self.rows {
            text.push_str(&line(&Entry::Row(row.clone())));
        }
        text.push_str(&line(&Entry::Rows(self.rows.len() as u64)));
        for known in self.known.values() {
            text.push_str(&line(&Entry::Known(known.clone())));
        }
        if let Some(start) = self.open_part() {
            text.push_str(&line(&Entry::Start(start.clone())));
        }
        made.write_all(text.as_bytes())
            .and_then(|()| made.as_file().sync_all())
            .map_err(|error| failed(&error))?;
        let file = made.persist_noclobber(path).map_err(|error| failed(&error.error))?;
        lock(&file, path)?;
        // The name is on the disk, too. Not every system can do that with a folder.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        self.file = Some((path.to_owned(), file));
        Ok(())
    }

    /// Opens a journal that is there; `None` where there is none.
    ///
    /// # Errors
    ///
    /// Fails when the file is something else or damaged, when another process uses it, and when it cannot be read.
    pub fn open(path: &Path) -> Result<Option<Self>, CliError> {
        let failed = |why: String| CliError::usage(format!("{}: {why}; nothing was started", path.display()));
        let other = || {
            failed("it is no results file of this command".to_owned())
                .hint("name another file with --results")
        };
        // What it is is looked at without waiting for anything; it is read through the handle that is locked, since
        // on Windows no other one can read it then.
        let metadata = match open_regular(path) {
            Ok((_, metadata)) => metadata,
            Err(error) if error.is_missing() && folder_of(path).is_dir() => return Ok(None),
            Err(error) if error.is_missing() => {
                return Err(failed("there is no folder to make it in".to_owned()));
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.map_err(|error| failed(error.to_string()))?;
        lock(&file, path)?;
        let again = file.try_clone().map_err(|error| failed(error.to_string()))?;
        let bytes = read_opened(again, &metadata, LARGEST).map_err(|error| failed(error.to_string()))?;
        // A line without its end was not written to its end. It is taken off, so that the next one does not follow
        // it.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let text = std::str::from_utf8(&bytes[..whole]).map_err(|_| other())?;
        let mut lines = text.lines();
        let first = lines.next().and_then(|line| serde_json::from_str(line).ok());
        let Some(Entry::QuillAdminResults { format, header }) = first else { return Err(other()) };
        if others_can_read(&metadata) {
            return Err(failed("others can read it, and passwords may be in it".to_owned())
                .hint(advice("keep it to yourself", &format!("chmod 600 {}", quoted(path)))));
        }
        if format != FORMAT {
            return Err(failed(format!("it is of format {format}, which this quill-admin does not know"))
                .hint("go on with the quill-admin that has made it"));
        }
        let (mut rows, mut known, mut last, mut is_open) = (Vec::new(), BTreeMap::new(), None, false);
        let mut complete = false;
        for (place, line) in (2..).zip(lines) {
            let entry = serde_json::from_str(line);
            match entry.map_err(|_| failed(format!("line {place} of it is damaged")))? {
                Entry::QuillAdminResults { .. } => {
                    return Err(failed(format!("line {place} of it is damaged")));
                }
                Entry::Row(row) => rows.push(row),
                Entry::Rows(count) => complete = count == rows.len() as u64,
                Entry::Start(start) => (last, is_open) = (Some(start), true),
                Entry::Known(one) => drop(known.insert(one.row, one)),
                Entry::Ended(_) => is_open = false,
            }
        }
        if !complete {
            return Err(failed("rows of it are missing".to_owned()));
        }
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(|error| failed(error.to_string()))?;
        }
        file.seek(SeekFrom::End(0)).map_err(|error| failed(error.to_string()))?;
        Ok(Some(Self { file: Some((path.to_owned(), file)), header, rows, known, last, is_open }))
    }

    /// The subject of the run.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The path of the file, where it is in one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(|(path, _)| path.as_path())
    }

    /// All rows, in their order.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Whether a row may have been run, and nothing is known of that: its part was about to be started.
    #[must_use]
    pub fn may_be_done(&self, row: u64) -> bool {
        self.known(row).is_none() && self.open_part().is_some_and(|start| start.rows.contains(&row))
    }

    /// The result of a row, as far as it is known; `None` where the row was not begun.
    #[must_use]
    pub fn known(&self, row: u64) -> Option<&Known> {
        self.known.get(&row)
    }

    /// The part that was about to be started, and of which nothing more is known.
    #[must_use]
    pub fn open_part(&self) -> Option<&Start> {
        self.last.as_ref().filter(|_| self.is_open)
    }

    /// The number that the next part has.
    #[must_use]
    pub fn next_part(&self) -> u64 {
        self.last.as_ref().map_or(1, |start| start.part + 1)
    }

    /// Writes that a part is about to be started.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be written; then the part must not be started.
    pub fn starts(&mut self, start: Start) -> Result<(), CliError> {
        self.append(&line(&Entry::Start(start.clone())), "; nothing more was started")?;
        (self.last, self.is_open) = (Some(start), true);
        Ok(())
    }

    /// Writes what has become of rows of the last part, which is over.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be written. Nothing is lost: it is found out again by whoever goes on.
    pub fn ends(&mut self, known: Vec<Known>) -> Result<(), CliError> {
        let part = self.last.as_ref().map_or(0, |start| start.part);
        self.notes(known)?;
        self.append(&line(&Entry::Ended(part)), FOUND_OUT_AGAIN)?;
        self.is_open = false;
        Ok(())
    }

    /// Writes what is known of rows. The transaction of a row that is still not known is kept.
    ///
    /// # Errors
    ///
    /// Fails when it cannot be written. Nothing is lost: it is found out again by whoever goes on.
    pub fn notes(&mut self, mut known: Vec<Known>) -> Result<(), CliError> {
        for one in known.iter_mut().filter(|one| one.exit_code.is_none() && one.transaction.is_none()) {
            one.transaction = self.known.get(&one.row).and_then(|before| before.transaction);
        }
        let text: String = known.iter().map(|one| line(&Entry::Known(one.clone()))).collect();
        self.append(&text, FOUND_OUT_AGAIN)?;
        self.known.extend(known.into_iter().map(|one| (one.row, one)));
        Ok(())
    }

    fn append(&mut self, text: &str, then: &str) -> Result<(), CliError> {
        // Somebody may have deleted it, and it is the only place where the passwords are.
        if let Some((path, _)) = self.file.take_if(|(path, _)| !path.exists()) {
            self.keep_in(&path)?;
        }
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(|error| {
            CliError::new(
                ExitCode::OutputFailed,
                format!("failed to write {}: {error}{then}", path.display()),
            )
            .hint("make room, then run the same command again: it goes on where it is")
        })
    }
}

fn line(entry: &Entry) -> String {
    let mut line = serde_json::to_string(entry).expect("texts and numbers have JSON");
    line.push('\n');
    line
}

#[cfg(unix)]
fn others_can_read(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

/// On Windows the rights of the folder decide.
#[cfg(not(unix))]
const fn others_can_read(_: &Metadata) -> bool {
    false
}

/// Keeps other processes from using the file, for as long as it is open.
fn lock(file: &File, path: &Path) -> Result<(), CliError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(CliError::usage(format!(
            "{} is used by another quill-admin at this moment; nothing was started",
            path.display()
        ))
        .hint("wait until that has ended")),
        Err(TryLockError::Error(error)) => {
            Err(CliError::usage(format!("failed to lock {}: {error}; nothing was started", path.display())))
        }
    }
}
