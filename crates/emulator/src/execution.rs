//! The life of an execution: provisioning, tasks, attempts, its end.
//!
//! Sources: the guides "Create jobs", "Execute jobs", "Set task timeout" and "Container runtime contract" of Cloud
//! Run, the API definition, and messages people quote from real executions.
//!
//! To give containers another setting or variable: `plan`. To change the end of an execution or a task: `finish`,
//! `end_task` and `attempt_result`, with the words that Cloud Run has for it.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::logs::Output;
use crate::names::{Execution, short_name};
use crate::resource::{add, items, remove, set_condition, text, touch};
use crate::runner::{Container, Exit, NotStarted};
use crate::schema;
use crate::script::Script;
use crate::secrets::NoValue;
use crate::stop::Stop;
use crate::store::{Saved, State};

const CONTAINER_ERROR: &str = "The container exited with an error.";
const TIMED_OUT: &str = "The configured timeout was reached.";

/// The longest time that a container waits for live logs that are being opened. A real container takes seconds to
/// start, in which they are opened.
const LOGS_OPEN_WITHIN: Duration = Duration::from_secs(1);

/// `google.rpc.Code` values.
const CANCELLED: i32 = 1;
const DEADLINE_EXCEEDED: i32 = 4;
pub(crate) const ABORTED: i32 = 10;

/// The end of a task.
enum TaskEnd {
    Succeeded,
    /// With the message of the execution's condition.
    Failed(String),
    Cancelled,
    NotStarted(NotStarted),
}

/// Starts following an execution that is already in the state, in the background.
pub(crate) fn start(cloud: &Arc<Cloud>, execution: Execution, stop: Stop) {
    let driver = Driver { cloud: Arc::clone(cloud), name: execution.to_string(), execution, stop };
    cloud.tasks.spawn(driver.drive());
}

struct Driver {
    cloud: Arc<Cloud>,
    execution: Execution,
    name: String,
    stop: Stop,
}

impl Driver {
    async fn drive(self) {
        let provisioned = async {
            // Whoever has asked for the live log before the run sees the first line in it.
            let logs_open = tokio::time::timeout(LOGS_OPEN_WITHIN, self.cloud.opening.wait());
            let _ = tokio::join!(logs_open, tokio::time::sleep(self.cloud.options.provisioning_delay));
        };
        tokio::select! {
            () = provisioned => {}
            () = self.stop.terminate.cancelled() => {}
            () = self.stop.kill.cancelled() => {}
        }
        let ends = if self.stopped() {
            vec![TaskEnd::Cancelled]
        } else {
            match self.prepare().await {
                Ok(plan) => self.run_tasks(&plan).await,
                Err(reason) => vec![TaskEnd::NotStarted(reason)],
            }
        };
        self.finish(&ends);
    }

    fn stopped(&self) -> bool {
        self.stop.terminate.is_cancelled() || self.stop.kill.is_cancelled()
    }

    /// Makes the plan that all attempts of this execution share; an error is the reason why the execution never
    /// starts.
    async fn prepare(&self) -> Result<Plan, NotStarted> {
        let plan = self.cloud.store.read(|state| self.plan(state))?;
        self.cloud.runner.check(&plan.container).await?;
        Ok(plan)
    }

