//! `help`: explains a command or a topic.

use quill_admin_operations::error::CliError;

use super::context::Context;
use crate::args::{self, Help};
use crate::help;
use crate::task_command::TaskCommand;

pub(super) fn run(context: &Context<'_>, tasks: &[TaskCommand], args: &Help) -> Result<u8, CliError> {
    let mut root = args::command(tasks);
    root.build();
    // A command goes first: an application may have an action with the name of a topic.
    if let Some(command) = find(&root, &args.words) {
        return Ok(context.reporter.help(&mut command.clone()));
    }
    if let [name] = &args.words[..]
        && let Some(topic) = help::topic(name)
    {
        return Ok(context.reporter.topic(topic.name, &topic.page(&root, tasks)));
    }
    let words = args.words.join(" ");
    let topics: Vec<&str> = help::topic_names().collect();
    let error = CliError::usage(format!(
        "there is no command and no topic \"{}\"; topics: {}",
        words.escape_debug(),
        topics.join(", ")
    ));
    let known = help::names(&root);
    Err(match quill_admin_operations::nearest(&words, known.iter().map(String::as_str)) {
        Some(near) => error.hint(format!("did you mean: quill-admin help {near}")),
        None => error.hint("see all commands: quill-admin --help"),
    })
}

/// The command of these words; the program itself for none.
fn find<'a>(root: &'a clap::Command, words: &[String]) -> Option<&'a clap::Command> {
    words.iter().try_fold(root, |command, word| command.find_subcommand(word))
}
