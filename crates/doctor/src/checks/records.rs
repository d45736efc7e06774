//! The check `records`: a sink puts the records into the log bucket that keeps them for years.
//!
//! To add a finding: about the bucket in `of_bucket`, about the sink's exclusions in `of_exclusions`, about its
//! account in `of_writer`.

use futures::future::join;
use quill_admin_cloud::{CloudErrorKind, JobName, LogBucket, LogSink, ProjectId, role};
use quill_admin_operations::config::Records;

use crate::check::{Check, Scope};
use crate::finding::{Finding, Report};
use crate::inquiries::Inquiries;
use crate::undecided::{Undecided, or_note};

pub(crate) const CHECK: Check = Check {
    id: "records",
    title: "the log bucket that keeps the records, and the sink that fills it",
    needs: &["project"],
    scope: Scope::Environment(|inquiries| Box::pin(inspect(inquiries))),
};

const LOST: &str = "what was run is forgotten when the project's own log is, by default after 30 days";
/// The filter of the sink in the Terraform module.
const FILTER: &str = include_str!("../../../../infra/modules/cloud-run-job/records.filter.tftpl");
const TERRAFORM: &str = "let Terraform make it: see \"Records that last\" in docs/terraform.md";

async fn inspect(inquiries: &Inquiries) -> Result<Report, Undecided> {
    if let Some(why) = inquiries.nothing_around() {
        return Ok(Report::nothing(why));
    }
    let Some(records) = &inquiries.environment.records else {
        return Ok(Report::nothing("the file names no log bucket for records"));
    };
    let (bucket, sinks) = join(inquiries.log_bucket(&records.bucket), inquiries.log_sinks()).await;
    let (mut findings, mut undecided) = (Vec::new(), Vec::new());
    match bucket {
        Ok(bucket) => findings.extend(of_bucket(records, bucket)),
        Err(missing) if missing.kind == Some(CloudErrorKind::NotFound) => {
            let what = format!("the log bucket {} is not there", records.bucket);
            return Ok(Finding::problem(what, LOST).evidence([missing.cause]).advice(TERRAFORM).into());
        }
        Err(unseen) => undecided.push(unseen),
    }
    match sinks {
        Ok(sinks) => of_sinks(inquiries, records, sinks, &mut findings, &mut undecided).await,
        Err(unseen) => undecided.push(unseen),
    }
    let locked = if records.locked { ", locked" } else { "" };
    let note = format!("{} keeps them for {} days{locked}", records.bucket.id(), records.retention_days);
    Ok(Report::found(note, findings).and_undecided(undecided))
}

/// Examines the sinks of the project: one of them has to fill the bucket.
async fn of_sinks(
    inquiries: &Inquiries,
    records: &Records,
    sinks: &[LogSink],
    findings: &mut Vec<Finding>,
    undecided: &mut Vec<Undecided>,
) {
    let destination = format!("logging.googleapis.com/{}", records.bucket);
    let into: Vec<&LogSink> = sinks.iter().filter(|sink| sink.destination == destination).collect();
    let on: Vec<&LogSink> = into.iter().copied().filter(|sink| !sink.disabled).collect();
    match (into.first(), on.first()) {
        (None, _) => findings.push(
            Finding::problem(format!("no sink of the project puts records into {}", records.bucket), LOST)
                .advice(TERRAFORM)
                .advice("a folder or the organisation may have one that does: only they can tell"),
        ),
        (Some(sink), None) => {
            let project = &inquiries.environment.job.project;
            findings.push(Finding::problem(format!("the sink {} is switched off", sink.name), LOST).advice(
                format!(
                    "switch it on with: gcloud logging sinks update {} --no-disabled --project={project}",
                    sink.name
                ),
            ));
        }
        (Some(_), Some(_)) => {
            let known = filter(&inquiries.environment.job);
            let takes = |sink: &&LogSink| sink.filter.is_empty() || on_one_line(&sink.filter) == known;
            let whole = |sink: &&LogSink| takes(sink) && sink.exclusions.is_empty();
            let filling = on.iter().copied().find(whole).or_else(|| on.iter().copied().find(takes));
            if filling.is_none() {
                let filters: Vec<_> =
                    on.iter().map(|sink| format!("{}: {}", sink.name, on_one_line(&sink.filter))).collect();
                let cause = format!(
                    "whether the records of the job come into the bucket: only the filter of the Terraform module is \
                     known here, and this is another one: {}",
                    filters.join("; ")
                );
                undecided.push(Undecided::new(cause).advice(TERRAFORM));
            }
            let single = || on.first().copied().filter(|_| on.len() == 1);
            if let Some(sink) = filling.or_else(single) {
                findings.extend(or_note(of_writer(inquiries, records, sink).await, undecided));
                findings.extend(of_exclusions(sink, &inquiries.environment.job.project));
            }
        }
    }
}

