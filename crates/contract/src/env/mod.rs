//! The environment variables between the CLI and the executor: written by the CLI ([`Request::to_env`]), read
//! and validated by the executor ([`Invocation::from_env`]).
//!
//! `to_env` and `from_env` stand side by side so that they cannot drift apart; a property test
//! takes every request there and back. The values that need more than parsing are read in `reader.rs`, and
//! those of the database in `connection.rs`.

mod connection;
mod log_format;
mod reader;
mod run_context;
mod variables;

pub use connection::{Certificates, Connection};
pub use log_format::LogFormat;
use quill_admin_actions::Actions;
use reader::{Pending, Reader};
pub use run_context::RunContext;
pub use variables::Variables;
use variables::Version;

use crate::CONTRACT_VERSION;
use crate::action::{AdminAction, Request};
use crate::bulk::Bulk;
use crate::env_error::{EnvError, EnvProblem};
use crate::mode::{Mode, PREVIEW};
use crate::names::{Actor, Origin, Reason, RequestId};
use crate::proof::ProofKey;
use crate::record_key::RecordKey;
use crate::target::Target;
use crate::variable::{self, Variable};

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
