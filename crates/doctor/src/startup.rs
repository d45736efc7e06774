//! The startup diagnosis: finds out from the last lines of its log why a revision of the backend did not
//! start.
//!
//! The application is Python: `entrypoint.sh` runs `alembic upgrade head`, then uvicorn. Their messages were
//! taken from Alembic 1.20, `SQLAlchemy` 2.1, psycopg 3.3 and 2.9, asyncpg 0.32 and uvicorn 0.54 against
//! PostgreSQL 15; Cloud Run's own lines are those that people quote in public reports. There is nothing but
//! texts: Cloud Run tells neither why a container ended nor where it listens.
//!
//! To add a cause: a variant of [`Cause`] with its words in `messages.rs`, the lines that prove it in
//! [`diagnose`] (in `platform.rs` where Cloud Run prints them, not the program), and a sample of the real
//! output in the tests.

mod messages;
mod platform;

use std::time::Duration;

use jiff::Timestamp;
use quill_admin_cloud::{LogEntry, LogExtent, LogSource, RevisionLog, StartupProbe};

use platform::{DEFAULT_PROBE, NotLoaded, is_not_listening, not_loaded, signal, wants_another_platform};
use quill_admin_operations::admin_image::recognise::{self, Sign};

/// The known facts about a revision that did not become ready.
#[derive(Debug, Clone, Copy)]
pub struct Startup<'a> {
    /// The end of its log; `None` where the log could not be read.
    pub log: Option<&'a RevisionLog>,
    /// The reason that Cloud Run gives.
    pub reason: &'a str,
    /// The sign by which its image is the admin image, where it is.
    pub admin_image: Option<Sign>,
    /// The settings of its startup probe, where they are known.
    pub probe: Option<&'a StartupProbe>,
    /// The port that requests go to, where it is known.
    pub port: Option<u16>,
}

/// A cause, and the lines that prove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// The reason why it did not start.
    pub cause: Cause,
    /// The lines that prove it, as they were written, without those that may hold somebody's data or a
    /// secret. Where the cause is not known, they are the last ones.
    pub evidence: Vec<String>,
}

/// The reason why a revision did not start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It runs the admin image, which is no server.
    AdminImage,
    /// Its image is for another kind of processor.
    Platform,
    /// Its entry point cannot be started.
    EntryPoint {
        /// The program.
        program: String,
        /// The reason, as the system words it.
        why: NotLoaded,
    },
    /// A migration of the database failed.
    Migration(Migration),
    /// The database cannot be used.
    Database(Database),
    /// It used more memory than it has.
    OutOfMemory,
    /// It listens at another address than the one that is probed.
    PortMismatch {
        /// The address that it listens at, according to its own log.
        listens: String,
        /// The port that is probed.
        probed: u16,
    },
    /// It listens, and answers the probe with an error.
    Unhealthy {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// It was still starting when it was given up.
    SlowStart {
        /// The time from its first line to the failure of the probe.
        took: Duration,
        /// The time that the probe allows.
        allowed: Duration,
    },
    /// The program ended.
    Crash {
        /// Its exit code.
        exit: i32,
    },
    /// The last thing that the program printed is an error of its own. Nothing says that it ended.
    Error,
    /// The program was killed by a signal.
    Killed {
        /// The signal's number.
        signal: i32,
    },
    /// It did not listen on the port in time; the log does not say why.
    NotListening {
        /// The port, where Cloud Run tells.
        port: Option<u16>,
    },
    /// No container was started at all; Cloud Run says why.
    NoContainer,
    /// The log does not say why.
    Unknown {
        /// How much of the log that is; `None` where it could not be read.
        read: Option<LogExtent>,
    },
}

/// The way in which a migration failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migration {
    /// The database is at a revision that the image does not have.
    UnknownRevision,
    /// Two migrations claim to be the last.
    SeveralHeads,
    /// A migration builds on one that is not there.
    MissingParent,
    /// Another session held a lock for too long.
    Locked,
    /// The database refused a statement.
    Refused,
    /// The migration's own code failed.
    Code,
    /// Alembic stopped for another reason.
    Other,
}

/// The reason why the application cannot use its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Nothing listens at the address.
    ConnectionRefused,
    /// No answer came.
    TimedOut,
    /// The name has no address.
    UnknownHost,
    /// The password is wrong.
    Password,
    /// The server wants TLS.
    TlsRequired,
    /// The server has no TLS, or its certificate is not trusted.
    TlsFailed,
    /// The server accepts no connections from that address or user.
    NotLetIn,
    /// There is no such database or user.
    Missing,
    /// All connections are taken.
    TooManyConnections,
    /// The server is starting or stopping, or closed the connection.
    NotUp,
}

