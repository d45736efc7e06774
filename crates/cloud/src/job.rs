//! A Cloud Run job as it was read: its settings, and the comparison of two readings, which tells whether they
//! would run the same.
//!
//! To add a setting of jobs: `settings` here, and the places that `settings.rs` names. To compare another field of
//! two readings: `changes`.

use std::collections::BTreeSet;
use std::fmt;

use google_cloud_run_v2::model;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::volume::VolumeType;
use google_cloud_run_v2::model::vpc_access::VpcEgress;
use google_cloud_run_v2::model::{Container, EnvVar, ExecutionTemplate, TaskTemplate};

use crate::model::Readiness;
use crate::settings::{Difference, Egress, EnvValue, JobSettings, SecretRef};

/// A Cloud Run job as it was read, with all fields that have to be sent back to change it.
///
/// An existing job has no other type. A job that is to be made or changed is described by [`JobSettings`]:
/// the settings that this program knows, without those that only Google Cloud gives.
#[derive(Clone)]
pub struct Job {
    /// The settings that matter for admin tasks.
    pub settings: JobSettings,
    /// The version of the job; sent along with a run or a change, so that a job changed in between is
    /// refused.
    pub etag: String,
    /// Number of executions that the job has had.
    pub executions: i32,
    /// Whether the job can run.
    pub readiness: Readiness,
    /// The account and the tool that changed the job last.
    pub changed: LastChange,
    pub(crate) raw: Box<model::Job>,
}

/// The last change of a job, as far as Cloud Run tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastChange {
    /// The account (`lastModifier`); empty where Cloud Run does not say.
    pub account: String,
    /// The tool, as it names itself: `gcloud`, `terraform`, `quill-admin`. A tool that gives no name leaves
    /// the previous one in place, so this is a hint and no proof. Empty where no tool has given one.
    pub tool: String,
    /// The tool's version, as it says.
    pub version: String,
}

/// Leaves variables out: they may hold a secret in clear.
impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { settings, etag, executions, readiness, changed, raw: _ } = self;
        f.debug_struct("Job")
            .field("settings", settings)
            .field("etag", etag)
            .field("executions", executions)
            .field("readiness", readiness)
            .field("changed", changed)
            .finish_non_exhaustive()
    }
}

impl Job {
    pub(crate) fn new(raw: model::Job) -> Self {
        Self {
            settings: settings(&raw),
            etag: raw.etag.clone(),
            executions: raw.execution_count,
            readiness: readiness(&raw),
            changed: LastChange::of(&raw),
            raw: Box::new(raw),
        }
    }

    /// The secrets that Cloud Run gives to the containers of the job: in variables of each of them, and in volumes.
    /// A volume that names no version has the newest (`SecretVolumeSource.items`).
    #[must_use]
    pub fn secrets(&self) -> BTreeSet<SecretRef> {
        let own = own_project(&self.raw);
        let task = self.raw.template.as_ref().and_then(|execution| execution.template.as_ref());
        let containers = task.map(|task| task.containers.as_slice()).unwrap_or_default();
        let variables = containers.iter().flat_map(|container| &container.env);
        let mut secrets: BTreeSet<SecretRef> = variables
            .filter_map(|variable| match value(variable, own) {
                EnvValue::Secret(secret) => Some(secret),
                EnvValue::Text(_) => None,
            })
            .collect();
        for volume in task.map(|task| task.volumes.as_slice()).unwrap_or_default() {
            let Some(VolumeType::Secret(volume)) = &volume.volume_type else { continue };
            let of = |version: &str| SecretRef::read(&volume.secret, version, own);
            if volume.items.is_empty() {
                secrets.insert(of(LATEST));
            }
            let or_latest = |version: &str| if version.is_empty() { of(LATEST) } else { of(version) };
            secrets.extend(volume.items.iter().map(|item| or_latest(&item.version)));
        }
        secrets
    }

    /// The differences between this reading and `now` that change what an execution is made from
    /// (`ExecutionTemplate`, Cloud Run API v2), each under the name that people know. Values of variables are
    /// not shown. The list is empty if and only if the same would run: labels and annotations do not matter
    /// for that.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Difference> {
        changes(&template(&self.raw), &template(&now.raw))
    }
}

/// The version of a secret that is its newest one, whichever that is.
const LATEST: &str = "latest";

/// The annotations in which tools note their name and version by the API's first version, in which `gcloud` speaks
/// (Cloud Run Admin API v1, `ObjectMeta.annotations`). The second version, which is read here, has fields for both
/// and takes these annotations out; they are looked at all the same, in case one comes through.
const CLIENT: [&str; 2] = ["run.googleapis.com/client-name", "run.googleapis.com/client-version"];

