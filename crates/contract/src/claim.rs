//! Matches a result line with the request that it answers: the request as far as a result has to agree with
//! it ([`Asked`]), and a result line that was found, with whether it is proven ([`Claim`]).
//!
//! To compare another part of a request with its result: its field in [`Asked`], its value in [`Asked::of`], and its
//! comparison in [`Asked::may_be_answered_by`].

use std::borrow::Cow;

use serde_json::Value;

use crate::action::Request;
use crate::env::RunContext;
use crate::outcome::ResultLine;
use crate::proof::ProofKey;
use crate::record_key::{PublicKey, Signed};

/// The parts of a request that a result has to agree with, and the key that proves the result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The request's id.
    pub request_id: Option<String>,
    /// The execution's id, where it is known.
    pub execution: Option<String>,
    /// The action: a text, because it may be one that this version does not know.
    pub action: Option<String>,
    /// The username that the action is about.
    pub username: Option<String>,
    /// The number of rows that it is run for, each with a result of its own that may name another user; `None` where
    /// it is run once.
    pub rows: Option<u64>,
    /// The key that proves the result. `None`: no result can be proven.
    pub key: Option<ProofKey>,
}

impl Asked {
    /// The parts of this request that its result has to agree with.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        Self {
            request_id: request.id.map(|id| id.to_string()),
            execution: None,
            action: Some(request.action.name().to_string()),
            username: request.action.username().map(Cow::into_owned),
            rows: request.bulk.as_ref().map(|bulk| bulk.rows.len() as u64),
            key: request.sent_key().cloned(),
        }
    }

    /// Whether a line can be the answer: it names no other request, execution, action or user. What it
    /// does not name says nothing against it, for an executor names only what was valid.
    #[must_use]
    pub fn may_be_answered_by(&self, line: &ResultLine) -> bool {
        let agrees = |asked: Option<&str>, told: Option<&String>| {
            told.is_none_or(|told| asked.is_some_and(|asked| asked.trim() == told.trim()))
        };
        agrees(self.request_id.as_deref(), line.request_id.as_ref())
            && (self.execution.is_none() || agrees(self.execution.as_deref(), line.execution.as_ref()))
            && agrees(self.action.as_deref(), line.action.as_ref())
            && (self.rows.is_some() && line.row_number.is_some()
                || line.row_number.is_none() && agrees(self.username.as_deref(), line.username.as_ref()))
    }
}

/// A result line that was found somewhere, and whether it is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The result line.
    pub line: ResultLine,
    /// The same line as JSON as it was written, with keys that this version does not know.
    pub written: Value,
    /// The text that is proven or signed, where one of the two holds.
    pub text: Option<String>,
    /// Whether the line is proven with the key of the request.
    pub proven: bool,
    /// Whether the line is signed with the record key.
    pub signature: Signature,
}

/// The signature of a result line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It is there, and one of the public keys verifies it.
    Verified,
    /// It is there, and none of the public keys verifies it for this run.
    Refused,
    /// There is none, or there are no public keys to verify it with.
    None,
}

/// The public keys that a signature may be made with, and the run that it has to be made for.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    /// The public keys; without any, nothing is verified.
    pub keys: &'a [PublicKey],
    /// The id of the job.
    pub job: &'a str,
    /// The id of the execution.
    pub execution: &'a str,
}

impl Verifier<'_> {
    fn judge(&self, result: &str, signature: &str) -> Signature {
        let Self { keys, job, execution } = *self;
        match keys {
            [] => Signature::None,
            keys if keys.iter().any(|key| key.verifies(&Signed { job, execution, result }, signature)) => {
                Signature::Verified
            }
            _ => Signature::Refused,
        }
    }
}

