//! The environment variables between the CLI and the executor: written by the CLI ([`Request::to_env`]), read
//! and validated by the executor ([`Invocation::from_env`]).
//!
//! `to_env` and `from_env` stand side by side so that they cannot drift apart; a property test
//! takes every request there and back.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use quill_admin_actions::{Action, Actions, Digest, Entry};

use crate::action::{AdminAction, CHECK, REVIEW, Request};
use crate::argument::Argument;
use crate::arguments::{Arguments, Entered};
use crate::bulk::Bulk;
use crate::env_error::{EnvError, EnvProblem};
use crate::mode::{MODES_SINCE, Mode, PREVIEW, Plan, Preview};
use crate::names::{Actor, Origin, Reason, RequestId, Username};
use crate::proof::ProofKey;
use crate::record_key::RecordKey;
use crate::review::Review;
use crate::secret::Secret;
use crate::subject::FieldValue;
use crate::target::{Target, TargetParts};
use crate::tls_mode::TlsMode;
use crate::undo::Undoing;
use crate::value::{InvalidValue, Problem};
use crate::variable::{self, ROWS_VARIABLE, Variable};
use crate::{CONTRACT_OLDEST, CONTRACT_VERSION};

/// A snapshot of the variables that belong to the contract. Its values may be secret: no `Debug`.
pub struct Variables(BTreeMap<String, Result<String, ()>>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Variables").finish_non_exhaustive()
    }
}

impl Variables {
    /// Keeps `ADMIN_*`, `AUTH_DB_*`, `CORE_DB_*`, `CLOUD_RUN_JOB` and `CLOUD_RUN_EXECUTION` of an
    /// environment, as from `std::env::vars_os()`.
    pub fn new(vars: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let ours = |name: &str| {
            name == variable::CLOUD_RUN_JOB
                || name == variable::CLOUD_RUN_EXECUTION
                || ["ADMIN_", "AUTH_DB_", "CORE_DB_"].iter().any(|prefix| name.starts_with(prefix))
        };
        Self(
            vars.into_iter()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
                .filter(|(name, _)| ours(name))
                .map(|(name, value)| (name, value.into_string().map_err(|_| ())))
                .collect(),
        )
    }

    /// Whether Cloud Run runs this process as a job's container.
    #[must_use]
    pub fn in_cloud_run(&self) -> bool {
        self.0.contains_key(variable::CLOUD_RUN_JOB)
    }

    /// The contract version to answer in, even if other variables are wrong: the version that is asked for,
    /// if this program speaks it, else the newest.
    #[must_use]
    pub fn contract(&self) -> u32 {
        let asked = self.parsed::<Version>(&variable::ADMIN_CONTRACT).ok().flatten();
        let spoken = CONTRACT_OLDEST..=CONTRACT_VERSION;
        asked.map(|version| version.0).filter(|version| spoken.contains(version)).unwrap_or(CONTRACT_VERSION)
    }

    /// The key that the result is to be proven with, if the variable holds a valid one.
    #[must_use]
    pub fn proof_key(&self) -> Option<ProofKey> {
        self.parsed(&variable::ADMIN_PROOF_KEY).ok().flatten()
    }

    /// The key that the result is to be signed with, if the variable holds a valid one.
    #[must_use]
    pub fn record_key(&self) -> Option<RecordKey> {
        self.parsed(&variable::ADMIN_RECORD_KEY).ok().flatten()
    }

    /// The job and the execution that this process is the container of, by their ids.
    #[must_use]
    pub fn run(&self) -> Option<(&str, &str)> {
        let value = |name| self.value(name).ok().flatten();
        Some((value(variable::CLOUD_RUN_JOB)?, value(variable::CLOUD_RUN_EXECUTION)?))
    }