impl LastChange {
    fn of(job: &model::Job) -> Self {
        let said = |field: &str, note: &str| {
            let noted = || job.annotations.get(note).map(String::as_str).unwrap_or_default();
            if field.is_empty() { noted() } else { field }.to_owned()
        };
        Self {
            account: job.last_modifier.clone(),
            tool: said(&job.client, CLIENT[0]),
            version: said(&job.client_version, CLIENT[1]),
        }
    }
}

/// Whether a job can run. While Cloud Run works on a change, the condition is still that of the job before; after a
/// change that failed, the generation stays behind for good (Cloud Run API v2, `Job.reconciling`).
fn readiness(job: &model::Job) -> Readiness {
    match Readiness::of(job.terminal_condition.as_ref()) {
        _ if job.reconciling => Readiness::Pending,
        Readiness::Ready if job.observed_generation < job.generation => Readiness::Pending,
        readiness => readiness,
    }
}

/// The template of executions, without labels and annotations.
fn template(job: &model::Job) -> ExecutionTemplate {
    let mut template = job.template.clone().unwrap_or_default();
    template.labels.clear();
    template.annotations.clear();
    template
}

fn changes(before: &ExecutionTemplate, now: &ExecutionTemplate) -> Vec<Difference> {
    if before == now {
        return Vec::new();
    }
    let mut changes = Changes(Vec::new());
    changes.shown("tasks", &before.task_count, &now.task_count);
    changes.shown("parallelism", &before.parallelism, &now.parallelism);
    let default = TaskTemplate::default();
    let before = before.template.as_ref().unwrap_or(&default);
    let now = now.template.as_ref().unwrap_or(&default);
    changes.tasks(before, now);
    if changes.0.is_empty() {
        changes.unshown("other settings");
    }
    changes.0
}

/// Collects differences.
struct Changes(Vec<Difference>);

impl Changes {
    fn tasks(&mut self, before: &TaskTemplate, now: &TaskTemplate) {
        let none = Container::default();
        for index in 0..before.containers.len().max(now.containers.len()) {
            let before = before.containers.get(index).unwrap_or(&none);
            let now = now.containers.get(index).unwrap_or(&none);
            self.container(before, now);
        }
        let retries = |task: &TaskTemplate| task.max_retries().copied().unwrap_or(0);
        self.shown("max retries", &retries(before), &retries(now));
        let seconds = |task: &TaskTemplate| task.timeout.map_or(0, |timeout| timeout.seconds());
        self.shown("time-out in seconds", &seconds(before), &seconds(now));
        self.shown("service account", &before.service_account, &now.service_account);
        self.compared("time-out", &before.timeout, &now.timeout);
        self.compared("volumes", &before.volumes, &now.volumes);
        self.compared("network", &before.vpc_access, &now.vpc_access);
        self.compared("execution environment", &before.execution_environment, &now.execution_environment);
        self.shown("encryption key", &before.encryption_key, &now.encryption_key);
    }

    fn container(&mut self, before: &Container, now: &Container) {
        self.shown("image", &before.image, &now.image);
        // Commands and arguments may hold a secret in clear.
        self.compared("command", &before.command, &now.command);
        self.compared("arguments", &before.args, &now.args);
        self.compared("volume mounts", &before.volume_mounts, &now.volume_mounts);
        self.compared("resources", &before.resources, &now.resources);
        self.shown("working directory", &before.working_dir, &now.working_dir);
        let mut names: Vec<&str> =
            before.env.iter().chain(&now.env).map(|variable| variable.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let find = |env: &[EnvVar]| -> Vec<EnvVar> {
                env.iter().filter(|variable| variable.name == name).cloned().collect()
            };
            let (before, now) = (find(&before.env), find(&now.env));
            if before != now {
                self.variable(name, before.last(), now.last());
            }
        }
        self.compared(
            "order of the variables",
            &before.env.iter().map(|variable| &variable.name).collect::<Vec<_>>(),
            &now.env.iter().map(|variable| &variable.name).collect::<Vec<_>>(),
        );
    }

    /// Compares a variable. A reference to a secret may be shown; a text may be a secret itself.
    fn variable(&mut self, name: &str, before: Option<&EnvVar>, now: Option<&EnvVar>) {
        let told = |variable: &EnvVar| match value(variable, "") {
            EnvValue::Text(_) => "a text".to_owned(),
            secret @ EnvValue::Secret(_) => secret.to_string(),
        };
        let (from, to) = (before.map(told), now.map_or_else(|| "not set".to_owned(), told));
        let to = if from.as_ref() == Some(&to) { "another".to_owned() } else { to };
        self.0.push(Difference { setting: format!("variable {name}"), from, to });
    }

