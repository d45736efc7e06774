//! Questions to a person, for values that no flag gave.
//!
//! [`Prompter`] is the interface to the person: a terminal, or a script in tests. [`Form`] is how commands
//! use it: all flags are checked first, and without a person every missing one is named at once.
//!
//! **To add a kind of question:** a method of [`Prompter`], its implementation in `terminal.rs` and in the
//! tests' script, and a method of [`Form`].

mod dumb;
mod edit;
mod keys;
mod list;
mod prompter;
mod region;
mod signals;
mod terminal;
mod tty;

use std::str::FromStr;

use quill_admin_contract::{InvalidValue, Secret};

pub use prompter::{Choice, Prompter};
use quill_admin_operations::error::{CliError, advice};
use quill_admin_operations::hints;
pub use signals::Stop;
pub(crate) use terminal::line;
pub use terminal::{Interrupt, Questions, Terminal};

/// Collects the values that a command needs, from its flags and, where they are missing, from a person.
pub struct Form {
    prompter: Option<Box<dyn Prompter>>,
    missing: Vec<String>,
    invalid: Vec<String>,
    /// Whether something will be asked, because not everything was given.
    open: bool,
    /// Whether a value was asked for.
    asked: bool,
    /// Whether somebody could be asked, who does not want to be.
    silenced: bool,
    /// The words of the command, whose help explains the missing flags.
    command: String,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

/// A value that a flag gave, or that has to be asked for.
#[derive(Debug)]
pub enum Field<T> {
    /// The value was given.
    Given(T),
    /// The value was not given.
    Open,
}

impl Form {
    /// Makes a form with a person to ask, or with nobody.
    #[must_use]
    pub fn new(prompter: Option<Box<dyn Prompter>>) -> Self {
        Self {
            prompter,
            missing: Vec::new(),
            invalid: Vec::new(),
            open: false,
            asked: false,
            silenced: false,
            command: String::new(),
        }
    }

    /// The same form for a command, by its words after the program's name.
    #[must_use]
    pub fn of(self, command: &str) -> Self {
        Self { command: command.to_owned(), ..self }
    }

    /// Makes a form for somebody who does not want to be asked, with `--no-input`.
    #[must_use]
    pub fn silent() -> Self {
        Self { silenced: true, ..Self::new(None) }
    }

    /// The reason why nobody is asked, for the end of a sentence; `to` is what would have been done at a
    /// terminal.
    #[must_use]
    pub fn nobody_to(&self, to: &str) -> String {
        if self.silenced {
            "nobody is asked, because of --no-input or QUILL_ADMIN_NO_INPUT".to_owned()
        } else {
            format!("there is no terminal to {to} at")
        }
    }

    /// Whether somebody can be asked.
    #[must_use]
    pub fn attended(&self) -> bool {
        self.prompter.is_some()
    }

    /// Whether a person has been asked for a value, or does not know one that is used. Then the command does more
    /// than the command line says, and the person has to see it first.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked
    }

    /// Notes that the command does more than the command line says, so that a person has to see it first.
    pub fn note_unseen(&mut self) {
        self.asked |= self.attended();
    }

    /// Asks for a line of text, again until `check` accepts it.
    ///
    /// # Errors
    ///
    /// Fails when nobody can be asked, and when the person leaves or the terminal is closed.
    pub fn line(
        &mut self,
        label: &str,
        check: &(dyn Fn(&str) -> Result<(), String> + Sync),
    ) -> Result<String, CliError> {
        self.prompter()?.text(label, check)
    }

    /// Notes that nobody can be asked: values that the flags do not give are missing.
    pub fn unattended(&mut self) {
        self.prompter = None;
    }

    /// Reads a value from its flag, and checks it at once.
    pub fn flag<T>(
        &mut self,
        flag: &str,
        given: Option<&str>,
        parse: impl Fn(&str) -> Result<T, InvalidValue>,
    ) -> Field<T> {
        match given.map(parse) {
            Some(Ok(value)) => return Field::Given(value),
            Some(Err(problem)) => self.invalid.push(format!("{flag}: {problem}")),
            None if self.prompter.is_none() => self.missing.push(flag.to_owned()),
            None => self.open = true,
        }
        Field::Open
    }