    fn plan(&self, state: &State) -> Result<Plan, NotStarted> {
        let Some(execution) = state.saved.executions.get(&self.name) else {
            return Err(NotStarted::internal("The execution was deleted.".to_owned()));
        };
        let template = &execution["template"];
        let containers = template["containers"].as_array();
        let Some([container]) = containers.map(Vec::as_slice) else {
            return Err(NotStarted::internal("The emulator runs tasks of exactly one container.".to_owned()));
        };
        let count = execution["taskCount"].as_u64().unwrap_or(1);
        let parallelism = execution["parallelism"].as_u64().unwrap_or(0);
        let mut env = Vec::new();
        for (index, variable) in items(&container["env"]).iter().enumerate() {
            let name = text(&variable["name"]);
            let value = match variable.get("valueSource") {
                Some(source) => self.secret(state, index, &source["secretKeyRef"])?,
                None => text(&variable["value"]),
            };
            env.push((name, value));
        }
        env.extend([
            ("CLOUD_RUN_JOB".to_owned(), self.execution.job.clone()),
            ("CLOUD_RUN_EXECUTION".to_owned(), self.execution.id.clone()),
            ("CLOUD_RUN_TASK_COUNT".to_owned(), count.to_string()),
        ]);
        Ok(Plan {
            container: Container {
                image: text(&container["image"]),
                command: items(&container["command"]).iter().map(text).collect(),
                args: items(&container["args"]).iter().map(text).collect(),
                env,
                working_dir: container["workingDir"].as_str().map(str::to_owned),
                name: String::new(),
                attempt: 0,
                script: self.script(state),
            },
            count: u32::try_from(count).unwrap_or(1),
            parallelism: usize::try_from(parallelism).unwrap_or(0),
            max_retries: template["maxRetries"]
                .as_u64()
                .and_then(|retries| u32::try_from(retries).ok())
                .unwrap_or(3),
            timeout: template["timeout"]
                .as_str()
                .and_then(schema::duration)
                .unwrap_or(Duration::from_mins(10)),
        })
    }

    fn script(&self, state: &State) -> Option<Script> {
        state.scripts.get(&self.execution.parent()).cloned()
    }

    /// A secret's value. Cloud Run takes a short name for a secret of the job's own project.
    fn secret(&self, state: &State, index: usize, key: &Value) -> Result<String, NotStarted> {
        let reference = text(&key["secret"]);
        let (project, name) = match reference.split('/').collect::<Vec<_>>()[..] {
            ["projects", project, "secrets", name] => (project.to_owned(), name.to_owned()),
            _ => (self.execution.project.clone(), reference.clone()),
        };
        let version = key["version"].as_str().unwrap_or("latest");
        let value = state.secrets.value(&project, &name, version);
        value.map(str::to_owned).map_err(|why| {
            let why = match why {
                NoValue::NotFound => {
                    format!("Secret projects/{project}/secrets/{name}/versions/{version} was not found")
                }
                NoValue::Unusable(number, state) => format!(
                    "Secret Version [projects/{project}/secrets/{name}/versions/{number}] is in {} state.",
                    state.name()
                ),
            };
            NotStarted {
                reason: "SECRETS_ACCESS_CHECK_FAILED".to_owned(),
                message: format!(
                    "template.template.containers[0].env[{index}].value_source.secret_key_ref: {why}"
                ),
            }
        })
    }

    async fn run_tasks(&self, plan: &Plan) -> Vec<TaskEnd> {
        let at_once = match plan.parallelism {
            0 => plan.count as usize,
            some => some,
        };
        stream::iter(0..plan.count)
            .map(|index| self.run_task(plan, index))
            .buffer_unordered(at_once.max(1))
            .collect()
            .await
    }

    async fn run_task(&self, plan: &Plan, index: u32) -> TaskEnd {
        let task = self.execution.task(index);
        for attempt in 0..=plan.max_retries {
            if self.stopped() {
                self.end_task(&task, &TaskEnd::Cancelled, None, false);
                return TaskEnd::Cancelled;
            }
            let output = Output {
                store: Arc::clone(&self.cloud.store),
                options: Arc::clone(&self.cloud.options),
                project: self.execution.project.clone(),
                location: self.execution.location.clone(),
                job: self.execution.job.clone(),
                execution: self.execution.id.clone(),
                task_index: index,
                attempt,
                instance: uuid::Uuid::new_v4().simple().to_string(),
            };
            self.begin_attempt(&task, attempt);
            let (end, result) = self.attempt(plan, &output).await;
            let last = match &end {
                TaskEnd::Failed(_) => attempt == plan.max_retries,
                _ => true,
            };
            if last {
                self.end_task(&task, &end, result, true);
                return end;
            }
            self.retry_task(&task, result);
        }
        // A loop of at least one round that always returns in its last one.
        TaskEnd::Cancelled
    }