    /// The value of a variable as it stands; one that is set but blank counts as missing. Only variables of
    /// the contract are found, and no others of the environment.
    ///
    /// # Errors
    ///
    /// [`EnvProblem::Invalid`], where it is not UTF-8.
    pub fn value(&self, name: &str) -> Result<Option<&str>, EnvProblem> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Ok(value)) if value.trim().is_empty() => Ok(None),
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(())) => {
                Err(EnvProblem::Invalid(name.to_owned().into(), InvalidValue::new("value", Problem::NotUtf8)))
            }
        }
    }

    fn parsed<T: FromStr<Err = InvalidValue>>(&self, variable: &Variable) -> Result<Option<T>, EnvProblem> {
        self.value(variable.name)?
            .map(str::parse)
            .transpose()
            .map_err(|problem| EnvProblem::Invalid(variable.name.into(), problem))
    }

    /// The names, sorted, of the variables whose values differ from a job's target; they are ignored. A TLS
    /// mode of `require` does not count as different from one that verifies: it is the strictest mode that an
    /// image can use which does not know of targets.
    #[must_use]
    pub fn beside(&self, target: &Target) -> Vec<&'static str> {
        use variable as v;
        let parts = target.parts();
        let port = parts.port.to_string();
        let same = [
            (&v::AUTH_DB_HOST, &[parts.host.as_str()][..]),
            (&v::AUTH_DB_PORT, &[&port]),
            (&v::AUTH_DB_NAME, &[&parts.name]),
            (&v::AUTH_DB_USER, &[&parts.user]),
            (&v::AUTH_DB_SSLMODE, &[&parts.tls, TlsMode::Require.as_str()]),
            (&v::AUTH_DB_SSLROOTCERT, &[]),
        ];
        let names = same.into_iter().flat_map(|(variable, same)| {
            [Some(variable.name), variable.newer].into_iter().flatten().map(move |name| (name, same))
        });
        let mut beside: Vec<_> = names
            .filter(|(name, same)| match self.value(name) {
                Ok(None) => false,
                Ok(Some(value)) => !same.contains(&value.trim()),
                Err(_) => true,
            })
            .map(|(name, _)| name)
            .collect();
        beside.sort_unstable();
        beside
    }

    /// A connection variable under its `AUTH_DB_` name or, failing that, the newer `CORE_DB_` one.
    fn connection(&self, variable: &Variable) -> Result<Option<(&'static str, &str)>, EnvProblem> {
        for name in [Some(variable.name), variable.newer].into_iter().flatten() {
            if let Some(value) = self.value(name)? {
                return Ok(Some((name, value)));
            }
        }
        Ok(None)
    }
}

impl Request {
    /// The variables that carry this request into the container. By its type, it holds no plaintext password.
    ///
    /// A job of the application's gets the variables that its action declares, and those that hold the
    /// request's id, who asked and why: its container ignores them, and they identify its execution later.
    #[must_use]
    pub fn to_env(&self) -> Vec<(String, String)> {
        use variable as v;
        let mut env = match self.action.job() {
            Some(job) => job.variables.clone().into_iter().collect(),
            None => self.action.arguments().to_env(),
        };
        env.extend(self.bulk.iter().flat_map(Bulk::to_env));
        let mut put = |variable: &Variable, value: Option<String>| {
            env.extend(value.map(|value| (variable.name.to_owned(), value)));
        };
        if self.action.job().is_none() {
            put(&v::ADMIN_ACTION, Some(self.action.name().to_owned()));
            put(&v::ADMIN_CONTRACT, Some(self.contract.to_string()));
            // An image that does not know digests ignores this one.
            let digest = self.action.digest().filter(|_| self.contract >= 3);
            put(&v::ADMIN_ACTION_DIGEST, digest.map(ToString::to_string));
            match &self.mode {
                Mode::Run => {}
                Mode::RunAsPreviewed(plan) => put(&v::ADMIN_EXPECT, Some(plan.to_string())),
                Mode::Preview => put(&v::ADMIN_MODE, Some(PREVIEW.to_owned())),
            }
            put(&v::ADMIN_UNDOES, self.undoes.as_ref().map(ToString::to_string));
            put(&v::ADMIN_REVIEW, self.action.reviewed().map(ToString::to_string));
            put(&v::ADMIN_PROOF_KEY, self.sent_key().map(|key| key.to_hex().expose().to_owned()));
        }
        put(&v::ADMIN_REQUEST_ID, self.id.as_ref().map(ToString::to_string));
        put(&v::ADMIN_ACTOR, self.actor.as_ref().map(ToString::to_string));
        put(&v::ADMIN_REASON, self.reason.as_ref().map(ToString::to_string));
        put(&v::ADMIN_ORIGIN, self.origin.as_ref().map(ToString::to_string));
        env
    }
}

/// The request that the executor was given, and the database to run it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The request.
    pub request: Request,
    /// The database.
    pub connection: Connection,
    /// The variables of the passwords that came in plain text and were hashed here: whoever may view the
    /// execution can read them, and the result has to say so.
    pub plaintext: Vec<String>,
}

