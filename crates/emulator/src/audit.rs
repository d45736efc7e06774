//! Cloud Audit Logs: the entry about the start of a job. It is a data access, which is written only where the
//! project's policy asks for that ("Cloud Run audit logging").
//!
//! To record another call: a function beside [`started`], called where the method is answered.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::logs;
use crate::names::{self, part, short_name};
use crate::options::{AuditedStarts, Options};
use crate::resource::items;
use crate::store::State;

/// The log of data access.
pub(crate) const DATA_ACCESS: &str = "cloudaudit.googleapis.com%2Fdata_access";

/// Writes the entry about the start of a job, if the project's policy has such calls of this caller recorded.
pub(crate) fn started(
    options: &Options,
    state: &mut State,
    job: &str,
    execution: &names::Execution,
    caller: &str,
) {
    let project = part(job, "projects");
    let policy = state.saved.policies.get(&format!("projects/{project}"));
    if !policy.is_some_and(|policy| records_writes(policy, caller)) {
        return;
    }
    let mut payload = json!({
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "serviceName": "run.googleapis.com",
        "methodName": "google.cloud.run.v2.Jobs.RunJob",
        "resourceName": job,
        "authenticationInfo": { "principalEmail": caller },
    });
    if options.audited_starts == AuditedStarts::Named {
        payload["response"] = json!({ "metadata": { "name": execution.to_string() } });
    }
    let entry = json!({
        "logName": format!("projects/{project}/logs/{DATA_ACCESS}"),
        "severity": "INFO",
        "protoPayload": payload,
        "resource": {
            "type": "cloud_run_job",
            "labels": {
                "project_id": project,
                "location": part(job, "locations"),
                "job_name": short_name(job),
            },
        },
    });
    if let Value::Object(entry) = entry {
        logs::add(options, state, Map::from_iter(entry), Duration::ZERO);
    }
}

/// Whether a policy has writes of data by this caller recorded, of which starting a job is one.
fn records_writes(policy: &Value, caller: &str) -> bool {
    let of_run = |config: &&Value| {
        ["allServices", "run.googleapis.com"].contains(&config["service"].as_str().unwrap_or_default())
    };
    let exempt = |log: &Value| {
        let members = items(&log["exemptedMembers"]).iter().filter_map(Value::as_str);
        members.filter_map(|member| member.split_once(':')).any(|(_, account)| account == caller)
    };
    let configs = items(&policy["auditConfigs"]).iter().filter(of_run);
    // If both are set, both apply (`google.iam.v1.AuditConfig`): who is exempt in one is exempt.
    let logs: Vec<&Value> = configs
        .flat_map(|config| items(&config["auditLogConfigs"]))
        .filter(|log| log["logType"] == "DATA_WRITE")
        .collect();
    !logs.is_empty() && !logs.into_iter().any(exempt)
}
