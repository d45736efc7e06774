//! Reads the parts of a request from its variables, and collects all problems instead of stopping at the first.
//!
//! To read another variable of a request: its method of `Reader`, which `Invocation::from_env` calls.

use std::str::FromStr;

use jiff::Timestamp;
use quill_admin_actions::{Action, Actions, Digest, Entry};

use super::variables::Variables;
use crate::action::{AdminAction, CHECK, REVIEW};
use crate::arguments::{Arguments, Entered};
use crate::bulk::Bulk;
use crate::env_error::EnvProblem;
use crate::mode::{MODES_SINCE, Mode, Plan, Preview};
use crate::review::Review;
use crate::undo::Undoing;
use crate::value::{InvalidValue, Problem};
use crate::variable::{self, ROWS_VARIABLE, Variable};

/// An action whose passwords may still have to be hashed.
pub(super) struct Pending<'a> {
    /// Whether it may write to the database.
    writes: bool,
    pub(super) make: Box<dyn FnOnce() -> AdminAction + 'a>,
    /// The variables of the passwords that came in plain text.
    pub(super) plaintext: Vec<String>,
    /// The rows that it is run for.
    pub(super) bulk: Option<Bulk>,
}

struct Flag(bool);

impl FromStr for Flag {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rule = Problem::MustBe("true or false");
        text.trim().parse().map(Self).map_err(|_| InvalidValue::new("value", rule))
    }
}

struct Count(u64);

impl FromStr for Count {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rule = Problem::MustBe("a whole number from 0 on");
        text.trim().parse().map(Self).map_err(|_| InvalidValue::new("number of rows", rule))
    }
}

struct ActionDigest(Digest);

impl FromStr for ActionDigest {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rule = Problem::MustBe("64 hexadecimal digits, in lower case");
        text.trim().parse().map(Self).map_err(|_| InvalidValue::new("digest of the action", rule))
    }
}

/// Collects problems instead of stopping at the first.
pub(super) struct Reader<'a> {
    pub(super) vars: &'a Variables,
    pub(super) problems: Vec<EnvProblem>,
}

