//! The key that records are signed with: made here, put into its secret, and kept nowhere else.

use quill_admin_cloud::{CloudErrorKind, Confidential, ResourceId};
use quill_admin_contract::{ExitCode, PublicKey, RecordKey};

use crate::config::Environment;
use crate::error::CliError;
use crate::events::Event;
use crate::hints;
use crate::point_of_no_return::{PointOfNoReturn, UnderWay};
use crate::session::Session;

/// A key that was made.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The secret that holds the private key.
    pub secret: ResourceId,
    /// The version of the secret.
    pub version: String,
    /// The public key, which verifies what is signed.
    pub public: PublicKey,
}

/// The secret of an environment's record key.
///
/// # Errors
///
/// Fails where the environment names none, with what to write into the file.
pub fn secret(environment: &Environment) -> Result<&ResourceId, CliError> {
    environment.record_key_secret.as_ref().ok_or_else(|| {
        let what = format!("environment \"{}\" names no secret for the key that records are signed with", environment.name);
        CliError::usage(what).hint(
            "name one in environments.yaml, under defaults or the environment: records: { key_secret: quill-record-key }",
        )
    })
}

/// Makes a new key and puts it into the environment's secret, as its newest version.
///
/// # Errors
///
/// Fails where the environment names no secret, and where the secret or its version cannot be made. Where that is not
/// known, the message has the public key: a version that was added signs from now on.
pub async fn renew(session: &Session, point: &PointOfNoReturn) -> Result<NewKey, CliError> {
    let environment = session.environment();
    let secret = secret(environment)?.clone();
    let key = RecordKey::generate();
    let public = key.public();
    let value = Confidential::new(key.to_hex().expose().to_owned());
    session.emit(Event::Doing("storing the new key"));
    let under_way =
        UnderWay::change().hint(format!("if the key was stored, records are verified with {public}"));
    point.reached(under_way).await;
    let added = session.google().add_secret_version(&environment.job.project, secret.as_str(), &value).await;
    let version = added.map_err(|error| match error.kind {
        CloudErrorKind::Failed => CliError::new(
            ExitCode::Unknown,
            format!("{error}; whether the key was stored is not known; if it was, records are verified with {public}"),
        )
        .hint(hints::advice(
            "store another one with",
            &hints::command(&environment.name, "record-key", &[]),
        )),
        _ => error.into(),
    })?;
    point.passed(CliError::interrupted(&format!("the key was stored; records are verified with {public}")));
    Ok(NewKey { secret, version, public })
}
