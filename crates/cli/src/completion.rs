//! Answers a shell that completes a command line.
//!
//! The scripts of `quill-admin completions` run the program with [`VARIABLE`] set to the shell's name and the
//! words so far after `--`. The candidates come from here, so the environments are those of the current
//! folder's file. Nushell cannot ask in this way: its script contains the commands, and asks for the
//! environments alone.
//!
//! To add a shell: `Shell` in `args.rs`, [`script`], and its rules for quotes in `quoting` and `fits`. To complete
//! another value: `command`.

use std::ffi::{OsStr, OsString};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;
use quill_admin_contract::ExitCode;
use quill_admin_contract::invisible::invisible;
use quill_admin_operations::actions;
use quill_admin_operations::config::Config;
use quill_admin_operations::error::CliError;
use quill_admin_operations::process::Process;

use crate::args::{self, Shell};
use crate::help;
use crate::task_command::{OneValue, TaskCommand};

/// The variable that names the shell which asks.
pub const VARIABLE: &str = "QUILL_ADMIN_COMPLETE";

const PROGRAM: &str = "quill-admin";

/// Makes the script for a shell.
///
/// # Errors
///
/// Fails when clap cannot make the script.
pub fn script(shell: Shell, tasks: &[TaskCommand]) -> Result<String, CliError> {
    let mut script = Vec::new();
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
        Shell::Powershell => "powershell",
        Shell::Nushell => return Ok(nushell(tasks)),
    };
    let completer = Shells::builtins();
    let completer =
        completer.completer(name).ok_or_else(|| unexpected(&format!("no completions for {name}")))?;
    completer
        .write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)
        .map_err(|error| unexpected(&error))?;
    if shell == Shell::Zsh {
        script.extend_from_slice(ZSH_AUTOLOADED);
    }
    String::from_utf8(script).map_err(|error| unexpected(&error))
}

/// Installed as a file `_quill-admin`, the script itself is the function that zsh calls, and it is not called
/// again once it has registered the real one. Without these lines the first Tab of a shell would offer
/// nothing.
const ZSH_AUTOLOADED: &[u8] = b"
if [[ ${funcstack[1]-} == _quill-admin ]]; then
    _clap_dynamic_completer_quill_admin \"$@\"
fi
";

fn unexpected(error: &dyn std::fmt::Display) -> CliError {
    CliError::new(ExitCode::Unexpected, format!("failed to make the script: {error}"))
}

/// The option and the word that take an environment, as clap's script declares them.
const NUSHELL_ENV: [&str; 2] = ["--env(-e): string", "ENV?: string"];

fn nushell(tasks: &[TaskCommand]) -> String {
    let mut script = Vec::new();
    clap_complete::generate(clap_complete_nushell::Nushell, &mut args::command(tasks), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    let ours = "nu-complete quill-admin environments";
    let definition = format!(
        "  def \"{ours}\" [] {{\n    \
         try {{ ^{PROGRAM} envs --json | from json | get environments | get name }} catch {{ [] }}\n  }}\n\n"
    );
    let head = "module completions {\n\n";
    let script = script.replacen(head, &format!("{head}{definition}"), 1);
    NUSHELL_ENV.iter().fold(script, |script, env| script.replace(env, &format!("{env}@\"{ours}\"")))
}

/// The answer to a shell; `None` when no shell asks.
#[must_use]
pub fn answer(process: &Process, tasks: &[TaskCommand]) -> Option<Result<String, CliError>> {
    let shell = process.var(VARIABLE).filter(|shell| !shell.is_empty())?;
    Some(candidates(process, tasks, shell))
}

fn candidates(process: &Process, tasks: &[TaskCommand], shell: &str) -> Result<String, CliError> {
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| CliError::usage(format!("{VARIABLE}: unknown shell \"{}\"", shell.escape_debug())))?;
    let words: Vec<OsString> =
        process.args.iter().skip_while(|word| *word != "--").skip(1).cloned().collect();
    let mut text = Vec::new();
    let mut command = command(tasks, shell, &environments(process, &words));
    completer
        .write_complete(&mut command, words, Some(&process.cwd), &mut text)
        .map_err(|error| unexpected(&error))?;
    let separator = process.var("_CLAP_IFS").and_then(|text| text.chars().next());
    Ok(without_hidden(&String::from_utf8_lossy(&text), separator))
}

/// Leaves out candidates with invisible characters, such as a file whose name is an escape sequence: the
/// shell would send them to the terminal, and with escapes they would name another file. Candidates are
/// lines, or are separated by the character that the script has asked for; a tab stands before a note.
fn without_hidden(text: &str, separator: Option<char>) -> String {
    let separates = |c: char| c == '\n' || Some(c) == separator;
    let hides =
        |candidate: &str| candidate.chars().any(|c| c != '\t' && !separates(c) && invisible(c).is_some());
    text.split_inclusive(separates).filter(|candidate| !hides(candidate)).collect()
}