impl<'a> Reader<'a> {
    fn keep<T>(&mut self, value: Result<Option<T>, EnvProblem>) -> Option<T> {
        value.unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    pub(super) fn optional<T: FromStr<Err = InvalidValue>>(&mut self, variable: &Variable) -> Option<T> {
        let value = self.vars.parsed(variable);
        self.keep(value)
    }

    /// The mode. One that the version of the contract does not have, and one that makes no sense with the
    /// action, is a problem: a task must never be run where a preview was meant.
    pub(super) fn mode(&mut self, action: Option<&Pending<'_>>) -> Mode {
        use variable as v;
        let preview = self.optional::<Preview>(&v::ADMIN_MODE).map(|Preview| (&v::ADMIN_MODE, Mode::Preview));
        let expected = self.optional::<Plan>(&v::ADMIN_EXPECT);
        let expected = expected.map(|Plan(plan)| (&v::ADMIN_EXPECT, Mode::RunAsPreviewed(plan)));
        let (variable, mode) = match (preview, expected) {
            (None, None) => return Mode::Run,
            (Some((one, mode)), Some((other, _))) => {
                self.problems.push(EnvProblem::Both(one.name.into(), other.name.into()));
                return mode;
            }
            (Some(one), None) | (None, Some(one)) => one,
        };
        if self.has_modes(variable) && action.is_some_and(|action| !action.writes) {
            self.problems.push(EnvProblem::NothingToPreview { variable: variable.name });
        }
        mode
    }

    /// The run that is undone. A version of the contract without undoing would run the action whatever the values
    /// are now.
    pub(super) fn undoes(&mut self) -> Option<Undoing> {
        let variable = &variable::ADMIN_UNDOES;
        let undoes = self.optional::<Undoing>(variable)?;
        self.has_modes(variable);
        Some(undoes)
    }

    /// Whether the version of the contract that is spoken has modes and undoing. Where it has not, `variable` is a
    /// problem.
    fn has_modes(&mut self, variable: &Variable) -> bool {
        let has = self.vars.contract() >= MODES_SINCE;
        if !has {
            self.problems.push(EnvProblem::NotInContract { variable: variable.name, since: MODES_SINCE });
        }
        has
    }

    pub(super) fn action<'b>(&mut self, actions: &'b Actions) -> Option<Pending<'b>> {
        // A job of the application's cannot be asked for in our own container. Nobody types what a review holds,
        // so it is not among the actions to choose from.
        let ours = || actions.iter().filter(|action| !action.is_job());
        let known = || ours().map(|action| action.name.clone()).chain([CHECK.to_owned()]).collect();
        let given = self.vars.value(variable::ADMIN_ACTION.name);
        let Some(name) = self.keep(given) else {
            let missing = EnvProblem::NoAction { known: known() };
            if self.problems.is_empty() {
                self.problems.push(missing);
            }
            return None;
        };
        let name = name.trim();
        if [CHECK, REVIEW].contains(&name) && !self.rows().is_empty() {
            self.problems.push(EnvProblem::NotForRows { why: "the action takes no values" });
            return None;
        }
        if name == CHECK {
            return Some(Pending {
                writes: false,
                make: Box::new(AdminAction::check),
                plaintext: Vec::new(),
                bulk: None,
            });
        }
        if name == REVIEW {
            let review = self.review()?;
            return Some(Pending {
                writes: false,
                make: Box::new(|| AdminAction::review(review)),
                plaintext: Vec::new(),
                bulk: None,
            });
        }
        let action = match actions.entry(name) {
            Some(Entry::Understood(action)) => action,
            Some(Entry::NotUnderstood(action)) => {
                self.problems.push(EnvProblem::NotUnderstood { why: action.to_string() });
                return None;
            }
            None => {
                let problem = Problem::NotOneOf { given: name.to_owned(), allowed: known() };
                let invalid = InvalidValue::new("action", problem);
                self.problems.push(EnvProblem::Invalid(variable::ADMIN_ACTION.name.into(), invalid));
                return None;
            }
        };
        let asked = self.optional::<ActionDigest>(&variable::ADMIN_ACTION_DIGEST).map(|asked| asked.0);
        let here = action.digest();
        if let Some(asked) = asked.filter(|asked| *asked != here) {
            self.problems.push(EnvProblem::AnotherAction { action: name.to_owned(), asked, here });
            return None;
        }
        let rows = self.rows();
        if !rows.is_empty() {
            return self.for_rows(action, &rows);
        }
        match Entered::read(action, |name| self.vars.value(name)) {
            Ok(entered) => {
                let plaintext = entered.plaintext();
                let make = Box::new(move || AdminAction::new(action, entered.hashed()));
                Some(Pending { writes: action.writes(), make, plaintext, bulk: None })
            }
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// The variables that hold rows, in their order.
    fn rows(&mut self) -> Vec<(String, &'a str)> {
        let number = |name: &str| name.strip_prefix(ROWS_VARIABLE)?.parse::<usize>().ok();
        let last = self.vars.0.keys().filter_map(|name| number(name)).max().unwrap_or_default();
        let mut rows = Vec::new();
        for variable in (1..=last.min(self.vars.0.len())).map(|place| format!("{ROWS_VARIABLE}{place}")) {
            let value = self.vars.value(&variable);
            match self.keep(value) {
                Some(text) => rows.push((variable, text)),
                None => self.problems.push(EnvProblem::RowsMissing { variable }),
            }
        }
        rows
    }

    /// The action, run for each of the rows in these variables.
    fn for_rows<'b>(&mut self, action: &'b Action, rows: &[(String, &str)]) -> Option<Pending<'b>> {
        use variable as v;
        self.has_modes(&v::ADMIN_ROWS_1);
        if action.definition.rows.is_some() {
            let why = "the action makes a list, so it is not run for rows";
            self.problems.push(EnvProblem::NotForRows { why });
        }
        for variable in
            action.words.parameters.iter().map(|words| quill_admin_actions::variable(&words.parameter))
        {
            if self.vars.0.contains_key(&variable) {
                self.problems.push(EnvProblem::Both(v::ADMIN_ROWS_1.name.into(), variable.into()));
            }
        }
        for variable in [&v::ADMIN_EXPECT, &v::ADMIN_UNDOES] {
            if self.vars.0.contains_key(variable.name) {
                self.problems.push(EnvProblem::Both(v::ADMIN_ROWS_1.name.into(), variable.name.into()));
            }
        }
        let atomic = self.optional::<Flag>(&v::ADMIN_ATOMIC).is_some_and(|flag| flag.0);
        let max_errors = self.optional::<Count>(&v::ADMIN_MAX_ERRORS).map(|count| count.0);
        match Bulk::read_rows(action, rows) {
            Ok(rows) => Some(Pending {
                writes: action.writes(),
                make: Box::new(|| AdminAction::new(action, Arguments::default())),
                plaintext: Vec::new(),
                bulk: Some(Bulk { rows, atomic, max_errors }),
            }),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    /// The review that is to be recorded. Its period has ended: what is still to come nobody has looked at.
    fn review(&mut self) -> Option<Review> {
        let variable = &variable::ADMIN_REVIEW;
        let given = self.vars.value(variable.name);
        if self.keep(given).is_none() {
            if !self.has_problem(variable) {
                self.problems.push(EnvProblem::Missing(variable.name.into()));
            }
            return None;
        }
        let review = self.optional::<Review>(variable)?;
        if review.is_ahead_of(Timestamp::now()) {
            let rule = Problem::MustBe("of a period that has ended");
            self.problems.push(EnvProblem::Invalid(variable.name.into(), InvalidValue::new("review", rule)));
            return None;
        }
        Some(review)
    }

    pub(super) fn has_problem(&self, variable: &Variable) -> bool {
        let names = [Some(variable.name), variable.newer];
        self.problems
            .iter()
            .any(|problem| matches!(problem, EnvProblem::Invalid(name, _) if names.contains(&Some(&**name))))
    }
}
