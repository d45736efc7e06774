//! The values of all parameters of an action: read from variables at once ([`Entered`]), and, once passwords
//! are hashed, complete ([`Arguments`]).
//!
//! To change how values travel: [`Arguments::to_env`] and [`Entered::read`], which are the inverse of each other; a
//! property test takes values there and back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quill_admin_actions::{Action, Kind, Parameter, ParameterWords, variable};

use crate::argument::Argument;
use crate::env_error::EnvProblem;
use crate::secret::{Hasher, Password, Secret};
use crate::value::InvalidValue;

/// The values of an action's parameters, by name. They fit the action that they were read for. A parameter that
/// was left out and has no default is not here: NULL is bound for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments(BTreeMap<String, Argument>);

impl Arguments {
    /// The value of a parameter; `None` where it was left out.
    #[must_use]
    pub fn get(&self, parameter: &str) -> Option<&Argument> {
        self.0.get(parameter)
    }

    /// All values, by the names of their parameters.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Argument)> {
        self.0.iter().map(|(name, argument)| (name.as_str(), argument))
    }

    /// The variables that carry the values into the container, where [`Entered::read`] reads them. A password
    /// travels as its hash only.
    #[must_use]
    pub fn to_env(&self) -> Vec<(String, String)> {
        let variable = |(name, argument): (&String, &Argument)| match argument {
            Argument::Password(hash) => (hash_variable(name), hash.expose().to_owned()),
            other => (variable(name), other.as_text().map(Cow::into_owned).unwrap_or_default()),
        };
        self.0.iter().map(variable).collect()
    }
}

impl FromIterator<(String, Argument)> for Arguments {
    fn from_iter<T: IntoIterator<Item = (String, Argument)>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

/// The variable in which the hash of a password travels.
fn hash_variable(parameter: &str) -> String {
    format!("{}_HASH", variable(parameter))
}

/// Values that are valid, of which a password may still have to be hashed: that takes time and memory, and is
/// done once nothing else is wrong.
#[derive(Debug)]
pub struct Entered {
    arguments: BTreeMap<String, Argument>,
    passwords: BTreeMap<String, Credential>,
}

/// A password that has not been hashed yet.
#[derive(Debug)]
enum Credential {
    /// It came in plain text.
    Plain(Password),
    /// None was given, and nobody is to know it.
    Random,
}

impl Entered {
    /// Reads the values of all parameters, each from the variable that `look_up` knows it by. What is left out
    /// gets its default.
    ///
    /// A password is taken as its hash (`ADMIN_PASSWORD_HASH`) or in plain text (`ADMIN_PASSWORD`), and refused
    /// where both are given.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order in which the parameters are asked for: missing values, values
    /// that do not fit, and errors of `look_up` itself.
    pub fn read<'a>(
        action: &Action,
        look_up: impl Fn(&str) -> Result<Option<&'a str>, EnvProblem>,
    ) -> Result<Self, Vec<EnvProblem>> {
        let mut entered = Self { arguments: BTreeMap::new(), passwords: BTreeMap::new() };
        let mut problems = Vec::new();
        for words in &action.words.parameters {
            let Some(parameter) = action.definition.parameters.get(&words.parameter) else { continue };
            let read = if parameter.is_secret() {
                entered.credential(parameter, words, &look_up)
            } else {
                entered.value(parameter, words, &look_up)
            };
            problems.extend(read.err());
        }
        if problems.is_empty() { Ok(entered) } else { Err(problems) }
    }

    /// The variables of the passwords that came in plain text: whoever may view the execution can read them, and
    /// the result has to say so.
    #[must_use]
    pub fn plaintext(&self) -> Vec<String> {
        let plain = self.passwords.iter().filter(|(_, password)| matches!(password, Credential::Plain(_)));
        plain.map(|(name, _)| variable(name)).collect()
    }

    /// The variables of all values that there are; of a password, the one that holds its hash.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        let value = |(name, argument): (&String, &Argument)| match argument {
            Argument::Password(_) => hash_variable(name),
            _ => variable(name),
        };
        self.arguments.iter().map(value).chain(self.passwords.keys().map(|name| hash_variable(name)))
    }

    /// The values, with all passwords hashed: [`Password::hash`] says how long that takes.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness or no memory to give.
    #[must_use]
    pub fn hashed(self) -> Arguments {
        if self.passwords.is_empty() {
            Arguments(self.arguments)
        } else {
            self.hashed_with(&mut Hasher::new())
        }
    }

    /// The same as [`Self::hashed`], with the memory of a hasher that has hashed other passwords before.
    ///
    /// # Panics
    ///
    /// Panics if the operating system has no randomness to give.
    #[must_use]
    pub fn hashed_with(mut self, hasher: &mut Hasher) -> Arguments {
        for (name, credential) in self.passwords {
            let hash = match credential {
                Credential::Plain(password) => hasher.hash(&password),
                Credential::Random => hasher.hash_of_nobody(),
            };
            self.arguments.insert(name, Argument::Password(hash));
        }
        Arguments(self.arguments)
    }

    fn value<'a>(
        &mut self,
        parameter: &Parameter,
        words: &ParameterWords,
        look_up: &impl Fn(&str) -> Result<Option<&'a str>, EnvProblem>,
    ) -> Result<(), EnvProblem> {
        let name = variable(&words.parameter);
        let Some(text) = look_up(&name)?.or(parameter.default.as_deref()) else {
            return if parameter.is_required() { Err(EnvProblem::Missing(name.into())) } else { Ok(()) };
        };
        let argument = Argument::read(parameter, words, text).map_err(invalid(name))?;
        self.arguments.insert(words.parameter.clone(), argument);
        Ok(())
    }

    fn credential<'a>(
        &mut self,
        parameter: &Parameter,
        words: &ParameterWords,
        look_up: &impl Fn(&str) -> Result<Option<&'a str>, EnvProblem>,
    ) -> Result<(), EnvProblem> {
        let (hash, plain) = (hash_variable(&words.parameter), variable(&words.parameter));
        let name = words.parameter.clone();
        match (look_up(&hash)?, look_up(&plain)?) {
            (Some(_), Some(_)) => return Err(EnvProblem::Both(hash.into(), plain.into())),
            (Some(text), None) => {
                let argument = Argument::read(parameter, words, text).map_err(invalid(hash))?;
                self.arguments.insert(name, argument);
            }
            (None, Some(text)) => {
                let password = Password::parse(Secret::new(text.to_owned())).map_err(invalid(plain))?;
                self.passwords.insert(name, Credential::Plain(password));
            }
            (None, None) if matches!(parameter.kind, Kind::Password { random_if_absent: true, .. }) => {
                self.passwords.insert(name, Credential::Random);
            }
            (None, None) if parameter.is_required() => return Err(EnvProblem::Missing(hash.into())),
            (None, None) => {}
        }
        Ok(())
    }
}

fn invalid(variable: String) -> impl FnOnce(InvalidValue) -> EnvProblem {
    |problem| EnvProblem::Invalid(variable.into(), problem)
}

#[cfg(test)]
mod tests;
