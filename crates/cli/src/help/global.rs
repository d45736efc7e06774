//! The global options: which of them the help of a command shows.
//!
//! Every command takes all of them, so that an alias such as `quill-admin --env staging` goes before any
//! command. Help shows those that mean something to the command.

use clap::{Arg, Command};

use super::detail::Detail;
use crate::task_command::TaskCommand;

/// The heading above them.
pub(crate) const HEADING: &str = "Global options";

/// The global options that mean nothing to a command, by the words after the program's name.
fn meaningless(words: &[&str]) -> &'static [&'static str] {
    match words {
        ["build" | "restore-backend" | "record-key"] => &["runner"],
        ["whoami"] => &["application", "runner", "quiet"],
        ["actions", _] => &["env", "runner", "verbose", "no_input"],
        ["envs"] => &["runner", "quiet", "verbose", "no_input"],
        ["init"] => &["env", "application", "runner", "verbose", "no_input"],
        ["login" | "version" | "completions"] => {
            &["env", "config", "application", "runner", "quiet", "verbose", "no_input"]
        }
        ["local"] => &["verbose"],
        ["local", "status"] => &["runner", "verbose", "no_input"],
        ["local", "reset"] => &["application", "runner", "verbose"],
        ["local", "serve"] => &["verbose", "no_input"],
        ["man" | "help" | "reference"] => &["env", "runner", "quiet", "verbose", "no_input"],
        _ => &[],
    }
}

/// Whether an environment means something to a command.
pub(super) fn takes_environment(words: &[&str]) -> bool {
    !meaningless(words).contains(&"env")
}

/// The global options that the short help shows.
const IN_SHORT: [&str; 1] = ["env"];

/// Hides from every command's help the global options that mean nothing to it; from the short help also what
/// is the same for all commands, and explanations.
pub(super) fn choose(root: Command, tasks: &[TaskCommand], detail: Detail) -> Command {
    let globals: Vec<Arg> = root.get_arguments().filter(|arg| arg.is_global_set()).cloned().collect();
    let at = Walk { globals: &globals, tasks, detail };
    root.mut_subcommands(|command| at.below(&[], command))
}

struct Walk<'a> {
    globals: &'a [Arg],
    tasks: &'a [TaskCommand],
    detail: Detail,
}

impl Walk<'_> {
    fn below(&self, before: &[String], command: Command) -> Command {
        let path = [before, &[command.get_name().to_owned()]].concat();
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_task = matches!(words[..], [name] if self.tasks.iter().any(|task| task.name == name));
        let hidden = if is_task { &[] } else { meaningless(&words) };
        let is_short = self.detail == Detail::Short;
        let is_shown = |id: &str| !hidden.contains(&id) && (!is_short || IN_SHORT.contains(&id));
        let hide = self.globals.iter().filter(|arg| !is_shown(arg.get_id().as_str()));
        // An option of the command itself with the same id stands in place of the global one.
        let command = command.args(hide.map(|arg| arg.clone().hide(true)));
        let command = if is_short {
            let name = path.join(" ");
            command.after_help(format!("More, with examples: quill-admin {name} --help"))
        } else {
            command
        };
        command.mut_subcommands(|command| self.below(&path, command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::task_command::catalogue;
    use quill_admin_operations::actions;

    #[test]
    fn a_command_shows_the_global_options_that_mean_something_to_it() {
        let mut root = args::command(&catalogue(actions::of_this_run()));
        root.build();
        let shown = |words: &[&str]| {
            let mut command = &root;
            for word in words {
                command = command.find_subcommand(word).expect("a command");
            }
            let globals = command.get_arguments().filter(|arg| arg.get_help_heading() == Some(HEADING));
            let mut ids: Vec<&str> =
                globals.filter(|arg| !arg.is_hide_set()).map(|arg| arg.get_id().as_str()).collect();
            ids.sort_unstable();
            ids.join(" ")
        };
        let all = "application color config env help json no_input quiet runner verbose";
        assert_eq!(shown(&["add-role"]), all);
        assert_eq!(shown(&["doctor"]), all);
        assert_eq!(shown(&["login"]), "color help json");
        assert_eq!(shown(&["version"]), "color help json");
        assert_eq!(shown(&["completions"]), "color help json");
        assert_eq!(shown(&["envs"]), "application color config env help json");
        assert_eq!(shown(&["local", "reset"]), "color config env help json no_input quiet");
        assert_eq!(shown(&["actions", "check"]), "application color config help json quiet");
    }
}