    fn shown<T: PartialEq + ToString>(&mut self, setting: &str, before: &T, now: &T) {
        if before != now {
            let from = Some(before.to_string()).filter(|from| !from.is_empty());
            self.0.push(Difference { setting: setting.to_owned(), from, to: now.to_string() });
        }
    }

    fn compared<T: PartialEq>(&mut self, setting: &str, before: &T, now: &T) {
        // A setting that was listed already is not listed again.
        if before != now && !self.0.iter().any(|known| known.setting.starts_with(setting)) {
            self.unshown(setting);
        }
    }

    fn unshown(&mut self, setting: &str) {
        self.0.push(Difference { setting: setting.to_owned(), from: None, to: String::new() });
    }
}

fn settings(job: &model::Job) -> JobSettings {
    let execution = job.template.as_ref();
    let task = execution.and_then(|execution| execution.template.as_ref());
    let container = task.and_then(|task| task.containers.first());
    let vpc = task.and_then(|task| task.vpc_access.as_ref());
    let env = container.map(|container| container.env.as_slice()).unwrap_or_default();
    let mut annotations: Vec<_> = job.annotations.clone().into_iter().collect();
    annotations.sort();
    JobSettings {
        image: container.map(|container| container.image.clone()).unwrap_or_default(),
        command: container.map(|container| container.command.clone()).unwrap_or_default(),
        args: container.map(|container| container.args.clone()).unwrap_or_default(),
        env: env.iter().map(|variable| (variable.name.clone(), value(variable, own_project(job)))).collect(),
        service_account: task.map(|task| task.service_account.clone()).filter(|account| !account.is_empty()),
        connector: vpc.map(|vpc| short(&vpc.connector)).filter(|connector| !connector.is_empty()),
        egress: vpc.and_then(|vpc| match vpc.egress {
            VpcEgress::PrivateRangesOnly => Some(Egress::PrivateRangesOnly),
            VpcEgress::AllTraffic => Some(Egress::AllTraffic),
            _ => None,
        }),
        // In answers of the API a missing value means 0; only in requests does it mean 3.
        max_retries: task.and_then(TaskTemplate::max_retries).copied().unwrap_or(0),
        timeout: task.and_then(|task| task.timeout.as_ref()).map_or(0, google_cloud_wkt::Duration::seconds),
        tasks: execution.map_or(0, |execution| execution.task_count),
        annotations,
    }
}

/// The value of a variable of a job in the project `own`.
fn value(variable: &EnvVar, own: &str) -> EnvValue {
    match &variable.values {
        Some(Values::ValueSource(source)) => {
            let secret = source.secret_key_ref.as_ref();
            let (name, version) =
                secret.map_or(("", ""), |secret| (secret.secret.as_str(), secret.version.as_str()));
            EnvValue::Secret(SecretRef::read(name, version, own))
        }
        Some(Values::Value(text)) => EnvValue::Text(text.clone()),
        _ => EnvValue::Text(String::new()),
    }
}

