//! The actions of this run: those of the application's folder that was chosen, or those that are built in.
//!
//! They are settled once, before clap reads the command line, because the commands are made of them. Who tells a
//! result takes its words from here.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use quill_admin_actions::{Action, Actions, SubjectWords};

use crate::config::{Application, Config};
use crate::error::CliError;
use crate::process::Process;

/// Those that this program was built with, as they are compiled: `application/` of its own sources.
pub const COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/actions.json"));

/// The same, read.
static BUILT_IN: LazyLock<Actions> =
    LazyLock::new(|| Actions::read(COMPILED).expect("the build script wrote it"));

/// Those of the folder that was chosen.
static CHOSEN: OnceLock<Actions> = OnceLock::new();

/// The folder of `--application`, as it was typed.
static NAMED: OnceLock<String> = OnceLock::new();

/// What the command line is made of.
pub struct Settled {
    /// The actions.
    pub actions: &'static Actions,
    /// Why they are the built-in ones although a folder was chosen: everything that is wrong with its file. No
    /// task may be run then.
    pub mistakes: Option<CliError>,
}

/// Settles which actions there are in this run: those of the folder behind `--application`; else of the one that
/// the environments file names; else those that are built in. An environments file that cannot be read is for the
/// command to tell, and one that names no folder changes nothing here.
#[must_use]
pub fn settle(process: &Process) -> Settled {
    let application = chosen(process);
    if application == Application::BuiltIn {
        return Settled { actions: of_this_run(), mistakes: None };
    }
    match application.actions(process) {
        Ok(compiled) => Settled { actions: CHOSEN.get_or_init(|| compiled.actions), mistakes: None },
        Err(mistakes) => Settled { actions: of_this_run(), mistakes: Some(mistakes) },
    }
}

fn chosen(process: &Process) -> Application {
    if let Some(folder) = given(&process.args, "--application") {
        NAMED.get_or_init(|| folder.to_string_lossy().into_owned());
        return Application::Named(process.cwd.join(folder));
    }
    match Config::load_if_any(process, config_file(process, &process.args)) {
        Ok(Some(config)) => Application::of(config.source()),
        Ok(None) | Err(_) => Application::BuiltIn,
    }
}

/// The environments file that a command line or the environment names, before clap has read it.
#[must_use]
pub fn config_file<'a>(process: &'a Process, words: &'a [OsString]) -> Option<&'a Path> {
    let named = given(words, "--config").or_else(|| process.var("QUILL_ADMIN_CONFIG").map(OsStr::new));
    named.filter(|file| !file.is_empty()).map(Path::new)
}

/// What a command line gives an option, before clap has read it: behind it, or behind an equals sign.
fn given<'a>(words: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    let joined = |word: &'a OsString| word.to_str()?.strip_prefix(option)?.strip_prefix('=').map(OsStr::new);
    let apart = |at: usize| words.get(at + 1).map(OsString::as_os_str);
    words.iter().enumerate().find_map(|(at, word)| if word == option { apart(at) } else { joined(word) })
}

/// The actions of this run; those that are built in, where none were settled.
#[must_use]
pub fn of_this_run() -> &'static Actions {
    CHOSEN.get().unwrap_or(&BUILT_IN)
}

/// The folder that was named for this run alone, as it was typed: a command that is advised needs it, too.
#[must_use]
pub fn named_folder() -> Option<&'static str> {
    NAMED.get().map(String::as_str)
}

/// Those of the folder that was chosen, compiled; `None` where they are those that are built in.
#[must_use]
pub fn chosen_compiled() -> Option<String> {
    CHOSEN.get().map(Actions::to_json)
}

/// The action of this name, where this run has it.
#[must_use]
pub fn known(name: &str) -> Option<&'static Action> {
    of_this_run().get(name)
}

/// What is said of subjects of this kind by the action of this name.
#[must_use]
pub fn subject_words(action: Option<&str>, kind: &str) -> Option<&'static SubjectWords> {
    let action = known(action?)?;
    action.definition.subject.as_ref().filter(|subject| subject.name == kind)?;
    action.words.subject.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_found_before_clap_reads_the_line() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        for (line, found) in [
            ("quill-admin --application a envs", Some("a")),
            ("quill-admin envs --application=a/b", Some("a/b")),
            ("quill-admin envs --application", None),
            ("quill-admin envs --applications a", None),
            ("quill-admin envs", None),
        ] {
            assert_eq!(given(&words(line), "--application"), found.map(OsStr::new), "{line}");
        }
    }
}
