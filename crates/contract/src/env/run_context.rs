//! The parts of a request that are known even if the rest of it is wrong.
//!
//! To add a part: its field of [`RunContext`], and here the function that knows its value.

use std::collections::BTreeMap;

use quill_admin_actions::Action;

use super::variables::Variables;
use crate::argument::Argument;
use crate::arguments::Arguments;
use crate::mode::Preview;
use crate::names::{Actor, Origin, Reason, RequestId, Username};
use crate::review::Review;
use crate::subject::FieldValue;
use crate::undo::Undoing;
use crate::variable;

/// The parts of a request that are known even if the rest of it is wrong; every log line and the result carry
/// them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunContext {
    /// The request's id.
    pub request_id: Option<RequestId>,
    /// The id of the execution it runs in.
    pub execution: Option<String>,
    /// The action.
    pub action: Option<String>,
    /// The username that the action is about.
    pub username: Option<Username>,
    /// The person or account that asked.
    pub actor: Option<Actor>,
    /// The reason that was given for it.
    pub reason: Option<Reason>,
    /// The run of a pipeline that asked.
    pub origin: Option<Origin>,
    /// Values that the action has recorded, by the names of their parameters.
    pub recorded: BTreeMap<String, FieldValue>,
    /// Whether it is only previewed.
    pub preview: bool,
    /// The execution that it undoes.
    pub undoes: Option<String>,
    /// The number of the row of a bulk run that it is about.
    pub row_number: Option<u64>,
}

impl RunContext {
    /// Keeps the values that are valid, and ignores the rest. `known` says whether there is an action of a
    /// name.
    #[must_use]
    pub fn from_env(vars: &Variables, known: impl Fn(&str) -> bool) -> Self {
        use variable as v;
        let action = vars.value(v::ADMIN_ACTION.name).ok().flatten().map(str::trim);
        Self {
            request_id: vars.parsed(&v::ADMIN_REQUEST_ID).ok().flatten(),
            execution: vars.value(v::CLOUD_RUN_EXECUTION).ok().flatten().map(str::to_owned),
            action: action.filter(|action| known(action)).map(str::to_owned),
            username: vars.parsed(&v::ADMIN_USERNAME).ok().flatten(),
            actor: vars.parsed(&v::ADMIN_ACTOR).ok().flatten(),
            reason: vars.parsed(&v::ADMIN_REASON).ok().flatten(),
            origin: vars.parsed(&v::ADMIN_ORIGIN).ok().flatten(),
            recorded: BTreeMap::new(),
            undoes: vars.parsed::<Undoing>(&v::ADMIN_UNDOES).ok().flatten().map(|undoes| undoes.execution),
            preview: vars.parsed::<Preview>(&v::ADMIN_MODE).is_ok_and(|mode| mode.is_some()),
            row_number: None,
        }
    }

    /// The context of a row of a bulk run: with its number, its user, and the values that the action records.
    #[must_use]
    pub fn of_row(&self, number: u64, arguments: &Arguments, action: &Action) -> Self {
        let text = |name: &str| arguments.get(name).and_then(Argument::as_text);
        let recorded = arguments.iter().filter(|(name, _)| {
            action.definition.parameters.get(*name).is_some_and(|parameter| parameter.recorded)
        });
        Self {
            row_number: Some(number),
            username: text("username").and_then(|name| name.parse().ok()),
            recorded: recorded
                .filter_map(|(name, value)| Some((name.to_owned(), value.as_field()?)))
                .collect(),
            ..self.clone()
        }
    }

    /// The same context with the values of the review that is to be recorded, if they are valid.
    #[must_use]
    pub fn reviewing(self, vars: &Variables) -> Self {
        let review: Option<Review> = vars.parsed(&variable::ADMIN_REVIEW).ok().flatten();
        Self { recorded: review.map(|review| review.recorded()).unwrap_or_default(), ..self }
    }

    /// The same context with the values that this action records, as far as they are valid.
    #[must_use]
    pub fn recording(mut self, vars: &Variables, action: &Action) -> Self {
        for words in &action.words.parameters {
            let parameter = action.definition.parameters.get(&words.parameter);
            let Some(parameter) = parameter.filter(|parameter| parameter.recorded) else { continue };
            let given = vars.value(&quill_admin_actions::variable(&words.parameter)).ok().flatten();
            let argument = given
                .or(parameter.default.as_deref())
                .and_then(|text| Argument::read(parameter, words, text).ok());
            self.recorded.extend(argument.and_then(|it| Some((words.parameter.clone(), it.as_field()?))));
        }
        self
    }
}