impl Invocation {
    /// Reads and validates everything before any connection is made. A plaintext password is hashed only if
    /// nothing else is wrong. Where there is a `target`, the password is the only variable of the database
    /// that is used; [`Variables::beside`] names those that differ from the target.
    ///
    /// # Errors
    ///
    /// Everything that is missing or invalid, at once, and an action whose digest is not the one of the
    /// action of that name here.
    pub fn from_env(vars: &Variables, target: Option<&Target>, actions: &Actions) -> Result<Self, EnvError> {
        use variable as v;
        let mut reader = Reader { vars, problems: Vec::new() };

        // A newer contract may have actions and rules that this image does not know: complaints about those
        // would mislead.
        let asked = reader.optional::<Version>(&v::ADMIN_CONTRACT).map(|version| version.0);
        if let Some(asked) = asked
            && asked > CONTRACT_VERSION
        {
            return Err(EnvError { problems: vec![EnvProblem::TooNew { asked }] });
        }

        let action = reader.action(actions);
        let id = reader.optional::<RequestId>(&v::ADMIN_REQUEST_ID);
        let actor = reader.optional::<Actor>(&v::ADMIN_ACTOR);
        let reason = reader.optional::<Reason>(&v::ADMIN_REASON);
        let origin = reader.optional::<Origin>(&v::ADMIN_ORIGIN);
        let mode = reader.mode(action.as_ref());
        let undoes = reader.undoes();
        let proof_key = reader.optional::<ProofKey>(&v::ADMIN_PROOF_KEY);
        // A damaged key is found before the run, and not when its record is to be signed.
        reader.optional::<RecordKey>(&v::ADMIN_RECORD_KEY);
        reader.optional::<LogFormat>(&v::ADMIN_LOG_FORMAT);
        let connection = match target {
            Some(target) => reader.connection_to(target),
            None => reader.connection(),
        };

        match (action, connection) {
            (Some(Pending { make, plaintext, bulk, .. }), Some(connection)) if reader.problems.is_empty() => {
                let action = make();
                let contract = vars.contract();
                let request =
                    Request { action, bulk, id, actor, reason, origin, contract, mode, undoes, proof_key };
                Ok(Self { request, connection, plaintext })
            }
            _ => Err(EnvError { problems: reader.problems }),
        }
    }
}

impl AdminAction {
    /// Reads the action and its values, and nothing of who asked for it or of the database: the inverse of
    /// [`Request::to_env`] for the action.
    ///
    /// # Errors
    ///
    /// Everything that is missing or invalid, at once.
    pub fn from_env(vars: &Variables, actions: &Actions) -> Result<Self, EnvError> {
        let mut reader = Reader { vars, problems: Vec::new() };
        match reader.action(actions) {
            Some(pending) if reader.problems.is_empty() => Ok((pending.make)()),
            _ => Err(EnvError { problems: reader.problems }),
        }
    }
}

/// An action whose passwords may still have to be hashed.
struct Pending<'a> {
    /// Whether it may write to the database.
    writes: bool,
    make: Box<dyn FnOnce() -> AdminAction + 'a>,
    /// The variables of the passwords that came in plain text.
    plaintext: Vec<String>,
    /// The rows that it is run for.
    bulk: Option<Bulk>,
}

struct Version(u32);

impl FromStr for Version {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim().parse() {
            Ok(version) if version >= CONTRACT_OLDEST => Ok(Self(version)),
            _ => Err(InvalidValue::new("contract version", Problem::MustBe("a whole number from 1 on"))),
        }
    }
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
struct Reader<'a> {
    vars: &'a Variables,
    problems: Vec<EnvProblem>,
}