/// The command line, with the candidates for its values.
fn command(tasks: &[TaskCommand], shell: &str, environments: &[OneValue]) -> clap::Command {
    let root = args::command(tasks);
    let explained =
        help::names(&root).into_iter().map(|name| OneValue { name, note: String::new() }).collect();
    let changes = tasks
        .iter()
        .filter(|task| task.writes)
        .map(|task| OneValue { name: task.name.clone(), note: task.about.clone() })
        .collect();
    root.mut_arg("env", |arg| arg.add(one_of(environments.to_vec(), shell)))
        .mut_subcommand("help", |command| command.mut_arg("words", |arg| arg.add(one_of(explained, shell))))
        .mut_subcommand("each", |command| command.mut_arg("action", |arg| arg.add(one_of(changes, shell))))
        .mut_subcommands(|command| {
            let takes_environment = command.get_positionals().any(|arg| arg.get_id() == args::ENVIRONMENT);
            let command = if takes_environment {
                command.mut_arg(args::ENVIRONMENT, |arg| arg.add(one_of(environments.to_vec(), shell)))
            } else {
                command
            };
            let task = tasks.iter().find(|task| task.name == command.get_name());
            let parameters = task.into_iter().flat_map(|task| &task.parameters);
            parameters.fold(command, |command, parameter| match parameter.candidates() {
                values if values.is_empty() => command,
                values => command.mut_arg(parameter.name(), |arg| arg.add(one_of(values, shell))),
            })
        })
}

/// The way to write a value with spaces for a shell that inserts it without quoting.
fn quoting(shell: &str) -> fn(&str) -> String {
    match shell {
        "bash" => |value| value.replace(' ', "\\ "),
        "powershell" => |value| if value.contains(' ') { format!("'{value}'") } else { value.to_owned() },
        _ => str::to_owned,
    }
}

/// Whether a value begins with the text that has been typed.
fn fits(shell: &str, typed: &str, value: &str) -> bool {
    match shell {
        // Within quotes bash would insert the backslashes, too: then no candidate is offered.
        "bash" => quoting(shell)(value).starts_with(typed),
        // The text is compared without quotes, because one may not be closed yet. No value contains any of
        // these characters.
        _ => value.starts_with(&typed.replace(['\\', '\'', '"'], "")),
    }
}

/// Candidates, each with a short note.
fn one_of(values: Vec<OneValue>, shell: &str) -> ArgValueCompleter {
    let shell = shell.to_owned();
    ArgValueCompleter::new(move |typed: &OsStr| {
        let typed = typed.to_str().unwrap_or_default();
        values
            .iter()
            .filter(|value| fits(&shell, typed, &value.name))
            .map(|value| {
                let note = (!value.note.is_empty()).then(|| value.note.clone().into());
                CompletionCandidate::new(quoting(&shell)(&value.name)).help(note)
            })
            .collect()
    })
}

/// The environments of the file that the command line would use. With a file that cannot be read there are
/// none: the command itself reports the reason, not the Tab key.
fn environments(process: &Process, words: &[OsString]) -> Vec<OneValue> {
    let Ok(config) = Config::load(process, actions::config_file(process, words)) else { return Vec::new() };
    config.names().map(|name| OneValue { name: name.to_owned(), note: config.describe(name) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task_command::catalogue;

    #[test]
    fn a_value_with_spaces_is_one_word_of_each_shell() {
        let written = |shell: &str| quoting(shell)("Clinical Administrator");
        assert_eq!(written("bash"), r"Clinical\ Administrator");
        assert_eq!(written("powershell"), "'Clinical Administrator'");
        // These shells quote by themselves.
        assert_eq!(written("zsh"), "Clinical Administrator");
        assert_eq!(written("fish"), "Clinical Administrator");
        assert_eq!(quoting("powershell")("staging"), "staging");
    }

    #[test]
    fn candidates_that_hide_something_are_left_out() {
        assert_eq!(without_hidden("a\tnote\n\u{1b}[31mb\nc", None), "a\tnote\nc");
        assert_eq!(without_hidden("a\u{b}b\u{202e}\u{b}c d", Some('\u{b}')), "a\u{b}c d");
        assert_eq!(without_hidden("a\u{b}b\nc\n", None), "c\n");
    }

    #[test]
    fn nushell_asks_for_the_environments() {
        let script = nushell(&catalogue(actions::of_this_run()));
        assert!(script.contains("^quill-admin envs --json"), "{script}");
        let options = script.matches("--env(-e)").count();
        assert!(options > 20, "{script}");
        assert_eq!(
            script.matches("--env(-e): string@\"nu-complete quill-admin environments\"").count(),
            options
        );
        let words = script.matches("ENV?: string").count();
        assert!(words > 20, "{script}");
        assert_eq!(script.matches("ENV?: string@\"nu-complete quill-admin environments\"").count(), words);
    }
}