    /// Reads a value that nobody is asked for.
    pub fn optional<T>(&mut self, flag: &str, given: Option<&str>) -> Option<T>
    where
        T: FromStr<Err = InvalidValue>,
    {
        match given.map(str::parse)? {
            Ok(value) => Some(value),
            Err(problem) => {
                self.invalid.push(format!("{flag}: {problem}"));
                None
            }
        }
    }

    /// Notes that one of several flags is needed, unless somebody can be asked.
    pub fn need(&mut self, flags: &str) {
        if self.prompter.is_none() {
            self.missing.push(flags.to_owned());
        } else {
            self.open = true;
        }
    }

    /// Whether something will be asked.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.open
    }

    /// Refuses the command if any flag is invalid or missing: all of them at once, before any question.
    ///
    /// # Errors
    ///
    /// Fails with one message for each invalid flag, and one for the missing flags.
    pub fn check(&mut self) -> Result<(), CliError> {
        let mut messages = std::mem::take(&mut self.invalid);
        let missing = std::mem::take(&mut self.missing);
        let lacks = !missing.is_empty();
        if lacks {
            messages.push(format!("missing: {} ({})", missing.join(", "), self.nobody_to("ask")));
        }
        if messages.is_empty() {
            return match &mut self.prompter {
                Some(prompter) if self.open => prompter.begin(),
                _ => Ok(()),
            };
        }
        let mut error = CliError::usage("");
        error.messages = messages;
        let explains = Some(&self.command).filter(|command| lacks && !command.is_empty());
        let help = explains.map(|command| hints::of_actions(&format!("{command} --help")));
        Err(error.hints(help.map(|help| advice("see its flags with", &help))))
    }

    /// The person to ask for a value.
    fn prompter(&mut self) -> Result<&mut (dyn Prompter + 'static), CliError> {
        self.asked = true;
        self.anybody()
    }

    fn anybody(&mut self) -> Result<&mut (dyn Prompter + 'static), CliError> {
        // `check` has refused before; this serves a command that forgot to call it.
        let nobody = self.nobody_to("ask");
        self.prompter.as_deref_mut().ok_or_else(|| CliError::usage(nobody))
    }

    /// The flag's value, or one that a person gives.
    ///
    /// # Errors
    ///
    /// Fails when nobody can be asked, and when the person leaves or the terminal is closed.
    pub fn text<T>(
        &mut self,
        field: Field<T>,
        label: &str,
        parse: impl Fn(&str) -> Result<T, InvalidValue> + Sync,
    ) -> Result<T, CliError> {
        match field {
            Field::Given(value) => Ok(value),
            Field::Open => {
                let text = self
                    .prompter()?
                    .text(label, &|text| parse(text).map(drop).map_err(|problem| problem.to_string()))?;
                parse(&text).map_err(CliError::from)
            }
        }
    }

    /// Asks for one entry of a list; returns its index.
    ///
    /// # Errors
    ///
    /// Fails when nobody can be asked, and when the person leaves or the terminal is closed.
    pub fn choose(&mut self, label: &str, choices: &[Choice]) -> Result<usize, CliError> {
        self.prompter()?.choose(label, choices)
    }

    /// Asks for yes or no; Enter alone means no. It asks for no value, so [`Self::asked`] stays as it is.
    ///
    /// # Errors
    ///
    /// Fails when nobody can be asked, and when the person leaves or the terminal is closed.
    pub fn confirm(&mut self, question: &str) -> Result<bool, CliError> {
        self.anybody()?.confirm(question)
    }

    /// Asks for a new secret twice, and judges it. It starts over until both answers agree.
    ///
    /// # Errors
    ///
    /// Fails when nobody can be asked, and when the person leaves or the terminal is closed.
    pub fn new_secret<T>(
        &mut self,
        label: &str,
        again: &str,
        judge: impl Fn(Secret) -> Result<T, String>,
    ) -> Result<T, CliError> {
        let prompter = self.prompter()?;
        loop {
            let first = prompter.secret(label)?;
            let judged = match judge(first.clone()) {
                Ok(judged) => judged,
                Err(why) => {
                    prompter.say(&why);
                    continue;
                }
            };
            if prompter.secret(again)? == first {
                return Ok(judged);
            }
            prompter.say("the two do not match; once more");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use quill_admin_contract::{Username, value};

    use super::*;

    /// Answers from a list, and notes what it was shown.
    struct Script {
        answers: VecDeque<&'static str>,
        said: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    }

    impl Script {
        fn answer(&mut self) -> &'static str {
            self.answers.pop_front().expect("an answer is left")
        }
    }

    impl Prompter for Script {
        fn text(
            &mut self,
            _: &str,
            check: &(dyn Fn(&str) -> Result<(), String> + Sync),
        ) -> Result<String, CliError> {
            loop {
                let answer = self.answer();
                match check(answer) {
                    Ok(()) => return Ok(answer.to_owned()),
                    Err(why) => self.say(&why),
                }
            }
        }

        fn secret(&mut self, _: &str) -> Result<Secret, CliError> {
            Ok(Secret::new(self.answer().to_owned()))
        }

        fn choose(&mut self, _: &str, choices: &[Choice]) -> Result<usize, CliError> {
            let answer = self.answer();
            Ok(choices.iter().position(|choice| choice.name == answer).expect("a choice"))
        }

        fn confirm(&mut self, _: &str) -> Result<bool, CliError> {
            Ok(self.answer() == "y")
        }

        fn say(&mut self, text: &str) {
            self.said.lock().expect("unpoisoned").push(text.to_owned());
        }
    }

    type Said = std::sync::Arc<std::sync::Mutex<Vec<String>>>;

    fn form(answers: &[&'static str]) -> (Form, Said) {
        let said = Said::default();
        let script = Script { answers: answers.iter().copied().collect(), said: said.clone() };
        (Form::new(Some(Box::new(script))), said)
    }

    #[test]
    fn without_a_person_everything_is_said_at_once() {
        let mut form = Form::new(None);
        let _: Field<Username> = form.flag("--username", None, str::parse);
        let _ = form.flag("--email", Some("nobody"), |text| value::email("email", text, 255));
        form.need("--password-stdin or --generate-password");
        let error = form.check().expect_err("refused");
        assert_eq!(
            error.messages,
            [
                "--email: the email must contain exactly one @ with something on both sides, as in name@example.org",
                "missing: --username, --password-stdin or --generate-password (there is no terminal to ask at)",
            ]
        );
    }

    #[test]
    fn a_bad_flag_is_refused_before_any_question() {
        let (mut form, _) = form(&[]);
        let _: Field<Username> = form.flag("--username", None, str::parse);
        let _ = form.flag("--email", Some("nobody"), |text| value::email("email", text, 255));
        assert!(form.check().is_err());
    }

    #[test]
    fn a_person_is_asked_again_until_it_is_right() {
        let (mut form, said) = form(&["", "bad\u{7}", "Жанна, \"x\"=^🙂"]);
        let field: Field<Username> = form.flag("--username", None, str::parse);
        form.check().expect("nothing is missing: somebody can be asked");
        assert_eq!(form.text(field, "Username", str::parse).expect("given").as_str(), "Жанна, \"x\"=^🙂");
        assert_eq!(said.lock().expect("unpoisoned").len(), 2);
    }

    #[test]
    fn a_new_secret_is_judged_and_repeated() {
        let (mut form, said) = form(&["weak", "strong-1", "other", "strong-2", "strong-2"]);
        let judge = |secret: Secret| {
            if secret.expose().starts_with("strong") { Ok(secret) } else { Err("too weak".to_owned()) }
        };
        let secret = form.new_secret("Password", "again", judge).expect("agreed");
        assert_eq!(secret.expose(), "strong-2");
        assert_eq!(*said.lock().expect("unpoisoned"), ["too weak", "the two do not match; once more"]);
    }
}