impl<'a> Reader<'a> {
    fn keep<T>(&mut self, value: Result<Option<T>, EnvProblem>) -> Option<T> {
        value.unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    fn optional<T: FromStr<Err = InvalidValue>>(&mut self, variable: &Variable) -> Option<T> {
        let value = self.vars.parsed(variable);
        self.keep(value)
    }

    /// The mode. One that the version of the contract does not have, and one that makes no sense with the
    /// action, is a problem: a task must never be run where a preview was meant.
    fn mode(&mut self, action: Option<&Pending<'_>>) -> Mode {
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
    fn undoes(&mut self) -> Option<Undoing> {
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

    fn action<'b>(&mut self, actions: &'b Actions) -> Option<Pending<'b>> {
        // A job of the application's cannot be asked for in our own container. Nobody types what a review holds, so it
        // is not among the actions to choose from.
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

    fn connection(&mut self) -> Option<Connection> {
        use variable as v;
        let host = self.text(&v::AUTH_DB_HOST);
        // A missing variable is reported under the set of names that the host has.
        let newer = host.is_some_and(|(name, _)| Some(name) == v::AUTH_DB_HOST.newer);
        let called = |variable: &Variable| variable.newer.filter(|_| newer).unwrap_or(variable.name);
        let host = host.map(|(_, text)| text.trim().to_owned());
        if host.is_none() && !self.has_problem(&v::AUTH_DB_HOST) {
            self.problems.push(EnvProblem::Missing(v::AUTH_DB_HOST.name.into()));
        }
        let port = match self.text(&v::AUTH_DB_PORT) {
            None => Some(5432),
            Some((name, text)) => match text.trim().parse::<u16>() {
                Ok(port) if port > 0 => Some(port),
                _ => {
                    let rule = Problem::MustBe("a number from 1 to 65535");
                    self.problems.push(EnvProblem::Invalid(name.into(), InvalidValue::new("port", rule)));
                    None
                }
            },
        };
        let or = |value: Option<(&str, &str)>, default: &str| {
            value.map_or_else(|| default.to_owned(), |(_, text)| text.trim().to_owned())
        };
        // Databases have been renamed, so a default could name a wrong one. The user has not been renamed.
        let database = self.text(&v::AUTH_DB_NAME).map(|(_, text)| text.trim().to_owned());
        if database.is_none() && !self.has_problem(&v::AUTH_DB_NAME) {
            self.problems.push(EnvProblem::Missing(called(&v::AUTH_DB_NAME).into()));
        }
        let user = or(self.text(&v::AUTH_DB_USER), "quill");
        let password = self.password(called(&v::AUTH_DB_PASSWORD));
        let tls = match self.text(&v::AUTH_DB_SSLMODE) {
            None => Some(TlsMode::Prefer),
            Some((name, text)) => match text.parse::<TlsMode>() {
                Ok(mode) => Some(mode),
                Err(problem) => {
                    self.problems.push(EnvProblem::Invalid(name.into(), problem));
                    None
                }
            },
        };
        let root_certificates =
            self.text(&v::AUTH_DB_SSLROOTCERT).map(|(_, text)| Certificates::File(text.trim().into()));
        if tls.is_some_and(TlsMode::verifies) && root_certificates.is_none() {
            self.problems.push(EnvProblem::Missing(called(&v::AUTH_DB_SSLROOTCERT).into()));
        }
        Some(Connection {
            host: host?,
            port: port?,
            database: database?,
            user,
            password: password?,
            tls: tls?,
            root_certificates,
            server_name: None,
            schema: None,
        })
    }

    fn connection_to(&mut self, target: &Target) -> Option<Connection> {
        let password = self.password(variable::AUTH_DB_PASSWORD.name)?;
        let TargetParts { cas, host, name, port, schema, server_name, user, .. } = target.parts().clone();
        Some(Connection {
            host,
            port,
            database: name,
            user,
            password,
            tls: target.tls(),
            root_certificates: (!cas.is_empty()).then_some(Certificates::Given(cas)),
            server_name,
            schema: Some(schema),
        })
    }

    /// The password. One that is missing is reported under `name`.
    fn password(&mut self, name: &'static str) -> Option<Secret> {
        let variable = &variable::AUTH_DB_PASSWORD;
        let password = self.text(variable).map(|(_, text)| Secret::new(text.to_owned()));
        if password.is_none() && !self.has_problem(variable) {
            self.problems.push(EnvProblem::Missing(name.into()));
        }
        password
    }

    fn text(&mut self, variable: &Variable) -> Option<(&'static str, &'a str)> {
        match self.vars.connection(variable) {
            Ok(value) => value,
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn has_problem(&self, variable: &Variable) -> bool {
        let names = [Some(variable.name), variable.newer];
        self.problems
            .iter()
            .any(|problem| matches!(problem, EnvProblem::Invalid(name, _) if names.contains(&Some(&**name))))
    }
}

/// The connection of the executor to the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Host name, IP address or, beginning with `/`, the folder of a Unix socket.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Database.
    pub database: String,
    /// User.
    pub user: String,
    /// The user's password, exactly as it was given.
    pub password: Secret,
    /// Whether and how TLS is used.
    pub tls: TlsMode,
    /// The certificates to trust; present whenever [`TlsMode::verifies`].
    pub root_certificates: Option<Certificates>,
    /// The name that the certificate has to be for, where that is not the host.
    pub server_name: Option<String>,
    /// The schema that the job is for, where its command says so.
    pub schema: Option<String>,
}

/// The place of the certificates to trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificates {
    /// In a PEM file.
    File(PathBuf),
    /// In PEM, as the job's command has them.
    Given(Vec<String>),
}

/// The format of the executor's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, which Cloud Logging parses.
    Json,
    /// Plain lines for people.
    Text,
}

impl LogFormat {
    /// `ADMIN_LOG_FORMAT` decides; without it it is JSON in Cloud Run and text elsewhere. A value
    /// that is neither is [`Invocation::from_env`]'s to refuse.
    #[must_use]
    pub fn from_env(vars: &Variables) -> Self {
        match vars.parsed(&variable::ADMIN_LOG_FORMAT) {
            Ok(Some(format)) => format,
            _ if vars.in_cloud_run() => Self::Json,
            _ => Self::Text,
        }
    }
}

impl FromStr for LogFormat {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.trim() {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            given => {
                let allowed = ["json", "text"].map(str::to_owned).to_vec();
                let problem = Problem::NotOneOf { given: given.to_owned(), allowed };
                Err(InvalidValue::new("log format", problem))
            }
        }
    }
}

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
