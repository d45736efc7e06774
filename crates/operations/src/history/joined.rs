//! Joins executions with their records.
//!
//! To add a column: its field in [`PastRun`], and here the functions that fill it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use quill_admin_cloud::{AuditEntry, Ending, Execution, JobName, Phase};
use quill_admin_contract::{
    Asked, Claim, ExitCode, Outcome, ProofKey, PublicKey, ResultLine, Signature, Verifier, variable,
};

use super::past_run::{PastRun, Record, changes, kind};
use crate::task::asked::{asked, context};

/// The settings with which records are read.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    /// The public keys of the environment.
    pub(super) keys: &'a [PublicKey],
    /// Whether the rows of a bulk run are told as runs of their own, because a user is wanted.
    pub(super) each_row: bool,
}

/// Joins executions with the records of them; also makes runs of records whose executions are gone.
pub(super) fn join(
    job: &JobName,
    executions: Vec<Execution>,
    records: Vec<AuditEntry>,
    reading: Reading<'_>,
) -> Vec<PastRun> {
    let mut by_execution: BTreeMap<String, Vec<AuditEntry>> = BTreeMap::new();
    for record in records {
        by_execution.entry(record.execution.clone()).or_default().push(record);
    }
    let mut runs = Vec::new();
    for execution in executions {
        let records = by_execution.remove(&execution.name.id).unwrap_or_default();
        runs.extend(of_execution(&execution, &records, reading));
    }
    runs.extend(
        by_execution
            .into_iter()
            .flat_map(|(execution, records)| of_records(job, &execution, &records, reading)),
    );
    runs
}

/// The claims of the records of one execution, apart from those of its rows.
struct Claims {
    of_run: Vec<(Timestamp, Claim)>,
    /// In the order of the rows.
    of_rows: Vec<(Timestamp, Claim)>,
}

impl Claims {
    fn read(records: &[AuditEntry], key: Option<&ProofKey>, verifier: Verifier<'_>) -> Self {
        let claims = records.iter().filter_map(|record| {
            Some((record.timestamp, Claim::from_record(&record.payload, key, Some(verifier))?))
        });
        let (mut of_rows, of_run): (Vec<(Timestamp, Claim)>, _) =
            claims.partition(|(_, claim)| claim.line.row_number.is_some());
        of_rows.sort_by_key(|(_, claim)| claim.line.row_number);
        Self { of_run, of_rows }
    }

    /// The claims of each row, if the rows of a bulk run are what these records tell: where the records of a user
    /// were asked for, they are there, and that of the run itself is not. Whoever may write log entries can write a
    /// record of either kind, and can repeat a proven one of the run: rows that are proven are always told.
    fn rows(&self, reading: Reading<'_>) -> Option<Vec<Vec<(Timestamp, Claim)>>> {
        let is_proven = |(_, claim): &(Timestamp, Claim)| claim.is_proven();
        let (any_row, any_run) = (self.of_rows.iter().any(is_proven), self.of_run.iter().any(is_proven));
        let are_rows = any_row || !any_run && self.of_run.is_empty() && !self.of_rows.is_empty();
        (reading.each_row && are_rows).then(|| {
            self.of_rows
                .chunk_by(|(_, one), (_, other)| one.line.row_number == other.line.row_number)
                .map(<[_]>::to_vec)
                .collect()
        })
    }
}

/// Makes a run of a job that leaves no records.
pub(super) fn without_records(execution: &Execution) -> PastRun {
    one_of_execution(execution, &asked(execution), &[], false)
}

/// Makes a run that Cloud Run knows, or one of each row that was wanted.
fn of_execution(execution: &Execution, records: &[AuditEntry], reading: Reading<'_>) -> Vec<PastRun> {
    let asked = asked(execution);
    let name = &execution.name;
    let verifier = Verifier { keys: reading.keys, job: name.job.job.as_str(), execution: &name.id };
    let claims = Claims::read(records, asked.key.as_ref(), verifier);
    if asked.rows.is_some()
        && let Some(rows) = claims.rows(reading)
    {
        let contradicted = !claims.of_run.is_empty();
        return rows.iter().map(|row| one_of_execution(execution, &asked, row, contradicted)).collect();
    }
    // A row of a run that was not for rows is one that somebody has invented.
    let contradicted = asked.rows.is_none() && !claims.of_rows.is_empty();
    let run = one_of_execution(execution, &asked, &claims.of_run, contradicted);
    let of_rows = claims.of_rows.into_iter().map(|(_, claim)| claim).collect();
    vec![PastRun { of_rows, ..run }]
}