impl Claim {
    /// Whether its values are proven: by the key of the request, or by the record key.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.proven || self.signature == Signature::Verified
    }

    /// Reads it from the JSON payload of a log entry; `None` for every other line, and for one that
    /// contradicts itself.
    #[must_use]
    pub fn from_payload(payload: &Value, key: Option<&ProofKey>) -> Option<Self> {
        Self::from_record(payload, key, None)
    }

    /// The same for a record, whose signature is verified, too.
    #[must_use]
    pub fn from_record(
        payload: &Value,
        key: Option<&ProofKey>,
        verifier: Option<Verifier<'_>>,
    ) -> Option<Self> {
        let record = payload.get(ResultLine::KEY)?;
        let text = |key: &str| record.get(key).and_then(Value::as_str);
        let result = text(ResultLine::RESULT);
        let proven = match (key, result, text(ResultLine::PROOF)) {
            (Some(key), Some(result), Some(proof)) => key.proves(result, proof),
            _ => false,
        };
        let signature = match (verifier, result, text(ResultLine::SIGNATURE)) {
            (Some(verifier), Some(result), Some(signature)) => verifier.judge(result, signature),
            _ => Signature::None,
        };
        let text = result.filter(|_| proven || signature == Signature::Verified);
        let written = if let Some(result) = text {
            serde_json::from_str(result).ok()?
        } else {
            let mut written = record.as_object()?.clone();
            written.remove(ResultLine::RESULT);
            written.remove(ResultLine::PROOF);
            written.remove(ResultLine::SIGNATURE);
            Value::Object(written)
        };
        written.get("outcome")?;
        let line = ResultLine::read(written.clone()).ok()?;
        (!line.contradicts_itself()).then_some(Self {
            line,
            written,
            text: text.map(str::to_owned),
            proven,
            signature,
        })
    }
}

/// The parts that a result has to agree with, from the variables of an execution; without a key.
impl From<&RunContext> for Asked {
    fn from(context: &RunContext) -> Self {
        Self {
            request_id: context.request_id.map(|id| id.to_string()),
            execution: None,
            action: context.action.clone(),
            username: context.username.as_ref().map(ToString::to_string),
            rows: None,
            key: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::exit_code::ExitCode;
    use crate::outcome::{Failure, Outcome};

    fn line(exit_code: ExitCode) -> ResultLine {
        let outcome = Outcome::Failed { failure: Failure::new("because") };
        ResultLine::new(&RunContext::default(), 2, exit_code, outcome)
    }

    #[test]
    fn only_the_proven_text_is_read_where_it_is_proven() {
        let key = ProofKey::generate();
        let result = serde_json::to_string(&line(ExitCode::UserNotFound)).expect("JSON");
        let mut record = json!(line(ExitCode::RowLocked));
        record["result"] = json!(result);
        record["proof"] = json!(key.prove(&result));
        let payload = json!({"message": "m", "quill_admin": record});
        let read = |payload: &Value, key| Claim::from_payload(payload, key).expect("a result");
        let claim = read(&payload, Some(&key));
        assert_eq!((claim.line.exit_code, claim.proven), (10, true));
        // Without the key, or with another one, only the unproven copies beside the text can be read.
        for key in [None, Some(&ProofKey::generate())] {
            let claim = read(&payload, key);
            assert_eq!((claim.line.exit_code, claim.proven), (16, false));
            assert_eq!(claim.written.get("proof"), None);
        }
    }

    #[test]
    fn a_line_that_contradicts_itself_is_none() {
        for (code, outcome) in [
            (0, json!({"result": "failed", "failure": {"message": "m"}})),
            (10, json!({"result": "undone"})),
            (10, json!({"result": "created", "user": 1})),
            (0, json!({"result": "failed"})),
        ] {
            let line = json!({"contract": 1, "exit_code": code, "outcome": outcome});
            let refused = outcome["result"] != "undone";
            let read = Claim::from_payload(&json!({"quill_admin": line}), None);
            assert_eq!(read.is_none(), refused, "{outcome} with {code}");
        }
    }

    #[test]
    fn other_lines_are_not_results() {
        for payload in [
            json!("text"),
            json!({"message": "connecting"}),
            json!({"message": "connecting", "quill_admin": {"request_id": "x"}}),
        ] {
            assert_eq!(Claim::from_payload(&payload, None), None);
        }
    }

    #[test]
    fn another_request_execution_action_or_user_is_none() {
        let asked = Asked {
            request_id: Some("one".to_owned()),
            execution: Some("job-abc".to_owned()),
            action: Some("add-role".to_owned()),
            username: Some("steve ".to_owned()),
            rows: None,
            key: None,
        };
        let mut own = line(ExitCode::UserNotFound);
        assert!(asked.may_be_answered_by(&own), "it names nothing");
        own.request_id = Some("one".to_owned());
        own.execution = Some("job-abc".to_owned());
        own.action = Some("add-role".to_owned());
        own.username = Some("steve".to_owned());
        assert!(asked.may_be_answered_by(&own));
        let other = || Some("other".to_owned());
        for line in [
            ResultLine { request_id: other(), ..own.clone() },
            ResultLine { execution: other(), ..own.clone() },
            ResultLine { action: other(), ..own.clone() },
            ResultLine { username: other(), ..own.clone() },
        ] {
            assert!(!asked.may_be_answered_by(&line), "{line:?}");
        }
        assert!(!Asked::default().may_be_answered_by(&own), "it names what was not asked for");
    }
}
