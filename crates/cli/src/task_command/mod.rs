//! Task commands as data: what a command that runs a task is called, what it takes, and what its help says.
//!
//! A [`TaskCommand`] is all that has to be known of one. `command_line` makes the clap command from it and
//! reads back what was typed, `commands/run_task.rs` asks for the rest and runs it, and completions, manual
//! pages and documentation come from the clap command. None of them knows any task by its name.
//!
//! Everything here is owned, because it does not have to come from this program: `catalogue` writes down the
//! commands of today.

mod catalogue;
mod command_line;

use quill_admin_contract::InvalidValue;
use quill_admin_contract::value;

pub use catalogue::catalogue;
pub use command_line::{Given, PasswordSource, TaskCall, TaskFlags};

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
    pub parameters: Vec<Parameter>,
    /// The name of the parameter that says which user the task is about, if it is about one.
    pub subject: Option<String>,
}

/// A value that a task needs: of a flag, or asked for.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name. The flag is called so, and the variable that carries the value to the container.
    pub name: String,
    /// What a person is asked for where no flag gives the value.
    pub ask: String,
    /// How the value is given.
    pub kind: Kind,
}

/// How a parameter's value is given.
#[derive(Debug, Clone)]
pub enum Kind {
    /// As the text behind a flag, or as the answer to a question.
    Text(TextFlag),
    /// A password: hidden when it is asked for, read from stdin, or made here. No flag takes one, because
    /// command lines are seen by others, and only its hash leaves this program.
    Password,
}

/// A flag that takes a text.
#[derive(Debug, Clone)]
pub struct TextFlag {
    /// The letter that stands for the flag's name.
    pub short: Option<char>,
    /// What help shows in place of the value, such as `NAME`.
    pub value_name: String,
    /// What help says of the flag.
    pub help: String,
    /// What messages call the value, as in "the username is empty".
    pub what: String,
    /// What the value may be.
    pub rule: Rule,
}

/// What the value of a parameter may be.
#[derive(Debug, Clone)]
pub enum Rule {
    /// Any text without characters that cannot be seen.
    Text {
        /// The most characters it may have.
        max: usize,
        /// Values it often is: a person chooses from them, or types another. Whether a value is right is for
        /// the database to say.
        suggested: Vec<String>,
    },
    /// An email address.
    Email {
        /// The most characters it may have.
        max: usize,
    },
    /// One of a closed list.
    OneOf(Vec<OneValue>),
}

/// A value of a closed list.
#[derive(Debug, Clone)]
pub struct OneValue {
    /// The value.
    pub name: String,
    /// What it means, in a few words.
    pub note: String,
}

impl Parameter {
    /// The variable that carries the value to the container; of a password, its hash.
    #[must_use]
    pub fn variable(&self) -> String {
        let name = self.name.to_uppercase().replace('-', "_");
        match self.kind {
            Kind::Text(_) => format!("ADMIN_{name}"),
            Kind::Password => format!("ADMIN_{name}_HASH"),
        }
    }
}

impl TextFlag {
    /// Checks a value, and strips what does not belong to it.
    ///
    /// # Errors
    ///
    /// If the rule does not allow the value; the message calls it by its name and says what is allowed.
    pub fn parse(&self, text: &str) -> Result<String, InvalidValue> {
        match &self.rule {
            Rule::Text { max, .. } => value::text(&self.what, text, *max),
            Rule::Email { max } => value::email(&self.what, text, *max),
            Rule::OneOf(values) => {
                let place = value::one_of(&self.what, text, values.iter().map(|value| value.name.as_str()))?;
                Ok(values[place].name.clone())
            }
        }
    }
}

impl Rule {
    /// Values that can be named before one is typed, with a note on each, which may be empty.
    #[must_use]
    pub fn candidates(&self) -> Vec<OneValue> {
        match self {
            Self::Text { suggested, .. } => {
                suggested.iter().map(|name| OneValue { name: name.clone(), note: String::new() }).collect()
            }
            Self::Email { .. } => Vec::new(),
            Self::OneOf(values) => values.clone(),
        }
    }
}
