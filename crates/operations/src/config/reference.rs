//! The reference page about `environments.yaml`. Tests compare its keys with the format.
//!
//! To add a key: its line in `KEYS`.

use std::fmt::Write as _;

/// A key of the file.
struct Key {
    /// Its path, relative to an environment or to `defaults`.
    path: &'static str,
    /// Whether it can stand in `defaults`, for every environment.
    shared: bool,
    /// Its effect when it is left out; empty when it is required.
    absent: &'static str,
    /// Its meaning.
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
    own(
        "protected",
        "false",
        "a task that changes something asks for the environment's name and a reason; other changes, such as `build`, ask for the name",
    ),
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
    shared(
        "target",
        "`optional`",
        "`required`: nothing is run in a job whose command does not say which database it is for",
    ),
    shared(
        "preview",
        "`optional`",
        "`required`: every change is previewed against the real rows, shown and asked about before it is made",
    ),
    shared(
        "working_hours",
        "not judged",
        "days, hours and time zone in which it is usually worked on, as in `mon-fri 08:00-18:00 Europe/London`: `review` \
         marks what was run outside",
    ),
    shared(
        "records.key_secret",
        "not signed",
        "id of the secret with the key that the job signs its records with",
    ),
    shared("records.public_keys", "none", "list of the public keys that records are verified with"),
    shared("network.connector", "as it is", "name of the Serverless VPC Access connector"),
    shared("network.egress", "as it is", "what goes through it: private-ranges-only or all-traffic"),
    shared("terraform_state.bucket", "no state", "bucket of the Terraform state"),
    shared("terraform_state.lock", "no state", "object in it that is the state's lock"),
    shared(
        "audit.bucket",
        "no bucket",
        "log bucket that a sink puts the records into, which `history` reads",
    ),
    shared("audit.location", "no bucket", "its location, such as `europe-west2` or `global`"),
    shared("audit.project", "`project`", "the project that the bucket is in"),
    shared("audit.retention_days", "2557", "for how many days it has to keep them, 1 to 3650"),
    shared("audit.locked", "false", "whether that has to be locked: then nobody can shorten it, ever"),
];

/// The rules by which the file is trusted. They are implemented in `source.rs`, `confirmed.rs` and
/// `trust.rs`.
const TRUST: &str = "\
## Which file is believed

The file says where a person's sign-in goes, and which project gets a task. How far it is believed depends on how it was
found:

| | in the working folder or above it | in the person's configuration folder | named with `--config` or `QUILL_ADMIN_CONFIG` |
|---|---|---|---|
| owner and mode, also of the application's files | checked | checked | not checked |
| project, job and application | confirmed once for each environment | believed | believed |
| hosts in it | Google's only | believed | Google's, and addresses on this machine |

**Owner and mode.** The file, and each folder that leads to it from the root on, also by a symbolic link, belongs to the
person or to root. Nobody else may write to them. A group may, if it has the person's own number; and everybody may write to
a folder further up where only its owner may move a thing, as in `/tmp`. Otherwise the file is not used, and every command
that needs it ends with exit code 2. Access control lists are not looked at. On Windows owners and rights are not looked at, and the
file that is found is used.

**Project, job and application.** The first task of an environment shows the project, the job and the folder of `application`, and asks whether tasks should go there;
`quill-admin envs --trust` confirms it without a task. It is asked again when anything in the file has changed. Without a
terminal, or when the answer is no, the end is exit code 28. An address on this machine is confirmed like
any other, since anybody on it may listen there; an emulated environment needs no confirmation. A file that
`quill-admin init` has written on this machine is confirmed as long as it stays as it is. What was confirmed is kept in `$XDG_STATE_HOME/quill-admin/confirmed` (without `XDG_STATE_HOME`: `~/.local/state`, on Windows `%LOCALAPPDATA%`).

**Hosts.** The sign-in is sent to `googleapis.com`, `pkg.dev`, `gcr.io` and hosts below them, to the universe domain that
the person set, and to hosts that the person named: `--trust-host HOST`, or `QUILL_ADMIN_TRUSTED_HOSTS` with commas between
several. `.example.org` stands for all hosts below it. Only HTTPS is used, except on this machine. Addresses on this machine
get the sign-in of gcloud only where the file, the sign-in or the host was named. An environment that sends calls to another
host is refused with exit code 2, and nothing is sent.

";

/// The page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(
        "# environments.yaml\n\n\
         Names and places, no secrets. `quill-admin` and [Terraform](../terraform.md) both read it, so each \
         name exists once.\n\n\
         It is the file of `--config` or `QUILL_ADMIN_CONFIG`; without these the first that is found in the \
         working folder, the folders above it, and `$XDG_CONFIG_HOME/quill-admin/` (without \
         `XDG_CONFIG_HOME`: `~/.config`, on Windows `%APPDATA%`). An unknown key, a wrong type or a missing value is refused with line \
         and column. `quill-admin init` writes it, as it stands below. Without any file there is only the emulated \
         environment `local`.\n\n\
         It is a regular file of at most 1 MiB, in UTF-8, with one YAML document in which nothing stands that is \
         not seen (escape sequences, zero-width or bidirectional characters, no-break spaces), comments left \
         aside.\n\n\
         `environments` holds one entry per environment; its name has up to 63 letters of ASCII, digits, hyphens, \
         underscores and dots, and begins with a letter or a digit. `defaults` holds what they have in common; an \
         environment may set any of it for itself. Texts may contain `{env}`, `{project}` and `{region}`: the \
         environment's name, project and region.\n\n\
         `application` names the folder with what is known of the application, from the file's own folder on: \
         `actions.yaml` with its actions, `schema.sql` and `seed.sql` with the tables and first rows of emulated \
         environments. Without it they are those that `quill-admin` was built with; `--application` beats both. Each \
         file is read by what needs it: a mistake in `actions.yaml` is in the way of actions only. An emulated \
         environment belongs to the `schema.sql` it was made with: with another one it is refused until \
         `quill-admin local reset`.\n\n",
    );
    page.push_str(TRUST);
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

    /// The keys that are listed as allowed when a wrong one is used.
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
        for section in ["endpoints", "backend", "database", "network", "records", "terraform_state", "audit"]
        {
            let text = format!("environments: {{ a: {{ {section}: {{ x: 1 }} }} }}");
            assert_eq!(allowed(&text), listed(Some(section), true), "{section}");
        }
    }
}
