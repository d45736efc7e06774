//! Cloud Run's own messages about a container that could not be started, or ended early.
//!
//! The sentences are those that people quote in public reports; Google documents some of them ("Troubleshoot
//! Cloud Run issues"). Only a part of each is looked for, because the text around it differs between the log
//! and a revision's condition.

use std::time::Duration;

use quill_admin_cloud::StartupProbe;

/// The probe of a service that sets none: one try that lasts four minutes ("Container health checks", default
/// startup probe).
pub(super) const DEFAULT_PROBE: StartupProbe =
    StartupProbe { initial_delay: Duration::ZERO, period: Duration::from_mins(4), failures: 1, port: None };

/// The number of SIGKILL, which no program can catch.
pub(super) const SIGKILL: i32 = 9;

/// The reason why an entry point cannot be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotLoaded {
    /// ENOENT: the file, or the interpreter that it names, is not in the image.
    Missing,
    /// EACCES: it is not executable.
    NotExecutable,
    /// ENOEXEC: it is for another processor, or names no interpreter.
    Format,
}

impl NotLoaded {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Missing => "no such file or directory",
            Self::NotExecutable => "permission denied",
            Self::Format => "exec format error",
        }
    }

    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Missing => {
                "the file is not in the image, or the interpreter in its first line is not: a script with the line \
                 ends of Windows (CRLF) asks for one whose name ends with a carriage return. Save it with LF, and \
                 keep it so with a line in .gitattributes: *.sh text eol=lf"
            }
            Self::NotExecutable => "make it executable in the repository: git update-index --chmod=+x FILE",
            Self::Format => "it is for another kind of processor, or names no interpreter",
        }
    }
}

/// The program and the reason in "Application failed to start: failed to load /entrypoint.sh: no such file or
/// directory", with or without "Failed to create init process" in between.
pub(super) fn not_loaded(line: &str) -> Option<(&str, NotLoaded)> {
    let (_, rest) = line.split_once("Application failed to start")?;
    let at =
        ["failed to load ", "Failed to load "].iter().find_map(|said| Some(rest.find(said)? + said.len()))?;
    let (program, why) = rest[at..].rsplit_once(": ")?;
    let why = [NotLoaded::Missing, NotLoaded::NotExecutable, NotLoaded::Format]
        .into_iter()
        .find(|known| why.contains(known.words()))?;
    Some((program, why))
}

/// The number in `Container terminated on signal 11.` and `Uncaught signal: 11, pid=7, tid=7, fault_addr=0.`
pub(super) fn signal(line: &str) -> Option<i32> {
    let said = ["Container terminated on signal ", "Uncaught signal: "];
    let rest = said.iter().find_map(|said| line.split_once(said))?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// The name of a signal that kills programs (`signal(7)`).
pub(super) fn name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        4 => "illegal instruction",
        6 => "abort",
        7 => "bus error",
        8 => "arithmetic error",
        SIGKILL => "kill",
        11 => "segmentation fault",
        _ => return None,
    })
}

/// Whether this is "Container manifest type '…' must support amd64/linux."
pub(super) fn wants_another_platform(reason: &str) -> bool {
    reason.contains("must support amd64/linux")
}

/// Whether Cloud Run says that a container ran and did not listen: "The user-provided container failed to
/// start and listen on the port defined provided by the PORT=8080 environment variable within the allocated
/// timeout."
pub(super) fn is_not_listening(reason: &str) -> bool {
    let said = ["failed to start and listen on the port", "Failed to start and then listen on the port"];
    said.iter().any(|said| reason.contains(said))
}
