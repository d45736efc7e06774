//! A parameter of a task: its flag, its question, and its allowed values.

use quill_admin_actions::{Condition, Kind, Parameter, ParameterWords, ValueWords, variable};
use quill_admin_contract::{Argument, InvalidValue};

/// Says in words which databases a value is for. The layout of the database is not known on this machine: the
/// container refuses a value that is not for it.
fn told(condition: &Condition) -> String {
    let Condition { table, column, present } = condition;
    if *present {
        format!("needs column {table}.{column}")
    } else {
        format!("only without column {table}.{column}")
    }
}

/// The longest name of a value, in characters, that help shows beside a flag of the same name.
const LONG_NAME: usize = 9;

/// A parameter of a task, given by a flag or asked for.
#[derive(Debug, Clone)]
pub struct TaskParameter {
    /// The rule for its value.
    pub rule: Parameter,
    /// The words about it.
    pub words: ParameterWords,
}

/// A value that can be offered before one is typed.
#[derive(Debug, Clone)]
pub struct OneValue {
    /// The value.
    pub name: String,
    /// Its meaning, in a few words; may be empty.
    pub note: String,
}

impl TaskParameter {
    /// Its name in the file of actions.
    #[must_use]
    #[expect(clippy::misnamed_getters, reason = "the words name what people call it")]
    pub fn name(&self) -> &str {
        &self.words.parameter
    }

    /// The name of its flag, without the hyphens before it.
    #[must_use]
    pub fn flag(&self) -> String {
        self.name().replace('_', "-")
    }

    /// The placeholder of the value in the help: the last word of the parameter's name. A long name that only
    /// repeats the flag is replaced, because it would push the texts of all flags to lines of their own.
    #[must_use]
    pub fn value_name(&self) -> String {
        let name = self.words.name.split_whitespace().last().unwrap_or_default();
        match self.rule.kind {
            Kind::Boolean => "BOOLEAN".to_owned(),
            _ if name.chars().count() > LONG_NAME && name == self.flag() => "VALUE".to_owned(),
            _ => name.to_uppercase(),
        }
    }

    /// The variable that carries its value to the container; for a password, the one that carries its hash.
    #[must_use]
    pub fn variable(&self) -> String {
        let name = variable(self.name());
        if self.rule.is_secret() { format!("{name}_HASH") } else { name }
    }

    /// Checks a value, and strips characters that do not belong to it.
    ///
    /// # Errors
    ///
    /// Fails when the rule does not allow the value; the message names it and says what is allowed.
    pub fn parse(&self, text: &str) -> Result<Argument, InvalidValue> {
        Argument::read(&self.rule, &self.words, text)
    }

    /// The values that can be offered before one is typed: all values of a closed list, in the order in which
    /// it is shown, or the suggested ones.
    #[must_use]
    pub fn candidates(&self) -> Vec<OneValue> {
        let of = |name: &str, note: Option<&String>| OneValue {
            name: name.to_owned(),
            note: note.cloned().unwrap_or_default(),
        };
        match &self.rule.kind {
            Kind::OneOf { values } => {
                let condition = |value: &str| values.get(value)?.condition.as_ref().map(told);
                let note = |words: &ValueWords| {
                    let notes: Vec<String> =
                        words.note.iter().cloned().chain(condition(&words.value)).collect();
                    (!notes.is_empty()).then(|| notes.join("; "))
                };
                self.words.values.iter().map(|words| of(&words.value, note(words).as_ref())).collect()
            }
            Kind::Boolean => ["true", "false"].map(|name| of(name, None)).to_vec(),
            _ => self.words.suggest.iter().map(|name| of(name, None)).collect(),
        }
    }

    /// Whether only its candidates are allowed.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.rule.kind, Kind::OneOf { .. } | Kind::Boolean)
    }
}
