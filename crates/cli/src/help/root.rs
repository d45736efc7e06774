//! The help of the program as a whole: its commands in groups, on one screen.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::StyledStr;
use clap::builder::styling::Style;

use super::detail::Detail;
use super::topics;
use crate::home;
use crate::task_command::TaskCommand;
use crate::wrap::{WIDTH, lines};

/// A group of commands.
struct Group {
    title: &'static str,
    /// Commands with what they are for, in a few words.
    rows: &'static [(&'static [&'static str], &'static str)],
}

/// The commands that run no task, in the order in which help lists them. A test finds the one that is missing.
const GROUPS: [Group; 3] = [
    Group {
        title: "Afterwards",
        rows: &[
            (&["each", "undo"], "Run a task for each row of a table; undo a run"),
            (&["history", "review"], "List what was run; look it through, on record"),
            (&["attach", "cancel", "logs"], "Follow, stop or read an execution"),
        ],
    },
    Group {
        title: "Setting up",
        rows: &[
            (&["login", "init", "envs"], "Sign in; write the settings file; list its environments"),
            (&["build", "actions", "record-key"], "The image; its actions; the key of records"),
            (&["local", "version"], "The environment on this machine; this version"),
            (&["completions", "man"], "Completions for your shell; manual pages"),
        ],
    },
    Group {
        title: "Trouble",
        rows: &[
            (&["doctor", "whoami", "help"], "Find what is wrong; see what you may do; explain a topic"),
            (&["restore-backend"], "Give the backend service its own image back"),
        ],
    },
];

/// The description of the program, on one line.
const ABOUT: &str = "Runs one admin task against a Quill Medical database: once, and on record";

/// The text, in the styles of clap's other texts.
pub(super) fn text(root: &Command, tasks: &[TaskCommand], detail: Detail) -> StyledStr {
    let header = *root.get_styles().get_header();
    let mut text = format!("{ABOUT}\n\n");
    let _ = writeln!(text, "{header}Usage:{header:#} quill-admin <COMMAND> [ENVIRONMENT] [OPTIONS]\n");
    let _ = writeln!(text, "{header}Tasks{header:#}, as in: quill-admin create-superadmin staging");
    let names: Vec<String> = tasks.iter().map(|task| with_aliases(root, &task.name)).collect();
    for line in paragraph(&names) {
        let _ = writeln!(text, "  {line}");
    }
    for group in &GROUPS {
        group_text(&mut text, root, group, header);
    }
    match detail {
        Detail::Short => text.push_str("\nMore: quill-admin --help, or quill-admin COMMAND --help\n"),
        Detail::Long => {
            let topics: Vec<&str> = topics::names().collect();
            let _ = writeln!(text, "Topics for help: {}", topics.join(", "));
            text.push_str(&home::where_to_look());
        }
    }
    StyledStr::from(text)
}

fn group_text(text: &mut String, root: &Command, group: &Group, header: Style) {
    let _ = writeln!(text, "{header}{}{header:#}", group.title);
    for (names, what) in group.rows {
        let names: Vec<String> = names.iter().map(|name| with_aliases(root, name)).collect();
        let _ = writeln!(text, "  {:20}  {what}", names.join(", "));
    }
}

/// The name of a command, with its short names.
fn with_aliases(root: &Command, name: &str) -> String {
    let aliases: Vec<&str> =
        root.find_subcommand(name).into_iter().flat_map(Command::get_visible_aliases).collect();
    if aliases.is_empty() { name.to_owned() } else { format!("{name} ({})", aliases.join(", ")) }
}

/// Names on lines of the help's width, less the indentation. A name is not broken from its short name.
fn paragraph(names: &[String]) -> Vec<String> {
    let joined: Vec<String> = names.iter().map(|name| name.replace(' ', "\u{a0}")).collect();
    lines(&joined.join(", "), WIDTH - 2).iter().map(|line| line.replace('\u{a0}', " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::task_command::catalogue;
    use quill_admin_operations::actions;

    #[test]
    fn every_command_is_in_one_group() {
        let tasks = catalogue(actions::of_this_run());
        let root = args::command(&tasks);
        let mut listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|group| group.rows)
            .flat_map(|(names, _)| names.iter().copied())
            .chain(tasks.iter().map(|task| task.name.as_str()))
            .collect();
        let mut commands: Vec<&str> =
            root.get_subcommands().filter(|one| !one.is_hide_set()).map(Command::get_name).collect();
        listed.sort_unstable();
        commands.sort_unstable();
        assert_eq!(listed, commands);
    }

    /// An action of that name would stand in the command's place.
    #[test]
    fn no_action_can_have_the_name_of_a_command() {
        let root = args::command(&[]);
        for command in root.get_subcommands() {
            for name in std::iter::once(command.get_name()).chain(command.get_all_aliases()) {
                assert!(quill_admin_application::COMMANDS.contains(&name), "{name}");
            }
        }
    }
}