/// The filter that the Terraform module gives the sink of a job. Other filters are not judged: it takes Cloud Logging
/// to evaluate one.
fn filter(job: &JobName) -> String {
    let filled = FILTER
        .replace("${job}", job.job.as_str())
        .replace("${region}", job.region.as_str())
        .replace("${project}", job.project.as_str());
    on_one_line(&filled)
}

/// A filter with single spaces, as the Terraform module writes it.
fn on_one_line(filter: &str) -> String {
    filter.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The findings about a bucket that is not as the environments file has it.
fn of_bucket(records: &Records, bucket: &LogBucket) -> Vec<Finding> {
    let id = records.bucket.id();
    let place = format!("--location={} --project={}", records.bucket.location, records.bucket.project);
    let mut findings = Vec::new();
    if !bucket.active {
        findings.push(
            Finding::problem(
                format!("the log bucket {id} is to be deleted"),
                "its records go with it, after 7 days",
            )
            .advice(format!("keep it with: gcloud logging buckets undelete {id} {place}")),
        );
    }
    let (kept, wanted) = (i64::from(bucket.retention_days), i64::from(records.retention_days));
    let what = format!("the log bucket {id} keeps records for {kept} days, not for {wanted}");
    if kept < wanted {
        findings.push(Finding::problem(what, "older records are deleted").advice(format!(
            "change it with: gcloud logging buckets update {id} {place} --retention-days={wanted}"
        )));
    } else if kept > wanted {
        findings.push(
            Finding::warning(what, "records are kept longer than the file says, which may not be allowed")
                .advice(format!("write retention_days: {kept} into the file, or change the bucket")),
        );
    }
    match (records.locked, bucket.locked) {
        (true, false) => findings.push(
            Finding::problem(
                format!("the log bucket {id} is not locked"),
                "whoever may change the bucket can shorten the time, and so delete records",
            )
            .advice(format!(
                "lock it, which cannot be undone, with: gcloud logging buckets update {id} {place} --locked"
            )),
        ),
        (false, true) => findings.push(
            Finding::warning(
                format!("the log bucket {id} is locked, and the file does not say so"),
                "a lock cannot be undone; Terraform would try to",
            )
            .advice("write locked: true into the file"),
        ),
        (true, true) | (false, false) => {}
    }
    findings
}

/// The finding about a sink that leaves entries out. It does not judge which ones: it takes Cloud Logging to evaluate
/// a filter.
fn of_exclusions(sink: &LogSink, project: &ProjectId) -> Option<Finding> {
    let (name, _) = sink.exclusions.first()?;
    let sink_name = &sink.name;
    let finding = Finding::warning(
        format!("the sink {sink_name} leaves some entries out"),
        "the records of some runs may not come into the bucket",
    )
    .evidence(sink.exclusions.iter().map(|(name, filter)| format!("{name}: {filter}")))
    .advice(format!(
        "if records are among them, remove it with: gcloud logging sinks update {sink_name} --remove-exclusions={name} \
         --project={project}"
    ));
    Some(finding)
}

/// Whether the sink may write into the bucket. A sink into a bucket of its own project needs no account and no role
/// (`google.logging.v2.LogSink.writer_identity`).
async fn of_writer(
    inquiries: &Inquiries,
    records: &Records,
    sink: &LogSink,
) -> Result<Option<Finding>, Undecided> {
    let project = &records.bucket.project;
    if *project == inquiries.environment.job.project {
        return Ok(None);
    }
    let name = &sink.name;
    if sink.writer.is_empty() {
        return Ok(Some(
            Finding::problem(
                format!("the sink {name} has no account to write as into another project"),
                LOST,
            )
            .advice(TERRAFORM),
        ));
    }
    let members = inquiries.bucket_writers(project).await?;
    let mut own = members.iter().filter(|member| member.name == sink.writer).peekable();
    if own.peek().is_none() {
        return Ok(Some(
            Finding::problem(format!("the account of the sink {name} may not write into the bucket"), LOST)
                .evidence([format!("{} has no {} in {project}", sink.writer, role::BUCKET_WRITER)])
                .advice(format!(
                    "ask an administrator for: gcloud projects add-iam-policy-binding {project} --member={} --role={}",
                    sink.writer,
                    role::BUCKET_WRITER
                ))
                .advice("a folder or the organisation may have given it the role: only they can tell"),
        ));
    }
    let names = |condition: &String| condition.contains(&format!("/buckets/{}\"", records.bucket.id()));
    if own.any(|member| member.condition.as_ref().is_none_or(names)) {
        return Ok(None);
    }
    Err(Undecided::new(format!(
        "the account of the sink {name} has {} in {project} with a condition that does not name the bucket",
        role::BUCKET_WRITER
    )))
}
