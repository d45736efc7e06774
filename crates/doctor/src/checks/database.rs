//! The check `database`: the Cloud SQL instance runs, and the job is set up to use it. `target.rs` examines
//! the target in the job's command.
//!
//! To add a finding about the instance: `inspect`. To compare another variable of the job: `compare`.

mod target;

use quill_admin_cloud::{CloudErrorKind, EnvValue, Job, SslMode};
use quill_admin_contract::Target;
use quill_admin_contract::variable::{self, Variable};
use quill_admin_operations::admin_image::database_variables;
use quill_admin_operations::admin_image::target::PORT;

use super::job_settings::{PutJobRight, only_for_ours};
use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::Undecided;

pub(crate) const CHECK: Check = Check {
    id: "database",
    title: "the Cloud SQL instance, and what the job knows of it",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

const RUNNABLE: &str = "RUNNABLE";

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let Some(name) = &inquiries.environment.database_instance else {
        return Ok(Report::nothing("the environments file names no Cloud SQL instance"));
    };
    let project = &inquiries.environment.job.project;
    let instance = match inquiries.database().await {
        Ok(Some(instance)) => instance,
        Ok(None) => return Ok(Report::nothing("the environments file names no Cloud SQL instance")),
        Err(undecided) if undecided.kind == Some(CloudErrorKind::NotFound) => {
            return Ok(Finding::problem(
                format!("project {project} has no Cloud SQL instance \"{name}\""),
                "there is no database for the job to work on",
            )
            .advice("check database.instance in the environments file, or run terraform apply")
            .into());
        }
        // Cloud SQL may answer so for an instance that is not there, too.
        Err(undecided) if undecided.kind == Some(CloudErrorKind::PermissionDenied) => {
            return Err(undecided.advice("check database.instance in the environments file"));
        }
        Err(undecided) => return Err(undecided),
    };
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    if instance.stopped {
        let why = "the job cannot reach it, and neither can the application";
        let start = format!(
            "start it with: gcloud sql instances patch {name} --activation-policy=ALWAYS --project={project}"
        );
        findings.push(Finding::problem(format!("the instance {name} has been stopped"), why).advice(start));
    } else if instance.state != RUNNABLE {
        findings.push(
            Finding::problem(
                format!("the instance {name} is not running: {}", instance.state),
                "the job cannot reach it",
            )
            .advice(format!("see why: gcloud sql operations list --instance={name} --project={project}")),
        );
    }
    match &instance.private_ip {
        None => findings.push(
            Finding::problem(
                format!("the instance {name} has no private IP address"),
                "the job reaches the database by its private address only",
            )
            .advice("enable it on the instance"),
        ),
        // Without a job there is nothing to compare; the check `job` reports that.
        Some(address) => match inquiries.job().await {
            Err(unseen) => undecided.push(unseen),
            Ok(None) => {}
            Ok(Some(job)) => {
                // Where the target is in the command, the variables of the same meaning have no effect.
                let decides = |finding: &Finding| {
                    finding.fix.is_none() || Target::in_command(&job.settings.command).is_none()
                };
                findings.extend(compare(job, address, instance.ssl_mode).into_iter().filter(decides));
                findings.extend(target::inspect(inquiries, job, instance, address, &mut undecided).await);
                findings = only_for_ours(findings, inquiries, job).await;
            }
        },
    }
    let address = instance.private_ip.as_deref().unwrap_or("no private address");
    Ok(Report::found(format!("{name}, {}, {}, {address}", instance.version, instance.state), findings)
        .and_undecided(undecided))
}

/// Compares the job's variables with the instance.
fn compare(job: &Job, address: &str, mode: SslMode) -> Vec<Finding> {
    let wrong = |what: String, why: &str| Finding::problem(what, why).fix(PutJobRight);
    let mut findings = both_names(job);
    let called = |variable| database_variables::name(Some(&job.settings), variable);
    let host = database_variables::of(&job.settings, &variable::AUTH_DB_HOST);
    let name = called(&variable::AUTH_DB_HOST);
    match host {
        Some((_, EnvValue::Text(host))) if host == address => {}
        Some((_, EnvValue::Text(host))) => findings.push(wrong(
            format!("the job's {name} is {host}, the instance's private address {address}"),
            "the job looks for the database where it is not",
        )),
        Some((_, EnvValue::Secret(secret))) => findings.push(
            Finding::warning(
                format!("the job's {name} is in the secret {}, whose value is not read here", secret.name()),
                format!("whether it is the instance's private address, {address}, is not known"),
            )
            .advice("an address is no secret: set it in clear, so that it can be compared"),
        ),
        None => findings.push(wrong(
            format!("the job has no {name}; the instance's private address is {address}"),
            "the job does not know where the database is",
        )),
    }
    if let Some(port) = text(job, &variable::AUTH_DB_PORT)
        && port.trim() != PORT.to_string()
    {
        let name = called(&variable::AUTH_DB_PORT);
        findings.push(wrong(
            format!("the job's {name} is {port}, the instance's port {PORT}"),
            "the job looks for the database where it is not",
        ));
    }
    let encryption = text(job, &variable::AUTH_DB_SSLMODE);
    let name = called(&variable::AUTH_DB_SSLMODE);
    match mode {
        SslMode::EncryptedOnly if encryption == Some("disable") => findings.push(wrong(
            format!("the job's {name} is disable, and the instance takes encrypted connections only"),
            "the database refuses the job",
        )),
        SslMode::AllowUnencrypted | SslMode::Unknown if encryption == Some("disable") => {
            findings.push(wrong(
                format!("the job's {name} is disable"),
                "the job proves the database's password over TLS only, so every task ends with 14",
            ));
        }
        SslMode::ClientCertificate => findings.push(
            Finding::problem(
                "the instance takes connections with a client's certificate only",
                "neither the job nor the application has one: the database refuses them",
            )
            .advice(
                "set the instance to encrypted connections without a client's certificate (ENCRYPTED_ONLY)",
            ),
        ),
        SslMode::AllowUnencrypted | SslMode::EncryptedOnly | SslMode::Unknown => {}
    }
    findings
}

/// Finds variables that the job has by both names with different values. The values are not shown: one may be
/// a password.
fn both_names(job: &Job) -> Vec<Finding> {
    let found = database_variables::contradictions(&job.settings);
    let [first, ..] = found[..] else { return Vec::new() };
    let lines = found.iter().map(|one| format!("{} wins over {}", one.wins, one.loses));
    let finding = Finding::warning(
        "the job has both names of a variable of the database, with other values",
        "what tasks use is the first of the two: the other one is set and means nothing",
    );
    let advice =
        format!("where {} is right, remove {} from the job, or the other way round", first.wins, first.loses);
    vec![finding.evidence(lines).advice(advice)]
}

/// The value of a variable of the job, by either of its names, as the executor reads it.
fn text<'a>(job: &'a Job, variable: &Variable) -> Option<&'a str> {
    match database_variables::of(&job.settings, variable)? {
        (_, EnvValue::Text(text)) => Some(text),
        (_, EnvValue::Secret(_)) => None,
    }
}
