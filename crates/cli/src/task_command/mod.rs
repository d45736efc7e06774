//! Task commands as data: what a command that runs a task is called, what it takes, and what its help says.
//!
//! A [`TaskCommand`] is all that has to be known of one. `catalogue` makes them of the actions that the application's
//! file declares, `command_line` makes the clap command from each and reads back what was typed,
//! `commands/run_task.rs` asks for the rest and runs it, and completions, manual pages and documentation come from
//! the clap command. None of them knows any action by its name.

mod catalogue;
mod command_line;
mod help;
mod parameter;

pub use catalogue::catalogue;
pub use command_line::{Given, PasswordSource, TaskCall, TaskFlags};
pub use parameter::{OneValue, TaskParameter};

/// A command that runs one task.
#[derive(Debug, Clone)]
pub struct TaskCommand {
    /// The name of the command, which is the name of the action it asks for.
    pub name: String,
    /// Other names it can be called by; help shows them.
    pub aliases: Vec<String>,
    /// One line for the list of commands, which also begins the command's own help.
    pub about: String,
    /// What stands below the options in the command's help: explanations and examples.
    pub after_help: String,
    /// What it takes, in the order in which flags are listed and questions are asked.
    pub parameters: Vec<TaskParameter>,
    /// Whether it may write to the database.
    pub writes: bool,
}