/// The project in a job's name.
fn own_project(job: &model::Job) -> &str {
    job.name.strip_prefix("projects/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
}

/// The last part of a resource's name; the API takes and gives both long and short forms.
pub(crate) fn short(name: &str) -> String {
    name.rsplit('/').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use google_cloud_run_v2::model::condition::State;
    use google_cloud_run_v2::model::task_template::Retries;
    use google_cloud_run_v2::model::vpc_access::VpcEgress;
    use google_cloud_run_v2::model::{
        Condition, EnvVarSource, SecretKeySelector, SecretVolumeSource, VersionToPath, Volume, VpcAccess,
    };

    use super::*;

    fn job(change: impl FnOnce(&mut ExecutionTemplate)) -> Job {
        let container = Container::new()
            .set_image("r.example/admin@sha256:1")
            .set_command(["/executor"])
            .set_env([EnvVar::new().set_name("AUTH_DB_HOST").set_value("10.0.0.3")]);
        let task = TaskTemplate::new().set_containers([container]).set_service_account("admin@p.example");
        let mut template = ExecutionTemplate::new().set_task_count(1).set_template(task);
        change(&mut template);
        Job::new(model::Job::new().set_template(template))
    }

    fn task(template: &mut ExecutionTemplate) -> &mut TaskTemplate {
        template.template.as_mut().expect("there")
    }

    #[test]
    fn each_part_that_would_run_differently_is_a_change() {
        type Change = fn(&mut ExecutionTemplate);
        let before = job(|_| {});
        let cases: [(&str, Change); 12] = [
            ("tasks", |t| t.task_count = 3),
            ("parallelism", |t| t.parallelism = 2),
            ("image", |t| task(t).containers[0].image = "other".to_owned()),
            ("command", |t| task(t).containers[0].command.clear()),
            ("command", |t| task(t).containers[0].command = vec!["/executor".to_owned(), String::new()]),
            ("arguments", |t| task(t).containers[0].args.push("x".to_owned())),
            ("service account", |t| task(t).service_account.clear()),
            ("max retries", |t| task(t).retries = Some(Retries::MaxRetries(2))),
            ("variable AUTH_DB_HOST", |t| {
                task(t).containers[0].env[0].values = Some(Values::Value("10.9.9.9".to_owned()));
            }),
            ("variable AUTH_DB_SSLMODE", |t| {
                task(t).containers[0]
                    .env
                    .push(EnvVar::new().set_name("AUTH_DB_SSLMODE").set_value("disable"));
            }),
            ("network", |t| {
                task(t).vpc_access = Some(VpcAccess::new().set_egress(VpcEgress::AllTraffic));
            }),
            ("volumes", |t| task(t).volumes.push(Volume::new().set_name("v"))),
        ];
        for (part, change) in cases {
            let changes = before.changes(&job(change));
            assert!(changes.iter().any(|change| change.setting == part), "{part}: {changes:?}");
            let text = format!("{changes:?}");
            assert!(!text.contains("10.9.9.9") && !text.contains("10.0.0.3"), "{text}");
        }
        let unnamed = job(|t| task(t).gpu_zonal_redundancy_disabled = Some(true));
        assert_eq!(before.changes(&unnamed)[0].setting, "other settings");
    }

    #[test]
    fn the_tool_is_known_by_the_field_or_by_the_note() {
        let of = |job: model::Job| Job::new(job).changed;
        let job = || model::Job::new().set_last_modifier("ci@p.example");
        let by_field = of(job().set_client("gcloud").set_client_version("528.0.0"));
        assert_eq!((by_field.account.as_str(), by_field.tool.as_str()), ("ci@p.example", "gcloud"));
        assert_eq!(by_field.version, "528.0.0");
        assert_eq!(of(job().set_annotations([(CLIENT[0], "gcloud")])).tool, "gcloud");
        assert_eq!(
            of(job().set_client("terraform").set_annotations([(CLIENT[0], "gcloud")])).tool,
            "terraform"
        );
        assert_eq!(of(job()).tool, "");
    }

    #[test]
    fn a_job_is_ready_once_its_last_change_is_carried_out() {
        let of = |state: Option<State>, reconciling, observed| {
            let condition = state.map(|state| Condition::new().set_state(state).set_message("no image"));
            let job = model::Job::new().set_reconciling(reconciling).set_generation(2);
            let job = job.set_observed_generation(observed).set_or_clear_terminal_condition(condition);
            Job::new(job).readiness
        };
        let (good, bad) = (Some(State::ConditionSucceeded), Some(State::ConditionFailed));
        let failed = Readiness::Failed { reason: "no image".to_owned() };
        assert_eq!(of(good.clone(), false, 2), Readiness::Ready);
        assert_eq!(of(good.clone(), true, 2), Readiness::Pending);
        assert_eq!(of(good, false, 1), Readiness::Pending);
        assert_eq!(of(bad.clone(), true, 1), Readiness::Pending);
        assert_eq!(of(bad.clone(), false, 1), failed);
        assert_eq!(of(bad, false, 2), failed);
        assert_eq!(of(None, false, 2), Readiness::Pending, "nothing says that it is ready");
    }

    #[test]
    fn secrets_are_found_in_every_container_and_in_volumes() {
        let secret = |name: &str, version: &str| {
            let selector = SecretKeySelector::new().set_secret(name).set_version(version);
            EnvVar::new().set_name(name).set_value_source(EnvVarSource::new().set_secret_key_ref(selector))
        };
        let volume = |secret: SecretVolumeSource| Volume::new().set_name("v").set_secret(secret);
        let of = |name: &str| SecretVolumeSource::new().set_secret(name);
        let mut job = job(|t| {
            let task = task(t);
            task.containers[0].env.push(secret("password", "latest"));
            task.containers.push(Container::new().set_env([secret("beside", "3")]));
            let items = [VersionToPath::new().set_path("ca.pem").set_version("2")];
            task.volumes =
                vec![volume(of("ca").set_items(items)), volume(of("projects/quill-other/secrets/all"))];
        });
        job.raw.name = "projects/quill-own/locations/r/jobs/j".to_owned();
        let found: Vec<String> = job.secrets().iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "secret beside, version 3",
                "secret ca, version 2",
                "secret password, version latest",
                "secret projects/quill-other/secrets/all, version latest",
            ]
        );
    }

    #[test]
    fn notes_are_no_change() {
        let noted = job(|t| {
            t.annotations.insert("a".to_owned(), "b".to_owned());
            t.labels.insert("a".to_owned(), "b".to_owned());
        });
        assert_eq!(job(|_| {}).changes(&noted), []);
    }
}
