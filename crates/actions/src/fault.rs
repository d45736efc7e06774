//! Faults of a compiled action: parts that are valid by themselves and do not fit together.
//!
//! To add a check: a function here, and its call in [`Action::fault`].

use std::collections::BTreeSet;

use crate::action::{Action, Definition};
use crate::statement::Statement;
use crate::step::Step;
use crate::words::Words;

impl Action {
    /// The first fault of the action, in words that complete "the action NAME …". A compiler of actions
    /// reports it with its place in the file. Here it keeps a compiled action of another source from being
    /// run.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let Self { definition, words, .. } = self;
        of_statements(definition)
            .or_else(|| of_passwords(definition))
            .or_else(|| self.of_writing())
            .or_else(|| of_words(definition, words))
    }

    /// A fault in what the action writes: it must not write if it only reads, and it needs a subject if it
    /// writes.
    fn of_writing(&self) -> Option<String> {
        let Definition { parameters, subject, steps, rows, .. } = &self.definition;
        let writes = steps.iter().any(|step| matches!(step, Step::Write(_)));
        if self.definition.read && writes {
            return Some("reads only, and has a step that writes".to_owned());
        }
        if writes && rows.is_some() {
            return Some(
                "has a step that writes, and lists rows: a list is of an action that reads".to_owned(),
            );
        }
        if self.is_job() {
            let idle = parameters.is_empty() && subject.is_none() && steps.is_empty() && rows.is_none();
            return (!idle).then(|| "is a job, and has something for our own container to do".to_owned());
        }
        // A change is reported and recorded as the difference between the two readings of the subject.
        let untold = self.writes() && subject.is_none();
        untold.then(|| "may write and has no subject, which says what it is about".to_owned())
    }
}

/// The first statement that binds something that is no parameter of that type.
fn of_statements(definition: &Definition) -> Option<String> {
    definition.statements().into_iter().find_map(|(slot, statement)| {
        let parameter = unfit_bind(definition, statement)?;
        Some(format!("has a statement ({slot:?}) that binds {parameter}, which it has no such parameter for"))
    })
}

/// A second password, or a password that would be recorded.
fn of_passwords(definition: &Definition) -> Option<String> {
    let mut secrets = definition.parameters.iter().filter(|(_, parameter)| parameter.is_secret());
    let (first, parameter) = secrets.next()?;
    if let Some((second, _)) = secrets.next() {
        return Some(format!("has two passwords, {first} and {second}, and an action takes one"));
    }
    parameter
        .recorded
        .then(|| format!("has the password {first} as a value to record, and no secret is recorded"))
}

/// Words that do not fit the definition.
fn of_words(definition: &Definition, words: &Words) -> Option<String> {
    let told: BTreeSet<&str> = words.parameters.iter().map(|words| words.parameter.as_str()).collect();
    let subject_fits = match (&definition.subject, &words.subject) {
        (Some(subject), Some(words)) => {
            let fields: BTreeSet<&str> = words.fields.iter().map(|words| words.field.as_str()).collect();
            subject.warn.len() == words.warn.len()
                && subject.fields.iter().map(String::as_str).eq(fields)
                && subject.hidden.iter().eq(words.hidden.keys())
        }
        (None, None) => true,
        _ => false,
    };
    let fits = definition.parameters.keys().map(String::as_str).eq(told)
        && definition.steps.len() == words.steps.len()
        && subject_fits;
    (!fits).then(|| "has words that are not those of its definition".to_owned())
}

/// The first name that a statement binds and that is no parameter of that type.
fn unfit_bind<'a>(definition: &Definition, statement: &'a Statement) -> Option<&'a str> {
    let binds = statement.alternatives().iter().flat_map(|alternative| &alternative.binds);
    let unfit = |name: &str, kind| {
        definition.parameters.get(name).is_none_or(|parameter| parameter.bind_type() != kind)
    };
    binds.filter(|bind| unfit(&bind.parameter, bind.kind)).map(|bind| bind.parameter.as_str()).next()
}
