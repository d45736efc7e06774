//! The page about `environments.yaml`. What it says of the keys is held against the format by tests.

use std::fmt::Write as _;

/// A key of the file.
struct Key {
    /// Its path, from an environment or from `defaults` on.
    path: &'static str,
    /// It can stand in `defaults`, for every environment.
    shared: bool,
    /// What it is without being written; empty: it has to be.
    absent: &'static str,
    /// What it says.
    what: &'static str,
}

const fn own(path: &'static str, absent: &'static str, what: &'static str) -> Key {
    Key { path, shared: false, absent, what }
}

const fn shared(path: &'static str, absent: &'static str, what: &'static str) -> Key {
    Key { path, shared: true, absent, what }
}

/// Every key, in the order in which they are read.
const KEYS: &[Key] = &[
    own("project", "", "id of the project; not needed with `emulated`"),
    own("protected", "false", "asks for the environment's name and a reason before anything is started"),
    own("emulated", "false", "an emulator and a database on this machine, inside the program"),
    own("impersonate_service_account", "nobody", "address of the service account to act as"),
    own("endpoint", "Google Cloud", "address of something on this machine that speaks all of the APIs below"),
    own("endpoints.run", "`endpoint`", "the same for Cloud Run alone"),
    own("endpoints.logging", "`endpoint`", "for Cloud Logging"),
    own("endpoints.sql", "`endpoint`", "for Cloud SQL"),
    own("endpoints.artifact_registry", "`endpoint`", "for Artifact Registry"),
    own("endpoints.resource_manager", "`endpoint`", "for Resource Manager"),
    own("endpoints.user_info", "`endpoint`", "for the question whose token it is"),
    own("endpoints.iam_credentials", "`endpoint`", "for acting as a service account"),
    own("endpoints.secret_manager", "`endpoint`", "for Secret Manager"),
    own("endpoints.service_usage", "`endpoint`", "for Service Usage"),
    own("endpoints.storage", "`endpoint`", "for Cloud Storage"),
    shared("region", "", "region of the job and the backend"),
    shared("job", "", "name of the Cloud Run job"),
    shared("image", "", "repository of the admin image, without a tag"),
    shared("service_account", "as it is", "address of the account the job runs as"),
    shared("backend.service", "no backend", "name of the application's Cloud Run service"),
    shared("backend.image", "no backend", "repository of its image"),
    shared("backend.tag", "main", "tag its image is pushed under"),
    shared("backend.dockerfile", "", "its Dockerfile, from the root of the application's sources on"),
    shared("backend.target", "", "the stage of that Dockerfile that is the backend"),
    shared(
        "database.instance",
        "as it is",
        "name of the Cloud SQL instance, whose private address the job gets",
    ),
    shared("database.name", "", "name of the database"),
    shared("database.user", "", "user to connect as"),
    shared("database.password_secret", "", "id of the secret with that user's password"),
    shared("network.connector", "as it is", "name of the Serverless VPC Access connector"),
    shared("network.egress", "as it is", "what goes through it: private-ranges-only or all-traffic"),
    shared("terraform_state.bucket", "no state", "bucket of the Terraform state"),
    shared("terraform_state.lock", "no state", "object in it that is the state's lock"),
];

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# environments.yaml\n\n\
         Names and places, no secrets. `quill-admin` and [Terraform](../terraform.md) both read it, so each \
         name exists once.\n\n\
         It is the file of `--config` or `QUILL_ADMIN_CONFIG`; without these the first that is found in the \
         working folder, the folders above it, and `$XDG_CONFIG_HOME/quill-admin/` (without \
         `XDG_CONFIG_HOME`: `~/.config`). An unknown key, a wrong type or a missing value is refused with line \
         and column.\n\n\
         `environments` holds one entry per environment. `defaults` holds what they have in common; an \
         environment may set any of it for itself. Texts may contain `{env}`, `{project}` and `{region}`: the \
         environment's name, project and region.\n\n",
    );
    for (title, is_shared) in [("In an environment", false), ("In an environment or in defaults", true)] {
        let _ = write!(page, "## {title}\n\n| key | without it | what |\n|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.shared == is_shared) {
            let absent = if key.absent.is_empty() { "refused" } else { key.absent };
            let _ = writeln!(page, "| `{}` | {absent} | {} |", key.path, key.what);
        }
        page.push('\n');
    }
    page.push_str(
        "Addresses are https, or plain http on this machine's own addresses (127.0.0.1, ::1, localhost).\n\n\
         ## The file\n\n```yaml\n",
    );
    page.push_str(include_str!("../../../../environments.yaml").trim_end());
    page.push_str("\n```\n");
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::file;

    /// The keys that are allowed where a wrong one stands.
    fn allowed(text: &str) -> BTreeSet<String> {
        let error = file::parse(Path::new("f"), text).expect_err("a wrong key");
        let message = &error.messages[0];
        let (_, list) = message.split_once("allowed here: ").unwrap_or_else(|| panic!("{message}"));
        list.split(", ").map(str::to_owned).collect()
    }

    /// The keys of the table at the first level, or in a section.
    fn listed(section: Option<&str>, also_own: bool) -> BTreeSet<String> {
        KEYS.iter()
            .filter(|key| key.shared || also_own)
            .filter_map(|key| match (section, key.path.split_once('.')) {
                (None, split) => Some(split.map_or(key.path, |(section, _)| section)),
                (Some(section), Some((own, rest))) if own == section => Some(rest),
                _ => None,
            })
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn every_key_is_on_the_page_and_no_other() {
        assert_eq!(allowed("environments: { a: { x: 1 } }"), listed(None, true));
        assert_eq!(allowed("{ defaults: { x: 1 }, environments: {} }"), listed(None, false));
        for section in ["endpoints", "backend", "database", "network", "terraform_state"] {
            let text = format!("environments: {{ a: {{ {section}: {{ x: 1 }} }} }}");
            assert_eq!(allowed(&text), listed(Some(section), true), "{section}");
        }
    }
}
