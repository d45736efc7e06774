//! Topics: pages of the documentation that are made of the program's own data, for `quill-admin help`.

use std::fmt::Write as _;

use clap::Command;
use quill_admin_cloud::{PERMISSIONS, Purpose};
use quill_admin_contract::reference;
use quill_admin_operations::config;

use super::{GLOBAL, manual};
use crate::task_command::TaskCommand;

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    /// The word that it is asked for with.
    pub(crate) name: &'static str,
    /// What it explains, in a few words.
    pub(crate) about: &'static str,
    page: fn(&Command, &[TaskCommand]) -> String,
}

impl Topic {
    /// The page, in Markdown.
    pub(crate) fn page(&self, root: &Command, tasks: &[TaskCommand]) -> String {
        (self.page)(root, tasks)
    }
}

/// All topics.
const TOPICS: [Topic; 5] = [
    Topic { name: "tasks", about: "what can be done to a database", page: tasks },
    Topic {
        name: "environments",
        about: "the file environments.yaml: where it is, and what is in it",
        page: |_, _| config::reference_page(),
    },
    Topic {
        name: "exit-codes",
        about: "what the program ends with, for scripts",
        page: |_, _| reference::exit_codes(),
    },
    Topic {
        name: "permissions",
        about: "what a person must be allowed to do in Google Cloud",
        page: |_, _| permissions(),
    },
    Topic { name: "options", about: "global options, variables and files", page: options },
];

/// The names of all topics.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TOPICS.iter().map(|topic| topic.name)
}

/// The topic of a name.
pub(crate) fn find(name: &str) -> Option<&'static Topic> {
    TOPICS.iter().find(|topic| topic.name == name)
}

/// The topics, for the help of `help`.
pub(crate) fn listed() -> String {
    let mut text = String::from("Topics:\n");
    for topic in &TOPICS {
        let _ = writeln!(text, "  {:12}  {}", topic.name, topic.about);
    }
    text.push_str(
        "\nExamples:\n  quill-admin help add-role\n  quill-admin help actions check\n  quill-admin help exit-codes",
    );
    text
}

fn tasks(_: &Command, tasks: &[TaskCommand]) -> String {
    let mut page = String::from(
        "# Tasks\n\nA task runs once, in the database of one environment: `quill-admin TASK ENVIRONMENT`. `quill-admin \
         help TASK` explains it, and `quill-admin actions` says where it is declared.\n\n| task | short | |\n|---|---|---|\n",
    );
    for task in tasks {
        let _ = writeln!(page, "| `{}` | {} | {} |", task.name, task.aliases.join(", "), task.about);
    }
    page
}

/// The page of permissions.
fn permissions() -> String {
    let mut page = String::from(
        "# Permissions\n\nWhat a person must be allowed to do, by what it is for, with the smallest predefined role \
         that gives it. `quill-admin whoami` says which are missing.\n",
    );
    let mut purposes: Vec<Purpose> = PERMISSIONS.iter().map(|permission| permission.purpose).collect();
    purposes.dedup();
    for purpose in purposes {
        let title = match purpose {
            Purpose::Tasks => "Running tasks".to_owned(),
            other => format!("`{other}`"),
        };
        let _ = write!(page, "\n## {title}\n\n| permission | role |\n|---|---|\n");
        for permission in PERMISSIONS.iter().filter(|permission| permission.purpose == purpose) {
            let _ = writeln!(page, "| `{}` | `{}` |", permission.name, permission.role);
        }
    }
    page
}

/// The page of the global options, and of the variables and files that count for all commands.
fn options(root: &Command, _: &[TaskCommand]) -> String {
    let mut page = String::from(
        "# Options, variables and files\n\nEvery command takes these options; its help shows those that mean something \
         to it. An option counts more than its variable.\n\n## Global options\n\n| option | variable | |\n|---|---|---|\n",
    );
    for arg in root.get_arguments().filter(|arg| arg.get_help_heading() == Some(GLOBAL)) {
        let short = arg.get_short().map_or_else(String::new, |letter| format!("-{letter}, "));
        let long = arg.get_long().unwrap_or_default();
        let value = match arg.get_value_names() {
            Some([name, ..]) if arg.get_action().takes_values() => format!(" {name}"),
            _ => String::new(),
        };
        let variable = arg.get_env().map_or_else(String::new, |name| format!("`{}`", name.display()));
        let mut what = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !values.is_empty() && !value.is_empty() {
            let _ = write!(what, ": {}", values.join(", "));
        }
        let _ = writeln!(page, "| `{short}--{long}{value}` | {variable} | {what} |");
    }
    page.push_str("\n## Variables\n\n| variable | |\n|---|---|\n");
    for (name, what) in manual::VARIABLES {
        let _ = writeln!(page, "| `{name}` | {what} |");
    }
    page.push_str("\n## Files\n\n| file | |\n|---|---|\n");
    for (name, what) in manual::FILES {
        let _ = writeln!(page, "| `{name}` | {what} |");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args;
    use crate::task_command::catalogue;
    use quill_admin_operations::actions;

    #[test]
    fn no_topic_has_the_name_of_a_command() {
        let tasks = catalogue(actions::of_this_run());
        let root = args::command(&tasks);
        for topic in &TOPICS {
            assert!(root.find_subcommand(topic.name).is_none(), "{}", topic.name);
            assert!(topic.page(&root, &tasks).starts_with("# "), "{}", topic.name);
        }
    }

    #[test]
    fn every_variable_of_an_option_is_listed() {
        let tasks = catalogue(actions::of_this_run());
        let root = args::command(&tasks);
        let of_options = root.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
        for variable in of_options {
            assert!(manual::VARIABLES.iter().any(|(name, _)| *name == variable), "{variable}");
        }
    }
}
