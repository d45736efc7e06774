//! The help of the program: that of all commands, and the topics.
//!
//! The options of a command come from clap. Here are the parts that clap does not have: the root's groups, a
//! short and a long form in one layout, the choice of global options, and topics. Clap's own long form puts
//! every text on a line of its own, and none of its help would fit a terminal then.
//!
//! To add a topic: a row of the table in `topics.rs`. To add a command: its line in `root.rs`, and in
//! `global.rs` where global options mean nothing to it.

mod detail;
mod global;
pub(crate) mod manual;
mod root;
mod topics;

use clap::Command;

use crate::task_command::TaskCommand;

pub(crate) use detail::Detail;
pub(crate) use global::HEADING as GLOBAL;
pub(crate) use topics::{find as topic, listed as topics_text, names as topic_names};

/// Completes the help of all commands.
pub(crate) fn describe(root: Command, tasks: &[TaskCommand], detail: Detail) -> Command {
    let described = global::choose(root, tasks, detail);
    let text = root::text(&described, tasks, detail);
    described.override_help(text)
}

/// Whether an environment means something to a command, by its words after the program's name.
pub(crate) fn takes_environment(command: &str) -> bool {
    global::takes_environment(&command.split(' ').collect::<Vec<_>>())
}

/// Everything that can be explained: the commands that people see, and the topics.
pub(crate) fn names(root: &Command) -> Vec<String> {
    let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
    let names = commands.map(|command| command.get_name().to_owned());
    names.chain(topic_names().map(str::to_owned)).collect()
}

/// All help texts on one page, in Markdown: the reference of commands.
pub(crate) fn page(mut root: Command) -> String {
    root.build();
    let mut page = String::from("# Commands\n\nWhat `--help` says, command by command.\n");
    let mut open = vec![root];
    while let Some(mut command) = open.pop() {
        let name = command.get_bin_name().unwrap_or("quill-admin").to_owned();
        let help = command.render_help().to_string();
        page = format!("{page}\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end());
        let deeper: Vec<Command> =
            command.get_subcommands().filter(|one| !one.is_hide_set()).cloned().collect();
        open.extend(deeper.into_iter().rev());
    }
    page
}