/// Makes a run that Cloud Run knows: the execution tells what was asked for, by whom and when. The records are newest
/// first, so a task that was tried again is known by its last try.
fn one_of_execution(
    execution: &Execution,
    asked: &Asked,
    told: &[(Timestamp, Claim)],
    contradicted: bool,
) -> PastRun {
    let row_number = told.iter().find_map(|(_, claim)| claim.line.row_number);
    let is_signed = |claim: &&Claim| claim.signature == Signature::Verified;
    let worth = |claim: &Claim| {
        if !asked.may_be_answered_by(&claim.line) {
            return Worth::Contradicted;
        }
        // How the execution ended says nothing of one of its rows.
        let seen = if row_number.is_some() { Worth::Open } else { compared(&execution.phase, claim) };
        if execution.phase == SUCCEEDED && seen == Worth::Contradicted {
            // Cloud Run knows the exit code of the container.
            Worth::Contradicted
        } else if claim.is_proven() {
            Worth::Agrees
        } else if asked.key.is_some() {
            Worth::Contradicted
        } else {
            seen
        }
    };
    // Whoever may read executions can prove a result with the key of its request, and sign none.
    let agrees = |claim: &&Claim| worth(claim) == Worth::Agrees;
    let claims = || told.iter().map(|(_, claim)| claim);
    let used = claims().filter(is_signed).find(agrees).or_else(|| claims().find(agrees));
    let contradicted = contradicted
        || claims().any(|claim| {
            worth(claim) == Worth::Contradicted
                || used.is_some_and(|used| used.line != claim.line && !execution.retried)
        });
    let given = |name: &str| execution.request.get(name).cloned();
    let context = context(execution);
    PastRun {
        time: execution.created.or(told.first().map(|(time, _)| *time)).unwrap_or_default(),
        has_execution: true,
        account: Some(execution.creator.clone()).filter(|creator| !creator.is_empty()),
        actor: given(variable::ADMIN_ACTOR.name),
        action: given(variable::ADMIN_ACTION.name),
        user: given(variable::ADMIN_USERNAME.name)
            .or_else(|| used.filter(|_| row_number.is_some()).and_then(|claim| claim.line.username.clone())),
        rows: execution.rows,
        row_number: row_number.filter(|_| used.is_some()),
        of_rows: Vec::new(),
        reason: given(variable::ADMIN_REASON.name),
        origin: given(variable::ADMIN_ORIGIN.name),
        recorded: used.map(|claim| claim.line.recorded.clone()).unwrap_or_default(),
        kind: used.and_then(|claim| kind(&claim.line)),
        changes: used.and_then(|claim| changes(&claim.line.outcome)),
        preview: context.preview,
        undoes: context.undoes,
        outcome: match (used, &execution.phase) {
            // The executor reports a failure: it was stopped, and has rolled back.
            (Some(claim), Phase::Ended(Ending::Cancelled { .. })) if claim.line.exit_code != 0 => None,
            (used, _) => used,
        }
        .map_or_else(|| seen(&execution.phase).to_owned(), outcome),
        line: used.map(|claim| claim.line.clone()),
        signature: used.map_or(Signature::None, |claim| claim.signature),
        record: used.map_or(Record::None, Record::of),
        contradicted,
        exit_code: used.map(|claim| claim.line.exit_code),
        duration: execution.started.zip(execution.completed).map(|(from, to)| to.duration_since(from)),
        image: Some(execution.image.clone()).filter(|image| !image.is_empty()),
        job: execution.name.job.clone(),
        execution: execution.name.id.clone(),
    }
}

const SUCCEEDED: Phase = Phase::Ended(Ending::Succeeded);

/// The relation of a record to what Cloud Run has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Both say the same.
    Agrees,
    /// Cloud Run does not know the end yet.
    Open,
    Contradicted,
}

