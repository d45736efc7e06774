//! Topics: pages of the documentation that are made of the program's own data, for `quill-admin help`.
//!
//! To add a topic: its row in `TOPICS`, and the function that makes its page.

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
    /// Its subject, in a few words.
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
const TOPICS: [Topic; 6] = [
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
    Topic {
        name: "preview",
        about: "what a change would do, before it is made",
        page: |_, _| PREVIEW.to_owned(),
    },
];

/// The page of previews.
const PREVIEW: &str = "\
# Previews

With `--preview` a task is run in the container on the real rows, shows what it would change, and is rolled back. At a \
terminal you are asked whether to run exactly that.

```text
quill-admin add-role --env ENVIRONMENT --username NAME --role ROLE --preview
```

## What it shows

- what would be created or updated: each field before and after, and which hidden values would be replaced
- the warnings that the run would give, and the failure that it would end with
- the plan: 64 hexadecimal digits that stand for the action, its values, and all that it reads of its subject, before and \
  after

## The plan

`--expect PLAN`, in place of `--preview`, runs the task if it would still do the same. Otherwise it ends with exit code 19, \
and nothing is changed. So a plan can be agreed to by somebody else, or be run by a script. The password of a run may be \
another one than that of its preview. What an action looks up elsewhere, such as whether an email is free, is looked up \
again.

## Before every change

With `preview: required` in environments.yaml each change in that environment is previewed, shown, asked about, and run. \
Where nobody can be asked, `--yes` or `--confirm` agrees to whatever the preview finds, and `--expect` to one plan only.

## What a rollback does not undo

- numbers that a sequence has given are used up: the id of the next new row is higher
- what a trigger or function does outside of the database, such as a message, is done

Jobs of the application and actions that only read have no preview. The image has to be of contract version 4 or newer.
";

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
