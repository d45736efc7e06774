//! Who can be asked, and what for: a terminal in real life, a script in tests.

use quill_admin_contract::Secret;
use quill_admin_operations::error::CliError;

/// One line of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is chosen.
    pub name: String,
    /// What it means.
    pub note: String,
}

/// Somebody who can be asked.
pub trait Prompter: Send {
    /// Something is going to be asked: from now on nothing that is typed is to be seen but as an answer.
    fn begin(&mut self) -> Result<(), CliError> {
        Ok(())
    }

    /// A line of text, asked again until `check` accepts it.
    fn text(
        &mut self,
        label: &str,
        check: &(dyn Fn(&str) -> Result<(), String> + Sync),
    ) -> Result<String, CliError>;

    /// A hidden text, as typed.
    fn secret(&mut self, label: &str) -> Result<Secret, CliError>;

    /// One of a list.
    fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError>;

    /// Yes or no; no is the default, and what Enter alone means.
    fn confirm(&mut self, question: &str) -> Result<bool, CliError>;

    /// Tells something, as why an answer was refused.
    fn say(&mut self, text: &str);
}
