//! The target of a job: the database that it may work on, as the job's `command` states it.
//!
//! Whoever may run a job with overrides can change its variables and its arguments, but not its command
//! (`RunJobRequest.Overrides.ContainerOverride` of the Cloud Run API has no such field). So the database is in
//! the command: `["/quill-admin-executor", "--target", JSON]`. `quill-admin build` and the Terraform module
//! write the same bytes, those of Terraform's `jsonencode`: otherwise each would undo what the other wrote.
//!
//! To add a part: its field in [`TargetParts`] and its check in [`Target::new`]; `admin_image/target.rs` of the crate
//! `operations` and `infra/main.tf`, which find it out; the doctor's `checks/database/target.rs`, which compares it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization as _;

use crate::exit_code::ExitCode;
use crate::tls_mode::TlsMode;

/// The path of the executor in its image, which is the image's entry point and the first word of a job's command.
pub const ENTRY_POINT: &str = "/quill-admin-executor";
/// The only option of the executor. Its value is the target as JSON.
pub const TARGET_OPTION: &str = "--target";

/// The lines that begin and end a PEM certificate (RFC 7468, section 5).
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The database that a job is for. A value of this type is valid, and in the one form in which it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    host: IpAddr,
    tls: TlsMode,
    parts: TargetParts,
}

/// The parts of a target, as they are written. The fields are in the order of their names, as `jsonencode`
/// writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetParts {
    /// The certificates of the authorities to trust, each in PEM; an entry may hold several. Required where
    /// the mode verifies, and allowed only there.
    pub cas: Vec<String>,
    /// IP address to connect to. A name is not allowed: variables of the container, such as glibc's
    /// `HOSTALIASES`, can change the address that it leads to.
    pub host: String,
    /// The name of the database.
    pub name: String,
    /// TCP port.
    pub port: u16,
    /// The one schema that holds the tables.
    pub schema: String,
    /// The name that the server's certificate has to be for. Required with verify-full, and allowed only
    /// there.
    #[serde(deserialize_with = "there")]
    pub server_name: Option<String>,
    /// The [`TlsMode`], by its name.
    pub tls: String,
    /// The user to connect as.
    pub user: String,
}

/// Reads an optional field that has to be present. By default serde takes a missing one for null; here every
/// field is written, so that there is one form.
fn there<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(value)
}

/// The reason why a target cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the target cannot be used: {0}")]
pub struct InvalidTarget(String);

impl InvalidTarget {
    /// The exit code that the executor ends with because of it.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        ExitCode::Usage
    }
}

fn invalid<T>(what: impl Into<String>) -> Result<T, InvalidTarget> {
    Err(InvalidTarget(what.into()))
}

impl Target {
    /// Makes a target of its parts. Texts are converted to Unicode's form C, as Terraform does with all of
    /// its texts; certificates are trimmed and sorted, and duplicates are removed.
    ///
    /// # Errors
    ///
    /// Fails on the first part that cannot be used.
    pub fn new(parts: TargetParts) -> Result<Self, InvalidTarget> {
        let TargetParts { cas, host, name, port, schema, server_name, tls, user } = parts;
        let Ok(address) = host.parse::<IpAddr>() else {
            return invalid(format!("host has to be an IP address, and is \"{}\"", host.escape_debug()));
        };
        if port == 0 {
            return invalid("port has to be a number from 1 to 65535");
        }
        let mode = match tls.parse::<TlsMode>() {
            Ok(mode) if mode.as_str() == tls => mode,
            _ => {
                let known = TlsMode::ALL.map(TlsMode::as_str).join(", ");
                return invalid(format!("tls has to be one of {known}, and is \"{}\"", tls.escape_debug()));
            }
        };
        let name = text("name", &name)?;
        let schema = text("schema", &schema)?;
        let user = text("user", &user)?;
        let server_name = server_name.map(|name| text("server_name", &name)).transpose()?;
        let cas = cas.iter().map(|ca| certificates(ca)).collect::<Result<BTreeSet<_>, _>>()?;
        match (mode.verifies(), cas.is_empty()) {
            (true, true) => return invalid(format!("cas has to hold a certificate, because tls is {tls}")),
            (false, false) => {
                return invalid(format!("cas has to be empty, because tls is {tls}, which verifies nothing"));
            }
            _ => {}
        }
        match (mode == TlsMode::VerifyFull, &server_name) {
            (true, None) => return invalid("server_name has to be given, because tls is verify-full"),
            (false, Some(_)) => {
                return invalid(format!(
                    "server_name has to be null, because tls is {tls}, which verifies no name"
                ));
            }
            _ => {}
        }
        let host = address.to_string();
        let cas = cas.into_iter().collect();
        let parts = TargetParts { cas, host, name, port, schema, server_name, tls, user };
        Ok(Self { host: address, tls: mode, parts })
    }

