//! The file as it is written. Unknown keys and wrong types are refused where they stand.

use std::path::Path;

use indexmap::IndexMap;
use quill_admin_cloud::{ProjectId, Region};
use serde::Deserialize;
use serde_saphyr::Error as YamlError;

use crate::error::CliError;
use crate::hints::nearest;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) defaults: Settings,
    pub(super) environments: IndexMap<String, Entry>,
}

/// What an environment may set, and `defaults` for all of them. Texts may hold `{env}`, `{project}`
/// and `{region}`.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) region: Option<Region>,
    pub(super) job: Option<String>,
    pub(super) image: Option<String>,
    pub(super) service_account: Option<String>,
    #[serde(default)]
    pub(super) backend: Backend,
    #[serde(default)]
    pub(super) database: Database,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) terraform_state: TerraformState,
}

/// One environment: its own keys, and anything of [`Settings`]. (Spelt out rather than flattened:
/// serde cannot refuse unknown keys through a flattened field.)
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) project: Option<ProjectId>,
    #[serde(default)]
    pub(super) protected: bool,
    #[serde(default)]
    pub(super) emulated: bool,
    pub(super) impersonate_service_account: Option<String>,
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    pub(super) endpoints: EndpointsEntry,

    pub(super) region: Option<Region>,
    pub(super) job: Option<String>,
    pub(super) image: Option<String>,
    pub(super) service_account: Option<String>,
    #[serde(default)]
    pub(super) backend: Backend,
    #[serde(default)]
    pub(super) database: Database,
    #[serde(default)]
    pub(super) network: Network,
    #[serde(default)]
    pub(super) terraform_state: TerraformState,
}

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointsEntry {
    pub(super) run: Option<String>,
    pub(super) logging: Option<String>,
    pub(super) sql: Option<String>,
    pub(super) artifact_registry: Option<String>,
    pub(super) resource_manager: Option<String>,
    pub(super) user_info: Option<String>,
    pub(super) iam_credentials: Option<String>,
    pub(super) secret_manager: Option<String>,
    pub(super) service_usage: Option<String>,
    pub(super) storage: Option<String>,
}

macro_rules! section {
    ($name:ident { $($field:ident),+ }) => {
        #[derive(Debug, Default, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name { $(pub(super) $field: Option<String>),+ }
    };
}

section!(Backend { service, image, tag, dockerfile, target });
section!(Database { instance, name, user, password_secret });
section!(Network { connector, egress });
section!(TerraformState { bucket, lock });

/// Reads the text; errors name file, line and column, and the key that was probably meant.
pub(super) fn parse(path: &Path, text: &str) -> Result<File, CliError> {
    serde_saphyr::from_str::<File>(text).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location().map_or_else(
            || path.display().to_string(),
            |location| format!("{}:{}:{}", path.display(), location.line(), location.column()),
        );
        let (what, near) = match error {
            YamlError::SerdeUnknownField { field, expected, .. } => (
                format!("unknown key \"{}\"; allowed here: {}", field.escape_debug(), expected.join(", ")),
                nearest(field, expected.iter().copied()).map(str::to_owned),
            ),
            YamlError::SerdeMissingField { field, .. } => (format!("the key \"{field}\" is missing"), None),
            YamlError::SerdeInvalidType { unexpected, expected, .. } => {
                (format!("expected {expected}, found {unexpected}"), None)
            }
            other => (message_only(other), None),
        };
        let error = CliError::usage(format!("{place}: {what}"));
        match near {
            Some(near) => error.hint(format!("did you mean \"{near}\"?")),
            None => error,
        }
    })
}

/// The message without the place, which stands in front already.
fn message_only(error: &YamlError) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).to_owned()
}
