//! The settings file `environments.yaml`: it is found (`source.rs`), read (`file.rs`), and turned into typed
//! values (`environment.rs`, `hours.rs`).
//!
//! `confirmed.rs` remembers which found files a person has confirmed, `application.rs` is the application's
//! folder.
//!
//! **A typical change** is another key: `file.rs`, `environment.rs`, and its line of the reference page in
//! `reference.rs`.

mod application;
pub mod confirmed;
mod environment;
mod file;
mod hours;
pub mod init;
mod private;
mod reference;
mod source;
mod yaml;

use std::path::{Path, PathBuf};

pub use application::{Application, ApplicationFile};
pub(crate) use environment::Place;
pub use environment::{Backend, Environment, Records};
use file::File;
pub use hours::WorkingHours;
pub use reference::page as reference_page;
pub use source::{Origin, SHIPPED, Source};

use quill_admin_yaml::nearest;

use crate::error::{CliError, advice};
use crate::process::Process;

/// The environments of one file.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    file: File,
    source: Source,
}

impl Config {
    /// Finds and reads the file: `--config`, `QUILL_ADMIN_CONFIG`, the working folder and those above it,
    /// then the person's own folder for settings. Where there is none, the embedded environment is known all the
    /// same.
    ///
    /// # Errors
    ///
    /// Fails when the file that is found or named cannot be used.
    pub fn load(process: &Process, given: Option<&Path>) -> Result<Self, CliError> {
        match Self::load_if_any(process, given)? {
            Some(config) => Ok(config),
            None => Self::built_in(process),
        }
    }

    /// The embedded environment of the settings that are built into this program.
    fn built_in(process: &Process) -> Result<Self, CliError> {
        let source = Source::built_in(process);
        let mut file = file::parse(&source.path, SHIPPED)?;
        file.environments.retain(|_, entry| entry.emulated);
        Ok(Self { path: source.path.clone(), file, source })
    }

    /// Finds and reads the file for commands that can do without it: `None` where no file is named and none
    /// is found.
    ///
    /// # Errors
    ///
    /// Fails when a file that is there cannot be used.
    pub fn load_if_any(process: &Process, given: Option<&Path>) -> Result<Option<Self>, CliError> {
        let Some((source, content)) = Source::read(process, given)? else { return Ok(None) };
        Self::found(source, &content).map(Some)
    }

    /// The environments in the content of a file.
    fn found(mut source: Source, content: &[u8]) -> Result<Self, CliError> {
        let path = source.path.clone();
        let file = file::parse(&path, content)?;
        let beside = path.parent().unwrap_or(&path);
        source.application = file.application.as_ref().map(|folder| beside.join(folder));
        Ok(Self { path, file, source })
    }

    /// Trusts these hosts with the sign-in, in addition to those of the file.
    #[must_use]
    pub fn trusting(mut self, hosts: &[String]) -> Self {
        self.source.trusted_hosts = hosts.to_vec();
        self
    }

    /// Has the application's files read from this folder, whatever the file says.
    #[must_use]
    pub fn with_application(mut self, folder: Option<PathBuf>) -> Self {
        self.source.given_application = folder;
        self
    }

    /// The file, and how it was found.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The error that there is no file; `None` where there is one.
    #[must_use]
    pub fn missing(&self) -> Option<CliError> {
        self.source.missing(None, self.names().next().unwrap_or("local"))
    }

