//! The settings of a job that matter for running admin tasks, and their differences from the wanted ones.
//!
//! To add a setting: its field in [`JobSettings`] and its comparison in [`JobSettings::differences`]; `settings` in
//! `job.rs` reads it, `apply` in `google/deploy.rs` writes it, and `wanted` in `admin_image/plan.rs` of the crate
//! `operations` says what it has to be.

use std::fmt;

/// The part of the container's traffic that goes into the VPC network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Egress {
    /// Only traffic to private addresses.
    PrivateRangesOnly,
    /// All traffic.
    AllTraffic,
}

impl Egress {
    /// The value as it is written in `environments.yaml` and by gcloud.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateRangesOnly => "private-ranges-only",
            Self::AllTraffic => "all-traffic",
        }
    }
}

/// The value of a variable of the container.
#[derive(Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// Text, which everybody who may read the job can see.
    Text(String),
    /// A version of a secret.
    Secret(SecretRef),
}

/// A version of a secret, as a job refers to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretRef {
    /// The project of the secret.
    pub project: SecretProject,
    /// The secret's id.
    pub secret: String,
    /// `latest`, or a number.
    pub version: String,
}

/// The project of a secret that a job refers to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretProject {
    /// The job's own.
    Own,
    /// Another one, by its id or its number.
    Other(String),
    /// A project by its number: it is not known whether that is the job's own.
    Number(String),
}

impl SecretRef {
    /// A version of a secret of the job's own project.
    #[must_use]
    pub fn own(secret: &str, version: &str) -> Self {
        Self { project: SecretProject::Own, secret: secret.to_owned(), version: version.to_owned() }
    }

    /// Reads the name that a job in the project `own` gives: `ID`, or `projects/PROJECT/secrets/ID`, where the
    /// project is an id or a number (Cloud Run API v2, `SecretKeySelector.secret`).
    pub(crate) fn read(name: &str, version: &str, own: &str) -> Self {
        let parts = name.strip_prefix("projects/").and_then(|rest| rest.split_once("/secrets/"));
        let (project, secret) = match parts {
            None => (SecretProject::Own, name),
            Some((project, secret)) if project == own => (SecretProject::Own, secret),
            Some((project, secret)) if project.bytes().all(|byte| byte.is_ascii_digit()) => {
                (SecretProject::Number(project.to_owned()), secret)
            }
            Some((project, secret)) => (SecretProject::Other(project.to_owned()), secret),
        };
        Self { project, secret: secret.to_owned(), version: version.to_owned() }
    }

    /// The secret, as a job names it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.project {
            SecretProject::Own => self.secret.clone(),
            SecretProject::Other(project) | SecretProject::Number(project) => {
                format!("projects/{project}/secrets/{}", self.secret)
            }
        }
    }

    /// Whether this is the wanted secret, as far as is known.
    fn agrees(&self, wanted: &Self) -> bool {
        let same = self.project == wanted.project
            || matches!((&self.project, &wanted.project), (SecretProject::Number(_), SecretProject::Own));
        same && self.secret == wanted.secret && self.version == wanted.version
    }
}

impl EnvValue {
    /// Whether this is the wanted value, as far as is known: a project that is named by its number may be the
    /// job's own.
    #[must_use]
    pub fn agrees(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Secret(own), Self::Secret(wanted)) => own.agrees(wanted),
            (own, wanted) => own == wanted,
        }
    }
}

impl std::fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvValue").finish_non_exhaustive()
    }
}

/// The settings of a job that runs admin tasks: either those of a [`Job`](crate::Job) that was read, or the
/// wanted ones.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct JobSettings {
    /// The container's image.
    pub image: String,
    /// The command that the container is started with in place of the image's own entry point.
    pub command: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its variables.
    pub env: Vec<(String, EnvValue)>,
    /// The account it runs as. `None` in wanted settings: no change.
    pub service_account: Option<String>,
    /// The connector to the VPC network, by its short name. `None` in wanted settings: no change.
    pub connector: Option<String>,
    /// See [`Egress`]. `None` in wanted settings: no change.
    pub egress: Option<Egress>,
    /// Number of times that a failed task is run again.
    pub max_retries: i32,
    /// Time limit of a task, in seconds.
    pub timeout: i64,
    /// Number of tasks of an execution.
    pub tasks: i32,
    /// Annotations of the job, for tools: its image, and the contract versions and actions of that.
    pub annotations: Vec<(String, String)>,
}

/// One setting that differs from the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name of the setting.
    pub setting: String,
    /// The present value; `None` if the setting is missing.
    pub from: Option<String>,
    /// The wanted value.
    pub to: String,
}

impl fmt::Display for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Secret(secret) => secret.fmt(f),
        }
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "secret {}, version {}", self.name(), self.version)
    }
}

/// Leaves the values of commands, arguments and variables out: they may hold a secret in clear.
impl fmt::Debug for JobSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSettings")
            .field("image", &self.image)
            .field("max_retries", &self.max_retries)
            .field("annotations", &self.annotations)
            .finish_non_exhaustive()
    }
}