/// Messages of clients about a database that cannot be used. The first match counts.
const DATABASE: &[(&str, Database)] = &[
    ("password authentication failed for user", Database::Password),
    ("no password supplied", Database::Password),
    ("server does not support SSL, but SSL was required", Database::TlsFailed),
    ("rejected SSL upgrade", Database::TlsFailed),
    ("root certificate file", Database::TlsFailed),
    ("certificate verify failed", Database::TlsFailed),
    ("SSL error:", Database::TlsFailed),
    ("connection requires a valid client certificate", Database::TlsFailed),
    ("sorry, too many clients already", Database::TooManyConnections),
    ("remaining connection slots are reserved", Database::TooManyConnections),
    ("QueuePool limit of size", Database::TooManyConnections),
    ("the database system is starting up", Database::NotUp),
    ("the database system is shutting down", Database::NotUp),
    ("server closed the connection unexpectedly", Database::NotUp),
    ("could not translate host name", Database::UnknownHost),
    ("failed to resolve host", Database::UnknownHost),
    ("connection timeout expired", Database::TimedOut),
];

/// The reasons that libpq gives after the address it tried.
const CONNECTION: &[(&str, Database)] = &[
    ("Connection refused", Database::ConnectionRefused),
    ("timeout expired", Database::TimedOut),
    ("Connection timed out", Database::TimedOut),
    ("No route to host", Database::TimedOut),
    ("Network is unreachable", Database::TimedOut),
];

/// Errors of Python that concern the database only if one of its clients made the connection.
const PYTHON: &[(&str, Database)] = &[
    ("ConnectionRefusedError", Database::ConnectionRefused),
    ("Connect call failed", Database::ConnectionRefused),
    ("socket.gaierror", Database::UnknownHost),
    ("TimeoutError", Database::TimedOut),
];

/// Names in the frames of a trace that went through a client of PostgreSQL.
const CLIENTS: &[&str] = &["/asyncpg/", "/psycopg/", "/psycopg2/", "/sqlalchemy/"];

/// Errors of a statement that waited for another session.
const LOCKED: &[&str] = &[
    "LockNotAvailable",
    "canceling statement due to lock timeout",
    "canceling statement due to statement timeout",
    "deadlock detected",
];

/// What programs print when they end after an error: shells, uvicorn and gunicorn.
const LAST_WORDS: &[&str] = &[
    "giving up",
    "gave up",
    "exiting",
    "exited",
    "aborting",
    "shutting down",
    "shutdown",
    "startup failed",
    "failed to boot",
    "migration failed",
    "migrations failed",
];

const TRACEBACK: &str = "Traceback (most recent call last):";
/// The number of lines of evidence at most, so that it can be read at a glance.
const EVIDENCE_LINES: usize = 8;
/// The number of lines of an error's message that are shown after the first.
const MESSAGE_LINES: usize = 4;
/// The number of lines that are shown where none of them proves a cause.
const LAST_LINES: usize = 4;
const EVIDENCE_WIDTH: usize = 240;
/// The part of the time allowed by a probe that must have passed for slowness to be the cause.
const SLOW_PART: f64 = 0.8;

/// Finds out why a revision did not start.
#[must_use]
pub fn diagnose(startup: &Startup<'_>) -> Diagnosis {
    let lines = lines(startup.log.map(|log| log.entries.as_slice()).unwrap_or_default());
    if let Some(line) = lines.iter().rev().find(|line| recognise::by_line(line.text).is_some()) {
        return Diagnosis { cause: Cause::AdminImage, evidence: shown(&[line]) };
    }
    if let Some(sign) = startup.admin_image {
        return Diagnosis { cause: Cause::AdminImage, evidence: vec![sign.to_string()] };
    }
    // A container is started again and again, and only the last attempt counts. A line out of order can look
    // like an attempt of its own, so everything is examined a second time.
    let last = &lines[last_attempt(&lines)..];
    let found = attempt(startup, last).or_else(|| attempt(startup, &lines));
    found.unwrap_or_else(|| {
        let said = startup.reason.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        // The reason has the words of a line of the log, where Cloud Run gives it at all.
        let told = if wants_another_platform(said) { Some(Cause::Platform) } else { by_platform(said) };
        if let Some(cause) = told {
            return Diagnosis { cause, evidence: vec![safe(said)] };
        }
        // Both messages concern a container that ran: its last lines are the only evidence.
        let ran = is_not_listening(said);
        let read = startup.log.map(|log| log.extent);
        let is_silent = read == Some(LogExtent::Whole) && !lines.iter().any(Line::is_container);
        if !ran && is_silent && !said.is_empty() && !said.contains("probe") {
            return Diagnosis { cause: Cause::NoContainer, evidence: vec![safe(said)] };
        }
        let cause = if ran {
            Cause::NotListening { port: number_after(said, "PORT=").or(startup.port) }
        } else {
            Cause::Unknown { read }
        };
        let from = last.len().saturating_sub(LAST_LINES);
        Diagnosis { cause, evidence: shown(&last[from..].iter().collect::<Vec<_>>()) }
    })
}