    async fn attempt(&self, plan: &Plan, output: &Output) -> (TaskEnd, Option<Value>) {
        let mut container = plan.container.clone();
        container.attempt = output.attempt;
        container.name = format!("{}-task{}-{}", output.execution, output.task_index, output.attempt);
        for (name, value) in
            [("CLOUD_RUN_TASK_INDEX", output.task_index), ("CLOUD_RUN_TASK_ATTEMPT", output.attempt)]
        {
            container.env.push((name.to_owned(), value.to_string()));
        }
        let stop = self.stop.child();
        let grace = self.cloud.options.grace;
        let mut timed_out = false;
        let exit = {
            let run = self.cloud.runner.run(&container, output, &stop, grace);
            tokio::pin!(run);
            tokio::select! {
                exit = &mut run => exit,
                () = tokio::time::sleep(plan.timeout) => {
                    timed_out = true;
                    let said = !self.cloud.options.unsaid_time_outs;
                    said.then(|| output.system("ERROR", &format!(
                        "Terminating task because it has reached the maximum timeout of {} \
                         seconds. To change this limit, see \
                         https://cloud.google.com/run/docs/create-jobs#timeout",
                        plan.timeout.as_secs(),
                    )));
                    stop.terminate.cancel();
                    run.await
                }
            }
        };
        let exit = match exit {
            Ok(exit) => exit,
            Err(reason) => return (TaskEnd::NotStarted(reason), None),
        };
        match &exit {
            Exit::Code(code) => {
                let severity = if *code == 0 { "INFO" } else { "ERROR" };
                output.system(severity, &format!("Container called exit({code})."));
            }
            Exit::Signal(signal) => {
                output.system("ERROR", &format!("Container terminated on signal {signal}."));
            }
            Exit::Status(_, message) => output.system("ERROR", message),
        }
        let (end, code, message) = if self.stopped() && !timed_out && exit != Exit::Code(0) {
            (TaskEnd::Cancelled, CANCELLED, "The execution was cancelled.")
        } else if timed_out && !self.cloud.options.unsaid_time_outs {
            let message = self.task_failed(output.task_index, TIMED_OUT);
            (TaskEnd::Failed(message), DEADLINE_EXCEEDED, TIMED_OUT)
        } else if exit == Exit::Code(0) {
            (TaskEnd::Succeeded, 0, "")
        } else if let Exit::Status(code, message) = &exit {
            (TaskEnd::Failed(self.task_failed(output.task_index, message)), *code, message.as_str())
        } else {
            let message = self.task_failed(output.task_index, CONTAINER_ERROR);
            (TaskEnd::Failed(message), ABORTED, CONTAINER_ERROR)
        };
        (end, Some(attempt_result(&exit, code, message)))
    }

    fn task_failed(&self, index: u32, message: &str) -> String {
        let execution = &self.execution.id;
        format!("Task {execution}-task{index} failed with message: {message}")
    }

    fn begin_attempt(&self, task: &str, attempt: u32) {
        let now = Timestamp::now();
        self.cloud.store.change(|state| {
            if let Some(execution) = state.saved.executions.get_mut(&self.name) {
                if execution.get("startTime").is_none() {
                    mark_started(execution, now);
                }
                add(execution, "runningCount", 1);
                touch(execution, now);
            }
            if let Some(task) = state.saved.tasks.get_mut(task) {
                if attempt == 0 {
                    task["startTime"] = json!(now.to_string());
                    for condition in ["ContainerReady", "Started"] {
                        set_condition(task, condition, "CONDITION_SUCCEEDED", "", None);
                    }
                }
                touch(task, now);
            }
        });
    }

