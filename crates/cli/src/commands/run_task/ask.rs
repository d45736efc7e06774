//! Checks the values that flags give, and asks for the others.
//!
//! To add a source of passwords: `PasswordSource` in `task_command/command_line.rs`, and `new_password` here.

use quill_admin_contract::{Argument, Password};
use quill_admin_operations::error::CliError;

use super::answers::{Answers, Value};
use crate::password::{self, Owner, PasswordRules};
use crate::prompt::{Choice, Field, Form};
use crate::report::symbols::MORE;
use crate::task_command::{Given, PasswordSource, TaskParameter};

/// The environment that a task is going to run in, as far as its questions depend on it.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) environment: &'a str,
    pub(super) project: &'a str,
}

/// A parameter whose flags were checked.
pub(super) enum Checked<'a> {
    Value {
        parameter: &'a TaskParameter,
        field: Field<Argument>,
    },
    /// Neither a flag nor a person gives it: it gets its default, or no value.
    LeftOut,
    Password {
        parameter: &'a TaskParameter,
        source: PasswordSource,
    },
}

/// Checks the values that flags give, and notes the missing ones in the form. An optional value is not asked
/// for.
pub(super) fn check<'a>(form: &mut Form, given: Vec<Given<'a>>) -> Vec<Checked<'a>> {
    let check = |given| match given {
        Given::Text { parameter, text: None } if !parameter.rule.is_required() => Checked::LeftOut,
        Given::Text { parameter, text } => {
            let name = format!("--{}", parameter.flag());
            let field = form.flag(&name, text.as_deref(), |text| parameter.parse(text));
            Checked::Value { parameter, field }
        }
        Given::Password { source: PasswordSource::None, .. } => Checked::LeftOut,
        Given::Password { parameter, source } => {
            if source == PasswordSource::Asked {
                form.need(&format!("--{} or --{}", PasswordSource::STDIN, PasswordSource::GENERATE));
            }
            Checked::Password { parameter, source }
        }
    };
    given.into_iter().map(check).collect()
}

/// Asks for the values that are still open, in the order of the parameters.
pub(super) fn ask<'a>(
    form: &mut Form,
    checked: Vec<Checked<'a>>,
    place: Place<'_>,
) -> Result<Answers<'a>, CliError> {
    let mut answers = Answers::default();
    for checked in checked {
        let (parameter, value) = match checked {
            Checked::LeftOut => continue,
            Checked::Value { parameter, field: Field::Given(value) } => (parameter, Value::Plain(value)),
            Checked::Value { parameter, field: Field::Open } => {
                (parameter, Value::Plain(value(form, parameter)?))
            }
            Checked::Password { parameter, source } => {
                let password = new_password(form, &parameter.words.ask, source, &answers, place)?;
                let shown = source == PasswordSource::Generated;
                (parameter, Value::Password { password, shown })
            }
        };
        answers.add(parameter, value);
    }
    Ok(answers)
}

/// Asks for the value of a parameter; where it takes several values, until there are no more.
fn value(form: &mut Form, parameter: &TaskParameter) -> Result<Argument, CliError> {
    let label = &parameter.words.ask;
    let mut texts: Vec<String> = Vec::new();
    loop {
        let again = format!("another {}", parameter.words.name);
        let label = if texts.is_empty() { label.as_str() } else { again.as_str() };
        match one(form, label, parameter, &texts)? {
            Some(text) => texts.push(text),
            None => break,
        }
        if !parameter.rule.many {
            break;
        }
    }
    Ok(parameter.parse(&texts.join("\n"))?)
}

/// Asks for one value: from a list where there are values to choose from, else on a line. `before` are the
/// values given so far; `None` where they are enough.
fn one(
    form: &mut Form,
    label: &str,
    parameter: &TaskParameter,
    before: &[String],
) -> Result<Option<String>, CliError> {
    let mut values = parameter.candidates();
    values.retain(|value| !before.contains(&value.name));
    if values.is_empty() && (before.is_empty() || !parameter.is_closed()) {
        return line(form, label, parameter, before);
    }
    let mut choices: Vec<Choice> =
        values.iter().map(|value| Choice { name: value.name.clone(), note: value.note.clone() }).collect();
    let choice = |name: String| Choice { name, note: String::new() };
    // A list that is not closed ends with an entry for other values.
    if !parameter.is_closed() {
        choices.push(choice(format!("another {} {MORE}", parameter.words.name)));
    }
    if !before.is_empty() {
        choices.push(choice("no more".to_owned()));
    }
    let chosen = form.choose(label, &choices)?;
    match values.get(chosen) {
        Some(value) => Ok(Some(value.name.clone())),
        None if chosen == values.len() && !parameter.is_closed() => {
            line(form, &format!("{label}, exactly as the database has it"), parameter, before)
        }
        None => Ok(None),
    }
}

/// Asks for one value on a line. An empty line ends several values.
fn line(
    form: &mut Form,
    label: &str,
    parameter: &TaskParameter,
    before: &[String],
) -> Result<Option<String>, CliError> {
    let label = if before.is_empty() { label.to_owned() } else { format!("{label} (Enter alone: no more)") };
    form.text(Field::Open, &label, |text| {
        if text.trim().is_empty() && !before.is_empty() {
            return Ok(None);
        }
        // It is checked together with the values before it: none may be given twice.
        let all: Vec<&str> = before.iter().map(String::as_str).chain([text]).collect();
        parameter.parse(&all.join("\n")).map(|value| value.values().pop())
    })
}

/// A new password, from its source. The answers before it count for nothing in it.
fn new_password(
    form: &mut Form,
    label: &str,
    source: PasswordSource,
    before: &Answers<'_>,
    place: Place<'_>,
) -> Result<Password, CliError> {
    let (names, emails) = before.words();
    let (names, emails): (Vec<&str>, Vec<&str>) =
        (names.iter().map(String::as_str).collect(), emails.iter().map(String::as_str).collect());
    let owner =
        Owner { names: &names, emails: &emails, environment: place.environment, project: place.project };
    let rules = PasswordRules::default();
    let judge = |secret| password::judge(secret, &rules, owner);
    match source {
        PasswordSource::Stdin => {
            judge(password::from_stdin(password::stdin())?).map_err(|why| stdin_refused(&why))
        }
        PasswordSource::Generated => password::generate(),
        // `check` has turned a password that is left out into `LeftOut` before.
        PasswordSource::Asked | PasswordSource::None => {
            form.new_secret(&format!("{label} (hidden)"), &format!("{label}, again"), judge)
        }
    }
}

pub(super) fn stdin_refused(why: &str) -> CliError {
    CliError::usage(format!("--{}: {why}", PasswordSource::STDIN))
}