    /// Reads the JSON that [`to_json`](Self::to_json) writes. Other white space and another order of the
    /// fields are accepted; an unknown, missing or repeated field is not.
    ///
    /// # Errors
    ///
    /// Fails if the text is not JSON of this form, or if a part cannot be used.
    pub fn read(json: &str) -> Result<Self, InvalidTarget> {
        serde_json::from_str(json).map_err(|error| InvalidTarget(error.to_string())).and_then(Self::new)
    }

    /// The canonical JSON: the same bytes as Terraform's `jsonencode` writes.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "texts, lists of them and a number always are JSON")]
    pub fn to_json(&self) -> String {
        let json = serde_json::to_string(&self.parts).expect("texts and a number");
        // Go's encoder, which Terraform uses, escapes these characters in texts, so that JSON can be put into
        // HTML and JavaScript (encoding/json, `HTMLEscape`). Outside of texts JSON has none of them.
        json.replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('&', "\\u0026")
            .replace('\u{2028}', "\\u2028")
            .replace('\u{2029}', "\\u2029")
    }

    /// The command of a job that is for this database.
    #[must_use]
    pub fn to_command(&self) -> Vec<String> {
        vec![ENTRY_POINT.to_owned(), TARGET_OPTION.to_owned(), self.to_json()]
    }

    /// Reads the arguments of an executor: none, or exactly `--target JSON`.
    ///
    /// # Errors
    ///
    /// Fails on any other arguments. The message does not quote them: they may hold a secret that was meant
    /// for another program.
    pub fn from_arguments(arguments: &[String]) -> Result<Option<Self>, InvalidTarget> {
        match arguments {
            [] => Ok(None),
            [option, json] if option == TARGET_OPTION => Self::read(json).map(Some),
            [option] if option == TARGET_OPTION => invalid(format!("{TARGET_OPTION} has no value")),
            [option, _, more @ ..] if option == TARGET_OPTION => invalid(format!(
                "nothing may come after it, and {} more: a run must not override the job's arguments",
                if more.len() == 1 {
                    "there is 1 argument".to_owned()
                } else {
                    format!("there are {} arguments", more.len())
                }
            )),
            _ => invalid(format!(
                "the arguments have to be none, or {TARGET_OPTION} and the target: a run must not override the job's \
                 arguments"
            )),
        }
    }

    /// The target in a job's command; `None` where the command has none.
    ///
    /// # Errors
    ///
    /// The inner result is an error where [`Self::from_arguments`] fails.
    #[must_use]
    pub fn in_command(command: &[String]) -> Option<Result<Self, InvalidTarget>> {
        match command {
            [program, option, ..] if program == ENTRY_POINT && option == TARGET_OPTION => {
                Self::from_arguments(&command[1..]).transpose()
            }
            _ => None,
        }
    }

    /// The address to connect to.
    #[must_use]
    pub const fn host(&self) -> IpAddr {
        self.host
    }

    /// Whether and how TLS is used.
    #[must_use]
    pub const fn tls(&self) -> TlsMode {
        self.tls
    }

    /// The parts of the target, as they are written.
    #[must_use]
    pub const fn parts(&self) -> &TargetParts {
        &self.parts
    }
}

/// The address, database, user and mode in one line; without the certificates.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TargetParts { name, port, schema, tls, user, .. } = &self.parts;
        let host = match self.host {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        write!(f, "{host}:{port}/{name}, schema {schema}, as {user} (TLS: {tls})")
    }
}

/// Checks a name: not empty, without control characters and without white space around it.
fn text(field: &str, value: &str) -> Result<String, InvalidTarget> {
    if value.is_empty() || value.trim() != value {
        return invalid(format!("{field} has to be given, without white space around it"));
    }
    if value.chars().any(char::is_control) {
        return invalid(format!("{field} has a control character in it"));
    }
    Ok(value.nfc().collect())
}

/// Checks certificates in PEM. Whether they are valid certificates is found out when they are used; here only
/// characters are refused that JSON can write in two ways.
fn certificates(pem: &str) -> Result<String, InvalidTarget> {
    let pem = pem.trim();
    if !pem.starts_with(BEGIN) || !pem.ends_with(END) {
        return invalid("cas has to hold certificates in PEM, which begin with -----BEGIN CERTIFICATE-----");
    }
    if pem.chars().any(|letter| !letter.is_ascii() || (letter.is_control() && !"\r\n\t".contains(letter))) {
        return invalid("a certificate in cas has a character in it that PEM does not have");
    }
    Ok(pem.to_owned())
}
