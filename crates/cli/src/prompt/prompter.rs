//! The interface to a person who is asked: a terminal, or a script in tests.

use quill_admin_contract::Secret;
use quill_admin_operations::error::CliError;

/// One entry of a list to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The name of the entry.
    pub name: String,
    /// Its meaning.
    pub note: String,
}

/// A person who can be asked.
pub trait Prompter: Send {
    /// Notes that something is going to be asked: from now on typed text is visible only as an answer.
    ///
    /// # Errors
    ///
    /// Fails when the terminal cannot be used.
    fn begin(&mut self) -> Result<(), CliError> {
        Ok(())
    }

    /// Asks for a line of text, again until `check` accepts it.
    ///
    /// # Errors
    ///
    /// Fails when the person leaves or the terminal is closed.
    fn text(
        &mut self,
        label: &str,
        check: &(dyn Fn(&str) -> Result<(), String> + Sync),
    ) -> Result<String, CliError>;

    /// Asks for a hidden text, and returns it as typed.
    ///
    /// # Errors
    ///
    /// Fails when the person leaves or the terminal is closed.
    fn secret(&mut self, label: &str) -> Result<Secret, CliError>;

    /// Asks for one entry of a list; returns its index.
    ///
    /// # Errors
    ///
    /// Fails when the person leaves or the terminal is closed.
    fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError>;

    /// Asks for yes or no; Enter alone means no.
    ///
    /// # Errors
    ///
    /// Fails when the person leaves or the terminal is closed.
    fn confirm(&mut self, question: &str) -> Result<bool, CliError>;

    /// Shows a message, such as the reason why an answer was refused.
    fn say(&mut self, text: &str);
}
