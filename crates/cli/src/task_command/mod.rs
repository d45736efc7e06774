//! Task commands as data: the name of a command that runs a task, its parameters, and its help.
//!
//! A [`TaskCommand`] holds everything about one. `catalogue` makes them from the actions that the
//! application's file declares, `command_line` makes the clap command from each and reads back what was
//! typed, `commands/run_task.rs` asks for the rest and runs it; completions, manual pages and documentation
//! come from the clap command. None of them knows any action by its name.
//!
//! **To add a task:** an action in `application/actions.yaml`. **To add a kind of parameter:**
//! `command_line.rs` and `help.rs`, besides the crate `actions`.

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
    /// The name of the command, which is the name of its action.
    pub name: String,
    /// Other names it can be called by; help shows them.
    pub aliases: Vec<String>,
    /// One line for the list of commands, which also begins the command's own help.
    pub about: String,
    /// The text below the options in the command's help: explanations and examples.
    pub after_help: String,
    /// Its parameters, in the order in which flags are listed and questions are asked.
    pub parameters: Vec<TaskParameter>,
    /// Whether it may write to the database.
    pub writes: bool,
    /// Whether it can be previewed: it may write, and runs in the admin image.
    pub previews: bool,
}