/// Compares a record with the end that Cloud Run saw. A container that was done, and was cancelled
/// afterwards, looks like one that was cancelled before: where nothing proves the record, Cloud Run's account
/// stands.
fn compared(phase: &Phase, claim: &Claim) -> Worth {
    let done = claim.line.exit_code == ExitCode::Success.code();
    let agrees = match phase {
        Phase::Ended(Ending::Succeeded) => done,
        Phase::Ended(Ending::Failed { .. } | Ending::Cancelled { .. }) => !done,
        Phase::Queued | Phase::Provisioning | Phase::Running => return Worth::Open,
    };
    if agrees { Worth::Agrees } else { Worth::Contradicted }
}

/// Makes a run that only the log knows, or one of each row that was wanted.
fn of_records(job: &JobName, execution: &str, records: &[AuditEntry], reading: Reading<'_>) -> Vec<PastRun> {
    let claims =
        Claims::read(records, None, Verifier { keys: reading.keys, job: job.job.as_str(), execution });
    if let Some(rows) = claims.rows(reading) {
        let contradicted = !claims.of_run.is_empty();
        return rows.iter().filter_map(|row| one_of_records(job, execution, row, contradicted)).collect();
    }
    // A container that was killed has left records of its rows alone. A signed one says more than a record of the
    // run that is not signed, which somebody has added.
    let is_signed = |(_, claim): &&(Timestamp, Claim)| claim.signature == Signature::Verified;
    let signed_row = claims.of_rows.iter().find(is_signed);
    let added = signed_row.is_some() && !claims.of_run.iter().any(|claim| is_signed(&claim));
    let of_run = if added { &[][..] } else { &claims.of_run };
    let run = one_of_records(job, execution, of_run, false).or_else(|| {
        let row = signed_row.or(claims.of_rows.first())?;
        let row = one_of_records(job, execution, std::slice::from_ref(row), !claims.of_run.is_empty())?;
        Some(PastRun {
            user: None,
            row_number: None,
            recorded: BTreeMap::new(),
            kind: None,
            changes: None,
            outcome: "unknown".to_owned(),
            line: None,
            signature: Signature::None,
            record: Record::None,
            exit_code: None,
            ..row
        })
    });
    let of_rows = claims.of_rows.into_iter().map(|(_, claim)| claim).collect();
    run.map(|run| PastRun { of_rows, ..run }).into_iter().collect()
}

/// Makes a run that only the log knows: Cloud Run has forgotten it, and its key with it, or it never existed. A
/// signed record counts more than all that are not.
fn one_of_records(
    job: &JobName,
    execution: &str,
    claims: &[(Timestamp, Claim)],
    contradicted: bool,
) -> Option<PastRun> {
    let is_signed = |claim: &Claim| claim.signature == Signature::Verified;
    let any_signed = claims.iter().any(|(_, claim)| is_signed(claim));
    let told: Vec<&(Timestamp, Claim)> =
        claims.iter().filter(|(_, claim)| is_signed(claim) || !any_signed).collect();
    let (time, claim) = told.first()?;
    let (first, signature) = (&claim.line, claim.signature);
    let lines = || told.iter().map(|(_, claim)| &claim.line);
    let differ = lines().any(|line| line != first);
    let contradicted = contradicted || claims.iter().any(|(_, claim)| &claim.line != first);
    // Where records differ, only the values that all of them have are used.
    let common = |said: fn(&ResultLine) -> Option<&String>| {
        said(first).filter(|_| lines().all(|line| said(line) == said(first))).cloned()
    };
    Some(PastRun {
        execution: execution.to_owned(),
        job: job.clone(),
        time: *time,
        has_execution: false,
        account: None,
        outcome: if differ { "contradicted".to_owned() } else { first.outcome.name().to_owned() },
        undoes: common(|line| line.undoes.as_ref()),
        preview: lines().all(|line| line.mode.is_some()),
        line: (!differ).then(|| first.clone()),
        signature,
        record: if any_signed { Record::Signed } else { Record::NotProvable },
        contradicted,
        exit_code: Some(first.exit_code).filter(|_| !differ),
        actor: common(|line| line.actor.as_ref()),
        action: common(|line| line.action.as_ref()),
        user: common(|line| line.username.as_ref()),
        rows: match first.outcome {
            Outcome::Each { rows, .. } => Some(rows),
            _ => None,
        },
        row_number: first.row_number,
        of_rows: Vec::new(),
        reason: common(|line| line.reason.as_ref()),
        origin: common(|line| line.origin.as_ref()),
        recorded: if lines().all(|line| line.recorded == first.recorded) {
            first.recorded.clone()
        } else {
            BTreeMap::new()
        },
        kind: kind(first).filter(|_| !differ),
        changes: changes(&first.outcome).filter(|_| !differ),
        duration: None,
        image: None,
    })
}