    fn retry_task(&self, task: &str, result: Option<Value>) {
        let now = Timestamp::now();
        self.cloud.store.change(|state| {
            let mut first = false;
            if let Some(task) = state.saved.tasks.get_mut(task) {
                first = task.get("retried").is_none();
                add(task, "retried", 1);
                if let Some(result) = result {
                    task["lastAttemptResult"] = result;
                }
                touch(task, now);
            }
            if let Some(execution) = state.saved.executions.get_mut(&self.name) {
                // The API counts tasks that retried, not retries.
                if first {
                    add(execution, "retriedCount", 1);
                }
                add(execution, "runningCount", -1);
                touch(execution, now);
            }
        });
    }

    fn end_task(&self, task: &str, end: &TaskEnd, result: Option<Value>, begun: bool) {
        let now = Timestamp::now();
        self.cloud.store.change(|state| {
            if let Some(task) = state.saved.tasks.get_mut(task) {
                if let Some(result) = result {
                    task["lastAttemptResult"] = result;
                }
                close_task(task, end, now);
            }
            if let Some(execution) = state.saved.executions.get_mut(&self.name) {
                if begun {
                    add(execution, "runningCount", -1);
                }
                match end {
                    TaskEnd::Succeeded => add(execution, "succeededCount", 1),
                    TaskEnd::Failed(_) => add(execution, "failedCount", 1),
                    // Counted at the end, with the tasks that never began.
                    TaskEnd::Cancelled | TaskEnd::NotStarted(_) => {}
                }
                touch(execution, now);
            }
        });
    }

    fn finish(&self, ends: &[TaskEnd]) {
        let now = Timestamp::now();
        let not_started = ends.iter().find_map(|end| match end {
            TaskEnd::NotStarted(reason) => Some(reason),
            _ => None,
        });
        let failed = ends.iter().find_map(|end| match end {
            TaskEnd::Failed(message) => Some(message),
            _ => None,
        });
        let cancelled = ends.iter().any(|end| matches!(end, TaskEnd::Cancelled));
        self.cloud.store.change(|state| {
            state.running.remove(&self.name);
            for index in 0.. {
                let Some(task) = state.saved.tasks.get_mut(&self.execution.task(index)) else {
                    break;
                };
                if task.get("completionTime").is_none() {
                    let end = match not_started {
                        Some(reason) => TaskEnd::NotStarted(reason.clone()),
                        None => TaskEnd::Cancelled,
                    };
                    close_task(task, &end, now);
                }
            }
            let Some(execution) = state.saved.executions.get_mut(&self.name) else {
                return;
            };
            let count = |field: &str| execution[field].as_i64().unwrap_or(0);
            let open = count("taskCount") - count("succeededCount") - count("failedCount");
            let status = if let Some(reason) = not_started {
                add(execution, "failedCount", open);
                remove(execution, "startTime");
                set_condition(execution, "Started", "CONDITION_FAILED", "", None);
                for condition in ["Completed", "ResourcesAvailable"] {
                    set_condition(
                        execution,
                        condition,
                        "CONDITION_FAILED",
                        &reason.message,
                        Some(("reason", &reason.reason)),
                    );
                }
                "EXECUTION_FAILED"
            } else if cancelled {
                add(execution, "cancelledCount", open);
                set_condition(
                    execution,
                    "Completed",
                    "CONDITION_FAILED",
                    "The execution was cancelled.",
                    Some(("executionReason", "CANCELLED")),
                );
                "EXECUTION_CANCELLED"
            } else if let Some(message) = failed {
                set_condition(
                    execution,
                    "Completed",
                    "CONDITION_FAILED",
                    message,
                    Some(("executionReason", "NON_ZERO_EXIT_CODE")),
                );
                "EXECUTION_FAILED"
            } else {
                let took = since_creation(execution, now);
                set_condition(
                    execution,
                    "Completed",
                    "CONDITION_SUCCEEDED",
                    &format!("Execution completed successfully in {took}."),
                    None,
                );
                "EXECUTION_SUCCEEDED"
            };
            execution["completionTime"] = json!(now.to_string());
            remove(execution, "reconciling");
            remove(execution, "runningCount");
            touch(execution, now);

            let short = short_name(&self.name);
            if let Some(job) = state.saved.jobs.get_mut(&self.execution.parent())
                && job["latestCreatedExecution"]["name"] == short
            {
                job["latestCreatedExecution"]["completionTime"] = json!(now.to_string());
                job["latestCreatedExecution"]["completionStatus"] = json!(status);
            }
        });
    }
}

