//! The values of a task's parameters, and the action made from them.

use quill_admin_actions::{Actions, Kind};
use quill_admin_contract::{AdminAction, Argument, ExitCode, Password, Variables};
use quill_admin_operations::error::CliError;

use crate::task_command::TaskParameter;

/// The values of a task's parameters. A parameter that was left out has none.
#[derive(Default)]
pub(super) struct Answers<'a> {
    of: Vec<(&'a TaskParameter, Value)>,
}

/// A value that was given.
pub(super) enum Value {
    /// A value that is not secret.
    Plain(Argument),
    /// A password; `shown` says whether it was made here, and has to be shown.
    Password { password: Password, shown: bool },
}

impl<'a> Answers<'a> {
    pub(super) fn add(&mut self, parameter: &'a TaskParameter, value: Value) {
        self.of.push((parameter, value));
    }

    /// The value of a parameter, by its name; `None` where it was left out, or is a password.
    pub(super) fn text(&self, parameter: &str) -> Option<String> {
        self.of.iter().find_map(|(of, value)| match value {
            Value::Plain(value) if of.name() == parameter => Some(value.as_text()?.into_owned()),
            _ => None,
        })
    }

    /// The password that was made here, if one was.
    pub(super) fn generated_password(&self) -> Option<Password> {
        self.of.iter().find_map(|(_, value)| match value {
            Value::Password { password, shown: true } => Some(password.clone()),
            _ => None,
        })
    }

    /// The texts and the email addresses, which must not be part of a password.
    pub(super) fn words(&self) -> (Vec<String>, Vec<String>) {
        let texts = |email: bool| {
            let of = self
                .of
                .iter()
                .filter(move |(parameter, _)| matches!(parameter.rule.kind, Kind::Email { .. }) == email);
            of.flat_map(|(_, value)| match value {
                Value::Plain(value) => value.values(),
                Value::Password { .. } => Vec::new(),
            })
        };
        (texts(false).collect(), texts(true).collect())
    }

    /// Makes the action, read from the variables that would carry it, as the container does. Passwords are
    /// hashed for it, which takes a while.
    pub(super) fn into_action(
        self,
        name: &str,
        actions: &'static Actions,
    ) -> impl Future<Output = Result<AdminAction, CliError>> + use<> {
        let name = name.to_owned();
        let values: Vec<(String, Value)> =
            self.of.into_iter().map(|(parameter, value)| (parameter.variable(), value)).collect();
        async move {
            let made = tokio::task::spawn_blocking(move || {
                AdminAction::from_env(&Variables::new(variables(name, values)), actions)
            });
            let read = made.await.map_err(|error| {
                CliError::new(ExitCode::Unexpected, format!("failed to hash the password: {error}"))
            })?;
            read.map_err(|error| CliError::new(error.exit_code(), error.to_string()))
        }
    }
}

fn variables(
    action: String,
    values: Vec<(String, Value)>,
) -> impl Iterator<Item = (std::ffi::OsString, std::ffi::OsString)> {
    let text = |value| match value {
        Value::Plain(value) => value.as_text().map(std::borrow::Cow::into_owned).unwrap_or_default(),
        Value::Password { password, .. } => password.hash().expose().to_owned(),
    };
    let values = values.into_iter().map(move |(name, value)| (name, text(value)));
    [("ADMIN_ACTION".to_owned(), action)]
        .into_iter()
        .chain(values)
        .map(|(name, value)| (name.into(), value.into()))
}
