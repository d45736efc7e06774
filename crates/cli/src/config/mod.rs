//! `environments.yaml`: found, read, and turned into typed values.

mod environment;
mod file;
mod reference;

use std::path::{Path, PathBuf};

pub use environment::{Backend, Environment, Place};
use file::File;
pub use reference::page as reference_page;

use crate::error::CliError;
use crate::hints::nearest;
use crate::process::Process;

const FILE_NAME: &str = "environments.yaml";

/// The environments of one file.
#[derive(Debug)]
pub struct Config {
    path: PathBuf,
    file: File,
}

impl Config {
    /// Finds and reads the file: `--config`, `QUILL_ADMIN_CONFIG`, the working folder and those above
    /// it, then `$XDG_CONFIG_HOME/quill-admin/`.
    pub fn load(process: &Process, given: Option<&Path>) -> Result<Self, CliError> {
        let path = match given {
            Some(path) => process.cwd.join(path),
            None => find(process)?,
        };
        let text = std::fs::read_to_string(&path)
            .map_err(|error| CliError::usage(format!("failed to read {}: {error}", path.display())))?;
        let file = file::parse(&path, &text)?;
        Ok(Self { path, file })
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the environments, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.environments.keys().map(String::as_str)
    }

    /// What an environment is, in a few words: for a list to choose from.
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

    /// One environment, with everything resolved.
    pub fn environment(&self, name: &str) -> Result<Environment, CliError> {
        let Some(settings) = self.file.environments.get(name) else {
            let names: Vec<&str> = self.names().collect();
            let error = CliError::usage(format!(
                "unknown environment \"{}\"; {} has: {}",
                name.escape_debug(),
                self.path.display(),
                names.join(", ")
            ));
            return Err(match nearest(name, names) {
                Some(near) => error.hint(format!("did you mean --env {near}?")),
                None => error,
            });
        };
        environment::resolve(self, name, &self.file.defaults, settings)
    }
}

fn find(process: &Process) -> Result<PathBuf, CliError> {
    let above = process.cwd.ancestors().map(|folder| folder.join(FILE_NAME));
    let user = process
        .var("XDG_CONFIG_HOME")
        .filter(|folder| !folder.is_empty())
        .map(PathBuf::from)
        .or_else(|| process.var("HOME").map(|home| Path::new(home).join(".config")))
        .map(|folder| folder.join("quill-admin").join(FILE_NAME));
    above.chain(user).find(|path| path.is_file()).ok_or_else(|| {
        CliError::usage(format!(
            "no {FILE_NAME} in {} or a folder above it, nor in the user's configuration folder",
            process.cwd.display()
        ))
        .hint(
            "run this inside the repository, or name the file with --config or QUILL_ADMIN_CONFIG".to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Result<Config, CliError> {
        let path = PathBuf::from("environments.yaml");
        file::parse(&path, text).map(|file| Config { path, file })
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
  job: quill-admin-{env}
  image: \"{region}-docker.pkg.dev/{project}/quill/admin\"
  database: { name: quill_auth, user: quill, password_secret: auth-db-password }
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
            "projects/quill-medical-production/locations/europe-west2/jobs/quill-admin-prod"
        );
        assert_eq!(
            prod.image.to_string(),
            "europe-west2-docker.pkg.dev/quill-medical-production/quill/admin"
        );
        let lock = prod.state_lock.expect("the file names it");
        assert_eq!(lock.to_string(), "gs://quill-medical-terraform-state/terraform/state/prod.tflock");
        let local = config.environment("local").expect("valid");
        assert!(matches!(local.place, Place::Embedded { .. }));
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
    fn mistakes_are_named_where_they_stand() {
        assert_eq!(
            refused(&format!("{DEFAULTS}  staging:\n    projct: quill-medical-staging\n")),
            "environments.yaml:8:5: unknown key \"projct\"; allowed here: project, protected, emulated, \
             impersonate_service_account, endpoint, endpoints, region, job, image, service_account, backend, database, \
             network, terraform_state | did you mean \"project\"?"
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

    #[test]
    fn what_is_missing_or_out_of_place_is_named() {
        assert_eq!(
            refused(&format!("{DEFAULTS}  staging: {{}}\n")),
            "environments.yaml: environment \"staging\": the key \"project\" is missing"
        );
        assert_eq!(
            refused("environments:\n  staging: { project: quill-medical-staging, region: r1 }\n"),
            "environments.yaml: environment \"staging\": the key \"job\" is missing, here and in defaults"
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
        assert_eq!(error.hints, ["did you mean --env staging?"]);
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