    /// The names of the environments, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.environments.keys().map(String::as_str)
    }

    /// A short description of an environment, for a list to choose from.
    #[must_use]
    pub fn describe(&self, name: &str) -> String {
        self.file.environments.get(name).map_or_else(String::new, |entry| {
            let place = match (&entry.project, entry.emulated) {
                (_, true) => "embedded, on this machine",
                (Some(project), false) => project.as_str(),
                (None, false) => "",
            };
            if entry.protected { format!("{place} (protected)") } else { place.to_owned() }
        })
    }

    /// Resolves one environment.
    ///
    /// # Errors
    ///
    /// Fails when there is no environment of this name, and when a key of it is missing or invalid.
    pub fn environment(&self, name: &str) -> Result<Environment, CliError> {
        let Some(entry) = self.file.environments.get(name) else {
            let names: Vec<&str> = self.names().collect();
            if let Some(missing) = self.source.missing(Some(name), names.first().unwrap_or(&"local")) {
                return Err(missing);
            }
            let error = CliError::usage(format!(
                "unknown environment \"{}\"; {} has: {}",
                name.escape_debug(),
                self.path.display(),
                names.join(", ")
            ));
            return Err(match nearest(name, names) {
                Some(near) => error.hint(advice("did you mean", &format!("--env {near}"))),
                None => error,
            });
        };
        let resolved = environment::resolve(&self.file, &self.source, name, entry)?;
        match self.names().find(|other| self.shares_records(&resolved, other)) {
            Some(other) => Err(shared_key(&resolved, other)),
            None => Ok(resolved),
        }
    }

    /// Whether a record of another environment would be verified as one of this environment's: a signature names the
    /// job by its id, and neither project nor region.
    fn shares_records(&self, environment: &Environment, other: &str) -> bool {
        if environment.record_keys.is_empty() || other == environment.name {
            return false;
        }
        let Some(entry) = self.file.environments.get(other) else { return false };
        // What is wrong with the other environment is told when that one is used.
        let Ok(other) = environment::resolve(&self.file, &self.source, other, entry) else { return false };
        other.job != environment.job
            && other.job.job == environment.job.job
            && other.record_keys.iter().any(|key| environment.record_keys.contains(key))
    }
}

