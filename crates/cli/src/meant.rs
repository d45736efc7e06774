//! The command line that was probably meant: by clap's suggestions, or where an environment stands where none can.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use quill_admin_operations::config::Config;
use quill_admin_operations::process::Process;
use quill_admin_operations::{actions, nearest};

use crate::task_command::TaskCommand;
use crate::{args, help};

/// Puts names of commands before short forms in clap's suggestions, and those first that are most alike. A short
/// form counts as similar wherever its two letters occur.
pub(crate) fn names_first(tasks: &[TaskCommand], error: &mut clap::Error) {
    let Some(ContextValue::Strings(names)) = error.get(ContextKind::SuggestedSubcommand) else { return };
    let mut names = names.clone();
    let root = args::command(tasks);
    let is_name = |name: &String| root.get_subcommands().any(|command| command.get_name() == name);
    // Clap has the most similar one at the end.
    names.reverse();
    names.sort_by_key(|name| !is_name(name));
    error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(names));
}

/// Offers the option that is most alike. Clap's advice is to pass the word as a value, which is never meant: no value
/// here begins with hyphens.
pub(crate) fn option(process: &Process, tasks: &[TaskCommand], error: &mut clap::Error) {
    if error.kind() != ErrorKind::UnknownArgument {
        return;
    }
    error.remove(ContextKind::Suggested);
    let Some(ContextValue::String(name)) = error.get(ContextKind::InvalidArg) else { return };
    let (Some(word), None) = (name.strip_prefix("--"), error.get(ContextKind::SuggestedArg)) else { return };
    let mut root = args::command(tasks);
    root.build();
    let mut command = &root;
    for word in process.args.iter().skip(1) {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    if let Some(near) = nearest(word, command.get_arguments().filter_map(clap::Arg::get_long)) {
        let near = format!("--{near}");
        error.insert(ContextKind::SuggestedArg, ContextValue::String(near));
    }
}

/// The same command line with the environment behind `--env`, as advice, where that would be accepted.
pub(crate) fn with_environment(
    process: &Process,
    tasks: &[TaskCommand],
    error: &clap::Error,
) -> Option<String> {
    let kind = match error.kind() {
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => return None,
    };
    let Some(ContextValue::String(name)) = error.get(kind) else { return None };
    // A file that cannot be read is told of by the command that is typed next.
    let config = Config::load(process, actions::config_file(process, &process.args)).ok()?;
    config.names().find(|known| known == name)?;
    let at = process.args.iter().rposition(|word| word.to_str() == Some(name))?;
    let mut words: Vec<OsString> = process.args.clone();
    words.insert(at, "--env".into());
    let meant = args::parse(tasks, words.iter().cloned()).ok()?;
    if !help::takes_environment(&meant.command) {
        return None;
    }
    let words: Option<Vec<&str>> = words.iter().skip(1).map(|word| word.to_str()).collect();
    Some(format!("did you mean: quill-admin {}", shell_words::join(words?)))
}
