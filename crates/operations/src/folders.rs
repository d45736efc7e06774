//! The person's own folders: for settings, for what is remembered, and for gcloud's sign-in.
//!
//! Unix follows the "XDG Base Directory Specification", which ignores paths that are not absolute. Windows has
//! `%APPDATA%` for settings, which may follow the person to other machines, and `%LOCALAPPDATA%` for what belongs to
//! this one. The variables of XDG count there as well, since whoever sets them means them.

use std::path::{Path, PathBuf};

use quill_admin_files::system::HOME;

use crate::process::Process;

/// This program's folder for settings.
pub(crate) fn settings(process: &Process) -> Option<PathBuf> {
    own(process, "XDG_CONFIG_HOME", sys::settings)
}

/// This program's folder for what it remembers on this machine.
pub(crate) fn state(process: &Process) -> Option<PathBuf> {
    own(process, "XDG_STATE_HOME", sys::state)
}

/// The folder of gcloud's settings and sign-in ("gcloud topic configurations").
pub(crate) fn gcloud(process: &Process) -> Option<PathBuf> {
    path(process, "CLOUDSDK_CONFIG").or_else(|| sys::gcloud(process))
}

/// The variables that name the folder for what is remembered, in words.
pub(crate) const STATE_VARIABLES: &str =
    if cfg!(windows) { "neither XDG_STATE_HOME nor LOCALAPPDATA" } else { "neither XDG_STATE_HOME nor HOME" };

fn own(process: &Process, variable: &str, default: fn(&Process) -> Option<PathBuf>) -> Option<PathBuf> {
    let given = path(process, variable).filter(|folder| folder.is_absolute());
    Some(given.or_else(|| default(process))?.join("quill-admin"))
}

fn path(process: &Process, variable: &str) -> Option<PathBuf> {
    process.var(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn below(process: &Process, variable: &str, folder: &str) -> Option<PathBuf> {
    Some(path(process, variable)?.join(Path::new(folder)))
}

#[cfg(unix)]
mod sys {
    use super::{HOME, PathBuf, Process, below};

    pub(super) fn settings(process: &Process) -> Option<PathBuf> {
        below(process, HOME, ".config")
    }

    pub(super) fn state(process: &Process) -> Option<PathBuf> {
        below(process, HOME, ".local/state")
    }

    pub(super) fn gcloud(process: &Process) -> Option<PathBuf> {
        below(process, HOME, ".config/gcloud")
    }
}

#[cfg(windows)]
mod sys {
    use super::{HOME, PathBuf, Process, below, path};

    pub(super) fn settings(process: &Process) -> Option<PathBuf> {
        path(process, "APPDATA").or_else(|| below(process, HOME, r"AppData\Roaming"))
    }

    pub(super) fn state(process: &Process) -> Option<PathBuf> {
        path(process, "LOCALAPPDATA").or_else(|| below(process, HOME, r"AppData\Local"))
    }

    pub(super) fn gcloud(process: &Process) -> Option<PathBuf> {
        below(process, "APPDATA", "gcloud")
    }
}