fn shared_key(environment: &Environment, other: &str) -> CliError {
    CliError::usage(format!(
        "the environments \"{}\" and \"{}\" share a key of records.public_keys, and their jobs have the same name: a \
         record of one would count in the other",
        environment.name.escape_debug(),
        other.escape_debug()
    ))
    .hint(advice("give each a key of its own with", "quill-admin record-key --env ENVIRONMENT"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Reads the environments in a text.
    pub(crate) fn config(text: &str) -> Result<Config, CliError> {
        let path = PathBuf::from("environments.yaml");
        let source = Source::named(&path);
        file::parse(&path, text).map(|file| Config { path, file, source })
    }

    fn refused(text: &str) -> String {
        let resolved = config(text).and_then(|config| {
            let names: Vec<String> = config.names().map(str::to_owned).collect();
            names.iter().map(|name| config.environment(name)).collect::<Result<Vec<_>, _>>()
        });
        let error = resolved.expect_err("must be refused");
        assert_eq!(error.code, quill_admin_contract::ExitCode::Usage);
        [error.messages, error.hints].concat().join(" | ")
    }

    const DEFAULTS: &str = "\
defaults:
  region: europe-west2
  job: quill-tasks-{env}
  image: \"{region}-docker.pkg.dev/{project}/quill/tasks\"
  database: { name: quill_core, user: quill, password_secret: core-db-password }
environments:
";

    #[test]
    fn the_repositorys_own_file_is_valid() {
        let text = include_str!("../../../../environments.yaml");
        let config = config(text).expect("valid");
        assert_eq!(config.names().collect::<Vec<_>>(), ["staging", "teaching", "prod", "local"]);
        let prod = config.environment("prod").expect("valid");
        assert!(prod.protected);
        assert_eq!(
            prod.job.to_string(),
            "projects/quill-medical-production/locations/europe-west2/jobs/quill-tasks-prod"
        );
        assert_eq!(
            prod.image.to_string(),
            "europe-west2-docker.pkg.dev/quill-medical-production/quill/tasks"
        );
        let lock = prod.state_lock.expect("the file names it");
        assert_eq!(lock.to_string(), "gs://quill-medical-terraform-state/terraform/state/production.tflock");
        let local = config.environment("local").expect("valid");
        assert!(local.is_embedded());
        assert_eq!(local.state_lock, None);
    }

    #[test]
    fn a_lock_is_a_bucket_and_an_object() {
        let of = |state: &str| {
            let staging = format!("{{ project: quill-medical-staging, terraform_state: {{ {state} }} }}");
            format!("{DEFAULTS}  staging: {staging}\n")
        };
        let none = config(&of("")).expect("valid").environment("staging").expect("valid").state_lock;
        assert_eq!(none, None);
        assert!(refused(&of("bucket: state")).contains("the key \"terraform_state.lock\" is missing"));
        assert!(refused(&of("lock: state")).contains("the key \"terraform_state.bucket\" is missing"));
        assert!(
            refused(&of("bucket: \"gs://state\", lock: l"))
                .contains("key \"terraform_state\": \"gs://state\" is not a valid bucket name")
        );
    }

    #[test]
    fn a_bucket_of_records_has_a_name_and_a_location() {
        let of = |audit: &str| {
            let staging = format!("{{ project: quill-medical-staging, audit: {{ {audit} }} }}");
            format!("{DEFAULTS}  staging: {staging}\n")
        };
        let records =
            |audit: &str| config(&of(audit)).expect("valid").environment("staging").expect("valid").records;
        assert_eq!(records(""), None);
        let told = records("bucket: \"records-{env}\", location: \"{region}\"").expect("named");
        let name = "projects/quill-medical-staging/locations/europe-west2/buckets/records-staging";
        assert_eq!((told.bucket.to_string().as_str(), told.retention_days, told.locked), (name, 2557, false));
        let told =
            records("bucket: r, location: global, project: quill-records, retention_days: 30, locked: yes")
                .expect("named");
        let name = "projects/quill-records/locations/global/buckets/r";
        assert_eq!((told.bucket.to_string().as_str(), told.retention_days, told.locked), (name, 30, true));
        for (audit, words) in [
            ("bucket: r", "the key \"audit.location\" is missing"),
            ("location: global", "the key \"audit.bucket\" is missing"),
            ("bucket: a/b, location: global", "key \"audit\": \"a/b\" is not a valid log bucket name"),
            ("bucket: r, location: global, retention_days: 3651", "3651 is not between 1 and 3650"),
            (
                "bucket: r, location: global, retention_days: 7y",
                "\"retention_days\" is a whole number, not \"7y\"",
            ),
        ] {
            assert!(refused(&of(audit)).contains(words), "{audit}: {}", refused(&of(audit)));
        }
    }

    #[test]
    fn mistakes_are_named_where_they_stand() {
        assert_eq!(
            refused(&format!("{DEFAULTS}  staging:\n    projct: quill-medical-staging\n")),
            "environments.yaml:8:5: unknown key \"projct\"; allowed here: project, protected, emulated, \
             impersonate_service_account, endpoint, endpoints, region, job, image, service_account, backend, database, \
             target, preview, working_hours, records, network, terraform_state, audit | did you mean \"project\"?"
        );
        let message = refused(&format!("{DEFAULTS}  staging:\n    project: [1]\n"));
        assert!(message.starts_with("environments.yaml:8:14: "), "{message}");
        let message = refused(&format!("{DEFAULTS}  staging:\n    project: Not_A_Project\n"));
        assert!(
            message.starts_with("environments.yaml:8:14: ") && message.contains("Not_A_Project"),
            "{message}"
        );
        let message = refused("defaults: {\n");
        assert!(message.starts_with("environments.yaml:"), "{message}");
        let message = refused("");
        assert!(message.contains("environments"), "{message}");
        let message = refused(&format!("{DEFAULTS}  a: {{ emulated: true }}\n  a: {{ emulated: true }}\n"));
        assert!(message.starts_with("environments.yaml:8:3: "), "{message}");
        let message = refused(&format!("{DEFAULTS}  a: {{ protected: perhaps, emulated: true }}\n"));
        assert!(message.starts_with("environments.yaml:7:19: "), "{message}");
    }

    /// Each kind of mistake is worded for the person who wrote the file, with its place and the allowed
    /// values, and without the library's words for programmers.
    #[test]
    fn mistakes_are_told_in_words() {
        let told = |text: &str, words: &str| {
            let message = refused(text);
            assert!(
                message.starts_with("environments.yaml:") && message.contains(words),
                "{text:?}: {message}"
            );
            for foreign in ["Policy", "Option<", "from_", "budget", "mapping", "scalar", "sequence", "null"] {
                assert!(!message.contains(foreign), "{text:?}: {message}");
            }
        };
        let inside = |entry: &str| format!("{DEFAULTS}  a: {entry}\n");
        told("", "1:1: the file is empty; it needs the key \"environments\"");
        told("# only a comment\n", "the file is empty");
        told("[]", "1:1: the file holds keys with values (\"key: value\"), not a list");
        told("defaults: {}\n", "1:1: the key \"environments\" is missing");
        for nothing in ["environments:\n", "environments: {}\n", "environments: ~\n"] {
            told(nothing, "1:1: there is no environment in \"environments\"; name at least one");
        }
        told("environments: [a]\n", "1:15: the key \"environments\" holds keys with values");
        told("environments:\n  a:\n", "2:3: environment \"a\" has nothing in it; give it a \"project\"");
        told(
            "environments:\n  a: text\n",
            "2:6: environment \"a\" holds keys with values (\"key: value\"), not \"text\"",
        );
        told(
            "environments:\n  a: { project: }\n",
            "2:8: the key \"project\" has no value; it is a text, or is left out",
        );
        told(
            "environments:\n  a: { protected: }\n",
            "the key \"protected\" has no value; it is true or false, or",
        );
        told(
            "environments:\n  a: { protected: 1 }\n",
            "2:19: the key \"protected\" is true or false, not \"1\"",
        );
        told("environments:\n  a: { database: }\n", "2:8: the key \"database\" has nothing in it");
        told("environments:\n  a: { database: [x] }\n", "2:18: the key \"database\" holds keys with values");
        told(
            "environments:\n  a: { job: {b: c} }\n",
            "the key \"job\" is a text (one that begins with a brace stands in quotes)",
        );
        told(
            "environments:\n  a: { job: {env}-x }\n",
            "2:13: a text that begins with a brace has to stand in quotes",
        );
        told("environments:\n  a: { job: x\n", "2:6: not valid YAML: unclosed");
        told("environments:\n  a: x: y\n", "a text with a colon and a space in it has to stand in quotes");
        told("environments:\n\ta: {}\n", "2:1: a tab in front of a line; indent with spaces");
        told("environments:\n  ? [a]\n  : {}\n", "2:5: a key is a name, not a list");
        told("environments: {}\n---\nenvironments: {}\n", ": a second document begins here (after ---)");
        told(
            "environments:\n  a: { project: quill-a, project: quill-b }\n",
            "2:26: the key \"project\" is there twice, here and at 2:8; remove one",
        );
        told("environments:\n  a: { project: *x }\n", "2:17: this alias (*) has no anchor (&) before it");
        told(
            "environments:\n  a: &x { database: *x }\n",
            "this alias (*) stands inside of its own anchor (&)",
        );
        told(&format!("environments: {}{}", "[".repeat(100), "]".repeat(100)), "more than 16 levels deep");
        told(&format!("environments: {}", "{a: ".repeat(100_000)), "more than 16 levels deep");
        let bomb = (1..12).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
            let aliases = vec![format!("*a{}", level - 1); 10].join(",");
            format!("{text}a{level}: &a{level} [{aliases}]\n")
        });
        told(&bomb, "far too many values or aliases");
        told(
            "environments:\n  a: { job: \u{1b}[31m }\n",
            "2:13: a character that is not seen: escape (U+001B); remove it",
        );
        told("environments:\n  a:\u{a0}{}\n", "2:5: a character that is not seen: no-break space (U+00A0)");
        told(
            &inside("{ image: \"x\\u202ey\" }"),
            "7:15: the key \"image\" has a character in it that is not seen: right-to-left override (U+202E)",
        );
        for name in ["\"a b\"", "\"a\\eb\"", "\"\\u202eprod\"", "-prod", "прод", "\"\"", "a/b"] {
            told(
                &format!("environments:\n  {name}: {{ emulated: true }}\n"),
                "is not the name of an environment: it has up to 63 letters",
            );
        }
        let parsed =
            |bytes: &[u8]| file::parse(Path::new("f"), bytes).map(drop).map_err(|error| error.to_string());
        assert_eq!(parsed(b"\xff\xfee\0"), Err("f:1:1: the file is UTF-16; save it as UTF-8".to_owned()));
        assert_eq!(
            parsed(b"environments:\n  a: \xff"),
            Err("f:2:6: not UTF-8; save the file as UTF-8".to_owned())
        );
        assert_eq!(parsed(b"\xef\xbb\xbfenvironments: { a: { emulated: on } } # \r\n"), Ok(()));
        assert_eq!(
            parsed("# \u{202e}comment\u{200b}\nenvironments: { a-1_b.c: { emulated: true } }".as_bytes()),
            Ok(())
        );
    }

    #[test]
    fn texts_are_as_they_are_written_and_aliases_are_theirs() {
        let text = format!(
            "{DEFAULTS}  a: &a {{ emulated: yes, database: {{ name: 1.10, user: 007, password_secret: s-1 }} }}\n  b:\n    \
             <<: *a\n    database: {{ name: \"yes\", user: .inf, password_secret: on }}\n"
        );
        let config = config(&text).expect("valid");
        let a = config.environment("a").expect("valid");
        assert_eq!((a.database_name.as_str(), a.database_user.as_str()), ("1.10", "007"));
        let b = config.environment("b").expect("valid");
        assert_eq!((b.database_name.as_str(), b.database_user.as_str()), ("yes", ".inf"));
        assert_eq!(b.password_secret.as_str(), "on");
        assert!(b.is_embedded());
    }

    #[test]
    fn what_is_wrong_once_it_is_filled_in_has_its_place_too() {
        assert!(
            refused(&format!("{DEFAULTS}  a: {{ emulated: true, image: \"x y\" }}\n"))
                .starts_with("environments.yaml:7:24: environment \"a\": key \"image\": ")
        );
        // The mistake is in the defaults.
        assert!(
            refused("defaults:\n  region: europe-west2\n  job: \"{env}_\"\nenvironments: { a: { emulated: true } }\n")
                .starts_with("environments.yaml:3:3: environment \"a\": key \"job\": ")
        );
    }

    #[test]
    fn what_is_missing_or_out_of_place_is_named() {
        assert_eq!(
            refused(&format!("{DEFAULTS}  staging: {{ protected: no }}\n")),
            "environments.yaml:7:3: environment \"staging\": the key \"project\" is missing"
        );
        assert_eq!(
            refused("environments:\n  staging: { project: quill-medical-staging, region: r1 }\n"),
            "environments.yaml:2:3: environment \"staging\": the key \"job\" is missing, here and in defaults"
        );
        let endpoint = |url: &str| {
            refused(&format!(
                "{DEFAULTS}  staging: {{ project: quill-medical-staging, endpoint: \"{url}\" }}\n"
            ))
        };
        assert!(
            endpoint("http://example.org:80")
                .contains("plain HTTP is allowed for this machine's own addresses")
        );
        assert!(endpoint("127.0.0.1:80").contains("not a URL such as http://127.0.0.1:8085"));
        assert!(endpoint("ftp://127.0.0.1").contains("not a URL such as"));
        assert!(
            refused(&format!(
                "{DEFAULTS}  staging: {{ project: quill-medical-staging, job: \"{{project}}_x\" }}\n"
            ))
            .contains("\"quill-medical-staging_x\" is not a valid resource name")
        );
    }

    #[test]
    fn an_unknown_environment_suggests_a_near_one() {
        let config =
            config(&format!("{DEFAULTS}  staging: {{ project: quill-medical-staging }}\n")).expect("valid");
        let error = config.environment("stagin").expect_err("unknown");
        assert_eq!(error.messages, ["unknown environment \"stagin\"; environments.yaml has: staging"]);
        assert_eq!(error.hints, ["did you mean: --env staging"]);
    }

    #[test]
    fn loopback_endpoints_are_taken() {
        let text = "  staging: { project: quill-medical-staging, endpoint: \"http://[::1]:8085/\", endpoints: { logging: https://logging.example.org } }\n";
        let place =
            config(&format!("{DEFAULTS}{text}")).expect("valid").environment("staging").expect("valid").place;
        let Place::Endpoints(endpoints) = place else { panic!("{place:?}") };
        assert_eq!(endpoints.run.as_deref(), Some("http://[::1]:8085"));
        assert_eq!(endpoints.logging.as_deref(), Some("https://logging.example.org"));
        assert_eq!(endpoints.storage, endpoints.run);
    }
}