/// One line of the log.
#[derive(Debug)]
struct Line<'a> {
    at: Timestamp,
    source: LogSource,
    text: &'a str,
}

impl Line<'_> {
    fn is_container(&self) -> bool {
        self.source == LogSource::Container
    }

    /// Whether Cloud Run notes the end of a container with this line.
    fn ends(&self) -> bool {
        self.source == LogSource::System
            && (self.text.contains("probe failed")
                || exit_code(self.text).is_some()
                || signal(self.text).is_some()
                || not_loaded(self.text).is_some()
                || self.is_out_of_memory())
    }

    fn is_out_of_memory(&self) -> bool {
        self.text.contains("Memory limit of") && self.text.contains("exceeded")
    }
}

/// Splits entries into lines: a trace can be one entry or many.
fn lines(log: &[LogEntry]) -> Vec<Line<'_>> {
    let own = log.iter().filter(|entry| entry.source != LogSource::Other);
    own.flat_map(|entry| {
        let lines = entry.message.lines().filter(|line| !line.trim().is_empty());
        lines.map(|text| Line { at: entry.timestamp, source: entry.source, text: text.trim_end() })
    })
    .collect()
}

/// The index at which the last attempt to start begins: the container's first line after Cloud Run noted an
/// end.
fn last_attempt(lines: &[Line<'_>]) -> usize {
    let (mut begin, mut ended) = (0, None);
    for (index, line) in lines.iter().enumerate() {
        if line.ends() {
            ended.get_or_insert(index);
        } else if line.text.starts_with("Starting new instance") {
            (begin, ended) = (index, None);
        } else if line.is_container() && ended.take().is_some() {
            begin = index;
        }
    }
    begin
}

/// Diagnoses one attempt to start.
fn attempt(startup: &Startup<'_>, lines: &[Line<'_>]) -> Option<Diagnosis> {
    let found = |cause, lines: &[&Line<'_>]| Some(Diagnosis { cause, evidence: shown(lines) });
    let last = |text: &str| lines.iter().rev().find(|line| line.text.contains(text));
    if let Some(line) = lines.iter().rev().find(|line| line.is_out_of_memory()) {
        return found(Cause::OutOfMemory, &[line]);
    }
    if let Some((line, cause)) = lines.iter().rev().find_map(|line| Some((line, unloadable(line.text)?))) {
        return found(cause, &[line]);
    }
    if let Some(line) = last("exec format error") {
        return found(Cause::Platform, &[line]);
    }
    let listening = lines.iter().rposition(|line| listens(line.text).is_some());
    // An error from before the server listened did not stop it.
    let rest = &lines[listening.map_or(0, |index| index + 1)..];
    let failure = lines.iter().rev().find(|line| line.text.contains("probe failed"));
    let end = rest.iter().rev().find_map(|line| Some((line, ended(line.text)?)));
    let error = failed(rest, lines);
    // A server that has not ended goes on after an error in one request: what the probe gets from it counts.
    if let (Some(listening), None) = (listening, &end)
        && let Some(diagnosis) = probed(startup, &lines[listening], rest, failure, error.as_ref())
    {
        return Some(diagnosis);
    }
    match error {
        Some(Diagnosis { cause: Cause::Error, .. }) | None => {}
        Some(error) => return Some(error),
    }
    if let Some((line, cause)) = end {
        let said: Vec<_> = rest.iter().filter(|line| line.is_container()).collect();
        let mut proof = said[said.len().saturating_sub(LAST_LINES)..].to_vec();
        proof.push(line);
        return found(cause, &proof);
    }
    slow(startup, lines, failure).or(error)
}

/// The cause that is in Cloud Run's note of the program's end.
fn ended(line: &str) -> Option<Cause> {
    let exit = exit_code(line).map(|exit| Cause::Crash { exit });
    exit.or_else(|| signal(line).map(|signal| Cause::Killed { signal }))
}

/// Diagnoses a server that listens and has not ended, by where it listens and how it answers the probe. `rest`
/// are the lines since it listened, and `error` is the last error among them.
fn probed(
    startup: &Startup<'_>,
    listening: &Line<'_>,
    rest: &[Line<'_>],
    failure: Option<&Line<'_>>,
    error: Option<&Diagnosis>,
) -> Option<Diagnosis> {
    let (address, port, everywhere) = listens(listening.text)?;
    let probed = startup
        .probe
        .and_then(|probe| u16::try_from(probe.port?).ok())
        .or_else(|| failure.and_then(|line| number_after(line.text, "on port ")))
        .or(startup.port);
    if let Some(probed) = probed.filter(|probed| port != *probed || !everywhere) {
        let proof: Vec<_> = [listening].into_iter().chain(failure).collect();
        return Some(Diagnosis {
            cause: Cause::PortMismatch { listens: address, probed },
            evidence: shown(&proof),
        });
    }
    let (line, status) = rest.iter().rev().find_map(|line| Some((line, refusal(line.text)?)))?;
    let mut evidence = shown(&[listening, line]);
    // The error of the request that was answered in this way.
    let error = error.filter(|_| status >= 500).map(|error| error.evidence.iter().cloned());
    evidence.extend(error.into_iter().flatten().take(EVIDENCE_LINES - 3));
    evidence.extend(shown(&failure.into_iter().collect::<Vec<_>>()));
    Some(Diagnosis { cause: Cause::Unhealthy { status }, evidence })
}

/// The cause that Cloud Run names in a line, where it could not start the container's program.
fn unloadable(line: &str) -> Option<Cause> {
    let (program, why) = not_loaded(line)?;
    Some(match why {
        NotLoaded::Format => Cause::Platform,
        why => Cause::EntryPoint { program: program.to_owned(), why },
    })
}

/// The cause that Cloud Run names in the reason of a revision that is not ready.
fn by_platform(reason: &str) -> Option<Cause> {
    unloadable(reason).or_else(|| signal(reason).map(|signal| Cause::Killed { signal }))
}

/// Diagnoses a container that took all the time that it was given.
fn slow(startup: &Startup<'_>, lines: &[Line<'_>], failure: Option<&Line<'_>>) -> Option<Diagnosis> {
    let (failure, first) = (failure?, lines.first()?);
    // Where no probe is set, Cloud Run uses one of its own and calls it "Default".
    let probe = startup.probe.or_else(|| failure.text.starts_with("Default ").then_some(&DEFAULT_PROBE))?;
    let took = Duration::try_from(failure.at.duration_since(first.at)).ok()?;
    let allowed = probe.patience();
    if took < allowed.mul_f64(SLOW_PART) {
        return None;
    }
    let at = |line: &Line<'_>| {
        let after = line.at.duration_since(first.at).as_secs_f64();
        format!("{after:>5.1} s  {}", safe(line.text))
    };
    let doing = lines.iter().rev().find(|line| line.is_container());
    let mut evidence: Vec<String> = [first].into_iter().chain(doing).chain([failure]).map(at).collect();
    evidence.dedup();
    Some(Diagnosis { cause: Cause::SlowStart { took, allowed }, evidence })
}

