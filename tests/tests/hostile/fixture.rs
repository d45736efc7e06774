//! The fixture: a cloud with a database of many users, and the checks after a command.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use cloud_emulator::{Emulator, Fault};
use quill_admin_e2e::{JOB, World};
use quill_admin_testkit::home::Output;
use quill_admin_testkit::postgres::{Database, Generation};
use serde_json::Value;

/// Time limit, against hanging for ever.
pub(crate) const LIMIT: Duration = Duration::from_mins(4);

/// A command that is run with a number of its own, which identifies its user and its executions.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    CreateSuperadmin,
    UpdatePermissions,
    AddRole,
    RemoveRole,
    ShowUser,
    Check,
}

/// The ending of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    Done,
    NotStarted,
    Unknown,
}

pub(crate) struct Fixture {
    pub(crate) world: World,
}

impl Fixture {
    /// Makes the fixture with so many users, `user-0` and on: patients who are clinicians.
    pub(crate) fn new(users: usize) -> Self {
        let database = Database::create(Generation::August2026);
        database.execute(&format!(
            "INSERT INTO users (username, email, password_hash, is_active, is_totp_enabled, base_profession, \
             system_permissions, additional_competencies, removed_competencies, email_verified) \
             SELECT 'user-' || n, n || '@example.org', 'x', true, false, 'patient', 'patient', '[]', '[]', true \
             FROM generate_series(0, {users} - 1) n; \
             INSERT INTO user_role SELECT u.id, r.id FROM users u, roles r WHERE r.name = 'Patient'"
        ));
        // The quota has a fault of its own.
        let builder = Emulator::builder().host("127.0.0.1").log_reads_per_minute(1_000_000);
        Self { world: World::with_database_in(builder, database) }
    }

    pub(crate) fn run(&self, task: Task, number: usize, faults: Vec<Fault>) -> Output {
        self.world.emulator.set_faults(faults);
        let user = format!("user-{number}");
        let email = format!("new-{number}@example.org");
        let mut args = match task {
            Task::CreateSuperadmin => {
                vec!["create-superadmin", "-u", &user, "--email", &email, "--password-stdin"]
            }
            Task::UpdatePermissions => vec!["update-permissions", "-u", &user, "-p", "staff"],
            Task::AddRole => vec!["add-role", "-u", &user, "-r", "Clinician"],
            Task::RemoveRole => vec!["remove-role", "-u", &user, "-r", "Patient"],
            Task::ShowUser => vec!["show-user", "-u", &user],
            Task::Check => vec!["check"],
        };
        let reason = reason(number);
        args.extend(["-e", "staging", "--json", "--reason", &reason]);
        self.world.quill_admin(args).stdin("correct horse battery 7").limit(LIMIT).output()
    }

    /// The state of a user in the database.
    fn state(&self, number: usize) -> String {
        let rows = self.world.database().rows(&format!(
            "SELECT u.email, u.system_permissions, u.base_profession, (SELECT string_agg(r.name, '+' ORDER BY \
             r.name) FROM user_role ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = u.id) FROM users u \
             WHERE u.username = 'user-{number}'"
        ));
        let fields = rows.into_iter().flatten().map(Option::unwrap_or_default);
        fields.collect::<Vec<_>>().join(" ")
    }

    /// Asserts that the report is true, and that nothing was done twice or in part.
    pub(crate) fn judge(&self, task: Task, number: usize, output: &Output, about: &str) -> Ending {
        let executions = self.executions(number);
        let untouched = format!("{number}@example.org patient patient Patient");
        let done = match task {
            Task::CreateSuperadmin => {
                format!("new-{number}@example.org superadmin consultant Patient+System Administrator")
            }
            Task::UpdatePermissions => untouched.replacen("patient", "staff", 1),
            Task::AddRole => untouched.replace("Patient", "Clinician+Patient"),
            Task::RemoveRole => untouched.replace("Patient", ""),
            Task::ShowUser | Task::Check => untouched.clone(),
        };
        let about = format!("{about}, {task:?} {number}:\n{executions:#?}\n{output}");
        assert!(executions.len() <= 1, "started twice: {about}");
        let expected = if executions.is_empty() { untouched } else { done };
        assert_eq!(self.state(number), expected, "{about}");
        let document = output.json();
        assert_eq!(document["exit_code"], output.code(), "{about}");
        match output.code() {
            0 => {
                let execution = executions.first().unwrap_or_else(|| panic!("lost: {about}"));
                assert_eq!(document["execution"], execution.as_str(), "{about}");
                assert!(document["result"]["outcome"].is_object(), "{about}");
                Ending::Done
            }
            20..=23 => {
                assert_eq!(executions, Vec::<String>::new(), "started after all: {about}");
                Ending::NotStarted
            }
            // The start was refused because of a quota: nothing ran, and the message says so.
            24 => {
                assert_eq!(executions, Vec::<String>::new(), "started after all: {about}");
                let message = document["error"]["messages"][0].as_str().unwrap_or_default();
                assert!(message.contains("nothing was started"), "{about}");
                assert_ne!(document["error"]["hints"][0], Value::Null, "{about}");
                Ending::NotStarted
            }
            27 => {
                let message = document["error"]["messages"][0].as_str().unwrap_or_default();
                let told = [
                    "the task may or may not have been started",
                    "the task may still be running",
                    "its proven result has arrived",
                ];
                assert!(told.iter().any(|told| message.contains(told)), "{about}");
                assert_ne!(document["error"]["hints"][0], Value::Null, "{about}");
                Ending::Unknown
            }
            _ => panic!("an ending that says something else: {about}"),
        }
    }

    /// The ids of the executions that a run has made.
    fn executions(&self, number: usize) -> Vec<String> {
        let reason = reason(number);
        let own = |execution: &Value| {
            let env = execution["template"]["containers"][0]["env"].as_array().cloned().unwrap_or_default();
            env.iter()
                .any(|variable| variable["name"] == "ADMIN_REASON" && variable["value"] == reason.as_str())
        };
        let executions = self.world.emulator.executions(JOB);
        let names = executions.iter().filter(|execution| own(execution)).map(|one| &one["name"]);
        names.filter_map(|name| Some(name.as_str()?.rsplit('/').next()?.to_owned())).collect()
    }
}

fn reason(number: usize) -> String {
    format!("run {number}")
}

/// Distributes the work over several threads, each with a fixture of its own; returns the results.
pub(crate) fn everywhere<W: Send, T: Send>(
    threads: usize,
    work: Vec<W>,
    some: impl Fn(&mut dyn Iterator<Item = W>) -> Vec<T> + Sync,
) -> Vec<T> {
    let work = Mutex::new(work.into_iter());
    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| some(&mut std::iter::from_fn(next)))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("its own assertions hold")).collect()
    })
}

/// The number of times of each ending.
pub(crate) fn counted(endings: impl IntoIterator<Item = Ending>) -> BTreeMap<Ending, usize> {
    let mut counts = BTreeMap::new();
    for ending in endings {
        *counts.entry(ending).or_insert(0) += 1;
    }
    counts
}