/// The settings that all attempts of an execution share.
struct Plan {
    container: Container,
    count: u32,
    parallelism: usize,
    max_retries: u32,
    timeout: Duration,
}

fn attempt_result(exit: &Exit, code: i32, message: &str) -> Value {
    let mut status = json!({});
    if code != 0 {
        status = json!({ "code": code, "message": message });
    }
    match exit {
        // A zero exit code is absent, as every zero is.
        Exit::Code(0) | Exit::Status(..) => json!({ "status": status }),
        Exit::Code(code) => json!({ "status": status, "exitCode": code }),
        Exit::Signal(signal) => json!({ "status": status, "termSignal": signal }),
    }
}

fn close_task(task: &mut Value, end: &TaskEnd, now: Timestamp) {
    task["completionTime"] = json!(now.to_string());
    remove(task, "reconciling");
    touch(task, now);
    match end {
        TaskEnd::Succeeded => set_condition(task, "Completed", "CONDITION_SUCCEEDED", "", None),
        TaskEnd::Failed(message) => set_condition(
            task,
            "Completed",
            "CONDITION_FAILED",
            message,
            Some(("executionReason", "NON_ZERO_EXIT_CODE")),
        ),
        TaskEnd::Cancelled => set_condition(
            task,
            "Completed",
            "CONDITION_FAILED",
            "The execution was cancelled.",
            Some(("executionReason", "CANCELLED")),
        ),
        TaskEnd::NotStarted(reason) => set_condition(
            task,
            "Completed",
            "CONDITION_FAILED",
            &reason.message,
            Some(("reason", &reason.reason)),
        ),
    }
}

fn mark_started(execution: &mut Value, now: Timestamp) {
    let took = since_creation(execution, now);
    execution["startTime"] = json!(now.to_string());
    for (condition, message) in [
        ("ContainerReady", "Imported container image.".to_owned()),
        ("ResourcesAvailable", "Provisioned imported containers.".to_owned()),
        ("Started", format!("Started deployed execution in {took}.")),
    ] {
        set_condition(execution, condition, "CONDITION_SUCCEEDED", &message, None);
    }
}

fn since_creation(execution: &Value, now: Timestamp) -> String {
    let created = execution["createTime"].as_str().unwrap_or_default();
    let took = created
        .parse::<Timestamp>()
        .map_or(Duration::ZERO, |created| now.duration_since(created).unsigned_abs());
    format!("{:.2}s", took.as_secs_f64())
}

/// Closes the executions that were under way when the emulator ended, as failed: containers do not
/// outlive it.
pub(crate) fn close_what_was_running(saved: &mut Saved) {
    let now = Timestamp::now().to_string();
    for execution in saved.executions.values_mut() {
        if execution.get("completionTime").is_some() {
            continue;
        }
        let count = execution["taskCount"].as_i64().unwrap_or(1);
        let ended = execution["succeededCount"].as_i64().unwrap_or(0)
            + execution["cancelledCount"].as_i64().unwrap_or(0);
        execution["failedCount"] = json!(count - ended);
        execution["completionTime"] = json!(now);
        execution["updateTime"] = json!(now);
        remove(execution, "runningCount");
        remove(execution, "reconciling");
        set_condition(
            execution,
            "Completed",
            "CONDITION_FAILED",
            "The emulator ended while this execution was running.",
            None,
        );
    }
}
