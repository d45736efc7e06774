//! The actions of this run: those of the chosen application's folder, or the built-in ones.
//!
//! They are settled once, before clap reads the command line, because the commands are made from them.
//! Everything that describes a result takes its words from here.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::{LazyLock, OnceLock};

use quill_admin_actions::{Action, Actions, SubjectWords};

use crate::config::{Application, Config};
use crate::error::CliError;
use crate::process::Process;

/// The built-in actions, compiled from `application/` of this program's own sources.
pub const COMPILED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/actions.json"));

/// The built-in actions, read.
static BUILT_IN: LazyLock<Actions> =
    LazyLock::new(|| Actions::read(COMPILED).expect("the build script wrote it"));

/// The actions of the chosen folder.
static CHOSEN: OnceLock<Actions> = OnceLock::new();

/// The folder of `--application`, as it was typed.
static NAMED: OnceLock<String> = OnceLock::new();

/// The file of `--config`, as it was typed.
static NAMED_CONFIG: OnceLock<String> = OnceLock::new();

/// The actions that the command line is made from.
#[derive(Debug)]
pub struct Settled {
    /// The actions.
    pub actions: &'static Actions,
    /// All mistakes in the chosen folder's file, because of which the built-in actions are used instead. No
    /// task may be run then.
    pub mistakes: Option<CliError>,
}

/// Settles the actions of this run: those of the folder of `--application`; else of the folder that the
/// environments file names; else the built-in ones. A mistake in the environments file is reported later, by
/// the command, and a file that names no folder changes nothing here.
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
    if let Some(file) = given(&process.args, "--config").filter(|file| !file.is_empty()) {
        NAMED_CONFIG.get_or_init(|| file.to_string_lossy().into_owned());
    }
    if let Some(folder) = given(&process.args, "--application") {
        NAMED.get_or_init(|| folder.to_string_lossy().into_owned());
        return Application::Named(process.cwd.join(folder));
    }
    match Config::load_if_any(process, config_file(process, &process.args)) {
        Ok(Some(config)) => Application::of(config.source()),
        Ok(None) | Err(_) => Application::BuiltIn,
    }
}

/// The environments file that the command line or a variable names, read before clap.
#[must_use]
pub fn config_file<'a>(process: &'a Process, words: &'a [OsString]) -> Option<&'a Path> {
    let named = given(words, "--config").or_else(|| process.var("QUILL_ADMIN_CONFIG").map(OsStr::new));
    named.filter(|file| !file.is_empty()).map(Path::new)
}

/// The value of an option on a command line, read before clap: the next word, or the text after an equals
/// sign.
fn given<'a>(words: &'a [OsString], option: &str) -> Option<&'a OsStr> {
    let joined = |word: &'a OsString| word.to_str()?.strip_prefix(option)?.strip_prefix('=').map(OsStr::new);
    let apart = |at: usize| words.get(at + 1).map(OsString::as_os_str);
    words.iter().enumerate().find_map(|(at, word)| if word == option { apart(at) } else { joined(word) })
}

/// The actions of this run; the built-in ones, where none were settled.
#[must_use]
pub fn of_this_run() -> &'static Actions {
    CHOSEN.get().unwrap_or(&BUILT_IN)
}

/// The folder that was named for this run alone, as it was typed: suggested commands need it, too.
#[must_use]
pub fn named_folder() -> Option<&'static str> {
    NAMED.get().map(String::as_str)
}

/// The environments file that was named for this run alone, as it was typed: suggested commands need it, too.
#[must_use]
pub fn named_config() -> Option<&'static str> {
    NAMED_CONFIG.get().map(String::as_str)
}

/// The compiled actions of the chosen folder; `None` where the built-in ones are used.
#[must_use]
pub fn chosen_compiled() -> Option<String> {
    CHOSEN.get().map(Actions::to_json)
}

/// The action of this name, where this run has it.
#[must_use]
pub fn known(name: &str) -> Option<&'static Action> {
    of_this_run().get(name)
}

/// The words of the action of this name for subjects of this kind.
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