impl JobSettings {
    /// The annotation of this name, where there is one.
    #[must_use]
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The value of a variable, where it is set.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&EnvValue> {
        self.env.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Replaces the number of the job's own project, where a secret has it. Other numbers are of other projects.
    pub(crate) fn know_number(&mut self, number: &str) {
        for (_, value) in &mut self.env {
            if let EnvValue::Secret(SecretRef { project, .. }) = value
                && let SecretProject::Number(named) = project
            {
                *project =
                    if named == number { SecretProject::Own } else { SecretProject::Other(named.clone()) };
            }
        }
    }

    /// Whether a secret's project is only known by its number.
    pub(crate) fn has_numbers(&self) -> bool {
        let number = |value: &EnvValue| {
            matches!(value, EnvValue::Secret(SecretRef { project: SecretProject::Number(_), .. }))
        };
        self.env.iter().any(|(_, value)| number(value))
    }

    /// The settings of `self` that differ from `wanted`, in a fixed order. Variables and annotations that
    /// `wanted` does not name are ignored, and their values are never shown.
    #[must_use]
    pub fn differences(&self, wanted: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let mut compare = |setting: &str, from: Option<String>, to: String| {
            if from.as_ref() != Some(&to) {
                let from = from.filter(|from| !from.is_empty());
                found.push(Difference { setting: setting.to_owned(), from, to });
            }
        };
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        compare("image", some(&self.image), wanted.image.clone());
        let words = |words: &[String]| words.join(" ");
        compare("command", Some(words(&self.command)), words(&wanted.command));
        compare("arguments", Some(words(&self.args)), words(&wanted.args));
        compare("tasks", Some(self.tasks.to_string()), wanted.tasks.to_string());
        compare("max retries", Some(self.max_retries.to_string()), wanted.max_retries.to_string());
        compare("time-out", Some(format!("{} s", self.timeout)), format!("{} s", wanted.timeout));
        if let Some(account) = &wanted.service_account {
            compare("service account", self.service_account.clone(), account.clone());
        }
        if let Some(connector) = &wanted.connector {
            compare("VPC connector", self.connector.clone(), connector.clone());
        }
        if let Some(egress) = wanted.egress {
            let own = self.egress.map(|egress| egress.as_str().to_owned());
            compare("VPC egress", own, egress.as_str().to_owned());
        }
        for (name, value) in &wanted.env {
            let own = self.variable(name);
            if own.is_some_and(|own| own.agrees(value)) {
                continue;
            }
            let from = own.map(|own| match (own, value) {
                // A password in the job's own settings is not shown again.
                (EnvValue::Text(_), EnvValue::Secret(_)) => "plain text".to_owned(),
                (own, _) => own.to_string(),
            });
            compare(name, from, value.to_string());
        }
        for (name, value) in &wanted.annotations {
            let own = self.annotation(name).map(str::to_owned);
            compare(&format!("annotation {name}"), own, value.clone());
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> JobSettings {
        JobSettings {
            image: "r.example/admin@sha256:1".to_owned(),
            env: vec![
                ("AUTH_DB_SSLMODE".to_owned(), EnvValue::Text("require".to_owned())),
                (
                    "AUTH_DB_PASSWORD".to_owned(),
                    EnvValue::Secret(SecretRef::own("auth-db-password", "latest")),
                ),
            ],
            connector: Some("cx".to_owned()),
            egress: Some(Egress::PrivateRangesOnly),
            timeout: 300,
            tasks: 1,
            ..JobSettings::default()
        }
    }

    #[test]
    fn what_is_as_wanted_has_no_differences() {
        let mut own = wanted();
        own.service_account = Some("whoever".to_owned());
        own.env.push(("OTHER".to_owned(), EnvValue::Text("value".to_owned())));
        assert_eq!(own.differences(&wanted()), []);
    }

    #[test]
    fn a_secret_of_another_project_is_another_secret() {
        let difference = |name: &str, number: Option<&str>| {
            let mut own = wanted();
            own.env[1].1 = EnvValue::Secret(SecretRef::read(name, "latest", "quill-own"));
            if let Some(number) = number {
                own.know_number(number);
            }
            own.differences(&wanted()).into_iter().next().and_then(|one| one.from)
        };
        let told = |project: &str| {
            Some(format!("secret projects/{project}/secrets/auth-db-password, version latest"))
        };
        assert_eq!(difference("auth-db-password", None), None);
        assert_eq!(difference("projects/quill-own/secrets/auth-db-password", None), None);
        assert_eq!(difference("projects/quill-else/secrets/auth-db-password", None), told("quill-else"));
        // The number may be that of the same project.
        assert_eq!(difference("projects/123/secrets/auth-db-password", None), None);
        assert_eq!(difference("projects/123/secrets/auth-db-password", Some("123")), None);
        assert_eq!(difference("projects/123/secrets/auth-db-password", Some("456")), told("123"));
    }

    #[test]
    fn each_difference_is_named_and_no_password_shown() {
        let mut own = wanted();
        own.max_retries = 3;
        own.command = vec!["python".to_owned(), "admin_cli.py".to_owned()];
        own.env = vec![("AUTH_DB_PASSWORD".to_owned(), EnvValue::Text("hunter2".to_owned()))];
        own.egress = None;
        let differences = own.differences(&wanted());
        let texts: Vec<String> = differences
            .iter()
            .map(|one| format!("{}: {} -> {}", one.setting, one.from.as_deref().unwrap_or("-"), one.to))
            .collect();
        assert_eq!(
            texts,
            [
                "command: python admin_cli.py -> ",
                "max retries: 3 -> 0",
                "VPC egress: - -> private-ranges-only",
                "AUTH_DB_SSLMODE: - -> require",
                "AUTH_DB_PASSWORD: plain text -> secret auth-db-password, version latest",
            ]
        );
    }
}