/// Diagnoses a failure of Python, Alembic or a client of the database. `lines` are those since the server
/// listened, `all` those since the container started.
fn failed(lines: &[Line<'_>], all: &[Line<'_>]) -> Option<Diagnosis> {
    let found = |cause, lines: &[&Line<'_>]| Some(Diagnosis { cause, evidence: shown(lines) });
    let trace = lines.iter().rposition(|line| line.text.contains(TRACEBACK));
    let error = trace.and_then(|begin| {
        let after = &lines[begin + 1..];
        let at = after.iter().position(|line| line.is_container() && !line.text.starts_with([' ', '\t']))?;
        Some((&after[..at], &after[at..]))
    });
    let Some((frames, error)) = error else {
        // Without a trace there are Alembic's own messages, and those of a program that keeps trying.
        if let Some(line) = lines.iter().rev().find(|line| line.text.starts_with("FAILED: ")) {
            return found(Cause::Migration(stopped(line.text)), &[line]);
        }
        let mut told = lines.iter().enumerate().rev();
        let (at, kind) = told.find_map(|(at, line)| Some((at, database(line.text)?)))?;
        return if goes_on(&lines[..at], &lines[at + 1..]) {
            None
        } else {
            found(Cause::Database(kind), &[&lines[at]])
        };
    };
    // SQLAlchemy ends its messages, which hold whole statements, with a line of its own.
    let message = error.iter().rposition(|line| line.text.starts_with("(Background on this error at"));
    if goes_on(&lines[..trace.unwrap_or_default()], &error[message.unwrap_or_default() + 1..]) {
        return None;
    }
    // The error itself and the rest of its message.
    let mut proof: Vec<&Line<'_>> = vec![&error[0]];
    let message = error[1..].iter().take_while(|line| line.is_container() && continues(line.text));
    proof.extend(message.filter(|line| !line.text.contains("For further information")).take(MESSAGE_LINES));
    let text: String = proof.iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
    // The trace of what caused the error is a trace of its own, before it.
    let whole = &lines[..=trace.unwrap_or_default() + frames.len()];
    let through = |names: &[&str]| whole.iter().any(|line| names.iter().any(|name| line.text.contains(name)));
    let python = || PYTHON.iter().find(|(said, _)| error[0].text.contains(said)).map(|(_, kind)| *kind);
    if let Some(kind) = database(&text).or_else(|| python().filter(|_| through(CLIENTS))) {
        return found(Cause::Database(kind), &proof);
    }
    let script = frames.iter().rev().find(|line| is_migration(line.text));
    let upgrade = all.iter().rev().find(|line| line.text.contains("Running upgrade "));
    let parent = all.iter().rev().find(|line| line.text.contains("referenced from"));
    if let Some(parent) = parent.filter(|_| error[0].text.starts_with("KeyError")) {
        return found(Cause::Migration(Migration::MissingParent), &[parent, &error[0]]);
    }
    let sql = error[0].text.starts_with("sqlalchemy.exc.") || error[0].text.starts_with("psycopg");
    if script.is_some() || (sql && frames.iter().any(|line| line.text.contains("/alembic/"))) {
        let kind = match () {
            () if LOCKED.iter().any(|said| text.contains(said)) => Migration::Locked,
            () if sql => Migration::Refused,
            () => Migration::Code,
        };
        let proof: Vec<_> = upgrade.into_iter().chain(script).chain(proof).collect();
        return found(Cause::Migration(kind), &proof);
    }
    let exit = lines.iter().rev().find_map(|line| Some((line, exit_code(line.text)?)));
    // The application's own line, not a library's.
    let at =
        frames.iter().rev().find(|line| line.text.contains("File \"") && !line.text.contains("-packages/"));
    let proof: Vec<_> = at.into_iter().chain(proof).chain(exit.map(|(line, _)| line)).collect();
    found(exit.map_or(Cause::Error, |(_, exit)| Cause::Crash { exit }), &proof)
}

/// Whether the program went on after an error, so that it is not what ended it: it printed something else than
/// the rest of the error's message, what it had also printed before (as a loop does), and that it ends.
fn goes_on(before: &[Line<'_>], after: &[Line<'_>]) -> bool {
    let said = |line: &Line<'_>| line.text.replace(|c: char| c.is_ascii_digit(), "");
    let again = |line: &Line<'_>| before.iter().any(|earlier| said(earlier) == said(line));
    let mut after = after.iter().filter(|line| line.is_container());
    after.any(|line| !continues(line.text) && !is_last_word(line.text) && !again(line))
}

/// Whether a program says with this line that it ends.
fn is_last_word(line: &str) -> bool {
    let line = line.to_lowercase();
    LAST_WORDS.iter().any(|words| line.contains(words))
}

/// Whether a frame is in a script of Alembic: a file in a folder `versions` that is not a library's. The folder in
/// which pyenv keeps interpreters has the same name.
fn is_migration(frame: &str) -> bool {
    let file = frame.split_once("File \"").and_then(|(_, rest)| rest.split_once('"'));
    let folder = file.and_then(|(file, _)| file.rsplit_once('/')).map(|(folder, _)| folder);
    folder.is_some_and(|folder| {
        folder.ends_with("/versions") && !folder.contains("-packages/") && !folder.contains("/lib/python")
    })
}

/// Whether a line continues the message of an error. A single word is a field that pydantic misses.
fn continues(line: &str) -> bool {
    let begins =
        ["connection to server at ", "[SQL: ", "[parameters: ", "DETAIL:", "Either provide the file"];
    line.starts_with(['\t', ' ']) || begins.iter().any(|text| line.starts_with(text)) || !line.contains(' ')
}

/// The failure that Alembic's own message reports.
fn stopped(text: &str) -> Migration {
    if text.contains("Can't locate revision identified by") {
        Migration::UnknownRevision
    } else if text.contains("Multiple head revisions are present") || text.contains("Multiple heads") {
        Migration::SeveralHeads
    } else {
        Migration::Other
    }
}

fn database(text: &str) -> Option<Database> {
    let first = |table: &[(&str, Database)]| {
        table.iter().find(|(said, _)| text.contains(said)).map(|(_, kind)| *kind)
    };
    // "no pg_hba.conf entry" and, on Cloud SQL, "pg_hba.conf rejects connection".
    if text.contains("pg_hba.conf") {
        let plain = text.contains("no encryption") || text.contains("SSL off");
        let tried = text.contains("SSL encryption") || text.contains("SSL on");
        return Some(if plain && !tried { Database::TlsRequired } else { Database::NotLetIn });
    }
    if text.contains("FATAL") && text.contains("does not exist") {
        return Some(Database::Missing);
    }
    let asked = text.contains("connection to server") || text.contains("could not connect to server");
    first(DATABASE).or_else(|| first(CONNECTION).filter(|_| asked))
}

/// The address that a server reports to listen at, its port, and whether Cloud Run can reach it there.
fn listens(line: &str) -> Option<(String, u16, bool)> {
    let said = ["Uvicorn running on ", "Listening at: ", "Running on "];
    let rest = said.iter().find_map(|said| line.split_once(said))?.1;
    let address = rest.split([' ', ',']).next()?.split_once("://")?.1.trim_end_matches('/');
    let (host, port) = address.rsplit_once(':')?;
    let local = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
    Some((address.to_owned(), port.parse().ok()?, !local))
}

/// The status of an answer that makes an HTTP probe fail, in a line of uvicorn's access log.
fn refusal(line: &str) -> Option<u16> {
    let status = line.split_once("\" ")?.1.split(' ').next()?.parse().ok()?;
    (line.contains("\"GET ") && line.contains(" HTTP/") && (400..600).contains(&status)).then_some(status)
}

/// The exit code in "Container called exit(1)."
fn exit_code(line: &str) -> Option<i32> {
    line.split_once("Container called exit(")?.1.split_once(')')?.0.parse().ok()
}

fn number_after(text: &str, before: &str) -> Option<u16> {
    let rest = text.split_once(before)?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// Makes evidence of lines, without those that may hold somebody's data or a secret.
fn shown(lines: &[&Line<'_>]) -> Vec<String> {
    let mut shown: Vec<String> = Vec::new();
    for line in lines {
        let text = line.text.trim_start();
        // The values of a statement, and the row it failed on, are people's; the statement itself may
        // hold some, unless it only makes or changes tables.
        let data = text.starts_with("[parameters: ") || text.starts_with("DETAIL:");
        let statement = text.strip_prefix("[SQL: ").is_some_and(|sql| {
            !["ALTER ", "CREATE ", "DROP "].iter().any(|word| sql.trim_start().starts_with(word))
        });
        let text = safe(line.text);
        if !data && !statement && !shown.contains(&text) {
            shown.push(text);
        }
    }
    let from = shown.len().saturating_sub(EVIDENCE_LINES);
    shown.split_off(from)
}

/// A line without the passwords in addresses and the values that pydantic repeats, and shortened.
fn safe(line: &str) -> String {
    let mut text = line.trim().to_owned();
    if let Some((before, _)) = text.split_once("input_value=") {
        text = format!("{before}input_value=…]");
    }
    let mut from = 0;
    while let Some(begin) = text[from..].find("://").map(|at| from + at + 3) {
        let end = text[begin..].find([' ', '\'', '"', '/']).map_or(text.len(), |at| begin + at);
        if let Some(at) = text[begin..end].rfind('@') {
            text.replace_range(begin..begin + at, "…");
        }
        from = begin;
    }
    match text.char_indices().nth(EVIDENCE_WIDTH) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