fn outcome(claim: &Claim) -> String {
    claim.line.outcome.name().to_owned()
}

/// The outcome that Cloud Run saw of a run that left no record.
fn seen(phase: &Phase) -> &'static str {
    match phase {
        Phase::Ended(Ending::Succeeded) => "succeeded",
        Phase::Ended(Ending::Failed { .. }) => "failed",
        Phase::Ended(Ending::Cancelled { .. }) => "cancelled",
        Phase::Queued | Phase::Provisioning | Phase::Running => "running",
    }
}

#[cfg(test)]
mod tests {
    use quill_admin_contract::{RecordKey, Signed};
    use serde_json::{Value, json};

    use super::*;

    const EXECUTION: &str = "quill-tasks-staging-aaaaa";

    fn job() -> JobName {
        JobName {
            project: "quill-medical-staging".parse().expect("a project"),
            region: "europe-west2".parse().expect("a region"),
            job: "quill-tasks-staging".parse().expect("a job"),
        }
    }

    fn line(actor: &str, row: Option<u64>) -> Value {
        let mut line = json!({
            "contract": 4, "action": "update-permissions", "actor": actor, "exit_code": 0, "execution": EXECUTION,
            "outcome": {"result": "unchanged", "warnings": []},
        });
        match row {
            Some(row) => {
                line["row_number"] = json!(row);
                line["username"] = json!("steve");
            }
            None => {
                line["outcome"] =
                    json!({"result": "each", "rows": 2, "done": 2, "failed": 0, "digest": "0".repeat(64)});
            }
        }
        line
    }

    /// An entry of the log, so many minutes after the first one.
    fn entry(minutes: i64, record: &Value) -> AuditEntry {
        let first: Timestamp = "2026-11-20T12:00:00Z".parse().expect("a time");
        let timestamp = first + jiff::SignedDuration::from_mins(minutes);
        AuditEntry { execution: EXECUTION.to_owned(), timestamp, payload: json!({"quill_admin": record}) }
    }

    fn signed(key: &RecordKey, line: &Value) -> Value {
        let result = line.to_string();
        let signature =
            key.sign(&Signed { job: "quill-tasks-staging", execution: EXECUTION, result: &result });
        let mut record = line.clone();
        record["result"] = json!(result);
        record["signature"] = json!(signature);
        record
    }

    fn forgotten(key: &RecordKey, each_row: bool, records: Vec<AuditEntry>) -> Vec<PastRun> {
        let keys = [key.public()];
        join(&job(), Vec::new(), records, Reading { keys: &keys, each_row })
    }

    /// The container was killed before the record of the whole run, and Cloud Run has forgotten the execution.
    #[test]
    fn what_somebody_adds_to_signed_rows_says_nothing_of_their_run() {
        let key = RecordKey::generate();
        let row = entry(1, &signed(&key, &line("steve", Some(2))));
        for added in [line("bob", Some(0)), line("bob", None)] {
            let runs = forgotten(&key, false, vec![entry(600, &added), row.clone()]);
            let [run] = runs.as_slice() else { panic!("{runs:#?}") };
            assert_eq!((run.time, run.actor.as_deref()), (row.timestamp, Some("steve")), "{added}");
            assert_eq!((run.record, run.line.is_none()), (Record::None, true));
            assert!(run.of_rows.iter().any(|claim| claim.signature == Signature::Verified));
            assert_eq!(run.rows()[0].actor.as_deref(), Some("steve"));
        }
    }

    /// The log finds a record by values beside the signed text, which anybody can write.
    #[test]
    fn a_record_that_is_repeated_under_another_name_hides_no_row() {
        let key = RecordKey::generate();
        let row = entry(1, &signed(&key, &line("steve", Some(2))));
        let mut repeated = signed(&key, &line("steve", None));
        repeated["username"] = json!("steve");
        let runs = forgotten(&key, true, vec![entry(600, &repeated), row]);
        let [run] = runs.as_slice() else { panic!("{runs:#?}") };
        assert_eq!(
            (run.user.as_deref(), run.row_number, run.record),
            (Some("steve"), Some(2), Record::Signed)
        );
        assert!(run.contradicted);
    }
}
